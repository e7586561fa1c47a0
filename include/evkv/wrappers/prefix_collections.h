/**
 * @file
 * Every collection gets a prefix in the inner store.
 *
 *     store = evkv_prefix_collections_new(store, EVKV_LIT("app-"), &error);
 *
 * The collection `users` is `app-users` there; pages of names tell it without.
 * collections and clear_all mean those that begin with the prefix. So several
 * applications share one store and do not see each other.
 *
 * A name may have at most 255 bytes with the prefix; a longer one is INVALID.
 */
#ifndef EVKV_WRAPPERS_PREFIX_COLLECTIONS_H
#define EVKV_WRAPPERS_PREFIX_COLLECTIONS_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Put a prefix before each collection. May be called in a callback.
 * @param inner   consumed, also on failure; NULL is passed through
 * @param prefix  1 to 200 bytes, copied
 * @param error   filled where NULL is returned: INVALID (the prefix) or NOMEM
 */
EVKV_API struct evkv_store *evkv_prefix_collections_new(struct evkv_store
							    *inner,
    struct evkv_slice prefix, struct evkv_error *error);

EVKV_END_DECLS

#endif
