/*
 * stores/mongodb/single.c - what goes to the server alone, for a bulk write
 * answers sums and not which of its keys there was.
 *
 * Each is one command that depends on what the document is, and so is atomic
 * for all clients; INCR is a read and such a command, again where another came
 * between. Where a condition on a version fails, a second read tells why.
 */
#include <stdio.h>

#include "base/request.h"
#include "evkv/number.h"
#include "stores/mongodb/worker.h"

#define ROUNDS 8

/* One command on the server, its options, and its answer. */
struct single {
	struct mongodb_worker *worker;
	const struct mongodb_unit *unit;
	bson_t filter, update, options, reply;
	bson_error_t error;
	bool fine; /* it was done */
};

static void single_init(struct single *s, struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	s->worker = worker;
	s->unit = unit;
	s->error = (bson_error_t){ 0 };
	s->fine = false;
	bson_init(&s->filter);
	bson_init(&s->update);
	bson_init(&s->options);
	bson_init(&s->reply);
	mongodb_put_id(&s->filter, mongodb_unit_id(worker, unit));
}

static void single_clear(struct single *s)
{
	bson_destroy(&s->filter);
	bson_destroy(&s->update);
	bson_destroy(&s->options);
	bson_destroy(&s->reply);
}

/* The document is live, and has the version that the request names. */
static void single_condition(struct single *s)
{
	const struct evkv_request *request = mongodb_unit_request(s->unit);

	evkv__mongodb_put_live(&s->filter, s->unit->part->now_ms);
	if (request->condition == EVKV_IF_VERSION)
		evkv__mongodb_put_version(&s->filter, "version",
		    &request->versions[mongodb_unit_entry(s->unit)]);
}

/* The document of a put, which replaces what is there. */
static bool single_document(struct single *s)
{
	struct mongodb_raw *raw = &s->worker->command;

	raw->size = 0;
	return evkv__mongodb_unit_document(s->worker, s->unit, raw) &&
	    bson_init_static(&s->update, (const uint8_t *)raw->data, raw->size);
}

/* ---- Commands ------------------------------------------------------------ */

static bool single_replace(struct single *s)
{
	BSON_APPEND_BOOL(&s->options, "validate", false);
	bson_destroy(&s->reply);
	if (!evkv__mongodb_wait_begin(s->worker)) {
		bson_init(&s->reply);
		return false;
	}
	s->fine = mongoc_collection_replace_one(s->worker->collection,
	    &s->filter, &s->update, &s->options, &s->reply, &s->error);
	return evkv__mongodb_wait_end(s->worker);
}

static bool single_update(struct single *s)
{
	bson_destroy(&s->reply);
	if (!evkv__mongodb_wait_begin(s->worker)) {
		bson_init(&s->reply);
		return false;
	}
	s->fine = mongoc_collection_update_one(s->worker->collection,
	    &s->filter, &s->update, &s->options, &s->reply, &s->error);
	return evkv__mongodb_wait_end(s->worker);
}

static bool single_delete(struct single *s)
{
	evkv__mongodb_put_time(s->worker, s->unit->part, &s->options);
	bson_destroy(&s->reply);
	bson_init(&s->reply); /* as libmongoc wants it here */
	if (!evkv__mongodb_wait_begin(s->worker))
		return false;
	s->fine = mongoc_collection_delete_one(s->worker->collection,
	    &s->filter, &s->options, &s->reply, &s->error);
	return evkv__mongodb_wait_end(s->worker);
}

/* A number in the answer, 0 where there is none. */
static int64_t single_number(const struct single *s, const char *name)
{
	bson_iter_t iter;

	return bson_iter_init_find(&iter, &s->reply, name)
	    ? bson_iter_as_int64(&iter)
	    : 0;
}

static bool single_duplicate(const struct single *s)
{
	return !s->fine && s->error.domain == MONGOC_ERROR_SERVER &&
	    (s->error.code == 11000 || s->error.code == 11001);
}

/*
 * What may be repeated libmongoc has repeated, and it tells of the second time
 * alone: that this did nothing does not say so of the first.
 */
static void single_fail(const struct single *s)
{
	struct mongodb_failure failure;

	evkv__mongodb_error(s->worker->server, &s->error, true, &failure);
	if (evkv__mongodb_labelled(&s->reply))
		failure.status = EVKV_UNKNOWN_OUTCOME;
	evkv__mongodb_unit_fail(s->unit, &failure);
}

