/*
 * wrappers/statistics/statistics.h - what its files share.
 */
#ifndef EVKV_WRAPPERS_STATISTICS_STATISTICS_H
#define EVKV_WRAPPERS_STATISTICS_STATISTICS_H

#include "base/siphash.h"
#include "evkv/driver.h"
#include "evkv/wrappers/statistics.h"
#include "wrappers/statistics/histogram.h"

/* One kind of operation in one collection. */
struct series {
	uint64_t operations;
	uint64_t by_status[EVKV_STATISTICS_STATUSES];
	uint64_t keys, hits, misses;
	uint64_t bytes_in, bytes_out;
	struct histogram times;
};

_Static_assert(sizeof(struct series) <= 6144, "a series is at most 6 KB");
_Static_assert(EVKV_STATUS_COUNT <= EVKV_STATISTICS_STATUSES,
    "there is room for every status");

struct collection {
	struct collection *next; /* in the order of first use */
	uint64_t hash;
	struct series *series[EVKV_KIND_COUNT]; /* NULL until it is used */
	size_t size;                            /* of the name */
	unsigned char name[];
};

struct statistics {
	struct evkv_store *inner;
	char *name; /* NULL = that of the inner store */
	struct evkv_statistics_options given; /* for describe */
	int64_t (*clock_ns)(void *arg);
	void *clock_arg;

	/* Which of those answered at once is the next to be measured. */
	unsigned sample;  /* one in so many */
	uint32_t until;   /* 1 = the next one */
	uint64_t random;  /* xorshift */
	uint32_t pending; /* operations to clock, as some are pending */

	/* By name, in a table that is at most half full. */
	struct siphash hash_seed;
	struct collection **table;
	size_t mask; /* of the table */
	size_t count, max_collections;
	struct collection *last; /* the one used last, or NULL */
	struct collection *first, **tail;
	struct collection *rest; /* beyond max_collections, or NULL */
	uint64_t uncounted;
};

/* The `self` of a statistics store, or NULL. */
struct statistics *evkv__statistics_self(const struct evkv_store *store);

/* series.c */
bool evkv__series_init(struct statistics *self, size_t max_collections);
void evkv__series_free(struct statistics *self);
struct collection *evkv__collection_find(const struct statistics *self,
    struct evkv_slice name);
struct collection *evkv__collection_make(struct statistics *self,
    struct evkv_slice name);
struct series *evkv__series_make(struct statistics *self,
    struct collection *collection, enum evkv_kind kind);

/* The series of a request; NULL when out of memory. */
static inline struct series *evkv__series_of(struct statistics *self,
    const struct evkv_request *request)
{
	struct collection *last = self->last;
	const struct evkv_slice *name = &request->collection;

	if (last == NULL || last->size != name->size ||
	    (name->size > 0 && memcmp(last->name, name->data, name->size) != 0))
		last = evkv__collection_make(self, *name);
	if (last != NULL && last->series[request->kind] != NULL)
		return last->series[request->kind];
	return evkv__series_make(self, last, request->kind);
}

#endif
