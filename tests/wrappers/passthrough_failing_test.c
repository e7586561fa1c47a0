/*
 * tests/wrappers/passthrough_failing_test.c - a cache that fails: no operation
 * fails for it, and nothing stale is read until it is in order again.
 */
#include "cache_bed.h"

#include "faults.h"
#include "loop/loop.h"
#include "scripted.h"

EVKV_TEST(wrappers_passthrough_failing, failing_cache_fails_nothing)
{
	static const enum evkv_status failures[] = { EVKV_BUSY, EVKV_TIMEOUT,
		EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_NOMEM, EVKV_IO };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	size_t i;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		bed_open(&s, BED_LOCAL, NULL);
		s.cache->fail = failures[i];
		bed_put(&s, s.store, K, EVKV_LIT("v"), 0);
		check_str(bed_value(&s, s.store, K), "v");
		evkv_exists(s.store, C, K, answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		answer_reset(&a);
		evkv_clear(s.store, C, EVKV_LIT(""), answer_cb, &a);
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		check_int(a.affected, 1);
		answer_reset(&a);
		check_str(bed_value(&s, s.store, K), "-");
		bed_close(&s);
	}
}

EVKV_TEST(wrappers_passthrough_failing,
    failed_eviction_is_bypassed_until_repaired)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "old");
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_OP_DELETE);
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	check_str(bed_value(&s, s.tier, K), "old");
	check_str(bed_value(&s, s.store, K), "new");
	bed_pass_time(&s, 1000);
	check_str(bed_value(&s, s.store, K), "new");

	/* The cache evicts again: the next repair makes good. */
	s.cache->fail = EVKV_OK;
	bed_pass_time(&s, 1000);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_check_filled(&s, "new");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_failing, bypass_ends_when_the_entry_is_gone)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 5000 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "old");
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_OP_DELETE);
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	bed_pass_time(&s, 4999);
	check_str(bed_value(&s, s.store, K), "new");
	bed_pass_time(&s, 1001);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_check_filled(&s, "new");
	bed_close(&s);
}

/* At that very moment, not at the next look. */
EVKV_TEST(wrappers_passthrough_failing, bypass_ends_when_the_time_is_over)
{
	struct cache_bed s;
	int second;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 5000 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "old");
	s.cache->fail = EVKV_BUSY;
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_OP_DELETE);
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	for (second = 1; second <= 4; second++) {
		bed_pass_time(&s, 1000);
		check_str(bed_value(&s, s.store, K), "new");
		check_str(bed_value(&s, s.tier, K), "old");
	}
	bed_pass_time(&s, 1000);
	bed_check_filled(&s, "new");
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_failing, too_many_bypassed_keys_switch_it_off)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct cache_bed s;
	size_t i;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .max_bypass = 2 });
	for (i = 0; i < 3; i++) {
		bed_put(&s, s.below, keys[i], EVKV_LIT("old"), 0);
		check_str(bed_value(&s, s.store, keys[i]), "old");
	}
	bed_fail_evictions(&s, true);
	for (i = 0; i < 3; i++)
		bed_put(&s, s.store, keys[i], EVKV_LIT("new"), 0);
	for (i = 0; i < 3; i++)
		check_str(bed_value(&s, s.store, keys[i]), "new");
	s.cache->fail = EVKV_OK;
	bed_pass_time(&s, 1000);
	for (i = 0; i < 3; i++) {
		check_str(bed_value(&s, s.tier, keys[i]), "-");
		check_str(bed_value(&s, s.store, keys[i]), "new");
		check_str(bed_value(&s, s.tier, keys[i]), "new");
	}
	bed_close(&s);
}

