/*
 * custom_wrapper.c - a wrapper of one's own, complete:
 * docs/writing-a-wrapper.md goes through it.
 *
 * tag_values stores each value behind a tag, which says in what format it is,
 * and takes the tag off again on the way back.
 *
 * The happy path: a put is forwarded with new values, tag and bytes in one; all
 * else is forwarded as it is. On the way up the entries of a get get a new
 * value, without the tag.
 *
 * Failures: an entry without the tag was written by somebody else, or in
 * another format: CORRUPT. No memory for a value with the tag: the put is NOMEM
 * and nothing is applied; for one without: that entry is NOMEM. What the inner
 * store answers goes up unchanged.
 *
 *     $ custom_wrapper
 *     get  OK "tea"
 *     get  CORRUPT: the value does not have the tag
 *     "pantry" "beans" = "untagged"
 *     "pantry" "leaves" = "v1:tea"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"

#include "custom_wrapper.h"

struct tag_values {
	struct evkv_slice tag;
	struct evkv_store *inner; /* the core's reference, borrowed */
};

/* ---- On the way down --------------------------------------------------- */

static struct evkv_slice tag_values_given(const struct evkv_request *request,
    size_t i)
{
	return request->counted_values != NULL
	    ? evkv_value_bytes(request->counted_values[i])
	    : request->values[i];
}

/* The tag and the bytes, in memory of the op's. */
static bool tag_values_join(struct tag_values *self, struct evkv_op *op,
    struct evkv_slice bytes, struct evkv_slice *joined)
{
	char *memory = evkv_op_alloc(op, self->tag.size + bytes.size);

	if (memory == NULL)
		return false;
	memcpy(memory, self->tag.data, self->tag.size);
	if (bytes.size > 0)
		memcpy(memory + self->tag.size, bytes.data, bytes.size);
	*joined = evkv_bytes(memory, self->tag.size + bytes.size);
	return true;
}

static enum evkv_verdict tag_values_put(struct tag_values *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	/* The request that was given is not ours to change. */
	struct evkv_request *derived = evkv_op_derive(op, request);
	struct evkv_slice *values;

	values = evkv_op_alloc(op, request->count * sizeof(*values));
	if (derived == NULL || values == NULL)
		return evkv_op_nomem(op);
	for (size_t i = 0; i < request->count; i++) {
		if (!tag_values_join(self, op, tag_values_given(request, i),
			&values[i]))
			return evkv_op_nomem(op);
	}
	derived->values = values;
	derived->counted_values = NULL;
	return evkv_op_forward(op, self->inner, derived);
}

static enum evkv_verdict tag_values_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct tag_values *self = arg;

	/* Kinds that are not in the vtable's set never come here. */
	if (request->kind == EVKV_OP_PUT)
		return tag_values_put(self, op, request);
	return evkv_op_forward(op, self->inner, request);
}

/* ---- On the way up ----------------------------------------------------- */

/* Entry i has failed: it has a status and no value. */
static void tag_values_fail(struct evkv_op *op, size_t i,
    enum evkv_status status, enum evkv_cause cause, const char *why)
{
	evkv_op_give_value(op, i, NULL);
	evkv_op_entry(op, i)->status = status;
	evkv_op_explain(op, cause, 0, why);
}

/* The new value takes the place of the one that the inner store gave. */
static void tag_values_strip(struct tag_values *self, struct evkv_op *op,
    size_t i)
{
	struct evkv_slice bytes = evkv_op_entry(op, i)->bytes;
	size_t size = self->tag.size;

	if (bytes.size < size || memcmp(bytes.data, self->tag.data, size) != 0)
		tag_values_fail(op, i, EVKV_CORRUPT, EVKV_CAUSE_NONE,
		    "the value does not have the tag");
	else if (!evkv_op_copy_value(op, i,
		     evkv_bytes((const char *)bytes.data + size,
			 bytes.size - size)))
		tag_values_fail(op, i, EVKV_NOMEM, EVKV_CAUSE_NOMEM, NULL);
}

static void tag_values_complete(void *arg, struct evkv_op *op)
{
	/* Of the request nothing but its kind is there for sure by now. */
	const struct evkv_result *result = evkv_op_result(op);
	struct tag_values *self = arg;

	if (result->kind != EVKV_OP_GET && result->kind != EVKV_OP_TTL)
		return;
	for (size_t i = 0; i < result->count; i++) {
		if (evkv_result_entry(result, i)->status == EVKV_OK)
			tag_values_strip(self, op, i);
	}
	evkv_op_settle(op);
}

static void tag_values_free(void *self)
{
	evkv_free(self);
}

static const struct evkv_vtable tag_values_vtable = {
	.size = sizeof(tag_values_vtable),
	.name = "tag_values",
	.kinds = EVKV_KINDS_BASIC,
	.conditions = EVKV_IF_BASIC,
	.submit = tag_values_submit,
	.complete = tag_values_complete,
	.free = tag_values_free,
};

struct evkv_store *tag_values_new(struct evkv_store *inner, const char *tag,
    struct evkv_error *error)
{
	struct evkv_capabilities capabilities = { .kinds = 0 };
	struct tag_values *self = evkv_calloc(1, sizeof(*self));

	if (self != NULL) {
		self->tag = evkv_str(tag);
		self->inner = inner;
	}
	/* What the inner store can do, with values shorter by the tag. */
	if (inner != NULL) {
		capabilities = *evkv_store_capabilities(inner);
		capabilities.max_value -= strlen(tag);
	}
	return evkv_store_create(NULL, &tag_values_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &capabilities,
		.inner = &inner,
		.inner_count = 1,
	    },
	    error);
}

/* ---- A program that uses it -------------------------------------------- */

#ifndef CUSTOM_WRAPPER_WITHOUT_MAIN

static void on_get(const struct evkv_result *result, void *arg)
{
	int *wrong = arg;

	printf("get  %s \"%.*s\"\n", evkv_status_name(result->status),
	    (int)evkv_result_entry(result, 0)->bytes.size,
	    (const char *)evkv_result_entry(result, 0)->bytes.data);
	*wrong += !evkv_slice_equal(evkv_result_entry(result, 0)->bytes,
	    EVKV_LIT("tea"));
}

static void on_foreign(const struct evkv_result *result, void *arg)
{
	int *wrong = arg;

	printf("get  %s: %s\n", evkv_status_name(result->status),
	    result->message);
	*wrong += result->status != EVKV_CORRUPT;
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *simple = evkv_simple_new(loop, &error);
	struct evkv_store *store = tag_values_new(evkv_store_ref(simple),
	    "v1:", &error);
	const struct evkv_slice pantry = EVKV_LIT("pantry");
	int wrong = 0;

	if (store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		wrong++;
	}
	evkv_put(store, pantry, EVKV_LIT("leaves"), EVKV_LIT("tea"), 0, NULL,
	    NULL);
	evkv_put(simple, pantry, EVKV_LIT("beans"), EVKV_LIT("untagged"), 0,
	    NULL, NULL);
	evkv_get(store, pantry, EVKV_LIT("leaves"), on_get, &wrong);
	evkv_get(store, pantry, EVKV_LIT("beans"), on_foreign, &wrong);
	event_base_dispatch(base);
	evkv_simple_dump(simple, stdout);

	evkv_store_unref(store);
	evkv_store_unref(simple);
	evkv_loop_free(loop);
	event_base_free(base);
	return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
