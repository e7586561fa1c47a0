/*
 * support/wrapper.h - between the files of the kit for wrappers.
 */
#ifndef EVKV_SUPPORT_WRAPPER_H
#define EVKV_SUPPORT_WRAPPER_H

#include "evkv/wrapper.h"

#define PEEK_KEY 256 /* bytes of a key that is renamed without an op */

/*
 * peek.c: as the inner store is asked without an op. Nothing calls back within
 * a peek, so one is enough, and what does not change is written once.
 */
struct wrapper_peek {
	struct evkv_request request;
	struct evkv_slice key; /* `bytes` */
	size_t head_size;
	size_t head_words;  /* whole ones, of 8 bytes, which are in `bytes` */
	uint64_t head_rest; /* what of the head is behind them */
	unsigned rest_bits;
	struct evkv_place place; /* where that is not the same for all */
	/* The key, by whole words: so there is room for two more. */
	_Alignas(16) char bytes[PEEK_KEY + 3 * sizeof(uint64_t)];
};

/* The core's `self` of a wrapper made of hooks. */
struct wrapper {
	struct evkv_wrapper hooks; /* a copy, filled up to our size */
	const struct evkv_type *type;
	struct evkv_store *inner; /* borrowed: the node holds the reference */
	void *self;               /* the hooks' */
	bool made;                /* `self` is there, to be released */
	struct wrapper_peek peek;
	struct evkv_vtable vtable;
	_Alignas(16) char options[]; /* the copy, then its strings */
};

/* The wrapper of a store; NULL where it is none made of hooks. */
struct wrapper *evkv__wrapper_of(const struct evkv_store *store);

/* map.c: the slots that do the work. */
enum evkv_verdict evkv__wrapper_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request);
void evkv__wrapper_complete(void *self, struct evkv_op *op);

/* peek.c: of a wrapper that has been made, the vtable's peek; NULL = none. */
void evkv__wrapper_choose_peek(struct wrapper *wrapper);

/* place.c */
/* Where the entries of a collection are: `place` is filled in. */
static inline void evkv__wrapper_place(const struct wrapper *wrapper,
    struct evkv_slice collection, struct evkv_place *place)
{
	place->collection = collection;
	place->key_head = evkv_bytes(NULL, 0);
	if (wrapper->hooks.place != NULL)
		wrapper->hooks.place(wrapper->self, collection, place);
}
static inline struct evkv_slice evkv__wrapper_collection_head(
    const struct wrapper *wrapper)
{
	return wrapper->hooks.collection_head != NULL
	    ? wrapper->hooks.collection_head(wrapper->self)
	    : evkv_bytes(NULL, 0);
}
/* `head` before each key of a request; false = no memory. */
bool evkv__wrapper_keys(struct evkv_op *op, struct evkv_slice head,
    const struct evkv_request *request, struct evkv_request *derived);
/*
 * What of a request selects names, as the inner store's names have it, which
 * begin with `head`. With `some`, a name that is the head alone is not meant.
 * false: the op has failed.
 */
bool evkv__wrapper_match(struct evkv_op *op, struct evkv_slice head, bool some,
    const struct evkv_match *match, struct evkv_match *inner);

/* walk.c: COLLECTIONS and CLEAR_ALL of EVKV_WRAPPER_KEY_HEADS. */
enum evkv_verdict evkv__wrapper_walk(struct wrapper *wrapper,
    struct evkv_op *op);

#endif
