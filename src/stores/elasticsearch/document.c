/*
 * stores/elasticsearch/document.c - what is sent for an item: the line of a
 * look-up, or the action of a bulk and its document.
 */
#include "base/request.h"
#include "evkv/key_codec.h"
#include "stores/elasticsearch/store.h"

#define DOCUMENT_AROUND 160 /* bytes of names and punctuation */

const struct evkv_request *evkv__es_item_request(const struct es_item *item)
{
	return evkv_op_request(item->call->op);
}

static struct evkv_slice item_value(const struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);

	if (item->value != NULL)
		return evkv_value_bytes(item->value);
	return request_value(request, item->index);
}

size_t evkv__es_item_size(const struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	size_t key = request->keys[item->index].size;
	size_t size = DOCUMENT_AROUND + (key < ES_ID_MAX ? key : ES_ID_MAX) +
	    request->collection.size;

	if (item->action == ES_INDEX || item->action == ES_CREATE)
		size += 2 * key + item_value(item).size / 3 * 4;
	return size;
}

/* ---- Parts --------------------------------------------------------------- */

static void put_text(struct evkv_json_writer *body, struct es_text *text,
    bool good)
{
	if (good)
		evkv_json_put_string(body, es_text_slice(text));
	else
		body->failed = true;
	evkv__es_text_free(text);
}

static void put_id(struct evkv_json_writer *body, const struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct es_text text = { .data = NULL };
	bool good = evkv__es_id_write(&text, request->collection,
	    request->keys[item->index]);

	evkv_json_put_name(body, EVKV_LIT("_id"));
	put_text(body, &text, good);
}

static void put_names(struct evkv_json_writer *body,
    const struct evkv_request *request, struct evkv_slice key)
{
	struct es_text text = { .data = NULL };
	bool good = evkv__es_collection_write(&text, request->collection);

	evkv_json_put_name(body, EVKV_LIT("collection"));
	put_text(body, &text, good);
	good = evkv__es_key_write(&text, key, false);
	evkv_json_put_name(body, EVKV_LIT("key"));
	put_text(body, &text, good);
	if (key.size > ES_KEY_HEX_MAX) {
		evkv_json_put_name(body, EVKV_LIT("name"));
		evkv_json_put_base64(body, key);
	}
}

static void put_expiry(struct evkv_json_writer *body,
    const struct es_item *item)
{
	evkv_json_put_name(body, EVKV_LIT("expires_at"));
	if (item->expires_ms == INT64_MAX)
		evkv_json_put_null(body);
	else
		evkv_json_put_int(body, item->expires_ms);
}

static void put_document(struct evkv_json_writer *body,
    const struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct evkv_slice value = item_value(item);

	evkv_json_put_object(body);
	put_names(body, request, request->keys[item->index]);
	if (item->expires_ms != INT64_MAX)
		put_expiry(body, item);
	if (es_json(item->call->store)) {
		evkv_json_put_name(body, EVKV_LIT("json"));
		evkv_json_put_raw(body, value);
	} else {
		evkv_json_put_name(body, EVKV_LIT("value"));
		evkv_json_put_base64(body, value);
	}
	evkv_json_put_object_end(body);
	evkv_json_put_line(body);
}

static void put_expiry_alone(struct evkv_json_writer *body,
    const struct es_item *item)
{
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("doc"));
	evkv_json_put_object(body);
	put_expiry(body, item);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_line(body);
}

static struct evkv_slice action_name(enum es_action action)
{
	switch (action) {
	case ES_CREATE: return EVKV_LIT("create");
	case ES_UPDATE: return EVKV_LIT("update");
	case ES_DELETE: return EVKV_LIT("delete");
	default: return EVKV_LIT("index");
	}
}

static void put_action(struct evkv_json_writer *body,
    const struct es_item *item)
{
	evkv_json_put_object(body);
	evkv_json_put_name(body, action_name(item->action));
	evkv_json_put_object(body);
	put_id(body, item);
	if (item->seq_no >= 0) {
		evkv_json_put_name(body, EVKV_LIT("if_seq_no"));
		evkv_json_put_int(body, item->seq_no);
		evkv_json_put_name(body, EVKV_LIT("if_primary_term"));
		evkv_json_put_int(body, item->primary_term);
	}
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_line(body);
}

