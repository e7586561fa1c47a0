/*
 * tests/engines/pipeline/offline_test.c - without a server: what waits, for how
 * long, how much of it; the backoff; what full sockets and silent servers do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines/pipeline/pipeline.h"
#include "scene.h"

#define FLOOD 100000

struct tally {
	unsigned calls, busy, unavailable, unknown, timeout, other;
};

static void tally_cb(const struct evkv_result *result, void *arg)
{
	struct tally *tally = arg;

	tally->calls++;
	if (result->status == EVKV_BUSY)
		tally->busy++;
	else if (result->status == EVKV_UNAVAILABLE)
		tally->unavailable++;
	else if (result->status == EVKV_UNKNOWN_OUTCOME)
		tally->unknown++;
	else if (result->status == EVKV_TIMEOUT)
		tally->timeout++;
	else
		tally->other++;
}

static void flood(struct scene *s, unsigned count, struct tally *tally)
{
	char key[16], bytes[200];
	struct evkv_slice value;
	unsigned i;

	memset(bytes, 'f', sizeof(bytes));
	value = evkv_bytes(bytes, sizeof(bytes));
	for (i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "k%u", i % LINE_KEYS);
		check(evkv_put(s->store, EVKV_LIT("c"), evkv_str(key), value, 0,
			  tally_cb, tally) != 0);
	}
}

EVKV_TEST(pipeline_offline, a_flood_without_a_server_stays_within_bounds)
{
	struct evkv_pipeline_counters counters;
	struct tally tally = { 0 };
	struct scene s;
	size_t before;

	scene_open_refused(&s);
	before = evkv_pipeline_state(s.pipeline) == EVKV_STATE_CONNECTING;
	check_int(before, 1);
	flood(&s, FLOOD, &tally);
	counters = scene_counters(&s);
	check_int(counters.waiting, 10000);
	check_between(counters.waiting_bytes, 1, 64 << 20);
	check_int(counters.outstanding, 0);
	check_int(counters.buffer_bytes, 0);
	rig_until(&s.rig, tally.calls == FLOOD - 10000);
	check_int(tally.busy, FLOOD - 10000);
	rig_advance(&s.rig, 10001);
	rig_until(&s.rig, tally.calls == FLOOD);
	check_int(tally.unavailable, 10000);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, a_flood_on_a_deaf_server_stays_within_bounds)
{
	struct evkv_pipeline_counters counters;
	struct tally tally = { 0 };
	struct scene s;

	/* What the kernel takes is small against what is offered. */
	scene_begin_with(&s, &(struct peer_options){ .receive_buffer = 8192 });
	s.peer->plan.deaf = true;
	s.options.pipeline.max_output_bytes = 65536;
	s.options.max_pending = 50000;
	scene_store(&s);
	scene_ready(&s);
	flood(&s, FLOOD, &tally);
	counters = scene_counters(&s);
	check_between(counters.output_bytes, 65536, 65536 + 300);
	check_int(counters.outstanding + counters.waiting, 50000);
	check_between(counters.buffer_bytes, 1, 300000);
	rig_until(&s.rig, tally.calls == FLOOD - 50000);
	rig_turn_waiting(&s.rig);
	/* Silent: the sent end, and of those that wait all but the bound. */
	rig_advance(&s.rig, 10001);
	counters = scene_counters(&s);
	check_int(counters.outstanding, 0);
	check_int(counters.waiting, 10000);
	rig_until(&s.rig, tally.calls == FLOOD - 10000);
	check_int(tally.busy, FLOOD - 50000);
	check(tally.unknown > 0);
	check_int(tally.other, 0);
	/* The server is back: the rest is done, once each. */
	s.peer->plan.deaf = false;
	rig_advance(&s.rig, 5000);
	rig_until(&s.rig, tally.calls == FLOOD);
	check_int(tally.other, 10000);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, what_waited_is_sent_in_order)
{
	struct scene s;
	unsigned i;

	scene_open_refused(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	for (i = 0; i < SCENE_OPS; i++)
		line_put(s.store, i, 10, &s.answers[i]);
	peer_accept(s.peer);
	rig_advance(&s.rig, 60);
	scene_wait(&s, SCENE_OPS);
	for (i = 0; i < SCENE_OPS; i++) {
		check_status(s.answers[i].status, EVKV_OK);
		check_int(s.server.put[i], 1);
		if (i > 0)
			check(s.answers[i].order > s.answers[i - 1].order);
	}
	check(!s.server.out_of_order);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, failure_tells_why)
{
	struct scene s;
	char expected[64];

	scene_begin(&s);
	peer_refuse(s.peer);
	s.options.pipeline.fail_fast = true;
	scene_store(&s);
	line_put(s.store, 1, 10, &s.answers[0]);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_UNAVAILABLE);
	check_int(s.answers[0].cause, EVKV_CAUSE_CONNECT);
	check_int(s.answers[0].sys_error, ECONNREFUSED);
	snprintf(expected, sizeof(expected), "line 127.0.0.1:%d: %s",
	    s.peer->port, strerror(ECONNREFUSED));
	check_str(s.answers[0].message, expected);
	/* From now on at once: it ends in the turn after. */
	line_get(s.store, 1, &s.answers[1]);
	check_int(s.answers[1].calls, 0);
	rig_single_turn(&s.rig);
	check_int(s.answers[1].calls, 1);
	check_int(s.answers[1].cause, EVKV_CAUSE_CONNECT);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, waiting_ends_at_its_age)
{
	struct scene s;

	scene_begin(&s);
	peer_refuse(s.peer);
	s.options.pipeline.max_offline_ms = 1000;
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	line_put(s.store, 1, 10, &s.answers[0]);
	rig_advance(&s.rig, 400);
	line_put(s.store, 2, 10, &s.answers[1]);
	rig_advance(&s.rig, 599);
	rig_turn(&s.rig);
	check_int(s.answers[0].calls, 0);
	rig_advance(&s.rig, 2);
	scene_wait(&s, 1);
	rig_turn(&s.rig);
	check_int(s.answers[1].calls, 0);
	check_status(s.answers[0].status, EVKV_UNAVAILABLE);
	check_int(s.answers[0].cause, EVKV_CAUSE_OFFLINE);
	check_contains(s.answers[0].message, strerror(ECONNREFUSED));
	rig_advance(&s.rig, 400);
	scene_wait(&s, 2);
	scene_close(&s);
}

