/*
 * stores/disk/check.c - a walk over all rows: their order, their checksums, and
 * that the tables agree with each other.
 */
#include "stores/disk/check.h"

#include <stdarg.h>
#include <stdio.h>

struct check_walk {
	struct disk_check *check;
	struct disk_view view;
	MDB_cursor *cursor;
	MDB_val key, data;
	unsigned char before[DISK_EXPIRY_KEY_MAX];
	size_t before_size;
	/* The collection whose rows are being walked. */
	uint64_t id;
	unsigned char name[EVKV_COLLECTION_MAX];
	size_t name_size;
	bool known;
};

__attribute__((format(printf, 2, 3))) static void check_wrong(
    struct check_walk *walk, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	walk->check->problems++;
	walk->check->wrong(text, walk->check->arg);
}

/* Keys must rise, or look-ups go astray. */
static void check_order(struct check_walk *walk, const char *table)
{
	size_t size = walk->key.mv_size;
	int order;

	if (size > sizeof(walk->before)) {
		check_wrong(walk, "%s: a key of %zu bytes", table, size);
		return;
	}
	order = memcmp(walk->before, walk->key.mv_data,
	    size < walk->before_size ? size : walk->before_size);
	if (walk->before_size > 0 &&
	    (order > 0 || (order == 0 && size <= walk->before_size)))
		check_wrong(walk, "%s: keys are out of order", table);
	memcpy(walk->before, walk->key.mv_data, size);
	walk->before_size = size;
}

static void check_table(struct check_walk *walk, MDB_dbi dbi, const char *table,
    void (*look)(struct check_walk *walk))
{
	MDB_stat stat;
	size_t rows = 0;
	int code = mdb_cursor_open(walk->view.txn, dbi, &walk->cursor);

	walk->before_size = 0;
	while (code == 0 &&
	    (code = mdb_cursor_get(walk->cursor, &walk->key, &walk->data,
		 MDB_NEXT)) == 0) {
		check_order(walk, table);
		look(walk);
		rows++;
	}
	if (code != MDB_NOTFOUND)
		check_wrong(walk, "%s: can't be walked: %s", table,
		    mdb_strerror(code));
	if (mdb_stat(walk->view.txn, dbi, &stat) == 0 &&
	    stat.ms_entries != rows)
		check_wrong(walk, "%s: has %zu rows instead of %zu", table,
		    rows, stat.ms_entries);
	mdb_cursor_close(walk->cursor);
}

static void check_collection(struct check_walk *walk)
{
	const unsigned char *key = walk->key.mv_data;
	uint64_t id;

	walk->check->collections++;
	if (walk->key.mv_size < 1 || key[0] != 'c' ||
	    walk->key.mv_size > DISK_NAME_KEY_MAX ||
	    !evkv__disk_name_parse(disk_slice(&walk->data),
		evkv_bytes(key + 1, walk->key.mv_size - 1), &id))
		check_wrong(walk, "collections: a damaged row");
}

/* The name that belongs to a number; there is no index for that. */
static void check_find_name(struct check_walk *walk, uint64_t id)
{
	MDB_val key, data;
	MDB_cursor *cursor;

	walk->id = id;
	walk->known = false;
	if (mdb_cursor_open(walk->view.txn, walk->view.env->collections,
		&cursor) != 0)
		return;
	while (!walk->known &&
	    mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
		if (data.mv_size < DISK_ID_SIZE ||
		    disk_get_be64(data.mv_data) != id ||
		    key.mv_size > DISK_NAME_KEY_MAX)
			continue;
		walk->known = true;
		walk->name_size = key.mv_size - 1;
		memcpy(walk->name, (const char *)key.mv_data + 1,
		    walk->name_size);
	}
	mdb_cursor_close(cursor);
}

/* An entry that expires must be found by the sweep. */
static bool check_has_expiry(struct check_walk *walk, int64_t expires_ms)
{
	unsigned char bytes[DISK_EXPIRY_KEY_MAX];
	MDB_val key = { 8 + walk->key.mv_size, bytes }, data;

	disk_put_be64(bytes, (uint64_t)expires_ms);
	memcpy(bytes + 8, walk->key.mv_data, walk->key.mv_size);
	return mdb_get(walk->view.txn, walk->view.env->expiry, &key, &data) ==
	    0;
}

static void check_entry(struct check_walk *walk)
{
	const unsigned char *key = walk->key.mv_data;
	struct evkv_slice name;
	struct disk_row row;

	walk->check->entries++;
	if (walk->key.mv_size <= DISK_ID_SIZE ||
	    walk->key.mv_size > DISK_ROW_KEY_MAX ||
	    !evkv__disk_row_parse(disk_slice(&walk->data), walk->key.mv_size,
		&row)) {
		check_wrong(walk, "entries: a row that is none");
		return;
	}
	walk->check->expiring += row.expires_ms != 0;
	if (!walk->known || walk->id != disk_get_be64(key))
		check_find_name(walk, disk_get_be64(key));
	if (!walk->known) {
		check_wrong(walk, "entries: a row of no collection");
		return;
	}
	name = disk_row_key_is_long(walk->key.mv_size)
	    ? row.long_key
	    : disk_row_key_rest(&walk->key);
	if (!evkv__disk_row_ok(&row, evkv_bytes(walk->name, walk->name_size),
		name))
		check_wrong(walk, "entries: damaged: %.*s / %.*s",
		    (int)walk->name_size, (const char *)walk->name,
		    (int)(name.size < 80 ? name.size : 80),
		    (const char *)name.data);
	else if (row.expires_ms != 0 && !check_has_expiry(walk, row.expires_ms))
		check_wrong(walk, "expiry: lacks a row: %.*s / %.*s",
		    (int)walk->name_size, (const char *)walk->name,
		    (int)(name.size < 80 ? name.size : 80),
		    (const char *)name.data);
}

static void check_expiry(struct check_walk *walk)
{
	walk->check->expiries++;
	if (walk->key.mv_size <= 8 + DISK_ID_SIZE ||
	    walk->key.mv_size > DISK_EXPIRY_KEY_MAX)
		check_wrong(walk, "expiry: a row that is none");
}

void evkv__disk_check(struct disk_env *env, struct disk_check *check)
{
	struct check_walk walk = { .check = check };
	struct disk_reader reader = { .txn = NULL };
	int code = evkv__disk_view_begin(env, &reader, &walk.view);

	if (code != 0) {
		check_wrong(&walk, "can't be read: %s", mdb_strerror(code));
		return;
	}
	check_table(&walk, env->collections, "collections", check_collection);
	check_table(&walk, env->entries, "entries", check_entry);
	check_table(&walk, env->expiry, "expiry", check_expiry);
	evkv__disk_view_end(&walk.view);
	mdb_txn_abort(reader.txn);
}
