/*
 * stores/memory/sweep.c - what the memory table does in steps: eviction, the
 * burial of what is doomed, walks, the sweep for expired entries.
 */
#include "stores/memory/table.h"

#include "core/op.h"

/* Entries that the hand may pass over before one goes although it was used. */
#define EVICT_SCAN 32
/* Bounds on one put: entries looked at; of those, in search of dead ones. */
#define EVICT_WORK 256
#define EVICT_BURY 32
/* The part of max_bytes by which it may be exceeded for a while. */
#define EVICT_SLACK 16

/* Entries between two looks at the clock; how long a step may take. */
#define PACE_LOOK 8
#define PACE_US 50
/* Entries that a step of the sweep takes from an end of the list. */
#define SWEEP_FROM_END 128
/* Segments that a step of the sweep looks at, to find one that is due. */
#define SWEEP_LOOK 64
/* Segments of an index that are freed in a step. */
#define BURY_SEGMENTS 16
/* Dead entries that are looked up together. */
#define BURY_AHEAD 16
/* What visit() may do in a step, and how far ahead entries are fetched. */
#define WALK_WORK 1024
#define WALK_AHEAD 8

/* ---- The pace of a step -------------------------------------------- */

/* After so many entries more: whether the step has taken long enough. */
static bool pace_is_over(struct memory_pace *pace,
    const struct memory_table *table, size_t entries)
{
	int64_t now_us;

	pace->work += entries;
	if (pace->work < PACE_LOOK || table->clock_us == NULL)
		return false;
	pace->work = 0;
	now_us = table->clock_us(table->clock_arg);
	if (pace->ends_us == 0)
		pace->ends_us = now_us + PACE_US;
	return now_us >= pace->ends_us;
}

static bool entry_is_over(const struct memory_entry *entry, int64_t now_us)
{
	return now_us >= entry->expires_at_us || entry_collection(entry)->dead;
}

/* ---- Eviction: SIEVE ----------------------------------------------- */

/*
 * The hand goes from the oldest entry to the newest and round again (Zhang et
 * al., "SIEVE is simpler than LRU", 2024). An entry that was used since it last
 * came by is spared once. As new entries come in at the far end, those that
 * were spared stay behind the hand, out of the way of a scan, until it has come
 * round again.
 */
static struct memory_entry *hand_choose(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	struct memory_entry *entry = table->space.hand;
	unsigned passed;

	for (passed = 0;; entry = entry->newer) {
		if (entry == NULL)
			entry = table->space.oldest;
		table->work++;
		if (entry == keep)
			continue;
		if (entry->newer != NULL)
			__builtin_prefetch(&entry->newer->visited);
		if (!entry->visited || passed++ == EVICT_SCAN ||
		    entry_is_over(entry, now_us))
			return entry;
		entry->visited = 0;
	}
}

static bool evict_one(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	struct memory_entry *entry;

	if (table->space.newest == table->space.oldest)
		return false; /* it can only be `keep` */
	entry = hand_choose(table, keep, now_us);
	if (!entry_is_over(entry, now_us))
		table->evictions++;
	table->space.hand = entry->newer;
	evkv__table_remove(table, entry,
	    table_hash(entry_collection(entry), entry_key(entry)));
	return true;
}

static size_t excess(size_t have, size_t bound)
{
	return have > bound ? have - bound : 0;
}

static bool make_room_once(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	size_t over = excess(evkv__table_bytes(table), table->max_bytes);

	if (over == 0 && evkv__table_count(table) <= table->max_entries)
		return false;
	/* What is doomed goes first. */
	if (over > 0 && evkv__table_bury(table, EVICT_BURY) &&
	    evkv__table_bytes(table) <= table->max_bytes)
		return true;
	return evict_one(table, keep, now_us);
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
	size_t slack = table->max_bytes / EVICT_SLACK, cost;

	if (over <= slack)
		return slack;
	cost = keep != NULL ? evkv__entry_cost(keep) : 0;
	return larger(slack, larger(cost, excess(over, cost)));
}

void evkv__table_make_room(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us)
{
	size_t slack = slack_after(table, keep);
	size_t enough = table->work + EVICT_WORK;
	struct memory_pace pace = { 0 };
	bool over = false;

	while ((table->work < enough && !over) ||
	    excess(evkv__table_bytes(table), table->max_bytes) > slack) {
		if (!make_room_once(table, keep, now_us))
			return;
		over = over || pace_is_over(&pace, table, 1);
	}
}

