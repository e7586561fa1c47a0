/*
 * core/child.c - ops that wrappers issue on their own.
 *
 * The callbacks of the children of one op never run inside each other: a child
 * that is answered while one of them runs is reported after it. So a callback
 * that asks again, however often it is answered at once, is a loop here and
 * does not go down the stack.
 */
#include "core/core.h"

static void child_link(struct evkv_op *child, struct evkv_op *parent)
{
	child->parent = parent;
	parent->children++;
	LIST_INSERT_HEAD(&parent->child_list, child, child_link);
}

/*
 * With what the child inherits, unless the request has its own; with nothing
 * once the parent was reported, for what its trace points to may be gone. The
 * copy lives as long as the child; NULL = no memory.
 */
static const struct evkv_request *traced(struct evkv_op *child,
    const struct evkv_request *request)
{
	const uint32_t ended = OP_STOPPED | OP_STOPPING | OP_DETACHED;
	const struct evkv_op *parent = child->parent;
	void *trace = request->trace;
	struct evkv_request *copy;

	if (parent != NULL && (parent->flags & ended) != 0)
		trace = NULL;
	else if (parent != NULL && trace == NULL)
		trace = parent->trace;
	if (trace != NULL)
		evkv_op_set_trace(child, trace);
	if (request->trace == trace)
		return request;
	copy = evkv_op_alloc(child, sizeof(*copy));
	if (copy == NULL)
		return NULL;
	*copy = *request;
	copy->trace = trace;
	return copy;
}

/*
 * A child of a stopped parent could have an effect although the parent was
 * reported as without one, unless that was UNKNOWN_OUTCOME. What only tidies up
 * (auxiliary) may always go on.
 */
static enum evkv_verdict child_enter(struct evkv_op *child,
    struct evkv_store *store, const struct evkv_request *request)
{
	const struct evkv_op *parent = child->parent;

	child->result.kind = request->kind;
	child->flags |= evkv__kind_classes(request->kind) &
	    (OP_WRITES | OP_KEYED);
	if ((child->flags & OP_KEYED) != 0 &&
	    !evkv__op_make_entries(child, request->count))
		return evkv_op_nomem(child);
	if (parent != NULL && (child->flags & OP_AUXILIARY) == 0 &&
	    (parent->flags & (OP_STOPPED | OP_STOPPING)) != 0 &&
	    (parent->flags & OP_SENT) == 0)
		return evkv_op_fail(child, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
		    NULL);
	request = traced(child, request);
	if (request == NULL)
		return evkv_op_nomem(child);
	return evkv__op_enter(child, store, request);
}

static struct evkv_op *child_new(struct evkv_op *parent,
    struct evkv_store *store, uint32_t flags, evkv_child_cb cb, void *arg)
{
	struct evkv_op *child = evkv__op_new(store->loop, store->depth);

	if (child == NULL)
		return NULL;
	child->flags |= OP_CHILD;
	child->cb.child = cb;
	child->arg = arg;
	child->deadline_us_of = NULL;
	child->frames[0].store = store; /* for evkv_child_repeat() */
	if ((flags & EVKV_CHILD_AUXILIARY) != 0)
		child->flags |= OP_AUXILIARY;
	if (parent != NULL) {
		child_link(child, parent);
		if ((flags & EVKV_CHILD_BORROWS) != 0 &&
		    (parent->flags & OP_KEPT) != 0)
			child->flags |= OP_BORROWS;
	}
	return child;
}

/* The caller holds the child. */
static void child_start(struct evkv_op *child, struct evkv_store *store,
    const struct evkv_request *request)
{
	if (!evkv__op_is_done(child, child_enter(child, store, request))) {
		evkv__op_pend(child, request->timeout_ms);
		return;
	}
	evkv__op_unwind(child);
	evkv__op_report(child);
}

struct evkv_op *evkv_child_submit(struct evkv_op *parent,
    struct evkv_store *store, const struct evkv_request *request,
    uint32_t flags, evkv_child_cb cb, void *arg)
{
	struct evkv_loop *loop = store->loop;
	struct evkv_op *child = child_new(parent, store, flags, cb, arg);

	if (child == NULL) {
		cb(NULL, arg);
		return NULL;
	}
	child->busy++;
	child_start(child, store, request);
	child->busy--;
	if ((child->flags & OP_REPORTING) == 0) {
		evkv__op_maybe_free(child);
		child = NULL;
	}
	evkv__order_go_on(loop);
	return child;
}

