/*
 * stores/elasticsearch/batch.c - items that look up or write, in requests that
 * they share.
 *
 * Happy path: a task takes what is queued, as much as a request holds, and the
 * answer tells the items by position. While as many requests are under way as
 * are allowed, items gather.
 *
 * Failures: where the whole was refused for its size it is sent again in
 * halves; where the server is too busy, for the whole or for some, those wait
 * and are sent again, and so do, a few times, look-ups in an index whose shards
 * are not there yet, as after it was made; all else ends the items that it is
 * about.
 */
#include "stores/elasticsearch/store.h"

#include <stdio.h>

#define BATCH_PAUSE_MS 50 /* doubled for each refusal */
#define BATCH_PAUSE_MAX_MS 5000
#define BATCH_LEAST ((size_t)64 << 10)
#define BATCH_REFUSALS 12 /* of an item without a deadline */
#define BATCH_STARTS 7    /* looks at a shard that is about to start */

/* ---- Where items wait ---------------------------------------------------- */

static struct es_items *batch_queue(struct es_item *item)
{
	struct es_store *store = item->call->store;

	return item->action <= ES_LOOK_WHOLE ? &store->looks : &store->writes;
}

void evkv__es_item_queue(struct es_item *item, enum es_action action)
{
	struct es_store *store = item->call->store;

	item->action = action;
	item->place = ES_QUEUED;
	TAILQ_INSERT_TAIL(batch_queue(item), item, link);
	evkv_task_queue(store->loop, &store->task);
}

static bool item_delay_allowed(const struct es_item *item, int64_t due_us)
{
	int64_t deadline_us = evkv_op_deadline_us(item->call->op);

	if (item->call->stopped || item->call->store->closed)
		return false;
	return deadline_us != 0 ? due_us < deadline_us
				: item->refusals < BATCH_REFUSALS;
}

static void delayed_timer_set(struct es_store *store)
{
	int64_t left_us = store->delayed_due_us - evkv_loop_now_us(store->loop);

	if (!evkv_timer_set(store->loop, &store->timer,
		left_us > 0 ? (left_us + 999) / 1000 : 0))
		evkv__es_delayed_run(store);
}

bool evkv__es_item_delay(struct es_item *item)
{
	struct es_store *store = item->call->store;
	int64_t pause_us = BATCH_PAUSE_MS * 1000;
	int64_t due_us;

	pause_us <<= item->refusals < 8 ? item->refusals : 8;
	if (pause_us > BATCH_PAUSE_MAX_MS * 1000)
		pause_us = BATCH_PAUSE_MAX_MS * 1000;
	pause_us -= (int64_t)(evkv_loop_random(store->loop) %
	    (uint64_t)(pause_us / 2));
	due_us = evkv_loop_now_us(store->loop) + pause_us;
	if (!item_delay_allowed(item, due_us))
		return false;
	item->refusals++;
	item->due_us = due_us;
	item->place = ES_DELAYED;
	/* Many may be refused at once: the timer is set for the first. */
	if (TAILQ_EMPTY(&store->delayed) || due_us < store->delayed_due_us)
		store->delayed_due_us = due_us;
	else
		due_us = 0;
	TAILQ_INSERT_TAIL(&store->delayed, item, link);
	if (due_us != 0)
		delayed_timer_set(store);
	return true;
}

void evkv__es_delayed_run(void *arg)
{
	struct es_store *store = arg;
	int64_t now_us = evkv_loop_now_us(store->loop);
	struct es_item *item = TAILQ_FIRST(&store->delayed), *next;

	store->delayed_due_us = INT64_MAX;
	for (; item != NULL; item = next) {
		next = TAILQ_NEXT(item, link);
		if (item->due_us > now_us) {
			if (item->due_us < store->delayed_due_us)
				store->delayed_due_us = item->due_us;
			continue;
		}
		TAILQ_REMOVE(&store->delayed, item, link);
		evkv__es_item_queue(item, item->action);
	}
	if (!TAILQ_EMPTY(&store->delayed))
		delayed_timer_set(store);
}

/* ---- The end of a batch -------------------------------------------------- */

/* The item of an answer's place; NULL = it has left. */
static struct es_item *batch_take(struct es_batch *batch, size_t slot)
{
	struct es_item *item = batch->items[slot];

	batch->items[slot] = NULL;
	if (item != NULL) {
		item->batch = NULL;
		item->place = ES_NOWHERE;
	}
	return item;
}

static void batch_free(struct es_batch *batch)
{
	struct es_store *store = batch->exchange.store;

	evkv__es_reader_clear(&batch->exchange.reader);
	evkv_json_writer_clear(&batch->body);
	evkv_free(batch);
	store->batches--;
	evkv_task_queue(store->loop, &store->task);
}

/* All items again, at the front and in their order. */
static void batch_requeue(struct es_batch *batch)
{
	struct es_item *item;

	for (size_t i = batch->count; i-- > 0;) {
		item = batch_take(batch, i);
		if (item == NULL)
			continue;
		item->place = ES_QUEUED;
		TAILQ_INSERT_HEAD(batch_queue(item), item, link);
	}
}

