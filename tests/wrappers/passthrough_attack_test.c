/*
 * tests/wrappers/passthrough_attack_test.c - what a hostile reader of the cache
 * tried, to have it keep or give out what is not true any more.
 */
#include <stdio.h>

#include "cache_bed.h"

/* K is "old" below, and just that is on its way into the cache. */
static void start_fill(struct cache_bed *s)
{
	struct answer get = ANSWER_INIT;

	bed_put(s, s->below, K, EVKV_LIT("old"), 0);
	s->cache->mode = GATE_BEFORE;
	s->cache->sends = true;
	evkv_get(s->store, C, K, answer_cb, &get);
	bed_settle(s);
	gate_release(s->cache, 0);
	rig_wait(&s->rig, &get.calls);
	check_int(s->cache->held_count, 1);
	answer_free(&get);
}

/* All that came after the fill is done before it. */
static void overtake_fill(struct cache_bed *s)
{
	while (s->cache->held_count > 1) {
		gate_release(s->cache, 1);
		bed_settle(s);
	}
}

/* ---- What arrives late ---------------------------------------------- */

EVKV_TEST(wrappers_passthrough_attack, late_fill_is_remembered_by_later_trouble)
{
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000,
		.stall_timeout_ms = 5000,
		.cache_timeout_ms = 50 });
	start_fill(&s);
	bed_pass_time(&s, 50); /* given up on: it may arrive at any time */
	bed_fail_evictions(&s, true);
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	bed_fail_evictions(&s, false);
	bed_pass_time(&s, 1000);
	overtake_fill(&s);
	gate_release(s.cache, 0);
	s.cache->mode = GATE_OPEN;
	check_str(bed_value(&s, s.tier, K), "old");
	check_str(bed_value(&s, s.store, K), "new");
	bed_pass_time(&s, 6000);
	bed_pass_time(&s, 1000);
	bed_check_filled(&s, "new");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, fill_lands_while_evictions_fail)
{
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 5000, .cache_timeout_ms = 100000 });
	start_fill(&s);
	bed_fail_evictions(&s, true);
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	bed_pass_time(&s, 3000);
	s.cache->mode = GATE_OPEN;
	gate_release(s.cache, 0);
	bed_settle(&s);
	check_str(bed_value(&s, s.tier, K), "old");
	bed_pass_time(&s, 2500);
	bed_pass_time(&s, 1000);
	check_str(bed_value(&s, s.tier, K), "old");
	check_str(bed_value(&s, s.store, K), "new");
	bed_pass_time(&s, 2500);
	bed_pass_time(&s, 1000);
	bed_check_filled(&s, "new");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, fill_lands_after_the_cache_was_emptied)
{
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 600000,
		.cache_timeout_ms = 100000,
		.max_bypass = 1 });
	start_fill(&s);
	bed_fail_evictions(&s, true);
	bed_put(&s, s.store, EVKV_LIT("a"), EVKV_LIT("1"), 0);
	bed_put(&s, s.store, EVKV_LIT("b"), EVKV_LIT("1"), 0);
	/* It is off now, so that nothing is evicted. */
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	bed_fail_evictions(&s, false);
	bed_pass_time(&s, 1000);
	overtake_fill(&s);
	gate_release(s.cache, 0);
	s.cache->mode = GATE_OPEN;
	bed_settle(&s);
	check_str(bed_value(&s, s.store, K), "new");
	bed_pass_time(&s, 1000);
	bed_pass_time(&s, 1000);
	bed_check_filled(&s, "new");
	bed_close(&s);
}

/* ---- What overtakes ------------------------------------------------- */

EVKV_TEST(wrappers_passthrough_attack, a_hit_of_what_was_to_be_evicted)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .cache_timeout_ms = 100 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "old");
	s.cache->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &put);
	bed_pass_time(&s, 50);
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_pass_time(&s, 50);
	rig_wait(&s.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	while (s.cache->held_count > 1)
		gate_release(s.cache, 1);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "new");
	answer_free(&put);
	answer_free(&get);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, the_last_write_wins)
{
	struct answer one = ANSWER_INIT, two = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000 });
	s.cache->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("one"), 0, answer_cb, &one);
	bed_settle(&s);
	bed_fail_evictions(&s, true);
	evkv_put(s.store, C, K, EVKV_LIT("two"), 0, answer_cb, &two);
	bed_settle(&s);
	gate_release_all(s.cache);
	rig_wait(&s.rig, &one.calls);
	rig_wait(&s.rig, &two.calls);
	check(one.order < two.order);
	check_str(bed_value(&s, s.below, K), "two");
	answer_free(&one);
	answer_free(&two);
	bed_close(&s);
}

/* ---- A cache that takes less ---------------------------------------- */

EVKV_TEST(wrappers_passthrough_attack, what_the_cache_cannot_hold_goes_past_it)
{
	const struct evkv_slice keys[] = { K,
		EVKV_LIT("a key that is too long for the cache"),
		EVKV_LIT("big") };
	const struct evkv_slice values[] = { EVKV_LIT("new"), EVKV_LIT("new"),
		EVKV_LIT("a value that is too big for the cache") };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	int i;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000 });
	for (i = 0; i < 3; i++) {
		evkv_put_many(s.store, C, keys, values, 3, 0, answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		answer_reset(&a);
		evkv_get_many(s.store, C, keys, 3, answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		check_slice(a.entries[0].bytes, "new");
		check_slice(a.entries[1].bytes, "new");
		check_bytes(a.entries[2].bytes, values[2]);
		answer_reset(&a);
		check_str(bed_value(&s, s.tier, K), "new");
	}
	s.primary->keys[EVKV_OP_TTL] = 0;
	evkv_get_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_int(s.primary->keys[EVKV_OP_TTL], 2);
	answer_reset(&a);
	evkv_delete_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_int(a.affected, 3);
	answer_reset(&a);
	check_str(bed_value(&s, s.tier, K), "-");
	evkv_exists_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	for (i = 0; i < 3; i++)
		check_status(a.entries[i].status, EVKV_NOT_FOUND);
	answer_free(&a);
	bed_close(&s);
}

/* What can't be there need not be evicted, nor be looked after. */
EVKV_TEST(wrappers_passthrough_attack, long_keys_do_not_switch_the_cache_off)
{
	struct cache_bed s;
	char key[64];
	int i;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .max_bypass = 10 });
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "a key that is too long %d", i);
		bed_put(&s, s.store, evkv_str(key), EVKV_LIT("v"), 0);
		check_str(bed_value(&s, s.store, evkv_str(key)), "v");
	}
	bed_put(&s, s.store, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	check_str(bed_value(&s, s.tier, K), "v");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, max_ttl_holds_with_a_coarse_clock)
{
	struct cache_bed s;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 1500 });
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	check_int(bed_ttl(&s, s.tier), 1000);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, endless_times_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_passthrough_cache_new(evkv_simple_new(rig.loop, NULL),
		  evkv_simple_new(rig.loop, NULL),
		  &(struct evkv_passthrough_cache_options){
		      .stall_timeout_ms = INT64_MAX },
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "stall_timeout_ms");
	rig_close(&rig);
}
