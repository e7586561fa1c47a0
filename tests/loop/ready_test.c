/*
 * tests/loop/ready_test.c - when callbacks run: in a later turn, once deferred
 * whatever is stacked, within a budget, and not after a break.
 */
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "evkv/driver.h"
#include "rig.h"
#include "scripted.h"
#include "test.h"

static struct evkv_store *ready_stack(struct rig *rig, unsigned wrappers)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_memory_new(rig->loop, NULL, &error);
	char prefix[16];
	unsigned i;

	for (i = 0; i < wrappers; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%u:", i);
		store = evkv_prefix_keys_new(store, evkv_str(prefix), &error);
	}
	check_str(error.message, "");
	check(store != NULL);
	return store;
}

/* Turns of the loop until the callback of an operation has run. */
static unsigned ready_turns(struct rig *rig, struct answer *answer)
{
	unsigned turns = 0;

	check_int(answer->calls, 0);
	while (answer->calls == 0) {
		check(++turns < 100);
		rig_single_turn(rig);
	}
	check_int(answer->calls, 1);
	return turns;
}

static void ready_count_turns(unsigned wrappers)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = ready_stack(&rig, wrappers);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &a);
	check_int(ready_turns(&rig, &a), 1);
	answer_reset(&a);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	check_int(ready_turns(&rig, &a), 1);
	check_slice(a.entries[0].bytes, "v");
	answer_reset(&a);
	evkv_delete(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	check_int(ready_turns(&rig, &a), 1);
	answer_reset(&a);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	check_int(ready_turns(&rig, &a), 1);
	check_status(a.status, EVKV_INVALID);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(core_ready, a_bare_store_defers_once)
{
	ready_count_turns(0);
}

EVKV_TEST(core_ready, a_stack_of_ten_wrappers_defers_once)
{
	ready_count_turns(10);
}

/*
 * The same from inside: each get of a chain is submitted by the callback of the
 * one before. A level that deferred by itself would stretch the chain.
 */
struct ready_chain {
	struct evkv_store *store;
	size_t left;
	uint32_t flags;
	size_t depth, deepest;
};

static void ready_on_chain(const struct evkv_result *result, void *arg);

static void ready_submit(struct ready_chain *chain)
{
	struct evkv_slice key = EVKV_LIT("k");

	check(evkv_submit(chain->store,
		  &(struct evkv_request){ .kind = EVKV_OP_GET,
		      .collection = EVKV_LIT("c"),
		      .keys = &key,
		      .count = 1,
		      .flags = chain->flags },
		  ready_on_chain, chain) != 0);
}

static void ready_on_chain(const struct evkv_result *result, void *arg)
{
	struct ready_chain *chain = arg;

	(void)result;
	if (chain->left == 0 || --chain->left == 0)
		return;
	if (++chain->depth > chain->deepest)
		chain->deepest = chain->depth;
	ready_submit(chain);
	chain->depth--;
}

EVKV_TEST(core_ready, the_chain_is_as_long_with_ten_wrappers)
{
	unsigned turns[2], i;

	for (i = 0; i < 2; i++) {
		struct ready_chain chain = { .left = 5000 };
		struct rig rig;

		rig_open(&rig);
		chain.store = ready_stack(&rig, i * 10);
		ready_submit(&chain);
		while (chain.left > 0)
			rig_single_turn(&rig);
		check_between(rig.turns, 5, 5000);
		turns[i] = rig.turns;
		evkv_store_unref(chain.store);
		rig_close(&rig);
	}
	check_int(turns[1], turns[0]);
}

/* ---- The budget ------------------------------------------------------- */

struct ready_reader {
	const struct ready_chain *chain;
	unsigned calls;
	size_t left; /* of the chain, when the bytes were seen */
};

static void ready_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ready_reader *reader = arg;
	char byte;

	(void)what;
	check_int(read(fd, &byte, 1), 1);
	reader->calls++;
	reader->left = reader->chain->left;
}

