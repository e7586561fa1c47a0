/*
 * tests/lib/server_shared.h - one server for all cases of a test program.
 *
 * Criterion runs each case in a process of its own, which would have to start
 * its own server. A program that links this starts one of each kind that it
 * names, before main(), and its cases find it through the environment; each
 * takes a database of its own.
 *
 *     SERVER_SHARED(SERVER_REDIS)
 *
 *     struct server *server = server_shared(SERVER_REDIS);
 *     int db = server_shared_db(server);
 */
#ifndef TESTS_LIB_SERVER_SHARED_H
#define TESTS_LIB_SERVER_SHARED_H

#include "server.h"

/* The password of every shared Redis or Valkey. */
#define SERVER_SHARED_PASSWORD "a secret/of:the@tests"

/* Have a server of this kind; once per kind in a program. */
#define SERVER_SHARED(kind_)                                                   \
	__attribute__((constructor)) static void server_shared_want(void)      \
	{                                                                      \
		server_shared_start(kind_);                                    \
	}
void server_shared_start(enum server_kind kind);

/*
 * The server. Where its program is not installed the test is skipped, but
 * with CI=true in the environment it fails.
 */
struct server *server_shared(enum server_kind kind);

/* The number of a database of a Redis that nobody has used yet. */
int server_shared_db(struct server *server);

/* For programs with servers of their own: the same about a missing program. */
void server_require(enum server_kind kind);

#endif
