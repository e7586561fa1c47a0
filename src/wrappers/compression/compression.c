/*
 * wrappers/compression/compression.c - values compressed by zstd.
 *
 * The contexts of zstd are made once for each wrapper and used for every
 * value: they are what costs. Their memory is malloc()'s: zstd takes another
 * allocator only in its unstable interface.
 */
#include "evkv/wrappers/compression.h"

#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "evkv/wrapper.h"
#include "wrappers/compression/format.h"

#define LEVEL 3
#define LEVEL_MAX 19 /* those above take memory by the hundred megabytes */
#define MIN_SIZE 256
#define MAX_VALUE ((size_t)64 << 20)

struct compression {
	int level;
	size_t min_size, max_value;
	bool require_header;
	ZSTD_CCtx *out;
	ZSTD_DCtx *in;
};

static void compression_free(void *arg)
{
	struct compression *self = arg;

	ZSTD_freeCCtx(self->out);
	ZSTD_freeDCtx(self->in);
	evkv_free(self);
}

static void *compression_init(void *arg, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct evkv_compression_options *options = arg;
	struct compression *self = evkv_calloc(1, sizeof(*self));

	(void)inner;
	(void)error;
	if (self == NULL)
		return NULL;
	self->level = options->level != 0 ? options->level : LEVEL;
	self->min_size = options->min_size != 0 ? options->min_size : MIN_SIZE;
	self->max_value = options->max_value_bytes != 0
	    ? options->max_value_bytes
	    : MAX_VALUE;
	self->require_header = options->require_header;
	self->out = ZSTD_createCCtx();
	self->in = ZSTD_createDCtx();
	if (self->out != NULL && self->in != NULL)
		return self;
	compression_free(self);
	return NULL;
}

/* Any value may get a header, and none may be written that is not read. */
static void compression_narrow(void *arg, struct evkv_capabilities *can)
{
	const struct compression *self = arg;

	can->max_value -= can->max_value < COMPRESSION_HEADER
	    ? can->max_value
	    : COMPRESSION_HEADER;
	if (can->max_value > self->max_value)
		can->max_value = self->max_value;
}

/* ---- On the way down ----------------------------------------------------- */

/* Sets `value` to the frame where that is smaller, else leaves it. */
static enum evkv_status compress(struct compression *self, struct evkv_op *op,
    struct evkv_slice *value)
{
	unsigned char *frame = evkv_op_alloc(op, value->size);
	size_t size;

	if (frame == NULL)
		return EVKV_NOMEM;
	size = ZSTD_compressCCtx(self->out, frame + COMPRESSION_HEADER,
	    value->size - COMPRESSION_HEADER - 1, value->data, value->size,
	    self->level);
	if (ZSTD_isError(size))
		return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation
		    ? EVKV_NOMEM
		    : EVKV_OK;
	compression_write(frame, COMPRESSION_ZSTD, value->size, size);
	*value = evkv_bytes(frame, COMPRESSION_HEADER + size);
	return EVKV_OK;
}

static enum evkv_status store_framed(struct evkv_op *op,
    struct evkv_slice *value)
{
	unsigned char *frame = evkv_op_alloc(op,
	    COMPRESSION_HEADER + value->size);

	if (frame == NULL)
		return EVKV_NOMEM;
	if (value->size > 0)
		memcpy(frame + COMPRESSION_HEADER, value->data, value->size);
	compression_write(frame, COMPRESSION_STORED, value->size, value->size);
	*value = evkv_bytes(frame, COMPRESSION_HEADER + value->size);
	return EVKV_OK;
}

static enum evkv_status compression_encode(void *arg, struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct evkv_slice *value)
{
	struct compression *self = arg;
	const void *given = value->data;
	enum evkv_status status = EVKV_OK;

	(void)request;
	(void)i;
	if (value->size >= self->min_size &&
	    value->size > COMPRESSION_HEADER + 1)
		status = compress(self, op, value);
	if (status != EVKV_OK || value->data != given)
		return status;
	return self->require_header || compression_is_framed(*value)
	    ? store_framed(op, value)
	    : EVKV_OK;
}

