/*
 * wrappers/compression/codec.c - see codec.h.
 */
#include "wrappers/compression/codec.h"

#include <string.h>

#include <zstd_errors.h>

void compression_codec_free(struct codec *codec)
{
	ZSTD_freeCCtx(codec->out);
	ZSTD_freeDCtx(codec->in);
}

/* ---- As it is to be stored ----------------------------------------------- */

static bool tries(const struct codec *codec, struct evkv_slice value)
{
	return value.size >= codec->min_size &&
	    value.size > COMPRESSION_HEADER + 1;
}

static bool needs_header(const struct codec *codec, struct evkv_slice value)
{
	return codec->require_header || compression_is_framed(value);
}

bool compression_encodes(const struct codec *codec, struct evkv_slice value)
{
	return tries(codec, value) || needs_header(codec, value);
}

/* `stored` is the frame where that is smaller, else it stays the value. */
static enum evkv_status compress(struct codec *codec, struct evkv_slice value,
    unsigned char *room, struct evkv_slice *stored)
{
	size_t size;

	if (codec->out == NULL)
		codec->out = ZSTD_createCCtx();
	if (codec->out == NULL)
		return EVKV_NOMEM;
	size = ZSTD_compressCCtx(codec->out, room + COMPRESSION_HEADER,
	    value.size - COMPRESSION_HEADER - 1, value.data, value.size,
	    codec->level);
	if (ZSTD_isError(size))
		return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation
		    ? EVKV_NOMEM
		    : EVKV_OK;
	compression_write(room, COMPRESSION_ZSTD, value.size, size);
	*stored = evkv_bytes(room, COMPRESSION_HEADER + size);
	return EVKV_OK;
}

static void store_framed(struct evkv_slice value, unsigned char *room,
    struct evkv_slice *stored)
{
	if (value.size > 0)
		memcpy(room + COMPRESSION_HEADER, value.data, value.size);
	compression_write(room, COMPRESSION_STORED, value.size, value.size);
	*stored = evkv_bytes(room, COMPRESSION_HEADER + value.size);
}

enum evkv_status compression_encode(struct codec *codec,
    struct evkv_slice value, unsigned char *room, struct evkv_slice *stored)
{
	enum evkv_status status = EVKV_OK;

	*stored = value;
	if (tries(codec, value))
		status = compress(codec, value, room, stored);
	if (status == EVKV_OK && stored->data == value.data &&
	    needs_header(codec, value))
		store_framed(value, room, stored);
	return status;
}

/* ---- As it was put -------------------------------------------------------- */

static enum evkv_status corrupt(const char **why, const char *text)
{
	*why = text;
	return EVKV_CORRUPT;
}

/* Into memory of exactly the size that was told: no more is ever written. */
static enum evkv_status decompress(struct codec *codec,
    const struct compression_header *header, struct evkv_value **value,
    const char **why)
{
	size_t size;
	void *data;

	if (header->size > codec->max_value)
		return corrupt(why,
		    "compression: decompressed, the value would be larger "
		    "than max_value_bytes");
	if (ZSTD_getFrameContentSize(header->payload.data,
		header->payload.size) != header->size)
		return corrupt(why, "compression: the value has a wrong size");
	if (codec->in == NULL)
		codec->in = ZSTD_createDCtx();
	*value = codec->in != NULL ? evkv_value_new_uninit(header->size, &data)
				   : NULL;
	if (*value == NULL)
		return EVKV_NOMEM;
	size = ZSTD_decompressDCtx(codec->in, data, header->size,
	    header->payload.data, header->payload.size);
	if (size == header->size)
		return EVKV_OK;
	evkv_value_unref(*value);
	*value = NULL;
	if (ZSTD_isError(size) &&
	    ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation)
		return EVKV_NOMEM;
	return corrupt(why, "compression: the value can't be decompressed");
}

enum evkv_status compression_decode(struct codec *codec,
    const struct evkv_value *stored, struct evkv_value **value,
    const char **why)
{
	struct evkv_slice bytes = evkv_value_bytes(stored);
	struct compression_header header;

	*value = NULL;
	*why = NULL;
	if (!codec->require_header && !compression_is_framed(bytes))
		return EVKV_OK;
	*why = compression_read(bytes, &header);
	if (*why != NULL)
		return EVKV_CORRUPT;
	if (header.method == COMPRESSION_ZSTD)
		return decompress(codec, &header, value, why);
	*value = evkv_value_slice(stored, COMPRESSION_HEADER, header.size);
	return *value != NULL ? EVKV_OK : EVKV_NOMEM;
}

size_t compression_work(const struct codec *codec,
    const struct evkv_value *stored)
{
	struct evkv_slice bytes = evkv_value_bytes(stored);
	struct compression_header header;

	if ((!codec->require_header && !compression_is_framed(bytes)) ||
	    !compression_peek(bytes, &header) || header.size > codec->max_value)
		return 0;
	return header.size;
}
