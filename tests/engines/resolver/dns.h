/*
 * tests/engines/resolver/dns.h - name servers on the test's loop, and files of
 * our own in place of /etc/resolv.conf and /etc/hosts.
 *
 *     struct dns dns;
 *     struct dns_server server = { .records = records };
 *
 *     dns_open(&dns, rig.base, rig.loop);
 *     dns_serve(&dns, &server, "127.0.0.1");
 *     dns_resolv(&dns, "nameserver 127.0.0.1\n");
 *     ...
 *     dns_close(&dns);
 *
 * All servers of one dns have the same port, of UDP and of TCP, on addresses of
 * the loopback. A resolv.conf that names nobody is none, to c-ares, and makes
 * it ask 127.0.0.1.
 */
#ifndef TESTS_ENGINES_RESOLVER_DNS_H
#define TESTS_ENGINES_RESOLVER_DNS_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

struct evkv_loop;

#define DNS_SERVERS 4
#define DNS_HELD 8
#define DNS_CONNS 8

/* What a name has: "127.0.0.1", "::1", or "=other.name" for an alias. */
struct dns_record {
	const char *name, *data;
};

struct dns_server;

struct dns_conn {
	struct dns_server *server;
	struct event *event;
	unsigned char data[1024];
	size_t size;
};

struct dns_server {
	/* How it behaves, from now on. */
	const struct dns_record *records; /* up to one without a name */
	bool silent;                      /* answers nothing */
	bool only_a;    /* answers nothing but questions for IPv4 */
	bool truncates; /* answers in full by TCP alone */
	bool drops_tcp; /* closes TCP connections at once */
	bool held;      /* answers at dns_release() */
	int code;       /* of all answers: 2 = SERVFAIL, 5 = REFUSED; 0 */

	unsigned asked;   /* questions so far */
	unsigned asked_a; /* of those, for IPv4 */
	unsigned asked_tcp;
	char last[256]; /* the last name that was asked for */

	struct event *udp, *tcp;
	struct dns_conn conns[DNS_CONNS];
	struct {
		unsigned char data[512];
		size_t size;
		unsigned char from[32];
		unsigned from_size;
	} kept[DNS_HELD];
	unsigned kept_count;
	struct dns *dns;
};

struct dns {
	struct event_base *base;
	int port;
	char folder[64], resolv[96], hosts[96];
	struct dns_server *servers[DNS_SERVERS];
};

void dns_open(struct dns *dns, struct event_base *base, struct evkv_loop *loop);
void dns_close(struct dns *dns);
void dns_serve(struct dns *dns, struct dns_server *server, const char *address);
/* Its port refuses from now on. */
void dns_stop(struct dns_server *server);
void dns_release(struct dns_server *server);
/* The files, written in another one's place as editors do. */
void dns_resolv(struct dns *dns, const char *text);
void dns_hosts(struct dns *dns, const char *text);

/* All in one: a server of these records at 127.0.0.1, and the file. */
void dns_begin(struct dns *dns, struct dns_server *server,
    struct event_base *base, struct evkv_loop *loop);

#endif
