/*
 * tests/engines/pipeline/cuts_test.c - the connection broken off at every byte,
 * in both directions; replies split at every byte, garbled, late, or one too
 * many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

#define OPS SCENE_OPS

/* Gets and puts in turns; puts rise, so that the server sees their order. */
static void submit_all(struct scene *s)
{
	unsigned i;

	for (i = 0; i < OPS; i++) {
		if (i % 2 == 0)
			check(line_get(s->store, i, &s->answers[i]) != 0);
		else
			check(line_put(s->store, i, 10, &s->answers[i]) != 0);
	}
}

static void check_done(struct scene *s, unsigned i)
{
	char expected[32];

	check_status(s->answers[i].status, EVKV_OK);
	if (i % 2 != 0) {
		check_int(s->server.put[i], 1);
		return;
	}
	snprintf(expected, sizeof(expected), "k%u.", i);
	check_bytes(s->answers[i].entries[0].bytes, evkv_str(expected));
}

/* How many were answered before the rest, all of it sent, was cut. */
static unsigned check_cut(struct scene *s)
{
	unsigned done = 0, i;

	for (i = 0; i < OPS; i++) {
		check_int(s->answers[i].calls, 1);
		if (s->answers[i].status == EVKV_OK) {
			check_int(done, i);
			check_done(s, i);
			done++;
			continue;
		}
		check_status(s->answers[i].status,
		    i % 2 != 0 ? EVKV_UNKNOWN_OUTCOME : EVKV_UNAVAILABLE);
		check_int(s->answers[i].cause, EVKV_CAUSE_RESET);
		check_contains(s->answers[i].message, "127.0.0.1:");
	}
	check(!s->server.out_of_order);
	return done;
}

/* The same store works again, on a new connection. */
static void check_recovered(struct scene *s)
{
	struct answer again = ANSWER_INIT;

	s->peer->plan.cut_in = s->peer->plan.cut_out = PEER_NEVER;
	s->server.cut_after = 0;
	/* What is sent before the end is seen would be cut off too. */
	if (s->peer->cuts > 0)
		rig_until(&s->rig,
		    evkv_pipeline_state(s->pipeline) == EVKV_STATE_DOWN);
	line_get(s->store, 77, &again);
	/* The longest pause, and less than ops may wait. */
	rig_advance(&s->rig, 5000);
	rig_wait(&s->rig, &again.calls);
	check_status(again.status, EVKV_OK);
	check_slice(again.entries[0].bytes, "k77.");
	answer_free(&again);
}

/* Bytes of all commands, and of all replies. */
static void measure(size_t *in, size_t *out)
{
	struct scene s;

	scene_open_ready(&s);
	submit_all(&s);
	scene_wait(&s, OPS);
	check_int(check_cut(&s), OPS);
	*in = peer_taken(s.peer->newest);
	*out = peer_sent(s.peer->newest);
	scene_close(&s);
}

EVKV_TEST(pipeline_cuts, replies_cut_at_every_byte)
{
	unsigned done, last = 0;
	size_t in, out, at;
	struct scene s;

	measure(&in, &out);
	for (at = 0; at <= out; at++) {
		scene_open_ready(&s);
		submit_all(&s);
		s.peer->plan.cut_out = at;
		scene_wait(&s, OPS);
		done = check_cut(&s);
		check_between(done, last, last + 1);
		last = done;
		check_recovered(&s);
		scene_close(&s);
	}
	check_int(last, OPS);
}

EVKV_TEST(pipeline_cuts, commands_cut_at_every_byte)
{
	size_t in, out, at;
	struct scene s;
	unsigned i;

	measure(&in, &out);
	for (at = 1; at <= in; at++) {
		scene_open_ready(&s);
		submit_all(&s);
		s.peer->plan.cut_in = at;
		scene_wait(&s, OPS);
		/* What was not answered may be done, but then whole. */
		check_between(check_cut(&s), 0, s.server.gets + s.server.puts);
		check(s.server.gets + s.server.puts < OPS || at == in);
		for (i = 0; i < OPS; i++)
			check(s.server.put[i] <= 1);
		check_recovered(&s);
		scene_close(&s);
	}
}

EVKV_TEST(pipeline_cuts, reset_at_every_reply)
{
	struct scene s;
	unsigned at;

	for (at = 1; at <= OPS; at++) {
		scene_open_ready(&s);
		s.peer->plan.reset = true;
		s.server.cut_after = at;
		submit_all(&s);
		scene_wait(&s, OPS);
		check_between(check_cut(&s), 0, at);
		check_recovered(&s);
		scene_close(&s);
	}
}

EVKV_TEST(pipeline_cuts, replies_split_at_every_byte)
{
	size_t in, out, piece;
	struct scene s;

	measure(&in, &out);
	for (piece = 1; piece < out; piece++) {
		scene_open_ready(&s);
		s.peer->plan.piece = piece;
		submit_all(&s);
		scene_wait(&s, OPS);
		check_int(check_cut(&s), OPS);
		scene_close(&s);
	}
}

