/*
 * engines/http/client.c - clients: options, making, closing.
 */
#include "engines/http/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "evkv/base64.h"

#define CLIENT_TIME_MAX (INT64_C(1) << 40)

static const size_t client_strings[] = {
	offsetof(struct evkv_http_options, name),
	offsetof(struct evkv_http_options, tls_ca_file),
	offsetof(struct evkv_http_options, tls_cert_file),
	offsetof(struct evkv_http_options, tls_key_file),
	offsetof(struct evkv_http_options, tls_server_name),
	offsetof(struct evkv_http_options, proxy_host),
};

#define CLIENT_STRINGS (sizeof(client_strings) / sizeof(client_strings[0]))

static const char **client_string(struct evkv_http_options *options, size_t i)
{
	return (const char **)((char *)options + client_strings[i]);
}

/* ---- Options ------------------------------------------------------------- */

static const char *client_nodes_wrong(const struct evkv_http_options *given)
{
	if (given->node_count < 1 || given->node_count > EVKV_HTTP_NODES_MAX)
		return "a client has 1 to 64 nodes";
	for (size_t i = 0; i < given->node_count; i++) {
		const struct evkv_http_node *node = &given->nodes[i];

		if (node->host == NULL || node->host[0] == '\0' ||
		    strlen(node->host) > 255)
			return "a node needs a host of 1 to 255 bytes";
		/* What would end the host in a URL. */
		if (node->host[strcspn(node->host, "/?#@\\ \r\n\t")] != '\0')
			return "a node's host has bytes that no host has";
		if (node->port < 1 || node->port > 65535)
			return "a node's port must be 1 to 65535";
	}
	return NULL;
}

/* A header of ours takes no line ends, nor what is longer than servers take. */
static bool client_header_fits(const char *text)
{
	return text == NULL ||
	    (strlen(text) <= 4096 && text[strcspn(text, "\r\n")] == '\0');
}

static const char *client_wrong(const struct evkv_http_options *given)
{
	int ways = (given->user != NULL) + (given->api_key != NULL) +
	    (given->bearer != NULL);
	const int64_t times[] = { given->connect_timeout_ms,
		given->request_timeout_ms, given->backoff_max_ms,
		given->keep_alive_ms };

	if (ways > 1)
		return "user, api_key and bearer exclude each other";
	if (given->password != NULL && given->user == NULL)
		return "a password needs a user";
	if (given->user != NULL && strchr(given->user, ':') != NULL)
		return "a user's name must have no colon";
	if (!client_header_fits(given->user) ||
	    !client_header_fits(given->password) ||
	    !client_header_fits(given->api_key) ||
	    !client_header_fits(given->bearer))
		return "credentials must have at most 4096 bytes, and no line "
		       "ends";
	if (given->proxy_host != NULL &&
	    (given->proxy_port < 1 || given->proxy_port > 65535))
		return "proxy_port must be 1 to 65535";
	if (given->tls_key_file != NULL && given->tls_cert_file == NULL)
		return "tls_key_file needs tls_cert_file";
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i] < 0 || times[i] >= CLIENT_TIME_MAX)
			return "times must be 0 to 2^40 - 1 milliseconds";
	}
	return client_nodes_wrong(given);
}

static bool client_file_check(const char *path, struct evkv_error *error)
{
	if (path == NULL || access(path, R_OK) == 0)
		return true;
	evkv_error_set(error, EVKV_IO, "%s: %s", path, strerror(errno));
	return false;
}

static bool client_check(const struct evkv_http_options *given,
    struct evkv_error *error)
{
	const char *wrong = client_wrong(given);

	if (wrong != NULL) {
		evkv_error_set(error, EVKV_INVALID, "%s", wrong);
		return false;
	}
	return !given->tls ||
	    (client_file_check(given->tls_ca_file, error) &&
		client_file_check(given->tls_cert_file, error) &&
		client_file_check(given->tls_key_file, error));
}

static void client_default(int64_t *time_ms, int64_t standard)
{
	if (*time_ms == 0)
		*time_ms = standard;
}

static void client_defaults(struct evkv_http_options *options)
{
	if (options->name == NULL)
		options->name = "http";
	if (options->max_requests == 0)
		options->max_requests = 4;
	if (options->max_waiting == 0)
		options->max_waiting = 10000;
	if (options->max_answer_bytes == 0)
		options->max_answer_bytes = (size_t)64 << 20;
	client_default(&options->connect_timeout_ms, 5000);
	client_default(&options->request_timeout_ms, 60000);
	client_default(&options->backoff_max_ms, 30000);
	client_default(&options->keep_alive_ms, 60000);
}

/* ---- Making -------------------------------------------------------------- */

static char *client_basic(const char *user, const char *password)
{
	size_t size = strlen(user) + strlen(password) + 1;
	size_t room = sizeof("Authorization: Basic ") + EVKV_BASE64_SIZE(size);
	char *pair = evkv_malloc(size + 1), *header = evkv_malloc(room);
	size_t at;

	if (pair != NULL && header != NULL) {
		(void)snprintf(pair, size + 1, "%s:%s", user, password);
		at = (size_t)snprintf(header, room, "Authorization: Basic ");
		at += evkv_base64_encode(evkv_bytes(pair, size), header + at);
		header[at] = '\0';
	} else {
		evkv_free(header);
		header = NULL;
	}
	if (pair != NULL)
		explicit_bzero(pair, size);
	evkv_free(pair);
	return header;
}

