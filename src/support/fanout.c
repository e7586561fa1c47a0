/*
 * support/fanout.c - one operation as many steps: see evkv/fanout.h.
 *
 * Happy path: fanout_run() begins steps until next() has no more or enough are
 * under way; each that ends has it called again. Where a step ends inside the
 * call that began it, the loop further up the stack goes on.
 *
 * Failure modes: the first failure of a step is that of the op; BUSY is none as
 * long as another step is under way, after which it is tried again, with fewer
 * at a time. Once the op is detached nothing more begins.
 */
#include "evkv/fanout.h"

#include <string.h>

#define FANOUT_MOST 8
#define FANOUT_MOST_EVER 64
#define FANOUT_BUDGET 64

enum step_state {
	STEP_FREE,
	STEP_ASKED, /* its child is under way */
	STEP_AGAIN, /* to be asked for its next page, or once more */
};

struct fanout_step {
	struct evkv_fanout *fanout;
	void *item;
	enum step_state state;
	struct evkv_slice cursor; /* allocated; where it goes on */
};

struct evkv_fanout {
	struct evkv_op *op;
	struct evkv_fanout_hooks hooks;
	void *arg;
	unsigned under_way;
	unsigned most; /* at a time */
	bool failed;   /* the answer is in the op */
	bool running;  /* fanout_run() is on the stack */
	int64_t affected;
	struct evkv_task task; /* goes on in a later turn */
	size_t count;
	struct fanout_step steps[];
};

static void fanout_run(struct evkv_fanout *fanout);

static bool fanout_writes(const struct evkv_fanout *fanout)
{
	return (evkv_kind_classes(evkv_op_result(fanout->op)->kind) &
		   EVKV_CLASS_WRITES) != 0;
}

/* ---- Failing ------------------------------------------------------------- */

void evkv_fanout_fail(struct evkv_fanout *fanout, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	if (fanout->failed)
		return;
	fanout->failed = true;
	evkv_op_cut(fanout->op, status, cause, message);
}

static void fail_as(struct evkv_fanout *fanout,
    const struct evkv_result *result)
{
	if (fanout->failed)
		return;
	evkv_fanout_fail(fanout, result->status, result->cause,
	    result->message);
	evkv_op_explain(fanout->op, result->cause, result->sys_error, NULL);
}

/*
 * One that had failed without effect has had one, or may have, by a step that
 * ended later.
 */
static void fail_with_effect(struct evkv_fanout *fanout)
{
	const struct evkv_result *result = evkv_op_result(fanout->op);

	evkv_op_mark_sent(fanout->op);
	if (result->status != EVKV_UNKNOWN_OUTCOME)
		evkv_op_cut(fanout->op, result->status, result->cause,
		    result->message);
}

/* ---- Steps --------------------------------------------------------------- */

static void drop_cursor(struct fanout_step *step)
{
	evkv_free((void *)(uintptr_t)step->cursor.data);
	step->cursor = evkv_bytes(NULL, 0);
}

/* Remember where the next page begins. */
static void go_on_at(struct fanout_step *step, struct evkv_slice cursor)
{
	char *copy = evkv_malloc(cursor.size);

	if (copy == NULL) {
		fail_as(step->fanout, evkv_op_result(NULL));
		return;
	}
	memcpy(copy, cursor.data, cursor.size);
	step->cursor = evkv_bytes(copy, cursor.size);
	step->state = STEP_AGAIN;
}

static void count_affected(struct evkv_fanout *fanout, int64_t affected)
{
	if (affected < 0)
		fanout->affected = -1;
	else if (fanout->affected >= 0)
		fanout->affected += affected;
}

static void step_answered(struct fanout_step *step, struct evkv_op *child)
{
	const struct evkv_result *result = evkv_op_result(child);
	struct evkv_fanout *fanout = step->fanout;

	step->state = STEP_FREE;
	drop_cursor(step);
	if (evkv_failed(result->status)) {
		fail_as(fanout, result);
		if (result->status == EVKV_UNKNOWN_OUTCOME)
			fail_with_effect(fanout);
	} else if (fanout->failed) {
		if (result->affected != 0)
			fail_with_effect(fanout);
	} else {
		count_affected(fanout, result->affected);
		if (fanout->hooks.came(fanout->arg, step->item, child) &&
		    result->cursor.size > 0)
			go_on_at(step, result->cursor);
	}
	if (step->state == STEP_FREE && fanout->hooks.over != NULL)
		fanout->hooks.over(fanout->arg, step->item);
}

static void step_came(struct evkv_op *child, void *arg)
{
	struct fanout_step *step = arg;
	struct evkv_fanout *fanout = step->fanout;

	fanout->under_way--;
	if (evkv_op_result(child)->status == EVKV_BUSY &&
	    fanout->under_way > 0 && !fanout->failed) {
		/* There is room for fewer: once more when one has ended. */
		fanout->most = fanout->under_way;
		step->state = STEP_AGAIN;
	} else {
		step_answered(step, child);
	}
	fanout_run(fanout);
}

