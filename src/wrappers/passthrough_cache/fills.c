/*
 * wrappers/passthrough_cache/fills.c - into the cache: what was loaded, or what
 * was put.
 *
 * What the primary no longer has, or what does not fit, is taken out of the
 * cache, where there may be a stale entry of it.
 */
#include "wrappers/passthrough_cache/head.h"

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
	evkv__load_put(load);
}

/* What could not be taken out must not be served. */
static void removed(struct evkv_op *child, void *arg)
{
	struct load *load = arg;
	const struct evkv_result *result = evkv_op_result(child);
	size_t i;

	evkv__background_end(&load->removal);
	for (i = 0; evkv_failed(result->status) && i < load->count; i++)
		evkv__repair_bypass(load->cache, load->keys[i].record,
		    is_unknown(result));
	evkv__load_put(load);
}

/* ---- How long ----------------------------------------------------------- */

struct span {
	struct head head;
	int64_t ttl_ms; /* in the cache */
};

/*
 * The life of an entry, from when its load began, so that it never outlives the
 * primary's: less the time that the fill may take. What the primary tells may
 * be more than what is left by up to its unit: the last one is told to the end.
 */
static void span_lengths(const struct cache *cache, int64_t left_ms,
    struct head *head)
{
	int64_t most_ms = INT64_MAX;

	if (left_ms != EVKV_TTL_NONE)
		most_ms = left_ms - cache->primary_unit_ms -
		    cache->cache_timeout_ms - cache->excess_ms;
	head->fresh_ms = most_ms;
	if (cache->max_ttl_ms != 0 && cache->max_ttl_ms < most_ms)
		head->fresh_ms = cache->max_ttl_ms;
	head->stale_ms = cache->stale_ms;
	if (!cache->options.outlive_primary &&
	    head->stale_ms > most_ms - head->fresh_ms)
		head->stale_ms = most_ms - head->fresh_ms;
	if (cache->options.jitter_ms > 0)
		head->fresh_ms -= (int64_t)(evkv_loop_random(cache->loop) %
		    ((uint64_t)cache->options.jitter_ms + 1));
}

/* false: nothing is left, less the time since the load began. */
static bool span_ttl(const struct load *load, struct span *span)
{
	const struct cache *cache = load->cache;
	int64_t age_us = evkv_loop_now_us(cache->loop) - load->sent_us;

	span->head.loaded_us = load->stamp_us;
	span->ttl_ms = EVKV_TTL_NONE;
	if (span->head.fresh_ms == INT64_MAX)
		return true; /* neither expires */
	span->ttl_ms = span->head.fresh_ms + span->head.stale_ms -
	    (age_us + 999) / 1000;
	if (span->ttl_ms > EVKV_TTL_MAX)
		span->ttl_ms = EVKV_TTL_MAX;
	span->ttl_ms -= span->ttl_ms % cache->cache_unit_ms;
	return span->ttl_ms > 0;
}

/* ---- Collecting --------------------------------------------------------- */

bool evkv__fill_begin(struct fill *fill, struct load *load, struct evkv_op *op)
{
	size_t each = 2 * sizeof(struct evkv_slice) +
	    sizeof(struct evkv_value *) + sizeof(int64_t);

	fill->load = load;
	fill->count = fill->gone_count = 0;
	fill->keys = evkv_op_alloc(op, load->count * each);
	if (fill->keys == NULL)
		return false;
	fill->gone = fill->keys + load->count;
	fill->values = (void *)(fill->gone + load->count);
	fill->ttls_ms = (void *)(fill->values + load->count);
	return true;
}

/* Only with heads can there be something in the cache still. */
static void fill_gone(struct fill *fill, size_t i)
{
	struct load *load = fill->load;

	if (load->cache->heads &&
	    load->keys[i].record->key_size <= load->cache->max_key)
		fill->gone[fill->gone_count++] = evkv__record_key(load->keys[i]
								      .record);
}

