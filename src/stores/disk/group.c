/*
 * stores/disk/group.c - group commit.
 *
 * The happy path: one transaction takes all the entries that wait, in order,
 * and each has its answer when the commit is on the disk.
 *
 * An entry that has no room by our own count gets NOSPACE and the others go on.
 * Where LMDB or the disk has no room after all, or something else fails before
 * the commit, nothing of the transaction has happened: it is done again without
 * the entry whose fault it is, or in halves down to it. After an error of the
 * commit itself it is not known what is on the disk: all of the group is
 * UNKNOWN_OUTCOME, and the environment is reopened.
 *
 * A group near the bound may be committed in parts (DISK_LATER): what the first
 * part has freed is there for the next. Puts at its head are refused without a
 * transaction while nothing was freed since such a one was refused.
 *
 * DISK_LEFT: the writer has waited for LMDB's lock and was left behind. Then
 * units and jobs may be gone, and nothing of them is touched.
 */
#include "engines/files/wall.h"
#include "stores/disk/work.h"

static bool unit_writes(const struct disk_unit *unit)
{
	return (evkv_kind_classes(unit->job->base.request->kind) &
		   EVKV_CLASS_WRITES) != 0;
}

static struct file_cell *unit_cell(const struct disk_unit *unit)
{
	return &unit->job->cells[unit->index];
}

static int64_t unit_expires(const struct disk_unit *unit)
{
	return file_expires_ms(unit->job->base.request, unit->index,
	    unit->job->now_ms);
}

static void unit_invalid(const struct disk_unit *unit)
{
	unit_cell(unit)->status = EVKV_INVALID;
	evkv__file_fail(&unit->job->failure, EVKV_INVALID, 0, "%s",
	    EVKV_INCR_REFUSED);
}

/* 0 also where it is refused: then the cell has that status. */
static int unit_incr(struct disk_view *view, const struct disk_unit *unit,
    struct disk_put *put)
{
	struct file_cell *cell = unit_cell(unit);
	char text[EVKV_NUMBER_MAX];
	struct disk_row row;
	int64_t now_ms = unit->job->now_ms;
	int code = evkv__disk_get(view, put->collection, put->key, now_ms, true,
	    &row);

	if (code != 0 && code != MDB_NOTFOUND)
		return code;
	if (evkv_incr_apply(unit->job->base.request, unit->index,
		code == 0 ? &row.value : NULL, &cell->number) != EVKV_OK) {
		unit_invalid(unit);
		return 0;
	}
	if (code == 0)
		put->expires_ms = row.expires_ms;
	put->value = evkv_number_write(cell->number, text);
	put->request = NULL; /* it has no condition */
	return evkv__disk_put(view, put, now_ms);
}

/* The value goes to the cell before the entry is gone. */
static int unit_take(struct disk_view *view, const struct disk_unit *unit,
    const struct disk_put *put)
{
	struct file_cell *cell = unit_cell(unit);
	int64_t now_ms = unit->job->now_ms;
	struct disk_row row;
	int code = evkv__disk_get(view, put->collection, put->key, now_ms, true,
	    &row);

	if (code != 0)
		return code;
	cell->value = evkv_value_new(row.value);
	if (cell->value == NULL) {
		cell->status = EVKV_NOMEM;
		return 0;
	}
	return evkv__disk_delete(view, put, now_ms);
}

static int unit_write(struct disk_view *view, const struct disk_unit *unit)
{
	const struct evkv_request *request = unit->job->base.request;
	struct disk_put put = {
		.collection = request->collection,
		.key = request->keys[unit->index],
		.request = request,
		.index = unit->index,
	};
	int code;

	switch (request->kind) {
	case EVKV_OP_DELETE:
		return evkv__disk_delete(view, &put, unit->job->now_ms);
	case EVKV_OP_TAKE: return unit_take(view, unit, &put);
	default: put.expires_ms = unit_expires(unit); break;
	}
	if (request->kind == EVKV_OP_TOUCH)
		return evkv__disk_touch(view, &put, unit->job->now_ms);
	if (request->kind == EVKV_OP_INCR) {
		code = unit_incr(view, unit, &put);
	} else {
		put.value = disk_job_value(unit->job, unit->index);
		code = evkv__disk_put(view, &put, unit->job->now_ms);
	}
	unit_cell(unit)->version = evkv_version_counted(view->env->instance,
	    put.version);
	return code;
}

