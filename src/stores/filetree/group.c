/*
 * stores/filetree/group.c - what the worker does with a batch of jobs.
 *
 * Entry by entry, in order. What follows each other in one collection is a
 * session: its folder is opened once, locked once where something is written,
 * and brought to the disk once, at the end, before any of it is acknowledged.
 * Where that fails, writes of the session are UNKNOWN_OUTCOME, and reads, which
 * may have seen what is lost, IO.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- Sessions ------------------------------------------------------------ */

static bool group_is_read(const struct serial_job *job)
{
	return (evkv_kind_classes(job->request->kind) & EVKV_CLASS_WRITES) == 0;
}

static void cell_fail(struct file_cell *cell, enum evkv_status status)
{
	evkv_value_unref(cell->value);
	*cell = (struct file_cell){ .status = status };
}

/* What was done can't be told to be on the disk. */
static void session_doubt(struct tree_session *session,
    const struct file_failure *failure)
{
	struct serial_job *job;
	struct file_cell *cell;
	size_t i;

	for (i = 0; i < session->count; i++) {
		job = session->units[i].job;
		cell = &job->cells[session->units[i].index];
		if (cell->status != EVKV_OK)
			continue;
		cell_fail(cell,
		    group_is_read(job) ? EVKV_IO : EVKV_UNKNOWN_OUTCOME);
		job->failure = *failure;
		job->failure.status = cell->status;
	}
}

static bool session_sync(struct filetree *tree, struct file_failure *failure)
{
	struct tree_session *session = &tree->session;

	if (!tree_full(tree))
		return true;
	if (session->made && !evkv__folder_sync(tree->root))
		return evkv__tree_errno(tree, "write it to the disk", "",
		    failure);
	if (session->changed && fsync(session->fd) != 0)
		return evkv__tree_errno(tree, "write the folder to the disk",
		    session->file, failure);
	return true;
}

/* The collection is that of the units, which all have the same. */
static void session_end(struct filetree *tree)
{
	struct tree_session *session = &tree->session;
	struct file_failure failure;

	if (!session->open)
		return;
	if (!session_sync(tree, &failure))
		session_doubt(session, &failure);
	if (session->locked)
		evkv__tree_unlock(tree,
		    session->units[0].job->request->collection);
	if (session->fd >= 0)
		close(session->fd);
	session->open = false;
}

static bool session_open_folder(struct filetree *tree,
    struct file_failure *failure)
{
	struct tree_session *session = &tree->session;

	session->fd = evkv__tree_folder(tree, session->file);
	if (session->fd >= 0 || errno == ENOENT ||
	    (errno == ENOTDIR && !session->locked))
		return true;
	if (errno == ENOTDIR)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s/%s: is no folder", tree->path, session->file);
	return evkv__tree_errno(tree, "open the folder", session->file,
	    failure);
}

/* The session that a unit belongs to; false = the failure tells why not. */
static bool session_begin(struct filetree *tree, struct serial_job *job,
    size_t index, struct file_failure *failure)
{
	struct tree_session *session = &tree->session;
	struct evkv_slice collection = job->request->collection;
	bool writes = !group_is_read(job);
	char file[TREE_FILE_ROOM];

	evkv_file_name_encode(collection, file);
	if (session->open &&
	    (strcmp(file, session->file) != 0 || session->count == TREE_UNITS ||
		(writes && !session->locked)))
		session_end(tree);
	if (!session->open) {
		session->count = 0;
		session->made = session->changed = session->locked = false;
		memcpy(session->file, file, sizeof(file));
		if (writes && !evkv__tree_lock(tree, collection, failure))
			return false;
		session->locked = writes;
		session->open = true;
		session->fd = -1;
	}
	session->units[session->count++] = (struct tree_unit){ job, index };
	return session->fd >= 0 || session_open_folder(tree, failure);
}

/* Make the folder of the session, if it is not there. */
static bool session_make(struct filetree *tree, struct evkv_slice collection,
    struct file_failure *failure)
{
	struct tree_session *session = &tree->session;

	if (session->fd >= 0)
		return true;
	session->made = true;
	return evkv__tree_make_folder(tree, session->file, collection,
		   failure) &&
	    session_open_folder(tree, failure);
}

/* ---- One entry ----------------------------------------------------------- */

struct unit {
	struct filetree *tree;
	struct serial_job *job;
	size_t index;
	struct file_cell *cell;
	struct tree_place place;
	struct tree_entry entry;
	struct tree_put put;
	struct evkv_value *value; /* that the entry has, where it was read */
	struct evkv_version version;
	struct file_failure failure;
};

