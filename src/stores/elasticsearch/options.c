/*
 * stores/elasticsearch/options.c - the options: from a URL, checked, copied,
 * and as a URL again. Zeros stay as they are: store->options is what was given.
 */
#include "stores/elasticsearch/store.h"

#define OPTIONS_TIME_MAX ((INT64_C(1) << 40) - 1)
#define OPTIONS_PORT 9200
#define OPTIONS_INDEX_MAX 200
#define OPTIONS_NODES_MAX EVKV_HTTP_NODES_MAX

static const size_t options_strings[] = {
	offsetof(struct evkv_elasticsearch_options, index),
	offsetof(struct evkv_elasticsearch_options, user),
	offsetof(struct evkv_elasticsearch_options, password),
	offsetof(struct evkv_elasticsearch_options, api_key),
	offsetof(struct evkv_elasticsearch_options, bearer),
	offsetof(struct evkv_elasticsearch_options, tls_ca_file),
	offsetof(struct evkv_elasticsearch_options, tls_cert_file),
	offsetof(struct evkv_elasticsearch_options, tls_key_file),
	offsetof(struct evkv_elasticsearch_options, tls_server_name),
	offsetof(struct evkv_elasticsearch_options, proxy_host),
};

#define OPTIONS_STRINGS (sizeof(options_strings) / sizeof(options_strings[0]))

static const char **options_string(struct evkv_elasticsearch_options *options,
    size_t i)
{
	return (const char **)((char *)options + options_strings[i]);
}

static bool options_given(const char *string)
{
	return string != NULL && string[0] != '\0';
}

/* ---- The table ----------------------------------------------------------- */

#define ROW(field_, type_, standard_, summary_)                                \
	.name = #field_, .type = EVKV_URL_##type_,                             \
	.offset = offsetof(struct evkv_elasticsearch_options, field_),         \
	.standard = (standard_), .summary = (summary_)

static const struct evkv_url_option options_table[] = {
	{ ROW(api_key, STRING, NULL, "an API key, in its encoded form"),
	    .flags = EVKV_OPTION_SECRET },
	{ ROW(bearer, STRING, NULL, "a bearer token"),
	    .flags = EVKV_OPTION_SECRET },
	{ ROW(tls_ca_file, STRING, "the system's",
	    "PEM file of the authorities to trust") },
	{ ROW(tls_cert_file, STRING, NULL,
	    "PEM file of a client certificate") },
	{ ROW(tls_key_file, STRING, NULL, "PEM file of its key") },
	{ ROW(tls_server_name, STRING, "the host",
	    "the name that certificates must bear") },
	{ ROW(tls_insecure_no_verify, BOOL, "no", "accept any certificate") },
	{ ROW(proxy_host, STRING, NULL, "an HTTP proxy") },
	{ ROW(proxy_port, INT, NULL, "its port"), .max = 65535 },
	{ ROW(values, CHOICE, "base64", "how values are kept"),
	    .choices = "base64|json" },
	{ ROW(refresh, CHOICE, "none",
	      "wait_for: answer writes when searches see them"),
	    .choices = "none|wait_for" },
	{ ROW(shards, INT, "the cluster's", "of an index that is made"),
	    .max = 1024 },
	{ ROW(replicas, INT, "the cluster's",
	      "of an index that is made; -1 = none"),
	    .min = -1, .max = 100 },
	{ ROW(max_batch_bytes, SIZE, "1m", "how large a request gets"),
	    .min = 1024, .max = INT64_C(1) << 30 },
	{ ROW(max_requests, SIZE, "4", "requests under way to one node"),
	    .min = 1, .max = 1000 },
	{ ROW(max_value, SIZE, "16m", "the longest value"), .min = 1,
	    .max = INT64_C(1) << 30 },
	{ ROW(max_answer_bytes, SIZE, "256m", "the longest answer"),
	    .min = 4096, .max = INT64_C(1) << 40 },
	{ ROW(gzip, BOOL, "no", "compress bodies both ways") },
	{ ROW(connect_timeout_ms, DURATION, "5s",
	    "from looking up the name to the end of the TLS handshake") },
	{ ROW(request_timeout_ms, DURATION, "30s",
	    "how long a request may take") },
	{ ROW(backoff_max_ms, DURATION, "30s",
	    "the longest that a dead node is left alone") },
	{ ROW(timeout_ms, DURATION, "none",
	    "the default deadline of an operation") },
	{ ROW(max_pending, SIZE, "100000", "entries that may be pending") },
	{ ROW(max_pending_bytes, SIZE, "1g",
	    "bytes of their keys and values") },
};

