/*
 * stores/mongodb/admin.c - PING, and the index by which the server removes what
 * has expired.
 */
#include "stores/mongodb/worker.h"

#define COMMAND_NOT_FOUND 59

/* One command without effect on a server for reads. */
static bool admin_ask(struct mongodb_worker *worker, const char *name,
    bool *fine, bson_error_t *error)
{
	bson_t command = BSON_INITIALIZER;
	bool with = evkv__mongodb_wait_begin(worker);

	BSON_APPEND_INT32(&command, name, 1);
	*fine = with &&
	    mongoc_client_command_simple(worker->client, "admin", &command,
		NULL, NULL, error);
	bson_destroy(&command);
	return with && evkv__mongodb_wait_end(worker);
}

bool evkv__mongodb_ping(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	struct mongodb_failure failure;
	bson_error_t error = { 0 };
	bool fine;

	if (!admin_ask(worker, "hello", &fine, &error))
		return false;
	if (!fine && error.domain == MONGOC_ERROR_SERVER &&
	    error.code == COMMAND_NOT_FOUND &&
	    !admin_ask(worker, "isMaster", &fine, &error))
		return false;
	if (!fine) {
		evkv__mongodb_error(worker->server, &error, false, &failure);
		evkv__mongodb_part_fail(part, &failure);
	}
	return true;
}

/* { createIndexes, indexes: [ { key: { expires_at: 1 }, ... } ] } */
static void index_command(const struct mongodb_worker *worker, bson_t *command)
{
	bson_t indexes, index, key;

	BSON_APPEND_UTF8(command, "createIndexes",
	    worker->server->options.collection);
	bson_append_array_begin(command, "indexes", 7, &indexes);
	bson_append_document_begin(&indexes, "0", 1, &index);
	bson_append_document_begin(&index, "key", 3, &key);
	BSON_APPEND_INT32(&key, "expires_at", 1);
	bson_append_document_end(&index, &key);
	BSON_APPEND_UTF8(&index, "name", "evkv_expires_at");
	BSON_APPEND_INT32(&index, "expireAfterSeconds", 0);
	bson_append_document_end(&indexes, &index);
	bson_append_array_end(command, &indexes);
}

bool evkv__mongodb_make_index(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	bson_t command = BSON_INITIALIZER, reply;
	struct mongodb_failure failure;
	bson_error_t error = { 0 };
	bool fine, with;

	index_command(worker, &command);
	if (!evkv__mongodb_wait_begin(worker)) {
		bson_destroy(&command);
		return false;
	}
	fine = mongoc_client_write_command_with_opts(worker->client,
	    worker->server->database, &command, NULL, &reply, &error);
	with = evkv__mongodb_wait_end(worker);
	if (with && !fine) {
		evkv__mongodb_error(worker->server, &error, false, &failure);
		evkv__mongodb_part_fail(part, &failure);
	}
	bson_destroy(&command);
	bson_destroy(&reply);
	return with;
}
