/*
 * stores/disk/order.h - what keeps operations on one key in order.
 *
 * Within a lane jobs stay in order; between lanes they don't. So every key of a
 * job that is out is recorded here with its lane, and a job goes where its keys
 * are. One that would have to be in two places at once, or a write whose key is
 * being read, is held until what it waits for has come back; and so is whatever
 * comes later for a key that a held one wants.
 *
 * Keys are known by 64 bits of a keyed hash, XXH3: two keys that share it only
 * wait for each other without need.
 */
#ifndef EVKV_STORES_DISK_ORDER_H
#define EVKV_STORES_DISK_ORDER_H

#include "evkv/slice.h"

#include <stdint.h>

#define DISK_WRITER 0 /* lanes: the writer, then the readers */
#define DISK_LANE_HELD 1000u

struct disk_order {
	struct disk_order_slot {
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

uint64_t evkv__disk_order_hash(const struct disk_order *order,
    struct evkv_slice collection, struct evkv_slice key);

/* Make room for `count` keys more; false = no memory. */
bool evkv__disk_order_reserve(struct disk_order *order, size_t count);
void evkv__disk_order_free(struct disk_order *order);

/*
 * Where a job with these keys goes: a lane, `free_lane` where nothing speaks
 * against it, or DISK_LANE_HELD. `scanning`: it is held itself, and what is
 * held behind it does not count.
 */
unsigned evkv__disk_order_route(struct disk_order *order,
    const uint64_t *hashes, size_t count, bool writes, unsigned free_lane,
    bool scanning);

/* Enter a job as being in a lane (DISK_LANE_HELD: as held); take it out. */
void evkv__disk_order_enter(struct disk_order *order, const uint64_t *hashes,
    size_t count, unsigned lane);
void evkv__disk_order_leave(struct disk_order *order, const uint64_t *hashes,
    size_t count, unsigned lane);

/* Begin to look at held jobs; a held one that stays marks its keys. */
void evkv__disk_order_scan(struct disk_order *order);
void evkv__disk_order_mark(struct disk_order *order, const uint64_t *hashes,
    size_t count);

#endif
