/*
 * The real servers of the tests. Readiness is asked for, by PING, over the unix
 * socket, in a bounded loop.
 */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certificates.h"
#include "child.h"
#include "server_memcached.h"

#define SERVER_WAIT_MS 20000
#define SERVER_POLL_MS 5

static bool server_fail(struct server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool server_fail(struct server *server, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(server->problem, sizeof(server->problem), format, arguments);
	va_end(arguments);
	return false;
}

const char *server_program(enum server_kind kind)
{
	if (server_is_memcached(kind))
		return "memcached";
	return kind == SERVER_VALKEY ? "valkey-server" : "redis-server";
}

bool server_installed(enum server_kind kind)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path != NULL && *path != '\0') {
		size_t length = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)length, path,
		    server_program(kind));
		if (access(file, X_OK) == 0)
			return true;
		path += length;
		path += *path == ':';
	}
	return false;
}

/* ---- The command line ------------------------------------------------- */

void server_argument(struct server *server, const char *format, ...)
{
	size_t count = 0;
	va_list arguments;
	char text[512];

	while (server->arguments[count] != NULL)
		count++;
	if (count + 1 >=
	    sizeof(server->arguments) / sizeof(server->arguments[0]))
		abort();
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	server->arguments[count] = strdup(text);
	if (server->arguments[count] == NULL)
		abort();
}

/* A directive and its value. */
static void server_set(struct server *server, const char *name,
    const char *value)
{
	server_argument(server, "--%s", name);
	server_argument(server, "%s", value);
}

static void server_set_number(struct server *server, const char *name,
    int value)
{
	server_argument(server, "--%s", name);
	server_argument(server, "%d", value);
}

static void server_set_file(struct server *server, const char *name,
    const char *file)
{
	server_argument(server, "--%s", name);
	server_argument(server, "%s/%s", server->folder, file);
}

static void server_arguments_free(struct server *server)
{
	for (size_t i = 0; server->arguments[i] != NULL; i++) {
		free(server->arguments[i]);
		server->arguments[i] = NULL;
	}
}

static void server_tls_arguments(struct server *server,
    const struct server_options *options)
{
	server_set_number(server, "tls-port", server->tls_port);
	server_set_file(server, "tls-cert-file", "server.pem");
	server_set_file(server, "tls-key-file", "server.key");
	server_set_file(server, "tls-ca-cert-file", "ca.pem");
	server_set(server, "tls-auth-clients",
	    options->client_certificates ? "yes" : "no");
}

static void server_arguments(struct server *server,
    const struct server_options *options)
{
	if (server_is_memcached(options->kind)) {
		server_memcached_arguments(server, options);
		return;
	}
	server_argument(server, "%s", server_program(options->kind));
	server_set_number(server, "port", server->port);
	server_set(server, "bind", "127.0.0.1");
	server_set(server, "unixsocket", server->socket_path);
	server_set(server, "dir", server->folder);
	server_set_file(server, "logfile", "log");
	server_set(server, "save", "");
	server_set_number(server, "databases",
	    options->databases > 0 ? options->databases : 16);
	server_set(server, "enable-debug-command", "yes");
	server_tls_arguments(server, options);
	if (options->append_only) {
		/* Written before the reply, if not synced: enough for -9. */
		server_set(server, "appendonly", "yes");
		server_set(server, "appendfsync", "no");
		server_set(server, "auto-aof-rewrite-percentage", "0");
	}
	if (options->password != NULL)
		server_set(server, "requirepass", options->password);
	if (options->user != NULL) {
		server_argument(server, "--user");
		server_argument(server, "%s", options->user);
		server_argument(server, "on");
		server_argument(server, ">%s", options->user_password);
		server_argument(server, "~*");
		server_argument(server, "&*");
		server_argument(server, "+@all");
	}
	for (size_t i = 0;
	     options->arguments != NULL && options->arguments[i] != NULL; i++)
		server_argument(server, "%s", options->arguments[i]);
}

/* ---- Talking to it ---------------------------------------------------- */

