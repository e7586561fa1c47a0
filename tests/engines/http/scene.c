/*
 * tests/engines/http/scene.c - a loop, scripted servers and a client of them.
 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

static void scene_on_state(void *arg, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	struct scene *s = arg;

	check(message != NULL);
	s->states++;
	s->state = state;
	s->cause = cause;
}

void scene_begin(struct scene *s, size_t nodes,
    const struct peer_options *options)
{
	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	for (size_t i = 0; i < nodes; i++) {
		s->webs[i] = web_open(s->rig.base, options);
		s->nodes[i] = (struct evkv_http_node){ .host = "127.0.0.1",
			.port = s->webs[i]->peer->port };
	}
	s->options.nodes = s->nodes;
	s->options.node_count = nodes;
	s->options.state = scene_on_state;
	s->options.arg = s;
}

void scene_client(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->client = evkv_http_new(s->rig.loop, &s->options, &error);
	check_str(error.message, "");
	check(s->client != NULL);
}

void scene_close(struct scene *s)
{
	evkv_http_free(s->client);
	for (size_t i = 0; i < SCENE_NODES; i++)
		web_close(s->webs[i]);
	rig_settle(&s->rig);
	rig_close(&s->rig);
}

static void check_piece(const struct call *call, struct evkv_slice piece)
{
	const char *expected = call->expected.data;

	check(call->body_size + piece.size <= call->expected.size);
	check(memcmp(expected + call->body_size, piece.data, piece.size) == 0);
}

static void call_read(struct call *call)
{
	struct evkv_slice piece;
	size_t room;

	while ((call->found = evkv_http_read(&call->http, &piece)) ==
	    EVKV_HTTP_PIECE) {
		check(piece.size > 0);
		if (call->expected.data != NULL)
			check_piece(call, piece);
		room = call->body_size < sizeof(call->body) - 1
		    ? sizeof(call->body) - 1 - call->body_size
		    : 0;
		if (room > 0)
			memcpy(call->body + call->body_size, piece.data,
			    piece.size < room ? piece.size : room);
		call->body_size += piece.size;
		if (piece.size > call->largest_piece)
			call->largest_piece = piece.size;
	}
}

static void call_end(struct evkv_http_request *request,
    const struct evkv_http_end *end)
{
	struct call *call = (struct call *)(void *)request;

	call->calls++;
	call->fate = end->fate;
	call->code = end->code;
	call->status = end->status;
	call->cause = end->cause;
	call->sys_error = end->sys_error;
	snprintf(call->message, sizeof(call->message), "%s", end->message);
	snprintf(call->type, sizeof(call->type), "%s", end->content_type);
	if (end->fate == EVKV_HTTP_ANSWERED)
		call_read(call);
	evkv_http_release(request);
	if (call->then != NULL)
		call->then(call);
}

static void call_sending(struct evkv_http_request *request)
{
	((struct call *)(void *)request)->sendings++;
}

static void call_start(struct scene *s, struct call *call)
{
	void (*then)(struct call *) = call->then;
	void *arg = call->arg;
	struct evkv_slice expected = call->expected;
	struct evkv_http_request http = call->http;

	memset(call, 0, sizeof(*call));
	call->then = then;
	call->arg = arg;
	call->expected = expected;
	call->http = http;
	call->http.sending = call_sending;
	call->http.end = call_end;
	evkv_http_start(s->client, &call->http);
}

void call_get(struct scene *s, struct call *call, const char *path)
{
	int64_t timeout_ms = call->http.timeout_ms;

	call->http = (struct evkv_http_request){ .method = "GET",
		.path = path,
		.flags = EVKV_HTTP_REPEATABLE,
		.timeout_ms = timeout_ms };
	call_start(s, call);
}

void call_post(struct scene *s, struct call *call, const char *path,
    struct evkv_slice body)
{
	int64_t timeout_ms = call->http.timeout_ms;

	call->http = (struct evkv_http_request){ .method = "POST",
		.path = path,
		.content_type = "application/json",
		.body = body,
		.timeout_ms = timeout_ms };
	call_start(s, call);
}

void scene_get(struct scene *s, struct call *call, const char *path)
{
	call_get(s, call, path);
	rig_wait(&s->rig, &call->calls);
}

void scene_post(struct scene *s, struct call *call, const char *path,
    struct evkv_slice body)
{
	call_post(s, call, path, body);
	rig_wait(&s->rig, &call->calls);
}

struct evkv_http_counters scene_counters(const struct scene *s)
{
	struct evkv_http_counters counters;

	evkv_http_counters(s->client, &counters);
	return counters;
}
