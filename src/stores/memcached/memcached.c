/*
 * A store on memcached servers.
 *
 * Happy path: each key belongs to a server, as libmemcached computes it
 * (place.c), and there to one of some connections. An operation becomes
 * requests of the meta protocol that are written straight into the output of a
 * connection (commands.c), which goes out at the end of the loop's turn;
 * replies are read where they have arrived (reply.c) into the operation's
 * entries. INCR and TAKE take two round trips (commands_steps.c).
 *
 * Failures: the pipeline deals with everything that can happen to a connection,
 * and says for each slot whether it was sent. A server that is down fails the
 * operations on its keys, or has them on others where that is asked for.
 * Whatever is not as it must be on the wire ends the connection (connection.c).
 */
#include "store.h"

static enum evkv_verdict memcached_clear_all(struct memcached_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	if (request->match.prefix.size > 0 || request->match.pattern.size > 0)
		return evkv_op_fail(op, EVKV_UNSUPPORTED, EVKV_CAUSE_NONE,
		    "memcached can clear everything, and nothing less");
	return evkv_spread_submit_all(&store->spread, op, request);
}

static enum evkv_verdict memcached_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct memcached_store *store = self;

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
	case EVKV_OP_CLEAR_ALL: return memcached_clear_all(store, op, request);
	case EVKV_OP_PING:
		return evkv_spread_submit_all(&store->spread, op, request);
	case EVKV_OP_PURGE_EXPIRED: /* the server does it by itself */
	case EVKV_OP_SYNC:
	case EVKV_OP_COMPACT: return EVKV_VERDICT_DONE;
	default: return evkv_op_unsupported(op);
	}
}

static void memcached_stop(void *self, struct evkv_op *op)
{
	(void)self;
	evkv_call_stop(op);
}

static void memcached_close(void *self)
{
	struct memcached_store *store = self;

	evkv_spread_close(&store->spread);
	evkv_store_closed(store->store);
}

static void memcached_free(void *self)
{
	struct memcached_store *store = self;

	evkv_spread_free(&store->spread);
	evkv_free(store->connections);
	evkv__memcached_place_free(store->place);
	evkv__memcached_options_free(&store->options);
	evkv_free(store);
}

static void memcached_counters(void *self, struct evkv_counters *counters)
{
	struct memcached_store *store = self;

	evkv_spread_counters(&store->spread, counters);
}

static void memcached_metrics(void *self, struct evkv_metrics *metrics)
{
	struct memcached_store *store = self;

	evkv_spread_metrics(&store->spread, metrics);
}

static void memcached_describe(void *self, struct evkv_text *text)
{
	const struct memcached_store *store = self;

	evkv__memcached_options_describe(&store->options, text);
}

static const struct evkv_vtable memcached_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "memcached",
	.flags = EVKV_VTABLE_ORDERED,
	.ordered_kinds = EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.lacks = "a memcached server can't list its entries",
	.submit = memcached_submit,
	.stop = memcached_stop,
	.close = memcached_close,
	.free = memcached_free,
	.counters = memcached_counters,
	.describe = memcached_describe,
	.metrics = memcached_metrics,
};

/* ---- What it can do --------------------------------------------------- */

#define KINDS                                                                  \
	(EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_TTL) |             \
	    EVKV_KIND_BIT(EVKV_OP_PUT) | EVKV_KIND_BIT(EVKV_OP_DELETE) |       \
	    EVKV_KIND_BIT(EVKV_OP_EXISTS) | EVKV_KIND_BIT(EVKV_OP_TOUCH) |     \
	    EVKV_KIND_BIT(EVKV_OP_PURGE_EXPIRED) |                             \
	    EVKV_KIND_BIT(EVKV_OP_PING) | EVKV_KIND_BIT(EVKV_OP_SYNC) |        \
	    EVKV_KIND_BIT(EVKV_OP_COMPACT) | EVKV_KIND_BIT(EVKV_OP_INCR) |     \
	    EVKV_KIND_BIT(EVKV_OP_TAKE))

static struct evkv_capabilities memcached_capabilities(
    const struct evkv_memcached_options *options)
{
	struct evkv_capabilities can = {
		.kinds = KINDS,
		.request_flags = EVKV_FLAG_VERSIONS,
		.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
		.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
		.flags = EVKV_STORE_ATOMIC_CONDITION |
		    EVKV_STORE_EXACT_AFFECTED | EVKV_STORE_TOUCH_KEEPS_VERSION,
		.max_key = EVKV_KEY_MAX,
		.max_value = MEMCACHED_VALUE_MAX,
		.ttl_unit_ms = 1000,
		.ttl_excess_ms = 1000,
	};

	if (options->max_value_bytes != 0)
		can.max_value = options->max_value_bytes;
	/* How many entries it removes is told by nobody. */
	if (options->allow_flush_all) {
		can.kinds |= EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
		can.flags &= ~(uint32_t)EVKV_STORE_EXACT_AFFECTED;
	}
	return can;
}

/* ---- Making one ------------------------------------------------------- */

static bool memcached_tls(const struct evkv_memcached_options *ours,
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
		evkv_error_set(error, why.status, "memcached: TLS: %s",
		    why.message);
	return *tls != NULL;
}

/* The connections; none of them does anything before a later turn. */
static bool memcached_connect(struct memcached_store *store,
    struct evkv_error *error)
{
	size_t count = store->options.server_count *
	    (size_t)store->options.connections;
	struct evkv_tls *tls;
	bool opened = true;

	store->connections = evkv_calloc(count, sizeof(*store->connections));
	if (store->connections == NULL ||
	    !evkv_spread_init(&store->spread, &evkv__memcached_spread, store,
		count)) {
		evkv_error_set(error, EVKV_NOMEM, "memcached: out of memory");
		return false;
	}
	if (!memcached_tls(&store->options, &tls, error))
		return false;
	for (size_t i = 0; opened && i < count; i++)
		opened = evkv__memcached_connection_open(store, i, tls, error);
	evkv_tls_unref(tls);
	return opened;
}

static bool memcached_place(struct memcached_store *store,
    struct evkv_error *error)
{
	if (store->options.server_count == 1)
		return true;
	store->place = evkv__memcached_place_new(&store->options, error);
	return store->place != NULL;
}

struct evkv_store *evkv_memcached_new_sized(struct evkv_loop *loop,
    const struct evkv_memcached_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = { .max_pending = 0 };
	struct evkv_capabilities can;
	struct memcached_store *store;
	struct evkv_store *made;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "memcached: loop is NULL");
		return NULL;
	}
	store = evkv_calloc(1, sizeof(*store));
	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "memcached: out of memory");
		return NULL;
	}
	store->loop = loop;
	if (!evkv__memcached_options_init(&store->options, options, size,
		error)) {
		evkv_free(store);
		return NULL;
	}
	store->prefix = evkv_str(store->options.key_prefix);
	if (!memcached_place(store, error) ||
	    !memcached_connect(store, error)) {
		memcached_free(store);
		return NULL;
	}
	can = memcached_capabilities(&store->options);
	config.capabilities = &can;
	config.max_pending = store->options.max_pending;
	config.max_pending_bytes = store->options.max_pending_bytes;
	config.timeout_ms = store->options.timeout_ms;
	/* Where it fails, memcached_free() is called. */
	made = evkv_store_create(loop, &memcached_vtable, store, &config,
	    error);
	if (made != NULL)
		store->store = made;
	return made;
}
