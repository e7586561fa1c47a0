/**
 * @file
 * All that a user of the core library needs.
 *
 * Drivers with a library of their own have a header of their own:
 * evkv/stores/redis.h, evkv/stores/disk.h, ...
 */
#ifndef EVKV_EVKV_H
#define EVKV_EVKV_H

#include "evkv/alloc.h"
#include "evkv/cursor.h"
#include "evkv/each.h"
#include "evkv/error.h"
#include "evkv/evbuffer.h"
#include "evkv/export.h"
#include "evkv/loop.h"
#include "evkv/open.h"
#include "evkv/ops.h"
#include "evkv/request.h"
#include "evkv/slice.h"
#include "evkv/status.h"
#include "evkv/store.h"
#include "evkv/value.h"

#include "evkv/stores/memory.h"
#include "evkv/stores/null.h"
#include "evkv/stores/simple.h"
#include "evkv/wrappers/circuit_breaker.h"
#include "evkv/wrappers/clamp_ttl.h"
#include "evkv/wrappers/concurrency_limit.h"
#include "evkv/wrappers/default_value.h"
#include "evkv/wrappers/fallback.h"
#include "evkv/wrappers/fault.h"
#include "evkv/wrappers/limit_size.h"
#include "evkv/wrappers/logging.h"
#include "evkv/wrappers/passthrough_cache.h"
#include "evkv/wrappers/prefix_collections.h"
#include "evkv/wrappers/prefix_keys.h"
#include "evkv/wrappers/read_only.h"
#include "evkv/wrappers/retry.h"
#include "evkv/wrappers/routing.h"
#include "evkv/wrappers/single_collection.h"
#include "evkv/wrappers/statistics.h"
#include "evkv/wrappers/timeout.h"
#include "evkv/wrappers/trace.h"

#endif
