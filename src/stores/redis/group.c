/*
 * The ttl reads of a turn, in one transaction.
 *
 * A cache loads by ttl: a value and its remaining TTL at one moment. MULTI and
 * EXEC around each of them cost the server more than the rest. So the first one
 * opens a transaction; those that follow on its connection join it, by a PTTL
 * for each key; and whatever else comes, or the end of the turn, closes it by
 * one MGET of all keys:
 *
 *     MULTI, PTTL a, PTTL b, PTTL c, MGET a b c, EXEC
 *
 * All replies are those of the first part, the leader. The others are answered
 * right behind it, without a reply of their own. So none of them may be taken
 * out of the output again: one that is stopped is sent all the same.
 *
 * An error to a PTTL is one about its key alone (a user may lack the right to
 * it), but Redis then does nothing of all that. The keys of others end
 * UNAVAILABLE, and from then on the store groups no more.
 */
#include "commands.h"

#define GROUP_KEYS 64
#define GROUP_BYTES 65536 /* of names */

struct redis_group {
	struct redis_part *members[GROUP_KEYS]; /* the leader first */
	size_t count, keys;
	bool refused;      /* an error was about one key */
	bool unqueued;     /* MULTI was refused: nothing that follows counts */
	size_t at, before; /* the member found last, and the keys before it */
	char *names;       /* of all keys, as words */
	size_t names_size, names_room;
};

/* ---- Making ----------------------------------------------------------- */

static struct redis_group *group_new(struct redis_connection *connection)
{
	struct redis_group *group = connection->spare;

	connection->spare = NULL;
	if (group == NULL)
		group = evkv_calloc(1, sizeof(*group));
	if (group == NULL)
		return NULL;
	group->count = group->keys = 0;
	group->refused = group->unqueued = false;
	group->at = group->before = 0;
	group->names_size = 0;
	return group;
}

static void group_free(struct redis_group *group)
{
	if (group == NULL)
		return;
	evkv_free(group->names);
	evkv_free(group);
}

/* One is kept, for the next turn. */
static void group_release(struct redis_connection *connection,
    struct redis_group *group)
{
	if (connection->spare != NULL)
		group_free(group);
	else
		connection->spare = group;
}

void evkv__redis_group_drop(struct redis_connection *connection)
{
	group_free(connection->spare);
	connection->spare = NULL;
}

/* ---- Writing ---------------------------------------------------------- */

bool evkv__redis_group_takes(const struct redis_connection *connection,
    const struct redis_part *part)
{
	const struct redis_group *group = connection->group;

	if (part->command != &evkv__redis_ttl || connection->full ||
	    connection->store->solo || part->base.count > GROUP_KEYS)
		return false;
	return group == NULL ||
	    (group->keys + part->base.count <= GROUP_KEYS &&
		group->names_size <= GROUP_BYTES);
}

static bool names_reserve(struct redis_group *group, size_t size)
{
	size_t room = group->names_room > 0 ? group->names_room : 1024;
	char *names;

	while (room - group->names_size < size)
		room *= 2;
	if (room == group->names_room)
		return true;
	names = evkv_malloc(room);
	if (names == NULL)
		return false;
	if (group->names_size > 0)
		memcpy(names, group->names, group->names_size);
	evkv_free(group->names);
	group->names = names;
	group->names_room = room;
	return true;
}

static bool names_add(struct redis_connection *connection,
    struct redis_group *group, const struct redis_part *part, size_t i)
{
	struct redis_name name = evkv__redis_name(connection, part,
	    evkv__redis_request(part), i);
	char *at;

	if (!names_reserve(group, redis_name_max(&name)))
		return false;
	at = group->names + group->names_size;
	group->names_size = (size_t)(evkv__redis_name_word(&name, at) -
	    group->names);
	return true;
}

/* The keys of a part; and room for what closes the group. */
static bool group_write(struct redis_connection *connection,
    struct redis_group *group, struct redis_part *part)
{
	size_t i;

	for (i = 0; i < part->base.count; i++) {
		if (!evkv__redis_write_one(connection, part, i,
			COMMAND_START("2", "4", "PTTL")) ||
		    !names_add(connection, group, part, i))
			return false;
	}
	return evkv_pipeline_reserve(connection->pipeline,
		   group->names_size + 4 * RESP_HEAD_MAX) != NULL;
}