static bool unit_live(const struct unit *unit)
{
	return unit->entry.found == TREE_LIVE;
}

/* The entry's value, once; false = it can't be read. */
static bool unit_read(struct unit *unit)
{
	if (unit->value == NULL)
		unit->value = evkv__entry_read(unit->tree, &unit->place,
		    &unit->entry, &unit->failure);
	if (unit->value == NULL)
		unit->cell->status = unit->failure.status;
	return unit->value != NULL;
}

static bool unit_wants_version(const struct unit *unit)
{
	const struct evkv_request *request = unit->job->request;

	return request->condition == EVKV_IF_VERSION ||
	    ((request->flags & EVKV_FLAG_VERSIONS) != 0 &&
		group_is_read(unit->job));
}

/* Whether the condition holds; else the cell tells. */
static bool unit_condition(struct unit *unit)
{
	const struct evkv_request *request = unit->job->request;
	bool live = unit_live(unit);

	if (live && unit_wants_version(unit)) {
		if (!unit_read(unit))
			return false;
		unit->version = evkv_version_of_value(
		    evkv_value_bytes(unit->value));
	}
	unit->cell->status = evkv_condition_check(request, unit->index,
	    live ? &unit->version : NULL);
	return unit->cell->status == EVKV_OK;
}

static void unit_get(struct unit *unit)
{
	if (!unit_live(unit)) {
		unit->cell->status = EVKV_NOT_FOUND;
		return;
	}
	unit->cell->expires_ms = unit->entry.expires_ms;
	if (unit->job->request->kind == EVKV_OP_EXISTS || !unit_read(unit))
		return;
	if (unit_wants_version(unit))
		unit->cell->version = evkv_version_of_value(
		    evkv_value_bytes(unit->value));
	unit->cell->value = evkv_value_ref(unit->value);
}

/* Where there is something that is no entry nothing can be put. */
static bool unit_may_write(struct unit *unit)
{
	if (unit->entry.found != TREE_FOREIGN)
		return true;
	evkv__file_fail(&unit->failure, EVKV_REFUSED, 0,
	    "%s/%s/%s: is no plain file, and left alone", unit->tree->path,
	    unit->tree->session.file, unit->place.file);
	unit->cell->status = EVKV_REFUSED;
	return false;
}

static void unit_write(struct unit *unit)
{
	struct filetree *tree = unit->tree;

	if (!session_make(tree, unit->job->request->collection,
		&unit->failure)) {
		unit->cell->status = unit->failure.status;
		return;
	}
	tree->session.changed = true;
	unit->place.folder = tree->session.fd;
	unit->cell->status = evkv__entry_write(tree, &unit->place, &unit->entry,
	    &unit->put, &unit->failure);
	if ((unit->job->request->flags & EVKV_FLAG_VERSIONS) != 0)
		unit->cell->version = evkv_version_of_value(unit->put.value);
}

/*
 * EXISTS: somebody who takes no locks was faster. It is what they wrote that is
 * replaced, unless the condition forbids it.
 */
static void unit_put(struct unit *unit)
{
	const struct evkv_request *request = unit->job->request;
	int tries;

	unit->put.value = request_value(request, unit->index);
	unit->put.expires_ms = file_expires_ms(request, unit->index,
	    unit->job->now_ms);
	for (tries = 0; tries < 8; tries++) {
		if (!unit_may_write(unit) || !unit_condition(unit))
			return;
		unit_write(unit);
		if (unit->cell->status != EVKV_EXISTS)
			return;
		unit->failure.status = EVKV_OK;
		evkv__entry_close(&unit->entry);
		evkv__entry_open(unit->tree, &unit->place, unit->job->now_ms,
		    &unit->entry, &unit->failure);
	}
	evkv__file_fail(&unit->failure, EVKV_BUSY, 0,
	    "the file comes and goes");
	unit->cell->status = EVKV_BUSY;
}

static void unit_incr(struct unit *unit)
{
	const struct evkv_request *request = unit->job->request;
	char buffer[EVKV_NUMBER_MAX];
	struct evkv_slice old = evkv_bytes(NULL, 0);
	struct file_cell *cell = unit->cell;
	bool live = unit_live(unit);

	if (!unit_may_write(unit) || (live && !unit_read(unit)))
		return;
	old = evkv_value_bytes(unit->value);
	cell->status = evkv_incr_apply(request, unit->index, live ? &old : NULL,
	    &cell->number);
	if (cell->status == EVKV_INVALID)
		evkv__file_fail(&unit->failure, EVKV_INVALID, 0,
		    EVKV_INCR_REFUSED);
	if (cell->status != EVKV_OK)
		return;
	unit->put.value = evkv_number_write(cell->number, buffer);
	unit->put.expires_ms = live
	    ? unit->entry.expires_ms
	    : file_expires_ms(request, unit->index, unit->job->now_ms);
	unit_write(unit);
}

