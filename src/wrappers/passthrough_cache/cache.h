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
 *   - where a mode needs it, entries of the cache have a head that says when
 *     their load began (head.h). A load in the background is one without
 *     waiters, so all of this holds for it;
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
#define RECORD_MARKS 1024 /* a power of two */

struct get;
struct load;
struct load_key;

struct key_record {
	SLIST_ENTRY(key_record) bucket_link;
	uint64_t hash;
	uint32_t refs; /* writes, loads and the two lists */
	uint32_t writers;
	struct load_key *load; /* the one that may be joined */
	bool suspect;          /* on the list of suspects */
	bool bypass; /* the cache may hold what is not true any more */
	int64_t bypass_until_us; /* INT64_MAX: until it is evicted */
	int64_t evict_after_us;  /* no sooner, or it may come back */
	int64_t fill_after_us;   /* 0 = may be filled */
	LIST_ENTRY(key_record) suspect_link;
	uint32_t writes;        /* that have begun so far */
	bool backing_off;       /* on the list of backoffs */
	int64_t retry_after_us; /* its load has failed */
	TAILQ_ENTRY(key_record) backoff_link;
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
	int64_t longest_ms; /* that an entry stays in the cache; 0 = for ever */
	int64_t stale_ms;   /* the longer one of the two windows */
	int64_t stall_us;
	int64_t backoff_us;
	int64_t cache_timeout_ms;
	int64_t primary_unit_ms, cache_unit_ms;
	int64_t cache_excess_ms, excess_ms; /* of the cache; of both */
	bool ask_ttl;
	bool heads;     /* entries have one */
	bool monotonic; /* heads count by the loop's clock: they are our own */
	bool caches_below; /* the primary takes EVKV_FLAG_CACHED_ONLY */
	size_t max_bypass;
	size_t max_key, max_value; /* that the cache takes */
	struct evkv_passthrough_cache_counters counters;
	uint64_t loaded; /* keys, well */

	struct record_bucket *buckets;
	size_t buckets_size, records; /* a power of two */
	uint64_t hash_key[2];
	uint32_t marks[RECORD_MARKS]; /* records by a cheaper hash */

	uint64_t epoch;        /* counts spanning writes, begun and ended */
	uint32_t spanning;     /* under way */
	int64_t fill_after_us; /* for every key */
	bool off;              /* go past the cache altogether */
	int64_t off_until_us, off_evict_after_us;
	bool repairing;      /* the clear_all that ends `off` is under way */
	uint64_t wall_jumps; /* of the loop, that the cache has seen */

	/* By when they end, for all are as long. */
	TAILQ_HEAD(backoffs, key_record) backoffs;
	size_t backoff_count;

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
	TAILQ_ENTRY(waiter) link;
	SLIST_ENTRY(waiter) soft_link; /* of those that will take a stale one */
	struct load_key *key;          /* NULL: it has its answer */
	struct get *get;
	size_t i;
};

struct load_key {
	struct load *load;
	struct key_record *record;
	TAILQ_HEAD(, waiter) waiters;
	bool fill; /* no write has begun since the load did */
};

/*
 * One request to the primary, for the keys that nobody was loading yet; or a
 * put that has gone well, whose values fill the cache.
 */
struct load {
	struct cache *cache;
	uint64_t epoch;
	int64_t sent_us;  /* when it was sent, which is when it began */
	int64_t stamp_us; /* the same, as heads have it */
	uint32_t refs;    /* the load itself, and what follows in the cache */
	bool fresh;       /* past the caches below, too */
	struct background load, fill, removal;
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
/* Have the timer look at the lists. */
void evkv__repair_later(struct cache *cache);
void evkv__repair_run(void *arg);

/* table.c */
/* The options, read and checked; false: `error` is filled. */
bool evkv__cache_options(const struct evkv_store *primary,
    const struct evkv_store *cache, const void *given, size_t size,
    struct evkv_passthrough_cache_options *options, struct evkv_error *error);

/* passthrough_cache.c */
extern const struct evkv_vtable evkv__cache_vtable;

/* counters.c */
void evkv__cache_metrics(void *self, struct evkv_metrics *metrics);

/* backoff.c */
/* A load of this key has failed. */
void evkv__backoff_begin(struct cache *cache, struct key_record *record);
void evkv__backoff_end(struct cache *cache, struct key_record *record);
/* Whether none may be begun yet, where there is something else to serve. */
bool evkv__backoff_holds(const struct cache *cache,
    const struct key_record *record);
/* Let go of those that are over. */
void evkv__backoff_sweep(struct cache *cache);

/* reads.c */
enum evkv_verdict evkv__cache_read(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);
/* So many entries of a get have their answer. */
void evkv__get_answered(struct get *get, size_t count);
struct evkv_op *evkv__get_op(struct get *get);
/*
 * Give entry i what the cache had for it, though it is no longer fresh; false:
 * there is nothing that may be served.
 */
bool evkv__get_fall_back(struct get *get, size_t i, bool failed);

/* loads.c */
/*
 * Load key i of the get, or wait for the load that is under way. Collected in
 * `load`, which evkv__load_send() consumes. NULL = no memory.
 */
struct load *evkv__load_new(struct cache *cache, size_t most);
/* One more key, whose reference is taken over. */
struct load_key *evkv__load_key(struct load *load, struct key_record *record);
struct waiter *evkv__load_add(struct load *load, struct get *get, size_t i,
    const struct evkv_request *request);
/* Load key i of the request, if nobody does, for nobody. */
void evkv__load_refresh(struct load *load, const struct evkv_request *request,
    size_t i);
void evkv__load_send(struct load *load);
void evkv__load_put(struct load *load);

/* fills.c */
/* What goes into the cache, and what is taken out of it; in memory of an op. */
struct fill {
	struct load *load;
	struct evkv_slice *keys, *gone;
	struct evkv_value **values;
	int64_t *ttls_ms;
	size_t count, gone_count;
};
/* For as many keys as the load has; false = no memory. */
bool evkv__fill_begin(struct fill *fill, struct load *load, struct evkv_op *op);
/*
 * What the primary has for key i of the load, an answer or what was put there;
 * `value` may be NULL, where `bytes` are to be copied.
 */
void evkv__fill_add(struct fill *fill, size_t i, struct evkv_slice bytes,
    struct evkv_value *value, int64_t left_ms);
/* The primary has no such entry. */
void evkv__fill_absent(struct fill *fill, size_t i);
void evkv__fill_send(struct fill *fill);

/* writes.c */
struct write {
	struct cache *cache;
	struct evkv_op *op;
	struct key_record **records; /* one for each key; none where it spans */
	size_t count;
	bool cached_only; /* of the cache: the primary is not written */
	size_t waiting;   /* for the cache, softening */
	struct put *put;  /* what is to fill the cache; NULL = nothing */
};
enum evkv_verdict evkv__cache_write(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);

/* An invalidation has been done in this cache: on to those below, or the end.
 */
void evkv__write_below(struct write *write);

/* puts.c: fill_on_put */
/*
 * Note what is put, before it is; note what went well; and fill, when the
 * fences are down again. true: the request has been kept.
 */
bool evkv__put_begin(struct write *write, const struct evkv_request *request);
void evkv__put_judge(struct write *write, const struct evkv_result *result);
void evkv__put_end(struct write *write);

/* softens.c */
/*
 * Leave what the cache has of the keys for where their load fails alone. false:
 * no memory for it, evict.
 */
bool evkv__soften(struct write *write, const struct evkv_request *request);

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
