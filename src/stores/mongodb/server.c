/*
 * stores/mongodb/server.c - libmongoc's pool of clients, and its end.
 *
 * The first worker that needs it makes the pool; others wait for that. Each
 * worker has a client of its own, which it keeps.
 *
 * The end: libmongoc tells the server of it and waits for its threads, which
 * takes seconds where the server does not answer. So the loop never frees the
 * pool: whoever lets go of it last does, and that is a worker.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "evkv/number.h"
#include "stores/mongodb/log.h"
#include "stores/mongodb/worker.h"

#define RETRY_US 1000000 /* between two tries to make the pool */

static pthread_once_t server_once = PTHREAD_ONCE_INIT;

static void server_init_library(void)
{
	evkv__mongodb_log_redirect();
	mongoc_init();
}

struct evkv_version evkv__mongodb_server_version(struct mongodb_server *server)
{
	return evkv_version_counted(server->instance,
	    __atomic_add_fetch(&server->changes, 1, __ATOMIC_RELAXED));
}

/* ---- The connection string ----------------------------------------------- */

/* Set what `ours` says; else what the string says stands, else `standard`. */
static int32_t server_time(mongoc_uri_t *uri, const char *name, int32_t ours,
    int32_t standard)
{
	int32_t time_ms = mongoc_uri_get_option_as_int32(uri, name, 0);

	if (ours > 0)
		time_ms = ours;
	if (time_ms <= 0)
		time_ms = standard;
	mongoc_uri_set_option_as_int32(uri, name, time_ms);
	return time_ms;
}

/* Writes are acknowledged by a majority unless the string says otherwise. */
static void server_write_concern(mongoc_uri_t *uri)
{
	const mongoc_write_concern_t *given = mongoc_uri_get_write_concern(uri);
	mongoc_write_concern_t *majority;

	if (!mongoc_write_concern_is_default(given))
		return;
	majority = mongoc_write_concern_copy(given);
	mongoc_write_concern_set_w(majority, MONGOC_WRITE_CONCERN_W_MAJORITY);
	mongoc_uri_set_write_concern(uri, majority);
	mongoc_write_concern_destroy(majority);
}

static void server_configure(struct mongodb_server *server, mongoc_uri_t *uri)
{
	const struct mongodb_options *options = &server->options;
	const char *database = mongoc_uri_get_database(uri);

	server_time(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
	    options->server_selection_ms, 5000);
	server_time(uri, MONGOC_URI_CONNECTTIMEOUTMS, options->connect_ms,
	    5000);
	server_time(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, options->wait_queue_ms,
	    5000);
	server->socket_ms = server_time(uri, MONGOC_URI_SOCKETTIMEOUTMS,
	    options->socket_ms, 10000);
	server_write_concern(uri);
	server->retry_writes = mongoc_uri_get_option_as_bool(uri,
				   MONGOC_URI_RETRYWRITES, true) &&
	    mongoc_write_concern_is_acknowledged(
		mongoc_uri_get_write_concern(uri));
	if (options->database != NULL)
		database = options->database;
	else if (database == NULL)
		database = "evkv";
	bson_free(server->database);
	server->database = bson_strdup(database);
}

/* With the mutex held. */
static void server_make_pool(struct mongodb_server *server)
{
	bson_error_t error = { 0 };
	mongoc_uri_t *uri;

	server->failed_us = bson_get_monotonic_time();
	uri = mongoc_uri_new_with_error(server->options.uri, &error);
	if (uri == NULL) {
		server->failure.status = EVKV_INVALID;
		server->failure.cause = EVKV_CAUSE_NONE;
		snprintf(server->failure.message, MONGODB_MESSAGE,
		    "mongodb: the connection string: %.200s", error.message);
		evkv__mongodb_scrub(server->failure.message, server->secret);
		evkv__mongodb_scrub(server->failure.message,
		    server->plain_secret);
		return;
	}
	server_configure(server, uri);
	server->pool = mongoc_client_pool_new_with_error(uri, &error);
	mongoc_uri_destroy(uri);
	if (server->pool == NULL) {
		evkv__mongodb_error(server, &error, false, &server->failure);
		return;
	}
	mongoc_client_pool_set_error_api(server->pool, 2);
	/* Each lane has one. */
	mongoc_client_pool_max_size(server->pool, server->options.lanes + 1);
}

/* ---- Clients ------------------------------------------------------------- */

/* On a worker that may be left. */
static void server_pop(struct mongodb_server *server, unsigned number)
{
	mongoc_client_t *client;

	pthread_mutex_lock(&server->mutex);
	if (server->pool == NULL &&
	    (server->failed_us == 0 ||
		bson_get_monotonic_time() - server->failed_us >= RETRY_US))
		server_make_pool(server);
	pthread_mutex_unlock(&server->mutex);
	if (server->pool == NULL)
		return;
	client = mongoc_client_pool_pop(server->pool);
	server->clients[number] = client;
	if (client != NULL)
		server
		    ->collections[number] = mongoc_client_get_collection(client,
		    server->database, server->options.collection);
}

