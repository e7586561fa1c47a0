/*
 * stores/log/sweep.c - removing what is not named key by key: clear, clear_all,
 * purge_expired.
 *
 * Each call looks at a bounded number of entries, in the order of hashes, and
 * leaves its place in a struct log_removal. What a clear removes it deletes as
 * a user would, by names, so that each piece is a group like any other. What
 * has expired only leaves the index: its record says itself that it is over.
 */
#include "evkv/alloc.h"
#include "stores/log/work.h"

#define STEP 256 /* entries that are looked at under one lock */

/* ---- Clear --------------------------------------------------------------- */

/* A delete of our own. */
struct victim {
	struct log_job job;
	struct evkv_request request;
	struct evkv_slice key;
	unsigned char names[]; /* collection, key */
};

struct sweep {
	struct log_worker *worker;
	const struct evkv_request *request;
	int64_t now_ms;
	struct log_removal *removal;
	struct file_failure *failure;
	struct log_entry entries[STEP];
	struct log_file *files[STEP];
	struct victim *victims[STEP];
	struct log_unit units[STEP];
	size_t count; /* victims */
	bool moved;   /* one was, since it was looked up */
};

static bool sweep_fail(struct sweep *sweep, enum evkv_status status,
    const char *what)
{
	return evkv__file_fail(sweep->failure, status, 0, "%s: %s",
	    sweep->worker->env->config.path, what);
}

/* Names that a request is about. */
static bool sweep_wants(const struct sweep *sweep, struct evkv_slice collection,
    struct evkv_slice key)
{
	const struct evkv_request *request = sweep->request;

	if (request->kind == EVKV_OP_CLEAR_ALL)
		return evkv_match(request->match.prefix, request->match.pattern,
		    collection);
	return collection.size == request->collection.size &&
	    (collection.size == 0 ||
		memcmp(collection.data, request->collection.data,
		    collection.size) == 0) &&
	    evkv_match(request->match.prefix, request->match.pattern, key);
}

static bool clear_add(struct sweep *sweep, struct evkv_slice collection,
    struct evkv_slice key)
{
	struct victim *victim = evkv_malloc(sizeof(*victim) + collection.size +
	    key.size);

	if (victim == NULL)
		return sweep_fail(sweep, EVKV_NOMEM, "out of memory");
	memset(victim, 0, sizeof(*victim));
	if (collection.size > 0)
		memcpy(victim->names, collection.data, collection.size);
	memcpy(victim->names + collection.size, key.data, key.size);
	victim->key = evkv_bytes(victim->names + collection.size, key.size);
	victim->request = (struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = evkv_bytes(victim->names, collection.size),
		.count = 1,
		.keys = &victim->key };
	victim->job.base.request = &victim->request;
	victim->job.now_ms = sweep->now_ms;
	victim->job.cells = &victim->job.one_cell;
	sweep->units[sweep->count] = (struct log_unit){ .job = &victim->job };
	sweep->victims[sweep->count++] = victim;
	return true;
}

static bool clear_look(struct sweep *sweep, size_t i)
{
	struct log_buffer *buffer = &sweep->worker->buffer;
	struct evkv_slice collection, key;
	struct log_item item;

	switch (evkv__log_read_head(sweep->files[i], sweep->entries[i].place,
	    buffer, &item)) {
	case LOG_FOUND: break;
	case LOG_NOMEM: return sweep_fail(sweep, EVKV_NOMEM, "out of memory");
	case LOG_DAMAGED:
		return sweep_fail(sweep, EVKV_CORRUPT,
		    "an entry that is damaged can't be removed without its "
		    "name");
	default: return sweep_fail(sweep, EVKV_IO, "can't read an entry");
	}
	if (!log_live(&item, sweep->now_ms))
		return true;
	collection = log_item_collection(buffer->data, &item);
	key = log_item_key(buffer->data, &item);
	return !sweep_wants(sweep, collection, key) ||
	    clear_add(sweep, collection, key);
}

/* Delete what was gathered, as one group or more. */
static bool clear_commit(struct sweep *sweep)
{
	const struct file_failure *failure;
	bool ok = true;
	size_t i;

	evkv__log_group_commit(sweep->worker, sweep->units, sweep->count);
	for (i = 0; i < sweep->count; i++) {
		enum evkv_status status = sweep->victims[i]
					      ->job.one_cell.status;

		failure = &sweep->victims[i]->job.failure;
		if (status == EVKV_OK) {
			sweep->removal->removed++;
		} else if (status != EVKV_NOT_FOUND && ok) {
			*sweep->failure = *failure;
			sweep->failure->status = status;
			ok = false;
		}
	}
	return ok;
}

static void clear_free(struct sweep *sweep)
{
	while (sweep->count > 0)
		evkv_free(sweep->victims[--sweep->count]);
}

