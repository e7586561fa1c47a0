/**
 * @file
 * Stores by URL.
 *
 *     struct evkv_store *store = evkv_open(loop,
 *         "memory:?max_entries=100000&max_bytes=64m", &error);
 *
 * The form is that of RFC 3986; docs/urls.md has the whole of it:
 *
 *     scheme:[//[user[:password]@]host[:port]][/path][?name=value[&name=value...]]
 *
 * Any part may be percent-encoded. Sizes take the suffixes k, m and g (powers
 * of 1024), durations ms, s, m and h (without one: milliseconds).
 */
#ifndef EVKV_OPEN_H
#define EVKV_OPEN_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Open the store that a URL describes. May be called in a callback.
 * @param loop   the loop of the store; NULL is INVALID
 * @param url    its scheme is null, simple, memory, or one that was registered
 *               on this loop (evkv_redis_register(), evkv_disk_register())
 * @param error  filled where NULL is returned. It names the part or the option
 *               that is wrong, and never shows a password. May be NULL
 * @return a store with one reference, or NULL
 */
EVKV_API struct evkv_store *evkv_open(struct evkv_loop *loop, const char *url,
    struct evkv_error *error);

EVKV_END_DECLS

#endif
