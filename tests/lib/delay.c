/*
 * tests/lib/delay.c - the wrapper that makes any store take its time.
 *
 * Operations on one key come here in order, which the vtable asks of the core;
 * those that are here at one time are independent. They wait in one list, and a
 * task goes through it in every turn and throws a coin for each.
 *
 * A refusal is decided when an item would start, and is a matter of chance too;
 * nothing of the operation has reached the inner store then. With DELAY_REPEATS
 * an item whose child was refused stays in its place, and starts again.
 */
#include "delay.h"

#include <string.h>

#define DELAY_REFUSED 8   /* one of so many is refused */
#define DELAY_TRIES 1000u /* then a refusal is passed on after all */

struct delay_item {
	struct delay_item *next;
	struct evkv_op *op;
	struct delay *delay;
	unsigned tries;
	bool started;
	bool answered;
};

struct delay {
	struct evkv_store *store;
	struct evkv_loop *loop;
	struct evkv_task task;
	struct delay_item *items;
	uint32_t flags;
};

static bool delay_coin(struct delay *delay)
{
	return (delay->flags & DELAY_WAITS) == 0 ||
	    evkv_loop_random(delay->loop) % 2 == 0;
}

/* Whether an answer says that nothing was done, and to try again. */
static bool delay_was_refused(const struct evkv_result *result)
{
	return result->status == EVKV_BUSY ||
	    result->status == EVKV_UNAVAILABLE;
}

/* The child's answer is in the parent; it is told some turns later. */
static void delay_on_child(struct evkv_op *child, void *arg)
{
	struct delay_item *item = arg;

	if (child != NULL && (item->delay->flags & DELAY_REPEATS) != 0 &&
	    delay_was_refused(evkv_op_result(child)) &&
	    !evkv_op_detached(item->op) && item->tries < DELAY_TRIES) {
		item->started = false;
		return;
	}
	if (child == NULL)
		(void)evkv_op_nomem(item->op);
	else
		evkv_op_take_all(item->op, child);
	item->answered = true;
}

/* Whether this one is refused, with the answer in the op if it is. */
static bool delay_refuse(struct delay_item *item)
{
	struct delay *delay = item->delay;
	uint32_t classes = evkv_kind_classes(evkv_op_request(item->op)->kind);
	uint64_t random;

	if ((delay->flags & (DELAY_REFUSES | DELAY_REFUSES_ALL)) == 0)
		return false;
	if ((delay->flags & DELAY_REFUSES_ALL) == 0 &&
	    (classes & EVKV_CLASS_HAS_KEYS) == 0)
		return false;
	random = evkv_loop_random(delay->loop);
	if (random % DELAY_REFUSED != 0)
		return false;
	if ((random >> 32) % 2 == 0)
		(void)evkv_op_fail(item->op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "refused by the delaying store");
	else
		(void)evkv_op_fail(item->op, EVKV_UNAVAILABLE,
		    EVKV_CAUSE_CONNECT, "refused by the delaying store");
	return true;
}

static void delay_start(struct delay_item *item)
{
	item->started = true;
	item->tries++;
	if (delay_refuse(item)) {
		item->answered = true;
		return;
	}
	(void)evkv_child_submit(item->op,
	    evkv_store_inner(item->delay->store, 0), evkv_op_request(item->op),
	    EVKV_CHILD_BORROWS, delay_on_child, item);
}

/*
 * The first that is to be completed is taken out and completed last: what that
 * calls may submit here again.
 */
static struct evkv_op *delay_walk(struct delay *delay)
{
	struct delay_item **link = &delay->items, *item;

	while ((item = *link) != NULL) {
		if (item->answered && delay_coin(delay)) {
			*link = item->next;
			return item->op;
		}
		if (!item->started && delay_coin(delay))
			delay_start(item);
		link = &item->next;
	}
	return NULL;
}

static void delay_run(void *arg)
{
	struct delay *delay = arg;
	struct evkv_op *op = delay_walk(delay);

	if (delay->items != NULL)
		evkv_task_queue(delay->loop, &delay->task);
	if (op != NULL)
		evkv_op_complete(op);
}

static enum evkv_verdict delay_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct delay *delay = self;
	struct delay_item *item = evkv_op_alloc(op, sizeof(*item)), **link;

	(void)request;
	if (item == NULL)
		return evkv_op_nomem(op);
	*item = (struct delay_item){ .op = op, .delay = delay };
	for (link = &delay->items; *link != NULL; link = &(*link)->next)
		;
	*link = item;
	evkv_task_queue(delay->loop, &delay->task);
	return EVKV_VERDICT_PENDING;
}

static void delay_free(void *self)
{
	struct delay *delay = self;

	evkv_task_cancel(delay->loop, &delay->task);
	evkv_free(delay);
}

static const struct evkv_vtable delay_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "delay",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_ORDERED |
	    EVKV_VTABLE_KEEPS,
	.submit = delay_submit,
	.free = delay_free,
};

struct evkv_store *delay_new_with(struct evkv_store *inner, uint32_t flags,
    struct evkv_error *error)
{
	struct evkv_store *store;
	struct delay *delay;

	if (inner == NULL)
		return NULL;
	delay = evkv_calloc(1, sizeof(*delay));
	if (delay != NULL) {
		delay->loop = evkv_store_loop(inner);
		delay->flags = flags;
		delay->task.run = delay_run;
		delay->task.arg = delay;
	}
	/* NULL as self is want of memory, and consumes `inner` too. */
	store = evkv_store_create(NULL, &delay_vtable, delay,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    error);
	if (store != NULL)
		delay->store = store;
	return store;
}

struct evkv_store *delay_new(struct evkv_store *inner, struct evkv_error *error)
{
	return delay_new_with(inner, DELAY_WAITS, error);
}
