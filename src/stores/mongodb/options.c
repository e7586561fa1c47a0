/*
 * stores/mongodb/options.c - the options of a mongodb store: from a URL,
 * checked, copied.
 *
 * A URL is a connection string of MongoDB's: it is put together again without
 * our own options, whose names begin with "evkv.", and is libmongoc's to judge.
 * No message shows anything of it.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/registry.h"
#include "stores/mongodb/store.h"

/* ---- Checking and copying ------------------------------------------------ */

static bool is_given(const char *string)
{
	return string != NULL && string[0] != '\0';
}

/* What is wrong with them, or NULL. */
static const char *options_wrong(const struct evkv_mongodb_options *given)
{
	const int64_t times[] = { given->server_selection_timeout_ms,
		given->connect_timeout_ms, given->socket_timeout_ms,
		given->wait_queue_timeout_ms, given->timeout_ms };
	size_t i;

	if (!is_given(given->uri))
		return "uri is not given";
	if (strncmp(given->uri, "mongodb://", 10) != 0 &&
	    strncmp(given->uri, "mongodb+srv://", 14) != 0)
		return "uri must begin with mongodb:// or mongodb+srv://";
	if (given->lanes < 0 || given->lanes > EVKV_MONGODB_LANES_MAX)
		return "lanes must be 0 to 63";
	if ((unsigned)given->values > EVKV_MONGODB_JSON)
		return "values is none of bytes, json";
	if (given->max_batch < 0 || given->max_batch > MONGODB_WAVE)
		return "max_batch must be 0 to 1000";
	if (given->mongo_collection != NULL &&
	    strchr(given->mongo_collection, '$') != NULL)
		return "mongo_collection must have no $";
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i] < 0 || times[i] > INT32_MAX)
			return "times must be 0 to 2147483647, in milliseconds";
	}
	return NULL;
}

static const char *or_standard(const char *given, const char *standard)
{
	return is_given(given) ? given : standard;
}

void evkv__mongodb_options_free(struct mongodb_options *ours)
{
	if (ours->uri != NULL)
		explicit_bzero(ours->uri, strlen(ours->uri));
	evkv_free(ours->uri);
	evkv_free(ours->database);
	evkv_free(ours->collection);
	memset(ours, 0, sizeof(*ours));
}

/* Replace the strings, which are another's, by copies. false = no memory. */
static bool options_own(struct mongodb_options *ours)
{
	char *database = ours->database;

	ours->uri = evkv_strdup(ours->uri);
	ours->database = evkv_strdup(database);
	ours->collection = evkv_strdup(ours->collection);
	if (ours->uri != NULL && ours->collection != NULL &&
	    (ours->database != NULL || database == NULL))
		return true;
	evkv__mongodb_options_free(ours);
	return false;
}

bool evkv__mongodb_options_copy(struct mongodb_options *copy,
    const struct mongodb_options *ours)
{
	*copy = *ours;
	return options_own(copy);
}

bool evkv__mongodb_options_init(struct mongodb_options *ours,
    const struct evkv_mongodb_options *given, struct evkv_error *error)
{
	const char *wrong = options_wrong(given);

	if (wrong != NULL) {
		evkv_error_set(error, EVKV_INVALID, "mongodb: %s", wrong);
		return false;
	}
	*ours = (struct mongodb_options){
		.uri = (char *)(uintptr_t)given->uri,
		.database = (char *)(uintptr_t)or_standard(given->database,
		    NULL),
		.collection = (char *)(uintptr_t)
		    or_standard(given->mongo_collection, "evkv"),
		.lanes = given->lanes > 0 ? (unsigned)given->lanes : 4,
		.max_batch = given->max_batch > 0 ? (size_t)given->max_batch
						  : MONGODB_WAVE,
		.json = given->values == EVKV_MONGODB_JSON,
		.create_index = !given->no_create_index,
		.server_selection_ms = (int32_t)
					   given->server_selection_timeout_ms,
		.connect_ms = (int32_t)given->connect_timeout_ms,
		.socket_ms = (int32_t)given->socket_timeout_ms,
		.wait_queue_ms = (int32_t)given->wait_queue_timeout_ms,
	};
	if (options_own(ours))
		return true;
	evkv_error_set(error, EVKV_NOMEM, "mongodb: out of memory");
	return false;
}

/* ---- From a URL ---------------------------------------------------------- */

/* As it comes from a URL, where the index is a choice. */
struct url_options {
	struct evkv_mongodb_options options;
	int create_index; /* of "yes|no" */
};

