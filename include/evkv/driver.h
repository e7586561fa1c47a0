/**
 * @file
 * For authors of stores and wrappers.
 *
 * docs/writing-a-store.md and docs/writing-a-wrapper.md walk through it, each
 * with a complete example (examples/custom_store.c, examples/custom_wrapper.c).
 *
 * The way of an operation: the boundary (evkv_submit()) checks it, makes an op
 * and calls submit() of the outermost store. A one-to-one wrapper makes a new
 * request and forwards the same op; a compound wrapper submits child ops. Each
 * store that the op enters pushes a frame. The driver at the bottom writes the
 * answer into the op and returns EVKV_VERDICT_DONE, or it returns
 * EVKV_VERDICT_PENDING and calls evkv_op_complete() later. The core then
 * unwinds the frames, and the boundary defers the callback.
 *
 * The waiter of an op is the one that gets its callback. An op whose waiter got
 * an answer while a store is still working on it (deadline, cancel, close) is
 * detached; it is completed like any other.
 *
 * Everything here is for the loop's thread, and may be called in any slot.
 */
#ifndef EVKV_DRIVER_H
#define EVKV_DRIVER_H

#include "evkv/alloc.h"
#include "evkv/error.h"
#include "evkv/loop.h"
#include "evkv/number.h"
#include "evkv/request.h"
#include "evkv/store.h"
#include "evkv/task.h"
#include "evkv/url.h"

EVKV_BEGIN_DECLS

/** An operation on its way through a stack of stores. */
struct evkv_op;
struct evkv_text;
/** Where a store's figures go. */
struct evkv_metrics;

/* ---- The vtable ------------------------------------------------------- */

/** What submit() returns. */
enum evkv_verdict {
	/** the answer is in the op */
	EVKV_VERDICT_DONE,
	/** evkv_op_complete() will be called, exactly once */
	EVKV_VERDICT_PENDING,
};

/** Flags of a vtable. */
enum {
	/**
	 * A wrapper that passes on kinds that it does not know. Without this
	 * flag they are UNSUPPORTED, so that no kind bypasses a wrapper that
	 * must see it.
	 */
	EVKV_VTABLE_TRANSPARENT = 1 << 0,
	/**
	 * Needs its inputs after submit() has returned: the core keeps them
	 * before it calls submit(), and `request` is then valid for the life of
	 * the op. A store that mostly answers inside submit() calls
	 * evkv_op_keep() instead, where it needs to.
	 */
	EVKV_VTABLE_KEEPS = 1 << 1,
	/**
	 * Operations on one key begin in order: submit() is called for a write
	 * when all earlier operations on its keys have their answer, and for
	 * others after the earlier writes. Reads between two writes, and kinds
	 * that name no keys, do not wait. For wrappers that would reorder what
	 * they forward (retry, a slow cache). A store that is first in, first
	 * out does not need it, and then nothing waits. One that is so but for
	 * some kinds names these in `ordered_kinds`.
	 */
	EVKV_VTABLE_ORDERED = 1 << 2,
};

/** What peek() returns. */
enum evkv_peek {
	/** it can't answer now: submit the operation */
	EVKV_PEEK_DECLINE,
	/** there is no such entry */
	EVKV_PEEK_MISS,
	/** *value is set */
	EVKV_PEEK_HIT,
};

/**
 * What a store is: one static const table per kind of store, with designated
 * initialisers. `self` is what was given to evkv_store_create(). A slot that is
 * NULL does what its text says.
 */
struct evkv_vtable {
	/** sizeof(struct evkv_vtable); slots beyond it are NULL */
	size_t size;
	/** "memory", "prefix_keys": letters a-z, digits and '_' */
	const char *name;
	/** EVKV_VTABLE_* */
	uint32_t flags;
	/**
	 * Wrappers: EVKV_KIND_BIT() of the kinds that it handles, beside those
	 * whose classes it handles. Everything else is UNSUPPORTED, so that
	 * nothing that a later version adds bypasses a wrapper that must see
	 * it. Transparent wrappers handle everything. A store says the same in
	 * its capabilities.
	 */
	uint32_t kinds;
	/**
	 * Wrappers: EVKV_CLASS_*. A kind is handled when all of its classes are
	 * named here.
	 */
	uint32_t classes;
	/**
	 * wrappers: the request flags that it handles, of those that a store
	 * has to claim (EVKV_FLAG_VERSIONS, EVKV_FLAG_CACHED_ONLY)
	 */
	uint32_t request_flags;
	/** wrappers: EVKV_IF_BIT() of the conditions that it handles */
	uint32_t conditions;

