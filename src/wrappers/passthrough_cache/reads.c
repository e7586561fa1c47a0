/*
 * wrappers/passthrough_cache/reads.c - get and exists: the cache, then the
 * primary for what is missing there.
 *
 * While an entry is not answered its status is MISSING, which no store gives.
 * One that has a value then has a stale one, head and all, to fall back on.
 */
#include "core/op.h"
#include "wrappers/passthrough_cache/head.h"

/* Who will take a stale entry when the load has taken too long. */
struct soft {
	struct get *get;
	struct evkv_timer timer;
	SLIST_HEAD(, waiter) waiters;
};

struct get {
	struct cache *cache;
	struct evkv_op *op;
	uint32_t flags;
	size_t *asked; /* which keys the cache was asked for; NULL = all */
	size_t asked_count;
	struct evkv_slice *asked_keys;
	size_t *old; /* which keys are to be loaded for nobody */
	size_t old_count;
	struct soft *soft;
	size_t waiting; /* answers under way, the look-up's among them */
};

struct evkv_op *evkv__get_op(struct get *get)
{
	return get->op;
}

void evkv__get_answered(struct get *get, size_t count)
{
	get->waiting -= count;
	if (get->waiting > 0)
		return;
	if (get->soft != NULL)
		evkv_timer_cancel(get->cache->loop, &get->soft->timer);
	evkv_op_complete(get->op);
}

/* ---- What the cache has ------------------------------------------------- */

static void answer_without_value(struct get *get, size_t i,
    enum evkv_status status)
{
	evkv_op_give_value(get->op, i, NULL);
	evkv_op_entry(get->op, i)->status = status;
}

static void serve_value(struct get *get, size_t i)
{
	const struct evkv_entry *entry = evkv_op_entry(get->op, i);
	struct evkv_value *part;

	part = evkv_value_slice(entry->value, HEAD_SIZE,
	    entry->bytes.size - HEAD_SIZE);
	if (part != NULL) {
		evkv_op_give_value(get->op, i, part);
		return;
	}
	answer_without_value(get, i, EVKV_NOMEM);
	evkv_op_explain(get->op, EVKV_CAUSE_NOMEM, 0, NULL);
}

/* Answer entry i by what it holds, without the head. */
static void serve(struct get *get, size_t i, const struct head *head,
    int64_t now_us, bool fresh)
{
	struct evkv_entry *entry = evkv_op_entry(get->op, i);
	struct evkv_passthrough_cache_counters *counters = &get->cache
								->counters;

	if (head->absent)
		answer_without_value(get, i, EVKV_NOT_FOUND);
	else if (evkv_op_result(get->op)->kind == EVKV_OP_EXISTS)
		answer_without_value(get, i, EVKV_OK);
	else
		serve_value(get, i);
	entry->flags = EVKV_ENTRY_CACHED | (fresh ? 0 : EVKV_ENTRY_STALE);
	entry->age_ms = head_age_ms(head, now_us);
	counters->negative_hits += head->absent;
	counters->stale_served += !fresh;
}

bool evkv__get_fall_back(struct get *get, size_t i, bool failed)
{
	const struct evkv_entry *entry = evkv_op_entry(get->op, i);
	int64_t now_us = evkv__head_now_us(get->cache);
	struct head head;
	enum life life;

	if (entry->value == NULL || !evkv__head_read(entry->bytes, &head))
		return false;
	life = evkv__head_life(get->cache, &head, now_us);
	if (life == LIFE_OVER || (head.expired && !failed))
		return false;
	serve(get, i, &head, now_us, life == LIFE_FRESH);
	return true;
}

/* Without memory another read will do it. */
static void add_old(struct get *get, size_t i)
{
	if ((get->flags & EVKV_FLAG_CACHED_ONLY) != 0)
		return;
	if (get->old == NULL)
		get->old = evkv_op_alloc(get->op,
		    evkv_op_entry_count(get->op) * sizeof(size_t));
	if (get->old != NULL)
		get->old[get->old_count++] = i;
}

