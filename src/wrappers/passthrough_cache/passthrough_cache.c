/*
 * wrappers/passthrough_cache/passthrough_cache.c - a cache in front of a store.
 *
 * Happy path: a get is one look-up in the cache; what is missing there is
 * loaded from the primary, once for all gets at the same time, and put into
 * the cache for as long as the primary's entry has left. A write evicts, then
 * writes the primary.
 *
 * Failures: a cache that fails is a cache that misses; if it fails to evict,
 * the key goes past it until that is made good (repair.c). A primary that
 * fails is reported as it is. After a write of unknown outcome its keys are not
 * cached for a while. See cache.h for the rules.
 */
#include "wrappers/passthrough_cache/cache.h"

#include "core/store.h"
#include "loop/loop.h"
#include "wrappers/types.h"

#define STALL_MS 5000
#define BYPASS_MAX 10000
#define CACHE_TIMEOUT_MS 250
#define BACKOFF_MS 1000

struct evkv_op *evkv__background_submit(struct cache *cache,
    struct background *background, struct evkv_store *store,
    const struct evkv_request *request, evkv_child_cb cb, void *arg)
{
	struct evkv_op *child;

	background->child = NULL;
	LIST_INSERT_HEAD(&cache->background, background, link);
	child = evkv_child_submit(NULL, store, request, EVKV_CHILD_AUXILIARY,
	    cb, arg);
	if (child != NULL)
		background->child = child;
	return child;
}

void evkv__background_end(struct background *background)
{
	LIST_REMOVE(background, link);
}

void evkv__cache_wait(struct cache *cache, struct evkv_op *op,
    struct evkv_op *child)
{
	evkv_store_set_ordered(cache->node, true);
	if (!evkv_op_keep(op))
		evkv_child_detach(child, EVKV_NOMEM, EVKV_CAUSE_NOMEM);
}

/* Remaining TTLs and versions only the primary knows. */
static enum evkv_verdict passthrough_cache_submit(void *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct cache *cache = self;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_WRITES) != 0)
		return evkv__cache_write(cache, op, request);
	if ((request->kind == EVKV_OP_GET || request->kind == EVKV_OP_EXISTS) &&
	    (request->flags & EVKV_FLAG_VERSIONS) == 0)
		return evkv__cache_read(cache, op, request);
	return evkv_op_forward(op, cache->primary, request);
}

/*
 * A hit, of a key with which nothing is going on; what the cache does not have
 * takes the ordinary way.
 */
static enum evkv_peek passthrough_cache_peek(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct cache *cache = self;

	if (evkv__loop_wall_jumps(cache->loop) != cache->wall_jumps)
		evkv__repair_clocks(cache);
	if (cache->heads || cache->off ||
	    (cache->records > 0 &&
		evkv__record_find(cache, request->collection, *request->keys) !=
		    NULL))
		return EVKV_PEEK_DECLINE;
	if (evkv__store_peek(cache->cache, request, value) == EVKV_PEEK_HIT)
		return EVKV_PEEK_HIT;
	return EVKV_PEEK_DECLINE;
}

/* What has no waiter is not waited for: it ends unseen. */
static void passthrough_cache_close(void *self)
{
	struct cache *cache = self;
	struct background *background;

	cache->closing = true;
	while ((background = LIST_FIRST(&cache->background)) != NULL)
		evkv_child_detach(background->child, EVKV_CLOSED,
		    EVKV_CAUSE_CLOSED);
	evkv__repair_end(cache);
	evkv_store_closed(cache->node);
}

static void passthrough_cache_free(void *self)
{
	struct cache *cache = self;

	evkv__records_free(cache);
	evkv_free(cache);
}

static void passthrough_cache_describe(void *self, struct evkv_text *text)
{
	const struct cache *cache = self;

	evkv_text_options(text, &evkv__passthrough_cache_type, &cache->options);
}

const struct evkv_vtable evkv__cache_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "passthrough_cache",
	.flags = EVKV_VTABLE_ORDERED,
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS | EVKV_FLAG_CACHED_ONLY,
	.conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.submit = passthrough_cache_submit,
	.close = passthrough_cache_close,
	.free = passthrough_cache_free,
	.peek = passthrough_cache_peek,
	.describe = passthrough_cache_describe,
	.metrics = evkv__cache_metrics,
};

evkv_ticket evkv_cache_invalidate(struct evkv_store *store,
    struct evkv_slice collection, struct evkv_slice key,
    enum evkv_invalidate how, evkv_cb cb, void *arg)
{
	struct evkv_request request = {
		.kind = EVKV_OP_DELETE,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_CACHED_ONLY,
		.collection = collection,
		.count = 1,
		.keys = &key,
	};

