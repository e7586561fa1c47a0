/*
 * stores/mongodb/bulk.c - the puts of a wave: one unordered bulk write.
 *
 * Each puts the whole document in place of the one that is there, or of none.
 * IF_ABSENT does so where the document has expired: if there is a live one, the
 * server would have to insert a second of the same _id, and says "duplicate
 * key". Errors come with the number of the write, so each key has its answer.
 *
 * "Duplicate key" of a put that depends on nothing means that another client
 * has inserted it at the same moment: it is repeated alone.
 *
 * A server whose answer does not tell of each write (FerretDB 1.24 stops at the
 * first error, whatever its number) is asked which documents are there, by the
 * versions that they were to have; the others are put alone.
 */
#include "stores/mongodb/worker.h"

bool evkv__mongodb_bulked(const struct mongodb_unit *unit)
{
	const struct evkv_request *request = mongodb_unit_request(unit);

	return request->kind == EVKV_OP_PUT &&
	    (request->condition == EVKV_IF_ANY ||
		request->condition == EVKV_IF_ABSENT);
}

/* Append the write of a unit; false: the unit has failed. */
static bool bulk_append(struct mongodb_worker *worker,
    mongoc_bulk_operation_t *bulk, const bson_t *options,
    const struct mongodb_unit *unit)
{
	bson_t filter = BSON_INITIALIZER, document = BSON_INITIALIZER;
	struct mongodb_failure failure;
	bson_error_t error;
	bool fits;

	fits = evkv__mongodb_unit_document(worker, unit, &document);
	if (fits) {
		mongodb_put_id(&filter, mongodb_unit_id(worker, unit));
		if (mongodb_unit_request(unit)->condition == EVKV_IF_ABSENT)
			evkv__mongodb_put_expired(&filter, unit->part->now_ms);
		fits = mongoc_bulk_operation_replace_one_with_opts(bulk,
		    &filter, &document, options, &error);
		if (!fits) {
			evkv__mongodb_error(worker->server, &error, false,
			    &failure);
			evkv__mongodb_unit_fail(unit, &failure);
		}
	}
	bson_destroy(&filter);
	bson_destroy(&document);
	return fits;
}

/* An error of one write. false = there is none at this place. */
static bool bulk_error(struct mongodb_worker *worker, const bson_iter_t *array,
    size_t count)
{
	bson_iter_t error, field;
	struct mongodb_failure failure;
	const struct mongodb_unit *unit;
	const char *words = "";
	uint32_t index;

	if (!BSON_ITER_HOLDS_DOCUMENT(array) ||
	    !bson_iter_recurse(array, &error) ||
	    !bson_iter_find(&error, "index"))
		return false;
	index = (uint32_t)bson_iter_as_int64(&error);
	if (index >= count)
		return false;
	unit = &worker->wave.units[worker->order[index]];
	if (mongodb_unit_cell(unit)->status != EVKV_STATUS_COUNT)
		return false;
	if (bson_iter_recurse(array, &field) &&
	    bson_iter_find(&field, "errmsg") && BSON_ITER_HOLDS_UTF8(&field))
		words = bson_iter_utf8(&field, NULL);
	if (!bson_iter_recurse(array, &error) ||
	    !bson_iter_find(&error, "code"))
		return false;
	evkv__mongodb_error_code(worker->server,
	    (int)bson_iter_as_int64(&error), words, true, &failure);
	if (failure.status != EVKV_EXISTS)
		evkv__mongodb_unit_fail(unit, &failure);
	else if (mongodb_unit_request(unit)->condition == EVKV_IF_ABSENT)
		mongodb_unit_settle(unit, EVKV_EXISTS);
	else
		mongodb_unit_cell(unit)->number = 1; /* to be repeated */
	return true;
}

/* The errors of single writes, and that the rest may not be safe. */
static bool bulk_errors(struct mongodb_worker *worker, const bson_t *reply,
    size_t count, struct mongodb_failure *rest)
{
	bson_iter_t iter, array;
	bool any = false;

	if (bson_iter_init_find(&iter, reply, "writeErrors") &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &array)) {
		while (bson_iter_next(&array))
			any |= bulk_error(worker, &array, count);
	}
	if (bson_iter_init_find(&iter, reply, "writeConcernErrors") &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &array) &&
	    bson_iter_next(&array)) {
		evkv__mongodb_error_concern(worker->server, reply, rest);
		any = true;
	}
	return any;
}

