/*
 * bench/adapters_bench.c - what the ways between threads cost.
 *
 *     adapters [repetitions, default 7]
 *
 * sync: a blocking get of a memory store against a table under a mutex, from
 * one thread and from eight. bridge: gets of a memory store of another thread's
 * loop against the same on its own loop, with 1, 16 and 128 outstanding. CPU
 * time is that of the whole process, so of both sides.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "bench.h"
#include "evkv/adapters/bridge.h"
#include "evkv/adapters/sync.h"
#include "evkv/evkv.h"
#include "memory_floor.h"

#define ENTRIES 1000
#define KEY_SIZE 16
#define THREADS_MAX 8
#define SYNC_OPS 40000
#define BRIDGE_OPS 200000
#define PROMISED_NS 1000.0 /* more CPU for each operation, at 128 */

static char keys[ENTRIES][KEY_SIZE];
static const char value[32];

static struct evkv_slice key_of(size_t i)
{
	return evkv_bytes(keys[i % ENTRIES], KEY_SIZE);
}

/* ---- sync ---------------------------------------------------------------- */

struct blocking {
	pthread_mutex_t mutex;
	struct floor_table table;
	struct evkv_sync *sync;
	unsigned threads;
};

struct share {
	pthread_t thread;
	struct blocking *blocking;
	size_t first, ops;
};

/* A copy of the value is what a caller may keep when the lock is let go of. */
static void *table_gets(void *arg)
{
	const struct share *share = arg;
	struct blocking *blocking = share->blocking;
	const struct floor_entry *entry;
	char copy[sizeof(value)];
	size_t i;

	for (i = 0; i < share->ops; i++) {
		pthread_mutex_lock(&blocking->mutex);
		entry = floor_get(&blocking->table, key_of(share->first + i),
		    0);
		bench_check(entry != NULL);
		memcpy(copy, entry->bytes + entry->key_size, sizeof(copy));
		pthread_mutex_unlock(&blocking->mutex);
		bench_use(copy);
	}
	return NULL;
}

static void *sync_gets(void *arg)
{
	const struct share *share = arg;
	struct evkv_value *got;
	size_t i;

	for (i = 0; i < share->ops; i++) {
		bench_check(evkv_sync_get(share->blocking->sync,
				EVKV_LIT("bench"), key_of(share->first + i),
				&got) == EVKV_OK);
		evkv_value_unref(got);
	}
	return NULL;
}

static void run_shares(struct blocking *blocking, size_t ops,
    void *(*run)(void *arg))
{
	struct share shares[THREADS_MAX];
	unsigned i;

	for (i = 0; i < blocking->threads; i++) {
		shares[i] = (struct share){ .blocking = blocking,
			.first = i * 117,
			.ops = ops / blocking->threads };
		bench_check(pthread_create(&shares[i].thread, NULL, run,
				&shares[i]) == 0);
	}
	for (i = 0; i < blocking->threads; i++)
		pthread_join(shares[i].thread, NULL);
}

static void run_table(void *arg, size_t ops)
{
	run_shares(arg, ops, table_gets);
}

static void run_sync(void *arg, size_t ops)
{
	run_shares(arg, ops, sync_gets);
}

static void measure_sync(struct blocking *blocking, unsigned threads,
    unsigned repetitions)
{
	struct bench_row rows[] = {
		{ .name = "table under a mutex",
		    .run = run_table,
		    .arg = blocking },
		{ .name = "evkv_sync_get", .run = run_sync, .arg = blocking },
	};
	char title[64];

	blocking->threads = threads;
	snprintf(title, sizeof(title), "blocking gets, %u threads", threads);
	bench_measure(rows, 2, SYNC_OPS, repetitions);
	bench_print(title, rows, 2);
}

static void bench_sync(unsigned repetitions)
{
	struct blocking blocking = { .threads = 1 };
	size_t i;

	pthread_mutex_init(&blocking.mutex, NULL);
	floor_open(&blocking.table, 2 * ENTRIES);
	blocking.sync = evkv_sync_open("memory:", NULL, NULL);
	bench_check(blocking.sync != NULL);
	for (i = 0; i < ENTRIES; i++) {
		floor_put(&blocking.table, key_of(i),
		    evkv_bytes(value, sizeof(value)), INT64_MAX);
		bench_check(evkv_sync_put(blocking.sync, EVKV_LIT("bench"),
				key_of(i), evkv_bytes(value, sizeof(value)),
				0) == EVKV_OK);
	}
	measure_sync(&blocking, 1, repetitions);
	measure_sync(&blocking, THREADS_MAX, repetitions);
	evkv_sync_close(blocking.sync, -1);
	floor_close(&blocking.table);
	pthread_mutex_destroy(&blocking.mutex);
}

