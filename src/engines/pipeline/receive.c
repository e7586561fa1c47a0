/*
 * engines/pipeline/receive.c - bytes from the socket, through parse().
 *
 * Read in pieces: the callbacks of one piece run, and what they submit is sent,
 * before the next is read, so that client and server work at the same time.
 */
#include "engines/pipeline/pipeline.h"

#define READ_MAX (256 * 1024)   /* bytes per read */
#define READ_TURN (1024 * 1024) /* bytes per turn */
#define READ_LATE (16 * READ_TURN)
#define READ_PIECES 4 /* of a burst */
#define LATE_US 20000

/* The oldest slot that a reply can belong to: some of it was sent. */
static struct evkv_slot *receive_oldest(const struct evkv_pipeline *p)
{
	struct evkv_slot *slot = p->outstanding.first;

	if (slot == NULL || slot->begin >= p->sent)
		return NULL;
	return slot;
}

static void receive_parse_failed(struct evkv_pipeline *p)
{
	if (p->failing || !evkv__pipe_linked(p))
		return;
	evkv__pipe_set_failure(p, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL, 0,
	    "the server broke the protocol");
	evkv__pipe_give_up(p);
}

/* Give the driver what there is; how many slots were answered. */
static size_t receive_parse(struct evkv_pipeline *p)
{
	enum evkv_parse verdict;
	struct evkv_slot *slot;
	size_t count = 0, used, size;

	for (;;) {
		slot = receive_oldest(p);
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
			receive_parse_failed(p);
			return count;
		}
		count++;
		evkv__pipe_answered(p, slot);
		if (p->failing || !evkv__pipe_linked(p))
			return count;
	}
}

static ssize_t receive_bytes(struct evkv_pipeline *p, size_t size)
{
	ssize_t got;

	if (p->in.tail - p->in.head >= p->options.max_input_bytes) {
		evkv__pipe_set_failure(p, EVKV_TOO_LARGE, EVKV_CAUSE_PROTOCOL,
		    0, "a reply exceeds %zu bytes (max_input_bytes)",
		    p->options.max_input_bytes);
		if (receive_oldest(p) != NULL)
			receive_oldest(p)->bits |= SLOT_SUSPECT;
		return NET_FAILED;
	}
	if (!evkv__pipe_buffer_reserve(&p->in, size)) {
		evkv__pipe_set_failure(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
		    "out of memory for replies");
		return NET_FAILED;
	}
	got = evkv__net_read(&p->net, p->in.data + p->in.tail, size);
	if (got == NET_FAILED)
		evkv__pipe_set_failure_net(p);
	return got;
}

static size_t receive_piece(const struct evkv_pipeline *p)
{
	size_t size = p->options.read_bytes;

	if (size < p->last_burst / READ_PIECES)
		size = p->last_burst / READ_PIECES;
	if (size < p->burst / READ_PIECES)
		size = p->burst / READ_PIECES;
	return size < READ_MAX ? size : READ_MAX;
}

static void receive_burst_over(struct evkv_pipeline *p)
{
	p->last_burst = p->burst;
	p->burst = 0;
}

/* With TLS the rest of what was read can lie with OpenSSL, unseen by epoll. */
static void receive_come_back(struct evkv_pipeline *p)
{
	if (evkv__net_has_more(&p->net))
		evkv_task_queue(p->loop, &p->turn);
}

/*
 * Whether to stop after a read that answered some slots or emptied the socket,
 * which a short read does, but not one of a TLS record.
 */
static bool receive_enough(struct evkv_pipeline *p, enum input_extent extent,
    bool answered, bool empty)
{
	if (extent == INPUT_LAST)
		return false;
	if (empty) {
		receive_burst_over(p);
		return true;
	}
	if (p->burst >= (extent == INPUT_PIECE ? READ_TURN : READ_LATE) ||
	    (extent == INPUT_PIECE && answered)) {
		receive_come_back(p);
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
		size = receive_piece(p);
		got = receive_bytes(p, size);
		if (got == NET_AGAIN) {
			receive_burst_over(p);
			break;
		}
		if (got < 0) {
			evkv__pipe_give_up(p);
			break;
		}
		p->progress_us = evkv_loop_now_us(p->loop);
		p->in.tail += (size_t)got;
		p->burst += (size_t)got;
		if (receive_enough(p, extent, receive_parse(p) > 0,
			p->net.ssl == NULL && (size_t)got < size))
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
