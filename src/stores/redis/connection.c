/*
 * One connection to a server: what the pipeline asks of a protocol.
 *
 * Replies that are whole are taken as they lie there; others are given to the
 * hiredis reader, in slices, since it moves what is left in its buffer after
 * each reply. Bytes that are no reply, an unexpected reply, and one of a kind
 * that its command never gets end the connection with CORRUPT; one over
 * max_reply_bytes ends it with TOO_LARGE.
 *
 * READONLY means that the server has become a replica: a ping is sent after
 * what is under way, and when it is answered the store reconnects, by name, so
 * that what was sent before still gets its true answer.
 */
#include "commands.h"

#define CONNECTION_SLICE ((size_t)4096)
#define CONNECTION_KEPT ((size_t)1 << 16) /* bytes that the reader may keep */

/* ---- Renewal ---------------------------------------------------------- */

static bool goodbye_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	(void)part;
	return evkv_pipeline_append(connection->pipeline,
	    "*1\r\n$4\r\nPING\r\n", 14);
}

static bool goodbye_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	(void)connection;
	(void)part;
	return item->depth == 0;
}

static void goodbye_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	(void)part;
	connection->leaving = false;
	if (end->fate == EVKV_SLOT_ANSWERED)
		evkv_pipeline_fail(connection->pipeline, EVKV_UNAVAILABLE,
		    EVKV_CAUSE_SERVER, 0, "the server has become read-only");
}

static const struct redis_command goodbye_command = {
	.encode = goodbye_encode,
	.item = goodbye_item,
	.end = goodbye_end,
};

void evkv__redis_connection_renew(struct redis_connection *connection)
{
	connection->renew = true;
}

/* Not more often than a connection that fails is tried. */
static void connection_maybe_renew(struct redis_connection *connection)
{
	struct redis_store *store = connection->store;
	int64_t now_us = evkv_loop_now_us(store->loop);

	connection->renew = false;
	if (connection->leaving ||
	    (connection->renewed_us != 0 &&
		now_us < connection->renewed_us +
			store->options.backoff_max_ms * 1000))
		return;
	connection->renewed_us = now_us;
	memset(&connection->goodbye, 0, sizeof(connection->goodbye));
	connection->goodbye.base.slot.flags = EVKV_SLOT_KEPT;
	connection->goodbye.command = &goodbye_command;
	connection->goodbye.connection = connection;
	connection->goodbye.replies = 1;
	connection->leaving = evkv_pipeline_submit(connection->pipeline,
				  &connection->goodbye.base.slot) == NULL;
}

/* ---- What the pipeline calls ------------------------------------------ */

static void connection_connected(void *self)
{
	struct redis_connection *connection = self;

	if (connection->reader != NULL)
		redisReaderFree(connection->reader);
	connection->reader = evkv__redis_reader_new(connection);
	if (connection->reader == NULL) {
		evkv_pipeline_fail(connection->pipeline, EVKV_NOMEM,
		    EVKV_CAUSE_NOMEM, 0, "out of memory");
		return;
	}
	connection->number++;
	connection->part = NULL;
	connection->wrong = NULL;
	connection->reply_bytes = 0;
	connection->reading = false;
	connection->large = false;
	connection->left = 0;
	connection->full = false;
	evkv__redis_handshake(connection);
}

static bool connection_encode(void *self, struct evkv_slot *slot)
{
	struct redis_part *part = (struct redis_part *)slot;

	return part->command->encode(self, part);
}

static bool connection_finish(void *self, struct evkv_slot *next)
{
	struct redis_connection *connection = self;

	if (next != NULL &&
	    evkv__redis_group_takes(connection, (struct redis_part *)next))
		return false;
	evkv__redis_group_finish(connection);
	return true;
}

static enum evkv_parse connection_fail(struct redis_connection *connection,
    enum evkv_status status, enum evkv_cause cause, const char *message)
{
	evkv_pipeline_fail(connection->pipeline, status, cause, 0, message);
	return EVKV_PARSE_FAILED;
}

/* The reader has stopped for good. */
static enum evkv_parse connection_fail_reader(struct redis_connection
	*connection)
{
	if (connection->reader->err == REDIS_ERR_OOM)
		return connection_fail(connection, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    "out of memory");
	return connection_fail(connection, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL,
	    connection->reader->errstr);
}

/* A whole reply has been read; false = it was not the part's last. */
static bool connection_count(struct redis_connection *connection)
{
	struct redis_part *part = connection->part;

	if (part == NULL) {
		if (!connection->refused)
			connection->wrong = "a reply without a request";
		return false;
	}
	part->answered++;
	return part->answered == part->replies;
}

/*
 * How much the reader is given. Of a long string whose end is known all that
 * there is, and not a byte of what follows it.
 */
static size_t connection_slice(struct redis_connection *connection, size_t size)
{
	size_t most = CONNECTION_SLICE;

	if (connection->left > 0)
		most = connection->left;
	if (size > most)
		size = most;
	if (connection->left > 0)
		connection->left -= size;
	return size;
}

/*
 * The reader has read a reply. Its buffer stays as long as the longest that it
 * has seen, so after a long one another reader takes its place.
 */
