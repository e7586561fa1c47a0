/*
 * jsonfile: a store whose entries are all in one JSON file, by one worker.
 *
 * The happy path: the file is read when the store is opened, and when it has
 * changed; a batch of writes becomes a new file that takes its place.
 * docs/jsonfile.md describes the file.
 *
 * Failure modes:
 *   the file is damaged     CORRUPT, with line and column, for everything,
 *                           until it is mended; it is left as it is
 *   edited while it is      the edit is read before anything is written
 *   open
 *   no room, or the disk    NOSPACE or IO, without effect; when the folder
 *   fails                   can't be brought to the disk UNKNOWN_OUTCOME
 *   removed                 IO, until it is put back
 */
#include "engines/files/folder.h"
#include "evkv/registry.h"
#include "stores/jsonfile/store.h"

#define MAX_BYTES_DEFAULT ((size_t)16 << 20)
#define MAX_BYTES_LEAST ((size_t)1 << 10)
#define MAX_BYTES_MOST ((size_t)1 << 30)

static const struct evkv_capabilities jsonfile_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ATOMIC_CONDITION |
	    EVKV_STORE_ENUM_UNIQUE | EVKV_STORE_EXACT_AFFECTED |
	    EVKV_STORE_VERSION_BY_CONTENT,
	.max_key = EVKV_KEY_MAX,
	.ttl_unit_ms = 1,
};

static const struct evkv_vtable jsonfile_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "jsonfile",
	.submit = evkv__serial_submit,
	.stop = evkv__serial_stop,
	.close = evkv__serial_close,
	.free = evkv__serial_free,
};

static void jsonfile_free(void *self)
{
	struct jsonfile *json = self;
	struct file_failure ignored;

	evkv__jsonfile_close(json, &ignored);
	evkv_free(json->file.path);
	evkv_free(json);
}

static const struct serial_type jsonfile_serial = {
	.vtable = &jsonfile_vtable,
	.open = evkv__jsonfile_open,
	.run = evkv__jsonfile_run,
	.close = evkv__jsonfile_close,
	.free = jsonfile_free,
};

/* ---- Options ------------------------------------------------------------- */

static bool options_invalid(struct evkv_error *error, const char *what)
{
	evkv_error_set(error, EVKV_INVALID, "jsonfile: %s", what);
	return false;
}

static bool options_read(struct evkv_loop *loop,
    struct evkv_jsonfile_options *options,
    const struct evkv_jsonfile_options *given, size_t size,
    struct evkv_error *error)
{
	if (loop == NULL)
		return options_invalid(error, "loop is NULL");
	if (!evkv_options_read(options, sizeof(*options), given, size, error))
		return false;
	if (options->path == NULL || options->path[0] == '\0')
		return options_invalid(error, "path is not given");
	if (options->max_bytes == 0)
		options->max_bytes = MAX_BYTES_DEFAULT;
	if (options->max_bytes < MAX_BYTES_LEAST ||
	    options->max_bytes > MAX_BYTES_MOST)
		return options_invalid(error,
		    "max_bytes must be 1024 to 1073741824");
	if (options->timeout_ms < 0)
		return options_invalid(error,
		    "timeout_ms must not be negative");
	return true;
}

static struct jsonfile *jsonfile_make(
    const struct evkv_jsonfile_options *options, struct evkv_error *error)
{
	struct jsonfile *json = evkv_calloc(1, sizeof(*json));

	if (json != NULL) {
		json->file.folder = -1;
		json->file.max_bytes = options->max_bytes;
		json->file.path = evkv__folder_path(options->path);
	}
	if (json != NULL && json->file.path != NULL)
		return json;
	evkv_free(json);
	evkv_error_set(error, EVKV_NOMEM, "jsonfile: out of memory");
	return NULL;
}

struct evkv_store *evkv_jsonfile_new_sized(struct evkv_loop *loop,
    const struct evkv_jsonfile_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_capabilities capabilities = jsonfile_capabilities;
	struct evkv_jsonfile_options options;
	struct jsonfile *json;

	if (!options_read(loop, &options, given, size, error))
		return NULL;
	json = jsonfile_make(&options, error);
	if (json == NULL)
		return NULL;
	capabilities.max_value = options.max_bytes;
	return evkv__serial_new(loop, &jsonfile_serial, &json->serial,
	    &(struct serial_options){
		.executor = options.executor,
		.durable = true,
		.capabilities = &capabilities,
		.max_pending = options.max_pending,
		.max_pending_bytes = options.max_pending_bytes,
		.timeout_ms = options.timeout_ms,
	    },
	    error);
}

/* ---- URLs ---------------------------------------------------------------- */

#define OPTION(name_, type_, standard_, summary_, ...)                         \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_##type_,                      \
		.offset = offsetof(struct evkv_jsonfile_options, name_),       \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	OPTION(max_bytes, SIZE, "16m", "the bound of the file",
	    .min = MAX_BYTES_LEAST, .max = MAX_BYTES_MOST),
	OPTION(timeout_ms, DURATION, NULL,
	    "the default deadline of an operation", .min = 0),
	OPTION(max_pending, SIZE, "100000", "entries that may be pending",
	    .min = 0),
	OPTION(max_pending_bytes, SIZE, "1g", "bytes of their keys and values",
	    .min = 0),
};

static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_jsonfile_options
	    options = *(const struct evkv_jsonfile_options *)making->options;

	(void)type;
	if (!evkv__serial_url_ok(making->url, error))
		return NULL;
	options.path = making->url->path;
	return evkv_jsonfile_new(making->loop, &options, error);
}

static const struct evkv_type jsonfile_type = {
	.size = sizeof(struct evkv_type),
	.name = "jsonfile",
	.summary = "one JSON file with all entries",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct evkv_jsonfile_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH,
	.make = options_make,
};

bool evkv_jsonfile_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &jsonfile_type);
}
