/*
 * tests/wrappers/cache_invalidate_test.c - what ends an entry, what goes past
 * the cache, and what a put leaves there.
 */
#include "cache_bed.h"

#define V EVKV_LIT("v")
#define W EVKV_LIT("w")

static const struct evkv_passthrough_cache_options modes = {
	.max_ttl_ms = 100,
	.stale_while_ms = 1000,
	.stale_if_error_ms = 1000,
	.error_backoff_ms = 50,
};

/* K is v in the cache, so old, and w in the primary. */
static void old_open(struct cache_bed *s,
    const struct evkv_passthrough_cache_options *options, int64_t age_ms)
{
	bed_open(s, BED_LOCAL, options);
	bed_put(s, s->below, K, V, 0);
	check_str(bed_told(s, 0), "v");
	bed_put(s, s->below, K, W, 0);
	bed_pass_time(s, age_ms);
}

/* ---- Invalidation -------------------------------------------------------- */

EVKV_TEST(wrappers_cache_invalidate, hard_leaves_nothing)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	old_open(&s, &modes, 10);
	evkv_cache_invalidate(s.store, C, K, EVKV_INVALIDATE_HARD, answer_cb,
	    &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_str(bed_value(&s, s.tier, K), "-");
	check_str(bed_value(&s, s.below, K), "w");
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_fail_loads(&s, EVKV_OK);
	check_str(bed_told(&s, 0), "w");
	answer_reset(&a);
	bed_invalidate(&s, EVKV_INVALIDATE_HARD);
	evkv_cache_invalidate(s.store, C, K, EVKV_INVALIDATE_HARD, answer_cb,
	    &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, soft_leaves_it_for_failures_alone)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	old_open(&s, &modes, 10);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	check_int(a.calls, 0);
	gate_fail(s.primary, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_NONE);
	bed_settle(&s);
	check_str(bed_words(&a), "v stale 10");
	s.primary->mode = GATE_OPEN;
	/* In the backoff, too. */
	check_str(bed_told(&s, 0), "v stale 10");
	bed_pass_time(&s, 50);
	check_str(bed_told(&s, 0), "w");
	answer_free(&a);
	bed_close(&s);
}

/* Of a batch each for itself: too long for the cache, there, and not there. */
EVKV_TEST(wrappers_cache_invalidate, soft_of_keys_that_do_not_fit)
{
	const struct evkv_slice keys[] = { EVKV_LIT("seventeen-letters"),
		EVKV_LIT("sixteen--letters"), EVKV_LIT("eighteen---letters"),
		EVKV_LIT("absent"), EVKV_LIT("here") };
	static const enum evkv_status expected[] = { EVKV_NOT_FOUND, EVKV_OK,
		EVKV_NOT_FOUND, EVKV_NOT_FOUND, EVKV_OK };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	size_t i;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .stale_if_error_ms = 60000 });
	for (i = 1; i < 5; i += 3) {
		bed_put(&s, s.below, keys[i], EVKV_LIT(""), 0);
		check_str(bed_value(&s, s.store, keys[i]), "");
	}
	evkv_submit(s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.flags = EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_SOFT,
		.collection = C,
		.count = 5,
		.keys = keys },
	    answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_int(a.affected, 2);
	for (i = 0; i < 5; i++)
		check_status(a.entries[i].status, expected[i]);
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, soft_lasts_as_long_as_stale_if_error)
{
	struct cache_bed s;

	old_open(&s, &modes, 10);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	bed_pass_time(&s, 998);
	check_str(bed_told(&s, 0), "v stale 1008");
	bed_pass_time(&s, 2);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
	/* One that was stale already has its own end. */
	old_open(&s, &modes, 1000);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	bed_pass_time(&s, 98);
	check_str(bed_told(&s, 0), "v stale 1098");
	bed_pass_time(&s, 2);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
}

