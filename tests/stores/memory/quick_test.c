/*
 * tests/stores/memory/quick_test.c - inline gets and puts without an op, on a
 * loop that does not scramble inputs: they answer as the simple store does,
 * which knows no such ways.
 */
#include "evkv/stores/memory.h"
#include "evkv/stores/simple.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"
#include "lib/rig.h"
#include "lib/test.h"

#define STEPS 60000
#define KEYS 60
#define HELD 16

struct quick {
	struct rig rig;
	struct evkv_store *memory, *simple;
	uint64_t random;
	/* Values that were given out, and what they were. */
	struct evkv_value *held[HELD];
	char copies[HELD][400];
};

struct outcome {
	int calls;
	enum evkv_status status;
	struct evkv_value *value; /* a reference */
	size_t size;
	char bytes[400];
};

static uint32_t below(struct quick *q, uint32_t bound)
{
	q->random ^= q->random << 13;
	q->random ^= q->random >> 7;
	q->random ^= q->random << 17;
	return (uint32_t)(q->random >> 33) % bound;
}

static void on_result(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);
	struct outcome *outcome = arg;

	outcome->calls++;
	outcome->status = result->status;
	outcome->value = evkv_value_ref(entry->value);
	outcome->size = entry->bytes.size;
	check(entry->bytes.size <= sizeof(outcome->bytes));
	if (entry->bytes.size > 0)
		memcpy(outcome->bytes, entry->bytes.data, entry->bytes.size);
}

static void run(struct quick *q, struct evkv_store *store,
    const struct evkv_request *request, struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	evkv_submit(store, request, on_result, outcome);
	rig_wait(&q->rig, &outcome->calls);
	check_int(outcome->calls, 1);
}

/* Hold some of what comes, and look at what has become of the one before. */
static void hold(struct quick *q, struct outcome *outcome)
{
	uint32_t i = below(q, HELD);
	struct evkv_slice bytes;

	if (q->held[i] != NULL) {
		bytes = evkv_value_bytes(q->held[i]);
		check(bytes.size == 0 ||
		    memcmp(bytes.data, q->copies[i], bytes.size) == 0);
		evkv_value_unref(q->held[i]);
	}
	q->held[i] = outcome->value;
	memcpy(q->copies[i], outcome->bytes, sizeof(outcome->bytes));
}

/* Ask both stores; they must answer the same. */
static void step(struct quick *q, const struct evkv_request *request)
{
	struct outcome ours, theirs;

	run(q, q->memory, request, &ours);
	run(q, q->simple, request, &theirs);
	check_int(ours.status, theirs.status);
	check_int(ours.size, theirs.size);
	check(memcmp(ours.bytes, theirs.bytes, ours.size) == 0);
	evkv_value_unref(theirs.value);
	if (below(q, 4) == 0)
		hold(q, &ours);
	else
		evkv_value_unref(ours.value);
}

static void random_step(struct quick *q)
{
	static const char *const names[] = { "", "c", "users",
		"a collection of a long name" };
	static const int64_t ttls[] = { 0, 0, 300, 1000, 5000 };
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_GET,
		EVKV_OP_GET, EVKV_OP_PUT, EVKV_OP_PUT, EVKV_OP_DELETE,
		EVKV_OP_TOUCH };
	char bytes[400], text[64];
	uint32_t number = below(q, KEYS);
	struct evkv_slice key, value;
	struct evkv_request request = {
		.kind = kinds[below(q, 7)],
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = evkv_str(
		    names[below(q, 8) < 5 ? 2 : below(q, 4)]),
		.count = 1,
		.keys = &key,
	};

	/* 1 to 20 bytes and more, so that most ways of comparing are gone. */
	snprintf(text, sizeof(text), "%.*s%u", (int)(number % 22),
	    "abcdefghijklmnopqrstuvwxyz", number);
	key = evkv_str(text);
	memset(bytes, (int)below(q, 256), sizeof(bytes));
	value = evkv_bytes(bytes, below(q, 2) ? 100 : below(q, 300));
	if (request.kind == EVKV_OP_PUT) {
		request.values = &value;
		request.condition = below(q, 3) > 0
		    ? EVKV_IF_ANY
		    : (enum evkv_condition)below(q, 3);
	}
	if (request.kind == EVKV_OP_PUT || request.kind == EVKV_OP_TOUCH)
		request.ttl_ms = ttls[below(q, 5)];
	step(q, &request);
	if (below(q, 200) == 0)
		rig_advance(&q->rig, below(q, 700));
}