static int64_t bulk_number(const bson_t *reply, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, reply, name)
	    ? bson_iter_as_int64(&iter)
	    : 0;
}

/* How many of the writes the answer tells of, done or failed. */
static int64_t bulk_told(const bson_t *reply)
{
	int64_t told = bulk_number(reply, "nMatched") +
	    bulk_number(reply, "nUpserted");
	bson_iter_t iter, array;

	if (bson_iter_init_find(&iter, reply, "writeErrors") &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &array)) {
		while (bson_iter_next(&array))
			told++;
	}
	return told;
}

/* One by one: has it been done? Else it is done now. */
static bool bulk_each(struct mongodb_worker *worker, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!evkv__mongodb_single_redo(worker,
			&worker->wave.units[worker->order[i]]))
			return false;
	}
	return true;
}

/* What became of the writes, by the answer to them all. */
static bool bulk_answer(struct mongodb_worker *worker, size_t count, bool fine,
    const bson_t *reply, const bson_error_t *error)
{
	struct mongodb_failure rest = { .status = EVKV_OK };
	const struct mongodb_unit *unit;
	struct mongodb_cell *cell;
	int64_t told = bulk_told(reply);
	size_t i;

	if ((fine || told > 0) && told != (int64_t)count)
		return bulk_each(worker, count);
	if (!fine && !bulk_errors(worker, reply, count, &rest))
		evkv__mongodb_error(worker->server, error, true, &rest);
	for (i = 0; i < count; i++) {
		unit = &worker->wave.units[worker->order[i]];
		cell = mongodb_unit_cell(unit);
		if (cell->status != EVKV_STATUS_COUNT)
			continue;
		if (cell->number == 1) {
			cell->number = 0;
			if (!evkv__mongodb_single_put(worker, unit))
				return false;
		} else if (rest.status == EVKV_OK) {
			mongodb_unit_settle(unit, EVKV_OK);
		} else {
			evkv__mongodb_unit_fail(unit, &rest);
		}
	}
	return true;
}

static bool bulk_execute(struct mongodb_worker *worker,
    mongoc_bulk_operation_t *bulk, size_t count)
{
	bson_error_t error = { 0 };
	bson_t reply;
	bool fine, with;

	if (!evkv__mongodb_wait_begin(worker))
		return false;
	fine = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
	with = evkv__mongodb_wait_end(worker) &&
	    bulk_answer(worker, count, fine, &reply, &error);
	bson_destroy(&reply);
	return with;
}

static bool bulk_many(struct mongodb_worker *worker)
{
	bson_t options = BSON_INITIALIZER, one = BSON_INITIALIZER;
	struct mongodb_wave *wave = &worker->wave;
	mongoc_bulk_operation_t *bulk;
	size_t count = 0, i;
	bool with;

	BSON_APPEND_BOOL(&options, "ordered", false);
	/* What we have made need not be looked through. */
	BSON_APPEND_BOOL(&one, "validate", false);
	BSON_APPEND_BOOL(&one, "upsert", true);
	bulk = mongoc_collection_create_bulk_operation_with_opts(
	    worker->collection, &options);
	for (i = 0; i < wave->count; i++) {
		if (evkv__mongodb_bulked(&wave->units[i]) &&
		    bulk_append(worker, bulk, &one, &wave->units[i]))
			worker->order[count++] = (uint32_t)i;
	}
	with = count == 0 || bulk_execute(worker, bulk, count);
	mongoc_bulk_operation_destroy(bulk);
	bson_destroy(&options);
	bson_destroy(&one);
	return with;
}

bool evkv__mongodb_bulk(struct mongodb_worker *worker)
{
	const struct mongodb_wave *wave = &worker->wave;
	const struct mongodb_unit *only = NULL;
	size_t count = 0, i;

	for (i = 0; i < wave->count; i++) {
		if (!evkv__mongodb_bulked(&wave->units[i]))
			continue;
		only = &wave->units[i];
		count++;
	}
	if (count > 1)
		return bulk_many(worker);
	return count == 0 || evkv__mongodb_single_put(worker, only);
}
