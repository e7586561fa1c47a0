/*
 * tests/stores/redis/peer_test.c - the redis driver against a server that lies,
 * refuses, and is not there.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "lib/faults.h"

/* ---- Lies ------------------------------------------------------------ */

static const struct {
	const char *reply;
	enum evkv_status status;
} lies[] = {
	{ "?!\r\n", EVKV_CORRUPT },
	{ "\r\n\r\n", EVKV_CORRUPT },
	{ ":1\r\n", EVKV_CORRUPT }, /* not to a GET */
	{ "+OK\r\n", EVKV_CORRUPT },
	{ ":x\r\n", EVKV_CORRUPT },
	{ "*1\r\n$1\r\na\r\n", EVKV_CORRUPT },
	{ "*0\r\n", EVKV_CORRUPT },
	{ "*2147483647\r\n", EVKV_CORRUPT },
	{ "*-7\r\n", EVKV_CORRUPT },
	{ "$-7\r\n", EVKV_CORRUPT },
	{ "$99999999999999999999999\r\n", EVKV_CORRUPT },
	{ "$0x10\r\n", EVKV_CORRUPT },
	{ "$01\r\na\r\n", EVKV_CORRUPT }, /* as the reader has it */
	{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
	    EVKV_CORRUPT },
	{ "_\r\n", EVKV_CORRUPT }, /* of RESP3 */
	{ "%1\r\n+a\r\n+b\r\n", EVKV_CORRUPT },
	{ ",1.5\r\n", EVKV_CORRUPT },
	{ "#t\r\n", EVKV_CORRUPT },
	{ ">1\r\n+a\r\n", EVKV_CORRUPT },
};

EVKV_TEST(redis_peer, what_is_no_answer_ends_the_connection)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_all = lies[i].reply;
		fake_get(&f, 0);
		fake_put(&f, 1);
		fake_wait(&f, 2);
		if (f.answers[0].status != lies[i].status)
			fail_test("%s: %s", lies[i].reply,
			    evkv_status_name(f.answers[0].status));
		check_int(f.answers[0].cause, EVKV_CAUSE_PROTOCOL);
		check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
		rig_until(&f.rig, f.peer->alive == 0);
		fake_check_recovered(&f);
		check_int(f.peer->accepted, 2);
		fake_close(&f);
	}
}