static void step_ask(struct fanout_step *step)
{
	struct evkv_fanout *fanout = step->fanout;
	struct evkv_fanout_ask ask;

	memset(&ask, 0, sizeof(ask));
	ask.request.match.cursor = step->cursor;
	step->state = STEP_ASKED;
	fanout->under_way++;
	fanout->hooks.ask(fanout->arg, step->item, &ask);
	evkv_child_submit(fanout->op, ask.store, &ask.request, ask.flags,
	    step_came, step);
}

static struct fanout_step *step_in(struct evkv_fanout *fanout,
    enum step_state state)
{
	size_t i;

	for (i = 0; i < fanout->count; i++) {
		if (fanout->steps[i].state == state)
			return &fanout->steps[i];
	}
	return NULL;
}

/* ---- Going on ------------------------------------------------------------ */

/*
 * The step to be asked now, if there is one, else what is to happen instead:
 * what the hook says, or WAIT where enough are under way.
 */
static enum evkv_fanout_next pick(struct evkv_fanout *fanout,
    struct fanout_step **step)
{
	if (fanout->under_way >= fanout->most)
		return EVKV_FANOUT_WAIT;
	*step = step_in(fanout, STEP_AGAIN);
	if (*step != NULL)
		return EVKV_FANOUT_STEP;
	*step = step_in(fanout, STEP_FREE);
	return fanout->hooks.next(fanout->arg, &(*step)->item);
}

/* Begin what may begin now; false when nothing is left to begin. */
static bool begin_steps(struct evkv_fanout *fanout)
{
	unsigned budget = fanout->hooks.budget;
	enum evkv_fanout_next next;
	struct fanout_step *step;

	while (!fanout->failed) {
		if (evkv_op_detached(fanout->op)) {
			/* The op is detached: nothing more is wanted. */
			evkv_fanout_fail(fanout, EVKV_CANCELED,
			    EVKV_CAUSE_CANCELED, NULL);
			break;
		}
		if (budget-- == 0) {
			evkv_task_queue(evkv_op_loop(fanout->op),
			    &fanout->task);
			return true;
		}
		next = pick(fanout, &step);
		if (next == EVKV_FANOUT_WAIT)
			return true;
		if (next == EVKV_FANOUT_END)
			return fanout->under_way > 0;
		step_ask(step);
	}
	return false;
}

static void fanout_finish(struct evkv_fanout *fanout)
{
	struct evkv_op *op = fanout->op;
	struct fanout_step *step;

	evkv_task_cancel(evkv_op_loop(op), &fanout->task);
	/* One that was to go on, when another failed. */
	while ((step = step_in(fanout, STEP_AGAIN)) != NULL) {
		drop_cursor(step);
		step->state = STEP_FREE;
		if (fanout->hooks.over != NULL)
			fanout->hooks.over(fanout->arg, step->item);
	}
	if (!fanout->failed && fanout_writes(fanout))
		evkv_op_set_affected(op, fanout->affected);
	fanout->hooks.finish(fanout->arg, op, fanout->failed);
	evkv_op_complete(op);
}

static void fanout_run(struct evkv_fanout *fanout)
{
	bool more;

	if (fanout->running)
		return;
	fanout->running = true;
	more = begin_steps(fanout);
	fanout->running = false;
	if (!more && fanout->under_way == 0)
		fanout_finish(fanout);
}

static void fanout_run_later(void *arg)
{
	fanout_run(arg);
}

/* ---- Beginning ----------------------------------------------------------- */

static void read_hooks(struct evkv_fanout_hooks *ours,
    const struct evkv_fanout_hooks *given)
{
	memset(ours, 0, sizeof(*ours));
	memcpy(ours, given,
	    given->size < sizeof(*ours) ? given->size : sizeof(*ours));
	if (ours->most == 0)
		ours->most = FANOUT_MOST;
	if (ours->most > FANOUT_MOST_EVER)
		ours->most = FANOUT_MOST_EVER;
	if (ours->budget == 0)
		ours->budget = FANOUT_BUDGET;
}

struct evkv_fanout *evkv_fanout_new(struct evkv_op *op,
    const struct evkv_fanout_hooks *given, void *arg)
{
	struct evkv_fanout_hooks hooks;
	struct evkv_fanout *fanout;
	size_t size, i;

	read_hooks(&hooks, given);
	size = sizeof(*fanout) + hooks.most * sizeof(struct fanout_step);
	fanout = evkv_op_keep(op) ? evkv_op_alloc(op, size) : NULL;
	if (fanout == NULL)
		return NULL;
	memset(fanout, 0, size);
	fanout->op = op;
	fanout->hooks = hooks;
	fanout->arg = arg;
	fanout->most = hooks.most;
	fanout->count = hooks.most;
	fanout->task.run = fanout_run_later;
	fanout->task.arg = fanout;
	for (i = 0; i < fanout->count; i++)
		fanout->steps[i].fanout = fanout;
	return fanout;
}

enum evkv_verdict evkv_fanout_go(struct evkv_fanout *fanout)
{
	fanout_run(fanout);
	return EVKV_VERDICT_PENDING;
}
