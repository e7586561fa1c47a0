/*
 * wrappers/types.h - the tables of the wrappers of the core library.
 */
#ifndef EVKV_WRAPPERS_TYPES_H
#define EVKV_WRAPPERS_TYPES_H

#include "evkv/registry.h"

extern const struct evkv_type evkv__clamp_ttl_type;
extern const struct evkv_type evkv__passthrough_cache_type;
extern const struct evkv_type evkv__prefix_collections_type;
extern const struct evkv_type evkv__prefix_keys_type;
extern const struct evkv_type evkv__read_only_type;
extern const struct evkv_type evkv__single_collection_type;

#endif
