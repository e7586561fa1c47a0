/*
 * evkv/stores/disk.h - stores in a directory of the local disk.
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
 * threads, never on the loop's thread; writes that wait together are committed
 * together. Built on LMDB; docs/disk.md tells about speed and sizes, and
 * docs/disk-format.md what is in the files.
 *
 * A directory belongs to one store. Other processes may open it at the same
 * time; the same process opening it twice is BUSY. Opening happens in the
 * background: its failure ends the operations that wait for it, and
 * evkv_store_wait_ready() tells of it early. A later operation tries again.
 */
#ifndef EVKV_STORES_DISK_H
#define EVKV_STORES_DISK_H

#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/* When a put is acknowledged. */
enum evkv_disk_durability {
	/* When it is on the disk: it survives a power cut. */
	EVKV_DISK_FULL,
	/*
	 * When the operating system has it: it survives the end of the process.
	 * The file is brought to the disk every sync_ms. A power cut may lose
	 * what came after, and may damage the store.
	 */
	EVKV_DISK_OS,
	/* Likewise, but nothing but sync brings it to the disk in time. */
	EVKV_DISK_NONE,
};

/*
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds. In a URL the options are named like the fields.
 */
struct evkv_disk_options {
	/* The directory; its parent must exist. Required; the path of a URL. */
	const char *path;
	enum evkv_disk_durability durability;
	/*
	 * The bound of the file, in bytes; puts past it are NOSPACE. The
	 * address space is taken at once, the disk as it is used. 0 = 64 GiB;
	 * at least 1 MiB, and rounded down to whole 64 KiB.
	 */
	size_t max_bytes;
	/*
	 * Reading lanes, at most 16; of use if the executor has threads for
	 * them. 0 = 1.
	 */
	int readers;
	/*
	 * Read on the loop's thread where no write of the key is under way. For
	 * data known to be in the page cache: else the loop waits for the disk.
	 */
	bool inline_reads;
	/* How often expired entries are removed. 0 = 1000; -1 = by purge_expired. */
	int64_t sweep_ms;
	/* With durability=os: how often the file is brought there. 0 = 1000. */
	int64_t sync_ms;
	/*
	 * The threads to use, of which a reference is taken; NULL = the loop's
	 * own (evkv/executor.h). Not in a URL.
	 */
	struct evkv_executor *executor;
	/* The default deadline of an operation; 0 = none. */
	int64_t timeout_ms;
	/* As in evkv_store_set_limits(); 0 = its defaults. */
	size_t max_pending;
	size_t max_pending_bytes;
	/*
	 * multi_disk: environments that are open at a time. One more is open
	 * only while operations need it. 0 = 64.
	 */
	int max_open;
};

/*
 * A store in a directory. NULL with a filled error: INVALID (an option, no
 * loop), NOMEM.
 * Whatever is wrong with the directory is told by operations, once it was
 * tried: REFUSED (not ours, no permission, read-only file system), UNSUPPORTED
 * (of a newer version), CORRUPT, BUSY, NOSPACE or IO.
 */
EVKV_API struct evkv_store *evkv_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_store *evkv_disk_new(struct evkv_loop *loop,
    const struct evkv_disk_options *options, struct evkv_error *error)
{
	return evkv_disk_new_sized(loop, options, sizeof(*options), error);
}

/*
 * Likewise, with a directory inside it for each collection, each with a bound
 * of max_bytes; opened on first use, and closed when it was idle and others are
 * wanted. Clearing a whole collection gives its space back by compact.
 */
EVKV_API struct evkv_store *evkv_multi_disk_new_sized(struct evkv_loop *loop,
    const struct evkv_disk_options *options, size_t size,
    struct evkv_error *error);
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
 * Copy a disk store, as it is at one moment, while it is in use. By a worker,
 * with a thread of its own; reads and writes go on. What is copied keeps its
 * pages from being used again meanwhile, so the file may grow. The copy is a
 * directory that opens as a store; versions of the original are none of its
 * own. A copy that fails leaves no store. May be called in a callback.
 * @param store  a disk store's own handle; any other is UNSUPPORTED, wrapped
 *               and multi_disk stores too (evkv_disk_check --backup copies
 *               those of the latter)
 * @param path   the directory, which is not there or empty; its parent exists
 * @param flags  EVKV_DISK_BACKUP_*
 * @param cb     gets the outcome, on the loop's thread, never inside this call:
 *               OK, INVALID, UNSUPPORTED, REFUSED (not empty), CLOSED or
 *               CANCELED (the store was closed, compacted or opened anew
 *               meanwhile), LOCKED, NOSPACE, IO, or why the store can't be
 *               opened; may be NULL
 * @param arg    for the callback
 * @return false: no memory, and no callback will come; so also for store NULL
 */
EVKV_API bool evkv_disk_backup(struct evkv_store *store, const char *path,
    uint32_t flags, evkv_cb cb, void *arg);

/*
 * Make disk: and multi_disk: URLs known to evkv_open(). false = no memory, or
 * `loop` is NULL.
 */
EVKV_API bool evkv_disk_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
