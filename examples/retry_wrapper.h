/*
 * retry_wrapper.h - a wrapper that asks again.
 */
#ifndef EXAMPLES_RETRY_WRAPPER_H
#define EXAMPLES_RETRY_WRAPPER_H

#include "evkv/store.h"

#define RETRY_MOST 5 /* so often an operation is repeated */

/*
 * Wrap `inner`, consumed as by every wrapper: what it refuses without having
 * had an effect is asked again.
 */
struct evkv_store *retry_new(struct evkv_store *inner,
    struct evkv_error *error);

#endif
