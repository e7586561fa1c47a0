#include "engines/files/dispatch.h"

#define SCAN_STAY 256 /* held jobs that one look leaves where they are */

/* ---- Lists --------------------------------------------------------------- */

void evkv__file_jobs_append(struct file_jobs *jobs, struct file_job *job)
{
	job->next = NULL;
	job->link = jobs->last;
	*jobs->last = job;
	jobs->last = &job->next;
}

void evkv__file_jobs_remove(struct file_jobs *jobs, struct file_job *job)
{
	*job->link = job->next;
	if (job->next != NULL)
		job->next->link = job->link;
	else
		jobs->last = job->link;
	job->link = NULL;
}

void evkv__file_dispatch_init(struct file_dispatch *dispatch,
    struct evkv_loop *loop,
    bool (*submit)(void *store, struct file_job *job, unsigned lane),
    void *store)
{
	dispatch->order.seed = evkv_loop_random(loop);
	dispatch->waiting.last = &dispatch->waiting.first;
	dispatch->held.last = &dispatch->held.first;
	dispatch->submit = submit;
	dispatch->store = store;
}

/* ---- Lanes --------------------------------------------------------------- */

/* For a job that may go to any: the readers in turn. */
static unsigned free_lane(struct file_dispatch *dispatch, enum evkv_kind kind)
{
	if (!file_kind_reads(kind) || kind == EVKV_OP_SYNC ||
	    kind == EVKV_OP_COMPACT)
		return LANE_WRITER;
	if (++dispatch->last_reader > dispatch->readers)
		dispatch->last_reader = 1;
	return dispatch->last_reader;
}

static unsigned route(struct file_dispatch *dispatch,
    const struct file_job *job, bool scanning)
{
	enum evkv_kind kind = job->request->kind;

	return evkv__lane_order_route(&dispatch->order, job->hashes,
	    job->request->count, !file_kind_reads(kind),
	    free_lane(dispatch, kind), scanning);
}

void evkv__file_dispatch_leave(struct file_dispatch *dispatch,
    struct file_job *job)
{
	if (job->hashes != NULL)
		evkv__lane_order_leave(&dispatch->order, job->hashes,
		    job->request->count, job->lane);
}

/* To its lane. The op has failed where it has no place there. */
static bool dispatch_to(struct file_dispatch *dispatch, struct file_job *job,
    unsigned lane)
{
	job->lane = lane;
	if (job->hashes != NULL)
		evkv__lane_order_enter(&dispatch->order, job->hashes,
		    job->request->count, lane);
	if (dispatch->submit(dispatch->store, job, lane))
		return true;
	evkv__file_dispatch_leave(dispatch, job);
	evkv_op_fail(job->op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD, NULL);
	return false;
}

static uint64_t key_hash(struct file_dispatch *dispatch,
    const struct evkv_request *request, size_t i, struct file_job *job)
{
	return dispatch->hash != NULL
	    ? dispatch->hash(dispatch->store, request, i, job)
	    : evkv__lane_order_hash(&dispatch->order, request->collection,
		  request->keys[i]);
}

/* false: no memory. */
static bool job_hash(struct file_dispatch *dispatch, struct file_job *job)
{
	const struct evkv_request *request = job->request;
	size_t i;

	if (!evkv__lane_order_reserve(&dispatch->order, request->count))
		return false;
	job->hashes = request->count == 1
	    ? &job->one_hash
	    : evkv_op_alloc(job->op, request->count * sizeof(*job->hashes));
	if (job->hashes == NULL)
		return false;
	for (i = 0; i < request->count; i++)
		job->hashes[i] = key_hash(dispatch, request, i, job);
	return true;
}

bool evkv__file_dispatch(struct file_dispatch *dispatch, struct file_job *job)
{
	enum evkv_kind kind = job->request->kind;
	unsigned lane;

	if ((evkv_kind_classes(kind) & EVKV_CLASS_HAS_KEYS) == 0)
		return dispatch_to(dispatch, job, free_lane(dispatch, kind));
	if (!job_hash(dispatch, job)) {
		evkv_op_nomem(job->op);
		return false;
	}
	lane = route(dispatch, job, false);
	if (lane != LANE_HELD)
		return dispatch_to(dispatch, job, lane);
	job->lane = LANE_HELD;
	evkv__lane_order_enter(&dispatch->order, job->hashes,
	    job->request->count, LANE_HELD);
	evkv__file_jobs_append(&dispatch->held, job);
	return true;
}

/* ---- Held ones ----------------------------------------------------------- */

static void held_leave(struct file_dispatch *dispatch, struct file_job *job)
{
	evkv__file_jobs_remove(&dispatch->held, job);
	evkv__file_dispatch_leave(dispatch, job);
}

void evkv__file_dispatch_held(struct file_dispatch *dispatch)
{
	struct file_job *job = dispatch->held.first, *next;
	unsigned lane, stay = 0;

	if (job == NULL)
		return;
	evkv__lane_order_scan(&dispatch->order);
	for (; job != NULL && stay < SCAN_STAY; job = next) {
		next = job->next;
		lane = route(dispatch, job, true);
		if (lane == LANE_HELD) {
			evkv__lane_order_mark(&dispatch->order, job->hashes,
			    job->request->count);
			stay++;
			continue;
		}
		held_leave(dispatch, job);
		if (!dispatch_to(dispatch, job, lane))
			evkv_op_complete(job->op);
	}
}

/* ---- For the store ------------------------------------------------------- */

bool evkv__file_dispatch_free(struct file_dispatch *dispatch,
    const struct evkv_request *request)
{
	struct lane_order *order = &dispatch->order;
	uint64_t hash;
	size_t i;

	for (i = 0; i < request->count && order->used > 0; i++) {
		hash = key_hash(dispatch, request, i, NULL);
		if (evkv__lane_order_route(order, &hash, 1, true, LANE_HELD,
			false) != LANE_HELD)
			return false;
		if (evkv__lane_order_route(order, &hash, 1, false,
			LANE_HELD - 1, false) != LANE_HELD - 1)
			return false;
	}
	return true;
}

void evkv__file_dispatch_stop(struct file_dispatch *dispatch,
    struct evkv_op *op)
{
	struct file_job *job = evkv_op_data(op);

	if (job->link != NULL) {
		if (job->lane == LANE_HELD)
			held_leave(dispatch, job);
		else
			evkv__file_jobs_remove(&dispatch->waiting, job);
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
		evkv_op_complete(op);
		return;
	}
	evkv_job_cancel(&job->job, op);
}
