/*
 * wrappers/passthrough_cache/writes.c - evict from the cache, then write.
 *
 * From the moment a write is submitted until it has really ended, which may be
 * later than it is reported, its keys are fenced.
 */
#include "wrappers/passthrough_cache/cache.h"

struct write {
	struct turn turn;
	struct cache *cache;
	struct evkv_op *op;
	struct note **notes; /* one for each key; none for spanning kinds */
	size_t count;
	bool inside; /* submit() is on the stack */
	bool evicted, ended;
	bool nomem;
};

/* ---- Fences ------------------------------------------------------------- */

static void fences_down(struct write *write, size_t count)
{
	struct cache *cache = write->cache;
	size_t i;

	for (i = 0; i < count; i++) {
		write->notes[i]->writers--;
		evkv__note_fence(write->notes[i]);
		evkv__note_put(cache, write->notes[i]);
	}
}

static bool fences_up(struct write *write, const struct evkv_request *request)
{
	size_t i;

	write->notes = evkv_op_alloc(write->op,
	    write->count * sizeof(struct note *));
	if (write->notes == NULL)
		return false;
	for (i = 0; i < write->count; i++) {
		write->notes[i] = evkv__note_get(write->cache,
		    request->collection, request->keys[i]);
		if (write->notes[i] == NULL) {
			fences_down(write, i);
			return false;
		}
		write->notes[i]->writers++;
		evkv__note_fence(write->notes[i]);
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
	for (fill = cache->fills; fill != NULL; fill = fill->next) {
		for (i = 0; i < fill->count; i++)
			evkv__trouble_bypass(cache, fill->keys[i].note, true);
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

	if (write->notes == NULL) {
		cache->spanning--;
		cache->epoch++;
		if (result->status == EVKV_UNKNOWN_OUTCOME)
			cache->fill_after_us = evkv_loop_now_us(cache->loop) +
			    cache->stall_us;
		return;
	}
	for (i = 0; i < write->count; i++) {
		if (entry_status(result, i) == EVKV_UNKNOWN_OUTCOME)
			evkv__trouble_unknown(cache, write->notes[i]);
	}
	fences_down(write, write->count);
}

/* ---- The primary -------------------------------------------------------- */

static void written(struct evkv_op *child, void *arg)
{
	struct write *write = arg;

	evkv_op_take_all(write->op, child);
	write_end(write, evkv_op_result(child));
	write->ended = true;
	if (!write->inside)
		evkv__turn_end(&write->turn);
}

/* What an op is asked, as a child is to be asked it. */
static struct evkv_request child_request(const struct evkv_request *request)
{
	struct evkv_request copy = *request;

	copy.flags = 0;
	copy.timeout_ms = 0;
	return copy;
}

/*
 * A load that began while the cache was asked to evict does not see this write:
 * whoever asks from now on must not join it.
 */
static void fence_again(struct write *write)
{
	size_t i;

	if (write->notes == NULL)
		write->cache->epoch++;
	for (i = 0; i < write->count; i++)
		evkv__note_fence(write->notes[i]);
}

static void write_primary(struct write *write,
    const struct evkv_request *request)
{
	const struct evkv_request copy = child_request(request);

	fence_again(write);
	evkv_child_submit(write->op, write->cache->primary, &copy,
	    EVKV_CHILD_BORROWS, written, write);
}

/* ---- The cache ---------------------------------------------------------- */

static void note_eviction(struct write *write, const struct evkv_result *result)
{
	enum evkv_status status;
	size_t i, j = 0;

	if (write->notes == NULL) {
		if (result->status != EVKV_OK)
			evkv__trouble_all(write->cache,
			    result->status == EVKV_UNKNOWN_OUTCOME);
		return;
	}
	for (i = 0; i < write->count; i++) {
		if (write->notes[i]->key_size > write->cache->max_key)
			continue;
		status = entry_status(result, j++);
		if (status != EVKV_OK && status != EVKV_NOT_FOUND)
			evkv__trouble_bypass(write->cache, write->notes[i],
			    status == EVKV_UNKNOWN_OUTCOME);
	}
}

static void fail_nomem(struct write *write)
{
	static const struct evkv_result nothing = { .status = EVKV_NOMEM };

	evkv_op_nomem(write->op);
	write_end(write, &nothing);
	evkv__turn_end(&write->turn);
}

static void evicted(struct evkv_op *child, void *arg)
{
	struct write *write = arg;

	note_eviction(write, evkv_op_result(child));
	write->evicted = true;
	if (write->inside)
		return;
	if (write->nomem)
		fail_nomem(write);
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

/* In the cache a put or a touch is an eviction too; purge_expired leaves it alone. */
static void evict(struct write *write, const struct evkv_request *request)
{
	struct evkv_request eviction = child_request(request);

	if (write->cache->off || request->kind == EVKV_OP_PURGE_EXPIRED) {
		write->evicted = true;
		return;
	}
	if (write->notes != NULL) {
		eviction = (struct evkv_request){
			.kind = EVKV_OP_DELETE,
			.collection = request->collection,
			.count = request->count,
			.keys = request->keys,
		};
		if (!choose_keys(write, request, &eviction)) {
			evicted(NULL, write);
			return;
		}
	}
	eviction.timeout_ms = write->cache->cache_timeout_ms;
	if (evkv_child_submit(write->op, write->cache->cache, &eviction,
		EVKV_CHILD_AUXILIARY, evicted, write) != NULL &&
	    write->notes != NULL)
		write->cache->slow = true;
}

static enum evkv_verdict write_run(struct write *write,
    const struct evkv_request *request)
{
	write->inside = true;
	evict(write, request);
	if (write->evicted)
		write_primary(write, request);
	else
		write->nomem = !evkv_op_keep(write->op);
	write->inside = false;
	return write->ended ? EVKV_VERDICT_DONE : EVKV_VERDICT_PENDING;
}

static void write_turn(struct turn *turn)
{
	static const struct evkv_result nothing = { .status = EVKV_CANCELED };
	struct write *write = (struct write *)turn;

	if (turn->stopped) {
		evkv_op_fail(turn->op, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
		    NULL);
		write_end(write, &nothing);
	} else if (write_run(write, evkv_op_request(turn->op)) ==
	    EVKV_VERDICT_PENDING) {
		return;
	}
	evkv__turn_end(turn);
}

static bool line_up(struct write *write, const struct evkv_request *request)
{
	static const struct evkv_result nothing = { .status = EVKV_NOMEM };

	if (write->notes == NULL)
		return true;
	if ((!write->cache->slow || evkv_op_keep(write->op)) &&
	    evkv__turn_queue(&write->turn, request, write->notes))
		return true;
	write_end(write, &nothing);
	return false;
}

enum evkv_verdict evkv__cache_write(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct write *write = evkv_op_alloc(op, sizeof(*write));

	if (write == NULL)
		return evkv_op_nomem(op);
	*write = (struct write){ .cache = cache, .op = op };
	evkv__turn_init(&write->turn, cache, op, write_turn);
	if (!write_begin(write, request) || !line_up(write, request))
		return evkv_op_nomem(op);
	/* It may have been kept, and what was given must not be used then. */
	if (!evkv__turn_begin(&write->turn) ||
	    write_run(write, evkv_op_request(op)) == EVKV_VERDICT_PENDING)
		return EVKV_VERDICT_PENDING;
	return evkv__turn_over(&write->turn) ? EVKV_VERDICT_DONE
					     : EVKV_VERDICT_PENDING;
}
