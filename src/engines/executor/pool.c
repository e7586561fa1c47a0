/*
 * engines/executor/pool.c - the worker threads.
 *
 * A lane with waiting jobs is on the list of ready lanes, once, unless a worker
 * has jobs of it. A worker takes the first lane and a batch of its jobs; if
 * another lane is ready and another worker sleeps, it wakes that one, who does
 * the same. So a handover costs one wake-up however many lanes it brings, and
 * more workers run only where there is more to do.
 *
 * Ending: the last reference goes when no lane is left, so nothing is queued;
 * `stopping` is set, every worker is woken and joined. A thread that can't be
 * started is done without, as long as there is one. Tools such as top show them
 * by name.
 *
 * A lane whose run() waits for something outside may be relieved: one thread
 * more is started, and one ends when that run() returns. If nobody waits for it
 * any more, its thread is taken off the list of those that are joined, holds a
 * reference of its own, and ends when run() returns.
 */
#include "engines/executor/executor.h"

#include <signal.h>
#include <string.h>

#define POOL_THREADS_DEFAULT 2

void evkv__executor_ready(struct evkv_executor *executor,
    struct evkv_lane *lane)
{
	if (lane->ready || lane->running || lane->queue.first == NULL)
		return;
	lane->ready = true;
	lane->next_ready = NULL;
	if (executor->ready_last != NULL)
		executor->ready_last->next_ready = lane;
	else
		executor->ready = lane;
	executor->ready_last = lane;
}

static bool pool_wanted(const struct evkv_executor *executor)
{
	return executor->ready != NULL && executor->idle > 0;
}

void evkv__executor_unlock(struct evkv_executor *executor)
{
	bool wake = pool_wanted(executor);

	pthread_mutex_unlock(&executor->mutex);
	if (wake)
		pthread_cond_signal(&executor->work);
}

static struct evkv_lane *pool_next_lane(struct evkv_executor *executor)
{
	struct evkv_lane *lane = executor->ready;

	executor->ready = lane->next_ready;
	if (executor->ready == NULL)
		executor->ready_last = NULL;
	lane->next_ready = NULL;
	lane->ready = false;
	return lane;
}

/*
 * Cut a batch from the head of the lane's queue. With the mutex held, so jobs
 * are not looked at, which are in the loop's cache, where all of them go.
 */
static struct job_list pool_take(struct evkv_lane *lane)
{
	struct job_list batch = lane->queue;
	struct evkv_job *job = batch.first;
	size_t n;

	if (batch.count <= lane->config.max_batch) {
		lane->queue = (struct job_list){ NULL, NULL, 0 };
		return batch;
	}
	for (n = 1; n < lane->config.max_batch; n++)
		job = job->next;
	lane->queue.first = job->next;
	lane->queue.count -= n;
	job->next = NULL;
	batch.last = job;
	batch.count = n;
	return batch;
}

