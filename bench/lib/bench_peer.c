/* bench/lib/bench_peer.c - the process, its connections, and no protocol. */
#include "bench_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define CONNECTIONS 300
#define ROOM ((size_t)4 << 20)

struct connection {
	char *bytes;
	size_t size;
};

static struct connection connections[CONNECTIONS];
static struct pollfd fds[CONNECTIONS];
static volatile unsigned long *requests;

static void pin(pid_t pid, size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(pid, sizeof(set), &set);
}

static void say(int fd, struct evkv_slice answer)
{
	const char *bytes = answer.data;
	size_t sent = 0;
	ssize_t got = 1;

	while (sent < answer.size && got > 0) {
		got = send(fd, bytes + sent, answer.size - sent, MSG_NOSIGNAL);
		sent += got > 0 ? (size_t)got : 0;
	}
}

static void serve(struct pollfd *fd, struct connection *connection,
    bench_peer_answer *answer)
{
	struct evkv_slice words;
	size_t used = 0, size;
	ssize_t got = recv(fd->fd, connection->bytes + connection->size,
	    ROOM - connection->size, 0);

	if (got <= 0) {
		close(fd->fd);
		fd->fd = -1;
		free(connection->bytes);
		return;
	}
	connection->size += (size_t)got;
	while ((size = answer(connection->bytes + used, connection->size - used,
		    &words)) > 0) {
		++*requests;
		say(fd->fd, words);
		used += size;
	}
	connection->size -= used;
	memmove(connection->bytes, connection->bytes + used, connection->size);
}

static void take(int listening)
{
	int one = 1;

	for (size_t i = 1; i < CONNECTIONS; i++) {
		if (fds[i].fd >= 0)
			continue;
		fds[i].fd = accept(listening, NULL, NULL);
		connections[i].bytes = bench_malloc(ROOM);
		connections[i].size = 0;
		(void)setsockopt(fds[i].fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
		return;
	}
}

static void peer_run(int listening, bench_peer_answer *answer)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fds[0].fd = listening;
	for (;;) {
		bench_check(poll(fds, CONNECTIONS, -1) > 0);
		for (size_t i = 1; i < CONNECTIONS; i++) {
			if (fds[i].fd >= 0 && fds[i].revents != 0)
				serve(&fds[i], &connections[i], answer);
		}
		if (fds[0].revents != 0)
			take(listening);
	}
}

void bench_peer_start(struct bench_peer *peer, bench_peer_answer *answer)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bench_check(fd >= 0 &&
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, CONNECTIONS) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	peer->port = ntohs(address.sin_port);
	peer->requests = requests = mmap(NULL, sizeof(*requests),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(requests != MAP_FAILED);
	peer->pid = fork();
	bench_check(peer->pid >= 0);
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer_run(fd, answer);
	}
	pin(peer->pid, 1);
	pin(0, 0);
	close(fd);
}

void bench_peer_stop(struct bench_peer *peer)
{
	if (peer->pid == 0)
		return;
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	peer->pid = 0;
}
