/**
 * @file
 * A short call for every kind of operation.
 *
 *     evkv_put(store, EVKV_LIT("users"), EVKV_LIT("123"), EVKV_LIT("Ada"),
 *         60000, on_put, NULL);
 *     evkv_get(store, EVKV_LIT("users"), EVKV_LIT("123"), on_get, NULL);
 *
 * Each is evkv_submit() with a request filled in: evkv/request.h says what the
 * kinds do, what limits hold and who owns what. All take the store first and
 * the callback (may be NULL) and its argument last, return the ticket, and may
 * be called in a callback. The statuses named here are those beyond the ones
 * that any operation may give: INVALID, UNSUPPORTED, BUSY, TIMEOUT, CANCELED,
 * CLOSED, UNAVAILABLE, REFUSED, SERVER, CORRUPT, IO, NOMEM and, for what
 * writes, UNKNOWN_OUTCOME.
 */
#ifndef EVKV_OPS_H
#define EVKV_OPS_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/**
 * The value of a key: OK with the entry's value, or NOT_FOUND.
 */
EVKV_API evkv_ticket evkv_get(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * The values of many keys: OK, each entry OK or NOT_FOUND.
 */
EVKV_API evkv_ticket evkv_get_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/**
 * As evkv_get(), with the entry's version for evkv_put_if_version().
 * UNSUPPORTED where the store has no versions.
 */
EVKV_API evkv_ticket evkv_get_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * As evkv_get(), with the entry's remaining TTL in ttl_ms, which is at least 1
 * or EVKV_TTL_NONE.
 */
EVKV_API evkv_ticket evkv_ttl(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * As evkv_ttl(), for many keys.
 */
EVKV_API evkv_ticket evkv_ttl_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/**
 * Set a value. OK, TOO_LARGE or NOSPACE.
 * @param ttl_ms  the TTL in milliseconds; EVKV_TTL_NONE = never expires, and
 *                removes an older TTL
 */
EVKV_API evkv_ticket evkv_put(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);

/**
 * Set many values: keys[i] gets values[i]; not atomic. Otherwise as evkv_put().
 */
EVKV_API evkv_ticket evkv_put_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys,
    const struct evkv_slice *values, size_t count, int64_t ttl_ms, evkv_cb cb,
    void *arg);

/**
 * As evkv_put(), only where the key is absent: also EXISTS.
 */
EVKV_API evkv_ticket evkv_put_if_absent(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);

/**
 * As evkv_put(), only where the key is present: also NOT_FOUND.
 */
EVKV_API evkv_ticket evkv_put_if_present(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);

/**
 * As evkv_put(), only where the entry still has the version that a read gave:
 * also CONFLICT (it has another) and NOT_FOUND (it is gone). The entry of the
 * result has the new version.
 * @param version  copied; NULL is INVALID
 */
EVKV_API evkv_ticket evkv_put_if_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, const struct evkv_version *version, int64_t ttl_ms,
    evkv_cb cb, void *arg);

/**
 * Remove a key: OK or NOT_FOUND; affected = how many existed.
 */
EVKV_API evkv_ticket evkv_delete(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * As evkv_delete(), only where the entry still has the version that a read
 * gave: also CONFLICT.
 * @param version  copied; NULL is INVALID
 */
EVKV_API evkv_ticket evkv_delete_if_version(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    const struct evkv_version *version, evkv_cb cb, void *arg);

/**
 * As evkv_delete(), for many keys.
 */
EVKV_API evkv_ticket evkv_delete_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/**
 * Get a value and remove the entry in one step: OK with the value, or
 * NOT_FOUND. UNSUPPORTED where the store can't.
 */
EVKV_API evkv_ticket evkv_take(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * As evkv_take(), for many keys.
 */
EVKV_API evkv_ticket evkv_take_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/**
 * Add to the number that an entry holds as decimal text; an entry that is not
 * there is made with `delta` and without a TTL (evkv_submit() takes another
 * start and a TTL). OK with the new number in the entry; INVALID, without
 * effect, where the value is no number as Redis writes it or the sum does not
 * fit into 64 bits; UNSUPPORTED where the store can't.
 * @param delta  what is added; may be negative
 */
EVKV_API evkv_ticket evkv_incr(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, int64_t delta,
    evkv_cb cb, void *arg);

/**
 * As evkv_incr(), for many keys.
 */
EVKV_API evkv_ticket evkv_incr_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    int64_t delta, evkv_cb cb, void *arg);

/**
 * Whether a key is there: OK or NOT_FOUND.
 */
EVKV_API evkv_ticket evkv_exists(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

/**
 * As evkv_exists(), for many keys.
 */
EVKV_API evkv_ticket evkv_exists_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/**
 * Set a key's TTL without rewriting its value: OK or NOT_FOUND.
 * @param ttl_ms  the TTL in milliseconds; EVKV_TTL_NONE removes it
 */
EVKV_API evkv_ticket evkv_touch(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms,
    evkv_cb cb, void *arg);

/**
 * As evkv_touch(), for many keys.
 */
EVKV_API evkv_ticket evkv_touch_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    int64_t ttl_ms, evkv_cb cb, void *arg);

/**
 * A page of a collection's keys. A page may be empty without being the last.
 * evkv_each() (evkv/each.h) walks all pages.
 * @param pattern  a glob pattern; empty = all
 * @param cursor   the cursor of the result before; empty = from the start
 * @param limit    names per page, a hint; 0 = 1000
 */
EVKV_API evkv_ticket evkv_keys(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice pattern,
    struct evkv_slice cursor, size_t limit, evkv_cb cb, void *arg);

/**
 * As evkv_keys(), with the names of the collections that have entries.
 */
EVKV_API evkv_ticket evkv_collections(struct evkv_store *store,
    struct evkv_slice pattern, struct evkv_slice cursor, size_t limit,
    evkv_cb cb, void *arg);

/**
 * Remove the entries of one collection.
 * @param pattern  only keys that match this glob pattern; empty = all
 */
EVKV_API evkv_ticket evkv_clear(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice pattern, evkv_cb cb,
    void *arg);

/**
 * Remove the entries of every collection.
 */
EVKV_API evkv_ticket evkv_clear_all(struct evkv_store *store, evkv_cb cb,
    void *arg);

/**
 * Remove what has expired.
 */
EVKV_API evkv_ticket evkv_purge_expired(struct evkv_store *store, evkv_cb cb,
    void *arg);

/**
 * Whether the store is there.
 */
EVKV_API evkv_ticket evkv_ping(struct evkv_store *store, evkv_cb cb, void *arg);

/**
 * Make durable what was acknowledged; OK where there is nothing to do.
 */
EVKV_API evkv_ticket evkv_sync(struct evkv_store *store, evkv_cb cb, void *arg);

/**
 * Give space back; OK where there is nothing to do.
 */
EVKV_API evkv_ticket evkv_compact(struct evkv_store *store, evkv_cb cb,
    void *arg);

EVKV_END_DECLS

#endif
