/*
 * stores/elasticsearch/search.c - searches as a server takes them.
 *
 * The server selects by collection, by the beginning of a name and by expiry;
 * our own pattern decides. Order and place are by the fields `collection` and
 * `key`, which together are unique.
 */
#include "stores/elasticsearch/walk.h"

static void put_string(struct evkv_json_writer *body, struct evkv_slice name,
    struct evkv_slice string)
{
	evkv_json_put_name(body, name);
	evkv_json_put_string(body, string);
}

/* {"kind":{"field":"text"}} */
static void put_clause(struct evkv_json_writer *body, struct evkv_slice kind,
    struct evkv_slice field, const struct es_text *text)
{
	evkv_json_put_object(body);
	evkv_json_put_name(body, kind);
	evkv_json_put_object(body);
	put_string(body, field, es_text_slice(text));
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
}

/* {"range":{"expires_at":{"lte":now}}} */
static void put_expired(struct evkv_json_writer *body, int64_t now_ms)
{
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("range"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("expires_at"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("lte"));
	evkv_json_put_int(body, now_ms);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
}

static bool kind_has_collection(enum evkv_kind kind)
{
	return kind == EVKV_OP_KEYS || kind == EVKV_OP_CLEAR;
}

static void put_filter(struct evkv_json_writer *body,
    const struct es_walk *walk)
{
	struct evkv_slice field = kind_has_collection(walk->kind)
	    ? EVKV_LIT("key")
	    : EVKV_LIT("collection");

	evkv_json_put_name(body, EVKV_LIT("filter"));
	evkv_json_put_array(body);
	evkv_json_put_raw(body, EVKV_LIT("{\"exists\":{\"field\":\"key\"}}"));
	if (kind_has_collection(walk->kind))
		put_clause(body, EVKV_LIT("term"), EVKV_LIT("collection"),
		    &walk->collection);
	if (walk->prefix.size > 0)
		put_clause(body, EVKV_LIT("prefix"), field, &walk->prefix);
	if (walk->kind == EVKV_OP_PURGE_EXPIRED)
		put_expired(body, walk->now_ms);
	evkv_json_put_array_end(body);
}

static void put_query(struct evkv_json_writer *body, const struct es_walk *walk)
{
	evkv_json_put_name(body, EVKV_LIT("query"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("bool"));
	evkv_json_put_object(body);
	put_filter(body, walk);
	if (walk->kind == EVKV_OP_KEYS || walk->kind == EVKV_OP_COLLECTIONS) {
		evkv_json_put_name(body, EVKV_LIT("must_not"));
		evkv_json_put_array(body);
		put_expired(body, walk->now_ms);
		evkv_json_put_array_end(body);
	}
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
}

/* The names of collections, each once. */
static void put_groups(struct evkv_json_writer *body,
    const struct es_walk *walk)
{
	evkv_json_put_name(body, EVKV_LIT("aggs"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("c"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("composite"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("size"));
	evkv_json_put_uint(body, walk->size);
	evkv_json_put_name(body, EVKV_LIT("sources"));
	evkv_json_put_raw(body,
	    EVKV_LIT("[{\"c\":{\"terms\":{\"field\":\"collection\"}}}]"));
	if (walk->after_key.size > 0) {
		evkv_json_put_name(body, EVKV_LIT("after"));
		evkv_json_put_object(body);
		/* It begins with a mark, since a collection may be "". */
		put_string(body, EVKV_LIT("c"),
		    evkv_bytes(walk->after_key.data + 1,
			walk->after_key.size - 1));
		evkv_json_put_object_end(body);
	}
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
}

static void put_place(struct evkv_json_writer *body, const struct es_walk *walk)
{
	bool both = !kind_has_collection(walk->kind);

	evkv_json_put_name(body, EVKV_LIT("sort"));
	evkv_json_put_raw(body,
	    both ? EVKV_LIT("[{\"collection\":\"asc\"},{\"key\":\"asc\"}]")
		 : EVKV_LIT("[{\"key\":\"asc\"}]"));
	if (walk->after_key.size == 0)
		return;
	evkv_json_put_name(body, EVKV_LIT("search_after"));
	evkv_json_put_array(body);
	if (both)
		evkv_json_put_string(body,
		    es_text_slice(&walk->after_collection));
	evkv_json_put_string(body, es_text_slice(&walk->after_key));
	evkv_json_put_array_end(body);
}

static void put_fields(struct evkv_json_writer *body,
    const struct es_walk *walk)
{
	evkv_json_put_name(body, EVKV_LIT("_source"));
	evkv_json_put_raw(body,
	    EVKV_LIT("[\"collection\",\"key\",\"name\",\"expires_at\"]"));
	evkv_json_put_name(body, EVKV_LIT("seq_no_primary_term"));
	evkv_json_put_bool(body, walk->kind == EVKV_OP_PURGE_EXPIRED);
	if (walk->pit.size == 0)
		return;
	evkv_json_put_name(body, EVKV_LIT("pit"));
	evkv_json_put_object(body);
	put_string(body, EVKV_LIT("id"), es_text_slice(&walk->pit));
	put_string(body, EVKV_LIT("keep_alive"), EVKV_LIT("1m"));
	evkv_json_put_object_end(body);
}

bool evkv__es_search_write(struct es_walk *walk)
{
	struct evkv_json_writer *body = &walk->body;
	bool groups = walk->kind == EVKV_OP_COLLECTIONS;

	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("size"));
	evkv_json_put_uint(body, groups ? 0 : walk->size);
	evkv_json_put_name(body, EVKV_LIT("track_total_hits"));
	evkv_json_put_bool(body, false);
	put_query(body, walk);
	if (groups) {
		put_groups(body, walk);
	} else {
		put_place(body, walk);
		put_fields(body, walk);
	}
	evkv_json_put_object_end(body);
	return !body->failed;
}

static void put_delete(struct evkv_json_writer *body,
    const struct walk_hit *hit, bool depends)
{
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("delete"));
	evkv_json_put_object(body);
	put_string(body, EVKV_LIT("_id"), es_text_slice(&hit->id));
	if (depends) {
		evkv_json_put_name(body, EVKV_LIT("if_seq_no"));
		evkv_json_put_int(body, hit->seq_no);
		evkv_json_put_name(body, EVKV_LIT("if_primary_term"));
		evkv_json_put_int(body, hit->primary_term);
	}
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_line(body);
}

/* What has expired is only deleted as it was: it may have been put again. */
bool evkv__es_deletes_write(struct es_walk *walk)
{
	for (size_t i = 0; i < walk->hit_count; i++)
		put_delete(&walk->body, &walk->hits[i],
		    walk->kind == EVKV_OP_PURGE_EXPIRED);
	return !walk->body.failed;
}

bool evkv__es_close_write(struct es_walk *walk)
{
	struct evkv_json_writer *body = &walk->body;

	evkv_json_put_object(body);
	if (walk->store->opensearch) {
		evkv_json_put_name(body, EVKV_LIT("pit_id"));
		evkv_json_put_array(body);
		evkv_json_put_string(body, es_text_slice(&walk->pit));
		evkv_json_put_array_end(body);
	} else {
		put_string(body, EVKV_LIT("id"), es_text_slice(&walk->pit));
	}
	evkv_json_put_object_end(body);
	return !body->failed;
}

bool evkv__es_search_select(struct es_walk *walk,
    const struct evkv_request *request)
{
	char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head = evkv_match_head(&request->match, buffer);

	if (walk->kind == EVKV_OP_PURGE_EXPIRED)
		return true;
	if (!kind_has_collection(walk->kind))
		return evkv__es_collection_write(&walk->prefix, head);
	return evkv__es_collection_write(&walk->collection,
		   request->collection) &&
	    evkv__es_key_write(&walk->prefix, head, true);
}
