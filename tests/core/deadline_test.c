/*
 * tests/core/deadline_test.c - when operations end that have a deadline.
 */
#include <time.h>

#include "loop/loop.h"
#include "faults.h"
#include "scene.h"

static evkv_ticket deadline_submit(struct scene *s, enum evkv_kind kind,
    int64_t timeout_ms, struct answer *a)
{
	struct evkv_slice key = EVKV_LIT("k");

	return evkv_submit(s->store,
	    &(struct evkv_request){ .kind = kind,
		.collection = EVKV_LIT("c"),
		.keys = &key,
		.count = 1,
		.values = kind == EVKV_OP_PUT ? &key : NULL,
		.flags = EVKV_FLAG_SINGLE,
		.timeout_ms = timeout_ms },
	    answer_cb, a);
}

EVKV_TEST(core_deadline, a_deadline_strikes_when_it_is_due)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	deadline_submit(&s, EVKV_OP_PUT, 100, &a);
	deadline_submit(&s, EVKV_OP_PUT, 100, &b);
	scripted_mark_sent(s.script, 1);
	rig_advance(&s.rig, 99);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	rig_advance(&s.rig, 1);
	check_int(a.calls, 0); /* in a later turn */
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_TIMEOUT);
	check_int(a.cause, EVKV_CAUSE_TIMEOUT);
	check_status(b.status, EVKV_UNKNOWN_OUTCOME);
	check_int(b.cause, EVKV_CAUSE_TIMEOUT);
	check_int(scene_counters(&s)->abandoned, 2);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_int(a.calls, 1);
	check_int(b.calls, 1);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

static enum evkv_verdict pass_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, self, request);
}

static void pass_free(void *self)
{
	(void)self;
}

/* A level's own default goes before that of what is below it. */
EVKV_TEST(core_deadline, defaults_of_levels)
{
	static const struct evkv_vtable pass = {
		.size = sizeof(pass),
		.name = "pass",
		.flags = EVKV_VTABLE_TRANSPARENT,
		.submit = pass_submit,
		.free = pass_free,
	};
	static const struct {
		int64_t below_ms, own_ms, told_ms;
	} rows[] = { { 300, 0, 300 }, { 300, 100, 100 }, { 0, 100, 100 },
		{ 100, 300, 300 } };
	struct answer a = ANSWER_INIT;
	struct scene s;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
		evkv_store_set_timeout(s.store, rows[i].below_ms);
		s.store = evkv_store_create(NULL, &pass, s.store,
		    &(struct evkv_store_config){ .inner = &s.store,
			.inner_count = 1,
			.timeout_ms = rows[i].own_ms },
		    NULL);
		deadline_submit(&s, EVKV_OP_GET, 0, &a);
		rig_advance(&s.rig, rows[i].told_ms - 1);
		rig_turn(&s.rig);
		check_int(a.calls, 0);
		rig_advance(&s.rig, 1);
		rig_turn(&s.rig);
		check_int(a.calls, 1);
		check_status(a.status, EVKV_TIMEOUT);
		scripted_complete_all(s.script, EVKV_OK);
		rig_settle(&s.rig);
		answer_reset(&a);
		scene_close(&s);
	}
	answer_free(&a);
}

EVKV_TEST(core_deadline, deadlines_of_many_lengths_strike_in_order)
{
	static const int64_t lengths[] = { 50, 10, 30, 10, 20, 50, 40 };
	struct answer a[7] = { ANSWER_INIT };
	struct scene s;
	int64_t now;
	size_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 0; i < 7; i++)
		deadline_submit(&s, EVKV_OP_GET, lengths[i], &a[i]);
	for (now = 5; now <= 60; now += 5) {
		rig_advance(&s.rig, 5);
		rig_turn(&s.rig);
		for (i = 0; i < 7; i++)
			check_int(a[i].calls, lengths[i] <= now);
	}
	scripted_complete_all(s.script, EVKV_OK);
	for (i = 0; i < 7; i++)
		answer_free(&a[i]);
	scene_close(&s);
}

EVKV_TEST(core_deadline, later_deadlines_of_a_list_are_not_forgotten)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	deadline_submit(&s, EVKV_OP_GET, 100, &a);
	rig_advance(&s.rig, 60);
	deadline_submit(&s, EVKV_OP_GET, 100, &b);
	/* The first ends early: the list's timer rings for nobody. */
	scripted_complete(s.script, 0, EVKV_NOT_FOUND);
	rig_advance(&s.rig, 60);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(b.calls, 0);
	rig_advance(&s.rig, 40);
	rig_turn(&s.rig);
	check_status(b.status, EVKV_TIMEOUT);
	/* The list has gone; it comes back. */
	deadline_submit(&s, EVKV_OP_GET, 100, &c);
	rig_advance(&s.rig, 100);
	rig_turn(&s.rig);
	check_status(c.status, EVKV_TIMEOUT);
	scripted_complete_all(s.script, EVKV_OK);
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}