/* As many as max_bypass are bypassed; one more, and all are. */
EVKV_TEST(wrappers_passthrough_failing, the_bound_of_bypassed_keys_is_exact)
{
	struct cache_bed s;
	unsigned loads;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){ .max_bypass = 2 });
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	bed_fail_evictions(&s, true);
	bed_put(&s, s.store, EVKV_LIT("a"), EVKV_LIT("v"), 0);
	bed_put(&s, s.store, EVKV_LIT("b"), EVKV_LIT("v"), 0);
	loads = bed_loads(&s);
	check_str(bed_value(&s, s.store, K), "v");
	check_int(bed_loads(&s), loads);
	bed_put(&s, s.store, EVKV_LIT("d"), EVKV_LIT("v"), 0);
	check_str(bed_value(&s, s.store, K), "v");
	check_int(bed_loads(&s), loads + 1);
	bed_close(&s);
}

/* Its eviction may arrive after the repair's. */
EVKV_TEST(wrappers_passthrough_failing, a_second_late_write_during_a_repair)
{
	struct cache_bed s;

	bed_open(&s, BED_LOCAL,
	    &(struct evkv_passthrough_cache_options){
		.stall_timeout_ms = 500 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "old");
	s.cache->fail_kinds = EVKV_KIND_BIT(EVKV_OP_DELETE);
	s.cache->fail = EVKV_UNKNOWN_OUTCOME;
	bed_put(&s, s.store, K, EVKV_LIT("new"), 0);
	s.cache->fail = EVKV_OK;
	s.cache->mode = GATE_BEFORE;
	bed_pass_time(&s, 1000);
	check_int(s.cache->held_count, 1); /* the repair */
	s.cache->mode = GATE_OPEN;
	s.cache->fail = EVKV_UNKNOWN_OUTCOME;
	bed_put(&s, s.store, K, EVKV_LIT("newer"), 0);
	s.cache->fail = EVKV_OK;
	gate_release(s.cache, 0);
	bed_settle(&s);
	bed_put(&s, s.tier, K, EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, K), "newer");
	bed_pass_time(&s, 1000);
	check_str(bed_value(&s, s.tier, K), "-");
	bed_check_filled(&s, "newer");
	bed_close(&s);
}

/* The cache is asked for the keys that fit it, and answers for those alone. */
EVKV_TEST(wrappers_passthrough_failing, a_batch_of_which_some_do_not_fit)
{
	const struct evkv_slice keys[] = { EVKV_LIT("seventeen-letters"),
		EVKV_LIT("sixteen--letters") };
	const struct evkv_slice values[] = { EVKV_LIT("new"), EVKV_LIT("new") };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_NARROW,
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 60000 });
	bed_put(&s, s.below, keys[1], EVKV_LIT("old"), 0);
	check_str(bed_value(&s, s.store, keys[1]), "old");
	check_str(bed_value(&s, s.tier, keys[1]), "old");
	bed_fail_evictions(&s, true);
	evkv_put_many(s.store, C, keys, values, 2, 0, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_str(bed_value(&s, s.store, keys[0]), "new");
	check_str(bed_value(&s, s.store, keys[1]), "new");
	answer_free(&a);
	bed_close(&s);
}

