/*
 * retry: how often, when, and in which order it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry_fixture.h"

/* ---- When --------------------------------------------------------------- */

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

/* Also where no doubling hits it. */
EVKV_TEST(unit_retry, a_bound_between_two_pauses)
{
	int64_t waited, longest = 0;
	struct fixture f;
	unsigned i;

	open_fixture(&f,
	    (struct evkv_retry_options){ .attempts = 3,
		.backoff_ms = 100,
		.max_backoff_ms = 150,
		.budget_reserve = 1000 });
	for (i = 0; i < 60; i++) {
		answer_reset(&f.answer);
		fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, 2);
		evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		    &f.answer);
		while (evkv_fault_fired(f.fault, 0) < 2)
			rig_advance(&f.rig, 10);
		for (waited = 0; f.answer.calls == 0; waited += 10) {
			rig_turn(&f.rig);
			if (f.answer.calls == 0)
				rig_advance(&f.rig, 10);
		}
		longest = waited > longest ? waited : longest;
	}
	check_between(longest, 110, 160);
	close_fixture(&f);
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

/* The shorter of a try's own deadline and what is left of that of all. */
EVKV_TEST(unit_retry, the_deadline_of_all_tries_cuts_one_short)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){ .attempts = 3,
		.attempt_timeout_ms = 1000,
		.backoff_ms = -1,
		.deadline_ms = 300 });
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

/* Three tries, a reserve of 100, and a repetition for each five operations. */
EVKV_TEST(unit_retry, what_holds_without_options)
{
	struct fixture f;
	int i;

	open_fixture(&f, (struct evkv_retry_options){ .attempts = 0 });
	check_status(get(&f, "k"), EVKV_NOT_FOUND);
	check_int(counters(&f).recovered, 0);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 0);
	check_status(get(&f, "k"), EVKV_UNAVAILABLE);
	check_int(counters(&f).repeated, 2);
	for (i = 1; i < 500; i++)
		check_status(get(&f, "k"), EVKV_UNAVAILABLE);
	check_between(counters(&f).repeated, 199, 200);
	check_int(counters(&f).recovered, 0);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE, 1);
	for (i = 0; i < 5; i++)
		get(&f, "k");
	check_int(counters(&f).recovered, 1);
	close_fixture(&f);
}

/* ---- Order -------------------------------------------------------------- */

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

/* ---- Early ends --------------------------------------------------------- */

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

/* What is between it and who was canceled is told how it ended. */
EVKV_TEST(unit_retry, cut_off_in_a_pause_of_a_child)
{
	struct evkv_statistics counted;
	struct evkv_store *above;
	evkv_ticket ticket;
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_retry_options){
		.backoff_ms = 3600000, .max_backoff_ms = 3600000 });
	f.store = evkv_statistics_new(f.store, NULL, NULL);
	above = evkv_retry_new(evkv_store_ref(f.store), NULL, NULL);
	fail(&f, EVKV_FAULT_FAIL, EVKV_BUSY, 0);
	ticket = evkv_put(above, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &f.answer);
	rig_turn(&f.rig);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_CANCELED);
	check(evkv_statistics_snapshot(f.store, NULL, &counted));
	check_int(counted.by_status[EVKV_CANCELED], 1);
	check_int(counted.by_status[EVKV_OK], 0);
	evkv_store_unref(above);
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
