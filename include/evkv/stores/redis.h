/**
 * @file
 * A store on a Redis or Valkey server.
 *
 *     evkv_redis_register(loop);
 *     store = evkv_open(loop, "redis://:secret@localhost:6379/0", &error);
 *
 * or, with a struct instead of a URL:
 *
 *     store = evkv_redis_new(loop, &(struct evkv_redis_options){
 *         .host = "cache.example", .tls = true, .key_prefix = "app:" },
 *         &error);
 *
 * The connection is made in the background, by name without blocking, and made
 * again whenever it breaks. The entry (users, 123) is the Redis string
 * "users:123", so that `redis-cli GET users:123` shows it; docs/redis.md says
 * which commands are sent, and what becomes of the server's errors.
 *
 * URLs:
 *     redis://[user:password@]host[:port][/db][?option=value...]
 *     rediss://...                 the same over TLS
 *     redis+unix:///path/to.sock[?db=0&option=value...]
 * and the same with valkey, valkeys and valkey+unix. Options are named like
 * the fields below; host, port, path, user, password, tls and the callback are
 * not options.
 */
#ifndef EVKV_STORES_REDIS_H
#define EVKV_STORES_REDIS_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** The most connections that one store makes. */
#define EVKV_REDIS_CONNECTIONS_MAX 64

/**
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds, below 2^40; in a URL they may have a suffix (2s).
 */
struct evkv_redis_options {
	/** name or address; NULL or "" = "localhost" */
	const char *host;
	/** 0 = 6379 */
	int port;
	/** of a unix socket, at most 107 bytes, instead of host and port */
	const char *path;
	/** the ACL user to log in as; NULL or "" = the default user */
	const char *user;
	/**
	 * NULL = none is sent, and then there can be no user; "" is one that
	 * is sent. It appears in no message, log or dump.
	 */
	const char *password;
	/** the number to SELECT, from 0 on */
	int db;

	/** speak TLS; not with `path` */
	bool tls;
	/**
	 * PEM file of the authorities to trust; NULL = the system's. Like the
	 * two that follow it is read again when it has changed.
	 */
	const char *tls_ca_file;
	/** PEM file of a client certificate; NULL = none */
	const char *tls_cert_file;
	/** PEM file of its key; goes with tls_cert_file */
	const char *tls_key_file;
	/** the name that the certificate must bear; NULL or "" = `host` */
	const char *tls_server_name;
	/** Accept any certificate. It then protects from no attacker. */
	bool tls_insecure_no_verify;

	/** for CLIENT SETNAME: printable, no blanks; NULL or "" = none */
	const char *client_name;
	/**
	 * Goes before every key on the server, as it is; at most 1024 bytes,
	 * NULL or "" = none. With it, enumeration, clear and clear_all see
	 * nothing but keys that begin with it.
	 */
	const char *key_prefix;
	/**
	 * Without a key_prefix clear_all would empty the whole database, and is
	 * INVALID unless this is set.
	 */
	bool allow_unprefixed_clear_all;

	/**
	 * How many connections to spread the keys over, by a hash of the key,
	 * so that operations on one key keep their order; at most
	 * EVKV_REDIS_CONNECTIONS_MAX. 0 = 1.
	 */
	int connections;
	/** from looking up the name to the end of the handshake; 0 = 5000 */
	int64_t connect_timeout_ms;
	/**
	 * Give a connection up on which operations wait and no byte has moved
	 * for so long. 0 = 5000.
	 */
	int64_t stall_timeout_ms;
	/**
	 * The first wait before a connection is tried again; doubled at each
	 * failure, less a random part. An operation that comes meanwhile
	 * shortens it, to a fourth at least. 0 = 50.
	 */
	int64_t backoff_min_ms;
	/** the longest such wait; 0 = 1000 */
	int64_t backoff_max_ms;

	/** the default deadline of an operation; 0 = none */
	int64_t timeout_ms;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending;
	/** as in evkv_store_set_limits(); 0 = its default */
	size_t max_pending_bytes;
	/**
	 * How many operations may wait for a connection, in each of them.
	 * 0 = 10000.
	 */
	size_t max_offline;
	/** how many bytes of their keys and values; 0 = 64 MiB */
	size_t max_offline_bytes;
	/**
	 * For how long, before they end UNAVAILABLE; those with a deadline end
	 * so before it. 0 = 5000.
	 */
	int64_t max_offline_ms;
	/** Let nothing wait: without a connection operations end at once. */
	bool fail_fast;
	/**
	 * The longest reply to one command that is accepted; the connection
	 * ends with TOO_LARGE at a longer one. 0 = 1 GiB.
	 */
	size_t max_reply_bytes;
	/**
	 * How many bytes of replies are worked on before what was asked
	 * meanwhile is sent. About 4096 gives more throughput where a hundred
	 * small operations are outstanding, for some more processor time.
	 * 0 = 64 KiB.
	 */
	size_t flush_bytes;

	/**
	 * A file whose first line is the password, instead of `password`. It
	 * is read before each login, so that one that was changed is sent.
	 */
	const char *password_file;
	/**
	 * Called before each login; may call evkv_redis_set_credentials(), and
	 * nothing else of the store. NULL = none.
	 */
	void (*credentials)(struct evkv_store *store, void *arg);
	/** given to `credentials` */
	void *credentials_arg;
};

/**
 * A new store on a server. It needs no server to be there: operations wait for
 * the connection, and evkv_store_wait_ready() tells about it. Legal in a
 * callback.
 * @param loop     where it lives
 * @param options  NULL = all defaults
 * @param size     sizeof(*options)
 * @param error    filled where NULL is returned: INVALID (an option that is out
 *                 of bounds or contradicts another), IO (a TLS file that can't
 *                 be used) or NOMEM
 */
EVKV_API struct evkv_store *evkv_redis_new_sized(struct evkv_loop *loop,
    const struct evkv_redis_options *options, size_t size,
    struct evkv_error *error);

/** evkv_redis_new_sized() for the options as they are compiled here. */
static inline struct evkv_store *evkv_redis_new(struct evkv_loop *loop,
    const struct evkv_redis_options *options, struct evkv_error *error)
{
	return evkv_redis_new_sized(loop, options, sizeof(*options), error);
}

/**
 * Log in with these from the next connection on; those that are there stay. A
 * store that was refused tries again at once. Legal in a callback.
 * @param store     a redis store, or a stack with one in it
 * @param user      copied; NULL or "" = the default user
 * @param password  copied; NULL = none is sent
 * @return OK; INVALID (there is no redis store, or more than one; a user
 *         without a password) or NOMEM, and nothing has changed
 */
EVKV_API enum evkv_status evkv_redis_set_credentials(struct evkv_store *store,
    const char *user, const char *password);

/**
 * Let evkv_open() on this loop know the schemes redis, rediss, redis+unix,
 * valkey, valkeys and valkey+unix. false = no memory, or `loop` is NULL.
 */
EVKV_API bool evkv_redis_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
