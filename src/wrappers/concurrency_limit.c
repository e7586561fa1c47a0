/*
 * wrappers/concurrency_limit.c - at most so many operations below at once.
 *
 * Happy path: there is room, and the operation goes on as a child, which tells
 * when the store below has really ended it. Otherwise it is kept and waits in a
 * queue; when one ends, a task begins as many as there is room for, at no depth
 * of the stack. While some wait, none overtakes them, so the order of
 * submission is that of beginning.
 *
 * Failures: with the queue full, or the time of waiting over: BUSY. Whose
 * waiter is cut off in the queue leaves it at once, without effect.
 */
#include "evkv/wrappers/concurrency_limit.h"

#include <string.h>

#include "evkv/driver.h"
#include "support/options.h"
#include "wrappers/types.h"

#define MAX_RUNNING 64
#define MAX_QUEUE 1000
#define COUNT_MOST 1000000
#define DAY_MS INT64_C(86400000)

struct limit {
	struct evkv_loop *loop;
	struct evkv_store *inner;
	size_t max_running, max_queue;
	int64_t max_wait_ms;
	struct call *first, **tail; /* the queue */
	struct evkv_task begin_task;
	struct evkv_timer wait_timer; /* for the first in the queue */
	struct evkv_concurrency_limit_counters counters;
	struct evkv_concurrency_limit_options given; /* for describe */
};

struct call {
	struct call *next, **link; /* in the queue; link NULL = it is not */
	struct limit *limit;
	struct evkv_op *op;
	int64_t since_ms;
};

/* ---- The queue ---------------------------------------------------------- */

/*
 * Without memory for the timer the next operation that comes or ends sets it.
 */
static void wait_for_first(struct limit *limit)
{
	int64_t left_ms;

	evkv_timer_cancel(limit->loop, &limit->wait_timer);
	if (limit->first == NULL || limit->max_wait_ms == 0)
		return;
	left_ms = limit->first->since_ms + limit->max_wait_ms -
	    evkv_loop_now_ms(limit->loop);
	evkv_timer_set(limit->loop, &limit->wait_timer,
	    left_ms > 0 ? left_ms : 0);
}

static void queue_add(struct limit *limit, struct call *call)
{
	call->link = limit->tail;
	*limit->tail = call;
	limit->tail = &call->next;
	if (++limit->counters.queued > limit->counters.most_queued)
		limit->counters.most_queued = limit->counters.queued;
	if (limit->first == call)
		wait_for_first(limit);
}

static void queue_remove(struct call *call)
{
	struct limit *limit = call->limit;
	bool was_first = limit->first == call;

	*call->link = call->next;
	if (call->next != NULL)
		call->next->link = call->link;
	else
		limit->tail = call->link;
	call->link = NULL;
	limit->counters.queued--;
	if (was_first)
		wait_for_first(limit);
}

static void wait_over(void *arg)
{
	struct limit *limit = arg;
	int64_t now_ms = evkv_loop_now_ms(limit->loop);
	struct call *call;

	while ((call = limit->first) != NULL &&
	    now_ms - call->since_ms >= limit->max_wait_ms) {
		queue_remove(call);
		limit->counters.expired++;
		evkv_op_failf(call->op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "concurrency_limit: it has waited for %lld ms",
		    (long long)limit->max_wait_ms);
		evkv_op_complete(call->op);
	}
	wait_for_first(limit);
}

/* ---- Running ------------------------------------------------------------ */

static void call_ended(struct evkv_op *child, void *arg)
{
	struct call *call = arg;
	struct limit *limit = call->limit;

	limit->counters.running--;
	if (limit->first != NULL)
		evkv_task_queue(limit->loop, &limit->begin_task);
	if (child != NULL)
		evkv_op_take_all(call->op, child);
	else
		evkv_op_nomem(call->op);
	evkv_op_complete(call->op);
}

static void call_begin(struct call *call, const struct evkv_request *given,
    uint32_t flags)
{
	const uint32_t not_for_children = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	struct evkv_request request = *given;

	request.flags &= ~not_for_children;
	request.timeout_ms = 0; /* the operation's own deadline is enough */
	call->limit->counters.running++;
	evkv_child_submit(call->op, call->limit->inner, &request, flags,
	    call_ended, call);
}

static void begin_some(void *arg)
{
	struct limit *limit = arg;
	struct call *call;

	while (limit->counters.running < limit->max_running &&
	    (call = limit->first) != NULL) {
		queue_remove(call);
		call_begin(call, evkv_op_request(call->op), EVKV_CHILD_BORROWS);
	}
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict limit_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct limit *limit = self;
	bool runs = limit->first == NULL &&
	    limit->counters.running < limit->max_running;
	struct call *call;

	/* Waiting for a connection is no work. */
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0)
		return evkv_op_forward(op, limit->inner, request);
	if (!runs && limit->counters.queued >= limit->max_queue) {
		limit->counters.refused++;
		return evkv_op_failf(op, EVKV_BUSY, EVKV_CAUSE_OVERLOAD,
		    "concurrency_limit: %zu operations are under way and %zu "
		    "wait",
		    limit->counters.running, limit->counters.queued);
	}
	call = evkv_op_alloc(op, sizeof(*call));
	if (call == NULL || (!runs && !evkv_op_keep(op)))
		return evkv_op_nomem(op);
	*call = (struct call){
		.limit = limit,
		.op = op,
		.since_ms = evkv_loop_now_ms(limit->loop),
	};
	evkv_op_set_data(op, call);
	if (runs)
		call_begin(call, request, 0);
	else
		queue_add(limit, call);
	return EVKV_VERDICT_PENDING;
}

