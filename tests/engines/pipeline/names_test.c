/*
 * tests/engines/pipeline/names_test.c - where the connection goes: names,
 * literals, several addresses, unix sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns.h"
#include "engines/pipeline/pipeline.h"
#include "no_files.h"
#include "scene.h"

static void check_works(struct scene *s)
{
	struct answer answer = ANSWER_INIT;

	line_get(s->store, 1, &answer);
	rig_wait(&s->rig, &answer.calls);
	check_str(answer.message, "");
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

static void check_cause(struct scene *s, enum evkv_cause cause, int sys_error,
    const char *words)
{
	struct answer wait = ANSWER_INIT;

	evkv_store_wait_ready(s->store, -1, answer_cb, &wait);
	rig_advance(&s->rig, 50);
	rig_wait(&s->rig, &wait.calls);
	check_status(wait.status, EVKV_UNAVAILABLE);
	check_int(wait.cause, cause);
	check_int(wait.sys_error, sys_error);
	check_contains(wait.message, words);
	answer_free(&wait);
}

static const struct dns_record one_address[] = {
	{ "server.example", "127.0.0.1" },
	{ NULL, NULL },
};

/* A server of these records is in `dns`; the caller's, for its counters. */
static void begin(struct scene *s, struct dns *dns, struct dns_server *names,
    const struct dns_record *records)
{
	scene_begin(s);
	s->options.pipeline.host = "server.example";
	memset(names, 0, sizeof(*names));
	names->records = records;
	dns_begin(dns, names, s->rig.base, s->rig.loop);
}

/* Nothing that resolving has left keeps the loop busy. */
static void end(struct scene *s, struct dns *dns)
{
	if (dns != NULL)
		dns_close(dns);
	evkv_store_unref(s->store);
	peer_close(s->peer);
	rig_settle(&s->rig);
	rig_close(&s->rig);
}

EVKV_TEST(pipeline_names, a_name_is_resolved)
{
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, one_address);
	scene_store(&s);
	check_works(&s);
	check_int(names.asked_a, 1);
	end(&s, &dns);
}

EVKV_TEST(pipeline_names, all_addresses_are_tried)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.2" },
		{ "server.example", "127.0.0.3" },
		{ "server.example", "127.0.0.1" },
		{ NULL, NULL },
	};
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, records);
	scene_store(&s);
	check_works(&s);
	check_int(s.peer->accepted, 1);
	check_int(scene_counters(&s).attempts, 1);
	end(&s, &dns);
}

/* IPv6 first where there is nobody; last where there is no IPv6 at all. */
EVKV_TEST(pipeline_names, both_families_are_tried)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.1" },
		{ "server.example", "::1" },
		{ NULL, NULL },
	};
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, records);
	scene_store(&s);
	check_works(&s);
	check_int(s.pipeline->address_count, 2);
	check_int(scene_counters(&s).attempts, 1);
	end(&s, &dns);
}

EVKV_TEST(pipeline_names, when_all_refuse_that_is_the_reason)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.2" },
		{ "server.example", "127.0.0.3" },
		{ NULL, NULL },
	};
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, records);
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_CONNECT, ECONNREFUSED, "server.example:");
	end(&s, &dns);
}

/* An address that swallows packets uses up its share of the time alone. */
EVKV_TEST(pipeline_names, a_dead_address_leaves_time_for_the_next)
{
	static const struct dns_record records[] = {
		{ "server.example", "127.0.0.2" },
		{ "server.example", "127.0.0.1" },
		{ NULL, NULL },
	};
	struct sockaddr_in in = { .sin_family = AF_INET };
	int full, fillers[8], i;
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, records);
	full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(full >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	in.sin_port = htons((uint16_t)s.peer->port);
	check(bind(full, (struct sockaddr *)&in, sizeof(in)) == 0);
	check(listen(full, 0) == 0);
	for (i = 0; i < 8; i++) {
		fillers[i] = socket(AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		check(fillers[i] >= 0);
		(void)connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
	}
	scene_store(&s);
	rig_until(&s.rig, s.pipeline->address_count == 2);
	for (i = 0; i < 5; i++)
		rig_turn_waiting(&s.rig);
	/* Half of it, there being two. */
	check_int(s.pipeline->address_next, 1);
	rig_advance(&s.rig, 2499);
	rig_turn(&s.rig);
	check_int(s.pipeline->address_next, 1);
	check_int(s.peer->accepted, 0);
	rig_advance(&s.rig, 2);
	check_int(s.pipeline->address_next, 2);
	check_works(&s);
	check_int(scene_counters(&s).attempts, 1);
	for (i = 0; i < 8; i++)
		(void)close(fillers[i]);
	(void)close(full);
	end(&s, &dns);
}

EVKV_TEST(pipeline_names, an_unknown_name_is_asked_for_again)
{
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, NULL);
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_RESOLVE, 0,
	    "cannot resolve the name: the name does not exist");
	names.records = one_address;
	rig_advance(&s.rig, 50);
	check_works(&s);
	end(&s, &dns);
}

