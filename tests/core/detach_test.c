/*
 * tests/core/detach_test.c - operations that end early: what the waiter is
 * told, when UNKNOWN_OUTCOME is the truth, and what stays counted below.
 */
#include <string.h>
#include <time.h>

#include "core/loop.h"
#include "faults.h"
#include "scene.h"

/* ---- Cancel ----------------------------------------------------------- */

struct detach_row {
	const char *name;
	enum scripted_stop stop;
	bool sent;
	enum evkv_status put, get;
};

static const struct detach_row detach_rows[] = {
	{ "held back", SCRIPTED_STOP_HOLDS, false, EVKV_CANCELED,
	    EVKV_CANCELED },
	{ "sent", SCRIPTED_STOP_HOLDS, true, EVKV_UNKNOWN_OUTCOME,
	    EVKV_CANCELED },
	{ "no stop slot", SCRIPTED_NO_STOP, false, EVKV_UNKNOWN_OUTCOME,
	    EVKV_CANCELED },
	{ "can't be held back", SCRIPTED_STOP_MARKS, false,
	    EVKV_UNKNOWN_OUTCOME, EVKV_CANCELED },
	{ "ended by the stop", SCRIPTED_STOP_COMPLETES, false, EVKV_CANCELED,
	    EVKV_CANCELED },
	{ "sent, ended by the stop", SCRIPTED_STOP_COMPLETES, true,
	    EVKV_UNKNOWN_OUTCOME, EVKV_CANCELED },
};

static void detach_check_row(const struct detach_row *row, bool put)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	scene_open(&s, row->stop, SCRIPTED_CLOSE_AT_ONCE);
	ticket = put ? scene_put(&s, &a) : scene_get(&s, &a);
	check_int(scripted_count(s.script), 1);
	if (row->sent)
		check(scripted_mark_sent(s.script, 0));
	evkv_cancel(s.rig.loop, ticket);
	evkv_cancel(s.rig.loop, ticket);
	check_int(a.calls, 0);
	check_int(s.script->stops, row->stop != SCRIPTED_NO_STOP);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, put ? row->put : row->get);
	check_int(a.cause, EVKV_CAUSE_CANCELED);
	check_int(a.count, 1);
	check_status(a.entries[0].status, a.status);
	check_int(a.affected, a.status == EVKV_UNKNOWN_OUTCOME ? -1 : 0);
	check(!a.entries[0].has_value);
	check(a.message[0] != '\0');

	if (scripted_count(s.script) == 1) {
		/* It runs out unseen, still counted. */
		check_int(scene_counters(&s)->pending, 1);
		check_int(s.counters.abandoned, 1);
		/* Told to be without effect: it must not be sent any more. */
		check_int(scripted_mark_sent(s.script, 0),
		    row->sent || row->stop == SCRIPTED_STOP_MARKS ||
			(put && row->put == EVKV_UNKNOWN_OUTCOME));
		check(evkv_op_detached(s.script->ops[0].op));
		scripted_complete_value(s.script, 0, EVKV_LIT("late"), 0);
	}
	check_int(scene_counters(&s)->pending, 0);
	check_int(s.counters.abandoned, 0);
	check_int(s.counters.pending_bytes, 0);
	rig_settle(&s.rig);
	check_int(a.calls, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, cancel_tells_the_effect)
{
	size_t i;

	for (i = 0; i < sizeof(detach_rows) / sizeof(detach_rows[0]); i++) {
		test_from(detach_rows[i].name, (int)i);
		detach_check_row(&detach_rows[i], true);
		detach_check_row(&detach_rows[i], false);
	}
	test_from(NULL, 0);
}

