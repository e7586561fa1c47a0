/*
 * slow_store.h - a wrapper for demonstrations: the store behind it answers as
 * late as one wishes.
 */
#ifndef EXAMPLES_SLOW_STORE_H
#define EXAMPLES_SLOW_STORE_H

#include "evkv/store.h"

/*
 * Wrap `inner`, consumed as by every wrapper. Each operation starts
 * *delay_ms milliseconds late; at 0 it passes straight through. The variable
 * must outlive the store.
 */
struct evkv_store *slow_store_new(struct evkv_store *inner,
    const int64_t *delay_ms, struct evkv_error *error);

#endif
