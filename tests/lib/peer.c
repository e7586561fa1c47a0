/*
 * tests/lib/peer.c - the misbehaving server.
 *
 * TLS goes through two memory BIOs, so that the plan's cuts count the bytes of
 * the protocol above it, and the socket is used in one way only.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "test.h"

struct peer_conn {
	struct peer *peer;
	int fd;
	struct event *read_event, *write_event;
	struct evbuffer *in;   /* taken, not yet understood */
	struct evbuffer *out;  /* said, not yet let through by the plan */
	struct evbuffer *wire; /* on its way into the socket */
	SSL *ssl;
	BIO *network_in, *network_out;
	size_t taken, sent;
	bool responding;
	bool cut;
	struct peer_conn *next, **link;
};

static void conn_pump(struct peer_conn *conn);

/* ---- Connections ------------------------------------------------------- */

static void conn_free(struct peer_conn *conn)
{
	struct peer *peer = conn->peer;

	event_free(conn->read_event);
	event_free(conn->write_event);
	evbuffer_free(conn->in);
	evbuffer_free(conn->out);
	evbuffer_free(conn->wire);
	SSL_free(conn->ssl);
	(void)close(conn->fd);
	if (conn->next != NULL)
		conn->next->link = conn->link;
	*conn->link = conn->next;
	if (peer->newest == conn)
		peer->newest = NULL;
	peer->alive--;
	free(conn);
}

/* What was let through goes out first; unread input must not become a RST. */
static void conn_end(struct peer_conn *conn)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	char rest[4096];

	conn->peer->cuts++;
	if (conn->peer->plan.reset) {
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger,
		    sizeof(linger));
	} else {
		while (!conn->peer->plan.deaf &&
		    recv(conn->fd, rest, sizeof(rest), 0) > 0)
			;
	}
	conn_free(conn);
}

void peer_cut(struct peer_conn *conn)
{
	/* respond() is on the stack: its caller sees to it. */
	if (conn->responding)
		conn->cut = true;
	else
		conn_end(conn);
}

void peer_cut_all(struct peer *peer)
{
	struct peer_conn *conn, *next;

	for (conn = peer->conns; conn != NULL; conn = next) {
		next = conn->next;
		peer_cut(conn);
	}
}

size_t peer_taken(const struct peer_conn *conn)
{
	return conn->taken;
}

size_t peer_sent(const struct peer_conn *conn)
{
	return conn->sent;
}

/* ---- Bytes out --------------------------------------------------------- */

static void network_drain(struct peer_conn *conn)
{
	char data[4096];
	int size;

	if (conn->ssl == NULL)
		return;
	while ((size = BIO_read(conn->network_out, data, sizeof(data))) > 0)
		check(evbuffer_add(conn->wire, data, (size_t)size) == 0);
}

/* As much as the plan lets through in one turn. */
static void plan_apply(struct peer_conn *conn)
{
	const struct peer_plan *plan = &conn->peer->plan;
	size_t size = evbuffer_get_length(conn->out);
	char *data;

	if (plan->hold || size == 0)
		return;
	if (plan->piece != 0 && size > plan->piece)
		size = plan->piece;
	if (plan->cut_out <= conn->sent)
		return;
	if (size > plan->cut_out - conn->sent)
		size = plan->cut_out - conn->sent;
	if (size == 0)
		return;
	data = (char *)evbuffer_pullup(conn->out, (ev_ssize_t)size);
	if (conn->ssl != NULL)
		check(SSL_write(conn->ssl, data, (int)size) == (int)size);
	else
		check(evbuffer_add(conn->wire, data, size) == 0);
	evbuffer_drain(conn->out, size);
	conn->sent += size;
}

/* Without SIGPIPE. false: the connection is gone. */
static bool wire_write(struct peer_conn *conn)
{
	size_t size;
	ssize_t put = 0;

	while ((size = evbuffer_get_contiguous_space(conn->wire)) > 0) {
		put = send(conn->fd,
		    evbuffer_pullup(conn->wire, (ev_ssize_t)size), size,
		    MSG_NOSIGNAL);
		if (put <= 0)
			break;
		evbuffer_drain(conn->wire, (size_t)put);
	}
	if (put < 0 && errno != EAGAIN && errno != EINTR) {
		conn_free(conn);
		return false;
	}
	return true;
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_pump(arg);
}

static void conn_pump(struct peer_conn *conn)
{
	const struct peer_plan *plan = &conn->peer->plan;

	plan_apply(conn);
	network_drain(conn);
	if (!wire_write(conn))
		return;
	if (conn->sent >= plan->cut_out &&
	    evbuffer_get_length(conn->wire) == 0) {
		conn_end(conn);
		return;
	}
	if (evbuffer_get_length(conn->wire) > 0 ||
	    (evbuffer_get_length(conn->out) > 0 && !plan->hold))
		check(event_add(conn->write_event, NULL) == 0);
}

