/*
 * Random histories of puts, deletes, expiry, compaction, rolls and restarts,
 * with a power cut somewhere: what was acknowledged is there, what was deleted
 * is not, and nothing is there that was never put. Some have a call that fails
 * besides. EVKV_LOG_HISTORIES says how many, EVKV_TEST_SEED from where.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"
#include "sim_files.h"

#define KEYS 24
#define VALUE_ROOM 4200
#define GROUP_MAX 12

/* What a key may be: what was acknowledged last, or what is in doubt since. */
struct fact {
	unsigned values[64]; /* numbers of values; 0 = absent */
	size_t count;
	int64_t expires_ms[64]; /* of those; 0 = never */
};

struct history {
	struct direct direct;
	struct direct_config config;
	char folder[200], path[220], cut[220];
	struct fact facts[KEYS];  /* as the store goes on */
	struct fact at_cut[KEYS]; /* as it was cut */
	int64_t cut_ms;
	bool cut_seen;
	unsigned values; /* that were given */
	uint64_t seed;
};

static void fact_set(struct fact *fact, unsigned value, int64_t expires_ms)
{
	fact->values[0] = value;
	fact->expires_ms[0] = expires_ms;
	fact->count = 1;
}

/* It may come to be so, too. */
static void fact_add(struct fact *fact, unsigned value, int64_t expires_ms)
{
	if (fact->count == 64)
		fail_test("too much is in doubt");
	fact->values[fact->count] = value;
	fact->expires_ms[fact->count++] = expires_ms;
}

static void value_text(unsigned value, char text[VALUE_ROOM])
{
	size_t size = value % 7 == 0 ? 4000 : value % 90, i;
	int n = snprintf(text, VALUE_ROOM, "%u.", value);

	for (i = (size_t)n; i < size; i++)
		text[i] = (char)('a' + (value + i) % 26);
	text[size > (size_t)n ? size : (size_t)n] = '\0';
}

static void key_text(unsigned key, char text[32])
{
	snprintf(text, 32, "key-%u", key);
}

/* ---- Looking ------------------------------------------------------------- */

static bool fact_allows(const struct fact *fact, int64_t now_ms,
    enum evkv_status status, const char *value)
{
	char text[VALUE_ROOM];
	size_t i;

	for (i = 0; i < fact->count; i++) {
		bool over = fact->values[i] == 0 ||
		    (fact->expires_ms[i] != 0 && fact->expires_ms[i] <= now_ms);

		if (over && status == EVKV_NOT_FOUND)
			return true;
		if (over || status != EVKV_OK)
			continue;
		value_text(fact->values[i], text);
		if (strcmp(text, value) == 0)
			return true;
	}
	return false;
}

static void history_check(struct history *h, struct direct *direct,
    const struct fact *facts, const char *when)
{
	char key[32], value[VALUE_ROOM];
	unsigned i;

	for (i = 0; i < KEYS; i++) {
		enum evkv_status status;

		key_text(i, key);
		status = direct_get(direct, key, value, sizeof(value));
		if (!fact_allows(&facts[i], direct->now_ms, status, value))
			fail_test("seed %llu, %s: %s is %s \"%.20s\", and "
				  "should be value %u (of %zu)",
			    (unsigned long long)h->seed, when, key,
			    evkv_status_name(status), value, facts[i].values[0],
			    facts[i].count);
	}
}

/* ---- Steps --------------------------------------------------------------- */

/* If the cut was inside the last step, what that did is in doubt. */
static void history_note_cut(struct history *h, const struct fact *before)
{
	unsigned i;
	size_t j;

	if (h->cut_seen || !sim_was_cut())
		return;
	h->cut_seen = true;
	h->cut_ms = h->direct.now_ms;
	memcpy(h->at_cut, before, sizeof(h->at_cut));
	for (i = 0; i < KEYS; i++) {
		for (j = 0; j < h->facts[i].count; j++)
			fact_add(&h->at_cut[i], h->facts[i].values[j],
			    h->facts[i].expires_ms[j]);
	}
}

