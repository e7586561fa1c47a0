/*
 * core/op.h - the op: one object from the boundary down to the driver.
 *
 * An op has two sides. The reporting side ends when its callback has run; the
 * driving side when the driver has answered. Mostly the second ends first. A
 * deadline, a cancel or a close detaches the op: it is reported at once, from a
 * report of its own, and ends below without a waiter, still counted. An op is
 * freed when both sides and all its children have let go.
 */
#ifndef EVKV_CORE_OP_H
#define EVKV_CORE_OP_H

#include "core/kind.h"
#include "core/store.h"
#include "loop/loop.h"
#include "base/value.h"
#include "evkv/driver.h"

/* The way that is seldom gone, kept out of the one that is. */
#define OP_NOINLINE __attribute__((noinline))

#define OP_REQUEST_SHIFT 5 /* from a request's flags to an op's */

enum {
	OP_REPORTING = 1 << 0,          /* the callback is still to run */
	OP_WRITES = EVKV_CLASS_WRITES,  /* 1 << 1 */
	OP_KEYED = EVKV_CLASS_HAS_KEYS, /* 1 << 2 */
	OP_AUXILIARY = 1 << 3,          /* marks do not go up */
	OP_BORROWS = 1 << 4,            /* inputs live in the parent */
	OP_INLINE = EVKV_FLAG_INLINE << OP_REQUEST_SHIFT, /* 1 << 5 */
	OP_SINGLE = EVKV_FLAG_SINGLE << OP_REQUEST_SHIFT, /* 1 << 6 */
	OP_DRIVING = 1 << 7, /* the store below is still to answer */
	OP_CHILD = 1 << 8,
	OP_KEPT = 1 << 9,
	OP_COUNTED = 1 << 10, /* the kept request holds counted values */
	OP_SENT = 1 << 11,
	OP_STOPPING = 1 << 12, /* its stop slots are being called */
	OP_STOPPED = 1 << 13,  /* must not be sent any more */
	/* Answered inside submit(), or while it was being stopped. */
	OP_ENDED = 1 << 14,
	OP_DETACHED = 1 << 15,
	OP_FAILED = 1 << 16,   /* failed as a whole */
	OP_AFFECTED = 1 << 17, /* affected was given */
	OP_VALUES = 1 << 18,   /* some entry holds a value */
	OP_ADMIN = 1 << 19,    /* a close: no request, can't be cancelled */
	OP_PENDING = 1 << 20,  /* counted in the loop's outstanding ops */
	OP_LATE = 1 << 21, /* its store will fill in the answer, see store.h */
	OP_UNCLEAN = 1 << 22,  /* some field marked (clean) is to be put back */
	OP_TIMED = 1 << 23,    /* has a deadline */
	OP_TELLING = 1 << 24,  /* the callback of a child of it is running */
	OP_WITHHELD = 1 << 25, /* a repeat, its predecessor reports it */
	OP_LACKING = 1 << 26,  /* there was no memory to repeat it */
	OP_WAITING = 1 << 27,  /* at its top level, by order.c */
	OP_ORDERED = 1 << 28,  /* holds its keys at some level */
	OP_BEGINNING = 1 << 29, /* submit() after waiting is on the stack */
	OP_UNORDERED = 1 << 30, /* there was no memory to hold its keys */
};

enum {
	ENTRY_PINNED = 1, /* in evkv_entry.reserved: pinned, else a reference */
};

#define OP_FRAMES 3  /* levels that fit in the op itself */
#define OP_ARENA 400 /* bytes that fit in the op itself */
#define OP_NAMES_FIRST 64
#define OP_LINE 64 /* of the processor's cache */

/* One level: a store that the op is inside of. */
struct evkv_frame {
	struct evkv_store *store;
	const struct evkv_request *request;
	void *data;       /* evkv_op_set_data() */
	size_t bytes;     /* counted at the store */
	uint32_t entries; /* likewise; 0 = not admitted */
	bool linked;
	struct evkv_op *op; /* the rest while linked to a pending list */
	LIST_ENTRY(evkv_frame) link;
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t room, left; /* of bytes, which are used up from their end */
	_Alignas(16) char bytes[];
};

struct core;
struct order_entry;

/*
 * Laid out by use, for with a thousand ops under way each cache line counts. Of
 * a pending op of one level, with one key and no deadline, only what lies from
 * the end of the arena, which is used up from there, to the first frame is
 * touched; by its callback and its end only the three lines from `next` on.
 *
 * Fields marked (clean) need not be set by evkv__op_new(): code that uses
 * them sets OP_UNCLEAN, or puts them back before the op is free again.
 */
struct evkv_op {
	/* Seldom used. */
	_Alignas(OP_LINE) LIST_HEAD(, evkv_op) child_list; /* (clean) */
	union {
		LIST_ENTRY(evkv_op) child_link; /* where it has a parent */
		/* A child of nobody: evkv_child_set_deadline(), or NULL. */
		int64_t (*deadline_us_of)(void *arg);
	};
	size_t names_size; /* room in entries, for pages (clean) */
	struct evkv_entry *report_entries; /* allocated ones (clean) */
	void *trace; /* that children inherit; NULL once detached (clean) */
	/*
	 * Children that have their answer and are still to be reported, a ring
	 * by next; this is the last one (clean).
	 */
	struct evkv_op *answered;
	_Alignas(16) char inner_arena[OP_ARENA];

