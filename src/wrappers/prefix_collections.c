/*
 * wrappers/prefix_collections.c - every collection gets a prefix.
 *
 * The kit puts it before names on the way down, selects by it and takes it off
 * on the way up. A name that would be too long with it is INVALID before
 * anything is asked.
 */
#include "evkv/wrappers/prefix_collections.h"

#include <string.h>

#include "evkv/wrapper.h"
#include "wrappers/types.h"

#define PREFIX_MAX 200 /* bytes */

struct prefix_collections {
	struct evkv_slice prefix;
};

static void *prefix_collections_init(void *options, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct prefix_collections *self = options;

	(void)inner;
	if (self->prefix.size >= 1 && self->prefix.size <= PREFIX_MAX)
		return options;
	evkv_error_set(error, EVKV_INVALID,
	    "prefix_collections: the prefix has %zu bytes; it must have 1 to "
	    "%d",
	    self->prefix.size, PREFIX_MAX);
	return NULL;
}

static enum evkv_status prefix_collections_check(void *arg,
    const struct evkv_request *request, const char **why)
{
	const struct prefix_collections *self = arg;

	if (request->collection.size <= EVKV_COLLECTION_MAX - self->prefix.size)
		return EVKV_OK;
	*why = "the collection's name has more than 255 bytes with the prefix";
	return EVKV_INVALID;
}

static void prefix_collections_place(void *arg, struct evkv_slice collection,
    struct evkv_place *place)
{
	const struct prefix_collections *self = arg;
	size_t size = self->prefix.size;

	memcpy(place->room, self->prefix.data, size);
	if (collection.size > 0)
		memcpy(place->room + size, collection.data, collection.size);
	place->collection = evkv_bytes(place->room, size + collection.size);
}

static struct evkv_slice prefix_collections_head(void *arg)
{
	const struct prefix_collections *self = arg;

	return self->prefix;
}

static const struct evkv_url_option prefix_collections_options[] = {
	{ .name = "prefix",
	    .type = EVKV_URL_BYTES,
	    .offset = offsetof(struct prefix_collections, prefix),
	    .summary = "what stands before each collection's name, 1 to 200 "
		       "bytes",
	    .flags = EVKV_OPTION_REQUIRED },
};

static const struct evkv_wrapper prefix_collections_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_COLLECTION_HEADS,
	.init = prefix_collections_init,
	.check = prefix_collections_check,
	.place = prefix_collections_place,
	.collection_head = prefix_collections_head,
};

const struct evkv_type evkv__prefix_collections_type = {
	.size = sizeof(struct evkv_type),
	.name = "prefix_collections",
	.summary = "puts a prefix before the name of every collection",
	.options = prefix_collections_options,
	.option_count = 1,
	.options_size = sizeof(struct prefix_collections),
	.argument = "prefix",
	.wrapper = &prefix_collections_hooks,
};

struct evkv_store *evkv_prefix_collections_new(struct evkv_store *inner,
    struct evkv_slice prefix, struct evkv_error *error)
{
	struct prefix_collections options = { prefix };

	if (prefix.data != NULL || prefix.size == 0)
		return evkv_wrapper_create(&evkv__prefix_collections_type,
		    inner, &options, sizeof(options), error);
	evkv_error_set(error, EVKV_INVALID,
	    "prefix_collections: the prefix is NULL but has a size");
	evkv_store_unref(inner);
	return NULL;
}