static bool pool_claim_one(struct evkv_job *job)
{
	int waiting = JOB_WAITING;

	return __atomic_compare_exchange_n(&job->state, &waiting, JOB_TAKEN,
		   false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
	    waiting != JOB_WITHDRAWN;
}

/*
 * Mark the jobs as taken. Those that were withdrawn meanwhile go to `skipped`.
 * The others' links are left as they are: the loop has them in its cache.
 */
static void pool_claim(struct job_list *batch, struct job_list *skipped)
{
	struct evkv_job **link = &batch->first, *job;

	batch->last = NULL;
	while ((job = *link) != NULL) {
		job_fetch_ahead(job);
		if (pool_claim_one(job)) {
			batch->last = job;
			link = &job->next;
		} else {
			*link = job->next;
			batch->count--;
			job_append(skipped, job);
		}
	}
}

/* Jobs that are to be run once more leave the list. */
static void pool_split_again(struct job_list *jobs, struct job_list *again)
{
	struct evkv_job *job = jobs->first, *next;
	struct job_list finished = { NULL, NULL, 0 };

	for (; job != NULL; job = next) {
		next = job->next;
		if (job->again)
			job_append(again, job);
		else
			job_append(&finished, job);
		job->again = false;
	}
	*jobs = finished;
}

/* ---- Threads that wait for something outside ----------------------------- */

/* With the mutex held: no longer one that is joined. */
static void pool_forget(struct evkv_executor *executor, pthread_t thread)
{
	unsigned i = 0;

	while (!pthread_equal(executor->threads[i], thread))
		i++;
	executor->threads[i] = executor->threads[--executor->threads_count];
	pthread_detach(thread);
}

/*
 * An abandoned run() has returned: its jobs are not touched, they may be gone.
 * With the mutex held, which is let go of. The thread ends with this.
 */
static void pool_end_left(struct evkv_executor *executor,
    struct evkv_lane *lane)
{
	bool delivered = lane->delivered;

	lane->running = false;
	pthread_mutex_unlock(&executor->mutex);
	evkv_executor_unref(executor);
	if (delivered)
		evkv__lane_release(lane);
}

/* ---- Work ---------------------------------------------------------------- */

/* With the mutex held; false: the thread was left behind, and ends. */
static bool pool_work(struct evkv_executor *executor, struct evkv_lane *lane)
{
	struct job_list batch = pool_take(lane), skipped = { NULL, NULL, 0 };
	struct job_list again = { NULL, NULL, 0 };

	lane->running = lane->in_run = true;
	lane->thread = pthread_self();
	evkv__executor_unlock(executor);

	pool_claim(&batch, &skipped);
	lane->taken = batch;
	lane->skipped = skipped;
	if (batch.first != NULL)
		lane->config.run(batch.first, lane->config.arg);

	pthread_mutex_lock(&executor->mutex);
	lane->in_run = false;
	if (lane->abandoned) {
		pool_end_left(executor, lane);
		return false;
	}
	if (lane->relieved)
		executor->surplus++;
	lane->relieved = false;
	pthread_mutex_unlock(&executor->mutex);

	if (lane->again)
		pool_split_again(&batch, &again);
	lane->again = false;
	job_move(&batch, &skipped);
	if (__atomic_load_n(&lane->ending, __ATOMIC_ACQUIRE))
		job_move(&batch, &again);
	evkv__port_finish(lane->port, &batch);

	pthread_mutex_lock(&executor->mutex);
	lane->running = false;
	job_move(&lane->queue, &again);
	if (__atomic_load_n(&lane->ending, __ATOMIC_ACQUIRE))
		pthread_cond_broadcast(&executor->settled);
	else
		evkv__executor_ready(executor, lane);
	return true;
}

static void *pool_main(void *arg)
{
	struct evkv_executor *executor = arg;

	pthread_setname_np(pthread_self(), "evkv-worker");
	pthread_mutex_lock(&executor->mutex);
	for (;;) {
		while (executor->ready == NULL && !executor->stopping &&
		    executor->surplus == 0) {
			executor->idle++;
			pthread_cond_wait(&executor->work, &executor->mutex);
			executor->idle--;
		}
		if (executor->surplus > 0 && !executor->stopping) {
			executor->surplus--;
			pool_forget(executor, pthread_self());
			/*
			 * It may have been woken for a lane. Nobody joins this
			 * thread: with the mutex goes the executor.
			 */
			if (pool_wanted(executor))
				pthread_cond_signal(&executor->work);
			break;
		}
		if (executor->ready == NULL)
			break;
		if (!pool_work(executor, pool_next_lane(executor)))
			return NULL;
	}
	pthread_mutex_unlock(&executor->mutex);
	return NULL;
}

/* ---- Starting and ending ------------------------------------------------- */

/* With the mutex held. */
static bool pool_start_one(struct evkv_executor *executor)
{
	sigset_t all, before;
	bool started;

	if (executor->threads_count == EXECUTOR_THREADS_ROOM)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&executor->threads[executor->threads_count],
		      NULL, pool_main, executor) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	executor->threads_count += started;
	return started;
}

bool evkv__executor_start(struct evkv_executor *executor)
{
	bool started;

	pthread_mutex_lock(&executor->mutex);
	while (executor->threads_count < executor->threads_wanted &&
	    pool_start_one(executor))
		;
	started = executor->threads_count > 0;
	pthread_mutex_unlock(&executor->mutex);
	return started;
}

bool evkv__executor_relieve(struct evkv_executor *executor,
    struct evkv_lane *lane)
{
	if (!lane->relieved)
		lane->relieved = pool_start_one(executor);
	return lane->relieved;
}

void evkv__executor_leave(struct evkv_executor *executor,
    struct evkv_lane *lane)
{
	evkv__executor_relieve(executor, lane);
	pool_forget(executor, lane->thread);
	evkv_executor_ref(executor);
}

struct evkv_executor *evkv_executor_new_sized(const struct evkv_executor_options
						  *options,
    size_t size, struct evkv_error *error)
{
	struct evkv_executor_options read;
	struct evkv_executor *executor;

	if (!evkv_options_read(&read, sizeof(read), options, size, error))
		return NULL;
	if (read.threads > EXECUTOR_THREADS_MAX) {
		evkv_error_set(error, EVKV_INVALID,
		    "threads is %u; at most %d are allowed", read.threads,
		    EXECUTOR_THREADS_MAX);
		return NULL;
	}
	executor = evkv_calloc(1, sizeof(*executor));
	if (executor == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "no memory for an executor");
		return NULL;
	}
	executor->refs = 1;
	executor->threads_wanted = read.threads > 0 ? read.threads
						    : POOL_THREADS_DEFAULT;
	pthread_mutex_init(&executor->mutex, NULL);
	pthread_cond_init(&executor->work, NULL);
	pthread_cond_init(&executor->settled, NULL);
	return executor;
}

struct evkv_executor *evkv_executor_ref(struct evkv_executor *executor)
{
	if (executor != NULL)
		__atomic_fetch_add(&executor->refs, 1, __ATOMIC_RELAXED);
	return executor;
}

static void pool_join(struct evkv_executor *executor)
{
	unsigned i;

	pthread_mutex_lock(&executor->mutex);
	executor->stopping = true;
	pthread_cond_broadcast(&executor->work);
	pthread_mutex_unlock(&executor->mutex);
	/* No thread leaves the list by itself any more. */
	for (i = 0; i < executor->threads_count; i++)
		pthread_join(executor->threads[i], NULL);
}

void evkv_executor_unref(struct evkv_executor *executor)
{
	if (executor == NULL ||
	    __atomic_sub_fetch(&executor->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pool_join(executor);
	pthread_cond_destroy(&executor->settled);
	pthread_cond_destroy(&executor->work);
	pthread_mutex_destroy(&executor->mutex);
	evkv_free(executor);
}
