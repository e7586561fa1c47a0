/*
 * Several loops at once, each in a thread of its own with stores of its own, on
 * one executor; and what a loop's thread does while its store writes.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "evkv/executor.h"
#include "kit.h"

#define LOOPS 8
#define OPS 300

struct producer {
	struct evkv_executor *executor;
	pthread_t thread;
	char path[300];
	unsigned wrong;
};

struct producer_run {
	struct producer *producer;
	struct evkv_store *store;
	unsigned left;
};

static void producer_next(struct producer_run *run);

static void on_done(const struct evkv_result *result, void *arg)
{
	struct producer_run *run = arg;

	if (result->status != EVKV_OK && result->status != EVKV_NOT_FOUND)
		run->producer->wrong++;
	producer_next(run);
}

/* Puts, gets and deletes of a few keys, so that lanes must work together. */
static void producer_next(struct producer_run *run)
{
	unsigned n = run->left;
	struct evkv_slice key, collection = EVKV_LIT("c");
	unsigned char byte = (unsigned char)(n % 13);

	if (n == 0)
		return;
	run->left--;
	key = evkv_bytes(&byte, 1);
	if (n % 3 == 0)
		evkv_get(run->store, collection, key, on_done, run);
	else if (n % 7 == 0)
		evkv_delete(run->store, collection, key, on_done, run);
	else
		evkv_put(run->store, collection, key,
		    evkv_bytes(run->producer->path, n % 200), n % 2 * 60000,
		    on_done, run);
}

static void *producer_main(void *arg)
{
	struct producer *producer = arg;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct producer_run run = { .producer = producer, .left = OPS };
	int i;

	run.store = evkv_disk_new(loop,
	    &(struct evkv_disk_options){ .path = producer->path,
		.max_bytes = (size_t)64 << 20,
		.executor = producer->executor,
		.readers = 2,
		.durability = EVKV_DISK_OS },
	    NULL);
	for (i = 0; i < 16; i++)
		producer_next(&run);
	event_base_dispatch(base);
	evkv_store_unref(run.store);
	evkv_loop_free(loop);
	event_base_free(base);
	return NULL;
}

EVKV_TEST(disk_loops, eight_producers_share_an_executor)
{
	struct producer producers[LOOPS];
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 3 }, NULL);
	char folder[240];
	int i;

	folder_make(folder, sizeof(folder));
	for (i = 0; i < LOOPS; i++) {
		producers[i] = (struct producer){ .executor = executor };
		snprintf(producers[i].path, sizeof(producers[i].path), "%s/%d",
		    folder, i);
		check_int(pthread_create(&producers[i].thread, NULL,
			      producer_main, &producers[i]),
		    0);
	}
	for (i = 0; i < LOOPS; i++) {
		pthread_join(producers[i].thread, NULL);
		check_int(producers[i].wrong, 0);
	}
	evkv_executor_unref(executor);
	folder_remove(folder);
}

/* ---- What the loop's thread does ----------------------------------------- */

#ifndef TEST_SANITIZED

#include <dlfcn.h>
#include <sys/epoll.h>

/*
 * The calls by which the store works on its files, counted by thread: these
 * stand before the C library's, also for LMDB.
 */
static pthread_t loop_thread;
static unsigned long calls_here, calls_elsewhere; /* atomic */

static void count_call(void)
{
	__atomic_fetch_add(pthread_equal(pthread_self(), loop_thread)
		? &calls_here
		: &calls_elsewhere,
	    1, __ATOMIC_RELAXED);
}

static void *next_of(const char *name)
{
	count_call();
	return dlsym(RTLD_NEXT, name);
}

#define COUNTED(type_, name_, arguments_, values_)                             \
	__attribute__((visibility("default"))) type_ name_ arguments_;         \
	type_ name_ arguments_                                                 \
	{                                                                      \
		void *found = next_of(#name_);                                 \
		type_(*next) arguments_;                                       \
                                                                               \
		memcpy(&next, &found, sizeof(next));                           \
		return next values_;                                           \
	}

COUNTED(int, fdatasync, (int fd), (fd))
COUNTED(int, fsync, (int fd), (fd))
COUNTED(int, fallocate, (int fd, int mode, off_t at, off_t size),
    (fd, mode, at, size))
COUNTED(int, ftruncate, (int fd, off_t size), (fd, size))
COUNTED(ssize_t, pread, (int fd, void *data, size_t size, off_t at),
    (fd, data, size, at))
COUNTED(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at),
    (fd, data, size, at))
COUNTED(ssize_t, pwritev,
    (int fd, const struct iovec *parts, int count, off_t at),
    (fd, parts, count, at))

