/**
 * @file
 * A store in an index of an Elasticsearch or OpenSearch cluster.
 *
 *     evkv_elasticsearch_register(loop);
 *     store = evkv_open(loop,
 *         "elasticsearch://user:secret@es1,es2:9201/sessions", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_elasticsearch_new(loop,
 *         &(struct evkv_elasticsearch_options){
 *             .nodes = nodes, .node_count = 2, .index = "sessions" },
 *         &error);
 *
 * Operations of one turn of the loop share one request. The index is made with
 * its mapping at the first write. docs/elasticsearch.md says what a document
 * looks like, which requests are sent and what becomes of errors.
 *
 * URLs:
 *     elasticsearch://[user:password@]host[:port][,host...]/[index][?option=...]
 *     elasticsearch+https://...    the same over TLS
 * and the same with opensearch and opensearch+https. Options are named like
 * the fields below.
 */
#ifndef EVKV_STORES_ELASTICSEARCH_H
#define EVKV_STORES_ELASTICSEARCH_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** One node of a cluster. */
struct evkv_elasticsearch_node {
	/** name or address */
	const char *host;
	/** 0 = 9200 */
	int port;
};

/** How values are kept. */
enum {
	/** any bytes, in base64, which nobody can search */
	EVKV_ELASTICSEARCH_BASE64,
	/**
	 * JSON objects, as objects, which others can read and search. Every
	 * other value is INVALID.
	 */
	EVKV_ELASTICSEARCH_JSON,
};

/** When writes are answered. */
enum {
	/** as soon as they are done; searches see them later */
	EVKV_ELASTICSEARCH_REFRESH_NONE,
	/** when searches see them, which takes up to a second */
	EVKV_ELASTICSEARCH_REFRESH_WAIT_FOR,
};

/**
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds, below 2^40; in a URL they may have a suffix (2s).
 */
struct evkv_elasticsearch_options {
	/** the nodes, at most 64; NULL = localhost:9200 */
	const struct evkv_elasticsearch_node *nodes;
	/** how many there are */
	size_t node_count;
	/** an OpenSearch cluster: its dialect is tried first */
	bool opensearch;
	/**
	 * The index: 1 to 200 of a-z, 0-9, '.', '_' and '-', beginning with a
	 * letter or a digit; NULL or "" = "evkv"
	 */
	const char *index;

	/** HTTP basic: the user; NULL or "" = none */
	const char *user;
	/** HTTP basic: the password; NULL = "" */
	const char *password;
	/** an API key, in its encoded form; NULL or "" = none */
	const char *api_key;
	/** a bearer token; NULL or "" = none */
	const char *bearer;

	/** https instead of http */
	bool tls;
	/** PEM file of the authorities to trust; NULL = the system's */
	const char *tls_ca_file;
	/** PEM file of a client certificate; NULL = none */
	const char *tls_cert_file;
	/** PEM file of its key; goes with tls_cert_file */
	const char *tls_key_file;
	/** the name that certificates must bear; NULL = each node's host */
	const char *tls_server_name;
	/** Accept any certificate. It then protects from no attacker. */
	bool tls_insecure_no_verify;
	/** an HTTP proxy's name or address; NULL = none */
	const char *proxy_host;
	/** its port; required with proxy_host */
	int proxy_port;

	/** EVKV_ELASTICSEARCH_BASE64 or _JSON */
	int values;
	/** EVKV_ELASTICSEARCH_REFRESH_* */
	int refresh;
	/** shards of an index that is made; 0 = the cluster's default */
	int shards;
	/** replicas of an index that is made; 0 = the cluster's default; -1 = 0
	 */
	int replicas;

	/** how large a request gets, by what it holds; 0 = 1 MiB */
	size_t max_batch_bytes;
	/** requests under way to one node; 0 = 4 */
	size_t max_requests;
	/** the longest value; 0 = 16 MiB; at most 1 GiB */
	size_t max_value;
	/** the longest answer; 0 = 256 MiB */
	size_t max_answer_bytes;
	/** compress bodies both ways, for the processor's time */
	bool gzip;

	/** from the first byte to the end of the TLS handshake; 0 = 5000 */
	int64_t connect_timeout_ms;
	/** how long a request may take; 0 = 30000 */
	int64_t request_timeout_ms;
	/** the longest that a dead node is left alone; 0 = 30000 */
	int64_t backoff_max_ms;
	/** the default deadline of an operation; 0 = none */
	int64_t timeout_ms;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending_bytes;
};

/**
 * A new store in an index. It needs no server to be there. Legal in a callback.
 * @param loop     where it lives
 * @param options  NULL = all defaults
 * @param size     sizeof(*options)
 * @param error    filled where NULL is returned: INVALID (an option that is out
 *                 of bounds or contradicts another), IO (a TLS file that can't
 *                 be read) or NOMEM
 */
EVKV_API struct evkv_store *evkv_elasticsearch_new_sized(struct evkv_loop *loop,
    const struct evkv_elasticsearch_options *options, size_t size,
    struct evkv_error *error);

/** evkv_elasticsearch_new_sized() for the options as they are compiled here. */
static inline struct evkv_store *evkv_elasticsearch_new(struct evkv_loop *loop,
    const struct evkv_elasticsearch_options *options, struct evkv_error *error)
{
	return evkv_elasticsearch_new_sized(loop, options, sizeof(*options),
	    error);
}

/**
 * Let evkv_open() on this loop know the schemes elasticsearch,
 * elasticsearch+https, opensearch and opensearch+https. false = no memory, or
 * `loop` is NULL.
 */
EVKV_API bool evkv_elasticsearch_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
