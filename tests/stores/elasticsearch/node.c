/*
 * tests/stores/elasticsearch/node.c - a small client that blocks.
 */
#include "node.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/test.h"

static int node_connect(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)port);
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

int node_ask(int port, const char *method, const char *path, const char *body,
    char *answer, size_t size)
{
	size_t length = body != NULL ? strlen(body) : 0, got = 0;
	size_t room = length + strlen(path) + 512;
	char *text = malloc(room), *end;
	int fd = node_connect(port), n, code;

	check(text != NULL);
	n = snprintf(text, room,
	    "%s %s HTTP/1.0\r\nHost: node\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    method, path, length, body != NULL ? body : "");
	check(send(fd, text, (size_t)n, MSG_NOSIGNAL) == n);
	free(text);
	text = calloc(1, (size_t)1 << 20);
	check(text != NULL);
	while (got < ((size_t)1 << 20) - 1) {
		ssize_t more = recv(fd, text + got, ((size_t)1 << 20) - 1 - got,
		    0);

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	close(fd);
	check(sscanf(text, "HTTP/%*s %d", &code) == 1);
	end = strstr(text, "\r\n\r\n");
	if (answer != NULL)
		snprintf(answer, size, "%s", end != NULL ? end + 4 : "");
	free(text);
	return code;
}
