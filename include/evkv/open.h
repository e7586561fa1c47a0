/**
 * @file
 * Stores by text: a URL, or a chain of wrappers over one.
 *
 *     struct evkv_store *store = evkv_open(loop,
 *         "memory:?max_entries=100000&max_bytes=64m", &error);
 *     struct evkv_store *chain = evkv_open(loop,
 *         "redis://localhost/0"
 *         " | passthrough_cache(memory:?max_bytes=64m, max_ttl=5m)"
 *         " | prefix_keys(app:)", &error);
 *
 * docs/urls.md describes URLs, docs/chains.md chains, docs/reference.md the
 * stores, the wrappers and their options.
 */
#ifndef EVKV_OPEN_H
#define EVKV_OPEN_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * Open what the text describes. The stores and wrappers of the core library are
 * always known; others are once they are registered (evkv_redis_register()).
 * May be called in a callback.
 * @param loop   the loop
 * @param text   at most 65536 bytes; the innermost store first
 * @param error  filled where NULL is returned: INVALID or NOMEM, or what a
 *               constructor gives. It names the column, or the part of the URL,
 *               and what was expected there, and never has a password in it.
 * @return one reference; everything that was made is released on failure
 */
EVKV_API struct evkv_store *evkv_open(struct evkv_loop *loop, const char *text,
    struct evkv_error *error);

/** What evkv_store_describe() is to write. */
enum {
	/**
	 * behind each store its state, its pending entries and its counters in
	 * braces, which evkv_open() skips
	 */
	EVKV_DESCRIBE_COUNTERS = 1 << 0,
};

/**
 * Write a chain as the text that evkv_open() reads: what was built by calls as
 * well as by text. Passwords are written as ***, options at their default are
 * left out, and stores and wrappers that are not registered by a table are
 * written as their name alone. A wrapper that is closed has no stores any more.
 * May be called in a callback.
 * @param store  the outermost; NULL gives NULL
 * @param flags  EVKV_DESCRIBE_*, or 0
 * @return a string, to be released by evkv_free(); NULL = no memory
 */
EVKV_API char *evkv_store_describe(const struct evkv_store *store,
    uint32_t flags);

EVKV_END_DECLS

#endif
