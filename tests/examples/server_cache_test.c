/*
 * tests/examples/server_cache_test.c - examples/server_cache while its server is
 * killed and started again: it goes on, and loses no callback.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/server_shared.h"
#include "lib/test.h"

#define WAIT_MS 20000
/* The driver's longest pause between tries, and what a busy machine takes. */
#define BACK_MS 5000
#define SLACK_MS 5000

struct example {
	pid_t pid;
	int fd;
	char text[16384]; /* all it has printed */
	size_t size;
};

static int64_t example_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void example_start(struct example *example, const char *url)
{
	int ends[2];

	memset(example, 0, sizeof(*example));
	check(pipe2(ends, O_CLOEXEC) == 0);
	example->pid = fork();
	check(example->pid >= 0);
	if (example->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], 1);
		execl(EXAMPLE, EXAMPLE, url, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	example->fd = ends[0];
}

/* Read until it has printed this, from `from` on; where in the text. */
static size_t example_until(struct example *example, size_t from,
    const char *what)
{
	int64_t end_ms = example_now_ms() + WAIT_MS;
	const char *found;

	while ((found = strstr(example->text + from, what)) == NULL) {
		struct pollfd ready = { .fd = example->fd, .events = POLLIN };
		int64_t left_ms = end_ms - example_now_ms();
		ssize_t got;

		if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) != 1)
			fail_test("\"%s\" did not come: %s", what,
			    example->text + from);
		got = read(example->fd, example->text + example->size,
		    sizeof(example->text) - 1 - example->size);
		if (got <= 0)
			fail_test("it ended: %s", example->text);
		example->size += (size_t)got;
	}
	return (size_t)(found - example->text);
}

/* On a server of that kind, whose URL begins with `scheme`. */
static void outlives(const struct server_options *options, const char *scheme)
{
	struct example example;
	struct server server;
	char url[128];
	int64_t began_ms;
	size_t at;
	int status;

	server_require(options->kind);
	if (!server_start(&server, options))
		fail_test("%s", server.problem);
	snprintf(url, sizeof(url), "%s://localhost:%d", scheme, server.port);
	example_start(&example, url);
	at = example_until(&example, 0, "10 hot reads");
	for (int round = 0; round < 2; round++) {
		server_kill(&server);
		at = example_until(&example, at, "a write failed");
		/* The hot entry is served by the cache meanwhile. */
		example_until(&example, at, "10 hot reads");
		check(server_restart(&server));
		began_ms = example_now_ms();
		at = example_until(&example, at, "writes work again");
		check_between(example_now_ms() - began_ms, 0,
		    BACK_MS + SLACK_MS);
	}
	kill(example.pid, SIGINT);
	example_until(&example, at, "callbacks");
	check(waitpid(example.pid, &status, 0) == example.pid);
	check(WIFEXITED(status));
	check_int(WEXITSTATUS(status), 0);
	close(example.fd);
	server_stop(&server);
}

#ifdef HAVE_REDIS
EVKV_TEST(server_cache, outlives_redis)
{
	outlives(&(struct server_options){ .kind = SERVER_REDIS,
		     .append_only = true },
	    "redis");
}
#endif

#ifdef HAVE_MEMCACHED
EVKV_TEST(server_cache, outlives_memcached)
{
	outlives(&(struct server_options){ .kind = SERVER_MEMCACHED },
	    "memcached");
}
#endif
