/* tests/stores/memory/table_kit.c - short ways to use the bounded table. */
#include "table_kit.h"

#include <stdio.h>

static uint32_t kit_state;

void kit_seed(uint32_t seed)
{
	kit_state = seed;
}

uint32_t kit_random(uint32_t bound)
{
	kit_state = kit_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(kit_state >> 8) * bound >> 24);
}

enum evkv_status kit_put_at(struct memory_table *table, const char *collection,
    struct evkv_slice key, struct evkv_slice value, int64_t expires_at_us,
    int64_t now_us)
{
	struct memory_put put = {
		.key = key,
		.value = value,
		.expires_at_us = expires_at_us,
	};
	struct memory_collection *record;

	record = evkv__table_collection_make(table, evkv_str(collection));
	check(record != NULL);
	return evkv__table_put(table, record, &put, now_us);
}

enum evkv_status kit_put(struct memory_table *table, const char *collection,
    const char *key, const char *value)
{
	return kit_put_at(table, collection, evkv_str(key), evkv_str(value),
	    MEMORY_NEVER, 0);
}

struct memory_entry *kit_get_at(struct memory_table *table,
    const char *collection, struct evkv_slice key, int64_t now_us)
{
	struct memory_collection *record;

	record = evkv__table_collection(table, evkv_str(collection));
	if (record == NULL)
		return NULL;
	return evkv__table_get(table, record, key, table_hash(record, key),
	    now_us);
}

struct memory_entry *kit_get(struct memory_table *table, const char *collection,
    const char *key)
{
	return kit_get_at(table, collection, evkv_str(key), 0);
}

struct evkv_slice kit_key(char *buffer, size_t size, uint32_t number)
{
	return evkv_bytes(buffer,
	    (size_t)snprintf(buffer, size, "key-%u", number));
}

static bool is_newest_of_collection(const struct memory_table *table,
    const struct memory_entry *entry)
{
	const struct memory_entry *other = entry_newer(table, entry);

	while (other != NULL &&
	    entry_collection(other) != entry_collection(entry))
		other = entry_newer(table, other);
	return other == NULL;
}

void kit_check_sound(const struct memory_table *table)
{
	const struct memory_entry *entry, *newer = NULL;
	size_t count = 0, bytes = 0, expiring = 0, dead = 0, probation = 0;

	for (entry = table->space.newest; entry != NULL;
	     entry = entry_older(table, entry)) {
		check(entry_newer(table, entry) == newer);
		newer = entry;
		check(entry_at(table, evkv__entry_number(entry)) == entry);
		count++;
		bytes += evkv__entry_cost(entry);
		if (is_newest_of_collection(table, entry))
			bytes += collection_cost(entry_collection(entry));
		expiring += entry_expires_us(entry) != MEMORY_NEVER;
		dead += entry_collection(entry)->dead;
		probation += entry_is_on_probation(entry);
		if (entry == table->space.edge)
			check_int(table->space.probation, probation);
	}
	check_int(table->space.probation, probation);
	check(probation == 0 || table->space.edge != NULL);
	check(table->space.oldest == newer);
	check_int(table->space.entries.count, count);
	check_int(table->space.expiring, expiring);
	check_int(table->space.dead, dead);
	if (table->retired == NULL)
		check_int(table->bytes, bytes);
}

void kit_put_number(struct memory_table *table, uint32_t number,
    int64_t expires_at_us)
{
	char name[32];

	check_status(kit_put_at(table, "c", kit_key(name, sizeof(name), number),
			 EVKV_LIT("v"), expires_at_us, 0),
	    EVKV_OK);
}

struct memory_entry *kit_get_number(struct memory_table *table, uint32_t number)
{
	char name[32];

	return kit_get_at(table, "c", kit_key(name, sizeof(name), number), 0);
}
