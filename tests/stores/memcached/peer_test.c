/*
 * tests/stores/memcached/peer_test.c - the memcached driver against a server
 * that lies, refuses, is none, and is not there; and options that are wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "lib/faults.h"

/* ---- Lies ------------------------------------------------------------ */

/* To a get, of which the opaque is 0. */
static const char *const lies[] = {
	"?!\r\n",
	"\r\n\r\n",
	"HD\n",
	"HD O0\r\n",               /* not to an mg with v */
	"VA 1 O1\r\na\r\n",        /* to another request */
	"VA 1 Offffffff\r\na\r\n", /* likewise */
	"VA 1\r\na\r\n",           /* to nobody knows which */
	"VA 1 O\r\na\r\n",
	"VA 1 Ozz\r\na\r\n",
	"VA 1 O000000000\r\na\r\n",
	"VA O0\r\na\r\n",
	"VA -1 O0\r\na\r\n",
	"VA 1x O0\r\na\r\n",
	"VA 99999999999999999999999 O0\r\na\r\n",
	"VA 9223372036854775808 O0\r\na\r\n",
	"VA 1 O0\r\nab\r\n", /* a byte too many */
	"VA 3 O0\r\nab\r\n\r\n",
	"EN O7\r\n",
	"NF O0\r\n",
	"NS O0\r\n",
	"MN\r\n",
	"OK\r\n",
	"VB 1 O0\r\na\r\n",
	"END\r\n",
	"VALUE c:k0 0 1\r\na\r\nEND\r\n",
	"STORED\r\n",
	"$1\r\na\r\n",
	"+OK\r\n",
	"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
};

EVKV_TEST(memcached_peer, what_is_no_answer_ends_the_connection)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_all = lies[i];
		fake_get(&f, 0);
		fake_put(&f, 1);
		fake_wait(&f, 2);
		if (f.answers[0].status != EVKV_CORRUPT)
			fail_test("%s: %s", lies[i],
			    evkv_status_name(f.answers[0].status));
		check_int(f.answers[0].cause, EVKV_CAUSE_PROTOCOL);
		check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
		rig_until(&f.rig, f.peer->alive == 0);
		fake_check_recovered(&f);
		check_int(f.peer->accepted, 2);
		fake_close(&f);
	}
}

/* Two error lines for one request: the second is not the next one's answer. */
EVKV_TEST(memcached_peer, a_client_error_ends_the_connection)
{
	static const char *const errors[] = {
		"CLIENT_ERROR bad data chunk\r\nERROR\r\n",
		"ERROR\r\n",
		"CLIENT_ERROR line too long\r\n",
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_next = errors[i];
		fake_put(&f, 1);
		fake_get(&f, 2);
		fake_put(&f, 3);
		for (unsigned op = 1; op <= 3; op++)
			rig_wait(&f.rig, &f.answers[op].calls);
		check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
		check_int(f.answers[1].cause, EVKV_CAUSE_SERVER);
		check_contains(f.answers[1].message, "ERROR");
		check_status(f.answers[2].status, EVKV_UNAVAILABLE);
		check_status(f.answers[3].status, EVKV_UNKNOWN_OUTCOME);
		fake_check_recovered(&f);
		check_int(f.peer->accepted, 2);
		fake_close(&f);
	}
}