/* Each key is judged by its own answer, whichever of the others do not fit. */
EVKV_TEST(wrappers_passthrough_failing, one_of_those_that_fit_is_not_evicted)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"),
		EVKV_LIT("seventeen-letters"), EVKV_LIT("b"),
		EVKV_LIT("eighteen---letters"), EVKV_LIT("d") };
	const struct evkv_slice values[] = { EVKV_LIT("new"), EVKV_LIT("new"),
		EVKV_LIT("new"), EVKV_LIT("new"), EVKV_LIT("new") };
	struct answer a = ANSWER_INIT, gone = ANSWER_INIT;
	struct cache_bed s;
	size_t bad, i;

	for (bad = 0; bad < 3; bad++) {
		bed_open(&s, BED_NARROW,
		    &(struct evkv_passthrough_cache_options){
			.max_ttl_ms = 60000 });
		for (i = 0; i < 5; i++) {
			bed_put(&s, s.below, keys[i], EVKV_LIT("old"), 0);
			check_str(bed_value(&s, s.store, keys[i]), "old");
		}
		s.cache->mode = GATE_BEFORE;
		evkv_put_many(s.store, C, keys, values, 5, 0, answer_cb, &a);
		bed_settle(&s);
		check_int(s.cache->held_count, 1);
		for (i = 0; i < 5; i += 2) {
			if (i != 2 * bad)
				evkv_delete(s.tier, C, keys[i], answer_cb,
				    &gone);
		}
		gate_fail_entry(s.cache, 0, bad, EVKV_BUSY);
		s.cache->mode = GATE_OPEN;
		rig_wait(&s.rig, &a.calls);
		check_status(a.status, EVKV_OK);
		check_int(gone.calls, 2);
		for (i = 0; i < 5; i++)
			check_str(bed_value(&s, s.store, keys[i]), "new");
		for (i = 0; i < 5; i += 2)
			check_str(bed_value(&s, s.tier, keys[i]),
			    i == 2 * bad ? "old" : "new");
		answer_free(&a);
		answer_free(&gone);
		a = gone = (struct answer)ANSWER_INIT;
		bed_close(&s);
	}
}

/* It may arrive after the write that comes next, wherever in a batch it was. */
EVKV_TEST(wrappers_passthrough_failing, one_of_those_that_fill_is_unknown)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	enum evkv_status statuses[2];
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	size_t late;

	for (late = 0; late < 2; late++) {
		bed_open(&s, BED_LOCAL,
		    &(struct evkv_passthrough_cache_options){
			.stall_timeout_ms = 500 });
		bed_put(&s, s.below, keys[0], EVKV_LIT("old"), 0);
		bed_put(&s, s.below, keys[1], EVKV_LIT("old"), 0);
		s.cache->mode = GATE_BEFORE;
		evkv_get_many(s.store, C, keys, 2, answer_cb, &a);
		bed_settle(&s);
		gate_release(s.cache, 0);
		rig_wait(&s.rig, &a.calls);
		check_int(s.cache->held_count, 1); /* the fill */
		statuses[!late] = EVKV_NOSPACE;
		statuses[late] = EVKV_UNKNOWN_OUTCOME;
		gate_fail_entries(s.cache, 0, statuses);
		s.cache->mode = GATE_OPEN;
		bed_put(&s, s.store, keys[late], EVKV_LIT("new"), 0);
		bed_put(&s, s.tier, keys[late], EVKV_LIT("old"), 0);
		check_str(bed_value(&s, s.store, keys[late]), "new");
		bed_pass_time(&s, 1000);
		check_str(bed_value(&s, s.tier, keys[late]), "-");
		answer_free(&a);
		a = (struct answer)ANSWER_INIT;
		bed_close(&s);
	}
}

#define LACK_KEYS 300 /* more than an operation has room for */

/* With the nth allocation failing; false: there was none. */
static bool lacks_nth(enum evkv_kind kind, size_t n)
{
	static char names[LACK_KEYS][8];
	static struct evkv_slice keys[LACK_KEYS], values[LACK_KEYS];
	const struct evkv_request request = { .kind = kind,
		.collection = C,
		.count = LACK_KEYS,
		.keys = keys,
		.values = kind == EVKV_OP_PUT ? values : NULL };
	struct answer a = ANSWER_INIT;
	struct cache_bed s;
	bool fired;
	size_t i;

	for (i = 0; i < LACK_KEYS; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		keys[i] = values[i] = evkv_str(names[i]);
	}
	bed_open(&s, BED_LOCAL, NULL);
	bed_put(&s, s.below, keys[0], keys[0], 0);
	faults_fail_nth(n);
	evkv_submit(s.store, &request, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	bed_settle(&s);
	faults_off();
	fired = faults_fired() > 0;
	if (a.status != EVKV_UNKNOWN_OUTCOME || kind != EVKV_OP_DELETE)
		check(a.status == EVKV_OK || a.status == EVKV_NOMEM);
	check(fired || a.status == EVKV_OK);
	answer_free(&a);
	bed_close(&s);
	return fired;
}

/* A batch of any kind has its answer, or NOMEM, and never another failure. */
EVKV_TEST(wrappers_passthrough_failing, want_of_memory_is_told_as_that)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_EXISTS,
		EVKV_OP_TTL, EVKV_OP_PUT, EVKV_OP_DELETE };
	size_t i, n;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (n = 1; lacks_nth(kinds[i], n);)
			check(++n < 5000);
	}
}

