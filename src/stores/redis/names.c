/*
 * The names of keys on the server: key_prefix, then the flat name.
 */
#include "evkv/key_codec.h"
#include "resp.h"
#include "store.h"

size_t evkv__redis_name_size(const struct redis_store *store,
    struct evkv_slice collection, struct evkv_slice key)
{
	return store->prefix.size + evkv_key_encoded_size(collection, key);
}

char *evkv__redis_name_write(const struct redis_store *store, char *at,
    struct evkv_slice collection, struct evkv_slice key)
{
	at = resp_raw(at, store->prefix.data, store->prefix.size);
	return at + evkv_key_encode(collection, key, at);
}
