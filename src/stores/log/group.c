/*
 * stores/log/group.c - group commit.
 *
 * The happy path: entries that wait are decided one after the other, against
 * the index and what was decided before them in this group; what they write
 * goes into one batch; one write and one fdatasync; then the index is changed
 * and the jobs go back with their answers. Nobody sees an entry before it is
 * durable.
 *
 * An entry that is new has a place in the index reserved before it is written,
 * so that nothing can fail afterwards.
 *
 * Where a write fails, the file is cut before it (append.c): then nothing of
 * the group has happened. For lack of room each entry is then tried alone, so
 * that deletes go through; after any other error all that writes is
 * UNKNOWN_OUTCOME.
 */
#include <errno.h>

#include "evkv/alloc.h"
#include "stores/log/group.h"

#define SLOTS (2 * LOG_GROUP_UNITS)
#define APPLY_STEP 256 /* entries that the lock is held for */
#define NEAR 8         /* entries that are fetched ahead */

bool evkv__log_group_new(struct log_env *env)
{
	struct log_group *group = evkv_calloc(1, sizeof(*group));

	env->group = group;
	if (group == NULL)
		return false;
	group->seen = evkv_calloc(LOG_GROUP_UNITS, sizeof(*group->seen));
	group->pending = evkv_calloc(LOG_GROUP_UNITS, sizeof(*group->pending));
	group->slots = evkv_calloc(SLOTS, sizeof(*group->slots));
	return group->seen != NULL && group->pending != NULL &&
	    group->slots != NULL;
}

void evkv__log_group_free(struct log_env *env)
{
	struct log_group *group = env->group;

	if (group == NULL)
		return;
	evkv__log_batch_free(&group->batch);
	evkv_free(group->seen);
	evkv_free(group->pending);
	evkv_free(group->slots);
	evkv_free(group);
	env->group = NULL;
}

/* ---- What is pending ----------------------------------------------------- */

static bool name_equal(const struct log_name *a, const struct log_name *b)
{
	return a->hash.high == b->hash.high && a->hash.low == b->hash.low &&
	    a->key.size == b->key.size &&
	    a->collection.size == b->collection.size &&
	    memcmp(a->key.data, b->key.data, a->key.size) == 0 &&
	    (a->collection.size == 0 ||
		memcmp(a->collection.data, b->collection.data,
		    a->collection.size) == 0);
}

static uint32_t *pending_slot(struct log_group *group,
    const struct log_name *name)
{
	size_t at = (size_t)name->hash.low & (SLOTS - 1);

	while (group->slots[at] != 0 &&
	    !name_equal(&group->pending[group->slots[at] - 1].seen->name, name))
		at = (at + 1) & (SLOTS - 1);
	return &group->slots[at];
}

struct log_pending *evkv__log_pending_find(struct log_group *group,
    const struct log_name *name)
{
	uint32_t slot;

	if (group->count == 0)
		return NULL;
	slot = *pending_slot(group, name);
	return slot != 0 ? &group->pending[slot - 1] : NULL;
}

static void pending_forget(struct log_group *group)
{
	size_t i;

	for (i = 0; i < group->count; i++)
		group->slots[group->pending[i].slot] = 0;
	group->count = 0;
}

struct log_pending *evkv__log_pending_add(struct log_group *group,
    const struct log_seen *seen, uint64_t base)
{
	struct log_pending *pending = &group->pending[group->count];
	uint32_t *slot = pending_slot(group, &seen->name);

	*pending = (struct log_pending){ .seen = seen,
		.base = base,
		.slot = (uint32_t)(slot - group->slots) };
	*slot = (uint32_t)++group->count;
	return pending;
}

void evkv__log_unreserve(struct log_env *env, const struct log_name *name)
{
	struct log_entry *entry = evkv__log_index_at(&env->index,
	    name->hash.high, LOG_RESERVED);

	if (entry != NULL)
		evkv__log_index_remove(&env->index, entry);
}

/* ---- The index ----------------------------------------------------------- */

/*
 * A compaction has moved it since it was looked up: whose name it has tells its
 * record.
 */
static struct log_entry *apply_moved(struct log_env *env,
    struct log_buffer *buffer, const struct log_pending *pending)
{
	struct log_found found;

	if (evkv__log_find_locked(env, &pending->seen->name, buffer, &found) !=
	    LOG_FOUND)
		return NULL;
	return evkv__log_index_at(&env->index, found.entry.hash,
	    found.entry.place);
}

/*
 * Its old record could not be read. The new entry stands before the old one, so
 * that it is found.
 */
static struct log_entry *apply_anew(struct log_env *env,
    const struct log_pending *pending)
{
	const struct log_name *name = &pending->seen->name;
	const struct log_entry entry = {
		.hash = name->hash.high, .place = LOG_RESERVED, .tag = name->tag
	};

	return evkv__log_index_insert(&env->index, &entry)
	    ? evkv__log_index_first(&env->index, entry.hash)
	    : NULL;
}

