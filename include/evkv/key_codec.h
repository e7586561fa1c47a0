/**
 * @file
 * Names for stores that have one flat space of names, and for directories; for
 * authors of stores.
 *
 *     char name[EVKV_KEY_ENCODED_MAX];
 *     size_t size = evkv_key_encode(EVKV_LIT("users"), EVKV_LIT("123"), name);
 *     // users:123
 *
 * A flat name is `collection:key`. In the collection a percent sign is written
 * as %25 and a colon as %3A; every other byte, the whole key included, stays as
 * it is. So two different pairs never have the same name, and a name that evkv
 * could not have written is recognised as foreign.
 *
 * Pure functions: they take no memory, and fail only as they say. Any thread.
 */
#ifndef EVKV_KEY_CODEC_H
#define EVKV_KEY_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "evkv/export.h"
#include "evkv/request.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/** The longest encoded collection in bytes, its colon included. */
#define EVKV_KEY_HEAD_MAX (EVKV_COLLECTION_MAX * 3 + 1)
/** The longest flat name in bytes. */
#define EVKV_KEY_ENCODED_MAX (EVKV_KEY_HEAD_MAX + EVKV_KEY_MAX)

/** The size of a flat name in bytes. */
EVKV_API size_t evkv_key_encoded_size(struct evkv_slice collection,
    struct evkv_slice key);

/** The size in bytes of the head of a flat name, `collection:`, alone. */
EVKV_API size_t evkv_key_head_size(struct evkv_slice collection);

/**
 * Write a flat name.
 * @param collection  0 to 255 bytes
 * @param key         1 to 65535 bytes
 * @param buffer      has room for evkv_key_encoded_size() bytes; no NUL is
 *                    added
 * @return the size of the name in bytes
 */
EVKV_API size_t evkv_key_encode(struct evkv_slice collection,
    struct evkv_slice key, void *buffer);

/**
 * Write the head of a flat name, `collection:`, alone.
 * @param collection  0 to 255 bytes
 * @param buffer      has room for evkv_key_head_size() bytes; no NUL is added
 * @return the size of the head in bytes
 */
EVKV_API size_t evkv_key_encode_head(struct evkv_slice collection,
    void *buffer);

/** The longest prefix of evkv_key_head(), in bytes. */
#define EVKV_KEY_PREFIX_MAX 1024

/** The head of flat names that was asked for last. Zero it to begin with. */
struct evkv_key_head {
	/** of the head in bytes; 0 = none was asked for */
	size_t size;
	/** of its collection's name in bytes */
	size_t collection_size;
	/** its collection's name */
	char collection[EVKV_COLLECTION_MAX];
	/** the head */
	char bytes[EVKV_KEY_PREFIX_MAX + EVKV_KEY_HEAD_MAX];
};

/**
 * What the flat names of a collection begin with, behind a prefix that all
 * names have. Operations mostly name the collection that the one before them
 * did, so the head that was asked for last is kept.
 * @param head        the last one
 * @param prefix      always the same, at most EVKV_KEY_PREFIX_MAX bytes
 * @param collection  0 to 255 bytes
 * @return the head; it lives until the next call
 */
EVKV_API struct evkv_slice evkv_key_head(struct evkv_key_head *head,
    struct evkv_slice prefix, struct evkv_slice collection);

/**
 * Split a flat name.
 * @param encoded     the flat name
 * @param buffer      has room for EVKV_COLLECTION_MAX bytes
 * @param collection  set to the collection, decoded into `buffer`
 * @param key         set to the key, which lies within `encoded`
 * @return false for what evkv_key_encode() could not have written: no colon, a
 *         percent sign that does not begin %25 or %3A, a collection or a key of
 *         a length that is not allowed
 */
EVKV_API bool evkv_key_decode(struct evkv_slice encoded, void *buffer,
    struct evkv_slice *collection, struct evkv_slice *key);

/** The longest file name that is made, in bytes, without its NUL. */
#define EVKV_FILE_NAME_MAX 255

/**
 * A file name for a collection or a key. Letters, digits, '-', '_' and, except
 * as the first byte, '.' stay as they are; every other byte becomes a percent
 * sign and two upper-case hex digits; the empty name is a single percent sign.
 * Where
 * this would be longer than EVKV_FILE_NAME_MAX bytes, the file name is the
 * beginning of it, a percent sign, '-', and the 64 hex digits of the SHA-256 of
 * the whole name. A file name is never empty, "." or "..", and has no '/' and
 * no control byte. Not for file systems that ignore case.
 * @param name  0 to 65535 bytes, any bytes
 * @param file  set to the file name and a NUL
 * @return true where the file name holds the whole name; false for a hashed
 *         one, which can't be decoded: keep the full name inside the file
 */
EVKV_API bool evkv_file_name_encode(struct evkv_slice name,
    char file[EVKV_FILE_NAME_MAX + 1]);

/** What a file name is. */
enum evkv_file_name {
	/** not made by evkv_file_name_encode() */
	EVKV_FILE_NAME_FOREIGN,
	/** holds the whole name */
	EVKV_FILE_NAME_WHOLE,
	/** has the form of a hashed one */
	EVKV_FILE_NAME_HASHED,
};

/**
 * Decode a file name.
 * @param file    NUL-terminated
 * @param buffer  has room for EVKV_COLLECTION_MAX bytes
 * @param name    set to the name, decoded into `buffer`; empty unless the
 *                answer is EVKV_FILE_NAME_WHOLE
 */
EVKV_API enum evkv_file_name evkv_file_name_decode(const char *file,
    void *buffer, struct evkv_slice *name);

EVKV_END_DECLS

#endif