static void single_busy(const struct mongodb_unit *unit)
{
	static const struct mongodb_failure failure = {
		.status = EVKV_BUSY,
		.cause = EVKV_CAUSE_OVERLOAD,
		.message = "mongodb: others change the entry all the time",
	};

	evkv__mongodb_unit_fail(unit, &failure);
}

/* ---- What is there now --------------------------------------------------- */

struct single_found {
	bool failed;        /* the unit has */
	bool found;         /* an entry, which is live */
	bool foreign;       /* somebody else's document */
	const bson_t *bson; /* lives with the cursor */
	mongoc_cursor_t *cursor;
	struct mongodb_document document;
};

/* Look the document up; the cursor is to be destroyed. */
static bool single_look(struct single *s, struct single_found *found)
{
	struct mongodb_failure failure;
	bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
	bool with;

	*found = (struct single_found){ .failed = false };
	mongodb_put_id(&filter, mongodb_unit_id(s->worker, s->unit));
	BSON_APPEND_INT64(&options, "limit", 1);
	BSON_APPEND_BOOL(&options, "singleBatch", true);
	evkv__mongodb_put_time(s->worker, s->unit->part, &options);
	found->cursor = mongoc_collection_find_with_opts(s->worker->collection,
	    &filter, &options, NULL);
	bson_destroy(&filter);
	bson_destroy(&options);
	with = evkv__mongodb_wait_begin(s->worker);
	found->found = with && mongoc_cursor_next(found->cursor, &found->bson);
	with = with && evkv__mongodb_wait_end(s->worker);
	if (!with)
		return false;
	if (found->found) {
		found->foreign = !evkv__mongodb_document_read(
				     mongodb_bson_bytes(found->bson),
				     &found->document) ||
		    !found->document.ours;
		found->found = !found->foreign &&
		    (found->document.expires_ms == 0 ||
			found->document.expires_ms > s->unit->part->now_ms);
	} else if (mongoc_cursor_error(found->cursor, &s->error)) {
		evkv__mongodb_error(s->worker->server, &s->error, false,
		    &failure);
		evkv__mongodb_unit_fail(s->unit, &failure);
		found->failed = true;
	}
	return true;
}

/* Nothing had the version: is it another, or none? */
static bool single_why(struct single *s)
{
	struct single_found found;
	bool with;

	if (mongodb_unit_request(s->unit)->condition != EVKV_IF_VERSION) {
		mongodb_unit_settle(s->unit, EVKV_NOT_FOUND);
		return true;
	}
	with = single_look(s, &found);
	mongoc_cursor_destroy(found.cursor);
	if (with && !found.failed)
		mongodb_unit_settle(s->unit,
		    found.found ? EVKV_CONFLICT : EVKV_NOT_FOUND);
	return with;
}

/* The command was done to so many documents. */
static bool single_counted(struct single *s, int64_t count)
{
	if (!s->fine)
		single_fail(s);
	else if (count == 0)
		return single_why(s);
	else
		mongodb_unit_settle(s->unit, EVKV_OK);
	return true;
}

/* ---- Puts ---------------------------------------------------------------- */

/* A put that makes the entry where it is not there was done, or so it seems. */
static void put_done(const struct single *s)
{
	struct mongodb_failure failure;

	if (single_number(s, "matchedCount") +
		single_number(s, "upsertedCount") >
	    0) {
		mongodb_unit_settle(s->unit, EVKV_OK);
		return;
	}
	evkv__mongodb_error_damaged(s->worker->server, &failure);
	evkv__mongodb_unit_fail(s->unit, &failure);
}

/* One try of a put that makes the entry where it is not there. */
static bool put_once(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, bool last)
{
	const struct evkv_request *request = mongodb_unit_request(unit);
	struct single s;
	bool with = true;

	single_init(&s, worker, unit);
	if (request->condition == EVKV_IF_ABSENT)
		evkv__mongodb_put_expired(&s.filter, unit->part->now_ms);
	BSON_APPEND_BOOL(&s.options, "upsert", true);
	if (single_document(&s)) {
		with = single_replace(&s);
		if (with && s.fine)
			put_done(&s);
		else if (with && !single_duplicate(&s))
			single_fail(&s);
		else if (with && request->condition == EVKV_IF_ABSENT)
			mongodb_unit_settle(unit, EVKV_EXISTS);
		else if (with && last)
			single_busy(unit);
	}
	single_clear(&s);
	return with;
}

