/**
 * @file
 * One operation: what is asked and what comes back.
 *
 *     static void on_done(const struct evkv_result *result, void *arg);
 *
 *     struct evkv_slice key = EVKV_LIT("123");
 *     struct evkv_slice value = EVKV_LIT("Ada");
 *     evkv_ticket ticket = evkv_submit(store, &(struct evkv_request){
 *         .kind = EVKV_OP_PUT,
 *         .flags = EVKV_FLAG_SINGLE,
 *         .collection = EVKV_LIT("users"),
 *         .count = 1, .keys = &key, .values = &value,
 *         .ttl_ms = 60000,
 *         .timeout_ms = 250,
 *     }, on_done, NULL);
 *
 * Without EVKV_FLAG_SINGLE one key is a batch of one: then a miss is OK as a
 * whole, and only its entry says NOT_FOUND.
 *
 * evkv/ops.h has a short call for every kind. The promises that hold for all
 * of them are in docs/contract.md.
 */
#ifndef EVKV_REQUEST_H
#define EVKV_REQUEST_H

#include <stdint.h>

#include "evkv/loop.h"
#include "evkv/match.h"
#include "evkv/slice.h"
#include "evkv/status.h"
#include "evkv/value.h"

EVKV_BEGIN_DECLS

struct evkv_store;

/** The longest key, in bytes; a key has at least one. */
#define EVKV_KEY_MAX 65535
/** The longest name of a collection, in bytes; "" is an ordinary one. */
#define EVKV_COLLECTION_MAX 255
/**
 * The longest cursor, in bytes. A cursor of a store that keeps key order holds
 * the key that the page before ended with.
 */
#define EVKV_CURSOR_MAX (EVKV_KEY_MAX + 1024)
/** A TTL: the entry never expires. */
#define EVKV_TTL_NONE 0
/** The longest TTL: 100 years, in milliseconds. */
#define EVKV_TTL_MAX INT64_C(3155760000000)

/* ---- Kinds --------------------------------------------------------------- */

/** What a kind of operation takes, does and answers; wrappers act on these. */
enum {
	/** reads entries */
	EVKV_CLASS_READS = 1 << 0,
	/** may change entries */
	EVKV_CLASS_WRITES = 1 << 1,
	/** names keys; the result has one entry for each */
	EVKV_CLASS_HAS_KEYS = 1 << 2,
	/** has one value for each key */
	EVKV_CLASS_HAS_VALUES = 1 << 3,
	/** takes a TTL */
	EVKV_CLASS_HAS_TTL = 1 << 4,
	/** is about one collection */
	EVKV_CLASS_COLLECTION = 1 << 5,
	/** is about entries that it does not name */
	EVKV_CLASS_SPANS = 1 << 6,
	/** answers a page of names and a cursor */
	EVKV_CLASS_PAGES = 1 << 7,
	/** doing it twice is the same as doing it once */
	EVKV_CLASS_REPEATABLE = 1 << 8,
	/** has a number to add for each key */
	EVKV_CLASS_HAS_DELTA = 1 << 9,
	/** takes a condition */
	EVKV_CLASS_HAS_CONDITION = 1 << 10,
	/** answers values */
	EVKV_CLASS_ANSWERS_VALUES = 1 << 11,
	/** answers numbers, which values hold as text */
	EVKV_CLASS_ANSWERS_NUMBERS = 1 << 12,
};

/** The classes of all kinds that name keys. */
#define EVKV_CLASSES_KEYED_ (EVKV_CLASS_HAS_KEYS | EVKV_CLASS_COLLECTION)

/** X(NAME, name, classes) for every kind. */
#define EVKV_KIND_TABLE(X)                                                     \
	X(GET, "get",                                                          \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE |   \
		EVKV_CLASS_ANSWERS_VALUES)                                     \
	X(TTL, "ttl",                                                          \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE |   \
		EVKV_CLASS_ANSWERS_VALUES)                                     \
	X(PUT, "put",                                                          \
	    EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ | EVKV_CLASS_HAS_VALUES |  \
		EVKV_CLASS_HAS_TTL | EVKV_CLASS_HAS_CONDITION)                 \
	X(DELETE, "delete",                                                    \
	    EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ |                          \
		EVKV_CLASS_HAS_CONDITION)                                      \
	X(EXISTS, "exists",                                                    \
	    EVKV_CLASS_READS | EVKV_CLASSES_KEYED_ | EVKV_CLASS_REPEATABLE)    \
	X(TOUCH, "touch",                                                      \
	    EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ | EVKV_CLASS_HAS_TTL |     \
		EVKV_CLASS_HAS_CONDITION)                                      \
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
	X(COMPACT, "compact", EVKV_CLASS_REPEATABLE)                           \
	X(INCR, "incr",                                                        \
	    EVKV_CLASS_READS | EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ |       \
		EVKV_CLASS_HAS_TTL | EVKV_CLASS_HAS_DELTA |                    \
		EVKV_CLASS_ANSWERS_NUMBERS)                                    \
	X(TAKE, "take",                                                        \
	    EVKV_CLASS_READS | EVKV_CLASS_WRITES | EVKV_CLASSES_KEYED_ |       \
		EVKV_CLASS_ANSWERS_VALUES)

