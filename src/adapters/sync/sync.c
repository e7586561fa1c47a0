/*
 * adapters/sync/sync.c - a call is a record on the caller's stack, which is
 * posted to the loop; the callback wakes the caller.
 *
 * Closing: from the moment `closed` is set no call begins. Those that are under
 * way are ended by closing the store, and counted down; then the loop's thread
 * is ended, where it is ours, and all is freed.
 */
#include "adapters/sync/sync.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include <event2/event.h>

#include "evkv/driver.h"

struct evkv_sync {
	struct event_base *base; /* NULL: the loop is the program's */
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_sync_options options;
	pthread_t thread;

	pthread_mutex_t mutex;
	pthread_cond_t idle; /* calls == 0 */
	size_t calls;
	bool closed;

	/* While it is opened. */
	const char *url;
	struct evkv_error *error;
	sem_t opened;
};

struct call {
	struct evkv_sync *sync;
	struct evkv_post post;
	const struct evkv_request *request;
	enum evkv_status status;
	bool wanted;
	struct evkv_result *result;
	int64_t drain_ms; /* of a close */
	sem_t done;
};

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0 && errno == EINTR)
		;
}

/* ---- On the loop's thread ----------------------------------------------- */

static void on_result(const struct evkv_result *result, void *arg)
{
	struct call *call = arg;

	call->status = result->status;
	if (call->wanted) {
		call->result = evkv__result_copy(result);
		if (call->result == NULL)
			call->status = EVKV_NOMEM;
	}
	sem_post(&call->done); /* the call is gone from here on */
}

static void call_begin(void *arg)
{
	struct call *call = arg;

	if (evkv_submit(call->sync->store, call->request, on_result, call) != 0)
		return;
	call->status = EVKV_NOMEM;
	sem_post(&call->done);
}

static void close_begin(void *arg)
{
	struct call *call = arg;

	if (evkv_store_close(call->sync->store, call->drain_ms, on_result,
		call) != 0)
		return;
	/* It is closed all the same, with the last reference. */
	call->status = EVKV_NOMEM;
	sem_post(&call->done);
}

static void let_go(void *arg)
{
	struct call *call = arg;
	struct evkv_sync *sync = call->sync;

	evkv_store_unref(sync->store);
	if (sync->base != NULL)
		event_base_loopbreak(sync->base);
	sem_post(&call->done);
}

static struct evkv_store *store_open(struct evkv_sync *sync)
{
	const struct evkv_sync_options *options = &sync->options;

	if (options->open != NULL)
		return options->open(sync->loop, sync->url, options->arg,
		    sync->error);
	return evkv_open(sync->loop, sync->url, sync->error);
}

static void *thread_run(void *arg)
{
	struct evkv_sync *sync = arg;

	sync->store = store_open(sync);
	sem_post(&sync->opened);
	if (sync->store != NULL)
		event_base_loop(sync->base, EVLOOP_NO_EXIT_ON_EMPTY);
	evkv_loop_free(sync->loop);
	event_base_free(sync->base);
	return NULL;
}

/* ---- Opening and closing ------------------------------------------------ */

static struct evkv_sync *sync_new(struct evkv_error *error)
{
	struct evkv_sync *sync = evkv_calloc(1, sizeof(*sync));

	if (sync == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "sync: out of memory");
		return NULL;
	}
	pthread_mutex_init(&sync->mutex, NULL);
	pthread_cond_init(&sync->idle, NULL);
	sem_init(&sync->opened, 0, 0);
	return sync;
}

static void sync_free(struct evkv_sync *sync)
{
	sem_destroy(&sync->opened);
	pthread_cond_destroy(&sync->idle);
	pthread_mutex_destroy(&sync->mutex);
	evkv_free(sync);
}

struct evkv_sync *evkv_sync_new(struct evkv_store *store,
    struct evkv_error *error)
{
	struct evkv_sync *sync = NULL;

	if (store == NULL)
		evkv_error_set(error, EVKV_INVALID, "sync: store is NULL");
	else if (evkv_store_loop(store) == NULL)
		evkv_error_set(error, EVKV_INVALID,
		    "sync: the loop of the store was freed");
	else
		sync = sync_new(error);
	if (sync == NULL) {
		evkv_store_unref(store);
		return NULL;
	}
	sync->store = store;
	sync->loop = evkv_store_loop(store);
	return sync;
}

