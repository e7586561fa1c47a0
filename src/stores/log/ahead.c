/*
 * stores/log/ahead.c - what the index has for the names of a group, looked up
 * before they are decided, many at a time.
 *
 * In a large index nothing is in the processor's cache, so each step is done
 * for all of them before the next step is, and what that needs is on its way
 * meanwhile.
 *
 * Where one entry has a name's hash and tag it is that name's, so that what is
 * written over is not read (index.h). A hash that is cut short, for tests, does
 * not tell.
 */
#include "stores/log/group.h"

static void ahead_name(struct log_env *env, const struct log_unit *unit,
    struct log_name *name)
{
	name->collection = unit_request(unit)->collection;
	name->key = unit_request(unit)->keys[unit->index];
	log_name_hash(env, name);
	evkv__log_index_fetch_segment(&env->index, name->hash.high);
}

/* With the lock held. */
static void ahead_look(struct log_env *env, struct log_seen *seen)
{
	struct log_entry *entry;
	size_t alike = 0;

	seen->place = 0;
	seen->expiry = 0;
	seen->sure = true;
	if (!evkv__log_name_known(env, &seen->name))
		return;
	entry = evkv__log_index_first(&env->index, seen->name.hash.high);
	for (; entry != NULL; entry = log_index_next(entry)) {
		if (entry->place == LOG_RESERVED ||
		    entry->tag != seen->name.tag)
			continue;
		seen->place = entry->place;
		seen->expiry = entry->expiry;
		alike++;
	}
	seen->sure = alike == 0 ||
	    (alike == 1 && log_tag_full(seen->name.tag) &&
		env->key.mask == UINT64_MAX);
}

void evkv__log_ahead(struct log_env *env, const struct log_unit *units,
    size_t count, struct log_seen *seen)
{
	size_t i;

	if (count > LOG_AHEAD)
		count = LOG_AHEAD;
	for (i = 0; i < count; i++)
		ahead_name(env, &units[i], &seen[i].name);
	for (i = 0; i < count; i++)
		evkv__log_index_fetch_place(&env->index,
		    seen[i].name.hash.high);
	pthread_rwlock_rdlock(&env->lock);
	for (i = 0; i < count; i++)
		ahead_look(env, &seen[i]);
	pthread_rwlock_unlock(&env->lock);
}
