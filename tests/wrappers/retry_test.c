/*
 * retry: what is repeated, how often, when, and in which order it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

/* retry over fault over simple. */
struct fixture {
	struct rig rig;
	struct evkv_store *simple, *fault, *store;
	struct answer answer;
};

static void open_fixture(struct fixture *f, struct evkv_retry_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	f->fault = evkv_fault_new(evkv_store_ref(f->simple),
	    &(struct evkv_fault_options){ .seed = 1 }, &error);
	f->store = evkv_retry_new(evkv_store_ref(f->fault), &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->fault);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

static void fail(struct fixture *f, enum evkv_fault_action action,
    enum evkv_status status, uint64_t times)
{
	evkv_fault_clear(f->fault);
	check(evkv_fault_add(f->fault,
		  &(struct evkv_fault_rule){
		      .action = action, .status = status, .limit = times }) >=
	    0);
}

static void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
}

static void wait_for_it(struct fixture *f)
{
	int i;

	for (i = 0; i < 1000 && f->answer.calls == 0; i++) {
		rig_turn(&f->rig);
		if (f->answer.calls == 0)
			rig_advance(&f->rig, 100);
	}
	check_int(f->answer.calls, 1);
}

static enum evkv_status put(struct fixture *f, const char *key,
    const char *value)
{
	const struct evkv_slice key_slice = evkv_str(key);
	const struct evkv_slice value_slice = evkv_str(value);

	submit(f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key_slice,
		.values = &value_slice });
	wait_for_it(f);
	return f->answer.status;
}

static enum evkv_status get(struct fixture *f, const char *key)
{
	const struct evkv_slice slice = evkv_str(key);

	submit(f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &slice });
	wait_for_it(f);
	return f->answer.status;
}

static struct evkv_retry_counters counters(struct fixture *f)
{
	struct evkv_retry_counters counters;

	check(evkv_retry_read_counters(f->store, &counters));
	return counters;
}

/* ---- What is repeated -------------------------------------------------------- */

EVKV_TEST(unit_retry, what_had_no_effect)
{
	static const enum evkv_status statuses[] = { EVKV_BUSY, EVKV_TIMEOUT,
		EVKV_UNAVAILABLE };
	struct fixture f;
	size_t i;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 3 });
	for (i = 0; i < 3; i++) {
		fail(&f, EVKV_FAULT_FAIL, statuses[i], 2);
		check_status(put(&f, "k", "v"), EVKV_OK);
		check_str(f.answer.message, "");
		check_int(f.answer.cause, EVKV_CAUSE_NONE);
		check_int(f.answer.affected, 1);
		fail(&f, EVKV_FAULT_FAIL, statuses[i], 2);
		check_status(get(&f, "k"), EVKV_OK);
		check_slice(f.answer.entries[0].bytes, "v");
		/* One time more than it is tried. */
		fail(&f, EVKV_FAULT_FAIL, statuses[i], 3);
		check_status(put(&f, "k", "w"), statuses[i]);
		check_contains(f.answer.message, "fault");
		check_int(f.answer.affected, 0);
	}
	check_int(counters(&f).repeated, 18);
	check_int(counters(&f).recovered, 6);
	check_int(counters(&f).exhausted, 3);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, nothing_else)
{
	static const enum evkv_status statuses[] = { EVKV_REFUSED,
		EVKV_TOO_LARGE, EVKV_SERVER, EVKV_IO, EVKV_CORRUPT, EVKV_NOMEM,
		EVKV_UNKNOWN_OUTCOME, EVKV_INVALID };
	struct fixture f;
	size_t i;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 5 });
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		fail(&f, EVKV_FAULT_FAIL, statuses[i], 1);
		check_status(put(&f, "k", "v"), statuses[i]);
	}
	check_int(counters(&f).repeated, 0);
	evkv_fault_clear(f.fault);
	check_status(get(&f, "k"), EVKV_NOT_FOUND);
	check_int(counters(&f).repeated, 0);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, what_the_options_name)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){
		.statuses = EVKV_STATUS_BIT(EVKV_SERVER) });
	fail(&f, EVKV_FAULT_FAIL, EVKV_SERVER, 1);
	check_status(get(&f, "k"), EVKV_NOT_FOUND);
	/* It may have had an effect. */
	fail(&f, EVKV_FAULT_FAIL, EVKV_SERVER, 1);
	check_status(put(&f, "k", "v"), EVKV_SERVER);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	check_status(get(&f, "k"), EVKV_UNAVAILABLE);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, writes_of_unknown_outcome)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;

	open_fixture(&f, (struct evkv_retry_options){ .repeat_writes = true });
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	check_status(put(&f, "k", "v"), EVKV_OK);
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_NOT_FOUND);
	/* It would add twice, and it would find what it has put itself. */
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.delta = 1 });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &key,
		.condition = EVKV_IF_ABSENT });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, kinds_without_keys)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 2 });
	check_status(put(&f, "k", "v"), EVKV_OK);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("c") });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.count, 1);
	check_slice(f.answer.entries[0].name, "k");
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("c") });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 1);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 2);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	/* Who waits for a connection is told how the first try went. */
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	answer_reset(&f.answer);
	evkv_store_wait_ready(f.store, 0, answer_cb, &f.answer);
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	close_fixture(&f);
}