/* It is about one request; the connection lives on. */
EVKV_TEST(memcached_peer, a_server_error_is_about_its_own_request)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("k") };
	struct fake f;

	fake_open(&f);
	f.to_next = "SERVER_ERROR out of memory writing\x07 get response\r\n";
	evkv_get_many(f.store, EVKV_LIT("c"), keys, 2, answer_cb,
	    &f.answers[0]);
	fake_wait(&f, 1);
	check_status(f.answers[0].entries[0].status, EVKV_SERVER);
	check_slice(f.answers[0].entries[1].bytes, "v-k");
	check_int(f.answers[0].cause, EVKV_CAUSE_SERVER);
	check_contains(f.answers[0].message, "writing? get response");
	f.to_next = "SERVER_ERROR out of memory storing object\r\n";
	fake_put(&f, 1);
	rig_wait(&f.rig, &f.answers[1].calls);
	check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[1].cause, EVKV_CAUSE_SERVER);
	f.to_next = "SERVER_ERROR object too large for cache\r\n";
	fake_put(&f, 3);
	rig_wait(&f.rig, &f.answers[3].calls);
	check_status(f.answers[3].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[3].cause, EVKV_CAUSE_TOO_LARGE);
	f.to_next = "SERVER_ERROR no\r\n";
	evkv_exists(f.store, EVKV_LIT("c"), keys[0], answer_cb, &f.answers[4]);
	rig_wait(&f.rig, &f.answers[4].calls);
	check_status(f.answers[4].status, EVKV_SERVER);
	f.to_next = "SERVER_ERROR no\r\n";
	evkv_ping(f.store, answer_cb, &f.answers[5]);
	rig_wait(&f.rig, &f.answers[5].calls);
	check_status(f.answers[5].status, EVKV_SERVER);
	f.to_next = "SERVER_ERROR no\r\n";
	evkv_incr(f.store, EVKV_LIT("c"), EVKV_LIT("number"), 1, answer_cb,
	    &f.answers[6]);
	rig_wait(&f.rig, &f.answers[6].calls);
	check_status(f.answers[6].status, EVKV_SERVER);
	check_int(f.peer->accepted, 1);
	fake_close(&f);
}

/* A proxy says so where it has lost the server that it had sent it to. */
EVKV_TEST(memcached_peer, a_server_error_to_a_write_may_come_after_it)
{
	static const char lost[] = "SERVER_ERROR backend failure\r\n";
	struct evkv_slice key = EVKV_LIT("k");
	struct fake f;

	fake_begin(&f);
	f.options.allow_flush_all = true;
	fake_store(&f);
	fake_until_ready(&f);
	f.to_next = lost;
	evkv_delete(f.store, EVKV_LIT("c"), key, answer_cb, &f.answers[0]);
	rig_wait(&f.rig, &f.answers[0].calls);
	f.to_next = lost;
	evkv_touch(f.store, EVKV_LIT("c"), key, 1000, answer_cb, &f.answers[1]);
	rig_wait(&f.rig, &f.answers[1].calls);
	f.to_next = lost;
	evkv_clear_all(f.store, answer_cb, &f.answers[2]);
	rig_wait(&f.rig, &f.answers[2].calls);
	f.to_change = lost;
	evkv_take(f.store, EVKV_LIT("c"), key, answer_cb, &f.answers[3]);
	rig_wait(&f.rig, &f.answers[3].calls);
	for (int i = 0; i < 4; i++) {
		check_status(f.answers[i].status, EVKV_UNKNOWN_OUTCOME);
		check_contains(f.answers[i].message, "backend failure");
	}
	fake_close(&f);
}

EVKV_TEST(memcached_peer, a_reply_too_many_reaches_no_other_op)
{
	struct fake f;

	fake_open(&f);
	f.to_all = "VA 1 O0\r\na\r\nVA 1 O1\r\nb\r\n";
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_slice(f.answers[0].entries[0].bytes, "a");
	rig_until(&f.rig, f.peer->alive == 0);
	fake_check_recovered(&f);
	fake_close(&f);
}

EVKV_TEST(memcached_peer, a_reply_over_the_limit_is_too_large)
{
	static char big[30000];
	struct fake f;

	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "VA 25000 O0\r\n", 13);
	fake_begin(&f);
	f.options.max_reply_bytes = 10000;
	fake_store(&f);
	fake_until_ready(&f);
	f.to_all = big;
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_TOO_LARGE);
	fake_check_recovered(&f);
	fake_close(&f);
}

/* Older ones leave the opaque out where they have nothing to tell. */
EVKV_TEST(memcached_peer, misses_may_bear_no_opaque)
{
	struct fake f;

	fake_begin(&f);
	f.legacy = true;
	fake_store(&f);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("no"), answer_cb,
	    &f.answers[0]);
	evkv_delete(f.store, EVKV_LIT("c"), EVKV_LIT("no"), answer_cb,
	    &f.answers[1]);
	fake_wait(&f, 2);
	check_status(f.answers[0].status, EVKV_NOT_FOUND);
	check_status(f.answers[1].status, EVKV_NOT_FOUND);
	fake_close(&f);
}

