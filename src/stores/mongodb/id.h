/*
 * stores/mongodb/id.h - the _id of an entry's document: text, one-to-one.
 *
 * It is `collection:key`. A percent sign, a NUL, a byte that is not part of
 * valid UTF-8, and in the collection a colon, are written as % and two hex
 * digits. The order of _ids is that of the bytes where all keys are UTF-8.
 */
#ifndef EVKV_STORES_MONGODB_ID_H
#define EVKV_STORES_MONGODB_ID_H

#include "base/siphash.h"
#include "evkv/request.h"

/*
 * A hash for what equal hashes hurt little, as they do where the keys of a wave
 * are told apart.
 */
static inline uint64_t mongodb_hash(uint64_t seed, struct evkv_slice bytes)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	const unsigned char *at = bytes.data;
	uint64_t hash = seed ^ bytes.size;
	size_t left;

	for (left = bytes.size; left >= 8; left -= 8, at += 8) {
		hash = (hash ^ siphash_load(at)) * odd;
		hash ^= hash >> 32;
	}
	if (left > 0)
		hash ^= siphash_tail(at, left);
	hash *= odd;
	return hash ^ hash >> 32;
}

/* Room for any _id, in bytes. */
#define MONGODB_ID_MAX (3 * (EVKV_COLLECTION_MAX + EVKV_KEY_MAX) + 1)
/* Room for the _id of these, and how large it may become at most. */
static inline size_t mongodb_id_room(struct evkv_slice collection,
    struct evkv_slice key)
{
	return 3 * (collection.size + key.size) + 1;
}

/*
 * Write `collection:key` into room for it; `key` may be empty. Returns its
 * size.
 */
size_t evkv__mongodb_id_write(struct evkv_slice collection,
    struct evkv_slice key, char *out);

/*
 * Write the collection's part alone, without the colon. Returns its size.
 */
size_t evkv__mongodb_id_write_collection(struct evkv_slice collection,
    char *out);

/*
 * Take an _id apart, into `buffer`, which has room for id.size bytes. false
 * for what could not have been written here.
 */
bool evkv__mongodb_id_read(struct evkv_slice id, char *buffer,
    struct evkv_slice *collection, struct evkv_slice *key);

/*
 * So much of the beginning of names that whatever follows, what is written for
 * it is the beginning of what is written for them: all of it but bytes at its
 * end that may become a character together with those that follow.
 */
struct evkv_slice evkv__mongodb_id_head(struct evkv_slice head);

#endif
