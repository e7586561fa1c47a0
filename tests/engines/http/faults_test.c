/*
 * tests/engines/http/faults_test.c - one server that misbehaves, requests that
 * are taken back, clients that are closed.
 */
#include <string.h>

#include "scene.h"

EVKV_TEST(http_faults, nobody_listens)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	peer_refuse(s.webs[0]->peer);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.fate, EVKV_HTTP_UNSENT);
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(call.cause, EVKV_CAUSE_CONNECT);
	check_contains(call.message, "http 127.0.0.1:");
	check_int(call.sendings, 0);
	check_int(s.state, EVKV_STATE_DOWN);
	check_int(s.cause, EVKV_CAUSE_CONNECT);
	/* The only node is tried again at once, whatever its backoff is. */
	peer_accept(s.webs[0]->peer);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.code, 200);
	check_int(s.state, EVKV_STATE_READY);
	check_int(scene_counters(&s).revivals, 1);
	scene_close(&s);
}

EVKV_TEST(http_faults, all_that_wait_for_a_dead_server_end)
{
	struct call calls[20];
	struct scene s;

	scene_open(&s, 1);
	peer_refuse(s.webs[0]->peer);
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 20; i++)
		call_get(&s, &calls[i], "/");
	for (size_t i = 0; i < 20; i++) {
		rig_wait(&s.rig, &calls[i].calls);
		check_status(calls[i].status, EVKV_UNAVAILABLE);
	}
	check_between(scene_counters(&s).requests, 1, 5);
	scene_close(&s);
}

EVKV_TEST(http_faults, a_server_that_is_silent)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->peer->plan.silent = true;
	call.http.timeout_ms = 500;
	call_post(&s, &call, "/", EVKV_LIT("x"));
	rig_until(&s.rig, call.sendings == 1);
	rig_advance(&s.rig, 499);
	check_int(call.calls, 0);
	rig_advance(&s.rig, 1);
	rig_wait(&s.rig, &call.calls);
	check_int(call.fate, EVKV_HTTP_SENT);
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(call.cause, EVKV_CAUSE_STALL);
	rig_until(&s.rig, s.state == EVKV_STATE_DOWN);
	check_int(s.cause, EVKV_CAUSE_STALL);
	/* What it says later is nobody's answer. */
	s.webs[0]->peer->plan.silent = false;
	scene_post(&s, &call, "/", EVKV_LIT("y"));
	check_int(call.code, 200);
	check_int(s.webs[0]->peer->accepted, 2);
	scene_close(&s);
}

EVKV_TEST(http_faults, headers_that_come_slowly)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->peer->plan.piece = 1;
	scene_get(&s, &call, "/");
	check_int(call.code, 200);
	s.webs[0]->peer->plan.cut_out = PEER_NEVER;
	s.webs[0]->peer->plan.hold = true;
	call.http.timeout_ms = 300;
	call_get(&s, &call, "/");
	rig_until(&s.rig, call.sendings == 1);
	rig_advance(&s.rig, 301);
	rig_wait(&s.rig, &call.calls);
	check_int(call.cause, EVKV_CAUSE_STALL);
	scene_close(&s);
}

static void check_cut(size_t at, bool reset)
{
	struct call get = { .calls = 0 }, post = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->peer->plan.cut_out = at;
	s.webs[0]->peer->plan.reset = reset;
	scene_get(&s, &get, "/");
	scene_post(&s, &post, "/", EVKV_LIT("x"));
	/* The second answer goes over the first one's connection, if any. */
	check_int(post.fate,
	    at == s.webs[0]->answer_size ? EVKV_HTTP_ANSWERED : EVKV_HTTP_SENT);
	if (at < s.webs[0]->answer_size) {
		check_int(get.fate, EVKV_HTTP_SENT);
		check_status(get.status, EVKV_UNAVAILABLE);
	} else {
		check_int(get.code, 200);
		check_str(get.body, "{}");
	}
	check_int(get.calls + post.calls, 2);
	scene_close(&s);
}

EVKV_TEST(http_faults, an_answer_that_is_cut_anywhere)
{
	for (size_t at = 1; at < 90; at++)
		check_cut(at, at % 3 == 0);
}

/* A server that ends the connection when the second request has come. */
static void respond_once(struct web *web, struct peer_conn *conn, void *arg)
{
	(void)arg;
	if (peer_sent(conn) > 0)
		peer_cut(conn);
	else
		web_say(conn, 200, "text/plain", evkv_str(web->path));
}

EVKV_TEST(http_faults, a_kept_connection_that_ends_at_the_wrong_moment)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->respond = respond_once;
	scene_get(&s, &call, "/first");
	check_str(call.body, "/first");
	/* What is repeatable is sent again, on another connection. */
	scene_get(&s, &call, "/second");
	check_str(call.body, "/second");
	check_int(s.webs[0]->requests, 3);
	check_int(s.webs[0]->peer->accepted, 2);
	/* What is not may have taken effect, and is not sent twice. */
	scene_post(&s, &call, "/third", EVKV_LIT("x"));
	check_int(call.fate, EVKV_HTTP_SENT);
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(call.cause, EVKV_CAUSE_RESET);
	check_int(call.sendings, 1);
	check_int(s.webs[0]->requests, 4);
	scene_post(&s, &call, "/fourth", EVKV_LIT("x"));
	check_str(call.body, "/fourth");
	scene_close(&s);
}

static void respond_and_die(struct web *web, struct peer_conn *conn, void *arg)
{
	(void)arg;
	if (web->requests == 1) {
		web_say(conn, 200, "text/plain", evkv_str(web->path));
		return;
	}
	peer_refuse(web->peer);
	peer_cut(conn);
}

