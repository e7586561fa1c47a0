/*
 * The commands that write keys.
 */
#include "commands.h"

/* ---- PUT -------------------------------------------------------------- */

struct evkv_slice evkv__redis_put_value(const struct redis_part *part,
    const struct evkv_request *request, size_t i)
{
	size_t entry = evkv_part_entry(&part->base, i);

	return request->counted_values != NULL
	    ? evkv_value_bytes(request->counted_values[entry])
	    : request->values[entry];
}

int64_t evkv__redis_put_ttl(const struct redis_part *part,
    const struct evkv_request *request, size_t i)
{
	return request->ttls_ms != NULL
	    ? request->ttls_ms[evkv_part_entry(&part->base, i)]
	    : request->ttl_ms;
}

static bool set_one(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_request *request, size_t i)
{
	enum evkv_condition condition = request->condition;
	struct redis_name name = evkv__redis_name(connection, part, request, i);
	struct evkv_slice value = evkv__redis_put_value(part, request, i);
	int64_t ttl_ms = evkv__redis_put_ttl(part, request, i);
	char *room = evkv_pipeline_reserve(connection->pipeline,
	    RESP_HEAD_MAX * 6 + redis_name_max(&name) +
		resp_word_max(value.size));
	char *at = room;

	if (room == NULL)
		return false;
	at = resp_command(at,
	    3U + (ttl_ms != EVKV_TTL_NONE ? 2U : 0U) +
		(condition != EVKV_IF_ANY ? 1U : 0U));
	at = resp_raw(at, "$3\r\nSET\r\n", 9);
	at = evkv__redis_name_word(&name, at);
	at = resp_word(at, value);
	if (ttl_ms != EVKV_TTL_NONE) {
		at = resp_raw(at, "$2\r\nPX\r\n", 8);
		at = resp_number(at, (uint64_t)ttl_ms);
	}
	if (condition != EVKV_IF_ANY)
		at = resp_raw(at,
		    condition == EVKV_IF_ABSENT ? "$2\r\nNX\r\n"
						: "$2\r\nXX\r\n",
		    8);
	evkv__redis_commit(connection, part, room, at);
	evkv__redis_effect(connection, part, i);
	return true;
}

static bool set_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_request *request = evkv__redis_request(part);

	for (size_t i = 0; i < part->base.count; i++) {
		if (!set_one(connection, part, request, i))
			return false;
	}
	return true;
}

/* No other status is one: "QUEUED" says that it has not been done. */
static bool set_done(const struct redis_item *item)
{
	return item->type == REDIS_ITEM_STATUS &&
	    evkv_slice_equal(item->bytes, EVKV_LIT("OK"));
}

static bool set_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth != 0)
		return false;
	if (item->type != REDIS_ITEM_ERROR)
		connection->full = false;
	if (item->type == REDIS_ITEM_NIL) /* the condition did not hold */
		evkv__redis_entry(part, part->base.settled)
		    ->status = part->absent ? EVKV_EXISTS : EVKV_NOT_FOUND;
	else if (!set_done(item) &&
	    !evkv__redis_take_error(connection, part, part->base.settled, 1,
		item))
		return false;
	part->base.settled++;
	return true;
}

static bool mset_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_request *request = evkv__redis_request(part);

	if (!evkv__redis_write_start(connection, part, "MSET",
		part->base.count * 2 + 1))
		return false;
	for (size_t i = 0; i < part->base.count; i++) {
		struct evkv_slice value = evkv__redis_put_value(part, request,
		    i);
		char *room;

		if (!evkv__redis_write_name(connection, part, i))
			return false;
		room = evkv_pipeline_reserve(connection->pipeline,
		    resp_word_max(value.size));
		if (room == NULL)
			return false;
		evkv__redis_commit(connection, part, room,
		    resp_word(room, value));
	}
	return true;
}

static bool mset_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth == 0 && set_done(item)) {
		connection->full = false;
		return true;
	}
	return evkv__redis_take_error(connection, part, 0, part->base.count,
	    item);
}

/* ---- DELETE, EXISTS, TOUCH -------------------------------------------- */

static bool unlink_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	return evkv__redis_write_each(connection, part,
	    COMMAND_START("2", "6", "UNLINK"));
}

static bool pexpire_one(struct redis_connection *connection,
    struct redis_part *part, size_t i, int64_t ttl_ms)
{
	char *room;

	if (!evkv__redis_write_one(connection, part, i,
		COMMAND_START("3", "7", "PEXPIRE")))
		return false;
	room = evkv_pipeline_reserve(connection->pipeline, RESP_HEAD_MAX * 2);
	if (room == NULL)
		return false;
	evkv__redis_commit(connection, part, room,
	    resp_number(room, (uint64_t)ttl_ms));
	evkv__redis_effect(connection, part, i);
	return true;
}

/*
 * PERSIST answers 0 both for a missing key and for one without a TTL; the
 * EXISTS after it tells them apart. The effect comes before the last byte, also
 * where there is one key alone.
 */
static bool persist_one(struct redis_connection *connection,
    struct redis_part *part, size_t i)
{
	if (!evkv__redis_write_one(connection, part, i,
		COMMAND_START("2", "7", "PERSIST")))
		return false;
	evkv__redis_effect(connection, part, i);
	if (part->base.ends == NULL)
		evkv_pipeline_effect(connection->pipeline);
	return evkv__redis_write_one(connection, part, i,
	    COMMAND_START("2", "6", "EXISTS"));
}

static bool touch_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_request *request = evkv__redis_request(part);

	part->replies = part->base.count;
	for (size_t i = 0; i < part->base.count; i++) {
		int64_t ttl_ms = evkv__redis_put_ttl(part, request, i);

		part->pairs[i] = ttl_ms == EVKV_TTL_NONE;
		part->replies += part->pairs[i];
		if (part->pairs[i] ? !persist_one(connection, part, i)
				   : !pexpire_one(connection, part, i, ttl_ms))
			return false;
	}
	return true;
}

static bool touch_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	struct evkv_entry *entry = evkv__redis_entry(part, part->base.settled);
	bool was_first = part->pairs[part->base.settled] && !part->half;
	bool known = part->half && part->had_ttl;

	/* What is done is done, even if the server would not tell of it. */
	if (known && item->depth == 0 && item->type == REDIS_ITEM_ERROR)
		part->base.settled++;
	else if (!evkv__redis_take_number(connection, part, item))
		return false;
	if (was_first) {
		/* The second one settles it, unless this one has failed. */
		part->base.settled--;
		part->half = true;
		part->had_ttl = entry->status == EVKV_OK;
		if (entry->status == EVKV_NOT_FOUND)
			entry->status = EVKV_OK;
		return true;
	}
	if (known)
		entry->status = EVKV_OK; /* it was there for the first one */
	part->half = false;
	return true;
}

/* ---- The tables ------------------------------------------------------- */

const struct redis_command evkv__redis_set = {
	.encode = set_encode,
	.item = set_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_mset = {
	.encode = mset_encode,
	.item = mset_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_unlink = {
	.encode = unlink_encode,
	.item = evkv__redis_take_number,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_touch = {
	.encode = touch_encode,
	.item = touch_item,
	.end = evkv__redis_part_end,
};
