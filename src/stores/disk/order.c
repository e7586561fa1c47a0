/*
 * stores/disk/order.c - the table of keys that are under way: open addressing,
 * linear probing, at most half full, deletion by moving back.
 */
#include "stores/disk/order.h"

#include <xxhash.h>

#include "evkv/alloc.h"

#define SIZE_MIN 256

uint64_t evkv__disk_order_hash(const struct disk_order *order,
    struct evkv_slice collection, struct evkv_slice key)
{
	uint64_t seed = XXH3_64bits_withSeed(collection.data, collection.size,
	    order->seed);

	return XXH3_64bits_withSeed(key.data, key.size, seed);
}

static bool slot_free(const struct disk_order_slot *slot)
{
	return slot->out == 0 && slot->held == 0;
}

/* The slot of a hash, or the free one where it belongs. */
static struct disk_order_slot *order_find(struct disk_order *order,
    uint64_t hash)
{
	size_t mask = order->size - 1, at = (size_t)hash & mask;

	while (!slot_free(&order->slots[at]) && order->slots[at].hash != hash)
		at = (at + 1) & mask;
	return &order->slots[at];
}

bool evkv__disk_order_reserve(struct disk_order *order, size_t count)
{
	struct disk_order_slot *old = order->slots;
	size_t old_size = order->size, size = old_size, i;

	if (size == 0)
		size = SIZE_MIN;
	while (size / 2 < order->used + count)
		size *= 2;
	if (size == old_size)
		return true;
	order->slots = evkv_calloc(size, sizeof(*order->slots));
	if (order->slots == NULL) {
		order->slots = old;
		return false;
	}
	order->size = size;
	for (i = 0; i < old_size; i++) {
		if (!slot_free(&old[i]))
			*order_find(order, old[i].hash) = old[i];
	}
	evkv_free(old);
	return true;
}

void evkv__disk_order_free(struct disk_order *order)
{
	evkv_free(order->slots);
	order->slots = NULL;
	order->size = order->used = 0;
}

unsigned evkv__disk_order_route(struct disk_order *order,
    const uint64_t *hashes, size_t count, bool writes, unsigned free_lane,
    bool scanning)
{
	const struct disk_order_slot *slot;
	unsigned lane = DISK_LANE_HELD;
	size_t i;

	for (i = 0; i < count && order->used > 0; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot))
			continue;
		if (scanning ? slot->scan == order->scan : slot->held > 0)
			return DISK_LANE_HELD;
		if (slot->out == 0)
			continue;
		if (lane != DISK_LANE_HELD && lane != slot->lane)
			return DISK_LANE_HELD;
		lane = slot->lane;
	}
	if (lane == DISK_LANE_HELD)
		return free_lane;
	return writes && lane != DISK_WRITER ? DISK_LANE_HELD : lane;
}

void evkv__disk_order_enter(struct disk_order *order, const uint64_t *hashes,
    size_t count, unsigned lane)
{
	struct disk_order_slot *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot)) {
			*slot = (struct disk_order_slot){ .hash = hashes[i] };
			order->used++;
		}
		if (lane == DISK_LANE_HELD) {
			slot->held++;
		} else {
			slot->out++;
			slot->lane = lane;
		}
	}
}

/* Move what follows back, so that no search stops too early. */
static void order_close_gap(struct disk_order *order,
    struct disk_order_slot *slot)
{
	size_t mask = order->size - 1, gap = (size_t)(slot - order->slots);
	size_t at = gap, home;

	order->used--;
	for (;;) {
		at = (at + 1) & mask;
		if (slot_free(&order->slots[at]))
			return;
		home = (size_t)order->slots[at].hash & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		order->slots[gap] = order->slots[at];
		order->slots[at].out = order->slots[at].held = 0;
		gap = at;
	}
}

void evkv__disk_order_leave(struct disk_order *order, const uint64_t *hashes,
    size_t count, unsigned lane)
{
	struct disk_order_slot *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot))
			continue;
		if (lane == DISK_LANE_HELD)
			slot->held--;
		else
			slot->out--;
		if (slot_free(slot))
			order_close_gap(order, slot);
	}
}

void evkv__disk_order_scan(struct disk_order *order)
{
	order->scan++;
}

void evkv__disk_order_mark(struct disk_order *order, const uint64_t *hashes,
    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		order_find(order, hashes[i])->scan = order->scan;
}
