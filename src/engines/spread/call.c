/*
 * Operations on keys: cut into parts, sent, put together again.
 *
 * Mostly there is one part with one key. A batch becomes one part for each line
 * that its keys fall to, and more of them where it is long, so that no command
 * holds a server for long and buffers stay small. Parts on one line go out in
 * the request's order, which keeps the order of entries with the same key. The
 * operation ends with its last part: one that came later on a key of another
 * line may call back before it.
 *
 * A part that is cut off fails those of its keys that have no answer yet:
 * writes whose bytes were handed over are UNKNOWN_OUTCOME, the rest has the
 * reason as its status. Parts that the offline queue has no room for fail at
 * once, without the others.
 */
#include <string.h>

#include "evkv/spread.h"

#define PART_KEYS 512
#define PART_BYTES ((size_t)1 << 20)

/* Memory of a call comes with room for one part. */
static struct evkv_part *call_part(const struct evkv_call *call, size_t i)
{
	return (struct evkv_part *)(void *)(call->parts + i * call->part_size);
}

/* ---- Which line ------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, struct evkv_slice bytes)
{
	const unsigned char *at = bytes.data;
	size_t left = bytes.size;

	for (; left >= 8; left -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	for (; left > 0; left--, at++)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash ^ (hash >> 29);
}

size_t evkv_spread_hash(struct evkv_slice collection, struct evkv_slice key,
    size_t count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (count == 1)
		return 0;
	hash = hash_bytes(hash, collection) + collection.size;
	hash = hash_bytes(hash, key) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)((hash >> 32) % count);
}

static size_t line_of(const struct evkv_spread *spread,
    const struct evkv_request *request, size_t i)
{
	if (spread->type->line_of != NULL)
		return spread->type->line_of(spread->self, request, i);
	return evkv_spread_hash(request->collection, request->keys[i],
	    spread->count);
}

/* ---- Cutting into parts ----------------------------------------------- */

static size_t entry_size(const struct evkv_request *request, size_t i)
{
	size_t size = request->collection.size + request->keys[i].size;

	if (request->counted_values != NULL)
		size += evkv_value_bytes(request->counted_values[i]).size;
	else if (request->values != NULL)
		size += request->values[i].size;
	return size;
}

/*
 * The keys order[from..] up to order[to - 1] belong to one line; where does the
 * part that begins with the first of them end, and how long is it?
 */
static size_t part_end(const struct evkv_spread_type *type,
    const struct evkv_request *request, const uint32_t *order, size_t from,
    size_t to, size_t *size)
{
	size_t keys = type->max_keys != 0 ? type->max_keys : PART_KEYS;
	size_t bytes = type->max_bytes != 0 ? type->max_bytes : PART_BYTES;
	size_t at = from;

	*size = 0;
	while (at < to && at - from < keys) {
		size_t more = entry_size(request, order[at]);

		if (at > from && *size + more > bytes)
			break;
		*size += more;
		at++;
	}
	return at;
}

/*
 * The keys' numbers, by line and otherwise as they are; the keys of line l are
 * order[starts[l]] to order[starts[l + 1] - 1].
 */
static uint32_t *call_order(const struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request, size_t **starts)
{
	size_t lines = spread->count, count = request->count;
	uint32_t *order, *which;
	size_t *next, i;

	order = evkv_op_alloc(op, count * sizeof(*order) * 2);
	*starts = evkv_op_alloc(op, (lines + 1) * sizeof(**starts) * 2);
	if (order == NULL || *starts == NULL)
		return NULL;
	which = order + count;
	next = *starts + lines + 1;
	memset(*starts, 0, (lines + 1) * sizeof(**starts));
	for (i = 0; i < count; i++) {
		which[i] = (uint32_t)line_of(spread, request, i);
		(*starts)[which[i] + 1]++;
	}
	for (i = 0; i < lines; i++) {
		(*starts)[i + 1] += (*starts)[i];
		next[i] = (*starts)[i];
	}
	for (i = 0; i < count; i++)
		order[next[which[i]]++] = (uint32_t)i;
	return order;
}

