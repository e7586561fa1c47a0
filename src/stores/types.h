/*
 * stores/types.h - the tables of the stores of the core library.
 */
#ifndef EVKV_STORES_TYPES_H
#define EVKV_STORES_TYPES_H

#include "evkv/registry.h"

extern const struct evkv_type evkv__memory_type;

#endif
