/*
 * tests/wrappers/cache_order_test.c - operations on one key, through a cache
 * that answers sooner or later than its primary, end in their order.
 */
#include "cache_bed.h"

#define COLD EVKV_LIT("cold")
#define HOT EVKV_LIT("hot")

static void order_open(struct cache_bed *o)
{
	struct answer a = ANSWER_INIT;

	bed_open(o, BED_LOCAL, NULL);
	evkv_put(o->store, C, HOT, EVKV_LIT("1"), 0, answer_cb, &a);
	evkv_get(o->store, C, HOT, answer_cb, &a); /* into the cache */
	rig_turn(&o->rig);
	check_int(a.calls, 2);
	answer_free(&a);
}

static void order_close(struct cache_bed *o)
{
	o->primary->mode = GATE_OPEN;
	o->cache->mode = GATE_OPEN;
	evkv_store_unref(o->store);
	o->store = NULL;
	rig_settle(&o->rig);
	bed_close(o);
}

static evkv_ticket order_get(struct cache_bed *o, struct evkv_slice key,
    struct answer *a)
{
	return evkv_get(o->store, C, key, answer_cb, a);
}

/* A batch of a hit and a miss, then the hit alone: reads are free. */
EVKV_TEST(wrappers_cache_order, a_hit_does_not_wait_for_the_batch_before_it)
{
	const struct evkv_slice keys[] = { HOT, COLD };
	struct answer batch = ANSWER_INIT, hit = ANSWER_INIT;
	struct cache_bed o;

	order_open(&o);
	o.primary->mode = GATE_BEFORE;
	evkv_get_many(o.store, C, keys, 2, answer_cb, &batch);
	order_get(&o, HOT, &hit);
	rig_turn(&o.rig);
	check_int(hit.calls, 1);
	check_slice(hit.entries[0].bytes, "1");
	gate_release_all(o.primary);
	rig_turn(&o.rig);
	check_int(batch.calls, 1);
	answer_free(&batch);
	answer_free(&hit);
	order_close(&o);
}

/*
 * With a cache that answers at once nothing waits for a round trip: writes of
 * one key are all under way at the primary, which keeps their order.
 */
EVKV_TEST(wrappers_cache_order, writes_are_pipelined_to_the_primary)
{
	const struct evkv_slice keys[] = { HOT, COLD };
	struct answer batch = ANSWER_INIT, put = ANSWER_INIT;
	struct answer other = ANSWER_INIT, get = ANSWER_INIT;
	struct cache_bed o;

	order_open(&o);
	o.primary->mode = GATE_BEFORE;
	evkv_get_many(o.store, C, keys, 2, answer_cb, &batch);
	evkv_put(o.store, C, HOT, EVKV_LIT("2"), 0, answer_cb, &put);
	evkv_put(o.store, C, HOT, EVKV_LIT("3"), 0, answer_cb, &other);
	order_get(&o, HOT, &get);
	rig_turn(&o.rig);
	check_int(o.primary->held_count, 4);
	gate_release_all(o.primary);
	rig_turn(&o.rig);
	check_slice(batch.entries[0].bytes, "1");
	check(put.order < other.order && other.order < get.order);
	check_slice(get.entries[0].bytes, "3");
	answer_free(&batch);
	answer_free(&put);
	answer_free(&other);
	answer_free(&get);
	order_close(&o);
}

/* ---- A cache that answers later --------------------------------------- */

/* Has the cache noticed as slow. */
static void order_open_slow(struct cache_bed *o)
{
	struct answer a = ANSWER_INIT;

	order_open(o);
	o->cache->mode = GATE_BEFORE;
	order_get(o, HOT, &a);
	rig_turn(&o->rig);
	check_int(o->cache->held_count, 1);
	gate_release_all(o->cache);
	rig_turn(&o->rig);
	check_slice(a.entries[0].bytes, "1");
	answer_free(&a);
}

EVKV_TEST(wrappers_cache_order, a_read_sees_the_write_before_it)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT, ttl = ANSWER_INIT;
	struct answer other = ANSWER_INIT;
	struct cache_bed o;

	order_open_slow(&o);
	evkv_put(o.store, C, HOT, EVKV_LIT("2"), 5000, answer_cb, &put);
	evkv_ttl(o.store, C, HOT, answer_cb, &ttl);
	order_get(&o, HOT, &get);
	order_get(&o, COLD, &other);
	rig_turn(&o.rig);
	/* The eviction and the look-up of the other key: the rest waits. */
	check_int(o.cache->held_count, 2);
	check_int(put.calls + ttl.calls + get.calls, 0);
	gate_release(o.cache, 1);
	rig_turn(&o.rig);
	check_status(other.status, EVKV_NOT_FOUND);
	check_int(other.calls, 1);
	check_int(put.calls, 0);
	o.cache->mode = GATE_OPEN;
	gate_release_all(o.cache);
	rig_turn(&o.rig);
	check(put.order < ttl.order && ttl.order < get.order);
	check_slice(ttl.entries[0].bytes, "2");
	check_int(ttl.entries[0].ttl_ms, 5000);
	check_slice(get.entries[0].bytes, "2");
	answer_free(&put);
	answer_free(&ttl);
	answer_free(&get);
	answer_free(&other);
	order_close(&o);
}

