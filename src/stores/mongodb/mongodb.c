/*
 * stores/mongodb/mongodb.c - a store on MongoDB: its slots.
 *
 * Happy path: an operation on keys becomes a part for each lane that it has
 * keys of (call.c); a worker sends all that waits for its lane as few requests
 * (run.c), and the parts come back with what became of each key. What spans
 * keys has a lane of its own (span.c).
 *
 * Failures: libmongoc finds servers, connects, logs in, and repeats what may be
 * repeated; what it reports is told in its own words, with what that says of
 * the effect (errors.c). A waiter that goes away leaves its part to run out
 * unseen; a part that no worker has taken yet comes back unrun. A store that is
 * closed leaves workers behind that wait for a silent server (life.c).
 */
#include <string.h>

#include "stores/mongodb/store.h"

static enum evkv_verdict mongodb_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	switch (request->kind) {
	case EVKV_OP_SYNC: /* what was acknowledged is as safe as was asked */
	case EVKV_OP_COMPACT: return EVKV_VERDICT_DONE;
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
	case EVKV_OP_PING: return evkv__mongodb_span_submit(self, op, request);
	default: return evkv__mongodb_call_submit(self, op, request);
	}
}

static void mongodb_stop(void *self, struct evkv_op *op)
{
	(void)self;
	evkv__mongodb_call_stop(evkv_op_data(op));
}

static const struct evkv_vtable mongodb_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = MONGODB_NAME,
	.flags = EVKV_VTABLE_KEEPS,
	.submit = mongodb_submit,
	.stop = mongodb_stop,
	.close = evkv__mongodb_close,
	.free = evkv__mongodb_free,
};

/* A document may have 16 MiB, with its _id and the rest. */
#define VALUE_MAX (((size_t)16 << 20) - ((size_t)256 << 10))

static const struct evkv_capabilities mongodb_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
	    EVKV_STORE_EXACT_AFFECTED,
	.max_key = EVKV_KEY_MAX,
	.max_value = VALUE_MAX,
	.ttl_unit_ms = 1,
};

struct evkv_store *evkv_mongodb_new_sized(struct evkv_loop *loop,
    const struct evkv_mongodb_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = {
		.capabilities = &mongodb_capabilities
	};
	struct evkv_mongodb_options options;
	struct mongodb_store *store;
	struct evkv_store *made;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "mongodb: loop is NULL");
		return NULL;
	}
	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	store = evkv_calloc(1, sizeof(*store));
	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "mongodb: out of memory");
		return NULL;
	}
	store->loop = loop;
	store->timeout_ms = options.timeout_ms;
	if (!evkv__mongodb_options_init(&store->options, &options, error) ||
	    !evkv__mongodb_init(store, options.executor, error)) {
		evkv__mongodb_free(store);
		return NULL;
	}
	config.max_pending = options.max_pending;
	config.max_pending_bytes = options.max_pending_bytes;
	config.timeout_ms = options.timeout_ms;
	/* Where it fails, the store is freed. */
	made = evkv_store_create(loop, &mongodb_vtable, store, &config, error);
	if (made != NULL)
		store->store = made;
	return made;
}
