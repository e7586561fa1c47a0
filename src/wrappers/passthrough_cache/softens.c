/*
 * wrappers/passthrough_cache/softens.c - an invalidation that leaves the entry
 * for where its load fails.
 *
 * The entry is read, and written back with a head that says so. What can't be
 * kept so is removed. Loads that are under way do not fill, and none fills
 * meanwhile: the keys are fenced, as by a write.
 */
#include "wrappers/passthrough_cache/head.h"

struct soften {
	struct write *write;
	uint32_t *numbers; /* of it among the writes of each key */
	struct evkv_slice *keys, *gone;
	struct evkv_value **values;
	int64_t *ttls_ms;
	size_t *which, *which_gone; /* their keys in the request */
	size_t count, gone_count;
};

/* ---- The end ------------------------------------------------------------ */

static void soften_ended(struct soften *soften)
{
	if (--soften->write->waiting == 0)
		evkv__write_below(soften->write);
}

static void check_done(struct soften *soften, const struct evkv_result *result,
    const size_t *which, size_t count)
{
	struct write *write = soften->write;
	enum evkv_status status;
	size_t i;

	for (i = 0; i < count; i++) {
		status = i < result->count
		    ? evkv_result_entry(result, i)->status
		    : result->status;
		if (evkv_failed(status))
			evkv__repair_bypass(write->cache,
			    write->records[which[i]],
			    status == EVKV_UNKNOWN_OUTCOME);
	}
}

static void put_back(struct evkv_op *child, void *arg)
{
	struct soften *soften = arg;

	check_done(soften, evkv_op_result(child), soften->which, soften->count);
	soften_ended(soften);
}

static void removed(struct evkv_op *child, void *arg)
{
	struct soften *soften = arg;

	check_done(soften, evkv_op_result(child), soften->which_gone,
	    soften->gone_count);
	soften_ended(soften);
}

/* ---- What is left ------------------------------------------------------- */

/* The head that it gets; false: there is nothing to be kept. */
static bool soften_head(const struct cache *cache, struct evkv_slice bytes,
    struct head *head, int64_t *ttl_ms)
{
	int64_t now_us = evkv__head_now_us(cache), age_ms, end_ms;

	if (!evkv__head_read(bytes, head) || head->absent ||
	    evkv__head_life(cache, head, now_us) == LIFE_OVER)
		return false;
	age_ms = head_age_ms(head, now_us);
	end_ms = head->fresh_ms + head->stale_ms;
	if (age_ms < head->fresh_ms)
		head->fresh_ms = age_ms;
	head->stale_ms = end_ms - head->fresh_ms;
	if (head->stale_ms > cache->options.stale_if_error_ms)
		head->stale_ms = cache->options.stale_if_error_ms;
	head->expired = true;
	*ttl_ms = head->fresh_ms + head->stale_ms - age_ms - 1;
	*ttl_ms -= *ttl_ms % cache->cache_unit_ms;
	return *ttl_ms > 0;
}

static struct evkv_value *soften_value(const struct head *head,
    struct evkv_slice bytes)
{
	void *data;
	struct evkv_value *value = evkv_value_new_uninit(bytes.size, &data);

	if (value == NULL)
		return NULL;
	memcpy(data, bytes.data, bytes.size);
	evkv__head_write(head, data);
	return value;
}

/* What another write has overtaken is not brought back. */
static bool keep_one(struct soften *soften, const struct evkv_entry *entry,
    size_t i)
{
	struct write *write = soften->write;
	struct evkv_value *value;
	struct head head;
	int64_t ttl_ms;

	if (write->records[i]->writes != soften->numbers[i] ||
	    !soften_head(write->cache, entry->bytes, &head, &ttl_ms))
		return false;
	value = soften_value(&head, entry->bytes);
	if (value == NULL)
		return false;
	soften->keys[soften->count] = evkv__record_key(write->records[i]);
	soften->values[soften->count] = value;
	soften->ttls_ms[soften->count] = ttl_ms;
	soften->which[soften->count++] = i;
	return true;
}

