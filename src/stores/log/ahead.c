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

static bool same_collection(const struct log_name *a, const struct log_name *b)
{
	return a->collection.size == b->collection.size &&
	    (a->collection.size == 0 ||
		memcmp(a->collection.data, b->collection.data,
		    a->collection.size) == 0);
}

/* `before`: the name before it, or NULL; most are of the same collection. */
static void ahead_name(struct log_env *env, const struct log_unit *unit,
    struct log_name *name, const struct log_name *before)
{
	name->collection = unit_request(unit)->collection;
	name->key = unit_request(unit)->keys[unit->index];
	if (before != NULL && same_collection(name, before)) {
		name->collection = before->collection;
		name->collection_hash = before->collection_hash;
	} else {
		name->collection_hash = evkv__log_collection_hash(&env->key,
		    name->collection);
	}
	if (log_job_hashed(unit->job))
		name->hash = (struct log_hash){ unit->job->hash_high,
			unit->job->base.one_hash };
	else
		name->hash = evkv__log_hash_in(&env->key, name->collection_hash,
		    name->key);
	evkv__log_index_fetch(&env->index, name->hash.high);
}

/* As evkv__log_name_known(), for most by the one before it. */
static bool ahead_known(const struct log_env *env, struct log_seen *seen,
    const struct log_seen *before)
{
	struct log_name *name = &seen->name;

	seen->known = before != NULL && before->known &&
	    name->collection.data == before->name.collection.data;
	if (seen->known)
		name->tag = log_tag(log_tag_collection(before->name.tag),
		    name->hash.low);
	else
		seen->known = evkv__log_name_known(env, name);
	return seen->known;
}

/* With the lock held. */
static void ahead_look(struct log_env *env, struct log_seen *seen,
    const struct log_seen *before)
{
	struct log_entry *entry;
	size_t alike = 0;

	seen->entry = NULL;
	seen->changes = env->index.changes;
	seen->place = 0;
	seen->expiry = 0;
	seen->sure = true;
	if (!ahead_known(env, seen, before))
		return;
	entry = evkv__log_index_first(&env->index, seen->name.hash.high);
	for (; entry != NULL; entry = log_index_next(entry)) {
		if (entry->place == LOG_RESERVED ||
		    entry->tag != seen->name.tag)
			continue;
		seen->entry = entry;
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
		ahead_name(env, &units[i], &seen[i].name,
		    i > 0 ? &seen[i - 1].name : NULL);
	pthread_rwlock_rdlock(&env->lock);
	for (i = 0; i < count; i++)
		ahead_look(env, &seen[i], i > 0 ? &seen[i - 1] : NULL);
	pthread_rwlock_unlock(&env->lock);
}
