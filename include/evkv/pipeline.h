/*
 * evkv/pipeline.h - one connection to a server with a request/reply protocol;
 * for authors of network stores. Library: evkv-pipeline.
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

struct evkv_pipeline;

/* ---- Slots ------------------------------------------------------------ */

enum {
	/* Part of the handshake: sent before the connection is ready. */
	EVKV_SLOT_HANDSHAKE = 1 << 0,
	/*
	 * Sends nothing: ends ANSWERED when the connection is ready, or with
	 * the failure of the next try (EVKV_FLAG_WAIT_READY).
	 */
	EVKV_SLOT_WAIT_READY = 1 << 1,
	/*
	 * The request need not be kept while the slot waits: evkv_op_keep() has
	 * been called, or encode() does not look at it. Needed for slots that
	 * are submitted outside the store's submit().
	 */
	EVKV_SLOT_KEPT = 1 << 2,
};

/*
 * One unit of the queue: bytes that are sent together and the replies to them,
 * however many they are; the driver counts those. Embedded in the driver's own
 * record, usually in the op's memory. Zero it and fill in the first part. It
 * belongs to the pipeline from a successful evkv_pipeline_submit() until end()
 * is called or evkv_pipeline_stop() gives true; then it may be used anew.
 * An op may have several slots, on one or on several pipelines.
 */
struct evkv_slot {
	struct evkv_op *op; /* on whose behalf; NULL = the driver's own */
	uint32_t flags;     /* EVKV_SLOT_* */
	size_t size; /* bytes it holds while it waits (keys and values) */

	/* The pipeline's. */
	uint32_t place;
	uint32_t bits;
	uint64_t begin, mark, end;
	int64_t since_us;
	struct evkv_slot *next, *prev;
};

enum evkv_slot_fate {
	EVKV_SLOT_ANSWERED, /* by parse(); or the connection is ready */
	EVKV_SLOT_SENT,     /* cut off: may have taken effect */
	EVKV_SLOT_UNSENT,   /* cut off: surely had no effect */
};

/* How a slot ended; lives for the call. */
struct evkv_slot_end {
	enum evkv_slot_fate fate;
	/* Of a failure; where there is none they are OK, NONE, 0 and "". */
	enum evkv_status status; /* UNKNOWN_OUTCOME is evkv_op_cut()'s to say */
	enum evkv_cause cause;
	int sys_error;       /* errno, or 0 */
	const char *message; /* one line, names the server, never a password */
	size_t sent;         /* how many of the slot's bytes were handed over */
};

/*
 * Write a failure into an op, by evkv_op_cut(): a write that was marked as sent
 * becomes UNKNOWN_OUTCOME. Returns EVKV_VERDICT_DONE, to be returned from submit() or
 * followed by evkv_op_complete().
 */
EVKV_API enum evkv_verdict evkv_slot_fail(struct evkv_op *op,
    const struct evkv_slot_end *end);

/* ---- What the driver supplies ----------------------------------------- */

enum evkv_parse {
	EVKV_PARSE_MORE,     /* needs more bytes */
	EVKV_PARSE_ANSWERED, /* the slot has had its last reply */
	EVKV_PARSE_FAILED,   /* give the connection up: evkv_pipeline_fail() */
};

struct evkv_protocol {
	size_t size;      /* sizeof(struct evkv_protocol) */
	const char *name; /* for messages: "redis" */

	/*
	 * Required. The transport (TLS included) is up. Forget what was parsed
	 * of the connection before, submit slots with EVKV_SLOT_HANDSHAKE, and
	 * call evkv_pipeline_ready() when all of them were answered well (at
	 * once where there is no handshake) or evkv_pipeline_fail().
	 */
	void (*connected)(void *self);

