/*
 * bench/wrappers_bench.c - what a wrapper adds to an inline get, and to a put,
 * of a memory store whose entries are all in the processor's caches.
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "bench.h"
#include "evkv/evkv.h"

#define ENTRIES 1000
#define KEY_SIZE 16
#define OPS 2000000

struct side {
	struct evkv_store *store;
	char keys[ENTRIES][KEY_SIZE];
	struct evkv_slice key;
	size_t hits;
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

static const struct {
	const char *name;
	struct evkv_store *(*wrap)(struct evkv_store *store);
} wrappers[] = {
	{ "memory alone", bare },
	{ "statistics", statistics },
	{ "statistics, all timed", statistics_all },
};

#define COUNT (sizeof(wrappers) / sizeof(wrappers[0]))

static void on_result(const struct evkv_result *result, void *arg)
{
	struct side *side = arg;

	side->hits += result->status == EVKV_OK;
}

static void run(struct side *side, size_t ops, struct evkv_request *request)
{
	size_t i;

	request->flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	request->collection = EVKV_LIT("bench");
	request->count = 1;
	request->keys = &side->key;
	side->hits = 0;
	for (i = 0; i < ops; i++) {
		side->key = evkv_bytes(side->keys[i % ENTRIES], KEY_SIZE);
		evkv_submit(side->store, request, on_result, side);
	}
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
	unsigned repetitions = argc > 1 ? (unsigned)atoi(argv[1]) : 11;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct side *sides = bench_malloc(COUNT * sizeof(*sides));
	char name[32];
	size_t i, k;

	bench_machine();
	for (i = 0; i < COUNT; i++) {
		sides[i].store = wrappers[i].wrap(evkv_memory_new(loop, NULL,
		    NULL));
		bench_check(sides[i].store != NULL);
		for (k = 0; k < ENTRIES; k++) {
			snprintf(name, sizeof(name), "key-%012zu", k);
			memcpy(sides[i].keys[k], name, KEY_SIZE);
		}
	}
	measure(sides, "put, inline", run_puts, repetitions);
	measure(sides, "get, inline", run_gets, repetitions);
	for (i = 0; i < COUNT; i++)
		evkv_store_unref(sides[i].store);
	evkv_loop_free(loop);
	event_base_free(base);
	free(sides);
	return 0;
}
