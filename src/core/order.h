/*
 * core/order.h - the order of operations on one key, for stores that ask for it
 * (EVKV_VTABLE_ORDERED).
 */
#ifndef EVKV_CORE_ORDER_H
#define EVKV_CORE_ORDER_H

#include <sys/queue.h>

#include "evkv/driver.h"

struct core;
struct order_entry;

/* The place of an operation in the queue of one of its keys. */
struct order_link {
	struct order_entry *entry;
	uint64_t hash; /* of the key */
	struct order_link *next, *previous;
	bool blocked; /* by those in front of it */
};

/* An operation that is under way in a store, or waits to begin there. */
struct order_entry {
	struct order_entry *next; /* of the same op, at another level */
	struct evkv_op *op;
	struct order *order;
	uint16_t depth; /* of the level */
	bool writes;
	bool due;
	size_t blocked; /* of the links */
	size_t count;
	struct order_link *links, one;
	TAILQ_ENTRY(order_entry) due_link;
};

/*
 * The keys of what is under way, in a hash table: open addressing, linear
 * probing, at most half full, deletion by moving back. A key is known by 64
 * bits of a keyed hash: two that share them only wait for each other without
 * need.
 */
struct order {
	struct order_slot {
		uint64_t hash;
		struct order_link *first, *last; /* NULL = a free slot */
		uint64_t writes;                 /* of those in its queue */
	} * slots;
	size_t size, used; /* size: a power of two, or 0 */
	uint64_t hash_key[2];
	struct order_entering *entering;
	bool on;
};

/* As submit(), in entry. */
enum evkv_verdict evkv__order_enter(struct evkv_op *op,
    struct evkv_store *store, const struct evkv_request *request);
/* An OP_ORDERED op leaves its top level. */
void evkv__order_leave(struct evkv_op *op);
/* This op is abandoned. */
void evkv__order_let_go(struct evkv_op *op);
/* An OP_WAITING op is stopped: it ends without an effect. */
void evkv__order_give_up(struct evkv_op *op);
void evkv__order_run(struct core *core);
void evkv__order_free(struct order *order);

/* Whether any operation is under way here, or waits. */
static inline bool evkv__order_is_idle(const struct order *order)
{
	return order->used == 0 && order->entering == NULL;
}

#endif
