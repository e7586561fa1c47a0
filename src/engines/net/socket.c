/*
 * engines/net/socket.c - a non-blocking socket and its two events.
 */
#include "engines/net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEPALIVE_PROBES 3

bool evkv__net_unix_address(const char *path, struct evkv_address *address)
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

static void socket_set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void socket_set_tcp_options(int fd, int64_t keepalive_ms)
{
	int64_t idle = keepalive_ms / 1000;
	int seconds = idle > 32767 ? 32767 : idle < 1 ? 1 : (int)idle;

	socket_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (keepalive_ms < 0)
		return;
	socket_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL,
	    seconds < KEEPALIVE_PROBES ? 1 : seconds / KEEPALIVE_PROBES);
	socket_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

/* ---- Events ------------------------------------------------------------ */

static void socket_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct transport *net = arg;

	(void)fd;
	(void)what;
	evkv_loop_refresh(net->loop);
	net->readable(net->arg);
}

static void socket_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct transport *net = arg;

	(void)fd;
	(void)what;
	evkv_loop_refresh(net->loop);
	net->writable(net->arg);
}

bool evkv__net_watch_reading(struct transport *net)
{
	if (event_add(&net->read_event, NULL) == 0)
		return true;
	evkv__net_no_memory(net);
	return false;
}

bool evkv__net_watch_writing(struct transport *net, bool on)
{
	if (net->write_armed == on)
		return true;
	if ((on ? event_add(&net->write_event, NULL)
		: event_del(&net->write_event)) != 0) {
		evkv__net_no_memory(net);
		return false;
	}
	net->write_armed = on;
	return true;
}

/* ---- Connecting -------------------------------------------------------- */

static enum net_step socket_failed(struct transport *net, int sys_error)
{
	evkv__net_fail(net, EVKV_CAUSE_CONNECT, sys_error, "%s",
	    strerror(sys_error));
	return NET_STEP_FAILED;
}

enum net_step evkv__net_connect(struct transport *net,
    const struct evkv_address *address)
{
	struct event_base *base = evkv_loop_base(net->loop);
	int family = address->sockaddr.ss_family;

	net->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (net->fd < 0)
		return socket_failed(net, errno);
	if (family != AF_UNIX)
		socket_set_tcp_options(net->fd, net->keepalive_ms);
	if (event_assign(&net->read_event, base, net->fd, EV_READ | EV_PERSIST,
		socket_on_read, net) != 0 ||
	    event_assign(&net->write_event, base, net->fd,
		EV_WRITE | EV_PERSIST, socket_on_write, net) != 0)
		return socket_failed(net, EINVAL);
	net->events_made = true;
	if (connect(net->fd, (const struct sockaddr *)&address->sockaddr,
		address->size) == 0)
		return NET_STEP_DONE;
	if (errno == EINPROGRESS || errno == EINTR)
		return NET_STEP_WAITS;
	return socket_failed(net, errno);
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

bool evkv__net_connected(struct transport *net)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(net->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	else if (error == 0 && socket_connected_to_itself(net->fd))
		error = ECONNREFUSED;
	if (error == 0)
		return true;
	(void)socket_failed(net, error);
	return false;
}

void evkv__net_socket_close(struct transport *net)
{
	if (net->events_made) {
		(void)event_del(&net->read_event);
		(void)event_del(&net->write_event);
		net->events_made = false;
	}
	net->write_armed = false;
	net->read_wants_write = net->write_wants_read = false;
	net->offered = 0;
	if (net->fd >= 0)
		(void)close(net->fd);
	net->fd = -1;
}

/* ---- Bytes ------------------------------------------------------------- */

static bool socket_would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

ssize_t evkv__net_socket_read(struct transport *net, char *data, size_t size)
{
	ssize_t got;

	do {
		got = recv(net->fd, data, size, 0);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	if (got < 0 && socket_would_block())
		return NET_AGAIN;
	if (got == 0)
		evkv__net_fail(net, EVKV_CAUSE_RESET, 0,
		    "the server closed the connection");
	else
		evkv__net_fail(net, EVKV_CAUSE_RESET, errno, "%s",
		    strerror(errno));
	return NET_FAILED;
}

ssize_t evkv__net_socket_write(struct transport *net, struct iovec *ranges,
    size_t count)
{
	struct msghdr message = { .msg_iov = ranges, .msg_iovlen = count };
	ssize_t put;

	do {
		if (count == 1)
			put = send(net->fd, ranges[0].iov_base,
			    ranges[0].iov_len, MSG_NOSIGNAL);
		else
			put = sendmsg(net->fd, &message, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put >= 0)
		return put > 0 ? put : NET_AGAIN;
	if (socket_would_block())
		return NET_AGAIN;
	evkv__net_fail(net, EVKV_CAUSE_RESET, errno, "%s", strerror(errno));
	return NET_FAILED;
}
