#include "stores/log/index.h"

#include <string.h>

#include "evkv/alloc.h"

#define SEGMENT_MAX 2048 /* entries; then it is split */
#define SEGMENT_BUILT 1024
#define DEPTH_MAX 36
#define FULL_PERCENT 93
#define FRESH_PERCENT 87
#define TAIL 12 /* slots behind the last that a hash points to, at least */

struct log_segment {
	unsigned depth; /* how many bits its hashes begin with */
	uint32_t used;
	uint32_t slots; /* entries[slots] is never used */
	uint32_t homes; /* hashes point to the first `homes` of them */
	struct log_entry entries[];
};

/* ---- Places -------------------------------------------------------------- */

/* Exact below 128 bytes; above, eight steps for each power of two. */
uint64_t evkv__log_place(uint32_t slot, uint64_t offset, uint64_t size)
{
	uint64_t units = (size + 7) / 8, class = units, step;
	unsigned exponent;

	if (units >= 16) {
		exponent = 63 - (unsigned)__builtin_clzll(units);
		step = (units + ((uint64_t)1 << (exponent - 3)) - 1) >>
		    (exponent - 3);
		class = 16 + (uint64_t)(exponent - 4) * 8 + step - 8;
	}
	return (uint64_t)slot << 40 | offset / 8 << 8 | class;
}

uint64_t evkv__log_place_size(uint64_t place)
{
	uint64_t class = place & 0xff;

	if (class < 16)
		return class * 8;
	class -= 16;
	return (8 + class % 8) << (class / 8 + 1) << 3;
}

/* ---- Segments ------------------------------------------------------------ */

static size_t segment_bytes(uint32_t slots)
{
	return sizeof(struct log_segment) +
	    ((size_t)slots + 1) * sizeof(struct log_entry);
}

static uint32_t home_of(unsigned depth, uint32_t homes, uint64_t hash)
{
	uint64_t bits = hash << depth >> 32;

	return (uint32_t)(bits * homes >> 32);
}

static uint32_t segment_home(const struct log_segment *segment, uint64_t hash)
{
	return home_of(segment->depth, segment->homes, hash);
}

/* An empty one with room for `used` entries, and `spare` slots more. */
static struct log_segment *segment_new(unsigned depth, uint32_t used,
    uint32_t spare)
{
	uint32_t homes = used * 100 / FRESH_PERCENT + 4;
	uint32_t slots = homes + TAIL + spare;
	struct log_segment *segment = evkv_malloc(segment_bytes(slots));

	if (segment == NULL)
		return NULL;
	memset(segment, 0, segment_bytes(slots));
	segment->depth = depth;
	segment->slots = slots;
	segment->homes = homes;
	return segment;
}

/* Behind all that are there, in the order of hashes; false: no slot is left. */
static bool segment_append(struct log_segment *segment, uint32_t *end,
    const struct log_entry *entry)
{
	uint32_t home = segment_home(segment, entry->hash);

	if (home < *end)
		home = *end;
	if (home >= segment->slots)
		return false;
	segment->entries[home] = *entry;
	segment->used++;
	*end = home + 1;
	return true;
}

/* One of these entries, which are in order and may have gaps. */
static struct log_segment *segment_of(unsigned depth,
    const struct log_entry *entries, size_t count, uint32_t used,
    uint32_t spare)
{
	struct log_segment *segment;
	uint32_t end;
	size_t i;

	for (;; spare += used / 8 + 8) {
		segment = segment_new(depth, used, spare);
		if (segment == NULL)
			return NULL;
		end = 0;
		for (i = 0; i < count; i++) {
			if (entries[i].place != 0 &&
			    !segment_append(segment, &end, &entries[i]))
				break;
		}
		if (i == count)
			return segment;
		evkv_free(segment);
	}
}

static void segment_free(struct log_index *index, struct log_segment *segment)
{
	index->bytes -= segment_bytes(segment->slots);
	evkv_free(segment);
}

/* ---- The directory ------------------------------------------------------- */

