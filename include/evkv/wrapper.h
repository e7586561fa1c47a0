/**
 * @file
 * Wrappers made of hooks, for authors.
 *
 *     static int64_t my_ttl(void *self, enum evkv_kind kind, int64_t ttl_ms)
 *     {
 *         (void)self;
 *         (void)kind;
 *         return ttl_ms == EVKV_TTL_NONE ? 3600000 : ttl_ms;
 *     }
 *
 *     static const struct evkv_wrapper my_hooks = {
 *         .size = sizeof(struct evkv_wrapper), .ttl = my_ttl,
 *     };
 *
 * A hook says what becomes of one thing: a place, a TTL, a value. The kit calls
 * it for every kind that has such a thing, in every form in which requests have
 * it, and lets through what no hook is about. Which kinds that are follows from
 * their classes: one that takes or answers what the hooks do not cover (INCR
 * where values are encoded) is UNSUPPORTED, also one that a later version of
 * evkv adds. docs/wrapper-kit.md goes through it.
 *
 * The hooks run on the loop's thread, inside submit or on the way up. They must
 * not submit to the store that they belong to.
 */
#ifndef EVKV_WRAPPER_H
#define EVKV_WRAPPER_H

#include "evkv/driver.h"
#include "evkv/registry.h"

EVKV_BEGIN_DECLS

/** Room for what a place hook writes, in bytes. */
#define EVKV_PLACE_ROOM 1024

/** Where entries of one collection are in the inner store. */
struct evkv_place {
	/** their collection there; at first it is the same */
	struct evkv_slice collection;
	/** what stands before each key there; empty at first */
	struct evkv_slice key_head;
	/** room for these to be written to, not cleared */
	char room[EVKV_PLACE_ROOM];
};

/** What a wrapper made of hooks does. */
enum {
	/**
	 * Renames keys by a head and leaves collections alone: the kit walks
	 * through the inner collections for COLLECTIONS and CLEAR_ALL, which
	 * mean those that have keys with the head.
	 */
	EVKV_WRAPPER_KEY_HEADS = 1 << 0,
	/**
	 * Renames collections by the head that `collection_head` gives. With
	 * neither of the two flags a wrapper that has a `place` hook can't do
	 * COLLECTIONS and CLEAR_ALL, unless its own `submit` does.
	 */
	EVKV_WRAPPER_COLLECTION_HEADS = 1 << 1,
	/** The decode hook is given the request: its inputs are kept. */
	EVKV_WRAPPER_KEEPS = 1 << 2,
	/** As EVKV_VTABLE_ORDERED: its own `submit` takes several steps. */
	EVKV_WRAPPER_ORDERED = 1 << 3,
	/**
	 * Its own `submit` only forwards a GET: so an inline one may be answered
	 * without it, by `peek`.
	 */
	EVKV_WRAPPER_FORWARDS_GET = 1 << 4,
	/**
	 * Its `place` gives all collections the same key head, and leaves their
	 * names alone: so it may be asked once for many requests.
	 */
	EVKV_WRAPPER_SAME_HEAD = 1 << 5,
};

/**
 * The hooks. Each is optional; `self` is what init() made, or the kit's copy of
 * the options. A `static const` table with designated initialisers.
 */
struct evkv_wrapper {
	/** sizeof(struct evkv_wrapper) */
	size_t size;
	/** EVKV_WRAPPER_* */
	uint32_t flags;
	/**
	 * Narrows what is handled to kinds all of whose classes are named here.
	 * 0 = whatever the hooks cover.
	 */
	uint32_t classes;

	/**
	 * Check the options beyond what their table says, and make `self`.
	 * NULL: it is the copy of the options.
	 * @param options  the kit's copy, strings included; it lives as long as
	 *                 the store. All zero where none were given.
	 * @param inner    the inner store, borrowed; lives as long as `self`
	 * @param error    to be filled where NULL is returned; else it is NOMEM
	 */
	void *(*init)(void *options, struct evkv_store *inner,
	    struct evkv_error *error);
	/** Release what init() made. NULL = there is nothing to release. */
	void (*free)(void *self);
	/** Narrow what the store can do, which is what the inner one can. */
	void (*narrow)(void *self, struct evkv_capabilities *can);

