/*
 * wrappers/encryption/keys.h - the keys that are known, and where others are.
 */
#ifndef EVKV_WRAPPERS_ENCRYPTION_KEYS_H
#define EVKV_WRAPPERS_ENCRYPTION_KEYS_H

#include "evkv/error.h"
#include "evkv/wrappers/encryption.h"

#define KEYS_ROOM 16 /* keys of the callback that are kept, and two of files */

struct key {
	uint32_t id; /* 0 = the room is free */
	unsigned char bytes[EVKV_ENCRYPTION_KEY_SIZE];
};

/* In guarded memory of libsodium's, wiped when it is freed. */
struct keys {
	struct key current;  /* what values are sealed with */
	struct key files[2]; /* those of files stay */
	struct key room[KEYS_ROOM];
	unsigned next; /* of the room, to be used again */
	evkv_encryption_key_cb ask;
	void *arg;
};

/* NULL = out of memory, or `error` is filled. */
struct keys *keys_new(const struct evkv_encryption_options *options,
    struct evkv_error *error);
void keys_free(struct keys *keys);

/* The key of an id; NULL = there is none. Lives until the next call. */
const unsigned char *keys_find(struct keys *keys, uint32_t id);
/* Make a key the current one; false = there is no such key. */
bool keys_use(struct keys *keys, uint32_t id);

#endif
