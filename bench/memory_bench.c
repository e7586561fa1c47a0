/*
 * bench/memory_bench.c - the memory store, and its own table called directly,
 * against a plain table that does nothing else.
 *
 * One million entries, 16-byte keys, 100-byte values, a TTL each. The floor,
 * memory_floor.c, does the whole of a get: hash, look-up, comparison of the
 * key, expiry, recency, and a view of the value. All operations run inside of a
 * dispatched loop, as a service's do. "64 deferred" has 64 operations
 * outstanding: a callback submits them, and the last of their callbacks wakes
 * it again.
 *
 * The tables are filled with pauses, at the rate of a busy service; without
 * them large pages may not be ready in time (docs/memory.md).
 *
 *     memory [repetitions [entries [1 = fill them without pauses]]]
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "evkv/evkv.h"
#include "memory_floor.h"
#include "stores/memory/table.h"

#define KEY_SIZE 16
#define VALUE_SIZE 100
#define SEQUENCE (1u << 20) /* operations before the keys repeat */
#define TTL_MS 3600000
#define BATCH 64
#define MANY 16
#define FILL_STEP 2048 /* puts between two pauses of 1 ms */

struct world {
	uint32_t entries;
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;         /* in use: one of these */
	struct evkv_store *usual, *small; /* in pages of 2 MiB, of 4 KiB */
	struct floor_table floor;
	struct memory_table table;
	struct memory_collection *collection;
	uint32_t *sequence; /* which key is next */
	uint32_t at;
	char value[VALUE_SIZE];
	size_t key_size; /* not a constant that a compiler could use */
	uintptr_t sum;   /* of views, so that none is left out */
	size_t hits;
	bool at_once; /* fill without pauses */

	/* Requests are filled in once; only the key changes. */
	char key[KEY_SIZE];
	struct evkv_slice key_slice, value_slice;
	struct evkv_request get, put;

	/* The run in hand. */
	struct event *pump;
	void (*submit)(struct world *world);
	size_t left;    /* operations to be submitted */
	size_t waiting; /* callbacks to come in this batch */
};

static struct world world;

/* Computed, so that no memory is read for it. */
static void make_key(char *key, uint32_t number)
{
	uint64_t words[2];

	words[0] = number * UINT64_C(0x9e3779b97f4a7c15);
	words[1] = ~words[0] ^ number;
	memcpy(key, words, sizeof(words));
}

static uint32_t next_number(struct world *w)
{
	return w->sequence[w->at++ % SEQUENCE];
}

static void view(struct world *w, struct evkv_slice bytes)
{
	w->sum += (uintptr_t)bytes.data + bytes.size;
	w->hits++;
}

/* ---- The floor ----------------------------------------------------- */

static void bare_floor_get(void *arg, size_t ops)
{
	struct world *w = arg;
	int64_t now_us = evkv_loop_now_us(w->loop);
	struct floor_entry *entry;
	char key[KEY_SIZE];
	struct evkv_slice slice = evkv_bytes(key, KEY_SIZE);

	for (; ops > 0; ops--) {
		make_key(key, next_number(w));
		entry = floor_get(&w->floor, slice, now_us);
		if (entry != NULL)
			view(w,
			    evkv_bytes(entry->bytes + slice.size,
				entry->value_size));
	}
}

static void bare_floor_put(void *arg, size_t ops)
{
	struct world *w = arg;
	int64_t now_us = evkv_loop_now_us(w->loop);
	char key[KEY_SIZE];

	for (; ops > 0; ops--) {
		make_key(key, next_number(w));
		floor_put(&w->floor, evkv_bytes(key, KEY_SIZE),
		    evkv_bytes(w->value, VALUE_SIZE),
		    now_us + TTL_MS * INT64_C(1000));
	}
}

/* ---- The bare table ------------------------------------------------ */

