/*
 * stores/mongodb/find.c - the reads of a wave: one find by their _ids.
 *
 * What is asked for is simple, so that the server finds it by its index alone;
 * whether it has expired is judged by the loop, when it is back.
 *
 * It is the command itself: libmongoc's cursors take as much processor time
 * again, to check and copy what they are given. An answer holds 16 MiB; where
 * that is too little the rest is asked for again, for a command has no session
 * to go on in.
 */
#include <stdio.h>

#include "stores/mongodb/worker.h"

static bool find_is_read(const struct mongodb_unit *unit)
{
	return (evkv_kind_classes(mongodb_unit_request(unit)->kind) &
		   EVKV_CLASS_WRITES) == 0;
}

/* It is to be asked for: it reads, as the first of those that read the same. */
static bool find_asks(const struct mongodb_unit *unit)
{
	return find_is_read(unit) && !unit->again &&
	    mongodb_unit_cell(unit)->status == EVKV_STATUS_COUNT;
}

/* How many _ids are to be asked for; whether their values are needed. */
static size_t find_count(const struct mongodb_worker *worker, bool *values)
{
	const struct mongodb_wave *wave = &worker->wave;
	size_t count = 0, i;

	*values = false;
	for (i = 0; i < wave->count; i++) {
		if (!find_is_read(&wave->units[i]))
			continue;
		*values |= mongodb_unit_request(&wave->units[i])->kind !=
		    EVKV_OP_EXISTS;
		count += find_asks(&wave->units[i]);
	}
	return count;
}

static void find_ids(const struct mongodb_worker *worker, bson_t *in)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct evkv_slice id;
	const char *index;
	char text[16];
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		if (!find_asks(&wave->units[i]))
			continue;
		id = mongodb_unit_id(worker, &wave->units[i]);
		bson_uint32_to_string(n++, &index, text, sizeof(text));
		bson_append_utf8(in, index, -1, id.data, (int)id.size);
	}
}

static void find_filter(const struct mongodb_worker *worker, size_t count,
    bson_t *command)
{
	const struct mongodb_unit *only = worker->wave.units;
	bson_t filter, ids, in;

	bson_append_document_begin(command, "filter", 6, &filter);
	if (count > 1) {
		bson_append_document_begin(&filter, "_id", 3, &ids);
		bson_append_array_begin(&ids, "$in", 3, &in);
		find_ids(worker, &in);
		bson_append_array_end(&ids, &in);
		bson_append_document_end(&filter, &ids);
	} else {
		while (!find_asks(only))
			only++;
		mongodb_put_id(&filter, mongodb_unit_id(worker, only));
	}
	bson_append_document_end(command, &filter);
}

static void find_options(const struct mongodb_worker *worker, size_t count,
    bool values, bson_t *command)
{
	const struct mongodb_wave *wave = &worker->wave;
	int64_t time_ms = 0, most;
	bson_t fields;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		most = evkv__mongodb_time(worker, wave->units[i].part);
		time_ms = most > time_ms ? most : time_ms;
	}
	BSON_APPEND_INT64(command, "maxTimeMS", time_ms);
	BSON_APPEND_INT64(command, "limit", (int64_t)count);
	if (count == 1)
		BSON_APPEND_BOOL(command, "singleBatch", true);
	else
		BSON_APPEND_INT64(command, "batchSize", (int64_t)count);
	if (values)
		return;
	bson_append_document_begin(command, "projection", 10, &fields);
	BSON_APPEND_INT32(&fields, "version", 1);
	BSON_APPEND_INT32(&fields, "expires_at", 1);
	bson_append_document_end(command, &fields);
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

/*
 * The documents of an answer. `*kept`: the cursor that the server keeps, as it
 * has more of them than an answer holds; 0 = it has not. false: it is damaged.
 */
