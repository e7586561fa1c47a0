/*
 * wrappers/single_collection/single_collection.h - what its files share.
 */
#ifndef EVKV_WRAPPERS_SINGLE_COLLECTION_SINGLE_COLLECTION_H
#define EVKV_WRAPPERS_SINGLE_COLLECTION_SINGLE_COLLECTION_H

#include "evkv/wrapper.h"
#include "evkv/wrappers/single_collection.h"

#define SEPARATOR_MAX 16
/* The longest head: each byte of a name escaped, and the separator. */
#define HEAD_MAX (3 * EVKV_COLLECTION_MAX + SEPARATOR_MAX)

struct single_collection {
	struct evkv_slice collection, separator, default_collection;
	struct evkv_store *inner;
	/* The last name that was asked for, and its head; none while 0. */
	size_t last_head_size, last_size;
	char last[EVKV_COLLECTION_MAX], last_head[HEAD_MAX];
};

/* names.c */
/* What stands before the keys of a collection, in HEAD_MAX bytes; its size. */
size_t evkv__single_head(struct evkv_slice separator,
    struct evkv_slice collection, char *head);
/*
 * The collection of an inner key, in EVKV_COLLECTION_MAX bytes; false: it has
 * none, it is foreign.
 */
bool evkv__single_collection_of(struct evkv_slice separator,
    struct evkv_slice key, char *bytes, struct evkv_slice *collection);

/* walk.c: collections and clear_all */
enum evkv_verdict evkv__single_collection_walk(struct single_collection *self,
    struct evkv_op *op);

#endif
