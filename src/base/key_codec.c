/*
 * Names for flat name spaces and for directories.
 *
 * Both codecs are one-to-one by construction: an encoder writes exactly one
 * spelling of a name and its decoder accepts no other, so whatever decodes was
 * (or could have been) written by us, and everything else is foreign.
 */
#include "evkv/key_codec.h"

#include <stdint.h>
#include <string.h>

#include "base/sha256.h"

/* A hashed file name: as much of the head as fits, this mark, the digest. */
#define KEY_CODEC_MARK "%-"
#define KEY_CODEC_DIGEST (2 * EVKV__SHA256_SIZE)
#define KEY_CODEC_HEAD (EVKV_FILE_NAME_MAX - 2 - KEY_CODEC_DIGEST)

static const char key_codec_hex[] = "0123456789ABCDEF";

static void key_codec_escape(char *to, unsigned char byte)
{
	to[0] = '%';
	to[1] = key_codec_hex[byte >> 4];
	to[2] = key_codec_hex[byte & 15];
}

/* The value of an upper-case hex digit, or -1. */
static int key_codec_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that the "%XX" at text spells, or -1. */
static int key_codec_unescape(const char *text, size_t size)
{
	int high, low;

	if (size < 3)
		return -1;
	high = key_codec_digit(text[1]);
	low = key_codec_digit(text[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t evkv_key_head_size(struct evkv_slice collection)
{
	const char *bytes = collection.data;
	size_t i, size = collection.size + 1;

	for (i = 0; i < collection.size; i++)
		if (bytes[i] == '%' || bytes[i] == ':')
			size += 2;
	return size;
}

size_t evkv_key_encoded_size(struct evkv_slice collection,
    struct evkv_slice key)
{
	return evkv_key_head_size(collection) + key.size;
}

size_t evkv_key_encode_head(struct evkv_slice collection, void *buffer)
{
	const char *bytes = collection.data;
	char *to = buffer;
	size_t i;

	for (i = 0; i < collection.size; i++) {
		if (bytes[i] == '%' || bytes[i] == ':') {
			key_codec_escape(to, (unsigned char)bytes[i]);
			to += 3;
		} else {
			*to++ = bytes[i];
		}
	}
	*to++ = ':';
	return (size_t)(to - (char *)buffer);
}

size_t evkv_key_encode(struct evkv_slice collection, struct evkv_slice key,
    void *buffer)
{
	size_t head = evkv_key_encode_head(collection, buffer);

	if (key.size > 0)
		memcpy((char *)buffer + head, key.data, key.size);
	return head + key.size;
}

static __attribute__((noinline)) void key_head_set(struct evkv_key_head *head,
    struct evkv_slice prefix, struct evkv_slice collection)
{
	head->collection_size = collection.size;
	if (collection.size > 0)
		memcpy(head->collection, collection.data, collection.size);
	if (prefix.size > 0)
		memcpy(head->bytes, prefix.data, prefix.size);
	head->size = prefix.size +
	    evkv_key_encode_head(collection, head->bytes + prefix.size);
}

struct evkv_slice evkv_key_head(struct evkv_key_head *head,
    struct evkv_slice prefix, struct evkv_slice collection)
{
	if (head->size == 0 || collection.size != head->collection_size ||
	    (collection.size > 0 &&
		memcmp(collection.data, head->collection, collection.size) !=
		    0))
		key_head_set(head, prefix, collection);
	return evkv_bytes(head->bytes, head->size);
}

bool evkv_key_decode(struct evkv_slice encoded, void *buffer,
    struct evkv_slice *collection, struct evkv_slice *key)
{
	const char *from = encoded.data;
	size_t left = encoded.size, size = 0;
	unsigned char *to = buffer;
	int byte;

	while (left > 0 && *from != ':') {
		if (size == EVKV_COLLECTION_MAX)
			return false;
		byte = (unsigned char)*from;
		if (byte == '%') {
			byte = key_codec_unescape(from, left);
			if (byte != '%' && byte != ':')
				return false;
			from += 2;
			left -= 2;
		}
		to[size++] = (unsigned char)byte;
		from++;
		left--;
	}
	/* What is left is the ':' and the key. */
	if (left < 2 || left - 1 > EVKV_KEY_MAX)
		return false;

	*collection = evkv_bytes(buffer, size);
	*key = evkv_bytes(from + 1, left - 1);
	return true;
}

/* Whether a byte stands for itself in a file name; not in hidden ones. */
static bool key_codec_plain(unsigned char byte, bool first)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	    (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
	    (byte == '.' && !first);
}

/*
 * The escaped form of a name, as much of it as fits whole into `room`. Returns
 * its size; *all tells whether that was everything.
 */
static size_t key_codec_file_head(struct evkv_slice name, char *to, size_t room,
    bool *all)
{
	const unsigned char *bytes = name.data;
	size_t i, size = 0, step;

	*all = false;
	for (i = 0; i < name.size; i++) {
		step = key_codec_plain(bytes[i], i == 0) ? 1 : 3;
		if (size + step > room)
			return size;
		if (step == 1)
			to[size] = (char)bytes[i];
		else
			key_codec_escape(to + size, bytes[i]);
		size += step;
	}
	*all = true;
	return size;
}

bool evkv_file_name_encode(struct evkv_slice name,
    char file[EVKV_FILE_NAME_MAX + 1])
{
	uint8_t digest[EVKV__SHA256_SIZE];
	size_t size, i;
	bool all;

	if (name.size == 0) {
		memcpy(file, "%", 2);
		return true;
	}
	size = key_codec_file_head(name, file, EVKV_FILE_NAME_MAX, &all);
	if (all) {
		file[size] = '\0';
		return true;
	}

	size = key_codec_file_head(name, file, KEY_CODEC_HEAD, &all);
	memcpy(file + size, KEY_CODEC_MARK, 2);
	size += 2;
	evkv__sha256(name.data, name.size, digest);
	for (i = 0; i < sizeof(digest); i++) {
		file[size++] = key_codec_hex[digest[i] >> 4];
		file[size++] = key_codec_hex[digest[i] & 15];
	}
	file[size] = '\0';
	return false;
}

/*
 * Whether `file`, whose escapes ran out at `at`, goes on as a hashed name does.
 * The head ends where the next byte's escape would not have fit.
 */
static bool key_codec_hashed(const char *file, size_t size, size_t at)
{
	size_t i;

	if (at + 2 + KEY_CODEC_DIGEST != size || at + 2 < KEY_CODEC_HEAD ||
	    memcmp(file + at, KEY_CODEC_MARK, 2) != 0)
		return false;
	for (i = at + 2; i < size; i++)
		if (key_codec_digit(file[i]) < 0)
			return false;
	return true;
}

enum evkv_file_name evkv_file_name_decode(const char *file, void *buffer,
    struct evkv_slice *name)
{
	size_t size = strlen(file), at = 0, decoded = 0;
	unsigned char *to = buffer;
	int byte;

	*name = evkv_bytes(buffer, 0);
	if (size == 0 || size > EVKV_FILE_NAME_MAX)
		return EVKV_FILE_NAME_FOREIGN;
	if (strcmp(file, "%") == 0)
		return EVKV_FILE_NAME_WHOLE;

	while (at < size) {
		byte = (unsigned char)file[at];
		if (key_codec_plain((unsigned char)byte, at == 0)) {
			to[decoded++] = (unsigned char)byte;
			at++;
			continue;
		}
		if (byte == '%' && key_codec_hashed(file, size, at))
			return EVKV_FILE_NAME_HASHED;
		if (byte == '%')
			byte = key_codec_unescape(file + at, size - at);
		else
			byte = -1;
		/*
		 * An escape for a plain byte: we would have written the byte.
		 */
		if (byte < 0 || key_codec_plain((unsigned char)byte, at == 0))
			return EVKV_FILE_NAME_FOREIGN;
		to[decoded++] = (unsigned char)byte;
		at += 3;
	}
	*name = evkv_bytes(buffer, decoded);
	return EVKV_FILE_NAME_WHOLE;
}
