/*
 * evkv/driver.h - for authors of stores and wrappers.
 *
 * docs/writing-a-store.md and docs/writing-a-wrapper.md walk through it, with
 * a complete example each (examples/custom_store.c, examples/custom_wrapper.c).
 *
 * The way of an operation: the boundary (evkv_submit) checks it, makes an op
 * and calls submit() of the outermost store. A one-to-one wrapper makes a new
 * request and forwards the same op; a compound wrapper issues child ops. Each
 * store that the op enters pushes a frame. The driver at the bottom writes the
 * answer into the op and returns EVKV_VERDICT_DONE, or returns EVKV_VERDICT_PENDING and calls
 * evkv_op_complete() later. The core then unwinds the frames, and the boundary
 * defers the callback.
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

struct evkv_op;
struct evkv_text;

/* ---- The vtable ------------------------------------------------------- */

enum evkv_verdict {
	EVKV_VERDICT_DONE,    /* the answer is in the op */
	EVKV_VERDICT_PENDING, /* evkv_op_complete() will be called, exactly once */
};

enum {
	/*
	 * Passes on kinds that it does not know. Without it such a kind is
	 * UNSUPPORTED, so that none slips past a wrapper that must see it.
	 */
	EVKV_VTABLE_TRANSPARENT = 1 << 0,
	/*
	 * Needs its inputs after submit has returned: the core keeps them
	 * before it calls submit, whose `request` is valid for the life of the
	 * op then. A store that answers mostly inside submit calls
	 * evkv_op_keep() instead, where it has to.
	 */
	EVKV_VTABLE_KEEPS = 1 << 1,
	/*
	 * Operations on one key begin in order: submit is called for a write
	 * when all earlier ones on its keys have their answer, and for others
	 * after the writes before them. Reads between two writes are free, and
	 * so are kinds that name no keys. For wrappers that would reorder what
	 * they forward (retry, a cache that is slow); a store that is first in,
	 * first out needs it not, and waits for nothing then.
	 */
	EVKV_VTABLE_ORDERED = 1 << 2,
};

/* What peek() answers. */
enum evkv_peek {
	EVKV_PEEK_DECLINE, /* not at once: take the ordinary way */
	EVKV_PEEK_MISS,
	EVKV_PEEK_HIT,
};

/*
 * What a store is. One static const table per kind of store, with designated
 * initialisers. `self` is what was given to evkv_store_create(). A slot that
 * is NULL does what its text says.
 */
struct evkv_vtable {
	size_t size; /* sizeof(struct evkv_vtable); what is missing is NULL */
	const char *name; /* "memory", "prefix_keys": [a-z0-9_] */
	uint32_t flags;   /* EVKV_VTABLE_* */
	/*
	 * Wrappers: what they handle; the rest is UNSUPPORTED, so that nothing
	 * that a later version adds slips past one that must see it. A kind is
	 * handled that is named in `kinds`, or all of whose classes are named
	 * in `classes`. Transparent wrappers handle everything. A store says
	 * the same in its capabilities.
	 */
	uint32_t kinds;         /* EVKV_KIND_BIT() */
	uint32_t classes;       /* EVKV_CLASS_* */
	uint32_t request_flags; /* EVKV_FLAG_VERSIONS and what is to come */
	uint32_t conditions;    /* EVKV_IF_BIT() */

	/*
	 * Required. Start the operation that `request` describes. The request
	 * has been checked: kind, counts, lengths, TTLs, pattern. It and all
	 * that it points to is valid until submit returns; whoever answers
	 * PENDING and still needs it has EVKV_VTABLE_KEEPS, or calls
	 * evkv_op_keep() first and reads evkv_op_request() from then on. An
	 * evkv_op_complete() inside submit is recorded: the op goes up when
	 * submit has returned, and must not be touched in between.
	 */
	enum evkv_verdict (*submit)(void *self, struct evkv_op *op,
	    const struct evkv_request *request);

