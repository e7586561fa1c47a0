/*
 * stores/mongodb/call.c - operations on keys: to their lanes and back.
 *
 * Collection and key choose the lane by a hash, so operations on one key are in
 * one lane, where they keep their order. An operation with keys of several
 * lanes has a part for each; it is completed when the last is back.
 */
#include <string.h>

#include "base/siphash.h"
#include "stores/mongodb/store.h"

/* ---- Parts --------------------------------------------------------------- */

/*
 * Whether what a read of keys has found is expired is judged when it is back,
 * so that the clock is not read for it before.
 */
static bool needs_time(const struct evkv_request *request)
{
	return (evkv_kind_classes(request->kind) &
		   (EVKV_CLASS_WRITES | EVKV_CLASS_HAS_KEYS)) !=
	    EVKV_CLASS_HAS_KEYS;
}

void evkv__mongodb_part_make(struct mongodb_store *store,
    struct mongodb_call *call, struct mongodb_part *part)
{
	memset(part, 0, offsetof(struct mongodb_part, failure));
	part->failure.status = EVKV_OK;
	part->failure.cause = EVKV_CAUSE_NONE;
	part->call = call;
	part->request = evkv_op_request(call->op);
	part->now_ms = needs_time(part->request)
	    ? evkv_loop_wall_ms(store->loop)
	    : 0;
	part->time_ms = part->request->timeout_ms != 0
	    ? part->request->timeout_ms
	    : store->timeout_ms;
	part->cells = call->cells;
}

struct mongodb_call *evkv__mongodb_call_make(struct evkv_op *op,
    size_t part_count)
{
	struct mongodb_call *call = evkv_op_alloc(op, sizeof(*call));

	if (call == NULL)
		return NULL;
	memset(call, 0, offsetof(struct mongodb_call, one_part));
	call->op = op;
	call->part_count = part_count;
	call->parts = part_count == 1
	    ? &call->one_part
	    : evkv_op_alloc(op, part_count * sizeof(*call->parts));
	evkv_op_set_data(op, call);
	return call->parts != NULL ? call : NULL;
}

/* The lanes take any number; the store bounds what is pending. */
void evkv__mongodb_part_submit(struct mongodb_store *store,
    struct mongodb_part *part, unsigned lane)
{
	evkv_lane_submit(store->lanes[lane].lane, &part->job);
}

/* ---- Sharing keys out ---------------------------------------------------- */

static unsigned lane_of(const struct mongodb_store *store,
    const struct evkv_request *request, size_t i)
{
	uint64_t head;

	if (store->options.lanes == 1)
		return 0;
	head = mongodb_hash(store->seed, request->collection);
	return (unsigned)(siphash_1_3(store->seed, head, request->keys[i]) %
	    store->options.lanes);
}

/* How the keys of a request are shared out: by lane. */
struct shares {
	unsigned char *lanes; /* of each key */
	uint32_t *indices;    /* those of the first lane, of the second, ... */
	uint32_t counts[EVKV_MONGODB_LANES_MAX];
	size_t used; /* lanes */
};

static bool share_out(const struct mongodb_store *store, struct evkv_op *op,
    const struct evkv_request *request, struct shares *shares)
{
	uint32_t at[EVKV_MONGODB_LANES_MAX];
	uint32_t sum = 0;
	size_t i;

	memset(shares, 0, sizeof(*shares));
	shares->lanes = evkv_op_alloc(op, request->count);
	shares->indices = evkv_op_alloc(op,
	    request->count * sizeof(*shares->indices));
	if (shares->lanes == NULL || shares->indices == NULL)
		return false;
	for (i = 0; i < request->count; i++) {
		shares->lanes[i] = (unsigned char)lane_of(store, request, i);
		shares->used += shares->counts[shares->lanes[i]]++ == 0;
	}
	for (i = 0; i < store->options.lanes; i++) {
		at[i] = sum;
		sum += shares->counts[i];
	}
	for (i = 0; i < request->count; i++)
		shares->indices[at[shares->lanes[i]]++] = (uint32_t)i;
	return true;
}

/* false = no memory. */
static bool call_cells(struct mongodb_call *call, size_t count)
{
	size_t i;

	call->cells = count == 1
	    ? &call->one_cell
	    : evkv_op_alloc(call->op, count * sizeof(*call->cells));
	if (call->cells == NULL)
		return false;
	memset(call->cells, 0, count * sizeof(*call->cells));
	for (i = 0; i < count; i++)
		call->cells[i].status = EVKV_STATUS_COUNT;
	return true;
}

static enum evkv_verdict call_one(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct mongodb_call *call = evkv__mongodb_call_make(op, 1);

	if (call == NULL || !call_cells(call, 1))
		return evkv_op_nomem(op);
	evkv__mongodb_part_make(store, call, call->parts);
	call->parts->count = 1;
	call->parts->small_room = call->one_small;
	evkv__mongodb_part_submit(store, call->parts,
	    lane_of(store, request, 0));
	call->left = 1;
	return EVKV_VERDICT_PENDING;
}