/* Nobody to ask: the try ends by its own time. */
EVKV_TEST(pipeline_names, when_no_name_server_answers_time_runs_out)
{
	struct answer wait = ANSWER_INIT;
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, one_address);
	names.silent = true;
	scene_store(&s);
	evkv_store_wait_ready(s.store, -1, answer_cb, &wait);
	rig_until(&s.rig, names.asked >= 2);
	rig_advance(&s.rig, 5001);
	rig_wait(&s.rig, &wait.calls);
	check_int(wait.cause, EVKV_CAUSE_RESOLVE);
	answer_free(&wait);
	end(&s, &dns);
}

/* ---- The world changes ------------------------------------------------- */

/* Down, and back within seconds after the name says something else. */
static void check_comes_back(struct scene *s)
{
	unsigned i;

	for (i = 0;
	     i < 200 && evkv_pipeline_state(s->pipeline) != EVKV_STATE_READY;
	     i++) {
		rig_turn_waiting(&s->rig);
		rig_advance(&s->rig, 20);
	}
	check_works(s);
}

/* A name server is asked once a second at most, however often it is tried. */
EVKV_TEST(pipeline_names, what_was_found_is_used_for_a_second)
{
	static const struct dns_record wrong[] = {
		{ "server.example", "127.0.0.2" },
		{ NULL, NULL },
	};
	struct dns_server names;
	struct dns dns;
	struct scene s;
	unsigned i;

	begin(&s, &dns, &names, wrong);
	scene_store(&s);
	for (i = 0; i < 100; i++) {
		check(evkv_get(s.store, EVKV_LIT("c"), EVKV_LIT("k1"), NULL,
			  NULL) != 0);
		rig_advance(&s.rig, 50);
		rig_turn_waiting(&s.rig);
	}
	check_between(scene_counters(&s).attempts, 12, 60);
	check_between(names.asked_a, 3, 6);
	end(&s, &dns);
}

/* The server it was at is gone; the file names the new one. */
EVKV_TEST(pipeline_names, a_hosts_file_that_is_edited)
{
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, NULL);
	dns_hosts(&dns, "127.0.0.2 server.example\n");
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_CONNECT, ECONNREFUSED, "server.example:");
	dns_hosts(&dns, "127.0.0.1 server.example\n");
	check_comes_back(&s);
	check_int(names.asked, 0);
	end(&s, &dns);
}

/* It could be resolved all the time, at an address where nobody is. */
EVKV_TEST(pipeline_names, a_name_server_that_is_replaced)
{
	static const struct dns_record wrong[] = {
		{ "server.example", "127.0.0.2" },
		{ NULL, NULL },
	};
	struct dns_server names, other = { .records = one_address };
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, wrong);
	dns_serve(&dns, &other, "127.0.0.2");
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_CONNECT, ECONNREFUSED, "server.example:");
	dns_resolv(&dns, "nameserver 127.0.0.2\n");
	check_comes_back(&s);
	/* And back, the connection being lost. */
	names.records = one_address;
	dns_stop(&other);
	dns_resolv(&dns, "nameserver 127.0.0.1\n");
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	check_comes_back(&s);
	end(&s, &dns);
}

/* resolv.conf names nobody who answers, then somebody who does. */
EVKV_TEST(pipeline_names, a_name_server_that_comes_later)
{
	struct dns_server names, silent = { .silent = true };
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, one_address);
	dns_serve(&dns, &silent, "127.0.0.2");
	dns_resolv(&dns, "nameserver 127.0.0.2\n");
	scene_store(&s);
	rig_until(&s.rig, silent.asked >= 2);
	rig_advance(&s.rig, 5001);
	scene_until(&s, EVKV_STATE_DOWN);
	dns_resolv(&dns, "nameserver 127.0.0.1\n");
	check_comes_back(&s);
	end(&s, &dns);
}

