/*
 * wrappers/compression/codec.h - one value, compressed and back, by the
 * contexts of zstd that a thread has.
 *
 * The contexts are made when they are first used and kept: they are what costs.
 * Their memory is malloc()'s: zstd takes another allocator only in its unstable
 * interface. The loop's thread has one codec, the worker another.
 */
#ifndef EVKV_WRAPPERS_COMPRESSION_CODEC_H
#define EVKV_WRAPPERS_COMPRESSION_CODEC_H

#include <zstd.h>

#include "evkv/status.h"
#include "evkv/value.h"
#include "wrappers/compression/format.h"

struct codec {
	int level;
	size_t min_size, max_value;
	bool require_header;
	ZSTD_CCtx *out;
	ZSTD_DCtx *in;
};

void compression_codec_free(struct codec *codec);

/* The most bytes that a value may take when it is stored. */
static inline size_t compression_room(struct evkv_slice value)
{
	return COMPRESSION_HEADER + value.size;
}

/*
 * A value as it is to be stored, into `room` of compression_room() bytes.
 * `stored` is a part of that, or the value itself where it needs no header.
 */
enum evkv_status compression_encode(struct codec *codec,
    struct evkv_slice value, unsigned char *room, struct evkv_slice *stored);
/* Whether compression_encode() would not leave the value as it is. */
bool compression_encodes(const struct codec *codec, struct evkv_slice value);

/*
 * What was stored, as it was put: `value` is set, with a reference for the
 * caller, or left NULL where it is what was stored. Where that is not OK, `why`
 * says what is wrong, in static storage, or is NULL.
 */
enum evkv_status compression_decode(struct codec *codec,
    const struct evkv_value *stored, struct evkv_value **value,
    const char **why);
/* How many bytes that has to go through, as its header says; 0 = none. */
size_t compression_work(const struct codec *codec,
    const struct evkv_value *stored);

#endif
