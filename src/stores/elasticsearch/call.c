/*
 * stores/elasticsearch/call.c - operations on keys, item by item.
 *
 * Happy path: what needs no look is written at once (put, IF_ABSENT), and what
 * is only read is looked up. Everything else looks first and writes what
 * depends on what was found: the write names the document's sequence number,
 * and where that has changed meanwhile (409) the item looks again, at most
 * ES_ROUNDS times. So a document that has expired is absent for every kind,
 * though the server still has it.
 *
 * The core begins operations on one key in order (EVKV_VTABLE_ORDERED); a key
 * that stands twice in an operation begins when the one before it has ended.
 */
#include "base/request.h"
#include "base/siphash.h"
#include "stores/elasticsearch/store.h"

#include <stdio.h>

/* ---- Ending -------------------------------------------------------------- */

static void call_let_go(struct es_call *call)
{
	if (--call->left == 0)
		evkv_op_complete(call->op);
}

static void item_begin(struct es_item *item);

/* What has not begun when its operation ends for its waiter never does. */
static bool item_may_begin(const struct es_item *item)
{
	return !item->call->stopped && !item->call->store->closed;
}

/* The entry has its status; the call may be gone then. */
static void item_over(struct es_item *item)
{
	struct es_item *then;
	struct es_call *call = item->call;

	for (; item != NULL; item = then) {
		then = item->then;
		evkv_value_unref(item->value);
		item->value = NULL;
		item->then = NULL;
		if (then != NULL && item_may_begin(then)) {
			item_begin(then);
			then = NULL;
		} else if (then != NULL) {
			evkv_op_entry(call->op, then->index)
			    ->status = EVKV_CANCELED;
		}
		call_let_go(call);
	}
}

static void item_ends(struct es_item *item, enum evkv_status status)
{
	evkv_op_entry(item->call->op, item->index)->status = status;
	item_over(item);
}

void evkv__es_item_failed(struct es_item *item,
    const struct es_failure *failure)
{
	evkv_op_explain(item->call->op, failure->cause, failure->sys_error,
	    failure->message);
	item_ends(item, failure->status);
}

static void item_fails(struct es_item *item, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	struct es_failure failure;

	evkv__es_failure_set(&failure, status, cause, message);
	evkv__es_item_failed(item, &failure);
}

/* ---- Steps --------------------------------------------------------------- */

/* A step after the first: the waiter may have gone. */
static void item_next(struct es_item *item, enum es_action action)
{
	if (item->call->stopped)
		item_fails(item, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
		    "canceled between two steps");
	else if (item->call->store->closed)
		item_fails(item, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
		    "the store is closed");
	else
		evkv__es_item_queue(item, action);
}

static bool kind_needs_value(const struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);

	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_INCR:
	case EVKV_OP_TAKE: return true;
	/* An object is written again as it was. */
	case EVKV_OP_TOUCH: return es_json(item->call->store);
	default: return false;
	}
}

static enum es_action item_look(const struct es_item *item)
{
	return kind_needs_value(item) ? ES_LOOK_WHOLE : ES_LOOK;
}

static void item_begin(struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	enum es_action action = item_look(item);

	if (request->kind == EVKV_OP_PUT && request->condition == EVKV_IF_ANY)
		action = ES_INDEX;
	else if (request->kind == EVKV_OP_PUT &&
	    request->condition == EVKV_IF_ABSENT)
		action = ES_CREATE;
	item_next(item, action);
}

static void item_look_again(struct es_item *item)
{
	if (++item->rounds > ES_ROUNDS) {
		item_fails(item, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "others change the entry all the time");
		return;
	}
	evkv_value_unref(item->value);
	item->value = NULL;
	item_next(item, item_look(item));
}

/* ---- What was found ------------------------------------------------------ */

static struct evkv_version record_version(const struct es_record *record)
{
	return evkv_version_counted((uint64_t)record->primary_term,
	    (uint64_t)record->seq_no);
}

static int64_t item_now_ms(const struct es_item *item)
{
	return evkv_loop_wall_ms(item->call->store->loop);
}

