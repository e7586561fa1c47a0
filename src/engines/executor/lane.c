/*
 * engines/executor/lane.c - lanes and their jobs, on the loop's side.
 *
 * A job is WAITING until a worker claims it (TAKEN) or the loop withdraws it
 * (WITHDRAWN); whoever changes the state first wins. Either way it passes
 * through the lane in its turn and comes back, so its memory has one owner at
 * any time and nothing is taken out of the middle of a queue.
 *
 * Freeing a lane: withdraw what waits, tell what runs to stop, wait until the
 * worker has let go of the lane, then deliver everything from here. Inside
 * done() the memory is freed when that call has returned.
 */
#include "engines/executor/port.h"

#define LANE_BATCH_DEFAULT 64
#define LANE_JOBS_DEFAULT 100000

struct evkv_lane *evkv_lane_new_sized(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *given,
    size_t size, struct evkv_error *error)
{
	struct evkv_lane_config config;
	struct executor_port *port;
	struct evkv_lane *lane;

	if (!evkv_options_read(&config, sizeof(config), given, size, error))
		return NULL;
	if (loop == NULL || executor == NULL || config.run == NULL ||
	    config.done == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "a lane needs a loop, an executor, run and done");
		return NULL;
	}
	port = evkv__port_get(loop, executor);
	lane = evkv_calloc(1, sizeof(*lane));
	if (port == NULL || lane == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "no memory for a lane");
		evkv_free(lane);
		return NULL;
	}
	if (!evkv__executor_start(executor)) {
		evkv_error_set(error, EVKV_NOMEM, "no thread can be started");
		evkv_free(lane);
		return NULL;
	}
	lane->port = port;
	lane->config = config;
	if (lane->config.max_batch == 0)
		lane->config.max_batch = LANE_BATCH_DEFAULT;
	if (lane->config.max_jobs == 0)
		lane->config.max_jobs = LANE_JOBS_DEFAULT;
	return lane;
}

/* For job_fetch_ahead(). Those that are handed over are not touched. */
static void lane_remember(struct evkv_lane *lane, struct evkv_job *job)
{
	size_t count = lane->fresh.count;

	job->reserved[0] = NULL;
	if (count >= JOB_AHEAD)
		lane->recent[count % JOB_AHEAD]->reserved[0] = job;
	lane->recent[count % JOB_AHEAD] = job;
}

bool evkv_lane_submit(struct evkv_lane *lane, struct evkv_job *job)
{
	struct executor_port *port = lane->port;

	if (lane->out >= lane->config.max_jobs || lane->freed)
		return false;
	if (!lane->held)
		evkv_loop_hold(port->loop);
	lane->held = true;
	lane->out++;
	job->lane = lane;
	job->again = false;
	job->state = JOB_WAITING;
	lane_remember(lane, job);
	job_append(&lane->fresh, job);
	if (!lane->dirty) {
		lane->dirty = true;
		lane->next_dirty = port->dirty;
		port->dirty = lane;
		evkv_task_queue(port->loop, &port->handover);
	}
	return true;
}

size_t evkv_lane_jobs(const struct evkv_lane *lane)
{
	return lane->out;
}

/* Dispatch is not held any longer. */
static void lane_let_go(struct evkv_lane *lane)
{
	if (lane->held)
		evkv_loop_release(lane->port->loop);
	lane->held = false;
}

void evkv__lane_deliver(struct evkv_lane *lane, struct evkv_job *jobs,
    size_t count)
{
	lane->out -= count;
	lane->delivering++;
	lane->config.done(jobs, lane->config.arg);
	lane->delivering--;
	if (lane->delivering > 0)
		return;
	if (lane->freed)
		evkv_free(lane);
	else if (lane->out == 0)
		lane_let_go(lane);
}

/* ---- Jobs ---------------------------------------------------------------- */