/* A slow load is not one that failed, as far as that is concerned. */
EVKV_TEST(wrappers_cache_invalidate, soft_is_not_served_after_the_soft_timeout)
{
	struct evkv_passthrough_cache_options options = modes;
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	options.soft_timeout_ms = 5;
	old_open(&s, &options, 10);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	s.primary->mode = GATE_BEFORE;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	bed_pass_time(&s, 100);
	check_int(a.calls, 0);
	gate_release_all(s.primary);
	bed_settle(&s);
	check_str(bed_words(&a), "w");
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, soft_is_hard_where_nothing_stale_is_served)
{
	struct evkv_passthrough_cache_options options = modes;
	struct cache_bed s;

	options.stale_if_error_ms = 0;
	old_open(&s, &options, 10);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_close(&s);
	old_open(&s, NULL, 10);
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_close(&s);
}

/*
 * FusionCache#535: the stamp of a load is its start, in the background as in
 * front, so an invalidation during it is not lost.
 */
static void invalidate_during_load(bool background, enum evkv_invalidate how)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	old_open(&s, &modes, background ? 100 : 5000);
	s.primary->mode = GATE_AFTER;
	bed_ask(&s, EVKV_OP_GET, 0, &a);
	check_int(a.calls, background ? 1 : 0);
	check_int(s.primary->held_count, 1);
	bed_put(&s, s.below, K, EVKV_LIT("x"), 0);
	bed_invalidate(&s, how);
	s.primary->mode = GATE_OPEN;
	gate_release_all(s.primary);
	bed_settle(&s);
	/* Of what was loaded before it nothing is left. */
	check_str(bed_told(&s, 0), "x");
	check_str(bed_told(&s, 0), "x cached 0");
	answer_free(&a);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, an_invalidation_during_a_load_is_not_lost)
{
	invalidate_during_load(false, EVKV_INVALIDATE_HARD);
	invalidate_during_load(false, EVKV_INVALIDATE_SOFT);
	invalidate_during_load(true, EVKV_INVALIDATE_HARD);
	invalidate_during_load(true, EVKV_INVALIDATE_SOFT);
}

/* A load in the background has read v; a put of ours is answered before it. */
static void overtake(struct cache_bed *s)
{
	struct answer a = ANSWER_INIT;

	s->primary->mode = GATE_AFTER;
	check_str(bed_told(s, 0), "v stale 100");
	evkv_put(s->store, C, K, EVKV_LIT("mine"), 0, answer_cb, &a);
	bed_settle(s);
	gate_release(s->primary, 1);
	rig_wait(&s->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	s->primary->mode = GATE_OPEN;
	gate_release_all(s->primary);
	bed_settle(s);
	answer_free(&a);
}

/* bentocache#71: what was deleted is not served because the primary fails. */
EVKV_TEST(wrappers_cache_invalidate, what_was_written_over_is_not_served_stale)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	old_open(&s, &modes, 10);
	evkv_delete(s.store, C, K, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	answer_free(&a);
	bed_close(&s);
	/* Nor out of a load in the background that had begun before it. */
	old_open(&s, &modes, 100);
	overtake(&s);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
}

/* The next read begins another one: at most one retry, none by itself. */
EVKV_TEST(wrappers_cache_invalidate, a_load_that_was_overtaken_is_dropped)
{
	struct evkv_passthrough_cache_counters n;
	struct cache_bed s;

	old_open(&s, &modes, 100);
	overtake(&s);
	check_int(bed_loads(&s), 2);
	check_str(bed_told(&s, 0), "mine");
	check_int(bed_loads(&s), 3);
	check(evkv_passthrough_cache_read_counters(s.store, &n));
	check_int(n.fills_fenced, 1);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, a_cache_that_fails_to_evict_is_gone_past)
{
	struct cache_bed s;

	old_open(&s, &modes, 10);
	bed_fail_evictions(&s, true);
	bed_invalidate(&s, EVKV_INVALIDATE_HARD);
	check_str(bed_told(&s, 0), "w");
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, it_goes_through_what_is_above_and_below)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *top;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	top = evkv_passthrough_cache_new(evkv_store_ref(s.store),
	    evkv_memory_new(s.rig.loop, NULL, NULL),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .primary_ttl = EVKV_PRIMARY_TTL_IGNORE },
	    NULL);
	top = evkv_prefix_keys_new(top, EVKV_LIT("p:"), NULL);
	check(top != NULL);
	bed_put(&s, s.below, EVKV_LIT("p:k"), V, 0);
	check_str(bed_value(&s, top, K), "v");
	check_str(bed_value(&s, s.tier, EVKV_LIT("p:k")), "v");
	bed_put(&s, s.below, EVKV_LIT("p:k"), W, 0);
	check_str(bed_value(&s, top, K), "v");
	evkv_cache_invalidate(top, C, K, EVKV_INVALIDATE_HARD, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_str(bed_value(&s, s.below, EVKV_LIT("p:k")), "w");
	check_str(bed_value(&s, top, K), "w");
	answer_free(&a);
	evkv_store_unref(top);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, without_a_cache_it_is_unsupported)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, V, 0);
	evkv_cache_invalidate(s.below, C, K, EVKV_INVALIDATE_HARD, answer_cb,
	    &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_UNSUPPORTED);
	check_contains(a.message, "no cache");
	check_str(bed_value(&s, s.below, K), "v");
	answer_free(&a);
	bed_close(&s);
}

