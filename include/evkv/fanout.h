/**
 * @file
 * One operation as many steps, for authors of wrappers and of stores over
 * stores.
 *
 *     static const struct evkv_fanout_hooks my_steps = {
 *         .size = sizeof(struct evkv_fanout_hooks),
 *         .next = my_next, .ask = my_ask, .came = my_came, .finish = my_finish,
 *     };
 *
 *     fanout = evkv_fanout_new(op, &my_steps, my_walk);
 *     return fanout != NULL ? evkv_fanout_go(fanout) : evkv_op_nomem(op);
 *
 * A step is a child op: a page of names, a clear of one collection, the same
 * kind at one of several stores. A few are under way at a time, fewer where a
 * store answers BUSY; after a number of them in one turn of the loop the rest
 * waits for a later one, so that stores which answer at once do not hold it up.
 * The first failure ends the operation with it (UNKNOWN_OUTCOME where something
 * was changed before), and no more steps begin. When the operation is detached
 * (deadline, cancel, close), the core stops the steps that are under way, and
 * no others begin.
 *
 * All calls are for the loop's thread.
 */
#ifndef EVKV_FANOUT_H
#define EVKV_FANOUT_H

#include "evkv/driver.h"

EVKV_BEGIN_DECLS

/** An operation under way in steps; it lives in the op. */
struct evkv_fanout;

/** What next() answers. */
enum evkv_fanout_next {
	/** a step is to begin: `*item` says which */
	EVKV_FANOUT_STEP,
	/**
	 * nothing yet: next() is asked again when a step has ended, or after
	 * evkv_fanout_go()
	 */
	EVKV_FANOUT_WAIT,
	/** no more will come, unless a step that is under way brings some */
	EVKV_FANOUT_END,
};

/** What a step asks, and of whom. */
struct evkv_fanout_ask {
	/** the store */
	struct evkv_store *store;
	/**
	 * the request; zero at first, but for match.cursor, which is that of
	 * the page before where the step goes on. What it points to must live
	 * until a hook is called again; with EVKV_CHILD_BORROWS, until the step
	 * is over.
	 */
	struct evkv_request request;
	/** EVKV_CHILD_* */
	uint32_t flags;
};

/** What an operation does in steps. A `static const` table. */
struct evkv_fanout_hooks {
	/** sizeof(struct evkv_fanout_hooks) */
	size_t size;
	/** The next step. @param item  yours, handed to the other hooks */
	enum evkv_fanout_next (*next)(void *arg, void **item);
	/** Fill in what a step asks; again where it goes on, or was BUSY. */
	void (*ask)(void *arg, void *item, struct evkv_fanout_ask *ask);
	/**
	 * A step was answered, without a failure.
	 * @param child  for evkv_op_result() and evkv_op_take()
	 * @return true: it is to go on with its next page, if it has one
	 */
	bool (*came)(void *arg, void *item, struct evkv_op *child);
	/** Optional. A step is over, also by a failure. */
	void (*over)(void *arg, void *item);
	/**
	 * All is over. Write the answer into the op, unless it has failed, and
	 * release what is yours; the op is completed after this. The sum of
	 * what the steps have changed is set already.
	 */
	void (*finish)(void *arg, struct evkv_op *op, bool failed);
	/**
	 * Steps under way at a time; 0 = 8, at most 64. 1 keeps their order.
	 */
	unsigned most;
	/** Steps begun in one turn; 0 = 64. */
	unsigned budget;
};

/**
 * Make a fan-out, and keep the op's inputs: evkv_op_request() is valid in the
 * hooks.
 * @param hooks  copied
 * @param arg    for the hooks
 * @return NULL when out of memory: then answer evkv_op_nomem()
 */
EVKV_API struct evkv_fanout *evkv_fanout_new(struct evkv_op *op,
    const struct evkv_fanout_hooks *hooks, void *arg);

/**
 * Begin; and ask next() again, after it has answered EVKV_FANOUT_WAIT with no
 * step under way.
 * @return PENDING, to be returned from submit; elsewhere it may be ignored. The
 *         op may be gone.
 */
EVKV_API enum evkv_verdict evkv_fanout_go(struct evkv_fanout *fanout);

/**
 * Fail: no more steps begin, and the operation ends when those under way have.
 * The first failure stays.
 */
EVKV_API void evkv_fanout_fail(struct evkv_fanout *fanout,
    enum evkv_status status, enum evkv_cause cause, const char *message);

EVKV_END_DECLS

#endif
