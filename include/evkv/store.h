/*
 * evkv/store.h - a handle on a store, or on a wrapper around one.
 *
 *     struct evkv_store *store = evkv_open(loop, "memory:", &error);
 *     ...
 *     evkv_store_close(store, 1000, on_closed, NULL);
 *     evkv_store_unref(store);
 *
 * Handles are counted. A constructor that takes a store consumes the reference
 * given to it, also when it fails, and passes NULL through; evkv_store_ref()
 * first where a store is to be used in two places. What sets something on a
 * store ignores NULL too; what asks for something needs a store.
 *
 * All calls here may be made in a callback.
 */
#ifndef EVKV_STORE_H
#define EVKV_STORE_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/* What else a store can do. */
enum {
	EVKV_STORE_KEY_ORDER = 1 << 0, /* keys come in byte order */
	/* IF_ABSENT holds between processes */
	EVKV_STORE_ATOMIC_CONDITION = 1 << 1,
	EVKV_STORE_ENUM_UNIQUE = 1 << 2, /* pages name nothing twice */
	/* affected is -1 with UNKNOWN_OUTCOME only */
	EVKV_STORE_EXACT_AFFECTED = 1 << 3,
	EVKV_STORE_IN_PROCESS = 1 << 4, /* the entries are this process's own */
	/* versions tell what the value is, not that it was changed */
	EVKV_STORE_VERSION_BY_CONTENT = 1 << 5,
};

struct evkv_capabilities {
	size_t size;         /* of this struct, set by the library */
	uint32_t kinds;      /* EVKV_KIND_BIT() of each kind that it takes */
	uint32_t flags;      /* EVKV_STORE_* */
	size_t max_key;      /* bytes; at most EVKV_KEY_MAX */
	size_t max_value;    /* bytes; at most EVKV_VALUE_MAX */
	int64_t ttl_unit_ms; /* TTLs are rounded up to a multiple of this */
	/* how much longer than told an entry may live, in milliseconds */
	int64_t ttl_excess_ms;
	/* EVKV_FLAG_* beyond INLINE, SINGLE and WAIT_READY that it takes */
	uint32_t request_flags;
	/* EVKV_IF_BIT() of each condition that it takes, EVKV_IF_ANY apart */
	uint32_t put_conditions;
	uint32_t delete_conditions;
	uint32_t touch_conditions;
};

/* One reference more; returns `store`. NULL gives NULL. */
EVKV_API struct evkv_store *evkv_store_ref(struct evkv_store *store);

/*
 * One reference less. At the last one the store is closed without draining, on
 * a later turn, and freed. NULL is ignored.
 */
EVKV_API void evkv_store_unref(struct evkv_store *store);

/*
 * Close: operations submitted from now on end with CLOSED, pending ones have
 * drain_ms milliseconds (0 = none, below 0 = as long as they take) to end by
 * themselves and are then ended with CLOSED or UNKNOWN_OUTCOME. The callback
 * (may be NULL) comes once, after those of all operations, with OK or TIMEOUT
 * (some had to be ended); a second close gets its callback with the first.
 * Then the references on inner stores are dropped. The handle itself stays
 * valid until its last unref. Returns as evkv_submit() does; the ticket can't
 * be cancelled, and the result's kind is EVKV_KIND_COUNT.
 */
EVKV_API evkv_ticket evkv_store_close(struct evkv_store *store,
    int64_t drain_ms, evkv_cb cb, void *arg);

/*
 * The name of the kind of store ("memory"), in static storage, and its loop.
 */
EVKV_API const char *evkv_store_name(const struct evkv_store *store);
EVKV_API struct evkv_loop *evkv_store_loop(const struct evkv_store *store);

/*
 * What the store can do; a wrapper's are never wider than those of its inner
 * stores. Lives as long as the store.
 */
EVKV_API const struct evkv_capabilities *evkv_store_capabilities(
    const struct evkv_store *store);
/* Whether it takes an operation of this kind, with this condition. */
EVKV_API bool evkv_store_can(const struct evkv_store *store,
    enum evkv_kind kind, enum evkv_condition condition);

/*
 * The store's default deadline in milliseconds; 0 = none, the default, and so
 * is what is below. A wrapper takes over what its (first) inner store has when
 * it is made; only that of the store that an operation is submitted to counts.
 */
EVKV_API void evkv_store_set_timeout(struct evkv_store *store,
    int64_t timeout_ms);

/*
 * Bounds on what is pending: entries (a batch counts each key; a request
 * without keys counts one) and bytes of keys and values. 0 keeps the present
 * bound. Past a bound operations end with BUSY at once; but one operation alone
 * may have any number of bytes. The defaults are 100000 entries and 1 GiB. The
 * loop keeps the memory of as many operations as were pending at once, about
 * 1 KiB each, for those to come.
 */
EVKV_API void evkv_store_set_limits(struct evkv_store *store,
    size_t max_pending, size_t max_pending_bytes);

enum evkv_state {
	EVKV_STATE_CONNECTING, /* not tried yet, or trying */
	EVKV_STATE_READY,
	EVKV_STATE_DOWN, /* the last try failed; it will be repeated */
	EVKV_STATE_CLOSED,
};

/**
 * The name of a state ("READY"); "?" for a number that is none. Any thread;
 * static storage.
 */
EVKV_API const char *evkv_state_name(enum evkv_state state);

/*
 * Where a store stands; a wrapper's state is the worst of its inner stores'.
 * The callback of evkv_store_set_state_cb() tells of each change in a later
 * turn, where several changes may have become one; `message` says why and
 * lives for the call. One callback per handle; NULL ends it.
 */
EVKV_API enum evkv_state evkv_store_state(const struct evkv_store *store);
typedef void (*evkv_state_cb)(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg);
EVKV_API void evkv_store_set_state_cb(struct evkv_store *store,
    evkv_state_cb cb, void *arg);

/*
 * Wait until the store is ready, at most timeout_ms milliseconds (0 = the
 * store's default, -1 = no limit): OK, TIMEOUT, or the status and the cause of
 * the first failure to open or connect. A store that needs neither is ready.
 * Returns as evkv_submit() does, and can be cancelled.
 */
EVKV_API evkv_ticket evkv_store_wait_ready(struct evkv_store *store,
    int64_t timeout_ms, evkv_cb cb, void *arg);

struct evkv_counters {
	size_t pending;       /* entries under way, abandoned ones included */
	size_t pending_bytes; /* bytes of their keys and values */
	size_t abandoned;     /* operations told off, not yet ended below */
	uint64_t reconnects;  /* connections made after the first */
	size_t entries;       /* stored, where the store can tell at once */
	size_t bytes;         /* likewise */
	uint64_t evictions;   /* entries given up for want of room */
};

/* The store's present counters, into *counters. Costs nothing. */
EVKV_API void evkv_store_counters_sized(const struct evkv_store *store,
    struct evkv_counters *counters, size_t size);
static inline void evkv_store_counters(const struct evkv_store *store,
    struct evkv_counters *counters)
{
	evkv_store_counters_sized(store, counters, sizeof(*counters));
}

EVKV_END_DECLS

#endif
