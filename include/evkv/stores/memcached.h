/**
 * @file
 * A store on one or several memcached servers.
 *
 *     evkv_memcached_register(loop);
 *     store = evkv_open(loop, "memcached://cache1,cache2,cache3", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     struct evkv_memcached_server servers[] = {
 *         { .host = "cache1" }, { .host = "cache2", .weight = 2 } };
 *     store = evkv_memcached_new(loop, &(struct evkv_memcached_options){
 *         .servers = servers, .server_count = 2 }, &error);
 *
 * The driver speaks the meta protocol of memcached 1.6 and newer. Connections
 * are made in the background, by name without blocking, and made again whenever
 * they break. The entry (users, 123) is the item "users:123", on the server on
 * which libmemcached would put it; docs/memcached.md says which commands are
 * sent, what other clients see, and what becomes of errors.
 *
 * URLs:
 *     memcached://[user:password@]host[:port][*weight][,...]/[?option=value...]
 *     memcacheds://...                 the same over TLS
 *     memcached+unix:///path/to.sock[?option=value...]
 *
 * Options are named like the fields below; servers, path, user, password and
 * tls are not options.
 */
#ifndef EVKV_STORES_MEMCACHED_H
#define EVKV_STORES_MEMCACHED_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** The most servers that one store has. */
#define EVKV_MEMCACHED_SERVERS_MAX 100
/** The most connections that one store makes to each of them. */
#define EVKV_MEMCACHED_CONNECTIONS_MAX 16

/** One server. */
struct evkv_memcached_server {
	/** name or address; NULL or "" = "localhost" */
	const char *host;
	/** 0 = 11211 */
	int port;
	/** its share of the keys, with KETAMA_WEIGHTED, to 65535; 0 = 1 */
	int weight;
};

/** Which server has a key, as libmemcached computes it. */
enum evkv_memcached_distribution {
	/**
	 * a ring of 160 points for each server, by MD5: php-memcached's
	 * OPT_LIBKETAMA_COMPATIBLE, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED
	 */
	EVKV_MEMCACHED_KETAMA_WEIGHTED,
	/**
	 * a ring of 100 points for each, by libmemcached's default hash:
	 * MEMCACHED_BEHAVIOR_KETAMA
	 */
	EVKV_MEMCACHED_KETAMA,
	/**
	 * the hash modulo the number of servers: libmemcached's default. Most
	 * keys move where a server is added.
	 */
	EVKV_MEMCACHED_MODULA,
};

/**
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds, below 2^40; in a URL they may have a suffix (2s).
 */
struct evkv_memcached_options {
	/** in the order in which other clients have them; NULL = one */
	const struct evkv_memcached_server *servers;
	/** how many; 0 = one, with the defaults */
	size_t server_count;
	/** of a unix socket, at most 107 bytes, instead of servers */
	const char *path;
	/** who to log in as, at servers with -Y; goes with `password` */
	const char *user;
	/** It appears in no message, log or dump. */
	const char *password;

	/** speak TLS; not with `path` */
	bool tls;
	/** PEM file of the authorities to trust; NULL = the system's */
	const char *tls_ca_file;
	/** PEM file of a client certificate; NULL = none */
	const char *tls_cert_file;
	/** PEM file of its key; goes with tls_cert_file */
	const char *tls_key_file;
	/** the name that certificates must bear; NULL or "" = each host's */
	const char *tls_server_name;
	/** Accept any certificate. It then protects from no attacker. */
	bool tls_insecure_no_verify;

	/**
	 * Goes before every key on the servers; at most 128 bytes, no blanks or
	 * control characters. NULL or "" = none.
	 */
	const char *key_prefix;
	/** which server has a key */
	enum evkv_memcached_distribution distribution;
	/**
	 * Have the keys of a server that is down on the others until it is
	 * back. What was there before it went is there again then, however old.
	 */
	bool eject;
	/**
	 * Let clear_all empty the servers, of all that anybody has put there.
	 * Without it clear_all is UNSUPPORTED.
	 */
	bool allow_flush_all;
	/**
	 * The longest value; longer ones are TOO_LARGE. 0 = what each server
	 * tells of its item size, 1 MiB less 512 bytes where it does not.
	 */
	size_t max_value_bytes;
	/** the client flags of what is put, below 2^32; others read them */
	size_t flags;

	/**
	 * How many connections to each server, over which keys are spread by a
	 * hash; at most EVKV_MEMCACHED_CONNECTIONS_MAX. 0 = 1.
	 */
	int connections;
	/** from looking up the name to the end of the handshake; 0 = 5000 */
	int64_t connect_timeout_ms;
	/**
	 * Give a connection up on which operations wait and no byte has moved
	 * for so long. 0 = 5000.
	 */
	int64_t stall_timeout_ms;
	/** the first wait before a connection is tried again; 0 = 50 */
	int64_t backoff_min_ms;
	/** the longest such wait; 0 = 1000 */
	int64_t backoff_max_ms;

	/** the default deadline of an operation; 0 = none */
	int64_t timeout_ms;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending_bytes;
	/** operations that may wait for each connection; 0 = 10000 */
	size_t max_offline;
	/** how many bytes of their keys and values; 0 = 64 MiB */
	size_t max_offline_bytes;
	/** for how long, before they end UNAVAILABLE; 0 = 5000 */
	int64_t max_offline_ms;
	/** Let nothing wait: without a connection operations end at once. */
	bool fail_fast;
	/** the longest reply that is accepted; 0 = 64 MiB */
	size_t max_reply_bytes;
	/**
	 * How many bytes of replies are worked on before what was asked
	 * meanwhile is sent; 0 = 4096.
	 */
	size_t flush_bytes;
};

/**
 * A new store on servers. It needs none to be there: operations wait for the
 * connections, and evkv_store_wait_ready() tells about them. Legal in a
 * callback.
 * @param loop     where it lives
 * @param options  NULL = all defaults
 * @param size     sizeof(*options)
 * @param error    filled where NULL is returned: INVALID (an option that is out
 *                 of bounds or contradicts another), IO (a TLS file that can't
 *                 be used) or NOMEM
 */
EVKV_API struct evkv_store *evkv_memcached_new_sized(struct evkv_loop *loop,
    const struct evkv_memcached_options *options, size_t size,
    struct evkv_error *error);

/** evkv_memcached_new_sized() for the options as they are compiled here. */
static inline struct evkv_store *evkv_memcached_new(struct evkv_loop *loop,
    const struct evkv_memcached_options *options, struct evkv_error *error)
{
	return evkv_memcached_new_sized(loop, options, sizeof(*options), error);
}

/**
 * Let evkv_open() on this loop know the schemes memcached, memcacheds and
 * memcached+unix. false = no memory, or `loop` is NULL.
 */
EVKV_API bool evkv_memcached_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
