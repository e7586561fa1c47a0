/*
 * core/flow.c - the way of an op: down the levels, and up again.
 */
#include "base/request.h"
#include "core/core.h"

static OP_NOINLINE size_t batch_bytes(const struct evkv_request *request)
{
	return request_bytes(request);
}

/* Bytes of keys and values, for max_pending_bytes. */
static inline size_t pending_bytes(const struct evkv_request *request)
{
	if (request->count == 1)
		return request->keys->size + request_value(request, 0).size;
	return batch_bytes(request);
}

/* A store that takes less than the API does: false, and the op has failed. */
static bool fits(struct evkv_op *op, const struct evkv_store *store,
    const struct evkv_request *request)
{
	const struct evkv_capabilities *can = &store->capabilities;
	size_t i;

	if ((op->flags & OP_KEYED) == 0)
		return true;
	for (i = 0; i < request->count; i++) {
		if (request->keys[i].size <= can->max_key)
			continue;
		evkv_op_failf(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "keys[%zu] has %zu bytes; %s takes at most %zu", i,
		    request->keys[i].size, store->vtable->name, can->max_key);
		return false;
	}
	if (request->kind != EVKV_OP_PUT)
		return true;
	for (i = 0; i < request->count; i++) {
		if (request_value(request, i).size <= can->max_value)
			continue;
		evkv_op_failf(op, EVKV_TOO_LARGE, EVKV_CAUSE_NONE,
		    "values[%zu] has %zu bytes; %s takes at most %zu", i,
		    request_value(request, i).size, store->vtable->name,
		    can->max_value);
		return false;
	}
	return true;
}

/* Whether the store takes a request's kind, flags and condition. */
static inline bool takes(const struct evkv_store *store,
    const struct evkv_request *request)
{
	return (store->capabilities.kinds & EVKV_KIND_BIT(request->kind)) !=
	    0 &&
	    (request->flags & ~store->request_flags) == 0 &&
	    (request->condition == EVKV_IF_ANY ||
		evkv_store_can(store, request->kind, request->condition));
}

static void refuse_kind(struct evkv_op *op, const struct evkv_store *store,
    const struct evkv_request *request)
{
	static const char *const conditions[] = { "", "IF_ABSENT", "IF_PRESENT",
		"IF_VERSION" };

	if ((store->capabilities.kinds & EVKV_KIND_BIT(request->kind)) == 0)
		evkv_op_unsupported(op);
	else if ((request->flags & ~store->request_flags) != 0)
		evkv_op_failf(op, EVKV_UNSUPPORTED, EVKV_CAUSE_NONE,
		    (request->flags & EVKV_FLAG_CACHED_ONLY) != 0
			? "%s has no cache"
			: "%s cannot tell the versions of entries",
		    store->vtable->name);
	else
		evkv_op_failf(op, EVKV_UNSUPPORTED, EVKV_CAUSE_NONE,
		    "%s cannot do %s with the condition %s",
		    store->vtable->name, evkv_kind_name(request->kind),
		    conditions[request->condition]);
}

static bool refuse(struct evkv_op *op, const struct evkv_store *store,
    const struct evkv_request *request, size_t entries, size_t bytes)
{
	if (store->loop->forked)
		evkv_op_fail(op, EVKV_CLOSED, EVKV_CAUSE_FORK,
		    evkv_cause_text(EVKV_CAUSE_FORK));
	else if (store->phase != STORE_OPEN)
		evkv_op_fail(op, EVKV_CLOSED, EVKV_CAUSE_CLOSED, NULL);
	else if (!takes(store, request))
		refuse_kind(op, store, request);
	else if (store->pending + entries > store->max_pending)
		evkv_op_failf(op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "%zu entries are pending at %s; %zu more are over its "
		    "max_pending of %zu",
		    store->pending, store->vtable->name, entries,
		    store->max_pending);
	else
		evkv_op_failf(op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "%zu bytes are pending at %s; %zu more are over its "
		    "max_pending_bytes of %zu",
		    store->pending_bytes, store->vtable->name, bytes,
		    store->max_pending_bytes);
	return false;
}

static bool admit(struct evkv_op *op, struct evkv_store *store,
    const struct evkv_request *request, struct evkv_frame *frame)
{
	size_t entries = (op->flags & OP_KEYED) != 0 ? request->count : 1;
	size_t bytes = pending_bytes(request);

	if (!evkv__store_has_room(store, entries, bytes) ||
	    !takes(store, request))
		return refuse(op, store, request, entries, bytes);
	if (bytes > store->fitting && !fits(op, store, request))
		return false;
	frame->entries = (uint32_t)entries;
	frame->bytes = bytes;
	store->pending += entries;
	store->pending_bytes += bytes;
	return true;
}

#define SERVICES (EVKV_VTABLE_KEEPS | EVKV_VTABLE_ORDERED)

/* A store that has asked for the core's services. */
static OP_NOINLINE enum evkv_verdict enter_served(struct evkv_op *op,
    struct evkv_store *store, const struct evkv_request *request)
{
	uint32_t flags = store->vtable->flags;

	if ((flags & EVKV_VTABLE_KEEPS) != 0) {
		if (!evkv_op_keep(op))
			return evkv_op_nomem(op);
		request = evkv__op_top(op)->request;
	}
	if ((flags & EVKV_VTABLE_ORDERED) != 0 && (op->flags & OP_KEYED) != 0)
		return evkv__order_enter(op, store, request);
	return store->vtable->submit(store->self, op, request);
}