static void item_refused(struct es_item *item, const struct es_failure *failure)
{
	if (failure->status != EVKV_BUSY ||
	    failure->cause != EVKV_CAUSE_OVERLOAD || !evkv__es_item_delay(item))
		evkv__es_item_failed(item, failure);
}

/* An index that is not there has no entries. */
static void item_no_index(struct es_item *item)
{
	struct es_store *store = item->call->store;
	struct es_record nothing = { .seq_no = -1, .primary_term = -1 };

	if (item->action <= ES_LOOK_WHOLE) {
		evkv__es_item_found(item, &nothing);
		return;
	}
	store->index.state = ES_INDEX_UNKNOWN;
	if (++item->rounds <= ES_ROUNDS && !item->call->stopped) {
		evkv__es_item_queue(item, item->action);
		return;
	}
	evkv__es_item_failed(item,
	    &(struct es_failure){ .status = EVKV_SERVER,
		.cause = EVKV_CAUSE_SERVER,
		.message = "the index goes away again and again" });
}

/* Whether it may be answered a little later. */
static bool item_waits_for_shard(struct es_item *item,
    const struct es_record *record)
{
	return strstr(record->type, "no_shard_available") != NULL &&
	    item->refusals < BATCH_STARTS && evkv__es_item_delay(item);
}

/* Without an error it says whether there is such a document. */
static void item_looked_up(struct es_item *item, struct es_record *record)
{
	struct es_failure failure;

	if (record->told) {
		evkv__es_item_found(item, record);
		return;
	}
	evkv__es_failure_set(&failure, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL,
	    "the answer does not say whether the document is there");
	evkv__es_item_failed(item, &failure);
}

static void batch_on_record(struct es_exchange *exchange,
    struct es_record *record)
{
	struct es_batch *batch = (struct es_batch *)(void *)exchange;
	struct es_failure failure;
	struct es_item *item;
	int code = record->status;

	if (batch->answered == batch->count)
		return; /* more than was asked for: see batch_done() */
	item = batch_take(batch, batch->answered++);
	if (item == NULL)
		return;
	if (evkv__es_no_index(record->type)) {
		item_no_index(item);
		return;
	}
	if (batch->writes &&
	    ((code >= 200 && code <= 299) || code == 404 || code == 409)) {
		evkv__es_item_written(item, record);
		return;
	}
	if (!batch->writes && record->type[0] == '\0') {
		item_looked_up(item, record);
		return;
	}
	if (!batch->writes && item_waits_for_shard(item, record))
		return;
	/* A look-up's error has no code of its own. */
	if (!batch->writes)
		code = strstr(record->type, "rejected") != NULL ||
			strstr(record->type, "circuit_breaking") != NULL
		    ? 429
		    : 503;
	evkv__es_failure_read(&failure, batch->writes, code, record->type,
	    record->reason, exchange->from);
	if (code == 400 && es_json(exchange->store))
		failure.status = EVKV_INVALID;
	item_refused(item, &failure);
}

/* Too much at once: each half for itself; one alone is too much for good. */
static void batch_halve(struct es_batch *batch)
{
	struct es_store *store = batch->exchange.store;
	size_t half = batch->body.size / 2;

	if (half >= BATCH_LEAST && half < store->max_batch_bytes)
		store->max_batch_bytes = half;
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->items[i] != NULL)
			batch->items[i]->most = (batch->count + 1) / 2;
	}
	batch_requeue(batch);
}

static void batch_fail_all(struct es_batch *batch,
    const struct es_failure *failure)
{
	struct es_item *item;

	for (size_t i = 0; i < batch->count; i++) {
		item = batch_take(batch, i);
		if (item != NULL)
			item_refused(item, failure);
	}
}

static void batch_no_index(struct es_batch *batch)
{
	struct es_item *item;

	for (size_t i = 0; i < batch->count; i++) {
		item = batch_take(batch, i);
		if (item != NULL)
			item_no_index(item);
	}
}

static void batch_done(struct es_exchange *exchange)
{
	struct es_batch *batch = (struct es_batch *)(void *)exchange;
	struct es_failure *failure = &exchange->failure;
	bool no_index = exchange->code == 404 &&
	    evkv__es_no_index(exchange->reader.type);

	if (failure->status == EVKV_OK &&
	    (batch->answered < batch->count ||
		exchange->reader.records != batch->count))
		evkv__es_failure_set(failure,
		    batch->writes ? EVKV_UNKNOWN_OUTCOME : EVKV_CORRUPT,
		    EVKV_CAUSE_PROTOCOL,
		    "the answer has another number of documents than was "
		    "asked for");
	if (exchange->code == 413 && batch->count > 1)
		batch_halve(batch);
	else if (no_index)
		batch_no_index(batch);
	else
		batch_fail_all(batch, failure);
	batch_free(batch);
}

/* ---- The begin of a batch ------------------------------------------------ */