static void connection_replied(struct redis_connection *connection)
{
	redisReader *reader = connection->reader, *fresh;

	connection->large |= connection->reply_bytes > CONNECTION_KEPT;
	connection->reply_bytes = reader->len - reader->pos;
	connection->reading = connection->reply_bytes > 0;
	if (connection->reading || !connection->large)
		return;
	fresh = evkv__redis_reader_new(connection);
	if (fresh == NULL)
		return;
	redisReaderFree(reader);
	connection->reader = fresh;
	connection->large = false;
}

/*
 * One reply, or as much of it as there is, from `size` bytes of which *used are
 * done with. 1 = a reply, 0 = not yet, -1 = the reader has failed.
 */
static int connection_read(struct redis_connection *connection,
    const char *data, size_t size, size_t *used)
{
	redisReader *reader = connection->reader;
	void *reply = NULL;
	size_t slice;

	if (!connection->reading) {
		switch (evkv__redis_reply_whole(connection, data + *used,
		    size - *used, used, &connection->left)) {
		case REDIS_WHOLE_YES: return 1;
		case REDIS_WHOLE_LATER: return 0;
		default: break;
		}
	}
	for (;;) {
		if (redisReaderGetReply(reader, &reply) != REDIS_OK)
			return -1;
		if (reply != NULL) {
			connection_replied(connection);
			return 1;
		}
		slice = size - *used;
		if (slice == 0 || connection->wrong != NULL ||
		    connection->reply_bytes >
			connection->store->options.max_reply_bytes)
			return 0;
		slice = connection_slice(connection, slice);
		if (redisReaderFeed(reader, data + *used, slice) != REDIS_OK)
			return -1;
		*used += slice;
		connection->reply_bytes += slice;
		connection->reading = true;
	}
}

/* Whether the connection can't go on. */
static bool connection_broken(struct redis_connection *connection)
{
	const struct redis_error *refusal = &connection->refusal;

	if (connection->wrong != NULL)
		connection_fail(connection, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL,
		    connection->wrong);
	else if (connection->refused)
		connection_fail(connection, refusal->status, refusal->cause,
		    refusal->message);
	else if (connection->reply_bytes >
	    connection->store->options.max_reply_bytes)
		connection_fail(connection, EVKV_TOO_LARGE, EVKV_CAUSE_PROTOCOL,
		    "a reply is longer than max_reply_bytes");
	else
		return false;
	return true;
}

static enum evkv_parse connection_parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	struct redis_connection *connection = self;

	connection->part = (struct redis_part *)slot;
	*used = 0;
	if (slot != NULL && connection->part->follows)
		return EVKV_PARSE_ANSWERED;
	for (;;) {
		int got = connection_read(connection, data, size, used);
		bool done = got > 0 && connection_count(connection);

		if (got < 0)
			return connection_fail_reader(connection);
		if (connection_broken(connection))
			return EVKV_PARSE_FAILED;
		if (done)
			return EVKV_PARSE_ANSWERED;
		if (got == 0)
			return EVKV_PARSE_MORE;
	}
}

static void connection_end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *end)
{
	struct redis_connection *connection = self;
	struct redis_part *part = (struct redis_part *)slot;

	connection->within = connection->part == part && connection->reading;
	if (connection->part == part)
		connection->part = NULL;
	part->command->end(connection, part, end);
	if (connection->renew)
		connection_maybe_renew(connection);
}

static void connection_state(void *self, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	struct redis_connection *connection = self;
	struct redis_store *store = connection->store;

	evkv_spread_set_state(&store->spread, store->store,
	    (size_t)(connection - store->connections), state, cause, message);
}

static const struct evkv_protocol connection_protocol = {
	.size = sizeof(struct evkv_protocol),
	.name = "redis",
	.connected = connection_connected,
	.encode = connection_encode,
	.parse = connection_parse,
	.end = connection_end,
	.finish = connection_finish,
	.state = connection_state,
};

/* ---- Making and ending ------------------------------------------------ */

bool evkv__redis_connection_open(struct redis_store *store, size_t i,
    struct evkv_tls *tls, struct evkv_error *error)
{
	struct redis_connection *connection = &store->connections[i];
	const struct evkv_redis_options *ours = &store->options;
	struct evkv_pipeline_options options = {
		.host = ours->path == NULL ? ours->host : NULL,
		.port = ours->path == NULL ? ours->port : 0,
		.unix_path = ours->path,
		.tls = tls,
		.fail_fast = ours->fail_fast,
		.connect_timeout_ms = ours->connect_timeout_ms,
		.stall_timeout_ms = ours->stall_timeout_ms,
		.backoff_min_ms = ours->backoff_min_ms,
		.backoff_max_ms = ours->backoff_max_ms,
		.max_offline_slots = ours->max_offline,
		.max_offline_bytes = ours->max_offline_bytes,
		.max_offline_ms = ours->max_offline_ms,
		.read_bytes = ours->flush_bytes,
	};

	connection->store = store;
	connection->pipeline = evkv_pipeline_new(store->loop,
	    &connection_protocol, connection, &options, error);
	store->spread.lines[i].pipeline = connection->pipeline;
	return connection->pipeline != NULL;
}

void evkv__redis_connection_free(struct redis_connection *connection)
{
	if (connection->reader != NULL)
		redisReaderFree(connection->reader);
	evkv__redis_group_drop(connection);
}
