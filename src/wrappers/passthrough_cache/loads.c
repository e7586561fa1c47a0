/*
 * wrappers/passthrough_cache/loads.c - from the primary to the waiters, and
 * into the cache.
 *
 * A load belongs to no get: its waiters may be gone when it arrives.
 */
#include "wrappers/passthrough_cache/cache.h"

/* ---- Filling ------------------------------------------------------------ */

static void load_put(struct load *load)
{
	struct cache *cache = load->cache;
	size_t i;

	if (--load->refs > 0)
		return;
	for (i = 0; i < load->count; i++)
		evkv__record_put(cache, load->keys[i].record);
	evkv_free(load);
}

static bool is_unknown(const struct evkv_result *result)
{
	size_t i;

	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status ==
		    EVKV_UNKNOWN_OUTCOME)
			return true;
	}
	return result->status == EVKV_UNKNOWN_OUTCOME;
}

static void filled(struct evkv_op *child, void *arg)
{
	struct load *load = arg;
	bool unknown = is_unknown(evkv_op_result(child));
	size_t i;

	evkv__background_end(&load->fill);
	if (load->filling)
		LIST_REMOVE(load, link);
	for (i = 0; i < load->count; i++) {
		if (unknown)
			evkv__repair_bypass(load->cache, load->keys[i].record,
			    true);
		else
			evkv__repair_landed(load->cache, load->keys[i].record);
	}
	load_put(load);
}

/*
 * How long the entry may be in the cache: rounded down, less the time since the
 * load was sent and that which the fill may take, so that it never outlives the
 * primary's. What the primary tells may be more than what is left by up to its
 * unit: the last one is told to the end. false: not at all.
 */
static bool fill_ttl(const struct load *load, int64_t left_ms, int64_t *ttl_ms)
{
	const struct cache *cache = load->cache;
	int64_t age_us = evkv_loop_now_us(cache->loop) - load->sent_us;

	*ttl_ms = EVKV_TTL_NONE;
	if (left_ms != EVKV_TTL_NONE && cache->ask_ttl)
		left_ms -= (age_us + 999) / 1000 + cache->primary_unit_ms +
		    cache->cache_timeout_ms + cache->cache_excess_ms;
	else if (cache->max_ttl_ms != 0)
		left_ms = cache->max_ttl_ms;
	else
		return true; /* neither expires */
	if (cache->max_ttl_ms != 0 && left_ms > cache->max_ttl_ms)
		left_ms = cache->max_ttl_ms;
	if (cache->jitter_ms > 0)
		left_ms -= (int64_t)(evkv_loop_random(cache->loop) %
		    ((uint64_t)cache->jitter_ms + 1));
	*ttl_ms = left_ms - left_ms % cache->cache_unit_ms;
	return *ttl_ms > 0;
}

struct fill {
	struct evkv_slice *keys;
	struct evkv_value **values;
	int64_t *ttls_ms;
	size_t count;
};

static void fill_collect(struct fill *fill, const struct load *load,
    const struct evkv_result *result)
{
	const struct evkv_entry *entry;
	const struct load_key *key;
	size_t i;

	for (i = 0; i < load->count && i < result->count; i++) {
		entry = evkv_result_entry(result, i);
		key = &load->keys[i];
		if (entry->status != EVKV_OK || !key->fill ||
		    !evkv__record_may_fill(load->cache, key->record) ||
		    key->record->key_size > load->cache->max_key ||
		    entry->bytes.size > load->cache->max_value ||
		    !fill_ttl(load, entry->ttl_ms, &fill->ttls_ms[fill->count]))
			continue;
		fill->keys[fill->count] = evkv__record_key(key->record);
		fill->values[fill->count] = entry->value;
		fill->count++;
	}
}

static void fill_send(const struct fill *fill, struct load *load)
{
	struct cache *cache = load->cache;
	const struct evkv_request request = {
		.kind = EVKV_OP_PUT,
		.collection = evkv__record_collection(load->keys[0].record),
		.count = fill->count,
		.keys = fill->keys,
		.counted_values = fill->values,
		.ttls_ms = fill->ttls_ms,
		.timeout_ms = cache->cache_timeout_ms,
	};

	load->refs++;
	if (evkv__background_submit(cache, &load->fill, cache->cache, &request,
		filled, load) == NULL)
		return;
	load->filling = true;
	LIST_INSERT_HEAD(&cache->fills, load, link);
}

