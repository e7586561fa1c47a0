/*
 * stores/disk/sweep.c - removing what is not named key by key: clear,
 * clear_all, purge_expired.
 *
 * Each call looks at a bounded number of rows and leaves its place in a struct
 * disk_removal, so that a transaction stays small however much there is to
 * remove, and other operations go in between.
 *
 * The index of expiry says where to look and not what to do: an entry is
 * removed only where it says itself that it expires then.
 */
#include "stores/disk/env.h"

/* ---- One collection ------------------------------------------------------ */

struct clear_scan {
	struct disk_view *view;
	const struct evkv_request *request; /* NULL: every row */
	int64_t now_ms;
	struct evkv_slice collection;
	uint64_t id;
	unsigned char start[DISK_ID_SIZE + DISK_KEY_HEAD];
	size_t start_size;
	MDB_cursor *cursor;
	struct disk_removal *removal;
};

static int clear_look(struct clear_scan *scan, const MDB_val *key,
    const MDB_val *data)
{
	struct evkv_slice name = disk_row_key_rest(key);
	struct disk_row row = { .expires_ms = 0 };
	bool parsed = evkv__disk_row_parse(disk_slice(data), key->mv_size,
	    &row);
	int code;

	if (disk_row_key_is_long(key->mv_size))
		name = row.long_key;
	if (scan->request != NULL &&
	    !evkv_match(scan->request->match.prefix,
		scan->request->match.pattern, name))
		return 0;
	if (!parsed)
		row.expires_ms = 0;
	code = evkv__disk_delete_at(scan->view, scan->cursor, key, &row);
	if (code == 0 && disk_row_live(&row, scan->now_ms))
		scan->removal->removed++;
	return code;
}

static int clear_first(struct clear_scan *scan, MDB_val *key, MDB_val *data)
{
	struct disk_removal *removal = scan->removal;
	unsigned char from[DISK_ROW_KEY_MAX];
	int code;

	*key = (MDB_val){ scan->start_size, scan->start };
	if (removal->position_size > 0) {
		memcpy(from, scan->start, DISK_ID_SIZE);
		memcpy(from + DISK_ID_SIZE, removal->position,
		    removal->position_size);
		*key = (MDB_val){ DISK_ID_SIZE + removal->position_size, from };
	}
	code = mdb_cursor_get(scan->cursor, key, data, MDB_SET_RANGE);
	if (code == 0 && removal->position_size > 0 &&
	    key->mv_size == DISK_ID_SIZE + removal->position_size &&
	    memcmp(key->mv_data, from, key->mv_size) == 0)
		code = mdb_cursor_get(scan->cursor, key, data, MDB_NEXT);
	return code;
}

/* MDB_NOTFOUND: that was the end. */
static int clear_rows(struct clear_scan *scan, size_t *rows)
{
	struct disk_removal *removal = scan->removal;
	MDB_val key, data;
	int code = clear_first(scan, &key, &data);

	while (code == 0 && key.mv_size >= scan->start_size &&
	    memcmp(key.mv_data, scan->start, scan->start_size) == 0) {
		if (*rows == 0)
			return 0;
		--*rows;
		removal->position_size = key.mv_size - DISK_ID_SIZE;
		memcpy(removal->position,
		    (const char *)key.mv_data + DISK_ID_SIZE,
		    removal->position_size);
		code = clear_look(scan, &key, &data);
		if (code == 0)
			code = mdb_cursor_get(scan->cursor, &key, &data,
			    MDB_NEXT);
	}
	return code == 0 ? MDB_NOTFOUND : code;
}

/* Forget the name of a collection without any row. */
static int clear_drop(struct disk_view *view, struct evkv_slice collection,
    uint64_t id)
{
	unsigned char start[DISK_ID_SIZE];
	MDB_val key = { sizeof(start), start }, data;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(view->txn, view->env->entries, &cursor);

	if (code != 0)
		return code;
	disk_put_be64(start, id);
	code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
	if (code == 0 && memcmp(key.mv_data, start, sizeof(start)) != 0)
		code = MDB_NOTFOUND;
	mdb_cursor_close(cursor);
	if (code == MDB_NOTFOUND)
		code = evkv__disk_collection_drop(view, collection);
	return code;
}

/* MDB_NOTFOUND: that was the end. */
static int clear_some(struct clear_scan *scan, size_t *rows)
{
	unsigned char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = EVKV_LIT("");
	int code;

	disk_put_be64(scan->start, scan->id);
	if (scan->request != NULL)
		head = evkv_match_head(&scan->request->match, buffer);
	if (head.size > DISK_KEY_HEAD)
		head.size = DISK_KEY_HEAD;
	if (head.size > 0)
		memcpy(scan->start + DISK_ID_SIZE, head.data, head.size);
	scan->start_size = DISK_ID_SIZE + head.size;
	code = mdb_cursor_open(scan->view->txn, scan->view->env->entries,
	    &scan->cursor);
	if (code != 0)
		return code;
	code = clear_rows(scan, rows);
	mdb_cursor_close(scan->cursor);
	if (code != MDB_NOTFOUND)
		return code;
	code = clear_drop(scan->view, scan->collection, scan->id);
	return code == 0 ? MDB_NOTFOUND : code;
}

/* ---- All collections ----------------------------------------------------- */

/*
 * To look at a collection counts as a row, but is no progress: of one that is
 * to be cleared at least one row is.
 */