static void put_look(struct evkv_json_writer *body, const struct es_item *item)
{
	evkv_json_put_object(body);
	put_id(body, item);
	if (item->action == ES_LOOK) {
		evkv_json_put_name(body, EVKV_LIT("_source"));
		evkv_json_put_array(body);
		evkv_json_put_string(body, EVKV_LIT("collection"));
		evkv_json_put_string(body, EVKV_LIT("key"));
		evkv_json_put_string(body, EVKV_LIT("expires_at"));
		evkv_json_put_array_end(body);
	}
	evkv_json_put_object_end(body);
}

/* ---- Items --------------------------------------------------------------- */

/* A TTL counts from when it is sent. */
static void item_expiry(struct es_item *item)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	int64_t ttl_ms = request->ttls_ms != NULL
	    ? request->ttls_ms[item->index]
	    : request->ttl_ms;

	/* INCR of an entry that is there keeps the one that it has. */
	if (request->kind == EVKV_OP_INCR && item->expires_ms != 0)
		return;
	item->expires_ms = ttl_ms == EVKV_TTL_NONE
	    ? INT64_MAX
	    : evkv_loop_wall_ms(item->call->store->loop) + ttl_ms;
}

bool evkv__es_item_write(struct es_item *item, struct evkv_json_writer *body)
{
	switch (item->action) {
	case ES_LOOK:
	case ES_LOOK_WHOLE: put_look(body, item); break;
	case ES_INDEX:
	case ES_CREATE:
		item_expiry(item);
		put_action(body, item);
		put_document(body, item);
		break;
	case ES_UPDATE:
		item_expiry(item);
		put_action(body, item);
		put_expiry_alone(body, item);
		break;
	case ES_DELETE: put_action(body, item); break;
	}
	return !body->failed;
}

bool evkv__es_item_owns(const struct es_item *item,
    const struct es_record *record)
{
	const struct evkv_request *request = evkv__es_item_request(item);
	struct es_text collection = { .data = NULL }, key = { .data = NULL };
	bool owns;

	/* Names of which the _id has the whole need no look. */
	if (evkv_key_encoded_size(request->collection,
		request->keys[item->index]) <= ES_ID_MAX / 3)
		return true;
	owns = evkv__es_collection_write(&collection, request->collection) &&
	    evkv__es_key_write(&key, request->keys[item->index], false) &&
	    evkv_slice_equal(es_text_slice(&collection),
		es_text_slice(&record->collection)) &&
	    evkv_slice_equal(es_text_slice(&key), es_text_slice(&record->key));
	evkv__es_text_free(&collection);
	evkv__es_text_free(&key);
	return owns;
}

/* ---- Values as objects --------------------------------------------------- */

bool evkv__es_json_check(struct evkv_slice value, const char **why)
{
	struct evkv_json_limits limits = { .max_depth = 20 };
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	enum evkv_json_kind kind, first = EVKV_JSON_END;

	*why = "values=json: the value is not a JSON object";
	if (value.size == 0)
		return false;
	/* A line end would end the document; between tokens it may be. */
	if (memchr(value.data, '\n', value.size) != NULL ||
	    memchr(value.data, '\r', value.size) != NULL) {
		*why = "values=json: the value has line ends";
		return false;
	}
	evkv_json_reader_init(&reader, &limits);
	evkv_json_feed(&reader, value, true);
	while ((kind = evkv_json_next(&reader, &token)) < EVKV_JSON_MORE) {
		if (first == EVKV_JSON_END)
			first = kind;
	}
	evkv_json_reader_clear(&reader);
	return kind == EVKV_JSON_END && first == EVKV_JSON_OBJECT &&
	    *(const char *)value.data == '{' &&
	    ((const char *)value.data)[value.size - 1] == '}';
}
