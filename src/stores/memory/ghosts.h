/*
 * stores/memory/ghosts.h - which keys were evicted lately.
 *
 * A key that is put again soon after its eviction was evicted too early: such
 * an entry starts as one that was used. A direct-mapped table of 32-bit tags is
 * enough to know: an older ghost is overwritten by a newer one of its slot, and
 * one key in four thousand million is taken for another.
 *
 * The slots stand in blocks that are made when they are first written to, so
 * that no step takes long and none is made where nothing is evicted.
 */
#ifndef EVKV_STORES_MEMORY_GHOSTS_H
#define EVKV_STORES_MEMORY_GHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GHOSTS_BLOCK 1024 /* slots; a smaller table is one block */

struct memory_ghosts {
	uint32_t **blocks;
	size_t size;  /* slots */
	size_t first; /* blocks before this one are freed */
};

static inline size_t ghosts_slot(const struct memory_ghosts *ghosts,
    uint64_t hash)
{
	return (size_t)(((hash & UINT32_MAX) * ghosts->size) >> 32);
}

static inline uint32_t ghosts_tag(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return tag != 0 ? tag : 1; /* 0 is an empty slot */
}

/* Have the slot fetched that a look-up will read. */
static inline void ghosts_prefetch(const struct memory_ghosts *ghosts,
    uint64_t hash)
{
	size_t slot = ghosts_slot(ghosts, hash);
	const uint32_t *block;

	if (ghosts->size == 0)
		return;
	block = ghosts->blocks[slot / GHOSTS_BLOCK];
	if (block != NULL)
		__builtin_prefetch(&block[slot % GHOSTS_BLOCK]);
}

/* Whether the key of a hash was evicted lately; it is forgotten then. */
bool evkv__ghosts_take(struct memory_ghosts *ghosts, uint64_t hash);

/*
 * Remember a key in a table of at least `size` slots. Out of memory: it is not
 * remembered.
 */
void evkv__ghosts_add(struct memory_ghosts *ghosts, uint64_t hash, size_t size);

/* Free a bounded part, and forget all; false: nothing is left. */
bool evkv__ghosts_free_some(struct memory_ghosts *ghosts);

#endif
