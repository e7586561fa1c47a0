/*
 * stores/mongodb/range.c - documents by a range of their _ids, in order.
 *
 * What is between "c:" and "c;" is the collection c, for no byte stands between
 * a colon and a semicolon. So all of one collection lie together, and the next
 * one is found by looking behind "c;".
 */
#include "stores/mongodb/range.h"

#include <string.h>

#define PAGE_BATCH 1000

void evkv__mongodb_range_free(struct mongodb_range *range)
{
	evkv_free(range->low);
	evkv_free(range->high);
	evkv_free(range->stem);
	range->low = range->high = range->stem = NULL;
}

static bool range_room(struct mongodb_range *range, size_t room)
{
	memset(range, 0, sizeof(*range));
	range->low = evkv_malloc(room);
	range->high = evkv_malloc(room);
	range->stem = evkv_malloc(room);
	if (range->low != NULL && range->high != NULL && range->stem != NULL)
		return true;
	evkv__mongodb_range_free(range);
	return false;
}

/*
 * The end of what begins with `low`: its last byte, one higher. That is text
 * only for some bytes; otherwise `end` is taken, and the stem tells.
 */
static void range_high(struct mongodb_range *range, struct evkv_slice end)
{
	char last = range->low_size > 0 ? range->low[range->low_size - 1] : 0;

	memcpy(range->stem, range->low, range->low_size);
	range->stem_size = range->low_size;
	if (last >= ' ' && last < '~') {
		memcpy(range->high, range->low, range->low_size);
		range->high_size = range->low_size;
		range->high[range->high_size - 1]++;
		return;
	}
	memcpy(range->high, end.data, end.size);
	range->high_size = end.size;
}

bool evkv__mongodb_range_collection(struct mongodb_range *range,
    struct evkv_slice collection, struct evkv_slice head)
{
	char end[3 * EVKV_COLLECTION_MAX + 1];
	size_t size = evkv__mongodb_id_write_collection(collection, end);

	head = evkv__mongodb_id_head(head);
	if (!range_room(range, mongodb_id_room(collection, head) + 1))
		return false;
	end[size] = ';';
	range->low_size = evkv__mongodb_id_write(collection, head, range->low);
	range->after = head.size == 0; /* a key is never empty */
	range_high(range, evkv_bytes(end, size + 1));
	return true;
}

bool evkv__mongodb_range_all(struct mongodb_range *range,
    struct evkv_slice head)
{
	head = evkv__mongodb_id_head(head);
	if (!range_room(range, mongodb_id_room(head, EVKV_LIT("")) + 1))
		return false;
	range->low_size = evkv__mongodb_id_write_collection(head, range->low);
	range_high(range, EVKV_LIT(""));
	if (range->high_size > 0)
		return true;
	evkv_free(range->high);
	range->high = NULL;
	return true;
}

static bool range_low(struct mongodb_range *range, size_t room)
{
	char *low = evkv_malloc(room);

	if (low == NULL)
		return false;
	evkv_free(range->low);
	range->low = low;
	return true;
}

bool evkv__mongodb_range_after(struct mongodb_range *range,
    struct evkv_slice id)
{
	if (!range_low(range, id.size + 1))
		return false;
	memcpy(range->low, id.data, id.size);
	range->low_size = id.size;
	range->after = true;
	return true;
}

bool evkv__mongodb_range_skip(struct mongodb_range *range,
    struct evkv_slice collection)
{
	if (!range_low(range, 3 * collection.size + 1))
		return false;
	range->low_size = evkv__mongodb_id_write_collection(collection,
	    range->low);
	range->low[range->low_size++] = ';';
	range->after = false;
	return true;
}

void evkv__mongodb_put_range(bson_t *filter, const struct mongodb_range *range)
{
	bson_t field;

	bson_append_document_begin(filter, "_id", 3, &field);
	bson_append_utf8(&field, range->after ? "$gt" : "$gte", -1, range->low,
	    (int)range->low_size);
	if (range->high != NULL)
		bson_append_utf8(&field, "$lt", 3, range->high,
		    (int)range->high_size);
	bson_append_document_end(filter, &field);
	bson_append_document_begin(filter, "version", 7, &field);
	BSON_APPEND_INT32(&field, "$type", BSON_TYPE_BINARY);
	bson_append_document_end(filter, &field);
}

/* ---- Looking ------------------------------------------------------------- */

static mongoc_cursor_t *look_cursor(struct mongodb_worker *worker,
    const struct mongodb_part *part, const struct mongodb_look *look)
{
	bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER, field;
	mongoc_cursor_t *cursor;

	evkv__mongodb_put_range(&filter, look->range);
	if (look->live)
		evkv__mongodb_put_live(&filter, part->now_ms);
	bson_append_document_begin(&options, "sort", 4, &field);
	BSON_APPEND_INT32(&field, "_id", 1);
	bson_append_document_end(&options, &field);
	bson_append_document_begin(&options, "projection", 10, &field);
	BSON_APPEND_INT32(&field, "_id", 1);
	bson_append_document_end(&options, &field);
	if (look->skip > 0)
		BSON_APPEND_INT64(&options, "skip", look->skip);
	BSON_APPEND_INT64(&options, "limit", look->limit);
	BSON_APPEND_INT64(&options, "batchSize",
	    look->limit < PAGE_BATCH ? look->limit : PAGE_BATCH);
	evkv__mongodb_put_time(worker, part, &options);
	cursor = mongoc_collection_find_with_opts(worker->collection, &filter,
	    &options, NULL);
	bson_destroy(&filter);
	bson_destroy(&options);
	return cursor;
}

static bool look_take(struct mongodb_look *look, const bson_t *bson)
{
	const struct mongodb_range *range = look->range;
	struct mongodb_document document;

	if (!evkv__mongodb_document_read(mongodb_bson_bytes(bson), &document) ||
	    document.id.data == NULL)
		return true;
	if (document.id.size < range->stem_size ||
	    memcmp(document.id.data, range->stem, range->stem_size) != 0)
		return false;
	look->count++;
	return look->take(document.id, look->arg);
}

bool evkv__mongodb_range_look(struct mongodb_worker *worker,
    struct mongodb_part *part, struct mongodb_look *look)
{
	mongoc_cursor_t *cursor = look_cursor(worker, part, look);
	struct mongodb_failure failure;
	bool with, more, wanted = true;
	bson_error_t error;
	const bson_t *bson;

	look->count = 0;
	do {
		with = evkv__mongodb_wait_begin(worker);
		more = with && mongoc_cursor_next(cursor, &bson);
		with = with && evkv__mongodb_wait_end(worker);
		if (with && more)
			wanted = look_take(look, bson);
	} while (with && more && wanted);
	if (with && mongoc_cursor_error(cursor, &error)) {
		evkv__mongodb_error(worker->server, &error, false, &failure);
		evkv__mongodb_part_fail(part, &failure);
	}
	with = with && evkv__mongodb_wait_begin(worker);
	mongoc_cursor_destroy(cursor);
	return with && evkv__mongodb_wait_end(worker);
}
