/*
 * tests/wrappers/passthrough_cache_test.c - what the cache loads, with which
 * TTLs, and how it ends.
 */
#include "cache_bed.h"

#include "loop/loop.h"
#include "scripted.h"

EVKV_TEST(wrappers_passthrough_cache, second_get_is_served_by_the_cache)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	check_str(bed_value(&s, s.tier, K), "v");
	check_str(bed_value(&s, s.store, K), "v");
	check_int(s.primary->asked[EVKV_OP_TTL], 1);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, thousand_misses_make_one_load)
{
	enum { MANY = 1000 };
	static struct answer answers[MANY];
	struct cache_bed s;
	size_t i;

	memset(answers, 0, sizeof(answers));
	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	s.primary->mode = GATE_BEFORE;
	for (i = 0; i < MANY; i++)
		evkv_get(s.store, C, K, answer_cb, &answers[i]);
	bed_settle(&s);
	check_int(s.primary->asked[EVKV_OP_TTL], 1);
	check_int(s.primary->held_count, 1);
	gate_release_all(s.primary);
	bed_settle(&s);
	for (i = 0; i < MANY; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_OK);
		check_slice(answers[i].entries[0].bytes, "v");
		answer_free(&answers[i]);
	}
	check_int(s.primary->asked[EVKV_OP_TTL], 1);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, batch_loads_only_what_is_missing)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("none"), EVKV_LIT("b"), EVKV_LIT("a") };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, EVKV_LIT("a"), EVKV_LIT("1"), 0);
	bed_put(&s, s.below, EVKV_LIT("b"), EVKV_LIT("2"), 0);
	check_str(bed_value(&s, s.store, EVKV_LIT("a")), "1");
	evkv_get_many(s.store, C, keys, 5, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "1");
	check_slice(a.entries[1].bytes, "2");
	check_status(a.entries[2].status, EVKV_NOT_FOUND);
	check_slice(a.entries[3].bytes, "2");
	check_slice(a.entries[4].bytes, "1");
	check_int(s.primary->asked[EVKV_OP_TTL], 2);
	check_int(s.primary->keys[EVKV_OP_TTL], 1 + 2);
	answer_free(&a);
	bed_close(&s);
}

/* ---- TTLs --------------------------------------------------------------- */

EVKV_TEST(wrappers_passthrough_cache, fill_has_what_is_left_less_the_loads_time)
{
	struct answer get = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 10000);
	rig_advance(&s.rig, 4000);
	s.primary->mode = GATE_AFTER;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	rig_advance(&s.rig, 700);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &get.calls);
	s.primary->mode = GATE_OPEN;
	/* And less the millisecond that the primary may tell too much. */
	check_int(bed_ttl(&s, s.tier), 10000 - 4000 - 700 - 1);
	check_int(bed_ttl(&s, s.store), 10000 - 4000 - 700);
	answer_free(&get);
	bed_close(&s);
}

/* The primary says 1 ms to the end, however little of it is left. */
EVKV_TEST(wrappers_passthrough_cache, the_last_millisecond_is_not_cached)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 1);
	s.rig.now_us += 900;
	check_str(bed_value(&s, s.store, K), "v");
	check_str(bed_value(&s, s.tier, K), "-");
	s.rig.now_us += 100;
	check_str(bed_value(&s, s.store, K), "-");
	/* 2.5 of them: one is sure. */
	bed_put(&s, s.below, K, EVKV_LIT("v"), 3);
	s.rig.now_us += 500;
	check_str(bed_value(&s, s.store, K), "v");
	check_int(bed_ttl(&s, s.tier), 1);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, late_fill_does_not_outlive_the_primary)
{
	struct answer get = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .cache_timeout_ms = 50 });
	bed_put(&s, s.below, K, EVKV_LIT("v"), 10000);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	gate_release(s.cache, 0);
	rig_wait(&s.rig, &get.calls);
	rig_advance(&s.rig, 49);
	gate_release_all(s.cache);
	s.cache->mode = GATE_OPEN;
	check_between(bed_ttl(&s, s.tier), 1, bed_ttl(&s, s.below));
	answer_free(&get);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, nothing_left_is_no_fill)
{
	struct answer get = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 500);
	s.primary->mode = GATE_AFTER;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	rig_advance(&s.rig, 500);
	gate_release_all(s.primary);
	rig_wait(&s.rig, &get.calls);
	check_status(get.status, EVKV_OK);
	s.primary->mode = GATE_OPEN;
	check_str(bed_value(&s, s.tier, K), "-");
	check_str(bed_value(&s, s.store, K), "-");
	answer_free(&get);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, max_ttl_caps_the_fill_not_the_answer)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 2000 });
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	check_int(bed_ttl(&s, s.tier), 2000);
	check_int(bed_ttl(&s, s.store), EVKV_TTL_NONE);
	bed_put(&s, s.store, K, EVKV_LIT("w"), 60000);
	check_str(bed_value(&s, s.store, K), "w");
	check_int(bed_ttl(&s, s.tier), 2000);
	check_int(bed_ttl(&s, s.store), 60000);
	bed_close(&s);
}

