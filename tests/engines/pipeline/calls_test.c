/*
 * tests/engines/pipeline/calls_test.c - the system calls of the loop's thread:
 * none that waits, and three per turn.
 *
 * The functions of the C library are replaced, here, by ones that count and
 * look whether the descriptor may block.
 */
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dns.h"
#include "scene.h"

static struct {
	bool on;
	unsigned waits, controls, reads, writes, connects;
	unsigned blocking; /* calls that could have waited */
	const char *which;
} calls;

static void blocking(const char *which)
{
	if (!calls.on)
		return;
	calls.blocking++;
	calls.which = which;
}

static void descriptor(int fd, const char *which)
{
	if (calls.on && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0)
		blocking(which);
}

/* Libraries must find these too. */
#pragma GCC visibility push(default)

/* The header's type of connect() is no ISO C. */
int calls_connect(int fd, const struct sockaddr *address,
    socklen_t size) __asm__("connect");

int getaddrinfo(const char *restrict node, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)result;
	blocking("getaddrinfo");
	return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name)
{
	(void)name;
	blocking("gethostbyname");
	return NULL;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (timeout != 0)
		blocking("poll");
	return (int)syscall(SYS_poll, fds, count, timeout);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	blocking("nanosleep");
	return (int)syscall(SYS_nanosleep, time, left);
}

int calls_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	calls.connects += calls.on;
	descriptor(fd, "connect");
	return (int)syscall(SYS_connect, fd, address, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	calls.reads += calls.on;
	descriptor(fd, "recv");
	return syscall(SYS_recvfrom, fd, data, size, flags, NULL, NULL);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	calls.writes += calls.on;
	descriptor(fd, "send");
	return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	calls.writes += calls.on;
	descriptor(fd, "sendmsg");
	return syscall(SYS_sendmsg, fd, message, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	calls.waits += calls.on;
	return (int)syscall(SYS_epoll_pwait, fd, events, count, timeout, NULL,
	    8);
}

int epoll_ctl(int fd, int what, int other, struct epoll_event *event)
{
	calls.controls += calls.on;
	return (int)syscall(SYS_epoll_ctl, fd, what, other, event);
}

#pragma GCC visibility pop

/* ---- Nothing waits ----------------------------------------------------- */

/* By name, with TLS, with a handshake, lost and made again, closed. */
EVKV_TEST(pipeline_calls, none_of_them_blocks)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.2" },
		{ "server.example", "127.0.0.1" },
		{ NULL, NULL },
	};
	struct dns_server names = { .records = records };
	struct dns dns;
	struct scene s;
	unsigned i;

	memset(&calls, 0, sizeof(calls));
	scene_begin(&s);
	dns_begin(&dns, &names, s.rig.base, s.rig.loop);
	s.options.password = "p";
	s.options.pipeline.host = "server.example";
	calls.on = true;
	scene_store(&s);
	for (i = 0; i < 10; i++)
		line_put(s.store, i, 200000, &s.answers[i]);
	scene_wait(&s, 10);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	rig_advance(&s.rig, 60);
	scene_ready(&s);
	line_get(s.store, 10, &s.answers[10]);
	scene_wait(&s, 11);
	calls.on = false;
	check_str(calls.which, NULL);
	check_int(calls.blocking, 0);
	check_between(calls.connects, 3, 12);
	dns_close(&dns);
	scene_close(&s);
}

/* ---- Three in a turn --------------------------------------------------- */

struct chain {
	struct evkv_store *store;
	unsigned left;
	unsigned calls;
};

static void again(const struct evkv_result *result, void *arg)
{
	struct chain *chain = arg;

	if (chain->left == 0)
		return;
	check_status(result->status, EVKV_OK);
	chain->calls++;
	if (chain->left-- > 1)
		evkv_get(chain->store, EVKV_LIT("c"), EVKV_LIT("k1"), again,
		    chain);
}

/* A server on a loop of its own, whose calls are not counted. */
struct outside {
	struct line_server server;
	struct event_base *base;
	struct peer *peer;
	struct rig rig; /* the store's, on the system's clock */
	struct evkv_store *store;
};

static void outside_open(struct outside *o)
{
	struct line_options options = { .password = NULL };

	memset(o, 0, sizeof(*o));
	o->base = event_base_new();
	check(o->base != NULL);
	rig_open_real(&o->rig);
	o->peer = peer_open(o->base,
	    &(struct peer_options){
		.respond = line_respond, .arg = &o->server });
	options.pipeline.host = "127.0.0.1";
	options.pipeline.port = o->peer->port;
	o->store = line_new(o->rig.loop, &options, NULL, NULL);
	check(o->store != NULL);
}

static void outside_close(struct outside *o)
{
	evkv_store_unref(o->store);
	peer_close(o->peer);
	rig_close(&o->rig);
	event_base_free(o->base);
}

/* Let the server do what it can. */
static void outside_serve(struct outside *o)
{
	check(event_base_loop(o->base, EVLOOP_NONBLOCK) >= 0);
}

