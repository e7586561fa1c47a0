/*
 * The index in memory, and what it takes; places, checksums, coarse times.
 */
#include <stdlib.h>

#include "evkv/alloc.h"
#include "lib/faults.h"
#include "lib/test.h"
#include "stores/log/crc32c.h"
#include "stores/log/format.h"
#include "stores/log/index.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

EVKV_TEST(log_index, places_keep_what_they_are_made_of)
{
	uint64_t size, place;

	for (size = 8; size < (uint64_t)1 << 33; size += 8 + size / 7 / 8 * 8) {
		place = evkv__log_place(7, 123456 * 8, size);
		check_int(log_place_slot(place), 7);
		check_int(log_place_offset(place), 123456 * 8);
		check(evkv__log_place_size(place) >= size);
		check(evkv__log_place_size(place) <= size + size / 8 + 8);
	}
}

EVKV_TEST(log_index, checksums_are_those_of_the_standard)
{
	unsigned char bytes[1000];
	size_t i;

	check(evkv__crc32c(0, "123456789", 9) == 0xe3069283);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)random_next();
	for (i = 0; i < sizeof(bytes); i++) {
		check(evkv__crc32c(0, bytes, i) ==
		    evkv__crc32c_table(0, bytes, i));
		check(evkv__crc32c(evkv__crc32c(0, bytes, i / 2), bytes + i / 2,
			  i - i / 2) == evkv__crc32c(0, bytes, i));
	}
}

/* SipHash-1-3 of 128 bits: what other versions of us have written is found. */
EVKV_TEST(log_index, hashes_are_those_of_the_standard)
{
	static const struct {
		const char *name;
		uint64_t high, low;
	} rows[] = {
		{ "", 0xbea58827b2bc7ee7, 0x013030dd6adb62fd },
		{ "abc", 0xe81efa46153f7543, 0x01d65f4901d5d4b2 },
		{ "twelve bytes", 0x7da6c6e9cf1f3982, 0x1eac35ddac70ec84 },
		{ "sixteen bytes...", 0xd0b92e453940e5f6, 0x8ad6f93a7a1bfcd1 },
	};
	const struct log_hash_key key = {
		.words = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 },
		.mask = UINT64_MAX,
	};
	struct log_hash hash;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		hash = evkv__log_hash_in(&key, 0, evkv_str(rows[i].name));
		check(hash.high == rows[i].high && hash.low == rows[i].low);
	}
}

EVKV_TEST(log_index, coarse_times_are_rounded_up)
{
	int64_t ms;

	check_int(log_coarse(0), 0);
	for (ms = LOG_EPOCH_MS - 5000; ms < LOG_EPOCH_MS + 9000; ms += 333) {
		uint32_t coarse = log_coarse((uint64_t)ms);

		check(coarse != 0);
		check(!log_coarse_over(coarse, ms - 1));
		check(log_coarse_due(coarse, ms));
	}
	check(log_coarse_over(log_coarse((uint64_t)LOG_EPOCH_MS + 5000),
	    LOG_EPOCH_MS + 5000));
}

EVKV_TEST(log_index, tags_tell_collections_and_names)
{
	static const uint32_t numbers[] = { 0, 1, 1023, 1024, 70000,
		INT32_MAX };
	size_t i, j;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint32_t tag = log_tag(numbers[i], UINT64_MAX);

		check_int(log_tag_collection(tag), numbers[i]);
		check(log_tag_full(tag) == (numbers[i] < 1024));
		check((log_tag(numbers[i], 1u << 20) !=
			  log_tag(numbers[i], 0)) == log_tag_full(tag));
		for (j = 0; j < i; j++)
			check(log_tag(numbers[j], UINT64_MAX) != tag);
	}
}

/* All that is in it, once, in order. */
static size_t walk_all(const struct log_index *index)
{
	struct log_entry entries[100];
	uint64_t hash = 0, last = 0;
	size_t all = 0, count, i;
	bool more = true;

	while (more) {
		count = evkv__log_index_walk(index, hash, entries, 100, &more);
		for (i = 0; i < count; i++) {
			check(entries[i].hash >= last);
			last = entries[i].hash;
		}
		all += count;
		hash = last + 1;
		more = more && hash != 0;
	}
	return all;
}

EVKV_TEST(log_index, entries_are_found_until_they_are_removed)
{
	size_t most = 60000, i;
	uint64_t *hashes = malloc(most * sizeof(*hashes));
	struct log_index index;
	struct log_entry *entry;

	check(hashes != NULL && evkv__log_index_init(&index));
	for (i = 0; i < most; i++) {
		/* Some that are the same, some that lie close. */
		hashes[i] = i % 50 == 49 ? hashes[i - 1]
		    : i % 10 == 9        ? hashes[i - 1] + 1
					 : random_next();
		check(evkv__log_index_insert(&index,
		    &(struct log_entry){
			.hash = hashes[i], .place = (i + 1) << 40 }));
		if (i > 5000)
			check(index.bytes <= (i + 1) * 32);
	}
	check_int(walk_all(&index), most);
	for (i = 0; i < most; i++) {
		entry = evkv__log_index_at(&index, hashes[i], (i + 1) << 40);
		check(entry != NULL);
		if (i % 3 == 0)
			evkv__log_index_remove(&index, entry);
	}
	for (i = 0; i < most; i++)
		check((evkv__log_index_at(&index, hashes[i], (i + 1) << 40) !=
			  NULL) == (i % 3 != 0));
	for (i = 0; i < most; i++) {
		/* There is none of the next hash, or it is of that hash. */
		entry = evkv__log_index_first(&index, hashes[i] + 1);
		check(entry == NULL || entry->hash == hashes[i] + 1);
		entry = evkv__log_index_first(&index, hashes[i]);
		check(entry == NULL || entry->hash == hashes[i]);
		check(entry != NULL || i % 3 == 0);
	}
	check_int(walk_all(&index), index.entries);
	check_int(index.entries, most - (most + 2) / 3);
	evkv__log_index_free(&index);
	free(hashes);
}

