/*
 * tests/wrappers/passthrough_attack_test.c - what a hostile reader of the cache
 * tried, to have it keep or give out what is not true any more.
 */
#include <stdio.h>
#include <stdlib.h>

#include "evkv/driver.h"
#include "gate.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

struct attack {
	struct rig rig;
	struct gate *cache, *primary;
	struct evkv_store *store;
	struct evkv_store *below; /* the primary, under its gate */
	struct evkv_store *tier;  /* the cache, under its gate */
};

/* ---- A cache that takes less than the primary ----------------------- */

struct narrow {
	struct evkv_store *inner;
};

static enum evkv_verdict narrow_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, ((struct narrow *)self)->inner, request);
}

static const struct evkv_vtable narrow_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "narrow",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = narrow_submit,
	.free = evkv_free,
};

static struct evkv_store *narrow_new(struct evkv_store *inner)
{
	struct evkv_capabilities can = *evkv_store_capabilities(inner);
	struct narrow *self = evkv_malloc(sizeof(*self));

	self->inner = inner;
	can.max_key = 16;
	can.max_value = 16;
	can.ttl_unit_ms = 1000;
	return evkv_store_create(NULL, &narrow_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &can,
		.inner = &inner,
		.inner_count = 1,
	    }, NULL);
}

/* ---- The stage ------------------------------------------------------ */

static void attack_open(struct attack *s,
    const struct evkv_passthrough_cache_options *options, bool narrow)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *primary, *cache;

	rig_open(&s->rig);
	s->below = evkv_simple_new(s->rig.loop, &error);
	s->tier = evkv_simple_new(s->rig.loop, &error);
	primary = gate_new(evkv_store_ref(s->below), &s->primary, &error);
	cache = evkv_store_ref(s->tier);
	if (narrow)
		cache = narrow_new(cache);
	cache = gate_remote_new(cache, &s->cache, &error);
	s->store =
	    evkv_passthrough_cache_new(primary, cache, options, &error);
	check_str(error.message, "");
}

static void attack_close(struct attack *s)
{
	evkv_store_unref(s->store);
	evkv_store_unref(s->below);
	evkv_store_unref(s->tier);
	rig_close(&s->rig);
}

static void settle(struct attack *s)
{
	int i;

	for (i = 0; i < 20; i++)
		rig_turn(&s->rig);
}

static void pass_time(struct attack *s, int64_t ms)
{
	rig_advance(&s->rig, ms);
	settle(s);
}

static void put_at(struct attack *s, struct evkv_store *store,
    struct evkv_slice key, struct evkv_slice value)
{
	struct answer a = ANSWER_INIT;

	evkv_put(store, C, key, value, 0, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
}

/* The value of the key in the store, or "-"; lives until the next call. */
static const char *value_at(struct attack *s, struct evkv_store *store,
    struct evkv_slice key)
{
	static char text[64];
	struct answer a = ANSWER_INIT;

	evkv_get(store, C, key, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	check(a.status == EVKV_OK || a.status == EVKV_NOT_FOUND);
	snprintf(text, sizeof(text), "-");
	if (a.status == EVKV_OK)
		snprintf(text, sizeof(text), "%.*s",
		    (int)a.entries[0].bytes.size,
		    (const char *)a.entries[0].bytes.data);
	answer_free(&a);
	return text;
}

static int64_t ttl_at(struct attack *s, struct evkv_store *store)
{
	struct answer a = ANSWER_INIT;
	int64_t ttl_ms;

	evkv_ttl(store, C, K, answer_cb, &a);
	rig_wait(&s->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	ttl_ms = a.entries[0].ttl_ms;
	answer_free(&a);
	return ttl_ms;
}

static void fail_evictions(struct attack *s, bool fail)
{
	s->cache->fail = fail ? EVKV_BUSY : EVKV_OK;
	s->cache->fail_kinds =
	    EVKV_KIND_BIT(EVKV_DELETE) | EVKV_KIND_BIT(EVKV_DESTROY);
}

/* K is "old" below, and just that is on its way into the cache. */
static void start_fill(struct attack *s)
{
	struct answer get = ANSWER_INIT;

	put_at(s, s->below, K, EVKV_LIT("old"));
	s->cache->mode = GATE_BEFORE;
	s->cache->sends = true;
	evkv_get(s->store, C, K, answer_cb, &get);
	settle(s);
	gate_release(s->cache, 0);
	rig_wait(&s->rig, &get.calls);
	check_int(s->cache->held_count, 1);
	answer_free(&get);
}

/* All that came after the fill is done before it. */
static void overtake_fill(struct attack *s)
{
	while (s->cache->held_count > 1) {
		gate_release(s->cache, 1);
		settle(s);
	}
}

/* ---- What arrives late ---------------------------------------------- */

EVKV_TEST(wrappers_passthrough_attack, late_fill_is_remembered_by_later_trouble)
{
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .stall_timeout_ms = 5000,
	    .cache_timeout_ms = 50 }, false);
	start_fill(&s);
	pass_time(&s, 50); /* given up on: it may arrive at any time */
	fail_evictions(&s, true);
	put_at(&s, s.store, K, EVKV_LIT("new"));
	fail_evictions(&s, false);
	pass_time(&s, 1000);
	overtake_fill(&s);
	gate_release(s.cache, 0);
	s.cache->mode = GATE_OPEN;
	check_str(value_at(&s, s.tier, K), "old");
	check_str(value_at(&s, s.store, K), "new");
	pass_time(&s, 6000);
	pass_time(&s, 1000);
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	attack_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, fill_lands_while_evictions_fail)
{
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 5000, .cache_timeout_ms = 100000 }, false);
	start_fill(&s);
	fail_evictions(&s, true);
	put_at(&s, s.store, K, EVKV_LIT("new"));
	pass_time(&s, 3000);
	s.cache->mode = GATE_OPEN;
	gate_release(s.cache, 0);
	settle(&s);
	check_str(value_at(&s, s.tier, K), "old");
	pass_time(&s, 2500);
	pass_time(&s, 1000);
	check_str(value_at(&s, s.tier, K), "old");
	check_str(value_at(&s, s.store, K), "new");
	pass_time(&s, 2500);
	pass_time(&s, 1000);
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	attack_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, fill_lands_after_the_cache_was_emptied)
{
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 600000, .cache_timeout_ms = 100000,
	    .max_bypass = 1 }, false);
	start_fill(&s);
	fail_evictions(&s, true);
	put_at(&s, s.store, EVKV_LIT("a"), EVKV_LIT("1"));
	put_at(&s, s.store, EVKV_LIT("b"), EVKV_LIT("1"));
	/* It is off now, so that nothing is evicted. */
	put_at(&s, s.store, K, EVKV_LIT("new"));
	fail_evictions(&s, false);
	pass_time(&s, 1000);
	overtake_fill(&s);
	gate_release(s.cache, 0);
	s.cache->mode = GATE_OPEN;
	settle(&s);
	check_str(value_at(&s, s.store, K), "new");
	pass_time(&s, 1000);
	pass_time(&s, 1000);
	check_str(value_at(&s, s.store, K), "new");
	check_str(value_at(&s, s.tier, K), "new");
	attack_close(&s);
}

