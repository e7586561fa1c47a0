/*
 * disk: a store in a directory, on LMDB, by worker threads.
 *
 * The happy path: a keyed operation becomes a job, in the op's memory. Its keys
 * say which lane it must go to (dispatch.h): the writer's, where entries that wait
 * together are committed together, or a reader's. The worker fills in the job's
 * cells; back on the loop they become the op's answer. Remaining TTLs are
 * worked out here, by the loop's own clock, so that nothing is answered that
 * has expired on the way.
 *
 * Failure modes:
 *   not open yet      the op waits; deadlines and cancels end it without effect
 *   opening failed    what waits ends with the reason; a later op tries again,
 *                     at most once in RETRY_MS
 *   no room           NOSPACE for that entry, the others go on (group.c)
 *   a damaged entry   CORRUPT for it; a delete or a put mends it
 *   the disk fails    reads IO; writes UNKNOWN_OUTCOME, and LMDB is reopened
 *   cut off           a job that no worker has taken is withdrawn: no effect;
 *                     else a write is UNKNOWN_OUTCOME, and its job runs out
 */
#include "stores/disk/disk.h"

#define RETRY_MS 1000

enum evkv_verdict evkv__disk_op_fail(struct evkv_op *op,
    const struct file_failure *failure)
{
	enum evkv_cause cause = file_cause(failure);

	evkv_op_fail(op, failure->status, cause,
	    failure->message[0] != '\0' ? failure->message : NULL);
	evkv_op_explain(op, cause, failure->sys_error, failure->message);
	return EVKV_VERDICT_DONE;
}

/* ---- Answers ------------------------------------------------------------- */

static int64_t disk_wall_ms(struct disk_store *disk)
{
	return file_wall_ms(&disk->wall, disk->loop);
}

static void answer_keyed(struct disk_store *disk, struct disk_job *job)
{
	const struct evkv_request *request = job->base.request;
	int64_t now_ms = disk_wall_ms(disk);
	size_t i;

	for (i = 0; i < request->count; i++)
		evkv__file_cell_answer(job->base.op, request, i, &job->cells[i],
		    now_ms);
	if (job->failure.status != EVKV_OK)
		evkv_op_explain(job->base.op, file_cause(&job->failure),
		    job->failure.sys_error, job->failure.message);
	if (file_kind_reads(request->kind))
		return;
	evkv__disk_dirty(disk);
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_TTL) == 0)
		return;
	if (request->ttls_ms != NULL || request->ttl_ms != EVKV_TTL_NONE)
		evkv__disk_expiring(disk, disk->sweep_ms);
}

static void answer_page(struct disk_job *job)
{
	struct name_page *page = &job->span->page;
	size_t i;

	for (i = 0; i < page->count; i++) {
		if (!evkv_op_add_name(job->base.op, name_page_name(page, i)))
			return;
	}
	if (page->more)
		evkv_op_set_position(job->base.op, evkv__disk_vtable.name,
		    evkv_bytes(page->position, page->position_size));
}

static void answer_sync(struct disk_store *disk, struct disk_job *job)
{
	if (disk->unflushed.status == EVKV_OK)
		return;
	evkv__disk_op_fail(job->base.op, &disk->unflushed);
	disk->unflushed.status = EVKV_OK;
}

static void answer_span(struct disk_store *disk, struct disk_job *job)
{
	if (job->failure.status != EVKV_OK) {
		evkv__disk_op_fail(job->base.op, &job->failure);
		return;
	}
	switch (job->base.request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS: answer_page(job); break;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
		evkv_op_set_affected(job->base.op, job->span->removal.removed);
		evkv__disk_dirty(disk);
		break;
	case EVKV_OP_SYNC: answer_sync(disk, job); break;
	default: break;
	}
}

/* ---- Absent -------------------------------------------------------------- */

/* A lazy store whose directory is not there. */
static bool disk_absent(const struct disk_store *disk)
{
	return disk->state == DISK_FAILED &&
	    disk->failure.status == EVKV_NOT_FOUND;
}

static bool request_makes(const struct evkv_request *request)
{
	return request->kind == EVKV_OP_INCR ||
	    (request->kind == EVKV_OP_PUT &&
		request->condition != EVKV_IF_PRESENT &&
		request->condition != EVKV_IF_VERSION);
}