/* ---- Memory -------------------------------------------------------------- */

#define COUNT_ROOM 16 /* before each block: its size */

static size_t counted;

static void *count_allocate(size_t size, void *arg)
{
	unsigned char *block = malloc(size + COUNT_ROOM);

	(void)arg;
	if (block == NULL)
		return NULL;
	memcpy(block, &size, sizeof(size));
	counted += size;
	return block + COUNT_ROOM;
}

static void count_release(void *memory, void *arg)
{
	unsigned char *block = (unsigned char *)memory - COUNT_ROOM;
	size_t size;

	(void)arg;
	memcpy(&size, block, sizeof(size));
	counted -= size;
	free(block);
}

static void check_counted(const struct log_index *index, size_t entries)
{
	size_t bytes = index->bytes, held = counted;

	if (bytes == held)
		return;
	faults_install();
	fail_test("at %zu entries: %zu bytes are told, %zu are held", entries,
	    bytes, held);
}

/* While it grows, by segments and by its directory, and shrinks. */
EVKV_TEST(log_index, what_it_takes_is_told_exactly)
{
	const struct evkv_allocator counting = { .allocate = count_allocate,
		.release = count_release };
	uint64_t hashes[30000];
	struct log_index_build build;
	struct log_index index;
	size_t i;

	evkv_set_allocator(&counting);
	counted = 0;
	check(evkv__log_index_init(&index));
	for (i = 0; i < 30000; i++) {
		hashes[i] = random_next();
		check(evkv__log_index_insert(&index,
		    &(struct log_entry){ .hash = hashes[i], .place = 5 }));
		if (i % 100 == 0)
			check_counted(&index, i);
	}
	for (i = 0; i < 30000; i++)
		evkv__log_index_remove(&index,
		    evkv__log_index_first(&index, hashes[i]));
	check_counted(&index, 0);
	evkv__log_index_free(&index);
	check(evkv__log_build_begin(&build, &index, 30000));
	for (i = 0; i < 30000; i++)
		check(evkv__log_build_add(&build,
		    &(struct log_entry){
			.hash = UINT64_MAX / 30000 * i, .place = 5 }));
	check(evkv__log_build_end(&build));
	check_counted(&index, 30000);
	evkv__log_index_free(&index);
	check_counted(&index, 0);
	faults_install();
}

/* Whoever knew the key of the hashes: slow, but right, and bounded. */
EVKV_TEST(log_index, hashes_that_are_all_alike_cost_no_memory)
{
	struct log_index index;
	size_t i;

	check(evkv__log_index_init(&index));
	for (i = 0; i < 5000; i++)
		check(evkv__log_index_insert(&index,
		    &(struct log_entry){
			.hash = UINT64_MAX - i % 3, .place = (i + 1) << 40 }));
	check(index.bytes < 5000 * 64);
	for (i = 0; i < 5000; i++)
		check(evkv__log_index_at(&index, UINT64_MAX - i % 3,
			  (i + 1) << 40) != NULL);
	evkv__log_index_free(&index);
}

static int entry_compare(const void *a, const void *b)
{
	const struct log_entry *one = a, *two = b;

	return (one->hash > two->hash) - (one->hash < two->hash);
}

EVKV_TEST(log_index, one_that_is_built_is_like_one_that_has_grown)
{
	size_t counts[] = { 0, 1, 15, 3000, 50000 }, c, i;
	struct log_index_build build;
	struct log_index index;
	struct log_entry *entries = calloc(50000, sizeof(*entries));

	check(entries != NULL);
	for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (i = 0; i < counts[c]; i++)
			entries[i] = (struct log_entry){ .hash = random_next(),
				.place = (i + 1) << 40 };
		qsort(entries, counts[c], sizeof(*entries), entry_compare);
		/* Many more were expected. */
		check(evkv__log_build_begin(&build, &index, counts[c] * 2));
		for (i = 0; i < counts[c]; i++)
			check(evkv__log_build_add(&build, &entries[i]));
		check(evkv__log_build_end(&build));
		check_int(index.entries, counts[c]);
		check_int(walk_all(&index), counts[c]);
		for (i = 0; i < counts[c]; i++)
			check(evkv__log_index_at(&index, entries[i].hash,
				  entries[i].place) != NULL);
		for (i = 0; i < 1000; i++)
			check(evkv__log_index_insert(&index,
			    &(struct log_entry){
				.hash = random_next(), .place = 5 }));
		evkv__log_index_free(&index);
	}
	free(entries);
}
