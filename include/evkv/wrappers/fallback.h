/**
 * @file
 * A second store for when the first one fails.
 *
 *     store = evkv_fallback_new(primary, evkv_open(loop, "disk:/var/copy",
 *         &error), NULL, &error);
 *
 * get, ttl and exists that fail in the primary are asked of the second store,
 * key by key: of a batch those keys alone that failed. Where the second store
 * fails too, the primary's failure is the answer. A miss is an answer, not a
 * failure, unless `on_miss` is set.
 *
 * Everything else goes to the primary alone: writes (but see `writes`), pages,
 * as pages of two stores do not join, and reads that ask for versions, which
 * mean nothing in another store.
 *
 * The two stores are not kept in step: the second one has what others put
 * there, or what `writes` has left.
 */
#ifndef EVKV_WRAPPERS_FALLBACK_H
#define EVKV_WRAPPERS_FALLBACK_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Options. Zero in a field is its default. */
struct evkv_fallback_options {
	/**
	 * EVKV_STATUS_BIT() of the failures for which the second store is
	 * asked; 0 = BUSY, TIMEOUT, UNAVAILABLE, REFUSED, SERVER, CORRUPT, IO
	 */
	uint32_t statuses;
	/** ask it also for what the primary does not have */
	bool on_miss;
	/**
	 * put, delete and touch without a condition that surely had no effect
	 * in the primary (BUSY, TIMEOUT, UNAVAILABLE) go to the second store.
	 * The primary never gets them.
	 */
	bool writes;
	/**
	 * how long the primary may take before the second store is asked, in
	 * milliseconds, up to 100 years; 0 = no bound but the deadline
	 */
	int64_t timeout_ms;
};

/** evkv_fallback_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_fallback_new_sized(struct evkv_store *primary,
    struct evkv_store *second, const struct evkv_fallback_options *options,
    size_t size, struct evkv_error *error);

/**
 * Put a second store behind a first one. What the whole can do, and its state,
 * are the primary's. May be called in a callback.
 * @param primary  asked first; consumed, also on failure; NULL is passed
 * through
 * @param second   asked where that fails; likewise
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (the same store twice,
 *                 different loops, an option out of bounds) or NOMEM
 */
static inline struct evkv_store *evkv_fallback_new(struct evkv_store *primary,
    struct evkv_store *second, const struct evkv_fallback_options *options,
    struct evkv_error *error)
{
	return evkv_fallback_new_sized(primary, second, options,
	    sizeof(*options), error);
}

/**
 * How many operations the second store was asked for, in whole or in part.
 * @param store  a fallback store; 0 of any other
 */
EVKV_API uint64_t evkv_fallback_count(const struct evkv_store *store);

EVKV_END_DECLS

#endif
