/*
 * tests/engines/pipeline/raw_test.c - the pipeline under a driver of its own,
 * whose slots belong to no operation: bounds to the byte, which slots end, and
 * replies at the wrong moment.
 *
 * A slot's command is its letter, as often as it says; a reply is a letter and
 * a line end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "engines/pipeline/pipeline.h"
#include "lib/peer.h"
#include "rig.h"
#include "test.h"

#define SLOTS 16

struct raw_slot {
	struct evkv_slot slot; /* first */
	char letter;
	size_t repeat; /* bytes of its command */
	bool breaks;   /* encoding fails after half of it */
	unsigned ends;
	struct evkv_slot_end end;
	char message[256];
	char reply;
};

struct raw {
	struct rig rig;
	struct peer *peer;
	struct evkv_pipeline *p;
	struct evkv_pipeline_options options;
	struct raw_slot slots[SLOTS];
	/* What the server was sent. */
	char taken[4096];
	size_t taken_size;
};

static void raw_connected(void *self)
{
	evkv_pipeline_ready(((struct raw *)self)->p);
}

static bool raw_encode(void *self, struct evkv_slot *slot)
{
	struct raw_slot *mine = (struct raw_slot *)slot;
	struct raw *raw = self;
	char *room = evkv_pipeline_reserve(raw->p, mine->repeat);

	check(room != NULL);
	memset(room, mine->letter, mine->repeat);
	evkv_pipeline_commit(raw->p,
	    mine->breaks ? mine->repeat / 2 : mine->repeat);
	return !mine->breaks;
}

static enum evkv_parse raw_parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	const char *end = size > 0 ? memchr(data, '\n', size) : NULL;

	if (end != NULL && data[0] == '!') {
		evkv_pipeline_fail(((struct raw *)self)->p, EVKV_CORRUPT,
		    EVKV_CAUSE_PROTOCOL, 0, "as I thought");
		return EVKV_PARSE_MORE;
	}
	if (end == NULL)
		return EVKV_PARSE_MORE;
	if (slot == NULL)
		return EVKV_PARSE_FAILED;
	((struct raw_slot *)slot)->reply = data[0];
	*used = (size_t)(end + 1 - data);
	return EVKV_PARSE_ANSWERED;
}

static void raw_end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *end)
{
	struct raw_slot *mine = (struct raw_slot *)slot;

	(void)self;
	mine->ends++;
	mine->end = *end;
	snprintf(mine->message, sizeof(mine->message), "%s", end->message);
}

static const struct evkv_protocol raw_protocol = {
	.size = sizeof(struct evkv_protocol),
	.name = "raw",
	.connected = raw_connected,
	.encode = raw_encode,
	.parse = raw_parse,
	.end = raw_end,
};

static size_t raw_respond(struct peer_conn *conn, const char *data, size_t size,
    void *arg)
{
	struct raw *raw = arg;
	size_t room = sizeof(raw->taken) - raw->taken_size;

	(void)conn;
	if (room > size)
		room = size;
	memcpy(raw->taken + raw->taken_size, data, room);
	raw->taken_size += room;
	return size;
}

static void raw_begin(struct raw *raw)
{
	memset(raw, 0, sizeof(*raw));
	rig_open(&raw->rig);
	raw->peer = peer_open(raw->rig.base,
	    &(struct peer_options){
		.respond = raw_respond, .arg = raw, .receive_buffer = 4096 });
	raw->options.host = "127.0.0.1";
	raw->options.port = raw->peer->port;
}

static void raw_make(struct raw *raw)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	raw->p = evkv_pipeline_new(raw->rig.loop, &raw_protocol, raw,
	    &raw->options, &error);
	check_str(error.message, "");
}

static void raw_until(struct raw *raw, enum evkv_state state)
{
	rig_until(&raw->rig, evkv_pipeline_state(raw->p) == state);
}

static void raw_open(struct raw *raw)
{
	raw_begin(raw);
	raw_make(raw);
	raw_until(raw, EVKV_STATE_READY);
}

static void raw_close(struct raw *raw)
{
	unsigned i;

	evkv_pipeline_free(raw->p);
	peer_close(raw->peer);
	rig_close(&raw->rig);
	for (i = 0; i < SLOTS; i++)
		check(raw->slots[i].ends <= 1);
}

