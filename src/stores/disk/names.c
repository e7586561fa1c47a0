/*
 * stores/disk/names.c - enumeration, by the order of the B-tree.
 *
 * A page begins behind the row that the page before has looked at last, or at
 * the literal head of the pattern, and ends where the head does. Rows that have
 * expired are passed over.
 *
 * Row keys sort as keys do, but for long keys with the same head, which sort by
 * hash. Such a group is put on one page whole, and sorted there; a group of
 * more than GROUP_MAX comes in pieces, each sorted in itself.
 */
#include "stores/disk/env.h"

#define LOOK_MAX 20000 /* rows that a page looks at */
#define GROUP_MAX 4096

/* ---- Keys ---------------------------------------------------------------- */

struct keys_scan {
	struct disk_view *view;
	const struct evkv_request *request;
	int64_t now_ms;
	unsigned char start[DISK_ID_SIZE + DISK_KEY_HEAD]; /* number and head */
	size_t start_size;
	MDB_cursor *cursor;
	MDB_val key, data;
	struct name_page *page;
	size_t looked;
	/* Of a group of long keys: where it begins on the page. */
	unsigned char group[DISK_KEY_HEAD];
	bool in_group;
	size_t group_first, group_rows;
};

static int keys_first(struct keys_scan *scan, struct evkv_slice position)
{
	unsigned char from[DISK_ROW_KEY_MAX];
	int code;

	scan->key = (MDB_val){ scan->start_size, scan->start };
	if (position.size > 0) {
		memcpy(from, scan->start, DISK_ID_SIZE);
		memcpy(from + DISK_ID_SIZE, position.data, position.size);
		scan->key = (MDB_val){ DISK_ID_SIZE + position.size, from };
	}
	code = mdb_cursor_get(scan->cursor, &scan->key, &scan->data,
	    MDB_SET_RANGE);
	if (code == 0 && position.size > 0 &&
	    scan->key.mv_size == DISK_ID_SIZE + position.size &&
	    memcmp(scan->key.mv_data, from, scan->key.mv_size) == 0)
		code = mdb_cursor_get(scan->cursor, &scan->key, &scan->data,
		    MDB_NEXT);
	return code;
}

static bool keys_in_range(const struct keys_scan *scan)
{
	return scan->key.mv_size >= scan->start_size &&
	    memcmp(scan->key.mv_data, scan->start, scan->start_size) == 0;
}

static void keys_end_group(struct keys_scan *scan)
{
	if (scan->in_group)
		evkv__name_page_sort(scan->page, scan->group_first);
	scan->in_group = false;
}

/* Begin, go on with or end a group, by the row under the cursor. */
static void keys_group(struct keys_scan *scan, bool is_long)
{
	const unsigned char *head = (const unsigned char *)scan->key.mv_data +
	    DISK_ID_SIZE;

	if (scan->in_group &&
	    (!is_long || scan->group_rows >= GROUP_MAX ||
		memcmp(scan->group, head, DISK_KEY_HEAD) != 0))
		keys_end_group(scan);
	if (is_long && !scan->in_group) {
		scan->in_group = true;
		scan->group_first = scan->page->count;
		scan->group_rows = 0;
		memcpy(scan->group, head, DISK_KEY_HEAD);
	}
	scan->group_rows++;
}

/* A damaged row is shown, where its key is known: asking for it will tell. */
static int keys_look(struct keys_scan *scan)
{
	const struct evkv_request *request = scan->request;
	bool is_long = disk_row_key_is_long(scan->key.mv_size);
	struct evkv_slice name = disk_row_key_rest(&scan->key);
	struct disk_row row;
	bool parsed = evkv__disk_row_parse(disk_slice(&scan->data),
	    scan->key.mv_size, &row);

	if (is_long && !parsed)
		return 0;
	if (is_long)
		name = row.long_key;
	if (!evkv_match(request->match.prefix, request->match.pattern, name))
		return 0;
	if (parsed && !disk_row_live(&row, scan->now_ms) &&
	    evkv__disk_row_head_ok(&row, request->collection, name))
		return 0;
	return evkv__name_page_add(scan->page, name);
}

