/**
 * @file
 * A cache in front of a store.
 *
 *     store = evkv_passthrough_cache_new(primary,
 *         evkv_memory_new(loop, NULL, &error), NULL, &error);
 *
 * A read asks the cache, then the primary, and fills the cache for as long as
 * the primary's entry has left to live. Misses of one key at the same time
 * share one load. A write evicts from the cache, then writes the primary. A
 * load that began before a write has ended answers its waiters but does not
 * fill the cache. A failing cache never fails an operation.
 *
 * Waiters that join a load get what the primary had when it answered that load.
 * This may be an entry that expired while the load was under way.
 *
 * Operations on one key end in the order in which they were submitted, also
 * where the cache has an answer sooner: a hit waits for an earlier batch that
 * names its key and is still loading another key. An operation that has ended
 * early (deadline, cancel) is not waited for.
 *
 * What other processes write to the primary is seen when the cached entry
 * expires: bound that by max_ttl_ms.
 *
 * Where the wall clock is set, or the machine was suspended, the cache is
 * emptied, for its entries may count by another clock than the primary's
 * (docs/contract.md).
 */
#ifndef EVKV_WRAPPERS_PASSTHROUGH_CACHE_H
#define EVKV_WRAPPERS_PASSTHROUGH_CACHE_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** What a cache asks its primary for on a miss. */
enum evkv_primary_ttl {
	/** the value and its remaining TTL */
	EVKV_PRIMARY_TTL_ASK,
	/**
	 * the value alone, which costs a server less: an entry stays in the
	 * cache for max_ttl_ms, which must be given, even where the primary's
	 * has expired meanwhile. For primaries whose entries live longer.
	 */
	EVKV_PRIMARY_TTL_IGNORE,
};

/** Options of a passthrough cache. Zero in a field is its default. */
struct evkv_passthrough_cache_options {
	/**
	 * The longest an entry stays in the cache, in milliseconds; at most 100
	 * years, at least the cache's ttl_unit_ms. 0 = as long as in the
	 * primary; allowed only where the cache is in this process.
	 */
	int64_t max_ttl_ms;
	/**
	 * How long after a write of unknown outcome its keys are not cached, in
	 * milliseconds; at most 100 years. 0 = 5000.
	 */
	int64_t stall_timeout_ms;
	/**
	 * Keys whose eviction from the cache failed bypass the cache. When
	 * there are more of them than this, all keys bypass the cache until
	 * they are evicted. 0 = 10000.
	 */
	size_t max_bypass;
	/**
	 * How long an operation waits for the cache, in milliseconds, before it
	 * goes on without it; at most 100 years. 0 = 250, or no limit where the
	 * cache is in this process. A fill may take as long, and must not
	 * outlive the primary's entry: so entries that have less than this left
	 * to live are not cached. Keep it well below the usual TTL.
	 */
	int64_t cache_timeout_ms;
	/**
	 * An entry stays in the cache for up to so much less than it could, by
	 * chance, in milliseconds, below max_ttl_ms: what was loaded together
	 * does not expire together. It only shortens. 0 = none.
	 */
	int64_t jitter_ms;
	/** Whether a miss asks the primary for the remaining TTL. */
	enum evkv_primary_ttl primary_ttl;
};

/** evkv_passthrough_cache_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_passthrough_cache_new_sized(
    struct evkv_store *primary, struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *options, size_t size,
    struct evkv_error *error);

/**
 * Put a cache in front of a store. May be called in a callback.
 * @param primary  the store; consumed, also on failure. NULL gives NULL
 * @param cache    the cache; consumed, also on failure. NULL gives NULL
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (the same store twice,
 *                 different loops, an option out of bounds, max_ttl_ms missing,
 *                 a primary that can't tell the remaining TTL, a cache that
 *                 can't get, put and delete) or NOMEM. May be NULL
 * @return a store with one reference, or NULL
 */
static inline struct evkv_store *evkv_passthrough_cache_new(
    struct evkv_store *primary, struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *options,
    struct evkv_error *error)
{
	return evkv_passthrough_cache_new_sized(primary, cache, options,
	    sizeof(*options), error);
}

EVKV_END_DECLS

#endif