/* The first try is not over yet: there is no other reason to tell. */
EVKV_TEST(pipeline_offline, waiting_ends_before_the_try_does)
{
	struct scene s;

	scene_begin(&s);
	s.peer->plan.silent = true;
	s.options.password = "p";
	s.options.pipeline.max_offline_ms = 1000;
	scene_store(&s);
	line_put(s.store, 1, 10, &s.answers[0]);
	rig_until(&s.rig, s.server.handshakes == 1);
	rig_advance(&s.rig, 1001);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_UNAVAILABLE);
	check_int(s.answers[0].cause, EVKV_CAUSE_OFFLINE);
	check_contains(s.answers[0].message, "no connection within 1000 ms");
	check_int(evkv_pipeline_state(s.pipeline), EVKV_STATE_CONNECTING);
	scene_close(&s);
}

/* Each pause is within its half-open range, and at most the maximum. */
EVKV_TEST(pipeline_offline, pauses_grow_to_the_maximum)
{
	int64_t low = 25, high = 50, waited;
	uint64_t attempts;
	struct scene s;
	unsigned i;

	scene_open_refused(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	for (i = 0; i < 12; i++) {
		attempts = scene_counters(&s).attempts;
		for (waited = 0;
		     scene_counters(&s).attempts == attempts && waited <= 1000;
		     waited++)
			rig_advance(&s.rig, 1);
		check_between(waited, low, high);
		rig_turn(&s.rig);
		rig_turn(&s.rig);
		high = high * 2 < 1000 ? high * 2 : 1000;
		low = high / 2;
	}
	scene_close(&s);
}

/* A maximum that is given holds for the first pause, too. */
EVKV_TEST(pipeline_offline, a_maximum_below_the_usual_first_pause)
{
	struct scene s;

	scene_begin(&s);
	s.options.pipeline.backoff_max_ms = 10;
	peer_refuse(s.peer);
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	check_int(scene_counters(&s).attempts, 1);
	rig_advance(&s.rig, 10);
	check_int(scene_counters(&s).attempts, 2);
	scene_close(&s);
}

/* A connection that breaks off at once is no reason to hurry. */
EVKV_TEST(pipeline_offline, success_begins_the_backoff_anew)
{
	uint64_t attempts;
	struct scene s;
	unsigned i;

	scene_begin(&s);
	s.peer->plan.cut_out = 0;
	scene_store(&s);
	for (i = 0; i < 8; i++) {
		attempts = scene_counters(&s).attempts;
		rig_until(&s.rig, s.peer->accepted == attempts + (i == 0));
		scene_until(&s, EVKV_STATE_DOWN);
		rig_advance(&s.rig, 5000);
	}
	check_between(scene_counters(&s).attempts, 8, 9);
	s.peer->plan.cut_out = PEER_NEVER;
	rig_advance(&s.rig, 5000);
	line_get(s.store, 1, &s.answers[0]);
	rig_advance(&s.rig, 5000);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_OK);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	attempts = scene_counters(&s).attempts;
	rig_advance(&s.rig, 50);
	check_int(scene_counters(&s).attempts, attempts + 1);
	check(scene_counters(&s).reconnects > 0);
	scene_close(&s);
}

