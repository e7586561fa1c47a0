/*
 * tests/lib/self_test.c - the harness, tested by itself.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "evkv/alloc.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

static void self_fail(void *arg)
{
	check_int(*(int *)arg, 1);
}

EVKV_TEST(harness_self, a_failed_check_is_seen)
{
	int right = 1, wrong = 2;

	check(test_try(self_fail, &right));
	check(!test_try(self_fail, &wrong));
	check_contains(test_message(), "is 2, expected 1");
}

static void self_compare_slices(void *arg)
{
	check_slice(*(struct evkv_slice *)arg, "a\0b");
}

EVKV_TEST(harness_self, slices_are_compared_as_bytes)
{
	struct evkv_slice same = EVKV_LIT("a\0b"), other = EVKV_LIT("a\0c");

	check(test_try(self_compare_slices, &same));
	check(!test_try(self_compare_slices, &other));
	check_contains(test_message(), "a\\x00c");
}

static bool self_always(void)
{
	return true;
}

EVKV_TEST(harness_self, a_pardoned_check_counts_as_passed)
{
	int wrong = 2;

	test_set_pardon(self_always);
	check(test_try(self_fail, &wrong));
	test_set_pardon(NULL);
	check(!test_try(self_fail, &wrong));
}

struct self_reader {
	struct event *event;
	unsigned runs;
};

static void self_look(evutil_socket_t fd, short what, void *arg)
{
	struct self_reader *reader = arg;

	(void)fd;
	(void)what;
	if (++reader->runs == 5)
		check_int(event_del(reader->event), 0);
}

/* The one goes on as long as anything is ready, the other looks once. */
EVKV_TEST(harness_self, a_single_turn_is_one_and_a_turn_is_many)
{
	struct self_reader reader = { .runs = 0 };
	struct rig rig;
	int fds[2];

	rig_open(&rig);
	check_int(pipe(fds), 0);
	check_int(write(fds[1], "x", 1), 1);
	reader.event = event_new(rig.base, fds[0], EV_READ | EV_PERSIST,
	    self_look, &reader);
	check(reader.event != NULL && event_add(reader.event, NULL) == 0);
	rig_single_turn(&rig);
	check_int(reader.runs, 1);
	rig_single_turn(&rig);
	check_int(reader.runs, 2);
	rig_turn(&rig);
	check_int(reader.runs, 5);
	event_free(reader.event);
	check_int(close(fds[0]) + close(fds[1]), 0);
	rig_close(&rig);
}

/* The claim is another process's, and ends with it. */
EVKV_TEST(harness_self, a_port_is_one_tests_at_a_time)
{
	/* Beyond those that a test is given. */
	int port = child_free_port(), other = port + 30000, asks[2], ends[2];
	char claimed = 0;
	pid_t pid;

	check(port != 0);
	check(!child_claim_port(port));
	check(pipe(asks) == 0 && pipe(ends) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		claimed = (char)child_claim_port(other);
		close(ends[1]);
		_exit(write(asks[1], &claimed, 1) != 1 ||
		    read(ends[0], &claimed, 1) != 0);
	}
	close(ends[0]);
	check_int(read(asks[0], &claimed, 1), 1);
	check_int(claimed, 1);
	check(!child_claim_port(other));
	close(ends[1]);
	check_int(waitpid(pid, NULL, 0), pid);
	check(child_claim_port(other));
	close(asks[0]);
	close(asks[1]);
}

EVKV_TEST(harness_self, faults_hit_the_nth_allocation)
{
	void *blocks[3];
	size_t i;

	check_int(faults_outstanding(), 0);
	faults_fail_nth(2);
	for (i = 0; i < 3; i++)
		blocks[i] = evkv_malloc(8);
	check_int(faults_count(), 3);
	check_int(faults_fired(), 1);
	check(blocks[0] != NULL && blocks[1] == NULL && blocks[2] != NULL);
	check_int(faults_outstanding(), 2);
	for (i = 0; i < 3; i++)
		evkv_free(blocks[i]);

	faults_fail_from(2);
	for (i = 0; i < 3; i++)
		blocks[i] = evkv_malloc(8);
	check(blocks[0] != NULL && blocks[1] == NULL && blocks[2] == NULL);
	check_int(faults_fired(), 2);
	evkv_free(blocks[0]);
	faults_off();
	blocks[0] = evkv_malloc(8);
	check(blocks[0] != NULL);
	evkv_free(blocks[0]);
	check_int(faults_outstanding(), 0);
}
