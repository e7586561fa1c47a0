/* stores/memory/table.c - the bounded table behind the memory store. */
#include "stores/memory/table.h"

#include "core/op.h"

/* Cleared entries that each put frees, so that they can't pile up. */
#define RECLAIM_PER_PUT 4
/* Entries that a put looks at to make room. */
#define EVICT_WORK 256

static void collection_hashes(const struct slab_regions *regions,
    const uint32_t *numbers, size_t count, uint32_t *hashes)
{
	const struct memory_collection *collection;
	size_t i;

	for (i = 0; i < count; i++) {
		collection = slab_at(regions, numbers[i]);
		hashes[i] = (uint32_t)(collection->hash >> 32);
	}
}

bool evkv__table_init(struct memory_table *table, size_t max_entries,
    size_t max_bytes, uint64_t key0, uint64_t key1)
{
	memset(table, 0, sizeof(*table));
	table->key0 = key0;
	table->key1 = key1;
	table->max_entries = max_entries > 0 ? max_entries : SIZE_MAX;
	table->max_bytes = max_bytes > 0 ? max_bytes : SIZE_MAX;
	table->evict_work = EVICT_WORK;
	table->heap = evkv__heap_new();
	if (table->heap == NULL)
		return false;
	evkv__index_init(&table->space.entries, &table->heap->segments,
	    &table->heap->slab.regions, evkv__entry_hashes);
	evkv__index_init(&table->space.collections, &table->heap->segments,
	    &table->heap->slab.regions, collection_hashes);
	return true;
}

/* ---- Collections --------------------------------------------------- */

static struct memory_collection *collection_find(struct memory_table *table,
    struct evkv_slice name, uint64_t hash)
{
	struct index_place place;
	struct memory_collection *collection;
	uint32_t number;

	number = index_first(&table->space.collections, hash, &place);
	for (; number != 0; number = index_next(&place)) {
		collection = slab_at(&table->heap->slab.regions, number);
		if (evkv_slice_equal(name,
			evkv_bytes(collection->name, collection->name_size)))
			return collection;
	}
	return NULL;
}

void evkv__collection_unlist(struct memory_space *space,
    const struct memory_collection *collection)
{
	struct index_place place = index_locate(&space->collections,
	    collection->hash, evkv__slab_number(collection));

	evkv__index_remove(&space->collections, &place);
	if (place.segment->count < INDEX_SPARSE)
		evkv__index_join(&space->collections, collection->hash);
}

static void collection_free(struct memory_table *table,
    struct memory_space *space, struct memory_collection *collection)
{
	if (!collection->dead)
		evkv__collection_unlist(space, collection);
	evkv__collection_free(table->heap, collection);
}

/* An empty one is kept for as long as it is the one asked for last. */
static void table_set_last(struct memory_table *table,
    struct memory_collection *collection)
{
	struct memory_collection *last = table->last;

	table->last = collection;
	if (last != NULL && last != collection && last->count == 0)
		collection_free(table, &table->space, last);
}

struct memory_collection *evkv__table_collection_slow(
    struct memory_table *table, struct evkv_slice name)
{
	struct memory_collection *collection;

	collection = collection_find(table, name,
	    siphash_1_3(table->key0, table->key1, name));
	if (collection != NULL)
		table_set_last(table, collection);
	return collection;
}

struct memory_collection *evkv__table_collection_make_slow(
    struct memory_table *table, struct evkv_slice name)
{
	struct memory_collection *collection;

	collection = evkv__table_collection_slow(table, name);
	if (collection != NULL)
		return collection;
	collection = evkv__collection_alloc(table->heap, name.size);
	if (collection == NULL)
		return NULL;
	collection->hash = siphash_1_3(table->key0, table->key1, name);
	collection->secrets = hash_secrets(table->key0 ^ collection->hash,
	    table->key1);
	collection->earliest_us = MEMORY_NEVER;
	collection->name_size = (uint8_t)name.size;
	if (name.size > 0)
		memcpy(collection->name, name.data, name.size);
	if (!evkv__index_insert(&table->space.collections, collection->hash,
		evkv__slab_number(collection), MEMORY_NEVER)) {
		evkv__collection_free(table->heap, collection);
		return NULL;
	}
	table_set_last(table, collection);
	return collection;
}

