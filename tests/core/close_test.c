/*
 * tests/core/close_test.c - the ways out of a store that takes its time.
 */
#include <pthread.h>

#include "faults.h"
#include "scene.h"

static evkv_ticket close_store(struct scene *s, int64_t drain_ms,
    struct answer *a)
{
	return evkv_store_close(s->store, drain_ms, answer_cb, a);
}

EVKV_TEST(core_close, draining_waits_for_what_is_pending)
{
	struct answer put = ANSWER_INIT, late = ANSWER_INIT;
	struct answer closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &put);
	close_store(&s, -1, &closed);
	scene_put(&s, &late);
	rig_turn(&s.rig);
	rig_advance(&s.rig, 1000000);
	rig_turn(&s.rig);
	check_status(late.status, EVKV_CLOSED);
	check_int(put.calls, 0);
	check_int(closed.calls, 0);
	check_int(s.script->closes, 0);
	check_int(s.script->submits, 1);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_status(put.status, EVKV_OK);
	check_status(closed.status, EVKV_OK);
	check_int(closed.kind, EVKV_KIND_COUNT);
	check(put.order < closed.order);
	check_int(s.script->closes, 1);
	check_int(evkv_store_state(s.store), EVKV_STATE_CLOSED);
	answer_free(&put);
	answer_free(&late);
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, the_drain_time_is_a_limit)
{
	struct answer sent = ANSWER_INIT, unsent = ANSWER_INIT;
	struct answer closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_LATER);
	scene_put(&s, &sent);
	scene_put(&s, &unsent);
	scripted_mark_sent(s.script, 0);
	close_store(&s, 500, &closed);
	rig_advance(&s.rig, 499);
	rig_turn(&s.rig);
	check_int(sent.calls, 0);
	rig_advance(&s.rig, 1);
	rig_turn(&s.rig);
	rig_turn(&s.rig);
	check_status(sent.status, EVKV_UNKNOWN_OUTCOME);
	check_int(sent.cause, EVKV_CAUSE_CLOSED);
	check_status(unsent.status, EVKV_CLOSED);
	check_int(unsent.cause, EVKV_CAUSE_CLOSED);
	/* The closer waits until they have really ended. */
	check_int(s.script->closes, 1);
	check_int(closed.calls, 0);
	scripted_closed(s.script);
	rig_turn(&s.rig);
	rig_turn(&s.rig);
	check_int(closed.calls, 0);
	check(!scripted_mark_sent(s.script, 1));
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_int(closed.calls, 1);
	check_status(closed.status, EVKV_TIMEOUT);
	check_int(sent.calls, 1);
	answer_free(&sent);
	answer_free(&unsent);
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, the_drivers_close_may_come_late)
{
	struct answer closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_LATER);
	close_store(&s, 0, &closed);
	rig_turn(&s.rig);
	rig_turn(&s.rig);
	check_int(s.script->closes, 1);
	check_int(closed.calls, 0);
	scripted_closed(s.script);
	check_int(closed.calls, 0);
	rig_settle(&s.rig);
	check_status(closed.status, EVKV_OK);
	check_int(s.script->frees, 0); /* the handle is still valid */
	check_str(evkv_store_name(s.store), "scripted");
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, without_a_close_slot)
{
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_COMPLETES, SCRIPTED_NO_CLOSE);
	scene_put(&s, &put);
	close_store(&s, 0, &closed);
	rig_settle(&s.rig);
	check_status(put.status, EVKV_CLOSED);
	check_status(closed.status, EVKV_TIMEOUT);
	check(put.order < closed.order);
	answer_free(&put);
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, the_second_close_is_told_with_the_first)
{
	struct answer put = ANSWER_INIT, a = ANSWER_INIT, b = ANSWER_INIT;
	struct answer c = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &put);
	check(close_store(&s, -1, &a) != 0);
	check(close_store(&s, -1, &b) != 0);
	/* A closer can't be cancelled. */
	evkv_cancel(s.rig.loop, close_store(&s, -1, &c));
	rig_turn(&s.rig);
	check_int(c.calls, 0);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check(put.order < a.order && a.order < b.order && b.order < c.order);
	check_status(c.status, EVKV_OK);
	answer_free(&put);
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	scene_close(&s);
}

