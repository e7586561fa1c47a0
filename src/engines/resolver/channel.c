/*
 * engines/resolver/channel.c - c-ares on an event_base.
 *
 * c-ares tells which of its sockets want to be read or written, and when it
 * wants to be called again though nothing has come; both become events, which
 * are there only while it asks a server. It keeps its own time, by the system's
 * clock.
 *
 * It would raise SIGPIPE where a name server closes a TCP connection (before
 * version 1.34), so its sockets are ours.
 */
#include "engines/resolver/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHANNEL_TRIES 4 /* of each name server, each twice as long */
#define CHANNEL_OWN_SOCKETS (ARES_VERSION < 0x012200)

/* ---- Events ------------------------------------------------------------ */

/* After each call of c-ares that may have changed what it waits for. */
static void channel_timer_set(struct channel *channel)
{
	struct timeval room, *left = ares_timeout(channel->dns, NULL, &room);

	/* Without it the caller's own limit ends the lookup. */
	if (left == NULL)
		(void)event_del(&channel->timer);
	else
		(void)event_add(&channel->timer, left);
}

static void channel_process(struct channel *channel, ares_socket_t readable,
    ares_socket_t writable)
{
	struct evkv_resolver *resolver = channel->resolver;

	evkv_loop_refresh(resolver->loop);
	ares_process_fd(channel->dns, readable, writable);
	channel_timer_set(channel);
	evkv__resolver_tell(resolver);
}

