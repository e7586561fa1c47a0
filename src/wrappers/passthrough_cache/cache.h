/*
 * wrappers/passthrough_cache/cache.h - what the parts of the cache share.
 *
 * A key has a note (struct note) while something is going on with it: a load
 * that others may join, writes that have not ended, or trouble with the cache.
 * The rules that keep the cache true:
 *
 *   - a write takes the key's load off the note when it begins, when it is
 *     sent to the primary and when it ends: such a load answers those who wait
 *     for it, but nobody joins it any more and it does not fill;
 *   - while a write is under way, and for stall_timeout after one of unknown
 *     outcome, loads of its key do not fill;
 *   - a key whose eviction failed goes past the cache until an eviction
 *     succeeds, or until max_ttl has passed and the entry with it;
 *   - operations that span keys do the same for all keys, by an epoch;
 *   - operations on one key are completed in their order, and begin in it where
 *     the cache answers later (order.c).
 */
#ifndef EVKV_WRAPPERS_PASSTHROUGH_CACHE_CACHE_H
#define EVKV_WRAPPERS_PASSTHROUGH_CACHE_CACHE_H

#include "evkv/driver.h"
#include "evkv/wrappers/passthrough_cache.h"

#define NOTE_BUCKETS_FIRST 64

struct get;
struct load;
struct load_key;
struct turn_key;

struct note {
	struct note *next; /* in its bucket */
	uint64_t hash;
	uint32_t refs; /* writes, loads and trouble that need it */
	uint32_t writers;
	struct load_key *load; /* the one that may be joined */
	bool troubled;         /* on the list of troubled notes */
	bool bypass; /* the cache may hold what is not true any more */
	int64_t bypass_until_us; /* INT64_MAX: until it is evicted */
	int64_t evict_after_us;  /* no sooner, or it may come back */
	int64_t fill_after_us;   /* 0 = may be filled */
	struct note *troubled_next, **troubled_link;
	struct turn_key *first_turn, *last_turn; /* who stands in line */
	uint32_t turn_writes; /* how many of them are writes */
	uint8_t collection_size;
	uint16_t key_size;
	char bytes[]; /* collection, key */
};

struct cache {
	struct evkv_passthrough_cache_options options; /* as given */
	struct evkv_loop *loop;
	struct evkv_store *node, *primary, *cache;
	int64_t max_ttl_ms;
	int64_t stall_us;
	int64_t cache_timeout_ms;
	int64_t primary_unit_ms, cache_unit_ms;
	size_t max_bypass;
	size_t max_key, max_value; /* that the cache takes */

	struct note **buckets;
	size_t buckets_size, notes; /* a power of two */
	uint64_t hash_key[2];

	uint64_t epoch;        /* counts spanning writes, begun and ended */
	uint32_t spanning;     /* under way */
	int64_t fill_after_us; /* for every key */
	bool off;              /* go past the cache altogether */
	int64_t off_until_us, off_evict_after_us;
	bool repairing; /* the clear_all that ends `off` is under way */

	struct note *troubled;
	size_t troubled_count;
	struct evkv_timer repair_timer;

	struct load *fills; /* under way in a cache that answers later */
	/* order.c */
	bool slow;    /* the cache has answered later, and may again */
	bool running; /* those that are due */
	struct turn *due, **due_tail;

	size_t background; /* loads, fills and repairs that belong to nobody */
	bool closing;
};

/* The place of an operation in the queue of one of its keys. */
struct turn_key {
	struct turn *turn;
	struct note *note;
	struct turn_key *next, *previous;
	bool write_before; /* a write stands further in front */
};

/* An operation on keys, as order.c sees it; the first thing in its state. */
struct turn {
	struct cache *cache;
	struct evkv_op *op;
	void (*begin)(struct turn *turn); /* its turn has come, or `stopped` */
	bool writes;
	bool queued, begun, ended, stopped;
	size_t before;        /* keys at which it is not the first */
	size_t writes_before; /* keys at which a write is before it */
	size_t count;
	struct turn_key *keys, one;
	struct turn *due_next, **due_link;
};

