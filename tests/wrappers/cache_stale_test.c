/*
 * tests/wrappers/cache_stale_test.c - entries of the cache that are old, stale,
 * or say that there is nothing.
 */
#include "cache_bed.h"

#define V EVKV_LIT("v")
#define W EVKV_LIT("w")

/* ---- There is nothing ---------------------------------------------------- */

EVKV_TEST(wrappers_cache_stale, a_miss_is_remembered)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .negative_ttl_ms = 100 });
	check_str(bed_told(&s, 0), "-");
	bed_pass_time(&s, 40);
	check_str(bed_told(&s, 0), "- cached 40");
	bed_ask(&s, EVKV_OP_EXISTS, 0, &a);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(a.entries[0].age_ms, 40);
	/* Another process puts it: not seen before the time is over. */
	bed_put(&s, s.below, K, V, 0);
	bed_pass_time(&s, 59);
	check_str(bed_told(&s, 0), "- cached 99");
	check_int(bed_loads(&s), 1);
	bed_pass_time(&s, 1);
	check_str(bed_told(&s, 0), "v");
	check_str(bed_told(&s, 0), "v cached 0");
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, a_put_ends_a_remembered_miss)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .negative_ttl_ms = 100 });
	check_str(bed_told(&s, 0), "-");
	bed_put(&s, s.store, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	bed_close(&s);
}

/* ---- Ahead of time ------------------------------------------------------- */

static const struct evkv_passthrough_cache_options ahead = { .max_ttl_ms = 100,
	.refresh_ahead_percent = 80 };

EVKV_TEST(wrappers_cache_stale, a_late_hit_begins_a_load_and_does_not_wait)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &ahead);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	bed_put(&s, s.below, K, W, 0);
	bed_pass_time(&s, 79);
	check_str(bed_told(&s, 0), "v cached 79");
	check_int(bed_loads(&s), 1);
	bed_pass_time(&s, 1);
	s.primary->mode = GATE_BEFORE;
	check_str(bed_told(&s, 0), "v cached 80");
	check_str(bed_told(&s, 0), "v cached 80");
	check_int(bed_loads(&s), 2);
	gate_release_all(s.primary);
	s.primary->mode = GATE_OPEN;
	bed_settle(&s);
	check_str(bed_told(&s, 0), "w cached 0");
	check_int(bed_loads(&s), 2);
	bed_close(&s);
}

/* Without a timer: what nobody reads is not loaded. */
EVKV_TEST(wrappers_cache_stale, what_nobody_reads_expires)
{
	struct cache_bed s;
	unsigned i;

	bed_open(&s, BED_LOCAL, &ahead);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	for (i = 0; i < 100; i++)
		bed_pass_time(&s, 10);
	check_int(bed_loads(&s), 1);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_close(&s);
}

/*
 * The rate: read all the time, an entry is loaded once in each 80 % of its
 * life, and nobody ever waits; 99 % nearly as seldom as it expires.
 */
static void rate(unsigned percent, unsigned reads, unsigned expected)
{
	struct evkv_passthrough_cache_options options = ahead;
	struct cache_bed s;
	unsigned i;

	options.refresh_ahead_percent = percent;
	bed_open(&s, BED_LOCAL, &options);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	for (i = 1; i <= reads; i++) {
		bed_pass_time(&s, 1);
		check_contains(bed_told(&s, 0), "v cached");
	}
	check_int(bed_loads(&s), 1 + expected);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, loads_ahead_are_as_many_as_they_should_be)
{
	rate(80, 800, 10);
	rate(50, 1000, 20);
	rate(99, 990, 10);
}

/* Towards the end of the primary's entry there are few of them, not many. */
EVKV_TEST(wrappers_cache_stale,
    an_entry_that_ends_is_not_loaded_again_and_again)
{
	struct cache_bed s;
	unsigned i;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){
		.refresh_ahead_percent = 80 });
	bed_put(&s, s.below, K, V, 10000);
	for (i = 0; i < 9990; i++) {
		check_contains(bed_told(&s, 0), "v");
		bed_pass_time(&s, 1);
	}
	check_between(bed_loads(&s), 3, 12);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, a_load_ahead_that_fails_is_not_repeated_at_once)
{
	struct evkv_passthrough_cache_options options = ahead;
	struct cache_bed s;
	unsigned i;

	options.stale_if_error_ms = 1000;
	options.error_backoff_ms = 10;
	bed_open(&s, BED_LOCAL, &options);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	bed_pass_time(&s, 80);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	for (i = 0; i < 20; i++) {
		check_contains(bed_told(&s, 0), "v cached");
		bed_pass_time(&s, 1);
	}
	check_int(bed_loads(&s), 1 + 2);
	bed_close(&s);
}