bool evkv__mongodb_server_client(struct mongodb_worker *worker,
    struct mongodb_failure *failure)
{
	struct mongodb_server *server = worker->server;

	if (worker->client != NULL)
		return true;
	if (!evkv__mongodb_wait_begin(worker))
		return false;
	pthread_once(&server_once, server_init_library);
	server_pop(server, worker->number);
	if (!evkv__mongodb_wait_end(worker))
		return false;
	worker->client = server->clients[worker->number];
	worker->collection = server->collections[worker->number];
	if (worker->client != NULL)
		return true;
	pthread_mutex_lock(&server->mutex);
	*failure = server->failure;
	pthread_mutex_unlock(&server->mutex);
	if (failure->status == EVKV_OK)
		*failure = (struct mongodb_failure){
			.status = EVKV_UNAVAILABLE,
			.cause = EVKV_CAUSE_OFFLINE,
			.message = "mongodb: no connection became free",
		};
	return true;
}

/* ---- Life ---------------------------------------------------------------- */

/*
 * The password of a connection string, as it stands there, and decoded; false =
 * no memory.
 */
static bool server_secrets(struct mongodb_server *server)
{
	const char *from = strstr(server->options.uri, "://"), *colon, *at;
	size_t size, i;
	char *plain;

	from = from != NULL ? from + 3 : server->options.uri;
	size = strcspn(from, "/?");
	for (at = from + size; at > from && at[-1] != '@'; at--)
		;
	colon = memchr(from, ':', (size_t)(at - from));
	if (at == from || colon == NULL)
		return true;
	size = (size_t)(at - 1 - (colon + 1));
	server->secret = evkv_calloc(1, size + 1);
	server->plain_secret = plain = evkv_calloc(1, size + 1);
	if (server->secret == NULL || plain == NULL)
		return false;
	memcpy(server->secret, colon + 1, size);
	for (i = 0; i < size; i++) {
		unsigned byte;

		if (server->secret[i] == '%' &&
		    sscanf(server->secret + i + 1, "%2x", &byte) == 1) {
			*plain++ = (char)byte;
			i += 2;
		} else {
			*plain++ = server->secret[i];
		}
	}
	return true;
}

static void server_free_secret(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	evkv_free(secret);
}

void evkv__mongodb_server_unused(struct mongodb_server *server)
{
	if (server == NULL)
		return;
	server_free_secret(server->secret);
	server_free_secret(server->plain_secret);
	evkv__mongodb_options_free(&server->options);
	pthread_mutex_destroy(&server->mutex);
	evkv_free(server);
}

struct mongodb_server *evkv__mongodb_server_new(
    const struct mongodb_options *options, struct evkv_loop *loop)
{
	struct mongodb_server *server = evkv_calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	pthread_mutex_init(&server->mutex, NULL);
	server->refs = 1;
	server->loop = loop;
	server->instance = evkv_loop_random(loop);
	if (evkv__mongodb_options_copy(&server->options, options) &&
	    server_secrets(server))
		return server;
	evkv__mongodb_server_unused(server);
	return NULL;
}

struct mongodb_log *evkv__mongodb_server_log(struct mongodb_server *server,
    struct evkv_task *ended)
{
	return evkv__mongodb_log_begin(server->loop, server->secret,
	    server->plain_secret, ended);
}

void evkv__mongodb_server_ref(struct mongodb_server *server)
{
	__atomic_fetch_add(&server->refs, 1, __ATOMIC_RELAXED);
}

bool evkv__mongodb_server_drop(struct mongodb_server *server)
{
	unsigned refs = __atomic_load_n(&server->refs, __ATOMIC_ACQUIRE);

	while (refs > 1) {
		if (__atomic_compare_exchange_n(&server->refs, &refs, refs - 1,
			false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

void evkv__mongodb_server_unref(struct mongodb_server *server)
{
	if (__atomic_sub_fetch(&server->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (unsigned i = 0; i <= server->options.lanes; i++) {
		if (server->sessions[i] != NULL)
			mongoc_client_session_destroy(server->sessions[i]);
		if (server->collections[i] != NULL)
			mongoc_collection_destroy(server->collections[i]);
		if (server->clients[i] != NULL)
			mongoc_client_pool_push(server->pool,
			    server->clients[i]);
	}
	if (server->pool != NULL)
		mongoc_client_pool_destroy(server->pool);
	bson_free(server->database);
	evkv__mongodb_server_unused(server);
}
