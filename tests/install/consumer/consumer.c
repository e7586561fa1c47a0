/*
 * consumer.c - a stranger's program: one put and one get through a chain, and
 * a use of each driver that was installed. Exit status 0 if all went well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <evkv/driver.h>
#include <evkv/evkv.h>
#ifdef CONSUMER_REDIS
#include <evkv/stores/redis.h>
#endif
#ifdef CONSUMER_ELASTICSEARCH
#include <evkv/stores/elasticsearch.h>
#endif
#ifdef CONSUMER_DISK
#include <evkv/stores/disk.h>
#endif
#ifdef CONSUMER_FILETREE
#include <evkv/stores/filetree.h>
#endif
#ifdef CONSUMER_JSONFILE
#include <evkv/stores/jsonfile.h>
#endif
#ifdef CONSUMER_PIPELINE
#include <evkv/pipeline.h>
#endif
#ifdef CONSUMER_EXECUTOR
#include <evkv/executor.h>
#endif
#ifdef CONSUMER_COMPRESSION
#include <evkv/wrappers/compression.h>
#endif
#ifdef CONSUMER_ENCRYPTION
#include <evkv/wrappers/encryption.h>
#endif

static int answers;

static void on_get(const struct evkv_result *result, void *arg)
{
	(void)arg;
	if (result->status == EVKV_OK &&
	    evkv_slice_equal(evkv_result_entry(result, 0)->bytes,
		EVKV_LIT("Ada")))
		answers++;
	else
		fprintf(stderr, "get: %s\n", result->message);
}

static void die(const char *what)
{
	fprintf(stderr, "consumer: %s\n", what);
	exit(EXIT_FAILURE);
}

/* A driver's scheme is known, and a URL that it refuses names the fault. */
static void expect_refusal(struct evkv_loop *loop, const char *url,
    const char *named)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	if (evkv_open(loop, url, &error) != NULL)
		die(url);
	printf("%s: %s\n", url, error.message);
	if (strstr(error.message, named) == NULL)
		die("an error that does not name the fault");
}

static void try_drivers(struct evkv_loop *loop)
{
	expect_refusal(loop, "nonsense:", "nonsense");
#ifdef CONSUMER_REDIS
	if (!evkv_redis_register(loop))
		die("redis could not be registered");
	expect_refusal(loop, "redis://localhost/0?nonsense=1", "nonsense");
#endif
#ifdef CONSUMER_ELASTICSEARCH
	if (!evkv_elasticsearch_register(loop))
		die("elasticsearch could not be registered");
	expect_refusal(loop, "elasticsearch://localhost/i?nonsense=1",
	    "nonsense");
#endif
#ifdef CONSUMER_DISK
	if (!evkv_disk_register(loop))
		die("disk could not be registered");
	expect_refusal(loop, "disk:/nowhere?nonsense=1", "nonsense");
#endif
#ifdef CONSUMER_FILETREE
	if (!evkv_filetree_register(loop))
		die("filetree could not be registered");
	expect_refusal(loop, "file:/nowhere?nonsense=1", "nonsense");
#endif
#ifdef CONSUMER_JSONFILE
	if (!evkv_jsonfile_register(loop))
		die("jsonfile could not be registered");
	expect_refusal(loop, "jsonfile:/nowhere?nonsense=1", "nonsense");
#endif
#ifdef CONSUMER_COMPRESSION
	if (!evkv_compression_register(loop))
		die("compression could not be registered");
	expect_refusal(loop, "simple: | compression(level=99)", "level");
#endif
#ifdef CONSUMER_ENCRYPTION
	if (!evkv_encryption_register(loop))
		die("encryption could not be registered");
	expect_refusal(loop, "simple: | encryption(/nowhere/key)", "/nowhere");
#endif
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(loop, "simple:", &error);

	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(loop, NULL, &error), NULL, &error);
	store = evkv_prefix_keys_new(store, EVKV_LIT("app:"), &error);
	if (store == NULL)
		die(error.message);
	if (strcmp(evkv_version(), EVKV_VERSION) != 0)
		die("headers and library are of different versions");

	evkv_put(store, EVKV_LIT("users"), EVKV_LIT("1"), EVKV_LIT("Ada"), 0,
	    NULL, NULL);
	evkv_get(store, EVKV_LIT("users"), EVKV_LIT("1"), on_get, NULL);
	event_base_dispatch(base);
	try_drivers(loop);

	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	printf("evkv %s: %d of 1 answers\n", evkv_version(), answers);
	return answers == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
