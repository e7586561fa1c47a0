/*
 * stores/redis/options.h - the options of a redis store, checked and owned.
 */
#ifndef EVKV_SRC_STORES_REDIS_OPTIONS_H
#define EVKV_SRC_STORES_REDIS_OPTIONS_H

#include "evkv/key_codec.h"
#include "evkv/registry.h"
#include "evkv/stores/redis.h"

#define REDIS_PREFIX_MAX EVKV_KEY_PREFIX_MAX /* bytes of key_prefix */
#define REDIS_PATH_MAX 107 /* bytes of path: what fits into sun_path */
#define REDIS_TIME_MAX ((INT64_C(1) << 40) - 1) /* ms, as the pipeline has it */

/*
 * Bring options of `size` bytes into ours: defaults filled in, checked, every
 * string a copy. false with a filled error, and nothing to free.
 */
bool evkv__redis_options_init(struct evkv_redis_options *ours,
    const struct evkv_redis_options *given, size_t size,
    struct evkv_error *error);

/* Release the strings; the password is wiped first. */
void evkv__redis_options_free(struct evkv_redis_options *ours);

/* Write them as a URL; the password as ***, defaults not at all. */
void evkv__redis_options_describe(const struct evkv_redis_options *ours,
    struct evkv_text *text);

#endif
