/*
 * base/evbuffer.c - values whose bytes are in a buffer of libevent's, and back.
 */
#include "evkv/evbuffer.h"

#include <event2/buffer.h>

#include "base/value.h"
#include "evkv/alloc.h"

/* A slice of nothing: its bytes are the buffer's. */
struct value_buffer {
	struct value_slice slice; /* first */
	struct evbuffer *buffer;
};

static void buffer_release(struct evkv_value *value)
{
	evbuffer_free(((struct value_buffer *)value)->buffer);
	evkv_free(value);
}

static const struct evkv_value_owner value_buffer = { buffer_release };

/* The bytes in one piece, in a buffer of our own; NULL = no memory. */
static struct evbuffer *take_over(struct evbuffer *from)
{
	struct evbuffer *ours = NULL;

	if (evbuffer_get_length(from) == 0 || evbuffer_pullup(from, -1) != NULL)
		ours = evbuffer_new();
	if (ours != NULL && evbuffer_add_buffer(ours, from) != 0) {
		evbuffer_free(ours);
		ours = NULL;
	}
	return ours;
}

struct evkv_value *evkv_value_from_evbuffer(struct evbuffer *buffer)
{
	size_t size = evbuffer_get_length(buffer);
	struct value_buffer *value;

	if (size > EVKV_VALUE_MAX)
		return NULL;
	value = evkv_calloc(1, sizeof(*value));
	if (value == NULL)
		return NULL;
	value->buffer = take_over(buffer);
	if (value->buffer == NULL) {
		evkv_free(value);
		return NULL;
	}
	value->slice.data = size > 0
	    ? (const char *)evbuffer_pullup(value->buffer, -1)
	    : "";
	value->slice.value.owner = &value_buffer;
	value->slice.value.size = (uint32_t)size;
	atomic_init(&value->slice.value.refs, 1);
	return &value->slice.value;
}

static void value_sent(const void *data, size_t size, void *value)
{
	(void)data;
	(void)size;
	evkv_value_unref(value);
}

bool evkv_evbuffer_add_value(struct evbuffer *buffer,
    const struct evkv_value *value)
{
	struct evkv_slice bytes = evkv_value_bytes(value);
	struct evkv_value *held;

	if (bytes.size == 0)
		return true;
	held = evkv_value_ref(value);
	if (evbuffer_add_reference(buffer, bytes.data, bytes.size, value_sent,
		held) == 0)
		return true;
	evkv_value_unref(held);
	return false;
}
