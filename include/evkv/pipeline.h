/**
 * @file
 * One connection to a server with a request/reply protocol; for authors of
 * network stores. Library: evkv-pipeline.
 *
 * The pipeline owns the socket: resolving, connecting, TLS, reconnecting,
 * buffers, the queue of slots, stall detection. It knows no protocol; that is
 * the driver's, by the four functions of struct evkv_protocol. The states and
 * what each event does in them are a table in docs/pipeline.md.
 *
 *     struct my_call {                // in the op's memory
 *         struct evkv_slot slot;      // first
 *         size_t answered;
 *     };
 *
 *     static enum evkv_verdict my_submit(void *self, struct evkv_op *op,
 *         const struct evkv_request *request)
 *     {
 *         struct my_store *store = self;
 *         struct my_call *call = evkv_op_alloc(op, sizeof(*call));
 *         const struct evkv_slot_end *why;
 *
 *         if (call == NULL)
 *             return evkv_op_nomem(op);
 *         *call = (struct my_call){ .slot = { .op = op } };
 *         evkv_op_set_data(op, call);
 *         why = evkv_pipeline_submit(store->pipeline, &call->slot);
 *         return why == NULL ? EVKV_VERDICT_PENDING : evkv_slot_fail(op, why);
 *     }
 *
 * Everything here is for the loop's thread.
 */
#ifndef EVKV_PIPELINE_H
#define EVKV_PIPELINE_H

#include "evkv/driver.h"
#include "evkv/tls.h"

EVKV_BEGIN_DECLS

/** One connection, made again whenever it breaks. */
struct evkv_pipeline;

/* ---- Slots ------------------------------------------------------------ */

/** Flags of a slot. */
enum {
	/** Part of the handshake: sent before the connection is ready. */
	EVKV_SLOT_HANDSHAKE = 1 << 0,
	/**
	 * Sends nothing: ends ANSWERED when the connection is ready, or with
	 * the failure of the next try (EVKV_FLAG_WAIT_READY).
	 */
	EVKV_SLOT_WAIT_READY = 1 << 1,
	/**
	 * The request need not be kept while the slot waits: evkv_op_keep() has
	 * been called, or encode() does not look at it. Needed for slots that
	 * are submitted outside the store's submit().
	 */
	EVKV_SLOT_KEPT = 1 << 2,
	/**
	 * Changes nothing though its op is a write, the first step of which
	 * only reads: the op does not count as sent by it.
	 */
	EVKV_SLOT_READS = 1 << 3,
	/**
	 * Set inside encode(): its bytes are a part of something that others
	 * have begun or go on with, so they are never held back.
	 */
	EVKV_SLOT_JOINED = 1 << 4,
};

/**
 * One unit of the queue: bytes that are sent together and the replies to them,
 * however many they are; the driver counts those. Embedded in the driver's own
 * record, usually in the op's memory. Zero it and fill in the first part. It
 * belongs to the pipeline from a successful evkv_pipeline_submit() until end()
 * is called or evkv_pipeline_stop() gives true; then it may be used again.
 * An op may have several slots, on one or on several pipelines.
 */
struct evkv_slot {
	/** on whose behalf; NULL = the driver's own */
	struct evkv_op *op;
	/** EVKV_SLOT_* */
	uint32_t flags;
	/** bytes that it holds while it waits (keys and values) */
	size_t size;

	/** the pipeline's, as is all that follows */
	uint32_t place;
	/** the pipeline's */
	uint32_t bits;
	/** the pipeline's */
	uint64_t begin;
	/** the pipeline's */
	uint64_t mark;
	/** the pipeline's */
	uint64_t end;
	/** the pipeline's */
	int64_t since_us;
	/** the pipeline's */
	struct evkv_slot *next;
	/** the pipeline's */
	struct evkv_slot *prev;
};

/** What became of a slot. */
enum evkv_slot_fate {
	/** by parse(); or the connection is ready */
	EVKV_SLOT_ANSWERED,
	/** cut off: it may have taken effect */
	EVKV_SLOT_SENT,
	/** cut off: it surely had no effect */
	EVKV_SLOT_UNSENT,
};