EVKV_TEST(core_ready, a_chain_of_hits_returns_to_epoll)
{
	struct ready_chain chain = { .left = 100000 };
	struct ready_reader reader = { &chain, 0, 0 };
	struct event *event;
	struct rig rig;
	int fds[2];

	rig_open(&rig);
	chain.store = ready_stack(&rig, 0);
	check_int(pipe(fds), 0);
	event = event_new(rig.base, fds[0], EV_READ | EV_PERSIST,
	    ready_on_readable, &reader);
	check(event != NULL && event_add(event, NULL) == 0);
	ready_submit(&chain);
	rig_single_turn(&rig);
	check(chain.left > 0);
	check_int(write(fds[1], "x", 1), 1);
	/* As a service does it: the loop turns by itself until all is done. */
	while (chain.left > 0)
		rig_turn(&rig);
	check_int(reader.calls, 1);
	check_between(reader.left, 95000, 99999);
	event_free(event);
	check_int(close(fds[0]), 0);
	check_int(close(fds[1]), 0);
	evkv_store_unref(chain.store);
	rig_close(&rig);
}

EVKV_TEST(core_ready, a_turn_does_many_callbacks_but_not_all)
{
	struct ready_chain chain = { .left = 100000 };
	struct rig rig;

	rig_open(&rig);
	chain.store = ready_stack(&rig, 0);
	ready_submit(&chain);
	while (chain.left > 0)
		rig_single_turn(&rig);
	/* At a few hundred a turn, neither one by one nor all at once. */
	check_between(rig.turns, 50, 5000);
	evkv_store_unref(chain.store);
	rig_close(&rig);
}

EVKV_TEST(core_ready, inline_callbacks_do_not_eat_the_stack)
{
	struct ready_chain chain = { .left = 100000,
		.flags = EVKV_FLAG_INLINE };
	struct rig rig;

	rig_open(&rig);
	chain.store = ready_stack(&rig, 0);
	ready_submit(&chain);
	while (chain.left > 0)
		rig_turn(&rig);
	check_between(chain.deepest, 1, 100);
	evkv_store_unref(chain.store);
	rig_close(&rig);
}

EVKV_TEST(core_ready, an_inline_callback_of_a_hit_runs_inside)
{
	struct answer a = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = ready_stack(&rig, 10);
	check(evkv_submit(store,
		  &(struct evkv_request){ .kind = EVKV_OP_GET,
		      .keys = &key,
		      .count = 1,
		      .flags = EVKV_FLAG_INLINE },
		  answer_cb, &a) != 0);
	check_int(a.calls, 1);
	rig_turn(&rig);
	check_int(a.calls, 1);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Breaking off, and staying alive ---------------------------------- */

struct ready_break {
	struct rig *rig;
	unsigned calls, break_at;
};

static void ready_on_break(const struct evkv_result *result, void *arg)
{
	struct ready_break *state = arg;

	(void)result;
	if (++state->calls == state->break_at)
		check_int(event_base_loopbreak(state->rig->base), 0);
}

EVKV_TEST(core_ready, loopbreak_stops_the_queue)
{
	struct rig rig;
	struct ready_break state = { &rig, 0, 3 };
	struct evkv_store *store;
	unsigned i;

	rig_open(&rig);
	store = ready_stack(&rig, 0);
	for (i = 0; i < 10; i++)
		evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), ready_on_break,
		    &state);
	check(event_base_dispatch(rig.base) >= 0);
	check_int(state.calls, 3);
	state.break_at = 5;
	check(event_base_dispatch(rig.base) >= 0);
	check_int(state.calls, 5);
	check(event_base_dispatch(rig.base) >= 0);
	check_int(state.calls, 10);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(core_ready, dispatch_returns_when_nothing_is_outstanding)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open_real(&rig);
	check_int(event_base_dispatch(rig.base), 1);
	store = ready_stack(&rig, 2);
	/* An entry that will expire holds nothing either. */
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 3600000,
	    answer_cb, &a);
	check_int(event_base_dispatch(rig.base), 1);
	check_int(a.calls, 1);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

