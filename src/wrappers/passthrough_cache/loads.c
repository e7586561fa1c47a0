/*
 * wrappers/passthrough_cache/loads.c - from the primary to the waiters, and
 * into the cache.
 *
 * A load belongs to no get: its waiters may be gone when it arrives, and one in
 * the background has none.
 */
#include "wrappers/passthrough_cache/head.h"

void evkv__load_put(struct load *load)
{
	struct cache *cache = load->cache;
	size_t i;

	if (--load->refs > 0)
		return;
	for (i = 0; i < load->count; i++)
		evkv__record_put(cache, load->keys[i].record);
	evkv_free(load);
}

/* ---- Answering ---------------------------------------------------------- */

/* Without memory the cache just stays as it is. */
static void fill_cache(struct load *load, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	const struct evkv_entry *entry;
	struct fill fill;
	size_t i;

	if (child == NULL || load->cache->closing)
		return;
	/* Not the turn's time: its callbacks may have taken long until now. */
	evkv_loop_refresh(load->cache->loop);
	evkv__repair_clocks(load->cache);
	if (load->epoch != load->cache->epoch ||
	    !evkv__fill_begin(&fill, load, child))
		return;
	for (i = 0; i < load->count && i < result->count; i++) {
		entry = evkv_result_entry(result, i);
		if (entry->status == EVKV_NOT_FOUND)
			evkv__fill_absent(&fill, i);
		/* Of a cache below that served what was not fresh. */
		else if (entry->status == EVKV_OK &&
		    (entry->flags & EVKV_ENTRY_STALE) == 0)
			evkv__fill_add(&fill, i, entry->bytes, entry->value,
			    load->cache->ask_ttl ? entry->ttl_ms
						 : EVKV_TTL_NONE);
	}
	evkv__fill_send(&fill);
}

static enum evkv_status entry_status(const struct evkv_result *result, size_t i)
{
	return i < result->count ? evkv_result_entry(result, i)->status
				 : result->status;
}

static void answer_value(struct evkv_op *op, size_t i,
    const struct evkv_entry *entry)
{
	struct evkv_entry *to = evkv_op_entry(op, i);

	if (evkv_op_result(op)->kind == EVKV_OP_EXISTS)
		evkv_op_give_value(op, i, NULL);
	else
		evkv_op_give_value(op, i, evkv_value_ref(entry->value));
	to->status = EVKV_OK;
	to->flags = entry->flags;
	to->age_ms = entry->age_ms;
}

static void answer(const struct waiter *waiter,
    const struct evkv_result *result, size_t i)
{
	struct evkv_op *op = evkv__get_op(waiter->get);
	enum evkv_status status = entry_status(result, i);

	if (status == EVKV_OK) {
		answer_value(op, waiter->i, evkv_result_entry(result, i));
		return;
	}
	if (evkv_failed(status) &&
	    evkv__get_fall_back(waiter->get, waiter->i, true))
		return;
	evkv_op_give_value(op, waiter->i, NULL);
	evkv_op_entry(op, waiter->i)->status = status;
	if (evkv_failed(status))
		evkv_op_explain(op, result->cause, result->sys_error,
		    result->message);
}

static void key_answer(struct load_key *key, const struct evkv_result *result,
    size_t i)
{
	struct waiter *waiter;

	while ((waiter = TAILQ_FIRST(&key->waiters)) != NULL) {
		/* It may go. */
		TAILQ_REMOVE(&key->waiters, waiter, link);
		waiter->key = NULL;
		answer(waiter, result, i);
		evkv__get_answered(waiter->get, 1);
	}
}

/* The key's load is over: nobody joins it, and a failure is remembered. */
static void key_end(struct load_key *key, enum evkv_status status)
{
	struct cache *cache = key->load->cache;

	if (evkv_failed(status))
		cache->counters.load_failures++;
	else
		cache->loaded++;
	/* One that a write has overtaken says nothing of what is there now. */
	if (key->record->load != key)
		return;
	key->record->load = NULL;
	if (evkv_failed(status))
		evkv__backoff_begin(cache, key->record);
	else
		evkv__backoff_end(cache, key->record);
}

/*
 * Fill before any waiter gets its answer: it may write at once, and what was
 * loaded before that write must not be filled after it.
 */
static void loaded(struct evkv_op *child, void *arg)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct load *load = arg;
	size_t i;

	evkv__background_end(&load->load);
	for (i = 0; i < load->count; i++)
		key_end(&load->keys[i], entry_status(result, i));
	fill_cache(load, child);
	for (i = 0; i < load->count; i++)
		key_answer(&load->keys[i], result, i);
	evkv__load_put(load);
}

/* ---- Asking ------------------------------------------------------------- */

