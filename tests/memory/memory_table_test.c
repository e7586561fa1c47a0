/* The bounded table: against a naive model, at its bounds, in its steps. */
#include "stores/memory_table.h"

#include <stdio.h>

#include "lib/faults.h"
#include "lib/test.h"

/* ---- Helpers ------------------------------------------------------- */

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(random_state >> 8) * bound >> 24);
}

static enum evkv_status put_at(struct memory_table *table,
    const char *collection, struct evkv_slice key, struct evkv_slice value,
    int64_t expires_at_us, int64_t now_us)
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

static enum evkv_status put(struct memory_table *table, const char *collection,
    const char *key, const char *value)
{
	return put_at(table, collection, evkv_str(key), evkv_str(value),
	    MEMORY_NEVER, 0);
}

static struct memory_entry *get_at(struct memory_table *table,
    const char *collection, struct evkv_slice key, int64_t now_us)
{
	struct memory_collection *record;

	record = evkv__table_collection(table, evkv_str(collection));
	if (record == NULL)
		return NULL;
	return evkv__table_get(table, record, key,
	    table_hash(record, key), now_us);
}

static struct memory_entry *get(struct memory_table *table,
    const char *collection, const char *key)
{
	return get_at(table, collection, evkv_str(key), 0);
}

static struct evkv_slice number_key(char *buffer, size_t size, uint32_t number)
{
	return evkv_bytes(buffer,
	    (size_t)snprintf(buffer, size, "key-%u", number));
}

/* What has to hold between the parts of a table, always. */
static void check_sound(const struct memory_table *table)
{
	const struct memory_entry *entry, *newer = NULL;
	size_t count = 0, bytes = 0, mortal = 0, dead = 0;

	for (entry = table->space.newest; entry != NULL; entry = entry->older) {
		check(entry->newer == newer);
		newer = entry;
		count++;
		bytes += evkv__entry_cost(entry);
		mortal += entry->expires_at_us != MEMORY_NEVER;
		dead += entry_collection(entry)->dead;
	}
	check(table->space.oldest == newer);
	check_int(table->space.entries.count, count);
	check_int(table->space.mortal, mortal);
	check_int(table->space.dead, dead);
	if (table->graves == NULL)
		check_int(table->bytes, bytes);
}

/* ---- Against a model ----------------------------------------------- */

#define MODEL_KEYS 600
#define MODEL_COLLECTIONS 3

struct model_entry {
	bool there;
	int64_t expires_at_us;
	uint32_t value;
	size_t size;
};

static const char *const model_names[MODEL_COLLECTIONS] = { "", "b", "cc" };

static struct evkv_slice model_value(char *buffer, uint32_t number, size_t size)
{
	memset(buffer, (int)(number & 0xff), size);
	memcpy(buffer, &number, sizeof(number));
	return evkv_bytes(buffer, size);
}

static void model_check(struct memory_table *table,
    const struct model_entry *model, unsigned collection, uint32_t key,
    int64_t now_us)
{
	bool there = model->there && now_us < model->expires_at_us;
	struct memory_entry *entry;
	char name[32], value[512];

	entry = get_at(table, model_names[collection],
	    number_key(name, sizeof(name), key), now_us);
	check_int(entry != NULL, there);
	if (there)
		check_bytes(evkv_value_bytes(&entry->value),
		    model_value(value, model->value, model->size));
}

static void model_change(struct memory_table *table, struct model_entry *model,
    unsigned collection, uint32_t key, int64_t now_us)
{
	struct memory_collection *record;
	struct evkv_slice name;
	char buffer[32], value[512];
	bool there = model->there && now_us < model->expires_at_us;
	int64_t expires_at_us = random_below(2) == 0
	    ? MEMORY_NEVER
	    : now_us + 1 + random_below(5000);

	name = number_key(buffer, sizeof(buffer), key);
	record = evkv__table_collection_make(table,
	    evkv_str(model_names[collection]));
	switch (random_below(5)) {
	case 0:
		check_int(evkv__table_delete(table, record, name, now_us),
		    there);
		model->there = false;
		break;
	case 1:
		check_int(evkv__table_touch(table, record, name, expires_at_us,
			      now_us),
		    there);
		if (there)
			model->expires_at_us = expires_at_us;
		break;
	default:
		model->there = true;
		model->expires_at_us = expires_at_us;
		model->value = random_below(UINT32_MAX);
		model->size = 4 + random_below(400);
		check_status(put_at(table, model_names[collection], name,
				 model_value(value, model->value, model->size),
				 expires_at_us, now_us),
		    EVKV_OK);
		break;
	}
}