EVKV_TEST(wrappers_passthrough_failing,
    fill_on_its_way_when_cleared_is_not_read)
{
	struct answer get = ANSWER_INIT, clear = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .stall_timeout_ms = 2000 });
	bed_put(&s, s.below, K, EVKV_LIT("old"), 0);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	gate_release(s.cache, 0);
	rig_wait(&s.rig, &get.calls);
	check_int(s.cache->held_count, 1); /* the fill */
	evkv_clear(s.store, C, EVKV_LIT(""), answer_cb, &clear);
	bed_settle(&s);
	check_int(s.cache->held_count, 2);
	gate_release(s.cache, 1);
	rig_wait(&s.rig, &clear.calls);
	gate_release(s.cache, 0); /* the fill arrives after the clear */
	s.cache->mode = GATE_OPEN;
	check_str(bed_value(&s, s.tier, K), "old");
	check_str(bed_value(&s, s.store, K), "-");
	bed_pass_time(&s, 2000);
	bed_pass_time(&s, 1000);
	check_str(bed_value(&s, s.tier, K), "-");
	answer_free(&get);
	answer_free(&clear);
	bed_close(&s);
}

EVKV_TEST(wrappers_passthrough_failing, hanging_cache_is_given_up_on)
{
	struct answer get = ANSWER_INIT, put = ANSWER_INIT;
	struct cache_bed s;

	bed_open(&s, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 60000, .cache_timeout_ms = 50 });
	bed_put(&s, s.below, K, EVKV_LIT("v"), 0);
	s.cache->mode = GATE_BEFORE;
	evkv_get(s.store, C, K, answer_cb, &get);
	bed_settle(&s);
	check_int(get.calls, 0);
	rig_advance(&s.rig, 50);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "v");
	evkv_put(s.store, C, K, EVKV_LIT("w"), 0, answer_cb, &put);
	bed_settle(&s);
	rig_advance(&s.rig, 50);
	rig_wait(&s.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	gate_release_all(s.cache);
	s.cache->mode = GATE_OPEN;
	check_str(bed_value(&s, s.store, K), "w");
	answer_free(&get);
	answer_free(&put);
	bed_close(&s);
}

/* Have the timers ring, whatever they were set to. */
static void ring_timers(struct evkv_loop *loop)
{
	size_t i;

	for (i = 1; i <= loop->timers_count; i++)
		loop->timers[i]->at_us = 0;
	evkv_loop_check_timers(loop);
}

/* What the cache has it may have got just now, however old the turn is. */
EVKV_TEST(wrappers_passthrough_failing, bypass_counts_from_the_failure)
{
	struct scripted *primary = scripted_new(), *tier = scripted_new();
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	unsigned asked;

	rig_open_real(&rig);
	tier->capabilities.flags = 0;
	primary->immediate = tier->immediate = true;
	primary->status = EVKV_OK;
	tier->status = EVKV_BUSY;
	store = evkv_passthrough_cache_new(scripted_store(primary, rig.loop,
					       NULL),
	    scripted_store(tier, rig.loop, NULL),
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 3600000 },
	    NULL);
	check(store != NULL);
	evkv__loop_enter(rig.loop);
	rig.loop->now_us -= INT64_C(7200000000);
	evkv_put(store, C, K, EVKV_LIT("v"), 0, answer_cb, &a);
	evkv__loop_leave(rig.loop);
	rig_wait(&rig, &a.calls);
	check_status(a.status, EVKV_OK);
	answer_reset(&a);
	ring_timers(rig.loop);
	asked = tier->submits;
	primary->status = EVKV_NOT_FOUND;
	evkv_get(store, C, K, answer_cb, &a);
	rig_wait(&rig, &a.calls);
	check_int(tier->submits, asked);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(primary);
	scripted_free(tier);
}

