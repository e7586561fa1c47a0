/*
 * compression: what a worker thread does, and that the loop goes on meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/wrappers/compression.h"
#include "faults.h"
#include "gate.h"
#include "wrappers/sealed.h"

#define LARGE ((size_t)1 << 20)
#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

struct away {
	struct sealed s;
	char *bytes; /* LARGE of them, which zstd makes smaller */
	struct answer answers[8];
};

static void away_open(struct away *a)
{
	size_t i;

	memset(a, 0, sizeof(*a));
	sealed_open(&a->s);
	a->s.store = evkv_compression_new(evkv_store_ref(a->s.memory),
	    &(struct evkv_compression_options){ .offload_size = 4096 }, NULL);
	check(a->s.store != NULL);
	a->bytes = malloc(LARGE);
	check(a->bytes != NULL);
	for (i = 0; i < LARGE; i++)
		a->bytes[i] = (char)('a' + i / 64 % 16);
}

static void away_close(struct away *a)
{
	size_t i;

	sealed_close(&a->s);
	free(a->bytes);
	for (i = 0; i < 8; i++)
		answer_free(&a->answers[i]);
}

static struct evkv_slice large(const struct away *a)
{
	return evkv_bytes(a->bytes, LARGE);
}

/* Put in a request of its own, with a deadline. */
static evkv_ticket put_large(struct away *a, int64_t timeout_ms,
    struct answer *answer)
{
	const struct evkv_slice key = K, value = large(a);

	return evkv_submit(a->s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = C,
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = timeout_ms },
	    answer_cb, answer);
}

static size_t pending(const struct away *a)
{
	struct evkv_counters counters;

	evkv_store_counters(a->s.store, &counters);
	return counters.pending;
}

EVKV_TEST(unit_compression_away, the_loop_goes_on_meanwhile)
{
	struct away a;

	away_open(&a);
	put_large(&a, 0, &a.answers[0]);
	evkv_put(a.s.store, C, EVKV_LIT("other"), EVKV_LIT("small"), 0,
	    answer_cb, &a.answers[1]);
	/* The worker gets it at the end of the turn that answers the other. */
	rig_single_turn(&a.s.rig);
	check_status(a.answers[1].status, EVKV_OK);
	check_int(a.answers[0].calls, 0);
	rig_wait(&a.s.rig, &a.answers[0].calls);
	check_status(a.answers[0].status, EVKV_OK);
	check_status(sealed_get(&a.s, a.s.memory, "k"), EVKV_OK);
	check_between(a.s.answer.entries[0].bytes.size, 25, LARGE / 50);
	evkv_get(a.s.store, C, K, answer_cb, &a.answers[2]);
	check_int(a.answers[2].calls, 0);
	rig_wait(&a.s.rig, &a.answers[2].calls);
	check_bytes(a.answers[2].entries[0].bytes, large(&a));
	away_close(&a);
}

/* One after the other on one key, though the first takes longest. */
EVKV_TEST(unit_compression_away, operations_on_a_key_keep_their_order)
{
	struct away a;
	size_t i;

	away_open(&a);
	put_large(&a, 0, &a.answers[0]);
	evkv_get(a.s.store, C, K, answer_cb, &a.answers[1]);
	evkv_put(a.s.store, C, K, EVKV_LIT("small"), 0, answer_cb,
	    &a.answers[2]);
	evkv_get(a.s.store, C, K, answer_cb, &a.answers[3]);
	put_large(&a, 0, &a.answers[4]);
	evkv_delete(a.s.store, C, K, answer_cb, &a.answers[5]);
	evkv_get(a.s.store, C, K, answer_cb, &a.answers[6]);
	rig_wait(&a.s.rig, &a.answers[6].calls);
	for (i = 0; i < 6; i++) {
		check_status(a.answers[i].status, EVKV_OK);
		check(a.answers[i].order < a.answers[i + 1].order);
	}
	check_bytes(a.answers[1].entries[0].bytes, large(&a));
	check_slice(a.answers[3].entries[0].bytes, "small");
	check_status(a.answers[6].status, EVKV_NOT_FOUND);
	away_close(&a);
}

