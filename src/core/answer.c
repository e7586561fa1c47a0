/*
 * core/answer.c - what drivers and wrappers write into an op.
 *
 * After a detach the report has a copy of its own, so writing here goes on
 * harmlessly; nobody will read it.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/core.h"

bool evkv__op_make_batch(struct evkv_op *op, size_t count)
{
	size_t size = count * sizeof(struct evkv_entry);
	struct evkv_entry *entries = evkv_op_alloc(op, size);

	if (entries == NULL)
		return false;
	memset(entries, 0, size);
	op->result.entries = entries;
	op->result.count = count;
	return true;
}

struct evkv_entry *evkv_op_entry(struct evkv_op *op, size_t i)
{
	EVKV__ASSERT(i < op->result.count);
	return &evkv__op_entries(op)[i];
}

size_t evkv_op_entry_count(const struct evkv_op *op)
{
	return op->result.count;
}

static inline void entry_drop(struct evkv_op *op, struct evkv_entry *entry)
{
	struct evkv_value *value = entry->value;

	if (value == NULL)
		return;
	entry->value = NULL;
	entry->bytes = evkv_bytes(NULL, 0);
	if ((entry->reserved & ENTRY_PINNED) != 0)
		evkv__value_unpin(value);
	else
		evkv__value_unref_spare(&evkv__core(op->loop)->spares, value);
}

void evkv__op_drop_values(struct evkv_op *op)
{
	struct evkv_entry *entry = evkv__op_entries(op);
	const struct evkv_entry *end = entry + op->result.count;

	for (; entry < end; entry++)
		entry_drop(op, entry);
	op->flags &= ~(uint32_t)OP_VALUES;
}

static inline void set_value(struct evkv_op *op, size_t i,
    struct evkv_value *value, uint16_t how)
{
	struct evkv_entry *entry = &evkv__op_entries(op)[i];

	EVKV__ASSERT(i < op->result.count);
	entry_drop(op, entry);
	entry->status = EVKV_OK;
	entry->reserved = how;
	entry->value = value;
	entry->bytes = evkv_bytes(evkv__value_data(value), value->size);
	op->flags |= OP_VALUES;
}

void evkv_op_give_value(struct evkv_op *op, size_t i, struct evkv_value *value)
{
	if (value != NULL)
		set_value(op, i, value, 0);
	else
		entry_drop(op, &evkv__op_entries(op)[i]);
}

void evkv__op_pin_value(struct evkv_op *op, size_t i, struct evkv_value *value)
{
	evkv__value_pin(value);
	set_value(op, i, value, ENTRY_PINNED);
}

bool evkv_op_copy_value(struct evkv_op *op, size_t i, struct evkv_slice bytes)
{
	struct evkv_loop *loop = op->loop;
	struct evkv_value *value;

	/* A value that is used too late is found out if it was freed. */
	value = loop->scramble
	    ? evkv_value_new(bytes)
	    : evkv__value_new_spare(&evkv__core(loop)->spares, bytes);
	if (value == NULL)
		return false;
	evkv_op_give_value(op, i, value);
	return true;
}

static bool names_grow(struct evkv_op *op)
{
	size_t size = op->names_size == 0 ? OP_NAMES_FIRST : op->names_size * 2;
	struct evkv_entry *entries;

	entries = evkv_op_alloc(op, size * sizeof(struct evkv_entry));
	if (entries == NULL)
		return false;
	if (op->result.count > 0)
		memcpy(entries, op->result.entries,
		    op->result.count * sizeof(struct evkv_entry));
	op->result.entries = entries;
	op->names_size = size;
	op->flags |= OP_UNCLEAN;
	return true;
}

bool evkv_op_add_name(struct evkv_op *op, struct evkv_slice name)
{
	struct evkv_entry *entry;
	struct evkv_slice copy;

	if ((op->result.count == op->names_size && !names_grow(op)) ||
	    !evkv_op_copy(op, name, &copy)) {
		evkv_op_nomem(op);
		return false;
	}
	entry = &evkv__op_entries(op)[op->result.count++];
	memset(entry, 0, sizeof(*entry));
	entry->name = copy;
	return true;
}

