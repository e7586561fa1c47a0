/*
 * bench/memory_steps.c - how long the memory store holds the loop at worst.
 *
 * With ten million entries, each kind of work that touches all of them is timed
 * step by step: each put of the growth, and each turn of the loop while clear,
 * clear_all, close, purge_expired and the sweep for expired entries are under
 * way. Times are of CPU, so that what else runs on the machine does not count;
 * page faults and the allocator do, and what the machine's host takes.
 *
 * So that the host's share can be told, all of it is done three times over, from
 * the same seed: what makes a step long each time is the store's. The store's
 * clock stands still within a step, lest steps end early and differ; so they are
 * longer than a service's, which end after 25 us.
 *
 *     memory_steps [entries [1 = in small pages]]
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "evkv/evkv.h"

#define VALUE_SIZE 100
#define COLLECTION EVKV_LIT("steps")

#define RUNS 3
#define LONG_NS 100000

/* One kind of work, in all runs. */
struct steps {
	const char *name;
	uint64_t counts[RUNS], over[RUNS]; /* over 100 us */
	int64_t worst, total;
	uint32_t *least; /* ns of each step in the run that was quickest */
	uint64_t room;
};

static struct event_base *base;
static struct evkv_loop *loop;
static struct evkv_store *store;
static int64_t clock_us = 1000000, turn_us;
static unsigned run_number; /* from 0 on */
static uint32_t entries = 10000000;
static unsigned answers;
static int64_t affected;

static int64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Leaps, and else is looked at between steps. */
static int64_t read_clock(void *arg)
{
	(void)arg;
	return clock_us + turn_us;
}

static void clock_look(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	turn_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- Steps --------------------------------------------------------- */

static void steps_grow(struct steps *steps)
{
	uint64_t room = steps->room > 0 ? 2 * steps->room : 1 << 20, i;
	uint32_t *least = bench_malloc(room * sizeof(*least));

	for (i = 0; i < room; i++)
		least[i] = i < steps->room ? steps->least[i] : UINT32_MAX;
	free(steps->least);
	steps->least = least;
	steps->room = room;
}

static void step_add(struct steps *steps, int64_t ns)
{
	uint64_t at = steps->counts[run_number]++;

	if (at == steps->room)
		steps_grow(steps);
	if (ns < steps->least[at])
		steps->least[at] = (uint32_t)ns;
	steps->total += ns;
	steps->over[run_number] += ns > LONG_NS;
	if (ns > steps->worst)
		steps->worst = ns;
}

static void steps_print(struct steps *steps)
{
	uint64_t count = steps->counts[0], all = 0, over = 0, i;
	uint32_t longest = 0;
	unsigned run;

	for (run = 0; run < RUNS; run++) {
		all += steps->counts[run];
		if (steps->counts[run] < count)
			count = steps->counts[run];
	}
	for (i = 0; i < count; i++) {
		over += steps->least[i] > LONG_NS;
		if (steps->least[i] > longest)
			longest = steps->least[i];
	}
	printf("%-30s %9llu steps, mean %6.2f us, worst %7.1f; over 100 us:",
	    steps->name, (unsigned long long)count,
	    (double)steps->total / 1000 / (double)all,
	    (double)steps->worst / 1000);
	for (run = 0; run < RUNS; run++)
		printf(" %llu", (unsigned long long)steps->over[run]);
	printf("; each time: %llu, worst %.1f\n", (unsigned long long)over,
	    (double)longest / 1000);
	free(steps->least);
	steps->least = NULL;
}

static void on_answer(const struct evkv_result *result, void *arg)
{
	(void)arg;
	bench_check(result->status == EVKV_OK);
	affected = result->affected;
	answers++;
}

static size_t stored(void)
{
	struct evkv_counters counters;

	evkv_store_counters(store, &counters);
	return counters.entries;
}

static size_t stored_bytes(void)
{
	struct evkv_counters counters;

	evkv_store_counters(store, &counters);
	return counters.bytes;
}

/* ---- The machine's own ---------------------------------------------- */

/*
 * Memory as large as the entries take, used before. A step that only reads some
 * bytes of it at random, for about as long, goes with each step of the store:
 * what even such a step takes too long for is the machine's, not the store's.
 */
#define READ_NS 100
#define READS_MAX 500

static char *bystander;
static uint64_t bystander_sum, bystander_state = 1;

static size_t bystander_size(void)
{
	return (size_t)entries * (VALUE_SIZE + 32);
}

static void bystander_step(struct steps *steps, int64_t ns)
{
	int64_t begin = thread_ns(), n = ns / READ_NS + 1;

	for (n = n < READS_MAX ? n : READS_MAX; n > 0; n--)
		bystander_sum += (uint64_t)
		    bystander[bench_random(&bystander_state) %
			bystander_size()];
	step_add(steps, thread_ns() - begin);
}

/* A kind of work, and what was read beside it; by number, in each run. */
struct work {
	struct steps steps, reads;
};

#define WORKS_MAX 16

static struct work works[WORKS_MAX];
static size_t works_begun; /* in this run */

static struct work *work_next(const char *name)
{
	struct work *work = &works[works_begun++];

	bench_check(works_begun < WORKS_MAX);
	work->steps.name = name;
	work->reads.name = "  reads beside";
	return work;
}

static void work_add(struct work *work, int64_t ns)
{
	step_add(&work->steps, ns);
	bystander_step(&work->reads, ns);
}

static void turn(struct work *work)
{
	int64_t begin;

	clock_look();
	begin = thread_ns();
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	work_add(work, thread_ns() - begin);
}

/* ---- The work ------------------------------------------------------ */

static void fill(const char *name, int64_t ttl_ms)
{
	struct work *work = work_next(name);
	char key[32], value[VALUE_SIZE];
	int64_t begin;
	uint32_t i;

	memset(value, 'v', sizeof(value));
	for (i = 0; i < entries; i++) {
		struct evkv_slice k = evkv_bytes(key,
		    (size_t)snprintf(key, sizeof(key), "key-%012u", i));
		struct evkv_slice v = evkv_bytes(value, sizeof(value));

		begin = thread_ns();
		evkv_submit(store,
		    &(struct evkv_request){
			.kind = EVKV_OP_PUT,
			.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
			.collection = COLLECTION,
			.count = 1,
			.keys = &k,
			.values = &v,
			.ttl_ms = ttl_ms > 0 ? ttl_ms + i % 1000 : 0,
		    },
		    on_answer, NULL);
		work_add(work, thread_ns() - begin);
	}
	bench_check(stored() == entries);
}

/* Submit, then turn until it is answered and what it left is freed. */
static void run(const char *name, const struct evkv_request *request,
    int64_t expected, size_t left)
{
	struct work *work = work_next(name);
	unsigned had = answers;
	int64_t begin = thread_ns();

	evkv_submit(store, request, on_answer, NULL);
	work_add(work, thread_ns() - begin);
	while (answers == had || (left == 0 && stored_bytes() > 0))
		turn(work);
	bench_check(affected == expected);
	bench_check(stored() == left);
	while (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0)
		turn(work);
}

static void sweep(const char *name)
{
	struct work *work = work_next(name);

	while (stored() > 0) {
		clock_us += 100000;
		evkv_loop_check_timers(loop);
		do
			turn(work);
		while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) >
			1 &&
		    work->steps.counts[run_number] % 4096 != 0 && stored() > 0);
	}
}

