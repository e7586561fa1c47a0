/* The memory store: bounds, options, expiry, pages. */
#include "bed.h"

#include <stdlib.h>

#include "core/store.h"
#include "evkv/open.h"
#include "lib/faults.h"
#include "lib/test.h"

/* ---- Bounds -------------------------------------------------------- */

EVKV_TEST(unit_memory_store, counts_entries_bytes_and_evictions)
{
	struct evkv_counters counters;
	struct bed bed;

	bed_open(&bed, 100, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 250, 0);
	counters = bed_counters(&bed);
	check_int(counters.entries, 100);
	check_int(counters.evictions, 150);
	check_between(counters.bytes, 100 * 70, 100 * 160);
	check_int(bed_count_keys(&bed, COLLECTION), 100);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, too_large_is_told_per_entry)
{
	static char large[5000];
	struct evkv_slice keys[3] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct evkv_slice values[3] = { EVKV_LIT("1"),
		evkv_bytes(large, sizeof(large)), EVKV_LIT("3") };
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 4096);
	evkv_put_many(bed.store, COLLECTION, keys, values, 3, 0, answer_cb,
	    &answer);
	bed_wait(&bed, &answer);
	check_status(answer.status, EVKV_TOO_LARGE);
	check_contains(answer.message, "max_bytes");
	check_status(answer.entries[0].status, EVKV_OK);
	check_status(answer.entries[1].status, EVKV_TOO_LARGE);
	check_status(answer.entries[2].status, EVKV_OK);
	check_int(answer.affected, 2);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, room_for_a_large_value_is_made_by_and_by)
{
	size_t bound = 2000000;
	struct bed bed;
	char *large = calloc(1, 100000);

	bed_open(&bed, 0, bound);
	bed_put_numbers(&bed, COLLECTION, 0, 30000, 0);
	check(bed_counters(&bed).bytes > bound - 200);
	check_status(bed_put_ttl(&bed, COLLECTION, EVKV_LIT("large"),
			 evkv_bytes(large, 100000), 0),
	    EVKV_OK);
	check(bed_counters(&bed).bytes <= bound + bound / 16);
	rig_settle(&bed.rig);
	check(bed_counters(&bed).bytes <= bound);
	free(large);
	bed_close(&bed);
}

/* ---- Construction -------------------------------------------------- */

EVKV_TEST(unit_memory_store, options_and_their_defaults)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, &error);
	check_int(store_self_of(store)->table.max_bytes, 64 << 20);
	check(store_self_of(store)->table.max_entries == SIZE_MAX);
	evkv_store_unref(store);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_entries = 7 }, &error);
	check_int(store_self_of(store)->table.max_entries, 7);
	check(store_self_of(store)->table.max_bytes == SIZE_MAX);
	evkv_store_unref(store);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_bytes = 4095 }, &error);
	check(store == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "max_bytes");
	rig_close(&rig);
}

