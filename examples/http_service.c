/*
 * http_service.c - a service on HTTP, from main() to SIGTERM: docs/service.md
 * goes through it.
 *
 *     http_service [chain [port]]
 *
 *     GET    /collection/key             200 and the value, or 404
 *     PUT    /collection/key?ttl_ms=N    204; without ttl_ms it never expires
 *     DELETE /collection/key             204, or 404
 *     GET    /collection/                200: a page of its keys, one a line
 *     GET    /                           200: a page of the collections
 *     GET    /metrics                    200: figures for Prometheus
 *     GET    /healthz                    200, or 503: send no requests here
 *
 * Names are percent-encoded. `version=1` in the query of a GET or PUT asks for
 * the entry's version, as its ETag; a PUT or DELETE with `If-Match: "..."` has
 * an effect only where that is still its version, one with `If-Match: *` or
 * `If-None-Match: *` only where the entry is there, or is not; else it is 412.
 * The next page of names is the `Link` of the one before; `limit=N` says how
 * long pages are.
 *
 * The store is a chain (docs/chains.md); the default is a directory on disk
 * behind a cache in memory, where the disk driver was built. libevent's evhttp
 * and evkv share one event loop and one thread. A failure is a reply, too.
 *
 * On SIGTERM or SIGINT it drains. For GRACE_MS it goes on, but says 503 on
 * /healthz and ends each connection with its reply, so that clients go away.
 * Then it closes the listening socket and the store: pending operations have
 * DRAIN_MS to end. When the last reply is written the event loop ends. A second
 * signal ends it at once.
 *
 *     $ timeout --preserve-status 1 http_service memory: 0
 *     listening on port ...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "evkv/evkv.h"
#include "http_target.h"
#ifdef HTTP_SERVICE_HAS_DISK
#include "evkv/stores/disk.h"
#define DEFAULT_CHAIN                                                          \
	"disk:http_service.data | passthrough_cache(memory:, max_ttl=1m)"
#else
#define DEFAULT_CHAIN "memory:"
#endif
#ifdef HTTP_SERVICE_HAS_REDIS
#include "evkv/stores/redis.h"
#endif

#define TIMEOUT_MS 1000 /* of each operation */
#define GRACE_MS 1000
#define DRAIN_MS 2000
#define MAX_BODY (16 << 20)

struct service {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evhttp *http;
	struct evhttp_bound_socket *listener; /* NULL once it is closed */
	struct event *signals[2];
	struct event *grace;
	size_t calls; /* requests whose reply is not yet written */
	bool draining;
	bool closed; /* the stores are */
};

/* One request, from its arrival until its reply is written or it is lost. */
struct call {
	struct service *service;
	struct evhttp_request *request;
	bool answered;    /* the reply is evhttp's */
	bool lost;        /* the connection has gone meanwhile */
	bool conditional; /* by If-Match or If-None-Match */
	bool versions;    /* the ETag is wanted */
};

/* ---- Replies ------------------------------------------------------------ */

/* The end, when everything is closed and the last reply is written. */
static void service_check_end(struct service *service)
{
	if (service->closed && service->calls == 0)
		event_base_loopbreak(service->base);
}

static void call_end(struct call *call)
{
	struct service *service = call->service;

	service->calls--;
	free(call);
	service_check_end(service);
}

/* The reply is written. */
static void call_on_written(struct evhttp_request *request, void *arg)
{
	evhttp_connection_set_closecb(evhttp_request_get_connection(request),
	    NULL, NULL);
	call_end(arg);
}

/* The client has gone. evhttp leaves us a request that is not answered. */
static void call_on_lost(struct evhttp_connection *connection, void *arg)
{
	struct call *call = arg;

	(void)connection;
	call->lost = true;
	if (call->answered)
		call_end(call);
}

static void call_reply(struct call *call, int code, struct evbuffer *body)
{
	struct evkeyvalq
	    *headers = evhttp_request_get_output_headers(call->request);

	if (call->service->draining)
		evhttp_add_header(headers, "Connection", "close");
	if (code == 503)
		evhttp_add_header(headers, "Retry-After", "1");
	call->answered = true;
	if (!call->lost) {
		evhttp_send_reply(call->request, code, NULL, body);
		return;
	}
	evhttp_request_free(call->request);
	call_end(call);
}