	/**
	 * Required. Start the operation that `request` describes. The request
	 * has been checked: kind, counts, lengths, TTLs, pattern. It, and
	 * everything that it points to, is valid until submit() returns. A
	 * store that returns PENDING and still needs it has EVKV_VTABLE_KEEPS,
	 * or calls evkv_op_keep() first and reads evkv_op_request() from then
	 * on. An evkv_op_complete() inside submit() is recorded: the op goes up
	 * when submit() has returned, and must not be touched in between.
	 */
	enum evkv_verdict (*submit)(void *self, struct evkv_op *op,
	    const struct evkv_request *request);

	/**
	 * Wrappers that forward; NULL = nothing to do. The inner store has
	 * answered: the answer is in the op and may be changed (call
	 * evkv_op_settle() after changing statuses of entries). The result
	 * tells the kind. For more, evkv_op_request() is the request of this
	 * level where it was kept (EVKV_VTABLE_KEEPS, or evkv_op_keep() before
	 * forwarding), else NULL. Not called on the store that itself returned
	 * DONE, nor after detached().
	 */
	void (*complete)(void *self, struct evkv_op *op);

	/**
	 * Optional. The waiter is about to get the answer that a PENDING op has
	 * ended (deadline, cancel, close). Called on the store that returned
	 * PENDING. If nothing of the op has been sent, make sure that nothing
	 * will be: this is the last chance for a write to end as without
	 * effect. If it has been sent, or can't be held back, call
	 * evkv_op_mark_sent(). In both cases evkv_op_complete() must still be
	 * called, now or later. NULL: a write is taken as sent.
	 */
	void (*stop)(void *self, struct evkv_op *op);

	/**
	 * Wrappers that forward; NULL = nothing to do. The waiter of this op
	 * got `status` as its answer while the inner store was still working on
	 * it; complete() will not be called.
	 */
	void (*detached)(void *self, struct evkv_op *op,
	    enum evkv_status status);

	/**
	 * Optional. Nothing will be submitted any more, and every waiter has
	 * its answer. Complete the ops that are still under way (they are
	 * detached), end connections, timers and tasks, and call
	 * evkv_store_closed(), now or later, when the last op is completed.
	 * A wrapper need not wait for ops that are in inner stores; children of
	 * no parent it detaches here (evkv_child_detach()), or waits for them.
	 * Inner stores that nobody else holds are ended after this call.
	 * evkv_loop_free() waits for it by running posts (evkv_loop_post()) and
	 * tasks, but no events. NULL: there is nothing to end.
	 */
	void (*close)(void *self);

	/**
	 * Required. Release `self`; the last call on it. Also called where
	 * evkv_store_create() fails.
	 */
	void (*free)(void *self);

	/**
	 * Optional. Add the store's own reconnects, entries, bytes and
	 * evictions. The core adds those of inner stores.
	 */
	void (*counters)(void *self, struct evkv_counters *counters);

	/**
	 * Optional; NULL: it always declines. Answer a GET of one key now, from
	 * memory, without an op, or decline for any reason: then the operation
	 * is submitted. The request has been checked, and has neither a
	 * condition nor EVKV_FLAG_VERSIONS. peek() may count, and mark the
	 * entry as used. It must decline while an operation that was submitted
	 * before could still change the answer. On a hit `*value` is the
	 * store's own and stays unchanged until the next call on the store; the
	 * core holds it while the callback runs. Wrappers pass the request on
	 * by evkv_store_peek().
	 */
	enum evkv_peek (*peek)(void *self, const struct evkv_request *request,
	    struct evkv_value **value);

	/**
	 * Optional. Write the store as evkv_open() would read it, by the calls
	 * of evkv/registry.h. NULL: what it was opened by, or its name alone.
	 */
	void (*describe)(void *self, struct evkv_text *text);

	/**
	 * With EVKV_VTABLE_ORDERED: EVKV_KIND_BIT() of the kinds that take more
	 * than one step. Only what comes after one of these on a key, or after
	 * what waits for it, waits; these themselves begin at once behind
	 * operations of other kinds. 0 = all kinds.
	 */
	uint32_t ordered_kinds;
	/**
	 * For messages about kinds that the store can't do: why not, as in "the
	 * server can't list its entries". NULL = nothing to say.
	 */
	const char *lacks;

