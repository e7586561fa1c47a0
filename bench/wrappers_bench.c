/*
 * bench/wrappers_bench.c - what a wrapper adds to an inline get, and to a put,
 * of a memory store; and the README's chain, a hit of its cache.
 *
 *     wrappers [repetitions, default 11] [entries, default 1000]
 *
 * A thousand entries stay in the processor's caches, a million don't.
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "bench.h"
#include "evkv/evkv.h"

#define KEY_SIZE 16
#define OPS 2000000

struct side {
	struct evkv_store *store;
	char (*keys)[KEY_SIZE];
	size_t entries, step, at;
	struct evkv_slice key;
	struct evkv_request request;
	size_t ops, hits;
};

static struct evkv_store *bare(struct evkv_store *store)
{
	return store;
}

static struct evkv_store *statistics(struct evkv_store *store)
{
	return evkv_statistics_new(store, NULL, NULL);
}

static struct evkv_store *statistics_all(struct evkv_store *store)
{
	return evkv_statistics_new(store,
	    &(struct evkv_statistics_options){ .sample_inline = 1 }, NULL);
}

static struct evkv_store *timeout(struct evkv_store *store)
{
	return evkv_timeout_new(store,
	    &(struct evkv_timeout_options){ .timeout_ms = 1000 }, NULL);
}

static struct evkv_store *retry(struct evkv_store *store)
{
	return evkv_retry_new(store, NULL, NULL);
}

static struct evkv_store *circuit_breaker(struct evkv_store *store)
{
	return evkv_circuit_breaker_new(store, NULL, NULL);
}

static struct evkv_store *concurrency_limit(struct evkv_store *store)
{
	return evkv_concurrency_limit_new(store, NULL, NULL);
}

static struct evkv_store *logging(struct evkv_store *store)
{
	return evkv_logging_new(store, NULL, NULL);
}

static struct evkv_store *trace(struct evkv_store *store)
{
	return evkv_trace_new(store, NULL, NULL);
}

static void *trace_begin(const struct evkv_request *request, const char *name,
    void *arg)
{
	(void)name;
	(void)arg;
	return (void *)(uintptr_t)request->keys;
}

static void trace_end(void *span, const struct evkv_trace_end *end, void *arg)
{
	(void)span;
	(void)end;
	(void)arg;
}

static struct evkv_store *trace_hooks(struct evkv_store *store)
{
	static const struct evkv_trace_hooks hooks = {
		.size = sizeof(hooks), .begin = trace_begin, .end = trace_end
	};

	return evkv_trace_new(store,
	    &(struct evkv_trace_options){ .hooks = &hooks }, NULL);
}

static struct evkv_store *limit_size(struct evkv_store *store)
{
	return evkv_limit_size_new(store,
	    &(struct evkv_limit_size_options){ .max_value = 1000 }, NULL);
}

static struct evkv_store *single_collection(struct evkv_store *store)
{
	return evkv_single_collection_new(store, NULL, NULL);
}

static struct evkv_store *prefix_collections(struct evkv_store *store)
{
	return evkv_prefix_collections_new(store, EVKV_LIT("app-"), NULL);
}

/* A cache in front of a store; what is measured is a hit of the cache. */
static struct evkv_store *passthrough_cache(struct evkv_store *store)
{
	struct evkv_loop *loop = evkv_store_loop(store);

	return evkv_passthrough_cache_new(evkv_simple_new(loop, NULL), store,
	    NULL, NULL);
}

static struct evkv_store *prefix_keys(struct evkv_store *store)
{
	return evkv_prefix_keys_new(store, EVKV_LIT("app:"), NULL);
}

static struct evkv_store *chain(struct evkv_store *store)
{
	return prefix_keys(passthrough_cache(store));
}