EVKV_TEST(core_detach, a_read_that_was_marked_is_only_canceled)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	ticket = scene_get(&s, &a);
	check(scripted_mark_sent(s.script, 0));
	check(evkv_op_sent(s.script->ops[0].op));
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_CANCELED);
	scripted_complete(s.script, 0, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, a_result_that_is_there_beats_a_cancel)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	ticket = scene_get(&s, &a);
	scripted_complete_value(s.script, 0, EVKV_LIT("there"), 0);
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "there");
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, every_entry_of_a_batch_is_told)
{
	const struct evkv_slice keys[] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3") };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;
	size_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	ticket = evkv_put_many(s.store, EVKV_LIT("c"), keys, keys, 3, 0,
	    answer_cb, &a);
	check_int(scene_counters(&s)->pending, 3);
	check_int(s.counters.pending_bytes, 6);
	scripted_mark_sent(s.script, 0);
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.count, 3);
	check_int(a.affected, -1);
	for (i = 0; i < 3; i++)
		check_status(a.entries[i].status, EVKV_UNKNOWN_OUTCOME);
	check_int(scene_counters(&s)->pending, 3);
	/* What the driver sees has not changed by it. */
	check_int(scripted_request(s.script, 0)->count, 3);
	check_slice(scripted_request(s.script, 0)->keys[2], "3");
	scripted_complete(s.script, 0, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, what_an_unknown_entry_affected_is_not_known)
{
	const struct evkv_slice keys[] = { EVKV_LIT("1"), EVKV_LIT("2") };
	struct answer a = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &a);
	scripted_complete(s.script, 0, EVKV_UNKNOWN_OUTCOME);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.affected, -1);
	answer_reset(&a);
	evkv_delete_many(s.store, EVKV_LIT("c"), keys, 2, answer_cb, &a);
	scripted_complete(s.script, 0, EVKV_UNKNOWN_OUTCOME);
	rig_turn(&s.rig);
	check_int(a.affected, -1);
	answer_reset(&a);
	evkv_get_many(s.store, EVKV_LIT("c"), keys, 2, answer_cb, &a);
	scripted_complete(s.script, 0, EVKV_SERVER);
	rig_turn(&s.rig);
	check_int(a.affected, 0);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, without_memory_a_batch_is_told_without_entries)
{
	const struct evkv_slice keys[] = { EVKV_LIT("1"), EVKV_LIT("2") };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	ticket = evkv_get_many(s.store, EVKV_LIT("c"), keys, 2, answer_cb, &a);
	faults_fail_from(1);
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	faults_off();
	check_int(a.calls, 1);
	check_status(a.status, EVKV_CANCELED);
	check_int(a.count, 0);
	scripted_complete(s.script, 0, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

/* ---- Deadlines -------------------------------------------------------- */

static evkv_ticket detach_submit(struct scene *s, enum evkv_kind kind,
    int64_t timeout_ms, struct answer *a)
{
	struct evkv_slice key = EVKV_LIT("k");

	return evkv_submit(s->store,
	    &(struct evkv_request){ .kind = kind,
		.collection = EVKV_LIT("c"),
		.keys = &key,
		.count = 1,
		.values = kind == EVKV_PUT ? &key : NULL,
		.flags = EVKV_OP_SINGLE,
		.timeout_ms = timeout_ms },
	    answer_cb, a);
}

EVKV_TEST(core_detach, a_deadline_strikes_when_it_is_due)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	detach_submit(&s, EVKV_PUT, 100, &a);
	detach_submit(&s, EVKV_PUT, 100, &b);
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

EVKV_TEST(core_detach, deadlines_of_many_lengths_strike_in_order)
{
	static const int64_t lengths[] = { 50, 10, 30, 10, 20, 50, 40 };
	struct answer a[7] = { ANSWER_INIT };
	struct scene s;
	int64_t now;
	size_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 0; i < 7; i++)
		detach_submit(&s, EVKV_GET, lengths[i], &a[i]);
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

EVKV_TEST(core_detach, later_deadlines_of_a_list_are_not_forgotten)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	detach_submit(&s, EVKV_GET, 100, &a);
	rig_advance(&s.rig, 60);
	detach_submit(&s, EVKV_GET, 100, &b);
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
	detach_submit(&s, EVKV_GET, 100, &c);
	rig_advance(&s.rig, 100);
	rig_turn(&s.rig);
	check_status(c.status, EVKV_TIMEOUT);
	scripted_complete_all(s.script, EVKV_OK);
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}

#define DETACH_BUSY_US 60000

struct detach_late {
	struct evkv_store *store;
	int64_t submitted_us, ended_us;
	unsigned ended;
};

static int64_t detach_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void detach_late_ended(const struct evkv_result *result, void *arg)
{
	struct detach_late *late = arg;

	check_status(result->status, EVKV_TIMEOUT);
	late->ended_us = detach_now_us();
	late->ended = 1;
}

/* Takes longer than the deadline of what it then submits. */
static void detach_late_submit(const struct evkv_result *result, void *arg)
{
	struct detach_late *late = arg;
	struct evkv_slice key = EVKV_LIT("k");
	int64_t end_us = detach_now_us() + DETACH_BUSY_US;

	(void)result;
	while (detach_now_us() < end_us)
		;
	late->submitted_us = detach_now_us();
	evkv_submit(late->store,
	    &(struct evkv_request){ .kind = EVKV_GET,
		.keys = &key,
		.count = 1,
		.timeout_ms = DETACH_BUSY_US / 2000 },
	    detach_late_ended, late);
}

EVKV_TEST(core_detach, a_deadline_counts_from_the_submit)
{
	struct detach_late late = { .ended = 0 };
	struct scripted *script = scripted_new();
	struct rig rig;

	rig_open_real(&rig);
	late.store = scripted_store(script, rig.loop, NULL);
	script->immediate = true;
	script->status = EVKV_NOT_FOUND;
	evkv_get(late.store, EVKV_LIT("c"), EVKV_LIT("k"), detach_late_submit,
	    &late);
	script->immediate = false;
	rig_wait(&rig, &late.ended);
	check(late.ended_us - late.submitted_us >= DETACH_BUSY_US / 2);
	scripted_complete_all(script, EVKV_NOT_FOUND);
	evkv_store_unref(late.store);
	rig_close(&rig);
	scripted_free(script);
}

EVKV_TEST(core_detach, the_stores_default_deadline)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	detach_submit(&s, EVKV_GET, 0, &a); /* there is none yet */
	evkv_store_set_timeout(s.store, 50);
	detach_submit(&s, EVKV_GET, 0, &b);
	detach_submit(&s, EVKV_GET, -1, &c);
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

static size_t detach_longest_chain(const struct evkv_loop *loop)
{
	const struct deadline_list *list;
	size_t longest = 0, length, i;

	for (i = 0; i < loop->deadlines_size; i++) {
		length = 0;
		for (list = loop->deadlines[i]; list != NULL; list = list->next)
			length++;
		if (length > longest)
			longest = length;
	}
	return longest;
}

static void detach_check_lengths(int64_t step_ms)
{
	enum { LENGTHS = 3000 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	int64_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 1; i <= LENGTHS; i++)
		detach_submit(&s, EVKV_GET, i * step_ms, &a);
	for (i = 1; i <= LENGTHS; i++)
		detach_submit(&s, EVKV_GET, i * step_ms, &a);
	check_int(s.rig.loop->deadlines_count, LENGTHS);
	check(detach_longest_chain(s.rig.loop) <= 16);
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

EVKV_TEST(core_detach, a_deadline_is_found_among_many_lengths)
{
	detach_check_lengths(1);
	detach_check_lengths(100);
	detach_check_lengths(1024);
}

EVKV_TEST(core_detach, without_memory_for_a_larger_table_deadlines_are_found)
{
	struct answer a = ANSWER_INIT;
	struct scene s;
	int64_t i;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 1; i <= 16; i++)
		detach_submit(&s, EVKV_GET, i, &a);
	for (; i <= 40; i++) {
		faults_fail_nth(2); /* after the scratch copy of the inputs */
		detach_submit(&s, EVKV_GET, i, &a);
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

/* The nth allocation: the scratch copy of the inputs is the first. */
static void detach_check_nomem(size_t nth)
{
	struct answer a = ANSWER_INIT, warm = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_get(&s, &warm); /* the op's own memory is there already */
	scene_answer(&s, EVKV_NOT_FOUND);
	faults_fail_nth(nth);
	check(detach_submit(&s, EVKV_GET, 100, &a) != 0);
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

EVKV_TEST(core_detach, without_memory_for_a_deadline_the_op_ends)
{
	detach_check_nomem(2); /* the table */
	detach_check_nomem(3); /* the list */
	detach_check_nomem(4); /* the heap of timers */
}

/* ---- Accounting ------------------------------------------------------- */

EVKV_TEST(core_detach, what_was_abandoned_still_counts_as_pending)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	struct scene s;
	evkv_ticket first, second;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_limits(s.store, 2, 0);
	first = scene_get(&s, &a);
	second = scene_get(&s, &b);
	evkv_cancel(s.rig.loop, first);
	evkv_cancel(s.rig.loop, second);
	rig_turn(&s.rig);
	check_status(b.status, EVKV_CANCELED);
	scene_get(&s, &c);
	rig_turn(&s.rig);
	check_status(c.status, EVKV_BUSY);
	check_int(c.cause, EVKV_CAUSE_OVERLOAD);
	check_contains(c.message, "1 more are over its max_pending of 2");
	check_int(s.script->submits, 2);
	scripted_complete(s.script, 0, EVKV_OK);
	answer_reset(&c);
	scene_get(&s, &c);
	check_int(s.script->submits, 3);
	scene_answer(&s, EVKV_NOT_FOUND);
	check_status(c.status, EVKV_NOT_FOUND);
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}

EVKV_TEST(core_detach, bytes_are_bounded_too)
{
	struct evkv_slice big = { NULL, 0 };
	static char bytes[1000];
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct scene s;

	big = evkv_bytes(bytes, sizeof(bytes));
	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_limits(s.store, 0, 500);
	/* One alone is never too much, or it could never be done. */
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("k"), big, 0, answer_cb, &a);
	check_int(scene_counters(&s)->pending_bytes, 1001);
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &b);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	check_status(b.status, EVKV_BUSY);
	check_contains(b.message, "2 more are over its max_pending_bytes of");
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	check_int(scene_counters(&s)->pending_bytes, 0);
	answer_free(&a);
	answer_free(&b);
	scene_close(&s);
}

EVKV_TEST(core_detach, kept_inputs_outlive_the_call)
{
	struct evkv_value *value = evkv_value_new(EVKV_LIT("counted"));
	const struct evkv_request *kept;
	struct answer a = ANSWER_INIT;
	char key[] = "key", collection[] = "collection";
	struct evkv_slice slice = { key, 3 };
	int64_t ttl = 77;
	struct scene s;

	check(value != NULL);
	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	check(evkv_submit(s.store,
		  &(struct evkv_request){ .kind = EVKV_PUT,
		      .collection = evkv_str(collection),
		      .keys = &slice,
		      .count = 1,
		      .counted_values = &value,
		      .ttls_ms = &ttl },
		  answer_cb, &a) != 0);
	memset(key, '#', 3);
	memset(collection, '#', 10);
	ttl = 0;
	slice = evkv_bytes(NULL, 0);
	evkv_value_unref(value);
	value = NULL;
	kept = scripted_request(s.script, 0);
	check_slice(kept->collection, "collection");
	check_slice(kept->keys[0], "key");
	check_int(kept->ttls_ms[0], 77);
	check_slice(evkv_value_bytes(kept->counted_values[0]), "counted");
	scene_answer(&s, EVKV_OK);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_detach, tickets_are_never_given_twice)
{
	struct answer a = ANSWER_INIT;
	evkv_ticket tickets[200];
	struct scene s;
	size_t i, j;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.script->immediate = true;
	s.script->status = EVKV_OK;
	for (i = 0; i < 200; i++) {
		tickets[i] = scene_put(&s, &a);
		check(tickets[i] != 0);
		for (j = 0; j < i; j++)
			check(tickets[j] != tickets[i]);
		rig_turn(&s.rig);
	}
	check_int(a.calls, 200);
	answer_free(&a);
	scene_close(&s);
}
