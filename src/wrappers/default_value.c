/*
 * wrappers/default_value.c - a value for what is not there.
 *
 * On the way down a get or ttl of a collection that is meant is marked; on the
 * way up its entries that are NOT_FOUND get the value, one for all of them.
 * What asks for versions is left alone: what is not there has none.
 */
#include "evkv/wrappers/default_value.h"

#include "evkv/wrapper.h"
#include "wrappers/types.h"

struct default_value {
	struct evkv_value *value;
	struct evkv_slice collections;
};

static void default_value_free(void *arg)
{
	struct default_value *self = arg;

	evkv_value_unref(self->value);
	evkv_free(self);
}

static void *default_value_init(void *arg, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct evkv_default_value_options *options = arg;
	struct default_value *self;
	const char *why;

	(void)inner;
	if (!evkv_pattern_check(options->collections, &why)) {
		evkv_error_set(error, EVKV_INVALID,
		    "default_value: collections: %s", why);
		return NULL;
	}
	self = evkv_calloc(1, sizeof(*self));
	if (self == NULL)
		return NULL;
	self->collections = options->collections;
	self->value = evkv_value_new(options->value);
	if (self->value != NULL)
		return self;
	default_value_free(self);
	return NULL;
}

/* That caches do not have an entry does not say that it is not there. */
static bool is_meant(const struct default_value *self,
    const struct evkv_request *request)
{
	return (request->kind == EVKV_OP_GET || request->kind == EVKV_OP_TTL) &&
	    (request->flags & (EVKV_FLAG_VERSIONS | EVKV_FLAG_CACHED_ONLY)) ==
	    0 &&
	    evkv_match(EVKV_LIT(""), self->collections, request->collection);
}

/* The mark is `self`: any pointer would do. */
static enum evkv_verdict default_value_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	if (is_meant(arg, request))
		evkv_op_set_data(op, arg);
	return evkv_wrapper_forward(op, request);
}

static void default_value_complete(void *arg, struct evkv_op *op)
{
	const struct evkv_result *result = evkv_op_result(op);
	struct default_value *self = arg;
	bool given = false;
	size_t i;

	if (evkv_op_data(op) == NULL)
		return;
	for (i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status != EVKV_NOT_FOUND)
			continue;
		evkv_op_give_value(op, i, evkv_value_ref(self->value));
		evkv_op_entry(op, i)->ttl_ms = EVKV_TTL_NONE;
		given = true;
	}
	if (given)
		evkv_op_settle(op);
}

#define ROW(name_, summary_)                                                   \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_BYTES,                        \
		.offset = offsetof(struct evkv_default_value_options, name_),  \
		.summary = (summary_)                                          \
	}

static const struct evkv_url_option default_value_options[] = {
	ROW(value, "what is answered for what is not there"),
	ROW(collections, "a pattern: only in collections that match"),
};

static const struct evkv_wrapper default_value_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.init = default_value_init,
	.free = default_value_free,
	.submit = default_value_submit,
	.complete = default_value_complete,
};

const struct evkv_type evkv__default_value_type = {
	.size = sizeof(struct evkv_type),
	.name = "default_value",
	.summary = "answers look-ups of what is not there with a value",
	.options = default_value_options,
	.option_count = sizeof(default_value_options) /
	    sizeof(default_value_options[0]),
	.options_size = sizeof(struct evkv_default_value_options),
	.argument = "value",
	.wrapper = &default_value_hooks,
};

struct evkv_store *evkv_default_value_new_sized(struct evkv_store *inner,
    const struct evkv_default_value_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&evkv__default_value_type, inner, options,
	    size, error);
}
