/*
 * wrappers/passthrough_cache/passthrough_cache.c - a cache in front of a store.
 *
 * Happy path: a get is one look-up in the cache; what is missing there is
 * loaded from the primary, once for all who ask at the same time, and put into
 * the cache for as long as the primary's entry has left. A write evicts, then
 * writes the primary.
 *
 * Failures: a cache that fails is a cache that misses; if it fails to evict,
 * the key goes past it until that is made good (trouble.c). A primary that
 * fails is reported as it is. After a write of unknown outcome its keys are not
 * cached for a while. See cache.h for the rules.
 */
#include "wrappers/passthrough_cache/cache.h"

#include "wrappers/types.h"

#define STALL_MS 5000
#define BYPASS_MAX 10000
#define CACHE_TIMEOUT_MS 250

void evkv__cache_begin(struct cache *cache)
{
	cache->background++;
}

void evkv__cache_end(struct cache *cache)
{
	cache->background--;
	if (cache->closing && cache->background == 0)
		evkv_store_closed(cache->node);
}

static enum evkv_verdict passthrough_cache_submit(void *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct cache *cache = self;

	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_EXISTS: return evkv__cache_read(cache, op, request);
	case EVKV_OP_PUT:
	case EVKV_OP_DELETE:
	case EVKV_OP_TOUCH:
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
		return evkv__cache_write(cache, op, request);
	case EVKV_OP_TTL: /* the cache can't know */
		return evkv__cache_ask(cache, op, request);
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS:
	case EVKV_OP_PING:
	case EVKV_OP_SYNC:
	case EVKV_OP_COMPACT:
		return evkv_op_forward(op, cache->primary, request);
	default: return evkv_op_unsupported(op);
	}
}

static void passthrough_cache_stop(void *self, struct evkv_op *op)
{
	struct turn *turn = evkv_op_data(op);

	(void)self;
	if (turn != NULL)
		evkv__turn_stop(turn);
}

static void passthrough_cache_close(void *self)
{
	struct cache *cache = self;

	cache->closing = true;
	evkv__trouble_end(cache);
	if (cache->background == 0)
		evkv_store_closed(cache->node);
}

static void passthrough_cache_free(void *self)
{
	struct cache *cache = self;

	evkv__notes_free(cache);
	evkv_free(cache);
}

static void passthrough_cache_describe(void *self, struct evkv_text *text)
{
	const struct cache *cache = self;

	evkv_text_options(text, &evkv__passthrough_cache_type, &cache->options);
}

/* Those of the switch above: a kind added later must not slip past. */
#define PASSTHROUGH_CACHE_KINDS                                                \
	(EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_EXISTS) |          \
	    EVKV_KIND_BIT(EVKV_OP_PUT) | EVKV_KIND_BIT(EVKV_OP_DELETE) |       \
	    EVKV_KIND_BIT(EVKV_OP_TOUCH) | EVKV_KIND_BIT(EVKV_OP_CLEAR) |      \
	    EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL) |                                 \
	    EVKV_KIND_BIT(EVKV_OP_PURGE_EXPIRED) |                             \
	    EVKV_KIND_BIT(EVKV_OP_TTL) | EVKV_KIND_BIT(EVKV_OP_KEYS) |         \
	    EVKV_KIND_BIT(EVKV_OP_COLLECTIONS) | EVKV_KIND_BIT(EVKV_OP_PING) | \
	    EVKV_KIND_BIT(EVKV_OP_SYNC) | EVKV_KIND_BIT(EVKV_OP_COMPACT))

static const struct evkv_vtable passthrough_cache_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "passthrough_cache",
	.kinds = PASSTHROUGH_CACHE_KINDS,
	.conditions = EVKV_IF_BASIC,
	.submit = passthrough_cache_submit,
	.stop = passthrough_cache_stop,
	.close = passthrough_cache_close,
	.free = passthrough_cache_free,
	.describe = passthrough_cache_describe,
};

