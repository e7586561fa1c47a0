/*
 * wrappers/passthrough_cache/notes.c - the keys with which something goes on.
 *
 * A chained hash table with a keyed hash; it grows by doubling and holds only
 * what is under way, so it stays small.
 */
#include "base/siphash.h"
#include "wrappers/passthrough_cache/cache.h"

struct evkv_slice evkv__note_collection(const struct note *note)
{
	return evkv_bytes(note->bytes, note->collection_size);
}

struct evkv_slice evkv__note_key(const struct note *note)
{
	return evkv_bytes(note->bytes + note->collection_size, note->key_size);
}

static uint64_t hash_of(const struct cache *cache, struct evkv_slice collection,
    struct evkv_slice key)
{
	uint64_t seed = siphash_1_3(cache->hash_key[0], cache->hash_key[1],
	    collection);

	return siphash_1_3(cache->hash_key[0], seed, key);
}

static struct note *find_hashed(const struct cache *cache, uint64_t hash,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct note *note = cache->buckets[hash & (cache->buckets_size - 1)];

	for (; note != NULL; note = note->next) {
		if (note->hash == hash &&
		    evkv_slice_equal(evkv__note_key(note), key) &&
		    evkv_slice_equal(evkv__note_collection(note), collection))
			return note;
	}
	return NULL;
}

struct note *evkv__note_find(const struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key)
{
	if (cache->notes == 0)
		return NULL;
	return find_hashed(cache, hash_of(cache, collection, key), collection,
	    key);
}

/* Without memory the chains just get longer, unless there are none yet. */
static bool buckets_grow(struct cache *cache)
{
	size_t size = cache->buckets_size == 0 ? NOTE_BUCKETS_FIRST
					       : cache->buckets_size * 2;
	struct note **buckets, *note;
	size_t i;

	buckets = evkv_calloc(size, sizeof(struct note *));
	if (buckets == NULL)
		return cache->buckets_size > 0;
	for (i = 0; i < cache->buckets_size; i++) {
		while ((note = cache->buckets[i]) != NULL) {
			cache->buckets[i] = note->next;
			note->next = buckets[note->hash & (size - 1)];
			buckets[note->hash & (size - 1)] = note;
		}
	}
	evkv_free(cache->buckets);
	cache->buckets = buckets;
	cache->buckets_size = size;
	return true;
}

static struct note *note_new(struct cache *cache, uint64_t hash,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct note *note, **bucket;

	note = evkv_calloc(1, sizeof(*note) + collection.size + key.size);
	if (note == NULL)
		return NULL;
	note->hash = hash;
	note->collection_size = (uint8_t)collection.size;
	note->key_size = (uint16_t)key.size;
	if (collection.size > 0)
		memcpy(note->bytes, collection.data, collection.size);
	memcpy(note->bytes + collection.size, key.data, key.size);
	bucket = &cache->buckets[hash & (cache->buckets_size - 1)];
	note->next = *bucket;
	*bucket = note;
	cache->notes++;
	return note;
}

struct note *evkv__note_get(struct cache *cache, struct evkv_slice collection,
    struct evkv_slice key)
{
	uint64_t hash = hash_of(cache, collection, key);
	struct note *note = NULL;

	if (cache->notes > 0)
		note = find_hashed(cache, hash, collection, key);
	if (note == NULL) {
		if (cache->notes >= cache->buckets_size && !buckets_grow(cache))
			return NULL;
		note = note_new(cache, hash, collection, key);
	}
	if (note != NULL)
		note->refs++;
	return note;
}

void evkv__note_put(struct cache *cache, struct note *note)
{
	struct note **link;

	if (--note->refs > 0)
		return;
	link = &cache->buckets[note->hash & (cache->buckets_size - 1)];
	while (*link != note)
		link = &(*link)->next;
	*link = note->next;
	cache->notes--;
	evkv_free(note);
}

void evkv__note_fence(struct note *note)
{
	if (note->load == NULL)
		return;
	note->load->fill = false;
	note->load = NULL;
}

bool evkv__note_may_fill(const struct cache *cache, const struct note *note)
{
	int64_t now_us = evkv_loop_now_us(cache->loop);

	return note->writers == 0 && cache->spanning == 0 && !note->bypass &&
	    !cache->off && note->fill_after_us <= now_us &&
	    cache->fill_after_us <= now_us;
}

bool evkv__note_bypassed(const struct cache *cache, const struct note *note)
{
	return cache->off || (note != NULL && note->bypass);
}

void evkv__notes_free(struct cache *cache)
{
	struct note *note;
	size_t i;

	for (i = 0; i < cache->buckets_size; i++) {
		while ((note = cache->buckets[i]) != NULL) {
			cache->buckets[i] = note->next;
			evkv_free(note);
		}
	}
	evkv_free(cache->buckets);
}
