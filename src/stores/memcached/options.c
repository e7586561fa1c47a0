/*
 * The options of a memcached store: from a URL, checked, copied.
 *
 * A URL is turned into an options struct whose strings are the URL's, which
 * evkv_memcached_new() then checks and copies like any other. Every message
 * names the option and what is allowed; none shows a password.
 */
#include "options.h"

#include <string.h>
#include <strings.h>

#include "evkv/driver.h"
#include "evkv/registry.h"

#define OPTIONS_PORT 11211
#define OPTIONS_PATH_MAX 107 /* what fits into sun_path */
#define OPTIONS_PREFIX_MAX 128
#define OPTIONS_HOST_MAX 1024 /* that libmemcached takes */
#define OPTIONS_WEIGHT_MAX 65535
#define OPTIONS_TIME_MAX ((INT64_C(1) << 40) - 1) /* as the pipeline has it */

/* ---- The table -------------------------------------------------------- */

#define ROW(field_, type_, standard_, summary_, ...)                           \
	{                                                                      \
		.name = #field_, .type = EVKV_URL_##type_,                     \
		.offset = offsetof(struct evkv_memcached_options, field_),     \
		.standard = (standard_), .summary = (summary_), __VA_ARGS__    \
	}

static const struct evkv_url_option options_table[] = {
	ROW(tls_ca_file, STRING, "the system's",
	    "PEM file of the authorities to trust", .min = 0),
	ROW(tls_cert_file, STRING, NULL, "PEM file of a client certificate",
	    .min = 0),
	ROW(tls_key_file, STRING, NULL, "PEM file of its key", .min = 0),
	ROW(tls_server_name, STRING, "each host",
	    "the name that certificates must bear", .min = 0),
	ROW(tls_insecure_no_verify, BOOL, "no", "accept any certificate",
	    .min = 0),
	ROW(key_prefix, STRING, NULL, "goes before every key on the servers",
	    .min = 0),
	ROW(distribution, CHOICE, "ketama_weighted", "which server has a key",
	    .choices = "ketama_weighted|ketama|modula"),
	ROW(eject, BOOL, "no",
	    "have the keys of a server that is down on the others", .min = 0),
	ROW(allow_flush_all, BOOL, "no",
	    "let clear_all empty the servers, of all that anybody has put",
	    .min = 0),
	ROW(max_value_bytes, SIZE, "as the server says", "the longest value",
	    .max = INT64_C(1) << 30),
	ROW(flags, SIZE, "0", "the client flags of what is put",
	    .max = UINT32_MAX),
	ROW(connections, INT, "1",
	    "connections to each server, to spread the keys over",
	    .max = EVKV_MEMCACHED_CONNECTIONS_MAX),
	ROW(connect_timeout_ms, DURATION, "5s",
	    "from looking up the name to the end of the login",
	    .max = OPTIONS_TIME_MAX),
	ROW(stall_timeout_ms, DURATION, "5s",
	    "silence after which a connection is given up",
	    .max = OPTIONS_TIME_MAX),
	ROW(backoff_min_ms, DURATION, "50ms",
	    "the first wait before the next try to connect",
	    .max = OPTIONS_TIME_MAX),
	ROW(backoff_max_ms, DURATION, "1s", "the longest such wait",
	    .max = OPTIONS_TIME_MAX),
	ROW(timeout_ms, DURATION, NULL, "the default deadline of an operation",
	    .max = OPTIONS_TIME_MAX),
	ROW(max_pending, SIZE, "100000", "entries that may be pending",
	    .min = 0),
	ROW(max_pending_bytes, SIZE, "1g", "bytes of their keys and values",
	    .min = 0),
	ROW(max_offline, SIZE, "10000",
	    "operations that may wait for each connection", .min = 0),
	ROW(max_offline_bytes, SIZE, "64m", "bytes of their keys and values",
	    .min = 0),
	ROW(max_offline_ms, DURATION, "5s", "how long they may wait",
	    .max = OPTIONS_TIME_MAX),
	ROW(fail_fast, BOOL, "no", "let nothing wait for a connection",
	    .min = 0),
	ROW(max_reply_bytes, SIZE, "64m", "the longest reply that is accepted",
	    .min = 0),
	ROW(flush_bytes, SIZE, "4k",
	    "bytes of replies that are worked on before the next requests are "
	    "sent",
	    .min = 0),
};

static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error);

static const struct evkv_type options_type = {
	.size = sizeof(struct evkv_type),
	.name = "memcached",
	.also = "memcacheds memcached+unix",
	.summary = "memcached servers",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct evkv_memcached_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOSTS | EVKV_URL_PATH,
	.make = options_make,
};

