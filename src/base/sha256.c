/*
 * SHA-256 as FIPS 180-4 defines it, written for short inputs.
 */
#include "base/sha256.h"

#include <string.h>

#define SHA256_BLOCK 64

/* clang-format off */
/* The first 32 bits of the fractions of the cube roots of 64 primes. */
static const uint32_t sha256_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

/* Likewise of the square roots of the first 8 primes. */
static const uint32_t sha256_start[8] = {
	0x6a09e667,
	0xbb67ae85,
	0x3c6ef372,
	0xa54ff53a,
	0x510e527f,
	0x9b05688c,
	0x1f83d9ab,
	0x5be0cd19,
};

static uint32_t sha256_rotate(uint32_t word, int count)
{
	return word >> count | word << (32 - count);
}

static uint32_t sha256_load(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

static void sha256_store(uint8_t *bytes, uint32_t word)
{
	bytes[0] = (uint8_t)(word >> 24);
	bytes[1] = (uint8_t)(word >> 16);
	bytes[2] = (uint8_t)(word >> 8);
	bytes[3] = (uint8_t)word;
}

/* The message schedule: 16 words of the block, 48 made from them. */
static void sha256_expand(uint32_t words[64], const uint8_t *block)
{
	uint32_t early, late;
	int i;

	for (i = 0; i < 16; i++)
		words[i] = sha256_load(block + 4 * i);
	for (; i < 64; i++) {
		early = words[i - 15];
		late = words[i - 2];
		words[i] = words[i - 16] + words[i - 7] +
		    (sha256_rotate(early, 7) ^ sha256_rotate(early, 18) ^
			early >> 3) +
		    (sha256_rotate(late, 17) ^ sha256_rotate(late, 19) ^
			late >> 10);
	}
}

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
	uint32_t words[64], s[8], first, second;
	int i;

	sha256_expand(words, block);
	memcpy(s, state, sizeof(s));
	for (i = 0; i < 64; i++) {
		first = s[7] + sha256_constants[i] + words[i] +
		    (sha256_rotate(s[4], 6) ^ sha256_rotate(s[4], 11) ^
			sha256_rotate(s[4], 25)) +
		    ((s[4] & s[5]) ^ (~s[4] & s[6]));
		second = (sha256_rotate(s[0], 2) ^ sha256_rotate(s[0], 13) ^
			     sha256_rotate(s[0], 22)) +
		    ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		memmove(&s[1], &s[0], 7 * sizeof(s[0]));
		s[4] += first;
		s[0] = first + second;
	}
	for (i = 0; i < 8; i++)
		state[i] += s[i];
}

void evkv__sha256(const void *data, size_t size,
    uint8_t digest[EVKV__SHA256_SIZE])
{
	uint8_t tail[2 * SHA256_BLOCK] = { 0 };
	const uint8_t *bytes = data;
	uint64_t bits = (uint64_t)size * 8;
	uint32_t state[8];
	size_t rest, padded;
	int i;

	memcpy(state, sha256_start, sizeof(state));
	for (rest = size; rest >= SHA256_BLOCK; rest -= SHA256_BLOCK) {
		sha256_block(state, bytes);
		bytes += SHA256_BLOCK;
	}

	/* A bit 1, zeros and the length in bits fill one or two blocks. */
	padded = rest + 9 <= SHA256_BLOCK ? SHA256_BLOCK : 2 * SHA256_BLOCK;
	if (rest > 0)
		memcpy(tail, bytes, rest);
	tail[rest] = 0x80;
	sha256_store(tail + padded - 8, (uint32_t)(bits >> 32));
	sha256_store(tail + padded - 4, (uint32_t)bits);
	sha256_block(state, tail);
	if (padded > SHA256_BLOCK)
		sha256_block(state, tail + SHA256_BLOCK);

	for (i = 0; i < 8; i++)
		sha256_store(digest + 4 * i, state[i]);
}
