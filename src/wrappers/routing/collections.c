/*
 * wrappers/routing/collections.c - COLLECTIONS: a walk through the stores.
 *
 * One page of one store after the other, until the page is full or many were
 * looked at. Names that are routed to another store are left out. A cursor has
 * the number of the store where the next page begins, and that store's own.
 *
 * Failure modes: that of a store ends the page.
 */
#include <string.h>

#include "evkv/fanout.h"
#include "wrappers/routing/routing.h"

#define WALK_LIMIT 1000
#define WALK_PAGES 64 /* of stores, for one of ours */

struct walk {
	struct routing *self;
	struct evkv_op *op;
	struct evkv_fanout *fanout;
	struct evkv_match match;
	size_t at;                /* the store */
	struct evkv_slice cursor; /* where its next page begins */
	unsigned pages;
};

static size_t walk_left(const struct walk *walk)
{
	size_t count = evkv_op_entry_count(walk->op);

	return count < walk->match.limit ? walk->match.limit - count : 0;
}

static enum evkv_fanout_next walk_next(void *arg, void **item)
{
	struct walk *walk = arg;

	if (walk->at == walk->self->store_count || walk_left(walk) == 0 ||
	    walk->pages == WALK_PAGES)
		return EVKV_FANOUT_END;
	walk->pages++;
	*item = walk;
	return EVKV_FANOUT_STEP;
}

static void walk_ask(void *arg, void *item, struct evkv_fanout_ask *ask)
{
	struct walk *walk = arg;

	(void)item;
	ask->store = walk->self->stores[walk->at];
	ask->request.kind = EVKV_OP_COLLECTIONS;
	ask->request.match = evkv__routes_match(walk->self, walk->at,
	    &walk->match);
	ask->request.match.cursor = walk->cursor;
	ask->request.match.limit = walk_left(walk);
	ask->flags = EVKV_CHILD_BORROWS;
}

/* The names that the store has by its route; false = no memory. */
static bool take_names(struct walk *walk, const struct evkv_result *result)
{
	struct evkv_slice name;
	size_t i;

	for (i = 0; i < result->count; i++) {
		name = evkv_result_entry(result, i)->name;
		if (evkv__routes_store(walk->self, name) == walk->at &&
		    !evkv_op_add_name(walk->op, name))
			return false;
	}
	return true;
}

static bool walk_came(void *arg, void *item, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_slice cursor = evkv_bytes(NULL, 0);
	struct walk *walk = arg;

	(void)item;
	if (!take_names(walk, result) ||
	    (result->cursor.size > 0 &&
		!evkv_op_copy(walk->op, result->cursor, &cursor)))
		evkv_fanout_fail(walk->fanout, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    NULL);
	if (cursor.size == 0)
		walk->at++;
	walk->cursor = cursor;
	return false;
}

static void walk_finish(void *arg, struct evkv_op *op, bool failed)
{
	struct walk *walk = arg;
	unsigned char *position;

	if (failed || walk->at == walk->self->store_count)
		return;
	position = evkv_op_alloc(op, 1 + walk->cursor.size);
	if (position == NULL) {
		evkv_op_nomem(op);
		return;
	}
	position[0] = (unsigned char)walk->at;
	if (walk->cursor.size > 0)
		memcpy(position + 1, walk->cursor.data, walk->cursor.size);
	evkv_op_set_position(op, ROUTING_NAME,
	    evkv_bytes(position, 1 + walk->cursor.size));
}

static const struct evkv_fanout_hooks walk_hooks = {
	.size = sizeof(walk_hooks),
	.next = walk_next,
	.ask = walk_ask,
	.came = walk_came,
	.finish = walk_finish,
	.most = 1,
};

/* Where the cursor says; false where it is none of ours. */
static bool walk_begin(struct walk *walk, const struct evkv_request *request)
{
	struct evkv_slice position;
	const unsigned char *bytes;

	if (!evkv_cursor_open(request, ROUTING_NAME, &position))
		return false;
	if (request->match.cursor.size == 0)
		return true;
	bytes = position.data;
	if (position.size == 0 || bytes[0] >= walk->self->store_count)
		return false;
	walk->at = bytes[0];
	walk->cursor = evkv_bytes(bytes + 1, position.size - 1);
	return true;
}

enum evkv_verdict evkv__routing_collections(struct routing *self,
    struct evkv_op *op)
{
	struct walk *walk = evkv_op_alloc(op, sizeof(*walk));

	if (walk == NULL)
		return evkv_op_nomem(op);
	*walk = (struct walk){ .self = self, .op = op };
	walk->fanout = evkv_fanout_new(op, &walk_hooks, walk);
	if (walk->fanout == NULL)
		return evkv_op_nomem(op);
	/* The inputs are kept now. */
	walk->match = evkv_op_request(op)->match;
	if (walk->match.limit == 0)
		walk->match.limit = WALK_LIMIT;
	if (!walk_begin(walk, evkv_op_request(op)))
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	return evkv_fanout_go(walk->fanout);
}
