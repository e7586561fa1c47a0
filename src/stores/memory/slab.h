/*
 * stores/memory/slab.h - memory for very many things of like size.
 *
 * A slab allocator, after J. Bonwick, "The Slab Allocator: An Object-Caching
 * Kernel Memory Allocator" (1994). A class hands out items of one size, from
 * blocks; a block goes back when the last of its items is free. The blocks of
 * one class are the items of another, and at the bottom regions of a megabyte.
 *
 * With one malloc() for each of ten million entries, what a release costs is up
 * to the allocator, and up to milliseconds: glibc sorts free pieces of many
 * sizes into lists of thousands, and gives back its heap's end all at once.
 * Here a release costs a few steps, and a region is given back by and by.
 *
 * Used by one thread at a time.
 */
#ifndef EVKV_STORES_MEMORY_SLAB_H
#define EVKV_STORES_MEMORY_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_REGION ((size_t)1 << 20)
#define SLAB_PAGE 4096     /* what entries share */
#define SLAB_GRAIN 16      /* sizes are multiples of it */
#define SLAB_ITEM_MAX 1024 /* bytes of the largest entry that shares one */

struct slab_block;

/* Memory of evkv__pages_alloc() that is given back piece by piece. */
struct slab_retired {
	struct slab_retired *next;
	size_t size;
};

struct slab_class {
	struct slab_class *source; /* of its blocks; NULL: they are regions */
	uint32_t size;             /* of an item */
	uint32_t begin;            /* of the first item in a block */
	uint32_t slots;            /* items of a block */
	struct slab_block *room;   /* blocks with room; at most one empty */
	struct slab_retired *retired; /* regions, and what else was retired */
};

/* A class for each size that entries may have, and one for their pages. */
struct slab {
	struct slab_class pages;
	struct slab_class items[SLAB_ITEM_MAX / SLAB_GRAIN];
};

/*
 * `size` is a multiple of SLAB_GRAIN; of 64, if they are to be aligned to that.
 * All items must be free at the end.
 */
void evkv__slab_class_init(struct slab_class *class, struct slab_class *source,
    size_t size);
void evkv__slab_class_end(struct slab_class *class);
void evkv__slab_init(struct slab *slab);
void evkv__slab_end(struct slab *slab);

/* An item; *slot is to be kept for its release. NULL = no memory. */
void *evkv__slab_take(struct slab_class *class, uint16_t *slot);
void evkv__slab_give(struct slab_class *class, void *item, uint16_t slot);

/*
 * Have the memory given back by and by: giving back a megabyte at once takes
 * too long. `class` is one without a source. evkv__slab_tidy() gives back a
 * piece; false: there is none.
 */
void evkv__slab_retire(struct slab_class *class, void *pages, size_t size);
bool evkv__slab_tidy(struct slab_class *class);

/* The class of a size: a multiple of SLAB_GRAIN, at most SLAB_ITEM_MAX. */
static inline struct slab_class *slab_class_of(struct slab *slab, size_t size)
{
	return &slab->items[size / SLAB_GRAIN - 1];
}

#endif
