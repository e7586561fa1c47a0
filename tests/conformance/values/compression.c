/*
 * tests/conformance/values/compression.c - over a memory store.
 */
#include <stdint.h>

#include "evkv/wrappers/compression.h"
#include "suites.h"

static struct evkv_store *memory(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_conformance_delay(run,
	    evkv_memory_new(loop,
		&(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error),
	    error);
}

/* Whatever can be compressed is. */
static struct evkv_store *open_eager(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_compression_new(memory(run, loop, error),
	    &(struct evkv_compression_options){ .min_size = 1 }, error);
}

static struct evkv_store *open_strict(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_compression_new(memory(run, loop, error),
	    &(struct evkv_compression_options){ .require_header = true },
	    error);
}

/* All of it by the worker. */
static struct evkv_store *open_away(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_compression_new(memory(run, loop, error),
	    &(struct evkv_compression_options){
		.min_size = 1, .offload_size = 1 },
	    error);
}

const struct evkv_conformance_suite conformance_suites[] = {
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "compression",
	    .open = open_eager },
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "compression_strict",
	    .open = open_strict },
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "compression_away",
	    .open = open_away,
	    .quirks = EVKV_CONFORMANCE_SLOW },
	{ .name = NULL },
};
