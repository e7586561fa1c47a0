/*
 * retry_wrapper.c - asks again where the inner store refused:
 * docs/writing-a-wrapper.md goes through it.
 *
 * The happy path: a child op with the same request, whose answer is taken over.
 * BUSY, REFUSED and UNAVAILABLE had no effect, so the child is repeated; the
 * last failure goes up as it is. Batches, which may fail in part, are passed
 * on. The core keeps the inputs, and the order of operations on one key.
 */
#include "retry_wrapper.h"

#include "evkv/driver.h"

struct retry_op { /* lives in the op */
	struct evkv_op *op;
	unsigned left;
};

static void retry_answered(struct evkv_op *child, void *arg)
{
	enum evkv_status status = evkv_op_result(child)->status;
	struct retry_op *retry = arg;

	if ((status == EVKV_BUSY || status == EVKV_REFUSED ||
		status == EVKV_UNAVAILABLE) &&
	    retry->left-- > 0) {
		evkv_child_repeat(child, evkv_op_request(retry->op));
		return;
	}
	evkv_op_take_all(retry->op, child);
	evkv_op_complete(retry->op);
}

static enum evkv_verdict retry_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_store *inner = *(struct evkv_store **)self;
	struct retry_op *retry = evkv_op_alloc(op, sizeof(*retry));

	if (retry == NULL)
		return evkv_op_nomem(op);
	if (request->count != 1)
		return evkv_op_forward(op, inner, request);
	*retry = (struct retry_op){ .op = op, .left = RETRY_MOST };
	evkv_child_submit(op, inner, request, EVKV_CHILD_BORROWS,
	    retry_answered, retry);
	return EVKV_VERDICT_PENDING;
}

static const struct evkv_vtable retry_vtable = {
	.size = sizeof(retry_vtable),
	.name = "retry",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS |
	    EVKV_VTABLE_ORDERED,
	.submit = retry_submit,
	.free = evkv_free,
};

struct evkv_store *retry_new(struct evkv_store *inner, struct evkv_error *error)
{
	struct evkv_store **self = evkv_malloc(sizeof(struct evkv_store *));

	if (self != NULL)
		*self = inner;
	return evkv_store_create(NULL, &retry_vtable, self,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    error);
}
