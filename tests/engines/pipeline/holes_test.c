/*
 * tests/engines/pipeline/holes_test.c - writes that are taken back, or cut off,
 * while the socket is full: what was told to have no effect must have none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pick.h"
#include "scene.h"

#define PUTS 2000

struct puts {
	struct scene s;
	struct answer *answers;
	evkv_ticket tickets[PUTS];
	uint64_t random;
};

static unsigned pick(struct puts *p, unsigned below)
{
	return pick_below(&p->random, below);
}

static void puts_open(struct puts *p, uint64_t seed, size_t max_output)
{
	memset(p, 0, sizeof(*p));
	p->random = seed;
	p->answers = calloc(PUTS, sizeof(*p->answers));
	check(p->answers != NULL);
	scene_begin_with(&p->s,
	    &(struct peer_options){ .receive_buffer = 8192 });
	p->s.options.pipeline.max_output_bytes = max_output;
	p->s.options.pipeline.max_offline_slots = PUTS;
	p->s.peer->plan.deaf = true;
	scene_store(&p->s);
	scene_ready(&p->s);
}

static void puts_close(struct puts *p)
{
	unsigned i;

	scene_close(&p->s);
	for (i = 0; i < PUTS; i++) {
		check_int(p->answers[i].calls, 1);
		answer_free(&p->answers[i]);
	}
	free(p->answers);
}

static void submit_some(struct puts *p, unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++)
		p->tickets[i] = line_put(p->s.store, i,
		    pick(p, 10) == 0 ? pick(p, 100000) : pick(p, 5000),
		    &p->answers[i]);
}

static void cancel_some(struct puts *p, unsigned below, unsigned count)
{
	while (count-- > 0)
		evkv_cancel(p->s.rig.loop, p->tickets[pick(p, below)]);
}

/* Everything is told, and what is told is true. */
static void check_truth(struct puts *p)
{
	unsigned i, j, done = 0, canceled = 0;

	for (i = 0; i < PUTS; i++)
		rig_wait(&p->s.rig, &p->answers[i].calls);
	for (j = 0; j < 5; j++)
		rig_turn_waiting(&p->s.rig);
	for (i = 0; i < PUTS; i++) {
		switch (p->answers[i].status) {
		case EVKV_OK:
			check_int(p->s.server.put[i], 1);
			done++;
			break;
		case EVKV_UNKNOWN_OUTCOME:
			check_between(p->s.server.put[i], 0, 1);
			break;
		case EVKV_CANCELED:
		case EVKV_UNAVAILABLE:
			check_int(p->s.server.put[i], 0);
			canceled++;
			break;
		default:
			fail_test("%u ended with %s", i,
			    evkv_status_name(p->answers[i].status));
		}
	}
	check(!p->s.server.out_of_order);
	check(done > 0 && canceled > 0);
}

static void run_canceled(uint64_t seed, size_t max_output)
{
	struct evkv_pipeline_counters counters;
	struct puts p;
	unsigned step;

	puts_open(&p, seed, max_output);
	for (step = 0; step < 10; step++) {
		submit_some(&p, step * PUTS / 10, (step + 1) * PUTS / 10);
		rig_turn(&p.s.rig);
		cancel_some(&p, (step + 1) * PUTS / 10, 60);
		rig_turn(&p.s.rig);
		if (step == 4) {
			p.s.peer->plan.deaf = false;
			peer_release(p.s.peer);
			rig_turn(&p.s.rig);
			p.s.peer->plan.deaf = true;
		}
	}
	p.s.peer->plan.deaf = false;
	peer_release(p.s.peer);
	check_truth(&p);
	counters = scene_counters(&p.s);
	check_int(counters.outstanding, 0);
	check_int(counters.tombstones, 0);
	check_int(counters.waiting, 0);
	check_int(counters.waiting_bytes, 0);
	check_int(counters.output_bytes, 0);
	check_int(p.s.peer->accepted, 1);
	puts_close(&p);
}

EVKV_TEST(pipeline_holes, canceled_writes_are_held_back)
{
	uint64_t seed;

	for (seed = 1; seed <= 8; seed++)
		run_canceled(seed, 64 << 20);
}

EVKV_TEST(pipeline_holes, so_are_those_that_wait_for_room)
{
	uint64_t seed;

	for (seed = 1; seed <= 8; seed++)
		run_canceled(seed, 20000);
}

/* Cut off in the middle, with holes, and then reconnected. */
EVKV_TEST(pipeline_holes, a_full_socket_that_breaks)
{
	struct puts p;
	uint64_t seed;

	for (seed = 1; seed <= 8; seed++) {
		puts_open(&p, seed, seed % 2 == 0 ? 1 << 20 : 64 << 20);
		submit_some(&p, 0, PUTS / 2);
		rig_turn(&p.s.rig);
		cancel_some(&p, PUTS / 2, 100);
		rig_turn(&p.s.rig);
		p.s.peer->plan.deaf = false;
		p.s.peer->plan.reset = true;
		p.s.peer->plan.cut_in = 100000 * seed;
		peer_release(p.s.peer);
		scene_until(&p.s, EVKV_STATE_DOWN);
		p.s.peer->plan.cut_in = PEER_NEVER;
		submit_some(&p, PUTS / 2, PUTS);
		rig_advance(&p.s.rig, 5000);
		check_truth(&p);
		puts_close(&p);
	}
}

/* A batch of which some were sent counts as sent, from the first on. */
EVKV_TEST(pipeline_holes, a_batch_counts_from_its_first_write)
{
	struct evkv_slice keys[50], values[50];
	struct answer answer = ANSWER_INIT;
	char names[50][8], *value;
	struct scene s;
	unsigned i;

	value = malloc(1 << 20);
	check(value != NULL);
	memset(value, 'y', 1 << 20);
	for (i = 0; i < 50; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		keys[i] = evkv_str(names[i]);
		values[i] = evkv_bytes(value, 1 << 20);
	}
	scene_begin(&s);
	s.peer->plan.deaf = true;
	scene_store(&s);
	scene_ready(&s);
	evkv_put_many(s.store, EVKV_LIT("c"), keys, values, 50, 0, answer_cb,
	    &answer);
	rig_turn_waiting(&s.rig);
	rig_turn_waiting(&s.rig);
	check(scene_counters(&s).output_bytes > 1 << 20);
	s.peer->plan.reset = true;
	peer_cut_all(s.peer);
	rig_wait(&s.rig, &answer.calls);
	check_status(answer.status, EVKV_UNKNOWN_OUTCOME);
	answer_free(&answer);
	free(value);
	scene_close(&s);
}

/* A batch that was answered in part tells which part. */
EVKV_TEST(pipeline_holes, a_batch_cut_in_its_replies)
{
	const struct evkv_slice keys[] = { EVKV_LIT("k1"), EVKV_LIT("k2"),
		EVKV_LIT("k3") };
	const struct evkv_slice values[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("c") };
	struct answer answer = ANSWER_INIT;
	struct scene s;

	scene_open_ready(&s);
	s.peer->plan.cut_out = 4;
	evkv_put_many(s.store, EVKV_LIT("c"), keys, values, 3, 0, answer_cb,
	    &answer);
	rig_wait(&s.rig, &answer.calls);
	check_status(answer.entries[0].status, EVKV_OK);
	check_status(answer.entries[1].status, EVKV_OK);
	check_status(answer.entries[2].status, EVKV_UNKNOWN_OUTCOME);
	check_int(answer.cause, EVKV_CAUSE_RESET);
	answer_free(&answer);
	scene_close(&s);
}
