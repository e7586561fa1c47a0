/*
 * tests/loop/timer_test.c - timers on the loop's clock, and what else a loop
 * carries.
 */
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop.h"
#include "evkv/driver.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

struct timer_probe {
	struct evkv_timer timer;
	struct rig *rig;
	unsigned runs;
	int64_t ran_at_us;
	int64_t again_ms;
	struct timer_probe *cancels;
};

static void timer_ring(void *arg)
{
	struct timer_probe *probe = arg;

	probe->runs++;
	probe->ran_at_us = evkv_loop_now_us(probe->rig->loop);
	if (probe->again_ms != 0)
		check(evkv_timer_set(probe->rig->loop, &probe->timer,
		    probe->again_ms));
	if (probe->cancels != NULL)
		evkv_timer_cancel(probe->rig->loop, &probe->cancels->timer);
}

static void timer_init(struct timer_probe *probe, struct rig *rig)
{
	*probe = (struct timer_probe){ .rig = rig };
	probe->timer.run = timer_ring;
	probe->timer.arg = probe;
}

EVKV_TEST(core_timer, rings_when_it_is_due_and_not_before)
{
	struct timer_probe probe;
	struct rig rig;

	rig_open(&rig);
	timer_init(&probe, &rig);
	check(evkv_timer_set(rig.loop, &probe.timer, 100));
	rig_advance(&rig, 99);
	check_int(probe.runs, 0);
	rig_advance(&rig, 1);
	check_int(probe.runs, 1);
	rig_advance(&rig, 1000);
	check_int(probe.runs, 1);
	/* Set anew: the earlier time is forgotten. */
	check(evkv_timer_set(rig.loop, &probe.timer, 10));
	check(evkv_timer_set(rig.loop, &probe.timer, 50));
	rig_advance(&rig, 10);
	check_int(probe.runs, 1);
	rig_advance(&rig, 40);
	check_int(probe.runs, 2);
	check(evkv_timer_set(rig.loop, &probe.timer, 10));
	evkv_timer_cancel(rig.loop, &probe.timer);
	evkv_timer_cancel(rig.loop, &probe.timer);
	rig_advance(&rig, 100);
	check_int(probe.runs, 2);
	rig_close(&rig);
}

EVKV_TEST(core_timer, many_ring_in_order)
{
	enum { COUNT = 500 };
	struct timer_probe *probes = calloc(COUNT, sizeof(*probes));
	int64_t delays[COUNT];
	struct rig rig;
	unsigned i, step, seed = 7;

	check(probes != NULL);
	rig_open(&rig);
	for (i = 0; i < COUNT; i++) {
		timer_init(&probes[i], &rig);
		seed = seed * 1103515245u + 12345u;
		delays[i] = (int64_t)(seed >> 16) % 1000 + 1;
		check(evkv_timer_set(rig.loop, &probes[i].timer, delays[i]));
	}
	for (i = 0; i < COUNT; i += 3)
		evkv_timer_cancel(rig.loop, &probes[i].timer);
	for (step = 1; step <= 1001; step++) {
		rig_advance(&rig, 1);
		for (i = 0; i < COUNT; i++)
			check_int(probes[i].runs,
			    i % 3 != 0 && delays[i] <= (int64_t)step);
	}
	rig_close(&rig);
	free(probes);
}

EVKV_TEST(core_timer, one_that_sets_itself_rings_once_at_a_time)
{
	struct timer_probe probe, other;
	struct rig rig;

	rig_open(&rig);
	timer_init(&probe, &rig);
	timer_init(&other, &rig);
	probe.again_ms = 10;
	probe.cancels = &other;
	check(evkv_timer_set(rig.loop, &probe.timer, 10));
	check(evkv_timer_set(rig.loop, &other.timer, 11));
	/* A jump over several periods does not make it ring several times. */
	rig_advance(&rig, 100);
	check_int(probe.runs, 1);
	check_int(other.runs, 0);
	rig_advance(&rig, 10);
	check_int(probe.runs, 2);
	rig_close(&rig);
}

