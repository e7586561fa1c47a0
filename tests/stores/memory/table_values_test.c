/* The bounded table and values that are held, by others or by itself. */
#include "table_kit.h"

EVKV_TEST(unit_memory_table_values, overwrites_in_place_only_what_nobody_holds)
{
	struct memory_table table;
	struct memory_entry *first, *second;
	struct evkv_value *kept;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	kit_put(&table, "c", "k", "one");
	first = kit_get(&table, "c", "k");
	kit_put(&table, "c", "k", "two");
	check(kit_get(&table, "c", "k") == first);

	evkv__value_pin(&first->value);
	kit_put(&table, "c", "k", "three");
	second = kit_get(&table, "c", "k");
	check(second != first);
	check_slice(evkv_value_bytes(&first->value), "two");
	check(evkv__table_bytes(&table) > table.bytes);
	evkv__value_unpin(&first->value);
	check_int(evkv__table_bytes(&table), table.bytes);

	kept = evkv_value_ref(&second->value);
	kit_put(&table, "c", "k", "four");
	check(kit_get(&table, "c", "k") != second);
	check_slice(evkv_value_bytes(kept), "three");
	evkv_value_unref(kept);
	check_int(evkv__table_bytes(&table), table.bytes);
	kit_check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_values, held_bytes_count_and_may_leave_no_room)
{
	static char value[3000];
	struct memory_table table;
	struct evkv_value *kept;

	check(evkv__table_init(&table, 0, 4096, 1, 2));
	check_status(kit_put_at(&table, "c", EVKV_LIT("a"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	kept = evkv_value_ref(&kit_get(&table, "c", "a")->value);
	kit_put(&table, "c", "b", "v");
	/* As long as it is in the table, it can still be evicted ... */
	check_status(kit_put_at(&table, "c", EVKV_LIT("d"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check(kit_get(&table, "c", "a") == NULL);
	check(evkv__table_bytes(&table) > 2 * sizeof(value));
	/* ... but it is not gone. */
	check_status(kit_put_at(&table, "c", EVKV_LIT("e"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_NOSPACE);
	check_bytes(evkv_value_bytes(kept), evkv_bytes(value, sizeof(value)));
	evkv_value_unref(kept);
	check_status(kit_put_at(&table, "c", EVKV_LIT("e"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check(evkv__table_bytes(&table) <= 4096);
	evkv__table_end(&table);
}

/* ---- What is packed ------------------------------------------------- */

EVKV_TEST(unit_memory_table_values, expiries_are_kept_whatever_they_are)
{
	const int64_t edge = INT64_C(1) << 47;
	const int64_t times[] = { 1, 999, UINT32_MAX, edge - 1, edge, edge + 1,
		edge + 999, edge + 1000, INT64_C(4000000000000001),
		MEMORY_NEVER };
	struct memory_table table;
	struct memory_entry *entry;
	int64_t kept;
	size_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < sizeof(times) / sizeof(*times); i++) {
		check_status(kit_put_at(&table, "c", EVKV_LIT("k"),
				 EVKV_LIT("v"), times[i], 0),
		    EVKV_OK);
		entry = kit_get(&table, "c", "k");
		kept = entry_expires_us(entry);
		/* Years away, never too early and to a millisecond. */
		check(times[i] < edge || times[i] == MEMORY_NEVER
			? kept == times[i]
			: kept >= times[i] && kept - times[i] < 1000);
		check_int(entry_version(entry), table.version);
		check(entry_is_visited(entry) && !entry_is_external(entry));
		check(kit_get_at(&table, "c", EVKV_LIT("k"), kept - 1) != NULL);
		check(times[i] == MEMORY_NEVER ||
		    kit_get_at(&table, "c", EVKV_LIT("k"), kept) == NULL);
		kit_check_sound(&table);
	}
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table_values, versions_go_on_beyond_32_bits)
{
	const uint64_t edges[] = { UINT32_MAX, ENTRY_VERSION_MASK };
	struct memory_table table;
	struct memory_entry *entry;
	uint64_t before;
	size_t i, n;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 2; i++) {
		table.version = edges[i] - 3;
		for (n = 0, before = 0; n < 6; n++) {
			kit_put_number(&table, 7, 123456789);
			entry = kit_get_number(&table, 7);
			check_int(entry_version(entry), table.version);
			check(entry_version(entry) != before);
			check_int(entry_expires_us(entry), 123456789);
			before = entry_version(entry);
		}
	}
	check_int(table.version, 2); /* round again */
	evkv__table_end(&table);
}

/* Of lengths around that from which on an entry has memory of its own. */
static struct evkv_slice long_key(char *key, uint32_t number)
{
	size_t size = 900 + number % 7 * 30;

	memset(key, 'k', size);
	memcpy(key + size - sizeof(number), &number, sizeof(number));
	return evkv_bytes(key, size);
}

EVKV_TEST(unit_memory_table_values, entries_of_all_sizes_grow_and_go)
{
	static struct evkv_value *held[3000];
	struct memory_collection *record;
	struct memory_table table;
	struct memory_entry *entry;
	char key[2000];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 3000; i++) {
		check_status(kit_put_at(&table, "c", long_key(key, i),
				 EVKV_LIT("value"), MEMORY_NEVER, 0),
		    EVKV_OK);
		entry = kit_get_at(&table, "c", long_key(key, i), 0);
		held[i] = i % 5 == 0 ? evkv_value_ref(&entry->value) : NULL;
	}
	kit_check_sound(&table);
	record = table.last;
	for (i = 0; i < 3000; i++) {
		entry = kit_get_at(&table, "c", long_key(key, i), 0);
		check(entry != NULL);
		check_slice(evkv_value_bytes(&entry->value), "value");
		if (i % 3 != 0)
			check_status(evkv__table_delete(&table, record,
					 long_key(key, i), NULL, 0),
			    EVKV_OK);
	}
	kit_check_sound(&table);
	for (i = 0; i < 3000; i++) {
		entry = kit_get_at(&table, "c", long_key(key, i), 0);
		check((entry != NULL) == (i % 3 == 0));
		if (i % 10 == 0)
			evkv_value_unref(held[i]);
	}
	evkv__table_end(&table);
	for (i = 5; i < 3000; i += 10) {
		check_slice(evkv_value_bytes(held[i]), "value");
		evkv_value_unref(held[i]);
	}
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_table_values, values_outlive_the_table)
{
	struct memory_table table;
	struct evkv_value *kept, *pinned;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	kit_put(&table, "c", "kept", "one");
	kit_put(&table, "c", "pinned", "two");
	kept = evkv_value_ref(&kit_get(&table, "c", "kept")->value);
	pinned = &kit_get(&table, "c", "pinned")->value;
	evkv__value_pin(pinned);
	evkv__value_pin(pinned);
	evkv__table_end(&table);
	check_slice(evkv_value_bytes(kept), "one");
	evkv_value_unref(kept);
	evkv__value_unpin(pinned);
	check_slice(evkv_value_bytes(pinned), "two");
	evkv__value_unpin(pinned);
	check_int(faults_outstanding(), 0);
}

static enum evkv_status put_counted(struct memory_table *table, const char *key,
    struct evkv_value *value)
{
	struct memory_put one = {
		.key = evkv_str(key),
		.value = evkv_value_bytes(value),
		.counted = value,
		.expires_at_us = MEMORY_NEVER,
	};

	return evkv__table_put(table,
	    evkv__table_collection_make(table, EVKV_LIT("c")), &one, 0);
}

EVKV_TEST(unit_memory_table_values, large_counted_values_are_not_copied)
{
	struct memory_table table;
	struct evkv_value *large, *small;
	struct memory_entry *entry;
	void *data;

	check(evkv__table_init(&table, 0, 100000, 1, 2));
	large = evkv_value_new_uninit(50000, &data);
	memset(data, 'x', 50000);
	small = evkv_value_new(EVKV_LIT("small"));
	check_status(put_counted(&table, "large", large), EVKV_OK);
	check_status(put_counted(&table, "small", small), EVKV_OK);
	entry = kit_get(&table, "c", "large");
	check(entry_is_external(entry));
	check(evkv__entry_external(entry) == large);
	check(table.bytes > 50000);
	check(!entry_is_external(kit_get(&table, "c", "small")));
	/* The same again, another, and back to an ordinary one. */
	check_status(put_counted(&table, "large", large), EVKV_OK);
	evkv_value_unref(large);
	check_int(evkv__entry_external(kit_get(&table, "c", "large"))->size,
	    50000);
	kit_put(&table, "c", "large", "12345678");
	check_slice(evkv_value_bytes(&kit_get(&table, "c", "large")->value),
	    "12345678");
	check(table.bytes < 1000);
	evkv_value_unref(small);
	kit_check_sound(&table);
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_table_values, counted_values_count_for_the_bound)
{
	static char bytes[9000];
	struct evkv_value *value = evkv_value_new(evkv_bytes(bytes, 6000));
	struct evkv_value *over = evkv_value_new(evkv_bytes(bytes, 9000));
	struct memory_table table;

	check(evkv__table_init(&table, 0, 8192, 1, 2));
	check_status(put_counted(&table, "a", value), EVKV_OK);
	check_between(evkv__table_bytes(&table), 6000, 8192);
	/* Larger than all there may be, though nothing is copied. */
	check_status(put_counted(&table, "b", over), EVKV_TOO_LARGE);
	check(kit_get(&table, "c", "a") != NULL);
	/* A second one takes the place of the first. */
	check_status(put_counted(&table, "b", value), EVKV_OK);
	check(kit_get(&table, "c", "a") == NULL);
	check(kit_get(&table, "c", "b") != NULL);
	check_int(table.evictions, 1);
	check(evkv__table_bytes(&table) <= 8192);
	kit_check_sound(&table);
	evkv__table_end(&table);
	evkv_value_unref(value);
	evkv_value_unref(over);
}
