/*
 * stores/memory/table.h - the bounded table behind the memory store.
 *
 * It knows collections, TTLs, eviction and the pinning of values, but neither
 * ops nor the loop: memory.c is the driver on top, and the bench calls it
 * directly. Times are monotonic microseconds.
 *
 * An entry is one piece of memory, of a page that it shares with others of its
 * size or, if it is large, of its own: links, the header of a counted value,
 * expiry, key, value. A get hands out that value. The header's owner is the
 * entry's collection while it is in the table; an entry that leaves the table
 * while it is pinned or referenced gets the heap as its owner, a counted block
 * which outlives the table and knows how many bytes are still held.
 *
 * Clearing a collection takes its record out of the index of collections, so
 * that nothing finds its entries any more, and lets them die by and by;
 * clearing all everything does so with the whole space. What holds up a caller
 * is thus never more than a few hundred entries: what is called a step below.
 */
#ifndef EVKV_STORES_MEMORY_TABLE_H
#define EVKV_STORES_MEMORY_TABLE_H

#include "evkv/number.h"

#include "base/value.h"
#include "stores/memory/ahead.h"
#include "stores/memory/ghosts.h"
#include "stores/memory/hash.h"
#include "stores/memory/index.h"
#include "stores/memory/slab.h"

#define MEMORY_NEVER INT64_MAX /* as an expiry */

/*
 * `life` holds the expiry in 48 bits, then 13 of the version, then whether it
 * is on probation, whether the value is a pointer to a value of others, and
 * whether it was hit since the hand passed. A version is of 45 bits: at a
 * million changes a second they come again after a year.
 */
struct memory_entry {
	union {
		struct {
			uint32_t newer, older; /* numbers */
		};
		struct memory_entry *next; /* of those let go of elsewhere */
	};
	struct evkv_value value; /* owner: the collection's */
	uint64_t life;
	uint32_t version; /* its lower half */
	char bytes[];     /* the key, then the value */
};

#define ENTRY_VISITED UINT64_C(1)
#define ENTRY_EXTERNAL UINT64_C(2)
#define ENTRY_PROBATION UINT64_C(4)
#define ENTRY_EXPIRY_BITS 48
#define ENTRY_VERSION_BITS 45
#define ENTRY_VERSION_AT 3 /* in `life` */
#define ENTRY_VERSION_MASK ((UINT64_C(1) << ENTRY_VERSION_BITS) - 1)
/* In an expiry as it is kept: from here on milliseconds; the last is never. */
#define EXPIRY_MS (UINT64_C(1) << (ENTRY_EXPIRY_BITS - 1))
#define EXPIRY_NEVER ((UINT64_C(1) << ENTRY_EXPIRY_BITS) - 1)

/* From value.offset, which counts from the header in the entry. */
#define ENTRY_KEY_OFFSET                                                       \
	(offsetof(struct memory_entry, bytes) -                                \
	    offsetof(struct memory_entry, value))

/*
 * What an entry costs beside its memory: its part of what is left over of pages
 * or is the allocator's, and its share of the index and of the ghosts.
 */
#define ENTRY_OVERHEAD 24

/* Entries that a clear has removed and that are still to be freed. */
struct memory_tally {
	int64_t now_us;  /* when that was */
	int64_t removed; /* freed so far that had not expired by then */
	size_t left;
};

/* A collection; it exists while it has entries, and a little longer. */
struct memory_collection {
	struct evkv_value_owner owner; /* first: what entries point to */
	uint64_t hash;                 /* of its name */
	struct memory_secrets secrets; /* of the hashes of its keys */
	size_t count;                  /* of entries, expired ones included */
	size_t expiring;               /* of those with a TTL */
	int64_t earliest_us;           /* none of these expires before */
	int64_t latest_us;             /* none of these expires after */
	struct memory_entry *witness;  /* one that expires late, or NULL */
	struct memory_tally *tally;    /* counts its dead entries, or NULL */
	bool dead;
	uint8_t name_size;
	char name[];
};

/* What it costs, while it has entries. */
static inline size_t collection_cost(const struct memory_collection *collection)
{
	return sizeof(*collection) + collection->name_size + ENTRY_OVERHEAD;
}

