/*
 * stores/memory/evict.c - what goes where the memory table is full: first what
 * was cleared, then what has expired, then what SIEVE chooses.
 */
#include "stores/memory/table.h"

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
 * The hand goes from the oldest entry to the newest and round again (Zhang et
 * al., "SIEVE is simpler than LRU", 2024). An entry that was used since it last
 * came by is spared once. As new entries come in at the far end, those that
 * were spared stay behind the hand, out of the way of a scan, until it has come
 * round again. What was put just now, `keep`, counts as not yet there.
 *
 * Where all that it comes by was used, the hand stops after so many entries and
 * stays there: NULL. With `force` it takes one all the same.
 */
static struct memory_entry *hand_choose(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us, size_t enough, bool force)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry = space->hand;

	for (;; entry = entry_newer(table, entry)) {
		if (entry == keep && entry != NULL)
			entry = entry_newer(table, entry);
		if (entry == NULL)
			entry = space->oldest;
		if (entry == keep)
			continue;
		if (!entry_is_visited(entry) || entry_is_over(entry, now_us))
			break;
		if (table->work >= enough) {
			space->hand = entry;
			return force ? entry : NULL;
		}
		table->work++;
		entry_set_visited(entry, false);
		__builtin_prefetch(entry_newer(table, entry));
	}
	table->work++;
	return entry;
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

static bool evict_one(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us, size_t enough, bool force)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry;
	uint64_t hash;

	entry = hand_choose(table, keep, now_us, enough, force);
	if (entry == NULL)
		return false;
	hash = table_hash(entry_collection(entry), entry_key(entry));
	if (!entry_is_over(entry, now_us)) {
		table->evictions++;
		if (!table->forgets)
			evkv__ghosts_add(&space->ghosts, hash,
			    ghosts_wanted(table));
	}
	space->hand = entry_newer(table, entry);
	if (keep != NULL && space->hand == keep && keep == space->newest)
		space->hand = NULL; /* it came after all others */
	evkv__table_remove(table, entry, hash);
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
    const struct memory_entry *keep, int64_t now_us, size_t enough, bool force)
{
	if (!evkv__table_is_over(table))
		return false;
	if (evkv__table_bytes(table) > table->max_bytes &&
	    evkv__table_reclaim(table, EVICT_RECLAIM))
		return true;
	if (table_next_due(table) > now_us || force)
		return evict_one(table, keep, now_us, enough, force);
	evkv__table_walk_earliest(table, now_us);
	return table->work < enough;
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
	size_t slack, enough = table->evict_work;
	struct memory_pace pace = { 0 };
	bool over = false;

	if (!evkv__table_is_over(table))
		return;
	slack = slack_after(table, keep);
	enough = table->work < SIZE_MAX - enough ? table->work + enough
						 : SIZE_MAX;
	while (!over && table->work < enough) {
		if (!make_room_once(table, keep, now_us, enough, false))
			break;
		over = evkv__pace_is_over(&pace, table, 1);
	}
	while (is_far_over(table, slack) &&
	    make_room_once(table, keep, now_us, table->work, true))
		;
}
