/*
 * tests/pipeline/names_test.c - where the connection goes: names, literals,
 * several addresses, unix sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names.h"
#include "engines/pipeline/pipeline.h"
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

static void begin(struct scene *s, struct names *names)
{
	scene_begin(s);
	s->options.pipeline.host = "server.example";
	names_serve(s->rig.base, names);
}

/* Nothing that resolving has left keeps the loop busy. */
static void end(struct scene *s)
{
	names_serve(NULL, NULL);
	evkv_store_unref(s->store);
	peer_close(s->peer);
	rig_settle(&s->rig);
	rig_close(&s->rig);
}

EVKV_TEST(pipeline_names, a_name_is_resolved)
{
	struct names names = { .count = 1, .addresses = { "127.0.0.1" } };
	struct scene s;

	begin(&s, &names);
	scene_store(&s);
	check_works(&s);
	check_int(names.asked, 1);
	end(&s);
}

/* Its answer to the other question is not waited for. */
EVKV_TEST(pipeline_names, a_name_server_that_ignores_ipv6)
{
	struct names names = {
		.count = 1, .addresses = { "127.0.0.1" }, .only_a = true
	};
	struct scene s;
	unsigned i;

	begin(&s, &names);
	scene_store(&s);
	rig_until(&s.rig, names.asked == 1);
	for (i = 0; i < 3; i++)
		rig_turn_waiting(&s.rig);
	check_int(s.peer->accepted, 0);
	rig_advance(&s.rig, 501);
	check_works(&s);
	check_int(scene_counters(&s).attempts, 1);
	end(&s);
}

EVKV_TEST(pipeline_names, the_text_of_a_hosts_file)
{
	static const struct {
		const char *text, *name;
		size_t count;
	} cases[] = {
		{ "", "a", 0 },
		{ "127.0.0.1 a", "a", 1 },
		{ "127.0.0.1 a", "b", 0 },
		{ "127.0.0.1\ta b\r\n::1 b A\n", "a", 2 },
		{ "#127.0.0.1 a\n127.0.0.2 b#a\n127.0.0.3 #a", "a", 0 },
		{ " \t 127.0.0.1  a  \n\n\n", "A", 1 },
		{ "127.0.0.1", "", 0 },
		{ "nonsense a\n127.0.0.1:80 a\n127.0.0.4 a\n", "a", 1 },
		{ "127.0.0.1 aa a. .a\n", "a", 0 },
		{ "\n\n#\n", "a", 0 },
	};
	struct address found[PIPELINE_ADDRESSES];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_int(evkv__pipe_hosts_find(evkv_str(cases[i].text),
			      cases[i].name, 1, found),
		    cases[i].count);
}

EVKV_TEST(pipeline_names, all_addresses_are_tried)
{
	struct names names = { .count = 3,
		.addresses = { "127.0.0.2", "127.0.0.3", "127.0.0.1" } };
	struct scene s;

	begin(&s, &names);
	scene_store(&s);
	check_works(&s);
	check_int(s.peer->accepted, 1);
	check_int(scene_counters(&s).attempts, 1);
	end(&s);
}

/* IPv6 first, where there is nobody, or no IPv6 at all. */
EVKV_TEST(pipeline_names, both_families_are_tried)
{
	struct names names = {
		.count = 1, .addresses = { "127.0.0.1" }, .ipv6 = true
	};
	struct scene s;

	begin(&s, &names);
	scene_store(&s);
	check_works(&s);
	check_int(s.pipeline->address_count, 2);
	check_int(s.pipeline->addresses[0].sockaddr.ss_family, AF_INET6);
	check_int(s.pipeline->address_next, 2);
	end(&s);
}

EVKV_TEST(pipeline_names, when_all_refuse_that_is_the_reason)
{
	struct names names = { .count = 2,
		.addresses = { "127.0.0.2", "127.0.0.3" } };
	struct scene s;

	begin(&s, &names);
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_CONNECT, ECONNREFUSED, "server.example:");
	end(&s);
}