#define DEADLINE_BUSY_US 60000

struct deadline_late {
	struct evkv_store *store;
	int64_t submitted_us, ended_us;
	unsigned ended;
};

static int64_t deadline_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void deadline_late_ended(const struct evkv_result *result, void *arg)
{
	struct deadline_late *late = arg;

	check_status(result->status, EVKV_TIMEOUT);
	late->ended_us = deadline_now_us();
	late->ended = 1;
}

/* Takes longer than the deadline of what it then submits. */
static void deadline_late_submit(const struct evkv_result *result, void *arg)
{
	struct deadline_late *late = arg;
	struct evkv_slice key = EVKV_LIT("k");
	int64_t end_us = deadline_now_us() + DEADLINE_BUSY_US;

	(void)result;
	while (deadline_now_us() < end_us)
		;
	late->submitted_us = deadline_now_us();
	evkv_submit(late->store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.keys = &key,
		.count = 1,
		.timeout_ms = DEADLINE_BUSY_US / 2000 },
	    deadline_late_ended, late);
}

EVKV_TEST(core_deadline, a_deadline_counts_from_the_submit)
{
	struct deadline_late late = { .ended = 0 };
	struct scripted *script = scripted_new();
	struct rig rig;

	rig_open_real(&rig);
	late.store = scripted_store(script, rig.loop, NULL);
	script->immediate = true;
	script->status = EVKV_NOT_FOUND;
	evkv_get(late.store, EVKV_LIT("c"), EVKV_LIT("k"), deadline_late_submit,
	    &late);
	script->immediate = false;
	rig_wait(&rig, &late.ended);
	check(late.ended_us - late.submitted_us >= DEADLINE_BUSY_US / 2);
	scripted_complete_all(script, EVKV_NOT_FOUND);
	evkv_store_unref(late.store);
	rig_close(&rig);
	scripted_free(script);
}

EVKV_TEST(core_deadline, the_stores_default_deadline)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	deadline_submit(&s, EVKV_OP_GET, 0, &a); /* there is none yet */
	evkv_store_set_timeout(s.store, 50);
	deadline_submit(&s, EVKV_OP_GET, 0, &b);
	deadline_submit(&s, EVKV_OP_GET, -1, &c);
	rig_advance(&s.rig, 1000);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_status(b.status, EVKV_TIMEOUT);
	check_int(b.calls, 1);
	check_int(c.calls, 0);
	scene_answer(&s, EVKV_NOT_FOUND);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(b.calls, 1);
	check_status(c.status, EVKV_NOT_FOUND);
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}

static size_t deadline_longest_chain(const struct evkv_loop *loop)
{
	const struct deadline_list *list;
	size_t longest = 0, length, i;

	for (i = 0; i < loop->deadlines_size; i++) {
		length = 0;
		SLIST_FOREACH(list, &loop->deadlines[i], bucket_link)
		length++;
		if (length > longest)
			longest = length;
	}
	return longest;
}

static void deadline_check_lengths(int64_t step_ms)
{
	enum { LENGTHS = 3000 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	int64_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 1; i <= LENGTHS; i++)
		deadline_submit(&s, EVKV_OP_GET, i * step_ms, &a);
	for (i = 1; i <= LENGTHS; i++)
		deadline_submit(&s, EVKV_OP_GET, i * step_ms, &a);
	check_int(s.rig.loop->deadlines_count, LENGTHS);
	check(deadline_longest_chain(s.rig.loop) <= 16);
	rig_advance(&s.rig, LENGTHS / 2 * step_ms);
	rig_turn(&s.rig);
	check_int(a.calls, LENGTHS);
	check_int(s.rig.loop->deadlines_count, LENGTHS / 2);
	rig_advance(&s.rig, LENGTHS / 2 * step_ms);
	rig_turn(&s.rig);
	check_int(a.calls, 2 * LENGTHS);
	check_int(s.rig.loop->deadlines_count, 0);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_deadline, a_deadline_is_found_among_many_lengths)
{
	deadline_check_lengths(1);
	deadline_check_lengths(100);
	deadline_check_lengths(1024);
}

EVKV_TEST(core_deadline, without_memory_for_a_larger_table_deadlines_are_found)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	int64_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 1; i <= 16; i++)
		deadline_submit(&s, EVKV_OP_GET, i, &a);
	for (; i <= 40; i++) {
		faults_fail_nth(2); /* after the scratch copy of the inputs */
		deadline_submit(&s, EVKV_OP_GET, i, &a);
		check_int(faults_fired(), 1);
		faults_off();
	}
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_int(s.rig.loop->deadlines_size, 16);
	rig_advance(&s.rig, 40);
	rig_turn(&s.rig);
	check_int(a.calls, 40);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