/* Writes at once, some of the same key. */
static void step_group(struct history *h)
{
	struct direct_write writes[GROUP_MAX];
	char keys[GROUP_MAX][32], values[GROUP_MAX][VALUE_ROOM];
	unsigned numbers[GROUP_MAX], which[GROUP_MAX];
	struct fact before[KEYS];
	size_t count = 1 + sim_random(GROUP_MAX), i;

	memcpy(before, h->facts, sizeof(before));
	for (i = 0; i < count; i++) {
		which[i] = (unsigned)sim_random(KEYS);
		key_text(which[i], keys[i]);
		numbers[i] = ++h->values;
		value_text(numbers[i], values[i]);
		writes[i] = (struct direct_write){
			.deletes = sim_random(3) == 0,
			.key = keys[i],
			.value = values[i],
			.ttl_ms = sim_random(4) == 0
			    ? 1 + (int64_t)sim_random(4000)
			    : EVKV_TTL_NONE,
		};
	}
	direct_group(&h->direct, writes, count);
	for (i = 0; i < count; i++) {
		struct fact *fact = &h->facts[which[i]];
		unsigned number = writes[i].deletes ? 0 : numbers[i];
		int64_t expires = writes[i].ttl_ms == EVKV_TTL_NONE
		    ? 0
		    : h->direct.now_ms + writes[i].ttl_ms;

		if (writes[i].status == EVKV_OK)
			fact_set(fact, number, writes[i].deletes ? 0 : expires);
		else if (writes[i].status == EVKV_UNKNOWN_OUTCOME)
			fact_add(fact, number, writes[i].deletes ? 0 : expires);
	}
	/* In doubt, too: any part of the group, in order. */
	if (!h->cut_seen && sim_was_cut()) {
		history_note_cut(h, before);
		for (i = 0; i < count; i++)
			fact_add(&h->at_cut[which[i]],
			    writes[i].deletes ? 0 : numbers[i],
			    writes[i].deletes || writes[i].ttl_ms == 0
				? 0
				: h->direct.now_ms + writes[i].ttl_ms);
	}
}

/* A clear that fails may have removed a part. */
static void step_clear(struct history *h)
{
	struct fact before[KEYS];
	bool ok;
	unsigned i;

	memcpy(before, h->facts, sizeof(before));
	ok = direct_remove(&h->direct, EVKV_OP_CLEAR, NULL);
	for (i = 0; i < KEYS; i++) {
		if (ok)
			fact_set(&h->facts[i], 0, 0);
		else
			fact_add(&h->facts[i], 0, 0);
	}
	history_note_cut(h, before);
}

static void step_restart(struct history *h)
{
	struct file_failure failure;

	direct_close(&h->direct);
	if (!direct_open(&h->direct, &h->config, &failure) &&
	    !direct_open(&h->direct, &h->config, &failure))
		fail_test("seed %llu: does not open again: %s",
		    (unsigned long long)h->seed, failure.message);
}

static void step_keep(struct history *h)
{
	uint64_t copied;
	bool finished;

	evkv__log_keep(h->direct.env);
	evkv__log_compact_piece(h->direct.env, false, 0, h->direct.now_ms,
	    &copied, &finished);
}

static void history_step(struct history *h)
{
	struct fact before[KEYS];

	memcpy(before, h->facts, sizeof(before));
	switch (sim_random(20)) {
	case 0: direct_compact(&h->direct); break;
	case 1: evkv__log_roll(h->direct.env); break;
	case 2: direct_remove(&h->direct, EVKV_OP_PURGE_EXPIRED, NULL); break;
	case 3:
		if (sim_random(4) == 0)
			step_clear(h);
		break;
	case 4:
		if (sim_random(3) == 0)
			step_restart(h);
		break;
	case 5:
	case 6: step_keep(h); break;
	case 7: h->direct.now_ms += (int64_t)sim_random(3000); break;
	default: step_group(h); return;
	}
	history_note_cut(h, before);
}

