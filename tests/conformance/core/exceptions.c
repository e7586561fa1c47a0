/*
 * tests/conformance/core/exceptions.c - a wrapper whose purpose changes what
 * the suite expects: puts are REFUSED. The suite `refuses` names the cases and
 * the answer, and passes; the others name too few, too many, or the wrong
 * answer.
 */
#include "evkv/driver.h"
#include "suites.h"

static enum evkv_verdict refuse_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_store **node = self;

	if (request->kind == EVKV_OP_PUT && request->count > 0)
		return evkv_op_fail(op, EVKV_REFUSED, EVKV_CAUSE_NONE,
		    "puts are refused");
	return evkv_op_forward(op, evkv_store_inner(*node, 0), request);
}

static void refuse_free(void *self)
{
	evkv_free(self);
}

static const struct evkv_vtable refuse_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "refuse",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = refuse_submit,
	.free = refuse_free,
};

static struct evkv_store *open_refuse(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_store *inner = evkv_conformance_delay(run,
	    evkv_null_new(loop, error), error);
	struct evkv_store **node, *store;

	if (inner == NULL)
		return NULL;
	node = evkv_calloc(1, sizeof(*node));
	store = evkv_store_create(NULL, &refuse_vtable, node,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    error);
	if (store != NULL)
		*node = store;
	return store;
}

#define REFUSED_(name_)                                                        \
	{                                                                      \
		.name = name_, .reason = "puts are refused",                   \
		.kind = EVKV_OP_PUT, .status = EVKV_REFUSED                    \
	}

static const struct evkv_conformance_exception right[] = {
	REFUSED_("put_succeeds_though_nothing_is_kept"),
	{ .name = "put_takes_counted_values", .skipped = true },
	{ .name = NULL },
};
static const struct evkv_conformance_exception passes[] = {
	REFUSED_("get_of_a_missing_key_is_not_found"),
	{ .name = NULL },
};
static const struct evkv_conformance_exception otherwise[] = {
	{ .name = "put_succeeds_though_nothing_is_kept",
	    .kind = EVKV_OP_PUT,
	    .status = EVKV_NOSPACE },
	{ .name = NULL },
};
static const struct evkv_conformance_exception unknown[] = {
	REFUSED_("no_such_case"),
	{ .name = NULL },
};

/* As one whose server is not installed, after it has kept something. */
static void skip_at_setup(struct evkv_conformance *run)
{
	evkv_conformance_set_data(run, evkv_conformance_alloc(run, 100));
	evkv_conformance_skip(run, "there is no server");
}

#define SUITE_(name_, exceptions_)                                             \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = name_,  \
		.open = open_refuse, .quirks = EVKV_CONFORMANCE_FORGETS,       \
		.exceptions = exceptions_                                      \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_("right", right),
	SUITE_("none", NULL),
	SUITE_("passes", passes),
	SUITE_("otherwise", otherwise),
	SUITE_("unknown", unknown),
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "lacking",
	    .setup = skip_at_setup,
	    .open = open_refuse },
	{ .name = NULL },
};
