/*
 * loop/loop.h - the inside of the loop: time, timers, tasks, posts, and a queue
 * of what is ready. It knows nothing of operations and stores: core/life.c,
 * which makes it, gives it hooks.
 */
#ifndef EVKV_LOOP_LOOP_H
#define EVKV_LOOP_LOOP_H

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "evkv/alloc.h"
#include "evkv/loop.h"
#include "evkv/task.h"

#ifdef EVKV_DEBUG
#define EVKV__ASSERT(condition) assert(condition)
#else
#define EVKV__ASSERT(condition) ((void)sizeof(condition))
#endif

/* Something whose time has come, embedded in its owner; see loop_hooks. */
struct loop_ready {
	STAILQ_ENTRY(loop_ready) link;
};

/* Something that ends at a time, unless it is cleared before. */
struct loop_deadline {
	struct deadline_list *list; /* of those with a timeout of this length */
	TAILQ_ENTRY(loop_deadline) link;
	int64_t at_us;
};

/* What the loop calls; all required. */
struct loop_hooks {
	/* It was pushed in this turn or an earlier one; no longer queued. */
	void (*ready)(struct evkv_loop *loop, struct loop_ready *ready);
	/* Its time is over; clears it. */
	void (*expired)(struct evkv_loop *loop, struct loop_deadline *deadline);
	/* This is the child of a fork(), and the loop is of the parent. */
	void (*forked)(struct evkv_loop *loop);
};

struct loop_attachment {
	SLIST_ENTRY(loop_attachment) link;
	const void *key;
	void *thing;
	void (*release)(void *thing);
};

/* Those with a timeout of one length. */
struct deadline_list {
	SLIST_ENTRY(deadline_list) bucket_link;
	struct evkv_loop *loop;
	int64_t timeout_ms;
	TAILQ_HEAD(, loop_deadline) deadlines;
	struct evkv_timer timer;
};

SLIST_HEAD(deadline_bucket, deadline_list);

/* Later than any time but "never", so that nothing counts as not yet over. */
#define LOOP_TURN_UNKNOWN (INT64_MAX - 1)

struct evkv_loop {
	struct event_base *base;
	const struct loop_hooks *hooks;
	struct evkv_clock clock;
	bool injected; /* the clock is the user's */
	bool scramble;
	bool freeing;
	bool bound;     /* `thread` is known: it has run an event of ours */
	bool forked;    /* the hook has been called */
	unsigned forks; /* of the process, when the loop was made */
	int64_t now_us; /* cached */
	/* `now_us` while it is known to be right, see evkv_loop_now_us() ... */
	int64_t turn_us;       /* ... else LOOP_TURN_UNKNOWN */
	struct timeval stamp;  /* libevent's cached time at that moment */
	unsigned looks;        /* that have found that stamp again */
	unsigned handling;     /* depth of our own event handlers */
	struct event turn_end; /* active: runs after all that is active now */
	int64_t wall_ahead_us; /* of the monotonic clock, at the last jump */
	int64_t wall_compared_us; /* `now_us` when that was looked at */
	uint64_t wall_jumps;
	uint64_t random;

	/* ready.c: what has ended, and tasks, in two FIFO queues. */
	STAILQ_HEAD(, loop_ready) ready;
	struct evkv_task *tasks, **tasks_tail;
	struct evkv_task tasks_mark; /* the end of a round */
	struct event turn;
	bool turn_armed;
	bool draining;

	/* Dispatch is held by `hold` while either count is above 0. */
	struct event hold;
	bool held;
	size_t outstanding; /* what must end by itself: pending operations */
	size_t holds;       /* evkv_loop_hold() */

	/* timer.c */
	struct evkv_timer **timers; /* a heap; [0] is not used */
	size_t timers_count, timers_size;
	struct event alarm;
	int64_t alarm_at_us; /* INT64_MAX: not armed */

	/* deadline.c */
	struct deadline_bucket *deadlines; /* doubles */
	size_t deadlines_count, deadlines_size;
	struct deadline_list *last_deadlines; /* the one used last */

	SLIST_HEAD(, loop_attachment) attachments;
	evkv_log_cb log;
	void *log_arg;

	pthread_t thread; /* the one that dispatches, once `bound` */

	/* post.c */
	pthread_mutex_t post_mutex;
	unsigned posting; /* atomic: threads that are about to write post_fd */
	struct evkv_post *posts, **posts_tail;
	int post_fd;
	struct event post_event;
};

/*
 * loop.c. `loop` is zeroed; false, with a filled error, where it can't be made:
 * then there is nothing to end.
 */
bool evkv__loop_open(struct evkv_loop *loop, struct event_base *base,
    const struct loop_hooks *hooks, const struct evkv_loop_options *options,
    struct evkv_error *error);
