/**
 * @file
 * TTLs within bounds, whatever callers ask for.
 *
 *     store = evkv_clamp_ttl_new(store, &(struct evkv_clamp_ttl_options){
 *         .min_ms = 1000, .max_ms = 86400000, .missing_ms = 3600000 }, &error);
 *
 * It sees what put and touch set, each key of a batch for itself, and the TTL
 * of the entries that incr makes. A touch that would remove a TTL sets
 * missing_ms.
 */
#ifndef EVKV_WRAPPERS_CLAMP_TTL_H
#define EVKV_WRAPPERS_CLAMP_TTL_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Options; all in milliseconds, at most 100 years. */
struct evkv_clamp_ttl_options {
	/** the shortest TTL; 0 = no bound */
	int64_t min_ms;
	/** the longest TTL; 0 = no bound; at least min_ms */
	int64_t max_ms;
	/**
	 * what an entry gets that is given no TTL; 0 = none, it never expires;
	 * must lie within the other two
	 */
	int64_t missing_ms;
};

/** evkv_clamp_ttl_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_clamp_ttl_new_sized(struct evkv_store *inner,
    const struct evkv_clamp_ttl_options *options, size_t size,
    struct evkv_error *error);

/**
 * Wrap a store. May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = no bounds at all
 * @param error    filled where NULL is returned: NOMEM, or INVALID with the
 *                 option that is wrong
 */
static inline struct evkv_store *evkv_clamp_ttl_new(struct evkv_store *inner,
    const struct evkv_clamp_ttl_options *options, struct evkv_error *error)
{
	return evkv_clamp_ttl_new_sized(inner, options, sizeof(*options),
	    error);
}

EVKV_END_DECLS

#endif