static void call_reply_text(struct call *call, int code, const char *what,
    const char *message)
{
	struct evbuffer *body = evbuffer_new();

	evbuffer_add_printf(body, "%s%s%s\n", what,
	    message[0] != '\0' ? ": " : "", message);
	call_reply(call, code, body);
	evbuffer_free(body);
}

/* ---- What comes back from the store ------------------------------------- */

static void call_on_failure(struct call *call, const struct evkv_result *result)
{
	const char *status = evkv_status_name(result->status);
	int code = evkv_status_http(result->status);

	/* EXISTS, CONFLICT, and NOT_FOUND where it had to be there. */
	if (call->conditional && !evkv_failed(result->status))
		code = 412;
	if (code >= 500)
		fprintf(stderr, "%s %s: %s, %s: %s\n",
		    evkv_kind_name(result->kind),
		    evhttp_request_get_uri(call->request), status,
		    evkv_cause_name(result->cause), result->message);
	call_reply_text(call, code, status, result->message);
}

static void call_add_etag(struct call *call, const struct evkv_entry *entry)
{
	const size_t size = sizeof(entry->version.bytes);
	char text[2 * sizeof(entry->version.bytes) + 3] = "\"";
	size_t i;

	if (!call->versions)
		return;
	for (i = 0; i < size; i++)
		snprintf(text + 1 + 2 * i, 4, "%02x\"",
		    entry->version.bytes[i]);
	evhttp_add_header(evhttp_request_get_output_headers(call->request),
	    "ETag", text);
}

/* The value goes out as it is, without a copy. */
static void call_on_get(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);
	struct call *call = arg;
	struct evbuffer *body;

	if (result->status != EVKV_OK) {
		call_on_failure(call, result);
		return;
	}
	call_add_etag(call, entry);
	body = evbuffer_new();
	if (body != NULL && evkv_evbuffer_add_value(body, entry->value))
		call_reply(call, 200, body);
	else
		call_reply(call, 503, NULL);
	if (body != NULL)
		evbuffer_free(body);
}

static void call_on_change(const struct evkv_result *result, void *arg)
{
	struct call *call = arg;

	if (result->status != EVKV_OK) {
		call_on_failure(call, result);
		return;
	}
	if (result->kind == EVKV_OP_PUT)
		call_add_etag(call, evkv_result_entry(result, 0));
	call_reply(call, 204, NULL);
}

/* Where the next page is: this request's path, with the cursor. */
static void call_add_link(struct call *call, struct evkv_slice cursor)
{
	const struct evhttp_uri
	    *uri = evhttp_request_get_evhttp_uri(call->request);
	const char *path = evhttp_uri_get_path(uri);
	struct evbuffer *link = evbuffer_new();
	char *after = evkv_cursor_text(cursor);

	if (link != NULL && after != NULL &&
	    evbuffer_add_printf(link, "<%s?after=%s>; rel=\"next\"%c", path,
		after, 0) > 0)
		evhttp_add_header(
		    evhttp_request_get_output_headers(call->request), "Link",
		    (const char *)evbuffer_pullup(link, -1));
	evkv_free(after);
	if (link != NULL)
		evbuffer_free(link);
}

static void call_on_page(const struct evkv_result *result, void *arg)
{
	struct call *call = arg;
	struct evbuffer *body;
	char *name;

	if (result->status != EVKV_OK) {
		call_on_failure(call, result);
		return;
	}
	body = evbuffer_new();
	if (body == NULL) {
		call_reply(call, 503, NULL);
		return;
	}
	for (size_t i = 0; i < result->count; i++) {
		struct evkv_slice bytes = evkv_result_entry(result, i)->name;

		name = evhttp_uriencode(bytes.data, (ev_ssize_t)bytes.size, 0);
		evbuffer_add_printf(body, "%s\n", name);
		free(name);
	}
	if (result->cursor.size > 0)
		call_add_link(call, result->cursor);
	call_reply(call, 200, body);
	evbuffer_free(body);
}

/* ---- Requests ------------------------------------------------------------ */

