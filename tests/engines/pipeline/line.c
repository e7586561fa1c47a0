/*
 * tests/engines/pipeline/line.c - a store on the line protocol.
 *
 * An op is one slot with one line, and one reply, for each key.
 */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "test.h"

struct line_store {
	struct evkv_store *store;
	struct evkv_pipeline *pipeline;
	char *password;
	struct evkv_slot handshake;
	char refusal[64];
};

struct line_call {
	struct evkv_slot slot;
	/* Of the request, which is its owner's again when it has been sent. */
	enum evkv_kind kind;
	size_t keys;
	size_t count; /* replies that it expects */
	size_t answered;
};

/* ---- The protocol ------------------------------------------------------ */

static bool line_encode_key(struct line_store *line,
    const struct evkv_request *request, size_t i)
{
	const struct evkv_slice key = request->keys[i];
	struct evkv_slice value = { NULL, 0 };
	char *room, *at;

	if (request->kind == EVKV_OP_PUT)
		value = request->values[i];
	room = at = evkv_pipeline_reserve(line->pipeline,
	    key.size + value.size + 4);
	if (room == NULL)
		return false;
	*at++ = request->kind == EVKV_OP_GET ? 'g'
	    : request->kind == EVKV_OP_PUT   ? 'p'
					     : 'd';
	*at++ = ' ';
	memcpy(at, key.data, key.size);
	at += key.size;
	if (request->kind == EVKV_OP_PUT) {
		*at++ = ' ';
		if (value.size > 0)
			memcpy(at, value.data, value.size);
		at += value.size;
	}
	*at++ = '\n';
	evkv_pipeline_commit(line->pipeline, (size_t)(at - room));
	evkv_pipeline_effect(line->pipeline);
	return true;
}

static bool line_encode(void *self, struct evkv_slot *slot)
{
	struct line_store *line = self;
	const struct evkv_request *request;
	size_t i;

	if ((slot->flags & EVKV_SLOT_HANDSHAKE) != 0)
		return evkv_pipeline_append(line->pipeline, "a ", 2) &&
		    evkv_pipeline_append(line->pipeline, line->password,
			strlen(line->password)) &&
		    evkv_pipeline_append(line->pipeline, "\n", 1);
	request = evkv_op_request(slot->op);
	if (request->kind == EVKV_OP_PING)
		return evkv_pipeline_append(line->pipeline, "n\n", 2);
	for (i = 0; i < request->count; i++) {
		if (!line_encode_key(line, request, i))
			return false;
	}
	return true;
}

/* One reply into the op; false: it is none. */
static bool line_answer(struct line_call *call, const char *data, size_t size)
{
	struct evkv_op *op = call->slot.op;
	struct evkv_entry *entry = NULL;
	char text[128];

	if (call->keys > 0)
		entry = evkv_op_entry(op, call->answered);
	switch (size > 0 ? data[0] : '\0') {
	case '+': return true;
	case '-':
		if (entry != NULL)
			entry->status = EVKV_NOT_FOUND;
		return true;
	case 'v':
		if (call->kind != EVKV_OP_GET)
			return false;
		if (!evkv_op_copy_value(op, call->answered,
			evkv_bytes(data + 1, size - 1)))
			entry->status = EVKV_NOMEM;
		return true;
	case '!':
		if (size >= sizeof(text))
			size = sizeof(text) - 1;
		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		if (entry != NULL)
			entry->status = EVKV_SERVER;
		evkv_op_explain(op, EVKV_CAUSE_SERVER, 0, text);
		return true;
	default: return false;
	}
}

static enum evkv_parse line_garbage(struct line_store *line)
{
	evkv_pipeline_fail(line->pipeline, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL, 0,
	    "not a reply");
	return EVKV_PARSE_FAILED;
}

/* More than one slot's replies must not be taken. */
static enum evkv_parse line_parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	struct line_call *call = (struct line_call *)slot;
	struct line_store *line = self;
	const char *end;
	size_t length;

	for (;;) {
		end = size > *used ? memchr(data + *used, '\n', size - *used)
				   : NULL;
		if (end == NULL)
			return EVKV_PARSE_MORE;
		if (slot == NULL)
			return line_garbage(line);
		length = (size_t)(end - data) - *used;
		if ((slot->flags & EVKV_SLOT_HANDSHAKE) != 0) {
			snprintf(line->refusal, sizeof(line->refusal), "%.*s",
			    (int)length, data + *used);
			*used += length + 1;
			return EVKV_PARSE_ANSWERED;
		}
		if (!line_answer(call, data + *used, length))
			return line_garbage(line);
		*used += length + 1;
		if (++call->answered == call->count)
			return EVKV_PARSE_ANSWERED;
	}
}

