/*
 * evkv/key_codec.h - names for stores that have one flat space of names, and
 * for directories; for authors of stores.
 *
 *     char name[EVKV_KEY_ENCODED_MAX];
 *     size_t size = evkv_key_encode(EVKV_LIT("users"), EVKV_LIT("123"), name);
 *     // users:123
 *
 * A flat name is `collection:key`, with '%' and ':' of the collection written
 * as %25 and %3A and every other byte, the whole key included, as it is. So
 * two pairs never have the same name, and a name that evkv could not have
 * written is known as foreign.
 *
 * Pure functions: no memory, no failure but those that are named. Any thread.
 */
#ifndef EVKV_KEY_CODEC_H
#define EVKV_KEY_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "evkv/export.h"
#include "evkv/request.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/* The longest encoded collection, its ':' included; the longest flat name. */
#define EVKV_KEY_HEAD_MAX (EVKV_COLLECTION_MAX * 3 + 1)
#define EVKV_KEY_ENCODED_MAX (EVKV_KEY_HEAD_MAX + EVKV_KEY_MAX)

/* The size in bytes of a flat name, and of its head `collection:` alone. */
EVKV_API size_t evkv_key_encoded_size(struct evkv_slice collection,
    struct evkv_slice key);
EVKV_API size_t evkv_key_head_size(struct evkv_slice collection);

/*
 * Write a flat name, or its head `collection:` alone, to `buffer`, which has
 * room for the size above (nothing is terminated). Returns that size.
 */
EVKV_API size_t evkv_key_encode(struct evkv_slice collection,
    struct evkv_slice key, void *buffer);
EVKV_API size_t evkv_key_encode_head(struct evkv_slice collection,
    void *buffer);

/*
 * Take a flat name apart. *collection is decoded into `buffer`, which has room
 * for EVKV_COLLECTION_MAX bytes; *key lies within `encoded`. false for what
 * evkv_key_encode() could not have written: no ':', a '%' that does not begin
 * %25 or %3A, a collection or a key of a length that is not allowed.
 */
EVKV_API bool evkv_key_decode(struct evkv_slice encoded, void *buffer,
    struct evkv_slice *collection, struct evkv_slice *key);

/* The longest file name that is made, without its NUL. */
#define EVKV_FILE_NAME_MAX 255

/*
 * A file name for a collection (0..255 bytes, any bytes). Letters, digits,
 * '-', '_' and, but for the first byte, '.' stay as they are; all other bytes
 * become %XX (upper-case hex); the empty name is "%". Where this would be over
 * EVKV_FILE_NAME_MAX bytes, the file name is a head of it, "%-" and 64 hex
 * digits of the SHA-256 of the whole name. It is never empty, "." or "..", and
 * has no '/' and no control byte. Not for file systems that ignore case.
 *
 * Writes the file name and a NUL to `file`. Returns true where the file name
 * tells the whole name; false for a hashed one, which can't be decoded: then
 * the caller keeps the full name inside.
 */
EVKV_API bool evkv_file_name_encode(struct evkv_slice name,
    char file[EVKV_FILE_NAME_MAX + 1]);

enum evkv_file_name {
	EVKV_FILE_NAME_FOREIGN, /* not made by evkv_file_name_encode() */
	EVKV_FILE_NAME_WHOLE,   /* *name is set */
	EVKV_FILE_NAME_HASHED,  /* has the form of a hashed one */
};

/*
 * Take a file name (NUL-terminated) back: *name is decoded into `buffer`, which
 * has room for EVKV_COLLECTION_MAX bytes; it is empty for the other answers.
 */
EVKV_API enum evkv_file_name evkv_file_name_decode(const char *file,
    void *buffer, struct evkv_slice *name);

EVKV_END_DECLS

#endif
