/*
 * tests/stores/filetree/tree_kit.h - what the tests of filetree share.
 */
#ifndef TESTS_STORES_FILETREE_TREE_KIT_H
#define TESTS_STORES_FILETREE_TREE_KIT_H

#include "evkv/stores/filetree.h"
#include "kit.h"

/* Of the kit's path, durable, without a sweep. */
static inline struct evkv_store *tree_make(struct kit *kit,
    struct evkv_error *error)
{
	return evkv_filetree_new(kit->rig.loop,
	    &(struct evkv_filetree_options){
		.path = kit->path, .sweep_ms = -1 },
	    error);
}

/* A store in "tree". */
static inline void tree_begin(struct kit *kit)
{
	kit_begin(kit, "tree", tree_make);
	kit_open(kit);
}

#endif