/* It was sent, though the last that was tried is a connection. */
EVKV_TEST(http_faults, a_server_that_dies_with_a_request_of_a_kept_connection)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->respond = respond_and_die;
	scene_get(&s, &call, "/first");
	scene_post(&s, &call, "/second", EVKV_LIT("x"));
	check_int(s.webs[0]->requests, 2);
	check_int(call.fate, EVKV_HTTP_SENT);
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(call.cause, EVKV_CAUSE_RESET);
	scene_close(&s);
	/* Nor does another server get it. */
	scene_open(&s, 2);
	s.webs[0]->respond = s.webs[1]->respond = respond_and_die;
	scene_get(&s, &call, "/first");
	scene_get(&s, &call, "/second");
	scene_post(&s, &call, "/third", EVKV_LIT("x"));
	check_int(s.webs[0]->requests + s.webs[1]->requests, 3);
	check_int(call.fate, EVKV_HTTP_SENT);
	scene_close(&s);
}

EVKV_TEST(http_faults, an_idle_connection_that_was_closed_is_not_used)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	peer_cut_all(s.webs[0]->peer);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.code, 200);
	check_int(s.webs[0]->requests, 2);
	s.webs[0]->peer->plan.reset = true;
	peer_cut_all(s.webs[0]->peer);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.code, 200);
	check_int(s.webs[0]->requests, 3);
	scene_close(&s);
}

EVKV_TEST(http_faults, what_is_no_http)
{
	static const char *const rubbish[] = { "rubbish\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n" };
	struct call call = { .calls = 0 };
	struct scene s;

	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		scene_open(&s, 1);
		web_answer_raw(s.webs[0], rubbish[i], strlen(rubbish[i]));
		scene_post(&s, &call, "/", EVKV_LIT("x"));
		check_int(call.fate, EVKV_HTTP_SENT);
		check(evkv_failed(call.status));
		scene_close(&s);
	}
}

/* ---- Taking back --------------------------------------------------------- */

EVKV_TEST(http_faults, a_request_that_is_canceled)
{
	struct call waiting = { .calls = 0 }, running = { .calls = 0 };
	struct call good = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	call_get(&s, &waiting, "/");
	check(evkv_http_cancel(&waiting.http));
	check(!evkv_http_cancel(&waiting.http));
	s.webs[0]->peer->plan.hold = true;
	call_post(&s, &running, "/running", EVKV_LIT("x"));
	rig_until(&s.rig, s.webs[0]->requests == 1);
	check(!evkv_http_cancel(&running.http));
	/* The answer of the canceled one goes nowhere. */
	s.webs[0]->peer->plan.hold = false;
	peer_release(s.webs[0]->peer);
	web_answer(s.webs[0], 201, "text/plain", "good");
	scene_post(&s, &good, "/good", EVKV_LIT("x"));
	check_int(good.code, 201);
	check_str(good.body, "good");
	check_int(waiting.calls + running.calls, 0);
	check_int(scene_counters(&s).running, 0);
	scene_close(&s);
}

EVKV_TEST(http_faults, an_answered_request_is_canceled_before_it_is_told)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	call_get(&s, &call, "/");
	rig_until(&s.rig, scene_counters(&s).running == 1);
	rig_until(&s.rig, scene_counters(&s).running == 0 || call.calls > 0);
	if (call.calls == 0)
		check(!evkv_http_cancel(&call.http));
	rig_turn(&s.rig);
	scene_close(&s);
}

/* ---- Closing ------------------------------------------------------------- */

EVKV_TEST(http_faults, closing_ends_what_is_left)
{
	struct call calls[8], late = { .calls = 0 };
	unsigned sent = 0;
	struct scene s;

	scene_open(&s, 1);
	s.webs[0]->peer->plan.silent = true;
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 8; i++)
		call_post(&s, &calls[i], "/", EVKV_LIT("x"));
	rig_until(&s.rig, scene_counters(&s).running == 4);
	rig_until(&s.rig, calls[3].sendings == 1);
	evkv_http_close(s.client);
	for (size_t i = 0; i < 8; i++) {
		check_int(calls[i].calls, 1);
		check_status(calls[i].status, EVKV_CLOSED);
		sent += calls[i].fate == EVKV_HTTP_SENT;
	}
	check_int(sent, 4);
	evkv_http_close(s.client);
	call_get(&s, &late, "/");
	check_int(late.calls, 0);
	rig_wait(&s.rig, &late.calls);
	check_status(late.status, EVKV_CLOSED);
	scene_close(&s);
}

static void free_client(struct call *call)
{
	struct scene *s = call->arg;

	evkv_http_free(s->client);
	s->client = NULL;
}

EVKV_TEST(http_faults, freeing_inside_end)
{
	struct call first = { .calls = 0 }, second = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	first.then = free_client;
	first.arg = &s;
	call_get(&s, &first, "/");
	s.webs[0]->peer->plan.piece = 20;
	call_get(&s, &second, "/");
	rig_wait(&s.rig, &first.calls);
	rig_wait(&s.rig, &second.calls);
	check(s.client == NULL);
	scene_close(&s);
}

/* evkv_loop_free() with everything under way. */
EVKV_TEST(http_faults, two_clients_share_the_connections_of_a_loop)
{
	struct call call = { .calls = 0 };
	struct evkv_http *other;
	struct scene s;

	scene_open(&s, 1);
	other = s.client;
	scene_client(&s);
	scene_get(&s, &call, "/");
	evkv_http_free(s.client);
	s.client = other;
	scene_get(&s, &call, "/");
	check_int(call.code, 200);
	check_int(s.webs[0]->peer->accepted, 1);
	scene_close(&s);
}
