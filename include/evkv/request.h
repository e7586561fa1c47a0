/*
 * evkv/request.h - one operation: what is asked, what comes back.
 *
 *     static void on_done(const struct evkv_result *result, void *arg);
 *
 *     struct evkv_slice key = EVKV_LIT("123");
 *     struct evkv_slice value = EVKV_LIT("Ada");
 *     evkv_ticket ticket = evkv_submit(store, &(struct evkv_request){
 *         .kind = EVKV_OP_PUT,
 *         .collection = EVKV_LIT("users"),
 *         .count = 1, .keys = &key, .values = &value,
 *         .ttl_ms = 60000,
 *         .timeout_ms = 250,
 *     }, on_done, NULL);
 *
 * evkv/ops.h has a short call for every kind. The promises that hold for all
 * of them are in docs/contract.md.
 */
#ifndef EVKV_REQUEST_H
#define EVKV_REQUEST_H

#include <stdint.h>

#include "evkv/loop.h"
#include "evkv/slice.h"
#include "evkv/status.h"
#include "evkv/value.h"

EVKV_BEGIN_DECLS

struct evkv_store;

#define EVKV_KEY_MAX 65535 /* bytes; a key has at least one */
/* bytes; the collection "" is an ordinary one */
#define EVKV_COLLECTION_MAX 255
#define EVKV_TTL_NONE 0                     /* never expires */
#define EVKV_TTL_MAX INT64_C(3155760000000) /* 100 years, in milliseconds */

/* What a kind of operation does; a wrapper acts on these. */
enum {
	EVKV_CLASS_READS = 1 << 0,  /* tells of entries */
	EVKV_CLASS_WRITES = 1 << 1, /* may change entries */
	EVKV_CLASS_HAS_KEYS = 1
	    << 2, /* names keys, one result entry for each */
	EVKV_CLASS_HAS_VALUES = 1 << 3, /* has one value per key */
	EVKV_CLASS_HAS_TTL = 1 << 4,    /* takes a TTL */
	EVKV_CLASS_COLLECTION = 1 << 5, /* is about one collection */
	EVKV_CLASS_SPANS = 1 << 6, /* is about entries that it does not name */
	EVKV_CLASS_PAGES = 1 << 7, /* answers a page of names, and a cursor */
	EVKV_CLASS_REPEATABLE = 1 << 8, /* doing it twice is the same as once */
};

#define EVKV_CLASSES_KEYED_ (EVKV_CLASS_HAS_KEYS | EVKV_CLASS_COLLECTION)

/* X(NAME, name, classes) for every kind. */
#define EVKV_KIND_TABLE(X)                                                     \
	X(GET, "get",                                                          \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE)    \
	X(TTL, "ttl",                                                          \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE)    \
	X(PUT, "put",                                                          \
	    EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ | EVKV_CLASS_HAS_VALUES |  \
		EVKV_CLASS_HAS_TTL)                                            \
	X(DELETE, "delete", EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_)           \
	X(EXISTS, "exists",                                                    \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE)    \
	X(TOUCH, "touch",                                                      \
	    EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ | EVKV_CLASS_HAS_TTL)      \
	X(KEYS, "keys",                                                        \
	    EVKV_CLASS_READS | EVKV_CLASS_COLLECTION | EVKV_CLASS_SPANS |      \
		EVKV_CLASS_PAGES | EVKV_CLASS_REPEATABLE)                      \
	X(COLLECTIONS, "collections",                                          \
	    EVKV_CLASS_READS | EVKV_CLASS_SPANS | EVKV_CLASS_PAGES |           \
		EVKV_CLASS_REPEATABLE)                                         \
	X(CLEAR, "clear",                                                      \
	    EVKV_CLASS_WRITES | EVKV_CLASS_COLLECTION | EVKV_CLASS_SPANS)      \
	X(CLEAR_ALL, "clear_all", EVKV_CLASS_WRITES | EVKV_CLASS_SPANS)        \
	X(PURGE_EXPIRED, "purge_expired",                                      \
	    EVKV_CLASS_WRITES | EVKV_CLASS_SPANS | EVKV_CLASS_REPEATABLE)      \
	X(PING, "ping", EVKV_CLASS_REPEATABLE)                                 \
	X(SYNC, "sync", EVKV_CLASS_REPEATABLE)                                 \
	X(COMPACT, "compact", EVKV_CLASS_REPEATABLE)

/*
 * GET          the value of each key; a miss is NOT_FOUND, an empty value is OK
 * TTL          as GET, and the remaining TTL
 * PUT          set each key's value and TTL, under `condition`
 * DELETE       each key OK or NOT_FOUND; affected = how many existed
 * EXISTS       each key OK or NOT_FOUND
 * TOUCH        set or remove each key's TTL without rewriting the value
 * KEYS         a page of the collection's keys
 * COLLECTIONS  a page of the names of the collections that have entries
 * CLEAR        remove one collection's entries, all or those that match
 * CLEAR_ALL      remove the entries of every collection
 * PURGE_EXPIRED         remove what has expired
 * PING         is the store there?
 * SYNC         make durable what was acknowledged
 * COMPACT      give space back
 */
enum evkv_kind {
#define EVKV_X(NAME, name, classes) EVKV_OP_##NAME,
	EVKV_KIND_TABLE(EVKV_X)
#undef EVKV_X
	    EVKV_KIND_COUNT
};

/* The bit of a kind in a set of kinds (struct evkv_capabilities). */
#define EVKV_KIND_BIT(kind) (UINT32_C(1) << (kind))
#define EVKV_KINDS_ALL (EVKV_KIND_BIT(EVKV_KIND_COUNT) - 1)

