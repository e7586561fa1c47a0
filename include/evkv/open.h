/*
 * evkv/open.h - stores by URL.
 *
 *     struct evkv_store *store = evkv_open(loop,
 *         "memory:?max_entries=100000&max_bytes=64m", &error);
 *
 * scheme:[//[user[:password]@]host[:port]][/path][?name=value[&name=value...]]
 * as in RFC 3986; a scheme's page says which parts and options it takes. Any
 * part may be percent-encoded. Sizes take the suffixes k, m and g (1024),
 * durations (milliseconds) ms, s, m and h.
 */
#ifndef EVKV_OPEN_H
#define EVKV_OPEN_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/*
 * Open the store that `url` describes. null:, simple: and memory: are always
 * known; other schemes are once they are registered (evkv_redis_register()).
 * NULL with a filled error: `loop` is NULL; an unknown scheme, a part or an
 * option that is malformed or not known, always named; never with a password in
 * it.
 */
EVKV_API struct evkv_store *evkv_open(struct evkv_loop *loop, const char *url,
    struct evkv_error *error);

EVKV_END_DECLS

#endif