/* ---- What is doomed ------------------------------------------------ */

void evkv__table_doom(struct memory_table *table,
    struct memory_collection *collection, struct memory_doom *doom)
{
	struct memory_space *space = &table->space;
	struct index_place place;
	struct memory_collection *other;

	if (table->last == collection)
		table->last = NULL;
	other = index_first(&space->collections, collection->hash, &place);
	while (other != collection)
		other = index_next(&place);
	evkv__index_remove(&space->collections, &place);
	if (place.segment->count < INDEX_SPARSE)
		evkv__index_join(&space->collections, collection->hash);
	if (collection->count == 0) {
		evkv_free(collection);
		return;
	}
	collection->dead = true;
	collection->doom = doom;
	if (doom != NULL)
		doom->left += collection->count;
	space->dead += collection->count;
}

bool evkv__table_doom_all(struct memory_table *table, struct memory_doom *doom)
{
	struct memory_space *space = &table->space, *grave;

	if (space->entries.count == 0)
		return true;
	grave = evkv_malloc(sizeof(*grave));
	if (grave == NULL)
		return false;
	/* An empty collection would never be freed by its last entry. */
	if (table->last != NULL && table->last->count == 0)
		evkv__table_doom(table, table->last, NULL);
	table->last = NULL;
	*grave = *space;
	evkv__index_move(&grave->entries, &space->entries);
	evkv__index_move(&grave->collections, &space->collections);
	grave->doom = doom;
	if (doom != NULL)
		doom->left += grave->entries.count - grave->dead;
	grave->next = table->graves;
	table->graves = grave;
	space->newest = space->oldest = NULL;
	space->hand = space->broom = NULL;
	space->mortal = space->dead = 0;
	table->next_due_us = table->pass_due_us = MEMORY_NEVER;
	table->sweep_at = 0;
	return true;
}

/*
 * Newest first: that is the order in which an allocator likes it best, which
 * gives back what lies at the end of its memory, piece by piece. The other way
 * round, all would be given back at once, with the last entry.
 */
static void grave_bury(struct memory_table *table, size_t entries)
{
	struct memory_space *grave = table->graves;
	struct memory_pace pace = { 0 };
	struct memory_entry *entry;
	bool over = false;

	for (; entries > 0 && !over && grave->newest != NULL; entries--) {
		entry = grave->newest;
		table->work++;
		if (entry->older != NULL)
			__builtin_prefetch(entry->older);
		evkv__table_drop(table, grave, entry);
		over = pace_is_over(&pace, table, 1);
	}
	if (grave->newest != NULL)
		return;
	for (entries = 0; entries < BURY_SEGMENTS; entries++) {
		if (evkv__index_dismantle(&grave->entries))
			continue;
		while (evkv__index_dismantle(&grave->collections))
			;
		table->graves = grave->next;
		evkv_free(grave);
		return;
	}
}

/* Entries that are to go: their places in the index are fetched together. */
struct bier {
	struct memory_entry *entries[BURY_AHEAD];
	uint64_t hashes[BURY_AHEAD];
	size_t count;
};

static void bier_add(struct bier *bier, const struct memory_table *table,
    struct memory_entry *entry)
{
	uint64_t hash = table_hash(entry_collection(entry), entry_key(entry));

	index_prefetch(&table->space.entries, hash);
	bier->entries[bier->count] = entry;
	bier->hashes[bier->count++] = hash;
}

/* false: enough for this step. */
static bool bier_bury(const struct bier *bier, struct memory_table *table,
    struct memory_pace *pace)
{
	bool over = false;
	size_t i;

	for (i = 0; i < bier->count; i++) {
		evkv__table_remove(table, bier->entries[i], bier->hashes[i]);
		over = pace_is_over(pace, table, 1) || over;
	}
	return !over;
}

static bool broom_some(struct memory_table *table, size_t entries,
    struct memory_pace *pace)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry;
	struct bier bier = { .count = 0 };

	for (; entries > 0; entries--) {
		entry = space->broom != NULL ? space->broom : space->newest;
		table->work++;
		space->broom = entry->older;
		if (entry_collection(entry)->dead)
			bier_add(&bier, table, entry);
		if (space->broom == NULL)
			break; /* or it would come by the same ones again */
	}
	return bier_bury(&bier, table, pace);
}

