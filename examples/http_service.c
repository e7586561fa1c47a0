/*
 * http_service.c - a service on HTTP, from main() to SIGTERM: docs/service.md
 * goes through it.
 *
 *     http_service [url [port]]        default: memory: 8080
 *
 *     GET    /collection/key             200 and the value, or 404
 *     PUT    /collection/key?ttl_ms=N    204; without ttl_ms it never expires
 *     DELETE /collection/key             204, or 404
 *     GET    /healthz                    200, or 503: send no requests here
 *
 * libevent's evhttp and evkv share one event loop and one thread. A failure is
 * a reply too: service_codes has the HTTP code of each status.
 *
 * On SIGTERM or SIGINT it drains. For GRACE_MS it goes on, but says 503 on
 * /healthz and ends each connection with its reply, so that clients go away.
 * Then it closes the listening socket and the store: pending operations have
 * DRAIN_MS to end. When the last reply is written the event loop ends. A second
 * signal ends it at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "evkv/evkv.h"
#ifdef SERVICE_HAS_DISK
#include "evkv/stores/disk.h"
#endif
#ifdef SERVICE_HAS_REDIS
#include "evkv/stores/redis.h"
#endif

#define TIMEOUT_MS 1000 /* of each operation */
#define GRACE_MS 1000
#define DRAIN_MS 2000
#define CACHE_TTL_MS 60000 /* how old a cached entry may be */
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
	bool closed; /* the store is */
};

/* One request, from its arrival until its reply is written or it is lost. */
struct call {
	struct service *service;
	struct evhttp_request *request;
	bool answered; /* the reply is evhttp's */
	bool lost;     /* the connection has gone meanwhile */
};

/* ---- Replies ------------------------------------------------------------ */

/* [codes] */
static const int service_codes[EVKV_STATUS_COUNT] = {
	[EVKV_OK] = 200,
	[EVKV_NOT_FOUND] = 404,
	[EVKV_EXISTS] = 409,
	[EVKV_CONFLICT] = 412,
	[EVKV_INVALID] = 400,
	[EVKV_UNSUPPORTED] = 501,
	[EVKV_BUSY] = 503,
	[EVKV_LOCKED] = 503,
	[EVKV_TIMEOUT] = 504,
	[EVKV_CANCELED] = 503,
	[EVKV_CLOSED] = 503,
	[EVKV_UNAVAILABLE] = 503,
	[EVKV_UNKNOWN_OUTCOME] = 500,
	[EVKV_REFUSED] = 500,
	[EVKV_TOO_LARGE] = 413,
	[EVKV_NOSPACE] = 507,
	[EVKV_SERVER] = 502,
	[EVKV_CORRUPT] = 500,
	[EVKV_IO] = 500,
	[EVKV_NOMEM] = 503,
	[EVKV_MISSING] = 404,
};
/* [codes] */

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
	int code = service_codes[result->status];

	if (code >= 500)
		fprintf(stderr, "%s %s: %s, %s: %s\n",
		    evkv_kind_name(result->kind),
		    evhttp_request_get_uri(call->request), status,
		    evkv_cause_name(result->cause), result->message);
	call_reply_text(call, code, status, result->message);
}

static void call_release_value(const void *data, size_t size, void *value)
{
	(void)data;
	(void)size;
	evkv_value_unref(value);
}

/* The value goes out as it is, without a copy. */
static void call_on_get(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);
	struct call *call = arg;
	struct evkv_value *value;
	struct evbuffer *body;

	if (result->status != EVKV_OK) {
		call_on_failure(call, result);
		return;
	}
	value = evkv_value_ref(entry->value);
	body = evbuffer_new();
	if (evbuffer_add_reference(body, entry->bytes.data, entry->bytes.size,
		call_release_value, value) != 0)
		evkv_value_unref(value);
	call_reply(call, 200, body);
	evbuffer_free(body);
}

static void call_on_change(const struct evkv_result *result, void *arg)
{
	if (result->status == EVKV_OK)
		call_reply(arg, 204, NULL);
	else
		call_on_failure(arg, result);
}

/* ---- Requests ------------------------------------------------------------ */

/* What a request is about; both names are malloc's. */
struct target {
	char *collection;
	char *key;
	size_t collection_size;
	size_t key_size;
};

static char *target_decode(const char *text, size_t length, size_t *size)
{
	char *copy = malloc(length + 1), *decoded;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	decoded = evhttp_uridecode(copy, 0, size);
	free(copy);
	return decoded;
}

