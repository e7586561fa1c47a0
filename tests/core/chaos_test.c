/*
 * tests/core/chaos_test.c - everything at once, in random order: operations of
 * all kinds on stacks that share stores, deadlines, cancels, breaks, stores
 * that are closed and given up in callbacks. What must hold: one callback for
 * each operation, no write that was said to be without effect takes effect,
 * before or after, and nothing is left in any counter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"
#include "faults.h"
#include "gate.h"
#include "pick.h"
#include "rig.h"
#include "test.h"

enum { STORES = 8, GATES = 3, SHOTS = 3000, STEPS = 600 };

struct chaos;

struct shot {
	struct chaos *chaos;
	evkv_ticket ticket;
	unsigned number, calls;
	bool done;   /* seen by the store at the bottom */
	bool denied; /* the waiter was told that it had no effect */
};

struct chaos {
	struct rig rig;
	uint64_t random;
	struct evkv_store *stores[STORES]; /* NULL where given up */
	struct evkv_store *gate_stores[GATES];
	struct gate *gates[GATES];
	struct shot shots[SHOTS];
	unsigned count, closes, closed;
	bool quiet;   /* callbacks do nothing more */
	bool starved; /* memory is wanting now and then */
};

static unsigned chaos_random(struct chaos *chaos, unsigned below)
{
	return pick_below(&chaos->random, below);
}

/* ---- The bottom: sees each put that is done ------------------------- */

struct spy {
	struct chaos *chaos;
	struct evkv_store *inner;
};

static void spy_see(struct chaos *chaos, struct evkv_slice value)
{
	struct shot *shot;
	unsigned number;

	memcpy(&number, value.data, sizeof(number));
	shot = &chaos->shots[number];
	if (shot->denied)
		fail_test("put %u is done after it was said not to be", number);
	shot->done = true;
}

static enum evkv_verdict spy_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, ((struct spy *)self)->inner, request);
}

/* The store below answers at once: the inputs are still there. */
static void spy_complete(void *self, struct evkv_op *op)
{
	const struct evkv_request *request = evkv_op_request(op);
	struct spy *spy = self;
	size_t i;

	for (i = 0; request->kind == EVKV_OP_PUT && i < request->count; i++) {
		if (evkv_op_entry(op, i)->status == EVKV_OK)
			spy_see(spy->chaos, request->values[i]);
	}
}

static const struct evkv_vtable spy_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "spy",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = spy_submit,
	.complete = spy_complete,
	.free = evkv_free,
};

static struct evkv_store *spy_new(struct chaos *chaos, struct evkv_store *inner)
{
	struct spy *spy = evkv_malloc(sizeof(*spy));

	check(spy != NULL);
	*spy = (struct spy){ chaos, inner };
	return evkv_store_create(NULL, &spy_vtable, spy,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
}

/* ---- The stage ------------------------------------------------------ */

static struct evkv_store *behind_cache(struct chaos *chaos,
    struct evkv_store *primary, unsigned cache)
{
	return evkv_passthrough_cache_new(primary,
	    evkv_store_ref(chaos->gate_stores[cache]),
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 5000,
		.stall_timeout_ms = 500,
		.max_bypass = 2,
		.cache_timeout_ms = 100,
	    },
	    NULL);
}

static struct evkv_store *prefixed(struct evkv_store *inner, const char *prefix)
{
	return evkv_prefix_keys_new(inner, evkv_str(prefix), NULL);
}

static void chaos_open(struct chaos *chaos, uint64_t seed)
{
	struct evkv_store **stores = chaos->stores, *bottom;
	struct evkv_loop *loop;
	unsigned i;

	memset(chaos, 0, sizeof(*chaos));
	chaos->random = seed;
	rig_open(&chaos->rig);
	loop = chaos->rig.loop;
	bottom = spy_new(chaos, evkv_simple_new(loop, NULL));
	chaos->gate_stores[0] = gate_new(bottom, &chaos->gates[0], NULL);
	chaos->gate_stores[1] = gate_remote_new(evkv_simple_new(loop, NULL),
	    &chaos->gates[1], NULL);
	chaos->gate_stores[2] = gate_new(evkv_simple_new(loop, NULL),
	    &chaos->gates[2], NULL);
	stores[0] = evkv_store_ref(chaos->gate_stores[0]);
	stores[1] = prefixed(evkv_store_ref(stores[0]), "a:");
	stores[2] = behind_cache(chaos, evkv_store_ref(stores[0]), 1);
	stores[3] = prefixed(evkv_store_ref(stores[2]), "b:");
	stores[4] = behind_cache(chaos, evkv_store_ref(stores[1]), 2);
	stores[5] = behind_cache(chaos, evkv_store_ref(stores[3]), 2);
	stores[6] = prefixed(
	    prefixed(prefixed(prefixed(evkv_store_ref(stores[5]), "c:"), "d:"),
		"e:"),
	    "f:");
	stores[7] = prefixed(evkv_store_ref(stores[4]), "g:");
	for (i = 0; i < STORES; i++)
		check(stores[i] != NULL);
	evkv_store_set_timeout(stores[3], 700);
	evkv_store_set_limits(stores[4], 20, 0);
}

