/*
 * Operations on keys: cut into parts, sent, put together again.
 *
 * Mostly there is one part with one key. A batch becomes one part for each
 * connection that its keys fall to, and more of them where it is long, so that
 * no command holds the server for long and buffers stay small. Parts on one
 * connection go out in the request's order, which keeps the order of entries
 * with the same key. The operation ends with its last part: one that came later
 * on a key of another connection may call back before it.
 *
 * A part that is cut off fails those of its keys that have no answer yet:
 * writes whose bytes were handed over are UNKNOWN_OUTCOME, the rest has the
 * reason as its status. Parts that the offline queue has no room for fail at
 * once, without the others.
 */
#include <stdio.h>

#include "commands.h"
#include "evkv/key_codec.h"

#define CALL_PART_KEYS 512
#define CALL_PART_BYTES ((size_t)1 << 20)
#define CALL_TEXT 512

/* ---- Which connection ------------------------------------------------- */

static uint64_t call_hash_bytes(uint64_t hash, struct evkv_slice bytes)
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

/* The same for the same collection and key, always. */
static size_t call_connection(const struct redis_store *store,
    struct evkv_slice collection, struct evkv_slice key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (store->connection_count == 1)
		return 0;
	hash = call_hash_bytes(hash, collection) + collection.size;
	hash = call_hash_bytes(hash, key) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)((hash >> 32) % store->connection_count);
}

/* ---- Cutting into parts ----------------------------------------------- */

static size_t call_entry_size(const struct evkv_request *request, size_t i)
{
	size_t size = request->collection.size + request->keys[i].size;

	if (request->counted_values != NULL)
		size += evkv_value_bytes(request->counted_values[i]).size;
	else if (request->values != NULL)
		size += request->values[i].size;
	return size;
}

/*
 * The keys order[from..] up to order[to - 1] belong to one connection; where
 * does the part that begins with the first of them end, and how long is it?
 */
static size_t call_part_end(const struct evkv_request *request,
    const uint32_t *order, size_t from, size_t to, size_t *size)
{
	size_t at = from;

	*size = 0;
	while (at < to && at - from < CALL_PART_KEYS) {
		size_t more = call_entry_size(request, order[at]);

		if (at > from && *size + more > CALL_PART_BYTES)
			break;
		*size += more;
		at++;
	}
	return at;
}

/*
 * The keys' numbers, by connection and otherwise as they are; the keys of
 * connection c are order[starts[c]] to order[starts[c + 1] - 1].
 */
static uint32_t *call_order(const struct redis_store *store, struct evkv_op *op,
    const struct evkv_request *request, size_t *starts)
{
	size_t next[EVKV_REDIS_CONNECTIONS_MAX];
	uint32_t *order, *which;
	size_t i;

	order = evkv_op_alloc(op, request->count * sizeof(*order) * 2);
	if (order == NULL)
		return NULL;
	which = order + request->count;
	memset(starts, 0, (store->connection_count + 1) * sizeof(*starts));
	for (i = 0; i < request->count; i++) {
		which[i] = (uint32_t)call_connection(store, request->collection,
		    request->keys[i]);
		starts[which[i] + 1]++;
	}
	for (i = 0; i < store->connection_count; i++) {
		starts[i + 1] += starts[i];
		next[i] = starts[i];
	}
	for (i = 0; i < request->count; i++)
		order[next[which[i]]++] = (uint32_t)i;
	return order;
}

/* `part` is zero but for its keys and its size. */
static bool call_part_init(struct redis_part *part, struct redis_call *call,
    struct evkv_op *op, const struct evkv_request *request)
{
	part->slot.op = op;
	part->call = call;
	return evkv__redis_part_command(op, request, part);
}

/* Walk over the parts of an order; fill them in where `call->parts` is. */
static bool call_cut(struct redis_store *store, struct redis_call *call,
    struct evkv_op *op, const struct evkv_request *request,
    const uint32_t *order, const size_t *starts)
{
	size_t count = 0;

	for (size_t c = 0; c < store->connection_count; c++) {
		size_t at = starts[c];

		while (at < starts[c + 1]) {
			size_t size, end;

			end = call_part_end(request, order, at, starts[c + 1],
			    &size);
			if (call->parts != NULL) {
				struct redis_part *part = &call->parts[count];

				part->slot.size = size;
				part->indices = order + at;
				part->count = (uint32_t)(end - at);
				part->connection = &store->connections[c];
				if (!call_part_init(part, call, op, request))
					return false;
			}
			count++;
			at = end;
		}
	}
	call->part_count = (uint32_t)count;
	return true;
}

/* Several keys. */
static bool call_split(struct redis_store *store, struct redis_call *call,
    struct evkv_op *op, const struct evkv_request *request)
{
	size_t starts[EVKV_REDIS_CONNECTIONS_MAX + 1];
	const uint32_t *order;
	size_t size;

	order = call_order(store, op, request, starts);
	if (order == NULL)
		return false;
	call->parts = NULL;
	call_cut(store, call, op, request, order, starts);
	size = call->part_count * sizeof(*call->parts);
	call->parts = evkv_op_alloc(op, size);
	if (call->parts == NULL)
		return false;
	memset(call->parts, 0, size);
	return call_cut(store, call, op, request, order, starts);
}

/* ---- Endings ---------------------------------------------------------- */

/*
 * A server ends connections whose replies exceed its client-output-buffer-limit
 * without a word. It was the first reply to several keys that did not come, or
 * the one that came in part; all others only get the end of the connection.
 */
