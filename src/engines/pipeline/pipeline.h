/*
 * engines/pipeline/pipeline.h - the inside of the pipeline. The states and
 * events are a table in docs/pipeline.md.
 *
 * Whoever calls the driver does so between evkv__pipe_enter() and
 * evkv__pipe_leave(). A failure found in between is only recorded;
 * evkv__pipe_leave() acts on it when the stack is unwound, and releases a
 * pipeline that was freed meanwhile. After each call of the driver the phase
 * may be another one.
 */
#ifndef EVKV_ENGINES_PIPELINE_PIPELINE_H
#define EVKV_ENGINES_PIPELINE_PIPELINE_H

#include "engines/net/transport.h"
#include "evkv/pipeline.h"

#define PIPELINE_TEXT 256

enum phase {
	PHASE_IDLE, /* nothing was tried yet */
	PHASE_RESOLVING,
	PHASE_CONNECTING,
	PHASE_TLS,
	PHASE_HANDSHAKE, /* from here on driver and buffers are in use */
	PHASE_READY,
	PHASE_BACKOFF, /* waiting for the next try */
	PHASE_CLOSED,
};

enum slot_place {
	PLACE_NONE,
	PLACE_WAITING,     /* not encoded: not ready, or the output is full */
	PLACE_OUTSTANDING, /* encoded; sent, unsent, or the one in between */
	PLACE_WATCHING,    /* EVKV_SLOT_WAIT_READY */
	PLACE_ENDING,      /* taken out, end() is about to be called */
};

enum {
	SLOT_STOPPED = 1 << 0, /* a tombstone */
	SLOT_DEAD = 1 << 1, /* stopped before a byte was sent: skip its bytes */
	SLOT_MARKED = 1 << 2,  /* its effect was sent */
	SLOT_SUSPECT = 1 << 3, /* its reply was being parsed at the failure */
};

/* Why a slot is in the list of those that end. */
enum end_reason {
	END_LOST,    /* the connection, as p->failure says */
	END_OFFLINE, /* it waited too long */
	END_STOPPED,
	END_CLOSED,
	END_NOMEM,
	END_READY, /* no failure */
};
#define END_SHIFT 8 /* the reason's place in evkv_slot.bits */

struct slots {
	struct evkv_slot *first, *last;
	size_t count;
};

/* Bytes [head, tail) of `size`. */
struct buffer {
	char *data;
	size_t size, head, tail;
	size_t peak; /* of tail, since the last look */
};

struct failure {
	enum evkv_status status;
	enum evkv_cause cause;
	int sys_error;
	bool denied; /* trying again soon is of no use */
	char message[PIPELINE_TEXT];
};

struct evkv_pipeline {
	struct evkv_loop *loop;
	const struct evkv_protocol
	    *protocol; /* a copy, filled up to our size */
	struct evkv_protocol own_protocol;
	void *self;
	struct evkv_pipeline_options options; /* defaults filled in */
	char *host, *unix_path, *name;

	enum phase phase;
	unsigned busy; /* depth of functions that may call the driver */
	bool failing;  /* lose the connection when that is 0, by `failure` */
	bool freed;
	bool down; /* the last try failed */
	bool was_ready;
	bool proven;            /* a slot was answered on this connection */
	unsigned failures;      /* in a row, for the backoff */
	struct failure failure; /* the last one */
	struct evkv_slot_end answer; /* to evkv_pipeline_submit() */

	/* connect.c */
	struct evkv_lookup *lookup;
	struct evkv_address addresses[EVKV_ADDRESSES_MAX];
	size_t address_count, address_next;
	int64_t resolved_us; /* when they were found */
	int64_t attempt_end_us;
	int64_t ready_us;
	struct evkv_timer timer; /* of the attempt, or of the pause */
	bool timer_set;
	/* The pause after a failure: when it began, how long it is */
	int64_t pause_begin_us, pause_us;
	bool hurried; /* an operation has brought its end forward */

	struct transport net;

	/* Output and input; `sent` is the position of out.head. */
	struct buffer in, out;
	uint64_t sent;
	bool open; /* finish() is to be called */
	uint64_t effect;
	bool encode_failed;
	size_t burst, last_burst;
	struct evkv_task turn;
	struct evkv_timer tick; /* stall detection, and buffers that are idle */
	bool tick_set;
	int64_t progress_us;

	/* slot.c */
	struct slots outstanding, waiting, watching, ending;
	struct evkv_slot *unsent; /* the first outstanding not sent whole */
	size_t holes;             /* dead slots among those */
	size_t tombstones;
	size_t waiting_bytes;
	struct evkv_timer age;
	bool age_set;
	uint64_t age_due_us;

	uint64_t attempts, reconnects;
	enum evkv_cause lost_by; /* of the connection that was ready last */
	uint64_t reconnects_by[EVKV_CAUSE_COUNT];
};

