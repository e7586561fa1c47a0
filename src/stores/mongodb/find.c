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

#define COMMAND_ROOM 256 /* for what is in each command */

/* It is to be asked for: it reads, as the first of those that read the same. */
static bool find_asks(const struct mongodb_unit *unit)
{
	return unit->way == MONGODB_FIND && !unit->again &&
	    mongodb_unit_cell(unit)->status == EVKV_STATUS_COUNT;
}

/* What is asked for. */
struct find {
	size_t count;    /* of _ids */
	bool values;     /* they are needed */
	int64_t time_ms; /* maxTimeMS */
};

static struct find find_what(const struct mongodb_worker *worker)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct find find = { .count = 0 };
	const struct mongodb_unit *unit;
	int64_t time_ms;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		unit = &wave->units[i];
		if (unit->way != MONGODB_FIND)
			continue;
		find.count += find_asks(unit);
		find.values |= mongodb_unit_request(unit)->kind !=
		    EVKV_OP_EXISTS;
		time_ms = evkv__mongodb_time(worker, unit->part);
		find.time_ms = time_ms > find.time_ms ? time_ms : find.time_ms;
	}
	return find;
}

static void find_ids(const struct mongodb_worker *worker,
    struct mongodb_raw *raw)
{
	const struct mongodb_wave *wave = &worker->wave;
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		if (!find_asks(&wave->units[i]))
			continue;
		mongodb_raw_member(raw, *MONGODB_RAW_TEXT, n++);
		mongodb_raw_text(raw, mongodb_unit_id(worker, &wave->units[i]));
	}
}

static void find_filter(const struct mongodb_worker *worker, size_t count,
    struct mongodb_raw *raw)
{
	const struct mongodb_unit *only = worker->wave.units;
	size_t filter, id, in;

	MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "filter");
	filter = mongodb_raw_open(raw);
	if (count > 1) {
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "_id");
		id = mongodb_raw_open(raw);
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_ARRAY, "$in");
		in = mongodb_raw_open(raw);
		find_ids(worker, raw);
		mongodb_raw_close(raw, in);
		mongodb_raw_close(raw, id);
	} else {
		while (!find_asks(only))
			only++;
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_TEXT, "_id");
		mongodb_raw_text(raw, mongodb_unit_id(worker, only));
	}
	mongodb_raw_close(raw, filter);
}

static void find_options(const struct find *find, struct mongodb_raw *raw)
{
	size_t fields;

	MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT64, "maxTimeMS");
	mongodb_raw_int64(raw, find->time_ms);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT64, "limit");
	mongodb_raw_int64(raw, (int64_t)find->count);
	if (find->count == 1) {
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_BOOL, "singleBatch");
		mongodb_raw_bool(raw, true);
	} else {
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT64, "batchSize");
		mongodb_raw_int64(raw, (int64_t)find->count);
	}
	if (find->values)
		return;
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "projection");
	fields = mongodb_raw_open(raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT32, "version");
	mongodb_raw_int32(raw, 1);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT32, "expires_at");
	mongodb_raw_int32(raw, 1);
	mongodb_raw_close(raw, fields);
}

/* The whole command; false = no memory. */
static bool find_command(const struct mongodb_worker *worker,
    const struct find *find, struct mongodb_raw *raw)
{
	struct evkv_slice name = evkv_str(worker->server->options.collection);
	size_t opened;

	raw->size = 0;
	if (!mongodb_raw_room(raw,
		COMMAND_ROOM + name.size + worker->wave.ids.size +
		    find->count * MONGODB_RAW_MEMBER_MAX))
		return false;
	opened = mongodb_raw_open(raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_TEXT, "find");
	mongodb_raw_text(raw, name);
	find_filter(worker, find->count, raw);
	find_options(find, raw);
	mongodb_raw_close(raw, opened);
	return true;
}

/* ---- The answer ---------------------------------------------------------- */

/* All that read the same document; false = it is damaged. */
static bool find_take(const struct mongodb_worker *worker,
    struct evkv_slice bson)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct mongodb_document document;
	const struct mongodb_unit *unit;

	if (!evkv__mongodb_document_read(bson, &document))
		return false;
	unit = document.id.data != NULL
	    ? evkv__mongodb_wave_find(worker, document.id)
	    : NULL;
	while (unit != NULL &&
	    mongodb_unit_cell(unit)->status == EVKV_STATUS_COUNT) {
		evkv__mongodb_unit_take(unit, &document);
		unit = unit->twin != UINT32_MAX ? &wave->units[unit->twin]
						: NULL;
	}
	return true;
}

