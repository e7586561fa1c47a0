/*
 * The steps of the memory store when time runs fast: each ends soon after it
 * has begun, and yet all is done and counted.
 */
#include <string.h>

#include "bed.h"

#include "lib/test.h"

/* Further on by `arg` microseconds with each look. */
static int64_t run_fast(void *arg)
{
	static int64_t now_us;
	int64_t *step_us = arg;

	return now_us += *step_us;
}

static void bed_hurry(struct bed *bed, int64_t *step_us)
{
	struct memory_table *table =
	    (struct memory_table *)(uintptr_t)&store_self_of(bed->store)->table;

	table->clock_us = run_fast;
	table->clock_arg = step_us;
}

static void fill(struct bed *bed)
{
	bed_put_numbers(bed, COLLECTION, 0, 6000, 0);
	bed_put_numbers(bed, EVKV_LIT("b"), 0, 6000, 1000);
	bed_put_numbers(bed, COLLECTION, 6000, 9000, 2000);
}

static void open_filled(struct bed *bed, int64_t *step_us)
{
	bed_open(bed, 0, 0);
	fill(bed);
	bed_hurry(bed, step_us);
}

/* Turns until it is answered; in `worst`, what one of them removed at most. */
static int64_t affected_by(struct bed *bed, const struct evkv_request *request,
    size_t *worst)
{
	const struct memory_table *table = &store_self_of(bed->store)->table;
	struct answer answer = ANSWER_INIT;
	size_t before;
	int64_t affected;

	*worst = 0;
	evkv_submit(bed->store, request, answer_cb, &answer);
	while (answer.calls == 0 || table->retired != NULL ||
	    table->space.dead > 0) {
		before = table->space.entries.count;
		rig_single_turn(&bed->rig);
		if (before > table->space.entries.count &&
		    before - table->space.entries.count > *worst)
			*worst = before - table->space.entries.count;
	}
	check_status(answer.status, EVKV_OK);
	affected = answer.affected;
	answer_free(&answer);
	return affected;
}

EVKV_TEST(unit_memory_pace, short_steps_purge_all_that_has_expired)
{
	int64_t step_us = 1000;
	struct bed bed;
	size_t worst;

	open_filled(&bed, &step_us);
	bed.rig.now_us += 1500 * 1000;
	check_int(affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED },
		      &worst),
	    6000);
	check_between(worst, 16, 16);
	check_int(bed_counters(&bed).entries, 9000);
	check_int(bed_count_keys(&bed, COLLECTION), 9000);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_pace, short_steps_clear_what_matches_and_no_more)
{
	int64_t step_us = 1000;
	struct bed bed;
	size_t worst;

	open_filled(&bed, &step_us);
	check_int(affected_by(&bed,
		      &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
			  .collection = COLLECTION,
			  .match.pattern = EVKV_LIT("*[02468]") },
		      &worst),
	    4500);
	check_between(worst, 1, 16);
	check_int(bed_count_keys(&bed, COLLECTION), 4500);
	check_int(bed_count_keys(&bed, EVKV_LIT("b")), 6000);
	check_int(affected_by(&bed,
		      &(struct evkv_request){
			  .kind = EVKV_OP_CLEAR, .collection = COLLECTION },
		      &worst),
	    4500);
	check_between(worst, 16, 32);
	check_int(bed_count_keys(&bed, EVKV_LIT("b")), 6000);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_pace, short_steps_sweep_in_any_order_of_expiry)
{
	const struct memory_table *table;
	int64_t step_us = 1000;
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	fill(&bed);
	/* Neither the oldest nor the newest is the first to expire. */
	for (i = 0; i < 3000; i++) {
		char key[16];

		bed_put_ttl(&bed, EVKV_LIT("mixed"),
		    number_key(key, sizeof(key), i), EVKV_LIT("v"),
		    500 + i * 7919 % 3000);
	}
	bed_hurry(&bed, &step_us);
	table = &store_self_of(bed.store)->table;
	for (i = 0; i < 60; i++) {
		rig_advance(&bed.rig, 100);
		rig_settle(&bed.rig);
		check_between(bed_counters(&bed).entries,
		    6000 + (i < 9 ? 6000u : 0u) + (i < 19 ? 3000u : 0u), 18000);
	}
	check_int(bed_counters(&bed).entries, 6000);
	check_int(table->space.expiring, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_pace, sweep_takes_the_ends_of_the_list_first)
{
	const struct memory_table *table;
	struct bed bed;
	size_t work;

	bed_open(&bed, 0, 0);
	table = &store_self_of(bed.store)->table;
	bed_put_numbers(&bed, COLLECTION, 0, 1000, 1000);
	bed_put_numbers(&bed, COLLECTION, 1000, 50000, 0);
	bed.rig.now_us += 1000 * 1000;
	work = table->work;
	evkv_loop_check_timers(bed.rig.loop);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 49000);
	/* The rest is looked at once; not for each part of what had expired. */
	check_between(table->work - work, 1000, 51000);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_pace, slow_clock_leaves_steps_as_long_as_they_were)
{
	int64_t step_us = 0;
	struct bed bed;
	size_t worst;

	open_filled(&bed, &step_us);
	affected_by(&bed,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = COLLECTION },
	    &worst);
	check_between(worst, 60, 128);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_pace, long_keys_and_patterns_make_steps_shorter)
{
	static char key[2000], pattern[1000];
	const struct memory_table *table;
	struct answer answer = ANSWER_INIT;
	int64_t step_us = 1000;
	struct bed bed;
	size_t before;
	unsigned i;

	memset(key, 'a', sizeof(key));
	memset(pattern, '?', sizeof(pattern));
	pattern[0] = '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '*';
	bed_open(&bed, 0, 0);
	bed_hurry(&bed, &step_us);
	table = &store_self_of(bed.store)->table;
	for (i = 0; i < 500; i++) {
		number_key(key, sizeof(key), i);
		key[10] = 'a';
		bed_put_ttl(&bed, COLLECTION, evkv_bytes(key, sizeof(key)),
		    EVKV_LIT("v"), 0);
	}
	evkv_submit(bed.store,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = COLLECTION,
		.match.pattern = evkv_bytes(pattern, sizeof(pattern)) },
	    answer_cb, &answer);
	while (answer.calls == 0) {
		before = table->work;
		rig_single_turn(&bed.rig);
		check(table->work - before <= 2);
	}
	check_int(answer.affected, 0);
	answer_free(&answer);
	bed_close(&bed);
}

/*
 * A place within a segment is good for as long as nothing is moved there: a
 * neighbour that is joined to it brings what has not been seen.
 */
EVKV_TEST(unit_memory_pace, a_clear_in_short_steps_misses_nothing_in_joins)
{
	struct answer answer = ANSWER_INIT;
	int64_t step_us = 1000;
	char key[16];
	struct bed bed;
	unsigned i, gone = 0;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 2000, 0);
	bed_put_numbers(&bed, EVKV_LIT("b"), 0, 20000, 0);
	bed_hurry(&bed, &step_us);
	evkv_submit(bed.store,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = COLLECTION,
		.match.pattern = EVKV_LIT("*[02468]") },
	    answer_cb, &answer);
	while (answer.calls == 0) {
		for (i = 0; i < 20 && gone < 20000; i++, gone++)
			evkv_delete(bed.store, EVKV_LIT("b"),
			    number_key(key, sizeof(key), gone), NULL, NULL);
		rig_single_turn(&bed.rig);
	}
	check_int(answer.affected, 1000);
	check_int(bed_count_keys(&bed, COLLECTION), 1000);
	answer_free(&answer);
	bed_close(&bed);
}
