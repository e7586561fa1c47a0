/**
 * @file
 * Values from and to libevent's buffers.
 *
 *     // the body of an HTTP request becomes a value, and goes to the store
 *     value = evkv_value_from_evbuffer(evhttp_request_get_input_buffer(http));
 *     ...
 *     // a value from the store becomes the body of a reply
 *     if (!evkv_evbuffer_add_value(body,
 *             evkv_result_entry(result, 0)->value))
 *         evhttp_send_error(http, 503, NULL);
 *
 * Bytes are handed over, not copied.
 */
#ifndef EVKV_EVBUFFER_H
#define EVKV_EVBUFFER_H

#include <stdbool.h>

#include "evkv/value.h"

struct evbuffer;

EVKV_BEGIN_DECLS

/**
 * Take all bytes out of a buffer as a value, without a copy where they are in
 * one piece there; else they are joined first, by one. A put keeps such a value
 * as it is (`counted_values` of struct evkv_request). What the buffer refers to
 * (evbuffer_add_reference()) is released with the value, on the thread of its
 * last evkv_value_unref(). On the buffer's thread.
 * @param buffer  empty afterwards
 * @return the caller's reference; NULL when out of memory, or where there are
 *         more than EVKV_VALUE_MAX bytes, and then the buffer is as it was
 */
EVKV_API struct evkv_value *evkv_value_from_evbuffer(struct evbuffer *buffer);

/**
 * Append a value to a buffer, without a copy: the buffer holds a reference
 * until the bytes have left it. On the buffer's thread.
 * @param buffer  where to
 * @param value   whose bytes; NULL appends nothing
 * @return false when out of memory: then nothing was appended
 */
EVKV_API bool evkv_evbuffer_add_value(struct evbuffer *buffer,
    const struct evkv_value *value);

EVKV_END_DECLS

#endif
