/*
 * loop/loop.c - what every loop has: its clock, log and attachments.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/line.h"
#include "loop/loop.h"

/* Looks at the clock in one turn, from which on it is known to be one. */
#define LOOP_LOOKS 64

/* ---- The clock --------------------------------------------------------- */

static int64_t system_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_monotonic_us(void *arg)
{
	(void)arg;
	return system_us(CLOCK_MONOTONIC);
}

static int64_t system_wall_us(void *arg)
{
	(void)arg;
	return system_us(CLOCK_REALTIME);
}

void evkv_loop_refresh(struct evkv_loop *loop)
{
	loop->now_us = loop->clock.monotonic_us(loop->clock.arg);
	loop->looks = 0;
	if (loop->injected)
		return;
	event_base_gettimeofday_cached(loop->base, &loop->stamp);
	if (loop->turn_us != LOOP_TURN_UNKNOWN)
		loop->turn_us = loop->now_us;
}

static void turn_ends(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_loop *loop = arg;

	(void)fd;
	(void)what;
	loop->turn_us = LOOP_TURN_UNKNOWN;
	loop->looks = 0;
}

/*
 * Many looks in one turn: from now on the time is known, until the event that
 * is made active here has its turn, after all that are active now. Between many
 * equal stamps lies more than a microsecond, so the stamp is one that libevent
 * keeps, and the base is dispatching. With priorities the event might wait for
 * longer than the turn.
 */
static void turn_begins(struct evkv_loop *loop)
{
	if (event_base_get_npriorities(loop->base) != 1)
		return;
	event_active(&loop->turn_end, EV_TIMEOUT, 0);
	loop->turn_us = loop->now_us;
}

/* Libevent's cached time tells whether this is still the same turn. */
static int64_t look_at_clock(struct evkv_loop *loop)
{
	struct timeval stamp;

	if (loop->injected)
		return loop->clock.monotonic_us(loop->clock.arg);
	event_base_gettimeofday_cached(loop->base, &stamp);
	if (stamp.tv_sec != loop->stamp.tv_sec ||
	    stamp.tv_usec != loop->stamp.tv_usec)
		evkv_loop_refresh(loop);
	else if (++loop->looks == LOOP_LOOKS)
		turn_begins(loop);
	return loop->now_us;
}

/*
 * In our own handlers the time is that of their start. Elsewhere we have to ask
 * libevent whether it is still the same turn: it has no hook for the start of
 * one.
 */
int64_t evkv_loop_now_us(struct evkv_loop *loop)
{
	if (loop == NULL)
		return 0;
	return loop->turn_us != LOOP_TURN_UNKNOWN ? loop->now_us
						  : look_at_clock(loop);
}

bool evkv_loop_is_here(const struct evkv_loop *loop)
{
	return __atomic_load_n(&loop->bound, __ATOMIC_ACQUIRE) &&
	    pthread_equal(__atomic_load_n(&loop->thread, __ATOMIC_RELAXED),
		pthread_self());
}

void evkv__loop_catch_up(struct evkv_loop *loop)
{
	if (!loop->injected && system_us(CLOCK_MONOTONIC_COARSE) > loop->now_us)
		evkv_loop_refresh(loop);
}

int64_t evkv_loop_now_ms(struct evkv_loop *loop)
{
	return evkv_loop_now_us(loop) / 1000;
}

int64_t evkv_loop_wall_ms(struct evkv_loop *loop)
{
	return loop != NULL ? loop->clock.wall_us(loop->clock.arg) / 1000 : 0;
}

/* ---- The wall clock against the monotonic one --------------------------- */

/* Two readings that are further apart than this are not of one moment. */
#define WALL_READ_US 20000

/* How far the wall clock is ahead; false: not to be told just now. */
static bool wall_ahead(const struct evkv_loop *loop, int64_t *ahead_us)
{
	int64_t before_us, after_us, wall_us;

	if (loop->injected) {
		before_us = after_us = evkv__loop_read_clock(loop);
		wall_us = loop->clock.wall_us(loop->clock.arg);
	} else {
		/* Both move at the same ticks of the kernel. */
		before_us = system_us(CLOCK_MONOTONIC_COARSE);
		wall_us = system_us(CLOCK_REALTIME_COARSE);
		after_us = system_us(CLOCK_MONOTONIC_COARSE);
	}
	*ahead_us = wall_us - after_us;
	return after_us - before_us <= WALL_READ_US;
}

static void wall_compare(struct evkv_loop *loop)
{
	const int64_t step_us = EVKV__WALL_STEP_MS * 1000;
	int64_t ahead_us;

	if (!wall_ahead(loop, &ahead_us) ||
	    (ahead_us - loop->wall_ahead_us <= step_us &&
		loop->wall_ahead_us - ahead_us <= step_us))
		return;
	evkv_loop_log(loop, EVKV_LOG_INFO,
	    "loop: the wall clock moved by %lld ms against the monotonic one",
	    (long long)(ahead_us - loop->wall_ahead_us) / 1000);
	loop->wall_ahead_us = ahead_us;
	loop->wall_jumps++;
}