/* `part` is zero but for its keys and its size. */
static bool part_begin(struct evkv_spread *spread, struct evkv_call *call,
    size_t line, struct evkv_part *part, struct evkv_op *op,
    const struct evkv_request *request)
{
	part->slot.op = op;
	part->call = call;
	part->pipeline = spread->lines[line].pipeline;
	return spread->type->begin(spread->self, line, part, request);
}

/* Walk over the parts of an order; fill them in where `call->parts` is. */
static bool call_cut(struct evkv_spread *spread, struct evkv_call *call,
    struct evkv_op *op, const struct evkv_request *request,
    const uint32_t *order, const size_t *starts)
{
	size_t count = 0;

	for (size_t line = 0; line < spread->count; line++) {
		size_t at = starts[line];

		while (at < starts[line + 1]) {
			size_t size, end;

			end = part_end(spread->type, request, order, at,
			    starts[line + 1], &size);
			if (call->parts != NULL) {
				struct evkv_part *part = call_part(call, count);

				part->slot.size = size;
				part->indices = order + at;
				part->count = (uint32_t)(end - at);
				if (!part_begin(spread, call, line, part, op,
					request))
					return false;
			}
			count++;
			at = end;
		}
	}
	call->part_count = (uint32_t)count;
	return true;
}

/* A call with room for `count` parts, which are zero; or without any. */
static struct evkv_call *call_new(const struct evkv_spread *spread,
    struct evkv_op *op, size_t count)
{
	size_t part_size = spread->type->part_size;
	struct evkv_call *call = evkv_op_alloc(op,
	    sizeof(*call) + count * part_size);

	if (call == NULL)
		return NULL;
	call->parts = count > 0 ? (char *)(call + 1) : NULL;
	call->left = call->part_count = (uint32_t)count;
	call->part_size = part_size;
	call->cut = spread->type->cut != NULL ? spread->type->cut
					      : evkv_part_cut;
	if (count > 0)
		memset(call->parts, 0, count * part_size);
	evkv_op_set_data(op, call);
	return call;
}

/* Several keys. */
static bool call_split(struct evkv_spread *spread, struct evkv_call *call,
    struct evkv_op *op, const struct evkv_request *request)
{
	const uint32_t *order;
	size_t *starts, size;

	order = call_order(spread, op, request, &starts);
	if (order == NULL)
		return false;
	call_cut(spread, call, op, request, order, starts);
	size = call->part_count * call->part_size;
	call->parts = evkv_op_alloc(op, size);
	if (call->parts == NULL)
		return false;
	memset(call->parts, 0, size);
	return call_cut(spread, call, op, request, order, starts);
}

/* ---- Endings ---------------------------------------------------------- */

bool evkv_part_ends(struct evkv_part *part)
{
	part->ends = evkv_op_alloc(part->slot.op,
	    sizeof(*part->ends) + part->count * sizeof(part->ends->at[0]));
	if (part->ends == NULL)
		return false;
	part->ends->written = 0;
	part->ends->at = (size_t *)(part->ends + 1);
	return true;
}

void evkv_part_cut(struct evkv_part *part, const struct evkv_slot_end *end)
{
	struct evkv_op *op = part->slot.op;
	/* The request may be gone. */
	uint32_t classes = evkv_kind_classes(evkv_op_result(op)->kind);
	bool writes = (classes & EVKV_CLASS_WRITES) != 0 &&
	    (part->slot.flags & EVKV_SLOT_READS) == 0;

	if (part->count == 0 ||
	    (part->call->part_count == 1 && part->count == 1)) {
		evkv_slot_fail(op, end);
		return;
	}
	for (size_t i = part->settled; i < part->count; i++) {
		bool sent = end->fate == EVKV_SLOT_SENT &&
		    (part->ends == NULL || part->ends->at[i] <= end->sent);

		/* Of a TTL the value may have come already. */
		evkv_op_give_value(op, evkv_part_entry(part, i), NULL);
		evkv_op_entry(op, evkv_part_entry(part, i))->status = writes &&
			sent
		    ? EVKV_UNKNOWN_OUTCOME
		    : end->status;
	}
	evkv_op_explain(op, end->cause, end->sys_error, end->message);
}