/* ---- Failures of the primary, ends, bad input --------------------------- */

EVKV_TEST(wrappers_passthrough_cache, failing_load_is_told_to_all_who_wait)
{
	struct answer answers[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	struct cache_bed s;
	size_t i;

	bed_open(&s, BED_LOCAL, NULL);
	s.primary->mode = GATE_BEFORE;
	for (i = 0; i < 3; i++)
		evkv_get(s.store, C, K, answer_cb, &answers[i]);
	bed_settle(&s);
	gate_fail(s.primary, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_CONNECT);
	bed_settle(&s);
	for (i = 0; i < 3; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_UNAVAILABLE);
		check_int(answers[i].cause, EVKV_CAUSE_CONNECT);
		answer_free(&answers[i]);
	}
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, load_outlives_those_who_wait_and_fills)
{
	struct answer get = ANSWER_INIT;
	struct cache_bed s;
	evkv_ticket ticket;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	s.primary->mode = GATE_BEFORE;
	ticket = evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	evkv_cancel(s.rig.loop, ticket);
	rig_wait(&s.rig, &get.calls);
	check_status(get.status, EVKV_CANCELED);
	gate_release_all(s.primary);
	bed_settle(&s);
	check_str(bed_value(&s, s.tier, K), "v");
	check_int(get.calls, 1);
	answer_free(&get);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_cache, close_does_not_wait_for_loads_under_way)
{
	struct answer get = ANSWER_INIT, closed = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	s.primary->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	evkv_store_close(s.store, 0, answer_cb, &closed);
	bed_settle(&s);
	check_status(get.status, EVKV_CLOSED);
	check_status(closed.status, EVKV_TIMEOUT);
	check_int(closed.calls, 1);
	answer_free(&get);
	answer_free(&closed);
	bed_close(&s);
}

static void refused(struct rig *rig, struct evkv_store *primary,
    struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *options, const char *word)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	(void)rig;
	check(evkv_passthrough_cache_new(primary, cache, options, &error) ==
	    NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, word);
}

EVKV_TEST(wrappers_passthrough_cache, jitter_only_shortens)
{
	const struct evkv_passthrough_cache_options options = {
		.max_ttl_ms = 10000, .jitter_ms = 4000
	};
	int64_t least = INT64_MAX, most = 0, ttl_ms;
	struct cache_bed bed;
	unsigned i;

	bed_open(&bed, BED_LOCAL, &options);
	bed_put(&bed, bed.below, K, EVKV_LIT("v"), 0);
	for (i = 0; i < 100; i++) {
		bed_check_filled(&bed, "v");
		ttl_ms = bed_ttl(&bed, bed.tier);
		check(ttl_ms >= 6000 && ttl_ms <= 10000);
		least = ttl_ms < least ? ttl_ms : least;
		most = ttl_ms > most ? ttl_ms : most;
		evkv_delete(bed.tier, C, K, NULL, NULL);
		bed_settle(&bed);
	}
	check(most - least > 1000);
	/* Never beyond what the primary has left. */
	bed_put(&bed, bed.below, K, EVKV_LIT("v"), 5000);
	bed_check_filled(&bed, "v");
	check(bed_ttl(&bed, bed.tier) < 5000);
	bed_close(&bed);
}

