/*
 * evkv/ops.h - a short call for every kind of operation.
 *
 *     evkv_put(store, EVKV_LIT("users"), EVKV_LIT("123"), EVKV_LIT("Ada"),
 *         60000, on_put, NULL);
 *     evkv_get(store, EVKV_LIT("users"), EVKV_LIT("123"), on_get, NULL);
 *
 * Each is evkv_submit() with a request filled in: evkv/request.h says what the
 * kinds do, what limits hold and who owns what. All return the ticket and may
 * be called in a callback. The statuses named here are those beyond the ones
 * that any operation may give: INVALID, UNSUPPORTED, BUSY, TIMEOUT, CANCELED,
 * CLOSED, UNAVAILABLE, REFUSED, SERVER, CORRUPT, IO, NOMEM and, for what
 * writes, UNKNOWN_OUTCOME.
 */
#ifndef EVKV_OPS_H
#define EVKV_OPS_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/* One key: OK with entries[0].value, or NOT_FOUND. */
EVKV_API evkv_ticket evkv_get(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
/* Many keys: OK, each entry OK or NOT_FOUND. */
EVKV_API evkv_ticket evkv_get_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/* As get, with entries[i].ttl_ms, which is >= 1 or EVKV_TTL_NONE. */
EVKV_API evkv_ticket evkv_ttl(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_ttl_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/*
 * Set a value, with a TTL in milliseconds (EVKV_TTL_NONE = never expires, and
 * removes an older TTL). OK, TOO_LARGE or NOSPACE.
 */
EVKV_API evkv_ticket evkv_put(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);
/* keys[i] gets values[i]; not atomic. */
EVKV_API evkv_ticket evkv_put_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys,
    const struct evkv_slice *values, size_t count, int64_t ttl_ms, evkv_cb cb,
    void *arg);
/* Only where the key is absent: also EXISTS. */
EVKV_API evkv_ticket evkv_put_if_absent(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);
/* Only where the key is present: also NOT_FOUND. */
EVKV_API evkv_ticket evkv_put_if_present(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value, int64_t ttl_ms, evkv_cb cb, void *arg);

/* OK or NOT_FOUND; affected = how many existed. */
EVKV_API evkv_ticket evkv_delete(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_delete_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/* OK or NOT_FOUND. */
EVKV_API evkv_ticket evkv_exists(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_exists_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);

/* Set the TTL in milliseconds; EVKV_TTL_NONE removes it. OK or NOT_FOUND. */
EVKV_API evkv_ticket evkv_touch(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, int64_t ttl_ms,
    evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_touch_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    int64_t ttl_ms, evkv_cb cb, void *arg);

/*
 * A page of a collection's keys that match a glob pattern (empty = all), from
 * `cursor` on (empty = from the start), about `limit` of them (0 = 1000).
 * entries[i].name are the keys; result->cursor, where it is not empty, is the
 * cursor of the next page. A page may be empty without being the last.
 */
EVKV_API evkv_ticket evkv_keys(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice pattern,
    struct evkv_slice cursor, size_t limit, evkv_cb cb, void *arg);
/* Likewise, of the names of the collections that have entries. */
EVKV_API evkv_ticket evkv_collections(struct evkv_store *store,
    struct evkv_slice pattern, struct evkv_slice cursor, size_t limit,
    evkv_cb cb, void *arg);

/* Remove the entries of one collection whose keys match (empty = all). */
EVKV_API evkv_ticket evkv_clear(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice pattern, evkv_cb cb,
    void *arg);
/* Remove the entries of every collection. */
EVKV_API evkv_ticket evkv_clear_all(struct evkv_store *store, evkv_cb cb,
    void *arg);
/* Remove what has expired. */
EVKV_API evkv_ticket evkv_purge_expired(struct evkv_store *store, evkv_cb cb,
    void *arg);

/*
 * Is the store there; make durable; give space back. OK where nothing is to do.
 */
EVKV_API evkv_ticket evkv_ping(struct evkv_store *store, evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_sync(struct evkv_store *store, evkv_cb cb, void *arg);
EVKV_API evkv_ticket evkv_compact(struct evkv_store *store, evkv_cb cb,
    void *arg);

EVKV_END_DECLS

#endif
