/**
 * @file
 * Values encrypted by XChaCha20-Poly1305; a library of its own,
 * libevkv-encryption.
 *
 *     store = evkv_encryption_new(store,
 *         &(struct evkv_encryption_options){
 *             .key_file = "/etc/service/evkv.key" }, &error);
 *
 * Each value is sealed with a random nonce and bound to its collection and key:
 * moved to another entry it does not open. A changed byte, a key that is wrong
 * or not known, and a value that was stored without the wrapper are CORRUPT.
 * Names, TTLs and sizes are not hidden, and an older value of the same entry,
 * put back by who can write to the store, is not told from the newest.
 * docs/wrappers.md has the format, and how to change keys.
 *
 * INCR is UNSUPPORTED. A value has 48 bytes more in the inner store.
 */
#ifndef EVKV_WRAPPERS_ENCRYPTION_H
#define EVKV_WRAPPERS_ENCRYPTION_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** The size of a key, in bytes. */
#define EVKV_ENCRYPTION_KEY_SIZE 32

/**
 * Gives a key. Called on the loop's thread, once for each id that is met, as
 * long as that is among the last ones; it must not block, nor use the store.
 * @param arg  key_arg of the options
 * @param id   which key
 * @param key  room for EVKV_ENCRYPTION_KEY_SIZE bytes
 * @return false where there is no such key: what it sealed is CORRUPT
 */
typedef bool (*evkv_encryption_key_cb)(void *arg, uint32_t id,
    unsigned char *key);

/**
 * Where the keys are. A key file has 32 bytes, or 64 hexadecimal digits and
 * perhaps a line end. It is read once, when the wrapper is made.
 */
struct evkv_encryption_options {
	/** the file of the key `key_id`; NULL = none */
	const char *key_file;
	/** the id of the key that values are sealed with, from 1; 0 = 1 */
	int key_id;
	/** the file of a second key, for values that it sealed; NULL = none */
	const char *previous_key_file;
	/** its id; needed with previous_key_file, and another than key_id */
	int previous_key_id;
	/** asked for keys that no file has; NULL = there are none */
	evkv_encryption_key_cb key;
	/** for `key`; lives as long as the store */
	void *key_arg;
};

/** evkv_encryption_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_encryption_new_sized(struct evkv_store *inner,
    const struct evkv_encryption_options *options, size_t size,
    struct evkv_error *error);

/**
 * Encrypt the values of a store. Reads the key files, which may block. Keys are
 * in memory that is not swapped, where the system permits, and are wiped with
 * the store.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; must tell where the key `key_id` is
 * @param error    filled where NULL is returned: INVALID, or NOMEM
 * @return the caller's reference
 */
static inline struct evkv_store *evkv_encryption_new(struct evkv_store *inner,
    const struct evkv_encryption_options *options, struct evkv_error *error)
{
	return evkv_encryption_new_sized(inner, options, sizeof(*options),
	    error);
}

/**
 * Seal with another key from now on. What is stored is still opened by the key
 * that sealed it. On the loop's thread; legal in a callback.
 * @param store  of evkv_encryption_new(), itself: not a wrapper around it
 * @param id     a key of the files or of the callback, which is asked now
 * @param error  filled where false is returned: INVALID
 * @return false where there is no such key: then nothing has changed
 */
EVKV_API bool evkv_encryption_use_key(struct evkv_store *store, int id,
    struct evkv_error *error);

/**
 * Make the wrapper known to evkv_open():
 * "redis://cache/0 | encryption(/etc/service/evkv.key)".
 * @return false when out of memory, or where `loop` is NULL
 */
EVKV_API bool evkv_encryption_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
