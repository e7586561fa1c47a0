/*
 * wrappers/trace.c - hooks where operations begin and end.
 *
 * Happy path: begin() is called on the way down, and its trace goes on in the
 * request; end() on the way up, or where the waiter is told before. An inline
 * get passes by peek only where there are no hooks.
 *
 * Failures: without memory for the request that has the trace the operation
 * fails with NOMEM, as it would elsewhere; begin() is not called then.
 */
#include "evkv/wrappers/trace.h"

#include <string.h>

#include "evkv/driver.h"
#include "support/options.h"
#include "wrappers/types.h"

#define NAME_MOST 255

struct trace {
	struct evkv_store *inner;
	struct evkv_trace_hooks hooks; /* all NULL: there are none */
	char *name;                    /* NULL = the inner store's */
	struct evkv_trace_options given;
};

/* ---- The hooks of a loop ------------------------------------------------- */

static const char hooks_key;

static bool hooks_ok(const struct evkv_trace_hooks *hooks)
{
	return hooks->size >= sizeof(*hooks) && hooks->begin != NULL &&
	    hooks->end != NULL;
}

bool evkv_loop_set_trace(struct evkv_loop *loop,
    const struct evkv_trace_hooks *given)
{
	struct evkv_trace_hooks *hooks;

	if (loop == NULL || (given != NULL && !hooks_ok(given)))
		return false;
	hooks = evkv_loop_attachment(loop, &hooks_key);
	if (hooks == NULL) {
		hooks = evkv_malloc(sizeof(*hooks));
		if (hooks == NULL)
			return false;
		if (!evkv_loop_attach(loop, &hooks_key, hooks, evkv_free)) {
			evkv_free(hooks);
			return false;
		}
	}
	if (given != NULL)
		*hooks = *given;
	else
		memset(hooks, 0, sizeof(*hooks));
	return true;
}

/* ---- The slots ---------------------------------------------------------- */

static const char *trace_name(const struct trace *self)
{
	return self->name != NULL ? self->name : evkv_store_name(self->inner);
}

static enum evkv_verdict trace_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct trace *self = arg;
	struct evkv_request *derived;
	void *trace;

	if (self->hooks.begin == NULL)
		return evkv_op_forward(op, self->inner, request);
	derived = evkv_op_derive(op, request);
	if (derived == NULL)
		return evkv_op_nomem(op);
	trace = self->hooks.begin(request, trace_name(self), self->hooks.arg);
	evkv_op_set_data(op, trace);
	if (trace != NULL) {
		derived->trace = trace;
		evkv_op_set_trace(op, trace);
	}
	return evkv_op_forward(op, self->inner, derived);
}

static void trace_complete(void *arg, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct trace *self = arg;
	void *trace = evkv_op_data(op);

	if (trace == NULL)
		return;
	self->hooks.end(trace,
	    &(struct evkv_trace_end){
		.size = sizeof(struct evkv_trace_end),
		.kind = result->kind,
		.status = result->status,
		.cause = result->cause,
		.message = result->message,
		.result = result,
	    },
	    self->hooks.arg);
}

static void trace_detached(void *arg, struct evkv_op *op,
    enum evkv_status status)
{
	const struct evkv_result *report = evkv_op_report(op);
	struct trace *self = arg;
	void *trace = evkv_op_data(op);

	if (trace == NULL)
		return;
	self->hooks.end(trace,
	    &(struct evkv_trace_end){
		.size = sizeof(struct evkv_trace_end),
		.kind = report->kind,
		.status = status,
		.cause = report->cause,
		.message = report->message,
	    },
	    self->hooks.arg);
}

static void trace_free(void *arg)
{
	struct trace *self = arg;

	evkv_free(self->name);
	evkv_free(self);
}

static enum evkv_peek trace_peek(void *arg, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct trace *self = arg;

	if (self->hooks.begin != NULL)
		return EVKV_PEEK_DECLINE;
	return evkv_store_peek(self->inner, request, value);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_trace_options, __VA_ARGS__)

static const struct evkv_url_option trace_options[] = {
	ROW("name", name, EVKV_URL_STRING, 0, 0,
	    "what the hooks are told that it is", "the store below"),
};

static struct evkv_store *trace_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_trace_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__trace_type = {
	.size = sizeof(struct evkv_type),
	.name = "trace",
	.summary = "calls hooks where operations begin and end",
	.options = trace_options,
	.option_count = sizeof(trace_options) / sizeof(trace_options[0]),
	.options_size = sizeof(struct evkv_trace_options),
	.argument = "name",
	.inner_min = 1,
	.inner_max = 1,
	.make = trace_make,
};

static void trace_describe(void *arg, struct evkv_text *text)
{
	struct trace *self = arg;

	evkv_text_options(text, &evkv__trace_type, &self->given);
}

static const struct evkv_vtable trace_vtable = {
	.size = sizeof(trace_vtable),
	.name = "trace",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = trace_submit,
	.complete = trace_complete,
	.detached = trace_detached,
	.free = trace_free,
	.peek = trace_peek,
	.describe = trace_describe,
};

/* ---- Making ------------------------------------------------------------- */

static bool options_ok(const struct evkv_trace_options *options,
    struct evkv_error *error)
{
	if (options->hooks != NULL && !hooks_ok(options->hooks)) {
		evkv_error_set(error, EVKV_INVALID,
		    "trace: hooks need size, begin and end");
		return false;
	}
	if (options->name == NULL || strlen(options->name) <= NAME_MOST)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "trace: the name is over 255 bytes");
	return false;
}

static struct trace *trace_self(struct evkv_store *inner,
    const struct evkv_trace_options *options)
{
	const struct evkv_trace_hooks *hooks = options->hooks;
	struct evkv_loop *loop = evkv_store_loop(inner);
	struct trace *self = evkv_calloc(1, sizeof(*self));

	if (self == NULL)
		return NULL;
	if (hooks == NULL && loop != NULL)
		hooks = evkv_loop_attachment(loop, &hooks_key);
	if (hooks != NULL)
		self->hooks = *hooks;
	self->inner = inner;
	self->name = evkv_strdup(options->name);
	self->given.name = self->name;
	if (options->name == NULL || self->name != NULL)
		return self;
	trace_free(self);
	return NULL;
}

struct evkv_store *evkv_trace_new_sized(struct evkv_store *inner,
    const struct evkv_trace_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
		.max_pending = SIZE_MAX,
		.max_pending_bytes = SIZE_MAX,
	};
	struct evkv_trace_options options;

	if (!evkv__wrapper_options(&evkv__trace_type, inner, &options, given,
		size, error))
		return NULL;
	if (inner != NULL && !options_ok(&options, error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	return evkv_store_create(NULL, &trace_vtable,
	    inner != NULL ? trace_self(inner, &options) : NULL, &config, error);
}
