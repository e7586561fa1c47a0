/*
 * base/pages.h - memory by the megabyte.
 *
 * Straight from the system and back to it, so that giving back one piece costs
 * no more than that piece: malloc() may put it aside and give back gigabytes at
 * once later. Where evkv_set_allocator() has named an allocator, from that one.
 */
#ifndef EVKV_BASE_PAGES_H
#define EVKV_BASE_PAGES_H

#include <stddef.h>

/* NULL = no memory. Aligned as by malloc. */
void *evkv__pages_alloc(size_t size);
/*
 * Give back of `size` bytes the last `part`, or, if they are not the system's,
 * all. Returns how many are left, from the beginning. `part` is a multiple of
 * the system's page.
 */
size_t evkv__pages_shrink(void *pages, size_t size, size_t part);

#endif
