/*
 * stores/disk/rows.c - one entry: get, put, touch, delete.
 *
 * A long key is found among the rows with the same head and hash by the full
 * key in each; as a rule there is one. A put that finds nothing takes the first
 * last byte that is free, so a hole left by a delete does no harm.
 *
 * The row of "expiry" that belongs to an entry is replaced with it. The sweep
 * looks at the entry all the same before it believes such a row.
 */
#include "evkv/number.h"
#include "stores/disk/env.h"

#define ROW_SMALL 1024 /* bytes */

/* ---- Finding ------------------------------------------------------------- */

/*
 * The row of a long key, with the cursor on it. Otherwise MDB_NOTFOUND, and
 * row_key ends in a byte that is free; MDB_KEYEXIST where none is.
 */
static int rows_find_long(MDB_cursor *cursor, struct disk_row_key *row_key,
    struct evkv_slice key, struct disk_row *row)
{
	unsigned char *last = &row_key->bytes[DISK_LONG_PREFIX];
	unsigned next = 0;
	bool gap = false;
	MDB_val at = { row_key->size, row_key->bytes }, data;
	int code = mdb_cursor_get(cursor, &at, &data, MDB_SET_RANGE);

	*last = 0;
	while (code == 0 && at.mv_size == DISK_ROW_KEY_MAX &&
	    memcmp(at.mv_data, row_key->bytes, DISK_LONG_PREFIX) == 0) {
		unsigned number = ((const unsigned char *)
				       at.mv_data)[DISK_LONG_PREFIX];

		if (!evkv__disk_row_parse(disk_slice(&data), at.mv_size, row))
			return DISK_DAMAGED;
		if (evkv_slice_equal(row->long_key, key)) {
			*last = (unsigned char)number;
			return 0;
		}
		if (!gap && number != next) {
			gap = true;
			*last = (unsigned char)next;
		}
		next = number + 1;
		code = mdb_cursor_get(cursor, &at, &data, MDB_NEXT);
	}
	if (code != 0 && code != MDB_NOTFOUND)
		return code;
	if (!gap && next > 255)
		return MDB_KEYEXIST;
	if (!gap)
		*last = (unsigned char)next;
	return MDB_NOTFOUND;
}

/* The row of a key, expired or not, with the cursor on it. */
static int rows_find(MDB_cursor *cursor, struct disk_row_key *row_key,
    struct evkv_slice key, struct disk_row *row)
{
	MDB_val at = { row_key->size, row_key->bytes }, data;
	int code;

	if (row_key->is_long)
		return rows_find_long(cursor, row_key, key, row);
	code = mdb_cursor_get(cursor, &at, &data, MDB_SET_KEY);
	if (code == 0 &&
	    !evkv__disk_row_parse(disk_slice(&data), row_key->size, row))
		return DISK_DAMAGED;
	return code;
}

static int rows_get_short(struct disk_view *view, struct disk_row_key *row_key,
    struct disk_row *row)
{
	MDB_val at = { row_key->size, row_key->bytes }, data;
	int code = mdb_get(view->txn, view->env->entries, &at, &data);

	if (code == 0 &&
	    !evkv__disk_row_parse(disk_slice(&data), row_key->size, row))
		return DISK_DAMAGED;
	return code;
}

static int rows_get_long(struct disk_view *view, struct disk_row_key *row_key,
    struct evkv_slice key, struct disk_row *row)
{
	MDB_cursor *cursor;
	int code = mdb_cursor_open(view->txn, view->env->entries, &cursor);

	if (code != 0)
		return code;
	code = rows_find_long(cursor, row_key, key, row);
	mdb_cursor_close(cursor);
	return code == MDB_KEYEXIST ? MDB_NOTFOUND : code;
}

int evkv__disk_get(struct disk_view *view, struct evkv_slice collection,
    struct evkv_slice key, int64_t now_ms, bool whole, struct disk_row *row)
{
	struct disk_row_key row_key;
	uint64_t id;
	int code = evkv__disk_collection(view, collection, &id);

	if (code != 0)
		return code;
	evkv__disk_row_key(&row_key, id, key);
	code = row_key.is_long ? rows_get_long(view, &row_key, key, row)
			       : rows_get_short(view, &row_key, row);
	if (code != 0)
		return code;
	if (!(whole ? evkv__disk_row_ok(row, collection, key)
		    : evkv__disk_row_head_ok(row, collection, key)))
		return DISK_DAMAGED;
	return disk_row_live(row, now_ms) ? 0 : MDB_NOTFOUND;
}

