/**
 * @file
 * All collections in one collection of the inner store.
 *
 *     store = evkv_single_collection_new(store,
 *         &(struct evkv_single_collection_options){
 *             .collection = EVKV_LIT("app") }, &error);
 *
 * The key `123` of the collection `allowed_users` is the key
 * `allowed_users__123` there. Where a collection's name could be taken for
 * something else, a byte of it is written as %XX: each percent sign, and each
 * byte with which the separator would begin too early (`a__b` is `a_%5Fb`, `a_`
 * is `a%5F`). So no two pairs of collection and key meet, whatever their bytes,
 * and pages of names restore them. Keys are left as they are.
 *
 * Entries of the inner collection that cannot be ours are not shown and not
 * removed.
 *
 * collections and clear_all have to look at all keys. With an inner store that
 * does not keep keys in order, pages of collections may name one again.
 */
#ifndef EVKV_WRAPPERS_SINGLE_COLLECTION_H
#define EVKV_WRAPPERS_SINGLE_COLLECTION_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** How names are joined. Zero in a field is its default. */
struct evkv_single_collection_options {
	/** the collection in the inner store, 0 to 255 bytes; "" is one, too */
	struct evkv_slice collection;
	/**
	 * what stands between collection and key, 1 to 16 bytes, without %,
	 * digits and the letters A to F; empty = "__"
	 */
	struct evkv_slice separator;
	/**
	 * the name of the collection of callers that give none (""), 0 to
	 * 255 bytes; empty = that one has no name, as usual
	 */
	struct evkv_slice default_collection;
};

/** evkv_single_collection_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_single_collection_new_sized(struct evkv_store
								 *inner,
    const struct evkv_single_collection_options *options, size_t size,
    struct evkv_error *error);

/**
 * Put all collections into one. May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (a name that is too
 *                 long, a separator that is not allowed) or NOMEM
 */
static inline struct evkv_store *evkv_single_collection_new(struct evkv_store
								*inner,
    const struct evkv_single_collection_options *options,
    struct evkv_error *error)
{
	return evkv_single_collection_new_sized(inner, options,
	    sizeof(*options), error);
}

EVKV_END_DECLS

#endif
