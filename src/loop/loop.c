/*
 * loop/loop.c - making and freeing a loop; its clock, log and attachments.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "loop/loop.h"

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
	if (!loop->injected)
		event_base_gettimeofday_cached(loop->base, &loop->stamp);
}

/*
 * In our own handlers the time is that of their start. Elsewhere libevent's
 * cached time tells whether this is still the same turn: it has no hook for the
 * start of one.
 */
int64_t evkv_loop_now_us(struct evkv_loop *loop)
{
	struct timeval stamp;

	if (loop->injected)
		return loop->clock.monotonic_us(loop->clock.arg);
	if (loop->handling > 0)
		return loop->now_us;
	event_base_gettimeofday_cached(loop->base, &stamp);
	if (stamp.tv_sec != loop->stamp.tv_sec ||
	    stamp.tv_usec != loop->stamp.tv_usec)
		evkv_loop_refresh(loop);
	return loop->now_us;
}

int64_t evkv_loop_now_ms(struct evkv_loop *loop)
{
	return evkv_loop_now_us(loop) / 1000;
}

int64_t evkv_loop_wall_ms(struct evkv_loop *loop)
{
	return loop->clock.wall_us(loop->clock.arg) / 1000;
}

/* ---- Random numbers: splitmix64 (Steele, Lea, Flood 2014) --------------- */

uint64_t evkv_loop_random(struct evkv_loop *loop)
{
	uint64_t z = (loop->random += UINT64_C(0x9e3779b97f4a7c15));

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

	for (attachment = loop->attachments; attachment != NULL;
	     attachment = attachment->next) {
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
	attachment->next = loop->attachments;
	loop->attachments = attachment;
	return true;
}

static void attachments_release(struct evkv_loop *loop)
{
	struct loop_attachment *attachment;

	while ((attachment = loop->attachments) != NULL) {
		loop->attachments = attachment->next;
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

struct evkv_loop *evkv_loop_new(struct event_base *base)
{
	return evkv_loop_new_with(base, NULL, NULL);
}

struct evkv_loop *evkv_loop_new_sized(struct event_base *base,
    const struct evkv_loop_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_loop_options options;
	struct evkv_loop *loop;

	if (base == NULL) {
		evkv_error_set(error, EVKV_INVALID, "loop: base is NULL");
		return NULL;
	}
	if (!evkv_options_read(&options, sizeof(options), given, size, error))
		return NULL;
	if (options.clock != NULL &&
	    (options.clock->size < sizeof(struct evkv_clock) ||
		options.clock->monotonic_us == NULL ||
		options.clock->wall_us == NULL)) {
		evkv_error_set(error, EVKV_INVALID,
		    "loop: clock needs size, monotonic_us and wall_us");
		return NULL;
	}
	loop = evkv_calloc(1, sizeof(*loop));
	if (loop == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "loop: out of memory");
		return NULL;
	}
	loop_configure(loop, base, &options);
	evkv__peeks_init(loop);
	TAILQ_INIT(&loop->due);
	evkv__timers_init(loop);
	if (evkv__ready_init(loop) && evkv__post_init(loop)) {
		evkv_loop_refresh(loop);
		return loop;
	}
	evkv_error_set(error, EVKV_IO, "loop: no file descriptor is left: %s",
	    strerror(errno));
	evkv_free(loop);
	return NULL;
}

struct event_base *evkv_loop_base(const struct evkv_loop *loop)
{
	return loop->base;
}

static bool all_closed(const struct evkv_loop *loop)
{
	const struct evkv_store *store;

	for (store = loop->stores; store != NULL; store = store->next) {
		if (store->phase != STORE_CLOSED || store->pending > 0)
			return false;
	}
	return true;
}

/*
 * Teardown: end every store (which completes every op), run what that queues,
 * wait for those whose threads are still at work; then the stores themselves,
 * then what they stood on.
 */
void evkv_loop_free(struct evkv_loop *loop)
{
	struct evkv_store *store;

	if (loop == NULL)
		return;
	loop->freeing = true;
	evkv__loop_enter(loop);
	do {
		for (store = loop->stores; store != NULL; store = store->next)
			evkv__store_end(store);
		while (evkv__ready_run_all(loop))
			;
	} while (evkv__post_run(loop, all_closed(loop) ? 0 : 10) ||
	    loop->ready != NULL || loop->tasks != NULL || !all_closed(loop));
	while (loop->stores != NULL)
		evkv__store_free(loop->stores);
	attachments_release(loop);
	while (evkv__post_run(loop, 0) || evkv__ready_run_all(loop))
		;
	evkv__deadlines_end(loop);
	evkv__timers_end(loop);
	evkv__ready_end(loop);
	evkv__post_end(loop);
	evkv__op_slabs_free(loop);
	evkv__value_spares_free(&loop->spares);
	evkv_free(loop);
}
