/**
 * @file
 * A store that keeps all its entries in one JSON file, which people read and
 * edit: for settings and small data.
 *
 *     evkv_jsonfile_register(loop);
 *     store = evkv_open(loop, "jsonfile:/var/lib/app/settings.json", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_jsonfile_new(loop, &(struct evkv_jsonfile_options){
 *         .path = "/var/lib/app/settings.json" }, &error);
 *
 * The file is an object of collections, each an object of keys. A value that is
 * JSON text stands in it as JSON, and comes back byte for byte; other text is a
 * string, other bytes are marked. docs/jsonfile.md has the form.
 *
 * The file is written whole with each group of writes, and what is acknowledged
 * is on the disk. An edit by hand is seen by the next operation, and is never
 * overwritten unseen. The file is read and written by a worker thread, never on
 * the loop's thread.
 *
 * Opening happens in the background: when it fails, the operations that wait
 * for it end with the reason, and evkv_store_wait_ready() reports it early. A
 * later operation tries again.
 */
#ifndef EVKV_STORES_JSONFILE_H
#define EVKV_STORES_JSONFILE_H

#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/** Options. Zero in a field is its default. Strings are copied. */
struct evkv_jsonfile_options {
	/**
	 * The file; it is made with the first put, but its folder must exist.
	 * Required; the path of a URL.
	 */
	const char *path;
	/**
	 * The bound of the file in bytes, 1 KiB to 1 GiB; puts past it are
	 * NOSPACE. 0 = 16 MiB.
	 */
	size_t max_bytes;
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

/** evkv_jsonfile_new() with the size of the caller's struct. */
EVKV_API struct evkv_store *evkv_jsonfile_new_sized(struct evkv_loop *loop,
    const struct evkv_jsonfile_options *options, size_t size,
    struct evkv_error *error);

/**
 * A store in a JSON file. What is wrong with the file is reported by
 * operations: CORRUPT (no JSON, or not of this form; line and column are in the
 * message), REFUSED (no permission, no plain file), TOO_LARGE (more than
 * max_bytes), LOCKED, NOSPACE or IO. May be called in a callback.
 * @param loop     its loop; NULL is INVALID
 * @param options  copied
 * @param error    filled where NULL is returned: INVALID (an option) or NOMEM.
 *                 May be NULL
 * @return the store with one reference, or NULL
 */
static inline struct evkv_store *evkv_jsonfile_new(struct evkv_loop *loop,
    const struct evkv_jsonfile_options *options, struct evkv_error *error)
{
	return evkv_jsonfile_new_sized(loop, options, sizeof(*options), error);
}

/**
 * Make evkv_open() know `jsonfile:` on a loop.
 * @return false when out of memory
 */
EVKV_API bool evkv_jsonfile_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