static evkv_ticket get_within(struct scene *s, int64_t timeout_ms,
    struct answer *answer)
{
	struct evkv_slice key = EVKV_LIT("k1");

	return evkv_submit(s->store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.keys = &key,
		.count = 1,
		.timeout_ms = timeout_ms },
	    answer_cb, answer);
}

/* What is for several waits until the last of them has to be told. */
struct shared {
	int64_t deadline_us;
	unsigned calls;
	enum evkv_status status;
	enum evkv_cause cause;
};

static int64_t shared_deadline(void *arg)
{
	return ((struct shared *)arg)->deadline_us;
}

static void shared_told(struct evkv_op *child, void *arg)
{
	struct shared *shared = arg;

	shared->calls++;
	shared->status = evkv_op_result(child)->status;
	shared->cause = evkv_op_result(child)->cause;
}

EVKV_TEST(pipeline_offline, a_deadline_that_grows_is_asked_for_again)
{
	struct shared shared = { .calls = 0 };
	struct evkv_slice key = EVKV_LIT("k");
	const struct evkv_request request = {
		.kind = EVKV_OP_GET, .count = 1, .keys = &key
	};
	struct evkv_op *child;
	struct scene s;

	scene_open_refused(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	shared.deadline_us = evkv_loop_now_us(s.rig.loop) + 800000;
	child = evkv_child_submit(NULL, s.store, &request, 0, shared_told,
	    &shared);
	check(child != NULL);
	evkv_child_set_deadline(child, shared_deadline);
	rig_turn(&s.rig);
	shared.deadline_us += 800000;
	rig_advance(&s.rig, 750);
	rig_turn(&s.rig);
	check_int(shared.calls, 0);
	rig_advance(&s.rig, 700);
	rig_wait(&s.rig, &shared.calls);
	check_status(shared.status, EVKV_UNAVAILABLE);
	check_int(shared.cause, EVKV_CAUSE_OFFLINE);
	scene_close(&s);
}

/* That the server is dead is told, and why, before the deadline says less. */
EVKV_TEST(pipeline_offline, a_dead_server_is_told_within_the_deadline)
{
	struct scene s;

	scene_open_refused(&s);
	/* Also to those that were there before it was known. */
	check(get_within(&s, 1000, &s.answers[0]) != 0);
	scene_until(&s, EVKV_STATE_DOWN);
	check(get_within(&s, 500, &s.answers[1]) != 0);
	check(get_within(&s, 100000, &s.answers[2]) != 0);
	rig_turn(&s.rig);
	rig_advance(&s.rig, 430);
	rig_turn(&s.rig);
	check_int(s.answers[1].calls, 0);
	rig_advance(&s.rig, 20);
	rig_wait(&s.rig, &s.answers[1].calls);
	rig_advance(&s.rig, 400);
	rig_turn(&s.rig);
	check_int(s.answers[0].calls, 0);
	rig_advance(&s.rig, 40);
	rig_wait(&s.rig, &s.answers[0].calls);
	rig_advance(&s.rig, 9200);
	scene_wait(&s, 3);
	for (unsigned i = 0; i < 3; i++) {
		check_status(s.answers[i].status, EVKV_UNAVAILABLE);
		check_int(s.answers[i].cause, EVKV_CAUSE_OFFLINE);
		check_int(s.answers[i].sys_error, ECONNREFUSED);
		check_contains(s.answers[i].message, "Connection refused");
	}
	/* A server that is there and slow is another matter. */
	peer_accept(s.peer);
	s.peer->plan.silent = true;
	rig_advance(&s.rig, 1000);
	scene_ready(&s);
	check(get_within(&s, 500, &s.answers[3]) != 0);
	rig_turn(&s.rig);
	rig_advance(&s.rig, 499);
	rig_turn(&s.rig);
	check_int(s.answers[3].calls, 0);
	rig_advance(&s.rig, 2);
	scene_wait(&s, 4);
	check_status(s.answers[3].status, EVKV_TIMEOUT);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, wait_ready_tells_the_first_outcome)
{
	struct answer waits[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	struct scene s;

	scene_open_refused(&s);
	evkv_store_wait_ready(s.store, -1, answer_cb, &waits[0]);
	rig_wait(&s.rig, &waits[0].calls);
	check_status(waits[0].status, EVKV_UNAVAILABLE);
	check_int(waits[0].cause, EVKV_CAUSE_CONNECT);
	peer_accept(s.peer);
	evkv_store_wait_ready(s.store, -1, answer_cb, &waits[1]);
	rig_advance(&s.rig, 60);
	rig_wait(&s.rig, &waits[1].calls);
	check_status(waits[1].status, EVKV_OK);
	evkv_store_wait_ready(s.store, -1, answer_cb, &waits[2]);
	rig_wait(&s.rig, &waits[2].calls);
	check_status(waits[2].status, EVKV_OK);
	/* Who does not wait any more is told so, and by nobody else. */
	peer_refuse(s.peer);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	evkv_cancel(s.rig.loop,
	    evkv_store_wait_ready(s.store, -1, answer_cb, &s.answers[0]));
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_CANCELED);
	check_int(s.server.commands, 0);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, a_refused_password_ends_what_waits)
{
	struct scene s;

	scene_begin(&s);
	s.options.password = "topsecret";
	s.server.auth_error = "!wrong\tpassword";
	scene_store(&s);
	line_put(s.store, 1, 10, &s.answers[0]);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_REFUSED);
	check_int(s.answers[0].cause, EVKV_CAUSE_AUTH);
	check_contains(s.answers[0].message, "wrong?password");
	check(strstr(s.answers[0].message, "topsecret") == NULL);
	/* At the maximum, and nothing waits for that. */
	rig_advance(&s.rig, 999);
	rig_turn(&s.rig);
	check_int(s.peer->accepted, 1);
	line_put(s.store, 1, 10, &s.answers[1]);
	scene_wait(&s, 2);
	check_status(s.answers[1].status, EVKV_REFUSED);
	s.server.auth_error = NULL;
	rig_advance(&s.rig, 1);
	scene_ready(&s);
	line_put(s.store, 1, 10, &s.answers[2]);
	scene_wait(&s, 3);
	check_status(s.answers[2].status, EVKV_OK);
	check_int(s.server.puts, 1);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, a_stall_is_noticed_and_progress_is_none)
{
	struct scene s;

	scene_open_ready(&s);
	s.peer->plan.silent = true;
	line_get(s.store, 1, &s.answers[0]);
	rig_until(&s.rig, s.server.gets == 1);
	rig_advance(&s.rig, 9000);
	/* Not a reply yet, but a sign of life. */
	s.peer->plan.silent = false;
	peer_say(s.peer->newest, "vhal", 4);
	s.peer->plan.silent = true;
	rig_turn_waiting(&s.rig);
	rig_turn_waiting(&s.rig);
	rig_advance(&s.rig, 9000);
	check_int(s.answers[0].calls, 0);
	/* What can be read is read before time is called. */
	s.peer->plan.silent = false;
	peer_say(s.peer->newest, "f\n", 2);
	rig_advance(&s.rig, 1001);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_OK);
	check_slice(s.answers[0].entries[0].bytes, "half");
	/* An idle connection does not stall. */
	rig_advance(&s.rig, 100000);
	rig_turn(&s.rig);
	check_int(evkv_pipeline_state(s.pipeline), EVKV_STATE_READY);
	s.peer->plan.silent = true;
	line_get(s.store, 1, &s.answers[1]);
	rig_until(&s.rig, s.server.gets == 2);
	rig_advance(&s.rig, 10001);
	scene_wait(&s, 2);
	check_status(s.answers[1].status, EVKV_UNAVAILABLE);
	check_int(s.answers[1].cause, EVKV_CAUSE_STALL);
	scene_close(&s);
}

