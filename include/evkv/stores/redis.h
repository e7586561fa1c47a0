/*
 * evkv/stores/redis.h - a store on a Redis or Valkey server.
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
 * the fields below; host, port, path, user, password and tls are not options.
 */
#ifndef EVKV_STORES_REDIS_H
#define EVKV_STORES_REDIS_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/* The most connections that one store makes. */
#define EVKV_REDIS_CONNECTIONS_MAX 64

/*
 * All strings are copied. Zero in a field is its default. Times are in
 * milliseconds, below 2^40; in a URL they may have a suffix (2s).
 */
struct evkv_redis_options {
	const char *host; /* name or address; NULL or "" = "localhost" */
	int port;         /* 0 = 6379 */
	/* Of a unix socket, at most 107 bytes, instead of host and port. */
	const char *path;
	/* The ACL user to log in as; NULL or "" = the default user. */
	const char *user;
	/*
	 * NULL = none is sent, and then there can be no user; "" is one that
	 * is sent. It appears in no message, log or dump.
	 */
	const char *password;
	int db; /* the number to SELECT, from 0 on */

	bool tls; /* speak TLS; not with `path` */
	/* PEM file of the authorities to trust; NULL = the system's. */
	const char *tls_ca_file;
	/* PEM files of a client certificate and its key; NULL = none. */
	const char *tls_cert_file;
	const char *tls_key_file;
	/* The name that the certificate must bear; NULL or "" = `host`. */
	const char *tls_server_name;
	/* Accept any certificate. It then protects from no attacker. */
	bool tls_insecure_no_verify;

	/* For CLIENT SETNAME: printable, no blanks; NULL or "" = none. */
	const char *client_name;
	/*
	 * Goes before every key on the server, as it is; at most 1024 bytes,
	 * NULL or "" = none. With it, enumeration, clear and clear_all see
	 * nothing but keys that begin with it.
	 */
	const char *key_prefix;
	/*
	 * Without a key_prefix clear_all would empty the whole database, and is
	 * INVALID unless this is set.
	 */
	bool allow_unprefixed_clear_all;

	/*
	 * How many connections to spread the keys over, by a hash of the key,
	 * so that operations on one key keep their order; at most
	 * EVKV_REDIS_CONNECTIONS_MAX. 0 = 1.
	 */
	int connections;
	/* From looking up the name to the end of the handshake. 0 = 5000. */
	int64_t connect_timeout_ms;
	/*
	 * Give a connection up on which operations wait and no byte has moved
	 * for so long. 0 = 5000.
	 */
	int64_t stall_timeout_ms;
	/*
	 * The wait before a connection is tried again: at first about
	 * backoff_min_ms, doubled at each failure up to backoff_max_ms, less a
	 * random part. 0 = 50 and 1000.
	 */
	int64_t backoff_min_ms;
	int64_t backoff_max_ms;

	/* The default deadline of an operation; 0 = none. */
	int64_t timeout_ms;
	/* As in evkv_store_set_limits(); 0 = its defaults. */
	size_t max_pending;
	size_t max_pending_bytes;
	/*
	 * What may wait for a connection, in each of them: operations, bytes of
	 * their keys and values, and for how long before they end UNAVAILABLE.
	 * 0 = 10000, 64 MiB and 5000.
	 */
	size_t max_offline;
	size_t max_offline_bytes;
	int64_t max_offline_ms;
	/* Let nothing wait: without a connection operations end at once. */
	bool fail_fast;
	/*
	 * The longest reply to one command that is accepted; the connection
	 * ends with TOO_LARGE at a longer one. 0 = 1 GiB.
	 */
	size_t max_reply_bytes;
	/*
	 * How many bytes of replies are worked on before what was asked
	 * meanwhile is sent. About 4096 gives more throughput where a hundred
	 * small operations are outstanding, for some more processor time.
	 * 0 = 64 KiB.
	 */
	size_t flush_bytes;

	/*
	 * A file whose first line is the password, instead of `password`. It
	 * is read before each login, so that one that was changed is sent.
	 */
	const char *password_file;
	/*
	 * Called before each login; may call evkv_redis_set_credentials(), and
	 * nothing else of the store. NULL = none.
	 */
	void (*credentials)(struct evkv_store *store, void *arg);
	void *credentials_arg;
};

/*
 * A new store on a server. It needs no server to be there: operations wait for
 * the connection, and evkv_store_wait_ready() tells about it. NULL with a
 * filled error: INVALID (an option that is out of bounds or contradicts
 * another), IO (a TLS file that can't be used) or NOMEM. `options` NULL = all
 * defaults.
 */
EVKV_API struct evkv_store *evkv_redis_new_sized(struct evkv_loop *loop,
    const struct evkv_redis_options *options, size_t size,
    struct evkv_error *error);
static inline struct evkv_store *evkv_redis_new(struct evkv_loop *loop,
    const struct evkv_redis_options *options, struct evkv_error *error)
{
	return evkv_redis_new_sized(loop, options, sizeof(*options), error);
}

/*
 * Log in with these from the next connection on; those that are there stay. A
 * store that was refused tries again at once. Strings are copied; `user` NULL
 * or "" = the default user, `password` NULL = none is sent. `store` is a redis
 * store, or a stack with one in it. Legal in a callback. INVALID: there is none
 * or more than one, or a user without a password; NOMEM: nothing has changed.
 */
EVKV_API enum evkv_status evkv_redis_set_credentials(struct evkv_store *store,
    const char *user, const char *password);

/*
 * Let evkv_open() on this loop know the schemes redis, rediss, redis+unix,
 * valkey, valkeys and valkey+unix. false = no memory, or `loop` is NULL.
 */
EVKV_API bool evkv_redis_register(struct evkv_loop *loop);

EVKV_END_DECLS

#endif
