/*
 * loops.c - several threads, each with an event loop and a store of its own,
 * and work that is handed to them from the main thread.
 *
 *     loops [threads]        default: 4
 *
 * A store belongs to one loop and a loop to one thread. evkv_loop_post() is the
 * way in from other threads: each worker is given jobs by it, and in the end
 * the job to close. Values may go from thread to thread by reference.
 *
 *     $ loops
 *     4 loops, 1000 puts each
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/evkv.h"

#define LOOPS_MAX 64
#define LOOPS_JOBS 1000 /* for each worker */

struct worker {
	pthread_t thread;
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	unsigned done; /* puts; the worker's thread counts */
};

/* What is posted: it belongs to the worker from then on. */
struct job {
	struct worker *worker;
	struct evkv_value *value;
	unsigned number;
};

/* ---- On the worker's thread ---------------------------------------------- */

static void worker_on_put(const struct evkv_result *result, void *arg)
{
	struct worker *worker = arg;

	if (result->status == EVKV_OK)
		worker->done++;
}

/* [job] */
static void worker_run(void *arg)
{
	struct job *job = arg;
	struct evkv_slice key = evkv_bytes(&job->number, sizeof(job->number));

	evkv_submit(job->worker->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("jobs"),
		.count = 1,
		.keys = &key,
		.counted_values = &job->value,
	    },
	    worker_on_put, job->worker);
	evkv_value_unref(job->value);
	free(job);
}
/* [job] */

/* The loop has nothing left to do when its store is closed. */
static void worker_on_closed(const struct evkv_result *result, void *arg)
{
	struct worker *worker = arg;

	(void)result;
	event_base_loopbreak(worker->base);
}

static void worker_close(void *arg)
{
	struct worker *worker = arg;

	evkv_store_close(worker->store, 1000, worker_on_closed, worker);
	evkv_store_unref(worker->store); /* on the loop's own thread */
}

/* An idle loop waits for posts, however long that is. */
static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

/* ---- On the main thread ------------------------------------------------- */

/* The loop and the store are made here, before their thread is started. */
static bool worker_start(struct worker *worker, struct evkv_error *error)
{
	worker->base = event_base_new();
	worker->loop = evkv_loop_new_with(worker->base, NULL, error);
	worker->store = evkv_memory_new(worker->loop, NULL, error);
	return worker->store != NULL &&
	    pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
}

/* [post] */
static bool worker_give(struct worker *worker, unsigned number,
    struct evkv_value *value)
{
	struct job *job = malloc(sizeof(*job));

	if (job == NULL)
		return false;
	job->worker = worker;
	job->number = number;
	job->value = evkv_value_ref(value);
	if (evkv_loop_post(worker->loop, worker_run, job))
		return true;
	evkv_value_unref(job->value);
	free(job);
	return false;
}
/* [post] */

/* Whether all its jobs were done. */
static bool worker_end(struct worker *worker)
{
	bool posted = evkv_loop_post(worker->loop, worker_close, worker);

	if (!posted) {
		fprintf(stderr, "out of memory\n");
		exit(EXIT_FAILURE);
	}
	pthread_join(worker->thread, NULL);
	evkv_loop_free(worker->loop);
	event_base_free(worker->base);
	return worker->done == LOOPS_JOBS;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 4;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct worker workers[LOOPS_MAX] = { { .done = 0 } };
	struct evkv_value *value = evkv_value_new(EVKV_LIT("shared"));
	bool good = value != NULL && count > 0 && count <= LOOPS_MAX;
	int started = 0;

	while (good && started < count) {
		good = worker_start(&workers[started], &error);
		if (good)
			started++;
	}
	if (!good)
		fprintf(stderr, "%s\n", error.message);
	for (unsigned i = 0; good && i < LOOPS_JOBS; i++) {
		for (int j = 0; good && j < started; j++)
			good = worker_give(&workers[j], i, value);
	}
	for (int j = 0; j < started; j++)
		good = worker_end(&workers[j]) && good;
	evkv_value_unref(value);
	if (good)
		printf("%d loops, %d puts each\n", started, LOOPS_JOBS);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
