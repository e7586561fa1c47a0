/*
 * server_cache.c - the usual chain on a server, which it outlives.
 *
 *     server_cache [url [seconds]]
 *
 *     prefix_keys -> passthrough_cache -> redis, memcached, ...
 *                          |
 *                        memory
 *
 * The URL alone says which server, or servers: redis://localhost:6379,
 * memcached://cache1,cache2. Without arguments: redis://localhost, or what else
 * there is a driver for, until it is interrupted. Ten times a
 * second it writes one entry, reads it, and reads another one that stays in the
 * cache. Stop the server, kill it, start it again: what changes is printed as
 * it happens, and once a second what the operations came to. At the end every
 * operation must have called back once; the exit status says so.
 *
 *     $ server_cache simple: 1
 *     ...
 *     28 operations, 28 callbacks
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/evkv.h"

#ifdef SERVER_CACHE_HAS_MEMCACHED
#include "evkv/stores/memcached.h"
#define DEFAULT_URL "memcached://localhost"
#endif
#ifdef SERVER_CACHE_HAS_REDIS
#include "evkv/stores/redis.h"
#undef DEFAULT_URL
#define DEFAULT_URL "redis://localhost"
#endif
#ifndef DEFAULT_URL
#define DEFAULT_URL "simple:"
#endif

#define TICK_MS 100
#define TTL_MS 60000

struct service {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct event *tick, *interrupt;
	unsigned ticks, last_tick; /* last_tick 0 = go on */
	unsigned long asked, called;
	/* Since the line before. */
	unsigned writes, reads, hot, failed;
	bool down; /* the last write has failed */
	int64_t down_since_ms;
};

static void service_say(struct service *service, const char *what,
    const char *why)
{
	printf("%6" PRId64 " ms  %s%s%s\n", evkv_loop_now_ms(service->loop),
	    what, why[0] != '\0' ? ": " : "", why);
	fflush(stdout);
}

/* ---- What comes back ------------------------------------------------- */

static void service_on_put(const struct evkv_result *result, void *arg)
{
	struct service *service = arg;
	int64_t now_ms = evkv_loop_now_ms(service->loop);
	char line[320];

	service->called++;
	if (!evkv_failed(result->status)) {
		service->writes++;
		if (!service->down)
			return;
		service->down = false;
		snprintf(line, sizeof(line), "after %" PRId64 " ms",
		    now_ms - service->down_since_ms);
		service_say(service, "writes work again", line);
		return;
	}
	service->failed++;
	if (service->down)
		return;
	service->down = true;
	service->down_since_ms = now_ms;
	snprintf(line, sizeof(line), "%s, %s: %s",
	    evkv_status_name(result->status), evkv_cause_name(result->cause),
	    result->message);
	service_say(service, "a write failed", line);
}

static void service_on_get(const struct evkv_result *result, void *arg)
{
	struct service *service = arg;

	service->called++;
	if (evkv_failed(result->status))
		service->failed++;
	else
		service->reads++;
}

static void service_on_hot(const struct evkv_result *result, void *arg)
{
	struct service *service = arg;

	service->called++;
	if (result->status == EVKV_OK)
		service->hot++;
}

static void service_on_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	(void)cause;
	service_say(arg, evkv_state_name(state), message);
}

/* ---- The work -------------------------------------------------------- */

static void service_on_closed(const struct evkv_result *result, void *arg)
{
	struct service *service = arg;

	(void)result;
	event_base_loopbreak(service->base);
}

/* Whatever is still under way gets its callback before this one. */
static void service_end(struct service *service)
{
	evtimer_del(service->tick);
	evkv_store_close(service->store, 1000, service_on_closed, service);
}

static void service_line(struct service *service)
{
	char line[128];

	snprintf(line, sizeof(line),
	    "%u written, %u read, %u hot reads, %u failed", service->writes,
	    service->reads, service->hot, service->failed);
	service_say(service, "last second", line);
	service->writes = service->reads = service->hot = service->failed = 0;
}

static void service_tick(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;
	struct evkv_slice collection = EVKV_LIT("users");
	struct evkv_slice key;
	char name[32];

	(void)fd;
	(void)what;
	service->ticks++;
	if (service->ticks == service->last_tick) {
		service_end(service);
		return;
	}
	snprintf(name, sizeof(name), "%u", service->ticks % 50);
	key = evkv_str(name);
	service->asked += 3;
	evkv_put(service->store, collection, key, EVKV_LIT("a session"), TTL_MS,
	    service_on_put, service);
	evkv_get(service->store, collection, key, service_on_get, service);
	evkv_get(service->store, collection, EVKV_LIT("hot"), service_on_hot,
	    service);
	if (service->ticks % (1000 / TICK_MS) == 0)
		service_line(service);
}

static void service_interrupt(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	service_end(arg);
}

/* ---- The chain ------------------------------------------------------- */

/* What evkv_open() is to know beside the stores of the core. */
static bool service_register(struct evkv_loop *loop)
{
	bool registered = true;

	(void)loop;
#ifdef SERVER_CACHE_HAS_REDIS
	registered = registered && evkv_redis_register(loop);
#endif
#ifdef SERVER_CACHE_HAS_MEMCACHED
	registered = registered && evkv_memcached_register(loop);
#endif
	return registered;
}

static bool service_open(struct service *service, const char *url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;

	if (!service_register(service->loop)) {
		fprintf(stderr, "out of memory\n");
		return false;
	}
	store = evkv_open(service->loop, url, &error);
	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(service->loop, NULL, &error), NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("example:"), &error);
	if (store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return false;
	}
	evkv_store_set_timeout(store, 2000);
	evkv_store_set_state_cb(store, service_on_state, service);
	service->store = store;
	return true;
}

int main(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : DEFAULT_URL;
	const struct timeval tick = { 0, TICK_MS * 1000 };
	struct service service;
	int status = 1;

	memset(&service, 0, sizeof(service));
	if (argc > 2)
		service.last_tick = (unsigned)strtoul(argv[2], NULL, 10) *
		    (1000 / TICK_MS);
	service.base = event_base_new();
	service.loop = service.base != NULL ? evkv_loop_new(service.base)
					    : NULL;
	if (service.loop == NULL || !service_open(&service, url))
		goto out;
	service.tick = event_new(service.base, -1, EV_PERSIST, service_tick,
	    &service);
	service.interrupt = evsignal_new(service.base, SIGINT,
	    service_interrupt, &service);
	if (service.tick == NULL || service.interrupt == NULL)
		goto out;
	event_add(service.tick, &tick);
	event_add(service.interrupt, NULL);
	service.asked++;
	evkv_put(service.store, EVKV_LIT("users"), EVKV_LIT("hot"),
	    EVKV_LIT("read often"), TTL_MS, service_on_put, &service);
	event_base_dispatch(service.base);
	printf("%lu operations, %lu callbacks\n", service.asked,
	    service.called);
	status = service.asked == service.called ? 0 : 1;
out:
	evkv_store_unref(service.store);
	evkv_loop_free(service.loop);
	if (service.tick != NULL)
		event_free(service.tick);
	if (service.interrupt != NULL)
		event_free(service.interrupt);
	if (service.base != NULL)
		event_base_free(service.base);
	return status;
}
