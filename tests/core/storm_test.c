/*
 * tests/core/storm_test.c - random operations on random stacks of slow stores,
 * cancelled, timed out and closed at random, from callbacks too.
 *
 * Whatever happens, every operation calls back once. And what is told is true:
 * a value that was read was put by an operation that ended with OK or
 * UNKNOWN_OUTCOME, never by one that was said to be without effect.
 */
#include <stdlib.h>
#include <string.h>

#include "delay.h"
#include "evkv/driver.h"
#include "pick.h"
#include "rig.h"
#include "test.h"

#define STORM_OPS 3000
#define STORM_KEYS 12
#define STORM_BATCH 3

struct storm_op {
	struct storm *storm;
	evkv_ticket ticket;
	enum evkv_kind kind;
	int calls;
	enum evkv_status status; /* of the whole */
	enum evkv_status entries[STORM_BATCH];
	size_t count;
	uint64_t read[STORM_BATCH]; /* which puts' values; 0 = none */
	bool inside, returned;
};

struct storm {
	struct rig rig;
	struct evkv_store *store;
	uint64_t random;
	struct storm_op ops[STORM_OPS];
	size_t count;
	unsigned depth; /* of submitting from callbacks */
};

static uint32_t storm_random(struct storm *storm, uint32_t below)
{
	return pick_below(&storm->random, below);
}

/* ---- The stack -------------------------------------------------------- */

static struct evkv_store *storm_stack(struct storm *storm, unsigned levels)
{
	struct evkv_store *store;
	unsigned pick;

	store = storm_random(storm, 2) == 0
	    ? evkv_simple_new(storm->rig.loop, NULL)
	    : evkv_memory_new(storm->rig.loop, NULL, NULL);
	store = delay_new(store, NULL);
	while (levels-- > 0) {
		pick = storm_random(storm, 4);
		if (pick == 0)
			store = delay_new(store, NULL);
		else if (pick == 1)
			store = evkv_prefix_keys_new(store, EVKV_LIT("p:"),
			    NULL);
		else if (pick == 2)
			store = evkv_passthrough_cache_new(store,
			    evkv_memory_new(storm->rig.loop, NULL, NULL), NULL,
			    NULL);
		else
			store = evkv_passthrough_cache_new(store,
			    delay_new(evkv_simple_new(storm->rig.loop, NULL),
				NULL),
			    NULL, NULL);
	}
	check(store != NULL);
	return store;
}

/* ---- Operations ------------------------------------------------------- */

static void storm_step(struct storm *storm);

static void storm_on_answer(const struct evkv_result *result, void *arg)
{
	struct storm_op *op = arg;
	struct storm *storm = op->storm;
	size_t i;

	op->calls++;
	op->inside = !op->returned;
	op->status = result->status;
	op->count = result->count < STORM_BATCH ? result->count : STORM_BATCH;
	for (i = 0; i < op->count; i++) {
		op->entries[i] = evkv_result_entry(result, i)->status;
		if (evkv_result_entry(result, i)->bytes.size ==
		    sizeof(op->read[0]))
			memcpy(&op->read[i],
			    evkv_result_entry(result, i)->bytes.data,
			    sizeof(op->read[0]));
	}
	if (storm->depth < 3 && storm_random(storm, 4) == 0) {
		storm->depth++;
		storm_step(storm);
		storm->depth--;
	}
}

static void storm_submit(struct storm *storm)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PUT, EVKV_OP_PUT,
		EVKV_OP_PUT, EVKV_OP_GET, EVKV_OP_GET, EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_DELETE, EVKV_OP_EXISTS, EVKV_OP_TOUCH, EVKV_OP_KEYS,
		EVKV_OP_CLEAR };
	struct storm_op *op = &storm->ops[storm->count];
	uint64_t values[STORM_BATCH];
	struct evkv_slice keys[STORM_BATCH], bytes[STORM_BATCH];
	static const char names[] = "abcdefghijklmnop";
	struct evkv_request request = {
		.kind = kinds[storm_random(storm,
		    storm_random(storm, 8) == 0 ? 12 : 9)]
	};
	uint32_t classes = evkv_kind_classes(request.kind);
	size_t i;

	*op = (struct storm_op){ .storm = storm, .kind = request.kind };
	for (i = 0; i < STORM_BATCH; i++) {
		/* Which put, from 1, and which of its entries. */
		values[i] = (storm->count + 1) * STORM_BATCH + i;
		bytes[i] = evkv_bytes(&values[i], sizeof(values[i]));
		keys[i] = evkv_bytes(&names[storm_random(storm, STORM_KEYS)],
		    1);
	}
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		request.keys = keys;
		request.count = 1 +
		    (storm_random(storm, 4) == 0) *
			storm_random(storm, STORM_BATCH);
	}
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0)
		request.values = bytes;
	if ((classes & EVKV_CLASS_HAS_TTL) != 0)
		request.ttl_ms = storm_random(storm, 3) == 0 ? 50 : 0;
	if (storm_random(storm, 3) == 0)
		request.timeout_ms = 1 + storm_random(storm, 20);
	storm->count++;
	op->ticket = evkv_submit(storm->store, &request, storm_on_answer, op);
	op->returned = true;
}