/* One that is no longer fresh: whether it is the answer at once. */
static bool serves_stale(const struct get *get,
    const struct evkv_request *request, size_t i, enum life life)
{
	const struct cache *cache = get->cache;

	if ((get->flags & EVKV_FLAG_CACHED_ONLY) != 0)
		return life == LIFE_STALE;
	if (life == LIFE_STALE && cache->options.soft_timeout_ms == 0)
		return true;
	return evkv__backoff_holds(cache,
	    evkv__record_find(cache, request->collection, request->keys[i]));
}

/* The cache has an entry with a head for key i, which is in the op's now. */
static void judge(struct get *get, const struct evkv_request *request, size_t i)
{
	struct evkv_entry *entry = evkv_op_entry(get->op, i);
	int64_t now_us = evkv__head_now_us(get->cache);
	enum life life = LIFE_OVER;
	struct head head;

	if (evkv__head_read(entry->bytes, &head))
		life = evkv__head_life(get->cache, &head, now_us);
	if (life == LIFE_FRESH) {
		if (evkv__head_is_old(get->cache, &head, now_us))
			add_old(get, i);
		serve(get, i, &head, now_us, true);
	} else if (life != LIFE_OVER && serves_stale(get, request, i, life)) {
		add_old(get, i);
		serve(get, i, &head, now_us, false);
	} else if (life == LIFE_OVER ||
	    (get->flags & EVKV_FLAG_CACHED_ONLY) != 0) {
		answer_without_value(get, i, EVKV_MISSING);
	} else {
		entry->status = EVKV_MISSING;
	}
}

/* ---- Those who do not wait for long ------------------------------------- */

static void soft_over(void *arg)
{
	struct soft *soft = arg;
	struct get *get = soft->get;
	struct waiter *waiter;
	size_t count = 0;

	SLIST_FOREACH(waiter, &soft->waiters, soft_link)
	{
		if (waiter->key == NULL ||
		    !evkv__get_fall_back(get, waiter->i, false))
			continue;
		TAILQ_REMOVE(&waiter->key->waiters, waiter, link);
		waiter->key = NULL;
		count++;
	}
	if (count > 0)
		evkv__get_answered(get, count);
}

/* Without memory it does wait. */
static void soft_add(struct get *get, struct waiter *waiter)
{
	if (get->soft == NULL) {
		get->soft = evkv_op_alloc(get->op, sizeof(*get->soft));
		if (get->soft == NULL)
			return;
		*get->soft = (struct soft){
			.get = get,
			.timer = { .run = soft_over, .arg = get->soft },
		};
	}
	SLIST_INSERT_HEAD(&get->soft->waiters, waiter, soft_link);
}

/* The look-up's answer is still under way, so the get does not end here. */
static void soft_begin(struct get *get)
{
	struct cache *cache = get->cache;

	if (get->soft != NULL &&
	    !evkv_timer_set(cache->loop, &get->soft->timer,
		cache->options.soft_timeout_ms))
		soft_over(get->soft);
}

/* ---- The primary -------------------------------------------------------- */

static void fail_missing(struct get *get, enum evkv_status status,
    enum evkv_cause cause)
{
	size_t count = evkv_op_entry_count(get->op), failed = 0, i;

	for (i = 0; i < count; i++) {
		if (evkv_op_entry(get->op, i)->status != EVKV_MISSING ||
		    evkv__get_fall_back(get, i, true))
			continue;
		answer_without_value(get, i, status);
		failed += evkv_failed(status);
	}
	if (failed > 0)
		evkv_op_explain(get->op, cause, 0, evkv_status_text(status));
}

