/*
 * evkv/stores/memory.h - a bounded cache in this process's memory.
 *
 *     struct evkv_store *cache = evkv_memory_new(loop,
 *         &(struct evkv_memory_options){ .max_bytes = 64 << 20 }, &error);
 *
 * A time-aware cache: what has expired is absent at once and its memory is
 * given back soon after; at a bound the entry is evicted that has not been used
 * for long (SIEVE). A get hands out the entry itself, without copying. No step,
 * of growth, clearing or sweeping, holds the loop for long.
 *
 * URL: memory:?max_entries=100000&max_bytes=64m
 */
#ifndef EVKV_STORES_MEMORY_H
#define EVKV_STORES_MEMORY_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_memory_options {
	size_t max_entries; /* 0 = no bound but max_bytes */
	/*
	 * Bytes of keys, values and what the store adds to each; entries that
	 * were evicted while somebody still holds their value count too. 0 =
	 * 64 MiB, or no bound where max_entries is given; SIZE_MAX = no bound.
	 * A put that could not fit in the empty store is TOO_LARGE; one that
	 * values held by others leave no room for is NOSPACE. The bound may be
	 * exceeded, by a sixteenth or by one larger value, for the turns that
	 * it takes to evict the many small ones that a large one displaces.
	 */
	size_t max_bytes;
};

/*
 * A new memory store; options NULL = the defaults. NULL with a filled error:
 * INVALID (max_bytes below 4096) or NOMEM.
 */
EVKV_API struct evkv_store *evkv_memory_new_sized(struct evkv_loop *loop,
    const struct evkv_memory_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_store *evkv_memory_new(struct evkv_loop *loop,
    const struct evkv_memory_options *options, struct evkv_error *error)
{
	return evkv_memory_new_sized(loop, options, sizeof(*options), error);
}

EVKV_END_DECLS

#endif
