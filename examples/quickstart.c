/*
 * quickstart.c - the chain of the README: a memory cache in front of a store,
 * every key with a prefix, one put and one get.
 *
 *     quickstart [url of the store behind the cache, default "simple:"]
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/evkv.h"

static void on_get(const struct evkv_result *result, void *arg)
{
	int *exit_status = arg;

	if (result->status == EVKV_OK) {
		const struct evkv_slice bytes = evkv_result_entry(result, 0)
						    ->bytes;

		printf("ada is %.*s\n", (int)bytes.size,
		    (const char *)bytes.data);
		*exit_status = EXIT_SUCCESS;
	} else {
		printf("ada: %s, %s\n", evkv_status_name(result->status),
		    result->message);
	}
}

int main(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : "simple:";
	const struct evkv_slice users = EVKV_LIT("users");
	const struct evkv_slice ada = EVKV_LIT("ada");
	struct event_base *base = event_base_new();
	struct evkv_error error = EVKV_ERROR_INIT;
	int exit_status = EXIT_FAILURE;

	/* [readme] */
	struct evkv_loop *loop = evkv_loop_new_with(base, NULL, &error);
	struct evkv_store *store = evkv_open(loop, url, &error);
	struct evkv_store *cache = evkv_memory_new(loop, NULL, &error);

	store = evkv_passthrough_cache_new(store, cache, NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
	if (loop == NULL || store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	evkv_put(store, users, ada, EVKV_LIT("Lovelace"), 60000, NULL, NULL);
	evkv_get(store, users, ada, on_get, &exit_status);
	event_base_dispatch(base);

	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	/* [readme] */
	return exit_status;
}
