/*
 * wrappers/passthrough_cache/table.c - passthrough_cache by text.
 */
#include "evkv/wrappers/passthrough_cache.h"
#include "wrappers/types.h"

static struct evkv_store *make_cache(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_passthrough_cache_new(making->inner[0], making->inner[1],
	    making->options, error);
}

#define OFFSET(field) offsetof(struct evkv_passthrough_cache_options, field)

static const struct evkv_url_option cache_options[] = {
	{ .name = "max_ttl",
	    .field = "max_ttl_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = OFFSET(max_ttl_ms),
	    .min = 1,
	    .max = EVKV_TTL_MAX,
	    .summary = "the longest an entry stays in the cache; required "
		       "unless the cache is in the process",
	    .standard = "as long as in the primary" },
	{ .name = "stall_timeout",
	    .field = "stall_timeout_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = OFFSET(stall_timeout_ms),
	    .min = 1,
	    .max = EVKV_TTL_MAX,
	    .summary = "how long keys are not cached after a write of unknown "
		       "outcome",
	    .standard = "5s" },
	{ .name = "max_bypass",
	    .type = EVKV_URL_SIZE,
	    .offset = OFFSET(max_bypass),
	    .min = 1,
	    .max = INT64_MAX,
	    .summary = "keys that may go past the cache because it could not "
		       "evict them",
	    .standard = "10000" },
	{ .name = "cache_timeout",
	    .field = "cache_timeout_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = OFFSET(cache_timeout_ms),
	    .min = 1,
	    .max = EVKV_TTL_MAX,
	    .summary = "how long an operation waits for the cache",
	    .standard = "250ms, or no limit in the process" },
	{ .name = "jitter",
	    .field = "jitter_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = OFFSET(jitter_ms),
	    .min = 1,
	    .max = EVKV_TTL_MAX,
	    .summary = "an entry stays in the cache for up to so much less, "
		       "by chance" },
	{ .name = "primary_ttl",
	    .type = EVKV_URL_CHOICE,
	    .offset = OFFSET(primary_ttl),
	    .choices = "1|0",
	    .summary = "0: a miss does not ask for the remaining TTL; an "
		       "entry stays in the cache for max_ttl",
	    .standard = "1" },
};

const struct evkv_type evkv__passthrough_cache_type = {
	.size = sizeof(struct evkv_type),
	.name = "passthrough_cache",
	.summary = "keeps what is read in a cache in front of the store",
	.options = cache_options,
	.option_count = sizeof(cache_options) / sizeof(cache_options[0]),
	.options_size = sizeof(struct evkv_passthrough_cache_options),
	.inner_min = 2,
	.inner_max = 2,
	.make = make_cache,
};