static int clear_all_some(struct disk_view *view,
    const struct evkv_request *request, int64_t now_ms, size_t *rows,
    struct disk_removal *removal)
{
	struct clear_scan scan = {
		.view = view, .now_ms = now_ms, .removal = removal
	};
	struct evkv_slice name, stand;
	int code;

	while (*rows > 0) {
		stand = evkv_bytes(removal->name, removal->name_size);
		code = evkv__disk_collection_next(view, stand, removal->past,
		    &name, &scan.id);
		if (code != 0)
			return code;
		if (!evkv_slice_equal(name, stand))
			removal->position_size = 0;
		removal->name_size = name.size;
		if (name.size > 0)
			memcpy(removal->name, name.data, name.size);
		scan.collection = evkv_bytes(removal->name, name.size);
		removal->past = true;
		if (!evkv_match(request->match.prefix, request->match.pattern,
			scan.collection)) {
			--*rows;
			continue;
		}
		code = clear_some(&scan, rows);
		if (code == 0)
			removal->past = false; /* there is more of it */
		else if (code != MDB_NOTFOUND)
			return code;
		else if (*rows > 0)
			--*rows;
	}
	return 0;
}

/* ---- What has expired ---------------------------------------------------- */

/* Remove the entry that an index row speaks of, if it agrees. */
static int purge_entry(MDB_cursor *entries, const unsigned char *row_key,
    size_t size, int64_t expires_ms, struct disk_removal *removal)
{
	MDB_val key = { size, (void *)(uintptr_t)row_key }, data;
	struct disk_row row;
	int code = mdb_cursor_get(entries, &key, &data, MDB_SET_KEY);

	if (code == MDB_NOTFOUND)
		return 0;
	if (code != 0)
		return code;
	if (!evkv__disk_row_parse(disk_slice(&data), size, &row) ||
	    row.expires_ms != expires_ms)
		return 0;
	code = mdb_cursor_del(entries, 0);
	if (code == 0)
		removal->removed++;
	return code;
}

static int purge_rows(MDB_cursor *index, MDB_cursor *entries, int64_t now_ms,
    size_t *rows, struct disk_removal *removal)
{
	unsigned char copy[DISK_EXPIRY_KEY_MAX];
	MDB_val key, data;
	int64_t expires_ms;
	int code;

	while ((code = mdb_cursor_get(index, &key, &data, MDB_FIRST)) == 0) {
		if (key.mv_size <= 8 + DISK_ID_SIZE ||
		    key.mv_size > sizeof(copy)) {
			/* Damaged, and of no use to anybody. */
			code = mdb_cursor_del(index, 0);
			if (code != 0)
				return code;
			continue;
		}
		memcpy(copy, key.mv_data, key.mv_size);
		expires_ms = (int64_t)disk_get_be64(copy);
		removal->next_ms = expires_ms;
		if (expires_ms > now_ms)
			return MDB_NOTFOUND;
		if (*rows == 0)
			return 0;
		--*rows;
		code = purge_entry(entries, copy + 8, key.mv_size - 8,
		    expires_ms, removal);
		if (code == 0)
			code = mdb_cursor_del(index, 0);
		if (code != 0)
			return code;
	}
	removal->next_ms = 0;
	return code;
}

static int purge_some(struct disk_view *view, int64_t now_ms, size_t *rows,
    struct disk_removal *removal)
{
	MDB_cursor *index, *entries;
	int code = mdb_cursor_open(view->txn, view->env->expiry, &index);

	if (code != 0)
		return code;
	code = mdb_cursor_open(view->txn, view->env->entries, &entries);
	if (code == 0) {
		code = purge_rows(index, entries, now_ms, rows, removal);
		mdb_cursor_close(entries);
	}
	mdb_cursor_close(index);
	return code;
}

int evkv__disk_expiry_peek(struct disk_view *view, int64_t now_ms, bool *due,
    int64_t *next_ms)
{
	MDB_cursor *index;
	MDB_val key, data;
	int code = mdb_cursor_open(view->txn, view->env->expiry, &index);

	*due = false;
	*next_ms = 0;
	if (code != 0)
		return code;
	code = mdb_cursor_get(index, &key, &data, MDB_FIRST);
	if (code == 0 && key.mv_size > 8) {
		*next_ms = (int64_t)disk_get_be64(key.mv_data);
		*due = *next_ms <= now_ms;
	}
	mdb_cursor_close(index);
	return code == MDB_NOTFOUND ? 0 : code;
}

/* ---- All three ----------------------------------------------------------- */

int evkv__disk_remove_some(struct disk_view *view,
    const struct evkv_request *request, int64_t now_ms, size_t rows,
    struct disk_removal *removal)
{
	bool all = request->match.pattern.size == 0 &&
	    request->match.prefix.size == 0;
	struct clear_scan scan = { .view = view,
		.request = all ? NULL : request,
		.now_ms = now_ms,
		.collection = request->collection,
		.removal = removal };
	int code;

	switch (request->kind) {
	case EVKV_OP_CLEAR:
		code = evkv__disk_collection(view, request->collection,
		    &scan.id);
		if (code == 0)
			code = clear_some(&scan, &rows);
		break;
	case EVKV_OP_CLEAR_ALL:
		code = clear_all_some(view, request, now_ms, &rows, removal);
		break;
	default: code = purge_some(view, now_ms, &rows, removal); break;
	}
	removal->finished = code == MDB_NOTFOUND;
	return code == MDB_NOTFOUND ? 0 : code;
}
