/*
 * tests/core/child_test.c - child ops: what becomes of their results, marks
 * that go up, stopping and detaching, deadlines, want of memory.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "echo.h"
#include "faults.h"

EVKV_TEST(core_child, a_childs_result_becomes_the_parents)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	evkv_ttl(s.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	scripted_complete_value(s.script, 0, EVKV_LIT("v"), 77);
	check_int(a.calls, 0);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	check_int(a.entries[0].ttl_ms, 77);
	check_int(echo.ends, 1);
	/* Answered at once. */
	s.script->immediate = true;
	s.script->status = EVKV_NOT_FOUND;
	answer_reset(&a);
	scene_get(&s, &a);
	check_int(echo.ends, 2);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_childs_failure_tells_why)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	evkv_keys(s.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &a);
	scene_answer(&s, EVKV_SERVER);
	check_status(a.status, EVKV_SERVER);
	check_str(a.message, "a child failed");
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_join_ends_with_its_last_child)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	check_int(scripted_count(s.script), 2);
	check_int(scene_counters(&s)->pending, 1);
	scripted_complete(s.script, 1, EVKV_OK);
	rig_turn(&s.rig);
	check_int(a.calls, 0);
	scripted_complete(s.script, 0, EVKV_IO);
	rig_turn(&s.rig);
	/* One of them has had its effect: that it failed is not all. */
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.affected, -1);
	check_int(echo.ends, 2);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_mark_goes_up_unless_the_child_is_auxiliary)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;
	unsigned auxiliary;

	for (auxiliary = 0; auxiliary < 2; auxiliary++) {
		echo = (struct echo){ .mode = ECHO_CHILD,
			.child_flags = auxiliary ? EVKV_CHILD_AUXILIARY : 0 };
		echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
		ticket = scene_put(&s, &a);
		check(scripted_mark_sent(s.script, 0));
		evkv_cancel(s.rig.loop, ticket);
		rig_turn(&s.rig);
		check_status(a.status,
		    auxiliary ? EVKV_CANCELED : EVKV_UNKNOWN_OUTCOME);
		/* What only tidies up is not stopped with its parent. */
		check_int(s.script->stops, auxiliary ? 0 : 1);
		scene_answer(&s, EVKV_OK);
		check_int(a.calls, 1);
		answer_reset(&a);
		scene_close(&s);
	}
	answer_free(&a);
}

EVKV_TEST(core_child, children_are_stopped_with_their_parent)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &echo, SCRIPTED_STOP_COMPLETES);
	ticket = scene_put(&s, &a);
	evkv_cancel(s.rig.loop, ticket);
	/* Both ended by being stopped, and the join with them. */
	check_int(echo.ends, 2);
	check_int(scene_counters(&s)->pending, 0);
	rig_turn(&s.rig);
	check_int(a.calls, 1);
	check_status(a.status, EVKV_CANCELED);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, one_sent_child_makes_the_outcome_unknown)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	ticket = scene_put(&s, &a);
	check(scripted_mark_sent(s.script, 1));
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.cause, EVKV_CAUSE_CANCELED);
	check_int(s.script->stops, 2);
	scripted_complete_all(s.script, EVKV_OK);
	answer_free(&a);
	scene_close(&s);
}

