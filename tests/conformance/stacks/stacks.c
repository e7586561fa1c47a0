/*
 * tests/conformance/stacks/stacks.c - stacks of 3 to 6 wrappers, drawn by
 * seed and written as chains, over a memory store or a server.
 *
 *     conformance-stacks <seed> [--redis] [options of the suite]
 *
 * What changes by its purpose what the suite expects is not drawn: read_only,
 * default_value, prefix_collections (it shortens the longest name).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/conformance.h"
#include "evkv/evkv.h"
#ifdef STACKS_HAVE_REDIS
#include "evkv/stores/redis.h"
#include "lib/server_shared.h"
#endif

static const char *const layers[] = {
	"statistics()",
	"timeout(1h)",
	"retry(attempts=3)",
	"concurrency_limit(100000)",
	"circuit_breaker(min_operations=1000000)",
	"logging()",
	"trace(layer)",
	"limit_size(1g)",
	"clamp_ttl()",
	"fault()",
	"prefix_keys(app:)",
	"prefix_keys(\"a b|%,:\")",
	"passthrough_cache(memory:)",
	"passthrough_cache(simple:)",
	("passthrough_cache(memory:, max_ttl=2s, negative_ttl=1s, "
	 "refresh_ahead=20, stale_while=1s, stale_if_error=1m, fill_on_put=1)"),
	"fallback(simple:)",
	"routing(STORE, routes=[c-m]*)",
};
/* SERVER_SHARED_PASSWORD, percent-encoded. */
#define PASSWORD_IN_URLS "a%%20secret%%2Fof%%3Athe%%40tests"
#define LAYERS (sizeof(layers) / sizeof(layers[0]))

/* A small generator of its own: the same stacks everywhere. */
static unsigned draw(unsigned *state, unsigned below)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % below;
}

/*
 * `store`, and what stands over it. STORE in a layer is another store of that
 * kind: one of another kind may claim less than it has.
 */
static void stack_text(unsigned seed, const char *store, const char *other,
    char *text, size_t room)
{
	unsigned state = seed * 2654435761u, count = 3 + draw(&state, 4), i;
	size_t size = (size_t)snprintf(text, room, "%s", store);
	const char *layer, *hole;

	for (i = 0; i < count; i++) {
		layer = layers[draw(&state, LAYERS)];
		hole = strstr(layer, "STORE");
		if (hole == NULL)
			hole = layer + strlen(layer);
		size += (size_t)snprintf(text + size, room - size,
		    " | %.*s%s%s", (int)(hole - layer), layer,
		    *hole != '\0' ? other : "",
		    *hole != '\0' ? hole + strlen("STORE") : "");
	}
}

static struct evkv_store *stack_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const unsigned *seed = evkv_conformance_arg(run);
	char text[2048];

	stack_text(*seed, "memory:", "memory:", text, sizeof(text));
	return evkv_open(loop, text, error);
}

#ifdef STACKS_HAVE_REDIS
static void redis_setup(struct evkv_conformance *run)
{
	(void)run;
	server_shared_start(SERVER_REDIS);
}

static void redis_url(struct server *server, char *url, size_t room)
{
	snprintf(url, room,
	    "redis://:" PASSWORD_IN_URLS
	    "@127.0.0.1:%d/%d?allow_unprefixed_clear_all=yes",
	    server->port, server_shared_db(server));
}

/* Each has databases of its own: not all of a stack is in the server. */
static struct evkv_store *redis_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const unsigned *seed = evkv_conformance_arg(run);
	struct server *server = server_shared(SERVER_REDIS);
	char store[160], other[160], text[2048];

	redis_url(server, store, sizeof(store));
	redis_url(server, other, sizeof(other));
	stack_text(*seed, store, other, text, sizeof(text));
	return evkv_redis_register(loop) ? evkv_open(loop, text, error) : NULL;
}
#endif

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	bool redis = argc > 2 && strcmp(argv[2], "--redis") == 0;
	char name[32], text[2048];
	struct evkv_conformance_suite suite = {
		.size = sizeof(suite),
		.name = name,
		.open = stack_open,
		.arg = &seed,
	};

	if (seed == 0) {
		fprintf(stderr, "usage: %s <seed from 1> [--redis] [options]\n",
		    argv[0]);
		return 2;
	}
	snprintf(name, sizeof(name), "stack_%u", seed);
	stack_text(seed, redis ? "redis:" : "memory:", "memory:", text,
	    sizeof(text));
	printf("# %s\n", text);
#ifdef STACKS_HAVE_REDIS
	if (redis) {
		if (!server_installed(SERVER_REDIS))
			return getenv("CI") != NULL ? 1 : 77;
		suite.setup = redis_setup;
		suite.open = redis_open;
		suite.quirks = EVKV_CONFORMANCE_REAL_TIME |
		    EVKV_CONFORMANCE_SLOW;
	}
#endif
	argc -= 1 + redis;
	argv += 1 + redis;
	return evkv_conformance_main(argc, argv, &suite);
}