/* Ends attachments and what they post; all else has ended before. */
void evkv__loop_end(struct evkv_loop *loop);
/* Nothing but its events, which are the base's; in the child of a fork. */
void evkv__loop_leave_events(struct evkv_loop *loop);
/* evkv_loop_now_us(), of a loop. */
static inline int64_t evkv__loop_now_us(struct evkv_loop *loop)
{
	return loop->turn_us != LOOP_TURN_UNKNOWN ? loop->now_us
						  : evkv_loop_now_us(loop);
}

/*
 * Where the cached time is the system's and a callback has taken long: read the
 * clock again, for what counts from the submitting call. Costs some
 * nanoseconds, by a clock that is a few milliseconds coarse. (The processor's
 * own counter is no quicker: to read it waits for all that is under way.)
 */
void evkv__loop_catch_up(struct evkv_loop *loop);

/*
 * How often the wall clock has been set, or the machine has slept: the two
 * clocks went apart by more than EVKV__WALL_STEP_MS since the last time. For
 * what trusts that two expiries, one by each clock, keep their order.
 */
#define EVKV__WALL_STEP_MS INT64_C(500)
uint64_t evkv__loop_wall_jumps_now(struct evkv_loop *loop);
static inline uint64_t evkv__loop_wall_jumps(struct evkv_loop *loop)
{
	/* They were compared in this turn already. */
	if (loop->turn_us == loop->wall_compared_us)
		return loop->wall_jumps;
	return evkv__loop_wall_jumps_now(loop);
}

/* fork.c: how often this process is the child of a fork(), since we know. */
extern unsigned evkv__forks __attribute__((visibility("hidden")));
bool evkv__forks_watch(void);
void evkv__loop_notice_fork(struct evkv_loop *loop);
/* Whether this is another process than that in which the loop was made. */
static inline bool evkv__loop_check_fork(struct evkv_loop *loop)
{
	if (loop->forks != evkv__forks)
		evkv__loop_notice_fork(loop);
	return loop->forked;
}

/* ready.c */
void evkv__ready_push(struct evkv_loop *loop, struct loop_ready *ready);
bool evkv__ready_init(struct evkv_loop *loop);
void evkv__ready_end(struct evkv_loop *loop);
/* Run everything that is queued, without a budget; whether there was any. */
bool evkv__ready_run_all(struct evkv_loop *loop);
static inline bool evkv__ready_is_empty(const struct evkv_loop *loop)
{
	return STAILQ_EMPTY(&loop->ready) &&
	    (loop->tasks == NULL || loop->forked);
}
/* The count of what is outstanding, or of holds, has changed. */
void evkv__hold_update(struct evkv_loop *loop);

/* timer.c */
void evkv__timers_init(struct evkv_loop *loop);
void evkv__timers_end(struct evkv_loop *loop);

/* deadline.c */
bool evkv__deadline_set(struct evkv_loop *loop, struct loop_deadline *deadline,
    int64_t timeout_ms);
void evkv__deadline_clear(struct loop_deadline *deadline);
void evkv__deadlines_end(struct evkv_loop *loop);

/* post.c */
bool evkv__post_init(struct evkv_loop *loop);
void evkv__post_end(struct evkv_loop *loop);
/* Run what was posted; wait_ms > 0: wait that long for something. */
bool evkv__post_run(struct evkv_loop *loop, int wait_ms);
/* In the child of a fork: a descriptor of its own. */
void evkv__post_renew(struct evkv_loop *loop);

#define LOOP_DELAY_MAX INT64_C(3155760000000) /* 100 years, in milliseconds */

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
	if (delay_ms > LOOP_DELAY_MAX)
		delay_ms = LOOP_DELAY_MAX;
	return evkv__loop_read_clock(loop) +
	    (delay_ms > 0 ? delay_ms * 1000 : 0);
}

/* Our own handlers: between these two the cached time is taken as it is. */
static inline void evkv__loop_enter(struct evkv_loop *loop)
{
	loop->handling++;
	if (!loop->bound || !pthread_equal(loop->thread, pthread_self())) {
		/* Other threads may ask: evkv_loop_is_here(). */
		__atomic_store_n(&loop->thread, pthread_self(),
		    __ATOMIC_RELAXED);
		__atomic_store_n(&loop->bound, true, __ATOMIC_RELEASE);
	}
	evkv_loop_refresh(loop);
	if (!loop->injected)
		loop->turn_us = loop->now_us;
}

static inline void evkv__loop_leave(struct evkv_loop *loop)
{
	if (--loop->handling == 0)
		loop->turn_us = LOOP_TURN_UNKNOWN;
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
