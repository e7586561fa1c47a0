/*
 * base/siphash.h - SipHash-1-3, a keyed hash against flooding, and its parts.
 *
 * By J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF"
 * (2012): one round for each 8 bytes and three at the end. Nobody without the
 * key can choose inputs whose hashes collide.
 */
#ifndef EVKV_BASE_SIPHASH_H
#define EVKV_BASE_SIPHASH_H

#include <stdint.h>
#include <string.h>

#include "evkv/slice.h"

struct siphash {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
	s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
	s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 = siphash_rotate(s->v2, 32);
}

/* Eight bytes, little-endian. */
static inline uint64_t siphash_load(const unsigned char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* The same for 0 to 7 bytes, without reading past them. */
static inline uint64_t siphash_tail(const unsigned char *bytes, size_t size)
{
	uint64_t word = 0;

	switch (size) {
	case 7:
		word |= (uint64_t)bytes[6] << 48;
		/* fall through */
	case 6:
		word |= (uint64_t)bytes[5] << 40;
		/* fall through */
	case 5:
		word |= (uint64_t)bytes[4] << 32;
		/* fall through */
	case 4:
		word |= (uint64_t)bytes[3] << 24;
		/* fall through */
	case 3:
		word |= (uint64_t)bytes[2] << 16;
		/* fall through */
	case 2:
		word |= (uint64_t)bytes[1] << 8;
		/* fall through */
	case 1: word |= bytes[0]; break;
	default: break;
	}
	return word;
}

static inline void siphash_word(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	siphash_round(s);
	s->v0 ^= word;
}

/* Where the hashes under the key (key0, key1) begin. */
static inline struct siphash siphash_seed(uint64_t key0, uint64_t key1)
{
	return (struct siphash){
		.v0 = key0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key1 ^ UINT64_C(0x7465646279746573),
	};
}

/* The hash of `data` under the key that the seed was made from. */
static inline uint64_t siphash_1_3_from(const struct siphash *seed,
    struct evkv_slice data)
{
	struct siphash s = *seed;
	const unsigned char *bytes = data.data;
	uint64_t last = (uint64_t)(data.size & 0xff) << 56;
	size_t left;

	for (left = data.size; left >= 8; left -= 8, bytes += 8)
		siphash_word(&s, siphash_load(bytes));
	if (left > 0)
		last |= siphash_tail(bytes, left);
	siphash_word(&s, last);
	s.v2 ^= 0xff;
	siphash_round(&s);
	siphash_round(&s);
	siphash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* The hash of `data` under the key (key0, key1). */
static inline uint64_t siphash_1_3(uint64_t key0, uint64_t key1,
    struct evkv_slice data)
{
	struct siphash seed = siphash_seed(key0, key1);

	return siphash_1_3_from(&seed, data);
}

#endif