EVKV_TEST(redis_peer, an_array_of_another_size_is_no_answer)
{
	static const char *const replies[] = { "*3\r\n$1\r\na\r\n",
		"*1\r\n$1\r\na\r\n", "*2147483647\r\n$1\r\na\r\n",
		"*2\r\n:1\r\n", "*2\r\n*1\r\n$1\r\na\r\n" };
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_all = replies[i];
		evkv_get_many(f.store, EVKV_LIT("c"), keys, 2, answer_cb,
		    &f.answers[0]);
		fake_wait(&f, 1);
		check_status(f.answers[0].status, EVKV_CORRUPT);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

EVKV_TEST(redis_peer, a_cursor_is_all_digits)
{
	static const struct {
		const char *reply;
		enum evkv_status status;
	} rows[] = {
		{ "*2\r\n$2\r\n10\r\n*0\r\n", EVKV_OK },
		{ "*2\r\n$2\r\n1:\r\n*0\r\n", EVKV_CORRUPT },
		{ "*2\r\n$2\r\n1/\r\n*0\r\n", EVKV_CORRUPT },
		{ "*2\r\n$2\r\n:1\r\n*0\r\n", EVKV_CORRUPT },
		{ "*2\r\n$0\r\n\r\n*0\r\n", EVKV_CORRUPT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_scan = rows[i].reply;
		f.to_next_scan = "*2\r\n$1\r\n0\r\n*0\r\n";
		evkv_keys(f.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 1,
		    answer_cb, &f.answers[0]);
		fake_wait(&f, 1);
		check_status(f.answers[0].status, rows[i].status);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

/* Of one name two or minus one can't have been removed. */
EVKV_TEST(redis_peer, a_count_of_removals_that_can_not_be)
{
	static const char *const counts[] = { ":2\r\n", ":-1\r\n",
		":9223372036854775807\r\n" };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct fake f;

		fake_open(&f);
		f.to_scan = "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nc:a\r\n";
		evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb,
		    &f.answers[0]);
		rig_until(&f.rig, f.commands == 1);
		f.to_all = counts[i];
		fake_wait(&f, 1);
		check_status(f.answers[0].status, EVKV_UNKNOWN_OUTCOME);
		check_int(f.answers[0].cause, EVKV_CAUSE_PROTOCOL);
		check_int(f.answers[0].affected, -1);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

EVKV_TEST(redis_peer, a_reply_too_many_reaches_no_other_op)
{
	struct fake f;

	fake_open(&f);
	f.to_all = "$1\r\na\r\n$1\r\nb\r\n";
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_slice(f.answers[0].entries[0].bytes, "a");
	rig_until(&f.rig, f.peer->alive == 0);
	fake_check_recovered(&f);
	fake_close(&f);
}

EVKV_TEST(redis_peer, a_reply_over_the_limit_is_too_large)
{
	static char big[30000];
	struct fake f;

	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "$20000\r\n", 8);
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

/* Also where it came in one piece. */
/* MGET and its keys: at most 512 in one command. */
EVKV_TEST(redis_peer, a_batch_of_many_keys_is_several_commands)
{
	enum { COUNT = 513 };
	struct answer a = ANSWER_INIT;
	struct evkv_slice keys[COUNT];
	char names[COUNT][8];
	struct fake f;
	size_t i;

	fake_open(&f);
	for (i = 0; i < COUNT; i++)
		keys[i] = evkv_bytes(names[i],
		    (size_t)snprintf(names[i], sizeof(names[i]), "k%zu", i));
	check(evkv_get_many(f.store, EVKV_LIT("c"), keys, COUNT, answer_cb,
		  &a) != 0);
	rig_wait(&f.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_int(f.commands, 2);
	check_int(f.most_words, 513);
	check_slice(a.entries[0].bytes, "v-k0");
	check_slice(a.entries[511].bytes, "v-k511");
	check_slice(a.entries[512].bytes, "v-k512");
	answer_free(&a);
	fake_close(&f);
}

EVKV_TEST(redis_peer, a_short_reply_over_the_limit_is_too_large)
{
	static const char *const replies[] = { "$30\r\n"
					       "012345678901234567890123456789"
					       "\r\n",
		"$26\r\n01234567890123456789012345\r\n" };

	for (size_t i = 0; i < 2; i++) {
		struct fake f;

		fake_begin(&f);
		f.options.max_reply_bytes = 33;
		fake_store(&f);
		fake_until_ready(&f);
		f.to_all = replies[i];
		fake_get(&f, 0);
		fake_wait(&f, 1);
		check_status(f.answers[0].status,
		    i == 0 ? EVKV_TOO_LARGE : EVKV_OK);
		if (i == 0)
			fake_check_recovered(&f);
		fake_close(&f);
	}
}

/* Bytes of the heap that are in use; 0 under a sanitizer's heap. */
static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

EVKV_TEST(redis_peer, the_memory_of_a_long_reply_is_given_back)
{
	static const size_t size = 10000000;
	char *big = malloc(size + 32);
	int head = sprintf(big, "$%zu\r\n", size);
	size_t before;
	struct fake f;

	memset(big + head, 'x', size);
	memcpy(big + (size_t)head + size, "\r\n", 3);
	fake_open(&f);
	before = heap_bytes();
	f.to_all = big;
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_int(f.answers[0].entries[0].bytes.size, size);
	answer_reset(&f.answers[0]);
	f.to_all = NULL;
	for (unsigned i = 1; i <= 3; i++) {
		fake_get(&f, i);
		rig_wait(&f.rig, &f.answers[i].calls);
		rig_advance(&f.rig, 5001);
		rig_turn(&f.rig);
	}
	check_between((intmax_t)heap_bytes(), 0, (intmax_t)before + 1000000);
	fake_close(&f);
	free(big);
}

/* A maximum that is given holds for the first pause, too. */
EVKV_TEST(redis_peer, a_maximum_of_the_pause_below_the_usual_first)
{
	struct fake f;

	fake_begin(&f);
	f.options.backoff_max_ms = 10;
	peer_refuse(f.peer);
	fake_store(&f);
	rig_until(&f.rig, evkv_store_state(f.store) == EVKV_STATE_DOWN);
	peer_accept(f.peer);
	rig_advance(&f.rig, 10);
	fake_until_ready(&f);
	fake_close(&f);
}

/* ---- Refusals -------------------------------------------------------- */

static const struct {
	const char *reply;
	enum evkv_status status;
	enum evkv_cause cause;
	const char *part; /* of the message */
} refusals[] = {
	{ "-ERR something\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER,
	    "ERR something" },
	{ "-OOM command not allowed\r\n", EVKV_NOSPACE, EVKV_CAUSE_SERVER,
	    "OOM command not allowed" },
	{ "-LOADING Redis is loading\r\n", EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER,
	    "LOADING Redis" },
	{ "-NOAUTH Authentication required.\r\n", EVKV_REFUSED, EVKV_CAUSE_AUTH,
	    "NOAUTH" },
	{ "-NOPERM this user\r\n", EVKV_REFUSED, EVKV_CAUSE_AUTH, "NOPERM" },
	{ "-MOVED 3999 127.0.0.1:6381\r\n", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER,
	    "cluster mode is not supported yet: MOVED 3999" },
	{ "-CLUSTERDOWN Hash slot not served\r\n", EVKV_UNSUPPORTED,
	    EVKV_CAUSE_SERVER, "cluster mode is not supported yet" },
	{ "-BUSY Redis is busy running a script\r\n", EVKV_SERVER,
	    EVKV_CAUSE_SERVER, "BUSY Redis" },
	{ "-MISCONF can't persist\r\n", EVKV_REFUSED, EVKV_CAUSE_SERVER,
	    "MISCONF" },
	{ "-MASTERDOWN Link with MASTER is down\r\n", EVKV_UNAVAILABLE,
	    EVKV_CAUSE_SERVER, "MASTERDOWN" },
	/* Words that begin like known ones. */
	{ "-BUSYKEY Target key name already exists.\r\n", EVKV_SERVER,
	    EVKV_CAUSE_SERVER, "BUSYKEY" },
	{ "-OOMX\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "OOMX" },
	{ "-OO\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "OO" },
	{ "-OOM\r\n", EVKV_NOSPACE, EVKV_CAUSE_SERVER, "OOM" },
	{ "-READONLYX no\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "READONLYX" },
	{ "-LOADINGS\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "LOADINGS" },
	{ "-MOVEDX 1\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "MOVEDX" },
	{ "-NOAUTHX\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "NOAUTHX" },
	{ "-oom not ours\r\n", EVKV_SERVER, EVKV_CAUSE_SERVER, "oom" },
};

EVKV_TEST(redis_peer, the_servers_errors_become_statuses_in_its_words)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct fake f;

	fake_open(&f);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct answer *a = f.answers;

		f.to_all = refusals[i].reply;
		fake_get(&f, 0);
		fake_put(&f, 1);
		evkv_get_many(f.store, EVKV_LIT("c"), keys, 2, answer_cb,
		    &a[2]);
		evkv_ttl(f.store, EVKV_LIT("c"), keys[0], answer_cb, &a[3]);
		evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb,
		    &a[4]);
		evkv_ping(f.store, answer_cb, &a[5]);
		fake_wait(&f, 6);
		for (unsigned j = 0; j < 6; j++) {
			check_status(a[j].status, refusals[i].status);
			check_int(a[j].cause, refusals[i].cause);
			check_contains(a[j].message, refusals[i].part);
			answer_reset(&a[j]);
			a[j].calls = 0;
		}
	}
	check_int(f.peer->accepted, 1);
	f.to_all = "-WRONGTYPE Operation against a key\r\n";
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_NOT_FOUND);
	fake_close(&f);
}

/* A server that takes a command for one of a transaction has not done it. */
EVKV_TEST(redis_peer, a_put_is_done_when_the_server_says_ok)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct fake f;

	fake_open(&f);
	f.to_all = "+QUEUED\r\n";
	fake_put(&f, 1);
	rig_wait(&f.rig, &f.answers[1].calls);
	check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[1].cause, EVKV_CAUSE_PROTOCOL);
	f.to_all = NULL;
	fake_check_recovered(&f);
	f.to_all = "+QUEUED\r\n";
	evkv_put_many(f.store, EVKV_LIT("c"), keys, keys, 2, 0, answer_cb,
	    &f.answers[2]);
	rig_wait(&f.rig, &f.answers[2].calls);
	check_status(f.answers[2].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[2].cause, EVKV_CAUSE_PROTOCOL);
	fake_close(&f);
}

/* Some entries are gone when the server refuses to go on. */
EVKV_TEST(redis_peer, a_removal_that_is_refused_half_way_is_unknown)
{
	static const char *const refused[] = { "-LOADING wait\r\n",
		"-MOVED 1 127.0.0.1:1\r\n", "-NOPERM this user\r\n",
		"-ERR something\r\n" };
	struct answer *a;
	struct fake f;

	fake_open(&f);
	a = &f.answers[0];
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		f.to_scan = "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n";
		f.to_next_scan = refused[i];
		evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, a);
		fake_wait(&f, 1);
		check_status(a->status, EVKV_UNKNOWN_OUTCOME);
		check(a->cause == EVKV_CAUSE_SERVER ||
		    a->cause == EVKV_CAUSE_AUTH);
		check_int(a->affected, -1);
		answer_reset(a);
		a->calls = 0;
	}
	/* There was nothing to be removed before: no effect, and so it says. */
	f.to_scan = "*2\r\n$1\r\n7\r\n*0\r\n";
	f.to_next_scan = refused[0];
	evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, a);
	fake_wait(&f, 1);
	check_status(a->status, EVKV_UNAVAILABLE);
	fake_close(&f);
}

/* A page whose names need more memory than those of the one before. */
static void long_page(char *text, size_t room)
{
	size_t at = (size_t)snprintf(text, room, "*2\r\n$1\r\n0\r\n*40\r\n");

	for (int i = 0; i < 40; i++)
		at += (size_t)snprintf(text + at, room - at,
		    "$202\r\nc:%0200d\r\n", i);
}

static bool clear_without_memory(size_t nth)
{
	static char page[10000];
	struct answer *a;
	struct fake f;
	bool met;

	long_page(page, sizeof(page));
	fake_open(&f);
	a = &f.answers[0];
	f.to_scan = "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n";
	f.to_next_scan = page;
	faults_fail_nth(nth);
	evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, a);
	fake_wait(&f, 1);
	met = faults_fired() > 0;
	faults_off();
	/* The first is gone when the second page is asked for. */
	if (strcmp(f.cursors, "0 7 ") == 0)
		check(a->status == EVKV_OK ||
		    a->status == EVKV_UNKNOWN_OUTCOME);
	fake_close(&f);
	return met;
}

EVKV_TEST(redis_peer, a_removal_without_memory_half_way_is_unknown)
{
	size_t nth = 1;

	while (clear_without_memory(nth))
		check(++nth < 200);
	check(nth > 3);
}

/* Everything under way gets its true answer; then the connection is renewed. */
EVKV_TEST(redis_peer, a_readonly_server_is_connected_to_anew)
{
	struct fake f;

	fake_open(&f);
	f.to_all = "-READONLY You can't write against a replica.\r\n";
	f.errors = 3;
	fake_put(&f, 1);
	fake_put(&f, 3);
	fake_put(&f, 5);
	fake_get(&f, 6);
	rig_wait(&f.rig, &f.answers[6].calls);
	for (unsigned i = 1; i < 6; i += 2) {
		check_status(f.answers[i].status, EVKV_REFUSED);
		check_contains(f.answers[i].message, "READONLY");
	}
	fake_check_done(&f, 6);
	rig_until(&f.rig, f.peer->alive == 0);
	fake_check_recovered(&f);
	check_int(f.peer->accepted, 2);
	fake_close(&f);
}

static void check_refused(const char *to_auth, const char *part)
{
	struct fake f;

	fake_begin(&f);
	f.options.user = "bob";
	f.options.password = "sesame";
	f.to_auth = to_auth;
	fake_store(&f);
	fake_get(&f, 0);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_REFUSED);
	check_int(f.answers[0].cause, EVKV_CAUSE_AUTH);
	check_contains(f.answers[0].message, part);
	check(strstr(f.answers[0].message, "sesame") == NULL);
	check(strstr(f.log, "sesame") == NULL);
	/* It is tried again, not soon, and works once it may. */
	f.to_auth = NULL;
	rig_advance(&f.rig, 5001);
	fake_until_ready(&f);
	fake_get(&f, 2);
	rig_wait(&f.rig, &f.answers[2].calls);
	fake_check_done(&f, 2);
	check_int(f.peer->accepted, 2);
	fake_close(&f);
}