/* Mostly it is where it was looked up, and has not moved. */
static struct log_entry *apply_entry(struct log_env *env,
    const struct log_pending *pending)
{
	const struct log_seen *seen = pending->seen;

	if (seen->entry != NULL && seen->changes == env->index.changes &&
	    seen->entry->place == pending->base)
		return seen->entry;
	return evkv__log_index_at(&env->index, seen->name.hash.high,
	    pending->base);
}

static void apply_one(struct log_env *env, struct log_buffer *buffer,
    const struct log_pending *pending)
{
	struct log_entry *entry = apply_entry(env, pending);

	if (entry == NULL && pending->base != LOG_RESERVED)
		entry = apply_moved(env, buffer, pending);
	if (entry == NULL && pending->there)
		entry = apply_anew(env, pending);
	if (entry == NULL)
		return;
	if (entry->place != LOG_RESERVED)
		evkv__log_tally(env, entry, -1);
	if (!pending->there) {
		evkv__log_index_remove(&env->index, entry);
		return;
	}
	entry->place = evkv__log_place(env->active->slot, pending->offset,
	    pending->size);
	entry->expiry = log_coarse(pending->expires);
	entry->tag = pending->seen->name.tag;
	evkv__log_tally(env, entry, 1);
}

static void apply_fetch(const struct log_env *env, size_t i)
{
	const struct log_group *group = env->group;

	if (i + NEAR < group->count)
		__builtin_prefetch(group->pending[i + NEAR].seen->entry);
}

static void group_apply(struct log_worker *worker)
{
	struct log_env *env = worker->env;
	struct log_group *group = env->group;
	size_t i, end;

	for (i = 0; i < group->count;) {
		end = i + APPLY_STEP < group->count ? i + APPLY_STEP
						    : group->count;
		pthread_rwlock_wrlock(&env->lock);
		for (; i < end; i++) {
			apply_fetch(env, i);
			apply_one(env, &worker->buffer, &group->pending[i]);
		}
		if (i == group->count) {
			evkv__log_batch_done(env, &group->batch);
			evkv__log_show(env);
		}
		pthread_rwlock_unlock(&env->lock);
	}
	pending_forget(group);
}

/* Nothing was written: give back what was reserved. */
static void group_drop(struct log_env *env)
{
	struct log_group *group = env->group;
	size_t i;

	pthread_rwlock_wrlock(&env->lock);
	for (i = 0; i < group->count; i++) {
		if (group->pending[i].base == LOG_RESERVED)
			evkv__log_unreserve(env, &group->pending[i].seen->name);
	}
	pthread_rwlock_unlock(&env->lock);
	pending_forget(group);
	evkv__log_batch_drop(&group->batch);
}

/* ---- Groups -------------------------------------------------------------- */

static void group_fail(struct log_worker *worker, const struct log_unit *units,
    size_t count, int code)
{
	bool full = file_errno_is_full(code) && !worker->env->torn;
	size_t i;

	for (i = 0; i < count; i++) {
		struct file_cell *cell = &units[i].job->cells[units[i].index];

		evkv_value_unref(cell->value);
		*cell = (struct file_cell){ .status = full ? EVKV_NOSPACE
			    : unit_writes(&units[i]) ? EVKV_UNKNOWN_OUTCOME
						     : EVKV_IO };
		evkv__file_fail(&units[i].job->failure, cell->status, code,
		    "%s: %s", worker->env->config.path,
		    code == ESTALE ? LOG_LOST : "can't write");
	}
}

/* Nothing of it has happened: try it alone. */
static void group_retry(struct log_worker *worker, const struct log_unit *unit)
{
	struct file_cell *cell = &unit->job->cells[unit->index];

	evkv_value_unref(cell->value);
	*cell = (struct file_cell){ .status = EVKV_OK };
	evkv__log_group_commit(worker, unit, 1);
}

/* 0 or an errno. */
static int group_write(struct log_worker *worker)
{
	struct log_env *env = worker->env;
	struct log_group *group = env->group;
	int code;

	if (group->batch.size == 0) {
		group_drop(env);
		return 0;
	}
	code = evkv__log_batch_write(env, &group->batch);
	if (code == 0) {
		group_apply(worker);
		return 0;
	}
	group_drop(env);
	if (code != ESTALE)
		evkv__log_cut(env);
	return code;
}

/* As many as go into one group; returns how many that was. */
static size_t group_decide(struct log_worker *worker,
    const struct log_unit *units, size_t count)
{
	struct log_seen *seen = worker->env->group->seen;
	size_t i;

	for (i = 0; i < count; i++) {
		if (i % LOG_AHEAD == 0)
			evkv__log_ahead(worker->env, &units[i], count - i,
			    &seen[i]);
		if (!evkv__log_unit_decide(worker, &units[i], &seen[i]))
			break;
	}
	return i;
}

void evkv__log_group_commit(struct log_worker *worker,
    const struct log_unit *units, size_t count)
{
	size_t done, i;
	int code;

	while (count > 0) {
		done = group_decide(worker, units, count);
		code = group_write(worker);
		if (file_errno_is_full(code) && done > 1) {
			for (i = 0; i < done; i++)
				group_retry(worker, &units[i]);
		} else if (code != 0) {
			group_fail(worker, units, done, code);
		}
		units += done;
		count -= done;
	}
}
