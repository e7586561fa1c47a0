/*
 * stores/elasticsearch/index.c - the index: looked at before the first write,
 * and made with its mapping where it is not there.
 *
 * Failures: what can't be asked or made ends the writes that wait, with the
 * server's words; the next write asks again. Who may not look at a mapping
 * writes without having looked. An index with other fields is not written to:
 * searches would find nothing in it, or the wrong things.
 */
#include "stores/elasticsearch/store.h"

#include <stdio.h>

static void index_ask(struct es_store *store);

/* ---- The mapping --------------------------------------------------------- */

static void put_field(struct evkv_json_writer *body, struct evkv_slice name,
    struct evkv_slice type)
{
	evkv_json_put_name(body, name);
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("type"));
	evkv_json_put_string(body, type);
	if (evkv_slice_equal(type, EVKV_LIT("date"))) {
		evkv_json_put_name(body, EVKV_LIT("format"));
		evkv_json_put_string(body, EVKV_LIT("epoch_millis"));
	}
	evkv_json_put_object_end(body);
}

/* Strings of others' objects: whole, and not indexed where they are long. */
static void put_json_field(struct evkv_json_writer *body)
{
	evkv_json_put_name(body, EVKV_LIT("json"));
	evkv_json_put_raw(body,
	    EVKV_LIT("{\"type\":\"object\",\"dynamic\":true}"));
}

static void put_json_template(struct evkv_json_writer *body)
{
	evkv_json_put_name(body, EVKV_LIT("dynamic_templates"));
	evkv_json_put_raw(body,
	    EVKV_LIT("[{\"strings\":{\"path_match\":\"json.*\","
		     "\"match_mapping_type\":\"string\",\"mapping\":"
		     "{\"type\":\"keyword\",\"ignore_above\":1024}}}]"));
	evkv_json_put_name(body, EVKV_LIT("date_detection"));
	evkv_json_put_bool(body, false);
}

static void put_settings(struct evkv_json_writer *body,
    const struct evkv_elasticsearch_options *options)
{
	/* Some clusters take none. */
	if (options->shards == 0 && options->replicas == 0)
		return;
	evkv_json_put_name(body, EVKV_LIT("settings"));
	evkv_json_put_object(body);
	if (options->shards != 0) {
		evkv_json_put_name(body, EVKV_LIT("number_of_shards"));
		evkv_json_put_int(body, options->shards);
	}
	if (options->replicas != 0) {
		evkv_json_put_name(body, EVKV_LIT("number_of_replicas"));
		evkv_json_put_int(body,
		    options->replicas < 0 ? 0 : options->replicas);
	}
	evkv_json_put_object_end(body);
}

static void put_index(struct evkv_json_writer *body,
    const struct es_store *store)
{
	evkv_json_put_object(body);
	put_settings(body, &store->options);
	evkv_json_put_name(body, EVKV_LIT("mappings"));
	evkv_json_put_object(body);
	evkv_json_put_name(body, EVKV_LIT("dynamic"));
	evkv_json_put_bool(body, false);
	if (es_json(store))
		put_json_template(body);
	evkv_json_put_name(body, EVKV_LIT("properties"));
	evkv_json_put_object(body);
	put_field(body, EVKV_LIT("collection"), EVKV_LIT("keyword"));
	put_field(body, EVKV_LIT("key"), EVKV_LIT("keyword"));
	put_field(body, EVKV_LIT("name"), EVKV_LIT("binary"));
	put_field(body, EVKV_LIT("value"), EVKV_LIT("binary"));
	put_field(body, EVKV_LIT("expires_at"), EVKV_LIT("date"));
	if (es_json(store))
		put_json_field(body);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
	evkv_json_put_object_end(body);
}

/* ---- Steps --------------------------------------------------------------- */

static void index_over(struct es_store *store, enum es_index_state state)
{
	store->index.state = state;
	evkv_json_writer_clear(&store->index.body);
	evkv__es_reader_clear(&store->index.exchange.reader);
	evkv__es_flush(store);
}

static void index_failed(struct es_store *store,
    const struct es_failure *failure)
{
	struct es_items waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct es_item *item;

	TAILQ_CONCAT(&waiting, &store->writes, link);
	index_over(store, ES_INDEX_UNKNOWN);
	while ((item = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, item, link);
		item->place = ES_NOWHERE;
		if (failure->status != EVKV_BUSY || !evkv__es_item_delay(item))
			evkv__es_item_failed(item, failure);
	}
}

static void index_made(struct es_exchange *exchange)
{
	struct es_store *store = exchange->store;

	evkv_json_writer_clear(&store->index.body);
	if (exchange->failure.status == EVKV_OK)
		index_over(store, ES_INDEX_READY);
	else if (exchange->code == 400 &&
	    strcmp(exchange->reader.type,
		"resource_already_exists_exception") == 0)
		index_ask(store); /* another client was faster */
	else
		index_failed(store, &exchange->failure);
}

static void index_make(struct es_store *store)
{
	struct es_index *index = &store->index;
	struct es_failure failure;

	put_index(&index->body, store);
	if (index->body.failed) {
		evkv__es_failure_set(&failure, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    "out of memory");
		index_failed(store, &failure);
		return;
	}
	index->created = true;
	memset(&index->exchange.http, 0, sizeof(index->exchange.http));
	index->exchange.http.method = "PUT";
	index->exchange.http.path = store->paths.index;
	index->exchange.http.body = evkv_bytes(index->body.data,
	    index->body.size);
	index->exchange.done = index_made;
	evkv__es_exchange_start(store, &index->exchange, ES_ANSWER_PLAIN);
}

static void index_looked_at(struct es_exchange *exchange)
{
	struct es_store *store = exchange->store;
	struct es_failure *failure = &exchange->failure;

	if (exchange->code == 403) {
		index_over(store, ES_INDEX_READY);
	} else if (exchange->code == 404 && !store->index.created) {
		index_make(store);
	} else if (failure->status == EVKV_OK &&
	    exchange->reader.fields != ES_FIELDS) {
		(void)snprintf(failure->message, sizeof(failure->message),
		    "%s: the index '%s' has another mapping than evkv makes: "
		    "its fields collection and key must be of the type "
		    "keyword, expires_at of the type date",
		    exchange->from, store->index_name);
		failure->status = EVKV_SERVER;
		failure->cause = EVKV_CAUSE_SERVER;
		index_failed(store, failure);
	} else if (failure->status == EVKV_OK) {
		index_over(store, ES_INDEX_READY);
	} else {
		index_failed(store, failure);
	}
}

static void index_ask(struct es_store *store)
{
	struct es_exchange *exchange = &store->index.exchange;

	memset(&exchange->http, 0, sizeof(exchange->http));
	exchange->http.method = "GET";
	exchange->http.path = store->paths.mapping;
	exchange->done = index_looked_at;
	evkv__es_exchange_start(store, exchange, ES_ANSWER_FIELDS);
}

bool evkv__es_index_ready(struct es_store *store)
{
	struct es_index *index = &store->index;

	if (index->state == ES_INDEX_UNKNOWN) {
		index->state = ES_INDEX_ASKED;
		index->created = false;
		index_ask(store);
	}
	return index->state == ES_INDEX_READY;
}
