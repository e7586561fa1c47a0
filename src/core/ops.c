/*
 * core/ops.c - the short calls: each a request filled in.
 *
 * The calls for one key begin with a copy of an empty request: compilers copy
 * by a few wide moves, but clear so many bytes by an instruction that takes
 * longer than the rest of the call.
 */
#include "core/kind.h"
#include "evkv/ops.h"

static evkv_ticket one(struct evkv_store *store, enum evkv_kind kind,
    struct evkv_slice collection, const struct evkv_slice *key, evkv_cb cb,
    void *arg)
{
	struct evkv_request request = evkv__request_none;

	request.kind = kind;
	request.flags = EVKV_FLAG_SINGLE;
	request.collection = collection;
	request.count = 1;
	request.keys = key;
	return evkv_submit(store, &request, cb, arg);
}

/* The keys of a batch, for the calls that have six parameters of their own. */
struct batch {
	struct evkv_slice collection;
	const struct evkv_slice *keys;
	size_t count;
};

static evkv_ticket many(struct evkv_store *store, enum evkv_kind kind,
    struct batch batch, evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = kind,
		.collection = batch.collection,
		.count = batch.count,
		.keys = batch.keys,
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_get(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_GET, collection, &key, cb, arg);
}

evkv_ticket evkv_get_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return many(store, EVKV_OP_GET,
	    (struct batch){ collection, keys, count }, cb, arg);
}

evkv_ticket evkv_get_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg)
{
	struct evkv_request request = evkv__request_none;

	request.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_VERSIONS;
	request.collection = collection;
	request.count = 1;
	request.keys = &key;
	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_ttl(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_TTL, collection, &key, cb, arg);
}

evkv_ticket evkv_ttl_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return many(store, EVKV_OP_TTL,
	    (struct batch){ collection, keys, count }, cb, arg);
}

static struct evkv_request put_one(struct evkv_slice collection,
    const struct evkv_slice *key, const struct evkv_slice *value,
    int64_t ttl_ms, enum evkv_condition condition)
{
	struct evkv_request request = evkv__request_none;

	request.kind = EVKV_OP_PUT;
	request.flags = EVKV_FLAG_SINGLE;
	request.collection = collection;
	request.count = 1;
	request.keys = key;
	request.values = value;
	request.ttl_ms = ttl_ms;
	request.condition = condition;
	return request;
}

evkv_ticket evkv_put(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms, evkv_cb cb,
    void *arg)
{
	const struct evkv_request request = put_one(collection, &key, &value,
	    ttl_ms, EVKV_IF_ANY);

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_put_if_absent(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg)
{
	const struct evkv_request request = put_one(collection, &key, &value,
	    ttl_ms, EVKV_IF_ABSENT);

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_put_if_present(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg)
{
	const struct evkv_request request = put_one(collection, &key, &value,
	    ttl_ms, EVKV_IF_PRESENT);

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_put_if_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, const struct evkv_version *version, int64_t ttl_ms,
    evkv_cb cb, void *arg)
{
	struct evkv_request request = put_one(collection, &key, &value, ttl_ms,
	    EVKV_IF_VERSION);

	request.flags |= EVKV_FLAG_VERSIONS;
	request.versions = version;
	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_put_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys,
    const struct evkv_slice *values, size_t count, int64_t ttl_ms, evkv_cb cb,
    void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_PUT,
		.collection = collection,
		.count = count,
		.keys = keys,
		.values = values,
		.ttl_ms = ttl_ms,
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_delete(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_DELETE, collection, &key, cb, arg);
}

evkv_ticket evkv_delete_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return many(store, EVKV_OP_DELETE,
	    (struct batch){ collection, keys, count }, cb, arg);
}

evkv_ticket evkv_delete_if_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    const struct evkv_version *version, evkv_cb cb, void *arg)
{
	struct evkv_request request = evkv__request_none;

	request.kind = EVKV_OP_DELETE;
	request.flags = EVKV_FLAG_SINGLE;
	request.collection = collection;
	request.count = 1;
	request.keys = &key;
	request.condition = EVKV_IF_VERSION;
	request.versions = version;
	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_take(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_TAKE, collection, &key, cb, arg);
}

evkv_ticket evkv_take_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return many(store, EVKV_OP_TAKE,
	    (struct batch){ collection, keys, count }, cb, arg);
}

evkv_ticket evkv_incr(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, int64_t delta, evkv_cb cb, void *arg)
{
	struct evkv_request request = evkv__request_none;

	request.kind = EVKV_OP_INCR;
	request.flags = EVKV_FLAG_SINGLE;
	request.collection = collection;
	request.count = 1;
	request.keys = &key;
	request.delta = delta;
	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_incr_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    int64_t delta, evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_INCR,
		.collection = collection,
		.count = count,
		.keys = keys,
		.delta = delta,
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_exists(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, evkv_cb cb, void *arg)
{
	return one(store, EVKV_OP_EXISTS, collection, &key, cb, arg);
}

evkv_ticket evkv_exists_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg)
{
	return many(store, EVKV_OP_EXISTS,
	    (struct batch){ collection, keys, count }, cb, arg);
}

evkv_ticket evkv_touch(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice key, int64_t ttl_ms, evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_TOUCH,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
		.ttl_ms = ttl_ms,
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_touch_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    int64_t ttl_ms, evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_TOUCH,
		.collection = collection,
		.count = count,
		.keys = keys,
		.ttl_ms = ttl_ms,
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_keys(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice pattern, struct evkv_slice cursor, size_t limit,
    evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_KEYS,
		.collection = collection,
		.match = { .pattern = pattern,
		    .cursor = cursor,
		    .limit = limit },
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_collections(struct evkv_store *store,
    struct evkv_slice pattern, struct evkv_slice cursor, size_t limit,
    evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_COLLECTIONS,
		.match = { .pattern = pattern,
		    .cursor = cursor,
		    .limit = limit },
	};

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_clear(struct evkv_store *store, struct evkv_slice collection,
    struct evkv_slice pattern, evkv_cb cb, void *arg)
{
	const struct evkv_request request = {
		.kind = EVKV_OP_CLEAR,
		.collection = collection,
		.match.pattern = pattern,
	};

	return evkv_submit(store, &request, cb, arg);
}

static evkv_ticket bare(struct evkv_store *store, enum evkv_kind kind,
    evkv_cb cb, void *arg)
{
	const struct evkv_request request = { .kind = kind };

	return evkv_submit(store, &request, cb, arg);
}

evkv_ticket evkv_clear_all(struct evkv_store *store, evkv_cb cb, void *arg)
{
	return bare(store, EVKV_OP_CLEAR_ALL, cb, arg);
}

evkv_ticket evkv_purge_expired(struct evkv_store *store, evkv_cb cb, void *arg)
{
	return bare(store, EVKV_OP_PURGE_EXPIRED, cb, arg);
}

evkv_ticket evkv_ping(struct evkv_store *store, evkv_cb cb, void *arg)
{
	return bare(store, EVKV_OP_PING, cb, arg);
}

evkv_ticket evkv_sync(struct evkv_store *store, evkv_cb cb, void *arg)
{
	return bare(store, EVKV_OP_SYNC, cb, arg);
}

evkv_ticket evkv_compact(struct evkv_store *store, evkv_cb cb, void *arg)
{
	return bare(store, EVKV_OP_COMPACT, cb, arg);
}
