/*
 * log: a store in a directory, in files that are only appended to, by worker
 * threads.
 *
 * The happy path: a read whose key nobody is writing is answered at once, if
 * its record is in the page cache. Any other keyed operation becomes a job, in
 * the op's memory. Its keys say which lane it must go to (dispatch.h): the
 * writer's, where entries that wait together are written together, or a
 * reader's. The worker fills in the job's cells; back on the loop they become
 * the op's answer.
 *
 * Failure modes:
 *   not open yet      the op waits; deadlines and cancels end it without effect
 *   opening failed    what waits ends with the reason; a later op tries again,
 *                     at most once in RETRY_MS
 *   no room           NOSPACE for that entry, the others go on (group.c)
 *   a damaged entry   CORRUPT for it; a delete or a put mends it
 *   the disk fails    reads IO; writes UNKNOWN_OUTCOME, and the file is cut
 *   cut off           a job that no worker has taken is withdrawn: no effect;
 *                     else a write is UNKNOWN_OUTCOME, and its job runs out
 */
#include "stores/log/log.h"

#define RETRY_MS 1000
#define INLINE_KEYS 128 /* that one operation reads on the loop's thread */

enum evkv_verdict evkv__log_op_fail(struct evkv_op *op,
    const struct file_failure *failure)
{
	enum evkv_cause cause = file_cause(failure);

	evkv_op_fail(op, failure->status, cause,
	    failure->message[0] != '\0' ? failure->message : NULL);
	evkv_op_explain(op, cause, failure->sys_error, failure->message);
	return EVKV_VERDICT_DONE;
}

/* ---- Answers ------------------------------------------------------------- */

static int64_t log_wall_ms(struct log_store *log)
{
	return file_wall_ms(&log->wall, log->loop);
}

static void answer_keyed(struct log_store *log, struct log_job *job)
{
	const struct evkv_request *request = job->base.request;
	int64_t now_ms = log_wall_ms(log);
	size_t i;

	for (i = 0; i < request->count; i++)
		evkv__file_cell_answer(job->base.op, request, i, &job->cells[i],
		    now_ms);
	if (job->failure.status != EVKV_OK)
		evkv_op_explain(job->base.op, file_cause(&job->failure),
		    job->failure.sys_error, job->failure.message);
	if (file_kind_reads(request->kind))
		return;
	evkv__log_dirty(log);
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_TTL) == 0)
		return;
	if (request->ttls_ms != NULL || request->ttl_ms != EVKV_TTL_NONE)
		evkv__log_expiring(log, log->sweep_ms);
}

static void answer_page(struct log_job *job)
{
	struct name_page *page = &job->span->page;
	size_t i;

	for (i = 0; i < page->count; i++) {
		if (!evkv_op_add_name(job->base.op, name_page_name(page, i)))
			return;
	}
	if (page->more)
		evkv_op_set_position(job->base.op, evkv__log_vtable.name,
		    evkv_bytes(page->position, page->position_size));
}

static void answer_sync(struct log_store *log, struct log_job *job)
{
	if (log->unflushed.status == EVKV_OK)
		return;
	evkv__log_op_fail(job->base.op, &log->unflushed);
	log->unflushed.status = EVKV_OK;
}

static void answer_span(struct log_store *log, struct log_job *job)
{
	if (job->failure.status != EVKV_OK) {
		evkv__log_op_fail(job->base.op, &job->failure);
		return;
	}
	switch (job->base.request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS: answer_page(job); break;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
		evkv_op_set_affected(job->base.op, job->span->removal.removed);
		evkv__log_dirty(log);
		break;
	case EVKV_OP_SYNC: answer_sync(log, job); break;
	default: break;
	}
}

/* ---- Coming back --------------------------------------------------------- */

/* The writer has ended its file: now the keeper compacts. */
static bool compact_goes_on(struct log_store *log, struct log_job *job)
{
	return job->span != NULL &&
	    job->base.request->kind == EVKV_OP_COMPACT &&
	    job->base.lane == LANE_WRITER &&
	    !evkv_job_withdrawn(&job->base.job) &&
	    !evkv_job_stopped(&job->base.job) &&
	    job->failure.status == EVKV_OK && log->state == LOG_READY &&
	    evkv__log_submit(log, job, log_keeper(log));
}

static void finish_job(struct log_store *log, struct log_job *job)
{
	struct evkv_op *op = job->base.op;
	struct log_span *span = job->span;

	evkv__file_dispatch_leave(&log->dispatch, &job->base);
	if (evkv_job_withdrawn(&job->base.job))
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	else if (job->cells != NULL)
		answer_keyed(log, job);
	else
		answer_span(log, job);
	if (span != NULL)
		evkv__name_page_free(&span->page);
	evkv_op_complete(op);
}

void evkv__log_done(struct evkv_job *jobs, void *arg)
{
	struct log_worker *worker = arg;
	struct log_store *log = worker->owner;
	struct evkv_job *next;
	struct log_job *job;

	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		job = (struct log_job *)jobs;
		if (next != NULL)
			lane_order_fetch(&log->dispatch.order,
			    ((struct file_job *)next)->one_hash);
		log->out--;
		if (job->task != LOG_OP)
			evkv__log_own_done(log, job);
		else if (!compact_goes_on(log, job))
			finish_job(log, job);
	}
	evkv__file_dispatch_held(&log->dispatch);
	evkv__log_maybe_end(log);
}

/*
 * Completing an op may submit more, which joins the end of the list, so that
 * nothing overtakes what is in it. If that starts another opening, the rest
 * waits for it.
 */
