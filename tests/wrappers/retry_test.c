/*
 * retry: what is repeated, of what, and making one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry_fixture.h"

/* ---- What is repeated --------------------------------------------------- */

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
	check_int(f.answer.affected, -1);
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

/* The last try finds nothing of what one before it has removed. */
EVKV_TEST(unit_retry, what_lost_tries_removed_is_not_counted)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_CLEAR,
		EVKV_OP_CLEAR_ALL, EVKV_OP_PUT };
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_request request;
	struct fixture f;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_fixture(&f,
		    (struct evkv_retry_options){ .repeat_writes = true });
		check_int(evkv_store_capabilities(f.store)->flags &
			EVKV_STORE_EXACT_AFFECTED,
		    0);
		check_status(put(&f, "k", "v"), EVKV_OK);
		fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
		request = (struct evkv_request){ .kind = kinds[i] };
		if (kinds[i] == EVKV_OP_PUT) {
			request.count = 1;
			request.keys = request.values = &key;
		}
		if (kinds[i] != EVKV_OP_CLEAR_ALL)
			request.collection = EVKV_LIT("c");
		submit(&f, &request);
		wait_for_it(&f);
		check_status(f.answer.status, EVKV_OK);
		check_int(f.answer.affected, kinds[i] == EVKV_OP_PUT ? 1 : -1);
		/* Of one try it is known. */
		submit(&f, &request);
		wait_for_it(&f);
		check_int(f.answer.affected, kinds[i] == EVKV_OP_PUT);
		close_fixture(&f);
	}
}

/* What the first try may have done is not denied by the last one. */
EVKV_TEST(unit_retry, an_unknown_outcome_is_not_forgotten)
{
	struct evkv_slice keys[2] = { EVKV_LIT("k"), EVKV_LIT("l") };
	struct fixture f;

	open_fixture(&f, (struct evkv_retry_options){ .repeat_writes = true });
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	check(evkv_fault_add(f.fault,
		  &(struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL,
		      .kinds = EVKV_KIND_BIT(EVKV_OP_PUT) |
			  EVKV_KIND_BIT(EVKV_OP_CLEAR) }) >= 0);
	check_status(put(&f, "k", "v"), EVKV_UNKNOWN_OUTCOME);
	check_int(f.answer.affected, -1);
	check_status(get(&f, "k"), EVKV_OK);
	/* Without one before it, that there was no effect is said. */
	check_status(put(&f, "k", "w"), EVKV_UNAVAILABLE);
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	evkv_fault_add(f.fault,
	    &(struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL });
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys });
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_status(f.answer.entries[1].status, EVKV_UNKNOWN_OUTCOME);
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK, 1);
	evkv_fault_add(f.fault,
	    &(struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL });
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("c") });
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

/* ---- Batches ------------------------------------------------------------ */

/* A store that fails keys by their first letter, so often. */
struct picky {
	struct evkv_store *inner;
	char letter;
	int left;
	enum evkv_status status;
	bool first;      /* only the first such key of a batch */
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
		if (picky->left == 0 || (picky->first && failed) ||
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

/* Done late, the first put of a key would undo the second one. */
EVKV_TEST(unit_retry, no_write_behind_a_later_one_of_its_key)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("a"), EVKV_LIT("aa") };
	const struct evkv_slice values[] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3"), EVKV_LIT("4") };
	struct picky picky = {
		.letter = 'a', .left = 1, .status = EVKV_BUSY, .first = true
	};
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 4,
		.keys = keys,
		.values = values };
	struct fixture f;

	open_picky(&f, &picky, (struct evkv_retry_options){ .backoff_ms = -1 });
	submit(&f, &request);
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_BUSY);
	check_status(f.answer.entries[0].status, EVKV_BUSY);
	check_status(f.answer.entries[2].status, EVKV_OK);
	check_str(picky.asked, "abaaa ");
	check_int(counters(&f).repeated, 0);
	check_status(get(&f, "a"), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "3");
	/* Both have failed: both are done again, in their order. */
	picky.asked[0] = '\0';
	picky.first = false;
	picky.left = 1;
	submit(&f, &request);
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_OK);
	check_str(picky.asked, "abaaa aaaa ");
	check_status(get(&f, "a"), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "3");
	/* Reads undo nothing. */
	picky.asked[0] = '\0';
	picky.first = true;
	picky.left = 1;
	request.kind = EVKV_OP_GET;
	request.values = NULL;
	submit(&f, &request);
	wait_for_it(&f);
	check_status(f.answer.status, EVKV_OK);
	check_str(picky.asked, "abaaa a ");
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

/* ---- Making ------------------------------------------------------------- */

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
		check_invalid(error, rows[i].word);
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
