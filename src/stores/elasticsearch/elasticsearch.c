/*
 * A store in an index of an Elasticsearch or OpenSearch cluster.
 *
 * Happy path: an entry is a document whose _id is its name (names.c). What the
 * operations of a turn look up goes out as one _mget, what they write as one
 * _bulk (call.c, batch.c), by the HTTP engine; answers are read as they stand
 * in its buffers, some at a time (exchange.c, reader.c). What spans keys is
 * done by searches (walk.c).
 *
 * Failures: the engine has those of connections and nodes; what the server
 * says about a request, a document or an item is in errors.c; and each of the
 * files above tells its own.
 */
#include "stores/elasticsearch/store.h"

#include <stdio.h>

#define STORE_MAX_VALUE ((size_t)16 << 20)
#define STORE_MAX_BATCH ((size_t)1 << 20)
#define STORE_MAX_ANSWER ((size_t)256 << 20)
#define STORE_REQUESTS 4
#define STORE_REQUEST_MS 30000

static enum evkv_verdict elasticsearch_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_PUT:
	case EVKV_OP_DELETE:
	case EVKV_OP_EXISTS:
	case EVKV_OP_TOUCH:
	case EVKV_OP_INCR:
	case EVKV_OP_TAKE: return evkv__es_call_submit(self, op, request);
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
		return evkv__es_walk_submit(self, op, request);
	case EVKV_OP_PING: return evkv__es_ping_submit(self, op);
	case EVKV_OP_SYNC: /* what was answered is in the translog */
	case EVKV_OP_COMPACT: return EVKV_VERDICT_DONE;
	default: return evkv_op_unsupported(op);
	}
}

static void elasticsearch_stop(void *self, struct evkv_op *op)
{
	(void)self;
	switch (evkv_op_result(op)->kind) {
	case EVKV_OP_PING: evkv__es_ping_stop(op); break;
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED: evkv__es_walk_stop(op); break;
	default: evkv__es_call_stop(evkv_op_data(op)); break;
	}
}

/* ---- Ending -------------------------------------------------------------- */

static void close_items(struct es_items *items)
{
	struct es_failure failure;
	struct es_item *item;

	evkv__es_failure_set(&failure, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    "the store is closed");
	while ((item = TAILQ_FIRST(items)) != NULL) {
		TAILQ_REMOVE(items, item, link);
		item->place = ES_NOWHERE;
		evkv__es_item_failed(item, &failure);
	}
}

static void elasticsearch_close(void *self)
{
	struct es_store *store = self;
	struct es_exchange *exchange;

	store->closed = true;
	evkv_http_close(store->http);
	while ((exchange = LIST_FIRST(&store->exchanges)) != NULL)
		evkv__es_exchange_close(exchange);
	close_items(&store->looks);
	close_items(&store->writes);
	close_items(&store->delayed);
	evkv__es_walks_close(store);
	evkv_task_cancel(store->loop, &store->task);
	evkv_timer_cancel(store->loop, &store->timer);
	evkv_store_closed(store->store);
}

static void paths_free(struct es_paths *paths)
{
	char *all[] = { paths->index, paths->mapping, paths->mget, paths->bulk,
		paths->refresh, paths->search, paths->pit_elasticsearch,
		paths->pit_opensearch };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		evkv_free(all[i]);
}

static void elasticsearch_free(void *self)
{
	struct es_store *store = self;

	evkv_http_free(store->http);
	evkv_json_writer_clear(&store->index.body);
	evkv__es_reader_clear(&store->index.exchange.reader);
	evkv_task_cancel(store->loop, &store->task);
	paths_free(&store->paths);
	evkv__es_options_free(&store->options);
	evkv_free(store);
}

static void elasticsearch_counters(void *self, struct evkv_counters *counters)
{
	struct es_store *store = self;
	struct evkv_http_counters http;

	evkv_http_counters(store->http, &http);
	counters->reconnects += http.revivals;
}

static void elasticsearch_describe(void *self, struct evkv_text *text)
{
	const struct es_store *store = self;

	evkv__es_options_describe(&store->options, text);
}

static const struct evkv_vtable elasticsearch_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "elasticsearch",
	.flags = EVKV_VTABLE_ORDERED | EVKV_VTABLE_KEEPS,
	.submit = elasticsearch_submit,
	.stop = elasticsearch_stop,
	.close = elasticsearch_close,
	.free = elasticsearch_free,
	.counters = elasticsearch_counters,
	.describe = elasticsearch_describe,
};

/* ---- Making one ---------------------------------------------------------- */

static char *path_new(const char *index, const char *rest)
{
	size_t size = strlen(index) + strlen(rest) + 2;
	char *path = evkv_malloc(size);

	if (path != NULL)
		(void)snprintf(path, size, "/%s%s", index, rest);
	return path;
}

static bool paths_make(struct es_store *store)
{
	struct es_paths *paths = &store->paths;
	const char *index = store->index_name;
	bool wait = store->options.refresh ==
	    EVKV_ELASTICSEARCH_REFRESH_WAIT_FOR;

	paths->index = path_new(index, "");
	paths->mapping = path_new(index, "/_mapping");
	paths->mget = path_new(index, "/_mget");
	paths->bulk = path_new(index,
	    wait ? "/_bulk?refresh=wait_for" : "/_bulk");
	paths->refresh = path_new(index, "/_refresh");
	paths->search = path_new(index, "/_search");
	paths->pit_elasticsearch = path_new(index, "/_pit?keep_alive=1m");
	paths->pit_opensearch = path_new(index,
	    "/_search/point_in_time?keep_alive=1m");
	return paths->index != NULL && paths->mapping != NULL &&
	    paths->mget != NULL && paths->bulk != NULL &&
	    paths->refresh != NULL && paths->search != NULL &&
	    paths->pit_elasticsearch != NULL && paths->pit_opensearch != NULL;
}

