/*
 * tests/stores/mongodb/peer_test.c - the mongodb driver against a scripted
 * server: what it sends, what becomes of errors, and what of an answer that is
 * cut, late, damaged or never comes.
 */
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "lib/delay.h"

/* ---- What is sent -------------------------------------------------------- */

/* For a server that is lost: it is found again, if late on a busy machine. */
static void open_patient(struct fake *fake)
{
	fake_begin(fake);
	fake->options.server_selection_timeout_ms = 10000;
	fake_store(fake);
}

EVKV_TEST(mongodb_peer, what_waits_goes_as_one_request)
{
	struct fake fake;
	unsigned i;

	fake_open(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	check_slice(fake.answers[0].entries[0].bytes, "v-k0");
	fake.commands = fake.finds = 0;
	for (i = 1; i < 101; i++)
		fake_get(&fake, i);
	fake_wait(&fake, 101);
	check_int(fake.finds, 1);
	check_slice(fake.answers[100].entries[0].bytes, "v-k100");
	for (i = 101; i < FAKE_OPS; i++)
		fake_put(&fake, i);
	fake_wait(&fake, FAKE_OPS);
	check_int(fake.updates, 1);
	check_int(fake.commands, 2);
	for (i = 0; i < FAKE_OPS; i++)
		check_status(fake.answers[i].status, EVKV_OK);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, operations_on_one_key_are_not_put_together)
{
	struct fake fake;

	fake_open(&fake);
	fake_put(&fake, 0);
	fake_wait(&fake, 1);
	fake.commands = 0;
	answer_reset(&fake.answers[0]);
	fake.answers[0].calls = 0;
	for (unsigned i = 0; i < 6; i++) {
		char name[] = "same";
		struct evkv_slice key = evkv_str(name);

		if (i % 2 == 0)
			evkv_put(fake.store, EVKV_LIT("c"), key, EVKV_LIT("v"),
			    0, answer_cb, &fake.answers[i]);
		else
			evkv_get(fake.store, EVKV_LIT("c"), key, answer_cb,
			    &fake.answers[i]);
	}
	fake_wait(&fake, 6);
	check_int(fake.commands, 6);
	for (unsigned i = 1; i < 6; i++)
		check(fake.answers[i].order > fake.answers[i - 1].order);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, the_deadline_is_told_to_the_server)
{
	struct fake fake;

	fake_open(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 2345);
	check_int(fake.max_time, 2345);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_int(fake.max_time, 10000); /* socketTimeoutMS */
	fake_do(&fake, EVKV_OP_DELETE, EVKV_IF_ANY, 1234);
	check_int(fake.max_time, 1234);
	fake_do(&fake, EVKV_OP_TAKE, EVKV_IF_ANY, 1111);
	check_int(fake.max_time, 1111);
	fake_close(&fake);
}

/* ---- The index ----------------------------------------------------------- */

EVKV_TEST(mongodb_peer, the_index_is_made_once)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.no_create_index = false;
	fake_store(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	rig_until(&fake.rig, fake.indexes == 1);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	rig_turn(&fake.rig);
	check_int(fake.indexes, 1);
	check_str(fake.log, "");
	fake_close(&fake);
}

/* The index and the put come in any order. */
static void refuse_the_index(struct fake *fake, struct opdoc *out)
{
	if (strcmp(fake->last, "createIndexes") == 0) {
		say_error(fake, out);
		return;
	}
	opdoc_int(out, "n", 1);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_peer, a_refused_index_is_a_warning)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.no_create_index = false;
	fake.say = refuse_the_index;
	fake.say_always = true;
	fake.code = 13;
	fake.words = "not authorized on evkv";
	fake_store(&fake);
	check_status(fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	rig_until(&fake.rig, strstr(fake.log, "expires_at") != NULL);
	check_contains(fake.log, "not authorized on evkv");
	check_status(fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	check_int(fake.indexes, 1);
	fake_close(&fake);
}

/* ---- The server's errors ------------------------------------------------- */

static const struct {
	int code;
	enum evkv_status get, put;
	enum evkv_cause cause;
} code_rows[] = {
	{ 13, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_SERVER },
	{ 18, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_AUTH },
	{ 50, EVKV_TIMEOUT, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_TIMEOUT },
	{ 91, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 189, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 10107, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER },
	{ 11602, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 10334, EVKV_TOO_LARGE, EVKV_TOO_LARGE, EVKV_CAUSE_SERVER },
	{ 14031, EVKV_SERVER, EVKV_NOSPACE, EVKV_CAUSE_SERVER },
	{ 9, EVKV_SERVER, EVKV_SERVER, EVKV_CAUSE_SERVER },
};

EVKV_TEST(mongodb_peer, each_error_of_a_command_is_told)
{
	struct fake fake;
	struct answer *answer;
	size_t i;

	open_patient(&fake);
	fake.words = "the server's words";
	fake.say_always = true;
	for (i = 0; i < sizeof(code_rows) / sizeof(code_rows[0]); i++) {
		fake.code = code_rows[i].code;
		fake.say = say_error;
		answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
		check_status(answer->status, code_rows[i].get);
		check_int(answer->cause, code_rows[i].cause);
		check_contains(answer->message, "the server's words");
		answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
		check_status(answer->status, code_rows[i].put);
		check_int(answer->cause, code_rows[i].cause);
		check_contains(answer->message, "the server's words");
	}
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, a_write_error_is_of_its_key_alone)
{
	struct fake fake;
	unsigned i;

	fake_open(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	fake.say = say_write_error;
	fake.code = 121;
	fake.words = "Document failed validation";
	for (i = 1; i < 10; i++)
		fake_put(&fake, i);
	fake_wait(&fake, 10);
	check_int(fake.updates, 1);
	check_status(fake.answers[1].status, EVKV_SERVER);
	check_contains(fake.answers[1].message, "failed validation");
	for (i = 2; i < 10; i++)
		check_status(fake.answers[i].status, EVKV_OK);
	fake_close(&fake);
}

/* FerretDB's way to fail: it stops, and tells neither where nor how many. */
static void say_little(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	opdoc_double(out, "ok", 1);
	opdoc_open(out, "writeErrors", true);
	opdoc_open(out, "0", false);
	opdoc_int(out, "index", 0);
	opdoc_int(out, "code", 11000);
	opdoc_text(out, "errmsg", "E11000", 6);
	opdoc_close(out);
	opdoc_close(out);
}

EVKV_TEST(mongodb_peer, an_answer_that_does_not_add_up_is_looked_after)
{
	struct fake fake;
	unsigned i;

	fake_open(&fake);
	fake_put_four(&fake, say_little);
	for (i = 1; i < 5; i++)
		check_status(fake.answers[i].status, EVKV_OK);
	check_int(fake.finds, 4);
	check_int(fake.updates, 5);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, a_duplicate_key_is_told_or_tried_again)
{
	struct fake fake;
	struct answer *answer;

	fake_open(&fake);
	fake.code = 11000;
	fake.words = "E11000 duplicate key";
	fake.say = say_write_error;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ABSENT, 0);
	check_status(answer->status, EVKV_EXISTS);
	/* Another has inserted it at the same moment. */
	fake.updates = 0;
	fake.say = say_write_error;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_OK);
	check_int(fake.updates, 2);
	fake.say = say_write_error;
	fake.say_always = true;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_BUSY);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, what_is_not_as_safe_as_asked_is_unknown)
{
	struct fake fake;
	struct answer *answer;
	unsigned i;

	fake_open(&fake);
	fake.code = 64;
	fake.words = "waiting for replication timed out";
	fake.say = say_concern_error;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
	check_contains(answer->message, "waiting for replication");
	fake.say = say_concern_error;
	answer_reset(answer);
	answer->calls = 0;
	for (i = 0; i < 5; i++)
		fake_put(&fake, i);
	fake_wait(&fake, 5);
	for (i = 0; i < 5; i++)
		check_status(fake.answers[i].status, EVKV_UNKNOWN_OUTCOME);
	fake_close(&fake);
}

