/*
 * stores/log/index.h - where each entry is, in memory: 24 bytes an entry, in
 * segments that are between 85 and 93 % full and split one by one.
 *
 * A segment has the entries whose hashes begin with certain bits, sorted by
 * hash, with gaps: an entry stands at the place that its hash points to or
 * behind it, as near as others let it. So a look-up reads a few neighbours, a
 * walk goes in the order of hashes whatever grows meanwhile, and no step takes
 * longer than a segment is.
 *
 * Entries with the same hash stand side by side; which of them has a name is
 * told by their records. The caller locks.
 */
#ifndef EVKV_STORES_LOG_INDEX_H
#define EVKV_STORES_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_entry {
	uint64_t hash;
	uint64_t place;  /* 0: there is none; see below */
	uint32_t expiry; /* coarse; 0 = never */
	uint32_t tag;    /* see below */
};

struct log_segment;

/* With what tells an entry's place, so that a look-up waits for that alone. */
struct log_directory {
	struct log_segment *segment;
	uint32_t depth, homes; /* the segment's */
};

struct log_index {
	struct log_directory *directory; /* by the first `depth` bits */
	unsigned depth;
	size_t entries;   /* with those that are only reserved */
	size_t bytes;     /* that it takes */
	uint64_t changes; /* whenever entries have got another address */
};

/* A place: the file's slot, the offset in units of 8, a class of sizes. */
#define LOG_SLOTS_MAX (1u << 24)
#define LOG_RESERVED UINT64_C(1) /* for an entry that is being written */

uint64_t evkv__log_place(uint32_t slot, uint64_t offset, uint64_t size);
/* Not less than the size that it was made from; an eighth more at most. */
uint64_t evkv__log_place_size(uint64_t place);

static inline uint32_t log_place_slot(uint64_t place)
{
	return (uint32_t)(place >> 40);
}

static inline uint64_t log_place_offset(uint64_t place)
{
	return (place >> 8 & 0xffffffff) * 8;
}

/*
 * A tag: the number of the collection and, if it is a low one, as much of the
 * other half of the hash as there is room for. Names of different tags are
 * different. Of equal tags that are full, and equal hashes, they are the same:
 * 85 bits of a keyed hash tell them apart.
 */
#define LOG_TAG_WIDE (1u << 31)
#define LOG_TAG_BITS 10 /* of a low number */

static inline uint32_t log_tag(uint32_t collection, uint64_t low)
{
	return collection >> LOG_TAG_BITS == 0
	    ? ((uint32_t)low << LOG_TAG_BITS & ~LOG_TAG_WIDE) | collection
	    : LOG_TAG_WIDE | collection;
}

static inline bool log_tag_full(uint32_t tag)
{
	return (tag & LOG_TAG_WIDE) == 0;
}

static inline uint32_t log_tag_collection(uint32_t tag)
{
	return log_tag_full(tag) ? tag & ((1u << LOG_TAG_BITS) - 1)
				 : tag & ~LOG_TAG_WIDE;
}

/* false = no memory. */
bool evkv__log_index_init(struct log_index *index);
void evkv__log_index_free(struct log_index *index);

/* The first entry with a hash, and the next one; NULL = there is none. */
struct log_entry *evkv__log_index_first(const struct log_index *index,
    uint64_t hash);
static inline struct log_entry *log_index_next(struct log_entry *entry)
{
	return entry[1].place != 0 && entry[1].hash == entry->hash ? entry + 1
								   : NULL;
}

/* Have what a hash is looked up in on its way to the cache. */
void evkv__log_index_fetch(const struct log_index *index, uint64_t hash);

/* false = no memory, and nothing has changed. */
bool evkv__log_index_insert(struct log_index *index,
    const struct log_entry *entry);
/* The entry with a hash and a place; NULL = there is none. */
struct log_entry *evkv__log_index_at(const struct log_index *index,
    uint64_t hash, uint64_t place);
void evkv__log_index_remove(struct log_index *index, struct log_entry *entry);

/*
 * Entries from `hash` on, in order; returns how many. Those of one hash come
 * whole, unless they are more than `room`. *more: there are others behind.
 */
size_t evkv__log_index_walk(const struct log_index *index, uint64_t hash,
    struct log_entry *entries, size_t room, bool *more);

/* ---- Building one, from entries in the order of hashes ------------------- */

struct log_index_build {
	struct log_index *index;
	struct log_entry *gathered; /* of one segment */
	size_t count;
};

/* For about `expected` entries, into an empty index. false = no memory. */
bool evkv__log_build_begin(struct log_index_build *build,
    struct log_index *index, size_t expected);
bool evkv__log_build_add(struct log_index_build *build,
    const struct log_entry *entry);
/* To be called in any case. */
bool evkv__log_build_end(struct log_index_build *build);

#endif