EVKV_TEST(core_close, the_callback_may_be_null)
{
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	check(evkv_store_close(s.store, 0, NULL, NULL) != 0);
	rig_settle(&s.rig);
	check_int(s.script->closes, 1);
	scene_close(&s);
}

EVKV_TEST(core_close, without_memory_it_closes_without_telling)
{
	struct answer warm = ANSWER_INIT, closed = ANSWER_INIT;
	struct answer all[64];
	struct scene s;
	unsigned i;

	/* Use up the first slab of operations. */
	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	for (i = 0; i < 64; i++) {
		all[i] = warm;
		scene_get(&s, &all[i]);
	}
	faults_fail_from(1);
	check(close_store(&s, 0, &closed) != 0);
	rig_settle(&s.rig);
	faults_off();
	/* It is told that it can't be told. */
	check_status(closed.status, EVKV_NOMEM);
	check_int(s.script->closes, 1);
	check_int(evkv_store_state(s.store), EVKV_STATE_CLOSED);
	for (i = 0; i < 64; i++) {
		check_int(all[i].calls, 1);
		check_status(all[i].status, EVKV_CLOSED);
		answer_free(&all[i]);
	}
	scene_close(&s);
}

EVKV_TEST(core_close, the_last_unref_ends_what_is_pending)
{
	struct answer sent = ANSWER_INIT, unsent = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_LATER);
	scene_put(&s, &sent);
	scene_put(&s, &unsent);
	scripted_mark_sent(s.script, 0);
	check(evkv_store_ref(s.store) == s.store);
	evkv_store_unref(s.store);
	rig_turn(&s.rig);
	check_int(unsent.calls, 0);
	evkv_store_unref(s.store);
	check_int(unsent.calls, 0); /* on a later turn */
	rig_turn(&s.rig);
	rig_turn(&s.rig);
	check_status(sent.status, EVKV_UNKNOWN_OUTCOME);
	check_status(unsent.status, EVKV_CLOSED);
	check_int(s.script->frees, 0);
	scripted_closed(s.script);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_int(s.script->frees, 1);
	s.store = NULL;
	answer_free(&sent);
	answer_free(&unsent);
	scene_close(&s);
}

EVKV_TEST(core_close, unref_while_closing_and_after)
{
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &put);
	close_store(&s, -1, &closed);
	evkv_store_unref(s.store);
	s.store = NULL;
	rig_turn(&s.rig);
	/* It is draining still: the close had more patience than the unref. */
	check_int(put.calls, 0);
	scripted_complete_all(s.script, EVKV_OK);
	rig_settle(&s.rig);
	check_status(put.status, EVKV_OK);
	check_status(closed.status, EVKV_OK);
	check_int(s.script->frees, 1);
	answer_free(&put);
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, freeing_the_loop_ends_everything)
{
	struct answer a[3] = { ANSWER_INIT }, closed = ANSWER_INIT;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &a[0]);
	scripted_mark_sent(s.script, 0);
	scene_put(&s, &a[1]);
	scene_get(&s, &a[2]);
	close_store(&s, -1, &closed);
	rig_close(&s.rig);
	evkv_store_unref(s.store);
	s.store = NULL;
	check_status(a[0].status, EVKV_UNKNOWN_OUTCOME);
	check_status(a[1].status, EVKV_CLOSED);
	check_status(a[2].status, EVKV_CLOSED);
	check_status(closed.status, EVKV_TIMEOUT);
	check_int(a[0].calls + a[1].calls + a[2].calls + closed.calls, 4);
	check(a[2].order < closed.order);
	answer_free(&a[0]);
	answer_free(&a[1]);
	answer_free(&a[2]);
	answer_free(&closed);
	scene_close(&s);
}

