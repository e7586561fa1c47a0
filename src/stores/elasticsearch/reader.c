/*
 * stores/elasticsearch/reader.c - answers, token by token.
 *
 * Of the names on the way to a token those that matter are kept, one for each
 * level. A record begins with the object of a document, an item, a hit or a
 * bucket, and ends with it. Strings come in parts; a value is decoded as it
 * comes, and an object that is a value is copied as it stands.
 */
#include "stores/elasticsearch/reader.h"

#include "evkv/alloc.h"

enum name {
	NAME_OTHER,
	NAME_DOCS,
	NAME_ITEMS,
	NAME_HITS,
	NAME_SOURCE,
	NAME_FOUND,
	NAME_STATUS,
	NAME_SEQ_NO,
	NAME_PRIMARY_TERM,
	NAME_ERROR,
	NAME_TYPE,
	NAME_REASON,
	NAME_ID,
	NAME_COLLECTION,
	NAME_KEY,
	NAME_NAME,
	NAME_VALUE,
	NAME_JSON,
	NAME_EXPIRES,
	NAME_PIT_ID,
	NAME_PIT,
	NAME_AGGREGATIONS,
	NAME_C,
	NAME_BUCKETS,
	NAME_MAPPINGS,
	NAME_PROPERTIES,
	NAME_SHARDS,
	NAME_FAILED,
	NAME_TIMED_OUT,
};

/* Those that come most often come first. */
#define ROW(text_, name_)                                                      \
	{                                                                      \
		text_, sizeof(text_) - 1, name_                                \
	}
static const struct {
	const char *text;
	size_t size;
	enum name name;
} names[] = {
	ROW("_id", NAME_ID),
	ROW("found", NAME_FOUND),
	ROW("_source", NAME_SOURCE),
	ROW("_seq_no", NAME_SEQ_NO),
	ROW("_primary_term", NAME_PRIMARY_TERM),
	ROW("status", NAME_STATUS),
	ROW("collection", NAME_COLLECTION),
	ROW("key", NAME_KEY),
	ROW("value", NAME_VALUE),
	ROW("expires_at", NAME_EXPIRES),
	ROW("json", NAME_JSON),
	ROW("name", NAME_NAME),
	ROW("error", NAME_ERROR),
	ROW("type", NAME_TYPE),
	ROW("reason", NAME_REASON),
	ROW("_shards", NAME_SHARDS),
	ROW("failed", NAME_FAILED),
	ROW("docs", NAME_DOCS),
	ROW("items", NAME_ITEMS),
	ROW("hits", NAME_HITS),
	ROW("timed_out", NAME_TIMED_OUT),
	ROW("pit_id", NAME_PIT_ID),
	ROW("id", NAME_PIT),
	ROW("aggregations", NAME_AGGREGATIONS),
	ROW("c", NAME_C),
	ROW("buckets", NAME_BUCKETS),
	ROW("mappings", NAME_MAPPINGS),
	ROW("properties", NAME_PROPERTIES),
};

/* ---- Texts --------------------------------------------------------------- */

bool evkv__es_text_add(struct es_text *text, const void *data, size_t size)
{
	size_t need = text->size + size, room;
	char *grown;

	if (need > text->room) {
		room = need < 64 ? 128 : need * 2;
		grown = evkv_malloc(room);
		if (grown == NULL) {
			text->no_memory = true;
			return false;
		}
		if (text->size > 0)
			memcpy(grown, text->data, text->size);
		evkv_free(text->data);
		text->data = grown;
		text->room = room;
	}
	if (size > 0)
		memcpy(text->data + text->size, data, size);
	text->size = need;
	return true;
}

void evkv__es_text_free(struct es_text *text)
{
	evkv_free(text->data);
	memset(text, 0, sizeof(*text));
}

/* As a string, cut off where it is too long or shows a document. */
static void text_print(const struct es_text *text, char *out, size_t room)
{
	static const char *const shows[] = { "Preview of field",
		"[Source:", "Current token", "at [" };
	size_t size = text->size < room - 1 ? text->size : room - 1;
	char *at;

	if (size > 0)
		memcpy(out, text->data, size);
	out[size] = '\0';
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		at = strstr(out, shows[i]);
		if (at != NULL)
			*at = '\0';
	}
}

/* ---- Records ------------------------------------------------------------- */

static void record_begin(struct es_record *record)
{
	record->found = record->told = record->has_source = false;
	record->has_value = record->damaged = false;
	record->status = 0;
	record->seq_no = record->primary_term = -1;
	record->expires_ms = INT64_MAX;
	record->type[0] = record->reason[0] = '\0';
	evkv_value_unref(record->value);
	record->value = NULL;
	record->id.size = record->collection.size = 0;
	record->key.size = record->name.size = 0;
}

