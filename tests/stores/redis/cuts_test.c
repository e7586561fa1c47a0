/*
 * tests/stores/redis/cuts_test.c - the redis driver against a server that
 * breaks off and dribbles.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fake.h"

#define OPS FAKE_OPS

/*
 * send() of this program stands before the C library's, so that a test can say
 * how many bytes more are taken of what the store sends.
 */
static size_t send_left = SIZE_MAX;
static int server_port;

static bool is_of_the_server(int fd)
{
	struct sockaddr_in ours = { .sin_port = 0 };
	socklen_t size = sizeof(ours);

	return getsockname(fd, (struct sockaddr *)&ours, &size) == 0 &&
	    ntohs(ours.sin_port) == server_port;
}

typedef ssize_t send_fn(int fd, const void *data, size_t size, int flags);

/* The tree is compiled with hidden symbols; this must be seen by others. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *data,
    size_t size, int flags)
{
	void *found = dlsym(RTLD_NEXT, "send");
	send_fn *next;
	ssize_t put;

	memcpy(&next, &found, sizeof(next));
	if (send_left == SIZE_MAX || is_of_the_server(fd))
		return next(fd, data, size, flags);
	if (send_left == 0) {
		errno = EAGAIN;
		return -1;
	}
	put = next(fd, data, size < send_left ? size : send_left, flags);
	if (put > 0)
		send_left -= (size_t)put;
	return put;
}

/* ---- Broken off ------------------------------------------------------ */

/* Gets and puts in turns. */
static void submit_all(struct fake *f)
{
	for (unsigned i = 0; i < OPS; i++) {
		if (i % 2 == 0)
			fake_get(f, i);
		else
			fake_put(f, i);
	}
}

/* How many were answered before the rest was cut; `sent`: all of it was. */
static unsigned check_cut(struct fake *f)
{
	unsigned done = 0;

	for (unsigned i = 0; i < OPS; i++) {
		const struct answer *answer = &f->answers[i];

		check_int(answer->calls, 1);
		if (answer->status == EVKV_OK) {
			check_int(done, i);
			fake_check_done(f, i);
			done++;
			continue;
		}
		check_status(answer->status,
		    i % 2 != 0 ? EVKV_UNKNOWN_OUTCOME : EVKV_UNAVAILABLE);
		check_int(answer->cause, EVKV_CAUSE_RESET);
		check_contains(answer->message, "127.0.0.1:");
	}
	return done;
}

static void measure(size_t *greeting_in, size_t *greeting_out, size_t *in,
    size_t *out)
{
	struct fake f;

	fake_open(&f);
	*greeting_in = peer_taken(f.peer->newest);
	*greeting_out = peer_sent(f.peer->newest);
	submit_all(&f);
	fake_wait(&f, OPS);
	check_int(check_cut(&f), OPS);
	*in = peer_taken(f.peer->newest);
	*out = peer_sent(f.peer->newest);
	fake_close(&f);
}

EVKV_TEST(redis_cuts, replies_cut_at_every_byte)
{
	size_t greeting_in, greeting_out, in, out;
	unsigned last = 0;

	measure(&greeting_in, &greeting_out, &in, &out);
	for (size_t at = greeting_out; at <= out; at++) {
		unsigned done;
		struct fake f;

		fake_open(&f);
		submit_all(&f);
		f.peer->plan.cut_out = at;
		fake_wait(&f, OPS);
		done = check_cut(&f);
		check_between(done, last, last + 1);
		last = done;
		fake_check_recovered(&f);
		fake_close(&f);
	}
	check_int(last, OPS);
}

EVKV_TEST(redis_cuts, commands_cut_at_every_byte)
{
	size_t greeting_in, greeting_out, in, out;

	measure(&greeting_in, &greeting_out, &in, &out);
	for (size_t at = greeting_in + 1; at <= in; at++) {
		struct fake f;

		fake_open(&f);
		submit_all(&f);
		f.peer->plan.cut_in = at;
		fake_wait(&f, OPS);
		check_between(check_cut(&f), 0, f.commands);
		check(f.commands < OPS || at == in);
		check(f.sets <= OPS / 2);
		fake_check_recovered(&f);
		fake_close(&f);
	}
}

EVKV_TEST(redis_cuts, a_handshake_cut_at_every_byte)
{
	for (size_t at = 0; at < 20; at++) {
		struct fake f;

		fake_begin(&f);
		f.options.password = "sesame";
		f.options.db = 3;
		f.options.client_name = "test";
		f.peer->plan.cut_out = at;
		fake_store(&f);
		fake_get(&f, 0);
		rig_until(&f.rig, f.peer->cuts > 0);
		check_int(f.answers[0].calls, 0);
		fake_check_recovered(&f);
		fake_wait(&f, 1);
		fake_check_done(&f, 0);
		fake_close(&f);
	}
}

