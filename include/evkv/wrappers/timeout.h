/**
 * @file
 * A bound on how long the store below may take.
 *
 *     store = evkv_timeout_new(store,
 *         &(struct evkv_timeout_options){ .timeout_ms = 250 }, &error);
 *
 * What a request says of its own deadline counts at the store that it is
 * submitted to, for the whole way. This one counts where it is in the stack:
 * over a primary and under its cache, over one of the stores that a fallback
 * tries. Past it the operation ends with TIMEOUT, or UNKNOWN_OUTCOME where it
 * may have been applied. Below, the operation ends without a waiter, and the
 * connection lives on.
 */
#ifndef EVKV_WRAPPERS_TIMEOUT_H
#define EVKV_WRAPPERS_TIMEOUT_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** How long. Zero in a field is its default. */
struct evkv_timeout_options {
	/**
	 * for operations that name keys, in milliseconds: 1 to 100 years; it
	 * must be given
	 */
	int64_t timeout_ms;
	/**
	 * for all others (pages, clear, ping, sync, ...), in milliseconds; 0 =
	 * as timeout_ms, -1 = no bound. evkv_store_wait_ready() has none.
	 */
	int64_t span_timeout_ms;
};

/** evkv_timeout_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_timeout_new_sized(struct evkv_store *inner,
    const struct evkv_timeout_options *options, size_t size,
    struct evkv_error *error);

/**
 * Bound the time that a store takes. Transparent: every kind, condition and
 * flag goes through. May be called in a callback.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  copied
 * @param error    filled where NULL is returned: INVALID (timeout_ms is
 *                 missing, a time out of bounds) or NOMEM
 */
static inline struct evkv_store *evkv_timeout_new(struct evkv_store *inner,
    const struct evkv_timeout_options *options, struct evkv_error *error)
{
	return evkv_timeout_new_sized(inner, options, sizeof(*options), error);
}

EVKV_END_DECLS

#endif
