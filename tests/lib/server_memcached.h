/*
 * tests/lib/server_memcached.h - what is memcached's own in server.c.
 */
#ifndef TESTS_LIB_SERVER_MEMCACHED_H
#define TESTS_LIB_SERVER_MEMCACHED_H

#include "server.h"

static inline bool server_is_memcached(enum server_kind kind)
{
	return kind >= SERVER_MEMCACHED && kind <= SERVER_MEMCACHED_UNIX;
}

/* Append an argument of its command line; server.c. */
void server_argument(struct server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void server_memcached_arguments(struct server *server,
    const struct server_options *options);
/* A command, as a line; its size. */
size_t server_memcached_write(const char *const *words, char *text,
    size_t room);
/* The words of a login. */
void server_memcached_login(const struct server *server, char *text,
    size_t room);
/* A connection to a port of the loopback, or -1. */
int server_connect_tcp(int port);

#endif
