/*
 * base/cursor_text.c - cursors as base64 for URLs: that of base64.c with two
 * other letters and without padding.
 */
#include "evkv/cursor.h"

#include <string.h>

#include "evkv/alloc.h"
#include "evkv/base64.h"
#include "evkv/request.h"

static void letters_swap(char *text, size_t size, const char from[2],
    const char to[2])
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (text[i] == from[0])
			text[i] = to[0];
		else if (text[i] == from[1])
			text[i] = to[1];
	}
}

char *evkv_cursor_text(struct evkv_slice cursor)
{
	char *text = evkv_malloc(EVKV_BASE64_SIZE(cursor.size) + 1);
	size_t size;

	if (text == NULL)
		return NULL;
	size = evkv_base64_encode(cursor, text);
	letters_swap(text, size, "+/", "-_");
	while (size > 0 && text[size - 1] == '=')
		size--;
	text[size] = '\0';
	return text;
}

/* The other alphabet's letters, and its padding, are none of ours. */
static bool is_text(struct evkv_slice text)
{
	return text.size <= EVKV_BASE64_SIZE(EVKV_CURSOR_MAX) &&
	    text.size % 4 != 1 &&
	    (text.size == 0 ||
		(memchr(text.data, '+', text.size) == NULL &&
		    memchr(text.data, '/', text.size) == NULL &&
		    memchr(text.data, '=', text.size) == NULL));
}

bool evkv_cursor_from_text(struct evkv_slice text, struct evkv_value **cursor)
{
	size_t padded = (text.size + 3) / 4 * 4, size = 0;
	struct evkv_value *room;
	void *data;
	bool ok;

	*cursor = NULL;
	if (!is_text(text))
		return false;
	room = evkv_value_new_uninit(padded, &data);
	if (room == NULL)
		return false;
	if (text.size > 0)
		memcpy(data, text.data, text.size);
	memset((char *)data + text.size, '=', padded - text.size);
	letters_swap(data, text.size, "-_", "+/");
	ok = evkv_base64_decode(evkv_bytes(data, padded), data, &size);
	if (ok)
		*cursor = evkv_value_slice(room, 0, size);
	evkv_value_unref(room);
	return *cursor != NULL;
}
