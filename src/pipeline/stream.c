/*
 * pipeline/stream.c - bytes: encoded, sent, received, parsed.
 *
 * Sent once at the end of each turn; EV_WRITE is armed only while the socket is
 * full. Received in pieces: the callbacks of one piece run, and what they
 * submit is sent, before the next is read, so that client and server work at
 * the same time.
 *
 * Positions are counted from the connection's first byte. Slots lie in the
 * output one after the other; where a slot was stopped before any of its bytes
 * were sent there is a hole, which is stepped over. Bytes between slots are of
 * slots that were answered before they were sent whole.
 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define READ_MAX (256 * 1024)   /* bytes per read */
#define READ_TURN (1024 * 1024) /* bytes per turn */
#define READ_LATE (16 * READ_TURN)
#define READ_PIECES 4           /* of a burst */
#define WRITE_MAX (256 * 1024)  /* bytes offered per write */
#define WRITE_TURN (1024 * 1024)
#define WRITE_RANGES 64
#define TLS_RECORD 16384
#define TICK_DEFAULT_MS 10000
#define LATE_US 20000

/* ---- Encoding ---------------------------------------------------------- */

static void tick_arm(struct evkv_pipeline *p)
{
	int64_t delay_ms = p->options.stall_timeout_ms;

	if (p->tick_set)
		return;
	p->progress_us = evkv_loop_now_us(p->loop);
	p->tick_set = evkv_timer_set(p->loop, &p->tick,
	    delay_ms > 0 ? delay_ms : TICK_DEFAULT_MS);
}

bool evkv__pipe_encode(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	bool encoded;

	slot->bits = 0;
	slot->begin = evkv__pipe_output_end(p);
	p->encoding = slot;
	p->effect = 0;
	p->encode_failed = false;
	encoded = p->protocol->encode(p->self, slot);
	p->encoding = NULL;
	if (!encoded || p->encode_failed) {
		p->out.tail -= (size_t)(evkv__pipe_output_end(p) - slot->begin);
		slot->end = slot->begin;
		return false;
	}
	slot->end = evkv__pipe_output_end(p);
	slot->mark = p->effect != 0 ? p->effect : slot->end;
	if (p->outstanding.first == NULL)
		p->progress_us = evkv_loop_now_us(p->loop);
	evkv__pipe_slots_append(&p->outstanding, slot, PLACE_OUTSTANDING);
	if (p->unsent == NULL)
		p->unsent = slot;
	tick_arm(p);
	return true;
}

char *evkv_pipeline_reserve(struct evkv_pipeline *p, size_t size)
{
	if (!evkv__pipe_buffer_reserve(&p->out, size)) {
		p->encode_failed = true;
		return NULL;
	}
	return p->out.data + p->out.tail;
}

void evkv_pipeline_commit(struct evkv_pipeline *p, size_t size)
{
	p->out.tail += size;
}

bool evkv_pipeline_append(struct evkv_pipeline *p, const void *data,
    size_t size)
{
	char *room = evkv_pipeline_reserve(p, size);

	if (room == NULL)
		return false;
	if (size > 0)
		memcpy(room, data, size);
	p->out.tail += size;
	return true;
}

void evkv_pipeline_effect(struct evkv_pipeline *p)
{
	if (p->effect == 0)
		p->effect = evkv__pipe_output_end(p);
}

/* ---- Sending ----------------------------------------------------------- */

static void consume(struct evkv_pipeline *p, size_t size)
{
	p->sent += size;
	evkv__pipe_buffer_consume(&p->out, size);
}

static void mark(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	if (p->sent < slot->mark || (slot->bits & SLOT_MARKED) != 0)
		return;
	slot->bits |= SLOT_MARKED;
	if (slot->op != NULL)
		(void)evkv_op_mark_sent(slot->op);
}

/* Step over holes at the front; their slots end. */
static void skip_holes(struct evkv_pipeline *p)
{
	struct evkv_slot *slot;

	while ((slot = p->unsent) != NULL && slot->begin <= p->sent &&
	    (slot->bits & SLOT_DEAD) != 0) {
		consume(p, (size_t)(slot->end - slot->begin));
		slot->end = slot->begin;
		evkv__pipe_outstanding_remove(p, slot);
		evkv__pipe_slot_ends(p, slot, END_STOPPED);
	}
}

/* `size` more bytes, holes not counted, are sent. */
static void advance(struct evkv_pipeline *p, size_t size)
{
	struct evkv_slot *slot;
	size_t part;

	while (size > 0) {
		skip_holes(p);
		slot = p->unsent;
		if (slot == NULL) {
			consume(p, size);
			return;
		}
		/* Up to where it begins, or to its end. */
		part = (size_t)((p->sent < slot->begin ? slot->begin :
		    slot->end) - p->sent);
		if (part > size)
			part = size;
		consume(p, part);
		size -= part;
		mark(p, slot);
		if (p->sent == slot->end)
			p->unsent = slot->next;
	}
	skip_holes(p);
}