/* A cache that reads at once and writes later, over a stack with another. */
static struct evkv_store *half_slow_cache(struct cache_bed *s)
{
	struct evkv_store *cache = evkv_fault_new(evkv_memory_new(s->rig.loop,
						      NULL, NULL),
	    NULL, NULL);

	check(evkv_fault_add(cache,
		  &(struct evkv_fault_rule){ .action = EVKV_FAULT_DELAY,
		      .kinds = EVKV_KIND_BIT(EVKV_OP_PUT) |
			  EVKV_KIND_BIT(EVKV_OP_DELETE),
		      .delay_min_ms = 20 }) >= 0);
	return evkv_passthrough_cache_new(evkv_store_ref(s->store), cache,
	    &modes, NULL);
}

EVKV_TEST(wrappers_cache_invalidate, steps_that_end_at_once_and_later)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct evkv_store *top;
	struct cache_bed s;
	int how, filled;

	for (how = 0; how < 4; how++) {
		filled = how / 2;
		bed_open(&s, BED_LOCAL, &modes);
		top = half_slow_cache(&s);
		check(top != NULL);
		bed_put(&s, s.below, K, V, 0);
		if (filled) {
			check_str(bed_value(&s, top, K), "v");
			bed_pass_time(&s, 20);
			bed_put(&s, s.below, K, W, 0);
		}
		evkv_cache_invalidate(top, C, K,
		    how % 2 != 0 ? EVKV_INVALIDATE_SOFT : EVKV_INVALIDATE_HARD,
		    answer_cb, &a);
		evkv_get(top, C, K, answer_cb, &b);
		bed_pass_time(&s, 20);
		bed_pass_time(&s, 20);
		check_int(a.calls, 1);
		check_status(a.status, filled ? EVKV_OK : EVKV_NOT_FOUND);
		check_int(b.calls, 1);
		check_bytes(b.entries[0].bytes, filled ? W : V);
		answer_free(&a);
		answer_free(&b);
		answer_reset(&a);
		answer_reset(&b);
		evkv_store_unref(top);
		bed_close(&s);
	}
}