EVKV_TEST(core_timer, rings_by_itself_on_the_systems_clock)
{
	struct timer_probe early, late;
	struct rig rig;
	int64_t start;

	rig_open_real(&rig);
	timer_init(&early, &rig);
	timer_init(&late, &rig);
	start = evkv_loop_now_us(rig.loop);
	check(evkv_timer_set(rig.loop, &late.timer, 30));
	check(evkv_timer_set(rig.loop, &early.timer, 5));
	rig_wait(&rig, &late.runs);
	check_int(early.runs, 1);
	check(early.ran_at_us - start >= 5000);
	check(late.ran_at_us - start >= 30000);
	check(early.ran_at_us <= late.ran_at_us);
	/* It holds nothing. */
	check(evkv_timer_set(rig.loop, &late.timer, 3600000));
	check_int(event_base_dispatch(rig.base), 1);
	rig_close(&rig);
}

static int64_t time_us(const struct timeval *at)
{
	return (int64_t)at->tv_sec * 1000000 + at->tv_usec;
}

EVKV_TEST(core_timer, libevents_timer_is_set_for_that_time)
{
	static const int64_t delays_ms[] = { 1, 999, 1000, 61500 };
	struct timeval before, after, at;
	struct timer_probe probe;
	struct rig rig;
	size_t i;

	for (i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		rig_open_real(&rig);
		timer_init(&probe, &rig);
		evutil_gettimeofday(&before, NULL);
		check(evkv_timer_set(rig.loop, &probe.timer, delays_ms[i]));
		check(event_pending(&rig.loop->alarm, EV_TIMEOUT, &at));
		evutil_gettimeofday(&after, NULL);
		/* Its clocks may be some milliseconds coarse. */
		check_between(time_us(&at),
		    time_us(&before) + delays_ms[i] * 1000 - 20000,
		    time_us(&after) + delays_ms[i] * 1000 + 20000);
		rig_close(&rig);
	}
}

/* As the drain time of a store that is closed late in a long callback. */
EVKV_TEST(core_timer, a_delay_counts_from_when_it_is_set)
{
	struct timer_probe probe;
	struct rig rig;
	int64_t start;

	rig_open_real(&rig);
	timer_init(&probe, &rig);
	/* In a turn that began a second ago. */
	evkv__loop_enter(rig.loop);
	rig.loop->now_us -= 1000000;
	start = evkv__loop_read_clock(rig.loop);
	check(evkv_timer_set(rig.loop, &probe.timer, 30));
	check(probe.timer.at_us >= start + 30000);
	evkv__loop_leave(rig.loop);
	evkv_timer_cancel(rig.loop, &probe.timer);
	rig_close(&rig);
}

EVKV_TEST(core_timer, without_memory_it_says_so)
{
	struct timer_probe probe;
	struct rig rig;

	rig_open(&rig);
	timer_init(&probe, &rig);
	faults_fail_nth(1);
	check(!evkv_timer_set(rig.loop, &probe.timer, 10));
	rig_advance(&rig, 100);
	check_int(probe.runs, 0);
	check(evkv_timer_set(rig.loop, &probe.timer, 10));
	rig_advance(&rig, 10);
	check_int(probe.runs, 1);
	rig_close(&rig);
}

/* ---- The loop --------------------------------------------------------- */

EVKV_TEST(core_loop, the_injected_clock_is_the_loops)
{
	struct rig rig;

	rig_open(&rig);
	check_int(evkv_loop_now_ms(rig.loop), rig.now_us / 1000);
	check_int(evkv_loop_now_us(rig.loop), rig.now_us);
	check_int(evkv_loop_wall_ms(rig.loop), rig.wall_us / 1000);
	rig_advance(&rig, 1234);
	check_int(evkv_loop_now_us(rig.loop), rig.now_us);
	check_int(evkv_loop_wall_ms(rig.loop), rig.wall_us / 1000);
	check(evkv_loop_base(rig.loop) == rig.base);
	rig_close(&rig);
}

EVKV_TEST(core_loop, the_systems_clock_is_read_anew_between_turns)
{
	struct rig rig;
	int64_t before;

	rig_open_real(&rig);
	before = evkv_loop_now_us(rig.loop);
	check(before > 0);
	rig_advance(&rig, 20);
	check(evkv_loop_now_us(rig.loop) - before >= 15000);
	check(evkv_loop_wall_ms(rig.loop) > INT64_C(1600000000000));
	rig_close(&rig);
}