/* The kernel takes what is sent into the void: that is no sign of life. */
EVKV_TEST(pipeline_offline, sending_on_does_not_hide_a_stall)
{
	struct scene s;
	unsigned i;

	scene_open_ready(&s);
	s.peer->plan.deaf = true;
	for (i = 0; i < 10; i++) {
		line_put(s.store, i, 10, &s.answers[i]);
		rig_turn_waiting(&s.rig);
		check_int(evkv_pipeline_state(s.pipeline), EVKV_STATE_READY);
		rig_advance(&s.rig, 1000);
	}
	scene_wait(&s, 10);
	for (i = 0; i < 10; i++) {
		check_status(s.answers[i].status, EVKV_UNKNOWN_OUTCOME);
		check_int(s.answers[i].cause, EVKV_CAUSE_STALL);
	}
	scene_close(&s);
}

/* But what a full socket takes is: the server reads, if slowly. */
EVKV_TEST(pipeline_offline, a_slow_upload_is_no_stall)
{
	int size = 65536;
	struct scene s;
	unsigned i, j;

	scene_begin_with(&s, &(struct peer_options){ .receive_buffer = 8192 });
	s.peer->plan.deaf = true;
	scene_store(&s);
	scene_ready(&s);
	/* Full sooner than all is written. */
	check(setsockopt(s.pipeline->net.fd, SOL_SOCKET, SO_SNDBUF, &size,
		  sizeof(size)) == 0);
	line_put(s.store, 1, 2 << 20, &s.answers[0]);
	rig_turn_waiting(&s.rig);
	for (i = 0; i < 4; i++) {
		size_t before = scene_counters(&s).output_bytes;

		check(before > 0);
		for (j = 0;
		     j < 20000 && scene_counters(&s).output_bytes == before;
		     j++) {
			peer_gulp(s.peer, 65536);
			rig_turn(&s.rig);
		}
		check(scene_counters(&s).output_bytes < before);
		rig_advance(&s.rig, 6000);
		check_int(evkv_pipeline_state(s.pipeline), EVKV_STATE_READY);
	}
	s.peer->plan.deaf = false;
	peer_release(s.peer);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_OK);
	scene_close(&s);
}