/* ---- bridge -------------------------------------------------------------- */

struct end {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	pthread_t thread;
	unsigned outstanding;
	size_t left, answered, next;
};

static void end_get(struct end *end);

static void on_get(const struct evkv_result *result, void *arg)
{
	struct end *end = arg;

	bench_check(result->status == EVKV_OK);
	end->answered++;
	if (end->left > 0)
		end_get(end);
}

static void end_get(struct end *end)
{
	end->left--;
	bench_check(evkv_get(end->store, EVKV_LIT("bench"), key_of(end->next++),
			on_get, end) != 0);
}

/* So many are under way at any time, until all are answered. */
static void run_end(void *arg, size_t ops)
{
	struct end *end = arg;
	unsigned i;

	end->left = ops;
	end->answered = 0;
	for (i = 0; i < end->outstanding; i++)
		end_get(end);
	while (end->answered < ops)
		event_base_loop(end->base, EVLOOP_ONCE);
}

static void end_open(struct end *end)
{
	end->base = event_base_new();
	end->loop = evkv_loop_new(end->base);
	bench_check(end->loop != NULL);
}

static void end_close(struct end *end)
{
	evkv_store_unref(end->store);
	evkv_loop_free(end->loop);
	event_base_free(end->base);
}

static void memory_fill(struct end *end)
{
	size_t i;

	end->store = evkv_memory_new(end->loop, NULL, NULL);
	for (i = 0; i < ENTRIES; i++)
		evkv_put(end->store, EVKV_LIT("bench"), key_of(i),
		    evkv_bytes(value, sizeof(value)), 0, NULL, NULL);
	event_base_dispatch(end->base);
}

static void *serve(void *arg)
{
	struct end *far = arg;

	event_base_loop(far->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static void leave(void *arg)
{
	event_base_loopbreak(((struct end *)arg)->base);
}

/* How much more CPU an operation takes, by repetition. */
static void print_more(const struct bench_row *rows, unsigned outstanding)
{
	double more[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	unsigned i;

	for (i = 0; i < rows[0].repetitions; i++)
		more[i] = rows[1].cpu_ns[i] - rows[0].cpu_ns[i];
	spread = bench_spread(more, rows[0].repetitions);
	printf("%u outstanding: the bridge adds %.0f ns [%.0f-%.0f] of CPU",
	    outstanding, spread.median, spread.min, spread.max);
	if (outstanding == 128)
		printf("; promised %.0f: %s", PROMISED_NS,
		    spread.median <= PROMISED_NS ? "kept" : "missed");
	printf("\n\n");
}

static void bench_bridge(unsigned repetitions)
{
	static const unsigned depths[] = { 1, 16, 128 };
	struct end own = { .next = 0 }, far = { .next = 0 };
	struct end near = { .next = 0 };
	char title[64];
	size_t i;

	end_open(&own);
	end_open(&far);
	end_open(&near);
	memory_fill(&own);
	memory_fill(&far);
	evkv_store_ref(far.store);
	bench_check(pthread_create(&far.thread, NULL, serve, &far) == 0);
	near.store = evkv_bridge_new(near.loop, far.store, NULL);
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct bench_row rows[] = {
			{ .name = "its own loop", .run = run_end, .arg = &own },
			{ .name = "by a bridge", .run = run_end, .arg = &near },
		};

		own.outstanding = near.outstanding = depths[i];
		snprintf(title, sizeof(title), "get, %u outstanding",
		    depths[i]);
		bench_measure(rows, 2,
		    depths[i] == 1 ? BRIDGE_OPS / 5 : BRIDGE_OPS, repetitions);
		bench_print(title, rows, 2);
		print_more(rows, depths[i]);
	}
	end_close(&near);
	evkv_loop_post(far.loop, leave, &far);
	pthread_join(far.thread, NULL);
	end_close(&far);
	end_close(&own);
}

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 7);
	char name[32];
	size_t i;

	bench_machine();
	for (i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "key-%012zu", i);
		memcpy(keys[i], name, KEY_SIZE);
	}
	bench_sync(repetitions);
	bench_bridge(repetitions);
	return 0;
}
