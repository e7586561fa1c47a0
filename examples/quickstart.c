/*
 * quickstart.c - the chain of the README: a memory cache in front of a store,
 * every key with a prefix, one put and one get.
 *
 *     quickstart [url of the store behind the cache, default "simple:"]
 *
 *     $ quickstart
 *     ada is Lovelace
 *     $ quickstart memory:
 *     ada is Lovelace
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/evkv.h"
#ifdef QUICKSTART_HAS_REDIS
#include "evkv/stores/redis.h"
#endif

static int exit_status = EXIT_FAILURE;

/* [readme] */
static void on_get(const struct evkv_result *result, void *arg)
{
	struct evkv_store *store = (struct evkv_store *)arg;
	struct evkv_slice bytes = evkv_result_entry(result, 0)->bytes;

	if (result->status == EVKV_OK) {
		printf("ada is %.*s\n", (int)bytes.size,
		    (const char *)bytes.data);
		exit_status = EXIT_SUCCESS;
	} else {
		printf("ada: %s, %s\n", evkv_status_name(result->status),
		    result->message);
	}
	/* An open store keeps event_base_dispatch() alive. */
	evkv_store_close(store, 0, NULL, NULL);
}
/* [readme] */

static void register_drivers(struct evkv_loop *loop)
{
#ifdef QUICKSTART_HAS_REDIS
	evkv_redis_register(loop);
#else
	(void)loop;
#endif
}

int main(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : "simple:";
	const struct evkv_slice users = EVKV_LIT("users");
	const struct evkv_slice ada = EVKV_LIT("ada");
	struct event_base *base = event_base_new();
	/* [readme] */
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_loop *loop = evkv_loop_new_with(base, NULL, &error);
	struct evkv_store *store, *cache;

	/* [readme] */
	register_drivers(loop);
	/* [readme] */
	store = evkv_open(loop, url, &error);
	cache = evkv_memory_new(loop, NULL, &error);
	store = evkv_passthrough_cache_new(store, cache, NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
	if (store == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	evkv_store_set_timeout(store, 2000); /* milliseconds */
	evkv_put(store, users, ada, EVKV_LIT("Lovelace"), 60000, NULL, NULL);
	evkv_get(store, users, ada, on_get, store);
	event_base_dispatch(base);

	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	/* [readme] */
	return exit_status;
}