static bool single_put_there(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	struct single s;
	bool with = true;

	single_init(&s, worker, unit);
	single_condition(&s);
	if (single_document(&s))
		with = single_replace(&s) &&
		    single_counted(&s, single_number(&s, "matchedCount"));
	single_clear(&s);
	return with;
}

bool evkv__mongodb_single_put(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	const struct mongodb_cell *cell = mongodb_unit_cell(unit);
	int round;

	if (unit->way != MONGODB_BULK)
		return single_put_there(worker, unit);
	for (round = 1; round <= ROUNDS; round++) {
		if (!put_once(worker, unit, round == ROUNDS))
			return false;
		if (cell->status != EVKV_STATUS_COUNT)
			break;
	}
	return true;
}

bool evkv__mongodb_single_redo(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	struct single_found found;
	struct single s;
	bool with;

	single_init(&s, worker, unit);
	with = single_look(&s, &found);
	if (with && !found.failed && found.found &&
	    evkv_version_equal(&found.document.version, &cell->version))
		mongodb_unit_settle(unit, EVKV_OK);
	mongoc_cursor_destroy(found.cursor);
	single_clear(&s);
	if (with && cell->status == EVKV_STATUS_COUNT)
		with = evkv__mongodb_single_put(worker, unit);
	/* It may have been done the first time. */
	if (with && evkv_failed(cell->status))
		cell->status = EVKV_UNKNOWN_OUTCOME;
	return with;
}

/* ---- Other changes ------------------------------------------------------- */

static bool single_remove(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	struct single s;
	bool with;

	single_init(&s, worker, unit);
	single_condition(&s);
	with = single_delete(&s) &&
	    single_counted(&s, single_number(&s, "deletedCount"));
	single_clear(&s);
	return with;
}

/* Begin { $set: { version } }, which stays open in *set. */
static void single_set(struct single *s, bson_t *set)
{
	struct mongodb_cell *cell = mongodb_unit_cell(s->unit);

	cell->version = evkv__mongodb_server_version(s->worker->server);
	bson_append_document_begin(&s->update, "$set", 4, set);
	evkv__mongodb_put_version(set, "version", &cell->version);
}

static bool single_touch(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	int64_t expires_ms = evkv__mongodb_unit_expires(unit);
	struct single s;
	bson_t set, unset;
	bool with;

	single_init(&s, worker, unit);
	single_condition(&s);
	single_set(&s, &set);
	if (expires_ms != 0)
		bson_append_date_time(&set, "expires_at", 10, expires_ms);
	bson_append_document_end(&s.update, &set);
	if (expires_ms == 0) {
		bson_append_document_begin(&s.update, "$unset", 6, &unset);
		bson_append_utf8(&unset, "expires_at", 10, "", 0);
		bson_append_document_end(&s.update, &unset);
	}
	with = single_update(&s) &&
	    single_counted(&s, single_number(&s, "matchedCount"));
	single_clear(&s);
	return with;
}

/* ---- TAKE ---------------------------------------------------------------- */

static void take_answer(struct single *s)
{
	struct mongodb_document document;
	const uint8_t *data;
	bson_iter_t iter;
	uint32_t size;

	if (!s->fine) {
		single_fail(s);
		return;
	}
	if (!bson_iter_init_find(&iter, &s->reply, "value") ||
	    !BSON_ITER_HOLDS_DOCUMENT(&iter)) {
		mongodb_unit_settle(s->unit, EVKV_NOT_FOUND);
		return;
	}
	bson_iter_document(&iter, &size, &data);
	if (evkv__mongodb_document_read(evkv_bytes(data, size), &document))
		evkv__mongodb_unit_take(s->unit, &document);
	else
		mongodb_unit_settle(s->unit, EVKV_UNKNOWN_OUTCOME);
}

/* The document is one of ours: what is somebody else's is left alone. */
static void take_filter(struct single *s)
{
	bson_t exists;

	single_condition(s);
	bson_append_document_begin(&s->filter, "version", 7, &exists);
	BSON_APPEND_INT32(&exists, "$type", BSON_TYPE_BINARY);
	bson_append_document_end(&s->filter, &exists);
}