static int server_connect_unix(const struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s",
	    server->socket_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int server_connect(const struct server *server)
{
	if (server->kind != SERVER_MEMCACHED_UNIX &&
	    server_is_memcached(server->kind))
		return server_connect_tcp(server->port);
	return server_connect_unix(server);
}

/* An array of strings, in RESP2. */
static size_t server_write(const char *const *words, char *text, size_t room)
{
	size_t size, count = 0;

	while (words[count] != NULL)
		count++;
	size = (size_t)snprintf(text, room, "*%zu\r\n", count);
	for (size_t i = 0; i < count; i++)
		size += (size_t)snprintf(text + size, room - size,
		    "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
	return size;
}

/* Send one command; what comes back within the time goes to reply. */
static bool server_ask(const struct server *server, int fd,
    const char *const *words, char *reply, size_t reply_size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char text[4096];
	ssize_t got;
	size_t size = server_is_memcached(server->kind)
	    ? server_memcached_write(words, text, sizeof(text))
	    : server_write(words, text, sizeof(text));

	if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size ||
	    poll(&ready, 1, SERVER_WAIT_MS) != 1)
		return false;
	got = recv(fd, reply, reply_size - 1, 0);
	if (got <= 0)
		return false;
	reply[got] = '\0';
	return true;
}

bool server_command(struct server *server, const char *const *words,
    char *reply, size_t reply_size)
{
	char login[256];
	const char *auth[] = { "AUTH", server->password, NULL };
	int fd = server_connect(server);
	bool answered;

	if (fd < 0)
		return server_fail(server, "can't connect to %s: %s",
		    server->socket_path, strerror(errno));
	if (server_is_memcached(server->kind) && server->password != NULL) {
		server_memcached_login(server, login, sizeof(login));
		auth[0] = login;
		auth[1] = NULL;
	}
	answered = (server->password == NULL ||
		       server_ask(server, fd, auth, reply, reply_size)) &&
	    server_ask(server, fd, words, reply, reply_size);
	close(fd);
	return answered ? true : server_fail(server, "no answer");
}

/* ---- Its life --------------------------------------------------------- */

bool server_spawn(struct server *server)
{
	server->pid = child_spawn(server->arguments, NULL);
	return server->pid != 0 ||
	    server_fail(server, "fork: %s", strerror(errno));
}

static bool server_wait(struct server *server)
{
	const char *const redis[] = { "PING", NULL };
	const char *const memcached[] = { "mn", NULL };
	const char *const *ping = server_is_memcached(server->kind) ? memcached
								    : redis;
	char reply[128], words[128], path[256];
	int status;

	for (int i = 0; i < SERVER_WAIT_MS / SERVER_POLL_MS; i++) {
		if (server_command(server, ping, reply, sizeof(reply)) &&
		    strncmp(reply, "-LOADING", 8) != 0)
			return true;
		if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
			server->pid = 0;
			snprintf(path, sizeof(path), "%s/log", server->folder);
			child_last_words(path, words, sizeof(words));
			return server_fail(server, "%s ended: %s",
			    server->arguments[0], words);
		}
		poll(NULL, 0, SERVER_POLL_MS);
	}
	server_kill(server);
	return server_fail(server, "%s does not answer", server->arguments[0]);
}

void server_paths(struct server *server)
{
	const struct {
		char *path;
		const char *name;
	} files[] = {
		{ server->socket_path, "s" },
		{ server->ca_file, "ca.pem" },
		{ server->client_cert_file, "client.pem" },
		{ server->client_key_file, "client.key" },
		{ server->foreign_ca_file, "foreign-ca.pem" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		snprintf(files[i].path, SERVER_PATH_MAX, "%s/%s",
		    server->folder, files[i].name);
}

static bool server_folder(struct server *server)
{
	if (!child_make_folder(server->folder, sizeof(server->folder)))
		return server_fail(server, "mkdtemp: %s", strerror(errno));
	server_paths(server);
	if (!certificates_write(server->folder))
		return server_fail(server, "can't make certificates");
	return true;
}

bool server_start(struct server *server, const struct server_options *options)
{
	memset(server, 0, sizeof(*server));
	server->kind = options->kind;
	server->password = server_is_memcached(options->kind)
	    ? options->user_password
	    : options->password;
	server->user = options->user;
	if (!server_installed(options->kind))
		return server_fail(server, "%s is not installed",
		    server_program(options->kind));
	if (!server_folder(server))
		return false;
	/* Somebody may take a port before the server does: try again. */
	for (int i = 0; i < 5; i++) {
		server_arguments_free(server);
		server->port = child_free_port();
		server->tls_port = child_free_port();
		server_arguments(server, options);
		if (server_restart(server))
			return true;
	}
	server_stop(server);
	return false;
}

void server_pause(struct server *server)
{
	child_pause(server->pid);
}

void server_resume(struct server *server)
{
	child_resume(server->pid);
}

void server_kill(struct server *server)
{
	child_kill(&server->pid);
}

bool server_restart(struct server *server)
{
	/* A socket left behind by a killed one is replaced by the server. */
	return server_spawn(server) && server_wait(server);
}

void server_stop(struct server *server)
{
	server_kill(server);
	if (server->folder[0] != '\0')
		child_remove_folder(server->folder);
	server->folder[0] = '\0';
	server_arguments_free(server);
}
