/*
 * wrappers/passthrough_cache/backoff.c - keys whose load has failed.
 *
 * Their records are on a list, which is in the order in which they end, for all
 * take as long. It is bounded: the oldest goes first, and its key is just asked
 * for once more. A write or an invalidation ends a key's.
 */
#include "wrappers/passthrough_cache/cache.h"

void evkv__backoff_end(struct cache *cache, struct key_record *record)
{
	if (!record->backing_off)
		return;
	TAILQ_REMOVE(&cache->backoffs, record, backoff_link);
	record->backing_off = false;
	cache->backoff_count--;
	evkv__record_put(cache, record);
}

void evkv__backoff_begin(struct cache *cache, struct key_record *record)
{
	if (cache->stale_ms == 0 || cache->closing)
		return;
	record->refs++;
	evkv__backoff_end(cache, record);
	evkv__backoff_sweep(cache);
	if (cache->backoff_count >= cache->max_bypass)
		evkv__backoff_end(cache, TAILQ_FIRST(&cache->backoffs));
	record->retry_after_us = evkv_loop_now_us(cache->loop) +
	    cache->backoff_us;
	record->backing_off = true;
	TAILQ_INSERT_TAIL(&cache->backoffs, record, backoff_link);
	cache->backoff_count++;
	evkv__repair_later(cache);
}

bool evkv__backoff_holds(const struct cache *cache,
    const struct key_record *record)
{
	return record != NULL && record->backing_off &&
	    evkv_loop_now_us(cache->loop) < record->retry_after_us;
}

void evkv__backoff_sweep(struct cache *cache)
{
	struct key_record *record;

	while ((record = TAILQ_FIRST(&cache->backoffs)) != NULL &&
	    !evkv__backoff_holds(cache, record))
		evkv__backoff_end(cache, record);
}
