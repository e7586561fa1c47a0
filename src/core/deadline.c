/*
 * core/deadline.c - the deadlines of pending ops.
 *
 * One list for each length of timeout: in a list the ops are in order of expiry
 * by themselves, so setting and clearing a deadline costs a few pointers. A
 * list has one timer, for its first op; it is left alone when that op ends
 * early, and looks again when it rings.
 */
#include "core/loop.h"

struct deadline_list {
	struct deadline_list *next;
	struct evkv_loop *loop;
	int64_t timeout_ms;
	struct evkv_op *first, *last;
	struct evkv_timer timer;
};

static void list_free(struct deadline_list *list)
{
	struct evkv_loop *loop = list->loop;
	struct deadline_list **link = &loop->deadlines;

	while (*link != list)
		link = &(*link)->next;
	*link = list->next;
	if (loop->last_deadlines == list)
		loop->last_deadlines = NULL;
	evkv_timer_cancel(loop, &list->timer);
	evkv_free(list);
}

static void list_rings(void *arg)
{
	struct deadline_list *list = arg;
	struct evkv_loop *loop = list->loop;
	int64_t now_us = evkv_loop_now_us(loop);

	/* There is room for it now; once those below have run maybe not. */
	evkv_timer_set(loop, &list->timer, list->timeout_ms);
	while (list->first != NULL && list->first->deadline_at_us <= now_us)
		evkv__op_detach(list->first, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT);
	if (list->first == NULL) {
		list_free(list);
		return;
	}
	/* Round up: a timer that rings too early would ring again at once. */
	evkv_timer_set(loop, &list->timer,
	    (list->first->deadline_at_us - now_us + 999) / 1000);
}

static struct deadline_list *list_find(struct evkv_loop *loop,
    int64_t timeout_ms)
{
	struct deadline_list *list = loop->last_deadlines;

	if (list != NULL && list->timeout_ms == timeout_ms)
		return list;
	for (list = loop->deadlines; list != NULL; list = list->next) {
		if (list->timeout_ms == timeout_ms)
			return list;
	}
	list = evkv_calloc(1, sizeof(*list));
	if (list == NULL)
		return NULL;
	list->loop = loop;
	list->timeout_ms = timeout_ms;
	list->timer.run = list_rings;
	list->timer.arg = list;
	if (!evkv_timer_set(loop, &list->timer, timeout_ms)) {
		evkv_free(list);
		return NULL;
	}
	list->next = loop->deadlines;
	loop->deadlines = list;
	return list;
}

bool evkv__deadline_set(struct evkv_op *op, int64_t timeout_ms)
{
	struct evkv_loop *loop = op->loop;
	struct deadline_list *list = list_find(loop, timeout_ms);

	if (list == NULL)
		return false;
	loop->last_deadlines = list;
	op->deadline_at_us = evkv__loop_after(loop, timeout_ms);
	op->deadline = list;
	op->flags |= OP_TIMED;
	op->deadline_next = NULL;
	op->deadline_prev = list->last;
	if (list->last != NULL)
		list->last->deadline_next = op;
	else
		list->first = op;
	list->last = op;
	return true;
}

void evkv__deadline_clear(struct evkv_op *op)
{
	struct deadline_list *list = op->deadline;

	if (op->deadline_prev != NULL)
		op->deadline_prev->deadline_next = op->deadline_next;
	else
		list->first = op->deadline_next;
	if (op->deadline_next != NULL)
		op->deadline_next->deadline_prev = op->deadline_prev;
	else
		list->last = op->deadline_prev;
	op->flags &= ~(uint32_t)OP_TIMED;
}

void evkv__deadlines_end(struct evkv_loop *loop)
{
	while (loop->deadlines != NULL)
		list_free(loop->deadlines);
}
