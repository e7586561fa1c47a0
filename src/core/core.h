/*
 * core/core.h - what the core keeps for each loop, and its way to the loop.
 */
#ifndef EVKV_CORE_CORE_H
#define EVKV_CORE_CORE_H

#include "base/line.h"
#include "core/op.h"
#include "loop/loop.h"

#define CORE_SLAB 64 /* ops allocated at a time */

/* CORE_SLAB ops, at the first cache line's start in what was allocated. */
struct op_slab {
	struct evkv_op *ops;
	void *memory;
};

/* Callbacks of inline ops that may be on the stack at a time. */
#define CORE_INLINE_MAX 16

/*
 * The result of a get that needed no op, a hit. Kept, not made again on the
 * stack: all but the value stays as evkv__peeks_init() made it.
 */
struct core_peek {
	struct evkv_result result;
	struct evkv_entry entry;
};

/* A call that there was no memory for, until its callback has run. */
struct core_lack {
	STAILQ_ENTRY(core_lack) link;
	evkv_cb cb;
	void *arg;
	enum evkv_kind kind;
	bool single;    /* its result has an entry */
	bool allocated; /* else of the reserve */
};

#define CORE_RESERVE 64

/* Names no op, and never will: slots count from 1. */
#define TICKET_ENDED (UINT64_C(1) << 32)

struct core {
	struct evkv_loop loop; /* first: they are one and the same */

	/* boundary.c */
	struct core_peek peeks[CORE_INLINE_MAX]; /* for each such callback */
	struct core_peek *peek; /* the first that is not in use */

	/* op.c */
	struct op_slab *slabs;
	size_t slabs_count, slabs_size;
	struct evkv_op *free_ops;
	struct arena_chunk *free_chunks; /* of ARENA_CHUNK bytes */
	size_t free_chunks_count;
	struct value_spares spares;

	unsigned telling; /* callbacks of children on the stack */
	/* order.c: those whose turn has come. */
	TAILQ_HEAD(, order_entry) due;
	bool beginning;

	LIST_HEAD(, evkv_store) stores;

	/* lack.c */
	STAILQ_HEAD(, core_lack) lacks, lack_reserve;
	struct evkv_task lacks_task;
	struct core_lack reserve[CORE_RESERVE];

	/* shutdown.c */
	bool shutting;
	STAILQ_HEAD(, evkv_op) shutdowns; /* the calls that wait for it */
	int64_t shutdown_at_us; /* drains end; INT64_MAX: they have no end */
	bool shutdown_cut;      /* some store had to cut something off */
};

static inline struct core *evkv__core(struct evkv_loop *loop)
{
	return (struct core *)loop;
}

/* boundary.c */
void evkv__peeks_init(struct core *core);
/* By an op, and a get without one where its store can; see struct evkv_store. */
evkv_ticket evkv__submit_op(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg);
evkv_ticket evkv__submit_get(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg);

/* lack.c: NOMEM in a later turn; 0 = the reserve is used up, too. */
void evkv__lacks_init(struct core *core);
evkv_ticket evkv__lack(struct evkv_loop *loop, enum evkv_kind kind, bool single,
    evkv_cb cb, void *arg);

/* close.c: a close, or a shutdown, that waits to be told. */
struct evkv_op *evkv__closer_new(struct evkv_loop *loop, evkv_cb cb, void *arg);
void evkv__closer_wait(struct evkv_op *op);
void evkv__closer_tell(struct evkv_op *op, bool drained);

/* shutdown.c: a store is closed. */
void evkv__shutdown_step(struct core *core);

static inline bool evkv__core_may_nest(const struct core *core)
{
	return core->peek < &core->peeks[CORE_INLINE_MAX];
}

/* A new op, with room for `depth` levels; NULL = no memory. */
static inline struct evkv_op *evkv__op_new(struct evkv_loop *loop,
    unsigned depth)
{
	struct core *core = evkv__core(loop);
	struct evkv_op *op = core->free_ops;

	if (op == NULL || depth > OP_FRAMES)
		return evkv__op_new_slow(loop, depth);
	core->free_ops = op->next;
	op->generation++;
	op->flags = OP_REPORTING;
	op->depth = 0;
	op->arena_left = OP_ARENA;
	op->result = (struct evkv_result){
		.message = "",
		.entry_size = sizeof(struct evkv_entry),
	};
	return op;
}

/*
 * Begin what waited for its turn, once all that ended before it was reported.
 */
static inline void evkv__order_go_on(struct evkv_loop *loop)
{
	struct core *core = evkv__core(loop);

	if (!TAILQ_EMPTY(&core->due) && core->telling == 0 && !core->beginning)
		evkv__order_run(core);
}

#endif