/* ---- Checking and copying ------------------------------------------------ */

static bool index_good(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		if (strchr(allowed, name[i]) == NULL &&
		    (i == 0 || strchr("._-", name[i]) == NULL))
			return false;
	}
	return i <= OPTIONS_INDEX_MAX;
}

static const char *options_auth_wrong(const struct evkv_elasticsearch_options
	*given)
{
	int ways = options_given(given->user) + options_given(given->api_key) +
	    options_given(given->bearer);

	if (ways > 1)
		return "a user, api_key and bearer exclude each other";
	if (options_given(given->password) && !options_given(given->user))
		return "a password needs a user";
	if (!given->tls &&
	    (options_given(given->tls_ca_file) ||
		options_given(given->tls_cert_file) ||
		options_given(given->tls_key_file) ||
		options_given(given->tls_server_name) ||
		given->tls_insecure_no_verify))
		return "options named tls_... need TLS (elasticsearch+https)";
	if (options_given(given->tls_cert_file) !=
	    options_given(given->tls_key_file))
		return "tls_cert_file and tls_key_file go together";
	return NULL;
}

static const char *options_wrong(const struct evkv_elasticsearch_options *given)
{
	const int64_t times[] = { given->connect_timeout_ms,
		given->request_timeout_ms, given->backoff_max_ms,
		given->timeout_ms };

	if (given->node_count > OPTIONS_NODES_MAX)
		return "there may be 64 nodes at most";
	if (given->nodes == NULL && given->node_count > 0)
		return "nodes is NULL, and node_count is not 0";
	for (size_t i = 0; i < given->node_count; i++) {
		if (!options_given(given->nodes[i].host) ||
		    given->nodes[i].port < 0 || given->nodes[i].port > 65535)
			return "a node needs a host, and a port from 0 to "
			       "65535";
	}
	if (options_given(given->index) && !index_good(given->index))
		return "index must be 1 to 200 of a-z, 0-9, '.', '_' and '-', "
		       "and begin with a letter or a digit";
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i] < 0 || times[i] > OPTIONS_TIME_MAX)
			return "times must be 0 to 2^40 - 1 milliseconds";
	}
	if (options_given(given->proxy_host) != (given->proxy_port != 0))
		return "proxy_host and proxy_port go together";
	return options_auth_wrong(given);
}

static bool nodes_copy(struct evkv_elasticsearch_options *ours)
{
	const struct evkv_elasticsearch_node *given = ours->nodes;
	static const struct evkv_elasticsearch_node standard = { "localhost",
		OPTIONS_PORT };
	struct evkv_elasticsearch_node *nodes;
	size_t count = ours->node_count > 0 ? ours->node_count : 1;
	bool good = true;

	if (ours->node_count == 0)
		given = &standard;
	nodes = evkv_calloc(count, sizeof(*nodes));
	ours->nodes = nodes;
	ours->node_count = nodes != NULL ? count : 0;
	for (size_t i = 0; i < ours->node_count; i++) {
		nodes[i].port = given[i].port != 0 ? given[i].port
						   : OPTIONS_PORT;
		nodes[i].host = evkv_strdup(given[i].host);
		good &= nodes[i].host != NULL;
	}
	return good && nodes != NULL;
}

static bool options_copy(struct evkv_elasticsearch_options *ours)
{
	bool good = true;

	for (size_t i = 0; i < OPTIONS_STRINGS; i++) {
		const char **string = options_string(ours, i);

		if (!options_given(*string)) {
			*string = NULL;
			continue;
		}
		*string = evkv_strdup(*string);
		good &= *string != NULL;
	}
	return nodes_copy(ours) && good;
}

