/*
 * tests/wrappers/passthrough_truth_test.c - random histories through a cache
 * that is slow, full, silent and late by turns. Every read must tell just what
 * the last write before it said, and in the end the cache must hold nothing
 * else than the primary does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cache_bed.h"
#include "pick.h"

enum { KEYS = 5, OPS = 1200, STEPS = 900, BATCH = 4, NONE = 0 };

struct truth_op {
	struct truth *truth;
	enum evkv_kind kind;
	size_t count;
	unsigned keys[BATCH], expected[BATCH]; /* NONE: not there */
	unsigned calls;
	bool canceled;
	evkv_ticket ticket;
};

struct truth {
	struct cache_bed bed;
	uint64_t random;
	unsigned present[KEYS]; /* after all that was submitted */
	unsigned number, count, over, advances;
	struct truth_op ops[OPS];
};

static const char *const names[KEYS] = { "a", "b", "c", "d",
	"a name that the cache takes as well" };

static unsigned pick(struct truth *t, unsigned below)
{
	return pick_below(&t->random, below);
}

static void truth_open(struct truth *t, unsigned seed)
{
	memset(t, 0, sizeof(*t));
	t->random = seed;
	bed_open(&t->bed, BED_REMOTE,
	    &(struct evkv_passthrough_cache_options){
		.max_ttl_ms = 2000,
		.stall_timeout_ms = 500,
		.max_bypass = seed % 2 == 0 ? 2 : 100,
		.cache_timeout_ms = 100,
	    });
}

/* ---- Operations ----------------------------------------------------- */

static unsigned value_of(const struct evkv_entry *entry)
{
	unsigned value;

	if (entry->status != EVKV_OK)
		return NONE;
	check_int(entry->bytes.size, sizeof(value));
	memcpy(&value, entry->bytes.data, sizeof(value));
	return value;
}

static void check_entry(const struct truth_op *op, size_t i,
    const struct evkv_entry *entry)
{
	unsigned expected = op->expected[i];

	if (entry->status != EVKV_OK && entry->status != EVKV_NOT_FOUND)
		fail_test("%s ends with %s", evkv_kind_name(op->kind),
		    evkv_status_name(entry->status));
	if ((entry->status == EVKV_OK) != (expected != NONE))
		fail_test("%s of %s is %s, and should be %u",
		    evkv_kind_name(op->kind), names[op->keys[i]],
		    evkv_status_name(entry->status), expected);
	if ((op->kind == EVKV_OP_GET || op->kind == EVKV_OP_TTL) &&
	    value_of(entry) != expected)
		fail_test("%s of %s is %u, and should be %u",
		    evkv_kind_name(op->kind), names[op->keys[i]],
		    value_of(entry), expected);
}

static void truth_cb(const struct evkv_result *result, void *arg)
{
	struct truth_op *op = arg;
	size_t i;

	check_int(++op->calls, 1);
	op->truth->over++;
	if (op->canceled && result->status == EVKV_CANCELED)
		return;
	check_int(result->count, op->count);
	for (i = 0; i < op->count; i++)
		check_entry(op, i, evkv_result_entry(result, i));
}

/* What each entry must be, given all that was submitted before. */
static void expect(struct truth *t, struct truth_op *op)
{
	unsigned *present;
	size_t i;

	for (i = 0; i < op->count; i++) {
		present = &t->present[op->keys[i]];
		op->expected[i] = *present;
		if (op->kind == EVKV_OP_PUT)
			op->expected[i] = *present = t->number;
		else if (op->kind == EVKV_OP_DELETE)
			*present = NONE;
	}
}

static void truth_submit(struct truth *t)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_GET,
		EVKV_OP_GET, EVKV_OP_PUT, EVKV_OP_PUT, EVKV_OP_DELETE,
		EVKV_OP_EXISTS, EVKV_OP_TTL, EVKV_OP_TOUCH };
	struct truth_op *op = &t->ops[t->count];
	struct evkv_slice keys[BATCH], values[BATCH];
	struct evkv_request request = { .collection = C };
	size_t i;

	if (t->count == OPS)
		return;
	t->count++;
	t->number++;
	op->truth = t;
	op->kind = kinds[pick(t, sizeof(kinds) / sizeof(kinds[0]))];
	op->count = pick(t, 3) > 0 ? 1 : 1 + pick(t, BATCH);
	for (i = 0; i < op->count; i++) {
		op->keys[i] = pick(t, KEYS);
		keys[i] = evkv_str(names[op->keys[i]]);
		values[i] = evkv_bytes(&t->number, sizeof(t->number));
	}
	expect(t, op);
	request.kind = op->kind;
	request.count = op->count;
	request.keys = keys;
	if (op->kind == EVKV_OP_PUT)
		request.values = values;
	op->ticket = evkv_submit(t->bed.store, &request, truth_cb, op);
}

