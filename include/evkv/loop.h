/**
 * @file
 * evkv on a libevent event_base.
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
 * unless they say otherwise; debug builds check this from the first turn in
 * which evkv has run. So a loop and its stores may be made on one thread,
 * dispatched on another that is started afterwards, and, when that thread has
 * ended, be freed by evkv_loop_free() on the first.
 *
 * All calls except evkv_loop_free() may be made inside a callback. The log
 * callback may make only those that are legal on any thread.
 *
 * event_base_dispatch() does not return while an operation is outstanding or a
 * network store is open. Memory stores and an idle loop do not keep it running.
 */
#ifndef EVKV_LOOP_H
#define EVKV_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/error.h"

struct event_base;

EVKV_BEGIN_DECLS

/** evkv on one event_base. */
struct evkv_loop;

/** Where a loop reads the time. Both functions are required. */
struct evkv_clock {
	/** sizeof(struct evkv_clock) */
	size_t size;
	/** microseconds since some moment in the past; never goes back */
	int64_t (*monotonic_us)(void *arg);
	/**
	 * microseconds since 1970-01-01 UTC; should go on as monotonic_us does,
	 * for caches are emptied where the two go apart by more than 500 ms
	 */
	int64_t (*wall_us)(void *arg);
	/** for both functions */
	void *arg;
};

/** What evkv does to the caller's inputs when the submitting call returns. */
enum evkv_scramble {
	/** on in debug builds, off in release builds */
	EVKV_SCRAMBLE_DEFAULT,
	/** hand stores a copy and overwrite it afterwards */
	EVKV_SCRAMBLE_ON,
	/** hand stores the inputs themselves */
	EVKV_SCRAMBLE_OFF,
};

/** Options of a loop. Zero in a field is its default. */
struct evkv_loop_options {
	/**
	 * The clock, copied; NULL = the system's. With a clock of your own
	 * timers run when evkv_loop_check_timers() is called, not by
	 * themselves.
	 */
	const struct evkv_clock *clock;
	/** For hash keys and jitter; 0 = from the system's random numbers. */
	uint64_t seed;
	/** Finds drivers that use inputs which are the caller's again. */
	enum evkv_scramble scramble;
};

/** As evkv_loop_new_with(), with the default options and without an error. */
EVKV_API struct evkv_loop *evkv_loop_new(struct event_base *base);

/** evkv_loop_new_with() with the size of the caller's struct. */
EVKV_API struct evkv_loop *evkv_loop_new_sized(struct event_base *base,
    const struct evkv_loop_options *options, size_t size,
    struct evkv_error *error);

/**
 * A new loop.
 * @param base     must outlive the loop
 * @param options  NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (`base` is NULL, a
 *                 clock lacks a function, an option that this version does not
 *                 know), NOMEM, or IO (no file descriptor is left). May be NULL
 * @return the loop, to be freed by evkv_loop_free(), or NULL
 */
static inline struct evkv_loop *evkv_loop_new_with(struct event_base *base,
    const struct evkv_loop_options *options, struct evkv_error *error)
{
	return evkv_loop_new_sized(base, options, sizeof(*options), error);
}

/**
 * End everything: every pending operation gets its callback (CLOSED, or
 * UNKNOWN_OUTCOME where it may have taken effect), and every store is closed. A
 * handle that is still referenced is dead until its last unref: submitting to
 * it returns ticket 0, and no callback comes. May block until worker threads
 * have ended. Not inside a callback. Call it before event_base_free(). NULL is
 * ignored.
 */
EVKV_API void evkv_loop_free(struct evkv_loop *loop);

/** The base that the loop was made on. */
EVKV_API struct event_base *evkv_loop_base(const struct evkv_loop *loop);

/**
 * Run a function on the loop's thread in a later turn. Any thread, as long as
 * the loop is not freed. Does not keep event_base_dispatch() running. What is
 * posted but has not run when the loop is freed runs inside evkv_loop_free().
 * @param loop  the loop
 * @param run   called once, with `arg`
 * @param arg   for run()
 * @return false when out of memory: then `run` is not called
 */
EVKV_API bool evkv_loop_post(struct evkv_loop *loop, void (*run)(void *arg),
    void *arg);

/**
 * The loop's monotonic time in milliseconds since some moment in the past. It
 * is read once a turn.
 */
EVKV_API int64_t evkv_loop_now_ms(struct evkv_loop *loop);

/**
 * Whether the calling thread is the loop's: the one that has last run it. Any
 * thread.
 */
EVKV_API bool evkv_loop_is_here(const struct evkv_loop *loop);

/** Run the timers that are due; for use with a clock of your own. */
EVKV_API void evkv_loop_check_timers(struct evkv_loop *loop);

/** How serious a log line is. */
enum evkv_log_level {
	/** of use to developers of evkv */
	EVKV_LOG_DEBUG,
	/** something changed, as expected: connected, opened */
	EVKV_LOG_INFO,
	/** something failed and is tried again */
	EVKV_LOG_WARNING,
	/** something is damaged, or needs a person */
	EVKV_LOG_ERROR,
};

/**
 * The name of a level ("WARNING"); "?" for a number that is none. Any thread;
 * static storage.
 */
EVKV_API const char *evkv_log_level_name(enum evkv_log_level level);

/**
 * Receives what stores report beside results: reconnects, damage found. Runs on
 * the loop's thread, at any point. It must not call evkv, except for
 * evkv_loop_post(), the calls on values and the names of statuses.
 * @param level    how serious it is
 * @param message  one line without a newline; lives for the call
 * @param arg      what was given to evkv_loop_set_log()
 */
typedef void (*evkv_log_cb)(enum evkv_log_level level, const char *message,
    void *arg);

/**
 * Set the log callback.
 * @param loop  the loop
 * @param cb    NULL switches the log off, which is the default
 * @param arg   for the callback
 */
EVKV_API void evkv_loop_set_log(struct evkv_loop *loop, evkv_log_cb cb,
    void *arg);

EVKV_END_DECLS

#endif
