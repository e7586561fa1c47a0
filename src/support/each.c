/*
 * support/each.c - a walk over all pages of a query: see evkv/each.h.
 *
 * Happy path: a page's operation is submitted with the cursor of the one
 * before; when it is answered the next one is, and then its names are reported.
 * With values its names are kept in a list instead, and asked for by batches;
 * at most two pages with names that are not yet asked for are kept.
 *
 * The walk ends when nothing is left to ask, or at the first failure, a cancel
 * or a callback that has enough: then what is under way is cancelled. The end
 * is reported by a task when the last callback of an operation has run. BUSY is
 * no failure while another operation of the walk is under way: the batch is
 * asked for once more then.
 */
#include "evkv/each.h"

#include <stdio.h>
#include <string.h>

#include "evkv/driver.h"

#define EACH_MOST 4
#define EACH_BATCH 100
#define EACH_PAGES 2

/* The names of a page, in one piece of memory, for their values. */
struct each_page {
	struct each_page *next;
	size_t batches; /* that point to it, and 1 while it is in the list */
	size_t asked;   /* names that batches have taken */
	size_t count;
	struct evkv_slice names[];
};

struct each_batch {
	struct evkv_each *each;
	struct each_batch *next, **link; /* all batches */
	struct each_page *page;
	size_t first, count;
	evkv_ticket ticket; /* 0: to be asked for once more */
};

struct evkv_each {
	struct evkv_store *store;
	struct evkv_loop *loop;
	struct evkv_each_query query; /* what it points to is in `memory` */
	evkv_each_cb item;
	evkv_each_end_cb end;
	void *arg;
	struct evkv_task task; /* tells the end */
	unsigned under_way;
	bool ended;              /* nothing is reported any more */
	bool last_page;          /* no page is left to ask for */
	evkv_ticket page_ticket; /* 0: none is under way */
	char *cursor;            /* of the next page, allocated */
	struct each_page *pages; /* with names that are not asked for */
	struct each_batch *batches;
	struct evkv_each_result result;
	char message[256];
	char memory[];
};

static void each_go_on(struct evkv_each *each);

/* ---- The end ------------------------------------------------------------- */

static void page_release(struct each_page *page)
{
	if (--page->batches == 0)
		evkv_free(page);
}

static void batch_free(struct each_batch *batch)
{
	*batch->link = batch->next;
	if (batch->next != NULL)
		batch->next->link = batch->link;
	page_release(batch->page);
	evkv_free(batch);
}

static void each_free(struct evkv_each *each)
{
	struct each_page *page;

	while (each->batches != NULL)
		batch_free(each->batches);
	while ((page = each->pages) != NULL) {
		each->pages = page->next;
		evkv_free(page);
	}
	evkv_store_unref(each->store);
	evkv_free(each->cursor);
	evkv_free(each);
}

static void each_tell_end(void *arg)
{
	struct evkv_each *each = arg;

	each->result.message = each->message;
	if (each->end != NULL)
		each->end(&each->result, each->arg);
	each_free(each);
}

/* The callbacks of what is cancelled come in a later turn. */
static void cancel_all(struct evkv_each *each)
{
	struct each_batch *batch;

	evkv_cancel(each->loop, each->page_ticket);
	for (batch = each->batches; batch != NULL; batch = batch->next)
		evkv_cancel(each->loop, batch->ticket);
}

static void each_stop(struct evkv_each *each, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	if (each->ended)
		return;
	each->ended = true;
	each->result.status = status;
	each->result.cause = cause;
	snprintf(each->message, sizeof(each->message), "%s", message);
	cancel_all(each);
	if (each->under_way == 0)
		evkv_task_queue(each->loop, &each->task);
}

static void stop_as(struct evkv_each *each, const struct evkv_result *result)
{
	each_stop(each, result->status, result->cause, result->message);
}

static void stop_nomem(struct evkv_each *each)
{
	stop_as(each, evkv_op_result(NULL));
}

void evkv_each_cancel(struct evkv_each *each)
{
	if (each != NULL)
		each_stop(each, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
		    evkv_status_text(EVKV_CANCELED));
}

/* ---- Telling ------------------------------------------------------------- */

static void tell(struct evkv_each *each, const struct evkv_each_item *item)
{
	each->result.count++;
	if (!each->item(item, each->arg))
		each_stop(each, EVKV_OK, EVKV_CAUSE_NONE, "");
}