static void service_health(struct call *call)
{
	struct service *service = call->service;

	if (service->draining)
		call_reply_text(call, 503, "draining", "");
	else if (evkv_store_state(service->store) != EVKV_STATE_READY)
		call_reply_text(call, 503, "no store", "");
	else
		call_reply_text(call, 200, "ok", "");
}

static void service_metrics(struct call *call)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(call->request),
	    "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	if (evkv_statistics_write_prometheus(call->service->store, body))
		call_reply(call, 200, body);
	else
		call_reply_text(call, 503, "out of memory", "");
	evbuffer_free(body);
}

/* Each call of evkv copies what it needs and calls back exactly once. */
static void service_list(struct call *call, const struct target *target)
{
	struct evkv_request request = {
		.kind = target->collection_size > 0 ? EVKV_OP_KEYS
						    : EVKV_OP_COLLECTIONS,
		.collection = evkv_bytes(target->collection,
		    target->collection_size),
		.match = { .cursor = evkv_value_bytes(target->after),
		    .limit = (size_t)target->limit },
	};

	if (evhttp_request_get_command(call->request) != EVHTTP_REQ_GET)
		call_reply_text(call, 405, "a listing can only be read", "");
	else
		evkv_submit(call->service->store, &request, call_on_page, call);
}

static void service_ask(struct call *call, const struct target *target)
{
	const struct evkv_slice key = evkv_bytes(target->key, target->key_size);
	struct evkv_value *body = NULL;
	struct evkv_request request = {
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_bytes(target->collection,
		    target->collection_size),
		.count = 1,
		.keys = &key,
	};

	switch (evhttp_request_get_command(call->request)) {
	case EVHTTP_REQ_GET: request.kind = EVKV_OP_GET; break;
	case EVHTTP_REQ_DELETE: request.kind = EVKV_OP_DELETE; break;
	default:
		request.kind = EVKV_OP_PUT;
		request.ttl_ms = target->ttl_ms;
		/* The body goes to the store as it came. */
		body = evkv_value_from_evbuffer(
		    evhttp_request_get_input_buffer(call->request));
		request.counted_values = &body;
	}
	if (request.kind == EVKV_OP_PUT && body == NULL) {
		call_reply_text(call, 503, "out of memory", "");
		return;
	}
	if (request.kind != EVKV_OP_GET) {
		request.condition = target->condition;
		if (request.condition == EVKV_IF_VERSION)
			request.versions = &target->version;
	}
	if (call->versions && request.kind != EVKV_OP_DELETE)
		request.flags |= EVKV_FLAG_VERSIONS;
	evkv_submit(call->service->store, &request,
	    request.kind == EVKV_OP_GET ? call_on_get : call_on_change, call);
	evkv_value_unref(body);
}

static void service_route(struct call *call)
{
	const char *path = evhttp_uri_get_path(
	    evhttp_request_get_evhttp_uri(call->request));
	struct target target;
	const char *wrong;

	if (path != NULL && strcmp(path, "/healthz") == 0) {
		service_health(call);
		return;
	}
	if (path != NULL && strcmp(path, "/metrics") == 0) {
		service_metrics(call);
		return;
	}
	wrong = target_read(&target, call->request);
	call->conditional = target.conditional;
	call->versions = target.versions;
	if (wrong != NULL)
		call_reply_text(call, 400, wrong, "");
	else if (target.key_size == 0)
		service_list(call, &target);
	else
		service_ask(call, &target);
	target_free(&target);
}

static void service_on_request(struct evhttp_request *request, void *arg)
{
	struct service *service = arg;
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		evhttp_send_error(request, 503, NULL);
		return;
	}
	call->service = service;
	call->request = request;
	service->calls++;
	evhttp_request_set_on_complete_cb(request, call_on_written, call);
	evhttp_connection_set_closecb(evhttp_request_get_connection(request),
	    call_on_lost, call);
	service_route(call);
}

/* ---- The end ------------------------------------------------------------ */

/* [drain] */
static void service_on_closed(const struct evkv_result *result, void *arg)
{
	struct service *service = arg;

	if (result->status == EVKV_TIMEOUT)
		fprintf(stderr, "some operations were cut off\n");
	service->closed = true;
	service_check_end(service);
}

static void service_on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;

	(void)fd;
	(void)what;
	evhttp_del_accept_socket(service->http, service->listener);
	service->listener = NULL;
	evkv_loop_shutdown(service->loop, DRAIN_MS, service_on_closed, service);
}