/* ---- On the way up ------------------------------------------------------- */

static enum evkv_status corrupt(struct evkv_op *op, const char *why)
{
	evkv_op_explain(op, EVKV_CAUSE_NONE, 0, why);
	return EVKV_CORRUPT;
}

/* Into memory of exactly the size that was told: no more is ever written. */
static enum evkv_status decompress(struct compression *self, struct evkv_op *op,
    size_t i, const struct compression_header *header)
{
	struct evkv_value *value;
	size_t size;
	void *data;

	if (header->size > self->max_value)
		return corrupt(op,
		    "compression: decompressed, the value would be larger "
		    "than max_value_bytes");
	if (ZSTD_getFrameContentSize(header->payload.data,
		header->payload.size) != header->size)
		return corrupt(op, "compression: the value has a wrong size");
	value = evkv_value_new_uninit(header->size, &data);
	if (value == NULL)
		return EVKV_NOMEM;
	size = ZSTD_decompressDCtx(self->in, data, header->size,
	    header->payload.data, header->payload.size);
	if (size == header->size) {
		evkv_op_give_value(op, i, value);
		return EVKV_OK;
	}
	evkv_value_unref(value);
	if (ZSTD_isError(size) &&
	    ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation)
		return EVKV_NOMEM;
	return corrupt(op, "compression: the value can't be decompressed");
}

static enum evkv_status unwrap(struct evkv_op *op, size_t i,
    const struct compression_header *header)
{
	struct evkv_value *value = evkv_value_slice(evkv_op_entry(op, i)->value,
	    COMPRESSION_HEADER, header->size);

	if (value == NULL)
		return EVKV_NOMEM;
	evkv_op_give_value(op, i, value);
	return EVKV_OK;
}

static enum evkv_status compression_decode(void *arg, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct compression *self = arg;
	struct evkv_slice bytes = evkv_value_bytes(evkv_op_entry(op, i)->value);
	struct compression_header header;
	const char *why;

	(void)request;
	if (!self->require_header && !compression_is_framed(bytes))
		return EVKV_OK;
	why = compression_read(bytes, &header);
	if (why != NULL)
		return corrupt(op, why);
	return header.method == COMPRESSION_ZSTD
	    ? decompress(self, op, i, &header)
	    : unwrap(op, i, &header);
}

/* ---- The type ------------------------------------------------------------ */

static const struct evkv_url_option compression_options[] = {
	{ .name = "level",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct evkv_compression_options, level),
	    .min = 1,
	    .max = LEVEL_MAX,
	    .summary = "of zstd: how hard it tries",
	    .standard = "3" },
	{ .name = "min_size",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_compression_options, min_size),
	    .min = 1,
	    .max = INT64_MAX,
	    .summary = "the smallest value that is compressed, in bytes",
	    .standard = "256" },
	{ .name = "max_value_bytes",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_compression_options,
		max_value_bytes),
	    .min = 1,
	    .max = INT64_MAX,
	    .summary = "the largest value, decompressed, in bytes",
	    .standard = "64m" },
	{ .name = "require_header",
	    .type = EVKV_URL_BOOL,
	    .offset = offsetof(struct evkv_compression_options, require_header),
	    .summary = "values without a header are damaged" },
};

static const struct evkv_wrapper compression_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.init = compression_init,
	.free = compression_free,
	.narrow = compression_narrow,
	.encode = compression_encode,
	.decode = compression_decode,
};

static const struct evkv_type compression_type = {
	.size = sizeof(struct evkv_type),
	.name = "compression",
	.summary = "compresses values by zstd",
	.options = compression_options,
	.option_count = sizeof(compression_options) /
	    sizeof(compression_options[0]),
	.options_size = sizeof(struct evkv_compression_options),
	.argument = "level",
	.wrapper = &compression_hooks,
};

struct evkv_store *evkv_compression_new_sized(struct evkv_store *inner,
    const struct evkv_compression_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&compression_type, inner, options, size,
	    error);
}

bool evkv_compression_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &compression_type);
}
