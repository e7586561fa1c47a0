/*
 * wrappers/prefix_keys.c - every key gets a prefix in the inner store.
 *
 * The prefix is the head of the keys of every collection, wherever that is:
 * the kit puts it before keys, selects by it and takes it off names.
 */
#include "evkv/wrappers/prefix_keys.h"

#include "evkv/wrapper.h"
#include "wrappers/types.h"

#define PREFIX_KEYS_MAX EVKV_PLACE_ROOM /* bytes of a prefix */

struct prefix_keys_options {
	struct evkv_slice prefix;
};

static void prefix_keys_place(void *self, struct evkv_slice collection,
    struct evkv_place *place)
{
	const struct prefix_keys_options *options = self;

	(void)collection;
	place->key_head = options->prefix;
}

static void *prefix_keys_init(void *self, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct prefix_keys_options *options = self;
	size_t most = evkv_store_capabilities(inner)->max_key - 1;

	if (most > PREFIX_KEYS_MAX)
		most = PREFIX_KEYS_MAX;
	if (options->prefix.size >= 1 && options->prefix.size <= most)
		return self;
	evkv_error_set(error, EVKV_INVALID,
	    "prefix_keys: the prefix has %zu bytes; it must have 1 to %zu",
	    options->prefix.size, most);
	return NULL;
}

static void prefix_keys_narrow(void *self, struct evkv_capabilities *can)
{
	const struct prefix_keys_options *options = self;

	can->max_key -= options->prefix.size;
}

static const struct evkv_url_option prefix_keys_options[] = {
	{ .name = "prefix",
	    .type = EVKV_URL_BYTES,
	    .offset = offsetof(struct prefix_keys_options, prefix),
	    .summary = "what stands before each key, 1 to 1024 bytes",
	    .flags = EVKV_OPTION_REQUIRED },
};

static const struct evkv_wrapper prefix_keys_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_KEY_HEADS | EVKV_WRAPPER_SAME_HEAD,
	.init = prefix_keys_init,
	.narrow = prefix_keys_narrow,
	.place = prefix_keys_place,
};

const struct evkv_type evkv__prefix_keys_type = {
	.size = sizeof(struct evkv_type),
	.name = "prefix_keys",
	.summary = "puts a prefix before every key",
	.options = prefix_keys_options,
	.option_count = 1,
	.options_size = sizeof(struct prefix_keys_options),
	.argument = "prefix",
	.wrapper = &prefix_keys_hooks,
};

struct evkv_store *evkv_prefix_keys_new(struct evkv_store *inner,
    struct evkv_slice prefix, struct evkv_error *error)
{
	struct prefix_keys_options options = { prefix };

	if (prefix.data != NULL || prefix.size == 0)
		return evkv_wrapper_create(&evkv__prefix_keys_type, inner,
		    &options, sizeof(options), error);
	evkv_error_set(error, EVKV_INVALID,
	    "prefix_keys: the prefix is NULL but has a size");
	evkv_store_unref(inner);
	return NULL;
}
