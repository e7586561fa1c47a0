/*
 * stores/disk/hash.c - the hash that stands for the tail of a long key.
 *
 * SipHash-2-4 with 128 bits of output under a key of zeros: it is part of the
 * format, so it can't be keyed by chance. Two keys with the same hash are kept
 * apart by the full key in the row, but only 256 of them, so it must be one
 * that resists collisions.
 */
#include "base/siphash.h"
#include "stores/disk/format.h"

static void hash_word(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
}

static uint64_t hash_finish(struct siphash *s)
{
	int i;

	for (i = 0; i < 4; i++)
		siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void evkv__disk_hash(struct evkv_slice bytes,
    unsigned char hash[DISK_HASH_SIZE])
{
	struct siphash s = siphash_seed(0, 0);
	const unsigned char *data = bytes.data;
	size_t left = bytes.size;

	s.v1 ^= 0xee; /* the mark of 128 bits */
	for (; left >= 8; left -= 8, data += 8)
		hash_word(&s, siphash_load(data));
	hash_word(&s,
	    siphash_tail(data, left) | (uint64_t)(bytes.size & 0xff) << 56);
	s.v2 ^= 0xee;
	disk_put_le(hash, hash_finish(&s), 8);
	s.v1 ^= 0xdd;
	disk_put_le(hash + 8, hash_finish(&s), 8);
}
