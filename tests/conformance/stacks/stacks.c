/*
 * tests/conformance/stacks/stacks.c - stacks of 3 to 6 wrappers, drawn by
 * seed and written as chains, over a memory store.
 *
 * What changes by its purpose what the suite expects is not drawn: read_only,
 * default_value, prefix_collections (it shortens the longest name).
 */
#include <stdio.h>
#include <stdlib.h>

#include "evkv/conformance.h"
#include "evkv/evkv.h"

static const char *const layers[] = {
	"statistics()",
	"timeout(1h)",
	"retry(attempts=3)",
	"concurrency_limit(100000)",
	"circuit_breaker(min_operations=1000000)",
	"logging()",
	"limit_size(1g)",
	"clamp_ttl()",
	"fault()",
	"prefix_keys(app:)",
	"prefix_keys(\"a b|%,:\")",
	"passthrough_cache(memory:)",
	"passthrough_cache(simple:)",
	"passthrough_cache(memory:, max_ttl=2s, negative_ttl=1s, "
	"refresh_ahead=20, stale_while=1s, stale_if_error=1m, fill_on_put=1)",
	"fallback(simple:)",
	"routing(memory:, routes=[c-m]*)",
};
#define LAYERS (sizeof(layers) / sizeof(layers[0]))

/* A small generator of its own: the same stacks everywhere. */
static unsigned draw(unsigned *state, unsigned below)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % below;
}

static void stack_text(unsigned seed, char *text, size_t room)
{
	unsigned state = seed * 2654435761u, count = 3 + draw(&state, 4), i;
	size_t size = (size_t)snprintf(text, room, "memory:");

	for (i = 0; i < count; i++)
		size += (size_t)snprintf(text + size, room - size, " | %s",
		    layers[draw(&state, LAYERS)]);
}

static struct evkv_store *stack_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const unsigned *seed = evkv_conformance_arg(run);
	char text[1024];

	stack_text(*seed, text, sizeof(text));
	return evkv_open(loop, text, error);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	char name[32];
	const struct evkv_conformance_suite suite = {
		.size = sizeof(suite),
		.name = name,
		.open = stack_open,
		.arg = &seed,
	};
	char text[1024];

	if (seed == 0) {
		fprintf(stderr, "usage: %s <seed from 1> [options]\n", argv[0]);
		return 2;
	}
	snprintf(name, sizeof(name), "stack_%u", seed);
	stack_text(seed, text, sizeof(text));
	printf("# %s\n", text);
	return evkv_conformance_main(argc - 1, argv + 1, &suite);
}