/* An exists loads only what there is a stale entry of. */
static bool is_to_load(const struct get *get, size_t i)
{
	const struct evkv_entry *entry = evkv_op_entry(get->op, i);

	return entry->status == EVKV_MISSING &&
	    (evkv_op_result(get->op)->kind == EVKV_OP_GET ||
		entry->value != NULL);
}

static void load_missing(struct get *get, const struct evkv_request *request,
    size_t missing)
{
	struct cache *cache = get->cache;
	struct load *load = evkv__load_new(cache, missing + get->old_count);
	struct waiter *waiter;
	size_t i;

	if (load == NULL) {
		fail_missing(get, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
		return;
	}
	load->fresh = (get->flags & EVKV_FLAG_FRESH) != 0;
	for (i = 0; i < request->count; i++) {
		if (!is_to_load(get, i))
			continue;
		waiter = evkv__load_add(load, get, i, request);
		if (waiter != NULL) {
			get->waiting++;
			if (cache->options.soft_timeout_ms > 0 &&
			    evkv_op_entry(get->op, i)->value != NULL)
				soft_add(get, waiter);
		} else if (!evkv__get_fall_back(get, i, true)) {
			answer_without_value(get, i, EVKV_NOMEM);
		}
	}
	for (i = 0; i < get->old_count; i++)
		evkv__load_refresh(load, request, get->old[i]);
	evkv__load_send(load);
	soft_begin(get);
}

static void probed(struct evkv_op *child, void *arg)
{
	struct get *get = arg;
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_op *op = get->op;
	size_t i, j = 0;

	for (i = 0; i < evkv_op_result(op)->count; i++) {
		if (evkv_op_entry(op, i)->status == EVKV_MISSING &&
		    evkv_op_entry(op, i)->value == NULL)
			evkv_op_take(op, i, child, j++);
	}
	if (evkv_failed(result->status))
		evkv_op_explain(op, result->cause, result->sys_error,
		    result->message);
	evkv__get_answered(get, 1);
}

/* What is asked for this op alone fills nothing. */
static void probe_missing(struct get *get, const struct evkv_request *request,
    size_t missing)
{
	struct evkv_slice *keys = evkv_op_alloc(get->op,
	    missing * sizeof(struct evkv_slice));
	struct evkv_request rest = {
		.kind = request->kind,
		.flags = get->flags,
		.collection = request->collection,
		.keys = keys,
	};
	size_t i;

	if (keys == NULL) {
		fail_missing(get, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
		return;
	}
	for (i = 0; i < request->count; i++) {
		if (evkv_op_entry(get->op, i)->status == EVKV_MISSING &&
		    evkv_op_entry(get->op, i)->value == NULL)
			keys[rest.count++] = request->keys[i];
	}
	get->waiting++;
	evkv_child_submit(get->op, get->cache->primary, &rest, 0, probed, get);
}

/* What neither the cache nor the caller's patience has answered. */
static void ask_for(struct get *get, const struct evkv_request *request,
    size_t loads, size_t probes)
{
	if (evkv_op_detached(get->op))
		fail_missing(get, EVKV_CANCELED, EVKV_CAUSE_CANCELED);
	else if ((get->flags & EVKV_FLAG_CACHED_ONLY) == 0) {
		if (probes > 0)
			probe_missing(get, request, probes);
		if (loads + get->old_count > 0)
			load_missing(get, request, loads);
	} else if (get->cache->caches_below)
		probe_missing(get, request, loads + probes);
	else
		fail_missing(get, EVKV_NOT_FOUND, EVKV_CAUSE_NONE);
}

static void ask_primary(struct get *get, const struct evkv_request *request)
{
	size_t loads = 0, probes = 0, i;

	for (i = 0; i < request->count; i++) {
		if (is_to_load(get, i))
			loads++;
		else if (evkv_op_entry(get->op, i)->status == EVKV_MISSING)
			probes++;
	}
	if (loads + probes + get->old_count > 0)
		ask_for(get, request, loads, probes);
}

/* ---- The cache ---------------------------------------------------------- */

/* Whatever is not a hit is a miss: a failing cache fails nothing. */
static void take_hits(struct get *get, const struct evkv_request *request,
    struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	size_t i, j;

	for (j = 0; j < get->asked_count && j < result->count; j++) {
		i = get->asked != NULL ? get->asked[j] : j;
		if (evkv_result_entry(result, j)->status != EVKV_OK)
			continue;
		evkv_op_take(get->op, i, child, j);
		if (get->cache->heads)
			judge(get, request, i);
	}
}

static void looked_up(struct evkv_op *child, void *arg)
{
	struct get *get = arg;
	const struct evkv_request *request = evkv_op_request(get->op);

	take_hits(get, request, child);
	ask_primary(get, request);
	evkv__get_answered(get, 1);
}

/* Which keys the cache may be asked for; false = no memory. */
static bool choose_keys(struct get *get, const struct evkv_request *request)
{
	struct cache *cache = get->cache;
	size_t i;

	get->asked_count = cache->off || (get->flags & EVKV_FLAG_FRESH) != 0
	    ? 0
	    : request->count;
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
	struct cache *cache = get->cache;
	const struct evkv_request lookup = {
		.kind = cache->heads ? EVKV_OP_GET : request->kind,
		.collection = request->collection,
		.count = get->asked_count,
		.keys = get->asked != NULL ? get->asked_keys : request->keys,
		.timeout_ms = cache->cache_timeout_ms,
	};
	struct evkv_op *child;

	get->waiting = 1;
	if (get->asked_count == 0) {
		ask_primary(get, request);
		evkv__get_answered(get, 1);
		return;
	}
	child = evkv_child_submit(get->op, cache->cache, &lookup,
	    EVKV_CHILD_AUXILIARY, looked_up, get);
	if (child != NULL)
		evkv__cache_wait(cache, get->op, child);
}

/*
 * What the cache has of a single key, where it can tell without an op. Declined
 * is also what is not to be asked of it.
 */
static enum evkv_peek peek(struct cache *cache,
    const struct evkv_request *request, struct evkv_value **value)
{
	if (request->count != 1 || request->kind != EVKV_OP_GET ||
	    (request->flags & EVKV_FLAG_FRESH) != 0 || cache->off ||
	    !LIST_EMPTY(&cache->suspects) ||
	    request->keys->size > cache->max_key)
		return EVKV_PEEK_DECLINE;
	return evkv_store_peek(cache->cache, request, value);
}

static void look_up_peeked(struct get *get, const struct evkv_request *request,
    enum evkv_peek answer)
{
	get->waiting = 1;
	if (answer == EVKV_PEEK_HIT)
		judge(get, request, 0);
	ask_primary(get, request);
	evkv__get_answered(get, 1);
}

enum evkv_verdict evkv__cache_read(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request)
{
	const uint32_t flags = EVKV_FLAG_FRESH | EVKV_FLAG_CACHED_ONLY;
	struct evkv_value *value = NULL;
	enum evkv_peek answer;
	struct get *get;
	size_t i;

	evkv__repair_clocks(cache);
	answer = peek(cache, request, &value);
	if (answer == EVKV_PEEK_HIT)
		evkv__op_pin_value(op, 0, value);
	if (answer == EVKV_PEEK_HIT && !cache->heads)
		return EVKV_VERDICT_DONE;
	get = evkv_op_alloc(op, sizeof(*get));
	if (get == NULL)
		return evkv_op_nomem(op);
	*get = (struct get){ .cache = cache, .op = op };
	get->flags = request->flags & flags;
	if (!choose_keys(get, request))
		return evkv_op_nomem(op);
	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = EVKV_MISSING;
	if (answer == EVKV_PEEK_DECLINE)
		look_up(get, request);
	else
		look_up_peeked(get, request, answer);
	return EVKV_VERDICT_PENDING;
}
