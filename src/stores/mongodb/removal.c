/*
 * stores/mongodb/removal.c - CLEAR, CLEAR_ALL and PURGE_EXPIRED.
 *
 * A collection is removed by ranges of its _ids, of so many documents each that
 * none takes long: the find of the first document behind them gives the end of
 * the range. Where a pattern or a prefix chooses, what matches is found, page
 * by page, and deleted by its _ids.
 *
 * What has expired is not counted, for it is not there. Cut off in the middle
 * it is UNKNOWN_OUTCOME as soon as something may have been removed.
 */
#include <stdio.h>
#include <string.h>

#include "stores/mongodb/range.h"

#define PIECE 10000
#define PAGE 1000

struct removal {
	struct mongodb_worker *worker;
	struct mongodb_part *part;
	struct mongodb_range range;
	bool nomem;
};

/* What was removed before can't be taken back. */
static void removal_fail(struct removal *removal,
    struct mongodb_failure *failure)
{
	if (removal->part->span->removed > 0)
		failure->status = EVKV_UNKNOWN_OUTCOME;
	evkv__mongodb_part_fail(removal->part, failure);
}

/* Whether it is to go on. */
static bool removal_goes_on(const struct removal *removal)
{
	return !removal->nomem && removal->part->failure.status == EVKV_OK &&
	    !evkv_job_stopped(&removal->part->job);
}

/* Delete all that the filter, which is destroyed, names. */
static bool removal_delete(struct removal *removal, bson_t *filter,
    int64_t *count)
{
	struct mongodb_worker *worker = removal->worker;
	bson_t options = BSON_INITIALIZER, reply = BSON_INITIALIZER;
	struct mongodb_failure failure;
	bson_error_t error = { 0 };
	bson_iter_t iter;
	bool fine, with;

	*count = 0;
	evkv__mongodb_put_time(worker, removal->part, &options);
	with = evkv__mongodb_wait_begin(worker);
	fine = with &&
	    mongoc_collection_delete_many(worker->collection, filter, &options,
		&reply, &error);
	with = with && evkv__mongodb_wait_end(worker);
	if (with && bson_iter_init_find(&iter, &reply, "deletedCount"))
		*count = bson_iter_as_int64(&iter);
	if (with && !fine) {
		evkv__mongodb_error(worker->server, &error, true, &failure);
		removal_fail(removal, &failure);
	}
	bson_destroy(filter);
	bson_destroy(&options);
	bson_destroy(&reply);
	return with;
}

static void removal_end(struct removal *removal, bool with)
{
	static const struct mongodb_failure nomem = {
		.status = EVKV_NOMEM,
		.cause = EVKV_CAUSE_NOMEM,
		.message = "out of memory",
	};
	struct mongodb_part *part = removal->part;
	struct mongodb_failure failure = nomem;

	if (with && removal->nomem)
		removal_fail(removal, &failure);
	/* A find that failed is one of a write as soon as one was done. */
	if (with && part->failure.status != EVKV_OK && part->span->removed > 0)
		part->failure.status = EVKV_UNKNOWN_OUTCOME;
	evkv__mongodb_range_free(&removal->range);
}

/* ---- Whole collections --------------------------------------------------- */

static bool edge_take(struct evkv_slice id, void *arg)
{
	struct removal *removal = arg;
	char *high = evkv_malloc(id.size + 1);

	removal->nomem = high == NULL;
	if (high == NULL)
		return false;
	memcpy(high, id.data, id.size);
	evkv_free(removal->range.high);
	removal->range.high = high;
	removal->range.high_size = id.size;
	return false;
}

/* The live ones of the range, which are counted, then those that expired. */
static bool range_delete(struct removal *removal)
{
	bson_t live = BSON_INITIALIZER, expired = BSON_INITIALIZER;
	int64_t count;

	evkv__mongodb_put_range(&live, &removal->range);
	evkv__mongodb_put_live(&live, removal->part->now_ms);
	evkv__mongodb_put_range(&expired, &removal->range);
	evkv__mongodb_put_expired(&expired, removal->part->now_ms);
	if (!removal_delete(removal, &live, &count)) {
		bson_destroy(&expired);
		return false;
	}
	removal->part->span->removed += count;
	if (removal_goes_on(removal))
		return removal_delete(removal, &expired, &count);
	bson_destroy(&expired);
	return true;
}

/* One collection, piece by piece. */
static bool whole_clear(struct removal *removal, struct evkv_slice collection)
{
	struct mongodb_look look = {
		.range = &removal->range,
		.skip = PIECE,
		.limit = 1,
		.take = edge_take,
		.arg = removal,
	};
	bool with = true, last = false;

	while (with && !last && removal_goes_on(removal)) {
		evkv__mongodb_range_free(&removal->range);
		removal
		    ->nomem = !evkv__mongodb_range_collection(&removal->range,
		    collection, EVKV_LIT(""));
		if (removal->nomem)
			break;
		with = evkv__mongodb_range_look(removal->worker, removal->part,
		    &look);
		last = look.count == 0;
		if (with && removal_goes_on(removal))
			with = range_delete(removal);
	}
	return with;
}

/* ---- What matches -------------------------------------------------------- */

struct matches {
	struct removal *removal;
	bson_t in; /* the array of _ids */
	uint32_t count;
	char *buffer, *last; /* copies of the last _id: decoded, as it is */
	size_t last_size;
};

