/*
 * stores/elasticsearch/value.c - a value that comes in pieces.
 *
 * Its size is not known before its end. It grows by doubling at first; a large
 * one gets room for all that the answer still holds, so that it is not copied
 * again and again. Pages that are not written take no memory. A small one is
 * copied at its end, and its room is kept for the next one.
 */
#include "evkv/base64.h"
#include "stores/elasticsearch/reader.h"

#define VALUE_FIRST 512
#define VALUE_LARGE ((size_t)256 << 10)
#define VALUE_KEPT ((size_t)64 << 10)

static bool value_grow(struct es_value *value, size_t more, size_t remaining)
{
	size_t room = value->room == 0 ? VALUE_FIRST : value->room * 2;
	struct evkv_value *grown;
	void *data;

	if (value->room - value->size >= more)
		return true;
	if (room >= VALUE_LARGE && room < value->size + more + remaining)
		room = value->size + more + remaining;
	if (room < value->size + more)
		room = value->size + more;
	grown = evkv_value_new_uninit(room, &data);
	if (grown == NULL)
		return false;
	if (value->size > 0)
		memcpy(data, value->data, value->size);
	evkv_value_unref(value->value);
	value->value = grown;
	value->data = data;
	value->room = room;
	return true;
}

bool evkv__es_value_raw(struct es_value *value, struct evkv_slice bytes,
    size_t remaining, bool *no_memory)
{
	if (!value_grow(value, bytes.size, remaining)) {
		*no_memory = true;
		return false;
	}
	if (bytes.size > 0)
		memcpy(value->data + value->size, bytes.data, bytes.size);
	value->size += bytes.size;
	return true;
}

/* Whole groups of four letters. */
static bool value_groups(struct es_value *value, struct evkv_slice text)
{
	const char *letters = text.data;
	size_t size;

	if (text.size == 0)
		return true;
	if (value->ended ||
	    !evkv_base64_decode(text, value->data + value->size, &size))
		return false;
	value->size += size;
	value->ended = letters[text.size - 1] == '=';
	return true;
}

bool evkv__es_value_base64(struct es_value *value, struct evkv_slice text,
    size_t remaining, bool *no_memory)
{
	const char *at = text.data;
	size_t left = text.size, whole;

	if (!value_grow(value, left / 4 * 3 + 6, remaining / 4 * 3)) {
		*no_memory = true;
		return false;
	}
	while (value->carried > 0 && value->carried < 4 && left > 0) {
		value->carry[value->carried++] = *at++;
		left--;
	}
	if (value->carried == 4) {
		if (!value_groups(value, evkv_bytes(value->carry, 4)))
			return false;
		value->carried = 0;
	}
	whole = left / 4 * 4;
	if (!value_groups(value, evkv_bytes(at, whole)))
		return false;
	for (; whole < left; whole++)
		value->carry[value->carried++] = at[whole];
	return true;
}

struct evkv_value *evkv__es_value_take(struct es_value *value, bool *no_memory)
{
	struct evkv_value *taken = NULL;
	bool kept = value->room <= VALUE_KEPT;

	if (value->carried == 0) {
		/* One that has much room left is copied, too. */
		if (!kept && value->size > value->room / 2)
			taken = evkv_value_slice(value->value, 0, value->size);
		else
			taken = evkv_value_new(evkv_bytes(value->data,
			    value->size));
		*no_memory |= taken == NULL;
	}
	if (!kept)
		evkv__es_value_clear(value);
	value->size = value->carried = 0;
	value->ended = false;
	return taken;
}

void evkv__es_value_clear(struct es_value *value)
{
	evkv_value_unref(value->value);
	memset(value, 0, sizeof(*value));
}
