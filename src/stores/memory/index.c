/* stores/memory/index.c - a hash table that grows by small steps. */
#include "stores/memory/index.h"

#include <stdlib.h>

#include "core/op.h"
#include "base/pages.h"

/* Pointers of the directory's double that are filled in at each split. */
#define INDEX_FILL 2048
/* Bytes from which on a directory is not malloc's. */
#define DIRECTORY_PAGES ((size_t)1 << 17)

/* What an empty index points to: found nothing in, never written to. */
static const struct index_segment nothing = { .due = INT64_MAX };

static struct index_segment *index_nothing(void)
{
	return (struct index_segment *)(uintptr_t)&nothing;
}

void evkv__index_init(struct index *index, struct slab_class *memory,
    const struct slab_regions *regions, index_hash hash)
{
	memset(index, 0, sizeof(*index));
	index->memory = memory;
	index->regions = regions;
	index->hash = hash;
	index->single = index_nothing();
	index->directory = &index->single;
}

void evkv__index_move(struct index *to, struct index *from)
{
	*to = *from;
	if (from->directory == &from->single)
		to->directory = &to->single;
	evkv__index_init(from, to->memory, to->regions, to->hash);
}

/* ---- The heap of dues ---------------------------------------------- */

static struct index_due *due_at(const struct index *index, size_t place)
{
	return &index->dues[place / INDEX_DUE_BLOCK][place % INDEX_DUE_BLOCK];
}

static void due_set(const struct index *index, size_t place,
    struct index_due due)
{
	*due_at(index, place) = due;
	due.segment->place = (uint32_t)place;
}

static void due_up(const struct index *index, size_t place,
    struct index_due due)
{
	size_t parent;

	for (; place > 0; place = parent) {
		parent = (place - 1) / 2;
		if (due_at(index, parent)->due <= due.due)
			break;
		due_set(index, place, *due_at(index, parent));
	}
	due_set(index, place, due);
}

static void due_down(const struct index *index, size_t place,
    struct index_due due)
{
	size_t child;

	for (; (child = 2 * place + 1) < index->segments; place = child) {
		if (child + 1 < index->segments &&
		    due_at(index, child + 1)->due < due_at(index, child)->due)
			child++;
		if (due_at(index, child)->due >= due.due)
			break;
		due_set(index, place, *due_at(index, child));
	}
	due_set(index, place, due);
}

static void due_move(const struct index *index, size_t place,
    struct index_due due)
{
	if (place > 0 && due.due < due_at(index, (place - 1) / 2)->due)
		due_up(index, place, due);
	else
		due_down(index, place, due);
}

void evkv__index_set_due(struct index *index, struct index_segment *segment,
    int64_t due)
{
	segment->due = due;
	due_move(index, segment->place,
	    (struct index_due){ .due = due, .segment = segment });
}

/* Room for one more place; false: no memory. */
static bool due_prepare(struct index *index)
{
	size_t block = index->segments / INDEX_DUE_BLOCK, room;
	struct index_due **dues;

	if (index->segments % INDEX_DUE_BLOCK != 0)
		return true;
	if (block == index->due_blocks) {
		room = block > 0 ? 2 * block : 8;
		dues = evkv_calloc(room, sizeof(*dues));
		if (dues == NULL)
			return false;
		if (block > 0)
			memcpy(dues, index->dues, block * sizeof(*dues));
		evkv_free(index->dues);
		index->dues = dues;
		index->due_blocks = room;
	}
	index->dues[block] = evkv_malloc(INDEX_DUE_BLOCK *
	    sizeof(**index->dues));
	return index->dues[block] != NULL;
}

/* The segment has gone from the count already. */
static void due_remove(struct index *index, const struct index_segment *segment)
{
	struct index_due last = *due_at(index, index->segments);

	if (last.segment != segment)
		due_move(index, segment->place, last);
	if (index->segments % INDEX_DUE_BLOCK == 0)
		evkv_free(index->dues[index->segments / INDEX_DUE_BLOCK]);
}

