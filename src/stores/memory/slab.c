/* stores/memory/slab.c - memory for very many things of like size. */
#include "stores/memory/slab.h"

#include <string.h>

#include "core/op.h"
#include "base/pages.h"
#include "stores/memory/ahead.h"

/* Items of a multiple of it, a cache line, are aligned to it. */
#define ALIGN 64
#define NO_SLOT UINT16_MAX
/* In place of a region's slot: it is half of a large page. */
#define IN_LARGE 0
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
	union {
		void *region;    /* what was allocated, if it is one */
		uint32_t number; /* of a page's first byte */
	};
	uint16_t slot; /* else its own in the block that it is an item of */
	uint16_t used;
	uint16_t fresh; /* from this one on, none was ever used */
	uint16_t free;  /* the first of those given back, or NO_SLOT */
};

void evkv__slab_class_init(struct slab_class *class, struct slab_class *source,
    size_t size)
{
	size_t begin = sizeof(struct slab_block), block;

	if (size % ALIGN == 0)
		begin = size == SLAB_PAGE ? SLAB_PAGE : ALIGN;
	/* What the alignment may take of a region. */
	block = source != NULL ? source->size : SLAB_REGION - begin;
	EVKV__ASSERT(size % SLAB_GRAIN == 0 && begin % SLAB_GRAIN == 0);
	class->source = source;
	class->regions = NULL;
	class->size = (uint32_t)size;
	class->begin = (uint32_t)begin;
	class->slots = (uint32_t)((block - begin) / size);
	class->ahead = NULL;
	class->room = NULL;
	class->retired = NULL;
}

/* ---- What is given back -------------------------------------------- */

void evkv__slab_retire(struct slab_class *class, void *pages, size_t size)
{
	struct slab_retired *retired = pages;

	retired->next = class->retired;
	retired->size = size;
	retired->part = RETIRE_PART;
	class->retired = retired;
}

