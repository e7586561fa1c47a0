/*
 * tests/lib/script_server.c - real servers, run by a script.
 *
 * The script becomes the server, so the pid is the server's. It is ready when
 * its port is open; that is asked for in a bounded loop.
 */
#include "script_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "test.h"

#define WAIT_MS 60000
#define POLL_MS 10
#define STATUS_LACKING 77

#define SHARED_VARIABLE "EVKV_TEST_SCRIPT_SERVER"
#define LACKING_WORDS "lacking: "

static bool port_open(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), failed;

	if (fd < 0)
		return false;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)port);
	failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return failed == 0;
}

static void log_path(const struct script_server *server, char *path,
    size_t size)
{
	snprintf(path, size, "%s/log", server->folder);
}

/* ---- The command line --------------------------------------------------- */

static void add_argument(struct script_server *server, const char *argument)
{
	size_t count = 0;

	while (server->arguments[count] != NULL)
		count++;
	if (count + 1 >=
	    sizeof(server->arguments) / sizeof(server->arguments[0]))
		abort();
	server->arguments[count] = strdup(argument);
	if (server->arguments[count] == NULL)
		abort();
}

static void make_arguments(struct script_server *server,
    const struct script_server_options *options)
{
	char text[512];

	snprintf(text, sizeof(text), "%s/%s", SERVER_SCRIPTS, options->script);
	add_argument(server, text);
	add_argument(server, options->kind);
	snprintf(text, sizeof(text), "%d", server->port);
	add_argument(server, text);
	add_argument(server, server->folder);
	for (size_t i = 0;
	     options->arguments != NULL && options->arguments[i] != NULL; i++)
		add_argument(server, options->arguments[i]);
}

static void free_arguments(struct script_server *server)
{
	for (size_t i = 0; server->arguments[i] != NULL; i++) {
		free(server->arguments[i]);
		server->arguments[i] = NULL;
	}
}

/* ---- Its life ----------------------------------------------------------- */

static bool ended(struct script_server *server)
{
	char words[256], log[256];
	int status;

	if (waitpid(server->pid, &status, WNOHANG) != server->pid)
		return false;
	server->pid = 0;
	server->lacking = WIFEXITED(status) &&
	    WEXITSTATUS(status) == STATUS_LACKING;
	log_path(server, log, sizeof(log));
	child_last_words(log, words, sizeof(words));
	snprintf(server->problem, sizeof(server->problem), "%.250s", words);
	return true;
}

bool script_server_restart(struct script_server *server)
{
	char log[256];

	log_path(server, log, sizeof(log));
	server->pid = child_spawn(server->arguments, log);
	if (server->pid == 0) {
		snprintf(server->problem, sizeof(server->problem), "fork: %s",
		    strerror(errno));
		return false;
	}
	for (int i = 0; i < WAIT_MS / POLL_MS; i++) {
		if (port_open(server->port))
			return true;
		if (ended(server))
			return false;
		poll(NULL, 0, POLL_MS);
	}
	child_kill(&server->pid);
	snprintf(server->problem, sizeof(server->problem),
	    "%.200s opens no port", server->arguments[0]);
	return false;
}

bool script_server_try(struct script_server *server,
    const struct script_server_options *options)
{
	memset(server, 0, sizeof(*server));
	server->own_folder = options->folder == NULL;
	if (options->folder != NULL)
		snprintf(server->folder, sizeof(server->folder), "%.100s",
		    options->folder);
	else if (!child_make_folder(server->folder, sizeof(server->folder)))
		return false;
	/* Somebody may take the port before the server does: try again. */
	for (int i = 0; i < 3 && !server->lacking; i++) {
		free_arguments(server);
		server->port = child_free_port();
		make_arguments(server, options);
		if (script_server_restart(server))
			return true;
	}
	script_server_stop(server);
	return false;
}

void script_server_start(struct script_server *server,
    const struct script_server_options *options)
{
	if (script_server_try(server, options))
		return;
	if (server->lacking)
		skip_test("%s", server->problem);
	fail_test("%s", server->problem);
}

void script_server_pause(struct script_server *server)
{
	child_pause(server->pid);
}

void script_server_resume(struct script_server *server)
{
	child_resume(server->pid);
}

void script_server_kill(struct script_server *server)
{
	child_kill(&server->pid);
}

void script_server_terminate(struct script_server *server)
{
	int status;

	if (server->pid == 0)
		return;
	kill(server->pid, SIGTERM);
	for (int i = 0; i < WAIT_MS / POLL_MS; i++) {
		if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
			server->pid = 0;
			return;
		}
		poll(NULL, 0, POLL_MS);
	}
	child_kill(&server->pid);
}

void script_server_stop(struct script_server *server)
{
	child_kill(&server->pid);
	if (server->own_folder)
		child_remove_folder(server->folder);
	free_arguments(server);
}

/* ---- One for all cases -------------------------------------------------- */

static struct script_server shared;
static pid_t shared_owner; /* the process that started it */

static void shared_stop(void)
{
	if (getpid() == shared_owner)
		script_server_stop(&shared);
}

void script_server_share(const struct script_server_options *options)
{
	char where[450];

	if (getenv(SHARED_VARIABLE) != NULL)
		return;
	if (script_server_try(&shared, options)) {
		shared_owner = getpid();
		atexit(shared_stop);
		snprintf(where, sizeof(where), "%d", shared.port);
	} else {
		snprintf(where, sizeof(where), "%s%s",
		    shared.lacking ? LACKING_WORDS : "", shared.problem);
	}
	setenv(SHARED_VARIABLE, where, 1);
}

int script_server_shared(void)
{
	const char *where = getenv(SHARED_VARIABLE);
	int port;

	if (where == NULL)
		fail_test("there is no shared server");
	port = atoi(where);
	if (port != 0)
		return port;
	if (strncmp(where, LACKING_WORDS, strlen(LACKING_WORDS)) == 0)
		skip_test("%s", where + strlen(LACKING_WORDS));
	fail_test("%s", where);
}
