/*
 * stores/elasticsearch/exchange.c - one request and its answer.
 *
 * Happy path: the answer is there, and is read by a task in steps of 16 KiB;
 * after 0.2 ms the task waits for the next turn.
 *
 * Failures: none was sent, or no answer came (as the engine says); a code that
 * is not 2xx, whose body is read for the server's reason, whatever it is; an
 * answer of another type, or that is no JSON to its end.
 */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "stores/elasticsearch/store.h"

#define EXCHANGE_STEP_US 200

static void exchange_over(struct es_exchange *exchange)
{
	evkv_task_cancel(exchange->store->loop, &exchange->task);
	evkv_http_release(&exchange->http);
	LIST_REMOVE(exchange, link);
	exchange->running = false;
	exchange->done(exchange);
}

/* ---- Reading ------------------------------------------------------------- */

static bool exchange_is_json(const char *type)
{
	static const char *const types[] = { "application/json",
		"application/vnd.elasticsearch+json" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strncasecmp(type, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

static void exchange_on_record(void *arg, struct es_record *record)
{
	struct es_exchange *exchange = arg;

	exchange->record(exchange, record);
}

static bool exchange_is_good(const struct es_exchange *exchange)
{
	return exchange->code >= 200 && exchange->code <= 299;
}

/* What was written is not told of by an answer that can't be read. */
static void exchange_unread(struct es_exchange *exchange)
{
	if (exchange->write)
		exchange->failure.status = EVKV_UNKNOWN_OUTCOME;
}

/* The text ends, or can't be read on. */
static void exchange_finish(struct es_exchange *exchange, bool good)
{
	struct es_failure *failure = &exchange->failure;
	const struct es_reader *reader = &exchange->reader;
	const char *from = exchange->from;
	char words[ES_MESSAGE];

	if (reader->no_memory) {
		evkv__es_failure_set(failure, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    "out of memory");
		exchange_unread(exchange);
	} else if (!exchange_is_good(exchange)) {
		evkv__es_failure_read(failure, exchange->write, exchange->code,
		    reader->type, reader->reason, from);
	} else if (!good || reader->partial) {
		(void)snprintf(words, sizeof(words), "%s: %s%s", from,
		    good ? "some shards did not answer" : "a damaged answer: ",
		    good ? "" : reader->json.why);
		evkv__es_failure_set(failure,
		    good ? EVKV_UNAVAILABLE : EVKV_CORRUPT,
		    good ? EVKV_CAUSE_SERVER : EVKV_CAUSE_PROTOCOL, words);
		exchange_unread(exchange);
	}
	exchange_over(exchange);
}

static int64_t exchange_clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One step; false = that was the last one. */
static bool exchange_step(struct es_exchange *exchange)
{
	struct es_reader *reader = &exchange->reader;
	struct evkv_slice piece;
	enum evkv_http_found found = evkv_http_read(&exchange->http, &piece);

	if (found == EVKV_HTTP_PIECE &&
	    evkv__es_reader_feed(reader, piece, false))
		return true;
	reader->no_memory |= found == EVKV_HTTP_BODY_NOMEM;
	exchange_finish(exchange,
	    found == EVKV_HTTP_BODY_END &&
		evkv__es_reader_feed(reader, evkv_bytes(NULL, 0), true));
	return false;
}

static void exchange_run(void *arg)
{
	struct es_exchange *exchange = arg;
	struct evkv_loop *loop = exchange->store->loop;
	int64_t end_us = exchange_clock_us() + EXCHANGE_STEP_US;

	while (exchange_step(exchange)) {
		if (exchange_clock_us() < end_us)
			continue;
		evkv_task_queue(loop, &exchange->task);
		return;
	}
}

/* ---- The engine's side --------------------------------------------------- */

static void exchange_answered(struct es_exchange *exchange,
    const struct evkv_http_end *end)
{
	char words[ES_MESSAGE];

	exchange->code = end->code;
	(void)snprintf(exchange->from, sizeof(exchange->from), "%s",
	    end->message);
	exchange->sent = true;
	exchange->reader.remaining = end->size;
	if (exchange_is_good(exchange) &&
	    !exchange_is_json(end->content_type)) {
		(void)snprintf(words, sizeof(words),
		    "%s: the answer is not JSON, but '%s'", end->message,
		    end->content_type);
		evkv__es_failure_set(&exchange->failure, EVKV_CORRUPT,
		    EVKV_CAUSE_PROTOCOL, words);
		exchange_unread(exchange);
		exchange_over(exchange);
		return;
	}
	exchange_run(exchange);
}

static void exchange_on_end(struct evkv_http_request *request,
    const struct evkv_http_end *end)
{
	struct es_exchange *exchange = (struct es_exchange *)(void *)request;
	struct es_failure *failure = &exchange->failure;

	if (end->fate == EVKV_HTTP_ANSWERED) {
		exchange_answered(exchange, end);
		return;
	}
	exchange->sent = end->fate == EVKV_HTTP_SENT;
	evkv__es_failure_set(failure, end->status, end->cause, end->message);
	failure->sys_error = end->sys_error;
	if (exchange->sent && exchange->write)
		failure->status = EVKV_UNKNOWN_OUTCOME;
	exchange_over(exchange);
}

static void exchange_on_sending(struct evkv_http_request *request)
{
	struct es_exchange *exchange = (struct es_exchange *)(void *)request;

	exchange->sent = true;
	if (exchange->sending != NULL)
		exchange->sending(exchange);
}

void evkv__es_exchange_start(struct es_store *store,
    struct es_exchange *exchange, enum es_answer answer)
{
	exchange->store = store;
	exchange->code = 0;
	exchange->sent = false;
	evkv__es_failure_set(&exchange->failure, EVKV_OK, EVKV_CAUSE_NONE, "");
	exchange->task = (struct evkv_task){ .run = exchange_run,
		.arg = exchange };
	exchange->http.sending = exchange_on_sending;
	exchange->http.end = exchange_on_end;
	exchange->http.flags = exchange->write ? 0 : EVKV_HTTP_REPEATABLE;
	if (exchange->http.body.size > 0 && exchange->http.content_type == NULL)
		exchange->http.content_type = "application/json";
	evkv__es_reader_clear(&exchange->reader);
	evkv__es_reader_init(&exchange->reader, answer, 0);
	if (exchange->record != NULL)
		exchange->reader.on_record = exchange_on_record;
	exchange->reader.arg = exchange;
	exchange->running = true;
	LIST_INSERT_HEAD(&store->exchanges, exchange, link);
	evkv_http_start(store->http, &exchange->http);
}

bool evkv__es_exchange_cancel(struct es_exchange *exchange)
{
	if (!exchange->running)
		return true;
	(void)evkv_http_cancel(&exchange->http);
	evkv_http_release(&exchange->http);
	evkv_task_cancel(exchange->store->loop, &exchange->task);
	LIST_REMOVE(exchange, link);
	exchange->running = false;
	return !exchange->sent;
}

void evkv__es_exchange_close(struct es_exchange *exchange)
{
	(void)evkv_http_cancel(&exchange->http);
	exchange->code = 0;
	evkv__es_failure_set(&exchange->failure, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    "the store is closed");
	exchange_over(exchange);
}
