/*
 * The commands for operations on keys: how each is written, and what its
 * replies mean.
 *
 *     GET     GET, or MGET for several
 *     TTL     MULTI, MGET, one PTTL per key, EXEC; PTTL, MGET, PTTL where the
 *             server is full
 *     PUT     SET ... PX NX/XX, one per key; MSET for several where nothing has
 *             a TTL or a condition
 *     DELETE  UNLINK, one per key, so that each key gets its answer
 *     EXISTS  EXISTS, likewise
 *     TOUCH   PEXPIRE, likewise; PERSIST and EXISTS where the TTL is removed
 *
 * An error reply fails the keys that it is about, in the server's words. Memory
 * that is lacking for a value fails the key with NOMEM and leaves the
 * connection alone. Anything else that the command could not have been answered
 * with breaks the protocol.
 */
#include "commands.h"

const struct evkv_request *evkv__redis_request(const struct redis_part *part)
{
	return evkv_op_request(part->base.slot.op);
}

struct evkv_entry *evkv__redis_entry(const struct redis_part *part, size_t i)
{
	return evkv_op_entry(part->base.slot.op,
	    evkv_part_entry(&part->base, i));
}

/* ---- Writing ---------------------------------------------------------- */

char *evkv__redis_name_word(const struct redis_name *name, char *at)
{
	at = resp_head(at, '$', name->head.size + name->key.size);
	at = resp_raw(at, name->head.data, name->head.size);
	at = resp_raw(at, name->key.data, name->key.size);
	return resp_raw(at, "\r\n", 2);
}

/* What is in the room up to `at` is written. */
void evkv__redis_commit(struct redis_connection *connection,
    struct redis_part *part, const char *room, const char *at)
{
	evkv_pipeline_commit(connection->pipeline, (size_t)(at - room));
	if (part->base.ends != NULL)
		part->base.ends->written += (size_t)(at - room);
}

/* The i-th key's write takes effect with what has been written so far. */
void evkv__redis_effect(struct redis_connection *connection,
    struct redis_part *part, size_t i)
{
	if (part->base.ends == NULL)
		return;
	part->base.ends->at[i] = part->base.ends->written;
	if (i == 0)
		evkv_pipeline_effect(connection->pipeline);
}

/* One command of a name and one key; `start` is COMMAND_START(). */
bool evkv__redis_write_one(struct redis_connection *connection,
    struct redis_part *part, size_t i, struct evkv_slice start)
{
	struct redis_name name = evkv__redis_name(connection, part,
	    evkv__redis_request(part), i);
	char *room = evkv_pipeline_reserve(connection->pipeline,
	    start.size + redis_name_max(&name));
	char *at = room;

	if (room == NULL)
		return false;
	at = resp_raw(at, start.data, start.size);
	at = evkv__redis_name_word(&name, at);
	evkv__redis_commit(connection, part, room, at);
	return true;
}

/* The same for every key. Writes take effect one by one. */
bool evkv__redis_write_each(struct redis_connection *connection,
    struct redis_part *part, struct evkv_slice start)
{
	for (size_t i = 0; i < part->base.count; i++) {
		if (!evkv__redis_write_one(connection, part, i, start))
			return false;
		evkv__redis_effect(connection, part, i);
	}
	return true;
}

/* MGET, and with values MSET: one command for all keys. */
bool evkv__redis_write_start(struct redis_connection *connection,
    struct redis_part *part, const char *name, size_t words)
{
	char *room = evkv_pipeline_reserve(connection->pipeline,
	    RESP_HEAD_MAX * 2);
	char *at = room;

	if (room == NULL)
		return false;
	at = resp_command(at, words);
	at = resp_word(at, evkv_str(name));
	evkv__redis_commit(connection, part, room, at);
	return true;
}

/* Append the i-th name as a word of a longer command. */
bool evkv__redis_write_name(struct redis_connection *connection,
    struct redis_part *part, size_t i)
{
	struct redis_name name = evkv__redis_name(connection, part,
	    evkv__redis_request(part), i);
	char *room = evkv_pipeline_reserve(connection->pipeline,
	    redis_name_max(&name));

	if (room == NULL)
		return false;
	evkv__redis_commit(connection, part, room,
	    evkv__redis_name_word(&name, room));
	return true;
}

/* ---- Replies ---------------------------------------------------------- */

/* An error about `count` of the part's keys, from the from-th on. */
void evkv__redis_part_refuse(struct redis_connection *connection,
    struct redis_part *part, size_t from, size_t count, struct evkv_slice words)
{
	struct redis_error error;

	evkv__redis_error_read(words, &error);
	for (size_t i = from; i < from + count; i++) {
		struct evkv_entry *entry = evkv__redis_entry(part, i);

		if (evkv_failed(entry->status))
			continue;
		evkv_op_give_value(part->base.slot.op,
		    evkv_part_entry(&part->base, i), NULL);
		entry->status = error.status;
	}
	evkv_op_explain(part->base.slot.op, error.cause, 0, error.message);
	if (error.status == EVKV_NOSPACE)
		connection->full = true;
	if (error.reconnect)
		evkv__redis_connection_renew(connection);
}

