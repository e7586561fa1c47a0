/*
 * engines/pipeline/pipeline.c - one connection: made, reported on, ended.
 *
 * Happy path: the first turn (or the first slot, if lazy) resolves the name,
 * connects, does the TLS handshake and lets the driver do its own; from then on
 * slots are encoded as they come, sent once a turn and answered in order.
 *
 * Failures: whatever goes wrong before the connection is ready ends that try,
 * and what goes wrong afterwards ends the connection; both go through
 * evkv__pipe_set_failure(), evkv__pipe_give_up() and evkv__pipe_lose(), which
 * ends the slots that were encoded, pauses and tries again. Slots that were not
 * yet encoded wait meanwhile, within bounds. Nothing is ever sent twice.
 */
#include "engines/pipeline/pipeline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_HOST "localhost"

/* ---- Entering and leaving ---------------------------------------------- */

static void pipeline_release(struct evkv_pipeline *p)
{
	evkv_tls_unref(p->options.tls);
	evkv__pipe_buffer_free(&p->in);
	evkv__pipe_buffer_free(&p->out);
	evkv_free(p->host);
	evkv_free(p->unix_path);
	evkv_free(p->name);
	evkv_free(p);
}

void evkv__pipe_enter(struct evkv_pipeline *p)
{
	p->busy++;
}

void evkv__pipe_leave(struct evkv_pipeline *p)
{
	while (p->busy == 1 && p->failing)
		evkv__pipe_lose(p);
	p->busy--;
	if (p->busy == 0 && p->freed)
		pipeline_release(p);
}

/* ---- Failures and reports ---------------------------------------------- */

void evkv__pipe_set_failure(struct evkv_pipeline *p, enum evkv_status status,
    enum evkv_cause cause, int sys_error, const char *format, ...)
{
	struct failure *failure = &p->failure;
	va_list args;
	char *at;
	int size;

	failure->status = status;
	failure->cause = cause;
	failure->sys_error = sys_error;
	failure->denied = cause == EVKV_CAUSE_AUTH || status == EVKV_REFUSED;
	size = snprintf(failure->message, sizeof(failure->message),
	    "%s %s: ", p->protocol->name, p->name);
	if (size < 0 || (size_t)size >= sizeof(failure->message))
		return;
	va_start(args, format);
	(void)vsnprintf(failure->message + size,
	    sizeof(failure->message) - (size_t)size, format, args);
	va_end(args);
	/* The server's words may hold anything. */
	for (at = failure->message; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

void evkv__pipe_set_failure_net(struct evkv_pipeline *p)
{
	const struct net_failure *failure = &p->net.failure;

	evkv__pipe_set_failure(p, failure->status, failure->cause,
	    failure->sys_error, "%s", failure->words);
	p->failure.denied = failure->denied;
}

void evkv__pipe_set_no_memory(struct evkv_pipeline *p)
{
	evkv__pipe_set_failure(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
	    "out of memory");
}

void evkv__pipe_give_up(struct evkv_pipeline *p)
{
	if (p->phase == PHASE_CLOSED || p->phase == PHASE_BACKOFF)
		return;
	p->failing = true;
	evkv__pipe_enter(p);
	evkv__pipe_leave(p);
}

void evkv_pipeline_fail(struct evkv_pipeline *p, enum evkv_status status,
    enum evkv_cause cause, int sys_error, const char *message)
{
	if (!evkv__pipe_linked(p) || p->failing)
		return;
	evkv__pipe_set_failure(p, status, cause, sys_error, "%s",
	    message != NULL ? message : evkv_status_text(status));
	evkv__pipe_give_up(p);
}

void evkv__pipe_report(struct evkv_pipeline *p, enum evkv_state state)
{
	bool failed = state == EVKV_STATE_DOWN;

	if (p->protocol->state == NULL)
		return;
	evkv__pipe_enter(p);
	p->protocol->state(p->self, state,
	    failed ? p->failure.cause : EVKV_CAUSE_NONE,
	    failed ? p->failure.message : "");
	evkv__pipe_leave(p);
}

/* ---- Making ------------------------------------------------------------ */

static void pipeline_default_i64(int64_t *value, int64_t standard)
{
	if (*value == 0)
		*value = standard;
}

static void pipeline_default_size(size_t *value, size_t standard)
{
	if (*value == 0)
		*value = standard;
}

static void pipeline_options_fill(struct evkv_pipeline_options *options)
{
	const size_t mib = 1024 * 1024;

	pipeline_default_i64(&options->connect_timeout_ms, 5000);
	pipeline_default_i64(&options->stall_timeout_ms, 10000);
	pipeline_default_i64(&options->backoff_max_ms, 1000);
	pipeline_default_i64(&options->backoff_min_ms,
	    options->backoff_max_ms < 50 ? options->backoff_max_ms : 50);
	if (options->backoff_max_ms < options->backoff_min_ms)
		options->backoff_max_ms = options->backoff_min_ms;
	pipeline_default_size(&options->max_offline_slots, 10000);
	pipeline_default_size(&options->max_offline_bytes, 64 * mib);
	pipeline_default_i64(&options->max_offline_ms, 10000);
	pipeline_default_size(&options->max_output_bytes, 16 * mib);
	pipeline_default_size(&options->max_input_bytes, 64 * mib);
	pipeline_default_size(&options->read_bytes, 4096);
	pipeline_default_i64(&options->keepalive_ms, 60000);
}

/* Times are below 2^40 ms, so that nothing overflows. */
static bool pipeline_time_check(int64_t value, int64_t min, const char *name,
    struct evkv_error *error)
{
	if (value >= min && value < INT64_C(1) << 40)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "%s is %lld; %lld to %lld milliseconds are allowed", name,
	    (long long)value, (long long)min, (1LL << 40) - 1);
	return false;
}

static bool pipeline_times_check(const struct evkv_pipeline_options *options,
    struct evkv_error *error)
{
	return pipeline_time_check(options->connect_timeout_ms, 0,
		   "connect_timeout_ms", error) &&
	    pipeline_time_check(options->stall_timeout_ms, -1,
		"stall_timeout_ms", error) &&
	    pipeline_time_check(options->backoff_min_ms, 0, "backoff_min_ms",
		error) &&
	    pipeline_time_check(options->backoff_max_ms, 0, "backoff_max_ms",
		error) &&
	    pipeline_time_check(options->max_offline_ms, -1, "max_offline_ms",
		error) &&
	    pipeline_time_check(options->keepalive_ms, -1, "keepalive_ms",
		error);
}

static bool pipeline_options_check(const struct evkv_pipeline_options *options,
    struct evkv_error *error)
{
	struct evkv_address address;

