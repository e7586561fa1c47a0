/*
 * wrappers/limit_size.c - bounds on keys, values and batches.
 *
 * Those of a key and of a value are capabilities, which the core checks; those
 * of an operation as a whole are checked here.
 */
#include "evkv/wrappers/limit_size.h"

#include "base/request.h"
#include "evkv/wrapper.h"
#include "wrappers/types.h"

static void limit_size_narrow(void *self, struct evkv_capabilities *can)
{
	const struct evkv_limit_size_options *limits = self;

	if (limits->max_value != 0 && limits->max_value < can->max_value)
		can->max_value = limits->max_value;
	if (limits->max_key != 0 && limits->max_key < can->max_key)
		can->max_key = limits->max_key;
}

static enum evkv_status limit_size_check(void *self,
    const struct evkv_request *request, const char **why)
{
	const struct evkv_limit_size_options *limits = self;

	if (limits->max_keys != 0 && request->count > limits->max_keys) {
		*why = "limit_size: the operation names too many keys";
		return EVKV_TOO_LARGE;
	}
	if (limits->max_bytes != 0 &&
	    request_bytes(request) > limits->max_bytes) {
		*why = "limit_size: the operation's keys and values are too "
		       "large together";
		return EVKV_TOO_LARGE;
	}
	return EVKV_OK;
}

#define ROW(name_, summary_)                                                   \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_SIZE,                         \
		.offset = offsetof(struct evkv_limit_size_options, name_),     \
		.min = 1, .max = INT64_MAX, .summary = (summary_)              \
	}

static const struct evkv_url_option limit_size_options[] = {
	ROW(max_value, "the largest value, in bytes"),
	ROW(max_key, "the longest key, in bytes"),
	ROW(max_keys, "the most keys in one operation"),
	ROW(max_bytes, "the most bytes of keys and values in one operation"),
};

static const struct evkv_wrapper limit_size_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.narrow = limit_size_narrow,
	.check = limit_size_check,
};

const struct evkv_type evkv__limit_size_type = {
	.size = sizeof(struct evkv_type),
	.name = "limit_size",
	.summary = "bounds keys, values and batches",
	.options = limit_size_options,
	.option_count = sizeof(limit_size_options) /
	    sizeof(limit_size_options[0]),
	.options_size = sizeof(struct evkv_limit_size_options),
	.argument = "max_value",
	.wrapper = &limit_size_hooks,
};

struct evkv_store *evkv_limit_size_new_sized(struct evkv_store *inner,
    const struct evkv_limit_size_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&evkv__limit_size_type, inner, options, size,
	    error);
}