/* pipeline.c */
void evkv__pipe_enter(struct evkv_pipeline *p);
void evkv__pipe_leave(struct evkv_pipeline *p);
void evkv__pipe_report(struct evkv_pipeline *p, enum evkv_state state);
/* Record a failure: status, cause, errno and words after the server's name. */
void evkv__pipe_set_failure(struct evkv_pipeline *p, enum evkv_status status,
    enum evkv_cause cause, int sys_error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Record what the transport says. */
void evkv__pipe_set_failure_net(struct evkv_pipeline *p);
void evkv__pipe_set_no_memory(struct evkv_pipeline *p);
/* Act on what was recorded, as soon as nothing is on the stack. */
void evkv__pipe_give_up(struct evkv_pipeline *p);
static inline bool evkv__pipe_linked(const struct evkv_pipeline *p)
{
	return p->phase == PHASE_HANDSHAKE || p->phase == PHASE_READY;
}

/* connect.c */
void evkv__pipe_attempt(struct evkv_pipeline *p);
void evkv__pipe_attempt_over(struct evkv_pipeline *p);
/* The transport's socket can be read, or written. */
void evkv__pipe_readable(void *arg);
void evkv__pipe_writable(void *arg);
void evkv__pipe_timer_run(void *arg);
/* Somebody wants the connection: bring the next try forward. */
void evkv__pipe_hurry(struct evkv_pipeline *p);
/* Lose the connection, or give up the try, as p->failure says. */
void evkv__pipe_lose(struct evkv_pipeline *p);
void evkv__pipe_disconnect(struct evkv_pipeline *p);

/* send.c */
bool evkv__pipe_encode(struct evkv_pipeline *p, struct evkv_slot *slot);
void evkv__pipe_flush(struct evkv_pipeline *p);

/* receive.c */
enum input_extent {
	INPUT_PIECE, /* one piece: more turns will come */
	INPUT_LATE,  /* what there is, before a deadline is judged */
	INPUT_LAST,  /* likewise, to the very end of the connection */
};
void evkv__pipe_input(struct evkv_pipeline *p, enum input_extent extent);
enum input_extent evkv__pipe_input_extent(struct evkv_pipeline *p);

/* turn.c */
void evkv__pipe_turn_run(void *arg);
void evkv__pipe_tick_arm(struct evkv_pipeline *p);
void evkv__pipe_tick_run(void *arg);
void evkv__pipe_stream_reset(struct evkv_pipeline *p);
static inline size_t evkv__pipe_output_size(const struct evkv_pipeline *p)
{
	return p->out.tail - p->out.head;
}
static inline uint64_t evkv__pipe_output_end(const struct evkv_pipeline *p)
{
	return p->sent + evkv__pipe_output_size(p);
}

/* buffer.c */
bool evkv__pipe_buffer_make_room(struct buffer *buffer, size_t room);
static inline bool evkv__pipe_buffer_reserve(struct buffer *buffer, size_t room)
{
	return buffer->size - buffer->tail >= room ||
	    evkv__pipe_buffer_make_room(buffer, room);
}
void evkv__pipe_buffer_consume(struct buffer *buffer, size_t size);
void evkv__pipe_buffer_free(struct buffer *buffer);
/* Give back what was not needed since the last look. */
void evkv__pipe_buffer_trim(struct buffer *buffer);

/* slot.c */
void evkv__pipe_slots_append(struct slots *slots, struct evkv_slot *slot,
    enum slot_place place);
void evkv__pipe_slots_remove(struct slots *slots, struct evkv_slot *slot);
void evkv__pipe_outstanding_remove(struct evkv_pipeline *p,
    struct evkv_slot *slot);
void evkv__pipe_waiting_remove(struct evkv_pipeline *p, struct evkv_slot *slot);
void evkv__pipe_slot_ends(struct evkv_pipeline *p, struct evkv_slot *slot,
    enum end_reason reason);
/* Put all of them on the list of those that end. */
void evkv__pipe_outstanding_end(struct evkv_pipeline *p,
    enum end_reason reason);
void evkv__pipe_waiting_end(struct evkv_pipeline *p, enum end_reason reason);
void evkv__pipe_watching_end(struct evkv_pipeline *p, enum end_reason reason);
/* Call end() for what is on it. */
void evkv__pipe_ending_run(struct evkv_pipeline *p);
void evkv__pipe_answered(struct evkv_pipeline *p, struct evkv_slot *slot);
/* The connection is gone: bound what waits, let it grow old. */
void evkv__pipe_waiting_offline(struct evkv_pipeline *p);
void evkv__pipe_waiting_online(struct evkv_pipeline *p);
void evkv__pipe_age_run(void *arg);
void evkv__pipe_age_look(struct evkv_pipeline *p);
void evkv__pipe_age_renew(struct evkv_pipeline *p);

#endif
