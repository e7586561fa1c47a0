/*
 * adapters/sync/sync.h - what the parts of the blocking adapter share.
 */
#ifndef EVKV_ADAPTERS_SYNC_SYNC_H
#define EVKV_ADAPTERS_SYNC_SYNC_H

#include "evkv/adapters/sync.h"

/* A copy of a result in one piece, with references on its values; NULL = no
 * memory. Any thread may read and free it. */
struct evkv_result *evkv__result_copy(const struct evkv_result *result);

#endif