/* It was never sent, so far as the mark tells; but what it did is not known. */
EVKV_TEST(core_child, a_child_that_cannot_tell_makes_the_outcome_unknown)
{
	struct echo echo = { .mode = ECHO_PAIR };
	struct answer a = ANSWER_INIT;
	struct scene s;
	evkv_ticket ticket;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	ticket = scene_put(&s, &a);
	scripted_complete(s.script, 0, EVKV_UNKNOWN_OUTCOME);
	evkv_cancel(s.rig.loop, ticket);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.cause, EVKV_CAUSE_CANCELED);
	scripted_complete_all(s.script, EVKV_CANCELED);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_child_may_have_a_deadline)
{
	struct echo echo = { .mode = ECHO_CHILD, .child_timeout_ms = 50 };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	rig_advance(&s.rig, 50);
	rig_turn(&s.rig);
	check_status(echo.ended, EVKV_TIMEOUT);
	check_status(a.status, EVKV_TIMEOUT);
	/* The parent's answer came; the child runs out below. */
	check_int(scripted_count(s.script), 1);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(echo.ends, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_wrapper_may_detach_its_child)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct answer a = ANSWER_INIT;
	struct scene s;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	scene_put(&s, &a);
	scripted_mark_sent(s.script, 0);
	check(echo.child != NULL);
	evkv_child_detach(echo.child, EVKV_TIMEOUT, EVKV_CAUSE_TIMEOUT);
	check_int(echo.ends, 1);
	check_status(echo.ended, EVKV_UNKNOWN_OUTCOME);
	rig_turn(&s.rig);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	scripted_complete_all(s.script, EVKV_OK);
	check_int(echo.ends, 1);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(core_child, a_child_of_nobody)
{
	struct echo echo = { .mode = ECHO_CHILD };
	struct echo_join join = { .echo = &echo, .count = 2 };
	struct evkv_slice key = EVKV_LIT("k");
	struct evkv_op *child;
	struct scene s;
	unsigned n;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	echo.mode = ECHO_PAIR; /* takes nothing over */
	child = evkv_child_submit(NULL, s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET, .keys = &key, .count = 1 },
	    0, echo_on_child, &join);
	check(child != NULL);
	/* It keeps the base's loop from ending. */
	check(event_base_loop(s.rig.base, EVLOOP_NONBLOCK) == 0);
	scripted_complete_all(s.script, EVKV_NOT_FOUND);
	check_int(echo.ends, 1);
	check_status(echo.ended, EVKV_OK);
	/* Without memory the callback says so, inside the call. */
	faults_fail_from(1);
	join.count = 2;
	for (n = 0; evkv_child_submit(NULL, s.store,
			&(struct evkv_request){
			    .kind = EVKV_OP_GET, .keys = &key, .count = 1 },
			0, echo_on_child, &join) != NULL;
	     n++) {
		check(n < 1000); /* ops that were kept for reuse */
		join.count = 2;
	}
	faults_off();
	check_status(echo.ended, EVKV_NOMEM);
	scripted_complete_all(s.script, EVKV_OK);
	scene_close(&s);
}

static void child_on_ended(struct evkv_op *child, void *arg)
{
	check(evkv_op_request(child) == NULL);
	check(evkv_op_data(child) == NULL);
	(*(unsigned *)arg)++;
}

static void child_ask_an_ended_one(struct evkv_store *store, unsigned *ends)
{
	struct evkv_slice key = EVKV_LIT("k");

	check(evkv_child_submit(NULL, store,
		  &(struct evkv_request){
		      .kind = EVKV_OP_GET, .keys = &key, .count = 1 },
		  0, child_on_ended, ends) == NULL);
}

/* An assertion in debug builds, NULL in others. */
EVKV_TEST(core_child, a_child_that_has_ended_is_at_no_level)
{
	struct scene s;
	unsigned ends = 0;

	scene_open(&s, SCRIPTED_STOP_HOLDS, SCRIPTED_CLOSE_AT_ONCE);
	s.script->immediate = true;
	s.script->status = EVKV_NOT_FOUND;
#ifdef EVKV_DEBUG
	int how = 0;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		child_ask_an_ended_one(s.store, &ends);
		_exit(0);
	}
	check(waitpid(pid, &how, 0) == pid);
	check(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
#else
	child_ask_an_ended_one(s.store, &ends);
	check_int(ends, 1);
#endif
	scene_close(&s);
}

/* The nth allocation on the way fails; false: there was no nth. */
static bool child_wants_memory(size_t n)
{
	struct echo echo = { .mode = ECHO_CHILD, .child_timeout_ms = 50 };
	struct answer a = ANSWER_INIT;
	struct scene s;
	bool accepted;

	echo_open(&s, &echo, SCRIPTED_STOP_HOLDS);
	faults_fail_nth(n);
	accepted = scene_put(&s, &a) != 0;
	rig_turn(&s.rig);
	scene_answer(&s, EVKV_OK);
	faults_off();
	check_int(a.calls, accepted);
	if (accepted)
		check_status(a.status,
		    faults_fired() > 0 ? EVKV_NOMEM : EVKV_OK);
	answer_free(&a);
	scene_close(&s);
	return faults_fired() > 0;
}

EVKV_TEST(core_child, wanting_memory_a_child_still_ends_once)
{
	size_t n = 1;

	while (child_wants_memory(n))
		n++;
	/* For the op, for what the wrapper keeps, and for the child. */
	check(n > 3);
}
