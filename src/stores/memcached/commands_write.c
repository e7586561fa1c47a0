/*
 * The commands that write keys in one step.
 */
#include "commands.h"

/* ---- PUT -------------------------------------------------------------- */

static struct evkv_slice put_value(const struct memcached_part *part,
    const struct evkv_request *request, size_t i)
{
	size_t entry = evkv_part_entry(&part->base, i);

	return request->counted_values != NULL
	    ? evkv_value_bytes(request->counted_values[entry])
	    : request->values[entry];
}

/* The cas of IF_VERSION; 0 = there is no such condition. */
static uint64_t condition_cas(const struct memcached_connection *connection,
    const struct memcached_part *part, const struct evkv_request *request,
    size_t i)
{
	size_t entry = evkv_part_entry(&part->base, i);

	if (request->condition != EVKV_IF_VERSION)
		return 0;
	return evkv__memcached_version_cas(connection,
	    &request->versions[entry]);
}

static bool put_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	static const char modes[EVKV_IF_COUNT] = {
		[EVKV_IF_ABSENT] = 'E',
		[EVKV_IF_PRESENT] = 'R',
	};
	const struct evkv_request *request = command_request(part);

	for (size_t i = 0; i < part->base.count; i++) {
		int64_t ttl_ms = evkv__memcached_put_ttl(part, request, i);
		const struct command_set set = {
			.value = put_value(part, request, i),
			.ttl_s = evkv__memcached_ttl_s(connection, ttl_ms),
			.cas = condition_cas(connection, part, request, i),
			.mode = modes[request->condition],
			.tells_cas = part->versions,
		};

		if (!evkv__memcached_write_set(connection, part, i, &set))
			return false;
	}
	return true;
}

static bool put_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	struct evkv_entry *entry = command_entry(part, i);

	/* Nothing was sent of one that is too large. */
	if (entry->status == EVKV_TOO_LARGE)
		return reply->code == MEMCACHED_MN;
	switch (reply->code) {
	case MEMCACHED_HD:
		evkv__memcached_tell_version(connection, part, i, reply->cas);
		return true;
	case MEMCACHED_NS:
		entry->status = part->absent ? EVKV_EXISTS : EVKV_NOT_FOUND;
		return true;
	case MEMCACHED_EX: entry->status = EVKV_CONFLICT; return true;
	case MEMCACHED_NF: entry->status = EVKV_NOT_FOUND; return true;
	default: return false;
	}
}

/* ---- DELETE ----------------------------------------------------------- */

static bool delete_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	const struct evkv_request *request = command_request(part);

	for (size_t i = 0; i < part->base.count; i++) {
		struct command_line line = evkv__memcached_begin(connection,
		    part, i, "md");
		uint64_t cas = condition_cas(connection, part, request, i);

		if (line.start == NULL)
			return false;
		if (cas != 0)
			line.at = wire_flag(line.at, 'C', cas);
		evkv__memcached_end_line(&line);
		evkv__memcached_commit(&line, i);
	}
	return true;
}

static bool delete_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	(void)connection;
	if (reply->code == MEMCACHED_NF)
		command_entry(part, i)->status = EVKV_NOT_FOUND;
	else if (reply->code == MEMCACHED_EX)
		command_entry(part, i)->status = EVKV_CONFLICT;
	else
		return reply->code == MEMCACHED_HD;
	return true;
}

/* ---- TOUCH ------------------------------------------------------------ */

/* T0 is for ever. */
static bool touch_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	const struct evkv_request *request = command_request(part);

	for (size_t i = 0; i < part->base.count; i++) {
		struct command_line line = evkv__memcached_begin(connection,
		    part, i, "mg");
		int64_t ttl_ms = evkv__memcached_put_ttl(part, request, i);

		if (line.start == NULL)
			return false;
		line.at = wire_flag(line.at, 'T',
		    evkv__memcached_ttl_s(connection, ttl_ms));
		evkv__memcached_end_line(&line);
		evkv__memcached_commit(&line, i);
	}
	return true;
}

static bool touch_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	return evkv__memcached_exists.reply(connection, part, i, reply);
}

/* ---- The tables ------------------------------------------------------- */

const struct memcached_command evkv__memcached_put = {
	.encode = put_encode,
	.reply = put_reply,
};

const struct memcached_command evkv__memcached_delete = {
	.encode = delete_encode,
	.reply = delete_reply,
};

const struct memcached_command evkv__memcached_touch = {
	.encode = touch_encode,
	.reply = touch_reply,
};
