/*
 * engines/pipeline/turn.c - what is done once a turn, and once in a while.
 *
 * The turn is a task that runs after the callbacks: what was submitted in it is
 * sent by one call. The tick looks after silent servers and idle buffers.
 */
#include "engines/pipeline/pipeline.h"

#include <errno.h>

#define TICK_DEFAULT_MS 10000
#define IDLE_BUFFERS 32768 /* bytes that are not worth a tick */

static void turn_encode_waiting(struct evkv_pipeline *p)
{
	struct evkv_slot *slot;

	while (p->phase == PHASE_READY && !p->failing &&
	    (slot = p->waiting.first) != NULL &&
	    evkv__pipe_output_size(p) < p->options.max_output_bytes) {
		evkv__pipe_waiting_remove(p, slot);
		if (!evkv__pipe_encode(p, slot))
			evkv__pipe_slot_ends(p, slot, END_NOMEM);
	}
	evkv__pipe_ending_run(p);
}

/* The end of a turn: what was submitted in it is sent. */
void evkv__pipe_turn_run(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	if (p->phase == PHASE_IDLE ||
	    (p->phase == PHASE_BACKOFF && !p->timer_set))
		evkv__pipe_attempt(p);
	if (p->phase != PHASE_READY && p->phase != PHASE_CLOSED)
		evkv__pipe_age_look(p);
	if (p->phase == PHASE_READY) {
		evkv__pipe_watching_end(p, END_READY);
		evkv__pipe_ending_run(p);
		turn_encode_waiting(p);
	}
	if (evkv__pipe_linked(p) && !p->failing && !p->net.write_armed)
		evkv__pipe_flush(p);
	if (evkv__pipe_linked(p) && !p->failing && evkv__net_has_more(&p->net))
		evkv__pipe_input(p, INPUT_PIECE);
	if (p->phase == PHASE_READY && p->waiting.first != NULL &&
	    !p->net.write_armed)
		evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_leave(p);
}

void evkv__pipe_tick_arm(struct evkv_pipeline *p)
{
	int64_t delay_ms = p->options.stall_timeout_ms;

	p->progress_us = evkv_loop_now_us(p->loop);
	p->tick_set = evkv_timer_set(p->loop, &p->tick,
	    delay_ms > 0 ? delay_ms : TICK_DEFAULT_MS);
}

/* Silent for too long? What can be read already is read before that is said. */
static bool turn_stalled(struct evkv_pipeline *p)
{
	int64_t limit_us = p->options.stall_timeout_ms * 1000;

	if (limit_us <= 0 || p->outstanding.first == NULL ||
	    !evkv__pipe_linked(p) ||
	    evkv_loop_now_us(p->loop) - p->progress_us < limit_us)
		return false;
	evkv__pipe_input(p, INPUT_LATE);
	return evkv__pipe_linked(p) && !p->failing &&
	    p->outstanding.first != NULL &&
	    evkv_loop_now_us(p->loop) - p->progress_us >= limit_us;
}

static void turn_tick_again(struct evkv_pipeline *p)
{
	int64_t delay_ms = p->options.stall_timeout_ms;

	if (delay_ms <= 0)
		delay_ms = TICK_DEFAULT_MS;
	else if (p->outstanding.first != NULL)
		delay_ms -= (evkv_loop_now_us(p->loop) - p->progress_us) / 1000;
	p->tick_set = evkv_timer_set(p->loop, &p->tick,
	    delay_ms > 0 ? delay_ms : 1);
}

void evkv__pipe_tick_run(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	p->tick_set = false;
	if (turn_stalled(p)) {
		evkv__pipe_set_failure(p, EVKV_UNAVAILABLE, EVKV_CAUSE_STALL,
		    ETIMEDOUT,
		    "the server has been silent for %lld ms "
		    "(stall_timeout_ms)",
		    (long long)p->options.stall_timeout_ms);
		evkv__pipe_give_up(p);
	} else if (evkv__pipe_linked(p)) {
		evkv__pipe_buffer_trim(&p->in);
		evkv__pipe_buffer_trim(&p->out);
		if (p->outstanding.first != NULL ||
		    p->in.size + p->out.size > IDLE_BUFFERS)
			turn_tick_again(p);
	}
	evkv__pipe_leave(p);
}

void evkv__pipe_stream_reset(struct evkv_pipeline *p)
{
	evkv_timer_cancel(p->loop, &p->tick);
	p->tick_set = false;
	evkv__pipe_buffer_free(&p->in);
	evkv__pipe_buffer_free(&p->out);
	p->sent = 0;
	p->unsent = NULL;
	p->open = false;
	p->holes = 0;
	p->burst = p->last_burst = 0;
}