	/**
	 * Whether a request may go on.
	 * @param why  set to a sentence in static storage, or left NULL
	 * @return OK, or the status that the whole operation is to fail with
	 */
	enum evkv_status (*check)(void *self,
	    const struct evkv_request *request, const char **why);
	/**
	 * Where the entries of a collection are: called once for each request
	 * about a collection, or less often with EVKV_WRAPPER_SAME_HEAD. Two
	 * collections must never have a place in common: where they share an
	 * inner collection, no key head may be the beginning of another.
	 * @param collection  the name at this level
	 * @param place       to be changed; slices may point into its room,
	 *                    into `self` and into `collection`
	 */
	void (*place)(void *self, struct evkv_slice collection,
	    struct evkv_place *place);
	/**
	 * What stands before the name of each collection in the inner store.
	 */
	struct evkv_slice (*collection_head)(void *self);
	/**
	 * The TTL of an entry that a request of this kind sets.
	 * @param ttl_ms  as given: EVKV_TTL_NONE, or 1 and more
	 * @return what the inner store is given; likewise
	 */
	int64_t (*ttl)(void *self, enum evkv_kind kind, int64_t ttl_ms);
	/**
	 * The value of entry i on its way down.
	 * @param op     for evkv_op_alloc()
	 * @param value  to be changed: memory of the op's, of `self`, or a part
	 *               of what it was
	 * @return OK, or the status that the whole operation is to fail with;
	 *         evkv_op_explain() may say why
	 */
	enum evkv_status (*encode)(void *self, struct evkv_op *op,
	    const struct evkv_request *request, size_t i,
	    struct evkv_slice *value);
	/**
	 * The value of entry i on its way up, to be replaced by
	 * evkv_op_give_value() or evkv_op_copy_value().
	 * @param request  of this level; NULL without EVKV_WRAPPER_KEEPS
	 * @return OK, or the status of the entry, which then has no value;
	 *         evkv_op_explain() may say why
	 */
	enum evkv_status (*decode)(void *self, struct evkv_op *op,
	    const struct evkv_request *request, size_t i);
	/**
	 * A name of a page on its way up, without its head; its bytes may be
	 * overwritten.
	 * @return false to drop the name: it does not belong to this level
	 */
	bool (*name)(void *self, enum evkv_kind kind, struct evkv_slice *name);

	/**
	 * In place of the kit's way down, after check(), for kinds that need
	 * more than hooks. What it does not do itself it hands to
	 * evkv_wrapper_forward(), whose verdict it returns.
	 */
	enum evkv_verdict (*submit)(void *self, struct evkv_op *op,
	    const struct evkv_request *request);
	/** As in struct evkv_vtable, after the kit's way up. */
	void (*complete)(void *self, struct evkv_op *op);
	/** As in struct evkv_vtable. */
	void (*stop)(void *self, struct evkv_op *op);
	/** As in struct evkv_vtable. */
	void (*detached)(void *self, struct evkv_op *op,
	    enum evkv_status status);
	/** As in struct evkv_vtable. */
	void (*counters)(void *self, struct evkv_counters *counters);
	/** As in struct evkv_vtable. */
	uint32_t ordered_kinds;
	/** As in struct evkv_vtable. */
	void (*metrics)(void *self, struct evkv_metrics *metrics);
};

/**
 * Put a wrapper over a store.
 * @param type     its table; type->wrapper has the hooks
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  of type->options_size bytes in this version; NULL = defaults.
 *                 Copied, strings included.
 * @param size     of the options as the caller has them
 * @param error    filled where NULL is returned: INVALID or NOMEM
 * @return the caller's reference
 */
EVKV_API struct evkv_store *evkv_wrapper_create(const struct evkv_type *type,
    struct evkv_store *inner, const void *options, size_t size,
    struct evkv_error *error);

/**
 * The kit's way down: to the inner store, by the hooks. For `submit`.
 * @return to be returned at once: the op may be gone
 */
EVKV_API enum evkv_verdict evkv_wrapper_forward(struct evkv_op *op,
    const struct evkv_request *request);

/** The `self` of a store that is a wrapper of this type, else NULL. */
EVKV_API void *evkv_wrapper_self(const struct evkv_store *store,
    const struct evkv_type *type);

EVKV_END_DECLS

#endif
