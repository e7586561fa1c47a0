/* How entries of the bounded table end: cleared, destroyed or expired. */
#include <stdio.h>

#include "table_kit.h"

/* ---- What was cleared ----------------------------------------------- */

EVKV_TEST(unit_memory_table_ends, clearing_counts_what_had_not_expired)
{
	struct memory_tally tally = { .now_us = 50 };
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 1000; i++) {
		kit_key(name, sizeof(name), i);
		kit_put_at(&table, "a", evkv_str(name), EVKV_LIT("v"),
		    i % 4 == 0 ? 50 : 51, 0);
		kit_put(&table, "b", name, "v");
	}
	evkv__table_clear(&table, evkv__table_collection(&table, EVKV_LIT("a")),
	    &tally);
	check_int(tally.left, 1000);
	check(kit_get(&table, "a", "key-1") == NULL);
	check_int(evkv__table_count(&table), 1000);
	/* A new one of that name has nothing to do with it. */
	kit_put(&table, "a", "key-1", "new");
	kit_check_sound(&table);
	while (evkv__table_reclaim(&table, 100))
		;
	check_int(tally.left, 0);
	check_int(tally.removed, 750);
	check_int(table.space.entries.count, 1001);
	check_slice(evkv_value_bytes(&kit_get(&table, "a", "key-1")->value),
	    "new");
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, clearing_all_again_and_again_piles_nothing_up)
{
	struct memory_table table;
	size_t most = 0;
	uint32_t i, round;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 1000; i++)
			kit_put_number(&table, i, MEMORY_NEVER);
		if (table.bytes > most)
			most = table.bytes;
		check(evkv__table_clear_all(&table, NULL));
		check_int(evkv__table_count(&table), 0);
	}
	/* Each put frees more than it adds: never much over two rounds. */
	check(most < 100 * 1000 * 3);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, cleared_keys_come_again_without_end)
{
	struct memory_table table;
	uint32_t i;

	/* They hash alike, each time. */
	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 5000; i++) {
		check_status(kit_put(&table, "c", "k", "v"), EVKV_OK);
		evkv__table_clear(&table,
		    evkv__table_collection(&table, EVKV_LIT("c")), NULL);
	}
	check(table.space.entries.count < INDEX_SLOTS);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, collections_without_entries_are_given_up)
{
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		kit_put(&table, name, "k", "v");
		check(EVKV_OK ==
		    evkv__table_delete(&table,
			evkv__table_collection(&table, evkv_str(name)),
			EVKV_LIT("k"), NULL, 0));
	}
	check(table.space.collections.count <= 2);
	evkv__table_end(&table);
}

/* ---- Expiry -------------------------------------------------------- */

EVKV_TEST(unit_memory_table_ends, sweep_finds_all_that_has_expired)
{
	struct memory_table table;
	size_t before, worst = 0;
	uint32_t i, steps = 0;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 20000; i++)
		kit_put_number(&table, i, i % 2 == 0 ? 1000 + i : MEMORY_NEVER);
	check_int(table_next_due(&table), 1000);
	for (;; steps++) {
		before = table.work;
		if (evkv__table_sweep(&table, 11000) == SWEEP_ENDED)
			break;
		if (table.work - before > worst)
			worst = table.work - before;
	}
	check_int(evkv__table_count(&table), 20000 - 5001);
	/* A segment at a time, and it knows when the next one is due. */
	check_between(worst, INDEX_SPLIT_AT / 2, INDEX_SLOTS);
	check_between(steps, 20000 / INDEX_SLOTS, 20000);
	check_int(table_next_due(&table), 11002);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, sweep_of_nothing_due_looks_at_no_entry)
{
	struct memory_table table;
	size_t before;
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 20000; i++)
		kit_put_number(&table, i, 5000 + i);
	before = table.work;
	while (evkv__table_sweep(&table, 4999) != SWEEP_ENDED)
		;
	check_int(table.work, before);
	check_int(table_next_due(&table), 5000);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, knows_whether_a_collection_is_alive)
{
	struct memory_walk walk = { .now_us = 60 };
	struct memory_collection *record;
	struct memory_table table;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	kit_put_at(&table, "c", EVKV_LIT("a"), EVKV_LIT("v"), 50, 0);
	record = evkv__table_collection(&table, EVKV_LIT("c"));
	check_int(evkv__collection_alive(record, 49), ALIVE_YES);
	check_int(evkv__collection_alive(record, 50), ALIVE_NO);
	kit_put_at(&table, "c", EVKV_LIT("b"), EVKV_LIT("v"), 70, 0);
	kit_put_at(&table, "c", EVKV_LIT("d"), EVKV_LIT("v"), 65, 0);
	check_int(evkv__collection_alive(record, 69), ALIVE_YES);
	/* The one that would have lived longest goes. */
	evkv__table_delete(&table, record, EVKV_LIT("b"), NULL, 0);
	check_int(evkv__collection_alive(record, 60), ALIVE_UNKNOWN);
	while (evkv__table_walk(&table, &walk))
		;
	check_int(walk.expired, 1);
	check_int(evkv__collection_alive(record, 60), ALIVE_YES);
	kit_put(&table, "c", "e", "v");
	check_int(evkv__collection_alive(record, 900), ALIVE_YES);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_ends, conditions_do_not_see_what_has_expired)
{
	struct memory_table table;
	struct memory_collection *record;
	struct memory_put one = {
		.key = EVKV_LIT("k"),
		.value = EVKV_LIT("v"),
		.expires_at_us = 100,
	};

	check(evkv__table_init(&table, 0, 0, 1, 2));
	record = evkv__table_collection_make(&table, EVKV_LIT("c"));
	one.condition = EVKV_IF_PRESENT;
	check_status(evkv__table_put(&table, record, &one, 0), EVKV_NOT_FOUND);
	one.condition = EVKV_IF_ABSENT;
	check_status(evkv__table_put(&table, record, &one, 0), EVKV_OK);
	check_status(evkv__table_put(&table, record, &one, 99), EVKV_EXISTS);
	one.condition = EVKV_IF_PRESENT;
	check_status(evkv__table_put(&table, record, &one, 100),
	    EVKV_NOT_FOUND);
	one.condition = EVKV_IF_ABSENT;
	one.expires_at_us = 200;
	check_status(evkv__table_put(&table, record, &one, 100), EVKV_OK);
	check(EVKV_NOT_FOUND ==
	    evkv__table_touch(&table, record, one.key, NULL, 900, 200));
	check(EVKV_NOT_FOUND ==
	    evkv__table_delete(&table, record, one.key, NULL, 200));
	check_int(table.space.entries.count, 0);
	evkv__table_end(&table);
}
