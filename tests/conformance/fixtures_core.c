/*
 * tests/conformance/fixtures_core.c - the stores and wrappers of the core
 * library; FIXTURE says which one a program tests.
 */
#include "conformance.h"
#include "delay.h"

#define FIXTURE_NULL 1
#define FIXTURE_SIMPLE 2
#define FIXTURE_MEMORY 3
#define FIXTURE_PREFIX_KEYS 4
#define FIXTURE_CACHE_MEMORY 5
#define FIXTURE_CACHE_SIMPLE 6
#define FIXTURE_STACK 7
#define FIXTURE_SLOW 8 /* each operation takes some turns */
#define FIXTURE_SLOW_PREFIX 9
#define FIXTURE_SLOW_PRIMARY 10
#define FIXTURE_SLOW_CACHE 11 /* and the primary */

#if FIXTURE == FIXTURE_NULL
#define FIXTURE_NAME "null"
#define FIXTURE_QUIRKS CONFORMANCE_FORGETS
#else
#define FIXTURE_QUIRKS 0
#endif
#if FIXTURE == FIXTURE_SIMPLE
#define FIXTURE_NAME "simple"
#elif FIXTURE == FIXTURE_MEMORY
#define FIXTURE_NAME "memory"
#elif FIXTURE == FIXTURE_PREFIX_KEYS
#define FIXTURE_NAME "prefix_keys"
#elif FIXTURE == FIXTURE_CACHE_MEMORY
#define FIXTURE_NAME "passthrough_cache"
#elif FIXTURE == FIXTURE_CACHE_SIMPLE
#define FIXTURE_NAME "passthrough_cache_simple"
#elif FIXTURE == FIXTURE_STACK
#define FIXTURE_NAME "stack"
#elif FIXTURE == FIXTURE_SLOW
#define FIXTURE_NAME "slow"
#elif FIXTURE == FIXTURE_SLOW_PREFIX
#define FIXTURE_NAME "slow_prefix_keys"
#elif FIXTURE == FIXTURE_SLOW_PRIMARY
#define FIXTURE_NAME "slow_primary"
#elif FIXTURE == FIXTURE_SLOW_CACHE
#define FIXTURE_NAME "slow_cache"
#endif

#if FIXTURE >= FIXTURE_SLOW
static struct evkv_store *fixture_slow(struct conformance *c,
    struct evkv_error *error)
{
	return delay_new(evkv_simple_new(c->rig.loop, error), error);
}
#endif

#if FIXTURE >= FIXTURE_MEMORY && FIXTURE != FIXTURE_SLOW &&                    \
    FIXTURE != FIXTURE_SLOW_PREFIX
/* Without a bound that the tests could reach. */
static struct evkv_store *fixture_memory(struct conformance *c,
    struct evkv_error *error)
{
	return evkv_memory_new(c->rig.loop,
	    &(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error);
}
#endif

static struct evkv_store *fixture_open(struct conformance *c,
    struct evkv_error *error)
{
#if FIXTURE == FIXTURE_NULL
	return evkv_null_new(c->rig.loop, error);
#elif FIXTURE == FIXTURE_SIMPLE
	return evkv_simple_new(c->rig.loop, error);
#elif FIXTURE == FIXTURE_MEMORY
	return fixture_memory(c, error);
#elif FIXTURE == FIXTURE_PREFIX_KEYS
	return evkv_prefix_keys_new(fixture_memory(c, error), L("a:p%*\0"),
	    error);
#elif FIXTURE == FIXTURE_CACHE_MEMORY
	struct evkv_store *primary = fixture_memory(c, error);

	return evkv_passthrough_cache_new(primary, fixture_memory(c, error),
	    NULL, error);
#elif FIXTURE == FIXTURE_CACHE_SIMPLE
	struct evkv_store *primary = evkv_simple_new(c->rig.loop, error);

	return evkv_passthrough_cache_new(primary, fixture_memory(c, error),
	    NULL, error);
#elif FIXTURE == FIXTURE_SLOW
	return fixture_slow(c, error);
#elif FIXTURE == FIXTURE_SLOW_PREFIX
	return evkv_prefix_keys_new(fixture_slow(c, error), L("p:"), error);
#elif FIXTURE == FIXTURE_SLOW_PRIMARY
	struct evkv_store *primary = fixture_slow(c, error);

	return evkv_passthrough_cache_new(primary, fixture_memory(c, error),
	    NULL, error);
#elif FIXTURE == FIXTURE_SLOW_CACHE
	struct evkv_store *primary = fixture_slow(c, error);

	return evkv_passthrough_cache_new(primary,
	    delay_new(fixture_memory(c, error), error), NULL, error);
#else
	/* Everything at once: what is true of one must be true of all. */
	struct evkv_store *store = evkv_simple_new(c->rig.loop, error);

	store = evkv_prefix_keys_new(store, L("inner:"), error);
	store = evkv_passthrough_cache_new(store, fixture_memory(c, error),
	    NULL, error);
	store = evkv_prefix_keys_new(store, L("middle:"), error);
	store = evkv_passthrough_cache_new(store,
	    evkv_prefix_keys_new(fixture_memory(c, error), L("cache:"), error),
	    NULL, error);
	return evkv_prefix_keys_new(store, L("outer:"), error);
#endif
}

const struct conformance_fixture conformance_fixture = {
	.name = FIXTURE_NAME,
	.open = fixture_open,
	.quirks = FIXTURE_QUIRKS,
};
