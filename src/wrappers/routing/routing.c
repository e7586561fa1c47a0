/*
 * wrappers/routing/routing.c - some collections in other stores.
 *
 * Happy path: what is about one collection is forwarded to its store, one to
 * one. What is about all stores is done in steps, see spans.c and
 * collections.c.
 *
 * Failures are those of the store that was asked.
 */
#include "wrappers/routing/routing.h"

#include <string.h>

#include "wrappers/types.h"

static enum evkv_verdict routing_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct routing *self = arg;
	size_t store;

	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_COLLECTION) != 0) {
		store = evkv__routes_store(self, request->collection);
		return evkv_op_forward(op, self->stores[store], request);
	}
	return request->kind == EVKV_OP_COLLECTIONS
	    ? evkv__routing_collections(self, op)
	    : evkv__routing_span(self, op);
}

static enum evkv_peek routing_peek(void *arg,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct routing *self = arg;
	size_t store = evkv__routes_store(self, request->collection);

	return evkv_store_peek(self->stores[store], request, value);
}

/* The steps are children, which are stopped by themselves. */
static void routing_stop(void *arg, struct evkv_op *op)
{
	(void)arg;
	(void)op;
}

static void routing_free(void *arg)
{
	struct routing *self = arg;

	evkv_free(self->bytes);
	evkv_free(self);
}

/* ---- By text ------------------------------------------------------------ */

static const struct evkv_url_option routing_options[] = {
	{
	    .name = "routes",
	    .field = "routes",
	    .type = EVKV_URL_BYTES,
	    .offset = offsetof(struct routing_text, routes),
	    .flags = EVKV_OPTION_REQUIRED,
	    .summary = "a pattern of collections for each store in the "
		       "parentheses, separated by blanks",
	},
};

static struct evkv_store *routing_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	const struct routing_text *given = making->options;
	struct evkv_slice text = given->routes, pattern;
	struct evkv_route routes[EVKV_ROUTING_MAX];
	size_t count = 0, i;

	memset(routes, 0, sizeof(routes));
	for (i = 0; i + 1 < making->inner_count && i < EVKV_ROUTING_MAX; i++)
		routes[i].store = making->inner[i + 1];
	while (evkv__routes_next(&text, &pattern)) {
		if (count < i)
			routes[count].pattern = pattern;
		count++;
	}
	if (count != i) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: routes has %zu patterns for %zu stores in the "
		    "parentheses",
		    type->name, count, i);
		/* Which is refused, and the stores are released. */
		routes[0].pattern = evkv_bytes(NULL, 0);
	}
	return evkv_routing_new(making->inner[0],
	    &(struct evkv_routing_options){
		.routes = routes, .route_count = i },
	    error);
}

const struct evkv_type evkv__routing_type = {
	.size = sizeof(struct evkv_type),
	.name = ROUTING_NAME,
	.summary = "has some collections in other stores",
	.options = routing_options,
	.option_count = sizeof(routing_options) / sizeof(routing_options[0]),
	.options_size = sizeof(struct routing_text),
	.inner_min = 2,
	.inner_max = 16,
	.make = routing_make,
};

static void routing_describe(void *arg, struct evkv_text *text)
{
	struct routing *self = arg;

	evkv_text_options(text, &evkv__routing_type, &self->given);
}

/*
 * A kind to come that is about one collection could be forwarded, but one that
 * is not could not be known to be for all stores: so only those known are.
 */
static const struct evkv_vtable routing_vtable = {
	.size = sizeof(routing_vtable),
	.name = ROUTING_NAME,
	.kinds = EVKV_KINDS_BASIC | EVKV_KIND_BIT(EVKV_OP_INCR) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.request_flags = EVKV_FLAG_VERSIONS | EVKV_FLAG_CACHED_ONLY,
	.conditions = EVKV_IF_BASIC | EVKV_IF_BIT(EVKV_IF_VERSION),
	.submit = routing_submit,
	.stop = routing_stop,
	.free = routing_free,
	.peek = routing_peek,
	.describe = routing_describe,
};

/* ---- Making ------------------------------------------------------------- */

static const struct evkv_route *route_at(
    const struct evkv_routing_options *options, size_t i)
{
	return (const struct evkv_route *)(const void *)((const char *)
							     options->routes +
	    i * options->route_size);
}

/* All that were given, each once, as evkv_store_create() does. */
static void release(struct evkv_store *rest,
    const struct evkv_routing_options *options)
{
	struct evkv_store *store;
	size_t i, j;

	evkv_store_unref(rest);
	for (i = 0; i < options->route_count; i++) {
		store = route_at(options, i)->store;
		for (j = 0; j < i; j++) {
			if (route_at(options, j)->store == store)
				break;
		}
		if (j == i && store != rest)
			evkv_store_unref(store);
	}
}

/* As the caller has them; false where something in them is not known. */
static bool read_options(struct evkv_routing_options *options,
    const struct evkv_routing_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_route route;
	bool known;
	size_t i;

	known = evkv_options_read(options, sizeof(*options), given, size,
	    error);
	if (!known)
		*options = *given;
	if (options->routes == NULL)
		options->route_count = 0;
	for (i = 0; known && i < options->route_count; i++)
		known = evkv_options_read(&route, sizeof(route),
		    route_at(options, i), options->route_size, error);
	if (known &&
	    (options->route_count == 0 ||
		options->route_count > EVKV_ROUTING_MAX)) {
		evkv_error_set(error, EVKV_INVALID,
		    ROUTING_NAME ": %zu routes, where 1 to %d may be given",
		    options->route_count, EVKV_ROUTING_MAX);
		known = false;
	}
	return known;
}

/* NULL = out of memory, or `error` is filled. */
static struct routing *routing_self(struct evkv_store *rest,
    const struct evkv_routing_options *options, struct evkv_error *error)
{
	struct routing *self = evkv_calloc(1, sizeof(*self));
	struct evkv_slice patterns[EVKV_ROUTING_MAX];
	size_t i;

	if (self == NULL)
		return NULL;
	self->stores[self->store_count++] = rest;
	for (i = 0; i < options->route_count; i++) {
		patterns[i] = route_at(options, i)->pattern;
		self->stores[self->store_count++] = route_at(options, i)->store;
	}
	if (evkv__routes_init(self, patterns, error))
		return self;
	routing_free(self);
	return NULL;
}

struct evkv_store *evkv_routing_new_sized(struct evkv_store *rest,
    const struct evkv_routing_options *given, size_t size,
    struct evkv_error *error)
{
	struct evkv_store *inner[EVKV_ROUTING_MAX + 1] = { rest };
	struct evkv_store_config config = { .inner = inner };
	struct evkv_routing_options options;
	struct routing *self;
	size_t i;

	if (!read_options(&options, given, size, error)) {
		release(rest, &options);
		return NULL;
	}
	for (i = 0; i < options.route_count; i++)
		inner[i + 1] = route_at(&options, i)->store;
	config.inner_count = options.route_count + 1;
	self = routing_self(rest, &options, error);
	if (self == NULL)
		evkv_error_set(error, EVKV_NOMEM,
		    ROUTING_NAME ": out of memory");
	return evkv_store_create(NULL, &routing_vtable, self, &config, error);
}
