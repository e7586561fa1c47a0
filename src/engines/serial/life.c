/*
 * engines/serial/life.c - opening, the work of its own, and closing of a store
 * with one worker.
 *
 * Closing: timers are cancelled; every op has been reported already, so what is
 * left are jobs that the worker has taken. When the last of them is back the
 * files are closed by a job; when that is back the lane is freed, which no
 * longer waits for anything, and the store has ended.
 */
#include "engines/serial/serial.h"

#include <time.h>

static const struct evkv_request life_purge = { .kind = EVKV_OP_PURGE_EXPIRED };
static const struct evkv_request life_sync = { .kind = EVKV_OP_SYNC };

bool evkv__serial_dispatch(struct serial_store *serial, struct serial_job *job)
{
	job->now_ms = file_wall_ms(&serial->wall, serial->loop);
	if (!evkv_lane_submit(serial->lane, &job->job))
		return false;
	serial->out++;
	return true;
}

static void life_submit_own(struct serial_store *serial, struct serial_job *job,
    enum serial_task task)
{
	*job = (struct serial_job){ .task = task,
		.request = task == SERIAL_FLUSH ? &life_sync : &life_purge };
	evkv__serial_dispatch(serial, job);
}

/* ---- The worker ---------------------------------------------------------- */

/* Open and close come alone: nothing else is out then. */
static void life_run(struct evkv_job *jobs, void *arg)
{
	struct serial_store *serial = arg;
	struct serial_job *job = (struct serial_job *)jobs;

	if (job->task == SERIAL_OPEN)
		serial->type->open(serial, &job->failure);
	else if (job->task == SERIAL_CLOSE)
		serial->type->close(serial, &job->failure);
	else
		serial->type->run(serial, job);
}

#define WAIT_MS 10000
#define WAIT_STEP_MS 2

static int64_t life_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool evkv__serial_wait(const struct serial_store *serial, int64_t *since_ms)
{
	const struct timespec step = { 0, WAIT_STEP_MS * 1000000 };
	int64_t now_ms = life_clock_ms();

	if (*since_ms == 0) {
		*since_ms = now_ms;
		evkv_lane_relieve(serial->lane);
	}
	if (serial_stopping(serial) || now_ms - *since_ms >= WAIT_MS)
		return false;
	nanosleep(&step, NULL);
	return true;
}

/* ---- Opening ------------------------------------------------------------- */

void evkv__serial_start(struct serial_store *serial)
{
	struct serial_job *job;

	serial->state = SERIAL_OPENING;
	TAILQ_FOREACH(job, &serial->waiting, link)
	{
		job->tried = true;
	}
	life_submit_own(serial, &serial->open_job, SERIAL_OPEN);
}

static void life_down(struct serial_store *serial,
    const struct file_failure *failure)
{
	serial->state = SERIAL_FAILED;
	serial->failure = *failure;
	serial->failed_ms = evkv_loop_now_ms(serial->loop);
	evkv_loop_log(serial->loop, EVKV_LOG_ERROR, "%s: %s",
	    serial->type->vtable->name, failure->message);
	evkv_store_set_state(serial->store, EVKV_STATE_DOWN,
	    file_cause(failure), failure->message);
}

static void life_opened(struct serial_store *serial)
{
	if (serial->state == SERIAL_ENDING)
		return;
	if (serial->open_job.failure.status == EVKV_OK) {
		serial->state = SERIAL_READY;
		evkv_store_set_state(serial->store, EVKV_STATE_READY,
		    EVKV_CAUSE_NONE, NULL);
		evkv__serial_wrote(serial, true);
	} else {
		life_down(serial, &serial->open_job.failure);
	}
	evkv__serial_release_waiting(serial);
}

/* ---- Work of its own ----------------------------------------------------- */

/* Without memory for a timer the next write tries again. */
void evkv__serial_wrote(struct serial_store *serial, bool expires)
{
	serial->dirty = true;
	serial->ttls |= expires;
	if (serial->state != SERIAL_READY)
		return;
	if (serial->ttls && serial->sweep_ms > 0 &&
	    serial->sweep_timer.position == 0)
		evkv_timer_set(serial->loop, &serial->sweep_timer,
		    serial->sweep_ms);
	if (serial->sync_ms > 0 && serial->flush_timer.position == 0)
		evkv_timer_set(serial->loop, &serial->flush_timer,
		    serial->sync_ms);
}

static bool life_is_out(const struct serial_job *job)
{
	return job->request != NULL;
}

static void life_sweep(void *arg)
{
	struct serial_store *serial = arg;

	if (life_is_out(&serial->sweep_job) || serial->state != SERIAL_READY)
		return;
	serial->ttls = false;
	life_submit_own(serial, &serial->sweep_job, SERIAL_SWEEP);
}

static void life_swept(struct serial_store *serial)
{
	struct serial_job *job = &serial->sweep_job;

	if (job->walk != NULL)
		serial->type->free_walk(job);
	if (job->failure.status != EVKV_OK)
		evkv_loop_log(serial->loop, EVKV_LOG_WARNING, "%s: sweep: %s",
		    serial->type->vtable->name, job->failure.message);
	job->request = NULL;
	if (job->ttls || job->failure.status != EVKV_OK)
		evkv__serial_wrote(serial, true);
}

