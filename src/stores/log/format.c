#include "stores/log/format.h"

#include "base/siphash.h"
#include "stores/log/crc32c.h"

/* ---- Hashes -------------------------------------------------------------- */

uint64_t evkv__log_collection_hash(const struct log_hash_key *key,
    struct evkv_slice collection)
{
	return siphash_1_3(key->words[0], key->words[1], collection);
}

/*
 * SipHash-1-3 with 128 bits of output, of the key, under the store's key
 * changed by the hash of the collection.
 */
struct log_hash evkv__log_hash_in(const struct log_hash_key *key,
    uint64_t collection, struct evkv_slice name)
{
	struct siphash s = siphash_seed(key->words[0] ^ collection,
	    key->words[1]);
	const unsigned char *bytes = name.data;
	struct log_hash hash;
	size_t left;

	s.v1 ^= 0xee;
	for (left = name.size; left >= 8; left -= 8, bytes += 8)
		siphash_word(&s, siphash_load(bytes));
	siphash_word(&s,
	    siphash_tail(bytes, left) | (uint64_t)(name.size & 0xff) << 56);
	s.v2 ^= 0xee;
	siphash_round(&s);
	siphash_round(&s);
	siphash_round(&s);
	hash.high = (s.v0 ^ s.v1 ^ s.v2 ^ s.v3) & key->mask;
	s.v1 ^= 0xdd;
	siphash_round(&s);
	siphash_round(&s);
	siphash_round(&s);
	hash.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return hash;
}

struct log_hash evkv__log_hash(const struct log_hash_key *key,
    struct evkv_slice collection, struct evkv_slice name)
{
	return evkv__log_hash_in(key,
	    evkv__log_collection_hash(key, collection), name);
}

/* ---- The head of a data file --------------------------------------------- */

void evkv__log_head_write(unsigned char to[LOG_FILE_HEAD],
    const struct log_file_head *head)
{
	memset(to, 0, LOG_FILE_HEAD);
	memcpy(to, LOG_DATA_MAGIC, 8);
	log_put_le(to + 8, LOG_FORMAT, 4);
	log_put_le(to + 12, head->flags, 4);
	log_put_le(to + 16, head->number, 8);
	log_put_le(to + 24, head->id, 8);
	log_put_le(to + 32, head->instance, 8);
	log_put_le(to + 40, head->first, 8);
	log_put_le(to + 48, head->extent, 8);
	log_put_le(to + 56, head->created, 8);
	log_put_le(to + 76, evkv__crc32c(0, to, 76), 4);
}

enum evkv_status evkv__log_head_read(const unsigned char from[LOG_FILE_HEAD],
    struct log_file_head *head)
{
	if (memcmp(from, LOG_DATA_MAGIC, 8) != 0)
		return EVKV_CORRUPT;
	if (log_get_le(from + 76, 4) != evkv__crc32c(0, from, 76))
		return EVKV_CORRUPT;
	if (log_get_le(from + 8, 4) != LOG_FORMAT)
		return EVKV_UNSUPPORTED;
	head->flags = (uint32_t)log_get_le(from + 12, 4);
	head->number = log_get_le(from + 16, 8);
	head->id = log_get_le(from + 24, 8);
	head->instance = log_get_le(from + 32, 8);
	head->first = log_get_le(from + 40, 8);
	head->extent = log_get_le(from + 48, 8);
	head->created = log_get_le(from + 56, 8);
	return EVKV_OK;
}

/* ---- Items --------------------------------------------------------------- */

uint32_t evkv__log_seed(uint64_t file_id, uint64_t offset)
{
	unsigned char bytes[16];

	log_put_le(bytes, file_id, 8);
	log_put_le(bytes + 8, offset, 8);
	return evkv__crc32c(0, bytes, sizeof(bytes));
}

static void copy(unsigned char *to, struct evkv_slice from)
{
	if (from.size > 0)
		memcpy(to, from.data, from.size);
}

void evkv__log_item_write(unsigned char *to, uint32_t seed,
    struct log_item *item, struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice value)
{
	item->collection_size = (uint8_t)collection.size;
	item->key_size = (uint16_t)key.size;
	if (item->kind == LOG_PUT || item->kind == LOG_TOMBSTONE)
		item->value_size = (uint32_t)value.size;
	to[8] = (unsigned char)item->kind;
	to[9] = item->collection_size;
	log_put_le(to + 10, item->key_size, 2);
	log_put_le(to + 12, item->value_size, 4);
	log_put_le(to + 16, item->expires, 8);
	log_put_le(to + 24, item->version, 8);
	copy(to + LOG_ITEM_HEAD, collection);
	copy(to + LOG_ITEM_HEAD + collection.size, key);
	item->head_crc = evkv__crc32c(seed, to + 8, log_item_named(item) - 8);
	item->value_crc = evkv__crc32c(item->head_crc, value.data, value.size);
	log_put_le(to, item->head_crc, 4);
	log_put_le(to + 4, item->value_crc, 4);
}

enum log_parse evkv__log_item_parse(const unsigned char *from, size_t room,
    uint32_t seed, struct log_item *item)
{
	if (room < LOG_ITEM_HEAD)
		return LOG_PARSE_SHORT;
	item->kind = from[8];
	item->collection_size = from[9];
	item->key_size = (uint16_t)log_get_le(from + 10, 2);
	item->value_size = (uint32_t)log_get_le(from + 12, 4);
	item->expires = log_get_le(from + 16, 8);
	item->version = log_get_le(from + 24, 8);
	item->head_crc = (uint32_t)log_get_le(from, 4);
	item->value_crc = (uint32_t)log_get_le(from + 4, 4);
	if (item->kind < LOG_PUT || item->kind > LOG_SEAL)
		return LOG_PARSE_BAD;
	if (item->kind >= LOG_GROUP &&
	    (item->collection_size != 0 || item->key_size != 0))
		return LOG_PARSE_BAD;
	if (room < log_item_named(item))
		return LOG_PARSE_SHORT;
	return item->head_crc ==
		evkv__crc32c(seed, from + 8, log_item_named(item) - 8)
	    ? LOG_PARSE_OK
	    : LOG_PARSE_BAD;
}

bool evkv__log_value_ok(const struct log_item *item, struct evkv_slice value)
{
	return item->value_crc ==
	    evkv__crc32c(item->head_crc, value.data, value.size);
}
