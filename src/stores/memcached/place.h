/*
 * stores/memcached/place.h - which server has a key. Apart from store.h, whose
 * names libmemcached's header has, too.
 */
#ifndef EVKV_SRC_STORES_MEMCACHED_PLACE_H
#define EVKV_SRC_STORES_MEMCACHED_PLACE_H

#include "options.h"

struct memcached_place;

struct memcached_place *evkv__memcached_place_new(
    const struct evkv_memcached_options *options, struct evkv_error *error);
void evkv__memcached_place_free(struct memcached_place *place);
/* The server that has a name. */
size_t evkv__memcached_place_of(struct memcached_place *place, const char *name,
    size_t size);
/* Leave a server out, or not any more. */
void evkv__memcached_place_eject(struct memcached_place *place, size_t server,
    bool ejected);

#endif
