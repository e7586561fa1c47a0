/*
 * tests/engines/resolver/dns.c - see dns.h.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "engines/resolver/resolver.h"
#include "files.h"
#include "test.h"

enum { TYPE_A = 1, TYPE_ALIAS = 5, TYPE_AAAA = 28 };

#define HEAD 12       /* bytes of a message's head */
#define ANSWER_MAX 64 /* KiB */

/* ---- Messages ---------------------------------------------------------- */

static unsigned char *put_16(unsigned char *at, unsigned number)
{
	*at++ = (unsigned char)(number >> 8);
	*at++ = (unsigned char)number;
	return at;
}

/* "a.b" as labels. */
static unsigned char *put_name(unsigned char *at, const char *name)
{
	size_t size;

	while (*name != '\0') {
		size = strcspn(name, ".");
		*at++ = (unsigned char)size;
		memcpy(at, name, size);
		at += size;
		name += size + (name[size] == '.');
	}
	*at++ = 0;
	return at;
}

static const unsigned char *get_name(const unsigned char *at, char *name)
{
	char *out = name;

	while (*at != 0) {
		memcpy(out, at + 1, *at);
		out += *at;
		*out++ = '.';
		at += 1 + *at;
	}
	if (out > name)
		out--;
	*out = '\0';
	return at + 1;
}

static unsigned char *put_answer(unsigned char *at, const char *name,
    unsigned type, const void *data, size_t size)
{
	at = put_name(at, name);
	at = put_16(at, type);
	at = put_16(at, 1);
	at = put_16(at, 0);
	at = put_16(at, 5); /* seconds to live */
	at = put_16(at, (unsigned)size);
	memcpy(at, data, size);
	return at + size;
}

/* The records of a name, aliases followed; *known: there are some. */
static unsigned char *put_answers(const struct dns_server *server,
    unsigned char *at, const char *name, unsigned type, unsigned *count,
    bool *known)
{
	const struct dns_record *record;
	unsigned char binary[16], alias[256];

	for (record = server->records; record != NULL && record->name != NULL;
	     record++) {
		if (strcasecmp(record->name, name) != 0)
			continue;
		*known = true;
		if (record->data[0] == '=') {
			at = put_answer(at, name, TYPE_ALIAS, alias,
			    (size_t)(put_name(alias, record->data + 1) -
				alias));
			(*count)++;
			return put_answers(server, at, record->data + 1, type,
			    count, known);
		}
		if (type == TYPE_A &&
		    inet_pton(AF_INET, record->data, binary) == 1)
			at = put_answer(at, name, type, binary, 4);
		else if (type == TYPE_AAAA &&
		    inet_pton(AF_INET6, record->data, binary) == 1)
			at = put_answer(at, name, type, binary, 16);
		else
			continue;
		(*count)++;
	}
	return at;
}

/* The answer to a question; 0 = none. */
static size_t answer(struct dns_server *server, const unsigned char *question,
    size_t size, bool tcp, unsigned char *out)
{
	unsigned type, flags = 0x8180, count = 0;
	const unsigned char *end;
	unsigned char *at;
	bool known = false;

	check_between(size, HEAD + 5, 512);
	end = get_name(question + HEAD, server->last);
	type = (unsigned)end[0] << 8 | end[1];
	server->asked++;
	server->asked_a += type == TYPE_A;
	server->asked_tcp += tcp;
	if (server->silent || (server->only_a && type != TYPE_A))
		return 0;
	memcpy(out, question, (size_t)(end + 4 - question));
	at = out + (end + 4 - question);
	if (server->code == 0)
		at = put_answers(server, at, server->last, type, &count,
		    &known);
	flags |= (unsigned)(server->code != 0 ? server->code : known ? 0 : 3);
	if (server->truncates && !tcp) {
		flags |= 0x0200;
		at = out + (end + 4 - question);
		count = 0;
	}
	(void)put_16(out + 2, flags);
	(void)put_16(out + 4, 1);
	(void)put_16(out + 6, count);
	memset(out + 8, 0, 4);
	return (size_t)(at - out);
}

/* ---- Sockets ----------------------------------------------------------- */

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct dns_server *server = arg;
	static unsigned char out[ANSWER_MAX * 1024];
	unsigned char question[512];
	struct sockaddr_in from;
	socklen_t from_size = sizeof(from);
	ssize_t got;
	size_t size;

	(void)what;
	got = recvfrom(fd, question, sizeof(question), 0,
	    (struct sockaddr *)&from, &from_size);
	if (got < 0)
		return;
	size = answer(server, question, (size_t)got, false, out);
	if (size == 0)
		return;
	check_between(size, HEAD, 4096);
	if (!server->held) {
		/* Who asked may be gone. */
		(void)sendto(fd, out, size, 0, (struct sockaddr *)&from,
		    from_size);
		return;
	}
	check(server->kept_count < DNS_HELD && size <= 512);
	memcpy(server->kept[server->kept_count].data, out, size);
	server->kept[server->kept_count].size = size;
	memcpy(server->kept[server->kept_count].from, &from, from_size);
	server->kept[server->kept_count].from_size = from_size;
	server->kept_count++;
}

void dns_release(struct dns_server *server)
{
	unsigned i;

	server->held = false;
	for (i = 0; i < server->kept_count; i++)
		(void)sendto(event_get_fd(server->udp), server->kept[i].data,
		    server->kept[i].size, 0,
		    (struct sockaddr *)server->kept[i].from,
		    server->kept[i].from_size);
	server->kept_count = 0;
}