/* How often the loop's thread has slept, in all and waiting for events. */
static long sleeps_of_thread(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static long sleeps_for_events;

__attribute__((visibility("default"))) int epoll_wait(int fd,
    struct epoll_event *events, int most, int ms);
int epoll_wait(int fd, struct epoll_event *events, int most, int ms)
{
	static int (*next)(int, struct epoll_event *, int, int);
	long before = sleeps_of_thread();
	int count;

	if (next == NULL) {
		void *found = dlsym(RTLD_NEXT, "epoll_wait");

		memcpy(&next, &found, sizeof(next));
	}
	count = next(fd, events, most, ms);
	if (pthread_equal(pthread_self(), loop_thread))
		sleeps_for_events += sleeps_of_thread() - before;
	return count;
}

#define PUTS 100000
#define OUTSTANDING 1024

struct latency {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct event *tick;
	unsigned submitted, done, wrong;
	/* At the last tick: when the next is due, and what was used so far. */
	int64_t due_us, cpu_us;
	int64_t worst_us, worst_cpu_us; /* late, busy */
	unsigned ticks, late;           /* by more than 3 ms */
};

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void worst(int64_t *most, int64_t us)
{
	if (us > *most)
		*most = us;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct latency *latency = arg;
	const struct timeval ms = { 0, 1000 };
	int64_t now_us = clock_us(CLOCK_MONOTONIC);
	int64_t cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	int64_t late_us = now_us - latency->due_us;

	(void)fd;
	(void)what;
	if (latency->ticks++ > 0) {
		worst(&latency->worst_us, late_us);
		worst(&latency->worst_cpu_us, cpu_us - latency->cpu_us);
		latency->late += late_us > 3000;
	}
	latency->due_us = now_us + 1000;
	latency->cpu_us = cpu_us;
	event_add(latency->tick, &ms);
}

static void latency_put(struct latency *latency);

static void on_put(const struct evkv_result *result, void *arg)
{
	struct latency *latency = arg;

	latency->wrong += result->status != EVKV_OK;
	latency->done++;
	if (latency->submitted < PUTS)
		latency_put(latency);
}

static void latency_put(struct latency *latency)
{
	static char value[100];
	unsigned n = latency->submitted++;

	evkv_put(latency->store, EVKV_LIT("c"), evkv_bytes(&n, sizeof(n)),
	    evkv_bytes(value, sizeof(value)), EVKV_TTL_NONE, on_put, latency);
}

/* libevent's timers are exact to 4 ms unless it is told otherwise. */
static void latency_open(struct latency *latency, const char *folder)
{
	struct event_config *config = event_config_new();
	struct evkv_error error = EVKV_ERROR_INIT;
	char path[300];

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	latency->base = event_base_new_with_config(config);
	event_config_free(config);
	latency->loop = evkv_loop_new(latency->base);
	snprintf(path, sizeof(path), "%s/store", folder);
	latency->store = evkv_disk_new(latency->loop,
	    &(struct evkv_disk_options){
		.path = path, .max_bytes = (size_t)1 << 30 },
	    &error);
	check_str(error.message, "");
	latency->tick = event_new(latency->base, -1, 0, on_tick, latency);
}

static void latency_report(const struct latency *latency, long asleep)
{
	fprintf(stderr,
	    "latency: %u durable puts; a 1 ms timer was at worst %.1f ms "
	    "late, %u of %u times by more than 3 ms; at most %.1f ms of this "
	    "thread's processor time between two ticks; file calls: %lu here, "
	    "%lu on workers; asleep %ld times for events, %ld times else\n",
	    latency->done, (double)latency->worst_us / 1000, latency->late,
	    latency->ticks, (double)latency->worst_cpu_us / 1000, calls_here,
	    calls_elsewhere, sleeps_for_events, asleep);
}

/*
 * How late the timer is depends on who else wants the processor, and is told
 * only. What must hold on every machine: the thread touches no file, and sleeps
 * nowhere but in epoll_wait(), save for the few times that a worker was put
 * aside while it held the lane's lock.
 */
EVKV_TEST(disk_loops, a_timer_keeps_its_time_during_durable_puts)
{
	struct latency latency = { .ticks = 0 };
	char folder[240];
	long asleep;
	int i;

	folder_make(folder, sizeof(folder));
	loop_thread = pthread_self();
	latency_open(&latency, folder);
	asleep = sleeps_of_thread();
	event_active(latency.tick, EV_TIMEOUT, 0);
	for (i = 0; i < OUTSTANDING; i++)
		latency_put(&latency);
	while (latency.done < PUTS)
		event_base_loop(latency.base, EVLOOP_ONCE);
	asleep = sleeps_of_thread() - asleep - sleeps_for_events;
	latency_report(&latency, asleep);
	event_free(latency.tick);
	evkv_store_unref(latency.store);
	evkv_loop_free(latency.loop);
	event_base_free(latency.base);
	folder_remove(folder);
	check_int(latency.wrong, 0);
	check_int(calls_here, 0);
	check(calls_elsewhere > 100);
	check(sleeps_for_events > 0);
	check(asleep < PUTS / 200);
}

#endif
