/*
 * tests/stores/redis/rounds_test.c - replies in a row, each of them chosen:
 * TTLs asked for twice, numbers that no command answers, removals that are cut
 * off, scripts.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/number.h"
#include "fake.h"
#include "lib/faults.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

static void wait_for(struct fake *f, struct answer *a)
{
	rig_wait(&f->rig, &a->calls);
	check_int(a->calls, 1);
}

static struct answer *fresh(struct fake *f)
{
	answer_reset(&f->answers[0]);
	f->answers[0].calls = 0;
	return &f->answers[0];
}

/* ---- TTL -------------------------------------------------------------- */

static int64_t ttl_by(struct fake *f, const char *const *script)
{
	struct answer *a = fresh(f);

	f->script = script;
	check(evkv_ttl(f->store, C, K, answer_cb, a) != 0);
	wait_for(f, a);
	check_status(a->status, EVKV_OK);
	check_slice(a->entries[0].bytes, "v");
	return a->entries[0].ttl_ms;
}

EVKV_TEST(redis_rounds, a_ttl_in_a_transaction)
{
	static const struct {
		const char *exec;
		int64_t ttl_ms;
	} cases[] = {
		{ "*2\r\n:1\r\n$1\r\nv\r\n", 1 },
		/* About to expire, and still there. */
		{ "*2\r\n:0\r\n$1\r\nv\r\n", 1 },
		{ "*2\r\n:-1\r\n$1\r\nv\r\n", EVKV_TTL_NONE },
		{ "*2\r\n:8000000000000000\r\n$1\r\nv\r\n", EVKV_TTL_MAX },
	};
	struct fake f;
	size_t i;

	fake_open(&f);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *script[] = { "+OK\r\n", "+QUEUED\r\n",
			"+QUEUED\r\n", cases[i].exec, NULL };

		check_int(ttl_by(&f, script), cases[i].ttl_ms);
	}
	fake_close(&f);
}

/* A server that is full is asked before and after the value. */
EVKV_TEST(redis_rounds, the_shorter_of_two_ttls)
{
	static const struct {
		const char *before, *after;
		int64_t ttl_ms;
	} cases[] = {
		{ ":500\r\n", ":1000\r\n", 500 },
		{ ":1000\r\n", ":500\r\n", 500 },
		{ ":-1\r\n", ":500\r\n", 500 },
		{ ":500\r\n", ":-1\r\n", 500 },
		{ ":-1\r\n", ":-1\r\n", EVKV_TTL_NONE },
		{ ":-2\r\n", ":500\r\n", 500 },
		{ ":0\r\n", ":-1\r\n", 1 },
		{ ":-1\r\n", ":0\r\n", 1 },
	};
	static const char *const gone[] = { ":500\r\n", "*1\r\n$-1\r\n",
		":-2\r\n", NULL };
	struct fake f;
	size_t i;

	fake_open(&f);
	f.to_all = "-OOM command not allowed\r\n";
	f.errors = 1;
	check(evkv_put(f.store, C, K, EVKV_LIT("v"), 0, answer_cb, fresh(&f)) !=
	    0);
	wait_for(&f, &f.answers[0]);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *script[] = { cases[i].before, "*1\r\n$1\r\nv\r\n",
			cases[i].after, NULL };

		check_int(ttl_by(&f, script), cases[i].ttl_ms);
	}
	/* What went between has no TTL either. */
	f.script = gone;
	check(evkv_ttl(f.store, C, K, answer_cb, fresh(&f)) != 0);
	wait_for(&f, &f.answers[0]);
	check_status(f.answers[0].status, EVKV_NOT_FOUND);
	check_int(f.answers[0].entries[0].ttl_ms, EVKV_TTL_NONE);
	fake_close(&f);
}

/* ---- Numbers ---------------------------------------------------------- */

