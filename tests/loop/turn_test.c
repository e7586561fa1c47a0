/*
 * tests/loop/turn_test.c - the loop's time on the system's clock: one for all
 * of a turn, another one in a later one.
 */
#include <event2/event.h>
#include <time.h>

#include "loop/loop.h"
#include "rig.h"
#include "test.h"

#define MANY 1000

struct turn_probe {
	struct rig *rig;
	struct event *event;
	int64_t first_us, last_us; /* of the looks in this turn */
	bool known;                /* after them, that it is the same turn */
	bool breaks;
	unsigned runs;
};

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void spin_us(int64_t us)
{
	int64_t until_us = clock_us() + us;

	while (clock_us() < until_us)
		;
}

static void look(evutil_socket_t fd, short what, void *arg)
{
	struct turn_probe *probe = arg;
	struct evkv_loop *loop = probe->rig->loop;
	unsigned i;

	(void)fd;
	(void)what;
	probe->first_us = evkv_loop_now_us(loop);
	spin_us(50);
	for (i = 0; i < MANY; i++)
		probe->last_us = evkv_loop_now_us(loop);
	probe->known = loop->turn_us != LOOP_TURN_UNKNOWN;
	probe->runs++;
	if (probe->breaks)
		event_base_loopbreak(probe->rig->base);
}

static void probe_open(struct turn_probe *probe, struct rig *rig)
{
	*probe = (struct turn_probe){ .rig = rig };
	probe->event = event_new(rig->base, -1, 0, look, probe);
	check(probe->event != NULL);
}

static void probe_run(struct turn_probe *probe)
{
	event_active(probe->event, EV_TIMEOUT, 0);
	rig_single_turn(probe->rig);
}

/* Libevent's own clock moves every few milliseconds only. */
EVKV_TEST(core_turn, time_stands_still_in_a_turn_and_goes_on_in_a_later_one)
{
	struct turn_probe probe;
	struct rig rig;
	int64_t before_us;

	rig_open_real(&rig);
	probe_open(&probe, &rig);
	for (before_us = 0; probe.runs < 3; before_us = probe.last_us) {
		probe_run(&probe);
		check_int(probe.last_us, probe.first_us);
		check(probe.known);
		check(probe.first_us >= before_us);
		/* What ran last in the turn ended it. */
		check(rig.loop->turn_us == LOOP_TURN_UNKNOWN);
	}
	before_us = probe.last_us;
	spin_us(10000);
	probe_run(&probe);
	check(probe.first_us >= before_us + 10000 - 1);
	event_free(probe.event);
	rig_close(&rig);
}

/* Nobody is dispatching: each look is at the clock, however many there are. */
EVKV_TEST(core_turn, time_goes_on_where_no_turn_is_under_way)
{
	struct rig rig;
	int64_t first_us;
	unsigned i;

	rig_open_real(&rig);
	for (i = 0; i < 100 * MANY; i++) {
		evkv_loop_now_us(rig.loop);
		check(rig.loop->turn_us == LOOP_TURN_UNKNOWN);
	}
	first_us = evkv_loop_now_us(rig.loop);
	spin_us(50);
	check(evkv_loop_now_us(rig.loop) >= first_us + 49);
	rig_close(&rig);
}

/* In our own handlers it is known at once, and afterwards not any more. */
EVKV_TEST(core_turn, handlers_know_the_time)
{
	struct rig rig;

	rig_open_real(&rig);
	evkv__loop_enter(rig.loop);
	evkv__loop_enter(rig.loop);
	check_int(rig.loop->turn_us, rig.loop->now_us);
	evkv__loop_leave(rig.loop);
	check_int(rig.loop->turn_us, rig.loop->now_us);
	evkv_loop_refresh(rig.loop);
	check_int(rig.loop->turn_us, rig.loop->now_us);
	evkv__loop_leave(rig.loop);
	check(rig.loop->turn_us == LOOP_TURN_UNKNOWN);
	rig_close(&rig);
}

/* The event that ends a turn waits with the others until it is gone on with. */
EVKV_TEST(core_turn, a_broken_turn_ends_when_the_base_is_dispatched_again)
{
	struct turn_probe probe;
	struct rig rig;

	rig_open_real(&rig);
	probe_open(&probe, &rig);
	probe.breaks = true;
	probe_run(&probe);
	check(probe.known);
	rig_turn(&rig);
	check(rig.loop->turn_us == LOOP_TURN_UNKNOWN);
	event_free(probe.event);
	rig_close(&rig);
}

/* An injected clock may move at any time. */
EVKV_TEST(core_turn, an_injected_clock_is_always_looked_at)
{
	struct turn_probe probe;
	struct rig rig;

	rig_open(&rig);
	probe_open(&probe, &rig);
	probe_run(&probe);
	check(!probe.known);
	evkv__loop_enter(rig.loop);
	check(rig.loop->turn_us == LOOP_TURN_UNKNOWN);
	evkv__loop_leave(rig.loop);
	event_free(probe.event);
	rig_close(&rig);
}