/* ---- Telling ------------------------------------------------------------ */

static void answered_add(struct evkv_op *teller, struct evkv_op *child)
{
	struct evkv_op *last = teller->answered;

	child->next = last != NULL ? last->next : child;
	if (last != NULL)
		last->next = child;
	teller->answered = child;
}

static struct evkv_op *answered_take(struct evkv_op *teller)
{
	struct evkv_op *last = teller->answered, *first;

	if (last == NULL)
		return NULL;
	first = last->next;
	last->next = first->next;
	if (first == last)
		teller->answered = NULL;
	return first;
}

static void tell(struct evkv_op *child, struct evkv_op *teller)
{
	child->next = teller;
	child->busy++;
	child->cb.child(child, child->arg);
	if ((child->flags & OP_LACKING) != 0)
		child->cb.child(NULL, child->arg);
	child->busy--;
	child->flags &= ~(uint32_t)OP_REPORTING;
	evkv__op_maybe_free(child);
}

/*
 * The children of a parent are reported one after the other, and so are the
 * repetitions of a child without a parent. What a child has changed counts as a
 * change by its parent, also when that is cut off later.
 */
void evkv__child_report(struct evkv_op *child)
{
	struct evkv_op *teller = child->parent != NULL ? child->parent : child;
	struct core *core = evkv__core(child->loop);

	if ((child->flags & (OP_WRITES | OP_DETACHED)) == OP_WRITES &&
	    child->result.affected != 0)
		evkv__op_mark(child);
	if ((child->flags & OP_WITHHELD) != 0)
		return;
	if ((teller->flags & OP_TELLING) != 0) {
		answered_add(teller, child);
		return;
	}
	teller->flags |= OP_TELLING;
	teller->busy++;
	core->telling++;
	do
		tell(child, teller);
	while ((child = answered_take(teller)) != NULL);
	core->telling--;
	teller->busy--;
	teller->flags &= ~(uint32_t)OP_TELLING;
	evkv__op_maybe_free(teller);
}

/*
 * What tells the child whose callback runs tells the next one, too. One that
 * was detached is still under way below; its frames hold its store.
 */
struct evkv_op *evkv_child_repeat(struct evkv_op *child,
    const struct evkv_request *request)
{
	const uint32_t kept = OP_AUXILIARY | OP_BORROWS;
	struct evkv_store *store = child->frames[0].store;
	struct evkv_op *teller = child->next, *next;

	EVKV__ASSERT((child->flags & (OP_CHILD | OP_REPORTING)) ==
		(OP_CHILD | OP_REPORTING) &&
	    ((child->flags & OP_DRIVING) == 0 ||
		(child->flags & OP_DETACHED) != 0) &&
	    child->busy > 0);
	next = child_new(child->parent, store, 0, child->cb.child, child->arg);
	if (next == NULL) {
		child->flags |= OP_LACKING;
		return NULL;
	}
	if (next->parent == NULL)
		next->deadline_us_of = child->deadline_us_of;
	next->flags |= OP_WITHHELD | (child->flags & kept);
	next->busy++;
	child_start(next, store, request);
	next->busy--;
	next->flags &= ~(uint32_t)OP_WITHHELD;
	if ((next->flags & OP_DRIVING) == 0 || (next->flags & OP_DETACHED) != 0)
		answered_add(teller, next);
	return next;
}

void evkv_child_set_deadline(struct evkv_op *child,
    int64_t (*deadline_us)(void *arg))
{
	EVKV__ASSERT((child->flags & OP_CHILD) != 0 && child->parent == NULL);
	child->deadline_us_of = deadline_us;
}

void evkv_child_detach(struct evkv_op *child, enum evkv_status status,
    enum evkv_cause cause)
{
	EVKV__ASSERT((child->flags & OP_CHILD) != 0);
	evkv__op_detach(child, status, cause);
}
