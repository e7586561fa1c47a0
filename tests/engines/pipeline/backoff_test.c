/*
 * tests/engines/pipeline/backoff_test.c - the pause between two tries, and what
 * operations do to it.
 */
#include <stdlib.h>
#include <string.h>

#include "engines/pipeline/pipeline.h"
#include "scene.h"

static uint64_t attempts(struct scene *s)
{
	return scene_counters(s).attempts;
}

/* Milliseconds until the next try; the server may refuse it at once. */
static int64_t until_next_try(struct scene *s)
{
	uint64_t before = attempts(s);
	int64_t waited;

	for (waited = 0; attempts(s) == before; waited++) {
		check_between(waited, 0, 5000);
		rig_advance(&s->rig, 1);
	}
	return waited;
}

/* A scene in a pause of a second, of which a random part is left out. */
static void long_pause(struct scene *s)
{
	unsigned i;

	scene_begin(s);
	peer_refuse(s->peer);
	scene_store(s);
	scene_until(s, EVKV_STATE_DOWN);
	for (i = 0; i < 8; i++) {
		(void)until_next_try(s);
		rig_until(&s->rig, s->pipeline->phase == PHASE_BACKOFF);
	}
	check_between(s->pipeline->pause_us, 500000, 1000000);
}

EVKV_TEST(pipeline_backoff, an_operation_brings_the_next_try_forward)
{
	int64_t pause, waited;
	struct scene s;

	long_pause(&s);
	pause = s.pipeline->pause_us / 1000;
	line_get(s.store, 1, &s.answers[0]);
	waited = until_next_try(&s);
	check_between(waited, pause / 4, pause * 3 / 8 + 1);
	/* It still waits, which counts for the next pause, too. */
	rig_until(&s.rig, s.pipeline->phase == PHASE_BACKOFF);
	pause = s.pipeline->pause_us / 1000;
	check_between(until_next_try(&s), pause / 4, pause * 3 / 8 + 1);
	scene_close(&s);
}

/* One that comes late begins the try; but no more than once in a pause. */
EVKV_TEST(pipeline_backoff, once_in_a_pause)
{
	int64_t pause, due;
	struct scene s;
	unsigned i;

	long_pause(&s);
	pause = s.pipeline->pause_us / 1000;
	rig_advance(&s.rig, pause / 2);
	line_get(s.store, 1, &s.answers[0]);
	check_between(until_next_try(&s), 0, 1);
	rig_until(&s.rig, s.pipeline->phase == PHASE_BACKOFF);
	check(s.pipeline->hurried);
	due = s.pipeline->timer.at_us;
	for (i = 1; i < 10; i++) {
		line_get(s.store, i, &s.answers[i]);
		check_int(s.pipeline->timer.at_us, due);
	}
	scene_close(&s);
}

/* Also of those that do not wait, and of a wait_ready. */
EVKV_TEST(pipeline_backoff, operations_that_fail_fast_hurry_it_too)
{
	int64_t pause;
	struct scene s;

	scene_begin(&s);
	s.options.pipeline.fail_fast = true;
	s.options.pipeline.backoff_min_ms = 1000;
	peer_refuse(s.peer);
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	pause = s.pipeline->pause_us / 1000;
	line_get(s.store, 1, &s.answers[0]);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_UNAVAILABLE);
	check_between(until_next_try(&s), pause / 4, pause * 3 / 8 + 1);
	rig_until(&s.rig, s.pipeline->phase == PHASE_BACKOFF);
	pause = s.pipeline->pause_us / 1000;
	evkv_store_wait_ready(s.store, -1, answer_cb, &s.answers[1]);
	check_between(until_next_try(&s), pause / 4, pause * 3 / 8 + 1);
	scene_wait(&s, 2);
	scene_close(&s);
}

/* Who was refused hurries nobody, until somebody says that it is changed. */
EVKV_TEST(pipeline_backoff, a_refusal_is_waited_out)
{
	int64_t pause;
	struct scene s;

	scene_begin(&s);
	s.server.auth_error = "!wrong";
	s.options.password = "p";
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	check(s.pipeline->failure.denied);
	pause = s.pipeline->pause_us / 1000;
	check_int(pause, 1000);
	line_get(s.store, 1, &s.answers[0]);
	scene_wait(&s, 1);
	check_status(s.answers[0].status, EVKV_REFUSED);
	check_int(until_next_try(&s), pause);
	rig_until(&s.rig, s.pipeline->phase == PHASE_BACKOFF);
	s.server.auth_error = NULL;
	evkv_pipeline_try_now(s.pipeline);
	check_between(until_next_try(&s), 0, 1);
	scene_ready(&s);
	/* Nothing to bring forward. */
	evkv_pipeline_try_now(s.pipeline);
	check_int(evkv_pipeline_state(s.pipeline), EVKV_STATE_READY);
	scene_close(&s);
}