static const struct evkv_slot_end *raw_submit(struct raw *raw, unsigned i,
    size_t repeat)
{
	raw->slots[i].letter = (char)('a' + i);
	raw->slots[i].repeat = repeat;
	raw->slots[i].slot.size = repeat;
	return evkv_pipeline_submit(raw->p, &raw->slots[i].slot);
}

static void raw_say(struct raw *raw, const char *text)
{
	peer_say(raw->peer->newest, text, strlen(text));
}

/* Time is called where bytes have arrived that are not read yet. */
static void raw_tick_late(struct raw *raw)
{
	int looks, size = 0;

	for (looks = 0; looks < 1000000 && size == 0; looks++)
		check(ioctl(raw->p->net.fd, FIONREAD, &size) == 0);
	check(size > 0);
	raw->rig.now_us += 10001000;
	evkv__pipe_tick_run(raw->p);
}

/* ---- Bounds ----------------------------------------------------------- */

EVKV_TEST(pipeline_raw, bytes_that_wait_for_a_connection)
{
	const struct evkv_slot_end *why;
	struct raw raw;

	raw_begin(&raw);
	raw.options.max_offline_bytes = 1000;
	peer_refuse(raw.peer);
	raw_make(&raw);
	check(raw_submit(&raw, 0, 600) == NULL);
	why = raw_submit(&raw, 1, 401);
	check(why != NULL);
	check_status(why->status, EVKV_BUSY);
	check_int(why->cause, EVKV_CAUSE_OVERLOAD);
	check_contains(why->message, "max_offline_bytes");
	check(raw_submit(&raw, 2, 400) == NULL);
	check(raw_submit(&raw, 3, 1) != NULL);
	check(raw_submit(&raw, 4, 0) == NULL);
	/* Room is there again when one goes. */
	check(evkv_pipeline_stop(raw.p, &raw.slots[2].slot));
	check(raw_submit(&raw, 5, 400) == NULL);
	raw_until(&raw, EVKV_STATE_DOWN);
	/* When it is known why, that is what is said. */
	why = raw_submit(&raw, 6, 1000);
	check(why != NULL);
	check_contains(why->message, "Connection refused");
	raw_close(&raw);
}

EVKV_TEST(pipeline_raw, slots_that_wait_for_a_connection)
{
	const struct evkv_slot_end *why;
	struct raw raw;

	raw_begin(&raw);
	raw.options.max_offline_slots = 2;
	raw.options.lazy = true;
	raw_make(&raw);
	check(raw_submit(&raw, 0, 1) == NULL);
	check(raw_submit(&raw, 1, 1) == NULL);
	why = raw_submit(&raw, 2, 1);
	check(why != NULL);
	check_contains(why->message, "(max_offline)");
	raw_close(&raw);
}

/* A reply as long as the bound is one; with a byte more it is none. */
EVKV_TEST(pipeline_raw, a_reply_at_the_bound)
{
	char reply[1003];
	struct raw raw;
	size_t more;

	for (more = 0; more < 2; more++) {
		raw_begin(&raw);
		raw.options.max_input_bytes = 1000;
		raw_make(&raw);
		raw_until(&raw, EVKV_STATE_READY);
		check(raw_submit(&raw, 0, 1) == NULL);
		check(raw_submit(&raw, 1, 1) == NULL);
		rig_until(&raw.rig, raw.taken_size == 2);
		memset(reply, 'x', 999 + more);
		reply[999 + more] = '\0';
		/* So that it is not read in one piece with its end. */
		raw_say(&raw, reply);
		rig_until(&raw.rig,
		    evkv_pipeline_state(raw.p) != EVKV_STATE_READY ||
			raw.p->in.tail - raw.p->in.head == 999 + more);
		raw_say(&raw, "\n");
		rig_until(&raw.rig, raw.slots[0].ends == 1);
		check_status(raw.slots[0].end.status,
		    more == 0 ? EVKV_OK : EVKV_TOO_LARGE);
		if (more > 0) {
			check_contains(raw.slots[0].message,
			    "1000 bytes (max_input_bytes)");
			check_status(raw.slots[1].end.status, EVKV_UNAVAILABLE);
		}
		raw_close(&raw);
	}
}

