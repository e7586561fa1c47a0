/*
 * stores/elasticsearch/walk.c - keys, collections, clear, clear_all and
 * purge_expired: searches, page by page.
 *
 * Happy path: the index is refreshed once, so that what was written before is
 * found; a point in time is opened, in the dialect of the cluster; its pages
 * follow each other by the last key of the one before. keys answers one page,
 * and its cursor has the point in time and that key; the others go on to the
 * end, and delete what they find by its _id, where it is ours.
 *
 * Failures: no index is an empty store. A cluster without refresh, or without
 * points in time, or with too many of them, is searched without. A point in
 * time that is gone is opened again, and the walk goes on behind the last key.
 * Where the server is too busy, the step is done again after a pause. What
 * fails after something was deleted is an unknown outcome.
 */
#include "stores/elasticsearch/walk.h"

#include <stdio.h>

#define WALK_PAUSE_MS 100
#define WALK_REFUSALS 8
#define WALK_REOPENED 3
#define WALK_PIT_MAX 40000 /* bytes of one that a cursor has */

static void walk_go(struct es_walk *walk, enum walk_phase phase);

/* ---- Ending -------------------------------------------------------------- */

static void walk_free(struct es_walk *walk)
{
	evkv_timer_cancel(walk->store->loop, &walk->timer);
	evkv__es_reader_clear(&walk->exchange.reader);
	evkv__es_hits_free(walk);
	evkv__es_text_free(&walk->collection);
	evkv__es_text_free(&walk->prefix);
	evkv__es_text_free(&walk->after_collection);
	evkv__es_text_free(&walk->after_key);
	evkv__es_text_free(&walk->pit);
	evkv__es_text_free(&walk->key);
	evkv_json_writer_clear(&walk->body);
	LIST_REMOVE(walk, link);
	evkv_free(walk);
}

/* The op has its answer; what is left is to close the point in time. */
static void walk_answer(struct es_walk *walk, bool keep_pit)
{
	struct evkv_op *op = walk->op;

	walk->op = NULL;
	if (keep_pit || walk->pit.size == 0 || walk->store->closed)
		walk_free(walk);
	else
		walk_go(walk, WALK_CLOSE);
	evkv_op_complete(op);
}

static void walk_fail(struct es_walk *walk, const struct es_failure *failure)
{
	evkv_op_explain(walk->op, failure->cause, failure->sys_error,
	    failure->message);
	(void)evkv_op_cut(walk->op, failure->status, failure->cause,
	    failure->message);
	walk_answer(walk, false);
}

static void walk_nomem(struct es_walk *walk)
{
	struct es_failure failure;

	evkv__es_failure_set(&failure, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
	    "out of memory");
	if (walk->op != NULL)
		walk_fail(walk, &failure);
	else
		walk_free(walk);
}

static bool walk_is_page(const struct es_walk *walk)
{
	return walk->kind == EVKV_OP_KEYS || walk->kind == EVKV_OP_COLLECTIONS;
}

static void walk_finish(struct es_walk *walk)
{
	if (!walk_is_page(walk))
		evkv_op_set_affected(walk->op, walk->affected);
	walk_answer(walk, false);
}

/* ---- A page of names ----------------------------------------------------- */

/* "point in time \n last key"; there is a next page. */
static bool walk_set_cursor(struct es_walk *walk, bool *with_pit)
{
	struct es_text text = { .data = NULL };
	bool good;

	*with_pit = walk->pit.size > 0 && walk->pit.size <= WALK_PIT_MAX;
	good = (!*with_pit ||
		   evkv__es_text_add(&text, walk->pit.data, walk->pit.size)) &&
	    evkv__es_text_add(&text, "\n", 1) &&
	    evkv__es_text_add(&text, walk->after_key.data,
		walk->after_key.size) &&
	    evkv_op_set_position(walk->op, "elasticsearch",
		es_text_slice(&text));
	evkv__es_text_free(&text);
	return good;
}

static bool walk_read_cursor(struct es_walk *walk, struct evkv_slice position)
{
	const char *at = position.data, *line;

	line = memchr(at, '\n', position.size);
	if (line == NULL)
		return true; /* none of ours: it begins anew */
	return evkv__es_text_add(&walk->pit, at, (size_t)(line - at)) &&
	    evkv__es_text_add(&walk->after_key, line + 1,
		position.size - (size_t)(line - at) - 1);
}

static void walk_page_done(struct es_walk *walk)
{
	bool with_pit = false;

	if (walk->found < walk->size) {
		walk_answer(walk, false);
		return;
	}
	if (walk_set_cursor(walk, &with_pit))
		walk_answer(walk, with_pit);
	else
		walk_nomem(walk);
}

/* ---- Steps --------------------------------------------------------------- */

static void walk_on_timer(void *arg)
{
	struct es_walk *walk = arg;

	walk_go(walk, walk->phase);
}

