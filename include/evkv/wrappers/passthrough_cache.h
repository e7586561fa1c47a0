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
 * On option it serves what is no longer fresh while it is loaded anew
 * (stale_while_ms) or where its load fails (stale_if_error_ms), loads ahead of
 * time (refresh_ahead_percent), and remembers what is not there
 * (negative_ttl_ms). docs/passthrough-cache.md has the life of an entry, and
 * what always holds:
 *
 *     store = evkv_passthrough_cache_new(primary, cache,
 *         &(struct evkv_passthrough_cache_options){
 *             .max_ttl_ms = 30000,
 *             .refresh_ahead_percent = 80,
 *             .stale_if_error_ms = 600000,
 *             .soft_timeout_ms = 50,
 *         }, &error);
 *
 * Waiters that join a load get what the primary had when it answered that load.
 * This may be an entry that expired while the load was under way.
 *
 * Operations on one key end in the order in which they were submitted, also
 * where the cache has an answer sooner: a hit waits for an earlier batch that
 * names its key and is still loading another key. An operation that has ended
 * early (deadline, cancel) is not waited for.
 *
 * What other processes write to the primary is seen when the cached entry is no
 * longer fresh: bound that by max_ttl_ms. A read with EVKV_FLAG_FRESH goes past
 * the cache, one with EVKV_FLAG_CACHED_ONLY does not go past it.
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
	 * How long an entry is fresh at most, in milliseconds from when its
	 * load began, and how long it stays in the cache, if no stale entries
	 * are served; at most 100 years, at least the cache's ttl_unit_ms and
	 * above its ttl_excess_ms. 0 = as long as the primary's entry lives;
	 * allowed only where the cache is in this process.
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
	 * An entry is fresh for up to so much less than it could, by chance, in
	 * milliseconds, below max_ttl_ms: what was loaded together does not
	 * expire together. It only shortens. 0 = none.
	 */
	int64_t jitter_ms;
	/** Whether a miss asks the primary for the remaining TTL. */
	enum evkv_primary_ttl primary_ttl;
	/**
	 * How long it is remembered that the primary has no such entry, in
	 * milliseconds; at most 100 years. 0 = not at all.
	 */
	int64_t negative_ttl_ms;
	/**
	 * A hit when so much of the time for which the entry is fresh is over,
	 * in percent, 1 to 99, begins a load in the background. 0 = none does.
	 */
	unsigned refresh_ahead_percent;
	/**
	 * For how long after it was fresh an entry is served while it is loaded
	 * anew, in milliseconds; at most 49 days count. It ends when the
	 * primary's entry expires. Needs max_ttl_ms or outlive_primary. 0 =
	 * not at all.
	 */
	int64_t stale_while_ms;
	/**
	 * As stale_while_ms, from the same moment: served where the load fails.
	 */
	int64_t stale_if_error_ms;
	/**
	 * After a load of a key has failed, and where a stale entry of it may
	 * be served meanwhile, no other is begun for so long, in milliseconds;
	 * at most 100 years. 0 = 1000.
	 */
	int64_t error_backoff_ms;
	/**
	 * How long a read that finds a stale entry waits for the load, in
	 * milliseconds; at most 100 years. Then it gets the stale one: in the
	 * time of stale_if_error_ms, too. 0 = within stale_while_ms it does not
	 * wait, later it waits until the load has failed.
	 */
	int64_t soft_timeout_ms;
	/**
	 * Serve stale entries also when the primary's has expired. Needed for
	 * them where the primary's TTL is ignored.
	 */
	bool outlive_primary;
	/**
	 * A put that went well fills the cache, for as long as its TTL says.
	 * Not over a wrapper that shortens TTLs.
	 */
	bool fill_on_put;
};

/** What a cache has done. */
struct evkv_passthrough_cache_counters {
	/** keys loaded from the primary, refreshes included */
	uint64_t loads;
	/** of these, begun in the background: nobody waited */
	uint64_t refreshes;
	/** of these, failed */
	uint64_t load_failures;
	/** keys answered by an entry that was no longer fresh */
	uint64_t stale_served;
	/** keys answered by "the primary has no such entry" out of the cache */
	uint64_t negative_hits;
	/** entries put into the cache */
	uint64_t fills;
	/** not put there: a write or an invalidation came between */
	uint64_t fills_fenced;
	/** not put there: nothing was left to live */
	uint64_t fills_short;
	/** not put there: too large for the cache */
	uint64_t fills_too_large;
};

/** What evkv_cache_invalidate() leaves. */
enum evkv_invalidate {
	/** nothing */
	EVKV_INVALIDATE_HARD,
	/**
	 * the entry, for where its load fails, and as long as stale_if_error_ms
	 * says; nothing where that is off
	 */
	EVKV_INVALIDATE_SOFT,
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
 *                 a primary that can't tell the remaining TTL, options that
 *                 need others, a cache that can't get, put and delete) or
 *                 NOMEM. May be NULL
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

/**
 * Have the caches of a stack forget an entry; the primary is left alone. What
 * was there is not served any more, nor what is being loaded now. A DELETE with
 * EVKV_FLAG_CACHED_ONLY, and EVKV_FLAG_SOFT for SOFT: for several keys at once,
 * or with a deadline, submit that. May be called in a callback.
 * @param store       any store above the cache, or the cache itself; NULL gives
 *                    ticket 0
 * @param collection  the collection
 * @param key         the key
 * @param how         what is left
 * @param cb          gets OK, NOT_FOUND where no cache had the entry, or
 *                    UNSUPPORTED where there is no cache; may be NULL
 * @param arg         for the callback
 * @return as evkv_submit()
 */
EVKV_API evkv_ticket evkv_cache_invalidate(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    enum evkv_invalidate how, evkv_cb cb, void *arg);

/** evkv_passthrough_cache_read_counters() with the size of the caller's struct.
 */
EVKV_API bool evkv_passthrough_cache_read_counters_sized(const struct evkv_store
							     *store,
    struct evkv_passthrough_cache_counters *counters, size_t size);

/**
 * Read the counters of a passthrough cache. May be called in a callback.
 * @param store     a passthrough cache
 * @param counters  filled; all zero where it is none
 * @return false where `store` is none of this kind
 */
static inline bool evkv_passthrough_cache_read_counters(const struct evkv_store
							    *store,
    struct evkv_passthrough_cache_counters *counters)
{
	return evkv_passthrough_cache_read_counters_sized(store, counters,
	    sizeof(*counters));
}

EVKV_END_DECLS

#endif
