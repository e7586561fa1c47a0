/*
 * tests/core/detach_test.c - operations that end early: what the waiter is
 * told, when UNKNOWN_OUTCOME is the truth, and what stays counted below.
 */
#include <string.h>

#include "loop/loop.h"
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
		  &(struct evkv_request){ .kind = EVKV_OP_PUT,
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
