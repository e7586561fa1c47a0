/*
 * stores/memory/slab.h - memory for very many things of like size.
 *
 * A slab allocator, after J. Bonwick, "The Slab Allocator: An Object-Caching
 * Kernel Memory Allocator" (1994). A class hands out items of one size, from
 * blocks; a block goes back when the last of its items is free. The blocks of
 * one class are the items of another, and at the bottom regions of a megabyte.
 *
 * What lies in a page has a number of 32 bits, that of its region and its place
 * in there; half as large as a pointer, where there are very many of them.
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
#include <string.h>

#define SLAB_REGION ((size_t)1 << 20)
#define SLAB_PAGE 8192     /* what entries share */
#define SLAB_GRAIN 16      /* sizes are multiples of it */
#define SLAB_ITEM_MAX 1024 /* bytes of the largest entry that shares one */

/* In a number: the item there is a pointer, to what the number stands for. */
#define SLAB_FAR (UINT32_C(1) << 31)
#define SLAB_REGIONS_MAX ((uint32_t)1 << 15)

/* The regions of pages, by number; of a free number, the next such one. */
struct slab_regions {
	char **at;
	uint32_t count; /* numbers used so far */
	uint32_t room;
	uint32_t free; /* the first free number below `count`, or `count` */
};

struct slab_block;
struct memory_ahead;

/* Memory of evkv__pages_alloc() that is given back piece by piece. */
struct slab_retired {
	struct slab_retired *next;
	size_t size, part; /* of a piece */
};

struct slab_class {
	struct slab_class *source; /* of its blocks; NULL: they are regions */
	struct slab_regions *regions; /* that have numbers, or NULL */
	uint32_t size;                /* of an item */
	uint32_t begin;               /* of the first item in a block */
	uint32_t slots;               /* items of a block */
	struct memory_ahead *ahead;   /* where regions come from, or NULL */
	struct slab_block *room;      /* blocks with room; at most one empty */
	struct slab_retired *retired; /* regions, and what else was retired */
};

/* A class for each size that entries may have, and one for their pages. */
struct slab {
	struct slab_regions regions;
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
/* Retire what is kept for items to come. */
void evkv__slab_class_trim(struct slab_class *class);
void evkv__slab_init(struct slab *slab);
void evkv__slab_end(struct slab *slab);
void evkv__slab_trim(struct slab *slab);

/* An item; *slot is to be kept for its release. NULL = no memory. */
void *evkv__slab_take(struct slab_class *class, uint16_t *slot);
void evkv__slab_give(struct slab_class *class, void *item, uint16_t slot);

/* The slot of an item of a page. */
uint16_t evkv__slab_slot(const struct slab_class *class, const void *item);
/* Its number; never 0. */
uint32_t evkv__slab_number(const void *item);
/* What has a number. */
static inline void *slab_at(const struct slab_regions *regions, uint32_t number)
{
	char *item = regions->at[(number & ~SLAB_FAR) >> 16] +
	    (size_t)(number & 0xffff) * SLAB_GRAIN;
	void *far;

	if ((number & SLAB_FAR) == 0)
		return item;
	memcpy(&far, item, sizeof(far));
	return far;
}

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