/* An entry of a get that waits for a load; lives in the get's op. */
struct waiter {
	struct waiter *next;
	struct get *get;
	size_t i;
};

struct load_key {
	struct load *load;
	struct note *note;
	struct waiter *waiters, **waiters_tail;
	bool fill; /* no write has begun since the load did */
};

/* One request to the primary, for the keys that nobody was loading yet. */
struct load {
	struct cache *cache;
	uint64_t epoch;
	int64_t sent_us;
	uint32_t refs; /* the load itself, and the fill that follows */
	struct load *next, **link; /* in cache->fills */
	size_t count;
	struct load_key keys[];
};

/* notes.c */
struct evkv_slice evkv__note_collection(const struct note *note);
struct evkv_slice evkv__note_key(const struct note *note);
/* The key's note, or NULL if nothing is going on with it. */
struct note *evkv__note_find(const struct cache *cache,
    struct evkv_slice collection, struct evkv_slice key);
/* The same, made if need be, with a reference; NULL = no memory. */
struct note *evkv__note_get(struct cache *cache, struct evkv_slice collection,
    struct evkv_slice key);
void evkv__note_put(struct cache *cache, struct note *note);
/* Nobody joins the load of this key any more, and it does not fill. */
void evkv__note_fence(struct note *note);
bool evkv__note_may_fill(const struct cache *cache, const struct note *note);
bool evkv__note_bypassed(const struct cache *cache, const struct note *note);
void evkv__notes_free(struct cache *cache);

/* order.c */
void evkv__turn_init(struct turn *turn, struct cache *cache, struct evkv_op *op,
    void (*begin)(struct turn *turn));
/* Whether another operation stands in line at one of the keys. */
bool evkv__turn_needed(const struct cache *cache,
    const struct evkv_request *request);
/* Stand in line, if it does not yet; notes may be NULL. false = no memory. */
bool evkv__turn_queue(struct turn *turn, const struct evkv_request *request,
    struct note *const *notes);
/* Whether it may begin now; if not, turn->begin is called when it may. */
bool evkv__turn_begin(struct turn *turn);
/* It has its answer inside submit. false: it has to wait to be completed. */
bool evkv__turn_over(struct turn *turn);
/* It has its answer later: completes it now or in its turn. */
void evkv__turn_end(struct turn *turn);
/* Its waiter is told off. */
void evkv__turn_stop(struct turn *turn);

/* trouble.c */
/*
 * The cache may hold an untrue entry of this key from now on; one that might
 * still arrive there (`late`) is not worth evicting yet.
 */
void evkv__trouble_bypass(struct cache *cache, struct note *note, bool late);
/* A write of this key may still take effect: no fills for a while. */
void evkv__trouble_unknown(struct cache *cache, struct note *note);
/* What was on its way into the cache is there: it has to go again. */
void evkv__trouble_landed(struct cache *cache, struct note *note);
/* As evkv__trouble_bypass(), for the whole cache. */
void evkv__trouble_all(struct cache *cache, bool late);
void evkv__trouble_end(struct cache *cache);
void evkv__trouble_repair(void *arg);

/* reads.c */
enum evkv_verdict evkv__cache_read(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);
/* The primary alone, in turn. */
enum evkv_verdict evkv__cache_ask(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);
/* loads.c */
/*
 * Load key i of the get, or wait for the load that is under way. Collected in
 * `load`, which evkv__load_send() consumes. false = no memory.
 */
struct load *evkv__load_new(struct cache *cache, size_t most);
bool evkv__load_add(struct load *load, struct get *get, size_t i,
    const struct evkv_request *request);
void evkv__load_send(struct load *load);
/* reads.c: entry i of a get has its answer. */
void evkv__get_answered(struct get *get);
struct evkv_op *evkv__get_op(struct get *get);

/* writes.c */
enum evkv_verdict evkv__cache_write(struct cache *cache, struct evkv_op *op,
    const struct evkv_request *request);

/* A piece of work that belongs to no op has begun, or ended. */
void evkv__cache_begin(struct cache *cache);
void evkv__cache_end(struct cache *cache);

#endif