enum evkv_verdict evkv__op_enter(struct evkv_op *op, struct evkv_store *store,
    const struct evkv_request *request)
{
	struct evkv_frame *frame = &op->frames[op->depth];

	EVKV__ASSERT(op->depth < op->frames_size);
	op->depth++;
	frame->store = store;
	frame->request = request;
	frame->data = NULL;
	frame->entries = 0;
	frame->bytes = 0;
	frame->linked = false;
	if (!admit(op, store, request, frame))
		return EVKV_VERDICT_DONE;
	if ((op->flags & OP_KEYED) != 0 && request->count == 0)
		return EVKV_VERDICT_DONE;
	if ((store->vtable->flags & SERVICES) != 0)
		return enter_served(op, store, request);
	return store->vtable->submit(store->self, op, request);
}

enum evkv_verdict evkv_op_forward(struct evkv_op *op, struct evkv_store *inner,
    const struct evkv_request *request)
{
	/* One that had to wait, and was stopped as its turn came. */
	if ((op->flags & OP_STOPPED) != 0)
		return evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
		    NULL);
	return evkv__op_enter(op, inner, evkv__op_as_kept(op, request));
}

static inline void frame_unlink(struct evkv_frame *frame)
{
	if (!frame->linked)
		return;
	LIST_REMOVE(frame, link);
	frame->linked = false;
}

static inline void frame_leave(struct evkv_op *op, struct evkv_frame *frame)
{
	struct evkv_store *store = frame->store;

	frame_unlink(frame);
	store->pending -= frame->entries;
	store->pending_bytes -= frame->bytes;
	if ((op->flags & OP_DETACHED) != 0)
		store->abandoned--;
	if (store->phase != STORE_OPEN)
		evkv__store_left(store);
}

/* evkv__op_settle(), with a short way for one key that has not failed. */
static inline void settle(struct evkv_op *op)
{
	enum evkv_status status;

	if ((op->flags & (OP_SINGLE | OP_FAILED | OP_AFFECTED)) != OP_SINGLE ||
	    evkv_failed(evkv__op_entries(op)->status)) {
		evkv__op_settle(op);
		return;
	}
	status = evkv__op_entries(op)->status;
	op->result.status = status;
	if ((op->flags & OP_WRITES) != 0)
		op->result.affected = status == EVKV_OK;
}

/* The bottom has answered: up through the levels, without recursion. */
void evkv__op_unwind(struct evkv_op *op)
{
	bool seen = (op->flags & OP_DETACHED) == 0;
	struct evkv_frame *frame;

	if (seen)
		settle(op);
	while (op->depth > 1) {
		if ((op->flags & OP_ORDERED) != 0)
			evkv__order_leave(op);
		frame = evkv__op_top(op);
		op->depth--;
		frame_leave(op, frame);
		frame = evkv__op_top(op);
		if (seen && frame->store->vtable->complete != NULL)
			frame->store->vtable->complete(frame->store->self, op);
	}
	if (op->depth == 1) {
		if ((op->flags & OP_ORDERED) != 0)
			evkv__order_leave(op);
		op->depth = 0;
		frame_leave(op, &op->frames[0]);
	}
}

void evkv__op_link(struct evkv_op *op, unsigned depth)
{
	struct evkv_frame *frame;
	unsigned i;

	for (i = depth; i < op->depth; i++) {
		frame = &op->frames[i];
		frame->op = op;
		frame->linked = true;
		LIST_INSERT_HEAD(&frame->store->frames, frame, link);
	}
}

/* The inputs are the caller's again: they are gone where not kept. */
static void drop_requests(struct evkv_op *op)
{
	unsigned end = (op->flags & OP_KEPT) != 0 ? op->kept_depth : op->depth;
	unsigned i;

	for (i = 0; i < end; i++)
		op->frames[i].request = NULL;
}

/* Count the op as outstanding, and let each level know where to find it. */
void evkv__op_pend(struct evkv_op *op, int64_t timeout_ms)
{
	op->flags |= OP_DRIVING | OP_PENDING;
	if (op->loop->outstanding++ == 0)
		evkv__hold_update(op->loop);
	drop_requests(op);
	evkv__op_link(op, 0);
	if ((op->flags & OP_UNORDERED) != 0 ||
	    (timeout_ms > 0 && !evkv__op_time(op, timeout_ms)))
		evkv__op_detach(op, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
}

/* Hand over the result: to a wrapper now, to a user in a later turn. */
void evkv__op_report(struct evkv_op *op)
{
	if ((op->flags & OP_CHILD) != 0)
		evkv__child_report(op);
	else
		evkv__ready_push(op->loop, &op->ready);
}

static void op_ended(struct evkv_op *op)
{
	op->flags &= ~(uint32_t)(OP_DRIVING | OP_PENDING);
	op->loop->outstanding--;
	if (op->loop->outstanding == 0)
		evkv__hold_update(op->loop);
}

/*
 * Inside submit, and inside stop, the answer is only recorded: code on the
 * stack may still use the op.
 */
void evkv_op_complete(struct evkv_op *op)
{
	struct evkv_loop *loop = op->loop;

	EVKV__ASSERT(op->depth > 0); /* once only */
	evkv__loop_check_thread(loop);
	if ((op->flags & OP_DRIVING) == 0 ||
	    (op->flags & (OP_STOPPING | OP_BEGINNING)) != 0) {
		op->flags |= OP_ENDED;
		return;
	}
	if ((op->flags & OP_TIMED) != 0)
		evkv__op_untime(op);
	/* From here on it is not stopped: no level of it holds it any more. */
	op->flags &= ~(uint32_t)OP_ENDED;
	op_ended(op);
	op->busy++;
	evkv__op_unwind(op);
	op->busy--;
	if ((op->flags & OP_DETACHED) != 0)
		evkv__op_maybe_free(op);
	else
		evkv__op_report(op);
	evkv__order_go_on(loop);
}