/* ---- Segments ------------------------------------------------------ */

static struct index_segment *segment_new(struct index *index, uint32_t first,
    uint32_t depth)
{
	struct index_segment *segment;
	uint16_t slot;

	if (!due_prepare(index))
		return NULL;
	segment = evkv__slab_take(index->memory, &slot);
	if (segment == NULL) {
		if (index->segments % INDEX_DUE_BLOCK == 0)
			evkv_free(
			    index->dues[index->segments / INDEX_DUE_BLOCK]);
		return NULL;
	}
	memset(segment->chunks, 0, sizeof(segment->chunks));
	segment->due = INT64_MAX;
	segment->count = 0;
	segment->first = first;
	segment->depth = (uint8_t)depth;
	segment->learnt = INDEX_CHUNKS;
	segment->slot = slot;
	due_set(index, index->segments++,
	    (struct index_due){ .due = INT64_MAX, .segment = segment });
	index->depths[depth]++;
	return segment;
}

static void segment_free(struct index *index, struct index_segment *segment)
{
	index->segments--;
	due_remove(index, segment);
	index->depths[segment->depth]--;
	evkv__slab_give(index->memory, segment, segment->slot);
}

static void segment_set_depth(struct index *index,
    struct index_segment *segment, uint32_t depth)
{
	index->depths[segment->depth]--;
	segment->depth = (uint8_t)depth;
	index->depths[depth]++;
}

static void chunk_set(struct index_chunk *chunk, uint32_t lane, bool upper,
    bool away)
{
	uint32_t others = ~(1u << lane);

	chunk->upper = ((chunk->upper & others) | (uint32_t)upper << lane) &
	    INDEX_ALL_LANES;
	chunk->away = ((chunk->away & others) | (uint32_t)away << lane) &
	    INDEX_ALL_LANES;
}

/* Whether a split of the segment would move an item. */
static bool segment_is_upper(const struct index_segment *segment,
    uint32_t hash32)
{
	return (hash32 >> (31 - segment->depth) & 1) != 0;
}

/* There is room. */
static void segment_add(struct index_segment *segment, uint32_t hash32,
    uint8_t tag, uint32_t item)
{
	uint32_t home = index_home(hash32), at = home, lane, vacant;
	struct index_chunk *chunk = &segment->chunks[at];

	EVKV__ASSERT(segment->count < INDEX_SLOTS);
	while ((vacant = index_match(chunk, 0)) == 0) {
		if (chunk->passed < UINT8_MAX)
			chunk->passed++;
		at = (at + 1) % INDEX_CHUNKS;
		chunk = &segment->chunks[at];
	}
	lane = (uint32_t)__builtin_ctz(vacant);
	chunk->tags[lane] = tag;
	chunk->slots[lane] = item;
	chunk_set(chunk, lane, segment_is_upper(segment, hash32), at != home);
	segment->count++;
}

static void segment_remove(struct index_segment *segment, uint32_t home,
    uint32_t at, uint32_t lane)
{
	struct index_chunk *passed;
	uint32_t i = home;

	for (; i != at; i = (i + 1) % INDEX_CHUNKS) {
		passed = &segment->chunks[i];
		if (passed->passed < UINT8_MAX)
			passed->passed--;
	}
	segment->chunks[at].tags[lane] = 0;
	segment->count--;
}

/* Some of what is in a segment, in order of its slots. */
struct contents {
	uint32_t items[INDEX_SLOTS];
	uint32_t hashes[INDEX_SLOTS];
	uint8_t slots[INDEX_SLOTS];
	size_t count;
};

static void contents_add(struct contents *contents,
    const struct index_segment *segment, uint32_t at, uint32_t lanes)
{
	uint32_t lane;

	for (; lanes != 0; lanes &= lanes - 1) {
		lane = (uint32_t)__builtin_ctz(lanes);
		contents->slots[contents->count] = (uint8_t)(at * INDEX_LANES +
		    lane);
		contents->items[contents->count++] = segment->chunks[at]
							 .slots[lane];
	}
}

