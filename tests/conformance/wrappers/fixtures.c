/*
 * tests/conformance/wrappers/fixtures.c - each wrapper over a memory store.
 */
#include <stdint.h>
#include <stdlib.h>

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

OPEN_(routing)
{
	const struct evkv_route route = { EVKV_LIT("[c-m]*"),
		memory(run, loop, error) };

	return evkv_routing_new(memory(run, loop, error),
	    &(struct evkv_routing_options){
		.routes = &route, .route_count = 1 },
	    error);
}

/* A name, and patterns of which one overlaps another. */
OPEN_(routing_many)
{
	struct evkv_route routes[] = { { EVKV_LIT("c"), NULL },
		{ EVKV_LIT("name00*"), NULL }, { EVKV_LIT("n*"), NULL } };
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		routes[i].store = memory(run, loop, error);
	return evkv_routing_new(memory(run, loop, error),
	    &(struct evkv_routing_options){ .routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]) },
	    error);
}

/*
 * With more failures than there are, as time may stand still while it is open.
 */
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

OPEN_(prefix_collections)
{
	return evkv_prefix_collections_new(memory(run, loop, error),
	    EVKV_LIT("a:%*_"), error);
}

OPEN_(single_collection)
{
	return evkv_single_collection_new(memory(run, loop, error),
	    &(struct evkv_single_collection_options){
		.collection = EVKV_LIT("all of them") },
	    error);
}

/* Over a store that keeps the order of keys. */
OPEN_(single_collection_ordered)
{
	return evkv_single_collection_new(evkv_conformance_delay(run,
					      evkv_simple_new(loop, error),
					      error),
	    NULL, error);
}

OPEN_(logging)
{
	return evkv_logging_new(memory(run, loop, error),
	    &(struct evkv_logging_options){ .all = true }, error);
}

/* One over the other, so that each operation has a parent's trace. */
static void *trace_begin(const struct evkv_request *request, const char *name,
    void *arg)
{
	(void)name;
	return request->kind == EVKV_OP_TTL ? NULL : arg;
}

static void trace_end(void *trace, const struct evkv_trace_end *end, void *arg)
{
	(void)end;
	if (trace != arg)
		abort();
}

OPEN_(trace)
{
	static char mark;
	static const struct evkv_trace_hooks hooks = {
		.size = sizeof(hooks),
		.begin = trace_begin,
		.end = trace_end,
		.arg = &mark,
	};
	const struct evkv_trace_options options = { .hooks = &hooks };

	return evkv_trace_new(evkv_trace_new(memory(run, loop, error), &options,
				  error),
	    &options, error);
}

/* Above what the cases put. */
OPEN_(limit_size)
{
	return evkv_limit_size_new(memory(run, loop, error),
	    &(struct evkv_limit_size_options){
		.max_value = 1 << 20, .max_key = 4000 },
	    error);
}

/* In a collection of its own: elsewhere what is not there is not there. */
OPEN_(default_value)
{
	return evkv_default_value_new(memory(run, loop, error),
	    &(struct evkv_default_value_options){ .value = EVKV_LIT("none"),
		.collections = EVKV_LIT("with a default") },
	    error);
}

#define SUITE_(name_, ...)                                                     \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = #name_, \
		.open = open_##name_, __VA_ARGS__                              \
	}

/* A name of 255 bytes has more with the prefix. */
static const struct evkv_conformance_exception long_names[] = {
	{ .name = "collections_hold_any_byte",
	    .reason = "with the prefix a name may be too long",
	    .kind = EVKV_OP_PUT,
	    .status = EVKV_INVALID },
	{ .name = "the_longest_collection_works",
	    .reason = "with the prefix it is too long",
	    .kind = EVKV_OP_PUT,
	    .status = EVKV_INVALID },
	{ .name = NULL },
};

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_(statistics, .quirks = 0),
	SUITE_(fault, .quirks = 0),
	SUITE_(fault_slow, .quirks = 0),
	SUITE_(timeout, .quirks = 0),
	SUITE_(retry, .quirks = 0),
	SUITE_(fallback, .quirks = 0),
	SUITE_(routing, .quirks = 0),
	SUITE_(routing_many, .quirks = 0),
	SUITE_(circuit_breaker, .quirks = 0),
	SUITE_(concurrency_limit, .quirks = 0),
	SUITE_(logging, .quirks = 0),
	SUITE_(trace, .quirks = 0),
	SUITE_(limit_size, .quirks = 0),
	SUITE_(default_value, .quirks = 0),
	SUITE_(prefix_collections, .exceptions = long_names),
	SUITE_(single_collection, .quirks = 0),
	SUITE_(single_collection_ordered, .quirks = 0),
	{ .name = NULL },
};
