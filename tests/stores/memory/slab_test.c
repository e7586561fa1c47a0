/* The slab allocator behind the memory store: its items, and what it holds. */
#include "stores/memory/slab.h"

#include <string.h>

#include "evkv/alloc.h"
#include "lib/faults.h"
#include "lib/test.h"

#define ITEMS 20000

struct item {
	unsigned char *memory;
	size_t size;
	uint32_t number;
	uint16_t slot;
	unsigned char mark;
};

static struct item items[ITEMS];

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static bool item_take(struct slab *slab, struct item *item, size_t size,
    unsigned char mark)
{
	item->memory = evkv__slab_take(slab_class_of(slab, size), &item->slot);
	if (item->memory == NULL)
		return false;
	check_int((uintptr_t)item->memory % SLAB_GRAIN, 0);
	check_int(evkv__slab_slot(slab_class_of(slab, size), item->memory),
	    item->slot);
	item->number = evkv__slab_number(item->memory);
	check(item->number != 0);
	item->size = size;
	item->mark = mark;
	memset(item->memory, mark, size);
	return true;
}

/* Nobody else has written to it. */
static void item_give(struct slab *slab, struct item *item)
{
	size_t i;

	check(slab_at(&slab->regions, item->number) == item->memory);
	for (i = 0; i < item->size; i++)
		check_int(item->memory[i], item->mark);
	evkv__slab_give(slab_class_of(slab, item->size), item->memory,
	    item->slot);
	item->memory = NULL;
}

static void items_give(struct slab *slab)
{
	size_t i;

	for (i = 0; i < ITEMS; i++) {
		if (items[i].memory != NULL)
			item_give(slab, &items[i]);
	}
}

static void churn(struct slab *slab, unsigned rounds)
{
	uint32_t random = 1;
	unsigned n;

	for (n = 0; n < rounds; n++) {
		struct item *item = &items[next_random(&random) % ITEMS];
		size_t size = (next_random(&random) % 64 + 1) * SLAB_GRAIN;

		if (item->memory != NULL)
			item_give(slab, item);
		else
			check(item_take(slab, item, size, (unsigned char)n));
	}
}

EVKV_TEST(unit_memory_slab, items_of_all_sizes_never_overlap)
{
	struct slab slab;

	evkv__slab_init(&slab);
	churn(&slab, 200000);
	items_give(&slab);
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

/* Numbers of regions that went back are used again. */
EVKV_TEST(unit_memory_slab, numbers_stay_few_and_name_one_item_each)
{
	struct slab slab;
	uint32_t most;
	size_t i, round;
	void *large = &slab;

	evkv__slab_init(&slab);
	for (round = 0, most = 0; round < 4; round++) {
		for (i = 0; i < ITEMS; i++)
			check(item_take(&slab, &items[i], SLAB_ITEM_MAX, 1));
		if (round == 0)
			most = slab.regions.count;
		check_int(slab.regions.count, most);
		/* Some from both ends; the rest keeps its numbers. */
		for (i = 0; i < ITEMS / 3; i++) {
			item_give(&slab, &items[i]);
			item_give(&slab, &items[ITEMS - 1 - i]);
		}
		items_give(&slab);
		while (evkv__slab_tidy(&slab.pages))
			;
	}
	check(item_take(&slab, &items[0], SLAB_GRAIN, 1));
	memcpy(items[0].memory, &large, sizeof(large));
	check(slab_at(&slab.regions, items[0].number | SLAB_FAR) == large);
	memset(items[0].memory, 1, SLAB_GRAIN);
	items_give(&slab);
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_slab, numbers_come_to_an_end)
{
	char *at[1] = { NULL };
	struct slab slab;

	/* As if all had been given. */
	evkv__slab_init(&slab);
	slab.regions.at = at;
	slab.regions.count = slab.regions.room = slab.regions
						     .free = SLAB_REGIONS_MAX;
	check(!item_take(&slab, &items[0], SLAB_GRAIN, 1));
	check_int(faults_outstanding(), 0);
	/* One has gone back. */
	slab.regions.free = 0;
	at[0] = (char *)(uintptr_t)SLAB_REGIONS_MAX;
	check(item_take(&slab, &items[0], SLAB_GRAIN, 1));
	check_int(slab.regions.free, SLAB_REGIONS_MAX);
	items_give(&slab);
	slab.regions.at = evkv_malloc(sizeof(at));
	memcpy(slab.regions.at, at, sizeof(at));
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

/* Without an allocator of the user's, regions come from the system. */
EVKV_TEST(unit_memory_slab, regions_may_come_from_the_system)
{
	struct slab slab;

	evkv_set_allocator(NULL);
	evkv__slab_init(&slab);
	churn(&slab, 100000);
	check_int(faults_outstanding(), 0);
	items_give(&slab);
	evkv__slab_end(&slab);
	faults_install();
}

EVKV_TEST(unit_memory_slab, what_is_free_goes_back_but_for_one_block)
{
	struct slab slab;
	size_t i, most;

	evkv__slab_init(&slab);
	for (i = 0; i < ITEMS; i++)
		check(item_take(&slab, &items[i], SLAB_ITEM_MAX, 1));
	most = faults_outstanding();
	check_between(most, ITEMS * SLAB_ITEM_MAX / SLAB_REGION, 30);
	/* The last of each region in turn. */
	for (i = ITEMS; i-- > 0;)
		item_give(&slab, &items[i]);
	while (evkv__slab_tidy(&slab.pages))
		;
	/* And the numbers of regions. */
	check_int(faults_outstanding(), 2);
	check_between(slab.regions.count, 20, 30);
	faults_reset();
	for (i = 0; i < 1000; i++) {
		check(item_take(&slab, &items[0], SLAB_ITEM_MAX, 1));
		item_give(&slab, &items[0]);
	}
	check_int(faults_count(), 0);
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_slab, want_of_memory_loses_nothing)
{
	struct slab slab;
	size_t i, had = 0;

	evkv__slab_init(&slab);
	faults_fail_from(1);
	check(!item_take(&slab, &items[0], SLAB_GRAIN, 1));
	faults_fail_from(2);
	check(!item_take(&slab, &items[0], SLAB_GRAIN, 1));
	faults_off();
	/* Three regions, and no more. */
	faults_fail_from(4);
	for (i = 0; i < ITEMS; i++)
		had += item_take(&slab, &items[i], 512, 2);
	check_between(had, 5000, 7000);
	check_between(faults_fired(), 1, ITEMS);
	for (i = 0; i < had; i += 2)
		item_give(&slab, &items[i]);
	for (i = 0; i < had; i += 2)
		check(item_take(&slab, &items[i], 512, 3));
	faults_off();
	items_give(&slab);
	evkv__slab_end(&slab);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_slab, large_items_are_aligned_to_cache_lines)
{
	struct slab_class class;
	void *taken[1000];
	uint16_t slots[1000];
	size_t i;

	evkv__slab_class_init(&class, NULL, 47 * 64);
	for (i = 0; i < 1000; i++) {
		taken[i] = evkv__slab_take(&class, &slots[i]);
		check(taken[i] != NULL);
		check_int((uintptr_t)taken[i] % 64, 0);
		memset(taken[i], (int)i, 47 * 64);
	}
	check_int(faults_outstanding(), 3);
	for (i = 0; i < 1000; i++)
		evkv__slab_give(&class, taken[i], slots[i]);
	evkv__slab_class_end(&class);
}