/* What to offer next, without the holes: at least a part of it. */
static size_t gather(struct evkv_pipeline *p, struct iovec *ranges)
{
	uint64_t from = p->sent, to = evkv__pipe_output_end(p);
	const struct evkv_slot *slot;
	size_t count = 0;

	if (to - from > WRITE_MAX)
		to = from + WRITE_MAX;
	if (p->holes == 0) {
		ranges[0].iov_base = p->out.data + p->out.head;
		ranges[0].iov_len = (size_t)(to - from);
		return 1;
	}
	for (slot = p->unsent; slot != NULL && slot->begin < to &&
	    count < WRITE_RANGES - 1; slot = slot->next) {
		if ((slot->bits & SLOT_DEAD) == 0)
			continue;
		if (slot->begin > from) {
			ranges[count].iov_base =
			    p->out.data + p->out.head + (from - p->sent);
			ranges[count].iov_len = (size_t)(slot->begin - from);
			count++;
		}
		from = slot->end;
	}
	if (count < WRITE_RANGES - 1 && from < to) {
		ranges[count].iov_base =
		    p->out.data + p->out.head + (from - p->sent);
		ranges[count].iov_len = (size_t)(to - from);
		count++;
	}
	return count;
}

/* Bytes accepted of `*offered`; or IO_AGAIN, IO_FAILED. */
static ssize_t send_some(struct evkv_pipeline *p, size_t *offered)
{
	struct iovec ranges[WRITE_RANGES];
	size_t count = gather(p, ranges), i;

	*offered = 0;
	if (p->ssl == NULL) {
		for (i = 0; i < count; i++)
			*offered += ranges[i].iov_len;
		return evkv__pipe_socket_write(p, ranges, count);
	}
	*offered = ranges[0].iov_len;
	if (*offered > TLS_RECORD)
		*offered = TLS_RECORD;
	return evkv__pipe_tls_write(p, ranges[0].iov_base, *offered);
}

/*
 * The server may have said why it does not listen any more: read that first.
 * The failure that was noted stays, unless reading finds a better one.
 */
static void write_failed(struct evkv_pipeline *p)
{
	struct failure failure = p->failure;

	evkv__pipe_input(p, INPUT_LAST);
	if (!evkv__pipe_linked(p) || p->failing)
		return;
	p->failure = failure;
	evkv__pipe_fail_noted(p);
}

/*
 * A socket that was full and takes bytes again is a sign of life; one that has
 * room for some more is none.
 */
void evkv__pipe_flush(struct evkv_pipeline *p)
{
	size_t offered, total = 0;
	bool was_full = p->write_armed;
	ssize_t size = 0;

	skip_holes(p);
	while (evkv__pipe_output_size(p) > 0 && total < WRITE_TURN) {
		size = send_some(p, &offered);
		if (size <= 0)
			break;
		if (was_full)
			p->progress_us = evkv_loop_now_us(p->loop);
		total += (size_t)size;
		advance(p, (size_t)size);
		if ((size_t)size < offered && p->ssl == NULL)
			break;
	}
	if (size == IO_FAILED) {
		write_failed(p);
	} else if (!evkv__pipe_arm_write(p, p->read_wants_write ||
	    (evkv__pipe_output_size(p) > 0 && !p->write_wants_read))) {
		evkv__pipe_note(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
		    "out of memory");
		evkv__pipe_fail_noted(p);
	}
	evkv__pipe_ending_run(p);
}

/* ---- Receiving --------------------------------------------------------- */

/* The oldest slot that a reply can belong to: some of it was sent. */
static struct evkv_slot *oldest(const struct evkv_pipeline *p)
{
	struct evkv_slot *slot = p->outstanding.first;

	if (slot == NULL || slot->begin >= p->sent)
		return NULL;
	return slot;
}

static void parse_failed(struct evkv_pipeline *p)
{
	if (p->failing || !evkv__pipe_linked(p))
		return;
	evkv__pipe_note(p, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL, 0,
	    "the server broke the protocol");
	evkv__pipe_fail_noted(p);
}

/* Give the driver what there is; how many slots were answered. */
static size_t parse(struct evkv_pipeline *p)
{
	enum evkv_parse verdict;
	struct evkv_slot *slot;
	size_t count = 0, used, size;

	for (;;) {
		slot = oldest(p);
		used = 0;
		size = p->in.tail - p->in.head;
		verdict = p->protocol->parse(p->self, slot,
		    p->in.data + p->in.head, size, &used);
		if (!evkv__pipe_linked(p))
			return count;
		evkv__pipe_buffer_consume(&p->in, used < size ? used : size);
		if (verdict == EVKV_PARSE_MORE && !p->failing)
			return count;
		if (verdict != EVKV_PARSE_ANSWERED || p->failing ||
		    slot == NULL) {
			if (slot != NULL)
				slot->bits |= SLOT_SUSPECT;
			parse_failed(p);
			return count;
		}
		count++;
		evkv__pipe_answered(p, slot);
		if (p->failing || !evkv__pipe_linked(p))
			return count;
	}
}