/* What was not found, or could not be asked for. */
static void find_rest(const struct mongodb_worker *worker,
    const struct mongodb_failure *failure)
{
	const struct mongodb_wave *wave = &worker->wave;
	size_t i;

	for (i = 0; i < wave->count; i++) {
		if (wave->units[i].way != MONGODB_FIND ||
		    mongodb_unit_cell(&wave->units[i])->status !=
			EVKV_STATUS_COUNT)
			continue;
		if (failure->status == EVKV_OK)
			mongodb_unit_settle(&wave->units[i], EVKV_NOT_FOUND);
		else
			evkv__mongodb_unit_fail(&wave->units[i], failure);
	}
}

/* Each document of an array; false = it is damaged. */
static bool find_batch(const struct mongodb_worker *worker,
    struct mongodb_rest rest)
{
	const char *end, *document;
	uint32_t size;

	while (rest.left > 1 && *rest.at == *MONGODB_RAW_DOCUMENT) {
		end = memchr(rest.at, '\0', rest.left);
		if (end == NULL)
			return false;
		mongodb_rest_next(&rest, (size_t)(end + 1 - rest.at));
		document = rest.at;
		if (!mongodb_rest_size(&rest, &size) || size < 5 ||
		    mongodb_rest_next(&rest, size - sizeof(size)) == NULL ||
		    !find_take(worker, evkv_bytes(document, size)))
			return false;
	}
	return rest.left == 1 && *rest.at == '\0';
}

/*
 * The documents of an answer. `*kept`: the cursor that the server keeps, as it
 * has more of them than an answer holds; 0 = it has not. false: it is damaged.
 */
static bool find_documents(const struct mongodb_worker *worker,
    const bson_t *reply, int64_t *kept)
{
	bson_iter_t cursor, id, batch;
	const uint8_t *data;
	uint32_t size;

	if (!bson_iter_init_find(&cursor, reply, "cursor") ||
	    !bson_iter_recurse(&cursor, &id) || !bson_iter_find(&id, "id") ||
	    !bson_iter_recurse(&cursor, &batch) ||
	    !bson_iter_find(&batch, "firstBatch") ||
	    !BSON_ITER_HOLDS_ARRAY(&batch))
		return false;
	*kept = bson_iter_as_int64(&id);
	bson_iter_array(&batch, &size, &data);
	return size >= 5 &&
	    find_batch(worker,
		(struct mongodb_rest){ (const char *)data + 4, size - 4 });
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

static bool find_ask(struct mongodb_worker *worker, int64_t *kept,
    struct mongodb_failure *failure)
{
	const struct mongodb_raw *raw = &worker->command;
	bson_t command, reply;
	bson_error_t error;
	bool fine, with;

	bson_init_static(&command, (const uint8_t *)raw->data, raw->size);
	if (!evkv__mongodb_wait_begin(worker))
		return false;
	fine = mongoc_collection_read_command_with_opts(worker->collection,
	    &command, NULL, NULL, &reply, &error);
	with = evkv__mongodb_wait_end(worker);
	if (with && !fine)
		evkv__mongodb_error(worker->server, &error, false, failure);
	else if (with && !find_documents(worker, &reply, kept))
		find_damaged(worker, failure);
	bson_destroy(&reply);
	return with;
}

/* Ask for the _ids. Afterwards find->count are to be asked for again. */
static bool find_round(struct mongodb_worker *worker, struct find *find,
    struct mongodb_failure *failure)
{
	size_t asked = find->count;
	int64_t kept = 0;

	find->count = 0;
	if (!find_ask(worker, &kept, failure))
		return false;
	if (kept == 0)
		return true;
	*find = find_what(worker);
	if (find->count == asked) {
		find_damaged(worker, failure);
		find->count = 0;
	}
	return find_end_cursor(worker, kept);
}

bool evkv__mongodb_find(struct mongodb_worker *worker)
{
	static const struct mongodb_failure nomem = {
		.status = EVKV_NOMEM,
		.cause = EVKV_CAUSE_NOMEM,
		.message = "out of memory",
	};
	struct mongodb_failure failure = { .status = EVKV_OK };
	struct find find = find_what(worker);

	if (find.count == 0)
		return true;
	while (find.count > 0) {
		if (!find_command(worker, &find, &worker->command)) {
			failure = nomem;
			break;
		}
		if (!find_round(worker, &find, &failure))
			return false;
	}
	find_rest(worker, &failure);
	return true;
}