static void model_clear(struct memory_table *table, struct model_entry *model,
    unsigned collection)
{
	struct memory_collection *record;

	record = evkv__table_collection(table,
	    evkv_str(model_names[collection]));
	if (record != NULL)
		evkv__table_doom(table, record, NULL);
	memset(model, 0, MODEL_KEYS * sizeof(*model));
}

EVKV_TEST(unit_memory_table, does_what_an_array_would)
{
	static struct model_entry model[MODEL_COLLECTIONS][MODEL_KEYS];
	struct memory_walk walk;
	struct memory_table table;
	int64_t now_us = 1000;
	unsigned collection, i;
	uint32_t key;

	memset(model, 0, sizeof(model));
	random_state = 20;
	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 100000; i++) {
		collection = random_below(MODEL_COLLECTIONS);
		key = random_below(MODEL_KEYS);
		model_change(&table, &model[collection][key], collection, key,
		    now_us);
		now_us += random_below(20);
		key = random_below(MODEL_KEYS);
		model_check(&table, &model[collection][key], collection, key,
		    now_us);
		if (i % 10007 == 0) {
			model_clear(&table, model[collection], collection);
		} else if (i % 30011 == 0) {
			check(evkv__table_doom_all(&table, NULL));
			memset(model, 0, sizeof(model));
		} else if (i % 211 == 0) {
			evkv__table_sweep(&table, now_us);
		} else if (i % 97 == 0) {
			evkv__table_bury(&table, 50);
		}
		if (i % 5003 == 0)
			check_sound(&table);
	}
	walk = (struct memory_walk){ .now_us = now_us };
	while (evkv__table_walk(&table, &walk))
		;
	check_sound(&table);
	for (collection = 0; collection < MODEL_COLLECTIONS; collection++) {
		for (key = 0; key < MODEL_KEYS; key++)
			model_check(&table, &model[collection][key], collection,
			    key, now_us);
	}
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
}

/* ---- Bounds and eviction ------------------------------------------- */

