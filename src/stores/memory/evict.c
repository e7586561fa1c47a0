/*
 * stores/memory/evict.c - what goes where the memory table is full: first what
 * was cleared, then what has expired, then what was not used.
 */
#include "stores/memory/table.h"

/* Evictions between two calls of evkv__ahead_rest(). */
#define REST_EVERY 1024
/* Of what a put looks at to make room, what it looks for among the cleared. */
#define EVICT_RECLAIM 32
/*
 * The part of max_entries and of max_bytes by which they may be exceeded for a
 * while.
 */
#define EVICT_SLACK_ENTRIES 64
#define EVICT_SLACK_BYTES 16

static bool entry_is_over(const struct memory_entry *entry, int64_t now_us)
{
	return now_us >= entry_expires_us(entry) ||
	    entry_collection(entry)->dead;
}

/*
 * Entries stand in a queue by age, in two parts. A new one is on probation: if
 * it was used by the time that it is the oldest of those, it passes into the
 * main part where it stands, else it goes. So what comes once goes soon and
 * pushes out nothing (as in S3-FIFO; Yang et al., "FIFO queues are all you need
 * for cache eviction", 2023). As long as the main part is not full, what is
 * used or not passes into it.
 *
 * How many are on probation adapts itself (as in ARC; Megiddo and Modha, 2003):
 * one more for each key that is put again right after it did not pass, one less
 * for each that is put again right after it went from the main part. Either is
 * what a slightly larger part would have kept.
 */
#define SHARE_FIRST 16 /* at first it is a sixteenth of all, ... */
#define SHARE_LEAST 64
#define SHARE_MOST(count) ((count) - (count) / 8)

static void set_share(struct memory_space *space, size_t count)
{
	if (space->share == 0)
		space->share = count / SHARE_FIRST;
	if (space->share > SHARE_MOST(count))
		space->share = SHARE_MOST(count);
	if (space->share < count / SHARE_LEAST)
		space->share = count / SHARE_LEAST;
	if (space->share == 0)
		space->share = 1;
}

/*
 * Whether an entry was used, and is to be spared for it. With `by_size` one that
 * is larger than the mean is spared in as few cases as it is times larger: for
 * it as many smaller ones would have to go.
 */
static bool is_spared(const struct memory_table *table,
    const struct memory_entry *entry)
{
	size_t cost, mean;
	uint64_t luck;

	if (!table->by_size || !entry_is_visited(entry))
		return entry_is_visited(entry);
	cost = evkv__entry_cost(entry);
	mean = table->bytes / table->space.entries.count;
	luck = (table->evictions + evkv__entry_number(entry)) *
	    UINT64_C(0x9e3779b97f4a7c15);
	return cost <= mean || (luck >> 32) % cost < mean;
}

/* Where the hand is, of a main part that has another entry than `keep`. */
static struct memory_entry *hand_entry(const struct memory_table *table,
    const struct memory_entry *keep)
{
	const struct memory_space *space = &table->space;
	struct memory_entry *entry = space->hand;

	for (;; entry = entry_newer(table, entry)) {
		if (entry == NULL || entry_is_on_probation(entry))
			entry = space->oldest;
		if (entry != keep)
			return entry;
	}
}

static bool main_has_some(const struct memory_table *table,
    const struct memory_entry *keep)
{
	const struct memory_entry *entry = table->space.oldest;

	if (entry != NULL && entry == keep)
		entry = entry_newer(table, entry);
	return entry != NULL && !entry_is_on_probation(entry);
}

/*
 * The hand goes from the oldest entry of the main part to the newest and round
 * again (Zhang et al., "SIEVE is simpler than LRU", 2024). What was used since
 * it last came by is spared, once: NULL.
 */