/* Write depending on what was found. */
static void item_write(struct es_item *item, const struct es_record *record,
    enum es_action action)
{
	item->seq_no = record->found ? record->seq_no : -1;
	item->primary_term = record->found ? record->primary_term : -1;
	item_next(item, action);
}

static void item_take_value(struct es_item *item, struct es_record *record)
{
	evkv_value_unref(item->value);
	item->value = record->value;
	record->value = NULL;
}

static void item_answer_read(struct es_item *item, struct es_record *record)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct evkv_op *op = item->call->op;
	struct evkv_entry *entry = evkv_op_entry(op, item->index);
	int64_t left_ms;

	if (request->kind != EVKV_OP_EXISTS) {
		evkv_op_give_value(op, item->index, record->value);
		record->value = NULL;
	}
	if (request->kind == EVKV_OP_TTL) {
		left_ms = record->expires_ms - item_now_ms(item);
		entry->ttl_ms = record->expires_ms == INT64_MAX ? EVKV_TTL_NONE
		    : left_ms < 1                               ? 1
		    : left_ms > EVKV_TTL_MAX                    ? EVKV_TTL_MAX
								: left_ms;
	}
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		entry->version = record_version(record);
	item_ends(item, EVKV_OK);
}

static void item_incr(struct es_item *item, struct es_record *record,
    bool there)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct evkv_slice old = evkv_value_bytes(record->value);
	char text[EVKV_NUMBER_MAX];

	if (evkv_incr_apply(request, item->index, there ? &old : NULL,
		&item->number) != EVKV_OK) {
		item_fails(item, EVKV_INVALID, EVKV_CAUSE_NONE,
		    EVKV_INCR_REFUSED);
		return;
	}
	evkv_value_unref(item->value);
	item->value = evkv_value_new(evkv_number_write(item->number, text));
	if (item->value == NULL) {
		item_fails(item, EVKV_NOMEM, EVKV_CAUSE_NOMEM, "out of memory");
		return;
	}
	item->expires_ms = there ? record->expires_ms : 0;
	item_write(item, record, record->found ? ES_INDEX : ES_CREATE);
}

/* PUT, DELETE, TOUCH and TAKE, where their condition holds. */
static void item_change(struct es_item *item, struct es_record *record,
    bool there)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct evkv_version version = record_version(record);
	enum evkv_status status = evkv_condition_check(request, item->index,
	    there ? &version : NULL);

	if (status == EVKV_OK && !there && request->kind != EVKV_OP_PUT)
		status = EVKV_NOT_FOUND;
	if (status != EVKV_OK) {
		item_ends(item, status);
		return;
	}
	if (request->kind == EVKV_OP_PUT) {
		item_write(item, record, record->found ? ES_INDEX : ES_CREATE);
	} else if (request->kind == EVKV_OP_TOUCH) {
		item_take_value(item, record);
		item_write(item, record,
		    item->value != NULL ? ES_INDEX : ES_UPDATE);
	} else {
		item_take_value(item, record);
		item_write(item, record, ES_DELETE);
	}
}

void evkv__es_item_found(struct es_item *item, struct es_record *record)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	bool there = record->found && record->expires_ms > item_now_ms(item);

	if (record->found &&
	    (record->damaged ||
		(item->action == ES_LOOK_WHOLE && !record->has_value))) {
		item_fails(item, EVKV_CORRUPT, EVKV_CAUSE_NONE,
		    "the document is not one that this store has written");
		return;
	}
	if (record->found && !evkv__es_item_owns(item, record)) {
		item_fails(item, EVKV_CORRUPT, EVKV_CAUSE_NONE,
		    "another entry's document has this entry's _id");
		return;
	}
	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_EXISTS:
		if (there)
			item_answer_read(item, record);
		else
			item_ends(item, EVKV_NOT_FOUND);
		break;
	case EVKV_OP_INCR: item_incr(item, record, there); break;
	default: item_change(item, record, there); break;
	}
}

/* ---- What was written ---------------------------------------------------- */

