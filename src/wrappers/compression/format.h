/*
 * wrappers/compression/format.h - the header before a value.
 *
 *      0  8  magic
 *      8  1  version, 1
 *      9  1  method: 0 stored as it is, 1 a zstd frame
 *     10  2  0
 *     12  4  size of the value, little-endian
 *     16  8  SipHash-1-3 of bytes 8 to 15 and what is behind, little-endian
 *     24     the value, stored or compressed
 *
 * No UTF-8 text begins with the magic's first byte. A value that has all bytes
 * of the magic but one counts as one with a damaged header, and what is put and
 * looks like that gets a header, so that it reads back as it was.
 */
#ifndef EVKV_WRAPPERS_COMPRESSION_FORMAT_H
#define EVKV_WRAPPERS_COMPRESSION_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "evkv/slice.h"

#define COMPRESSION_HEADER 24

enum compression_method {
	COMPRESSION_STORED,
	COMPRESSION_ZSTD,
};

struct compression_header {
	enum compression_method method;
	uint32_t size;             /* of the value itself */
	struct evkv_slice payload; /* what is behind the header */
};

/* Whether bytes have the header, or one that is damaged in its magic. */
bool compression_is_framed(struct evkv_slice bytes);

/* Write the header before `size` bytes of payload, which are there already. */
void compression_write(unsigned char *frame, enum compression_method method,
    size_t value_size, size_t payload_size);

/*
 * Method and size as the header says, which may be damaged; false: there is no
 * whole one.
 */
bool compression_peek(struct evkv_slice bytes,
    struct compression_header *header);

/* Read and check it; returns what is wrong, or NULL. */
const char *compression_read(struct evkv_slice bytes,
    struct compression_header *header);

#endif