EVKV_TEST(redis_peer, refused_credentials_are_told_without_the_password)
{
	check_refused("-WRONGPASS invalid username-password pair\r\n",
	    "AUTH: WRONGPASS invalid");
	check_refused("-ERR unknown command 'AUTH', with args beginning with: "
		      "'bob' 'sesame' \r\n",
	    "AUTH: refused by the server");
	check_refused("-ERR no sesame here\r\n", "AUTH: refused");
}

/* Passwords that were wiped, here in place of the C library's. */
static unsigned wiped;

void count_wiped(void *memory, size_t size) __asm__("explicit_bzero");

__attribute__((visibility("default"))) void count_wiped(void *memory,
    size_t size)
{
	wiped += size == 6 && memcmp(memory, "sesame", 6) == 0;
	memset(memory, 0, size);
}

EVKV_TEST(redis_peer, a_password_does_not_stay_in_memory)
{
	struct fake f;

#if defined(_FORTIFY_SOURCE) && _FORTIFY_SOURCE > 0
	skip_test("another function is called then");
#endif
	fake_begin(&f);
	f.options.password = "sesame";
	fake_store(&f);
	fake_until_ready(&f);
	wiped = 0;
	fake_close(&f);
	check_int(wiped, 1);
}

/* Nor the one that was sent, when it is another one by then. */
EVKV_TEST(redis_peer, a_password_that_changes_in_the_handshake)
{
	struct fake f;

	fake_begin(&f);
	f.options.password = "sesame";
	f.to_auth = "-ERR no sesame here\r\n";
	f.peer->plan.hold = true;
	fake_store(&f);
	fake_get(&f, 0);
	rig_until(&f.rig,
	    f.peer->newest != NULL && peer_taken(f.peer->newest) > 0);
	check_status(evkv_redis_set_credentials(f.store, NULL, "other"),
	    EVKV_OK);
	f.peer->plan.hold = false;
	peer_release(f.peer);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_REFUSED);
	check_contains(f.answers[0].message, "AUTH: refused by the server");
	check(strstr(f.log, "sesame") == NULL);
	f.to_auth = NULL;
	rig_advance(&f.rig, 1001);
	fake_until_ready(&f);
	fake_close(&f);
}