static void tell_names(struct evkv_each *each, const struct evkv_result *result)
{
	struct evkv_each_item item = { .status = EVKV_OK };
	size_t i;

	for (i = 0; i < result->count && !each->ended; i++) {
		item.name = evkv_result_entry(result, i)->name;
		tell(each, &item);
	}
}

static void tell_values(struct evkv_each *each, const struct each_batch *batch,
    const struct evkv_result *result)
{
	const struct evkv_entry *entry;
	struct evkv_each_item item;
	size_t i;

	for (i = 0; i < result->count && !each->ended; i++) {
		entry = evkv_result_entry(result, i);
		if (entry->status == EVKV_NOT_FOUND)
			continue;
		item.name = batch->page->names[batch->first + i];
		item.status = entry->status;
		item.bytes = entry->bytes;
		item.value = entry->value;
		tell(each, &item);
	}
}

/* ---- Values -------------------------------------------------------------- */

/* A failure that is not each entry's own. */
static bool failed_whole(const struct evkv_result *result)
{
	size_t i;

	if (!evkv_failed(result->status))
		return false;
	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status != result->status)
			return false;
	}
	return result->status != EVKV_CORRUPT;
}

static void on_values(const struct evkv_result *result, void *arg)
{
	struct each_batch *batch = arg;
	struct evkv_each *each = batch->each;

	each->under_way--;
	batch->ticket = 0;
	if (!each->ended && result->status == EVKV_BUSY && each->under_way > 0)
		return;
	if (!each->ended) {
		if (failed_whole(result))
			stop_as(each, result);
		else
			tell_values(each, batch, result);
	}
	batch_free(batch);
	each_go_on(each);
}

static void batch_ask(struct each_batch *batch)
{
	struct evkv_each *each = batch->each;

	batch->ticket = evkv_submit(each->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.collection = each->query.collection,
		.count = batch->count,
		.keys = batch->page->names + batch->first,
		.timeout_ms = each->query.timeout_ms,
	    },
	    on_values, batch);
	if (batch->ticket != 0) {
		each->under_way++;
		return;
	}
	batch_free(batch);
	stop_nomem(each);
}

/* One that was BUSY, or the next names of the oldest page. */
static struct each_batch *batch_next(struct evkv_each *each)
{
	struct each_page *page = each->pages;
	struct each_batch *batch = each->batches;

	while (batch != NULL && batch->ticket != 0)
		batch = batch->next;
	if (batch != NULL)
		return batch;
	batch = evkv_calloc(1, sizeof(*batch));
	if (batch == NULL)
		return NULL;
	batch->each = each;
	batch->page = page;
	batch->first = page->asked;
	batch->count = page->count - page->asked;
	if (batch->count > each->query.batch)
		batch->count = each->query.batch;
	page->asked += batch->count;
	page->batches++;
	if (page->asked == page->count) {
		each->pages = page->next;
		page_release(page);
	}
	batch->link = &each->batches;
	batch->next = each->batches;
	if (batch->next != NULL)
		batch->next->link = &batch->next;
	each->batches = batch;
	return batch;
}

static bool has_again(const struct evkv_each *each)
{
	const struct each_batch *batch = each->batches;

	while (batch != NULL && batch->ticket != 0)
		batch = batch->next;
	return batch != NULL;
}

/* ---- Pages --------------------------------------------------------------- */