/* 0, or a code for which the transaction must be given up or ended. */
static int unit_apply(struct disk_view *view, const struct disk_unit *unit)
{
	struct file_cell *cell = unit_cell(unit);
	int code;

	if (!unit_writes(unit)) {
		disk_job_read(view, unit->job, unit->index);
		return 0;
	}
	/* A transaction that was given up may have filled it. */
	evkv_value_unref(cell->value);
	*cell = (struct file_cell){ .status = EVKV_OK };
	code = unit_write(view, unit);
	switch (code) {
	case 0: return 0;
	case MDB_NOTFOUND: cell->status = EVKV_NOT_FOUND; return 0;
	case DISK_EXISTS: cell->status = EVKV_EXISTS; return 0;
	case DISK_CONFLICT: cell->status = EVKV_CONFLICT; return 0;
	case DISK_DAMAGED:
	case DISK_FULL:
		cell->status = evkv__disk_code_status(code);
		evkv__disk_code_fail(view->env, code, "can't write an entry",
		    &unit->job->failure);
		return 0;
	default: return code;
	}
}

static void group_fail(struct disk_worker *worker,
    const struct disk_unit *units, size_t count, enum evkv_status status,
    int code)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct file_cell *cell = unit_cell(&units[i]);
		bool unknown = status == EVKV_UNKNOWN_OUTCOME &&
		    !unit_writes(&units[i]);

		evkv_value_unref(cell->value);
		cell->value = NULL;
		cell->status = unknown ? EVKV_IO : status;
		evkv__disk_code_fail(worker->env, code, "can't commit",
		    &units[i].job->failure);
	}
}

/* Pages that a unit needs, from above. */
static size_t unit_pages(const struct disk_env *env,
    const struct disk_unit *unit)
{
	const struct evkv_request *request = unit->job->base.request;
	size_t size = DISK_ROW_HEAD + request->keys[unit->index].size;

	if (!unit_writes(unit))
		return 0;
	if (request->kind == EVKV_OP_PUT)
		size += disk_job_value(unit->job, unit->index).size;
	if (request->kind == EVKV_OP_INCR)
		size += EVKV_NUMBER_MAX;
	return evkv__disk_space_pages(env, size);
}

static size_t group_pages(const struct disk_env *env,
    const struct disk_unit *units, size_t count)
{
	size_t pages = 0, i;

	for (i = 0; i < count; i++)
		pages += unit_pages(env, &units[i]);
	return pages;
}

/* What came of one transaction. */
struct group_try {
	int code;
	size_t done;   /* units that were committed */
	size_t failed; /* at this one it ended */
	bool in_doubt; /* the commit failed, and not for lack of room */
};

/* One transaction for as many of the units as go into it. */
static struct group_try group_try(struct disk_worker *worker,
    const struct disk_unit *units, size_t count)
{
	struct disk_env *env = worker->env;
	struct group_try try = { .failed = 0 };
	struct disk_view view;
	size_t i = 0;
	int code = evkv__disk_space_begin(env, group_pages(env, units, count));

	if (code == 0 || code == EIO)
		code = evkv__disk_write_begin(env, &view);
	if (code != 0) {
		try.code = code;
		return try;
	}
	while (i < count && (code = unit_apply(&view, &units[i])) == 0)
		i++;
	try.failed = i;
	if (code != 0 && (code != DISK_LATER || i == 0)) {
		evkv__disk_write_abort(&view);
		try.code = code;
		return try;
	}
	try.code = evkv__disk_write_commit(&view);
	if (try.code == 0)
		try.done = i;
	else
		try.failed = 0;
	try.in_doubt = evkv__disk_env_in_doubt(env, try.code);
	return try;
}