	/*
	 * Required. Append the slot's commands to the output, by
	 * evkv_pipeline_reserve() and _commit() or by _append(). Runs inside
	 * evkv_pipeline_submit(), or later when the slot had to wait. false =
	 * no memory: what was appended is taken back and the slot ends NOMEM.
	 * Must call nothing else of the pipeline but evkv_pipeline_effect().
	 */
	bool (*encode)(void *self, struct evkv_slot *slot);

	/*
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

	/*
	 * Required. A slot has ended and is the driver's again: complete the
	 * op, or submit the next command. Exactly once for each slot that
	 * evkv_pipeline_submit() took and evkv_pipeline_stop() did not give
	 * back; never inside evkv_pipeline_submit() or _stop(); inside
	 * evkv_pipeline_close() and _free().
	 */
	void (*end)(void *self, struct evkv_slot *slot,
	    const struct evkv_slot_end *end);

	/*
	 * Optional. The connection's state has changed; `message` lives for
	 * the call. A store with one connection hands it on to
	 * evkv_store_set_state(). Never inside evkv_pipeline_new(), _submit().
	 */
	void (*state)(void *self, enum evkv_state state, enum evkv_cause cause,
	    const char *message);
};

/* ---- Making and ending ------------------------------------------------ */

/*
 * Zero in a field is its default; -1 switches off what can be. Times are below
 * 2^40 milliseconds.
 */
struct evkv_pipeline_options {
	const char *host;      /* name or literal; NULL = "localhost" */
	int port;              /* required unless unix_path is given */
	const char *unix_path; /* a unix socket, instead of host and port */
	struct evkv_tls *tls;  /* NULL = plain; a reference is taken */
	bool lazy;             /* connect at the first slot; else at once */
	/*
	 * End slots at once while the last try has failed, instead of letting
	 * them wait for a connection.
	 */
	bool fail_fast;
	int64_t connect_timeout_ms; /* resolve to handshake; 5000 */
	int64_t stall_timeout_ms;   /* silence with a slot sent; 10000; -1 */
	int64_t backoff_min_ms;     /* between tries: the first pause; 50 */
	int64_t backoff_max_ms;     /* ... and the longest; 1000 */
	size_t max_offline_slots;   /* that wait for a connection; 10000 */
	size_t max_offline_bytes;   /* their slot.size; 64 MiB */
	int64_t max_offline_ms;     /* how long one waits; 10000; -1 */
	/* Encoded, not sent; more waits unencoded. One slot may exceed it. */
	size_t max_output_bytes; /* 16 MiB */
	/* Received and not yet used by parse(); past it TOO_LARGE. */
	size_t max_input_bytes; /* 64 MiB */
	/*
	 * How many bytes of replies are read before their callbacks run and
	 * what they submit is sent. 4096; grows so that a burst is read in
	 * about four pieces.
	 */
	size_t read_bytes;
	/* TCP keepalive: idle time before the first probe; 60000; -1 */
	int64_t keepalive_ms;
};

/*
 * Make a pipeline; protocol and what `self` points to must outlive it. Strings
 * are copied. The connection is begun in a later turn (or at the first slot).
 * Holds the loop until it is closed. NULL with a filled error: INVALID, NOMEM.
 */
