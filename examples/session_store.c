/*
 * session_store.c - the sessions of a web service: structs that expire when
 * they are not used, and that two requests at a time can't spoil.
 *
 *     session_store [chain, default memory:]
 *
 * A login makes a session under a random id, only where there is none. Each
 * request that uses it sets its TTL again (touch): so it slides. A request that
 * changes it reads it with its version and writes it only where that is still
 * its version; else another request was faster, and it reads again.
 *
 *     $ session_store
 *     item 1 after 1 tries
 *     item 2 after ... tries
 *     ...
 *     ada: 5 requests, 5 things in the cart, expires when not used for 1800 s
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/util.h>

#include "evkv/adapters/typed.h"
#include "evkv/evkv.h"

#define LOGIN_MS INT64_C(60000)     /* until it is used */
#define SLIDING_MS INT64_C(1800000) /* since it was used */
#define REQUESTS 5
#define TRIES 20
#define SESSIONS EVKV_LIT("sessions")

struct session {
	char user[32];
	int64_t requests;
	int64_t cart[16];
	size_t cart_count;
};

static const struct evkv_field session_fields[] = {
	{ EVKV_FIELD(struct session, user, CHARS),
	    .flags = EVKV_FIELD_REQUIRED },
	{ EVKV_FIELD(struct session, requests, INT), .max_int = INT64_MAX },
	{ EVKV_FIELD_ARRAY(struct session, cart, INT),
	    .counted = EVKV_MEMBER(struct session, cart_count) },
};
static const struct evkv_schema session_schema = EVKV_SCHEMA(struct session,
    session_fields);

struct service {
	struct evkv_loop *loop;
	struct evkv_typed *sessions;
	char id[33];
	unsigned answered; /* requests */
	bool well;
};

/* One request of a browser: it puts something into the cart. */
struct request {
	struct service *service;
	int64_t item;
	unsigned tries;
};

static struct evkv_slice session_id(const struct service *service)
{
	return evkv_str(service->id);
}

static void fail(const char *what, const struct evkv_typed_result *result)
{
	printf("%s: %s, %s\n", what, evkv_status_name(result->status),
	    result->message);
}

/* ---- The end: what has become of it -------------------------------------- */

static void on_ttl(const struct evkv_typed_result *result, void *arg)
{
	const struct evkv_typed_entry *entry = evkv_typed_result_entry(result,
	    0);
	const struct session *session = entry->object;
	struct service *service = arg;

	if (session == NULL) {
		fail("ttl", result);
	} else {
		printf("%s: %" PRId64 " requests, %zu things in the cart, "
		       "expires when not used for %" PRId64 " s\n",
		    session->user, session->requests, session->cart_count,
		    (entry->ttl_ms + 999) / 1000);
		service->well = session->requests == REQUESTS &&
		    session->cart_count == REQUESTS && entry->ttl_ms > LOGIN_MS;
	}
	evkv_loop_shutdown(service->loop, 1000, NULL, NULL);
}

/* A request that only reads makes it live longer, too. */
static void on_touched(const struct evkv_typed_result *result, void *arg)
{
	struct service *service = arg;

	if (result->status != EVKV_OK)
		fail("touch", result);
	evkv_typed_ttl(service->sessions, SESSIONS, session_id(service), on_ttl,
	    service);
}

static void request_done(struct request *request)
{
	struct service *service = request->service;
	const struct evkv_slice key = session_id(service);

	if (++service->answered < REQUESTS)
		return;
	evkv_typed_submit(service->sessions,
	    &(struct evkv_request){
		.kind = EVKV_OP_TOUCH,
		.flags = EVKV_FLAG_SINGLE,
		.collection = SESSIONS,
		.count = 1,
		.keys = &key,
		.ttl_ms = SLIDING_MS,
	    },
	    NULL, on_touched, service);
}

/* ---- A request ---------------------------------------------------------- */

static void request_read(struct request *request);

static void on_written(const struct evkv_typed_result *result, void *arg)
{
	struct request *request = arg;

	if (result->status == EVKV_CONFLICT && request->tries < TRIES) {
		request_read(request);
		return;
	}
	if (result->status == EVKV_OK)
		printf("item %" PRId64 " after %u tries\n", request->item,
		    request->tries);
	else
		fail("put", result);
	request_done(request);
}

static void on_read(const struct evkv_typed_result *result, void *arg)
{
	const struct evkv_typed_entry *entry = evkv_typed_result_entry(result,
	    0);
	struct request *request = arg;
	const struct evkv_slice key = session_id(request->service);
	struct session changed;
	const void *object = &changed;

	if (entry->object == NULL) { /* expired: back to the login */
		fail("get", result);
		request_done(request);
		return;
	}
	changed = *(const struct session *)entry->object;
	changed.requests++;
	changed.cart[changed.cart_count++] = request->item;
	evkv_typed_submit(request->service->sessions,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = SESSIONS,
		.count = 1,
		.keys = &key,
		.ttl_ms = SLIDING_MS,
		.condition = EVKV_IF_VERSION,
		.versions = &entry->version,
	    },
	    &object, on_written, request);
}

static void request_read(struct request *request)
{
	const struct evkv_slice key = session_id(request->service);

	request->tries++;
	evkv_typed_submit(request->service->sessions,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_VERSIONS,
		.collection = SESSIONS,
		.count = 1,
		.keys = &key,
	    },
	    NULL, on_read, request);
}

/* ---- The login ---------------------------------------------------------- */

static void on_login(const struct evkv_typed_result *result, void *arg)
{
	static struct request requests[REQUESTS];
	struct service *service = arg;

	if (result->status != EVKV_OK) {
		fail("login", result);
		evkv_loop_shutdown(service->loop, 0, NULL, NULL);
		return;
	}
	/* All at once: each reads the session before one has changed it. */
	for (int i = 0; i < REQUESTS; i++) {
		requests[i] = (struct request){ .service = service,
			.item = i + 1 };
		request_read(&requests[i]);
	}
}

static void login(struct service *service, const char *user)
{
	const struct evkv_slice key = session_id(service);
	struct session session = { .requests = 0 };
	const void *object = &session;

	snprintf(session.user, sizeof(session.user), "%s", user);
	evkv_typed_submit(service->sessions,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = SESSIONS,
		.count = 1,
		.keys = &key,
		.ttl_ms = LOGIN_MS,
		.condition = EVKV_IF_ABSENT,
	    },
	    &object, on_login, service);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct service service = { .loop = evkv_loop_new(base) };
	struct evkv_error error = EVKV_ERROR_INIT;
	unsigned char random[16];

	service.sessions = evkv_typed_new(evkv_open(service.loop,
					      argc > 1 ? argv[1] : "memory:",
					      &error),
	    &session_schema, NULL, &error);
	if (service.sessions == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	evutil_secure_rng_get_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(service.id + 2 * i, 3, "%02x", random[i]);
	login(&service, "ada");
	event_base_dispatch(base);
	evkv_typed_free(service.sessions);
	evkv_loop_free(service.loop);
	event_base_free(base);
	return service.well ? EXIT_SUCCESS : EXIT_FAILURE;
}