	/*
	 * Wrappers that forward; NULL = nothing to do. The inner store has
	 * answered: the answer is in the op and may be changed (call
	 * evkv_op_settle() where statuses of entries were). The result tells
	 * the kind; who needs more of evkv_op_request(), which is that of this
	 * level, has EVKV_VTABLE_KEEPS, or has called evkv_op_keep() before
	 * forwarding: without it there is none. Not called on the store that itself answered DONE, nor after `detached`.
	 */
	void (*complete)(void *self, struct evkv_op *op);

	/*
	 * Optional. The waiter is about to be told that a PENDING op has ended
	 * (deadline, cancel, close). Called on the store that answered PENDING.
	 * If nothing of it has been sent, see to it that nothing will be: this
	 * is the last chance for a write to be reported as without effect. If
	 * it has been sent, or can't be held back, call evkv_op_mark_sent().
	 * Either way evkv_op_complete() is still owed, now or later. NULL: a
	 * write is taken as sent.
	 */
	void (*stop)(void *self, struct evkv_op *op);

	/*
	 * Wrappers that forward; NULL = nothing to do. The waiter of this op
	 * has been told `status` while the inner store was still at work;
	 * `complete` will not be called.
	 */
	void (*detached)(void *self, struct evkv_op *op,
	    enum evkv_status status);

	/*
	 * Optional. Nothing will be submitted any more, and every waiter has
	 * been told. Complete what is still under way (detached ops), end
	 * connections, timers and tasks, and call evkv_store_closed(), now or
	 * later, when the last op is completed. evkv_loop_free() waits for it
	 * by running posts (evkv_loop_post()) and tasks, no events. NULL: there
	 * is nothing to end.
	 */
	void (*close)(void *self);

	/*
	 * Required. Release `self`; the last call on it. Also called where
	 * evkv_store_create() fails.
	 */
	void (*free)(void *self);

	/*
	 * Optional. Add the store's own reconnects, entries, bytes, evictions.
	 * Those of inner stores are added by the core.
	 */
	void (*counters)(void *self, struct evkv_counters *counters);

	/*
	 * Optional. Answer a GET of one key now, from memory, without an op, or
	 * decline, for whatever reason; then the request takes the ordinary
	 * way. It has been checked, and has neither conditions nor
	 * EVKV_FLAG_VERSIONS. May count and mark as used; must decline where an
	 * operation that was submitted before could still change the answer.
	 * *value is set on a hit; it is the store's, which keeps it unchanged
	 * until the next call on it, and the core holds it while the callback
	 * runs. Wrappers pass it on by evkv_store_peek(). NULL: declines.
	 */
	enum evkv_peek (*peek)(void *self, const struct evkv_request *request,
	    struct evkv_value **value);

	/*
	 * Optional. Write the store as evkv_open() would read it, by the calls
	 * of evkv/registry.h. NULL: what it was opened by, or its name alone.
	 */
	void (*describe)(void *self, struct evkv_text *text);
};

/* ---- Making a store --------------------------------------------------- */

struct evkv_store_config {
	/*
	 * What the store can do. NULL, for wrappers only: what the inner stores
	 * can. A wrapper's are narrowed to those of all its inner stores, and
	 * to what its vtable handles unless it is transparent.
	 */
	const struct evkv_capabilities *capabilities;
	size_t capabilities_size; /* filled in by evkv_store_create() */
	/* The inner stores, consumed. */
	struct evkv_store *const *inner;
	size_t inner_count;
	/*
	 * Bit i: inner store i only helps (a cache). What it can do, its state
	 * and its entries are not those of the stack.
	 */
	uint32_t auxiliary;
	/* Bounds; 0 = the defaults of evkv_store_set_limits(). */
	size_t max_pending;
	size_t max_pending_bytes;
	/* The default deadline; 0 = that of inner[0], or none. */
	int64_t timeout_ms;
	/* At first; 0 = CONNECTING. Of a wrapper with inner stores: READY. */
	enum evkv_state state;
};

/*
 * Make a store of `vtable` and `self`, with one reference. Where it fails, or
 * where an inner store is NULL, closed, given twice or of another loop, or the
 * config has a field set that this library does not know, the inner stores are
 * released, vtable->free(self) is called, the error is filled and NULL is
 * returned. `self` NULL is taken as want of memory. Wrappers may give loop
 * NULL: it is then that of inner[0]. vtable is kept, config copied.
 */