/* In a cache elsewhere all of its steps take their time. */
static void slow_invalidation(enum evkv_invalidate how)
{
	struct answer a = ANSWER_INIT, put = ANSWER_INIT;
	struct cache_bed s;
	unsigned i;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 10000, .stale_if_error_ms = 10000 });
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	s.cache->mode = GATE_BEFORE;
	evkv_cache_invalidate(s.store, C, K, how, answer_cb, &a);
	bed_settle(&s);
	/* A put comes in between: it has the last word. */
	evkv_put(s.store, C, K, W, 0, answer_cb, &put);
	for (i = 0; i < 10; i++) {
		gate_release_all(s.cache);
		bed_settle(&s);
	}
	check_status(a.status, EVKV_OK);
	check_status(put.status, EVKV_OK);
	s.cache->mode = GATE_OPEN;
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	answer_free(&a);
	answer_free(&put);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, a_put_during_a_slow_one_has_the_last_word)
{
	slow_invalidation(EVKV_INVALIDATE_HARD);
	slow_invalidation(EVKV_INVALIDATE_SOFT);
}

/* One that was cut off goes on, and must not bring back what was put since. */
EVKV_TEST(wrappers_cache_invalidate, a_put_after_one_that_was_cut_off_stays)
{
	struct answer a = ANSWER_INIT, put = ANSWER_INIT;
	const struct evkv_slice key = K;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 10000, .stale_if_error_ms = 10000 });
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, 0), "v");
	s.cache->mode = GATE_BEFORE;
	evkv_submit(s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_DELETE,
		.flags = EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_SOFT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.timeout_ms = 10,
	    },
	    answer_cb, &a);
	bed_pass_time(&s, 10);
	check_int(a.calls, 1);
	evkv_put(s.store, C, K, W, 0, answer_cb, &put);
	bed_settle(&s);
	check_int(s.cache->held_count, 2);
	gate_release_all(s.cache);
	s.cache->mode = GATE_OPEN;
	gate_release_all(s.cache);
	bed_settle(&s);
	check_status(put.status, EVKV_OK);
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, 0), "UNAVAILABLE");
	answer_free(&a);
	answer_free(&put);
	bed_close(&s);
}

/* ---- FRESH, CACHED_ONLY -------------------------------------------------- */

EVKV_TEST(wrappers_cache_invalidate, a_fresh_read_goes_past_and_fills)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	old_open(&s, &modes, 10);
	check_str(bed_told(&s, EVKV_FLAG_FRESH), "w");
	check_str(bed_told(&s, 0), "w cached 0");
	bed_ask(&s, EVKV_OP_EXISTS, EVKV_FLAG_FRESH, &a);
	check_status(a.status, EVKV_OK);
	check_int(a.entries[0].flags, 0);
	/* It is not given something old where it fails. */
	bed_fail_loads(&s, EVKV_UNAVAILABLE);
	check_str(bed_told(&s, EVKV_FLAG_FRESH), "UNAVAILABLE");
	answer_free(&a);
	bed_close(&s);
}