/* Bytes move only where at least as many were used up before them. */
EVKV_TEST(pipeline_raw, a_buffer_grows_before_it_moves_much)
{
	struct buffer buffer = { .data = NULL };

	check(evkv__pipe_buffer_make_room(&buffer, 16384));
	check_int(buffer.size, 16384);
	memset(buffer.data, 'a', 16384);
	buffer.tail = 16384;
	evkv__pipe_buffer_consume(&buffer, 16000);
	check(evkv__pipe_buffer_make_room(&buffer, 1000));
	check_int(buffer.size, 16384);
	check_int(buffer.head, 0);
	check_int(buffer.tail, 384);
	memset(buffer.data + 384, 'b', 16000);
	buffer.tail = 16384;
	evkv__pipe_buffer_consume(&buffer, 100);
	check(evkv__pipe_buffer_make_room(&buffer, 50));
	check_int(buffer.size, 32768);
	check_int(buffer.tail - buffer.head, 16284);
	check_int(buffer.data[buffer.head + 283], 'a');
	check_int(buffer.data[buffer.head + 284], 'b');
	evkv__pipe_buffer_free(&buffer);
}

/* ---- Which ones ------------------------------------------------------- */

/*
 * The socket is full, and so is the output where that has bounds: what is
 * submitted now waits unencoded then.
 */
static void raw_block(struct raw *raw, size_t max_output_bytes)
{
	int size = 4096;

	raw_begin(raw);
	raw->options.max_output_bytes = max_output_bytes;
	raw->options.max_offline_slots = 3;
	raw->options.max_offline_bytes = 250;
	raw_make(raw);
	raw_until(raw, EVKV_STATE_READY);
	check(setsockopt(raw->p->net.fd, SOL_SOCKET, SO_SNDBUF, &size,
		  sizeof(size)) == 0);
	raw->peer->plan.deaf = true;
	check(raw_submit(raw, 0, 4 << 20) == NULL);
	rig_turn(&raw->rig);
	check(evkv__pipe_output_size(raw->p) > 0);
}

/* The youngest end, so that those that stay are in order. */
EVKV_TEST(pipeline_raw, which_slots_end_where_too_many_wait)
{
	struct raw raw;
	unsigned i;

	raw_block(&raw, 1);
	for (i = 1; i <= 6; i++)
		check(raw_submit(&raw, i, i == 3 ? 200 : 10) == NULL);
	check_int(raw.p->waiting.count, 6);
	peer_cut_all(raw.peer);
	raw_until(&raw, EVKV_STATE_DOWN);
	check_int(raw.slots[0].ends, 1);
	for (i = 1; i <= 6; i++)
		check_int(raw.slots[i].ends, i > 3);
	check_status(raw.slots[4].end.status, EVKV_UNAVAILABLE);
	check_int(raw.slots[4].end.fate, EVKV_SLOT_UNSENT);
	check_int(raw.p->waiting_bytes, 220);
	raw.peer->plan.deaf = false;
	raw.taken_size = 0;
	rig_advance(&raw.rig, 100);
	rig_until(&raw.rig, raw.taken_size == 220);
	check_int(raw.taken[0], 'b');
	check_int(raw.taken[10], 'c');
	check_int(raw.taken[219], 'd');
	raw_close(&raw);
}

EVKV_TEST(pipeline_raw, which_slots_end_where_too_many_bytes_wait)
{
	struct raw raw;
	unsigned i;

	raw_block(&raw, 1);
	check(raw_submit(&raw, 1, 100) == NULL);
	check(raw_submit(&raw, 2, 151) == NULL);
	peer_cut_all(raw.peer);
	raw_until(&raw, EVKV_STATE_DOWN);
	for (i = 1; i <= 2; i++)
		check_int(raw.slots[i].ends, i > 1);
	raw_close(&raw);
}

/* ---- Time ------------------------------------------------------------- */