/* All that one clear_all removes. */
struct memory_space {
	struct index entries;
	struct index collections;
	struct memory_entry *newest, *oldest;
	/* The next to be considered for eviction; NULL = the oldest. */
	struct memory_entry *hand;
	uint64_t hand_rests; /* until there were so many evictions */
	/* All older ones are in the main part; NULL = all are. */
	struct memory_entry *edge;
	size_t probation; /* entries on it */
	size_t share;     /* that are to be; 0 = nothing was evicted yet */
	struct memory_ghosts ghosts;
	struct memory_entry
	    *reclaim_at; /* the next to be looked at for death */
	size_t expiring;
	size_t dead;                /* entries of dead collections */
	struct memory_tally *tally; /* of a destroyed space, or NULL */
	struct memory_space *next;
};

/* Where entries come from and go; counts what is held of those that left. */
struct memory_heap {
	struct evkv_value_owner owner;
	/* The loop's thread only, while there is a table. */
	struct slab slab;
	struct slab_class segments;     /* of the indexes */
	struct memory_ahead ahead;      /* regions of both */
	unsigned unsettled;             /* frees since settle_allocator() */
	struct memory_entry *collected; /* taken from `returned` so far */
	/* Let go on any thread, by `newer`; to be given back to the slab. */
	struct memory_entry *_Atomic returned;
	_Atomic size_t refs; /* the table's and one for each such entry */
	_Atomic size_t held; /* their bytes, as they count for max_bytes */
};

struct memory_table {
	struct memory_space space;
	struct memory_collection *last; /* the one asked for last; kept */
	uint64_t key0, key1;
	struct memory_space *retired; /* destroyed, not yet freed */
	struct memory_heap *heap;
	size_t max_entries, max_bytes; /* SIZE_MAX: no bound */
	size_t bytes; /* of entries and their collections, retired included */
	uint64_t evictions;
	uint64_t version;  /* counts changes */
	uint64_t instance; /* what versions begin with */
	size_t evict_work; /* entries that one put looks at, at most */
	bool forgets;      /* keep no ghosts */
	bool by_size;      /* rather keep what is small */
	size_t work;       /* entries looked at so far */
	/* Tells a step when to end, see struct memory_pace; NULL = by count. */
	int64_t (*clock_us)(void *arg);
	void *clock_arg;
};

struct memory_put {
	struct evkv_slice key;
	struct evkv_slice value;
	struct evkv_value *counted; /* whose bytes `value` is, or NULL */
	enum evkv_condition condition;
	const struct evkv_version *version; /* EVKV_IF_VERSION */
	int64_t expires_at_us;
};

/* Key i of an INCR. */
struct memory_incr {
	const struct evkv_request *request;
	size_t i;
	int64_t expires_at_us; /* of an entry that is made */
	int64_t number;        /* the answer */
};

/* ---- Entries (entry.c) -------------------------------------- */

static inline struct evkv_slice entry_key(const struct memory_entry *entry)
{
	return evkv_bytes(entry->bytes, entry->value.offset - ENTRY_KEY_OFFSET);
}

static inline struct memory_collection *entry_collection(
    const struct memory_entry *entry)
{
	return (struct memory_collection *)(uintptr_t)entry->value.owner;
}

static inline struct memory_entry *entry_at(const struct memory_table *table,
    uint32_t number)
{
	return slab_at(&table->heap->slab.regions, number);
}

static inline struct memory_entry *entry_newer(const struct memory_table *table,
    const struct memory_entry *entry)
{
	return entry->newer != 0 ? entry_at(table, entry->newer) : NULL;
}

static inline struct memory_entry *entry_older(const struct memory_table *table,
    const struct memory_entry *entry)
{
	return entry->older != 0 ? entry_at(table, entry->older) : NULL;
}

static inline int64_t entry_expires_us(const struct memory_entry *entry)
{
	uint64_t kept = entry->life >> (64 - ENTRY_EXPIRY_BITS);

	if (kept < EXPIRY_MS)
		return (int64_t)kept;
	return kept == EXPIRY_NEVER ? MEMORY_NEVER
				    : (int64_t)(kept - EXPIRY_MS) * 1000;
}