/* What had begun before it may be older, and comes last. */
EVKV_TEST(wrappers_cache_invalidate, a_fresh_read_joins_no_older_load)
{
	struct answer old = ANSWER_INIT, fresh = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &modes);
	bed_put(&s, s.below, K, V, 0);
	s.primary->mode = GATE_AFTER;
	bed_ask(&s, EVKV_OP_GET, 0, &old);
	bed_put(&s, s.below, K, W, 0);
	bed_ask(&s, EVKV_OP_GET, EVKV_FLAG_FRESH, &fresh);
	check_int(s.primary->held_count, 2);
	gate_release(s.primary, 1);
	bed_settle(&s);
	check_str(bed_words(&fresh), "w");
	gate_release(s.primary, 0);
	bed_settle(&s);
	check_str(bed_words(&old), "v");
	s.primary->mode = GATE_OPEN;
	check_str(bed_told(&s, 0), "w cached 0");
	answer_free(&old);
	answer_free(&fresh);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, a_cached_read_never_asks_the_primary)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &modes);
	bed_put(&s, s.below, K, V, 0);
	check_str(bed_told(&s, EVKV_FLAG_CACHED_ONLY), "-");
	bed_ask(&s, EVKV_OP_EXISTS, EVKV_FLAG_CACHED_ONLY, &a);
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(bed_loads(&s) + s.primary->asked[EVKV_OP_EXISTS], 0);
	check_str(bed_told(&s, 0), "v");
	check_str(bed_told(&s, EVKV_FLAG_CACHED_ONLY), "v cached 0");
	bed_pass_time(&s, 100);
	check_str(bed_told(&s, EVKV_FLAG_CACHED_ONLY), "v stale 100");
	bed_invalidate(&s, EVKV_INVALIDATE_SOFT);
	check_str(bed_told(&s, EVKV_FLAG_CACHED_ONLY), "-");
	check_int(bed_loads(&s), 1);
	answer_free(&a);
	bed_close(&s);
	/* Without the modes it tells no ages. */
	old_open(&s, NULL, 10);
	check_str(bed_told(&s, EVKV_FLAG_CACHED_ONLY), "v");
	check_str(bed_told(&s, EVKV_FLAG_FRESH), "w");
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, flags_are_refused_where_they_mean_nothing)
{
	static const struct {
		enum evkv_kind kind;
		uint32_t flags;
		const char *word;
	} bad[] = {
		{ EVKV_OP_DELETE, EVKV_FLAG_FRESH, "FRESH" },
		{ EVKV_OP_TTL, EVKV_FLAG_CACHED_ONLY, "CACHED_ONLY" },
		{ EVKV_OP_TAKE, EVKV_FLAG_CACHED_ONLY, "CACHED_ONLY" },
		{ EVKV_OP_GET, EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_FRESH,
		    "exclude" },
		{ EVKV_OP_GET, EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_VERSIONS,
		    "versions" },
		{ EVKV_OP_GET, EVKV_FLAG_SOFT, "SOFT" },
		{ EVKV_OP_DELETE, EVKV_FLAG_SOFT, "SOFT" },
	};
	struct cache_bed s;
	size_t i;

	bed_open(&s, BED_LOCAL, NULL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct answer a = ANSWER_INIT;

		bed_ask(&s, bad[i].kind, bad[i].flags, &a);
		check_status(a.status, EVKV_INVALID);
		check_contains(a.message, bad[i].word);
		answer_free(&a);
	}
	bed_close(&s);
}

/* ---- fill_on_put --------------------------------------------------------- */

static const struct evkv_passthrough_cache_options on_put = { .max_ttl_ms = 100,
	.fill_on_put = true };

EVKV_TEST(wrappers_cache_invalidate, a_put_fills_the_cache)
{
	struct evkv_passthrough_cache_options options = on_put;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &options);
	bed_put(&s, s.store, K, V, 0);
	check_str(bed_value(&s, s.tier, K), "v");
	check_int(bed_ttl(&s, s.tier), 100);
	bed_put(&s, s.store, K, W, 30);
	check_str(bed_value(&s, s.store, K), "w");
	check_between(bed_ttl(&s, s.tier), 1, 30);
	check_int(s.primary->asked[EVKV_OP_GET], 0);
	bed_close(&s);
	/* With a head too. */
	options.stale_while_ms = 50;
	bed_open(&s, BED_LOCAL, &options);
	bed_put(&s, s.store, K, V, 0);
	bed_pass_time(&s, 100);
	check_str(bed_told(&s, 0), "v stale 100");
	bed_close(&s);
}

static void put_with(struct cache_bed *s, enum evkv_condition condition,
    struct answer *a)
{
	const struct evkv_slice key = K, value = W;

	evkv_submit(s->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = &value,
		.condition = condition,
	    },
	    answer_cb, a);
	bed_settle(s);
}