void evkv_op_keep_names(struct evkv_op *op, size_t count)
{
	EVKV__ASSERT(count <= op->result.count);
	op->result.count = count;
}

bool evkv_op_set_cursor(struct evkv_op *op, struct evkv_slice cursor)
{
	if (evkv_op_copy(op, cursor, &op->result.cursor))
		return true;
	evkv_op_nomem(op);
	return false;
}

void evkv_op_set_affected(struct evkv_op *op, int64_t affected)
{
	op->result.affected = affected;
	op->flags |= OP_AFFECTED;
}

void evkv_op_explain(struct evkv_op *op, enum evkv_cause cause, int sys_error,
    const char *message)
{
	struct evkv_result *result = &op->result;
	size_t size;
	char *words;

	if (result->cause == EVKV_CAUSE_NONE)
		result->cause = cause;
	if (result->sys_error == 0)
		result->sys_error = sys_error;
	if (result->message[0] != '\0' || message == NULL || message[0] == '\0')
		return;
	/* Without memory for the message there is only the status. */
	size = strlen(message) + 1;
	words = evkv_op_alloc(op, size);
	if (words == NULL)
		return;
	memcpy(words, message, size);
	evkv__one_line(words);
	result->message = words;
}

/* Out of memory is a cause of its own, also where it is not given. */
static enum evkv_cause cause_of(enum evkv_status status, enum evkv_cause cause)
{
	return status == EVKV_NOMEM && cause == EVKV_CAUSE_NONE
	    ? EVKV_CAUSE_NOMEM
	    : cause;
}

/* Names of a page and values are dropped: a failure has neither. */
enum evkv_verdict evkv_op_fail(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	struct evkv_result *result = &op->result;
	size_t i;

	if ((op->flags & OP_VALUES) != 0)
		evkv__op_drop_values(op);
	if ((op->flags & OP_KEYED) == 0)
		result->count = 0;
	for (i = 0; i < result->count; i++)
		evkv__op_entries(op)[i].status = status;
	result->status = status;
	result->cause = cause_of(status, cause);
	result->message = "";
	result->cursor = evkv_bytes(NULL, 0);
	result->affected = status == EVKV_UNKNOWN_OUTCOME ? -1 : 0;
	op->flags |= OP_FAILED;
	evkv_op_explain(op, cause, 0,
	    message != NULL ? message : evkv_status_text(status));
	if (result->message[0] == '\0')
		result->message = evkv_status_text(status);
	return EVKV_VERDICT_DONE;
}

enum evkv_verdict evkv_op_failf(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return evkv_op_fail(op, status, cause, message);
}

/* No memory is asked for here. */
enum evkv_verdict evkv_op_nomem(struct evkv_op *op)
{
	evkv_op_fail(op, EVKV_NOMEM, EVKV_CAUSE_NOMEM, "");
	op->result.message = "out of memory";
	return EVKV_VERDICT_DONE;
}

enum evkv_verdict evkv_op_unsupported(struct evkv_op *op)
{
	const struct evkv_vtable *vtable = evkv__op_top(op)->store->vtable;
	const char *lacks = vtable->lacks;

	return evkv_op_failf(op, EVKV_UNSUPPORTED, EVKV_CAUSE_NONE,
	    "%s cannot do %s%s%s", vtable->name,
	    evkv_kind_name(op->result.kind), lacks != NULL ? ": " : "",
	    lacks != NULL ? lacks : "");
}

enum evkv_verdict evkv_op_cut(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	if ((op->flags & OP_WRITES) != 0 && (op->flags & OP_SENT) != 0)
		status = EVKV_UNKNOWN_OUTCOME;
	return evkv_op_fail(op, status, cause, message);
}

