/*
 * wrappers/compression/compression.c - values compressed by zstd.
 *
 * Small values are done on the loop's thread, on the way down and up. Large
 * ones are away.c's, and for that all that answers values goes by a child:
 * whether a value is large is known only when it is there.
 */
#include "evkv/wrappers/compression.h"

#include "wrappers/compression/compression.h"

#include "base/request.h"

#define LEVEL 3
#define LEVEL_MAX 19 /* those above take memory by the hundred megabytes */
#define MIN_SIZE 256
#define MAX_VALUE ((size_t)64 << 20)
#define OFFLOAD_SIZE ((size_t)64 << 10)

static void compression_free(void *arg)
{
	struct compression *self = arg;

	evkv_lane_free(self->lane);
	compression_codec_free(&self->here);
	compression_codec_free(&self->away);
	evkv_free(self);
}

static void *compression_init(void *arg, struct evkv_store *inner,
    struct evkv_error *error)
{
	const struct evkv_compression_options *options = arg;
	struct compression *self = evkv_calloc(1, sizeof(*self));

	(void)error;
	if (self == NULL)
		return NULL;
	self->inner = inner;
	self->here.level = options->level != 0 ? options->level : LEVEL;
	self->here.min_size = options->min_size != 0 ? options->min_size
						     : MIN_SIZE;
	self->here.max_value = options->max_value_bytes != 0
	    ? options->max_value_bytes
	    : MAX_VALUE;
	self->here.require_header = options->require_header;
	self->away = self->here;
	self->offload_size = options->offload_size != 0 ? options->offload_size
							: OFFLOAD_SIZE;
	return self;
}

/* Any value may get a header, and none may be written that is not read. */
static void compression_narrow(void *arg, struct evkv_capabilities *can)
{
	const struct compression *self = arg;

	can->max_value -= can->max_value < COMPRESSION_HEADER
	    ? can->max_value
	    : COMPRESSION_HEADER;
	if (can->max_value > self->here.max_value)
		can->max_value = self->here.max_value;
}

/* ---- On the way down ----------------------------------------------------- */

static enum evkv_status compression_value_encode(void *arg, struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct evkv_slice *value)
{
	struct compression *self = arg;
	unsigned char *room;

	(void)request;
	(void)i;
	if (!compression_encodes(&self->here, *value))
		return EVKV_OK;
	room = evkv_op_alloc(op, compression_room(*value));
	if (room == NULL)
		return EVKV_NOMEM;
	return compression_encode(&self->here, *value, room, value);
}

static bool has_large_value(const struct compression *self,
    const struct evkv_request *request)
{
	struct evkv_slice value;
	size_t i;

	for (i = 0; i < request->count; i++) {
		value = request_value(request, i);
		if (value.size >= self->offload_size &&
		    compression_encodes(&self->here, value))
			return true;
	}
	return false;
}

static enum evkv_verdict compression_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	uint32_t classes = evkv_kind_classes(request->kind);
	struct compression *self = arg;

	if ((classes & EVKV_CLASS_ANSWERS_VALUES) != 0)
		return compression_get(self, op, request);
	if ((classes & EVKV_CLASS_HAS_VALUES) != 0 &&
	    has_large_value(self, request))
		return compression_put_away(self, op, request);
	return evkv_wrapper_forward(op, request);
}

/* ---- On the way up ------------------------------------------------------- */

void compression_entry_end(struct evkv_op *op, size_t i,
    enum evkv_status status, struct evkv_value *value, const char *why)
{
	if (status == EVKV_OK) {
		if (value != NULL)
			evkv_op_give_value(op, i, value);
		return;
	}
	evkv_op_give_value(op, i, NULL);
	evkv_op_entry(op, i)->status = status;
	evkv_op_explain(op,
	    status == EVKV_NOMEM ? EVKV_CAUSE_NOMEM : EVKV_CAUSE_NONE, 0, why);
}

/* The kit's hook; the kit ends the entry where it is not OK. */
enum evkv_status compression_entry_decode(void *arg, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct compression *self = arg;
	struct evkv_value *value;
	enum evkv_status status;
	const char *why;

	(void)request;
	status = compression_decode(&self->here, evkv_op_entry(op, i)->value,
	    &value, &why);
	if (value != NULL)
		evkv_op_give_value(op, i, value);
	if (why != NULL)
		evkv_op_explain(op, EVKV_CAUSE_NONE, 0, why);
	return status;
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
	{ .name = "offload_size",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_compression_options, offload_size),
	    .min = 1,
	    .max = INT64_MAX,
	    .summary = "the smallest value that a worker thread is given",
	    .standard = "64k" },
	{ .name = "require_header",
	    .type = EVKV_URL_BOOL,
	    .offset = offsetof(struct evkv_compression_options, require_header),
	    .summary = "values without a header are damaged" },
};

static const struct evkv_wrapper compression_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_ORDERED,
	.ordered_kinds = EVKV_KIND_BIT(EVKV_OP_PUT) |
	    EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_TTL) |
	    EVKV_KIND_BIT(EVKV_OP_TAKE),
	.init = compression_init,
	.free = compression_free,
	.narrow = compression_narrow,
	.encode = compression_value_encode,
	.decode = compression_entry_decode,
	.submit = compression_submit,
	.stop = compression_stop,
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
