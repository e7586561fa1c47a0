/*
 * wrappers/passthrough_cache/writes.c - evict from the cache, then write.
 *
 * From the moment a write is submitted until it has really ended, which may be
 * later than it is reported, its keys are fenced.
 */
#include "wrappers/passthrough_cache/cache.h"

/* ---- Fences ------------------------------------------------------------- */

static void fences_down(struct write *write, size_t count)
{
	struct cache *cache = write->cache;
	size_t i;

	for (i = 0; i < count; i++) {
		write->records[i]->writers--;
		evkv__record_fence(write->records[i]);
		evkv__record_put(cache, write->records[i]);
	}
}

static bool fences_up(struct write *write, const struct evkv_request *request)
{
	size_t i;

	write->records = evkv_op_alloc(write->op,
	    write->count * sizeof(struct key_record *));
	if (write->records == NULL)
		return false;
	for (i = 0; i < write->count; i++) {
		write->records[i] = evkv__record_get(write->cache,
		    request->collection, request->keys[i]);
		if (write->records[i] == NULL) {
			fences_down(write, i);
			return false;
		}
		write->records[i]->writers++;
		write->records[i]->writes++;
		evkv__record_fence(write->records[i]);
		evkv__backoff_end(write->cache, write->records[i]);
	}
	return true;
}

/* What is still on its way into the cache might arrive after it was cleared. */
static void spanning_begin(struct cache *cache)
{
	struct load *fill;
	size_t i;

	cache->spanning++;
	cache->epoch++;
	LIST_FOREACH(fill, &cache->fills, link)
	{
		for (i = 0; i < fill->count; i++)
			evkv__repair_bypass(cache, fill->keys[i].record, true);
	}
}

static bool write_begin(struct write *write, const struct evkv_request *request)
{
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) != 0) {
		write->count = request->count;
		return fences_up(write, request);
	}
	spanning_begin(write->cache);
	return true;
}

static enum evkv_status entry_status(const struct evkv_result *result, size_t i)
{
	return i < result->count ? evkv_result_entry(result, i)->status
				 : result->status;
}

static void write_end(struct write *write, const struct evkv_result *result)
{
	struct cache *cache = write->cache;
	size_t i;

	if (write->records == NULL) {
		cache->spanning--;
		cache->epoch++;
		if (result->status == EVKV_UNKNOWN_OUTCOME)
			cache->fill_after_us = evkv_loop_now_us(cache->loop) +
			    cache->stall_us;
		return;
	}
	for (i = 0; i < write->count; i++) {
		if (entry_status(result, i) == EVKV_UNKNOWN_OUTCOME)
			evkv__repair_unknown(cache, write->records[i]);
	}
	fences_down(write, write->count);
}

/* ---- The primary -------------------------------------------------------- */

/* One that the cache had, or one below, was there. */
static void take_below(struct write *write, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	const struct evkv_entry *entry;
	size_t i;

	evkv_op_explain(write->op, result->cause, result->sys_error,
	    result->message);
	for (i = 0; i < write->count; i++) {
		entry = evkv_op_entry(write->op, i);
		if (entry->status == EVKV_NOT_FOUND ||
		    evkv_failed(entry_status(result, i)))
			evkv_op_take(write->op, i, child, i);
	}
}

static void written(struct evkv_op *child, void *arg)
{
	struct write *write = arg;

	if (write->cached_only)
		take_below(write, child);
	else
		evkv_op_take_all(write->op, child);
	evkv__put_judge(write, evkv_op_result(child));
	write_end(write, evkv_op_result(child));
	evkv__put_end(write);
	evkv_op_complete(write->op);
}

/* What an op is asked, as a child is to be asked it. */
static struct evkv_request child_request(const struct evkv_request *request)
{
	struct evkv_request copy = *request;

	copy.flags &= EVKV_FLAG_VERSIONS | EVKV_FLAG_CACHED_ONLY |
	    EVKV_FLAG_SOFT;
	copy.timeout_ms = 0;
	return copy;
}

/*
 * A load that began while the cache was asked to evict does not see this write:
 * no get from now on may join it.
 */
static void fence_again(struct write *write)
{
	size_t i;

	if (write->records == NULL)
		write->cache->epoch++;
	for (i = 0; i < write->count; i++)
		evkv__record_fence(write->records[i]);
}