EVKV_TEST(redis_peer, a_server_that_is_loading_is_tried_again)
{
	struct fake f;

	fake_begin(&f);
	f.to_ping = "-LOADING Redis is loading the dataset in memory\r\n";
	fake_store(&f);
	fake_get(&f, 0);
	rig_until(&f.rig, evkv_store_state(f.store) == EVKV_STATE_DOWN);
	check_int(f.answers[0].calls, 0);
	f.to_ping = NULL;
	rig_advance(&f.rig, 100);
	fake_wait(&f, 1);
	fake_check_done(&f, 0);
	fake_close(&f);
}

EVKV_TEST(redis_peer, a_database_that_is_not_there_is_refused)
{
	struct answer ready = ANSWER_INIT;
	struct fake f;

	fake_begin(&f);
	f.options.db = 99;
	f.to_select = "-ERR DB index is out of range\r\n";
	fake_store(&f);
	evkv_store_wait_ready(f.store, -1, answer_cb, &ready);
	rig_wait(&f.rig, &ready.calls);
	check_status(ready.status, EVKV_REFUSED);
	check_contains(ready.message, "SELECT: ERR DB index is out of range");
	answer_free(&ready);
	fake_close(&f);
}

/* ---- A dead server --------------------------------------------------- */

#define DEAD_OPS 100000
#define DEAD_PENDING 20000
#define DEAD_OFFLINE 5000