/* Who shares a load is told of the failure of its own key alone. */
EVKV_TEST(wrappers_passthrough_failing, a_miss_has_no_cause)
{
	const struct evkv_slice keys[] = { K, EVKV_LIT("damaged") };
	struct scripted *primary = scripted_new();
	struct answer both = ANSWER_INIT, one = ANSWER_INIT;
	struct evkv_store *store;
	struct evkv_op *op;
	struct rig rig;

	rig_open(&rig);
	store = evkv_passthrough_cache_new(scripted_store(primary, rig.loop,
					       NULL),
	    evkv_simple_new(rig.loop, NULL), NULL, NULL);
	check(store != NULL);
	evkv_get_many(store, C, keys, 2, answer_cb, &both);
	evkv_get(store, C, K, answer_cb, &one);
	check_int(primary->count, 1);
	op = primary->ops[--primary->count].op;
	evkv_op_entry(op, 0)->status = EVKV_NOT_FOUND;
	evkv_op_entry(op, 1)->status = EVKV_CORRUPT;
	evkv_op_explain(op, EVKV_CAUSE_IO, 0, "damaged");
	evkv_op_complete(op);
	rig_wait(&rig, &one.calls);
	check_status(both.status, EVKV_CORRUPT);
	check_str(both.message, "damaged");
	check_status(one.status, EVKV_NOT_FOUND);
	check_int(one.cause, EVKV_CAUSE_NONE);
	check_str(one.message, "");
	answer_free(&both);
	answer_free(&one);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(primary);
}

/* What loads for all is of use until the last of them has gone. */
EVKV_TEST(wrappers_passthrough_failing, a_load_has_its_waiters_deadline)
{
	struct evkv_slice key = K;
	struct evkv_request request = {
		.kind = EVKV_OP_GET, .collection = C, .count = 1, .keys = &key
	};
	struct answer a[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	evkv_ticket ticket;
	struct cache_bed s;
	struct evkv_op *op;
	int64_t start_us;

	bed_open(&s, BED_LOCAL, NULL);
	s.primary->mode = GATE_BEFORE;
	start_us = evkv_loop_now_us(s.rig.loop);
	request.timeout_ms = 300;
	evkv_submit(s.store, &request, answer_cb, &a[0]);
	request.timeout_ms = 100;
	evkv_submit(s.store, &request, answer_cb, &a[1]);
	check_int(s.primary->held_count, 1);
	op = s.primary->held[0];
	check_int(evkv_op_deadline_us(op), start_us + 300000);
	/* One without a deadline, while it waits. */
	request.timeout_ms = -1;
	ticket = evkv_submit(s.store, &request, answer_cb, &a[2]);
	check_int(s.primary->held_count, 1);
	check_int(evkv_op_deadline_us(op), 0);
	evkv_cancel(s.rig.loop, ticket);
	check_int(evkv_op_deadline_us(op), start_us + 300000);
	bed_pass_time(&s, 300);
	check_status(a[0].status, EVKV_TIMEOUT);
	check_status(a[1].status, EVKV_TIMEOUT);
	check_status(a[2].status, EVKV_CANCELED);
	/* Nobody waits, but the load goes on. */
	check_int(s.primary->held_count, 1);
	check_int(evkv_op_deadline_us(op), 0);
	gate_release_all(s.primary);
	for (size_t i = 0; i < 3; i++)
		answer_free(&a[i]);
	bed_close(&s);
}
