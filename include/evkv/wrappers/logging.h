/**
 * @file
 * Logs operations that fail or are slow, as a line or a record.
 *
 *     store = evkv_logging_new(store,
 *         &(struct evkv_logging_options){ .slow_ms = 100,
 *             .redact_keys = true }, &error);
 *
 * By default failures are logged, and, where slow_ms is given, slow operations;
 * with `all` everything is. Lines go to the loop's log (evkv_loop_set_log()):
 * failures as warnings, slow operations as information, all others for
 * debugging. Values are never logged, keys only where they are not redacted.
 *
 * A line reads: users get "1" +2: UNAVAILABLE (CONNECT) in 12.345 ms:
 * connection refused.
 *
 * Times are those of the loop, which it reads once a turn.
 */
#ifndef EVKV_WRAPPERS_LOGGING_H
#define EVKV_WRAPPERS_LOGGING_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** One operation that has ended. It lives for the call that it is given to. */
struct evkv_logging_record {
	/** sizeof(struct evkv_logging_record), set by the library */
	size_t size;
	/** the level of the log */
	enum evkv_log_level level;
	/** what was done */
	enum evkv_kind kind;
	/** in which collection; "" also for kinds that are not about one */
	struct evkv_slice collection;
	/**
	 * the first key, cut off after 64 bytes; empty where it is redacted,
	 * and where the kind names none
	 */
	struct evkv_slice key;
	/**
	 * a hash of the key: the same for the same key of the same store, but
	 * another in another run; 0 where there is no key
	 */
	uint64_t key_hash;
	/** how many keys it named */
	size_t count;
	/** how it ended */
	enum evkv_status status;
	/** why, where it failed */
	enum evkv_cause cause;
	/** the message of a failure, never NULL */
	const char *message;
	/** how long it took, in microseconds */
	int64_t took_us;
};

/**
 * Gets a record instead of the loop's log. Runs while the operation is on its
 * way: it must not call evkv, but for what any thread may.
 */
typedef void (*evkv_logging_cb)(const struct evkv_logging_record *record,
    void *arg);

/** Options. Zero in a field is its default. */
struct evkv_logging_options {
	/** everything, not only what fails or is slow */
	bool all;
	/** log a hash of each key instead of the key */
	bool redact_keys;
	/**
	 * log what takes at least this long, in milliseconds, up to 1 day; 0 =
	 * off
	 */
	int64_t slow_ms;
	/** gets the records; NULL = lines for the loop's log */
	evkv_logging_cb cb;
	/** for cb() */
	void *arg;
};

/** evkv_logging_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_logging_new_sized(struct evkv_store *inner,
    const struct evkv_logging_options *options, size_t size,
    struct evkv_error *error);

/**
 * Log what passes. Transparent: every kind, condition and flag goes through.
 * May be called in a callback.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = what fails, to the loop's log
 * @param error    filled where NULL is returned: INVALID (slow_ms) or NOMEM
 */
static inline struct evkv_store *evkv_logging_new(struct evkv_store *inner,
    const struct evkv_logging_options *options, struct evkv_error *error)
{
	return evkv_logging_new_sized(inner, options, sizeof(*options), error);
}

EVKV_END_DECLS

#endif
