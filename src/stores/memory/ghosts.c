/* stores/memory/ghosts.c - which keys were evicted lately. */
#include "stores/memory/ghosts.h"

#include <string.h>

#include "evkv/alloc.h"

/* Blocks that are freed in a step. */
#define GHOSTS_FREE 64

static size_t ghosts_blocks(size_t size)
{
	return (size + GHOSTS_BLOCK - 1) / GHOSTS_BLOCK;
}

static size_t block_size(size_t size)
{
	return (size < GHOSTS_BLOCK ? size : GHOSTS_BLOCK) * sizeof(uint16_t);
}

enum ghost evkv__ghosts_take(struct memory_ghosts *ghosts, uint64_t hash)
{
	size_t slot = ghosts_slot(ghosts, hash);
	bool probation;
	unsigned age;
	uint16_t *block, mark;

	if (ghosts->size == 0 || ghosts->first > 0)
		return GHOST_NONE;
	block = ghosts->blocks[slot / GHOSTS_BLOCK];
	if (block == NULL)
		return GHOST_NONE;
	mark = block[slot % GHOSTS_BLOCK];
	probation = (mark >> 5 & 1) != 0;
	if (mark == 0 || mark != ghosts_mark(hash, probation, mark & 31))
		return GHOST_NONE;
	block[slot % GHOSTS_BLOCK] = 0;
	age = (ghosts_tick(ghosts, probation) - mark) & 31;
	if (age > GHOSTS_LIFE)
		return GHOST_NONE;
	if (age > 0)
		return GHOST;
	return probation ? GHOST_OF_PROBATION : GHOST_OF_MAIN;
}

/*
 * Blocks stay where they are; the ghosts in them are found no more, as slots
 * depend on the size, and are overwritten by and by.
 */
static void ghosts_grow(struct memory_ghosts *ghosts, size_t size)
{
	size_t had = ghosts_blocks(ghosts->size);
	uint16_t **blocks;

	blocks = evkv_calloc(ghosts_blocks(size), sizeof(*blocks));
	if (blocks == NULL)
		return;
	if (ghosts->size >= GHOSTS_BLOCK) {
		memcpy(blocks, ghosts->blocks, had * sizeof(*blocks));
	} else if (had > 0) {
		evkv_free(ghosts->blocks[0]); /* smaller than those to come */
	}
	evkv_free(ghosts->blocks);
	ghosts->blocks = blocks;
	ghosts->size = size;
}

void evkv__ghosts_add(struct memory_ghosts *ghosts, uint64_t hash,
    enum ghost ghost, size_t entries)
{
	size_t size = GHOSTS_PER_ENTRY * entries;
	bool probation = ghost == GHOST_OF_PROBATION;
	uint16_t **block;
	unsigned tick;
	size_t slot;

	if (size > GHOSTS_BLOCK)
		size = ghosts_blocks(size) * GHOSTS_BLOCK;
	if (ghosts->first > 0)
		return;
	if (ghosts->size < size)
		ghosts_grow(ghosts, size);
	if (ghosts->size == 0)
		return;
	slot = ghosts_slot(ghosts, hash);
	block = &ghosts->blocks[slot / GHOSTS_BLOCK];
	if (*block == NULL) {
		*block = evkv_calloc(1, block_size(ghosts->size));
		if (*block == NULL)
			return;
	}
	tick = ghosts_tick(ghosts, probation);
	(*block)[slot % GHOSTS_BLOCK] = ghosts_mark(hash, probation,
	    ghost == GHOST ? tick - 1 : tick);
	ghosts->added[probation] += ghost != GHOST;
}

bool evkv__ghosts_free_some(struct memory_ghosts *ghosts)
{
	size_t blocks = ghosts_blocks(ghosts->size), i;

	if (blocks == 0)
		return false;
	for (i = 0; i < GHOSTS_FREE && ghosts->first < blocks; i++)
		evkv_free(ghosts->blocks[ghosts->first++]);
	if (ghosts->first == blocks) {
		evkv_free(ghosts->blocks);
		memset(ghosts, 0, sizeof(*ghosts));
	}
	return true;
}
