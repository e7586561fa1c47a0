/*
 * tests/stores/mongodb/write_test.c - the mongodb driver's bulk writes against
 * a scripted server: what is sent again, and by which number; and how many fit
 * into one command.
 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

/* ---- Sent again ---------------------------------------------------------- */

/* A store that has written already, so that the next puts go together. */
static void open_replica(struct fake *fake)
{
	fake_begin(fake);
	fake->replica = true;
	fake->options.server_selection_timeout_ms = 10000;
	fake_store(fake);
	fake_get(fake, 0);
	fake_wait(fake, 1);
}

/* Five puts, which all get the same answer. */
static enum evkv_status put_five(struct fake *fake)
{
	unsigned i;

	fake->updates = 0;
	for (i = 0; i < 5; i++) {
		answer_reset(&fake->answers[i]);
		fake->answers[i].calls = 0;
		fake_put(fake, i);
	}
	fake_wait(fake, 5);
	for (i = 1; i < 5; i++)
		check_status(fake->answers[i].status, fake->answers[0].status);
	return fake->answers[0].status;
}

EVKV_TEST(mongodb_write, each_write_to_a_replica_set_has_a_number_of_its_own)
{
	struct fake fake;
	int64_t first;

	open_replica(&fake);
	check_status(put_five(&fake), EVKV_OK);
	check_int(fake.updates, 1);
	check_int(fake.documents, 5);
	first = fake.number;
	check(first > 0);
	check_status(put_five(&fake), EVKV_OK);
	check_int(fake.number, first + 1);
	fake_close(&fake);
}

static void open_plain(struct fake *fake, const char *uri_end)
{
	fake_begin(fake);
	strncat(fake->uri, uri_end, sizeof(fake->uri) - strlen(fake->uri) - 1);
	fake->options.server_selection_timeout_ms = 10000;
}

