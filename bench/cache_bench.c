/*
 * bench/cache_bench.c - passthrough_cache over redis and memory, against caches
 * written by hand: over evkv's own two stores, and over hiredis with evkv's
 * memory store.
 *
 * The keys are drawn by Zipf's law, and the cache holds a tenth of them. So
 * many gets are outstanding. What is written by hand has no fences, no shared
 * loads and no TTLs: it is what the wrapper is to be compared with, not what it
 * could be replaced by. Where there are two processors, the client has one and
 * the server the other; the server's time is what the kernel says it ran for.
 *
 *     cache [repetitions [operations [measure [row]]]]
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
#define NAME_SIZE 16 /* "bench:0000000000" */
#define VALUE_SIZE 100
#define DRAWS (1 << 20)
#define DEPTH_MAX 1024

struct call {
	char name[NAME_SIZE];
	struct call *next;
};

/* One way to get a key; what it needs for that. */
struct side {
	void (*get)(struct side *side, struct call *call);
	struct evkv_store *store, *primary;
	uint64_t loads;
	double server_us; /* of all loads so far */
};

struct world {
	struct server server;
	struct event_base *base;
	redisAsyncContext *raw;
	struct evkv_loop *loop;
	uint32_t *draws;
	size_t at, depth;
	size_t keys; /* of those drawn, the lowest so many */
	struct call calls[DEPTH_MAX];
	struct call *spare;
	size_t waiting, left;
	bool filling;
};

static struct world world;
static struct side *now; /* the side in hand */

static const struct evkv_slice collection = { .data = "bench", .size = 5 };

static struct evkv_slice key_of(const struct call *call)
{
	return evkv_bytes(call->name + 6, NAME_SIZE - 6);
}

static void make_name(char *name, uint32_t number)
{
	memcpy(name, "bench:", 6);
	for (size_t i = NAME_SIZE; i > 6; i--) {
		name[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
}

/*
 * Keep as many outstanding as are to be, until all are through: out of the
 * callbacks, as a service would.
 */
static void fill_up(struct world *w)
{
	struct call *call;

	if (w->filling)
		return;
	w->filling = true;
	while (w->left > 0 && (call = w->spare) != NULL) {
		w->spare = call->next;
		w->left--;
		w->waiting++;
		make_name(call->name,
		    w->draws[w->at++ % DRAWS] % (uint32_t)w->keys);
		now->get(now, call);
	}
	w->filling = false;
}

static void call_done(struct call *call)
{
	call->next = world.spare;
	world.spare = call;
	world.waiting--;
	fill_up(&world);
}

static void begin_run(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fill_up(arg);
}

static double server_us(void)
{
	char path[64];
	unsigned long long ran = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat",
	    (int)world.server.pid);
	file = fopen(path, "r");
	bench_check(file != NULL && fscanf(file, "%llu", &ran) == 1);
	fclose(file);
	return (double)ran / 1000;
}

static void run(void *arg, size_t ops)
{
	struct world *w = &world;
	double before = server_us();

	now = arg;
	w->left = ops;
	w->spare = NULL;
	for (size_t i = 0; i < w->depth; i++) {
		w->calls[i].next = w->spare;
		w->spare = &w->calls[i];
	}
	event_base_once(w->base, -1, EV_TIMEOUT, begin_run, w, NULL);
	while (w->left > 0 || w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
	now->server_us += server_us() - before;
}

/* ---- The wrapper -------------------------------------------------------- */

static void on_value(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	call_done(arg);
}

static void wrapper_get(struct side *side, struct call *call)
{
	const struct evkv_slice key = key_of(call);

	evkv_submit(side->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
	    },
	    on_value, call);
}

/* The callback in a later turn, as evkv_get() has it. */
static void deferred_get(struct side *side, struct call *call)
{
	evkv_get(side->store, collection, key_of(call), on_value, call);
}

/* ---- By hand ------------------------------------------------------------ */

static void on_hit(const struct evkv_result *result, void *arg)
{
	*(bool *)arg = result->status == EVKV_OK;
}

static bool hand_hits(struct side *side, const struct call *call)
{
	const struct evkv_slice key = key_of(call);
	bool hit = false;

	evkv_submit(side->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
	    },
	    on_hit, &hit);
	return hit;
}

static void hand_fill(struct side *side, const struct call *call,
    struct evkv_slice value)
{
	const struct evkv_slice key = key_of(call);

	evkv_submit(side->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
		.values = &value,
		.ttl_ms = 600000,
	    },
	    NULL, NULL);
}