void peer_say(struct peer_conn *conn, const void *data, size_t size)
{
	if (conn->peer->plan.silent)
		return;
	check(evbuffer_add(conn->out, data, size) == 0);
	if (!conn->responding)
		conn_pump(conn);
}

void peer_release(struct peer *peer)
{
	struct peer_conn *conn, *next;

	for (conn = peer->conns; conn != NULL; conn = next) {
		next = conn->next;
		check(event_add(conn->read_event, NULL) == 0);
		conn_pump(conn);
	}
}

/* ---- Bytes in ---------------------------------------------------------- */

/* The protocol above TLS, if there is any, into conn->in. */
static bool take(struct peer_conn *conn, const char *data, size_t size)
{
	char plain[4096];
	int got;

	if (conn->ssl == NULL)
		return evbuffer_add(conn->in, data, size) == 0;
	check(BIO_write(conn->network_in, data, (int)size) == (int)size);
	while ((got = SSL_read(conn->ssl, plain, sizeof(plain))) > 0)
		check(evbuffer_add(conn->in, plain, (size_t)got) == 0);
	got = SSL_get_error(conn->ssl, got);
	ERR_clear_error();
	if (got == SSL_ERROR_WANT_READ)
		return true;
	/* A handshake that failed: the alert goes out, then the end. */
	network_drain(conn);
	if (wire_write(conn))
		conn_end(conn);
	return false;
}

static void understand(struct peer_conn *conn)
{
	struct peer *peer = conn->peer;
	size_t size, used;

	conn->responding = true;
	while (!conn->cut && (size = evbuffer_get_length(conn->in)) > 0 &&
	    peer->options.respond != NULL) {
		used = peer->options.respond(conn,
		    (char *)evbuffer_pullup(conn->in, -1), size,
		    peer->options.arg);
		if (used == 0)
			break;
		evbuffer_drain(conn->in, used);
	}
	conn->responding = false;
}

/* `size` bytes were added; those beyond the cut are as if never arrived. */
static void count_in(struct peer_conn *conn, size_t size)
{
	size_t length = evbuffer_get_length(conn->in);
	size_t cut_in = conn->peer->plan.cut_in, room;
	struct evbuffer *kept;

	room = cut_in > conn->taken ? cut_in - conn->taken : 0;
	if (size < room) {
		conn->taken += size;
		return;
	}
	conn->cut = true;
	conn->taken += room;
	length -= size - room;
	kept = evbuffer_new();
	check(kept != NULL);
	check(evbuffer_remove_buffer(conn->in, kept, length) == (int)length);
	evbuffer_free(conn->in);
	conn->in = kept;
}

