/*
 * tests/core/starved_test.c - when libevent has no memory for one more timer.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "evkv/driver.h"
#include "rig.h"
#include "test.h"

#define STARVED_EVENTS 64

struct starved {
	struct rig rig;
	struct event *events[STARVED_EVENTS];
};

static bool starved_now;

static void *starved_malloc(size_t size)
{
	return starved_now ? NULL : malloc(size);
}

static void *starved_realloc(void *memory, size_t size)
{
	return starved_now ? NULL : realloc(memory, size);
}

static void starved_ignore(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* As many timers as libevent has room for, and no memory for more. */
static void starved_open(struct starved *starved)
{
	const struct timeval late = { 3600, 0 };
	size_t i;

	event_set_mem_functions(starved_malloc, starved_realloc, free);
	rig_open_real(&starved->rig);
	for (i = 0; i < STARVED_EVENTS; i++) {
		starved->events[i] = event_new(starved->rig.base, -1, 0,
		    starved_ignore, NULL);
		check(starved->events[i] != NULL);
	}
	starved_now = true;
	for (i = 0; event_add(starved->events[i], &late) == 0; i++)
		check(i < STARVED_EVENTS - 1);
}

static void starved_close(struct starved *starved)
{
	size_t i;

	starved_now = false;
	for (i = 0; i < STARVED_EVENTS; i++)
		event_free(starved->events[i]);
	rig_close(&starved->rig);
	event_set_mem_functions(NULL, NULL, NULL);
}

static void starved_count(const struct evkv_result *result, void *arg)
{
	unsigned *calls = arg;

	check_status(result->status, EVKV_OK);
	(*calls)++;
}

EVKV_TEST(core_starved, every_callback_comes)
{
	struct starved starved;
	struct evkv_store *store;
	unsigned calls = 0, i;

	starved_open(&starved);
	store = evkv_null_new(starved.rig.loop, NULL);
	/* More than one turn has a budget for. */
	for (i = 0; i < 1000; i++)
		check(evkv_ping(store, starved_count, &calls) != 0);
	for (i = 0; i < 20; i++)
		rig_single_turn(&starved.rig);
	check_int(calls, 1000);
	evkv_store_unref(store);
	starved_close(&starved);
}

static void starved_ring(void *arg)
{
	unsigned *rings = arg;

	(*rings)++;
}

EVKV_TEST(core_starved, a_timer_that_can_not_ring_is_not_set)
{
	unsigned rings = 0, second_rings = 0;
	struct evkv_timer timer = { .run = starved_ring, .arg = &rings };
	struct evkv_timer second = { .run = starved_ring,
		.arg = &second_rings };
	struct starved starved;

	starved_open(&starved);
	check(!evkv_timer_set(starved.rig.loop, &timer, 5));
	starved_now = false;
	/* Though it is later than the one that was refused. */
	check(evkv_timer_set(starved.rig.loop, &second, 10));
	rig_wait(&starved.rig, &second_rings);
	check_int(rings, 0);
	starved_close(&starved);
}