enum memory_alive evkv__collection_alive(
    const struct memory_collection *collection, int64_t now_us)
{
	if (collection->count == 0)
		return ALIVE_NO;
	if (collection->expiring < collection->count)
		return ALIVE_YES;
	if (collection->latest_us <= now_us)
		return ALIVE_NO;
	if (collection->witness != NULL &&
	    entry_expires_us(collection->witness) > now_us)
		return ALIVE_YES;
	return ALIVE_UNKNOWN;
}

/* ---- Accounts ------------------------------------------------------ */

/* The entry begins to count under the expiry that it has. */
static void expiry_enter(struct memory_table *table,
    struct memory_collection *collection, struct memory_entry *entry,
    struct index_segment *segment)
{
	int64_t at_us = entry_expires_us(entry);

	if (at_us == MEMORY_NEVER)
		return;
	table->space.expiring++;
	collection->expiring++;
	if (at_us < collection->earliest_us)
		collection->earliest_us = at_us;
	if (at_us >= collection->latest_us) {
		collection->latest_us = at_us;
		collection->witness = entry;
	}
	index_lower_due(&table->space.entries, segment, at_us);
}

static void expiry_leave(struct memory_space *space,
    struct memory_collection *collection, const struct memory_entry *entry)
{
	if (collection->witness == entry)
		collection->witness = NULL;
	if (entry_expires_us(entry) == MEMORY_NEVER)
		return;
	space->expiring--;
	collection->expiring--;
	if (collection->expiring == 0) {
		collection->earliest_us = MEMORY_NEVER;
		collection->latest_us = 0;
	}
}

static void tally_count(struct memory_tally *tally,
    const struct memory_entry *entry)
{
	if (tally == NULL)
		return;
	tally->left--;
	tally->removed += entry_expires_us(entry) > tally->now_us;
}

static void list_unlink(struct memory_table *table, struct memory_space *space,
    struct memory_entry *entry)
{
	struct memory_entry *newer = entry_newer(table, entry);
	struct memory_entry *older = entry_older(table, entry);

	if (space->hand == entry)
		space->hand = newer;
	if (space->edge == entry)
		space->edge = newer;
	if (entry_is_on_probation(entry))
		space->probation--;
	if (space->reclaim_at == entry)
		space->reclaim_at = older;
	if (newer != NULL)
		newer->older = entry->older;
	else
		space->newest = older;
	if (older != NULL)
		older->newer = entry->newer;
	else
		space->oldest = newer;
}

static void list_push(struct memory_space *space, struct memory_entry *entry,
    uint32_t number)
{
	entry->newer = 0;
	entry->older = 0;
	if (space->newest != NULL) {
		entry->older = evkv__entry_number(space->newest);
		space->newest->newer = number;
	} else {
		space->oldest = entry;
	}
	space->newest = entry;
	if (!entry_is_on_probation(entry))
		return;
	space->probation++;
	if (space->edge == NULL)
		space->edge = entry;
}

static void list_replace(struct memory_table *table, struct memory_entry *old,
    struct memory_entry *entry, uint32_t number)
{
	struct memory_space *space = &table->space;
	struct memory_entry *newer = entry_newer(table, old);
	struct memory_entry *older = entry_older(table, old);

	entry->newer = old->newer;
	entry->older = old->older;
	if (space->hand == old)
		space->hand = entry;
	if (space->edge == old)
		space->edge = entry;
	if (space->reclaim_at == old)
		space->reclaim_at = entry;
	if (newer != NULL)
		newer->older = number;
	else
		space->newest = entry;
	if (older != NULL)
		older->newer = number;
	else
		space->oldest = entry;
}

void evkv__table_drop(struct memory_table *table, struct memory_space *space,
    struct memory_entry *entry)
{
	struct memory_collection *collection = entry_collection(entry);

	list_unlink(table, space, entry);
	expiry_leave(space, collection, entry);
	if (collection->dead) {
		space->dead--;
		tally_count(collection->tally, entry);
	} else {
		tally_count(space->tally, entry);
	}
	table->bytes -= evkv__entry_cost(entry);
	evkv__entry_release(entry, table->heap);
	if (--collection->count > 0)
		return;
	table->bytes -= collection_cost(collection);
	if (collection != table->last)
		collection_free(table, space, collection);
}