static void broom_step(struct memory_table *table, size_t entries)
{
	struct memory_pace pace = { 0 };
	size_t some;

	for (; entries > 0 && table->space.dead > 0; entries -= some) {
		some = entries < BURY_AHEAD ? entries : BURY_AHEAD;
		if (!broom_some(table, some, &pace))
			break;
	}
	if (table->space.dead == 0)
		table->space.broom = NULL;
}

bool evkv__table_bury(struct memory_table *table, size_t entries)
{
	if (table->graves != NULL)
		grave_bury(table, entries);
	else if (table->space.dead > 0)
		broom_step(table, entries);
	else
		return false;
	return true;
}

/* ---- Walks --------------------------------------------------------- */

static bool walk_takes(struct memory_walk *walk, struct memory_entry *entry)
{
	if (entry_collection(entry)->dead)
		return true;
	if (walk->now_us >= entry->expires_at_us) {
		walk->expired++;
		return true;
	}
	if (walk->visit != NULL && walk->visit(entry, walk->arg)) {
		walk->removed++;
		return true;
	}
	return false;
}

/* Whether it was removed. */
static bool walk_entry(struct memory_table *table, struct memory_walk *walk,
    struct index_place *place)
{
	struct memory_entry *entry = place->segment->chunks[place->chunk]
					 .slots[place->lane];
	struct memory_collection *collection = entry_collection(entry);

	table->work++;
	if (walk_takes(walk, entry)) {
		evkv__index_remove(&table->space.entries, place);
		evkv__table_drop(table, &table->space, entry);
		return true;
	}
	if (entry->expires_at_us < place->segment->due)
		place->segment->due = entry->expires_at_us;
	if (entry->expires_at_us != MEMORY_NEVER &&
	    (collection->witness == NULL ||
		collection->witness->expires_at_us < entry->expires_at_us))
		collection->witness = entry;
	return false;
}

static void walk_prefetch(const struct index_segment *segment, uint32_t chunk)
{
	uint32_t lane;

	if (chunk >= INDEX_CHUNKS)
		return;
	for (lane = 0; lane < INDEX_LANES; lane++) {
		if (segment->chunks[chunk].tags[lane] != 0)
			__builtin_prefetch((const char *)segment->chunks[chunk]
					       .slots[lane] +
			    16);
	}
}

/* A segment; false: not all of it, as that took too long. */
static bool walk_segment(struct memory_table *table, struct memory_walk *walk,
    struct index_segment *segment)
{
	struct index_place place = { .segment = segment };
	struct memory_pace pace = { 0 };

	walk_prefetch(segment, 0);
	for (; place.chunk < INDEX_CHUNKS; place.chunk++) {
		walk_prefetch(segment, place.chunk + 1);
		for (place.lane = 0; place.lane < INDEX_LANES; place.lane++) {
			if (segment->chunks[place.chunk].tags[place.lane] !=
				0 &&
			    walk_entry(table, walk, &place) &&
			    pace_is_over(&pace, table, 1))
				return false;
		}
	}
	return true;
}

/* Whether the step has taken long enough. */
static bool walk_visit(struct memory_table *table, struct memory_walk *walk,
    struct memory_entry *entry, struct memory_pace *pace)
{
	size_t before = walk->work++;

	table->work++;
	if (walk_takes(walk, entry))
		evkv__table_remove(table, entry,
		    table_hash(entry_collection(entry), entry_key(entry)));
	return pace_is_over(pace, table, walk->work - before) ||
	    walk->work >= WALK_WORK;
}

/*
 * A segment in order of hash: as visit() may take long for a single entry, such
 * a step may end before any hash, to go on there whatever was split or joined
 * meanwhile. `due` is left alone: it is a bound for what is left, too.
 */
static bool walk_in_order(struct memory_table *table, struct memory_walk *walk)
{
	struct index *entries = &table->space.entries;
	uint64_t after = index_after(entries, walk->at);
	struct index_item items[INDEX_SLOTS];
	struct memory_pace pace = { 0 };
	bool over = false;
	size_t count, i;

	walk->work = 0;
	count = evkv__index_sorted(entries, (uint32_t)(walk->at >> 32), items);
	for (i = 0; i < count; i++) {
		if (over && items[i].hash32 != items[i - 1].hash32) {
			walk->at = (uint64_t)items[i].hash32 << 32;
			return true;
		}
		if (i + WALK_AHEAD < count)
			__builtin_prefetch(
			    (const char *)items[i + WALK_AHEAD].item + 16);
		over = walk_visit(table, walk, items[i].item, &pace) || over;
	}
	walk->at = after;
	return after != 0;
}

