/*
 * base/pages.h - memory by the megabyte.
 *
 * It is mapped by the system and unmapped again, so that releasing one piece
 * costs no more than that piece: free() may keep pieces and release gigabytes
 * at once later. Where evkv_set_allocator() has set an allocator, that one is
 * used.
 */
#ifndef EVKV_BASE_PAGES_H
#define EVKV_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* NULL = out of memory. Aligned as malloc() aligns. */
void *evkv__pages_alloc(size_t size);
/* Whether it comes from the system, not from an allocator. */
bool evkv__pages_are_mapped(void);
#define PAGES_HUGE ((size_t)2 << 20)
/*
 * PAGES_HUGE bytes, aligned to that, which are one page where the system has
 * such. NULL = out of memory, or an allocator is set.
 */
void *evkv__pages_alloc_huge(void);
/*
 * Release the last `part` of `size` bytes, or all of them where they came from
 * an allocator. Returns how many are left at the beginning. `part` is a
 * multiple of the system's page size.
 */
size_t evkv__pages_shrink(void *pages, size_t size, size_t part);

#endif
