/**
 * @file
 * Immutable, reference-counted bytes.
 *
 *     struct evkv_value *kept;
 *
 *     static void on_get(const struct evkv_result *result, void *arg)
 *     {
 *         if (result->status == EVKV_OK)
 *             kept = evkv_value_ref(evkv_result_entry(result, 0)->value);
 *     }
 *
 * The value of a result lives until the callback returns. evkv_value_ref()
 * keeps it longer, without copying it. The bytes never change. All calls may be
 * made on any thread.
 */
#ifndef EVKV_VALUE_H
#define EVKV_VALUE_H

#include <stddef.h>

#include "evkv/export.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/** A value: bytes with a reference count. */
struct evkv_value;

/** The longest value, in bytes, that any store takes: 4 GiB - 1. */
#define EVKV_VALUE_MAX ((size_t)0xffffffffu)

/**
 * A new value with a copy of bytes.
 * @return a value with one reference; NULL when out of memory or where the
 *         value would be longer than EVKV_VALUE_MAX
 */
EVKV_API struct evkv_value *evkv_value_new(struct evkv_slice bytes);

/**
 * A new value whose bytes the caller writes before anybody else sees it.
 * @param size  in bytes
 * @param data  set to where the bytes are to be written
 * @return as evkv_value_new()
 */
EVKV_API struct evkv_value *evkv_value_new_uninit(size_t size, void **data);

/**
 * A new value that is a part of another, without a copy: it holds a reference
 * on the whole, which so lives, and takes its memory, as long as the part does.
 * The bytes of the part are those of the whole. Any thread.
 * @param value   the whole; NULL gives NULL
 * @param offset  where the part begins, in bytes
 * @param size    how long it is, in bytes; may be 0
 * @return the caller's reference; NULL when out of memory, or when the part
 *         would not lie within the whole
 */
EVKV_API struct evkv_value *evkv_value_slice(const struct evkv_value *value,
    size_t offset, size_t size);

/** Take a reference; returns `value`. NULL gives NULL. */
EVKV_API struct evkv_value *evkv_value_ref(const struct evkv_value *value);

/** Release a reference; the last one frees the value. NULL is ignored. */
EVKV_API void evkv_value_unref(struct evkv_value *value);

/** The bytes; they live as long as the reference. NULL gives an empty slice. */
EVKV_API struct evkv_slice evkv_value_bytes(const struct evkv_value *value);

EVKV_END_DECLS

#endif