/* How deep the object of a record is, 0 = none are expected. */
static unsigned record_depth(const struct es_reader *reader)
{
	switch (reader->answer) {
	case ES_ANSWER_MGET: return reader->path[1] == NAME_DOCS ? 3 : 0;
	case ES_ANSWER_BULK: return reader->path[1] == NAME_ITEMS ? 4 : 0;
	case ES_ANSWER_HITS:
		return reader->path[1] == NAME_HITS &&
			reader->path[2] == NAME_HITS
		    ? 4
		    : 0;
	case ES_ANSWER_GROUPS:
		return reader->path[1] == NAME_AGGREGATIONS &&
			reader->path[2] == NAME_C &&
			reader->path[3] == NAME_BUCKETS
		    ? 5
		    : 0;
	default: return 0;
	}
}

/* ---- Strings ------------------------------------------------------------- */

/* Where the value of a document stands, as base64. */
static bool at_value(const struct es_reader *reader)
{
	unsigned depth = record_depth(reader);

	return depth > 0 && reader->depth == depth + 1 &&
	    reader->path[depth] == NAME_SOURCE &&
	    reader->path[depth + 1] == NAME_VALUE;
}

static void source_string(struct es_reader *reader, enum name name)
{
	struct es_record *record = &reader->record;
	struct es_text *to = NULL, old;

	if (name == NAME_COLLECTION)
		to = &record->collection;
	else if (name == NAME_KEY)
		to = &record->key;
	else if (name == NAME_NAME)
		to = &record->name;
	if (to == NULL)
		return;
	record->damaged |= reader->too_long;
	old = *to;
	*to = reader->text;
	reader->text = old;
}

static void record_string(struct es_reader *reader, unsigned depth)
{
	struct es_record *record = &reader->record;
	enum name name = reader->path[depth];
	struct es_text old;

	if (reader->depth == depth + 1 && name == NAME_SOURCE) {
		source_string(reader, reader->path[depth + 1]);
	} else if (reader->depth == depth && name == NAME_ID) {
		old = record->id;
		record->id = reader->text;
		reader->text = old;
	} else if (reader->depth == depth + 1 && name == NAME_ERROR) {
		if (reader->path[depth + 1] == NAME_TYPE)
			text_print(&reader->text, record->type, ES_TYPE_MAX);
		if (reader->path[depth + 1] == NAME_REASON)
			text_print(&reader->text, record->reason,
			    ES_REASON_MAX);
	} else if (reader->answer == ES_ANSWER_GROUPS &&
	    reader->depth == depth + 1 && name == NAME_KEY) {
		old = record->collection;
		record->collection = reader->text;
		reader->text = old;
	}
}

static void field_type(struct es_reader *reader)
{
	struct evkv_slice type = es_text_slice(&reader->text);
	bool keyword = evkv_slice_equal(type, EVKV_LIT("keyword"));

	if (reader->depth != 5 || reader->path[2] != NAME_MAPPINGS ||
	    reader->path[3] != NAME_PROPERTIES || reader->path[5] != NAME_TYPE)
		return;
	if (keyword && reader->path[4] == NAME_COLLECTION)
		reader->fields |= ES_FIELD_COLLECTION;
	if (keyword && reader->path[4] == NAME_KEY)
		reader->fields |= ES_FIELD_KEY;
	if (reader->path[4] == NAME_EXPIRES &&
	    evkv_slice_equal(type, EVKV_LIT("date")))
		reader->fields |= ES_FIELD_EXPIRES;
}

static void whole_string(struct es_reader *reader)
{
	enum name first = reader->path[1];
	struct es_text old;

	if (reader->depth == 1 && (first == NAME_PIT_ID || first == NAME_PIT)) {
		old = reader->pit;
		reader->pit = reader->text;
		reader->text = old;
	} else if (reader->depth == 1 && first == NAME_ERROR) {
		text_print(&reader->text, reader->reason, ES_REASON_MAX);
	} else if (reader->depth == 2 && first == NAME_ERROR) {
		if (reader->path[2] == NAME_TYPE)
			text_print(&reader->text, reader->type, ES_TYPE_MAX);
		if (reader->path[2] == NAME_REASON)
			text_print(&reader->text, reader->reason,
			    ES_REASON_MAX);
	} else if (reader->answer == ES_ANSWER_FIELDS) {
		field_type(reader);
	}
}