/* Accepted and lost, again and again: pauses grow, though it was ready. */
EVKV_TEST(pipeline_backoff, pauses_grow_while_connections_are_lost_at_once)
{
	int64_t low = 25, high = 50;
	struct scene s;
	unsigned i;

	/* Answers to a handshake are none. */
	scene_begin(&s);
	s.options.password = "p";
	scene_store(&s);
	scene_ready(&s);
	for (i = 0; i < 7; i++) {
		peer_cut_all(s.peer);
		scene_until(&s, EVKV_STATE_DOWN);
		check_between(s.pipeline->pause_us / 1000, low, high);
		(void)until_next_try(&s);
		scene_ready(&s);
		high = high * 2 < 1000 ? high * 2 : 1000;
		low = high / 2;
	}
	/* An answer makes it a connection that was of use. */
	line_get(s.store, 1, &s.answers[0]);
	scene_wait(&s, 1);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	check_between(s.pipeline->pause_us / 1000, 25, 50);
	/* So does a time without one, as long as the longest pause. */
	for (i = 0; i < 4; i++) {
		(void)until_next_try(&s);
		scene_ready(&s);
		peer_cut_all(s.peer);
		scene_until(&s, EVKV_STATE_DOWN);
	}
	check_between(s.pipeline->pause_us / 1000, 400, 800);
	(void)until_next_try(&s);
	scene_ready(&s);
	rig_advance(&s.rig, 1000);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	check_between(s.pipeline->pause_us / 1000, 25, 50);
	scene_close(&s);
}

/* ---- Many clients of one server ---------------------------------------- */

#define CROWD 300
#define STEP_MS 10
#define DOWN_STEPS 700 /* seven seconds */

struct crowd {
	struct scene s;
	struct evkv_store *stores[CROWD];
	unsigned pending[CROWD];
};

static void crowd_told(const struct evkv_result *result, void *arg)
{
	(void)result;
	(*(unsigned *)arg)--;
}

/* Every store has one operation under way, and begins the next one. */
static void crowd_step(struct crowd *c)
{
	unsigned i;

	rig_advance(&c->s.rig, STEP_MS);
	rig_turn(&c->s.rig);
	for (i = 0; i < CROWD; i++) {
		if (c->pending[i] > 0)
			continue;
		c->pending[i]++;
		check(evkv_get(c->stores[i], EVKV_LIT("c"), EVKV_LIT("k1"),
			  crowd_told, &c->pending[i]) != 0);
	}
}

/* Busy stores come back soon after their server, but not all at once. */
EVKV_TEST(pipeline_backoff, many_busy_stores_spread_out)
{
	unsigned i, before, most = 0, steps;
	struct crowd *c = calloc(1, sizeof(*c));
	uint64_t tries;

	check(c != NULL);
	scene_begin(&c->s);
	for (i = 0; i < CROWD; i++) {
		c->stores[i] = line_new(c->s.rig.loop, &c->s.options, NULL,
		    NULL);
		check(c->stores[i] != NULL);
	}
	scene_store(&c->s);
	for (i = 0; i < 20; i++)
		crowd_step(c);
	check_int(c->s.peer->accepted, CROWD + 1);
	peer_refuse(c->s.peer);
	peer_cut_all(c->s.peer);
	for (i = 0; i < DOWN_STEPS; i++)
		crowd_step(c);
	/* Four times a second, when pauses are the longest; seven at most. */
	tries = attempts(&c->s);
	check_between(tries, 7, 60);
	peer_accept(c->s.peer);
	before = c->s.peer->accepted;
	for (steps = 0; c->s.peer->accepted < before + CROWD; steps++) {
		unsigned last = c->s.peer->accepted, j;

		check_between(steps, 0, 9);
		for (j = 0; j < 100 / STEP_MS; j++)
			crowd_step(c);
		if (c->s.peer->accepted - last > most)
			most = c->s.peer->accepted - last;
	}
	/* All within half a second; in no tenth of one more than two thirds. */
	check_between(steps, 2, 5);
	check_between(most, CROWD / 5, CROWD * 2 / 3);
	for (i = 0; i < CROWD; i++)
		evkv_store_unref(c->stores[i]);
	scene_close(&c->s);
	free(c);
}