	/**
	 * Optional. Tell the store's own figures by evkv_metrics_add(); the
	 * core goes on to the inner stores.
	 */
	void (*metrics)(void *self, struct evkv_metrics *metrics);
};

/* ---- Making a store --------------------------------------------------- */

/** How a store is made. Zero in a field is its default. */
struct evkv_store_config {
	/**
	 * What the store can do. NULL, for wrappers only: what the inner stores
	 * can do. Those of a wrapper are narrowed to those of all its inner
	 * stores, and to what its vtable handles unless it is transparent.
	 */
	const struct evkv_capabilities *capabilities;
	/** filled in by evkv_store_create() */
	size_t capabilities_size;
	/** the inner stores, consumed */
	struct evkv_store *const *inner;
	/** how many there are */
	size_t inner_count;
	/**
	 * Bit i: inner store i only helps (a cache). Its capabilities, state,
	 * entries and bytes do not count for the stack.
	 */
	uint32_t auxiliary;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending_bytes;
	/**
	 * the default deadline in milliseconds; 0 = that of inner[0], or none
	 */
	int64_t timeout_ms;
	/**
	 * The first state; 0 = CONNECTING. A wrapper with inner stores begins
	 * with READY.
	 */
	enum evkv_state state;
};

/** evkv_store_create() with the size of the caller's config. */
EVKV_API struct evkv_store *evkv_store_create_sized(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *config, size_t size,
    struct evkv_error *error);

/**
 * Make a store. Where it fails, the inner stores are released and
 * vtable->free(self) is called.
 * @param loop    its loop; wrappers may give NULL for that of inner[0]
 * @param vtable  kept, not copied
 * @param self    given to all slots; NULL is taken as out of memory
 * @param config  copied
 * @param error   filled where NULL is returned: an inner store is NULL, closed,
 *                given twice or of another loop, the config has a field set
 *                that this library does not know, or NOMEM. May be NULL
 * @return the store with one reference, or NULL
 */
static inline struct evkv_store *evkv_store_create(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *config, struct evkv_error *error)
{
	struct evkv_store_config sized = *config;

	sized.capabilities_size = sizeof(struct evkv_capabilities);
	return evkv_store_create_sized(loop, vtable, self, &sized,
	    sizeof(sized), error);
}

/**
 * Copy an options struct of a caller that may have been compiled against other
 * headers.
 * @param options     ours; fields that the caller's struct lacks become zero
 * @param size        of ours in bytes
 * @param given       the caller's; NULL = all zero
 * @param given_size  of the caller's in bytes
 * @param error       filled where bytes that we do not know are not zero
 * @return false where `error` was filled
 */
EVKV_API bool evkv_options_read(void *options, size_t size, const void *given,
    size_t given_size, struct evkv_error *error);

/** The i-th inner store, or NULL; a borrowed reference. */
EVKV_API struct evkv_store *evkv_store_inner(const struct evkv_store *store,
    size_t i);

/** The `self` of a store that has this vtable, else NULL. */
EVKV_API void *evkv_store_self(const struct evkv_store *store,
    const struct evkv_vtable *vtable);

/**
 * For stores with EVKV_VTABLE_ORDERED: whether operations wait for each other,
 * from now on. At first they do.
 */
EVKV_API void evkv_store_set_ordered(struct evkv_store *store, bool ordered);

/**
 * peek() of another store's vtable. Declines where that has none, or can't
 * answer now.
 */
EVKV_API enum evkv_peek evkv_store_peek(struct evkv_store *store,
    const struct evkv_request *request, struct evkv_value **value);

/**
 * In the vtable's metrics(): tell a figure.
 * @param metrics  what metrics() was given
 * @param metric   its name, help, label and `gauge`: a static const record,
 *                 the same for all figures of one name
 * @param value    the label's value, in static storage; NULL without a label
 * @param number   the figure
 */
EVKV_API void evkv_metrics_add(struct evkv_metrics *metrics,
    const struct evkv_metric *metric, const char *value, uint64_t number);

/** What the vtable's close() calls when it is finished. */
EVKV_API void evkv_store_closed(struct evkv_store *store);

/**
 * Report a change of the store's own state. Users see the worst of a store's
 * own state and those of its inner stores.
 * @param store    the store
 * @param state    the new state
 * @param cause    why
 * @param message  why, in one line; copied. NULL = ""
 */
EVKV_API void evkv_store_set_state(struct evkv_store *store,
    enum evkv_state state, enum evkv_cause cause, const char *message);

