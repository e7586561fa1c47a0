/* The index behind the memory store: finding, growing, shrinking, order. */
#include "stores/memory/index.h"

#include <stdlib.h>

#include "base/siphash.h"
#include "lib/faults.h"
#include "lib/test.h"

#define MANY 60000

static struct slab_class segments;

/* Items are the numbers 1.., their hashes those of the numbers. */
static uint64_t hash_of(uint32_t item)
{
	return siphash_1_3(1, 2, evkv_bytes(&item, sizeof(item)));
}

/* Items that were fetched for their hashes. */
static size_t hashed;

static void hashes_of(const struct slab_regions *regions, const uint32_t *items,
    size_t count, uint32_t *hashes)
{
	size_t i;

	(void)regions;
	hashed += count;
	for (i = 0; i < count; i++)
		hashes[i] = (uint32_t)(hash_of(items[i]) >> 32);
}

/* Those whose hash is 77. */
static void hashes_alike(const struct slab_regions *regions,
    const uint32_t *items, size_t count, uint32_t *hashes)
{
	(void)regions;
	(void)items;
	memset(hashes, 0, count * sizeof(*hashes));
}

static void index_open_with(struct index *index, index_hash hash)
{
	evkv__slab_class_init(&segments, NULL, sizeof(struct index_segment));
	evkv__index_init(index, &segments, NULL, hash);
}

static void index_open(struct index *index)
{
	index_open_with(index, hashes_of);
}

static bool find(const struct index *index, uint32_t number,
    struct index_place *place)
{
	uint32_t item = index_first(index, hash_of(number), place);

	while (item != 0 && item != number)
		item = index_next(place);
	return item != 0;
}

static void insert(struct index *index, uint32_t number)
{
	check(evkv__index_insert(index, hash_of(number), number, INT64_MAX));
}

static void take_out(struct index *index, uint32_t number)
{
	struct index_place place;

	check(find(index, number, &place));
	evkv__index_remove(index, &place);
	if (place.segment->count < INDEX_SPARSE)
		evkv__index_join(index, hash_of(number));
}

static void dismantle(struct index *index)
{
	while (evkv__index_dismantle(index))
		;
	evkv__slab_class_end(&segments);
}

EVKV_TEST(unit_memory_index, empty_one_finds_nothing_and_needs_no_memory)
{
	struct index index;
	struct index_place place;

	index_open(&index);
	check(!find(&index, 1, &place));
	check_int(index_after(&index, 0), 0);
	check_int(faults_outstanding(), 0);
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, every_tag_matches_in_every_lane)
{
	struct index_chunk chunk = { .passed = 0x81,
		.upper = INDEX_ALL_LANES,
		.away = INDEX_ALL_LANES };
	unsigned tag, lane;

	for (tag = 0x80; tag <= 0xff; tag++) {
		for (lane = 0; lane < INDEX_LANES; lane++) {
			memset(chunk.tags, 0, sizeof(chunk.tags));
			/* Neighbours that differ by the lowest bit. */
			memset(chunk.tags, (int)(tag ^ 1), lane);
			chunk.tags[lane] = (uint8_t)tag;
			check_int(index_match(&chunk, (uint8_t)tag),
			    1u << lane);
		}
	}
}

EVKV_TEST(unit_memory_index, grows_and_shrinks_again_to_nothing)
{
	struct index index;
	struct index_place place;
	uint32_t i;

	index_open(&index);
	for (i = 1; i <= MANY; i++)
		insert(&index, i);
	check_int(index.count, MANY);
	for (i = 1; i <= MANY; i++)
		check(find(&index, i, &place));
	for (i = MANY + 1; i <= 2 * MANY; i++)
		check(!find(&index, i, &place));
	/* Between half full and full, on average. */
	check_between(index.segments, MANY / INDEX_SPLIT_AT,
	    2 * MANY / INDEX_SPLIT_AT + 8);
	for (i = 1; i <= MANY; i += 2)
		take_out(&index, i);
	for (i = 1; i <= MANY; i++)
		check_int(find(&index, i, &place), i % 2 == 0);
	for (i = 2; i <= MANY; i += 2)
		take_out(&index, i);
	check_int(index.count, 0);
	check_int(index.segments, 0);
	dismantle(&index);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_index, no_insert_or_removal_does_much_at_once)
{
	size_t worst = 0, before;
	struct index index;
	uint32_t i;

	index_open(&index);
	for (i = 1; i <= 4 * MANY; i++) {
		before = index.work;
		insert(&index, i);
		if (index.work - before > worst)
			worst = index.work - before;
	}
	/* Half a segment moves and a piece of the directory is written. */
	check_between(worst, INDEX_SPLIT_AT / 2 - 100, 4096);
	worst = 0;
	for (i = 1; i <= 4 * MANY; i++) {
		before = index.work;
		take_out(&index, i);
		if (index.work - before > worst)
			worst = index.work - before;
	}
	check_between(worst, 1, 4096);
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, no_insert_fetches_many_items)
{
	size_t worst = 0, before;
	struct index index;
	uint32_t i;

	index_open(&index);
	hashed = 0;
	for (i = 1; i <= 4 * MANY; i++) {
		before = hashed;
		insert(&index, i);
		if (hashed - before > worst)
			worst = hashed - before;
	}
	/* A split fetches those that are in no place of their own, one in ten. */
	check_between(worst, INDEX_LANES, INDEX_SPLIT_AT / 3);
	/* Each split has its items fetched once, after it. */
	check_between(hashed, 4 * MANY, 8 * MANY);
	dismantle(&index);
}