struct load *evkv__load_new(struct cache *cache, size_t most)
{
	size_t each = sizeof(struct load_key) + sizeof(struct evkv_slice);
	struct load *load = evkv_malloc(sizeof(*load) + most * each);

	if (load == NULL)
		return NULL;
	load->cache = cache;
	load->epoch = cache->epoch;
	load->sent_us = evkv_loop_now_us(cache->loop);
	load->stamp_us = cache->heads ? evkv__head_now_us(cache) : 0;
	load->refs = 1;
	load->fresh = false;
	load->filling = false;
	load->count = 0;
	return load;
}

struct load_key *evkv__load_key(struct load *load, struct key_record *record)
{
	struct load_key *key = &load->keys[load->count++];

	*key = (struct load_key){
		.load = load,
		.record = record,
		.fill = evkv__record_may_fill(load->cache, record),
	};
	TAILQ_INIT(&key->waiters);
	return key;
}

/* The key's load that a get of now may join. */
static struct load_key *load_to_join(const struct load *load,
    const struct key_record *record)
{
	struct load_key *key = record->load;

	if (key == NULL || key->load->epoch != load->cache->epoch ||
	    (load->fresh && key->load != load))
		return NULL;
	return key;
}

/* That, or a new one, in this load. */
static struct load_key *key_load(struct load *load,
    const struct evkv_request *request, size_t i)
{
	struct cache *cache = load->cache;
	struct load_key *key;
	struct key_record *record;

	record = evkv__record_get(cache, request->collection, request->keys[i]);
	if (record == NULL)
		return NULL;
	key = load_to_join(load, record);
	if (key != NULL) {
		evkv__record_put(cache, record);
		return key;
	}
	/* What was begun before it does not fill after it. */
	evkv__record_fence(record);
	record->load = evkv__load_key(load, record);
	cache->counters.loads++;
	return record->load;
}

struct waiter *evkv__load_add(struct load *load, struct get *get, size_t i,
    const struct evkv_request *request)
{
	struct waiter *waiter;
	struct load_key *key;

	waiter = evkv_op_alloc(evkv__get_op(get), sizeof(*waiter));
	if (waiter == NULL)
		return NULL;
	key = key_load(load, request, i);
	if (key == NULL)
		return NULL;
	waiter->key = key;
	waiter->get = get;
	waiter->i = i;
	TAILQ_INSERT_TAIL(&key->waiters, waiter, link);
	return waiter;
}

void evkv__load_refresh(struct load *load, const struct evkv_request *request,
    size_t i)
{
	struct key_record *record;
	size_t count = load->count;

	record = evkv__record_find(load->cache, request->collection,
	    request->keys[i]);
	if (record != NULL &&
	    (record->load != NULL || evkv__backoff_holds(load->cache, record) ||
		!evkv__record_may_fill(load->cache, record)))
		return;
	key_load(load, request, i);
	load->cache->counters.refreshes += load->count > count;
}

/* The latest of one key's waiters; INT64_MAX = one has none, 0 = none waits. */
static int64_t key_deadline_us(const struct load_key *key)
{
	const struct waiter *waiter;
	const struct evkv_op *op;
	int64_t last_us = 0, us;

	TAILQ_FOREACH(waiter, &key->waiters, link)
	{
		op = evkv__get_op(waiter->get);
		if (evkv_op_detached(op))
			continue;
		us = evkv_op_deadline_us(op);
		if (us == 0)
			return INT64_MAX;
		if (us > last_us)
			last_us = us;
	}
	return last_us;
}

/*
 * When nobody waits for the load any more: a primary that can't be reached says
 * so before that, where the waiters' own deadlines would say TIMEOUT alone.
 */
static int64_t load_deadline_us(void *arg)
{
	const struct load *load = arg;
	int64_t last_us = 0, us;
	size_t i;

	for (i = 0; i < load->count; i++) {
		us = key_deadline_us(&load->keys[i]);
		if (us > last_us)
			last_us = us;
	}
	return last_us != INT64_MAX ? last_us : 0;
}

void evkv__load_send(struct load *load)
{
	struct evkv_op *child;
	struct evkv_slice *keys = (void *)(load->keys + load->count);
	struct evkv_request request = {
		.kind = load->cache->ask_ttl ? EVKV_OP_TTL : EVKV_OP_GET,
		.flags = load->fresh ? EVKV_FLAG_FRESH : 0,
		.keys = keys,
	};

	if (load->count == 0) {
		evkv__load_put(load);
		return;
	}
	for (; request.count < load->count; request.count++)
		keys[request.count] = evkv__record_key(load->keys[request.count]
							   .record);
	request.collection = evkv__record_collection(load->keys[0].record);
	child = evkv__background_submit(load->cache, &load->load,
	    load->cache->primary, &request, loaded, load);
	if (child != NULL)
		evkv_child_set_deadline(child, load_deadline_us);
}
