/*
 * tests/adapters/bridge_test.c - a store of another loop: there and back, and
 * loops that go in any order.
 */
#include <stdio.h>

#include "evkv/adapters/bridge.h"
#include "evkv/stores/memory.h"
#include "evkv/stores/simple.h"
#include "far.h"
#include "faults.h"
#include "rig.h"
#include "scripted.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

struct bridged {
	struct far far;
	struct evkv_store *there;
	struct rig rig;
	struct evkv_store *here;
};

static void bridged_open(struct bridged *b)
{
	far_open(&b->far);
	b->there = evkv_simple_new(b->far.loop, NULL);
	rig_open_real(&b->rig);
	b->here = evkv_bridge_new(b->rig.loop, evkv_store_ref(b->there), NULL);
	check(b->here != NULL);
	far_start(&b->far);
}

static void bridged_close(struct bridged *b)
{
	evkv_store_unref(b->here);
	rig_close(&b->rig);
	far_stop(&b->far);
	far_close(&b->far);
	evkv_store_unref(b->there);
}

EVKV_TEST(adapters_bridge, operations_go_there_and_back)
{
	const struct evkv_slice keys[] = { K, EVKV_LIT("l") };
	struct answer a = ANSWER_INIT;
	struct bridged b;

	bridged_open(&b);
	evkv_loop_hold(b.rig.loop);
	check((evkv_store_capabilities(b.here)->flags &
		  EVKV_STORE_IN_PROCESS) == 0);
	check(evkv_store_can(b.here, EVKV_OP_INCR, EVKV_IF_ANY));
	rig_until(&b.rig, evkv_store_state(b.here) == EVKV_STATE_READY);
	evkv_put(b.here, C, K, EVKV_LIT("v"), 60000, answer_cb, &a);
	check_int(a.calls, 0);
	rig_until(&b.rig, a.calls == 1);
	check_status(a.status, EVKV_OK);
	check_int(a.affected, 1);
	evkv_ttl(b.here, C, K, answer_cb, &a);
	rig_until(&b.rig, a.calls == 2);
	check_slice(a.entries[0].bytes, "v");
	check(a.entries[0].ttl_ms > 0 && a.entries[0].ttl_ms <= 60000);
	evkv_get_many(b.here, C, keys, 2, answer_cb, &a);
	rig_until(&b.rig, a.calls == 3);
	check_status(a.entries[0].status, EVKV_OK);
	check_status(a.entries[1].status, EVKV_NOT_FOUND);
	evkv_keys(b.here, C, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb, &a);
	rig_until(&b.rig, a.calls == 4);
	check_int(a.count, 1);
	check_slice(a.entries[0].name, "k");
	evkv_keys(b.here, C, EVKV_LIT(""), EVKV_LIT("bad cursor"), 0, answer_cb,
	    &a);
	rig_until(&b.rig, a.calls == 5);
	check_status(a.status, EVKV_INVALID);
	check_contains(a.message, "cursor");
	answer_free(&a);
	bridged_close(&b);
}

EVKV_TEST(adapters_bridge, what_is_wrong_is_told_and_consumed)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig, other, freed;
	struct evkv_store *store;

	rig_open(&rig);
	rig_open(&other);
	check(evkv_bridge_new(rig.loop, NULL, &error) == NULL);
	check_invalid(error, "store is NULL");
	evkv_error_clear(&error);
	check(evkv_bridge_new(rig.loop, evkv_simple_new(rig.loop, NULL),
		  &error) == NULL);
	check_invalid(error, "this loop");
	evkv_error_clear(&error);
	check(evkv_bridge_new(NULL, evkv_simple_new(rig.loop, NULL), &error) ==
	    NULL);
	check_invalid(error, "loop is NULL");
	evkv_error_clear(&error);
	rig_open(&freed);
	store = evkv_simple_new(freed.loop, NULL);
	rig_close(&freed);
	check(evkv_bridge_new(rig.loop, store, &error) == NULL);
	check_invalid(error, "was freed");
	evkv_error_clear(&error);
	store = evkv_bridge_new(rig.loop, evkv_simple_new(other.loop, NULL),
	    NULL);
	check(store != NULL);
	evkv_store_unref(store);
	rig_settle(&rig);
	rig_settle(&other);
	rig_close(&rig);
	rig_close(&other);
}

/* ---- Order and numbers -------------------------------------------------- */

#define LOOPS 4
#ifndef BRIDGE_OPS
#define BRIDGE_OPS 5000
#endif

struct user {
	struct far far;
	struct evkv_store *store, *there;
	char key[16];
	unsigned submitted, called, wrong;
	int64_t last;
};

static void submit_more(struct user *user);

