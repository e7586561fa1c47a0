/**
 * @file
 * The allocator that evkv uses: the one process-wide setting.
 *
 *     evkv_set_allocator(&(struct evkv_allocator){
 *         .allocate = my_alloc, .release = my_free });
 *
 * Libraries under evkv (libevent, hiredis, ...) have hooks of their own. Memory
 * stores keep small entries in regions of 1 MiB. They ask the allocator for
 * these; where none is set, regions are mapped without malloc().
 */
#ifndef EVKV_ALLOC_H
#define EVKV_ALLOC_H

#include <stddef.h>

#include "evkv/export.h"

EVKV_BEGIN_DECLS

/** Where memory comes from. Both functions may be called on any thread. */
struct evkv_allocator {
	/**
	 * Required. Returns `size` bytes (at least 1), aligned as malloc()
	 * aligns, or NULL when out of memory.
	 */
	void *(*allocate)(size_t size, void *arg);
	/** Required. Takes memory back; `memory` is never NULL. */
	void (*release)(void *memory, void *arg);
	/** For both functions. */
	void *arg;
};

/** evkv_set_allocator() with the size of the caller's struct. */
EVKV_API void evkv_set_allocator_sized(const struct evkv_allocator *allocator,
    size_t size);

/**
 * Set the allocator for the whole process. Call it before any other evkv call:
 * memory must go back to the allocator that it came from. Not thread-safe.
 * @param allocator  copied; NULL restores malloc() and free()
 */
static inline void evkv_set_allocator(const struct evkv_allocator *allocator)
{
	evkv_set_allocator_sized(allocator, sizeof(*allocator));
}

/**
 * Memory from the allocator, for authors of stores and wrappers. Any thread.
 * @param size  in bytes; 0 gives a valid pointer
 * @return NULL when out of memory; to be freed by evkv_free()
 */
EVKV_API void *evkv_malloc(size_t size);

/**
 * Zeroed memory for `count` items of `size` bytes. Any thread.
 * @return NULL when out of memory or when the product overflows
 */
EVKV_API void *evkv_calloc(size_t count, size_t size);

/** Free memory of the calls here. NULL is ignored. Any thread. */
EVKV_API void evkv_free(void *memory);

/**
 * A copy of a string. Any thread.
 * @return NULL where `string` is NULL or when out of memory
 */
EVKV_API char *evkv_strdup(const char *string);

EVKV_END_DECLS

#endif
