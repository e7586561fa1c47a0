/*
 * wrappers/routing/spans.c - what is asked of all stores.
 *
 * PURGE_EXPIRED, PING, SYNC and COMPACT are: one step for each store. CLEAR_ALL
 * may only touch collections that are routed to the store: those of a route
 * that no earlier one overlaps are cleared by its pattern, that of a plain name
 * by a CLEAR, and for all other stores page by page of their names, of which
 * each that is routed there is cleared.
 *
 * Failure modes: that of a step ends it all, as evkv/fanout.h says.
 */
#include <string.h>

#include "evkv/fanout.h"
#include "wrappers/routing/routing.h"

#define SPAN_PAGE 1000

enum step_what {
	STEP_NONE, /* nothing is to be asked */
	STEP_SAME, /* the operation itself */
	STEP_NAME, /* a CLEAR of one collection */
	STEP_PAGE, /* of the names of its collections */
};

struct step {
	enum step_what what;
	size_t store;
	struct evkv_slice name;
};

/* Collections of one store that are to be cleared, in one piece of memory. */
struct page {
	struct evkv_slice cursor; /* of the next page */
	size_t count;
	struct step names[];
};

struct span {
	struct routing *self;
	struct evkv_op *op;
	struct evkv_fanout *fanout;
	enum evkv_kind kind;
	uint32_t flags;
	struct evkv_match match;
	size_t at;           /* stores that were begun */
	struct page *page;   /* of the one before that; NULL = none */
	size_t next;         /* index of the name to begin */
	size_t open;         /* names that are not over */
	bool paging;         /* a page is asked for */
	struct step steps[]; /* one for each store */
};

/* ---- What to ask -------------------------------------------------------- */

static void plan(const struct span *span, struct step *step)
{
	const struct routing *self = span->self;
	const struct route *route;

	step->what = STEP_SAME;
	if (span->kind != EVKV_OP_CLEAR_ALL)
		return;
	step->what = STEP_PAGE;
	if (step->store == 0)
		return;
	route = &self->routes[step->store - 1];
	if (route->exact) {
		step->name = route->head;
		step->what = route->head.size <= EVKV_COLLECTION_MAX &&
			route->alone &&
			evkv_match(span->match.prefix, span->match.pattern,
			    route->head)
		    ? STEP_NAME
		    : STEP_NONE;
	} else if (route->alone && span->match.pattern.size == 0) {
		step->what = STEP_SAME;
	}
}

/* What is asked of the next store, or the end. */
static enum evkv_fanout_next next_store(struct span *span, void **item)
{
	struct step *step;

	while (span->at < span->self->store_count) {
		step = &span->steps[span->at];
		step->store = span->at++;
		plan(span, step);
		if (step->what == STEP_NONE)
			continue;
		span->paging = step->what == STEP_PAGE;
		*item = step;
		return EVKV_FANOUT_STEP;
	}
	return EVKV_FANOUT_END;
}

static enum evkv_fanout_next span_next(void *arg, void **item)
{
	struct span *span = arg;
	struct page *page = span->page;

	if (span->paging)
		return EVKV_FANOUT_WAIT;
	if (page == NULL)
		return next_store(span, item);
	if (span->next < page->count) {
		*item = &page->names[span->next++];
		span->open++;
		return EVKV_FANOUT_STEP;
	}
	/* The next page, or that of another store, takes the place of this. */
	if (span->open > 0)
		return EVKV_FANOUT_WAIT;
	if (page->cursor.size > 0) {
		span->paging = true;
		*item = &span->steps[span->at - 1];
		return EVKV_FANOUT_STEP;
	}
	evkv_free(page);
	span->page = NULL;
	return next_store(span, item);
}

static void span_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	const struct span *span = arg;
	const struct step *step = item;

	ask->store = span->self->stores[step->store];
	ask->request.kind = span->kind;
	ask->request.flags = span->flags;
	if (step->what == STEP_NAME) {
		ask->request.kind = EVKV_OP_CLEAR;
		ask->request.collection = step->name;
	} else if (span->kind == EVKV_OP_CLEAR_ALL) {
		ask->request.match = evkv__routes_match(span->self, step->store,
		    &span->match);
	}
	if (step->what == STEP_PAGE) {
		ask->request.kind = EVKV_OP_COLLECTIONS;
		ask->request.match.limit = SPAN_PAGE;
		if (span->page != NULL)
			ask->request.match.cursor = span->page->cursor;
	}
}

/* ---- What comes --------------------------------------------------------- */

static struct page *page_new(const struct span *span, size_t store,
    const struct evkv_result *result)
{
	size_t size = sizeof(struct page) + result->count * sizeof(struct step);
	size_t bytes = result->cursor.size, i;
	struct evkv_slice name;
	struct page *page;
	char *to;

	for (i = 0; i < result->count; i++)
		bytes += evkv_result_entry(result, i)->name.size;
	page = evkv_malloc(size + bytes);
	if (page == NULL)
		return NULL;
	to = (char *)page + size;
	page->count = 0;
	for (i = 0; i < result->count; i++) {
		name = evkv_result_entry(result, i)->name;
		if (evkv__routes_store(span->self, name) != store)
			continue;
		if (name.size > 0)
			memcpy(to, name.data, name.size);
		page->names[page->count++] = (struct step){
			.what = STEP_NAME,
			.store = store,
			.name = evkv_bytes(to, name.size),
		};
		to += name.size;
	}
	if (result->cursor.size > 0)
		memcpy(to, result->cursor.data, result->cursor.size);
	page->cursor = evkv_bytes(to, result->cursor.size);
	return page;
}

static bool span_came(void *arg, void *item, struct evkv_op *child)
{
	const struct step *step = item;
	struct span *span = arg;
	struct page *page;

	if (step->what != STEP_PAGE)
		return false;
	page = page_new(span, step->store, evkv_op_result(child));
	evkv_free(span->page);
	span->page = page;
	span->next = 0;
	span->paging = false;
	if (page == NULL)
		evkv_fanout_fail(span->fanout, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    NULL);
	return false;
}

/* Those that are the one of a route are not of a page. */
static void span_over(void *arg, void *item)
{
	const struct step *step = item;
	struct span *span = arg;

	if (step->what == STEP_NAME && step != &span->steps[step->store])
		span->open--;
}

static void span_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct span *span = arg;

	(void)op;
	(void)failed;
	evkv_free(span->page);
	span->page = NULL;
}

static const struct evkv_fanout_hooks span_hooks = {
	.size = sizeof(span_hooks),
	.next = span_next,
	.ask = span_ask,
	.came = span_came,
	.over = span_over,
	.finish = span_finish,
};

enum evkv_verdict evkv__routing_span(struct routing *self, struct evkv_op *op)
{
	size_t size = sizeof(struct span) +
	    self->store_count * sizeof(struct step);
	const struct evkv_request *request;
	struct span *span = evkv_op_alloc(op, size);

	if (span == NULL)
		return evkv_op_nomem(op);
	memset(span, 0, size);
	span->self = self;
	span->op = op;
	span->fanout = evkv_fanout_new(op, &span_hooks, span);
	if (span->fanout == NULL)
		return evkv_op_nomem(op);
	request = evkv_op_request(op);
	span->kind = request->kind;
	span->flags = request->flags & EVKV_FLAG_WAIT_READY;
	span->match = request->match;
	return evkv_fanout_go(span->fanout);
}