/* The string that begins, or goes on: value or text; true = go on. */
static bool string_more(struct es_reader *reader,
    const struct evkv_json_token *token)
{
	struct evkv_slice bytes = token->text;
	struct es_text *text = &reader->text;
	size_t from = text->size;

	/* Base64 needs no escapes; somebody else may have written some. */
	if (at_value(reader) && !token->escaped) {
		if (!evkv__es_value_base64(&reader->value, bytes,
			reader->remaining, &reader->no_memory))
			reader->record.damaged = true;
		return !reader->no_memory;
	}
	if (reader->depth > ES_DEPTH || from + bytes.size > ES_TEXT_MAX) {
		reader->too_long = true;
		return true;
	}
	if (!evkv__es_text_add(text, bytes.data, bytes.size)) {
		reader->no_memory = true;
		return false;
	}
	if (token->escaped) {
		struct evkv_json_token part = *token;

		part.text = evkv_bytes(text->data + from, bytes.size);
		text->size = from +
		    evkv_json_unescape(&part, text->data + from);
	}
	return true;
}

static bool value_done(struct es_reader *reader)
{
	struct es_record *record = &reader->record;

	evkv_value_unref(record->value);
	record->value = evkv__es_value_take(&reader->value, &reader->no_memory);
	record->has_value = true;
	record->damaged |= record->value == NULL;
	return !reader->no_memory;
}

static bool string_done(struct es_reader *reader,
    const struct evkv_json_token *token)
{
	unsigned depth = record_depth(reader);

	if (!string_more(reader, token))
		return false;
	if (at_value(reader)) {
		reader->record.damaged |= reader->text.size > 0;
		if (!value_done(reader))
			return false;
	} else if (depth > 0 && reader->depth >= depth) {
		record_string(reader, depth);
	} else {
		whole_string(reader);
	}
	reader->text.size = 0;
	reader->too_long = false;
	return true;
}

/* ---- Other scalars ------------------------------------------------------- */

static void record_number(struct es_reader *reader, unsigned depth,
    struct evkv_slice text)
{
	struct es_record *record = &reader->record;
	int64_t number = 0;
	bool whole = evkv_json_int(text, &number);
	enum name name = reader->path[depth];

	if (reader->depth == depth + 1 && name == NAME_SOURCE &&
	    reader->path[depth + 1] == NAME_EXPIRES) {
		record->damaged |= !whole;
		record->expires_ms = number;
	}
	if (reader->depth != depth || !whole)
		return;
	if (name == NAME_SEQ_NO)
		record->seq_no = number;
	else if (name == NAME_PRIMARY_TERM)
		record->primary_term = number;
	else if (name == NAME_STATUS && number > 0 && number < 1000)
		record->status = (int)number;
}

static void scalar(struct es_reader *reader,
    const struct evkv_json_token *token)
{
	unsigned depth = record_depth(reader);
	enum name first = reader->path[1];

	if (reader->depth > ES_DEPTH)
		return;
	if (depth > 0 && reader->depth >= depth) {
		if (token->kind == EVKV_JSON_NUMBER)
			record_number(reader, depth, token->text);
		if (reader->depth == depth &&
		    reader->path[depth] == NAME_FOUND) {
			reader->record.found = token->kind == EVKV_JSON_TRUE;
			reader->record.told = reader->record.found ||
			    token->kind == EVKV_JSON_FALSE;
		}
	} else if (reader->depth == 1 && first == NAME_TIMED_OUT) {
		reader->partial |= token->kind == EVKV_JSON_TRUE;
	} else if (reader->depth == 2 && first == NAME_SHARDS &&
	    reader->path[2] == NAME_FAILED) {
		reader->partial |= !evkv_slice_equal(token->text,
		    EVKV_LIT("0"));
	}
}

/* ---- Levels -------------------------------------------------------------- */

static void level_begin(struct es_reader *reader,
    const struct evkv_json_token *token)
{
	unsigned depth = record_depth(reader);

	/* The object that is a value. */
	if (depth > 0 && reader->depth == depth + 1 &&
	    token->kind == EVKV_JSON_OBJECT && reader->raw_depth == 0 &&
	    reader->path[depth] == NAME_SOURCE &&
	    reader->path[depth + 1] == NAME_JSON) {
		reader->raw_from = token->offset;
		reader->raw_depth = reader->depth + 1;
	}
	reader->depth++;
	if (reader->depth <= ES_DEPTH)
		reader->path[reader->depth] = NAME_OTHER;
	reader->listed |= depth > 0 && reader->depth == depth - 1 &&
	    token->kind == EVKV_JSON_ARRAY;
	if (depth == 0 || reader->depth != depth ||
	    token->kind != EVKV_JSON_OBJECT) {
		if (depth > 0 && reader->depth == depth + 1 &&
		    reader->path[depth] == NAME_SOURCE)
			reader->record.has_source = true;
		return;
	}
	record_begin(&reader->record);
}

