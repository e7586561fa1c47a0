/* bench/mongodb_peer.c - a server of MongoDB's that does nothing but answer. */
#include "mongodb_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "opmsg.h"

#define CONNECTIONS 64
#define ROOM ((size_t)1 << 20)
#define VALUE_SIZE 100

struct connection {
	char *bytes;
	size_t size;
};

static struct connection connections[CONNECTIONS];
static struct pollfd fds[CONNECTIONS];
static volatile unsigned long *commands;
static char value[VALUE_SIZE];

static void say_document(struct opdoc *out, unsigned n, const unsigned char *id)
{
	char index[16];
	const char *text;
	size_t size;

	snprintf(index, sizeof(index), "%u", n);
	text = opmsg_text(id, &size);
	opdoc_open(out, index, false);
	opdoc_text(out, "_id", text, size);
	opdoc_binary(out, "value", value, sizeof(value));
	opdoc_binary(out, "version", "0123456789abcdef", 16);
	opdoc_close(out);
}

static void say_found(struct opdoc *out, const struct opmsg *message)
{
	const unsigned char *filter, *id, *in, *at;
	unsigned char type;
	unsigned n = 0;

	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_open(out, "firstBatch", true);
	bench_check(opmsg_field(message->body, "filter", &type, &filter) &&
	    opmsg_field(filter, "_id", &type, &id));
	if (type == 2) {
		say_document(out, 0, id);
	} else {
		bench_check(opmsg_field(id, "$in", &type, &in));
		for (at = in + 4; *at != 0; at += opmsg_size(2, at)) {
			at += 1 + strlen((const char *)at + 1) + 1;
			say_document(out, n++, at);
		}
	}
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

static void say(struct opdoc *out, const struct opmsg *message)
{
	int32_t n = 0;

	++*commands;
	opdoc_answer(out, message);
	if (strcmp(message->command, "find") == 0) {
		say_found(out, message);
	} else if (strcmp(message->command, "update") == 0) {
		for (size_t at = 0; at < message->documents_size; n++)
			at += (size_t)opmsg_int(message->documents + at);
		opdoc_int(out, "n", n);
		opdoc_int(out, "nModified", n);
		opdoc_double(out, "ok", 1);
	} else {
		opdoc_hello(out);
	}
	opdoc_end_answer(out);
}

static void serve(int fd, struct connection *connection, struct opdoc *out)
{
	struct opmsg message;
	size_t used = 0, size, sent;
	ssize_t got = recv(fd, connection->bytes + connection->size,
	    ROOM - connection->size, 0);

	if (got <= 0) {
		close(fd);
		free(connection->bytes);
		connection->bytes = NULL;
		return;
	}
	connection->size += (size_t)got;
	while ((size = opmsg_read(connection->bytes + used,
		    connection->size - used, &message)) > 0) {
		say(out, &message);
		for (sent = 0; sent < out->size; sent += (size_t)got) {
			got = send(fd, out->data + sent, out->size - sent,
			    MSG_NOSIGNAL);
			if (got <= 0)
				break;
		}
		used += size;
	}
	connection->size -= used;
	memmove(connection->bytes, connection->bytes + used, connection->size);
}

static void peer_run(int listening)
{
	struct opdoc out = { .data = NULL };
	int one = 1;

	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < CONNECTIONS; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fds[0].fd = listening;
	for (;;) {
		bench_check(poll(fds, CONNECTIONS, -1) > 0);
		for (size_t i = 1; i < CONNECTIONS; i++) {
			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			serve(fds[i].fd, &connections[i], &out);
			if (connections[i].bytes == NULL)
				fds[i].fd = -1;
		}
		for (size_t i = 1; i < CONNECTIONS && fds[0].revents != 0;
		     i++) {
			if (fds[i].fd >= 0)
				continue;
			fds[i].fd = accept(listening, NULL, NULL);
			connections[i].bytes = bench_malloc(ROOM);
			connections[i].size = 0;
			(void)setsockopt(fds[i].fd, IPPROTO_TCP, TCP_NODELAY,
			    &one, sizeof(one));
			fds[0].revents = 0;
		}
	}
}

void mongodb_peer_start(struct mongodb_peer *peer)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bench_check(fd >= 0 &&
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, CONNECTIONS) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	snprintf(peer->uri, sizeof(peer->uri), "mongodb://127.0.0.1:%d/",
	    ntohs(address.sin_port));
	peer->commands = commands = mmap(NULL, sizeof(*commands),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(commands != MAP_FAILED);
	peer->pid = fork();
	bench_check(peer->pid >= 0);
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer_run(fd);
	}
	close(fd);
}

void mongodb_peer_stop(struct mongodb_peer *peer)
{
	if (peer->pid == 0)
		return;
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	peer->pid = 0;
}