EVKV_TEST(memcached_peer, what_is_over_the_told_size_is_not_sent)
{
	static char bytes[20000];
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct evkv_slice values[] = { { bytes, sizeof(bytes) },
		EVKV_LIT("v") };
	struct fake f;

	fake_open(&f);
	evkv_put_many(f.store, EVKV_LIT("c"), keys, values, 2, 0, answer_cb,
	    &f.answers[0]);
	fake_wait(&f, 1);
	check_status(f.answers[0].entries[0].status, EVKV_TOO_LARGE);
	check_status(f.answers[0].entries[1].status, EVKV_OK);
	check_contains(f.answers[0].message, "takes at most 19488");
	check_int(f.sets, 1);
	fake_close(&f);
}

/* ---- Steps ------------------------------------------------------------ */

EVKV_TEST(memcached_peer, an_incr_is_tried_eight_times)
{
	struct evkv_slice n = EVKV_LIT("number");
	struct fake f;

	fake_open(&f);
	f.changes = 7;
	evkv_incr(f.store, EVKV_LIT("c"), n, 2, answer_cb, &f.answers[0]);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_OK);
	check_int(f.answers[0].entries[0].number, 7);
	check_int(f.sets, 8);
	f.changes = 100;
	evkv_incr(f.store, EVKV_LIT("c"), n, 2, answer_cb, &f.answers[1]);
	fake_wait(&f, 2);
	check_status(f.answers[1].status, EVKV_BUSY);
	check_int(f.sets, 16);
	f.changes = 100;
	evkv_take(f.store, EVKV_LIT("c"), n, answer_cb, &f.answers[2]);
	fake_wait(&f, 3);
	check_status(f.answers[2].status, EVKV_BUSY);
	check(!f.answers[2].entries[0].has_value);
	fake_close(&f);
}

/* Only what comes behind it on its key waits for it. */
EVKV_TEST(memcached_peer, what_comes_after_an_incr_waits_for_it)
{
	struct evkv_slice c = EVKV_LIT("c"), n = EVKV_LIT("number");
	struct fake f;

	fake_open(&f);
	f.peer->plan.hold = true;
	evkv_incr(f.store, c, n, 1, answer_cb, &f.answers[0]);
	evkv_put(f.store, c, n, EVKV_LIT("9"), 0, answer_cb, &f.answers[1]);
	evkv_get(f.store, c, EVKV_LIT("k"), answer_cb, &f.answers[2]);
	rig_until(&f.rig, f.commands == 2);
	rig_turn(&f.rig);
	check_int(f.sets, 0);
	f.peer->plan.hold = false;
	peer_release(f.peer);
	fake_wait(&f, 3);
	check_status(f.answers[0].status, EVKV_OK);
	check_status(f.answers[1].status, EVKV_OK);
	check(f.answers[0].order < f.answers[1].order);
	check_int(f.sets, 2);
	fake_close(&f);
}

/* ---- Refusals --------------------------------------------------------- */

static void refused(const char *to_version, enum evkv_status status,
    enum evkv_cause cause, const char *words)
{
	struct fake f;

	fake_begin(&f);
	f.options.fail_fast = true;
	f.to_version = to_version;
	fake_store(&f);
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, status);
	check_int(f.answers[0].cause, cause);
	check_contains(f.answers[0].message, words);
	f.to_version = NULL;
	rig_advance(&f.rig, 2000);
	fake_until_ready(&f);
	fake_get(&f, 2);
	rig_wait(&f.rig, &f.answers[2].calls);
	fake_check_done(&f, 2);
	fake_close(&f);
}