static void life_flush(void *arg)
{
	struct serial_store *serial = arg;

	if (life_is_out(&serial->flush_job) || !serial->dirty ||
	    serial->state != SERIAL_READY)
		return;
	serial->dirty = false;
	life_submit_own(serial, &serial->flush_job, SERIAL_FLUSH);
}

/*
 * The system tells of it once and then forgets what it could not write: a sync
 * that comes after would go well.
 */
static void life_flushed(struct serial_store *serial)
{
	struct serial_job *job = &serial->flush_job;

	job->request = NULL;
	if (job->failure.status != EVKV_OK) {
		serial->unflushed = job->failure;
		evkv_loop_log(serial->loop, EVKV_LOG_ERROR, "%s: flush: %s",
		    serial->type->vtable->name, job->failure.message);
	}
	if (serial->dirty)
		evkv__serial_wrote(serial, false);
}

/* What fails now has nobody else to be reported to. */
static void life_closed(struct serial_store *serial)
{
	serial->state = SERIAL_ENDED;
	if (serial->close_job.failure.status != EVKV_OK)
		evkv_loop_log(serial->loop, EVKV_LOG_ERROR, "%s: close: %s",
		    serial->type->vtable->name,
		    serial->close_job.failure.message);
}

void evkv__serial_own_done(struct serial_store *serial, struct serial_job *job)
{
	switch (job->task) {
	case SERIAL_OPEN: life_opened(serial); break;
	case SERIAL_SWEEP: life_swept(serial); break;
	case SERIAL_FLUSH: life_flushed(serial); break;
	default: life_closed(serial); break;
	}
}

/* ---- Closing ------------------------------------------------------------- */

static void life_free_lane(struct serial_store *serial)
{
	struct evkv_lane *lane = serial->lane;

	serial->lane = NULL;
	evkv_lane_free(lane);
}

void evkv__serial_maybe_end(struct serial_store *serial)
{
	if (serial->state < SERIAL_ENDING || serial->out > 0 ||
	    serial->lane == NULL)
		return;
	if (serial->state == SERIAL_ENDING) {
		life_submit_own(serial, &serial->close_job, SERIAL_CLOSE);
		return;
	}
	life_free_lane(serial);
	evkv_store_closed(serial->store);
}

void evkv__serial_close(void *self)
{
	struct serial_store *serial = self;

	evkv_timer_cancel(serial->loop, &serial->sweep_timer);
	evkv_timer_cancel(serial->loop, &serial->flush_timer);
	serial->state = SERIAL_ENDING;
	__atomic_store_n(&serial->stop, true, __ATOMIC_RELAXED);
	if (life_is_out(&serial->sweep_job))
		evkv_job_cancel(&serial->sweep_job.job, NULL);
	evkv__serial_maybe_end(serial);
}

void evkv__serial_free(void *self)
{
	struct serial_store *serial = self;

	life_free_lane(serial);
	serial->type->free(self);
}

/* ---- Making -------------------------------------------------------------- */

bool evkv__serial_url_ok(const struct evkv_url *url, struct evkv_error *error)
{
	if (url->host[0] == '\0' && url->port == 0 && url->user[0] == '\0' &&
	    !url->has_password)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "URL: %s: takes a path and no host: %s:/var/lib/x", url->scheme,
	    url->scheme);
	return false;
}

static bool life_init(struct serial_store *serial,
    const struct serial_options *options, struct evkv_error *error)
{
	struct evkv_executor *executor = options->executor;

	serial->durable = options->durable;
	serial->sweep_ms = options->sweep_ms;
	serial->sync_ms = options->sync_ms;
	serial->sweep_timer.run = life_sweep;
	serial->sweep_timer.arg = serial;
	serial->flush_timer.run = life_flush;
	serial->flush_timer.arg = serial;
	TAILQ_INIT(&serial->waiting);
	if (executor == NULL)
		executor = evkv_loop_executor(serial->loop, error);
	if (executor == NULL)
		return false;
	serial->lane = evkv_lane_new(serial->loop, executor,
	    &(struct evkv_lane_config){ .run = life_run,
		.done = evkv__serial_done,
		.arg = serial,
		.max_batch = SERIAL_BATCH,
		.max_jobs = SIZE_MAX },
	    error);
	return serial->lane != NULL;
}

struct evkv_store *evkv__serial_new(struct evkv_loop *loop,
    const struct serial_type *type, struct serial_store *serial,
    const struct serial_options *options, struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.capabilities = options->capabilities,
		.max_pending = options->max_pending,
		.max_pending_bytes = options->max_pending_bytes,
		.timeout_ms = options->timeout_ms,
	};
	struct evkv_store *store;

	serial->type = type;
	serial->loop = loop;
	if (!life_init(serial, options, error)) {
		evkv_error_set(error, EVKV_NOMEM, "%s: out of memory",
		    type->vtable->name);
		evkv__serial_free(serial);
		return NULL;
	}
	store = evkv_store_create(loop, type->vtable, serial, &config, error);
	if (store == NULL)
		return NULL;
	serial->store = store;
	evkv__serial_start(serial);
	return store;
}