/** How a slot ended. Lives as long as the call that it is given to. */
struct evkv_slot_end {
	/** what became of it */
	enum evkv_slot_fate fate;
	/**
	 * Of a failure; where there is none it is OK, and what follows NONE, 0
	 * and "". UNKNOWN_OUTCOME is evkv_op_cut()'s to say.
	 */
	enum evkv_status status;
	/** why */
	enum evkv_cause cause;
	/** errno, or 0 */
	int sys_error;
	/** one line, names the server, never a password */
	const char *message;
	/** how many of the slot's bytes were handed over */
	size_t sent;
};

/**
 * Write a failure into an op, by evkv_op_cut(): a write that was marked as sent
 * becomes UNKNOWN_OUTCOME. Returns EVKV_VERDICT_DONE, to be returned from
 * submit() or followed by evkv_op_complete().
 */
EVKV_API enum evkv_verdict evkv_slot_fail(struct evkv_op *op,
    const struct evkv_slot_end *end);

/* ---- What the driver supplies ----------------------------------------- */

/** What parse() has found. */
enum evkv_parse {
	/** it needs more bytes */
	EVKV_PARSE_MORE,
	/** the slot has had its last reply */
	EVKV_PARSE_ANSWERED,
	/** give the connection up: evkv_pipeline_fail() was called, or not */
	EVKV_PARSE_FAILED,
};

/** A protocol: a static const table, one for all connections. */
struct evkv_protocol {
	/** sizeof(struct evkv_protocol) */
	size_t size;
	/** for messages: "redis" */
	const char *name;

	/**
	 * Required. The transport (TLS included) is up. Forget what was parsed
	 * of the connection before, submit slots with EVKV_SLOT_HANDSHAKE, and
	 * call evkv_pipeline_ready() when all of them were answered well (at
	 * once where there is no handshake) or evkv_pipeline_fail().
	 */
	void (*connected)(void *self);

	/**
	 * Required. Append the slot's commands to the output, by
	 * evkv_pipeline_reserve() and _commit() or by _append(). Runs inside
	 * evkv_pipeline_submit(), or later when the slot had to wait. false =
	 * no memory: what was appended is taken back and the slot ends NOMEM.
	 * Must call nothing else of the pipeline but evkv_pipeline_effect().
	 */
	bool (*encode)(void *self, struct evkv_slot *slot);

	/**
	 * Required. Take up to one slot's replies from the `size` bytes at
	 * `data` (may be 0) and set *used to how many of them are done with;
	 * the others are offered again, with what came after them. A driver
	 * with a buffer of its own uses all at once. Is called again, maybe
	 * with no bytes, until it says MORE. `slot` is the oldest that a reply
	 * can belong to; it stays the same until ANSWERED. Its waiter may be
	 * gone (evkv_op_detached(slot->op)): then the replies are to be read
	 * and dropped. NULL: none is expected; say MORE where there is nothing,
	 * or deal with what is unasked for, or fail.
	 * Bytes of values are copied out here: they do not stay.
	 */
	enum evkv_parse (*parse)(void *self, struct evkv_slot *slot,
	    const char *data, size_t size, size_t *used);

	/**
	 * Required. A slot has ended and is the driver's again: complete the
	 * op, or submit the next command. Exactly once for each slot that
	 * evkv_pipeline_submit() took and evkv_pipeline_stop() did not give
	 * back; never inside evkv_pipeline_submit() or _stop(); inside
	 * evkv_pipeline_close() and _free().
	 */
	void (*end)(void *self, struct evkv_slot *slot,
	    const struct evkv_slot_end *end);

	/**
	 * Optional. The connection's state has changed; `message` lives for
	 * the call. A store with one connection hands it on to
	 * evkv_store_set_state(). Never inside evkv_pipeline_new(), _submit().
	 */
	void (*state)(void *self, enum evkv_state state, enum evkv_cause cause,
	    const char *message);

	/**
	 * Optional. encode() has called evkv_pipeline_open(), and now `next` is
	 * to be encoded, or, where that is NULL, the output is to be sent.
	 * Append what ends that which is open, and say true: it belongs to the
	 * slot that was encoded last. Or say false: `next` goes on with it. Has
	 * the calls that encode() has; room for what it appends was reserved
	 * there.
	 */
	bool (*finish)(void *self, struct evkv_slot *next);
};