bool evkv__table_walk(struct memory_table *table, struct memory_walk *walk)
{
	struct index *entries = &table->space.entries;
	uint64_t at = walk->at;
	struct index_segment *segment = index_segment(entries, at);
	int64_t due = segment->due;

	if (walk->visit != NULL)
		return walk_in_order(table, walk);
	/* An empty index has no segment of its own. */
	if (entries->segments == 0) {
		walk->at = 0;
		return false;
	}
	segment->due = MEMORY_NEVER;
	if (!walk_segment(table, walk, segment)) {
		/* What was not seen may be due as early as it was before. */
		if (due < segment->due)
			segment->due = due;
		return true;
	}
	walk->at = index_after(entries, at);
	if (segment->count < INDEX_SPARSE)
		evkv__index_join(entries, at);
	return walk->at != 0;
}

/*
 * Entries of like TTL expire in the order in which they came. So what has
 * expired is taken from that end first, where nothing else has to be looked at
 * and memory is freed in order; from the newest on, as in grave_bury(), if even
 * that has expired. Returns how many there were.
 */
static size_t sweep_end(struct memory_table *table, int64_t now_us)
{
	struct memory_space *space = &table->space;
	bool all = space->newest != NULL &&
	    now_us >= space->newest->expires_at_us;
	struct memory_pace pace = { 0 };
	struct memory_entry *entry;
	struct bier bier;
	size_t count = 0;

	do {
		bier.count = 0;
		entry = all ? space->newest : space->oldest;
		while (bier.count < BURY_AHEAD && entry != NULL &&
		    now_us >= entry->expires_at_us) {
			bier_add(&bier, table, entry);
			entry = all ? entry->older : entry->newer;
		}
		table->work += bier.count;
		count += bier.count;
	} while (bier_bury(&bier, table, &pace) && bier.count == BURY_AHEAD &&
	    count < SWEEP_FROM_END);
	return count;
}

/*
 * A pass goes over all segments in order and cleans those that are due. When it
 * has come round, pass_due_us is the earliest expiry that it left behind or
 * that was put meanwhile.
 */
enum memory_sweep evkv__table_sweep(struct memory_table *table, int64_t now_us)
{
	struct index *entries = &table->space.entries;
	struct memory_walk walk = { .now_us = now_us };
	struct index_segment *segment;
	size_t had = 0;
	uint64_t at = 0;
	unsigned i;
	bool more;

	if (sweep_end(table, now_us) >= BURY_AHEAD)
		return SWEEP_RICH;
	if (table->sweep_at == 0)
		table->pass_due_us = MEMORY_NEVER;
	for (i = 0; i < SWEEP_LOOK && had == 0; i++) {
		walk.at = at = table->sweep_at;
		segment = index_segment(entries, at);
		if (now_us >= segment->due) {
			had = segment->count;
			more = evkv__table_walk(table, &walk);
		} else {
			walk.at = index_after(entries, at);
			more = walk.at != 0;
		}
		segment = index_segment(entries, at);
		if (segment->due < table->pass_due_us)
			table->pass_due_us = segment->due;
		table->sweep_at = walk.at;
		if (!more) {
			table->next_due_us = table->pass_due_us;
			return SWEEP_ENDED;
		}
	}
	/* Or it took so long that it was not even finished. */
	return (size_t)walk.expired > had / 4 || walk.at == at ? SWEEP_RICH
							       : SWEEP_POOR;
}

void evkv__table_end(struct memory_table *table)
{
	struct memory_collection *last = table->last;

	/* Without a grave of its own: there may be no memory for one. */
	while (table->graves != NULL || table->space.newest != NULL) {
		if (table->graves != NULL)
			evkv__table_bury(table, 1024);
		else
			evkv__table_drop(table, &table->space,
			    table->space.newest);
	}
	while (evkv__index_dismantle(&table->space.entries))
		;
	table->last = NULL;
	if (last != NULL)
		evkv__table_doom(table, last, NULL);
	while (evkv__index_dismantle(&table->space.collections))
		;
	evkv__heap_unref(table->heap);
}