static void line_handshake_end(struct line_store *line,
    const struct evkv_slot_end *end)
{
	if (end->fate != EVKV_SLOT_ANSWERED)
		return;
	if (line->refusal[0] == '+')
		evkv_pipeline_ready(line->pipeline);
	else
		evkv_pipeline_fail(line->pipeline, EVKV_REFUSED,
		    EVKV_CAUSE_AUTH, 0, line->refusal + 1);
}

static void line_connected(void *self)
{
	struct line_store *line = self;
	const struct evkv_slot_end *why;

	if (line->password == NULL) {
		evkv_pipeline_ready(line->pipeline);
		return;
	}
	line->handshake = (struct evkv_slot){ .flags = EVKV_SLOT_HANDSHAKE };
	line->refusal[0] = '\0';
	why = evkv_pipeline_submit(line->pipeline, &line->handshake);
	if (why != NULL)
		evkv_pipeline_fail(line->pipeline, why->status, why->cause, 0,
		    why->message);
}

/* What was answered before the end stays as it was answered. */
static void line_cut(struct line_call *call, const struct evkv_slot_end *end)
{
	struct evkv_op *op = call->slot.op;
	bool write = call->kind == EVKV_OP_PUT || call->kind == EVKV_OP_DELETE;
	size_t i;

	if (call->answered == 0 || call->keys == 0) {
		evkv_slot_fail(op, end);
		return;
	}
	for (i = call->answered; i < call->keys; i++)
		evkv_op_entry(op, i)->status = write &&
			end->fate == EVKV_SLOT_SENT
		    ? EVKV_UNKNOWN_OUTCOME
		    : end->status;
	evkv_op_explain(op, end->cause, end->sys_error, end->message);
}

static void line_end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *end)
{
	if ((slot->flags & EVKV_SLOT_HANDSHAKE) != 0) {
		line_handshake_end(self, end);
		return;
	}
	if (end->fate != EVKV_SLOT_ANSWERED)
		line_cut((struct line_call *)slot, end);
	evkv_op_complete(slot->op);
}

static void line_state(void *self, enum evkv_state state, enum evkv_cause cause,
    const char *message)
{
	struct line_store *line = self;

	evkv_store_set_state(line->store, state, cause, message);
}

static const struct evkv_protocol line_protocol = {
	.size = sizeof(struct evkv_protocol),
	.name = "line",
	.connected = line_connected,
	.encode = line_encode,
	.parse = line_parse,
	.end = line_end,
	.state = line_state,
};

/* ---- The store --------------------------------------------------------- */

static size_t line_size(const struct evkv_request *request)
{
	size_t size = 0, i;

	for (i = 0; i < request->count; i++) {
		size += request->keys[i].size;
		if (request->values != NULL)
			size += request->values[i].size;
	}
	return size;
}

static enum evkv_verdict line_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct line_store *line = self;
	struct line_call *call = evkv_op_alloc(op, sizeof(*call));
	const struct evkv_slot_end *why;

	if (call == NULL)
		return evkv_op_nomem(op);
	memset(call, 0, sizeof(*call));
	call->slot.op = op;
	call->slot.size = line_size(request);
	if ((request->flags & EVKV_FLAG_WAIT_READY) != 0)
		call->slot.flags = EVKV_SLOT_WAIT_READY;
	call->kind = request->kind;
	call->keys = request->count;
	call->count = request->count > 0 ? request->count : 1;
	evkv_op_set_data(op, call);
	why = evkv_pipeline_submit(line->pipeline, &call->slot);
	return why == NULL ? EVKV_VERDICT_PENDING : evkv_slot_fail(op, why);
}

static void line_stop(void *self, struct evkv_op *op)
{
	struct line_store *line = self;
	struct line_call *call = evkv_op_data(op);

	if (evkv_pipeline_stop(line->pipeline, &call->slot))
		evkv_op_complete(op);
}

static void line_close(void *self)
{
	struct line_store *line = self;

	evkv_pipeline_close(line->pipeline);
	evkv_store_closed(line->store);
}

static void line_free(void *self)
{
	struct line_store *line = self;

	evkv_pipeline_free(line->pipeline);
	evkv_free(line->password);
	evkv_free(line);
}

