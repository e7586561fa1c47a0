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

static void read_value(const bson_iter_t *iter,
    struct mongodb_document *document)
{
	const uint8_t *data;
	uint32_t size;

	document->has_value = true;
	if (BSON_ITER_HOLDS_DOCUMENT(iter)) {
		bson_iter_document(iter, &size, &data);
		document->value = evkv_bytes(data, size);
		document->is_json = true;
	} else if (!read_binary(iter, &document->value)) {
		document->has_value = false;
		document->ours = false;
	}
}

static void read_field(const bson_iter_t *iter,
    struct mongodb_document *document)
{
	const char *name = bson_iter_key(iter);
	struct evkv_slice bytes;
	uint32_t size;

	if (strcmp(name, "_id") == 0 && BSON_ITER_HOLDS_UTF8(iter)) {
		document->id.data = bson_iter_utf8(iter, &size);
		document->id.size = size;
	} else if (strcmp(name, "value") == 0) {
		read_value(iter, document);
	} else if (strcmp(name, "expires_at") == 0 &&
	    BSON_ITER_HOLDS_DATE_TIME(iter)) {
		document->expires_ms = bson_iter_date_time(iter);
		/* 0 is "never" everywhere else. */
		if (document->expires_ms == 0)
			document->expires_ms = 1;
	} else if (strcmp(name, "version") == 0 && read_binary(iter, &bytes) &&
	    bytes.size == sizeof(document->version.bytes)) {
		memcpy(document->version.bytes, bytes.data, bytes.size);
		document->ours = true;
	}
}

void evkv__mongodb_document_read(const bson_t *bson,
    struct mongodb_document *document)
{
	bson_iter_t iter;

	memset(document, 0, sizeof(*document));
	if (!bson_iter_init(&iter, bson))
		return;
	while (bson_iter_next(&iter))
		read_field(&iter, document);
	if (document->id.data == NULL)
		document->ours = false;
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

bool evkv__mongodb_put_value(bson_t *bson, bool json, struct evkv_slice value,
    char *why)
{
	bool is = false, kept = true;
	bson_t object;

	if (json) {
		bson_init(&object);
		kept = evkv__mongodb_json_read(&object, value, &is, why);
		if (kept && is)
			bson_append_document(bson, "value", 5, &object);
		bson_destroy(&object);
	}
	if (kept && !is)
		bson_append_binary(bson, "value", 5, BSON_SUBTYPE_BINARY,
		    value.data != NULL ? value.data : (const void *)"",
		    (uint32_t)value.size);
	return kept;
}

/* A sub-document may be larger than the text that it was made of. */
static bool unit_fits(const struct mongodb_unit *unit, const bson_t *bson)
{
	static const struct mongodb_failure failure = {
		.status = EVKV_TOO_LARGE,
		.cause = EVKV_CAUSE_NONE,
		.message = "mongodb: the document would have over 16 MiB",
	};

	if (bson->len <= DOCUMENT_MAX)
		return true;
	evkv__mongodb_unit_fail(unit, &failure);
	return false;
}

bool evkv__mongodb_unit_document(struct mongodb_worker *worker,
    const struct mongodb_unit *unit, bson_t *bson)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	char why[MONGODB_MESSAGE];

	cell->expires_ms = evkv__mongodb_unit_expires(unit);
	cell->version = evkv__mongodb_server_version(worker->server);
	mongodb_put_id(bson, mongodb_unit_id(worker, unit));
	if (!evkv__mongodb_put_value(bson, worker->server->options.json,
		request_value(mongodb_unit_request(unit),
		    mongodb_unit_entry(unit)),
		why)) {
		unit_invalid(unit, why);
		return false;
	}
	evkv__mongodb_put_version(bson, "version", &cell->version);
	if (cell->expires_ms != 0)
		bson_append_date_time(bson, "expires_at", 10, cell->expires_ms);
	return unit_fits(unit, bson);
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

void evkv__mongodb_unit_take(const struct mongodb_unit *unit,
    const struct mongodb_document *document)
{
	struct mongodb_cell *cell = mongodb_unit_cell(unit);
	enum evkv_kind kind = mongodb_unit_request(unit)->kind;
	bool damaged;

	if (!document->ours ||
	    (document->expires_ms != 0 &&
		document->expires_ms <= unit->part->now_ms)) {
		mongodb_unit_settle(unit, EVKV_NOT_FOUND);
		return;
	}
	cell->expires_ms = document->expires_ms;
	cell->version = document->version;
	if (kind != EVKV_OP_EXISTS) {
		if (!document->has_value) {
			mongodb_unit_settle(unit, EVKV_NOT_FOUND);
			return;
		}
		cell->value = evkv__mongodb_value(document, &damaged);
		if (cell->value == NULL && damaged) {
			unit_damaged(unit);
			return;
		}
	}
	mongodb_unit_settle(unit,
	    kind == EVKV_OP_EXISTS || cell->value != NULL ? EVKV_OK
							  : EVKV_NOMEM);
}