/* Buffers that a large value has grown are given back. */
EVKV_TEST(pipeline_offline, idle_buffers_shrink)
{
	struct scene s;

	scene_open_ready(&s);
	line_put(s.store, 1, 4 << 20, &s.answers[0]);
	check(scene_counters(&s).buffer_bytes >= 4 << 20);
	scene_wait(&s, 1);
	rig_advance(&s.rig, 10001);
	rig_advance(&s.rig, 10001);
	check(scene_counters(&s).buffer_bytes <= 65536);
	scene_close(&s);
}

EVKV_TEST(pipeline_offline, options_are_checked)
{
	static const struct {
		struct evkv_pipeline_options options;
		const char *word;
	} cases[] = {
		{ { .port = 0 }, "port" },
		{ { .port = 65536 }, "port" },
		{ { .port = 1, .connect_timeout_ms = -1 },
		    "connect_timeout_ms" },
		{ { .port = 1, .stall_timeout_ms = -2 }, "stall_timeout_ms" },
		{ { .port = 1, .backoff_max_ms = -1 }, "backoff_max_ms" },
		{ { .unix_path = "" }, "unix_path" },
		{ { .unix_path = "/tmp/x", .host = "h" }, "both" },
	};
	struct evkv_error error;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct line_options options = {
			.pipeline = cases[i].options,
		};

		error = (struct evkv_error)EVKV_ERROR_INIT;
		check(line_new(rig.loop, &options, NULL, &error) == NULL);
		check_status(error.status, EVKV_INVALID);
		check_invalid(error, cases[i].word);
	}
	rig_close(&rig);
}
