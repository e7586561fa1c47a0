/*
 * wrappers/compression/format.c - writing and checking the header.
 */
#include "wrappers/compression/format.h"

#include <string.h>

#include "base/siphash.h"

#define VERSION 1
#define MAGIC_SIZE 8
#define METHOD_AT 9
#define SIZE_AT 12
#define HASH_AT 16

static const unsigned char magic[MAGIC_SIZE] = { 0xf9, 'e', 0x9b, 'Z', 0xc7,
	'\r', '\n', 0xb1 };

static void put_le(unsigned char *to, uint64_t number, int size)
{
	int i;

	for (i = 0; i < size; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static uint64_t get_le(const unsigned char *from, int size)
{
	uint64_t number = 0;

	while (size-- > 0)
		number = number << 8 | from[size];
	return number;
}

/* It finds damage; against who forges values there is encryption. */
static uint64_t hash(const unsigned char *frame, size_t payload_size)
{
	return siphash_1_3(UINT64_C(0x6576636f6d707265),
	    siphash_load(frame + MAGIC_SIZE),
	    evkv_bytes(frame + COMPRESSION_HEADER, payload_size));
}

static int same_bytes(const unsigned char *bytes)
{
	int same = 0, i;

	for (i = 0; i < MAGIC_SIZE; i++)
		same += bytes[i] == magic[i];
	return same;
}

bool compression_is_framed(struct evkv_slice bytes)
{
	return bytes.size >= MAGIC_SIZE &&
	    same_bytes(bytes.data) >= MAGIC_SIZE - 1;
}

void compression_write(unsigned char *frame, enum compression_method method,
    size_t value_size, size_t payload_size)
{
	memset(frame, 0, COMPRESSION_HEADER);
	memcpy(frame, magic, MAGIC_SIZE);
	frame[MAGIC_SIZE] = VERSION;
	frame[METHOD_AT] = (unsigned char)method;
	put_le(frame + SIZE_AT, value_size, 4);
	put_le(frame + HASH_AT, hash(frame, payload_size), 8);
}

bool compression_peek(struct evkv_slice bytes,
    struct compression_header *header)
{
	const unsigned char *frame = bytes.data;

	if (bytes.size < COMPRESSION_HEADER)
		return false;
	header->method = frame[METHOD_AT];
	header->size = (uint32_t)get_le(frame + SIZE_AT, 4);
	header->payload = evkv_bytes(frame + COMPRESSION_HEADER,
	    bytes.size - COMPRESSION_HEADER);
	return true;
}

const char *compression_read(struct evkv_slice bytes,
    struct compression_header *header)
{
	const unsigned char *frame = bytes.data;
	size_t payload = bytes.size - COMPRESSION_HEADER;

	if (!compression_is_framed(bytes))
		return "compression: the value has no header";
	if (same_bytes(frame) != MAGIC_SIZE)
		return "compression: the value's header is damaged";
	if (bytes.size < COMPRESSION_HEADER)
		return "compression: the value is cut off in its header";
	if (frame[MAGIC_SIZE] != VERSION)
		return "compression: the value has an unknown version";
	if (get_le(frame + HASH_AT, 8) != hash(frame, payload))
		return "compression: the value is damaged: its checksum "
		       "differs";
	if (frame[METHOD_AT] > COMPRESSION_ZSTD)
		return "compression: the value has an unknown method";
	compression_peek(bytes, header);
	if (header->method == COMPRESSION_STORED && header->size != payload)
		return "compression: the value has a wrong size";
	return NULL;
}
