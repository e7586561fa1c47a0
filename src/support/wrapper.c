/*
 * support/wrapper.c - making wrappers of hooks.
 *
 * The core sees a wrapper of the kit's; its slots call those hooks that are
 * there. Whatever fails on the way, the inner store is released once: by
 * evkv_store_create() from the moment that it is called.
 */
#include "support/wrapper.h"

#include <string.h>

#include "core/store.h"
#include "support/options.h"

/* ---- Slots that are hooks ------------------------------------------------ */

static void wrapper_stop(void *self, struct evkv_op *op)
{
	struct wrapper *wrapper = self;

	wrapper->hooks.stop(wrapper->self, op);
}

static void wrapper_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	struct wrapper *wrapper = self;

	wrapper->hooks.detached(wrapper->self, op, status);
}

static void wrapper_counters(void *self, struct evkv_counters *counters)
{
	struct wrapper *wrapper = self;

	wrapper->hooks.counters(wrapper->self, counters);
}

static void wrapper_metrics(void *self, struct evkv_metrics *metrics)
{
	struct wrapper *wrapper = self;

	wrapper->hooks.metrics(wrapper->self, metrics);
}

static void wrapper_describe(void *self, struct evkv_text *text)
{
	struct wrapper *wrapper = self;

	evkv_text_options(text, wrapper->type, wrapper->options);
}

static void wrapper_free(void *self)
{
	struct wrapper *wrapper = self;

	if (wrapper->made && wrapper->hooks.free != NULL)
		wrapper->hooks.free(wrapper->self);
	evkv_free(wrapper);
}

/* ---- What is handled ----------------------------------------------------- */

/* What no hook changes, or the kit maps in all its forms. */
#define CLASSES_ALWAYS                                                         \
	(EVKV_CLASS_READS | EVKV_CLASS_WRITES | EVKV_CLASS_HAS_KEYS |          \
	    EVKV_CLASS_HAS_TTL | EVKV_CLASS_COLLECTION | EVKV_CLASS_SPANS |    \
	    EVKV_CLASS_PAGES | EVKV_CLASS_REPEATABLE |                         \
	    EVKV_CLASS_HAS_CONDITION)
#define CLASSES_NUMBERS (EVKV_CLASS_HAS_DELTA | EVKV_CLASS_ANSWERS_NUMBERS)

/*
 * A wrapper that encodes values must see them all, and a number is a value's
 * text.
 */
static uint32_t covered_classes(const struct evkv_wrapper *hooks)
{
	uint32_t classes = CLASSES_ALWAYS;

	if (hooks->encode == NULL && hooks->decode == NULL)
		return classes | EVKV_CLASS_HAS_VALUES |
		    EVKV_CLASS_ANSWERS_VALUES | CLASSES_NUMBERS;
	if (hooks->encode != NULL)
		classes |= EVKV_CLASS_HAS_VALUES;
	if (hooks->decode != NULL)
		classes |= EVKV_CLASS_ANSWERS_VALUES;
	return classes;
}

static uint32_t vtable_flags(const struct evkv_wrapper *hooks)
{
	uint32_t flags = 0;

	if ((hooks->flags & EVKV_WRAPPER_KEEPS) != 0)
		flags |= EVKV_VTABLE_KEEPS;
	if ((hooks->flags & EVKV_WRAPPER_ORDERED) != 0)
		flags |= EVKV_VTABLE_ORDERED;
	return flags;
}

static void fill_vtable(struct wrapper *wrapper)
{
	const struct evkv_wrapper *hooks = &wrapper->hooks;
	uint32_t classes = covered_classes(hooks);

	if (hooks->classes != 0)
		classes &= hooks->classes;
	wrapper->vtable = (struct evkv_vtable){
		.size = sizeof(struct evkv_vtable),
		.name = wrapper->type->name,
		.flags = vtable_flags(hooks),
		.ordered_kinds = hooks->ordered_kinds,
		.classes = classes,
		.request_flags = EVKV_FLAG_VERSIONS | EVKV_FLAG_CACHED_ONLY,
		.conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
		.submit = evkv__wrapper_submit,
		.free = wrapper_free,
		.describe = wrapper_describe,
	};
	if (hooks->decode != NULL || hooks->name != NULL ||
	    hooks->complete != NULL || hooks->place != NULL ||
	    hooks->collection_head != NULL)
		wrapper->vtable.complete = evkv__wrapper_complete;
	if (hooks->stop != NULL)
		wrapper->vtable.stop = wrapper_stop;
	if (hooks->detached != NULL)
		wrapper->vtable.detached = wrapper_detached;
	if (hooks->counters != NULL)
		wrapper->vtable.counters = wrapper_counters;
	if (hooks->metrics != NULL)
		wrapper->vtable.metrics = wrapper_metrics;
}