EVKV_TEST(wrappers_passthrough_cache, the_primary_s_ttl_may_be_ignored)
{
	const struct evkv_passthrough_cache_options options = {
		.max_ttl_ms = 10000, .primary_ttl = EVKV_PRIMARY_TTL_IGNORE
	};
	struct cache_bed bed;

	bed_open(&bed, BED_LOCAL, &options);
	bed_put(&bed, bed.below, K, EVKV_LIT("v"), 3000);
	bed_check_filled(&bed, "v");
	check_int(bed_ttl(&bed, bed.tier), 10000);
	bed_close(&bed);
}

/* No more than a store takes, however long the entry may be stale. */
EVKV_TEST(wrappers_passthrough_cache, the_longest_ttl)
{
	const struct evkv_passthrough_cache_options options = {
		.max_ttl_ms = EVKV_TTL_MAX, .stale_if_error_ms = EVKV_TTL_MAX
	};
	struct cache_bed bed;

	bed_open(&bed, BED_LOCAL, &options);
	bed_put(&bed, bed.below, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&bed, bed.store, K), "v");
	check_int(bed_ttl(&bed, bed.tier), EVKV_TTL_MAX);
	bed_close(&bed);
}

/* One that just fits is served by the cache, alone and in a batch. */
EVKV_TEST(wrappers_passthrough_cache, the_longest_key)
{
	const struct evkv_slice keys[] = { EVKV_LIT("sixteen--letters"),
		EVKV_LIT("seventeen-letters") };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000 });
	bed_put(&s, s.below, keys[0], EVKV_LIT("v"), 0);
	bed_put(&s, s.below, keys[1], EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, keys[0]), "v");
	check_str(bed_value(&s, s.store, keys[0]), "v");
	check_int(s.primary->keys[EVKV_OP_TTL] + s.primary->keys[EVKV_OP_GET],
	    1);
	evkv_get_many(s.store, C, keys, 2, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	/* Only the longer one is asked for again. */
	check_int(s.primary->keys[EVKV_OP_TTL] + s.primary->keys[EVKV_OP_GET],
	    2);
	answer_free(&a);
	bed_close(&s);
}

/* What the store in the cache's place can't do, and with which max_ttl_ms. */
EVKV_TEST(wrappers_passthrough_cache, caches_that_can_not_serve)
{
	static const struct {
		enum evkv_kind lacks;
		uint32_t unit_ms, excess_ms;
		int64_t max_ttl_ms;
		const char *word; /* NULL: it can */
	} rows[] = {
		{ EVKV_OP_INCR, 1000, 500, 1000, NULL },
		{ EVKV_OP_INCR, 1000, 500, 999, "TTL unit" },
		{ EVKV_OP_INCR, 1, 500, 501, NULL },
		{ EVKV_OP_INCR, 1, 500, 500, "ttl_excess_ms" },
		{ EVKV_OP_GET, 1, 0, 1000, "get, put and delete" },
		{ EVKV_OP_PUT, 1, 0, 1000, "get, put and delete" },
		{ EVKV_OP_DELETE, 1, 0, 1000, "get, put and delete" },
	};
	struct evkv_passthrough_cache_options options = { .max_ttl_ms = 0 };
	struct evkv_store *store, *cache;
	struct scripted *script;
	struct rig rig;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_open(&rig);
		script = scripted_new();
		script->capabilities.kinds &= ~EVKV_KIND_BIT(rows[i].lacks);
		script->capabilities.ttl_unit_ms = rows[i].unit_ms;
		script->capabilities.ttl_excess_ms = rows[i].excess_ms;
		options.max_ttl_ms = rows[i].max_ttl_ms;
		store = evkv_simple_new(rig.loop, NULL);
		cache = scripted_store(script, rig.loop, NULL);
		if (rows[i].word != NULL) {
			refused(&rig, store, cache, &options, rows[i].word);
		} else {
			store = evkv_passthrough_cache_new(store, cache,
			    &options, NULL);
			check(store != NULL);
			evkv_store_unref(store);
		}
		rig_close(&rig);
		scripted_free(script);
	}
}

