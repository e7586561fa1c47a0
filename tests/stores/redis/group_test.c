/*
 * tests/stores/redis/group_test.c - the ttl reads of a turn share a
 * transaction, and each gets its own answer.
 */
#include <stdio.h>
#include <string.h>

#include "fake.h"

#define C EVKV_LIT("c")

static evkv_ticket ttl_of(struct fake *f, unsigned i, const char *key)
{
	return evkv_ttl(f->store, C, evkv_str(key), answer_cb, &f->answers[i]);
}

static void check_value(const struct fake *f, unsigned i, const char *value,
    int64_t ttl_ms)
{
	const struct answer *a = &f->answers[i];

	check_int(a->calls, 1);
	check_status(a->status, EVKV_OK);
	check_bytes(a->entries[0].bytes, evkv_str(value));
	check_int(a->entries[0].ttl_ms, ttl_ms);
}

EVKV_TEST(redis_group, reads_of_a_turn_are_one_transaction)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n",
		"*4\r\n:10\r\n:-2\r\n:-1\r\n*3\r\n$1\r\na\r\n$-1\r\n$"
		"2\r\ncc\r\n",
		NULL };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	ttl_of(&f, 1, "b");
	ttl_of(&f, 2, "c");
	fake_wait(&f, 3);
	check_int(f.commands, 6);
	check_int(f.most_words, 4);
	check_value(&f, 0, "a", 10);
	check_status(f.answers[1].status, EVKV_NOT_FOUND);
	check_int(f.answers[1].entries[0].ttl_ms, 0);
	check_value(&f, 2, "cc", EVKV_TTL_NONE);
	fake_close(&f);
}

/* Of one key by GET, which tells what is no string by an error. */
EVKV_TEST(redis_group, one_key_alone_is_got)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"+QUEUED\r\n",
		"*2\r\n:-1\r\n-WRONGTYPE Operation against a key\r\n", NULL };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_NOT_FOUND);
	check_int(f.commands, 4);
	check_int(f.most_words, 2);
	fake_close(&f);
}

/* A write, or another read, comes after what was asked before it. */
EVKV_TEST(redis_group, what_comes_between_closes_it)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"+QUEUED\r\n", "*2\r\n:5\r\n$3\r\nold\r\n", "+OK\r\n",
		"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n",
		"*2\r\n:9\r\n$3\r\nnew\r\n", NULL };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	evkv_put(f.store, C, EVKV_LIT("a"), EVKV_LIT("new"), 0, answer_cb,
	    &f.answers[1]);
	ttl_of(&f, 2, "a");
	fake_wait(&f, 3);
	check_int(f.commands, 4 + 1 + 4);
	check_value(&f, 0, "old", 5);
	check_status(f.answers[1].status, EVKV_OK);
	check_value(&f, 2, "new", 9);
	fake_close(&f);
}

EVKV_TEST(redis_group, batches_join_too)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n",
		"*4\r\n:1\r\n:2\r\n:3\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$"
		"1\r\nc\r\n",
		NULL };
	const struct evkv_slice keys[] = { EVKV_LIT("b"), EVKV_LIT("c") };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	evkv_ttl_many(f.store, C, keys, 2, answer_cb, &f.answers[1]);
	fake_wait(&f, 2);
	check_value(&f, 0, "a", 1);
	check_slice(f.answers[1].entries[0].bytes, "b");
	check_int(f.answers[1].entries[0].ttl_ms, 2);
	check_slice(f.answers[1].entries[1].bytes, "c");
	check_int(f.answers[1].entries[1].ttl_ms, 3);
	fake_close(&f);
}

/* The reply is that of the others, too. */
static void cancel_one(unsigned which)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"+QUEUED\r\n", "+QUEUED\r\n",
		"*3\r\n:1\r\n:2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", NULL };
	evkv_ticket tickets[2];
	struct fake f;

	fake_open(&f);
	f.script = script;
	tickets[0] = ttl_of(&f, 0, "a");
	tickets[1] = ttl_of(&f, 1, "b");
	evkv_cancel(f.rig.loop, tickets[which]);
	fake_wait(&f, 2);
	check_status(f.answers[which].status, EVKV_CANCELED);
	check_value(&f, 1 - which, which == 0 ? "b" : "a", which == 0 ? 2 : 1);
	fake_check_recovered(&f);
	fake_close(&f);
}

EVKV_TEST(redis_group, one_that_is_canceled_leaves_the_others_their_answers)
{
	cancel_one(0);
	cancel_one(1);
}

