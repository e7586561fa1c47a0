/*
 * tests/engines/pipeline/states_test.c - the table of docs/pipeline.md: every
 * state, and what each event does in it.
 *
 * A row names the state, the event, and what becomes of a put that was
 * submitted before the event: its status and cause (PENDING: it still waits),
 * and the state of the store afterwards.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns.h"
#include "scene.h"

enum place {
	IDLE,       /* lazy, and nothing was submitted */
	RESOLVING,  /* the name server is silent */
	CONNECTING, /* the connection is not accepted */
	TLS,        /* the server does not answer the TLS handshake */
	HANDSHAKE,  /* ... nor the driver's */
	READY,      /* ... nor the operation */
	BACKOFF,    /* the server has refused */
};

enum happening {
	NOTHING,
	CANCEL,
	DEADLINE,    /* the op's */
	TRY_TIMEOUT, /* connect_timeout_ms */
	SERVER_CLOSES,
	SERVER_RESETS,
	GARBAGE,
	STALL,
	OFFLINE_TOO_LONG,
	CLOSE,
	UNREF,
	LOOP_FREE,
};

#define PENDING EVKV_STATUS_COUNT

struct row {
	enum place place;
	enum happening happening;
	enum evkv_status status;
	enum evkv_cause cause;
	enum evkv_state state;
};

static const struct row rows[] = {
	/* IDLE: submitting begins the first try, which succeeds. */
	{ IDLE, NOTHING, EVKV_OK, EVKV_CAUSE_NONE, EVKV_STATE_READY },
	{ IDLE, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED, EVKV_STATE_READY },
	{ IDLE, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ IDLE, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ IDLE, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },

	{ RESOLVING, NOTHING, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_CONNECTING },
	{ RESOLVING, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_CONNECTING },
	{ RESOLVING, DEADLINE, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT,
	    EVKV_STATE_CONNECTING },
	{ RESOLVING, TRY_TIMEOUT, PENDING, EVKV_CAUSE_RESOLVE,
	    EVKV_STATE_DOWN },
	{ RESOLVING, OFFLINE_TOO_LONG, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ RESOLVING, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ RESOLVING, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ RESOLVING, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },

	{ CONNECTING, NOTHING, PENDING, EVKV_CAUSE_NONE,
	    EVKV_STATE_CONNECTING },
	{ CONNECTING, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_CONNECTING },
	{ CONNECTING, DEADLINE, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT,
	    EVKV_STATE_CONNECTING },
	{ CONNECTING, TRY_TIMEOUT, PENDING, EVKV_CAUSE_CONNECT,
	    EVKV_STATE_DOWN },
	{ CONNECTING, OFFLINE_TOO_LONG, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ CONNECTING, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },
	{ CONNECTING, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },
	{ CONNECTING, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },

	{ TLS, NOTHING, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_CONNECTING },
	{ TLS, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_CONNECTING },
	{ TLS, DEADLINE, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT,
	    EVKV_STATE_CONNECTING },
	{ TLS, TRY_TIMEOUT, PENDING, EVKV_CAUSE_TLS, EVKV_STATE_DOWN },
	{ TLS, SERVER_CLOSES, PENDING, EVKV_CAUSE_RESET, EVKV_STATE_DOWN },
	{ TLS, SERVER_RESETS, PENDING, EVKV_CAUSE_RESET, EVKV_STATE_DOWN },
	{ TLS, GARBAGE, PENDING, EVKV_CAUSE_TLS, EVKV_STATE_DOWN },
	{ TLS, OFFLINE_TOO_LONG, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ TLS, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ TLS, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ TLS, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },

	{ HANDSHAKE, NOTHING, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_CONNECTING },
	{ HANDSHAKE, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_CONNECTING },
	{ HANDSHAKE, DEADLINE, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT,
	    EVKV_STATE_CONNECTING },
	{ HANDSHAKE, TRY_TIMEOUT, PENDING, EVKV_CAUSE_STALL, EVKV_STATE_DOWN },
	{ HANDSHAKE, SERVER_CLOSES, PENDING, EVKV_CAUSE_RESET,
	    EVKV_STATE_DOWN },
	{ HANDSHAKE, SERVER_RESETS, PENDING, EVKV_CAUSE_RESET,
	    EVKV_STATE_DOWN },
	/* The first line is the answer to the password: a refusal. */
	{ HANDSHAKE, GARBAGE, EVKV_REFUSED, EVKV_CAUSE_AUTH, EVKV_STATE_DOWN },
	{ HANDSHAKE, OFFLINE_TOO_LONG, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ HANDSHAKE, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ HANDSHAKE, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ HANDSHAKE, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },

	/* READY: the put has been sent, so nobody knows what became of it. */
	{ READY, NOTHING, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_READY },
	{ READY, CANCEL, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_READY },
	{ READY, DEADLINE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_TIMEOUT,
	    EVKV_STATE_READY },
	{ READY, TRY_TIMEOUT, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_READY },
	{ READY, SERVER_CLOSES, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_RESET,
	    EVKV_STATE_DOWN },
	{ READY, SERVER_RESETS, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_RESET,
	    EVKV_STATE_DOWN },
	{ READY, GARBAGE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_PROTOCOL,
	    EVKV_STATE_DOWN },
	{ READY, STALL, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_STALL,
	    EVKV_STATE_DOWN },
	{ READY, CLOSE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },
	{ READY, UNREF, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },
	{ READY, LOOP_FREE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },

	{ BACKOFF, NOTHING, PENDING, EVKV_CAUSE_NONE, EVKV_STATE_DOWN },
	{ BACKOFF, CANCEL, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
	    EVKV_STATE_DOWN },
	{ BACKOFF, DEADLINE, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ BACKOFF, OFFLINE_TOO_LONG, EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
	    EVKV_STATE_DOWN },
	{ BACKOFF, CLOSE, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ BACKOFF, UNREF, EVKV_CLOSED, EVKV_CAUSE_CLOSED, EVKV_STATE_CLOSED },
	{ BACKOFF, LOOP_FREE, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    EVKV_STATE_CLOSED },
};