/* ---- Batches -------------------------------------------------------------------- */

/* A store that fails keys by their first letter, so often. */
struct picky {
	struct evkv_store *inner;
	char letter;
	int left;
	enum evkv_status status;
	char asked[256]; /* the keys of each try */
};

static void picky_complete(void *self, struct evkv_op *op)
{
	struct picky *picky = self;
	const struct evkv_request *request = evkv_op_request(op);
	bool failed = false;
	size_t i;

	if (request == NULL || request->count == 0)
		return;
	for (i = 0; i < request->count; i++) {
		strncat(picky->asked, request->keys[i].data,
		    request->keys[i].size);
		if (picky->left == 0 ||
		    *(const char *)request->keys[i].data != picky->letter)
			continue;
		evkv_op_give_value(op, i, NULL);
		evkv_op_entry(op, i)->status = picky->status;
		failed = true;
	}
	strcat(picky->asked, " ");
	picky->left -= failed;
	evkv_op_explain(op, EVKV_CAUSE_RESET, 0, failed ? "picky" : NULL);
	evkv_op_settle(op);
}

static enum evkv_verdict picky_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct picky *picky = self;

	return evkv_op_forward(op, picky->inner, request);
}

static void picky_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable picky_vtable = {
	.size = sizeof(picky_vtable),
	.name = "picky",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS,
	.submit = picky_submit,
	.complete = picky_complete,
	.free = picky_free,
};

static void open_picky(struct fixture *f, struct picky *picky,
    struct evkv_retry_options options)
{
	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, NULL);
	f->fault = evkv_store_ref(f->simple);
	picky->inner = evkv_store_ref(f->simple);
	f->store = evkv_retry_new(evkv_store_create(NULL, &picky_vtable, picky,
				      &(struct evkv_store_config){
					  .inner = &picky->inner,
					  .inner_count = 1 },
				      NULL),
	    &options, NULL);
	check(f->store != NULL);
}

EVKV_TEST(unit_retry, of_a_batch_what_has_failed)
{
	const struct evkv_slice keys[] = { EVKV_LIT("b1"), EVKV_LIT("a1"),
		EVKV_LIT("b2"), EVKV_LIT("a2") };
	const struct evkv_slice values[] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3"), EVKV_LIT("4") };
	const int64_t ttls[] = { 1000, 2000, 3000, 4000 };
	struct picky picky = {
		.letter = 'a', .left = 2, .status = EVKV_UNAVAILABLE
	};
	struct fixture f;
	size_t i;

	open_picky(&f, &picky,
	    (struct evkv_retry_options){ .attempts = 3, .backoff_ms = -1 });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 4,
		.keys = keys,
		.values = values,
		.ttls_ms = ttls });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_OK);
	check_str(f.answer.message, "");
	check_int(f.answer.affected, 4);
	check_str(picky.asked, "b1a1b2a2 a1a2 a1a2 ");
	picky.asked[0] = '\0';
	picky.letter = 'b';
	picky.left = 1;
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = EVKV_LIT("c"),
		.count = 4,
		.keys = keys });
	wait_for_it(&f);
	check_str(picky.asked, "b1a1b2a2 b1b2 ");
	for (i = 0; i < 4; i++) {
		check_status(f.answer.entries[i].status, EVKV_OK);
		check_bytes(f.answer.entries[i].bytes, values[i]);
		check_between(f.answer.entries[i].ttl_ms, ttls[i], ttls[i]);
	}
	close_fixture(&f);
}

EVKV_TEST(unit_retry, a_batch_that_fails_in_part)
{
	const struct evkv_slice keys[] = { EVKV_LIT("b"), EVKV_LIT("a") };
	struct picky picky = { .letter = 'a', .left = 9, .status = EVKV_BUSY };
	struct fixture f;

	open_picky(&f, &picky,
	    (struct evkv_retry_options){ .attempts = 3, .backoff_ms = -1 });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys,
		.values = keys });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_BUSY);
	check_str(f.answer.message, "picky");
	check_int(f.answer.cause, EVKV_CAUSE_RESET);
	check_status(f.answer.entries[0].status, EVKV_OK);
	check_status(f.answer.entries[1].status, EVKV_BUSY);
	check_int(f.answer.affected, 1);
	check_str(picky.asked, "ba a a ");
	close_fixture(&f);
}

