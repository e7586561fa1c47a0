/*
 * wrappers/types.h - the tables of the wrappers of the core library.
 */
#ifndef EVKV_WRAPPERS_TYPES_H
#define EVKV_WRAPPERS_TYPES_H

#include "evkv/registry.h"

extern const struct evkv_type evkv__circuit_breaker_type;
extern const struct evkv_type evkv__clamp_ttl_type;
extern const struct evkv_type evkv__concurrency_limit_type;
extern const struct evkv_type evkv__default_value_type;
extern const struct evkv_type evkv__fallback_type;
extern const struct evkv_type evkv__fault_type;
extern const struct evkv_type evkv__limit_size_type;
extern const struct evkv_type evkv__logging_type;
extern const struct evkv_type evkv__passthrough_cache_type;
extern const struct evkv_type evkv__prefix_collections_type;
extern const struct evkv_type evkv__prefix_keys_type;
extern const struct evkv_type evkv__read_only_type;
extern const struct evkv_type evkv__retry_type;
extern const struct evkv_type evkv__routing_type;
extern const struct evkv_type evkv__single_collection_type;
extern const struct evkv_type evkv__statistics_type;
extern const struct evkv_type evkv__timeout_type;
extern const struct evkv_type evkv__trace_type;

#endif
