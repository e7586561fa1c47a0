/*
 * stores/memory/sweep.c - what the memory table does in steps: the freeing of
 * what was cleared, walks, the sweep for expired entries.
 */
#include "stores/memory/table.h"

#include "core/op.h"

/* Entries between two looks at the clock; how long a step may take. */
#define PACE_LOOK 8
#define PACE_US 25
/* Entries that a step of the sweep takes from an end of the list. */
#define SWEEP_FROM_END 64
/* Segments of an index that are freed in a step. */
#define RECLAIM_SEGMENTS 16
/* Dead entries that are looked up together. */
#define BATCH_MAX 16
/* What visit() may do in a step. */
#define WALK_WORK 1024

/* ---- The pace of a step -------------------------------------------- */

/* After so many entries more: whether the step has taken long enough. */
bool evkv__pace_is_over(struct memory_pace *pace,
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

/* ---- What was cleared ----------------------------------------------- */

void evkv__table_clear(struct memory_table *table,
    struct memory_collection *collection, struct memory_tally *tally)
{
	struct memory_space *space = &table->space;

	if (table->last == collection)
		table->last = NULL;
	evkv__collection_unlist(space, collection);
	if (collection->count == 0) {
		evkv__collection_free(table->heap, collection);
		return;
	}
	collection->dead = true;
	collection->tally = tally;
	if (tally != NULL)
		tally->left += collection->count;
	space->dead += collection->count;
}

bool evkv__table_clear_all(struct memory_table *table,
    struct memory_tally *tally)
{
	struct memory_space *space = &table->space, *retired;

	if (space->entries.count == 0)
		return true;
	retired = evkv_malloc(sizeof(*retired));
	if (retired == NULL)
		return false;
	/* An empty collection would never be freed by its last entry. */
	if (table->last != NULL && table->last->count == 0)
		evkv__table_clear(table, table->last, NULL);
	table->last = NULL;
	*retired = *space;
	evkv__index_move(&retired->entries, &space->entries);
	evkv__index_move(&retired->collections, &space->collections);
	retired->tally = tally;
	if (tally != NULL)
		tally->left += retired->entries.count - retired->dead;
	retired->next = table->retired;
	table->retired = retired;
	space->newest = space->oldest = NULL;
	space->hand = space->edge = space->reclaim_at = NULL;
	space->probation = space->share = 0;
	space->hand_rests = 0;
	space->expiring = space->dead = 0;
	memset(&space->ghosts, 0, sizeof(space->ghosts));
	return true;
}

/*
 * Newest first: that is the order in which an allocator likes it best, which
 * gives back what lies at the end of its memory, piece by piece. The other way
 * round, all would be given back at once, with the last entry.
 */
static void retired_reclaim(struct memory_table *table, size_t entries)
{
	struct memory_space *retired = table->retired;
	struct memory_pace pace = { 0 };
	struct memory_entry *entry;
	bool over = false;

	for (; entries > 0 && !over && retired->newest != NULL; entries--) {
		entry = retired->newest;
		table->work++;
		__builtin_prefetch(entry_older(table, entry));
		evkv__table_drop(table, retired, entry);
		over = evkv__pace_is_over(&pace, table, 1);
	}
	if (retired->newest != NULL || evkv__ghosts_free_some(&retired->ghosts))
		return;
	for (entries = 0; entries < RECLAIM_SEGMENTS; entries++) {
		if (evkv__index_dismantle(&retired->entries))
			continue;
		while (evkv__index_dismantle(&retired->collections))
			;
		table->retired = retired->next;
		evkv_free(retired);
		return;
	}
}

/* Entries that are to go: their places in the index are fetched together. */
struct batch {
	struct memory_entry *entries[BATCH_MAX];
	uint64_t hashes[BATCH_MAX];
	size_t count;
};

static void batch_add(struct batch *batch, const struct memory_table *table,
    struct memory_entry *entry)
{
	uint64_t hash = table_hash(entry_collection(entry), entry_key(entry));

	index_prefetch(&table->space.entries, hash);
	batch->entries[batch->count] = entry;
	batch->hashes[batch->count++] = hash;
}

/* false: enough for this step. */
static bool batch_remove(const struct batch *batch, struct memory_table *table,
    struct memory_pace *pace)
{
	bool over = false;
	size_t i;

	for (i = 0; i < batch->count; i++) {
		evkv__table_remove(table, batch->entries[i], batch->hashes[i]);
		over = evkv__pace_is_over(pace, table, 1) || over;
	}
	return !over;
}

static bool reclaim_some(struct memory_table *table, size_t entries,
    struct memory_pace *pace)
{
	struct memory_space *space = &table->space;
	struct memory_entry *entry;
	struct batch batch = { .count = 0 };

	for (; entries > 0; entries--) {
		entry = space->reclaim_at != NULL ? space->reclaim_at
						  : space->newest;
		table->work++;
		space->reclaim_at = entry_older(table, entry);
		if (entry_collection(entry)->dead)
			batch_add(&batch, table, entry);
		if (space->reclaim_at == NULL)
			break; /* or it would come by the same ones again */
	}
	return batch_remove(&batch, table, pace);
}

static void reclaim_step(struct memory_table *table, size_t entries)
{
	struct memory_pace pace = { 0 };
	size_t some;

	for (; entries > 0 && table->space.dead > 0; entries -= some) {
		some = entries < BATCH_MAX ? entries : BATCH_MAX;
		if (!reclaim_some(table, some, &pace))
			break;
	}
	if (table->space.dead == 0)
		table->space.reclaim_at = NULL;
}

bool evkv__table_reclaim(struct memory_table *table, size_t entries)
{
	if (table->retired != NULL)
		retired_reclaim(table, entries);
	else if (table->space.dead > 0)
		reclaim_step(table, entries);
	else
		return false;
	return true;
}

/* ---- Walks --------------------------------------------------------- */

static bool walk_takes(struct memory_walk *walk, struct memory_entry *entry)
{
	if (entry_collection(entry)->dead)
		return true;
	if (walk->now_us >= entry_expires_us(entry)) {
		walk->expired++;
		return true;
	}
	if (walk->visit != NULL && walk->visit(entry, walk->arg)) {
		walk->removed++;
		return true;
	}
	return false;
}

/*
 * What was used until it expired is likely to be put again, and is then to
 * start in the main part, as if it had been there. Where nothing is evicted
 * nobody needs that.
 */
static void ghost_of_expired(struct memory_table *table,
    const struct memory_entry *entry)
{
	struct memory_ghosts *ghosts = &table->space.ghosts;

	if (ghosts->size > 0)
		evkv__ghosts_add(ghosts,
		    table_hash(entry_collection(entry), entry_key(entry)),
		    GHOST, 0);
}

/* Whether it was removed; else *due is no later than it expires. */
static bool walk_entry(struct memory_table *table, struct memory_walk *walk,
    struct index_place *place, int64_t *due)
{
	uint32_t number = place->segment->chunks[place->chunk]
			      .slots[place->lane];
	struct memory_entry *entry = entry_at(table, number);
	struct memory_collection *collection = entry_collection(entry);

	table->work++;
	if (walk_takes(walk, entry)) {
		if (entry_is_visited(entry) &&
		    walk->now_us >= entry_expires_us(entry))
			ghost_of_expired(table, entry);
		index_place_home(&table->space.entries, place);
		evkv__index_remove(&table->space.entries, place);
		evkv__table_drop(table, &table->space, entry);
		return true;
	}
	if (entry_expires_us(entry) < *due)
		*due = entry_expires_us(entry);
	if (entry_expires_us(entry) != MEMORY_NEVER &&
	    (collection->witness == NULL ||
		entry_expires_us(collection->witness) <
		    entry_expires_us(entry)))
		collection->witness = entry;
	return false;
}

static void walk_prefetch(const struct memory_table *table,
    const struct index_segment *segment, uint32_t chunk)
{
	const char *entry;
	uint32_t lane;

	if (chunk >= INDEX_CHUNKS)
		return;
	for (lane = 0; lane < INDEX_LANES; lane++) {
		if (segment->chunks[chunk].tags[lane] == 0)
			continue;
		entry = slab_at(&table->heap->slab.regions,
		    segment->chunks[chunk].slots[lane] & ~SLAB_FAR);
		__builtin_prefetch(entry + 32);
	}
}

/* false: not all of it, as that took too long. */
static bool walk_entries(struct memory_table *table, struct memory_walk *walk,
    struct index_segment *segment, int64_t *due)
{
	struct index_place place = { .segment = segment };
	struct memory_pace pace = { 0 };

	walk_prefetch(table, segment, 0);
	for (; place.chunk < INDEX_CHUNKS; place.chunk++) {
		walk_prefetch(table, segment, place.chunk + 1);
		for (place.lane = 0; place.lane < INDEX_LANES; place.lane++) {
			if (segment->chunks[place.chunk].tags[place.lane] !=
				0 &&
			    walk_entry(table, walk, &place, due) &&
			    evkv__pace_is_over(&pace, table, 1))
				return false;
		}
	}
	return true;
}

/* A segment, of an index that has some; likewise. */
static bool walk_segment(struct memory_table *table, struct memory_walk *walk,
    struct index_segment *segment)
{
	struct index *entries = &table->space.entries;
	int64_t due = MEMORY_NEVER;

	if (!walk_entries(table, walk, segment, &due)) {
		/* What was not seen may be due as early as it was before. */
		index_lower_due(entries, segment, due);
		return false;
	}
	evkv__index_set_due(entries, segment, due);
	return true;
}

void evkv__table_walk_earliest(struct memory_table *table, int64_t now_us)
{
	struct index_segment *segment = index_earliest(&table->space.entries);
	struct memory_walk walk = { .now_us = now_us };

	if (walk_segment(table, &walk, segment) &&
	    segment->count < INDEX_SPARSE)
		evkv__index_join(&table->space.entries,
		    (uint64_t)segment->first << 32);
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
	return evkv__pace_is_over(pace, table, walk->work - before) ||
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
	struct memory_entry *entry;
	bool over = false;
	size_t count, i;

	walk->work = 0;
	count = evkv__index_sorted(entries, (uint32_t)(walk->at >> 32), items);
	for (i = 0; i < count; i++) {
		if (over && items[i].hash32 != items[i - 1].hash32) {
			walk->at = (uint64_t)items[i].hash32 << 32;
			return true;
		}
		entry = entry_at(table, items[i].item);
		over = walk_visit(table, walk, entry, &pace) || over;
	}
	walk->at = after;
	return after != 0;
}

bool evkv__table_walk(struct memory_table *table, struct memory_walk *walk)
{
	struct index *entries = &table->space.entries;
	uint64_t at = walk->at;
	struct index_segment *segment = index_segment(entries, at);

	if (walk->visit != NULL)
		return walk_in_order(table, walk);
	/* An empty index has no segment of its own. */
	if (entries->segments == 0) {
		walk->at = 0;
		return false;
	}
	if (!walk_segment(table, walk, segment))
		return true;
	walk->at = index_after(entries, at);
	if (segment->count < INDEX_SPARSE)
		evkv__index_join(entries, at);
	return walk->at != 0;
}

/*
 * Entries of like TTL expire in the order in which they came. So what has
 * expired is taken from that end first, where nothing else has to be looked at
 * and memory is freed in order; from the newest on, as in retired_reclaim(), if
 * even that has expired. Returns how many there were.
 */
static size_t sweep_end(struct memory_table *table, int64_t now_us)
{
	struct memory_space *space = &table->space;
	bool all = space->newest != NULL &&
	    now_us >= entry_expires_us(space->newest);
	struct memory_pace pace = { 0 };
	struct memory_entry *entry;
	struct batch batch;
	size_t count = 0;

	do {
		batch.count = 0;
		entry = all ? space->newest : space->oldest;
		while (batch.count < BATCH_MAX && entry != NULL &&
		    now_us >= entry_expires_us(entry)) {
			batch_add(&batch, table, entry);
			entry = all ? entry_older(table, entry)
				    : entry_newer(table, entry);
		}
		table->work += batch.count;
		count += batch.count;
	} while (batch_remove(&batch, table, &pace) &&
	    batch.count == BATCH_MAX && count < SWEEP_FROM_END);
	return count;
}

enum memory_sweep evkv__table_sweep(struct memory_table *table, int64_t now_us)
{
	struct index *entries = &table->space.entries;
	size_t had, count;

	if (sweep_end(table, now_us) >= BATCH_MAX)
		return SWEEP_RICH;
	if (index_earliest_due(entries) > now_us)
		return SWEEP_ENDED;
	had = index_earliest(entries)->count;
	count = entries->count;
	evkv__table_walk_earliest(table, now_us);
	return count - entries->count > had / 4 ? SWEEP_RICH : SWEEP_POOR;
}

void evkv__table_end(struct memory_table *table)
{
	struct memory_collection *last = table->last;

	/* Without a retired of its own: there may be no memory for one. */
	while (table->retired != NULL || table->space.newest != NULL) {
		if (table->retired != NULL)
			evkv__table_reclaim(table, 1024);
		else
			evkv__table_drop(table, &table->space,
			    table->space.newest);
	}
	while (evkv__index_dismantle(&table->space.entries))
		;
	while (evkv__ghosts_free_some(&table->space.ghosts))
		;
	table->last = NULL;
	if (last != NULL)
		evkv__table_clear(table, last, NULL);
	while (evkv__index_dismantle(&table->space.collections))
		;
	evkv__heap_unref(table->heap);
}