/**
 * The kinds of operations.
 *
 * | kind          | effect and answer                                        |
 * |---------------|----------------------------------------------------------|
 * | GET           | each key's value; a miss is NOT_FOUND, "" is a value     |
 * | TTL           | as GET, and the remaining TTL                            |
 * | PUT           | set each key's value and TTL, under the condition        |
 * | DELETE        | each key OK or NOT_FOUND; affected = how many existed    |
 * | EXISTS        | each key OK or NOT_FOUND                                 |
 * | TOUCH         | set or remove each key's TTL, the value stays            |
 * | KEYS          | a page of the collection's keys                          |
 * | COLLECTIONS   | a page of the names of collections that have entries     |
 * | CLEAR         | remove one collection's entries, all or those that match |
 * | CLEAR_ALL     | remove the entries of every collection                   |
 * | PURGE_EXPIRED | remove what has expired                                  |
 * | PING          | is the store there?                                      |
 * | SYNC          | make durable what was acknowledged                       |
 * | COMPACT       | give space back                                          |
 * | INCR          | add to each key's number, which is decimal text          |
 * | TAKE          | get and delete each key in one step                      |
 */
enum evkv_kind {
/** @cond internal */
#define EVKV_X(NAME, name, classes) EVKV_OP_##NAME,
	EVKV_KIND_TABLE(EVKV_X)
#undef EVKV_X
	/** @endcond */
	/** how many there are */
	EVKV_KIND_COUNT
};

/** The bit of a kind in a set of kinds. */
#define EVKV_KIND_BIT(kind) (UINT32_C(1) << (kind))
/**
 * The set of the first fourteen kinds, GET to COMPACT. It never grows: what
 * claims it claims no kind that its author has not seen.
 */
#define EVKV_KINDS_BASIC (EVKV_KIND_BIT(EVKV_OP_COMPACT + 1) - 1)

/** The classes of a kind; 0 for a number that is none. Any thread. */
EVKV_API uint32_t evkv_kind_classes(enum evkv_kind kind);
/** The name of a kind, "get"; "?" for a number that is none. Any thread. */
EVKV_API const char *evkv_kind_name(enum evkv_kind kind);

/* ---- What is asked ------------------------------------------------------- */

/** On what a PUT, DELETE or TOUCH depends. */
enum evkv_condition {
	/** on nothing: the default */
	EVKV_IF_ANY,
	/** PUT: only where the key is absent; EXISTS where it is there */
	EVKV_IF_ABSENT,
	/** PUT: only where the key is present; NOT_FOUND where it is not */
	EVKV_IF_PRESENT,
	/**
	 * only where the entry has the version that the request gives for it:
	 * CONFLICT where it has another, NOT_FOUND where it is gone
	 */
	EVKV_IF_VERSION,
	/** how many there are */
	EVKV_IF_COUNT
};

/** The bit of a condition in a set of conditions. */
#define EVKV_IF_BIT(condition) (UINT32_C(1) << (condition))
/** The conditions of the basic kinds: IF_ABSENT, IF_PRESENT. Never grows. */
#define EVKV_IF_BASIC                                                          \
	(EVKV_IF_BIT(EVKV_IF_ABSENT) | EVKV_IF_BIT(EVKV_IF_PRESENT))

