/*
 * wrappers/read_only.c - refuses every kind that writes.
 */
#include "evkv/wrappers/read_only.h"

#include "evkv/wrapper.h"
#include "wrappers/types.h"

static enum evkv_status read_only_check(void *self,
    const struct evkv_request *request, const char **why)
{
	(void)self;
	*why = "the store is read only";
	return (evkv_kind_classes(request->kind) & EVKV_CLASS_WRITES) == 0
	    ? EVKV_OK
	    : EVKV_REFUSED;
}

static const struct evkv_wrapper read_only_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.check = read_only_check,
};

const struct evkv_type evkv__read_only_type = {
	.size = sizeof(struct evkv_type),
	.name = "read_only",
	.summary = "refuses every kind that writes",
	.wrapper = &read_only_hooks,
};

struct evkv_store *evkv_read_only_new(struct evkv_store *inner,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&evkv__read_only_type, inner, NULL, 0,
	    error);
}
