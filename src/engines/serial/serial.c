/*
 * engines/serial/serial.c - the operations of a store with one worker.
 *
 * The happy path: an operation becomes a job, in the op's memory, and goes into
 * the lane; the worker fills in the job's cells or its page; back on the loop
 * they become the op's answer (answer.c).
 *
 * Failure modes:
 *   not open yet      the op waits; deadlines and cancels end it without effect
 *   opening failed    what waits ends with the reason; a later op tries again,
 *                     at most once in RETRY_MS
 *   cut off           a job that the worker has not taken is withdrawn: no
 *                     effect; else a write is UNKNOWN_OUTCOME, and its job runs
 *                     out
 */
#include "engines/serial/serial.h"

#define RETRY_MS 1000

enum evkv_verdict evkv__serial_op_fail(struct evkv_op *op,
    const struct file_failure *failure)
{
	enum evkv_cause cause = file_cause(failure);

	evkv_op_fail(op, failure->status, cause,
	    failure->message[0] != '\0' ? failure->message : NULL);
	evkv_op_explain(op, cause, failure->sys_error, failure->message);
	return EVKV_VERDICT_DONE;
}

/* ---- Jobs ---------------------------------------------------------------- */

/* The cells of a job's keys, or none; false = no memory. */
static bool serial_make_cells(struct evkv_op *op, struct serial_job *job)
{
	size_t size = job->request->count * sizeof(*job->cells);

	if ((evkv_kind_classes(job->request->kind) & EVKV_CLASS_HAS_KEYS) == 0)
		return true;
	job->cells = job->request->count == 1 ? &job->one_cell
					      : evkv_op_alloc(op, size);
	if (job->cells == NULL)
		return false;
	memset(job->cells, 0, size);
	return true;
}

/* The job of an op, in its memory; NULL = none, and the op has failed. */
static struct serial_job *serial_make_job(struct evkv_op *op)
{
	struct serial_job *job = evkv_op_keep(op)
	    ? evkv_op_alloc(op, sizeof(*job))
	    : NULL;

	if (job != NULL) {
		memset(job, 0, offsetof(struct serial_job, failure.message));
		job->failure.message[0] = '\0';
		memset(&job->page, 0,
		    sizeof(*job) - offsetof(struct serial_job, page));
		job->op = op;
		job->request = evkv_op_request(op);
	}
	if (job == NULL || !serial_make_cells(op, job)) {
		evkv_op_nomem(op);
		return NULL;
	}
	evkv_op_set_data(op, job);
	return job;
}

static void serial_remove(struct serial_store *serial, struct serial_job *job)
{
	TAILQ_REMOVE(&serial->waiting, job, link);
	job->waits = false;
}

/* true: it is out. false: the op has failed. */
static bool serial_dispatch_op(struct serial_store *serial,
    struct serial_job *job)
{
	if (evkv__serial_dispatch(serial, job))
		return true;
	evkv_op_fail(job->op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD, NULL);
	return false;
}

/* ---- Coming back --------------------------------------------------------- */

static void serial_finish(struct serial_store *serial, struct serial_job *job)
{
	if (job->walk != NULL)
		serial->type->free_walk(job);
	job->walk = NULL;
	if (evkv_job_withdrawn(&job->job))
		evkv_op_cut(job->op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	else
		evkv__serial_answer(serial, job);
	evkv__name_page_free(&job->page);
	evkv_op_complete(job->op);
}

void evkv__serial_done(struct evkv_job *jobs, void *arg)
{
	struct serial_store *serial = arg;
	struct evkv_job *next;
	struct serial_job *job;

	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		job = (struct serial_job *)jobs;
		serial->out--;
		if (job->task == SERIAL_OP)
			serial_finish(serial, job);
		else
			evkv__serial_own_done(serial, job);
	}
	evkv__serial_maybe_end(serial);
}

/*
 * Completing an op may submit more, which joins the end of the list, so that
 * nothing overtakes what is in it.
 */
void evkv__serial_release_waiting(struct serial_store *serial)
{
	struct serial_job *job;

	while (serial->state != SERIAL_OPENING &&
	    (job = TAILQ_FIRST(&serial->waiting)) != NULL) {
		/* There may be memory again, for one that came later. */
		if (serial->state == SERIAL_FAILED && !job->tried &&
		    serial->failure.status == EVKV_NOMEM) {
			evkv__serial_start(serial);
			return;
		}
		serial_remove(serial, job);
		if (serial->state != SERIAL_READY)
			evkv__serial_op_fail(job->op, &serial->failure);
		else if (job->request->kind != EVKV_OP_PING &&
		    serial_dispatch_op(serial, job))
			continue;
		evkv_op_complete(job->op);
	}
}

/* ---- The slots ----------------------------------------------------------- */

/* Nothing to be done by the worker? */
static bool serial_done_at_once(const struct serial_store *serial,
    const struct evkv_request *request)
{
	if (serial->state != SERIAL_READY || !TAILQ_EMPTY(&serial->waiting))
		return false;
	return request->kind == EVKV_OP_PING ||
	    request->kind == EVKV_OP_COMPACT ||
	    (request->kind == EVKV_OP_SYNC && serial->durable);
}

static bool serial_may_retry(const struct serial_store *serial)
{
	return serial->failure.status == EVKV_NOMEM ||
	    evkv_loop_now_ms(serial->loop) - serial->failed_ms >= RETRY_MS;
}

enum evkv_verdict evkv__serial_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct serial_store *serial = self;
	const char *name = serial->type->vtable->name;
	struct evkv_slice position = EVKV_LIT("");
	struct serial_job *job;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_PAGES) != 0 &&
	    !evkv_cursor_open(request, name, &position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not of this store and query");
	if (serial_done_at_once(serial, request))
		return EVKV_VERDICT_DONE;
	if (serial->state == SERIAL_FAILED) {
		if (!serial_may_retry(serial))
			return evkv__serial_op_fail(op, &serial->failure);
		evkv__serial_start(serial);
	}
	job = serial_make_job(op);
	if (job == NULL)
		return EVKV_VERDICT_DONE;
	if (position.size > 0)
		evkv_cursor_open(job->request, name, &job->position);
	if (serial->state != SERIAL_READY || !TAILQ_EMPTY(&serial->waiting)) {
		TAILQ_INSERT_TAIL(&serial->waiting, job, link);
		job->waits = true;
		return EVKV_VERDICT_PENDING;
	}
	return serial_dispatch_op(serial, job) ? EVKV_VERDICT_PENDING
					       : EVKV_VERDICT_DONE;
}

void evkv__serial_stop(void *self, struct evkv_op *op)
{
	struct serial_store *serial = self;
	struct serial_job *job = evkv_op_data(op);

	if (job->waits) {
		serial_remove(serial, job);
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
		evkv_op_complete(op);
		return;
	}
	evkv_job_cancel(&job->job, op);
}