/* ---- Histories ----------------------------------------------------------- */

/* What is left opens, to what it may be, and so does it once more. */
static void history_after_cut(struct history *h)
{
	struct direct direct = { .now_ms = h->cut_ms };
	struct direct_config config = h->config;
	struct file_failure failure;
	char key[32], value[VALUE_ROOM];
	struct fact facts[KEYS];
	int round;
	unsigned i;

	config.path = h->cut;
	for (round = 0; round < 3; round++) {
		if (!direct_open(&direct, &config, &failure))
			fail_test("seed %llu: does not open after the cut: %s",
			    (unsigned long long)h->seed, failure.message);
		history_check(h, &direct, round == 0 ? h->at_cut : facts,
		    round == 0 ? "after the cut" : "opened once more");
		/* What it is now it stays. */
		for (i = 0; i < KEYS && round == 0; i++) {
			size_t j;

			key_text(i, key);
			facts[i] = h->at_cut[i];
			if (direct_get(&direct, key, value, sizeof(value)) !=
			    EVKV_OK) {
				fact_set(&facts[i], 0, 0);
				continue;
			}
			for (j = 0; j < facts[i].count; j++) {
				struct fact one;

				fact_set(&one, facts[i].values[j],
				    facts[i].expires_ms[j]);
				if (!fact_allows(&one, direct.now_ms, EVKV_OK,
					value))
					continue;
				facts[i] = one;
				break;
			}
		}
		if (round == 1)
			check_int(direct_compact(&direct), 0);
		history_check(h, &direct, facts, "compacted after the cut");
		direct_close(&direct);
	}
}

static void history_run(uint64_t seed, bool faults)
{
	struct history *h = calloc(1, sizeof(*h));
	struct file_failure failure;
	unsigned i, steps;

	check(h != NULL);
	h->seed = seed;
	folder_make(h->folder, sizeof(h->folder));
	snprintf(h->path, sizeof(h->path), "%s/log", h->folder);
	snprintf(h->cut, sizeof(h->cut), "%s/cut", h->folder);
	check(mkdir(h->path, 0700) == 0 && mkdir(h->cut, 0700) == 0);
	sim_begin(h->path, seed);
	h->config = (struct direct_config){ .path = h->path, .ratio = 0.3 };
	for (i = 0; i < KEYS; i++)
		fact_set(&h->facts[i], 0, 0);
	sim_cut_at(1 + (unsigned)sim_random(400), h->cut);
	if (!direct_open(&h->direct, &h->config, &failure))
		fail_test("does not open: %s", failure.message);
	h->cut_seen = sim_was_cut();
	if (faults)
		sim_fail_at(1 + (unsigned)sim_random(300),
		    sim_random(3) == 0 ? ENOSPC : EIO);
	steps = 20 + (unsigned)sim_random(80);
	for (i = 0; i < steps; i++)
		history_step(h);
	history_check(h, &h->direct, h->facts, "at the end");
	step_restart(h);
	history_check(h, &h->direct, h->facts, "opened again");
	direct_close(&h->direct);
	sim_end();
	if (h->cut_ms != 0)
		history_after_cut(h);
	folder_remove(h->folder);
	free(h);
}

static unsigned histories(unsigned few)
{
	const char *text = getenv("EVKV_LOG_HISTORIES");

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : few;
}

static uint64_t first_seed(void)
{
	const char *text = getenv("EVKV_TEST_SEED");

	return text != NULL ? strtoull(text, NULL, 10) : 1;
}

EVKV_TEST(log_sim, a_power_cut_loses_nothing_that_was_acknowledged)
{
	unsigned n = histories(300), i;

	for (i = 0; i < n; i++)
		history_run(first_seed() + i, false);
}

EVKV_TEST(log_sim, nor_does_one_after_a_call_that_has_failed)
{
	unsigned n = histories(300), i;

	for (i = 0; i < n; i++)
		history_run(first_seed() + i, true);
}
