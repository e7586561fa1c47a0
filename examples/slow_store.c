/*
 * slow_store.c - delays each operation before it reaches the inner store.
 *
 * The happy path: submit keeps the inputs, sets a timer and answers PENDING;
 * when the timer runs a child op goes to the inner store, and its answer is
 * taken over and completes the op. With a delay of 0 the op is forwarded.
 *
 * Failures: without memory for the inputs or the timer the op ends with NOMEM.
 * An op whose waiter has been told (deadline, cancel, close) while the timer
 * was set is never started, so it had no effect for sure.
 */
#include "slow_store.h"

#include "evkv/driver.h"

struct slow_store {
	struct evkv_store *store;
	const int64_t *delay_ms;
};

/* One waiting operation; lives in the op. */
struct slow_store_wait {
	struct evkv_timer timer;
	struct slow_store *self;
	struct evkv_op *op;
	bool started; /* the child is under way: no holding back any more */
};

static void slow_store_answered(struct evkv_op *child, void *arg)
{
	struct slow_store_wait *wait = arg;

	if (child == NULL)
		evkv_op_nomem(wait->op);
	else
		evkv_op_take_all(wait->op, child);
	evkv_op_complete(wait->op);
}

static void slow_store_start(void *arg)
{
	struct slow_store_wait *wait = arg;

	wait->started = true;
	evkv_child_submit(wait->op, evkv_store_inner(wait->self->store, 0),
	    evkv_op_request(wait->op), EVKV_CHILD_BORROWS, slow_store_answered,
	    wait);
}

static enum evkv_verdict slow_store_submit(void *self_, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct slow_store *self = self_;
	struct slow_store_wait *wait;

	if (*self->delay_ms <= 0)
		return evkv_op_forward(op, evkv_store_inner(self->store, 0),
		    request);

	wait = evkv_op_alloc(op, sizeof(*wait));
	if (wait == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	*wait = (struct slow_store_wait){
		.timer = { .run = slow_store_start, .arg = wait },
		.self = self,
		.op = op,
	};
	if (!evkv_timer_set(evkv_op_loop(op), &wait->timer, *self->delay_ms))
		return evkv_op_nomem(op);
	evkv_op_set_data(op, wait);
	return EVKV_VERDICT_PENDING;
}

/* The waiter is about to be told; the inner store knows of started ones. */
static void slow_store_stop(void *self, struct evkv_op *op)
{
	struct slow_store_wait *wait = evkv_op_data(op);

	(void)self;
	if (wait == NULL || wait->started)
		return;
	evkv_timer_cancel(evkv_op_loop(op), &wait->timer);
	evkv_op_complete(op);
}

static void slow_store_free(void *self)
{
	evkv_free(self);
}

static const struct evkv_vtable slow_store_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "slow",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = slow_store_submit,
	.stop = slow_store_stop,
	.free = slow_store_free,
};

struct evkv_store *slow_store_new(struct evkv_store *inner,
    const int64_t *delay_ms, struct evkv_error *error)
{
	struct slow_store *self = evkv_calloc(1, sizeof(*self));
	struct evkv_store *store;

	if (self != NULL)
		self->delay_ms = delay_ms;
	store = evkv_store_create(NULL, &slow_store_vtable, self,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    error);
	if (store != NULL)
		self->store = store;
	return store;
}
