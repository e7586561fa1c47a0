/*
 * The commands for operations on keys: how requests are written, and what all
 * replies have in common.
 *
 *     GET     mg NAME v            PUT     ms NAME SIZE, T, MA and MR, C
 *     TTL     mg NAME v t          DELETE  md NAME, C
 *     EXISTS  mg NAME              TOUCH   mg NAME T
 *     INCR    mg NAME v c t, then ms NAME SIZE with C or ME
 *     TAKE    mg NAME v c, then md NAME with C
 *     PING    mn
 *
 * One request, one reply; each has an opaque number, by which the reply is
 * checked. A SERVER_ERROR is about its own key. Where it comes to an ms, the
 * entry that was there before is gone.
 */
#include "commands.h"

#include <stdio.h>

#define COMMAND_WORDS 256 /* bytes of the server's that are told */

/* ---- Writing ---------------------------------------------------------- */

static struct command_line line_begin(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const char *command, size_t more)
{
	struct command_line line = {
		.connection = connection,
		.part = part,
		.name = evkv__memcached_part_name(part, i),
	};

	more += evkv__memcached_value_head(&line.name);
	line.start = evkv_pipeline_reserve(connection->pipeline,
	    WIRE_LINE_MAX + more);
	if (line.start == NULL)
		return line;
	line.at = wire_raw(line.start, command, 2);
	*line.at++ = ' ';
	line.at = evkv__memcached_name_write(connection->store, &line.name,
	    line.at);
	return line;
}

static void line_encoded(struct command_line *line)
{
	if (line->name.form == MEMCACHED_BASE64)
		line->at = wire_raw(line->at, " b", 2);
}

struct command_line evkv__memcached_begin(struct memcached_connection
					      *connection,
    struct memcached_part *part, size_t i, const char *command)
{
	struct command_line line = line_begin(connection, part, i, command, 0);

	if (line.start != NULL)
		line_encoded(&line);
	return line;
}

void evkv__memcached_end_line(struct command_line *line)
{
	line->at = wire_end(line->at, line->connection->opaque++);
	line->part->asked++;
}

/* So many bytes are written, with which the i-th key's write takes effect. */
static void command_effect(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, size_t size)
{
	struct evkv_part_ends *ends = part->base.ends;

	evkv_pipeline_commit(connection->pipeline, size);
	if (ends == NULL)
		return;
	if (ends->written == 0)
		evkv_pipeline_effect(connection->pipeline);
	ends->written += size;
	ends->at[i] = ends->written;
}

void evkv__memcached_commit(struct command_line *line, size_t i)
{
	command_effect(line->connection, line->part, i,
	    (size_t)(line->at - line->start));
}

/* A request that does nothing, instead of one for the i-th key. */
static bool write_nothing(struct memcached_connection *connection,
    struct memcached_part *part, size_t i)
{
	char *room = evkv_pipeline_reserve(connection->pipeline, 4);

	if (room == NULL)
		return false;
	memcpy(room, "mn\r\n", 4);
	connection->opaque++;
	part->asked++;
	command_effect(connection, part, i, 4);
	return true;
}

uint64_t evkv__memcached_ttl_s(const struct memcached_connection *connection,
    int64_t ttl_ms)
{
	/* Within a second the server does not tell one moment from another. */
	int64_t seconds = (ttl_ms + 999) / 1000 + 1;
	int64_t now_s = evkv__memcached_connection_time(connection);

	if (ttl_ms == EVKV_TTL_NONE)
		return 0;
	if (seconds > MEMCACHED_RELATIVE_MAX)
		seconds += now_s + 1;
	return (uint64_t)(seconds < MEMCACHED_ABSOLUTE_MAX
		? seconds
		: MEMCACHED_ABSOLUTE_MAX);
}

int64_t evkv__memcached_put_ttl(const struct memcached_part *part,
    const struct evkv_request *request, size_t i)
{
	return request->ttls_ms != NULL
	    ? request->ttls_ms[evkv_part_entry(&part->base, i)]
	    : request->ttl_ms;
}

/* ---- Setting ---------------------------------------------------------- */

/* The longest value on this server, with what goes before it. */
static size_t set_most(const struct memcached_connection *connection)
{
	const struct evkv_memcached_options *options = &connection->store
							    ->options;
	size_t item = connection->max_item != 0 ? connection->max_item
						: MEMCACHED_ITEM;

	if (options->max_value_bytes != 0)
		return options->max_value_bytes;
	return item > MEMCACHED_ITEM_HEAD ? item - MEMCACHED_ITEM_HEAD : 0;
}

/* Past it nothing is sent for the key. */
static bool set_refuse(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, size_t size, size_t most)
{
	char message[160];

	snprintf(message, sizeof(message),
	    "values[%zu] takes %zu bytes; memcached %.60s takes at most %zu",
	    evkv_part_entry(&part->base, i), size,
	    evkv_pipeline_name(connection->pipeline), most);
	evkv__memcached_fail_key(part, i, EVKV_TOO_LARGE, EVKV_CAUSE_NONE,
	    message);
	return write_nothing(connection, part, i);
}