/* Surely not expired yet; false where a closer look must tell. */
static inline bool entry_outlives(const struct memory_entry *entry,
    int64_t now_us)
{
	uint64_t kept = entry->life >> (64 - ENTRY_EXPIRY_BITS);

	return (uint64_t)now_us < (kept < EXPIRY_MS ? kept : EXPIRY_MS);
}

/* An expiry as it is kept: what is years away is rounded up. */
static inline uint64_t expiry_kept(int64_t expires_at_us)
{
	uint64_t us = (uint64_t)expires_at_us;

	if (us < EXPIRY_MS)
		return us;
	return expires_at_us == MEMORY_NEVER ? EXPIRY_NEVER
					     : EXPIRY_MS + (us + 999) / 1000;
}

static inline void entry_set_expiry(struct memory_entry *entry,
    int64_t expires_at_us)
{
	entry->life = expiry_kept(expires_at_us) << (64 - ENTRY_EXPIRY_BITS) |
	    (entry->life & (UINT64_MAX >> ENTRY_EXPIRY_BITS));
}

static inline uint64_t entry_version(const struct memory_entry *entry)
{
	return (entry->life << (32 - ENTRY_VERSION_AT) &
		   (ENTRY_VERSION_MASK & ~(uint64_t)UINT32_MAX)) |
	    entry->version;
}

static inline bool entry_is_visited(const struct memory_entry *entry)
{
	return (entry->life & ENTRY_VISITED) != 0;
}

/* Not written to where it is so already: then its line need not go back. */
static inline void entry_set_visited(struct memory_entry *entry, bool visited)
{
	if (entry_is_visited(entry) == visited)
		return;
	entry->life = (entry->life & ~ENTRY_VISITED) | visited;
}

static inline bool entry_is_on_probation(const struct memory_entry *entry)
{
	return (entry->life & ENTRY_PROBATION) != 0;
}

static inline void entry_set_probation(struct memory_entry *entry, bool on)
{
	entry->life = on ? entry->life | ENTRY_PROBATION
			 : entry->life & ~ENTRY_PROBATION;
}

static inline bool entry_is_external(const struct memory_entry *entry)
{
	return (entry->life & ENTRY_EXTERNAL) != 0;
}

/* It has changed. */
static inline void entry_set_version(struct memory_entry *entry,
    struct memory_table *table)
{
	const uint64_t upper = (ENTRY_VERSION_MASK >> 32) << ENTRY_VERSION_AT;

	table->version = (table->version + 1) & ENTRY_VERSION_MASK;
	entry->version = (uint32_t)table->version;
	entry->life = (entry->life & ~upper) |
	    (table->version >> 32) << ENTRY_VERSION_AT;
}

/* The table's own reference is the only one, and no operation looks at it. */
static inline bool entry_is_ours(const struct memory_entry *entry)
{
	return entry->value.pins == 0 &&
	    atomic_load_explicit(&entry->value.refs, memory_order_acquire) == 1;
}

struct memory_heap *evkv__heap_new(void);
/*
 * Take back some of what was let go of, and give back a piece of memory that is
 * not needed any more; false: there is none.
 */
bool evkv__heap_tidy(struct memory_heap *heap);
static inline bool heap_is_untidy(const struct memory_heap *heap)
{
	return heap->collected != NULL ||
	    atomic_load_explicit(&heap->returned, memory_order_relaxed) !=
	    NULL ||
	    heap->slab.pages.retired != NULL || heap->segments.retired != NULL;
}
void evkv__heap_unref(struct memory_heap *heap);

/* What a put would cost, in bytes of max_bytes. */
size_t evkv__entry_cost_of(const struct memory_put *put);
/* What an entry costs. */
size_t evkv__entry_cost(const struct memory_entry *entry);
/* An entry that is nowhere yet; NULL = no memory. */
struct memory_entry *evkv__entry_new(struct memory_heap *heap,
    const struct memory_put *put, struct memory_collection *collection,
    uint64_t hash);
/* By which links and the index name it. */
uint32_t evkv__entry_number(const struct memory_entry *entry);
/* The upper halves of the hashes of entries. */
void evkv__entry_hashes(const struct slab_regions *regions,
    const uint32_t *numbers, size_t count, uint32_t *hashes);