EVKV_API struct evkv_store *evkv_store_create_sized(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *config, size_t size,
    struct evkv_error *error);
static inline struct evkv_store *evkv_store_create(struct evkv_loop *loop,
    const struct evkv_vtable *vtable, void *self,
    const struct evkv_store_config *config, struct evkv_error *error)
{
	struct evkv_store_config sized = *config;

	sized.capabilities_size = sizeof(struct evkv_capabilities);
	return evkv_store_create_sized(loop, vtable, self, &sized,
	    sizeof(sized), error);
}

/*
 * Bring options of `given_size` bytes, as the caller's headers had them, into
 * ours of `size` bytes: what is missing becomes zero. `given` NULL = all zero.
 * false, with a filled error, where bytes that we do not know are not zero.
 */
EVKV_API bool evkv_options_read(void *options, size_t size, const void *given,
    size_t given_size, struct evkv_error *error);

/* The i-th inner store, or NULL; a borrowed reference. */
EVKV_API struct evkv_store *evkv_store_inner(const struct evkv_store *store,
    size_t i);

/* The `self` of a store that has this vtable, else NULL. */
EVKV_API void *evkv_store_self(const struct evkv_store *store,
    const struct evkv_vtable *vtable);

/*
 * For stores with EVKV_VTABLE_ORDERED: whether operations wait for each other,
 * from now on; at first they do.
 */
EVKV_API void evkv_store_set_ordered(struct evkv_store *store, bool ordered);

/* As vtable.peek() of a store; declines where it has none, or can't now. */
EVKV_API enum evkv_peek evkv_store_peek(struct evkv_store *store,
    const struct evkv_request *request, struct evkv_value **value);

/* The answer to the vtable's close(). */
EVKV_API void evkv_store_closed(struct evkv_store *store);

/*
 * Report a change of the store's own state; `message` is copied, NULL is "".
 * What is shown is the worst of a store's own and those of its inner stores.
 */
EVKV_API void evkv_store_set_state(struct evkv_store *store,
    enum evkv_state state, enum evkv_cause cause, const char *message);

/**
 * As evkv_submit() of a request that is INVALID, for adapters that find that
 * out by themselves: the store does not see it.
 * @param store    NULL gives ticket 0
 * @param request  for its kind, and EVKV_FLAG_SINGLE
 * @param message  what is wrong, copied
 * @param cb       may be NULL
 * @param arg      for the callback
 */
EVKV_API evkv_ticket evkv_submit_refused(struct evkv_store *store,
    const struct evkv_request *request, const char *message, evkv_cb cb,
    void *arg);

/* ---- The op: what a driver needs -------------------------------------- */

EVKV_API struct evkv_loop *evkv_op_loop(const struct evkv_op *op);

/*
 * The request at the present level. A child in its own callback is at no level:
 * there this, and evkv_op_data(), is NULL, and debug builds assert.
 */
EVKV_API const struct evkv_request *evkv_op_request(const struct evkv_op *op);

/*
 * Keep the inputs of this level: copies what the caller owns into the op, where
 * no level above has done so, and makes evkv_op_request() valid for the life of
 * the op, here and at the levels below. false = no memory: then answer
 * evkv_op_nomem(op). Only inside submit.
 */
EVKV_API bool evkv_op_keep(struct evkv_op *op);

/* Memory that lives as long as the op, aligned as by malloc; NULL = none. */
EVKV_API void *evkv_op_alloc(struct evkv_op *op, size_t size);
/* A copy of bytes in that memory; *copy is set, false = no memory. */
EVKV_API bool evkv_op_copy(struct evkv_op *op, struct evkv_slice bytes,
    struct evkv_slice *copy);

/* One pointer per level, NULL at first. */
EVKV_API void evkv_op_set_data(struct evkv_op *op, void *data);
EVKV_API void *evkv_op_data(const struct evkv_op *op);

/*
 * For requests with keys: the entry of key i, OK at first, for the driver to
 * write status, ttl_ms, number and version into; values by the calls below. A
 * remaining TTL is rounded down, as caches count on it; but what is there has
 * at least 1. For pages: the i-th name, to be changed in place.
 */
EVKV_API struct evkv_entry *evkv_op_entry(struct evkv_op *op, size_t i);

