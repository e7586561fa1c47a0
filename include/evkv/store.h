/**
 * @file
 * A handle on a store, or on a wrapper around one.
 *
 *     struct evkv_store *store = evkv_open(loop, "memory:", &error);
 *     ...
 *     evkv_store_close(store, 1000, on_closed, NULL);
 *     evkv_store_unref(store);
 *
 * Handles are reference-counted. A constructor that takes a store consumes the
 * reference given to it, also when it fails, and passes NULL through. Call
 * evkv_store_ref() first where you want to use a store in two places. Calls
 * that set something on a store ignore NULL; calls that ask for something need
 * a store.
 *
 * All calls here may be made in a callback.
 */
#ifndef EVKV_STORE_H
#define EVKV_STORE_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/** What else a store can do: bits of `flags` in its capabilities. */
enum {
	/** keys come in byte order */
	EVKV_STORE_KEY_ORDER = 1 << 0,
	/** conditions hold between processes */
	EVKV_STORE_ATOMIC_CONDITION = 1 << 1,
	/** pages name nothing twice */
	EVKV_STORE_ENUM_UNIQUE = 1 << 2,
	/** `affected` is -1 with UNKNOWN_OUTCOME only */
	EVKV_STORE_EXACT_AFFECTED = 1 << 3,
	/** the entries live in this process and no other sees them */
	EVKV_STORE_IN_PROCESS = 1 << 4,
	/** versions tell what the value is, not that it was changed */
	EVKV_STORE_VERSION_BY_CONTENT = 1 << 5,
	/** a TOUCH changes no version */
	EVKV_STORE_TOUCH_KEEPS_VERSION = 1 << 6,
};

/** What a store can do. */
struct evkv_capabilities {
	/** of this struct in bytes, set by the library */
	size_t size;
	/** EVKV_KIND_BIT() of each kind that it takes */
	uint32_t kinds;
	/** EVKV_STORE_* */
	uint32_t flags;
	/** the longest key in bytes; at most EVKV_KEY_MAX */
	size_t max_key;
	/** the longest value in bytes; at most EVKV_VALUE_MAX */
	size_t max_value;
	/** TTLs are rounded up to a multiple of this, in milliseconds */
	int64_t ttl_unit_ms;
	/** how much longer than its TTL an entry may live, in milliseconds */
	int64_t ttl_excess_ms;
	/**
	 * the EVKV_FLAG_* that it takes beyond INLINE, SINGLE, WAIT_READY,
	 * FRESH and SOFT
	 */
	uint32_t request_flags;
	/** EVKV_IF_BIT() of each condition of a PUT, EVKV_IF_ANY apart */
	uint32_t put_conditions;
	/** as put_conditions, of a DELETE */
	uint32_t delete_conditions;
	/** as put_conditions, of a TOUCH */
	uint32_t touch_conditions;
};

/** Take a reference; returns `store`. NULL gives NULL. */
EVKV_API struct evkv_store *evkv_store_ref(struct evkv_store *store);

/**
 * Release a reference. At the last one a store that is open is closed without
 * draining, in a later turn; one that is being closed goes on draining. Then it
 * is freed. NULL is ignored.
 */
EVKV_API void evkv_store_unref(struct evkv_store *store);

/**
 * Close a store. Operations that are submitted from now on end with CLOSED.
 * Pending ones have `drain_ms` to end by themselves; then they are ended with
 * CLOSED or UNKNOWN_OUTCOME. Inner stores that nobody else holds a reference to
 * end at the same time, so that the callback comes within `drain_ms` and a turn
 * of the loop, however deep the stack, and after they are closed, too: what
 * they had open may be opened again in it. (A store whose worker thread is busy
 * follows when that is done.) Inner stores that are shared live on. The handle
 * itself stays valid until its last unref. A second close gets its callback
 * with the first.
 * @param store     NULL gives ticket 0, and so does one whose loop is gone
 * @param drain_ms  milliseconds; 0 = end pending operations at once, below 0 =
 *                  wait as long as they take
 * @param cb        comes once, after those of all operations, with OK, or
 *                  TIMEOUT where some had to be ended; its result has the kind
 *                  EVKV_KIND_COUNT. With NOMEM there was no memory to wait for
 *                  the end: the store is being closed all the same. May be NULL
 * @param arg       for the callback
 * @return as evkv_submit(); the ticket can't be cancelled
 */
