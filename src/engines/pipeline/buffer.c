/*
 * engines/pipeline/buffer.c - a run of bytes that grows at its end and is used
 * up from its start.
 */
#include "engines/pipeline/pipeline.h"

#include <string.h>

#define BUFFER_FIRST 16384

static bool buffer_resize(struct buffer *buffer, size_t size)
{
	size_t used = buffer->tail - buffer->head;
	char *data = evkv_malloc(size);

	if (data == NULL)
		return false;
	if (used > 0)
		memcpy(data, buffer->data + buffer->head, used);
	evkv_free(buffer->data);
	buffer->data = data;
	buffer->size = size;
	buffer->head = 0;
	buffer->tail = used;
	return true;
}

/* Moves bytes only when at least as many were used up: linear in the end. */
bool evkv__pipe_buffer_make_room(struct buffer *buffer, size_t room)
{
	size_t used = buffer->tail - buffer->head, size;

	if (buffer->head >= used && buffer->size - used >= room) {
		if (used > 0)
			memcpy(buffer->data, buffer->data + buffer->head, used);
		buffer->head = 0;
		buffer->tail = used;
		return true;
	}
	if (room > SIZE_MAX / 2 - used)
		return false;
	size = buffer->size < BUFFER_FIRST ? BUFFER_FIRST : buffer->size;
	while (size - used < room)
		size *= 2;
	if (size == buffer->size)
		size *= 2;
	return buffer_resize(buffer, size);
}

void evkv__pipe_buffer_consume(struct buffer *buffer, size_t size)
{
	if (buffer->tail > buffer->peak)
		buffer->peak = buffer->tail;
	buffer->head += size;
	if (buffer->head == buffer->tail)
		buffer->head = buffer->tail = 0;
}

void evkv__pipe_buffer_free(struct buffer *buffer)
{
	evkv_free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

void evkv__pipe_buffer_trim(struct buffer *buffer)
{
	if (buffer->tail > buffer->peak)
		buffer->peak = buffer->tail;
	if (buffer->tail == 0 && buffer->size > BUFFER_FIRST &&
	    buffer->peak < buffer->size / 4)
		evkv__pipe_buffer_free(buffer);
	buffer->peak = buffer->tail;
}
