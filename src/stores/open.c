/*
 * evkv_open(): what is in the core library is known by name on every loop.
 */
#include "evkv/open.h"

#include "evkv/stores/memory.h"
#include "evkv/stores/null.h"
#include "evkv/stores/simple.h"
#include "stores/types.h"
#include "support/registry.h"
#include "wrappers/types.h"

static struct evkv_store *make_null(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_null_new(making->loop, error);
}

static struct evkv_store *make_simple(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_simple_new(making->loop, error);
}

static struct evkv_store *make_memory(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_memory_new(making->loop, making->options, error);
}

static const struct evkv_url_option memory_options[] = {
	{ .name = "max_entries",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_memory_options, max_entries),
	    .summary = "the most entries",
	    .standard = "no bound" },
	{ .name = "max_bytes",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_memory_options, max_bytes),
	    .summary = "the most bytes, keys, values and records together",
	    .standard = "64m, or no bound with max_entries" },
	{ .name = "evict",
	    .type = EVKV_URL_CHOICE,
	    .offset = offsetof(struct evkv_memory_options, evict),
	    .choices = "use|size",
	    .summary = "size: of what was used, rather keep what is small",
	    .standard = "use" },
	{ .name = "small_pages",
	    .type = EVKV_URL_BOOL,
	    .offset = offsetof(struct evkv_memory_options, small_pages),
	    .summary = "no pages of 2 MiB, and no thread that has them ready",
	    .standard = "no" },
};

const struct evkv_type evkv__memory_type = {
	.size = sizeof(struct evkv_type),
	.name = "memory",
	.summary = "a bounded store in the memory of the process",
	.options = memory_options,
	.option_count = sizeof(memory_options) / sizeof(memory_options[0]),
	.options_size = sizeof(struct evkv_memory_options),
	.make = make_memory,
};

static const struct evkv_type null_type = {
	.size = sizeof(struct evkv_type),
	.name = "null",
	.summary = "keeps nothing: writes succeed, look-ups miss",
	.make = make_null,
};

static const struct evkv_type simple_type = {
	.size = sizeof(struct evkv_type),
	.name = "simple",
	.summary = "keeps everything, unbounded, for tests",
	.make = make_simple,
};

const struct evkv_type *evkv_core_type(size_t i)
{
	static const struct evkv_type *const types[] = {
		&null_type,
		&simple_type,
		&evkv__memory_type,
		&evkv__circuit_breaker_type,
		&evkv__clamp_ttl_type,
		&evkv__concurrency_limit_type,
		&evkv__default_value_type,
		&evkv__fallback_type,
		&evkv__fault_type,
		&evkv__limit_size_type,
		&evkv__logging_type,
		&evkv__passthrough_cache_type,
		&evkv__prefix_collections_type,
		&evkv__prefix_keys_type,
		&evkv__read_only_type,
		&evkv__retry_type,
		&evkv__routing_type,
		&evkv__single_collection_type,
		&evkv__statistics_type,
		&evkv__timeout_type,
		&evkv__trace_type,
	};

	return i < sizeof(types) / sizeof(types[0]) ? types[i] : NULL;
}

struct evkv_store *evkv_open(struct evkv_loop *loop, const char *text,
    struct evkv_error *error)
{
	const struct evkv_type *type;
	size_t i;

	for (i = 0; loop != NULL && (type = evkv_core_type(i)) != NULL; i++) {
		if (evkv__registry_offer(loop, type))
			continue;
		evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
		return NULL;
	}
	return evkv_loop_open(loop, text, error);
}
