/*
 * core/close.c - the way of a store out: one step function, run as a task.
 *
 *   OPEN -> DRAINING   close or last unref; new ops end with CLOSED
 *   DRAINING -> ENDING nothing is pending, or the drain time is over: what is
 *                      pending is detached, the vtable's close() is called, and
 *                      inner stores without other references begin to end
 *   ENDING -> CLOSED   close() is answered and those inner stores are closed,
 *                      or, where there are none, the last op has left:
 *                      the callbacks of close are queued
 *   CLOSED -> freed    when the last detached op has left, the inner references
 *                      go; at the last unref the store is freed
 *
 * No callback waits for what a silent server still owes: detached ops
 * may leave long after CLOSED, where an inner store lives on for others.
 *
 * It is always a task because the store's own code may be on the stack when it
 * is asked for: an op that leaves is completed by its driver. Within the task
 * it goes down to the inner stores and up to the wrappers at once, so that a
 * stack of any depth closes in one turn.
 */
#include "core/core.h"

struct evkv_op *evkv__closer_new(struct evkv_loop *loop, evkv_cb cb, void *arg)
{
	struct evkv_op *op = evkv__op_new(loop, 1);

	if (op == NULL)
		return NULL;
	op->cb.root = cb;
	op->arg = arg;
	op->flags |= OP_ADMIN;
	op->result.kind = EVKV_KIND_COUNT;
	return op;
}

void evkv__closer_wait(struct evkv_op *op)
{
	op->flags |= OP_DRIVING | OP_PENDING;
	if (op->loop->outstanding++ == 0)
		evkv__hold_update(op->loop);
}

void evkv__closer_tell(struct evkv_op *op, bool drained)
{
	if (op->loop->forked)
		evkv_op_fail(op, EVKV_CLOSED, EVKV_CAUSE_FORK, NULL);
	else if (!drained)
		evkv_op_fail(op, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT,
		    "some operations were cut off");
	op->flags &= ~(uint32_t)(OP_DRIVING | OP_PENDING);
	op->loop->outstanding--;
	evkv__ready_push(op->loop, &op->ready);
}

/*
 * Detached frames stay linked, and what detaching one runs may take out others,
 * but puts in none: nothing is admitted any more. So each is moved to the front
 * of a list of those that were seen, and that becomes the store's.
 */
void evkv__store_detach_all(struct evkv_store *store, enum evkv_cause cause)
{
	struct evkv_frame *frame;
	LIST_HEAD(, evkv_frame) list;

	list.lh_first = store->frames.lh_first;
	if (list.lh_first != NULL)
		list.lh_first->link.le_prev = &list.lh_first;
	LIST_INIT(&store->frames);
	while ((frame = LIST_FIRST(&list)) != NULL) {
		LIST_REMOVE(frame, link);
		LIST_INSERT_HEAD(&store->frames, frame, link);
		evkv__op_detach(frame->op, EVKV_CLOSED, cause);
	}
}

static void advance(struct evkv_store *store);

/* The inner stores that are the wrapper's alone end with it. */
static void end_inner(struct evkv_store *store)
{
	struct evkv_store *inner;
	size_t i;

	for (i = 0; i < store->inner_count; i++) {
		inner = store->inner[i].store;
		if (inner->refs > 1)
			continue;
		store->inner[i].awaited = true;
		if (inner->phase == STORE_OPEN)
			inner->phase = STORE_DRAINING;
		inner->drain_done = true;
		advance(inner);
	}
}

/*
 * A store without inner stores has all its ops in its own hands, and ends them
 * when it is closed; what a wrapper has forwarded may be elsewhere.
 */
static bool may_finish(const struct evkv_store *store)
{
	size_t i;

	if (!store->driver_closed ||
	    (store->inner_count == 0 && store->pending > 0))
		return false;
	for (i = 0; i < store->inner_count; i++) {
		if (store->inner[i].awaited &&
		    store->inner[i].store->phase != STORE_CLOSED)
			return false;
	}
	return true;
}

static void begin_ending(struct evkv_store *store)
{
	evkv_timer_cancel(store->loop, &store->drain_timer);
	store->drain_failed = store->pending > 0;
	store->phase = STORE_ENDING;
	evkv__store_detach_all(store, EVKV_CAUSE_CLOSED);
	if (store->vtable->close != NULL)
		store->vtable->close(store->self);
	else
		store->driver_closed = true;
	end_inner(store);
}

static void tell_closers(struct evkv_store *store)
{
	struct evkv_op *op;

	while ((op = STAILQ_FIRST(&store->closers)) != NULL) {
		STAILQ_REMOVE_HEAD(&store->closers, closer_link);
		evkv__closer_tell(op, !store->drain_failed);
	}
}

static void finish(struct evkv_store *store)
{
	store->phase = STORE_CLOSED;
	evkv_store_set_state(store, EVKV_STATE_CLOSED, EVKV_CAUSE_CLOSED, "");
	tell_closers(store);
	evkv__core(store->loop)->shutdown_cut |= store->drain_failed;
	evkv__shutdown_step(evkv__core(store->loop));
}

