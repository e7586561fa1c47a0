/*
 * wrappers/single_collection/names.c - a collection's name as the head of keys.
 *
 * The head is the escaped name and the separator. The rule that keeps heads
 * apart: within a head the separator is found at its end and nowhere before. So
 * no head is the beginning of another one, and a key tells its head. Escapes
 * are made of bytes that no separator has; each name has one escaped form, and
 * what is not in this form is nobody's.
 */
#include <string.h>

#include "wrappers/single_collection/single_collection.h"

static const char hex[] = "0123456789ABCDEF";

static size_t put_escaped(char *to, unsigned char byte)
{
	to[0] = '%';
	to[1] = hex[byte >> 4];
	to[2] = hex[byte & 15];
	return 3;
}

/* Whether the separator is in `bytes` before the place `end`. */
static bool begins_before(struct evkv_slice separator, const char *bytes,
    size_t end)
{
	const char *at = bytes;

	while (at < bytes + end) {
		at = memchr(at, *(const char *)separator.data,
		    (size_t)(bytes + end - at));
		if (at == NULL)
			return false;
		if (memcmp(at, separator.data, separator.size) == 0)
			return true;
		at++;
	}
	return false;
}

/*
 * Byte by byte: where the separator, put behind what there is, would begin too
 * early, the last byte is what it begins or goes on with, so that one is
 * escaped. A byte may be fine in the middle and not at the end.
 */
size_t evkv__single_head(struct evkv_slice separator,
    struct evkv_slice collection, char *head)
{
	const unsigned char *name = collection.data;
	size_t size = 0, last, i;

	for (i = 0; i < collection.size; i++) {
		last = size;
		if (name[i] == '%') {
			size += put_escaped(head + size, name[i]);
			continue;
		}
		head[size++] = (char)name[i];
		/* Complete inside of the name, or with what follows it. */
		if (size >= separator.size &&
		    memcmp(head + size - separator.size, separator.data,
			separator.size) == 0) {
			size = last + put_escaped(head + last, name[i]);
		} else if (i + 1 == collection.size) {
			memcpy(head + size, separator.data, separator.size);
			if (begins_before(separator, head, size))
				size = last + put_escaped(head + last, name[i]);
		}
	}
	memcpy(head + size, separator.data, separator.size);
	return size + separator.size;
}

static int hex_digit(char c)
{
	const char *at = c != '\0' ? strchr(hex, c) : NULL;

	return at != NULL ? (int)(at - hex) : -1;
}

static bool unescape(const char *from, size_t size, char *bytes, size_t *count)
{
	size_t i;

	*count = 0;
	for (i = 0; i < size; i++) {
		if (*count == EVKV_COLLECTION_MAX)
			return false;
		bytes[*count] = from[i];
		if (from[i] == '%') {
			if (i + 2 >= size || hex_digit(from[i + 1]) < 0 ||
			    hex_digit(from[i + 2]) < 0)
				return false;
			bytes[*count] = (char)(hex_digit(from[i + 1]) << 4 |
			    hex_digit(from[i + 2]));
			i += 2;
		}
		(*count)++;
	}
	return true;
}

bool evkv__single_collection_of(struct evkv_slice separator,
    struct evkv_slice key, char *bytes, struct evkv_slice *collection)
{
	const char *at = key.data;
	size_t size = 0, count;
	char head[HEAD_MAX];

	while (size + separator.size <= key.size && size < sizeof(head) &&
	    memcmp(at + size, separator.data, separator.size) != 0)
		size++;
	/* Nothing behind the separator would be the empty key. */
	if (size + separator.size >= key.size || size >= sizeof(head) ||
	    !unescape(at, size, bytes, &count))
		return false;
	*collection = evkv_bytes(bytes, count);
	return evkv__single_head(separator, *collection, head) ==
	    size + separator.size &&
	    memcmp(head, at, size) == 0;
}
