/*
 * wrappers/passthrough_cache/reads.c - get and exists: the cache, then the
 * primary for what is missing there.
 *
 * While an entry is not answered its status is MISSING, which no store gives.
 */
#include "wrappers/passthrough_cache/cache.h"

struct get {
	struct cache *cache;
	struct evkv_op *op;
	size_t *asked; /* which keys the cache was asked for; NULL = all */
	size_t asked_count;
	struct evkv_slice *asked_keys;
	size_t waiting; /* answers under way, the look-up's among them */
};

struct evkv_op *evkv__get_op(struct get *get)
{
	return get->op;
}

void evkv__get_answered(struct get *get)
{
	if (--get->waiting == 0)
		evkv_op_complete(get->op);
}

static void fail_missing(struct get *get, enum evkv_status status,
    enum evkv_cause cause)
{
	struct evkv_entry *entries = evkv_op_entry(get->op, 0);
	size_t count = evkv_op_result(get->op)->count, i;

	for (i = 0; i < count; i++) {
		if (entries[i].status == EVKV_MISSING)
			entries[i].status = status;
	}
	evkv_op_explain(get->op, cause, 0, evkv_status_text(status));
}

/* ---- The primary -------------------------------------------------------- */

static void load_missing(struct get *get, const struct evkv_request *request,
    size_t missing)
{
	struct evkv_entry *entries = evkv_op_entry(get->op, 0);
	struct load *load = evkv__load_new(get->cache, missing);
	size_t i;

	if (load == NULL) {
		fail_missing(get, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
		return;
	}
	for (i = 0; i < request->count; i++) {
		if (entries[i].status != EVKV_MISSING)
			continue;
		if (evkv__load_add(load, get, i, request))
			get->waiting++;
		else
			entries[i].status = EVKV_NOMEM;
	}
	evkv__load_send(load);
}

static void probed(struct evkv_op *child, void *arg)
{
	struct get *get = arg;
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_op *op = get->op;
	size_t i, j = 0;

	for (i = 0; i < evkv_op_result(op)->count; i++) {
		if (evkv_op_entry(op, i)->status == EVKV_MISSING)
			evkv_op_take(op, i, child, j++);
	}
	if (evkv_failed(result->status))
		evkv_op_explain(op, result->cause, result->sys_error,
		    result->message);
	evkv__get_answered(get);
}

/* Whether they exist is asked for this op alone, and fills nothing. */
static void probe_missing(struct get *get, const struct evkv_request *request,
    size_t missing)
{
	struct evkv_slice *keys = evkv_op_alloc(get->op,
	    missing * sizeof(struct evkv_slice));
	struct evkv_request rest = { .kind = request->kind, .keys = keys };
	size_t i;

	if (keys == NULL) {
		fail_missing(get, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
		return;
	}
	for (i = 0; i < request->count; i++) {
		if (evkv_op_entry(get->op, i)->status == EVKV_MISSING)
			keys[rest.count++] = request->keys[i];
	}
	rest.collection = request->collection;
	get->waiting++;
	evkv_child_submit(get->op, get->cache->primary, &rest, 0, probed, get);
}

static void ask_primary(struct get *get, const struct evkv_request *request)
{
	const struct evkv_entry *entries = evkv_op_entry(get->op, 0);
	size_t missing = 0, i;

	for (i = 0; i < request->count; i++)
		missing += entries[i].status == EVKV_MISSING;
	if (missing == 0)
		return;
	if (evkv_op_detached(get->op))
		fail_missing(get, EVKV_CANCELED, EVKV_CAUSE_CANCELED);
	else if (request->kind == EVKV_OP_GET)
		load_missing(get, request, missing);
	else
		probe_missing(get, request, missing);
}

/* ---- The cache ---------------------------------------------------------- */

/* Whatever is not a hit is a miss: a failing cache fails nothing. */
static void take_hits(struct get *get, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	size_t i, j;

	for (j = 0; j < get->asked_count && j < result->count; j++) {
		i = get->asked != NULL ? get->asked[j] : j;
		if (evkv_result_entry(result, j)->status == EVKV_OK)
			evkv_op_take(get->op, i, child, j);
	}
}

static void looked_up(struct evkv_op *child, void *arg)
{
	struct get *get = arg;

	take_hits(get, child);
	ask_primary(get, evkv_op_request(get->op));
	evkv__get_answered(get);
}

/* Which keys the cache may be asked for; false = no memory. */
static bool choose_keys(struct get *get, const struct evkv_request *request)
{
	struct cache *cache = get->cache;
	size_t i;

	get->asked_count = cache->off ? 0 : request->count;
	if (get->asked_count == 0 ||
	    (LIST_EMPTY(&cache->suspects) && cache->max_key == EVKV_KEY_MAX))
		return true;
	get->asked = evkv_op_alloc(get->op, request->count * sizeof(size_t));
	get->asked_keys = evkv_op_alloc(get->op,
	    request->count * sizeof(struct evkv_slice));
	if (get->asked == NULL || get->asked_keys == NULL)
		return false;
	get->asked_count = 0;
	for (i = 0; i < request->count; i++) {
		if (request->keys[i].size > cache->max_key ||
		    evkv__record_bypassed(cache,
			evkv__record_find(cache, request->collection,
			    request->keys[i])))
			continue;
		get->asked[get->asked_count] = i;
		get->asked_keys[get->asked_count++] = request->keys[i];
	}
	return true;
}

static void look_up(struct get *get, const struct evkv_request *request)
{
	const struct evkv_request lookup = {
		.kind = request->kind,
		.collection = request->collection,
		.count = get->asked_count,
		.keys = get->asked != NULL ? get->asked_keys : request->keys,
		.timeout_ms = get->cache->cache_timeout_ms,
	};
	struct evkv_op *child;

	get->waiting = 1;
	if (get->asked_count == 0) {
		ask_primary(get, request);
		evkv__get_answered(get);
		return;
	}
	child = evkv_child_submit(get->op, get->cache->cache, &lookup,
	    EVKV_CHILD_AUXILIARY, looked_up, get);
	if (child != NULL)
		evkv__cache_wait(get->cache, get->op, child);
}

enum evkv_verdict evkv__cache_read(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct get *get = evkv_op_alloc(op, sizeof(*get));
	size_t i;

	if (get == NULL)
		return evkv_op_nomem(op);
	*get = (struct get){ .cache = cache, .op = op };
	evkv__repair_clocks(cache);
	if (!choose_keys(get, request))
		return evkv_op_nomem(op);
	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = EVKV_MISSING;
	look_up(get, request);
	return EVKV_VERDICT_PENDING;
}
