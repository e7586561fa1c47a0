/* stores/memory/slab.c - memory for very many things of like size. */
#include "stores/memory/slab.h"

#include <string.h>

#include "core/op.h"
#include "base/pages.h"

/* What the largest alignment may take of a region. */
#define ALIGN_MAX 64
#define NO_SLOT UINT16_MAX
/* What is given back at a time. */
#define RETIRE_PART ((size_t)1 << 16)

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_WATCHED 1
#endif
#endif
/* Let the sanitizer know which items are in use. */
#ifdef SLAB_WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* At the beginning of a block. */
struct slab_block {
	struct slab_block *next, **link; /* while it has room */
	void *region;                    /* what was allocated, if it is one */
	uint16_t slot; /* else its own in the block that it is an item of */
	uint16_t used;
	uint16_t fresh; /* from this one on, none was ever used */
	uint16_t free;  /* the first of those given back, or NO_SLOT */
};

void evkv__slab_class_init(struct slab_class *class, struct slab_class *source,
    size_t size)
{
	size_t block = source != NULL ? source->size : SLAB_REGION - ALIGN_MAX;
	size_t begin = sizeof(struct slab_block);

	if (size % ALIGN_MAX == 0)
		begin = ALIGN_MAX;
	EVKV__ASSERT(size % SLAB_GRAIN == 0 && begin % SLAB_GRAIN == 0);
	class->source = source;
	class->size = (uint32_t)size;
	class->begin = (uint32_t)begin;
	class->slots = (uint32_t)((block - begin) / size);
	class->room = NULL;
	class->retired = NULL;
}

/* ---- What is given back -------------------------------------------- */

void evkv__slab_retire(struct slab_class *class, void *pages, size_t size)
{
	struct slab_retired *retired = pages;

	retired->next = class->retired;
	retired->size = size;
	class->retired = retired;
}

bool evkv__slab_tidy(struct slab_class *class)
{
	struct slab_retired *retired = class->retired, *next;
	size_t left;

	if (retired == NULL)
		return false;
	next = retired->next;
	left = evkv__pages_shrink(retired, retired->size, RETIRE_PART);
	if (left > 0)
		retired->size = left;
	else
		class->retired = next;
	return true;
}

/* ---- Blocks -------------------------------------------------------- */

static void block_link(struct slab_block *block, struct slab_block **list)
{
	block->next = *list;
	block->link = list;
	if (block->next != NULL)
		block->next->link = &block->next;
	*list = block;
}

static void block_unlink(struct slab_block *block)
{
	if (block->next != NULL)
		block->next->link = block->link;
	*block->link = block->next;
}

static char *block_item(const struct slab_class *class,
    struct slab_block *block, uint16_t slot)
{
	return (char *)block + class->begin + (size_t)slot * class->size;
}

static struct slab_block *region_new(void)
{
	char *region = evkv__pages_alloc(SLAB_REGION);
	struct slab_block *block;

	if (region == NULL)
		return NULL;
	block = (struct slab_block *)(void *)(region +
	    (ALIGN_MAX - (uintptr_t)region % ALIGN_MAX) % ALIGN_MAX);
	block->region = region;
	return block;
}

static struct slab_block *block_new(struct slab_class *class)
{
	struct slab_block *block;
	uint16_t slot = NO_SLOT;

	block = class->source != NULL ? evkv__slab_take(class->source, &slot)
				      : region_new();
	if (block == NULL)
		return NULL;
	block->slot = slot;
	block->used = 0;
	block->fresh = 0;
	block->free = NO_SLOT;
	ASAN_POISON_MEMORY_REGION(block_item(class, block, 0),
	    (size_t) class->slots * class->size);
	block_link(block, &class->room);
	return block;
}

static void block_free(struct slab_class *class, struct slab_block *block)
{
	block_unlink(block);
	ASAN_UNPOISON_MEMORY_REGION(block_item(class, block, 0),
	    (size_t) class->slots * class->size);
	if (class->source != NULL)
		evkv__slab_give(class->source, block, block->slot);
	else
		evkv__slab_retire(class, block->region, SLAB_REGION);
}

/* ---- Items --------------------------------------------------------- */

/* A free item holds the number of the next one. */
void *evkv__slab_take(struct slab_class *class, uint16_t *slot)
{
	struct slab_block *block = class->room;
	char *item;

	if (block == NULL)
		block = block_new(class);
	if (block == NULL)
		return NULL;
	*slot = block->free != NO_SLOT ? block->free : block->fresh;
	item = block_item(class, block, *slot);
	ASAN_UNPOISON_MEMORY_REGION(item, class->size);
	if (block->free != NO_SLOT)
		memcpy(&block->free, item, sizeof(block->free));
	else
		block->fresh++;
	if (++block->used == class->slots)
		block_unlink(block);
	return item;
}

void evkv__slab_give(struct slab_class *class, void *item, uint16_t slot)
{
	struct slab_block *block = (struct slab_block *)(void *)((char *)item -
	    (size_t)slot * class->size - class->begin);

	if (block->used == class->slots)
		block_link(block, &class->room);
	memcpy(item, &block->free, sizeof(block->free));
	ASAN_POISON_MEMORY_REGION(item, class->size);
	block->free = slot;
	/* One may stay, lest it come and go with each item. */
	if (--block->used == 0 && (class->room != block || block->next != NULL))
		block_free(class, block);
}

void evkv__slab_class_end(struct slab_class *class)
{
	EVKV__ASSERT(class->room == NULL ||
	    (class->room->used == 0 && class->room->next == NULL));
	if (class->room != NULL)
		block_free(class, class->room);
	while (evkv__slab_tidy(class))
		;
}

/* ---- All sizes ----------------------------------------------------- */

void evkv__slab_init(struct slab *slab)
{
	size_t i;

	evkv__slab_class_init(&slab->pages, NULL, SLAB_PAGE);
	for (i = 0; i < SLAB_ITEM_MAX / SLAB_GRAIN; i++)
		evkv__slab_class_init(&slab->items[i], &slab->pages,
		    (i + 1) * SLAB_GRAIN);
}

void evkv__slab_end(struct slab *slab)
{
	size_t i;

	for (i = 0; i < SLAB_ITEM_MAX / SLAB_GRAIN; i++)
		evkv__slab_class_end(&slab->items[i]);
	evkv__slab_class_end(&slab->pages);
}