/* All items are fetched together. */
static void contents_hash(struct contents *contents, const struct index *index)
{
	index->hash(index->regions, contents->items, contents->count,
	    contents->hashes);
}

/* The next bits of the hashes in one more chunk; there is one. */
static void segment_learn(const struct index *index,
    struct index_segment *segment)
{
	struct index_chunk *chunk = &segment->chunks[segment->learnt];
	struct contents contents;
	uint32_t lane;
	size_t i;

	contents.count = 0;
	contents_add(&contents, segment, segment->learnt++, index_used(chunk));
	contents_hash(&contents, index);
	for (i = 0; i < contents.count; i++) {
		lane = contents.slots[i] % INDEX_LANES;
		chunk_set(chunk, lane,
		    segment_is_upper(segment, contents.hashes[i]),
		    (chunk->away >> lane & 1) != 0);
	}
}

/*
 * Move what lies in its first chunk, those of the upper half or all. That chunk
 * is all that is known of a hash, and needed.
 */
static void segment_move_home(struct index_segment *to,
    struct index_segment *from, bool all)
{
	struct index_chunk *chunk;
	uint32_t at, lane, lanes;

	for (at = 0; at < INDEX_CHUNKS; at++) {
		chunk = &from->chunks[at];
		lanes = index_used(chunk) & ~chunk->away;
		if (!all)
			lanes &= chunk->upper;
		for (; lanes != 0; lanes &= lanes - 1) {
			lane = (uint32_t)__builtin_ctz(lanes);
			segment_add(to, at, chunk->tags[lane],
			    chunk->slots[lane]);
			segment_remove(from, at, at, lane);
		}
	}
}

/* Then the few that had gone on to another; those that stay may come home. */
static void segment_move_away(const struct index *index,
    struct index_segment *to, struct index_segment *from, uint32_t bit)
{
	struct contents contents;
	uint32_t at, lane, hash32;
	uint8_t tag;
	size_t i;

	contents.count = 0;
	for (at = 0; at < INDEX_CHUNKS; at++)
		contents_add(&contents, from, at,
		    index_used(&from->chunks[at]) & from->chunks[at].away);
	contents_hash(&contents, index);
	for (i = 0; i < contents.count; i++) {
		hash32 = contents.hashes[i];
		at = contents.slots[i] / INDEX_LANES;
		lane = contents.slots[i] % INDEX_LANES;
		tag = from->chunks[at].tags[lane];
		segment_remove(from, index_home(hash32), at, lane);
		segment_add((hash32 & bit) == bit ? to : from, hash32, tag,
		    contents.items[i]);
	}
}

/* Move what has `bit` set in its hash, by which `from` is split; 0 = all. */
static void segment_move(const struct index *index, struct index_segment *to,
    struct index_segment *from, uint32_t bit)
{
	segment_move_home(to, from, bit == 0);
	segment_move_away(index, to, from, bit);
	to->learnt = 0;
	from->learnt = 0;
}

/* ---- The directory ------------------------------------------------- */

/* Let `count` pointers from `first` on, and their doubles, be `segment`. */
static void directory_point(struct index *index, size_t first, size_t count,
    struct index_segment *segment)
{
	size_t i;

	index->work += count;
	for (i = first; i < first + count; i++)
		index->directory[i] = segment;
	if (index->next == NULL)
		return;
	for (i = 2 * first; i < 2 * (first + count); i++)
		index->next[i] = segment;
}

static void directory_fill(struct index *index, size_t count)
{
	size_t size = (size_t)1 << index->depth;

	for (; count > 0 && index->next_filled < size; count--) {
		index->work++;
		index->next[2 *
		    index->next_filled] = index->directory[index->next_filled];
		index->next[2 * index->next_filled +
		    1] = index->directory[index->next_filled];
		index->next_filled++;
	}
}

