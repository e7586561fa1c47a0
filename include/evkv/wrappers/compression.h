/**
 * @file
 * Values compressed by zstd; a library of its own, libevkv-compression.
 *
 *     store = evkv_compression_new(store,
 *         &(struct evkv_compression_options){ .min_size = 1024 }, &error);
 *
 * A value of min_size and more is stored compressed behind a header of 24
 * bytes, where that makes it smaller; any other is stored as it is. What was
 * stored before the wrapper was there is read as it is. What is damaged is
 * CORRUPT, with a message that says why. docs/wrappers.md has the format.
 *
 * Values of offload_size and more are done by a worker thread, smaller ones on
 * the loop's; see docs/wrappers.md. INCR is UNSUPPORTED.
 */
#ifndef EVKV_WRAPPERS_COMPRESSION_H
#define EVKV_WRAPPERS_COMPRESSION_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** Zero in a field is its default. */
struct evkv_compression_options {
	/** of zstd, 1 (fast) to 19 (small); 0 = 3 */
	int level;
	/** the smallest value that is compressed, in bytes; 0 = 256 */
	size_t min_size;
	/**
	 * the largest value, in bytes: a larger one is TOO_LARGE to put, and
	 * one that claims to be larger when decompressed is CORRUPT before
	 * memory is taken for it; 0 = 64 MiB
	 */
	size_t max_value_bytes;
	/**
	 * the smallest value, in bytes, that is compressed and decompressed by
	 * a worker thread of the loop's executor, so that the loop goes on
	 * meanwhile; 0 = 64 KiB
	 */
	size_t offload_size;
	/**
	 * Write a header before every value, and take one without for damaged,
	 * so that no damage whatever goes unseen. For stores in which nothing
	 * was written without this.
	 */
	bool require_header;
};

/** evkv_compression_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_compression_new_sized(struct evkv_store *inner,
    const struct evkv_compression_options *options, size_t size,
    struct evkv_error *error);

/**
 * Compress the values of a store. May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = defaults
 * @param error    filled where NULL is returned: INVALID or NOMEM
 * @return the caller's reference
 */
static inline struct evkv_store *evkv_compression_new(struct evkv_store *inner,
    const struct evkv_compression_options *options, struct evkv_error *error)
{
	return evkv_compression_new_sized(inner, options, sizeof(*options),
	    error);
}

/**
 * Make the wrapper known to evkv_open(): "redis://cache/0 | compression".
 * @return false when out of memory, or where `loop` is NULL
 */
EVKV_API bool evkv_compression_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