/* Without memory the cache just stays as it is. */
static void fill_cache(struct load *load, struct evkv_op *child)
{
	size_t each = sizeof(struct evkv_slice) + sizeof(struct evkv_value *) +
	    sizeof(int64_t);
	struct fill fill = { 0 };

	if (child == NULL || load->cache->closing)
		return;
	/* Not the turn's time: its callbacks may have taken long until now. */
	evkv_loop_refresh(load->cache->loop);
	evkv__repair_clocks(load->cache);
	if (load->epoch != load->cache->epoch)
		return;
	fill.keys = evkv_op_alloc(child, load->count * each);
	if (fill.keys == NULL)
		return;
	fill.values = (void *)(fill.keys + load->count);
	fill.ttls_ms = (void *)(fill.values + load->count);
	fill_collect(&fill, load, evkv_op_result(child));
	if (fill.count > 0)
		fill_send(&fill, load);
}

/* ---- Answering ---------------------------------------------------------- */

static void answer(const struct waiter *waiter,
    const struct evkv_result *result, size_t i)
{
	struct evkv_op *op = evkv__get_op(waiter->get);
	const struct evkv_entry *entry = i < result->count
	    ? evkv_result_entry(result, i)
	    : NULL;
	enum evkv_status status = entry != NULL ? entry->status
						: result->status;

	if (entry != NULL && entry->value != NULL) {
		evkv_op_give_value(op, waiter->i, evkv_value_ref(entry->value));
		return;
	}
	evkv_op_entry(op, waiter->i)->status = status;
	if (evkv_failed(status))
		evkv_op_explain(op, result->cause, result->sys_error,
		    result->message);
}

static void key_answer(struct load_key *key, const struct evkv_result *result,
    size_t i)
{
	struct waiter *waiter;

	while ((waiter = STAILQ_FIRST(&key->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&key->waiters, link); /* it may go */
		answer(waiter, result, i);
		evkv__get_answered(waiter->get);
	}
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
	for (i = 0; i < load->count; i++) {
		if (load->keys[i].record->load == &load->keys[i])
			load->keys[i].record->load = NULL;
	}
	fill_cache(load, child);
	for (i = 0; i < load->count; i++)
		key_answer(&load->keys[i], result, i);
	load_put(load);
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
	load->refs = 1;
	load->filling = false;
	load->count = 0;
	return load;
}

/* The key's load that a get of now may join, or a new one, in this load. */
static struct load_key *key_load(struct load *load,
    const struct evkv_request *request, size_t i)
{
	struct cache *cache = load->cache;
	struct load_key *key;
	struct key_record *record;

	record = evkv__record_get(cache, request->collection, request->keys[i]);
	if (record == NULL)
		return NULL;
	if (record->load != NULL && record->load->load->epoch == cache->epoch) {
		key = record->load;
		evkv__record_put(cache, record);
		return key;
	}
	key = &load->keys[load->count++];
	*key = (struct load_key){
		.load = load,
		.record = record,
		.fill = evkv__record_may_fill(cache, record),
	};
	STAILQ_INIT(&key->waiters);
	record->load = key;
	return key;
}

bool evkv__load_add(struct load *load, struct get *get, size_t i,
    const struct evkv_request *request)
{
	struct waiter *waiter;
	struct load_key *key;

	waiter = evkv_op_alloc(evkv__get_op(get), sizeof(*waiter));
	if (waiter == NULL)
		return false;
	key = key_load(load, request, i);
	if (key == NULL)
		return false;
	waiter->get = get;
	waiter->i = i;
	STAILQ_INSERT_TAIL(&key->waiters, waiter, link);
	return true;
}

/* The latest of one key's waiters; INT64_MAX = one has none, 0 = none waits. */
static int64_t key_deadline_us(const struct load_key *key)
{
	const struct waiter *waiter;
	const struct evkv_op *op;
	int64_t last_us = 0, us;

	STAILQ_FOREACH(waiter, &key->waiters, link)
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
		.keys = keys,
	};

	if (load->count == 0) {
		load_put(load);
		return;
	}
	for (; request.count < load->count; request.count++)
		keys[request.count] = evkv__record_key(load->keys[request.count]
							   .record);
	request.collection = evkv__record_collection(load->keys[0].record);
	load->sent_us = evkv_loop_now_us(load->cache->loop);
	child = evkv__background_submit(load->cache, &load->load,
	    load->cache->primary, &request, loaded, load);
	if (child != NULL)
		evkv_child_set_deadline(child, load_deadline_us);
}