static void batch_on_sending(struct es_exchange *exchange)
{
	struct es_batch *batch = (struct es_batch *)(void *)exchange;

	for (size_t i = 0; i < batch->count; i++) {
		if (batch->items[i] != NULL && batch->writes)
			(void)evkv_op_mark_sent(batch->items[i]->call->op);
	}
}

/* How many items of a queue go into one request. */
static size_t batch_measure(const struct es_store *store,
    const struct es_items *queue)
{
	size_t most = ES_BATCH_ITEMS, size = 0, count = 0;
	struct es_item *item;

	TAILQ_FOREACH(item, queue, link)
	{
		size += evkv__es_item_size(item);
		if (count > 0 && size > store->max_batch_bytes)
			break;
		if (item->most != 0 && item->most < most)
			most = item->most;
		if (++count >= most)
			break;
	}
	return count;
}

static void batch_fill(struct es_batch *batch, struct es_items *queue,
    size_t count)
{
	struct es_item *item;

	if (!batch->writes) {
		evkv_json_put_object(&batch->body);
		evkv_json_put_name(&batch->body, EVKV_LIT("docs"));
		evkv_json_put_array(&batch->body);
	}
	for (; batch->count < count; batch->count++) {
		item = TAILQ_FIRST(queue);
		TAILQ_REMOVE(queue, item, link);
		item->place = ES_IN_BATCH;
		item->batch = batch;
		item->slot = batch->count;
		batch->items[batch->count] = item;
		if (!evkv__es_item_write(item, &batch->body))
			break;
	}
	if (batch->count < count) {
		batch->count++;
		return;
	}
	if (!batch->writes) {
		evkv_json_put_array_end(&batch->body);
		evkv_json_put_object_end(&batch->body);
	}
}

static void batch_start(struct es_store *store, struct es_batch *batch)
{
	struct es_exchange *exchange = &batch->exchange;

	exchange->write = batch->writes;
	exchange->record = batch_on_record;
	exchange->done = batch_done;
	exchange->sending = batch_on_sending;
	exchange->http.method = "POST";
	exchange->http.path = batch->writes ? store->paths.bulk
					    : store->paths.mget;
	exchange->http.content_type = batch->writes ? "application/x-ndjson"
						    : "application/json";
	exchange->http.body = evkv_bytes(batch->body.data, batch->body.size);
	evkv__es_exchange_start(store, exchange,
	    batch->writes ? ES_ANSWER_BULK : ES_ANSWER_MGET);
}

static void batch_begin(struct es_store *store, bool writes)
{
	struct es_items *queue = writes ? &store->writes : &store->looks;
	size_t count = batch_measure(store, queue);
	struct es_batch *batch = evkv_calloc(1,
	    sizeof(*batch) + count * sizeof(batch->items[0]));
	struct es_failure failure;
	struct es_item *item;

	evkv__es_failure_set(&failure, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
	    "out of memory");
	if (batch == NULL) {
		item = TAILQ_FIRST(queue);
		TAILQ_REMOVE(queue, item, link);
		item->place = ES_NOWHERE;
		evkv__es_item_failed(item, &failure);
		return;
	}
	batch->writes = writes;
	batch->exchange.store = store;
	store->batches++;
	batch_fill(batch, queue, count);
	if (!batch->body.failed) {
		batch_start(store, batch);
		return;
	}
	batch_fail_all(batch, &failure);
	batch_free(batch);
}

/* Which kind is next; false = nothing can begin. */
static bool flush_choose(struct es_store *store, bool *writes)
{
	bool looks = !TAILQ_EMPTY(&store->looks);
	bool ready = !TAILQ_EMPTY(&store->writes) &&
	    evkv__es_index_ready(store);

	*writes = ready && (store->writes_first || !looks);
	store->writes_first = !*writes;
	return looks || ready;
}

void evkv__es_flush(struct es_store *store)
{
	if (!store->closed)
		evkv_task_queue(store->loop, &store->task);
}

void evkv__es_flush_run(void *arg)
{
	struct es_store *store = arg;
	bool writes;

	/* A large one a turn: to write it takes as long as to read it. */
	if (store->closed || store->batches >= store->max_batches ||
	    !flush_choose(store, &writes))
		return;
	batch_begin(store, writes);
	evkv_task_queue(store->loop, &store->task);
}

/* ---- Leaving ------------------------------------------------------------- */

bool evkv__es_item_leave(struct es_item *item)
{
	struct es_store *store = item->call->store;
	struct es_batch *batch = item->batch;

	switch (item->place) {
	case ES_QUEUED: TAILQ_REMOVE(batch_queue(item), item, link); break;
	case ES_DELAYED: TAILQ_REMOVE(&store->delayed, item, link); break;
	case ES_IN_BATCH:
		if (batch->exchange.sent && batch->writes)
			return false;
		(void)batch_take(batch, item->slot);
		/* The others are sent without it. */
		if (batch->writes) {
			(void)evkv__es_exchange_cancel(&batch->exchange);
			batch_requeue(batch);
			batch_free(batch);
		}
		break;
	case ES_NOWHERE: return false;
	}
	item->place = ES_NOWHERE;
	item->batch = NULL;
	return true;
}