/*
 * Pages that the last transaction has freed become usable in the next but one:
 * let one go by that changes nothing but a number.
 */
static void group_advance(struct disk_worker *worker)
{
	struct disk_view view;

	if (evkv__disk_write_begin(worker->env, &view) != 0)
		return;
	if (evkv__disk_advance(&view) == 0)
		evkv__disk_write_commit(&view);
	else
		evkv__disk_write_abort(&view);
}

/* Only reads: they need no write transaction. false: they do, after all. */
static bool group_read(struct disk_worker *worker,
    const struct disk_unit *units, size_t count)
{
	struct disk_view view;
	size_t i;

	for (i = 0; i < count; i++) {
		if (unit_writes(&units[i]))
			return false;
	}
	if (evkv__disk_view_begin(worker->env, &worker->reader, &view) != 0)
		return false;
	for (i = 0; i < count; i++)
		disk_job_read(&view, units[i].job, units[i].index);
	evkv__disk_view_end(&view);
	return true;
}

static bool code_asks_for_pages(int code)
{
	return code == DISK_LATER || code == MDB_MAP_FULL;
}

/* One entry, and nothing to be taken from it any more. */
static void group_last(struct disk_worker *worker, const struct disk_unit *unit,
    int code)
{
	if (code_asks_for_pages(code))
		evkv__disk_space_refused(worker->env,
		    unit_pages(worker->env, unit));
	if (code == DISK_LATER)
		code = DISK_FULL;
	group_fail(worker, unit, 1, evkv__disk_code_status(code), code);
}

/* Whether a single entry may find room now that something was done for it. */
static bool group_advanced(struct disk_worker *worker, int code)
{
	int dead;

	if (!code_asks_for_pages(code) || !evkv__disk_space_stale(worker->env))
		return false;
	if (code == MDB_MAP_FULL)
		mdb_reader_check(worker->env->lmdb, &dead);
	group_advance(worker);
	return true;
}

/* Commit as much of the front as goes; returns how much that was. */
static size_t group_front(struct disk_worker *worker,
    const struct disk_unit *units, size_t count)
{
	struct file_failure ignored;
	struct group_try try;
	size_t tried = count;

	for (;;) {
		try = group_try(worker, units, tried);
		if (try.code == 0)
			return try.done;
		if (try.code == DISK_LEFT)
			return count;
		if (try.in_doubt) {
			group_fail(worker, units, tried, EVKV_UNKNOWN_OUTCOME,
			    try.code);
			evkv__disk_env_reopen(worker->env, &ignored);
			return tried;
		}
		if (tried > 1 && try.code != EIO && try.code != DISK_LOST) {
			tried = try.failed > 0 ? try.failed : tried / 2;
			continue;
		}
		if (tried == 1 && group_advanced(worker, try.code))
			continue;
		if (tried > 1)
			group_fail(worker, units, tried, EVKV_IO, try.code);
		else
			group_last(worker, units, try.code);
		return tried;
	}
}

/* How many puts at the head need not be tried; they are refused. */
static size_t group_refuse(struct disk_worker *worker,
    const struct disk_unit *units, size_t count)
{
	struct disk_env *env = worker->env;
	const struct evkv_request *request;
	size_t i, pages;

	for (i = 0; i < count; i++) {
		request = units[i].job->base.request;
		pages = unit_pages(env, &units[i]);
		if (request->kind != EVKV_OP_PUT ||
		    request->condition != EVKV_IF_ANY ||
		    !evkv__disk_space_full_try(env, pages))
			return i;
		group_fail(worker, &units[i], 1, EVKV_NOSPACE, DISK_FULL);
	}
	return count;
}

void evkv__disk_group_commit(struct disk_worker *worker,
    struct disk_unit *units, size_t count)
{
	size_t done;

	if (count == 0 || group_read(worker, units, count))
		return;
	while (count > 0 && !evkv__disk_wait_left(worker->env)) {
		done = group_refuse(worker, units, count);
		if (done == 0)
			done = group_front(worker, units, count);
		units += done;
		count -= done;
	}
}
