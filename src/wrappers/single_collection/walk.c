/*
 * wrappers/single_collection/walk.c - collections and clear_all.
 *
 * Pages of all keys are asked for. For collections, the ones that they belong
 * to are the answer, each once; a page that brings none is followed by the next
 * one, up to a bound. For clear_all each collection is cleared by its head, so
 * that what belongs to others stays, and the next page is asked for.
 *
 * With an inner store that keeps keys in order, those of one collection follow
 * each other: the cursor has the name that was answered last, besides the inner
 * cursor, and so none is answered twice.
 */
#include <string.h>

#include "evkv/fanout.h"
#include "wrappers/single_collection/single_collection.h"

#define WALK_KEYS 256 /* in a page */
#define WALK_PAGES 64 /* without a name, for one page of ours */

static const char walk_name[] = "single_collection";

struct walk_collection {
	size_t size;
	char name[EVKV_COLLECTION_MAX];
};

struct walk {
	struct single_collection *self;
	struct evkv_op *op;
	struct evkv_fanout *fanout;
	struct evkv_slice cursor; /* of the next page of keys */
	bool paging, paged;       /* a page is asked for; one has come */
	unsigned pages;           /* that brought no name */
	size_t open;              /* steps that are not over */
	/* The collections of the page; for collections `last` alone counts. */
	struct walk_collection *found;
	size_t found_count, next;
	struct walk_collection last; /* answered last */
	bool has_last;
	/* For one call: how a collection's keys are selected. */
	char head[HEAD_MAX], pattern[HEAD_MAX + 2];
};

static bool walk_removes(const struct walk *walk)
{
	return evkv_op_result(walk->op)->kind == EVKV_OP_CLEAR_ALL;
}

/* ---- What a page brings ------------------------------------------------- */

static bool is_same(const struct walk_collection *collection,
    struct evkv_slice name)
{
	return evkv_slice_equal(evkv_bytes(collection->name, collection->size),
	    name);
}

static void set_name(struct walk_collection *collection, struct evkv_slice name)
{
	collection->size = name.size;
	memcpy(collection->name, name.data, name.size);
}

static bool is_found(const struct walk *walk, struct evkv_slice name)
{
	size_t i;

	for (i = 0; i < walk->found_count; i++) {
		if (is_same(&walk->found[i], name))
			return true;
	}
	return false;
}

/* The collection of one key; false: no memory, and the op has failed. */
static bool take_key(struct walk *walk, struct evkv_slice key)
{
	const struct evkv_match *match = &evkv_op_request(walk->op)->match;
	char bytes[EVKV_COLLECTION_MAX];
	struct evkv_slice name;

	if (!evkv__single_collection_of(walk->self->separator, key, bytes,
		&name) ||
	    !evkv_match(match->prefix, match->pattern, name) ||
	    is_found(walk, name))
		return true;
	set_name(&walk->found[walk->found_count++], name);
	if (walk_removes(walk) ||
	    (walk->has_last && is_same(&walk->last, name)))
		return true;
	walk->has_last = true;
	set_name(&walk->last, name);
	return evkv_op_add_name(walk->op, name);
}

/* Whether the next page is to follow at once. */
static bool page_came(struct walk *walk, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	size_t i;

	walk->paging = false;
	walk->paged = true;
	walk->found_count = walk->next = 0;
	for (i = 0; i < result->count; i++) {
		/* A page may be longer than it was asked to be. */
		if (walk->found_count == WALK_KEYS)
			walk->found_count = 0;
		if (!take_key(walk, evkv_result_entry(result, i)->name))
			break;
	}
	if (i < result->count ||
	    !evkv_op_copy(walk->op, result->cursor, &walk->cursor)) {
		evkv_fanout_fail(walk->fanout, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    NULL);
		return false;
	}
	return !walk_removes(walk) && evkv_op_entry_count(walk->op) == 0 &&
	    ++walk->pages < WALK_PAGES;
}

/* ---- Steps: an item is a collection, or NULL for a page ----------------- */

static enum evkv_fanout_next walk_next(void *arg, void **item)
{
	struct walk *walk = arg;

