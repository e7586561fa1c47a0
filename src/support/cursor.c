/*
 * Cursors: a tag of the kind of store and of the query, then the store's own
 * position. By the tag a cursor of another store or query is recognised.
 *
 * The tag guards against mistakes, not against forgery: a forged cursor can
 * only choose where a page begins, of names that the forger may see anyway.
 */
#include "evkv/driver.h"

#include <string.h>

#define CURSOR_TAG 8

static uint64_t cursor_hash(uint64_t hash, struct evkv_slice bytes)
{
	const unsigned char *data = bytes.data;
	size_t i;

	/* FNV-1a; the length first, so that bytes can't move to a neighbour. */
	for (i = 0; i < sizeof(bytes.size); i++)
		hash = (hash ^ (bytes.size >> 8 * i & 0xff)) *
		    UINT64_C(0x100000001b3);
	for (i = 0; i < bytes.size; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* The tag of a query: all of the request that decides which names come. */
static void cursor_tag(const struct evkv_request *request,
    const char *store_name, unsigned char tag[CURSOR_TAG])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int i;

	hash = cursor_hash(hash, evkv_str(store_name));
	hash = cursor_hash(hash, evkv_str(evkv_kind_name(request->kind)));
	hash = cursor_hash(hash, request->collection);
	hash = cursor_hash(hash, request->match.prefix);
	hash = cursor_hash(hash, request->match.pattern);
	for (i = 0; i < CURSOR_TAG; i++)
		tag[i] = (unsigned char)(hash >> 8 * i);
}

bool evkv_op_set_position(struct evkv_op *op, const char *store_name,
    struct evkv_slice position)
{
	size_t size = CURSOR_TAG + position.size;
	unsigned char *cursor;

	if (size > EVKV_CURSOR_MAX) {
		evkv_op_fail(op, EVKV_TOO_LARGE, EVKV_CAUSE_NONE,
		    "the cursor of the next page would be too long");
		return false;
	}
	cursor = evkv_op_alloc(op, size);
	if (cursor == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	cursor_tag(evkv_op_request(op), store_name, cursor);
	if (position.size > 0)
		memcpy(cursor + CURSOR_TAG, position.data, position.size);
	return evkv_op_set_cursor(op, evkv_bytes(cursor, size));
}

bool evkv_cursor_open(const struct evkv_request *request,
    const char *store_name, struct evkv_slice *position)
{
	struct evkv_slice cursor = request->match.cursor;
	unsigned char tag[CURSOR_TAG];

	*position = evkv_bytes(NULL, 0);
	if (cursor.size == 0)
		return true;
	if (cursor.size < CURSOR_TAG)
		return false;
	cursor_tag(request, store_name, tag);
	if (memcmp(cursor.data, tag, CURSOR_TAG) != 0)
		return false;
	*position = evkv_bytes((const char *)cursor.data + CURSOR_TAG,
	    cursor.size - CURSOR_TAG);
	return true;
}
