/*
 * tests/wrappers/sealed.h - a wrapper that changes values, over a memory store
 * whose values can be looked at and damaged.
 */
#ifndef TESTS_WRAPPERS_SEALED_H
#define TESTS_WRAPPERS_SEALED_H

#include "evkv/evkv.h"
#include "lib/rig.h"
#include "lib/test.h"

struct sealed {
	struct rig rig;
	struct evkv_store *memory, *store;
	struct answer answer;
};

/* The memory store; `store` is the caller's to make. */
void sealed_open(struct sealed *s);
void sealed_close(struct sealed *s);

/* Put and get in collection "c"; what was got is in s->answer. */
enum evkv_status sealed_put(struct sealed *s, struct evkv_store *store,
    const char *key, struct evkv_slice value);
enum evkv_status sealed_get(struct sealed *s, struct evkv_store *store,
    const char *key);
/* An operation on the key "k" there. */
enum evkv_status sealed_submit(struct sealed *s, enum evkv_kind kind);
/* What was got, in memory to be freed by free(). */
unsigned char *sealed_copy(const struct sealed *s, size_t *size);

/* Put the value into the store and check that it comes back. */
void sealed_check(struct sealed *s, const char *key, struct evkv_slice value);
/* What the inner store has, put there, must be CORRUPT, for this reason. */
void sealed_check_corrupt(struct sealed *s, struct evkv_slice raw,
    const char *why);

#endif
