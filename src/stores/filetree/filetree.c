/*
 * filetree: a store with a file for each entry, by one worker.
 *
 * The happy path: a put writes a temporary file with the entry's expiry as an
 * attribute, brings it to the disk, renames it to the key's name, and brings
 * the folder to the disk; a get opens the file and reads it. docs/filetree.md
 * describes the tree.
 *
 * Failure modes:
 *   no room             NOSPACE, without effect
 *   the disk fails      before the rename IO, without effect; when the folder
 *                       can't be brought to the disk UNKNOWN_OUTCOME
 *   cut off             a temporary file is left, which the next put of the
 *                       collection removes
 *   another writer      waited for, then LOCKED
 *   the root is lost    IO, until it is put back
 */
#include "evkv/registry.h"
#include "stores/filetree/tree.h"

#define MAX_VALUE_DEFAULT ((size_t)64 << 20)
#define SWEEP_MS_DEFAULT 600000

static const struct evkv_capabilities filetree_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
	    EVKV_STORE_EXACT_AFFECTED | EVKV_STORE_VERSION_BY_CONTENT,
	.max_key = EVKV_KEY_MAX,
	.ttl_unit_ms = 1,
};

static const struct evkv_vtable filetree_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "filetree",
	.submit = evkv__serial_submit,
	.stop = evkv__serial_stop,
	.close = evkv__serial_close,
	.free = evkv__serial_free,
};

/* Pages and removals have states of their own. */
static void filetree_free_walk(struct serial_job *job)
{
	if ((evkv_kind_classes(job->request->kind) & EVKV_CLASS_PAGES) != 0)
		evkv__names_free(job->walk);
	else
		evkv__walk_free(job->walk);
}

static void filetree_free(void *self)
{
	struct filetree *tree = self;
	struct file_failure ignored;

	evkv__tree_close(tree, &ignored);
	evkv_free(tree->path);
	evkv_free(tree);
}

static const struct serial_type filetree_serial = {
	.vtable = &filetree_vtable,
	.open = evkv__tree_open,
	.run = evkv__tree_run,
	.close = evkv__tree_close,
	.free_walk = filetree_free_walk,
	.free = filetree_free,
};

/* ---- Options ------------------------------------------------------------- */

static bool options_invalid(struct evkv_error *error, const char *what)
{
	evkv_error_set(error, EVKV_INVALID, "filetree: %s", what);
	return false;
}

static bool options_read(struct evkv_loop *loop,
    struct evkv_filetree_options *options,
    const struct evkv_filetree_options *given, size_t size,
    struct evkv_error *error)
{
	if (loop == NULL)
		return options_invalid(error, "loop is NULL");
	if (!evkv_options_read(options, sizeof(*options), given, size, error))
		return false;
	if (options->path == NULL || options->path[0] == '\0')
		return options_invalid(error, "path is not given");
	if ((unsigned)options->durability > EVKV_FILETREE_NONE)
		return options_invalid(error,
		    "durability is none of full, os, none");
	if (options->max_value > EVKV_VALUE_MAX)
		return options_invalid(error,
		    "max_value must be at most 4294967295");
	if (options->sweep_ms < -1)
		return options_invalid(error, "sweep_ms must be -1 or more");
	if (options->sync_ms < 0)
		return options_invalid(error, "sync_ms must not be negative");
	if (options->timeout_ms < 0)
		return options_invalid(error,
		    "timeout_ms must not be negative");
	if (options->max_value == 0)
		options->max_value = MAX_VALUE_DEFAULT;
	if (options->sweep_ms == 0)
		options->sweep_ms = SWEEP_MS_DEFAULT;
	if (options->sync_ms == 0)
		options->sync_ms = 1000;
	return true;
}

static struct filetree *filetree_make(struct evkv_loop *loop,
    const struct evkv_filetree_options *options, struct evkv_error *error)
{
	struct filetree *tree = evkv_calloc(1, sizeof(*tree));

	if (tree != NULL) {
		tree->root = tree->lock = -1;
		tree->durability = options->durability;
		tree->max_value = options->max_value;
		tree->windows = evkv_loop_random(loop);
		tree->path = evkv__folder_path(options->path);
	}
	if (tree != NULL && tree->path != NULL)
		return tree;
	evkv_free(tree);
	evkv_error_set(error, EVKV_NOMEM, "filetree: out of memory");
	return NULL;
}

struct evkv_store *evkv_filetree_new_sized(struct evkv_loop *loop,
    const struct evkv_filetree_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_capabilities capabilities = filetree_capabilities;
	struct evkv_filetree_options options;
	struct filetree *tree;

	if (!options_read(loop, &options, given, size, error))
		return NULL;
	tree = filetree_make(loop, &options, error);
	if (tree == NULL)
		return NULL;
	capabilities.max_value = options.max_value;
	return evkv__serial_new(loop, &filetree_serial, &tree->serial,
	    &(struct serial_options){
		.executor = options.executor,
		.durable = options.durability == EVKV_FILETREE_FULL,
		.sweep_ms = options.sweep_ms,
		.sync_ms = options.durability == EVKV_FILETREE_OS
		    ? options.sync_ms
		    : 0,
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
		.offset = offsetof(struct evkv_filetree_options, name_),       \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	OPTION(durability, CHOICE, "full", "when a put is acknowledged",
	    .choices = "full|os|none"),
	OPTION(max_value, SIZE, "64m", "the longest value", .min = 1,
	    .max = EVKV_VALUE_MAX),
	OPTION(sweep_ms, DURATION, "10m",
	    "how often expired entries are removed; -1 = by purge_expired",
	    .min = -1, .max = INT64_MAX),
	OPTION(sync_ms, DURATION, "1s",
	    "with durability=os, how often all is brought to the disk",
	    .min = 0),
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
	struct evkv_filetree_options
	    options = *(const struct evkv_filetree_options *)making->options;

	(void)type;
	if (!evkv__serial_url_ok(making->url, error))
		return NULL;
	options.path = making->url->path;
	return evkv_filetree_new(making->loop, &options, error);
}

static const struct evkv_type filetree_type = {
	.size = sizeof(struct evkv_type),
	.name = "filetree",
	.also = "file",
	.summary = "a directory with a file for each entry",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct evkv_filetree_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH,
	.make = options_make,
};

bool evkv_filetree_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &filetree_type);
}
