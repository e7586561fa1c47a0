/*
 * tests/lib/server.h - real Redis, Valkey and memcached servers for tests.
 *
 *     struct server server;
 *
 *     if (!server_start(&server, &(struct server_options){ 0 }))
 *         skip_test("%s", server.problem);
 *     ... server.port, server.tls_port, server.socket_path ...
 *     server_stop(&server);
 *
 * One process listens on a TCP port, a TLS port and a unix socket at once, on
 * the loopback and in a temporary folder of its own. (A memcached listens on a
 * unix socket only where it is a SERVER_MEMCACHED_UNIX, and then on nothing
 * else.) It dies with the thread
 * that started it, and is only ever signalled by its pid.
 */
#ifndef TESTS_LIB_SERVER_H
#define TESTS_LIB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SERVER_PATH_MAX 160

enum server_kind {
	SERVER_REDIS,
	SERVER_VALKEY,
	SERVER_MEMCACHED,
	SERVER_MEMCACHED_2, /* one more, for tests that share several */
	SERVER_MEMCACHED_3,
	SERVER_MEMCACHED_UNIX,
	SERVER_KIND_COUNT
};

struct server_options {
	enum server_kind kind;
	const char *password; /* of the default user; NULL = none is needed */
	/* An ACL user that may do everything; of memcached the only one. */
	const char *user;
	const char *user_password;
	bool client_certificates; /* TLS clients must show one */
	bool append_only;         /* entries survive server_kill() */
	int databases;            /* 0 = 16 */
	/* More arguments, ended by NULL; NULL = none. */
	const char *const *arguments;
};

struct server {
	enum server_kind kind;
	pid_t pid; /* 0 = not running */
	int port;
	int tls_port;
	char folder[128]; /* removed by server_stop() */
	char socket_path[SERVER_PATH_MAX];
	/*
	 * PEM files, made by the test: the authority that signed the server's
	 * certificate (for localhost and 127.0.0.1), a client certificate with
	 * its key, and an authority that signed nothing.
	 */
	char ca_file[SERVER_PATH_MAX];
	char client_cert_file[SERVER_PATH_MAX];
	char client_key_file[SERVER_PATH_MAX];
	char foreign_ca_file[SERVER_PATH_MAX];
	const char *user, *password;
	char *arguments[64];
	char problem[256]; /* why the last call failed */
};

/* The name of the program of a kind, found in PATH or not. */
const char *server_program(enum server_kind kind);
bool server_installed(enum server_kind kind);

/*
 * Start a server and wait until it answers. false: server->problem says why,
 * and there is nothing to stop.
 */
bool server_start(struct server *server, const struct server_options *options);

/* Fill in the names of the files in server->folder. */
void server_paths(struct server *server);

/* SIGSTOP and SIGCONT: connections stay open and nothing is answered. */
void server_pause(struct server *server);
void server_resume(struct server *server);

/* kill -9, and wait for its end. What it has stored stays in its folder. */
void server_kill(struct server *server);
/* Start a killed one again, on the same ports; waits until it answers. */
bool server_restart(struct server *server);
/* As server_restart(), without waiting. */
bool server_spawn(struct server *server);

/*
 * Send one command (words ended by NULL) on a connection of its own, blocking,
 * and copy the start of the raw reply. false: no answer. To a memcached they go
 * as a line, with blanks between them.
 */
bool server_command(struct server *server, const char *const *words,
    char *reply, size_t reply_size);

/* End it and remove its folder. */
void server_stop(struct server *server);

#endif
