/*
 * stores/mongodb/find.c - the reads of a wave: one find by their _ids.
 *
 * What is asked for is simple, so that the server finds it by its index alone;
 * whether it has expired is judged here.
 */
#include <stdio.h>

#include "stores/mongodb/worker.h"

/* How many different _ids the reads have; whether some need values. */
static size_t find_count(const struct mongodb_worker *worker, bool *values,
    const struct mongodb_unit **only)
{
	const struct mongodb_wave *wave = &worker->wave;
	size_t count = 0, i;
	enum evkv_kind kind;

	*values = false;
	for (i = 0; i < wave->count; i++) {
		kind = mongodb_unit_request(&wave->units[i])->kind;
		if (kind != EVKV_OP_GET && kind != EVKV_OP_TTL &&
		    kind != EVKV_OP_EXISTS)
			continue;
		*values |= kind != EVKV_OP_EXISTS;
		if (wave->units[i].again)
			continue;
		*only = &wave->units[i];
		count++;
	}
	return count;
}

static bool find_is_read(const struct mongodb_unit *unit)
{
	return (evkv_kind_classes(mongodb_unit_request(unit)->kind) &
		   EVKV_CLASS_WRITES) == 0;
}

static void find_filter(const struct mongodb_worker *worker, bson_t *filter)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct evkv_slice id;
	const char *index;
	bson_t ids, in;
	char text[16];
	uint32_t n = 0;
	size_t i;

	bson_append_document_begin(filter, "_id", 3, &ids);
	bson_append_array_begin(&ids, "$in", 3, &in);
	for (i = 0; i < wave->count; i++) {
		if (!find_is_read(&wave->units[i]) || wave->units[i].again)
			continue;
		id = mongodb_unit_id(worker, &wave->units[i]);
		bson_uint32_to_string(n++, &index, text, sizeof(text));
		bson_append_utf8(&in, index, -1, id.data, (int)id.size);
	}
	bson_append_array_end(&ids, &in);
	bson_append_document_end(filter, &ids);
}

static void find_options(const struct mongodb_worker *worker, size_t count,
    bool values, bson_t *options)
{
	const struct mongodb_wave *wave = &worker->wave;
	int64_t time_ms = 0, most;
	bson_t fields;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		most = evkv__mongodb_time(worker, wave->units[i].part);
		time_ms = most > time_ms ? most : time_ms;
	}
	BSON_APPEND_INT64(options, "maxTimeMS", time_ms);
	BSON_APPEND_INT64(options, "limit", (int64_t)count);
	if (count == 1)
		BSON_APPEND_BOOL(options, "singleBatch", true);
	else
		BSON_APPEND_INT64(options, "batchSize", (int64_t)count);
	if (values)
		return;
	bson_append_document_begin(options, "projection", 10, &fields);
	BSON_APPEND_INT32(&fields, "version", 1);
	BSON_APPEND_INT32(&fields, "expires_at", 1);
	bson_append_document_end(options, &fields);
}

/* All that read the same document. */
static void find_take(const struct mongodb_worker *worker, const bson_t *bson)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct mongodb_document document;
	const struct mongodb_unit *unit;

	evkv__mongodb_document_read(bson, &document);
	unit = evkv__mongodb_wave_find(worker, document.id);
	while (unit != NULL &&
	    mongodb_unit_cell(unit)->status == EVKV_STATUS_COUNT) {
		evkv__mongodb_unit_take(unit, &document);
		unit = unit->twin != UINT32_MAX ? &wave->units[unit->twin]
						: NULL;
	}
}

/* What was not found, or could not be asked for. */
static void find_rest(const struct mongodb_worker *worker,
    const struct mongodb_failure *failure)
{
	const struct mongodb_wave *wave = &worker->wave;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		if (!find_is_read(&wave->units[i]) ||
		    mongodb_unit_cell(&wave->units[i])->status !=
			EVKV_STATUS_COUNT)
			continue;
		if (failure->status == EVKV_OK)
			mongodb_unit_settle(&wave->units[i], EVKV_NOT_FOUND);
		else
			evkv__mongodb_unit_fail(&wave->units[i], failure);
	}
}

/* Read to the end of a cursor, which is freed. */
static bool find_read(struct mongodb_worker *worker, mongoc_cursor_t *cursor,
    struct mongodb_failure *failure)
{
	bson_error_t error;
	const bson_t *bson;
	bool more, with;

	do {
		with = evkv__mongodb_wait_begin(worker);
		more = with && mongoc_cursor_next(cursor, &bson);
		with = with && evkv__mongodb_wait_end(worker);
		if (with && more)
			find_take(worker, bson);
	} while (with && more);
	if (with && mongoc_cursor_error(cursor, &error))
		evkv__mongodb_error(worker->server, &error, false, failure);
	/* It may tell the server not to go on, and wait for that. */
	with = with && evkv__mongodb_wait_begin(worker);
	mongoc_cursor_destroy(cursor);
	return with && evkv__mongodb_wait_end(worker);
}

bool evkv__mongodb_find(struct mongodb_worker *worker)
{
	struct mongodb_failure failure = { .status = EVKV_OK };
	const struct mongodb_unit *only = NULL;
	bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
	bool values, with;
	size_t count = find_count(worker, &values, &only);

	if (count == 0)
		return true;
	if (count == 1)
		mongodb_put_id(&filter, mongodb_unit_id(worker, only));
	else
		find_filter(worker, &filter);
	find_options(worker, count, values, &options);
	with = find_read(worker,
	    mongoc_collection_find_with_opts(worker->collection, &filter,
		&options, NULL),
	    &failure);
	bson_destroy(&filter);
	bson_destroy(&options);
	if (with)
		find_rest(worker, &failure);
	return with;
}
