/*
 * stores/disk/work.c - what the workers do with a batch of jobs.
 *
 * Readers: one read transaction for the batch, values copied once into counted
 * ones. The writer: entries of all the jobs gather in groups, each committed as
 * one transaction; what spans keys runs between groups, a piece at a time,
 * coming back for the next piece behind what waits.
 */
#include "stores/disk/work.h"

#include <time.h>

#define PIECE_ROWS 4096 /* rows that one piece of a removal looks at */
#define LEAVE_MS 100    /* the writer may wait so long for its lock */
#define LEAVE_STEP_MS 2

void evkv__disk_job_fail(struct disk_job *job, enum evkv_status status,
    int code, const struct disk_env *env)
{
	size_t i;

	evkv__disk_code_fail(env, code, "failed", &job->failure);
	job->failure.status = status;
	for (i = 0; job->cells != NULL && i < job->base.request->count; i++) {
		evkv_value_unref(job->cells[i].value);
		job->cells[i] = (struct file_cell){ .status = status };
	}
}

/* ---- Reading ------------------------------------------------------------- */

void evkv__disk_read_cell(struct disk_view *view,
    const struct evkv_request *request, size_t index, int64_t now_ms,
    struct file_cell *cell, struct file_failure *failure)
{
	bool whole = request->kind != EVKV_OP_EXISTS;
	struct disk_row row;
	int code = evkv__disk_get(view, request->collection,
	    request->keys[index], now_ms, whole, &row);

	evkv_value_unref(cell->value);
	*cell = (struct file_cell){ .status = EVKV_OK };
	if (code == MDB_NOTFOUND) {
		cell->status = EVKV_NOT_FOUND;
		return;
	}
	if (code != 0) {
		cell->status = evkv__disk_code_status(code);
		evkv__disk_code_fail(view->env, code, "can't read an entry",
		    failure);
		return;
	}
	cell->expires_ms = row.expires_ms;
	cell->version = evkv_version_counted(view->env->instance, row.version);
	if (!whole)
		return;
	cell->value = evkv_value_new(row.value);
	if (cell->value == NULL)
		cell->status = EVKV_NOMEM;
}

static void work_read(struct disk_view *view, struct disk_job *job)
{
	const struct evkv_request *request = job->base.request;
	int code = 0;
	size_t i;

	if (request->kind == EVKV_OP_KEYS)
		code = evkv__disk_keys(view, request, job->position,
		    job->now_ms, &job->span->page);
	else if (request->kind == EVKV_OP_COLLECTIONS)
		code = evkv__disk_collections(view, request, job->position,
		    job->now_ms, &job->span->page);
	if (code != 0)
		evkv__disk_job_fail(job, evkv__disk_code_status(code), code,
		    view->env);
	for (i = 0; job->cells != NULL && i < request->count; i++)
		disk_job_read(view, job, i);
}

/*
 * Watch the writer while the store is closing: if it waits for another
 * process's lock, leave it behind. What it had committed with durability=os is
 * brought to the disk, for nobody will close the environment before that lock
 * is got. Comes back soon, to be asked once more.
 */
static void work_leave(struct disk_env *env, struct disk_job *job)
{
	const struct timespec step = { 0, LEAVE_STEP_MS * 1000000 };
	int waited;

	for (waited = 0; waited < LEAVE_MS && !evkv_job_stopped(&job->base.job);
	     waited += LEAVE_STEP_MS) {
		if (evkv__disk_wait_ms(env, true) >= LEAVE_MS)
			break;
		nanosleep(&step, NULL);
	}
	if (evkv__disk_wait_ms(env, true) >= LEAVE_MS &&
	    evkv__disk_wait_leave(env) &&
	    env->config.durability == DISK_OS_SYNC)
		evkv__disk_env_sync(env);
}

static void work_read_all(struct disk_worker *worker, struct evkv_job *jobs)
{
	struct disk_view view;
	int code = evkv__disk_view_begin(worker->env, &worker->reader, &view);

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct disk_job *job = (struct disk_job *)jobs;

		if (job->task != DISK_OP)
			continue;
		if (code == 0)
			work_read(&view, job);
		else
			evkv__disk_job_fail(job, evkv__disk_code_status(code),
			    code, worker->env);
	}
	if (code == 0)
		evkv__disk_view_end(&view);
}

void evkv__disk_run_readers(struct evkv_job *jobs, void *arg)
{
	struct disk_worker *worker = arg;
	struct disk_job *job = (struct disk_job *)jobs;

	if (job->task == DISK_OP)
		work_read_all(worker, jobs);
	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		job = (struct disk_job *)jobs;
		if (job->task == DISK_LEAVE)
			work_leave(worker->env, job);
	}
}

/* ---- Removing ------------------------------------------------------------ */