static bool matches_take(struct evkv_slice id, void *arg)
{
	struct matches *matches = arg;
	const struct evkv_request *request = matches->removal->part->request;
	struct evkv_slice collection, key;
	const char *index;
	char text[16];

	evkv_free(matches->buffer);
	evkv_free(matches->last);
	matches->buffer = evkv_malloc(id.size + 1);
	matches->last = evkv_malloc(id.size + 1);
	if (matches->buffer == NULL || matches->last == NULL) {
		matches->removal->nomem = true;
		return false;
	}
	memcpy(matches->last, id.data, id.size);
	matches->last_size = id.size;
	if (evkv__mongodb_id_read(id, matches->buffer, &collection, &key) &&
	    evkv_match(request->match.prefix, request->match.pattern, key)) {
		bson_uint32_to_string(matches->count++, &index, text,
		    sizeof(text));
		bson_append_utf8(&matches->in, index, -1, id.data,
		    (int)id.size);
	}
	return true;
}

static bool matches_delete(struct matches *matches)
{
	struct removal *removal = matches->removal;
	bson_t filter = BSON_INITIALIZER, field;
	int64_t count;

	bson_append_document_begin(&filter, "_id", 3, &field);
	bson_append_array(&field, "$in", 3, &matches->in);
	bson_append_document_end(&filter, &field);
	evkv__mongodb_put_live(&filter, removal->part->now_ms);
	if (!removal_delete(removal, &filter, &count))
		return false;
	removal->part->span->removed += count;
	return true;
}

/* One page of those that match. */
static bool matches_page(struct removal *removal, bool *last)
{
	struct matches matches = { .removal = removal };
	struct mongodb_look look = {
		.range = &removal->range,
		.live = true,
		.limit = PAGE,
		.take = matches_take,
		.arg = &matches,
	};
	bool with;

	bson_init(&matches.in);
	with = evkv__mongodb_range_look(removal->worker, removal->part, &look);
	*last = look.count < look.limit;
	if (with && removal_goes_on(removal) && matches.count > 0)
		with = matches_delete(&matches);
	if (with && !*last && removal_goes_on(removal))
		removal->nomem = !evkv__mongodb_range_after(&removal->range,
		    evkv_bytes(matches.last, matches.last_size));
	bson_destroy(&matches.in);
	evkv_free(matches.buffer);
	evkv_free(matches.last);
	return with;
}

static bool match_clear(struct removal *removal)
{
	const struct evkv_request *request = removal->part->request;
	char head[EVKV_PATTERN_MAX];
	bool with = true, last = false;

	removal->nomem = !evkv__mongodb_range_collection(&removal->range,
	    request->collection, evkv_match_head(&request->match, head));
	while (with && !last && removal_goes_on(removal))
		with = matches_page(removal, &last);
	return with;
}

bool evkv__mongodb_clear(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	struct removal removal = { .worker = worker, .part = part };
	const struct evkv_match *match = &part->request->match;
	bool with;

	if (match->prefix.size > 0 || match->pattern.size > 0)
		with = match_clear(&removal);
	else
		with = whole_clear(&removal, part->request->collection);
	removal_end(&removal, with);
	return with;
}

/* ---- All collections ----------------------------------------------------- */

struct walk {
	struct removal removal;
	struct mongodb_range range; /* of what is still to be looked at */
	char *buffer;
	struct evkv_slice collection; /* in the buffer */
	bool chosen;
};

static bool walk_take(struct evkv_slice id, void *arg)
{
	struct walk *walk = arg;
	const struct evkv_match *match = &walk->removal.part->request->match;
	struct evkv_slice key;

	walk->chosen = false;
	evkv_free(walk->buffer);
	walk->buffer = evkv_malloc(id.size + 1);
	if (walk->buffer == NULL) {
		walk->removal.nomem = true;
	} else if (evkv__mongodb_id_read(id, walk->buffer, &walk->collection,
		       &key)) {
		walk->chosen = evkv_match(match->prefix, match->pattern,
		    walk->collection);
		walk->removal.nomem = !evkv__mongodb_range_skip(&walk->range,
		    walk->collection);
	} else {
		walk->removal.nomem = !evkv__mongodb_range_after(&walk->range,
		    id);
	}
	return false;
}

bool evkv__mongodb_clear_all(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	struct walk walk = { .removal = { .worker = worker, .part = part } };
	struct removal *removal = &walk.removal;
	struct mongodb_look look = {
		.range = &walk.range,
		.limit = 1,
		.take = walk_take,
		.arg = &walk,
	};
	char head[EVKV_PATTERN_MAX];
	bool with = true;

	removal->nomem = !evkv__mongodb_range_all(&walk.range,
	    evkv_match_head(&part->request->match, head));
	while (with && removal_goes_on(removal)) {
		walk.chosen = false;
		with = evkv__mongodb_range_look(worker, part, &look);
		if (!with || look.count == 0)
			break;
		if (walk.chosen && removal_goes_on(removal))
			with = whole_clear(removal, walk.collection);
	}
	evkv__mongodb_range_free(&walk.range);
	evkv_free(walk.buffer);
	removal_end(removal, with);
	return with;
}

/* ---- What has expired ---------------------------------------------------- */

bool evkv__mongodb_purge(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	struct removal removal = { .worker = worker, .part = part };
	bson_t filter = BSON_INITIALIZER, field;

	evkv__mongodb_put_expired(&filter, part->now_ms);
	bson_append_document_begin(&filter, "version", 7, &field);
	BSON_APPEND_INT32(&field, "$type", BSON_TYPE_BINARY);
	bson_append_document_end(&filter, &field);
	return removal_delete(&removal, &filter, &part->span->removed);
}
