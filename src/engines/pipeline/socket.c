/*
 * engines/pipeline/socket.c - a non-blocking socket and its two events.
 */
#include "engines/pipeline/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEPALIVE_PROBES 3

bool evkv__pipe_unix_address(const char *path, struct address *address)
{
	struct sockaddr_un sockaddr;
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof(sockaddr.sun_path))
		return false;
	memset(&sockaddr, 0, sizeof(sockaddr));
	sockaddr.sun_family = AF_UNIX;
	memcpy(sockaddr.sun_path, path, size + 1);
	memcpy(&address->sockaddr, &sockaddr, sizeof(sockaddr));
	address->size = sizeof(sockaddr);
	return true;
}

/* By libevent, which knows scopes ("fe80::1%eth0") and asks nobody. */
bool evkv__pipe_literal_address(const char *host, int port,
    struct address *address)
{
	int size = sizeof(address->sockaddr);
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(&address->sockaddr, 0, sizeof(address->sockaddr));
	if (evutil_parse_sockaddr_port(host,
		(struct sockaddr *)&address->sockaddr, &size) != 0)
		return false;
	address->size = (socklen_t)size;
	/* A port in the host ("1.2.3.4:5") is no literal, but a mistake. */
	if (address->sockaddr.ss_family == AF_INET) {
		memcpy(&in, &address->sockaddr, sizeof(in));
		if (in.sin_port != 0)
			return false;
		in.sin_port = htons((uint16_t)port);
		memcpy(&address->sockaddr, &in, sizeof(in));
	} else {
		memcpy(&in6, &address->sockaddr, sizeof(in6));
		if (in6.sin6_port != 0)
			return false;
		in6.sin6_port = htons((uint16_t)port);
		memcpy(&address->sockaddr, &in6, sizeof(in6));
	}
	return true;
}

/* ---- The socket -------------------------------------------------------- */

static void socket_set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void socket_set_tcp_options(const struct evkv_pipeline *p, int fd)
{
	int64_t idle = p->options.keepalive_ms / 1000;
	int seconds = idle > 32767 ? 32767 : idle < 1 ? 1 : (int)idle;

	socket_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (p->options.keepalive_ms < 0)
		return;
	socket_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL,
	    seconds < KEEPALIVE_PROBES ? 1 : seconds / KEEPALIVE_PROBES);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

static void socket_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_pipeline *p = arg;

	(void)fd;
	(void)what;
	evkv_loop_refresh(p->loop);
	evkv__pipe_enter(p);
	if (p->phase == PHASE_TLS)
		evkv__pipe_tls_step(p);
	else
		evkv__pipe_input(p, evkv__pipe_input_extent(p));
	if (p->write_wants_read && evkv__pipe_linked(p) && !p->failing) {
		p->write_wants_read = false;
		evkv__pipe_flush(p);
	}
	evkv__pipe_leave(p);
}

static void socket_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct evkv_pipeline *p = arg;

	(void)fd;
	(void)what;
	evkv_loop_refresh(p->loop);
	evkv__pipe_enter(p);
	if (p->phase == PHASE_CONNECTING)
		evkv__pipe_connected(p);
	else if (p->phase == PHASE_TLS)
		evkv__pipe_tls_step(p);
	if (evkv__pipe_linked(p) && p->read_wants_write)
		evkv__pipe_input(p, INPUT_PIECE);
	if (evkv__pipe_linked(p) && !p->failing)
		evkv__pipe_flush(p);
	if (p->phase == PHASE_READY && p->waiting.first != NULL)
		evkv_task_queue(p->loop, &p->turn);
	evkv__pipe_leave(p);
}

int evkv__pipe_socket_connect(struct evkv_pipeline *p,
    const struct address *address)
{
	struct event_base *base = evkv_loop_base(p->loop);
	int family = address->sockaddr.ss_family;

	p->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -1;
	if (family != AF_UNIX)
		socket_set_tcp_options(p, p->fd);
	if (event_assign(&p->read_event, base, p->fd, EV_READ | EV_PERSIST,
		socket_on_read, p) != 0 ||
	    event_assign(&p->write_event, base, p->fd, EV_WRITE | EV_PERSIST,
		socket_on_write, p) != 0) {
		errno = EINVAL;
		return -1;
	}
	p->events_made = true;
	if (connect(p->fd, (const struct sockaddr *)&address->sockaddr,
		address->size) == 0)
		return 1;
	return errno == EINPROGRESS || errno == EINTR ? 0 : -1;
}

bool evkv__pipe_socket_events(struct evkv_pipeline *p)
{
	return event_add(&p->read_event, NULL) == 0;
}

bool evkv__pipe_arm_write(struct evkv_pipeline *p, bool on)
{
	if (p->write_armed == on)
		return true;
	if ((on ? event_add(&p->write_event, NULL)
		: event_del(&p->write_event)) != 0)
		return false;
	p->write_armed = on;
	return true;
}

void evkv__pipe_socket_close(struct evkv_pipeline *p)
{
	if (p->events_made) {
		(void)event_del(&p->read_event);
		(void)event_del(&p->write_event);
		p->events_made = false;
	}
	p->write_armed = false;
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
}

/*
 * A port of the loopback that nobody listens at can be given to the connecting
 * end itself, which is then connected to itself.
 */
static bool socket_connected_to_itself(int fd)
{
	struct sockaddr_storage ours, theirs;
	socklen_t our_size = sizeof(ours), their_size = sizeof(theirs);

	memset(&ours, 0, sizeof(ours));
	memset(&theirs, 0, sizeof(theirs));
	if (getsockname(fd, (struct sockaddr *)&ours, &our_size) != 0 ||
	    getpeername(fd, (struct sockaddr *)&theirs, &their_size) != 0)
		return false;
	return ours.ss_family != AF_UNIX && our_size == their_size &&
	    memcmp(&ours, &theirs, our_size) == 0;
}

int evkv__pipe_socket_error(struct evkv_pipeline *p)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		return errno;
	if (error == 0 && socket_connected_to_itself(p->fd))
		return ECONNREFUSED;
	return error;
}

/* ---- Bytes ------------------------------------------------------------- */

ssize_t evkv__pipe_socket_read(struct evkv_pipeline *p, char *data, size_t size)
{
	ssize_t got;

	do {
		got = recv(p->fd, data, size, 0);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IO_AGAIN;
	if (got == 0)
		evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_RESET, 0,
		    "the server closed the connection");
	else
		evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_RESET, errno,
		    "%s", strerror(errno));
	return IO_FAILED;
}

ssize_t evkv__pipe_socket_write(struct evkv_pipeline *p, struct iovec *ranges,
    size_t count)
{
	struct msghdr message = { .msg_iov = ranges, .msg_iovlen = count };
	ssize_t put;

	do {
		if (count == 1)
			put = send(p->fd, ranges[0].iov_base, ranges[0].iov_len,
			    MSG_NOSIGNAL);
		else
			put = sendmsg(p->fd, &message, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put >= 0)
		return put > 0 ? put : IO_AGAIN;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return IO_AGAIN;
	evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_RESET, errno, "%s",
	    strerror(errno));
	return IO_FAILED;
}