/* Entry i is gone already, is kept, or is to be removed. */
static void sort_out(struct soften *soften, const struct evkv_entry *entry,
    size_t i)
{
	struct write *write = soften->write;

	if (entry != NULL && entry->status == EVKV_NOT_FOUND) {
		evkv_op_entry(write->op, i)->status = EVKV_NOT_FOUND;
		return;
	}
	if (entry != NULL && entry->status == EVKV_OK &&
	    keep_one(soften, entry, i))
		return;
	soften->gone[soften->gone_count] = evkv__record_key(write->records[i]);
	soften->which_gone[soften->gone_count++] = i;
}

/* The look-up may have been answered at once, and this not. */
static void ask(struct soften *soften, const struct evkv_request *request,
    evkv_child_cb cb)
{
	struct write *write = soften->write;
	struct evkv_op *child;

	write->waiting++;
	child = evkv_child_submit(write->op, write->cache->cache, request,
	    EVKV_CHILD_AUXILIARY, cb, soften);
	if (child != NULL && !evkv_op_keep(write->op))
		evkv_child_detach(child, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
}

static void send(struct soften *soften)
{
	struct write *write = soften->write;
	struct cache *cache = write->cache;
	struct evkv_request request = {
		.kind = EVKV_OP_PUT,
		.collection = evkv__record_collection(write->records[0]),
		.count = soften->count,
		.keys = soften->keys,
		.counted_values = soften->values,
		.ttls_ms = soften->ttls_ms,
		.timeout_ms = cache->cache_timeout_ms,
	};
	size_t kept = soften->count, i;

	write->waiting = 1;
	if (kept > 0)
		ask(soften, &request, put_back);
	for (i = 0; i < kept; i++)
		evkv_value_unref(soften->values[i]);
	if (soften->gone_count > 0) {
		request = (struct evkv_request){
			.kind = EVKV_OP_DELETE,
			.collection = request.collection,
			.count = soften->gone_count,
			.keys = soften->gone,
			.timeout_ms = cache->cache_timeout_ms,
		};
		ask(soften, &request, removed);
	}
	soften_ended(soften);
}

static void looked_up(struct evkv_op *child, void *arg)
{
	struct soften *soften = arg;
	struct write *write = soften->write;
	const struct evkv_result *result = evkv_op_result(child);
	size_t i, j = 0;

	for (i = 0; i < write->count; i++) {
		if (write->records[i]->key_size > write->cache->max_key)
			evkv_op_entry(write->op, i)->status = EVKV_NOT_FOUND;
		else
			sort_out(soften,
			    j < result->count ? evkv_result_entry(result, j)
					      : NULL,
			    i);
		j += write->records[i]->key_size <= write->cache->max_key;
	}
	send(soften);
}

/* ---- The look-up -------------------------------------------------------- */

static struct soften *soften_new(struct write *write)
{
	size_t count = write->count, i;
	size_t each = sizeof(uint32_t) + 2 * sizeof(struct evkv_slice) +
	    sizeof(struct evkv_value *) + sizeof(int64_t) + 2 * sizeof(size_t);
	struct soften *soften = evkv_op_alloc(write->op,
	    sizeof(*soften) + count * each);

	if (soften == NULL)
		return NULL;
	*soften = (struct soften){ .write = write };
	soften->keys = (void *)(soften + 1);
	soften->gone = soften->keys + count;
	soften->values = (void *)(soften->gone + count);
	soften->ttls_ms = (void *)(soften->values + count);
	soften->which = (void *)(soften->ttls_ms + count);
	soften->which_gone = soften->which + count;
	soften->numbers = (void *)(soften->which_gone + count);
	for (i = 0; i < count; i++)
		soften->numbers[i] = write->records[i]->writes;
	return soften;
}

bool evkv__soften(struct write *write, const struct evkv_request *request)
{
	struct cache *cache = write->cache;
	struct soften *soften = soften_new(write);
	struct evkv_request lookup = {
		.kind = EVKV_OP_GET,
		.collection = request->collection,
		.timeout_ms = cache->cache_timeout_ms,
	};
	struct evkv_op *child;
	size_t i;

	if (soften == NULL)
		return false;
	lookup.keys = soften->keys;
	for (i = 0; i < write->count; i++) {
		if (request->keys[i].size <= cache->max_key)
			soften->keys[lookup.count++] = request->keys[i];
	}
	child = evkv_child_submit(write->op, cache->cache, &lookup,
	    EVKV_CHILD_AUXILIARY, looked_up, soften);
	if (child != NULL)
		evkv__cache_wait(cache, write->op, child);
	return true;
}
