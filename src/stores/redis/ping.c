/*
 * PING, on every connection; with EVKV_FLAG_WAIT_READY until each of them is
 * ready or one try has failed.
 */
#include "store.h"

struct ping {
	struct evkv_op *op;
	size_t left;
	size_t part_count;
	struct redis_part parts[];
};

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
	evkv_op_fail(part->slot.op, error.status, error.cause, error.message);
	return true;
}

static void ping_let_go(struct ping *ping)
{
	ping->left--;
	if (ping->left == 0)
		evkv_op_complete(ping->op);
}

static void ping_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	struct ping *ping = evkv_op_data(part->slot.op);

	(void)connection;
	if (end->fate != EVKV_SLOT_ANSWERED)
		evkv_slot_fail(part->slot.op, end);
	ping_let_go(ping);
}

static const struct redis_command ping_command = {
	.encode = ping_encode,
	.item = ping_item,
	.end = ping_end,
};

void evkv__redis_ping_stop(struct evkv_op *op)
{
	struct ping *ping = evkv_op_data(op);

	/* One more, so that the op is there until the last one is stopped. */
	ping->left++;
	for (size_t i = 0; i < ping->part_count; i++) {
		struct redis_part *part = &ping->parts[i];

		if (evkv_pipeline_stop(part->connection->pipeline,
			&part->slot)) {
			evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED,
			    NULL);
			ping->left--;
		}
	}
	ping_let_go(ping);
}

enum evkv_verdict evkv__redis_ping_submit(struct redis_store *store,
    struct evkv_op *op, const struct evkv_request *request)
{
	bool wait = (request->flags & EVKV_FLAG_WAIT_READY) != 0;
	size_t size = sizeof(struct ping) +
	    store->connection_count * sizeof(struct redis_part);
	struct ping *ping = evkv_op_alloc(op, size);

	if (ping == NULL)
		return evkv_op_nomem(op);
	memset(ping, 0, size);
	ping->op = op;
	ping->part_count = store->connection_count;
	ping->left = ping->part_count + 1;
	evkv_op_set_data(op, ping);
	for (size_t i = 0; i < ping->part_count; i++) {
		struct redis_part *part = &ping->parts[i];
		const struct evkv_slot_end *why;

		part->slot.op = op;
		part->slot.flags = EVKV_SLOT_KEPT |
		    (wait ? EVKV_SLOT_WAIT_READY : 0);
		part->command = &ping_command;
		part->connection = &store->connections[i];
		part->replies = 1;
		why = evkv_pipeline_submit(part->connection->pipeline,
		    &part->slot);
		if (why != NULL) {
			evkv_slot_fail(op, why);
			ping->left--;
		}
	}
	ping->left--;
	return ping->left == 0 ? EVKV_VERDICT_DONE : EVKV_VERDICT_PENDING;
}