static bool may_fill(struct fill *fill, size_t i)
{
	const struct load_key *key = &fill->load->keys[i];
	struct cache *cache = fill->load->cache;

	if (key->fill && evkv__record_may_fill(cache, key->record))
		return true;
	cache->counters.fills_fenced++;
	return false;
}

/* As it is in the cache: the caller's reference. */
static struct evkv_value *make_value(const struct cache *cache,
    const struct head *head, struct evkv_slice bytes, struct evkv_value *value)
{
	struct evkv_value *made;
	void *data;

	if (!cache->heads)
		return value != NULL ? evkv_value_ref(value)
				     : evkv_value_new(bytes);
	made = evkv_value_new_uninit(HEAD_SIZE + bytes.size, &data);
	if (made == NULL)
		return NULL;
	evkv__head_write(head, data);
	if (bytes.size > 0)
		memcpy((char *)data + HEAD_SIZE, bytes.data, bytes.size);
	return made;
}

static void fill_entry(struct fill *fill, size_t i, const struct span *span,
    struct evkv_slice bytes, struct evkv_value *value)
{
	struct cache *cache = fill->load->cache;

	value = make_value(cache, &span->head, bytes, value);
	if (value == NULL) {
		fill_gone(fill, i);
		return;
	}
	fill->keys[fill->count] = evkv__record_key(fill->load->keys[i].record);
	fill->values[fill->count] = value;
	fill->ttls_ms[fill->count++] = span->ttl_ms;
	cache->counters.fills++;
}

void evkv__fill_add(struct fill *fill, size_t i, struct evkv_slice bytes,
    struct evkv_value *value, int64_t left_ms)
{
	struct cache *cache = fill->load->cache;
	size_t head_size = cache->heads ? HEAD_SIZE : 0;
	struct span span = { .head = { .absent = false } };

	if (!may_fill(fill, i))
		return;
	if (fill->load->keys[i].record->key_size > cache->max_key ||
	    bytes.size + head_size > cache->max_value) {
		cache->counters.fills_too_large++;
		fill_gone(fill, i);
		return;
	}
	span_lengths(cache, left_ms, &span.head);
	if (span_ttl(fill->load, &span)) {
		fill_entry(fill, i, &span, bytes, value);
		return;
	}
	cache->counters.fills_short++;
	fill_gone(fill, i);
}

void evkv__fill_absent(struct fill *fill, size_t i)
{
	struct cache *cache = fill->load->cache;
	struct span span = {
		.head = { .absent = true,
		    .fresh_ms = cache->options.negative_ttl_ms },
	};

	if (!cache->heads || !may_fill(fill, i))
		return;
	if (span.head.fresh_ms == 0 ||
	    fill->load->keys[i].record->key_size > cache->max_key ||
	    !span_ttl(fill->load, &span))
		fill_gone(fill, i);
	else
		fill_entry(fill, i, &span, evkv_bytes(NULL, 0), NULL);
}

/* ---- Sending ------------------------------------------------------------ */

static void send_values(const struct fill *fill)
{
	struct load *load = fill->load;
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

static void send_gone(const struct fill *fill)
{
	struct load *load = fill->load;
	const struct evkv_request request = {
		.kind = EVKV_OP_DELETE,
		.collection = evkv__record_collection(load->keys[0].record),
		.count = fill->gone_count,
		.keys = fill->gone,
		.timeout_ms = load->cache->cache_timeout_ms,
	};

	load->refs++;
	evkv__background_submit(load->cache, &load->removal, load->cache->cache,
	    &request, removed, load);
}

void evkv__fill_send(struct fill *fill)
{
	size_t i;

	if (fill->count > 0)
		send_values(fill);
	if (fill->gone_count > 0)
		send_gone(fill);
	for (i = 0; i < fill->count; i++)
		evkv_value_unref(fill->values[i]);
}