/* *done: how many entries are OK, -1 where that of one is not known. */
static enum evkv_status whole_status(const struct evkv_op *op, int64_t *done)
{
	const struct evkv_entry *entries = evkv__op_entries(op);
	enum evkv_status status = EVKV_OK, one;
	bool unknown = false;
	size_t i;

	*done = 0;
	for (i = 0; i < op->result.count; i++) {
		one = entries[i].status;
		*done += one == EVKV_OK;
		unknown |= one == EVKV_UNKNOWN_OUTCOME;
		if (status == EVKV_OK && evkv_failed(one))
			status = one;
	}
	if (unknown)
		*done = -1;
	return (op->flags & OP_SINGLE) != 0 ? entries[0].status : status;
}

void evkv__op_settle(struct evkv_op *op)
{
	int64_t done;

	if ((op->flags & OP_FAILED) != 0 || (op->flags & OP_KEYED) == 0 ||
	    op->result.entries == NULL)
		return;
	op->result.status = whole_status(op, &done);
	if ((op->flags & (OP_AFFECTED | OP_WRITES)) == OP_WRITES)
		op->result.affected = done;
	op->result.cause = cause_of(op->result.status, op->result.cause);
	if (evkv_failed(op->result.status) && op->result.message[0] == '\0')
		op->result.message = evkv_status_text(op->result.status);
}

/* A failure of the whole is in all entries: it ends where these are changed. */
void evkv_op_settle(struct evkv_op *op)
{
	if ((op->flags & OP_KEYED) == 0 || op->result.count == 0)
		return;
	op->flags &= ~(uint32_t)OP_FAILED;
	evkv__op_settle(op);
	if (evkv_failed(op->result.status))
		return;
	op->result.cause = EVKV_CAUSE_NONE;
	op->result.sys_error = 0;
	op->result.message = "";
}

static const struct evkv_result result_nomem = {
	.status = EVKV_NOMEM,
	.cause = EVKV_CAUSE_NOMEM,
	.kind = EVKV_KIND_COUNT,
	.message = "out of memory",
	.entry_size = sizeof(struct evkv_entry),
};

const struct evkv_result *evkv_op_report(const struct evkv_op *op)
{
	return &op->report;
}

const struct evkv_result *evkv_op_result(const struct evkv_op *op)
{
	if (op == NULL)
		return &result_nomem;
	return (op->flags & OP_DETACHED) != 0 ? &op->report : &op->result;
}

void evkv_op_take(struct evkv_op *op, size_t i, struct evkv_op *child, size_t j)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_entry *to = &evkv__op_entries(op)[i], *from;

	EVKV__ASSERT(i < op->result.count && to->value == NULL);
	if (child == NULL || j >= result->count ||
	    (child->flags & OP_DETACHED) != 0) {
		to->status = result->status;
		return;
	}
	from = &evkv__op_entries(child)[j];
	*to = *from;
	if (to->value != NULL)
		op->flags |= OP_VALUES;
	from->value = NULL;
	from->bytes = evkv_bytes(NULL, 0);
	from->reserved = 0;
}

static void take_names(struct evkv_op *op, struct evkv_op *child)
{
	size_t i;

	for (i = 0; i < child->result.count; i++) {
		if (!evkv_op_add_name(op, evkv__op_entries(child)[i].name))
			return;
	}
	evkv_op_set_cursor(op, child->result.cursor);
}

void evkv_op_take_all(struct evkv_op *op, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	size_t i;

	evkv_op_explain(op, result->cause, result->sys_error, result->message);
	if ((op->flags & OP_KEYED) != 0) {
		for (i = 0; i < op->result.count; i++)
			evkv_op_take(op, i, child, i);
	} else if (evkv_failed(result->status)) {
		evkv_op_fail(op, result->status, result->cause,
		    result->message);
		op->result.sys_error = result->sys_error;
	} else {
		take_names(op, child);
	}
	if (!evkv_failed(result->status))
		evkv_op_set_affected(op, result->affected);
}
