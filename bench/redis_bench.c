/*
 * bench/redis_bench.c - the redis driver against hiredis, used as its manual
 * says: redisAsyncCommandArgv() and the libevent adapter that comes with it.
 *
 * Keys of 16 bytes, values of 100, one connection over TCP on the loopback. So
 * many operations are outstanding: each callback submits the next one. Where
 * there are two processors, the client has one and the server the other.
 *
 *     redis [repetitions [operations [redis|valkey [measure [row]]]]]
 *
 * The last two are parts of names, for profiling one thing alone.
 */
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "evkv/evkv.h"
#include "evkv/stores/redis.h"
#include "server.h"

#define KEYS 100000
#define KEY_SIZE 10 /* "0000000000" */
#define VALUE_SIZE 100
#define MANY 100     /* keys of an MGET */
#define NAME_SIZE 16 /* "bench:0000000000" */

enum work { WORK_GET, WORK_SET, WORK_MGET };

struct world {
	struct server server;
	struct event_base *base;
	redisAsyncContext *raw;
	struct evkv_loop *loop;
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

/* Computed, so that no memory is read for it. */
static void make_name(char *name, uint32_t number)
{
	memcpy(name, "bench:", 6);
	for (size_t i = NAME_SIZE; i > NAME_SIZE - KEY_SIZE; i--) {
		name[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

static void next_name(struct world *w, char *name)
{
	make_name(name, (uint32_t)(bench_random(&w->random) % KEYS));
}

/* Submit `depth` operations, and run until all `ops` are through. */
static void drive(struct world *w, size_t ops, void (*next)(struct world *w))
{
	w->left = ops;
	w->waiting = 0;
	for (size_t i = 0; i < w->depth && w->left > 0; i++)
		next(w);
	while (w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
}

/* ---- hiredis --------------------------------------------------------- */

static void raw_next(struct world *w);

static void raw_done(redisAsyncContext *context, void *answer, void *arg)
{
	struct world *w = arg;
	redisReply *reply = answer;

	(void)context;
	bench_check(reply != NULL && reply->type != REDIS_REPLY_ERROR);
	if (reply->type == REDIS_REPLY_STRING)
		w->bytes += (size_t)reply->len;
	for (size_t i = 0;
	     reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		w->bytes += (size_t)reply->element[i]->len;
	w->waiting--;
	if (w->left > 0)
		raw_next(w);
}

static void raw_command(struct world *w, int count, const char **words,
    const size_t *sizes)
{
	w->left--;
	w->waiting++;
	bench_check(redisAsyncCommandArgv(w->raw, raw_done, w, count, words,
			sizes) == REDIS_OK);
}

static void raw_next(struct world *w)
{
	char names[MANY][NAME_SIZE];
	const char *words[MANY + 1];
	size_t sizes[MANY + 1];
	int count = 2;

	words[0] = "GET";
	sizes[0] = 3;
	for (int i = 0; i < (w->work == WORK_MGET ? MANY : 1); i++) {
		next_name(w, names[i]);
		words[i + 1] = names[i];
		sizes[i + 1] = NAME_SIZE;
	}
	if (w->work == WORK_SET) {
		words[0] = "SET";
		words[2] = w->value;
		sizes[2] = VALUE_SIZE;
		count = 3;
	} else if (w->work == WORK_MGET) {
		words[0] = "MGET";
		sizes[0] = 4;
		count = MANY + 1;
	}
	raw_command(w, count, words, sizes);
}

static void raw_run(void *arg, size_t ops)
{
	(void)arg;
	drive(&world, ops, raw_next);
}

/* ---- evkv ------------------------------------------------------------ */

static struct evkv_store *evkv_side;

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
	size_t count = w->work == WORK_MGET ? MANY : 1;
	evkv_ticket ticket;

	for (size_t i = 0; i < count; i++) {
		next_name(w, names[i]);
		keys[i] = evkv_bytes(names[i] + 6, KEY_SIZE);
	}
	w->left--;
	w->waiting++;
	if (w->work == WORK_SET)
		ticket = evkv_put(evkv_side, collection, keys[0],
		    evkv_bytes(w->value, VALUE_SIZE), EVKV_TTL_NONE, evkv_done,
		    w);
	else if (w->work == WORK_GET)
		ticket = evkv_get(evkv_side, collection, keys[0], evkv_done, w);
	else
		ticket = evkv_get_many(evkv_side, collection, keys, count,
		    evkv_done, w);
	bench_check(ticket != 0);
}

static void evkv_run(void *arg, size_t ops)
{
	evkv_side = arg;
	drive(&world, ops, evkv_next);
}

/* ---- The world ------------------------------------------------------- */

static void on_ready(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	*(bool *)arg = true;
}

static struct evkv_store *open_store(struct world *w, size_t flush_bytes)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	bool ready = false;
	struct evkv_store *store = evkv_redis_new(w->loop,
	    &(struct evkv_redis_options){ .host = "127.0.0.1",
		.port = w->server.port,
		.flush_bytes = flush_bytes },
	    &error);

	bench_check(store != NULL);
	evkv_store_wait_ready(store, 5000, on_ready, &ready);
	while (!ready)
		event_base_loop(w->base, EVLOOP_ONCE);
	return store;
}

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(pid, sizeof(set), &set);
}

static void begin(struct world *w, bool valkey)
{
	if (!server_start(&w->server,
		&(struct server_options){
		    .kind = valkey ? SERVER_VALKEY : SERVER_REDIS })) {
		fprintf(stderr, "%s\n", w->server.problem);
		exit(1);
	}
	pin(w->server.pid, 1);
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	w->raw = redisAsyncConnect("127.0.0.1", w->server.port);
	bench_check(w->loop != NULL && w->raw != NULL && w->raw->err == 0);
	bench_check(redisLibeventAttach(w->raw, w->base) == REDIS_OK);
	memset(w->value, 'v', sizeof(w->value));
	w->random = 1;
}

/* Every key has its value, so that each get is a hit. */
static void fill(struct world *w, struct evkv_store *store)
{
	struct evkv_slice collection = EVKV_LIT("bench");

	evkv_side = store;
	w->waiting = 0;
	w->left = 0;
	for (uint32_t i = 0; i < KEYS; i++) {
		char name[NAME_SIZE];

		make_name(name, i);
		w->waiting++;
		evkv_put(store, collection, evkv_bytes(name + 6, KEY_SIZE),
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
	size_t share;  /* of the operations: low depths are slow */
	bool together; /* client and server on one processor: no wake-ups */
	double promised;
};

static const struct measure measures[] = {
	{ "GET, 1 outstanding", WORK_GET, 1, 32, false, 0 },
	{ "GET, 16 outstanding", WORK_GET, 16, 4, false, 0.75 },
	{ "GET, 128 outstanding", WORK_GET, 128, 1, false, 0.75 },
	{ "GET, 1024 outstanding", WORK_GET, 1024, 1, false, 0.60 },
	{ "SET, 1 outstanding", WORK_SET, 1, 32, false, 0 },
	{ "SET, 16 outstanding", WORK_SET, 16, 4, false, 0.75 },
	{ "SET, 128 outstanding", WORK_SET, 128, 1, false, 0.75 },
	{ "SET, 1024 outstanding", WORK_SET, 1024, 1, false, 0.60 },
	{ "MGET of 100, 1 outstanding", WORK_MGET, 1, 100, false, 0 },
	{ "MGET of 100, 16 outstanding", WORK_MGET, 16, 100, false, 0 },
	{ "GET, 1 outstanding, one processor", WORK_GET, 1, 8, true, 0 },
	{ "GET, 16 outstanding, one processor", WORK_GET, 16, 4, true, 0.75 },
	{ "SET, 16 outstanding, one processor", WORK_SET, 16, 4, true, 0.75 },
	{ "GET, 128 outstanding, one processor", WORK_GET, 128, 1, true, 0.75 },
};

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 7);
	size_t ops = bench_number(argc, argv, 2, 300000);
	struct world *w = &world;
	struct evkv_store *store, *eager;

	begin(w, argc > 3 && strcmp(argv[3], "valkey") == 0);
	store = open_store(w, 0);
	eager = open_store(w, 4096);
	fill(w, store);
	if (argc <= 5)
		bench_machine();
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
		const struct measure *m = &measures[i];
		struct bench_row rows[] = {
			{ .name = "hiredis async", .run = raw_run },
			{ .name = "evkv",
			    .run = evkv_run,
			    .arg = store,
			    .promised = m->promised },
			{ .name = "evkv, flush every 4 KB",
			    .run = evkv_run,
			    .arg = eager },
		};

		size_t first = 0, count = 3;

		if (argc > 4 && strstr(m->name, argv[4]) == NULL)
			continue;
		while (argc > 5 && strcmp(rows[first].name, argv[5]) != 0 &&
		    first < 2)
			first++;
		if (argc > 5)
			count = 1;
		pin(0, m->together ? 1 : 0);
		w->work = m->work;
		w->depth = m->depth;
		bench_measure(rows + first, count, ops / m->share, repetitions);
		bench_print(m->name, rows + first, count);
	}
	evkv_store_unref(eager);
	evkv_store_unref(store);
	redisAsyncFree(w->raw);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	server_stop(&w->server);
	return 0;
}
