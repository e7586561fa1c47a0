/*
 * The order in which operations call back, where there are several connections.
 *
 * Replies come in order on each connection. But a batch over two of them ends
 * with the slower one, and an operation that was submitted after it, on a key
 * of the faster one, must not overtake it. So an answered part whose call is
 * not over, and all that are answered after it on its connection, are held in a
 * queue of the connection. A call completes when it is over and all its held
 * parts are at the heads of their queues.
 *
 * Calls are submitted one after the other, so they stand in the same order in
 * every queue, and the earliest of them can always go on. Parts that were cut
 * off are not held, as they may end out of order; nor are those of calls whose
 * waiter is gone.
 */
#include "store.h"

static void order_add(struct redis_connection *connection,
    struct redis_part *part)
{
	part->held_next = NULL;
	part->held_link = connection->held_end;
	*connection->held_end = part;
	connection->held_end = &part->held_next;
}

static void order_remove(struct redis_part *part)
{
	if (part->held_link == NULL)
		return;
	*part->held_link = part->held_next;
	if (part->held_next != NULL)
		part->held_next->held_link = part->held_link;
	else
		part->connection->held_end = part->held_link;
	part->held_link = NULL;
}

static void order_remove_all(struct redis_call *call)
{
	for (uint32_t i = 0; i < call->part_count; i++)
		order_remove(&call->parts[i]);
}

static bool order_may_go(const struct redis_call *call)
{
	if (call->left > 0)
		return false;
	for (uint32_t i = 0; i < call->part_count; i++) {
		const struct redis_part *part = &call->parts[i];

		/* A call's parts on one connection stand together. */
		if (part->held_link != NULL &&
		    part->connection->held->call != call)
			return false;
	}
	return true;
}

/* Complete what may go; that may let others go, on other connections. */
static void order_go_on(struct redis_store *store)
{
	bool again;

	do {
		again = false;
		for (size_t i = 0; i < store->connection_count; i++) {
			struct redis_part *head = store->connections[i].held;

			if (head == NULL || !order_may_go(head->call))
				continue;
			order_remove_all(head->call);
			evkv_op_complete(head->slot.op);
			again = true;
		}
	} while (again);
}

void evkv__redis_order_ended(struct redis_part *part, bool answered)
{
	struct redis_connection *connection = part->connection;
	struct redis_call *call = part->call;

	call->left--;
	if (answered &&
	    (call->left > 0 || call->held || connection->held != NULL) &&
	    connection->store->connection_count > 1 &&
	    !evkv_op_detached(part->slot.op)) {
		order_add(connection, part);
		call->held = true;
	}
	if (call->left > 0)
		return;
	if (call->held)
		order_go_on(connection->store);
	else
		evkv_op_complete(part->slot.op);
}

void evkv__redis_order_stopped(struct redis_call *call)
{
	struct redis_store *store = call->parts[0].connection->store;
	bool held = call->held;

	order_remove_all(call);
	call->held = false;
	if (call->left == 0)
		evkv_op_complete(call->parts[0].slot.op);
	if (held)
		order_go_on(store);
}