/* With the turn that frees what is left then. */
static void close_store(const char *name)
{
	struct work *work = work_next(name);
	unsigned had = answers;

	evkv_store_close(store, 0, on_answer, NULL);
	while (answers == had)
		turn(work);
	evkv_store_unref(store);
	turn(work);
}

/* All kinds of work once. */
static void run_all(const struct evkv_memory_options *memory)
{
	struct evkv_clock clock = { sizeof(clock), read_clock, read_clock,
		NULL };
	struct evkv_loop_options options = { .clock = &clock, .seed = 1 };
	int64_t most = entries;

	works_begun = 0;
	bystander_state = 1;
	clock_look();
	base = event_base_new();
	loop = evkv_loop_new_with(base, &options, NULL);
	store = evkv_memory_new(loop, memory, NULL);
	bench_check(store != NULL);
	fill("growth, each put", 0);
	run("purge_expired, nothing expired",
	    &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED }, 0,
	    entries);
	run("clear by pattern, a tenth",
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = COLLECTION,
		.match.pattern = EVKV_LIT("*7") },
	    most / 10, entries - entries / 10);
	run("clear_all", &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    most - most / 10, 0);
	fill("growth, with TTL", 10000000);
	run("clear",
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = COLLECTION },
	    most, 0);
	fill("growth, with TTL", 10000000);
	clock_us += INT64_C(20000000000);
	sweep("sweep, all expired");
	fill("growth", 0);
	close_store("close");
	evkv_loop_free(loop);
	event_base_free(base);
}

int main(int argc, char **argv)
{
	struct evkv_memory_options unbounded = { .max_bytes = SIZE_MAX };
	size_t i;

	if (argc > 1)
		entries = (uint32_t)atoi(argv[1]);
	unbounded.small_pages = argc > 2 && atoi(argv[2]) != 0;
	bench_machine();
	printf("%u entries, %d-byte values\n", entries, VALUE_SIZE);
	bystander = bench_malloc(bystander_size());
	memset(bystander, 1, bystander_size());
	for (run_number = 0; run_number < RUNS; run_number++)
		run_all(&unbounded);
	for (i = 0; i < works_begun; i++) {
		steps_print(&works[i].steps);
		steps_print(&works[i].reads);
	}
	bench_check(bystander_sum > 0);
	free(bystander);
	return 0;
}