/* ---- Making and ending ------------------------------------------------ */

/**
 * Zero in a field is its default; -1 switches off what can be. Times are below
 * 2^40 milliseconds.
 */
struct evkv_pipeline_options {
	/** name or address as text; NULL = "localhost" */
	const char *host;
	/** 1 to 65535; required unless unix_path is given */
	int port;
	/** a unix socket, instead of host and port */
	const char *unix_path;
	/** NULL = plain; a reference is taken */
	struct evkv_tls *tls;
	/** connect at the first slot; else at once */
	bool lazy;
	/**
	 * End slots at once while the last try has failed, instead of letting
	 * them wait for a connection.
	 */
	bool fail_fast;
	/** from looking the name up to the end of the handshake; 5000 */
	int64_t connect_timeout_ms;
	/** silence with a slot sent, until it is given up; 10000; -1 */
	int64_t stall_timeout_ms;
	/** the first pause between two tries; 50 */
	int64_t backoff_min_ms;
	/** the longest; 1000 */
	int64_t backoff_max_ms;
	/** how many slots wait for a connection at most; 10000 */
	size_t max_offline_slots;
	/** and how many bytes, by their slot.size; 64 MiB */
	size_t max_offline_bytes;
	/** how long one waits for a connection; 10000; -1 */
	int64_t max_offline_ms;
	/**
	 * How many bytes are encoded and not sent; more slots wait unencoded.
	 * One slot may exceed it. 16 MiB
	 */
	size_t max_output_bytes;
	/** received and not yet used by parse(); past it TOO_LARGE; 64 MiB */
	size_t max_input_bytes;
	/**
	 * How many bytes of replies are read before their callbacks run and
	 * what they submit is sent. 4096; grows so that a burst is read in
	 * about four pieces.
	 */
	size_t read_bytes;
	/** TCP keepalive: idle time before the first probe; 60000; -1 */
	int64_t keepalive_ms;
};

/**
 * Make a pipeline. The connection is begun in a later turn (or at the first
 * slot). Holds the loop until it is closed. Legal in a callback.
 * @param loop      where it lives
 * @param protocol  must outlive it
 * @param self      given to the protocol's functions; must outlive it too
 * @param options   strings are copied
 * @param size      sizeof(*options)
 * @param error     INVALID or NOMEM, where NULL is returned
 */
EVKV_API struct evkv_pipeline *evkv_pipeline_new_sized(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, size_t size,
    struct evkv_error *error);

/** evkv_pipeline_new_sized() for the options as they are compiled here. */
static inline struct evkv_pipeline *evkv_pipeline_new(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, struct evkv_error *error)
{
	return evkv_pipeline_new_sized(loop, protocol, self, options,
	    sizeof(*options), error);
}

/**
 * End the connection for good: slots that are left end with CLOSED, by end(),
 * inside this call. What is submitted afterwards is refused with CLOSED. Twice
 * does nothing, nor does NULL. Legal in a callback.
 */
EVKV_API void evkv_pipeline_close(struct evkv_pipeline *pipeline);
/** Close it if need be, and release it. May be called inside end(). */
EVKV_API void evkv_pipeline_free(struct evkv_pipeline *pipeline);

/* ---- Slots come and go ------------------------------------------------ */

/**
 * Hand over a slot. Slots are sent and answered in the order in which they are
 * submitted. One that comes while the next try is due later brings it forward.
 *
 * NULL: taken, end() will be called, later. Else why not (BUSY: the offline
 * queue is full; UNAVAILABLE or REFUSED: fail_fast, or the server does not
 * accept us; NOMEM; CLOSED; CANCELED: the op is detached already), and the slot
 * is still the driver's; the text lives until the next call.
 */
EVKV_API const struct evkv_slot_end *evkv_pipeline_submit(
    struct evkv_pipeline *pipeline, struct evkv_slot *slot);

