/*
 * sync.c - blocking calls from eight threads, without a loop of one's own.
 *
 *     sync [url of the store, default "memory:"]
 *
 *     $ sync
 *     8 threads counted to 4000
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "evkv/adapters/sync.h"

#define THREADS 8
#define EACH 500

static void *count(void *arg)
{
	struct evkv_sync *db = arg;
	int64_t number;
	int i;

	for (i = 0; i < EACH; i++) {
		if (evkv_sync_incr(db, EVKV_LIT("counters"), EVKV_LIT("visits"),
			1, &number) != EVKV_OK)
			break;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_sync *db = evkv_sync_open(argc > 1 ? argv[1] : "memory:",
	    NULL, &error);
	struct evkv_value *value = NULL;
	pthread_t threads[THREADS];
	struct evkv_slice bytes;
	int i;

	if (db == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, db);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	evkv_sync_get(db, EVKV_LIT("counters"), EVKV_LIT("visits"), &value);
	bytes = evkv_value_bytes(value);
	printf("%d threads counted to %.*s\n", THREADS, (int)bytes.size,
	    bytes.size > 0 ? (const char *)bytes.data : "");
	evkv_value_unref(value);
	evkv_sync_close(db, 1000);
	return bytes.size == 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}