EVKV_API evkv_ticket evkv_store_close(struct evkv_store *store,
    int64_t drain_ms, evkv_cb cb, void *arg);

/**
 * Close all stores of a loop: the graceful end of a service in one call. The
 * outermost ones are closed first, as by evkv_store_close(), and what they
 * leave open because others hold it, too, after them; so what drains finds its
 * inner stores open. All drains end `drain_ms` from now, those of stores that
 * are being closed already, too. Handles stay valid until their last unref.
 * Afterwards free the loop, or open other stores. A second call gets its
 * callback with the first.
 * @param loop      NULL gives ticket 0
 * @param drain_ms  as for evkv_store_close()
 * @param cb        as for evkv_store_close(), once all stores are closed: OK,
 *                  or TIMEOUT where operations of some had to be ended. May be
 *                  NULL
 * @param arg       for the callback
 * @return as evkv_store_close()
 */
EVKV_API evkv_ticket evkv_loop_shutdown(struct evkv_loop *loop,
    int64_t drain_ms, evkv_cb cb, void *arg);

/** The name of the kind of store, "memory"; static storage. */
EVKV_API const char *evkv_store_name(const struct evkv_store *store);

/**
 * Find a store within a stack, for calls that take only one of its kind:
 *
 *     evkv_retry_read_counters(evkv_store_find(store, "retry", 0), &counters);
 *
 * The order is that of evkv_store_describe(): outermost first, and of several
 * inner stores the first one with all below it before the second. May be called
 * in a callback.
 * @param store  the outermost one; NULL gives NULL
 * @param name   as evkv_store_name() gives it
 * @param i      0 = the first one of that name
 * @return NULL where there are not so many. A borrowed reference: what is only
 *         read is safe; an operation on it passes by what is above it
 */
EVKV_API struct evkv_store *evkv_store_find(struct evkv_store *store,
    const char *name, size_t i);

/** The loop of a store; NULL when evkv_loop_free() has freed it. */
EVKV_API struct evkv_loop *evkv_store_loop(const struct evkv_store *store);

/**
 * What a store can do. A wrapper's capabilities are never wider than those of
 * its inner stores. They live as long as the store.
 */
EVKV_API const struct evkv_capabilities *evkv_store_capabilities(
    const struct evkv_store *store);

/** Whether a store takes an operation of this kind with this condition. */
EVKV_API bool evkv_store_can(const struct evkv_store *store,
    enum evkv_kind kind, enum evkv_condition condition);

/**
 * Set the default deadline of the operations that are submitted to this store.
 * A wrapper takes over the deadline of its (first) inner store when it is made;
 * from then on only that of the store that an operation is submitted to counts.
 * @param store       NULL is ignored
 * @param timeout_ms  milliseconds; 0 or below = none, the default
 */
EVKV_API void evkv_store_set_timeout(struct evkv_store *store,
    int64_t timeout_ms);

/**
 * Set the bounds on what is pending. Past a bound operations end with BUSY at
 * once; but one operation alone may have any number of bytes. The loop keeps
 * the memory of as many operations as were pending at once, about 1 KiB each,
 * for later ones.
 * @param store              NULL is ignored
 * @param max_pending        entries: a batch counts each key, a request without
 *                           keys counts one. 0 = as it is; 100000 at first
 * @param max_pending_bytes  bytes of keys and values. 0 = as it is; 1 GiB at
 *                           first
 */
EVKV_API void evkv_store_set_limits(struct evkv_store *store,
    size_t max_pending, size_t max_pending_bytes);

/** The state of a store. */
enum evkv_state {
	/** not tried yet, or trying */
	EVKV_STATE_CONNECTING,
	/** open, or connected */
	EVKV_STATE_READY,
	/** the last try failed; it will be repeated */
	EVKV_STATE_DOWN,
	/** closed, or being closed */
	EVKV_STATE_CLOSED,
};

