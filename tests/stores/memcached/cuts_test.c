/*
 * tests/stores/memcached/cuts_test.c - the memcached driver against a server
 * that breaks off and dribbles.
 */
#include <stdio.h>
#include <string.h>

#include "fake.h"

#define OPS FAKE_OPS

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

/* How many were answered before the rest, all of it sent, was cut. */
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

EVKV_TEST(memcached_cuts, replies_cut_at_every_byte)
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

EVKV_TEST(memcached_cuts, requests_cut_at_every_byte)
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

EVKV_TEST(memcached_cuts, a_handshake_cut_at_every_byte)
{
	for (size_t at = 0; at < 110; at++) {
		struct fake f;

		fake_begin(&f);
		f.options.user = "bob";
		f.options.password = "sesame";
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
EVKV_TEST(memcached_cuts, a_batch_of_writes_cut_between_its_keys)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("no"),
		EVKV_LIT("b"), EVKV_LIT("d") };
	struct answer *a;
	struct fake f;

	fake_open(&f);
	a = &f.answers[0];
	/* The answers to two of the four. */
	f.peer->plan.cut_out = peer_sent(f.peer->newest) +
	    strlen("HD c77 O0\r\nNF c77 O1\r\n");
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

/* The first step only reads: cut off there, nothing has happened. */
static void steps_cut(unsigned commands, enum evkv_status status)
{
	struct evkv_slice keys[] = { EVKV_LIT("number"), EVKV_LIT("number") };
	struct fake f;

	fake_open(&f);
	evkv_incr(f.store, EVKV_LIT("c"), keys[0], 1, answer_cb, &f.answers[0]);
	evkv_take_many(f.store, EVKV_LIT("d"), keys, 1, answer_cb,
	    &f.answers[1]);
	if (commands == 2)
		f.peer->plan.hold = true;
	rig_until(&f.rig, f.commands == 2);
	if (commands == 4) {
		f.peer->plan.hold = true;
		rig_until(&f.rig, f.commands == 4);
	}
	peer_cut_all(f.peer);
	fake_wait(&f, 2);
	for (unsigned i = 0; i < 2; i++) {
		check_status(f.answers[i].status, status);
		check(!f.answers[i].entries[0].has_value);
	}
	f.peer->plan.hold = false;
	fake_check_recovered(&f);
	fake_close(&f);
}

EVKV_TEST(memcached_cuts, incr_and_take_cut_at_each_step)
{
	steps_cut(2, EVKV_UNAVAILABLE);
	steps_cut(4, EVKV_UNKNOWN_OUTCOME);
}

/* ---- Dribbled -------------------------------------------------------- */

static void submit_kinds(struct fake *f)
{
	struct evkv_slice c = EVKV_LIT("c"), none = EVKV_LIT("");
	struct evkv_slice keys[] = { EVKV_LIT("k1"), EVKV_LIT("no"),
		EVKV_LIT("k3") };
	struct evkv_slice values[] = { EVKV_LIT("1"), none, EVKV_LIT("3") };
	struct evkv_slice number = EVKV_LIT("number");
	struct answer *a = f->answers;

	evkv_get(f->store, c, keys[0], answer_cb, &a[0]);
	evkv_get(f->store, c, keys[1], answer_cb, &a[1]);
	evkv_get_many(f->store, c, keys, 3, answer_cb, &a[2]);
	evkv_ttl(f->store, c, keys[0], answer_cb, &a[3]);
	evkv_put_many(f->store, c, keys, values, 3, 0, answer_cb, &a[4]);
	evkv_put_if_absent(f->store, c, keys[0], none, 9, answer_cb, &a[5]);
	evkv_delete_many(f->store, c, keys, 3, answer_cb, &a[6]);
	evkv_exists(f->store, c, keys[0], answer_cb, &a[7]);
	evkv_touch_many(f->store, c, keys, 2, 0, answer_cb, &a[8]);
	evkv_incr(f->store, c, number, 3, answer_cb, &a[9]);
	evkv_take_many(f->store, c, keys, 3, answer_cb, &a[10]);
	evkv_ping(f->store, answer_cb, &a[11]);
	evkv_get_version(f->store, c, keys[0], answer_cb, &a[12]);
}

static void check_kinds(struct fake *f)
{
	const struct answer *a = f->answers;

	check_slice(a[0].entries[0].bytes, "v-k1");
	check_status(a[1].status, EVKV_NOT_FOUND);
	check_slice(a[2].entries[0].bytes, "v-k1");
	check_status(a[2].entries[1].status, EVKV_NOT_FOUND);
	check_slice(a[2].entries[2].bytes, "v-k3");
	check_int(a[3].entries[0].ttl_ms, 8000);
	check_status(a[4].status, EVKV_OK);
	check_status(a[5].status, EVKV_EXISTS);
	check_status(a[6].entries[1].status, EVKV_NOT_FOUND);
	check_int(a[6].affected, 2);
	check_status(a[7].status, EVKV_OK);
	check_status(a[8].entries[0].status, EVKV_OK);
	check_status(a[8].entries[1].status, EVKV_NOT_FOUND);
	check_int(a[9].entries[0].number, 8);
	check_slice(a[10].entries[2].bytes, "v-k3");
	check_status(a[10].entries[1].status, EVKV_NOT_FOUND);
	check_status(a[11].status, EVKV_OK);
	check_status(a[12].status, EVKV_OK);
}

EVKV_TEST(memcached_cuts, replies_of_every_kind_split_at_every_byte)
{
	size_t out = 1000;

	for (size_t piece = 1; piece < out; piece++) {
		struct fake f;

		fake_open(&f);
		f.peer->plan.piece = piece;
		submit_kinds(&f);
		fake_wait(&f, 13);
		check_kinds(&f);
		out = peer_sent(f.peer->newest);
		fake_close(&f);
	}
}

EVKV_TEST(memcached_cuts, late_replies_reach_nobody)
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
EVKV_TEST(memcached_cuts, a_write_cancelled_in_its_turn_is_not_sent)
{
	evkv_ticket ticket;
	struct fake f;

	fake_open(&f);
	ticket = evkv_put(f.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"),
	    0, answer_cb, &f.answers[0]);
	fake_put(&f, 1);
	evkv_cancel(f.rig.loop, ticket);
	fake_get(&f, 2);
	fake_wait(&f, 3);
	check_status(f.answers[0].status, EVKV_CANCELED);
	check_int(f.sets, 1);
	fake_check_done(&f, 1);
	fake_check_done(&f, 2);
	fake_close(&f);
}

/* Its waiter has gone after the first step: there is no second one. */
EVKV_TEST(memcached_cuts, an_incr_that_nobody_waits_for_writes_nothing)
{
	evkv_ticket ticket;
	struct fake f;

	fake_open(&f);
	f.peer->plan.hold = true;
	ticket = evkv_incr(f.store, EVKV_LIT("c"), EVKV_LIT("number"), 1,
	    answer_cb, &f.answers[0]);
	rig_until(&f.rig, f.commands == 1);
	evkv_cancel(f.rig.loop, ticket);
	fake_wait(&f, 1);
	check_status(f.answers[0].status, EVKV_CANCELED);
	f.peer->plan.hold = false;
	peer_release(f.peer);
	fake_get(&f, 2);
	rig_wait(&f.rig, &f.answers[2].calls);
	fake_check_done(&f, 2);
	check_int(f.sets, 0);
	fake_close(&f);
}