EVKV_TEST(unit_memory_store, opens_by_url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop, "memory:?max_entries=100000&max_bytes=64m",
	    &error);
	check(store != NULL);
	check_int(store_self_of(store)->table.max_entries, 100000);
	check_int(store_self_of(store)->table.max_bytes, 64 << 20);
	check(!store_self_of(store)->table.by_size);
	evkv_store_unref(store);
	store = evkv_open(rig.loop, "memory:?evict=size", &error);
	check(store_self_of(store)->table.by_size);
	check(!store_self_of(store)->table.heap->ahead.off);
	evkv_store_unref(store);
	store = evkv_open(rig.loop, "memory:?small_pages=yes", &error);
	check(store_self_of(store)->table.heap->ahead.off);
	evkv_store_unref(store);
	check(evkv_memory_new(rig.loop,
		  &(struct evkv_memory_options){
		      .evict = (enum evkv_memory_evict)2 },
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	check(evkv_open(rig.loop, "memory:?max_bytes=1k", &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "max_bytes");
	evkv_error_clear(&error);
	check(evkv_open(rig.loop, "memory:?max_byte=1m", &error) == NULL);
	check_contains(error.message, "max_byte");
	rig_close(&rig);
}

/* ---- Expiry -------------------------------------------------------- */

EVKV_TEST(unit_memory_store, what_has_expired_is_given_back_untouched)
{
	struct bed bed;
	size_t before;
	int ticks;

	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 2000, 0);
	before = bed_counters(&bed).bytes;
	bed_put_numbers(&bed, EVKV_LIT("expiring"), 0, 20000, 5000);
	check_int(bed_counters(&bed).entries, 22000);
	rig_advance(&bed.rig, 4999);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 22000);
	rig_advance(&bed.rig, 101);
	/* One timer, then steps as long as they find much. */
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 2000);
	check_int(bed_counters(&bed).bytes, before);
	/* Nothing is left that could expire: no timer. */
	for (ticks = 0; ticks < 100; ticks++)
		rig_advance(&bed.rig, 1000);
	check_int(store_self_of(bed.store)->timer.position, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, scattered_expiry_is_given_back_within_bounds)
{
	char name[16];
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	for (i = 0; i < 10000; i++)
		evkv_put(bed.store, COLLECTION,
		    number_key(name, sizeof(name), i), EVKV_LIT("v"), 1 + i,
		    NULL, NULL);
	for (i = 0; i < 100; i++) {
		rig_advance(&bed.rig, 100);
		rig_settle(&bed.rig);
		/* One put anew each time: the sweep goes on among writes. */
		bed_put(&bed, "stays", "v");
		check(bed_counters(&bed).entries <=
		    10000 - i * 100 + (10000 - i * 100) / 4 + 1000);
	}
	rig_advance(&bed.rig, 200);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 1);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, earlier_expiry_moves_the_sweep_forward)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("late"), EVKV_LIT("v"), 100000);
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("soon"), EVKV_LIT("v"), 200);
	rig_advance(&bed.rig, 250);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 1);
	/* By touch as well. */
	evkv_touch(bed.store, COLLECTION, EVKV_LIT("late"), 300, NULL, NULL);
	rig_advance(&bed.rig, 350);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).entries, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, remaining_ttl_never_rounds_up)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("k"), EVKV_LIT("v"), 10);
	bed.rig.now_us += 2500;
	evkv_ttl(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	bed_wait(&bed, &answer);
	check_int(answer.entries[0].ttl_ms, 7);
	/* But it is never 0, which would be "for ever". */
	bed.rig.now_us += 7400;
	answer_reset(&answer);
	evkv_ttl(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	bed_wait(&bed, &answer);
	check_int(answer.entries[0].ttl_ms, 1);
	answer_free(&answer);
	bed_close(&bed);
}

/* ---- Enumeration --------------------------------------------------- */

EVKV_TEST(unit_memory_store, pages_survive_growth_and_shrinking)
{
	static unsigned char seen[4000];
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	unsigned number, page = 0;
	size_t size = 0, i;
	struct bed bed;

	memset(seen, 0, sizeof(seen));
	bed_open(&bed, 0, 0);
	bed_put_numbers(&bed, COLLECTION, 0, 4000, 0);
	do {
		answer_reset(&answer);
		evkv_submit(bed.store,
		    &(struct evkv_request){
			.kind = EVKV_OP_KEYS,
			.collection = COLLECTION,
			.match.cursor = evkv_bytes(cursor, size),
			.match.limit = 50,
		    },
		    answer_cb, &answer);
		bed_wait(&bed, &answer);
		check(answer.count <= 60);
		for (i = 0; i < answer.count; i++) {
			number = key_number(answer.entries[i].name);
			if (number < 4000)
				check_int(seen[number]++, 0);
		}
		size = answer.cursor.size;
		if (size > 0)
			memcpy(cursor, answer.cursor.data, size);
		/* Many come, then go again. */
		page++;
		if (page % 2 == 1)
			bed_put_numbers(&bed, COLLECTION, 10000, 14000, 0);
		else
			bed_affected_by(&bed,
			    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
				.collection = COLLECTION,
				.match.prefix = EVKV_LIT("key-01") });
	} while (size > 0);
	for (i = 0; i < 4000; i++)
		check_int(seen[i], 1);
	answer_free(&answer);
	bed_close(&bed);
}