/* ---- When ------------------------------------------------------------------------ */

EVKV_TEST(unit_retry, pauses_grow_to_a_bound)
{
	struct fixture f;
	int64_t waited, longest, most;
	unsigned n, i;

	for (n = 1; n <= 5; n++) {
		open_fixture(&f,
		    (struct evkv_retry_options){ .attempts = n + 1,
			.backoff_ms = 100,
			.max_backoff_ms = 400,
			.budget_reserve = 1000 });
		longest = 0;
		for (i = 0; i < 60; i++) {
			answer_reset(&f.answer);
			fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, n);
			evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"),
			    answer_cb, &f.answer);
			/* The pauses before the last one. */
			while (evkv_fault_fired(f.fault, 0) < n)
				rig_advance(&f.rig, 10);
			for (waited = 0; f.answer.calls == 0; waited += 10) {
				rig_turn(&f.rig);
				if (f.answer.calls == 0)
					rig_advance(&f.rig, 10);
			}
			if (waited > longest)
				longest = waited;
		}
		/* At most 100 ms, then 200, then 400 for all. */
		most = n == 1 ? 100 : n == 2 ? 200 : 400;
		check_between(longest, most * 7 / 10, most + 10);
		close_fixture(&f);
	}
}

EVKV_TEST(unit_retry, without_pauses)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){
		.attempts = 1000, .backoff_ms = -1, .budget_reserve = 1000 });
	fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, 900);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	rig_single_turn(&f.rig);
	check_int(f.answer.calls, 1);
	check_status(f.answer.status, EVKV_OK);
	check_int(counters(&f).repeated, 900);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, each_try_has_its_deadline)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){
		.attempts = 3, .attempt_timeout_ms = 50, .backoff_ms = -1 });
	fail(&f, EVKV_FAULT_DROP, EVKV_OK, 2);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	rig_advance(&f.rig, 99);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 0);
	/* The first was cut off at 99 here, as the clock stood still before. */
	rig_advance(&f.rig, 50);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	check_int(counters(&f).repeated, 2);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, the_deadline_of_all_tries)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){ .attempts = 1000,
		.backoff_ms = 10,
		.max_backoff_ms = 10,
		.budget_reserve = 1000,
		.deadline_ms = 300 });
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 0);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	while (f.answer.calls == 0) {
		check(f.rig.now_us < INT64_C(1) << 60);
		rig_advance(&f.rig, 1);
		rig_turn(&f.rig);
	}
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	check_int(counters(&f).late, 1);
	check_between(counters(&f).repeated, 30, 200);
	/* And one that hangs is cut off by it. */
	fail(&f, EVKV_FAULT_DROP, EVKV_OK, 0);
	submit(&f, &(struct evkv_request){ .kind = EVKV_OP_PING });
	rig_advance(&f.rig, 299);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 0);
	rig_advance(&f.rig, 1);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_TIMEOUT);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, the_budget)
{
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_retry_options){ .attempts = 2,
		.backoff_ms = -1,
		.budget_percent = 10,
		.budget_reserve = 5 });
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 0);
	for (i = 0; i < 105; i++)
		check_status(get(&f, "k"), EVKV_UNAVAILABLE);
	/* The reserve, and a tenth of the operations. */
	check_between(counters(&f).repeated, 15, 16);
	check_between(counters(&f).over_budget, 89, 90);
	/* It fills up while all is well, but not beyond the reserve. */
	evkv_fault_clear(f.fault);
	for (i = 0; i < 1000; i++)
		check_status(get(&f, "k"), EVKV_NOT_FOUND);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 0);
	for (i = 0; i < 10; i++)
		get(&f, "k");
	check_between(counters(&f).repeated, 20, 22);
	close_fixture(&f);
}

/* ---- Order ------------------------------------------------------------------------- */

/* What a review found in a retry wrapper written by the guide. */
EVKV_TEST(unit_retry, a_refused_put_keeps_its_place)
{
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct fixture f;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 2 });
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	evkv_put(f.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("first"), 0,
	    answer_cb, &first);
	evkv_put(f.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("second"), 0,
	    answer_cb, &second);
	rig_turn(&f.rig);
	rig_advance(&f.rig, 20);
	rig_settle(&f.rig);
	check_status(first.status, EVKV_OK);
	check_status(second.status, EVKV_OK);
	check(first.order < second.order);
	check_status(get(&f, "k"), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "second");
	answer_free(&first);
	answer_free(&second);
	close_fixture(&f);
}

#define STORM_OPS 300