void evkv__log_release_waiting(struct log_store *log)
{
	struct log_job *job;

	while (log->state != LOG_OPENING &&
	    (job = (struct log_job *)log->dispatch.waiting.first) != NULL) {
		/* There may be memory again, for one that came later. */
		if (log->state == LOG_FAILED && !job->tried &&
		    log->failure.status == EVKV_NOMEM) {
			evkv__log_start(log);
			return;
		}
		evkv__file_jobs_remove(&log->dispatch.waiting, &job->base);
		if (log->state != LOG_READY)
			evkv__log_op_fail(job->base.op, &log->failure);
		else if (job->base.request->kind != EVKV_OP_PING &&
		    evkv__file_dispatch(&log->dispatch, &job->base))
			continue;
		evkv_op_complete(job->base.op);
	}
}

/* ---- The slots ----------------------------------------------------------- */

/* A worker answers them all. */
static void inline_forget(struct evkv_op *op, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		evkv_op_give_value(op, i, NULL);
}

/* Read here and now. false: it takes a worker after all. */
static bool inline_read(struct log_store *log, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct file_failure failure = { .status = EVKV_OK };
	const struct log_read read = { .env = log->env,
		.request = request,
		.now_ms = log_wall_ms(log),
		.buffer = &log->env->here,
		.failure = &failure };
	struct file_cell cell;
	size_t i;

	if (request->count > INLINE_KEYS ||
	    !evkv__file_dispatch_free(&log->dispatch, request))
		return false;
	for (i = 0; i < request->count; i++) {
		if (!evkv__log_read_cell_now(&read, i, &cell)) {
			inline_forget(op, i);
			return false;
		}
		evkv__file_cell_answer(op, request, i, &cell, read.now_ms);
	}
	if (failure.status != EVKV_OK)
		evkv_op_explain(op, file_cause(&failure), failure.sys_error,
		    failure.message);
	return true;
}

/* The job of an op, in its memory; NULL = none, and the op has failed. */
static struct log_job *make_job(struct evkv_op *op)
{
	const struct evkv_request *request;
	struct log_job *job;
	size_t size;

	job = evkv_op_alloc(op, sizeof(*job));
	if (job == NULL || !evkv_op_keep(op)) {
		evkv_op_nomem(op);
		return NULL;
	}
	memset(job, 0, offsetof(struct log_job, failure));
	job->failure.status = EVKV_OK;
	job->base.op = op;
	job->base.request = request = evkv_op_request(op);
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) != 0) {
		size = request->count * sizeof(*job->cells);
		job->cells = request->count == 1 ? &job->one_cell
						 : evkv_op_alloc(op, size);
		if (job->cells != NULL && request->count > 1)
			memset(job->cells, 0, size);
	} else {
		job->span = evkv_op_alloc(op, sizeof(*job->span));
		if (job->span != NULL)
			memset(job->span, 0, sizeof(*job->span));
	}
	if (job->cells == NULL && job->span == NULL) {
		evkv_op_nomem(op);
		return NULL;
	}
	evkv_op_set_data(op, job);
	return job;
}

/* A page's position must be one that we have made. */
static bool position_ok(const struct evkv_request *request,
    struct evkv_slice *position)
{
	size_t size = request->kind == EVKV_OP_KEYS ? 8 : 4;

	*position = EVKV_LIT("");
	if (request->match.cursor.size == 0)
		return true;
	return evkv_cursor_open(request, evkv__log_vtable.name, position) &&
	    position->size == size;
}

/* Nothing to be done by a worker? */
static bool done_at_once(struct log_store *log, struct evkv_op *op,
    const struct evkv_request *request)
{
	if (log->state != LOG_READY)
		return false;
	switch (request->kind) {
	case EVKV_OP_PING: return true;
	case EVKV_OP_SYNC:
		/* What was acknowledged is durable. */
		return log->env->config.durability == LOG_SYNC_FULL;
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_EXISTS:
		return log->inline_reads && inline_read(log, op, request);
	default: return false;
	}
}

static enum evkv_verdict log_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct log_store *log = self;
	struct evkv_slice position = EVKV_LIT("");
	bool first = log->dispatch.waiting.first == NULL;
	struct log_job *job;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_PAGES) != 0 &&
	    !position_ok(request, &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not of this store and query");
	if (first && done_at_once(log, op, request))
		return EVKV_VERDICT_DONE;
	if (log->state == LOG_FAILED) {
		if (log->failure.status != EVKV_NOMEM &&
		    evkv_loop_now_ms(log->loop) - log->failed_ms < RETRY_MS)
			return evkv__log_op_fail(op, &log->failure);
		evkv__log_start(log);
	}
	job = make_job(op);
	if (job == NULL)
		return EVKV_VERDICT_DONE;
	if (position.size > 0)
		position_ok(job->base.request, &job->span->position);
	if (log->state != LOG_READY || !first) {
		evkv__file_jobs_append(&log->dispatch.waiting, &job->base);
		return EVKV_VERDICT_PENDING;
	}
	return evkv__file_dispatch(&log->dispatch, &job->base)
	    ? EVKV_VERDICT_PENDING
	    : EVKV_VERDICT_DONE;
}

static void log_stop(void *self, struct evkv_op *op)
{
	evkv__file_dispatch_stop(&((struct log_store *)self)->dispatch, op);
}

static void log_counters(void *self, struct evkv_counters *counters)
{
	const struct log_counts *counts = &((struct log_store *)self)
					       ->env->counts;

	counters->entries = __atomic_load_n(&counts->entries, __ATOMIC_RELAXED);
	counters->bytes = __atomic_load_n(&counts->bytes, __ATOMIC_RELAXED);
}

const struct evkv_vtable evkv__log_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "log",
	.submit = log_submit,
	.stop = log_stop,
	.close = evkv__log_store_close,
	.free = evkv__log_store_free,
	.counters = log_counters,
};