/* What a page costs grows with the pattern too, so it ends earlier. */
EVKV_TEST(unit_memory_store, a_long_pattern_makes_pages_short)
{
	struct answer put = ANSWER_INIT, answer = ANSWER_INIT;
	char key[600], pattern[EVKV_PATTERN_MAX];
	struct bed bed;
	int i;

	bed_open(&bed, 0, 0);
	memset(key, 'a', sizeof(key));
	memset(pattern, '?', sizeof(pattern));
	for (i = 0; i < 50; i++) {
		key[0] = (char)('A' + i);
		evkv_put(bed.store, COLLECTION, evkv_bytes(key, sizeof(key)),
		    EVKV_LIT("v"), 0, answer_cb, &put);
		bed_wait(&bed, &put);
		answer_reset(&put);
	}
	evkv_keys(bed.store, COLLECTION, evkv_bytes(pattern, sizeof(pattern)),
	    EVKV_LIT(""), 0, answer_cb, &answer);
	bed_wait(&bed, &answer);
	check_int(answer.count, 0);
	check(answer.cursor.size > 0);
	answer_free(&put);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, collection_of_nothing_but_expired_is_not_named)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put_ttl(&bed, EVKV_LIT("a"), EVKV_LIT("long"), EVKV_LIT("v"), 9000);
	bed_put_ttl(&bed, EVKV_LIT("a"), EVKV_LIT("short"), EVKV_LIT("v"), 10);
	bed_put_ttl(&bed, EVKV_LIT("b"), EVKV_LIT("long"), EVKV_LIT("v"), 9000);
	bed_put_ttl(&bed, EVKV_LIT("b"), EVKV_LIT("middle"), EVKV_LIT("v"),
	    5000);
	bed_put_ttl(&bed, EVKV_LIT("d"), EVKV_LIT("k"), EVKV_LIT("v"), 10);
	evkv_delete(bed.store, EVKV_LIT("a"), EVKV_LIT("long"), NULL, NULL);
	evkv_delete(bed.store, EVKV_LIT("b"), EVKV_LIT("long"), NULL, NULL);
	bed.rig.now_us += 10 * 1000;
	evkv_collections(bed.store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	bed_wait(&bed, &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "b");
	answer_free(&answer);
	bed_close(&bed);
}

/* Of which it takes a walk to tell whether an entry is left alive. */
static void put_in_doubt(struct bed *bed, struct evkv_slice collection)
{
	bed_put_ttl(bed, collection, EVKV_LIT("short"), EVKV_LIT("v"), 100);
	bed_put_ttl(bed, collection, EVKV_LIT("long"), EVKV_LIT("v"), 1000);
	evkv_delete(bed->store, collection, EVKV_LIT("long"), NULL, NULL);
	rig_settle(&bed->rig);
}

EVKV_TEST(unit_memory_store, collections_in_doubt_that_do_not_match_are_let_be)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_in_doubt(&bed, EVKV_LIT("doubt"));
	bed_put_ttl(&bed, EVKV_LIT("sure"), EVKV_LIT("k"), EVKV_LIT("v"), 0);
	evkv_collections(bed.store, EVKV_LIT("s*"), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	check(store_self_of(bed.store)->jobs == NULL);
	bed_wait(&bed, &answer);
	check_int(answer.count, 1);
	answer_reset(&answer);
	evkv_collections(bed.store, EVKV_LIT("d*"), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	check(store_self_of(bed.store)->jobs != NULL);
	bed_wait(&bed, &answer);
	check_int(answer.count, 1);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, collections_in_doubt_fail_without_names)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	size_t n;

	bed_open(&bed, 0, 0);
	put_in_doubt(&bed, EVKV_LIT("doubt"));
	for (n = 1; n < 10; n++) {
		faults_fail_nth(n);
		evkv_collections(bed.store, EVKV_LIT(""), EVKV_LIT(""), 0,
		    answer_cb, &answer);
		bed_wait(&bed, &answer);
		faults_off();
		check_int(answer.count, answer.status == EVKV_OK);
		answer_reset(&answer);
	}
	answer_free(&answer);
	bed_close(&bed);
}

/* In one turn, before any sweep. */
EVKV_TEST(unit_memory_store, what_has_expired_makes_room_before_any_other)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	char key[16];
	unsigned i;

	bed_open(&bed, 2000, 0);
	for (i = 0; i < 1000; i++) {
		bed_put_numbers(&bed, COLLECTION, i, i + 1, 0);
		bed_put_numbers(&bed, COLLECTION, 5000 + i, 5001 + i, 10);
	}
	bed.rig.now_us += 10000;
	for (i = 9000; i < 10000; i++)
		evkv_put(bed.store, COLLECTION, number_key(key, sizeof(key), i),
		    EVKV_LIT("v"), 0, NULL, NULL);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).evictions, 0);
	check_int(bed_counters(&bed).entries, 2000);
	for (i = 0; i < 1000; i++) {
		answer_reset(&answer);
		evkv_get(bed.store, COLLECTION, number_key(key, sizeof(key), i),
		    answer_cb, &answer);
		bed_wait(&bed, &answer);
		check_status(answer.status, EVKV_OK);
	}
	answer_free(&answer);
	bed_close(&bed);
}
