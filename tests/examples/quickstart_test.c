/*
 * tests/examples/quickstart_test.c - the program of the README ends by itself,
 * whatever store it is given: in the process, on a server that answers, and on
 * one that is dead or silent.
 */
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

/* The example's own deadline, and what a busy machine takes. */
#define QUICKSTART_DEADLINE_MS 2000
#define QUICKSTART_SLACK_MS 8000

static int64_t quickstart_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Run it to its end: what it printed, into `text`; returns its exit status. */
static int quickstart_run(const char *url, char *text, size_t room)
{
	int64_t end_ms = quickstart_now_ms() + QUICKSTART_DEADLINE_MS +
	    QUICKSTART_SLACK_MS;
	int ends[2], status;
	size_t size = 0;
	pid_t pid;

	check(pipe(ends) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execl(EXAMPLE, EXAMPLE, url, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	for (;;) {
		struct pollfd ready = { .fd = ends[0], .events = POLLIN };
		int64_t left_ms = end_ms - quickstart_now_ms();
		ssize_t got;

		if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) != 1) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			text[size] = '\0';
			fail_test("it does not end: %s", text);
		}
		got = read(ends[0], text + size, room - 1 - size);
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	text[size] = '\0';
	close(ends[0]);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status));
	return WEXITSTATUS(status);
}

EVKV_TEST(example_quickstart, ends_with_stores_in_the_process)
{
	char text[512];

	check_int(quickstart_run("memory:", text, sizeof(text)), EXIT_SUCCESS);
	check_str(text, "ada is Lovelace\n");
	check_int(quickstart_run("simple:", text, sizeof(text)), EXIT_SUCCESS);
	check_str(text, "ada is Lovelace\n");
}

EVKV_TEST(example_quickstart, ends_with_a_server_and_without)
{
	struct server server;
	char text[512], url[128];

	server_require(SERVER_REDIS);
	if (!server_start(&server, &(struct server_options){ .kind = 0 }))
		fail_test("%s", server.problem);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", server.port);
	check_int(quickstart_run(url, text, sizeof(text)), EXIT_SUCCESS);
	check_str(text, "ada is Lovelace\n");

	/* It takes connections, and is silent. */
	server_pause(&server);
	check_int(quickstart_run(url, text, sizeof(text)), EXIT_FAILURE);
	check_contains(text, "ada: TIMEOUT");
	server_resume(&server);

	server_kill(&server);
	check_int(quickstart_run(url, text, sizeof(text)), EXIT_FAILURE);
	check_contains(text, "ada: ");
	server_stop(&server);
}
