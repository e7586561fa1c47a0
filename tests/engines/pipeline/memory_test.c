/*
 * tests/engines/pipeline/memory_test.c - every allocation fails once, and from
 * each one on: no crash, no leak, every callback once, and the store works
 * again.
 */
#include <stdio.h>

#include "faults.h"
#include "dns.h"
#include "scene.h"

struct sweep {
	bool from; /* fail from the nth on, else the nth alone */
	size_t nth;
	bool by_name;
	bool waiting; /* the server comes up after the ops were submitted */
	bool reached; /* there was an nth allocation */
};

static void fail(const struct sweep *sweep)
{
	if (sweep->from)
		faults_fail_from(sweep->nth);
	else
		faults_fail_nth(sweep->nth);
}

/* Waiting for nothing costs time, and mostly there is nothing. */
static void turn(struct scene *s, unsigned turns)
{
	if (turns % 8 == 7)
		rig_turn_waiting(&s->rig);
	else
		rig_turn(&s->rig);
}

/* Ops on a store whose memory fails; some may have no ticket. */
static unsigned submit_all(struct scene *s)
{
	unsigned tickets = 0, i;

	for (i = 0; i < SCENE_OPS; i++) {
		if ((i % 2 == 0
			    ? line_get(s->store, i, &s->answers[i])
			    : line_put(s->store, i, 3000, &s->answers[i])) != 0)
			tickets++;
	}
	return tickets;
}

static unsigned answered(const struct scene *s)
{
	unsigned count = 0, i;

	for (i = 0; i < SCENE_OPS; i++)
		count += (unsigned)s->answers[i].calls;
	return count;
}

/* A get has its value; a failure says what came of it, and NOMEM why. */
static void check_told(const struct scene *s)
{
	const struct answer *answer;
	char expected[32];
	unsigned i;

	for (i = 0; i < SCENE_OPS; i++) {
		answer = &s->answers[i];
		if (answer->calls == 0)
			continue;
		if (answer->status == EVKV_OK && i % 2 == 0) {
			snprintf(expected, sizeof(expected), "k%u.", i);
			check_bytes(answer->entries[0].bytes,
			    evkv_str(expected));
		} else if (answer->status == EVKV_NOMEM) {
			check_int(answer->cause, EVKV_CAUSE_NOMEM);
		} else if (answer->status != EVKV_OK &&
		    answer->status != EVKV_UNAVAILABLE) {
			check(i % 2 != 0);
			check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
		}
	}
}

/* It works as soon as there is memory. */
static void check_works(struct scene *s)
{
	struct answer again = ANSWER_INIT;
	unsigned i;

	for (i = 0; i < 5 && again.status != EVKV_OK; i++) {
		answer_reset(&again);
		again.calls = 0;
		line_get(s->store, 9, &again);
		rig_turn(&s->rig);
		rig_advance(&s->rig, 5000);
		rig_wait(&s->rig, &again.calls);
		if (again.calls == 1 && again.status == EVKV_OK)
			check_slice(again.entries[0].bytes, "k9.");
		else
			again.status = EVKV_CANCELED;
	}
	check_status(again.status, EVKV_OK);
	answer_free(&again);
}

static void run_ops(struct scene *s, const struct sweep *sweep)
{
	unsigned tickets, turns;

	if (sweep->waiting)
		scene_until(s, EVKV_STATE_DOWN);
	else
		scene_ready(s);
	fail(sweep);
	tickets = submit_all(s);
	if (sweep->waiting)
		peer_accept(s->peer);
	for (turns = 0; turns < 50 && answered(s) < tickets; turns++) {
		turn(s, turns);
		if (turns % 10 == 9)
			rig_advance(&s->rig, 5000);
	}
	faults_off();
	rig_advance(&s->rig, 5001);
	rig_until(&s->rig, answered(s) >= tickets);
	check_int(answered(s), tickets);
	check_told(s);
}

static void one_ops(struct sweep *sweep)
{
	struct scene s;

	scene_begin(&s);
	s.options.password = "p";
	if (sweep->waiting)
		peer_refuse(s.peer);
	scene_store(&s);
	run_ops(&s, sweep);
	sweep->reached = faults_fired() > 0;
	check_works(&s);
	scene_close(&s);
}

/* Making the store, and connecting it. */
static void one_start(struct sweep *sweep)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.1" },
		{ NULL, NULL },
	};
	struct dns_server names = { .records = records };
	struct dns dns;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct scene s;
	unsigned turns;

	scene_begin(&s);
	s.options.password = "p";
	if (sweep->by_name) {
		dns_begin(&dns, &names, s.rig.base, s.rig.loop);
		s.options.pipeline.host = "server.example";
	}
	fail(sweep);
	s.store = line_new(s.rig.loop, &s.options, &s.pipeline, &error);
	if (s.store != NULL) {
		for (turns = 0; turns < 20 &&
		     evkv_pipeline_state(s.pipeline) != EVKV_STATE_READY;
		     turns++) {
			turn(&s, turns);
			rig_advance(&s.rig, 60);
		}
	}
	faults_off();
	sweep->reached = faults_fired() > 0;
	if (s.store == NULL) {
		check_status(error.status, EVKV_NOMEM);
		s.store = line_new(s.rig.loop, &s.options, &s.pipeline, NULL);
		check(s.store != NULL);
	}
	check_works(&s);
	if (sweep->by_name)
		dns_close(&dns);
	scene_close(&s);
}

static void run_sweep(void (*one)(struct sweep *), struct sweep base)
{
	struct sweep sweep;
	size_t n;
	int from;

	for (from = 0; from < 2; from++) {
		for (n = 1; n < 2000; n++) {
			sweep = base;
			sweep.from = from != 0;
			sweep.nth = n;
			one(&sweep);
			if (!sweep.reached)
				break;
		}
		check_between(n, 4, 1999);
	}
}

EVKV_TEST(pipeline_memory, starting_without_memory)
{
	run_sweep(one_start, (struct sweep){ .by_name = false });
}

EVKV_TEST(pipeline_memory, starting_by_name_without_memory)
{
	run_sweep(one_start, (struct sweep){ .by_name = true });
}

EVKV_TEST(pipeline_memory, operating_without_memory)
{
	run_sweep(one_ops, (struct sweep){ .waiting = false });
}

EVKV_TEST(pipeline_memory, waiting_without_memory)
{
	run_sweep(one_ops, (struct sweep){ .waiting = true });
}
