/*
 * adapters/sync/calls.c - the short calls: each a request filled in.
 */
#include "adapters/sync/sync.h"

static struct evkv_request one(enum evkv_kind kind,
    struct evkv_slice collection, const struct evkv_slice *key)
{
	return (struct evkv_request){
		.kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = key,
	};
}

/* A call that answers a value. */
static enum evkv_status get(struct evkv_sync *sync,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct evkv_result *result;
	enum evkv_status status = evkv_sync_call(sync, request, &result);

	if (value != NULL)
		*value = NULL;
	if (value != NULL && status == EVKV_OK)
		*value = evkv_value_ref(evkv_result_entry(result, 0)->value);
	evkv_sync_result_free(result);
	return status;
}

enum evkv_status evkv_sync_get(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value **value)
{
	const struct evkv_request request = one(EVKV_OP_GET, collection, &key);

	return get(sync, &request, value);
}

enum evkv_status evkv_sync_take(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value **value)
{
	const struct evkv_request request = one(EVKV_OP_TAKE, collection, &key);

	return get(sync, &request, value);
}

static enum evkv_status put(struct evkv_sync *sync, struct evkv_request request,
    const struct evkv_slice *value, enum evkv_condition condition)
{
	request.values = value;
	request.condition = condition;
	return evkv_sync_call(sync, &request, NULL);
}

static struct evkv_request one_put(struct evkv_slice collection,
    const struct evkv_slice *key, int64_t ttl_ms)
{
	struct evkv_request request = one(EVKV_OP_PUT, collection, key);

	request.ttl_ms = ttl_ms;
	return request;
}

enum evkv_status evkv_sync_put(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms)
{
	return put(sync, one_put(collection, &key, ttl_ms), &value,
	    EVKV_IF_ANY);
}

enum evkv_status evkv_sync_add(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms)
{
	return put(sync, one_put(collection, &key, ttl_ms), &value,
	    EVKV_IF_ABSENT);
}

enum evkv_status evkv_sync_update(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms)
{
	return put(sync, one_put(collection, &key, ttl_ms), &value,
	    EVKV_IF_PRESENT);
}

enum evkv_status evkv_sync_delete(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key)
{
	const struct evkv_request request = one(EVKV_OP_DELETE, collection,
	    &key);

	return evkv_sync_call(sync, &request, NULL);
}

enum evkv_status evkv_sync_exists(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key)
{
	const struct evkv_request request = one(EVKV_OP_EXISTS, collection,
	    &key);

	return evkv_sync_call(sync, &request, NULL);
}

enum evkv_status evkv_sync_touch(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms)
{
	struct evkv_request request = one(EVKV_OP_TOUCH, collection, &key);

	request.ttl_ms = ttl_ms;
	return evkv_sync_call(sync, &request, NULL);
}

enum evkv_status evkv_sync_incr(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key, int64_t delta,
    int64_t *number)
{
	struct evkv_request request = one(EVKV_OP_INCR, collection, &key);
	struct evkv_result *result;
	enum evkv_status status;

	request.delta = delta;
	status = evkv_sync_call(sync, &request, &result);
	if (number != NULL && status == EVKV_OK)
		*number = evkv_result_entry(result, 0)->number;
	evkv_sync_result_free(result);
	return status;
}

enum evkv_status evkv_sync_clear(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice pattern)
{
	return evkv_sync_call(sync,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = collection,
		.match.pattern = pattern },
	    NULL);
}

static enum evkv_status bare(struct evkv_sync *sync, enum evkv_kind kind)
{
	return evkv_sync_call(sync, &(struct evkv_request){ .kind = kind },
	    NULL);
}

enum evkv_status evkv_sync_clear_all(struct evkv_sync *sync)
{
	return bare(sync, EVKV_OP_CLEAR_ALL);
}

enum evkv_status evkv_sync_sync(struct evkv_sync *sync)
{
	return bare(sync, EVKV_OP_SYNC);
}

enum evkv_status evkv_sync_compact(struct evkv_sync *sync)
{
	return bare(sync, EVKV_OP_COMPACT);
}

/* ---- Walks -------------------------------------------------------------- */

struct visitor {
	bool (*visit)(struct evkv_slice name, void *arg);
	void *arg;
};

/* false: the walk is to end. */
static bool page_visit(const struct evkv_result *page,
    const struct visitor *visitor)
{
	size_t i;

	for (i = 0; i < page->count; i++) {
		if (!visitor->visit(evkv_result_entry(page, i)->name,
			visitor->arg))
			return false;
	}
	return true;
}

static enum evkv_status walk(struct evkv_sync *sync,
    struct evkv_request request, struct visitor visitor)
{
	struct evkv_result *before = NULL, *page;
	enum evkv_status status;
	bool more;

	if (visitor.visit == NULL)
		return EVKV_INVALID;
	do {
		status = evkv_sync_call(sync, &request, &page);
		evkv_sync_result_free(before);
		before = page;
		more = status == EVKV_OK && page_visit(page, &visitor) &&
		    page->cursor.size > 0;
		if (more)
			request.match.cursor = page->cursor;
	} while (more);
	evkv_sync_result_free(before);
	return status;
}

enum evkv_status evkv_sync_keys(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice pattern,
    bool (*visit)(struct evkv_slice key, void *arg), void *arg)
{
	return walk(sync,
	    (struct evkv_request){ .kind = EVKV_OP_KEYS,
		.collection = collection,
		.match.pattern = pattern },
	    (struct visitor){ visit, arg });
}

enum evkv_status evkv_sync_collections(struct evkv_sync *sync,
    struct evkv_slice pattern, bool (*visit)(struct evkv_slice name, void *arg),
    void *arg)
{
	return walk(sync,
	    (struct evkv_request){
		.kind = EVKV_OP_COLLECTIONS, .match.pattern = pattern },
	    (struct visitor){ visit, arg });
}
