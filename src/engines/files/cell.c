#include "engines/files/cell.h"

void evkv__file_cell_answer(struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct file_cell *cell,
    int64_t now_ms)
{
	struct evkv_entry *entry = evkv_op_entry(op, i);

	if (cell->status == EVKV_OK && cell->expires_ms != 0) {
		/* It may have expired on its way back. */
		if (cell->expires_ms <= now_ms) {
			evkv_value_unref(cell->value);
			cell->value = NULL;
			cell->status = EVKV_NOT_FOUND;
		} else if (request->kind == EVKV_OP_TTL) {
			entry->ttl_ms = cell->expires_ms - now_ms;
			/* More than can be put, if the clock was set back. */
			if (entry->ttl_ms > EVKV_TTL_MAX)
				entry->ttl_ms = EVKV_TTL_MAX;
		}
	}
	entry->status = cell->status;
	if (cell->status == EVKV_OK) {
		entry->number = cell->number;
		if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
			entry->version = cell->version;
	}
	if (cell->value != NULL)
		evkv_op_give_value(op, i, cell->value);
	cell->value = NULL;
}