EVKV_TEST(core_loop, random_numbers_follow_from_the_seed)
{
	struct evkv_loop_options options = { .seed = 42 };
	struct event_base *base = event_base_new();
	struct evkv_loop *same, *other;
	struct rig rig;
	uint64_t first;

	rig_open(&rig); /* of seed 42, too */
	same = evkv_loop_new_with(base, &options, NULL);
	other = evkv_loop_new(base);
	check(same != NULL && other != NULL);
	first = evkv_loop_random(rig.loop);
	check(first == evkv_loop_random(same));
	check(first != evkv_loop_random(other));
	check(evkv_loop_random(rig.loop) != first);
	evkv_loop_free(same);
	evkv_loop_free(other);
	event_base_free(base);
	rig_close(&rig);
}

EVKV_TEST(core_loop, bad_options_are_refused)
{
	struct {
		struct evkv_loop_options options;
		uint64_t more;
	} newer = { .more = 1 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop;

	check(evkv_loop_new_sized(NULL, NULL, 0, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "base");
	evkv_error_clear(&error);
	check(evkv_loop_new_sized(base, &newer.options, sizeof(newer),
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	newer.more = 0;
	newer.options.clock = &(const struct evkv_clock){ .arg = NULL };
	check(evkv_loop_new_with(base, &newer.options, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "clock");
	evkv_error_clear(&error);
	newer.options.clock = NULL;
	loop = evkv_loop_new_sized(base, &newer.options, sizeof(newer), &error);
	check(loop != NULL);
	evkv_loop_free(loop);
	faults_fail_nth(1);
	check(evkv_loop_new_with(base, NULL, &error) == NULL);
	check_status(error.status, EVKV_NOMEM);
	faults_off();
	evkv_loop_free(NULL);
	event_base_free(base);
}

struct loop_log {
	unsigned lines;
	enum evkv_log_level level;
	char text[600];
};

static void loop_on_log(enum evkv_log_level level, const char *message,
    void *arg)
{
	struct loop_log *log = arg;

	log->lines++;
	log->level = level;
	(void)snprintf(log->text, sizeof(log->text), "%s", message);
}

EVKV_TEST(core_loop, the_log_goes_where_it_was_set_to)
{
	struct loop_log log = { .lines = 0 };
	struct rig rig;

	rig_open(&rig);
	evkv_loop_log(rig.loop, EVKV_LOG_ERROR, "to nobody");
	evkv_loop_set_log(rig.loop, loop_on_log, &log);
	evkv_loop_log(rig.loop, EVKV_LOG_WARNING, "%s %d", "number", 7);
	check_int(log.lines, 1);
	check_int(log.level, EVKV_LOG_WARNING);
	check_str(log.text, "number 7");
	evkv_loop_log(rig.loop, EVKV_LOG_INFO, "%0*d", 2000, 1);
	check_int(log.lines, 2);
	evkv_loop_log(rig.loop, EVKV_LOG_INFO, "a path like %s", "/a\nb");
	check_str(log.text, "a path like /a?b");
	evkv_loop_set_log(rig.loop, NULL, NULL);
	evkv_loop_log(rig.loop, EVKV_LOG_ERROR, "to nobody");
	check_int(log.lines, 3);
	rig_close(&rig);
}

static void loop_on_release(void *thing)
{
	(*(unsigned *)thing)++;
}

EVKV_TEST(core_loop, attachments_are_released_with_the_loop)
{
	static const char keys[2];
	unsigned released[2] = { 0, 0 };
	struct rig rig;

	rig_open(&rig);
	check(evkv_loop_attachment(rig.loop, &keys[0]) == NULL);
	check(evkv_loop_attach(rig.loop, &keys[0], &released[0],
	    loop_on_release));
	check(evkv_loop_attachment(rig.loop, &keys[0]) == &released[0]);
	check(evkv_loop_attachment(rig.loop, &keys[1]) == NULL);
	faults_fail_nth(1);
	check(!evkv_loop_attach(rig.loop, &keys[1], &released[1],
	    loop_on_release));
	faults_off();
	check_int(released[0], 0);
	rig_close(&rig);
	check_int(released[0], 1);
	check_int(released[1], 0);
}