static char *client_token(const char *way, const char *token)
{
	size_t room = sizeof("Authorization: ApiKey ") + strlen(token);
	char *header = evkv_malloc(room);

	if (header != NULL)
		(void)snprintf(header, room, "Authorization: %s %s", way,
		    token);
	return header;
}

static bool client_authorization(struct evkv_http *client,
    const struct evkv_http_options *given)
{
	if (given->user != NULL)
		client->authorization = client_basic(given->user,
		    given->password != NULL ? given->password : "");
	else if (given->api_key != NULL)
		client->authorization = client_token("ApiKey", given->api_key);
	else if (given->bearer != NULL)
		client->authorization = client_token("Bearer", given->bearer);
	else
		return true;
	return client->authorization != NULL;
}

/* The strings become ours; also where memory lacks, so that they are freed. */
static bool client_strings_copy(struct evkv_http_options *options)
{
	bool good = true;

	options->user = options->password = NULL;
	options->api_key = options->bearer = NULL;
	for (size_t i = 0; i < CLIENT_STRINGS; i++) {
		const char **string = client_string(options, i);

		if (*string == NULL)
			continue;
		*string = evkv_strdup(*string);
		good &= *string != NULL;
	}
	return good;
}

static bool client_nodes_make(struct evkv_http *client,
    const struct evkv_http_node *nodes, size_t count)
{
	client->nodes = evkv_calloc(count, sizeof(*client->nodes));
	if (client->nodes == NULL)
		return false;
	client->node_count = count;
	for (size_t i = 0; i < count; i++) {
		if (!evkv__http_node_init(&client->nodes[i], client, &nodes[i]))
			return false;
	}
	return true;
}

static void client_release(struct evkv_http *client)
{
	for (size_t i = 0; i < client->node_count; i++)
		evkv__http_node_free(&client->nodes[i]);
	if (client->multi != NULL)
		evkv__http_multi_leave(client->multi);
	for (size_t i = 0; i < CLIENT_STRINGS; i++)
		evkv_free(*(char **)client_string(&client->options, i));
	if (client->authorization != NULL)
		explicit_bzero(client->authorization,
		    strlen(client->authorization));
	evkv_free(client->authorization);
	evkv_free(client->nodes);
	evkv_free(client);
}

struct evkv_http *evkv_http_new_sized(struct evkv_loop *loop,
    const struct evkv_http_options *options, size_t size,
    struct evkv_error *error)
{
	struct evkv_http_options given;
	struct evkv_http *client;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "loop is NULL");
		return NULL;
	}
	if (!evkv_options_read(&given, sizeof(given), options, size, error) ||
	    !client_check(&given, error))
		return NULL;
	client = evkv_calloc(1, sizeof(*client));
	if (client == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		return NULL;
	}
	client->loop = loop;
	client->state = client->told = EVKV_STATE_CONNECTING;
	evkv__http_list_init(&client->waiting);
	evkv__http_list_init(&client->running);
	evkv__http_list_init(&client->ending);
	client->task.run = evkv__http_task_run;
	client->task.arg = client;
	client->options = given;
	client_defaults(&client->options);
	if (!client_strings_copy(&client->options) ||
	    !client_authorization(client, &given) ||
	    !client_nodes_make(client, given.nodes, given.node_count) ||
	    (client->multi = evkv__http_multi_use(loop)) == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		client_release(client);
		return NULL;
	}
	evkv_loop_hold(loop);
	return client;
}

/* ---- Ending -------------------------------------------------------------- */

static void client_cut(struct evkv_http_request *request)
{
	uint32_t sent = 0;

	if (request->transfer != NULL) {
		if (evkv__http_transfer_sent(request->transfer))
			sent = HTTP_WAS_SENT;
		evkv__http_transfer_end(request->transfer, false);
	}
	request->bits = (request->bits & ~(uint32_t)HTTP_WAS_SENT) | sent;
	evkv__http_request_refuse(request, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
	    "the store is closed");
}

/* Tell all that has ended; false: the client is gone. */
static bool client_tell_all(struct evkv_http *client)
{
	while (client->ending.first != NULL) {
		if (!evkv__http_tell(client))
			return false;
	}
	return true;
}

void evkv_http_close(struct evkv_http *client)
{
	if (client == NULL || client->closed)
		return;
	client->closed = true;
	while (client->running.first != NULL)
		client_cut(client->running.first);
	while (client->waiting.first != NULL)
		client_cut(client->waiting.first);
	for (size_t i = 0; i < client->node_count; i++)
		evkv__http_node_stop(&client->nodes[i]);
	evkv_loop_release(client->loop);
	(void)client_tell_all(client);
}

void evkv_http_free(struct evkv_http *client)
{
	bool *freed;

	if (client == NULL)
		return;
	evkv_http_close(client);
	if (!client_tell_all(client))
		return;
	evkv_task_cancel(client->loop, &client->task);
	freed = client->freed;
	client_release(client);
	if (freed != NULL)
		*freed = true;
}

void evkv_http_counters(const struct evkv_http *client,
    struct evkv_http_counters *counters)
{
	*counters = (struct evkv_http_counters){
		.waiting = client->waiting.count,
		.running = client->running.count,
		.revivals = client->revivals,
		.requests = client->requests,
	};
	for (size_t i = 0; i < client->node_count; i++)
		counters->dead_nodes += client->nodes[i].failures > 0;
}
