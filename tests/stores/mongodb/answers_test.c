/*
 * tests/stores/mongodb/answers_test.c - the mongodb driver against a scripted
 * server: answers that lack something, operations that are ended early, and
 * stores of one loop that do not wait for each other.
 */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"

/* ---- Answers that lack something ----------------------------------------- */

/* One document, of "c:k0"; a field of another type than ours has. */
static void say_text(struct opdoc *out, const char *strange)
{
	static const char *const names[] = { "value", "version" };
	size_t i;

	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_open(out, "firstBatch", true);
	opdoc_open(out, "0", false);
	opdoc_text(out, "_id", "c:k0", 4);
	for (i = 0; i < 2; i++) {
		if (strcmp(names[i], strange) == 0)
			opdoc_text(out, names[i], "0123456789abcdef", 16);
		else
			opdoc_binary(out, names[i], "0123456789abcdef", 16);
	}
	opdoc_close(out);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

static void say_text_value(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	say_text(out, "value");
}

static void say_text_version(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	say_text(out, "version");
}

static void say_none_strange(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	say_text(out, "");
}

EVKV_TEST(mongodb_answers, a_field_of_another_type_makes_a_document_foreign)
{
	struct fake fake;
	struct answer *answer;

	fake_open(&fake);
	fake.say = say_none_strange;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_OK);
	check_slice(answer->entries[0].bytes, "0123456789abcdef");
	fake.say = say_text_value;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_NOT_FOUND);
	fake.say = say_text_version;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_NOT_FOUND);
	fake_close(&fake);
}

/* The cursor 77 is kept; the document of this _id is there, or none. */
static void say_kept(struct opdoc *out, const char *id)
{
	opdoc_open(out, "cursor", false);
	opdoc_open(out, "firstBatch", true);
	if (id != NULL) {
		opdoc_open(out, "0", false);
		opdoc_text(out, "_id", id, strlen(id));
		opdoc_binary(out, "value", "first", 5);
		opdoc_binary(out, "version", "0123456789abcdef", 16);
		opdoc_close(out);
	}
	opdoc_close(out);
	opdoc_long(out, "id", 77);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

static void say_killed(struct fake *fake, struct opdoc *out)
{
	check_str(fake->last, "killCursors");
	opdoc_double(out, "ok", 1);
}

static void say_first(struct fake *fake, struct opdoc *out)
{
	check_str(fake->last, "find");
	say_kept(out, "c:k1");
	fake->say = say_killed;
}

static void say_no_more(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	say_kept(out, NULL);
}

EVKV_TEST(mongodb_answers, what_one_answer_does_not_hold_is_asked_for_again)
{
	struct fake fake;

	fake_open(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	fake.say = say_first;
	fake_get(&fake, 1);
	fake_get(&fake, 2);
	fake_get(&fake, 3);
	fake_wait(&fake, 4);
	check_slice(fake.answers[1].entries[0].bytes, "first");
	check_slice(fake.answers[2].entries[0].bytes, "v-k2");
	check_slice(fake.answers[3].entries[0].bytes, "v-k3");
	check_int(fake.finds, 3);
	check_int(fake.commands, 4);
	fake_close(&fake);
}

EVKV_TEST(mongodb_answers, a_server_that_keeps_all_it_has_is_not_asked_for_ever)
{
	struct fake fake;
	struct answer *answer;

	fake_open(&fake);
	fake.say = say_no_more;
	fake.say_always = true;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_CORRUPT);
	check_contains(answer->message, "damaged");
	check_int(fake.finds, 1);
	fake_close(&fake);
}

/* Documents in another order, one twice, one that nobody has asked for. */
static void say_mixed(struct fake *fake, struct opdoc *out)
{
	static const char *const ids[] = { "c:k3", "c:k1", "c:other", "c:k1" };
	char number[8];

	check_str(fake->last, "find");
	opdoc_open(out, "cursor", false);
	opdoc_open(out, "firstBatch", true);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(number, sizeof(number), "%u", i);
		opdoc_open(out, number, false);
		opdoc_text(out, "_id", ids[i], strlen(ids[i]));
		opdoc_binary(out, "value", ids[i] + 2, strlen(ids[i]) - 2);
		opdoc_binary(out, "version", "0123456789abcdef", 16);
		opdoc_close(out);
	}
	opdoc_close(out);
	opdoc_long(out, "id", 0);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_answers, documents_find_their_readers_in_any_order)
{
	struct fake fake;

	fake_open(&fake);
	fake_get(&fake, 0);
	fake_wait(&fake, 1);
	fake.say = say_mixed;
	for (unsigned i = 1; i < 4; i++)
		fake_get(&fake, i);
	fake_wait(&fake, 4);
	check_slice(fake.answers[1].entries[0].bytes, "k1");
	check_status(fake.answers[2].status, EVKV_NOT_FOUND);
	check_slice(fake.answers[3].entries[0].bytes, "k3");
	fake_close(&fake);
}

