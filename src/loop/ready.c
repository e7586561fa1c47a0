/*
 * loop/ready.c - the ready queue: callbacks and tasks for a later turn.
 *
 * One event for the whole loop. What ends outside of it activates the event,
 * which runs in the same turn. What ends while it runs is taken up to a budget;
 * then the event is armed by a timer of zero length. Activating it instead
 * would run it again in the same turn (libevent 2.1), and a chain of hits would
 * never get back to epoll.
 */
#include "loop/loop.h"

#define TURN_BUDGET 256

static const struct timeval zero_delay = { 0, 0 };
static const struct timeval hold_delay = { 86400, 0 };

static void arm(struct evkv_loop *loop)
{
	if (loop->turn_armed || loop->draining)
		return;
	loop->turn_armed = true;
	event_active(&loop->turn, EV_TIMEOUT, 0);
}

void evkv__ready_push(struct evkv_loop *loop, struct loop_ready *ready)
{
	STAILQ_INSERT_TAIL(&loop->ready, ready, link);
	arm(loop);
}

void evkv_task_queue(struct evkv_loop *loop, struct evkv_task *task)
{
	if (task->link != NULL)
		return;
	task->next = NULL;
	task->link = loop->tasks_tail;
	*loop->tasks_tail = task;
	loop->tasks_tail = &task->next;
	arm(loop);
}

void evkv_task_cancel(struct evkv_loop *loop, struct evkv_task *task)
{
	if (task->link == NULL)
		return;
	*task->link = task->next;
	if (task->next != NULL)
		task->next->link = task->link;
	else
		loop->tasks_tail = task->link;
	task->link = NULL;
}

static inline void run_ready(struct evkv_loop *loop, struct loop_ready *ready)
{
	STAILQ_REMOVE_HEAD(&loop->ready, link);
	loop->hooks->ready(loop, ready);
}

/* At most `budget` callbacks, fewer on a break. */
static void run_some(struct evkv_loop *loop, unsigned budget)
{
	struct loop_ready *ready;

	while (budget > 0 && (ready = STAILQ_FIRST(&loop->ready)) != NULL) {
		run_ready(loop, ready);
		budget--;
		if (event_base_got_break(loop->base))
			return;
	}
}

/*
 * Tasks queued while these run wait for the next round. A task may cancel any
 * other, so there is no list of those to run, only the mark of the last one.
 */
static void run_tasks(struct evkv_loop *loop)
{
	struct evkv_task *task, *mark = &loop->tasks_mark;

	if (loop->tasks == NULL || loop->forked)
		return;
	evkv_task_queue(loop, mark);
	while ((task = loop->tasks) != mark) {
		evkv_task_cancel(loop, task);
		task->run(task->arg);
		/* Some tell users of changes of state; these may break too. */
		if (event_base_got_break(loop->base) && !loop->freeing)
			break;
	}
	evkv_task_cancel(loop, mark);
}

static void held(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* In the child of a fork nothing comes any more. */
static bool is_held(const struct evkv_loop *loop)
{
	return (loop->outstanding > 0 || loop->holds > 0) && !loop->forked;
}

/*
 * Taken at once, let go of at the end of a turn: otherwise one operation at a
 * time would cost an event_add and an event_del each.
 */
void evkv__hold_update(struct evkv_loop *loop)
{
	bool wanted = is_held(loop);

	if (wanted == loop->held)
		return;
	if (wanted) {
		loop->held = event_add(&loop->hold, &hold_delay) == 0;
	} else {
		arm(loop);
	}
}

static void hold_drop(struct evkv_loop *loop)
{
	if (!loop->held || is_held(loop))
		return;
	loop->held = false;
	event_del(&loop->hold);
}

static void turn(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_loop *loop = arg;

	(void)fd;
	(void)what;
	loop->turn_armed = false;
	loop->draining = true;
	evkv__loop_check_fork(loop);
	evkv__loop_enter(loop);
	run_some(loop, TURN_BUDGET);
	/* Also when callbacks are left: tasks send what these submit. */
	if (!event_base_got_break(loop->base))
		run_tasks(loop);
	evkv__loop_leave(loop);
	loop->draining = false;
	hold_drop(loop);
	if (evkv__ready_is_empty(loop))
		return;
	loop->turn_armed = true;
	/* Without memory for the timer in the same turn, but not never. */
	if (event_add(&loop->turn, &zero_delay) != 0)
		event_active(&loop->turn, EV_TIMEOUT, 0);
}

bool evkv__ready_run_all(struct evkv_loop *loop)
{
	struct loop_ready *ready;
	bool any = false;

	loop->draining = true;
	while (!evkv__ready_is_empty(loop)) {
		any = true;
		while ((ready = STAILQ_FIRST(&loop->ready)) != NULL)
			run_ready(loop, ready);
		run_tasks(loop);
	}
	loop->draining = false;
	return any;
}

void evkv_loop_hold(struct evkv_loop *loop)
{
	if (loop->holds++ == 0)
		evkv__hold_update(loop);
}

void evkv_loop_release(struct evkv_loop *loop)
{
	EVKV__ASSERT(loop->holds > 0);
	if (--loop->holds == 0)
		evkv__hold_update(loop);
}

bool evkv__ready_init(struct evkv_loop *loop)
{
	STAILQ_INIT(&loop->ready);
	loop->tasks_tail = &loop->tasks;
	if (evtimer_assign(&loop->turn, loop->base, turn, loop) != 0)
		return false;
	return event_assign(&loop->hold, loop->base, -1, EV_PERSIST, held,
		   loop) == 0;
}

void evkv__ready_end(struct evkv_loop *loop)
{
	event_del(&loop->turn);
	event_del(&loop->hold);
}