/*
 * Give entry i a value, with status OK, in place of the one that it has; the
 * caller's reference moves. NULL only takes away the value that it has.
 */
EVKV_API void evkv_op_give_value(struct evkv_op *op, size_t i,
    struct evkv_value *value);
/* A new value of a copy of `bytes` for entry i; false = no memory. */
EVKV_API bool evkv_op_copy_value(struct evkv_op *op, size_t i,
    struct evkv_slice bytes);

/*
 * Append a name to a page, copied. false = no memory, and the op has failed
 * with NOMEM.
 */
EVKV_API bool evkv_op_add_name(struct evkv_op *op, struct evkv_slice name);
/*
 * The cursor of the next page, copied; not set = this was the last. Likewise.
 */
EVKV_API bool evkv_op_set_cursor(struct evkv_op *op, struct evkv_slice cursor);

/*
 * How many entries were changed, -1 = can't tell. Not set: for DELETE, PUT and
 * TOUCH, INCR and TAKE the number of entries that are OK, else 0; and -1 where the outcome of
 * one, or of the whole, is unknown.
 */
EVKV_API void evkv_op_set_affected(struct evkv_op *op, int64_t affected);

/*
 * Fail the whole op, every entry included: returns EVKV_VERDICT_DONE, to be returned
 * from submit, or followed by evkv_op_complete(). `message` is copied; NULL is
 * the status's text.
 */
