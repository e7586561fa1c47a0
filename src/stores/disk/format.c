/*
 * stores/disk/format.c - rows to bytes and back.
 */
#include "stores/disk/format.h"

#include <xxhash.h>

enum {
	ROW_FLAG_LONG = 1 << 0,
};

#define HEAD_CHECKED 20 /* bytes, before the names */

/* Offsets in the head of a row. */
enum {
	ROW_FLAGS = 0,
	ROW_KEY_SIZE = 2,
	ROW_HEAD_CHECK = 4,
	ROW_EXPIRES = 8,
	ROW_VALUE_CHECK = 16,
	ROW_VERSION = 20,
};

uint32_t evkv__disk_checksum(uint32_t before, const void *data, size_t size)
{
	return (uint32_t)XXH3_64bits_withSeed(data, size, before);
}

void evkv__disk_row_key(struct disk_row_key *row_key, uint64_t id,
    struct evkv_slice key)
{
	unsigned char *bytes = row_key->bytes;

	disk_put_be64(bytes, id);
	row_key->is_long = key.size > DISK_KEY_HEAD;
	if (!row_key->is_long) {
		memcpy(bytes + DISK_ID_SIZE, key.data, key.size);
		row_key->size = DISK_ID_SIZE + key.size;
		return;
	}
	memcpy(bytes + DISK_ID_SIZE, key.data, DISK_KEY_HEAD);
	evkv__disk_hash(key, bytes + DISK_ID_SIZE + DISK_KEY_HEAD);
	bytes[DISK_LONG_PREFIX] = 0;
	row_key->size = DISK_ROW_KEY_MAX;
}

bool evkv__disk_row_parse(struct evkv_slice bytes, size_t row_key_size,
    struct disk_row *row)
{
	const unsigned char *data = bytes.data;
	size_t key_size;

	if (bytes.size < DISK_ROW_HEAD)
		return false;
	row->flags = data[ROW_FLAGS];
	key_size = (size_t)disk_get_le(data + ROW_KEY_SIZE, 2);
	if ((row->flags & ~ROW_FLAG_LONG) != 0 || data[1] != 0 ||
	    ((row->flags & ROW_FLAG_LONG) != 0) !=
		disk_row_key_is_long(row_key_size) ||
	    bytes.size - DISK_ROW_HEAD < key_size)
		return false;
	row->head_check = (uint32_t)disk_get_le(data + ROW_HEAD_CHECK, 4);
	row->expires_ms = (int64_t)disk_get_le(data + ROW_EXPIRES, 8);
	row->value_check = (uint32_t)disk_get_le(data + ROW_VALUE_CHECK, 4);
	row->version = disk_get_le(data + ROW_VERSION, 8);
	row->long_key = evkv_bytes(data + DISK_ROW_HEAD, key_size);
	row->value = evkv_bytes(data + DISK_ROW_HEAD + key_size,
	    bytes.size - DISK_ROW_HEAD - key_size);
	return true;
}

/* The checksum of the head covers what the row does not hold, too. */
static uint32_t row_head_check(uint8_t flags, const struct disk_row *row,
    struct evkv_slice collection, struct evkv_slice key)
{
	unsigned char head[HEAD_CHECKED + EVKV_COLLECTION_MAX];

	head[0] = flags;
	head[1] = (unsigned char)collection.size;
	disk_put_le(head + 2, key.size, 2);
	disk_put_le(head + 4, (uint64_t)row->expires_ms, 8);
	disk_put_le(head + 12, row->version, 8);
	if (collection.size > 0)
		memcpy(head + HEAD_CHECKED, collection.data, collection.size);
	return evkv__disk_checksum(evkv__disk_checksum(0, head,
				       HEAD_CHECKED + collection.size),
	    key.data, key.size);
}

bool evkv__disk_row_head_ok(const struct disk_row *row,
    struct evkv_slice collection, struct evkv_slice key)
{
	return row->head_check ==
	    row_head_check(row->flags, row, collection, key);
}

bool evkv__disk_row_ok(const struct disk_row *row, struct evkv_slice collection,
    struct evkv_slice key)
{
	return evkv__disk_row_head_ok(row, collection, key) &&
	    row->value_check ==
	    evkv__disk_checksum(row->head_check, row->value.data,
		row->value.size);
}

size_t evkv__disk_row_size(struct evkv_slice key, struct evkv_slice value)
{
	return DISK_ROW_HEAD + value.size +
	    (key.size > DISK_KEY_HEAD ? key.size : 0);
}

void evkv__disk_row_write(unsigned char *to, struct evkv_slice collection,
    struct evkv_slice key, const struct disk_row *row)
{
	bool is_long = key.size > DISK_KEY_HEAD;
	uint8_t flags = is_long ? ROW_FLAG_LONG : 0;
	uint32_t check = row_head_check(flags, row, collection, key);
	struct evkv_slice value = row->value;
	unsigned char *rest = to + DISK_ROW_HEAD;

	to[ROW_FLAGS] = flags;
	to[1] = 0;
	disk_put_le(to + ROW_KEY_SIZE, is_long ? key.size : 0, 2);
	disk_put_le(to + ROW_HEAD_CHECK, check, 4);
	disk_put_le(to + ROW_EXPIRES, (uint64_t)row->expires_ms, 8);
	disk_put_le(to + ROW_VALUE_CHECK,
	    evkv__disk_checksum(check, value.data, value.size), 4);
	disk_put_le(to + ROW_VERSION, row->version, 8);
	if (is_long) {
		memcpy(rest, key.data, key.size);
		rest += key.size;
	}
	if (value.size > 0)
		memcpy(rest, value.data, value.size);
}

/* ---- Collections --------------------------------------------------------- */

size_t evkv__disk_name_key(unsigned char key[DISK_NAME_KEY_MAX],
    struct evkv_slice collection)
{
	key[0] = 'c'; /* LMDB has no empty keys */
	if (collection.size > 0)
		memcpy(key + 1, collection.data, collection.size);
	return 1 + collection.size;
}

static uint32_t name_check(const unsigned char *id,
    struct evkv_slice collection)
{
	return evkv__disk_checksum(evkv__disk_checksum(0, id, DISK_ID_SIZE),
	    collection.data, collection.size);
}

void evkv__disk_name_row(unsigned char row[DISK_NAME_ROW],
    struct evkv_slice collection, uint64_t id)
{
	disk_put_be64(row, id);
	disk_put_le(row + DISK_ID_SIZE, name_check(row, collection), 4);
}

bool evkv__disk_name_parse(struct evkv_slice row, struct evkv_slice collection,
    uint64_t *id)
{
	const unsigned char *bytes = row.data;

	if (row.size != DISK_NAME_ROW ||
	    disk_get_le(bytes + DISK_ID_SIZE, 4) !=
		name_check(bytes, collection))
		return false;
	*id = disk_get_be64(bytes);
	return true;
}
