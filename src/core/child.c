/*
 * core/child.c - ops that wrappers issue on their own.
 */
#include "loop/loop.h"

static void child_link(struct evkv_op *child, struct evkv_op *parent)
{
	child->parent = parent;
	parent->children++;
	child->child_link = &parent->child_first;
	child->child_next = parent->child_first;
	if (child->child_next != NULL)
		child->child_next->child_link = &child->child_next;
	parent->child_first = child;
}

/*
 * A child of a stopped parent could have an effect that the parent's waiter was
 * told is none; unless it was told UNKNOWN_OUTCOME. What only tidies up
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
	return evkv__op_enter(child, store, request);
}

static struct evkv_op *child_new(struct evkv_op *parent,
    struct evkv_store *store, uint32_t flags)
{
	struct evkv_op *child = evkv__op_new(store->loop, store->depth);

	if (child == NULL)
		return NULL;
	child->flags |= OP_CHILD;
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

struct evkv_op *evkv_child_submit(struct evkv_op *parent,
    struct evkv_store *store, const struct evkv_request *request,
    uint32_t flags, evkv_child_cb cb, void *arg)
{
	struct evkv_op *child = child_new(parent, store, flags);

	if (child == NULL) {
		cb(NULL, arg);
		return NULL;
	}
	child->cb.child = cb;
	child->arg = arg;
	if (child_enter(child, store, request) == EVKV_VERDICT_PENDING) {
		child->busy++;
		evkv__op_pend(child, request->timeout_ms);
		child->busy--;
		if ((child->flags & OP_REPORTING) != 0)
			return child;
		evkv__op_maybe_free(child);
		return NULL;
	}
	evkv__op_unwind(child);
	evkv__op_report(child);
	return NULL;
}

void evkv_child_detach(struct evkv_op *child, enum evkv_status status,
    enum evkv_cause cause)
{
	EVKV__ASSERT((child->flags & OP_CHILD) != 0);
	evkv__op_detach(child, status, cause);
}
