/*
 * stores/log/options.c - making a log from options or a URL.
 */
#include "evkv/alloc.h"
#include "evkv/registry.h"
#include "stores/log/log.h"

#define MAX_BYTES_DEFAULT ((uint64_t)64 << 30)
#define MAX_BYTES_LEAST ((uint64_t)1 << 20)
#define SEGMENT_DEFAULT ((uint64_t)256 << 20)
#define SEGMENT_LEAST ((uint64_t)64 << 10)
#define SEGMENT_MOST ((uint64_t)16 << 30)
#define RATE_DEFAULT ((uint64_t)64 << 20)

static const struct evkv_capabilities log_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
	    EVKV_STORE_EXACT_AFFECTED,
	.max_key = EVKV_KEY_MAX,
	.max_value = LOG_VALUE_MAX,
	.ttl_unit_ms = 1,
};

static bool options_invalid(struct evkv_error *error, const char *what)
{
	evkv_error_set(error, EVKV_INVALID, "log: %s", what);
	return false;
}

static void options_defaults(struct evkv_log_options *options)
{
	if (options->max_bytes == 0)
		options->max_bytes = MAX_BYTES_DEFAULT;
	if (options->segment_bytes == 0) {
		options->segment_bytes = options->max_bytes / 16;
		if (options->segment_bytes > SEGMENT_DEFAULT)
			options->segment_bytes = SEGMENT_DEFAULT;
		if (options->segment_bytes < SEGMENT_LEAST)
			options->segment_bytes = SEGMENT_LEAST;
	}
	options->segment_bytes &= ~(uint64_t)4095;
	if (options->compact_ratio == 0)
		options->compact_ratio = 0.5;
	if (options->compact_bytes_per_s == 0)
		options->compact_bytes_per_s = RATE_DEFAULT;
	else if (options->compact_bytes_per_s == UINT64_MAX)
		options->compact_bytes_per_s = 0;
}

static bool options_check(const struct evkv_log_options *options,
    struct evkv_error *error)
{
	if (options->path == NULL || options->path[0] == '\0')
		return options_invalid(error, "path is not given");
	if ((unsigned)options->durability > EVKV_LOG_SYNC_NONE)
		return options_invalid(error,
		    "durability is none of full, os, none");
	if ((unsigned)options->reads > EVKV_LOG_READS_LANE)
		return options_invalid(error, "reads is none of auto, lane");
	if (options->max_bytes < MAX_BYTES_LEAST)
		return options_invalid(error,
		    "max_bytes must be at least 1048576");
	if (options->segment_bytes < SEGMENT_LEAST ||
	    options->segment_bytes > SEGMENT_MOST)
		return options_invalid(error,
		    "segment_bytes must be 64 KiB to 16 GiB");
	if (options->segment_bytes > options->max_bytes / 4)
		return options_invalid(error,
		    "segment_bytes must be at most a quarter of max_bytes");
	if (!(options->compact_ratio > 0 && options->compact_ratio <= 1))
		return options_invalid(error,
		    "compact_ratio must be above 0 and at most 1");
	if (options->readers < 0 || options->readers > LOG_READERS_MAX)
		return options_invalid(error, "readers must be 0 to 16");
	if (options->sweep_ms < -1)
		return options_invalid(error, "sweep_ms must be -1 or more");
	if (options->sync_ms < 0)
		return options_invalid(error, "sync_ms must not be negative");
	if (options->timeout_ms < 0)
		return options_invalid(error,
		    "timeout_ms must not be negative");
	return true;
}

static struct log_store *store_new(struct evkv_loop *loop,
    const struct evkv_log_options *options, struct evkv_error *error)
{
	struct log_store *log = evkv_calloc(1, sizeof(*log));
	const struct log_config config = {
		.path = (char *)(uintptr_t)options->path,
		.durability = (enum log_durability)options->durability,
		.max_bytes = options->max_bytes,
		.segment_bytes = options->segment_bytes,
		.compact_ratio = options->compact_ratio,
		.hash_mask = UINT64_MAX,
	};

	if (log != NULL)
		log->env = evkv__log_env_new(&config);
	if (log != NULL && log->env != NULL &&
	    evkv__log_init(log, loop, options, error))
		return log;
	if (log != NULL)
		evkv__log_store_free(log);
	evkv_error_set(error, EVKV_NOMEM, "log: out of memory");
	return NULL;
}

