/*
 * stores/mongodb/id.c - the _id of an entry's document.
 *
 * A decoder that accepts only what its encoder writes makes it one-to-one: what
 * was read is written again and compared.
 */
#include "stores/mongodb/id.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

/* A word of 8 such bytes. */
#define BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

static char *id_escape(char *out, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*out++ = '%';
	*out++ = digits[byte >> 4];
	*out++ = digits[byte & 15];
	return out;
}

/* Of 8 bytes below 128: has a high bit where one of them is 0. */
static uint64_t any_zero(uint64_t word)
{
	return word - BYTES(1);
}

/* How many bytes from the start, 8 by 8, are ASCII that stands as it is. */
static size_t id_plain(struct evkv_slice bytes, unsigned char special)
{
	const unsigned char *at = bytes.data;
	size_t size = 0;
	uint64_t word;

	for (; bytes.size - size >= 8; size += 8) {
		memcpy(&word, at + size, sizeof(word));
		if (((word | any_zero(word) | any_zero(word ^ BYTES('%')) |
			 any_zero(word ^ BYTES(special))) &
			BYTES(0x80)) != 0)
			break;
	}
	return size;
}

/* `special` is one more byte to be escaped. */
static char *id_text(char *out, struct evkv_slice bytes, char special)
{
	size_t size = id_plain(bytes, (unsigned char)special);
	const unsigned char *at = bytes.data;
	size_t left = bytes.size - size;

	if (size > 0)
		memcpy(out, at, size);
	out += size;
	for (at += size; left > 0; left -= size, at += size) {
		size = utf8_sequence(at, left);
		if (size == 0 || *at == '\0' || *at == '%' ||
		    *at == (unsigned char)special) {
			out = id_escape(out, *at);
			size = 1;
			continue;
		}
		memcpy(out, at, size);
		out += size;
	}
	return out;
}

size_t evkv__mongodb_id_write_collection(struct evkv_slice collection,
    char *out)
{
	return (size_t)(id_text(out, collection, ':') - out);
}

size_t evkv__mongodb_id_write(struct evkv_slice collection,
    struct evkv_slice key, char *out)
{
	char *at = id_text(out, collection, ':');

	*at++ = ':';
	return (size_t)(id_text(at, key, '%') - out);
}

/* The bytes of a part; NULL where a % has no digits behind it. */
static char *id_bytes(const char *from, const char *to, char *out)
{
	int high, low;

	for (; from < to; from++) {
		if (*from != '%') {
			*out++ = *from;
			continue;
		}
		high = to - from >= 3 ? hex_digit(from[1]) : -1;
		low = to - from >= 3 ? hex_digit(from[2]) : -1;
		if (high < 0 || low < 0)
			return NULL;
		*out++ = (char)(high << 4 | low);
		from += 2;
	}
	return out;
}

/* Whether a part is how `bytes` are written. */
static bool id_is(const char *from, const char *to, struct evkv_slice bytes,
    char special)
{
	const unsigned char *at = bytes.data;
	size_t left = bytes.size, size, step;
	char text[4];

	for (; left > 0; left -= step, at += step) {
		step = utf8_sequence(at, left);
		if (step == 0)
			step = 1;
		size = (size_t)(id_text(text, evkv_bytes(at, step), special) -
		    text);
		if ((size_t)(to - from) < size || memcmp(from, text, size) != 0)
			return false;
		from += size;
	}
	return from == to;
}

bool evkv__mongodb_id_read(struct evkv_slice id, char *buffer,
    struct evkv_slice *collection, struct evkv_slice *key)
{
	const char *text = id.data, *end = text + id.size;
	const char *colon = memchr(text, ':', id.size);
	char *middle, *last;

	if (colon == NULL)
		return false;
	middle = id_bytes(text, colon, buffer);
	last = middle != NULL ? id_bytes(colon + 1, end, middle) : NULL;
	if (last == NULL)
		return false;
	*collection = evkv_bytes(buffer, (size_t)(middle - buffer));
	*key = evkv_bytes(middle, (size_t)(last - middle));
	return collection->size <= EVKV_COLLECTION_MAX && key->size > 0 &&
	    key->size <= EVKV_KEY_MAX && id_is(text, colon, *collection, ':') &&
	    id_is(colon + 1, end, *key, '%');
}

struct evkv_slice evkv__mongodb_id_head(struct evkv_slice head)
{
	const unsigned char *at = head.data;
	size_t left = head.size, size;

	/* What is no character yet, but begins as one of 2 to 4 bytes does. */
	for (; left > 0; left -= size, at += size) {
		size = utf8_sequence(at, left);
		if (size == 0 && left < 4 && *at >= 0xc2 && *at <= 0xf4)
			break;
		if (size == 0)
			size = 1;
	}
	return evkv_bytes(head.data, head.size - left);
}