/* A batch of writes tells for each key what became of it. */
EVKV_TEST(redis_cuts, a_batch_of_writes_cut_between_its_keys)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("no"),
		EVKV_LIT("b"), EVKV_LIT("d") };
	struct answer *a;
	struct fake f;

	fake_open(&f);
	a = &f.answers[0];
	/* The answers to two of the four UNLINKs. */
	f.peer->plan.cut_out = peer_sent(f.peer->newest) + 8;
	evkv_delete_many(f.store, EVKV_LIT("c"), keys, 4, answer_cb, a);
	fake_wait(&f, 1);
	check_status(a->status, EVKV_UNKNOWN_OUTCOME);
	check_int(a->cause, EVKV_CAUSE_RESET);
	check_status(a->entries[0].status, EVKV_OK);
	check_status(a->entries[1].status, EVKV_NOT_FOUND);
	check_status(a->entries[2].status, EVKV_UNKNOWN_OUTCOME);
	check_status(a->entries[3].status, EVKV_UNKNOWN_OUTCOME);
	fake_check_recovered(&f);
	fake_close(&f);
}

/*
 * To remove a TTL takes two commands, of which the first alone has an effect;
 * the server gets that one and `more` bytes.
 */
static enum evkv_status touch_cut_after_persist(struct evkv_slice *keys,
    size_t count, size_t more)
{
	struct answer *a;
	struct fake f;
	enum evkv_status status;

	fake_open(&f);
	a = &f.answers[0];
	f.peer->plan.hold = true;
	server_port = f.peer->port;
	send_left = strlen("*2\r\n$7\r\nPERSIST\r\n$3\r\nc:a\r\n") + more;
	evkv_touch_many(f.store, EVKV_LIT("c"), keys, count, 0, answer_cb, a);
	rig_until(&f.rig, send_left == 0);
	rig_until(&f.rig, f.commands == 1);
	check_int(a->calls, 0);
	peer_cut_all(f.peer);
	fake_wait(&f, 1);
	send_left = SIZE_MAX;
	status = a->entries[0].status;
	check_int(a->cause, EVKV_CAUSE_RESET);
	if (count > 1)
		check_status(a->entries[1].status, EVKV_UNAVAILABLE);
	f.peer->plan.hold = false;
	fake_check_recovered(&f);
	fake_close(&f);
	return status;
}

EVKV_TEST(redis_cuts, a_ttl_that_may_be_removed_is_unknown)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };

	for (size_t count = 1; count <= 2; count++) {
		for (size_t more = 0; more < 4; more++)
			check_status(touch_cut_after_persist(keys, count, more),
			    EVKV_UNKNOWN_OUTCOME);
	}
}

/* What has come of them is not given: a failure has no value. */
EVKV_TEST(redis_cuts, ttls_cut_before_the_last_value)
{
	static const char
	    text[] = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
		     "*3\r\n:10\r\n:20\r\n*2\r\n$1\r\na\r\n$1\r\n";
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct answer *a;
	struct fake f;

	fake_open(&f);
	a = &f.answers[0];
	f.to_all = "";
	evkv_ttl_many(f.store, EVKV_LIT("c"), keys, 2, answer_cb, a);
	rig_until(&f.rig, f.commands == 5);
	peer_say(f.peer->newest, text, sizeof(text) - 1);
	peer_cut_all(f.peer);
	fake_wait(&f, 1);
	check_status(a->status, EVKV_UNAVAILABLE);
	for (unsigned i = 0; i < 2; i++) {
		check_status(a->entries[i].status, EVKV_UNAVAILABLE);
		check(!a->entries[i].has_value);
		check_int(a->entries[i].bytes.size, 0);
	}
	fake_check_recovered(&f);
	fake_close(&f);
}

/*
 * A cursor is of no use to another server, nor to the same one when it was
 * started anew: who goes on there begins again.
 */
EVKV_TEST(redis_cuts, a_removal_that_goes_on_elsewhere_begins_again)
{
	const size_t size = (size_t)17 << 20; /* more than may be unsent */
	char *large = calloc(1, size);
	struct answer *a;
	struct fake f;

	check(large != NULL);
	fake_open(&f);
	a = f.answers;
	f.peer->plan.hold = true;
	f.to_scan = "*2\r\n$1\r\n7\r\n*1\r\n$3\r\nc:a\r\n";
	f.to_next_scan = "*2\r\n$1\r\n5\r\n*0\r\n";
	evkv_clear(f.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a[0]);
	rig_until(&f.rig, f.commands == 1);
	server_port = f.peer->port;
	send_left = 0;
	evkv_put(f.store, EVKV_LIT("c"), EVKV_LIT("k"), evkv_bytes(large, size),
	    0, answer_cb, &a[1]);
	rig_turn_waiting(&f.rig);
	/* It finds the output full, and waits. */
	f.peer->plan.hold = false;
	peer_release(f.peer);
	for (unsigned i = 0; i < 5; i++)
		rig_turn_waiting(&f.rig);
	peer_cut_all(f.peer);
	rig_wait(&f.rig, &a[1].calls);
	check_status(a[1].status, EVKV_UNAVAILABLE);
	check_int(a[0].calls, 0);
	send_left = SIZE_MAX;
	rig_advance(&f.rig, 4000);
	fake_wait(&f, 1);
	check_status(a[0].status, EVKV_OK);
	check_str(f.cursors, "0 0 5 ");
	fake_close(&f);
	free(large);
}

