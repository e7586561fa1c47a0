/*
 * tests/engines/http/pauses_test.c - answers that are so large that a turn of
 * the loop takes only a part of them.
 */
#include <string.h>

#include "engines/http/http.h"
#include "scene.h"

#define CALLS 4
#define LARGE ((size_t)3 << 20)
#define TURN ((size_t)128 << 10) /* bytes that a turn takes */
#define PIECE ((size_t)16 << 10) /* that libcurl reads at a time */

static char large[LARGE + 1];

static struct evkv_slice large_text(void)
{
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)('a' + (i ^ i >> 9) % 23);
	return evkv_bytes(large, LARGE);
}

/* A client whose server has a large answer, and requests for it. */
static void begin(struct scene *s, struct call *calls)
{
	struct evkv_slice text = large_text();

	scene_open(s, 1);
	web_answer(s->webs[0], 200, "text/plain", large);
	memset(calls, 0, CALLS * sizeof(*calls));
	for (size_t i = 0; i < CALLS; i++) {
		calls[i].expected = text;
		call_get(s, &calls[i], "/");
	}
}

static size_t received(const struct call *calls)
{
	size_t size = 0;

	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].calls > 0)
			size += LARGE;
		else if (calls[i].http.answer != NULL)
			size += calls[i].http.answer->received;
	}
	return size;
}

/*
 * Whether it has stopped within its answer. Newer versions of libcurl give what
 * they have kept later than when they are told to go on; so at the end of a turn
 * it may be on its way again.
 */
static bool has_stopped(const struct call *call, size_t received_by_all)
{
	const struct http_transfer *transfer = call->http.transfer;

	if (transfer == NULL)
		return false;
	return transfer->paused ||
	    (received_by_all >= TURN && call->http.answer != NULL &&
		call->http.answer->received > 0);
}

static struct call *stopped(struct scene *s, struct call *calls)
{
	for (size_t turns = 0; turns < 10000; turns++) {
		for (size_t i = 0; i < CALLS; i++) {
			if (has_stopped(&calls[i], received(calls)))
				return &calls[i];
		}
		rig_turn_waiting(&s->rig);
	}
	fail_test("none was paused");
}

EVKV_TEST(http_pauses, a_turn_takes_so_much_of_all_answers)
{
	struct call calls[CALLS];
	size_t before = 0, now;
	struct scene s;

	begin(&s, calls);
	for (size_t turns = 0; before < CALLS * LARGE; turns++) {
		check(turns < 100000);
		rig_turn_waiting(&s.rig);
		now = received(calls);
		/* In one turn of libevent's a turn of ours ends and begins. */
		check_between(now - before, 0, 2 * (TURN + PIECE));
		before = now;
	}
	for (size_t i = 0; i < CALLS; i++) {
		rig_wait(&s.rig, &calls[i].calls); /* in the next turn */
		check_int(calls[i].calls, 1);
		check_int(calls[i].code, 200);
		check_int(calls[i].found, EVKV_HTTP_BODY_END);
		check_int(calls[i].body_size, LARGE);
	}
	scene_close(&s);
}

EVKV_TEST(http_pauses, a_paused_request_is_canceled)
{
	struct call calls[CALLS], *one;
	struct scene s;

	begin(&s, calls);
	one = stopped(&s, calls);
	(void)evkv_http_cancel(&one->http);
	for (size_t i = 0; i < CALLS; i++) {
		if (&calls[i] == one)
			continue;
		rig_wait(&s.rig, &calls[i].calls);
		check_int(calls[i].body_size, LARGE);
	}
	check_int(one->calls, 0);
	scene_close(&s);
}

EVKV_TEST(http_pauses, the_client_is_freed_meanwhile)
{
	struct call calls[CALLS];
	struct scene s;

	begin(&s, calls);
	(void)stopped(&s, calls);
	evkv_http_free(s.client);
	s.client = NULL;
	for (size_t i = 0; i < CALLS; i++)
		check_int(calls[i].calls, 1);
	scene_close(&s);
}

EVKV_TEST(http_pauses, time_goes_on)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	web_answer_chunked(s.webs[0], "text/plain", large_text().data, PIECE);
	call.http.timeout_ms = 500;
	call_get(&s, &call, "/");
	rig_until(&s.rig,
	    has_stopped(&call,
		call.http.answer != NULL ? call.http.answer->received : 0));
	rig_advance(&s.rig, 501);
	rig_wait(&s.rig, &call.calls);
	check_int(call.fate, EVKV_HTTP_SENT);
	check_int(call.cause, EVKV_CAUSE_STALL);
	scene_close(&s);
}

/* It becomes too long by the bytes that libcurl has kept, or by later ones. */
EVKV_TEST(http_pauses, an_answer_that_is_too_long_after_a_pause)
{
	struct call call = { .calls = 0 };
	struct scene s;

	for (size_t more = 1; more < 2 * PIECE; more += 1500) {
		scene_begin(&s, 1, NULL);
		s.options.max_answer_bytes = TURN + more;
		scene_client(&s);
		web_answer_chunked(s.webs[0], "text/plain", large_text().data,
		    5000);
		scene_get(&s, &call, "/");
		check_int(call.fate, EVKV_HTTP_SENT);
		check_status(call.status, EVKV_TOO_LARGE);
		web_answer(s.webs[0], 200, "text/plain", "short");
		scene_get(&s, &call, "/");
		check_str(call.body, "short");
		scene_close(&s);
	}
}