static void bare_get(void *arg, size_t ops)
{
	struct world *w = arg;
	int64_t now_us = evkv_loop_now_us(w->loop);
	struct memory_entry *entry;
	char key[KEY_SIZE];
	struct evkv_slice slice = evkv_bytes(key, w->key_size);

	for (; ops > 0; ops--) {
		make_key(key, next_number(w));
		entry = evkv__table_get(&w->table, w->collection, slice,
		    table_hash(w->collection, slice), now_us);
		if (entry != NULL)
			view(w, evkv_value_bytes(&entry->value));
	}
}

static void bare_put(void *arg, size_t ops)
{
	struct world *w = arg;
	int64_t now_us = evkv_loop_now_us(w->loop);
	char key[KEY_SIZE];
	struct memory_put put = {
		.key = evkv_bytes(key, w->key_size),
		.value = evkv_bytes(w->value, VALUE_SIZE),
		.expires_at_us = now_us + TTL_MS * INT64_C(1000),
	};

	for (; ops > 0; ops--) {
		make_key(key, next_number(w));
		bench_check(evkv__table_put(&w->table, w->collection, &put,
				now_us) == EVKV_OK);
	}
}

/* ---- The store ----------------------------------------------------- */

static void pump_run(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;

	(void)fd;
	(void)what;
	if (w->left > 0)
		w->submit(w);
}

/* Have `submit` called inside of the loop until nothing is left. */
static void drive(struct world *w, size_t ops,
    void (*submit)(struct world *world))
{
	w->left = ops;
	w->submit = submit;
	event_active(w->pump, EV_TIMEOUT, 0);
	event_base_dispatch(w->base);
	bench_check(w->left == 0 && w->waiting == 0);
}

static void on_result(const struct evkv_result *result, void *arg)
{
	struct world *w = arg;
	size_t i;

	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status == EVKV_OK)
			view(w, evkv_result_entry(result, i)->bytes);
	}
	w->waiting--;
}

/* The last of a batch has the next one submitted. */
static void on_batched(const struct evkv_result *result, void *arg)
{
	struct world *w = arg;

	on_result(result, w);
	if (w->waiting == 0 && w->left > 0)
		event_active(w->pump, EV_TIMEOUT, 0);
}

static void on_inline(const struct evkv_result *result, void *arg)
{
	if (result->status == EVKV_OK)
		view(arg, evkv_result_entry(result, 0)->bytes);
}

/* Stays in the callback for 1024 operations at a time. */
static void submit_inline(struct world *w, struct evkv_request *request)
{
	size_t n, count = w->left < 1024 ? w->left : 1024;
	size_t hits = w->hits;

	request->flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	for (n = 0; n < count; n++) {
		make_key(w->key, next_number(w));
		evkv_submit(w->store, request, on_inline, w);
	}
	bench_check(w->hits - hits == count);
	w->left -= count;
	if (w->left > 0)
		event_active(w->pump, EV_TIMEOUT, 0);
}

static void submit_get_inline(struct world *w)
{
	submit_inline(w, &w->get);
}

static void submit_put_inline(struct world *w)
{
	submit_inline(w, &w->put);
}

static void submit_batch(struct world *w, struct evkv_request *request)
{
	size_t n, batch = w->left < BATCH ? w->left : BATCH;

	w->waiting = batch;
	w->left -= batch;
	request->flags = EVKV_FLAG_SINGLE;
	for (n = 0; n < batch; n++) {
		make_key(w->key, next_number(w));
		evkv_submit(w->store, request, on_batched, w);
	}
}

static void submit_get_batch(struct world *w)
{
	submit_batch(w, &w->get);
}

static void submit_put_batch(struct world *w)
{
	submit_batch(w, &w->put);
}

/* One request of 16 keys; 4 of them outstanding. */
static void submit_get_many(struct world *w)
{
	char keys[MANY][KEY_SIZE];
	struct evkv_slice slices[MANY];
	size_t i, n;

	for (n = 0; n < BATCH / MANY && w->left > 0; n++) {
		for (i = 0; i < MANY; i++) {
			make_key(keys[i], next_number(w));
			slices[i] = evkv_bytes(keys[i], KEY_SIZE);
		}
		w->waiting++;
		evkv_get_many(w->store, EVKV_LIT("bench"), slices, MANY,
		    on_batched, w);
		w->left -= w->left < MANY ? w->left : MANY;
	}
}