/* The same step after a pause, where there is time for it. */
static bool walk_pause(struct es_walk *walk)
{
	int64_t deadline_us = evkv_op_deadline_us(walk->op);
	int64_t pause_ms = WALK_PAUSE_MS << walk->refusals;

	if (walk->refusals >= WALK_REFUSALS || walk->store->closed ||
	    (deadline_us != 0 &&
		evkv_loop_now_us(walk->store->loop) + pause_ms * 1000 >=
		    deadline_us))
		return false;
	walk->refusals++;
	return evkv_timer_set(walk->store->loop, &walk->timer, pause_ms);
}

static void walk_search_again(struct es_walk *walk)
{
	if (walk->found < walk->size)
		walk_finish(walk);
	else
		walk_go(walk, WALK_SEARCH);
}

static void walk_deleted(struct es_walk *walk)
{
	struct es_failure failure;

	if (walk->answered < walk->hit_count) {
		evkv__es_failure_set(&failure, EVKV_CORRUPT,
		    EVKV_CAUSE_PROTOCOL, "the answer lacks items");
		walk_fail(walk, &failure);
		return;
	}
	if (evkv__es_hits_refused(walk) == 0) {
		evkv__es_hits_free(walk);
		walk_search_again(walk);
		return;
	}
	if (walk_pause(walk))
		return;
	evkv__es_failure_set(&failure, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
	    "the server is too busy");
	walk_fail(walk, &failure);
}

static void walk_searched(struct es_walk *walk)
{
	struct es_failure failure;

	if (walk->no_memory) {
		walk_nomem(walk);
		return;
	}
	if (!walk->exchange.reader.listed) {
		evkv__es_failure_set(&failure, EVKV_CORRUPT,
		    EVKV_CAUSE_PROTOCOL, "the answer has no list of documents");
		walk_fail(walk, &failure);
		return;
	}
	if (walk_is_page(walk))
		walk_page_done(walk);
	else if (walk->hit_count > 0)
		walk_go(walk, WALK_DELETE);
	else
		walk_search_again(walk);
}

static void walk_opened(struct es_walk *walk)
{
	struct es_text *pit = &walk->exchange.reader.pit;

	evkv__es_text_free(&walk->pit);
	walk->pit = *pit;
	memset(pit, 0, sizeof(*pit));
	walk_go(walk, WALK_SEARCH);
}

/* The answer is good. */
static void walk_good(struct es_walk *walk)
{
	walk->refusals = 0;
	switch (walk->phase) {
	case WALK_REFRESH:
		walk_go(walk,
		    walk->kind == EVKV_OP_COLLECTIONS ? WALK_SEARCH
						      : WALK_OPEN);
		break;
	case WALK_OPEN: walk_opened(walk); break;
	case WALK_SEARCH: walk_searched(walk); break;
	case WALK_DELETE: walk_deleted(walk); break;
	case WALK_CLOSE: break;
	}
}

/* No such thing there: neither that path, nor in the other dialect. */
static bool code_is_unknown(int code)
{
	return code == 400 || code == 404 || code == 405 || code == 410 ||
	    code == 501;
}

/* true: what has failed is done otherwise. */
static bool walk_otherwise(struct es_walk *walk)
{
	struct es_store *store = walk->store;
	int code = walk->exchange.code;

	if (walk->phase == WALK_REFRESH && code_is_unknown(code)) {
		store->no_refresh = true;
		walk_good(walk);
		return true;
	}
	/* A node has a few hundred at most: 429. */
	if (walk->phase == WALK_OPEN &&
	    (code == 429 || (code_is_unknown(code) && walk->other_dialect))) {
		walk_go(walk, WALK_SEARCH);
		return true;
	}
	if (walk->phase == WALK_OPEN && code_is_unknown(code)) {
		store->opensearch = !store->opensearch;
		walk->other_dialect = true;
		walk_go(walk, WALK_OPEN);
		return true;
	}
	if (walk->phase == WALK_SEARCH && walk->pit.size > 0 &&
	    (code == 404 || code == 400) && walk->reopened++ < WALK_REOPENED) {
		evkv__es_text_free(&walk->pit);
		walk_go(walk, WALK_OPEN);
		return true;
	}
	return code == 429 && walk_pause(walk);
}

static void walk_done(struct es_exchange *exchange)
{
	struct es_walk *walk = (struct es_walk *)(void *)exchange;
	struct es_failure *failure = &exchange->failure;

	evkv_json_writer_clear(&walk->body);
	if (walk->op == NULL) { /* WALK_CLOSE: whatever came of it */
		walk_free(walk);
		return;
	}
	if (failure->status == EVKV_OK && !walk->stopped)
		walk_good(walk);
	else if (exchange->code == 404 &&
	    evkv__es_no_index(exchange->reader.type))
		walk_finish(walk);
	else if (walk->stopped || !walk_otherwise(walk))
		walk_fail(walk, failure);
}

static void walk_on_sending(struct es_exchange *exchange)
{
	struct es_walk *walk = (struct es_walk *)(void *)exchange;

	if (walk->phase == WALK_DELETE && walk->op != NULL)
		(void)evkv_op_mark_sent(walk->op);
}

