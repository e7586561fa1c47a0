/*
 * tests/conformance/core/fixtures.c - the stores and wrappers of the core
 * library. What is under a wrapper goes through evkv_conformance_delay().
 */
#include <stdint.h>

#include "suites.h"

/* The loop, and where the delaying store goes: shorter calls below. */
#define OPEN_(name_)                                                           \
	static struct evkv_store *open_##name_(struct evkv_conformance *run,   \
	    struct evkv_loop *loop, struct evkv_error *error)
#define L(literal_) EVKV_LIT(literal_)

static struct evkv_store *below(struct evkv_conformance *run,
    struct evkv_store *store, struct evkv_error *error)
{
	return evkv_conformance_delay(run, store, error);
}

/* Without a bound that the tests could reach. */
static struct evkv_store *memory(struct evkv_loop *loop,
    struct evkv_error *error)
{
	return evkv_memory_new(loop,
	    &(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error);
}

OPEN_(null)
{
	(void)run;
	return evkv_null_new(loop, error);
}

OPEN_(simple)
{
	(void)run;
	return evkv_simple_new(loop, error);
}

OPEN_(memory)
{
	(void)run;
	return memory(loop, error);
}

OPEN_(prefix_keys)
{
	return evkv_prefix_keys_new(below(run, memory(loop, error), error),
	    L("a:p%*\0"), error);
}

OPEN_(passthrough_cache)
{
	struct evkv_store *primary = below(run, memory(loop, error), error);

	return evkv_passthrough_cache_new(primary,
	    below(run, memory(loop, error), error), NULL, error);
}

/* Over a cache that answers at once. */
OPEN_(passthrough_cache_simple)
{
	struct evkv_store *primary = below(run, evkv_simple_new(loop, error),
	    error);

	return evkv_passthrough_cache_new(primary, memory(loop, error), NULL,
	    error);
}

/*
 * With all that a cache can do and still be true to the primary alone: a stale
 * entry is served no longer than the primary's lives.
 */
static const struct evkv_passthrough_cache_options modes = {
	.max_ttl_ms = 2000,
	.jitter_ms = 500,
	.negative_ttl_ms = 1000,
	.refresh_ahead_percent = 20,
	.stale_while_ms = 1000,
	.stale_if_error_ms = 100000,
	.error_backoff_ms = 10,
	.soft_timeout_ms = 5,
	.fill_on_put = true,
};

OPEN_(passthrough_cache_modes)
{
	struct evkv_store *primary = below(run, memory(loop, error), error);

	return evkv_passthrough_cache_new(primary,
	    below(run, memory(loop, error), error), &modes, error);
}

OPEN_(passthrough_cache_modes_simple)
{
	struct evkv_store *primary = below(run, evkv_simple_new(loop, error),
	    error);

	return evkv_passthrough_cache_new(primary, memory(loop, error), &modes,
	    error);
}

/* Everything at once: what is true of one must be true of all. */
OPEN_(stack)
{
	struct evkv_store *store = evkv_simple_new(loop, error);

	store = evkv_prefix_keys_new(below(run, store, error), L("inner:"),
	    error);
	store = evkv_passthrough_cache_new(store,
	    below(run, memory(loop, error), error), NULL, error);
	store = evkv_prefix_keys_new(store, L("middle:"), error);
	store = evkv_passthrough_cache_new(store,
	    evkv_prefix_keys_new(memory(loop, error), L("cache:"), error), NULL,
	    error);
	return evkv_prefix_keys_new(store, L("outer:"), error);
}

#define SUITE_(name_, quirks_)                                                 \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = open_##name_, .quirks = (quirks_)                      \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(null, EVKV_CONFORMANCE_FORGETS),
	SUITE_(simple, 0),
	SUITE_(memory, 0),
	SUITE_(prefix_keys, 0),
	SUITE_(passthrough_cache, 0),
	SUITE_(passthrough_cache_simple, 0),
	SUITE_(passthrough_cache_modes, 0),
	SUITE_(passthrough_cache_modes_simple, 0),
	SUITE_(stack, 0),
	{ .name = NULL },
};
