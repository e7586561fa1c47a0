/**
 * @file
 * Calls for which a miss is an error.
 *
 *     evkv_require_get(store, EVKV_LIT("users"), EVKV_LIT("7"), on_get, NULL);
 *
 * Each is the call of evkv/ops.h of the same name, whose misses are
 * EVKV_MISSING, a failure, with a message that names operation, collection and
 * key; of many keys the first that is missing.
 */
#ifndef EVKV_ADAPTERS_REQUIRE_H
#define EVKV_ADAPTERS_REQUIRE_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/** As evkv_submit(), for requests with keys; NOT_FOUND becomes MISSING. */
EVKV_API evkv_ticket evkv_require(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg);
/** As evkv_get(). */
EVKV_API evkv_ticket evkv_require_get(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
/** As evkv_get_many(). */
EVKV_API evkv_ticket evkv_require_get_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);
/** As evkv_ttl(). */
EVKV_API evkv_ticket evkv_require_ttl(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);
/** As evkv_ttl_many(). */
EVKV_API evkv_ticket evkv_require_ttl_many(struct evkv_store *store,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_cb cb, void *arg);
/** As evkv_take(). */
EVKV_API evkv_ticket evkv_require_take(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key, evkv_cb cb, void *arg);

EVKV_END_DECLS

#endif
