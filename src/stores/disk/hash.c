/*
 * disk/hash.c - the hash that stands for the tail of a long key.
 *
 * SipHash-2-4 with 128 bits (Aumasson, Bernstein 2012) under a key of zeros: it
 * is part of the format, so it can't be keyed by chance. Two keys with the same
 * hash are told apart by the full key in the row, whatever an adversary finds.
 */
#include "stores/disk/format.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t sip_rotate(uint64_t n, int by)
{
	return n << by | n >> (64 - by);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = sip_rotate(s->v1, 13) ^ s->v0;
	s->v0 = sip_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = sip_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = sip_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = sip_rotate(s->v1, 17) ^ s->v2;
	s->v2 = sip_rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t sip_finish(struct sip *s)
{
	int i;

	for (i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void evkv__disk_hash(struct evkv_slice bytes,
    unsigned char hash[DISK_HASH_SIZE])
{
	/* "somepseudorandomlygeneratedbytes", and the mark of 128 bits. */
	struct sip s = {
		UINT64_C(0x736f6d6570736575),
		UINT64_C(0x646f72616e646f6d) ^ 0xee,
		UINT64_C(0x6c7967656e657261),
		UINT64_C(0x7465646279746573),
	};
	const unsigned char *data = bytes.data;
	size_t left = bytes.size;

	for (; left >= 8; left -= 8, data += 8)
		sip_word(&s, disk_get_le(data, 8));
	sip_word(&s,
	    disk_get_le(data, (int)left) | (uint64_t)(bytes.size & 0xff) << 56);
	s.v2 ^= 0xee;
	disk_put_le(hash, sip_finish(&s), 8);
	s.v1 ^= 0xdd;
	disk_put_le(hash + 8, sip_finish(&s), 8);
}
