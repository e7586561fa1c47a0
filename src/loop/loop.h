/*
 * loop/loop.h - the inside of the loop.
 */
#ifndef EVKV_LOOP_LOOP_H
#define EVKV_LOOP_LOOP_H

#include <pthread.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/op.h"

#define LOOP_SLAB 64 /* ops allocated at a time */

/* LOOP_SLAB ops, at the first cache line's start in what was allocated. */
struct op_slab {
	struct evkv_op *ops;
	void *memory;
};

struct loop_attachment {
	struct loop_attachment *next;
	const void *key;
	void *thing;
	void (*release)(void *thing);
};

/* Callbacks of inline ops that may be on the stack at a time. */
#define LOOP_INLINE_MAX 16

/*
 * The result of a get that needed no op, a hit. Kept, not made anew on the
 * stack: all but the value stays as evkv__peeks_init() made it.
 */
struct loop_peek {
	struct evkv_result result;
	struct evkv_entry entry;
};

/* The pending ops whose timeouts have one length. */
struct deadline_list {
	struct deadline_list *next; /* in its bucket */
	struct evkv_loop *loop;
	int64_t timeout_ms;
	struct evkv_op *first, *last;
	struct evkv_timer timer;
};

struct evkv_loop {
	struct event_base *base;
	struct evkv_clock clock;
	bool injected; /* the clock is the user's */
	bool scramble;
	bool freeing;
	bool bound;     /* `thread` is known: it has run an event of ours */
	int64_t now_us; /* cached */
	struct timeval stamp; /* libevent's cached time at that moment */
	unsigned handling;    /* depth of our own event handlers */
	struct loop_peek peeks[LOOP_INLINE_MAX]; /* for each such callback */
	struct loop_peek *peek; /* the first that is not in use */
	uint64_t random;

	/* ready.c: what has ended, and tasks, in two FIFO queues. */
	struct evkv_op *ready, **ready_tail;
	struct evkv_task *tasks, **tasks_tail;
	struct evkv_task tasks_mark; /* the end of a round */
	struct event turn;
	bool turn_armed;
	bool draining;

	/* Dispatch is held by `hold` while either count is above 0. */
	struct event hold;
	bool held;
	size_t outstanding; /* pending ops */
	size_t holds;       /* evkv_loop_hold() */

	/* timer.c */
	struct evkv_timer **timers; /* a heap; [0] is not used */
	size_t timers_count, timers_size;
	struct event alarm;
	int64_t alarm_at_us; /* INT64_MAX: not armed */

	/* deadline.c */
	struct deadline_list **deadlines; /* chained buckets; doubles */
	size_t deadlines_count, deadlines_size;
	struct deadline_list *last_deadlines; /* the one used last */

	/* op.c */
	struct op_slab *slabs;
	size_t slabs_count, slabs_size;
	struct evkv_op *free_ops;
	struct value_spares spares;

	unsigned telling; /* callbacks of children on the stack */
	/* order.c: those whose turn has come. */
	TAILQ_HEAD(, order_turn) due;
	bool beginning;

	struct evkv_store *stores;
	struct loop_attachment *attachments;
	evkv_log_cb log;
	void *log_arg;

	pthread_t thread; /* the one that dispatches, once `bound` */

	/* post.c */
	pthread_mutex_t post_mutex;
	struct evkv_post *posts, **posts_tail;
	int post_fd;
	struct event post_event;
};

/*
 * error.c: what a message quotes (a path, a server's words) may hold anything,
 * but a message is one line.
 */
void evkv__one_line(char *message);

/* flow.c */
void evkv__peeks_init(struct evkv_loop *loop);

static inline bool evkv__loop_may_nest(const struct evkv_loop *loop)
{
	return loop->peek < &loop->peeks[LOOP_INLINE_MAX];
}

/* ready.c */
void evkv__ready_push(struct evkv_loop *loop, struct evkv_op *op);
bool evkv__ready_init(struct evkv_loop *loop);
void evkv__ready_end(struct evkv_loop *loop);
/* Run everything that is queued, without a budget; whether there was any. */
bool evkv__ready_run_all(struct evkv_loop *loop);
/* The count of pending ops or of holds has changed. */
void evkv__hold_update(struct evkv_loop *loop);

/* timer.c */
void evkv__timers_init(struct evkv_loop *loop);
void evkv__timers_end(struct evkv_loop *loop);

/* deadline.c */
bool evkv__deadline_set(struct evkv_op *op, int64_t timeout_ms);
void evkv__deadline_clear(struct evkv_op *op);
void evkv__deadlines_end(struct evkv_loop *loop);

/* post.c */
bool evkv__post_init(struct evkv_loop *loop);
void evkv__post_end(struct evkv_loop *loop);
/* Run what was posted; wait_ms > 0: wait that long for something. */
bool evkv__post_run(struct evkv_loop *loop, int wait_ms);

/* A new op, with room for `depth` levels; NULL = no memory. */
static inline struct evkv_op *evkv__op_new(struct evkv_loop *loop,
    unsigned depth)
{
	struct evkv_op *op = loop->free_ops;

	if (op == NULL || depth > OP_FRAMES)
		return evkv__op_new_slow(loop, depth);
	loop->free_ops = op->next;
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

/* Begin what waited for its turn, once all that ended before it was told. */
static inline void evkv__order_go_on(struct evkv_loop *loop)
{
	if (!TAILQ_EMPTY(&loop->due) && loop->telling == 0 && !loop->beginning)
		evkv__order_run(loop);
}

/* The time at this moment, and not that of the turn. */
static inline int64_t evkv__loop_read_clock(const struct evkv_loop *loop)
{
	return loop->clock.monotonic_us(loop->clock.arg);
}

/*
 * The time in delay_ms from this moment, and not from the turn's start: its
 * callbacks may have taken long until now. What is beyond all use is never.
 */
static inline int64_t evkv__loop_after(const struct evkv_loop *loop,
    int64_t delay_ms)
{
	if (delay_ms > EVKV_TTL_MAX)
		delay_ms = EVKV_TTL_MAX;
	return evkv__loop_read_clock(loop) +
	    (delay_ms > 0 ? delay_ms * 1000 : 0);
}

/* Our own handlers: between these two the cached time is taken as it is. */
static inline void evkv__loop_enter(struct evkv_loop *loop)
{
	loop->handling++;
	loop->thread = pthread_self();
	loop->bound = true;
	evkv_loop_refresh(loop);
}

static inline void evkv__loop_leave(struct evkv_loop *loop)
{
	loop->handling--;
}

/* An event that does not keep event_base_dispatch() alive. */
static inline void evkv__event_passive(struct event *event)
{
	event->ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
}

static inline void evkv__loop_check_thread(const struct evkv_loop *loop)
{
	(void)loop;
	EVKV__ASSERT(loop == NULL || !loop->bound ||
	    pthread_equal(loop->thread, pthread_self()));
}

#endif
