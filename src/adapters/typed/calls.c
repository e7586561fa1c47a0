/*
 * adapters/typed/calls.c - the short calls: each a request filled in.
 */
#include "evkv/adapters/typed.h"

static evkv_ticket one(struct evkv_typed *typed, enum evkv_kind kind,
    struct evkv_slice collection, const struct evkv_slice *key,
    evkv_typed_cb cb, void *arg)
{
	return evkv_typed_submit(typed,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = key },
	    NULL, cb, arg);
}

evkv_ticket evkv_typed_put(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, const void *object,
    int64_t ttl_ms, evkv_typed_cb cb, void *arg)
{
	return evkv_typed_submit(typed,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
		.ttl_ms = ttl_ms },
	    &object, cb, arg);
}

evkv_ticket evkv_typed_put_many(struct evkv_typed *typed,
    struct evkv_slice collection, const struct evkv_slice *keys,
    const void *const *objects, size_t count, int64_t ttl_ms, evkv_typed_cb cb,
    void *arg)
{
	return evkv_typed_submit(typed,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = collection,
		.count = count,
		.keys = keys,
		.ttl_ms = ttl_ms },
	    objects, cb, arg);
}

evkv_ticket evkv_typed_get(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg)
{
	return one(typed, EVKV_OP_GET, collection, &key, cb, arg);
}

evkv_ticket evkv_typed_get_many(struct evkv_typed *typed,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_typed_cb cb, void *arg)
{
	return evkv_typed_submit(typed,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = collection,
		.count = count,
		.keys = keys },
	    NULL, cb, arg);
}

evkv_ticket evkv_typed_ttl(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg)
{
	return one(typed, EVKV_OP_TTL, collection, &key, cb, arg);
}

evkv_ticket evkv_typed_delete(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg)
{
	return one(typed, EVKV_OP_DELETE, collection, &key, cb, arg);
}

evkv_ticket evkv_typed_take(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg)
{
	return one(typed, EVKV_OP_TAKE, collection, &key, cb, arg);
}