/* ---- What is done --------------------------------------------------- */

static void chaos_submit(struct chaos *chaos);

static void chaos_closed(const struct evkv_result *result, void *arg)
{
	struct chaos *chaos = arg;

	check(result->status == EVKV_OK || result->status == EVKV_TIMEOUT);
	chaos->closed++;
}

static void chaos_close(struct chaos *chaos)
{
	unsigned i = chaos_random(chaos, STORES);
	int64_t drain_ms = (int64_t)chaos_random(chaos, 400) - 100;

	if (chaos->stores[i] == NULL)
		return;
	if (chaos_random(chaos, 2) == 0) {
		chaos->closes += evkv_store_close(chaos->stores[i], drain_ms,
				     chaos_closed, chaos) != 0;
	}
	if (chaos_random(chaos, 2) == 0) {
		evkv_store_unref(chaos->stores[i]);
		chaos->stores[i] = NULL;
	}
}

static void chaos_cancel(struct chaos *chaos)
{
	if (chaos->count > 0)
		evkv_cancel(chaos->rig.loop,
		    chaos->shots[chaos_random(chaos, chaos->count)].ticket);
}

static void chaos_in_callback(struct chaos *chaos)
{
	switch (chaos_random(chaos, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: chaos_submit(chaos); break;
	case 5:
	case 6: chaos_cancel(chaos); break;
	case 7: event_base_loopbreak(chaos->rig.base); break;
	case 8:
		if (chaos_random(chaos, 30) == 0)
			chaos_close(chaos);
		break;
	default: break;
	}
}

static bool says_no_effect(enum evkv_status status)
{
	return status == EVKV_INVALID || status == EVKV_UNSUPPORTED ||
	    status == EVKV_BUSY || status == EVKV_TIMEOUT ||
	    status == EVKV_CANCELED || status == EVKV_CLOSED ||
	    status == EVKV_UNAVAILABLE;
}

static void chaos_cb(const struct evkv_result *result, void *arg)
{
	struct shot *shot = arg;

	check_int(++shot->calls, 1);
	if (result->kind == EVKV_OP_PUT && says_no_effect(result->status)) {
		if (shot->done)
			fail_test("put %u is done, and said to be %s",
			    shot->number, evkv_status_name(result->status));
		shot->denied = true;
	}
	if (result->kind == EVKV_OP_PUT && result->status == EVKV_OK &&
	    !shot->done)
		fail_test("put %u is said to be done", shot->number);
	if (!shot->chaos->quiet)
		chaos_in_callback(shot->chaos);
}

static void chaos_submit(struct chaos *chaos)
{
	static const struct evkv_slice keys[] = { { "k0", 2 }, { "k1", 2 },
		{ "k2", 2 }, { "k1", 2 }, { "k3", 2 } };
	struct evkv_store *store = chaos->stores[chaos_random(chaos, STORES)];
	struct evkv_request request = { .collection = EVKV_LIT("c") };
	struct evkv_slice values[3];
	struct shot *shot;
	uint32_t classes;
	size_t i;

	if (chaos->count == SHOTS || store == NULL)
		return;
	shot = &chaos->shots[chaos->count];
	shot->chaos = chaos;
	shot->number = chaos->count++;
	request.kind = chaos_random(chaos, 3) == 0
	    ? EVKV_OP_PUT
	    : (enum evkv_kind)chaos_random(chaos, EVKV_KIND_COUNT);
	classes = evkv_kind_classes(request.kind);
	if ((classes & EVKV_CLASS_COLLECTION) == 0)
		request.collection = evkv_bytes(NULL, 0);
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		request.keys = &keys[chaos_random(chaos, 3)];
		request.count = 1 + chaos_random(chaos, 3);
		if (request.count == 1 && chaos_random(chaos, 2) == 0)
			request.flags |= EVKV_FLAG_SINGLE;
	}
	for (i = 0; i < 3; i++)
		values[i] = evkv_bytes(&shot->number, sizeof(shot->number));
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0)
		request.values = values;
	if ((classes & EVKV_CLASS_HAS_TTL) != 0)
		request.ttl_ms = chaos_random(chaos, 2000);
	if (chaos_random(chaos, 4) == 0)
		request.flags |= EVKV_FLAG_INLINE;
	if (chaos_random(chaos, 3) == 0)
		request.timeout_ms = 1 + chaos_random(chaos, 300);
	shot->ticket = evkv_submit(store, &request, chaos_cb, shot);
	check(shot->ticket != 0 || chaos->starved);
	if (shot->ticket == 0) {
		check_int(shot->calls, 0);
		chaos->count = shot->number; /* it never was */
	}
}

