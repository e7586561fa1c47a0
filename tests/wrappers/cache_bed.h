/*
 * tests/wrappers/cache_bed.h - a pass-through cache between two simple stores,
 * each behind a gate, so that a test decides what is late or fails.
 */
#ifndef TESTS_WRAPPERS_CACHE_BED_H
#define TESTS_WRAPPERS_CACHE_BED_H

#include "evkv/driver.h"
#include "gate.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

/* What the store in the cache's place is like. */
enum bed_cache {
	BED_LOCAL,  /* in this process */
	BED_REMOTE, /* not: needs a max_ttl_ms */
	BED_NARROW, /* remote; keys and values of 16 bytes, TTLs in seconds */
};

struct cache_bed {
	struct rig rig;
	struct gate *primary, *cache;
	struct evkv_store *store; /* NULL where the test has given it up */
	struct evkv_store *below; /* the primary, under its gate */
	struct evkv_store *tier;  /* the cache, under its gate */
};

/* NULL for the options' defaults. */
void bed_open(struct cache_bed *bed, enum bed_cache kind,
    const struct evkv_passthrough_cache_options *options);
void bed_close(struct cache_bed *bed);

/* Turn until nothing moves any more that is not held or waits for the time. */
void bed_settle(struct cache_bed *bed);
/* Let time pass, then settle. */
void bed_pass_time(struct cache_bed *bed, int64_t ms);

/* Into the collection C of one of the stores; waits, and has to go well. */
void bed_put(struct cache_bed *bed, struct evkv_store *store,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms);
/* The value of the key in the store, or "-"; lives until the next call. */
const char *bed_value(struct cache_bed *bed, struct evkv_store *store,
    struct evkv_slice key);
/* K is that in the chain, and is in the cache after it. */
void bed_check_filled(struct cache_bed *bed, const char *expected);
/* K's TTL in the store; -1 where it is not there. */
int64_t bed_ttl(struct cache_bed *bed, struct evkv_store *store);

/* Ask for K, with EVKV_FLAG_* beyond SINGLE, and settle. */
void bed_ask(struct cache_bed *bed, enum evkv_kind kind, uint32_t flags,
    struct answer *a);
/*
 * What a get of K is answered at once: "v", "v stale 120" with the age, "-", "-
 * cached 5", or the name of a failure; lives until the next call.
 */
const char *bed_told(struct cache_bed *bed, uint32_t flags);
/* The same of an answer that is there. */
const char *bed_words(const struct answer *a);
/* The primary fails all loads with this status; OK: it does not. */
void bed_fail_loads(struct cache_bed *bed, enum evkv_status status);
/* Loads that the primary has seen so far. */
unsigned bed_loads(const struct cache_bed *bed);
/* Forget K in the cache, and settle. */
void bed_invalidate(struct cache_bed *bed, enum evkv_invalidate how);

/* The cache refuses to evict, or does so again. */
void bed_fail_evictions(struct cache_bed *bed, bool fail);

#endif
