/*
 * tests/adapters/far.h - a loop with a thread of its own.
 */
#ifndef TESTS_ADAPTERS_FAR_H
#define TESTS_ADAPTERS_FAR_H

#include <pthread.h>

#include <event2/event.h>

#include "evkv/driver.h"
#include "test.h"

struct far {
	struct event_base *base;
	struct evkv_loop *loop;
	pthread_t thread;
};

static inline void *far_run(void *arg)
{
	struct far *far = arg;

	event_base_loop(far->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static inline void far_open(struct far *far)
{
	far->base = event_base_new();
	far->loop = evkv_loop_new(far->base);
	check(far->loop != NULL);
}

static inline void far_start(struct far *far)
{
	check(pthread_create(&far->thread, NULL, far_run, far) == 0);
}

static inline void far_break(void *arg)
{
	event_base_loopbreak(((struct far *)arg)->base);
}

static inline void far_stop(struct far *far)
{
	check(evkv_loop_post(far->loop, far_break, far));
	check(pthread_join(far->thread, NULL) == 0);
}

static inline void far_close(struct far *far)
{
	evkv_loop_free(far->loop);
	event_base_free(far->base);
}

#endif
