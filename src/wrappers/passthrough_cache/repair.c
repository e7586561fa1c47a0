/*
 * wrappers/passthrough_cache/repair.c - when the cache or the primary has not
 * said whether it did what it was asked.
 *
 * Suspect records are on a list, bounded by max_bypass, which a timer goes
 * through: it evicts what is bypassed, and drops a record when nothing is wrong
 * with it any more. It lets go of backoffs that are over, too. Past the bound
 * the whole cache is off until it could be emptied. Only the timer takes
 * records off the list.
 */
#include "loop/loop.h"
#include "wrappers/passthrough_cache/cache.h"

#define REPAIR_MS 1000
#define REPAIRS_AT_ONCE 256

struct repair {
	struct background background;
	struct cache *cache;
	struct key_record *record; /* NULL: the whole cache */
	int64_t begun_us;
};

/* Not from the turn's time: its callbacks may have taken long until now. */
static int64_t in_future(const struct cache *cache, int64_t delay_us)
{
	evkv_loop_refresh(cache->loop);
	return evkv_loop_now_us(cache->loop) + delay_us;
}

/* When what the cache holds now has surely expired by itself. */
static int64_t gone_by(const struct cache *cache, bool late)
{
	if (cache->longest_ms == 0)
		return INT64_MAX;
	return in_future(cache,
	    cache->longest_ms * 1000 + (late ? cache->stall_us : 0));
}

static void put_off(int64_t *at_us, int64_t to_us)
{
	if (*at_us < to_us)
		*at_us = to_us;
}

void evkv__repair_later(struct cache *cache)
{
	if (cache->repair_timer.position == 0 && !cache->closing)
		evkv_timer_set(cache->loop, &cache->repair_timer, REPAIR_MS);
}

static bool list_add(struct cache *cache, struct key_record *record)
{
	if (record->suspect)
		return true;
	if (cache->suspect_count >= cache->max_bypass)
		return false;
	record->suspect = true;
	record->refs++;
	LIST_INSERT_HEAD(&cache->suspects, record, suspect_link);
	cache->suspect_count++;
	return true;
}

static void list_remove(struct cache *cache, struct key_record *record)
{
	LIST_REMOVE(record, suspect_link);
	record->suspect = false;
	record->fill_after_us = 0;
	cache->suspect_count--;
	evkv__record_put(cache, record);
}

void evkv__repair_bypass(struct cache *cache, struct key_record *record,
    bool late)
{
	if (!list_add(cache, record)) {
		evkv__repair_all(cache, late);
		return;
	}
	/* What is being loaded is true, and may be joined. */
	if (record->load != NULL)
		record->load->fill = false;
	record->bypass = true;
	/* What was late before is so still. */
	put_off(&record->bypass_until_us, gone_by(cache, late));
	if (late)
		put_off(&record->evict_after_us,
		    in_future(cache, cache->stall_us));
	evkv__repair_later(cache);
}

void evkv__repair_landed(struct cache *cache, struct key_record *record)
{
	if (record->bypass)
		put_off(&record->bypass_until_us, gone_by(cache, false));
	if (cache->off)
		put_off(&cache->off_until_us, gone_by(cache, false));
}

void evkv__repair_unknown(struct cache *cache, struct key_record *record)
{
	int64_t until_us = in_future(cache, cache->stall_us);

	if (list_add(cache, record))
		record->fill_after_us = until_us;
	else
		cache->fill_after_us = until_us;
	evkv__repair_later(cache);
}

void evkv__repair_all(struct cache *cache, bool late)
{
	if (!cache->off)
		evkv_loop_log(cache->loop, EVKV_LOG_WARNING,
		    "passthrough_cache: going past the cache until it can be "
		    "emptied");
	cache->off = true;
	cache->epoch++;
	put_off(&cache->off_until_us, gone_by(cache, late));
	if (late)
		put_off(&cache->off_evict_after_us,
		    in_future(cache, cache->stall_us));
	evkv__repair_later(cache);
}