struct evkv_store *evkv_log_new_sized(struct evkv_loop *loop,
    const struct evkv_log_options *given, size_t size, struct evkv_error *error)
{
	struct evkv_store_config config = { .capabilities = &log_capabilities };
	struct evkv_log_options options;
	struct evkv_store *store;
	struct log_store *log;

	if (loop == NULL) {
		options_invalid(error, "loop is NULL");
		return NULL;
	}
	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	options_defaults(&options);
	if (!options_check(&options, error))
		return NULL;
	log = store_new(loop, &options, error);
	if (log == NULL)
		return NULL;
	config.max_pending = options.max_pending;
	config.max_pending_bytes = options.max_pending_bytes;
	config.timeout_ms = options.timeout_ms;
	store = evkv_store_create(loop, &evkv__log_vtable, log, &config, error);
	if (store == NULL)
		return NULL;
	log->store = store;
	evkv__log_start(log);
	return store;
}

/* ---- Counters ------------------------------------------------------------ */

static uint64_t count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

bool evkv_log_read_counters_sized(const struct evkv_store *store,
    struct evkv_log_counters *counters, size_t size)
{
	const struct log_store *log = store == NULL
	    ? NULL
	    : evkv_store_self(store, &evkv__log_vtable);
	struct evkv_log_counters all;
	const struct log_counts *counts;

	if (log == NULL)
		return false;
	counts = &log->env->counts;
	all = (struct evkv_log_counters){
		.files = count_of(&counts->files),
		.bytes = count_of(&counts->bytes),
		.live_bytes = count_of(&counts->live_bytes),
		.entries = count_of(&counts->entries),
		.index_bytes = count_of(&counts->index_bytes),
		.written_bytes = count_of(&counts->written),
		.copied_bytes = count_of(&counts->copied),
		.compactions = count_of(&counts->compactions),
	};
	memcpy(counters, &all, size < sizeof(all) ? size : sizeof(all));
	if (size > sizeof(all))
		memset((char *)counters + sizeof(all), 0, size - sizeof(all));
	return true;
}

/* ---- URLs ---------------------------------------------------------------- */

/* A URL has no type for numbers with a point. */
struct log_url_options {
	struct evkv_log_options options;
	const char *compact_ratio;
};

#define OPTION(name_, type_, standard_, summary_, ...)                         \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_##type_,                      \
		.offset = offsetof(struct log_url_options, options) +          \
		    offsetof(struct evkv_log_options, name_),                  \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	OPTION(durability, CHOICE, "full", "when a put is acknowledged",
	    .choices = "full|os|none"),
	OPTION(max_bytes, SIZE, "64g", "the bound of all files", .min = 1 << 20,
	    .max = INT64_MAX),
	OPTION(segment_bytes, SIZE, "256m",
	    "how large a file grows; at most a sixteenth of max_bytes unless "
	    "it is given",
	    .min = 64 << 10, .max = INT64_MAX),
	{ .name = "compact_ratio",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct log_url_options, compact_ratio),
	    .standard = "0.5",
	    .summary =
		"the share of dead bytes for which a file is compacted" },
	OPTION(compact_bytes_per_s, SIZE, "64m",
	    "how fast compactions in the background copy", .min = 0,
	    .max = INT64_MAX),
	OPTION(reads, CHOICE, "auto",
	    "who reads: the loop where it need not wait",
	    .choices = "auto|lane"),
	OPTION(readers, INT, "1", "reading lanes", .min = 1,
	    .max = LOG_READERS_MAX),
	OPTION(sweep_ms, DURATION, "1s",
	    "how often expired entries are looked for; -1 = by purge_expired",
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
};

/* "0.5", "1": digits and one point, whatever the locale. */
static bool ratio_read(const char *text, double *ratio)
{
	double unit = 1;
	bool point = false, digits = false;

	*ratio = 0;
	for (; *text != '\0'; text++) {
		if (*text == '.' && !point) {
			point = true;
		} else if (*text >= '0' && *text <= '9') {
			digits = true;
			unit /= point ? 10 : 1;
			*ratio = point ? *ratio + unit * (*text - '0')
				       : *ratio * 10 + (*text - '0');
		} else {
			return false;
		}
	}
	return digits && *ratio > 0;
}

static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	const struct evkv_url *url = making->url;
	struct log_url_options given = *(const struct log_url_options *)
					    making->options;

	(void)type;
	if (url->host[0] != '\0' || url->port != 0 || url->user[0] != '\0' ||
	    url->has_password) {
		evkv_error_set(error, EVKV_INVALID,
		    "URL: log: takes a path and no host: log:/var/lib/x");
		return NULL;
	}
	if (given.compact_ratio != NULL &&
	    !ratio_read(given.compact_ratio, &given.options.compact_ratio)) {
		options_invalid(error,
		    "compact_ratio must be above 0 and at most 1");
		return NULL;
	}
	given.options.path = url->path;
	return evkv_log_new(making->loop, &given.options, error);
}

static const struct evkv_type log_type = {
	.size = sizeof(struct evkv_type),
	.name = "log",
	.summary = "a directory on the disk, in files that are appended to",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct log_url_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH,
	.make = options_make,
};

bool evkv_log_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &log_type);
}
