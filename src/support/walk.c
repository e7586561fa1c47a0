/*
 * support/walk.c - COLLECTIONS and CLEAR_ALL of wrappers that put a head before
 * keys.
 *
 * A page of the inner store's collections is asked for, and for each of them a
 * clear of the keys with the head (CLEAR_ALL), or pages of one such key until
 * there is one (COLLECTIONS). CLEAR_ALL goes on with the next page.
 */
#include <string.h>

#include "core/op.h"
#include "evkv/fanout.h"
#include "support/wrapper.h"

#define WALK_PAGE 1000 /* collections looked at in one page */

/* One collection of the page. */
struct walk_name {
	struct evkv_slice inner; /* its name in the inner store */
	struct evkv_slice name;  /* and at this level */
	bool found;              /* it has keys with the head */
};

/* The inner store's collections of one page, in one piece of memory. */
struct walk_page {
	struct evkv_slice cursor; /* of the next page */
	size_t count;
	struct walk_name names[];
};

struct walk {
	struct wrapper *wrapper;
	struct evkv_op *op;
	struct evkv_fanout *fanout;
	struct walk_page *page; /* NULL until the first has come */
	struct evkv_slice cursor;
	struct evkv_match match; /* which collections, as the inner store's */
	size_t next;             /* index of the collection to begin */
	size_t open;             /* steps that are not over */
	bool paging;             /* a page is asked for */
	/* For one call: where the collection that is asked about is. */
	struct evkv_place place;
	char pattern[EVKV_PLACE_ROOM + 2];
};

static bool walk_removes(const struct walk *walk)
{
	return evkv_op_result(walk->op)->kind == EVKV_OP_CLEAR_ALL;
}

/* ---- Pages --------------------------------------------------------------- */

static char *page_add(struct walk_page *page, struct evkv_slice inner,
    size_t head, char *to)
{
	struct walk_name *name = &page->names[page->count++];

	if (inner.size > 0)
		memcpy(to, inner.data, inner.size);
	name->inner = evkv_bytes(to, inner.size);
	name->name = evkv_bytes(to + head, inner.size - head);
	name->found = false;
	return to + inner.size;
}

/* A page of the result's names, copied; NULL = no memory. */
static struct walk_page *page_new(const struct evkv_result *result,
    struct evkv_slice head)
{
	size_t size = sizeof(struct walk_page) +
	    result->count * sizeof(struct walk_name);
	size_t bytes = result->cursor.size, i;
	struct evkv_slice name;
	struct walk_page *page;
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
		if (evkv_match(head, evkv_bytes(NULL, 0), name))
			to = page_add(page, name, head.size, to);
	}
	page->cursor = evkv_bytes(to, result->cursor.size);
	if (result->cursor.size > 0)
		memcpy(to, result->cursor.data, result->cursor.size);
	return page;
}

static void page_ask(struct walk *walk, struct evkv_fanout_ask *ask)
{
	size_t limit = evkv_op_request(walk->op)->match.limit;

	ask->request.kind = EVKV_OP_COLLECTIONS;
	ask->request.match = walk->match;
	ask->request.match.cursor = walk->cursor;
	ask->request.match.limit = limit == 0 || limit > WALK_PAGE ? WALK_PAGE
								   : limit;
}

static void page_came(struct walk *walk, struct evkv_op *child)
{
	struct walk_page *page = page_new(evkv_op_result(child),
	    evkv__wrapper_collection_head(walk->wrapper));

	evkv_free(walk->page);
	walk->page = page;
	walk->next = 0;
	walk->paging = false;
	if (page == NULL)
		evkv_fanout_fail(walk->fanout, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    NULL);
	else
		walk->cursor = page->cursor;
}

/* ---- Steps: an item is a collection's name, or NULL for a page ----------- */

static enum evkv_fanout_next walk_next(void *arg, void **item)
{
	struct walk *walk = arg;
	struct walk_page *page = walk->page;

