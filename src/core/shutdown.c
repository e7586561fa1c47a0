/*
 * core/shutdown.c - the graceful end of all stores of a loop.
 *
 * The outermost stores are closed first, so that what drains through them finds
 * their inner stores open; an inner store that somebody else holds, too, is
 * closed when the stores over it are. Each store that is closed calls for the
 * next step; after the last one the callbacks are queued. All drains end at one
 * moment.
 */
#include "core/core.h"

/* Nothing that may still use it is over it. */
static bool is_outermost(const struct evkv_store *store)
{
	const struct store_inner *above;

	LIST_FOREACH(above, &store->parents, link)
	{
		if (above->parent->phase != STORE_CLOSED)
			return false;
	}
	return true;
}

static int64_t drain_left_ms(const struct core *core)
{
	int64_t left_us;

	if (core->shutdown_at_us == INT64_MAX)
		return -1;
	left_us = core->shutdown_at_us - evkv__loop_read_clock(&core->loop);
	return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

/* Closed by somebody who gave it more time. */
static bool drains_longer(const struct core *core,
    const struct evkv_store *store)
{
	const struct evkv_timer *timer = &store->drain_timer;

	return store->phase == STORE_DRAINING && !store->drain_done &&
	    core->shutdown_at_us != INT64_MAX &&
	    (timer->position == 0 || timer->at_us > core->shutdown_at_us);
}

void evkv__shutdown_step(struct core *core)
{
	struct evkv_store *store;
	struct evkv_op *op;
	bool closed = true;

	if (!core->shutting)
		return;
	LIST_FOREACH(store, &core->stores, link)
	{
		closed = closed && store->phase == STORE_CLOSED;
		if (drains_longer(core, store) ||
		    (store->phase == STORE_OPEN && is_outermost(store)))
			evkv__store_drain(store, drain_left_ms(core));
	}
	core->shutting = !closed;
	while (closed && (op = STAILQ_FIRST(&core->shutdowns)) != NULL) {
		STAILQ_REMOVE_HEAD(&core->shutdowns, closer_link);
		evkv__closer_tell(op, !core->shutdown_cut);
	}
}

static void shutdown_begin(struct core *core, int64_t drain_ms)
{
	if (core->shutting)
		return;
	core->shutting = true;
	core->shutdown_cut = false;
	core->shutdown_at_us = drain_ms < 0
	    ? INT64_MAX
	    : evkv__loop_after(&core->loop, drain_ms);
}

evkv_ticket evkv_loop_shutdown(struct evkv_loop *loop, int64_t drain_ms,
    evkv_cb cb, void *arg)
{
	struct core *core = evkv__core(loop);
	struct evkv_op *op;

	if (loop == NULL)
		return 0;
	evkv__loop_check_thread(loop);
	evkv__loop_check_fork(loop);
	op = evkv__closer_new(loop, cb, arg);
	shutdown_begin(core, drain_ms);
	if (op != NULL) {
		STAILQ_INSERT_TAIL(&core->shutdowns, op, closer_link);
		evkv__closer_wait(op);
	}
	evkv__shutdown_step(core);
	return op != NULL ? evkv__op_ticket(op)
			  : evkv__lack(loop, EVKV_KIND_COUNT, false, cb, arg);
}
