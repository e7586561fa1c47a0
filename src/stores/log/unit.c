/*
 * stores/log/unit.c - deciding one entry of a group.
 *
 * Whether there is such an entry tells the group itself, where it has written
 * the key before, else the index and the record. An entry that is new has a
 * place in the index reserved before it is written, so that nothing can fail
 * afterwards. What has the hash of a key and can't be read is taken for it: so
 * a put or a delete mends what is damaged.
 */
#include <errno.h>

#include "engines/files/wall.h"
#include "stores/log/group.h"

/* ---- One unit ------------------------------------------------------------ */

/* What it has to do with, as the units before it leave it. */
struct present {
	struct log_name *name; /* in `seen` */
	struct log_seen *seen;
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
	now->name->tag = now->pending->seen->name.tag;
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
	enum log_find result = evkv__log_find(env, now->name, value,
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

/*
 * What the index tells without the record: all that a put and a delete without
 * a condition want to know. false: not enough.
 */
static bool present_seen(struct decision *d)
{
	const struct log_seen *seen = d->now.seen;
	int64_t now_ms = d->unit->job->now_ms;

	if (!seen->sure)
		return false;
	d->now.base = seen->place;
	d->now.live = seen->place != 0 &&
	    !log_coarse_over(seen->expiry, now_ms);
	return seen->place == 0 || unit_request(d->unit)->kind == EVKV_OP_PUT ||
	    !d->now.live || !log_coarse_due(seen->expiry, now_ms);
}

static bool present_get(struct decision *d, bool value)
{
	struct log_env *env = d->worker->env;

	d->now.pending = evkv__log_pending_find(env->group, d->now.name);
	if (d->now.pending != NULL) {
		present_pending(d, env->group);
		return true;
	}
	if (!value && unit_request(d->unit)->condition == EVKV_IF_ANY &&
	    present_seen(d))
		return true;
	d->now.base = 0;
	d->now.live = false;
	return present_find(d, value);
}

/* ---- Writing one --------------------------------------------------------- */

/* A place in the index for a new entry. false = no memory. */
static bool write_reserve(struct log_env *env, struct log_name *name)
{
	struct log_entry entry = { .hash = name->hash.high,
		.place = LOG_RESERVED };
	uint32_t number = 0;
	bool ok;

	pthread_rwlock_wrlock(&env->lock);
	ok = evkv__log_collection_make(env, name->collection,
	    name->collection_hash, &number);
	entry.tag = name->tag = log_tag(number, name->hash.low);
	ok = ok && evkv__log_index_insert(&env->index, &entry);
	pthread_rwlock_unlock(&env->lock);
	return ok;
}

static void write_unreserve(struct log_env *env, const struct log_name *name)
{
	pthread_rwlock_wrlock(&env->lock);
	evkv__log_unreserve(env, name);
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
		    code == ENOSPC ? "no room for two segments (segment_bytes)"
			: code == ESTALE ? LOG_LOST
					 : "can't have a file to write to");
	return code == 0;
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
		.collection = now->name->collection,
		.key = now->name->key,
		.value = value,
		.lasting = lasting };
	bool reserve = now->pending == NULL && now->base == 0;

	if (!write_room(d, log_batch_item_size(&item)))
		return false;
	if (reserve && !write_reserve(env, now->name)) {
		fail(d, EVKV_NOMEM, 0, "out of memory");
		return false;
	}
	if (reserve)
		now->base = LOG_RESERVED;
	if (!evkv__log_batch_add(env, &group->batch, &item)) {
		if (reserve)
			write_unreserve(env, now->name);
		fail(d, EVKV_NOMEM, 0, "out of memory");
		return false;
	}
	if (now->pending == NULL)
		now->pending = evkv__log_pending_add(group, now->seen,
		    now->base);
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

bool evkv__log_unit_decide(struct log_worker *worker,
    const struct log_unit *unit, struct log_seen *seen)
{
	struct decision d = { .worker = worker,
		.unit = unit,
		.now.name = &seen->name,
		.now.seen = seen,
		.cell = &unit->job->cells[unit->index] };

	switch (unit_request(unit)->kind) {
	case EVKV_OP_PUT: unit_put(&d); break;
	case EVKV_OP_DELETE: unit_delete(&d); break;
	case EVKV_OP_TOUCH: unit_touch(&d); break;
	case EVKV_OP_INCR: unit_incr(&d); break;
	case EVKV_OP_TAKE: unit_take(&d); break;
	default: unit_read(&d); break;
	}
	if (d.cell->status != EVKV_OK || d.later) {
		evkv_value_unref(d.cell->value);
		d.cell->value = NULL;
	}
	return !d.later;
}