/* ---- Checking --------------------------------------------------------- */

static bool options_given(const char *string)
{
	return string != NULL && string[0] != '\0';
}

/* Others read names as lines of text. */
static bool options_printable(const char *string)
{
	for (; string != NULL && *string != '\0'; string++) {
		if ((unsigned char)*string <= ' ' || *string == 0x7f)
			return false;
	}
	return true;
}

static const char *options_tls_wrong(const struct evkv_memcached_options *given)
{
	if (!given->tls &&
	    (options_given(given->tls_ca_file) ||
		options_given(given->tls_cert_file) ||
		options_given(given->tls_key_file) ||
		options_given(given->tls_server_name) ||
		given->tls_insecure_no_verify))
		return "options named tls_... need TLS (memcacheds://)";
	if (options_given(given->tls_cert_file) !=
	    options_given(given->tls_key_file))
		return "tls_cert_file and tls_key_file go together";
	if (given->tls && options_given(given->path))
		return "TLS is not spoken over a unix socket";
	return NULL;
}

static const char *options_login_wrong(const struct evkv_memcached_options
	*given)
{
	if (options_given(given->user) != options_given(given->password))
		return "a user and a password go together";
	if (options_given(given->user) &&
	    (strchr(given->user, ' ') != NULL ||
		strpbrk(given->user, "\r\n") != NULL ||
		strpbrk(given->password, "\r\n") != NULL))
		return "a user has no blank, nor have a user and a password "
		       "line ends";
	return NULL;
}

/* What is wrong with them, servers apart, or NULL. */
static const char *options_wrong(const struct evkv_memcached_options *given)
{
	const char *wrong = options_tls_wrong(given);

	if (wrong == NULL)
		wrong = options_login_wrong(given);
	if (wrong != NULL)
		return wrong;
	if (given->backoff_max_ms != 0 &&
	    given->backoff_min_ms > given->backoff_max_ms)
		return "backoff_min_ms must not be above backoff_max_ms";
	if (given->server_count > 0 && given->servers == NULL)
		return "servers is NULL";
	if (options_given(given->path) && given->server_count > 0)
		return "a path excludes servers";
	if (options_given(given->path) &&
	    strlen(given->path) > OPTIONS_PATH_MAX)
		return "path must have at most 107 bytes";
	if (given->server_count > EVKV_MEMCACHED_SERVERS_MAX)
		return "there may be at most 100 servers";
	if (given->key_prefix != NULL &&
	    (strlen(given->key_prefix) > OPTIONS_PREFIX_MAX ||
		!options_printable(given->key_prefix)))
		return "key_prefix must have at most 128 bytes, without "
		       "blanks and control characters";
	return NULL;
}

/* The i-th of ours, defaults filled in. */
static bool options_server_check(const struct evkv_memcached_options *ours,
    size_t i, struct evkv_error *error)
{
	const struct evkv_memcached_server *server = &ours->servers[i], *other;
	const char *wrong = NULL;

	if (server->port < 1 || server->port > 65535)
		wrong = "its port must be 0 to 65535";
	else if (server->weight < 1 || server->weight > OPTIONS_WEIGHT_MAX)
		wrong = "its weight must be 1 to 65535";
	else if (server->weight != 1 &&
	    ours->distribution != EVKV_MEMCACHED_KETAMA_WEIGHTED)
		wrong = "a weight needs the distribution ketama_weighted";
	else if (strlen(server->host) > OPTIONS_HOST_MAX)
		wrong = "its host must have at most 1024 bytes";
	for (size_t j = 0; wrong == NULL && j < i; j++) {
		other = &ours->servers[j];
		if (other->port == server->port &&
		    strcasecmp(other->host, server->host) == 0)
			wrong = "it is there twice";
	}
	if (wrong == NULL)
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "memcached: server %zu (%.100s): %s", i + 1, server->host, wrong);
	return false;
}

/* ---- Defaults --------------------------------------------------------- */

static void options_default_time(int64_t *time_ms, int64_t value)
{
	if (*time_ms == 0)
		*time_ms = value;
}

static void options_default_size(size_t *size, size_t value)
{
	if (*size == 0)
		*size = value;
}