/* Keep the names of a page; false = no memory. */
static bool page_add(struct evkv_each *each, const struct evkv_result *result)
{
	size_t size = sizeof(struct each_page) +
	    result->count * sizeof(struct evkv_slice);
	struct each_page *page, **last = &each->pages;
	struct evkv_slice name;
	size_t bytes = 0, i;
	char *to;

	if (result->count == 0)
		return true;
	for (i = 0; i < result->count; i++)
		bytes += evkv_result_entry(result, i)->name.size;
	page = evkv_malloc(size + bytes);
	if (page == NULL)
		return false;
	*page = (struct each_page){ .batches = 1, .count = result->count };
	to = (char *)page + size;
	for (i = 0; i < result->count; i++) {
		name = evkv_result_entry(result, i)->name;
		if (name.size > 0)
			memcpy(to, name.data, name.size);
		page->names[i] = evkv_bytes(to, name.size);
		to += name.size;
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = page;
	return true;
}

static bool keep_cursor(struct evkv_each *each, struct evkv_slice cursor)
{
	evkv_free(each->cursor);
	each->cursor = NULL;
	each->query.match.cursor = evkv_bytes(NULL, 0);
	each->last_page = cursor.size == 0;
	if (cursor.size == 0)
		return true;
	each->cursor = evkv_malloc(cursor.size);
	if (each->cursor == NULL)
		return false;
	memcpy(each->cursor, cursor.data, cursor.size);
	each->query.match.cursor = evkv_bytes(each->cursor, cursor.size);
	return true;
}

static void on_page(const struct evkv_result *result, void *arg)
{
	struct evkv_each *each = arg;

	each->under_way--;
	each->page_ticket = 0;
	if (!each->ended && result->status == EVKV_BUSY && each->under_way > 0)
		return;
	if (!each->ended && evkv_failed(result->status)) {
		stop_as(each, result);
	} else if (!each->ended &&
	    (!keep_cursor(each, result->cursor) ||
		(each->query.values && !page_add(each, result)))) {
		stop_nomem(each);
	} else if (!each->ended && !each->query.values) {
		/* The walk must not end while this page is reported. */
		each->under_way++;
		each_go_on(each);
		tell_names(each, result);
		each->under_way--;
	}
	each_go_on(each);
}

static void page_ask(struct evkv_each *each)
{
	each->page_ticket = evkv_submit(each->store,
	    &(struct evkv_request){
		.kind = each->query.kind,
		.collection = each->query.collection,
		.match = each->query.match,
		.timeout_ms = each->query.timeout_ms,
	    },
	    on_page, each);
	if (each->page_ticket != 0)
		each->under_way++;
	else
		stop_nomem(each);
}

static bool wants_page(const struct evkv_each *each)
{
	size_t pages = 0;
	const struct each_page *page;

	for (page = each->pages; page != NULL; page = page->next)
		pages++;
	return each->page_ticket == 0 && !each->last_page && pages < EACH_PAGES;
}

/* Ask for what may be asked for now; tell the end where that is nothing. */
static void each_go_on(struct evkv_each *each)
{
	struct each_batch *batch;
	bool has_names;

	while (!each->ended && each->under_way < each->query.most) {
		has_names = has_again(each) || each->pages != NULL;
		/* A page goes before: its names are the work that follows. */
		if (wants_page(each) && (!has_names || each->query.most > 1)) {
			page_ask(each);
		} else if (has_names) {
			batch = batch_next(each);
			if (batch != NULL)
				batch_ask(batch);
			else
				stop_nomem(each);
		} else {
			break;
		}
	}
	if (each->under_way > 0)
		return;
	if (!each->ended)
		each_stop(each, EVKV_OK, EVKV_CAUSE_NONE, "");
	evkv_task_queue(each->loop, &each->task);
}

/* ---- Beginning ----------------------------------------------------------- */

static char *put(char *to, struct evkv_slice *slice)
{
	if (slice->size > 0 && slice->data != NULL)
		memcpy(to, slice->data, slice->size);
	slice->data = to;
	return to + slice->size;
}

struct evkv_each *evkv_each_sized(struct evkv_store *store,
    const struct evkv_each_query *given, size_t size, evkv_each_cb item,
    evkv_each_end_cb end, void *arg)
{
	struct evkv_each_query query;
	struct evkv_each *each;
	char *to;

	if (store == NULL || evkv_store_loop(store) == NULL || item == NULL ||
	    !evkv_options_read(&query, sizeof(query), given, size, NULL))
		return NULL;
	each = evkv_calloc(1,
	    sizeof(*each) + query.collection.size + query.match.prefix.size +
		query.match.pattern.size + query.match.cursor.size);
	if (each == NULL)
		return NULL;
	each->store = evkv_store_ref(store);
	each->loop = evkv_store_loop(store);
	each->query = query;
	to = put(each->memory, &each->query.collection);
	to = put(to, &each->query.match.prefix);
	to = put(to, &each->query.match.pattern);
	put(to, &each->query.match.cursor);
	if (each->query.most == 0)
		each->query.most = EACH_MOST;
	if (each->query.batch == 0)
		each->query.batch = EACH_BATCH;
	each->item = item;
	each->end = end;
	each->arg = arg;
	each->task.run = each_tell_end;
	each->task.arg = each;
	if ((evkv_kind_classes(query.kind) & EVKV_CLASS_PAGES) == 0 ||
	    (query.values && query.kind != EVKV_OP_KEYS))
		each_stop(each, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "kind is keys, with or without values, or collections");
	else
		page_ask(each);
	return each;
}
