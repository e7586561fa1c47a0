/*
 * tests/stores/redis/credentials_test.c - passwords that change while the store
 * lives; and a server that ends connections for the size of their replies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/evkv.h"
#include "lib/files.h"
#include "scene.h"

static void begin(struct scene *s, const char *password)
{
	scene_begin_own(s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .password = password });
}

/* The server's password is another one from now on, and nobody is logged in. */
static void change(struct scene *s, const char *password)
{
	char reply[256];

	RAW(s, reply, "CONFIG", "SET", "requirepass", password);
	check_str(reply, "+OK\r\n");
	s->server->password = password;
	RAW(s, reply, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
}

static void check_works(struct scene *s)
{
	unsigned tries;

	for (tries = 0; tries < 100; tries++) {
		DO(s,
		    evkv_get(s->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
			&s->a));
		if (s->a.status == EVKV_NOT_FOUND)
			return;
		rig_advance(&s->rig, 10);
	}
	fail_test("%s", s->a.message);
}

static void until_refused(struct scene *s)
{
	unsigned tries;

	for (tries = 0; tries < 100; tries++) {
		DO(s,
		    evkv_get(s->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
			&s->a));
		if (s->a.status == EVKV_REFUSED)
			return;
		rig_advance(&s->rig, 10);
	}
	fail_test("it was not refused");
}

EVKV_TEST(redis_credentials, set_anew)
{
	struct evkv_store *store;
	struct scene s;

	begin(&s, "first");
	s.options.backoff_max_ms = 60000;
	s.options.backoff_min_ms = 1;
	scene_store(&s);
	check_works(&s);
	change(&s, "second");
	until_refused(&s);
	/* At once, though the pause is a minute. */
	check_status(evkv_redis_set_credentials(s.store, NULL, "second"),
	    EVKV_OK);
	check_works(&s);
	/* Before the server knows it; the connection that is there stays. */
	check_status(evkv_redis_set_credentials(s.store, "", "third"), EVKV_OK);
	check_works(&s);
	change(&s, "third");
	check_works(&s);
	/* Through wrappers; and what can't be. */
	check_status(evkv_redis_set_credentials(s.store, "bob", NULL),
	    EVKV_INVALID);
	check_status(evkv_redis_set_credentials(NULL, NULL, "x"), EVKV_INVALID);
	store = evkv_memory_new(s.rig.loop, NULL, NULL);
	check_status(evkv_redis_set_credentials(store, NULL, "x"),
	    EVKV_INVALID);
	s.store = evkv_passthrough_cache_new(s.store, store, NULL, NULL);
	check_status(evkv_redis_set_credentials(s.store, NULL, "third"),
	    EVKV_OK);
	check_works(&s);
	scene_end(&s);
}

/* Another user, who was made for it; then one who may not come in. */
EVKV_TEST(redis_credentials, of_another_user)
{
	char reply[256];
	struct scene s;

	begin(&s, "first");
	scene_store(&s);
	check_works(&s);
	RAW(&s, reply, "ACL", "SETUSER", "bob", "on", ">b1", "~*", "+@all");
	check_str(reply, "+OK\r\n");
	check_status(evkv_redis_set_credentials(s.store, "bob", "b1"), EVKV_OK);
	change(&s, "second");
	check_works(&s);
	RAW(&s, reply, "CLIENT", "LIST", "TYPE", "normal");
	check_contains(reply, "user=bob");
	RAW(&s, reply, "ACL", "SETUSER", "bob", "resetpass", ">b2");
	RAW(&s, reply, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
	until_refused(&s);
	check_contains(s.a.message, "AUTH: WRONGPASS");
	check_status(evkv_redis_set_credentials(s.store, "bob", "b2"), EVKV_OK);
	check_works(&s);
	/* The default user, again. */
	check_status(evkv_redis_set_credentials(s.store, NULL, "second"),
	    EVKV_OK);
	RAW(&s, reply, "ACL", "DELUSER", "bob");
	check_works(&s);
	scene_end(&s);
}

static const char *next_password;
static unsigned asked;

static void on_credentials(struct evkv_store *store, void *arg)
{
	check(arg == &asked);
	asked++;
	check_status(evkv_redis_set_credentials(store, NULL, next_password),
	    EVKV_OK);
}

EVKV_TEST(redis_credentials, asked_for_before_each_login)
{
	struct scene s;

	begin(&s, "first");
	s.options.password = NULL;
	s.options.credentials = on_credentials;
	s.options.credentials_arg = &asked;
	next_password = "first";
	asked = 0;
	scene_store(&s);
	check_works(&s);
	check_int(asked, 1);
	next_password = "second";
	change(&s, "second");
	check_works(&s);
	check(asked > 1);
	scene_end(&s);
}

EVKV_TEST(redis_credentials, from_a_file)
{
	char folder[] = "/tmp/evkv-password-XXXXXX", url[300], path[64];
	struct evkv_error error = EVKV_ERROR_INIT;
	struct scene s;

	check(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/password", folder);
	files_write(folder, "password", "first\nnot this\n");
	begin(&s, "first");
	check(evkv_redis_register(s.rig.loop));
	snprintf(url, sizeof(url),
	    "redis://127.0.0.1:%d?password_file=%s&backoff_max_ms=100ms",
	    s.server->port, path);
	s.store = evkv_open(s.rig.loop, url, &error);
	check_str(error.message, "");
	check_works(&s);
	change(&s, "second");
	until_refused(&s);
	files_write(folder, "password", "second");
	check_works(&s);
	/* A file that is gone: the last one is sent. */
	check(unlink(path) == 0);
	change(&s, "second");
	check_works(&s);
	scene_close_store(&s);
	snprintf(url, sizeof(url), "redis://:x@127.0.0.1?password_file=%s",
	    path);
	check(evkv_open(s.rig.loop, url, &error) == NULL);
	check_contains(error.message, "password_file");
	scene_end(&s);
	check(rmdir(folder) == 0);
}

/* ---- The output limit -------------------------------------------------- */

#define LARGE_COUNT 40
#define LARGE_SIZE 100000

EVKV_TEST(redis_credentials, a_batch_that_the_server_will_not_send)
{
	struct answer around[2] = { ANSWER_INIT, ANSWER_INIT };
	struct evkv_slice keys[LARGE_COUNT];
	char names[LARGE_COUNT][8], reply[256];
	char *value = calloc(1, LARGE_SIZE);
	struct scene s;
	unsigned i;

	check(value != NULL);
	begin(&s, NULL);
	scene_store(&s);
	for (i = 0; i < LARGE_COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		keys[i] = evkv_str(names[i]);
		DO(&s,
		    evkv_put(s.store, EVKV_LIT("c"), keys[i],
			evkv_bytes(value, LARGE_SIZE), 0, answer_cb, &s.a));
		check_status(s.a.status, EVKV_OK);
	}
	RAW(&s, reply, "CONFIG", "SET", "client-output-buffer-limit",
	    "normal 1000000 0 0");
	check_str(reply, "+OK\r\n");
	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("x"), answer_cb, &around[0]);
	answer_reset(&s.a);
	s.a.calls = 0;
	evkv_get_many(s.store, EVKV_LIT("c"), keys, LARGE_COUNT, answer_cb,
	    &s.a);
	evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("x"), answer_cb, &around[1]);
	rig_wait(&s.rig, &s.a.calls);
	rig_wait(&s.rig, &around[0].calls);
	rig_wait(&s.rig, &around[1].calls);
	check_status(s.a.status, EVKV_UNAVAILABLE);
	check_int(s.a.cause, EVKV_CAUSE_RESET);
	check_contains(s.a.message, "client-output-buffer-limit");
	check_contains(s.a.message, "40 keys");
	for (i = 0; i < 2; i++) {
		check(strstr(around[i].message, "output-buffer") == NULL);
		answer_free(&around[i]);
	}
	scene_end(&s);
	free(value);
}
