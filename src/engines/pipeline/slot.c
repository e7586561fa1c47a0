/*
 * engines/pipeline/slot.c - slots: submitted, waiting, stopped, ended.
 *
 * A slot is on one list at a time. Those that end go to the list `ending`
 * first, in their order, and end() is called from there, one by one: whatever
 * the driver does in end(), the lists are as they should be.
 */
#include "engines/pipeline/pipeline.h"

#include <errno.h>

#define AGE_STEP_US 10000
#define ENDING_MASK ((UINT32_C(1) << END_SHIFT) - 1)

/* ---- Lists ------------------------------------------------------------- */

void evkv__pipe_slots_append(struct slots *slots, struct evkv_slot *slot,
    enum slot_place place)
{
	slot->place = place;
	slot->next = NULL;
	slot->prev = slots->last;
	if (slots->last != NULL)
		slots->last->next = slot;
	else
		slots->first = slot;
	slots->last = slot;
	slots->count++;
}

void evkv__pipe_slots_remove(struct slots *slots, struct evkv_slot *slot)
{
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		slots->first = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		slots->last = slot->prev;
	slots->count--;
	slot->place = PLACE_NONE;
}

void evkv__pipe_outstanding_remove(struct evkv_pipeline *p,
    struct evkv_slot *slot)
{
	if (p->unsent == slot)
		p->unsent = slot->next;
	if ((slot->bits & SLOT_DEAD) != 0)
		p->holes--;
	if ((slot->bits & SLOT_STOPPED) != 0)
		p->tombstones--;
	evkv__pipe_slots_remove(&p->outstanding, slot);
}

void evkv__pipe_waiting_remove(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	evkv__pipe_slots_remove(&p->waiting, slot);
	p->waiting_bytes -= slot->size;
}

/* ---- Ending ------------------------------------------------------------ */

/* The slot is on no list. */
void evkv__pipe_slot_ends(struct evkv_pipeline *p, struct evkv_slot *slot,
    enum end_reason reason)
{
	slot->bits = (slot->bits & ENDING_MASK) | (uint32_t)reason << END_SHIFT;
	evkv__pipe_slots_append(&p->ending, slot, PLACE_ENDING);
}

/*
 * Must be called before the output is dropped: it says what was sent. From
 * here on `end` is the number of a slot's bytes that were.
 */
void evkv__pipe_outstanding_end(struct evkv_pipeline *p, enum end_reason reason)
{
	struct evkv_slot *slot;

	while ((slot = p->outstanding.first) != NULL) {
		evkv__pipe_outstanding_remove(p, slot);
		if (slot->end > p->sent)
			slot->end = slot->begin > p->sent ? slot->begin
							  : p->sent;
		evkv__pipe_slot_ends(p, slot, reason);
	}
}

void evkv__pipe_waiting_end(struct evkv_pipeline *p, enum end_reason reason)
{
	struct evkv_slot *slot;

	while ((slot = p->waiting.first) != NULL) {
		evkv__pipe_waiting_remove(p, slot);
		evkv__pipe_slot_ends(p, slot, reason);
	}
}

void evkv__pipe_watching_end(struct evkv_pipeline *p, enum end_reason reason)
{
	struct evkv_slot *slot;

	while ((slot = p->watching.first) != NULL) {
		evkv__pipe_slots_remove(&p->watching, slot);
		evkv__pipe_slot_ends(p, slot, reason);
	}
}

static const struct evkv_slot_end slot_ends[] = {
	[END_STOPPED] = { .status = EVKV_CANCELED,
	    .cause = EVKV_CAUSE_CANCELED,
	    .message = "canceled" },
	[END_CLOSED] = { .status = EVKV_CLOSED,
	    .cause = EVKV_CAUSE_CLOSED,
	    .message = "the store was closed" },
	[END_NOMEM] = { .status = EVKV_NOMEM,
	    .cause = EVKV_CAUSE_NOMEM,
	    .message = "out of memory" },
	[END_READY] = { .fate = EVKV_SLOT_ANSWERED, .message = "" },
};

/* Only the slot whose reply was being parsed gets the failure's own status. */
static void slot_end_lost(const struct evkv_pipeline *p,
    const struct evkv_slot *slot, struct evkv_slot_end *end)
{
	const struct failure *failure = &p->failure;
	bool own = failure->denied || (slot->bits & SLOT_SUSPECT) != 0 ||
	    failure->status == EVKV_NOMEM;

	end->status = own ? failure->status : EVKV_UNAVAILABLE;
	end->cause = failure->cause;
	end->sys_error = failure->sys_error;
	end->message = failure->message;
}