static ssize_t receive(struct evkv_pipeline *p, size_t size)
{
	char *room;

	if (p->in.tail - p->in.head >= p->options.max_input_bytes) {
		evkv__pipe_note(p, EVKV_TOO_LARGE, EVKV_CAUSE_PROTOCOL, 0,
		    "a reply exceeds %zu bytes", p->options.max_input_bytes);
		if (oldest(p) != NULL)
			oldest(p)->bits |= SLOT_SUSPECT;
		return IO_FAILED;
	}
	if (!evkv__pipe_buffer_reserve(&p->in, size)) {
		evkv__pipe_note(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
		    "out of memory for replies");
		return IO_FAILED;
	}
	room = p->in.data + p->in.tail;
	return p->ssl != NULL ? evkv__pipe_tls_read(p, room, size) :
	                        evkv__pipe_socket_read(p, room, size);
}

static size_t piece(const struct evkv_pipeline *p)
{
	size_t size = p->options.read_bytes;

	if (size < p->last_burst / READ_PIECES)
		size = p->last_burst / READ_PIECES;
	if (size < p->burst / READ_PIECES)
		size = p->burst / READ_PIECES;
	return size < READ_MAX ? size : READ_MAX;
}

static void burst_over(struct evkv_pipeline *p)
{
	p->last_burst = p->burst;
	p->burst = 0;
}

/* With TLS the rest of what was read can lie with OpenSSL, unseen by epoll. */
static void come_back(struct evkv_pipeline *p)
{
	if (p->ssl != NULL && SSL_has_pending(p->ssl))
		evkv_task_queue(p->loop, &p->turn);
}

/*
 * Whether to stop after a read that answered some slots or emptied the socket,
 * which a short read does, but not one of a TLS record.
 */
static bool enough(struct evkv_pipeline *p, enum input_extent extent,
    bool answered, bool empty)
{
	if (extent == INPUT_LAST)
		return false;
	if (empty) {
		burst_over(p);
		return true;
	}
	if (p->burst >= (extent == INPUT_PIECE ? READ_TURN : READ_LATE) ||
	    (extent == INPUT_PIECE && answered)) {
		come_back(p);
		return true;
	}
	return false;
}

void evkv__pipe_input(struct evkv_pipeline *p, enum input_extent extent)
{
	size_t size;
	ssize_t got;

	evkv__pipe_enter(p);
	while (evkv__pipe_linked(p) && !p->failing) {
		size = piece(p);
		got = receive(p, size);
		if (got == IO_AGAIN) {
			burst_over(p);
			break;
		}
		if (got < 0) {
			evkv__pipe_fail_noted(p);
			break;
		}
		p->progress_us = evkv_loop_now_us(p->loop);
		p->in.tail += (size_t)got;
		p->burst += (size_t)got;
		if (enough(p, extent, parse(p) > 0,
		    p->ssl == NULL && (size_t)got < size))
			break;
	}
	evkv__pipe_leave(p);
}

/*
 * When the loop has been away for long, deadlines may have passed meanwhile:
 * what the server has answered in time is read before they are judged, which
 * libevent does after the sockets.
 */
enum input_extent evkv__pipe_input_extent(struct evkv_pipeline *p)
{
	int64_t away_us = evkv_loop_now_us(p->loop) - p->progress_us;

	return away_us >= LATE_US ? INPUT_LATE : INPUT_PIECE;
}

/* ---- The turn and the tick --------------------------------------------- */

static void encode_waiting(struct evkv_pipeline *p)
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
	if (p->phase == PHASE_READY) {
		evkv__pipe_watching_end(p, END_READY);
		evkv__pipe_ending_run(p);
		encode_waiting(p);
	}
	if (evkv__pipe_linked(p) && !p->failing && !p->write_armed)
		evkv__pipe_flush(p);
	if (evkv__pipe_linked(p) && !p->failing && p->ssl != NULL &&
	    SSL_has_pending(p->ssl))
		evkv__pipe_input(p, INPUT_PIECE);
	if (p->phase == PHASE_READY && p->waiting.first != NULL &&
	    !p->write_armed)
		evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_leave(p);
}

/* Silent for too long? What can be read already is read before that is said. */
static bool stalled(struct evkv_pipeline *p)
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

static void tick_again(struct evkv_pipeline *p)
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
	if (stalled(p)) {
		evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_STALL,
		    ETIMEDOUT, "the server has been silent for %lld ms",
		    (long long)p->options.stall_timeout_ms);
		evkv__pipe_fail_noted(p);
	} else if (evkv__pipe_linked(p)) {
		evkv__pipe_buffer_trim(&p->in);
		evkv__pipe_buffer_trim(&p->out);
		if (p->outstanding.first != NULL ||
		    p->in.size + p->out.size > 2 * TLS_RECORD)
			tick_again(p);
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
	p->holes = 0;
	p->burst = p->last_burst = 0;
	p->ssl_pending = 0;
	p->read_wants_write = p->write_wants_read = false;
}
