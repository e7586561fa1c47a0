/**
 * @file
 * Every key gets a prefix in the inner store.
 *
 *     store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
 *
 * The prefix is added on the way in and stripped on the way out. Enumeration,
 * patterns, clear and clear_all see and touch only keys that have it. The
 * longest key is shorter by the size of the prefix.
 *
 * clear_all goes through the collections one by one. So does collections, which
 * names only those that have keys with the prefix.
 *
 * A pattern gets one byte more for each byte of the prefix. Together the
 * prefixes of stacked wrappers and the pattern (the "?*" of
 * everything, where none was given) must have at most 4096 bytes; keys, clear,
 * collections and clear_all are INVALID otherwise.
 */
#ifndef EVKV_WRAPPERS_PREFIX_KEYS_H
#define EVKV_WRAPPERS_PREFIX_KEYS_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Prefix the keys of a store. May be called in a callback.
 * @param inner   consumed, also on failure; NULL gives NULL
 * @param prefix  1 to 1024 bytes, any bytes; copied
 * @param error   filled where NULL is returned: INVALID or NOMEM. May be NULL
 * @return a store with one reference, or NULL
 */
EVKV_API struct evkv_store *evkv_prefix_keys_new(struct evkv_store *inner,
    struct evkv_slice prefix, struct evkv_error *error);

EVKV_END_DECLS

#endif