static void chaos_gate(struct chaos *chaos)
{
	static const enum evkv_status fails[] = { EVKV_SERVER, EVKV_IO,
		EVKV_UNKNOWN_OUTCOME };
	struct gate *gate = chaos->gates[chaos_random(chaos, GATES)];
	unsigned i = 0;

	if (gate->held_count > 0)
		i = chaos_random(chaos, (unsigned)gate->held_count);
	switch (chaos_random(chaos, 8)) {
	case 0: gate->mode = (enum gate_mode)chaos_random(chaos, 3); break;
	case 1: gate->sends = chaos_random(chaos, 2) == 0; break;
	case 2:
		gate->fail = chaos_random(chaos, 3) == 0 ? EVKV_BUSY : EVKV_OK;
		break;
	case 3:
		if (gate->held_count > 0)
			gate_fail(gate, i, fails[chaos_random(chaos, 3)],
			    EVKV_CAUSE_SERVER);
		break;
	default:
		if (gate->held_count > 0)
			gate_release(gate, i);
		break;
	}
}

static void starve(struct chaos *chaos)
{
	if (chaos_random(chaos, 3) == 0)
		faults_fail_nth(1 + chaos_random(chaos, 12));
	else if (chaos_random(chaos, 40) == 0)
		faults_fail_from(1 + chaos_random(chaos, 12));
	else
		faults_off();
}

static void chaos_step(struct chaos *chaos)
{
	if (chaos->starved)
		starve(chaos);
	switch (chaos_random(chaos, 16)) {
	case 0: chaos_cancel(chaos); break;
	case 1: rig_advance(&chaos->rig, chaos_random(chaos, 400)); break;
	case 2:
	case 3: rig_turn(&chaos->rig); break;
	case 4:
		if (chaos_random(chaos, 40) == 0)
			chaos_close(chaos);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9: chaos_gate(chaos); break;
	default: chaos_submit(chaos); break;
	}
}

static void check_all_told(const struct chaos *chaos)
{
	unsigned i;

	for (i = 0; i < chaos->count; i++) {
		if (chaos->shots[i].calls != 1)
			fail_test("operation %u was told %u times", i,
			    chaos->shots[i].calls);
	}
	check_int(chaos->closed, chaos->closes);
}

static void check_counters(struct evkv_store *store)
{
	struct evkv_counters counters;

	if (store == NULL)
		return;
	evkv_store_counters(store, &counters);
	check_int(counters.pending, 0);
	check_int(counters.pending_bytes, 0);
	check_int(counters.abandoned, 0);
}

/* Let everything end by itself. */
static void chaos_settle(struct chaos *chaos)
{
	unsigned i, round;

	chaos->quiet = true;
	for (round = 0; round < 200; round++) {
		for (i = 0; i < GATES; i++) {
			chaos->gates[i]->mode = GATE_OPEN;
			chaos->gates[i]->fail = EVKV_OK;
			gate_release_all(chaos->gates[i]);
		}
		rig_turn(&chaos->rig);
		rig_advance(&chaos->rig, 100);
	}
	check_all_told(chaos);
	for (i = 0; i < STORES; i++)
		check_counters(chaos->stores[i]);
	for (i = 0; i < GATES; i++)
		check_counters(chaos->gate_stores[i]);
}

static void chaos_end(struct chaos *chaos)
{
	unsigned i;

	for (i = 0; i < GATES; i++)
		evkv_store_unref(chaos->gate_stores[i]);
	for (i = 0; i < STORES; i++) {
		evkv_store_unref(chaos->stores[i]);
		chaos->stores[i] = NULL;
	}
}

static void chaos_run(uint64_t seed, bool starved)
{
	static struct chaos chaos;
	unsigned step;

	chaos_open(&chaos, seed);
	chaos.starved = starved;
	for (step = 0; step < STEPS; step++)
		chaos_step(&chaos);
	faults_off();
	switch (seed % 3) {
	case 0:
		chaos_settle(&chaos);
		chaos_end(&chaos);
		break;
	case 1: /* everything is given up while much is pending */
		chaos_end(&chaos);
		rig_turn(&chaos.rig);
		break;
	default: /* the loop goes first */ break;
	}
	chaos.quiet = true;
	rig_close(&chaos.rig);
	/* Where the loop went first: dead handles. */
	if (seed % 3 == 2)
		chaos_end(&chaos);
	check_all_told(&chaos);
}

static void chaos_runs(bool starved)
{
	const char *seeds = getenv("EVKV_CHAOS_SEEDS");
	unsigned long seed,
	    count = seeds != NULL ? strtoul(seeds, NULL, 10) : 60;

	for (seed = 1; seed <= count; seed++) {
		if (seeds != NULL)
			fprintf(stderr, "seed %lu\n", seed);
		chaos_run(seed, starved);
	}
}

EVKV_TEST(core_chaos, one_callback_and_no_false_word)
{
	chaos_runs(false);
}

EVKV_TEST(core_chaos, the_same_where_memory_is_wanting)
{
	chaos_runs(true);
}