/* An address that swallows packets uses up its share of the time alone. */
EVKV_TEST(pipeline_names, a_dead_address_leaves_time_for_the_next)
{
	struct names names = { .count = 2,
		.addresses = { "127.0.0.2", "127.0.0.1" } };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int full, fillers[8], i;
	struct scene s;

	begin(&s, &names);
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
	rig_until(&s.rig, names.asked == 1);
	for (i = 0; i < 10; i++)
		rig_turn_waiting(&s.rig);
	if (evkv_pipeline_state(s.pipeline) != EVKV_STATE_READY)
		rig_advance(&s.rig, 2501);
	check_works(&s);
	check_int(scene_counters(&s).attempts, 1);
	for (i = 0; i < 8; i++)
		(void)close(fillers[i]);
	(void)close(full);
	end(&s);
}

EVKV_TEST(pipeline_names, an_unknown_name_is_asked_for_again)
{
	struct names names = {
		.unknown = true, .count = 1, .addresses = { "127.0.0.1" }
	};
	struct scene s;

	begin(&s, &names);
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_RESOLVE, 0, "server.example:");
	names.unknown = false;
	rig_advance(&s.rig, 50);
	check_works(&s);
	end(&s);
}

/* A mistake in an option is no want of memory. */
EVKV_TEST(pipeline_names, a_name_that_can_not_be)
{
	char label[65], name[256];
	struct names names = { .unknown = true };
	struct scene s;
	unsigned i;

	memset(label, 'a', sizeof(label) - 1);
	label[64] = '\0';
	memset(name, 'b', sizeof(name) - 1);
	name[255] = '\0';
	for (i = 50; i < 255; i += 50)
		name[i] = '.';
	begin(&s, &names);
	s.options.pipeline.host = label;
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_RESOLVE, 0, "it is longer than names are");
	end(&s);
	begin(&s, &names);
	s.options.pipeline.host = name;
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_RESOLVE, 0, "bbbb");
	end(&s);
	/* This one may be, and is asked for. */
	begin(&s, &names);
	s.options.pipeline.host = label + 1;
	scene_store(&s);
	check_cause(&s, EVKV_CAUSE_RESOLVE, 0, "name does not exist");
	end(&s);
}

EVKV_TEST(pipeline_names, hosts_and_literals_need_no_name_server)
{
	char path[] = "/tmp/evkv-hosts-XXXXXX";
	struct scene s;
	FILE *file;
	int fd;

	fd = mkstemp(path);
	check(fd >= 0);
	file = fdopen(fd, "w");
	check(file != NULL);
	check(fputs("# ours\n127.0.0.1\tcache.example cache\n", file) >= 0);
	check(fclose(file) == 0);
	scene_begin(&s);
	check(evkv__pipe_resolver_hosts(s.rig.loop, path));
	s.options.pipeline.host = "cache";
	scene_store(&s);
	check_works(&s);
	check(strncmp(evkv_pipeline_name(s.pipeline), "cache:", 6) == 0);
	end(&s);
	scene_open(&s);
	check_works(&s);
	end(&s);
	/* No file need have this one. */
	scene_begin(&s);
	check(evkv__pipe_resolver_hosts(s.rig.loop, path));
	s.options.pipeline.host = "localhost";
	scene_store(&s);
	check_works(&s);
	end(&s);
	check(unlink(path) == 0);
}

/* Nobody to ask: the try ends by its own time. */
EVKV_TEST(pipeline_names, without_a_name_server_time_runs_out)
{
	struct answer wait = ANSWER_INIT;
	struct scene s;
	int i;

	scene_begin(&s);
	s.options.pipeline.host = "server.example";
	scene_store(&s);
	evkv_store_wait_ready(s.store, -1, answer_cb, &wait);
	for (i = 0; i < 5; i++)
		rig_turn_waiting(&s.rig);
	rig_advance(&s.rig, 5001);
	rig_wait(&s.rig, &wait.calls);
	check_int(wait.cause, EVKV_CAUSE_RESOLVE);
	answer_free(&wait);
	end(&s);
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
	fd = s.pipeline->fd;
	check((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	check((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	check_int(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	check_int(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	check_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	end(&s);
	scene_begin(&s);
	s.options.pipeline.keepalive_ms = -1;
	scene_store(&s);
	scene_ready(&s);
	check_int(option(s.pipeline->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	end(&s);
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
	end(&s);
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
	end(&s);
	check(rmdir(folder) == 0);
}
