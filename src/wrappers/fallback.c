/*
 * wrappers/fallback.c - a second store for when the first one fails.
 *
 * Happy path: the primary has the answer, of a child, and that is taken over.
 * What is the primary's alone is forwarded to it.
 *
 * Failures: entries that failed so that the second store may be asked are asked
 * there, in a second child. An entry that the second store answers gets that
 * answer; one that it fails keeps the primary's failure. Without memory
 * for the second child the primary's answers stay as they are.
 *
 * The core keeps the order of each key: what follows waits for both stores.
 */
#include "evkv/wrappers/fallback.h"

#include "evkv/driver.h"
#include "support/options.h"
#include "support/pick.h"
#include "wrappers/types.h"

#define NO_EFFECT                                                              \
	(EVKV_STATUS_BIT(EVKV_BUSY) | EVKV_STATUS_BIT(EVKV_TIMEOUT) |          \
	    EVKV_STATUS_BIT(EVKV_UNAVAILABLE))

struct fallback {
	struct evkv_store *primary, *second;
	struct evkv_fallback_options options;
	uint64_t count;
	struct evkv_fallback_options given; /* for describe */
};

struct call {
	struct fallback *fallback;
	struct evkv_op *op;
	struct evkv_request request; /* to the primary, then to the second */
	uint32_t *places; /* in the operation, of the second's entries */
	bool stopped;     /* abandoned */
};

/* ---- The second store --------------------------------------------------- */

static bool is_for_second(const struct call *call, enum evkv_status status)
{
	const struct evkv_fallback_options *options = &call->fallback->options;
	uint32_t statuses = options->statuses;

	if ((evkv_kind_classes(call->request.kind) & EVKV_CLASS_WRITES) != 0)
		statuses &= NO_EFFECT;
	else if (options->on_miss && status == EVKV_NOT_FOUND)
		return true;
	return (statuses & EVKV_STATUS_BIT(status)) != 0;
}

/* Which of the operation's entries are; how many. */
static size_t find_places(struct call *call, uint32_t *places)
{
	const struct evkv_result *result = evkv_op_result(call->op);
	size_t count = 0, i;

	for (i = 0; i < call->request.count; i++) {
		if (!is_for_second(call, evkv_result_entry(result, i)->status))
			continue;
		if (places != NULL)
			places[count] = (uint32_t)i;
		count++;
	}
	return count;
}

/* A failure of the second store's is none of ours. */
static void second_answered(struct evkv_op *child, void *arg)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct call *call = arg;
	size_t i;

	for (i = 0; child != NULL && i < result->count; i++) {
		if (!evkv_failed(evkv_result_entry(result, i)->status))
			evkv_op_take(call->op, call->places[i], child, i);
	}
	evkv_op_settle(call->op);
	evkv_op_complete(call->op);
}

/* false: there is nothing to ask of it, or no memory for that. */
static bool ask_second(struct call *call)
{
	size_t count = call->stopped ? 0 : find_places(call, NULL);

	if (count == 0)
		return false;
	call->places = evkv_op_alloc(call->op, count * sizeof(*call->places));
	if (call->places == NULL)
		return false;
	find_places(call, call->places);
	if (count < call->request.count &&
	    !evkv__request_pick(call->op, &call->request, call->places, count))
		return false;
	call->fallback->count++;
	call->request.timeout_ms = 0;
	evkv_child_submit(call->op, call->fallback->second, &call->request,
	    EVKV_CHILD_BORROWS, second_answered, call);
	return true;
}

/* ---- The primary -------------------------------------------------------- */

static void primary_answered(struct evkv_op *child, void *arg)
{
	struct call *call = arg;

	if (child != NULL)
		evkv_op_take_all(call->op, child);
	else
		evkv_op_nomem(call->op);
	if (child == NULL || !ask_second(call))
		evkv_op_complete(call->op);
}

/* Whether the second store may be asked for such an operation at all. */
static bool has_second(const struct fallback *fallback,
    const struct evkv_request *request)
{
	switch (request->kind) {
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
	case EVKV_OP_EXISTS: return (request->flags & EVKV_FLAG_VERSIONS) == 0;
	case EVKV_OP_PUT:
	case EVKV_OP_DELETE:
	case EVKV_OP_TOUCH:
		return fallback->options.writes &&
		    request->condition == EVKV_IF_ANY &&
		    (request->flags & EVKV_FLAG_VERSIONS) == 0;
	default: return false;
	}
}