/* ---- The states -------------------------------------------------------- */

#define FILLERS 8

/* So far apart that each event can be had without the next. */
#define DEADLINE_MS 1000
#define TRY_MS 3000
#define STALL_MS 5000
#define OFFLINE_MS 8000

struct stage {
	struct scene s;
	struct dns dns;
	struct dns_server names;
	struct evkv_tls *tls;
	evkv_ticket ticket;
	/* A listener whose queue is full: connections to it hang. */
	int full, fillers[FILLERS];
};

static void full_listener(struct stage *stage)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);
	int i;

	stage->full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(stage->full >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(stage->full, (struct sockaddr *)&in, size) == 0);
	check(getsockname(stage->full, (struct sockaddr *)&in, &size) == 0);
	check(listen(stage->full, 0) == 0);
	for (i = 0; i < FILLERS; i++) {
		stage->fillers[i] = socket(AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		check(stage->fillers[i] >= 0);
		(void)connect(stage->fillers[i], (struct sockaddr *)&in, size);
	}
	stage->s.options.pipeline.port = ntohs(in.sin_port);
}

static void stage_open(struct stage *stage, enum place place)
{
	struct evkv_pipeline_options *options = &stage->s.options.pipeline;

	memset(stage, 0, sizeof(*stage));
	scene_begin(&stage->s);
	stage->full = -1;
	options->connect_timeout_ms = TRY_MS;
	options->stall_timeout_ms = STALL_MS;
	options->max_offline_ms = OFFLINE_MS;
	options->lazy = place == IDLE;
	stage->s.peer->plan.silent = place != IDLE;
	switch (place) {
	case RESOLVING:
		stage->names.silent = true;
		dns_begin(&stage->dns, &stage->names, stage->s.rig.base,
		    stage->s.rig.loop);
		options->host = "server.example";
		break;
	case CONNECTING: full_listener(stage); break;
	case TLS:
		stage->tls = evkv_tls_new(NULL, NULL);
		check(stage->tls != NULL);
		options->tls = stage->tls;
		break;
	case HANDSHAKE: stage->s.options.password = "secret"; break;
	case BACKOFF: peer_refuse(stage->s.peer); break;
	case IDLE:
	case READY: break;
	}
	scene_store(&stage->s);
}

static void stage_close(struct stage *stage)
{
	int i;

	if (stage->dns.base != NULL)
		dns_close(&stage->dns);
	evkv_tls_unref(stage->tls);
	if (stage->full < 0)
		return;
	for (i = 0; i < FILLERS; i++)
		(void)close(stage->fillers[i]);
	(void)close(stage->full);
}

