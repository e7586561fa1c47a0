/*
 * stores/mongodb/bulk.c - the puts of a wave: one unordered update of many.
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

#define COMMAND_MAX (((size_t)16 << 20) - 65536) /* with what libmongoc adds */
#define COMMAND_ROOM 128
#define WRITE_ROOM 128 /* for a write, but its _ids and its value */

/* ---- The command --------------------------------------------------------- */

static void bulk_filter(const struct mongodb_worker *worker,
    const struct mongodb_unit *unit, struct mongodb_raw *raw)
{
	size_t filter, before;

	MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "q");
	filter = mongodb_raw_open(raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_TEXT, "_id");
	mongodb_raw_text(raw, mongodb_unit_id(worker, unit));
	if (mongodb_unit_request(unit)->condition == EVKV_IF_ABSENT) {
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "expires_at");
		before = mongodb_raw_open(raw);
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_DATE, "$lte");
		mongodb_raw_int64(raw, unit->part->now_ms);
		mongodb_raw_close(raw, before);
	}
	mongodb_raw_close(raw, filter);
}

/* Append the write of a unit; false: the unit has failed. */
static bool bulk_append(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, uint32_t number, struct mongodb_raw *raw)
{
	size_t size = raw->size, write;

	if (!mongodb_raw_room(raw, unit->id_size + WRITE_ROOM)) {
		mongodb_unit_settle(unit, EVKV_NOMEM);
		return false;
	}
	mongodb_raw_member(raw, *MONGODB_RAW_DOCUMENT, number);
	write = mongodb_raw_open(raw);
	bulk_filter(worker, unit, raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "u");
	if (!evkv__mongodb_unit_document(worker, unit, raw)) {
		raw->size = size;
		return false;
	}
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_BOOL, "upsert");
	mongodb_raw_bool(raw, true);
	mongodb_raw_close(raw, write);
	return true;
}

/*
 * The writes of units from number `*from` on, as many as a command holds, and
 * at least one. Returns how many; `*from` is behind them.
 */
static size_t bulk_writes(struct mongodb_worker *worker, size_t *from,
    struct mongodb_raw *raw)
{
	struct mongodb_wave *wave = &worker->wave;
	const struct mongodb_unit *unit;
	size_t count = 0, size;

	for (; *from < wave->count; ++*from) {
		unit = &wave->units[*from];
		size = raw->size;
		if (unit->way != MONGODB_BULK ||
		    !bulk_append(worker, unit, (uint32_t)count, raw))
			continue;
		if (count > 0 && raw->size > COMMAND_MAX) {
			raw->size = size;
			break;
		}
		worker->order[count++] = (uint32_t)*from;
	}
	return count;
}

static void bulk_nomem(const struct mongodb_unit *unit)
{
	if (unit->way == MONGODB_BULK)
		mongodb_unit_settle(unit, EVKV_NOMEM);
}

/* The next command; returns how many writes it has. */
static size_t bulk_command(struct mongodb_worker *worker, size_t *from)
{
	struct evkv_slice name = evkv_str(worker->server->options.collection);
	struct mongodb_raw *raw = &worker->command;
	size_t command, writes, count;

	raw->size = 0;
	if (!mongodb_raw_room(raw, COMMAND_ROOM + name.size)) {
		while (*from < worker->wave.count)
			bulk_nomem(&worker->wave.units[(*from)++]);
		return 0;
	}
	command = mongodb_raw_open(raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_TEXT, "update");
	mongodb_raw_text(raw, name);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_BOOL, "ordered");
	mongodb_raw_bool(raw, false);
	evkv__mongodb_write_number(worker, raw);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_ARRAY, "updates");
	writes = mongodb_raw_open(raw);
	count = bulk_writes(worker, from, raw);
	mongodb_raw_close(raw, writes);
	mongodb_raw_close(raw, command);
	return count;
}

/* ---- The answer ---------------------------------------------------------- */

/* The field of this name in a document inside another; false = none. */
static bool bulk_field(const bson_iter_t *document, const char *name,
    bson_iter_t *field)
{
	return BSON_ITER_HOLDS_DOCUMENT(document) &&
	    bson_iter_recurse(document, field) && bson_iter_find(field, name);
}

/* The unit that an error of one write is of; NULL = it does not tell. */
static const struct mongodb_unit *bulk_whose(
    const struct mongodb_worker *worker, const bson_iter_t *error, size_t count)
{
	const struct mongodb_unit *unit;
	bson_iter_t index;
	int64_t number;

	if (!bulk_field(error, "index", &index) || !BSON_ITER_HOLDS_INT(&index))
		return NULL;
	number = bson_iter_as_int64(&index);
	if (number < 0 || (size_t)number >= count)
		return NULL;
	unit = &worker->wave.units[worker->order[number]];
	return mongodb_unit_cell(unit)->status == EVKV_STATUS_COUNT ? unit
								    : NULL;
}

/* An error of one write; false = it does not tell what became of which. */
static bool bulk_error(struct mongodb_worker *worker, const bson_iter_t *error,
    size_t count)
{
	const struct mongodb_unit *unit = bulk_whose(worker, error, count);
	struct mongodb_failure failure;
	bson_iter_t code, words;

	if (unit == NULL || !bulk_field(error, "code", &code) ||
	    !BSON_ITER_HOLDS_INT(&code))
		return false;
	evkv__mongodb_error_code(worker->server, (int)bson_iter_as_int64(&code),
	    bulk_field(error, "errmsg", &words) && BSON_ITER_HOLDS_UTF8(&words)
		? bson_iter_utf8(&words, NULL)
		: "",
	    true, &failure);
	if (failure.status != EVKV_EXISTS)
		evkv__mongodb_unit_fail(unit, &failure);
	else if (mongodb_unit_request(unit)->condition == EVKV_IF_ABSENT)
		mongodb_unit_settle(unit, EVKV_EXISTS);
	else
		mongodb_unit_cell(unit)->number = 1; /* to be repeated */
	return true;
}