static const char *walk_path(const struct es_walk *walk)
{
	const struct es_paths *paths = &walk->store->paths;

	switch (walk->phase) {
	case WALK_REFRESH: return paths->refresh;
	case WALK_OPEN:
		return walk->store->opensearch ? paths->pit_opensearch
					       : paths->pit_elasticsearch;
	case WALK_SEARCH:
		return walk->pit.size > 0 ? "/_search" : paths->search;
	case WALK_DELETE: return paths->bulk;
	case WALK_CLOSE:
		return walk->store->opensearch ? "/_search/point_in_time"
					       : "/_pit";
	}
	return NULL;
}

static bool walk_body(struct es_walk *walk)
{
	evkv_json_writer_clear(&walk->body);
	switch (walk->phase) {
	case WALK_SEARCH: walk->found = 0; return evkv__es_search_write(walk);
	case WALK_DELETE:
		walk->answered = 0;
		return evkv__es_deletes_write(walk);
	case WALK_CLOSE: return evkv__es_close_write(walk);
	default: return true;
	}
}

static enum es_answer walk_expects(const struct es_walk *walk)
{
	switch (walk->phase) {
	case WALK_SEARCH:
		return walk->kind == EVKV_OP_COLLECTIONS ? ES_ANSWER_GROUPS
							 : ES_ANSWER_HITS;
	case WALK_DELETE: return ES_ANSWER_BULK;
	default: return ES_ANSWER_PLAIN;
	}
}

static void walk_go(struct es_walk *walk, enum walk_phase phase)
{
	struct es_exchange *exchange = &walk->exchange;

	walk->phase = phase;
	if (phase == WALK_REFRESH && walk->store->no_refresh) {
		walk_good(walk);
		return;
	}
	if (!walk_body(walk)) {
		walk_nomem(walk);
		return;
	}
	memset(&exchange->http, 0, sizeof(exchange->http));
	exchange->write = phase == WALK_DELETE;
	exchange->http.method = phase == WALK_CLOSE ? "DELETE" : "POST";
	exchange->http.path = walk_path(walk);
	exchange->http.body = evkv_bytes(walk->body.data, walk->body.size);
	if (phase == WALK_DELETE)
		exchange->http.content_type = "application/x-ndjson";
	exchange->record = evkv__es_hits_record;
	exchange->sending = walk_on_sending;
	exchange->done = walk_done;
	evkv__es_exchange_start(walk->store, exchange, walk_expects(walk));
}

/* ---- Submitting ---------------------------------------------------------- */

static struct es_walk *walk_new(struct es_store *store, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct es_walk *walk = evkv_calloc(1, sizeof(*walk));
	size_t limit = request->match.limit;

	if (walk == NULL)
		return NULL;
	walk->store = store;
	walk->op = op;
	walk->kind = request->kind;
	walk->exchange.store = store;
	walk->timer.run = walk_on_timer;
	walk->timer.arg = walk;
	walk->now_ms = evkv_loop_wall_ms(store->loop);
	walk->size = !walk_is_page(walk) || limit == 0 ? WALK_PAGE : limit;
	if (walk->size > WALK_PAGE_MAX)
		walk->size = WALK_PAGE_MAX;
	LIST_INSERT_HEAD(&store->walks, walk, link);
	if (evkv__es_search_select(walk, request))
		return walk;
	walk_free(walk);
	return NULL;
}

enum evkv_verdict evkv__es_walk_submit(struct es_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_slice position = { NULL, 0 };
	struct es_walk *walk;

	if (request->match.cursor.size > 0 &&
	    (!evkv_cursor_open(request, "elasticsearch", &position) ||
		!evkv_utf8_check(position)))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "the cursor is not one of this store and query");
	walk = walk_new(store, op, request);
	if (walk == NULL)
		return evkv_op_nomem(op);
	evkv_op_set_data(op, walk);
	if (position.size == 0) {
		walk_go(walk, WALK_REFRESH);
		return EVKV_VERDICT_PENDING;
	}
	if (!walk_read_cursor(walk, position)) {
		walk_free(walk);
		return evkv_op_nomem(op);
	}
	walk_go(walk,
	    walk->pit.size > 0 || walk->kind == EVKV_OP_COLLECTIONS
		? WALK_SEARCH
		: WALK_OPEN);
	return EVKV_VERDICT_PENDING;
}

void evkv__es_walk_stop(struct evkv_op *op)
{
	struct es_walk *walk = evkv_op_data(op);
	struct es_failure failure;

	walk->stopped = true;
	/* What is deleted can't be held back. */
	if (walk->exchange.running && walk->exchange.write &&
	    walk->exchange.sent)
		return;
	(void)evkv__es_exchange_cancel(&walk->exchange);
	evkv_timer_cancel(walk->store->loop, &walk->timer);
	evkv__es_failure_set(&failure, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    "canceled");
	walk_fail(walk, &failure);
}

void evkv__es_walks_close(struct es_store *store)
{
	struct es_walk *walk;
	struct es_failure failure;

	evkv__es_failure_set(&failure, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    "the store is closed");
	while ((walk = LIST_FIRST(&store->walks)) != NULL) {
		if (walk->op != NULL)
			walk_fail(walk, &failure);
		else
			walk_free(walk);
	}
}