static void write_primary(struct write *write,
    const struct evkv_request *request)
{
	const struct evkv_request copy = child_request(request);

	fence_again(write);
	evkv_child_submit(write->op, write->cache->primary, &copy,
	    EVKV_CHILD_BORROWS, written, write);
}

void evkv__write_below(struct write *write)
{
	if (write->cache->caches_below) {
		write_primary(write, evkv_op_request(write->op));
		return;
	}
	fences_down(write, write->count);
	evkv_op_complete(write->op);
}

/* ---- The cache ---------------------------------------------------------- */

static void look_at_eviction(struct write *write,
    const struct evkv_result *result)
{
	enum evkv_status status;
	size_t i, j = 0;

	if (write->records == NULL) {
		if (result->status != EVKV_OK)
			evkv__repair_all(write->cache,
			    result->status == EVKV_UNKNOWN_OUTCOME);
		return;
	}
	for (i = 0; i < write->count; i++) {
		status = EVKV_NOT_FOUND;
		if (write->records[i]->key_size <= write->cache->max_key)
			status = entry_status(result, j++);
		if (status != EVKV_OK && status != EVKV_NOT_FOUND)
			evkv__repair_bypass(write->cache, write->records[i],
			    status == EVKV_UNKNOWN_OUTCOME);
		if (write->cached_only && status == EVKV_NOT_FOUND)
			evkv_op_entry(write->op, i)->status = status;
	}
}

static void evicted(struct evkv_op *child, void *arg)
{
	struct write *write = arg;

	look_at_eviction(write, evkv_op_result(child));
	if (write->cached_only)
		evkv__write_below(write);
	else
		write_primary(write, evkv_op_request(write->op));
}

/* The keys that the cache can hold; false = no memory. */
static bool choose_keys(struct write *write, const struct evkv_request *request,
    struct evkv_request *eviction)
{
	size_t most = write->cache->max_key, i;
	struct evkv_slice *keys;

	if (most == EVKV_KEY_MAX)
		return true;
	keys = evkv_op_alloc(write->op, request->count * sizeof(*keys));
	if (keys == NULL)
		return false;
	eviction->keys = keys;
	eviction->count = 0;
	for (i = 0; i < request->count; i++) {
		if (request->keys[i].size <= most)
			keys[eviction->count++] = request->keys[i];
	}
	return true;
}

/*
 * In the cache a put or a touch is an eviction too; purge_expired leaves it
 * alone. false = no memory, and nothing has begun.
 */
static bool make_eviction(struct write *write,
    const struct evkv_request *request, struct evkv_request *eviction)
{
	*eviction = child_request(request);
	if (write->records != NULL) {
		*eviction = (struct evkv_request){
			.kind = EVKV_OP_DELETE,
			.collection = request->collection,
			.count = request->count,
			.keys = request->keys,
		};
		if (!choose_keys(write, request, eviction))
			return false;
	}
	eviction->timeout_ms = write->cache->cache_timeout_ms;
	return true;
}

static void evict(struct write *write, const struct evkv_request *request)
{
	struct cache *cache = write->cache;
	struct evkv_request eviction;
	struct evkv_op *child;

	if (write->cached_only && cache->off) {
		evkv__write_below(write);
		return;
	}
	if (cache->off || request->kind == EVKV_OP_PURGE_EXPIRED) {
		write_primary(write, request);
		return;
	}
	if (!make_eviction(write, request, &eviction)) {
		evicted(NULL, write);
		return;
	}
	child = evkv_child_submit(write->op, cache->cache, &eviction,
	    EVKV_CHILD_AUXILIARY, evicted, write);
	if (child != NULL)
		evkv__cache_wait(cache, write->op, child);
}

enum evkv_verdict evkv__cache_write(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct write *write = evkv_op_alloc(op, sizeof(*write));

	if (write == NULL)
		return evkv_op_nomem(op);
	*write = (struct write){ .cache = cache, .op = op };
	write->cached_only = (request->flags & EVKV_FLAG_CACHED_ONLY) != 0;
	if (!write_begin(write, request))
		return evkv_op_nomem(op);
	if (cache->options.fill_on_put && request->kind == EVKV_OP_PUT &&
	    evkv__put_begin(write, request))
		request = evkv_op_request(op);
	if ((request->flags & EVKV_FLAG_SOFT) == 0 || cache->off ||
	    cache->options.stale_if_error_ms == 0 ||
	    !evkv__soften(write, request))
		evict(write, request);
	return EVKV_VERDICT_PENDING;
}
