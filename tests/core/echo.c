/* tests/core/echo.c - a wrapper that passes everything on. */
#include "echo.h"

#include <string.h>

static unsigned echo_orders;

static void echo_join_done(struct echo_join *join)
{
	if (--join->count > 0 || join->op == NULL)
		return;
	if (evkv_failed(join->status))
		(void)evkv_op_cut(join->op, join->status, EVKV_CAUSE_SERVER,
		    "a child failed");
	if (join->submitted)
		evkv_op_complete(join->op);
}

void echo_on_child(struct evkv_op *child, void *arg)
{
	struct echo_join *join = arg;
	const struct evkv_result *result = evkv_op_result(child);

	join->echo->ends++;
	join->echo->ended = result->status;
	join->echo->child = NULL;
	if (evkv_failed(result->status))
		join->status = result->status;
	else if (join->echo->mode == ECHO_CHILD && child != NULL)
		evkv_op_take_all(join->op, child);
	echo_join_done(join);
}

static enum evkv_verdict echo_children(struct echo *echo, struct evkv_op *op,
    const struct evkv_request *request)
{
	unsigned children = echo->mode == ECHO_PAIR ? 2 : 1, i;
	struct echo_join *join = evkv_op_alloc(op, sizeof(*join));
	struct evkv_request *derived;

	if (join == NULL || !evkv_op_keep(op))
		return evkv_op_nomem(op);
	derived = evkv_op_derive(op, evkv_op_request(op));
	if (derived == NULL)
		return evkv_op_nomem(op);
	(void)request;
	derived->timeout_ms = echo->child_timeout_ms;
	*join = (struct echo_join){ .echo = echo, .op = op, .count = 1 };
	for (i = 0; i < children; i++) {
		join->count++;
		echo->child = evkv_child_submit(op,
		    evkv_store_inner(echo->store, 0), derived,
		    echo->child_flags, echo_on_child, join);
	}
	if (join->count == 1) {
		echo_join_done(join);
		return EVKV_VERDICT_DONE;
	}
	join->submitted = true;
	echo_join_done(join);
	return EVKV_VERDICT_PENDING;
}

static enum evkv_verdict echo_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct echo *echo = self;
	struct evkv_request *derived;
	struct evkv_slice name;

	if (echo->mode != ECHO_FORWARD)
		return echo_children(echo, op, request);
	derived = evkv_op_derive(op, request);
	if (derived == NULL || !evkv_op_copy(op, EVKV_LIT("inner"), &name))
		return evkv_op_nomem(op);
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_COLLECTION) != 0)
		derived->collection = name;
	evkv_op_set_data(op, echo);
	return evkv_op_forward(op, evkv_store_inner(echo->store, 0), derived);
}

static void echo_complete(void *self, struct evkv_op *op)
{
	struct echo *echo = self;
	struct evkv_slice collection = evkv_op_request(op)->collection;

	check(echo->mode == ECHO_FORWARD && evkv_op_data(op) == echo);
	echo->completes++;
	echo->complete_order = ++echo_orders;
	memcpy(echo->name, collection.data, collection.size);
	echo->seen = evkv_bytes(echo->name, collection.size);
}

static void echo_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	struct echo *echo = self;

	(void)op;
	echo->detaches++;
	echo->detached = status;
}

static void echo_free(void *self)
{
	((struct echo *)self)->frees++;
}

const struct evkv_vtable echo_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "echo",
	.flags = EVKV_VTABLE_KEEPS,
	.kinds = EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_PUT) |
	    EVKV_KIND_BIT(EVKV_OP_TTL) | EVKV_KIND_BIT(EVKV_OP_KEYS),
	.conditions = EVKV_IF_BASIC,
	.submit = echo_submit,
	.complete = echo_complete,
	.detached = echo_detached,
	.free = echo_free,
};

const struct evkv_vtable echo_vtable_transparent = {
	.size = sizeof(struct evkv_vtable),
	.name = "glass",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = echo_submit,
	.free = echo_free,
};

struct evkv_store *echo_new(struct echo *echo, const struct evkv_vtable *vtable,
    struct evkv_store *inner)
{
	echo->store = evkv_store_create(NULL, vtable, echo,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
	return echo->store;
}

void echo_open(struct scene *s, struct echo *echo, enum scripted_stop stop)
{
	scene_open(s, stop, SCRIPTED_CLOSE_AT_ONCE);
	s->store = echo_new(echo, &echo_vtable, s->store);
	check(s->store != NULL);
}
