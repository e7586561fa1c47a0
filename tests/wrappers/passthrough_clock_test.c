/*
 * tests/wrappers/passthrough_clock_test.c - the wall clock is set. The primary
 * may count by it and the cache not, so what was filled before goes unread.
 */
#include "cache_bed.h"

#define HOUR_US (INT64_C(3600) * 1000 * 1000)

/* K is in the cache, and gone from the primary, as if it had expired there. */
static void clock_open(struct cache_bed *bed, enum bed_cache kind)
{
	struct answer a = ANSWER_INIT;

	bed_open(bed, kind,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 600000 });
	bed_put(bed, bed->below, K, EVKV_LIT("old"), 0);
	bed_check_filled(bed, "old");
	evkv_delete(bed->below, C, K, answer_cb, &a);
	rig_wait(&bed->rig, &a.calls);
	check_str(bed_value(bed, bed->store, K), "old");
	answer_free(&a);
}

static void goes_by(struct cache_bed *bed, int64_t step_us)
{
	bed->rig.wall_us += step_us;
	check_str(bed_value(bed, bed->store, K), "-");
	/* And is emptied, then filled again. */
	bed_put(bed, bed->below, K, EVKV_LIT("new"), 0);
	check_str(bed_value(bed, bed->store, K), "new");
	check_str(bed_value(bed, bed->tier, K), "old");
	bed_pass_time(bed, 1000);
	check_str(bed_value(bed, bed->tier, K), "-");
	bed_check_filled(bed, "new");
}

EVKV_TEST(wrappers_passthrough_clock, a_wall_clock_set_empties_the_cache)
{
	static const int64_t steps_us[] = { 2 * HOUR_US, -24 * HOUR_US, 501000,
		-501000 };
	static const enum bed_cache kinds[] = { BED_LOCAL, BED_REMOTE };
	struct cache_bed bed;
	size_t i, j;

	for (i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++) {
		for (j = 0; j < 2; j++) {
			clock_open(&bed, kinds[j]);
			goes_by(&bed, steps_us[i]);
			bed_close(&bed);
		}
	}
}

/* Time that passes by both clocks, and what NTP does, are no jumps. */
EVKV_TEST(wrappers_passthrough_clock, a_clock_that_runs_or_drifts_keeps_it)
{
	struct cache_bed bed;

	clock_open(&bed, BED_LOCAL);
	bed_pass_time(&bed, 300000);
	check_str(bed_value(&bed, bed.store, K), "old");
	bed.rig.wall_us += 400000;
	check_str(bed_value(&bed, bed.store, K), "old");
	bed.rig.wall_us -= 800000;
	check_str(bed_value(&bed, bed.store, K), "old");
	/* Small steps one way come to more than the bound. */
	bed.rig.wall_us -= 200000;
	check_str(bed_value(&bed, bed.store, K), "-");
	bed_close(&bed);
}

/* By the short way too, which asks the cache alone. */
EVKV_TEST(wrappers_passthrough_clock, an_inline_get_sees_it)
{
	struct answer a = ANSWER_INIT;
	const struct evkv_slice key = K;
	const struct evkv_request get = {
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = C,
		.count = 1,
		.keys = &key,
	};
	struct cache_bed bed;

	clock_open(&bed, BED_LOCAL);
	bed.rig.wall_us += HOUR_US;
	evkv_submit(bed.store, &get, answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	bed_close(&bed);
}

/* The TTL it was told is one by the clock as it was. */
EVKV_TEST(wrappers_passthrough_clock, a_load_under_way_does_not_fill)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed bed;

	bed_open(&bed, BED_LOCAL, NULL);
	bed_put(&bed, bed.below, K, EVKV_LIT("v"), 60000);
	bed.primary->mode = GATE_AFTER;
	evkv_get(bed.store, C, K, answer_cb, &a);
	bed_settle(&bed);
	check_int(bed.primary->held_count, 1);
	bed.rig.wall_us += HOUR_US;
	bed.primary->mode = GATE_OPEN;
	gate_release_all(bed.primary);
	rig_wait(&bed.rig, &a.calls);
	check_slice(a.entries[0].bytes, "v");
	check_str(bed_value(&bed, bed.tier, K), "-");
	answer_free(&a);
	bed_close(&bed);
}