bool evkv__slab_tidy(struct slab_class *class)
{
	struct slab_retired *retired = class->retired, *next;
	size_t left;

	if (retired == NULL)
		return false;
	next = retired->next;
	left = evkv__pages_shrink(retired, retired->size, retired->part);
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

/* ---- Numbers ------------------------------------------------------- */

/* At the beginning of a region that has one. */
struct slab_region {
	struct slab_block block; /* first */
	uint32_t number;
};

/* Room for one more; false: no memory, or there are as many as can be. */
static bool regions_prepare(struct slab_regions *regions)
{
	uint32_t room = regions->room > 0 ? 2 * regions->room : 8;
	char **at;

	if (regions->free < regions->room)
		return true;
	if (room > SLAB_REGIONS_MAX)
		return false;
	at = evkv_malloc(room * sizeof(*at));
	if (at == NULL)
		return false;
	if (regions->count > 0)
		memcpy(at, regions->at, regions->count * sizeof(*at));
	evkv_free(regions->at);
	regions->at = at;
	regions->room = room;
	return true;
}

/* There is room. */
static uint32_t regions_add(struct slab_regions *regions, void *region)
{
	uint32_t number = regions->free;

	if (number == regions->count)
		regions->free = ++regions->count;
	else
		regions->free = (uint32_t)(uintptr_t)regions->at[number];
	regions->at[number] = region;
	return number;
}

static void regions_remove(struct slab_regions *regions, uint32_t number)
{
	regions->at[number] = (char *)(uintptr_t)regions->free;
	regions->free = number;
}

static struct slab_block *page_of(const void *item)
{
	return (struct slab_block *)((uintptr_t)item &
	    ~(uintptr_t)(SLAB_PAGE - 1));
}

uint32_t evkv__slab_number(const void *item)
{
	return page_of(item)->number +
	    (uint32_t)((uintptr_t)item % SLAB_PAGE / SLAB_GRAIN);
}

uint16_t evkv__slab_slot(const struct slab_class *class, const void *item)
{
	return (uint16_t)(((uintptr_t)item % SLAB_PAGE - class->begin) /
	    class->size);
}

static void *region_memory(struct slab_class *class, uint16_t *slot)
{
	void *memory = class->ahead != NULL ? evkv__ahead_take(class->ahead)
					    : NULL;

	if (memory != NULL)
		*slot = IN_LARGE;
	else
		memory = evkv__pages_alloc(SLAB_REGION);
	if (memory == NULL && class->ahead != NULL)
		ahead_give(class->ahead);
	return memory;
}

static struct slab_block *region_new(struct slab_class *class, uint16_t *slot)
{
	struct slab_block *block;
	char *region;

	if (class->regions != NULL && !regions_prepare(class->regions))
		return NULL;
	region = region_memory(class, slot);
	if (region == NULL)
		return NULL;
	block = (struct slab_block *)(void *)(region +
	    (class->begin - (uintptr_t)region % class->begin) % class->begin);
	block->region = region;
	if (class->regions != NULL)
		((struct slab_region *)block)
		    ->number = regions_add(class->regions, block);
	return block;
}

static void region_free(struct slab_class *class, struct slab_block *block)
{
	bool large = block->slot == IN_LARGE, whole = false;
	void *memory = block->region;

	if (class->regions != NULL)
		regions_remove(class->regions,
		    ((struct slab_region *)block)->number);
	if (class->ahead != NULL)
		ahead_give(class->ahead);
	if (large)
		memory = evkv__ahead_unite(class->ahead, memory, &whole);
	if (memory != NULL)
		evkv__slab_retire(class, memory,
		    large ? PAGES_HUGE : SLAB_REGION);
	if (whole)
		class->retired->part = PAGES_HUGE;
}

/* Of a page of numbered regions: that of its first byte. */
static uint32_t page_number(const struct slab_class *pages,
    const struct slab_block *page)
{
	size_t offset = pages->begin + (size_t)page->slot * pages->size;
	const struct slab_region *region = (const void *)((const char *)page -
	    offset);

	return region->number << 16 | (uint32_t)(offset / SLAB_GRAIN);
}

/* ---- Blocks of either kind ----------------------------------------- */

static struct slab_block *block_new(struct slab_class *class);

/* From a region in large pages, where one has become ready. */
static struct slab_block *page_take(struct slab_class *pages, uint16_t *slot)
{
	if (pages->ahead != NULL && ahead_use(pages->ahead))
		block_new(pages);
	return evkv__slab_take(pages, slot);
}

static struct slab_block *block_new(struct slab_class *class)
{
	struct slab_block *block;
	uint16_t slot = NO_SLOT;

	block = class->source != NULL ? page_take(class->source, &slot)
				      : region_new(class, &slot);
	if (block == NULL)
		return NULL;
	block->slot = slot;
	if (class->source != NULL)
		block->number = page_number(class->source, block);
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
		region_free(class, block);
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

void evkv__slab_class_trim(struct slab_class *class)
{
	if (class->room != NULL && class->room->used == 0)
		block_free(class, class->room);
}

void evkv__slab_class_end(struct slab_class *class)
{
	EVKV__ASSERT(class->room == NULL ||
	    (class->room->used == 0 && class->room->next == NULL));
	evkv__slab_class_trim(class);
	while (evkv__slab_tidy(class))
		;
}

/* ---- All sizes ----------------------------------------------------- */

void evkv__slab_init(struct slab *slab)
{
	size_t i;

	memset(&slab->regions, 0, sizeof(slab->regions));
	evkv__slab_class_init(&slab->pages, NULL, SLAB_PAGE);
	slab->pages.regions = &slab->regions;
	for (i = 0; i < SLAB_ITEM_MAX / SLAB_GRAIN; i++)
		evkv__slab_class_init(&slab->items[i], &slab->pages,
		    (i + 1) * SLAB_GRAIN);
}

void evkv__slab_trim(struct slab *slab)
{
	size_t i;

	for (i = 0; i < SLAB_ITEM_MAX / SLAB_GRAIN; i++)
		evkv__slab_class_trim(&slab->items[i]);
	evkv__slab_class_trim(&slab->pages);
}

void evkv__slab_end(struct slab *slab)
{
	size_t i;

	for (i = 0; i < SLAB_ITEM_MAX / SLAB_GRAIN; i++)
		evkv__slab_class_end(&slab->items[i]);
	evkv__slab_class_end(&slab->pages);
	evkv_free(slab->regions.at);
}