#define ROW(field_, type_, standard_, summary_, ...)                           \
	{                                                                      \
		.name = EVKV_URL_OURS #field_, .type = EVKV_URL_##type_,       \
		.offset = offsetof(struct evkv_mongodb_options, field_),       \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	ROW(mongo_collection, STRING, "evkv", "the collection of MongoDB's",
	    .min = 0),
	ROW(lanes, INT, "4", "connections to spread the keys over", .min = 1,
	    .max = EVKV_MONGODB_LANES_MAX),
	ROW(values, CHOICE, "bytes",
	    "json: values that are JSON objects become sub-documents",
	    .choices = "bytes|json"),
	{ .name = EVKV_URL_OURS "create_index",
	    .type = EVKV_URL_CHOICE,
	    .offset = offsetof(struct url_options, create_index),
	    .choices = "yes|no|1|0",
	    .standard = "yes",
	    .summary = "make the index by which the server removes what has "
		       "expired" },
	ROW(max_batch, INT, "1000", "keys in one request to the server",
	    .min = 1, .max = MONGODB_WAVE),
	ROW(server_selection_timeout_ms, DURATION, "5s",
	    "how long to look for a server", .min = 1, .max = INT32_MAX),
	ROW(connect_timeout_ms, DURATION, "5s", "how long to connect", .min = 1,
	    .max = INT32_MAX),
	ROW(socket_timeout_ms, DURATION, "10s",
	    "silence after which a connection is given up", .min = 1,
	    .max = INT32_MAX),
	ROW(wait_queue_timeout_ms, DURATION, "5s",
	    "how long to wait for one of the connections", .min = 1,
	    .max = INT32_MAX),
	ROW(timeout_ms, DURATION, NULL, "the default deadline of an operation",
	    .min = 0, .max = INT32_MAX),
	ROW(max_pending, SIZE, "100000", "entries that may be pending",
	    .min = 0),
	ROW(max_pending_bytes, SIZE, "1g", "bytes of their keys and values",
	    .min = 0),
};

/* The connection string as it is written; `out` NULL only counts. */
struct writer {
	char *out;
	size_t size;
};

static void write_byte(struct writer *writer, char byte)
{
	if (writer->out != NULL)
		writer->out[writer->size] = byte;
	writer->size++;
}

static void write_text(struct writer *writer, const char *text)
{
	for (; *text != '\0'; text++)
		write_byte(writer, *text);
}

/* All but what is never special, and `more`, is escaped. */
static void write_escaped(struct writer *writer, const char *text,
    const char *more)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	char escaped[4];

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL ||
		    strchr(more, *text) != NULL) {
			write_byte(writer, *text);
			continue;
		}
		snprintf(escaped, sizeof(escaped), "%%%02X",
		    (unsigned)(unsigned char)*text);
		write_text(writer, escaped);
	}
}

static void write_host(struct writer *writer, const struct evkv_url_host *host)
{
	bool literal = strchr(host->host, ':') != NULL;
	char port[16];

	write_text(writer, literal ? "[" : "");
	write_escaped(writer, host->host, literal ? ":" : "");
	write_text(writer, literal ? "]" : "");
	if (host->port == 0)
		return;
	snprintf(port, sizeof(port), ":%d", host->port);
	write_text(writer, port);
}

static bool option_is_ours(const struct evkv_url_pair *pair)
{
	return strncmp(pair->name, EVKV_URL_OURS, strlen(EVKV_URL_OURS)) == 0;
}

static void write_uri(struct writer *writer, const struct evkv_url *url)
{
	char before = '?';
	size_t i;

	write_text(writer, url->scheme);
	write_text(writer, "://");
	write_escaped(writer, url->user, "");
	if (url->has_password) {
		write_byte(writer, ':');
		write_escaped(writer, url->password, "");
	}
	if (url->has_password || url->user[0] != '\0')
		write_byte(writer, '@');
	for (i = 0; i < url->host_count; i++) {
		write_text(writer, i > 0 ? "," : "");
		write_host(writer, &url->hosts[i]);
	}
	write_byte(writer, '/');
	write_escaped(writer, url->path[0] == '/' ? url->path + 1 : url->path,
	    "");
	for (i = 0; i < url->option_count; i++) {
		if (option_is_ours(&url->options[i]))
			continue;
		write_byte(writer, before);
		write_escaped(writer, url->options[i].name, "");
		write_byte(writer, '=');
		write_escaped(writer, url->options[i].value, "");
		before = '&';
	}
	write_byte(writer, '\0');
}

static bool url_hosts_ok(const struct evkv_url *url, struct evkv_error *error)
{
	size_t i = 0;

	while (i < url->host_count && url->hosts[i].weight == 0)
		i++;
	if (url->host_count > 0 && i == url->host_count)
		return true;
	evkv_error_set(error, EVKV_INVALID, "URL: %s takes %s", url->scheme,
	    i < url->host_count ? "no weights of hosts" : "a host");
	return false;
}

/* The options of the URL have been read. */
static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct url_options url_options;
	struct writer writer = { .out = NULL };
	struct evkv_store *store;

	(void)type;
	if (!url_hosts_ok(making->url, error))
		return NULL;
	memcpy(&url_options, making->options, sizeof(url_options));
	write_uri(&writer, making->url);
	writer.out = evkv_malloc(writer.size);
	if (writer.out == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "mongodb: out of memory");
		return NULL;
	}
	writer.size = 0;
	write_uri(&writer, making->url);
	url_options.options.uri = writer.out;
	url_options.options.no_create_index = url_options.create_index & 1;
	store = evkv_mongodb_new(making->loop, &url_options.options, error);
	explicit_bzero(writer.out, writer.size);
	evkv_free(writer.out);
	return store;
}

static const struct evkv_type options_type = {
	.size = sizeof(struct evkv_type),
	.name = MONGODB_NAME,
	.also = "mongodb+srv",
	.summary = "MongoDB, or a server that speaks its protocol",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct url_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOSTS | EVKV_URL_PATH |
	    EVKV_URL_FOREIGN,
	.make = options_make,
};

bool evkv_mongodb_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &options_type);
}