static struct memory_entry *hand_step(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry = hand_entry(table, keep);

	table->work++;
	space->hand = entry;
	if (!is_spared(table, entry) || entry_is_over(entry, now_us))
		return entry;
	entry_set_visited(entry, false);
	space->hand = entry_newer(table, entry);
	if (space->hand != NULL)
		__builtin_prefetch(space->hand);
	return NULL;
}

/*
 * It takes one step for each eviction, and does not go on until it has found
 * one. So in a loop over more than fits the entries that are there are used
 * again before it comes round, and stay. It takes more where so few are left on
 * probation that they have no time to be used.
 */
static struct memory_entry *hand_try(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	struct memory_space *space = &table->space;

	if (table->evictions < space->hand_rests || !main_has_some(table, keep))
		return NULL;
	space->hand_rests = table->evictions + 1;
	return hand_step(table, keep, now_us);
}

/* Whether another has to go for a new one, which the index has already. */
static bool is_full(const struct memory_table *table,
    const struct memory_entry *entry)
{
	return evkv__table_count(table) > table->max_entries ||
	    evkv__entry_cost(entry) + evkv__table_bytes(table) >
	    table->max_bytes;
}

/*
 * A key that comes back stays if there is room, or if the hand finds an entry
 * that was not used.
 */
void evkv__table_admit(struct memory_table *table, struct memory_entry *entry,
    uint64_t hash, int64_t now_us)
{
	struct memory_space *space = &table->space;
	enum ghost ghost = evkv__ghosts_take(&space->ghosts, hash);

	if (ghost == GHOST_OF_PROBATION)
		space->share++;
	else if (ghost == GHOST_OF_MAIN && space->share > 1)
		space->share--;
	entry_set_probation(entry,
	    ghost == GHOST_NONE ||
		(is_full(table, entry) && main_has_some(table, NULL) &&
		    hand_try(table, NULL, now_us) == NULL));
}

static void edge_pass(struct memory_table *table)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry = space->edge;

	if (entry_is_on_probation(entry)) {
		entry_set_probation(entry, false);
		entry_set_visited(entry, false);
		space->probation--;
	}
	space->edge = entry_newer(table, entry);
	table->work++;
}

/* What an eviction goes by. */
struct eviction {
	const struct memory_entry *keep; /* put just now: not yet there */
	int64_t now_us;
	size_t enough; /* of table->work: the end of this step */
	bool force;    /* take one all the same */
};

/*
 * The one to go where the oldest on probation is `entry`; NULL: that passes.
 */
static struct memory_entry *edge_choose(struct memory_table *table,
    struct memory_entry *entry, const struct eviction *ev)
{
	struct memory_space *space = &table->space;
	const struct memory_entry *keep = ev->keep;
	size_t others = space->probation -
	    (keep != NULL && entry_is_on_probation(keep));
	struct memory_entry *other = NULL;

	if (!entry_is_on_probation(entry) || entry == keep)
		return NULL;
	if (others < space->share / 2)
		space->hand_rests = 0;
	if (others < space->share && main_has_some(table, keep))
		other = hand_try(table, keep, ev->now_us);
	if (other != NULL)
		return other;
	return entry_is_over(entry, ev->now_us) ||
		(others <= space->share && !is_spared(table, entry))
	    ? entry
	    : NULL;
}

/* NULL: the step has to end. */
static struct memory_entry *evict_choose(struct memory_table *table,
    const struct eviction *ev)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry, *chosen = NULL;

	while ((entry = space->edge) != NULL &&
	    (entry != ev->keep || entry != space->newest)) {
		chosen = edge_choose(table, entry, ev);
		if (chosen != NULL)
			return chosen;
		if (table->work >= ev->enough && entry != ev->keep)
			return ev->force ? entry : NULL;
		edge_pass(table);
	}
	/* None is on probation. */
	while (table->work < ev->enough && chosen == NULL)
		chosen = hand_step(table, ev->keep, ev->now_us);
	return chosen == NULL && ev->force ? hand_entry(table, ev->keep)
					   : chosen;
}