/** A request's flags. */
enum {
	/** The callback may run inside the submitting call. A permission. */
	EVKV_FLAG_INLINE = 1 << 0,
	/** One key: the status of the whole is the status of its entry. */
	EVKV_FLAG_SINGLE = 1 << 1,
	/** A PING that ends when the first connection is made or fails. */
	EVKV_FLAG_WAIT_READY = 1 << 2,
	/**
	 * GET, TTL: tell each entry's version. PUT, INCR: tell the version that
	 * the entry has now. A cache passes such a read on to its primary.
	 */
	EVKV_FLAG_VERSIONS = 1 << 3,
	/**
	 * GET, EXISTS, TTL: past the caches of the stack, which get what is
	 * read. Every store takes it.
	 */
	EVKV_FLAG_FRESH = 1 << 4,
	/**
	 * GET, EXISTS: out of the caches of the stack alone; what they do not
	 * have is NOT_FOUND. DELETE: from the caches alone. UNSUPPORTED in a
	 * stack without a cache.
	 */
	EVKV_FLAG_CACHED_ONLY = 1 << 5,
	/**
	 * DELETE with CACHED_ONLY: the caches keep the entry for where its load
	 * fails, if they serve stale entries then.
	 */
	EVKV_FLAG_SOFT = 1 << 6,
};

/**
 * The version of an entry: opaque bytes, which change with each change of the
 * entry. A store whose flags have EVKV_STORE_VERSION_BY_CONTENT takes them from
 * the value alone: a value that was changed and changed back has its old
 * version, and a TOUCH changes none.
 */
struct evkv_version {
	/** as the store gave them; all zero where none was asked for */
	unsigned char bytes[16];
};

/**
 * What is asked. Zero in a field is its default; fields that a kind does not
 * use must be zero. All of it, and all that it points to, is the caller's again
 * when the submitting call returns.
 */
struct evkv_request {
	/** EVKV_OP_* */
	enum evkv_kind kind;
	/** EVKV_FLAG_* */
	uint32_t flags;
	/** PUT, DELETE, TOUCH */
	enum evkv_condition condition;
	/** the collection's name, 0 to 255 bytes */
	struct evkv_slice collection;
	/** how many keys there are; 0 is allowed, and is OK */
	size_t count;
	/** `count` keys of 1 to 65535 bytes */
	const struct evkv_slice *keys;
	/** the deadline in milliseconds from now; 0 = the store's default; -1 =
	 * none */
	int64_t timeout_ms;
	/** PUT: `count` values */
	const struct evkv_slice *values;
	/**
	 * PUT, TOUCH: the TTL in milliseconds; EVKV_TTL_NONE = never expires.
	 * INCR: that of an entry that is made; one that is there keeps its own.
	 */
	int64_t ttl_ms;
	/**
	 * PUT: instead of `values`, `count` counted values, which the store
	 * retains instead of copying
	 */
	struct evkv_value *const *counted_values;
	/** one TTL for each key; NULL = `ttl_ms` for all */
	const int64_t *ttls_ms;
	/** EVKV_IF_VERSION: the version that each key's entry must have */
	const struct evkv_version *versions;
	/** INCR: what is added, may be negative */
	int64_t delta;
	/** INCR: one number to add for each key; NULL = `delta` for all */
	const int64_t *deltas;
	/** INCR: the number that an entry that is not there counts from */
	int64_t initial;
	/**
	 * whatever a tracer ties to this operation, NULL = nothing: evkv only
	 * hands it on, to the operations that stores make for this one and to
	 * the hooks of the wrapper `trace`. What it points to must live until
	 * the callback has run.
	 */
	void *trace;
	/**
	 * KEYS, COLLECTIONS, CLEAR, CLEAR_ALL: which names; for COLLECTIONS and
	 * CLEAR_ALL the names of collections. Cursor and limit are for KEYS and
	 * COLLECTIONS.
	 */
	struct evkv_match match;
};

/* ---- What comes back ----------------------------------------------------- */

/** Flags of an entry of a result. */
enum {
	/** GET, EXISTS: of a cache that knows the answer's age, in `age_ms` */
	EVKV_ENTRY_CACHED = 1 << 0,
	/** with CACHED: it was no longer fresh */
	EVKV_ENTRY_STALE = 1 << 1,
};

/** What became of one key, or one name of a page. */
struct evkv_entry {
	/** the entry's own status */
	enum evkv_status status;
	/** EVKV_ENTRY_* */
	uint16_t flags;
	/** the library's */
	uint16_t reserved;
	/** TTL: what remains, in milliseconds, at least 1, or EVKV_TTL_NONE */
	int64_t ttl_ms;
	/** GET, TTL, TAKE: the value's bytes */
	struct evkv_slice bytes;
	/** GET, TTL, TAKE: the value; NULL on a miss */
	struct evkv_value *value;
	/** KEYS, COLLECTIONS: the name */
	struct evkv_slice name;
	union {
		/** INCR: the number that the entry holds now */
		int64_t number;
		/**
		 * with EVKV_ENTRY_CACHED: how long ago the cache began to load
		 * the answer, in milliseconds
		 */
		int64_t age_ms;
	};
	/** the version, where EVKV_FLAG_VERSIONS asked for it */
	struct evkv_version version;
};

