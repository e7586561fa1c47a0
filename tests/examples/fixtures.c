/*
 * tests/examples/fixtures.c - the stores of the examples under the conformance
 * suite.
 */
#include <stdint.h>

#include "custom_store.h"
#include "custom_wrapper.h"
#include "retry_wrapper.h"
#include "slow_store.h"
#include "suites.h"

static struct evkv_store *fixture_memory(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_conformance_delay(run,
	    evkv_memory_new(loop,
		&(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error),
	    error);
}

static struct evkv_store *open_custom_store(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	(void)run;
	return shelf_new(loop, 400, error);
}

static struct evkv_store *open_custom_wrapper(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return tag_values_new(fixture_memory(run, loop, error), "v1:", error);
}

static struct evkv_store *open_slow_store(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	static const int64_t no_delay_ms = 0;

	return slow_store_new(fixture_memory(run, loop, error), &no_delay_ms,
	    error);
}

static struct evkv_store *open_retry_wrapper(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return retry_new(fixture_memory(run, loop, error), error);
}

#define SUITE_(name_, quirks_)                                                 \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = open_##name_, .quirks = (quirks_)                      \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(custom_store, EVKV_CONFORMANCE_SLOW),
	SUITE_(custom_wrapper, 0),
	SUITE_(slow_store, 0),
	SUITE_(retry_wrapper, 0),
	{ .name = NULL },
};