EVKV_TEST(wrappers_passthrough_cache, bad_arguments_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct gate *gate;
	struct rig rig;
	struct evkv_store *store;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, &error);
	refused(&rig, store, store, NULL, "twice");
	refused(&rig, NULL, evkv_simple_new(rig.loop, &error), NULL, "NULL");
	refused(&rig, evkv_simple_new(rig.loop, &error), NULL, NULL, "NULL");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    gate_remote_new(evkv_simple_new(rig.loop, &error), &gate, &error),
	    NULL, "max_ttl_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = -1 },
	    "max_ttl_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){
		.cache_timeout_ms = INT64_MAX },
	    "cache_timeout_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){ .cache_timeout_ms = -1 },
	    "cache_timeout_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){ .jitter_ms = 1 },
	    "jitter_ms");
	refused(&rig, evkv_simple_new(rig.loop, &error),
	    evkv_simple_new(rig.loop, &error),
	    &(struct evkv_passthrough_cache_options){
		.primary_ttl = EVKV_PRIMARY_TTL_IGNORE },
	    "max_ttl_ms");
	check_str(error.message, "");
	rig_close(&rig);
}

/* The turn's time stands still; the cache's, which may be a server's, not. */
EVKV_TEST(wrappers_passthrough_cache, what_is_filled_late_in_a_turn_lives_less)
{
	struct scripted *primary = scripted_new(), *tier = scripted_new();
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open_real(&rig);
	tier->capabilities.flags = 0;
	tier->immediate = true;
	tier->status = EVKV_NOT_FOUND;
	store = evkv_passthrough_cache_new(scripted_store(primary, rig.loop,
					       NULL),
	    scripted_store(tier, rig.loop, NULL),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .cache_timeout_ms = 100 },
	    NULL);
	check(store != NULL);
	/* Loaded in a turn two seconds old, filled in one of a second. */
	evkv__loop_enter(rig.loop);
	rig.loop->now_us -= 2000000;
	evkv_get(store, C, K, answer_cb, &a);
	tier->immediate = false;
	rig.loop->now_us += 1000000;
	scripted_complete_value(primary, 0, EVKV_LIT("v"), 10000);
	evkv__loop_leave(rig.loop);
	check_int(scripted_count(tier), 1);
	check_between(scripted_request(tier, 0)->ttls_ms[0], 1,
	    10000 - 2000 - 1 - 100);
	scripted_complete_all(tier, EVKV_OK);
	rig_wait(&rig, &a.calls);
	check_slice(a.entries[0].bytes, "v");
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(primary);
	scripted_free(tier);
}

/* A TTL that is kept for longer than told, by the cache or by the primary. */
EVKV_TEST(wrappers_passthrough_cache, what_a_store_keeps_for_longer_lives_less)
{
	struct scripted *primary = scripted_new(), *tier = scripted_new();
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	primary->capabilities.ttl_excess_ms = 300;
	tier->capabilities.ttl_excess_ms = 1000;
	tier->immediate = true;
	tier->status = EVKV_NOT_FOUND;
	store = evkv_passthrough_cache_new(scripted_store(primary, rig.loop,
					       NULL),
	    scripted_store(tier, rig.loop, NULL),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .cache_timeout_ms = 100 },
	    NULL);
	check(store != NULL);
	evkv_get(store, C, K, answer_cb, &a);
	tier->immediate = false;
	scripted_complete_value(primary, 0, EVKV_LIT("v"), 10000);
	check_int(scripted_count(tier), 1);
	check_int(scripted_request(tier, 0)->ttls_ms[0],
	    10000 - 1 - 100 - 300 - 1000);
	scripted_complete_all(tier, EVKV_OK);
	rig_wait(&rig, &a.calls);
	answer_reset(&a);
	/* Of its own bound only the cache makes more. */
	tier->immediate = true;
	evkv_get(store, C, K, answer_cb, &a);
	tier->immediate = false;
	scripted_complete_value(primary, 0, EVKV_LIT("v"), EVKV_TTL_NONE);
	check_int(scripted_request(tier, 0)->ttls_ms[0], 60000 - 1000);
	scripted_complete_all(tier, EVKV_OK);
	rig_wait(&rig, &a.calls);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(primary);
	scripted_free(tier);
}