static void channel_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_process(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void channel_on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct channel_socket *socket = arg;

	channel_process(socket->channel,
	    (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct channel_socket *channel_socket_get(struct channel *channel,
    ares_socket_t fd, bool make)
{
	struct channel_socket *socket;

	LIST_FOREACH(socket, &channel->sockets, link)
	{
		if (socket->fd == fd)
			return socket;
	}
	if (make)
		socket = evkv_calloc(1, sizeof(*socket));
	if (socket == NULL)
		return NULL;
	socket->channel = channel;
	socket->fd = fd;
	LIST_INSERT_HEAD(&channel->sockets, socket, link);
	return socket;
}

/* c-ares wants a socket watched, in another way, or no more. */
static void channel_socket_wanted(void *arg, ares_socket_t fd, int readable,
    int writable)
{
	struct channel *channel = arg;
	short wanted = (short)((readable != 0 ? EV_READ : 0) |
	    (writable != 0 ? EV_WRITE : 0));
	struct channel_socket *socket = channel_socket_get(channel, fd,
	    wanted != 0);

	/* Without memory it is not watched, and counts as one that is silent */
	if (socket == NULL || socket->wanted == wanted)
		return;
	if (socket->wanted != 0)
		(void)event_del(&socket->event);
	socket->wanted = wanted;
	if (wanted != 0 &&
	    event_assign(&socket->event,
		evkv_loop_base(channel->resolver->loop), fd,
		(short)(wanted | EV_PERSIST), channel_on_socket, socket) == 0 &&
	    event_add(&socket->event, NULL) == 0)
		return;
	LIST_REMOVE(socket, link);
	evkv_free(socket);
}

/* ---- Sockets ----------------------------------------------------------- */

#if CHANNEL_OWN_SOCKETS
static ares_socket_t channel_socket(int family, int type, int protocol,
    void *arg)
{
	(void)arg;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int channel_close(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static int channel_connect(ares_socket_t fd, const struct sockaddr *address,
    ares_socklen_t size, void *arg)
{
	(void)arg;
	return connect(fd, address, size);
}

static ares_ssize_t channel_receive(ares_socket_t fd, void *data, size_t size,
    int flags, struct sockaddr *from, ares_socklen_t *from_size, void *arg)
{
	(void)arg;
	return recvfrom(fd, data, size, flags, from, from_size);
}

/*
 * That a port is closed is reported once, to the call that comes next on the
 * socket. Where that is another send, the question before it would never know:
 * it is left for the read, which has all of them ask the next server.
 */
static ares_ssize_t channel_send(ares_socket_t fd, const struct iovec *ranges,
    int count, void *arg)
{
	struct msghdr message = { .msg_iovlen = (size_t)count };
	ares_ssize_t sent;

	(void)arg;
	/* msg_iov is not const, though it is only read. */
	memcpy(&message.msg_iov, &ranges, sizeof(ranges));
	sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	if (sent < 0 && errno == ECONNREFUSED)
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	return sent;
}

static const struct ares_socket_functions channel_sockets = {
	.asocket = channel_socket,
	.aclose = channel_close,
	.aconnect = channel_connect,
	.arecvfrom = channel_receive,
	.asendv = channel_send,
};
#endif

/* ---- Making and ending ------------------------------------------------- */

/* `lookups` is "f" (the hosts file) or "b" (name servers). */
static bool channel_part_make(struct channel *channel, char *lookups,
    ares_channel *part)
{
	const struct evkv_resolver *resolver = channel->resolver;
	struct ares_options options = {
		.timeout = channel->silence_ms,
		.tries = CHANNEL_TRIES,
		.udp_port = resolver->dns_port,
		.tcp_port = resolver->dns_port,
		.lookups = lookups,
		.sock_state_cb = channel_socket_wanted,
		.sock_state_cb_data = channel,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
	    ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;

	/* Not const either. */
	memcpy(&options.resolvconf_path, &resolver->resolv_path,
	    sizeof(resolver->resolv_path));
	if (resolver->dns_port != 0)
		mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
#ifdef ARES_OPT_QUERY_CACHE
	/* A name that has moved is to be found at once: 0 switches it off. */
	mask |= ARES_OPT_QUERY_CACHE;
#endif
	if (ares_init_options(part, &options, mask) != ARES_SUCCESS) {
		*part = NULL;
		return false;
	}
#if CHANNEL_OWN_SOCKETS
	ares_set_socket_functions(*part, &channel_sockets, channel);
#endif
	return true;
}

struct channel *evkv__channel_new(struct evkv_resolver *resolver,
    int silence_ms)
{
	struct channel *channel = evkv_calloc(1, sizeof(*channel));
	char files[] = "f", dns[] = "b";

	if (channel == NULL)
		return NULL;
	channel->resolver = resolver;
	channel->silence_ms = silence_ms;
	channel->edition = resolver->edition;
	channel->made_us = evkv_loop_now_us(resolver->loop);
	LIST_INIT(&channel->sockets);
	LIST_INSERT_HEAD(&resolver->channels, channel, link);
	if (evtimer_assign(&channel->timer, evkv_loop_base(resolver->loop),
		channel_on_timer, channel) == 0 &&
	    channel_part_make(channel, files, &channel->files) &&
	    channel_part_make(channel, dns, &channel->dns))
		return channel;
	evkv__channel_free(channel);
	return NULL;
}

void evkv__channel_free(struct channel *channel)
{
	struct channel_socket *socket;

	LIST_REMOVE(channel, link);
	(void)event_del(&channel->timer);
	if (channel->files != NULL)
		ares_destroy(channel->files);
	if (channel->dns != NULL)
		ares_destroy(channel->dns);
	while ((socket = LIST_FIRST(&channel->sockets)) != NULL) {
		(void)event_del(&socket->event);
		LIST_REMOVE(socket, link);
		evkv_free(socket);
	}
	evkv_free(channel);
}

void evkv__channel_idle(struct channel *channel)
{
	ares_cancel(channel->dns);
	channel_timer_set(channel);
}

/* ---- Questions --------------------------------------------------------- */

static void channel_answered(void *arg, int status, int timeouts,
    struct ares_addrinfo *found)
{
	struct question *question = arg;

	(void)timeouts;
	evkv__resolver_answered(question, status, found);
	if (found != NULL)
		ares_freeaddrinfo(found);
	evkv_free(question);
}

bool evkv__channel_ask(struct channel *channel, struct evkv_lookup *lookup,
    enum question_kind kind)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = kind == QUESTION_WHOLE ? AF_UNSPEC : AF_INET,
	};
	struct question *question = evkv_calloc(1, sizeof(*question));

	if (question == NULL)
		return false;
	question->channel = channel;
	question->lookup = lookup;
	question->kind = kind;
	lookup->questions[kind] = question;
	ares_getaddrinfo(channel->dns, lookup->name, NULL, &hints,
	    channel_answered, question);
	channel_timer_set(channel);
	return true;
}

struct hosts_answer {
	struct evkv_lookup *lookup;
	int status;
};

static void channel_hosts_answered(void *arg, int status, int timeouts,
    struct ares_addrinfo *found)
{
	struct hosts_answer *answer = arg;
	struct question question = { .lookup = answer->lookup };

	(void)timeouts;
	answer->status = status;
	evkv__resolver_answered(&question, status, found);
	if (found != NULL)
		ares_freeaddrinfo(found);
}

/* Nothing but a file is read, so the answer is there at once. */
int evkv__channel_hosts(struct channel *channel, struct evkv_lookup *lookup,
    const char *name)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_flags = ARES_AI_NOSORT |
		    (channel->resolver->hosts_by_environment ? ARES_AI_ENVHOSTS
							     : 0),
	};
	struct hosts_answer answer = { lookup, ARES_ENOTFOUND };

	ares_getaddrinfo(channel->files, name, NULL, &hints,
	    channel_hosts_answered, &answer);
	return answer.status;
}
