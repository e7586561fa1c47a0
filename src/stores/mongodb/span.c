/*
 * stores/mongodb/span.c - operations that name no keys: to their lane and back.
 */
#include <string.h>

#include "stores/mongodb/store.h"

/* Where the page begins; false: the cursor is not one of ours. */
static bool span_position(const struct evkv_request *request,
    struct evkv_slice *position)
{
	const char *tag;

	*position = EVKV_LIT("");
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_PAGES) == 0 ||
	    request->match.cursor.size == 0)
		return true;
	if (!evkv_cursor_open(request, MONGODB_NAME, position) ||
	    position->size == 0)
		return false;
	tag = position->data;
	/* Only a collection may have no name. */
	return tag[0] == 'i' ||
	    (tag[0] == 'k' &&
		(position->size > 1 || request->kind == EVKV_OP_COLLECTIONS));
}

enum evkv_verdict evkv__mongodb_span_submit(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_slice position;
	struct mongodb_call *call;
	struct mongodb_part *part;

	if (!span_position(request, &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not of this store and query");
	call = evkv__mongodb_call_make(op, 1);
	if (call == NULL)
		return evkv_op_nomem(op);
	part = call->parts;
	evkv__mongodb_part_make(store, call, part);
	part->span = evkv_op_alloc(op, sizeof(*part->span));
	if (part->span == NULL)
		return evkv_op_nomem(op);
	memset(part->span, 0, sizeof(*part->span));
	part->span->position = position;
	evkv__mongodb_part_submit(store, part, mongodb_span_lane(store));
	call->left = 1;
	return EVKV_VERDICT_PENDING;
}

static void answer_page(struct evkv_op *op, const struct mongodb_span *span)
{
	struct evkv_slice name;
	size_t at = 0;

	while (at < span->names_size) {
		memcpy(&name.size, span->names + at, sizeof(name.size));
		at += sizeof(name.size);
		name.data = span->names + at;
		at += name.size;
		if (!evkv_op_add_name(op, name))
			return;
	}
	if (span->next_size > 0)
		evkv_op_set_position(op, MONGODB_NAME,
		    evkv_bytes(span->next, span->next_size));
}

void evkv__mongodb_span_answer(struct mongodb_call *call)
{
	const struct mongodb_part *part = call->parts;
	const struct mongodb_failure *failure = &part->failure;

	if (failure->status != EVKV_OK) {
		evkv_op_fail(call->op, failure->status, failure->cause,
		    failure->message);
		return;
	}
	switch (part->request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS: answer_page(call->op, part->span); break;
	case EVKV_OP_PING: break;
	default: evkv_op_set_affected(call->op, part->span->removed);
	}
}

void evkv__mongodb_span_drop(struct mongodb_call *call)
{
	struct mongodb_span *span = call->parts->span;

	if (span == NULL)
		return;
	evkv_free(span->names);
	evkv_free(span->next);
	span->names = span->next = NULL;
}