void evkv__es_options_free(struct evkv_elasticsearch_options *options)
{
	for (size_t i = 0; i < OPTIONS_STRINGS; i++) {
		char **string = (char **)options_string(options, i);

		if (*string != NULL &&
		    (*string == options->password ||
			*string == options->api_key ||
			*string == options->bearer))
			explicit_bzero(*string, strlen(*string));
		evkv_free(*string);
	}
	for (size_t i = 0; i < options->node_count; i++)
		evkv_free((char *)(uintptr_t)options->nodes[i].host);
	evkv_free((void *)(uintptr_t)options->nodes);
}

/* ---- From a URL ---------------------------------------------------------- */

static void options_from_url(const struct evkv_url *url,
    struct evkv_elasticsearch_options *options,
    struct evkv_elasticsearch_node *nodes)
{
	for (size_t i = 0; i < url->host_count && i < OPTIONS_NODES_MAX; i++) {
		nodes[i].host = url->hosts[i].host;
		nodes[i].port = url->hosts[i].port;
	}
	options->nodes = nodes;
	options->node_count = url->host_count;
	options->user = url->user;
	options->password = url->has_password ? url->password : NULL;
	options->index = url->path[0] == '/' ? url->path + 1 : url->path;
	options->tls = strstr(url->scheme, "+https") != NULL;
	options->opensearch = strncmp(url->scheme, "opensearch", 10) == 0;
}

static struct evkv_store *options_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	struct evkv_elasticsearch_options options;
	struct evkv_elasticsearch_node nodes[OPTIONS_NODES_MAX];

	(void)type;
	memcpy(&options, making->options, sizeof(options));
	for (size_t i = 0; i < making->url->host_count; i++) {
		if (making->url->hosts[i].weight == 0)
			continue;
		evkv_error_set(error, EVKV_INVALID,
		    "elasticsearch: nodes have no weights");
		return NULL;
	}
	options_from_url(making->url, &options, nodes);
	return evkv_elasticsearch_new(making->loop, &options, error);
}

static const struct evkv_type options_type = {
	.size = sizeof(struct evkv_type),
	.name = "elasticsearch",
	.also = "elasticsearch+https opensearch opensearch+https",
	.summary = "an index of an Elasticsearch or OpenSearch cluster",
	.options = options_table,
	.option_count = sizeof(options_table) / sizeof(options_table[0]),
	.options_size = sizeof(struct evkv_elasticsearch_options),
	.url_parts = EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_HOSTS |
	    EVKV_URL_PATH,
	.make = options_make,
};

bool evkv__es_options_init(struct evkv_elasticsearch_options *options,
    const struct evkv_elasticsearch_options *given, size_t size,
    struct evkv_error *error)
{
	const char *wrong;

	if (!evkv_options_read(options, sizeof(*options), given, size, error) ||
	    !evkv_type_check(&options_type, options, error))
		return false;
	wrong = options_wrong(options);
	if (wrong != NULL) {
		evkv_error_set(error, EVKV_INVALID, "elasticsearch: %s", wrong);
		return false;
	}
	if (options_copy(options))
		return true;
	evkv_error_set(error, EVKV_NOMEM, "elasticsearch: out of memory");
	evkv__es_options_free(options);
	return false;
}

/* ---- As a URL ------------------------------------------------------------ */

void evkv__es_options_describe(const struct evkv_elasticsearch_options *options,
    struct evkv_text *text)
{
	evkv_text_add(text, "%s%s://",
	    options->opensearch ? "opensearch" : "elasticsearch",
	    options->tls ? "+https" : "");
	if (options->user != NULL) {
		evkv_text_encoded(text, options->user);
		evkv_text_add(text, "%s@",
		    options->password != NULL ? ":***" : "");
	}
	for (size_t i = 0; i < options->node_count; i++) {
		const char *host = options->nodes[i].host;

		evkv_text_add(text, "%s", i > 0 ? "," : "");
		if (strchr(host, ':') != NULL)
			evkv_text_add(text, "[%s]", host);
		else
			evkv_text_encoded(text, host);
		evkv_text_add(text, ":%d", options->nodes[i].port);
	}
	evkv_text_add(text, "/%s",
	    options->index != NULL ? options->index : "evkv");
	evkv_text_options(text, &options_type, options);
}

bool evkv_elasticsearch_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &options_type);
}
