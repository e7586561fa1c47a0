/*
 * wrappers/passthrough_cache/cache.h - what the parts of the cache share.
 *
 * A key has a record while something is going on with it: a load that others
 * may join, writes that have not ended, or an entry of the cache that is
 * suspect. The rules that keep the cache true:
 *
 *   - a write takes the key's load off the record when it begins, when it is
 *     sent to the primary and when it ends: such a load answers its waiters,
 *     but nothing joins it any more and it does not fill;
 *   - while a write is under way, and for stall_timeout after one of unknown
 *     outcome, loads of its key do not fill;
 *   - a key whose eviction failed goes past the cache until an eviction
 *     succeeds, or until max_ttl has passed and the entry with it;
 *   - operations that span keys do the same for all keys, by an epoch;
 *   - when the wall clock is set the cache is emptied, for entries there may
 *     expire by another clock than the primary's;
 *   - once the cache has answered later than inside submit, operations on one
 *     key begin in order (EVKV_VTABLE_ORDERED): without that a later one could
 *     come to the primary first. Until then the primary's own order is enough.
 */
#ifndef EVKV_WRAPPERS_PASSTHROUGH_CACHE_CACHE_H
#define EVKV_WRAPPERS_PASSTHROUGH_CACHE_CACHE_H

#include <sys/queue.h>

#include "evkv/driver.h"
#include "evkv/wrappers/passthrough_cache.h"

#define RECORD_BUCKETS_FIRST 64

struct get;
struct load;
struct load_key;

struct key_record {
	SLIST_ENTRY(key_record) bucket_link;
	uint64_t hash;
	uint32_t refs; /* writes, loads and the list of suspects */
	uint32_t writers;
	struct load_key *load; /* the one that may be joined */
	bool suspect;          /* on the list of suspects */
	bool bypass; /* the cache may hold what is not true any more */
	int64_t bypass_until_us; /* INT64_MAX: until it is evicted */
	int64_t evict_after_us;  /* no sooner, or it may come back */
	int64_t fill_after_us;   /* 0 = may be filled */
	LIST_ENTRY(key_record) suspect_link;
	uint8_t collection_size;
	uint16_t key_size;
	char bytes[]; /* collection, key */
};

SLIST_HEAD(record_bucket, key_record);

/* A child that belongs to no op: a load, a fill, a repair. */
struct background {
	LIST_ENTRY(background) link;
	struct evkv_op *child; /* NULL inside the submitting call */
};

struct cache {
	struct evkv_passthrough_cache_options options; /* as given */
	struct evkv_loop *loop;
	struct evkv_store *node, *primary, *cache;
	int64_t max_ttl_ms;
	int64_t stall_us;
	int64_t cache_timeout_ms;
	int64_t primary_unit_ms, cache_unit_ms, cache_excess_ms;
	int64_t jitter_ms;
	bool ask_ttl;
	size_t max_bypass;
	size_t max_key, max_value; /* that the cache takes */

	struct record_bucket *buckets;
	size_t buckets_size, records; /* a power of two */
	uint64_t hash_key[2];

	uint64_t epoch;        /* counts spanning writes, begun and ended */
	uint32_t spanning;     /* under way */
	int64_t fill_after_us; /* for every key */
	bool off;              /* go past the cache altogether */
	int64_t off_until_us, off_evict_after_us;
	bool repairing;      /* the clear_all that ends `off` is under way */
	uint64_t wall_jumps; /* of the loop, that the cache has seen */

	LIST_HEAD(, key_record) suspects;
	size_t suspect_count;
	struct evkv_timer repair_timer;

	/* Under way in a cache that answers later. */
	LIST_HEAD(, load) fills;

	LIST_HEAD(, background) background;
	bool closing;
};

/* An entry of a get that waits for a load; lives in the get's op. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	struct get *get;
	size_t i;
};

struct load_key {
	struct load *load;
	struct key_record *record;
	STAILQ_HEAD(, waiter) waiters;
	bool fill; /* no write has begun since the load did */
};

/* One request to the primary, for the keys that nobody was loading yet. */
struct load {
	struct cache *cache;
	uint64_t epoch;
	int64_t sent_us;
	uint32_t refs; /* the load itself, and the fill that follows */
	struct background load, fill;
	bool filling; /* in cache->fills */
	LIST_ENTRY(load) link;
	size_t count;
	struct load_key keys[];
};

/* records.c */
struct evkv_slice evkv__record_collection(const struct key_record *record);
struct evkv_slice evkv__record_key(const struct key_record *record);
/* The key's record, or NULL if nothing is going on with it. */
struct key_record *evkv__record_find(const struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key);
/* The same, made if need be, with a reference; NULL = no memory. */
struct key_record *evkv__record_get(struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key);
void evkv__record_put(struct cache *cache, struct key_record *record);
/* Nobody joins the load of this key any more, and it does not fill. */
void evkv__record_fence(struct key_record *record);
bool evkv__record_may_fill(const struct cache *cache,
    const struct key_record *record);
bool evkv__record_bypassed(const struct cache *cache,
    const struct key_record *record);
void evkv__records_free(struct cache *cache);

/* repair.c */
/*
 * The cache may hold an untrue entry of this key from now on; one that might
 * still arrive there (`late`) is not worth evicting yet.
 */
void evkv__repair_bypass(struct cache *cache, struct key_record *record,
    bool late);
/* A write of this key may still take effect: no fills for a while. */
void evkv__repair_unknown(struct cache *cache, struct key_record *record);
/* What was on its way into the cache is there: it has to go again. */
void evkv__repair_landed(struct cache *cache, struct key_record *record);
/* As evkv__repair_bypass(), for the whole cache. */
void evkv__repair_all(struct cache *cache, bool late);
/* As evkv__repair_all(), where the wall clock was set since the last call. */
void evkv__repair_clocks(struct cache *cache);
void evkv__repair_end(struct cache *cache);
void evkv__repair_run(void *arg);

/* reads.c */
enum evkv_verdict evkv__cache_read(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);
/* Entry i of a get has its answer. */
void evkv__get_answered(struct get *get);
struct evkv_op *evkv__get_op(struct get *get);

/* loads.c */
/*
 * Load key i of the get, or wait for the load that is under way. Collected in
 * `load`, which evkv__load_send() consumes. false = no memory.
 */
struct load *evkv__load_new(struct cache *cache, size_t most);
bool evkv__load_add(struct load *load, struct get *get, size_t i,
    const struct evkv_request *request);
void evkv__load_send(struct load *load);

/* writes.c */
enum evkv_verdict evkv__cache_write(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);

/*
 * A child of the op is under way in the cache, which is slow then: from now on
 * operations on one key begin in order. The op is kept; without memory for it
 * the child is given up, as a cache that failed.
 */
void evkv__cache_wait(struct cache *cache, struct evkv_op *op,
    struct evkv_op *child);

/*
 * Submit a child without a parent, which is given up when the cache is closed.
 * `cb` calls evkv__background_end() first of all.
 */
struct evkv_op *evkv__background_submit(struct cache *cache,
    struct background *background, struct evkv_store *store,
    const struct evkv_request *request, evkv_child_cb cb, void *arg);
void evkv__background_end(struct background *background);

#endif
