/*
 * bench/elasticsearch_bench.c - the elasticsearch driver against libcurl's
 * multi interface doing the same _mget and _bulk by hand, and against one
 * request for each operation; and how long a large answer holds the loop.
 *
 * Keys of 8 bytes, values of 100. So many operations are outstanding: each
 * callback submits the next one; by hand one request has them all.
 *
 *     elasticsearch [repetitions [operations [port [kind]]]]
 *
 * What counts is measured on a scripted server in a process of its own, which
 * answers at once: port 0, and where there are two processors, the client has
 * one and the server the other. Then the same on a real node, which is started
 * where no port is given (or 1): kind is opensearch or elasticsearch. Where
 * BENCH_LARGE_ONLY is in the environment, only large answers are measured.
 */
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "child.h"
#include "elasticsearch_peer.h"
#include "elasticsearch_raw.h"
#include "evkv/evkv.h"
#include "evkv/stores/elasticsearch.h"
#include "evkv/task.h"

#define LARGE_KEYS 1000
#define LARGE_VALUE PEER_LARGE_SIZE

struct world {
	const char *where; /* what it is measured on */
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct raw *raw;
	uint64_t random;
	char value[RAW_VALUE];
	size_t depth, left, waiting;
	bool puts;
};

static struct world world;

/* ---- evkv ---------------------------------------------------------------- */

static void evkv_next(struct world *w);

static void evkv_done(const struct evkv_result *result, void *arg)
{
	struct world *w = arg;

	bench_check(result->status == EVKV_OK);
	w->waiting--;
	if (w->left > 0)
		evkv_next(w);
}

static void evkv_next(struct world *w)
{
	struct evkv_slice collection = EVKV_LIT("c"), key;
	evkv_ticket ticket;
	char text[9];

	raw_key(text, &w->random);
	key = evkv_bytes(text, 8);
	w->left--;
	w->waiting++;
	if (w->puts)
		ticket = evkv_put(w->store, collection, key,
		    evkv_bytes(w->value, RAW_VALUE), 0, evkv_done, w);
	else
		ticket = evkv_get(w->store, collection, key, evkv_done, w);
	bench_check(ticket != 0);
}

static void drive(struct world *w, size_t ops, bool puts)
{
	w->puts = puts;
	w->left = ops;
	w->waiting = 0;
	for (size_t i = 0; i < w->depth && w->left > 0; i++)
		evkv_next(w);
	while (w->waiting > 0)
		event_base_loop(w->base, EVLOOP_ONCE);
}

static void evkv_gets(void *arg, size_t ops)
{
	drive(arg, ops, false);
}

static void evkv_puts(void *arg, size_t ops)
{
	drive(arg, ops, true);
}

/* ---- By hand ------------------------------------------------------------- */

static void hand_gets(void *arg, size_t ops)
{
	struct world *w = arg;

	raw_gets(w->raw, ops, w->depth, 1);
}

static void hand_puts(void *arg, size_t ops)
{
	struct world *w = arg;

	raw_puts(w->raw, ops, w->depth, 1);
}

/* One request for each; as many connections as operations. */
static void single_gets(void *arg, size_t ops)
{
	struct world *w = arg;

	raw_gets(w->raw, ops, 1, w->depth);
}

static void single_puts(void *arg, size_t ops)
{
	struct world *w = arg;

	raw_puts(w->raw, ops, 1, w->depth);
}

/* ---- A large answer ------------------------------------------------------ */

static void on_large(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	*(bool *)arg = true;
}

/*
 * A task that comes in every turn: how much of this thread's time went into
 * others' since it ran last. Time of other programs does not count.
 */
struct probe {
	struct evkv_loop *loop;
	struct evkv_task task;
	const bool *done;
	int64_t last, longest;
};

