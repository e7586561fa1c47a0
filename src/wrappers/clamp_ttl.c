/*
 * wrappers/clamp_ttl.c - keeps TTLs within bounds.
 */
#include "evkv/wrappers/clamp_ttl.h"

#include "evkv/wrapper.h"
#include "wrappers/types.h"

static int64_t clamp_ttl_ttl(void *self, enum evkv_kind kind, int64_t ttl_ms)
{
	const struct evkv_clamp_ttl_options *bounds = self;

	(void)kind;
	if (ttl_ms == EVKV_TTL_NONE)
		return bounds->missing_ms;
	if (bounds->max_ms != 0 && ttl_ms > bounds->max_ms)
		return bounds->max_ms;
	return ttl_ms < bounds->min_ms ? bounds->min_ms : ttl_ms;
}

/* What has no TTL must not get one that a put could not have. */
static void *clamp_ttl_init(void *options, struct evkv_store *inner,
    struct evkv_error *error)
{
	struct evkv_clamp_ttl_options *bounds = options;

	(void)inner;
	if (bounds->max_ms != 0 && bounds->min_ms > bounds->max_ms)
		evkv_error_set(error, EVKV_INVALID,
		    "clamp_ttl: min is above max");
	else if (bounds->missing_ms != 0 &&
	    clamp_ttl_ttl(bounds, EVKV_OP_PUT, bounds->missing_ms) !=
		bounds->missing_ms)
		evkv_error_set(error, EVKV_INVALID,
		    "clamp_ttl: missing must lie within min and max");
	else
		return bounds;
	return NULL;
}

#define ROW(name_, summary_)                                                   \
	{                                                                      \
		.name = #name_, .field = #name_ "_ms",                         \
		.type = EVKV_URL_DURATION,                                     \
		.offset = offsetof(struct evkv_clamp_ttl_options, name_##_ms), \
		.min = 1, .max = EVKV_TTL_MAX, .summary = (summary_)           \
	}

static const struct evkv_url_option clamp_ttl_options[] = {
	ROW(min, "the shortest TTL"),
	ROW(max, "the longest TTL"),
	ROW(missing, "the TTL of entries that are given none"),
};

static const struct evkv_wrapper clamp_ttl_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.init = clamp_ttl_init,
	.ttl = clamp_ttl_ttl,
};

const struct evkv_type evkv__clamp_ttl_type = {
	.size = sizeof(struct evkv_type),
	.name = "clamp_ttl",
	.also = "ttl_clamp",
	.summary = "keeps the TTLs of puts, touches and new counters in bounds",
	.options = clamp_ttl_options,
	.option_count = sizeof(clamp_ttl_options) /
	    sizeof(clamp_ttl_options[0]),
	.options_size = sizeof(struct evkv_clamp_ttl_options),
	.wrapper = &clamp_ttl_hooks,
};

struct evkv_store *evkv_clamp_ttl_new_sized(struct evkv_store *inner,
    const struct evkv_clamp_ttl_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&evkv__clamp_ttl_type, inner, options, size,
	    error);
}