/**
 * As evkv_submit() of a request that is INVALID, for adapters that find out by
 * themselves that it is: the store does not see it.
 * @param store    NULL gives ticket 0
 * @param request  for its kind, and EVKV_FLAG_SINGLE
 * @param message  what is wrong; copied
 * @param cb       gets the result; may be NULL
 * @param arg      for the callback
 * @return as evkv_submit()
 */
EVKV_API evkv_ticket evkv_submit_refused(struct evkv_store *store,
    const struct evkv_request *request, const char *message, evkv_cb cb,
    void *arg);

/**
 * As evkv_submit() of a request that there is no memory for, for adapters that
 * find none for what they keep: the store does not see it, and the callback
 * gets NOMEM.
 * @param store    NULL gives ticket 0
 * @param request  for its kind, and EVKV_FLAG_SINGLE
 * @param cb       gets the result; may be NULL
 * @param arg      for the callback
 * @return as evkv_submit()
 */
EVKV_API evkv_ticket evkv_submit_nomem(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg);

/* ---- The op: what a driver needs -------------------------------------- */

/** The loop of an op. */
EVKV_API struct evkv_loop *evkv_op_loop(const struct evkv_op *op);

/**
 * The request at the present level. A child in its own callback is at no level:
 * there this, and evkv_op_data(), is NULL, and debug builds assert.
 */
EVKV_API const struct evkv_request *evkv_op_request(const struct evkv_op *op);

/**
 * Keep the inputs of this level: copy what the caller owns into the op, unless
 * a level above has done so. From then on evkv_op_request() is valid for the
 * life of the op, here and at the levels below. Only inside submit().
 * @return false when out of memory: then return evkv_op_nomem(op)
 */
EVKV_API bool evkv_op_keep(struct evkv_op *op);

/**
 * Memory that lives as long as the op, aligned as malloc() aligns; NULL when
 * out of memory.
 */
EVKV_API void *evkv_op_alloc(struct evkv_op *op, size_t size);

/**
 * Copy bytes into memory of the op.
 * @param op     the op
 * @param bytes  the bytes
 * @param copy   set to the copy
 * @return false when out of memory
 */
EVKV_API bool evkv_op_copy(struct evkv_op *op, struct evkv_slice bytes,
    struct evkv_slice *copy);

/**
 * What the children of this op inherit as their request's `trace`; at first
 * that of its own request. The levels below see what is in the request that
 * they are given.
 */
EVKV_API void evkv_op_set_trace(struct evkv_op *op, void *trace);

/** Set the one pointer of the store's own that an op has at each level. */
EVKV_API void evkv_op_set_data(struct evkv_op *op, void *data);

/** The pointer of evkv_op_set_data(); NULL at first. */
EVKV_API void *evkv_op_data(const struct evkv_op *op);

/**
 * The i-th entry of the answer. For requests with keys it is the entry of key
 * i, OK at first: write status, ttl_ms, number and version into it, and set
 * values by the calls below. Round a remaining TTL down, as caches rely on it,
 * but to no less than 1. For pages it is the i-th name, which may be changed in
 * place.
 */
EVKV_API struct evkv_entry *evkv_op_entry(struct evkv_op *op, size_t i);

/**
 * Give entry i a value, with the status OK, in place of the one that it has.
 * @param op     the op
 * @param i      which entry
 * @param value  the caller's reference is taken over. NULL only removes the
 *               value that the entry has
 */
EVKV_API void evkv_op_give_value(struct evkv_op *op, size_t i,
    struct evkv_value *value);

/**
 * Give entry i a new value with a copy of bytes.
 * @return false when out of memory
 */
EVKV_API bool evkv_op_copy_value(struct evkv_op *op, size_t i,
    struct evkv_slice bytes);

/**
 * Append a name to a page.
 * @return false when out of memory: then the op has failed with NOMEM
 */
EVKV_API bool evkv_op_add_name(struct evkv_op *op, struct evkv_slice name);

/**
 * Set the cursor of the next page; without one this page is the last.
 * @return as evkv_op_add_name()
 */
EVKV_API bool evkv_op_set_cursor(struct evkv_op *op, struct evkv_slice cursor);

/**
 * Set how many entries were changed; -1 = can't tell. Where it is not set: for
 * PUT, DELETE, TOUCH, INCR and TAKE the number of entries that are OK, else 0;
 * and -1 where the outcome of an entry, or of the whole, is unknown.
 */
EVKV_API void evkv_op_set_affected(struct evkv_op *op, int64_t affected);