/* A driver whose threads end after its close() has returned. */
struct slow_end {
	struct evkv_store *store;
	pthread_t thread;
	bool closed, freed_early;
};

static void slow_end_told(void *arg)
{
	struct slow_end *slow = arg;

	check_int(pthread_join(slow->thread, NULL), 0);
	slow->closed = true;
	evkv_store_closed(slow->store);
}

static void *slow_end_nothing(void *arg)
{
	return arg;
}

static void *slow_end_main(void *arg)
{
	struct slow_end *slow = arg;
	pthread_t thread;
	int i;

	/* Some work, so that the loop has time to go without it. */
	for (i = 0; i < 200; i++) {
		if (pthread_create(&thread, NULL, slow_end_nothing, NULL) == 0)
			pthread_join(thread, NULL);
	}
	check(evkv_loop_post(evkv_store_loop(slow->store), slow_end_told,
	    slow));
	return NULL;
}

static void slow_end_close(void *self)
{
	struct slow_end *slow = self;

	check_int(pthread_create(&slow->thread, NULL, slow_end_main, slow), 0);
}

static void slow_end_free(void *self)
{
	struct slow_end *slow = self;

	slow->freed_early = !slow->closed;
}

static enum evkv_verdict slow_end_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	(void)self;
	(void)request;
	return evkv_op_fail(op, EVKV_IO, EVKV_CAUSE_IO, NULL);
}

EVKV_TEST(core_close, freeing_the_loop_waits_for_the_drivers_threads)
{
	static const struct evkv_vtable vtable = {
		.size = sizeof(struct evkv_vtable),
		.name = "slow_end",
		.kinds = EVKV_KINDS_BASIC,
		.submit = slow_end_submit,
		.close = slow_end_close,
		.free = slow_end_free,
	};
	static const struct evkv_capabilities can = {
		.kinds = EVKV_KINDS_BASIC,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};
	struct slow_end slow = { .closed = false };
	struct rig rig;

	rig_open(&rig);
	slow.store = evkv_store_create(rig.loop, &vtable, &slow,
	    &(struct evkv_store_config){ .capabilities = &can }, NULL);
	check(slow.store != NULL);
	rig_close(&rig);
	check(slow.closed && !slow.freed_early);
	evkv_store_unref(slow.store);
}

struct close_late {
	struct scene *s;
	struct answer again;
};

static void close_on_answer(struct answer *answer,
    const struct evkv_result *result, void *arg)
{
	struct close_late *late = arg;

	(void)answer;
	(void)result;
	(void)scene_put(late->s, &late->again);
}

EVKV_TEST(core_close, submitting_while_the_loop_is_freed)
{
	struct close_late late = { .again = ANSWER_INIT };
	struct answer a = { .then = close_on_answer, .arg = &late };
	struct scene s;

	late.s = &s;
	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &a);
	rig_close(&s.rig);
	evkv_store_unref(s.store);
	s.store = NULL;
	check_int(a.calls, 1);
	check_int(late.again.calls, 1);
	check_status(late.again.status, EVKV_CLOSED);
	answer_free(&a);
	answer_free(&late.again);
	scene_close(&s);
}

/* ---- Stacks -------------------------------------------------------------- */

enum { STACK_DEPTH = 12 };

/* A dozen wrappers over a scripted store that they alone hold. */
static void stack_open(struct scene *s, enum scripted_stop stop,
    enum scripted_close close)
{
	unsigned i;

	scene_open(s, stop, close);
	for (i = 0; i < STACK_DEPTH; i++)
		s->store = evkv_prefix_keys_new(s->store, EVKV_LIT("p"), NULL);
	check(s->store != NULL);
}