/* ---- Cut, late, damaged -------------------------------------------------- */

/* After each of these libmongoc looks for the server for half a second. */
static const struct {
	enum evkv_kind kind;
	size_t at; /* how much of the answer comes */
} cuts[] = {
	{ EVKV_OP_PUT, 0 },
	{ EVKV_OP_PUT, 20 },
	{ EVKV_OP_DELETE, 0 },
	{ EVKV_OP_TOUCH, 16 },
	{ EVKV_OP_TAKE, 30 },
};

EVKV_TEST(mongodb_peer, a_cut_answer_of_a_write_is_an_unknown_outcome)
{
	struct fake fake;
	struct answer *answer;
	size_t i;

	open_patient(&fake);
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		fake.cut = true;
		fake.cut_at = cuts[i].at;
		answer = fake_do(&fake, cuts[i].kind, EVKV_IF_ANY, 0);
		check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
		check_int(answer->cause, EVKV_CAUSE_RESET);
		fake.cut = false;
		answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
		check_status(answer->status, EVKV_OK);
	}
	fake.cut = true;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNAVAILABLE);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, a_silent_server_is_given_up)
{
	struct fake fake;
	struct answer *answer;

	fake_begin(&fake);
	fake.options.socket_timeout_ms = 200;
	fake.options.server_selection_timeout_ms = 10000;
	fake_store(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	fake.stall = true;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNAVAILABLE);
	fake.stall = false;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_OK);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, damage_is_told_and_survived)
{
	struct fake fake;
	struct answer *answer;

	open_patient(&fake);
	fake.garbage = true;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check(answer->status == EVKV_CORRUPT ||
	    answer->status == EVKV_UNAVAILABLE);
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
	fake.garbage = false;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_OK);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, a_waiter_goes_and_its_late_answer_harms_nobody)
{
	struct fake fake;
	struct answer *answer;
	evkv_ticket ticket;

	fake_open(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	fake.hold = true;
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 30);
	check_status(answer->status, EVKV_UNKNOWN_OUTCOME);
	check_int(answer->cause, EVKV_CAUSE_TIMEOUT);
	/* What no worker has taken has had no effect. */
	ticket = evkv_put(fake.store, EVKV_LIT("c"), EVKV_LIT("k1"),
	    EVKV_LIT("v"), 0, answer_cb, &fake.answers[1]);
	rig_turn(&fake.rig);
	evkv_cancel(fake.rig.loop, ticket);
	rig_wait(&fake.rig, &fake.answers[1].calls);
	check_status(fake.answers[1].status, EVKV_CANCELED);
	fake_get(&fake, 2);
	fake_release(&fake);
	rig_wait(&fake.rig, &fake.answers[2].calls);
	check_slice(fake.answers[2].entries[0].bytes, "v-k2");
	check_int(fake.updates, 1);
	fake_close(&fake);
}