/* Ghosts are kept for about as many keys as there are entries. */
static size_t ghosts_wanted(const struct memory_table *table)
{
	size_t count = table->space.entries.count;

	if (table->max_entries / 2 <= count)
		return table->max_entries;
	return count > table->space.ghosts.size / GHOSTS_PER_ENTRY
	    ? count + count / 4
	    : count;
}

static bool evict_one(struct memory_table *table, const struct eviction *ev)
{
	struct memory_space *space = &table->space;
	const struct memory_entry *keep = ev->keep;
	struct memory_entry *entry;
	uint64_t hash;

	set_share(space, space->entries.count - (keep != NULL));
	entry = evict_choose(table, ev);
	if (entry == NULL)
		return false;
	hash = table_hash(entry_collection(entry), entry_key(entry));
	if (!entry_is_over(entry, ev->now_us)) {
		if (table->evictions++ % REST_EVERY == 0)
			evkv__ahead_rest(&table->heap->ahead);
		if (!table->forgets)
			evkv__ghosts_add(&space->ghosts, hash,
			    entry_is_on_probation(entry) ? GHOST_OF_PROBATION
							 : GHOST_OF_MAIN,
			    ghosts_wanted(table));
	}
	evkv__table_remove(table, entry, hash);
	if (keep != NULL && space->hand == keep && keep == space->newest)
		space->hand = NULL; /* it came after all others */
	return true;
}

static size_t excess(size_t have, size_t bound)
{
	return have > bound ? have - bound : 0;
}

/*
 * One step; false: there is no room to be made, or it is enough for now. What
 * was cleared goes first, then what has expired, whatever is due: an entry that
 * nobody can see any more must not cost another one its place.
 */
static bool make_room_once(struct memory_table *table,
    const struct eviction *ev)
{
	if (!evkv__table_is_over(table))
		return false;
	if (evkv__table_bytes(table) > table->max_bytes &&
	    evkv__table_reclaim(table, EVICT_RECLAIM))
		return true;
	if (table_next_due(table) > ev->now_us || ev->force)
		return evict_one(table, ev);
	evkv__table_walk_earliest(table, ev->now_us);
	return table->work < ev->enough;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/*
 * By how much the bound may be exceeded after a put. A large value may take the
 * room of very many small ones, so it may exceed the bound by itself until
 * further puts, or the driver's task, have evicted enough; but a put that finds
 * the bound exceeded by more than its own value leaves no more than it found.
 */
static size_t slack_after(const struct memory_table *table,
    const struct memory_entry *keep)
{
	size_t over = excess(evkv__table_bytes(table), table->max_bytes);
	size_t slack = table->max_bytes / EVICT_SLACK_BYTES, cost;

	if (over <= slack)
		return slack;
	cost = keep != NULL ? evkv__entry_cost(keep) : 0;
	return larger(slack, larger(cost, excess(over, cost)));
}

/* Beyond that, used entries go too, as many as it takes. */
static bool is_far_over(const struct memory_table *table, size_t slack)
{
	return excess(evkv__table_bytes(table), table->max_bytes) > slack ||
	    excess(evkv__table_count(table), table->max_entries) >
	    table->max_entries / EVICT_SLACK_ENTRIES;
}

void evkv__table_make_room(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	struct eviction ev = { .keep = keep, .now_us = now_us };
	struct memory_pace pace = { 0 };
	bool over = false;
	size_t slack;

	if (!evkv__table_is_over(table))
		return;
	slack = slack_after(table, keep);
	ev.enough = table->work < SIZE_MAX - table->evict_work
	    ? table->work + table->evict_work
	    : SIZE_MAX;
	while (!over && table->work < ev.enough) {
		if (!make_room_once(table, &ev))
			break;
		over = evkv__pace_is_over(&pace, table, 1);
	}
	ev.force = true;
	do {
		ev.enough = table->work;
	} while (is_far_over(table, slack) && make_room_once(table, &ev));
}
