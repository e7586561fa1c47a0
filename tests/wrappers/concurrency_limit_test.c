/*
 * concurrency_limit: how many are below at once, who waits, and how long.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

#define MANY 8

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *held, *store;
	struct answer answers[MANY];
	evkv_ticket tickets[MANY];
};

static void open_fixture(struct fixture *f,
    struct evkv_concurrency_limit_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->held = gate_new(evkv_memory_new(f->rig.loop, NULL, &error), &f->gate,
	    &error);
	f->store = evkv_concurrency_limit_new(evkv_store_ref(f->held), &options,
	    &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
	f->gate->mode = GATE_BEFORE;
}

static void close_fixture(struct fixture *f)
{
	int i;

	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	rig_settle(&f->rig);
	for (i = 0; i < MANY; i++)
		answer_free(&f->answers[i]);
	evkv_store_unref(f->store);
	evkv_store_unref(f->held);
	rig_close(&f->rig);
}

/* A put of its own value. */
static void start(struct fixture *f, int i)
{
	char key[8];

	snprintf(key, sizeof(key), "%d", i);
	f->tickets[i] = evkv_put(f->store, EVKV_LIT("c"), evkv_str(key),
	    evkv_str(key), 0, answer_cb, &f->answers[i]);
}

static void start_all(struct fixture *f, int count)
{
	int i;

	for (i = 0; i < count; i++)
		start(f, i);
	rig_turn(&f->rig);
}

static struct evkv_concurrency_limit_counters counters(struct fixture *f)
{
	struct evkv_concurrency_limit_counters counters;

	check(evkv_concurrency_limit_read(f->store, &counters));
	return counters;
}

EVKV_TEST(unit_concurrency_limit, so_many_at_once_and_in_order)
{
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 2 });
	start_all(&f, MANY);
	check_int(counters(&f).running, 2);
	check_int(counters(&f).queued, MANY - 2);
	for (i = 0; i < MANY; i++) {
		check_int(f.gate->held_count, i < MANY - 1 ? 2 : 1);
		gate_release(f.gate, 0);
		rig_turn(&f.rig);
		check_int(f.answers[i].calls, 1);
		check_status(f.answers[i].status, EVKV_OK);
	}
	check_int(f.gate->held_most, 2);
	check_int(counters(&f).running, 0);
	check_int(counters(&f).queued, 0);
	check_int(counters(&f).most_queued, MANY - 2);
	close_fixture(&f);
}

/* Those that wait have kept what they were given. */
EVKV_TEST(unit_concurrency_limit, all_takes_effect)
{
	struct answer answer = ANSWER_INIT;
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 1 });
	start_all(&f, MANY);
	for (i = 0; i < MANY; i++) {
		gate_release(f.gate, 0);
		rig_turn(&f.rig);
	}
	f.gate->mode = GATE_OPEN;
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("7"), answer_cb, &answer);
	rig_wait(&f.rig, &answer.calls);
	check_slice(answer.entries[0].bytes, "7");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_concurrency_limit, a_full_queue)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){
		.max_running = 2, .max_queue = 3 });
	start_all(&f, 6);
	check_int(f.answers[5].calls, 1);
	check_status(f.answers[5].status, EVKV_BUSY);
	check_int(f.answers[5].cause, EVKV_CAUSE_OVERLOAD);
	check_contains(f.answers[5].message, "2 operations are under way");
	check_int(counters(&f).refused, 1);
	close_fixture(&f);

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){
		.max_running = 2, .max_queue = SIZE_MAX });
	start_all(&f, 3);
	check_status(f.answers[2].status, EVKV_BUSY);
	close_fixture(&f);
}

EVKV_TEST(unit_concurrency_limit, waiting_too_long)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){
		.max_running = 1, .max_wait_ms = 100 });
	start_all(&f, 2);
	rig_advance(&f.rig, 60);
	start(&f, 2);
	rig_advance(&f.rig, 39);
	rig_turn(&f.rig);
	check_int(f.answers[1].calls, 0);
	rig_advance(&f.rig, 1);
	rig_turn(&f.rig);
	check_status(f.answers[1].status, EVKV_BUSY);
	check_contains(f.answers[1].message, "100 ms");
	check_int(f.answers[2].calls, 0);
	rig_advance(&f.rig, 60);
	rig_turn(&f.rig);
	check_status(f.answers[2].status, EVKV_BUSY);
	check_int(counters(&f).expired, 2);
	/* The one below is nobody's who waits. */
	check_int(f.answers[0].calls, 0);
	close_fixture(&f);
}