static const struct {
	const char *name;
	struct evkv_store *(*wrap)(struct evkv_store *store);
} wrappers[] = {
	{ "memory alone", bare },
	{ "statistics", statistics },
	{ "statistics, all timed", statistics_all },
	{ "timeout", timeout },
	{ "retry", retry },
	{ "circuit_breaker", circuit_breaker },
	{ "concurrency_limit", concurrency_limit },
	{ "logging", logging },
	{ "trace", trace },
	{ "trace, with hooks", trace_hooks },
	{ "limit_size", limit_size },
	{ "single_collection", single_collection },
	{ "prefix_collections", prefix_collections },
	{ "prefix_keys", prefix_keys },
	{ "passthrough_cache", passthrough_cache },
	{ "prefix_keys, passthrough_cache", chain },
};

#define COUNT (sizeof(wrappers) / sizeof(wrappers[0]))

static void on_result(const struct evkv_result *result, void *arg)
{
	struct side *side = arg;

	side->hits += result->status == EVKV_OK;
}

/* In the loop, as a service would: the time is read once a turn there. */
static void run_in_loop(evutil_socket_t fd, short what, void *arg)
{
	struct side *side = arg;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < side->ops; i++) {
		side->key = evkv_bytes(side->keys[side->at], KEY_SIZE);
		side->at += side->step;
		side->at -= side->at < side->entries ? 0 : side->entries;
		evkv_submit(side->store, &side->request, on_result, side);
	}
}

static void run(struct side *side, size_t ops,
    const struct evkv_request *request)
{
	struct event_base *base = evkv_loop_base(evkv_store_loop(side->store));

	side->request = *request;
	side->request.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	side->request.collection = EVKV_LIT("bench");
	side->request.count = 1;
	side->request.keys = &side->key;
	side->ops = ops;
	side->hits = 0;
	event_base_once(base, -1, EV_TIMEOUT, run_in_loop, side, NULL);
	event_base_dispatch(base);
	bench_check(side->hits == ops);
}

static void run_gets(void *arg, size_t ops)
{
	run(arg, ops, &(struct evkv_request){ .kind = EVKV_OP_GET });
}

static void run_puts(void *arg, size_t ops)
{
	const struct evkv_slice value = EVKV_LIT("a value of some bytes");

	run(arg, ops,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT, .values = &value });
}

/* Put every entry, then get it, which fills a cache. */
static void fill(struct side *side)
{
	run_puts(side, side->entries);
	run_gets(side, side->entries);
}

static void measure(struct side *sides, const char *title,
    void (*run_side)(void *arg, size_t ops), unsigned repetitions)
{
	struct bench_row rows[COUNT];
	size_t i;

	for (i = 0; i < COUNT; i++)
		rows[i] = (struct bench_row){ .name = wrappers[i].name,
			.run = run_side,
			.arg = &sides[i] };
	bench_measure(rows, COUNT, OPS, repetitions);
	bench_print(title, rows, COUNT);
}

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 11);
	size_t entries = bench_number(argc, argv, 2, 1000);
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct side *sides = bench_malloc(COUNT * sizeof(*sides));
	struct evkv_memory_options bound = { .max_entries = entries + 1000 };
	char(*keys)[KEY_SIZE] = bench_malloc(entries * sizeof(*keys));
	char name[32];
	size_t i;

	bench_machine();
	for (i = 0; i < entries; i++) {
		snprintf(name, sizeof(name), "key-%012zu", i);
		memcpy(keys[i], name, KEY_SIZE);
	}
	for (i = 0; i < COUNT; i++) {
		sides[i].store = wrappers[i].wrap(evkv_memory_new(loop, &bound,
		    NULL));
		bench_check(sides[i].store != NULL);
		sides[i].keys = keys;
		sides[i].entries = entries;
		sides[i].step = entries / 5 * 3 + 1;
		sides[i].at = 0;
		fill(&sides[i]);
	}
	/* The gets first: a put takes the entry out of a cache. */
	measure(sides, "get, inline", run_gets, repetitions);
	measure(sides, "put, inline", run_puts, repetitions);
	for (i = 0; i < COUNT; i++)
		evkv_store_unref(sides[i].store);
	evkv_loop_free(loop);
	event_base_free(base);
	free(sides);
	free(keys);
	return 0;
}
