/*
 * tests/stores/jsonfile/json_kit.h - what the tests of jsonfile share.
 */
#ifndef TESTS_STORES_JSONFILE_JSON_KIT_H
#define TESTS_STORES_JSONFILE_JSON_KIT_H

#include "evkv/stores/jsonfile.h"
#include "kit.h"

static inline struct evkv_store *json_make(struct kit *kit,
    struct evkv_error *error)
{
	return evkv_jsonfile_new(kit->rig.loop,
	    &(struct evkv_jsonfile_options){ .path = kit->path }, error);
}

/* A folder for "settings.json", and a loop; the store is not opened yet. */
static inline void json_begin(struct kit *kit)
{
	kit_begin(kit, "settings.json", json_make);
}

#endif
