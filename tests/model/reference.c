/*
 * tests/model/reference.c - a table of all pairs, and what each kind does to
 * it, one key after the other.
 */
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

static enum evkv_status model_apply_key(struct model_reference *reference,
    const struct model_op *op, unsigned i, struct model_entry *seen)
{
	struct model_entry *slot = &reference
					->entries[op->collection][op->keys[i]];
	struct model_entry *entry = model_find(reference, op->collection,
	    op->keys[i]);

	if (op->kind == EVKV_OP_PUT) {
		if (op->condition == EVKV_IF_ABSENT && entry != NULL)
			return EVKV_EXISTS;
		if (op->condition == EVKV_IF_PRESENT && entry == NULL)
			return EVKV_NOT_FOUND;
		*slot = (struct model_entry){ true, op->serial, i,
			model_expiry(reference, op->ttls[i]) };
		return EVKV_OK;
	}
	if (entry == NULL)
		return EVKV_NOT_FOUND;
	*seen = *entry;
	if (op->kind == EVKV_OP_DELETE)
		entry->present = false;
	else if (op->kind == EVKV_OP_TOUCH)
		entry->expires_ms = model_expiry(reference, op->ttls[i]);
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
    uint32_t refused, struct model_expected *expected)
{
	uint32_t classes = evkv_kind_classes((enum evkv_kind)op->kind);
	bool counts = op->kind == EVKV_OP_PUT || op->kind == EVKV_OP_DELETE ||
	    op->kind == EVKV_OP_TOUCH;
	unsigned i;

	*expected = (struct model_expected){ .whole = EVKV_OK };
	if ((classes & EVKV_CLASS_HAS_KEYS) == 0) {
		expected->affected = model_apply_span(reference, op);
		return;
	}
	for (i = 0; i < op->count; i++) {
		if ((refused >> i & 1) != 0)
			continue;
		expected->status[i] = model_apply_key(reference, op, i,
		    &expected->entry[i]);
		if (counts && expected->status[i] == EVKV_OK)
			expected->affected++;
	}
	if (op->single)
		expected->whole = expected->status[0];
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
