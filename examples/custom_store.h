/*
 * custom_store.h - the constructor of the store that docs/writing-a-store.md
 * makes.
 */
#ifndef EXAMPLES_CUSTOM_STORE_H
#define EXAMPLES_CUSTOM_STORE_H

#include "evkv/store.h"

/* A store with room for so many entries; NULL with a filled error: NOMEM. */
struct evkv_store *shelf_new(struct evkv_loop *loop, size_t places,
    struct evkv_error *error);

#endif