static void answer_absent(struct evkv_op *op,
    const struct evkv_request *request)
{
	size_t i;

	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = EVKV_NOT_FOUND;
}

/* ---- Coming back --------------------------------------------------------- */

/* The writer was left behind: what it had was not done, as far as we know. */
static bool disk_left(const struct disk_store *disk)
{
	return disk->env == NULL || evkv__disk_wait_left(disk->env);
}

static void finish_job(struct disk_store *disk, struct disk_job *job)
{
	struct evkv_op *op = job->base.op;
	struct disk_span *span = job->span;

	evkv__file_dispatch_leave(&disk->dispatch, &job->base);
	if (evkv_job_withdrawn(&job->base.job) || disk_left(disk))
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	else if (job->cells != NULL)
		answer_keyed(disk, job);
	else
		answer_span(disk, job);
	if (span != NULL)
		evkv__name_page_free(&span->page);
	evkv_op_complete(op);
}

void evkv__disk_done(struct evkv_job *jobs, void *arg)
{
	struct disk_worker *worker = arg;
	struct disk_store *disk = worker->owner;
	struct evkv_job *next;
	struct disk_job *job;

	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		job = (struct disk_job *)jobs;
		if (job->task != DISK_LEAVE)
			disk->out--;
		if (job->task == DISK_OP)
			finish_job(disk, job);
		else
			evkv__disk_own_done(disk, job);
	}
	evkv__disk_look(disk);
	evkv__file_dispatch_held(&disk->dispatch);
	evkv__disk_maybe_end(disk);
}

/*
 * Completing an op may submit more, which joins the end of the list, so that
 * nothing overtakes what is in it. If that starts another opening, the rest
 * waits for it.
 */
void evkv__disk_release_waiting(struct disk_store *disk)
{
	struct disk_job *job;

	while (disk->state != DISK_OPENING &&
	    (job = (struct disk_job *)disk->dispatch.waiting.first) != NULL) {
		if (disk_absent(disk) && request_makes(job->base.request)) {
			disk->env->config.lazy = false;
			evkv__disk_start(disk);
			return;
		}
		evkv__file_jobs_remove(&disk->dispatch.waiting, &job->base);
		if (disk_absent(disk))
			answer_absent(job->base.op, job->base.request);
		else if (disk->state != DISK_READY)
			evkv__disk_op_fail(job->base.op, &disk->failure);
		else if (job->base.request->kind != EVKV_OP_PING &&
		    evkv__file_dispatch(&disk->dispatch, &job->base))
			continue;
		evkv_op_complete(job->base.op);
	}
}

/* ---- The slots ----------------------------------------------------------- */

/* Read here and now. false: it takes a worker after all. */
static bool inline_read(struct disk_store *disk, struct evkv_op *op,
    const struct evkv_request *request)
{
	int64_t now_ms = disk_wall_ms(disk);
	struct file_failure failure;
	struct file_cell cell;
	struct disk_view view;
	size_t i;

	if (!evkv__file_dispatch_free(&disk->dispatch, request) ||
	    evkv__disk_view_try(disk->env, &disk->env->here, &view) != 0)
		return false;
	if (!disk->env->here.looked) {
		disk->env->here.looked = true;
		evkv_task_queue(disk->loop, &disk->look_task);
	}
	failure.status = EVKV_OK;
	for (i = 0; i < request->count; i++) {
		cell.value = NULL;
		evkv__disk_read_cell(&view, request, i, now_ms, &cell,
		    &failure);
		evkv__file_cell_answer(op, request, i, &cell, now_ms);
	}
	evkv__disk_view_end(&view);
	if (failure.status != EVKV_OK)
		evkv_op_explain(op, file_cause(&failure), failure.sys_error,
		    failure.message);
	return true;
}

/* A put into a full store; true: it is refused, without a worker. */
static bool inline_refusal(struct disk_store *disk, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct file_failure failure;
	size_t size = DISK_ROW_HEAD;

	if (request->count != 1 || request->condition != EVKV_IF_ANY)
		return false;
	size += request->keys[0].size + request_value(request, 0).size;
	if (!evkv__disk_space_full_try(disk->env,
		evkv__disk_space_pages(disk->env, size)) ||
	    !evkv__file_dispatch_free(&disk->dispatch, request))
		return false;
	evkv__disk_code_fail(disk->env, DISK_FULL, "can't write an entry",
	    &failure);
	evkv_op_entry(op, 0)->status = failure.status;
	evkv_op_explain(op, file_cause(&failure), 0, failure.message);
	return true;
}

