/*
 * The handshake of a connection.
 *
 * When the transport is up, AUTH, SELECT, CLIENT SETNAME and PING go out at
 * once, those that are needed; the last reply makes the connection ready. A
 * refused AUTH or SELECT ends the try with the server's words. PING is there
 * for a server that is still loading its data, which would refuse every
 * operation: it is tried again later instead.
 */
#include <stdio.h>

#include "resp.h"
#include "store.h"

static void handshake_choose_steps(struct redis_connection *connection)
{
	const struct evkv_redis_options *options = &connection->store->options;
	uint32_t count = 0;

	if (options->password != NULL)
		connection->steps[count++] = REDIS_STEP_AUTH;
	if (options->db != 0)
		connection->steps[count++] = REDIS_STEP_SELECT;
	if (options->client_name != NULL)
		connection->steps[count++] = REDIS_STEP_SETNAME;
	connection->steps[count++] = REDIS_STEP_PING;
	connection->greeting.replies = count;
}

static char *handshake_write_step(const struct evkv_redis_options *options,
    enum redis_step step, char *at)
{
	switch (step) {
	case REDIS_STEP_AUTH:
		at = resp_command(at, options->user != NULL ? 3 : 2);
		at = resp_word(at, EVKV_LIT("AUTH"));
		if (options->user != NULL)
			at = resp_word(at, evkv_str(options->user));
		return resp_word(at, evkv_str(options->password));
	case REDIS_STEP_SELECT:
		at = resp_command(at, 2);
		at = resp_word(at, EVKV_LIT("SELECT"));
		return resp_number(at, (uint64_t)options->db);
	case REDIS_STEP_SETNAME:
		at = resp_command(at, 3);
		at = resp_word(at, EVKV_LIT("CLIENT"));
		at = resp_word(at, EVKV_LIT("SETNAME"));
		return resp_word(at, evkv_str(options->client_name));
	default: return resp_word(resp_command(at, 1), EVKV_LIT("PING"));
	}
}

static bool handshake_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_redis_options *options = &connection->store->options;
	size_t room = REDIS_STEP_COUNT * 4 * resp_word_max(16) +
	    evkv_str(options->user).size + evkv_str(options->password).size +
	    evkv_str(options->client_name).size;
	char *start = evkv_pipeline_reserve(connection->pipeline, room);
	char *at = start;

	if (start == NULL)
		return false;
	for (size_t i = 0; i < part->replies; i++)
		at = handshake_write_step(options, connection->steps[i], at);
	evkv_pipeline_commit(connection->pipeline, (size_t)(at - start));
	return true;
}

/*
 * Servers that don't know a command quote its words, the password's too. What
 * was sent is not known any more where it has changed since.
 */
static bool handshake_may_show(const struct redis_connection *connection,
    struct evkv_slice words)
{
	const char *password = connection->store->options.password;
	size_t size = evkv_str(password).size;

	return connection->secrets == connection->store->secrets &&
	    !evkv__redis_error_is(words, "ERR unknown") &&
	    (size == 0 ||
		memmem(words.data, words.size, password, size) == NULL);
}

static void handshake_refuse(struct redis_connection *connection,
    const char *what, struct evkv_slice words)
{
	struct redis_error *refusal = &connection->refusal;
	struct redis_error error;

	if (connection->refused)
		return;
	connection->refused = true;
	evkv__redis_error_read(words, &error);
	*refusal = error;
	snprintf(refusal->message, sizeof(refusal->message), "%s: %.200s", what,
	    handshake_may_show(connection, words) ? error.message
						  : "refused by the server");
}

static void handshake_refuse_step(struct redis_connection *connection,
    enum redis_step step, struct evkv_slice words)
{
	struct redis_error *refusal = &connection->refusal;
	struct redis_error error;

	evkv__redis_error_read(words, &error);
	switch (step) {
	case REDIS_STEP_AUTH:
	case REDIS_STEP_SELECT:
		handshake_refuse(connection,
		    step == REDIS_STEP_AUTH ? "AUTH" : "SELECT", words);
		if (refusal->status != EVKV_SERVER)
			break;
		/* A script that holds the server says nothing of the step. */
		refusal->status = EVKV_UNAVAILABLE;
		if (!evkv__redis_error_is(words, "BUSY")) {
			refusal->status = EVKV_REFUSED;
			refusal->cause = EVKV_CAUSE_AUTH;
		}
		break;
	case REDIS_STEP_SETNAME:
		evkv_loop_log(connection->store->loop, EVKV_LOG_WARNING,
		    "redis %s: CLIENT SETNAME: %s",
		    evkv_pipeline_name(connection->pipeline), error.message);
		break;
	default:
		/* A user without PING may do other things. */
		if (error.status == EVKV_UNAVAILABLE ||
		    evkv__redis_error_is(words, "NOAUTH") ||
		    evkv__redis_error_is(words, "DENIED"))
			handshake_refuse(connection, "PING", words);
		break;
	}
}

static bool handshake_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_ERROR)
		handshake_refuse_step(connection,
		    connection->steps[part->answered], item->bytes);
	return item->type == REDIS_ITEM_ERROR ||
	    item->type == REDIS_ITEM_STATUS;
}

static void handshake_end(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_slot_end *end)
{
	(void)part;
	if (end->fate == EVKV_SLOT_ANSWERED)
		evkv_pipeline_ready(connection->pipeline);
}

static const struct redis_command handshake_command = {
	.encode = handshake_encode,
	.item = handshake_item,
	.end = handshake_end,
};

void evkv__redis_handshake(struct redis_connection *connection)
{
	struct redis_part *greeting = &connection->greeting;
	const struct evkv_slot_end *why;

	connection->refused = false;
	evkv__redis_credentials_ask(connection->store);
	connection->secrets = connection->store->secrets;
	memset(greeting, 0, sizeof(*greeting));
	greeting->base.slot.flags = EVKV_SLOT_HANDSHAKE | EVKV_SLOT_KEPT;
	greeting->command = &handshake_command;
	greeting->connection = connection;
	handshake_choose_steps(connection);
	why = evkv_pipeline_submit(connection->pipeline, &greeting->base.slot);
	if (why != NULL)
		evkv_pipeline_fail(connection->pipeline, why->status,
		    why->cause, why->sys_error, why->message);
}

void evkv__redis_turned_away(struct redis_connection *connection,
    struct evkv_slice words)
{
	struct redis_error error;

	evkv__redis_error_read(words, &error);
	if (evkv_pipeline_state(connection->pipeline) != EVKV_STATE_READY &&
	    (error.status == EVKV_UNAVAILABLE ||
		error.cause == EVKV_CAUSE_AUTH))
		handshake_refuse(connection, "turned away", words);
}