/* The server is found again, so that the end has to wait for nothing. */
static void close_found(struct fake *fake)
{
	fake->say = NULL;
	check_status(fake_do(fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	fake_close(fake);
}

/* It is told once, and nothing is sent again. */
static void not_numbered(struct fake *fake)
{
	fake_store(fake);
	fake_get(fake, 0);
	fake_wait(fake, 1);
	check_status(put_five(fake), EVKV_OK);
	check_int(fake->number, 0);
	fake->code = 10107;
	fake->words = "not primary";
	fake->say = say_error;
	check_status(put_five(fake), EVKV_UNAVAILABLE);
	check_int(fake->updates, 1);
	close_found(fake);
}

EVKV_TEST(mongodb_write, a_server_that_stands_alone_gets_no_numbers)
{
	struct fake fake;

	open_plain(&fake, "");
	not_numbered(&fake);
}

EVKV_TEST(mongodb_write, retry_writes_can_be_switched_off)
{
	struct fake fake;

	open_plain(&fake, "?retryWrites=false");
	fake.replica = true;
	not_numbered(&fake);
}

/* The first of two commands with the same number. */
static int64_t first_number;

static void note_number(struct fake *fake, struct opdoc *out)
{
	first_number = fake->number;
	say_error(fake, out);
}

static void say_labelled(struct fake *fake, struct opdoc *out)
{
	note_number(fake, out);
	opdoc_open(out, "errorLabels", true);
	opdoc_text(out, "0", "Other", 5);
	opdoc_text(out, "1", "RetryableWriteError", 19);
	opdoc_close(out);
}

static void say_labelled_concern(struct fake *fake, struct opdoc *out)
{
	first_number = fake->number;
	say_concern_error(fake, out);
	opdoc_open(out, "errorLabels", true);
	opdoc_text(out, "0", "RetryableWriteError", 19);
	opdoc_close(out);
}

/* The first answer is cut off; the fake says all that comes later. */
static void cut_once(struct fake *fake, struct opdoc *out)
{
	(void)out;
	first_number = fake->number;
	fake->cut = true;
}

static void cut_no_more(struct fake *fake, struct opdoc *out)
{
	fake->cut = false;
	opdoc_int(out, "n", fake->documents);
	opdoc_double(out, "ok", 1);
}

static void cut_then_refuse(struct fake *fake, struct opdoc *out)
{
	fake->cut = false;
	fake->then(fake, out);
}

static void cut_then_do(struct fake *fake, struct opdoc *out)
{
	cut_once(fake, out);
	fake->say = cut_no_more;
}

static void cut_then_fail(struct fake *fake, struct opdoc *out)
{
	cut_once(fake, out);
	fake->say = cut_then_refuse;
}

static const struct {
	int code;
	void (*say)(struct fake *fake, struct opdoc *out);
} repeated[] = {
	{ 10107, note_number },
	{ 11600, note_number },
	{ 9999, say_labelled },
	{ 91, say_labelled_concern },
	{ 0, cut_then_do },
};

EVKV_TEST(mongodb_write, what_may_help_is_sent_again_with_the_same_number)
{
	struct fake fake;
	size_t i;

	open_replica(&fake);
	fake.words = "not now";
	for (i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
		fake.code = repeated[i].code;
		fake.say = repeated[i].say;
		check_status(put_five(&fake), EVKV_OK);
		check_int(fake.updates, 2);
		check(fake.number > 0);
		check_int(fake.number, first_number);
	}
	close_found(&fake);
}

EVKV_TEST(mongodb_write, what_can_not_help_is_sent_once)
{
	static const int codes[] = { 13, 50, 10334 };
	static const enum evkv_status statuses[] = { EVKV_REFUSED,
		EVKV_UNKNOWN_OUTCOME, EVKV_TOO_LARGE };
	struct fake fake;
	size_t i;

	open_replica(&fake);
	fake.words = "no";
	for (i = 0; i < 3; i++) {
		fake.code = codes[i];
		fake.say = say_error;
		check_status(put_five(&fake), statuses[i]);
		check_int(fake.updates, 1);
	}
	fake.say = say_write_error;
	fake.code = 121;
	for (i = 0; i < 5; i++) {
		answer_reset(&fake.answers[i]);
		fake.answers[i].calls = 0;
		fake_put(&fake, (unsigned)i);
	}
	fake_wait(&fake, 5);
	check_int(fake.updates, 2);
	check_status(fake.answers[0].status, EVKV_SERVER);
	check_status(fake.answers[4].status, EVKV_OK);
	fake_close(&fake);
}

EVKV_TEST(mongodb_write, it_is_sent_again_once_and_no_more)
{
	struct fake fake;

	open_replica(&fake);
	fake.code = 10107;
	fake.words = "not primary";
	fake.say = say_error;
	fake.say_always = true;
	check_status(put_five(&fake), EVKV_UNAVAILABLE);
	check_int(fake.updates, 2);
	close_found(&fake);
}

/* That the second did nothing does not say so of the first. */
EVKV_TEST(mongodb_write, what_was_done_perhaps_is_not_denied_by_the_second)
{
	struct fake fake;

	open_replica(&fake);
	fake.code = 10107;
	fake.words = "not primary";
	fake.say = cut_then_fail;
	fake.then = say_error;
	check_status(put_five(&fake), EVKV_UNKNOWN_OUTCOME);
	check_int(fake.updates, 2);
	close_found(&fake);
}

/* Nor where libmongoc repeats it, and tells of the second alone. */
EVKV_TEST(mongodb_write, a_write_alone_is_not_denied_by_the_second)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PUT, EVKV_OP_TAKE };
	struct fake fake;
	size_t i;

	open_replica(&fake);
	fake.code = 10107;
	fake.words = "not primary";
	fake.then = say_labelled;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fake.say = cut_then_fail;
		fake.commands = 0;
		check_status(fake_do(&fake, kinds[i], EVKV_IF_ANY, 0)->status,
		    EVKV_UNKNOWN_OUTCOME);
		check_int(fake.commands, 2);
	}
	close_found(&fake);
}