static void store_get_inline(void *arg, size_t ops)
{
	drive(arg, ops, submit_get_inline);
}

static void store_get_batch(void *arg, size_t ops)
{
	drive(arg, ops, submit_get_batch);
}

static void store_get_many(void *arg, size_t ops)
{
	drive(arg, ops, submit_get_many);
}

static void store_put_inline(void *arg, size_t ops)
{
	drive(arg, ops, submit_put_inline);
}

static void store_put_batch(void *arg, size_t ops)
{
	drive(arg, ops, submit_put_batch);
}

static void in_small_pages(struct world *w, size_t ops,
    void (*submit)(struct world *world))
{
	w->store = w->small;
	drive(w, ops, submit);
	w->store = w->usual;
}

static void small_get_inline(void *arg, size_t ops)
{
	in_small_pages(arg, ops, submit_get_inline);
}

static void small_put_inline(void *arg, size_t ops)
{
	in_small_pages(arg, ops, submit_put_inline);
}

/* ---- The runs ------------------------------------------------------ */

/* When a large page that a store's thread has under way is there as a whole. */
static size_t settled_rss(void)
{
	const struct timespec some = { 0, 20000000 };

	nanosleep(&some, NULL);
	return bench_rss();
}

/*
 * Put each of these keys once, a million or two in a second; returns the bytes
 * of resident memory it took.
 */
static size_t fill(struct world *w, uint32_t from, uint32_t to,
    void (*put)(void *arg, size_t ops))
{
	const struct timespec pause = { 0, 1000000 };
	size_t before = settled_rss();
	uint32_t j, n;

	for (; from < to; from += n) {
		n = to - from < FILL_STEP ? to - from : FILL_STEP;
		for (j = 0; j < n; j++)
			w->sequence[j] = from + j;
		w->at = 0;
		put(w, n);
		if (!w->at_once)
			nanosleep(&pause, NULL);
	}
	return settled_rss() - before;
}

/* At several fills, as an index takes more or less by turns. */
static void measure_bytes(struct world *w, const char *what,
    void (*put)(void *arg, size_t ops))
{
	static const uint32_t fills[] = { 60, 75, 90, 100 };
	uint32_t have = 0, next;
	double bytes = 0, sum = 0;
	size_t i;

	printf("%s: resident bytes per entry over key and value,", what);
	for (i = 0; i < sizeof(fills) / sizeof(*fills); i++) {
		next = (uint32_t)((uint64_t)w->entries * fills[i] / 100);
		bytes += (double)fill(w, have, next, put);
		have = next;
		printf(" %.1f at %u %%,", bytes / have - KEY_SIZE - VALUE_SIZE,
		    fills[i]);
		sum += bytes / have - KEY_SIZE - VALUE_SIZE;
	}
	printf(" mean %.1f\n", sum / (double)i);
	fflush(stdout);
}

/* Full, and after as many evictions: with ghosts. In a store of its own. */
static void measure_evicting(struct world *w)
{
	struct evkv_memory_options options = { .max_entries = w->entries };
	double bytes;

	w->store = evkv_memory_new(w->loop, &options, NULL);
	bench_check(w->store != NULL);
	bytes = (double)fill(w, 0, w->entries, store_put_inline);
	bytes += (double)fill(w, w->entries, 2 * w->entries, store_put_inline);
	printf("store: full and after as many evictions: %.1f\n",
	    bytes / w->entries - KEY_SIZE - VALUE_SIZE);
	fflush(stdout);
	evkv_store_unref(w->store);
	event_base_dispatch(w->base);
	w->store = w->usual;
}

static void run_gets(struct world *w, const char *title, size_t ops,
    unsigned repetitions)
{
	struct bench_row rows[] = {
		{ .name = "floor", .run = bare_floor_get, .arg = w },
		{ .name = "table", .run = bare_get, .arg = w },
		{ .name = "store, inline",
		    .run = store_get_inline,
		    .arg = w,
		    .promised = 1.5 },
		{ .name = "store, inline, small pages",
		    .run = small_get_inline,
		    .arg = w },
		{ .name = "store, 64 deferred",
		    .run = store_get_batch,
		    .arg = w,
		    .promised = 1.0 },
		{ .name = "store, get_many of 16, deferred",
		    .run = store_get_many,
		    .arg = w },
	};

	bench_measure(rows, 6, ops, repetitions);
	bench_print(title, rows, 6);
}

