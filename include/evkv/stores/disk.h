/**
 * @file
 * Stores in a directory of the local disk.
 *
 *     evkv_disk_register(loop);
 *     store = evkv_open(loop, "disk:/var/lib/app/cache?max_bytes=2g", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_disk_new(loop, &(struct evkv_disk_options){
 *         .path = "/var/lib/app/cache", .max_bytes = (size_t)2 << 30 },
 *         &error);
 *
 * What a put has acknowledged is on the disk (durability=full) and survives the
 * process and the machine. All files are opened, read and written by worker
 * threads, never on the loop's thread. Writes that wait together are committed
 * together. Built on LMDB; docs/disk.md has speed and sizes, and
 * docs/disk-format.md the contents of the files.
 *
 * A directory belongs to one store. Other processes may open it at the same
 * time; opening it twice in one process is LOCKED. Opening happens in the
 * background: when it fails, the operations that wait for it end with the
 * reason, and evkv_store_wait_ready() reports it early. A later operation tries
 * again.
 */
#ifndef EVKV_STORES_DISK_H
#define EVKV_STORES_DISK_H

#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/** When a put is acknowledged. */
enum evkv_disk_durability {
	/** When it is on the disk: it survives a power cut. */
	EVKV_DISK_FULL,
	/**
	 * When the operating system has it: it survives the end of the process.
	 * The file is written to the disk every sync_ms. A power cut may lose
	 * what came after, and may damage the store.
	 */
	EVKV_DISK_OS,
	/**
	 * As EVKV_DISK_OS, but only SYNC writes the file to the disk in time.
	 */
	EVKV_DISK_NONE,
};

/**
 * Options of disk and multi_disk. Zero in a field is its default. Strings are
 * copied. In a URL the options are named like the fields.
 */
struct evkv_disk_options {
	/**
	 * The directory; its parent must exist. Required; the path of a URL.
	 */
	const char *path;
	/** When a put is acknowledged. */
	enum evkv_disk_durability durability;
	/**
	 * The bound of the file in bytes; puts past it are NOSPACE. Address
	 * space is taken for all of it at once, disk space as it is used. 0 =
	 * 64 GiB; at least 1 MiB, and rounded down to whole 64 KiB.
	 */
	size_t max_bytes;
	/**
	 * Reading lanes, at most 16; useful where the executor has threads for
	 * them. 0 = 1.
	 */
	int readers;
	/**
	 * Read on the loop's thread where no write of the key is under way. For
	 * data known to be in the page cache: otherwise the loop waits for the
	 * disk.
	 */
	bool inline_reads;
	/**
	 * How often expired entries are removed, in milliseconds. 0 = 1000; -1
	 * = only by PURGE_EXPIRED.
	 */
	int64_t sweep_ms;
	/**
	 * With durability=os: how often the file is written to the disk, in
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
	/**
	 * multi_disk: environments that are open at a time. One more is open
	 * only while operations need it. 0 = 64.
	 */
	int max_open;
};

/** evkv_disk_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *options, size_t size,
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
static inline struct evkv_store *evkv_disk_new(struct evkv_loop *loop,
    const struct evkv_disk_options *options, struct evkv_error *error)
{
	return evkv_disk_new_sized(loop, options, sizeof(*options), error);
}

/** evkv_multi_disk_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_multi_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *options, size_t size,
    struct evkv_error *error);

/**
 * As evkv_disk_new(), with a directory inside it for each collection, each with
 * a bound of max_bytes. It is opened on first use, and closed when it is idle
 * and others are wanted. After clearing a whole collection COMPACT gives its
 * space back.
 */
static inline struct evkv_store *evkv_multi_disk_new(struct evkv_loop *loop,
    const struct evkv_disk_options *options, struct evkv_error *error)
{
	return evkv_multi_disk_new_sized(loop, options, sizeof(*options),
	    error);
}

/** How evkv_disk_backup() copies. */
enum {
	/**
	 * Page by page, free ones included: faster, but writes wait until it is
	 * done. Without it free pages are left out and writes go on.
	 */
	EVKV_DISK_BACKUP_PAGES = 1 << 0,
};

/**
 * Copy a disk store, as it is at one moment, while it is in use. A worker with
 * a thread of its own copies; reads and writes go on. Pages that are being
 * copied can't be reused meanwhile, so the file may grow. The copy is a
 * directory that opens as a store; versions of the original are not valid in
 * it. A copy that fails leaves no store. May be called in a callback.
 * @param store  a disk store's own handle; any other is UNSUPPORTED, wrapped
 *               and multi_disk stores too (evkv_disk_check --backup copies
 *               those of the latter)
 * @param path   the directory, which is not there or empty; its parent exists
 * @param flags  EVKV_DISK_BACKUP_*
 * @param cb     gets the outcome, on the loop's thread, never inside this call:
 *               OK, INVALID, UNSUPPORTED, REFUSED (not empty), CLOSED or
 *               CANCELED (the store was closed, compacted or reopened
 *               meanwhile), LOCKED, NOSPACE, IO, or why the store can't be
 *               opened; may be NULL
 * @param arg    for the callback
 * @return false when out of memory, for store NULL and for one whose loop was
 *         freed: no callback will come
 */
EVKV_API bool evkv_disk_backup(struct evkv_store *store, const char *path,
    uint32_t flags, evkv_cb cb, void *arg);

/**
 * Let evkv_open() on this loop know the schemes disk and multi_disk.
 * @return false when out of memory, or where `loop` is NULL
 */
EVKV_API bool evkv_disk_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