static bool single_take(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	mongoc_find_and_modify_opts_t *options;
	struct single s;
	bool with;

	single_init(&s, worker, unit);
	take_filter(&s);
	options = mongoc_find_and_modify_opts_new();
	mongoc_find_and_modify_opts_set_flags(options,
	    MONGOC_FIND_AND_MODIFY_REMOVE);
	mongoc_find_and_modify_opts_set_max_time_ms(options,
	    (uint32_t)evkv__mongodb_time(worker, unit->part));
	with = evkv__mongodb_wait_begin(worker);
	if (with) {
		bson_destroy(&s.reply);
		s.fine = mongoc_collection_find_and_modify_with_opts(
		    worker->collection, &s.filter, options, &s.reply, &s.error);
		with = evkv__mongodb_wait_end(worker);
	}
	mongoc_find_and_modify_opts_destroy(options);
	if (with)
		take_answer(&s);
	single_clear(&s);
	return with;
}

/* ---- INCR ---------------------------------------------------------------- */

/* The sum, into the cell. false: the unit has failed. */
static bool incr_sum(struct single *s, const struct single_found *found)
{
	struct mongodb_failure failure = {
		.status = EVKV_INVALID,
		.cause = EVKV_CAUSE_NONE,
		.message = EVKV_INCR_REFUSED,
	};
	const struct evkv_slice *old = NULL;

	if (found->found)
		old = &found->document.value;
	if (!found->foreign && (!found->found || !found->document.is_json) &&
	    evkv_incr_apply(mongodb_unit_request(s->unit),
		mongodb_unit_entry(s->unit), old,
		&mongodb_unit_cell(s->unit)->number) == EVKV_OK)
		return true;
	evkv__mongodb_unit_fail(s->unit, &failure);
	return false;
}

/* Write the sum in place of what was found, if that is still there. */
static bool incr_write(struct single *s, const struct single_found *found)
{
	struct mongodb_cell *cell = mongodb_unit_cell(s->unit);
	char text[EVKV_NUMBER_MAX];
	struct evkv_slice value = evkv_number_write(cell->number, text);
	bson_t set;

	if (found->found) {
		evkv__mongodb_put_version(&s->filter, "version",
		    &found->document.version);
		single_set(s, &set);
		bson_append_binary(&set, "value", 5, BSON_SUBTYPE_BINARY,
		    value.data, (uint32_t)value.size);
		bson_append_document_end(&s->update, &set);
		return single_update(s);
	}
	evkv__mongodb_put_expired(&s->filter, s->unit->part->now_ms);
	cell->expires_ms = evkv__mongodb_unit_expires(s->unit);
	cell->version = evkv__mongodb_server_version(s->worker->server);
	mongodb_put_id(&s->update, mongodb_unit_id(s->worker, s->unit));
	bson_append_binary(&s->update, "value", 5, BSON_SUBTYPE_BINARY,
	    value.data, (uint32_t)value.size);
	evkv__mongodb_put_version(&s->update, "version", &cell->version);
	if (cell->expires_ms != 0)
		bson_append_date_time(&s->update, "expires_at", 10,
		    cell->expires_ms);
	BSON_APPEND_BOOL(&s->options, "upsert", true);
	return single_replace(s);
}

/* Whether the write came too late; else the unit has its answer. */
static bool incr_late(struct single *s, const struct single_found *found)
{
	if (single_duplicate(s) ||
	    (s->fine && found->found && single_number(s, "matchedCount") == 0))
		return true;
	if (s->fine)
		put_done(s);
	else
		single_fail(s);
	return false;
}

static bool incr_round(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, bool *late)
{
	struct single_found found;
	struct single s;
	bool with;

	*late = false;
	single_init(&s, worker, unit);
	with = single_look(&s, &found);
	if (with && !found.failed && incr_sum(&s, &found)) {
		with = incr_write(&s, &found);
		*late = with && incr_late(&s, &found);
	}
	mongoc_cursor_destroy(found.cursor);
	single_clear(&s);
	return with;
}

static bool single_incr(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	bool late = true;
	int round;

	for (round = 0; round < ROUNDS && late; round++) {
		if (!incr_round(worker, unit, &late))
			return false;
	}
	if (late)
		single_busy(unit);
	return true;
}

bool evkv__mongodb_single(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	switch (mongodb_unit_request(unit)->kind) {
	case EVKV_OP_PUT: return evkv__mongodb_single_put(worker, unit);
	case EVKV_OP_DELETE: return single_remove(worker, unit);
	case EVKV_OP_TOUCH: return single_touch(worker, unit);
	case EVKV_OP_TAKE: return single_take(worker, unit);
	default: return single_incr(worker, unit);
	}
}
