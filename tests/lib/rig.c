/*
 * tests/lib/rig.c - the loop, its clock and bounded waiting.
 */
#include "rig.h"

#include <string.h>
#include <time.h>

#include "test.h"

#define RIG_PATIENCE_MS INT64_C(20000)
#define RIG_TICK_US 10000

static int64_t rig_monotonic(void *arg)
{
	return ((struct rig *)arg)->now_us;
}

static int64_t rig_wall(void *arg)
{
	return ((struct rig *)arg)->wall_us;
}

static int64_t rig_real_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void rig_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct rig *)arg)->ticks++;
}

bool rig_try_open(struct rig *rig, bool real)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_clock clock = { sizeof(clock), rig_monotonic, rig_wall,
		rig };
	struct evkv_loop_options options = {
		.clock = real ? NULL : &clock,
		.seed = 42,
		.scramble = EVKV_SCRAMBLE_ON,
	};

	memset(rig, 0, sizeof(*rig));
	rig->real = real;
	/* Not zero, so that a time of 0 is seen as the mistake that it is. */
	rig->now_us = INT64_C(5000000000);
	rig->wall_us = INT64_C(1700000000000000);
	rig->base = event_base_new();
	check(rig->base != NULL);
	rig->tick = event_new(rig->base, -1, 0, rig_on_tick, rig);
	check(rig->tick != NULL);
	rig->loop = evkv_loop_new_with(rig->base, &options, &error);
	if (rig->loop == NULL)
		check_status(error.status, EVKV_NOMEM);
	return rig->loop != NULL;
}

void rig_open(struct rig *rig)
{
	check(rig_try_open(rig, false));
}

void rig_open_real(struct rig *rig)
{
	check(rig_try_open(rig, true));
}

void rig_close(struct rig *rig)
{
	if (rig->loop != NULL)
		evkv_loop_free(rig->loop);
	if (rig->tick != NULL)
		event_free(rig->tick);
	if (rig->base != NULL)
		event_base_free(rig->base);
	rig->loop = NULL;
	rig->tick = NULL;
	rig->base = NULL;
}

void rig_turn(struct rig *rig)
{
	rig->turns++;
	/* In libevent this flag alone means: until nothing is active. */
	check(event_base_loop(rig->base, EVLOOP_NONBLOCK) >= 0);
}

void rig_single_turn(struct rig *rig)
{
	rig->turns++;
	check(event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

void rig_turn_waiting(struct rig *rig)
{
	struct timeval tick = { 0, RIG_TICK_US };

	rig->turns++;
	check(event_add(rig->tick, &tick) == 0);
	check(event_base_loop(rig->base, EVLOOP_ONCE) >= 0);
	check(event_del(rig->tick) == 0);
}

void rig_settle(struct rig *rig)
{
	unsigned turns;

	for (turns = 0; turns < 1000; turns++) {
		rig->turns++;
		if (event_base_loop(rig->base, EVLOOP_NONBLOCK) == 1)
			return;
	}
	fail_test("something is still outstanding after 1000 turns");
}

void rig_advance(struct rig *rig, int64_t ms)
{
	int64_t end;

	if (!rig->real) {
		rig->now_us += ms * 1000;
		rig->wall_us += ms * 1000;
		evkv_loop_check_timers(rig->loop);
		return;
	}
	for (end = rig_real_ms() + ms; rig_real_ms() < end;)
		rig_turn_waiting(rig);
}

int64_t rig_deadline(void)
{
	return rig_real_ms() + RIG_PATIENCE_MS;
}

void rig_turn_until(struct rig *rig, int64_t deadline, const char *file,
    int line, const char *what)
{
	rig_turn_waiting(rig);
	if (rig_real_ms() > deadline)
		test_fail(file, line, "waited in vain for: %s", what);
}

static bool rig_is_zero(const void *flag, size_t size)
{
	const unsigned char *bytes = flag;
	size_t i;

	for (i = 0; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

void rig_wait_flag(struct rig *rig, const void *flag, size_t size,
    const char *file, int line)
{
	int64_t deadline = rig_deadline();

	while (rig_is_zero(flag, size))
		rig_turn_until(rig, deadline, file, line, "the flag");
}

void rig_check_described(struct rig *rig, const char *url, const char *expected)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(rig->loop, url, &error);
	char *text;

	if (store == NULL)
		fail_test("%s: %s", url, error.message);
	text = evkv_store_describe(store, 0);
	check_str(text, expected);
	evkv_free(text);
	evkv_store_unref(store);
	rig_turn(rig);
}