/* Overwrite the value where it is; false: it can't be done. */
bool evkv__entry_overwrite(struct memory_entry *entry,
    const struct memory_put *put);
/* Free an entry that has left the table, or leave it to its holders. */
void evkv__entry_release(struct memory_entry *entry, struct memory_heap *heap);
/* The memory of a collection, all zero; NULL = none. */
struct memory_collection *evkv__collection_alloc(struct memory_heap *heap,
    size_t name_size);
void evkv__collection_free(struct memory_heap *heap,
    struct memory_collection *collection);
/* The value that an external entry stands for. */
struct evkv_value *evkv__entry_external(const struct memory_entry *entry);

/* ---- The table (table.c) ------------------------------------ */

/* Bounds 0 = none. false = no memory. */
bool evkv__table_init(struct memory_table *table, size_t max_entries,
    size_t max_bytes, uint64_t key0, uint64_t key1);

static inline uint64_t table_hash(const struct memory_collection *collection,
    struct evkv_slice key)
{
	return hash_key(&collection->secrets, key);
}

static inline bool entry_same_word(const char *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y;
}

static inline bool entry_same_half(const char *a, const char *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y;
}

/* As memcmp() == 0, without the call, of less than 8 bytes. */
static inline bool entry_same_short(const char *a, const char *b, size_t size)
{
	if (size >= 4)
		return entry_same_half(a, b) &&
		    entry_same_half(a + size - 4, b + size - 4);
	return size == 0 ||
	    (a[0] == b[0] && a[size / 2] == b[size / 2] &&
		a[size - 1] == b[size - 1]);
}

/*
 * Likewise: names and keys are short. What was just written by whole words is
 * read by such, see hash_read().
 */
static inline bool entry_same(const char *a, const char *b, size_t size)
{
	if (__builtin_expect(size == 16, 1))
		return entry_same_word(a, b) && entry_same_word(a + 8, b + 8);
	for (; size >= 8; size -= 8, a += 8, b += 8) {
		if (!entry_same_word(a, b))
			return false;
	}
	return entry_same_short(a, b, size);
}

/* The collection of a name, or NULL. */
struct memory_collection *evkv__table_collection_slow(
    struct memory_table *table, struct evkv_slice name);
static inline bool evkv__table_is_last(const struct memory_table *table,
    struct evkv_slice name)
{
	const struct memory_collection *last = table->last;

	return last != NULL && last->name_size == name.size &&
	    entry_same(last->name, name.data, name.size);
}
static inline struct memory_collection *evkv__table_collection(
    struct memory_table *table, struct evkv_slice name)
{
	return evkv__table_is_last(table, name)
	    ? table->last
	    : evkv__table_collection_slow(table, name);
}
/* The same; made where it is not there. NULL = no memory. */
struct memory_collection *evkv__table_collection_make_slow(
    struct memory_table *table, struct evkv_slice name);
static inline struct memory_collection *evkv__table_collection_make(
    struct memory_table *table, struct evkv_slice name)
{
	return evkv__table_is_last(table, name)
	    ? table->last
	    : evkv__table_collection_make_slow(table, name);
}

static inline bool entry_is(const struct memory_entry *entry,
    const struct memory_collection *collection, struct evkv_slice key)
{
	return entry->value.owner == &collection->owner &&
	    entry->value.offset == ENTRY_KEY_OFFSET + key.size &&
	    entry_same(entry->bytes, key.data, key.size);
}

/* The entry of a key, expired or not, and its place; NULL: not there. */
static inline struct memory_entry *evkv__table_find(const struct memory_table
							*table,
    const struct memory_collection *collection, struct evkv_slice key,
    uint64_t hash, struct index_place *place)
{
	struct memory_entry *entry;
	uint32_t number;

	number = index_first(&table->space.entries, hash, place);
	for (; number != 0; number = index_next(place)) {
		entry = entry_at(table, number);
		if (entry_is(entry, collection, key))
			return entry;
	}
	return NULL;
}

/*
 * The same, but only where most are: the first of its tag in the first chunk;
 * for what has to be quick. NULL: if there is one, it is elsewhere.
 */
