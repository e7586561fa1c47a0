/**
 * @file
 * A run of bytes that somebody else owns.
 *
 *     struct evkv_slice name = EVKV_LIT("users");
 *     struct evkv_slice key = evkv_str(argv[1]);
 *     struct evkv_slice raw = evkv_bytes(buffer, length);
 *
 * Slices are binary-safe: no byte is special and nothing is terminated. A zero
 * slice is valid and empty. Any thread.
 */
#ifndef EVKV_SLICE_H
#define EVKV_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Bytes that somebody else owns. */
struct evkv_slice {
	/** the first byte; may be NULL where `size` is 0 */
	const void *data;
	/** how many bytes there are */
	size_t size;
};

/** The bytes [data, data + size). */
static inline struct evkv_slice evkv_bytes(const void *data, size_t size)
{
	struct evkv_slice slice;

	slice.data = data;
	slice.size = size;
	return slice;
}

/** The bytes of a NUL-terminated string, without the NUL; NULL is empty. */
static inline struct evkv_slice evkv_str(const char *string)
{
	return evkv_bytes(string, string != NULL ? strlen(string) : 0);
}

/** The bytes of a string literal, including any NUL inside it. */
#define EVKV_LIT(literal) evkv_bytes("" literal, sizeof(literal) - 1)

/** Whether two slices hold the same bytes. */
static inline bool evkv_slice_equal(struct evkv_slice a, struct evkv_slice b)
{
	return a.size == b.size &&
	    (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
