/*
 * support/scheme.h - schemes that are always known.
 */
#ifndef EVKV_SUPPORT_SCHEME_H
#define EVKV_SUPPORT_SCHEME_H

#include "evkv/driver.h"

/*
 * As evkv_loop_register_scheme(), but a scheme that is registered stays as it
 * is, so that a user's own is never overruled. false = no memory.
 */
bool evkv__scheme_offer(struct evkv_loop *loop, const char *scheme,
    evkv_scheme_open open);

#endif