static void store_on_state(void *arg, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	struct es_store *store = arg;

	if (store->store != NULL)
		evkv_store_set_state(store->store, state, cause, message);
}

static bool http_make(struct es_store *store, struct evkv_error *error)
{
	const struct evkv_elasticsearch_options *ours = &store->options;
	struct evkv_http_node nodes[EVKV_HTTP_NODES_MAX];
	struct evkv_http_options options = {
		.name = "elasticsearch",
		.nodes = nodes,
		.node_count = ours->node_count,
		.tls = ours->tls,
		.tls_ca_file = ours->tls_ca_file,
		.tls_cert_file = ours->tls_cert_file,
		.tls_key_file = ours->tls_key_file,
		.tls_server_name = ours->tls_server_name,
		.tls_no_verify = ours->tls_insecure_no_verify,
		.user = ours->user,
		.password = ours->password,
		.api_key = ours->api_key,
		.bearer = ours->bearer,
		.proxy_host = ours->proxy_host,
		.proxy_port = ours->proxy_port,
		.gzip = ours->gzip,
		.max_requests = ours->max_requests,
		.max_waiting = SIZE_MAX,
		.max_answer_bytes = ours->max_answer_bytes,
		.connect_timeout_ms = ours->connect_timeout_ms,
		.request_timeout_ms = ours->request_timeout_ms,
		.backoff_max_ms = ours->backoff_max_ms,
		.state = store_on_state,
		.arg = store,
	};

	for (size_t i = 0; i < ours->node_count; i++) {
		nodes[i].host = ours->nodes[i].host;
		nodes[i].port = ours->nodes[i].port;
	}
	if (options.max_answer_bytes == 0)
		options.max_answer_bytes = STORE_MAX_ANSWER;
	if (options.request_timeout_ms == 0)
		options.request_timeout_ms = STORE_REQUEST_MS;
	store->http = evkv_http_new(store->loop, &options, error);
	return store->http != NULL;
}

static void store_init(struct es_store *store)
{
	const struct evkv_elasticsearch_options *ours = &store->options;
	size_t requests = ours->max_requests != 0 ? ours->max_requests
						  : STORE_REQUESTS;

	store->index_name = ours->index != NULL ? ours->index : "evkv";
	store->opensearch = ours->opensearch;
	store->max_batches = requests * ours->node_count;
	store->max_batch_bytes = ours->max_batch_bytes != 0
	    ? ours->max_batch_bytes
	    : STORE_MAX_BATCH;
	TAILQ_INIT(&store->looks);
	TAILQ_INIT(&store->writes);
	TAILQ_INIT(&store->delayed);
	LIST_INIT(&store->exchanges);
	LIST_INIT(&store->walks);
	store->task.run = evkv__es_flush_run;
	store->task.arg = store;
	store->timer.run = evkv__es_delayed_run;
	store->timer.arg = store;
}

static struct evkv_capabilities store_capabilities(const struct es_store *store)
{
	struct evkv_capabilities capabilities = {
		.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
		    EVKV_KIND_BIT(EVKV_OP_TAKE),
		.request_flags = EVKV_FLAG_VERSIONS,
		.put_conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
		.delete_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
		.touch_conditions = EVKV_IF_BIT(EVKV_IF_VERSION),
		.flags = EVKV_STORE_ATOMIC_CONDITION | EVKV_STORE_ENUM_UNIQUE |
		    EVKV_STORE_EXACT_AFFECTED,
		.max_key = EVKV_KEY_MAX,
		.max_value = store->options.max_value != 0
		    ? store->options.max_value
		    : STORE_MAX_VALUE,
		.ttl_unit_ms = 1,
	};

	/* A number is no object. */
	if (es_json(store))
		capabilities.kinds &= ~EVKV_KIND_BIT(EVKV_OP_INCR);
	return capabilities;
}

static struct es_store *store_new(struct evkv_loop *loop,
    const struct evkv_elasticsearch_options *options, size_t size,
    struct evkv_error *error)
{
	struct es_store *store = evkv_calloc(1, sizeof(*store));

	if (store == NULL) {
		evkv_error_set(error, EVKV_NOMEM,
		    "elasticsearch: out of memory");
		return NULL;
	}
	store->loop = loop;
	if (!evkv__es_options_init(&store->options, options, size, error)) {
		evkv_free(store);
		return NULL;
	}
	store_init(store);
	if (!paths_make(store)) {
		evkv_error_set(error, EVKV_NOMEM,
		    "elasticsearch: out of memory");
		elasticsearch_free(store);
		return NULL;
	}
	if (http_make(store, error))
		return store;
	elasticsearch_free(store);
	return NULL;
}

struct evkv_store *evkv_elasticsearch_new_sized(struct evkv_loop *loop,
    const struct evkv_elasticsearch_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_store_config config = { .max_pending = 0 };
	struct evkv_capabilities capabilities;
	struct es_store *store;
	struct evkv_store *made;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "elasticsearch: loop is NULL");
		return NULL;
	}
	store = store_new(loop, options, size, error);
	if (store == NULL)
		return NULL;
	capabilities = store_capabilities(store);
	config.capabilities = &capabilities;
	config.max_pending = store->options.max_pending;
	config.max_pending_bytes = store->options.max_pending_bytes;
	config.timeout_ms = store->options.timeout_ms;
	/* Where it fails, elasticsearch_free() is called. */
	made = evkv_store_create(loop, &elasticsearch_vtable, store, &config,
	    error);
	if (made != NULL)
		store->store = made;
	return made;
}