/* What is below already ends by the child's own stop. */
static void limit_stop(void *self, struct evkv_op *op)
{
	struct call *call = evkv_op_data(op);

	(void)self;
	if (call->link == NULL)
		return;
	queue_remove(call);
	evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

static void limit_free(void *self)
{
	struct limit *limit = self;

	evkv_timer_cancel(limit->loop, &limit->wait_timer);
	evkv_task_cancel(limit->loop, &limit->begin_task);
	evkv_free(limit);
}

/*
 * What is answered at once takes no room, but it may not overtake what waits.
 */
static enum evkv_peek limit_peek(void *self, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct limit *limit = self;

	if (limit->first != NULL)
		return EVKV_PEEK_DECLINE;
	return evkv_store_peek(limit->inner, request, value);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_concurrency_limit_options, __VA_ARGS__)

static const struct evkv_url_option concurrency_limit_options[] = {
	ROW("max_running", max_running, EVKV_URL_SIZE, 1, 1000000,
	    "operations in the store below at once", "64"),
	ROW("max_queue", max_queue, EVKV_URL_SIZE, 1, 1000000,
	    "operations that wait", "1000"),
	ROW("max_wait", max_wait_ms, EVKV_URL_DURATION, 1, DAY_MS,
	    "how long one may wait", NULL),
};

static struct evkv_store *concurrency_limit_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_concurrency_limit_new(making->inner[0], making->options,
	    error);
}

const struct evkv_type evkv__concurrency_limit_type = {
	.size = sizeof(struct evkv_type),
	.name = "concurrency_limit",
	.summary = "bounds how many operations go on at once",
	.options = concurrency_limit_options,
	.option_count = sizeof(concurrency_limit_options) /
	    sizeof(concurrency_limit_options[0]),
	.options_size = sizeof(struct evkv_concurrency_limit_options),
	.argument = "max_running",
	.inner_min = 1,
	.inner_max = 1,
	.make = concurrency_limit_make,
};

static void limit_describe(void *arg, struct evkv_text *text)
{
	struct limit *self = arg;

	evkv_text_options(text, &evkv__concurrency_limit_type, &self->given);
}

static const struct evkv_vtable limit_vtable = {
	.size = sizeof(limit_vtable),
	.name = "concurrency_limit",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = limit_submit,
	.stop = limit_stop,
	.free = limit_free,
	.peek = limit_peek,
	.describe = limit_describe,
};

bool evkv_concurrency_limit_read_sized(const struct evkv_store *store,
    struct evkv_concurrency_limit_counters *counters, size_t size)
{
	const struct limit *limit = evkv_store_self(store, &limit_vtable);

	memset(counters, 0, size);
	if (limit == NULL)
		return false;
	memcpy(counters, &limit->counters,
	    size < sizeof(*counters) ? size : sizeof(*counters));
	return true;
}

/* ---- Making ------------------------------------------------------------- */

static bool options_ok(const struct evkv_concurrency_limit_options *options,
    struct evkv_error *error)
{
	const char *why = NULL;

	if (options->max_running > COUNT_MOST)
		why = "max_running is over 1000000";
	else if (options->max_queue > COUNT_MOST &&
	    options->max_queue != SIZE_MAX)
		why = "max_queue is over 1000000";
	else if (options->max_wait_ms < 0 || options->max_wait_ms > DAY_MS)
		why = "max_wait_ms is negative or over 1 day";
	if (why != NULL)
		evkv_error_set(error, EVKV_INVALID, "concurrency_limit: %s",
		    why);
	return why == NULL;
}

static struct limit *limit_self(struct evkv_store *inner,
    const struct evkv_concurrency_limit_options *options)
{
	struct limit *limit = evkv_calloc(1, sizeof(*limit));

	if (limit == NULL)
		return NULL;
	limit->loop = evkv_store_loop(inner);
	limit->inner = inner;
	limit->given = *options;
	limit->max_running = options->max_running != 0 ? options->max_running
						       : MAX_RUNNING;
	limit->max_queue = options->max_queue != 0 ? options->max_queue
						   : MAX_QUEUE;
	if (options->max_queue == SIZE_MAX)
		limit->max_queue = 0;
	limit->max_wait_ms = options->max_wait_ms;
	limit->tail = &limit->first;
	limit->begin_task.run = begin_some;
	limit->begin_task.arg = limit;
	limit->wait_timer.run = wait_over;
	limit->wait_timer.arg = limit;
	return limit;
}

struct evkv_store *evkv_concurrency_limit_new_sized(struct evkv_store *inner,
    const struct evkv_concurrency_limit_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
	};
	struct evkv_concurrency_limit_options options;

	if (!evkv_options_read(&options, sizeof(options), given, size, error) ||
	    !options_ok(&options, error)) {
		evkv_store_unref(inner);
		return NULL;
	}
	return evkv_store_create(NULL, &limit_vtable,
	    inner != NULL ? limit_self(inner, &options) : NULL, &config, error);
}
