/*
 * evkv/loop.h - evkv on a libevent event_base.
 *
 *     struct event_base *base = event_base_new();
 *     struct evkv_loop *loop = evkv_loop_new(base);
 *     ... stores, operations ...
 *     event_base_dispatch(base);
 *     evkv_loop_free(loop);
 *     event_base_free(base);
 *
 * A loop belongs to the thread that dispatches its base. A process may have
 * many loops, one per thread. All calls of evkv are made on the loop's thread
 * save those that say otherwise; debug builds check it from the first turn in
 * which evkv has run. So a loop and its stores may be made on one thread,
 * dispatched on another that is started afterwards, and, when that one has
 * ended, be freed by evkv_loop_free() on the first.
 *
 * All calls may be made inside a callback, save evkv_loop_free(); the log
 * callback alone may make only those that any thread may.
 *
 * event_base_dispatch() stays alive while an operation is outstanding or a
 * network store is open; memory stores and an idle loop hold nothing.
 */
#ifndef EVKV_LOOP_H
#define EVKV_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/error.h"

struct event_base;

EVKV_BEGIN_DECLS

struct evkv_loop;

/* Where a loop reads the time; both required, in microseconds. */
struct evkv_clock {
	size_t size;                        /* sizeof(struct evkv_clock) */
	int64_t (*monotonic_us)(void *arg); /* never goes back */
	int64_t (*wall_us)(void *arg);      /* since 1970-01-01 UTC */
	void *arg;
};

/* What evkv does to the caller's inputs when the submitting call returns. */
enum evkv_scramble {
	EVKV_SCRAMBLE_DEFAULT, /* on in debug builds, off in release builds */
	EVKV_SCRAMBLE_ON,      /* hand stores a copy, overwrite it afterwards */
	EVKV_SCRAMBLE_OFF,
};

struct evkv_loop_options {
	/*
	 * The clock; NULL = the system's. With a clock of your own timers run
	 * when evkv_loop_check_timers() is called, not by themselves.
	 */
	const struct evkv_clock *clock;
	/* For hash keys and jitter; 0 = from the system's random numbers. */
	uint64_t seed;
	/* Catches drivers that use inputs which are the caller's again. */
	enum evkv_scramble scramble;
};

/*
 * A loop on `base`, which must outlive it. evkv_loop_new() takes the defaults;
 * evkv_loop_new_with() takes options (NULL = defaults), whose clock is copied.
 * NULL with a filled error (`error` may be NULL): INVALID (`base` is NULL, a
 * clock lacks a function, an option that this version does not know), NOMEM, or
 * IO (no descriptor left).
 */
EVKV_API struct evkv_loop *evkv_loop_new(struct event_base *base);
EVKV_API struct evkv_loop *evkv_loop_new_sized(struct event_base *base,
    const struct evkv_loop_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_loop *evkv_loop_new_with(struct event_base *base,
    const struct evkv_loop_options *options, struct evkv_error *error)
{
	return evkv_loop_new_sized(base, options, sizeof(*options), error);
}

/*
 * End everything: every pending operation gets its callback (CLOSED, or
 * UNKNOWN_OUTCOME where it may have taken effect), every store is closed. A
 * handle that is still referenced stays valid until its last unref, but is dead:
 * what is submitted to it gets ticket 0 and no callback. May block until worker threads
 * have ended. Not inside a callback; before event_base_free(). NULL is ignored.
 */
EVKV_API void evkv_loop_free(struct evkv_loop *loop);

/* The base that the loop was made on. */
EVKV_API struct event_base *evkv_loop_base(const struct evkv_loop *loop);

/*
 * Run `run(arg)` on the loop's thread in a later turn. Any thread: it is the
 * only call on a loop or a store that is, beside evkv_loop_post_owned(). Does
 * not by itself keep event_base_dispatch() alive. false when memory is lacking:
 * then it will not run. What is posted when the loop is freed runs inside
 * evkv_loop_free().
 */
EVKV_API bool evkv_loop_post(struct evkv_loop *loop, void (*run)(void *arg),
    void *arg);

/*
 * The loop's monotonic time, as cached for this turn, in milliseconds since
 * some moment in the past.
 */
EVKV_API int64_t evkv_loop_now_ms(struct evkv_loop *loop);

/* Run the timers that are due; for use with an injected clock. */
EVKV_API void evkv_loop_check_timers(struct evkv_loop *loop);

enum evkv_log_level {
	EVKV_LOG_DEBUG,
	EVKV_LOG_INFO,
	EVKV_LOG_WARNING,
	EVKV_LOG_ERROR,
};

/*
 * Receive what stores report beside the results: reconnects, damage found.
 * `message` is one line, without a newline, and lives for the call. Runs on the
 * loop's thread, at any point: it must not call evkv, but for evkv_loop_post(),
 * the calls on values and the names of statuses. NULL switches it off, which is
 * the default.
 */
typedef void (*evkv_log_cb)(enum evkv_log_level level, const char *message,
    void *arg);
EVKV_API void evkv_loop_set_log(struct evkv_loop *loop, evkv_log_cb cb,
    void *arg);

EVKV_END_DECLS

#endif
