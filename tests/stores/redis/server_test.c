/*
 * tests/stores/redis/server_test.c - what is the redis driver's own, against
 * real servers: addresses, certificates, passwords, refusals, what is ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

SERVER_SHARED(SERVER_REDIS)

static void scene_begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->server = server_shared(SERVER_REDIS);
	rig_open_real(&s->rig);
	s->options.port = s->server->port;
	s->options.password = SERVER_SHARED_PASSWORD;
	s->options.db = server_shared_db(s->server);
}

#define DO_PUT(s_, collection_, key_, value_)                                  \
	DO(s_,                                                                 \
	    evkv_put((s_)->store, EVKV_LIT(collection_), EVKV_LIT(key_),       \
		EVKV_LIT(value_), 0, answer_cb, &(s_)->a))
#define DO_GET(s_, collection_, key_)                                          \
	DO(s_,                                                                 \
	    evkv_get((s_)->store, EVKV_LIT(collection_), EVKV_LIT(key_),       \
		answer_cb, &(s_)->a))
#define DO_READY(s_)                                                           \
	DO(s_, evkv_store_wait_ready((s_)->store, -1, answer_cb, &(s_)->a))

/* ---- What is on the server ------------------------------------------- */

EVKV_TEST(redis_server, entries_are_where_others_look_for_them)
{
	char reply[256];
	struct scene s;

	scene_begin(&s);
	s.options.db = 0;
	s.options.client_name = "evkv-test";
	scene_store(&s);
	DO_PUT(&s, "users", "123", "Ada");
	check_status(s.a.status, EVKV_OK);
	RAW(&s, reply, "GET", "users:123");
	check_str(reply, "$3\r\nAda\r\n");
	DO_PUT(&s, "a:b%", "c:d%", "x");
	RAW(&s, reply, "GET", "a%3Ab%25:c:d%");
	check_str(reply, "$1\r\nx\r\n");
	DO_PUT(&s, "", "k", "y");
	RAW(&s, reply, "GET", ":k");
	check_str(reply, "$1\r\ny\r\n");
	RAW(&s, reply, "CLIENT", "LIST", "TYPE", "normal");
	check_contains(reply, "name=evkv-test");
	RAW(&s, reply, "DEL", "users:123", "a%3Ab%25:c:d%", ":k");
	scene_end(&s);
}

EVKV_TEST(redis_server, a_database_of_its_own)
{
	char reply[256];
	struct scene s;
	int db;

	scene_begin_own(&s, &(struct server_options){ .kind = SERVER_REDIS });
	for (db = 0; db < 3; db++) {
		s.options.db = db;
		scene_store(&s);
		DO_PUT(&s, "c", "k", "v");
		check_status(s.a.status, EVKV_OK);
		RAW(&s, reply, "INFO", "keyspace");
		check_contains(reply,
		    db == 0       ? "db0:keys=1"
			: db == 1 ? "db1:keys=1"
				  : "db2:keys=1");
		scene_close_store(&s);
	}
	scene_end(&s);
}