static size_t directory_at(const struct log_index *index, uint64_t hash)
{
	return index->depth == 0 ? 0 : (size_t)(hash >> (64 - index->depth));
}

static struct log_segment *index_segment(const struct log_index *index,
    uint64_t hash)
{
	return index->directory[directory_at(index, hash)].segment;
}

/* Where a hash points to. */
static struct log_entry *index_home(const struct log_index *index,
    uint64_t hash)
{
	const struct log_directory
	    *at = &index->directory[directory_at(index, hash)];

	return &at->segment->entries[home_of(at->depth, at->homes, hash)];
}

static struct log_directory directory_of(struct log_segment *segment)
{
	return (struct log_directory){ segment, segment->depth,
		segment->homes };
}

/* Let a segment stand wherever hashes begin with its bits. */
static void directory_set(struct log_index *index, uint64_t hash,
    struct log_segment *segment)
{
	unsigned shift = index->depth - segment->depth;
	size_t first = directory_at(index, hash) >> shift << shift, i;

	for (i = 0; i < (size_t)1 << shift; i++)
		index->directory[first + i] = directory_of(segment);
}

static bool directory_new(struct log_index *index, unsigned depth)
{
	size_t size = ((size_t)1 << depth) * sizeof(*index->directory);

	index->directory = evkv_malloc(size);
	if (index->directory == NULL)
		return false;
	index->depth = depth;
	index->bytes += size;
	return true;
}

static bool directory_double(struct log_index *index)
{
	struct log_directory *old = index->directory;
	size_t count = (size_t)1 << index->depth, i;

	if (!directory_new(index, index->depth + 1)) {
		index->directory = old;
		return false;
	}
	for (i = 0; i < count; i++)
		index->directory[2 * i] = index->directory[2 * i + 1] = old[i];
	index->bytes -= count * sizeof(*old);
	evkv_free(old);
	return true;
}

bool evkv__log_index_init(struct log_index *index)
{
	struct log_segment *segment;

	memset(index, 0, sizeof(*index));
	if (!directory_new(index, 0))
		return false;
	segment = segment_new(0, 16, 0);
	if (segment == NULL) {
		evkv_free(index->directory);
		index->directory = NULL;
		return false;
	}
	index->directory[0] = directory_of(segment);
	index->bytes += segment_bytes(segment->slots);
	return true;
}

void evkv__log_index_free(struct log_index *index)
{
	size_t i = 0, count = (size_t)1 << index->depth;
	struct log_segment *segment;

	if (index->directory == NULL)
		return;
	while (i < count) {
		segment = index->directory[i].segment;
		i += segment != NULL
		    ? (size_t)1 << (index->depth - segment->depth)
		    : 1;
		evkv_free(segment);
	}
	evkv_free(index->directory);
	memset(index, 0, sizeof(*index));
}

/* ---- Growing ------------------------------------------------------------- */

/* Whether one entry more is within the bound. */
static bool segment_loose(const struct log_segment *segment)
{
	return ((uint64_t)segment->used + 1) * 100 <=
	    (uint64_t)segment->homes * FULL_PERCENT;
}

/* If it is loose all the same, slots behind the last home are what it lacks. */
static bool segment_grow(struct log_index *index, uint64_t hash,
    struct log_segment *old)
{
	uint32_t spare = old->slots - old->homes - TAIL;
	struct log_segment *new;

	spare = segment_loose(old) ? spare + old->used / 8 + 8 : 0;
	new = segment_of(old->depth, old->entries, old->slots,
	    old->used + old->used / 16 + 2, spare);

	if (new == NULL)
		return false;
	index->bytes += segment_bytes(new->slots);
	directory_set(index, hash, new);
	segment_free(index, old);
	return true;
}

/*
 * Not where most hashes begin alike, which those of our function don't: the
 * directory would outgrow the entries.
 */