/* The classes of a kind (0 for a number that is none), and its name or "?". */
EVKV_API uint32_t evkv_kind_classes(enum evkv_kind kind);
EVKV_API const char *evkv_kind_name(enum evkv_kind kind);

enum evkv_condition {
	EVKV_IF_ANY,
	EVKV_IF_ABSENT,  /* EXISTS where the key is there */
	EVKV_IF_PRESENT, /* NOT_FOUND where it is not */
};

enum {
	/* The callback may run inside the submitting call. A permission. */
	EVKV_FLAG_INLINE = 1 << 0,
	/* One key: the status of the whole is the status of its entry. */
	EVKV_FLAG_SINGLE = 1 << 1,
	/* A ping that ends as soon as the first connection is made or fails. */
	EVKV_FLAG_WAIT_READY = 1 << 2,
};

/*
 * The longest pattern and the longest cursor, in bytes. A cursor of a store
 * that keeps key order holds the key that the page before ended with.
 */
#define EVKV_PATTERN_MAX 4096
#define EVKV_CURSOR_MAX (EVKV_KEY_MAX + 1024)

/*
 * What is asked. Zero in a field is its default; fields that a kind does not
 * use must be zero. Everything here is the caller's again when the submitting
 * call returns.
 */
struct evkv_request {
	enum evkv_kind kind;
	uint32_t flags;                  /* EVKV_OP_* */
	struct evkv_slice collection;    /* 0..255 bytes */
	size_t count;                    /* of keys; 0 is allowed, and is OK */
	const struct evkv_slice *keys;   /* count keys of 1..65535 bytes */
	const struct evkv_slice *values; /* PUT: count values */
	/*
	 * PUT: instead of `values`, count counted values, which the store
	 * retains instead of copying.
	 */
	struct evkv_value *const *counted_values;
	int64_t ttl_ms;                /* PUT, TOUCH; EVKV_TTL_NONE = never */
	const int64_t *ttls_ms;        /* one for each key; NULL = all ttl_ms */
	enum evkv_condition condition; /* PUT */
	/*
	 * KEYS, COLLECTIONS, CLEAR, CLEAR_ALL: only what begins with
	 * match_prefix (literally; at most 65535 bytes) and matches `pattern`
	 * (at most 4096); empty = all. The pattern's grammar is in
	 * docs/patterns.md. For COLLECTIONS and CLEAR_ALL they apply to the names
	 * of collections.
	 */
	struct evkv_slice match_prefix;
	struct evkv_slice pattern;
	/* where the page before ended; empty = start */
	struct evkv_slice cursor;
	size_t limit; /* names per page, a hint; 0 = the default, 1000 */
	/* the deadline from now; 0 = the store's default; -1 = none */
	int64_t timeout_ms;
};

/* What became of one key, or one name of a page. */
struct evkv_entry {
	enum evkv_status status;
	uint32_t reserved;
	int64_t ttl_ms;           /* TTL: what remains, or EVKV_TTL_NONE */
	struct evkv_slice bytes;  /* GET, TTL: the value's bytes */
	struct evkv_value *value; /* GET, TTL: the value; NULL on a miss */
	struct evkv_slice name;   /* KEYS, COLLECTIONS: the name */
};

/*
 * What came back. It and all that it points to live until the callback
 * returns; evkv_value_ref(entry->value) keeps a value longer.
 */
struct evkv_result {
	/*
	 * The whole: OK if every entry is OK, NOT_FOUND or EXISTS, else the
	 * status of the first failing entry. With EVKV_FLAG_SINGLE (as in
	 * evkv_get and the like): the status of the entry.
	 */
	enum evkv_status status;
	enum evkv_cause cause; /* why, where the status is a failure */
	enum evkv_kind kind;
	int sys_error;       /* errno, where there was one, else 0 */
	const char *message; /* one line about a failure, never NULL */
	/*
	 * Of keys (in the request's order) or of names. 0 for a keyed request
	 * only if it had no keys, was INVALID, or memory was lacking.
	 */
	size_t count;
	const struct evkv_entry *entries;
	/* Entries changed; -1 = can't tell, as with UNKNOWN_OUTCOME. */
	int64_t affected;
	/* KEYS, COLLECTIONS: empty = that was the end */
	struct evkv_slice cursor;
};

/*
 * How a result arrives: exactly once for every ticket, on the loop's thread,
 * never before the submitting call has returned (but for EVKV_FLAG_INLINE). It
 * may submit, cancel, close and unref. `result` is never NULL.
 */
typedef void (*evkv_cb)(const struct evkv_result *result, void *arg);

/*
 * Names one operation until its callback has run. 0: no callback will come,
 * because the store was NULL or memory for even reporting was lacking.
 */
typedef uint64_t evkv_ticket;

/*
 * Submit an operation; `cb` may be NULL. Every failure but those two reaches
 * the callback, bad arguments as EVKV_INVALID. May be called in a callback.
 */
EVKV_API evkv_ticket evkv_submit_sized(struct evkv_store *store,
    const struct evkv_request *request, size_t size, evkv_cb cb, void *arg);
static inline evkv_ticket evkv_submit(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	return evkv_submit_sized(store, request, sizeof(*request), cb, arg);
}

/*
 * End an operation now: its callback comes with CANCELED, or UNKNOWN_OUTCOME
 * where it was sent already, or with its result where it has one. A ticket
 * that has ended, and 0, are ignored. May be called in a callback.
 */
EVKV_API void evkv_cancel(struct evkv_loop *loop, evkv_ticket ticket);

EVKV_END_DECLS

#endif
