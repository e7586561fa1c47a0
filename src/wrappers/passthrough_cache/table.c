/*
 * wrappers/passthrough_cache/table.c - passthrough_cache by text, and which
 * options go together.
 */
#include "support/options.h"
#include "wrappers/passthrough_cache/head.h"
#include "wrappers/types.h"

#define ROW(...) OPTION_ROW(struct evkv_passthrough_cache_options, __VA_ARGS__)

static const struct evkv_url_option cache_options[] = {
	ROW("max_ttl", max_ttl_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "how long an entry is fresh at most; required unless the cache is "
	    "in the process",
	    "as long as in the primary"),
	ROW("stall_timeout", stall_timeout_ms, EVKV_URL_DURATION, 1,
	    EVKV_TTL_MAX,
	    "how long keys are not cached after a write of unknown outcome",
	    "5s"),
	ROW("max_bypass", max_bypass, EVKV_URL_SIZE, 1, INT64_MAX,
	    "keys that may go past the cache because it could not evict them",
	    "10000"),
	ROW("cache_timeout", cache_timeout_ms, EVKV_URL_DURATION, 1,
	    EVKV_TTL_MAX, "how long an operation waits for the cache",
	    "250ms, or no limit in the process"),
	ROW("jitter", jitter_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "an entry is fresh for up to so much less, by chance", NULL),
	{ .name = "primary_ttl",
	    .type = EVKV_URL_CHOICE,
	    .offset = offsetof(struct evkv_passthrough_cache_options,
		primary_ttl),
	    .choices = "1|0",
	    .summary = "0: a miss does not ask for the remaining TTL; an "
		       "entry is fresh for max_ttl",
	    .standard = "1" },
	ROW("negative_ttl", negative_ttl_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "how long it is remembered that the primary has no such entry",
	    NULL),
	ROW("refresh_ahead", refresh_ahead_percent, EVKV_URL_INT, 1, 99,
	    "a hit when so many percent of the fresh life are over begins a "
	    "load in the background",
	    NULL),
	ROW("stale_while", stale_while_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "for how long after it was fresh an entry is served while it is "
	    "loaded anew",
	    NULL),
	ROW("stale_if_error", stale_if_error_ms, EVKV_URL_DURATION, 1,
	    EVKV_TTL_MAX,
	    "for how long after it was fresh an entry is served where its "
	    "load fails",
	    NULL),
	ROW("error_backoff", error_backoff_ms, EVKV_URL_DURATION, 1,
	    EVKV_TTL_MAX,
	    "for how long no load is begun after one has failed, where a "
	    "stale entry may be served",
	    "1s"),
	ROW("soft_timeout", soft_timeout_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "how long a read waits for the load before it gets a stale entry",
	    NULL),
	ROW("outlive_primary", outlive_primary, EVKV_URL_BOOL, 0, 0,
	    "serve stale entries also when the primary's has expired", NULL),
	ROW("fill_on_put", fill_on_put, EVKV_URL_BOOL, 0, 0,
	    "a put that went well fills the cache", NULL),
};

static struct evkv_store *make_cache(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_passthrough_cache_new(making->inner[0], making->inner[1],
	    making->options, error);
}

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

/* ---- What goes together ------------------------------------------------- */

static const char *wrong_with_modes(const struct evkv_capabilities *can,
    const struct evkv_passthrough_cache_options *o)
{
	bool stale = o->stale_while_ms > 0 || o->stale_if_error_ms > 0;

	if (!stale &&
	    (o->soft_timeout_ms > 0 || o->error_backoff_ms > 0 ||
		o->outlive_primary))
		return "soft_timeout_ms, error_backoff_ms and outlive_primary "
		       "need stale_while_ms or stale_if_error_ms";
	if (stale && o->max_ttl_ms == 0 && !o->outlive_primary)
		return "stale_while_ms and stale_if_error_ms need max_ttl_ms "
		       "or outlive_primary";
	if (stale && o->primary_ttl == EVKV_PRIMARY_TTL_IGNORE &&
	    !o->outlive_primary)
		return "stale_while_ms and stale_if_error_ms need "
		       "outlive_primary where the primary's TTL is ignored";
	if ((stale || o->negative_ttl_ms > 0 || o->refresh_ahead_percent > 0) &&
	    can->max_value < HEAD_SIZE)
		return "the cache has no room for the head of an entry";
	return NULL;
}

static const char *wrong_with_cache(const struct evkv_capabilities *can,
    const struct evkv_passthrough_cache_options *o)
{
	const uint32_t needed = EVKV_KIND_BIT(EVKV_OP_GET) |
	    EVKV_KIND_BIT(EVKV_OP_PUT) | EVKV_KIND_BIT(EVKV_OP_DELETE);

	if (o->max_ttl_ms == 0 && (can->flags & EVKV_STORE_IN_PROCESS) == 0)
		return "max_ttl_ms must be given for a cache that is not "
		       "in-process";
	if (o->max_ttl_ms != 0 && o->max_ttl_ms < can->ttl_unit_ms)
		return "max_ttl_ms is below the cache's TTL unit";
	if (o->max_ttl_ms != 0 && o->max_ttl_ms <= can->ttl_excess_ms)
		return "max_ttl_ms is not above the cache's ttl_excess_ms";
	if ((can->kinds & needed) != needed)
		return "the cache can't get, put and delete";
	return NULL;
}

static const char *wrong_with(const struct evkv_store *primary,
    const struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *o)
{
	const struct evkv_capabilities *can = evkv_store_capabilities(cache);
	const char *why = wrong_with_cache(can, o);

	if (why == NULL)
		why = wrong_with_modes(can, o);
	if (why != NULL)
		return why;
	if (o->jitter_ms > 0 && o->jitter_ms >= o->max_ttl_ms)
		return "jitter_ms is not below max_ttl_ms";
	if (o->primary_ttl == EVKV_PRIMARY_TTL_IGNORE)
		return o->max_ttl_ms > 0
		    ? NULL
		    : "max_ttl_ms must be given where the primary's TTL is "
		      "ignored";
	if ((evkv_store_capabilities(primary)->kinds &
		EVKV_KIND_BIT(EVKV_OP_TTL)) == 0)
		return "the primary can't tell the remaining TTL";
	return NULL;
}

bool evkv__cache_options(const struct evkv_store *primary,
    const struct evkv_store *cache, const void *given, size_t size,
    struct evkv_passthrough_cache_options *options, struct evkv_error *error)
{
	const char *why;

	if (!evkv_options_read(options, sizeof(*options), given, size, error))
		return false;
	if (primary == NULL || cache == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "passthrough_cache: an inner store is NULL");
		return false;
	}
	if (!evkv_type_check(&evkv__passthrough_cache_type, options, error))
		return false;
	why = wrong_with(primary, cache, options);
	if (why == NULL)
		return true;
	evkv_error_set(error, EVKV_INVALID, "passthrough_cache: %s", why);
	return false;
}
