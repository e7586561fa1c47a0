/*
 * stores/disk/format.h - the rows, as docs/disk-format.md defines them.
 *
 * Four tables: "meta", "collections" (name to number), "entries" and "expiry".
 * All numbers of ours are little-endian but those inside row keys, which are
 * big-endian so that they sort.
 */
#ifndef EVKV_STORES_DISK_FORMAT_H
#define EVKV_STORES_DISK_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "evkv/request.h"

#define DISK_FORMAT 3
#define DISK_MAGIC "evkv disk "

#define DISK_ID_SIZE 8    /* a collection's number */
#define DISK_KEY_HEAD 400 /* a key longer than this is long */
#define DISK_HASH_SIZE 16
#define DISK_LONG_PREFIX (DISK_ID_SIZE + DISK_KEY_HEAD + DISK_HASH_SIZE)
#define DISK_ROW_KEY_MAX (DISK_LONG_PREFIX + 1)
#define DISK_ROW_HEAD 28
#define DISK_EXPIRY_KEY_MAX (8 + DISK_ROW_KEY_MAX)
/* What LMDB takes as one item, less the most that a row adds to a value. */
#define DISK_VALUE_MAX ((size_t)0xffffffff - DISK_ROW_HEAD - EVKV_KEY_MAX)

/* ---- Numbers ------------------------------------------------------------- */

static inline void disk_put_be64(unsigned char *to, uint64_t n)
{
	int i;

	for (i = 7; i >= 0; i--, n >>= 8)
		to[i] = (unsigned char)n;
}

static inline uint64_t disk_get_be64(const unsigned char *from)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < 8; i++)
		n = n << 8 | from[i];
	return n;
}

static inline void disk_put_le(unsigned char *to, uint64_t n, int size)
{
	int i;

	for (i = 0; i < size; i++, n >>= 8)
		to[i] = (unsigned char)n;
}

static inline uint64_t disk_get_le(const unsigned char *from, int size)
{
	uint64_t n = 0;
	int i;

	for (i = size - 1; i >= 0; i--)
		n = n << 8 | from[i];
	return n;
}

/* ---- Checksums, and hashes (hash.c) -------------------------------------- */

/*
 * Of `size` bytes that follow those whose checksum is `before`, 0 where they
 * are the first. What is checked in parts has another checksum than the whole.
 */
uint32_t evkv__disk_checksum(uint32_t before, const void *data, size_t size);

/* SipHash-2-4 with 128 bits of output and an all-zero key. */
void evkv__disk_hash(struct evkv_slice bytes,
    unsigned char hash[DISK_HASH_SIZE]);

/* ---- Row keys ------------------------------------------------------------ */

struct disk_row_key {
	bool is_long; /* the last byte, which tells apart equal hashes, is 0 */
	size_t size;
	unsigned char bytes[DISK_ROW_KEY_MAX];
};

void evkv__disk_row_key(struct disk_row_key *row_key, uint64_t id,
    struct evkv_slice key);

static inline bool disk_row_key_is_long(size_t row_key_size)
{
	return row_key_size > DISK_ID_SIZE + DISK_KEY_HEAD;
}

/* ---- Rows of "entries" --------------------------------------------------- */

struct disk_row {
	struct evkv_slice long_key; /* empty where the row key tells it all */
	int64_t expires_ms;         /* since 1970; 0 = never */
	uint64_t version;           /* no other entry has or had it */
	struct evkv_slice value;
	uint32_t head_check, value_check;
	uint8_t flags;
};

/* Take a row apart; false: it can't be one. Nothing is checked but lengths. */
bool evkv__disk_row_parse(struct evkv_slice bytes, size_t row_key_size,
    struct disk_row *row);
/* Whether all but the value, or the value too, is what was written. */
bool evkv__disk_row_head_ok(const struct disk_row *row,
    struct evkv_slice collection, struct evkv_slice key);
bool evkv__disk_row_ok(const struct disk_row *row, struct evkv_slice collection,
    struct evkv_slice key);

size_t evkv__disk_row_size(struct evkv_slice key, struct evkv_slice value);
/* Write a row of that size; of `row` what is not a checksum or flag counts. */
void evkv__disk_row_write(unsigned char *to, struct evkv_slice collection,
    struct evkv_slice key, const struct disk_row *row);

static inline bool disk_row_live(const struct disk_row *row, int64_t now_ms)
{
	return row->expires_ms == 0 || row->expires_ms > now_ms;
}

/* ---- Rows of "collections" ----------------------------------------------- */

#define DISK_NAME_KEY_MAX (1 + EVKV_COLLECTION_MAX)
#define DISK_NAME_ROW 12 /* the number, and a checksum */

/* The row key of a collection's name; returns its size. */
size_t evkv__disk_name_key(unsigned char key[DISK_NAME_KEY_MAX],
    struct evkv_slice collection);
void evkv__disk_name_row(unsigned char row[DISK_NAME_ROW],
    struct evkv_slice collection, uint64_t id);
bool evkv__disk_name_parse(struct evkv_slice row, struct evkv_slice collection,
    uint64_t *id);

#endif
