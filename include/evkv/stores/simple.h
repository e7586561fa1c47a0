/*
 * evkv/stores/simple.h - an unbounded, inspectable store for tests.
 *
 *     struct evkv_store *store = evkv_simple_new(loop, &error);
 *     ...
 *     evkv_simple_dump(store, stdout);
 *
 * Entries are kept in byte order of collection and key. It is written for
 * clarity, not for speed or for large numbers. URL: simple:
 */
#ifndef EVKV_STORES_SIMPLE_H
#define EVKV_STORES_SIMPLE_H

#include <stdio.h>

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/* A new simple store; NULL with a filled error when memory is lacking. */
EVKV_API struct evkv_store *evkv_simple_new(struct evkv_loop *loop,
    struct evkv_error *error);

/* One entry as it is stored, expired or not; valid during the visit. */
struct evkv_simple_entry {
	struct evkv_slice collection;
	struct evkv_slice key;
	struct evkv_slice value;
	int64_t ttl_ms; /* what remains; EVKV_TTL_NONE = all time; < 0 = gone */
};

/*
 * Call `visit` for each entry in order of collection and key until it returns
 * false. It must not submit to the store. `store` must be a simple store: false
 * is returned where it is not, true otherwise.
 */
EVKV_API bool evkv_simple_each(struct evkv_store *store,
    bool (*visit)(const struct evkv_simple_entry *entry, void *arg), void *arg);

/*
 * Write the store as text, one line for each entry:
 * "collection" "key" = "value" ttl=1500ms, with C escapes for odd bytes.
 * false: not a simple store, or writing failed.
 */
EVKV_API bool evkv_simple_dump(struct evkv_store *store, FILE *out);

EVKV_END_DECLS

#endif
