/*
 * wrappers/fault/fault.c - failures on demand.
 *
 * Happy path: no rule fires, and the operation is forwarded as it is. Where one
 * fires that does not end it at once, it is held, and passed on as a child:
 *
 *     DELAY, REORDER   held, passed, answered
 *     DELAY_AFTER      passed, held with its answer, answered
 *     LOSE             passed, answered with a failure
 *     DROP             held
 *     MUTE             passed, held with its answer
 *
 * The core keeps the order of each key: what follows a held one waits for it.
 *
 * Failures: a held operation that is detached is completed at once; one whose
 * child is under way, when that has ended. Where there is no memory for holding
 * it the operation is NOMEM, and the inner store has not seen it.
 */
#include "wrappers/fault/fault.h"

#include "support/options.h"
#include "wrappers/types.h"

struct held {
	struct held *next, **link;
	struct fault *fault;
	struct evkv_op *op;
	struct evkv_fault_rule rule; /* a copy: rules may be removed */
	struct evkv_timer timer;
	struct evkv_task task;
	unsigned turns;
	bool passed;  /* its child was made */
	bool waiting; /* for its child */
	bool stopped; /* abandoned */
};

/* ---- Holding ------------------------------------------------------------ */

static void held_link(struct fault *fault, struct held *held)
{
	held->link = fault->tail;
	*fault->tail = held;
	fault->tail = &held->next;
	fault->held_count++;
}

static void held_unlink(struct held *held)
{
	struct fault *fault = held->fault;

	*held->link = held->next;
	if (held->next != NULL)
		held->next->link = held->link;
	else
		fault->tail = held->link;
	fault->held_count--;
}

/* The answer is in the op; this is the last look at it. */
static void held_end(struct held *held)
{
	evkv_timer_cancel(held->fault->loop, &held->timer);
	evkv_task_cancel(held->fault->loop, &held->task);
	held_unlink(held);
	evkv_op_complete(held->op);
}

static void held_lose(struct held *held)
{
	evkv_op_mark_sent(held->op);
	evkv_op_cut(held->op, held->rule.status, held->rule.cause,
	    "fault: the answer was lost");
	held_end(held);
}

static void held_wait(struct held *held)
{
	int64_t ms = evkv__fault_between(held->fault, held->rule.delay_min_ms,
	    held->rule.delay_max_ms);

	if (evkv_timer_set(held->fault->loop, &held->timer, ms))
		return;
	if (!held->passed)
		evkv_op_nomem(held->op);
	held_end(held);
}

static void held_answered(struct evkv_op *child, void *arg)
{
	struct held *held = arg;

	held->waiting = false;
	if (child != NULL)
		evkv_op_take_all(held->op, child);
	else
		evkv_op_nomem(held->op);
	if (held->stopped || child == NULL)
		held_end(held);
	else if (held->rule.action == EVKV_FAULT_LOSE)
		held_lose(held);
	else if (held->rule.action == EVKV_FAULT_DELAY_AFTER)
		held_wait(held);
	else if (held->rule.action != EVKV_FAULT_MUTE)
		held_end(held);
}

static void held_pass(struct held *held)
{
	const uint32_t flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	struct evkv_request request = *evkv_op_request(held->op);

	request.flags &= ~flags;
	request.timeout_ms = 0; /* the operation's own deadline is enough */
	held->passed = held->waiting = true;
	evkv_child_submit(held->op, held->fault->inner, &request,
	    EVKV_CHILD_BORROWS, held_answered, held);
}

/* The time is over, before it passes or after. */
static void held_due(void *arg)
{
	struct held *held = arg;

	if (held->passed)
		held_end(held);
	else
		held_pass(held);
}

static void held_turn(void *arg)
{
	struct held *held = arg;

	if (--held->turns == 0)
		held_pass(held);
	else
		evkv_task_queue(held->fault->loop, &held->task);
}

static void held_begin(struct held *held)
{
	switch (held->rule.action) {
	case EVKV_FAULT_DELAY: held_wait(held); break;
	case EVKV_FAULT_REORDER:
		held->turns = (unsigned)evkv__fault_between(held->fault, 1,
		    held->rule.turns);
		evkv_task_queue(held->fault->loop, &held->task);
		break;
	case EVKV_FAULT_LOSE:
	case EVKV_FAULT_DELAY_AFTER:
	case EVKV_FAULT_MUTE: held_pass(held); break;
	default: /* DROP */ break;
	}
}

/* ---- The slots ---------------------------------------------------------- */

static enum evkv_verdict fault_fail(struct evkv_op *op,
    const struct evkv_fault_rule *rule)
{
	enum evkv_status status = rule->status;
	uint32_t classes = evkv_kind_classes(evkv_op_request(op)->kind);

	if (status == EVKV_UNKNOWN_OUTCOME &&
	    (classes & EVKV_CLASS_WRITES) == 0)
		status = EVKV_UNAVAILABLE;
	return evkv_op_fail(op, status, rule->cause, "fault: failed on demand");
}

static enum evkv_verdict fault_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct fault *fault = self;
	const struct evkv_fault_rule *rule = evkv__fault_draw(fault,
	    request->kind);
	struct held *held;

	if (rule == NULL)
		return evkv_op_forward(op, fault->inner, request);
	if (rule->action == EVKV_FAULT_FAIL)
		return fault_fail(op, rule);
	held = evkv_op_alloc(op, sizeof(*held));
	if (held == NULL)
		return evkv_op_nomem(op);
	*held = (struct held){
		.fault = fault,
		.op = op,
		.rule = *rule,
		.timer = { .run = held_due, .arg = held },
		.task = { .run = held_turn, .arg = held },
	};
	held_link(fault, held);
	evkv_op_set_data(op, held);
	held_begin(held);
	return EVKV_VERDICT_PENDING;
}

