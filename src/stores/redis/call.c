/*
 * What is redis' own in operations on keys: which command a part begins with,
 * and what is known of one that was cut off.
 */
#include <stdio.h>

#include "commands.h"

#define CALL_TEXT 512

/* A thousand operations may be under way: three cache lines each. */
_Static_assert(sizeof(struct evkv_call) + sizeof(struct redis_part) <= 192 ||
	sizeof(void *) > 8,
    "an operation on one key has become larger");

static bool call_begin(void *self, size_t line, struct evkv_part *base,
    const struct evkv_request *request)
{
	struct redis_store *store = self;
	struct redis_part *part = (struct redis_part *)base;

	part->connection = &store->connections[line];
	return evkv__redis_part_command(part, request);
}

/*
 * A server ends connections whose replies exceed its client-output-buffer-limit
 * without a word. It was the first reply to several keys that did not come, or
 * the one that came in part; all others only get the end of the connection.
 */
static bool call_is_suspect(struct redis_part *part,
    const struct evkv_slot_end *end)
{
	struct redis_connection *connection = part->connection;
	uint32_t classes = evkv_kind_classes(evkv_op_result(part->base.slot.op)
						 ->kind);

	if (end->cause != EVKV_CAUSE_RESET || end->fate != EVKV_SLOT_SENT ||
	    (classes & EVKV_CLASS_ANSWERS_VALUES) == 0 ||
	    connection->suspected == connection->number ||
	    (part->base.count == 1 && !connection->within))
		return false;
	connection->suspected = connection->number;
	return true;
}

static void call_cut(struct evkv_part *base, const struct evkv_slot_end *end)
{
	struct redis_part *part = (struct redis_part *)base;
	struct evkv_slot_end ours = *end;
	char message[CALL_TEXT];

	if (call_is_suspect(part, end)) {
		snprintf(message, sizeof(message),
		    "%s, before its reply for %u key%s was whole: it does so "
		    "where a reply exceeds its client-output-buffer-limit",
		    end->message, base->count, base->count == 1 ? "" : "s");
		ours.message = message;
	}
	evkv_part_cut(base, &ours);
	evkv__redis_versions_clear(part);
}

void evkv__redis_part_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	(void)connection;
	if (end->fate == EVKV_SLOT_ANSWERED && part->versions)
		evkv__redis_versions_clear(part);
	evkv_part_end(&part->base, end);
}

const struct evkv_spread_type evkv__redis_spread = {
	.size = sizeof(struct evkv_spread_type),
	.part_size = sizeof(struct redis_part),
	.begin = call_begin,
	.cut = call_cut,
};
