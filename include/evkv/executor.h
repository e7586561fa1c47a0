/*
 * evkv/executor.h - threads for stores whose library blocks; for authors.
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
 * An executor is a pool of worker threads. A driver brings its work in lanes:
 * each is a queue of jobs, which the workers take in the order in which they
 * were submitted and which come back in that order. Different lanes run beside
 * each other as far as there are workers. What a loop submits in one turn is
 * handed over as one batch at its end, and what a worker has done comes back as
 * one batch. docs/executor.md tells how to choose lanes.
 *
 * Workers block all signals. Nothing of the library but evkv_malloc(), values
 * and this header's calls marked so may be used on them.
 */
#ifndef EVKV_EXECUTOR_H
#define EVKV_EXECUTOR_H

#include "evkv/driver.h"

EVKV_BEGIN_DECLS

struct evkv_executor;
struct evkv_lane;

struct evkv_executor_options {
	/*
	 * Worker threads, named evkv-worker, started with the first lane; 0 =
	 * 2, at most 64.
	 */
	unsigned threads;
};

/*
 * A pool of threads, with one reference; options NULL = the defaults. NULL with
 * a filled error: INVALID or NOMEM. Any thread.
 */
EVKV_API struct evkv_executor *evkv_executor_new_sized(
    const struct evkv_executor_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_executor *evkv_executor_new(
    const struct evkv_executor_options *options, struct evkv_error *error)
{
	return evkv_executor_new_sized(options, sizeof(*options), error);
}

/*
 * One reference more, and one less; the last one ends the threads and waits for
 * that. A lane holds a reference. Loops in several threads may share an
 * executor. NULL is ignored. Any thread but a worker.
 */
EVKV_API struct evkv_executor *evkv_executor_ref(struct evkv_executor
	*executor);
EVKV_API void evkv_executor_unref(struct evkv_executor *executor);

/*
 * The executor that a loop carries for all its stores, with the default options
 * unless evkv_loop_set_executor() was called before; made on first use and
 * ended with the loop. A borrowed reference; NULL with a filled error: INVALID
 * (loop is NULL) or NOMEM.
 */
EVKV_API struct evkv_executor *evkv_loop_executor(struct evkv_loop *loop,
    struct evkv_error *error);
/*
 * Make `executor` the one that the loop carries; takes a reference of its own.
 * false: the loop has one already, memory is lacking, or one of both is NULL.
 */
EVKV_API bool evkv_loop_set_executor(struct evkv_loop *loop,
    struct evkv_executor *executor);

/*
 * A piece of work, embedded in its owner, who keeps it alive until it has come
 * back by done(). Zero it before it is submitted; all fields are the
 * executor's.
 */
struct evkv_job {
	struct evkv_job *next;
	struct evkv_lane *lane;
	int state;
	bool again;
	void *reserved[2]; /* room for later versions */
};

struct evkv_lane_config {
	/*
	 * Required. Do a list of jobs, ended by NULL, walked by
	 * evkv_job_next(). On a worker; all calls of one lane come one after
	 * the other. It may block.
	 */
	void (*run)(struct evkv_job *jobs, void *arg);
	/*
	 * Required. Jobs have come back, in the order of submission, withdrawn
	 * ones among them. On the loop's thread, in a turn of its own; may do
	 * everything, freeing the lane included. A job is gone when it was
	 * read by evkv_job_next() and released.
	 */
	void (*done)(struct evkv_job *jobs, void *arg);
	void *arg;
	/* The most jobs that one call of run() gets; 0 = 64. */
	size_t max_batch;
	/* The most jobs that may be out; 0 = 100000. */
	size_t max_jobs;
};

/*
 * A lane from `loop` to `executor`; the config is copied. NULL with a filled
 * error: INVALID (loop, executor, run or done is NULL) or NOMEM.
 */
EVKV_API struct evkv_lane *evkv_lane_new_sized(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *config,
    size_t size, struct evkv_error *error);
static inline struct evkv_lane *evkv_lane_new(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *config,
    struct evkv_error *error)
{
	return evkv_lane_new_sized(loop, executor, config, sizeof(*config),
	    error);
}

/*
 * Free a lane. Jobs that are out are withdrawn where no worker has them; those
 * that are running are waited for; all of them come back by done() inside this
 * call. NULL is ignored.
 */
EVKV_API void evkv_lane_free(struct evkv_lane *lane);

/*
 * The lane's run() waits for something outside that may take long, such as
 * another process's lock: have one thread more until it returns, so that other
 * lanes are not held up. Harmless where it is not inside run(), and twice.
 * false: no thread can be started.
 */
EVKV_API bool evkv_lane_relieve(struct evkv_lane *lane);

/*
 * As evkv_lane_free(), without waiting for a run() that may never return: its
 * jobs, too, come back by done() inside this call. The caller has made sure, by
 * an agreement of its own with run(), that run() will touch no job any more and
 * return as soon as it can; `released` is called when it has and all jobs are
 * back, on its thread or inside this call, to release what run() and done()
 * use. Not inside done() of this lane.
 */
EVKV_API void evkv_lane_abandon(struct evkv_lane *lane,
    void (*released)(void *arg), void *arg);

/*
 * Submit a job: it is handed over at the end of this turn. Keeps
 * event_base_dispatch() alive until the job is back. false, and nothing
 * happens, where max_jobs are out.
 */
EVKV_API bool evkv_lane_submit(struct evkv_lane *lane, struct evkv_job *job);

/* How many jobs are out. */
EVKV_API size_t evkv_lane_jobs(const struct evkv_lane *lane);

/*
 * Call a job back. true: no worker had taken it and none will; it comes back by
 * done() unrun. false: a worker has it, or has had it. Twice is harmless. For a
 * driver's stop().
 */
EVKV_API bool evkv_job_withdraw(struct evkv_job *job);
/* Whether it came back unrun. In done(). */
EVKV_API bool evkv_job_withdrawn(const struct evkv_job *job);

/*
 * Ask a running job to end early, and whether that was asked; run() looks where
 * it has a good place to stop. The first on the loop's thread, the second on
 * any.
 */
EVKV_API void evkv_job_stop(struct evkv_job *job);
EVKV_API bool evkv_job_stopped(const struct evkv_job *job);

/*
 * In run(): the job is not finished. Instead of coming back it goes to the tail
 * of its lane, behind what waits there, and is run once more.
 */
EVKV_API void evkv_job_again(struct evkv_job *job);

static inline struct evkv_job *evkv_job_next(const struct evkv_job *job)
{
	return job->next;
}

EVKV_END_DECLS

#endif