/* What is at a child goes on by the child's own stop. */
static void fault_stop(void *self, struct evkv_op *op)
{
	struct held *held = evkv_op_data(op);

	(void)self;
	held->stopped = true;
	if (!held->passed)
		evkv_op_cut(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	if (!held->waiting)
		held_end(held);
}

static void fault_free(void *self)
{
	struct fault *fault = self;

	evkv_task_cancel(fault->loop, &fault->release_task);
	evkv_free(fault->rules);
	evkv_free(fault);
}

/* ---- By text ------------------------------------------------------------ */

#define ROW(...) OPTION_ROW(struct evkv_fault_options, __VA_ARGS__)

static const struct evkv_url_option fault_options[] = {
	ROW("seed", seed, EVKV_URL_SIZE, 1, INT64_MAX,
	    "the seed of random choices", "by chance"),
	ROW("fail", fail_permille, EVKV_URL_INT, 1, 1000,
	    "the chance to fail, of 1000", NULL),
	ROW("lose", lose_permille, EVKV_URL_INT, 1, 1000,
	    "the chance to lose an answer, of 1000", NULL),
	ROW("drop", drop_permille, EVKV_URL_INT, 1, 1000,
	    "the chance to drop an operation, of 1000", NULL),
	ROW("reorder", reorder_permille, EVKV_URL_INT, 1, 1000,
	    "the chance to let others pass, of 1000", NULL),
	ROW("delay", delay_permille, EVKV_URL_INT, 1, 1000,
	    "the chance to delay, of 1000", NULL),
	ROW("delay_time", delay_ms, EVKV_URL_DURATION, 1, EVKV_TTL_MAX,
	    "a delay at most", "10ms"),
};

static struct evkv_store *fault_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	(void)type;
	return evkv_fault_new(making->inner[0], making->options, error);
}

const struct evkv_type evkv__fault_type = {
	.size = sizeof(struct evkv_type),
	.name = "fault",
	.summary = "fails, delays, loses and reorders on demand, for tests",
	.options = fault_options,
	.option_count = sizeof(fault_options) / sizeof(fault_options[0]),
	.options_size = sizeof(struct evkv_fault_options),
	.inner_min = 1,
	.inner_max = 1,
	.make = fault_make,
};

static void fault_describe(void *self, struct evkv_text *text)
{
	struct fault *fault = self;

	evkv_text_options(text, &evkv__fault_type, &fault->given);
}

static const struct evkv_vtable fault_vtable = {
	.size = sizeof(fault_vtable),
	.name = "fault",
	.flags = EVKV_VTABLE_TRANSPARENT | EVKV_VTABLE_KEEPS |
	    EVKV_VTABLE_ORDERED,
	.submit = fault_submit,
	.stop = fault_stop,
	.free = fault_free,
	.describe = fault_describe,
};

struct fault *evkv__fault_self(const struct evkv_store *store)
{
	return evkv_store_self(store, &fault_vtable);
}

/* ---- What tests ask ----------------------------------------------------- */

size_t evkv_fault_held(const struct evkv_store *store)
{
	const struct fault *fault = evkv__fault_self(store);

	return fault != NULL ? fault->held_count : 0;
}

/* One at a time, from the start: passing one may end others. */
static void fault_release(void *arg)
{
	struct fault *fault = arg;
	struct held *held = fault->held;

	while (held != NULL && held->waiting)
		held = held->next;
	if (held == NULL)
		return;
	evkv_task_queue(fault->loop, &fault->release_task);
	evkv_timer_cancel(fault->loop, &held->timer);
	evkv_task_cancel(fault->loop, &held->task);
	/* From here on it is one that was delayed and has come due. */
	held->rule.action = EVKV_FAULT_DELAY;
	held_due(held);
}

void evkv_fault_release(struct evkv_store *store)
{
	struct fault *fault = evkv__fault_self(store);
	struct held *held;

	if (fault == NULL)
		return;
	/* What is at its child now is not held again when that has ended. */
	for (held = fault->held; held != NULL; held = held->next) {
		if (held->waiting && held->rule.action != EVKV_FAULT_LOSE)
			held->rule.action = EVKV_FAULT_DELAY;
	}
	evkv_task_queue(fault->loop, &fault->release_task);
}

/* ---- Making ------------------------------------------------------------- */

static struct fault *fault_self_new(struct evkv_store *inner,
    const struct evkv_fault_options *options)
{
	struct fault *fault = evkv_calloc(1, sizeof(*fault));

	if (fault == NULL)
		return NULL;
	fault->loop = evkv_store_loop(inner);
	fault->inner = inner;
	fault->given = *options;
	fault->tail = &fault->held;
	fault->release_task.run = fault_release;
	fault->release_task.arg = fault;
	fault->random = options->seed != 0 ? options->seed
					   : evkv_loop_random(fault->loop);
	if (evkv__fault_options(fault, options))
		return fault;
	fault_free(fault);
	return NULL;
}

struct evkv_store *evkv_fault_new_sized(struct evkv_store *inner,
    const struct evkv_fault_options *given, size_t size,
    struct evkv_error *error)
{
	const struct evkv_store_config config = {
		.inner = &inner,
		.inner_count = 1,
	};
	struct evkv_fault_options options;

	if (!evkv__wrapper_options(&evkv__fault_type, inner, &options, given,
		size, error))
		return NULL;
	return evkv_store_create(NULL, &fault_vtable,
	    inner != NULL ? fault_self_new(inner, &options) : NULL, &config,
	    error);
}
