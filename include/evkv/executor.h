/**
 * @file
 * Threads for stores whose library blocks; for authors.
 *
 *     struct my_job {
 *         struct evkv_job job;
 *         struct evkv_op *op;   // not for the worker
 *         ...
 *     };
 *     static void my_run(struct evkv_job *jobs, void *arg);   // on a worker
 *     static void my_done(struct evkv_job *jobs, void *arg);  // on the loop
 *
 *     lane = evkv_lane_new(loop, executor, &(struct evkv_lane_config){
 *         .run = my_run, .done = my_done, .arg = my }, &error);
 *     evkv_lane_submit(lane, &my_job->job);
 *
 * An executor is a pool of worker threads. A driver gives it work in lanes: a
 * lane is a queue of jobs, which are run in the order of submission and come
 * back in that order. Different lanes run in parallel, as far as there are
 * workers. What a loop submits in one turn is handed over as one batch at its
 * end, and what a worker has done comes back as one batch. docs/executor.md
 * says how to choose lanes.
 *
 * Workers block all signals. Of this library only evkv_malloc() and the like,
 * values, and the calls of this header that say so may be used on a worker. All
 * other calls here are for the loop's thread, unless they say otherwise.
 */
#ifndef EVKV_EXECUTOR_H
#define EVKV_EXECUTOR_H

#include "evkv/driver.h"

EVKV_BEGIN_DECLS

/** A pool of worker threads. */
struct evkv_executor;
/** A queue of jobs from one loop to an executor. */
struct evkv_lane;

/** Options of an executor. Zero in a field is its default. */
struct evkv_executor_options {
	/**
	 * Worker threads, named evkv-worker and started with the first lane; at
	 * most 64. 0 = 2.
	 */
	unsigned threads;
};

/** evkv_executor_new() with the size of the caller's struct. */
EVKV_API struct evkv_executor *evkv_executor_new_sized(
    const struct evkv_executor_options *options, size_t size,
    struct evkv_error *error);

/**
 * A new pool of threads. Any thread.
 * @param options  NULL = the defaults
 * @param error    filled where NULL is returned: INVALID or NOMEM. May be NULL
 * @return the executor with one reference, or NULL
 */
static inline struct evkv_executor *evkv_executor_new(
    const struct evkv_executor_options *options, struct evkv_error *error)
{
	return evkv_executor_new_sized(options, sizeof(*options), error);
}

/**
 * Take a reference; returns `executor`. Loops in several threads may share an
 * executor. NULL gives NULL. Any thread.
 */
EVKV_API struct evkv_executor *evkv_executor_ref(struct evkv_executor
	*executor);

/**
 * Release a reference; the last one ends the threads and waits for that. A lane
 * holds a reference. NULL is ignored. Any thread but a worker.
 */
EVKV_API void evkv_executor_unref(struct evkv_executor *executor);

/**
 * The executor that a loop carries for all its stores: the one of
 * evkv_loop_set_executor(), else one with the default options, made on first
 * use. It ends with the loop.
 * @param loop   the loop
 * @param error  filled where NULL is returned: INVALID (`loop` is NULL) or
 *               NOMEM. May be NULL
 * @return a borrowed reference, or NULL
 */
EVKV_API struct evkv_executor *evkv_loop_executor(struct evkv_loop *loop,
    struct evkv_error *error);

/**
 * Set the executor that a loop carries; takes a reference of its own.
 * @return false where the loop has one already, when out of memory, or where
 *         one of both is NULL
 */
EVKV_API bool evkv_loop_set_executor(struct evkv_loop *loop,
    struct evkv_executor *executor);

/**
 * A piece of work, embedded in its owner, who keeps it alive until it has come
 * back by done(). Zero it before it is submitted. All fields are the
 * executor's.
 */
struct evkv_job {
	/** the executor's; read it by evkv_job_next() */
	struct evkv_job *next;
	/** the executor's */
	struct evkv_lane *lane;
	/** the executor's */
	int state;
	/** the executor's */
	bool again;
	/** room for later versions */
	void *reserved[2];
};

