/*
 * engines/pipeline/send.c - slots into bytes, bytes into the socket.
 *
 * Positions are counted from the connection's first byte. Slots lie in the
 * output one after the other; where a slot was stopped before any of its bytes
 * were sent there is a hole, which is stepped over. Bytes between slots are of
 * slots that were answered before they were sent whole.
 */
#include "engines/pipeline/pipeline.h"

#include <string.h>
#include <sys/uio.h>

#define WRITE_MAX (256 * 1024) /* bytes offered per write */
#define WRITE_TURN (1024 * 1024)
#define WRITE_RANGES 64

/* ---- Encoding ---------------------------------------------------------- */

/* What was encoded last is open: `next` goes on with it, or it ends here. */
static void finish(struct evkv_pipeline *p, struct evkv_slot *next)
{
	struct evkv_slot *last = p->outstanding.last;

	if (!p->protocol->finish(p->self, next))
		return;
	p->open = false;
	last->end = last->mark = evkv__pipe_output_end(p);
}

bool evkv__pipe_encode(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	bool encoded;

	if (p->open)
		finish(p, slot);
	slot->bits = 0;
	slot->begin = evkv__pipe_output_end(p);
	p->effect = 0;
	p->encode_failed = false;
	encoded = p->protocol->encode(p->self, slot);
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
	if (!p->tick_set)
		evkv__pipe_tick_arm(p);
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

void evkv_pipeline_open(struct evkv_pipeline *p)
{
	p->open = true;
}

void evkv_pipeline_effect(struct evkv_pipeline *p)
{
	if (p->effect == 0)
		p->effect = evkv__pipe_output_end(p);
}

/* ---- Sending ----------------------------------------------------------- */

static void send_consume(struct evkv_pipeline *p, size_t size)
{
	p->sent += size;
	evkv__pipe_buffer_consume(&p->out, size);
}

static void send_mark(struct evkv_pipeline *p, struct evkv_slot *slot)
{
	if (p->sent < slot->mark || (slot->bits & SLOT_MARKED) != 0)
		return;
	slot->bits |= SLOT_MARKED;
	if (slot->op != NULL && (slot->flags & EVKV_SLOT_READS) == 0)
		(void)evkv_op_mark_sent(slot->op);
}

/* Step over holes at the front; their slots end. */
static void send_skip_holes(struct evkv_pipeline *p)
{
	struct evkv_slot *slot;

	while ((slot = p->unsent) != NULL && slot->begin <= p->sent &&
	    (slot->bits & SLOT_DEAD) != 0) {
		send_consume(p, (size_t)(slot->end - slot->begin));
		slot->end = slot->begin;
		evkv__pipe_outstanding_remove(p, slot);
		evkv__pipe_slot_ends(p, slot, END_STOPPED);
	}
}

/* The ordinary case, of which there are many. */
static void send_advance_whole(struct evkv_pipeline *p, size_t size)
{
	struct evkv_slot *slot = p->unsent;

	send_consume(p, size);
	while (slot != NULL && slot->begin < p->sent) {
		send_mark(p, slot);
		if (slot->end > p->sent)
			break;
		slot = slot->next;
	}
	p->unsent = slot;
}

/* `size` more bytes, holes not counted, are sent. */
static void send_advance(struct evkv_pipeline *p, size_t size)
{
	struct evkv_slot *slot;
	size_t part;

	for (; size > 0 && p->holes > 0; size -= part) {
		send_skip_holes(p);
		slot = p->unsent;
		if (slot == NULL)
			break;
		/* Up to where it begins, or to its end. */
		part = (size_t)((p->sent < slot->begin ? slot->begin
						       : slot->end) -
		    p->sent);
		if (part > size)
			part = size;
		send_consume(p, part);
		send_mark(p, slot);
		if (p->sent == slot->end)
			p->unsent = slot->next;
	}
	if (size > 0)
		send_advance_whole(p, size);
	send_skip_holes(p);
}

/* What to offer next, without the holes: at least a part of it. */
static size_t send_gather(struct evkv_pipeline *p, struct iovec *ranges)
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
	for (slot = p->unsent;
	     slot != NULL && slot->begin < to && count < WRITE_RANGES - 1;
	     slot = slot->next) {
		if ((slot->bits & SLOT_DEAD) == 0)
			continue;
		if (slot->begin > from) {
			ranges[count].iov_base = p->out.data + p->out.head +
			    (from - p->sent);
			ranges[count].iov_len = (size_t)(slot->begin - from);
			count++;
		}
		from = slot->end;
	}
	if (count < WRITE_RANGES - 1 && from < to) {
		ranges[count].iov_base = p->out.data + p->out.head +
		    (from - p->sent);
		ranges[count].iov_len = (size_t)(to - from);
		count++;
	}
	return count;
}

/*
 * The server may have said why it does not listen any more: read that first.
 * The failure that was recorded stays, unless reading finds a better one.
 */
static void send_write_failed(struct evkv_pipeline *p)
{
	struct failure failure = p->failure;

	evkv__pipe_input(p, INPUT_LAST);
	if (!evkv__pipe_linked(p) || p->failing)
		return;
	p->failure = failure;
	evkv__pipe_give_up(p);
}

/*
 * A socket that was full and takes bytes again is a sign of life; one that has
 * room for some more is none.
 */
void evkv__pipe_flush(struct evkv_pipeline *p)
{
	struct iovec ranges[WRITE_RANGES];
	size_t offered, total = 0;
	bool was_full = p->net.write_armed;
	ssize_t size = 0;

	if (p->open)
		finish(p, NULL);
	send_skip_holes(p);
	while (evkv__pipe_output_size(p) > 0 && total < WRITE_TURN) {
		size = evkv__net_write(&p->net, ranges, send_gather(p, ranges),
		    &offered);
		if (size <= 0)
			break;
		if (was_full)
			p->progress_us = evkv_loop_now_us(p->loop);
		total += (size_t)size;
		send_advance(p, (size_t)size);
		if ((size_t)size < offered && p->net.ssl == NULL)
			break;
	}
	if (size == NET_FAILED) {
		evkv__pipe_set_failure_net(p);
		send_write_failed(p);
	} else if (!evkv__net_watch_writing(&p->net,
		       p->net.read_wants_write ||
			   (evkv__pipe_output_size(p) > 0 &&
			       !p->net.write_wants_read))) {
		evkv__pipe_set_failure_net(p);
		evkv__pipe_give_up(p);
	}
	evkv__pipe_ending_run(p);
}
