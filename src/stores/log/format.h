/*
 * stores/log/format.h - what is in the files, as docs/log-format.md defines it.
 * All numbers are little-endian.
 */
#ifndef EVKV_STORES_LOG_FORMAT_H
#define EVKV_STORES_LOG_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "evkv/request.h"

#define LOG_FORMAT 1
#define LOG_STORE_MAGIC "evkv log "
#define LOG_DATA_MAGIC "evkvlog\n"
#define LOG_INDEX_MAGIC "evkvidx\n"

#define LOG_FILE_HEAD 80
#define LOG_ITEM_HEAD 32
#define LOG_NAMES_MAX (EVKV_COLLECTION_MAX + EVKV_KEY_MAX)
/* A group with one item of it must have a size of 32 bits. */
#define LOG_VALUE_MAX ((size_t)0xffffffff - (128u << 10))
/* An index file is made in memory, at 32 bytes for each. */
#define LOG_FILE_ITEMS (1u << 20)

/* ---- Numbers ------------------------------------------------------------- */

static inline uint64_t log_swap(uint64_t n)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(n);
#else
	return n;
#endif
}

static inline void log_put_le(unsigned char *to, uint64_t n, size_t size)
{
	n = log_swap(n);
	memcpy(to, &n, size);
}

static inline uint64_t log_get_le(const unsigned char *from, size_t size)
{
	uint64_t n = 0;

	memcpy(&n, from, size);
	return log_swap(n);
}

static inline uint64_t log_align(uint64_t size)
{
	return (size + 7) & ~(uint64_t)7;
}

/* ---- Hashes -------------------------------------------------------------- */

/* Of collection and key, under the store's key. */
struct log_hash {
	uint64_t high, low; /* the index in memory has the high half */
};

struct log_hash_key {
	uint64_t words[2];
	uint64_t mask; /* for tests: bits of `high` that count; ~0 */
};

struct log_hash evkv__log_hash(const struct log_hash_key *key,
    struct evkv_slice collection, struct evkv_slice name);
/* The same in two steps: the collection's own hash is in no file. */
uint64_t evkv__log_collection_hash(const struct log_hash_key *key,
    struct evkv_slice collection);
struct log_hash evkv__log_hash_in(const struct log_hash_key *key,
    uint64_t collection, struct evkv_slice name);

/* ---- The head of a data file --------------------------------------------- */

#define LOG_FLAG_COPY 1u /* made by a compaction */

struct log_file_head {
	uint32_t flags;
	uint64_t number;
	uint64_t id;       /* random; in the checksum of all that follows */
	uint64_t instance; /* the store's */
	uint64_t first;    /* where its range of versions begins */
	uint64_t extent;   /* a copy: where it ends; else bytes set aside */
	uint64_t created;  /* it has nothing that was removed up to here */
};

void evkv__log_head_write(unsigned char to[LOG_FILE_HEAD],
    const struct log_file_head *head);
/* OK, CORRUPT or, of another version of the format, UNSUPPORTED. */
enum evkv_status evkv__log_head_read(const unsigned char from[LOG_FILE_HEAD],
    struct log_file_head *head);

/* ---- Items --------------------------------------------------------------- */

enum log_kind {
	LOG_PUT = 1,
	LOG_TOMBSTONE = 2,
	LOG_GROUP = 3, /* what follows was written at once */
	LOG_SEAL = 4,  /* the end of a file */
};

struct log_item {
	unsigned kind;
	uint8_t collection_size;
	uint16_t key_size;
	uint32_t value_size; /* of a group: the bytes that follow */
	/* PUT: 0 = never. GROUP: durable before it. SEAL: its last version. */
	uint64_t expires;
	uint64_t version; /* of a group the first; of a seal: how many PUTs */
	uint32_t head_crc, value_crc;
};

enum log_parse {
	LOG_PARSE_OK,
	LOG_PARSE_SHORT, /* more of it is needed */
	LOG_PARSE_BAD,
};

/* Its bytes without the value, and in the file. */
static inline size_t log_item_named(const struct log_item *item)
{
	return LOG_ITEM_HEAD + (size_t)item->collection_size + item->key_size;
}

static inline uint64_t log_item_size(const struct log_item *item)
{
	return log_align(log_item_named(item) +
	    (item->kind == LOG_PUT ? item->value_size : 0));
}

/* What the checksum of an item begins with. */
uint32_t evkv__log_seed(uint64_t file_id, uint64_t offset);

/*
 * Write head and names; the value, which is only looked at, goes behind them.
 * Fills in both checksums.
 */
void evkv__log_item_write(unsigned char *to, uint32_t seed,
    struct log_item *item, struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value);
/* Of `room` bytes; names are checked, the value is not looked at. */
enum log_parse evkv__log_item_parse(const unsigned char *from, size_t room,
    uint32_t seed, struct log_item *item);
bool evkv__log_value_ok(const struct log_item *item, struct evkv_slice value);

static inline struct evkv_slice log_item_collection(const unsigned char *at,
    const struct log_item *item)
{
	return evkv_bytes(at + LOG_ITEM_HEAD, item->collection_size);
}

static inline struct evkv_slice log_item_key(const unsigned char *at,
    const struct log_item *item)
{
	return evkv_bytes(at + LOG_ITEM_HEAD + item->collection_size,
	    item->key_size);
}

static inline struct evkv_slice log_item_value(const unsigned char *at,
    const struct log_item *item)
{
	return evkv_bytes(at + log_item_named(item), item->value_size);
}

/* ---- Times --------------------------------------------------------------- */

/*
 * Coarse expiry: seconds since 2020, rounded up; 0 = never. Past the end of
 * that, in 2156, an entry's own time decides alone.
 */
#define LOG_EPOCH_MS INT64_C(1577836800000)

static inline uint32_t log_coarse(uint64_t expires_ms)
{
	int64_t ms = (int64_t)expires_ms - LOG_EPOCH_MS;

	if (expires_ms == 0)
		return 0;
	if (ms <= 1000)
		return 1;
	return ms / 1000 >= UINT32_MAX - 1 ? UINT32_MAX
					   : (uint32_t)((ms + 999) / 1000);
}

/* Whether it has surely expired. */
static inline bool log_coarse_over(uint32_t coarse, int64_t now_ms)
{
	return coarse > 1 && coarse != UINT32_MAX &&
	    LOG_EPOCH_MS + (int64_t)coarse * 1000 <= now_ms;
}

/* Whether it may have expired. */
static inline bool log_coarse_due(uint32_t coarse, int64_t now_ms)
{
	return coarse == 1 ||
	    (coarse != 0 &&
		LOG_EPOCH_MS + ((int64_t)coarse - 1) * 1000 <= now_ms);
}

#endif
