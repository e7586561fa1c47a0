/*
 * stores/log/work.c - what the workers do with a batch of jobs.
 *
 * The writer: entries of all the jobs that wait gather and are written as one
 * group; what spans keys runs between groups, a piece at a time, and comes back
 * for the next piece behind what waits. Readers read. The keeper does one piece
 * of its work in each call.
 */
#include "stores/log/work.h"

#include <errno.h>
#include <stdio.h>

#define PIECE_ROWS 2048  /* entries that one piece of a removal looks at */
#define SWEEP_ROWS 65536 /* likewise, of what has expired */
#define BUFFER_KEPT ((size_t)1 << 20)

void evkv__log_job_fail(struct log_env *env, struct log_job *job,
    enum evkv_status status, int sys_error, const char *what)
{
	size_t i;

	evkv__file_fail(&job->failure, status, sys_error, "%s: %s",
	    env->config.path, what);
	for (i = 0; job->cells != NULL && i < job->base.request->count; i++) {
		evkv_value_unref(job->cells[i].value);
		job->cells[i] = (struct file_cell){ .status = status };
	}
}

static void job_errno(struct log_env *env, struct log_job *job, int code,
    const char *what)
{
	if (code == EBADMSG)
		evkv__log_job_fail(env, job, EVKV_CORRUPT, 0,
		    "a file is damaged; look with: evkv_log_check");
	else if (code != 0)
		evkv__log_job_fail(env, job, evkv__file_errno_status(code),
		    code, what);
}

/* One large value must not hold its memory for ever. */
static void buffer_trim(struct log_buffer *buffer)
{
	if (buffer->size <= BUFFER_KEPT)
		return;
	evkv_free(buffer->data);
	*buffer = (struct log_buffer){ .size = 0 };
}

/* ---- Reading ------------------------------------------------------------- */

static void read_job(struct log_worker *worker, struct log_job *job)
{
	const struct evkv_request *request = job->base.request;
	const struct log_read read = { .env = worker->env,
		.request = request,
		.now_ms = job->now_ms,
		.buffer = &worker->buffer,
		.failure = &job->failure };
	int code = 0;
	size_t i;

	if (request->kind == EVKV_OP_KEYS)
		code = evkv__log_keys(worker->env, request, job->span->position,
		    job->now_ms, &worker->buffer, &job->span->page);
	else if (request->kind == EVKV_OP_COLLECTIONS)
		code = evkv__log_collections(worker->env, request,
		    job->span->position, job->now_ms, &worker->buffer,
		    &job->span->page);
	job_errno(worker->env, job, code, "can't list");
	for (i = 0; job->cells != NULL && i < request->count; i++)
		evkv__log_read_cell(&read, i, &job->cells[i]);
}

void evkv__log_run_reader(struct evkv_job *jobs, void *arg)
{
	struct log_worker *worker = arg;

	for (; jobs != NULL; jobs = evkv_job_next(jobs))
		read_job(worker, (struct log_job *)jobs);
	buffer_trim(&worker->buffer);
}

/* ---- The writer ---------------------------------------------------------- */

/* One more piece. What earlier ones have removed can't be denied any more. */
static void write_removal(struct log_worker *worker, struct log_job *job)
{
	struct log_removal *removal = &job->span->removal;
	size_t rows = job->base.request->kind == EVKV_OP_PURGE_EXPIRED
	    ? SWEEP_ROWS
	    : PIECE_ROWS;

	if (!evkv__log_remove_some(worker, job->base.request, job->now_ms, rows,
		removal, &job->failure)) {
		if (removal->removed > 0)
			job->failure.status = EVKV_UNKNOWN_OUTCOME;
		return;
	}
	if (!removal->finished && job->task == LOG_OP &&
	    !evkv_job_stopped(&job->base.job))
		evkv_job_again(&job->base.job);
}

static void write_open(struct log_worker *worker, struct log_job *job)
{
	if (!evkv__log_open(worker->env, job->now_ms, &job->failure))
		return;
	if (worker->env->group == NULL && !evkv__log_group_new(worker->env)) {
		evkv__log_group_free(worker->env);
		evkv__log_close(worker->env);
		evkv__file_fail(&job->failure, EVKV_NOMEM, 0, "out of memory");
	}
}

static void write_special(struct log_worker *worker, struct log_job *job)
{
	struct log_env *env = worker->env;

	switch (job->task) {
	case LOG_OPEN: write_open(worker, job); return;
	case LOG_CLOSE:
		job_errno(env, job, evkv__log_close(env), "can't close");
		return;
	case LOG_FLUSH:
		job_errno(env, job, evkv__log_sync(env), "can't sync");
		return;
	default: break;
	}
	switch (job->base.request->kind) {
	case EVKV_OP_SYNC:
		job_errno(env, job, evkv__log_sync(env), "can't sync");
		return;
	case EVKV_OP_COMPACT:
		job_errno(env, job, evkv__log_roll(env), "can't end a file");
		job->span->up_to = __atomic_load_n(&env->numbered,
		    __ATOMIC_RELAXED);
		return;
	default: write_removal(worker, job);
	}
}

void evkv__log_run_writer(struct evkv_job *jobs, void *arg)
{
	struct log_worker *worker = arg;
	size_t count = 0, i;

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct log_job *job = (struct log_job *)jobs;

		if (job->cells == NULL) {
			evkv__log_group_commit(worker, worker->units, count);
			count = 0;
			write_special(worker, job);
			continue;
		}
		for (i = 0; i < job->base.request->count; i++) {
			if (count == LOG_GROUP_UNITS) {
				evkv__log_group_commit(worker, worker->units,
				    count);
				count = 0;
			}
			worker->units[count++] = (struct log_unit){ job, i };
		}
	}
	evkv__log_group_commit(worker, worker->units, count);
	buffer_trim(&worker->buffer);
}

/* ---- The keeper ---------------------------------------------------------- */

static void keep_piece(struct log_env *env, struct log_job *job, bool all)
{
	uint64_t copied = 0;
	int code;

	if (!all && evkv__log_keep(env))
		return;
	code = evkv__log_compact_piece(env, all, job->span->up_to, job->now_ms,
	    &copied, &job->finished);
	job->span->copied += copied;
	job_errno(env, job, code, "can't compact");
}

void evkv__log_run_keeper(struct evkv_job *jobs, void *arg)
{
	struct log_worker *worker = arg;

	/* Its syncs take no thread from the writer and the readers. */
	evkv_lane_relieve(worker->lane);
	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		struct log_job *job = (struct log_job *)jobs;

		keep_piece(worker->env, job, job->task == LOG_OP);
		if (job->task == LOG_OP && !job->finished &&
		    !evkv_job_stopped(&job->base.job))
			evkv_job_again(&job->base.job);
	}
}
