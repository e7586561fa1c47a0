/*
 * stores/jsonfile/entries.c - operations on the entries in memory.
 */
#include <string.h>

#include "stores/jsonfile/store.h"

#define FRAME_BYTES 64 /* of a file, beside its entries and collections */

static bool entry_live(const struct jsonfile_entry *entry, int64_t now_ms)
{
	return entry->expires_ms == 0 || entry->expires_ms > now_ms;
}

/* ---- One entry ----------------------------------------------------------- */

struct change {
	struct jsonfile *json;
	struct serial_job *job;
	size_t index;
	struct file_cell *cell;
	bool found; /* in the table, at `at` */
	size_t at;
	struct jsonfile_entry *live; /* NULL: absent or expired */
	struct evkv_value *value;    /* of `live`, where it was asked for */
};

static struct evkv_slice change_key(const struct change *change)
{
	return change->job->request->keys[change->index];
}

static bool change_nomem(struct change *change)
{
	evkv__file_fail(&change->job->failure, EVKV_NOMEM, 0, "out of memory");
	change->cell->status = EVKV_NOMEM;
	return false;
}

static bool change_read(struct change *change)
{
	if (change->value == NULL)
		change->value = evkv__jsonfile_read_value(change->live);
	return change->value != NULL || change_nomem(change);
}

/* Whether the condition holds; else the cell tells. */
static bool change_condition(struct change *change)
{
	const struct evkv_request *request = change->job->request;
	struct evkv_version version = { { 0 } };

	if (change->live != NULL && request->condition == EVKV_IF_VERSION) {
		if (!change_read(change))
			return false;
		version = evkv_version_of_value(evkv_value_bytes(change
								     ->value));
	}
	change->cell->status = evkv_condition_check(request, change->index,
	    change->live != NULL ? &version : NULL);
	return change->cell->status == EVKV_OK;
}

static void change_get(struct change *change)
{
	const struct evkv_request *request = change->job->request;

	if (change->live == NULL) {
		change->cell->status = EVKV_NOT_FOUND;
		return;
	}
	change->cell->expires_ms = change->live->expires_ms;
	if (request->kind == EVKV_OP_EXISTS || !change_read(change))
		return;
	if ((request->flags & EVKV_FLAG_VERSIONS) != 0)
		change->cell->version = evkv_version_of_value(
		    evkv_value_bytes(change->value));
	change->cell->value = evkv_value_ref(change->value);
}

static bool is_expired(const struct jsonfile_entry *entry, void *now_ms)
{
	return !entry_live(entry, *(int64_t *)now_ms);
}

/*
 * Whether the file, with that much more, is within its bound. What has expired
 * makes room; then the place is looked for anew.
 */
static bool change_fits(struct change *change, size_t more)
{
	struct jsonfile *json = change->json;

	if (json->table.bytes + more + FRAME_BYTES <= json->file.max_bytes)
		return true;
	evkv__jsonfile_remove_if(&json->table, is_expired,
	    &change->job->now_ms);
	change->found = evkv__jsonfile_find(&json->table,
	    change->job->request->collection, change_key(change), &change->at);
	if (json->table.bytes + more + FRAME_BYTES <= json->file.max_bytes)
		return true;
	evkv__file_fail(&change->job->failure, EVKV_NOSPACE, 0,
	    "%s: would have more than max_bytes", json->file.path);
	change->cell->status = EVKV_NOSPACE;
	return false;
}

/* What the file gets longer by; what it loses is not counted before. */
static size_t change_more(struct change *change,
    const struct jsonfile_entry *entry)
{
	size_t more = evkv__jsonfile_entry_bytes(entry), less = 0;

	if (change->found)
		less = evkv__jsonfile_entry_bytes(change->json->table
						      .entries[change->at]);
	else if (!evkv__jsonfile_has_collection(&change->json->table,
		     entry->collection))
		more += evkv__jsonfile_collection_bytes(entry->collection);
	return more > less ? more - less : 0;
}