EVKV_TEST(unit_compression_away, batches_of_every_sort)
{
	struct evkv_slice keys[6], values[6];
	char names[6][2], *noise = malloc(LARGE);
	unsigned char *raw;
	struct away a;
	size_t i, size;

	away_open(&a);
	srand(1);
	for (i = 0; i < LARGE; i++)
		noise[i] = (char)rand();
	for (i = 0; i < 6; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		keys[i] = evkv_bytes(names[i], 1);
		values[i] = large(&a);
	}
	values[1] = EVKV_LIT("small");
	values[2] = evkv_bytes(noise, LARGE);
	values[4] = EVKV_LIT("");
	evkv_put_many(a.s.store, C, keys, values, 6, 0, answer_cb,
	    &a.answers[0]);
	rig_wait(&a.s.rig, &a.answers[0].calls);
	check_status(a.answers[0].status, EVKV_OK);
	check_int(a.answers[0].affected, 6);
	/* One of the large ones is damaged below. */
	check_status(sealed_get(&a.s, a.s.memory, "3"), EVKV_OK);
	raw = sealed_copy(&a.s, &size);
	raw[size - 1] ^= 1;
	check_status(sealed_put(&a.s, a.s.memory, "3", evkv_bytes(raw, size)),
	    EVKV_OK);
	free(raw);
	evkv_get_many(a.s.store, C, keys, 6, answer_cb, &a.answers[1]);
	rig_wait(&a.s.rig, &a.answers[1].calls);
	check_status(a.answers[1].status, EVKV_CORRUPT);
	check_contains(a.answers[1].message, "checksum");
	for (i = 0; i < 6; i++) {
		check_status(a.answers[1].entries[i].status,
		    i == 3 ? EVKV_CORRUPT : EVKV_OK);
		check_int(a.answers[1].entries[i].has_value, i != 3);
		if (i != 3)
			check_bytes(a.answers[1].entries[i].bytes, values[i]);
	}
	away_close(&a);
	free(noise);
}

/* Cut off in any state: told once, and without effect. */
EVKV_TEST(unit_compression_away, what_is_cut_off_has_no_effect)
{
	struct away a;
	evkv_ticket ticket;
	int turns, i;

	for (turns = 0; turns < 4; turns++) {
		away_open(&a);
		ticket = put_large(&a, 0, &a.answers[0]);
		for (i = 0; i < turns; i++)
			rig_single_turn(&a.s.rig);
		evkv_cancel(a.s.rig.loop, ticket);
		rig_until(&a.s.rig, pending(&a) == 0);
		rig_settle(&a.s.rig);
		check_int(a.answers[0].calls, 1);
		sealed_get(&a.s, a.s.memory, "k");
		check_status(a.s.answer.status,
		    a.answers[0].status == EVKV_OK ? EVKV_OK : EVKV_NOT_FOUND);
		check(a.answers[0].status == EVKV_OK ||
		    a.answers[0].status == EVKV_CANCELED);
		away_close(&a);
	}
}

EVKV_TEST(unit_compression_away, a_deadline_while_the_worker_has_it)
{
	struct away a;

	away_open(&a);
	put_large(&a, 10, &a.answers[0]);
	rig_advance(&a.s.rig, 10);
	rig_turn(&a.s.rig);
	check_status(a.answers[0].status, EVKV_TIMEOUT);
	/* What comes after it on the key finds nothing of it. */
	evkv_get(a.s.store, C, K, answer_cb, &a.answers[1]);
	rig_wait(&a.s.rig, &a.answers[1].calls);
	check_status(a.answers[1].status, EVKV_NOT_FOUND);
	rig_until(&a.s.rig, pending(&a) == 0);
	away_close(&a);
}

EVKV_TEST(unit_compression_away, closing_and_freeing_with_work_under_way)
{
	struct away a;
	int round;

	for (round = 0; round < 3; round++) {
		away_open(&a);
		put_large(&a, 0, &a.answers[0]);
		put_large(&a, 0, &a.answers[1]);
		if (round > 0)
			rig_single_turn(&a.s.rig);
		if (round > 1)
			evkv_store_close(a.s.store, 0, answer_cb,
			    &a.answers[2]);
		away_close(&a);
	}
}

/* Draining waits for it. */
EVKV_TEST(unit_compression_away, draining)
{
	struct away a;

	away_open(&a);
	put_large(&a, 0, &a.answers[0]);
	evkv_store_close(a.s.store, -1, answer_cb, &a.answers[1]);
	rig_wait(&a.s.rig, &a.answers[1].calls);
	check_status(a.answers[0].status, EVKV_OK);
	check_status(a.answers[1].status, EVKV_OK);
	check_status(sealed_get(&a.s, a.s.memory, "k"), EVKV_OK);
	away_close(&a);
}