static void on_incr(const struct evkv_result *result, void *arg)
{
	struct user *user = arg;

	user->called++;
	if (result->status != EVKV_OK ||
	    evkv_result_entry(result, 0)->number != user->last + 1)
		user->wrong++;
	user->last = evkv_result_entry(result, 0)->number;
	if (user->called == BRIDGE_OPS)
		event_base_loopbreak(user->far.base);
	else
		submit_more(user);
}

static void submit_more(struct user *user)
{
	while (user->submitted < BRIDGE_OPS &&
	    user->submitted - user->called < 64) {
		user->submitted++;
		evkv_incr(user->store, C, evkv_str(user->key), 1, on_incr,
		    user);
	}
}

static void *user_run(void *arg)
{
	struct user *user = arg;

	user->store = evkv_bridge_new(user->far.loop, user->there, NULL);
	submit_more(user);
	event_base_loop(user->far.base, EVLOOP_NO_EXIT_ON_EMPTY);
	evkv_store_unref(user->store);
	evkv_loop_free(user->far.loop);
	event_base_free(user->far.base);
	return NULL;
}

EVKV_TEST(adapters_bridge, many_loops_share_a_store)
{
	struct user users[LOOPS] = { { .submitted = 0 } };
	struct evkv_store *store;
	struct far far;
	unsigned i;

	far_open(&far);
	store = evkv_memory_new(far.loop, NULL, NULL);
	for (i = 0; i < LOOPS; i++) {
		far_open(&users[i].far);
		users[i].there = evkv_store_ref(store);
		snprintf(users[i].key, sizeof(users[i].key), "k%u", i);
	}
	far_start(&far);
	for (i = 0; i < LOOPS; i++)
		check(pthread_create(&users[i].far.thread, NULL, user_run,
			  &users[i]) == 0);
	for (i = 0; i < LOOPS; i++) {
		check(pthread_join(users[i].far.thread, NULL) == 0);
		check_int(users[i].called, BRIDGE_OPS);
		check_int(users[i].wrong, 0);
	}
	far_stop(&far);
	far_close(&far);
	evkv_store_unref(store);
}

/* ---- Loops that go ------------------------------------------------------ */

/* Both loops are turned by the test, one after the other. */
struct hand {
	struct rig near, far;
	struct scripted *script;
	struct evkv_store *there, *here;
};

static void hand_open(struct hand *h)
{
	rig_open(&h->near);
	rig_open(&h->far);
	/* They are turned also when only posts are to be run. */
	evkv_loop_hold(h->near.loop);
	evkv_loop_hold(h->far.loop);
	h->script = scripted_new();
	h->there = scripted_store(h->script, h->far.loop, NULL);
	h->here = evkv_bridge_new(h->near.loop, evkv_store_ref(h->there), NULL);
	rig_turn(&h->far);
	rig_turn(&h->near);
	check_int(evkv_store_state(h->here), EVKV_STATE_READY);
}

static void put(struct hand *h, struct answer *a)
{
	evkv_put(h->here, C, K, EVKV_LIT("v"), 0, answer_cb, a);
}

EVKV_TEST(adapters_bridge, the_far_loop_goes_first)
{
	struct answer queued = ANSWER_INIT, taken = ANSWER_INIT,
		      late = ANSWER_INIT;
	struct hand h;

	hand_open(&h);
	put(&h, &taken);
	rig_turn(&h.far);
	check_int(h.script->submits, 1);
	put(&h, &queued);
	evkv_store_unref(h.there);
	rig_close(&h.far);
	rig_turn(&h.near);
	check_status(queued.status, EVKV_CLOSED);
	check_int(taken.calls, 1);
	check(taken.status == EVKV_CLOSED ||
	    taken.status == EVKV_UNKNOWN_OUTCOME);
	check_int(evkv_store_state(h.here), EVKV_STATE_CLOSED);
	put(&h, &late);
	rig_turn(&h.near);
	check_status(late.status, EVKV_CLOSED);
	answer_free(&queued);
	answer_free(&taken);
	answer_free(&late);
	evkv_store_unref(h.here);
	rig_close(&h.near);
	scripted_free(h.script);
}

