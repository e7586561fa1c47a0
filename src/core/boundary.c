/*
 * core/boundary.c - where users' calls come in: checks, the op, and short ways
 * for the commonest requests.
 */
#include "core/quick.h"

/* Overwrite what a store might still be looking at, to find it out early. */
static void scratch_spoil(struct evkv_request *scratch, size_t size)
{
	memset(scratch, 0xa5, size);
	evkv_free(scratch);
}

/* Unwound while the inputs are still there for the wrappers to see. */
static enum evkv_verdict enter_unwound(struct evkv_op *op,
    struct evkv_store *store, const struct evkv_request *request)
{
	enum evkv_verdict verdict = evkv__op_enter(op, store, request);

	if (!evkv__op_is_done(op, verdict))
		return EVKV_VERDICT_PENDING;
	evkv__op_unwind(op);
	return EVKV_VERDICT_DONE;
}

/* As enter_unwound(), with inputs that do not survive the call. */
static enum evkv_verdict enter_scrambled(struct evkv_op *op,
    struct evkv_store *store, const struct evkv_request *request)
{
	size_t size = evkv__request_copy_size(request);
	struct evkv_request *scratch = evkv_malloc(size);
	enum evkv_verdict verdict;

	if (scratch == NULL)
		return evkv_op_nomem(op);
	verdict = enter_unwound(op, store,
	    evkv__request_copy(scratch, request));
	scratch_spoil(scratch, size);
	return verdict;
}

/*
 * Whether a request is of the commonest sort, one key that is read, written or
 * deleted, and has nothing wrong about it; all others take the long way.
 */
static inline bool check_quick(const struct evkv_request *request,
    uint32_t classes)
{
	const uint32_t plain = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;

	if ((classes & EVKV_CLASS_HAS_KEYS) == 0 ||
	    (request->flags & ~plain) != 0 ||
	    !quick_has_key(request, EVKV_KEY_MAX) ||
	    request->collection.size > EVKV_COLLECTION_MAX)
		return false;
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0)
		return quick_is_plain_put(request);
	return quick_is_plain(request);
}

static enum evkv_verdict boundary(struct evkv_op *op, struct evkv_store *store,
    const struct evkv_request *request)
{
	const uint32_t flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	uint32_t classes = evkv__kind_classes(request->kind);

	op->result.kind = request->kind;
	op->flags |= (classes & (OP_WRITES | OP_KEYED)) |
	    ((request->flags & flags) << OP_REQUEST_SHIFT);
	if ((op->flags & (OP_SINGLE | OP_KEYED)) == (OP_SINGLE | OP_KEYED))
		evkv__op_make_entries(op, 1);
	if (!check_quick(request, classes)) {
		if (!evkv__request_check(op, request))
			return EVKV_VERDICT_DONE;
		if (request->trace != NULL)
			evkv_op_set_trace(op, request->trace);
	}
	if ((op->flags & (OP_SINGLE | OP_KEYED)) == OP_KEYED &&
	    !evkv__op_make_entries(op, request->count))
		return evkv_op_nomem(op);
	if (request->ttl_ms != 0 || request->ttls_ms != NULL)
		evkv__loop_catch_up(op->loop);
	if (op->loop->scramble)
		return enter_scrambled(op, store, request);
	return enter_unwound(op, store, request);
}

static void run_inline(struct evkv_op *op)
{
	struct core *core = evkv__core(op->loop);

	core->peek++;
	if (op->cb.root != NULL)
		op->cb.root(&op->result, op->arg);
	core->peek--;
	op->flags &= ~(uint32_t)OP_REPORTING;
	evkv__op_maybe_free(op);
}

static int64_t deadline_of(const struct evkv_store *store,
    const struct evkv_request *request)
{
	return request->timeout_ms != 0 ? request->timeout_ms
					: store->timeout_ms;
}

evkv_ticket evkv__submit_op(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	struct evkv_op *op = evkv__op_new(store->loop, store->depth);
	int64_t timeout_ms;
	evkv_ticket ticket;

	if (op == NULL)
		return evkv_submit_nomem(store, request, cb, arg);
	op->cb.root = cb;
	op->arg = arg;
	ticket = evkv__op_ticket(op);
	timeout_ms = deadline_of(store, request);
	if (boundary(op, store, request) == EVKV_VERDICT_PENDING) {
		evkv__op_pend(op, timeout_ms);
		return ticket;
	}
	if ((op->flags & OP_INLINE) != 0 &&
	    evkv__core_may_nest(evkv__core(op->loop)))
		run_inline(op);
	else
		evkv__ready_push(op->loop, &op->ready);
	evkv__order_go_on(store->loop);
	return ticket;
}

/* ---- Without an op ----------------------------------------------------- */

static const struct evkv_entry miss_entry = { .status = EVKV_NOT_FOUND };
static const struct evkv_result miss_result = {
	.status = EVKV_NOT_FOUND,
	.kind = EVKV_OP_GET,
	.message = "",
	.count = 1,
	.entries = &miss_entry,
	.entry_size = sizeof(struct evkv_entry),
};

static const struct evkv_entry put_entry = { .status = EVKV_OK };
const struct evkv_result evkv__put_result = {
	.status = EVKV_OK,
	.kind = EVKV_OP_PUT,
	.message = "",
	.count = 1,
	.entries = &put_entry,
	.entry_size = sizeof(put_entry),
	.affected = 1,
};