/* The i-th key's value has come. */
static void command_value(struct redis_part *part, size_t i,
    struct evkv_slice bytes)
{
	size_t entry = evkv_part_entry(&part->base, i);

	if (part->versions)
		evkv__redis_version(bytes,
		    &evkv_op_entry(part->base.slot.op, entry)->version);
	if (evkv_op_copy_value(part->base.slot.op, entry, bytes))
		return;
	evkv_op_entry(part->base.slot.op, entry)->status = EVKV_NOMEM;
	evkv_op_explain(part->base.slot.op, EVKV_CAUSE_NOMEM, 0,
	    "out of memory");
}

/* A value or nil for the i-th key; nothing else. */
bool evkv__redis_take_value(struct redis_part *part, size_t i,
    const struct redis_item *item)
{
	if (item->type == REDIS_ITEM_STRING)
		command_value(part, i, item->bytes);
	else if (item->type == REDIS_ITEM_NIL)
		evkv__redis_entry(part, i)->status = EVKV_NOT_FOUND;
	else
		return false;
	return true;
}

/* An error as the whole reply; false where it is something else. */
bool evkv__redis_take_error(struct redis_connection *connection,
    struct redis_part *part, size_t from, size_t count,
    const struct redis_item *item)
{
	if (item->depth != 0 || item->type != REDIS_ITEM_ERROR)
		return false;
	evkv__redis_part_refuse(connection, part, from, count, item->bytes);
	return true;
}

/* 1 or 0: the key was there or not. */
bool evkv__redis_take_number(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_INTEGER) {
		if (item->number != 0 && item->number != 1)
			return false;
		if (item->number == 0)
			evkv__redis_entry(part, part->base.settled)
			    ->status = EVKV_NOT_FOUND;
	} else if (!evkv__redis_take_error(connection, part, part->base.settled,
		       1, item)) {
		return false;
	}
	part->base.settled++;
	return true;
}

/* ---- Which command ---------------------------------------------------- */

static bool command_any_ttl(const struct evkv_request *request,
    const struct redis_part *part)
{
	if (request->ttls_ms == NULL)
		return request->ttl_ms != EVKV_TTL_NONE;
	for (size_t i = 0; i < part->base.count; i++) {
		if (request->ttls_ms[evkv_part_entry(&part->base, i)] !=
		    EVKV_TTL_NONE)
			return true;
	}
	return false;
}

static const struct redis_command *command_for_put(
    const struct evkv_request *request, struct redis_part *part)
{
	part->absent = request->condition == EVKV_IF_ABSENT;
	if (part->base.count == 1 || request->condition != EVKV_IF_ANY ||
	    command_any_ttl(request, part))
		return &evkv__redis_set;
	part->replies = 1;
	return &evkv__redis_mset;
}

static const struct redis_command *command_choose(
    const struct evkv_request *request, struct redis_part *part)
{
	part->replies = part->base.count;
	if (request->condition == EVKV_IF_VERSION)
		return &evkv__redis_if_version;
	switch (request->kind) {
	case EVKV_OP_GET:
		part->replies = 1;
		return part->base.count == 1 ? &evkv__redis_get
					     : &evkv__redis_mget;
	case EVKV_OP_TTL:
		part->replies = part->base.count + 3;
		return &evkv__redis_ttl;
	case EVKV_OP_PUT: return command_for_put(request, part);
	case EVKV_OP_DELETE: return &evkv__redis_unlink;
	case EVKV_OP_EXISTS: return &evkv__redis_exists;
	case EVKV_OP_INCR: return &evkv__redis_incr;
	case EVKV_OP_TAKE: return &evkv__redis_take;
	case EVKV_OP_PING: part->replies = 1; return &evkv__redis_ping;
	default: return &evkv__redis_touch;
	}
}

bool evkv__redis_part_command(struct redis_part *part,
    const struct evkv_request *request)
{
	struct evkv_op *op = part->base.slot.op;

	part->command = command_choose(request, part);
	part->versions = (request->flags & EVKV_FLAG_VERSIONS) != 0;
	if (part->versions && request->kind == EVKV_OP_PUT)
		evkv__redis_versions_expect(part, op, request);
	if (part->command == &evkv__redis_touch) {
		part->pairs = evkv_op_alloc(op, part->base.count);
		if (part->pairs == NULL)
			return false;
	}
	/* One command's effect comes with its last byte, as for any slot. */
	return part->base.count <= 1 || part->replies < part->base.count ||
	    (evkv_kind_classes(request->kind) & EVKV_CLASS_WRITES) == 0 ||
	    evkv_part_ends(&part->base);
}
