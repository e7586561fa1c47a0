#include "server_shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define SHARED_DATABASES 8192

static struct server shared_servers[SERVER_KIND_COUNT];
static pid_t shared_owner; /* the process that started them */

static const char *shared_variable(enum server_kind kind)
{
	static const char *const names[SERVER_KIND_COUNT] = {
		[SERVER_REDIS] = "EVKV_TEST_REDIS",
		[SERVER_VALKEY] = "EVKV_TEST_VALKEY",
		[SERVER_MEMCACHED] = "EVKV_TEST_MEMCACHED",
		[SERVER_MEMCACHED_2] = "EVKV_TEST_MEMCACHED_2",
		[SERVER_MEMCACHED_3] = "EVKV_TEST_MEMCACHED_3",
		[SERVER_MEMCACHED_UNIX] = "EVKV_TEST_MEMCACHED_UNIX",
	};

	return names[kind];
}

static void shared_stop(void)
{
	if (getpid() != shared_owner)
		return;
	for (int kind = 0; kind < SERVER_KIND_COUNT; kind++) {
		if (shared_servers[kind].pid != 0)
			server_stop(&shared_servers[kind]);
	}
}

/* A server that another process has started. */
static bool shared_attach(struct server *server, enum server_kind kind,
    const char *where)
{
	memset(server, 0, sizeof(*server));
	server->kind = kind;
	if (kind == SERVER_REDIS || kind == SERVER_VALKEY)
		server->password = SERVER_SHARED_PASSWORD;
	if (sscanf(where, "%d %d %d %127s", &server->pid, &server->port,
		&server->tls_port, server->folder) != 4)
		return false;
	server_paths(server);
	return true;
}

static void shared_announce(const struct server *server)
{
	char where[256];

	snprintf(where, sizeof(where), "%d %d %d %s", (int)server->pid,
	    server->port, server->tls_port, server->folder);
	setenv(shared_variable(server->kind), where, 1);
}

void server_shared_start(enum server_kind kind)
{
	struct server *server = &shared_servers[kind];

	if (getenv(shared_variable(kind)) != NULL || !server_installed(kind))
		return;
	if (!server_start(server,
		&(struct server_options){ .kind = kind,
		    .password = SERVER_SHARED_PASSWORD,
		    .databases = SHARED_DATABASES })) {
		fprintf(stderr, "%s\n", server->problem);
		return;
	}
	if (shared_owner == 0) {
		shared_owner = getpid();
		atexit(shared_stop);
	}
	shared_announce(server);
}

void server_require(enum server_kind kind)
{
	const char *ci = getenv("CI");

	if (server_installed(kind))
		return;
	if (ci != NULL && strcmp(ci, "true") == 0)
		fail_test("%s is not installed", server_program(kind));
	skip_test("%s is not installed", server_program(kind));
}

struct server *server_shared(enum server_kind kind)
{
	struct server *server = &shared_servers[kind];
	const char *where = getenv(shared_variable(kind));

	server_require(kind);
	if (server->port == 0 &&
	    (where == NULL || !shared_attach(server, kind, where)))
		fail_test("there is no shared %s: %s", server_program(kind),
		    server->problem);
	return server;
}

int server_shared_db(struct server *server)
{
	const char *const words[] = { "INCR", "evkv-test-db", NULL };
	char reply[64];
	int number = 0;

	if (!server_command(server, words, reply, sizeof(reply)) ||
	    sscanf(reply, ":%d", &number) != 1 || number >= SHARED_DATABASES)
		fail_test("no database: %s", server->problem);
	return number;
}
