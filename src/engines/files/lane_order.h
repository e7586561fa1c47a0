/*
 * engines/files/lane_order.h - what keeps operations on one key in order.
 *
 * Within a lane jobs stay in order; between lanes they don't. So every key of a
 * job that is out is recorded here with its lane, and a job goes where its keys
 * are. One that would have to be in two places at once, or a write whose key is
 * being read, is held until what it waits for has come back; and so is whatever
 * comes later for a key that a held one wants.
 *
 * Keys are known by 64 bits of a keyed hash: two keys that share it only
 * wait for each other without need.
 */
#ifndef EVKV_ENGINES_FILES_LANE_ORDER_H
#define EVKV_ENGINES_FILES_LANE_ORDER_H

#include "evkv/slice.h"

#include <stdint.h>

#define LANE_WRITER 0 /* lanes: the writer, then the readers */
#define LANE_HELD 1000u

struct lane_order {
	struct lane_order_slot {
		uint64_t hash;
		uint32_t out;  /* jobs in `lane` */
		uint32_t held; /* jobs that are held; both 0 = a free slot */
		uint32_t scan; /* the last one in which a held job wanted it */
		uint32_t lane;
	} * slots;
	size_t size, used; /* size: a power of two, or 0 */
	uint64_t seed;
	uint32_t scan;
};

uint64_t evkv__lane_order_hash(const struct lane_order *order,
    struct evkv_slice collection, struct evkv_slice key);

/* Make room for `count` keys more; false = no memory. */
bool evkv__lane_order_reserve(struct lane_order *order, size_t count);
void evkv__lane_order_free(struct lane_order *order);

/*
 * Where a job with these keys goes: a lane, `free_lane` where nothing speaks
 * against it, or LANE_HELD. `scanning`: it is held itself, and what is
 * held behind it does not count.
 */
unsigned evkv__lane_order_route(struct lane_order *order,
    const uint64_t *hashes, size_t count, bool writes, unsigned free_lane,
    bool scanning);

/* Enter a job as being in a lane (LANE_HELD: as held); take it out. */
void evkv__lane_order_enter(struct lane_order *order, const uint64_t *hashes,
    size_t count, unsigned lane);
void evkv__lane_order_leave(struct lane_order *order, const uint64_t *hashes,
    size_t count, unsigned lane);

/* Have the slot of a hash on its way to the cache. */
static inline void lane_order_fetch(const struct lane_order *order,
    uint64_t hash)
{
	if (order->size > 0)
		__builtin_prefetch(&order->slots[hash & (order->size - 1)]);
}

/* Begin to look at held jobs; a held one that stays marks its keys. */
void evkv__lane_order_scan(struct lane_order *order);
void evkv__lane_order_mark(struct lane_order *order, const uint64_t *hashes,
    size_t count);

#endif