static void options_defaults(struct evkv_memcached_options *ours)
{
	if (ours->connections == 0)
		ours->connections = 1;
	options_default_time(&ours->connect_timeout_ms, 5000);
	options_default_time(&ours->stall_timeout_ms, 5000);
	options_default_time(&ours->backoff_max_ms, 1000);
	options_default_time(&ours->backoff_min_ms,
	    ours->backoff_max_ms < 50 ? ours->backoff_max_ms : 50);
	if (ours->backoff_max_ms < ours->backoff_min_ms)
		ours->backoff_max_ms = ours->backoff_min_ms;
	options_default_time(&ours->max_offline_ms, 5000);
	options_default_size(&ours->max_offline, 10000);
	options_default_size(&ours->max_offline_bytes, (size_t)64 << 20);
	options_default_size(&ours->max_reply_bytes, (size_t)64 << 20);
	options_default_size(&ours->flush_bytes, 4096);
}

static void options_server_defaults(struct evkv_memcached_server *server)
{
	if (!options_given(server->host))
		server->host = "localhost";
	if (server->port == 0)
		server->port = OPTIONS_PORT;
	if (server->weight == 0)
		server->weight = 1;
}

/* ---- Copying ---------------------------------------------------------- */

/* The strings that are no rows of the table, then those that are. */
static const char **options_string(struct evkv_memcached_options *options,
    size_t i)
{
	const struct evkv_url_option *row;

	switch (i) {
	case 0: return &options->path;
	case 1: return &options->user;
	case 2: return &options->password;
	default: break;
	}
	row = &options_table[i - 3];
	return row->type == EVKV_URL_STRING
	    ? (const char **)(void *)((char *)options + row->offset)
	    : NULL;
}

#define OPTIONS_STRINGS (sizeof(options_table) / sizeof(options_table[0]) + 3)

/* Replace each string by a copy of it; empty ones by NULL. */
static bool options_copy(struct evkv_memcached_options *ours)
{
	bool copied = true;

	for (size_t i = 0; i < OPTIONS_STRINGS; i++) {
		const char **string = options_string(ours, i);

		if (string == NULL)
			continue;
		/* What could not be copied still belongs to the caller. */
		if (!copied || !options_given(*string)) {
			*string = NULL;
			continue;
		}
		*string = evkv_strdup(*string);
		copied = *string != NULL;
	}
	return copied;
}

/* One piece of memory: the servers, then their hosts. */
static bool options_copy_servers(struct evkv_memcached_options *ours)
{
	static const struct evkv_memcached_server one = { .port = 0 };
	const struct evkv_memcached_server *given = ours->servers;
	size_t count = ours->server_count, size = 0;
	struct evkv_memcached_server *servers;
	char *at;

	if (count == 0) {
		given = &one;
		count = 1;
	}
	for (size_t i = 0; i < count; i++)
		size += evkv_str(given[i].host).size + sizeof("localhost");
	servers = evkv_malloc(count * sizeof(*servers) + size);
	if (servers == NULL)
		return false;
	at = (char *)(servers + count);
	for (size_t i = 0; i < count; i++) {
		servers[i] = given[i];
		options_server_defaults(&servers[i]);
		size = strlen(servers[i].host) + 1;
		servers[i].host = memcpy(at, servers[i].host, size);
		at += size;
	}
	ours->servers = servers;
	ours->server_count = count;
	return true;
}

static bool options_out_of_memory(struct evkv_error *error)
{
	evkv_error_set(error, EVKV_NOMEM, "memcached: out of memory");
	return false;
}

bool evkv__memcached_options_init(struct evkv_memcached_options *ours,
    const struct evkv_memcached_options *given, size_t size,
    struct evkv_error *error)
{
	const char *wrong;

	if (!evkv_options_read(ours, sizeof(*ours), given, size, error) ||
	    !evkv_type_check(&options_type, ours, error))
		return false;
	wrong = options_wrong(ours);
	if (wrong != NULL) {
		evkv_error_set(error, EVKV_INVALID, "memcached: %s", wrong);
		return false;
	}
	options_defaults(ours);
	if (!options_copy_servers(ours))
		return options_out_of_memory(error);
	if (!options_copy(ours)) {
		evkv__memcached_options_free(ours);
		return options_out_of_memory(error);
	}
	for (size_t i = 0; i < ours->server_count; i++) {
		if (!options_server_check(ours, i, error)) {
			evkv__memcached_options_free(ours);
			return false;
		}
	}
	return true;
}

static void options_free(const void *memory)
{
	void *ours;

	memcpy(&ours, &memory, sizeof(ours));
	evkv_free(ours);
}

