/*
 * workers.c - four loops, each on its thread, share one cache and the store
 * behind it by a bridge.
 *
 *     workers [chain, default a cache in front of a simple store]
 *
 *     $ workers
 *     4000 answered, 0 failed
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/adapters/bridge.h"
#include "evkv/evkv.h"

#define WORKERS 4
#define EACH 1000

struct worker {
	pthread_t thread;
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *shared; /* of the main loop */
	unsigned answered, failed;
};

static void on_answer(const struct evkv_result *result, void *arg)
{
	struct worker *worker = arg;

	worker->failed += evkv_failed(result->status);
	worker->answered++;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct evkv_store *store = evkv_bridge_new(worker->loop, worker->shared,
	    NULL);
	int i;

	for (i = 0; i < EACH; i++)
		evkv_incr(store, EVKV_LIT("counters"), EVKV_LIT("visits"), 1,
		    on_answer, worker);
	/* Until all is answered: pending operations keep it alive. */
	event_base_dispatch(worker->base);
	evkv_store_unref(store);
	evkv_loop_free(worker->loop);
	event_base_free(worker->base);
	return NULL;
}

/* Runs on the main loop when all workers have ended. */
static void finish(void *arg)
{
	event_base_loopbreak(arg);
}

struct joiner {
	struct worker *workers;
	struct evkv_loop *loop;
	struct event_base *base;
};

static void *join_all(void *arg)
{
	struct joiner *joiner = arg;
	int i;

	for (i = 0; i < WORKERS; i++)
		pthread_join(joiner->workers[i].thread, NULL);
	evkv_loop_post(joiner->loop, finish, joiner->base);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *chain = argc > 1 ? argv[1]
				     : "simple: | passthrough_cache(memory:)";
	struct worker workers[WORKERS] = { { .answered = 0 } };
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(loop, chain, &error);
	struct joiner joiner = { workers, loop, base };
	unsigned answered = 0, failed = 0;
	pthread_t thread;
	int i;

	if (store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	for (i = 0; i < WORKERS; i++) {
		workers[i].base = event_base_new();
		workers[i].loop = evkv_loop_new(workers[i].base);
		workers[i].shared = evkv_store_ref(store);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	pthread_create(&thread, NULL, join_all, &joiner);
	event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
	pthread_join(thread, NULL);
	for (i = 0; i < WORKERS; i++) {
		answered += workers[i].answered;
		failed += workers[i].failed;
	}
	printf("%u answered, %u failed\n", answered, failed);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return answered == WORKERS * EACH && failed == 0 ? EXIT_SUCCESS
							 : EXIT_FAILURE;
}