/* One key is there, or it is not. */
EVKV_TEST(redis_rounds, numbers_that_no_server_would_answer)
{
	static const char *const numbers[] = { ":2\r\n", ":-1\r\n",
		":4294967297\r\n" };
	struct fake f;
	size_t i;

	for (i = 0; i < 3 * sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *script[] = { numbers[i / 3], NULL };
		struct answer *a;

		fake_open(&f);
		f.script = script;
		a = fresh(&f);
		if (i % 3 == 0)
			check(evkv_delete(f.store, C, K, answer_cb, a) != 0);
		else if (i % 3 == 1)
			check(evkv_exists(f.store, C, K, answer_cb, a) != 0);
		else
			check(evkv_touch(f.store, C, K, 5, answer_cb, a) != 0);
		wait_for(&f, a);
		check_status(a->status,
		    i % 3 == 1 ? EVKV_CORRUPT : EVKV_UNKNOWN_OUTCOME);
		check_int(a->cause, EVKV_CAUSE_PROTOCOL);
		rig_until(&f.rig, f.peer->alive == 0);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

static const struct {
	enum evkv_kind kind;
	size_t count;
	const char *replies[4];
} unfit[] = {
	{ EVKV_OP_PUT, 1, { ":1\r\n", "$1\r\nx\r\n", "*0\r\n" } },
	{ EVKV_OP_PUT, 2, { ":1\r\n", "$1\r\nx\r\n", "*0\r\n", "$-1\r\n" } },
	{ EVKV_OP_GET, 1, { ":1\r\n", "+OK\r\n" } },
	{ EVKV_OP_GET, 2,
	    { ":1\r\n", "+OK\r\n", "*1\r\n$1\r\nx\r\n",
		"*2\r\n:1\r\n:2\r\n" } },
	{ EVKV_OP_EXISTS, 1, { "+OK\r\n", "$1\r\n1\r\n", "*0\r\n" } },
	{ EVKV_OP_DELETE, 1, { "+OK\r\n", "$1\r\n1\r\n", "*0\r\n" } },
	{ EVKV_OP_TOUCH, 1, { "+OK\r\n", "$1\r\n1\r\n", "*0\r\n" } },
	{ EVKV_OP_TAKE, 1, { ":1\r\n", "+OK\r\n", "*0\r\n" } },
	{ EVKV_OP_KEYS, 0,
	    { "+OK\r\n", "*1\r\n$1\r\n0\r\n", "*2\r\n:0\r\n*0\r\n",
		"*2\r\n$1\r\nx\r\n*0\r\n" } },
};

/* A reply of another type than the command's: what it means is not known. */
EVKV_TEST(redis_rounds, replies_that_do_not_fit_their_command)
{
	const struct evkv_slice names[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct evkv_request request = { .collection = C, .keys = names };
	struct answer *a;
	struct fake f;
	size_t i, j;

	for (i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
		request.kind = unfit[i].kind;
		request.count = unfit[i].count;
		request.ttl_ms = unfit[i].kind == EVKV_OP_TOUCH ? 500 : 0;
		request.values = unfit[i].kind == EVKV_OP_PUT ? names : NULL;
		request.keys = unfit[i].count > 0 ? names : NULL;
		for (j = 0; j < 4 && unfit[i].replies[j] != NULL; j++) {
			const char *script[] = { unfit[i].replies[j], NULL };

			fake_open(&f);
			f.script = script;
			a = fresh(&f);
			check(evkv_submit(f.store, &request, answer_cb, a) !=
			    0);
			wait_for(&f, a);
			if (a->cause != EVKV_CAUSE_PROTOCOL)
				fail_test("%s, %s",
				    evkv_kind_name(request.kind),
				    unfit[i].replies[j]);
			check_status(a->status,
			    unfit[i].kind == EVKV_OP_PUT ||
				    unfit[i].kind == EVKV_OP_DELETE ||
				    unfit[i].kind == EVKV_OP_TOUCH ||
				    unfit[i].kind == EVKV_OP_TAKE
				? EVKV_UNKNOWN_OUTCOME
				: EVKV_CORRUPT);
			rig_until(&f.rig, f.peer->alive == 0);
			fake_check_recovered(&f);
			fake_close(&f);
		}
	}
}

/* PERSIST, then EXISTS; what had a TTL was there, whatever comes after. */
EVKV_TEST(redis_rounds, a_ttl_that_is_removed)
{
	static const struct {
		const char *persist, *exists;
		enum evkv_status status;
	} cases[] = {
		{ ":1\r\n", ":1\r\n", EVKV_OK },
		{ ":1\r\n", ":0\r\n", EVKV_OK },
		{ ":1\r\n", "-ERR x\r\n", EVKV_OK },
		{ ":0\r\n", ":1\r\n", EVKV_OK },
		{ ":0\r\n", ":0\r\n", EVKV_NOT_FOUND },
		{ ":0\r\n", "-ERR x\r\n", EVKV_SERVER },
		{ "-ERR x\r\n", ":1\r\n", EVKV_SERVER },
	};
	struct fake f;
	size_t i;

	fake_open(&f);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *script[] = { cases[i].persist, cases[i].exists,
			NULL };

		f.script = script;
		check(evkv_touch(f.store, C, K, EVKV_TTL_NONE, answer_cb,
			  fresh(&f)) != 0);
		wait_for(&f, &f.answers[0]);
		check_status(f.answers[0].status, cases[i].status);
	}
	f.script = NULL;
	fake_close(&f);
}

/* ---- Removals --------------------------------------------------------- */

/* Its entries are gone; whether all are is not known. */
EVKV_TEST(redis_rounds, a_removal_cut_between_unlink_and_scan)
{
	static const char *const scripts[][5] = {
		{ "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n", ":1\r\n", "", NULL },
		{ "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n", ":1\r\n",
		    "*2\r\n$1\r\n9\r\n*1\r\n$3\r\nc:", NULL },
		{ "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n", "", "", NULL },
		/* A round that found nothing goes between. */
		{ "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n", ":1\r\n",
		    "*2\r\n$1\r\n9\r\n*0\r\n", "", NULL },
	};
	struct fake f;
	size_t i;

	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct answer *a;

		fake_open(&f);
		a = fresh(&f);
		f.script = scripts[i];
		check(evkv_clear(f.store, C, EVKV_LIT(""), answer_cb, a) != 0);
		rig_until(&f.rig, *f.script == NULL);
		rig_turn(&f.rig);
		check_int(a->calls, 0);
		peer_cut_all(f.peer);
		wait_for(&f, a);
		check_status(a->status, EVKV_UNKNOWN_OUTCOME);
		check_int(a->cause, EVKV_CAUSE_RESET);
		check_int(a->affected, -1);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

/* A page that finds nothing ends all the same, with a cursor to go on by. */
EVKV_TEST(redis_rounds, a_page_is_so_many_rounds)
{
	const char *script[100];
	struct answer *a;
	struct fake f;
	size_t i;

	for (i = 0; i < 99; i++)
		script[i] = "*2\r\n$1\r\n7\r\n*0\r\n";
	script[99] = NULL;
	fake_open(&f);
	f.script = script;
	a = fresh(&f);
	check(evkv_keys(f.store, C, EVKV_LIT(""), EVKV_LIT(""), 10, answer_cb,
		  a) != 0);
	wait_for(&f, a);
	check_status(a->status, EVKV_OK);
	check_int(a->count, 0);
	check(a->cursor.size > 0);
	check_int(f.commands, 64);
	fake_close(&f);
}

/* ---- Read-only servers -------------------------------------------------- */

static void put_readonly(struct fake *f)
{
	static const char *const script[] = { "-READONLY a replica\r\n", NULL };

	f->script = script;
	check(evkv_put(f->store, C, K, EVKV_LIT("v"), 0, answer_cb, fresh(f)) !=
	    0);
	wait_for(f, &f->answers[0]);
	check_status(f->answers[0].status, EVKV_REFUSED);
}

/* Not more often than one that fails is tried. */
EVKV_TEST(redis_rounds, how_often_a_connection_is_renewed)
{
	struct fake f;
	unsigned i;

	fake_open(&f);
	put_readonly(&f);
	rig_until(&f.rig, f.peer->alive == 0);
	rig_until(&f.rig, evkv_store_state(f.store) == EVKV_STATE_DOWN);
	rig_advance(&f.rig, 60);
	fake_until_ready(&f);
	check_int(f.peer->accepted, 2);
	put_readonly(&f);
	for (i = 0; i < 5; i++)
		rig_turn_waiting(&f.rig);
	check_int(f.peer->alive, 1);
	rig_advance(&f.rig, 1001);
	put_readonly(&f);
	rig_until(&f.rig, f.peer->alive == 0);
	fake_check_recovered(&f);
	check_int(f.peer->accepted, 3);
	fake_close(&f);
}

/* Whichever command it is that is refused. */
EVKV_TEST(redis_rounds, a_removal_that_is_refused_renews_the_connection)
{
	static const char *const scripts[][5] = {
		{ "-READONLY a replica\r\n", NULL },
		{ "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n",
		    "-READONLY a replica\r\n", "*2\r\n$1\r\n0\r\n*0\r\n",
		    NULL },
	};
	struct answer *a;
	struct fake f;
	size_t i;

	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		fake_open(&f);
		a = fresh(&f);
		f.script = scripts[i];
		check(evkv_clear(f.store, C, EVKV_LIT(""), answer_cb, a) != 0);
		wait_for(&f, a);
		check_status(a->status, EVKV_REFUSED);
		check_contains(a->message, "READONLY");
		rig_until(&f.rig, f.peer->alive == 0);
		fake_check_recovered(&f);
		check_int(f.peer->accepted, 2);
		fake_close(&f);
	}
}

/* ---- Scripts ---------------------------------------------------------- */

static const struct {
	const char *reply;
	enum evkv_status version, incr;
	const char *words;
} answers[] = {
	{ ":0\r\n", EVKV_NOT_FOUND, EVKV_OK, "" },
	{ ":1\r\n", EVKV_OK, EVKV_OK, "" },
	{ ":2\r\n", EVKV_CONFLICT, EVKV_OK, "" },
	{ ":3\r\n", EVKV_UNSUPPORTED, EVKV_OK, "" },
	{ ":4\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_OK, "" },
	{ ":-1\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_OK, "" },
	{ "$2\r\n17\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_OK, "" },
	{ "$2\r\n07\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_UNKNOWN_OUTCOME, "" },
	{ "$-1\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_UNKNOWN_OUTCOME, "" },
	{ "*0\r\n", EVKV_UNKNOWN_OUTCOME, EVKV_UNKNOWN_OUTCOME, "" },
	{ "-NOPERM no 'eval'\r\n", EVKV_REFUSED, EVKV_REFUSED, "NOPERM" },
	{ "-OOM full\r\n", EVKV_NOSPACE, EVKV_NOSPACE, "OOM" },
	{ "-ERR The user executing the script can't run this command\r\n",
	    EVKV_REFUSED, EVKV_REFUSED, "can't run" },
	{ "-ERR value is not an integer or out of range\r\n", EVKV_SERVER,
	    EVKV_INVALID, "" },
	{ "-ERR Error running script: @user_script:1: WRONGTYPE x\r\n",
	    EVKV_SERVER, EVKV_SERVER, "WRONGTYPE" },
	{ "-WRONGTYPE x\r\n", EVKV_SERVER, EVKV_INVALID, "" },
};

static void check_answer(struct fake *f, enum evkv_status status,
    const char *words)
{
	struct answer *a = &f->answers[0];

	wait_for(f, a);
	if (status == EVKV_UNKNOWN_OUTCOME)
		check_int(a->cause, EVKV_CAUSE_PROTOCOL);
	check_status(a->status, status);
	check_contains(a->message, words);
}

EVKV_TEST(redis_rounds, what_scripts_answer)
{
	static const struct evkv_version version = { { 1, 2, 3 } };
	struct evkv_slice key = K;
	struct fake f;
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const char *script[] = { answers[i].reply, NULL };

		fake_open(&f);
		f.script = script;
		check(evkv_delete_if_version(f.store, C, K, &version, answer_cb,
			  fresh(&f)) != 0);
		check_answer(&f, answers[i].version, answers[i].words);
		fake_close(&f);
		fake_open(&f);
		f.script = script;
		check(evkv_submit(f.store,
			  &(struct evkv_request){ .kind = EVKV_OP_INCR,
			      .flags = EVKV_FLAG_SINGLE,
			      .collection = C,
			      .count = 1,
			      .keys = &key,
			      .delta = 1,
			      .initial = 5 },
			  answer_cb, fresh(&f)) != 0);
		check_answer(&f, answers[i].incr, answers[i].words);
		fake_close(&f);
	}
}

/* What a take has removed and could not bring is not known to be there. */
EVKV_TEST(redis_rounds, what_take_answers)
{
	static const struct {
		const char *reply;
		enum evkv_status status;
	} cases[] = {
		{ "$1\r\nv\r\n", EVKV_OK },
		{ "$-1\r\n", EVKV_NOT_FOUND },
		{ "-WRONGTYPE x\r\n", EVKV_NOT_FOUND },
		{ "-ERR unknown command 'GETDEL'\r\n", EVKV_SERVER },
		{ ":1\r\n", EVKV_UNKNOWN_OUTCOME },
		{ "+OK\r\n", EVKV_UNKNOWN_OUTCOME },
	};
	struct fake f;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *script[] = { cases[i].reply, NULL };

		fake_open(&f);
		f.script = script;
		check(evkv_take(f.store, C, K, answer_cb, fresh(&f)) != 0);
		wait_for(&f, &f.answers[0]);
		check_status(f.answers[0].status, cases[i].status);
		fake_close(&f);
	}
	fake_open(&f);
	f.peer->plan.silent = true;
	check(evkv_take(f.store, C, K, answer_cb, fresh(&f)) != 0);
	rig_until(&f.rig, f.commands == 1);
	peer_cut_all(f.peer);
	wait_for(&f, &f.answers[0]);
	check_status(f.answers[0].status, EVKV_UNKNOWN_OUTCOME);
	f.peer->plan.silent = false;
	fake_check_recovered(&f);
	fake_close(&f);
}

EVKV_TEST(redis_rounds, a_take_without_memory_for_its_value)
{
	static char reply[1100];
	const char *script[] = { reply, NULL };
	struct fake f;

	fake_open(&f);
	snprintf(reply, sizeof(reply), "$1000\r\n%01000d\r\n", 7);
	f.script = script;
	f.peer->plan.hold = true;
	check(evkv_take(f.store, C, K, answer_cb, fresh(&f)) != 0);
	rig_until(&f.rig, f.commands == 1);
	faults_fail_from(1);
	f.peer->plan.hold = false;
	peer_release(f.peer);
	rig_wait(&f.rig, &f.answers[0].calls);
	check(faults_fired() > 0);
	faults_off();
	check_status(f.answers[0].status, EVKV_UNKNOWN_OUTCOME);
	check_int(f.answers[0].cause, EVKV_CAUSE_NOMEM);
	/* The connection has done nothing wrong. */
	check_int(f.peer->accepted, 1);
	fake_check_recovered(&f);
	fake_close(&f);
}

/* ---- Replies that the server would not send ----------------------------- */

static bool is_suspect(const struct answer *a)
{
	check_status(a->status, EVKV_UNAVAILABLE);
	return strstr(a->message, "client-output-buffer-limit") != NULL;
}

/* Of several batches the first, and none where it was something else. */
EVKV_TEST(redis_rounds, which_reply_may_have_been_too_long)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct fake f;
	unsigned round, i;

	for (round = 0; round < 2; round++) {
		fake_open(&f);
		f.peer->plan.silent = true;
		fake_get(&f, 0);
		for (i = 1; i < 3; i++)
			check(evkv_get_many(f.store, C, keys, 2, answer_cb,
				  &f.answers[i]) != 0);
		rig_until(&f.rig, f.commands == 3);
		if (round == 0)
			peer_cut_all(f.peer);
		else
			rig_advance(&f.rig, 5001);
		fake_wait(&f, 3);
		check(!is_suspect(&f.answers[0]));
		check_int(is_suspect(&f.answers[1]), round == 0);
		check(!is_suspect(&f.answers[2]));
		fake_close(&f);
	}
	/* One key, part of whose value has come. */
	fake_open(&f);
	f.script = (const char *const[]){ "$100000\r\nabc", "", NULL };
	fake_get(&f, 0);
	fake_get(&f, 2);
	rig_until(&f.rig, f.commands == 2);
	rig_turn(&f.rig);
	peer_cut_all(f.peer);
	fake_wait(&f, 1);
	rig_wait(&f.rig, &f.answers[2].calls);
	check(is_suspect(&f.answers[0]));
	check_contains(f.answers[0].message, "1 key ");
	check(!is_suspect(&f.answers[2]));
	fake_close(&f);
}
