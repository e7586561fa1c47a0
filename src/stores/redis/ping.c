/*
 * PING, on every connection.
 */
#include "store.h"

static bool ping_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	(void)part;
	return evkv_pipeline_append(connection->pipeline,
	    "*1\r\n$4\r\nPING\r\n", 14);
}

static bool ping_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	struct redis_error error;

	(void)connection;
	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_STATUS)
		return true;
	if (item->type != REDIS_ITEM_ERROR)
		return false;
	evkv__redis_error_read(item->bytes, &error);
	evkv_op_fail(part->base.slot.op, error.status, error.cause,
	    error.message);
	return true;
}

const struct redis_command evkv__redis_ping = {
	.encode = ping_encode,
	.item = ping_item,
	.end = evkv__redis_part_end,
};