/* For 2^depth pointers. Large ones are too large to be freed at once. */
static struct index_segment **directory_alloc(uint32_t depth)
{
	size_t size = sizeof(struct index_segment *) << depth;

	return size >= DIRECTORY_PAGES ? evkv__pages_alloc(size)
				       : evkv_malloc(size);
}

static void directory_free(struct index *index,
    struct index_segment **directory, uint32_t depth)
{
	size_t size = sizeof(struct index_segment *) << depth;

	if (directory == NULL || directory == &index->single)
		return;
	if (size >= DIRECTORY_PAGES)
		evkv__slab_retire(index->memory, directory, size);
	else
		evkv_free(directory);
}

static bool directory_prepare(struct index *index)
{
	if (index->next == NULL) {
		index->next = directory_alloc(index->depth + 1);
		index->next_filled = 0;
	}
	return index->next != NULL;
}

/* Within the memory that it has, from the far end. */
static void directory_spread(struct index *index)
{
	size_t i;

	index->work += (size_t)1 << index->depth;
	for (i = (size_t)1 << index->depth; i-- > 0;) {
		index->directory[2 * i + 1] = index->directory[i];
		index->directory[2 * i] = index->directory[i];
	}
	index->depth++;
}

/*
 * Hashes that have very many bits in common, as keyed ones never do, would only
 * blow it up.
 */
static bool directory_is_wasteful(const struct index *index)
{
	return index->depth == INDEX_DEPTH_MAX ||
	    (size_t)1 << index->depth > 64 * (index->segments + 4);
}

static bool directory_double(struct index *index)
{
	if (directory_is_wasteful(index))
		return false;
	if (index->depth < index->room) {
		directory_spread(index);
		return true;
	}
	if (!directory_prepare(index))
		return false;
	directory_fill(index, SIZE_MAX);
	directory_free(index, index->directory, index->room);
	index->directory = index->next;
	index->next = NULL;
	index->depth++;
	index->room = index->depth;
	return true;
}

/*
 * Have the directory's double ready by the time that it is needed: begin when
 * a quarter of the pointers are single ones. Being out of memory does no harm
 * yet.
 */
static void directory_look_ahead(struct index *index)
{
	if (index->depth == index->room && index->depth < INDEX_DEPTH_MAX &&
	    index->depths[index->depth] >= (size_t)1 << index->depth >> 2 &&
	    directory_prepare(index))
		directory_fill(index, INDEX_FILL);
}

/* All pointers come in pairs now: keep one of each. */
static void directory_halve(struct index *index)
{
	size_t i, size = (size_t)1 << (index->depth - 1);

	directory_free(index, index->next, index->depth + 1);
	index->next = NULL;
	index->work += size;
	for (i = 1; i < size; i++)
		index->directory[i] = index->directory[2 * i];
	index->depth--;
	if (index->depth > 0)
		return;
	index->single = index->directory[0];
	directory_free(index, index->directory, index->room);
	index->directory = &index->single;
	index->room = 0;
}

/* ---- Growing and shrinking ----------------------------------------- */

static bool index_split(struct index *index, uint64_t hash)
{
	struct index_segment *lower = index_segment(index, hash), *upper;
	uint32_t depth = lower->depth;
	size_t first, half;

	if (depth == index->depth && !directory_double(index))
		return false;
	upper = segment_new(index, lower->first | UINT32_C(1) << (31 - depth),
	    depth + 1);
	if (upper == NULL)
		return false;
	while (lower->learnt < INDEX_CHUNKS)
		segment_learn(index, lower);
	segment_set_depth(index, lower, depth + 1);
	segment_move(index, upper, lower, UINT32_C(1) << (31 - depth));
	index->work += upper->count;
	evkv__index_set_due(index, upper, lower->due);
	half = (size_t)1 << (index->depth - depth - 1);
	first = ((hash >> 1) >> (63 - index->depth)) & ~(2 * half - 1);
	directory_point(index, first + half, half, upper);
	directory_look_ahead(index);
	return true;
}