	*item = NULL;
	if (walk->paging)
		return EVKV_FANOUT_WAIT;
	if (page != NULL && walk->next < page->count) {
		*item = &page->names[walk->next++];
	} else {
		/* The next page takes the place of this one. */
		if (walk->open > 0)
			return EVKV_FANOUT_WAIT;
		if (page != NULL &&
		    (!walk_removes(walk) || page->cursor.size == 0))
			return EVKV_FANOUT_END;
		walk->paging = true;
	}
	walk->open++;
	return EVKV_FANOUT_STEP;
}

static void walk_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	struct walk *walk = arg;
	const struct walk_name *name = item;
	struct evkv_place *place = &walk->place;
	bool removes = walk_removes(walk);
	size_t head;

	ask->store = walk->wrapper->inner;
	if (name == NULL) {
		page_ask(walk, ask);
		return;
	}
	evkv__wrapper_place(walk->wrapper, name->name, place);
	head = place->key_head.size;
	EVKV__ASSERT(head <= EVKV_PLACE_ROOM);
	/* The head alone is nobody's key here. */
	memset(walk->pattern, '?', head + 1);
	walk->pattern[head + 1] = '*';
	ask->request.kind = removes ? EVKV_OP_CLEAR : EVKV_OP_KEYS;
	ask->request.collection = name->inner;
	ask->request.match.prefix = place->key_head;
	ask->request.match.pattern = evkv_bytes(walk->pattern, head + 2);
	ask->request.match.limit = removes ? 0 : 1;
}

static bool walk_came(void *arg, void *item, struct evkv_op *child)
{
	struct walk *walk = arg;
	struct walk_name *name = item;

	if (name == NULL) {
		page_came(walk, child);
		return false;
	}
	name->found = evkv_op_result(child)->count > 0;
	return !name->found;
}

static void walk_over(void *arg, void *item)
{
	struct walk *walk = arg;

	(void)item;
	walk->open--;
}

/* The names are of this level: nothing is to be taken off on the way up. */
static void walk_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct walk *walk = arg;
	const struct walk_page *page = walk->page;
	size_t i;

	if (!failed && !walk_removes(walk)) {
		for (i = 0; i < page->count; i++) {
			if (page->names[i].found &&
			    !evkv_op_add_name(op, page->names[i].name))
				break;
		}
		if (i == page->count && page->cursor.size > 0)
			evkv_op_set_position(op, walk->wrapper->vtable.name,
			    page->cursor);
	}
	evkv_free(walk->page);
	walk->page = NULL;
}

static const struct evkv_fanout_hooks walk_hooks = {
	.size = sizeof(walk_hooks),
	.next = walk_next,
	.ask = walk_ask,
	.came = walk_came,
	.over = walk_over,
	.finish = walk_finish,
};

static bool walk_init(struct walk *walk, struct wrapper *wrapper,
    struct evkv_op *op)
{
	struct evkv_slice head = evkv__wrapper_collection_head(wrapper);
	const struct evkv_request *request;

	memset(walk, 0, sizeof(*walk));
	walk->wrapper = wrapper;
	walk->op = op;
	walk->fanout = evkv_fanout_new(op, &walk_hooks, walk);
	if (walk->fanout == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	request = evkv_op_request(op);
	walk->match = request->match;
	if (!evkv_cursor_open(request, wrapper->vtable.name, &walk->cursor)) {
		evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
		return false;
	}
	return head.size == 0 ||
	    evkv__wrapper_match(op, head, false, &request->match, &walk->match);
}

enum evkv_verdict evkv__wrapper_walk(struct wrapper *wrapper,
    struct evkv_op *op)
{
	struct walk *walk = evkv_op_alloc(op, sizeof(*walk));

	if (walk == NULL)
		return evkv_op_nomem(op);
	return walk_init(walk, wrapper, op) ? evkv_fanout_go(walk->fanout)
					    : EVKV_VERDICT_DONE;
}