/* Of 64 keys at most. */
EVKV_TEST(redis_group, it_is_not_too_long)
{
	char keys[70][8];
	struct evkv_slice slices[70];
	struct fake f;
	unsigned i;

	fake_open(&f);
	f.to_all = "-ERR no\r\n";
	for (i = 0; i < 70; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		slices[i] = evkv_str(keys[i]);
	}
	evkv_ttl_many(f.store, C, slices, 40, answer_cb, &f.answers[0]);
	evkv_ttl_many(f.store, C, slices + 40, 24, answer_cb, &f.answers[1]);
	evkv_ttl_many(f.store, C, slices, 2, answer_cb, &f.answers[2]);
	fake_wait(&f, 3);
	check_int(f.commands, (64 + 3) + (2 + 3));
	check_int(f.most_words, 65);
	check_status(f.answers[0].status, EVKV_SERVER);
	check_status(f.answers[2].status, EVKV_SERVER);
	fake_close(&f);
}

/*
 * What one may not read fails it; the others had nothing, and are told so. It
 * does not happen again.
 */
EVKV_TEST(redis_group, a_key_that_is_refused_ends_the_grouping)
{
	static const char *const script[] = { "+OK\r\n", "+QUEUED\r\n",
		"-NOPERM this key\r\n", "+QUEUED\r\n", "-NOPERM this key\r\n",
		"-EXECABORT\r\n", NULL };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	ttl_of(&f, 1, "b");
	ttl_of(&f, 2, "c");
	fake_wait(&f, 3);
	check_status(f.answers[0].status, EVKV_UNAVAILABLE);
	check_contains(f.answers[0].message, "another key");
	check_status(f.answers[1].status, EVKV_REFUSED);
	check_contains(f.answers[1].message, "NOPERM");
	check_status(f.answers[2].status, EVKV_UNAVAILABLE);
	f.commands = 0;
	ttl_of(&f, 3, "a");
	ttl_of(&f, 4, "b");
	rig_wait(&f.rig, &f.answers[4].calls);
	check_int(f.commands, 4 + 4);
	fake_close(&f);
}

EVKV_TEST(redis_group, a_multi_that_is_refused_is_that_of_all)
{
	static const char *const script[] = { "-OOM no memory\r\n", ":1\r\n",
		":2\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "-ERR no MULTI\r\n",
		NULL };
	struct fake f;

	fake_open(&f);
	f.script = script;
	ttl_of(&f, 0, "a");
	ttl_of(&f, 1, "b");
	fake_wait(&f, 2);
	check_status(f.answers[0].status, EVKV_NOSPACE);
	check_status(f.answers[1].status, EVKV_NOSPACE);
	check(!f.answers[0].entries[0].has_value);
	fake_check_recovered(&f);
	fake_close(&f);
}

/* Wherever the connection ends, all of them know, and none has half. */
EVKV_TEST(redis_group, a_cut_ends_them_all)
{
	static const char text[] = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
				   "*3\r\n:1\r\n:2\r\n*2\r\n$1\r\na\r\n$1\r\nb";
	struct fake f;
	size_t size;

	for (size = 0; size < sizeof(text); size += 3) {
		fake_open(&f);
		f.to_all = "";
		ttl_of(&f, 0, "a");
		ttl_of(&f, 1, "b");
		rig_until(&f.rig, f.commands == 5);
		peer_say(f.peer->newest, text, size);
		peer_cut_all(f.peer);
		fake_wait(&f, 2);
		check_status(f.answers[0].status, EVKV_UNAVAILABLE);
		check_status(f.answers[1].status, EVKV_UNAVAILABLE);
		check(!f.answers[0].entries[0].has_value);
		f.to_all = NULL;
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

/* What no server would say ends the connection. */
EVKV_TEST(redis_group, a_wrong_reply_is_corrupt)
{
	static const char *const replies[] = { "*2\r\n:1\r\n:2\r\n",
		"*3\r\n:1\r\n:2\r\n*1\r\n$1\r\na\r\n",
		"*3\r\n:1\r\n$1\r\na\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
		"*3\r\n:1\r\n:2\r\n:3\r\n",
		"*3\r\n:1\r\n:2\r\n*2\r\n$1\r\na\r\n:1\r\n" };
	struct fake f;
	size_t i;

	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const char *script[] = { "+OK\r\n", "+QUEUED\r\n",
			"+QUEUED\r\n", "+QUEUED\r\n", replies[i], NULL };

		fake_open(&f);
		f.script = script;
		ttl_of(&f, 0, "a");
		ttl_of(&f, 1, "b");
		fake_wait(&f, 2);
		check_status(f.answers[0].status, EVKV_CORRUPT);
		check_status(f.answers[1].status, EVKV_UNAVAILABLE);
		fake_close(&f);
	}
}