static void line_counters(void *self, struct evkv_counters *counters)
{
	struct evkv_pipeline_counters ours;

	evkv_pipeline_counters(((struct line_store *)self)->pipeline, &ours);
	counters->reconnects += ours.reconnects;
}

static const struct evkv_vtable line_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "line",
	.submit = line_submit,
	.stop = line_stop,
	.close = line_close,
	.free = line_free,
	.counters = line_counters,
};

static const struct evkv_capabilities line_capabilities = {
	.kinds = EVKV_KIND_BIT(EVKV_OP_GET) | EVKV_KIND_BIT(EVKV_OP_PUT) |
	    EVKV_KIND_BIT(EVKV_OP_DELETE) | EVKV_KIND_BIT(EVKV_OP_PING),
	.put_conditions = EVKV_IF_BASIC,
	.max_key = EVKV_KEY_MAX,
	.max_value = EVKV_VALUE_MAX,
	.ttl_unit_ms = 1,
};

struct evkv_store *line_new(struct evkv_loop *loop,
    const struct line_options *options, struct evkv_pipeline **pipeline,
    struct evkv_error *error)
{
	struct evkv_store_config config = {
		.capabilities = &line_capabilities,
		.max_pending = options->max_pending,
		.state = EVKV_STATE_CONNECTING,
	};
	struct line_store *line = evkv_calloc(1, sizeof(*line));
	struct evkv_store *store;

	if (line == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		return NULL;
	}
	line->password = evkv_strdup(options->password);
	line->pipeline = evkv_pipeline_new(loop, &line_protocol, line,
	    &options->pipeline, error);
	if (line->pipeline == NULL ||
	    (options->password != NULL && line->password == NULL)) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		line_free(line);
		return NULL;
	}
	/* Where that fails it has freed `line`. */
	store = evkv_store_create(loop, &line_vtable, line, &config, error);
	if (store == NULL)
		return NULL;
	line->store = store;
	if (pipeline != NULL)
		*pipeline = line->pipeline;
	return store;
}

/* ---- The server's side ------------------------------------------------- */

static void server_put(struct line_server *server, const char *command)
{
	unsigned number = (unsigned)strtoul(command + 3, NULL, 10);

	check(number < LINE_KEYS);
	server->puts++;
	server->put[number]++;
	server->when[number] = server->puts;
	if (number < server->last_put)
		server->out_of_order = true;
	server->last_put = number;
}

static void server_answer(struct line_server *server, struct peer_conn *conn,
    const char *command, size_t size)
{
	char reply[128];
	int length;

	if (command[0] == 'a') {
		server->handshakes++;
		length = snprintf(reply, sizeof(reply), "%s\n",
		    server->auth_error != NULL ? server->auth_error : "+");
	} else if (server->answer != NULL) {
		length = snprintf(reply, sizeof(reply), "%s", server->answer);
	} else if (command[0] == 'g') {
		server->gets++;
		length = snprintf(reply, sizeof(reply), "v%.*s.\n",
		    (int)(size - 3), command + 2);
	} else {
		if (command[0] == 'p')
			server_put(server, command);
		length = snprintf(reply, sizeof(reply), "+\n");
	}
	peer_say(conn, reply, (size_t)length);
}

size_t line_respond(struct peer_conn *conn, const char *data, size_t size,
    void *arg)
{
	struct line_server *server = arg;
	const char *end = memchr(data, '\n', size);
	size_t length;

	if (end == NULL)
		return 0;
	length = (size_t)(end - data) + 1;
	server->commands++;
	server_answer(server, conn, data, length);
	if (server->cut_after != 0 && server->commands >= server->cut_after)
		peer_cut(conn);
	return length;
}

/* ---- Operations -------------------------------------------------------- */

evkv_ticket line_get(struct evkv_store *store, unsigned number, void *answer)
{
	char key[16];

	snprintf(key, sizeof(key), "k%u", number);
	return evkv_get(store, EVKV_LIT("c"), evkv_str(key), answer_cb, answer);
}

evkv_ticket line_put(struct evkv_store *store, unsigned number, size_t size,
    void *answer)
{
	char *value = malloc(size + 1);
	evkv_ticket ticket;
	char key[16];

	check(value != NULL);
	memset(value, 'x', size + 1);
	snprintf(key, sizeof(key), "k%u", number);
	ticket = evkv_put(store, EVKV_LIT("c"), evkv_str(key),
	    evkv_bytes(value, size), EVKV_TTL_NONE, answer_cb, answer);
	free(value);
	return ticket;
}
