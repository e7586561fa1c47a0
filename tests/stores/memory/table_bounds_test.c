/* The bounded table at its bounds: what it evicts, and what does not fit. */
#include "table_kit.h"

/* Of 64 entries 4 are on probation: what is never used goes from those. */
EVKV_TEST(unit_memory_table_bounds, evicts_in_order_of_age_what_is_never_used)
{
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 64, 0, 1, 2));
	for (i = 0; i < 100; i++) {
		kit_put_number(&table, i, MEMORY_NEVER);
		check_int(evkv__table_count(&table), i < 64 ? i + 1 : 64);
		if (i < 64)
			continue;
		/* The oldest of them has gone, and that one alone. */
		check_int(table.evictions, i - 63);
		check_bytes(entry_key(table.space.oldest),
		    kit_key(name, sizeof(name), 0));
		check_bytes(entry_key(table.space.edge),
		    kit_key(name, sizeof(name), i - 3));
		check(kit_get(&table, "c",
			  (const char *)kit_key(name, sizeof(name), i - 4)
			      .data) == NULL);
	}
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, what_is_used_survives_what_is_not)
{
	struct memory_table table;
	uint32_t i, j;

	check(evkv__table_init(&table, 100, 0, 1, 2));
	kit_put(&table, "c", "dear", "v");
	for (i = 0; i < 1000; i++) {
		check(kit_get(&table, "c", "dear") != NULL);
		kit_put_number(&table, i, MEMORY_NEVER);
	}
	/* A scan goes by without pushing it out; the use of others does. */
	check(kit_get(&table, "c", "dear") != NULL);
	for (; i < 2000; i++) {
		kit_put_number(&table, i, MEMORY_NEVER);
		check(kit_get_number(&table, i) != NULL);
		for (j = i - 90; j < i; j++)
			kit_get_number(&table, j);
	}
	check(kit_get(&table, "c", "dear") == NULL);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, hand_does_not_search_for_long)
{
	struct memory_table table;
	size_t before;
	uint32_t i;

	check(evkv__table_init(&table, 5000, 0, 1, 2));
	for (i = 0; i < 5000; i++)
		kit_put_number(&table, i, MEMORY_NEVER);
	for (i = 0; i < 5000; i++)
		check(kit_get_number(&table, i) != NULL);
	before = table.work;
	kit_put(&table, "c", "new", "v");
	check_between(table.work - before, 200, 256);
	/* It goes on where it was, until it has found one that was not used. */
	check_int(evkv__table_count(&table), 5001);
	for (i = 0; evkv__table_count(&table) > 5000; i++) {
		check(i < 5000 / 200);
		evkv__table_make_room(&table, NULL, 0);
	}
	check_int(table.evictions, 1);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, hand_takes_used_ones_if_far_over)
{
	struct memory_table table;
	uint32_t i, j;

	check(evkv__table_init(&table, 6400, 0, 1, 2));
	for (i = 0; i < 6400; i++)
		kit_put_number(&table, i, MEMORY_NEVER);
	/* All are used again before each put. */
	for (; i < 6600; i++) {
		for (j = 0; j < i; j++)
			kit_get_number(&table, j);
		kit_put_number(&table, i, MEMORY_NEVER);
		check(evkv__table_count(&table) <= 6500);
	}
	evkv__table_end(&table);
}