static size_t dead_calls, dead_busy, dead_unavailable, dead_other;

static void dead_cb(const struct evkv_result *result, void *arg)
{
	(void)arg;
	dead_calls++;
	if (result->status == EVKV_BUSY)
		dead_busy++;
	else if (result->status == EVKV_UNAVAILABLE)
		dead_unavailable++;
	else
		dead_other++;
}

EVKV_TEST(redis_peer, a_dead_server_costs_bounded_memory)
{
	struct evkv_counters counters;
	char value[1000];
	struct fake f;

	dead_calls = dead_busy = dead_unavailable = dead_other = 0;
	memset(value, 'v', sizeof(value));
	fake_begin(&f);
	f.options.max_pending = DEAD_PENDING;
	f.options.max_offline = DEAD_OFFLINE;
	peer_refuse(f.peer);
	fake_store(&f);
	for (unsigned i = 0; i < DEAD_OPS; i++) {
		check(evkv_put(f.store, EVKV_LIT("c"),
			  evkv_bytes(&i, sizeof(i)),
			  evkv_bytes(value, sizeof(value)), 0, dead_cb,
			  NULL) != 0);
		evkv_store_counters(f.store, &counters);
		check(counters.pending <= DEAD_PENDING);
		if (i % 1000 == 0)
			rig_turn(&f.rig);
	}
	/* Each that waits holds an op and a copy of its request. */
	check(faults_outstanding() < DEAD_PENDING * 4);
	rig_advance(&f.rig, 6000);
	rig_until(&f.rig, dead_calls == DEAD_OPS);
	check_int(dead_other, 0);
	check_int(dead_unavailable, DEAD_OFFLINE);
	check_int(dead_busy, DEAD_OPS - DEAD_OFFLINE);
	peer_accept(f.peer);
	fake_check_recovered(&f);
	fake_close(&f);
}

