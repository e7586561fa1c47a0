/**
 * @file
 * Counts and times what passes, by collection and kind of operation.
 *
 *     store = evkv_statistics_new(store, NULL, &error);
 *     ...
 *     evkv_statistics_write_prometheus(store, reply);
 *
 * Each operation is counted once, when it ends, with the status that was
 * reported upwards, also where it was cut off by a deadline, a cancel or a
 * close. What the boundary refuses is not counted: INVALID and UNSUPPORTED
 * requests, those without any key, and those of a store that is closed.
 *
 * Latency is measured from here down. Operations that are pending are all
 * measured. Of those answered at once, inside the submitting call, one in
 * `sample_inline` is measured, by chance, and stands for as many. Times are
 * kept in buckets, 16 to an octave, from 1 ns to 1 h: a percentile is at most
 * 6.25% too high.
 *
 * All calls may be made in a callback; those that take a store take one that
 * evkv_statistics_new() made.
 */
#ifndef EVKV_WRAPPERS_STATISTICS_H
#define EVKV_WRAPPERS_STATISTICS_H

#include "evkv/store.h"

struct evbuffer;

EVKV_BEGIN_DECLS

/** Room for statuses in struct evkv_statistics. */
#define EVKV_STATISTICS_STATUSES 32

/** Options. Zero in a field is its default. */
struct evkv_statistics_options {
	/**
	 * the label `store` in the Prometheus text, at most 255 bytes; copied;
	 * NULL = the name of the inner store ("redis")
	 */
	const char *name;
	/**
	 * how many collections have a label of their own, at most 65536; those
	 * that are first seen later share one. 0 = 100. One collection takes
	 * about 5 KB for each kind of operation that is used in it.
	 */
	size_t max_collections;
	/**
	 * of operations answered at once one in so many is measured, at most
	 * 65536; 1 = all, 0 = 32
	 */
	unsigned sample_inline;
	/** where times are read, in nanoseconds; NULL = CLOCK_MONOTONIC */
	int64_t (*clock_ns)(void *arg);
	/** for clock_ns() */
	void *clock_arg;
};

/** What was counted since the start, or since evkv_statistics_reset(). */
struct evkv_statistics {
	/** operations that have ended; a batch is one */
	uint64_t operations;
	/** and of these by status, as index */
	uint64_t by_status[EVKV_STATISTICS_STATUSES];
	/** of these, how many failed: evkv_failed() */
	uint64_t failures;
	/** the keys that they named */
	uint64_t keys;
	/** GET, TTL, EXISTS, TAKE: keys that were there */
	uint64_t hits;
	/** and keys that were not */
	uint64_t misses;
	/** bytes of the keys and values given */
	uint64_t bytes_in;
	/** bytes of the values and names answered */
	uint64_t bytes_out;
	/** how many operations the times stand for */
	uint64_t timed;
	/** the sum of their times, in nanoseconds */
	uint64_t time_sum_ns;
	/** the median, in nanoseconds */
	uint64_t p50_ns;
	/** the 90th percentile */
	uint64_t p90_ns;
	/** the 99th percentile */
	uint64_t p99_ns;
	/** the 99.9th percentile */
	uint64_t p999_ns;
	/** the longest that was measured */
	uint64_t max_ns;
	/** operations not counted for lack of memory; in totals only */
	uint64_t uncounted;
};

/** Whose statistics they are. */
struct evkv_statistics_label {
	/** sizeof(struct evkv_statistics_label), set by the library */
	size_t size;
	/** the collection; "" also for kinds that are not about one */
	struct evkv_slice collection;
	/** these are the collections beyond max_collections, together */
	bool rest;
	/** the kind of operation */
	enum evkv_kind kind;
};

/** evkv_statistics_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_statistics_new_sized(struct evkv_store *inner,
    const struct evkv_statistics_options *options, size_t size,
    struct evkv_error *error);

/**
 * Count what passes to and from a store. Transparent: every kind, condition and
 * flag goes through, and capabilities are those of the inner store. Has no
 * bounds of its own on what is pending, so that it sees the inner store's BUSY.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (an option out of
 *                 bounds) or NOMEM
 */
static inline struct evkv_store *evkv_statistics_new(struct evkv_store *inner,
    const struct evkv_statistics_options *options, struct evkv_error *error)
{
	return evkv_statistics_new_sized(inner, options, sizeof(*options),
	    error);
}

/** evkv_statistics_snapshot() with the size of the caller's struct. */
EVKV_API bool evkv_statistics_snapshot_sized(const struct evkv_store *store,
    const struct evkv_slice *collection, struct evkv_statistics *statistics,
    size_t size);

/**
 * What was counted, all kinds together.
 * @param store       a statistics store
 * @param collection  of this collection; NULL = of all. Kinds that are not
 *                    about one are counted under "".
 * @param statistics  filled; all zero where there is nothing
 * @return false where `store` is none of this kind, or the collection is not
 *         known
 */
static inline bool evkv_statistics_snapshot(const struct evkv_store *store,
    const struct evkv_slice *collection, struct evkv_statistics *statistics)
{
	return evkv_statistics_snapshot_sized(store, collection, statistics,
	    sizeof(*statistics));
}

/**
 * Gets one kind of one collection; what it is given lives for the call.
 * @return false to stop
 */
typedef bool (*evkv_statistics_cb)(const struct evkv_statistics_label *label,
    const struct evkv_statistics *statistics, void *arg);

/**
 * Visit all that is counted, by collection in the order of their first use and
 * by kind.
 * @param store  a statistics store
 * @param visit  called for each; must not submit to `store`
 * @param arg    for visit()
 * @return false where `store` is none of this kind
 */
EVKV_API bool evkv_statistics_each(const struct evkv_store *store,
    evkv_statistics_cb visit, void *arg);

/**
 * Start over at zero. What is under way is counted when it ends.
 * @param store  a statistics store; any other is left alone
 */
EVKV_API void evkv_statistics_reset(struct evkv_store *store);

/**
 * Append everything as text in the format of Prometheus, version 0.0.4, with
 * the present counters of the stack below (evkv_store_counters()).
 *
 * Names of collections are shown as they are where they are UTF-8; a backslash
 * is shown as two, and what is no UTF-8, and control characters, as `\xNN`. The
 * collections beyond max_collections are `\other`, which no name is shown as.
 * @param store  a statistics store
 * @param out    where to
 * @return false where `store` is none of this kind, or when out of memory: then
 *         the text is not whole
 */
EVKV_API bool evkv_statistics_write_prometheus(const struct evkv_store *store,
    struct evbuffer *out);

/**
 * The same for several statistics stores, in one text: each metric is one
 * block, as the format demands. Give them names that differ.
 * @param stores  `count` statistics stores
 * @param count   how many
 * @param out     where to
 * @return as evkv_statistics_write_prometheus()
 */
EVKV_API bool evkv_statistics_write_prometheus_all(
    struct evkv_store *const *stores, size_t count, struct evbuffer *out);

EVKV_END_DECLS

#endif
