/**
 * @file
 * Tries again what has failed and may be repeated.
 *
 *     store = evkv_retry_new(store, &(struct evkv_retry_options){
 *         .attempts = 4, .attempt_timeout_ms = 250, .deadline_ms = 2000 },
 *         &error);
 *
 * What is repeated: an operation that failed with a status that says it had no
 * effect (BUSY, TIMEOUT, UNAVAILABLE), and with others only as the options say.
 * Of a batch only the entries that failed so are repeated, and no write behind
 * a later one of its key in the same batch: it keeps its failure. The pause
 * between two tries is random and grows (exponential backoff, full jitter). Each
 * operation keeps its place: later ones on its keys wait for its last try.
 *
 * A budget bounds all repetitions together: each operation adds a share of one,
 * each repetition takes one. So a store that is down does not get several times
 * the load of one that is up.
 *
 * When no try is left or allowed, the last failure is the answer, or
 * UNKNOWN_OUTCOME where a try before it may have had an effect.
 */
#ifndef EVKV_WRAPPERS_RETRY_H
#define EVKV_WRAPPERS_RETRY_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Options. Zero in a field is its default. */
struct evkv_retry_options {
	/** how often an operation is tried, the first time included: 1 to
	 * 1000; 0 = 3 */
	unsigned attempts;
	/**
	 * the longest first pause, doubled for each further one, in
	 * milliseconds: up to 1 hour; 0 = 20, -1 = no pauses
	 */
	int64_t backoff_ms;
	/** no pause is longer, in milliseconds, up to 1 hour; 0 = 2000 */
	int64_t max_backoff_ms;
	/** the deadline of each try, in milliseconds; 0 = none */
	int64_t attempt_timeout_ms;
	/**
	 * the time for all tries and pauses together, in milliseconds; 0 = no
	 * bound but the operation's own deadline
	 */
	int64_t deadline_ms;
	/**
	 * repetitions per 100 operations, 1 to 1000, in the long run; 0 = 20
	 */
	unsigned budget_percent;
	/** repetitions that may be saved up, up to 1000000; 0 = 100 */
	unsigned budget_reserve;
	/**
	 * EVKV_STATUS_BIT() of the statuses to repeat after; 0 = BUSY, TIMEOUT
	 * and UNAVAILABLE. Statuses after which a write may have had an effect
	 * count for writes only with repeat_writes.
	 */
	uint32_t statuses;
	/**
	 * Also repeat writes of unknown outcome, and those that failed with a
	 * status that does not exclude an effect: put, delete and touch without
	 * a condition, clear and clear_all. A repeated put may overwrite what
	 * others have written between two tries, and a repeated delete answers
	 * NOT_FOUND for what it has removed itself; `affected` of what removes
	 * is -1 then. incr and take are never repeated after such a status.
	 */
	bool repeat_writes;
};

/** Its counters. */
struct evkv_retry_counters {
	/** tries beyond the first of each operation */
	uint64_t repeated;
	/** operations that succeeded by one of them */
	uint64_t recovered;
	/** operations that failed though all tries were used */
	uint64_t exhausted;
	/** operations not tried again because of the budget */
	uint64_t over_budget;
	/** operations not tried again because of deadline_ms */
	uint64_t late;
};

/** evkv_retry_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_retry_new_sized(struct evkv_store *inner,
    const struct evkv_retry_options *options, size_t size,
    struct evkv_error *error);

/**
 * Repeat what the store below fails to do. Transparent: every kind,
 * condition and flag goes through. May be called in a callback.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (a number out of
 *                 bounds, a status that is no failure) or NOMEM
 */
static inline struct evkv_store *evkv_retry_new(struct evkv_store *inner,
    const struct evkv_retry_options *options, struct evkv_error *error)
{
	return evkv_retry_new_sized(inner, options, sizeof(*options), error);
}

/** evkv_retry_read_counters() with the size of the caller's struct. */
EVKV_API bool evkv_retry_read_counters_sized(const struct evkv_store *store,
    struct evkv_retry_counters *counters, size_t size);

/**
 * Read the counters of a retry store.
 * @param store     a retry store
 * @param counters  filled; all zero where it is none
 * @return false where `store` is none of this kind
 */
static inline bool evkv_retry_read_counters(const struct evkv_store *store,
    struct evkv_retry_counters *counters)
{
	return evkv_retry_read_counters_sized(store, counters,
	    sizeof(*counters));
}

EVKV_END_DECLS

#endif