static void hand_loaded(const struct evkv_result *result, void *arg)
{
	struct call *call = arg;

	bench_check(result->status == EVKV_OK);
	hand_fill(now, call, evkv_result_entry(result, 0)->bytes);
	call_done(call);
}

static void hand_get(struct side *side, struct call *call)
{
	if (hand_hits(side, call)) {
		call_done(call);
		return;
	}
	side->loads++;
	evkv_get(side->primary, collection, key_of(call), hand_loaded, call);
}

static void raw_loaded(redisAsyncContext *context, void *answer, void *arg)
{
	const redisReply *reply = answer;
	struct call *call = arg;

	(void)context;
	bench_check(reply != NULL && reply->type == REDIS_REPLY_STRING);
	hand_fill(now, call, evkv_bytes(reply->str, (size_t)reply->len));
	call_done(call);
}

static void raw_get(struct side *side, struct call *call)
{
	const char *words[] = { "GET", call->name };
	const size_t sizes[] = { 3, NAME_SIZE };

	if (hand_hits(side, call)) {
		call_done(call);
		return;
	}
	side->loads++;
	bench_check(redisAsyncCommandArgv(world.raw, raw_loaded, call, 2, words,
			sizes) == REDIS_OK);
}

/* ---- The world ---------------------------------------------------------- */

static void on_ready(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	*(bool *)arg = true;
}

static struct evkv_store *redis(struct world *w)
{
	struct evkv_store *store = evkv_redis_new(w->loop,
	    &(struct evkv_redis_options){
		.host = "127.0.0.1", .port = w->server.port },
	    NULL);
	bool ready = false;

	bench_check(store != NULL);
	evkv_store_wait_ready(store, 5000, on_ready, &ready);
	while (!ready)
		event_base_loop(w->base, EVLOOP_ONCE);
	return store;
}

static struct evkv_store *memory(struct world *w, size_t entries)
{
	return evkv_memory_new(w->loop,
	    &(struct evkv_memory_options){ .max_entries = entries }, NULL);
}

static struct evkv_store *cached(struct world *w, size_t entries,
    const struct evkv_passthrough_cache_options *options)
{
	struct evkv_store *store = evkv_passthrough_cache_new(redis(w),
	    memory(w, entries), options, NULL);

	bench_check(store != NULL);
	return store;
}

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(pid, sizeof(set), &set);
}

static void begin(struct world *w)
{
	if (!server_start(&w->server,
		&(struct server_options){ .kind = SERVER_REDIS })) {
		fprintf(stderr, "%s\n", w->server.problem);
		exit(1);
	}
	pin(w->server.pid, 1);
	pin(0, 0);
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	w->raw = redisAsyncConnect("127.0.0.1", w->server.port);
	bench_check(w->loop != NULL && w->raw != NULL && w->raw->err == 0);
	bench_check(redisLibeventAttach(w->raw, w->base) == REDIS_OK);
	w->draws = bench_malloc(DRAWS * sizeof(*w->draws));
	bench_zipf(w->draws, DRAWS, KEYS);
}

static void count_down(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	--*(size_t *)arg;
}

static void put_all(struct world *w, struct evkv_store *store, size_t count)
{
	char value[VALUE_SIZE], name[NAME_SIZE];
	size_t waiting = 0;

	memset(value, 'v', sizeof(value));
	for (uint32_t i = 0; i < count; i++) {
		make_name(name, i);
		waiting++;
		evkv_put(store, collection, evkv_bytes(name + 6, NAME_SIZE - 6),
		    evkv_bytes(value, sizeof(value)), 86400000, count_down,
		    &waiting);
		while (waiting > (i == count - 1 ? 0 : 500))
			event_base_loop(w->base, EVLOOP_ONCE);
	}
}

/* ---- Measuring ---------------------------------------------------------- */

struct line {
	const char *name;
	struct side side;
	double promised;
};

/* What the command line says. */
struct wanted {
	unsigned repetitions;
	size_t ops;
	const char *measure, *row; /* parts of names; NULL = all */
};

static void measure(const struct wanted *wanted, const char *title,
    struct line *lines, size_t count, size_t ops)
{
	struct bench_row rows[8];
	size_t used = 0, i;

	if (wanted->measure != NULL && strstr(title, wanted->measure) == NULL)
		return;
	for (i = 0; i < count; i++) {
		if (wanted->row != NULL &&
		    strstr(lines[i].name, wanted->row) == NULL)
			continue;
		rows[used++] = (struct bench_row){ .name = lines[i].name,
			.run = run,
			.arg = &lines[i].side,
			.promised = lines[i].promised };
		run(&lines[i].side, KEYS); /* what it has to remember */
		lines[i].side.loads = 0;
		lines[i].side.server_us = 0;
	}
	bench_measure(rows, used, ops, wanted->repetitions);
	bench_print(title, rows, used);
}