EVKV_API struct evkv_pipeline *evkv_pipeline_new_sized(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_pipeline *evkv_pipeline_new(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, struct evkv_error *error)
{
	return evkv_pipeline_new_sized(loop, protocol, self, options,
	    sizeof(*options), error);
}

/*
 * End the connection for good: slots that are left end with CLOSED, by end(),
 * inside this call. What is submitted afterwards is refused with CLOSED. Twice
 * does nothing.
 */
EVKV_API void evkv_pipeline_close(struct evkv_pipeline *pipeline);
/* Close it if need be, and release it. May be called inside end(). */
EVKV_API void evkv_pipeline_free(struct evkv_pipeline *pipeline);

/* ---- Slots come and go ------------------------------------------------ */

/*
 * Hand over a slot. NULL: taken, end() will be called, later. Else why not
 * (BUSY: the offline queue is full; UNAVAILABLE or REFUSED: fail_fast, or the
 * server does not accept us; NOMEM; CLOSED; CANCELED: the op is detached
 * already), and the slot is still the driver's; the text lives until the next
 * call. Slots are sent and answered in the order in which they are submitted.
 */
EVKV_API const struct evkv_slot_end *evkv_pipeline_submit(
    struct evkv_pipeline *pipeline, struct evkv_slot *slot);

/*
 * For the store's stop(): the slot's waiter goes away. true: the slot has been
 * taken out, nothing of it was or will be sent, end() will not be called: the
 * driver completes the op. false: end() is still to come. Bytes that can be
 * held back will be; if some were sent already, the op is marked as sent. A
 * slot that is not in the pipeline gives false.
 */
EVKV_API bool evkv_pipeline_stop(struct evkv_pipeline *pipeline,
    struct evkv_slot *slot);

/* ---- Inside encode() -------------------------------------------------- */

/* Room for `size` bytes at the end of the output, until the next call. */
EVKV_API char *evkv_pipeline_reserve(struct evkv_pipeline *pipeline,
    size_t size);
/* The first `size` bytes of that room are filled. */
EVKV_API void evkv_pipeline_commit(struct evkv_pipeline *pipeline, size_t size);
/* Both for bytes that are there already; false = no memory. */
EVKV_API bool evkv_pipeline_append(struct evkv_pipeline *pipeline,
    const void *data, size_t size);
/*
 * What has been appended so far can take effect by itself (the first SET of
 * several). The op counts as sent from the first such point on; without a call,
 * from its last byte on.
 */
EVKV_API void evkv_pipeline_effect(struct evkv_pipeline *pipeline);

/* ---- The connection --------------------------------------------------- */

/* The handshake is done: slots may be sent. Only from connected() to end(). */
EVKV_API void evkv_pipeline_ready(struct evkv_pipeline *pipeline);

/*
 * Give the connection up, for a reason that the driver has found: inside
 * parse() (return EVKV_PARSE_FAILED then), connected() or end(). The slot that
 * is being parsed ends with `status`, the others as by a disconnect. Cause AUTH
 * backs off at the maximum and ends what waits. `message` is copied and
 * prefixed with the server's name.
 */
EVKV_API void evkv_pipeline_fail(struct evkv_pipeline *pipeline,
    enum evkv_status status, enum evkv_cause cause, int sys_error,
    const char *message);

/*
 * Where a pause after a failure is under way, end it: what the failure came
 * from may have gone. Does nothing otherwise.
 */
EVKV_API void evkv_pipeline_try_now(struct evkv_pipeline *pipeline);

/* Where it stands: CONNECTING, READY, DOWN or CLOSED. */
EVKV_API enum evkv_state evkv_pipeline_state(const struct evkv_pipeline *p);
/* "host:port", "[::1]:port" or the path; lives as long as the pipeline. */
EVKV_API const char *evkv_pipeline_name(const struct evkv_pipeline *pipeline);
EVKV_API struct evkv_loop *evkv_pipeline_loop(const struct evkv_pipeline *p);

struct evkv_pipeline_counters {
	size_t outstanding;   /* encoded and not ended, tombstones too */
	size_t tombstones;    /* of those: stopped */
	size_t waiting;       /* slots not yet encoded */
	size_t waiting_bytes; /* their sizes */
	size_t output_bytes;  /* encoded and not sent */
	size_t buffer_bytes;  /* allocated for input and output */
	uint64_t attempts;    /* connections begun */
	uint64_t reconnects;  /* made ready, after the first */
};

/* The present counters. Costs nothing. */
EVKV_API void evkv_pipeline_counters(const struct evkv_pipeline *pipeline,
    struct evkv_pipeline_counters *counters);

EVKV_END_DECLS

#endif
