/**
 * @file
 * Bounds how many operations run in the store below at once.
 *
 *     store = evkv_concurrency_limit_new(store,
 *         &(struct evkv_concurrency_limit_options){ .max_running = 32,
 *             .max_queue = 500, .max_wait_ms = 200 }, &error);
 *
 * More than that wait in a queue, first come, first served. What does not fit
 * into the queue, or has waited for too long, is BUSY, without effect. An
 * operation that was cut off (deadline, cancel) keeps its place until the store
 * below has ended it: it is still work there.
 *
 * A batch counts as one operation.
 */
#ifndef EVKV_WRAPPERS_CONCURRENCY_LIMIT_H
#define EVKV_WRAPPERS_CONCURRENCY_LIMIT_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Options. Zero in a field is its default. */
struct evkv_concurrency_limit_options {
	/** operations in the store below at once: 1 to 1000000; 0 = 64 */
	size_t max_running;
	/**
	 * operations that wait: up to 1000000; 0 = 1000, SIZE_MAX = none
	 */
	size_t max_queue;
	/** how long one may wait, in milliseconds, up to 1 day; 0 = no bound */
	int64_t max_wait_ms;
};

/** Its counters. */
struct evkv_concurrency_limit_counters {
	/** in the store below now */
	size_t running;
	/** waiting now */
	size_t queued;
	/** the most that have waited at once */
	size_t most_queued;
	/** answered BUSY because the queue was full */
	uint64_t refused;
	/** answered BUSY because they had waited too long */
	uint64_t expired;
};

/** evkv_concurrency_limit_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_concurrency_limit_new_sized(struct evkv_store
								 *inner,
    const struct evkv_concurrency_limit_options *options, size_t size,
    struct evkv_error *error);

/**
 * Bound what a store has to do at once. Transparent: every kind, condition and
 * flag goes through. May be called in a callback.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (a number out of
 *                 bounds) or NOMEM
 */
static inline struct evkv_store *evkv_concurrency_limit_new(struct evkv_store
								*inner,
    const struct evkv_concurrency_limit_options *options,
    struct evkv_error *error)
{
	return evkv_concurrency_limit_new_sized(inner, options,
	    sizeof(*options), error);
}

/** evkv_concurrency_limit_read() with the size of the caller's struct. */
EVKV_API bool evkv_concurrency_limit_read_sized(const struct evkv_store *store,
    struct evkv_concurrency_limit_counters *counters, size_t size);

/**
 * Read its counters.
 * @param store     a concurrency limit
 * @param counters  filled; all zero where it is none
 * @return false where `store` is none of this kind
 */
static inline bool evkv_concurrency_limit_read(const struct evkv_store *store,
    struct evkv_concurrency_limit_counters *counters)
{
	return evkv_concurrency_limit_read_sized(store, counters,
	    sizeof(*counters));
}

EVKV_END_DECLS

#endif