	if (!pipeline_times_check(options, error))
		return false;
	if (options->unix_path == NULL) {
		if (options->port >= 1 && options->port <= 65535)
			return true;
		evkv_error_set(error, EVKV_INVALID,
		    "port is %d; 1 to 65535 are allowed", options->port);
		return false;
	}
	if (options->host != NULL) {
		evkv_error_set(error, EVKV_INVALID,
		    "both host and unix_path are given");
		return false;
	}
	if (!evkv__net_unix_address(options->unix_path, &address)) {
		evkv_error_set(error, EVKV_INVALID,
		    "unix_path is empty or too long for a socket");
		return false;
	}
	if (options->tls != NULL && options->tls->options.server_name == NULL &&
	    !options->tls->options.no_verify) {
		evkv_error_set(error, EVKV_INVALID,
		    "TLS on a unix socket needs a server_name to verify");
		return false;
	}
	return true;
}

static bool pipeline_strings_make(struct evkv_pipeline *p)
{
	const char *host = p->options.host;
	const char *format = "%s:%d";
	size_t size;

	if (p->options.unix_path != NULL) {
		p->unix_path = evkv_strdup(p->options.unix_path);
		p->name = evkv_strdup(p->options.unix_path);
		p->address_count = evkv__net_unix_address(p->options.unix_path,
		    &p->addresses[0]);
		return p->unix_path != NULL && p->name != NULL;
	}
	if (host == NULL || host[0] == '\0')
		host = DEFAULT_HOST;
	if (strchr(host, ':') != NULL)
		format = "[%s]:%d";
	size = strlen(host) + sizeof("[]:65535");
	p->host = evkv_strdup(host);
	p->name = evkv_malloc(size);
	if (p->host == NULL || p->name == NULL)
		return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(p->name, size, format, host, p->options.port);
#pragma GCC diagnostic pop
	return true;
}

static void pipeline_callbacks_make(struct evkv_pipeline *p)
{
	p->turn.run = evkv__pipe_turn_run;
	p->turn.arg = p;
	p->timer.run = evkv__pipe_timer_run;
	p->timer.arg = p;
	p->tick.run = evkv__pipe_tick_run;
	p->tick.arg = p;
	p->age.run = evkv__pipe_age_run;
	p->age.arg = p;
}

static void pipeline_transport_make(struct evkv_pipeline *p)
{
	evkv__net_init(&p->net);
	p->net.loop = p->loop;
	p->net.keepalive_ms = p->options.keepalive_ms;
	p->net.readable = evkv__pipe_readable;
	p->net.writable = evkv__pipe_writable;
	p->net.arg = p;
}

struct evkv_pipeline *evkv_pipeline_new_sized(struct evkv_loop *loop,
    const struct evkv_protocol *protocol, void *self,
    const struct evkv_pipeline_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_pipeline_options ours;
	struct evkv_pipeline *p;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "loop is NULL");
		return NULL;
	}
	if (protocol->size < offsetof(struct evkv_protocol, state)) {
		evkv_error_set(error, EVKV_INVALID,
		    "a protocol needs its size, encode, parse and end");
		return NULL;
	}
	if (!evkv_options_read(&ours, sizeof(ours), options, size, error) ||
	    !pipeline_options_check(&ours, error))
		return NULL;
	p = evkv_calloc(1, sizeof(*p));
	if (p == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		return NULL;
	}
	p->loop = loop;
	memcpy(&p->own_protocol, protocol,
	    protocol->size < sizeof(*protocol) ? protocol->size
					       : sizeof(*protocol));
	p->protocol = &p->own_protocol;
	p->self = self;
	p->options = ours;
	p->options.tls = evkv__tls_ref(ours.tls);
	pipeline_options_fill(&p->options);
	pipeline_callbacks_make(p);
	pipeline_transport_make(p);
	if (!pipeline_strings_make(p)) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		pipeline_release(p);
		return NULL;
	}
	evkv_loop_hold(loop);
	if (!ours.lazy)
		evkv_task_queue(loop, &p->turn);
	return p;
}

