/**
 * @file
 * The loop, for authors of stores and wrappers: tasks, timers, posts, the
 * clock, the log, and what a loop carries for drivers.
 *
 *     self->task.run = my_step;
 *     self->task.arg = self;
 *     evkv_task_queue(loop, &self->task);
 *
 * Everything here is for the loop's thread, save evkv_loop_post_owned().
 */
#ifndef EVKV_TASK_H
#define EVKV_TASK_H

#include "evkv/loop.h"

EVKV_BEGIN_DECLS

/*
 * The time and the random numbers of no loop are 0: a wrapper's constructor may
 * ask for them before evkv_store_create() refuses an inner store whose loop was
 * freed.
 */

/** Wall-clock time in milliseconds since 1970, for expiry kept on disk. */
EVKV_API int64_t evkv_loop_wall_ms(struct evkv_loop *loop);
/** The cached monotonic time in microseconds. */
EVKV_API int64_t evkv_loop_now_us(struct evkv_loop *loop);
/** Read the clock again: first thing in an event's callback of your own. */
EVKV_API void evkv_loop_refresh(struct evkv_loop *loop);
/** 64 random bits, for jitter and hash keys; not for secrets. */
EVKV_API uint64_t evkv_loop_random(struct evkv_loop *loop);

/**
 * printf to the log callback, if there is one; never with a secret.
 * @param loop    the loop
 * @param level   how bad it is
 * @param format  printf's
 */
EVKV_API void evkv_loop_log(struct evkv_loop *loop, enum evkv_log_level level,
    const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/**
 * Keep event_base_dispatch() alive until as many evkv_loop_release() calls. A
 * pending operation does so without this.
 */
EVKV_API void evkv_loop_hold(struct evkv_loop *loop);
/** Undo one evkv_loop_hold(). */
EVKV_API void evkv_loop_release(struct evkv_loop *loop);

/**
 * A piece of work for a later turn of the loop, embedded in its owner. Zero it
 * and fill in `run` and `arg` once.
 */
struct evkv_task {
	/** called with `arg` in a later turn */
	void (*run)(void *arg);
	/** for run() */
	void *arg;
	/** the loop's */
	struct evkv_task *next;
	/** the loop's; NULL when it is not queued */
	struct evkv_task **link;
	/** room for later versions */
	void *reserved[2];
};
/** Run it in a later turn, after what is queued; does nothing when queued. */
EVKV_API void evkv_task_queue(struct evkv_loop *loop, struct evkv_task *task);
/** Take it back; does nothing when it is not queued. */
EVKV_API void evkv_task_cancel(struct evkv_loop *loop, struct evkv_task *task);

/**
 * A post that needs no memory when it is posted, embedded in its owner. Zero
 * it and fill in `run` and `arg` once. It may be posted again from the moment
 * it runs, and must live until it has run.
 */
struct evkv_post {
	/** called with `arg` on the loop's thread */
	void (*run)(void *arg);
	/** for run() */
	void *arg;
	/** the loop's, as is the next */
	struct evkv_post *next;
	/** the loop's */
	bool allocated;
	/** room for later versions */
	void *reserved[2];
};
/** As evkv_loop_post(), and never fails. Any thread. */
EVKV_API void evkv_loop_post_owned(struct evkv_loop *loop,
    struct evkv_post *post);

/**
 * A timer on the loop's (injectable) clock, embedded in its owner. Zero it and
 * fill in `run` and `arg` once. Does not keep event_base_dispatch() alive.
 */
struct evkv_timer {
	/** called with `arg` when the time has come */
	void (*run)(void *arg);
	/** for run() */
	void *arg;
	/** the loop's */
	int64_t at_us;
	/** the loop's; 0 = not set */
	size_t position;
	/** room for later versions */
	void *reserved[2];
};
/**
 * Run a timer once, `delay_ms` from now; replaces an earlier time.
 * @return false when out of memory
 */
EVKV_API bool evkv_timer_set(struct evkv_loop *loop, struct evkv_timer *timer,
    int64_t delay_ms);
/** Take it back; does nothing when it is not set. */
EVKV_API void evkv_timer_cancel(struct evkv_loop *loop,
    struct evkv_timer *timer);

/**
 * Something that a loop carries for drivers, made on first use (a resolver, an
 * executor).
 * @param key  any address of the driver's own
 * @return NULL where there is none for this key yet
 */
EVKV_API void *evkv_loop_attachment(struct evkv_loop *loop, const void *key);
/**
 * Give a loop something to carry, at most one thing for each key.
 * @param release  called with `thing` in evkv_loop_free(), after all stores
 * @return false when out of memory
 */
EVKV_API bool evkv_loop_attach(struct evkv_loop *loop, const void *key,
    void *thing, void (*release)(void *thing));

EVKV_END_DECLS

#endif