/* Once for each reading of the system's clock: that is once a turn, mostly. */
uint64_t evkv__loop_wall_jumps_now(struct evkv_loop *loop)
{
	int64_t now_us;

	now_us = evkv_loop_now_us(loop);
	if (loop->injected || now_us != loop->wall_compared_us) {
		loop->wall_compared_us = now_us;
		wall_compare(loop);
	}
	return loop->wall_jumps;
}

/* ---- Random numbers: splitmix64 (Steele, Lea, Flood 2014) --------------- */

uint64_t evkv_loop_random(struct evkv_loop *loop)
{
	uint64_t z;

	if (loop == NULL)
		return 0;
	z = (loop->random += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void random_seed(struct evkv_loop *loop, uint64_t seed)
{
	loop->random = seed;
	if (seed != 0)
		return;
	if (getrandom(&loop->random, sizeof(loop->random), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(loop->random))
		loop->random = (uint64_t)system_us(CLOCK_REALTIME) ^
		    (uint64_t)(uintptr_t)loop;
}

/* ---- The log and attachments -------------------------------------------- */

void evkv_loop_set_log(struct evkv_loop *loop, evkv_log_cb cb, void *arg)
{
	if (loop == NULL)
		return;
	loop->log = cb;
	loop->log_arg = arg;
}

void evkv_loop_log(struct evkv_loop *loop, enum evkv_log_level level,
    const char *format, ...)
{
	char message[512];
	va_list args;

	if (loop->log == NULL)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	evkv__one_line(message);
	loop->log(level, message, loop->log_arg);
}

void *evkv_loop_attachment(struct evkv_loop *loop, const void *key)
{
	struct loop_attachment *attachment;

	SLIST_FOREACH(attachment, &loop->attachments, link)
	{
		if (attachment->key == key)
			return attachment->thing;
	}
	return NULL;
}

bool evkv_loop_attach(struct evkv_loop *loop, const void *key, void *thing,
    void (*release)(void *thing))
{
	struct loop_attachment *attachment = evkv_malloc(sizeof(*attachment));

	if (attachment == NULL)
		return false;
	attachment->key = key;
	attachment->thing = thing;
	attachment->release = release;
	SLIST_INSERT_HEAD(&loop->attachments, attachment, link);
	return true;
}

static void attachments_release(struct evkv_loop *loop)
{
	struct loop_attachment *attachment;

	while ((attachment = SLIST_FIRST(&loop->attachments)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->attachments, link);
		attachment->release(attachment->thing);
		evkv_free(attachment);
	}
}

/* ---- Life --------------------------------------------------------------- */

static void loop_configure(struct evkv_loop *loop, struct event_base *base,
    const struct evkv_loop_options *options)
{
	loop->base = base;
	loop->clock.monotonic_us = system_monotonic_us;
	loop->clock.wall_us = system_wall_us;
	if (options->clock != NULL) {
		memcpy(&loop->clock, options->clock,
		    options->clock->size < sizeof(loop->clock)
			? options->clock->size
			: sizeof(loop->clock));
		loop->injected = true;
	}
	loop->scramble = options->scramble == EVKV_SCRAMBLE_ON;
#ifdef EVKV_DEBUG
	if (options->scramble == EVKV_SCRAMBLE_DEFAULT)
		loop->scramble = true;
#endif
	random_seed(loop, options->seed);
}

bool evkv__loop_open(struct evkv_loop *loop, struct event_base *base,
    const struct loop_hooks *hooks, const struct evkv_loop_options *options,
    struct evkv_error *error)
{
	if (!evkv__forks_watch()) {
		evkv_error_set(error, EVKV_NOMEM, "loop: out of memory");
		return false;
	}
	loop->hooks = hooks;
	loop->forks = evkv__forks;
	loop_configure(loop, base, options);
	loop->turn_us = LOOP_TURN_UNKNOWN;
	evkv__timers_init(loop);
	if (event_assign(&loop->turn_end, base, -1, 0, turn_ends, loop) == 0 &&
	    evkv__ready_init(loop) && evkv__post_init(loop)) {
		evkv__event_passive(&loop->turn_end);
		evkv_loop_refresh(loop);
		wall_ahead(loop, &loop->wall_ahead_us);
		return true;
	}
	evkv_error_set(error, EVKV_IO, "loop: no file descriptor is left: %s",
	    strerror(errno));
	return false;
}

void evkv__loop_leave_events(struct evkv_loop *loop)
{
	event_del(&loop->alarm);
	event_del(&loop->turn_end);
	evkv__ready_end(loop);
	event_del(&loop->post_event);
}

void evkv__loop_end(struct evkv_loop *loop)
{
	attachments_release(loop);
	while (evkv__post_run(loop, 0) || evkv__ready_run_all(loop))
		;
	evkv__deadlines_end(loop);
	evkv__timers_end(loop);
	evkv__ready_end(loop);
	evkv__post_end(loop);
	event_del(&loop->turn_end);
}

struct event_base *evkv_loop_base(const struct evkv_loop *loop)
{
	return loop->base;
}
