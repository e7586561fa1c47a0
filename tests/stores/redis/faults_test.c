/*
 * tests/stores/redis/faults_test.c - real servers that refuse, hold or lose
 * what they are asked, and whether what was told of it is what they hold.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scene.h"

static void scene_begin(struct scene *s, const char *const *arguments)
{
	scene_begin_own(s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .arguments = arguments });
}

static char reply[4096];

/* RAW(); the answer is in `reply`. */
#define SAY(s_, ...) RAW(s_, reply, __VA_ARGS__)

static const struct evkv_slice c = { .data = "c", .size = 1 };
static const struct evkv_slice k = { .data = "k", .size = 1 };

EVKV_TEST(redis_faults, who_may_not_multi_keeps_the_connection)
{
	struct evkv_counters counters;
	struct scene s;

	scene_begin(&s, NULL);
	SAY(&s, "ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-multi");
	SAY(&s, "SET", "c:k", "v", "PX", "100000");
	s.options.user = "u";
	s.options.password = "p";
	scene_store(&s);
	DO(&s, evkv_ttl(s.store, c, k, answer_cb, &s.a));
	check_status(s.a.status, EVKV_REFUSED);
	check_int(s.a.cause, EVKV_CAUSE_AUTH);
	check_contains(s.a.message, "NOPERM");
	DO(&s, evkv_get(s.store, c, k, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	evkv_store_counters(s.store, &counters);
	check_int(counters.reconnects, 0);
	scene_end(&s);
}

/* Of two that are read together one may be read alone. */
EVKV_TEST(redis_faults, a_key_that_may_not_be_read_fails_others_once)
{
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct scene s;
	unsigned round;

	scene_begin(&s, NULL);
	SAY(&s, "ACL", "SETUSER", "u", "on", ">p", "~c:k", "+@all");
	SAY(&s, "SET", "c:k", "v");
	s.options.user = "u";
	s.options.password = "p";
	scene_store(&s);
	for (round = 0; round < 3; round++) {
		answer_reset(&first);
		answer_reset(&second);
		evkv_ttl(s.store, c, k, answer_cb, &first);
		evkv_ttl(s.store, c, EVKV_LIT("not for u"), answer_cb, &second);
		rig_wait(&s.rig, &second.calls);
		check_int(first.calls, 1);
		check_status(first.status,
		    round == 0 ? EVKV_UNAVAILABLE : EVKV_OK);
		check_status(second.status, EVKV_REFUSED);
		check_contains(second.message, "NOPERM");
	}
	answer_free(&first);
	answer_free(&second);
	scene_end(&s);
}

/* It is one value that is bounded, not all that a turn has asked for. */
EVKV_TEST(redis_faults, values_read_together_may_be_more_than_one_reply)
{
	enum { COUNT = 30, SIZE = 60000 };
	static struct answer answers[COUNT];
	static char value[SIZE];
	struct scene s;
	char name[8];
	unsigned i;

	memset(answers, 0, sizeof(answers));
	memset(value, 'v', sizeof(value));
	scene_begin(&s, NULL);
	s.options.max_reply_bytes = 2 * SIZE;
	scene_store(&s);
	for (i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		DO(&s,
		    evkv_put(s.store, c, evkv_str(name),
			evkv_bytes(value, sizeof(value)), 0, answer_cb, &s.a));
	}
	for (i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		evkv_ttl(s.store, c, evkv_str(name), answer_cb, &answers[i]);
	}
	rig_wait(&s.rig, &answers[COUNT - 1].calls);
	for (i = 0; i < COUNT; i++) {
		check_status(answers[i].status, EVKV_OK);
		check_int(answers[i].entries[0].bytes.size, SIZE);
		answer_free(&answers[i]);
	}
	SAY(&s, "INFO", "commandstats");
	check_contains(reply, "cmdstat_multi:calls=1,");
	scene_end(&s);
}

/* Redis takes nothing into a MULTI while it is full; who only reads goes on. */
EVKV_TEST(redis_faults, a_ttl_is_read_from_a_full_server)
{
	const struct evkv_slice keys[] = { EVKV_LIT("none"), k, EVKV_LIT("l") };
	struct scene s;

	scene_begin(&s, NULL);
	SAY(&s, "SET", "c:k", "v", "PX", "100000000");
	SAY(&s, "SET", "c:l", "w");
	SAY(&s, "CONFIG", "SET", "maxmemory", "1000");
	scene_store(&s);
	DO(&s, evkv_put(s.store, c, k, c, 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_NOSPACE);
	DO(&s, evkv_ttl(s.store, c, k, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_slice(s.a.entries[0].bytes, "v");
	check(s.a.entries[0].ttl_ms > 0);
	check(s.a.entries[0].ttl_ms <= 100000000);
	DO(&s, evkv_ttl_many(s.store, c, keys, 3, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_status(s.a.entries[0].status, EVKV_NOT_FOUND);
	check_slice(s.a.entries[1].bytes, "v");
	check(s.a.entries[1].ttl_ms > 0);
	check_slice(s.a.entries[2].bytes, "w");
	check_int(s.a.entries[2].ttl_ms, EVKV_TTL_NONE);
	/* Where it has room again, it is asked as ever. */
	SAY(&s, "CONFIG", "SET", "maxmemory", "0");
	DO(&s, evkv_put(s.store, c, k, c, 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	DO(&s, evkv_ttl(s.store, c, k, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_int(s.a.entries[0].ttl_ms, EVKV_TTL_NONE);
	SAY(&s, "INFO", "commandstats");
	check_contains(reply, "cmdstat_multi:calls=1,");
	scene_end(&s);
}

/* Have a script run for ever; its client's socket. */
static int hold_server(struct scene *s)
{
	static const char script[] = "EVAL 'while true do end' 0\r\n";
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)s->server->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	check(send(fd, script, sizeof(script) - 1, MSG_NOSIGNAL) ==
	    (ssize_t)(sizeof(script) - 1));
	do {
		SAY(s, "PING");
	} while (strncmp(reply, "-BUSY", 5) != 0);
	return fd;
}

static void note_busy(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	(void)cause;
	if (state == EVKV_STATE_DOWN && strstr(message, "BUSY") != NULL)
		*(bool *)arg = true;
}

EVKV_TEST(redis_faults, a_server_held_by_a_script_is_waited_for)
{
	bool down = false;
	struct scene s;
	int fd;

	scene_begin(&s,
	    (const char *const[]){ "--lua-time-limit", "10", NULL });
	fd = hold_server(&s);
	s.options.db = 3;
	scene_store(&s);
	evkv_store_set_state_cb(s.store, note_busy, &down);
	check(evkv_put(s.store, c, k, c, 0, answer_cb, &s.a) != 0);
	rig_wait(&s.rig, &down);
	SAY(&s, "SCRIPT", "KILL");
	rig_wait(&s.rig, &s.a.calls);
	check_status(s.a.status, EVKV_OK);
	evkv_store_set_state_cb(s.store, NULL, NULL);
	check(close(fd) == 0);
	scene_end(&s);
}

/* What listens turns away who connects, before connect() returns. */
static int listener = -1;

static void turn_away(void)
{
	static const char full[] = "-ERR max number of clients reached\r\n";
	int fd = accept(listener, NULL, NULL);

	check(send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL) ==
	    (ssize_t)(sizeof(full) - 1));
	check(close(fd) == 0);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
	static __typeof__(connect) *real;
	int result;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "connect");
	result = real(fd, address, size);
	if (listener >= 0 && result == 0)
		turn_away();
	return result;
}

EVKV_TEST(redis_faults, a_server_that_is_full_is_quoted)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct evkv_redis_options options = { .path = address.sun_path };
	char folder[] = "/tmp/evkv-full-XXXXXX";
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	check(mkdtemp(folder) != NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)) ==
	    0);
	check(listen(listener, 1) == 0);
	rig_open_real(&rig);
	store = evkv_redis_new(rig.loop, &options, NULL);
	check(store != NULL);
	check(evkv_store_wait_ready(store, -1, answer_cb, &a) != 0);
	rig_wait(&rig, &a.calls);
	check_status(a.status, EVKV_UNAVAILABLE);
	check_int(a.cause, EVKV_CAUSE_SERVER);
	check_contains(a.message, "max number of clients");
	evkv_store_unref(store);
	rig_close(&rig);
	answer_free(&a);
	check(close(listener) == 0);
	listener = -1;
	check(unlink(address.sun_path) == 0);
	check(rmdir(folder) == 0);
}