static void slot_end_fill(const struct evkv_pipeline *p,
    const struct evkv_slot *slot, struct evkv_slot_end *end)
{
	enum end_reason reason = (enum end_reason)(slot->bits >> END_SHIFT);

	if (reason == END_LOST || reason == END_OFFLINE) {
		*end = (struct evkv_slot_end){ .status = EVKV_OK };
		slot_end_lost(p, slot, end);
		if (reason == END_OFFLINE && end->status != EVKV_NOMEM) {
			end->status = EVKV_UNAVAILABLE;
			end->cause = EVKV_CAUSE_OFFLINE;
		}
	} else {
		*end = slot_ends[reason];
	}
	if (reason == END_READY)
		return;
	end->fate = (slot->bits & SLOT_MARKED) != 0 ? EVKV_SLOT_SENT
						    : EVKV_SLOT_UNSENT;
	end->sent = (size_t)(slot->end - slot->begin);
}

void evkv__pipe_ending_run(struct evkv_pipeline *p)
{
	struct evkv_slot_end end;
	struct evkv_slot *slot;

	if (p->ending.first == NULL)
		return;
	evkv__pipe_enter(p);
	while ((slot = p->ending.first) != NULL) {
		slot_end_fill(p, slot, &end);
		evkv__pipe_slots_remove(&p->ending, slot);
		p->protocol->end(p->self, slot, &end);
	}
	evkv__pipe_leave(p);
}

void evkv__pipe_answered(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	static const struct evkv_slot_end answered = {
		.fate = EVKV_SLOT_ANSWERED,
		.message = "",
	};

	if ((slot->flags & EVKV_SLOT_HANDSHAKE) == 0)
		p->proven = true;
	evkv__pipe_outstanding_remove(p, slot);
	p->protocol->end(p->self, slot, &answered);
}

enum evkv_verdict evkv_slot_fail(struct evkv_op *op,
    const struct evkv_slot_end *end)
{
	evkv_op_cut(op, end->status, end->cause, end->message);
	evkv_op_explain(op, end->cause, end->sys_error, NULL);
	return EVKV_VERDICT_DONE;
}

/* ---- Waiting for a connection ------------------------------------------ */

/*
 * When a slot has waited for long enough. Where the server is known to be dead,
 * an operation with a deadline ends so before that: an eighth of its time
 * is left out. While it waits, `mark` is that moment; 0 = not yet known, for
 * deadlines are set when submit() has returned.
 */
static void slot_due_set(const struct evkv_pipeline *p, struct evkv_slot *slot)
{
	int64_t deadline_us = 0;

	slot->mark = UINT64_MAX;
	if (p->options.max_offline_ms >= 0)
		slot->mark = (uint64_t)(slot->since_us +
		    p->options.max_offline_ms * 1000);
	if (p->down && slot->op != NULL)
		deadline_us = evkv_op_deadline_us(slot->op);
	if (deadline_us == 0)
		return;
	deadline_us -= (deadline_us - slot->since_us) / 8;
	if ((uint64_t)deadline_us < slot->mark)
		slot->mark = (uint64_t)deadline_us;
}

static void slot_age_arm(struct evkv_pipeline *p, uint64_t due_us)
{
	int64_t left_us = (int64_t)due_us - evkv_loop_now_us(p->loop);

	if (due_us == UINT64_MAX || p->phase == PHASE_READY ||
	    (p->age_set && p->age_due_us <= due_us))
		return;
	p->age_due_us = due_us;
	p->age_set = evkv_timer_set(p->loop, &p->age,
	    left_us > 0 ? (left_us + 999) / 1000 : 0);
}

/* The youngest have come since the last look. */
void evkv__pipe_age_look(struct evkv_pipeline *p)
{
	uint64_t due_us = UINT64_MAX;
	struct evkv_slot *slot;

	for (slot = p->waiting.last; slot != NULL && slot->mark == 0;
	     slot = slot->prev) {
		slot_due_set(p, slot);
		if (slot->mark < due_us)
			due_us = slot->mark;
	}
	slot_age_arm(p, due_us);
}