EVKV_TEST(mongodb_write, a_store_ends_while_a_numbered_write_is_under_way)
{
	struct fake fake;
	struct answer closed = ANSWER_INIT;

	open_replica(&fake);
	fake.hold = true;
	fake.code = 10107;
	fake.words = "not primary";
	fake.say = say_error;
	fake.updates = 0;
	fake_put(&fake, 1);
	fake_put(&fake, 2);
	rig_until(&fake.rig, fake.updates == 1);
	evkv_store_close(fake.store, 0, answer_cb, &closed);
	rig_wait(&fake.rig, &closed.calls);
	check_status(fake.answers[1].status, EVKV_UNKNOWN_OUTCOME);
	check_status(fake.answers[2].status, EVKV_UNKNOWN_OUTCOME);
	evkv_store_unref(fake.store);
	fake.store = NULL;
	peer_cut_all(fake.peer);
	peer_refuse(fake.peer);
	answer_free(&closed);
	fake_close(&fake);
}

EVKV_TEST(mongodb_write, no_server_is_unavailable_for_many_puts_too)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.server_selection_timeout_ms = 100;
	peer_refuse(fake.peer);
	fake_store(&fake);
	check_status(put_five(&fake), EVKV_UNAVAILABLE);
	check_int(fake.answers[4].cause, EVKV_CAUSE_CONNECT);
	fake_close(&fake);
}

/* ---- How many fit -------------------------------------------------------- */

/* One request with keys "0...", "1...", each of this size; no values: gets. */
static void many_large(struct fake *fake, size_t count, size_t key_size,
    size_t value_size, void (*say)(struct fake *fake, struct opdoc *out))
{
	struct evkv_slice *keys = calloc(count, sizeof(*keys));
	struct evkv_slice *values = calloc(count, sizeof(*values));
	char *value = calloc(1, value_size + 1);
	char *names = malloc(count * key_size);
	size_t i;

	check(keys != NULL && values != NULL && value != NULL && names != NULL);
	memset(names, 0xff, count * key_size);
	for (i = 0; i < count; i++) {
		names[i * key_size] = (char)i;
		keys[i] = evkv_bytes(names + i * key_size, key_size);
		values[i] = evkv_bytes(value, value_size);
	}
	fake_begin(fake);
	fake_store(fake);
	fake->say = say;
	fake->say_always = true;
	if (value_size == 0)
		evkv_get_many(fake->store, EVKV_LIT("c"), keys, count,
		    answer_cb, &fake->answers[0]);
	else
		evkv_put_many(fake->store, EVKV_LIT("c"), keys, values, count,
		    0, answer_cb, &fake->answers[0]);
	fake_wait(fake, 1);
	free(keys);
	free(values);
	free(value);
	free(names);
}

static void put_large(struct fake *fake, size_t count, size_t key_size,
    size_t value_size)
{
	many_large(fake, count, key_size, value_size, NULL);
	check_status(fake->answers[0].status, EVKV_OK);
	check_int(fake->answers[0].affected, (int64_t)count);
	check_int(fake->written, (int64_t)count);
}

/* 100 writes of 360 kB, in commands of 16 MiB. */
EVKV_TEST(mongodb_write, long_keys_go_in_several_commands)
{
	struct fake fake;

	put_large(&fake, 100, 60000, 1);
	check_int(fake.updates, 3);
	fake_close(&fake);
}

/* The fake's answers are made for short ones; it says that none is there. */
static void say_none(struct fake *fake, struct opdoc *out)
{
	(void)fake;
	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_open(out, "firstBatch", true);
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

EVKV_TEST(mongodb_write, long_keys_are_asked_for_in_several_commands)
{
	struct fake fake;

	many_large(&fake, 100, 60000, 0, say_none);
	check_status(fake.answers[0].entries[0].status, EVKV_NOT_FOUND);
	check_status(fake.answers[0].entries[99].status, EVKV_NOT_FOUND);
	check_int(fake.finds, 2);
	check(fake.largest < (size_t)16 << 20);
	fake_close(&fake);
}

/* Their values would fit, but not all that is around them. */
EVKV_TEST(mongodb_write, values_that_do_not_fit_together_go_alone)
{
	struct fake fake;

	put_large(&fake, 2, 8, ((size_t)8 << 20) - 8192);
	check_int(fake.updates, 2);
	fake_close(&fake);
}
