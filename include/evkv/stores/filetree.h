/**
 * @file
 * A store that keeps each entry in a file of its own, which people and other
 * programs can read and write.
 *
 *     evkv_filetree_register(loop);
 *     store = evkv_open(loop, "file:/var/lib/app/tree", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_filetree_new(loop, &(struct evkv_filetree_options){
 *         .path = "/var/lib/app/tree" }, &error);
 *
 * The entry "ada" of the collection "users" is the file `users/ada`, and its
 * bytes are the value's. A put is seen whole or not at all, and is on the disk
 * when it is acknowledged (durability=full). A file that somebody else puts
 * there is an entry without a TTL; what can't be an entry is left alone. All
 * files are opened, read and written by a worker thread, never on the loop's
 * thread. docs/filetree.md tells the names of files, where TTLs are, and what
 * is slow.
 *
 * Several processes may have a tree open. Opening happens in the background:
 * when it fails, the operations that wait for it end with the reason, and
 * evkv_store_wait_ready() reports it early. A later operation tries again.
 */
#ifndef EVKV_STORES_FILETREE_H
#define EVKV_STORES_FILETREE_H

#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/** When a put is acknowledged. */
enum evkv_filetree_durability {
	/** When it is on the disk: it survives a power cut. */
	EVKV_FILETREE_FULL,
	/**
	 * When the operating system has it: it survives the end of the process.
	 * The file system is written to the disk every sync_ms. A power cut may
	 * lose what came after, and may leave files that are empty or cut off.
	 */
	EVKV_FILETREE_OS,
	/**
	 * As EVKV_FILETREE_OS, but only SYNC writes it to the disk in time.
	 */
	EVKV_FILETREE_NONE,
};

/** Options. Zero in a field is its default. Strings are copied. */
struct evkv_filetree_options {
	/**
	 * The directory; it is made where it is not there, but its parent must
	 * exist. Required; the path of a URL.
	 */
	const char *path;
	/** When a put is acknowledged. */
	enum evkv_filetree_durability durability;
	/**
	 * The longest value in bytes, at most EVKV_VALUE_MAX; a file that is
	 * longer is TOO_LARGE. 0 = 64 MiB.
	 */
	size_t max_value;
	/**
	 * How often expired entries are removed, in milliseconds; for that all
	 * names are read. 0 = 600000; -1 = only by PURGE_EXPIRED.
	 */
	int64_t sweep_ms;
	/**
	 * With durability=os: how often the file system is written to the disk,
	 * in milliseconds. 0 = 1000.
	 */
	int64_t sync_ms;
	/**
	 * The threads to use; a reference is taken. NULL = the loop's own
	 * (evkv/executor.h). Not in a URL.
	 */
	struct evkv_executor *executor;
	/** The default deadline of an operation in milliseconds; 0 = none. */
	int64_t timeout_ms;
	/** As in evkv_store_set_limits(); 0 = its default. */
	size_t max_pending;
	/** As in evkv_store_set_limits(); 0 = its default. */
	size_t max_pending_bytes;
};

/** evkv_filetree_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_filetree_new_sized(struct evkv_loop *loop,
    const struct evkv_filetree_options *options, size_t size,
    struct evkv_error *error);

/**
 * A store in a tree of files. What is wrong with the directory is reported by
 * operations: REFUSED (no permission, a read-only file system, something else
 * than a file where the entry should be), LOCKED, NOSPACE, IO; CORRUPT where an
 * entry's expiry is no number. May be called in a callback.
 * @param loop     its loop; NULL is INVALID
 * @param options  copied
 * @param error    filled where NULL is returned: INVALID (an option) or NOMEM.
 *                 May be NULL
 * @return the store with one reference, or NULL
 */
static inline struct evkv_store *evkv_filetree_new(struct evkv_loop *loop,
    const struct evkv_filetree_options *options, struct evkv_error *error)
{
	return evkv_filetree_new_sized(loop, options, sizeof(*options), error);
}

/**
 * Make evkv_open() know `file:` and `filetree:` on a loop.
 * @return false when out of memory
 */
EVKV_API bool evkv_filetree_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
