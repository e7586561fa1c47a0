/*
 * evkv/alloc.h - the allocator that evkv uses: the one process-wide setting.
 *
 *     evkv_set_allocator(&(struct evkv_allocator){
 *         .allocate = my_alloc, .release = my_free });
 *
 * Libraries under evkv (libevent, hiredis, ...) have hooks of their own. Memory
 * stores keep small entries in regions of 1 MiB, which they ask the allocator
 * for; where none is set, they are mapped without malloc().
 */
#ifndef EVKV_ALLOC_H
#define EVKV_ALLOC_H

#include <stddef.h>

#include "evkv/export.h"

EVKV_BEGIN_DECLS

/* Both functions are required, and may be called on any thread. */
struct evkv_allocator {
	/* size > 0; aligned as by malloc; NULL when there is no memory. */
	void *(*allocate)(size_t size, void *arg);
	/* memory is never NULL. */
	void (*release)(void *memory, void *arg);
	void *arg;
};

/*
 * Set the allocator for the whole process; NULL restores malloc and free. The
 * struct is copied. Call it before any other evkv call: memory must go back to
 * the allocator that it came from. Not thread-safe.
 */
EVKV_API void evkv_set_allocator_sized(const struct evkv_allocator *allocator,
    size_t size);
static inline void evkv_set_allocator(const struct evkv_allocator *allocator)
{
	evkv_set_allocator_sized(allocator, sizeof(*allocator));
}

/*
 * Memory from that allocator, for authors of stores and wrappers. Size 0 gives
 * a valid pointer; evkv_calloc checks the product and zeroes; evkv_free ignores
 * NULL. NULL means out of memory. Any thread.
 */
EVKV_API void *evkv_malloc(size_t size);
EVKV_API void *evkv_calloc(size_t count, size_t size);
EVKV_API void evkv_free(void *memory);

/* A copy of a string, or NULL where `string` is NULL or memory is lacking. */
EVKV_API char *evkv_strdup(const char *string);

EVKV_END_DECLS

#endif
