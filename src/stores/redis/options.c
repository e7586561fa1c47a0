/*
 * The options of a redis store: from a URL, checked, copied.
 *
 * A URL is turned into an options struct whose strings are the URL's, which
 * evkv_redis_new() then checks and copies like any other. Every message names
 * the option and what is allowed; none shows a password.
 */
#include "options.h"

#include <limits.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/registry.h"

#define OPTIONS_PORT 6379

/* ---- Checking and copying --------------------------------------------- */

static const size_t options_strings[] = {
	offsetof(struct evkv_redis_options, host),
	offsetof(struct evkv_redis_options, path),
	offsetof(struct evkv_redis_options, user),
	offsetof(struct evkv_redis_options, password),
	offsetof(struct evkv_redis_options, tls_ca_file),
	offsetof(struct evkv_redis_options, tls_cert_file),
	offsetof(struct evkv_redis_options, tls_key_file),
	offsetof(struct evkv_redis_options, tls_server_name),
	offsetof(struct evkv_redis_options, client_name),
	offsetof(struct evkv_redis_options, key_prefix),
	offsetof(struct evkv_redis_options, password_file),
};

#define OPTIONS_STRINGS (sizeof(options_strings) / sizeof(options_strings[0]))

static const char **options_string(struct evkv_redis_options *options, size_t i)
{
	return (const char **)((char *)options + options_strings[i]);
}

static bool options_given(const char *string)
{
	return string != NULL && string[0] != '\0';
}

/* CLIENT SETNAME refuses blanks and control characters; say so at once. */
static bool options_printable(const char *name)
{
	for (; name != NULL && *name != '\0'; name++) {
		if (*name <= ' ' || *name > '~')
			return false;
	}
	return true;
}

static const char *options_tls_wrong(const struct evkv_redis_options *given)
{
	if (!given->tls &&
	    (options_given(given->tls_ca_file) ||
		options_given(given->tls_cert_file) ||
		options_given(given->tls_key_file) ||
		options_given(given->tls_server_name) ||
		given->tls_insecure_no_verify))
		return "options named tls_... need TLS (rediss://)";
	if (options_given(given->tls_cert_file) !=
	    options_given(given->tls_key_file))
		return "tls_cert_file and tls_key_file go together";
	if (given->tls && options_given(given->path))
		return "TLS is not spoken over a unix socket";
	return NULL;
}

/* The times are those of the pipeline, but for what it switches off by -1. */
static bool options_times_check(const struct evkv_redis_options *given,
    struct evkv_error *error)
{
	const struct {
		const char *name;
		int64_t time_ms;
	} times[] = {
		{ "connect_timeout_ms", given->connect_timeout_ms },
		{ "stall_timeout_ms", given->stall_timeout_ms },
		{ "backoff_min_ms", given->backoff_min_ms },
		{ "backoff_max_ms", given->backoff_max_ms },
		{ "max_offline_ms", given->max_offline_ms },
		{ "timeout_ms", given->timeout_ms },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].time_ms >= 0 && times[i].time_ms <= REDIS_TIME_MAX)
			continue;
		evkv_error_set(error, EVKV_INVALID,
		    "redis: %s is %lld; it must be 0 to %lld, in milliseconds",
		    times[i].name, (long long)times[i].time_ms,
		    (long long)REDIS_TIME_MAX);
		return false;
	}
	return true;
}

/* What is wrong with them, or NULL. */
static const char *options_wrong(const struct evkv_redis_options *given)
{
	const char *wrong = options_tls_wrong(given);

	if (wrong != NULL)
		return wrong;
	if (given->backoff_max_ms != 0 &&
	    given->backoff_min_ms > given->backoff_max_ms)
		return "backoff_min_ms must not be above backoff_max_ms";
	if (given->port < 0 || given->port > 65535)
		return "port must be 0 to 65535";
	if (options_given(given->path) &&
	    (options_given(given->host) || given->port != 0))
		return "a path excludes a host and a port";
	if (options_given(given->path) && strlen(given->path) > REDIS_PATH_MAX)
		return "path must have at most 107 bytes";
	if (given->db < 0)
		return "db must not be negative";
	if (given->password != NULL && options_given(given->password_file))
		return "password and password_file exclude each other";
	if (options_given(given->user) && given->password == NULL &&
	    given->credentials == NULL && !options_given(given->password_file))
		return "a user needs a password";
	if (given->connections < 0 ||
	    given->connections > EVKV_REDIS_CONNECTIONS_MAX)
		return "connections must be 0 to 64";
	if (!options_printable(given->client_name))
		return "client_name must be printable, without blanks";
	if (given->key_prefix != NULL &&
	    strlen(given->key_prefix) > REDIS_PREFIX_MAX)
		return "key_prefix must have at most 1024 bytes";
	return NULL;
}

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

