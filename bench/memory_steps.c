/*
 * bench/memory_steps.c - how long the memory store holds the loop at worst.
 *
 * With ten million entries, each kind of work that touches all of them is timed
 * step by step: each put of the growth, and each turn of the loop while clear,
 * clear_all, close, purge_expired and the sweep for expired entries are under
 * way. Times are of CPU, so that what else runs on the machine does not count;
 * page faults and the allocator do, and what the machine's host takes.
 *
 *     memory_steps [entries [1 = in huge pages]]
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "evkv/evkv.h"

#define VALUE_SIZE 100
#define COLLECTION EVKV_LIT("steps")

struct steps {
	const char *name;
	uint64_t count, over; /* over 100 us */
	int64_t worst, second, total;
	uint64_t worst_at; /* the number of that step */
};

static struct event_base *base;
static struct evkv_loop *loop;
static struct evkv_store *store;
static int64_t clock_us = 1000000;
static uint32_t entries = 10000000;
static unsigned answers;
static int64_t affected;

static int64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What has passed in truth, and leaps. */
static int64_t read_clock(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return clock_us + (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- Steps --------------------------------------------------------- */

static void step_add(struct steps *steps, int64_t ns)
{
	steps->count++;
	steps->total += ns;
	steps->over += ns > 100000;
	if (ns > steps->worst) {
		steps->second = steps->worst;
		steps->worst = ns;
		steps->worst_at = steps->count;
	} else if (ns > steps->second) {
		steps->second = ns;
	}
}

static void steps_print(const struct steps *steps)
{
	printf("%-34s %9llu steps, mean %7.2f us, worst %7.1f (step %llu), "
	       "next %7.1f, over 100 us: %llu\n",
	    steps->name, (unsigned long long)steps->count,
	    (double)steps->total / 1000 / (double)steps->count,
	    (double)steps->worst / 1000, (unsigned long long)steps->worst_at,
	    (double)steps->second / 1000, (unsigned long long)steps->over);
	fflush(stdout);
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

/* A kind of work, and what was read beside it. */
struct work {
	struct steps steps, reads;
};

static struct work work_of(const char *name)
{
	return (struct work){ { .name = name }, { .name = "  reads beside" } };
}

static void work_add(struct work *work, int64_t ns)
{
	step_add(&work->steps, ns);
	bystander_step(&work->reads, ns);
}

static void work_print(const struct work *work)
{
	steps_print(&work->steps);
	steps_print(&work->reads);
}

static void turn(struct work *work)
{
	int64_t begin = thread_ns();

	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	work_add(work, thread_ns() - begin);
}

/* ---- The work ------------------------------------------------------ */

static void fill(const char *name, int64_t ttl_ms)
{
	struct work work = work_of(name);
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
		work_add(&work, thread_ns() - begin);
	}
	bench_check(stored() == entries);
	work_print(&work);
}

/* Submit, then turn until it is answered and what it left is freed. */
static void run(const char *name, const struct evkv_request *request,
    int64_t expected, size_t left)
{
	struct work work = work_of(name);
	unsigned had = answers;
	int64_t begin = thread_ns();

	evkv_submit(store, request, on_answer, NULL);
	work_add(&work, thread_ns() - begin);
	while (answers == had || (left == 0 && stored_bytes() > 0))
		turn(&work);
	bench_check(affected == expected);
	bench_check(stored() == left);
	while (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0)
		turn(&work);
	work_print(&work);
}

static void sweep(const char *name)
{
	struct work work = work_of(name);

	while (stored() > 0) {
		clock_us += 100000;
		evkv_loop_check_timers(loop);
		do
			turn(&work);
		while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) >
			1 &&
		    work.steps.count % 4096 != 0 && stored() > 0);
	}
	work_print(&work);
}

static void close_store(const char *name)
{
	struct work work = work_of(name);
	unsigned had = answers;

	evkv_store_close(store, 0, on_answer, NULL);
	while (answers == had)
		turn(&work);
	work_print(&work);
}

int main(int argc, char **argv)
{
	struct evkv_clock clock = { sizeof(clock), read_clock, read_clock,
		NULL };
	struct evkv_loop_options options = { .clock = &clock };
	struct evkv_memory_options unbounded = { .max_bytes = SIZE_MAX };
	int64_t most;

	if (argc > 1)
		entries = (uint32_t)atoi(argv[1]);
	unbounded.huge_pages = argc > 2 && atoi(argv[2]) != 0;
	most = entries;
	bench_machine();
	printf("%u entries, %d-byte values\n", entries, VALUE_SIZE);
	base = event_base_new();
	loop = evkv_loop_new_with(base, &options, NULL);
	store = evkv_memory_new(loop, &unbounded, NULL);
	bench_check(store != NULL);

	bystander = bench_malloc(bystander_size());
	memset(bystander, 1, bystander_size());
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
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	bench_check(bystander_sum > 0);
	free(bystander);
	return 0;
}