static int64_t thread_ns(void)
{
	struct timespec now;

	bench_check(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void probe_run(void *arg)
{
	struct probe *probe = arg;
	int64_t now = thread_ns();

	if (now - probe->last > probe->longest)
		probe->longest = now - probe->last;
	probe->last = now;
	if (!*probe->done)
		evkv_task_queue(probe->loop, &probe->task);
}

static double longest_turn_us(struct world *w, const bool *done)
{
	struct probe probe = { .loop = w->loop, .done = done };

	probe.task.run = probe_run;
	probe.task.arg = &probe;
	probe.last = thread_ns();
	evkv_task_queue(w->loop, &probe.task);
	while (!*done)
		event_base_loop(w->base, EVLOOP_ONCE);
	evkv_task_cancel(w->loop, &probe.task);
	return (double)probe.longest / 1000;
}

static void large_answers(struct world *w, unsigned repetitions)
{
	static struct evkv_slice keys[LARGE_KEYS], values[LARGE_KEYS];
	static char names[LARGE_KEYS][16], value[LARGE_VALUE];
	struct evkv_slice c = EVKV_LIT(PEER_LARGE);
	double samples[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	bool done = false;

	for (size_t i = 0; i < LARGE_KEYS; i++) {
		snprintf(names[i], sizeof(names[i]), "large%04zu", i);
		keys[i] = evkv_str(names[i]);
		values[i] = evkv_bytes(value, sizeof(value));
	}
	evkv_put_many(w->store, c, keys, values, LARGE_KEYS, 0, on_large,
	    &done);
	(void)longest_turn_us(w, &done);
	for (unsigned i = 0; i < repetitions; i++) {
		done = false;
		evkv_get_many(w->store, c, keys, LARGE_KEYS, on_large, &done);
		samples[i] = longest_turn_us(w, &done);
	}
	spread = bench_spread(samples, repetitions);
	printf(
	    "\n%s: get of %d values of %d bytes (13 MB of JSON): the longest "
	    "turn of the loop %.0f us [%.0f-%.0f]\n",
	    w->where, LARGE_KEYS, LARGE_VALUE, spread.median, spread.min,
	    spread.max);
}

/* ---- The world ----------------------------------------------------------- */

static bool port_open(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), failed;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)port);
	failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return failed == 0;
}

/* Optimised fully by its JVM, which takes a while: the first rows warm it. */
static pid_t node_start(int port, const char *kind, char *folder, size_t size)
{
	char number[16], script[] = NODE_SCRIPT, name[32];
	char *arguments[] = { script, name, number, folder, NULL };
	pid_t pid;

	snprintf(name, sizeof(name), "%s", kind);
	snprintf(number, sizeof(number), "%d", port);
	bench_check(child_make_folder(folder, size));
	bench_check(setenv("TIER", "4", 1) == 0);
	bench_check(setenv("HEAP", "512m", 1) == 0);
	pid = child_spawn(arguments, NULL);
	bench_check(pid != 0);
	for (int i = 0; i < 1200 && !port_open(port); i++)
		poll(NULL, 0, 50);
	bench_check(port_open(port));
	return pid;
}

static void begin(struct world *w, const char *where, int port)
{
	struct evkv_elasticsearch_node node = { "127.0.0.1", port };
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(w, 0, sizeof(*w));
	w->where = where;
	w->base = event_base_new();
	w->loop = evkv_loop_new(w->base);
	bench_check(w->loop != NULL);
	w->store = evkv_elasticsearch_new(w->loop,
	    &(struct evkv_elasticsearch_options){ .nodes = &node,
		.node_count = 1,
		.index = RAW_INDEX,
		.replicas = -1 },
	    &error);
	bench_check(w->store != NULL);
	w->raw = raw_open(port);
	w->random = 1;
	memset(w->value, 'v', sizeof(w->value));
}

static void on_filled(const struct evkv_result *result, void *arg)
{
	bench_check(result->status == EVKV_OK);
	*(bool *)arg = true;
}