/* What a chunk says of an item is so. */
static void check_notes(const struct index_segment *segment, uint32_t at)
{
	const struct index_chunk *chunk = &segment->chunks[at];
	uint32_t hash32, lane;

	for (lane = 0; lane < INDEX_LANES; lane++) {
		if (chunk->tags[lane] == 0)
			continue;
		hash32 = (uint32_t)(hash_of(chunk->slots[lane]) >> 32);
		check_int(chunk->away >> lane & 1, index_home(hash32) != at);
		if (at < segment->learnt)
			check_int(chunk->upper >> lane & 1,
			    hash32 >> (31 - segment->depth) & 1);
	}
}

static void check_all_notes(const struct index *index)
{
	uint64_t at = 0;
	uint32_t i;

	do {
		for (i = 0; i < INDEX_CHUNKS; i++)
			check_notes(index_segment(index, at), i);
		at = index_after(index, at);
	} while (at != 0);
}

EVKV_TEST(unit_memory_index, chunks_know_what_lies_elsewhere_and_what_moves)
{
	struct index index;
	struct index_place place;
	uint32_t i;

	index_open(&index);
	for (i = 1; i <= MANY; i++) {
		insert(&index, i);
		if (i % 499 == 0)
			check_all_notes(&index);
	}
	for (i = 1; i < MANY; i++) {
		/* As a walk does, which meets an item where it lies. */
		check(find(&index, i, &place));
		place.home = INDEX_CHUNKS;
		index_place_home(&index, &place);
		check_int(place.home, index_home((uint32_t)(hash_of(i) >> 32)));
		take_out(&index, i);
		if (i % 499 == 0)
			check_all_notes(&index);
	}
	for (i = 1; i < MANY; i++) {
		insert(&index, i);
		if (i % 499 == 0)
			check_all_notes(&index);
	}
	dismantle(&index);
}

static void check_order(const struct index *index, size_t expected)
{
	struct index_item items[INDEX_SLOTS];
	uint32_t hash32 = 0, last = 0;
	size_t seen = 0, count, i;

	do {
		count = evkv__index_sorted(index, hash32, items);
		for (i = 0; i < count; i++) {
			check(items[i].hash32 >= last);
			check(items[i].hash32 >= hash32);
			last = items[i].hash32;
		}
		seen += count;
		hash32 = (uint32_t)(index_after(index,
					(uint64_t)hash32 << 32) >>
		    32);
	} while (hash32 != 0);
	check_int(seen, expected);
}

EVKV_TEST(unit_memory_index, walk_in_order_of_hash_is_complete)
{
	struct index index;
	uint32_t i;

	index_open(&index);
	for (i = 1; i <= MANY; i++) {
		insert(&index, i);
		if (i % 9973 == 0 || i < 3)
			check_order(&index, i);
	}
	check_order(&index, MANY);
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, items_of_one_hash_fill_a_segment_and_no_more)
{
	struct index index;
	struct index_place place;
	uint32_t i;

	/* What a keyed hash never gives; still nothing may go wrong. */
	index_open_with(&index, hashes_alike);
	for (i = 1; i <= INDEX_SLOTS; i++)
		check(evkv__index_insert(&index, 77, i, 0));
	check(!evkv__index_insert(&index, 77, i, 0));
	check_int(index.count, INDEX_SLOTS);
	for (i = INDEX_SLOTS; i > 0; i--) {
		place = index_locate(&index, 77, i);
		evkv__index_remove(&index, &place);
	}
	check(index_first(&index, 77, &place) == 0 ||
	    place.segment->count == 0);
	dismantle(&index);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_index, want_of_memory_leaves_it_as_it_was)
{
	struct index index;
	struct index_place place;
	uint32_t i, last = 0;

	index_open(&index);
	faults_fail_from(1);
	check(!evkv__index_insert(&index, 1, 1, 0));
	faults_off();
	for (i = 1; i <= 5000; i++) {
		if (i % 3 == 0)
			faults_fail_from(1);
		/* It may do without, as long as there is room. */
		if (evkv__index_insert(&index, hash_of(i), i, 0))
			last++;
		else
			check_int(i % 3, 0);
		faults_off();
	}
	check_int(index.count, last);
	for (i = 1; i <= 5000; i++) {
		if (i % 3 != 0)
			check(find(&index, i, &place));
	}
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, due_of_a_segment_is_the_lowest_of_its_items)
{
	struct index index;
	uint64_t at = 0;
	uint32_t i;

	index_open(&index);
	for (i = 1; i <= 3000; i++)
		check(evkv__index_insert(&index, hash_of(i), i, (int64_t)i));
	for (i = 1; i <= 3000; i++)
		check(index_segment(&index, hash_of(i))->due <= (int64_t)i);
	/* Halves of a split both have it; no segment is without. */
	do {
		check(index_segment(&index, at)->due <= 3000);
		at = index_after(&index, at);
	} while (at != 0);
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, moved_one_is_whole_and_leaves_an_empty_one)
{
	struct index from, to;
	struct index_place place;
	uint32_t i, size;

	for (size = 1; size <= 10000; size *= 100) {
		index_open(&from);
		for (i = 1; i <= size; i++)
			insert(&from, i);
		evkv__index_move(&to, &from);
		check_int(from.count, 0);
		insert(&from, 1);
		for (i = 1; i <= size; i++)
			check(find(&to, i, &place));
		while (evkv__index_dismantle(&from))
			;
		dismantle(&to);
	}
}