static bool segment_split(struct log_index *index, struct log_segment *old,
    uint64_t hash)
{
	uint64_t bit = (uint64_t)1 << (63 - old->depth);
	struct log_segment *low, *high;
	uint32_t middle = 0, count = 0, i;

	if (old->depth == index->depth &&
	    (index->entries >> index->depth < SEGMENT_MAX / 32 ||
		!directory_double(index)))
		return false;
	for (i = 0; i < old->slots; i++) {
		if (old->entries[i].place == 0)
			continue;
		if ((old->entries[i].hash & bit) == 0) {
			middle = i + 1;
			count++;
		}
	}
	low = segment_of(old->depth + 1, old->entries, middle, count, 0);
	high = segment_of(old->depth + 1, old->entries + middle,
	    old->slots - middle, old->used - count, 0);
	if (low == NULL || high == NULL) {
		evkv_free(low);
		evkv_free(high);
		return false;
	}
	index->bytes += segment_bytes(low->slots) + segment_bytes(high->slots);
	directory_set(index, hash & ~bit, low);
	directory_set(index, hash | bit, high);
	segment_free(index, old);
	return true;
}

static bool index_grow(struct log_index *index, uint64_t hash)
{
	struct log_segment *segment = index_segment(index, hash);

	if (segment->used >= SEGMENT_MAX && segment->depth < DEPTH_MAX &&
	    segment_split(index, segment, hash))
		return true;
	return segment_grow(index, hash, segment);
}

/* ---- One entry ----------------------------------------------------------- */

/* Where the first entry with a hash is, or would be. */
static struct log_entry *find_from(struct log_entry *home, uint64_t hash)
{
	while (home->place != 0 && home->hash < hash)
		home++;
	return home;
}

static uint32_t segment_find(struct log_segment *segment, uint64_t hash)
{
	struct log_entry *home = &segment->entries[segment_home(segment, hash)];

	return (uint32_t)(find_from(home, hash) - segment->entries);
}

struct log_entry *evkv__log_index_first(const struct log_index *index,
    uint64_t hash)
{
	struct log_entry *entry = find_from(index_home(index, hash), hash);

	return entry->place != 0 && entry->hash == hash ? entry : NULL;
}

void evkv__log_index_fetch(const struct log_index *index, uint64_t hash)
{
	const struct log_entry *home = index_home(index, hash);

	__builtin_prefetch(home);
	__builtin_prefetch(home + 4);
	__builtin_prefetch(home + 8);
}

struct log_entry *evkv__log_index_at(const struct log_index *index,
    uint64_t hash, uint64_t place)
{
	struct log_entry *entry = evkv__log_index_first(index, hash);

	while (entry != NULL && entry->place != place)
		entry = log_index_next(entry);
	return entry;
}

/* false: no slot behind it is free. */
static bool segment_insert(struct log_segment *segment,
    const struct log_entry *entry)
{
	uint32_t at = segment_find(segment, entry->hash), gap = at;

	while (gap < segment->slots && segment->entries[gap].place != 0)
		gap++;
	if (gap == segment->slots)
		return false;
	memmove(&segment->entries[at + 1], &segment->entries[at],
	    (gap - at) * sizeof(*entry));
	segment->entries[at] = *entry;
	segment->used++;
	return true;
}

/* A segment that has grown takes it, or lacks less the next time. */
bool evkv__log_index_insert(struct log_index *index,
    const struct log_entry *entry)
{
	struct log_segment *segment;

	index->changes++;
	for (;;) {
		segment = index_segment(index, entry->hash);
		if (segment_loose(segment) && segment_insert(segment, entry))
			break;
		if (!index_grow(index, entry->hash))
			return false;
	}
	index->entries++;
	return true;
}

/* Those behind it move back, as far as their hashes let them. */
void evkv__log_index_remove(struct log_index *index, struct log_entry *entry)
{
	struct log_segment *segment = index_segment(index, entry->hash);
	uint32_t at = (uint32_t)(entry - segment->entries), end = at + 1;

	index->changes++;
	while (segment->entries[end].place != 0 &&
	    segment_home(segment, segment->entries[end].hash) < end)
		end++;
	memmove(&segment->entries[at], &segment->entries[at + 1],
	    (end - at - 1) * sizeof(*entry));
	memset(&segment->entries[end - 1], 0, sizeof(*entry));
	segment->used--;
	index->entries--;
}

