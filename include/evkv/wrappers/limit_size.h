/**
 * @file
 * Bounds on keys, values and batches.
 *
 *     store = evkv_limit_size_new(store,
 *         &(struct evkv_limit_size_options){ .max_value = 1 << 20 }, &error);
 *
 * A value that is too large is TOO_LARGE and a key that is too long INVALID,
 * before anything of the operation is done; the capabilities of the store tell
 * the bounds. What is there already, and is larger, is still read.
 */
#ifndef EVKV_WRAPPERS_LIMIT_SIZE_H
#define EVKV_WRAPPERS_LIMIT_SIZE_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** The bounds. Zero in a field is none but that of the inner store. */
struct evkv_limit_size_options {
	/** the largest value that a put takes, in bytes */
	size_t max_value;
	/** the longest key, in bytes */
	size_t max_key;
	/** the most keys in one operation; one with more is TOO_LARGE */
	size_t max_keys;
	/**
	 * the most bytes of keys and values in one operation; one
	 * with more is TOO_LARGE
	 */
	size_t max_bytes;
};

/** evkv_limit_size_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_limit_size_new_sized(struct evkv_store *inner,
    const struct evkv_limit_size_options *options, size_t size,
    struct evkv_error *error);

/**
 * Bound the sizes that a store is given. May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = no bounds
 * @param error    filled where NULL is returned: NOMEM
 */
static inline struct evkv_store *evkv_limit_size_new(struct evkv_store *inner,
    const struct evkv_limit_size_options *options, struct evkv_error *error)
{
	return evkv_limit_size_new_sized(inner, options, sizeof(*options),
	    error);
}

EVKV_END_DECLS

#endif
