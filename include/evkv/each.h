/**
 * @file
 * Walks over all names of a query, page by page, with their values if wanted.
 *
 *     static bool on_user(const struct evkv_each_item *item, void *arg);
 *     static void on_end(const struct evkv_each_result *result, void *arg);
 *
 *     evkv_each(store, &(struct evkv_each_query){
 *         .kind = EVKV_OP_KEYS, .collection = EVKV_LIT("users"),
 *         .values = true }, on_user, on_end, NULL);
 *
 * The next page is asked for while the names of this one are reported. Values
 * are fetched in batches. The number of operations under way is bounded.
 */
#ifndef EVKV_EACH_H
#define EVKV_EACH_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/** A walk under way; gone when its end callback has returned. */
struct evkv_each;

/** What to walk over. Zero in a field is its default. */
struct evkv_each_query {
	/** EVKV_OP_KEYS or EVKV_OP_COLLECTIONS */
	enum evkv_kind kind;
	/** KEYS: of which collection */
	struct evkv_slice collection;
	/**
	 * which names; `limit` is how many a page has, and a cursor is where to
	 * begin
	 */
	struct evkv_match match;
	/** KEYS: with the values */
	bool values;
	/** operations under way at a time; 0 = 4 */
	unsigned most;
	/** keys whose values are asked for by one operation; 0 = 100 */
	size_t batch;
	/** the deadline of each operation, as in struct evkv_request */
	int64_t timeout_ms;
};

/** One name. */
struct evkv_each_item {
	/** the name; lives until the callback returns, as does all here */
	struct evkv_slice name;
	/** OK; with values, a failure that is this entry's own */
	enum evkv_status status;
	/** the value's bytes */
	struct evkv_slice bytes;
	/** the value, for evkv_value_ref(); NULL without values */
	struct evkv_value *value;
};

/** How a walk ended. */
struct evkv_each_result {
	/**
	 * OK: all were reported, or the callback stopped the walk; CANCELED;
	 * else the failure of an operation, after which no more are reported
	 */
	enum evkv_status status;
	/** why, where the status is a failure */
	enum evkv_cause cause;
	/** one line about a failure, never NULL */
	const char *message;
	/** how many names were reported */
	uint64_t count;
};

/**
 * Gets each name. A page's names come in their order; with values, batches come
 * in the order in which they are answered, which is that of the names with a
 * `most` of 1, and entries that are gone meanwhile are left out. A store
 * without EVKV_STORE_ENUM_UNIQUE may name one twice. May do all that a callback
 * may, evkv_each_cancel() too.
 * @return false to stop: the walk ends with OK
 */
typedef bool (*evkv_each_cb)(const struct evkv_each_item *item, void *arg);

/** Gets the end, once, in a later turn than the last name. */
typedef void (*evkv_each_end_cb)(const struct evkv_each_result *result,
    void *arg);

/** evkv_each() with the size of the caller's struct evkv_each_query. */
EVKV_API struct evkv_each *evkv_each_sized(struct evkv_store *store,
    const struct evkv_each_query *query, size_t size, evkv_each_cb item,
    evkv_each_end_cb end, void *arg);

/**
 * Walk over all names of a query. No callback runs inside this call. May be
 * called in a callback.
 * @param store  a reference is held until the end
 * @param query  copied
 * @param item   gets each name
 * @param end    gets the end; may be NULL
 * @param arg    for both
 * @return for evkv_each_cancel(); NULL, and no callback comes: the store or
 *         `item` is NULL, the store's loop was freed, the query has fields that
 *         this library does not know, or memory was lacking
 */
static inline struct evkv_each *evkv_each(struct evkv_store *store,
    const struct evkv_each_query *query, evkv_each_cb item,
    evkv_each_end_cb end, void *arg)
{
	return evkv_each_sized(store, query, sizeof(*query), item, end, arg);
}

/**
 * End a walk: no more names are reported, and the end comes in a later turn,
 * with CANCELED. May be called in a callback.
 * @param each  whose end callback has not run; NULL is ignored
 */
EVKV_API void evkv_each_cancel(struct evkv_each *each);

EVKV_END_DECLS

#endif