/* What was found out about the connection changes how long they wait. */
void evkv__pipe_age_renew(struct evkv_pipeline *p)
{
	struct evkv_slot *slot;

	for (slot = p->waiting.first; slot != NULL; slot = slot->next)
		slot->mark = 0;
	evkv__pipe_age_look(p);
}

static void slot_age_end(struct evkv_pipeline *p, uint64_t now_us)
{
	uint64_t due_us = UINT64_MAX;
	struct evkv_slot *slot, *next;

	for (slot = p->waiting.first; slot != NULL; slot = next) {
		next = slot->next;
		/* Again where it is due: what it is for may have grown. */
		if (slot->mark <= now_us)
			slot_due_set(p, slot);
		if (slot->mark <= now_us) {
			evkv__pipe_waiting_remove(p, slot);
			evkv__pipe_slot_ends(p, slot, END_OFFLINE);
		} else if (slot->mark < due_us) {
			due_us = slot->mark;
		}
	}
	/* Not more often, for all of them are looked at. */
	if (due_us < now_us + AGE_STEP_US)
		due_us = now_us + AGE_STEP_US;
	slot_age_arm(p, due_us);
}

void evkv__pipe_age_run(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	p->age_set = false;
	if (p->phase != PHASE_READY) {
		if (p->failure.status == EVKV_OK)
			evkv__pipe_set_failure(p, EVKV_UNAVAILABLE,
			    EVKV_CAUSE_OFFLINE, ETIMEDOUT,
			    "no connection within %lld ms (max_offline_ms)",
			    (long long)p->options.max_offline_ms);
		slot_age_end(p, (uint64_t)evkv_loop_now_us(p->loop));
		evkv__pipe_ending_run(p);
	}
	evkv__pipe_leave(p);
}

/*
 * What waits now waited for room in the output: the offline bounds begin to
 * hold, and the youngest go first, so that order is kept.
 */
void evkv__pipe_waiting_offline(struct evkv_pipeline *p)
{
	int64_t now_us = evkv_loop_now_us(p->loop);
	struct evkv_slot *slot;

	for (slot = p->waiting.first; slot != NULL; slot = slot->next)
		slot->since_us = now_us;
	while ((slot = p->waiting.last) != NULL &&
	    (p->waiting.count > p->options.max_offline_slots ||
		p->waiting_bytes > p->options.max_offline_bytes)) {
		evkv__pipe_waiting_remove(p, slot);
		evkv__pipe_slot_ends(p, slot, END_LOST);
	}
}

void evkv__pipe_waiting_online(struct evkv_pipeline *p)
{
	evkv_timer_cancel(p->loop, &p->age);
	p->age_set = false;
}

/* ---- Submitting -------------------------------------------------------- */

static const struct evkv_slot_end *slot_refuse(struct evkv_pipeline *p,
    enum end_reason reason)
{
	p->answer = slot_ends[reason];
	p->answer.fate = EVKV_SLOT_UNSENT;
	return &p->answer;
}

static const struct evkv_slot_end *slot_refuse_down(struct evkv_pipeline *p)
{
	static const struct evkv_slot none = { .bits = 0 };

	p->answer = (struct evkv_slot_end){ .fate = EVKV_SLOT_UNSENT };
	slot_end_lost(p, &none, &p->answer);
	return &p->answer;
}

static const struct evkv_slot_end *slot_refuse_full(struct evkv_pipeline *p)
{
	const char *option = p->waiting.count >= p->options.max_offline_slots
	    ? "too many operations wait for a connection (max_offline)"
	    : "too many bytes wait for a connection (max_offline_bytes)";

	p->answer = (struct evkv_slot_end){
		.fate = EVKV_SLOT_UNSENT,
		.status = EVKV_BUSY,
		.cause = EVKV_CAUSE_OVERLOAD,
		.sys_error = p->failure.sys_error,
		.message = p->failure.status != EVKV_OK ? p->failure.message
							: option,
	};
	return &p->answer;
}

/* Whether the slot may wait; if not, p->answer says why. */
static bool slot_may_wait(struct evkv_pipeline *p, const struct evkv_slot *slot)
{
	const struct evkv_pipeline_options *options = &p->options;

	if (p->phase == PHASE_READY)
		return true;
	if (p->down && (options->fail_fast || p->failure.denied)) {
		slot_refuse_down(p);
		return false;
	}
	if (p->waiting.count >= options->max_offline_slots ||
	    slot->size > options->max_offline_bytes - p->waiting_bytes) {
		slot_refuse_full(p);
		return false;
	}
	return true;
}