/* ---- Effect and reason ----------------------------------------------- */

/* Through wrappers too: what was never sent has surely had no effect. */
EVKV_TEST(redis_peer, a_write_that_waits_offline_has_no_effect)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct fake f;

	fake_begin(&f);
	peer_refuse(f.peer);
	fake_store(&f);
	store = evkv_passthrough_cache_new(evkv_store_ref(f.store),
	    evkv_memory_new(f.rig.loop, NULL, &error), NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("p:"), &error);
	check(store != NULL);
	evkv_store_set_timeout(store, 1000);
	for (unsigned i = 0; i < 3; i++)
		evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
		    answer_cb, &f.answers[i]);
	rig_turn(&f.rig);
	rig_advance(&f.rig, 1001);
	fake_wait(&f, 3);
	for (unsigned i = 0; i < 3; i++) {
		check_status(f.answers[i].status, EVKV_UNAVAILABLE);
		check_contains(f.answers[i].message, "Connection refused");
		check_int(f.answers[i].affected, 0);
	}
	evkv_store_unref(store);
	fake_close(&f);
}

EVKV_TEST(redis_peer, a_silent_server_is_given_up)
{
	struct fake f;

	fake_open(&f);
	f.peer->plan.silent = true;
	fake_get(&f, 0);
	fake_put(&f, 1);
	rig_until(&f.rig, peer_taken(f.peer->newest) > 50);
	rig_advance(&f.rig, 5001);
	fake_wait(&f, 2);
	check_status(f.answers[0].status, EVKV_UNAVAILABLE);
	check_status(f.answers[1].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[0].cause, EVKV_CAUSE_STALL);
	check_int(f.answers[1].cause, EVKV_CAUSE_STALL);
	f.peer->plan.silent = false;
	fake_check_recovered(&f);
	fake_close(&f);
}
