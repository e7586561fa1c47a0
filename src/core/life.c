/*
 * core/life.c - making and freeing a loop with all that runs on it.
 */
#include "core/core.h"

/* ---- What the loop calls ------------------------------------------------- */

static void resolve(struct evkv_op *op)
{
	struct evkv_store *store = op->frames[0].store;

	store->resolve(store->self);
	EVKV__ASSERT((op->flags & OP_LATE) == 0);
}

/* A root op's callback. */
static void op_ready(struct evkv_loop *loop, struct loop_ready *ready)
{
	struct evkv_op *op = (struct evkv_op *)(void *)((char *)ready -
	    offsetof(struct evkv_op, ready));
	const struct evkv_result *result = (op->flags & OP_DETACHED) != 0
	    ? &op->report
	    : &op->result;

	(void)loop;
	if ((op->flags & OP_LATE) != 0)
		resolve(op);
	if (op->cb.root != NULL)
		op->cb.root(result, op->arg);
	op->flags &= ~(uint32_t)OP_REPORTING;
	evkv__op_maybe_free(op);
}

static void op_expired(struct evkv_loop *loop, struct loop_deadline *deadline)
{
	struct evkv_op *op = (struct evkv_op *)(void *)((char *)deadline -
	    offsetof(struct evkv_op, deadline));

	(void)loop;
	evkv__op_detach(op, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT);
}

/*
 * Every store is closed, so that what is submitted ends, also by wrappers while
 * what is pending is ended: the outermost stores are the first in the list.
 */
static void core_forked(struct evkv_loop *loop)
{
	struct core *core = evkv__core(loop);
	struct evkv_store *store;

	LIST_FOREACH(store, &core->stores, link)
	evkv__store_shut(store);
	LIST_FOREACH(store, &core->stores, link)
	evkv__store_detach_all(store, EVKV_CAUSE_FORK);
	evkv__shutdown_step(core);
}

static const struct loop_hooks core_hooks = {
	.ready = op_ready,
	.expired = op_expired,
	.forked = core_forked,
};

/* ---- Making -------------------------------------------------------------- */

struct evkv_loop *evkv_loop_new(struct event_base *base)
{
	return evkv_loop_new_with(base, NULL, NULL);
}

static const char *wrong_with(struct event_base *base,
    const struct evkv_loop_options *options)
{
	const struct evkv_clock *clock = options->clock;

	if (base == NULL)
		return "base is NULL";
	if (clock != NULL &&
	    (clock->size < sizeof(*clock) || clock->monotonic_us == NULL ||
		clock->wall_us == NULL))
		return "clock needs size, monotonic_us and wall_us";
	return NULL;
}

struct evkv_loop *evkv_loop_new_sized(struct event_base *base,
    const struct evkv_loop_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_loop_options options;
	struct core *core;
	const char *why;

	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	why = wrong_with(base, &options);
	if (why != NULL) {
		evkv_error_set(error, EVKV_INVALID, "loop: %s", why);
		return NULL;
	}
	core = evkv_calloc(1, sizeof(*core));
	if (core == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "loop: out of memory");
		return NULL;
	}
	evkv__peeks_init(core);
	evkv__lacks_init(core);
	STAILQ_INIT(&core->shutdowns);
	TAILQ_INIT(&core->due);
	if (evkv__loop_open(&core->loop, base, &core_hooks, &options, error))
		return &core->loop;
	evkv_free(core);
	return NULL;
}

/* ---- Freeing ------------------------------------------------------------- */

static bool all_closed(const struct core *core)
{
	const struct evkv_store *store;

	LIST_FOREACH(store, &core->stores, link)
	{
		if (store->phase != STORE_CLOSED || store->pending > 0)
			return false;
	}
	return true;
}

/* Run what ending every store queues, and wait for threads at work. */
static void end_stores(struct core *core)
{
	struct evkv_loop *loop = &core->loop;
	struct evkv_store *store;

	do {
		LIST_FOREACH(store, &core->stores, link)
		evkv__store_end(store);
		while (evkv__ready_run_all(loop))
			;
	} while (evkv__post_run(loop, all_closed(core) ? 0 : 10) ||
	    !evkv__ready_is_empty(loop) || !all_closed(core));
	while ((store = LIST_FIRST(&core->stores)) != NULL)
		evkv__store_free(store);
}

/*
 * In the child of a fork: the callbacks still come, but what drivers have
 * belongs to the parent's threads, so it is left as it is.
 */
static void leave_to_parent(struct core *core)
{
	struct evkv_store *store;

	while (evkv__ready_run_all(&core->loop))
		;
	LIST_FOREACH(store, &core->stores, link)
	store->loop = NULL;
	evkv__loop_leave_events(&core->loop);
}

/*
 * Teardown: end every store (which completes every op), then the stores
 * themselves, then what they stood on.
 */
void evkv_loop_free(struct evkv_loop *loop)
{
	struct core *core = evkv__core(loop);

	if (loop == NULL)
		return;
	loop->freeing = true;
	if (evkv__loop_check_fork(loop)) {
		leave_to_parent(core);
		return;
	}
	evkv__loop_enter(loop);
	end_stores(core);
	evkv__loop_end(loop);
	evkv__op_slabs_free(core);
	evkv__value_spares_free(&core->spares);
	evkv_free(core);
}