/*
 * Under a wrapper that waits for it, in a child, an operation is gone with its
 * answer, which a store in memory gives at once.
 */
EVKV_TEST(unit_compression_away, under_wrappers_that_wait_for_it)
{
	static const char *const above[] = { "concurrency_limit", "retry",
		"timeout(1h)", "fallback(simple:)", "fault(delay=1000)",
		"passthrough_cache(simple:, max_ttl=1m, fill_on_put=yes)",
		"circuit_breaker", "compression(offload_size=1)" };
	struct evkv_slice keys[] = { K, EVKV_LIT("l"), EVKV_LIT("m") };
	struct evkv_slice values[3];
	char text[200];
	struct away a;
	size_t i;

	for (i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		away_open(&a);
		check(evkv_compression_register(a.s.rig.loop));
		snprintf(text, sizeof(text),
		    "simple: | compression(offload_size=1) | %s | retry",
		    above[i]);
		evkv_store_unref(a.s.store);
		a.s.store = evkv_open(a.s.rig.loop, text, NULL);
		check(a.s.store != NULL);
		values[0] = values[1] = values[2] = large(&a);
		put_large(&a, 0, &a.answers[0]);
		evkv_put_many(a.s.store, C, keys, values, 3, 0, answer_cb,
		    &a.answers[1]);
		evkv_get_many(a.s.store, C, keys, 3, answer_cb, &a.answers[2]);
		while (a.answers[2].calls == 0) {
			rig_turn_waiting(&a.s.rig);
			rig_advance(&a.s.rig, 1);
		}
		check_status(a.answers[0].status, EVKV_OK);
		check_status(a.answers[1].status, EVKV_OK);
		check_bytes(a.answers[2].entries[2].bytes, large(&a));
		away_close(&a);
	}
}

/* ---- Want of memory ------------------------------------------------------ */

/*
 * A put, or a get, of which one allocation fails, on whichever thread; `busy`
 * others are under way, so that a child needs memory. Whether the want was met.
 */
static bool without_memory(bool puts, unsigned busy, size_t nth)
{
	struct answer *answer, *after;
	struct evkv_store *slow;
	struct gate *gate;
	struct away a;
	unsigned i;
	bool met;

	away_open(&a);
	answer = &a.answers[0];
	after = &a.answers[1];
	if (!puts) {
		put_large(&a, 0, &a.answers[2]);
		rig_wait(&a.s.rig, &a.answers[2].calls);
	}
	slow = gate_new(evkv_store_ref(a.s.memory), &gate, NULL);
	gate->mode = GATE_BEFORE;
	for (i = 0; i < busy; i++)
		check(evkv_get(slow, C, EVKV_LIT("other"), NULL, NULL) != 0);
	rig_turn(&a.s.rig);
	faults_fail_nth(nth);
	if (puts)
		check(put_large(&a, 0, answer) != 0);
	else
		check(evkv_get(a.s.store, C, K, answer_cb, answer) != 0);
	rig_wait(&a.s.rig, &answer->calls);
	met = faults_fired() > 0;
	faults_off();
	evkv_get(a.s.store, C, K, answer_cb, after);
	rig_wait(&a.s.rig, &after->calls);
	if (answer->status != EVKV_OK)
		check_status(answer->status, EVKV_NOMEM);
	if (answer->status == EVKV_OK || !puts)
		check_bytes(after->entries[0].bytes, large(&a));
	else
		check_status(after->status, EVKV_NOT_FOUND);
	if (answer->status == EVKV_OK && !puts)
		check_bytes(answer->entries[0].bytes, large(&a));
	gate->mode = GATE_OPEN;
	gate_release_all(gate);
	rig_turn(&a.s.rig);
	evkv_store_unref(slow);
	away_close(&a);
	return met;
}

EVKV_TEST(unit_compression_away, without_memory_nothing_is_told_as_done)
{
	unsigned busy, puts;
	size_t nth;

	for (puts = 0; puts < 2; puts++) {
		for (busy = 60; busy < 64; busy++) {
			for (nth = 1; without_memory(puts != 0, busy, nth);
			     nth++)
				check(nth < 100);
		}
	}
}
