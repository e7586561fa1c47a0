/*
 * stores/mongodb/document.c - what an entry is as a document:
 *
 *     { _id: "users:123", value: BinData, version: BinData,
 *       expires_at: ISODate }
 *
 * without expires_at where it never expires. A document without a value or a
 * version is somebody else's, and so is one whose _id is no text.
 */
#include <string.h>

#include "base/request.h"
#include "stores/mongodb/worker.h"

#define DOCUMENT_MAX ((uint32_t)16 << 20)
#define FIELDS_ROOM 128 /* for the fields of a document, but id and value */

void evkv__mongodb_put_live(bson_t *bson, int64_t now_ms)
{
	bson_t field, before;

	bson_append_document_begin(bson, "expires_at", 10, &field);
	bson_append_document_begin(&field, "$not", 4, &before);
	bson_append_date_time(&before, "$lte", 4, now_ms);
	bson_append_document_end(&field, &before);
	bson_append_document_end(bson, &field);
}

void evkv__mongodb_put_expired(bson_t *bson, int64_t now_ms)
{
	bson_t field;

	bson_append_document_begin(bson, "expires_at", 10, &field);
	bson_append_date_time(&field, "$lte", 4, now_ms);
	bson_append_document_end(bson, &field);
}

void evkv__mongodb_put_version(bson_t *bson, const char *name,
    const struct evkv_version *version)
{
	bson_append_binary(bson, name, -1, BSON_SUBTYPE_BINARY, version->bytes,
	    sizeof(version->bytes));
}

/* ---- Reading ------------------------------------------------------------- */

static bool read_binary(const bson_iter_t *iter, struct evkv_slice *bytes)
{
	const uint8_t *data;
	bson_subtype_t subtype;
	uint32_t size;

	if (!BSON_ITER_HOLDS_BINARY(iter))
		return false;
	bson_iter_binary(iter, &subtype, &size, &data);
	*bytes = evkv_bytes(data, size);
	return true;
}

static bool read_value(const bson_iter_t *iter,
    struct mongodb_document *document)
{
	const uint8_t *data;
	uint32_t size;

	document->is_json = BSON_ITER_HOLDS_DOCUMENT(iter);
	if (document->is_json) {
		bson_iter_document(iter, &size, &data);
		document->value = evkv_bytes(data, size);
	} else if (!read_binary(iter, &document->value)) {
		return false;
	}
	document->has_value = true;
	return true;
}

static bool read_version(const bson_iter_t *iter,
    struct mongodb_document *document)
{
	struct evkv_slice bytes;

	if (!read_binary(iter, &bytes) ||
	    bytes.size != sizeof(document->version.bytes))
		return false;
	memcpy(document->version.bytes, bytes.data, bytes.size);
	document->ours = true;
	return true;
}

/* 0 is "never" everywhere else. */
static void read_expiry(struct mongodb_document *document, int64_t expires_ms)
{
	document->expires_ms = expires_ms != 0 ? expires_ms : 1;
}

/* false: the field is what no document of ours has. */
static bool read_field(const bson_iter_t *iter,
    struct mongodb_document *document)
{
	const char *name = bson_iter_key(iter);
	uint32_t size;

	if (strcmp(name, "value") == 0)
		return read_value(iter, document);
	if (strcmp(name, "version") == 0)
		return read_version(iter, document);
	if (strcmp(name, "_id") == 0 && BSON_ITER_HOLDS_UTF8(iter)) {
		document->id.data = bson_iter_utf8(iter, &size);
		document->id.size = size;
	} else if (strcmp(name, "expires_at") == 0 &&
	    BSON_ITER_HOLDS_DATE_TIME(iter)) {
		read_expiry(document, bson_iter_date_time(iter));
	}
	return true;
}

/* Whatever it holds, in any order; false = it is damaged. */
static bool read_any(struct evkv_slice bytes, struct mongodb_document *document)
{
	bool foreign = false;
	bson_iter_t iter;
	bson_t bson;

	memset(document, 0, sizeof(*document));
	if (!bson_init_static(&bson, bytes.data, bytes.size) ||
	    !bson_iter_init(&iter, &bson))
		return false;
	while (bson_iter_next(&iter))
		foreign |= !read_field(&iter, document);
	if (foreign || document->id.data == NULL)
		document->ours = false;
	return iter.err_off == 0;
}

/* ---- Reading what was written here --------------------------------------- */

