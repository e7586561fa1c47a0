/*
 * engines/files/lane_order.c - the table of keys that are under way: open
 * addressing, linear probing, at most half full, deletion by moving back.
 */
#include "engines/files/lane_order.h"

#include "base/siphash.h"
#include "evkv/alloc.h"

#define SIZE_MIN 256

uint64_t evkv__lane_order_hash(const struct lane_order *order,
    struct evkv_slice collection, struct evkv_slice key)
{
	uint64_t seed = siphash_1_3(order->seed, 0, collection);

	return siphash_1_3(order->seed, seed, key);
}

static bool slot_free(const struct lane_order_slot *slot)
{
	return slot->out == 0 && slot->held == 0;
}

/* The slot of a hash, or the free one where it belongs. */
static struct lane_order_slot *order_find(struct lane_order *order,
    uint64_t hash)
{
	size_t mask = order->size - 1, at = (size_t)hash & mask;

	while (!slot_free(&order->slots[at]) && order->slots[at].hash != hash)
		at = (at + 1) & mask;
	return &order->slots[at];
}

static bool order_resize(struct lane_order *order, size_t size)
{
	struct lane_order_slot *old = order->slots;
	size_t old_size = order->size, i;

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

/* One that was larger once is not in the processor's cache: it shrinks, too. */
bool evkv__lane_order_reserve(struct lane_order *order, size_t count)
{
	size_t wanted = order->used + count, size = SIZE_MIN;

	if (wanted <= order->size / 2 &&
	    (wanted > order->size / 32 || order->size == SIZE_MIN))
		return true;
	while (size / 4 < wanted)
		size *= 2;
	if (size == order->size)
		return true;
	return order_resize(order, size) || wanted <= order->size / 2;
}

void evkv__lane_order_free(struct lane_order *order)
{
	evkv_free(order->slots);
	order->slots = NULL;
	order->size = order->used = 0;
}

unsigned evkv__lane_order_route(struct lane_order *order,
    const uint64_t *hashes, size_t count, bool writes, unsigned free_lane,
    bool scanning)
{
	const struct lane_order_slot *slot;
	unsigned lane = LANE_HELD;
	size_t i;

	for (i = 0; i < count && order->used > 0; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot))
			continue;
		if (scanning ? slot->scan == order->scan : slot->held > 0)
			return LANE_HELD;
		if (slot->out == 0)
			continue;
		if (lane != LANE_HELD && lane != slot->lane)
			return LANE_HELD;
		lane = slot->lane;
	}
	if (lane == LANE_HELD)
		return free_lane;
	return writes && lane != LANE_WRITER ? LANE_HELD : lane;
}

void evkv__lane_order_enter(struct lane_order *order, const uint64_t *hashes,
    size_t count, unsigned lane)
{
	struct lane_order_slot *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot)) {
			*slot = (struct lane_order_slot){ .hash = hashes[i] };
			order->used++;
		}
		if (lane == LANE_HELD) {
			slot->held++;
		} else {
			slot->out++;
			slot->lane = lane;
		}
	}
}

/* Move what follows back, so that no search stops too early. */
static void order_close_gap(struct lane_order *order,
    struct lane_order_slot *slot)
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

void evkv__lane_order_leave(struct lane_order *order, const uint64_t *hashes,
    size_t count, unsigned lane)
{
	struct lane_order_slot *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		slot = order_find(order, hashes[i]);
		if (slot_free(slot))
			continue;
		if (lane == LANE_HELD)
			slot->held--;
		else
			slot->out--;
		if (slot_free(slot))
			order_close_gap(order, slot);
	}
}

void evkv__lane_order_scan(struct lane_order *order)
{
	order->scan++;
}

void evkv__lane_order_mark(struct lane_order *order, const uint64_t *hashes,
    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		order_find(order, hashes[i])->scan = order->scan;
}