/* Silence is no matter then, and nothing looks for it all the time. */
EVKV_TEST(pipeline_raw, no_stall_timeout)
{
	struct raw raw;
	unsigned i;

	raw_begin(&raw);
	raw.options.stall_timeout_ms = -1;
	raw_make(&raw);
	raw_until(&raw, EVKV_STATE_READY);
	check(raw_submit(&raw, 0, 1) == NULL);
	rig_until(&raw.rig, raw.taken_size == 1);
	for (i = 0; i < 10; i++) {
		rig_advance(&raw.rig, 10001);
		rig_turn(&raw.rig);
		check(raw.p->tick_set);
		check_between(raw.p->tick.at_us - raw.rig.now_us, 9000000,
		    10000000);
	}
	check_int(evkv_pipeline_state(raw.p), EVKV_STATE_READY);
	raw_say(&raw, "A\n");
	rig_until(&raw.rig, raw.slots[0].ends == 1);
	raw_close(&raw);
}

/* What arrives as time is called: a reply, and one that ends the connection. */
EVKV_TEST(pipeline_raw, replies_that_come_with_the_stall)
{
	struct raw raw;
	int i;

	raw_open(&raw);
	for (i = 0; i < 4; i++)
		check(raw_submit(&raw, (unsigned)i, 1) == NULL);
	rig_until(&raw.rig, raw.taken_size == 4);
	/* Others are still to come. */
	raw_say(&raw, "A\n");
	raw_tick_late(&raw);
	check_int(raw.slots[0].ends, 1);
	check_int(evkv_pipeline_state(raw.p), EVKV_STATE_READY);
	/* No other is. */
	raw_say(&raw, "B\nC\nD\n");
	raw_tick_late(&raw);
	check_int(raw.slots[3].ends, 1);
	check_int(evkv_pipeline_state(raw.p), EVKV_STATE_READY);
	check_int(raw.p->phase, PHASE_READY);
	/* The driver gives up: that is why. */
	check(raw_submit(&raw, 4, 1) == NULL);
	rig_until(&raw.rig, raw.taken_size == 5);
	raw_say(&raw, "!\n");
	raw_tick_late(&raw);
	raw_until(&raw, EVKV_STATE_DOWN);
	check_int(raw.slots[4].ends, 1);
	check_contains(raw.slots[4].message, "as I thought");
	raw_close(&raw);
}

/* What zero stands for, and a least pause above the longest. */
EVKV_TEST(pipeline_raw, options_have_defaults)
{
	const struct evkv_pipeline_options *options;
	struct raw raw;

	raw_begin(&raw);
	raw.options.host = NULL;
	raw_make(&raw);
	options = &raw.p->options;
	check_int(options->connect_timeout_ms, 5000);
	check_int(options->stall_timeout_ms, 10000);
	check_int(options->backoff_min_ms, 50);
	check_int(options->backoff_max_ms, 1000);
	check_int(options->max_offline_slots, 10000);
	check_int(options->max_offline_bytes, 64 << 20);
	check_int(options->max_offline_ms, 10000);
	check_int(options->max_output_bytes, 16 << 20);
	check_int(options->max_input_bytes, 64 << 20);
	check_int(options->read_bytes, 4096);
	check_int(options->keepalive_ms, 60000);
	raw_until(&raw, EVKV_STATE_READY); /* on this machine */
	raw_close(&raw);
	raw_begin(&raw);
	raw.options.backoff_min_ms = 5000;
	raw.options.backoff_max_ms = 4000;
	raw_make(&raw);
	check_int(raw.p->options.backoff_max_ms, 5000);
	raw_close(&raw);
}

EVKV_TEST(pipeline_raw, attempts_and_reconnects_are_counted)
{
	struct evkv_pipeline_counters counters;
	struct raw raw;
	unsigned i;

	raw_begin(&raw);
	peer_refuse(raw.peer);
	raw_make(&raw);
	raw_until(&raw, EVKV_STATE_DOWN);
	peer_accept(raw.peer);
	for (i = 0; i < 3; i++) {
		evkv_pipeline_try_now(raw.p);
		rig_advance(&raw.rig, 0);
		raw_until(&raw, EVKV_STATE_READY);
		evkv_pipeline_counters(raw.p, &counters);
		check_int(counters.attempts, i + 2);
		check_int(counters.reconnects, i);
		/* By why the connection before was lost, not the last try. */
		check_int(raw.p->reconnects_by[EVKV_CAUSE_RESET], i);
		peer_cut_all(raw.peer);
		raw_until(&raw, EVKV_STATE_DOWN);
	}
	raw_close(&raw);
}

