/**
 * @file
 * A store on MongoDB, or on a server that speaks its protocol.
 *
 *     evkv_mongodb_register(loop);
 *     store = evkv_open(loop,
 *         "mongodb://app:secret@a,b,c/cache?replicaSet=rs0&evkv.lanes=8",
 *         &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_mongodb_new(loop, &(struct evkv_mongodb_options){
 *         .uri = "mongodb://localhost/cache", .lanes = 8 }, &error);
 *
 * The server is talked to by MongoDB's own library, libmongoc, which blocks: so
 * all of it happens on worker threads, one for each lane. What waits for a lane
 * goes to the server as one request: gets as one find, puts as one bulk write.
 *
 * The entry (users, 123) is the document whose _id is "users:123", in one
 * collection of MongoDB's. docs/mongodb.md shows documents, and says what is
 * sent, what becomes of the server's errors, and what two clients may be told.
 *
 * URLs are MongoDB's connection strings, mongodb:// and mongodb+srv://, and are
 * handed to libmongoc with all their options. Those of this store, which are
 * named like the fields below, are told apart by "evkv." before their names.
 */
#ifndef EVKV_STORES_MONGODB_H
#define EVKV_STORES_MONGODB_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_executor;

/** The most lanes that one store has. */
#define EVKV_MONGODB_LANES_MAX 63

/** How values are kept. */
enum evkv_mongodb_values {
	/** as binary data, whatever they are */
	EVKV_MONGODB_BYTES,
	/**
	 * Those that are JSON objects as sub-documents, which other clients can
	 * query; others as binary data.
	 */
	EVKV_MONGODB_JSON,
};

/**
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds, at most 2^31-1; in a URL they may have a suffix (2s).
 */
struct evkv_mongodb_options {
	/**
	 * The connection string, required; the URL itself. Its password appears
	 * in no message, log or dump. Whether it is well-formed libmongoc finds
	 * out at the first operation, which then is INVALID.
	 */
	const char *uri;
	/** the database; NULL or "" = that of `uri`, or "evkv" */
	const char *database;
	/** the collection of MongoDB's; NULL or "" = "evkv" */
	const char *mongo_collection;
	/**
	 * How many connections to spread the keys over, by a hash of collection
	 * and key, so that operations on one key keep their order. At most
	 * EVKV_MONGODB_LANES_MAX; 0 = 4. There is one more for what is about
	 * more than the keys it names.
	 */
	int lanes;
	/** how values are kept */
	enum evkv_mongodb_values values;
	/**
	 * Make no index by which the server removes expired documents. In a URL
	 * this is evkv.create_index=no.
	 */
	bool no_create_index;
	/**
	 * How many keys one request to the server has at most; 0 = 1000, which
	 * is the most.
	 */
	int max_batch;

	/**
	 * How long to look for a server that an operation can go to
	 * (serverSelectionTimeoutMS). 0 = that of `uri`, or 5000.
	 */
	int64_t server_selection_timeout_ms;
	/** how long to connect (connectTimeoutMS); 0 = that of `uri`, or 5000 */
	int64_t connect_timeout_ms;
	/**
	 * Give a connection up that has been silent so long while an answer is
	 * due (socketTimeoutMS). 0 = that of `uri`, or 10000.
	 */
	int64_t socket_timeout_ms;
	/**
	 * How long to wait for one of the connections (waitQueueTimeoutMS). 0 =
	 * that of `uri`, or 5000.
	 */
	int64_t wait_queue_timeout_ms;

	/** the default deadline of an operation; 0 = none */
	int64_t timeout_ms;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending_bytes;

	/**
	 * The threads to use, which should be one more than there are lanes; a
	 * reference is taken. NULL = as many of the store's own. Not in a URL.
	 */
	struct evkv_executor *executor;
};

/**
 * A new store on a server. It needs no server to be there, and connects at the
 * first operation; evkv_store_wait_ready() is one. Legal in a callback.
 *
 * libmongoc is initialised once for the process, by the first worker thread
 * that uses it, and its log goes to the log of a loop that has such a store. A
 * program that wants its memory back calls mongoc_cleanup() at its end, when
 * all its loops are freed, and makes no such store afterwards.
 * @param loop     where it lives
 * @param options  NULL is INVALID, as `uri` is required
 * @param size     sizeof(*options)
 * @param error    filled where NULL is returned: INVALID (an option that is out
 *                 of bounds, a `uri` of another scheme) or NOMEM
 */
EVKV_API struct evkv_store *evkv_mongodb_new_sized(struct evkv_loop *loop,
    const struct evkv_mongodb_options *options, size_t size,
    struct evkv_error *error);

/** evkv_mongodb_new_sized() for the options as they are compiled here. */
static inline struct evkv_store *evkv_mongodb_new(struct evkv_loop *loop,
    const struct evkv_mongodb_options *options, struct evkv_error *error)
{
	return evkv_mongodb_new_sized(loop, options, sizeof(*options), error);
}

/**
 * Let evkv_open() on this loop know the schemes mongodb and mongodb+srv. false
 * = no memory, or `loop` is NULL.
 */
EVKV_API bool evkv_mongodb_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
