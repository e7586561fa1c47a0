/**
 * @file
 * A store that keeps nothing.
 *
 *     struct evkv_store *store = evkv_null_new(loop, &error);
 *
 * Every put succeeds and is forgotten, every look-up misses. URL: `null:`
 */
#ifndef EVKV_STORES_NULL_H
#define EVKV_STORES_NULL_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * A new null store. May be called in a callback.
 * @param loop   its loop; NULL is INVALID
 * @param error  filled where NULL is returned; may be NULL
 * @return a store with one reference, or NULL
 */
EVKV_API struct evkv_store *evkv_null_new(struct evkv_loop *loop,
    struct evkv_error *error);

EVKV_END_DECLS

#endif