/* ---- Replies at the wrong moment --------------------------------------- */

/* No byte of the question is out: it can't be its reply. */
EVKV_TEST(pipeline_raw, an_unasked_reply_while_the_output_is_blocked)
{
	struct raw raw;

	raw_block(&raw, 0);
	check(raw_submit(&raw, 1, 10) == NULL);
	check_int(raw.p->outstanding.count, 2);
	/* The first is answered though the server has not read all of it. */
	raw_say(&raw, "1\n");
	rig_until(&raw.rig, raw.slots[0].ends == 1);
	check_int(raw.slots[0].reply, '1');
	rig_turn(&raw.rig);
	check(evkv__pipe_output_size(raw.p) > 0);
	raw_say(&raw, "2\n");
	raw_until(&raw, EVKV_STATE_DOWN);
	check_int(raw.slots[1].reply, 0);
	check_int(raw.p->failure.cause, EVKV_CAUSE_PROTOCOL);
	raw_close(&raw);
}

/*
 * send() of this program stands before the C library's: on this descriptor
 * nothing can be sent any more.
 */
static int broken_fd = -1;

typedef ssize_t send_fn(int fd, const void *data, size_t size, int flags);

__attribute__((visibility("default"))) ssize_t send(int fd, const void *data,
    size_t size, int flags)
{
	void *found = dlsym(RTLD_NEXT, "send");
	send_fn *next;

	memcpy(&next, &found, sizeof(next));
	if (fd != broken_fd)
		return next(fd, data, size, flags);
	errno = EPIPE;
	return -1;
}

/* All that the server has said before is read, whatever it takes. */
EVKV_TEST(pipeline_raw, replies_that_came_before_a_write_failed)
{
	struct raw raw;
	unsigned i;
	int size = 0;

	raw_begin(&raw);
	raw.options.read_bytes = 2;
	raw_make(&raw);
	raw_until(&raw, EVKV_STATE_READY);
	for (i = 0; i < 3; i++)
		check(raw_submit(&raw, i, 1) == NULL);
	rig_until(&raw.rig, raw.taken_size == 3);
	raw_say(&raw, "A\nB\nC\n");
	for (i = 0; i < 1000000 && size < 6; i++)
		check(ioctl(raw.p->net.fd, FIONREAD, &size) == 0);
	check_int(size, 6);
	check(raw_submit(&raw, 3, 1) == NULL);
	broken_fd = raw.p->net.fd;
	evkv__pipe_turn_run(raw.p);
	broken_fd = -1;
	for (i = 0; i < 3; i++) {
		check_int(raw.slots[i].ends, 1);
		check_int(raw.slots[i].reply, 'A' + (int)i);
	}
	check_int(raw.slots[3].ends, 1);
	check_int(raw.slots[3].end.fate, EVKV_SLOT_UNSENT);
	check_int(raw.slots[3].end.sys_error, EPIPE);
	raw_close(&raw);
}

/* A driver that gives up in the middle says which slot it was about. */
EVKV_TEST(pipeline_raw, a_driver_gives_up_while_it_parses)
{
	struct raw raw;
	unsigned i;

	raw_open(&raw);
	for (i = 0; i < 3; i++)
		check(raw_submit(&raw, i, 1) == NULL);
	rig_until(&raw.rig, raw.taken_size == 3);
	raw_say(&raw, "A\n!\nC\n");
	rig_until(&raw.rig, raw.slots[2].ends == 1);
	check_int(raw.slots[0].reply, 'A');
	check_status(raw.slots[1].end.status, EVKV_CORRUPT);
	check_contains(raw.slots[1].message, "as I thought");
	check_status(raw.slots[2].end.status, EVKV_UNAVAILABLE);
	check_int(raw.slots[2].end.cause, EVKV_CAUSE_PROTOCOL);
	raw_close(&raw);
}

/* ---- Handshakes ---------------------------------------------------------- */

