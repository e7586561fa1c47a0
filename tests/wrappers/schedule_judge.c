/* tests/wrappers/schedule_judge.c - whether an answer is one that may be given.
 */
#include <string.h>

#include "schedule.h"
#include "wrappers/passthrough_cache/head.h"

/* ---- What is in the cache ----------------------------------------------- */

struct look {
	struct evkv_slice name;
	bool found;
	unsigned char head[HEAD_SIZE];
};

static bool look_at(const struct evkv_simple_entry *entry, void *arg)
{
	struct look *look = arg;

	if (!evkv_slice_equal(entry->key, look->name) ||
	    entry->value.size < HEAD_SIZE ||
	    (entry->ttl_ms != EVKV_TTL_NONE && entry->ttl_ms <= 0))
		return true;
	look->found = true;
	memcpy(look->head, entry->value.data, HEAD_SIZE);
	return true;
}

static enum life life_of(const struct schedule *s, const unsigned char *bytes,
    int64_t now_us, struct head *head)
{
	struct cache cache = { .options = s->options };

	if (!evkv__head_read(evkv_bytes(bytes, HEAD_SIZE), head))
		return LIFE_OVER;
	return evkv__head_life(&cache, head, now_us);
}

static struct look look(struct schedule *s, unsigned key)
{
	static const char *const names[SCHEDULE_KEYS] = { "a", "bb",
		"a key of some length" };
	struct look found = { .name = evkv_str(names[key]) };

	if (s->place == SCHEDULE_SIMPLE)
		evkv_simple_each(s->tier, look_at, &found);
	return found;
}

bool schedule_serves(struct schedule *s, unsigned key)
{
	struct look found = look(s, key);
	struct head head;
	enum life life;

	if (!found.found)
		return false;
	life = life_of(s, found.head, s->rig.now_us, &head);
	return life == LIFE_STALE || life == LIFE_LAST;
}

/* ---- When it is submitted ----------------------------------------------- */

/* By when a reader of one key has its answer, whatever the primary does. */
static int64_t answer_by_us(struct schedule_op *op)
{
	struct schedule *s = op->schedule;
	int64_t soft_us = s->options.soft_timeout_ms * 1000, at_us;
	struct head head;
	enum life life;

	if (op->count != 1 || !op->at[0].has_head ||
	    (op->flags & EVKV_FLAG_FRESH) != 0)
		return 0;
	life = life_of(s, op->at[0].head, s->rig.now_us, &head);
	if (life == LIFE_FRESH || (life == LIFE_STALE && soft_us == 0))
		return s->rig.now_us + 1;
	at_us = s->rig.now_us + soft_us;
	if (life == LIFE_OVER || soft_us == 0 || head.expired ||
	    life_of(s, op->at[0].head, at_us, &head) == LIFE_OVER)
		return 0;
	return at_us + 1;
}

void schedule_note(struct schedule_op *op)
{
	struct schedule *s = op->schedule;
	size_t i;

	op->begun = ++s->events;
	op->begun_us = s->rig.now_us;
	for (i = 0; i < op->count; i++) {
		const struct schedule_key *key = &s->keys[op->keys[i]];
		struct look found = look(s, op->keys[i]);

		op->at[i].least = key->least;
		op->at[i].least_soft = key->least_soft;
		op->at[i].softened = key->softened;
		op->at[i].now = key->count - 1;
		op->at[i].has_head = found.found;
		memcpy(op->at[i].head, found.head, HEAD_SIZE);
	}
	if (op->kind == EVKV_OP_GET || op->kind == EVKV_OP_EXISTS)
		op->answer_by_us = answer_by_us(op);
}

/* ---- When it is answered ------------------------------------------------ */

static void blame(const struct schedule_op *op, size_t i, const char *what)
{
	fail_test("seed %lu: %s (flags %u) of key %u, submitted as number %u: "
		  "%s",
	    schedule_seed, evkv_kind_name(op->kind), op->flags, op->keys[i],
	    op->number, what);
}

/* Which version of a key a read must at least have got. */
static size_t least_of(const struct schedule_op *op, size_t i,
    const struct evkv_entry *entry)
{
	const struct schedule_key *key = &op->schedule->keys[op->keys[i]];
	size_t least = op->at[i].least;
	bool pardoned = (entry->flags & EVKV_ENTRY_STALE) != 0 &&
	    key->failed_begun > op->at[i].softened;

	if (!pardoned && least < op->at[i].least_soft)
		least = op->at[i].least_soft;
	if ((op->flags & EVKV_FLAG_FRESH) != 0 && least < op->at[i].now)
		least = op->at[i].now;
	return least;
}

