/*
 * What the memory store does in steps: clear, clear_all, purge_expired, close.
 */
#include "bed.h"

#include "core/store.h"
#include "lib/test.h"

/* ---- Clearing ------------------------------------------------------ */

EVKV_TEST(unit_memory_steps, clear_is_exact_whatever_has_expired)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 3000, 0);
	bed_put_numbers(&bed, COLLECTION, 3000, 4000, 100);
	bed_put_numbers(&bed, COLLECTION, 4000, 6000, 5000);
	bed_put_numbers(&bed, EVKV_LIT("other"), 0, 500, 0);
	/* Expired, but not swept: the timers have not been looked at. */
	bed.rig.now_us += 100 * 1000;
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){
			  .kind = EVKV_OP_CLEAR, .collection = COLLECTION }),
	    5000);
	check_int(bed_counters(&bed).entries, 500);
	check_int(bed_count_keys(&bed, COLLECTION), 0);
	check_int(bed_count_keys(&bed, EVKV_LIT("other")), 500);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, clear_all_is_exact_whatever_has_expired)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 3000, 0);
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL }),
	    3000);
	bed_put_numbers(&bed, COLLECTION, 0, 3000, 0);
	bed_put_numbers(&bed, EVKV_LIT("b"), 0, 1000, 50);
	bed_put_numbers(&bed, EVKV_LIT("b2"), 0, 1000, 51);
	bed.rig.now_us += 50 * 1000;
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL,
			  .match.prefix = EVKV_LIT("b") }),
	    1000);
	bed_put_numbers(&bed, EVKV_LIT("b"), 0, 1000, 50);
	bed_put_numbers(&bed, EVKV_LIT("b2"), 0, 1000, 51);
	bed.rig.now_us += 50 * 1000;
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL }),
	    4000);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 0);
	check_int(bed_counters(&bed).bytes, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, clear_is_at_once_even_where_its_answer_is_not)
{
	struct answer answer = ANSWER_INIT, got = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 5000, 1000);
	bed.rig.now_us += 1000 * 1000 - 1;
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("x"), EVKV_LIT("v"), 1000);
	bed.rig.now_us += 1;
	evkv_clear(bed.store, COLLECTION, EVKV_LIT(""), answer_cb, &answer);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("x"), answer_cb, &got);
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("y"), EVKV_LIT("v"), 0);
	bed_wait(&bed, &got);
	check_status(got.status, EVKV_NOT_FOUND);
	check_int(answer.calls, 0);
	bed_wait(&bed, &answer);
	check_int(answer.affected, 1);
	check_int(bed_count_keys(&bed, COLLECTION), 1);
	answer_free(&answer);
	answer_free(&got);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, clear_by_pattern_spares_the_rest)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 5000, 0);
	bed_put_numbers(&bed, EVKV_LIT("other"), 0, 5000, 0);
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
			  .collection = COLLECTION,
			  .match.pattern = EVKV_LIT("key-00[12]???") }),
	    2000);
	check_int(bed_count_keys(&bed, COLLECTION), 3000);
	check_int(bed_count_keys(&bed, EVKV_LIT("other")), 5000);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, purge_removes_what_has_expired_and_counts_it)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 3000, 0);
	bed_put_numbers(&bed, EVKV_LIT("b"), 0, 4000, 50);
	bed.rig.now_us += 50 * 1000;
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED }),
	    4000);
	check_int(bed_counters(&bed).entries, 3000);
	check_int(bed_affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED }),
	    0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, no_turn_does_much_at_once)
{
	const struct evkv_request requests[] = {
		{ .kind = EVKV_OP_PURGE_EXPIRED },
		{ .kind = EVKV_OP_CLEAR,
		    .collection = COLLECTION,
		    .match.prefix = EVKV_LIT("key-00") },
		{ .kind = EVKV_OP_CLEAR, .collection = COLLECTION },
		{ .kind = EVKV_OP_CLEAR_ALL },
	};
	const struct memory_table *table;
	size_t before, worst = 0, i;
	struct bed bed;

	bed_open(&bed, 0, 0);
	table = &store_self_of(bed.store)->table;
	bed_put_numbers(&bed, COLLECTION, 0, 30000, 0);
	for (i = 0; i < 30000; i += 1000)
		bed_put_numbers(&bed, EVKV_LIT("b"), (unsigned)i,
		    (unsigned)i + 1000, 1000 + (int64_t)i);
	bed.rig.now_us += 3000 * 1000;
	for (i = 0; i < 4; i++) {
		struct answer answer = ANSWER_INIT;

		evkv_submit(bed.store, &requests[i], answer_cb, &answer);
		while (answer.calls == 0 || table->retired != NULL ||
		    table->space.dead > 0) {
			before = table->work;
			rig_single_turn(&bed.rig);
			if (table->work - before > worst)
				worst = table->work - before;
		}
		answer_free(&answer);
	}
	check_between(worst, INDEX_SLOTS / 2, 256);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, what_is_cleared_in_each_turn_holds_up_no_sweep)
{
	char name[16];
	struct bed bed;
	unsigned i, j;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 1000, 1000);
	bed.rig.now_us += 2000 * 1000;
	evkv_loop_check_timers(bed.rig.loop);
	for (i = 0; i < 100; i++) {
		for (j = 0; j < 20; j++)
			evkv_put(bed.store, EVKV_LIT("b"),
			    number_key(name, sizeof(name), j), EVKV_LIT("v"), 0,
			    NULL, NULL);
		evkv_clear(bed.store, EVKV_LIT("b"), EVKV_LIT(""), NULL, NULL);
		rig_single_turn(&bed.rig);
	}
	check_int(bed_counters(&bed).entries, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, no_turn_matches_many_long_keys)
{
	enum { KEYS = 150, SIZE = 60000 };
	struct answer answer = ANSWER_INIT;
	const struct memory_table *table;
	static char key[SIZE];
	size_t before, worst = 0;
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	table = &store_self_of(bed.store)->table;
	memset(key, 'x', SIZE);
	for (i = 0; i < KEYS; i++) {
		number_key(key, SIZE, i);
		key[10] = 'x';
		check_status(bed_put_ttl(&bed, COLLECTION,
				 evkv_bytes(key, SIZE), EVKV_LIT("v"), 0),
		    EVKV_OK);
	}
	evkv_clear(bed.store, COLLECTION, EVKV_LIT("key-0000[0-9][05]x*x*x"),
	    answer_cb, &answer);
	while (answer.calls == 0) {
		before = table->work;
		rig_single_turn(&bed.rig);
		if (table->work - before > worst)
			worst = table->work - before;
	}
	check_int(answer.affected, 20);
	check_int(bed_counters(&bed).entries, KEYS - 20);
	check_between(worst, 1, 4);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, close_frees_in_steps)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	unsigned turns = 0;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 30000, 0);
	evkv_store_close(bed.store, 0, answer_cb, &answer);
	while (answer.calls == 0 && turns < 1000) {
		rig_single_turn(&bed.rig);
		turns++;
	}
	check_status(answer.status, EVKV_OK);
	check_between(turns, 30000 / 128, 600);
	/* And leaves none to evkv_store_unref(). */
	check_int(store_self_of(bed.store)->table.heap->ahead.regions, 0);
	answer_free(&answer);
	bed_close(&bed);
}