static inline struct memory_entry *evkv__table_find_at_home(
    const struct memory_table *table,
    const struct memory_collection *collection, struct evkv_slice key,
    uint64_t hash)
{
	const struct index_chunk *chunk = index_chunk(&table->space.entries,
	    hash);
	uint32_t matches = index_match(chunk, index_tag(hash));
	struct memory_entry *entry;

	if (matches == 0)
		return NULL;
	entry = entry_at(table, chunk->slots[__builtin_ctz(matches)]);
	return entry_is(entry, collection, key) ? entry : NULL;
}

/* The entry of a key, for a reader: not expired, and marked as used. */
static inline struct memory_entry *evkv__table_get(const struct memory_table
						       *table,
    const struct memory_collection *collection, struct evkv_slice key,
    uint64_t hash, int64_t now_us)
{
	struct index_place place;
	struct memory_entry *entry;

	entry = evkv__table_find(table, collection, key, hash, &place);
	if (entry == NULL || now_us >= entry_expires_us(entry))
		return NULL;
	entry_set_visited(entry, true);
	return entry;
}

/*
 * OK, EXISTS, NOT_FOUND and CONFLICT by the condition, TOO_LARGE, NOMEM, or
 * NOSPACE where held values leave no room. Evicts afterwards, a bounded number
 * of entries.
 */
enum evkv_status evkv__table_put_hashed(struct memory_table *table,
    struct memory_collection *collection, const struct memory_put *put,
    uint64_t hash, int64_t now_us);
static inline enum evkv_status evkv__table_put(struct memory_table *table,
    struct memory_collection *collection, const struct memory_put *put,
    int64_t now_us)
{
	return evkv__table_put_hashed(table, collection, put,
	    table_hash(collection, put->key), now_us);
}

/*
 * A put over an entry that has nothing to do but to overwrite it: the value is
 * as large as the old one, which nobody holds; it lives on, expires no sooner
 * than before, and there is no bound that it could touch. false: nothing has
 * been done.
 */
static inline bool evkv__table_put_over(struct memory_table *table,
    struct memory_collection *collection, struct memory_entry *entry,
    struct evkv_slice value, int64_t expires_at_us, int64_t now_us)
{
	uint64_t kept = expiry_kept(expires_at_us), life = entry->life;
	uint64_t had = life >> (64 - ENTRY_EXPIRY_BITS);

	if (!entry_outlives(entry, now_us) || kept < had ||
	    (kept >= EXPIRY_MS && kept != had) ||
	    value.size != entry->value.size || (life & ENTRY_EXTERNAL) != 0 ||
	    !entry_is_ours(entry) ||
	    atomic_load_explicit(&table->heap->held, memory_order_relaxed) != 0)
		return false;
	table->version = (table->version + 1) & ENTRY_VERSION_MASK;
	entry->version = (uint32_t)table->version;
	entry->life = kept << (64 - ENTRY_EXPIRY_BITS) |
	    (table->version >> 32) << ENTRY_VERSION_AT |
	    (life & ENTRY_PROBATION) | ENTRY_VISITED;
	if (kept < EXPIRY_MS && expires_at_us > collection->latest_us) {
		collection->latest_us = expires_at_us;
		collection->witness = entry;
	}
	memmove(entry->bytes + (entry->value.offset - ENTRY_KEY_OFFSET),
	    value.data, value.size);
	return true;
}

/*
 * INVALID where the entry holds no number or the sum does not fit, else as for
 * a put.
 */
enum evkv_status evkv__table_incr(struct memory_table *table,
    struct memory_collection *collection, struct memory_incr *incr,
    int64_t now_us);

/*
 * OK, NOT_FOUND where there is no such entry or it has expired; CONFLICT where
 * it has another version than `version`; NULL = any.
 */
enum evkv_status evkv__table_delete(struct memory_table *table,
    struct memory_collection *collection, struct evkv_slice key,
    const struct evkv_version *version, int64_t now_us);

/* Likewise; sets its expiry. */
enum evkv_status evkv__table_touch(struct memory_table *table,
    struct memory_collection *collection, struct evkv_slice key,
    const struct evkv_version *version, int64_t expires_at_us, int64_t now_us);

/* How many entries there are, the dead ones not counted. */
static inline size_t evkv__table_count(const struct memory_table *table)
{
	return table->space.entries.count - table->space.dead;
}

