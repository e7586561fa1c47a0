/* The bounded table: against a naive model, its hashing, out of memory. */
#include <stdio.h>

#include "table_kit.h"

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

	entry = kit_get_at(table, model_names[collection],
	    kit_key(name, sizeof(name), key), now_us);
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
	int64_t expires_at_us = kit_random(2) == 0
	    ? MEMORY_NEVER
	    : now_us + 1 + kit_random(5000);

	name = kit_key(buffer, sizeof(buffer), key);
	record = evkv__table_collection_make(table,
	    evkv_str(model_names[collection]));
	switch (kit_random(5)) {
	case 0:
		check_int(evkv__table_delete(table, record, name, NULL, now_us),
		    there ? EVKV_OK : EVKV_NOT_FOUND);
		model->there = false;
		break;
	case 1:
		check_int(evkv__table_touch(table, record, name, NULL,
			      expires_at_us, now_us),
		    there ? EVKV_OK : EVKV_NOT_FOUND);
		if (there)
			model->expires_at_us = expires_at_us;
		break;
	default:
		model->there = true;
		model->expires_at_us = expires_at_us;
		model->value = kit_random(UINT32_MAX);
		model->size = 4 + kit_random(400);
		check_status(kit_put_at(table, model_names[collection], name,
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
		evkv__table_clear(table, record, NULL);
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
	kit_seed(20);
	check(evkv__table_init(&table, 0, 0, 1, 2));
	for (i = 0; i < 100000; i++) {
		collection = kit_random(MODEL_COLLECTIONS);
		key = kit_random(MODEL_KEYS);
		model_change(&table, &model[collection][key], collection, key,
		    now_us);
		now_us += kit_random(20);
		key = kit_random(MODEL_KEYS);
		model_check(&table, &model[collection][key], collection, key,
		    now_us);
		if (i % 10007 == 0) {
			model_clear(&table, model[collection], collection);
		} else if (i % 30011 == 0) {
			check(evkv__table_clear_all(&table, NULL));
			memset(model, 0, sizeof(model));
		} else if (i % 211 == 0) {
			evkv__table_sweep(&table, now_us);
		} else if (i % 97 == 0) {
			evkv__table_reclaim(&table, 50);
		}
		if (i % 5003 == 0)
			kit_check_sound(&table);
	}
	walk = (struct memory_walk){ .now_us = now_us };
	while (evkv__table_walk(&table, &walk))
		;
	kit_check_sound(&table);
	for (collection = 0; collection < MODEL_COLLECTIONS; collection++) {
		for (key = 0; key < MODEL_KEYS; key++)
			model_check(&table, &model[collection][key], collection,
			    key, now_us);
	}
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
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
		steps += 1 +
		    (place.chunk + INDEX_CHUNKS - place.home) % INDEX_CHUNKS;
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
			kit_put(&table, "c", name, "");
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
	kit_put(&a, "c", "k", "");
	kit_put(&b, "c", "k", "");
	for (i = 0; i < 1000; i++) {
		struct evkv_slice key = kit_key(name, sizeof(name), i);

		same += index_home((uint32_t)(table_hash(a.last, key) >> 32)) ==
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
	kit_put(&table, "c", "k", "old");
	/* Of a size that does not share a page with others. */
	memset(large, 'v', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	for (n = 1; n < 4; n++) {
		faults_fail_nth(n);
		if (kit_put(&table, "c", "k", large) == EVKV_NOMEM)
			failed++;
		faults_off();
		check(kit_get(&table, "c", "k") != NULL);
		kit_check_sound(&table);
	}
	check_int(failed, 1);
	faults_fail_from(1);
	check(!evkv__table_clear_all(&table, NULL));
	faults_off();
	check(kit_get(&table, "c", "k") != NULL);
	evkv__table_end(&table);
	check_int(faults_outstanding(), 0);
}
