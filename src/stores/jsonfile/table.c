/*
 * stores/jsonfile/table.c - entries in one sorted array: a file that is written
 * whole with each change has no need of more.
 */
#include <stdlib.h>
#include <string.h>

#include "evkv/alloc.h"
#include "stores/jsonfile/table.h"

/* Indents, quotes, colon, comma and newline of a line; and of a time's. */
#define LINE_BYTES 12
#define TIME_BYTES (LINE_BYTES + JSONFILE_TIME_ROOM)

static int slice_compare(struct evkv_slice a, struct evkv_slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int entry_compare(const struct jsonfile_entry *entry,
    struct evkv_slice collection, struct evkv_slice key)
{
	int order = slice_compare(entry->collection, collection);

	return order != 0 ? order : slice_compare(entry->key, key);
}

struct jsonfile_entry *evkv__jsonfile_entry_new(struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice text, enum jsonfile_form form)
{
	struct jsonfile_entry *entry = evkv_malloc(sizeof(*entry) +
	    collection.size + key.size + text.size);
	char *bytes;

	if (entry == NULL)
		return NULL;
	bytes = (char *)(entry + 1);
	if (collection.size > 0)
		memcpy(bytes, collection.data, collection.size);
	memcpy(bytes + collection.size, key.data, key.size);
	memcpy(bytes + collection.size + key.size, text.data, text.size);
	*entry = (struct jsonfile_entry){
		.collection = evkv_bytes(bytes, collection.size),
		.key = evkv_bytes(bytes + collection.size, key.size),
		.text = evkv_bytes(bytes + collection.size + key.size,
		    text.size),
		.form = form,
	};
	return entry;
}

/* A byte of a name takes six in the file at most: \u001f. */
static size_t name_bytes(struct evkv_slice name)
{
	const unsigned char *at = name.data;
	size_t bytes = 2 * name.size + 16, i;

	for (i = 0; i < name.size; i++)
		bytes += at[i] < 0x20 ? 4 : 0;
	return bytes;
}

size_t evkv__jsonfile_entry_bytes(const struct jsonfile_entry *entry)
{
	size_t name = name_bytes(entry->key);

	return LINE_BYTES + name + entry->text.size +
	    (entry->expires_ms != 0 ? TIME_BYTES + name : 0);
}

size_t evkv__jsonfile_collection_bytes(struct evkv_slice collection)
{
	return 2 * (2 * LINE_BYTES + name_bytes(collection));
}

/* ---- Looking up ---------------------------------------------------------- */

bool evkv__jsonfile_find(const struct jsonfile_table *table,
    struct evkv_slice collection, struct evkv_slice key, size_t *at)
{
	size_t low = 0, high = table->count, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = entry_compare(table->entries[middle], collection, key);
		if (order == 0) {
			*at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	return false;
}

size_t evkv__jsonfile_find_end(const struct jsonfile_table *table,
    struct evkv_slice collection)
{
	size_t low = 0, high = table->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (slice_compare(table->entries[middle]->collection,
			collection) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool evkv__jsonfile_has_collection(const struct jsonfile_table *table,
    struct evkv_slice collection)
{
	size_t end = evkv__jsonfile_find_end(table, collection);

	return end > 0 &&
	    evkv_slice_equal(table->entries[end - 1]->collection, collection);
}

/* ---- Changing ------------------------------------------------------------ */

static bool table_room(struct jsonfile_table *table)
{
	size_t room = table->room * 2 + 64;
	struct jsonfile_entry **entries;

	if (table->count < table->room)
		return true;
	entries = evkv_malloc(room * sizeof(struct jsonfile_entry *));
	if (entries == NULL)
		return false;
	if (table->count > 0)
		memcpy(entries, table->entries,
		    table->count * sizeof(struct jsonfile_entry *));
	evkv_free(table->entries);
	table->entries = entries;
	table->room = room;
	return true;
}

/* What an entry at its place adds to the file, or did. */
static size_t table_share(const struct jsonfile_table *table, size_t at)
{
	const struct jsonfile_entry *entry = table->entries[at];
	size_t bytes = evkv__jsonfile_entry_bytes(entry);
	bool alone = (at == 0 ||
			 !evkv_slice_equal(table->entries[at - 1]->collection,
			     entry->collection)) &&
	    (at + 1 == table->count ||
		!evkv_slice_equal(table->entries[at + 1]->collection,
		    entry->collection));

	if (alone)
		bytes += evkv__jsonfile_collection_bytes(entry->collection);
	return bytes;
}

/* As if the entries came one after the other. */
static void table_count(struct jsonfile_table *table)
{
	size_t count = table->count;

	table->bytes = 0;
	for (table->count = 1; table->count <= count; table->count++)
		table->bytes += table_share(table, table->count - 1);
	table->count = count;
}

bool evkv__jsonfile_insert(struct jsonfile_table *table, size_t at,
    struct jsonfile_entry *entry)
{
	if (!table_room(table))
		return false;
	memmove(table->entries + at + 1, table->entries + at,
	    (table->count - at) * sizeof(struct jsonfile_entry *));
	table->entries[at] = entry;
	table->count++;
	table->bytes += table_share(table, at);
	return true;
}

bool evkv__jsonfile_append(struct jsonfile_table *table,
    struct jsonfile_entry *entry)
{
	if (!table_room(table))
		return false;
	table->entries[table->count++] = entry;
	return true;
}

void evkv__jsonfile_remove(struct jsonfile_table *table, size_t at)
{
	table->bytes -= table_share(table, at);
	evkv_free(table->entries[at]);
	table->count--;
	memmove(table->entries + at, table->entries + at + 1,
	    (table->count - at) * sizeof(struct jsonfile_entry *));
}

void evkv__jsonfile_expire(struct jsonfile_table *table, size_t at,
    int64_t expires_ms)
{
	table->bytes -= evkv__jsonfile_entry_bytes(table->entries[at]);
	table->entries[at]->expires_ms = expires_ms;
	table->bytes += evkv__jsonfile_entry_bytes(table->entries[at]);
}

size_t evkv__jsonfile_remove_if(struct jsonfile_table *table,
    bool (*doomed)(const struct jsonfile_entry *entry, void *arg), void *arg)
{
	size_t i, kept = 0, removed;

	for (i = 0; i < table->count; i++) {
		if (doomed(table->entries[i], arg))
			evkv_free(table->entries[i]);
		else
			table->entries[kept++] = table->entries[i];
	}
	removed = table->count - kept;
	table->count = kept;
	if (removed > 0)
		table_count(table);
	return removed;
}

static int sort_compare(const void *a, const void *b)
{
	const struct jsonfile_entry *one = *(struct jsonfile_entry *const *)a;
	const struct jsonfile_entry *two = *(struct jsonfile_entry *const *)b;
	int order = entry_compare(one, two->collection, two->key);

	/* Of two with one name the later one comes second. */
	return order != 0
	    ? order
	    : (one->offset > two->offset) - (one->offset < two->offset);
}

const struct jsonfile_entry *evkv__jsonfile_sort(struct jsonfile_table *table)
{
	const struct jsonfile_entry *one, *two;
	size_t i;

	if (table->count > 1)
		qsort(table->entries, table->count,
		    sizeof(struct jsonfile_entry *), sort_compare);
	for (i = 1; i < table->count; i++) {
		one = table->entries[i - 1];
		two = table->entries[i];
		if (entry_compare(one, two->collection, two->key) == 0)
			return two;
	}
	table_count(table);
	return NULL;
}

void evkv__jsonfile_clear(struct jsonfile_table *table)
{
	size_t i;

	for (i = 0; i < table->count; i++)
		evkv_free(table->entries[i]);
	evkv_free(table->entries);
	memset(table, 0, sizeof(*table));
}
