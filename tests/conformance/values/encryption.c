/*
 * tests/conformance/values/encryption.c - over a memory store.
 */
#include <stdint.h>
#include <string.h>

#ifdef HAVE_COMPRESSION
#include "evkv/wrappers/compression.h"
#endif
#include "evkv/wrappers/encryption.h"
#include "suites.h"

static bool give_key(void *arg, uint32_t id, unsigned char *key)
{
	(void)arg;
	memset(key, (int)id, EVKV_ENCRYPTION_KEY_SIZE);
	return true;
}

static struct evkv_store *open_encryption(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct evkv_store *memory = evkv_memory_new(loop,
	    &(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error);

	return evkv_encryption_new(evkv_conformance_delay(run, memory, error),
	    &(struct evkv_encryption_options){ .key = give_key }, error);
}

#ifdef HAVE_COMPRESSION
/* As it is meant to be: compressed first. */
static struct evkv_store *open_both(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	return evkv_compression_new(open_encryption(run, loop, error),
	    &(struct evkv_compression_options){ .min_size = 30 }, error);
}
#endif

const struct evkv_conformance_suite conformance_suites[] = {
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "encryption",
	    .open = open_encryption },
#ifdef HAVE_COMPRESSION
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "compressed_encryption",
	    .open = open_both },
#endif
	{ .name = NULL },
};