	if (how == EVKV_INVALIDATE_SOFT)
		request.flags |= EVKV_FLAG_SOFT;
	return evkv_submit(store, &request, cb, arg);
}

/* ---- Making ------------------------------------------------------------- */

/* The modes, where there are any. */
static void init_modes(struct cache *cache)
{
	const struct evkv_passthrough_cache_options *o = &cache->options;

	cache->stale_ms = o->stale_while_ms > o->stale_if_error_ms
	    ? o->stale_while_ms
	    : o->stale_if_error_ms;
	cache->heads = cache->stale_ms > 0 || o->negative_ttl_ms > 0 ||
	    o->refresh_ahead_percent > 0;
	cache->backoff_us = 1000 *
	    (o->error_backoff_ms != 0 ? o->error_backoff_ms : BACKOFF_MS);
	if (cache->max_ttl_ms == 0)
		return;
	cache->longest_ms = cache->max_ttl_ms + cache->stale_ms;
	if (cache->longest_ms < o->negative_ttl_ms)
		cache->longest_ms = o->negative_ttl_ms;
	cache->longest_ms += cache->cache_excess_ms;
}

static void init_bounds(struct cache *cache, const struct evkv_store *primary,
    const struct evkv_store *store)
{
	const struct evkv_capabilities
	    *below = evkv_store_capabilities(primary);
	const struct evkv_capabilities *can = evkv_store_capabilities(store);

	cache->cache_timeout_ms = cache->options.cache_timeout_ms;
	if (cache->cache_timeout_ms == 0 &&
	    (can->flags & EVKV_STORE_IN_PROCESS) == 0)
		cache->cache_timeout_ms = CACHE_TIMEOUT_MS;
	cache->monotonic = (can->flags & EVKV_STORE_IN_PROCESS) != 0;
	cache->cache_unit_ms = can->ttl_unit_ms;
	cache->cache_excess_ms = can->ttl_excess_ms;
	cache->excess_ms = can->ttl_excess_ms + below->ttl_excess_ms;
	/* The cache would round it up, and keep entries for longer. */
	cache->max_ttl_ms = cache->options.max_ttl_ms;
	if (cache->max_ttl_ms > 0)
		cache->max_ttl_ms -= cache->max_ttl_ms % cache->cache_unit_ms +
		    cache->cache_excess_ms;
	cache->max_key = can->max_key;
	cache->max_value = can->max_value;
	cache->primary_unit_ms = below->ttl_unit_ms;
	cache->caches_below = (below->request_flags & EVKV_FLAG_CACHED_ONLY) !=
	    0;
}

static struct cache *cache_new(struct evkv_store *primary,
    struct evkv_store *store,
    const struct evkv_passthrough_cache_options *options)
{
	struct cache *cache = evkv_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->options = *options;
	cache->loop = evkv_store_loop(primary);
	cache->primary = primary;
	cache->cache = store;
	cache->stall_us = 1000 *
	    (options->stall_timeout_ms != 0 ? options->stall_timeout_ms
					    : STALL_MS);
	cache->max_bypass = options->max_bypass != 0 ? options->max_bypass
						     : BYPASS_MAX;
	cache->ask_ttl = options->primary_ttl == EVKV_PRIMARY_TTL_ASK;
	init_bounds(cache, primary, store);
	init_modes(cache);
	TAILQ_INIT(&cache->backoffs);
	cache->hash_key[0] = evkv_loop_random(cache->loop);
	cache->hash_key[1] = evkv_loop_random(cache->loop);
	if (cache->loop != NULL)
		cache->wall_jumps = evkv__loop_wall_jumps(cache->loop);
	cache->repair_timer.run = evkv__repair_run;
	cache->repair_timer.arg = cache;
	return cache;
}

struct evkv_store *evkv_passthrough_cache_new_sized(struct evkv_store *primary,
    struct evkv_store *store,
    const struct evkv_passthrough_cache_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store *const inner[] = { primary, store };
	struct evkv_capabilities can;
	const struct evkv_store_config config = {
		.capabilities = &can,
		.inner = inner,
		.inner_count = 2,
		.auxiliary = 1 << 1, /* the cache */
	};
	struct evkv_passthrough_cache_options options;
	struct evkv_store *node;
	struct cache *cache;

	if (!evkv__cache_options(primary, store, given, size, &options,
		error)) {
		evkv_store_unref(primary);
		if (store != primary)
			evkv_store_unref(store);
		return NULL;
	}
	can = *evkv_store_capabilities(primary);
	can.request_flags |= EVKV_FLAG_CACHED_ONLY;
	cache = cache_new(primary, store, &options);
	node = evkv_store_create(NULL, &evkv__cache_vtable, cache, &config,
	    error);
	if (node == NULL)
		return NULL;
	cache->node = node;
	evkv_store_set_ordered(node, false);
	return node;
}