/* The second find fails, when something was removed by the first. */
static void clear_half(struct fake *fake, struct opdoc *out)
{
	if (strcmp(fake->last, "find") == 0 && fake->finds > 1) {
		say_error(fake, out);
		return;
	}
	if (strcmp(fake->last, "delete") == 0) {
		opdoc_int(out, "n", 7);
		opdoc_double(out, "ok", 1);
		return;
	}
	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_open(out, "firstBatch", true);
	opdoc_open(out, "0", false);
	opdoc_text(out, "_id", "c:m", 3);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_peer, a_clear_that_fails_half_done_is_unknown)
{
	struct fake fake;

	fake_open(&fake);
	fake.say = clear_half;
	fake.say_always = true;
	fake.code = 9;
	fake.words = "no more";
	evkv_clear(fake.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb,
	    &fake.answers[0]);
	fake_wait(&fake, 1);
	check_status(fake.answers[0].status, EVKV_UNKNOWN_OUTCOME);
	check_contains(fake.answers[0].message, "no more");
	check_int(fake.answers[0].affected, -1);
	fake_close(&fake);
}

/* ---- No server ----------------------------------------------------------- */

EVKV_TEST(mongodb_peer, no_server_is_unavailable_in_time)
{
	struct fake fake;
	struct answer *answer;

	fake_begin(&fake);
	fake.options.server_selection_timeout_ms = 100;
	peer_refuse(fake.peer);
	fake_store(&fake);
	answer = fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_UNAVAILABLE);
	check_int(answer->cause, EVKV_CAUSE_CONNECT);
	check_int(evkv_store_state(fake.store), EVKV_STATE_DOWN);
	peer_accept(fake.peer);
	while (fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status ==
	    EVKV_UNAVAILABLE)
		;
	check_status(fake.answers[0].status, EVKV_OK);
	check_int(evkv_store_state(fake.store), EVKV_STATE_READY);
	fake_close(&fake);
}

/* ---- Closing ------------------------------------------------------------- */

/* Close while a server is silent; how long that took, in ms. */
static int64_t close_silent(struct fake *fake, int64_t drain_ms)
{
	struct answer closed = ANSWER_INIT;
	int64_t begun = evkv_loop_now_ms(fake->rig.loop);

	evkv_store_close(fake->store, drain_ms, answer_cb, &closed);
	rig_wait(&fake->rig, &closed.calls);
	evkv_store_unref(fake->store);
	fake->store = NULL;
	answer_free(&closed);
	return evkv_loop_now_ms(fake->rig.loop) - begun;
}

EVKV_TEST(mongodb_peer, close_waits_for_no_silent_server)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.lanes = 4;
	fake_store(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	fake.stall = true;
	for (unsigned i = 1; i < 40; i++) {
		if (i % 2 == 0)
			fake_get(&fake, i);
		else
			fake_put(&fake, i);
	}
	rig_until(&fake.rig, fake.updates + fake.finds >= 5);
	check_between(close_silent(&fake, 100), 100, 1000);
	for (unsigned i = 1; i < 40; i++)
		check_status(fake.answers[i].status,
		    i % 2 == 0 ? EVKV_CLOSED : fake.answers[i].status);
	/* So that the workers that were left behind end. */
	peer_cut_all(fake.peer);
	peer_refuse(fake.peer);
	fake_close(&fake);
}

EVKV_TEST(mongodb_peer, freeing_the_loop_waits_for_no_silent_server)
{
	struct fake fake;

	fake_open(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	fake.stall = true;
	fake_put(&fake, 1);
	rig_until(&fake.rig, fake.updates == 1);
	peer_cut_all(fake.peer);
	peer_refuse(fake.peer);
	evkv_store_unref(fake.store);
	fake.store = NULL;
	fake_close(&fake);
}