/* No entry expires before. */
static inline int64_t table_next_due(const struct memory_table *table)
{
	return index_earliest_due(&table->space.entries);
}

/* Bytes that count for max_bytes. */
static inline size_t evkv__table_bytes(const struct memory_table *table)
{
	return table->bytes +
	    atomic_load_explicit(&table->heap->held, memory_order_relaxed);
}

/*
 * Whether there is more than there may be, and something that can go: a put
 * evicts a bounded number of entries and leaves the rest to the next ones.
 */
static inline bool evkv__table_is_over(const struct memory_table *table)
{
	return (evkv__table_count(table) > table->max_entries ||
		   evkv__table_bytes(table) > table->max_bytes) &&
	    table->space.newest != table->space.oldest;
}

/* Internal: what a new entry starts as, before it is in the list. */
void evkv__table_admit(struct memory_table *table, struct memory_entry *entry,
    uint64_t hash, int64_t now_us);
/* Internal: an entry leaves its space, its place in the index is gone. */
void evkv__table_drop(struct memory_table *table, struct memory_space *space,
    struct memory_entry *entry);
/* Internal: take a collection out of the index. */
void evkv__collection_unlist(struct memory_space *space,
    const struct memory_collection *collection);
/* Internal: find and drop an entry of that hash. */
void evkv__table_remove(struct memory_table *table, struct memory_entry *entry,
    uint64_t hash);

/* ---- Steps (sweep.c) ---------------------------------------- */

/*
 * A step ends after so many entries, or sooner if they took long: what freeing
 * one takes depends on the machine and, by orders of magnitude, on the state
 * that the allocator is in. All zero at the beginning of a step.
 */
struct memory_pace {
	int64_t ends_us;
	size_t work; /* since the last look at the clock */
};

/* After so many entries more: whether the step has taken long enough. */
bool evkv__pace_is_over(struct memory_pace *pace,
    const struct memory_table *table, size_t entries);

/* Evict until the bounds hold, within bounds of its own; never `keep`. */
void evkv__table_make_room(struct memory_table *table,
    const struct memory_entry *keep, int64_t now_us);

/*
 * Remove a collection, which must not be used any more, or all that there is.
 * `tally` counts what is to be freed; it may be NULL, and is empty at once if
 * nothing has to be. false, for all: no memory, nothing changed.
 */
void evkv__table_clear(struct memory_table *table,
    struct memory_collection *collection, struct memory_tally *tally);
bool evkv__table_clear_all(struct memory_table *table,
    struct memory_tally *tally);

/* Free some of what was cleared, `entries` at most; false: there is none. */
bool evkv__table_reclaim(struct memory_table *table, size_t entries);

/* A walk over all entries, in order of hash; zero at first. */
struct memory_walk {
	uint64_t at;
	int64_t now_us;
	/* Whether to remove an entry; NULL = no. Expired ones all are. */
	bool (*visit)(struct memory_entry *entry, void *arg);
	void *arg;
	size_t work;     /* visit() adds what it takes, as entries looked at */
	int64_t expired; /* removed because they had */
	int64_t removed; /* because visit() said so */
};

/*
 * One segment of it, or, where that takes too long, a part of one. false: that
 * was the last.
 */
bool evkv__table_walk(struct memory_table *table, struct memory_walk *walk);

/* What became of a step of the sweep for expired entries. */
enum memory_sweep {
	SWEEP_ENDED, /* nothing more has expired; table_next_due() will */
	SWEEP_POOR,  /* there is more, but little was found */
	SWEEP_RICH,  /* much was found: go on at once */
};
enum memory_sweep evkv__table_sweep(struct memory_table *table, int64_t now_us);

/* Remove what has expired of the segment that is due first; there is one. */
void evkv__table_walk_earliest(struct memory_table *table, int64_t now_us);

/* Whether a collection has an entry that is not expired. */
enum memory_alive { ALIVE_NO, ALIVE_YES, ALIVE_UNKNOWN };
enum memory_alive evkv__collection_alive(
    const struct memory_collection *collection, int64_t now_us);

/* Free everything, now. */
void evkv__table_end(struct memory_table *table);

#endif