/* ---- Expired ------------------------------------------------------------- */

/* Its exact time is told by the record. */
static bool purge_look(struct sweep *sweep, size_t i)
{
	struct log_env *env = sweep->worker->env;
	const struct log_entry *seen = &sweep->entries[i];
	struct log_entry *entry;
	struct log_item item;

	if (!log_coarse_over(seen->expiry, sweep->now_ms)) {
		if (evkv__log_read_head(sweep->files[i], seen->place,
			&sweep->worker->buffer, &item) != LOG_FOUND ||
		    log_live(&item, sweep->now_ms))
			return true;
	}
	pthread_rwlock_wrlock(&env->lock);
	entry = evkv__log_index_at(&env->index, seen->hash, seen->place);
	sweep->moved |= entry == NULL;
	if (entry != NULL) {
		evkv__log_tally(env, entry, -1);
		evkv__log_index_remove(&env->index, entry);
		sweep->removal->removed++;
	}
	pthread_rwlock_unlock(&env->lock);
	return true;
}

/* ---- Pieces -------------------------------------------------------------- */

static bool sweep_picks(const struct sweep *sweep,
    const struct log_entry *entry, uint32_t number)
{
	if (entry->place == LOG_RESERVED)
		return false;
	switch (sweep->request->kind) {
	case EVKV_OP_PURGE_EXPIRED:
		return log_coarse_due(entry->expiry, sweep->now_ms);
	case EVKV_OP_CLEAR_ALL: return true;
	default: return log_tag_collection(entry->tag) == number;
	}
}

/* Entries to be looked at, with a reference on their files. */
static size_t sweep_gather(struct sweep *sweep, size_t *looked)
{
	struct log_env *env = sweep->worker->env;
	struct log_removal *removal = sweep->removal;
	struct log_entry entries[STEP];
	uint32_t number = UINT32_MAX;
	size_t count, picked = 0, i;
	bool more;

	pthread_rwlock_rdlock(&env->lock);
	if (sweep->request->kind == EVKV_OP_CLEAR &&
	    !evkv__log_collection_find(env, sweep->request->collection,
		evkv__log_collection_hash(&env->key,
		    sweep->request->collection),
		&number)) {
		removal->finished = true;
		pthread_rwlock_unlock(&env->lock);
		return 0;
	}
	count = evkv__log_index_walk(&env->index, removal->hash, entries, STEP,
	    &more);
	for (i = 0; i < count; i++) {
		if (!sweep_picks(sweep, &entries[i], number))
			continue;
		sweep->entries[picked] = entries[i];
		sweep->files[picked++] = evkv__log_file_ref(log_place_file(env,
		    entries[i].place));
	}
	pthread_rwlock_unlock(&env->lock);
	*looked += count;
	removal->finished = !more || count == 0 ||
	    entries[count - 1].hash == UINT64_MAX;
	if (!removal->finished)
		removal->hash = entries[count - 1].hash + 1;
	return picked;
}

static bool sweep_step(struct sweep *sweep, size_t *looked)
{
	bool purges = sweep->request->kind == EVKV_OP_PURGE_EXPIRED, ok = true;
	struct log_removal before = *sweep->removal;
	size_t count = sweep_gather(sweep, looked), i;

	sweep->moved = false;
	for (i = 0; i < count; i++) {
		if (ok)
			ok = purges ? purge_look(sweep, i)
				    : clear_look(sweep, i);
		evkv__log_file_unref(sweep->files[i]);
	}
	if (ok && sweep->count > 0)
		ok = clear_commit(sweep);
	clear_free(sweep);
	/* What a compaction has moved is looked for once more. */
	if (!ok || sweep->moved) {
		sweep->removal->hash = before.hash;
		sweep->removal->finished = false;
	}
	return ok;
}

bool evkv__log_remove_some(struct log_worker *worker,
    const struct evkv_request *request, int64_t now_ms, size_t rows,
    struct log_removal *removal, struct file_failure *failure)
{
	struct sweep *sweep = evkv_calloc(1, sizeof(*sweep));
	size_t looked = 0;
	bool ok = true;

	if (sweep == NULL)
		return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	sweep->worker = worker;
	sweep->request = request;
	sweep->now_ms = now_ms;
	sweep->removal = removal;
	sweep->failure = failure;
	while (ok && looked < rows && !removal->finished)
		ok = sweep_step(sweep, &looked);
	evkv_free(sweep);
	if (request->kind == EVKV_OP_PURGE_EXPIRED) {
		pthread_rwlock_wrlock(&worker->env->lock);
		evkv__log_show(worker->env);
		pthread_rwlock_unlock(&worker->env->lock);
	}
	return ok;
}