/* What has expired goes, used or not, and is no eviction. */
EVKV_TEST(unit_memory_table_bounds, what_has_expired_is_not_evicted)
{
	struct memory_table table;
	uint32_t i;

	check(evkv__table_init(&table, 6400, 0, 1, 2));
	table.evict_work = 1;
	for (i = 0; i < 6400; i++) {
		kit_put_number(&table, i, i < 3200 ? 1000 : MEMORY_NEVER);
		kit_get_number(&table, i);
	}
	for (i = 0; i < 3200; i++) {
		check_status(kit_put_at(&table, "d", evkv_bytes(&i, sizeof(i)),
				 EVKV_LIT("v"), MEMORY_NEVER, 1000),
		    EVKV_OK);
		check(evkv__table_count(&table) <= 6500);
	}
	check_int(table.evictions, 0);
	for (i = 3200; i < 6400; i++)
		check(kit_get_number(&table, i) != NULL);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, bytes_stay_within_the_bound)
{
	static char value[3000];
	struct memory_table table;
	char name[32];
	uint32_t i;

	kit_seed(3);
	check(evkv__table_init(&table, 0, 20000, 1, 2));
	for (i = 0; i < 5000; i++) {
		check_status(kit_put_at(&table, "c",
				 kit_key(name, sizeof(name), kit_random(500)),
				 evkv_bytes(value, kit_random(sizeof(value))),
				 MEMORY_NEVER, 0),
		    EVKV_OK);
		check(evkv__table_bytes(&table) <= 20000);
	}
	check(evkv__table_bytes(&table) > 16000);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

/* Small entries until the first is evicted; the number of the next. */
static uint32_t fill_up(struct memory_table *table)
{
	uint32_t i;

	for (i = 0; table->evictions == 0; i++)
		kit_put_number(table, i, MEMORY_NEVER);
	return i;
}

static void put_large(struct memory_table *table, const char *key,
    const char *value, size_t size)
{
	check_status(kit_put_at(table, "c", evkv_str(key),
			 evkv_bytes(value, size), MEMORY_NEVER, 0),
	    EVKV_OK);
}

/* What is over the bound goes in steps. */
static void settle_to(struct memory_table *table, size_t bound)
{
	size_t before;

	while (evkv__table_bytes(table) > bound) {
		before = table->work;
		evkv__table_make_room(table, NULL, 0);
		check_between(table->work - before, 1, 400);
	}
}

EVKV_TEST(unit_memory_table_bounds, large_value_displaces_many_by_and_by)
{
	static char value[200000];
	struct memory_table table;
	size_t before, bound = 4000000;

	check(evkv__table_init(&table, 0, bound, 1, 2));
	fill_up(&table);
	before = table.work;
	put_large(&table, "large", value, sizeof(value));
	check_between(table.work - before, 100, 400);
	check_between(evkv__table_bytes(&table), bound, bound + bound / 16);
	/* A second one finds no more slack: all of it must go at once. */
	put_large(&table, "large too", value, sizeof(value));
	check_between(evkv__table_bytes(&table), bound, bound + bound / 16);
	settle_to(&table, bound);
	check(kit_get(&table, "c", "large") != NULL);
	check(kit_get(&table, "c", "large too") != NULL);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, a_huge_value_exceeds_the_bound_by_itself)
{
	static char value[3000000];
	struct memory_table table;
	size_t before, over, bound = 4000000;
	uint32_t i;

	check(evkv__table_init(&table, 0, bound, 1, 2));
	i = fill_up(&table);
	before = table.work;
	put_large(&table, "huge", value, sizeof(value));
	check_between(table.work - before, 100, 400);
	over = evkv__table_bytes(&table) - bound;
	check_between(over, sizeof(value) / 2, sizeof(value));
	/* What comes after it need not pay for it, but must not add to it. */
	before = table.work;
	kit_put_number(&table, i, MEMORY_NEVER);
	check_between(table.work - before, 100, 400);
	check(evkv__table_bytes(&table) - bound < over);
	put_large(&table, "huge too", value, sizeof(value));
	check_between(evkv__table_bytes(&table), bound,
	    bound + sizeof(value) + 200);
	settle_to(&table, bound);
	check(kit_get(&table, "c", "huge too") != NULL);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_bounds, too_large_is_what_could_never_fit)
{
	static char value[5000];
	struct memory_table table;
	struct memory_put one = { .key = EVKV_LIT("k") };
	size_t size = 0;

	check(evkv__table_init(&table, 0, 4096, 1, 2));
	kit_put(&table, "c", "k", "old");
	check_status(kit_put_at(&table, "c", EVKV_LIT("k"),
			 evkv_bytes(value, 4096), MEMORY_NEVER, 0),
	    EVKV_TOO_LARGE);
	/* Without effect. */
	check_slice(evkv_value_bytes(&kit_get(&table, "c", "k")->value), "old");
	/* The largest one that fits does. */
	do
		one.value = evkv_bytes(value, ++size);
	while (evkv__entry_cost_of(&one) <= 4096);
	check_status(kit_put_at(&table, "c", one.key, one.value, MEMORY_NEVER,
			 0),
	    EVKV_TOO_LARGE);
	kit_put(&table, "c", "other", "v");
	check_status(kit_put_at(&table, "c", one.key,
			 evkv_bytes(value, size - 1), MEMORY_NEVER, 0),
	    EVKV_OK);
	check(kit_get(&table, "c", "other") == NULL);
	check_int(kit_get(&table, "c", "k")->value.size, size - 1);
	evkv__table_end(&table);
}
