/**
 * @file
 * A store in a directory, in files that are only appended to.
 *
 *     evkv_log_register(loop);
 *     store = evkv_open(loop, "log:/var/lib/app/log?max_bytes=8g", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_log_new(loop, &(struct evkv_log_options){
 *         .path = "/var/lib/app/log", .max_bytes = (uint64_t)8 << 30 },
 *         &error);
 *
 * What a put has acknowledged is on the disk (durability=full) and survives the
 * process and the machine. Writes that wait together cost one write and one
 * sync together. An index of all entries is kept in memory, at no more than 32
 * bytes for each, however long its key is. docs/log.md has speed and sizes, and
 * docs/log-format.md the contents of the files.
 *
 * A directory belongs to one store of one process: opening it a second time is
 * LOCKED. Opening happens in the background: when it fails, the operations that
 * wait for it end with the reason, and evkv_store_wait_ready() reports it
 * early. A later operation tries again.
 */
#ifndef EVKV_STORES_LOG_H
#define EVKV_STORES_LOG_H

#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/** When a put is acknowledged. */
enum evkv_log_durability {
	/** When it is on the disk: it survives a power cut. */
	EVKV_LOG_SYNC_FULL,
	/**
	 * When the operating system has it: it survives the end of the process.
	 * The file is brought to the disk every sync_ms. A power cut may lose
	 * what came after, and no more.
	 */
	EVKV_LOG_SYNC_OS,
	/** As EVKV_LOG_SYNC_OS, but only SYNC brings the file to the disk. */
	EVKV_LOG_SYNC_NONE,
};

/** Who reads. */
enum evkv_log_reads {
	/**
	 * The loop's thread, where the record is in the page cache, nobody is
	 * writing its key, and the file system can read without waiting; else a
	 * worker.
	 */
	EVKV_LOG_READS_AUTO,
	/** Workers alone. */
	EVKV_LOG_READS_LANE,
};

/**
 * Options of a log. Zero in a field is its default. Strings are copied. In a
 * URL the options are named like the fields.
 */
struct evkv_log_options {
	/**
	 * The directory; its parent must exist. Required; the path of a URL.
	 */
	const char *path;
	/** When a put is acknowledged. */
	enum evkv_log_durability durability;
	/**
	 * The bound of all files in bytes, dead records among them: puts past
	 * it are NOSPACE, deletes always work. A segment and a sixteenth of one
	 * are kept back. 0 = 64 GiB; at least 1 MiB.
	 */
	uint64_t max_bytes;
	/**
	 * How large a file grows before the next one is begun, in bytes; room
	 * is set aside at once. 64 KiB to 16 GiB. 0 = 256 MiB, or a sixteenth
	 * of max_bytes if that is less.
	 */
	uint64_t segment_bytes;
	/**
	 * A file is compacted when this share of it is dead: above 0, and at
	 * most 1. 0 = 0.5.
	 */
	double compact_ratio;
	/**
	 * How fast compactions in the background copy, in bytes a second. 0 =
	 * 64 MiB; UINT64_MAX = there are none but by COMPACT.
	 */
	uint64_t compact_bytes_per_s;
	/** Who reads. */
	enum evkv_log_reads reads;
	/** Reading lanes, 1 to 16. 0 = 1. */
	int readers;
	/**
	 * How often expired entries are looked for, in milliseconds; each time
	 * at 65,536 entries at most. 0 = 1000; -1 = only by PURGE_EXPIRED.
	 */
	int64_t sweep_ms;
	/**
	 * With durability=os: how often the file is brought to the disk, in
	 * milliseconds. 0 = 1000.
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

/** evkv_log_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_log_new_sized(struct evkv_loop *loop,
    const struct evkv_log_options *options, size_t size,
    struct evkv_error *error);

/**
 * A store in a directory. What is wrong with the directory is reported by
 * operations: REFUSED (not ours, no permission, a read-only file system),
 * UNSUPPORTED (of another version), CORRUPT, LOCKED, NOSPACE or IO. May be
 * called in a callback.
 * @param loop     its loop; NULL is INVALID
 * @param options  copied
 * @param error    filled where NULL is returned: INVALID (an option) or NOMEM.
 *                 May be NULL
 * @return a store with one reference, or NULL
 */
static inline struct evkv_store *evkv_log_new(struct evkv_loop *loop,
    const struct evkv_log_options *options, struct evkv_error *error)
{
	return evkv_log_new_sized(loop, options, sizeof(*options), error);
}

/** What a log has and has done. */
struct evkv_log_counters {
	/** data files */
	uint64_t files;
	/** bytes of all of them, without what is only set aside */
	uint64_t bytes;
	/** bytes of records that count, an eighth more at most */
	uint64_t live_bytes;
	/** entries, with those that have expired and were not swept yet */
	uint64_t entries;
	/** bytes of the index in memory */
	uint64_t index_bytes;
	/** bytes of records that were written since it was opened */
	uint64_t written_bytes;
	/**
	 * those of them that compactions have copied: written_bytes divided by
	 * what is left without them is the write amplification
	 */
	uint64_t copied_bytes;
	/** compactions that were completed */
	uint64_t compactions;
};

/** evkv_log_read_counters() with the size of the caller's struct. */
EVKV_API bool evkv_log_read_counters_sized(const struct evkv_store *store,
    struct evkv_log_counters *counters, size_t size);

/**
 * Read a log's counters. May be called in a callback.
 * @param store     a log's own handle
 * @param counters  filled in
 * @return false where the store is NULL or of another kind
 */
static inline bool evkv_log_read_counters(const struct evkv_store *store,
    struct evkv_log_counters *counters)
{
	return evkv_log_read_counters_sized(store, counters, sizeof(*counters));
}

/**
 * Let evkv_open() on this loop know the scheme log.
 * @return false when out of memory, or where `loop` is NULL
 */
EVKV_API bool evkv_log_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