EVKV_TEST(wrappers_cache_invalidate, a_put_that_did_nothing_fills_nothing)
{
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &on_put);
	bed_put(&s, s.below, K, V, 0);
	put_with(&s, EVKV_IF_ABSENT, &a);
	check_status(a.entries[0].status, EVKV_EXISTS);
	check_str(bed_value(&s, s.tier, K), "-");
	answer_reset(&a);
	put_with(&s, EVKV_IF_PRESENT, &a);
	check_status(a.status, EVKV_OK);
	check_str(bed_value(&s, s.tier, K), "w");
	answer_reset(&a);
	s.primary->mode = GATE_BEFORE;
	put_with(&s, EVKV_IF_ANY, &a);
	gate_fail(s.primary, 0, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_RESET);
	bed_settle(&s);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_str(bed_value(&s, s.tier, K), "-");
	answer_free(&a);
	bed_close(&s);
}

/* Which of two puts is the last one is not known here. */
EVKV_TEST(wrappers_cache_invalidate, puts_that_overlap_fill_nothing)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &on_put);
	s.primary->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, V, 0, answer_cb, &a);
	evkv_put(s.store, C, K, W, 0, answer_cb, &b);
	bed_settle(&s);
	check_int(s.primary->held_count, 2);
	gate_release_all(s.primary);
	bed_settle(&s);
	check_status(a.status, EVKV_OK);
	check_status(b.status, EVKV_OK);
	check_str(bed_value(&s, s.tier, K), "-");
	s.primary->mode = GATE_OPEN;
	check_str(bed_value(&s, s.store, K), "w");
	answer_free(&a);
	answer_free(&b);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, a_clear_during_a_put_leaves_nothing)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &on_put);
	s.primary->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, V, 0, answer_cb, &a);
	evkv_clear_all(s.store, answer_cb, &b);
	bed_settle(&s);
	gate_release(s.primary, 1);
	gate_release(s.primary, 0);
	bed_settle(&s);
	check_str(bed_value(&s, s.tier, K), "-");
	answer_free(&a);
	answer_free(&b);
	bed_close(&s);
}

EVKV_TEST(wrappers_cache_invalidate, a_put_of_many_fills_what_it_put)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("a") };
	const struct evkv_slice values[] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3") };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, &on_put);
	evkv_put_many(s.store, C, keys, values, 3, 0, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_str(bed_value(&s, s.tier, EVKV_LIT("b")), "2");
	/* Named twice, it is left out. */
	check_str(bed_value(&s, s.tier, EVKV_LIT("a")), "-");
	check_str(bed_value(&s, s.store, EVKV_LIT("a")), "3");
	answer_free(&a);
	bed_close(&s);
}

/* ---- Options ------------------------------------------------------------- */

EVKV_TEST(wrappers_cache_invalidate, options_that_need_others_are_refused)
{
	static const struct {
		struct evkv_passthrough_cache_options options;
		const char *word;
	} bad[] = {
		{ { .stale_while_ms = 1 }, "max_ttl_ms" },
		{ { .soft_timeout_ms = 1 }, "soft_timeout_ms" },
		{ { .error_backoff_ms = 1 }, "error_backoff_ms" },
		{ { .outlive_primary = true }, "outlive_primary" },
		{ { .max_ttl_ms = 1, .refresh_ahead_percent = 100 },
		    "refresh_ahead" },
		{ { .max_ttl_ms = 1, .stale_while_ms = -1 }, "stale_while_ms" },
		{ { .max_ttl_ms = 1,
		      .stale_if_error_ms = 1,
		      .primary_ttl = EVKV_PRIMARY_TTL_IGNORE },
		    "outlive_primary" },
	};
	struct evkv_error error;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error = (struct evkv_error)EVKV_ERROR_INIT;
		check(evkv_passthrough_cache_new(evkv_simple_new(rig.loop,
						     NULL),
			  evkv_simple_new(rig.loop, NULL), &bad[i].options,
			  &error) == NULL);
		check_status(error.status, EVKV_INVALID);
		check_invalid(error, bad[i].word);
	}
	rig_close(&rig);
}