/* ---- Walking ------------------------------------------------------------- */

struct walk {
	struct log_entry *entries;
	size_t room, count;
	bool full;
};

static void walk_add(struct walk *walk, const struct log_entry *entry)
{
	uint64_t hash = entry->hash;

	if (walk->count < walk->room) {
		walk->entries[walk->count++] = *entry;
		return;
	}
	walk->full = true;
	/* The last hash may go on here: leave it for the next time. */
	while (walk->count > 0 && walk->entries[walk->count - 1].hash == hash &&
	    walk->entries[0].hash != hash)
		walk->count--;
}

size_t evkv__log_index_walk(const struct log_index *index, uint64_t hash,
    struct log_entry *entries, size_t room, bool *more)
{
	struct walk walk = { .entries = entries, .room = room };
	size_t at = directory_at(index, hash), all = (size_t)1 << index->depth;
	struct log_segment *segment = index->directory[at].segment;
	uint32_t i = segment_find(segment, hash);

	for (;;) {
		for (; i < segment->slots && !walk.full; i++) {
			if (segment->entries[i].place != 0 &&
			    segment->entries[i].hash >= hash)
				walk_add(&walk, &segment->entries[i]);
		}
		at = ((at >> (index->depth - segment->depth)) + 1)
		    << (index->depth - segment->depth);
		if (walk.full || at >= all)
			break;
		segment = index->directory[at].segment;
		i = 0;
	}
	*more = walk.full;
	return walk.count;
}

/* ---- Building ------------------------------------------------------------ */

bool evkv__log_build_begin(struct log_index_build *build,
    struct log_index *index, size_t expected)
{
	unsigned depth = 0;

	while (expected >> depth > SEGMENT_BUILT && depth < DEPTH_MAX)
		depth++;
	*build = (struct log_index_build){ .index = index };
	memset(index, 0, sizeof(*index));
	build->gathered = evkv_malloc(SEGMENT_MAX * sizeof(struct log_entry));
	if (build->gathered == NULL || !directory_new(index, depth))
		return false;
	memset(index->directory, 0,
	    ((size_t)1 << depth) * sizeof(*index->directory));
	return true;
}

/* What is gathered becomes the segment of the prefix that it has. */
static bool build_flush(struct log_index_build *build, size_t prefix)
{
	struct log_index *index = build->index;
	struct log_segment *segment = segment_of(index->depth, build->gathered,
	    build->count, (uint32_t)build->count + (build->count < 16 ? 16 : 0),
	    0);

	if (segment == NULL)
		return false;
	index->directory[prefix] = directory_of(segment);
	index->bytes += segment_bytes(segment->slots);
	index->entries += build->count;
	build->count = 0;
	return true;
}

bool evkv__log_build_add(struct log_index_build *build,
    const struct log_entry *entry)
{
	struct log_index *index = build->index;
	size_t prefix = directory_at(index, entry->hash), last;

	if (index->directory[prefix].segment != NULL)
		return evkv__log_index_insert(index, entry);
	if (build->count > 0) {
		last = directory_at(index, build->gathered[0].hash);
		if ((last != prefix || build->count == SEGMENT_MAX) &&
		    !build_flush(build, last))
			return false;
		if (index->directory[prefix].segment != NULL)
			return evkv__log_index_insert(index, entry);
	}
	build->gathered[build->count++] = *entry;
	return true;
}

bool evkv__log_build_end(struct log_index_build *build)
{
	struct log_index *index = build->index;
	size_t i, all = (size_t)1 << index->depth;
	bool ok = index->directory != NULL && build->gathered != NULL;

	if (ok && build->count > 0)
		ok = build_flush(build,
		    directory_at(index, build->gathered[0].hash));
	for (i = 0; ok && i < all; i++)
		ok = index->directory[i].segment != NULL ||
		    build_flush(build, i);
	evkv_free(build->gathered);
	build->gathered = NULL;
	return ok;
}