static void storm_step(struct storm *storm)
{
	uint32_t pick = storm_random(storm, 20);

	if (pick < 15 && storm->count < STORM_OPS && storm->store != NULL)
		storm_submit(storm);
	else if (pick < 19 && storm->count > 0)
		evkv_cancel(storm->rig.loop,
		    storm
			->ops[storm->count - 1 -
			    storm_random(storm,
				storm->count < 20 ? (uint32_t)storm->count
						  : 20)]
			.ticket);
}

/* ---- What must be true ------------------------------------------------ */

static void storm_check_read(const struct storm *storm, uint64_t value)
{
	const struct storm_op *put = &storm->ops[value / STORM_BATCH - 1];
	size_t i = value % STORM_BATCH;
	enum evkv_status status;

	check(value / STORM_BATCH >= 1 && value / STORM_BATCH <= storm->count);
	check_int(put->kind, EVKV_OP_PUT);
	status = i < put->count ? put->entries[i] : put->status;
	if (status != EVKV_UNKNOWN_OUTCOME)
		check_status(status, EVKV_OK);
}

static void storm_check(const struct storm *storm)
{
	const struct storm_op *op;
	size_t i, j;

	for (i = 0; i < storm->count; i++) {
		op = &storm->ops[i];
		check(op->ticket != 0);
		check_int(op->calls, 1);
		check(!op->inside);
		for (j = 0; j < op->count; j++) {
			if (op->read[j] != 0)
				storm_check_read(storm, op->read[j]);
		}
		if ((evkv_kind_classes(op->kind) & EVKV_CLASS_WRITES) == 0)
			check(op->status != EVKV_UNKNOWN_OUTCOME);
	}
}

static void storm_rage(struct storm *storm, uint64_t seed)
{
	struct answer closed = ANSWER_INIT;
	unsigned ending = (unsigned)seed % 4;

	storm->random = seed * 7919 + 1;
	rig_open(&storm->rig);
	storm->store = storm_stack(storm, (unsigned)seed % 5);
	while (storm->count < STORM_OPS - 10) {
		storm_step(storm);
		if (storm_random(storm, 4) == 0)
			rig_single_turn(&storm->rig);
		if (storm_random(storm, 16) == 0)
			rig_advance(&storm->rig, 1 + storm_random(storm, 10));
	}
	if (ending == 1)
		evkv_store_close(storm->store, -1, answer_cb, &closed);
	else if (ending == 2)
		evkv_store_close(storm->store, 3, answer_cb, &closed);
	if (ending != 3) {
		evkv_store_unref(storm->store);
		storm->store = NULL;
		rig_advance(&storm->rig, 5);
		rig_settle(&storm->rig);
	}
	rig_close(&storm->rig);
	evkv_store_unref(storm->store);
	storm->store = NULL;
	check_int(closed.calls, ending == 1 || ending == 2);
	storm_check(storm);
	answer_free(&closed);
}

static void storm_many(uint64_t first, uint64_t last)
{
	struct storm *storm;
	uint64_t seed;

	for (seed = first; seed <= last; seed++) {
		storm = calloc(1, sizeof(*storm));
		check(storm != NULL);
		test_from("seed", (int)seed);
		storm_rage(storm, seed);
		free(storm);
	}
	test_from(NULL, 0);
}

EVKV_TEST(core_storm, everything_is_answered_once_and_truly)
{
	const char *text = getenv("EVKV_TEST_SEED");
	const char *stacks = getenv("EVKV_STORM_STACKS");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 0;

	if (text != NULL)
		storm_many(seed, seed);
	else
		storm_many(1, stacks != NULL ? strtoull(stacks, NULL, 10) : 10);
}