/* ---- While it is loaded -------------------------------------------------- */

static const struct evkv_passthrough_cache_options while_loaded = {
	.max_ttl_ms = 100,
	.stale_while_ms = 50
};

static void stale_open(struct cache_bed *s,
    const struct evkv_passthrough_cache_options *options, int64_t ttl_ms,
    int64_t age_ms)
{
	bed_open(s, BED_LOCAL, options);
	bed_put(s, s->below, K, V, ttl_ms);
	check_str(bed_told(s, 0), "v");
	if (ttl_ms == 0)
		bed_put(s, s->below, K, W, 0);
	bed_pass_time(s, age_ms);
}

EVKV_TEST(wrappers_cache_stale, a_stale_entry_is_served_while_it_is_loaded)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	unsigned i;

	stale_open(&s, &while_loaded, 0, 99);
	check_str(bed_told(&s, 0), "v cached 99");
	bed_pass_time(&s, 1);
	s.primary->mode = GATE_BEFORE;
	for (i = 0; i < 20; i++)
		check_str(bed_told(&s, 0), "v stale 100");
	bed_ask(&s, EVKV_OP_EXISTS, 0, &a);
	check_status(a.status, EVKV_OK);
	check_int(a.entries[0].flags, EVKV_ENTRY_CACHED | EVKV_ENTRY_STALE);
	check_int(a.entries[0].bytes.size, 0);
	bed_pass_time(&s, 49);
	check_str(bed_told(&s, 0), "v stale 149");
	check_int(bed_loads(&s), 2);
	gate_release_all(s.primary);
	s.primary->mode = GATE_OPEN;
	bed_settle(&s);
	/* It counts from when that load began. */
	check_str(bed_told(&s, 0), "w cached 49");
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, past_its_time_a_stale_entry_is_a_miss)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	stale_open(&s, &while_loaded, 0, 150);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	check_int(a.calls, 0);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &a.calls);
	check_str(bed_words(&a), "w");
	answer_free(&a);
	bed_close(&s);
}

/* Not one reader waits behind another's load. */
EVKV_TEST(wrappers_cache_stale, each_reader_waits_for_the_soft_timeout_at_most)
{
	struct evkv_passthrough_cache_options options = while_loaded;
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct cache_bed s;

	options.soft_timeout_ms = 10;
	stale_open(&s, &options, 0, 100);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &first);
	bed_pass_time(&s, 9);
	bed_ask(&s, EVKV_OP_GET, 0, &second);
	check_int(first.calls, 0);
	bed_pass_time(&s, 1);
	check_str(bed_words(&first), "v stale 110");
	check_int(second.calls, 0);
	bed_pass_time(&s, 9);
	check_str(bed_words(&second), "v stale 119");
	check_int(bed_loads(&s), 2);
	/* One that is quick enough answers. */
	answer_reset(&first);
	bed_ask(&s, EVKV_OP_GET, 0, &first);
	check_int(first.calls, 0);
	gate_release_all(s.primary);
	bed_settle(&s);
	check_str(bed_words(&first), "w");
	answer_free(&first);
	answer_free(&second);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, a_batch_joins_what_is_under_way)
{
	struct evkv_passthrough_cache_options options = while_loaded;
	const struct evkv_slice keys[] = { K, EVKV_LIT("new"), K };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	options.soft_timeout_ms = 10;
	stale_open(&s, &options, 0, 100);
	bed_put(&s, s.below, EVKV_LIT("new"), EVKV_LIT("n"), 0);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	answer_reset(&a);
	bed_pass_time(&s, 10);
	answer_reset(&a);
	evkv_get_many(s.store, C, keys, 3, answer_cb, &a);
	bed_settle(&s);
	check_int(s.primary->keys[EVKV_OP_TTL], 1 + 1 + 1);
	gate_release(s.primary, 1);
	bed_settle(&s);
	check_int(a.calls, 0);
	bed_pass_time(&s, 10);
	check_int(a.calls, 1);
	check_slice(a.entries[0].bytes, "v");
	check_slice(a.entries[1].bytes, "n");
	check_slice(a.entries[2].bytes, "v");
	check_int(a.entries[0].flags, EVKV_ENTRY_CACHED | EVKV_ENTRY_STALE);
	check_int(a.entries[1].flags, 0);
	answer_free(&a);
	bed_close(&s);
}