/* Nothing but what callers see: there is nothing of ours to end. */
void evkv__store_shut(struct evkv_store *store)
{
	store->phase = STORE_CLOSED;
	store->state = EVKV_STATE_CLOSED;
	store->shown = store;
	tell_closers(store);
}

/* As far down the phases as it goes now. */
static void advance(struct evkv_store *store)
{
	if (store->phase == STORE_DRAINING &&
	    (store->pending == 0 || store->drain_done))
		begin_ending(store);
	if (store->phase == STORE_ENDING && may_finish(store))
		finish(store);
	if (store->phase == STORE_CLOSED && store->pending == 0)
		evkv__store_drop_inner(store);
}

/* A wrapper that waits for this store to be closed, and for nothing else. */
static struct evkv_store *awaiting(const struct evkv_store *store)
{
	const struct store_inner *above;

	if (store->phase != STORE_CLOSED)
		return NULL;
	LIST_FOREACH(above, &store->parents, link)
	{
		if (above->awaited && above->parent->phase == STORE_ENDING &&
		    may_finish(above->parent))
			return above->parent;
	}
	return NULL;
}

void evkv__store_step(void *arg)
{
	struct evkv_store *store = arg, *above;

	advance(store);
	while ((above = awaiting(store)) != NULL)
		evkv__store_step(above);
	if (store->phase == STORE_CLOSED && store->refs == 0 &&
	    store->pending == 0 && store->state_task.link == NULL)
		evkv__store_free(store);
}

static void step_later(struct evkv_store *store)
{
	evkv_task_queue(store->loop, &store->step_task);
}

void evkv__store_left(struct evkv_store *store)
{
	if (store->pending == 0)
		step_later(store);
}

void evkv_store_closed(struct evkv_store *store)
{
	store->driver_closed = true;
	step_later(store);
}

void evkv__store_end(struct evkv_store *store)
{
	if (store->phase == STORE_CLOSED)
		return;
	if (store->phase == STORE_OPEN)
		store->phase = STORE_DRAINING;
	store->drain_done = true;
	step_later(store);
}

/* A handle that is still held is dead from now on: it answers nothing. */
void evkv__store_free(struct evkv_store *store)
{
	struct evkv_loop *loop = store->loop;

	evkv_timer_cancel(loop, &store->drain_timer);
	evkv_task_cancel(loop, &store->step_task);
	evkv_task_cancel(loop, &store->state_task);
	LIST_REMOVE(store, link);
	evkv__order_free(&store->order);
	store->vtable->free(store->self);
	evkv_free(store->text);
	store->text = NULL;
	store->own_vtable.describe = NULL;
	store->loop = NULL;
	store->forks--;
	store->self = NULL;
	store->own_vtable.counters = NULL;
	store->own_vtable.metrics = NULL;
	if (store->refs == 0)
		evkv_free(store);
}

struct evkv_store *evkv_store_ref(struct evkv_store *store)
{
	if (store != NULL)
		store->refs++;
	return store;
}

void evkv_store_unref(struct evkv_store *store)
{
	if (store == NULL)
		return;
	evkv__loop_check_thread(store->loop);
	EVKV__ASSERT(store->refs > 0);
	if (--store->refs > 0)
		return;
	if (store->loop == NULL) {
		if (store->self == NULL)
			evkv_free(store);
		return;
	}
	if (evkv__loop_check_fork(store->loop))
		return;
	store->state_cb = NULL;
	if (store->phase == STORE_OPEN)
		evkv__store_end(store);
	else
		step_later(store);
}

void evkv__store_drain(struct evkv_store *store, int64_t drain_ms)
{
	store->phase = STORE_DRAINING;
	if (drain_ms == 0 ||
	    (drain_ms > 0 &&
		!evkv_timer_set(store->loop, &store->drain_timer, drain_ms)))
		store->drain_done = true;
	step_later(store);
}

evkv_ticket evkv_store_close(struct evkv_store *store, int64_t drain_ms,
    evkv_cb cb, void *arg)
{
	struct evkv_op *op;

	if (store == NULL || store->loop == NULL)
		return 0;
	evkv__loop_check_thread(store->loop);
	evkv__loop_check_fork(store->loop);
	op = evkv__closer_new(store->loop, cb, arg);
	if (store->phase == STORE_OPEN)
		evkv__store_drain(store, drain_ms);
	if (op == NULL)
		return evkv__lack(store->loop, EVKV_KIND_COUNT, false, cb, arg);
	if (store->loop->forked)
		evkv_op_fail(op, EVKV_CLOSED, EVKV_CAUSE_FORK, NULL);
	if (store->phase == STORE_CLOSED) {
		evkv__ready_push(store->loop, &op->ready);
		return evkv__op_ticket(op);
	}
	STAILQ_INSERT_TAIL(&store->closers, op, closer_link);
	evkv__closer_wait(op);
	return evkv__op_ticket(op);
}