static bool group_open(struct redis_connection *connection,
    struct redis_part *part)
{
	struct redis_group *group = group_new(connection);

	if (group == NULL)
		return false;
	if (!evkv_pipeline_append(connection->pipeline, "*1\r\n$5\r\nMULTI\r\n",
		15) ||
	    !group_write(connection, group, part)) {
		group_release(connection, group);
		return false;
	}
	part->group = group;
	connection->group = group;
	return true;
}

static bool group_join(struct redis_connection *connection,
    struct redis_part *part)
{
	struct redis_group *group = connection->group;
	size_t names_size = group->names_size;

	if (group_write(connection, group, part)) {
		part->follows = true;
		part->replies = 0;
		return true;
	}
	group->names_size = names_size;
	return false;
}

bool evkv__redis_group_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	struct redis_group *group;

	if (connection->group != NULL ? !group_join(connection, part)
				      : !group_open(connection, part))
		return false;
	group = connection->group;
	group->members[group->count++] = part;
	group->keys += part->base.count;
	part->base.slot.flags |= EVKV_SLOT_JOINED;
	evkv_pipeline_open(connection->pipeline);
	return true;
}

void evkv__redis_group_finish(struct redis_connection *connection)
{
	struct redis_group *group = connection->group;
	char *room, *at;

	room = at = evkv_pipeline_reserve(connection->pipeline,
	    group->names_size + 4 * RESP_HEAD_MAX);
	/* There is room: group_write() has seen to it. */
	if (room != NULL) {
		at = resp_command(at, group->keys + 1);
		at = resp_word(at,
		    group->keys > 1 ? EVKV_LIT("MGET") : EVKV_LIT("GET"));
		at = resp_raw(at, group->names, group->names_size);
		at = resp_raw(at, "*1\r\n$4\r\nEXEC\r\n", 14);
		evkv_pipeline_commit(connection->pipeline, (size_t)(at - room));
	}
	group->members[0]->replies = (uint32_t)group->keys + 3;
	connection->group = NULL;
}

/* ---- Replies ---------------------------------------------------------- */

/* The member that has the group's i-th key, and which of its keys it is. */
static struct redis_part *group_member(struct redis_group *group, size_t i,
    size_t *which)
{
	if (i < group->before)
		group->at = group->before = 0;
	while (i >= group->before + group->members[group->at]->base.count)
		group->before += group->members[group->at++]->base.count;
	*which = i - group->before;
	return group->members[group->at];
}

static bool is_waited_for(const struct redis_part *part)
{
	return !evkv_op_detached(part->base.slot.op);
}

static void group_refuse_one(struct redis_connection *connection,
    struct redis_group *group, size_t i, struct evkv_slice words)
{
	size_t which;
	struct redis_part *part = group_member(group, i, &which);

	if (is_waited_for(part))
		evkv__redis_part_refuse(connection, part, which, 1, words);
}

static void group_refuse(struct redis_connection *connection,
    struct redis_group *group, struct evkv_slice words)
{
	size_t i;

	for (i = 0; i < group->count; i++) {
		if (is_waited_for(group->members[i]))
			evkv__redis_part_refuse(connection, group->members[i],
			    0, group->members[i]->base.count, words);
	}
}

/* Nothing was done, for what was wrong with the key of another. */
static void group_abandon(struct redis_group *group)
{
	struct redis_part *part;
	struct evkv_entry *entry;
	size_t i, which;

	for (i = 0; i < group->keys; i++) {
		part = group_member(group, i, &which);
		if (!is_waited_for(part))
			continue;
		entry = evkv__redis_entry(part, which);
		if (evkv_failed(entry->status))
			continue;
		entry->status = EVKV_UNAVAILABLE;
		evkv_op_explain(part->base.slot.op, EVKV_CAUSE_SERVER, 0,
		    "the server has refused another key of the same "
		    "transaction");
	}
}