/* ---- Ending ------------------------------------------------------------ */

void evkv_pipeline_close(struct evkv_pipeline *p)
{
	if (p == NULL || p->phase == PHASE_CLOSED)
		return;
	evkv__pipe_enter(p);
	p->failing = false;
	p->phase = PHASE_CLOSED;
	/* Before the output goes, which says what was sent. */
	evkv__pipe_outstanding_end(p, END_CLOSED);
	evkv__pipe_waiting_end(p, END_CLOSED);
	evkv__pipe_watching_end(p, END_CLOSED);
	evkv__pipe_disconnect(p);
	evkv__pipe_waiting_online(p);
	evkv_task_cancel(p->loop, &p->turn);
	evkv__pipe_ending_run(p);
	evkv_loop_release(p->loop);
	evkv__pipe_leave(p);
}

void evkv_pipeline_free(struct evkv_pipeline *p)
{
	if (p == NULL)
		return;
	evkv__pipe_enter(p);
	evkv_pipeline_close(p);
	p->freed = true;
	evkv__pipe_leave(p);
}

/* ---- Looking ----------------------------------------------------------- */

enum evkv_state evkv_pipeline_state(const struct evkv_pipeline *p)
{
	if (p->phase == PHASE_CLOSED)
		return EVKV_STATE_CLOSED;
	if (p->phase == PHASE_READY)
		return EVKV_STATE_READY;
	return p->down ? EVKV_STATE_DOWN : EVKV_STATE_CONNECTING;
}

const char *evkv_pipeline_name(const struct evkv_pipeline *p)
{
	return p->name;
}

struct evkv_loop *evkv_pipeline_loop(const struct evkv_pipeline *p)
{
	return p->loop;
}

void evkv_pipeline_counters(const struct evkv_pipeline *p,
    struct evkv_pipeline_counters *counters)
{
	*counters = (struct evkv_pipeline_counters){
		.outstanding = p->outstanding.count,
		.tombstones = p->tombstones,
		.waiting = p->waiting.count,
		.waiting_bytes = p->waiting_bytes,
		.output_bytes = evkv__pipe_output_size(p),
		.buffer_bytes = p->in.size + p->out.size,
		.attempts = p->attempts,
		.reconnects = p->reconnects,
	};
}

/* "reset": the name of a cause, in lower case. */
static const char *const cause_values[EVKV_CAUSE_COUNT] = {
	[EVKV_CAUSE_NONE] = "none",
	[EVKV_CAUSE_TIMEOUT] = "timeout",
	[EVKV_CAUSE_CANCELED] = "canceled",
	[EVKV_CAUSE_CLOSED] = "closed",
	[EVKV_CAUSE_OVERLOAD] = "overload",
	[EVKV_CAUSE_OFFLINE] = "offline",
	[EVKV_CAUSE_RESOLVE] = "resolve",
	[EVKV_CAUSE_CONNECT] = "connect",
	[EVKV_CAUSE_TLS] = "tls",
	[EVKV_CAUSE_AUTH] = "auth",
	[EVKV_CAUSE_RESET] = "reset",
	[EVKV_CAUSE_STALL] = "stall",
	[EVKV_CAUSE_PROTOCOL] = "protocol",
	[EVKV_CAUSE_SERVER] = "server",
	[EVKV_CAUSE_IO] = "io",
	[EVKV_CAUSE_NOMEM] = "nomem",
	[EVKV_CAUSE_FORK] = "fork",
};

void evkv_pipeline_metrics(const struct evkv_pipeline *p,
    struct evkv_metrics *metrics)
{
	static const struct evkv_metric connections = {
		.name = "connections",
		.help = "Connections that are ready.",
		.gauge = true,
	};
	static const struct evkv_metric reconnects = {
		.name = "reconnects_total",
		.help = "Connections made after the first, by why the one "
			"before was lost.",
		.label = "cause",
	};
	size_t i;

	evkv_metrics_add(metrics, &connections, NULL, p->phase == PHASE_READY);
	for (i = 0; i < EVKV_CAUSE_COUNT; i++) {
		if (p->reconnects_by[i] > 0)
			evkv_metrics_add(metrics, &reconnects, cause_values[i],
			    p->reconnects_by[i]);
	}
}
