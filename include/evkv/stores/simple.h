/**
 * @file
 * An unbounded, inspectable store for tests.
 *
 *     struct evkv_store *store = evkv_simple_new(loop, &error);
 *     ...
 *     evkv_simple_dump(store, stdout);
 *
 * Entries are kept in byte order of collection and key. It is written for
 * clarity, not for speed or for large numbers of entries. URL: `simple:`
 */
#ifndef EVKV_STORES_SIMPLE_H
#define EVKV_STORES_SIMPLE_H

#include <stdio.h>

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * A new simple store. May be called in a callback.
 * @param loop   its loop; NULL is INVALID
 * @param error  filled where NULL is returned; may be NULL
 * @return a store with one reference, or NULL
 */
EVKV_API struct evkv_store *evkv_simple_new(struct evkv_loop *loop,
    struct evkv_error *error);

/** One entry as it is stored, expired or not; valid during the visit. */
struct evkv_simple_entry {
	/** the collection's name */
	struct evkv_slice collection;
	/** the key */
	struct evkv_slice key;
	/** the value */
	struct evkv_slice value;
	/**
	 * the remaining TTL in milliseconds; EVKV_TTL_NONE = never expires,
	 * below 0 = has expired
	 */
	int64_t ttl_ms;
};

/**
 * Visit each entry in order of collection and key.
 * @param store  must be a simple store
 * @param visit  called for each entry until it returns false; must not submit
 *               to the store
 * @param arg    for visit()
 * @return false where `store` is not a simple store
 */
EVKV_API bool evkv_simple_each(struct evkv_store *store,
    bool (*visit)(const struct evkv_simple_entry *entry, void *arg), void *arg);

/**
 * Write the store as text, one line for each entry:
 * `"collection" "key" = "value" ttl=1500ms`, with C escapes for bytes that are
 * not printable.
 * @param store  must be a simple store
 * @param out    where to write
 * @return false where `store` is not a simple store or writing failed
 */
EVKV_API bool evkv_simple_dump(struct evkv_store *store, FILE *out);

EVKV_END_DECLS

#endif
