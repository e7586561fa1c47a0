/*
 * stores/memory/index.h - a hash table that grows by small steps.
 *
 * Items are found by 64-bit hashes, which the caller computes and compares the
 * items behind. The upper bits of the hash choose one of 2^depth pointers in a
 * directory; each points to a segment of 16 chunks, and several neighbours may
 * point to the same one (extendible hashing). A full segment is split in two,
 * which is all that growth ever does at once: the directory, when it must
 * double, has been filled beforehand, a piece with each split. Sparse
 * neighbours are joined again.
 *
 * A chunk is a cache line: 12 tags of a byte, compared all at once, and the
 * numbers of 12 items, see slab.h. An item that finds its chunk full goes to
 * the next one, and each chunk that it passes counts it; so a search ends at the
 * first chunk that nobody has passed, and removing leaves no tombstones behind.
 *
 * The hashes of items are not kept, only the bit of each by which its segment
 * will be split, and whether it lies in another chunk than its first. A split
 * makes that bit stale; each insertion after it learns those of one chunk
 * anew, so that none has to fetch all items of a segment. Walks in order of
 * hash do.
 *
 * Segments stand in a binary heap by `due`, the caller's lower bound of when
 * something in them is to be done, so that the earliest is known at any time.
 */
#ifndef EVKV_STORES_MEMORY_INDEX_H
#define EVKV_STORES_MEMORY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stores/memory/slab.h"

#if defined(__SSE2__) && !defined(EVKV_NO_SIMD)
#include <emmintrin.h>
#define INDEX_SSE2 1
#endif

#define INDEX_LANES 12
#define INDEX_CHUNKS 16
#define INDEX_SLOTS (INDEX_CHUNKS * INDEX_LANES)
#define INDEX_ALL_LANES ((1u << INDEX_LANES) - 1)
/* Split at seven eighths; join where two together fill little more than one. */
#define INDEX_SPLIT_AT (INDEX_SLOTS / 8 * 7)
#define INDEX_JOIN_AT (INDEX_SLOTS / 8 * 2)
/* The lowest bits of the 32 choose the chunk. */
#define INDEX_DEPTH_MAX 28

struct index_chunk {
	_Alignas(64) uint8_t tags[INDEX_LANES]; /* 0 = free */
	uint32_t passed : 8; /* items that went on from here; 255 = or more */
	uint32_t upper : INDEX_LANES; /* lanes of those that a split moves */
	uint32_t away : INDEX_LANES;  /* lanes of those that went on to here */
	uint32_t slots[INDEX_LANES];
};

struct index_segment {
	struct index_chunk chunks[INDEX_CHUNKS];
	int64_t due; /* the caller's; the lower of two after a join */
	uint32_t count;
	uint32_t first; /* upper half of the lowest hash that belongs here */
	uint32_t place; /* in the heap */
	uint8_t depth;  /* bits of the hash that its items have in common */
	uint8_t learnt; /* the chunks before have `upper` right */
	uint16_t slot;  /* in the block of memory that it is of */
};

/* A place of the heap; the places stand in blocks, so that growing is cheap. */
struct index_due {
	int64_t due;
	struct index_segment *segment;
};
#define INDEX_DUE_BLOCK 256

/* The upper halves of the hashes of `count` items. */
typedef void (*index_hash)(const struct slab_regions *regions,
    const uint32_t *items, size_t count, uint32_t *hashes);

struct index {
	struct index_segment **directory; /* of 2^depth */
	struct index_segment *single;     /* the directory of depth 0 */
	uint32_t depth;
	uint32_t room; /* the directory's memory would do for 2^room */
	size_t count;  /* of items */
	size_t segments;
	size_t depths[INDEX_DEPTH_MAX + 1]; /* segments of each depth */
	struct index_segment **next; /* the directory's double, or NULL ... */
	size_t next_filled;          /* ... from so many pointers of it */
	size_t dismantled;           /* pointers whose segments are freed */
	struct index_due **dues;     /* the heap, of `segments` places */
	size_t due_blocks;           /* that there is room for in `dues` */
	size_t work;               /* items moved and pointers written so far */
	struct slab_class *memory; /* of segments */
	const struct slab_regions *regions; /* of items */
	index_hash hash;
};

/* The place of an item, while nothing is inserted or removed. */
struct index_place {
	struct index_segment *segment;
	uint32_t chunk;
	uint32_t lane;
	uint32_t matches; /* lanes of the chunk that are still to be seen */
	uint32_t home;    /* the first chunk */
	uint8_t tag;
};

static inline struct index_segment *index_segment(const struct index *index,
    uint64_t hash)
{
	return index->directory[((hash >> 32) << index->depth) >> 32];
}

static inline uint32_t index_home(uint32_t hash32)
{
	return hash32 % INDEX_CHUNKS;
}

static inline uint8_t index_tag(uint64_t hash)
{
	return (uint8_t)(hash | 0x80);
}

/* The lanes whose tag is `tag`, as bits. */
#ifdef INDEX_SSE2
static inline uint32_t index_match(const struct index_chunk *chunk, uint8_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)chunk);
	__m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));

	return (uint32_t)_mm_movemask_epi8(same) & INDEX_ALL_LANES;
}
#else
static inline uint32_t index_match_8(const uint8_t *tags, uint8_t tag)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t word;

	memcpy(&word, tags, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	word ^= tag * UINT64_C(0x0101010101010101);
	/* The top bit of each byte that is 0, exactly; then one bit each. */
	word = ~(((word & low) + low) | word | low);
	return (uint32_t)(((word >> 7) * UINT64_C(0x0102040810204080)) >> 56);
}