/* ---- Changing ------------------------------------------------------------ */

static int rows_cursor(struct disk_view *view, MDB_cursor **cursor)
{
	int code = 0;

	if (view->entries == NULL)
		code = mdb_cursor_open(view->txn, view->env->entries,
		    &view->entries);
	*cursor = view->entries;
	return code;
}

static size_t rows_expiry_key(unsigned char *bytes, int64_t expires_ms,
    const void *row_key, size_t size)
{
	disk_put_be64(bytes, (uint64_t)expires_ms);
	memcpy(bytes + 8, row_key, size);
	return 8 + size;
}

static int rows_expiry_add(struct disk_view *view, int64_t expires_ms,
    const struct disk_row_key *row_key)
{
	unsigned char bytes[DISK_EXPIRY_KEY_MAX];
	MDB_val key, nothing = { 0, bytes };

	if (expires_ms == 0)
		return 0;
	key.mv_size = rows_expiry_key(bytes, expires_ms, row_key->bytes,
	    row_key->size);
	key.mv_data = bytes;
	return mdb_put(view->txn, view->env->expiry, &key, &nothing, 0);
}

static int rows_expiry_remove(struct disk_view *view, int64_t expires_ms,
    const void *row_key, size_t size)
{
	unsigned char bytes[DISK_EXPIRY_KEY_MAX];
	MDB_val key;
	int code;

	if (expires_ms == 0)
		return 0;
	key.mv_size = rows_expiry_key(bytes, expires_ms, row_key, size);
	key.mv_data = bytes;
	code = mdb_del(view->txn, view->env->expiry, &key, NULL);
	return code == MDB_NOTFOUND ? 0 : code;
}

static void rows_write_to(void *to, const struct disk_put *put)
{
	evkv__disk_row_write(to, put->collection, put->key,
	    &(struct disk_row){ .expires_ms = put->expires_ms,
		.version = put->version,
		.value = put->value });
}

/*
 * Afterwards the old row, of `old_size` bytes where the cursor is on one, is
 * gone, so the value must not be of it. One of the same size is written over
 * without another search.
 */
static int rows_write(MDB_cursor *cursor, struct disk_row_key *row_key,
    const struct disk_put *put, size_t old_size)
{
	MDB_val at = { row_key->size, row_key->bytes }, data;
	unsigned char small[ROW_SMALL];
	int code;

	data.mv_size = evkv__disk_row_size(put->key, put->value);
	if (data.mv_size == old_size && old_size <= sizeof(small)) {
		data.mv_data = small;
		rows_write_to(small, put);
		return mdb_cursor_put(cursor, &at, &data, MDB_CURRENT);
	}
	data.mv_data = NULL;
	code = mdb_cursor_put(cursor, &at, &data, MDB_RESERVE);
	if (code == 0)
		rows_write_to(data.mv_data, put);
	return code;
}

/* Whether the condition holds; `row` NULL = there is no live one. */
static int rows_condition(const struct disk_view *view,
    const struct disk_put *put, const struct disk_row *row)
{
	struct evkv_version version;

	if (put->request == NULL)
		return 0;
	if (row != NULL && put->request->condition == EVKV_IF_VERSION &&
	    !evkv__disk_row_head_ok(row, put->collection, put->key))
		return DISK_DAMAGED;
	if (row != NULL)
		version = evkv_version_counted(view->env->instance,
		    row->version);
	switch (evkv_condition_check(put->request, put->index,
	    row != NULL ? &version : NULL)) {
	case EVKV_OK: return 0;
	case EVKV_EXISTS: return DISK_EXISTS;
	case EVKV_CONFLICT: return DISK_CONFLICT;
	default: return MDB_NOTFOUND;
	}
}

static int rows_take(struct disk_view *view, const struct disk_put *put)
{
	return evkv__disk_space_take(view,
	    evkv__disk_space_pages(view->env,
		evkv__disk_row_size(put->key, put->value)));
}

/*
 * The collection of a put, which may have to be made: if there is room for the
 * entry, or a put that is refused would leave a row.
 */
static int rows_put_collection(struct disk_view *view, struct disk_put *put,
    uint64_t *id)
{
	int code = evkv__disk_collection(view, put->collection, id);

	if (code == MDB_NOTFOUND)
		code = rows_condition(view, put, NULL);
	else
		return code;
	if (code == 0)
		code = rows_take(view, put);
	put->taken = true;
	return code != 0
	    ? code
	    : evkv__disk_collection_make(view, put->collection, id);
}

