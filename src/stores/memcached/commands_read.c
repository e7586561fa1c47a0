/*
 * The commands that read keys, PING, and the one that empties servers.
 */
#include "commands.h"

/* An "mg" for each key, with flags. */
static bool read_encode(struct memcached_connection *connection,
    struct memcached_part *part, struct evkv_slice flags)
{
	for (size_t i = 0; i < part->base.count; i++) {
		struct command_line line = evkv__memcached_begin(connection,
		    part, i, "mg");

		if (line.start == NULL)
			return false;
		line.at = wire_raw(line.at, flags.data, flags.size);
		if (part->versions)
			line.at = wire_raw(line.at, " c", 2);
		evkv__memcached_end_line(&line);
		evkv__memcached_commit(&line, i);
	}
	return true;
}

static bool get_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return read_encode(connection, part, EVKV_LIT(" v"));
}

static bool ttl_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return read_encode(connection, part, EVKV_LIT(" v t"));
}

static bool exists_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return read_encode(connection, part, EVKV_LIT(""));
}

static bool get_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	if (reply->code == MEMCACHED_EN) {
		command_entry(part, i)->status = EVKV_NOT_FOUND;
		return true;
	}
	if (reply->code != MEMCACHED_VA)
		return false;
	if (evkv__memcached_take_value(part, i, reply->bytes))
		evkv__memcached_tell_version(connection, part, i, reply->cas);
	return true;
}

/* What is sent as a TTL has a second more, for the server's clock. */
static bool ttl_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	struct evkv_entry *entry = command_entry(part, i);

	if (!get_reply(connection, part, i, reply) ||
	    (reply->code == MEMCACHED_VA && !reply->has_ttl))
		return false;
	if (entry->status != EVKV_OK || reply->ttl_s < 0)
		return true;
	entry->ttl_ms = reply->ttl_s > 1 ? (reply->ttl_s - 1) * 1000 : 1;
	return true;
}

static bool exists_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	(void)connection;
	if (reply->code == MEMCACHED_EN)
		command_entry(part, i)->status = EVKV_NOT_FOUND;
	return reply->code == MEMCACHED_EN || reply->code == MEMCACHED_HD;
}

/* ---- Without keys ----------------------------------------------------- */

static bool plain_encode(struct memcached_connection *connection,
    struct memcached_part *part, struct evkv_slice line)
{
	connection->opaque++;
	part->asked++;
	return evkv_pipeline_append(connection->pipeline, line.data, line.size);
}

static bool ping_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return plain_encode(connection, part, EVKV_LIT("mn\r\n"));
}

static bool ping_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	(void)connection;
	(void)part;
	(void)i;
	return reply->code == MEMCACHED_MN;
}

static bool flush_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return plain_encode(connection, part, EVKV_LIT("flush_all\r\n"));
}

/* How many entries there were nobody tells. */
static bool flush_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	(void)connection;
	(void)i;
	evkv_op_set_affected(part->base.slot.op, -1);
	return reply->code == MEMCACHED_OK;
}

/* ---- The tables ------------------------------------------------------- */

const struct memcached_command evkv__memcached_get = {
	.encode = get_encode,
	.reply = get_reply,
};

const struct memcached_command evkv__memcached_ttl = {
	.encode = ttl_encode,
	.reply = ttl_reply,
};

const struct memcached_command evkv__memcached_exists = {
	.encode = exists_encode,
	.reply = exists_reply,
};

const struct memcached_command evkv__memcached_ping = {
	.encode = ping_encode,
	.reply = ping_reply,
};

const struct memcached_command evkv__memcached_flush = {
	.encode = flush_encode,
	.reply = flush_reply,
};