static bool job_change(struct evkv_job *job, int from, int to)
{
	return __atomic_compare_exchange_n(&job->state, &from, to, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool evkv_job_withdraw(struct evkv_job *job)
{
	return job_change(job, JOB_WAITING, JOB_WITHDRAWN) ||
	    evkv_job_withdrawn(job);
}

bool evkv_job_withdrawn(const struct evkv_job *job)
{
	return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_WITHDRAWN;
}

void evkv_job_stop(struct evkv_job *job)
{
	job_change(job, JOB_TAKEN, JOB_STOPPED);
}

void evkv_job_cancel(struct evkv_job *job, struct evkv_op *op)
{
	if (evkv_job_withdraw(job))
		return;
	if (op != NULL)
		(void)evkv_op_mark_sent(op);
	evkv_job_stop(job);
}

bool evkv_job_stopped(const struct evkv_job *job)
{
	return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_STOPPED ||
	    __atomic_load_n(&job->lane->ending, __ATOMIC_ACQUIRE);
}

void evkv_job_again(struct evkv_job *job)
{
	job->again = true;
	job->lane->again = true;
}

/* ---- The end of a lane --------------------------------------------------- */

/* Off the list of those that have something to hand over. */
static void lane_undirty(struct evkv_lane *lane)
{
	struct evkv_lane **link = &lane->port->dirty;

	if (!lane->dirty)
		return;
	while (*link != lane)
		link = &(*link)->next_dirty;
	*link = lane->next_dirty;
	lane->dirty = false;
}

/* Off the executor's list, whose mutex is held. */
static void lane_unready(struct evkv_executor *executor, struct evkv_lane *lane)
{
	struct evkv_lane **link = &executor->ready, *before = NULL;

	if (!lane->ready)
		return;
	while (*link != lane) {
		before = *link;
		link = &(*link)->next_ready;
	}
	*link = lane->next_ready;
	if (executor->ready_last == lane)
		executor->ready_last = before;
	lane->ready = false;
}

/* Wait until no worker has the lane; what still waited goes to `left`. */
static void lane_stop(struct evkv_lane *lane, struct job_list *left)
{
	struct evkv_executor *executor = lane->port->executor;

	__atomic_store_n(&lane->ending, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&executor->mutex);
	lane_unready(executor, lane);
	while (lane->running)
		pthread_cond_wait(&executor->settled, &executor->mutex);
	job_move(left, &lane->queue);
	pthread_mutex_unlock(&executor->mutex);
	job_move(left, &lane->fresh);
}

/* Move the jobs of a lane from one list to another. */
static void lane_pick(const struct evkv_lane *lane, struct job_list *from,
    struct job_list *to)
{
	struct evkv_job *job = from->first, *next;
	struct job_list others = { NULL, NULL, 0 };

	for (; job != NULL; job = next) {
		next = job->next;
		job_append(job->lane == lane ? to : &others, job);
	}
	*from = others;
}

/* What has come back to the port, but was not delivered. */
static void lane_collect(struct evkv_lane *lane, struct job_list *back)
{
	struct executor_port *port = lane->port;

	lane_pick(lane, &port->back, back);
	pthread_mutex_lock(&port->mutex);
	lane_pick(lane, &port->finished, back);
	pthread_mutex_unlock(&port->mutex);
}

/* No worker has the lane: all that is out comes back. */
static void lane_give_back(struct evkv_lane *lane, struct job_list *left)
{
	struct job_list back = { NULL, NULL, 0 };
	struct evkv_job *job;

	for (job = left->first; job != NULL; job = job->next)
		job_change(job, JOB_WAITING, JOB_WITHDRAWN);
	lane_collect(lane, &back);
	job_move(&back, left);
	lane_let_go(lane);
	lane->freed = true;
	if (back.first != NULL)
		evkv__lane_deliver(lane, back.first, lane->out);
	else if (lane->delivering == 0)
		evkv_free(lane);
}

void evkv_lane_free(struct evkv_lane *lane)
{
	struct job_list left = { NULL, NULL, 0 };

	if (lane == NULL)
		return;
	lane_undirty(lane);
	lane_stop(lane, &left);
	lane_give_back(lane, &left);
}

/* ---- A lane that is stuck ------------------------------------------------ */

bool evkv_lane_relieve(struct evkv_lane *lane)
{
	struct evkv_executor *executor = lane->port->executor;
	bool relieved;

	pthread_mutex_lock(&executor->mutex);
	relieved = !lane->in_run || evkv__executor_relieve(executor, lane);
	pthread_mutex_unlock(&executor->mutex);
	return relieved;
}

void evkv__lane_release(struct evkv_lane *lane)
{
	void (*released)(void *arg) = lane->released;
	void *arg = lane->released_arg;

	/* The last thing that is done: whoever is told knows that all is. */
	evkv_free(lane);
	released(arg);
}

/* The worker releases the lane unless it has returned already. */
static void lane_delivered(struct evkv_lane *lane,
    struct evkv_executor *executor)
{
	bool running;

	pthread_mutex_lock(&executor->mutex);
	lane->delivered = true;
	running = lane->running;
	pthread_mutex_unlock(&executor->mutex);
	if (!running)
		evkv__lane_release(lane);
}

void evkv_lane_abandon(struct evkv_lane *lane, void (*released)(void *arg),
    void *arg)
{
	struct evkv_executor *executor = lane->port->executor;
	struct job_list left = { NULL, NULL, 0 }, back = { NULL, NULL, 0 };
	struct evkv_job *job;

	pthread_mutex_lock(&executor->mutex);
	if (!lane->in_run) {
		pthread_mutex_unlock(&executor->mutex);
		evkv_lane_free(lane);
		released(arg);
		return;
	}
	__atomic_store_n(&lane->ending, true, __ATOMIC_RELEASE);
	lane->released = released;
	lane->released_arg = arg;
	evkv__executor_leave(executor, lane);
	job_move(&left, &lane->taken);
	job_move(&left, &lane->skipped);
	job_move(&left, &lane->queue);
	/* From here on the worker touches neither lane nor jobs. */
	lane->abandoned = true;
	pthread_mutex_unlock(&executor->mutex);

	lane_undirty(lane);
	job_move(&left, &lane->fresh);
	for (job = left.first; job != NULL; job = job->next)
		job_change(job, JOB_WAITING, JOB_WITHDRAWN);
	lane_collect(lane, &back);
	job_move(&back, &left);
	lane_let_go(lane);
	lane->out = 0;
	lane->delivering++; /* it is freed by the worker, or here */
	lane->freed = true;
	if (back.first != NULL)
		lane->config.done(back.first, lane->config.arg);
	lane_delivered(lane, executor);
}