/* A server that is silent: the driver ends what is sent when it is closed. */
EVKV_TEST(core_close, a_stack_is_closed_one_turn_after_the_drain_time)
{
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct scene s;

	stack_open(&s, SCRIPTED_STOP_MARKS, SCRIPTED_CLOSE_AT_ONCE);
	scene_put(&s, &put);
	close_store(&s, 500, &closed);
	rig_advance(&s.rig, 499);
	rig_turn(&s.rig);
	check_int(put.calls + closed.calls, 0);
	rig_advance(&s.rig, 1);
	rig_single_turn(&s.rig); /* ends everything, down to the driver */
	check_int(s.script->closes, 1);
	rig_single_turn(&s.rig);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_status(closed.status, EVKV_TIMEOUT);
	check(put.order < closed.order);
	answer_free(&put);
	answer_free(&closed);
	scene_close(&s);
}

EVKV_TEST(core_close, a_stack_is_closed_after_what_it_stands_on)
{
	struct answer closed = ANSWER_INIT;
	struct scene s;

	stack_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_LATER);
	close_store(&s, 0, &closed);
	rig_turn(&s.rig);
	check_int(s.script->closes, 1);
	check_int(closed.calls, 0);
	scripted_closed(s.script);
	rig_single_turn(&s.rig);
	rig_single_turn(&s.rig);
	check_status(closed.status, EVKV_OK);
	check_int(closed.calls, 1);
	answer_free(&closed);
	scene_close(&s);
}

/* The store below lives on for others, and its op with it. */
EVKV_TEST(core_close, a_stack_does_not_wait_for_a_store_that_is_shared)
{
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct answer other = ANSWER_INIT;
	struct evkv_store *below;
	struct scene s;

	scene_open(&s, SCRIPTED_STOP_MARKS, SCRIPTED_CLOSE_AT_ONCE);
	below = evkv_store_ref(s.store);
	s.store = evkv_prefix_keys_new(s.store, EVKV_LIT("p"), NULL);
	scene_put(&s, &put);
	close_store(&s, 10, &closed);
	rig_advance(&s.rig, 10);
	rig_turn(&s.rig);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_status(closed.status, EVKV_TIMEOUT);
	check_int(closed.calls, 1);
	check_int(s.script->closes, 0);
	evkv_ping(below, answer_cb, &other);
	check_int(scripted_count(s.script), 2);
	evkv_store_unref(s.store);
	rig_turn(&s.rig);
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_status(other.status, EVKV_OK);
	s.store = below;
	answer_free(&put);
	answer_free(&closed);
	answer_free(&other);
	scene_close(&s);
}

/* ---- Dead handles -------------------------------------------------------- */

static void never(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	(void)state;
	(void)cause;
	(void)message;
	(*(unsigned *)arg)++;
}

EVKV_TEST(core_close, a_handle_outlives_its_loop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_counters counters;
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	unsigned calls = 0;
	struct scene s;

	stack_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	evkv_store_set_state_cb(s.store, never, &calls);
	store = evkv_store_ref(s.store);
	rig_close(&s.rig);
	calls = 0;
	check_int(s.script->frees, 1);
	check_int(scene_put(&s, &a), 0);
	check_int(evkv_ping(store, answer_cb, &a), 0);
	check_int(evkv_store_close(store, 5, answer_cb, &a), 0);
	check_int(evkv_store_wait_ready(store, 5, answer_cb, &a), 0);
	check_str(evkv_store_name(store), "prefix_keys");
	check(evkv_store_loop(store) == NULL);
	check_int(evkv_store_state(store), EVKV_STATE_CLOSED);
	evkv_store_set_state_cb(store, never, &calls);
	evkv_store_set_state_cb(store, NULL, NULL);
	evkv_store_set_timeout(store, 5);
	evkv_store_set_limits(store, 5, 5);
	evkv_store_counters(store, &counters);
	check_int(counters.pending, 0);
	check(evkv_store_capabilities(store)->max_key > 0);
	/* Consumed, as by every wrapper that can't be made. */
	check(evkv_prefix_keys_new(store, EVKV_LIT("q"), &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_int(a.calls, 0);
	check_int(calls, 0);
	evkv_store_unref(s.store);
	s.store = NULL;
	answer_free(&a);
	scene_close(&s);
}