EVKV_TEST(wrappers_cache_order, a_write_waits_for_the_read_before_it)
{
	struct answer get = ANSWER_INIT, put = ANSWER_INIT;
	struct cache_bed o;

	order_open_slow(&o);
	order_get(&o, COLD, &get);
	evkv_put(o.store, C, COLD, EVKV_LIT("2"), 0, answer_cb, &put);
	rig_turn(&o.rig);
	check_int(o.cache->held_count, 1);
	o.cache->mode = GATE_OPEN;
	gate_release_all(o.cache);
	rig_turn(&o.rig);
	check_status(get.status, EVKV_NOT_FOUND);
	check_status(put.status, EVKV_OK);
	check(get.order < put.order);
	answer_free(&get);
	answer_free(&put);
	order_close(&o);
}

EVKV_TEST(wrappers_cache_order, what_waits_its_turn_can_be_cancelled)
{
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct answer third = ANSWER_INIT, get = ANSWER_INIT;
	unsigned asked;
	evkv_ticket ticket;
	struct cache_bed o;

	order_open_slow(&o);
	asked = o.primary->asked[EVKV_OP_PUT];
	evkv_put(o.store, C, HOT, EVKV_LIT("2"), 0, answer_cb, &first);
	ticket = evkv_put(o.store, C, HOT, EVKV_LIT("3"), 0, answer_cb,
	    &second);
	order_get(&o, HOT, &get);
	evkv_delete(o.store, C, HOT, answer_cb, &third);
	evkv_cancel(o.rig.loop, ticket);
	rig_turn(&o.rig);
	/* It had not begun: surely without effect. */
	check_status(second.status, EVKV_CANCELED);
	check_int(second.calls, 1);
	check_int(first.calls, 0);
	o.cache->mode = GATE_OPEN;
	gate_release_all(o.cache);
	rig_turn(&o.rig);
	check_status(first.status, EVKV_OK);
	check_slice(get.entries[0].bytes, "2");
	check_status(third.status, EVKV_OK);
	check(first.order < get.order && get.order < third.order);
	check_int(o.primary->asked[EVKV_OP_PUT], asked + 1);
	answer_free(&first);
	answer_free(&second);
	answer_free(&third);
	answer_free(&get);
	order_close(&o);
}

EVKV_TEST(wrappers_cache_order, unref_with_a_long_line)
{
	enum { COUNT = 300 };
	struct answer a[COUNT];
	struct cache_bed o;
	size_t i;

	order_open_slow(&o);
	for (i = 0; i < COUNT; i++) {
		a[i] = (struct answer)ANSWER_INIT;
		if (i % 3 == 0)
			evkv_put(o.store, C, HOT, EVKV_LIT("2"), 0, answer_cb,
			    &a[i]);
		else
			order_get(&o, HOT, &a[i]);
	}
	evkv_store_unref(o.store);
	o.store = NULL;
	rig_turn(&o.rig);
	for (i = 0; i < COUNT; i++) {
		check_int(a[i].calls, 1);
		check_status(a[i].status, EVKV_CLOSED);
		answer_free(&a[i]);
	}
	rig_settle(&o.rig);
	bed_close(&o);
}

/* A long line is worked off without deep recursion. */
EVKV_TEST(wrappers_cache_order, a_long_line_is_worked_off)
{
	enum { COUNT = 20000 };
	struct answer last = ANSWER_INIT;
	struct cache_bed o;
	size_t i;

	order_open_slow(&o);
	for (i = 1; i < COUNT; i++)
		check(evkv_put(o.store, C, HOT, EVKV_LIT("2"), 0, NULL, NULL) !=
		    0);
	evkv_put(o.store, C, HOT, EVKV_LIT("3"), 0, answer_cb, &last);
	rig_turn(&o.rig);
	check_int(o.cache->held_count, 1);
	o.cache->mode = GATE_OPEN;
	gate_release_all(o.cache);
	rig_turn(&o.rig);
	check_status(last.status, EVKV_OK);
	answer_free(&last);
	order_close(&o);
}
