/**
 * @file
 * Base64 (RFC 4648), with padding, for authors.
 *
 *     size_t size = evkv_base64_encode(bytes, text);
 *
 * Any thread.
 */
#ifndef EVKV_BASE64_H
#define EVKV_BASE64_H

#include <stdbool.h>

#include "evkv/export.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/** The size of the text of `size` bytes. */
#define EVKV_BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/**
 * Write bytes as text.
 * @param bytes  the bytes
 * @param text   has room for EVKV_BASE64_SIZE() of them; no NUL is added
 * @return the size of the text
 */
EVKV_API size_t evkv_base64_encode(struct evkv_slice bytes, char *text);

/**
 * Read bytes from text. Only what evkv_base64_encode() writes is taken: no
 * white space, with padding, unused bits zero.
 * @param text   the text
 * @param bytes  has room for text.size / 4 * 3 bytes; may be the text itself
 * @param size   set to how many these are
 * @return false where it is not such a text
 */
EVKV_API bool evkv_base64_decode(struct evkv_slice text, void *bytes,
    size_t *size);

EVKV_END_DECLS

#endif
