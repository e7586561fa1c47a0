/*
 * The names of keys on the server: key_prefix, then the flat name. Operations
 * mostly name the collection that the one before them did, so its encoded form
 * is kept.
 */
#include "resp.h"
#include "store.h"

static __attribute__((noinline)) void names_set_head(struct redis_store *store,
    struct evkv_slice collection)
{
	struct redis_head *head = &store->head;
	size_t prefix = store->prefix.size;

	head->collection_size = collection.size;
	resp_raw(head->collection, collection.data, collection.size);
	resp_raw(head->bytes, store->prefix.data, prefix);
	head->size = prefix +
	    evkv_key_encode_head(collection, head->bytes + prefix);
}

struct evkv_slice evkv__redis_head(struct redis_store *store,
    struct evkv_slice collection)
{
	struct redis_head *head = &store->head;

	if (head->size == 0 || collection.size != head->collection_size ||
	    (collection.size > 0 &&
		memcmp(collection.data, head->collection, collection.size) !=
		    0))
		names_set_head(store, collection);
	return evkv_bytes(head->bytes, head->size);
}
