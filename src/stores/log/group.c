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

#include "engines/files/wall.h"
#include "evkv/alloc.h"
#include "stores/log/batch.h"
#include "stores/log/work.h"

#define SLOTS (2 * LOG_GROUP_UNITS)
#define APPLY_STEP 256 /* entries that the lock is held for */
#define AHEAD 8        /* units whose place in the index is fetched ahead */

/* A key that the group writes, as it is to be. */
struct log_pending {
	struct log_name name;
	uint64_t base; /* where the index has it; LOG_RESERVED: new there */
	bool there;    /* an entry, and no tombstone */
	uint64_t offset, size, version, expires;
	struct evkv_slice value; /* data NULL: in the batch, at value_at */
	size_t value_at;
	uint32_t slot; /* of the group's, that has it */
};

struct log_group {
	struct log_batch batch;
	struct log_pending *pending;
	uint32_t *slots; /* 1 + place in `pending`, by hash */
	size_t count;
	bool reads; /* some of the units */
};

bool evkv__log_group_new(struct log_env *env)
{
	struct log_group *group = evkv_calloc(1, sizeof(*group));

	env->group = group;
	if (group == NULL)
		return false;
	group->pending = evkv_calloc(LOG_GROUP_UNITS, sizeof(*group->pending));
	group->slots = evkv_calloc(SLOTS, sizeof(*group->slots));
	return group->pending != NULL && group->slots != NULL;
}

void evkv__log_group_free(struct log_env *env)
{
	struct log_group *group = env->group;

	if (group == NULL)
		return;
	evkv__log_batch_free(&group->batch);
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
	    !name_equal(&group->pending[group->slots[at] - 1].name, name))
		at = (at + 1) & (SLOTS - 1);
	return &group->slots[at];
}

