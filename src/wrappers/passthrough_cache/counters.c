/*
 * wrappers/passthrough_cache/counters.c - what the cache has done, for users
 * and for evkv_store_metrics().
 */
#include "wrappers/passthrough_cache/cache.h"

bool evkv_passthrough_cache_read_counters_sized(const struct evkv_store *store,
    struct evkv_passthrough_cache_counters *counters, size_t size)
{
	const struct cache *cache = evkv_store_self(store, &evkv__cache_vtable);

	memset(counters, 0, size);
	if (cache == NULL)
		return false;
	memcpy(counters, &cache->counters,
	    size < sizeof(*counters) ? size : sizeof(*counters));
	return true;
}

static void tell_loads(const struct cache *cache, struct evkv_metrics *metrics)
{
	static const struct evkv_metric loads = {
		.name = "cache_loads_total",
		.help = "Keys that a cache has loaded from its primary.",
		.label = "result",
	};
	static const struct evkv_metric stale = {
		.name = "cache_stale_served_total",
		.help = "Keys answered by an entry that was no longer fresh.",
	};
	static const struct evkv_metric negative = {
		.name = "cache_negative_hits_total",
		.help = "Keys answered by a remembered miss.",
	};

	evkv_metrics_add(metrics, &loads, "ok", cache->loaded);
	evkv_metrics_add(metrics, &loads, "failed",
	    cache->counters.load_failures);
	evkv_metrics_add(metrics, &stale, NULL, cache->counters.stale_served);
	evkv_metrics_add(metrics, &negative, NULL,
	    cache->counters.negative_hits);
}

static void tell_fill(const struct cache *cache, struct evkv_metrics *metrics)
{
	static const struct evkv_metric entries = {
		.name = "cache_entries",
		.help = "Entries in a cache.",
		.gauge = true,
	};
	static const struct evkv_metric bytes = {
		.name = "cache_stored_bytes",
		.help = "Bytes stored in a cache.",
		.gauge = true,
	};
	struct evkv_counters counters;

	evkv_store_counters(cache->cache, &counters);
	evkv_metrics_add(metrics, &entries, NULL, counters.entries);
	evkv_metrics_add(metrics, &bytes, NULL, counters.bytes);
}

void evkv__cache_metrics(void *self, struct evkv_metrics *metrics)
{
	static const struct evkv_metric dropped = {
		.name = "cache_fills_dropped_total",
		.help = "Entries that were not put into the cache.",
		.label = "reason",
	};
	const struct cache *cache = self;

	tell_fill(cache, metrics);
	tell_loads(cache, metrics);
	evkv_metrics_add(metrics, &dropped, "fenced",
	    cache->counters.fills_fenced);
	evkv_metrics_add(metrics, &dropped, "short",
	    cache->counters.fills_short);
	evkv_metrics_add(metrics, &dropped, "too_large",
	    cache->counters.fills_too_large);
}
