/*
 * wrappers/passthrough_cache/head.h - what stands before the value in an entry
 * of the cache, where a mode needs it (docs/passthrough-cache.md).
 */
#ifndef EVKV_WRAPPERS_PASSTHROUGH_CACHE_HEAD_H
#define EVKV_WRAPPERS_PASSTHROUGH_CACHE_HEAD_H

#include "wrappers/passthrough_cache/cache.h"

#define HEAD_SIZE 16
#define HEAD_MS_MAX INT64_C(0xffffffff) /* of both lengths; longer is cut */

struct head {
	int64_t loaded_us; /* when its load began */
	int64_t fresh_ms;  /* from then on */
	int64_t stale_ms;  /* that it may be served for after it */
	bool absent;       /* the primary has no such entry */
	bool expired;      /* invalidated: for where the load fails alone */
};

/* How far an entry is in its life. */
enum life {
	LIFE_FRESH,
	LIFE_STALE, /* may be served while it is loaded */
	LIFE_LAST,  /* may be served where its load has failed */
	LIFE_OVER,
};

/* Now, as heads count: other processes may share a cache elsewhere. */
int64_t evkv__head_now_us(const struct cache *cache);

void evkv__head_write(const struct head *head, unsigned char *bytes);
/* false: it begins with no head. */
bool evkv__head_read(struct evkv_slice bytes, struct head *head);

enum life evkv__head_life(const struct cache *cache, const struct head *head,
    int64_t now_us);
/* Whether a hit is to begin a load, ahead of time. */
bool evkv__head_is_old(const struct cache *cache, const struct head *head,
    int64_t now_us);

/* Since its load began, in milliseconds. */
static inline int64_t head_age_ms(const struct head *head, int64_t now_us)
{
	return now_us > head->loaded_us ? (now_us - head->loaded_us) / 1000 : 0;
}

#endif
