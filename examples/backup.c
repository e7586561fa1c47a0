/*
 * backup.c - a copy of a disk store that is in use, as it is at one moment.
 *
 *     backup <directory of the store> <directory of the copy>
 *
 *     $ backup store copy
 *     copied
 *     $ backup copy second
 *     copied
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "evkv/evkv.h"
#include "evkv/stores/disk.h"

static const char *copy;

static void on_copied(const struct evkv_result *result, void *arg)
{
	struct evkv_store *store = arg;

	puts(result->status == EVKV_OK ? "copied" : result->message);
	evkv_store_close(store, 1000, NULL, NULL);
}

static void on_put(const struct evkv_result *result, void *arg)
{
	(void)result;
	/* Reads and writes go on while a worker copies. */
	if (!evkv_disk_backup(arg, copy, 0, on_copied, arg))
		evkv_store_close(arg, 1000, NULL, NULL);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *store;

	if (argc < 3)
		return EXIT_FAILURE;
	copy = argv[2];
	store = evkv_disk_new(loop,
	    &(struct evkv_disk_options){ .path = argv[1] }, NULL);
	if (store == NULL)
		return EXIT_FAILURE;
	evkv_put(store, EVKV_LIT("users"), EVKV_LIT("ada"),
	    EVKV_LIT("Lovelace"), 0, on_put, store);
	event_base_dispatch(base);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