EVKV_TEST(memcached_peer, what_is_no_memcached_of_today_is_told)
{
	refused("VERSION 1.4.39\r\n", EVKV_REFUSED, EVKV_CAUSE_SERVER,
	    "memcached 1.6 or newer is needed, for the meta protocol; this is "
	    "VERSION 1.4.39");
	refused("VERSION mcrouter 41\r\n", EVKV_REFUSED, EVKV_CAUSE_SERVER,
	    "1.6 or newer");
	refused("CLIENT_ERROR unauthenticated\r\n", EVKV_REFUSED,
	    EVKV_CAUSE_AUTH, "unauthenticated");
	refused("HTTP/1.1 400 Bad Request\r\n\r\n", EVKV_UNAVAILABLE,
	    EVKV_CAUSE_PROTOCOL, "this is no memcached: HTTP/1.1 400 Bad");
	refused("-ERR unknown command `version`\r\n", EVKV_UNAVAILABLE,
	    EVKV_CAUSE_PROTOCOL, "this is no memcached: -ERR unknown");
	refused("\x16\x03\x01\r\n", EVKV_UNAVAILABLE, EVKV_CAUSE_PROTOCOL,
	    "this is no memcached");
	refused("ERROR Too many open connections\r\n", EVKV_UNAVAILABLE,
	    EVKV_CAUSE_SERVER, "Too many open connections");
}

/* What is no memcached may say back what it was sent. */
EVKV_TEST(memcached_peer, a_password_is_not_told)
{
	struct fake f;

	fake_begin(&f);
	f.options.user = "bob";
	f.options.password = "sesame";
	f.options.fail_fast = true;
	f.to_login = "-ERR unknown command 'bob', with args 'sesame'\r\n";
	fake_store(&f);
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_contains(f.answers[0].message, "this is no memcached");
	check(strstr(f.answers[0].message, "sesame") == NULL);
	fake_close(&f);
}

EVKV_TEST(memcached_peer, statistics_may_be_refused)
{
	struct fake f;

	fake_begin(&f);
	f.to_stats = "ERROR\r\n";
	fake_store(&f);
	fake_get(&f, 0);
	fake_wait(&f, 1);
	fake_check_done(&f, 0);
	evkv_incr(f.store, EVKV_LIT("c"), EVKV_LIT("number"), 2, answer_cb,
	    &f.answers[1]);
	fake_wait(&f, 2);
	check_int(f.answers[1].entries[0].number, 7);
	fake_close(&f);
}

/* ---- Options ---------------------------------------------------------- */

static void bad_url(struct rig *rig, const char *url, const char *words)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	if (evkv_open(rig->loop, url, &error) != NULL)
		fail_test("%s is taken", url);
	check_int(error.status, EVKV_INVALID);
	check_contains(error.message, words);
}

EVKV_TEST(memcached_peer, bad_urls_are_told)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char long_prefix[200];
	struct rig rig;

	rig_open(&rig);
	check(evkv_memcached_register(rig.loop));
	bad_url(&rig, "memcached://h/?distribution=random", "distribution");
	bad_url(&rig, "memcached://h*0", "weight");
	bad_url(&rig, "memcached://a*2,b/?distribution=modula",
	    "server 1 (a): a weight needs the distribution ketama_weighted");
	bad_url(&rig, "memcached://a*65536,b", "weight");
	bad_url(&rig, "memcached://a,b,a", "twice");
	bad_url(&rig, "memcached://a,b:11211,a:11211",
	    "server 3 (a): it is there twice");
	bad_url(&rig, "memcached://a,,b", "empty part");
	bad_url(&rig, "memcached://a/3", "nothing but '/'");
	bad_url(&rig, "memcached://bob@a", "a user and a password");
	bad_url(&rig, "memcached://:secret@a", "a user and a password");
	bad_url(&rig, "memcached://b%20b:secret@a", "no blank");
	bad_url(&rig, "memcached+unix://a/s", "path/to/socket");
	bad_url(&rig, "memcached+unix:", "path/to/socket");
	bad_url(&rig, "memcached+unix:/s?tls_ca_file=x", "TLS");
	bad_url(&rig, "memcached://a?key_prefix=a%20b", "key_prefix");
	bad_url(&rig, "memcached://a?connections=17", "connections");
	bad_url(&rig, "memcached://a?flags=4294967296", "flags");
	memset(long_prefix, 'p', sizeof(long_prefix));
	memcpy(long_prefix, "memcached://a?key_prefix=", 25);
	long_prefix[25 + 129] = '\0';
	bad_url(&rig, long_prefix, "128 bytes");
	long_prefix[25 + 128] = '\0';
	evkv_store_unref(evkv_open(rig.loop, long_prefix, &error));
	check_str(error.message, "");
	rig_turn(&rig);
	rig_close(&rig);
}

