/*
 * bench/memcached_bench.c - the memcached driver against libmemcached: in eight
 * threads with a handle each, as a service has it behind its loop, and by its
 * own mget in one thread.
 *
 * Names of 16 bytes, values of 100, one server with one thread, over TCP on the
 * loopback. evkv has one connection, on which so many operations are
 * outstanding: each callback submits the next one. Where there are two
 * processors the server has one; the client has the other, or with eight
 * threads, which would wait for each other there, both.
 *
 *     memcached [repetitions [operations [measure]]]
 *
 * The last is a part of names.
 */
#include <event2/event.h>
#include <libmemcached/memcached.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "evkv/evkv.h"
#include "evkv/stores/memcached.h"
#include "server.h"

#define KEYS 100000
#define KEY_SIZE 10 /* "0000000000" */
#define VALUE_SIZE 100
#define MANY 100     /* keys of a get_many */
#define NAME_SIZE 16 /* "bench:0000000000" */
#define THREADS 8

enum work { WORK_GET, WORK_SET, WORK_MANY };

struct world {
	struct server server;
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	memcached_st *raw[THREADS];
	char value[VALUE_SIZE];
	uint64_t random;
	size_t depth;

	/* The run in hand. */
	enum work work;
	size_t left;    /* to be submitted */
	size_t waiting; /* to call back */
	size_t bytes;   /* of values that came */
};

static struct world world;