/* The base, the loop and the thread; false = with nothing left of them. */
static bool thread_start(struct evkv_sync *sync, struct evkv_error *error)
{
	sync->base = event_base_new();
	if (sync->base == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "sync: no event base");
		return false;
	}
	sync->loop = evkv_loop_new_with(sync->base, NULL, error);
	if (sync->loop == NULL) {
		event_base_free(sync->base);
		return false;
	}
	if (pthread_create(&sync->thread, NULL, thread_run, sync) == 0)
		return true;
	evkv_error_set(error, EVKV_NOMEM, "sync: no thread can be started");
	evkv_loop_free(sync->loop);
	event_base_free(sync->base);
	return false;
}

struct evkv_sync *evkv_sync_open_sized(const char *url,
    const struct evkv_sync_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_error ours = EVKV_ERROR_INIT;
	struct evkv_sync_options options;
	struct evkv_sync *sync;

	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	if (options.timeout_ms < -1) {
		evkv_error_set(error, EVKV_INVALID,
		    "sync: timeout_ms is %lld; it must be at least -1",
		    (long long)options.timeout_ms);
		return NULL;
	}
	sync = sync_new(error);
	if (sync == NULL)
		return NULL;
	sync->options = options;
	sync->url = url;
	sync->error = error != NULL ? error : &ours;
	if (!thread_start(sync, error)) {
		sync_free(sync);
		return NULL;
	}
	wait_for(&sync->opened);
	if (sync->store != NULL)
		return sync;
	pthread_join(sync->thread, NULL);
	sync_free(sync);
	evkv_error_set(error, EVKV_INVALID, "sync: open() made no store");
	return NULL;
}

static void call_post(struct call *call, void (*run)(void *arg))
{
	sem_init(&call->done, 0, 0);
	call->post = (struct evkv_post){ .run = run, .arg = call };
	evkv_loop_post_owned(call->sync->loop, &call->post);
	wait_for(&call->done);
	sem_destroy(&call->done);
}

static void wait_idle(struct evkv_sync *sync)
{
	pthread_mutex_lock(&sync->mutex);
	while (sync->calls > 0)
		pthread_cond_wait(&sync->idle, &sync->mutex);
	pthread_mutex_unlock(&sync->mutex);
}

enum evkv_status evkv_sync_close(struct evkv_sync *sync, int64_t drain_ms)
{
	struct call call = { .sync = sync, .drain_ms = drain_ms };

	if (sync == NULL)
		return EVKV_OK;
	if (evkv_loop_is_here(sync->loop))
		return EVKV_INVALID;
	pthread_mutex_lock(&sync->mutex);
	sync->closed = true;
	pthread_mutex_unlock(&sync->mutex);
	call_post(&call, close_begin);
	wait_idle(sync);
	{
		struct call last = { .sync = sync };

		call_post(&last, let_go);
	}
	if (sync->base != NULL)
		pthread_join(sync->thread, NULL);
	sync_free(sync);
	return call.status;
}

/* ---- Calls -------------------------------------------------------------- */

static enum evkv_status call_run(struct call *call)
{
	struct evkv_sync *sync = call->sync;
	bool closed;

	if (evkv_loop_is_here(sync->loop))
		return EVKV_INVALID;
	pthread_mutex_lock(&sync->mutex);
	closed = sync->closed;
	sync->calls += !closed;
	pthread_mutex_unlock(&sync->mutex);
	if (closed)
		return EVKV_CLOSED;
	call_post(call, call_begin);
	pthread_mutex_lock(&sync->mutex);
	if (--sync->calls == 0)
		pthread_cond_broadcast(&sync->idle);
	pthread_mutex_unlock(&sync->mutex);
	return call->status;
}

enum evkv_status evkv_sync_call(struct evkv_sync *sync,
    const struct evkv_request *request, struct evkv_result **result)
{
	struct evkv_request timed;
	struct call call = { .sync = sync, .wanted = result != NULL };
	enum evkv_status status;

	if (result != NULL)
		*result = NULL;
	if (sync == NULL || request == NULL)
		return EVKV_INVALID;
	timed = *request;
	if (timed.timeout_ms == 0)
		timed.timeout_ms = sync->options.timeout_ms;
	call.request = &timed;
	status = call_run(&call);
	if (result != NULL)
		*result = call.result;
	return status;
}
