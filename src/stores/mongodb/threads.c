/*
 * stores/mongodb/threads.c - the executors of a loop's mongodb stores.
 *
 * A worker of this driver waits for a server most of the time, so each store
 * has threads of its own. A loop has to do with an executor until it is freed:
 * so a store that was closed hands its executor back, and the next one takes
 * it.
 *
 * Workers that were left behind with a silent server end by themselves. The end
 * of a loop waits for them, but not long, so that a program which ends has its
 * threads behind it wherever a server answers.
 */
#include <pthread.h>
#include <time.h>

#include "stores/mongodb/store.h"

struct threads {
	struct threads *next;
	struct evkv_executor *executor;
	unsigned count;
	bool used;
};

struct threads_list {
	struct threads *first;
};

#define END_WAIT_S 2

static const char threads_key;

static pthread_mutex_t left_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left_cond = PTHREAD_COND_INITIALIZER;
static unsigned left_count;

void evkv__mongodb_threads_left(void)
{
	pthread_mutex_lock(&left_mutex);
	left_count++;
	pthread_mutex_unlock(&left_mutex);
}

void evkv__mongodb_threads_back(void *worker)
{
	evkv__mongodb_worker_free(worker);
	pthread_mutex_lock(&left_mutex);
	left_count--;
	pthread_cond_broadcast(&left_cond);
	pthread_mutex_unlock(&left_mutex);
}

static void threads_await(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_WAIT_S;
	pthread_mutex_lock(&left_mutex);
	while (left_count > 0 &&
	    pthread_cond_timedwait(&left_cond, &left_mutex, &until) == 0)
		;
	pthread_mutex_unlock(&left_mutex);
}

static void threads_free(void *thing)
{
	struct threads_list *list = thing;
	struct threads *threads;

	threads_await();
	while ((threads = list->first) != NULL) {
		list->first = threads->next;
		evkv_executor_unref(threads->executor);
		evkv_free(threads);
	}
	evkv_free(list);
}

static struct threads_list *threads_of(struct evkv_loop *loop)
{
	struct threads_list *list = evkv_loop_attachment(loop, &threads_key);

	if (list != NULL)
		return list;
	list = evkv_calloc(1, sizeof(*list));
	if (list == NULL ||
	    evkv_loop_attach(loop, &threads_key, list, threads_free))
		return list;
	evkv_free(list);
	return NULL;
}

struct evkv_executor *evkv__mongodb_threads_take(struct evkv_loop *loop,
    unsigned count)
{
	struct threads_list *list = threads_of(loop);
	struct threads *threads = list != NULL ? list->first : NULL;

	if (list == NULL)
		return NULL;
	while (threads != NULL && (threads->used || threads->count != count))
		threads = threads->next;
	if (threads == NULL) {
		threads = evkv_calloc(1, sizeof(*threads));
		if (threads == NULL)
			return NULL;
		threads->count = count;
		threads->executor = evkv_executor_new(
		    &(struct evkv_executor_options){ .threads = count }, NULL);
		if (threads->executor == NULL) {
			evkv_free(threads);
			return NULL;
		}
		threads->next = list->first;
		list->first = threads;
	}
	threads->used = true;
	return evkv_executor_ref(threads->executor);
}

void evkv__mongodb_threads_give(struct evkv_loop *loop,
    struct evkv_executor *executor)
{
	struct threads *threads = threads_of(loop)->first;

	while (threads->executor != executor)
		threads = threads->next;
	threads->used = false;
}
