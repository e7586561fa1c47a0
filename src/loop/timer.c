/*
 * loop/timer.c - timers on the loop's clock: a heap over one libevent timer.
 *
 * Few timers are ever set at a time (a deadline list, a sweep, a backoff each
 * have one), so a heap is enough. The libevent timer is passive: timers do not
 * keep event_base_dispatch() alive, pending ops do.
 */
#include <limits.h>

#include "loop/loop.h"

static void place(struct evkv_loop *loop, size_t at, struct evkv_timer *timer)
{
	loop->timers[at] = timer;
	timer->position = at;
}

static void sift_up(struct evkv_loop *loop, size_t at)
{
	struct evkv_timer *timer = loop->timers[at];

	while (at > 1 && loop->timers[at / 2]->at_us > timer->at_us) {
		place(loop, at, loop->timers[at / 2]);
		at /= 2;
	}
	place(loop, at, timer);
}

static void sift_down(struct evkv_loop *loop, size_t at)
{
	struct evkv_timer *timer = loop->timers[at];
	size_t next;

	while ((next = at * 2) <= loop->timers_count) {
		if (next < loop->timers_count &&
		    loop->timers[next + 1]->at_us < loop->timers[next]->at_us)
			next++;
		if (loop->timers[next]->at_us >= timer->at_us)
			break;
		place(loop, at, loop->timers[next]);
		at = next;
	}
	place(loop, at, timer);
}

static bool heap_grow(struct evkv_loop *loop)
{
	size_t size = loop->timers_size == 0 ? 16 : loop->timers_size * 2;
	struct evkv_timer **timers;

	timers = evkv_calloc(size, sizeof(struct evkv_timer *));
	if (timers == NULL)
		return false;
	if (loop->timers_count > 0)
		memcpy(timers, loop->timers,
		    (loop->timers_count + 1) * sizeof(struct evkv_timer *));
	evkv_free(loop->timers);
	loop->timers = timers;
	loop->timers_size = size;
	return true;
}

/*
 * Arm the alarm if it would come too late; too early does no harm. false: there
 * is no memory for it; the next timer that is set tries again.
 */
static bool alarm_update(struct evkv_loop *loop)
{
	struct timeval delay;
	int64_t left_us;

	if (loop->injected || loop->timers_count == 0 ||
	    loop->timers[1]->at_us >= loop->alarm_at_us)
		return true;
	loop->alarm_at_us = loop->timers[1]->at_us;
	left_us = loop->alarm_at_us - evkv_loop_now_us(loop);
	if (left_us < 0)
		left_us = 0;
	delay.tv_sec = left_us / 1000000;
	delay.tv_usec = left_us % 1000000;
	if (event_add(&loop->alarm, &delay) == 0)
		return true;
	loop->alarm_at_us = INT64_MAX;
	return false;
}

bool evkv_timer_set(struct evkv_loop *loop, struct evkv_timer *timer,
    int64_t delay_ms)
{
	evkv_timer_cancel(loop, timer);
	if (loop->timers_count + 1 >= loop->timers_size && !heap_grow(loop))
		return false;
	timer->at_us = evkv__loop_after(loop, delay_ms);
	loop->timers_count++;
	place(loop, loop->timers_count, timer);
	sift_up(loop, loop->timers_count);
	if (alarm_update(loop))
		return true;
	evkv_timer_cancel(loop, timer);
	return false;
}

void evkv_timer_cancel(struct evkv_loop *loop, struct evkv_timer *timer)
{
	size_t at = timer->position;
	struct evkv_timer *last;

	if (at == 0)
		return;
	timer->position = 0;
	last = loop->timers[loop->timers_count--];
	if (last == timer)
		return;
	place(loop, at, last);
	sift_up(loop, at);
	sift_down(loop, last->position);
}

/* Those due at the start; what they set again waits for the next time. */
static void run_due(struct evkv_loop *loop)
{
	int64_t now_us = evkv_loop_now_us(loop);
	struct evkv_timer *timer;
	size_t most = loop->timers_count;

	if (evkv__loop_check_fork(loop))
		return;
	while (most-- > 0 && loop->timers_count > 0 &&
	    loop->timers[1]->at_us <= now_us) {
		timer = loop->timers[1];
		evkv_timer_cancel(loop, timer);
		timer->run(timer->arg);
	}
}

static void alarm_rings(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_loop *loop = arg;

	(void)fd;
	(void)what;
	evkv__loop_enter(loop);
	loop->alarm_at_us = INT64_MAX;
	run_due(loop);
	alarm_update(loop);
	evkv__loop_leave(loop);
}

void evkv_loop_check_timers(struct evkv_loop *loop)
{
	evkv__loop_enter(loop);
	run_due(loop);
	alarm_update(loop);
	evkv__loop_leave(loop);
}

void evkv__timers_init(struct evkv_loop *loop)
{
	loop->alarm_at_us = INT64_MAX;
	evtimer_assign(&loop->alarm, loop->base, alarm_rings, loop);
	evkv__event_passive(&loop->alarm);
}

void evkv__timers_end(struct evkv_loop *loop)
{
	event_del(&loop->alarm);
	evkv_free(loop->timers);
}