EVKV_TEST(pipeline_cuts, garbage_ends_the_connection)
{
	struct scene s;
	unsigned i;

	scene_open_ready(&s);
	s.server.answer = "?!*\n";
	submit_all(&s);
	scene_wait(&s, OPS);
	check_status(s.answers[0].status, EVKV_CORRUPT);
	for (i = 1; i < OPS; i++)
		check_status(s.answers[i].status,
		    i % 2 != 0 ? EVKV_UNKNOWN_OUTCOME : EVKV_UNAVAILABLE);
	for (i = 0; i < OPS; i++)
		check_int(s.answers[i].cause, EVKV_CAUSE_PROTOCOL);
	s.server.answer = NULL;
	check_recovered(&s);
	check_int(s.peer->accepted, 2);
	scene_close(&s);
}

EVKV_TEST(pipeline_cuts, a_reply_too_many_reaches_no_other_op)
{
	struct scene s;

	scene_open_ready(&s);
	s.server.answer = "v1\nv2\n";
	line_get(s.store, 0, &s.answers[0]);
	rig_wait(&s.rig, &s.answers[0].calls);
	check_slice(s.answers[0].entries[0].bytes, "1");
	rig_until(&s.rig, s.peer->alive == 0);
	s.server.answer = NULL;
	check_recovered(&s);
	scene_close(&s);
}

EVKV_TEST(pipeline_cuts, what_nobody_asked_for_ends_an_idle_connection)
{
	struct scene s;

	scene_open_ready(&s);
	rig_until(&s.rig, s.peer->newest != NULL);
	peer_say(s.peer->newest, "vwrong\n", 7);
	rig_until(&s.rig, s.peer->alive == 0);
	check_recovered(&s);
	scene_close(&s);
}

EVKV_TEST(pipeline_cuts, late_replies_reach_nobody)
{
	struct evkv_pipeline_counters counters;
	struct scene s;
	unsigned i;

	scene_open(&s);
	evkv_store_set_timeout(s.store, 100);
	scene_ready(&s);
	s.peer->plan.hold = true;
	for (i = 0; i < OPS / 2; i++)
		line_get(s.store, i, &s.answers[i]);
	rig_until(&s.rig, s.server.gets == OPS / 2);
	rig_advance(&s.rig, 101);
	for (i = 0; i < OPS / 2; i++) {
		rig_wait(&s.rig, &s.answers[i].calls);
		check_status(s.answers[i].status, EVKV_TIMEOUT);
	}
	evkv_pipeline_counters(s.pipeline, &counters);
	check_int(counters.tombstones, OPS / 2);
	for (; i < OPS; i++)
		line_get(s.store, i, &s.answers[i]);
	rig_until(&s.rig, s.server.gets == OPS);
	s.peer->plan.hold = false;
	peer_release(s.peer);
	for (i = OPS / 2; i < OPS; i++) {
		char expected[32];

		rig_wait(&s.rig, &s.answers[i].calls);
		check_status(s.answers[i].status, EVKV_OK);
		snprintf(expected, sizeof(expected), "k%u.", i);
		check_bytes(s.answers[i].entries[0].bytes, evkv_str(expected));
	}
	evkv_pipeline_counters(s.pipeline, &counters);
	check_int(counters.tombstones, 0);
	check_int(counters.outstanding, 0);
	check_int(s.peer->accepted, 1);
	scene_close(&s);
}

/* Much longer than a piece: it is read on, whatever the size of the pieces. */
EVKV_TEST(pipeline_cuts, a_long_reply_is_read_in_pieces)
{
	size_t size = 3 << 20;
	char *reply = malloc(size + 2);
	struct scene s;

	check(reply != NULL);
	memset(reply, 'v', size + 1);
	reply[size + 1] = '\n';
	scene_open_ready(&s);
	s.peer->plan.silent = true;
	line_get(s.store, 0, &s.answers[0]);
	line_get(s.store, 1, &s.answers[1]);
	rig_until(&s.rig, s.server.gets == 2);
	s.peer->plan.silent = false;
	peer_say(s.peer->newest, reply, size + 2);
	peer_say(s.peer->newest, "vnext\n", 6);
	scene_wait(&s, 2);
	check_int(s.answers[0].entries[0].bytes.size, size);
	check_slice(s.answers[1].entries[0].bytes, "next");
	free(reply);
	scene_close(&s);
}

/* A driver that waits for the end of a reply that has none. */
EVKV_TEST(pipeline_cuts, input_is_bounded)
{
	char endless[4096];
	struct scene s;
	unsigned i;

	memset(endless, 'v', sizeof(endless));
	scene_begin(&s);
	s.options.pipeline.max_input_bytes = 100000;
	scene_store(&s);
	scene_ready(&s);
	s.peer->plan.silent = true;
	line_get(s.store, 0, &s.answers[0]);
	line_get(s.store, 2, &s.answers[2]);
	line_put(s.store, 1, 10, &s.answers[1]);
	rig_until(&s.rig, s.server.puts == 1);
	s.peer->plan.silent = false;
	for (i = 0; i < 50; i++) {
		if (s.peer->newest != NULL)
			peer_say(s.peer->newest, endless, sizeof(endless));
		rig_single_turn(&s.rig);
		check(scene_counters(&s).buffer_bytes < 1 << 20);
	}
	scene_wait(&s, 3);
	check_status(s.answers[0].status, EVKV_TOO_LARGE);
	check_status(s.answers[1].status, EVKV_UNKNOWN_OUTCOME);
	check_status(s.answers[2].status, EVKV_UNAVAILABLE);
	check_int(s.answers[2].cause, EVKV_CAUSE_PROTOCOL);
	check_recovered(&s);
	scene_close(&s);
}