/* One transaction; a failed one leaves the removal as it was. */
static int work_piece(struct disk_worker *worker, struct disk_job *job,
    size_t rows, bool *in_doubt)
{
	struct disk_removal before = job->span->removal;
	struct disk_view view;
	int code = evkv__disk_write_begin(worker->env, &view);

	if (code != 0)
		return code;
	code = evkv__disk_remove_some(&view, job->base.request, job->now_ms,
	    rows, &job->span->removal);
	if (code == 0) {
		code = evkv__disk_write_commit(&view);
		*in_doubt = evkv__disk_env_in_doubt(worker->env, code);
	} else {
		evkv__disk_write_abort(&view);
	}
	if (code != 0)
		job->span->removal = before;
	return code;
}

/* Nothing due: no write transaction, whose begin and end would cost a sync. */
static bool work_nothing_due(struct disk_worker *worker, struct disk_job *job)
{
	struct disk_removal *removal = &job->span->removal;
	struct disk_view view;
	bool due = true;

	if (job->base.request->kind != EVKV_OP_PURGE_EXPIRED ||
	    evkv__disk_view_begin(worker->env, &worker->reader, &view) != 0)
		return false;
	if (evkv__disk_expiry_peek(&view, job->now_ms, &due,
		&removal->next_ms) != 0)
		due = true;
	evkv__disk_view_end(&view);
	return !due;
}

/* One more piece. What earlier ones have removed can't be denied any more. */
static void work_remove(struct disk_worker *worker, struct disk_job *job)
{
	struct file_failure ignored;
	bool in_doubt = false, unknown;
	size_t rows = PIECE_ROWS;
	int code;

	if (work_nothing_due(worker, job))
		return;
	do {
		evkv__disk_space_begin(worker->env, 0);
		code = work_piece(worker, job, rows, &in_doubt);
		rows /= 4;
	} while (disk_code_is_full(code) && rows > 0);
	if (code == DISK_LEFT)
		return;
	if (code == 0) {
		if (!job->span->removal.finished &&
		    !evkv_job_stopped(&job->base.job))
			evkv_job_again(&job->base.job);
		return;
	}
	unknown = in_doubt || job->span->removal.removed > 0;
	evkv__disk_job_fail(job,
	    unknown ? EVKV_UNKNOWN_OUTCOME : evkv__disk_code_status(code), code,
	    worker->env);
	if (in_doubt)
		evkv__disk_env_reopen(worker->env, &ignored);
}

/* ---- The writer ---------------------------------------------------------- */

/* All that is the job's may be gone when the writer was left behind. */
static void work_backup(struct disk_env *env, struct disk_job *job)
{
	struct file_failure failure = { .status = EVKV_OK };
	char *path = evkv_strdup(job->path);

	if (path == NULL)
		evkv__file_fail(&failure, EVKV_NOMEM, 0, "out of memory");
	else
		evkv__disk_env_backup(env, path, false, &failure);
	if (!evkv__disk_wait_left(env))
		job->failure = failure;
	evkv_free(path);
}

static void work_special(struct disk_worker *worker, struct disk_job *job)
{
	struct disk_env *env = worker->env;
	int code = 0;

	if (job->task == DISK_OPEN) {
		evkv__disk_env_open(env, &job->failure);
	} else if (job->task == DISK_BACKUP) {
		work_backup(env, job);
	} else if (job->task == DISK_CLOSE) {
		if (env->lmdb != NULL && env->config.durability == DISK_OS_SYNC)
			code = evkv__disk_env_sync(env);
		evkv__disk_env_close(env);
	} else if (job->task == DISK_FLUSH ||
	    job->base.request->kind == EVKV_OP_SYNC) {
		code = evkv__disk_env_sync(env);
	} else if (job->base.request->kind == EVKV_OP_COMPACT) {
		evkv__disk_env_compact(env, &job->failure);
	} else {
		work_remove(worker, job);
	}
	if (code != 0)
		evkv__disk_job_fail(job, evkv__disk_code_status(code), code,
		    env);
}

static size_t work_unit_bytes(const struct disk_job *job, size_t index)
{
	return job->base.request->kind == EVKV_OP_PUT
	    ? disk_job_value(job, index).size
	    : 0;
}

void evkv__disk_run_writer(struct evkv_job *jobs, void *arg)
{
	struct disk_worker *worker = arg;
	size_t count = 0, bytes = 0, i;

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct disk_job *job = (struct disk_job *)jobs;

		if (job->cells == NULL) {
			evkv__disk_group_commit(worker, worker->units, count);
			count = bytes = 0;
			if (!evkv__disk_wait_left(worker->env))
				work_special(worker, job);
			if (evkv__disk_wait_left(worker->env))
				return;
			continue;
		}
		for (i = 0; i < job->base.request->count; i++) {
			size_t size = work_unit_bytes(job, i);

			if (count == DISK_GROUP_UNITS ||
			    (count > 0 && bytes + size > DISK_GROUP_BYTES)) {
				evkv__disk_group_commit(worker, worker->units,
				    count);
				count = bytes = 0;
				if (evkv__disk_wait_left(worker->env))
					return;
			}
			worker->units[count++] = (struct disk_unit){ job, i };
			bytes += size;
		}
	}
	evkv__disk_group_commit(worker, worker->units, count);
}
