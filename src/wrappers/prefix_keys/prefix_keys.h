/*
 * wrappers/prefix_keys/prefix_keys.h - what the two files of prefix_keys share.
 */
#ifndef EVKV_SRC_WRAPPERS_PREFIX_KEYS_H
#define EVKV_SRC_WRAPPERS_PREFIX_KEYS_H

#include "evkv/driver.h"

#define PREFIX_KEYS_MAX 1024 /* bytes of a prefix */

struct prefix_keys {
	struct evkv_store *inner; /* borrowed: the node holds the reference */
	struct evkv_slice prefix;
	struct evkv_slice escaped; /* the prefix as a pattern */
	char bytes[];
};

/* Answer a collections or a clear_all. */
enum evkv_verdict evkv__prefix_keys_walk(struct prefix_keys *self,
    struct evkv_op *op);

#endif