static void quick_open(struct quick *q, bool real)
{
	memset(q, 0, sizeof(*q));
	q->random = 88172645463325252U;
	if (real)
		rig_open_real(&q->rig);
	else
		rig_open(&q->rig);
	q->rig.loop->scramble = false;
	q->memory = evkv_memory_new(q->rig.loop, NULL, NULL);
	q->simple = evkv_simple_new(q->rig.loop, NULL);
	check(q->memory != NULL && q->simple != NULL);
}

static void quick_close(struct quick *q)
{
	size_t i;

	evkv_store_unref(q->memory);
	evkv_store_unref(q->simple);
	rig_close(&q->rig);
	for (i = 0; i < HELD; i++)
		evkv_value_unref(q->held[i]);
}

EVKV_TEST(memory_quick, answers_as_the_ordinary_way_does)
{
	struct quick q;
	unsigned i;

	quick_open(&q, false);
	for (i = 0; i < STEPS; i++)
		random_step(&q);
	quick_close(&q);
}

static const struct evkv_slice the_key = { "key", 3 };

static void put(struct quick *q, const char *value, int64_t ttl_ms)
{
	struct evkv_slice bytes = evkv_str(value);
	struct outcome outcome;

	run(q, q->memory,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.count = 1,
		.keys = &the_key,
		.values = &bytes,
		.ttl_ms = ttl_ms,
	    },
	    &outcome);
	check_status(outcome.status, EVKV_OK);
}

static const struct evkv_request the_get = {
	.kind = EVKV_OP_GET,
	.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
	.count = 1,
	.keys = &the_key,
};

static enum evkv_status get(struct quick *q)
{
	struct outcome outcome;

	run(q, q->memory, &the_get, &outcome);
	evkv_value_unref(outcome.value);
	return outcome.status;
}

/* In a handler, where no clock is looked at. */
EVKV_TEST(memory_quick, entries_expire_by_the_time_of_the_turn)
{
	struct quick q;

	quick_open(&q, true);
	put(&q, "value", 1000);
	evkv__loop_enter(q.rig.loop);
	check_status(get(&q), EVKV_OK);
	q.rig.loop->now_us += 1100000;
	q.rig.loop->turn_us = q.rig.loop->now_us;
	check_status(get(&q), EVKV_NOT_FOUND);
	evkv__loop_leave(q.rig.loop);
	check_status(get(&q), EVKV_OK);
	quick_close(&q);
}

static void put_over(const struct evkv_result *result, void *arg)
{
	struct evkv_slice before = evkv_result_entry(result, 0)->bytes;

	put(arg, "other", 0);
	check_slice(evkv_result_entry(result, 0)->bytes, "value");
	check(before.data == evkv_result_entry(result, 0)->bytes.data);
}

EVKV_TEST(memory_quick, a_value_stays_as_it_is_while_a_callback_sees_it)
{
	struct quick q;
	struct outcome outcome;

	quick_open(&q, false);
	put(&q, "value", 0);
	evkv_submit(q.memory, &the_get, put_over, &q);
	run(&q, q.memory, &the_get, &outcome);
	check_slice(evkv_bytes(outcome.bytes, outcome.size), "other");
	evkv_value_unref(outcome.value);
	quick_close(&q);
}
