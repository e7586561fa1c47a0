/*
 * One connection to a server: what the pipeline asks of a protocol.
 *
 * Replies come in the order of requests; the opaque number that both bear is
 * compared, so that a reply is never given to another request. One that is
 * another's, bytes that are no reply, and one of a kind that its request never
 * gets end the connection with CORRUPT. So does an ERROR or CLIENT_ERROR, with
 * SERVER: such a line has no opaque number, and the server may have taken a
 * value for the next command.
 */
#include <stdio.h>

#include "commands.h"

#define CONNECTION_INPUT_HEAD 4096 /* bytes of a reply beside its value */

/* ---- Failing ---------------------------------------------------------- */

bool evkv__memcached_connection_fail(struct memcached_connection *connection,
    enum evkv_status status, enum evkv_cause cause, const char *message)
{
	evkv_pipeline_fail(connection->pipeline, status, cause, 0, message);
	return false;
}

static bool connection_corrupt(struct memcached_connection *connection,
    const char *message)
{
	return evkv__memcached_connection_fail(connection, EVKV_CORRUPT,
	    EVKV_CAUSE_PROTOCOL, message);
}

int64_t evkv__memcached_connection_time(const struct memcached_connection
	*connection)
{
	struct evkv_loop *loop = connection->store->loop;

	if (connection->time_s == 0)
		return evkv_loop_wall_ms(loop) / 1000;
	return connection->time_s +
	    (evkv_loop_now_us(loop) - connection->when_us) / 1000000;
}

/* ---- What the pipeline calls ------------------------------------------ */

static void connection_connected(void *self)
{
	struct memcached_connection *connection = self;

	evkv__memcached_handshake(connection);
}

static bool connection_encode(void *self, struct evkv_slot *slot)
{
	struct memcached_connection *connection = self;
	struct memcached_part *part = (struct memcached_part *)slot;

	part->opaque = connection->opaque;
	part->asked = 0;
	part->answered = 0;
	return part->command->encode(connection, part);
}

/* Whether the reply is that to the request whose turn it is. */
static bool connection_fits(const struct memcached_part *part,
    const struct memcached_reply *reply)
{
	switch (reply->code) {
	case MEMCACHED_MN:
	case MEMCACHED_OK:
	case MEMCACHED_SERVER_ERROR: return true;
	case MEMCACHED_HD:
	case MEMCACHED_VA:
		if (!reply->has_opaque)
			return false;
		break;
	default: break;
	}
	return !reply->has_opaque ||
	    reply->opaque == part->opaque + part->answered;
}

/* A reply has come; false: the connection has failed. */
static bool connection_take(struct memcached_connection *connection,
    struct memcached_part *part, const struct memcached_reply *reply)
{
	if (reply->code == MEMCACHED_ERROR)
		return evkv__memcached_refused(connection, reply->bytes);
	if (!connection_fits(part, reply))
		return connection_corrupt(connection,
		    "the reply to another request");
	if (!evkv__memcached_part_reply(connection, part, reply))
		return connection_corrupt(connection,
		    "a reply of an unexpected kind");
	part->answered++;
	return true;
}

/* Of a handshake the next line, of all else the next reply. */
static enum memcached_read connection_read(struct memcached_connection
					       *connection,
    struct memcached_part *part, const char *data, size_t size, size_t *used)
{
	struct memcached_reply reply;
	struct evkv_slice line;
	enum memcached_read read;

	if (part->command == &evkv__memcached_greeting) {
		read = evkv__memcached_line(data, size, &line, used);
		if (read == MEMCACHED_READ_DONE &&
		    !evkv__memcached_greeted(connection, line))
			read = MEMCACHED_READ_BAD;
		return read;
	}
	read = evkv__memcached_reply(data, size, &reply, used);
	if (read == MEMCACHED_READ_BAD)
		connection_corrupt(connection, "bytes that are no reply");
	else if (read == MEMCACHED_READ_DONE &&
	    !connection_take(connection, part, &reply))
		read = MEMCACHED_READ_BAD;
	return read;
}

/* A server that has no room for one more client says so at once. */
static enum evkv_parse connection_unasked(
    struct memcached_connection *connection, const char *data, size_t size)
{
	struct evkv_slice line;
	size_t used;

