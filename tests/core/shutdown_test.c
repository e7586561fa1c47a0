/*
 * tests/core/shutdown_test.c - evkv_loop_shutdown(): every store of a loop is
 * closed, in an order in which what drains can drain.
 */
#include "evkv/wrappers/prefix_keys.h"
#include "evkv/wrappers/routing.h"
#include "faults.h"
#include "scene.h"

EVKV_TEST(core_shutdown, drains_every_store_then_tells)
{
	struct answer put = ANSWER_INIT, late = ANSWER_INIT, end = ANSWER_INIT;
	struct evkv_store *other;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	other = evkv_memory_new(s.rig.loop, NULL, NULL);
	scene_put(&s, &put);
	check(evkv_loop_shutdown(s.rig.loop, 1000, answer_cb, &end) != 0);
	evkv_ping(other, answer_cb, &late);
	rig_turn(&s.rig);
	check_status(late.status, EVKV_CLOSED);
	check_int(put.calls + end.calls, 0);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_status(put.status, EVKV_OK);
	check_status(end.status, EVKV_OK);
	check_int(end.kind, EVKV_KIND_COUNT);
	check(put.order < end.order);
	check_int(evkv_store_state(other), EVKV_STATE_CLOSED);
	check_int(evkv_store_state(s.store), EVKV_STATE_CLOSED);
	evkv_store_unref(other);
	answer_free(&put);
	answer_free(&late);
	answer_free(&end);
	scene_close(&s);
}

/* The inner store is open for others, too, and closed after the outer one. */
EVKV_TEST(core_shutdown, shared_inner_stores_end_last)
{
	struct answer put = ANSWER_INIT, own = ANSWER_INIT, end = ANSWER_INIT;
	struct evkv_store *first, *second;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	first = evkv_prefix_keys_new(evkv_store_ref(s.store), EVKV_LIT("a"),
	    NULL);
	second = evkv_prefix_keys_new(evkv_store_ref(s.store), EVKV_LIT("b"),
	    NULL);
	evkv_put(first, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &put);
	evkv_loop_shutdown(s.rig.loop, 1000, answer_cb, &end);
	rig_turn(&s.rig);
	check_int(evkv_store_state(second), EVKV_STATE_CLOSED);
	check_int(s.script->closes, 0);
	/* It still takes what comes by its own handle. */
	scene_put(&s, &own);
	check_int(scripted_count(s.script), 2);
	scripted_complete(s.script, 0, EVKV_OK);
	rig_turn(&s.rig);
	check_status(put.status, EVKV_OK);
	check_int(end.calls, 0);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_status(own.status, EVKV_OK);
	check_status(end.status, EVKV_OK);
	check(put.order < own.order && own.order < end.order);
	evkv_store_unref(first);
	evkv_store_unref(second);
	answer_free(&put);
	answer_free(&own);
	answer_free(&end);
	scene_close(&s);
}

/* One deadline for all, also where a store had been given longer. */
EVKV_TEST(core_shutdown, the_drain_time_is_a_limit)
{
	struct answer put = ANSWER_INIT, inner = ANSWER_INIT;
	struct answer closed = ANSWER_INIT, end = ANSWER_INIT;
	struct answer second = ANSWER_INIT;
	struct evkv_store *outer;
	struct scene s, slow;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	slow = s;
	slow.script = scripted_new();
	slow.store = scripted_store(slow.script, s.rig.loop, NULL);
	outer = evkv_prefix_keys_new(evkv_store_ref(s.store), EVKV_LIT("a"),
	    NULL);
	evkv_put(outer, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &put);
	scene_put(&slow, &inner);
	evkv_store_close(slow.store, -1, answer_cb, &closed);
	evkv_loop_shutdown(s.rig.loop, 500, answer_cb, &end);
	evkv_loop_shutdown(s.rig.loop, 100000, answer_cb, &second);
	rig_advance(&s.rig, 499);
	rig_turn(&s.rig);
	check_int(put.calls + inner.calls + end.calls, 0);
	rig_advance(&s.rig, 2);
	rig_turn(&s.rig);
	check_int(put.calls, 1);
	check_int(inner.calls, 1);
	check_status(inner.status, EVKV_CLOSED);
	/* What they still owe is theirs; nobody waits for it. */
	scripted_complete_all(s.script, EVKV_OK);
	scripted_complete_all(slow.script, EVKV_OK);
	rig_settle(&s.rig);
	check_status(closed.status, EVKV_TIMEOUT);
	check_status(end.status, EVKV_TIMEOUT);
	check_status(second.status, EVKV_TIMEOUT);
	evkv_store_unref(outer);
	evkv_store_unref(slow.store);
	answer_free(&put);
	answer_free(&inner);
	answer_free(&closed);
	answer_free(&end);
	answer_free(&second);
	scene_close(&s);
	scripted_free(slow.script);
}

EVKV_TEST(core_shutdown, a_loop_without_stores_and_again)
{
	struct answer end = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	check_int(evkv_loop_shutdown(NULL, 0, answer_cb, &end), 0);
	check(evkv_loop_shutdown(rig.loop, 0, answer_cb, &end) != 0);
	check_int(end.calls, 0);
	rig_turn(&rig);
	check_status(end.status, EVKV_OK);
	answer_reset(&end);
	/* The loop is as good as new. */
	store = evkv_memory_new(rig.loop, NULL, NULL);
	evkv_ping(store, answer_cb, &end);
	rig_turn(&rig);
	check_status(end.status, EVKV_OK);
	answer_reset(&end);
	evkv_loop_shutdown(rig.loop, -1, answer_cb, &end);
	evkv_store_unref(store);
	rig_settle(&rig);
	check_status(end.status, EVKV_OK);
	answer_free(&end);
	rig_close(&rig);
}

EVKV_TEST(core_shutdown, stores_that_are_opened_meanwhile_are_closed)
{
	struct answer put = ANSWER_INIT, end = ANSWER_INIT;
	struct evkv_store *another;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_COMPLETES, SCRIPTED_CLOSE_LATER);
	scene_put(&s, &put);
	evkv_loop_shutdown(s.rig.loop, 0, answer_cb, &end);
	rig_turn(&s.rig);
	another = evkv_memory_new(s.rig.loop, NULL, NULL);
	check_int(put.calls, 1);
	scripted_closed(s.script);
	rig_settle(&s.rig);
	check_status(end.status, EVKV_TIMEOUT);
	check_int(evkv_store_state(another), EVKV_STATE_CLOSED);
	evkv_store_unref(another);
	answer_free(&put);
	answer_free(&end);
	scene_close(&s);
}

/* Freed in the middle of it: the callback comes in evkv_loop_free(). */
EVKV_TEST(core_shutdown, freeing_the_loop_ends_it)
{
	struct answer put = ANSWER_INIT, end = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_COMPLETES, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &put);
	evkv_loop_shutdown(s.rig.loop, -1, answer_cb, &end);
	scene_close(&s);
	check_status(put.status, EVKV_CLOSED);
	check_status(end.status, EVKV_TIMEOUT);
	answer_free(&put);
	answer_free(&end);
}

/* Without memory for the call the stores are closed all the same. */
EVKV_TEST(core_shutdown, without_memory_it_is_told_and_done)
{
	struct answer end = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	faults_fail_from(1);
	check(evkv_loop_shutdown(rig.loop, 0, answer_cb, &end) != 0);
	faults_off();
	rig_settle(&rig);
	check_status(end.status, EVKV_NOMEM);
	check_int(evkv_store_state(store), EVKV_STATE_CLOSED);
	evkv_store_unref(store);
	answer_free(&end);
	rig_close(&rig);
}