static void service_on_signal(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval grace = { GRACE_MS / 1000,
		GRACE_MS % 1000 * 1000 };
	struct service *service = arg;

	(void)fd;
	(void)what;
	if (service->draining) {
		event_base_loopbreak(service->base);
		return;
	}
	service->draining = true;
	evtimer_add(service->grace, &grace);
}
/* [drain] */

/* ---- The start ---------------------------------------------------------- */

static void service_on_log(enum evkv_log_level level, const char *message,
    void *arg)
{
	(void)arg;
	if (level >= EVKV_LOG_WARNING)
		fprintf(stderr, "%s: %s\n", evkv_log_level_name(level),
		    message);
}

static void service_register(struct evkv_loop *loop)
{
	(void)loop;
#ifdef HTTP_SERVICE_HAS_DISK
	evkv_disk_register(loop);
#endif
#ifdef HTTP_SERVICE_HAS_REDIS
	evkv_redis_register(loop);
#endif
}

/* Whatever the chain is, its figures are counted. */
static struct evkv_store *service_open(struct evkv_loop *loop,
    const char *chain, struct evkv_error *error)
{
	return evkv_statistics_new(evkv_open(loop, chain, error),
	    &(struct evkv_statistics_options){ .name = "http" }, error);
}

static bool service_listen(struct service *service, unsigned short port)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	service->http = evhttp_new(service->base);
	if (service->http == NULL)
		return false;
	evhttp_set_allowed_methods(service->http,
	    EVHTTP_REQ_GET | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE);
	evhttp_set_max_body_size(service->http, MAX_BODY);
	evhttp_set_gencb(service->http, service_on_request, service);
	service->listener = evhttp_bind_socket_with_handle(service->http,
	    "127.0.0.1", port);
	if (service->listener == NULL ||
	    getsockname(evhttp_bound_socket_get_fd(service->listener),
		(struct sockaddr *)&address, &size) != 0)
		return false;
	printf("listening on port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return true;
}

static bool service_watch(struct service *service)
{
	const int numbers[2] = { SIGTERM, SIGINT };

	signal(SIGPIPE, SIG_IGN); /* a client that goes is no reason to die */
	service->grace = evtimer_new(service->base, service_on_grace, service);
	for (int i = 0; i < 2; i++) {
		service->signals[i] = evsignal_new(service->base, numbers[i],
		    service_on_signal, service);
		if (service->signals[i] == NULL ||
		    event_add(service->signals[i], NULL) != 0)
			return false;
	}
	return service->grace != NULL;
}

/* [main] */
static bool service_start(struct service *service, const char *chain,
    unsigned short port)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	service->base = event_base_new();
	service->loop = evkv_loop_new_with(service->base, NULL, &error);
	if (service->loop != NULL) {
		evkv_loop_set_log(service->loop, service_on_log, NULL);
		service_register(service->loop);
		service->store = service_open(service->loop, chain, &error);
	}
	if (service->store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return false;
	}
	evkv_store_set_timeout(service->store, TIMEOUT_MS);
	if (service_watch(service) && service_listen(service, port))
		return true;
	fprintf(stderr, "can't listen on port %d: %s\n", port, strerror(errno));
	return false;
}

/* In this order: a callback that still comes may use what is freed later. */
static void service_free(struct service *service)
{
	evkv_store_unref(service->store);
	evkv_loop_free(service->loop);
	if (service->http != NULL)
		evhttp_free(service->http);
	for (int i = 0; i < 2; i++) {
		if (service->signals[i] != NULL)
			event_free(service->signals[i]);
	}
	if (service->grace != NULL)
		event_free(service->grace);
	if (service->base != NULL)
		event_base_free(service->base);
}

int main(int argc, char **argv)
{
	const char *chain = argc > 1 ? argv[1] : DEFAULT_CHAIN;
	int port = argc > 2 ? atoi(argv[2]) : 8080;
	struct service service;
	bool started;

	memset(&service, 0, sizeof(service));
	started = service_start(&service, chain, (unsigned short)port);
	if (started)
		event_base_dispatch(service.base);
	service_free(&service);
	return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
/* [main] */