static bool find_documents(const struct mongodb_worker *worker,
    const bson_t *reply, int64_t *kept)
{
	bson_iter_t iter, id, batch, array;
	const uint8_t *data;
	uint32_t size;
	bson_t bson;

	if (!bson_iter_init(&iter, reply) ||
	    !bson_iter_find_descendant(&iter, "cursor.id", &id) ||
	    !bson_iter_init(&iter, reply) ||
	    !bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) ||
	    !BSON_ITER_HOLDS_ARRAY(&batch) ||
	    !bson_iter_recurse(&batch, &array))
		return false;
	*kept = bson_iter_as_int64(&id);
	while (bson_iter_next(&array)) {
		if (!BSON_ITER_HOLDS_DOCUMENT(&array))
			return false;
		bson_iter_document(&array, &size, &data);
		if (!bson_init_static(&bson, data, size))
			return false;
		find_take(worker, &bson);
	}
	return array.err_off == 0;
}

static void find_damaged(const struct mongodb_worker *worker,
    struct mongodb_failure *failure)
{
	bson_error_t error;

	bson_set_error(&error, MONGOC_ERROR_BSON, MONGOC_ERROR_BSON_INVALID,
	    "the answer to a find is damaged");
	evkv__mongodb_error(worker->server, &error, false, failure);
}

/*
 * Where it is another server than the one that has answered, which only it
 * knows, the cursor ends by itself some minutes later.
 */
static bool find_end_cursor(struct mongodb_worker *worker, int64_t kept)
{
	bson_t command = BSON_INITIALIZER, cursors;

	BSON_APPEND_UTF8(&command, "killCursors",
	    worker->server->options.collection);
	BSON_APPEND_ARRAY_BEGIN(&command, "cursors", &cursors);
	BSON_APPEND_INT64(&cursors, "0", kept);
	bson_append_array_end(&command, &cursors);
	if (!evkv__mongodb_wait_begin(worker)) {
		bson_destroy(&command);
		return false;
	}
	mongoc_client_command_simple(worker->client, worker->server->database,
	    &command, mongoc_collection_get_read_prefs(worker->collection),
	    NULL, NULL);
	bson_destroy(&command);
	return evkv__mongodb_wait_end(worker);
}

static bool find_ask(struct mongodb_worker *worker, const bson_t *command,
    int64_t *kept, struct mongodb_failure *failure)
{
	bson_error_t error;
	bson_t reply;
	bool fine, with;

	if (!evkv__mongodb_wait_begin(worker))
		return false;
	fine = mongoc_collection_read_command_with_opts(worker->collection,
	    command, NULL, NULL, &reply, &error);
	with = evkv__mongodb_wait_end(worker);
	if (with && !fine)
		evkv__mongodb_error(worker->server, &error, false, failure);
	else if (with && !find_documents(worker, &reply, kept))
		find_damaged(worker, failure);
	bson_destroy(&reply);
	return with;
}

/* Ask for `*count` _ids. Afterwards `*count` are to be asked for again. */
static bool find_round(struct mongodb_worker *worker, bool values,
    size_t *count, struct mongodb_failure *failure)
{
	bson_t command = BSON_INITIALIZER;
	size_t asked = *count;
	int64_t kept = 0;
	bool with;

	BSON_APPEND_UTF8(&command, "find", worker->server->options.collection);
	find_filter(worker, asked, &command);
	find_options(worker, asked, values, &command);
	with = find_ask(worker, &command, &kept, failure);
	bson_destroy(&command);
	*count = 0;
	if (!with || kept == 0)
		return with;
	*count = find_count(worker, &values);
	if (*count == asked) {
		find_damaged(worker, failure);
		*count = 0;
	}
	return find_end_cursor(worker, kept);
}

bool evkv__mongodb_find(struct mongodb_worker *worker)
{
	struct mongodb_failure failure = { .status = EVKV_OK };
	bool values;
	size_t count = find_count(worker, &values);

	if (count == 0)
		return true;
	while (count > 0) {
		if (!find_round(worker, values, &count, &failure))
			return false;
	}
	find_rest(worker, &failure);
	return true;
}
