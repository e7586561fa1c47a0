/* tests/core/fork_test.c - loops that were made before fork(). */
#include <unistd.h>

#include "lib/fork.h"
#include "scene.h"

struct seen {
	unsigned calls;
	enum evkv_status status;
	enum evkv_cause cause;
};

static void seen_cb(const struct evkv_result *result, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->status = result->status;
	seen->cause = result->cause;
}

static struct seen put_before, get_before, close_before;

/* Everything is answered in a turn, though a timer would be due and a task. */
static void child_uses(void *arg)
{
	struct scene *s = arg;
	struct seen put = { 0 }, again = { 0 }, closed = { 0 };

	CHILD_CHECK(evkv_put(s->store, EVKV_LIT("c"), EVKV_LIT("k"),
			EVKV_LIT("v"), 100, seen_cb, &put) != 0);
	CHILD_CHECK(put.calls == 0);
	CHILD_CHECK(event_base_loop(s->rig.base, EVLOOP_NONBLOCK) >= 0);
	CHILD_CHECK(put.calls == 1);
	CHILD_CHECK(put.status == EVKV_CLOSED && put.cause == EVKV_CAUSE_FORK);
	CHILD_CHECK(put_before.calls == 1);
	CHILD_CHECK(put_before.status == EVKV_UNKNOWN_OUTCOME);
	CHILD_CHECK(put_before.cause == EVKV_CAUSE_FORK);
	CHILD_CHECK(get_before.calls == 1);
	CHILD_CHECK(get_before.status == EVKV_CLOSED);
	CHILD_CHECK(get_before.cause == EVKV_CAUSE_FORK);
	CHILD_CHECK(evkv_store_state(s->store) == EVKV_STATE_CLOSED);
	CHILD_CHECK(s->script->stops == 0 && s->script->closes == 0);
	CHILD_CHECK(evkv_prefix_keys_new(evkv_store_ref(s->store),
			EVKV_LIT("q"), NULL) == NULL);
	CHILD_CHECK(evkv_simple_new(s->rig.loop, NULL) == NULL);
	CHILD_CHECK(!evkv_loop_post(s->rig.loop, NULL, NULL));
	evkv_store_close(s->store, -1, seen_cb, &closed);
	evkv_ping(s->store, seen_cb, &again);
	/* Nothing holds it any more. */
	CHILD_CHECK(event_base_dispatch(s->rig.base) >= 0);
	CHILD_CHECK(closed.calls == 1 && closed.cause == EVKV_CAUSE_FORK);
	CHILD_CHECK(again.calls == 1 && again.status == EVKV_CLOSED);
	evkv_ping(s->store, seen_cb, &again);
	evkv_loop_free(s->rig.loop);
	CHILD_CHECK(again.calls == 2);
	CHILD_CHECK(evkv_ping(s->store, seen_cb, &again) == 0);
	evkv_store_unref(s->store);
	event_base_free(s->rig.base);
}

static void child_frees(void *arg)
{
	struct scene *s = arg;
	evkv_store_unref(s->store);
	evkv_loop_free(s->rig.loop);
	CHILD_CHECK(put_before.calls == 1 && get_before.calls == 1);
	event_base_free(s->rig.base);
}

/* What was asked for before it closed is answered, the closing too. */
static void child_closing(void *arg)
{
	struct scene *s = arg;
	CHILD_CHECK(event_base_dispatch(s->rig.base) >= 0);
	evkv_ping(s->store, NULL, NULL);
	CHILD_CHECK(event_base_dispatch(s->rig.base) >= 0);
	CHILD_CHECK(put_before.calls == 1 && get_before.calls == 1);
	CHILD_CHECK(close_before.calls == 1);
	CHILD_CHECK(close_before.cause == EVKV_CAUSE_FORK);
}

/* The right order: a loop of the child's own works. */
static void child_own(void *arg)
{
	struct scene *s = arg;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *store = evkv_memory_new(loop, NULL, NULL);
	struct seen put = { 0 };

	(void)s;
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0, seen_cb,
	    &put);
	CHILD_CHECK(event_base_dispatch(base) >= 0);
	CHILD_CHECK(put.calls == 1 && put.status == EVKV_OK);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
}

static void with_pending(void (*run)(void *scene), bool closing)
{
	struct scene s;

	put_before = get_before = close_before = (struct seen){ 0 };
	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_LATER);
	s.store = evkv_prefix_keys_new(s.store, EVKV_LIT("p"), NULL);
	evkv_put(s.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    seen_cb, &put_before);
	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("k"), seen_cb, &get_before);
	if (closing)
		evkv_store_close(s.store, -1, seen_cb, &close_before);
	fork_run(run, &s);
	/* The parent goes on. */
	check_int(put_before.calls, 0);
	scripted_complete_all(s.script, EVKV_OK);
	rig_turn(&s.rig);
	check_int(put_before.calls, 1);
	check_status(put_before.status, EVKV_OK);
	check_int(get_before.calls, 1);
	s.script->close = SCRIPTED_CLOSE_AT_ONCE;
	if (closing)
		scripted_closed(s.script);
	scene_close(&s);
}

EVKV_TEST(core_fork, what_was_made_before_is_closed_in_the_child)
{
	with_pending(child_uses, false);
}

EVKV_TEST(core_fork, the_child_may_free_it)
{
	with_pending(child_frees, false);
}

EVKV_TEST(core_fork, a_closing_store)
{
	with_pending(child_closing, true);
}

EVKV_TEST(core_fork, a_loop_of_the_childs_own)
{
	with_pending(child_own, false);
}