static struct jsonfile_entry *change_make(struct change *change,
    struct evkv_slice value, int64_t expires_ms)
{
	struct jsonfile_entry *entry = NULL;
	struct evkv_json_writer writer;
	enum jsonfile_form form;

	if (evkv__jsonfile_write_value(value, &writer, &form))
		entry = evkv__jsonfile_entry_new(change->job->request
						     ->collection,
		    change_key(change), evkv_bytes(writer.data, writer.size),
		    form);
	evkv_json_writer_clear(&writer);
	if (entry == NULL)
		change_nomem(change);
	else
		entry->expires_ms = expires_ms;
	return entry;
}

/* Put a value in, whose entry is there or not. */
static void change_store(struct change *change, struct evkv_slice value,
    int64_t expires_ms)
{
	struct jsonfile_table *table = &change->json->table;
	struct jsonfile_entry *entry = change_make(change, value, expires_ms);

	if (entry == NULL)
		return;
	if (!change_fits(change, change_more(change, entry))) {
		evkv_free(entry);
		return;
	}
	/* There is room for another before the one goes. */
	if (change->found)
		evkv__jsonfile_remove(table, change->at);
	if (!evkv__jsonfile_insert(table, change->at, entry)) {
		evkv_free(entry);
		change_nomem(change);
		return;
	}
	change->json->changed = true;
	if ((change->job->request->flags & EVKV_FLAG_VERSIONS) != 0)
		change->cell->version = evkv_version_of_value(value);
}

static void change_put(struct change *change)
{
	const struct evkv_request *request = change->job->request;

	if (change_condition(change))
		change_store(change, request_value(request, change->index),
		    file_expires_ms(request, change->index,
			change->job->now_ms));
}

static void change_incr(struct change *change)
{
	const struct evkv_request *request = change->job->request;
	struct file_cell *cell = change->cell;
	char buffer[EVKV_NUMBER_MAX];
	struct evkv_slice old;
	int64_t expires_ms;

	if (change->live != NULL && !change_read(change))
		return;
	old = evkv_value_bytes(change->value);
	cell->status = evkv_incr_apply(request, change->index,
	    change->live != NULL ? &old : NULL, &cell->number);
	if (cell->status == EVKV_INVALID)
		evkv__file_fail(&change->job->failure, EVKV_INVALID, 0,
		    EVKV_INCR_REFUSED);
	if (cell->status != EVKV_OK)
		return;
	expires_ms = change->live != NULL
	    ? change->live->expires_ms
	    : file_expires_ms(request, change->index, change->job->now_ms);
	change_store(change, evkv_number_write(cell->number, buffer),
	    expires_ms);
}

static void change_remove(struct change *change)
{
	bool take = change->job->request->kind == EVKV_OP_TAKE;

	if (!change_condition(change) || (take && !change_read(change)))
		return;
	if (take)
		change->cell->value = evkv_value_ref(change->value);
	evkv__jsonfile_remove(&change->json->table, change->at);
	change->json->changed = true;
}

static void change_touch(struct change *change)
{
	const struct evkv_request *request = change->job->request;
	struct jsonfile_entry later;

	if (!change_condition(change))
		return;
	later = *change->live;
	later.expires_ms = file_expires_ms(request, change->index,
	    change->job->now_ms);
	if (!change_fits(change, change_more(change, &later)))
		return;
	evkv__jsonfile_expire(&change->json->table, change->at,
	    later.expires_ms);
	change->json->changed = true;
}

static void change_one(struct jsonfile *json, struct serial_job *job, size_t i)
{
	struct change change = {
		.json = json, .job = job, .index = i, .cell = &job->cells[i]
	};

	change.found = evkv__jsonfile_find(&json->table,
	    job->request->collection, job->request->keys[i], &change.at);
	if (change.found &&
	    entry_live(json->table.entries[change.at], job->now_ms))
		change.live = json->table.entries[change.at];
	switch (job->request->kind) {
	case EVKV_OP_PUT: change_put(&change); break;
	case EVKV_OP_INCR: change_incr(&change); break;
	case EVKV_OP_DELETE:
	case EVKV_OP_TAKE: change_remove(&change); break;
	case EVKV_OP_TOUCH: change_touch(&change); break;
	default: change_get(&change); break;
	}
	evkv_value_unref(change.value);
}