static int keys_scan(struct keys_scan *scan, struct evkv_slice position)
{
	struct name_page *page = scan->page;
	int code = keys_first(scan, position);

	for (; code == 0 && keys_in_range(scan);
	     code = mdb_cursor_get(scan->cursor, &scan->key, &scan->data,
		 MDB_NEXT)) {
		keys_group(scan, disk_row_key_is_long(scan->key.mv_size));
		if ((!scan->in_group || scan->group_rows == 1) &&
		    (evkv__name_page_full(page, scan->request) ||
			scan->looked >= LOOK_MAX)) {
			page->more = true;
			break;
		}
		scan->looked++;
		code = keys_look(scan);
		if (code != 0)
			return code;
		evkv__name_page_position(page,
		    (const char *)scan->key.mv_data + DISK_ID_SIZE,
		    scan->key.mv_size - DISK_ID_SIZE);
	}
	keys_end_group(scan);
	return code == MDB_NOTFOUND ? 0 : code;
}

int evkv__disk_keys(struct disk_view *view, const struct evkv_request *request,
    struct evkv_slice position, int64_t now_ms, struct name_page *page)
{
	struct keys_scan scan = {
		.view = view, .request = request, .now_ms = now_ms, .page = page
	};
	unsigned char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = evkv_match_head(&request->match, buffer);
	uint64_t id;
	int code = evkv__disk_collection(view, request->collection, &id);

	if (code != 0)
		return code == MDB_NOTFOUND ? 0 : code;
	if (head.size > DISK_KEY_HEAD)
		head.size = DISK_KEY_HEAD;
	disk_put_be64(scan.start, id);
	if (head.size > 0)
		memcpy(scan.start + DISK_ID_SIZE, head.data, head.size);
	scan.start_size = DISK_ID_SIZE + head.size;
	code = mdb_cursor_open(view->txn, view->env->entries, &scan.cursor);
	if (code != 0)
		return code;
	code = keys_scan(&scan, position);
	mdb_cursor_close(scan.cursor);
	return code;
}

/* ---- Collections --------------------------------------------------------- */

/* Whether a collection has a live row. */
static int collections_has_rows(struct disk_view *view, uint64_t id,
    int64_t now_ms, size_t *looked, bool *has)
{
	unsigned char start[DISK_ID_SIZE];
	MDB_val key = { sizeof(start), start }, data;
	struct disk_row row;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(view->txn, view->env->entries, &cursor);

	*has = false;
	if (code != 0)
		return code;
	disk_put_be64(start, id);
	code = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
	while (code == 0 && memcmp(key.mv_data, start, sizeof(start)) == 0) {
		++*looked;
		*has = !evkv__disk_row_parse(disk_slice(&data), key.mv_size,
			   &row) ||
		    disk_row_live(&row, now_ms);
		if (*has)
			break;
		code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? 0 : code;
}

int evkv__disk_collections(struct disk_view *view,
    const struct evkv_request *request, struct evkv_slice position,
    int64_t now_ms, struct name_page *page)
{
	unsigned char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = evkv_match_head(&request->match, buffer), name;
	struct evkv_slice from = position.size > 0
	    ? evkv_bytes((const char *)position.data + 1, position.size - 1)
	    : head;
	bool past = position.size > 0, has;
	size_t looked = 0;
	uint64_t id;
	int code = 0;

	if (head.size > EVKV_COLLECTION_MAX)
		return 0;
	while ((code = evkv__disk_collection_next(view, from, past, &name,
		    &id)) == 0) {
		if (name.size < head.size ||
		    (head.size > 0 &&
			memcmp(name.data, head.data, head.size) != 0))
			break;
		if (evkv__name_page_full(page, request) ||
		    looked++ >= LOOK_MAX) {
			page->more = true;
			break;
		}
		from = name;
		past = true;
		/* The name "" needs a position, too, that is not empty. */
		page->position[0] = 'c';
		if (name.size > 0)
			memcpy(page->position + 1, name.data, name.size);
		page->position_size = 1 + name.size;
		if (!evkv_match(request->match.prefix, request->match.pattern,
			name))
			continue;
		code = collections_has_rows(view, id, now_ms, &looked, &has);
		if (code == 0 && has)
			code = evkv__name_page_add(page, name);
		if (code != 0)
			return code;
	}
	return code == MDB_NOTFOUND ? 0 : code;
}