/**
 * Fail the whole op, every entry included.
 * @param op       the op
 * @param status   a failure
 * @param cause    why
 * @param message  copied; NULL = the status's text
 * @return EVKV_VERDICT_DONE, to be returned from submit(); outside submit()
 *         call evkv_op_complete() afterwards
 */
EVKV_API enum evkv_verdict evkv_op_fail(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *message);

/** As evkv_op_fail(), with a message by printf(). */
EVKV_API enum evkv_verdict evkv_op_failf(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/** As evkv_op_fail(), with NOMEM. */
EVKV_API enum evkv_verdict evkv_op_nomem(struct evkv_op *op);

/** As evkv_op_fail(), with UNSUPPORTED. */
EVKV_API enum evkv_verdict evkv_op_unsupported(struct evkv_op *op);

/**
 * Give the reason of a failure that is written into entries. The first cause,
 * errno and text stay. Statuses are left alone.
 * @param op         the op
 * @param cause      why; EVKV_CAUSE_NONE = not known
 * @param sys_error  errno, or 0
 * @param message    copied; NULL = none
 */
EVKV_API void evkv_op_explain(struct evkv_op *op, enum evkv_cause cause,
    int sys_error, const char *message);

/**
 * The op is being handed to the kernel or to a worker: from now on a write that
 * ends early is UNKNOWN_OUTCOME. Marks parents too. A child that has ended and
 * has changed something counts as marked.
 * @return false: the waiter has already got the answer that it had no effect.
 *         Do not send it; complete it
 */
EVKV_API bool evkv_op_mark_sent(struct evkv_op *op);

/** Whether the op was marked as sent. */
EVKV_API bool evkv_op_sent(const struct evkv_op *op);

/** Whether the waiter has its answer. */
EVKV_API bool evkv_op_detached(const struct evkv_op *op);

/**
 * When the op, or one on whose behalf it is, ends by its deadline, in
 * microseconds as evkv_loop_now_us() has them. Known from the turn after its
 * submission.
 * @return 0 where it has no deadline
 */
EVKV_API int64_t evkv_op_deadline_us(const struct evkv_op *op);

/**
 * End an op that is cut off now: with `status`, or with UNKNOWN_OUTCOME where
 * it is a write that was sent. Sets entries, cause and message.
 * @return as evkv_op_fail()
 */
EVKV_API enum evkv_verdict evkv_op_cut(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *message);

/**
 * A PENDING op has its answer. The op is gone when this returns; inside
 * submit() and stop() the call is only recorded, and the op goes up when they
 * have returned. May run code of other stores, which may submit to this one
 * again; never a user's callback.
 */
EVKV_API void evkv_op_complete(struct evkv_op *op);

/** What is in the op now. NULL gives a result with the status NOMEM. */
EVKV_API const struct evkv_result *evkv_op_result(const struct evkv_op *op);

/** Only in detached(): what the waiter was told. Its kind, cause and message. */
EVKV_API const struct evkv_result *evkv_op_report(const struct evkv_op *op);

/* ---- The op: what a wrapper needs ------------------------------------- */

/**
 * A copy of a request, in the op, to be changed and forwarded. What it points
 * to is not copied. Put into it only memory of evkv_op_alloc(), or parts of
 * slices of the request: for a key or a value, parts of the same entry's, or of
 * what belongs to no entry.
 * @return NULL when out of memory
 */
EVKV_API struct evkv_request *evkv_op_derive(struct evkv_op *op,
    const struct evkv_request *request);

/**
 * Forward the op to an inner store.
 * @param op       the op
 * @param inner    the inner store
 * @param request  made by evkv_op_derive(), or the one that was given
 * @return the verdict, to be returned from submit() at once: the op may be gone
 */
EVKV_API enum evkv_verdict evkv_op_forward(struct evkv_op *op,
    struct evkv_store *inner, const struct evkv_request *request);

/**
 * Compute the status of the whole from the entries, after changing them; also
 * where it had failed as a whole. Without a failure cause and message are
 * removed.
 */
EVKV_API void evkv_op_settle(struct evkv_op *op);

/** How many entries the answer has: of keys, or of a page's names. */
EVKV_API size_t evkv_op_entry_count(const struct evkv_op *op);

/** Remove all but the first `count` names of a page. */
EVKV_API void evkv_op_keep_names(struct evkv_op *op, size_t count);

/** Flags of a child op. */
enum {
	/** Its effects are not the parent's: marks do not go up. */
	EVKV_CHILD_AUXILIARY = 1 << 0,
	/**
	 * Everything that the request points to lives in the parent, which was
	 * kept (evkv_op_request(), evkv_op_alloc()): the child does not copy
	 * it.
	 */
	EVKV_CHILD_BORROWS = 1 << 1,
};

/**
 * How a child op ends. The callbacks of the children of one op never run inside
 * each other: that of a child which is answered meanwhile runs next.
 * @param child  the child; it and its result are gone when this returns. NULL
 *               for a child that could not be made: out of memory
 * @param arg    what was given to evkv_child_submit()
 */
typedef void (*evkv_child_cb)(struct evkv_op *child, void *arg);

/**
 * Submit an op of the wrapper's own to an inner store. A wrapper that waits for
 * several children starts its count at 1, and removes that one after the last
 * child is submitted.
 * @param parent   the op on whose behalf it is; it lives as long as the child.
 *                 NULL for work that belongs to no op. A child of a detached
 *                 parent ends at once, CANCELED, unless the parent was marked
 *                 as sent or the child is auxiliary
 * @param store    the inner store
 * @param request  a timeout_ms above 0 gives the child a deadline of its own
 * @param flags    EVKV_CHILD_*
 * @param cb       runs exactly once, possibly inside this call
 * @param arg      for the callback
 * @return the child while `cb` has still to run, else NULL
 */
EVKV_API struct evkv_op *evkv_child_submit(struct evkv_op *parent,
    struct evkv_store *store, const struct evkv_request *request,
    uint32_t flags, evkv_child_cb cb, void *arg);

/**
 * Submit a child again, to the same store, with the same parent, flags,
 * callback and argument. Only in a child's callback, and once. The callback
 * runs again, but never inside this call: retries that are answered at once are
 * a loop, not a recursion. The old child and its result stay until the callback
 * that runs now returns.
 * @param child    the child that has ended
 * @param request  what to submit
 * @return the new child; NULL when out of memory: then the callback runs with
 *         NULL
 */
EVKV_API struct evkv_op *evkv_child_repeat(struct evkv_op *child,
    const struct evkv_request *request);

/**
 * Stop waiting for a child: its callback runs inside this call (or after that
 * of a sibling) with `status` or UNKNOWN_OUTCOME, and the child ends later
 * without being seen. Where its answer is on its way up already, the callback
 * runs with that.
 */
EVKV_API void evkv_child_detach(struct evkv_op *child, enum evkv_status status,
    enum evkv_cause cause);

/**
 * Tell evkv_op_deadline_us() until when a child of nobody is of use, as those
 * it is for have deadlines. It does not end then; a store that knows that it
 * can't answer in time may say why before that.
 * @param child        one without a parent, under way
 * @param deadline_us  called with the child's `arg` when a store asks, not
 *                     after the child's callback; 0 = there is none
 */
EVKV_API void evkv_child_set_deadline(struct evkv_op *child,
    int64_t (*deadline_us)(void *arg));

/**
 * Move an entry of a child, its value included, into the parent's answer.
 * @param op     the parent
 * @param i      which entry of the parent's
 * @param child  the child
 * @param j      which entry of the child's; where it has no such entry, the
 *               parent's gets the child's status
 */
EVKV_API void evkv_op_take(struct evkv_op *op, size_t i, struct evkv_op *child,
    size_t j);

/** Move the whole result of a child that was asked the same. */
EVKV_API void evkv_op_take_all(struct evkv_op *op, struct evkv_op *child);

/* ---- Cursors ------------------------------------------------------------ */

/**
 * Set the cursor of the next page: the store's own position with a tag of the
 * store's kind and of the query, by which a foreign cursor is recognised. One
 * of another store of the same kind is not.
 * @param op          the op
 * @param store_name  the kind of store, "memory"
 * @param position    the store's own position; copied
 * @return as evkv_op_set_cursor()
 */
EVKV_API bool evkv_op_set_position(struct evkv_op *op, const char *store_name,
    struct evkv_slice position);

/**
 * The position inside the cursor of a request.
 * @param request     the request
 * @param store_name  as in evkv_op_set_position()
 * @param position    set to the position; empty where the cursor is empty
 * @return false where the cursor is not of this kind of store and query: answer
 *         INVALID
 */
EVKV_API bool evkv_cursor_open(const struct evkv_request *request,
    const char *store_name, struct evkv_slice *position);

EVKV_END_DECLS

#endif
