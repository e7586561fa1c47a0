/**
 * @file
 * Operations on keys over several connections; for authors of network stores.
 * Library: evkv-pipeline.
 *
 * A store has some lines, each a pipeline to a server. Its operation on keys is
 * a call, in the op's memory: cut into parts, one or more for each line that
 * its keys fall to, and put together again. A part is one slot of its line's
 * pipeline. The driver writes and reads what is in a part; where keys go, how
 * long a part may be, what becomes of one that is cut off, and the state of all
 * lines together are dealt with here.
 *
 *     struct my_part {
 *         struct evkv_part base;      // first
 *         uint32_t answered;
 *     };
 *
 *     static const struct evkv_spread_type my_spread = {
 *         .size = sizeof(struct evkv_spread_type),
 *         .part_size = sizeof(struct my_part),
 *         .begin = my_begin,
 *     };
 *
 *     return evkv_spread_submit(&store->spread, op, request);
 *
 * and evkv_call_stop(op) in the store's stop(), evkv_part_end(part, end) in the
 * protocol's end().
 *
 * Everything here is for the loop's thread.
 */
#ifndef EVKV_SPREAD_H
#define EVKV_SPREAD_H

#include "evkv/pipeline.h"

EVKV_BEGIN_DECLS

struct evkv_call;

/**
 * Of a part that writes several keys by a command each: its bytes so far, and
 * how many they were when the i-th key's command was complete.
 */
struct evkv_part_ends {
	/** how many bytes encode() has written */
	size_t written;
	/** where each key's command ends */
	size_t *at;
};

/** Some keys of an operation, and the slot that they are sent in. */
struct evkv_part {
	/** of `pipeline`; its op is the operation */
	struct evkv_slot slot;
	/** the operation that it is a part of */
	struct evkv_call *call;
	/** where it is sent */
	struct evkv_pipeline *pipeline;
	/** the i-th key is the request's indices[i]-th; NULL = its i-th */
	const uint32_t *indices;
	/** how many keys there are; 0 where the operation has none */
	uint32_t count;
	/** the driver's: how many of them, from the first on, are answered */
	uint32_t settled;
	/** the driver's, by evkv_part_ends(); NULL = they take effect as one */
	struct evkv_part_ends *ends;
};

/** The number in the request of a part's i-th key. */
static inline size_t evkv_part_entry(const struct evkv_part *part, size_t i)
{
	return part->indices != NULL ? part->indices[i] : i;
}

/** An operation: its parts, and how many are under way. */
struct evkv_call {
	/** the parts, one after the other */
	char *parts;
	/** parts under way; one more while they are submitted */
	uint32_t left;
	/** how many parts there are */
	uint32_t part_count;
	/** of one of them, in bytes */
	size_t part_size;
	/** as in the type */
	void (*cut)(struct evkv_part *part, const struct evkv_slot_end *end);
};

/** What a driver supplies: a static const table. */
struct evkv_spread_type {
	/** sizeof(struct evkv_spread_type) */
	size_t size;
	/** of the driver's part in bytes, which begins with struct evkv_part */
	size_t part_size;
	/** the most keys of a part; 0 = 512 */
	size_t max_keys;
	/** the most bytes of keys and values of one; 0 = 1 MiB */
	size_t max_bytes;
	/**
	 * Required. Fill in what the driver needs in a part; all that is the
	 * driver's is zero. Runs inside submit().
	 * @return false when out of memory
	 */
	bool (*begin)(void *self, size_t line, struct evkv_part *part,
	    const struct evkv_request *request);
	/**
	 * Optional. The line of the i-th key of a request, the same for the
	 * same collection and key as long as operations on it are under way.
	 * NULL: by evkv_spread_hash().
	 */
	size_t (*line_of)(void *self, const struct evkv_request *request,
	    size_t i);
	/**
	 * Optional. A part has ended without its answer: give its keys that
	 * have none theirs. NULL: evkv_part_cut().
	 */
	void (*cut)(struct evkv_part *part, const struct evkv_slot_end *end);
};

/** One connection of several. */
struct evkv_line {
	/** the driver's, by evkv_pipeline_new() */
	struct evkv_pipeline *pipeline;
	/** as evkv_spread_set_state() was told last */
	enum evkv_state state;
	/** with it */
	enum evkv_cause cause;
};

/** The connections of a store; in the driver's own struct. */
struct evkv_spread {
	/** what the driver supplies */
	const struct evkv_spread_type *type;
	/** given to the type's functions */
	void *self;
	/** how many lines there are */
	size_t count;
	/** the lines */
	struct evkv_line *lines;
};

/**
 * Make `count` lines without pipelines.
 * @return false when out of memory
 */
EVKV_API bool evkv_spread_init(struct evkv_spread *spread,
    const struct evkv_spread_type *type, void *self, size_t count);
/** Free the lines and their pipelines. */
EVKV_API void evkv_spread_free(struct evkv_spread *spread);
/** Close their pipelines. */
EVKV_API void evkv_spread_close(struct evkv_spread *spread);
/** Add what the pipelines have counted. */
EVKV_API void evkv_spread_counters(const struct evkv_spread *spread,
    struct evkv_counters *counters);
/** Tell their figures, for a store's metrics(). */
EVKV_API void evkv_spread_metrics(const struct evkv_spread *spread,
    struct evkv_metrics *metrics);

/**
 * Which of `count` places a key belongs to, by a hash: the same for the same
 * collection and key, always.
 */
EVKV_API size_t evkv_spread_hash(struct evkv_slice collection,
    struct evkv_slice key, size_t count);

/**
 * Submit an operation on keys. Sets evkv_op_data(). Parts on one line go out in
 * the request's order.
 * @return the verdict, to be returned from submit()
 */
EVKV_API enum evkv_verdict evkv_spread_submit(struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request);

/**
 * Submit an operation without keys to every line: a PING, which waits with
 * EVKV_FLAG_WAIT_READY until each is ready or has failed. Its parts have no
 * keys, and encode() does not look at the request.
 * @return as evkv_spread_submit()
 */
EVKV_API enum evkv_verdict evkv_spread_submit_all(struct evkv_spread *spread,
    struct evkv_op *op, const struct evkv_request *request);

/** stop() of the vtable, for what one of the two above was called for. */
EVKV_API void evkv_call_stop(struct evkv_op *op);

/**
 * Have the ends of a part's commands noted, for a batch of writes; in begin().
 * encode() adds to `written` and sets `at`.
 * @return false when out of memory
 */
EVKV_API bool evkv_part_ends(struct evkv_part *part);

/**
 * Fail those of a part's keys that have no answer: writes whose bytes were
 * handed over are UNKNOWN_OUTCOME, the rest has the reason as its status.
 */
EVKV_API void evkv_part_cut(struct evkv_part *part,
    const struct evkv_slot_end *end);

/** A part's slot has ended: end() of the protocol. The part may be gone. */
EVKV_API void evkv_part_end(struct evkv_part *part,
    const struct evkv_slot_end *end);

/**
 * A line has a new state: state() of the protocol. Users are told that of all
 * lines: READY when all are, DOWN when one is, with the names of the servers
 * that are down.
 * @param spread   the lines
 * @param store    whose state it is
 * @param line     which line
 * @param state    its new state
 * @param cause    why
 * @param message  why, in one line
 */
EVKV_API void evkv_spread_set_state(struct evkv_spread *spread,
    struct evkv_store *store, size_t line, enum evkv_state state,
    enum evkv_cause cause, const char *message);

EVKV_END_DECLS

#endif