void evkv__repair_clocks(struct cache *cache)
{
	uint64_t jumps = evkv__loop_wall_jumps(cache->loop);

	if (jumps == cache->wall_jumps)
		return;
	cache->wall_jumps = jumps;
	evkv__repair_all(cache, false);
}

static struct repair *repair_new(struct cache *cache, struct key_record *record)
{
	struct repair *repair = evkv_malloc(sizeof(*repair));

	if (repair == NULL)
		return NULL;
	repair->cache = cache;
	repair->record = record;
	repair->begun_us = evkv_loop_now_us(cache->loop);
	return repair;
}

static bool gone(const struct evkv_op *child)
{
	enum evkv_status status = evkv_op_result(child)->status;

	return status == EVKV_OK || status == EVKV_NOT_FOUND;
}

static void evicted(struct evkv_op *child, void *arg)
{
	struct repair *repair = arg;
	struct cache *cache = repair->cache;
	struct key_record *record = repair->record;

	evkv__background_end(&repair->background);
	if (gone(child) && record->evict_after_us <= repair->begun_us)
		record->bypass = false;
	evkv__record_put(cache, record);
	evkv_free(repair);
}

static void evict(struct cache *cache, struct key_record *record)
{
	struct repair *repair = repair_new(cache, record);
	const struct evkv_slice key = evkv__record_key(record);
	const struct evkv_request request = {
		.kind = EVKV_OP_DELETE,
		.collection = evkv__record_collection(record),
		.count = 1,
		.keys = &key,
		.timeout_ms = cache->cache_timeout_ms,
	};

	if (repair == NULL)
		return;
	record->refs++;
	evkv__background_submit(cache, &repair->background, cache->cache,
	    &request, evicted, repair);
}

static void emptied(struct evkv_op *child, void *arg)
{
	struct repair *repair = arg;
	struct cache *cache = repair->cache;

	evkv__background_end(&repair->background);
	cache->repairing = false;
	if (gone(child) && cache->off_evict_after_us <= repair->begun_us)
		cache->off = false;
	evkv_free(repair);
}

static void repair_all(struct cache *cache, int64_t now_us)
{
	static const struct evkv_request request = {
		.kind = EVKV_OP_CLEAR_ALL
	};
	struct repair *repair;

	/*
	 * What is on its way into the cache might arrive after the clear_all.
	 */
	if (!LIST_EMPTY(&cache->fills))
		return;
	if (now_us >= cache->off_until_us)
		cache->off = false;
	if (!cache->off || cache->repairing ||
	    now_us < cache->off_evict_after_us)
		return;
	repair = repair_new(cache, NULL);
	if (repair == NULL)
		return;
	cache->repairing = true;
	evkv__background_submit(cache, &repair->background, cache->cache,
	    &request, emptied, repair);
}

void evkv__repair_run(void *arg)
{
	struct cache *cache = arg;
	int64_t now_us = evkv_loop_now_us(cache->loop);
	struct key_record *record, *next;
	unsigned evictions = 0;

	/* There is room for the timer now; after all this maybe not. */
	evkv__repair_later(cache);
	for (record = LIST_FIRST(&cache->suspects); record != NULL;
	     record = next) {
		next = LIST_NEXT(record, suspect_link);
		if (record->bypass && now_us >= record->bypass_until_us)
			record->bypass = false;
		if (record->bypass && now_us >= record->evict_after_us &&
		    evictions++ < REPAIRS_AT_ONCE)
			evict(cache, record);
		if (!record->bypass && record->fill_after_us <= now_us)
			list_remove(cache, record);
	}
	repair_all(cache, now_us);
	evkv__backoff_sweep(cache);
	if (LIST_EMPTY(&cache->suspects) && !cache->off &&
	    TAILQ_EMPTY(&cache->backoffs))
		evkv_timer_cancel(cache->loop, &cache->repair_timer);
}

void evkv__repair_end(struct cache *cache)
{
	struct key_record *record;

	evkv_timer_cancel(cache->loop, &cache->repair_timer);
	while ((record = LIST_FIRST(&cache->suspects)) != NULL)
		list_remove(cache, record);
}
