#include "server_memcached.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The one user, in a file. */
static void memcached_users(struct server *server,
    const struct server_options *options)
{
	char path[SERVER_PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/users", server->folder);
	file = fopen(path, "we");
	if (file == NULL)
		abort();
	fprintf(file, "%s:%s\n", options->user, options->user_password);
	fclose(file);
	server_argument(server, "-Y");
	server_argument(server, "%s", path);
}

static void memcached_listen(struct server *server,
    const struct server_options *options)
{
	if (options->kind == SERVER_MEMCACHED_UNIX) {
		server_argument(server, "-s");
		server_argument(server, "%s", server->socket_path);
		return;
	}
	server_argument(server, "-l");
	server_argument(server, "notls:127.0.0.1:%d,127.0.0.1:%d", server->port,
	    server->tls_port);
	server_argument(server, "-Z");
	server_argument(server, "-o");
	server_argument(server,
	    "ssl_chain_cert=%s/server.pem,ssl_key=%s/server.key,"
	    "ssl_ca_cert=%s/ca.pem,ssl_verify_mode=%d",
	    server->folder, server->folder, server->folder,
	    options->client_certificates ? 2 : 0);
}

void server_memcached_arguments(struct server *server,
    const struct server_options *options)
{
	server_argument(server, "memcached");
	if (getuid() == 0) {
		server_argument(server, "-u");
		server_argument(server, "root");
	}
	server_argument(server, "-U");
	server_argument(server, "0");
	server_argument(server, "-m");
	server_argument(server, "256");
	server_argument(server, "-t");
	server_argument(server, "2");
	memcached_listen(server, options);
	if (options->user != NULL)
		memcached_users(server, options);
	for (size_t i = 0;
	     options->arguments != NULL && options->arguments[i] != NULL; i++)
		server_argument(server, "%s", options->arguments[i]);
}

size_t server_memcached_write(const char *const *words, char *text, size_t room)
{
	size_t size = 0;

	for (size_t i = 0; words[i] != NULL; i++)
		size += (size_t)snprintf(text + size, room - size, "%s%s",
		    i == 0 ? "" : " ", words[i]);
	return size + (size_t)snprintf(text + size, room - size, "\r\n");
}

void server_memcached_login(const struct server *server, char *text,
    size_t room)
{
	snprintf(text, room, "set login 0 -1 %zu\r\n%s %s",
	    strlen(server->user) + 1 + strlen(server->password), server->user,
	    server->password);
}

int server_connect_tcp(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)port);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}