static void set_flags(struct command_line *line, const struct command_set *set)
{
	size_t flags = line->connection->store->options.flags;

	if (set->ttl_s != 0)
		line->at = wire_flag(line->at, 'T', set->ttl_s);
	if (flags != 0)
		line->at = wire_flag(line->at, 'F', flags);
	if (set->cas != 0)
		line->at = wire_flag(line->at, 'C', set->cas);
	if (set->mode != 0) {
		line->at = wire_raw(line->at, " M", 2);
		*line->at++ = set->mode;
	}
	if (set->tells_cas)
		line->at = wire_raw(line->at, " c", 2);
}

bool evkv__memcached_write_set(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct command_set *set)
{
	struct command_line line = line_begin(connection, part, i, "ms",
	    set->value.size + 2);
	size_t size, most = set_most(connection);

	if (line.start == NULL)
		return false;
	size = set->value.size + evkv__memcached_value_head(&line.name);
	if (size > most)
		return set_refuse(connection, part, i, size, most);
	*line.at++ = ' ';
	line.at = decimal_write(line.at, size);
	line_encoded(&line);
	set_flags(&line, set);
	evkv__memcached_end_line(&line);
	line.at = evkv__memcached_value_write(&line.name, line.at);
	line.at = wire_raw(line.at, set->value.data, set->value.size);
	line.at = wire_raw(line.at, "\r\n", 2);
	evkv__memcached_commit(&line, i);
	return true;
}

/* Whether the request that is answered was one that writes. */
static bool part_writes(const struct memcached_part *part)
{
	uint32_t classes = evkv_kind_classes(evkv_op_result(part->base.slot.op)
						 ->kind);

	return (classes & EVKV_CLASS_WRITES) != 0 &&
	    (part->steps == NULL || part->steps->writing);
}

/* ---- Versions --------------------------------------------------------- */

/* The start of the server and its process: a cas of another life is another. */
static uint64_t version_instance(const struct memcached_connection *connection)
{
	return (uint64_t)connection->started_s << 32 ^ connection->pid;
}

void evkv__memcached_version(const struct memcached_connection *connection,
    uint64_t cas, struct evkv_version *version)
{
	*version = evkv_version_counted(version_instance(connection), cas);
}

uint64_t evkv__memcached_version_cas(const struct memcached_connection
					 *connection,
    const struct evkv_version *version)
{
	struct evkv_version ours;
	uint64_t cas = 0;

	for (int i = 7; i >= 0; i--)
		cas = cas << 8 | version->bytes[8 + i];
	evkv__memcached_version(connection, cas, &ours);
	return cas != 0 && evkv_version_equal(&ours, version) ? cas
							      : UINT64_MAX;
}

void evkv__memcached_tell_version(const struct memcached_connection *connection,
    struct memcached_part *part, size_t i, uint64_t cas)
{
	if (!part->versions)
		return;
	if (cas == 0)
		evkv__memcached_fail_key(part, i,
		    part_writes(part) ? EVKV_UNKNOWN_OUTCOME : EVKV_UNSUPPORTED,
		    EVKV_CAUSE_SERVER,
		    "memcached: the server keeps no versions (its option -C)");
	else
		evkv__memcached_version(connection, cas,
		    &command_entry(part, i)->version);
}

/* ---- Replies ---------------------------------------------------------- */

void evkv__memcached_fail_key(struct memcached_part *part, size_t i,
    enum evkv_status status, enum evkv_cause cause, const char *message)
{
	evkv_op_give_value(part->base.slot.op, evkv_part_entry(&part->base, i),
	    NULL);
	command_entry(part, i)->status = status;
	evkv_op_explain(part->base.slot.op, cause, 0, message);
}

bool evkv__memcached_take_value(struct memcached_part *part, size_t i,
    struct evkv_slice bytes)
{
	if (part->hashed) {
		struct memcached_name name = evkv__memcached_part_name(part, i);

		if (!evkv__memcached_value_open(&name, &bytes)) {
			command_entry(part, i)->status = EVKV_NOT_FOUND;
			return false;
		}
	}
	if (evkv_op_copy_value(part->base.slot.op,
		evkv_part_entry(&part->base, i), bytes))
		return true;
	evkv__memcached_fail_key(part, i, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
	    "out of memory");
	return false;
}

/*
 * A SERVER_ERROR: what was there before an ms is gone; and a proxy says so of a
 * server that it has lost, whatever that has done.
 */
