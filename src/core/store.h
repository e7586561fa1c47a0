/*
 * core/store.h - the node that the core keeps for every store and wrapper.
 */
#ifndef EVKV_CORE_STORE_H
#define EVKV_CORE_STORE_H

#include "evkv/driver.h"

struct evkv_frame;

/* Where a store is on its way out; it only moves down. */
enum store_phase {
	STORE_OPEN,
	STORE_DRAINING, /* new ops end with CLOSED, pending ones may end */
	STORE_ENDING, /* pending ones have been detached, close() was called */
	STORE_CLOSED,   /* inner references dropped, closers told */
};

struct store_observer {
	evkv_state_cb cb;
	void *arg;
	struct store_observer *next, **link;
};

/* What a store that is asked to peek says. */
enum store_peek {
	PEEK_NO, /* take the ordinary way */
	PEEK_MISS,
	PEEK_HIT,
};

/*
 * Short cuts for a get of one key, where looking up takes hardly longer than
 * making an op does. A store of the core's own may set them once it is made.
 */
struct store_shortcuts {
	/*
	 * Look up at once, for an inline get. The value is the store's; the
	 * core pins it while the callback runs.
	 */
	enum store_peek (*peek)(void *self, const struct evkv_request *request,
	    struct evkv_value **value);
	/*
	 * An op that nobody but its user will see may be answered DONE without
	 * an answer, with OP_LATE set. The store has it filled in before
	 * anything changes what it would be, and when this is called, at the
	 * latest, for all such ops. So many of them can be looked up at once.
	 */
	void (*resolve)(void *self);
};

struct evkv_store {
	const struct evkv_vtable *vtable;
	void *self;
	struct evkv_loop *loop;
	struct evkv_capabilities capabilities;
	uint32_t refs;
	enum store_phase phase;
	uint16_t depth; /* levels of the deepest way down from here */
	bool limited;   /* takes less than the API's longest key or value */
	bool driver_closed;
	bool drain_done;
	bool drain_failed;
	size_t pending, pending_bytes;
	size_t max_pending, max_pending_bytes;
	size_t abandoned;
	int64_t timeout_ms;
	const struct store_shortcuts *shortcuts; /* NULL = none */
	struct evkv_frame *frames; /* of pending ops */
	struct evkv_timer drain_timer;
	struct evkv_task step_task;
	struct evkv_op *closers; /* close ops, by op->next */
	struct evkv_store *next, **link; /* all stores of the loop */

	enum evkv_state state;
	enum evkv_cause state_cause;
	char state_message[160];
	struct evkv_task state_task;
	struct store_observer *observers; /* those who watch this store */
	struct store_observer observer;   /* ours, at the bottom store */

	size_t inner_count;
	struct evkv_store *inner[];
};

/* close.c */
/* An op has left a store that is on its way out. */
void evkv__store_left(struct evkv_store *store);
/* Go as far as it goes; `arg` is the store. Only as a task. */
void evkv__store_step(void *arg);
/* End everything, at once; for evkv_loop_free(). */
void evkv__store_end(struct evkv_store *store);
void evkv__store_free(struct evkv_store *store);
void evkv__store_unwatch(struct evkv_store *store);

#endif
