/*
 * The commands that read keys.
 */
#include "commands.h"

/* ---- GET -------------------------------------------------------------- */

static bool get_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	return evkv__redis_write_one(connection, part, 0,
	    COMMAND_START("2", "3", "GET"));
}

static bool get_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth != 0)
		return false;
	/* MGET says nil for what is not a string; so do we. */
	if (item->type == REDIS_ITEM_ERROR &&
	    evkv__redis_error_is(item->bytes, "WRONGTYPE")) {
		evkv__redis_entry(part, 0)->status = EVKV_NOT_FOUND;
		return true;
	}
	return evkv__redis_take_value(part, 0, item) ||
	    evkv__redis_take_error(connection, part, 0, 1, item);
}

static bool mget_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	if (!evkv__redis_write_start(connection, part, "MGET",
		part->base.count + 1))
		return false;
	for (size_t i = 0; i < part->base.count; i++) {
		if (!evkv__redis_write_name(connection, part, i))
			return false;
	}
	return true;
}

static bool mget_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth == 1) {
		if (item->index >= part->base.count ||
		    !evkv__redis_take_value(part, item->index, item))
			return false;
		part->base.settled++;
		return true;
	}
	if (item->type == REDIS_ITEM_ARRAY)
		return item->depth == 0 &&
		    item->number == (long long)part->base.count;
	return evkv__redis_take_error(connection, part, 0, part->base.count,
	    item);
}

/* ---- TTL -------------------------------------------------------------- */

static bool ttl_write_pttls(struct redis_connection *connection,
    struct redis_part *part)
{
	for (size_t i = 0; i < part->base.count; i++) {
		if (!evkv__redis_write_one(connection, part, i,
			COMMAND_START("2", "4", "PTTL")))
			return false;
	}
	return true;
}

/*
 * Redis refuses all that is within MULTI while it is full. Without it an entry
 * may be replaced between the commands: the TTL is asked for before and after
 * the value, and the shorter one is reported.
 */
static bool ttl_encode_apart(struct redis_connection *connection,
    struct redis_part *part)
{
	part->apart = true;
	part->replies = part->base.count * 2 + 1;
	return ttl_write_pttls(connection, part) &&
	    mget_encode(connection, part) && ttl_write_pttls(connection, part);
}

static bool ttl_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	struct evkv_pipeline *pipeline = connection->pipeline;

	if (connection->full)
		return ttl_encode_apart(connection, part);
	if (evkv__redis_group_takes(connection, part))
		return evkv__redis_group_encode(connection, part);
	return evkv_pipeline_append(pipeline, "*1\r\n$5\r\nMULTI\r\n", 15) &&
	    mget_encode(connection, part) &&
	    ttl_write_pttls(connection, part) &&
	    evkv_pipeline_append(pipeline, "*1\r\n$4\r\nEXEC\r\n", 14);
}

/* The reply to PTTL, which is 0 for one that is about to expire. */
bool evkv__redis_take_ttl(struct redis_part *part, size_t i,
    const struct redis_item *item)
{
	struct evkv_entry *entry = evkv__redis_entry(part, i);

	if (item->type != REDIS_ITEM_INTEGER || item->number < -2)
		return false;
	if (entry->status != EVKV_OK)
		return true;
	/* Others may have set one that can't be put. */
	if (item->number == -1)
		entry->ttl_ms = EVKV_TTL_NONE;
	else if (item->number > EVKV_TTL_MAX)
		entry->ttl_ms = EVKV_TTL_MAX;
	else
		entry->ttl_ms = item->number > 0 ? item->number : 1;
	return true;
}

static bool ttl_item_apart_ttl(struct redis_connection *connection,
    struct redis_part *part, size_t i, const struct redis_item *item)
{
	struct evkv_entry *entry = evkv__redis_entry(part, i);
	int64_t before_ms = entry->ttl_ms;

	if (item->depth != 0)
		return false;
	if (!evkv__redis_take_ttl(part, i, item))
		return evkv__redis_take_error(connection, part, i, 1, item);
	if (entry->status != EVKV_OK)
		return true;
	if (part->answered < part->base.count && item->number == -2)
		entry->ttl_ms = EVKV_TTL_NONE; /* that of none */
	else if (before_ms != EVKV_TTL_NONE &&
	    (entry->ttl_ms == EVKV_TTL_NONE || entry->ttl_ms > before_ms))
		entry->ttl_ms = before_ms;
	return true;
}

static bool ttl_item_apart(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	size_t i = part->answered % (part->base.count + 1);
	struct evkv_entry *entry;

	if (i < part->base.count)
		return ttl_item_apart_ttl(connection, part, i, item);
	if (item->depth == 0)
		return (item->type == REDIS_ITEM_ARRAY &&
			   item->number == (long long)part->base.count) ||
		    evkv__redis_take_error(connection, part, 0,
			part->base.count, item);
	if (item->depth != 1 || item->index >= part->base.count)
		return false;
	entry = evkv__redis_entry(part, item->index);
	if (item->type == REDIS_ITEM_NIL)
		entry->ttl_ms = EVKV_TTL_NONE;
	return evkv_failed(entry->status) ||
	    evkv__redis_take_value(part, item->index, item);
}

/* What is within EXEC's reply: that of MGET, then those of PTTL. */
static bool ttl_item_exec(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth == 2)
		return item->parent == 0 && item->index < part->base.count &&
		    evkv__redis_take_value(part, item->index, item);
	if (item->index > part->base.count)
		return false;
	if (item->type == REDIS_ITEM_ERROR) {
		evkv__redis_part_refuse(connection, part, 0, part->base.count,
		    item->bytes);
		return true;
	}
	if (item->index == 0)
		return item->type == REDIS_ITEM_ARRAY &&
		    item->number == (long long)part->base.count;
	return evkv__redis_take_ttl(part, item->index - 1, item);
}

static bool ttl_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	bool last = part->answered == part->replies - 1;

	if (part->group != NULL)
		return evkv__redis_group_item(connection, part, item);
	if (part->apart)
		return ttl_item_apart(connection, part, item);
	/* Without MULTI the others are answered one by one; it has failed. */
	if (part->unqueued)
		return true;
	if (part->answered == 0 && item->type == REDIS_ITEM_ERROR)
		part->unqueued = true;
	if (item->depth > 0)
		return last && ttl_item_exec(connection, part, item);
	if (item->type == REDIS_ITEM_ARRAY)
		return last && item->number == (long long)part->base.count + 1;
	return (item->type == REDIS_ITEM_STATUS && !last) ||
	    evkv__redis_take_error(connection, part, 0, part->base.count, item);
}

static void ttl_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	if (part->group != NULL)
		evkv__redis_group_end(connection, part);
	evkv__redis_part_end(connection, part, end);
}

static bool exists_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	return evkv__redis_write_each(connection, part,
	    COMMAND_START("2", "6", "EXISTS"));
}

/* ---- The tables ------------------------------------------------------- */

const struct redis_command evkv__redis_get = {
	.encode = get_encode,
	.item = get_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_mget = {
	.encode = mget_encode,
	.item = mget_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_ttl = {
	.encode = ttl_encode,
	.item = ttl_item,
	.end = ttl_end,
};

const struct redis_command evkv__redis_exists = {
	.encode = exists_encode,
	.item = evkv__redis_take_number,
	.end = evkv__redis_part_end,
};
