/*
 * evkv/value.h - immutable, counted bytes.
 *
 *     struct evkv_value *kept;
 *
 *     static void on_get(const struct evkv_result *result, void *arg)
 *     {
 *         if (result->status == EVKV_OK)
 *             kept = evkv_value_ref(evkv_result_entry(result, 0)->value);
 *     }
 *
 * The value of a result lives until the callback returns; evkv_value_ref()
 * keeps it longer, without copying it. The bytes never change.
 */
#ifndef EVKV_VALUE_H
#define EVKV_VALUE_H

#include <stddef.h>

#include "evkv/export.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

struct evkv_value;

/* The longest value, in bytes, that any store takes: 4 GiB - 1. */
#define EVKV_VALUE_MAX ((size_t)0xffffffffu)

/*
 * A new value holding a copy of `bytes`. The caller owns one reference. NULL
 * when memory is lacking or the value would be over EVKV_VALUE_MAX. Any thread.
 */
EVKV_API struct evkv_value *evkv_value_new(struct evkv_slice bytes);

/*
 * A new value of `size` bytes whose content the caller writes through *data
 * before it hands the value to anybody. Otherwise as evkv_value_new().
 */
EVKV_API struct evkv_value *evkv_value_new_uninit(size_t size, void **data);

/**
 * A new value that is a part of another, without a copy: it holds a reference
 * on the whole, which so lives, and takes its memory, as long as the part does.
 * The bytes of the part are those of the whole. Any thread.
 * @param value   the whole; NULL gives NULL
 * @param offset  where the part begins, in bytes
 * @param size    how long it is, in bytes; may be 0
 * @return the caller's reference; NULL when memory is lacking, or when the part
 *         would not lie within the whole
 */
EVKV_API struct evkv_value *evkv_value_slice(const struct evkv_value *value,
    size_t offset, size_t size);

/* One reference more; returns `value`. NULL gives NULL. Any thread. */
EVKV_API struct evkv_value *evkv_value_ref(const struct evkv_value *value);

/* One reference less; the last one frees. NULL is ignored. Any thread. */
EVKV_API void evkv_value_unref(struct evkv_value *value);

/* The bytes; they live as long as the reference. NULL gives an empty slice. */
EVKV_API struct evkv_slice evkv_value_bytes(const struct evkv_value *value);

EVKV_END_DECLS

#endif
