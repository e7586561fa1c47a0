/*
 * tests/wrappers/cache_schedules_test.c - schedules by seed of reads, writes,
 * invalidations, failures, expiries and refreshes, with the modes of the cache
 * drawn by chance too.
 *
 *     EVKV_SCHEDULES=100000 EVKV_TEST_SEED=1 wrappers.cache_schedules
 *
 * plays so many from that seed on. What is held to (see schedule.h):
 *
 *   - a read that is submitted after the callback of a write or an invalidation
 *     gets nothing older;
 *   - nothing out of the cache has expired in the primary, unless asked for;
 *   - one load at a time for each key, and none in a backoff where there is
 *     something to serve;
 *   - nobody waits for longer than soft_timeout where there is, nor gets a
 *     failure;
 *   - in the end the cache tells what the primary has.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pick.h"
#include "schedule.h"

enum { STEPS = 70 };

static unsigned pick(struct schedule *s, unsigned below)
{
	return pick_below(&s->random, below);
}

static int64_t pick_ms(struct schedule *s, int64_t a, int64_t b, int64_t c)
{
	const int64_t of[] = { a, b, c };

	return of[pick(s, 3)];
}

static void draw_options(struct schedule *s)
{
	struct evkv_passthrough_cache_options *o = &s->options;

	s->place = (enum schedule_place)pick(s, 3);
	o->max_ttl_ms = pick_ms(s, 20, 50, 200);
	o->stall_timeout_ms = 50;
	o->jitter_ms = pick_ms(s, 0, 0, 10);
	o->negative_ttl_ms = pick_ms(s, 0, 15, 60);
	o->refresh_ahead_percent = (unsigned)pick_ms(s, 0, 50, 90);
	o->stale_while_ms = pick_ms(s, 0, 30, 100);
	o->stale_if_error_ms = pick_ms(s, 0, 50, 300);
	o->fill_on_put = pick(s, 3) == 0;
	if (s->place == SCHEDULE_REMOTE)
		o->cache_timeout_ms = 5;
	if (o->stale_while_ms == 0 && o->stale_if_error_ms == 0)
		return;
	o->soft_timeout_ms = pick_ms(s, 0, 5, 20);
	o->error_backoff_ms = pick_ms(s, 10, 10, 50);
	o->outlive_primary = pick(s, 4) == 0;
}

/* ---- What happens ------------------------------------------------------- */

static void submit(struct schedule *s)
{
	static const struct {
		enum evkv_kind kind;
		uint32_t flags;
	} ops[] = {
		{ EVKV_OP_GET, 0 },
		{ EVKV_OP_GET, 0 },
		{ EVKV_OP_GET, 0 },
		{ EVKV_OP_GET, 0 },
		{ EVKV_OP_GET, 0 },
		{ EVKV_OP_GET, EVKV_FLAG_FRESH },
		{ EVKV_OP_GET, EVKV_FLAG_CACHED_ONLY },
		{ EVKV_OP_EXISTS, 0 },
		{ EVKV_OP_PUT, 0 },
		{ EVKV_OP_PUT, 0 },
		{ EVKV_OP_DELETE, 0 },
		{ EVKV_OP_DELETE, EVKV_FLAG_CACHED_ONLY },
		{ EVKV_OP_DELETE, EVKV_FLAG_CACHED_ONLY | EVKV_FLAG_SOFT },
	};
	unsigned which = pick(s, sizeof(ops) / sizeof(ops[0]));
	struct schedule_op *op = schedule_op(s, ops[which].kind,
	    ops[which].flags);
	size_t i;

	if (op == NULL)
		return;
	op->count = pick(s, 4) > 0 ? 1 : 1 + pick(s, SCHEDULE_BATCH);
	for (i = 0; i < op->count; i++)
		op->keys[i] = pick(s, SCHEDULE_KEYS);
	op->ttl_ms = pick(s, 2) == 0 ? 0 : pick_ms(s, 10, 40, 150);
	/* One that goes on below after it was reported is not seen there. */
	if ((op->flags & EVKV_FLAG_CACHED_ONLY) == 0 && pick(s, 8) == 0)
		op->timeout_ms = 1 + pick(s, 20);
	schedule_submit(s, op);
}

/* Of another process. */
static void meddle(struct schedule *s)
{
	unsigned key = pick(s, SCHEDULE_KEYS);

	if (pick(s, 4) == 0)
		schedule_remove(s, key);
	else
		schedule_put(s, key,
		    pick(s, 2) == 0 ? 0 : pick_ms(s, 10, 40, 150));
}

/* A primary that is well, slow, failing, or out of order. */
static void weather(struct schedule *s)
{
	const uint32_t loads = EVKV_KIND_BIT(EVKV_OP_TTL) |
	    EVKV_KIND_BIT(EVKV_OP_EXISTS);
	const struct evkv_fault_rule rules[] = {
		{ .action = EVKV_FAULT_FAIL, .kinds = loads },
		{ .action = EVKV_FAULT_FAIL, .permille = 300 },
		{ .action = EVKV_FAULT_LOSE, .permille = 200 },
		{ .action = EVKV_FAULT_DELAY,
		    .permille = 700,
		    .delay_max_ms = 40 },
		{ .action = EVKV_FAULT_DELAY_AFTER,
		    .permille = 700,
		    .delay_max_ms = 40 },
		{ .action = EVKV_FAULT_REORDER, .permille = 500 },
	};
	unsigned i;

	evkv_fault_clear(s->faults);
	if (pick(s, 3) == 0)
		return;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (pick(s, 3) == 0)
			evkv_fault_add(s->faults, &rules[i]);
	}
}

/* Its answers come, or not, within cache_timeout. */
static void cache_weather(struct schedule *s)
{
	const struct evkv_fault_rule rules[] = {
		{ .action = EVKV_FAULT_FAIL, .permille = 200 },
		{ .action = EVKV_FAULT_LOSE, .permille = 200 },
		{ .action = EVKV_FAULT_DELAY,
		    .permille = 500,
		    .delay_max_ms = 7 },
		{ .action = EVKV_FAULT_DELAY_AFTER,
		    .permille = 500,
		    .delay_max_ms = 7 },
	};
	unsigned i;

	if (s->cache_faults == NULL)
		return;
	evkv_fault_clear(s->cache_faults);
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (pick(s, 4) == 0)
			evkv_fault_add(s->cache_faults, &rules[i]);
	}
}

static void step(struct schedule *s)
{
	switch (pick(s, 12)) {
	case 0: weather(s); break;
	case 1: cache_weather(s); break;
	case 2:
	case 3: meddle(s); break;
	case 4:
	case 5:
	case 6: schedule_pass(s, 1 + pick(s, 30)); break;
	default: submit(s); break;
	}
}

static void play(unsigned seed)
{
	static struct schedule s;
	unsigned i;

	memset(&s, 0, sizeof(s));
	s.random = seed;
	draw_options(&s);
	schedule_open(&s, seed);
	for (i = 0; i < STEPS; i++)
		step(&s);
	schedule_end(&s);
}

EVKV_TEST(wrappers_cache_schedules, none_breaks_a_promise)
{
	const char *text = getenv("EVKV_SCHEDULES");
	const char *first = getenv("EVKV_TEST_SEED");
	unsigned long count = text != NULL ? strtoul(text, NULL, 10) : 8000;
	unsigned long seed = first != NULL ? strtoul(first, NULL, 10) : 1, i;

	for (i = 0; i < count; i++) {
		if (count < 10)
			fprintf(stderr, "seed %lu\n", seed + i);
		schedule_seed = seed + i;
		play((unsigned)(seed + i));
	}
}
