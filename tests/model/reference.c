/*
 * tests/model/reference.c - a table of all pairs, and what each kind does to
 * it, one key after the other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "model.h"

struct model_entry *model_find(struct model_reference *reference,
    unsigned collection, unsigned key)
{
	struct model_entry *entry = &reference->entries[collection][key];

	if (entry->present && entry->expires_ms != 0 &&
	    reference->now_ms >= entry->expires_ms)
		entry->present = false;
	return entry->present ? entry : NULL;
}

static int64_t model_expiry(const struct model_reference *reference,
    int64_t ttl_ms)
{
	return ttl_ms == EVKV_TTL_NONE ? 0 : reference->now_ms + ttl_ms;
}

struct evkv_slice model_bytes(const struct model_entry *entry, char *buffer)
{
	if (!entry->counted)
		return model_value(entry->serial, entry->i, buffer);
	return evkv_bytes(buffer,
	    (size_t)snprintf(buffer, MODEL_VALUE_MAX, "%" PRId64,
		entry->number));
}

/* A number is what is written the same when it is written again. */
static bool model_number(const struct model_entry *entry, int64_t *number)
{
	char buffer[MODEL_VALUE_MAX + 1], again[24];
	struct evkv_slice bytes = model_bytes(entry, buffer);

	if (bytes.size >= sizeof(again))
		return false;
	buffer[bytes.size] = '\0';
	*number = strtoll(buffer, NULL, 10);
	(void)snprintf(again, sizeof(again), "%" PRId64, *number);
	return bytes.size == strlen(again) && strcmp(buffer, again) == 0;
}

static bool model_same_bytes(const struct model_entry *a,
    const struct model_entry *b)
{
	char left[MODEL_VALUE_MAX], right[MODEL_VALUE_MAX];

	return evkv_slice_equal(model_bytes(a, left), model_bytes(b, right));
}

/* What the condition says of an entry, NULL if it is absent. */
static enum evkv_status model_condition(const struct model_reference *reference,
    const struct model_op *op, const struct model_known *known,
    const struct model_entry *entry)
{
	if (op->condition == EVKV_IF_ABSENT)
		return entry != NULL ? EVKV_EXISTS : EVKV_OK;
	if (op->condition == EVKV_IF_ANY)
		return EVKV_OK;
	if (entry == NULL)
		return EVKV_NOT_FOUND;
	if (op->condition != EVKV_IF_VERSION)
		return EVKV_OK;
	if (!known->entry.present)
		return EVKV_CONFLICT;
	if (reference->by_content)
		return model_same_bytes(&known->entry, entry) ? EVKV_OK
							      : EVKV_CONFLICT;
	return known->entry.change == entry->change ? EVKV_OK : EVKV_CONFLICT;
}

static enum evkv_status model_incr(struct model_reference *reference,
    const struct model_op *op, unsigned i, struct model_entry *slot,
    const struct model_entry *entry)
{
	int64_t number = op->initial;

	if (entry != NULL && !model_number(entry, &number))
		return EVKV_INVALID;
	if (op->delta > 0 ? number > INT64_MAX - op->delta
			  : number < INT64_MIN - op->delta)
		return EVKV_INVALID;
	*slot = (struct model_entry){ .present = true,
		.counted = true,
		.number = number + op->delta,
		.expires_ms = entry != NULL
		    ? entry->expires_ms
		    : model_expiry(reference, op->ttls[i]),
		.change = ++reference->changes };
	return EVKV_OK;
}

static enum evkv_status model_apply_key(struct model_reference *reference,
    const struct model_op *op, const struct model_known *known, unsigned i,
    struct model_entry *seen)
{
	struct model_entry *slot = &reference
					->entries[op->collection][op->keys[i]];
	struct model_entry *entry = model_find(reference, op->collection,
	    op->keys[i]);
	enum evkv_status status = EVKV_OK;