static void print_server(const struct line *lines, size_t count)
{
	struct evkv_passthrough_cache_counters counters;
	const struct side *side;
	uint64_t loads;

	printf("\nthe server's time for each load\n\n");
	for (size_t i = 0; i < count; i++) {
		side = &lines[i].side;
		loads = side->loads;
		if (evkv_passthrough_cache_read_counters(side->store,
			&counters))
			loads = counters.loads - loads;
		if (loads > 0)
			printf("  %-34s %.2f us\n", lines[i].name,
			    side->server_us / (double)loads);
	}
}

/* Loads before this, which are not to be counted. */
static void loads_begin(struct line *lines, size_t count)
{
	struct evkv_passthrough_cache_counters counters;

	for (size_t i = 0; i < count; i++) {
		run(&lines[i].side, KEYS);
		lines[i].side.loads = 0;
		lines[i].side.server_us = 0;
		if (evkv_passthrough_cache_read_counters(lines[i].side.store,
			&counters))
			lines[i].side.loads = counters.loads;
	}
}

static const struct evkv_passthrough_cache_options value_alone = {
	.max_ttl_ms = 600000,
	.primary_ttl = EVKV_PRIMARY_TTL_IGNORE
};
static const struct evkv_passthrough_cache_options modes = {
	.max_ttl_ms = 600000,
	.refresh_ahead_percent = 80,
	.stale_if_error_ms = 60000,
};

static void measure_all(struct world *w, const struct wanted *wanted,
    struct evkv_store *primary)
{
	const size_t tenth = KEYS / 10;
	struct line lines[] = {
		{ "by hand, evkv's stores", { .get = hand_get }, 0 },
		{ "by hand, hiredis and memory", { .get = raw_get }, 0 },
		{ "passthrough_cache", { .get = wrapper_get }, 1.5 },
		{ "passthrough_cache, primary_ttl=0", { .get = wrapper_get },
		    1.5 },
		{ "passthrough_cache, modes", { .get = wrapper_get }, 0 },
	};
	size_t i;

	lines[0].side.primary = primary;
	lines[0].side.store = memory(w, tenth);
	lines[1].side.store = memory(w, tenth);
	lines[2].side.store = cached(w, tenth, NULL);
	lines[3].side.store = cached(w, tenth, &value_alone);
	lines[4].side.store = cached(w, tenth, &modes);
	w->keys = KEYS;
	w->depth = 128;
	if (wanted->row == NULL) {
		loads_begin(lines, 5);
		for (i = 0; i < 5; i++)
			run(&lines[i].side, wanted->ops);
		print_server(lines, 5);
	}
	measure(wanted, "all, 128 outstanding", lines, 5, wanted->ops);
	w->depth = 16;
	measure(wanted, "all, 16 outstanding", lines, 5, wanted->ops);
	for (i = 0; i < 5; i++)
		evkv_store_unref(lines[i].side.store);
}

static void measure_hits(struct world *w, const struct wanted *wanted)
{
	const size_t tenth = KEYS / 10;
	struct line lines[] = {
		{ "memory alone", { .get = deferred_get }, 0 },
		{ "passthrough_cache", { .get = deferred_get }, 1.6 },
		{ "passthrough_cache, modes", { .get = deferred_get }, 0 },
	};
	size_t i;

	lines[0].side.store = memory(w, 2 * tenth);
	lines[1].side.store = cached(w, 2 * tenth, NULL);
	lines[2].side.store = cached(w, 2 * tenth, &modes);
	w->depth = 128;
	w->keys = tenth;
	put_all(w, lines[0].side.store, tenth);
	measure(wanted, "hits, deferred, 128 outstanding", lines, 3,
	    wanted->ops * 4);
	for (i = 0; i < 3; i++)
		evkv_store_unref(lines[i].side.store);
}

int main(int argc, char **argv)
{
	const struct wanted wanted = {
		.repetitions = bench_number(argc, argv, 1, 7),
		.ops = bench_number(argc, argv, 2, 400000),
		.measure = argc > 3 ? argv[3] : NULL,
		.row = argc > 4 ? argv[4] : NULL,
	};
	struct world *w = &world;
	struct evkv_store *primary;

	begin(w);
	primary = redis(w);
	put_all(w, primary, KEYS);
	if (wanted.row == NULL)
		bench_machine();
	measure_all(w, &wanted, primary);
	measure_hits(w, &wanted);
	evkv_store_unref(primary);
	redisAsyncFree(w->raw);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
	server_stop(&w->server);
	return 0;
}