static void deadline_look(struct scene *s, int64_t now_us)
{
	s->rig.now_us = now_us;
	evkv_loop_check_timers(s->rig.loop);
	rig_turn(&s->rig);
}

/* A timer counts milliseconds; one that rings too early would ring again. */
EVKV_TEST(core_deadline, the_timer_of_a_list_does_not_ring_before_its_first)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	int64_t start_us;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	start_us = s.rig.now_us;
	deadline_submit(&s, EVKV_OP_GET, 100, &a);
	deadline_look(&s, start_us + 400);
	deadline_submit(&s, EVKV_OP_GET, 100, &b);
	deadline_look(&s, start_us + 100000);
	check_int(a.calls, 1);
	check_int(b.calls, 0);
	check(s.rig.loop->timers[1]->at_us >= start_us + 100400);
	deadline_look(&s, start_us + 101000);
	check_int(b.calls, 1);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

/* As when libevent had no memory for the alarm when it was to ring again. */
EVKV_TEST(core_deadline, a_list_whose_timer_is_lost_gets_it_with_the_next)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	deadline_submit(&s, EVKV_OP_GET, 100, &a);
	evkv_timer_cancel(s.rig.loop, &s.rig.loop->last_deadlines->timer);
	rig_advance(&s.rig, 100);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	deadline_submit(&s, EVKV_OP_GET, 100, &b);
	rig_advance(&s.rig, 100);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_int(b.calls, 1);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

/* The nth allocation: the scratch copy of the inputs is the first. */
static void deadline_check_nomem(size_t nth)
{
	struct answer a = ANSWER_INIT, warm = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_get(&s, &warm); /* the op's own memory is there already */
	scene_answer(&s, EVKV_NOT_FOUND);
	faults_fail_nth(nth);
	check(deadline_submit(&s, EVKV_OP_GET, 100, &a) != 0);
	faults_off();
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_NOMEM);
	rig_advance(&s.rig, 1000);
	scene_answer(&s, EVKV_OK);
	check_int(a.calls, 1);
	answer_free(&a);
	answer_free(&warm);
	scene_close(&s);
}

EVKV_TEST(core_deadline, without_memory_for_a_deadline_the_op_ends)
{
	deadline_check_nomem(2); /* the table */
	deadline_check_nomem(3); /* the list */
	deadline_check_nomem(4); /* the heap of timers */
}

/* ---- Long callbacks ------------------------------------------------------ */

#define BUSY_US 300000

static void busy(void)
{
	struct timespec now;
	int64_t until_us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	until_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + BUSY_US;
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 < until_us);
}

struct busy_turn {
	struct evkv_store *store;
	struct answer put, touch;
};

/* A callback that computes for long, and then puts. */
static void busy_then_put(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct busy_turn *turn = arg;

	(void)answer;
	(void)result;
	busy();
	evkv_put(turn->store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"),
	    10000, answer_cb, &turn->put);
	busy();
	evkv_touch(turn->store, EVKV_LIT("c"), EVKV_LIT("t"), 10000, answer_cb,
	    &turn->touch);
}

/* Less than half of what the callback took has passed since. */
EVKV_TEST(core_deadline, a_ttl_counts_from_the_submitting_call)
{
	struct busy_turn turn = { .put = ANSWER_INIT, .touch = ANSWER_INIT };
	struct answer first = { .then = busy_then_put, .arg = &turn };
	struct answer ttl = ANSWER_INIT;
	struct rig rig;

	rig_open_real(&rig);
	turn.store = evkv_simple_new(rig.loop, NULL);
	evkv_put(turn.store, EVKV_LIT("c"), EVKV_LIT("t"), EVKV_LIT("v"), 0,
	    answer_cb, &first);
	rig_wait(&rig, &turn.touch.calls);
	evkv_ttl(turn.store, EVKV_LIT("c"), EVKV_LIT("t"), answer_cb, &ttl);
	rig_wait(&rig, &ttl.calls);
	check_between(ttl.entries[0].ttl_ms, 10000 - BUSY_US / 2000, 10000);
	answer_reset(&ttl);
	evkv_ttl(turn.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &ttl);
	rig_wait(&rig, &ttl.calls);
	check_between(ttl.entries[0].ttl_ms, 10000 - BUSY_US * 3 / 2000, 10000);
	answer_free(&first);
	answer_free(&turn.put);
	answer_free(&turn.touch);
	answer_free(&ttl);
	evkv_store_unref(turn.store);
	rig_close(&rig);
}