EVKV_TEST(redis_server, only_ours_is_seen_and_removed)
{
	struct evkv_slice none = EVKV_LIT("");
	char reply[256];
	struct scene s;

	scene_begin_own(&s, &(struct server_options){ .kind = SERVER_REDIS });
	RAW(&s, reply, "SET", "other:1", "theirs");
	RAW(&s, reply, "SET", "p*:no-colon%zz", "theirs");
	RAW(&s, reply, "SET", "p*nothing", "theirs");
	RAW(&s, reply, "SET", "pX:1", "theirs");
	RAW(&s, reply, "LPUSH", "p*c:list", "theirs");
	s.options.key_prefix = "p*";
	scene_store(&s);
	DO_PUT(&s, "c", "1", "ours");
	DO_PUT(&s, "c", "2", "ours");
	DO_PUT(&s, "c2", "3", "ours");
	DO(&s,
	    evkv_keys(s.store, EVKV_LIT("c"), none, none, 0, answer_cb, &s.a));
	check_int(s.a.count, 2);
	DO(&s, evkv_collections(s.store, none, none, 0, answer_cb, &s.a));
	check_int(s.a.count, 3); /* theirs, ":no-colon%zz", looks like ours */
	DO_GET(&s, "c", "list");
	check_status(s.a.status, EVKV_NOT_FOUND);
	DO(&s, evkv_clear(s.store, EVKV_LIT("c"), none, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_int(s.a.affected, 2);
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_int(s.a.affected, 2);
	RAW(&s, reply, "EXISTS", "other:1", "p*nothing", "pX:1", "p*c:list");
	check_str(reply, ":4\r\n");
	scene_end(&s);
}

EVKV_TEST(redis_server, clear_all_needs_a_prefix_or_leave)
{
	struct scene s;

	scene_begin(&s);
	scene_store(&s);
	DO_PUT(&s, "c", "1", "v");
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_INVALID);
	check_contains(s.a.message, "allow_unprefixed_clear_all");
	DO_GET(&s, "c", "1");
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(redis_server, a_large_value_comes_back_whole)
{
	size_t size = (size_t)16 << 20;
	struct evkv_slice key = EVKV_LIT("large");
	unsigned char *bytes = malloc(size);
	struct scene s;

	check(bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	scene_begin(&s);
	scene_store(&s);
	DO(&s,
	    evkv_put(s.store, EVKV_LIT("c"), key, evkv_bytes(bytes, size), 0,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	DO(&s, evkv_get(s.store, EVKV_LIT("c"), key, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check(evkv_slice_equal(s.a.entries[0].bytes, evkv_bytes(bytes, size)));
	DO_PUT(&s, "c", "small", "after it");
	DO_GET(&s, "c", "small");
	check_slice(s.a.entries[0].bytes, "after it");
	scene_end(&s);
	free(bytes);
}

/* ---- Addresses ------------------------------------------------------- */

static const struct {
	const char *url;
	const char *part; /* of the message */
} bad_urls[] = {
	{ "redis://localhost/x", "number of a database" },
	{ "redis://localhost/-1", "number of a database" },
	/* With a slash too few; the password is not shown. */
	{ "redis:/bob:hunter2@localhost/1", "number of a database" },
	{ "redis://localhost/1?db=2", "given twice" },
	{ "redis://localhost:70000", "port" },
	{ "redis://bob@localhost", "a user needs a password" },
	{ "redis://localhost?connections=65", "connections" },
	{ "redis://localhost?connections=many", "connections" },
	{ "redis://localhost?no_such_thing=1", "no_such_thing" },
	{ "redis://localhost?tls_ca_file=/x", "need TLS" },
	{ "rediss://localhost?tls_ca_file=/no/such/file", "/no/such/file" },
	{ "rediss://localhost?tls_cert_file=/x", "go together" },
	{ "redis://localhost?client_name=a%20b", "client_name" },
	{ "redis://localhost?backoff_min_ms=9s&backoff_max_ms=1s",
	    "backoff_min_ms" },
	{ "redis://localhost?stall_timeout_ms=-1", "stall_timeout_ms" },
	{ "redis+unix://host/path", "redis+unix:///path/to/socket" },
	{ "valkey+unix:", "/path/to/socket" },
	{ "redi://localhost", "redi" },
};

#define PATH_16_ "/abcdefghijklmno"
#define PATH_108_                                                              \
	PATH_16_ PATH_16_ PATH_16_ PATH_16_ PATH_16_ PATH_16_ "/abcdefghijk"

EVKV_TEST(redis_server, bad_options_are_named)
{
	static const struct {
		const char *part;
		struct evkv_redis_options options;
	} rows[] = {
		{ "port must be 0 to 65535", { .port = 65536 } },
		{ "path must have at most 107 bytes", { .path = PATH_108_ } },
		{ "redis: connect_timeout_ms", { .connect_timeout_ms = -1 } },
		{ "redis: stall_timeout_ms", { .stall_timeout_ms = -1 } },
		{ "redis: backoff_min_ms", { .backoff_min_ms = -1 } },
		{ "redis: backoff_max_ms", { .backoff_max_ms = -1 } },
		{ "redis: timeout_ms", { .timeout_ms = -1 } },
		{ "redis: max_offline_ms", { .max_offline_ms = -1 } },
		{ "max_offline_ms is 9223372036854775807; it must be 0 to",
		    { .max_offline_ms = INT64_MAX } },
	};
	struct rig rig;

	rig_open(&rig);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		check(evkv_redis_new(rig.loop, &rows[i].options, &error) ==
		    NULL);
		check_status(error.status, EVKV_INVALID);
		check_contains(error.message, rows[i].part);
	}
	rig_close(&rig);
}

EVKV_TEST(redis_server, a_tls_file_that_is_missing_is_named)
{
	const struct evkv_redis_options options = { .tls = true,
		.tls_ca_file = "/no/such/file" };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_redis_new(rig.loop, &options, &error) == NULL);
	check_status(error.status, EVKV_IO);
	check_contains(error.message, "redis: TLS: ca_file /no/such/file");
	rig_close(&rig);
}

EVKV_TEST(redis_server, bad_urls_say_what_is_wrong)
{
	struct evkv_error none = EVKV_ERROR_INIT;
	struct rig rig;

	check(evkv_redis_new(NULL, NULL, &none) == NULL);
	check_status(none.status, EVKV_INVALID);
	check_contains(none.message, "redis: loop is NULL");
	rig_open(&rig);
	check(!evkv_redis_register(NULL));
	check(evkv_redis_register(rig.loop));
	for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		check(evkv_open(rig.loop, bad_urls[i].url, &error) == NULL);
		check_contains(error.message, bad_urls[i].part);
		check_int(strchr(error.message, '\n') == NULL, 1);
		check(strstr(error.message, "hunter2") == NULL);
	}
	rig_close(&rig);
}

EVKV_TEST(redis_server, urls_of_every_scheme_work)
{
	static const char secret[] = "a%20secret%2Fof%3Athe%40tests";
	char urls[5][600];
	struct scene s;

	scene_begin(&s);
	check(evkv_redis_register(s.rig.loop));
	snprintf(urls[0], sizeof(urls[0]), "redis://:%s@localhost:%d/%d",
	    secret, s.server->port, s.options.db);
	snprintf(urls[1], sizeof(urls[1]),
	    "valkey://default:%s@127.0.0.1:"
	    "%d/%d?timeout_ms=5s&connections=2&flush_bytes=4k",
	    secret, s.server->port, s.options.db);
	snprintf(urls[2], sizeof(urls[2]),
	    "rediss://:%s@localhost:%d/%d"
	    "?tls_ca_file=%s",
	    secret, s.server->tls_port, s.options.db, s.server->ca_file);
	snprintf(urls[3], sizeof(urls[3]),
	    "valkeys://:%s@127.0.0.1:%d/%d"
	    "?tls_insecure_no_verify=1",
	    secret, s.server->tls_port, s.options.db);
	snprintf(urls[4], sizeof(urls[4]), "redis+unix://:%s@%s?db=%d", secret,
	    s.server->socket_path, s.options.db);
	for (int i = 0; i < 5; i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		s.store = evkv_open(s.rig.loop, urls[i], &error);
		check_str(error.message, "");
		if (i == 0)
			DO_PUT(&s, "c", "k", "by url");
		DO_GET(&s, "c", "k");
		check_status(s.a.status, EVKV_OK);
		check_slice(s.a.entries[0].bytes, "by url");
		scene_close_store(&s);
	}
	scene_end(&s);
}

/* ---- Refused --------------------------------------------------------- */

static void check_not_ready(struct scene *s, enum evkv_status status,
    enum evkv_cause cause, const char *part)
{
	DO_READY(s);
	check_status(s->a.status, status);
	check_int(s->a.cause, cause);
	check_contains(s->a.message, part);
	check(strstr(s->a.message, "sesame") == NULL);
	DO_PUT(s, "c", "k", "v");
	check(evkv_failed(s->a.status));
	check(s->a.status != EVKV_UNKNOWN_OUTCOME);
	scene_close_store(s);
}

EVKV_TEST(redis_server, wrong_credentials_and_databases_are_told)
{
	struct scene s;

	scene_begin(&s);
	s.options.fail_fast = true;
	s.options.password = "sesame";
	scene_store(&s);
	check_not_ready(&s, EVKV_REFUSED, EVKV_CAUSE_AUTH, "WRONGPASS");
	s.options.user = "nobody";
	scene_store(&s);
	check_not_ready(&s, EVKV_REFUSED, EVKV_CAUSE_AUTH, "WRONGPASS");
	s.options.user = NULL;
	s.options.password = NULL;
	scene_store(&s);
	check_not_ready(&s, EVKV_REFUSED, EVKV_CAUSE_AUTH, "NOAUTH");
	s.options.password = SERVER_SHARED_PASSWORD;
	s.options.db = 1000000;
	scene_store(&s);
	check_not_ready(&s, EVKV_REFUSED, EVKV_CAUSE_AUTH,
	    "SELECT: ERR DB index is out of range");
	scene_end(&s);
}

EVKV_TEST(redis_server, a_user_may_do_what_it_may)
{
	char reply[256];
	struct scene s;

	scene_begin_own(&s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .user = "bob", .user_password = "b" });
	RAW(&s, reply, "ACL", "SETUSER", "reader", "on", ">r", "~*", "+get");
	s.options.user = "bob";
	s.options.password = "b";
	scene_store(&s);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_OK);
	scene_close_store(&s);
	s.options.user = "reader";
	s.options.password = "r";
	scene_store(&s);
	DO_GET(&s, "c", "k");
	check_status(s.a.status, EVKV_OK);
	DO_PUT(&s, "c", "k", "w");
	check_status(s.a.status, EVKV_REFUSED);
	check_int(s.a.cause, EVKV_CAUSE_AUTH);
	check_contains(s.a.message, "NOPERM");
	scene_end(&s);
}

/* The command that has the effect is allowed, the one after it is not. */
EVKV_TEST(redis_server, a_ttl_that_was_removed_is_told)
{
	struct evkv_slice key = EVKV_LIT("k");
	char reply[256];
	struct scene s;

	scene_begin_own(&s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .user = "bob", .user_password = "b" });
	RAW(&s, reply, "ACL", "SETUSER", "toucher", "on", ">t", "~*",
	    "+persist");
	RAW(&s, reply, "SET", "c:k", "v", "PX", "100000");
	s.options.user = "toucher";
	s.options.password = "t";
	scene_store(&s);
	evkv_touch(s.store, EVKV_LIT("c"), key, 0, answer_cb, &s.a);
	rig_wait(&s.rig, &s.a.calls);
	RAW(&s, reply, "PTTL", "c:k");
	check_contains(reply, ":-1");
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(redis_server, certificates_are_verified)
{
	struct scene s;

	scene_begin(&s);
	s.options.fail_fast = true;
	s.options.tls = true;
	s.options.port = s.server->tls_port;
	scene_store(&s); /* the system's authorities know nothing of it */
	check_not_ready(&s, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, "certificate");
	s.options.tls_ca_file = s.server->foreign_ca_file;
	scene_store(&s);
	check_not_ready(&s, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, "certificate");
	s.options.tls_ca_file = s.server->ca_file;
	s.options.tls_server_name = "other.invalid";
	scene_store(&s);
	check_not_ready(&s, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, "");
	s.options.tls_server_name = NULL;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	scene_close_store(&s);
	s.options.tls_ca_file = NULL;
	s.options.tls_insecure_no_verify = true;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	scene_close_store(&s);
	/* Plain on a TLS port, and TLS on a plain one. */
	s.options.port = s.server->port;
	scene_store(&s);
	check_not_ready(&s, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, "");
	scene_end(&s);
}

EVKV_TEST(redis_server, a_client_certificate_is_shown)
{
	struct scene s;

	scene_begin_own(&s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .client_certificates = true });
	s.options.fail_fast = true;
	s.options.tls = true;
	s.options.port = s.server->tls_port;
	s.options.tls_ca_file = s.server->ca_file;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_UNAVAILABLE);
	scene_close_store(&s);
	s.options.tls_cert_file = s.server->client_cert_file;
	s.options.tls_key_file = s.server->client_key_file;
	scene_store(&s);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(redis_server, a_full_server_has_no_space)
{
	static const char *const arguments[] = { "--maxmemory", "1000",
		"--maxmemory-policy", "noeviction", NULL };
	struct scene s;

	scene_begin_own(&s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .arguments = arguments });
	scene_store(&s);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_NOSPACE);
	check_int(s.a.cause, EVKV_CAUSE_SERVER);
	check_contains(s.a.message, "OOM");
	DO_GET(&s, "c", "k");
	check_status(s.a.status, EVKV_NOT_FOUND);
	scene_end(&s);
}