static void make_name(char *name, uint32_t number)
{
	memcpy(name, "bench:", 6);
	for (size_t i = NAME_SIZE; i > NAME_SIZE - KEY_SIZE; i--) {
		name[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

static void next_name(uint64_t *random, char *name)
{
	make_name(name, (uint32_t)(bench_random(random) % KEYS));
}

/* ---- libmemcached ----------------------------------------------------- */

static void raw_get(memcached_st *raw, const char *name)
{
	memcached_return_t done;
	uint32_t flags;
	size_t size;
	char *value = memcached_get(raw, name, NAME_SIZE, &size, &flags, &done);

	bench_check(value != NULL && size == VALUE_SIZE);
	free(value);
}

static void raw_set(memcached_st *raw, const char *name)
{
	bench_check(memcached_set(raw, name, NAME_SIZE, world.value, VALUE_SIZE,
			0, 0) == MEMCACHED_SUCCESS);
}

static void raw_many(memcached_st *raw, uint64_t *random)
{
	char names[MANY][NAME_SIZE];
	const char *keys[MANY];
	size_t sizes[MANY], got = 0;
	memcached_result_st result;
	memcached_return_t done;

	for (size_t i = 0; i < MANY; i++) {
		next_name(random, names[i]);
		keys[i] = names[i];
		sizes[i] = NAME_SIZE;
	}
	bench_check(memcached_mget(raw, keys, sizes, MANY) ==
	    MEMCACHED_SUCCESS);
	memcached_result_create(raw, &result);
	while (memcached_fetch_result(raw, &result, &done) != NULL)
		got += memcached_result_length(&result);
	memcached_result_free(&result);
	bench_check(got > 0);
}

struct raw_thread {
	memcached_st *raw;
	size_t ops;
	uint64_t random;
};

static void *raw_thread(void *arg)
{
	struct raw_thread *thread = arg;
	char name[NAME_SIZE];

	for (size_t i = 0; i < thread->ops; i++) {
		if (world.work == WORK_MANY) {
			raw_many(thread->raw, &thread->random);
			continue;
		}
		next_name(&thread->random, name);
		if (world.work == WORK_GET)
			raw_get(thread->raw, name);
		else
			raw_set(thread->raw, name);
	}
	return NULL;
}

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0) {
		CPU_SET(0, &set);
		CPU_SET(1, &set);
	} else {
		CPU_SET((size_t)cpu, &set);
	}
	sched_setaffinity(pid, sizeof(set), &set);
}

static void threads_run(void *arg, size_t ops)
{
	struct raw_thread threads[THREADS];
	pthread_t ids[THREADS];

	(void)arg;
	pin(0, -1);
	for (size_t i = 0; i < THREADS; i++) {
		threads[i] = (struct raw_thread){ world.raw[i],
			ops / THREADS + 1, i + 1 };
		bench_check(pthread_create(&ids[i], NULL, raw_thread,
				&threads[i]) == 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	pin(0, 0);
}

static void one_run(void *arg, size_t ops)
{
	struct raw_thread thread = { world.raw[0], ops, 1 };

	(void)arg;
	raw_thread(&thread);
}

/* ---- evkv ------------------------------------------------------------- */

static void evkv_next(struct world *w);

static void evkv_done(const struct evkv_result *result, void *arg)
{
	struct world *w = arg;

	bench_check(result->status == EVKV_OK);
	for (size_t i = 0; i < result->count; i++)
		w->bytes += evkv_result_entry(result, i)->bytes.size;
	w->waiting--;
	if (w->left > 0)
		evkv_next(w);
}

static void evkv_next(struct world *w)
{
	struct evkv_slice collection = EVKV_LIT("bench");
	char names[MANY][NAME_SIZE];
	struct evkv_slice keys[MANY];
	size_t count = w->work == WORK_MANY ? MANY : 1;
	evkv_ticket ticket;

	for (size_t i = 0; i < count; i++) {
		next_name(&w->random, names[i]);
		keys[i] = evkv_bytes(names[i] + 6, KEY_SIZE);
	}
	w->left--;
	w->waiting++;
	if (w->work == WORK_SET)
		ticket = evkv_put(w->store, collection, keys[0],
		    evkv_bytes(w->value, VALUE_SIZE), EVKV_TTL_NONE, evkv_done,
		    w);
	else if (w->work == WORK_GET)
		ticket = evkv_get(w->store, collection, keys[0], evkv_done, w);
	else
		ticket = evkv_get_many(w->store, collection, keys, count,
		    evkv_done, w);
	bench_check(ticket != 0);
}

/* Submit `depth` operations, and run until all `ops` are through. */
static void evkv_run(void *arg, size_t ops)
{
	struct world *w = arg;

	w->left = ops;
	w->waiting = 0;
	for (size_t i = 0; i < w->depth && w->left > 0; i++)
		evkv_next(w);
	while (w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
}

/* ---- The world -------------------------------------------------------- */

static void on_ready(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	*(bool *)arg = true;
}

static struct evkv_store *open_store(struct world *w)
{
	struct evkv_memcached_server where = { .host = "127.0.0.1",
		.port = w->server.port };
	struct evkv_error error = EVKV_ERROR_INIT;
	bool ready = false;
	struct evkv_store *store = evkv_memcached_new(w->loop,
	    &(struct evkv_memcached_options){
		.servers = &where, .server_count = 1 },
	    &error);

	bench_check(store != NULL);
	evkv_store_wait_ready(store, 5000, on_ready, &ready);
	while (!ready)
		event_base_loop(w->base, EVLOOP_ONCE);
	return store;
}

static void begin(struct world *w)
{
	static const char *const one_thread[] = { "-t", "1", NULL };

	if (!server_start(&w->server,
		&(struct server_options){
		    .kind = SERVER_MEMCACHED, .arguments = one_thread })) {
		fprintf(stderr, "%s\n", w->server.problem);
		exit(1);
	}
	pin(w->server.pid, 1);
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	bench_check(w->loop != NULL);
	for (size_t i = 0; i < THREADS; i++) {
		w->raw[i] = memcached_create(NULL);
		memcached_behavior_set(w->raw[i],
		    MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
		bench_check(memcached_server_add(w->raw[i], "127.0.0.1",
				(in_port_t)w->server.port) ==
		    MEMCACHED_SUCCESS);
	}
	memset(w->value, 'v', sizeof(w->value));
	w->random = 1;
	w->store = open_store(w);
}

/* Every key has its value, so that each get is a hit. */
static void fill(struct world *w)
{
	w->left = w->waiting = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		char name[NAME_SIZE];

		make_name(name, i);
		w->waiting++;
		evkv_put(w->store, EVKV_LIT("bench"),
		    evkv_bytes(name + 6, KEY_SIZE),
		    evkv_bytes(w->value, VALUE_SIZE), EVKV_TTL_NONE, evkv_done,
		    w);
		while (w->waiting > 500)
			event_base_loop(w->base, EVLOOP_ONCE);
	}
	while (w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
}

struct measure {
	const char *name;
	enum work work;
	size_t depth;
	size_t share; /* of the operations: low depths are slow */
	double promised;
};

static const struct measure measures[] = {
	{ "get, 1 outstanding", WORK_GET, 1, 16, 0 },
	{ "get, 16 outstanding", WORK_GET, 16, 4, 0 },
	{ "get, 128 outstanding", WORK_GET, 128, 1, 0.15 },
	{ "get, 1024 outstanding", WORK_GET, 1024, 1, 0.15 },
	{ "set, 1 outstanding", WORK_SET, 1, 16, 0 },
	{ "set, 16 outstanding", WORK_SET, 16, 4, 0 },
	{ "set, 128 outstanding", WORK_SET, 128, 1, 0.15 },
	{ "set, 1024 outstanding", WORK_SET, 1024, 1, 0.15 },
	{ "get_many of 100, 1 outstanding", WORK_MANY, 1, 100, 0 },
	{ "get_many of 100, 16 outstanding", WORK_MANY, 16, 100, 0 },
};

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 7);
	size_t ops = bench_number(argc, argv, 2, 200000);
	struct world *w = &world;

	begin(w);
	pin(0, 0);
	fill(w);
	bench_machine();
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
		const struct measure *m = &measures[i];
		struct bench_row rows[] = {
			{ .name = "libmemcached, 8 threads",
			    .run = threads_run },
			{ .name = "libmemcached, 1 thread", .run = one_run },
			{ .name = "evkv",
			    .run = evkv_run,
			    .arg = w,
			    .promised = m->promised },
		};

		if (argc > 3 && strstr(m->name, argv[3]) == NULL)
			continue;
		w->work = m->work;
		w->depth = m->depth;
		bench_measure(rows, 3, ops / m->share, repetitions);
		bench_print(m->name, rows, 3);
	}
	evkv_store_unref(w->store);
	for (size_t i = 0; i < THREADS; i++)
		memcached_free(w->raw[i]);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	server_stop(&w->server);
	return 0;
}
