/*
 * wrappers/timeout.c - a bound on how long the store below may take.
 *
 * Happy path: the operation goes on as a child with a deadline of its own, and
 * takes over its answer. An inline get passes by peek.
 *
 * Failures: past the deadline the core ends the child with TIMEOUT, or with
 * UNKNOWN_OUTCOME where it was sent, and that is the answer; below, it
 * ends without a waiter. Without memory for a child the answer is NOMEM. A
 * detached operation ends within the same deadline.
 */
#include "evkv/wrappers/timeout.h"

#include "evkv/driver.h"
#include "support/options.h"
#include "wrappers/types.h"

struct timeout {
	struct evkv_store *inner;
	int64_t keyed_ms;
	int64_t span_ms;                   /* -1 = none */
	struct evkv_timeout_options given; /* for describe */
};

/* In milliseconds; 0 or less = no bound. */
static int64_t timeout_of(const struct timeout *self,
    const struct evkv_request *request)
{
	uint32_t classes = evkv_kind_classes(request->kind);

	if ((classes & EVKV_CLASS_HAS_KEYS) != 0)
		return self->keyed_ms;
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0)
		return -1;
	return self->span_ms;
}

static void timeout_answered(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;

	if (child != NULL)
		evkv_op_take_all(op, child);
	else
		evkv_op_nomem(op);
	evkv_op_complete(op);
}

/* The child keeps what it needs of the request: we need it no more. */
static enum evkv_verdict timeout_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	const uint32_t flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	struct timeout *self = arg;
	struct evkv_request bounded = *request;

	bounded.timeout_ms = timeout_of(self, request);
	if (bounded.timeout_ms <= 0)
		return evkv_op_forward(op, self->inner, request);
	bounded.flags &= ~flags;
	evkv_child_submit(op, self->inner, &bounded, 0, timeout_answered, op);
	return EVKV_VERDICT_PENDING;
}

static void timeout_free(void *self)
{
	evkv_free(self);
}

static enum evkv_peek timeout_peek(void *arg,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct timeout *self = arg;

	return evkv_store_peek(self->inner, request, value);
}

/* ---- By text ------------------------------------------------------------ */

static const struct evkv_url_option timeout_options[] = {
	{ .name = "timeout",
	    .field = "timeout_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = offsetof(struct evkv_timeout_options, timeout_ms),
	    .min = 1,
	    .max = EVKV_TTL_MAX,
	    .summary = "for operations that name keys",
	    .flags = EVKV_OPTION_REQUIRED },
	{ .name = "span_timeout",
	    .field = "span_timeout_ms",
	    .type = EVKV_URL_DURATION,
	    .offset = offsetof(struct evkv_timeout_options, span_timeout_ms),
	    .min = -1,
	    .max = EVKV_TTL_MAX,
	    .summary = "for all others; -1 = no bound",
	    .standard = "as timeout" },
};

static struct evkv_store *timeout_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_timeout_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__timeout_type = {
	.size = sizeof(struct evkv_type),
	.name = "timeout",
	.summary = "bounds how long the store below may take",
	.options = timeout_options,
	.option_count = sizeof(timeout_options) / sizeof(timeout_options[0]),
	.options_size = sizeof(struct evkv_timeout_options),
	.argument = "timeout",
	.inner_min = 1,
	.inner_max = 1,
	.make = timeout_make,
};

static void timeout_describe(void *arg, struct evkv_text *text)
{
	struct timeout *self = arg;

	evkv_text_options(text, &evkv__timeout_type, &self->given);
}

static const struct evkv_vtable timeout_vtable = {
	.size = sizeof(timeout_vtable),
	.name = "timeout",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = timeout_submit,
	.free = timeout_free,
	.peek = timeout_peek,
	.describe = timeout_describe,
};

/* ---- Making ------------------------------------------------------------- */

static struct timeout *timeout_self(struct evkv_store *inner,
    const struct evkv_timeout_options *options)
{
	struct timeout *self = evkv_malloc(sizeof(*self));

	if (self == NULL)
		return NULL;
	*self = (struct timeout){
		.inner = inner,
		.given = *options,
		.keyed_ms = options->timeout_ms,
		.span_ms = options->span_timeout_ms != 0
		    ? options->span_timeout_ms
		    : options->timeout_ms,
	};
	return self;
}

struct evkv_store *evkv_timeout_new_sized(struct evkv_store *inner,
    const struct evkv_timeout_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
	};
	struct evkv_timeout_options options;

	if (!evkv__wrapper_options(&evkv__timeout_type, inner, &options, given,
		size, error))
		return NULL;
	return evkv_store_create(NULL, &timeout_vtable,
	    inner != NULL ? timeout_self(inner, &options) : NULL, &config,
	    error);
}