/**
 * For the store's stop(): the slot's waiter goes away. true: the slot has been
 * taken out, nothing of it was or will be sent, end() will not be called: the
 * driver completes the op. false: end() is still to come. Bytes that can be
 * held back will be; if some were sent already, the op is marked as sent. A
 * slot that is not in the pipeline gives false.
 */
EVKV_API bool evkv_pipeline_stop(struct evkv_pipeline *pipeline,
    struct evkv_slot *slot);

/* ---- Inside encode() -------------------------------------------------- */

/**
 * What was begun is still open: finish() will be called before anything else is
 * encoded, or sent.
 */
EVKV_API void evkv_pipeline_open(struct evkv_pipeline *pipeline);

/**
 * Room for `size` bytes at the end of the output, until the next call. NULL =
 * no memory; the slot then ends NOMEM.
 */
EVKV_API char *evkv_pipeline_reserve(struct evkv_pipeline *pipeline,
    size_t size);
/** The first `size` bytes of that room are filled. */
EVKV_API void evkv_pipeline_commit(struct evkv_pipeline *pipeline, size_t size);
/** Both for bytes that are there already; false = no memory. */
EVKV_API bool evkv_pipeline_append(struct evkv_pipeline *pipeline,
    const void *data, size_t size);
/**
 * What has been appended so far can take effect by itself (the first SET of
 * several). The op counts as sent from the first such point on; without a call,
 * from its last byte on.
 */
EVKV_API void evkv_pipeline_effect(struct evkv_pipeline *pipeline);

/* ---- The connection --------------------------------------------------- */

/** The handshake is done: slots may be sent. Only from connected() to end(). */
EVKV_API void evkv_pipeline_ready(struct evkv_pipeline *pipeline);

/**
 * Give the connection up, for a reason that the driver has found: inside
 * parse() (return EVKV_PARSE_FAILED then), connected() or end().
 * @param pipeline   the connection
 * @param status     how the slot that is being parsed ends; the others end as
 *                   by a disconnect
 * @param cause      AUTH, or the status REFUSED: backs off at the maximum and
 *                   ends what waits
 * @param sys_error  errno, or 0
 * @param message    copied and prefixed with the server's name; NULL = the
 *                   status' own text
 */
EVKV_API void evkv_pipeline_fail(struct evkv_pipeline *pipeline,
    enum evkv_status status, enum evkv_cause cause, int sys_error,
    const char *message);

/**
 * Where a pause after a failure is under way, end it: what the failure came
 * from may have gone. Does nothing otherwise. Legal in a callback.
 */
EVKV_API void evkv_pipeline_try_now(struct evkv_pipeline *pipeline);

/** Where it stands: CONNECTING, READY, DOWN or CLOSED. */
EVKV_API enum evkv_state evkv_pipeline_state(const struct evkv_pipeline *p);
/** "host:port", "[::1]:port" or the path; lives as long as the pipeline. */
EVKV_API const char *evkv_pipeline_name(const struct evkv_pipeline *pipeline);
/** The loop that it was made on. */
EVKV_API struct evkv_loop *evkv_pipeline_loop(const struct evkv_pipeline *p);

/** What a pipeline holds and has done. */
struct evkv_pipeline_counters {
	/** slots encoded and not ended, tombstones too */
	size_t outstanding;
	/** of those: stopped */
	size_t tombstones;
	/** slots not yet encoded */
	size_t waiting;
	/** their sizes */
	size_t waiting_bytes;
	/** bytes encoded and not sent */
	size_t output_bytes;
	/** bytes allocated for input and output */
	size_t buffer_bytes;
	/** connections begun */
	uint64_t attempts;
	/** connections made ready, after the first */
	uint64_t reconnects;
};

/** The present counters. Costs nothing. */
EVKV_API void evkv_pipeline_counters(const struct evkv_pipeline *pipeline,
    struct evkv_pipeline_counters *counters);

/**
 * For a store's metrics(): whether it is connected, and why it had to connect
 * again, as `connections` and `reconnects_total`.
 */
EVKV_API void evkv_pipeline_metrics(const struct evkv_pipeline *pipeline,
    struct evkv_metrics *metrics);

EVKV_END_DECLS

#endif