/* A member of the batch that is no document. */
static void say_text_member(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_open(out, "firstBatch", true);
	opdoc_text(out, "0", "text", 4);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_answers, a_batch_of_something_else_is_damage)
{
	struct fake fake;

	fake_open(&fake);
	fake.say = say_text_member;
	check_status(fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status,
	    EVKV_CORRUPT);
	fake_close(&fake);
}

/*
 * Each byte of an answer's document is another once: each op has its answer.
 * Without the last, for libmongoc 1.23 uses what it had before where it is no 0.
 */
static void flip_each(struct fake *fake, enum evkv_kind kind)
{
	unsigned i;

	for (fake->flip = 25; fake->flip < fake->out.size - 1; fake->flip++) {
		for (i = 1; i < 4; i++) {
			answer_reset(&fake->answers[i]);
			fake->answers[i].calls = 0;
			if (kind == EVKV_OP_PUT)
				fake_put(fake, i);
			else
				fake_get(fake, i);
		}
		fake_wait(fake, 4);
	}
	fake->flip = 0;
}

EVKV_TEST(mongodb_answers, any_byte_of_an_answer_may_be_another)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.server_selection_timeout_ms = 10000;
	fake_store(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	flip_each(&fake, EVKV_OP_GET);
	flip_each(&fake, EVKV_OP_PUT);
	for (unsigned i = 1; i < 4; i++) {
		answer_reset(&fake.answers[i]);
		fake.answers[i].calls = 0;
		fake_get(&fake, i);
	}
	fake_wait(&fake, 4);
	check_slice(fake.answers[3].entries[0].bytes, "v-k3");
	fake_close(&fake);
}

static void say_no_cursor(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_answers, an_answer_without_documents_is_damage)
{
	struct fake fake;
	struct answer *answer;

	fake_open(&fake);
	fake.say = say_no_cursor;
	answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	check_status(answer->status, EVKV_CORRUPT);
	fake_close(&fake);
}

/* The error of one write without its code: all that is known is that. */
static void say_no_code(struct fake *fake, struct opdoc *out)
{
	opdoc_int(out, "n", fake->documents - 1);
	opdoc_open(out, "writeErrors", true);
	opdoc_open(out, "0", false);
	opdoc_int(out, "index", 0);
	opdoc_text(out, "errmsg", "something", 9);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_answers, a_write_error_without_a_code_is_no_success)
{
	struct fake fake;

	fake_open(&fake);
	fake_put_four(&fake, say_no_code);
	check_int(fake.updates, 1);
	check(evkv_failed(fake.answers[1].status));
	fake_close(&fake);
}

/*
 * The answer tells of fewer writes than there were, so each is asked for; and
 * that goes wrong.
 */
static void say_failed(struct fake *fake, struct opdoc *out)
{
	check_str(fake->last, "find");
	fake->code = 13;
	fake->words = "not authorized";
	say_error(fake, out);
}

static void say_cut(struct fake *fake, struct opdoc *out)
{
	check_str(fake->last, "find");
	opdoc_double(out, "ok", 1);
	fake->cut = true;
}

static void say_too_few(struct fake *fake, struct opdoc *out)
{
	opdoc_int(out, "n", fake->documents - 1);
	opdoc_double(out, "ok", 1);
	fake->say = fake->then;
}

static void lose_after_bulk(struct fake *fake,
    void (*say)(struct fake *fake, struct opdoc *out))
{
	fake_begin(fake);
	fake->options.server_selection_timeout_ms = 10000;
	fake_store(fake);
	fake->then = say;
	fake_put_four(fake, say_too_few);
	check_status(fake->answers[1].status, EVKV_UNKNOWN_OUTCOME);
}

EVKV_TEST(mongodb_answers, what_was_done_perhaps_is_not_denied_by_a_look)
{
	struct fake fake;
	unsigned i;

	lose_after_bulk(&fake, say_failed);
	/* The others are looked for, and put. */
	check_int(fake.finds, 4);
	check_int(fake.updates, 4);
	for (i = 2; i < 5; i++)
		check_status(fake.answers[i].status, EVKV_OK);
	fake_close(&fake);
}