/* Every key has its value, so that each get is a hit. */
static void fill(struct world *w)
{
	static char names[RAW_KEYS][9];
	static struct evkv_slice keys[RAW_KEYS], values[RAW_KEYS];
	bool done = false;

	for (unsigned i = 0; i < RAW_KEYS; i++) {
		snprintf(names[i], sizeof(names[i]), "k%07u", i % 10000000);
		keys[i] = evkv_bytes(names[i], 8);
		values[i] = evkv_bytes(w->value, RAW_VALUE);
	}
	evkv_put_many(w->store, EVKV_LIT("c"), keys, values, RAW_KEYS, 0,
	    on_filled, &done);
	while (!done)
		event_base_loop(w->base, EVLOOP_ONCE);
}

struct promise {
	double by_hand, single; /* of throughput */
};

static void measure_kind(struct world *w, struct bench_row *rows, size_t ops,
    unsigned repetitions, const struct promise *promise)
{
	char title[64];

	snprintf(title, sizeof(title), "%s: %s, %zu outstanding", w->where,
	    rows[1].run == evkv_puts ? "put" : "get", w->depth);
	for (size_t i = 0; i < 3; i++)
		rows[i].arg = w;
	bench_measure(rows, 3, ops, repetitions);
	bench_print(title, rows, 3);
	bench_print_throughput(&rows[1], &rows[0], promise->by_hand);
	bench_print_throughput(&rows[1], &rows[2], promise->single);
}

static void measure(struct world *w, size_t ops, unsigned repetitions)
{
	struct bench_row gets[] = {
		{ .name = "libcurl, _mget by hand", .run = hand_gets },
		{ .name = "evkv", .run = evkv_gets },
		{ .name = "libcurl, one by one", .run = single_gets },
	};
	struct bench_row puts[] = {
		{ .name = "libcurl, _bulk by hand", .run = hand_puts },
		{ .name = "evkv", .run = evkv_puts },
		{ .name = "libcurl, one by one", .run = single_puts },
	};

	w->depth = 128;
	measure_kind(w, gets, ops, repetitions, &(struct promise){ 0.9, 2 });
	measure_kind(w, puts, ops, repetitions, &(struct promise){ 0.9, 3 });
}

static void measure_all(struct world *w, const char *where, int port,
    size_t ops, unsigned repetitions)
{
	begin(w, where, port);
	fill(w);
	if (getenv("BENCH_LARGE_ONLY") == NULL)
		measure(w, ops, repetitions);
	large_answers(w, repetitions);
	evkv_store_unref(w->store);
	raw_close(w->raw);
	evkv_loop_free(w->loop);
	event_base_free(w->base);
}

/* In a process of its own, which alone is pinned to a processor. */
static void measure_scripted(struct world *w, size_t ops, unsigned repetitions)
{
	struct bench_peer peer;
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	bench_check(pid >= 0);
	if (pid == 0) {
		bench_peer_start(&peer, elasticsearch_peer_answer);
		measure_all(w, "scripted", peer.port, ops, repetitions);
		bench_peer_stop(&peer);
		exit(0);
	}
	bench_check(waitpid(pid, &status, 0) == pid && status == 0);
}

static void measure_node(struct world *w, int port, const char *kind,
    size_t ops, unsigned repetitions)
{
	char folder[128] = "";
	pid_t pid = 0;

	if (port == 1) {
		port = child_free_port();
		pid = node_start(port, kind, folder, sizeof(folder));
	}
	measure_all(w, kind, port, ops, repetitions);
	child_kill(&pid);
	if (folder[0] != '\0')
		child_remove_folder(folder);
}

int main(int argc, char **argv)
{
	unsigned repetitions = bench_number(argc, argv, 1, 5);
	size_t ops = bench_number(argc, argv, 2, 20000);
	bool scripted_only = argc > 3 && strcmp(argv[3], "0") == 0;
	int port = scripted_only ? 0 : (int)bench_number(argc, argv, 3, 1);

	bench_machine();
	measure_scripted(&world, ops, repetitions);
	if (!scripted_only)
		measure_node(&world, port, argc > 4 ? argv[4] : "opensearch",
		    ops, repetitions);
	return 0;
}
