/*
 * stores/mongodb/write.c - a command that writes, sent once more where that is
 * safe and may help.
 *
 * libmongoc repeats the writes of its own functions, which take two thirds of a
 * put's processor time; not what it is given as a command. So this does as it
 * does: in a session of the worker's own each command has a number, by which
 * the server knows one that it has done already. A standalone server numbers
 * none, and `retryWrites=false` or writes that are not acknowledged want none:
 * then there is no session.
 */
#include <string.h>

#include "stores/mongodb/worker.h"

/*
 * libmongoc counts the writes of its sessions from 1 and keeps sessions for
 * later, so ours may have been used. More than that it can't have counted.
 */
#define FIRST_NUMBER ((int64_t)1 << 40)

/* ---- The session --------------------------------------------------------- */

/* Whether the server numbers writes; false, with an error: it is not known. */
static bool server_numbers(mongoc_client_t *client, bson_error_t *error)
{
	mongoc_server_description_t
	    *chosen = mongoc_client_select_server(client, true, NULL, error);
	bool numbers;

	if (chosen == NULL)
		return false;
	numbers = strcmp(mongoc_server_description_type(chosen),
		      "Standalone") != 0;
	mongoc_server_description_destroy(chosen);
	return numbers;
}

/* On a worker that may be left. NULL, without an error: there is to be none. */
static mongoc_client_session_t *session_start(mongoc_client_t *client,
    bson_error_t *error)
{
	mongoc_client_session_t *session = NULL;
	mongoc_session_opt_t *options;

	if (!server_numbers(client, error))
		return NULL;
	options = mongoc_session_opts_new();
	mongoc_session_opts_set_causal_consistency(options, false);
	session = mongoc_client_start_session(client, options, error);
	mongoc_session_opts_destroy(options);
	if (session == NULL && error->domain == MONGOC_ERROR_CLIENT)
		error->domain = 0; /* the server has none */
	return session;
}

bool evkv__mongodb_write_begin(struct mongodb_worker *worker,
    struct mongodb_failure *failure)
{
	struct mongodb_server *server = worker->server;
	bson_error_t error = { 0 };

	if (worker->write_begun)
		return true;
	if (!evkv__mongodb_wait_begin(worker))
		return false;
	if (server->retry_writes)
		server->sessions[worker->number] = session_start(worker->client,
		    &error);
	if (!evkv__mongodb_wait_end(worker))
		return false;
	worker->session = server->sessions[worker->number];
	worker->write_begun = error.domain == 0;
	if (!worker->write_begun)
		evkv__mongodb_error(server, &error, false, failure);
	return true;
}

void evkv__mongodb_write_number(struct mongodb_worker *worker,
    struct mongodb_raw *raw)
{
	if (worker->session == NULL)
		return;
	MONGODB_RAW_FIELD(raw, MONGODB_RAW_INT64, "txnNumber");
	mongodb_raw_int64(raw, FIRST_NUMBER + ++worker->writes);
}

/* ---- Sending ------------------------------------------------------------- */

static bool write_send(struct mongodb_worker *worker, struct mongodb_sent *sent)
{
	const struct mongodb_raw *raw = &worker->command;
	bson_t options = BSON_INITIALIZER, command;

	memset(&sent->error, 0, sizeof(sent->error));
	bson_init(&sent->reply);
	bson_init_static(&command, (const uint8_t *)raw->data, raw->size);
	if (worker->session != NULL)
		mongoc_client_session_append(worker->session, &options, NULL);
	if (!evkv__mongodb_wait_begin(worker)) {
		bson_destroy(&options);
		return false;
	}
	bson_destroy(&sent->reply);
	sent->fine = mongoc_collection_write_command_with_opts(
	    worker->collection, &command, &options, &sent->reply, &sent->error);
	bson_destroy(&options);
	return evkv__mongodb_wait_end(worker);
}

bool evkv__mongodb_labelled(const bson_t *reply)
{
	bson_iter_t iter, labels;

	if (!bson_iter_init_find(&iter, reply, "errorLabels") ||
	    !BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &labels))
		return false;
	while (bson_iter_next(&labels)) {
		if (BSON_ITER_HOLDS_UTF8(&labels) &&
		    strcmp(bson_iter_utf8(&labels, NULL),
			"RetryableWriteError") == 0)
			return true;
	}
	return false;
}

/* Codes that servers before 4.4 do not label. */
static bool write_coded(const bson_error_t *error)
{
	static const uint32_t codes[] = { 6, 7, 89, 91, 189, 262, 9001, 10107,
		11600, 11602, 13435, 13436 };
	size_t i = 0;

	while (i < sizeof(codes) / sizeof(codes[0]) && codes[i] != error->code)
		i++;
	return error->domain == MONGOC_ERROR_SERVER &&
	    i < sizeof(codes) / sizeof(codes[0]);
}

/* `failure` is what it means. */
static bool write_repeats(const struct mongodb_sent *sent,
    const struct mongodb_failure *failure)
{
	return (sent->error.domain == MONGOC_ERROR_STREAM &&
		   failure->status == EVKV_UNKNOWN_OUTCOME) ||
	    evkv__mongodb_labelled(&sent->reply) || write_coded(&sent->error);
}

bool evkv__mongodb_write(struct mongodb_worker *worker,
    struct mongodb_sent *sent)
{
	struct mongodb_failure failure;
	struct mongodb_sent again;

	if (!write_send(worker, sent))
		return false;
	if (sent->fine || worker->session == NULL)
		return true;
	evkv__mongodb_error(worker->server, &sent->error, true, &failure);
	if (!write_repeats(sent, &failure))
		return true;
	if (!write_send(worker, &again)) {
		bson_destroy(&again.reply);
		return false;
	}
	/* What may have been done the first time can't be denied by a second. */
	if (!again.fine && failure.status == EVKV_UNKNOWN_OUTCOME) {
		bson_destroy(&again.reply);
		return true;
	}
	bson_destroy(&sent->reply);
	bson_steal(&sent->reply, &again.reply);
	sent->fine = again.fine;
	sent->error = again.error;
	return true;
}
