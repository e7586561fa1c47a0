/*
 * support/registry.h - what a loop knows by name: schemes of stores, wrappers.
 */
#ifndef EVKV_SUPPORT_REGISTRY_H
#define EVKV_SUPPORT_REGISTRY_H

#include "evkv/driver.h"
#include "evkv/registry.h"

struct registry;

/* The loop's, made on first use; NULL = no memory. */
struct registry *evkv__registry_of(struct evkv_loop *loop);

/*
 * As evkv_loop_register(), but a name that is registered stays as it is, so
 * that a user's own is never overruled. false = no memory.
 */
bool evkv__registry_offer(struct evkv_loop *loop, const struct evkv_type *type);

/* The wrapper of a name, else NULL. */
const struct evkv_type *evkv__registry_wrapper(const struct registry *registry,
    const char *name);
/* The names of wrappers, those most like `wanted` first. */
void evkv__registry_list(const struct registry *registry, const char *wanted,
    char *list, size_t size);

/*
 * Open a URL. The store is described by it, without the password, where it has
 * nothing better to say.
 */
struct evkv_store *evkv__registry_open(struct evkv_loop *loop,
    const struct registry *registry, const struct evkv_url *url,
    struct evkv_error *error);

/* Make one of a type: by its make(), or of its hooks. */
struct evkv_store *evkv__registry_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error);

/*
 * describe.c: a URL, as text that is a URL, secrets as ***; NULL = no memory.
 */
char *evkv__url_text(const struct evkv_url *url, const struct evkv_type *type);

#endif