static void judge_value(const struct schedule_op *op, size_t i,
    const struct evkv_entry *entry)
{
	const struct schedule *s = op->schedule;
	const struct schedule_key *key = &s->keys[op->keys[i]];
	size_t least = least_of(op, i, entry), v = key->count;
	/* What a batch has got it keeps while it waits for the rest. */
	int64_t now_us = op->count == 1 ? s->rig.now_us : op->begun_us;
	unsigned number;

	check_int(entry->bytes.size, sizeof(number));
	memcpy(&number, entry->bytes.data, sizeof(number));
	while (v > 0 && key->versions[v - 1].number != number)
		v--;
	if (v == 0)
		blame(op, i, "a value that was never there");
	if (v - 1 < least)
		blame(op, i, "older than a write before it");
	if ((entry->flags & EVKV_ENTRY_CACHED) != 0 &&
	    !s->options.outlive_primary &&
	    key->versions[v - 1].dies_us <= now_us)
		blame(op, i, "has expired in the primary");
}

static void judge_absence(const struct schedule_op *op, size_t i,
    const struct evkv_entry *entry)
{
	const struct schedule_key *key = &op->schedule->keys[op->keys[i]];
	size_t v;

	if ((op->flags & EVKV_FLAG_CACHED_ONLY) != 0)
		return;
	for (v = least_of(op, i, entry); v < key->count; v++) {
		if (key->versions[v].number == 0 ||
		    key->versions[v].dies_us <= op->schedule->rig.now_us)
			return;
	}
	blame(op, i, "not found, though it was there all the time");
}

/* A failure is told only where there is nothing to fall back on. */
static void judge_failure(const struct schedule_op *op, size_t i,
    const struct evkv_result *result)
{
	struct head head;

	if (result->status == EVKV_TIMEOUT || !op->at[i].has_head ||
	    (op->flags & EVKV_FLAG_FRESH) != 0)
		return;
	if (life_of(op->schedule, op->at[i].head, op->schedule->rig.now_us,
		&head) != LIFE_OVER)
		blame(op, i, "failed, though there was something to serve");
}

static void judge_read(const struct schedule_op *op, size_t i,
    const struct evkv_result *result)
{
	const struct evkv_entry *entry = evkv_result_entry(result, i);

	if (entry->status == EVKV_OK && op->kind == EVKV_OP_GET)
		judge_value(op, i, entry);
	else if (entry->status == EVKV_NOT_FOUND)
		judge_absence(op, i, entry);
	else if (evkv_failed(entry->status))
		judge_failure(op, i, result);
}

/* What it wrote is the latest that took effect and is its own. */
static size_t version_of(const struct schedule_op *op,
    const struct schedule_key *key)
{
	unsigned number = op->kind == EVKV_OP_PUT ? op->number : 0;
	size_t v = key->count;

	while (v > 1 && key->versions[v - 1].number != number)
		v--;
	return v - 1;
}

static void raise(size_t *least, size_t to)
{
	if (*least < to)
		*least = to;
}

static void judge_write(struct schedule_op *op, size_t i,
    const struct evkv_entry *entry)
{
	struct schedule_key *key = &op->schedule->keys[op->keys[i]];

	if (evkv_failed(entry->status))
		return;
	if ((op->flags & EVKV_FLAG_SOFT) != 0 &&
	    op->schedule->options.stale_if_error_ms > 0) {
		raise(&key->least_soft, op->at[i].now);
		if (key->softened < op->begun)
			key->softened = op->begun;
	} else if ((op->flags & EVKV_FLAG_CACHED_ONLY) != 0) {
		raise(&key->least, op->at[i].now);
	} else {
		raise(&key->least, version_of(op, key));
	}
}

void schedule_judge(struct schedule_op *op, const struct evkv_result *result)
{
	bool writes = (evkv_kind_classes(op->kind) & EVKV_CLASS_WRITES) != 0;
	size_t i;

	for (i = 0; i < result->count; i++) {
		if (writes)
			judge_write(op, i, evkv_result_entry(result, i));
		else
			judge_read(op, i, result);
	}
}