	*item = NULL;
	if (walk->paging)
		return EVKV_FANOUT_WAIT;
	if (walk_removes(walk) && walk->next < walk->found_count) {
		*item = &walk->found[walk->next++];
	} else {
		/* The next page takes the place of this one. */
		if (walk->open > 0)
			return EVKV_FANOUT_WAIT;
		if (walk->paged &&
		    (!walk_removes(walk) || walk->cursor.size == 0))
			return EVKV_FANOUT_END;
		walk->paging = true;
	}
	walk->open++;
	return EVKV_FANOUT_STEP;
}

static void walk_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	struct walk *walk = arg;
	const struct walk_collection *found = item;
	struct single_collection *self = walk->self;
	size_t limit = evkv_op_request(walk->op)->match.limit, head;

	ask->store = self->inner;
	ask->request.collection = self->collection;
	if (found == NULL) {
		ask->request.kind = EVKV_OP_KEYS;
		ask->request.match.limit = limit == 0 || limit > WALK_KEYS
		    ? WALK_KEYS
		    : limit;
		if (ask->request.match.cursor.size == 0)
			ask->request.match.cursor = walk->cursor;
		return;
	}
	head = evkv__single_head(self->separator,
	    evkv_bytes(found->name, found->size), walk->head);
	/* The head alone is nobody's key here. */
	memset(walk->pattern, '?', head + 1);
	walk->pattern[head + 1] = '*';
	ask->request.kind = EVKV_OP_CLEAR;
	ask->request.match.prefix = evkv_bytes(walk->head, head);
	ask->request.match.pattern = evkv_bytes(walk->pattern, head + 2);
}

static bool walk_came(void *arg, void *item, struct evkv_op *child)
{
	return item == NULL && page_came(arg, child);
}

static void walk_over(void *arg, void *item)
{
	struct walk *walk = arg;

	(void)item;
	walk->open--;
}

/* The size of the last name, the name, the inner cursor. */
static void set_position(struct walk *walk)
{
	size_t size = walk->has_last ? walk->last.size : 0;
	unsigned char *bytes = evkv_op_alloc(walk->op,
	    2 + size + walk->cursor.size);

	if (bytes == NULL) {
		evkv_op_nomem(walk->op);
		return;
	}
	bytes[0] = walk->has_last;
	bytes[1] = (unsigned char)size;
	memcpy(bytes + 2, walk->last.name, size);
	memcpy(bytes + 2 + size, walk->cursor.data, walk->cursor.size);
	evkv_op_set_position(walk->op, walk_name,
	    evkv_bytes(bytes, 2 + size + walk->cursor.size));
}

static bool read_position(struct walk *walk, struct evkv_slice position)
{
	const unsigned char *bytes = position.data;

	if (position.size == 0)
		return true;
	if (position.size < 2 || position.size - 2 < bytes[1])
		return false;
	walk->has_last = bytes[0] != 0;
	set_name(&walk->last, evkv_bytes(bytes + 2, bytes[1]));
	walk->cursor = evkv_bytes(bytes + 2 + bytes[1],
	    position.size - 2 - bytes[1]);
	return true;
}

static void walk_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct walk *walk = arg;

	(void)op;
	if (!failed && !walk_removes(walk) && walk->cursor.size > 0)
		set_position(walk);
	evkv_free(walk->found);
	walk->found = NULL;
}

static const struct evkv_fanout_hooks walk_hooks = {
	.size = sizeof(walk_hooks),
	.next = walk_next,
	.ask = walk_ask,
	.came = walk_came,
	.over = walk_over,
	.finish = walk_finish,
};

enum evkv_verdict evkv__single_collection_walk(struct single_collection *self,
    struct evkv_op *op)
{
	struct walk *walk = evkv_op_alloc(op, sizeof(*walk));
	struct evkv_slice position;

	if (walk == NULL)
		return evkv_op_nomem(op);
	memset(walk, 0, sizeof(*walk));
	walk->self = self;
	walk->op = op;
	walk->fanout = evkv_fanout_new(op, &walk_hooks, walk);
	if (walk->fanout == NULL)
		return evkv_op_nomem(op);
	if (!evkv_cursor_open(evkv_op_request(op), walk_name, &position) ||
	    !read_position(walk, position))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	walk->found = evkv_calloc(WALK_KEYS, sizeof(*walk->found));
	if (walk->found == NULL)
		return evkv_op_nomem(op);
	return evkv_fanout_go(walk->fanout);
}
