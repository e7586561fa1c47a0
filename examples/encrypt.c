/*
 * encrypt.c - values are encrypted before they reach the store: who reads its
 * files or its server sees names, sizes and TTLs alone.
 *
 *     $ encrypt
 *     with the key: OK, 8 bytes
 *     in the store: OK, 56 bytes
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "evkv/evkv.h"
#include "evkv/wrappers/encryption.h"

static void on_get(const struct evkv_result *result, void *what)
{
	struct evkv_slice bytes = evkv_result_entry(result, 0)->bytes;

	printf("%s: %s, %zu bytes\n", (char *)what,
	    evkv_status_name(result->status), bytes.size);
}

/* A service takes it from where its secrets are. */
static bool the_key(void *arg, uint32_t id, unsigned char *key)
{
	size_t i;

	(void)arg;
	for (i = 0; i < EVKV_ENCRYPTION_KEY_SIZE; i++)
		key[i] = (unsigned char)(i * 7);
	return id == 1;
}

int main(void)
{
	char with[] = "with the key", without[] = "in the store";
	const struct evkv_slice users = EVKV_LIT("users"),
				ada = EVKV_LIT("ada");
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *inner = evkv_open(loop, "memory:", NULL), *store;

	evkv_store_ref(inner); /* to look at it from below, too */
	store = evkv_encryption_new(inner,
	    &(struct evkv_encryption_options){ .key = the_key }, NULL);
	if (store == NULL)
		return EXIT_FAILURE;
	evkv_put(store, users, ada, EVKV_LIT("Lovelace"), 0, NULL, NULL);
	evkv_get(store, users, ada, on_get, with);
	event_base_dispatch(base);
	evkv_get(inner, users, ada, on_get, without);
	event_base_dispatch(base);
	evkv_store_unref(store);
	evkv_store_unref(inner);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
