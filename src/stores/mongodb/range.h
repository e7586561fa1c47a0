/*
 * stores/mongodb/range.h - documents by a range of their _ids, in order.
 *
 * A range is text: from `low` on, `low` itself apart where it is what a page
 * before ended with, up to `high`, which is not in it. All in it begins with
 * `stem`.
 */
#ifndef EVKV_STORES_MONGODB_RANGE_H
#define EVKV_STORES_MONGODB_RANGE_H

#include "stores/mongodb/worker.h"

struct mongodb_range {
	char *low, *high, *stem; /* high NULL = to the end */
	size_t low_size, high_size, stem_size;
	bool after; /* `low` is not in it */
};

void evkv__mongodb_range_free(struct mongodb_range *range);

/* All of a collection whose keys begin with `head`. false = no memory. */
bool evkv__mongodb_range_collection(struct mongodb_range *range,
    struct evkv_slice collection, struct evkv_slice head);
/* All collections whose names begin with `head`. */
bool evkv__mongodb_range_all(struct mongodb_range *range,
    struct evkv_slice head);
/* Begin behind this _id. */
bool evkv__mongodb_range_after(struct mongodb_range *range,
    struct evkv_slice id);
/* Begin behind this collection. */
bool evkv__mongodb_range_skip(struct mongodb_range *range,
    struct evkv_slice collection);

/* Append what documents of ours are in the range. */
void evkv__mongodb_put_range(bson_t *filter, const struct mongodb_range *range);

/*
 * What is done with each document that was found, on a worker that touches
 * jobs. false: no more of them.
 */
typedef bool (*mongodb_range_take)(struct evkv_slice id, void *arg);

struct mongodb_look {
	const struct mongodb_range *range;
	bool live;    /* only what has not expired */
	int64_t skip; /* so many at the beginning */
	int64_t limit;
	mongodb_range_take take;
	void *arg;
	int64_t count; /* set to how many were found */
};

/*
 * Look documents up in order. false: the worker was left. Where something else
 * failed the part has failed.
 */
bool evkv__mongodb_range_look(struct mongodb_worker *worker,
    struct mongodb_part *part, struct mongodb_look *look);

#endif
