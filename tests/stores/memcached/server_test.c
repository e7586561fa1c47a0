/*
 * tests/stores/memcached/server_test.c - what is the memcached driver's own,
 * against real servers: names, logins, certificates, sizes, TTLs, servers that
 * are down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

SERVER_SHARED(SERVER_MEMCACHED)

static const struct server_options plain = { .kind = SERVER_MEMCACHED };

/* ---- What is on the server ------------------------------------------- */

EVKV_TEST(memcached_server, entries_are_where_others_look_for_them)
{
	char reply[512], line[128];
	struct scene s;

	scene_begin(&s, 1);
	s.options.flags = 7;
	s.options.key_prefix = "app/";
	scene_store(&s);
	DO_PUT(&s, "123", "Ada");
	check_status(s.a.status, EVKV_OK);
	snprintf(line, sizeof(line), "get app/%s:123", s.collection);
	scene_raw(&s, 0, line, reply, sizeof(reply));
	check_contains(reply, ":123 7 3\r\nAda\r\nEND\r\n");
	/* A blank and a byte that is none of a text: in base64. */
	DO(&s,
	    evkv_put(s.store, EVKV_LIT("a:b"), EVKV_LIT("c d\xff"),
		EVKV_LIT("x"), 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	scene_raw(&s, 0, "mg YXBwL2ElM0FiOmMgZP8= b v", reply, sizeof(reply));
	check_str(reply, "VA 1\r\nx\r\n");
	scene_end(&s);
}

/* Of "c:" and 300 times 'k', by sha256sum. */
#define HASHED                                                                 \
	"%-e7bd515c543aeacf5e4f9a8314980889cd1007e5a70ace011c4d36920f23cd14"

EVKV_TEST(memcached_server, a_long_name_is_hashed_and_compared)
{
	char key[300], reply[2048], line[256];
	struct scene s;

	memset(key, 'k', sizeof(key));
	scene_begin(&s, 1);
	s.options.key_prefix = s.collection;
	scene_store(&s);
	DO(&s,
	    evkv_put(s.store, EVKV_LIT("c"), evkv_bytes(key, sizeof(key)),
		EVKV_LIT("long"), 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	DO(&s,
	    evkv_get(s.store, EVKV_LIT("c"), evkv_bytes(key, sizeof(key)),
		answer_cb, &s.a));
	check_slice(s.a.entries[0].bytes, "long");
	snprintf(line, sizeof(line), "mg %s%s v", s.collection, HASHED);
	scene_raw(&s, 0, line, reply, sizeof(reply));
	check_contains(reply, "VA 326\r\n");
	/* Whatever else stands there is not its value. */
	snprintf(line, sizeof(line), "ms %s%s 4\r\nelse", s.collection, HASHED);
	scene_raw(&s, 0, line, reply, sizeof(reply));
	check_str(reply, "HD\r\n");
	DO(&s,
	    evkv_get(s.store, EVKV_LIT("c"), evkv_bytes(key, sizeof(key)),
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_NOT_FOUND);
	DO(&s,
	    evkv_incr(s.store, EVKV_LIT("c"), evkv_bytes(key, sizeof(key)), 1,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_INVALID);
	scene_end(&s);
}

EVKV_TEST(memcached_server, what_it_can_not_do_says_why)
{
	struct evkv_slice none = EVKV_LIT("");
	struct scene s;

	scene_begin(&s, 1);
	scene_store(&s);
	DO(&s, evkv_keys(s.store, s.c, none, none, 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	check_str(s.a.message,
	    "memcached cannot do keys: a memcached server can't list its "
	    "entries");
	DO(&s, evkv_clear(s.store, s.c, none, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO(&s, evkv_purge_expired(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(memcached_server, clear_all_empties_all_servers_where_it_may)
{
	struct scene s;

	scene_begin_own(&s, 2, &plain);
	s.options.allow_flush_all = true;
	scene_store(&s);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		DO(&s,
		    evkv_put(s.store, s.c, evkv_str(key), EVKV_LIT("v"), 0,
			answer_cb, &s.a));
	}
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check_int(s.a.affected, -1);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		DO(&s, evkv_get(s.store, s.c, evkv_str(key), answer_cb, &s.a));
		check_status(s.a.status, EVKV_NOT_FOUND);
	}
	DO(&s,
	    evkv_submit(s.store,
		&(struct evkv_request){
		    .kind = EVKV_OP_CLEAR_ALL, .match.prefix = EVKV_LIT("a") },
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO_PUT(&s, "after", "v");
	DO_GET(&s, "after");
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

/* ---- Sizes ------------------------------------------------------------ */

EVKV_TEST(memcached_server, a_value_over_the_items_size_is_not_sent)
{
	size_t size = (size_t)1 << 20;
	char *bytes = calloc(1, size);
	struct scene s;

	scene_begin(&s, 1);
	scene_store(&s);
	DO_PUT(&s, "k", "old");
	DO(&s,
	    evkv_put(s.store, s.c, EVKV_LIT("k"), evkv_bytes(bytes, size), 0,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_TOO_LARGE);
	check_contains(s.a.message, "takes at most 1048064");
	DO_GET(&s, "k");
	check_slice(s.a.entries[0].bytes, "old");
	DO(&s,
	    evkv_put(s.store, s.c, EVKV_LIT("k"), evkv_bytes(bytes, 1048064), 0,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	scene_close_store(&s);
	/* Who says that more is taken is told that the old value is gone. */
	s.options.max_value_bytes = (size_t)2 << 20;
	scene_store(&s);
	DO(&s,
	    evkv_put(s.store, s.c, EVKV_LIT("k"), evkv_bytes(bytes, size), 0,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(s.a.cause, EVKV_CAUSE_TOO_LARGE);
	check_contains(s.a.message, "object too large");
	DO_GET(&s, "k");
	check_status(s.a.status, EVKV_NOT_FOUND);
	scene_end(&s);
	free(bytes);
}

EVKV_TEST(memcached_server, a_server_may_take_more)
{
	static const char *const more[] = { "-I", "4m", NULL };
	size_t size = (size_t)3 << 20;
	char *bytes = calloc(1, size);
	struct scene s;

	scene_begin_own(&s, 1,
	    &(struct server_options){
		.kind = SERVER_MEMCACHED, .arguments = more });
	scene_store(&s);
	DO(&s,
	    evkv_put(s.store, s.c, EVKV_LIT("k"), evkv_bytes(bytes, size), 0,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	DO_GET(&s, "k");
	check_int(s.a.entries[0].bytes.size, size);
	scene_end(&s);
	free(bytes);
}

/* ---- Logins, transports ----------------------------------------------- */

EVKV_TEST(memcached_server, a_login_by_the_token)
{
	char reply[64];
	struct scene s;

	scene_begin_own(&s, 1,
	    &(struct server_options){ .kind = SERVER_MEMCACHED,
		.user = "bob",
		.user_password = "se:cret" });
	s.options.user = "bob";
	s.options.password = "se:cret";
	scene_store(&s);
	DO_PUT(&s, "k", "v");
	check_status(s.a.status, EVKV_OK);
	scene_raw(&s, 0, "mn", reply, sizeof(reply));
	scene_close_store(&s);
	s.options.password = "wrong";
	scene_store(&s);
	DO_PUT(&s, "k", "v");
	check_status(s.a.status, EVKV_REFUSED);
	check_int(s.a.cause, EVKV_CAUSE_AUTH);
	check_contains(s.a.message, "authent");
	scene_close_store(&s);
	s.options.user = s.options.password = NULL;
	scene_store(&s);
	DO_PUT(&s, "k", "v");
	check_status(s.a.status, EVKV_REFUSED);
	check_int(s.a.cause, EVKV_CAUSE_AUTH);
	check_contains(s.a.message, "unauthenticated");
	scene_end(&s);
}

/* One that asks for no login has no entry with the password afterwards. */
EVKV_TEST(memcached_server, a_login_that_nobody_asked_for)
{
	char reply[64];
	struct scene s;

	scene_begin(&s, 1);
	s.options.user = "bob";
	s.options.password = "secret";
	scene_store(&s);
	DO_PUT(&s, "k", "v");
	check_status(s.a.status, EVKV_OK);
	scene_raw(&s, 0, "get login", reply, sizeof(reply));
	check_str(reply, "END\r\n");
	scene_end(&s);
}

EVKV_TEST(memcached_server, certificates_are_verified)
{
	struct scene s;

	scene_begin(&s, 1);
	s.options.tls = true;
	s.where[0].port = s.server[0]->tls_port;
	s.options.tls_ca_file = s.server[0]->foreign_ca_file;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_UNAVAILABLE);
	check_int(s.a.cause, EVKV_CAUSE_TLS);
	scene_close_store(&s);
	s.options.tls_insecure_no_verify = true;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

EVKV_TEST(memcached_server, a_client_certificate)
{
	struct scene s;

	scene_begin_own(&s, 1,
	    &(struct server_options){
		.kind = SERVER_MEMCACHED, .client_certificates = true });
	s.options.tls = true;
	s.where[0].port = s.server[0]->tls_port;
	s.options.tls_ca_file = s.server[0]->ca_file;
	scene_store(&s);
	DO_READY(&s);
	check(evkv_failed(s.a.status));
	scene_close_store(&s);
	s.options.tls_cert_file = s.server[0]->client_cert_file;
	s.options.tls_key_file = s.server[0]->client_key_file;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	scene_end(&s);
}

/* ---- Time ------------------------------------------------------------- */

EVKV_TEST(memcached_server, ttls_of_any_length)
{
	static const int64_t ttls_ms[] = { 1, 1000, 1001, 86400000,
		30 * INT64_C(86400000), 30 * INT64_C(86400000) + 1,
		365 * INT64_C(86400000) };
	struct scene s;

	scene_begin(&s, 1);
	scene_store(&s);
	for (size_t i = 0; i < sizeof(ttls_ms) / sizeof(ttls_ms[0]); i++) {
		int64_t least_ms = ttls_ms[i] - 4000;

		DO(&s,
		    evkv_put(s.store, s.c, EVKV_LIT("k"), EVKV_LIT("v"),
			ttls_ms[i], answer_cb, &s.a));
		DO(&s, evkv_ttl(s.store, s.c, EVKV_LIT("k"), answer_cb, &s.a));
		check_status(s.a.status, EVKV_OK);
		check_between(s.a.entries[0].ttl_ms,
		    least_ms > 1 ? least_ms : 1, ttls_ms[i] + 3000);
	}
	DO(&s, evkv_touch(s.store, s.c, EVKV_LIT("k"), 0, answer_cb, &s.a));
	DO(&s, evkv_ttl(s.store, s.c, EVKV_LIT("k"), answer_cb, &s.a));
	check_int(s.a.entries[0].ttl_ms, EVKV_TTL_NONE);
	/* As long as the server can. */
	DO(&s,
	    evkv_touch(s.store, s.c, EVKV_LIT("k"), EVKV_TTL_MAX, answer_cb,
		&s.a));
	DO(&s, evkv_ttl(s.store, s.c, EVKV_LIT("k"), answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	check(s.a.entries[0].ttl_ms > 30 * INT64_C(86400000));
	scene_end(&s);
}

/* A counter that is added to all the time expires when it was to. */
EVKV_TEST(memcached_server, incr_moves_no_expiry)
{
	struct scene s;
	struct evkv_slice n = EVKV_LIT("n");
	int64_t at_ms, end_ms, left_ms;

	scene_begin(&s, 1);
	scene_store(&s);
	DO(&s,
	    evkv_submit(s.store,
		&(struct evkv_request){ .kind = EVKV_OP_INCR,
		    .collection = s.c,
		    .count = 1,
		    .keys = &n,
		    .delta = 1,
		    .ttl_ms = 60000 },
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	at_ms = evkv_loop_now_ms(s.rig.loop);
	end_ms = at_ms + 5000;
	while (evkv_loop_now_ms(s.rig.loop) < end_ms)
		DO(&s,
		    evkv_incr(s.store, s.c, EVKV_LIT("n"), 1, answer_cb, &s.a));
	check_status(s.a.status, EVKV_OK);
	DO(&s, evkv_ttl(s.store, s.c, EVKV_LIT("n"), answer_cb, &s.a));
	left_ms = at_ms + 60000 - evkv_loop_now_ms(s.rig.loop);
	check_between(s.a.entries[0].ttl_ms, left_ms - 3000, left_ms + 2000);
	scene_end(&s);
}

/* ---- Versions --------------------------------------------------------- */

/* Numbers begin anew with a server: an old version is no new one's. */
EVKV_TEST(memcached_server, a_version_is_of_one_life_of_the_server)
{
	struct evkv_slice k = EVKV_LIT("k"), one = EVKV_LIT("1");
	struct evkv_version version;
	struct scene s;

	scene_begin_own(&s, 1, &plain);
	scene_store(&s);
	DO(&s,
	    evkv_submit(s.store,
		&(struct evkv_request){ .kind = EVKV_OP_PUT,
		    .flags = EVKV_FLAG_VERSIONS,
		    .collection = s.c,
		    .count = 1,
		    .keys = &k,
		    .values = &one },
		answer_cb, &s.a));
	version = s.a.entries[0].version;
	server_kill(s.server[0]);
	check(server_restart(s.server[0]));
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_DOWN);
	DO_READY(&s);
	while (s.a.status != EVKV_OK)
		DO_READY(&s);
	DO_PUT(&s, "k", "2");
	check_status(s.a.status, EVKV_OK);
	DO(&s,
	    evkv_put_if_version(s.store, s.c, EVKV_LIT("k"), EVKV_LIT("3"),
		&version, 0, answer_cb, &s.a));
	check_status(s.a.status, EVKV_CONFLICT);
	memset(&version, 0, sizeof(version));
	DO(&s,
	    evkv_delete_if_version(s.store, s.c, EVKV_LIT("k"), &version,
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_CONFLICT);
	scene_end(&s);
}

EVKV_TEST(memcached_server, without_cas_there_are_no_versions)
{
	static const char *const no_cas[] = { "-C", NULL };
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("2");
	struct scene s;

	scene_begin_own(&s, 1,
	    &(struct server_options){
		.kind = SERVER_MEMCACHED, .arguments = no_cas });
	scene_store(&s);
	DO_PUT(&s, "k", "1");
	check_status(s.a.status, EVKV_OK);
	DO(&s, evkv_get_version(s.store, s.c, EVKV_LIT("k"), answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO(&s, evkv_incr(s.store, s.c, EVKV_LIT("k"), 1, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO(&s, evkv_take(s.store, s.c, EVKV_LIT("k"), answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNSUPPORTED);
	DO_GET(&s, "k");
	check_slice(s.a.entries[0].bytes, "1");
	/* That there is none is told with the answer: it was put. */
	DO(&s,
	    evkv_submit(s.store,
		&(struct evkv_request){ .kind = EVKV_OP_PUT,
		    .flags = EVKV_FLAG_SINGLE | EVKV_FLAG_VERSIONS,
		    .collection = s.c,
		    .count = 1,
		    .keys = &key,
		    .values = &value },
		answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNKNOWN_OUTCOME);
	check_contains(s.a.message, "no versions");
	DO_GET(&s, "k");
	check_slice(s.a.entries[0].bytes, "2");
	scene_end(&s);
}

/* ---- Servers that are down -------------------------------------------- */

/* Gets of 30 keys; how many of them there were. */
static size_t gets(struct scene *s, enum evkv_status *other)
{
	size_t found = 0;

	for (int i = 0; i < 30; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		DO(s,
		    evkv_get(s->store, s->c, evkv_str(key), answer_cb, &s->a));
		if (s->a.status == EVKV_OK)
			found++;
		else
			*other = s->a.status;
	}
	return found;
}

static void puts_of_all(struct scene *s)
{
	for (int i = 0; i < 30; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		DO(s,
		    evkv_put(s->store, s->c, evkv_str(key), EVKV_LIT("v"), 0,
			answer_cb, &s->a));
		check_status(s->a.status, EVKV_OK);
	}
}

EVKV_TEST(memcached_server, the_keys_of_a_server_that_is_down_fail)
{
	enum evkv_status other = EVKV_OK;
	char down[2][64];
	struct scene s;
	size_t found;

	scene_begin_own(&s, 3, &plain);
	s.options.fail_fast = true;
	scene_store(&s);
	DO_READY(&s);
	check_status(s.a.status, EVKV_OK);
	puts_of_all(&s);
	server_kill(s.server[1]);
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_DOWN);
	found = gets(&s, &other);
	check_between(found, 1, 29);
	check_status(other, EVKV_UNAVAILABLE);
	snprintf(down[0], sizeof(down[0]), "127.0.0.1:%d", s.where[1].port);
	DO(&s, evkv_ping(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNAVAILABLE);
	check_contains(s.a.message, down[0]);

	server_kill(s.server[2]);
	snprintf(down[1], sizeof(down[1]), "127.0.0.1:%d", s.where[2].port);
	rig_until(&s.rig,
	    strstr(s.down, down[0]) != NULL && strstr(s.down, down[1]) != NULL);
	check(server_restart(s.server[1]));
	rig_until(&s.rig,
	    strstr(s.down, down[0]) == NULL && strstr(s.down, down[1]) != NULL);
	check(server_restart(s.server[2]));
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_READY);
	puts_of_all(&s);
	scene_end(&s);
}

/* One server has been emptied, the other has not, whichever is asked first. */
static void clear_all_of_two(size_t down)
{
	struct scene s;
	char reply[64];

	scene_begin_own(&s, 2, &plain);
	s.options.fail_fast = true;
	s.options.allow_flush_all = true;
	scene_store(&s);
	DO_READY(&s);
	scene_raw(&s, 1 - down, "ms here 1 T0\r\nx", reply, sizeof(reply));
	check_contains(reply, "HD");
	server_kill(s.server[down]);
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_DOWN);
	DO(&s, evkv_clear_all(s.store, answer_cb, &s.a));
	scene_raw(&s, 1 - down, "mg here v", reply, sizeof(reply));
	check_contains(reply, "EN");
	check_status(s.a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(s.a.affected, -1);
	scene_end(&s);
}

EVKV_TEST(memcached_server, clear_all_that_reaches_one_of_two_is_unknown)
{
	clear_all_of_two(0);
	clear_all_of_two(1);
}

/* What is found when it is back is what it had: the cost of it. */
EVKV_TEST(memcached_server, with_eject_its_keys_are_on_the_others)
{
	enum evkv_status other = EVKV_OK;
	struct scene s;

	scene_begin_own(&s, 3, &plain);
	s.options.eject = true;
	s.options.stall_timeout_ms = 200;
	s.options.connect_timeout_ms = 200;
	scene_store(&s);
	DO_READY(&s);
	puts_of_all(&s);
	server_pause(s.server[0]);
	/* Somebody has to ask, for it to be missed. */
	DO(&s, evkv_ping(s.store, answer_cb, &s.a));
	check_status(s.a.status, EVKV_UNAVAILABLE);
	check_int(evkv_store_state(s.store), EVKV_STATE_DOWN);
	check(gets(&s, &other) < 30);
	check_status(other, EVKV_NOT_FOUND);
	puts_of_all(&s);
	check_int(gets(&s, &other), 30);
	server_resume(s.server[0]);
	rig_until(&s.rig, evkv_store_state(s.store) == EVKV_STATE_READY);
	check_int(gets(&s, &other), 30);
	scene_end(&s);
}
