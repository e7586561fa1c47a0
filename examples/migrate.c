/*
 * migrate.c - copies all entries of one store to another, with what is left of
 * their TTLs. Both may be in use: what the new store has already stays there.
 *
 *     $ migrate
 *     ada: OK
 */
#include <stdio.h>
#include <stdlib.h>

#include "evkv/adapters/sync.h"

static struct evkv_sync *from, *to;
static struct evkv_slice collection;

static bool copy(struct evkv_slice key, void *failure)
{
	/* TTL answers the value too. */
	const struct evkv_request get = { .kind = EVKV_OP_TTL,
		.collection = collection, .count = 1, .keys = &key };
	struct evkv_result *result = NULL;
	enum evkv_status status = evkv_sync_call(from, &get, &result);
	const struct evkv_entry *entry;

	if (status == EVKV_OK) {
		entry = evkv_result_entry(result, 0);
		status = evkv_sync_add(to, collection, key, entry->bytes,
		    entry->ttl_ms);
		printf("%.*s: %s\n", (int)key.size, (const char *)key.data,
		    evkv_status_name(status));
	}
	evkv_sync_result_free(result);
	if (evkv_failed(status))
		*(enum evkv_status *)failure = status;
	return !evkv_failed(status);
}

static bool copy_all(struct evkv_slice name, void *failure)
{
	enum evkv_status status;

	collection = name;
	status = evkv_sync_keys(from, name, EVKV_LIT(""), copy, failure);
	if (evkv_failed(status))
		*(enum evkv_status *)failure = status;
	return !evkv_failed(*(enum evkv_status *)failure);
}

int main(int argc, char **argv)
{
	enum evkv_status status, failure = EVKV_OK;

	from = evkv_sync_open(argc > 2 ? argv[1] : "simple:", NULL, NULL);
	to = evkv_sync_open(argc > 2 ? argv[2] : "memory:", NULL, NULL);
	evkv_sync_put(from, EVKV_LIT("users"), EVKV_LIT("ada"),
	    EVKV_LIT("Lovelace"), 60000);
	status = evkv_sync_collections(from, EVKV_LIT(""), copy_all, &failure);
	evkv_sync_close(from, 1000);
	evkv_sync_close(to, 1000);
	return status == EVKV_OK && failure == EVKV_OK ? EXIT_SUCCESS
						       : EXIT_FAILURE;
}
