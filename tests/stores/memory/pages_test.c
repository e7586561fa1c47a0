/* Pages of names whose hashes are the same, which only injected ones are. */
#include "bed.h"

#include "core/store.h"
#include "lib/test.h"

#define GROUPS 3
#define SAME 4

static uint64_t hash_of[GROUPS * SAME];

static void injected(const struct slab_regions *regions,
    const uint32_t *entries, size_t count, uint32_t *hashes)
{
	const struct memory_entry *entry;
	size_t i;

	for (i = 0; i < count; i++) {
		entry = slab_at(regions, entries[i]);
		hashes[i] = (uint32_t)(hash_of[key_number(entry_key(entry))] >>
		    32);
	}
}

static void put_hashed(struct bed *bed, unsigned number, uint64_t hash)
{
	struct memory_table *table =
	    (struct memory_table *)(uintptr_t)&store_self_of(bed->store)->table;
	struct memory_collection *record;
	struct memory_put put = { .value = EVKV_LIT("v"),
		.expires_at_us = MEMORY_NEVER };
	char key[16];

	table->space.entries.hash = injected;
	hash_of[number] = hash;
	record = evkv__table_collection_make(table, COLLECTION);
	put.key = number_key(key, sizeof(key), number);
	check_status(evkv__table_put_hashed(table, record, &put, hash, 0),
	    EVKV_OK);
}

/* By pages of `limit`; each name once, and those of one hash on one page. */
static void check_pages(struct bed *bed, size_t limit)
{
	unsigned seen[GROUPS * SAME] = { 0 }, pages = 0;
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	size_t size = 0, i;

	do {
		answer_reset(&answer);
		evkv_submit(bed->store,
		    &(struct evkv_request){
			.kind = EVKV_OP_KEYS,
			.collection = COLLECTION,
			.match.cursor = evkv_bytes(cursor, size),
			.match.limit = limit,
		    },
		    answer_cb, &answer);
		bed_wait(bed, &answer);
		check_status(answer.status, EVKV_OK);
		check_int(answer.count % SAME, 0);
		for (i = 0; i < answer.count; i++)
			seen[key_number(answer.entries[i].name)]++;
		size = answer.cursor.size;
		if (size > 0)
			memcpy(cursor, answer.cursor.data, size);
		check(++pages <= GROUPS + 1);
	} while (size > 0);
	for (i = 0; i < GROUPS * SAME; i++)
		check_int(seen[i], 1);
	answer_free(&answer);
}

EVKV_TEST(unit_memory_pages, names_of_one_hash_are_never_torn_apart)
{
	struct bed bed;
	uint64_t hash;
	unsigned i;

	bed_open(&bed, 0, 0);
	for (i = 0; i < GROUPS * SAME; i++) {
		hash = (uint64_t)(i % GROUPS) << 62 | UINT64_C(7) << 32 | i;
		put_hashed(&bed, i, hash);
	}
	for (i = 1; i <= GROUPS * SAME + 1; i++)
		check_pages(&bed, i);
	bed_close(&bed);
}

/* A cursor may be shown to those who choose keys; a hash must not. */
EVKV_TEST(unit_memory_pages, cursors_do_not_show_hashes)
{
	const unsigned char hash32[4] = { 0x40, 0, 0, 7 };
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	put_hashed(&bed, 0, 1);
	put_hashed(&bed, 1, UINT64_C(0x4000000700000000));
	evkv_submit(bed.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS,
		.collection = COLLECTION,
		.match.limit = 1,
	    },
	    answer_cb, &answer);
	bed_wait(&bed, &answer);
	check_int(answer.count, 1);
	check(answer.cursor.size > 4);
	for (i = 0; i + 4 <= answer.cursor.size; i++)
		check(memcmp((const char *)answer.cursor.data + i, hash32, 4) !=
		    0);
	answer_free(&answer);
	bed_close(&bed);
}