static void count_turns(unsigned outstanding)
{
	struct chain chain = { .left = 1000000 };
	struct outside o;
	unsigned i;

	outside_open(&o);
	chain.store = o.store;
	for (i = 0; i < outstanding; i++)
		evkv_get(chain.store, EVKV_LIT("c"), EVKV_LIT("k1"), again,
		    &chain);
	memset(&calls, 0, sizeof(calls));
	for (i = 0; i < 120; i++) {
		outside_serve(&o);
		calls.on = i >= 20;
		check(event_base_loop(o.rig.base, EVLOOP_ONCE) >= 0);
		calls.on = false;
	}
	check_between(chain.calls, 90 * outstanding, 121 * outstanding);
	check_int(calls.blocking, 0);
	/* libevent waits again where only a passive timer of ours rang. */
	check_between(calls.waits, 100, 103);
	check_between(calls.reads, 90, 100);
	check_between(calls.writes, 90, 100);
	check_int(calls.controls, 0);
	chain.left = 0;
	outside_close(&o);
}

EVKV_TEST(pipeline_calls, three_in_a_turn_of_one)
{
	count_turns(1);
}

EVKV_TEST(pipeline_calls, three_in_a_turn_of_many)
{
	count_turns(100);
}

/* ---- A loop that was away ---------------------------------------------- */

#define AWAY_OPS 3000
#define AWAY_MS 500

static int64_t now_ms(void)
{
	struct timespec now;

	check(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct race {
	unsigned ended, won;
};

static void on_end(const struct evkv_result *result, void *arg)
{
	struct race *race = arg;

	race->ended++;
	race->won += result->status == EVKV_OK;
}

/*
 * The server has answered in time, but a callback has kept the loop until after
 * the deadline. What can be read counts, all of it.
 */
EVKV_TEST(pipeline_calls, answers_that_are_there_beat_the_deadline)
{
	struct race race = { 0 };
	struct outside o;
	int64_t end;
	unsigned i;

	outside_open(&o);
	evkv_get(o.store, EVKV_LIT("c"), EVKV_LIT("k1"), on_end, &race);
	for (i = 0; i < 1000 && race.ended == 0; i++) {
		rig_turn(&o.rig);
		outside_serve(&o);
	}
	check_int(race.won, 1);
	evkv_store_set_timeout(o.store, AWAY_MS);
	for (i = 0; i < AWAY_OPS; i++)
		evkv_get(o.store, EVKV_LIT("c"), EVKV_LIT("k1"), on_end, &race);
	rig_turn(&o.rig);
	for (i = 0; i < 1000 && o.server.gets < AWAY_OPS + 1; i++)
		outside_serve(&o);
	check_int(o.server.gets, AWAY_OPS + 1);
	for (end = now_ms() + AWAY_MS + 20; now_ms() < end;)
		;
	rig_until(&o.rig, race.ended == AWAY_OPS + 1);
	check_int(race.won, AWAY_OPS + 1);
	outside_close(&o);
}

/* ---- A busy loop ------------------------------------------------------- */

/* More callbacks in each turn than a turn takes: sending is not starved. */
EVKV_TEST(pipeline_calls, a_busy_loop_sends_all_the_same)
{
	struct chain chain = { .left = 3000000 };
	struct scene s;
	unsigned i;

	scene_open_ready(&s);
	chain.store = evkv_memory_new(s.rig.loop, NULL, NULL);
	check(chain.store != NULL);
	evkv_put(chain.store, EVKV_LIT("c"), EVKV_LIT("k1"), EVKV_LIT("v"), 0,
	    NULL, NULL);
	for (i = 0; i < 1000; i++)
		evkv_get(chain.store, EVKV_LIT("c"), EVKV_LIT("k1"), again,
		    &chain);
	line_get(s.store, 1, &s.answers[0]);
	for (i = 0; i < 1000 && s.answers[0].calls == 0; i++)
		rig_turn_waiting(&s.rig);
	check_int(s.answers[0].calls, 1);
	check(chain.left > 0);
	chain.left = 0;
	evkv_store_unref(chain.store);
	scene_close(&s);
}

/* ---- Large pieces ------------------------------------------------------ */

/* Of a long burst more is read in one call than the 4 KiB of a short reply. */
EVKV_TEST(pipeline_calls, a_long_reply_takes_few_reads)
{
	size_t size = 3 << 20;
	char *reply = malloc(size + 2);
	struct scene s;

	check(reply != NULL);
	memset(reply, 'v', size + 1);
	reply[size + 1] = '\n';
	scene_open_ready(&s);
	s.peer->plan.silent = true;
	line_get(s.store, 0, &s.answers[0]);
	rig_until(&s.rig, s.server.gets == 1);
	s.peer->plan.silent = false;
	memset(&calls, 0, sizeof(calls));
	calls.on = true;
	peer_say(s.peer->newest, reply, size + 2);
	scene_wait(&s, 1);
	calls.on = false;
	check_int(s.answers[0].entries[0].bytes.size, size);
	check_between(calls.reads, 1, size / 4096 / 2);
	free(reply);
	scene_close(&s);
}