/**
 * The name of a state ("READY"); "?" for a number that is none. Any thread;
 * static storage.
 */
EVKV_API const char *evkv_state_name(enum evkv_state state);

/**
 * The state of a store; a wrapper's state is the worst of its stack, but for
 * caches.
 */
EVKV_API enum evkv_state evkv_store_state(const struct evkv_store *store);

/**
 * Receives a change of a store's state, or of the reason for it (another of its
 * connections failed, too), in a later turn; several changes may have become
 * one.
 * @param state    the new state
 * @param cause    why
 * @param message  why, in one line; lives for the call
 * @param arg      what was given to evkv_store_set_state_cb()
 */
typedef void (*evkv_state_cb)(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg);

/**
 * Set the callback for changes of state; each handle has one.
 * @param store  NULL is ignored
 * @param cb     NULL = none
 * @param arg    for the callback
 */
EVKV_API void evkv_store_set_state_cb(struct evkv_store *store,
    evkv_state_cb cb, void *arg);

/**
 * Wait until a store is ready: OK, TIMEOUT, or the status and the cause of the
 * first failure to open or to connect. A store that needs neither is ready.
 * @param store       NULL gives ticket 0
 * @param timeout_ms  milliseconds; 0 = the store's default, -1 = no limit
 * @param cb          gets the result; may be NULL
 * @param arg         for the callback
 * @return as evkv_submit(); can be cancelled
 */
EVKV_API evkv_ticket evkv_store_wait_ready(struct evkv_store *store,
    int64_t timeout_ms, evkv_cb cb, void *arg);

/**
 * Figures about a store. Reconnects, entries, bytes and evictions of a wrapper
 * are the sums of those of its inner stores; entries and bytes without those of
 * a cache, whose entries are the primary's, too (evkv_store_metrics() tells
 * them).
 */
struct evkv_counters {
	/** entries under way, abandoned ones included */
	size_t pending;
	/** bytes of their keys and values */
	size_t pending_bytes;
	/** operations whose callback has run while the store still works */
	size_t abandoned;
	/** connections made after the first */
	uint64_t reconnects;
	/** entries stored, where the store can tell at once, else 0 */
	size_t entries;
	/** bytes stored, where the store can tell at once, else 0 */
	size_t bytes;
	/** entries evicted to make room */
	uint64_t evictions;
};

/** evkv_store_counters() with the size of the caller's struct. */
EVKV_API void evkv_store_counters_sized(const struct evkv_store *store,
    struct evkv_counters *counters, size_t size);

/** Read a store's present counters into `*counters`. Cheap. */
static inline void evkv_store_counters(const struct evkv_store *store,
    struct evkv_counters *counters)
{
	evkv_store_counters_sized(store, counters, sizeof(*counters));
}

/**
 * A figure that a store reports beside its counters: connections, loads of a
 * cache. Named as Prometheus names them, without the `evkv_` before it.
 */
struct evkv_metric {
	/** sizeof(struct evkv_metric), set by the library */
	size_t size;
	/** "connections", "cache_loads_total"; static storage, as all text here */
	const char *name;
	/** what it counts, in one sentence */
	const char *help;
	/** the name of its label, "result"; NULL = it has none */
	const char *label;
	/** the label's value, "hit"; lower case, digits and '_' */
	const char *value;
	/** it goes up and down; else it only grows */
	bool gauge;
	/** the figure */
	uint64_t number;
};

/** Gets a figure, which lives for the call. Must not submit. */
typedef void (*evkv_metric_cb)(const struct evkv_metric *metric, void *arg);

/**
 * Tell the present figures of all stores of a stack, the outermost first. Two
 * stores of one kind tell the same names; add them up by name and value.
 * @param store  the outermost one
 * @param cb     called for each figure, inside this call
 * @param arg    for the callback
 */
EVKV_API void evkv_store_metrics(const struct evkv_store *store,
    evkv_metric_cb cb, void *arg);

EVKV_END_DECLS

#endif