void evkv__memcached_options_free(struct evkv_memcached_options *ours)
{
	char *password;

	memcpy(&password, &ours->password, sizeof(password));
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	for (size_t i = 0; i < OPTIONS_STRINGS; i++) {
		const char **string = options_string(ours, i);

		if (string == NULL)
			continue;
		options_free(*string);
		*string = NULL;
	}
	options_free(ours->servers);
	ours->servers = NULL;
}

/* ---- From a URL ------------------------------------------------------- */

/* The part of a URL before the options. */
static bool options_from_address(const struct evkv_url *url, bool local,
    struct evkv_memcached_server *servers,
    struct evkv_memcached_options *options, struct evkv_error *error)
{
	bool has_path = url->path[0] != '\0' && strcmp(url->path, "/") != 0;

	options->user = url->user;
	options->password = url->has_password ? url->password : NULL;
	if (local && (!has_path || url->host_count > 0)) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: the URL must be %s:///path/to/socket", url->scheme,
		    url->scheme);
		return false;
	}
	if (local) {
		options->path = url->path;
		return true;
	}
	/* With a slash too few it may hold a password: it is not shown. */
	if (has_path || url->host_count > EVKV_MEMCACHED_SERVERS_MAX) {
		evkv_error_set(error, EVKV_INVALID, "%s: there must be %s",
		    url->scheme,
		    has_path ? "nothing but '/' between servers and options"
			     : "at most 100 servers");
		return false;
	}
	for (size_t i = 0; i < url->host_count; i++)
		servers[i] = (struct evkv_memcached_server){
			.host = url->hosts[i].host,
			.port = url->hosts[i].port,
			.weight = url->hosts[i].weight,
		};
	options->servers = servers;
	options->server_count = url->host_count;
	return true;
}

/* The options of the URL have been read. */
static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_memcached_server servers[EVKV_MEMCACHED_SERVERS_MAX];
	struct evkv_memcached_options options;
	const struct evkv_url *url = making->url;
	bool local = strchr(url->scheme, '+') != NULL;

	(void)type;
	memcpy(&options, making->options, sizeof(options));
	options.tls = strcmp(url->scheme, "memcacheds") == 0;
	if (!options_from_address(url, local, servers, &options, error))
		return NULL;
	return evkv_memcached_new(making->loop, &options, error);
}

/* ---- As a URL ----------------------------------------------------------- */

/* Put those back to zero that are as the defaults have them. */
static void drop_defaults(struct evkv_memcached_options *options)
{
	static const size_t sizes[] = {
		[EVKV_URL_BOOL] = sizeof(bool),
		[EVKV_URL_INT] = sizeof(int),
		[EVKV_URL_SIZE] = sizeof(size_t),
		[EVKV_URL_DURATION] = sizeof(int64_t),
		[EVKV_URL_STRING] = 0,
		[EVKV_URL_CHOICE] = sizeof(int),
	};
	struct evkv_memcached_options defaults;
	const struct evkv_url_option *row;
	char *field;

	memset(&defaults, 0, sizeof(defaults));
	options_defaults(&defaults);
	for (size_t i = 0; i < options_type.option_count; i++) {
		row = &options_table[i];
		field = (char *)options + row->offset;
		if (memcmp(field, (const char *)&defaults + row->offset,
			sizes[row->type]) == 0)
			memset(field, 0, sizes[row->type]);
	}
}

static void describe_server(const struct evkv_memcached_server *server,
    struct evkv_text *text)
{
	if (strchr(server->host, ':') != NULL) {
		evkv_text_add(text, "[%s]", server->host);
	} else {
		evkv_text_encoded(text, server->host);
	}
	evkv_text_add(text, ":%d", server->port);
	if (server->weight != 1)
		evkv_text_add(text, "*%d", server->weight);
}

void evkv__memcached_options_describe(const struct evkv_memcached_options *ours,
    struct evkv_text *text)
{
	struct evkv_memcached_options options = *ours;

	evkv_text_add(text, "%s://",
	    ours->tls                ? "memcacheds"
		: ours->path != NULL ? "memcached+unix"
				     : "memcached");
	if (ours->user != NULL) {
		evkv_text_encoded(text, ours->user);
		evkv_text_add(text, ":***@");
	}
	if (ours->path != NULL)
		evkv_text_encoded(text, ours->path);
	for (size_t i = 0; ours->path == NULL && i < ours->server_count; i++) {
		evkv_text_add(text, i == 0 ? "" : ",");
		describe_server(&ours->servers[i], text);
	}
	drop_defaults(&options);
	evkv_text_options(text, &options_type, &options);
}

bool evkv_memcached_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &options_type);
}
