/*
 * wrappers/single_collection/single_collection.c - all collections in one.
 *
 * What is about one collection goes by the kit: the collection's name becomes
 * the head of its keys (names.c). collections and clear_all look at all keys
 * (walk.c).
 */
#include "wrappers/single_collection/single_collection.h"

#include <string.h>

#include "wrappers/types.h"

/* Mostly it is the same collection again; who calls copies the head at once. */
static void single_collection_place(void *arg, struct evkv_slice collection,
    struct evkv_place *place)
{
	struct single_collection *self = arg;

	if (collection.size == 0)
		collection = self->default_collection;
	if (self->last_head_size == 0 ||
	    !evkv_slice_equal(evkv_bytes(self->last, self->last_size),
		collection)) {
		self->last_size = collection.size;
		if (collection.size > 0)
			memcpy(self->last, collection.data, collection.size);
		self->last_head_size = evkv__single_head(self->separator,
		    collection, self->last_head);
	}
	place->collection = self->collection;
	place->key_head = evkv_bytes(self->last_head, self->last_head_size);
}

static enum evkv_verdict single_collection_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	if (request->kind == EVKV_OP_COLLECTIONS ||
	    request->kind == EVKV_OP_CLEAR_ALL)
		return evkv__single_collection_walk(arg, op);
	return evkv_wrapper_forward(op, request);
}

/* Names of collections are found among keys, by clears of one after another. */
static void single_collection_narrow(void *self, struct evkv_capabilities *can)
{
	const uint32_t keys = EVKV_KIND_BIT(EVKV_OP_KEYS);
	const uint32_t clear = EVKV_KIND_BIT(EVKV_OP_CLEAR);

	(void)self;
	if ((can->kinds & keys) == 0)
		can->kinds &= ~EVKV_KIND_BIT(EVKV_OP_COLLECTIONS);
	if ((can->kinds & keys) == 0 || (can->kinds & clear) == 0)
		can->kinds &= ~EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
	if ((can->flags & EVKV_STORE_KEY_ORDER) == 0)
		can->flags &= ~(uint32_t)EVKV_STORE_ENUM_UNIQUE;
	/* What surely fits, whatever the collection is called. */
	if (can->max_key > 2 * HEAD_MAX)
		can->max_key -= HEAD_MAX;
}

static bool separator_ok(struct evkv_slice separator)
{
	const unsigned char *bytes = separator.data;
	size_t i;

	for (i = 0; i < separator.size; i++) {
		if (memchr("%0123456789ABCDEF", bytes[i], 17) != NULL)
			return false;
	}
	return separator.size <= SEPARATOR_MAX;
}

static void *single_collection_init(void *arg, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct evkv_single_collection_options *options = arg;
	struct single_collection *self;
	const char *why = NULL;

	if (options->collection.size > EVKV_COLLECTION_MAX ||
	    options->default_collection.size > EVKV_COLLECTION_MAX)
		why = "the name of a collection has at most 255 bytes";
	else if (!separator_ok(options->separator))
		why = "the separator has 1 to 16 bytes, without %, digits and "
		      "the letters A to F";
	if (why != NULL) {
		evkv_error_set(error, EVKV_INVALID, "single_collection: %s",
		    why);
		return NULL;
	}
	self = evkv_calloc(1, sizeof(*self));
	if (self == NULL)
		return NULL;
	self->collection = options->collection;
	self->separator = options->separator.size > 0 ? options->separator
						      : EVKV_LIT("__");
	self->default_collection = options->default_collection;
	self->inner = inner;
	return self;
}

static void single_collection_free(void *self)
{
	evkv_free(self);
}

#define ROW(name_, summary_, standard_)                                        \
	{                                                                      \
		.name = #name_, .type = EVKV_URL_BYTES,                        \
		.offset = offsetof(struct evkv_single_collection_options,      \
		    name_),                                                    \
		.summary = (summary_), .standard = (standard_)                 \
	}

static const struct evkv_url_option single_collection_options[] = {
	ROW(collection, "the collection in the inner store", NULL),
	ROW(separator, "what stands between collection and key", "__"),
	ROW(default_collection, "the collection of callers that give none",
	    NULL),
};

static const struct evkv_wrapper single_collection_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_FORWARDS_GET,
	.init = single_collection_init,
	.free = single_collection_free,
	.narrow = single_collection_narrow,
	.place = single_collection_place,
	.submit = single_collection_submit,
};

const struct evkv_type evkv__single_collection_type = {
	.size = sizeof(struct evkv_type),
	.name = "single_collection",
	.summary = "puts all collections into one of the inner store",
	.options = single_collection_options,
	.option_count = sizeof(single_collection_options) /
	    sizeof(single_collection_options[0]),
	.options_size = sizeof(struct evkv_single_collection_options),
	.argument = "collection",
	.wrapper = &single_collection_hooks,
};

struct evkv_store *evkv_single_collection_new_sized(struct evkv_store *inner,
    const struct evkv_single_collection_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&evkv__single_collection_type, inner,
	    options, size, error);
}
