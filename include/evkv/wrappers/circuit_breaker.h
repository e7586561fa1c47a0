/**
 * @file
 * Stops sending operations to a store that fails too often, for a while.
 *
 *     store = evkv_circuit_breaker_new(store,
 *         &(struct evkv_circuit_breaker_options){ .slow_ms = 500 }, &error);
 *
 * - CLOSED: everything goes through. When enough operations have ended within
 *   the window, and too many of them failed or were slow: OPEN.
 * - OPEN: everything is answered UNAVAILABLE at once, without effect, with the
 *   cause that opened it. After open_ms: HALF_OPEN.
 * - HALF_OPEN: a few operations go through, the others are answered as in OPEN.
 *   When these have ended well: CLOSED, with an empty window. When one fails or
 *   is slow: OPEN. When they take longer than open_ms, a few more go through.
 *
 * The state of the store (evkv_store_state()) is DOWN while it is open and
 * CONNECTING while it is half open.
 */
#ifndef EVKV_WRAPPERS_CIRCUIT_BREAKER_H
#define EVKV_WRAPPERS_CIRCUIT_BREAKER_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Options. Zero in a field is its default. */
struct evkv_circuit_breaker_options {
	/**
	 * the length of the window, in milliseconds: 10 to 1 day, in steps of a
	 * tenth; 0 = 10000
	 */
	int64_t window_ms;
	/** with fewer operations than this in the window it stays closed; up to
	 * 1000000; 0 = 20 */
	unsigned min_operations;
	/** the percentage of failures that opens it: 1 to 100; 0 = 50 */
	unsigned failure_percent;
	/** an operation that takes so long is slow, in milliseconds, up to 1
	 * day; 0 = none is */
	int64_t slow_ms;
	/** the percentage of slow operations that opens it: 1 to 100; 0 = 50 */
	unsigned slow_percent;
	/** how long it stays open, in milliseconds: up to 1 day; 0 = 5000 */
	int64_t open_ms;
	/**
	 * how many operations have to go well to close it, up to 1000; 0 = 3
	 */
	unsigned probes;
	/**
	 * EVKV_STATUS_BIT() of what counts as failed; 0 = BUSY, TIMEOUT,
	 * UNAVAILABLE, UNKNOWN_OUTCOME, SERVER, IO. What was canceled or closed
	 * does not count at all.
	 */
	uint32_t statuses;
};

/** Its state. */
enum evkv_circuit {
	/** everything goes through */
	EVKV_CIRCUIT_CLOSED,
	/** nothing goes through */
	EVKV_CIRCUIT_OPEN,
	/** a few operations go through, as a probe */
	EVKV_CIRCUIT_HALF_OPEN,
};

/** Its counters. */
struct evkv_circuit_breaker_counters {
	/** its state */
	enum evkv_circuit state;
	/** operations that have ended within the window */
	uint32_t operations;
	/** and of these, how many failed */
	uint32_t failed;
	/** and how many were slow */
	uint32_t slow;
	/** how often it has opened */
	uint64_t opened;
	/** operations answered UNAVAILABLE by it */
	uint64_t refused;
};

/** evkv_circuit_breaker_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_circuit_breaker_new_sized(struct evkv_store
							       *inner,
    const struct evkv_circuit_breaker_options *options, size_t size,
    struct evkv_error *error);

/**
 * Put a circuit breaker before a store. Transparent: every kind, condition and
 * flag goes through. May be called in a callback.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (a number out of
 *                 bounds, a status that is no failure) or NOMEM
 */
static inline struct evkv_store *evkv_circuit_breaker_new(struct evkv_store
							      *inner,
    const struct evkv_circuit_breaker_options *options,
    struct evkv_error *error)
{
	return evkv_circuit_breaker_new_sized(inner, options, sizeof(*options),
	    error);
}

/** evkv_circuit_breaker_read() with the size of the caller's struct. */
EVKV_API bool evkv_circuit_breaker_read_sized(struct evkv_store *store,
    struct evkv_circuit_breaker_counters *counters, size_t size);

/**
 * Read the counters of a circuit breaker.
 * @param store     a circuit breaker
 * @param counters  filled; all zero where it is none
 * @return false where `store` is none of this kind
 */
static inline bool evkv_circuit_breaker_read(struct evkv_store *store,
    struct evkv_circuit_breaker_counters *counters)
{
	return evkv_circuit_breaker_read_sized(store, counters,
	    sizeof(*counters));
}

EVKV_END_DECLS

#endif