static void part_refused(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, struct evkv_slice words)
{
	bool writes = part_writes(part);
	enum evkv_status status = writes ? EVKV_UNKNOWN_OUTCOME : EVKV_SERVER;
	bool large = memmem(words.data, words.size, "too large", 9) != NULL;
	char message[COMMAND_WORDS];
	int size = words.size < 160 ? (int)words.size : 160;

	snprintf(message, sizeof(message), "memcached %.80s: %.*s",
	    evkv_pipeline_name(connection->pipeline), size,
	    (const char *)words.data);
	for (char *at = message; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	if (part->base.count == 0)
		evkv_op_fail(part->base.slot.op, status, EVKV_CAUSE_SERVER,
		    message);
	else
		evkv__memcached_fail_key(part, i, status,
		    writes && large ? EVKV_CAUSE_TOO_LARGE : EVKV_CAUSE_SERVER,
		    message);
	if (part->steps != NULL)
		evkv__memcached_steps_refused(part, i);
}

bool evkv__memcached_part_reply(struct memcached_connection *connection,
    struct memcached_part *part, const struct memcached_reply *reply)
{
	size_t i = part->steps != NULL ? evkv__memcached_steps_next(part)
				       : part->answered;
	struct evkv_op *op = part->base.slot.op;
	bool taken = true;

	if (op != NULL && evkv_op_detached(op))
		return true;
	if (reply->code == MEMCACHED_SERVER_ERROR)
		part_refused(connection, part, i, reply->bytes);
	else
		taken = part->command->reply(connection, part, i, reply);
	part->base.settled++;
	return taken;
}

/* ---- Parts ------------------------------------------------------------ */

static const struct memcached_command *part_command(const struct evkv_request
	*request)
{
	switch (request->kind) {
	case EVKV_OP_GET: return &evkv__memcached_get;
	case EVKV_OP_TTL: return &evkv__memcached_ttl;
	case EVKV_OP_EXISTS: return &evkv__memcached_exists;
	case EVKV_OP_PUT: return &evkv__memcached_put;
	case EVKV_OP_DELETE: return &evkv__memcached_delete;
	case EVKV_OP_TOUCH: return &evkv__memcached_touch;
	case EVKV_OP_INCR: return &evkv__memcached_incr;
	case EVKV_OP_TAKE: return &evkv__memcached_take;
	case EVKV_OP_CLEAR_ALL: return &evkv__memcached_flush;
	default: return &evkv__memcached_ping;
	}
}

/* Whether any of a part's names is a hash. */
static bool part_hashed(const struct memcached_part *part,
    const struct evkv_request *request)
{
	struct memcached_store *store = part->connection->store;

	for (size_t i = 0; i < part->base.count; i++) {
		size_t entry = evkv_part_entry(&part->base, i);

		if (request->keys[entry].size + request->collection.size >
			MEMCACHED_SURELY_SHORT &&
		    evkv__memcached_name(store, request, entry).form ==
			MEMCACHED_HASHED)
			return true;
	}
	return false;
}

static bool part_begin(void *self, size_t line, struct evkv_part *base,
    const struct evkv_request *request)
{
	struct memcached_part *part = (struct memcached_part *)base;
	struct memcached_store *store = self;
	uint32_t classes = evkv_kind_classes(request->kind);

	part->connection = &store->connections[line];
	part->command = part_command(request);
	part->versions = (request->flags & EVKV_FLAG_VERSIONS) != 0;
	part->absent = request->condition == EVKV_IF_ABSENT;
	if (base->count == 0)
		return true;
	part->hashed = part_hashed(part, request);
	/* To compare the name with what goes before the value. */
	if (part->hashed) {
		if (!evkv_op_keep(base->slot.op))
			return false;
		base->slot.flags |= EVKV_SLOT_KEPT;
	}
	if (part->command->again != NULL && !evkv__memcached_steps_begin(part))
		return false;
	return base->count == 1 || (classes & EVKV_CLASS_WRITES) == 0 ||
	    evkv_part_ends(base);
}

static void part_cut(struct evkv_part *base, const struct evkv_slot_end *end)
{
	struct memcached_part *part = (struct memcached_part *)base;

	if (part->steps != NULL)
		evkv__memcached_steps_cut(part, end);
	else
		evkv_part_cut(base, end);
}

void evkv__memcached_part_end(struct memcached_part *part,
    const struct evkv_slot_end *end)
{
	const struct memcached_command *command = part->command;

	if (end->fate == EVKV_SLOT_ANSWERED && command->again != NULL &&
	    !evkv_op_detached(part->base.slot.op) && command->again(part)) {
		end = evkv_pipeline_submit(part->base.pipeline,
		    &part->base.slot);
		if (end == NULL)
			return;
	}
	evkv_part_end(&part->base, end);
}

/* ---- Which server ----------------------------------------------------- */

static size_t part_line(void *self, const struct evkv_request *request,
    size_t i)
{
	struct memcached_store *store = self;
	size_t connections = (size_t)store->options.connections, line;
	char bytes[MEMCACHED_NAME_MAX];
	struct memcached_name name;
	size_t size;

	line = evkv_spread_hash(request->collection, request->keys[i],
	    connections);
	if (store->place == NULL)
		return line;
	name = evkv__memcached_name(store, request, i);
	size = evkv__memcached_name_bytes(store, &name, bytes);
	return line +
	    evkv__memcached_place_of(store->place, bytes, size) * connections;
}

const struct evkv_spread_type evkv__memcached_spread = {
	.size = sizeof(struct evkv_spread_type),
	.part_size = sizeof(struct memcached_part),
	.begin = part_begin,
	.line_of = part_line,
	.cut = part_cut,
};
