/*
 * stores/disk/collections.c - collections have numbers, which begin the keys of
 * their rows: a name may have 255 bytes and LMDB's keys only 511.
 *
 * A number is never used again. When an empty collection's name is dropped, the
 * epoch in "meta" goes up, in the same transaction; code that remembers
 * numbers, in this process or another, looks at it when it sees a new
 * transaction. So a remembered number is never of a collection that is gone.
 */

#include "stores/disk/env.h"

static struct evkv_slice meta_next_id = { "next_id", 7 };
static struct evkv_slice meta_epoch = { "epoch", 5 };
static struct evkv_slice meta_advance = { "turn", 4 };
static struct evkv_slice meta_instance = { "instance", 8 };
static struct evkv_slice meta_versions = { "versions", 8 };

#define VERSION_BITS 13                 /* for those of one transaction */
#define VERSION_GAP (UINT64_C(1) << 24) /* transactions */

static MDB_val to_val(struct evkv_slice slice)
{
	return (MDB_val){ slice.size, (void *)(uintptr_t)slice.data };
}

static int meta_get(struct disk_view *view, struct evkv_slice name, uint64_t *n)
{
	MDB_val key = to_val(name), value;
	int code = mdb_get(view->txn, view->env->meta, &key, &value);

	*n = 0;
	if (code == MDB_NOTFOUND)
		return 0;
	if (code == 0 && value.mv_size != 8)
		return DISK_DAMAGED;
	if (code == 0)
		*n = disk_get_le(value.mv_data, 8);
	return code;
}

static int meta_put(struct disk_view *view, struct evkv_slice name, uint64_t n)
{
	unsigned char bytes[8];
	MDB_val key = to_val(name), value = { sizeof(bytes), bytes };

	disk_put_le(bytes, n, 8);
	return mdb_put(view->txn, view->env->meta, &key, &value, 0);
}

int evkv__disk_names_check(struct disk_view *view)
{
	struct disk_names *names = view->names;
	size_t txnid = mdb_txn_id(view->txn);
	uint64_t epoch;
	int code;

	if (names->txnid == txnid)
		return 0;
	code = meta_get(view, meta_epoch, &epoch);
	if (code != 0)
		return code;
	/* A reset `txnid` says that nothing here may be trusted. */
	if (names->txnid == 0 || names->epoch != epoch)
		memset(names, 0, sizeof(*names));
	names->txnid = txnid;
	names->epoch = epoch;
	return 0;
}

static struct disk_name *names_slot(struct disk_names *names,
    struct evkv_slice name)
{
	return &names->slots[evkv__disk_checksum(0, name.data, name.size) %
	    DISK_NAMES];
}

static void names_remember(struct disk_names *names, struct evkv_slice name,
    uint64_t id)
{
	struct disk_name *slot = names_slot(names, name);

	slot->known = true;
	slot->id = id;
	slot->size = (uint16_t)name.size;
	if (name.size > 0)
		memcpy(slot->name, name.data, name.size);
}

int evkv__disk_collection(struct disk_view *view, struct evkv_slice name,
    uint64_t *id)
{
	struct disk_name *slot = names_slot(view->names, name);
	unsigned char bytes[DISK_NAME_KEY_MAX];
	MDB_val key, value;
	int code;

	if (slot->known &&
	    evkv_slice_equal(evkv_bytes(slot->name, slot->size), name)) {
		*id = slot->id;
		return 0;
	}
	key.mv_size = evkv__disk_name_key(bytes, name);
	key.mv_data = bytes;
	code = mdb_get(view->txn, view->env->collections, &key, &value);
	if (code != 0)
		return code;
	if (!evkv__disk_name_parse(disk_slice(&value), name, id))
		return DISK_DAMAGED;
	names_remember(view->names, name, *id);
	return 0;
}

