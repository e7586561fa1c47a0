/**
 * @file
 * A store that may only be read.
 *
 *     store = evkv_read_only_new(store, &error);
 *
 * Every kind that writes, take, incr and purge_expired among them, ends with
 * REFUSED, evkv_cache_invalidate() too: put it below a cache whose entries are
 * to be invalidated. The rest passes.
 */
#ifndef EVKV_WRAPPERS_READ_ONLY_H
#define EVKV_WRAPPERS_READ_ONLY_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Wrap a store. May be called in a callback.
 * @param inner  consumed, also on failure; NULL is passed through
 * @param error  filled where NULL is returned: NOMEM, or INVALID
 */
EVKV_API struct evkv_store *evkv_read_only_new(struct evkv_store *inner,
    struct evkv_error *error);

EVKV_END_DECLS

#endif