/* Kinds that the kit can do only by others, or not at all. */
static void narrow_kinds(const struct evkv_wrapper *hooks,
    struct evkv_capabilities *can)
{
	const uint32_t keys = EVKV_KIND_BIT(EVKV_OP_KEYS);
	const uint32_t names = EVKV_KIND_BIT(EVKV_OP_COLLECTIONS);
	const uint32_t clear = EVKV_KIND_BIT(EVKV_OP_CLEAR);
	const uint32_t all = EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);

	if ((hooks->flags & EVKV_WRAPPER_KEY_HEADS) != 0) {
		/* Each is a walk over the inner collections. */
		if ((can->kinds & names) == 0 || (can->kinds & clear) == 0)
			can->kinds &= ~all;
		if ((can->kinds & keys) == 0)
			can->kinds &= ~names;
	} else if (hooks->place != NULL && hooks->submit == NULL &&
	    (hooks->flags & EVKV_WRAPPER_COLLECTION_HEADS) == 0) {
		can->kinds &= ~(names | all);
	}
}

/* ---- Making -------------------------------------------------------------- */

/* The wrapper with its copy of the options, not yet made; NULL = no memory. */
static struct wrapper *wrapper_new(const struct evkv_type *type,
    const void *options)
{
	size_t size = (type->options_size + 15) & ~(size_t)15;
	size_t strings = evkv__options_strings_size(type, options);
	struct wrapper *wrapper;

	wrapper = evkv_malloc(sizeof(*wrapper) + size + strings);
	if (wrapper == NULL)
		return NULL;
	memset(wrapper, 0, sizeof(*wrapper));
	memcpy(&wrapper->hooks, type->wrapper,
	    type->wrapper->size < sizeof(wrapper->hooks)
		? type->wrapper->size
		: sizeof(wrapper->hooks));
	wrapper->type = type;
	memcpy(wrapper->options, options, type->options_size);
	evkv__options_strings_copy(type, wrapper->options,
	    wrapper->options + size);
	fill_vtable(wrapper);
	return wrapper;
}

static bool wrapper_init(struct wrapper *wrapper, struct evkv_store *inner,
    struct evkv_error *error)
{
	wrapper->inner = inner;
	wrapper->self = wrapper->options;
	if (wrapper->hooks.init == NULL)
		return true;
	wrapper->self = wrapper->hooks.init(wrapper->options, inner, error);
	wrapper->made = wrapper->self != NULL;
	return wrapper->made;
}

static struct evkv_store *create(struct wrapper *wrapper,
    struct evkv_store *inner, struct evkv_error *error)
{
	struct evkv_capabilities can = *evkv_store_capabilities(inner);
	struct evkv_store *store;

	narrow_kinds(&wrapper->hooks, &can);
	if (wrapper->hooks.narrow != NULL)
		wrapper->hooks.narrow(wrapper->self, &can);
	evkv__wrapper_choose_peek(wrapper);
	store = evkv_store_create(NULL, &wrapper->vtable, wrapper,
	    &(struct evkv_store_config){
		.capabilities = &can,
		.inner = &inner,
		.inner_count = 1,
	    },
	    error);
	return store;
}

/* With options that have been read and lie within their bounds. */
static struct evkv_store *make(const struct evkv_type *type,
    struct evkv_store *inner, const void *options, struct evkv_error *error)
{
	struct wrapper *wrapper = wrapper_new(type, options);

	if (wrapper != NULL && wrapper_init(wrapper, inner, error))
		return create(wrapper, inner, error);
	evkv_error_set(error, EVKV_NOMEM, "%s: out of memory", type->name);
	if (wrapper != NULL)
		wrapper_free(wrapper);
	evkv_store_unref(inner);
	return NULL;
}

struct evkv_store *evkv_wrapper_create(const struct evkv_type *type,
    struct evkv_store *inner, const void *given, size_t size,
    struct evkv_error *error)
{
	_Alignas(16) char options[512];

	if (inner == NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: the inner store is NULL", type->name);
		return NULL;
	}
	if (type->options_size > sizeof(options)) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: an options struct has at most %zu bytes", type->name,
		    sizeof(options));
		evkv_store_unref(inner);
		return NULL;
	}
	return evkv__wrapper_options(type, inner, options, given, size, error)
	    ? make(type, inner, options, error)
	    : NULL;
}

struct wrapper *evkv__wrapper_of(const struct evkv_store *store)
{
	return store != NULL && store->vtable->submit == evkv__wrapper_submit
	    ? store->self
	    : NULL;
}

void *evkv_wrapper_self(const struct evkv_store *store,
    const struct evkv_type *type)
{
	const struct wrapper *wrapper = evkv__wrapper_of(store);

	return wrapper != NULL && wrapper->type == type ? wrapper->self : NULL;
}