void evkv__peeks_init(struct core *core)
{
	size_t i;

	core->peek = core->peeks;
	for (i = 0; i < CORE_INLINE_MAX; i++) {
		core->peeks[i].result = miss_result;
		core->peeks[i].result.status = EVKV_OK;
		core->peeks[i].result.entries = &core->peeks[i].entry;
		core->peeks[i].entry.status = EVKV_OK;
	}
}

/* As evkv_store_peek(), with inputs that do not survive the call. */
static OP_NOINLINE enum evkv_peek peek_scrambled(struct evkv_store *store,
    const struct evkv_request *request, struct evkv_value **value)
{
	size_t size = evkv__request_copy_size(request);
	struct evkv_request *scratch = evkv_malloc(size);
	enum evkv_peek answer;

	if (scratch == NULL)
		return EVKV_PEEK_DECLINE;
	answer = evkv_store_peek(store, evkv__request_copy(scratch, request),
	    value);
	scratch_spoil(scratch, size);
	return answer;
}

/*
 * An inline get of one key whose store answers from memory needs no op. What is
 * not of that sort takes the ordinary way, which also says what is wrong.
 */
evkv_ticket evkv__submit_get(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	struct core *core = evkv__core(store->loop);
	struct evkv_value *value;
	enum evkv_peek answer;

	if (!quick_is_get(request, EVKV_KEY_MAX) ||
	    request->collection.size > EVKV_COLLECTION_MAX ||
	    !evkv__core_may_nest(core))
		return evkv__submit_op(store, request, cb, arg);
	answer = store->loop->scramble
	    ? peek_scrambled(store, request, &value)
	    : evkv__store_peek(store, request, &value);
	switch (answer) {
	case EVKV_PEEK_HIT: return quick_hit(core, value, cb, arg);
	case EVKV_PEEK_MISS: return quick_tell(core, &miss_result, cb, arg);
	default: return evkv__submit_op(store, request, cb, arg);
	}
}

/* ---- The public side --------------------------------------------------- */

static evkv_ticket submit_invalid(struct evkv_store *store, evkv_cb cb,
    void *arg, const char *message)
{
	struct evkv_op *op = evkv__op_new(store->loop, 1);

	if (op == NULL)
		return evkv__lack(store->loop, EVKV_KIND_COUNT, false, cb, arg);
	op->cb.root = cb;
	op->arg = arg;
	op->result.kind = EVKV_KIND_COUNT;
	evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE, message);
	evkv__ready_push(op->loop, &op->ready);
	return evkv__op_ticket(op);
}

evkv_ticket evkv_submit_refused(struct evkv_store *store,
    const struct evkv_request *request, const char *message, evkv_cb cb,
    void *arg)
{
	struct evkv_op *op;

	if (store == NULL || store->loop == NULL)
		return 0;
	evkv__loop_check_thread(store->loop);
	evkv__loop_check_fork(store->loop);
	op = evkv__op_new(store->loop, 1);
	if (op == NULL)
		return evkv_submit_nomem(store, request, cb, arg);
	op->cb.root = cb;
	op->arg = arg;
	op->result.kind = request->kind;
	if ((request->flags & EVKV_FLAG_SINGLE) != 0) {
		op->flags |= OP_KEYED | OP_SINGLE;
		evkv__op_make_entries(op, 1);
	}
	evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE, message);
	evkv__ready_push(op->loop, &op->ready);
	return evkv__op_ticket(op);
}

/* All that is not the commonest; and none, or one of another version. */
static OP_NOINLINE evkv_ticket submit_odd(struct evkv_store *store,
    const struct evkv_request *request, size_t size, evkv_cb cb, void *arg)
{
	struct evkv_request ours;

	if (store == NULL || store->loop == NULL)
		return 0;
	evkv__loop_check_thread(store->loop);
	evkv__loop_check_fork(store->loop);
	if (request == NULL)
		return submit_invalid(store, cb, arg, "request is NULL");
	if (size == sizeof(*request))
		return evkv__submit_op(store, request, cb, arg);
	if (!evkv_options_read(&ours, sizeof(ours), request, size, NULL))
		return submit_invalid(store, cb, arg,
		    "request uses fields that this library does not know");
	return evkv__submit_op(store, &ours, cb, arg);
}

evkv_ticket evkv_submit_sized(struct evkv_store *store,
    const struct evkv_request *request, size_t size, evkv_cb cb, void *arg)
{
	if (store == NULL || request == NULL || size != sizeof(*request) ||
	    store->forks != evkv__forks)
		return submit_odd(store, request, size, cb, arg);
	evkv__loop_check_thread(store->loop);
	if (request->kind == EVKV_OP_GET)
		return store->get(store, request, cb, arg);
	if (request->kind == EVKV_OP_PUT)
		return store->put(store, request, cb, arg);
	return evkv__submit_op(store, request, cb, arg);
}

void evkv_cancel(struct evkv_loop *loop, evkv_ticket ticket)
{
	struct evkv_op *op;

	evkv__loop_check_thread(loop);
	op = evkv__op_find(loop, ticket);
	if (op != NULL && (op->flags & (OP_CHILD | OP_ADMIN)) == 0)
		evkv__op_detach(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED);
}