/* false: no allocation was the nth in the turn in which the far end begins. */
static bool begins_without_nth(size_t n)
{
	struct answer queued = ANSWER_INIT;
	struct rig near, far;
	struct evkv_store *here;
	bool fired;

	rig_open(&near);
	rig_open(&far);
	evkv_loop_hold(near.loop);
	evkv_loop_hold(far.loop);
	here = evkv_bridge_new(near.loop, evkv_simple_new(far.loop, NULL),
	    NULL);
	evkv_put(here, C, K, EVKV_LIT("v"), 0, answer_cb, &queued);
	rig_turn(&near);
	faults_fail_nth(n);
	rig_turn(&far);
	faults_off();
	fired = faults_fired() > 0;
	rig_turn(&near);
	check_int(queued.calls, 1);
	if (queued.status == EVKV_CLOSED) {
		check(fired);
		check_int(queued.cause, EVKV_CAUSE_CLOSED);
		check_contains(queued.message, "is gone");
		check_int(evkv_store_state(here), EVKV_STATE_CLOSED);
	} else {
		check_status(queued.status, fired ? EVKV_NOMEM : EVKV_OK);
		check_int(evkv_store_state(here), EVKV_STATE_READY);
	}
	answer_free(&queued);
	evkv_store_unref(here);
	rig_close(&near);
	rig_close(&far);
	return fired;
}

EVKV_TEST(adapters_bridge, the_far_end_lacks_memory)
{
	size_t n = 1;

	while (begins_without_nth(n))
		check(++n < 100);
	check(n > 2);
}

/* The far loop does not run any more: the near one does not wait for it. */
EVKV_TEST(adapters_bridge, the_near_loop_goes_first)
{
	struct answer queued = ANSWER_INIT, taken = ANSWER_INIT;
	struct hand h;

	hand_open(&h);
	put(&h, &taken);
	rig_turn(&h.far);
	put(&h, &queued);
	evkv_store_unref(h.here);
	rig_close(&h.near);
	check_status(queued.status, EVKV_CLOSED);
	check_status(taken.status, EVKV_UNKNOWN_OUTCOME);
	scripted_complete_all(h.script, EVKV_OK);
	rig_turn(&h.far);
	answer_free(&queued);
	answer_free(&taken);
	evkv_store_unref(h.there);
	rig_close(&h.far);
	scripted_free(h.script);
}

EVKV_TEST(adapters_bridge, a_cancel_goes_over)
{
	struct answer queued = ANSWER_INIT, taken = ANSWER_INIT;
	evkv_ticket ticket;
	struct hand h;

	hand_open(&h);
	ticket = evkv_get(h.here, C, K, answer_cb, &taken);
	rig_turn(&h.far);
	check_int(h.script->submits, 1);
	evkv_cancel(h.near.loop, ticket);
	rig_turn(&h.near);
	check_status(taken.status, EVKV_CANCELED);
	rig_turn(&h.far);
	scripted_complete_all(h.script, EVKV_NOT_FOUND);
	rig_turn(&h.far);
	rig_turn(&h.near);
	/* What was not taken has had no effect, and never will. */
	ticket = evkv_put(h.here, C, K, EVKV_LIT("v"), 0, answer_cb, &queued);
	evkv_cancel(h.near.loop, ticket);
	rig_turn(&h.far);
	rig_turn(&h.near);
	check_status(queued.status, EVKV_CANCELED);
	check_int(h.script->submits, 1);
	answer_free(&queued);
	answer_free(&taken);
	evkv_store_unref(h.here);
	rig_close(&h.near);
	evkv_store_unref(h.there);
	rig_close(&h.far);
	scripted_free(h.script);
}

struct shown {
	enum evkv_state state;
	enum evkv_cause cause;
	char message[200];
	int calls;
};

static void show(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct shown *shown = arg;

	shown->state = state;
	shown->cause = cause;
	snprintf(shown->message, sizeof(shown->message), "%s", message);
	shown->calls++;
}

/* With its cause and words, and again when it is well. */
EVKV_TEST(adapters_bridge, the_state_is_shown)
{
	struct shown shown = { 0 };
	struct hand h;

	hand_open(&h);
	evkv_store_set_state_cb(h.here, show, &shown);
	evkv_store_set_state(h.there, EVKV_STATE_DOWN, EVKV_CAUSE_RESET,
	    "gone");
	rig_turn(&h.far);
	rig_until(&h.near, shown.calls == 1);
	check_int(evkv_store_state(h.here), EVKV_STATE_DOWN);
	check_int(shown.state, EVKV_STATE_DOWN);
	check_int(shown.cause, EVKV_CAUSE_RESET);
	check_str(shown.message, "gone");
	evkv_store_set_state(h.there, EVKV_STATE_READY, EVKV_CAUSE_NONE, "");
	rig_turn(&h.far);
	rig_until(&h.near, shown.calls == 2);
	check_int(shown.state, EVKV_STATE_READY);
	check_int(shown.cause, EVKV_CAUSE_NONE);
	check_str(shown.message, "");
	evkv_store_unref(h.here);
	rig_close(&h.near);
	evkv_store_unref(h.there);
	rig_close(&h.far);
	scripted_free(h.script);
}
