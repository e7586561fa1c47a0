/*
 * tests/conformance/wrappers/fixtures.c - each wrapper over a memory store.
 */
#include <stdint.h>

#include "suites.h"

#define OPEN_(name_)                                                           \
	static struct evkv_store *open_##name_(struct evkv_conformance *run,   \
	    struct evkv_loop *loop, struct evkv_error *error)

/* Without a bound that the tests could reach. */
static struct evkv_store *memory(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_conformance_delay(run,
	    evkv_memory_new(loop,
		&(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error),
	    error);
}

OPEN_(statistics)
{
	return evkv_statistics_new(memory(run, loop, error), NULL, error);
}

OPEN_(fault)
{
	return evkv_fault_new(memory(run, loop, error), NULL, error);
}

/* Whose faults are such that no promise is about them. */
OPEN_(fault_slow)
{
	return evkv_fault_new(memory(run, loop, error),
	    &(struct evkv_fault_options){ .reorder_permille = 700 }, error);
}

OPEN_(timeout)
{
	return evkv_timeout_new(memory(run, loop, error),
	    &(struct evkv_timeout_options){ .timeout_ms = 3600000 }, error);
}

/* Without pauses, as the clock may stand still. */
OPEN_(retry)
{
	return evkv_retry_new(memory(run, loop, error),
	    &(struct evkv_retry_options){ .backoff_ms = -1 }, error);
}

/* Only for what never happens here: the second store has other entries. */
OPEN_(fallback)
{
	struct evkv_store *primary = memory(run, loop, error);

	return evkv_fallback_new(primary, memory(run, loop, error),
	    &(struct evkv_fallback_options){
		.statuses = EVKV_STATUS_BIT(EVKV_CORRUPT) },
	    error);
}

/* With more failures than there are, as time may stand still while it is open. */
OPEN_(circuit_breaker)
{
	return evkv_circuit_breaker_new(memory(run, loop, error),
	    &(struct evkv_circuit_breaker_options){ .min_operations = 1000000 },
	    error);
}

OPEN_(concurrency_limit)
{
	return evkv_concurrency_limit_new(memory(run, loop, error),
	    &(struct evkv_concurrency_limit_options){
		.max_running = 2, .max_queue = 1000000 },
	    error);
}

#define SUITE_(name_)                                                          \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = open_##name_                                           \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(statistics),
	SUITE_(fault),
	SUITE_(fault_slow),
	SUITE_(timeout),
	SUITE_(retry),
	SUITE_(fallback),
	SUITE_(circuit_breaker),
	SUITE_(concurrency_limit),
	{ .name = NULL },
};