EVKV_TEST(unit_retry, order_in_a_storm)
{
	struct answer *answers;
	unsigned last[4], seed, i, turns, key;
	char name[8], value[16];
	struct fixture f;

	for (seed = 1; seed <= 10; seed++) {
		answers = calloc(STORM_OPS, sizeof(*answers));
		open_fixture(&f,
		    (struct evkv_retry_options){
			.attempts = 1000, .budget_reserve = 1000000 });
		check(evkv_fault_add(f.fault,
			  &(struct evkv_fault_rule){
			      .action = EVKV_FAULT_REORDER,
			      .permille = 300 }) >= 0);
		check(evkv_fault_add(f.fault,
			  &(struct evkv_fault_rule){ .permille = 400 }) >= 0);
		memset(last, 0, sizeof(last));
		srand(seed);
		for (i = 0; i < STORM_OPS; i++) {
			key = (unsigned)rand() % 4;
			snprintf(name, sizeof(name), "%u", key);
			snprintf(value, sizeof(value), "%u", i);
			evkv_put(f.store, EVKV_LIT("c"), evkv_str(name),
			    evkv_str(value), 0, answer_cb, &answers[i]);
			answers[i].arg = &last[key];
			if (rand() % 8 == 0)
				rig_advance(&f.rig, rand() % 30);
		}
		for (turns = 0; turns < 3000; turns++) {
			rig_advance(&f.rig, 50);
			rig_turn(&f.rig);
		}
		for (i = 0; i < STORM_OPS; i++) {
			check_int(answers[i].calls, 1);
			check_status(answers[i].status, EVKV_OK);
			check(answers[i].order > *(unsigned *)answers[i].arg);
			*(unsigned *)answers[i].arg = answers[i].order;
			answer_free(&answers[i]);
		}
		free(answers);
		close_fixture(&f);
	}
}

/* ---- Early ends ---------------------------------------------------------------------- */

EVKV_TEST(unit_retry, cut_off_in_a_pause)
{
	const struct evkv_slice key = EVKV_LIT("k");
	const struct evkv_request request = { .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &key };
	struct answer closed = ANSWER_INIT;
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f,
	    (struct evkv_retry_options){
		.backoff_ms = 3600000, .max_backoff_ms = 3600000 });
	fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, 0);
	ticket = evkv_submit(f.store, &request, answer_cb, &f.answer);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_CANCELED);
	submit(&f, &request);
	evkv_store_close(f.store, 0, answer_cb, &closed);
	rig_wait(&f.rig, &closed.calls);
	check_int(f.answer.calls, 1);
	check_status(f.answer.status, EVKV_CLOSED);
	check_int(evkv_fault_fired(f.fault, 0), 2);
	answer_free(&closed);
	close_fixture(&f);
}

EVKV_TEST(unit_retry, cut_off_in_a_try)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 9 });
	fail(&f, EVKV_FAULT_DROP, EVKV_OK, 0);
	ticket = evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &key },
	    answer_cb, &f.answer);
	rig_turn(&f.rig);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_CANCELED);
	rig_advance(&f.rig, 60000);
	check_int(counters(&f).repeated, 0);
	check_int(evkv_fault_fired(f.fault, 0), 1);
	close_fixture(&f);
}

/* ---- Making ------------------------------------------------------------------------------ */

EVKV_TEST(unit_retry, bad_options_are_refused)
{
	const struct {
		struct evkv_retry_options options;
		const char *word;
	} rows[] = {
		{ { .attempts = 1001 }, "attempts" },
		{ { .backoff_ms = -2 }, "backoff_ms" },
		{ { .max_backoff_ms = -1 }, "max_backoff_ms" },
		{ { .attempt_timeout_ms = -1 }, "attempt_timeout_ms" },
		{ { .deadline_ms = -1 }, "deadline_ms" },
		{ { .budget_percent = 1001 }, "budget_percent" },
		{ { .budget_reserve = 1000001 }, "budget_reserve" },
		{ { .statuses = EVKV_STATUS_BIT(EVKV_NOT_FOUND) }, "statuses" },
		{ { .statuses = UINT32_C(1) << 31 }, "statuses" },
	};
	struct evkv_retry_counters counters;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fixture f;
	size_t i;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 1 });
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(evkv_retry_new(evkv_store_ref(f.simple), &rows[i].options,
			  &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_contains(error.message, rows[i].word);
		evkv_error_clear(&error);
	}
	check(evkv_retry_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check(!evkv_retry_read_counters(f.simple, &counters));
	check_int(counters.repeated, 0);
	/* One attempt is none more. */
	fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, 1);
	check_status(get(&f, "k"), EVKV_BUSY);
	close_fixture(&f);
}