/* The errors of single writes. */
static bool bulk_array(const bson_t *reply, bson_iter_t *array)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, reply, "writeErrors") &&
	    BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, array);
}

static bool bulk_errors(struct mongodb_worker *worker, const bson_t *reply,
    size_t count)
{
	bool told = true;
	bson_iter_t array;

	if (bulk_array(reply, &array)) {
		while (bson_iter_next(&array))
			told &= bulk_error(worker, &array, count);
	}
	return told;
}

/* How many of the writes the answer tells of, done or failed. */
static int64_t bulk_told(const bson_t *reply)
{
	bson_iter_t iter, array;
	int64_t told = 0;

	if (bson_iter_init_find(&iter, reply, "n"))
		told = bson_iter_as_int64(&iter);
	if (bulk_array(reply, &array)) {
		while (bson_iter_next(&array))
			told++;
	}
	return told;
}

/*
 * One by one: has it been done? Else it is done now. A server that is lost is
 * not looked for again, for each may take the whole time of a selection.
 */
static bool bulk_each(struct mongodb_worker *worker, size_t count)
{
	struct mongodb_failure lost = { .status = EVKV_OK };
	const struct mongodb_unit *unit;
	size_t i;

	for (i = 0; i < count; i++) {
		unit = &worker->wave.units[worker->order[i]];
		if (lost.status != EVKV_OK) {
			evkv__mongodb_unit_fail(unit, &lost);
			continue;
		}
		if (!evkv__mongodb_single_redo(worker, unit))
			return false;
		if (unit->part->contact == MONGODB_UNREACHED) {
			lost = unit->part->failure;
			lost.status = EVKV_UNKNOWN_OUTCOME;
		}
	}
	return true;
}

/* Those of which the answer tells nothing else. */
static bool bulk_rest(struct mongodb_worker *worker, size_t count,
    const struct mongodb_failure *rest)
{
	const struct mongodb_unit *unit;
	struct mongodb_cell *cell;
	size_t i;

	for (i = 0; i < count; i++) {
		unit = &worker->wave.units[worker->order[i]];
		cell = mongodb_unit_cell(unit);
		if (cell->status != EVKV_STATUS_COUNT)
			continue;
		if (cell->number == 1) {
			cell->number = 0;
			if (!evkv__mongodb_single_put(worker, unit))
				return false;
		} else if (rest->status == EVKV_OK) {
			mongodb_unit_settle(unit, EVKV_OK);
		} else {
			evkv__mongodb_unit_fail(unit, rest);
		}
	}
	return true;
}

/* What became of the writes, by the answer to them all. */
static bool bulk_answer(struct mongodb_worker *worker, size_t count,
    const struct mongodb_sent *sent)
{
	struct mongodb_failure rest = { .status = EVKV_OK };
	int64_t told = bulk_told(&sent->reply);

	if ((sent->fine || told > 0) && told != (int64_t)count)
		return bulk_each(worker, count);
	if (!bulk_errors(worker, &sent->reply, count))
		evkv__mongodb_error_damaged(worker->server, &rest);
	if (!sent->fine)
		evkv__mongodb_error(worker->server, &sent->error, true, &rest);
	/* It may have come to that after some of them. */
	if (rest.status == EVKV_SERVER)
		rest.status = EVKV_UNKNOWN_OUTCOME;
	return bulk_rest(worker, count, &rest);
}

/* ---- All of them --------------------------------------------------------- */

static bool bulk_many(struct mongodb_worker *worker)
{
	struct mongodb_wave *wave = &worker->wave;
	struct mongodb_sent sent;
	size_t from = 0, count;
	bool with = true;

	while (with && from < wave->count) {
		count = bulk_command(worker, &from);
		if (count == 1) {
			with = evkv__mongodb_single_put(worker,
			    &wave->units[worker->order[0]]);
		} else if (count > 1) {
			with = evkv__mongodb_write(worker, &sent);
			with = with && bulk_answer(worker, count, &sent);
			bson_destroy(&sent.reply);
		}
	}
	return with;
}

static void bulk_fail(struct mongodb_worker *worker,
    const struct mongodb_failure *failure)
{
	const struct mongodb_unit *unit = worker->wave.units;
	const struct mongodb_unit *end = unit + worker->wave.count;

	for (; unit < end; unit++) {
		if (unit->way == MONGODB_BULK)
			evkv__mongodb_unit_fail(unit, failure);
	}
}

bool evkv__mongodb_bulk(struct mongodb_worker *worker)
{
	const struct mongodb_wave *wave = &worker->wave;
	struct mongodb_failure failure = { .status = EVKV_OK };
	const struct mongodb_unit *only = NULL;
	size_t count = 0, i;

	for (i = 0; i < wave->count; i++) {
		if (wave->units[i].way != MONGODB_BULK)
			continue;
		only = &wave->units[i];
		count++;
	}
	if (count <= 1)
		return count == 0 || evkv__mongodb_single_put(worker, only);
	if (!evkv__mongodb_write_begin(worker, &failure))
		return false;
	if (failure.status == EVKV_OK)
		return bulk_many(worker);
	bulk_fail(worker, &failure);
	return true;
}