static struct log_pending *pending_find(struct log_group *group,
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

/* ---- One unit ------------------------------------------------------------ */

/* What it has to do with, as the units before it leave it. */
struct present {
	struct log_name name;
	struct log_pending *pending; /* or NULL */
	uint64_t base;               /* where the index has it; 0 = nowhere */
	bool live, damaged;
	uint64_t version, expires;
	struct evkv_slice value; /* where it was asked for */
};

struct decision {
	struct log_worker *worker;
	const struct log_unit *unit;
	struct file_cell *cell;
	struct present now;
	bool later; /* it needs a group of its own, after this one */
};

static const struct evkv_request *unit_request(const struct log_unit *unit)
{
	return unit->job->request;
}

static bool unit_writes(const struct log_unit *unit)
{
	return (evkv_kind_classes(unit_request(unit)->kind) &
		   EVKV_CLASS_WRITES) != 0;
}

static bool unit_deletes(const struct log_unit *unit)
{
	enum evkv_kind kind = unit_request(unit)->kind;

	return kind == EVKV_OP_DELETE || kind == EVKV_OP_TAKE;
}

static void fail(struct decision *d, enum evkv_status status, int sys_error,
    const char *what)
{
	d->cell->status = status;
	evkv__file_fail(&d->unit->job->failure, status, sys_error, "%s: %s",
	    d->worker->env->config.path, what);
}

static struct evkv_slice pending_value(struct log_group *group,
    const struct log_pending *pending)
{
	return pending->value.data != NULL || pending->value.size == 0
	    ? pending->value
	    : evkv_bytes(group->batch.buffer + pending->value_at,
		  pending->value.size);
}

static void present_pending(struct decision *d, struct log_group *group)
{
	struct present *now = &d->now;

	now->base = now->pending->base;
	now->name.number = now->pending->name.number;
	now->live = now->pending->there &&
	    (now->pending->expires == 0 ||
		(int64_t)now->pending->expires > d->unit->job->now_ms);
	now->version = now->pending->version;
	now->expires = now->pending->expires;
	now->value = pending_value(group, now->pending);
}

/* false: it could not be told, and the cell says why. */
static bool present_find(struct decision *d, bool value)
{
	struct log_env *env = d->worker->env;
	struct present *now = &d->now;
	struct log_found found;
	enum log_find result = evkv__log_find(env, &now->name, value,
	    &d->worker->buffer, &found);

	switch (result) {
	case LOG_ABSENT: return true;
	case LOG_FOUND: break;
	case LOG_DAMAGED:
		/* What has this hash and can't be read is taken for it. */
		now->damaged = true;
		now->base = found.entry.place;
		return true;
	case LOG_NOMEM: fail(d, EVKV_NOMEM, 0, "out of memory"); return false;
	default: fail(d, EVKV_IO, errno, "can't read an entry"); return false;
	}
	now->base = found.entry.place;
	now->live = log_live(&found.item, d->unit->job->now_ms);
	now->version = found.item.version;
	now->expires = found.item.expires;
	now->value = found.value;
	return true;
}

static bool present_get(struct decision *d, bool value)
{
	struct log_env *env = d->worker->env;

	d->now.pending = pending_find(env->group, &d->now.name);
	if (d->now.pending == NULL)
		return present_find(d, value);
	present_pending(d, env->group);
	return true;
}

/* ---- Writing one --------------------------------------------------------- */

/* A place in the index for a new entry. false = no memory. */
static bool write_reserve(struct log_env *env, struct log_name *name)
{
	struct log_entry entry = { .hash = name->hash.high,
		.place = LOG_RESERVED };
	bool ok;

	pthread_rwlock_wrlock(&env->lock);
	ok = evkv__log_collection_make(env, name->collection,
	    name->collection_hash, &name->number);
	entry.collection = name->number;
	ok = ok && evkv__log_index_insert(&env->index, &entry);
	pthread_rwlock_unlock(&env->lock);
	return ok;
}

static void unreserve_locked(struct log_env *env, const struct log_name *name)
{
	struct log_entry *entry = evkv__log_index_at(&env->index,
	    name->hash.high, LOG_RESERVED);

	if (entry != NULL)
		evkv__log_index_remove(&env->index, entry);
}

static void write_unreserve(struct log_env *env, const struct log_name *name)
{
	pthread_rwlock_wrlock(&env->lock);
	unreserve_locked(env, name);
	pthread_rwlock_unlock(&env->lock);
}

/* Have room for it. false: not in this group, or not at all. */
static bool write_room(struct decision *d, uint64_t size)
{
	struct log_env *env = d->worker->env;
	struct log_batch *batch = &env->group->batch;
	bool deletes = unit_deletes(d->unit);
	uint64_t all = size + (batch->size > 0 ? batch->size : LOG_ITEM_HEAD);
	int code;

	if (!deletes && !evkv__log_room(env, all)) {
		fail(d, EVKV_NOSPACE, 0, "no room below max_bytes");
		return false;
	}
	if (evkv__log_batch_full(batch, size) ||
	    (batch->size > 0 && !deletes && env->of_reserve) ||
	    (batch->size > 0 &&
		env->active->size + all + LOG_ITEM_HEAD > env->active_room)) {
		d->later = true;
		return false;
	}
	code = batch->size > 0 ? 0 : evkv__log_active(env, all, deletes);
	if (code != 0)
		fail(d, evkv__file_errno_status(code), code,
		    "can't have a file to write to");
	return code == 0;
}

static struct log_pending *pending_add(struct log_group *group,
    const struct present *now)
{
	struct log_pending *pending = &group->pending[group->count];
	uint32_t *slot = pending_slot(group, &now->name);

	*pending = (struct log_pending){ .name = now->name,
		.base = now->base,
		.slot = (uint32_t)(slot - group->slots) };
	*slot = (uint32_t)++group->count;
	return pending;
}

/*
 * Append it. `lasting`: the value is the request's. false: the cell says why,
 * or it is for later.
 */
static bool write_item(struct decision *d, enum log_kind kind,
    struct evkv_slice value, uint64_t expires, bool lasting)
{
	struct log_env *env = d->worker->env;
	struct log_group *group = env->group;
	struct present *now = &d->now;
	struct log_batch_item item = { .kind = kind,
		.expires = expires,
		.collection = now->name.collection,
		.key = now->name.key,
		.value = value,
		.lasting = lasting };
	bool reserve = now->pending == NULL && now->base == 0;

	if (!write_room(d, log_batch_item_size(&item)))
		return false;
	if (reserve && !write_reserve(env, &now->name)) {
		fail(d, EVKV_NOMEM, 0, "out of memory");
		return false;
	}
	if (reserve)
		now->base = LOG_RESERVED;
	if (!evkv__log_batch_add(env, &group->batch, &item)) {
		if (reserve)
			write_unreserve(env, &now->name);
		fail(d, EVKV_NOMEM, 0, "out of memory");
		return false;
	}
	if (now->pending == NULL)
		now->pending = pending_add(group, now);
	now->pending->there = kind == LOG_PUT;
	now->pending->offset = item.offset;
	now->pending->size = item.size;
	now->pending->version = item.version;
	now->pending->expires = expires;
	now->pending->value = evkv_bytes(lasting ? value.data : NULL,
	    value.size);
	now->pending->value_at = item.value_at;
	if ((unit_request(d->unit)->flags & EVKV_FLAG_VERSIONS) != 0)
		d->cell->version = evkv_version_counted(env->instance,
		    item.version);
	return true;
}

/* ---- The kinds ----------------------------------------------------------- */

static struct evkv_version present_version(const struct decision *d)
{
	return evkv_version_counted(d->worker->env->instance, d->now.version);
}

/* Whether its condition holds; else the cell has the status. */
static bool unit_condition(struct decision *d)
{
	const struct evkv_request *request = unit_request(d->unit);
	struct evkv_version version = { .bytes = { 0 } };
	enum evkv_status status;

	if (request->condition == EVKV_IF_VERSION)
		version = present_version(d);
	status = evkv_condition_check(request, d->unit->index,
	    d->now.live ? &version : NULL);

	if (d->now.damaged && unit_request(d->unit)->condition != EVKV_IF_ANY) {
		fail(d, EVKV_CORRUPT, 0, "can't read an entry: damaged");
		return false;
	}
	d->cell->status = status;
	return status == EVKV_OK;
}

static uint64_t unit_expires(const struct decision *d)
{
	return (uint64_t)file_expires_ms(unit_request(d->unit), d->unit->index,
	    d->unit->job->now_ms);
}

static void unit_put(struct decision *d)
{
	if (present_get(d, false) && unit_condition(d))
		write_item(d, LOG_PUT,
		    log_job_value(d->unit->job, d->unit->index),
		    unit_expires(d), true);
}

static void bury(struct decision *d)
{
	write_item(d, LOG_TOMBSTONE, evkv_bytes(NULL, 0), 0, true);
}

/* One that is damaged goes, too. */
static void unit_delete(struct decision *d)
{
	if (!present_get(d, false))
		return;
	if (d->now.damaged && unit_request(d->unit)->condition == EVKV_IF_ANY)
		bury(d);
	else if (unit_condition(d))
		bury(d);
}

static bool present_sound(struct decision *d)
{
	if (!present_get(d, true))
		return false;
	if (d->now.damaged) {
		fail(d, EVKV_CORRUPT, 0, "can't read an entry: damaged");
		return false;
	}
	return true;
}

static void unit_touch(struct decision *d)
{
	if (present_sound(d) && unit_condition(d))
		write_item(d, LOG_PUT, d->now.value, unit_expires(d), false);
}

static void unit_incr(struct decision *d)
{
	char text[EVKV_NUMBER_MAX];
	uint64_t expires;

	if (!present_sound(d))
		return;
	if (evkv_incr_apply(unit_request(d->unit), d->unit->index,
		d->now.live ? &d->now.value : NULL,
		&d->cell->number) != EVKV_OK) {
		d->cell->status = EVKV_INVALID;
		evkv__file_fail(&d->unit->job->failure, EVKV_INVALID, 0, "%s",
		    EVKV_INCR_REFUSED);
		return;
	}
	expires = d->now.live ? d->now.expires : unit_expires(d);
	write_item(d, LOG_PUT, evkv_number_write(d->cell->number, text),
	    expires, false);
}

/* The value goes to the cell before the entry is gone. */
static void unit_take(struct decision *d)
{
	if (!present_sound(d))
		return;
	if (!d->now.live) {
		d->cell->status = EVKV_NOT_FOUND;
		return;
	}
	d->cell->value = evkv_value_new(d->now.value);
	if (d->cell->value == NULL)
		d->cell->status = EVKV_NOMEM;
	else
		bury(d);
}

static void unit_read(struct decision *d)
{
	const struct evkv_request *request = unit_request(d->unit);

	if (!present_sound(d))
		return;
	if (!d->now.live) {
		d->cell->status = EVKV_NOT_FOUND;
		return;
	}
	d->cell->expires_ms = (int64_t)d->now.expires;
	d->cell->version = present_version(d);
	if (request->kind == EVKV_OP_EXISTS)
		return;
	d->cell->value = evkv_value_new(d->now.value);
	if (d->cell->value == NULL)
		d->cell->status = EVKV_NOMEM;
}

/* false: it is for the next group. */
static bool unit_decide(struct log_worker *worker, const struct log_unit *unit,
    const struct log_name *name)
{
	struct decision d = { .worker = worker,
		.unit = unit,
		.now.name = *name,
		.cell = &unit->job->cells[unit->index] };

	evkv_value_unref(d.cell->value);
	*d.cell = (struct file_cell){ .status = EVKV_OK };
	switch (unit_request(unit)->kind) {
	case EVKV_OP_PUT: unit_put(&d); break;
	case EVKV_OP_DELETE: unit_delete(&d); break;
	case EVKV_OP_TOUCH: unit_touch(&d); break;
	case EVKV_OP_INCR: unit_incr(&d); break;
	case EVKV_OP_TAKE: unit_take(&d); break;
	default: unit_read(&d); break;
	}
	if (d.cell->status != EVKV_OK) {
		evkv_value_unref(d.cell->value);
		d.cell->value = NULL;
	}
	return !d.later;
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

	if (evkv__log_find_locked(env, &pending->name, buffer, &found) !=
	    LOG_FOUND)
		return evkv__log_index_first(&env->index,
		    pending->name.hash.high);
	return evkv__log_index_at(&env->index, found.entry.hash,
	    found.entry.place);
}

static void apply_one(struct log_env *env, struct log_buffer *buffer,
    const struct log_pending *pending)
{
	struct log_entry *entry = evkv__log_index_at(&env->index,
	    pending->name.hash.high, pending->base);

	if (entry == NULL && pending->base != LOG_RESERVED)
		entry = apply_moved(env, buffer, pending);
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
	entry->collection = pending->name.number;
	evkv__log_tally(env, entry, 1);
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
			if (i + AHEAD < group->count)
				evkv__log_index_fetch(&env->index,
				    group->pending[i + AHEAD].name.hash.high);
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
			unreserve_locked(env, &group->pending[i].name);
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
		    "%s: can't write", worker->env->config.path);
	}
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
	evkv__log_cut(env);
	return code;
}