/* ---- Names --------------------------------------------------------------- */

static bool page_add(struct serial_job *job, struct evkv_slice name)
{
	if (evkv__name_page_full(&job->page, job->request)) {
		job->page.more = true;
		return false;
	}
	if (evkv__name_page_add(&job->page, name) == 0)
		return true;
	return evkv__file_fail(&job->failure, EVKV_NOMEM, 0, "out of memory");
}

static bool page_wants(const struct serial_job *job, struct evkv_slice name)
{
	return evkv_match(job->request->match.prefix,
	    job->request->match.pattern, name);
}

/* A cursor is the last name of the page before, which may be empty. */
static void entries_keys(struct jsonfile *json, struct serial_job *job)
{
	const struct evkv_request *request = job->request;
	const struct jsonfile_entry *entry;
	size_t at;

	if (evkv__jsonfile_find(&json->table, request->collection,
		job->position, &at))
		at++;
	for (; at < json->table.count; at++) {
		entry = json->table.entries[at];
		if (!evkv_slice_equal(entry->collection, request->collection))
			return;
		if (entry_live(entry, job->now_ms) &&
		    page_wants(job, entry->key) && !page_add(job, entry->key))
			return;
	}
}

/* Whether a collection has a live entry; `at`: its first, then its end. */
static bool entries_any(const struct jsonfile *json,
    const struct serial_job *job, size_t *at)
{
	const struct jsonfile_table *table = &json->table;
	size_t end = evkv__jsonfile_find_end(table,
	    table->entries[*at]->collection);
	bool any = false;

	for (; *at < end && !any; ++*at)
		any = entry_live(table->entries[*at], job->now_ms);
	*at = end;
	return any;
}

static void entries_collections(struct jsonfile *json, struct serial_job *job)
{
	struct evkv_slice name;
	size_t at = 0;

	if (job->request->match.cursor.size > 0)
		at = evkv__jsonfile_find_end(&json->table, job->position);
	while (at < json->table.count) {
		name = json->table.entries[at]->collection;
		if (entries_any(json, job, &at) && page_wants(job, name) &&
		    !page_add(job, name))
			return;
	}
}

/* ---- Removing ------------------------------------------------------------ */

struct removal {
	struct serial_job *job;
	int64_t counted;
};

/* What has expired goes, whatever was asked; only purge_expired counts it. */
static bool removal_dooms(const struct jsonfile_entry *entry, void *arg)
{
	struct removal *removal = arg;
	const struct evkv_request *request = removal->job->request;
	bool expired = !entry_live(entry, removal->job->now_ms), asked;

	if (request->kind == EVKV_OP_PURGE_EXPIRED)
		asked = expired;
	else if (request->kind == EVKV_OP_CLEAR_ALL)
		asked = !expired && page_wants(removal->job, entry->collection);
	else
		asked = !expired &&
		    evkv_slice_equal(entry->collection, request->collection) &&
		    page_wants(removal->job, entry->key);
	removal->counted += asked;
	return asked || expired;
}

static void entries_remove(struct jsonfile *json, struct serial_job *job)
{
	struct removal removal = { .job = job };

	if (evkv__jsonfile_remove_if(&json->table, removal_dooms, &removal) > 0)
		json->changed = true;
	job->removed = removal.counted;
}

void evkv__jsonfile_do(struct jsonfile *json, struct serial_job *job)
{
	size_t i;

	for (i = 0; job->cells != NULL && i < job->request->count; i++)
		change_one(json, job, i);
	switch (job->request->kind) {
	case EVKV_OP_KEYS: entries_keys(json, job); break;
	case EVKV_OP_COLLECTIONS: entries_collections(json, job); break;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED: entries_remove(json, job); break;
	default: break;
	}
}
