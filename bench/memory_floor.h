/*
 * bench/memory_floor.h - the table that one would write for the job alone: the
 * yardstick for the memory store.
 *
 * A swiss table of pointers, one malloc() for each entry, expiry and true LRU;
 * no collections, no pins, no bounded steps, no versions. Its load is between
 * 44 and 88 percent. A get does all that a cache's get has to: hash, look-up,
 * comparison, expiry, the move to the front, a view of the value. It is inlined
 * where it is used, and knows there how long a key is.
 */
#ifndef BENCH_MEMORY_FLOOR_H
#define BENCH_MEMORY_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stores/memory/hash.h"

struct floor_link {
	struct floor_link *newer, *older;
};

struct floor_entry {
	struct floor_link link; /* first: a link is its entry */
	int64_t expires_at_us;
	uint32_t key_size, value_size;
	uint64_t hash;
	char bytes[]; /* the key, then the value */
};

struct floor_table {
	uint8_t *tags; /* in groups of 16 */
	struct floor_entry **slots;
	size_t mask; /* groups - 1 */
	size_t left; /* slots that may be filled before it is built anew */
	size_t count, max_entries;
	struct floor_link ends; /* older: the newest entry; newer: the oldest */
	struct memory_secrets secrets;
};

void floor_open(struct floor_table *table, size_t max_entries);
void floor_close(struct floor_table *table);

/* Of a key that is not there. */
void floor_put_new(struct floor_table *table, struct evkv_slice key,
    struct evkv_slice value, int64_t expires_at_us, uint64_t hash);
/* The entry in a slot. */
void floor_remove(struct floor_table *table, size_t at);

#define FLOOR_GROUP 16
#define FLOOR_EMPTY 0x80
#define FLOOR_DELETED 0xfe

#ifdef __SSE2__
#include <emmintrin.h>

static inline unsigned floor_match(const uint8_t *tags, uint8_t tag)
{
	__m128i group = _mm_load_si128((const __m128i *)(const void *)tags);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(group,
	    _mm_set1_epi8((char)tag)));
}

/* Empty or deleted. */
static inline unsigned floor_match_free(const uint8_t *tags)
{
	return (unsigned)_mm_movemask_epi8(
	    _mm_load_si128((const __m128i *)(const void *)tags));
}
#else
static inline unsigned floor_match(const uint8_t *tags, uint8_t tag)
{
	unsigned found = 0, i;

	for (i = 0; i < FLOOR_GROUP; i++)
		found |= (unsigned)(tags[i] == tag) << i;
	return found;
}

static inline unsigned floor_match_free(const uint8_t *tags)
{
	unsigned found = 0, i;

	for (i = 0; i < FLOOR_GROUP; i++)
		found |= (unsigned)(tags[i] >> 7) << i;
	return found;
}
#endif

/* Without a call: keys are short. */
static inline bool floor_same(const char *a, const char *b, size_t size)
{
	for (; size >= 8; size -= 8, a += 8, b += 8) {
		if (hash_read_8(a) != hash_read_8(b))
			return false;
	}
	return size == 0 || memcmp(a, b, size) == 0;
}

/* Its number, or SIZE_MAX. */
static inline size_t floor_find(const struct floor_table *table,
    struct evkv_slice key, uint64_t hash)
{
	size_t group = hash & table->mask, step = 0, at;
	const struct floor_entry *entry;
	unsigned found;

	for (;; group = (group + ++step) & table->mask) {
		found = floor_match(&table->tags[group * FLOOR_GROUP],
		    (uint8_t)(hash >> 57));
		for (; found != 0; found &= found - 1) {
			at = group * FLOOR_GROUP +
			    (unsigned)__builtin_ctz(found);
			entry = table->slots[at];
			if (entry->hash == hash &&
			    entry->key_size == key.size &&
			    floor_same(entry->bytes, key.data, key.size))
				return at;
		}
		if (floor_match(&table->tags[group * FLOOR_GROUP],
			FLOOR_EMPTY) != 0)
			return SIZE_MAX;
	}
}

static inline void floor_unlink(struct floor_link *link)
{
	link->newer->older = link->older;
	link->older->newer = link->newer;
}

static inline void floor_push(struct floor_table *table,
    struct floor_link *link)
{
	link->newer = &table->ends;
	link->older = table->ends.older;
	link->older->newer = link;
	table->ends.older = link;
}

static inline void floor_use(struct floor_table *table, struct floor_link *link)
{
	if (table->ends.older == link)
		return;
	floor_unlink(link);
	floor_push(table, link);
}

/* NULL: not there, or expired. */
static inline struct floor_entry *floor_get(struct floor_table *table,
    struct evkv_slice key, int64_t now_us)
{
	size_t at = floor_find(table, key, hash_key(&table->secrets, key));
	struct floor_entry *entry;

	if (at == SIZE_MAX)
		return NULL;
	entry = table->slots[at];
	if (now_us >= entry->expires_at_us)
		return NULL;
	floor_use(table, &entry->link);
	return entry;
}

/* In place where the value has the same size. Evicts what is over the bound. */
static inline void floor_put(struct floor_table *table, struct evkv_slice key,
    struct evkv_slice value, int64_t expires_at_us)
{
	uint64_t hash = hash_key(&table->secrets, key);
	size_t at = floor_find(table, key, hash);
	struct floor_entry *entry;

	if (at != SIZE_MAX && table->slots[at]->value_size != value.size) {
		floor_remove(table, at);
		at = SIZE_MAX;
	}
	if (at == SIZE_MAX) {
		floor_put_new(table, key, value, expires_at_us, hash);
		return;
	}
	entry = table->slots[at];
	entry->expires_at_us = expires_at_us;
	memcpy(entry->bytes + key.size, value.data, value.size);
	floor_use(table, &entry->link);
}

#endif