	if (size == 0)
		return EVKV_PARSE_MORE;
	if (evkv__memcached_line(data, size, &line, &used) ==
		MEMCACHED_READ_DONE &&
	    evkv__memcached_line_is(line, "ERROR"))
		evkv__memcached_refused(connection, line);
	else
		connection_corrupt(connection, "a reply without a request");
	return EVKV_PARSE_FAILED;
}

static enum evkv_parse connection_parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	struct memcached_connection *connection = self;
	struct memcached_part *part = (struct memcached_part *)slot;
	enum memcached_read read;

	*used = 0;
	if (slot == NULL)
		return connection_unasked(connection, data, size);
	while (part->answered < part->asked) {
		size_t more = 0;

		read = connection_read(connection, part, data + *used,
		    size - *used, &more);
		if (read == MEMCACHED_READ_MORE)
			return EVKV_PARSE_MORE;
		if (read == MEMCACHED_READ_BAD)
			return EVKV_PARSE_FAILED;
		*used += more;
	}
	return EVKV_PARSE_ANSWERED;
}

static void connection_end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *end)
{
	struct memcached_connection *connection = self;
	struct memcached_part *part = (struct memcached_part *)slot;

	if (part->command != &evkv__memcached_greeting)
		evkv__memcached_part_end(part, end);
	else if (end->fate == EVKV_SLOT_ANSWERED)
		evkv_pipeline_ready(connection->pipeline);
}

/* With `eject` a server is left out while any of its connections is down. */
static void connection_eject(struct memcached_connection *connection)
{
	struct memcached_store *store = connection->store;
	size_t lines = (size_t)store->options.connections;
	size_t server = (size_t)(connection - store->connections) / lines;
	bool down = false;

	if (!store->options.eject || store->place == NULL)
		return;
	for (size_t i = 0; i < lines; i++)
		down |= store->spread.lines[server * lines + i].state ==
		    EVKV_STATE_DOWN;
	evkv__memcached_place_eject(store->place, server, down);
}

static void connection_state(void *self, enum evkv_state state,
    enum evkv_cause cause, const char *message)
{
	struct memcached_connection *connection = self;
	struct memcached_store *store = connection->store;

	evkv_spread_set_state(&store->spread, store->store,
	    (size_t)(connection - store->connections), state, cause, message);
	if (state != EVKV_STATE_CLOSED)
		connection_eject(connection);
}

static const struct evkv_protocol connection_protocol = {
	.size = sizeof(struct evkv_protocol),
	.name = "memcached",
	.connected = connection_connected,
	.encode = connection_encode,
	.parse = connection_parse,
	.end = connection_end,
	.state = connection_state,
};

/* ---- Making ----------------------------------------------------------- */

bool evkv__memcached_connection_open(struct memcached_store *store, size_t i,
    struct evkv_tls *tls, struct evkv_error *error)
{
	struct memcached_connection *connection = &store->connections[i];
	const struct evkv_memcached_options *ours = &store->options;
	const struct evkv_memcached_server
	    *server = &ours->servers[i / (size_t)ours->connections];
	struct evkv_pipeline_options options = {
		.host = ours->path == NULL ? server->host : NULL,
		.port = ours->path == NULL ? server->port : 0,
		.unix_path = ours->path,
		.tls = tls,
		.fail_fast = ours->fail_fast || ours->eject,
		.connect_timeout_ms = ours->connect_timeout_ms,
		.stall_timeout_ms = ours->stall_timeout_ms,
		.backoff_min_ms = ours->backoff_min_ms,
		.backoff_max_ms = ours->backoff_max_ms,
		.max_offline_slots = ours->max_offline,
		.max_offline_bytes = ours->max_offline_bytes,
		.max_offline_ms = ours->max_offline_ms,
		.max_input_bytes = ours->max_reply_bytes +
		    CONNECTION_INPUT_HEAD,
		.read_bytes = ours->flush_bytes,
	};

	connection->store = store;
	connection->pipeline = evkv_pipeline_new(store->loop,
	    &connection_protocol, connection, &options, error);
	store->spread.lines[i].pipeline = connection->pipeline;
	return connection->pipeline != NULL;
}