static void unit_remove(struct unit *unit)
{
	enum evkv_kind kind = unit->job->request->kind;
	struct tree_session *session = &unit->tree->session;

	if (!unit_condition(unit) || (kind == EVKV_OP_TAKE && !unit_read(unit)))
		return;
	session->changed = true;
	unit->cell->status = evkv__entry_remove(unit->tree, &unit->place,
	    &unit->entry, &unit->failure);
	if (unit->cell->status == EVKV_OK && kind == EVKV_OP_TAKE)
		unit->cell->value = evkv_value_ref(unit->value);
}

static void unit_touch(struct unit *unit)
{
	if (!unit_condition(unit))
		return;
	unit->put.expires_ms = file_expires_ms(unit->job->request, unit->index,
	    unit->job->now_ms);
	unit->cell->status = evkv__entry_touch(unit->tree, &unit->place,
	    &unit->entry, &unit->put, &unit->failure);
}

static void unit_act(struct unit *unit)
{
	enum evkv_kind kind = unit->job->request->kind;

	if (unit->entry.found == TREE_FAILED) {
		/* A put or a delete repairs an expiry that is damaged. */
		if (unit->failure.status == EVKV_CORRUPT &&
		    (kind == EVKV_OP_PUT || kind == EVKV_OP_DELETE)) {
			unit->failure.status = EVKV_OK;
			unit->entry.found = TREE_LIVE;
		} else {
			unit->cell->status = unit->failure.status;
			return;
		}
	}
	switch (kind) {
	case EVKV_OP_PUT: unit_put(unit); break;
	case EVKV_OP_INCR: unit_incr(unit); break;
	case EVKV_OP_DELETE:
	case EVKV_OP_TAKE: unit_remove(unit); break;
	case EVKV_OP_TOUCH: unit_touch(unit); break;
	default: unit_get(unit); break;
	}
}

static void group_unit(struct filetree *tree, struct serial_job *job, size_t i)
{
	char file[TREE_FILE_ROOM];
	struct unit unit = { .tree = tree,
		.job = job,
		.index = i,
		.cell = &job->cells[i],
		.put = { .key = job->request->keys[i] } };

	if (!session_begin(tree, job, i, &unit.failure)) {
		unit.cell->status = unit.failure.status;
	} else {
		evkv_file_name_encode(unit.put.key, file);
		unit.place = (struct tree_place){ tree->session.fd, file,
			tree->session.file };
		evkv__entry_open(tree, &unit.place, job->now_ms, &unit.entry,
		    &unit.failure);
		unit_act(&unit);
		evkv__entry_close(&unit.entry);
	}
	evkv_value_unref(unit.value);
	if (unit.cell->status == unit.failure.status &&
	    unit.failure.status != EVKV_OK)
		job->failure = unit.failure;
}

/* ---- Jobs ---------------------------------------------------------------- */

static void group_sync(struct filetree *tree, struct serial_job *job)
{
	if (syncfs(tree->root) != 0)
		evkv__tree_errno(tree, "write it to the disk", "",
		    &job->failure);
}

static void group_span(struct filetree *tree, struct serial_job *job)
{
	switch (job->request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS: evkv__names_page(tree, job); break;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED: evkv__walk_remove(tree, job); break;
	case EVKV_OP_SYNC: group_sync(tree, job); break;
	default: break;
	}
}

static void group_job(struct filetree *tree, struct serial_job *job)
{
	size_t i;

	if (job->cells == NULL) {
		session_end(tree);
		group_span(tree, job);
		return;
	}
	for (i = 0; i < job->request->count; i++)
		group_unit(tree, job, i);
}

/* A removal of which a part is done can't be denied. */
static void group_lost(struct serial_job *job,
    const struct file_failure *failure)
{
	job->failure = *failure;
	if (job->removed > 0)
		job->failure.status = EVKV_UNKNOWN_OUTCOME;
	evkv__serial_job_fail(job);
}

void evkv__tree_run(void *self, struct serial_job *first)
{
	struct filetree *tree = self;
	struct file_failure failure;
	struct evkv_job *job = &first->job;
	bool there = evkv__tree_there(tree, &failure);

	for (; job != NULL; job = evkv_job_next(job)) {
		if (there) {
			group_job(tree, (struct serial_job *)job);
			continue;
		}
		group_lost((struct serial_job *)job, &failure);
	}
	session_end(tree);
}