EVKV_TEST(unit_concurrency_limit, cut_off_in_the_queue)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 1 });
	start_all(&f, 4);
	evkv_cancel(f.rig.loop, f.tickets[1]);
	evkv_cancel(f.rig.loop, f.tickets[3]);
	rig_turn(&f.rig);
	check_status(f.answers[1].status, EVKV_CANCELED);
	check_status(f.answers[3].status, EVKV_CANCELED);
	check_int(counters(&f).queued, 1);
	start(&f, 4);
	gate_release(f.gate, 0);
	rig_turn(&f.rig);
	gate_release(f.gate, 0);
	rig_turn(&f.rig);
	gate_release(f.gate, 0);
	rig_turn(&f.rig);
	check_status(f.answers[2].status, EVKV_OK);
	check_status(f.answers[4].status, EVKV_OK);
	check_int(f.gate->asked[EVKV_OP_PUT], 3);
	close_fixture(&f);
}

/* It is still work for the store below. */
EVKV_TEST(unit_concurrency_limit, cut_off_below)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 1 });
	start_all(&f, 2);
	evkv_cancel(f.rig.loop, f.tickets[0]);
	rig_turn(&f.rig);
	check_int(f.answers[0].calls, 1);
	check_int(counters(&f).running, 1);
	check_int(f.gate->held_count, 1);
	gate_release(f.gate, 0);
	rig_turn(&f.rig);
	check_int(f.gate->held_count, 1);
	gate_release(f.gate, 0);
	rig_turn(&f.rig);
	check_status(f.answers[1].status, EVKV_OK);
	close_fixture(&f);
}

EVKV_TEST(unit_concurrency_limit, close_while_some_wait)
{
	struct answer closed = ANSWER_INIT;
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 1 });
	start_all(&f, 4);
	evkv_store_close(f.store, 0, answer_cb, &closed);
	rig_turn(&f.rig);
	for (i = 0; i < 4; i++)
		check_int(f.answers[i].calls, 1);
	check_status(f.answers[3].status, EVKV_CLOSED);
	gate_release_all(f.gate);
	rig_wait(&f.rig, &closed.calls);
	answer_free(&closed);
	close_fixture(&f);
}

/* Each answer begins the next at once; the stack stays flat. */
EVKV_TEST(unit_concurrency_limit, a_long_queue_of_answers_at_once)
{
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){
		.max_running = 1, .max_queue = 100000 });
	start(&f, 0);
	for (i = 0; i < 50000; i++)
		evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	f.gate->mode = GATE_OPEN;
	gate_release_all(f.gate);
	rig_turn(&f.rig);
	check_int(counters(&f).queued, 0);
	close_fixture(&f);
}

/* A look-up may not pass a put of its key that waits. */
EVKV_TEST(unit_concurrency_limit, no_peek_past_the_queue)
{
	const struct evkv_slice key = EVKV_LIT("1");
	struct answer answer = ANSWER_INIT;
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_concurrency_limit_options){ .max_running = 1 });
	start_all(&f, 2);
	evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key },
	    answer_cb, &answer);
	check_int(answer.calls, 0);
	f.gate->mode = GATE_OPEN;
	gate_release_all(f.gate);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_concurrency_limit, bad_options_are_refused)
{
	const struct {
		struct evkv_concurrency_limit_options options;
		const char *word;
	} rows[] = {
		{ { .max_running = 1000001 }, "max_running" },
		{ { .max_queue = 1000001 }, "max_queue" },
		{ { .max_wait_ms = -1 }, "max_wait_ms" },
	};
	struct evkv_concurrency_limit_counters counters;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *simple;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	simple = evkv_simple_new(rig.loop, &error);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(evkv_concurrency_limit_new(evkv_store_ref(simple),
			  &rows[i].options, &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, rows[i].word);
		evkv_error_clear(&error);
	}
	check(evkv_concurrency_limit_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check(!evkv_concurrency_limit_read(simple, &counters));
	evkv_store_unref(simple);
	rig_close(&rig);
}