/* Only reads: a write that is called off may have happened or not. */
static void truth_cancel(struct truth *t)
{
	struct truth_op *op;

	if (t->count == 0)
		return;
	op = &t->ops[t->count - 1 - pick(t, t->count < 8 ? t->count : 8)];
	if (op->calls > 0 || (evkv_kind_classes(op->kind) & EVKV_CLASS_WRITES))
		return;
	op->canceled = true;
	evkv_cancel(t->bed.rig.loop, op->ticket);
}

/* ---- The tiers ------------------------------------------------------ */

/* With GATE_AFTER nothing may be held before: it would be overtaken. */
static void set_mode(struct truth *t, struct gate *gate)
{
	enum gate_mode mode = (enum gate_mode)pick(t, 3);

	if (mode != GATE_AFTER || gate->held_count == 0)
		gate->mode = mode;
}

static void meddle(struct truth *t)
{
	static const uint32_t sets[] = { EVKV_KIND_BIT(EVKV_OP_DELETE),
		EVKV_KIND_BIT(EVKV_OP_DELETE) |
		    EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL),
		EVKV_KIND_BIT(EVKV_OP_GET), EVKV_KIND_BIT(EVKV_OP_PUT),
		EVKV_KINDS_BASIC };

	switch (pick(t, 6)) {
	case 0: set_mode(t, t->bed.cache); break;
	case 1: t->bed.cache->sends = pick(t, 2) == 0; break;
	case 2:
		t->bed.cache->fail = pick(t, 2) == 0 ? EVKV_BUSY : EVKV_OK;
		t->bed.cache->fail_kinds = sets[pick(t, 5)];
		break;
	case 3: set_mode(t, t->bed.primary); break;
	default: break;
	}
}

/* In order, as a store keeps it for each key. */
static void pass_on(struct truth *t)
{
	struct gate *gate = pick(t, 2) == 0 ? t->bed.cache : t->bed.primary;
	unsigned most = pick(t, 4);

	while (gate->held_count > 0 && most-- > 0)
		gate_release(gate, 0);
}

/* Nothing arrives later than stall_timeout_ms after it was given up. */
static void pass_time(struct truth *t)
{
	if (++t->advances % 5 == 0)
		gate_release_all(t->bed.cache);
	rig_advance(&t->bed.rig, 1 + pick(t, 60));
	if (pick(t, 20) == 0) {
		gate_release_all(t->bed.cache);
		rig_advance(&t->bed.rig, 1000);
	}
}

static void truth_step(struct truth *t)
{
	switch (pick(t, 12)) {
	case 0:
	case 1: meddle(t); break;
	case 2:
	case 3:
	case 4: pass_on(t); break;
	case 5: rig_turn(&t->bed.rig); break;
	case 6: pass_time(t); break;
	case 7: truth_cancel(t); break;
	default: truth_submit(t); break;
	}
}

/* ---- The end -------------------------------------------------------- */

static void settle(struct truth *t)
{
	unsigned round;

	t->bed.cache->mode = t->bed.primary->mode = GATE_OPEN;
	t->bed.cache->fail = EVKV_OK;
	for (round = 0; round < 100; round++) {
		gate_release_all(t->bed.cache);
		gate_release_all(t->bed.primary);
		rig_turn(&t->bed.rig);
	}
	check_int(t->over, t->count);
}

static void value_cb(const struct evkv_result *result, void *arg)
{
	*(unsigned *)arg = value_of(evkv_result_entry(result, 0));
}

static unsigned value_in(struct truth *t, struct evkv_store *store, size_t i)
{
	unsigned value = NONE;

	evkv_get(store, C, evkv_str(names[i]), value_cb, &value);
	rig_turn(&t->bed.rig);
	return value;
}

/*
 * The cache holds nothing else than the primary does, and after all that was,
 * it is in use again: what is read stays in it.
 */
static void check_tiers(struct truth *t)
{
	unsigned below, tier;
	size_t i;

	for (i = 0; i < KEYS; i++) {
		below = value_in(t, t->bed.below, i);
		tier = value_in(t, t->bed.tier, i);
		check_int(below, t->present[i]);
		if (tier != NONE)
			check_int(tier, below);
		check_int(value_in(t, t->bed.store, i), below);
		check_int(value_in(t, t->bed.tier, i), below);
	}
}

static void truth_run(unsigned seed)
{
	static struct truth t;
	unsigned step;

	truth_open(&t, seed);
	for (step = 0; step < STEPS; step++)
		truth_step(&t);
	settle(&t);
	for (step = 0; step < 12; step++) {
		truth_submit(&t);
		settle(&t);
		rig_advance(&t.bed.rig, 500);
		settle(&t);
	}
	check_tiers(&t);
	bed_close(&t.bed);
}

EVKV_TEST(wrappers_passthrough_truth, reads_tell_what_was_written_last)
{
	const char *seeds = getenv("EVKV_TRUTH_SEEDS");
	unsigned long count = seeds != NULL ? strtoul(seeds, NULL, 10) : 80;
	unsigned long seed;

	for (seed = 1; seed <= count; seed++) {
		if (seeds != NULL)
			fprintf(stderr, "seed %lu\n", seed);
		truth_run((unsigned)seed);
	}
}