EVKV_TEST(memcached_peer, urls_are_described)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_memcached_register(rig.loop));
	rig_check_described(&rig, "memcached:", "memcached://localhost:11211");
	rig_check_described(&rig, "memcached://127.0.0.1,127.0.0.2*3,[::1]:12/",
	    "memcached://127.0.0.1:11211,127.0.0.2:11211*3,[::1]:12");
	rig_check_described(&rig, "memcached://127.0.0.1*65535,127.0.0.2*1",
	    "memcached://127.0.0.1:11211*65535,127.0.0.2:11211");
	rig_check_described(&rig,
	    "memcacheds://u:p@h?eject=yes&distribution=ketama&timeout_ms=2s",
	    "memcacheds://u:***@h:11211?distribution=ketama&eject=yes&"
	    "timeout_ms=2s");
	rig_check_described(&rig,
	    "memory: | passthrough_cache(\"memcached://127.0.0.1,127.0.0.2\", "
	    "max_ttl=5s)",
	    "memory: | "
	    "passthrough_cache(\"memcached://127.0.0.1:11211,127.0.0.2:11211\","
	    " max_ttl=5s)");
	rig_check_described(&rig, "memcached+unix:///tmp/s?key_prefix=a:",
	    "memcached+unix:///tmp/s?key_prefix=a:");
	rig_close(&rig);
}

/* A list stands as it is outside of parentheses, and quoted within. */
EVKV_TEST(memcached_peer, a_list_of_servers_in_a_chain)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	check(evkv_memcached_register(rig.loop));
	store = evkv_open(rig.loop,
	    "memcached://127.0.0.1:1,127.0.0.1:2 | prefix_keys(a:)", &error);
	check_str(error.message, "");
	evkv_store_unref(store);
	store = evkv_open(rig.loop,
	    "memory: | passthrough_cache(\"memcached://127.0.0.1:1,"
	    "127.0.0.1:2\", max_ttl=5s)",
	    &error);
	check_str(error.message, "");
	evkv_store_unref(store);
	rig_close(&rig);
}

/* Each allocation of the constructor fails once. */
EVKV_TEST(memcached_peer, a_constructor_without_memory)
{
	struct evkv_memcached_server servers[] = { { .host = "127.0.0.1",
						       .port = 1 },
		{ .host = "127.0.0.1", .port = 2 } };
	const struct evkv_memcached_options options = {
		.servers = servers,
		.server_count = 2,
		.user = "u",
		.password = "p",
		.key_prefix = "k",
	};
	struct evkv_store *store = NULL;
	struct rig rig;

	rig_open(&rig);
	for (size_t i = 1; store == NULL; i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		check(i < 200);
		faults_fail_nth(i);
		store = evkv_memcached_new(rig.loop, &options, &error);
		faults_off();
		if (store == NULL)
			check_int(error.status, EVKV_NOMEM);
	}
	evkv_store_unref(store);
	rig_close(&rig);
}

/* What takes several steps has to remember them. */
static bool take_without_memory(size_t nth)
{
	struct evkv_slice keys[200];
	static char names[200][8];
	struct fake f;
	bool met;

	for (size_t i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		keys[i] = evkv_str(names[i]);
	}
	fake_open(&f);
	faults_fail_nth(nth);
	check(evkv_submit(f.store,
		  &(struct evkv_request){ .kind = EVKV_OP_TAKE,
		      .collection = EVKV_LIT("c"),
		      .count = 200,
		      .keys = keys },
		  answer_cb, &f.answers[0]) != 0);
	fake_wait(&f, 1);
	met = faults_fired() > 0;
	faults_off();
	if (!met)
		check_status(f.answers[0].status, EVKV_OK);
	fake_check_recovered(&f);
	fake_close(&f);
	return met;
}

EVKV_TEST(memcached_peer, a_take_of_many_without_memory)
{
	size_t nth = 1;

	while (take_without_memory(nth))
		check(++nth < 2000);
	check(nth > 3);
}
