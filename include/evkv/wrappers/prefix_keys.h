/**
 * @file
 * Every key gets a prefix in the inner store.
 *
 *     store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
 *
 * The prefix is added on the way in and stripped on the way out; enumeration,
 * patterns, clear and clear_all see and touch only keys that have it. The
 * longest key is shorter by the length of the prefix.
 */
#ifndef EVKV_WRAPPERS_PREFIX_KEYS_H
#define EVKV_WRAPPERS_PREFIX_KEYS_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Wrap a store. May be called in a callback.
 *
 * clear_all goes through the collections one by one, and so does collections,
 * which names only those that have keys with the prefix.
 *
 * A pattern goes down behind one byte for each byte of the prefix. So the
 * prefixes of wrappers over each other and a pattern, if only the "?*" of
 * everything, must have at most 4096 bytes together for keys, clear,
 * collections and clear_all; these are else INVALID.
 *
 * @param inner   consumed, also on failure; NULL is passed through
 * @param prefix  copied: 1 to 1024 bytes, any bytes
 * @param error   filled where NULL is returned: INVALID or NOMEM
 */
EVKV_API struct evkv_store *evkv_prefix_keys_new(struct evkv_store *inner,
    struct evkv_slice prefix, struct evkv_error *error);

EVKV_END_DECLS

#endif
