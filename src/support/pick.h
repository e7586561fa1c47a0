/*
 * support/pick.h - some of a request's keys, for wrappers that ask again.
 */
#ifndef EVKV_SUPPORT_PICK_H
#define EVKV_SUPPORT_PICK_H

#include "evkv/driver.h"

/*
 * Make `request` one for its keys at the `count` places `from`, in order. Its
 * arrays are new ones, in the op's memory, as a child that was cut off may
 * still read the old ones. false: no memory, and the request is of no more use.
 */
bool evkv__request_pick(struct evkv_op *op, struct evkv_request *request,
    const uint32_t *from, size_t count);

#endif
