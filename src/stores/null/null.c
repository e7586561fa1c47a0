/*
 * The null store: every write succeeds and is forgotten, every look-up misses.
 *
 * It answers each op at once, inside submit. A put IF_PRESENT finds nothing, as
 * all look-ups do. It has no pages, so any cursor is a foreign one: INVALID.
 */
#include "evkv/stores/null.h"

#include "evkv/driver.h"

static enum evkv_verdict null_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	size_t i;

	(void)self;
	if (request->kind >= EVKV_KIND_COUNT)
		return evkv_op_unsupported(op);
	if (request->match.cursor.size > 0)
		return evkv_op_fail(op, EVKV_INVALID, EVKV_CAUSE_NONE,
		    "cursor: not one of this query");
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) == 0)
		return EVKV_VERDICT_DONE;
	if (request->kind == EVKV_OP_PUT &&
	    request->condition != EVKV_IF_PRESENT)
		return EVKV_VERDICT_DONE;

	for (i = 0; i < request->count; i++)
		evkv_op_entry(op, i)->status = EVKV_NOT_FOUND;
	return EVKV_VERDICT_DONE;
}

/* A null store has no state: any address will do as its self. */
static char null_self;

static void null_free(void *self)
{
	(void)self;
}

static const struct evkv_vtable null_vtable = {
	.size = sizeof(null_vtable),
	.name = "null",
	.submit = null_submit,
	.free = null_free,
};

struct evkv_store *evkv_null_new(struct evkv_loop *loop,
    struct evkv_error *error)
{
	static const struct evkv_capabilities capabilities = {
		.kinds = EVKV_KINDS_BASIC,
		.put_conditions = EVKV_IF_BASIC,
		.flags = EVKV_STORE_KEY_ORDER | EVKV_STORE_ATOMIC_CONDITION |
		    EVKV_STORE_ENUM_UNIQUE | EVKV_STORE_EXACT_AFFECTED |
		    EVKV_STORE_IN_PROCESS,
		.max_key = EVKV_KEY_MAX,
		.max_value = EVKV_VALUE_MAX,
		.ttl_unit_ms = 1,
	};

	return evkv_store_create(loop, &null_vtable, &null_self,
	    &(struct evkv_store_config){
		.capabilities = &capabilities,
		.state = EVKV_STATE_READY,
	    },
	    error);
}