int evkv__disk_collection_make(struct disk_view *view, struct evkv_slice name,
    uint64_t *id)
{
	unsigned char bytes[DISK_NAME_KEY_MAX], row[DISK_NAME_ROW];
	MDB_val key, value = { sizeof(row), row };
	int code = evkv__disk_collection(view, name, id);

	if (code != MDB_NOTFOUND)
		return code;
	code = meta_get(view, meta_next_id, id);
	if (code == 0)
		code = meta_put(view, meta_next_id, ++*id);
	if (code != 0)
		return code;
	key.mv_size = evkv__disk_name_key(bytes, name);
	key.mv_data = bytes;
	evkv__disk_name_row(row, name, *id);
	code = mdb_put(view->txn, view->env->collections, &key, &value, 0);
	if (code == 0)
		names_remember(view->names, name, *id);
	return code;
}

int evkv__disk_collection_drop(struct disk_view *view, struct evkv_slice name)
{
	unsigned char bytes[DISK_NAME_KEY_MAX];
	MDB_val key;
	uint64_t epoch;
	int code;

	key.mv_size = evkv__disk_name_key(bytes, name);
	key.mv_data = bytes;
	code = mdb_del(view->txn, view->env->collections, &key, NULL);
	if (code == 0)
		code = meta_get(view, meta_epoch, &epoch);
	if (code == 0)
		code = meta_put(view, meta_epoch, epoch + 1);
	memset(view->names->slots, 0, sizeof(view->names->slots));
	return code;
}

int evkv__disk_advance(struct disk_view *view)
{
	uint64_t count;
	int code = meta_get(view, meta_advance, &count);

	return code != 0 ? code : meta_put(view, meta_advance, count + 1);
}

/* ---- Versions ------------------------------------------------------------ */

/*
 * A version is the number of its transaction, from a base in "meta" on, and a
 * number in it. The base goes up by a gap with the first one of each opening,
 * so that what a power cut has undone (durability=os) is not given again, and
 * when a copy begins with transaction 1 again.
 */
static int versions_begin(struct disk_view *view)
{
	uint64_t base;
	int code = meta_get(view, meta_versions, &base);

	if (code != 0)
		return code;
	if (!view->env->versions_begun) {
		base += VERSION_GAP;
		code = meta_put(view, meta_versions, base);
		view->versions_began = true;
	}
	view->version = (base + mdb_txn_id(view->txn)) << VERSION_BITS;
	return code;
}

int evkv__disk_version_next(struct disk_view *view, uint64_t *version)
{
	int code = view->version == 0 ? versions_begin(view) : 0;

	*version = ++view->version;
	return code;
}

int evkv__disk_versions_rebase(struct disk_view *view)
{
	uint64_t base;
	int code = meta_get(view, meta_versions, &base);

	return code != 0 ? code
			 : meta_put(view, meta_versions,
			       base + mdb_txn_id(view->txn) + VERSION_GAP);
}

int evkv__disk_instance_read(struct disk_view *view, uint64_t *instance)
{
	return meta_get(view, meta_instance, instance);
}

int evkv__disk_instance_write(struct disk_view *view, uint64_t instance)
{
	return meta_put(view, meta_instance, instance);
}

/* ---- In order ------------------------------------------------------------ */

int evkv__disk_collection_next(struct disk_view *view, struct evkv_slice from,
    bool past, struct evkv_slice *name, uint64_t *id)
{
	unsigned char bytes[DISK_NAME_KEY_MAX];
	MDB_cursor *cursor;
	MDB_val key, value;
	int code = mdb_cursor_open(view->txn, view->env->collections, &cursor);

	if (code != 0)
		return code;
	key.mv_size = evkv__disk_name_key(bytes, from);
	key.mv_data = bytes;
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (code == 0 && past && key.mv_size == 1 + from.size &&
	    (from.size == 0 ||
		memcmp((const char *)key.mv_data + 1, from.data, from.size) ==
		    0))
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	if (code == 0) {
		*name = evkv_bytes((const char *)key.mv_data + 1,
		    key.mv_size - 1);
		if (!evkv__disk_name_parse(disk_slice(&value), *name, id))
			code = DISK_DAMAGED;
	}
	mdb_cursor_close(cursor);
	return code;
}