/* The state is reached, and the put is in it. */
static void stage_enter(struct stage *stage, enum place place, bool deadline)
{
	const struct evkv_slice key = EVKV_LIT("k1"), value = EVKV_LIT("v");
	const struct evkv_request put = {
		.kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = deadline ? DEADLINE_MS : -1,
	};
	struct scene *s = &stage->s;
	unsigned turns;

	if (place == READY)
		scene_ready(s);
	else if (place == BACKOFF)
		scene_until(s, EVKV_STATE_DOWN);
	else if (place == TLS || place == HANDSHAKE)
		rig_until(&s->rig,
		    s->peer->newest != NULL &&
			peer_taken(s->peer->newest) + (place == TLS) > 0);
	stage->ticket = evkv_submit(s->store, &put, answer_cb, &s->answers[0]);
	check(stage->ticket != 0);
	if (place == READY)
		rig_until(&s->rig, s->server.puts == 1);
	for (turns = 0; turns < 5 && place != IDLE; turns++)
		rig_turn_waiting(&s->rig);
}

/* ---- The events -------------------------------------------------------- */

static void happen(struct stage *stage, enum happening happening)
{
	struct scene *s = &stage->s;

	switch (happening) {
	case NOTHING:
	case CLOSE:
	case UNREF:
	case LOOP_FREE: break;
	case CANCEL: evkv_cancel(s->rig.loop, stage->ticket); break;
	case DEADLINE: rig_advance(&s->rig, DEADLINE_MS + 1); break;
	case TRY_TIMEOUT: rig_advance(&s->rig, TRY_MS + 1); break;
	case SERVER_CLOSES: peer_cut_all(s->peer); break;
	case SERVER_RESETS:
		s->peer->plan.reset = true;
		peer_cut_all(s->peer);
		break;
	case GARBAGE:
		s->peer->plan.silent = false;
		if (s->options.password != NULL)
			peer_say(s->peer->newest, "!rubbish\n", 9);
		else
			peer_say(s->peer->newest, "?rubbish\n", 9);
		break;
	case STALL: rig_advance(&s->rig, STALL_MS + 1); break;
	case OFFLINE_TOO_LONG: rig_advance(&s->rig, OFFLINE_MS + 1); break;
	}
}

static void check_row(const struct row *row, struct stage *stage)
{
	struct answer *answer = &stage->s.answers[0];

	if (row->status == PENDING) {
		check_int(answer->calls, 0);
	} else {
		rig_wait(&stage->s.rig, &answer->calls);
		check_int(answer->calls, 1);
		check_status(answer->status, row->status);
		check_int(answer->cause, row->cause);
	}
	scene_until(&stage->s, row->state);
	rig_turn(&stage->s.rig);
	if (row->status == PENDING && row->cause != EVKV_CAUSE_NONE)
		check_int(stage->s.cause, row->cause);
	check_int(evkv_store_state(stage->s.store), row->state);
}

static void check_ended(const struct row *row, struct stage *stage)
{
	struct answer *answer = &stage->s.answers[0];

	check_int(answer->calls, 1);
	check_status(answer->status, row->status);
	check_int(answer->cause, row->cause);
}

static void end_unref(struct stage *stage)
{
	struct scene *s = &stage->s;

	evkv_store_unref(s->store);
	rig_wait(&s->rig, &s->answers[0].calls);
	peer_close(s->peer);
	rig_settle(&s->rig);
	rig_close(&s->rig);
}

static void run_row(void *arg)
{
	const struct row *row = arg;
	struct stage stage;

	stage_open(&stage, row->place);
	stage_enter(&stage, row->place, row->happening == DEADLINE);
	happen(&stage, row->happening);
	if (row->state != EVKV_STATE_CLOSED)
		check_row(row, &stage);
	/* What it stands on goes before the loop does. */
	stage_close(&stage);
	if (row->happening == UNREF)
		end_unref(&stage);
	else if (row->happening == LOOP_FREE)
		scene_abandon(&stage.s);
	else
		scene_close(&stage.s);
	if (row->state == EVKV_STATE_CLOSED)
		check_ended(row, &stage);
	answer_free(&stage.s.answers[0]);
}

EVKV_TEST(pipeline_states, every_row_of_the_table)
{
	unsigned failures = 0;
	char first[256] = "";
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = rows[i];

		if (test_try(run_row, &row))
			continue;
		if (failures++ == 0)
			snprintf(first, sizeof(first), "%s", test_message());
		fprintf(stderr, "row %zu (place %d, happening %d): %s\n", i,
		    (int)row.place, (int)row.happening, test_message());
	}
	if (failures > 0)
		fail_test("%u rows; the first: %s", failures, first);
}