bool evkv__index_insert(struct index *index, uint64_t hash, uint32_t item,
    int64_t due)
{
	struct index_segment *segment = index_segment(index, hash);

	if (segment == index_nothing()) {
		segment = segment_new(index, 0, 0);
		if (segment == NULL)
			return false;
		index->single = segment;
	} else if (segment->count >= INDEX_SPLIT_AT) {
		/* Where it can't be split there may still be room. */
		index_split(index, hash);
		segment = index_segment(index, hash);
		if (segment->count == INDEX_SLOTS)
			return false;
	}
	if (segment->learnt < INDEX_CHUNKS)
		segment_learn(index, segment);
	segment_add(segment, (uint32_t)(hash >> 32), index_tag(hash), item);
	index_lower_due(index, segment, due);
	index->count++;
	return true;
}

void evkv__index_remove(struct index *index, const struct index_place *place)
{
	segment_remove(place->segment, place->home, place->chunk, place->lane);
	index->count--;
}

/* One step up; false: not worth it. */
static bool index_join_once(struct index *index, uint64_t hash)
{
	struct index_segment *segment = index_segment(index, hash), *other;
	size_t at = (hash >> 1) >> (63 - index->depth), span;
	uint32_t depth = segment->depth;

	if (depth == 0)
		return false;
	span = (size_t)1 << (index->depth - depth);
	other = index->directory[at ^ span];
	if (other->depth != depth ||
	    segment->count + other->count > INDEX_JOIN_AT)
		return false;
	index->work += other->count;
	segment_move(index, segment, other, 0);
	index_lower_due(index, segment, other->due);
	if (other->first < segment->first)
		segment->first = other->first;
	directory_point(index, at & ~(2 * span - 1), 2 * span, segment);
	segment_free(index, other);
	segment_set_depth(index, segment, depth - 1);
	if (index->depths[index->depth] == 0)
		directory_halve(index);
	return true;
}

void evkv__index_join(struct index *index, uint64_t hash)
{
	while (index_join_once(index, hash))
		;
	if (index->count == 0 && index->depth == 0 &&
	    index->single != index_nothing()) {
		segment_free(index, index->single);
		index->single = index_nothing();
	}
}

/* ---- Walking ------------------------------------------------------- */

bool evkv__index_dismantle(struct index *index)
{
	struct index_segment *segment;

	if (index->segments > 0) {
		segment = index->directory[index->dismantled];
		index->dismantled += (size_t)1
		    << (index->depth - segment->depth);
		segment_free(index, segment);
		return true;
	}
	directory_free(index, index->next, index->depth + 1);
	directory_free(index, index->directory, index->room);
	evkv_free(index->dues);
	evkv__index_init(index, index->memory, index->regions, index->hash);
	return false;
}

static int compare_items(const void *a, const void *b)
{
	uint32_t x = ((const struct index_item *)a)->hash32;
	uint32_t y = ((const struct index_item *)b)->hash32;

	return (x > y) - (x < y);
}

size_t evkv__index_sorted(const struct index *index, uint32_t hash32,
    struct index_item *items)
{
	const struct index_segment *segment = index_segment(index,
	    (uint64_t)hash32 << 32);
	struct contents contents;
	size_t count = 0, i;
	uint32_t at;

	contents.count = 0;
	for (at = 0; at < INDEX_CHUNKS; at++)
		contents_add(&contents, segment, at,
		    index_used(&segment->chunks[at]));
	contents_hash(&contents, index);
	for (i = 0; i < contents.count; i++) {
		if (contents.hashes[i] < hash32)
			continue;
		items[count].item = contents.items[i];
		items[count++].hash32 = contents.hashes[i];
	}
	qsort(items, count, sizeof(*items), compare_items);
	return count;
}