EVKV_TEST(unit_memory_table, evicts_in_order_of_age_what_is_never_used)
{
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 10, 0, 1, 2));
	for (i = 0; i < 30; i++) {
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), MEMORY_NEVER, 0);
		check_int(evkv__table_count(&table), i < 10 ? i + 1 : 10);
		if (i < 10)
			continue;
		/* The oldest one has gone, and that one alone. */
		check_int(table.evictions, i - 9);
		check_bytes(entry_key(table.space.oldest),
		    number_key(name, sizeof(name), i - 9));
	}
	check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, what_is_used_survives_what_is_not)
{
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 100, 0, 1, 2));
	put(&table, "c", "dear", "v");
	for (i = 0; i < 1000; i++) {
		check(get(&table, "c", "dear") != NULL);
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), MEMORY_NEVER, 0);
	}
	/* A scan goes by without pushing it out; the use of others does. */
	check(get(&table, "c", "dear") != NULL);
	for (; i < 2000; i++) {
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), MEMORY_NEVER, 0);
		check(get(&table, "c", name) != NULL);
	}
	check(get(&table, "c", "dear") == NULL);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, hand_does_not_search_for_long)
{
	struct memory_table table;
	size_t before;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 5000, 0, 1, 2));
	for (i = 0; i < 5000; i++)
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), MEMORY_NEVER, 0);
	for (i = 0; i < 5000; i++)
		check(get_at(&table, "c", number_key(name, sizeof(name), i),
			  0) != NULL);
	before = table.work;
	put(&table, "c", "new", "v");
	check_between(table.work - before, 2, 40);
	check_int(evkv__table_count(&table), 5000);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, bytes_stay_within_the_bound)
{
	static char value[3000];
	struct memory_table table;
	char name[32];
	uint32_t i;

	random_state = 3;
	check(evkv__table_init(&table, 0, 20000, 1, 2));
	for (i = 0; i < 5000; i++) {
		check_status(put_at(&table, "c",
				 number_key(name, sizeof(name),
				     random_below(500)),
				 evkv_bytes(value, random_below(sizeof(value))),
				 MEMORY_NEVER, 0),
		    EVKV_OK);
		check(evkv__table_bytes(&table) <= 20000);
	}
	check(evkv__table_bytes(&table) > 16000);
	check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, large_value_displaces_many_by_and_by)
{
	static char value[200000];
	struct memory_table table;
	size_t before, bound = 4000000;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, bound, 1, 2));
	for (i = 0; table.evictions == 0; i++)
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), MEMORY_NEVER, 0);
	before = table.work;
	check_status(put_at(&table, "c", EVKV_LIT("large"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check_between(table.work - before, 100, 400);
	check_between(evkv__table_bytes(&table), bound, bound + bound / 16);
	/* A second one finds no more slack: all of it must go at once. */
	check_status(put_at(&table, "c", EVKV_LIT("large too"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check_between(evkv__table_bytes(&table), bound, bound + bound / 16);
	while (evkv__table_bytes(&table) > bound) {
		before = table.work;
		evkv__table_make_room(&table, NULL, 0);
		check_between(table.work - before, 1, 400);
	}
	check(get(&table, "c", "large") != NULL);
	check(get(&table, "c", "large too") != NULL);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, too_large_is_what_could_never_fit)
{
	static char value[5000];
	struct memory_table table;
	struct memory_put one = { .key = EVKV_LIT("k") };
	size_t size = 0;

	check(evkv__table_init(&table, 0, 4096, 1, 2));
	put(&table, "c", "k", "old");
	check_status(put_at(&table, "c", EVKV_LIT("k"), evkv_bytes(value, 4096),
			 MEMORY_NEVER, 0),
	    EVKV_TOO_LARGE);
	/* Without effect. */
	check_slice(evkv_value_bytes(&get(&table, "c", "k")->value), "old");
	/* The largest one that fits does. */
	do
		one.value = evkv_bytes(value, ++size);
	while (evkv__entry_cost_of(&one) <= 4096);
	check_status(put_at(&table, "c", one.key, one.value, MEMORY_NEVER, 0),
	    EVKV_TOO_LARGE);
	put(&table, "c", "other", "v");
	check_status(put_at(&table, "c", one.key, evkv_bytes(value, size - 1),
			 MEMORY_NEVER, 0),
	    EVKV_OK);
	check(get(&table, "c", "other") == NULL);
	check_int(get(&table, "c", "k")->value.size, size - 1);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, conditions_do_not_see_what_has_expired)
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
	check(!evkv__table_touch(&table, record, one.key, 900, 200));
	check(!evkv__table_delete(&table, record, one.key, 200));
	check_int(table.space.entries.count, 0);
	evkv__table_end(&table);
}

/* ---- Values that are held ------------------------------------------ */

EVKV_TEST(unit_memory_table, overwrites_in_place_only_what_nobody_holds)
{
	struct memory_table table;
	struct memory_entry *first, *second;
	struct evkv_value *kept;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	put(&table, "c", "k", "one");
	first = get(&table, "c", "k");
	put(&table, "c", "k", "two");
	check(get(&table, "c", "k") == first);

	evkv__value_pin(&first->value);
	put(&table, "c", "k", "three");
	second = get(&table, "c", "k");
	check(second != first);
	check_slice(evkv_value_bytes(&first->value), "two");
	check(evkv__table_bytes(&table) > table.bytes);
	evkv__value_unpin(&first->value);
	check_int(evkv__table_bytes(&table), table.bytes);

	kept = evkv_value_ref(&second->value);
	put(&table, "c", "k", "four");
	check(get(&table, "c", "k") != second);
	check_slice(evkv_value_bytes(kept), "three");
	evkv_value_unref(kept);
	check_int(evkv__table_bytes(&table), table.bytes);
	check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, held_bytes_count_and_may_leave_no_room)
{
	static char value[3000];
	struct memory_table table;
	struct evkv_value *kept;

	check(evkv__table_init(&table, 0, 4096, 1, 2));
	check_status(put_at(&table, "c", EVKV_LIT("a"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	kept = evkv_value_ref(&get(&table, "c", "a")->value);
	put(&table, "c", "b", "v");
	/* As long as it is in the table, it can still be evicted ... */
	check_status(put_at(&table, "c", EVKV_LIT("d"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check(get(&table, "c", "a") == NULL);
	check(evkv__table_bytes(&table) > 2 * sizeof(value));
	/* ... but it is not gone. */
	check_status(put_at(&table, "c", EVKV_LIT("e"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_NOSPACE);
	check_bytes(evkv_value_bytes(kept), evkv_bytes(value, sizeof(value)));
	evkv_value_unref(kept);
	check_status(put_at(&table, "c", EVKV_LIT("e"),
			 evkv_bytes(value, sizeof(value)), MEMORY_NEVER, 0),
	    EVKV_OK);
	check(evkv__table_bytes(&table) <= 4096);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, values_outlive_the_table)
{
	struct memory_table table;
	struct evkv_value *kept, *pinned;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	put(&table, "c", "kept", "one");
	put(&table, "c", "pinned", "two");
	kept = evkv_value_ref(&get(&table, "c", "kept")->value);
	pinned = &get(&table, "c", "pinned")->value;
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

EVKV_TEST(unit_memory_table, large_counted_values_are_not_copied)
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
	entry = get(&table, "c", "large");
	check(entry->external);
	check(evkv__entry_external(entry) == large);
	check(table.bytes > 50000);
	check(!get(&table, "c", "small")->external);
	/* The same again, another, and back to an ordinary one. */
	check_status(put_counted(&table, "large", large), EVKV_OK);
	evkv_value_unref(large);
	check_int(evkv__entry_external(get(&table, "c", "large"))->size, 50000);
	put(&table, "c", "large", "12345678");
	check_slice(evkv_value_bytes(&get(&table, "c", "large")->value),
	    "12345678");
	check(table.bytes < 1000);
	evkv_value_unref(small);
	check_sound(&table);
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
}

/* ---- What is doomed ------------------------------------------------ */

EVKV_TEST(unit_memory_table, clearing_counts_what_had_not_expired)
{
	struct memory_doom doom = { .now_us = 50 };
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 1000; i++) {
		number_key(name, sizeof(name), i);
		put_at(&table, "a", evkv_str(name), EVKV_LIT("v"),
		    i % 4 == 0 ? 50 : 51, 0);
		put(&table, "b", name, "v");
	}
	evkv__table_doom(&table, evkv__table_collection(&table, EVKV_LIT("a")),
	    &doom);
	check_int(doom.left, 1000);
	check(get(&table, "a", "key-1") == NULL);
	check_int(evkv__table_count(&table), 1000);
	/* A new one of that name has nothing to do with it. */
	put(&table, "a", "key-1", "new");
	check_sound(&table);
	while (evkv__table_bury(&table, 100))
		;
	check_int(doom.left, 0);
	check_int(doom.removed, 750);
	check_int(table.space.entries.count, 1001);
	check_slice(evkv_value_bytes(&get(&table, "a", "key-1")->value), "new");
	check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, destroying_again_and_again_piles_nothing_up)
{
	struct memory_table table;
	size_t most = 0;
	uint32_t i, round;
	char name[32];

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 1000; i++)
			put_at(&table, "c", number_key(name, sizeof(name), i),
			    EVKV_LIT("v"), MEMORY_NEVER, 0);
		if (table.bytes > most)
			most = table.bytes;
		check(evkv__table_doom_all(&table, NULL));
		check_int(evkv__table_count(&table), 0);
	}
	/* Each put frees more than it adds: never much over two rounds. */
	check(most < 100 * 1000 * 3);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, cleared_keys_come_again_without_end)
{
	struct memory_table table;
	uint32_t i;

	/* They hash alike, each time. */
	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 5000; i++) {
		check_status(put(&table, "c", "k", "v"), EVKV_OK);
		evkv__table_doom(&table,
		    evkv__table_collection(&table, EVKV_LIT("c")), NULL);
	}
	check(table.space.entries.count < INDEX_SLOTS);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, collections_without_entries_are_given_up)
{
	struct memory_table table;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		put(&table, name, "k", "v");
		check(evkv__table_delete(&table,
		    evkv__table_collection(&table, evkv_str(name)),
		    EVKV_LIT("k"), 0));
	}
	check(table.space.collections.count <= 2);
	evkv__table_end(&table);
}

/* ---- Expiry -------------------------------------------------------- */

EVKV_TEST(unit_memory_table, sweep_finds_all_that_has_expired)
{
	struct memory_table table;
	char name[32];
	size_t before, worst = 0;
	uint32_t i, steps = 0;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 20000; i++)
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), i % 2 == 0 ? 1000 + i : MEMORY_NEVER, 0);
	check_int(table.next_due_us, 1000);
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
	check_int(table.next_due_us, 11002);
	check_sound(&table);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, sweep_of_nothing_due_looks_at_no_entry)
{
	struct memory_table table;
	size_t before;
	char name[32];
	uint32_t i;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 20000; i++)
		put_at(&table, "c", number_key(name, sizeof(name), i),
		    EVKV_LIT("v"), 5000 + i, 0);
	before = table.work;
	while (evkv__table_sweep(&table, 4999) != SWEEP_ENDED)
		;
	check_int(table.work, before);
	check_int(table.next_due_us, 5000);
	evkv__table_end(&table);
}

EVKV_TEST(unit_memory_table, knows_whether_a_collection_is_alive)
{
	struct memory_walk walk = { .now_us = 60 };
	struct memory_collection *record;
	struct memory_table table;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	put_at(&table, "c", EVKV_LIT("a"), EVKV_LIT("v"), 50, 0);
	record = evkv__table_collection(&table, EVKV_LIT("c"));
	check_int(evkv__collection_alive(record, 49), ALIVE_YES);
	check_int(evkv__collection_alive(record, 50), ALIVE_NO);
	put_at(&table, "c", EVKV_LIT("b"), EVKV_LIT("v"), 70, 0);
	put_at(&table, "c", EVKV_LIT("d"), EVKV_LIT("v"), 65, 0);
	check_int(evkv__collection_alive(record, 69), ALIVE_YES);
	/* The one that would have lived longest goes: who knows? */
	evkv__table_delete(&table, record, EVKV_LIT("b"), 0);
	check_int(evkv__collection_alive(record, 60), ALIVE_UNKNOWN);
	while (evkv__table_walk(&table, &walk))
		;
	check_int(walk.expired, 1);
	check_int(evkv__collection_alive(record, 60), ALIVE_YES);
	put(&table, "c", "e", "v");
	check_int(evkv__collection_alive(record, 900), ALIVE_YES);
	evkv__table_end(&table);
}

/* ---- Hashing ------------------------------------------------------- */

/* How many chunks a search looks at, on average over all keys, times 100. */
static size_t mean_steps(struct memory_table *table, uint32_t keys,
    const char *format)
{
	struct memory_collection *record;
	struct index_place place;
	struct evkv_slice key;
	size_t steps = 0;
	char name[64];
	uint32_t i;

	record = evkv__table_collection(table, EVKV_LIT("c"));
	for (i = 0; i < keys; i++) {
		snprintf(name, sizeof(name), format, i);
		key = evkv_str(name);
		check(evkv__table_find(table, record, key,
			  table_hash(record, key), &place) != NULL);
		steps += INDEX_CHUNKS + 1 - place.steps;
	}
	return steps * 100 / keys;
}

EVKV_TEST(unit_memory_table, regular_keys_spread_evenly)
{
	static const char *const formats[] = { "%u", "%08u", "00000000%08x",
		"a/rather/long/path/to/%u/and/so/on" };
	struct memory_table table;
	char name[64];
	size_t format;
	uint32_t i;

	for (format = 0; format < 4; format++) {
		check(evkv__table_init(&table, 0, 0, format, 5));
		for (i = 0; i < 50000; i++) {
			snprintf(name, sizeof(name), formats[format], i);
			put(&table, "c", name, "");
		}
		check_between(mean_steps(&table, 50000, formats[format]), 100,
		    150);
		evkv__table_end(&table);
	}
}

EVKV_TEST(unit_memory_table, order_of_keys_depends_on_the_seed)
{
	struct memory_table a, b;
	uint32_t i, same = 0;
	char name[32];

	check(evkv__table_init(&a, 0, 0, 1, 2));
	check(evkv__table_init(&b, 0, 0, 1, 3));
	put(&a, "c", "k", "");
	put(&b, "c", "k", "");
	for (i = 0; i < 1000; i++) {
		struct evkv_slice key = number_key(name, sizeof(name), i);

		same += index_home((uint32_t)(table_hash(a.last, key) >>
			    32)) ==
		    index_home((uint32_t)(table_hash(b.last, key) >> 32));
	}
	/* One in 32 by chance. */
	check_between(same, 5, 70);
	evkv__table_end(&a);
	evkv__table_end(&b);
}

/* ---- Memory -------------------------------------------------------- */

EVKV_TEST(unit_memory_table, want_of_memory_leaves_the_old_entry)
{
	struct memory_table table;
	char large[2 * SLAB_ITEM_MAX];
	size_t n, failed = 0;

	check(evkv__table_init(&table, 0, 0, 1, 2));
	put(&table, "c", "k", "old");
	/* Of a size that does not share a page with others. */
	memset(large, 'v', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	for (n = 1; n < 4; n++) {
		faults_fail_nth(n);
		if (put(&table, "c", "k", large) == EVKV_NOMEM)
			failed++;
		faults_off();
		check(get(&table, "c", "k") != NULL);
		check_sound(&table);
	}
	check_int(failed, 1);
	faults_fail_from(1);
	check(!evkv__table_doom_all(&table, NULL));
	faults_off();
	check(get(&table, "c", "k") != NULL);
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
}
