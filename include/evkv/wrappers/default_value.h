/**
 * @file
 * A value for what is not there.
 *
 *     store = evkv_default_value_new(store,
 *         &(struct evkv_default_value_options){ .value = EVKV_LIT("0"),
 *             .collections = EVKV_LIT("counts*") }, &error);
 *
 * get and ttl of a key that is not there are OK with this value, and no TTL;
 * nothing is stored. exists, take, delete and conditions go on telling that the
 * key is not there, and incr counts from the request's own start.
 */
#ifndef EVKV_WRAPPERS_DEFAULT_VALUE_H
#define EVKV_WRAPPERS_DEFAULT_VALUE_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Which value, and where. */
struct evkv_default_value_options {
	/** the value; may be empty, which is a value */
	struct evkv_slice value;
	/** a glob pattern: only in collections that match; empty = in all */
	struct evkv_slice collections;
};

/** evkv_default_value_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_default_value_new_sized(
    struct evkv_store *inner, const struct evkv_default_value_options *options,
    size_t size, struct evkv_error *error);

/**
 * Give what is not there a value. May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = the empty value, in all collections
 * @param error    filled where NULL is returned: INVALID (the pattern) or NOMEM
 */
static inline struct evkv_store *evkv_default_value_new(struct evkv_store
							    *inner,
    const struct evkv_default_value_options *options, struct evkv_error *error)
{
	return evkv_default_value_new_sized(inner, options, sizeof(*options),
	    error);
}

EVKV_END_DECLS

#endif
