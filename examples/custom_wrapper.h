/*
 * custom_wrapper.h - the constructor of the wrapper that
 * docs/writing-a-wrapper.md makes.
 */
#ifndef EXAMPLES_CUSTOM_WRAPPER_H
#define EXAMPLES_CUSTOM_WRAPPER_H

#include "evkv/store.h"

/*
 * Wrap `inner`, consumed as by every wrapper: each value is stored behind
 * `tag`, a literal or another string that outlives the store.
 */
struct evkv_store *tag_values_new(struct evkv_store *inner, const char *tag,
    struct evkv_error *error);

#endif
