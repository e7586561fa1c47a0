/*
 * wrappers/passthrough_cache/trouble.c - when the cache or the primary has not
 * said whether it did what it was told.
 *
 * Troubled notes are on a list, bounded by max_bypass, which a timer goes
 * through: it evicts what is bypassed, and drops a note when nothing is wrong
 * with it any more. Past the bound the whole cache is off until it could be
 * emptied. Only the timer takes notes off the list.
 */
#include "wrappers/passthrough_cache/cache.h"

#define REPAIR_MS 1000
#define REPAIRS_AT_ONCE 256

struct repair {
	struct cache *cache;
	struct note *note; /* NULL: the whole cache */
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
	if (cache->max_ttl_ms == 0)
		return INT64_MAX;
	return in_future(cache,
	    cache->max_ttl_ms * 1000 + (late ? cache->stall_us : 0));
}

static void put_off(int64_t *at_us, int64_t to_us)
{
	if (*at_us < to_us)
		*at_us = to_us;
}

static void repair_later(struct cache *cache)
{
	if (cache->repair_timer.position == 0 && !cache->closing)
		evkv_timer_set(cache->loop, &cache->repair_timer, REPAIR_MS);
}

static bool list_add(struct cache *cache, struct note *note)
{
	if (note->troubled)
		return true;
	if (cache->troubled_count >= cache->max_bypass)
		return false;
	note->troubled = true;
	note->refs++;
	note->troubled_link = &cache->troubled;
	note->troubled_next = cache->troubled;
	if (note->troubled_next != NULL)
		note->troubled_next->troubled_link = &note->troubled_next;
	cache->troubled = note;
	cache->troubled_count++;
	return true;
}

static void list_remove(struct cache *cache, struct note *note)
{
	if (note->troubled_next != NULL)
		note->troubled_next->troubled_link = note->troubled_link;
	*note->troubled_link = note->troubled_next;
	note->troubled = false;
	note->fill_after_us = 0;
	cache->troubled_count--;
	evkv__note_put(cache, note);
}

void evkv__trouble_bypass(struct cache *cache, struct note *note, bool late)
{
	if (!list_add(cache, note)) {
		evkv__trouble_all(cache, late);
		return;
	}
	evkv__note_fence(note);
	note->bypass = true;
	/* What was late before is so still. */
	put_off(&note->bypass_until_us, gone_by(cache, late));
	if (late)
		put_off(&note->evict_after_us,
		    in_future(cache, cache->stall_us));
	repair_later(cache);
}

void evkv__trouble_landed(struct cache *cache, struct note *note)
{
	if (note->bypass)
		put_off(&note->bypass_until_us, gone_by(cache, false));
	if (cache->off)
		put_off(&cache->off_until_us, gone_by(cache, false));
}

void evkv__trouble_unknown(struct cache *cache, struct note *note)
{
	int64_t until_us = in_future(cache, cache->stall_us);

	if (list_add(cache, note))
		note->fill_after_us = until_us;
	else
		cache->fill_after_us = until_us;
	repair_later(cache);
}

void evkv__trouble_all(struct cache *cache, bool late)
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
	repair_later(cache);
}

static struct repair *repair_new(struct cache *cache, struct note *note)
{
	struct repair *repair = evkv_malloc(sizeof(*repair));

	if (repair == NULL)
		return NULL;
	repair->cache = cache;
	repair->note = note;
	repair->begun_us = evkv_loop_now_us(cache->loop);
	evkv__cache_begin(cache);
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
	struct note *note = repair->note;

	if (gone(child) && note->evict_after_us <= repair->begun_us)
		note->bypass = false;
	evkv__note_put(cache, note);
	evkv_free(repair);
	evkv__cache_end(cache);
}

static void evict(struct cache *cache, struct note *note)
{
	struct repair *repair = repair_new(cache, note);
	const struct evkv_slice key = evkv__note_key(note);
	const struct evkv_request request = {
		.kind = EVKV_OP_DELETE,
		.collection = evkv__note_collection(note),
		.count = 1,
		.keys = &key,
		.timeout_ms = cache->cache_timeout_ms,
	};

	if (repair == NULL)
		return;
	note->refs++;
	evkv_child_submit(NULL, cache->cache, &request, EVKV_CHILD_AUXILIARY,
	    evicted, repair);
}

static void emptied(struct evkv_op *child, void *arg)
{
	struct repair *repair = arg;
	struct cache *cache = repair->cache;

	cache->repairing = false;
	if (gone(child) && cache->off_evict_after_us <= repair->begun_us)
		cache->off = false;
	evkv_free(repair);
	evkv__cache_end(cache);
}

static void repair_all(struct cache *cache, int64_t now_us)
{
	static const struct evkv_request request = {
		.kind = EVKV_OP_CLEAR_ALL
	};
	struct repair *repair;

	/* What is on its way into the cache might arrive after the clear_all. */
	if (cache->fills != NULL)
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
	evkv_child_submit(NULL, cache->cache, &request, EVKV_CHILD_AUXILIARY,
	    emptied, repair);
}

void evkv__trouble_repair(void *arg)
{
	struct cache *cache = arg;
	int64_t now_us = evkv_loop_now_us(cache->loop);
	struct note *note, *next;
	unsigned evictions = 0;

	/* There is room for the timer now; after all this maybe not. */
	repair_later(cache);
	for (note = cache->troubled; note != NULL; note = next) {
		next = note->troubled_next;
		if (note->bypass && now_us >= note->bypass_until_us)
			note->bypass = false;
		if (note->bypass && now_us >= note->evict_after_us &&
		    evictions++ < REPAIRS_AT_ONCE)
			evict(cache, note);
		if (!note->bypass && note->fill_after_us <= now_us)
			list_remove(cache, note);
	}
	repair_all(cache, now_us);
	if (cache->troubled == NULL && !cache->off)
		evkv_timer_cancel(cache->loop, &cache->repair_timer);
}

void evkv__trouble_end(struct cache *cache)
{
	struct note *note;

	evkv_timer_cancel(cache->loop, &cache->repair_timer);
	while ((note = cache->troubled) != NULL)
		list_remove(cache, note);
}