/* ---- What overtakes ------------------------------------------------- */

EVKV_TEST(wrappers_passthrough_attack, a_hit_of_what_was_to_be_evicted)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .cache_timeout_ms = 100 }, false);
	put_at(&s, s.below, K, EVKV_LIT("old"));
	check_str(value_at(&s, s.store, K), "old");
	s.cache->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("new"), 0, answer_cb, &put);
	pass_time(&s, 50);
	evkv_get(s.store, C, K, answer_cb, &get);
	pass_time(&s, 50);
	rig_wait(&s.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	while (s.cache->held_count > 1)
		gate_release(s.cache, 1);
	rig_wait(&s.rig, &get.calls);
	check_slice(get.entries[0].bytes, "new");
	answer_free(&put);
	answer_free(&get);
	attack_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, the_last_write_wins)
{
	struct answer one = ANSWER_INIT, two = ANSWER_INIT;
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000 }, false);
	s.cache->mode = GATE_BEFORE;
	evkv_put(s.store, C, K, EVKV_LIT("one"), 0, answer_cb, &one);
	settle(&s);
	fail_evictions(&s, true);
	evkv_put(s.store, C, K, EVKV_LIT("two"), 0, answer_cb, &two);
	settle(&s);
	gate_release_all(s.cache);
	rig_wait(&s.rig, &one.calls);
	rig_wait(&s.rig, &two.calls);
	check(one.order < two.order);
	check_str(value_at(&s, s.below, K), "two");
	answer_free(&one);
	answer_free(&two);
	attack_close(&s);
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
	struct attack s;
	int i;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000 }, true);
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
		check_str(value_at(&s, s.tier, K), "new");
	}
	s.primary->keys[EVKV_TTL] = 0;
	evkv_get_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_int(s.primary->keys[EVKV_TTL], 2);
	answer_reset(&a);
	evkv_delete_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	check_int(a.affected, 3);
	answer_reset(&a);
	check_str(value_at(&s, s.tier, K), "-");
	evkv_exists_many(s.store, C, keys, 3, answer_cb, &a);
	rig_wait(&s.rig, &a.calls);
	for (i = 0; i < 3; i++)
		check_status(a.entries[i].status, EVKV_NOT_FOUND);
	answer_free(&a);
	attack_close(&s);
}

/* What can't be there need not be evicted, nor be looked after. */
EVKV_TEST(wrappers_passthrough_attack, long_keys_do_not_switch_the_cache_off)
{
	struct attack s;
	char key[64];
	int i;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 60000, .max_bypass = 10 }, true);
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "a key that is too long %d", i);
		put_at(&s, s.store, evkv_str(key), EVKV_LIT("v"));
		check_str(value_at(&s, s.store, evkv_str(key)), "v");
	}
	put_at(&s, s.store, K, EVKV_LIT("v"));
	check_str(value_at(&s, s.store, K), "v");
	check_str(value_at(&s, s.tier, K), "v");
	attack_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, max_ttl_holds_with_a_coarse_clock)
{
	struct attack s;

	attack_open(&s, &(struct evkv_passthrough_cache_options){
	    .max_ttl_ms = 1500 }, true);
	put_at(&s, s.below, K, EVKV_LIT("v"));
	check_str(value_at(&s, s.store, K), "v");
	check_int(ttl_at(&s, s.tier), 1000);
	attack_close(&s);
}

EVKV_TEST(wrappers_passthrough_attack, endless_times_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_passthrough_cache_new(evkv_simple_new(rig.loop, NULL),
	    evkv_simple_new(rig.loop, NULL),
	    &(struct evkv_passthrough_cache_options){
		.stall_timeout_ms = INT64_MAX }, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "stall_timeout_ms");
	rig_close(&rig);
}
