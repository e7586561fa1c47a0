/*
 * core/store.h - the node that the core keeps for every store and wrapper.
 */
#ifndef EVKV_CORE_STORE_H
#define EVKV_CORE_STORE_H

#include "core/order.h"
#include "evkv/driver.h"
#include "loop/loop.h"

struct evkv_frame;

/* Where a store is on its way out; it only moves down. */
enum store_phase {
	STORE_OPEN,
	STORE_DRAINING, /* new ops end with CLOSED, pending ones may end */
	STORE_ENDING, /* pending ones have been detached, close() was called */
	STORE_CLOSED, /* reported; inner references go with the last op */
};

/* An inner store of a wrapper, in the list of the wrappers over it. */
struct store_inner {
	struct evkv_store *store; /* NULL when the reference is dropped */
	struct evkv_store *parent;
	bool auxiliary; /* it only helps: a cache */
	bool awaited;   /* it ends with the wrapper, which waits for it */
	LIST_ENTRY(store_inner) link;
};

struct evkv_store {
	const struct evkv_vtable *vtable; /* a copy, filled up to our size */
	const struct evkv_vtable *given;  /* the author's, which names it */
	void *self;
	struct evkv_loop *loop; /* NULL: it is gone, and the handle is dead */
	struct evkv_capabilities capabilities;
	uint32_t refs;
	unsigned forks; /* the loop's; another number once that is gone */
	enum store_phase phase;
	uint16_t depth;         /* levels of the deepest way down from here */
	uint32_t request_flags; /* those that it takes, the basic ones too */
	bool driver_closed;
	bool drain_done;
	bool drain_failed;
	size_t pending, pending_bytes;
	size_t max_pending, max_pending_bytes;
	size_t fitting; /* so many bytes never have a key or value too long */
	size_t abandoned;
	int64_t timeout_ms;
	/*
	 * Stores of the library only, NULL = none. Such a store may answer an
	 * op that nobody but its user will see DONE without an answer, with
	 * OP_LATE set. It fills it in before anything changes what it would be,
	 * and at the latest when this is called, for all such ops: so it can
	 * look up many of them at once.
	 */
	void (*resolve)(void *self);
	/*
	 * What does a GET and a PUT that users submit: evkv__submit_get() and
	 * evkv__submit_op(), or something of a store's own, which leaves to
	 * these what it does not do at once and without an op; see quick.h.
	 */
	evkv_ticket (*get)(struct evkv_store *store,
	    const struct evkv_request *request, evkv_cb cb, void *arg);
	evkv_ticket (*put)(struct evkv_store *store,
	    const struct evkv_request *request, evkv_cb cb, void *arg);
	struct order order;
	LIST_HEAD(, evkv_frame) frames; /* of pending ops */
	struct evkv_timer drain_timer;
	struct evkv_task step_task;
	STAILQ_HEAD(, evkv_op) closers; /* close ops */
	LIST_ENTRY(evkv_store) link;    /* all stores of the loop */

	/*
	 * The store's own state, and whose state is shown: the worst of its own
	 * and of what its inner stores show.
	 */
	enum evkv_state state;
	enum evkv_cause state_cause;
	char state_message[160];
	const struct evkv_store *shown;
	struct evkv_task state_task;
	evkv_state_cb state_cb;
	void *state_arg;

	char
	    *text; /* what it was opened by, allocated; NULL = something else */
	struct evkv_vtable own_vtable; /* its peek is never NULL */
	/* Of those whose inner store this is. */
	LIST_HEAD(, store_inner) parents;
	size_t inner_count;
	struct store_inner inner[];
};

/* Open, and within its bounds; one op alone may have any number of bytes. */
static inline bool evkv__store_has_room(const struct evkv_store *store,
    size_t entries, size_t bytes)
{
	return store->phase == STORE_OPEN &&
	    store->pending + entries <= store->max_pending &&
	    (store->pending_bytes + bytes <= store->max_pending_bytes ||
		store->pending_bytes == 0);
}

/*
 * Open, with nothing pending: what comes next may be answered at once. Nothing
 * waits for its turn then either, for what waits, or is waited for, is pending.
 */
static inline bool evkv__store_is_quick(const struct evkv_store *store)
{
	EVKV__ASSERT(store->pending > 0 || evkv__order_is_idle(&store->order));
	return ((size_t)store->phase | store->pending) == STORE_OPEN;
}

/* evkv_store_peek(), of a store that is mostly quick. */
static inline enum evkv_peek evkv__store_peek(struct evkv_store *store,
    const struct evkv_request *request, struct evkv_value **value)
{
	if (!evkv__store_is_quick(store))
		return evkv_store_peek(store, request, value);
	return store->own_vtable.peek(store->self, request, value);
}

/* close.c */
/* An op has left a store that is on its way out. */
void evkv__store_left(struct evkv_store *store);
/* Go as far as it goes; `arg` is the store. Only as a task. */
void evkv__store_step(void *arg);
/* Of a store that is open: the first half of closing. */
void evkv__store_drain(struct evkv_store *store, int64_t drain_ms);
/* End everything, at once; for evkv_loop_free(). */
void evkv__store_end(struct evkv_store *store);
void evkv__store_free(struct evkv_store *store);
/* End what is pending, for its waiters. */
void evkv__store_detach_all(struct evkv_store *store, enum evkv_cause cause);
/* In the child of a fork: closed, as far as callers see. */
void evkv__store_shut(struct evkv_store *store);
/* Nothing is under way in them any more. */
void evkv__store_drop_inner(struct evkv_store *store);

#endif