/**
 * What came back. It and all that it points to live until the callback
 * returns; evkv_value_ref(entry->value) keeps a value longer.
 */
struct evkv_result {
	/**
	 * The whole: OK if every entry is OK, NOT_FOUND or EXISTS, else the
	 * status of the first failing entry. With EVKV_FLAG_SINGLE, as in
	 * evkv_get() and the like: the status of the entry.
	 */
	enum evkv_status status;
	/** why, where the status is a failure */
	enum evkv_cause cause;
	/** the request's kind */
	enum evkv_kind kind;
	/** errno, where there was one, else 0 */
	int sys_error;
	/** one line about a failure, never NULL */
	const char *message;
	/**
	 * How many entries there are, of keys in the request's order or of
	 * names. A request with EVKV_FLAG_SINGLE always has 1, any other with
	 * keys one for each, or 0 where it was INVALID or out of memory.
	 */
	size_t count;
	/** the entries, to be read by evkv_result_entry() */
	const void *entries;
	/** the distance from one entry to the next, in bytes */
	size_t entry_size;
	/** entries changed; -1 = can't tell, as with UNKNOWN_OUTCOME */
	int64_t affected;
	/** KEYS, COLLECTIONS: the next page's cursor; empty = the end */
	struct evkv_slice cursor;
};

/**
 * The i-th entry of a result; it lives as long as the result.
 * @param result  what a callback was given
 * @param i       0 to result->count - 1
 */
static inline const struct evkv_entry *evkv_result_entry(
    const struct evkv_result *result, size_t i)
{
	return (const struct evkv_entry *)(const void *)((const char *)
							     result->entries +
	    i * result->entry_size);
}

/**
 * How a result arrives: exactly once for every ticket, on the loop's thread,
 * never before the submitting call has returned (except with EVKV_FLAG_INLINE).
 * It may submit, cancel, close and unref.
 * @param result  never NULL
 * @param arg     what was given with the callback
 */
typedef void (*evkv_cb)(const struct evkv_result *result, void *arg);

/**
 * Names one operation until its callback has run. 0: no callback will come, for
 * there is no loop that it could come on: the store is NULL, or its loop was
 * freed. Want of memory is told by the callback, as NOMEM: the loop has a
 * reserve for telling it. Only where that is used up too, by 64 calls whose
 * callbacks have not run yet while not even a few words can be allocated, is
 * the ticket of a store that is there 0.
 */
typedef uint64_t evkv_ticket;

/** evkv_submit() with the size of the caller's struct evkv_request. */
EVKV_API evkv_ticket evkv_submit_sized(struct evkv_store *store,
    const struct evkv_request *request, size_t size, evkv_cb cb, void *arg);

/**
 * Submit an operation. May be called in a callback. Every failure of a store
 * that is there reaches the callback: bad arguments as EVKV_INVALID, want of
 * memory as EVKV_NOMEM.
 * @param store    where; NULL gives ticket 0
 * @param request  what; copied as far as it is needed
 * @param cb       gets the result; may be NULL
 * @param arg      for the callback
 * @return the operation's ticket, for evkv_cancel()
 */
static inline evkv_ticket evkv_submit(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	return evkv_submit_sized(store, request, sizeof(*request), cb, arg);
}

/**
 * End an operation now: its callback comes with CANCELED, or UNKNOWN_OUTCOME
 * where it was sent already, or with its result where it has one. May be called
 * in a callback.
 * @param loop    the store's loop
 * @param ticket  of the operation; one that has ended, and 0, are ignored
 */
EVKV_API void evkv_cancel(struct evkv_loop *loop, evkv_ticket ticket);

/**
 * Whether the same request may well succeed a while later, and is safe to be
 * repeated. BUSY, LOCKED, TIMEOUT and UNAVAILABLE are, for every kind: they had
 * no effect. SERVER, IO and NOMEM are for what does not write. UNKNOWN_OUTCOME
 * is not: only who knows that a put is idempotent may repeat it. Any thread.
 * @param status  that the operation ended with
 * @param kind    of the operation
 */
EVKV_API bool evkv_worth_retry(enum evkv_status status, enum evkv_kind kind);

EVKV_END_DECLS

#endif
