/*
 * tests/engines/http/memory_test.c - every allocation of ours fails once, and
 * from each one on: every request ends once, nothing is leaked, and the client
 * works again.
 */
#include <string.h>

#include "faults.h"
#include "scene.h"

#define CALLS 6

struct sweep {
	size_t nth;
	bool from;
	bool reached;
};

static void sweep_wait(struct scene *s, struct call *calls, bool posts)
{
	for (size_t i = 0; i < CALLS; i++) {
		rig_wait(&s->rig, &calls[i].calls);
		check_int(calls[i].calls, 1);
		if (calls[i].fate == EVKV_HTTP_ANSWERED)
			continue;
		check(calls[i].status == EVKV_NOMEM ||
		    calls[i].status == EVKV_UNAVAILABLE);
		check(posts || calls[i].status != EVKV_OK);
	}
}

static void sweep_once(struct sweep *sweep)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct call calls[CALLS];
	struct scene s;

	scene_begin(&s, 2, NULL);
	s.options.gzip = true;
	s.options.user = "user";
	web_answer_gzip(s.webs[0], "text/plain", "words", 5);
	memset(calls, 0, sizeof(calls));
	if (sweep->from)
		faults_fail_from(sweep->nth);
	else
		faults_fail_nth(sweep->nth);
	s.client = evkv_http_new(s.rig.loop, &s.options, &error);
	if (s.client == NULL)
		check_status(error.status, EVKV_NOMEM);
	for (size_t i = 0; i < CALLS && s.client != NULL; i++) {
		if (i % 2 == 0)
			call_get(&s, &calls[i], "/");
		else
			call_post(&s, &calls[i], "/", EVKV_LIT("x"));
	}
	if (s.client != NULL)
		sweep_wait(&s, calls, true);
	sweep->reached = faults_fired() > 0;
	faults_off();
	if (s.client != NULL) {
		rig_advance(&s.rig, 2000);
		scene_get(&s, &calls[0], "/");
		check_int(calls[0].fate, EVKV_HTTP_ANSWERED);
	}
	scene_close(&s);
}

EVKV_TEST(http_memory, each_allocation_fails_once)
{
	struct sweep sweep = { .nth = 1, .reached = true };

	for (; sweep.reached; sweep.nth++)
		sweep_once(&sweep);
	check(sweep.nth > 40);
}

EVKV_TEST(http_memory, all_allocations_fail_from_one_on)
{
	struct sweep sweep = { .nth = 1, .from = true, .reached = true };

	for (; sweep.reached; sweep.nth++)
		sweep_once(&sweep);
	check(sweep.nth > 40);
}
