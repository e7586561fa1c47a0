/*
 * chain.c - a stack for production, from one text: what a service would put in
 * front of a Redis, with its figures printed at the end.
 *
 *     chain [url of the store, default "simple:"] [seconds, default 1]
 *
 * Kill the server meanwhile: the operations go on, from the cache or with a
 * reason, and the figures tell what happened.
 *
 *     $ chain
 *     simple: | ... | statistics(chain)
 *     20000 operations, 20000 answered, 0 failed
 *     ...
 *     evkv_keys_total{store="chain",...,kind="get",result="hit"} ...
 *     ...
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "evkv/evkv.h"
#ifdef CHAIN_HAS_COMPRESSION
#include "evkv/wrappers/compression.h"
#endif
#ifdef CHAIN_HAS_REDIS
#include "evkv/stores/redis.h"
#endif

/* Innermost first, as C code would build it. */
static const char layers[] =
#ifdef CHAIN_HAS_COMPRESSION
    " | compression"
#endif
    " | concurrency_limit(512)"
    " | circuit_breaker(open=200ms)"
    " | timeout(250ms)"
    " | retry(attempts=3, backoff=5ms)"
    " | clamp_ttl(max=1h, missing=10m)"
    " | passthrough_cache(memory:?max_entries=10000,"
    " max_ttl=5s, refresh_ahead=80, stale_if_error=1m)"
    " | prefix_keys(app:)"
    " | limit_size(1m)"
    " | logging(slow=100ms, redact_keys=yes)"
    " | statistics(chain)";

#define KEYS 2000
#define PER_TICK 20 /* operations in each millisecond */

struct chain {
	struct event_base *base;
	struct evkv_store *store;
	struct event *tick;
	unsigned submitted, answered, failed;
	unsigned long left; /* ticks */
};

static void finish(struct chain *chain)
{
	struct evbuffer *text = evbuffer_new();
	char *described = evkv_store_describe(chain->store, 0);

	printf("%s\n%u operations, %u answered, %u failed\n",
	    described != NULL ? described : "?", chain->submitted,
	    chain->answered, chain->failed);
	if (text != NULL &&
	    evkv_statistics_write_prometheus(chain->store, text))
		fwrite(evbuffer_pullup(text, -1), 1, evbuffer_get_length(text),
		    stdout);
	if (text != NULL)
		evbuffer_free(text);
	evkv_free(described);
	evkv_store_close(chain->store, 100, NULL, NULL);
}

static void on_answer(const struct evkv_result *result, void *arg)
{
	struct chain *chain = arg;

	chain->answered++;
	chain->failed += evkv_failed(result->status);
	if (chain->left == 0 && chain->answered == chain->submitted)
		finish(chain);
}

static void submit_one(struct chain *chain)
{
	char key[16];

	snprintf(key, sizeof(key), "k%d", rand() % KEYS);
	chain->submitted++;
	if (rand() % 10 == 0)
		evkv_put(chain->store, EVKV_LIT("numbers"), evkv_str(key),
		    EVKV_LIT("some value"), 0, on_answer, chain);
	else
		evkv_get(chain->store, EVKV_LIT("numbers"), evkv_str(key),
		    on_answer, chain);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct chain *chain = arg;
	unsigned i;

	(void)fd;
	(void)what;
	if (--chain->left == 0)
		event_del(chain->tick);
	for (i = 0; i < PER_TICK; i++)
		submit_one(chain);
}

int main(int argc, char **argv)
{
	const struct timeval millisecond = { 0, 1000 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct chain chain = { .left = 1000 };
	struct evkv_loop *loop;
	char text[1024];

	chain.base = event_base_new();
	loop = evkv_loop_new(chain.base);
	if (loop == NULL)
		return EXIT_FAILURE;
#ifdef CHAIN_HAS_COMPRESSION
	evkv_compression_register(loop);
#endif
#ifdef CHAIN_HAS_REDIS
	evkv_redis_register(loop);
#endif
	if (argc > 2)
		chain.left = 1000 * strtoul(argv[2], NULL, 10);
	snprintf(text, sizeof(text), "%s%s",
	    argc > 1 ? argv[1] : "simple:", layers);
	chain.store = evkv_open(loop, text, &error);
	if (chain.store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		evkv_loop_free(loop);
		event_base_free(chain.base);
		return EXIT_FAILURE;
	}
	chain.tick = event_new(chain.base, -1, EV_PERSIST, on_tick, &chain);
	if (chain.tick != NULL && chain.left > 0)
		event_add(chain.tick, &millisecond);
	event_base_dispatch(chain.base);
	if (chain.tick != NULL)
		event_free(chain.tick);
	evkv_store_unref(chain.store);
	evkv_loop_free(loop);
	event_base_free(chain.base);
	return chain.answered == chain.submitted ? EXIT_SUCCESS : EXIT_FAILURE;
}
