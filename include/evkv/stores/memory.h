/**
 * @file
 * A bounded cache in this process's memory.
 *
 *     struct evkv_store *cache = evkv_memory_new(loop,
 *         &(struct evkv_memory_options){ .max_bytes = 64 << 20 }, &error);
 *
 * What has expired is absent at once, and its memory is reclaimed soon after.
 * At a bound an entry is evicted that has not been used for long. A get
 * hands out the entry itself, without copying. Growing, clearing and sweeping
 * are done in small steps, so that none holds the loop for long. docs/memory.md
 * says more.
 *
 * URL: `memory:?max_entries=100000&max_bytes=64m`
 */
#ifndef EVKV_STORES_MEMORY_H
#define EVKV_STORES_MEMORY_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** What an eviction goes by. */
enum evkv_memory_evict {
	/** whether an entry was used */
	EVKV_MEMORY_EVICT_BY_USE,
	/**
	 * And its size: one larger than the mean is spared the less often the
	 * larger it is. More gets are hits where sizes differ much, and fewer
	 * bytes of what is asked for.
	 */
	EVKV_MEMORY_EVICT_BY_SIZE,
};

/** Options of a memory store. Zero in a field is its default. */
struct evkv_memory_options {
	/**
	 * The most entries; 0 = no bound but max_bytes. May be exceeded by a
	 * sixty-fourth for some turns, where nearly all entries are in use.
	 */
	size_t max_entries;
	/**
	 * Bytes of keys, values and what the store adds to each entry. Evicted
	 * entries count as long as somebody holds their value. 0 = 64 MiB, or
	 * no bound where max_entries is given; SIZE_MAX = no bound; else at
	 * least 4096.
	 *
	 * A put that could not fit in the empty store is TOO_LARGE. A put for
	 * which values that others hold leave no room is NOSPACE. The bound may
	 * be exceeded by a sixteenth, or by one larger value, during the turns
	 * that it takes to evict many small entries for a large one.
	 */
	size_t max_bytes;
	/** what an eviction goes by; of use with max_bytes */
	enum evkv_memory_evict evict;
	/**
	 * Take memory in the system's small pages only. Else a store of more
	 * than 8 MiB asks for pages of 2 MiB (Linux: transparent huge pages,
	 * see madvise(2)), which make its gets and puts quicker, by about a
	 * third. As the system needs up to some milliseconds for each, a thread
	 * of the store's has the next one ready: it is started then, blocks all
	 * signals, and ends when the store is closed. A store that grows may so
	 * have 2 MiB that it does not use yet. Values over 1 KiB are elsewhere;
	 * with evkv_set_allocator() all memory comes from there.
	 */
	bool small_pages;
};

/** evkv_memory_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_memory_new_sized(struct evkv_loop *loop,
    const struct evkv_memory_options *options, size_t size,
    struct evkv_error *error);

/**
 * A new memory store. May be called in a callback.
 * @param loop     its loop; NULL is INVALID
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID (max_bytes below 4096
 *                 or no such `evict`) or NOMEM. May be NULL
 * @return a store with one reference, or NULL
 */
static inline struct evkv_store *evkv_memory_new(struct evkv_loop *loop,
    const struct evkv_memory_options *options, struct evkv_error *error)
{
	return evkv_memory_new_sized(loop, options, sizeof(*options), error);
}

EVKV_END_DECLS

#endif
