/*
 * stores/log/table.c - the files and the collections of a log. With the lock
 * held.
 */
#include "evkv/alloc.h"
#include "stores/log/env.h"

#define TABLE_STEP 64u

static void *enlarged(const void *old, size_t used, size_t wanted, size_t item)
{
	unsigned char *larger = evkv_calloc(wanted, item);

	if (larger != NULL && used > 0)
		memcpy(larger, old, used * item);
	return larger;
}

/* ---- Files --------------------------------------------------------------- */

/* Slot 0 is never given, so that no place is 0 or LOG_RESERVED. */
bool evkv__log_table_add(struct log_env *env, struct log_file *file)
{
	struct log_file **larger;
	uint32_t slot = 1;

	while (slot < env->slots && env->table[slot] != NULL)
		slot++;
	if (slot >= env->slots) {
		if (env->slots + TABLE_STEP > LOG_SLOTS_MAX)
			return false;
		larger = enlarged(env->table, env->slots,
		    env->slots + TABLE_STEP, sizeof(struct log_file *));
		if (larger == NULL)
			return false;
		evkv_free(env->table);
		env->table = larger;
		env->slots += TABLE_STEP;
	}
	file->slot = slot;
	env->table[slot] = file;
	return true;
}

void evkv__log_table_drop(struct log_env *env, struct log_file *file)
{
	env->table[file->slot] = NULL;
	evkv__log_file_unref(file);
}

bool evkv__log_order_put(struct log_env *env, size_t at, size_t count,
    struct log_file *file)
{
	struct log_file **larger;

	if (count == 0 && env->order_count == env->order_room) {
		larger = enlarged(env->order, env->order_count,
		    env->order_room + TABLE_STEP, sizeof(struct log_file *));
		if (larger == NULL)
			return false;
		evkv_free(env->order);
		env->order = larger;
		env->order_room += TABLE_STEP;
	}
	memmove(env->order + at + 1, env->order + at + count,
	    (env->order_count - at - count) * sizeof(struct log_file *));
	env->order[at] = file;
	env->order_count = env->order_count + 1 - count;
	return true;
}

/*
 * What was removed by `version` was removed from all files that are older, and
 * from nothing that a compaction has copied later.
 */
bool evkv__log_older_exists(const struct log_env *env, size_t at,
    uint64_t version)
{
	size_t i;

	for (i = 0; i < at; i++) {
		const struct log_file *file = env->order[i];

		if (file->puts > 0 && file->head.created < version)
			return true;
	}
	return false;
}

uint64_t evkv__log_dead_bytes(const struct log_env *env, size_t at)
{
	const struct log_file *file = env->order[at];
	uint64_t kept = LOG_FILE_HEAD + LOG_ITEM_HEAD + file->live_bytes;

	if (evkv__log_older_exists(env, at, file->last))
		kept += file->tombstone_bytes;
	return file->size > kept ? file->size - kept : 0;
}

/* ---- Collections --------------------------------------------------------- */

static uint32_t *collection_slot(const struct log_env *env,
    struct evkv_slice name, uint64_t hash)
{
	const struct log_collections *set = &env->collections;
	size_t mask = set->size - 1, at = (size_t)hash & mask;
	const struct log_collection *one;

	for (; set->slots[at] != 0; at = (at + 1) & mask) {
		one = set->all[set->slots[at] - 1];
		if (one->size == name.size &&
		    (name.size == 0 ||
			memcmp(one->name, name.data, name.size) == 0))
			break;
	}
	return &set->slots[at];
}

bool evkv__log_collection_find(const struct log_env *env,
    struct evkv_slice name, uint64_t hash, uint32_t *number)
{
	uint32_t *slot;

	if (env->collections.count == 0)
		return false;
	slot = collection_slot(env, name, hash);
	*number = *slot - 1;
	return *slot != 0;
}

static bool collections_grow(struct log_env *env)
{
	struct log_collections *set = &env->collections;
	uint32_t *old_slots = set->slots, room = set->room * 2 + 16, i;
	struct log_collection **all = enlarged(set->all, set->count, room,
	    sizeof(struct log_collection *));
	uint32_t *slots = evkv_calloc((size_t)room * 4, sizeof(*slots));
	size_t size = 64;

	if (all == NULL || slots == NULL) {
		evkv_free(all);
		evkv_free(slots);
		return false;
	}
	while (size * 2 <= (size_t)room * 4)
		size *= 2;
	evkv_free(set->all);
	evkv_free(old_slots);
	set->all = all;
	set->slots = slots;
	set->size = size;
	set->room = room;
	for (i = 0; i < set->count; i++)
		*collection_slot(env, evkv_bytes(all[i]->name, all[i]->size),
		    all[i]->hash) = i + 1;
	return true;
}

bool evkv__log_collection_make(struct log_env *env, struct evkv_slice name,
    uint64_t hash, uint32_t *number)
{
	struct log_collections *set = &env->collections;
	struct log_collection *one;

	if (evkv__log_collection_find(env, name, hash, number))
		return true;
	if (set->count == set->room && !collections_grow(env))
		return false;
	one = evkv_calloc(1, sizeof(*one) + name.size + 1);
	if (one == NULL)
		return false;
	one->hash = hash;
	one->size = (uint8_t)name.size;
	if (name.size > 0)
		memcpy(one->name, name.data, name.size);
	*number = set->count;
	set->all[set->count++] = one;
	*collection_slot(env, name, hash) = set->count;
	return true;
}

void evkv__log_collections_free(struct log_collections *set)
{
	uint32_t i;

	for (i = 0; i < set->count; i++)
		evkv_free(set->all[i]);
	evkv_free(set->all);
	evkv_free(set->slots);
	memset(set, 0, sizeof(*set));
}

/* ---- Counting ------------------------------------------------------------ */

void evkv__log_tally(struct log_env *env, const struct log_entry *entry,
    int sign)
{
	struct log_collection *one = env->collections
					 .all[log_tag_collection(entry->tag)];
	struct log_file *file = log_place_file(env, entry->place);
	uint64_t unit = sign > 0 ? 1 : UINT64_MAX; /* or -1, modulo 2^64 */

	file->live_bytes += unit * evkv__log_place_size(entry->place);
	file->live += unit;
	one->entries += (size_t)unit;
	if (entry->expiry == 0)
		one->forever += (size_t)unit;
	else
		env->expiring += (size_t)unit;
	if (entry->expiry > one->latest)
		one->latest = entry->expiry;
}

void evkv__log_show(struct log_env *env)
{
	uint64_t live = 0, bytes = 0;
	size_t i, entries = 0;

	for (i = 0; i < env->order_count; i++) {
		live += env->order[i]->live_bytes;
		bytes += env->order[i]->size;
		entries += (size_t)env->order[i]->live;
	}
	env->total = bytes;
	log_count(&env->counts.files, env->order_count);
	log_count(&env->counts.bytes, bytes);
	log_count(&env->counts.live_bytes, live);
	log_count(&env->counts.entries, entries);
	log_count(&env->counts.index_bytes, env->index.bytes);
	log_count(&env->counts.expiring, env->expiring);
}