static const struct evkv_slot_end *slot_wait_for_turn(struct evkv_pipeline *p,
    struct evkv_slot *slot)
{
	if (!slot_may_wait(p, slot))
		return &p->answer;
	if (slot->op != NULL && (slot->flags & EVKV_SLOT_KEPT) == 0) {
		if (!evkv_op_keep(slot->op))
			return slot_refuse(p, END_NOMEM);
		slot->flags |= EVKV_SLOT_KEPT;
	}
	slot->since_us = evkv_loop_now_us(p->loop);
	slot->mark = 0;
	evkv__pipe_slots_append(&p->waiting, slot, PLACE_WAITING);
	p->waiting_bytes += slot->size;
	evkv_task_queue(p->loop, &p->turn);
	return NULL;
}

static bool slot_may_encode(const struct evkv_pipeline *p,
    const struct evkv_slot *slot)
{
	if ((slot->flags & EVKV_SLOT_HANDSHAKE) != 0)
		return p->phase == PHASE_HANDSHAKE && !p->failing;
	return p->phase == PHASE_READY && !p->failing &&
	    p->waiting.first == NULL &&
	    evkv__pipe_output_size(p) < p->options.max_output_bytes;
}

/* The turn begins what is not begun, and a try that got no timer. */
static bool slot_wants_turn(const struct evkv_pipeline *p)
{
	return p->phase == PHASE_READY || p->phase == PHASE_IDLE ||
	    (p->phase == PHASE_BACKOFF && !p->timer_set);
}

const struct evkv_slot_end *evkv_pipeline_submit(struct evkv_pipeline *p,
    struct evkv_slot *slot)
{
	const struct evkv_slot_end *why = NULL;

	slot->bits = 0;
	slot->begin = slot->end = 0;
	if (p->phase == PHASE_CLOSED)
		return slot_refuse(p, END_CLOSED);
	if (slot->op != NULL && evkv_op_detached(slot->op))
		return slot_refuse(p, END_STOPPED);
	evkv__pipe_hurry(p);
	if ((slot->flags & EVKV_SLOT_WAIT_READY) != 0) {
		evkv__pipe_slots_append(&p->watching, slot, PLACE_WATCHING);
	} else if (slot_may_encode(p, slot)) {
		if (!evkv__pipe_encode(p, slot))
			return slot_refuse(p, END_NOMEM);
	} else if ((slot->flags & EVKV_SLOT_HANDSHAKE) != 0) {
		return slot_refuse(p, END_STOPPED);
	} else {
		why = slot_wait_for_turn(p, slot);
	}
	if (why == NULL && slot_wants_turn(p))
		evkv_task_queue(p->loop, &p->turn);
	return why;
}

/* ---- Stopping ---------------------------------------------------------- */

/* The last of the output is taken back; what is further in becomes a hole. */
static bool slot_stop_unsent(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	if (slot->end == evkv__pipe_output_end(p)) {
		p->out.tail -= (size_t)(slot->end - slot->begin);
		evkv__pipe_outstanding_remove(p, slot);
		return true;
	}
	slot->bits |= SLOT_DEAD;
	p->holes++;
	return false;
}

static bool slot_stop_outstanding(struct evkv_pipeline *p,
    struct evkv_slot *slot)
{
	if ((slot->bits & SLOT_STOPPED) != 0)
		return false;
	slot->bits |= SLOT_STOPPED;
	p->tombstones++;
	if (slot->begin >= p->sent + p->net.offered &&
	    slot->end > slot->begin && (slot->flags & EVKV_SLOT_JOINED) == 0)
		return slot_stop_unsent(p, slot);
	/* The server must get the rest: it counts as sent from now on. */
	if ((slot->bits & SLOT_MARKED) == 0) {
		slot->bits |= SLOT_MARKED;
		if (slot->op != NULL && (slot->flags & EVKV_SLOT_READS) == 0)
			evkv_op_mark_sent(slot->op);
	}
	return false;
}

bool evkv_pipeline_stop(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	switch ((enum slot_place)slot->place) {
	case PLACE_WAITING: evkv__pipe_waiting_remove(p, slot); return true;
	case PLACE_WATCHING:
		evkv__pipe_slots_remove(&p->watching, slot);
		return true;
	case PLACE_OUTSTANDING: return slot_stop_outstanding(p, slot);
	case PLACE_NONE:
	case PLACE_ENDING: break;
	}
	return false;
}
