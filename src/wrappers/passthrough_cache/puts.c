/*
 * wrappers/passthrough_cache/puts.c - a put that went well fills the cache.
 *
 * Only where no other write of the key was under way at any time meanwhile:
 * else it is not known which of them is the last. The entry counts from when
 * the put began, like one that was loaded then, so it expires sooner than the
 * primary's.
 */
#include "wrappers/passthrough_cache/head.h"

struct put {
	struct load *load;
	uint32_t
	    *numbers;  /* of the put among the writes of each key; 0 = not */
	size_t *which; /* the keys of the load, in the request */
};

/* Without memory the cache is just not filled. */
bool evkv__put_begin(struct write *write, const struct evkv_request *request)
{
	struct put *put = evkv_op_alloc(write->op, sizeof(*put));
	const struct key_record *record;
	size_t i;

	if (put == NULL || !evkv_op_keep(write->op))
		return false;
	put->numbers = evkv_op_alloc(write->op,
	    request->count * sizeof(*put->numbers));
	put->which = evkv_op_alloc(write->op,
	    request->count * sizeof(*put->which));
	if (put->numbers == NULL || put->which == NULL)
		return true;
	put->load = evkv__load_new(write->cache, request->count);
	if (put->load == NULL)
		return true;
	for (i = 0; i < request->count; i++) {
		record = write->records[i];
		put->numbers[i] = record->writers == 1 ? record->writes : 0;
	}
	write->put = put;
	return true;
}

void evkv__put_judge(struct write *write, const struct evkv_result *result)
{
	struct put *put = write->put;
	struct key_record *record;
	size_t i;

	if (put == NULL || put->load->epoch != write->cache->epoch)
		return;
	for (i = 0; i < write->count && i < result->count; i++) {
		record = write->records[i];
		if (evkv_result_entry(result, i)->status != EVKV_OK ||
		    record->writes != put->numbers[i])
			continue;
		record->refs++;
		put->which[put->load->count] = i;
		evkv__load_key(put->load, record);
	}
}

static struct evkv_slice value_of(const struct evkv_request *request, size_t i)
{
	return request->counted_values != NULL
	    ? evkv_value_bytes(request->counted_values[i])
	    : request->values[i];
}

static void fill_cache(struct put *put, struct write *write)
{
	const struct evkv_request *request = evkv_op_request(write->op);
	struct load *load = put->load;
	struct fill fill;
	size_t i, j;

	if (request == NULL || !evkv__fill_begin(&fill, load, write->op))
		return;
	evkv_loop_refresh(write->cache->loop);
	for (j = 0; j < load->count; j++) {
		i = put->which[j];
		load->keys[j].fill = true;
		evkv__fill_add(&fill, j, value_of(request, i),
		    request->counted_values != NULL ? request->counted_values[i]
						    : NULL,
		    request->ttls_ms != NULL ? request->ttls_ms[i]
					     : request->ttl_ms);
	}
	evkv__fill_send(&fill);
}

void evkv__put_end(struct write *write)
{
	struct put *put = write->put;

	if (put == NULL)
		return;
	if (put->load->count > 0 && !write->cache->closing)
		fill_cache(put, write);
	evkv__load_put(put->load);
}
