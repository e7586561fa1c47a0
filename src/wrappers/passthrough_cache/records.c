/*
 * wrappers/passthrough_cache/records.c - the keys with which something goes on.
 *
 * A chained hash table with a keyed hash; it grows by doubling and holds only
 * what is under way, so it stays small.
 */
#include "base/siphash.h"
#include "wrappers/passthrough_cache/cache.h"

struct evkv_slice evkv__record_collection(const struct key_record *record)
{
	return evkv_bytes(record->bytes, record->collection_size);
}

struct evkv_slice evkv__record_key(const struct key_record *record)
{
	return evkv_bytes(record->bytes + record->collection_size,
	    record->key_size);
}

static uint64_t hash_of(const struct cache *cache, struct evkv_slice collection,
    struct evkv_slice key)
{
	uint64_t seed = siphash_1_3(cache->hash_key[0], cache->hash_key[1],
	    collection);

	return siphash_1_3(cache->hash_key[0], seed, key);
}

/*
 * A hash that costs next to nothing, and says of most keys that they have no
 * record. Keys that are chosen to agree in it only cost the look-up.
 */
static size_t mark_of(struct evkv_slice key)
{
	uint64_t first = 0, last = 0;
	size_t some = key.size < 8 ? key.size : 8;

	memcpy(&first, key.data, some);
	memcpy(&last, (const char *)key.data + key.size - some, some);
	return (size_t)(((first + key.size) * UINT64_C(0x9e3779b97f4a7c15) ^
			    last * UINT64_C(0xc2b2ae3d27d4eb4f)) >>
		   54) &
	    (RECORD_MARKS - 1);
}

static struct record_bucket *bucket_of(const struct cache *cache, uint64_t hash)
{
	return &cache->buckets[hash & (cache->buckets_size - 1)];
}

static struct key_record *find_hashed(const struct cache *cache, uint64_t hash,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct record_bucket *bucket = bucket_of(cache, hash);
	struct key_record *record;

	SLIST_FOREACH(record, bucket, bucket_link)
	{
		if (record->hash == hash &&
		    evkv_slice_equal(evkv__record_key(record), key) &&
		    evkv_slice_equal(evkv__record_collection(record),
			collection))
			return record;
	}
	return NULL;
}

struct key_record *evkv__record_find(const struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key)
{
	if (cache->marks[mark_of(key)] == 0)
		return NULL;
	return find_hashed(cache, hash_of(cache, collection, key), collection,
	    key);
}

/* Without memory the chains just get longer, unless there are none yet. */
static bool buckets_grow(struct cache *cache)
{
	size_t size = cache->buckets_size == 0 ? RECORD_BUCKETS_FIRST
					       : cache->buckets_size * 2;
	struct record_bucket *buckets;
	struct key_record *record;
	size_t i;

	buckets = evkv_calloc(size, sizeof(*buckets));
	if (buckets == NULL)
		return cache->buckets_size > 0;
	for (i = 0; i < cache->buckets_size; i++) {
		while ((record = SLIST_FIRST(&cache->buckets[i])) != NULL) {
			SLIST_REMOVE_HEAD(&cache->buckets[i], bucket_link);
			SLIST_INSERT_HEAD(&buckets[record->hash & (size - 1)],
			    record, bucket_link);
		}
	}
	evkv_free(cache->buckets);
	cache->buckets = buckets;
	cache->buckets_size = size;
	return true;
}

static struct key_record *record_new(struct cache *cache, uint64_t hash,
    struct evkv_slice collection, struct evkv_slice key)
{
	struct key_record *record;

	record = evkv_calloc(1, sizeof(*record) + collection.size + key.size);
	if (record == NULL)
		return NULL;
	record->hash = hash;
	record->collection_size = (uint8_t)collection.size;
	record->key_size = (uint16_t)key.size;
	if (collection.size > 0)
		memcpy(record->bytes, collection.data, collection.size);
	memcpy(record->bytes + collection.size, key.data, key.size);
	SLIST_INSERT_HEAD(bucket_of(cache, hash), record, bucket_link);
	cache->records++;
	cache->marks[mark_of(key)]++;
	return record;
}

struct key_record *evkv__record_get(struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key)
{
	uint64_t hash = hash_of(cache, collection, key);
	struct key_record *record = NULL;

	if (cache->records > 0)
		record = find_hashed(cache, hash, collection, key);
	if (record == NULL) {
		if (cache->records >= cache->buckets_size &&
		    !buckets_grow(cache))
			return NULL;
		record = record_new(cache, hash, collection, key);
	}
	if (record != NULL)
		record->refs++;
	return record;
}

void evkv__record_put(struct cache *cache, struct key_record *record)
{
	if (--record->refs > 0)
		return;
	SLIST_REMOVE(bucket_of(cache, record->hash), record, key_record,
	    bucket_link);
	cache->records--;
	cache->marks[mark_of(evkv__record_key(record))]--;
	evkv_free(record);
}

void evkv__record_fence(struct key_record *record)
{
	if (record->load == NULL)
		return;
	record->load->fill = false;
	record->load = NULL;
}

bool evkv__record_may_fill(const struct cache *cache,
    const struct key_record *record)
{
	int64_t now_us = evkv_loop_now_us(cache->loop);

	return record->writers == 0 && cache->spanning == 0 &&
	    !record->bypass && !cache->off && record->fill_after_us <= now_us &&
	    cache->fill_after_us <= now_us;
}

bool evkv__record_bypassed(const struct cache *cache,
    const struct key_record *record)
{
	return cache->off || (record != NULL && record->bypass);
}

void evkv__records_free(struct cache *cache)
{
	struct key_record *record;
	size_t i;

	for (i = 0; i < cache->buckets_size; i++) {
		while ((record = SLIST_FIRST(&cache->buckets[i])) != NULL) {
			SLIST_REMOVE_HEAD(&cache->buckets[i], bucket_link);
			evkv_free(record);
		}
	}
	evkv_free(cache->buckets);
}
