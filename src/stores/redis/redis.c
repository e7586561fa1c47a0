/*
 * A store on a Redis or Valkey server.
 *
 * Happy path: an operation on keys becomes commands that are written straight
 * into the output of a connection (commands.c), which goes out at the end of
 * the loop's turn; the replies are read by hiredis' reader (reply.c) into the
 * operation's entries. Keys are spread over the connections by a hash, so that
 * operations on one key keep their order (evkv/spread.h). What spans keys is done by
 * SCAN (scan.c).
 *
 * Failures: the pipeline deals with everything that can happen to a
 * connection, and says for each slot whether it was sent. What the server
 * refuses is reported in its own words (errors.c). Damage on the wire ends the
 * connection (connection.c).
 */
#include "store.h"

static enum evkv_verdict redis_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct redis_store *store = self;

	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_PUT:
	case EVKV_OP_DELETE:
	case EVKV_OP_EXISTS:
	case EVKV_OP_TOUCH:
	case EVKV_OP_INCR:
	case EVKV_OP_TAKE:
		return evkv_spread_submit(&store->spread, op, request);
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
		return evkv__redis_scan_submit(store, op, request);
	case EVKV_OP_PING:
		return evkv_spread_submit_all(&store->spread, op, request);
	case EVKV_OP_PURGE_EXPIRED: /* the server does it by itself */
	case EVKV_OP_SYNC:
	case EVKV_OP_COMPACT: return EVKV_VERDICT_DONE;
	default: return evkv_op_unsupported(op);
	}
}

static void redis_stop(void *self, struct evkv_op *op)
{
	(void)self;
	switch (evkv_op_result(op)->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL: evkv__redis_scan_stop(op); break;
	default: evkv_call_stop(op); break;
	}
}

static void redis_close(void *self)
{
	struct redis_store *store = self;

	evkv_spread_close(&store->spread);
	evkv_store_closed(store->store);
}

static void redis_free(void *self)
{
	struct redis_store *store = self;

	evkv_spread_free(&store->spread);
	for (size_t i = 0;
	     store->connections != NULL && i < store->spread.count; i++)
		evkv__redis_connection_free(&store->connections[i]);
	evkv_free(store->connections);
	evkv__redis_options_free(&store->options);
	evkv_free(store);
}

static void redis_counters(void *self, struct evkv_counters *counters)
{
	struct redis_store *store = self;

	evkv_spread_counters(&store->spread, counters);
}

static void redis_metrics(void *self, struct evkv_metrics *metrics)
{
	struct redis_store *store = self;

	evkv_spread_metrics(&store->spread, metrics);
}

static void redis_describe(void *self, struct evkv_text *text)
{
	const struct redis_store *store = self;

	evkv__redis_options_describe(&store->options, text);
}

static const struct evkv_vtable redis_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "redis",
	.submit = redis_submit,
	.stop = redis_stop,
	.close = redis_close,
	.free = redis_free,
	.counters = redis_counters,
	.describe = redis_describe,
	.metrics = redis_metrics,
};

struct redis_store *evkv__redis_self(const struct evkv_store *store)
{
	return evkv_store_self(store, &redis_vtable);
}

static const struct evkv_capabilities redis_capabilities = {
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS,
	.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
	.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_EXACT_AFFECTED |
	    EVKV_STORE_VERSION_BY_CONTENT,
	.max_key = EVKV_KEY_MAX,
	.max_value = (size_t)512 << 20, /* the server's proto-max-bulk-len */
	.ttl_unit_ms = 1,
};

/* ---- Making one ------------------------------------------------------- */

static bool redis_tls(const struct evkv_redis_options *ours,
    struct evkv_tls **tls, struct evkv_error *error)
{
	struct evkv_tls_options options = {
		.ca_file = ours->tls_ca_file,
		.cert_file = ours->tls_cert_file,
		.key_file = ours->tls_key_file,
		.server_name = ours->tls_server_name,
		.no_verify = ours->tls_insecure_no_verify,
	};
	struct evkv_error why = EVKV_ERROR_INIT;

	*tls = NULL;
	if (!ours->tls)
		return true;
	*tls = evkv_tls_new(&options, &why);
	if (*tls == NULL)
		evkv_error_set(error, why.status, "redis: TLS: %s",
		    why.message);
	return *tls != NULL;
}

/* The connections; none of them does anything before a later turn. */
static bool redis_connect(struct redis_store *store, struct evkv_error *error)
{
	size_t count = (size_t)store->options.connections;
	struct evkv_tls *tls;
	bool opened = true;

	store->connections = evkv_calloc(count, sizeof(*store->connections));
	if (store->connections == NULL ||
	    !evkv_spread_init(&store->spread, &evkv__redis_spread, store,
		count)) {
		evkv_error_set(error, EVKV_NOMEM, "redis: out of memory");
		return false;
	}
	if (!redis_tls(&store->options, &tls, error))
		return false;
	for (size_t i = 0; opened && i < count; i++)
		opened = evkv__redis_connection_open(store, i, tls, error);
	evkv_tls_unref(tls);
	return opened;
}

struct evkv_store *evkv_redis_new_sized(struct evkv_loop *loop,
    const struct evkv_redis_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = { .max_pending = 0 };
	struct redis_store *store;
	struct evkv_store *made;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "redis: loop is NULL");
		return NULL;
	}
	store = evkv_calloc(1, sizeof(*store));
	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "redis: out of memory");
		return NULL;
	}
	store->loop = loop;
	if (!evkv__redis_options_init(&store->options, options, size, error)) {
		evkv_free(store);
		return NULL;
	}
	store->prefix = evkv_str(store->options.key_prefix);
	if (!redis_connect(store, error)) {
		redis_free(store);
		return NULL;
	}
	config.capabilities = &redis_capabilities;
	config.max_pending = store->options.max_pending;
	config.max_pending_bytes = store->options.max_pending_bytes;
	config.timeout_ms = store->options.timeout_ms;
	/* Where it fails, redis_free() is called. */
	made = evkv_store_create(loop, &redis_vtable, store, &config, error);
	if (made != NULL)
		store->store = made;
	return made;
}