/* ---- Where the load fails ------------------------------------------------ */

static const struct evkv_passthrough_cache_options if_error = {
	.max_ttl_ms = 100,
	.stale_if_error_ms = 500,
	.error_backoff_ms = 50
};

EVKV_TEST(wrappers_cache_stale, a_stale_entry_is_served_where_the_load_fails)
{
	struct cache_bed s;
	unsigned i;

	stale_open(&s, &if_error, 0, 100);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	for (i = 0; i < 50; i++) {
		check_contains(bed_told(&s, 0), "v stale");
		check_int(bed_loads(&s), 2);
		bed_pass_time(&s, 1);
	}
	check_str(bed_told(&s, 0), "v stale 150");
	check_int(bed_loads(&s), 3);
	bed_fail_loads(&s, EVKV_OK);
	check_str(bed_told(&s, 0), "v stale 150");
	bed_pass_time(&s, 50);
	/* The new value has all of its time: none of the short one is left. */
	check_str(bed_told(&s, 0), "w");
	bed_pass_time(&s, 99);
	check_str(bed_told(&s, 0), "w cached 99");
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, past_its_time_the_failure_is_told)
{
	struct cache_bed s;

	stale_open(&s, &if_error, 0, 599);
	bed_fail_loads(&s, EVKV_SERVER);
	check_str(bed_told(&s, 0), "v stale 599");
	bed_pass_time(&s, 1);
	check_str(bed_told(&s, 0), "SERVER");
	/* With nothing to serve there is no backoff either. */
	check_str(bed_told(&s, 0), "SERVER");
	check_int(bed_loads(&s), 4);
	bed_close(&s);
}

/* A load that hangs has failed for those who wait. */
EVKV_TEST(wrappers_cache_stale, a_slow_load_counts_as_one_that_failed)
{
	struct evkv_passthrough_cache_options options = if_error;
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	options.soft_timeout_ms = 20;
	stale_open(&s, &options, 0, 300);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	bed_pass_time(&s, 19);
	check_int(a.calls, 0);
	bed_pass_time(&s, 1);
	check_str(bed_words(&a), "v stale 320");
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, a_load_that_finds_nothing_removes_the_stale_one)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	stale_open(&s, &if_error, 0, 100);
	evkv_delete(s.below, C, K, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_str(bed_told(&s, 0), "-");
	check_str(bed_value(&s, s.tier, K), "-");
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	answer_free(&a);
	bed_close(&s);
}

/* And where the cache fails to remove it, it goes unread. */
EVKV_TEST(wrappers_cache_stale, what_can_not_be_removed_is_gone_past)
{
	struct cache_bed s;

	stale_open(&s, &if_error, 0, 100);
	evkv_delete(s.below, C, K, NULL, NULL);
	bed_fail_evictions(&s, true);
	check_str(bed_told(&s, 0), "-");
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
}

/* A load of longer than the fresh time: loaded again and again, but new. */
EVKV_TEST(wrappers_cache_stale, what_comes_late_is_not_stale_for_ever)
{
	struct cache_bed s;

	stale_open(&s, &while_loaded, 0, 100);
	s.primary->mode = GATE_AFTER;
	check_str(bed_told(&s, 0), "v stale 100");
	bed_pass_time(&s, 120);
	s.primary->mode = GATE_OPEN;
	gate_release_all(s.primary);
	bed_settle(&s);
	s.primary->mode = GATE_AFTER;
	check_str(bed_told(&s, 0), "w stale 120");
	s.primary->mode = GATE_OPEN;
	gate_release_all(s.primary);
	bed_settle(&s);
	check_str(bed_told(&s, 0), "w cached 0");
	bed_close(&s);
}

/* ---- The primary's own end ----------------------------------------------- */