static void run_puts(struct world *w, const char *title, size_t ops,
    unsigned repetitions, double promised)
{
	struct bench_row rows[] = {
		{ .name = "floor", .run = bare_floor_put, .arg = w },
		{ .name = "table", .run = bare_put, .arg = w },
		{ .name = "store, inline",
		    .run = store_put_inline,
		    .arg = w,
		    .promised = promised },
		{ .name = "store, inline, small pages",
		    .run = small_put_inline,
		    .arg = w },
		{ .name = "store, 64 deferred",
		    .run = store_put_batch,
		    .arg = w },
	};

	bench_measure(rows, 5, ops, repetitions);
	bench_print(title, rows, 5);
}

static void world_open(struct world *w, uint32_t entries)
{
	struct evkv_memory_options options = { .max_entries = entries };

	w->entries = entries;
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	bench_check(w->loop != NULL);
	w->store = w->usual = evkv_memory_new(w->loop, &options, NULL);
	options.small_pages = true;
	w->small = evkv_memory_new(w->loop, &options, NULL);
	bench_check(w->usual != NULL && w->small != NULL);
	bench_check(evkv__table_init(&w->table, entries, 0,
	    evkv_loop_random(w->loop), evkv_loop_random(w->loop)));
	w->collection = evkv__table_collection_make(&w->table,
	    EVKV_LIT("bench"));
	floor_open(&w->floor, entries);
	w->sequence = bench_malloc(SEQUENCE * sizeof(*w->sequence));
	memset(w->sequence, 0, SEQUENCE * sizeof(*w->sequence));
	memset(w->value, 'v', VALUE_SIZE);
	w->key_size = KEY_SIZE;
	w->key_slice = evkv_bytes(w->key, w->key_size);
	w->value_slice = evkv_bytes(w->value, VALUE_SIZE);
	w->get = (struct evkv_request){
		.kind = EVKV_OP_GET,
		.collection = EVKV_LIT("bench"),
		.count = 1,
		.keys = &w->key_slice,
	};
	w->put = w->get;
	w->put.kind = EVKV_OP_PUT;
	w->put.values = &w->value_slice;
	w->put.ttl_ms = TTL_MS;
	w->pump = event_new(w->base, -1, 0, pump_run, w);
}

static void world_close(struct world *w)
{
	event_free(w->pump);
	floor_close(&w->floor);
	evkv__table_end(&w->table);
	evkv_store_unref(w->usual);
	evkv_store_unref(w->small);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	free(w->sequence);
}

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 11);
	uint32_t entries = bench_number(argc, argv, 2, 1000000);
	struct world *w = &world;
	size_t hits;

	w->at_once = bench_number(argc, argv, 3, 0) != 0;
	bench_machine();
	world_open(w, entries);
	measure_bytes(w, "floor", bare_floor_put);
	measure_bytes(w, "table", bare_put);
	measure_bytes(w, "store", store_put_inline);
	measure_bytes(w, "store, small pages", small_put_inline);

	measure_evicting(w);

	bench_uniform(w->sequence, SEQUENCE, entries);
	hits = w->hits = 0;
	run_gets(w, "get, uniform", SEQUENCE, repetitions);
	bench_check(w->hits > hits);
	run_puts(w, "put over an entry, uniform", SEQUENCE, repetitions, 1.6);
	bench_zipf(w->sequence, SEQUENCE, entries);
	run_gets(w, "get, zipf", SEQUENCE, repetitions);
	run_puts(w, "put over an entry, zipf", SEQUENCE, repetitions, 1.6);
	bench_uniform(w->sequence, SEQUENCE, 64 * entries);
	run_puts(w, "put of a new entry and evict", SEQUENCE, repetitions, 1.3);
	world_close(w);
	return 0;
}