EVKV_API enum evkv_verdict evkv_op_fail(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *message);
EVKV_API enum evkv_verdict evkv_op_failf(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;
EVKV_API enum evkv_verdict evkv_op_nomem(struct evkv_op *op);
EVKV_API enum evkv_verdict evkv_op_unsupported(struct evkv_op *op);

/*
 * Add the reason of a failure that is written into entries: cause, errno and
 * text, of which the first given stays. Leaves the statuses alone.
 */
EVKV_API void evkv_op_explain(struct evkv_op *op, enum evkv_cause cause,
    int sys_error, const char *message);

/*
 * The op is being handed to the kernel, or to a worker: from now on a write
 * that ends early is UNKNOWN_OUTCOME. Goes up to parents. false: the waiter has
 * already been told that it had no effect, so it must not be sent; complete it.
 * A child that has ended and has changed something counts as marked by itself.
 */
EVKV_API bool evkv_op_mark_sent(struct evkv_op *op);

/* Whether it was marked, and whether the waiter has been told. */
EVKV_API bool evkv_op_sent(const struct evkv_op *op);
EVKV_API bool evkv_op_detached(const struct evkv_op *op);

/*
 * The moment, as evkv_loop_now_us() has it, at which the op or one on whose
 * behalf it is ends by its deadline; 0 = it has none. Known in the turns after
 * its submission.
 */
EVKV_API int64_t evkv_op_deadline_us(const struct evkv_op *op);

/*
 * How an op that is cut off now ends by the rule of effect and reason:
 * `status`, or UNKNOWN_OUTCOME where it is a write that was sent. Sets entries
 * and cause.
 */
EVKV_API enum evkv_verdict evkv_op_cut(struct evkv_op *op,
    enum evkv_status status, enum evkv_cause cause, const char *message);

/*
 * A PENDING op has its answer. The op is gone when this returns; inside submit
 * and stop it is only recorded, and goes up when they have returned. May run
 * other stores' code, which may submit to this one again; never a user's
 * callback.
 */
EVKV_API void evkv_op_complete(struct evkv_op *op);

/* What is in the op now. NULL gives a result with the status NOMEM. */
EVKV_API const struct evkv_result *evkv_op_result(const struct evkv_op *op);

/* ---- The op: what a wrapper needs ------------------------------------- */

/*
 * A copy of a request, in the op, to be changed before it is forwarded; what it
 * points to is not copied. What is put into it is memory of evkv_op_alloc(), or
 * a part of a slice of the request: a key or a value from those of the same
 * entry or from what is no entry's, all else from any. NULL = no memory.
 */
EVKV_API struct evkv_request *evkv_op_derive(struct evkv_op *op,
    const struct evkv_request *request);

/*
 * Hand the op on to an inner store, with a request made by evkv_op_derive() or
 * the one that was given. The verdict is to be returned from submit at once:
 * the op may be gone.
 */
EVKV_API enum evkv_verdict evkv_op_forward(struct evkv_op *op,
    struct evkv_store *inner, const struct evkv_request *request);

/*
 * Work out the whole's status from the entries, after changing them; also where
 * it had failed as a whole. Without a failure it has no cause and no message.
 */
EVKV_API void evkv_op_settle(struct evkv_op *op);

/* How many entries the answer has: of keys, or of a page's names. */
EVKV_API size_t evkv_op_entry_count(const struct evkv_op *op);
/* Drop all but the first `count` names of a page. */
EVKV_API void evkv_op_keep_names(struct evkv_op *op, size_t count);

enum {
	/* Its effects are not the parent's: marks do not go up. */
	EVKV_CHILD_AUXILIARY = 1 << 0,
	/*
	 * All that the request points to lives in the parent, which was kept
	 * (evkv_op_request(), evkv_op_alloc()): the child need not copy it.
	 */
	EVKV_CHILD_BORROWS = 1 << 1,
};

/*
 * How a child op ends; NULL stands for one that could not be made, for want of
 * memory. The child and its result are gone when this returns. The callbacks of
 * the children of one op never run inside each other: one that is answered
 * while another's runs is told after that.
 */
typedef void (*evkv_child_cb)(struct evkv_op *child, void *arg);

/*
 * Submit an op of the wrapper's own to an inner store. `parent` is the op on
 * whose behalf it is, or NULL for work that belongs to nobody; it stays alive
 * as long as the child. A child of a detached parent ends at once, CANCELED,
 * unless the parent was marked as sent or the child is auxiliary.
 * request->timeout_ms > 0 gives it a deadline of its own. `cb` runs exactly
 * once, possibly inside this call. Returns the child while `cb` has still to
 * run, else NULL.
 *
 * Whoever joins children starts the count at 1, and lets go of that one after
 * the last child is submitted.
 */
EVKV_API struct evkv_op *evkv_child_submit(struct evkv_op *parent,
    struct evkv_store *store, const struct evkv_request *request,
    uint32_t flags, evkv_child_cb cb, void *arg);

/*
 * Only in a child's callback, and once: submit such a child again, to the same
 * store, with the same parent, flags, callback and argument. The callback runs
 * again, but never inside this call, so retries that are answered at once are a
 * loop and not a recursion; without memory it runs with NULL. Returns the new
 * child, NULL without memory. The old one and its result are there until the
 * callback that runs now returns.
 */
EVKV_API struct evkv_op *evkv_child_repeat(struct evkv_op *child,
    const struct evkv_request *request);

/*
 * Stop waiting for a child: its callback runs now, inside this call (or after
 * that of its sibling), with `status` or UNKNOWN_OUTCOME, and it runs out
 * unseen. One whose answer is on
 * its way up already goes on: its callback runs with that.
 */
EVKV_API void evkv_child_detach(struct evkv_op *child, enum evkv_status status,
    enum evkv_cause cause);

/*
 * Move entry j of a child, its value included, to entry i of the parent's
 * answer. Where the child has no such entry: its status.
 */
EVKV_API void evkv_op_take(struct evkv_op *op, size_t i, struct evkv_op *child,
    size_t j);
/* Take over the whole result of a child that was asked the same. */
EVKV_API void evkv_op_take_all(struct evkv_op *op, struct evkv_op *child);

/* ---- Cursors ------------------------------------------------------------ */

/*
 * A cursor wraps a store's own position with a tag of the store's kind and of
 * the query, so that one of these that is foreign is known; one of another
 * store of the same kind is not. evkv_op_set_position() answers as
 * evkv_op_set_cursor(). evkv_cursor_open() gives the position inside
 * request->match.cursor, empty where that is; false: not ours, answer INVALID.
 */
EVKV_API bool evkv_op_set_position(struct evkv_op *op, const char *store_name,
    struct evkv_slice position);
EVKV_API bool evkv_cursor_open(const struct evkv_request *request,
    const char *store_name, struct evkv_slice *position);

EVKV_END_DECLS

#endif