static enum evkv_verdict fallback_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	const uint32_t flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	struct fallback *fallback = self;
	struct call *call;

	if (!has_second(fallback, request))
		return evkv_op_forward(op, fallback->primary, request);
	call = evkv_op_alloc(op, sizeof(*call));
	if (call == NULL)
		return evkv_op_nomem(op);
	*call = (struct call){
		.fallback = fallback,
		.op = op,
		.request = *request,
	};
	call->request.flags &= ~flags;
	call->request.timeout_ms = fallback->options.timeout_ms;
	evkv_op_set_data(op, call);
	evkv_child_submit(op, fallback->primary, &call->request,
	    EVKV_CHILD_BORROWS, primary_answered, call);
	return EVKV_VERDICT_PENDING;
}

/* A child that is under way ends by its own stop. */
static void fallback_stop(void *self, struct evkv_op *op)
{
	struct call *call = evkv_op_data(op);

	(void)self;
	call->stopped = true;
}

static void fallback_free(void *self)
{
	evkv_free(self);
}

static enum evkv_peek fallback_peek(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct fallback *fallback = self;
	enum evkv_peek answer = evkv_store_peek(fallback->primary, request,
	    value);

	if (answer == EVKV_PEEK_MISS && fallback->options.on_miss)
		return EVKV_PEEK_DECLINE;
	return answer;
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_fallback_options, __VA_ARGS__)

static const struct evkv_url_option fallback_options[] = {
	ROW("on_miss", on_miss, EVKV_URL_BOOL, 0, 0,
	    "ask the second store also for what is not there", NULL),
	ROW("writes", writes, EVKV_URL_BOOL, 0, 0,
	    "plain writes that had no effect go to the second store", NULL),
	ROW("timeout", timeout_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "how long the primary may take", NULL),
};

static struct evkv_store *fallback_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_fallback_new(making->inner[0], making->inner[1],
	    making->options, error);
}

const struct evkv_type evkv__fallback_type = {
	.size = sizeof(struct evkv_type),
	.name = "fallback",
	.summary = "asks a second store where the first one fails",
	.options = fallback_options,
	.option_count = sizeof(fallback_options) / sizeof(fallback_options[0]),
	.options_size = sizeof(struct evkv_fallback_options),
	.inner_min = 2,
	.inner_max = 2,
	.make = fallback_make,
};

static void fallback_describe(void *arg, struct evkv_text *text)
{
	struct fallback *self = arg;

	evkv_text_options(text, &evkv__fallback_type, &self->given);
}

static const struct evkv_vtable fallback_vtable = {
	.size = sizeof(fallback_vtable),
	.name = "fallback",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS |
	    EVKV_VTABLE_ORDERED,
	.submit = fallback_submit,
	.stop = fallback_stop,
	.free = fallback_free,
	.peek = fallback_peek,
	.describe = fallback_describe,
};

uint64_t evkv_fallback_count(const struct evkv_store *store)
{
	const struct fallback *fallback = evkv_store_self(store,
	    &fallback_vtable);

	return fallback != NULL ? fallback->count : 0;
}

/* ---- Making ------------------------------------------------------------- */

static struct fallback *fallback_self(struct evkv_store *const *inner,
    const struct evkv_fallback_options *options)
{
	struct fallback *fallback = evkv_calloc(1, sizeof(*fallback));

	if (fallback == NULL)
		return NULL;
	fallback->primary = inner[0];
	fallback->second = inner[1];
	fallback->given = fallback->options = *options;
	if (options->statuses == 0)
		fallback->options.statuses = NO_EFFECT |
		    EVKV_STATUS_BIT(EVKV_REFUSED) |
		    EVKV_STATUS_BIT(EVKV_SERVER) |
		    EVKV_STATUS_BIT(EVKV_CORRUPT) | EVKV_STATUS_BIT(EVKV_IO);
	return fallback;
}

struct evkv_store *evkv_fallback_new_sized(struct evkv_store *primary,
    struct evkv_store *second, const struct evkv_fallback_options *given,
    size_t size, struct evkv_error *error)
{
	struct evkv_store *const inner[] = { primary, second };
	const struct evkv_store_config config = {
		.inner = inner,
		.inner_count = 2,
		.auxiliary = 1 << 1, /* the second */
	};
	struct evkv_fallback_options options;

	if (!evkv_options_read(&options, sizeof(options), given, size, error) ||
	    !evkv_type_check(&evkv__fallback_type, &options, error) ||
	    !evkv__option_statuses(&evkv__fallback_type, options.statuses,
		error)) {
		evkv_store_unref(primary);
		if (second != primary)
			evkv_store_unref(second);
		return NULL;
	}
	return evkv_store_create(NULL, &fallback_vtable,
	    primary != NULL && second != NULL ? fallback_self(inner, &options)
					      : NULL,
	    &config, error);
}
