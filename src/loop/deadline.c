/*
 * loop/deadline.c - what ends at a time, many at once: pending operations.
 *
 * One list for each length of timeout: in a list they are in order of expiry by
 * themselves, so setting and clearing a deadline costs a few pointers. A list
 * has one timer, for its first; it is left alone when that is cleared early,
 * and looks again when it rings. So there may be as many lists as there
 * were lengths within the longest of them: they are in a hash table by length.
 */
#include "loop/loop.h"

#define DEADLINE_BUCKETS_FIRST 16 /* a power of two */

/* Odd multiples spread the lengths, which are often round numbers. */
static struct deadline_bucket *bucket_of(struct deadline_bucket *buckets,
    size_t size, int64_t timeout_ms)
{
	uint64_t hash = (uint64_t)timeout_ms * UINT64_C(0x9e3779b97f4a7c15);

	return &buckets[(hash >> 32) & (size - 1)];
}

/* Without memory the chains just get longer, unless there are none yet. */
static bool buckets_grow(struct evkv_loop *loop)
{
	size_t size = loop->deadlines_size == 0 ? DEADLINE_BUCKETS_FIRST
						: loop->deadlines_size * 2;
	struct deadline_bucket *buckets;
	struct deadline_list *list;
	size_t i;

	buckets = evkv_calloc(size, sizeof(*buckets));
	if (buckets == NULL)
		return loop->deadlines_size > 0;
	for (i = 0; i < loop->deadlines_size; i++) {
		while ((list = SLIST_FIRST(&loop->deadlines[i])) != NULL) {
			SLIST_REMOVE_HEAD(&loop->deadlines[i], bucket_link);
			SLIST_INSERT_HEAD(bucket_of(buckets, size,
					      list->timeout_ms),
			    list, bucket_link);
		}
	}
	evkv_free(loop->deadlines);
	loop->deadlines = buckets;
	loop->deadlines_size = size;
	return true;
}

static void list_free(struct deadline_list *list)
{
	struct evkv_loop *loop = list->loop;

	SLIST_REMOVE(bucket_of(loop->deadlines, loop->deadlines_size,
			 list->timeout_ms),
	    list, deadline_list, bucket_link);
	loop->deadlines_count--;
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
	struct loop_deadline *first;

	/* There is room for it now; once those below have run maybe not. */
	evkv_timer_set(loop, &list->timer, list->timeout_ms);
	while ((first = TAILQ_FIRST(&list->deadlines)) != NULL &&
	    first->at_us <= now_us)
		loop->hooks->expired(loop, first);
	if (first == NULL) {
		list_free(list);
		return;
	}
	/* Round up: a timer that rings too early would ring again at once. */
	now_us = evkv__loop_read_clock(loop);
	evkv_timer_set(loop, &list->timer,
	    (first->at_us - now_us + 999) / 1000);
}

static struct deadline_list *list_new(struct evkv_loop *loop,
    int64_t timeout_ms)
{
	struct deadline_list *list;

	if (loop->deadlines_count >= loop->deadlines_size &&
	    !buckets_grow(loop))
		return NULL;
	list = evkv_calloc(1, sizeof(*list));
	if (list == NULL)
		return NULL;
	list->loop = loop;
	TAILQ_INIT(&list->deadlines);
	list->timeout_ms = timeout_ms;
	list->timer.run = list_rings;
	list->timer.arg = list;
	if (!evkv_timer_set(loop, &list->timer, timeout_ms)) {
		evkv_free(list);
		return NULL;
	}
	SLIST_INSERT_HEAD(bucket_of(loop->deadlines, loop->deadlines_size,
			      timeout_ms),
	    list, bucket_link);
	loop->deadlines_count++;
	return list;
}

static struct deadline_list *list_find(struct evkv_loop *loop,
    int64_t timeout_ms)
{
	struct deadline_list *list = loop->last_deadlines;

	if (list != NULL && list->timeout_ms == timeout_ms)
		return list;
	if (loop->deadlines_count == 0)
		return list_new(loop, timeout_ms);
	SLIST_FOREACH(list,
	    bucket_of(loop->deadlines, loop->deadlines_size, timeout_ms),
	    bucket_link)
	{
		if (list->timeout_ms == timeout_ms)
			return list;
	}
	return list_new(loop, timeout_ms);
}

bool evkv__deadline_set(struct evkv_loop *loop, struct loop_deadline *deadline,
    int64_t timeout_ms)
{
	struct deadline_list *list = list_find(loop, timeout_ms);

	if (list == NULL)
		return false;
	/* It rang, and there was no memory to have it ring again. */
	if (list->timer.position == 0 &&
	    !evkv_timer_set(loop, &list->timer, timeout_ms))
		return false;
	loop->last_deadlines = list;
	deadline->at_us = evkv__loop_after(loop, timeout_ms);
	deadline->list = list;
	TAILQ_INSERT_TAIL(&list->deadlines, deadline, link);
	return true;
}

void evkv__deadline_clear(struct loop_deadline *deadline)
{
	TAILQ_REMOVE(&deadline->list->deadlines, deadline, link);
}

void evkv__deadlines_end(struct evkv_loop *loop)
{
	size_t i;

	for (i = 0; i < loop->deadlines_size; i++) {
		while (!SLIST_EMPTY(&loop->deadlines[i]))
			list_free(SLIST_FIRST(&loop->deadlines[i]));
	}
	evkv_free(loop->deadlines);
}