static void ready_complete(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	scripted_complete_all(arg, EVKV_OK);
}

EVKV_TEST(core_ready, dispatch_stays_while_an_operation_is_pending)
{
	struct scripted *script = scripted_new();
	struct timeval soon = { 0, 20000 };
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct event *event;
	struct rig rig;

	rig_open_real(&rig);
	store = scripted_store(script, rig.loop, NULL);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &a);
	/* Pending, so a turn finds events to wait for. */
	check_int(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
	check_int(a.calls, 0);
	event = event_new(rig.base, -1, 0, ready_complete, script);
	check(event != NULL && event_add(event, &soon) == 0);
	check_int(event_base_dispatch(rig.base), 1);
	check_int(a.calls, 1);
	answer_free(&a);
	event_free(event);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(script);
}

static void ready_release(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	evkv_loop_release(arg);
}

EVKV_TEST(core_ready, hold_and_release)
{
	struct timeval soon = { 0, 1000 };
	struct event *event;
	struct rig rig;

	rig_open_real(&rig);
	evkv_loop_hold(rig.loop);
	evkv_loop_hold(rig.loop);
	check_int(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
	evkv_loop_release(rig.loop);
	check_int(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
	event = event_new(rig.base, -1, 0, ready_release, rig.loop);
	check(event != NULL && event_add(event, &soon) == 0);
	check_int(event_base_dispatch(rig.base), 1);
	event_free(event);
	rig_close(&rig);
}

/* ---- Tasks ------------------------------------------------------------ */

struct ready_task {
	struct evkv_task task;
	struct evkv_loop *loop;
	unsigned runs, order;
	unsigned *orders;
	struct ready_task *other; /* to be cancelled, or queued */
	bool cancels, again;
};

static void ready_run_task(void *arg)
{
	struct ready_task *task = arg;

	task->runs++;
	task->order = ++*task->orders;
	if (task->again)
		evkv_task_queue(task->loop, &task->task);
	if (task->other == NULL)
		return;
	if (task->cancels)
		evkv_task_cancel(task->loop, &task->other->task);
	else
		evkv_task_queue(task->loop, &task->other->task);
}

static void ready_task_init(struct ready_task *task, struct rig *rig,
    unsigned *orders)
{
	*task = (struct ready_task){ .loop = rig->loop, .orders = orders };
	task->task.run = ready_run_task;
	task->task.arg = task;
}

EVKV_TEST(core_ready, tasks_run_in_order_once_in_a_later_turn)
{
	struct ready_task tasks[4];
	unsigned orders = 0, i;
	struct rig rig;

	rig_open(&rig);
	for (i = 0; i < 4; i++) {
		ready_task_init(&tasks[i], &rig, &orders);
		evkv_task_queue(rig.loop, &tasks[i].task);
		evkv_task_queue(rig.loop, &tasks[i].task);
	}
	tasks[0].other = &tasks[2];
	tasks[0].cancels = true;
	tasks[1].other = &tasks[3]; /* is queued already */
	evkv_task_cancel(rig.loop, &tasks[3].task);
	evkv_task_cancel(rig.loop, &tasks[3].task);
	check_int(orders, 0);
	rig_turn(&rig);
	check_int(tasks[0].order, 1);
	check_int(tasks[1].order, 2);
	check_int(tasks[2].runs, 0);
	check_int(tasks[3].order, 3);
	check_int(orders, 3);
	rig_close(&rig);
}

EVKV_TEST(core_ready, a_task_that_queues_itself_runs_once_a_turn)
{
	struct ready_task task;
	unsigned orders = 0, i;
	struct rig rig;

	rig_open(&rig);
	ready_task_init(&task, &rig, &orders);
	task.again = true;
	evkv_task_queue(rig.loop, &task.task);
	for (i = 1; i <= 5; i++) {
		rig_single_turn(&rig);
		check_int(task.runs, i);
	}
	task.again = false;
	evkv_task_cancel(rig.loop, &task.task);
	rig_close(&rig);
}
