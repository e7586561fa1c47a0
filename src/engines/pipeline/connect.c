/*
 * engines/pipeline/connect.c - the states: from nothing to ready, and back.
 *
 * One timer serves the try (whose whole is bounded by connect_timeout_ms, and
 * each of several addresses by its share of what is left) and the pause after
 * it.
 */
#include "engines/pipeline/pipeline.h"

#include <errno.h>
#include <string.h>

#define NAME_FRESH_US 1000000

static int64_t connect_left_ms(const struct evkv_pipeline *p)
{
	int64_t left_us = p->attempt_end_us - evkv_loop_now_us(p->loop);

	return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

/* A try without its timer could last forever. */
static bool connect_timer_arm(struct evkv_pipeline *p, int64_t delay_ms)
{
	p->timer_set = evkv_timer_set(p->loop, &p->timer, delay_ms);
	if (p->timer_set)
		return true;
	evkv__pipe_set_no_memory(p);
	evkv__pipe_give_up(p);
	return false;
}

static void connect_net_failed(struct evkv_pipeline *p)
{
	evkv__pipe_set_failure_net(p);
	evkv__pipe_give_up(p);
}

static void connect_address_failed(struct evkv_pipeline *p)
{
	evkv__pipe_set_failure_net(p);
	evkv__net_close(&p->net);
}

/* ---- The transport ----------------------------------------------------- */

static void connect_transport_up(struct evkv_pipeline *p)
{
	p->phase = PHASE_HANDSHAKE;
	evkv__pipe_enter(p);
	p->protocol->connected(p->self);
	if (evkv__pipe_linked(p))
		evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_leave(p);
}

static void connect_tls_result(struct evkv_pipeline *p, enum net_step step)
{
	if (step == NET_STEP_DONE)
		connect_transport_up(p);
	else if (step == NET_STEP_FAILED)
		connect_net_failed(p);
}

/* The rest of the time belongs to this address. */
static void connect_done(struct evkv_pipeline *p)
{
	if (!connect_timer_arm(p, connect_left_ms(p)))
		return;
	if (!evkv__net_watch_writing(&p->net, false) ||
	    !evkv__net_watch_reading(&p->net)) {
		connect_net_failed(p);
		return;
	}
	if (p->options.tls == NULL) {
		connect_transport_up(p);
		return;
	}
	p->phase = PHASE_TLS;
	connect_tls_result(p,
	    evkv__net_tls_start(&p->net, p->options.tls, p->host));
}

void evkv__pipe_readable(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	if (p->phase == PHASE_TLS)
		connect_tls_result(p, evkv__net_tls_step(&p->net));
	else
		evkv__pipe_input(p, evkv__pipe_input_extent(p));
	if (p->net.write_wants_read && evkv__pipe_linked(p) && !p->failing) {
		p->net.write_wants_read = false;
		evkv__pipe_flush(p);
	}
	evkv__pipe_leave(p);
}

/* ---- The addresses, in turn -------------------------------------------- */

static void connect_next(struct evkv_pipeline *p)
{
	enum net_step step = NET_STEP_FAILED;
	size_t shares;

	p->phase = PHASE_CONNECTING;
	while (step == NET_STEP_FAILED && p->address_next < p->address_count) {
		step = evkv__net_connect(&p->net,
		    &p->addresses[p->address_next++]);
		if (step == NET_STEP_DONE && !evkv__net_connected(&p->net))
			step = NET_STEP_FAILED;
		if (step == NET_STEP_FAILED)
			connect_address_failed(p);
	}
	if (step == NET_STEP_FAILED) {
		evkv__pipe_give_up(p);
		return;
	}
	if (step == NET_STEP_DONE) {
		connect_done(p);
		return;
	}
	shares = p->address_count - p->address_next + 1;
	if (connect_timer_arm(p, connect_left_ms(p) / (int64_t)shares) &&
	    !evkv__net_watch_writing(&p->net, true))
		connect_net_failed(p);
}

void evkv__pipe_writable(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	if (p->phase == PHASE_CONNECTING) {
		/* It has succeeded or failed. */
		if (evkv__net_connected(&p->net)) {
			connect_done(p);
		} else {
			connect_address_failed(p);
			connect_next(p);
		}
	} else if (p->phase == PHASE_TLS) {
		connect_tls_result(p, evkv__net_tls_step(&p->net));
	}
	if (evkv__pipe_linked(p) && p->net.read_wants_write)
		evkv__pipe_input(p, INPUT_PIECE);
	if (evkv__pipe_linked(p) && !p->failing)
		evkv__pipe_flush(p);
	if (p->phase == PHASE_READY && p->waiting.first != NULL)
		evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_leave(p);
}

static void connect_resolved(const struct evkv_lookup_result *result, void *arg)
{
	struct evkv_pipeline *p = arg;

	p->lookup = NULL;
	evkv__pipe_enter(p);
	if (result->status == EVKV_OK) {
		p->resolved_us = evkv_loop_now_us(p->loop);
		p->address_count = result->count;
		memcpy(p->addresses, result->addresses,
		    result->count * sizeof(p->addresses[0]));
		connect_next(p);
	} else {
		if (result->status == EVKV_NOMEM)
			evkv__pipe_set_no_memory(p);
		else
			evkv__pipe_set_failure(p, EVKV_UNAVAILABLE,
			    EVKV_CAUSE_RESOLVE, 0,
			    "cannot resolve the name: %s", result->message);
		evkv__pipe_give_up(p);
	}
	evkv__pipe_leave(p);
}

/*
 * What was found less than a second ago is used again: a busy store tries more
 * often than its name server should be asked.
 */
static bool connect_knows_addresses(const struct evkv_pipeline *p)
{
	return p->address_count > 0 &&
	    (p->unix_path != NULL ||
		evkv_loop_now_us(p->loop) - p->resolved_us < NAME_FRESH_US);
}

void evkv__pipe_attempt(struct evkv_pipeline *p)
{
	struct evkv_lookup *lookup;

	p->attempts++;
	p->phase = PHASE_RESOLVING;
	p->address_next = 0;
	p->proven = false;
	p->attempt_end_us = evkv_loop_now_us(p->loop) +
	    p->options.connect_timeout_ms * 1000;
	if (!connect_timer_arm(p, p->options.connect_timeout_ms))
		return;
	if (connect_knows_addresses(p)) {
		connect_next(p);
		return;
	}
	p->address_count = 0;
	lookup = evkv_lookup_start(p->loop, p->host, p->options.port,
	    p->options.connect_timeout_ms, connect_resolved, p);
	if (lookup != NULL)
		p->lookup = lookup;
}

void evkv_pipeline_ready(struct evkv_pipeline *p)
{
	if (p->phase != PHASE_HANDSHAKE || p->failing)
		return;
	p->phase = PHASE_READY;
	p->ready_us = evkv_loop_now_us(p->loop);
	p->down = false;
	p->failure.status = EVKV_OK;
	if (p->was_ready) {
		p->reconnects++;
		p->reconnects_by[p->lost_by]++;
	}
	p->was_ready = true;
	evkv_timer_cancel(p->loop, &p->timer);
	p->timer_set = false;
	evkv__pipe_waiting_online(p);
	evkv_loop_log(p->loop, EVKV_LOG_INFO, "%s %s: connected",
	    p->protocol->name, p->name);
	evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_report(p, EVKV_STATE_READY);
}

/* ---- Time is up -------------------------------------------------------- */

static void connect_attempt_timeout(struct evkv_pipeline *p)
{
	static const struct {
		enum evkv_cause cause;
		const char *words;
	} texts[] = {
		[PHASE_RESOLVING] = { EVKV_CAUSE_RESOLVE,
		    "no answer from the name server" },
		[PHASE_CONNECTING] = { EVKV_CAUSE_CONNECT,
		    "no connection in time" },
		[PHASE_TLS] = { EVKV_CAUSE_TLS,
		    "the TLS handshake did not end in time" },
		[PHASE_HANDSHAKE] = { EVKV_CAUSE_STALL,
		    "the server did not answer the handshake in time" },
	};

	evkv__pipe_set_failure(p, EVKV_UNAVAILABLE, texts[p->phase].cause,
	    ETIMEDOUT, "%s (connect_timeout_ms is %lld)", texts[p->phase].words,
	    (long long)p->options.connect_timeout_ms);
	evkv__pipe_give_up(p);
}

/* What can be read already is read before time is called. */
static void connect_timer_in_try(struct evkv_pipeline *p)
{
	if (p->phase == PHASE_HANDSHAKE)
		evkv__pipe_input(p, INPUT_LATE);
	else if (p->phase == PHASE_TLS)
		connect_tls_result(p, evkv__net_tls_step(&p->net));
	if (p->phase == PHASE_CONNECTING &&
	    p->address_next < p->address_count) {
		evkv__net_close(&p->net);
		connect_next(p);
	} else if (p->phase >= PHASE_RESOLVING && p->phase <= PHASE_HANDSHAKE &&
	    !p->failing) {
		connect_attempt_timeout(p);
	}
}

void evkv__pipe_timer_run(void *arg)
{
	struct evkv_pipeline *p = arg;

	evkv__pipe_enter(p);
	p->timer_set = false;
	if (p->phase == PHASE_BACKOFF)
		evkv__pipe_attempt(p);
	else
		connect_timer_in_try(p);
	evkv__pipe_leave(p);
}

/* ---- Losing it --------------------------------------------------------- */

void evkv__pipe_disconnect(struct evkv_pipeline *p)
{
	evkv_timer_cancel(p->loop, &p->timer);
	p->timer_set = false;
	evkv_lookup_cancel(p->lookup);
	p->lookup = NULL;
	evkv__net_close(&p->net);
	evkv__pipe_stream_reset(p);
}

/*
 * Twice as long after each failure, up to the maximum, and then a random part
 * of the second half, so that many clients do not come back at the same time.
 */
static int64_t connect_pause_ms(struct evkv_pipeline *p)
{
	int64_t max_ms = p->options.backoff_max_ms;
	int64_t pause = p->options.backoff_min_ms;
	unsigned i;

	if (p->failure.denied)
		return max_ms;
	for (i = 0; i < p->failures && pause < max_ms; i++)
		pause *= 2;
	if (pause > max_ms)
		pause = max_ms;
	p->failures++;
	return pause -
	    (int64_t)(evkv_loop_random(p->loop) % (uint64_t)(pause / 2 + 1));
}

static void connect_pause(struct evkv_pipeline *p, int64_t pause_ms)
{
	p->pause_begin_us = evkv_loop_now_us(p->loop);
	p->pause_us = pause_ms * 1000;
	p->hurried = false;
	p->timer_set = evkv_timer_set(p->loop, &p->timer, pause_ms);
}

/*
 * The try comes after a fourth of the pause at least, and at random up to three
 * eighths: among many clients each pause has another length already, and being
 * busy must not bring them together. After a refusal it waits the whole pause.
 */
void evkv__pipe_hurry(struct evkv_pipeline *p)
{
	int64_t quarter_us = p->pause_us / 4, passed_us, wait_us;

	if (p->phase != PHASE_BACKOFF || !p->timer_set || p->hurried ||
	    p->failure.denied)
		return;
	p->hurried = true;
	passed_us = evkv_loop_now_us(p->loop) - p->pause_begin_us;
	wait_us = quarter_us - passed_us +
	    (int64_t)(evkv_loop_random(p->loop) %
		(uint64_t)(quarter_us / 2 + 1));
	if (wait_us < p->pause_us - passed_us)
		p->timer_set = evkv_timer_set(p->loop, &p->timer,
		    wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

void evkv_pipeline_try_now(struct evkv_pipeline *p)
{
	if (p->phase != PHASE_BACKOFF)
		return;
	p->hurried = true;
	p->timer_set = evkv_timer_set(p->loop, &p->timer, 0);
}

/* A connection that was of use starts the backoff over. */
static void connect_backoff_begin(struct evkv_pipeline *p, bool was_ready)
{
	int64_t ready_us = evkv_loop_now_us(p->loop) - p->ready_us;
	int64_t pause;

	if (was_ready &&
	    (p->proven || ready_us >= p->options.backoff_max_ms * 1000))
		p->failures = 0;
	pause = connect_pause_ms(p);
	connect_pause(p, pause);
	evkv_loop_log(p->loop,
	    was_ready || !p->down ? EVKV_LOG_WARNING : EVKV_LOG_INFO,
	    "%s; next try within %lld ms", p->failure.message,
	    (long long)pause);
}

/*
 * Slots that were encoded end in any case: the requests of those that went
 * straight into the output are their callers' again. Those that waited stay in
 * order and wait on, unless there is no use in it.
 */
void evkv__pipe_lose(struct evkv_pipeline *p)
{
	bool was_ready = p->phase == PHASE_READY, was_down = p->down;

	evkv__pipe_enter(p);
	p->failing = false;
	if (was_ready)
		p->lost_by = p->failure.cause;
	evkv__pipe_outstanding_end(p, END_LOST);
	evkv__pipe_disconnect(p);
	/* The name may have moved. */
	if (p->host != NULL)
		evkv_resolver_doubt(p->loop);
	p->phase = PHASE_BACKOFF;
	connect_backoff_begin(p, was_ready);
	p->down = true;
	evkv__pipe_watching_end(p, END_LOST);
	if (p->options.fail_fast || p->failure.denied || !p->timer_set)
		evkv__pipe_waiting_end(p, END_LOST);
	else if (was_ready)
		evkv__pipe_waiting_offline(p);
	evkv__pipe_age_renew(p);
	if (p->waiting.first != NULL)
		evkv__pipe_hurry(p);
	evkv__pipe_ending_run(p);
	if (p->phase != PHASE_CLOSED && !was_down)
		evkv__pipe_report(p, EVKV_STATE_DOWN);
	evkv__pipe_leave(p);
}