static void item_answer_write(struct es_item *item,
    const struct es_record *record)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct evkv_op *op = item->call->op;
	struct evkv_entry *entry = evkv_op_entry(op, item->index);

	if (request->kind == EVKV_OP_INCR)
		entry->number = item->number;
	if (request->kind == EVKV_OP_TAKE) {
		evkv_op_give_value(op, item->index, item->value);
		item->value = NULL;
	}
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		entry->version = record_version(record);
	item_ends(item, EVKV_OK);
}

void evkv__es_item_written(struct es_item *item, const struct es_record *record)
{
	if (record->status >= 200 && record->status <= 299)
		item_answer_write(item, record);
	else
		item_look_again(item);
}

/* ---- Submitting ---------------------------------------------------------- */

/* The value of every key, where values are objects. */
static const char *call_values_wrong(const struct es_store *store,
    const struct evkv_request *request)
{
	const char *why;

	if (!es_json(store) || request->kind != EVKV_OP_PUT)
		return NULL;
	for (size_t i = 0; i < request->count; i++) {
		if (!evkv__es_json_check(request_value(request, i), &why))
			return why;
	}
	return NULL;
}

/*
 * Chain the items of keys that stand more than once: the first of each begins.
 * A table of the last item of each key, by its hash.
 */
static bool call_chain(struct es_call *call, const struct evkv_request *request)
{
	size_t room = 4, at;
	uint64_t seed = evkv_loop_random(call->store->loop);
	struct es_item **table, *item;

	while (room < request->count * 2)
		room *= 2;
	table = evkv_calloc(room, sizeof(struct es_item *));
	if (table == NULL)
		return false;
	for (size_t i = 0; i < request->count; i++) {
		item = &call->items[i];
		at = (size_t)siphash_1_3(seed, ~seed, request->keys[i]) &
		    (room - 1);
		while (table[at] != NULL &&
		    !evkv_slice_equal(request->keys[table[at]->index],
			request->keys[i]))
			at = (at + 1) & (room - 1);
		if (table[at] != NULL) {
			table[at]->then = item;
			item->place = ES_DELAYED; /* not a first one: below */
		}
		table[at] = item;
	}
	evkv_free(table);
	return true;
}

static struct es_call *call_new(struct es_store *store, struct evkv_op *op,
    const struct evkv_request *request)
{
	size_t size = sizeof(struct es_call) +
	    request->count * sizeof(struct es_item);
	struct es_call *call = evkv_op_alloc(op, size);

	if (call == NULL)
		return NULL;
	memset(call, 0, size);
	call->op = op;
	call->store = store;
	call->left = request->count;
	for (size_t i = 0; i < request->count; i++) {
		call->items[i].call = call;
		call->items[i].index = i;
		call->items[i].seq_no = call->items[i].primary_term = -1;
	}
	if (request->count > 1 &&
	    (evkv_kind_classes(request->kind) & EVKV_CLASS_WRITES) != 0 &&
	    !call_chain(call, request))
		return NULL;
	return call;
}

enum evkv_verdict evkv__es_call_submit(struct es_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	const char *wrong = call_values_wrong(store, request);
	struct es_call *call;
	size_t count = request->count;

	if (wrong != NULL)
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE, wrong);
	if (count == 0)
		return EVKV_VERDICT_DONE;
	call = call_new(store, op, request);
	if (call == NULL)
		return evkv_op_nomem(op);
	evkv_op_set_data(op, call);
	for (size_t i = 0; i < count; i++) {
		bool later = call->items[i].place == ES_DELAYED;

		call->items[i].place = ES_NOWHERE;
		if (!later)
			item_begin(&call->items[i]);
	}
	return EVKV_VERDICT_PENDING;
}

void evkv__es_call_stop(struct es_call *call)
{
	const struct evkv_request *request = evkv_op_request(call->op);
	size_t count = request->count;

	call->stopped = true;
	call->left++;
	for (size_t i = 0; i < count; i++) {
		if (evkv__es_item_leave(&call->items[i]))
			item_fails(&call->items[i], EVKV_CANCELED,
			    EVKV_CAUSE_CANCELED, "canceled before it was sent");
	}
	call_let_go(call);
}
