/*
 * The allocator: the one setting that belongs to the whole process.
 */
#include "evkv/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pages.h"

/* allocate NULL: malloc and free, without the cost of an indirect call. */
static struct evkv_allocator alloc_hook;

void evkv_set_allocator_sized(const struct evkv_allocator *allocator,
    size_t size)
{
	memset(&alloc_hook, 0, sizeof(alloc_hook));
	if (allocator != NULL)
		memcpy(&alloc_hook, allocator,
		    size < sizeof(alloc_hook) ? size : sizeof(alloc_hook));
}

void *evkv_malloc(size_t size)
{
	/* malloc(0) may be NULL, which here always means out of memory. */
	if (size == 0)
		size = 1;
	if (alloc_hook.allocate != NULL)
		return alloc_hook.allocate(size, alloc_hook.arg);
	return malloc(size);
}

void *evkv_calloc(size_t count, size_t size)
{
	void *memory;

	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	/* calloc knows which pages are zero already; a hook does not. */
	if (alloc_hook.allocate == NULL && count != 0 && size != 0)
		return calloc(count, size);

	memory = evkv_malloc(count * size);
	if (memory != NULL)
		memset(memory, 0, count * size);
	return memory;
}

void evkv_free(void *memory)
{
	if (memory == NULL)
		return;
	if (alloc_hook.release != NULL)
		alloc_hook.release(memory, alloc_hook.arg);
	else
		free(memory);
}

bool evkv__pages_are_mapped(void)
{
	return alloc_hook.allocate == NULL;
}

void *evkv__pages_alloc(size_t size)
{
	void *pages;

	if (alloc_hook.allocate != NULL)
		return evkv_malloc(size);
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages != MAP_FAILED ? pages : NULL;
}

void *evkv__pages_alloc_huge(void)
{
	char *mapped, *aligned;
	size_t before;

	if (alloc_hook.allocate != NULL)
		return NULL;
	mapped = mmap(NULL, 2 * PAGES_HUGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return NULL;
	before = (PAGES_HUGE - (uintptr_t)mapped % PAGES_HUGE) % PAGES_HUGE;
	aligned = mapped + before;
	if (before > 0)
		munmap(mapped, before);
	munmap(aligned + PAGES_HUGE, PAGES_HUGE - before);
	madvise(aligned, PAGES_HUGE, MADV_HUGEPAGE);
	return aligned;
}

size_t evkv__pages_shrink(void *pages, size_t size, size_t part)
{
	size_t left = size > part ? (size - 1) / part * part : 0;

	if (alloc_hook.release != NULL) {
		evkv_free(pages);
		return 0;
	}
	munmap((char *)pages + left, size - left);
	return left;
}

char *evkv_strdup(const char *string)
{
	size_t size;
	char *copy;

	if (string == NULL)
		return NULL;

	size = strlen(string) + 1;
	copy = evkv_malloc(size);
	if (copy != NULL)
		memcpy(copy, string, size);
	return copy;
}