#define ALERT(level, what) "\x15\x03\x03\x00\x02" level what, 7

static const struct farewell {
	const char *bytes;
	size_t size;
	bool reset;
	enum evkv_cause cause;
	int sys_error;
	bool denied; /* trying again soon is of no use */
	const char *words;
} farewells[] = {
	/* close_notify, where others say handshake_failure */
	{ ALERT("\x01", "\x00"), false, EVKV_CAUSE_RESET, 0, false,
	    "closed the connection in the TLS handshake" },
	{ ALERT("\x02", "\x28"), false, EVKV_CAUSE_TLS, 0, true,
	    "handshake failure" },
	{ "HTTP/1.1 400 Bad Request\r\n", 26, false, EVKV_CAUSE_TLS, 0, false,
	    "TLS: " },
	{ "", 0, false, EVKV_CAUSE_RESET, 0, false,
	    "closed the connection in the TLS handshake" },
	{ "", 0, true, EVKV_CAUSE_RESET, ECONNRESET, false, "reset by peer" },
};

/* A server that ends the handshake in one way or another. */
EVKV_TEST(pipeline_raw, how_a_handshake_ends)
{
	const struct farewell *farewell;
	struct raw raw;
	unsigned i;

	for (i = 0; i < sizeof(farewells) / sizeof(farewells[0]); i++) {
		farewell = &farewells[i];
		raw_begin(&raw);
		raw.peer->plan.reset = farewell->reset;
		raw.options.tls = evkv_tls_new(
		    &(struct evkv_tls_options){ .no_verify = true }, NULL);
		raw_make(&raw);
		evkv_tls_unref(raw.options.tls);
		rig_until(&raw.rig, raw.taken_size > 0);
		peer_say(raw.peer->newest, farewell->bytes, farewell->size);
		if (farewell->size == 0)
			peer_cut(raw.peer->newest);
		raw_until(&raw, EVKV_STATE_DOWN);
		check_status(raw.p->failure.status, EVKV_UNAVAILABLE);
		check_int(raw.p->failure.cause, farewell->cause);
		check_int(raw.p->failure.sys_error, farewell->sys_error);
		check_int(raw.p->failure.denied, farewell->denied);
		check_contains(raw.p->failure.message, farewell->words);
		raw_close(&raw);
	}
}

/* ---- Encoding that fails ------------------------------------------------ */

/* What was appended is taken back, whether it is encoded at once or later. */
EVKV_TEST(pipeline_raw, an_encode_that_fails_half_way)
{
	const struct evkv_slot_end *why;
	struct raw raw;

	raw_open(&raw);
	raw.slots[1].breaks = true;
	check(raw_submit(&raw, 0, 3) == NULL);
	why = raw_submit(&raw, 1, 100);
	check(why != NULL);
	check_status(why->status, EVKV_NOMEM);
	check(raw_submit(&raw, 2, 3) == NULL);
	rig_until(&raw.rig, raw.taken_size == 6);
	check(memcmp(raw.taken, "aaaccc", 6) == 0);
	raw_say(&raw, "A\nC\n");
	rig_until(&raw.rig, raw.slots[2].ends == 1);
	check_int(raw.slots[0].reply, 'A');
	check_int(raw.slots[2].reply, 'C');
	/* Those that had to wait. */
	peer_refuse(raw.peer);
	peer_cut_all(raw.peer);
	raw_until(&raw, EVKV_STATE_DOWN);
	raw.slots[4].breaks = true;
	check(raw_submit(&raw, 3, 3) == NULL);
	check(raw_submit(&raw, 4, 100) == NULL);
	check(raw_submit(&raw, 5, 3) == NULL);
	peer_accept(raw.peer);
	raw.taken_size = 0;
	rig_advance(&raw.rig, 100);
	rig_until(&raw.rig, raw.taken_size == 6);
	check(memcmp(raw.taken, "dddfff", 6) == 0);
	check_int(raw.slots[4].ends, 1);
	check_status(raw.slots[4].end.status, EVKV_NOMEM);
	check_int(raw.slots[4].end.fate, EVKV_SLOT_UNSENT);
	check_int(raw.slots[4].end.sent, 0);
	raw_close(&raw);
}