/* The reply to a command within MULTI, of which the last one is MGET. */
static bool group_queued(struct redis_connection *connection,
    struct redis_group *group, size_t i, const struct redis_item *item)
{
	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_STATUS)
		return true;
	if (item->type != REDIS_ITEM_ERROR)
		return false;
	if (i < group->keys) {
		group_refuse_one(connection, group, i, item->bytes);
		group->refused = true;
	} else if (!group->refused) {
		group_refuse(connection, group, item->bytes);
	}
	return true;
}

static bool group_multi(struct redis_connection *connection,
    struct redis_group *group, const struct redis_item *item)
{
	if (item->depth == 0 && item->type == REDIS_ITEM_ERROR) {
		group_refuse(connection, group, item->bytes);
		group->unqueued = true;
		return true;
	}
	return item->depth == 0 && item->type == REDIS_ITEM_STATUS;
}

static bool group_value(struct redis_connection *connection,
    struct redis_group *group, size_t i, const struct redis_item *item)
{
	size_t which;
	struct redis_part *part = group_member(group, i, &which);
	struct evkv_entry *entry;

	/* It is each value that max_reply_bytes is about. */
	connection->large |= connection->reply_bytes > GROUP_BYTES;
	connection->reply_bytes = 0;
	if (!is_waited_for(part))
		return true;
	entry = evkv__redis_entry(part, which);
	if (evkv_failed(entry->status))
		return true;
	if (item->type == REDIS_ITEM_NIL ||
	    (item->type == REDIS_ITEM_ERROR &&
		evkv__redis_error_is(item->bytes, "WRONGTYPE"))) {
		entry->status = EVKV_NOT_FOUND;
		entry->ttl_ms = EVKV_TTL_NONE;
		return true;
	}
	if (item->type == REDIS_ITEM_ERROR) {
		evkv__redis_part_refuse(connection, part, which, 1,
		    item->bytes);
		return true;
	}
	return evkv__redis_take_value(part, which, item);
}

/* An element of EXEC's reply: a TTL for each key, then the values. */
static bool group_element(struct redis_connection *connection,
    struct redis_group *group, const struct redis_item *item)
{
	size_t which;
	struct redis_part *part;

	if (item->depth == 2)
		return item->parent == group->keys &&
		    item->index < group->keys &&
		    group_value(connection, group, item->index, item);
	if (item->index == group->keys && group->keys == 1)
		return group_value(connection, group, 0, item);
	if (item->index == group->keys && item->type == REDIS_ITEM_ERROR) {
		group_refuse(connection, group, item->bytes);
		return true;
	}
	if (item->index == group->keys)
		return item->type == REDIS_ITEM_ARRAY &&
		    item->number == (long long)group->keys;
	if (item->index > group->keys)
		return false;
	if (item->type == REDIS_ITEM_ERROR) {
		group_refuse_one(connection, group, item->index, item->bytes);
		return true;
	}
	part = group_member(group, item->index, &which);
	return !is_waited_for(part) || evkv__redis_take_ttl(part, which, item);
}

static bool group_exec(struct redis_connection *connection,
    struct redis_group *group, const struct redis_item *item)
{
	if (item->depth > 0)
		return group_element(connection, group, item);
	if (item->type == REDIS_ITEM_ARRAY)
		return item->number == (long long)group->keys + 1;
	if (item->type != REDIS_ITEM_ERROR)
		return false;
	if (!group->refused || group->count == 1) {
		group_refuse(connection, group, item->bytes);
		return true;
	}
	connection->store->solo = true;
	group_abandon(group);
	return true;
}

bool evkv__redis_group_item(struct redis_connection *connection,
    struct redis_part *leader, const struct redis_item *item)
{
	struct redis_group *group = leader->group;
	uint32_t i = leader->answered;

	/* Without MULTI the others are answered one by one. */
	if (group->unqueued)
		return true;
	if (i == 0)
		return group_multi(connection, group, item);
	if (i == leader->replies - 1)
		return group_exec(connection, group, item);
	return group_queued(connection, group, i - 1, item);
}

/* The leader is the first to end, whatever happens. */
void evkv__redis_group_end(struct redis_connection *connection,
    struct redis_part *leader)
{
	if (connection->group == leader->group)
		connection->group = NULL;
	group_release(connection, leader->group);
	leader->group = NULL;
}