/*
 * A damaged row counts as there, and is overwritten. Of a damaged one that
 * can't even be taken apart the expiry is not known; the sweep sees to its
 * index row.
 */
static int rows_put_at(struct disk_view *view, MDB_cursor *cursor,
    struct disk_row_key *row_key, struct disk_put *put, int64_t now_ms)
{
	struct disk_row old = { .expires_ms = 0 };
	int code = rows_find(cursor, row_key, put->key, &old);
	bool found = code == 0 || code == DISK_DAMAGED;
	size_t old_size = code == 0
	    ? DISK_ROW_HEAD + old.long_key.size + old.value.size
	    : 0;

	if (code == DISK_DAMAGED && row_key->is_long)
		return code;
	if (!found && code != MDB_NOTFOUND)
		return code == MDB_KEYEXIST ? DISK_FULL : code;
	code = rows_condition(view, put,
	    found && disk_row_live(&old, now_ms) ? &old : NULL);
	if (code == 0 && !put->taken)
		code = rows_take(view, put);
	if (code == 0 && found && old.expires_ms != put->expires_ms)
		code = rows_expiry_remove(view, old.expires_ms, row_key->bytes,
		    row_key->size);
	if (code == 0)
		code = evkv__disk_version_next(view, &put->version);
	if (code == 0)
		code = rows_write(cursor, row_key, put, old_size);
	if (code == 0 && !(found && old.expires_ms == put->expires_ms))
		code = rows_expiry_add(view, put->expires_ms, row_key);
	return code;
}

int evkv__disk_put(struct disk_view *view, struct disk_put *put, int64_t now_ms)
{
	struct disk_row_key row_key;
	MDB_cursor *cursor;
	uint64_t id;
	int code = rows_put_collection(view, put, &id);

	if (code == 0)
		code = rows_cursor(view, &cursor);
	if (code != 0)
		return code;
	evkv__disk_row_key(&row_key, id, put->key);
	return rows_put_at(view, cursor, &row_key, put, now_ms);
}

/*
 * LMDB hands out nothing that may be written to, and the expiry is under the
 * checksum: a touch writes the row again, by way of a copy of its value.
 */
int evkv__disk_touch(struct disk_view *view, struct disk_put *put,
    int64_t now_ms)
{
	struct disk_row row;
	void *copy;
	int code = evkv__disk_get(view, put->collection, put->key, now_ms, true,
	    &row);

	if (code == 0)
		code = rows_condition(view, put, &row);
	if (code != 0)
		return code;
	copy = evkv_malloc(row.value.size);
	if (copy == NULL)
		return ENOMEM;
	if (row.value.size > 0)
		memcpy(copy, row.value.data, row.value.size);
	put->value = evkv_bytes(copy, row.value.size);
	put->request = NULL; /* it was looked at */
	code = evkv__disk_put(view, put, now_ms);
	evkv_free(copy);
	return code;
}

int evkv__disk_delete_at(struct disk_view *view, MDB_cursor *cursor,
    const MDB_val *row_key, const struct disk_row *row)
{
	unsigned char bytes[DISK_ROW_KEY_MAX];
	int64_t expires_ms = row->expires_ms;
	size_t size = row_key->mv_size;
	int code;

	memcpy(bytes, row_key->mv_data, size);
	code = mdb_cursor_del(cursor, 0);
	if (code != 0)
		return code;
	return rows_expiry_remove(view, expires_ms, bytes, size);
}

int evkv__disk_delete(struct disk_view *view, const struct disk_put *put,
    int64_t now_ms)
{
	struct disk_row row = { .expires_ms = 0 };
	struct disk_row_key row_key;
	MDB_cursor *cursor;
	MDB_val at;
	uint64_t id;
	bool live;
	int code = evkv__disk_collection(view, put->collection, &id);

	if (code == 0)
		code = rows_cursor(view, &cursor);
	if (code != 0)
		return code;
	evkv__disk_row_key(&row_key, id, put->key);
	code = rows_find(cursor, &row_key, put->key, &row);
	if (code == MDB_KEYEXIST)
		return MDB_NOTFOUND;
	if (code != 0 && (code != DISK_DAMAGED || row_key.is_long))
		return code;
	live = disk_row_live(&row, now_ms);
	code = live ? rows_condition(view, put, &row) : 0;
	if (code != 0)
		return code;
	at = (MDB_val){ row_key.size, row_key.bytes };
	code = evkv__disk_delete_at(view, cursor, &at, &row);
	return code == 0 && !live ? MDB_NOTFOUND : code;
}
