/**
 * @file
 * Blocking calls from any thread, for programs without an event loop.
 *
 *     struct evkv_sync *db = evkv_sync_open("memory:", NULL, &error);
 *     evkv_sync_put(db, EVKV_LIT("users"), EVKV_LIT("7"), EVKV_LIT("Ada"), 0);
 *     status = evkv_sync_get(db, EVKV_LIT("users"), EVKV_LIT("7"), &value);
 *     evkv_sync_close(db, 1000);
 *
 * The stores live on a loop that has a thread of its own, or on a loop of the
 * program's that is running (evkv_sync_new()). All calls here may be made on
 * any thread but the loop's, where they would wait for themselves: there they
 * are INVALID. Each ends with the status that its callback would get; a call
 * that is out of memory for its answer is NOMEM.
 */
#ifndef EVKV_ADAPTERS_SYNC_H
#define EVKV_ADAPTERS_SYNC_H

#include "evkv/open.h"

EVKV_BEGIN_DECLS

struct evkv_sync;

/** Options of evkv_sync_open(). Zero in a field is its default. */
struct evkv_sync_options {
	/**
	 * Makes the store, on the loop's thread, before anything else is done
	 * there; it may register schemes first. NULL = evkv_open().
	 */
	struct evkv_store *(*open)(struct evkv_loop *loop, const char *url,
	    void *arg, struct evkv_error *error);
	/** for open() */
	void *arg;
	/** the deadline of calls that give none, in milliseconds; 0 = that of
	 * the store, -1 = none */
	int64_t timeout_ms;
};

/** evkv_sync_open() with the size of the caller's struct. */
EVKV_API struct evkv_sync *evkv_sync_open_sized(const char *url,
    const struct evkv_sync_options *options, size_t size,
    struct evkv_error *error);

/**
 * Open a store on a loop and a thread of its own.
 * @param url      as for evkv_open()
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned; may be NULL
 */
static inline struct evkv_sync *evkv_sync_open(const char *url,
    const struct evkv_sync_options *options, struct evkv_error *error)
{
	return evkv_sync_open_sized(url, options, sizeof(*options), error);
}

/**
 * Blocking calls for a store of a running loop. On the loop's thread, or before
 * it runs. The loop must run until evkv_sync_close() has returned.
 * @param store  consumed, also on failure; NULL is passed through
 * @param error  filled where NULL is returned; may be NULL
 */
EVKV_API struct evkv_sync *evkv_sync_new(struct evkv_store *store,
    struct evkv_error *error);

/**
 * Close: calls that block now end with CLOSED or UNKNOWN_OUTCOME after
 * `drain_ms` at the latest; then everything is freed, and no call may be made
 * any more. The store of evkv_sync_new() is closed too.
 * @param sync      NULL is ignored
 * @param drain_ms  as for evkv_store_close()
 * @return OK, TIMEOUT where calls had to be ended, or INVALID on the loop's
 *         thread, where nothing happens
 */
EVKV_API enum evkv_status evkv_sync_close(struct evkv_sync *sync,
    int64_t drain_ms);

/**
 * Do any operation and wait for it.
 * @param sync     the store
 * @param request  as for evkv_submit(); timeout_ms 0 = the options'
 * @param result   set to a copy of the result, to be freed by
 *                 evkv_sync_result_free(); NULL where the status is all
 * @return the status of the result; NOMEM without a result
 */
EVKV_API enum evkv_status evkv_sync_call(struct evkv_sync *sync,
    const struct evkv_request *request, struct evkv_result **result);

/** Free a result of evkv_sync_call(), its values included. NULL is ignored. */
EVKV_API void evkv_sync_result_free(struct evkv_result *result);

/**
 * The value of a key: OK or NOT_FOUND.
 * @param value  set to the value, whose reference is the caller's, or to NULL;
 *               may be NULL
 */
EVKV_API enum evkv_status evkv_sync_get(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value **value);
/** Set a value, with a TTL in milliseconds (EVKV_TTL_NONE = never expires). */
EVKV_API enum evkv_status evkv_sync_put(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms);
/** As evkv_sync_put(), only where the key is absent: also EXISTS. */
EVKV_API enum evkv_status evkv_sync_add(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms);
/** As evkv_sync_put(), only where the key is present: also NOT_FOUND. */
EVKV_API enum evkv_status evkv_sync_update(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms);
/** Remove a key: OK or NOT_FOUND. */
EVKV_API enum evkv_status evkv_sync_delete(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key);
/** Whether a key is there: OK or NOT_FOUND. */
EVKV_API enum evkv_status evkv_sync_exists(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key);
/** Set a key's TTL in milliseconds; EVKV_TTL_NONE removes it. */
EVKV_API enum evkv_status evkv_sync_touch(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms);
/** As evkv_sync_get(), and remove the key in one step. */
EVKV_API enum evkv_status evkv_sync_take(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_value **value);
/** Add to a number, as evkv_incr(); *number is set where the status is OK;
 * `number` may be NULL. */
EVKV_API enum evkv_status evkv_sync_incr(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice key, int64_t delta,
    int64_t *number);
/** Remove the entries of one collection, or only those whose keys match. */
EVKV_API enum evkv_status evkv_sync_clear(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice pattern);
/** Remove the entries of every collection. */
EVKV_API enum evkv_status evkv_sync_clear_all(struct evkv_sync *sync);
/** Make durable what was acknowledged. */
EVKV_API enum evkv_status evkv_sync_sync(struct evkv_sync *sync);
/** Give space back. */
EVKV_API enum evkv_status evkv_sync_compact(struct evkv_sync *sync);

/**
 * Walk over all keys of a collection.
 * @param pattern  only keys that match; empty = all
 * @param visit    called with each key, on this thread; false ends the walk.
 *                 It may make calls
 * @param arg      for visit()
 * @return OK, also where visit() ended it, or why a page failed
 */
EVKV_API enum evkv_status evkv_sync_keys(struct evkv_sync *sync,
    struct evkv_slice collection, struct evkv_slice pattern,
    bool (*visit)(struct evkv_slice key, void *arg), void *arg);
/** As evkv_sync_keys(), over the names of the collections. */
EVKV_API enum evkv_status evkv_sync_collections(struct evkv_sync *sync,
    struct evkv_slice pattern, bool (*visit)(struct evkv_slice name, void *arg),
    void *arg);

EVKV_END_DECLS

#endif
