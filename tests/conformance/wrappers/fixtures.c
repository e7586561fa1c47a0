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

#define SUITE_(name_)                                                          \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = open_##name_                                           \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(statistics),
	SUITE_(fault),
	SUITE_(fault_slow),
	{ .name = NULL },
};