/* ---- Stopped, killed ------------------------------------------------- */

EVKV_TEST(redis_server, a_stopped_server_is_given_up_and_found_again)
{
	struct scene s;

	scene_begin_own(&s, &(struct server_options){ .kind = SERVER_REDIS });
	s.options.stall_timeout_ms = 100;
	scene_store(&s);
	DO_PUT(&s, "c", "k", "v");
	server_pause(s.server);
	DO_PUT(&s, "c", "k", "w");
	check_status(s.a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(s.a.cause, EVKV_CAUSE_STALL);
	server_resume(s.server);
	DO_GET(&s, "c", "k");
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(redis_server, a_killed_server_is_found_again)
{
	struct evkv_counters counters;
	struct scene s;

	scene_begin_own(&s,
	    &(struct server_options){
		.kind = SERVER_REDIS, .append_only = true });
	s.options.connections = 3;
	scene_store(&s);
	/* One that was never ready is not found again. */
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	DO_PUT(&s, "c", "k", "v");
	server_kill(s.server);
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_DOWN);
	check(server_restart(s.server));
	DO_GET(&s, "c", "k");
	check_slice(s.a.entries[0].bytes, "v");
	DO_READY(&s);
	while (s.a.status != EVKV_OK)
		DO_READY(&s);
	evkv_store_counters(s.store, &counters);
	check_int(counters.reconnects, 3);
	scene_end(&s);
}

EVKV_TEST(redis_server, without_patience_operations_end_at_once)
{
	struct scene s;

	scene_begin_own(&s, &(struct server_options){ .kind = SERVER_REDIS });
	s.options.fail_fast = true;
	scene_store(&s);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_OK);
	server_kill(s.server);
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_DOWN);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_UNAVAILABLE);
	scene_end(&s);
}

static void note_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	(void)message;
	if (state == EVKV_STATE_DOWN)
		*(enum evkv_cause *)arg = cause;
}

/* With several connections the store is down for the reason of one of them. */
EVKV_TEST(redis_server, a_store_is_down_while_one_connection_is)
{
	enum evkv_cause cause = EVKV_CAUSE_NONE;
	struct scene s;

	scene_begin_own(&s, &(struct server_options){ .kind = SERVER_REDIS });
	s.options.connections = 4;
	scene_store(&s);
	DO_READY(&s);
	check_int(evkv_store_state(s.store), EVKV_STATE_READY);
	evkv_store_set_state_cb(s.store, note_state, &cause);
	server_kill(s.server);
	rig_until(&s.rig, cause != EVKV_CAUSE_NONE);
	check(cause == EVKV_CAUSE_RESET || cause == EVKV_CAUSE_CONNECT);
	check(server_restart(s.server));
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_READY);
	DO_PUT(&s, "c", "k", "v");
	check_status(s.a.status, EVKV_OK);
	evkv_store_set_state_cb(s.store, NULL, NULL);
	scene_end(&s);
}