	if (op->kind == EVKV_OP_PUT || op->kind == EVKV_OP_INCR) {
		if (op->kind == EVKV_OP_INCR)
			status = model_incr(reference, op, i, slot, entry);
		else
			status = model_condition(reference, op, known, entry);
		if (status == EVKV_OK && op->kind == EVKV_OP_PUT)
			*slot = (struct model_entry){ .present = true,
				.serial = op->serial,
				.i = i,
				.expires_ms = model_expiry(reference,
				    op->ttls[i]),
				.change = ++reference->changes };
		*seen = *slot;
		return status;
	}
	if (entry == NULL)
		return EVKV_NOT_FOUND;
	*seen = *entry;
	if (op->kind == EVKV_OP_DELETE || op->kind == EVKV_OP_TOUCH)
		status = model_condition(reference, op, known, entry);
	if (status != EVKV_OK)
		return status;
	if (op->kind == EVKV_OP_DELETE || op->kind == EVKV_OP_TAKE) {
		entry->present = false;
	} else if (op->kind == EVKV_OP_TOUCH) {
		entry->expires_ms = model_expiry(reference, op->ttls[i]);
		if (!reference->touch_keeps)
			entry->change = ++reference->changes;
	}
	return EVKV_OK;
}

static bool model_matches(const struct model_op *op, struct evkv_slice name)
{
	return evkv_match(model_prefix(op), model_pattern(op), name);
}

/* Remove the entries of a collection whose keys match, if `by_key`. */
static int64_t model_remove(struct model_reference *reference,
    const struct model_op *op, unsigned collection, bool by_key)
{
	int64_t removed = 0;
	unsigned key;

	for (key = 0; key < MODEL_KEYS; key++) {
		if (model_find(reference, collection, key) == NULL ||
		    (by_key && !model_matches(op, model_keys[key])))
			continue;
		reference->entries[collection][key].present = false;
		removed++;
	}
	return removed;
}

static int64_t model_apply_span(struct model_reference *reference,
    const struct model_op *op)
{
	int64_t removed = 0;
	unsigned collection;

	if (op->kind == EVKV_OP_CLEAR)
		return model_remove(reference, op, op->collection, true);
	if (op->kind != EVKV_OP_CLEAR_ALL)
		return 0;
	for (collection = 0; collection < MODEL_COLLECTIONS; collection++) {
		if (model_matches(op, model_collections[collection]))
			removed += model_remove(reference, op, collection,
			    false);
	}
	return removed;
}

void model_apply(struct model_reference *reference, const struct model_op *op,
    const struct model_known *known, uint32_t refused,
    struct model_expected *expected)
{
	uint32_t classes = evkv_kind_classes((enum evkv_kind)op->kind);
	bool counts = (classes & EVKV_CLASS_WRITES) != 0;
	unsigned i;

	*expected = (struct model_expected){ .whole = EVKV_OK };
	if ((classes & EVKV_CLASS_HAS_KEYS) == 0) {
		expected->affected = model_apply_span(reference, op);
		return;
	}
	for (i = 0; i < op->count; i++) {
		if ((refused >> i & 1) != 0)
			continue;
		expected->status[i] = model_apply_key(reference, op, &known[i],
		    i, &expected->entry[i]);
		if (counts && expected->status[i] == EVKV_OK)
			expected->affected++;
	}
	for (i = op->count; i-- > 0;) {
		if (op->single || evkv_failed(expected->status[i]))
			expected->whole = expected->status[i];
	}
}

uint32_t model_names(struct model_reference *reference,
    const struct model_op *op)
{
	uint32_t names = 0;
	unsigned c, k;

	for (c = 0; c < MODEL_COLLECTIONS; c++) {
		for (k = 0; k < MODEL_KEYS; k++) {
			if (model_find(reference, c, k) == NULL)
				continue;
			if (op->kind == EVKV_OP_COLLECTIONS) {
				if (model_matches(op, model_collections[c]))
					names |= UINT32_C(1) << c;
			} else if (c == op->collection &&
			    model_matches(op, model_keys[k])) {
				names |= UINT32_C(1) << k;
			}
		}
	}
	return names;
}