/* An entry whose place is known. */
static void table_remove_at(struct memory_table *table,
    struct memory_entry *entry, const struct index_place *place, uint64_t hash)
{
	evkv__index_remove(&table->space.entries, place);
	evkv__table_drop(table, &table->space, entry);
	if (place->segment->count < INDEX_SPARSE)
		evkv__index_join(&table->space.entries, hash);
}

void evkv__table_remove(struct memory_table *table, struct memory_entry *entry,
    uint64_t hash)
{
	struct index_place place = index_locate(&table->space.entries, hash,
	    evkv__entry_number(entry));

	table_remove_at(table, entry, &place, hash);
}

/* ---- Writing ------------------------------------------------------- */

static void table_set_expiry(struct memory_table *table,
    struct memory_entry *entry, int64_t expires_at_us,
    struct index_segment *segment)
{
	struct memory_collection *collection = entry_collection(entry);

	if (expires_at_us == entry_expires_us(entry))
		return;
	expiry_leave(&table->space, collection, entry);
	entry_set_expiry(entry, expires_at_us);
	expiry_enter(table, collection, entry, segment);
}

/* Whether an operation that wants that version, NULL = any, may go on. */
static enum evkv_status version_check(const struct memory_table *table,
    const struct memory_entry *entry, const struct evkv_version *version,
    int64_t now_us)
{
	struct evkv_version has;

	if (entry == NULL || now_us >= entry_expires_us(entry))
		return EVKV_NOT_FOUND;
	if (version == NULL)
		return EVKV_OK;
	has = evkv_version_counted(table->instance, entry_version(entry));
	return evkv_version_equal(&has, version) ? EVKV_OK : EVKV_CONFLICT;
}

static enum evkv_status put_refusal(const struct memory_table *table,
    const struct memory_put *put, const struct memory_entry *old,
    int64_t now_us)
{
	bool present = old != NULL && now_us < entry_expires_us(old);
	size_t cost, held;

	if (put->condition == EVKV_IF_ABSENT && present)
		return EVKV_EXISTS;
	if (put->condition == EVKV_IF_PRESENT && !present)
		return EVKV_NOT_FOUND;
	if (put->condition == EVKV_IF_VERSION &&
	    version_check(table, old, put->version, now_us) != EVKV_OK)
		return version_check(table, old, put->version, now_us);
	if (table->max_bytes == SIZE_MAX)
		return EVKV_OK;
	cost = evkv__entry_cost_of(put);
	if (cost > table->max_bytes)
		return EVKV_TOO_LARGE;
	held = atomic_load_explicit(&table->heap->held, memory_order_relaxed);
	return cost + held > table->max_bytes ? EVKV_NOSPACE : EVKV_OK;
}

/* Keeps the place in the order of eviction. */
static void put_replace(struct memory_table *table, struct memory_entry *old,
    struct memory_entry *entry, const struct index_place *place)
{
	struct memory_collection *collection = entry_collection(old);
	uint32_t number = evkv__entry_number(entry);

	index_replace(place, number);
	list_replace(table, old, entry, number);
	entry_set_visited(entry, true);
	entry_set_probation(entry, entry_is_on_probation(old));
	expiry_leave(&table->space, collection, old);
	expiry_enter(table, collection, entry, place->segment);
	table->bytes += evkv__entry_cost(entry);
	table->bytes -= evkv__entry_cost(old);
	evkv__entry_release(old, table->heap);
}

/*
 * Entries of the same name and key hash alike even if they belong to a
 * collection that was cleared: see to it that such ones don't fill a segment
 * which can't be split between them.
 */
static void put_purge(struct memory_table *table, uint64_t hash, int64_t now_us)
{
	struct memory_walk walk = { .at = hash, .now_us = now_us };

	if (index_segment(&table->space.entries, hash)->count >= INDEX_SPLIT_AT)
		evkv__table_walk(table, &walk);
}