/*
 * The name of the unit at `at`, and its place in the index on the way to the
 * cache. Only this thread inserts and removes, so it needs no lock.
 */
static void unit_fetch(struct log_worker *worker, const struct log_unit *units,
    size_t count, size_t at, struct log_name *names)
{
	struct log_name *name = &names[at % AHEAD];

	if (at >= count)
		return;
	name->collection = unit_request(&units[at])->collection;
	name->key = unit_request(&units[at])->keys[units[at].index];
	log_name_hash(worker->env, name);
	evkv__log_index_fetch(&worker->env->index, name->hash.high);
}

/* As many as go into one group; returns how many that was. */
static size_t group_decide(struct log_worker *worker,
    const struct log_unit *units, size_t count)
{
	struct log_name names[AHEAD], name;
	size_t i;

	for (i = 0; i < AHEAD; i++)
		unit_fetch(worker, units, count, i, names);
	for (i = 0; i < count; i++) {
		name = names[i % AHEAD];
		unit_fetch(worker, units, count, i + AHEAD, names);
		if (!unit_decide(worker, &units[i], &name))
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
				evkv__log_group_commit(worker, &units[i], 1);
		} else if (code != 0) {
			group_fail(worker, units, done, code);
		}
		units += done;
		count -= done;
	}
}