	_Alignas(OP_LINE) union {
		struct evkv_op *next; /* of the free list; of a ring */
		struct loop_ready ready;
		STAILQ_ENTRY(evkv_op) closer_link;
	};
	struct evkv_loop *loop;
	uint32_t flags;
	uint16_t depth;      /* frames in use */
	uint16_t arena_left; /* of inner_arena */
	union {
		evkv_cb root;
		evkv_child_cb child;
	} cb;
	void *arg;
	struct evkv_op *parent; /* (clean) */
	uint32_t children;      /* not freed yet (clean) */
	uint32_t busy; /* held by a function further up the stack (clean) */
	struct evkv_frame *frames; /* (clean) */

	struct evkv_result result; /* the driver's; also the report if not
	                              detached */
	struct evkv_entry one;
	uint32_t slot;
	uint32_t generation;

	struct evkv_frame first[OP_FRAMES];

	struct loop_deadline deadline; /* where OP_TIMED is set */
	struct arena_chunk *chunks;    /* (clean) */
	/* Where OP_KEPT: the copy of the inputs, and what it is a copy of. */
	const struct evkv_request *kept, *given;
	struct order_entry *order_entries; /* where OP_ORDERED */
	uint32_t frames_size;              /* (clean) */
	uint16_t kept_depth; /* the first level that has its request */

	struct evkv_result report; /* of a detached op */
};

static inline struct evkv_frame *evkv__op_top(const struct evkv_op *op)
{
	return &op->frames[op->depth - 1];
}

/* Whether only the user will see the op's result, in a later turn. */
static inline bool evkv__op_may_be_late(const struct evkv_op *op)
{
	return op->depth == 1 && (op->flags & (OP_CHILD | OP_INLINE)) == 0;
}

/* The result's entries, writable. */
static inline struct evkv_entry *evkv__op_entries(const struct evkv_op *op)
{
	return (struct evkv_entry *)(uintptr_t)op->result.entries;
}

/* op.c: life and memory; evkv__op_new() is in core.h. */
struct evkv_op *evkv__op_new_slow(struct evkv_loop *loop, unsigned depth);
void evkv__op_maybe_free(struct evkv_op *op);
void evkv__op_slabs_free(struct core *core);
struct evkv_op *evkv__op_find(struct evkv_loop *loop, evkv_ticket ticket);
static inline evkv_ticket evkv__op_ticket(const struct evkv_op *op)
{
	return ((evkv_ticket)op->generation << 32) | (op->slot + UINT32_C(1));
}

/* keep.c: the caller's inputs. */
struct evkv_request *evkv__request_copy(void *memory,
    const struct evkv_request *request);
size_t evkv__request_copy_size(const struct evkv_request *request);

/* check.c: NULL, or the op failed with INVALID. */
bool evkv__request_check(struct evkv_op *op,
    const struct evkv_request *request);

/* answer.c */
/* As evkv_op_settle(); what has failed as a whole stays as it is. */
void evkv__op_settle(struct evkv_op *op);
void evkv__op_drop_values(struct evkv_op *op);
bool evkv__op_make_batch(struct evkv_op *op, size_t count);
/* An entry for each key, all OK. */
static inline bool evkv__op_make_entries(struct evkv_op *op, size_t count)
{
	if (count != 1)
		return evkv__op_make_batch(op, count);
	op->one = (struct evkv_entry){ .status = EVKV_OK };
	op->result.entries = &op->one;
	op->result.count = 1;
	return true;
}

/* In submit, what was given is the copy from when it was kept. */
static inline const struct evkv_request *evkv__op_as_kept(
    const struct evkv_op *op, const struct evkv_request *request)
{
	if ((op->flags & (OP_KEPT | OP_PENDING)) == OP_KEPT &&
	    request == op->given)
		return op->kept;
	return request;
}

/* flow.c */
enum evkv_verdict evkv__op_enter(struct evkv_op *op, struct evkv_store *store,
    const struct evkv_request *request);
/*
 * What submit has answered. One that was completed inside it is done, too: its
 * levels are left for evkv__op_unwind().
 */
static inline bool evkv__op_is_done(struct evkv_op *op,
    enum evkv_verdict verdict)
{
	if (verdict == EVKV_VERDICT_PENDING && (op->flags & OP_ENDED) == 0)
		return false;
	op->flags &= ~(uint32_t)OP_ENDED;
	return true;
}
void evkv__op_unwind(struct evkv_op *op);
void evkv__op_pend(struct evkv_op *op, int64_t timeout_ms);
/* Link the levels from `depth` on to their stores' lists of pending ops. */
void evkv__op_link(struct evkv_op *op, unsigned depth);
void evkv__op_report(struct evkv_op *op);

/* child.c: tell the callback of a child, now or after that of its sibling. */
void evkv__child_report(struct evkv_op *child);

/* detach.c */
/* Give a pending op a deadline; false = no memory. And take it away. */
static inline bool evkv__op_time(struct evkv_op *op, int64_t timeout_ms)
{
	if (!evkv__deadline_set(op->loop, &op->deadline, timeout_ms))
		return false;
	op->flags |= OP_TIMED;
	return true;
}
static inline void evkv__op_untime(struct evkv_op *op)
{
	evkv__deadline_clear(&op->deadline);
	op->flags &= ~(uint32_t)OP_TIMED;
}
/* The op and those on whose behalf it is have had, or may have, an effect. */
void evkv__op_mark(struct evkv_op *op);
void evkv__op_detach(struct evkv_op *op, enum evkv_status status,
    enum evkv_cause cause);

#endif