static inline uint32_t index_match(const struct index_chunk *chunk, uint8_t tag)
{
	const uint8_t *tags = (const uint8_t *)(const void *)chunk;

	return (index_match_8(tags, tag) | index_match_8(tags + 8, tag) << 8) &
	    INDEX_ALL_LANES;
}
#endif

/* The lanes that hold an item. */
static inline uint32_t index_used(const struct index_chunk *chunk)
{
	return ~index_match(chunk, 0) & INDEX_ALL_LANES;
}

/* The next item that may be the one, or 0: then it is not there. */
static inline uint32_t index_next(struct index_place *place)
{
	const struct index_chunk *chunk = &place->segment->chunks[place->chunk];

	while (place->matches == 0) {
		if (chunk->passed == 0)
			return 0;
		place->chunk = (place->chunk + 1) % INDEX_CHUNKS;
		if (place->chunk == place->home)
			return 0;
		chunk = &place->segment->chunks[place->chunk];
		place->matches = index_match(chunk, place->tag);
	}
	place->lane = (uint32_t)__builtin_ctz(place->matches);
	place->matches &= place->matches - 1;
	return chunk->slots[place->lane];
}

/* Where the search for an item begins, and most end. */
static inline const struct index_chunk *index_chunk(const struct index *index,
    uint64_t hash)
{
	return &index_segment(index, hash)
		    ->chunks[index_home((uint32_t)(hash >> 32))];
}

/* The first such item. */
static inline uint32_t index_first(const struct index *index, uint64_t hash,
    struct index_place *place)
{
	place->segment = index_segment(index, hash);
	place->home = index_home((uint32_t)(hash >> 32));
	place->chunk = place->home;
	place->lane = 0;
	place->tag = index_tag(hash);
	place->matches = index_match(index_chunk(index, hash), place->tag);
	return index_next(place);
}

/* The place of an item that is there. */
static inline struct index_place index_locate(const struct index *index,
    uint64_t hash, uint32_t item)
{
	struct index_place place;
	uint32_t other = index_first(index, hash, &place);

	while (other != item)
		other = index_next(&place);
	return place;
}

/* Of a place that was not found by its hash: have it as it would be then. */
static inline void index_place_home(const struct index *index,
    struct index_place *place)
{
	const struct index_chunk *chunk = &place->segment->chunks[place->chunk];
	uint32_t hash32 = place->chunk;

	if ((chunk->away >> place->lane & 1) != 0)
		index->hash(index->regions, &chunk->slots[place->lane], 1,
		    &hash32);
	place->home = index_home(hash32);
}

/* Bring the chunk of a hash, then its item, near before they are asked for. */
static inline void index_prefetch(const struct index *index, uint64_t hash)
{
	__builtin_prefetch(index_chunk(index, hash));
}

static inline void index_prefetch_item(const struct index *index, uint64_t hash)
{
	struct index_place place;
	uint32_t number = index_first(index, hash, &place);
	const char *item;

	if (number != 0) {
		item = slab_at(index->regions, number);
		__builtin_prefetch(item + 8);
		__builtin_prefetch(item + 59);
	}
}

/*
 * `memory`, a class of items as large as a segment, and `regions` must outlive
 * the index.
 */
void evkv__index_init(struct index *index, struct slab_class *memory,
    const struct slab_regions *regions, index_hash hash);

/* Move a whole index; `from` is empty afterwards. */
void evkv__index_move(struct index *to, struct index *from);

/*
 * Insert an item that is not there, and lower its segment's `due`. false: no
 * memory, nothing changed.
 */
bool evkv__index_insert(struct index *index, uint64_t hash, uint32_t item,
    int64_t due);

/* Remove the item at a place. Does not move any other. */
void evkv__index_remove(struct index *index, const struct index_place *place);

/* Have a segment's `due` be another one. */
void evkv__index_set_due(struct index *index, struct index_segment *segment,
    int64_t due);

static inline void index_lower_due(struct index *index,
    struct index_segment *segment, int64_t due)
{
	if (due < segment->due)
		evkv__index_set_due(index, segment, due);
}

/* The segment that is due first; NULL: none is, ever. */
static inline struct index_segment *index_earliest(const struct index *index)
{
	if (index->segments == 0 || index->dues[0]->due == INT64_MAX)
		return NULL;
	return index->dues[0]->segment;
}

static inline int64_t index_earliest_due(const struct index *index)
{
	return index->segments > 0 ? index->dues[0]->due : INT64_MAX;
}

/* Put another item, of the same hash, in the place of one. */
static inline void index_replace(const struct index_place *place, uint32_t item)
{
	place->segment->chunks[place->chunk].slots[place->lane] = item;
}

/* Join the segment of a hash with its neighbour, while both are sparse. */
void evkv__index_join(struct index *index, uint64_t hash);

/* Where a segment of fewer items is worth an evkv__index_join(). */
#define INDEX_SPARSE (INDEX_JOIN_AT / 2)

/* The first hash after the segment of `hash`; 0 = it was the last segment. */
static inline uint64_t index_after(const struct index *index, uint64_t hash)
{
	uint32_t depth = index_segment(index, hash)->depth;

	if (depth == 0)
		return 0;
	return ((hash >> (64 - depth)) + 1) << (64 - depth);
}

/*
 * Free a segment, whatever is in it, and then the directory; in any state, not
 * to be used for anything else after the first call. false: all is gone.
 */
bool evkv__index_dismantle(struct index *index);

/* An item of a segment and the upper half of its hash. */
struct index_item {
	uint32_t item;
	uint32_t hash32;
};

/*
 * The items of the segment of (hash32 << 32) that have `hash32` or more, in
 * that order, into `items` of INDEX_SLOTS; returns their number.
 */
size_t evkv__index_sorted(const struct index *index, uint32_t hash32,
    struct index_item *items);

#endif