static void cancel_one(struct bed *bed, const struct evkv_request *request)
{
	struct answer answer = ANSWER_INIT;
	evkv_ticket ticket;

	ticket = evkv_submit(bed->store, request, answer_cb, &answer);
	rig_single_turn(&bed->rig);
	evkv_cancel(bed->rig.loop, ticket);
	bed_wait(bed, &answer);
	/* It is a write, and has begun. */
	check_status(answer.status, EVKV_UNKNOWN_OUTCOME);
	check_int(answer.cause, EVKV_CAUSE_CANCELED);
	answer_free(&answer);
	rig_settle(&bed->rig);
	check_int(bed_counters(bed).pending, 0);
	check(store_self_of(bed->store)->jobs == NULL);
}

EVKV_TEST(unit_memory_steps, canceled_jobs_end)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 20000, 60000);
	bed.rig.now_us += 30000 * 1000;
	cancel_one(&bed,
	    &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED });
	cancel_one(&bed,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = COLLECTION,
		.match.prefix = EVKV_LIT("none") });
	check_int(bed_counters(&bed).entries, 20000);
	bed.rig.now_us += 30000 * 1000;
	bed_put_numbers(&bed, COLLECTION, 0, 1000, 60000);
	cancel_one(&bed,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = COLLECTION });
	check_int(bed_counters(&bed).entries, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_steps, loop_may_be_freed_amid_jobs)
{
	const struct evkv_request requests[] = {
		{ .kind = EVKV_OP_PURGE_EXPIRED },
		{ .kind = EVKV_OP_CLEAR,
		    .collection = COLLECTION,
		    .match.prefix = EVKV_LIT("key-00") },
		{ .kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("b") },
		{ .kind = EVKV_OP_CLEAR_ALL },
	};
	struct answer answers[4] = { ANSWER_INIT };
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 5000, 1000);
	bed_put_numbers(&bed, EVKV_LIT("b"), 0, 5000, 500);
	bed.rig.now_us += 600 * 1000;
	for (i = 0; i < 4; i++)
		evkv_submit(bed.store, &requests[i], answer_cb, &answers[i]);
	rig_single_turn(&bed.rig);
	bed_close(&bed);
	for (i = 0; i < 4; i++) {
		check_int(answers[i].calls, 1);
		answer_free(&answers[i]);
	}
}

/* Each of them waits for its turn when the store is told to close. */
EVKV_TEST(unit_memory_steps, close_waits_for_every_job)
{
	const struct evkv_request requests[] = {
		{ .kind = EVKV_OP_PURGE_EXPIRED },
		{ .kind = EVKV_OP_PURGE_EXPIRED },
		{ .kind = EVKV_OP_CLEAR,
		    .collection = COLLECTION,
		    .match.pattern = EVKV_LIT("*1") },
	};
	struct answer answers[4] = { ANSWER_INIT };
	unsigned entries, turns;
	struct bed bed;
	size_t i;

	for (entries = 0; entries < 4000; entries += 1999) {
		bed_open(&bed, 0, 0);
		bed_put_numbers(&bed, COLLECTION, 0, entries, 0);
		for (i = 0; i < 3; i++)
			evkv_submit(bed.store, &requests[i], answer_cb,
			    &answers[i]);
		evkv_store_close(bed.store, 0, answer_cb, &answers[3]);
		for (turns = 0; turns < 1000 && answers[3].calls == 0; turns++)
			rig_single_turn(&bed.rig);
		for (i = 0; i < 4; i++) {
			check_int(answers[i].calls, 1);
			answer_free(&answers[i]);
			answers[i] = (struct answer)ANSWER_INIT;
		}
		bed_close(&bed);
	}
}