/* The name is resolved, wrongly, and no file changes: the failed try counts. */
EVKV_TEST(pipeline_names, files_that_could_not_be_read_at_first)
{
	static const struct dns_record wrong[] = {
		{ "server.example", "127.0.0.2" },
		{ NULL, NULL },
	};
	struct dns_server names, other = { .records = one_address };
	struct dns dns;
	struct scene s;

	begin(&s, &dns, &names, wrong);
	dns_serve(&dns, &other, "127.0.0.2");
	dns_resolv(&dns, "nameserver 127.0.0.2\n");
	no_files = true;
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	no_files = false;
	check(names.asked > 0);
	check_int(s.cause, EVKV_CAUSE_CONNECT);
	check_comes_back(&s);
	check(other.asked > 0);
	end(&s, &dns);
}

/* No descriptor is free when the connection is made; later there is one. */
EVKV_TEST(pipeline_names, no_descriptor_for_a_connection)
{
	struct rlimit before, none;
	struct scene s;
	int fd;

	scene_begin(&s);
	check(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	fd = dup(0);
	check(fd >= 0);
	(void)close(fd);
	none.rlim_cur = (rlim_t)fd;
	check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	scene_store(&s);
	scene_until(&s, EVKV_STATE_DOWN);
	check(setrlimit(RLIMIT_NOFILE, &before) == 0);
	check_int(s.pipeline->failure.cause, EVKV_CAUSE_CONNECT);
	check_contains(s.pipeline->failure.message, "Too many open files");
	check_comes_back(&s);
	end(&s, NULL);
}

/* ---- Sockets ----------------------------------------------------------- */

/* As the system may do with a port of the loopback that nobody listens at. */
EVKV_TEST(pipeline_names, a_socket_that_is_connected_to_itself)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);
	struct transport net;

	memset(&net, 0, sizeof(net));
	net.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(net.fd >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(net.fd, (struct sockaddr *)&in, size) == 0);
	check(getsockname(net.fd, (struct sockaddr *)&in, &size) == 0);
	check(connect(net.fd, (struct sockaddr *)&in, size) == 0);
	check(!evkv__net_connected(&net));
	check_int(net.failure.sys_error, ECONNREFUSED);
	(void)close(net.fd);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	check(getsockopt(fd, level, name, &value, &size) == 0);
	return value;
}

EVKV_TEST(pipeline_names, the_sockets_options)
{
	struct scene s;
	int fd;

	scene_begin(&s);
	s.options.pipeline.keepalive_ms = 30000;
	scene_store(&s);
	scene_ready(&s);
	fd = s.pipeline->net.fd;
	check((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	check((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	check_int(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	check_int(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	check_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	check_int(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	check_int(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	end(&s, NULL);
	scene_begin(&s);
	s.options.pipeline.keepalive_ms = -1;
	scene_store(&s);
	scene_ready(&s);
	check_int(option(s.pipeline->net.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	end(&s, NULL);
}

EVKV_TEST(pipeline_names, ipv6_literals)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool there = fd >= 0 &&
	    bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;
	char expected[32];
	struct scene s;

	if (fd >= 0)
		(void)close(fd);
	if (!there)
		skip_test("this machine has no IPv6 loopback");
	scene_begin_with(&s, &(struct peer_options){ .ipv6 = true });
	scene_store(&s);
	check_works(&s);
	snprintf(expected, sizeof(expected), "[::1]:%d", s.peer->port);
	check_str(evkv_pipeline_name(s.pipeline), expected);
	end(&s, NULL);
}

EVKV_TEST(pipeline_names, unix_sockets)
{
	char folder[] = "/tmp/evkv-unix-XXXXXX", path[64];
	struct scene s;

	check(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/socket", folder);
	scene_begin_with(&s, &(struct peer_options){ .unix_path = path });
	scene_store(&s);
	check_works(&s);
	check_str(evkv_pipeline_name(s.pipeline), path);
	peer_refuse(s.peer);
	peer_cut_all(s.peer);
	scene_until(&s, EVKV_STATE_DOWN);
	check(unlink(path) == 0);
	check_cause(&s, EVKV_CAUSE_CONNECT, ENOENT, path);
	peer_accept(s.peer);
	rig_advance(&s.rig, 5000);
	check_works(&s);
	end(&s, NULL);
	check(rmdir(folder) == 0);
}
