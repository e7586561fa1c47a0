/*
 * tests/lib/scripted.c - the store that does nothing until the test says so.
 *
 * Whatever is pending when the store is closed must be completed: with
 * SCRIPTED_CLOSE_LATER by the test, else by the close slot.
 */
#include "scripted.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static void scripted_push(struct scripted *script, struct evkv_op *op)
{
	if (script->count == script->size) {
		script->size = script->size == 0 ? 16 : script->size * 2;
		script->ops = realloc(script->ops,
		    script->size * sizeof(*script->ops));
		if (script->ops == NULL)
			abort();
	}
	script->ops[script->count++] = (struct scripted_op){ op, false };
}

static struct evkv_op *scripted_take(struct scripted *script, size_t i)
{
	struct evkv_op *op = script->ops[i].op;

	memmove(&script->ops[i], &script->ops[i + 1],
	    (script->count - i - 1) * sizeof(*script->ops));
	script->count--;
	return op;
}

static void scripted_fill(struct evkv_op *op, enum evkv_status status)
{
	const struct evkv_request *request = evkv_op_request(op);
	uint32_t classes = evkv_kind_classes(request->kind);
	size_t i;

	if ((classes & EVKV_CLASS_HAS_KEYS) == 0) {
		if (evkv_failed(status))
			(void)evkv_op_fail(op, status, EVKV_CAUSE_SERVER,
			    "scripted");
		return;
	}
	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = status;
	if (evkv_failed(status))
		evkv_op_explain(op, EVKV_CAUSE_SERVER, 0, "scripted");
}

/* ---- Slots ------------------------------------------------------------ */

static enum evkv_verdict scripted_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct scripted *script = self;

	(void)request;
	script->submits++;
	if (script->immediate) {
		scripted_fill(op, script->status);
		return EVKV_VERDICT_DONE;
	}
	if (!evkv_op_keep(op))
		return evkv_op_nomem(op);
	scripted_push(script, op);
	return EVKV_VERDICT_PENDING;
}

static size_t scripted_find(const struct scripted *script,
    const struct evkv_op *op)
{
	size_t i;

	for (i = 0; i < script->count; i++) {
		if (script->ops[i].op == op)
			return i;
	}
	fail_test("stop of an op that is not pending");
}

static void scripted_on_stop(void *self, struct evkv_op *op)
{
	struct scripted *script = self;
	size_t i = scripted_find(script, op);

	script->stops++;
	script->ops[i].stopped = true;
	if (script->stop == SCRIPTED_STOP_MARKS)
		(void)evkv_op_mark_sent(op);
	if (script->stop != SCRIPTED_STOP_COMPLETES)
		return;
	op = scripted_take(script, i);
	(void)evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

static void scripted_on_close(void *self)
{
	struct scripted *script = self;

	script->closes++;
	if (script->close == SCRIPTED_CLOSE_LATER)
		return;
	scripted_complete_all(script, EVKV_CLOSED);
	evkv_store_closed(script->store);
}

static void scripted_on_free(void *self)
{
	struct scripted *script = self;

	script->frees++;
	script->store = NULL;
}

static const struct evkv_vtable scripted_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "scripted",
	.submit = scripted_submit,
	.stop = scripted_on_stop,
	.close = scripted_on_close,
	.free = scripted_on_free,
};

static const struct evkv_vtable scripted_vtable_no_stop = {
	.size = sizeof(struct evkv_vtable),
	.name = "scripted",
	.submit = scripted_submit,
	.close = scripted_on_close,
	.free = scripted_on_free,
};

static const struct evkv_vtable scripted_vtable_no_close = {
	.size = sizeof(struct evkv_vtable),
	.name = "scripted",
	.submit = scripted_submit,
	.stop = scripted_on_stop,
	.free = scripted_on_free,
};

/* ---- For the test ----------------------------------------------------- */

struct scripted *scripted_new(void)
{
	struct scripted *script = calloc(1, sizeof(*script));

	if (script == NULL)
		abort();
	script->stop = SCRIPTED_STOP_HOLDS;
	script->state = EVKV_STATE_READY;
	script->capabilities = (struct evkv_capabilities){
		.kinds = EVKV_KINDS_BASIC,
		.put_conditions = EVKV_IF_BASIC,
		.flags = EVKV_STORE_EXACT_AFFECTED,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};
	return script;
}

void scripted_free(struct scripted *script)
{
	free(script->ops);
	free(script);
}

struct evkv_store *scripted_store(struct scripted *script,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const struct evkv_vtable *vtable = &scripted_vtable;

	if (script->stop == SCRIPTED_NO_STOP)
		vtable = &scripted_vtable_no_stop;
	else if (script->close == SCRIPTED_NO_CLOSE)
		vtable = &scripted_vtable_no_close;
	script->store = evkv_store_create(loop, vtable, script,
	    &(struct evkv_store_config){
		.capabilities = &script->capabilities,
		.state = script->state,
	    },
	    error);
	return script->store;
}

size_t scripted_count(const struct scripted *script)
{
	return script->count;
}

const struct evkv_request *scripted_request(const struct scripted *script,
    size_t i)
{
	check(i < script->count);
	return evkv_op_request(script->ops[i].op);
}

bool scripted_mark_sent(struct scripted *script, size_t i)
{
	check(i < script->count);
	return evkv_op_mark_sent(script->ops[i].op);
}

void scripted_complete(struct scripted *script, size_t i,
    enum evkv_status status)
{
	struct evkv_op *op;

	check(i < script->count);
	op = scripted_take(script, i);
	scripted_fill(op, status);
	evkv_op_complete(op);
}

void scripted_complete_value(struct scripted *script, size_t i,
    struct evkv_slice value, int64_t ttl_ms)
{
	struct evkv_op *op;
	size_t j;

	check(i < script->count);
	op = scripted_take(script, i);
	for (j = 0; j < evkv_op_request(op)->count; j++) {
		if (evkv_op_copy_value(op, j, value))
			evkv_op_entry(op, j)->ttl_ms = ttl_ms;
		else
			evkv_op_entry(op, j)->status = EVKV_NOMEM;
	}
	evkv_op_complete(op);
}

void scripted_complete_all(struct scripted *script, enum evkv_status status)
{
	while (script->count > 0)
		scripted_complete(script, 0, status);
}

void scripted_closed(struct scripted *script)
{
	evkv_store_closed(script->store);
}