/* The bytes of the object that were fed with this piece, up to an offset. */
static bool raw_copy(struct es_reader *reader, struct evkv_slice piece,
    uint64_t end)
{
	uint64_t from = reader->raw_from;
	const char *data = piece.data;

	if (from >= end)
		return true;
	reader->raw_from = end;
	return evkv__es_value_raw(&reader->value,
	    evkv_bytes(data + (from - reader->piece_at), (size_t)(end - from)),
	    reader->remaining, &reader->no_memory);
}

static bool level_end(struct es_reader *reader, struct evkv_slice piece,
    const struct evkv_json_token *token)
{
	unsigned depth = record_depth(reader);
	bool record = depth > 0 && reader->depth == depth &&
	    token->kind == EVKV_JSON_OBJECT_END;

	if (reader->raw_depth > 0 && reader->raw_depth == reader->depth) {
		reader->raw_depth = 0;
		if (!raw_copy(reader, piece, token->offset + 1) ||
		    !value_done(reader))
			return false;
	}
	reader->depth--;
	if (!record)
		return true;
	reader->records++;
	if (reader->on_record != NULL)
		reader->on_record(reader->arg, &reader->record);
	return true;
}

/* ---- Tokens -------------------------------------------------------------- */

static enum name name_find(struct evkv_slice text)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].size == text.size &&
		    memcmp(names[i].text, text.data, text.size) == 0)
			return names[i].name;
	}
	return NAME_OTHER;
}

static bool take(struct es_reader *reader, struct evkv_slice piece,
    const struct evkv_json_token *token)
{
	switch (token->kind) {
	case EVKV_JSON_OBJECT:
	case EVKV_JSON_ARRAY: level_begin(reader, token); return true;
	case EVKV_JSON_OBJECT_END:
	case EVKV_JSON_ARRAY_END: return level_end(reader, piece, token);
	default: break;
	}
	if (reader->raw_depth > 0)
		return true;
	switch (token->kind) {
	case EVKV_JSON_NAME:
		if (reader->depth <= ES_DEPTH)
			reader->path[reader->depth] = (unsigned char)
			    name_find(token->text);
		return true;
	case EVKV_JSON_PART: return string_more(reader, token);
	case EVKV_JSON_STRING: return string_done(reader, token);
	default: scalar(reader, token); return true;
	}
}

bool evkv__es_reader_feed(struct es_reader *reader, struct evkv_slice piece,
    bool last)
{
	struct evkv_json_token token;
	enum evkv_json_kind kind;

	reader->remaining -= piece.size < reader->remaining ? piece.size
							    : reader->remaining;
	evkv_json_feed(&reader->json, piece, last);
	while ((kind = evkv_json_next(&reader->json, &token)) <
	    EVKV_JSON_MORE) {
		if (!take(reader, piece, &token))
			return false;
	}
	if (reader->raw_depth > 0 &&
	    !raw_copy(reader, piece, reader->piece_at + piece.size))
		return false;
	reader->piece_at += piece.size;
	if (kind == EVKV_JSON_ERROR)
		reader->no_memory |= strcmp(reader->json.why,
					 "out of memory") == 0;
	return kind == (last ? EVKV_JSON_END : EVKV_JSON_MORE);
}

void evkv__es_reader_init(struct es_reader *reader, enum es_answer answer,
    size_t size)
{
	static const struct evkv_json_limits limits = {
		.max_depth = EVKV_JSON_DEPTH_MAX,
		.max_token = ES_TEXT_MAX,
		.parts = true,
	};

	memset(reader, 0, sizeof(*reader));
	reader->answer = answer;
	reader->remaining = size;
	reader->begun = true;
	reader->record.seq_no = reader->record.primary_term = -1;
	evkv_json_reader_init(&reader->json, &limits);
}

void evkv__es_reader_clear(struct es_reader *reader)
{
	if (!reader->begun)
		return;
	evkv_json_reader_clear(&reader->json);
	record_begin(&reader->record);
	evkv__es_text_free(&reader->record.id);
	evkv__es_text_free(&reader->record.collection);
	evkv__es_text_free(&reader->record.key);
	evkv__es_text_free(&reader->record.name);
	evkv__es_text_free(&reader->text);
	evkv__es_text_free(&reader->pit);
	evkv__es_value_clear(&reader->value);
	reader->begun = false;
}
