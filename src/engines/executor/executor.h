/*
 * engines/executor/executor.h - shared between the pool and the lanes.
 *
 * The locks, outermost first: executor->mutex guards the queues of all lanes
 * and the list of lanes that are ready; port->mutex guards what has come back.
 * Neither is held while run() or done() is called.
 */
#ifndef EVKV_ENGINES_EXECUTOR_EXECUTOR_H
#define EVKV_ENGINES_EXECUTOR_EXECUTOR_H

#include <pthread.h>

#include "evkv/executor.h"

#define EXECUTOR_THREADS_MAX 64
/* With those that stand in for threads whose lane waits or was left. */
#define EXECUTOR_THREADS_ROOM (2 * EXECUTOR_THREADS_MAX)

struct job_list {
	struct evkv_job *first, *last;
	size_t count;
};

/*
 * Mostly a job is in another processor's cache, and known only when the one
 * before it has come. So each points, by reserved[0], to the one that was
 * submitted JOB_AHEAD after it, which is sent for early. That one may be gone:
 * nothing but its address is used.
 */
#define JOB_AHEAD 8

static inline void job_fetch_ahead(const struct evkv_job *job)
{
	const char *ahead = job->reserved[0];

	__builtin_prefetch(ahead);
	__builtin_prefetch(ahead + 64);
	__builtin_prefetch(ahead + 128);
}

struct evkv_executor {
	unsigned refs; /* atomic */
	pthread_mutex_t mutex;
	pthread_cond_t work;    /* a lane became ready, or it is the end */
	pthread_cond_t settled; /* a lane that is ending is not running */
	struct evkv_lane *ready, *ready_last;
	unsigned threads_wanted, threads_count;
	unsigned idle;    /* workers in pthread_cond_wait() */
	unsigned surplus; /* threads that are to end */
	bool stopping;
	pthread_t threads[EXECUTOR_THREADS_ROOM]; /* to be joined */
};

/*
 * What one loop has with one executor: the batch of this turn, and the way
 * back. Lives as long as there are lanes, and while jobs are delivered.
 */
struct executor_port {
	struct evkv_loop *loop;
	struct evkv_executor *executor;
	unsigned lanes;
	/* The loop's side. */
	struct evkv_task handover;
	struct evkv_lane *dirty; /* lanes with jobs to hand over */
	struct job_list back; /* taken over from `finished`, to be delivered */
	struct evkv_task deliver;

	pthread_mutex_t mutex;
	struct job_list finished;
	bool posted; /* a post is on its way */
	struct evkv_post post;
};

struct evkv_lane {
	struct executor_port *port;
	struct evkv_lane_config config;

	/* The loop's side. */
	struct job_list fresh;              /* submitted in this turn */
	struct evkv_job *recent[JOB_AHEAD]; /* the last of them, in a ring */
	struct evkv_lane *next_dirty;
	bool dirty;
	size_t out; /* jobs that are not back yet */
	bool held;  /* keeps event_base_dispatch() alive */
	bool freed; /* inside done(): the lane is gone after it */
	unsigned delivering;
	bool ending; /* atomic: evkv_lane_free() was called */

	/* Guarded by executor->mutex. */
	struct job_list queue;
	struct evkv_lane *next_ready;
	bool ready;     /* is on the executor's list */
	bool running;   /* a worker has jobs of it */
	bool in_run;    /* and is inside run() */
	bool relieved;  /* a thread was started to stand in for that one */
	bool abandoned; /* nobody waits for that run() any more */
	bool delivered; /* and its jobs are back: the worker releases it */
	pthread_t thread;
	void (*released)(void *arg);
	void *released_arg;
	/* What run() has; the worker's, unless the lane is abandoned. */
	struct job_list taken, skipped;
	bool again; /* some job of it is to be run once more; likewise */
};

enum {
	JOB_WAITING,
	JOB_TAKEN,
	JOB_STOPPED, /* taken, and asked to end */
	JOB_WITHDRAWN,
};

static inline void job_append(struct job_list *list, struct evkv_job *job)
{
	job->next = NULL;
	if (list->last != NULL)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
	list->count++;
}

/* Move all of `from` to the end of `to`. */
static inline void job_move(struct job_list *to, struct job_list *from)
{
	if (from->first == NULL)
		return;
	if (to->last != NULL)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	to->count += from->count;
	*from = (struct job_list){ NULL, NULL, 0 };
}

/*
 * pool.c, with executor->mutex held: put a lane that has jobs on the list;
 * evkv__executor_unlock() then lets go of the mutex and wakes one worker, which
 * so does not find it locked.
 */
void evkv__executor_ready(struct evkv_executor *executor,
    struct evkv_lane *lane);
void evkv__executor_unlock(struct evkv_executor *executor);
/* Start the threads that are still to be started; false: there is none. */
bool evkv__executor_start(struct evkv_executor *executor);
/*
 * With executor->mutex held: start one thread more, to stand in for that of
 * `lane`, once for each run(). false: it can't be started.
 */
bool evkv__executor_relieve(struct evkv_executor *executor,
    struct evkv_lane *lane);
/*
 * Likewise: nobody waits for the thread of `lane` any more. It holds a
 * reference until it has returned.
 */
void evkv__executor_leave(struct evkv_executor *executor,
    struct evkv_lane *lane);

/*
 * lane.c: an abandoned lane whose run() has returned and whose jobs are back.
 */
void evkv__lane_release(struct evkv_lane *lane);

/* port.c, on a worker: jobs are done. */
void evkv__port_finish(struct executor_port *port, struct job_list *jobs);

#endif
