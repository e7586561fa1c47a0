/* bench/memory_floor.c - the table that one would write for the job alone. */
#include "memory_floor.h"

#include <stdlib.h>
#include <string.h>

#include "bench.h"

static void table_alloc(struct floor_table *table, size_t groups)
{
	table->tags = aligned_alloc(64,
	    groups * FLOOR_GROUP > 64 ? groups * FLOOR_GROUP : 64);
	table->slots = bench_malloc(groups * FLOOR_GROUP *
	    sizeof(*table->slots));
	bench_check(table->tags != NULL);
	memset(table->tags, FLOOR_EMPTY, groups * FLOOR_GROUP);
	table->mask = groups - 1;
	table->left = groups * (FLOOR_GROUP - 2);
}

static void table_place(struct floor_table *table, struct floor_entry *entry)
{
	size_t group = entry->hash & table->mask, step = 0, at;
	unsigned vacant;

	while ((vacant = floor_match_free(&table->tags[group * FLOOR_GROUP])) ==
	    0)
		group = (group + ++step) & table->mask;
	at = group * FLOOR_GROUP + (unsigned)__builtin_ctz(vacant);
	table->left -= table->tags[at] == FLOOR_EMPTY;
	table->tags[at] = (uint8_t)(entry->hash >> 57);
	table->slots[at] = entry;
}

static void table_rebuild(struct floor_table *table)
{
	size_t groups = table->mask + 1, i;
	struct floor_entry **slots = table->slots;
	uint8_t *tags = table->tags;

	table_alloc(table,
	    table->count > groups * FLOOR_GROUP * 7 / 16 ? 2 * groups : groups);
	for (i = 0; i < groups * FLOOR_GROUP; i++) {
		if ((tags[i] & 0x80) == 0)
			table_place(table, slots[i]);
	}
	free(tags);
	free(slots);
}

void floor_remove(struct floor_table *table, size_t at)
{
	struct floor_entry *entry = table->slots[at];
	const uint8_t *group = &table->tags[at / FLOOR_GROUP * FLOOR_GROUP];
	bool ends = floor_match(group, FLOOR_EMPTY) != 0;

	table->tags[at] = ends ? FLOOR_EMPTY : FLOOR_DELETED;
	table->left += ends;
	table->count--;
	floor_unlink(&entry->link);
	free(entry);
}

void floor_open(struct floor_table *table, size_t max_entries)
{
	memset(table, 0, sizeof(*table));
	table->max_entries = max_entries;
	table->secrets = hash_secrets(1, 2);
	table->ends.newer = table->ends.older = &table->ends;
	table_alloc(table, 1);
}

void floor_close(struct floor_table *table)
{
	struct floor_link *link, *older;

	for (link = table->ends.older; link != &table->ends; link = older) {
		older = link->older;
		free(link);
	}
	free(table->tags);
	free(table->slots);
}

void floor_put_new(struct floor_table *table, struct evkv_slice key,
    struct evkv_slice value, int64_t expires_at_us, uint64_t hash)
{
	struct floor_entry *entry, *last;

	if (table->count == table->max_entries) {
		last = (struct floor_entry *)(void *)table->ends.newer;
		floor_remove(table,
		    floor_find(table, evkv_bytes(last->bytes, last->key_size),
			last->hash));
	}
	entry = bench_malloc(sizeof(*entry) + key.size + value.size);
	entry->expires_at_us = expires_at_us;
	entry->key_size = (uint32_t)key.size;
	entry->value_size = (uint32_t)value.size;
	entry->hash = hash;
	memcpy(entry->bytes, key.data, key.size);
	memcpy(entry->bytes + key.size, value.data, value.size);
	if (table->left == 0)
		table_rebuild(table);
	table_place(table, entry);
	floor_push(table, &entry->link);
	table->count++;
}
