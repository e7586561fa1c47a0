/*
 * tests/redis/faults_test.c - real servers that refuse, hold or lose what they
 * are asked, and whether what was told of it is what they hold.
 */
#include <string.h>

#include "evkv/stores/redis.h"
#include "lib/rig.h"
#include "lib/server_shared.h"
#include "lib/test.h"

struct scene {
	struct rig rig;
	struct server server;
	struct evkv_redis_options options;
	struct evkv_store *store;
	struct answer a;
	char reply[4096];
};

static void scene_begin(struct scene *s, const char *const *arguments)
{
	const struct server_options options = { .kind = SERVER_REDIS,
		.arguments = arguments };

	memset(s, 0, sizeof(*s));
	server_require(options.kind);
	if (!server_start(&s->server, &options))
		fail_test("%s", s->server.problem);
	rig_open_real(&s->rig);
	s->options.port = s->server.port;
	s->options.backoff_max_ms = 100;
}

static void scene_store(struct scene *s)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	s->store = evkv_redis_new(s->rig.loop, &s->options, &error);
	check_str(error.message, "");
}

static void scene_end(struct scene *s)
{
	evkv_store_unref(s->store);
	rig_close(&s->rig);
	answer_free(&s->a);
	server_stop(&s->server);
}

/* Submit, wait, and look at s->a. */
#define DO(s_, call_)                                                          \
	do {                                                                   \
		answer_reset(&(s_)->a);                                        \
		(s_)->a.calls = 0;                                             \
		check((call_) != 0);                                           \
		rig_wait(&(s_)->rig, &(s_)->a.calls);                          \
	} while (0)

/* A command of somebody else's; its answer is in s->reply. */
#define RAW(s_, ...)                                                           \
	check(server_command(&(s_)->server,                                    \
	    (const char *const[]){ __VA_ARGS__, NULL }, (s_)->reply,           \
	    sizeof((s_)->reply)))

static const struct evkv_slice c = { .data = "c", .size = 1 };
static const struct evkv_slice k = { .data = "k", .size = 1 };

EVKV_TEST(redis_faults, who_may_not_multi_keeps_the_connection)
{
	struct evkv_counters counters;
	struct scene s;

	scene_begin(&s, NULL);
	RAW(&s, "ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-multi");
	RAW(&s, "SET", "c:k", "v", "PX", "100000");
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