static bool call_is_suspect(struct redis_part *part,
    const struct evkv_slot_end *end)
{
	struct redis_connection *connection = part->connection;
	uint32_t classes = evkv_kind_classes(evkv_op_result(part->slot.op)
						 ->kind);

	if (end->cause != EVKV_CAUSE_RESET || end->fate != EVKV_SLOT_SENT ||
	    (classes & EVKV_CLASS_ANSWERS_VALUES) == 0 ||
	    connection->suspected == connection->number ||
	    (part->count == 1 && !connection->within))
		return false;
	connection->suspected = connection->number;
	return true;
}

/* The part's keys that have no answer are cut off. */
static void call_part_cut_as(const struct redis_part *part,
    const struct evkv_slot_end *end)
{
	struct evkv_op *op = part->slot.op;
	/* The request may be gone. */
	uint32_t classes = evkv_kind_classes(evkv_op_result(op)->kind);
	bool writes = (classes & EVKV_CLASS_WRITES) != 0;

	if (part->call->part_count == 1 && part->count == 1) {
		evkv_slot_fail(op, end);
		evkv__redis_versions_clear(part);
		return;
	}
	for (size_t i = part->settled; i < part->count; i++) {
		bool sent = end->fate == EVKV_SLOT_SENT &&
		    (part->ends == NULL || part->ends->at[i] <= end->sent);

		/* Of a TTL the value may have come already. */
		evkv_op_give_value(op, redis_part_entry(part, i), NULL);
		evkv_op_entry(op, redis_part_entry(part, i))->status = writes &&
			sent
		    ? EVKV_UNKNOWN_OUTCOME
		    : end->status;
	}
	evkv_op_explain(op, end->cause, end->sys_error, end->message);
	evkv__redis_versions_clear(part);
}

static void call_part_cut(struct redis_part *part,
    const struct evkv_slot_end *end)
{
	struct evkv_slot_end ours = *end;
	char message[CALL_TEXT];

	if (call_is_suspect(part, end)) {
		snprintf(message, sizeof(message),
		    "%s, before its reply for %u key%s was whole: it does so "
		    "where a reply exceeds its client-output-buffer-limit",
		    end->message, part->count, part->count == 1 ? "" : "s");
		ours.message = message;
	}
	call_part_cut_as(part, &ours);
}

void evkv__redis_part_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	bool answered = end->fate == EVKV_SLOT_ANSWERED;

	(void)connection;
	if (!answered)
		call_part_cut(part, end);
	else if (part->versions)
		evkv__redis_versions_clear(part);
	if (--part->call->left == 0)
		evkv_op_complete(part->slot.op);
}

void evkv__redis_call_stop(struct redis_call *call)
{
	static const struct evkv_slot_end withdrawn = {
		.fate = EVKV_SLOT_UNSENT,
		.status = EVKV_CANCELED,
		.cause = EVKV_CAUSE_CANCELED,
		.message = "",
	};

	for (size_t i = 0; i < call->part_count; i++) {
		struct redis_part *part = &call->parts[i];

		if (evkv_pipeline_stop(part->connection->pipeline,
			&part->slot)) {
			call_part_cut(part, &withdrawn);
			call->left--;
		}
	}
	if (call->left == 0)
		evkv_op_complete(call->parts[0].slot.op);
}

/* ---- Submitting ------------------------------------------------------- */

static struct redis_call *call_new(struct evkv_op *op)
{
	struct redis_call *call = evkv_op_alloc(op, sizeof(*call));

	if (call != NULL)
		*call = evkv__redis_call_none;
	return call;
}

/* One key. */
static enum evkv_verdict call_submit_one(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	size_t c = call_connection(store, request->collection,
	    request->keys[0]);
	struct redis_call *call = call_new(op);
	const struct evkv_slot_end *why;
	struct redis_part *part;

	if (call == NULL)
		return evkv_op_nomem(op);
	call->left = 1;
	call->part_count = 1;
	call->parts = part = &call->only;
	part->count = 1;
	part->slot.size = call_entry_size(request, 0);
	part->connection = &store->connections[c];
	if (!call_part_init(part, call, op, request))
		return evkv_op_nomem(op);
	evkv_op_set_data(op, call);
	why = evkv_pipeline_submit(part->connection->pipeline, &part->slot);
	if (why == NULL)
		return EVKV_VERDICT_PENDING;
	call_part_cut(part, why);
	return EVKV_VERDICT_DONE;
}

/* Several keys. */
static enum evkv_verdict call_submit_many(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct redis_call *call = call_new(op);

	if (call == NULL || !call_split(store, call, op, request))
		return evkv_op_nomem(op);
	evkv_op_set_data(op, call);
	call->left = call->part_count + 1;
	for (size_t i = 0; i < call->part_count; i++) {
		struct redis_part *part = &call->parts[i];
		const struct evkv_slot_end *why;

		why = evkv_pipeline_submit(part->connection->pipeline,
		    &part->slot);
		if (why != NULL) {
			call_part_cut(part, why);
			call->left--;
		}
	}
	call->left--;
	return call->left == 0 ? EVKV_VERDICT_DONE : EVKV_VERDICT_PENDING;
}

enum evkv_verdict evkv__redis_call_submit(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	if (request->count == 1)
		return call_submit_one(store, op, request);
	if (request->count == 0)
		return EVKV_VERDICT_DONE;
	return call_submit_many(store, op, request);
}