static void options_defaults(struct evkv_redis_options *ours)
{
	if (!options_given(ours->host))
		ours->host = "localhost";
	if (ours->port == 0)
		ours->port = OPTIONS_PORT;
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
	options_default_size(&ours->max_reply_bytes, (size_t)1 << 30);
	options_default_size(&ours->flush_bytes, (size_t)64 << 10);
}

/* Replace each string by a copy of it; empty ones by NULL. */
static bool options_copy(struct evkv_redis_options *ours)
{
	size_t i;

	for (i = 0; i < OPTIONS_STRINGS; i++) {
		const char **string = options_string(ours, i);

		/* An empty password is one, an empty user is none. */
		if (!options_given(*string) && *string != ours->password)
			*string = NULL;
		if (*string == NULL)
			continue;
		*string = evkv_strdup(*string);
		if (*string == NULL)
			break;
	}
	if (i == OPTIONS_STRINGS)
		return true;
	/* The rest still belongs to the caller. */
	for (; i < OPTIONS_STRINGS; i++)
		*options_string(ours, i) = NULL;
	evkv__redis_options_free(ours);
	return false;
}

bool evkv__redis_options_init(struct evkv_redis_options *ours,
    const struct evkv_redis_options *given, size_t size,
    struct evkv_error *error)
{
	const char *wrong;

	if (!evkv_options_read(ours, sizeof(*ours), given, size, error) ||
	    !options_times_check(ours, error))
		return false;
	wrong = options_wrong(ours);
	if (wrong != NULL) {
		evkv_error_set(error, EVKV_INVALID, "redis: %s", wrong);
		return false;
	}
	options_defaults(ours);
	if (!options_copy(ours)) {
		evkv_error_set(error, EVKV_NOMEM, "redis: out of memory");
		return false;
	}
	return true;
}

void evkv__redis_options_free(struct evkv_redis_options *ours)
{
	for (size_t i = 0; i < OPTIONS_STRINGS; i++) {
		char **string = (char **)options_string(ours, i);

		if (*string != NULL && *string == ours->password)
			explicit_bzero(*string, strlen(*string));
		evkv_free(*string);
		*string = NULL;
	}
}

/* ---- From a URL ------------------------------------------------------- */

#define ROW(field_, type_, standard_, summary_)                                \
	{                                                                      \
		.name = #field_, .type = EVKV_URL_##type_,                     \
		.offset = offsetof(struct evkv_redis_options, field_),         \
		.standard = (standard_), .summary = (summary_)                 \
	}

static const struct evkv_url_option options_table[] = {
	ROW(db, INT, "0", "the number of the database"),
	ROW(tls_ca_file, STRING, "the system's",
	    "PEM file of the authorities to trust"),
	ROW(tls_cert_file, STRING, NULL, "PEM file of a client certificate"),
	ROW(tls_key_file, STRING, NULL, "PEM file of its key"),
	ROW(tls_server_name, STRING, "the host",
	    "the name that the certificate must bear"),
	ROW(tls_insecure_no_verify, BOOL, "no", "accept any certificate"),
	ROW(client_name, STRING, NULL, "for CLIENT SETNAME"),
	ROW(key_prefix, STRING, NULL, "goes before every key on the server"),
	ROW(allow_unprefixed_clear_all, BOOL, "no",
	    "let clear_all empty the whole database"),
	ROW(connections, INT, "1",
	    "connections to spread the keys over, at most 64"),
	ROW(connect_timeout_ms, DURATION, "5s",
	    "from looking up the name to the end of the login"),
	ROW(stall_timeout_ms, DURATION, "5s",
	    "silence after which a connection is given up"),
	ROW(backoff_min_ms, DURATION, "50ms",
	    "the first wait before the next try to connect"),
	ROW(backoff_max_ms, DURATION, "1s", "the longest such wait"),
	ROW(timeout_ms, DURATION, NULL, "the default deadline of an operation"),
	ROW(max_pending, SIZE, "100000", "entries that may be pending"),
	ROW(max_pending_bytes, SIZE, "1g", "bytes of their keys and values"),
	ROW(max_offline, SIZE, "10000",
	    "operations that may wait for a connection"),
	ROW(max_offline_bytes, SIZE, "64m", "bytes of their keys and values"),
	ROW(max_offline_ms, DURATION, "5s", "how long they may wait"),
	ROW(fail_fast, BOOL, "no", "let nothing wait for a connection"),
	ROW(max_reply_bytes, SIZE, "1g", "the longest reply that is accepted"),
	ROW(flush_bytes, SIZE, "64k",
	    "bytes of replies that are worked on before the next requests are "
	    "sent"),
	ROW(password_file, STRING, NULL,
	    "a file whose first line is the password, read before each login"),
};

