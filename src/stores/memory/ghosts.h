/*
 * stores/memory/ghosts.h - which keys were evicted lately.
 *
 * A key that is put again soon after its eviction was evicted too early: such
 * an entry starts in the main part, without probation. "Soon" is within about
 * as many evictions from the same part as there are entries: what comes back
 * later would not have stayed anyway. A direct-mapped table is enough to know,
 * with two slots of 16 bits for each entry: a part of the hash, which part of
 * the queue it went from, and a coarse time, which counts the evictions from
 * that part. A newer ghost overwrites an older one of its slot, and one key in
 * a thousand is taken for another.
 *
 * The slots stand in blocks that are made when they are first written to, so
 * that no step takes long and none is made where nothing is evicted.
 */
#ifndef EVKV_STORES_MEMORY_GHOSTS_H
#define EVKV_STORES_MEMORY_GHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GHOSTS_BLOCK 2048 /* slots; a smaller table is one block */
#define GHOSTS_PER_ENTRY 2
/* Ticks of the coarse time: in as many evictions as there are entries ... */
#define GHOSTS_TICKS 8
/* ... and for as many a ghost is one. */
#define GHOSTS_LIFE 7

enum ghost {
	GHOST_NONE,
	GHOST, /* not told from where, or not that lately */
	/* So lately that a part larger by a few would have kept it. */
	GHOST_OF_PROBATION,
	GHOST_OF_MAIN,
};

struct memory_ghosts {
	uint16_t **blocks;
	size_t size;  /* slots */
	size_t first; /* blocks before this one are freed */
	/* So far: evictions from the main part, and from probation. */
	size_t added[2];
};

static inline size_t ghosts_slot(const struct memory_ghosts *ghosts,
    uint64_t hash)
{
	return (size_t)(((hash & UINT32_MAX) * ghosts->size) >> 32);
}

/* What stands in a slot; 0 is an empty one. */
static inline uint16_t ghosts_mark(uint64_t hash, bool probation, unsigned tick)
{
	return (uint16_t)(((hash >> 32) % 1023 + 1) << 6 |
	    (unsigned)probation << 5 | (tick & 31));
}

static inline unsigned ghosts_tick(const struct memory_ghosts *ghosts,
    bool probation)
{
	size_t length = ghosts->size / (GHOSTS_PER_ENTRY * GHOSTS_TICKS);

	return (unsigned)(ghosts->added[probation] / (length > 0 ? length : 1) &
	    31);
}

/* Have the slot fetched that a look-up will read. */
static inline void ghosts_prefetch(const struct memory_ghosts *ghosts,
    uint64_t hash)
{
	const uint16_t *block;
	size_t slot;

	if (ghosts->size == 0)
		return;
	slot = ghosts_slot(ghosts, hash);
	block = ghosts->blocks[slot / GHOSTS_BLOCK];
	if (block != NULL)
		__builtin_prefetch(&block[slot % GHOSTS_BLOCK]);
}

/* Whether the key of a hash was evicted lately; it is forgotten then. */
enum ghost evkv__ghosts_take(struct memory_ghosts *ghosts, uint64_t hash);

/*
 * Remember a key in a table for at least so many entries, as a ghost of a part
 * or as GHOST. Out of memory: it is not remembered.
 */
void evkv__ghosts_add(struct memory_ghosts *ghosts, uint64_t hash,
    enum ghost ghost, size_t entries);

/* Free a bounded part, and forget all; false: nothing is left. */
bool evkv__ghosts_free_some(struct memory_ghosts *ghosts);

#endif