static void arrived(struct peer_conn *conn, const char *data, size_t size)
{
	size_t before = evbuffer_get_length(conn->in);
	bool cut;

	if (!take(conn, data, size))
		return;
	count_in(conn, evbuffer_get_length(conn->in) - before);
	cut = conn->cut;
	conn->cut = false;
	understand(conn);
	if (cut || conn->cut) {
		plan_apply(conn);
		network_drain(conn);
		if (wire_write(conn))
			conn_end(conn);
		return;
	}
	conn_pump(conn);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct peer_conn *conn = arg;
	char data[65536];
	ssize_t got;

	(void)what;
	if (conn->peer->plan.deaf) {
		event_del(conn->read_event);
		return;
	}
	got = recv(fd, data, sizeof(data), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		conn_free(conn);
	else
		arrived(conn, data, (size_t)got);
}

void peer_gulp(struct peer *peer, size_t size)
{
	char data[4096];
	ssize_t got;

	while (size > 0 && peer->newest != NULL) {
		got = recv(peer->newest->fd, data,
		    size < sizeof(data) ? size : sizeof(data), 0);
		if (got <= 0)
			return;
		size -= (size_t)got;
		arrived(peer->newest, data, (size_t)got);
	}
}

/* ---- Listening --------------------------------------------------------- */

static void conn_tls(struct peer_conn *conn)
{
	conn->ssl = SSL_new(conn->peer->context);
	conn->network_in = BIO_new(BIO_s_mem());
	conn->network_out = BIO_new(BIO_s_mem());
	check(conn->ssl != NULL && conn->network_in != NULL &&
	    conn->network_out != NULL);
	SSL_set_bio(conn->ssl, conn->network_in, conn->network_out);
	SSL_set_accept_state(conn->ssl);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	struct peer_conn *conn;
	int one = 1;

	(void)what;
	fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn = calloc(1, sizeof(*conn));
	check(conn != NULL);
	conn->peer = peer;
	conn->fd = fd;
	conn->in = evbuffer_new();
	conn->out = evbuffer_new();
	conn->wire = evbuffer_new();
	conn->read_event = event_new(peer->base, fd, EV_READ | EV_PERSIST,
	    on_read, conn);
	conn->write_event = event_new(peer->base, fd, EV_WRITE, on_write, conn);
	check(conn->in != NULL && conn->out != NULL && conn->wire != NULL &&
	    conn->read_event != NULL && conn->write_event != NULL);
	if (peer->context != NULL)
		conn_tls(conn);
	conn->next = peer->conns;
	conn->link = &peer->conns;
	if (conn->next != NULL)
		conn->next->link = &conn->next;
	peer->conns = peer->newest = conn;
	peer->accepted++;
	peer->alive++;
	check(event_add(conn->read_event, NULL) == 0);
	if (peer->plan.greeting != NULL)
		peer_say(conn, peer->plan.greeting,
		    strlen(peer->plan.greeting));
	else if (peer->plan.cut_in == 0 || peer->plan.cut_out == 0)
		conn_end(conn);
}

static int bind_tcp(struct peer *peer)
{
	int family = peer->options.ipv6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	socklen_t size = sizeof(in), size6 = sizeof(in6);
	int one = 1;

	check(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = in6.sin6_port = htons((uint16_t)peer->port);
	in6.sin6_addr = in6addr_loopback;
	if (peer->options.ipv6) {
		check(bind(fd, (struct sockaddr *)&in6, size6) == 0);
		check(getsockname(fd, (struct sockaddr *)&in6, &size6) == 0);
		peer->port = ntohs(in6.sin6_port);
	} else {
		check(bind(fd, (struct sockaddr *)&in, size) == 0);
		check(getsockname(fd, (struct sockaddr *)&in, &size) == 0);
		peer->port = ntohs(in.sin_port);
	}
	return fd;
}

static int bind_unix(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	check(fd >= 0 && strlen(path) < sizeof(un.sun_path));
	memcpy(un.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	check(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	return fd;
}

void peer_refuse(struct peer *peer)
{
	if (peer->accept_event == NULL)
		return;
	event_free(peer->accept_event);
	peer->accept_event = NULL;
	(void)close(peer->fd);
}

void peer_accept(struct peer *peer)
{
	const struct peer_options *options = &peer->options;

	peer_refuse(peer);
	peer->fd = options->unix_path != NULL ? bind_unix(options->unix_path)
					      : bind_tcp(peer);
	if (options->receive_buffer > 0)
		check(setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF,
			  &options->receive_buffer,
			  sizeof(options->receive_buffer)) == 0);
	check(listen(peer->fd, 512) == 0);
	peer->accept_event = event_new(peer->base, peer->fd,
	    EV_READ | EV_PERSIST, on_accept, peer);
	check(peer->accept_event != NULL);
	check(event_add(peer->accept_event, NULL) == 0);
}

static void context_make(struct peer *peer)
{
	const struct peer_options *options = &peer->options;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	check(context != NULL);
	peer->context = context;
	check(SSL_CTX_use_certificate_chain_file(context, options->cert_file) ==
	    1);
	check(SSL_CTX_use_PrivateKey_file(context, options->key_file,
		  SSL_FILETYPE_PEM) == 1);
	if (options->ca_file == NULL)
		return;
	check(SSL_CTX_load_verify_file(context, options->ca_file) == 1);
	SSL_CTX_set_verify(context,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

void peer_secure(struct peer *peer, const char *cert_file, const char *key_file,
    const char *ca_file)
{
	SSL_CTX_free(peer->context);
	peer->options.cert_file = cert_file;
	peer->options.key_file = key_file;
	peer->options.ca_file = ca_file;
	context_make(peer);
}

struct peer *peer_open(struct event_base *base,
    const struct peer_options *options)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	check(peer != NULL);
	peer->base = base;
	peer->options = *options;
	peer->plan.cut_in = peer->plan.cut_out = PEER_NEVER;
	if (options->cert_file != NULL)
		context_make(peer);
	peer_accept(peer);
	return peer;
}

void peer_close(struct peer *peer)
{
	if (peer == NULL)
		return;
	peer_cut_all(peer);
	peer_refuse(peer);
	if (peer->options.unix_path != NULL)
		(void)unlink(peer->options.unix_path);
	SSL_CTX_free(peer->context);
	free(peer);
}