/* What one server did not do, another may have done. */
static void call_complete(struct evkv_call *call, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);

	if (call->part_count > 1 && call_part(call, 0)->count == 0 &&
	    evkv_failed(result->status))
		evkv_op_cut(op, result->status, result->cause, result->message);
	evkv_op_complete(op);
}

void evkv_part_end(struct evkv_part *part, const struct evkv_slot_end *end)
{
	if (end->fate != EVKV_SLOT_ANSWERED)
		part->call->cut(part, end);
	if (--part->call->left == 0)
		call_complete(part->call, part->slot.op);
}

void evkv_call_stop(struct evkv_op *op)
{
	static const struct evkv_slot_end withdrawn = {
		.fate = EVKV_SLOT_UNSENT,
		.status = EVKV_CANCELED,
		.cause = EVKV_CAUSE_CANCELED,
		.message = "",
	};
	struct evkv_call *call = evkv_op_data(op);

	for (size_t i = 0; i < call->part_count; i++) {
		struct evkv_part *part = call_part(call, i);

		if (evkv_pipeline_stop(part->pipeline, &part->slot)) {
			call->cut(part, &withdrawn);
			call->left--;
		}
	}
	if (call->left == 0)
		evkv_op_complete(op);
}

/* ---- Submitting ------------------------------------------------------- */

/* All parts are filled in. Parts that are refused end at once. */
static enum evkv_verdict call_submit(struct evkv_call *call)
{
	call->left = call->part_count + 1;
	for (size_t i = 0; i < call->part_count; i++) {
		struct evkv_part *part = call_part(call, i);
		const struct evkv_slot_end *why;

		why = evkv_pipeline_submit(part->pipeline, &part->slot);
		if (why != NULL) {
			call->cut(part, why);
			call->left--;
		}
	}
	call->left--;
	return call->left == 0 ? EVKV_VERDICT_DONE : EVKV_VERDICT_PENDING;
}

/* One key. */
static enum evkv_verdict submit_one(struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request)
{
	size_t line = line_of(spread, request, 0);
	struct evkv_call *call = call_new(spread, op, 1);
	const struct evkv_slot_end *why;
	struct evkv_part *part;

	if (call == NULL)
		return evkv_op_nomem(op);
	part = call_part(call, 0);
	part->count = 1;
	part->slot.size = entry_size(request, 0);
	if (!part_begin(spread, call, line, part, op, request))
		return evkv_op_nomem(op);
	why = evkv_pipeline_submit(part->pipeline, &part->slot);
	if (why == NULL)
		return EVKV_VERDICT_PENDING;
	call->cut(part, why);
	return EVKV_VERDICT_DONE;
}

enum evkv_verdict evkv_spread_submit(struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_call *call;

	if (request->count == 1)
		return submit_one(spread, op, request);
	if (request->count == 0)
		return EVKV_VERDICT_DONE;
	call = call_new(spread, op, 0);
	if (call == NULL || !call_split(spread, call, op, request))
		return evkv_op_nomem(op);
	return call_submit(call);
}

enum evkv_verdict evkv_spread_submit_all(struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request)
{
	bool wait = (request->flags & EVKV_FLAG_WAIT_READY) != 0;
	struct evkv_call *call = call_new(spread, op, spread->count);

	if (call == NULL)
		return evkv_op_nomem(op);
	for (size_t i = 0; i < spread->count; i++) {
		struct evkv_part *part = call_part(call, i);

		part->slot.flags = EVKV_SLOT_KEPT |
		    (wait ? EVKV_SLOT_WAIT_READY : 0);
		if (!part_begin(spread, call, i, part, op, request))
			return evkv_op_nomem(op);
	}
	return call_submit(call);
}