/* ---- Dribbled -------------------------------------------------------- */

static void submit_kinds(struct fake *f)
{
	struct evkv_slice c = EVKV_LIT("c"), none = EVKV_LIT("");
	struct evkv_slice keys[] = { EVKV_LIT("k1"), EVKV_LIT("no"),
		EVKV_LIT("k3") };
	struct evkv_slice values[] = { EVKV_LIT("1"), none, EVKV_LIT("3") };
	struct answer *a = f->answers;

	evkv_get(f->store, c, keys[0], answer_cb, &a[0]);
	evkv_get(f->store, c, keys[1], answer_cb, &a[1]);
	evkv_get_many(f->store, c, keys, 3, answer_cb, &a[2]);
	evkv_ttl(f->store, c, keys[0], answer_cb, &a[3]);
	evkv_put_many(f->store, c, keys, values, 1, 0, answer_cb, &a[4]);
	evkv_put_if_absent(f->store, c, keys[1], none, 9, answer_cb, &a[5]);
	evkv_delete_many(f->store, c, keys, 3, answer_cb, &a[6]);
	evkv_exists(f->store, c, keys[0], answer_cb, &a[7]);
	evkv_touch_many(f->store, c, keys, 2, 0, answer_cb, &a[8]);
	evkv_touch(f->store, c, keys[0], 77, answer_cb, &a[9]);
	evkv_keys(f->store, c, none, none, 0, answer_cb, &a[10]);
	evkv_ping(f->store, answer_cb, &a[11]);
}

static void check_kinds(struct fake *f)
{
	const struct answer *a = f->answers;

	check_slice(a[0].entries[0].bytes, "v-k1");
	check_status(a[1].status, EVKV_NOT_FOUND);
	check_slice(a[2].entries[0].bytes, "v-k1");
	check_status(a[2].entries[1].status, EVKV_NOT_FOUND);
	check_slice(a[2].entries[2].bytes, "v-k3");
	check_slice(a[3].entries[0].bytes, "vt");
	check_int(a[3].entries[0].ttl_ms, 1234);
	check_status(a[4].status, EVKV_OK);
	check_status(a[5].status, EVKV_EXISTS);
	check_status(a[6].entries[1].status, EVKV_NOT_FOUND);
	check_int(a[6].affected, 2);
	check_status(a[7].status, EVKV_OK);
	check_status(a[8].entries[0].status, EVKV_OK);
	check_status(a[8].entries[1].status, EVKV_NOT_FOUND);
	check_status(a[9].status, EVKV_OK);
	check_int(a[10].count, 2);
	check_slice(a[10].entries[1].name, "bb");
	check_int(a[10].cursor.size, 0);
	check_status(a[11].status, EVKV_OK);
}

EVKV_TEST(redis_cuts, replies_of_every_kind_split_at_every_byte)
{
	size_t out = 1000;

	for (size_t piece = 1; piece < out; piece++) {
		struct fake f;

		fake_open(&f);
		f.peer->plan.piece = piece;
		submit_kinds(&f);
		fake_wait(&f, 12);
		check_kinds(&f);
		out = peer_sent(f.peer->newest);
		fake_close(&f);
	}
}

EVKV_TEST(redis_cuts, late_replies_reach_nobody)
{
	struct fake f;

	fake_open(&f);
	evkv_store_set_timeout(f.store, 100);
	f.peer->plan.hold = true;
	for (unsigned i = 0; i < OPS / 2; i++)
		fake_get(&f, i);
	rig_until(&f.rig, f.commands == OPS / 2);
	rig_advance(&f.rig, 101);
	fake_wait(&f, OPS / 2);
	for (unsigned i = 0; i < OPS / 2; i++)
		check_status(f.answers[i].status, EVKV_TIMEOUT);
	for (unsigned i = OPS / 2; i < OPS; i++)
		fake_get(&f, i);
	rig_until(&f.rig, f.commands == OPS);
	f.peer->plan.hold = false;
	peer_release(f.peer);
	fake_wait(&f, OPS);
	for (unsigned i = OPS / 2; i < OPS; i++) {
		char expected[16];

		check_status(f.answers[i].status, EVKV_OK);
		snprintf(expected, sizeof(expected), "v-k%u", i);
		check_bytes(f.answers[i].entries[0].bytes, evkv_str(expected));
	}
	check_int(f.peer->accepted, 1);
	fake_close(&f);
}

/* What is withdrawn before the end of the turn is never sent. */
EVKV_TEST(redis_cuts, a_write_cancelled_in_its_turn_is_not_sent)
{
	evkv_ticket ticket;
	struct fake f;

	fake_open(&f);
	ticket = evkv_put(f.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"),
	    0, answer_cb, &f.answers[0]);
	evkv_cancel(f.rig.loop, ticket);
	fake_get(&f, 2);
	fake_wait(&f, 1);
	rig_wait(&f.rig, &f.answers[2].calls);
	check_status(f.answers[0].status, EVKV_CANCELED);
	check_int(f.sets, 0);
	fake_check_done(&f, 2);
	fake_close(&f);
}