/* "/collection/key", both percent-encoded; the key may have slashes. */
static bool target_parse(struct target *target, const char *path)
{
	const char *slash;

	memset(target, 0, sizeof(*target));
	if (path == NULL || path[0] != '/')
		return false;
	path++;
	slash = strchr(path, '/');
	if (slash == NULL)
		return false;
	target->collection = target_decode(path, (size_t)(slash - path),
	    &target->collection_size);
	target->key = target_decode(slash + 1, strlen(slash + 1),
	    &target->key_size);
	return target->collection != NULL && target->key != NULL;
}

static void target_free(struct target *target)
{
	free(target->collection);
	free(target->key);
}

/* The number after ttl_ms=; without one EVKV_TTL_NONE. false: no number. */
static bool service_ttl(const struct evhttp_uri *uri, int64_t *ttl_ms)
{
	const char *query = evhttp_uri_get_query(uri), *text;
	struct evkeyvalq parameters;
	char *end = NULL;

	*ttl_ms = EVKV_TTL_NONE;
	if (query == NULL || evhttp_parse_query_str(query, &parameters) != 0)
		return query == NULL;
	text = evhttp_find_header(&parameters, "ttl_ms");
	errno = 0;
	if (text != NULL)
		*ttl_ms = strtoll(text, &end, 10);
	evhttp_clear_headers(&parameters);
	return text == NULL || (errno == 0 && end != text && *ttl_ms > 0);
}

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

/* Each call of evkv copies what it needs and calls back exactly once. */
static void service_ask(struct call *call, const struct evhttp_uri *uri,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(call->request);
	struct evkv_store *store = call->service->store;
	size_t size = evbuffer_get_length(body);
	evkv_ticket ticket = 0;
	int64_t ttl_ms;

	switch (evhttp_request_get_command(call->request)) {
	case EVHTTP_REQ_GET:
		ticket = evkv_get(store, collection, key, call_on_get, call);
		break;
	case EVHTTP_REQ_PUT:
		if (!service_ttl(uri, &ttl_ms)) {
			call_reply_text(call, 400, "ttl_ms is not a number",
			    "");
			return;
		}
		ticket = evkv_put(store, collection, key,
		    evkv_bytes(evbuffer_pullup(body, -1), size), ttl_ms,
		    call_on_change, call);
		break;
	default:
		ticket = evkv_delete(store, collection, key, call_on_change,
		    call);
		break;
	}
	if (ticket == 0) /* no callback will come */
		call_reply_text(call, 503, "out of memory", "");
}

static void service_on_request(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri);
	struct service *service = arg;
	struct target target;
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

	if (path != NULL && strcmp(path, "/healthz") == 0) {
		service_health(call);
		return;
	}
	if (target_parse(&target, path))
		service_ask(call, uri,
		    evkv_bytes(target.collection, target.collection_size),
		    evkv_bytes(target.key, target.key_size));
	else
		call_reply_text(call, 400, "not /collection/key", "");
	target_free(&target);
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
	evkv_store_close(service->store, DRAIN_MS, service_on_closed, service);
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
#ifdef SERVICE_HAS_DISK
	evkv_disk_register(loop);
#endif
#ifdef SERVICE_HAS_REDIS
	evkv_redis_register(loop);
#endif
}

/* The store, with a cache in front of it unless it is in this process. */
static struct evkv_store *service_open(struct evkv_loop *loop, const char *url,
    struct evkv_error *error)
{
	struct evkv_store *store = evkv_open(loop, url, error);

	if (store == NULL ||
	    (evkv_store_capabilities(store)->flags & EVKV_STORE_IN_PROCESS) !=
		0)
		return store;
	return evkv_passthrough_cache_new(store,
	    evkv_memory_new(loop, NULL, error),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = CACHE_TTL_MS },
	    error);
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
static bool service_start(struct service *service, const char *url,
    unsigned short port)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	service->base = event_base_new();
	service->loop = evkv_loop_new_with(service->base, NULL, &error);
	if (service->loop != NULL) {
		evkv_loop_set_log(service->loop, service_on_log, NULL);
		service_register(service->loop);
		service->store = service_open(service->loop, url, &error);
	}
	if (service->store == NULL) {
		fprintf(stderr, "%s: %s\n", url, error.message);
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
	const char *url = argc > 1 ? argv[1] : "memory:";
	int port = argc > 2 ? atoi(argv[2]) : 8080;
	struct service service;
	bool started;

	memset(&service, 0, sizeof(service));
	started = service_start(&service, url, (unsigned short)port);
	if (started)
		event_base_dispatch(service.base);
	service_free(&service);
	return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
/* [main] */