/** How a lane works. Zero in a field is its default. */
struct evkv_lane_config {
	/**
	 * Required. Do a list of jobs, ended by NULL, walked by
	 * evkv_job_next(). Runs on a worker; calls of one lane never overlap.
	 * It may block.
	 */
	void (*run)(struct evkv_job *jobs, void *arg);
	/**
	 * Required. Jobs have come back, in the order of submission, withdrawn
	 * ones among them. Runs on the loop's thread, in a turn of its own; it
	 * may do everything, including freeing the lane. Read the next job by
	 * evkv_job_next() before you release one.
	 */
	void (*done)(struct evkv_job *jobs, void *arg);
	/** for both functions */
	void *arg;
	/** the most jobs that one call of run() gets; 0 = 64 */
	size_t max_batch;
	/** the most jobs that may be out; 0 = 100000 */
	size_t max_jobs;
};

/** evkv_lane_new() with the size of the caller's config. */
EVKV_API struct evkv_lane *evkv_lane_new_sized(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *config,
    size_t size, struct evkv_error *error);

/**
 * A new lane.
 * @param loop      where jobs come from and go back to
 * @param executor  where they run; a reference is taken
 * @param config    copied
 * @param error     filled where NULL is returned: INVALID (loop, executor, run
 *                  or done is NULL) or NOMEM. May be NULL
 * @return the lane, to be freed by evkv_lane_free(), or NULL
 */
static inline struct evkv_lane *evkv_lane_new(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *config,
    struct evkv_error *error)
{
	return evkv_lane_new_sized(loop, executor, config, sizeof(*config),
	    error);
}

/**
 * Free a lane. Jobs that are out are withdrawn where no worker has them; those
 * that are running are waited for. All of them come back by done() inside this
 * call. NULL is ignored.
 */
EVKV_API void evkv_lane_free(struct evkv_lane *lane);

/**
 * In run(): the job waits for something outside that may take long, such as
 * another process's lock. The executor has one more thread until this run()
 * returns, so that other lanes are not held up. May be called twice; does
 * nothing outside run(). On the worker.
 * @return false where no thread can be started
 */
EVKV_API bool evkv_lane_relieve(struct evkv_lane *lane);

/**
 * As evkv_lane_free(), without waiting for a run() that may never return: its
 * jobs, too, come back by done() inside this call. By an agreement of its own
 * with run(), the caller has made sure that run() touches no job any more and
 * returns as soon as it can. Not inside done() of this lane.
 * @param lane      the lane
 * @param released  called when run() has returned and all jobs are back, on its
 *                  thread or inside this call: release what run() and done()
 *                  use
 * @param arg       for released()
 */
EVKV_API void evkv_lane_abandon(struct evkv_lane *lane,
    void (*released)(void *arg), void *arg);

/**
 * Submit a job: it is handed over at the end of this turn. Keeps
 * event_base_dispatch() running until the job is back.
 * @return false, without effect, where max_jobs are out
 */
EVKV_API bool evkv_lane_submit(struct evkv_lane *lane, struct evkv_job *job);

/** How many jobs are out. */
EVKV_API size_t evkv_lane_jobs(const struct evkv_lane *lane);

/**
 * Call a job back; for a driver's stop(). May be called twice.
 * @return true where no worker had taken it and none will: it comes back by
 *         done() without having run. false where a worker has it, or has had it
 */
EVKV_API bool evkv_job_withdraw(struct evkv_job *job);

/** In done(): whether the job came back without having run. */
EVKV_API bool evkv_job_withdrawn(const struct evkv_job *job);

/** Ask a running job to end early. */
EVKV_API void evkv_job_stop(struct evkv_job *job);

/**
 * Withdraw a job, or, where a worker has it, mark its op as sent and ask the job
 * to stop: what a driver's stop() does. May be called twice.
 * @param job  the job
 * @param op   the op that it is of; NULL = it is the driver's own
 */
EVKV_API void evkv_job_cancel(struct evkv_job *job, struct evkv_op *op);

/**
 * Whether the job was asked to stop; run() looks where it can stop. Any
 * thread.
 */
EVKV_API bool evkv_job_stopped(const struct evkv_job *job);

/**
 * In run(): the job is not finished. Instead of coming back it goes to the tail
 * of its lane, after the jobs that wait there, and is run once more.
 */
EVKV_API void evkv_job_again(struct evkv_job *job);

/** The next job of a list, or NULL. Any thread. */
static inline struct evkv_job *evkv_job_next(const struct evkv_job *job)
{
	return job->next;
}

EVKV_END_DECLS

#endif
