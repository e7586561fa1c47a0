/*
 * base/request.h - what a request carries, in whichever way it was given.
 */
#ifndef EVKV_BASE_REQUEST_H
#define EVKV_BASE_REQUEST_H

#include "evkv/request.h"
#include "evkv/value.h"

/* The bytes of the value for key `i`; none where the kind has no values. */
static inline struct evkv_slice request_value(
    const struct evkv_request *request, size_t i)
{
	if (request->values != NULL)
		return request->values[i];
	if (request->counted_values != NULL)
		return evkv_value_bytes(request->counted_values[i]);
	return evkv_bytes(NULL, 0);
}

/* Bytes of all keys and values. */
static inline size_t request_bytes(const struct evkv_request *request)
{
	size_t bytes = 0, i;

	for (i = 0; i < request->count; i++)
		bytes += request->keys[i].size + request_value(request, i).size;
	return bytes;
}

#endif
