/*
 * stores/memory/hash.h - the hash of a key, under secrets of its collection.
 *
 * Folded multiplication: eight bytes of the key, made unknown by a secret word,
 * times the next eight, likewise; the halves of the product go through a second
 * such step, with secrets of their own. It takes a fifth of the time of a
 * SipHash-1-3, which is what a look-up in memory would otherwise mostly be. All
 * four words are drawn by SipHash from the store's random key, one set for each
 * collection, and nothing that is answered shows them or a hash (positions in
 * cursors are hidden): without them nobody can choose keys that fall together.
 */
#ifndef EVKV_STORES_MEMORY_HASH_H
#define EVKV_STORES_MEMORY_HASH_H

#include <stdint.h>
#include <string.h>

#include "base/siphash.h"

struct memory_secrets {
	uint64_t words[4];
};

static inline struct memory_secrets hash_secrets(uint64_t key0, uint64_t key1)
{
	struct memory_secrets secrets;
	char i;

	for (i = 0; i < 4; i++)
		secrets.words[(int)i] = siphash_1_3(key0, key1,
		    evkv_bytes(&i, 1));
	return secrets;
}

static inline uint64_t hash_read_8(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t hash_read_4(const char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* All of 1 to 8 bytes, in a word. */
static inline uint64_t hash_read_some(const char *at, size_t size)
{
	if (size == 8)
		return hash_read_8(at);
	if (size >= 4)
		return hash_read_4(at) | hash_read_4(at + size - 4) << 32;
	return (uint64_t)(unsigned char)at[0] << 16 |
	    (uint64_t)(unsigned char)at[size / 2] << 8 |
	    (unsigned char)at[size - 1];
}

/*
 * All of 1 to 16 bytes, in two words. What was written by whole words, as a
 * wrapper writes a key behind a prefix, is read by such, too, and not across
 * the border of two: the processor would wait until these are in the cache, and
 * so for all that is before them.
 */
static inline void hash_read(const char *at, size_t size, uint64_t words[2])
{
	if (__builtin_expect(size == 16, 1)) {
		words[0] = hash_read_8(at);
		words[1] = hash_read_8(at + 8);
	} else if (size > 8) {
		words[0] = hash_read_8(at);
		words[1] = hash_read_some(at + 8, size - 8);
	} else {
		words[0] = hash_read_some(at, size);
		words[1] = 0;
	}
}

/* The product of two words, as its halves. */
static inline void hash_multiply(uint64_t *a, uint64_t *b)
{
#ifdef __SIZEOF_INT128__
	__extension__ unsigned __int128 product = (unsigned __int128)*a * *b;

	*a = (uint64_t)product;
	*b = (uint64_t)(product >> 64);
#else
	uint64_t a1 = *a >> 32, a0 = *a & UINT32_MAX;
	uint64_t b1 = *b >> 32, b0 = *b & UINT32_MAX;
	uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
	uint64_t other = a0 * b1 + (middle & UINT32_MAX);

	*a *= *b;
	*b = a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}

/* The halves of a product, one upon the other. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	hash_multiply(&a, &b);
	return a ^ b;
}

/* Of a key, which has at least one byte. */
static inline uint64_t hash_key(const struct memory_secrets *secrets,
    struct evkv_slice key)
{
	const char *at = key.data, *end = at + key.size;
	uint64_t state = secrets->words[2] ^ key.size, words[2];

	for (; end - at > 16; at += 16)
		state = secrets->words[1] ^
		    hash_fold(hash_read_8(at) ^ secrets->words[0],
			hash_read_8(at + 8) ^ state);
	hash_read(at, (size_t)(end - at), words);
	words[0] ^= secrets->words[0];
	words[1] ^= state;
	hash_multiply(&words[0], &words[1]);
	return hash_fold(words[0] ^ secrets->words[1],
	    words[1] ^ secrets->words[3]);
}

#endif