static bool read_text(struct mongodb_rest *rest, struct evkv_slice *text)
{
	uint32_t size;
	const char *at;

	if (!mongodb_rest_size(rest, &size) || size == 0)
		return false;
	at = mongodb_rest_next(rest, size);
	if (at == NULL || at[size - 1] != '\0')
		return false;
	*text = evkv_bytes(at, size - 1);
	return true;
}

static bool read_bytes(struct mongodb_rest *rest, struct evkv_slice *bytes)
{
	static const char subtype = BSON_SUBTYPE_BINARY;
	uint32_t size;

	if (!mongodb_rest_size(rest, &size) ||
	    !mongodb_rest_is(rest, &subtype, 1))
		return false;
	*bytes = evkv_bytes(mongodb_rest_next(rest, size), size);
	return bytes->data != NULL;
}

/* There may be none. */
static bool read_date(struct mongodb_rest *rest,
    struct mongodb_document *document)
{
	const char *at;
	uint64_t bits;

	if (!MONGODB_REST_FIELD(rest, MONGODB_RAW_DATE, "expires_at"))
		return true;
	at = mongodb_rest_next(rest, sizeof(bits));
	if (at == NULL)
		return false;
	memcpy(&bits, at, sizeof(bits));
	read_expiry(document, (int64_t)BSON_UINT64_FROM_LE(bits));
	return true;
}

/* All fields, and nothing else, in the order in which they are written here. */
static bool read_written(struct mongodb_rest rest,
    struct mongodb_document *document)
{
	struct evkv_slice version;

	if (!MONGODB_REST_FIELD(&rest, MONGODB_RAW_TEXT, "_id") ||
	    !read_text(&rest, &document->id) ||
	    !MONGODB_REST_FIELD(&rest, MONGODB_RAW_BINARY, "value") ||
	    !read_bytes(&rest, &document->value) ||
	    !MONGODB_REST_FIELD(&rest, MONGODB_RAW_BINARY, "version") ||
	    !read_bytes(&rest, &version) ||
	    version.size != sizeof(document->version.bytes) ||
	    !read_date(&rest, document))
		return false;
	memcpy(document->version.bytes, version.data, version.size);
	document->ours = document->has_value = true;
	return rest.left == 1 && *rest.at == '\0';
}

bool evkv__mongodb_document_read(struct evkv_slice bson,
    struct mongodb_document *document)
{
	struct mongodb_rest rest = { (const char *)bson.data + 4,
		bson.size - 4 };

	document->is_json = false;
	document->expires_ms = 0;
	return read_written(rest, document) || read_any(bson, document);
}

struct evkv_value *evkv__mongodb_value(const struct mongodb_document *document,
    bool *damaged)
{
	*damaged = false;
	return document->is_json
	    ? evkv__mongodb_json_write(document->value, damaged)
	    : evkv_value_new(document->value);
}

/* ---- Units --------------------------------------------------------------- */

int64_t evkv__mongodb_unit_expires(const struct mongodb_unit *unit)
{
	const struct evkv_request *request = mongodb_unit_request(unit);
	int64_t ttl_ms = request->ttls_ms != NULL
	    ? request->ttls_ms[mongodb_unit_entry(unit)]
	    : request->ttl_ms;

	return ttl_ms == EVKV_TTL_NONE ? 0 : unit->part->now_ms + ttl_ms;
}

static void unit_invalid(const struct mongodb_unit *unit, const char *why)
{
	struct mongodb_failure failure = {
		.status = EVKV_INVALID,
		.cause = EVKV_CAUSE_NONE,
	};

	memcpy(failure.message, why, sizeof(failure.message));
	evkv__mongodb_unit_fail(unit, &failure);
}

/* A value that is a JSON object, as a document; else *is is false. */
static bool put_json(const struct mongodb_unit *unit, struct mongodb_raw *raw,
    struct evkv_slice value, bool *is)
{
	char why[MONGODB_MESSAGE];
	bson_t object;
	bool kept, room = true;

	bson_init(&object);
	kept = evkv__mongodb_json_read(&object, value, is, why);
	if (kept && *is) {
		room = mongodb_raw_room(raw, object.len + FIELDS_ROOM);
		if (room) {
			MONGODB_RAW_FIELD(raw, MONGODB_RAW_DOCUMENT, "value");
			mongodb_raw_bytes(raw, bson_get_data(&object),
			    object.len);
		}
	}
	bson_destroy(&object);
	if (!kept)
		unit_invalid(unit, why);
	else if (!room)
		mongodb_unit_settle(unit, EVKV_NOMEM);
	return kept && room;
}

