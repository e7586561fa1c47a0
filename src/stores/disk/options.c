/*
 * stores/disk/options.c - making a disk store from options or a URL.
 */
#include "evkv/registry.h"
#include "stores/disk/disk.h"

#define MAX_BYTES_DEFAULT ((size_t)64 << 30)
#define MAX_BYTES_LEAST ((size_t)1 << 20)
#define LMDB_READERS 512 /* places in LMDB's reader table */

const struct evkv_capabilities evkv__disk_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ATOMIC_CONDITION |
	    EVKV_STORE_ENUM_UNIQUE | EVKV_STORE_EXACT_AFFECTED,
	.max_key = EVKV_KEY_MAX,
	.max_value = DISK_VALUE_MAX,
	.ttl_unit_ms = 1,
};

static bool options_invalid(struct evkv_error *error, const char *what)
{
	evkv_error_set(error, EVKV_INVALID, "disk: %s", what);
	return false;
}

bool evkv__disk_options_read(struct evkv_loop *loop,
    struct evkv_disk_options *options, const struct evkv_disk_options *given,
    size_t size, struct evkv_error *error)
{
	if (loop == NULL)
		return options_invalid(error, "loop is NULL");
	if (!evkv_options_read(options, sizeof(*options), given, size, error))
		return false;
	if (options->path == NULL || options->path[0] == '\0')
		return options_invalid(error, "path is not given");
	if ((unsigned)options->durability > EVKV_DISK_NONE)
		return options_invalid(error,
		    "durability is none of full, os, none");
	if (options->max_bytes == 0)
		options->max_bytes = MAX_BYTES_DEFAULT;
	if (options->max_bytes < MAX_BYTES_LEAST)
		return options_invalid(error,
		    "max_bytes must be at least 1048576");
	if (options->readers < 0 || options->readers > DISK_READERS_MAX)
		return options_invalid(error, "readers must be 0 to 16");
	if (options->sweep_ms < -1)
		return options_invalid(error, "sweep_ms must be -1 or more");
	if (options->sync_ms < 0)
		return options_invalid(error, "sync_ms must not be negative");
	if (options->timeout_ms < 0)
		return options_invalid(error,
		    "timeout_ms must not be negative");
	if (options->max_open < 0)
		return options_invalid(error, "max_open must not be negative");
	/* LMDB wants whole pages. */
	options->max_bytes &= ~(size_t)65535;
	return true;
}

struct evkv_store *evkv_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_disk_options options;

	if (!evkv__disk_options_read(loop, &options, given, size, error))
		return NULL;
	return evkv__disk_new(loop, &options, NULL, error);
}

struct evkv_store *evkv__disk_new(struct evkv_loop *loop,
    const struct evkv_disk_options *options, const struct disk_config *part,
    struct evkv_error *error)
{
	struct evkv_store_config config = {
		.capabilities = &evkv__disk_capabilities
	};
	struct disk_config env_config;
	struct disk_store *disk;
	struct evkv_store *store;

	disk = evkv_calloc(1, sizeof(*disk));
	env_config = (struct disk_config){
		.path = (char *)(uintptr_t)options->path,
		.durability = (enum disk_durability)options->durability,
		.max_bytes = options->max_bytes,
		.max_readers = LMDB_READERS,
		.lazy = part != NULL && part->lazy,
		.guard = part != NULL ? part->guard : NULL,
		.guard_fd = part != NULL ? part->guard_fd : -1,
	};
	if (disk != NULL)
		disk->env = evkv__disk_env_new(&env_config);
	if (disk == NULL || disk->env == NULL) {
		evkv_free(disk);
		evkv_error_set(error, EVKV_NOMEM, "disk: out of memory");
		return NULL;
	}
	if (!evkv__disk_init(disk, loop, options, error)) {
		evkv_error_set(error, EVKV_NOMEM, "disk: out of memory");
		evkv__disk_free(disk);
		return NULL;
	}
	config.max_pending = options->max_pending;
	config.max_pending_bytes = options->max_pending_bytes;
	config.timeout_ms = options->timeout_ms;
	store = evkv_store_create(loop, &evkv__disk_vtable, disk, &config,
	    error);
	if (store == NULL)
		return NULL;
	disk->store = store;
	evkv__disk_start(disk);
	return store;
}

/* ---- URLs ---------------------------------------------------------------- */

#define OPTION(name_, type_, standard_, summary_, ...)                         \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_##type_,                      \
		.offset = offsetof(struct evkv_disk_options, name_),           \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	OPTION(durability, CHOICE, "full", "when a put is acknowledged",
	    .choices = "full|os|none"),
	OPTION(max_bytes, SIZE, "64g", "the bound of the file", .min = 1 << 20,
	    .max = INT64_MAX),
	OPTION(readers, INT, "1", "reading lanes", .min = 1,
	    .max = DISK_READERS_MAX),
	OPTION(inline_reads, BOOL, "no",
	    "read on the loop's thread where no write of the key is under way",
	    .min = 0),
	OPTION(sweep_ms, DURATION, "1s",
	    "how often expired entries are removed; -1 = by purge_expired",
	    .min = -1, .max = INT64_MAX),
	OPTION(sync_ms, DURATION, "1s",
	    "with durability=os, how often the file is brought to the disk",
	    .min = 0),
	OPTION(timeout_ms, DURATION, NULL,
	    "the default deadline of an operation", .min = 0),
	OPTION(max_pending, SIZE, "100000", "entries that may be pending",
	    .min = 0),
	OPTION(max_pending_bytes, SIZE, "1g", "bytes of their keys and values",
	    .min = 0),
	OPTION(max_open, INT, "64", "environments that are open at a time",
	    .min = 1, .max = 100000),
};
#define OPTIONS_COUNT (sizeof(options_table) / sizeof(options_table[0]))

/* The options of the URL have been read; its path is to come. */
static bool options_from_url(const struct evkv_making *making,
    struct evkv_disk_options *options, struct evkv_error *error)
{
	const struct evkv_url *url = making->url;

	if (url->host[0] != '\0' || url->port != 0 || url->user[0] != '\0' ||
	    url->has_password) {
		evkv_error_set(error, EVKV_INVALID,
		    "URL: %s: takes a path and no host: %s:/var/lib/x",
		    url->scheme, url->scheme);
		return false;
	}
	*options = *(const struct evkv_disk_options *)making->options;
	options->path = url->path;
	return true;
}

static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_disk_options options;

	(void)type;
	if (!options_from_url(making, &options, error))
		return NULL;
	return evkv_disk_new(making->loop, &options, error);
}

static struct evkv_store *options_make_multi(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_disk_options options;

	(void)type;
	if (!options_from_url(making, &options, error))
		return NULL;
	return evkv_multi_disk_new(making->loop, &options, error);
}

#define PARTS (EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH)

static const struct evkv_type disk_type = {
	.size = sizeof(struct evkv_type),
	.name = "disk",
	.summary = "a directory on the disk, by LMDB",
	.options = options_table,
	.option_count = OPTIONS_COUNT - 1,
	.options_size = sizeof(struct evkv_disk_options),
	.url_parts = PARTS,
	.make = options_make,
};

static const struct evkv_type multi_disk_type = {
	.size = sizeof(struct evkv_type),
	.name = "multi_disk",
	.summary = "a directory with one environment for each collection",
	.options = options_table,
	.option_count = OPTIONS_COUNT,
	.options_size = sizeof(struct evkv_disk_options),
	.url_parts = PARTS,
	.make = options_make_multi,
};

bool evkv_disk_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &disk_type) &&
	    evkv_loop_register(loop, &multi_disk_type);
}