/* ---- Dues ----------------------------------------------------------- */

static int64_t due_of(uint32_t number)
{
	return 1000 + (int64_t)(hash_of(number) % 100000);
}

/* No segment is due later than something in it; the earliest is first. */
static void check_dues(const struct index *index, const bool *in, uint32_t most)
{
	int64_t earliest = INT64_MAX;
	uint32_t i;

	for (i = 1; i <= most; i++) {
		if (!in[i])
			continue;
		check(index_segment(index, hash_of(i))->due <= due_of(i));
		if (index_segment(index, hash_of(i))->due < earliest)
			earliest = index_segment(index, hash_of(i))->due;
	}
	check_int(index_earliest_due(index), earliest);
	if (earliest != INT64_MAX)
		check_int(index_earliest(index)->due, earliest);
}

EVKV_TEST(unit_memory_index, segments_keep_the_earliest_due_of_what_they_join)
{
	static bool in[5001];
	struct index index;
	uint32_t i;

	index_open(&index);
	memset(in, 0, sizeof(in));
	for (i = 1; i <= 5000; i++) {
		check(evkv__index_insert(&index, hash_of(i), i, due_of(i)));
		in[i] = true;
	}
	check_dues(&index, in, 5000);
	/* By and by, so that neighbours are joined again and again. */
	for (i = 1; i < 5000; i++) {
		take_out(&index, i);
		in[i] = false;
		if (i % 250 == 0)
			check_dues(&index, in, 5000);
	}
	check_int(index.segments, 1);
	check(index_earliest_due(&index) <= due_of(5000));
	take_out(&index, 5000);
	check(index_earliest(&index) == NULL);
	dismantle(&index);
}

/* Each segment has a due of its own; of two that are joined the earlier. */
EVKV_TEST(unit_memory_index, joins_keep_the_earlier_of_two_dues)
{
	static int64_t dues[5001]; /* of the segment that an item was in */
	struct index_segment *segment;
	struct index index;
	uint32_t i, left;

	index_open(&index);
	for (i = 1; i <= 5000; i++)
		insert(&index, i);
	for (i = 1; i <= 5000; i++) {
		segment = index_segment(&index, hash_of(i));
		if (segment->due == INT64_MAX)
			evkv__index_set_due(&index, segment, due_of(i));
		dues[i] = segment->due;
	}
	for (i = 1; i < 5000; i++) {
		take_out(&index, i);
		for (left = i + 1; left <= 5000 && i % 50 == 0; left++)
			check(index_segment(&index, hash_of(left))->due <=
			    dues[left]);
	}
	check_int(index.segments, 1);
	take_out(&index, 5000);
	dismantle(&index);
}

EVKV_TEST(unit_memory_index, earliest_is_known_whatever_is_set)
{
	static bool in[3001];
	struct index_segment *segment;
	struct index index;
	uint32_t i;
	int64_t due;

	index_open(&index);
	memset(in, 0, sizeof(in));
	for (i = 1; i <= 3000; i++)
		insert(&index, i);
	check(index_earliest(&index) == NULL);
	for (i = 1; i <= 3000; i++) {
		segment = index_segment(&index, hash_of(i));
		due = i % 3 == 0 ? INT64_MAX : due_of(i);
		evkv__index_set_due(&index, segment, due);
		index_lower_due(&index, segment, INT64_MAX); /* no lower */
		check_int(segment->due, due);
		check(index_earliest_due(&index) <= due);
	}
	/* All later than any by its turn, until none is. */
	while ((segment = index_earliest(&index)) != NULL) {
		due = segment->due;
		evkv__index_set_due(&index, segment, INT64_MAX);
		check(index_earliest_due(&index) >= due);
	}
	dismantle(&index);
}