/* The path of redis://host/3 is a database's number. */
static bool options_db(const char *path, int *db)
{
	int64_t number = 0;

	if (path[0] == '/')
		path++;
	for (; *path != '\0'; path++) {
		if (*path < '0' || *path > '9')
			return false;
		number = number * 10 + (*path - '0');
		if (number > INT_MAX)
			return false;
	}
	*db = (int)number;
	return true;
}

static bool options_has(const struct evkv_url *url, const char *name)
{
	for (size_t i = 0; i < url->option_count; i++) {
		if (strcmp(url->options[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The part of a URL before the options. */
static bool options_from_address(const struct evkv_url *url, bool local,
    struct evkv_redis_options *options, struct evkv_error *error)
{
	options->user = url->user;
	options->password = url->has_password ? url->password : NULL;
	options->host = url->host;
	options->port = url->port;
	if (local) {
		if (!options_given(url->path) || url->host[0] != '\0') {
			evkv_error_set(error, EVKV_INVALID,
			    "%s: the URL must "
			    "be %s:///path/to/socket",
			    url->scheme, url->scheme);
			return false;
		}
		options->path = url->path;
		return true;
	}
	if (url->path[0] != '\0' && url->path[1] != '\0' &&
	    options_has(url, "db")) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: the database is given "
		    "twice, in the path and by db",
		    url->scheme);
		return false;
	}
	/* With a slash too few it may hold a password: it is not shown. */
	if (url->path[0] != '\0' && url->path[1] != '\0' &&
	    !options_db(url->path, &options->db)) {
		evkv_error_set(error, EVKV_INVALID,
		    "%s: the path must be the number of a database",
		    url->scheme);
		return false;
	}
	return true;
}

/* The options of the URL have been read. */
static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_redis_options options;
	const struct evkv_url *url = making->url;
	bool local = strchr(url->scheme, '+') != NULL;

	(void)type;
	memcpy(&options, making->options, sizeof(options));
	options.tls = strcmp(url->scheme, "rediss") == 0 ||
	    strcmp(url->scheme, "valkeys") == 0;
	if (!options_from_address(url, local, &options, error))
		return NULL;
	return evkv_redis_new(making->loop, &options, error);
}

static const struct evkv_type options_type = {
	.size = sizeof(struct evkv_type),
	.name = "redis",
	.also = "rediss redis+unix valkey valkeys valkey+unix",
	.summary = "a Redis or Valkey server",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct evkv_redis_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH,
	.make = options_make,
};

/* ---- As a URL ----------------------------------------------------------- */

/* Put those back to zero that are as the defaults have them. */
static void drop_defaults(struct evkv_redis_options *options)
{
	static const size_t sizes[] = {
		[EVKV_URL_BOOL] = sizeof(bool),
		[EVKV_URL_INT] = sizeof(int),
		[EVKV_URL_SIZE] = sizeof(size_t),
		[EVKV_URL_DURATION] = sizeof(int64_t),
		[EVKV_URL_STRING] = 0,
	};
	struct evkv_redis_options defaults;
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

void evkv__redis_options_describe(const struct evkv_redis_options *ours,
    struct evkv_text *text)
{
	struct evkv_redis_options options = *ours;
	bool literal = strchr(ours->host, ':') != NULL;

	evkv_text_add(text, "%s://",
	    ours->tls                ? "rediss"
		: ours->path != NULL ? "redis+unix"
				     : "redis");
	if (ours->user != NULL)
		evkv_text_encoded(text, ours->user);
	if (ours->password != NULL)
		evkv_text_add(text, ":***@");
	if (ours->path != NULL) {
		evkv_text_encoded(text, ours->path);
	} else if (literal) {
		evkv_text_add(text, "[%s]:%d", ours->host, ours->port);
	} else {
		evkv_text_encoded(text, ours->host);
		evkv_text_add(text, ":%d", ours->port);
	}
	drop_defaults(&options);
	evkv_text_options(text, &options_type, &options);
}

bool evkv_redis_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &options_type);
}
