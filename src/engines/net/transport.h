/*
 * engines/net/transport.h - bytes to and from a server: a non-blocking socket,
 * with TLS on it or without.
 *
 * The owner fills in the first part, connects, does the TLS handshake where
 * there is one, and is called when bytes can be read or written. What goes
 * wrong is reported in `failure`.
 */
#ifndef EVKV_ENGINES_NET_TRANSPORT_H
#define EVKV_ENGINES_NET_TRANSPORT_H

#include <sys/uio.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "engines/stamp.h"
#include "evkv/resolver.h"
#include "evkv/tls.h"

#define NET_TEXT 256

struct net_failure {
	enum evkv_status status;
	enum evkv_cause cause;
	int sys_error;
	bool denied; /* trying again soon is of no use */
	char words[NET_TEXT];
};

struct transport {
	/* The owner's. */
	struct evkv_loop *loop;
	void (*readable)(void *arg);
	void (*writable)(void *arg);
	void *arg;
	int64_t keepalive_ms; /* -1 = none */

	int fd; /* -1 = none */
	SSL *ssl;
	struct evkv_tls *tls; /* of `ssl` */
	bool greeted;         /* its handshake is done */
	struct event read_event, write_event;
	bool events_made, write_armed;
	bool read_wants_write, write_wants_read;
	size_t offered; /* to SSL_write and not taken: to be offered again */
	struct net_failure failure;
};

enum { NET_AGAIN = -1, NET_FAILED = -2 };

enum net_step { NET_STEP_DONE, NET_STEP_WAITS, NET_STEP_FAILED };

/* transport.c: either kind. */
void evkv__net_init(struct transport *net);
void evkv__net_close(struct transport *net);
/* Bytes read, or NET_AGAIN, or NET_FAILED. */
ssize_t evkv__net_read(struct transport *net, char *data, size_t size);
/* Likewise written, of the *offered in the ranges that were looked at. */
ssize_t evkv__net_write(struct transport *net, struct iovec *ranges,
    size_t count, size_t *offered);
/* Bytes that were read lie here; the loop can't see them. */
static inline bool evkv__net_has_more(const struct transport *net)
{
	return net->ssl != NULL && SSL_has_pending(net->ssl);
}
void evkv__net_fail(struct transport *net, enum evkv_cause cause, int sys_error,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void evkv__net_no_memory(struct transport *net);

/* socket.c */
bool evkv__net_unix_address(const char *path, struct evkv_address *address);
/* DONE, or WAITS until it is writable. */
enum net_step evkv__net_connect(struct transport *net,
    const struct evkv_address *address);
/* It is writable: whether it is connected now. */
bool evkv__net_connected(struct transport *net);
bool evkv__net_watch_reading(struct transport *net);
bool evkv__net_watch_writing(struct transport *net, bool on);
ssize_t evkv__net_socket_read(struct transport *net, char *data, size_t size);
ssize_t evkv__net_socket_write(struct transport *net, struct iovec *ranges,
    size_t count);
void evkv__net_socket_close(struct transport *net);

/* tls.c */
/*
 * Begin the handshake; `host` is the name that the certificate must have where
 * the options give no other, NULL for a unix socket.
 */
enum net_step evkv__net_tls_start(struct transport *net, struct evkv_tls *tls,
    const char *host);
/* Go on with it, when the socket is readable or writable. */
enum net_step evkv__net_tls_step(struct transport *net);
ssize_t evkv__net_tls_read(struct transport *net, char *data, size_t size);
ssize_t evkv__net_tls_write(struct transport *net, const char *data,
    size_t size);
void evkv__net_tls_close(struct transport *net);

/* tls_context.c */
#define TLS_FILES 4

struct evkv_tls {
	size_t refs;
	SSL_CTX *context;
	BIO_METHOD *method;
	struct evkv_tls_options options; /* ours */
	struct file_stamp stamps[TLS_FILES];
	int64_t read_us; /* when they were read again; 0 = never */
	bool doubted;    /* a handshake has failed since they were read */
	bool stale;      /* they could not be used then: the log has it */
};

struct evkv_tls *evkv__tls_ref(struct evkv_tls *tls);
/* Read the files again where they may say something else. */
void evkv__tls_refresh(struct evkv_tls *tls, struct evkv_loop *loop);
/* OpenSSL's first words about what went wrong. */
const char *evkv__tls_words(char *buffer, size_t size);
BIO_METHOD *evkv__tls_bio_new(void);

#endif