EVKV_TEST(wrappers_cache_stale, windows_end_when_the_primary_s_entry_expires)
{
	struct cache_bed s;

	stale_open(&s, &if_error, 300, 298);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "v stale 298");
	bed_pass_time(&s, 1);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
	/* Also for one that waits. */
	stale_open(&s, &if_error, 300, 200);
	s.primary->mode = GATE_BEFORE;
	{
		struct answer a = ANSWER_INIT;

		bed_ask(&s, EVKV_OP_GET, 0, &a);
		bed_pass_time(&s, 100);
		gate_fail(s.primary, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_NONE);
		bed_settle(&s);
		check_str(bed_words(&a), "UNAVAILABLE");
		answer_free(&a);
	}
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, they_do_not_where_that_is_asked_for)
{
	struct evkv_passthrough_cache_options options = if_error;
	struct cache_bed s;

	options.outlive_primary = true;
	stale_open(&s, &options, 300, 599);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "v stale 599");
	bed_pass_time(&s, 1);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
	/* It is not fresh then: a primary that works says the truth. */
	stale_open(&s, &options, 50, 50);
	check_str(bed_told(&s, 0), "-");
	bed_close(&s);
}

/* ---- A cache below ----------------------------------------------------- */

/* What a cache below has served stale is told so, and is not fresh here. */
EVKV_TEST(wrappers_cache_stale, what_is_stale_below_is_not_kept)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *top;
	struct cache_bed s;

	stale_open(&s, &while_loaded, 0, 100);
	top = evkv_passthrough_cache_new(evkv_store_ref(s.store),
	    evkv_memory_new(s.rig.loop, NULL, NULL),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .primary_ttl = EVKV_PRIMARY_TTL_IGNORE },
	    NULL);
	evkv_get(top, C, K, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_str(bed_words(&a), "v stale 100");
	answer_reset(&a);
	evkv_get(top, C, K, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_str(bed_words(&a), "w cached 0");
	answer_free(&a);
	evkv_store_unref(top);
	bed_close(&s);
}

/* ---- A cache elsewhere --------------------------------------------------- */

EVKV_TEST(wrappers_cache_stale, a_cache_elsewhere_counts_by_the_wall_clock)
{
	struct evkv_passthrough_cache_options options = while_loaded;
	struct cache_bed s;

	options.max_ttl_ms = 10000;
	options.stale_while_ms = 5000;
	bed_open(&s, BED_REMOTE, &options);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	bed_put(&s, s.below, K, W, 0);
	bed_pass_time(&s, 9999);
	check_str(bed_told(&s, 0), "v cached 9999");
	bed_pass_time(&s, 1);
	check_str(bed_told(&s, 0), "v stale 10000");
	check_str(bed_told(&s, 0), "w cached 0");
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_stale, what_has_no_head_is_a_miss)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &while_loaded);
	bed_put(&s, s.below, K, V, 0);
	bed_put(&s, s.tier, K, EVKV_LIT("something of another kind"), 0);
	check_str(bed_told(&s, 0), "v");
	bed_put(&s, s.tier, K, EVKV_LIT("short"), 0);
	check_str(bed_told(&s, 0), "v");
	check_str(bed_told(&s, 0), "v cached 0");
	bed_close(&s);
}

/* ---- What it counts ------------------------------------------------------ */

static void find_stale_served(const struct evkv_metric *metric, void *arg)
{
	if (strcmp(metric->name, "cache_stale_served_total") == 0)
		*(uint64_t *)arg = metric->number;
}

EVKV_TEST(wrappers_cache_stale, it_counts_what_it_does)
{
	struct evkv_passthrough_cache_counters n;
	struct cache_bed s;
	uint64_t stale = 0;

	stale_open(&s, &while_loaded, 0, 100);
	check_str(bed_told(&s, 0), "v stale 100");
	check_str(bed_told(&s, 0), "w cached 0");
	evkv_store_metrics(s.store, find_stale_served, &stale);
	check_int(stale, 1);
	check(evkv_passthrough_cache_read_counters(s.store, &n));
	check_int(n.loads, 2);
	check_int(n.refreshes, 1);
	check_int(n.load_failures, 0);
	check_int(n.stale_served, 1);
	check_int(n.fills, 2);
	check_int(n.fills_fenced, 0);
	check(!evkv_passthrough_cache_read_counters(s.tier, &n));
	check_int(n.loads, 0);
	bed_close(&s);
}