/* The value as it is kept. false: the unit has failed. */
static bool put_value(const struct mongodb_worker *worker,
    const struct mongodb_unit *unit, struct mongodb_raw *raw)
{
	struct evkv_slice value = request_value(mongodb_unit_request(unit),
	    mongodb_unit_entry(unit));
	bool is = false;

	if (worker->server->options.json && !put_json(unit, raw, value, &is))
		return false;
	if (is)
		return true;
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_BINARY, "value");
	mongodb_raw_binary(raw, value);
	return true;
}

/* A sub-document may be larger than the text that it was made of. */
static bool unit_fits(const struct mongodb_unit *unit, size_t size)
{
	static const struct mongodb_failure failure = {
		.status = EVKV_TOO_LARGE,
		.cause = EVKV_CAUSE_NONE,
		.message = "mongodb: the document would have over 16 MiB",
	};

	if (size <= DOCUMENT_MAX)
		return true;
	evkv__mongodb_unit_fail(unit, &failure);
	return false;
}

/* What is to be there in place of what is. */
static void unit_changes(struct mongodb_worker *worker,
    const struct mongodb_unit *unit)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);

	cell->expires_ms = evkv__mongodb_unit_expires(unit);
	cell->version = evkv__mongodb_server_version(worker->server);
}

/* Its room was made, but for a value that is JSON. */
static bool put_document(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, struct mongodb_raw *raw)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	size_t opened = mongodb_raw_open(raw);

	unit_changes(worker, unit);
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_TEXT, "_id");
	mongodb_raw_text(raw, mongodb_unit_id(worker, unit));
	if (!put_value(worker, unit, raw))
		return false;
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_BINARY, "version");
	mongodb_raw_binary(raw,
	    evkv_bytes(cell->version.bytes, sizeof(cell->version.bytes)));
	if (cell->expires_ms != 0) {
		MONGODB_RAW_FIELD(raw, MONGODB_RAW_DATE, "expires_at");
		mongodb_raw_int64(raw, cell->expires_ms);
	}
	mongodb_raw_close(raw, opened);
	return unit_fits(unit, raw->size - opened);
}

bool evkv__mongodb_unit_document(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, struct mongodb_raw *raw)
{
	size_t size = raw->size,
	       value = request_value(mongodb_unit_request(unit),
		   mongodb_unit_entry(unit))
			   .size;

	if (!mongodb_raw_room(raw, unit->id_size + value + FIELDS_ROOM)) {
		mongodb_unit_settle(unit, EVKV_NOMEM);
		return false;
	}
	if (put_document(worker, unit, raw))
		return true;
	raw->size = size;
	return false;
}

static void unit_damaged(const struct mongodb_unit *unit)
{
	static const struct mongodb_failure failure = {
		.status = EVKV_CORRUPT,
		.cause = EVKV_CAUSE_NONE,
		.message = "mongodb: the document holds what is no JSON",
	};

	evkv__mongodb_unit_fail(unit, &failure);
}

static void take_value(const struct mongodb_unit *unit,
    const struct mongodb_document *document)
{
	struct mongodb_part *part = unit->part;
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	size_t size = document->value.size;
	bool damaged;

	if (part->small_room != NULL && !document->is_json &&
	    size <= MONGODB_SMALL) {
		memcpy(part->small_room, document->value.data, size);
		part->small = evkv_bytes(part->small_room, size);
		mongodb_unit_settle(unit, EVKV_OK);
		return;
	}
	cell->value = evkv__mongodb_value(document, &damaged);
	if (cell->value == NULL && damaged)
		unit_damaged(unit);
	else
		mongodb_unit_settle(unit,
		    cell->value != NULL ? EVKV_OK : EVKV_NOMEM);
}

void evkv__mongodb_unit_take(const struct mongodb_unit *unit,
    const struct mongodb_document *document)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	bool exists = mongodb_unit_request(unit)->kind == EVKV_OP_EXISTS;

	if (!document->ours || (!document->has_value && !exists) ||
	    (document->expires_ms != 0 &&
		document->expires_ms <= unit->part->now_ms)) {
		mongodb_unit_settle(unit, EVKV_NOT_FOUND);
		return;
	}
	cell->expires_ms = document->expires_ms;
	cell->version = document->version;
	if (exists)
		mongodb_unit_settle(unit, EVKV_OK);
	else
		take_value(unit, document);
}