static void close_event(struct event **event)
{
	if (*event == NULL)
		return;
	(void)close(event_get_fd(*event));
	event_free(*event);
	*event = NULL;
}

/* A message of TCP has its size before it. */
static void on_tcp_data(evutil_socket_t fd, short what, void *arg)
{
	struct dns_conn *conn = arg;
	static unsigned char out[ANSWER_MAX * 1024];
	size_t size, asked, at = 0;
	ssize_t got;

	(void)what;
	got = recv(fd, conn->data + conn->size, sizeof(conn->data) - conn->size,
	    0);
	if (got <= 0) {
		close_event(&conn->event);
		return;
	}
	conn->size += (size_t)got;
	while (conn->size - at > 2) {
		asked = (size_t)conn->data[at] << 8 | conn->data[at + 1];
		if (conn->size - at < asked + 2)
			break;
		size = answer(conn->server, conn->data + at + 2, asked, true,
		    out + 2);
		at += asked + 2;
		(void)put_16(out, (unsigned)size);
		if (size > 0)
			(void)send(fd, out, size + 2, MSG_NOSIGNAL);
	}
	memmove(conn->data, conn->data + at, conn->size - at);
	conn->size -= at;
}

static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct dns_server *server = arg;
	struct dns_conn *conn = server->conns;
	int new = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (new < 0)
		return;
	while (conn->event != NULL)
		check(++conn < server->conns + DNS_CONNS);
	if (server->drops_tcp) {
		(void)close(new);
		return;
	}
	conn->server = server;
	conn->size = 0;
	conn->event = event_new(server->dns->base, new, EV_READ | EV_PERSIST,
	    on_tcp_data, conn);
	check(conn->event != NULL && event_add(conn->event, NULL) == 0);
}

static struct event *listen_at(struct dns_server *server, const char *address,
    int type)
{
	struct dns *dns = server->dns;
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);
	struct event *event;
	int fd, one = 1;

	fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	check(inet_pton(AF_INET, address, &in.sin_addr) == 1);
	in.sin_port = htons((uint16_t)dns->port);
	if (type == SOCK_STREAM)
		check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
			  sizeof(one)) == 0);
	check(bind(fd, (struct sockaddr *)&in, size) == 0);
	if (type == SOCK_STREAM)
		check(listen(fd, 8) == 0);
	check(getsockname(fd, (struct sockaddr *)&in, &size) == 0);
	dns->port = ntohs(in.sin_port);
	event = event_new(dns->base, fd, EV_READ | EV_PERSIST,
	    type == SOCK_STREAM ? on_tcp : on_udp, server);
	check(event != NULL && event_add(event, NULL) == 0);
	return event;
}

/* ---- Making and ending ------------------------------------------------- */

void dns_open(struct dns *dns, struct event_base *base, struct evkv_loop *loop)
{
	memset(dns, 0, sizeof(*dns));
	dns->base = base;
	dns->port = child_free_port();
	check(dns->port != 0);
	snprintf(dns->folder, sizeof(dns->folder), "/tmp/evkv-dns-XXXXXX");
	check(mkdtemp(dns->folder) != NULL);
	snprintf(dns->resolv, sizeof(dns->resolv), "%s/resolv.conf",
	    dns->folder);
	snprintf(dns->hosts, sizeof(dns->hosts), "%s/hosts", dns->folder);
	check(setenv("CARES_HOSTS", dns->hosts, 1) == 0);
	check(evkv__resolver_files(loop, dns->resolv, dns->hosts, dns->port));
}

void dns_serve(struct dns *dns, struct dns_server *server, const char *address)
{
	unsigned i = 0;

	while (dns->servers[i] != NULL)
		check_between(++i, 1, DNS_SERVERS - 1);
	dns->servers[i] = server;
	server->dns = dns;
	server->tcp = listen_at(server, address, SOCK_STREAM);
	server->udp = listen_at(server, address, SOCK_DGRAM);
}

void dns_stop(struct dns_server *server)
{
	unsigned i;

	close_event(&server->udp);
	close_event(&server->tcp);
	for (i = 0; i < DNS_CONNS; i++)
		close_event(&server->conns[i].event);
	for (i = 0; i < DNS_SERVERS; i++) {
		if (server->dns->servers[i] == server)
			server->dns->servers[i] = NULL;
	}
}

void dns_resolv(struct dns *dns, const char *text)
{
	char path[128];

	files_write(dns->folder, "new", text);
	snprintf(path, sizeof(path), "%s/new", dns->folder);
	check(rename(path, dns->resolv) == 0);
}

void dns_hosts(struct dns *dns, const char *text)
{
	char path[128];

	files_write(dns->folder, "new", text);
	snprintf(path, sizeof(path), "%s/new", dns->folder);
	check(rename(path, dns->hosts) == 0);
}

void dns_begin(struct dns *dns, struct dns_server *server,
    struct event_base *base, struct evkv_loop *loop)
{
	dns_open(dns, base, loop);
	dns_serve(dns, server, "127.0.0.1");
	dns_resolv(dns, "nameserver 127.0.0.1\n");
}

void dns_close(struct dns *dns)
{
	unsigned i;

	for (i = 0; i < DNS_SERVERS; i++) {
		if (dns->servers[i] != NULL)
			dns_stop(dns->servers[i]);
	}
	(void)unlink(dns->resolv);
	(void)unlink(dns->hosts);
	check(rmdir(dns->folder) == 0);
	check(unsetenv("CARES_HOSTS") == 0);
}