static struct cache *cache_new(struct evkv_store *primary,
    struct evkv_store *store,
    const struct evkv_passthrough_cache_options *options)
{
	const struct evkv_capabilities *can = evkv_store_capabilities(store);
	struct cache *cache = evkv_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->options = *options;
	cache->loop = evkv_store_loop(primary);
	cache->primary = primary;
	cache->due_tail = &cache->due;
	cache->cache = store;
	cache->max_ttl_ms = options->max_ttl_ms;
	cache->stall_us = 1000 *
	    (options->stall_timeout_ms != 0 ? options->stall_timeout_ms
					    : STALL_MS);
	cache->max_bypass = options->max_bypass != 0 ? options->max_bypass
						     : BYPASS_MAX;
	cache->cache_timeout_ms = options->cache_timeout_ms;
	if (cache->cache_timeout_ms == 0 &&
	    (can->flags & EVKV_STORE_IN_PROCESS) == 0)
		cache->cache_timeout_ms = CACHE_TIMEOUT_MS;
	cache->cache_unit_ms = can->ttl_unit_ms;
	/* The cache would round it up, and keep entries for longer. */
	cache->max_ttl_ms -= cache->max_ttl_ms % cache->cache_unit_ms;
	cache->max_key = can->max_key;
	cache->max_value = can->max_value;
	cache->primary_unit_ms = evkv_store_capabilities(primary)->ttl_unit_ms;
	cache->hash_key[0] = evkv_loop_random(cache->loop);
	cache->hash_key[1] = evkv_loop_random(cache->loop);
	cache->repair_timer.run = evkv__trouble_repair;
	cache->repair_timer.arg = cache;
	return cache;
}

static const char *wrong_with(const struct evkv_store *primary,
    const struct evkv_store *cache,
    const struct evkv_passthrough_cache_options *options)
{
	const uint32_t needed = EVKV_KIND_BIT(EVKV_OP_GET) |
	    EVKV_KIND_BIT(EVKV_OP_PUT) | EVKV_KIND_BIT(EVKV_OP_DELETE);
	const struct evkv_capabilities *can = evkv_store_capabilities(cache);

	if (options->max_ttl_ms < 0 || options->max_ttl_ms > EVKV_TTL_MAX)
		return "max_ttl_ms is negative or over 100 years";
	if (options->stall_timeout_ms < 0 ||
	    options->stall_timeout_ms > EVKV_TTL_MAX)
		return "stall_timeout_ms is negative or over 100 years";
	if (options->cache_timeout_ms < 0 ||
	    options->cache_timeout_ms > EVKV_TTL_MAX)
		return "cache_timeout_ms is negative or over 100 years";
	if (options->max_ttl_ms == 0 &&
	    (can->flags & EVKV_STORE_IN_PROCESS) == 0)
		return "max_ttl_ms must be given for a cache that is not "
		       "in-process";
	if (options->max_ttl_ms != 0 && options->max_ttl_ms < can->ttl_unit_ms)
		return "max_ttl_ms is below the cache's TTL unit";
	if ((can->kinds & needed) != needed)
		return "the cache can't get, put and delete";
	if ((evkv_store_capabilities(primary)->kinds &
		EVKV_KIND_BIT(EVKV_OP_TTL)) == 0)
		return "the primary can't tell the remaining TTL";
	return NULL;
}

static bool options_ok(const struct evkv_store *primary,
    const struct evkv_store *cache, const void *given, size_t size,
    struct evkv_passthrough_cache_options *options, struct evkv_error *error)
{
	const char *why;

	if (!evkv_options_read(options, sizeof(*options), given, size, error))
		return false;
	if (primary == NULL || cache == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "passthrough_cache: an inner store is NULL");
		return false;
	}
	why = wrong_with(primary, cache, options);
	if (why == NULL)
		return true;
	evkv_error_set(error, EVKV_INVALID, "passthrough_cache: %s", why);
	return false;
}

struct evkv_store *evkv_passthrough_cache_new_sized(struct evkv_store *primary,
    struct evkv_store *store,
    const struct evkv_passthrough_cache_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store *const inner[] = { primary, store };
	const struct evkv_store_config config = {
		.inner = inner,
		.inner_count = 2,
		.auxiliary = 1 << 1, /* the cache */
	};
	struct evkv_passthrough_cache_options options;
	struct evkv_store *node;
	struct cache *cache;

	if (!options_ok(primary, store, given, size, &options, error)) {
		evkv_store_unref(primary);
		if (store != primary)
			evkv_store_unref(store);
		return NULL;
	}
	cache = cache_new(primary, store, &options);
	node = evkv_store_create(NULL, &passthrough_cache_vtable, cache,
	    &config, error);
	if (node != NULL)
		cache->node = node;
	return node;
}