static enum evkv_status put_insert(struct memory_table *table,
    struct memory_collection *collection, struct memory_entry *entry,
    uint64_t hash, int64_t now_us)
{
	uint32_t number = evkv__entry_number(entry);
	struct index_segment *segment;

	if (table->space.dead > 0)
		put_purge(table, hash, now_us);
	if (!evkv__index_insert(&table->space.entries, hash, number,
		entry_expires_us(entry))) {
		evkv__entry_release(entry, table->heap);
		return EVKV_NOMEM;
	}
	evkv__table_admit(table, entry, hash, now_us);
	segment = index_segment(&table->space.entries, hash);
	list_push(&table->space, entry, number);
	if (collection->count++ == 0)
		table->bytes += collection_cost(collection);
	expiry_enter(table, collection, entry, segment);
	table->bytes += evkv__entry_cost(entry);
	return EVKV_OK;
}

enum evkv_status evkv__table_put_hashed(struct memory_table *table,
    struct memory_collection *collection, const struct memory_put *put,
    uint64_t hash, int64_t now_us)
{
	struct memory_entry *old, *entry;
	struct index_place place;
	enum evkv_status status;

	ghosts_prefetch(&table->space.ghosts, hash);
	old = evkv__table_find(table, collection, put->key, hash, &place);
	status = put_refusal(table, put, old, now_us);
	if (status != EVKV_OK)
		return status;
	if (old != NULL && evkv__entry_overwrite(old, put)) {
		entry_set_visited(old, true);
		entry_set_version(old, table);
		table_set_expiry(table, old, put->expires_at_us, place.segment);
		return EVKV_OK;
	}
	entry = evkv__entry_new(table->heap, put, collection, hash);
	if (entry == NULL)
		return EVKV_NOMEM;
	if (old != NULL)
		put_replace(table, old, entry, &place);
	else
		status = put_insert(table, collection, entry, hash, now_us);
	if (status != EVKV_OK)
		return status;
	entry_set_version(entry, table);
	if (table->space.dead > 0 || table->retired != NULL)
		evkv__table_reclaim(table, RECLAIM_PER_PUT);
	if (evkv__table_is_over(table))
		evkv__table_make_room(table, entry, now_us);
	return EVKV_OK;
}

enum evkv_status evkv__table_incr(struct memory_table *table,
    struct memory_collection *collection, struct memory_incr *incr,
    int64_t now_us)
{
	struct memory_put put = {
		.key = incr->request->keys[incr->i],
		.expires_at_us = incr->expires_at_us,
	};
	char text[EVKV_NUMBER_MAX];
	struct memory_entry *entry;
	struct evkv_slice old;
	enum evkv_status status;

	entry = evkv__table_get(table, collection, put.key,
	    table_hash(collection, put.key), now_us);
	if (entry != NULL) {
		old = evkv_value_bytes(entry_is_external(entry)
			? evkv__entry_external(entry)
			: &entry->value);
		put.expires_at_us = entry_expires_us(entry);
	}
	status = evkv_incr_apply(incr->request, incr->i,
	    entry != NULL ? &old : NULL, &incr->number);
	if (status != EVKV_OK)
		return status;
	put.value = evkv_number_write(incr->number, text);
	return evkv__table_put(table, collection, &put, now_us);
}

enum evkv_status evkv__table_delete(struct memory_table *table,
    struct memory_collection *collection, struct evkv_slice key,
    const struct evkv_version *version, int64_t now_us)
{
	uint64_t hash = table_hash(collection, key);
	struct memory_entry *entry;
	struct index_place place;
	enum evkv_status status;

	entry = evkv__table_find(table, collection, key, hash, &place);
	status = version_check(table, entry, version, now_us);
	if (entry != NULL && status != EVKV_CONFLICT)
		table_remove_at(table, entry, &place, hash);
	return status;
}

enum evkv_status evkv__table_touch(struct memory_table *table,
    struct memory_collection *collection, struct evkv_slice key,
    const struct evkv_version *version, int64_t expires_at_us, int64_t now_us)
{
	struct memory_entry *entry;
	struct index_place place;
	enum evkv_status status;

	entry = evkv__table_find(table, collection, key,
	    table_hash(collection, key), &place);
	status = version_check(table, entry, version, now_us);
	if (status != EVKV_OK)
		return status;
	entry_set_visited(entry, true);
	entry_set_version(entry, table);
	table_set_expiry(table, entry, expires_at_us, place.segment);
	return EVKV_OK;
}