static enum evkv_verdict call_many(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct shares shares;
	struct mongodb_call *call;
	struct mongodb_part *part;
	uint32_t from = 0;
	unsigned lane;

	if (!share_out(store, op, request, &shares))
		return evkv_op_nomem(op);
	call = evkv__mongodb_call_make(op, shares.used);
	if (call == NULL || !call_cells(call, request->count))
		return evkv_op_nomem(op);
	part = call->parts;
	for (lane = 0; lane < store->options.lanes; lane++) {
		if (shares.counts[lane] == 0)
			continue;
		evkv__mongodb_part_make(store, call, part);
		part->indices = shares.indices + from;
		part->count = shares.counts[lane];
		from += part->count;
		evkv__mongodb_part_submit(store, part++, lane);
		call->left++;
	}
	return EVKV_VERDICT_PENDING;
}

enum evkv_verdict evkv__mongodb_call_submit(struct mongodb_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	if (request->count == 0)
		return EVKV_VERDICT_DONE;
	return request->count == 1 ? call_one(store, op, request)
				   : call_many(store, op, request);
}

void evkv__mongodb_call_stop(struct mongodb_call *call)
{
	size_t i;

	for (i = 0; i < call->part_count; i++) {
		if (call->parts[i].job.lane != NULL)
			evkv_job_cancel(&call->parts[i].job, call->op);
	}
}

/* ---- Answers ------------------------------------------------------------- */

/* It may have expired on its way; for TTL, how long it is to live. */
static void answer_expiry(struct mongodb_store *store, enum evkv_kind kind,
    struct evkv_entry *entry, int64_t expires_ms)
{
	int64_t now_ms = evkv_loop_wall_ms(store->loop);
	bool reads = (evkv_kind_classes(kind) & EVKV_CLASS_WRITES) == 0;

	if (reads && expires_ms <= now_ms) {
		entry->status = EVKV_NOT_FOUND;
		return;
	}
	if (kind != EVKV_OP_TTL)
		return;
	entry->ttl_ms = expires_ms - now_ms;
	/* More than can be put, if the clock was set back. */
	if (entry->ttl_ms > EVKV_TTL_MAX)
		entry->ttl_ms = EVKV_TTL_MAX;
}

static void answer_cell(struct mongodb_store *store, struct mongodb_call *call,
    size_t i)
{
	const struct evkv_request *request = call->parts[0].request;
	const struct evkv_slice *small = &call->parts[0].small;
	struct mongodb_cell *cell = &call->cells[i];
	struct evkv_op *op = call->op;
	struct evkv_entry *entry = evkv_op_entry(op, i);

	entry->status = cell->status;
	if (cell->status == EVKV_OK && cell->expires_ms != 0)
		answer_expiry(store, request->kind, entry, cell->expires_ms);
	if (entry->status != EVKV_OK)
		return;
	entry->number = cell->number;
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		entry->version = cell->version;
	if (small->data != NULL && !evkv_op_copy_value(op, i, *small))
		entry->status = EVKV_NOMEM;
	if (cell->value != NULL)
		evkv_op_give_value(op, i, cell->value);
	cell->value = NULL;
}

/* Whether workers have finished all of it. */
static bool call_finished(const struct mongodb_call *call)
{
	size_t i = 0;

	while (i < call->part_count && call->parts[i].done)
		i++;
	return i == call->part_count;
}

static void call_answer(struct mongodb_store *store, struct mongodb_call *call)
{
	const struct evkv_request *request = call->parts[0].request;
	const struct mongodb_failure *failure;
	size_t i;

	if (call->cells == NULL) {
		evkv__mongodb_span_answer(call);
		return;
	}
	for (i = 0; i < request->count; i++)
		answer_cell(store, call, i);
	for (i = 0; i < call->part_count; i++) {
		failure = &call->parts[i].failure;
		if (failure->status != EVKV_OK)
			evkv_op_explain(call->op, failure->cause, 0,
			    failure->message);
	}
}

static void call_drop(struct mongodb_call *call)
{
	size_t count = call->parts[0].request->count, i;

	for (i = 0; call->cells != NULL && i < count; i++) {
		evkv_value_unref(call->cells[i].value);
		call->cells[i].value = NULL;
	}
	evkv__mongodb_span_drop(call);
}

static void part_done(struct mongodb_store *store, struct mongodb_part *part)
{
	struct mongodb_call *call = part->call;
	struct evkv_op *op;

	if (part->done)
		evkv__mongodb_contact(store, part);
	if (--call->left > 0)
		return;
	op = call->op;
	if (call_finished(call))
		call_answer(store, call);
	else /* nobody waits for it any more */
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	call_drop(call);
	evkv_op_complete(op);
}

void evkv__mongodb_done(struct evkv_job *jobs, void *arg)
{
	struct mongodb_lane *lane = arg;
	struct mongodb_store *store = lane->store;
	struct evkv_job *next;
	struct mongodb_part *part;

	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		part = (struct mongodb_part *)jobs;
		if (part->task == MONGODB_OP)
			part_done(store, part);
		else
			evkv__mongodb_own_done(store, part);
	}
	if (store->end != MONGODB_OPEN)
		evkv_task_queue(store->loop, &store->end_task);
}
