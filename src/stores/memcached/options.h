/*
 * stores/memcached/options.h - the options of a memcached store, checked and
 * owned.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_OPTIONS_H
#define EVKV_SRC_STORES_MEMCACHED_OPTIONS_H

#include "evkv/registry.h"
#include "evkv/stores/memcached.h"

/*
 * Bring options of `size` bytes into ours: defaults filled in, checked, every
 * string and the servers a copy. false with a filled error, and nothing to
 * free.
 */
bool evkv__memcached_options_init(struct evkv_memcached_options *ours,
    const struct evkv_memcached_options *given, size_t size,
    struct evkv_error *error);

/* Release what is a copy; the password is wiped first. */
void evkv__memcached_options_free(struct evkv_memcached_options *ours);

/* Write them as a URL; the password as ***, defaults not at all. */
void evkv__memcached_options_describe(const struct evkv_memcached_options *ours,
    struct evkv_text *text);

#endif
