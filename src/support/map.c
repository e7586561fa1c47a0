/*
 * support/map.c - a request through the hooks of a wrapper, and its answer.
 *
 * On the way down a request is derived only where a hook has something to say
 * of its kind; else the one that was given goes on. On the way up values are
 * decoded and the heads of names taken off.
 */
#include <string.h>

#include "base/request.h"
#include "core/op.h"
#include "support/wrapper.h"

/* ---- On the way down ----------------------------------------------------- */

/* What is to be taken off the names of a page. */
struct map_page {
	enum evkv_kind kind;
	struct evkv_slice head; /* at the beginning of the inner prefix */
};

static bool note_page(struct evkv_op *op, const struct evkv_request *derived,
    size_t head)
{
	struct map_page *page = evkv_op_alloc(op, sizeof(*page));

	if (page == NULL)
		return false;
	page->kind = derived->kind;
	page->head = evkv_bytes(derived->match.prefix.data, head);
	evkv_op_set_data(op, page);
	return true;
}

/* Names behind a head; false: the op has failed. */
static bool map_names(struct evkv_op *op, struct evkv_slice head, bool some,
    const struct evkv_request *request, struct evkv_request *derived)
{
	if (head.size == 0)
		return true;
	if (!evkv__wrapper_match(op, head, some, &request->match,
		&derived->match))
		return false;
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_PAGES) == 0 ||
	    note_page(op, derived, head.size))
		return true;
	evkv_op_nomem(op);
	return false;
}

/* What the hook has put into its room, or into memory of its own. */
static bool map_collection(struct evkv_op *op, struct evkv_slice from,
    struct evkv_slice to, struct evkv_request *derived)
{
	if (to.data == from.data) {
		derived->collection = to;
		return true;
	}
	return evkv_op_copy(op, to, &derived->collection);
}

static bool map_place(struct wrapper *wrapper, struct evkv_op *op,
    const struct evkv_request *request, struct evkv_request *derived)
{
	bool keyed = (evkv_kind_classes(request->kind) & EVKV_CLASS_HAS_KEYS) !=
	    0;
	struct evkv_place place;

	evkv__wrapper_place(wrapper, request->collection, &place);
	if (!map_collection(op, request->collection, place.collection,
		derived)) {
		evkv_op_nomem(op);
		return false;
	}
	if (!keyed)
		return map_names(op, place.key_head, true, request, derived);
	if (place.key_head.size == 0 ||
	    evkv__wrapper_keys(op, place.key_head, request, derived))
		return true;
	evkv_op_nomem(op);
	return false;
}

static bool map_ttls(struct wrapper *wrapper, struct evkv_op *op,
    const struct evkv_request *request, struct evkv_request *derived)
{
	int64_t *ttls;
	size_t i;

	if (request->ttls_ms == NULL) {
		derived->ttl_ms = wrapper->hooks.ttl(wrapper->self,
		    request->kind, request->ttl_ms);
		return true;
	}
	ttls = evkv_op_alloc(op, request->count * sizeof(*ttls));
	if (ttls == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	for (i = 0; i < request->count; i++)
		ttls[i] = wrapper->hooks.ttl(wrapper->self, request->kind,
		    request->ttls_ms[i]);
	derived->ttls_ms = ttls;
	return true;
}

/* With the message of evkv_op_explain(), where the hook has given some. */
static void fail_as_explained(struct evkv_op *op, enum evkv_status status)
{
	const struct evkv_result *result = evkv_op_result(op);

	if (status == EVKV_NOMEM)
		evkv_op_nomem(op);
	else
		evkv_op_fail(op, status, result->cause,
		    result->message[0] != '\0' ? result->message : NULL);
}

static bool map_values(struct wrapper *wrapper, struct evkv_op *op,
    const struct evkv_request *request, struct evkv_request *derived)
{
	enum evkv_status status = EVKV_OK;
	struct evkv_slice *values;
	size_t i;

	values = evkv_op_alloc(op, request->count * sizeof(*values));
	if (values == NULL) {
		evkv_op_nomem(op);
		return false;
	}
	for (i = 0; i < request->count && status == EVKV_OK; i++) {
		values[i] = request_value(request, i);
		status = wrapper->hooks.encode(wrapper->self, op, request, i,
		    &values[i]);
	}
	if (status != EVKV_OK) {
		fail_as_explained(op, status);
		return false;
	}
	derived->values = values;
	derived->counted_values = NULL;
	return true;
}

/* Whether the hooks change what goes down with requests of these classes. */
static uint32_t changed_classes(const struct evkv_wrapper *hooks)
{
	uint32_t classes = 0;

	if (hooks->place != NULL)
		classes |= EVKV_CLASS_COLLECTION;
	if (hooks->ttl != NULL)
		classes |= EVKV_CLASS_HAS_TTL;
	if (hooks->encode != NULL)
		classes |= EVKV_CLASS_HAS_VALUES;
	return classes;
}

/* Collections by their names: not about one. */
static bool spans_collections(uint32_t classes,
    const struct evkv_request *request)
{
	return (classes & (EVKV_CLASS_SPANS | EVKV_CLASS_COLLECTION)) ==
	    EVKV_CLASS_SPANS &&
	    request->kind != EVKV_OP_PURGE_EXPIRED;
}

static enum evkv_verdict forward_collections(struct wrapper *wrapper,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct evkv_request *derived = evkv_op_derive(op, request);

	if (derived == NULL)
		return evkv_op_nomem(op);
	if (!map_names(op, evkv__wrapper_collection_head(wrapper), false,
		request, derived))
		return EVKV_VERDICT_DONE;
	return evkv_op_forward(op, wrapper->inner, derived);
}

static enum evkv_verdict forward(struct wrapper *wrapper, struct evkv_op *op,
    const struct evkv_request *request)
{
	const struct evkv_wrapper *hooks = &wrapper->hooks;
	uint32_t classes = evkv_kind_classes(request->kind);
	struct evkv_request *derived;

	if (spans_collections(classes, request)) {
		if ((hooks->flags & EVKV_WRAPPER_KEY_HEADS) != 0)
			return evkv__wrapper_walk(wrapper, op);
		if ((hooks->flags & EVKV_WRAPPER_COLLECTION_HEADS) != 0)
			return forward_collections(wrapper, op, request);
	}
	classes &= changed_classes(hooks);
	if (classes == 0)
		return evkv_op_forward(op, wrapper->inner, request);
	derived = evkv_op_derive(op, request);
	if (derived == NULL)
		return evkv_op_nomem(op);
	if (((classes & EVKV_CLASS_HAS_VALUES) != 0 &&
		!map_values(wrapper, op, request, derived)) ||
	    ((classes & EVKV_CLASS_HAS_TTL) != 0 &&
		!map_ttls(wrapper, op, request, derived)) ||
	    ((classes & EVKV_CLASS_COLLECTION) != 0 &&
		!map_place(wrapper, op, request, derived)))
		return EVKV_VERDICT_DONE;
	return evkv_op_forward(op, wrapper->inner, derived);
}

enum evkv_verdict evkv_wrapper_forward(struct evkv_op *op,
    const struct evkv_request *request)
{
	return forward(evkv__op_top(op)->store->self, op, request);
}

enum evkv_verdict evkv__wrapper_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct wrapper *wrapper = self;
	const struct evkv_wrapper *hooks = &wrapper->hooks;
	const char *why = NULL;
	enum evkv_status status;

	if (hooks->check != NULL) {
		status = hooks->check(wrapper->self, request, &why);
		if (status != EVKV_OK)
			return evkv_op_fail(op, status, EVKV_CAUSE_NONE, why);
	}
	if (hooks->submit != NULL)
		return hooks->submit(wrapper->self, op, request);
	return forward(wrapper, op, request);
}