/* An error of the command is not of its first write: others may be done. */
EVKV_TEST(mongodb_answers, a_command_that_failed_may_have_done_some)
{
	struct fake fake;
	unsigned i;

	fake_open(&fake);
	fake.code = 1;
	fake.words = "database is locked";
	fake_put_four(&fake, say_error);
	check_int(fake.updates, 1);
	for (i = 1; i < 5; i++)
		check_status(fake.answers[i].status, EVKV_UNKNOWN_OUTCOME);
	/* A put that goes alone was not done. */
	fake.say = say_error;
	check_status(fake_do(&fake, EVKV_OP_PUT, EVKV_IF_ANY, 0)->status,
	    EVKV_SERVER);
	fake_close(&fake);
}

EVKV_TEST(mongodb_answers, a_server_that_is_lost_in_a_look_is_not_asked_again)
{
	struct fake fake;
	unsigned i;

	lose_after_bulk(&fake, say_cut);
	/* Once more by libmongoc, where that repeats a read. */
	check(fake.finds <= 2);
	check_int(fake.updates, 1);
	for (i = 2; i < 5; i++)
		check_status(fake.answers[i].status, EVKV_UNKNOWN_OUTCOME);
	fake.cut = false;
	check_status(fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	fake_close(&fake);
}

/* ---- Ended early --------------------------------------------------------- */

static enum evkv_status cancel_under_way(struct fake *fake, enum evkv_kind kind)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	unsigned before = fake->commands;
	evkv_ticket ticket = evkv_submit(fake->store,
	    &(struct evkv_request){ .kind = kind,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL },
	    answer_cb, &answer);

	rig_until(&fake->rig, fake->commands > before);
	evkv_cancel(fake->rig.loop, ticket);
	rig_wait(&fake->rig, &answer.calls);
	fake_release(fake);
	fake->hold = true;
	answer_free(&answer);
	return answer.status;
}

EVKV_TEST(mongodb_answers, a_write_that_was_sent_and_canceled_is_unknown)
{
	struct fake fake;

	fake_open(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	fake.hold = true;
	check_status(cancel_under_way(&fake, EVKV_OP_PUT),
	    EVKV_UNKNOWN_OUTCOME);
	check_status(cancel_under_way(&fake, EVKV_OP_TAKE),
	    EVKV_UNKNOWN_OUTCOME);
	check_status(cancel_under_way(&fake, EVKV_OP_GET), EVKV_CANCELED);
	fake.hold = false;
	fake_close(&fake);
}

/* ---- Stores of one loop -------------------------------------------------- */

static void end_store(struct fake *fake, struct evkv_store *store)
{
	struct answer closed = ANSWER_INIT;

	evkv_store_close(store, 0, answer_cb, &closed);
	rig_wait(&fake->rig, &closed.calls);
	evkv_store_unref(store);
	answer_free(&closed);
}

/* A store has three threads; so many others are stuck. */
EVKV_TEST(mongodb_answers, a_store_does_not_wait_for_anothers_server)
{
	struct evkv_store *stuck[3];
	struct fake fake;
	unsigned i;

	fake_begin(&fake);
	fake.stall = true;
	for (i = 0; i < 3; i++) {
		fake_store(&fake);
		fake_get(&fake, i);
		rig_until(&fake.rig, fake.finds == i + 1);
		stuck[i] = fake.store;
	}
	fake.stall = false;
	fake_store(&fake);
	fake_get(&fake, 3);
	rig_wait(&fake.rig, &fake.answers[3].calls);
	check_status(fake.answers[3].status, EVKV_OK);
	for (i = 0; i < 3; i++)
		check_int(fake.answers[i].calls, 0);
	peer_cut_all(fake.peer);
	for (i = 0; i < 3; i++) {
		rig_wait(&fake.rig, &fake.answers[i].calls);
		end_store(&fake, stuck[i]);
	}
	fake_close(&fake);
}

/* ---- libmongoc's log ----------------------------------------------------- */

/* Each line that is told makes the next: one is on its way at any time. */
static void echo(enum evkv_log_level level, const char *message, void *arg)
{
	unsigned *told = arg;

	(void)level;
	(void)message;
	++*told;
	mongoc_log(MONGOC_LOG_LEVEL_WARNING, "test", "another");
}

EVKV_TEST(mongodb_answers, a_store_ends_while_lines_of_the_log_are_on_their_way)
{
	struct fake fake;
	unsigned told = 0;

	fake_open(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	evkv_loop_set_log(fake.rig.loop, echo, &told);
	mongoc_log(MONGOC_LOG_LEVEL_WARNING, "test", "one");
	rig_until(&fake.rig, told > 1);
	fake_close(&fake);
}
