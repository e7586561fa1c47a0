/*
 * Several loops, each in a thread of its own, with one tree or file between
 * them, on one executor; and what a loop's thread does while its store writes.
 */
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>

#include "either.h"
#include "evkv/executor.h"
#include "kit.h"

#define LOOPS 4
#define OPS 60

struct producer {
	struct evkv_executor *executor;
	const char *path;
	pthread_t thread;
	struct evkv_store *store;
	unsigned left, wrong;
};

static void producer_next(struct producer *producer);

static void on_done(const struct evkv_result *result, void *arg)
{
	struct producer *producer = arg;

	if (result->status != EVKV_OK && result->status != EVKV_NOT_FOUND)
		producer->wrong++;
	producer_next(producer);
}

/* Adds to one number, beside puts and gets that get in the way. */
static void producer_next(struct producer *producer)
{
	struct evkv_slice collection = EVKV_LIT("c");
	unsigned n = producer->left;
	unsigned char byte = (unsigned char)('a' + n % 5);
	struct evkv_slice key = evkv_bytes(&byte, 1);

	if (n == 0)
		return;
	producer->left--;
	if (n % 3 == 0)
		evkv_incr(producer->store, collection, EVKV_LIT("counter"), 1,
		    on_done, producer);
	else if (n % 3 == 1)
		evkv_put(producer->store, collection, key, key, 60000, on_done,
		    producer);
	else
		evkv_get(producer->store, collection, key, on_done, producer);
}

static void *producer_main(void *arg)
{
	struct producer *producer = arg;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	int i;

	producer->store = either_open(loop, producer->path, producer->executor,
	    NULL);
	for (i = 0; i < 8; i++)
		producer_next(producer);
	event_base_dispatch(base);
	evkv_store_unref(producer->store);
	evkv_loop_free(loop);
	event_base_free(base);
	return NULL;
}

static struct evkv_store *loops_make(struct kit *kit, struct evkv_error *error)
{
	return either_open(kit->rig.loop, kit->path, NULL, error);
}

EVKV_TEST(serial_loops, producers_share_what_is_on_the_disk)
{
	struct producer producers[LOOPS];
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 3 }, NULL);
	struct kit kit;
	char sum[16];
	int i;

	kit_begin_real(&kit, "store", loops_make);
	for (i = 0; i < LOOPS; i++) {
		producers[i] = (struct producer){
			.executor = executor, .path = kit.path, .left = OPS
		};
		check_int(pthread_create(&producers[i].thread, NULL,
			      producer_main, &producers[i]),
		    0);
	}
	for (i = 0; i < LOOPS; i++) {
		pthread_join(producers[i].thread, NULL);
		check_int(producers[i].wrong, 0);
	}
	evkv_executor_unref(executor);
	kit_open(&kit);
	snprintf(sum, sizeof(sum), "%d", LOOPS * OPS / 3);
	kit_check(&kit, "c", "counter", sum);
	kit_end(&kit);
}