/* ---- On the way up ------------------------------------------------------- */

static void decode_values(struct wrapper *wrapper, struct evkv_op *op)
{
	const struct evkv_request *request = NULL;
	enum evkv_status status;
	bool failed = false;
	size_t i;

	if ((wrapper->hooks.flags & EVKV_WRAPPER_KEEPS) != 0)
		request = evkv_op_request(op);
	for (i = 0; i < evkv_op_entry_count(op); i++) {
		if (evkv_op_entry(op, i)->value == NULL)
			continue;
		status = wrapper->hooks.decode(wrapper->self, op, request, i);
		if (status == EVKV_OK)
			continue;
		evkv_op_give_value(op, i, NULL);
		evkv_op_entry(op, i)->status = status;
		if (status == EVKV_NOMEM)
			evkv_op_explain(op, EVKV_CAUSE_NOMEM, 0, NULL);
		failed = true;
	}
	if (failed)
		evkv_op_settle(op);
}

static bool strip(struct evkv_slice *name, const struct map_page *page)
{
	size_t head = page->head.size;

	/* A key that is the head alone is nobody's here: keys are not empty. */
	if (name->size < head + (page->kind == EVKV_OP_KEYS) ||
	    memcmp(name->data, page->head.data, head) != 0)
		return false;
	*name = evkv_bytes((const char *)name->data + head, name->size - head);
	return true;
}

static void strip_names(struct wrapper *wrapper, struct evkv_op *op)
{
	const struct map_page *page = evkv_op_data(op);
	enum evkv_kind kind = evkv_op_result(op)->kind;
	size_t count = evkv_op_entry_count(op), kept = 0, i;
	struct evkv_slice name;

	for (i = 0; i < count; i++) {
		name = evkv_op_entry(op, i)->name;
		if (page != NULL && !strip(&name, page))
			continue;
		if (wrapper->hooks.name == NULL ||
		    wrapper->hooks.name(wrapper->self, kind, &name))
			evkv_op_entry(op, kept++)->name = name;
	}
	evkv_op_keep_names(op, kept);
}

void evkv__wrapper_complete(void *self, struct evkv_op *op)
{
	struct wrapper *wrapper = self;
	const struct evkv_wrapper *hooks = &wrapper->hooks;
	uint32_t classes = evkv_kind_classes(evkv_op_result(op)->kind);

	if (hooks->decode != NULL && (classes & EVKV_CLASS_ANSWERS_VALUES) != 0)
		decode_values(wrapper, op);
	if ((classes & EVKV_CLASS_PAGES) != 0 &&
	    (hooks->name != NULL || evkv_op_data(op) != NULL))
		strip_names(wrapper, op);
	if (hooks->complete != NULL)
		hooks->complete(wrapper->self, op);
}
