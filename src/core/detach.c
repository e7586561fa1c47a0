/*
 * core/detach.c - ending an op for its waiter while it runs out below.
 *
 * First everything below is asked to stop, so that what is still here will not
 * be sent; a store that can't hold a write back marks it as sent. Only then it
 * is known what to tell: UNKNOWN_OUTCOME for a write that was sent, else the
 * reason.
 */
#include "core/core.h"

bool evkv_op_sent(const struct evkv_op *op)
{
	return (op->flags & OP_SENT) != 0;
}

bool evkv_op_detached(const struct evkv_op *op)
{
	return (op->flags & (OP_DETACHED | OP_STOPPED)) != 0;
}

/* Its own, or that of those whom a child of nobody is for; 0 = none. */
static int64_t own_deadline_us(const struct evkv_op *op)
{
	const uint32_t states = OP_CHILD | OP_DRIVING | OP_DETACHED;

	if ((op->flags & OP_TIMED) != 0)
		return op->deadline.at_us;
	/* Only while its callback is to come is there what it is for. */
	if ((op->flags & states) == (OP_CHILD | OP_DRIVING) &&
	    op->parent == NULL && op->deadline_us_of != NULL)
		return op->deadline_us_of(op->arg);
	return 0;
}

int64_t evkv_op_deadline_us(const struct evkv_op *op)
{
	int64_t first_us = 0, us;

	for (; op != NULL; op = op->parent) {
		us = own_deadline_us(op);
		if (us != 0 && (first_us == 0 || us < first_us))
			first_us = us;
	}
	return first_us;
}

void evkv__op_mark(struct evkv_op *op)
{
	while (op != NULL && (op->flags & OP_SENT) == 0) {
		op->flags |= OP_SENT;
		if ((op->flags & OP_AUXILIARY) != 0)
			break;
		op = op->parent;
	}
}

bool evkv_op_mark_sent(struct evkv_op *op)
{
	if ((op->flags & (OP_STOPPED | OP_SENT)) == OP_STOPPED)
		return false;
	evkv__op_mark(op);
	return true;
}

static void stop_op(struct evkv_op *op);

/* Stopping one may end others; the one that is held stays in the list. */
static void stop_children(struct evkv_op *op)
{
	struct evkv_op *child, *next;

	for (child = LIST_FIRST(&op->child_list); child != NULL; child = next) {
		child->busy++;
		if ((child->flags & (OP_STOPPED | OP_AUXILIARY)) == 0 &&
		    (child->flags & OP_DRIVING) != 0)
			stop_op(child);
		child->busy--;
		next = LIST_NEXT(child, child_link);
		evkv__op_maybe_free(child);
	}
}

static void stop_store(struct evkv_op *op)
{
	struct evkv_store *store = evkv__op_top(op)->store;

	if (op->loop->forked)
		evkv_op_mark_sent(op); /* the parent goes on with it */
	else if ((op->flags & OP_WAITING) != 0)
		evkv__order_give_up(op);
	else if ((op->flags & OP_BEGINNING) != 0)
		evkv_op_mark_sent(op); /* its submit() is on the stack */
	else if (store->vtable->stop != NULL)
		store->vtable->stop(store->self, op);
	else if (store->inner_count == 0 && (op->flags & OP_WRITES) != 0)
		evkv_op_mark_sent(op);
}

/* A child that has ended by being stopped goes its ordinary way now. */
static void stop_op(struct evkv_op *op)
{
	op->busy++;
	op->flags |= OP_STOPPING;
	stop_store(op);
	stop_children(op);
	op->flags &= ~(uint32_t)OP_STOPPING;
	op->flags |= OP_STOPPED;
	op->busy--;
	if ((op->flags & OP_ORDERED) != 0)
		evkv__order_let_go(op);
	if ((op->flags & OP_ENDED) != 0)
		evkv_op_complete(op);
}

static const struct evkv_entry report_entry[] = {
#define EVKV_X(NAME, text) { .status = EVKV_##NAME },
	EVKV_STATUS_TABLE(EVKV_X)
#undef EVKV_X
};

/* `count` entries of one status; NULL = there are none, or no memory. */
static const struct evkv_entry *report_make_entries(struct evkv_op *op,
    enum evkv_status status, size_t count)
{
	struct evkv_entry *entries;
	size_t i;

	if (count == 0)
		return NULL;
	if (count == 1 && (unsigned)status < EVKV_STATUS_COUNT)
		return &report_entry[status];
	entries = evkv_malloc(count * sizeof(*entries));
	if (entries == NULL)
		return NULL;
	for (i = 0; i < count; i++)
		entries[i] = (struct evkv_entry){ .status = status };
	op->report_entries = entries;
	op->flags |= OP_UNCLEAN;
	return entries;
}

/* Without memory for the entries the report goes without them. */
static void report_fill(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause)
{
	size_t count = (op->flags & OP_KEYED) != 0 ? op->result.count : 0;
	const struct evkv_entry *entries = report_make_entries(op, status,
	    count);

	op->report = (struct evkv_result){
		.status = status,
		.cause = cause,
		.kind = op->result.kind,
		.message = evkv_status_text(status),
		.count = entries != NULL ? count : 0,
		.entries = entries,
		.entry_size = sizeof(struct evkv_entry),
		.affected = status == EVKV_UNKNOWN_OUTCOME ? -1 : 0,
	};
}

static void frames_detached(struct evkv_op *op, enum evkv_status status)
{
	unsigned depth = op->depth, i;
	struct evkv_store *store;

	for (i = 0; i < depth; i++)
		op->frames[i].store->abandoned++;
	while (op->depth > 1) {
		op->depth--;
		store = evkv__op_top(op)->store;
		if (store->vtable->detached != NULL)
			store->vtable->detached(store->self, op, status);
	}
	op->depth = (uint16_t)depth;
}

void evkv__op_detach(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause)
{
	const uint32_t stoppable = OP_REPORTING | OP_DRIVING;
	struct evkv_loop *loop = op->loop;

	if ((op->flags & stoppable) != stoppable ||
	    (op->flags & (OP_DETACHED | OP_STOPPING | OP_ENDED)) != 0)
		return;
	if ((op->flags & OP_TIMED) != 0)
		evkv__op_untime(op);
	op->busy++;
	evkv__core(loop)
	    ->telling++; /* what comes after it must not overtake it */
	op->flags |= OP_STOPPING;
	if ((op->flags & OP_STOPPED) == 0) {
		stop_store(op);
		stop_children(op);
	}
	if ((op->flags & (OP_WRITES | OP_SENT)) == (OP_WRITES | OP_SENT))
		status = EVKV_UNKNOWN_OUTCOME;
	report_fill(op, status, cause);
	op->flags |= OP_STOPPED | OP_DETACHED;
	/* Where it is completed meanwhile: depth is not the real one now. */
	frames_detached(op, status);
	op->flags &= ~(uint32_t)OP_STOPPING;
	if ((op->flags & OP_ORDERED) != 0)
		evkv__order_let_go(op);
	if ((op->flags & OP_ENDED) != 0)
		evkv_op_complete(op);
	evkv__core(loop)->telling--;
	op->busy--;
	evkv__op_report(op);
	evkv__order_go_on(loop);
}