/* The job of an op, in its memory; NULL = none, and the op has failed. */
static struct disk_job *make_job(struct evkv_op *op)
{
	const struct evkv_request *request;
	struct disk_job *job;
	size_t size;

	job = evkv_op_keep(op) ? evkv_op_alloc(op, sizeof(*job)) : NULL;
	if (job == NULL) {
		evkv_op_nomem(op);
		return NULL;
	}
	memset(job, 0, offsetof(struct disk_job, failure));
	job->failure.status = EVKV_OK;
	job->span = NULL;
	job->base.op = op;
	job->base.request = request = evkv_op_request(op);
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) != 0) {
		size = request->count * sizeof(*job->cells);
		job->cells = request->count == 1 ? &job->one_cell
						 : evkv_op_alloc(op, size);
		if (job->cells != NULL)
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
	size_t most = request->kind == EVKV_OP_KEYS
	    ? DISK_ROW_KEY_MAX - DISK_ID_SIZE
	    : DISK_NAME_KEY_MAX;

	*position = EVKV_LIT("");
	if (request->match.cursor.size == 0)
		return true;
	return evkv_cursor_open(request, evkv__disk_vtable.name, position) &&
	    position->size > 0 && position->size <= most;
}

/* Nothing to be done by a worker? */
static bool done_at_once(struct disk_store *disk, struct evkv_op *op,
    const struct evkv_request *request)
{
	if (disk->state != DISK_READY)
		return false;
	switch (request->kind) {
	case EVKV_OP_PING: return true;
	case EVKV_OP_SYNC:
		/* What was acknowledged is durable. */
		return disk->env->config.durability == DISK_FULL_SYNC;
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_EXISTS:
		return disk->inline_reads && inline_read(disk, op, request);
	case EVKV_OP_PUT: return inline_refusal(disk, op, request);
	default: return false;
	}
}

static enum evkv_verdict disk_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct disk_store *disk = self;
	struct evkv_slice position = EVKV_LIT("");
	bool first = disk->dispatch.waiting.first == NULL;
	struct disk_job *job;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_PAGES) != 0 &&
	    !position_ok(request, &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not of this store and query");
	if (first && done_at_once(disk, op, request))
		return EVKV_VERDICT_DONE;
	if (first && disk_absent(disk) && request_makes(request)) {
		disk->env->config.lazy = false;
		evkv__disk_start(disk);
	} else if (disk->state == DISK_FAILED) {
		if (evkv_loop_now_ms(disk->loop) - disk->failed_ms >= RETRY_MS)
			evkv__disk_start(disk);
		else if (!disk_absent(disk))
			return evkv__disk_op_fail(op, &disk->failure);
	}
	if (first && disk_absent(disk)) {
		answer_absent(op, request);
		return EVKV_VERDICT_DONE;
	}
	job = make_job(op);
	if (job == NULL)
		return EVKV_VERDICT_DONE;
	if (position.size > 0)
		position_ok(job->base.request, &job->position);
	if (disk->state != DISK_READY || !first) {
		evkv__file_jobs_append(&disk->dispatch.waiting, &job->base);
		return EVKV_VERDICT_PENDING;
	}
	return evkv__file_dispatch(&disk->dispatch, &job->base)
	    ? EVKV_VERDICT_PENDING
	    : EVKV_VERDICT_DONE;
}

static void disk_stop(void *self, struct evkv_op *op)
{
	evkv__file_dispatch_stop(&((struct disk_store *)self)->dispatch, op);
}

static void disk_counters(void *self, struct evkv_counters *counters)
{
	struct disk_store *disk = self;

	if (disk->env == NULL)
		return;
	counters->entries = __atomic_load_n(&disk->env->count,
	    __ATOMIC_RELAXED);
	counters->bytes = __atomic_load_n(&disk->env->bytes, __ATOMIC_RELAXED);
}

const struct evkv_vtable evkv__disk_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "disk",
	.submit = disk_submit,
	.stop = disk_stop,
	.close = evkv__disk_close,
	.free = evkv__disk_free,
	.counters = disk_counters,
};
