/*
 * circuit_breaker: its states, by what happens and by time.
 */
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct gate *gate;
	struct evkv_store *store;
	struct answer answer;
};

static void open_fixture(struct fixture *f,
    struct evkv_circuit_breaker_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->store = evkv_circuit_breaker_new(
	    gate_new(evkv_memory_new(f->rig.loop, NULL, &error), &f->gate,
		&error),
	    &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	f->gate->mode = GATE_OPEN;
	gate_release_all(f->gate);
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	rig_close(&f->rig);
}

static struct evkv_circuit_breaker_counters counters(struct fixture *f)
{
	struct evkv_circuit_breaker_counters counters;

	check(evkv_circuit_breaker_read(f->store, &counters));
	return counters;
}

static enum evkv_status get(struct fixture *f)
{
	answer_reset(&f->answer);
	evkv_get(f->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

/* One that takes so long. */
static enum evkv_status get_slowly(struct fixture *f, int64_t ms)
{
	answer_reset(&f->answer);
	f->gate->mode = GATE_BEFORE;
	evkv_get(f->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &f->answer);
	rig_advance(&f->rig, ms);
	gate_release_all(f->gate);
	f->gate->mode = GATE_OPEN;
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

static enum evkv_status get_failing(struct fixture *f)
{
	enum evkv_status status;

	f->gate->fail = EVKV_UNAVAILABLE;
	f->gate->fail_cause = EVKV_CAUSE_CONNECT;
	status = get(f);
	f->gate->fail = EVKV_OK;
	return status;
}

/* ---- The states against a table ----------------------------------------- */

/*
 * What happens, one letter after the other: '.' an operation that goes well,
 * 'F' one that fails, 'S' one that is slow, '1' to '9' so many seconds. After
 * each the state: 'c' closed, 'o' open, 'h' half open.
 */
static void play(struct evkv_circuit_breaker_options options,
    const char *events, const char *states)
{
	static const char letters[] = "coh";
	char seen[64] = "";
	struct fixture f;
	size_t i;

	check_int(strlen(events), strlen(states));
	open_fixture(&f, options);
	for (i = 0; events[i] != '\0'; i++) {
		switch (events[i]) {
		case '.': get(&f); break;
		case 'F': get_failing(&f); break;
		case 'S': get_slowly(&f, 500); break;
		default: rig_advance(&f.rig, 1000 * (events[i] - '0'));
		}
		seen[i] = letters[counters(&f).state];
	}
	check_str(seen, states);
	close_fixture(&f);
}

EVKV_TEST(unit_circuit_breaker, states)
{
	const struct evkv_circuit_breaker_options options = {
		.min_operations = 4,
		.failure_percent = 50,
		.slow_ms = 400,
		.slow_percent = 75,
		.open_ms = 5000,
		.probes = 2,
	};

	play(options, "....", "cccc");
	/* Enough of them, and half of them. */
	play(options, "FF.F", "ccco");
	play(options, "FFF", "ccc");
	play(options, "..FF", "ccco");
	play(options, "...FFF", "ccccco");
	/* Slow ones count for themselves. */
	play(options, "SS.S", "ccco");
	play(options, "S.SF.", "ccccc");
	/* What goes well does not open it, whatever came before. */
	play(options, "FFF.F", "cccco");
	/* Out of the window. */
	play(options, "FFF91..F", "cccccccc");
	play(options, "FF9.F", "cccco");
	play(options, "FF91F..F", "ccccccco");
	/* Open for its time. */
	play(options, "FFFF4.F1", "cccooooh");
	/* And closed again by as many as are asked for. */
	play(options, "FFFF5..", "cccohhc");
	play(options, "FFFF5.F", "cccohho");
	play(options, "FFFF5S", "cccoho");
	play(options, "FFFF5F5..FFF.F", "cccohohhccccco");
}

EVKV_TEST(unit_circuit_breaker, what_open_means)
{
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){ .min_operations = 2 });
	check_int(evkv_store_state(f.store), EVKV_STATE_READY);
	for (i = 0; i < 2; i++)
		get_failing(&f);
	check_int(counters(&f).opened, 1);
	check_int(evkv_store_state(f.store), EVKV_STATE_DOWN);
	f.gate->asked[EVKV_OP_GET] = 0;
	rig_advance(&f.rig, 1000);
	check_status(get(&f), EVKV_UNAVAILABLE);
	check_int(f.answer.cause, EVKV_CAUSE_CONNECT);
	check_str(f.answer.message, "circuit_breaker: open for 4000 ms more");
	check_int(f.gate->asked[EVKV_OP_GET], 0);
	check_int(counters(&f).refused, 1);
	/* Who waits for a connection is not kept from it. */
	answer_reset(&f.answer);
	evkv_store_wait_ready(f.store, 0, answer_cb, &f.answer);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	rig_advance(&f.rig, 4000);
	for (i = 0; i < 3; i++) {
		check_status(get(&f), EVKV_NOT_FOUND);
		check_int(evkv_store_state(f.store),
		    i < 2 ? EVKV_STATE_CONNECTING : EVKV_STATE_READY);
	}
	check_int(counters(&f).operations, 0);
	close_fixture(&f);
}

EVKV_TEST(unit_circuit_breaker, probes_at_once)
{
	struct answer probes[2] = { ANSWER_INIT, ANSWER_INIT };
	struct fixture f;
	int i;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){
		.min_operations = 1, .probes = 2 });
	get_failing(&f);
	rig_advance(&f.rig, 5000);
	f.gate->mode = GATE_BEFORE;
	for (i = 0; i < 2; i++)
		evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		    &probes[i]);
	check_status(get(&f), EVKV_UNAVAILABLE);
	check_contains(f.answer.message, "half open");
	check_int(f.gate->held_count, 2);
	gate_release(f.gate, 0);
	check_status(get(&f), EVKV_UNAVAILABLE);
	gate_release(f.gate, 0);
	rig_settle(&f.rig);
	check_int(counters(&f).state, EVKV_CIRCUIT_CLOSED);
	answer_free(&probes[0]);
	answer_free(&probes[1]);
	close_fixture(&f);
}

static void note_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	(void)cause;
	(void)message;
	*(enum evkv_state *)arg = state;
}

/* A service that sends nothing while it is down learns that it may again. */
EVKV_TEST(unit_circuit_breaker, time_alone_lets_it_try)
{
	enum evkv_state told = EVKV_STATE_READY;
	struct fixture f;
	int round;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){
		.min_operations = 1, .open_ms = 1000, .probes = 1 });
	evkv_store_set_state_cb(f.store, note_state, &told);
	for (round = 0; round < 2; round++) {
		check_status(get_failing(&f), EVKV_UNAVAILABLE);
		rig_advance(&f.rig, 999);
		rig_turn(&f.rig);
		check_int(told, EVKV_STATE_DOWN);
		check_int(evkv_store_state(f.store), EVKV_STATE_DOWN);
		rig_advance(&f.rig, 1);
		rig_turn(&f.rig);
		check_int(told, EVKV_STATE_CONNECTING);
		check_int(evkv_store_state(f.store), EVKV_STATE_CONNECTING);
	}
	check_status(get(&f), EVKV_NOT_FOUND);
	rig_turn(&f.rig);
	check_int(told, EVKV_STATE_READY);
	/* Its timer goes with it. */
	get_failing(&f);
	close_fixture(&f);
}

/* Probes that hang do not keep it half open for good. */
EVKV_TEST(unit_circuit_breaker, probes_that_hang)
{
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){
		.min_operations = 1, .probes = 1 });
	get_failing(&f);
	rig_advance(&f.rig, 5000);
	f.gate->mode = GATE_BEFORE;
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	check_status(get(&f), EVKV_UNAVAILABLE);
	rig_advance(&f.rig, 5000);
	/* The next one is canceled: another takes its place. */
	ticket = evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	check_int(f.gate->held_count, 2);
	evkv_cancel(f.rig.loop, ticket);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	check_int(f.gate->held_count, 3);
	/* What the first one tells now is not heard. */
	gate_fail(f.gate, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_CONNECT);
	check_int(counters(&f).state, EVKV_CIRCUIT_HALF_OPEN);
	gate_release(f.gate, 1);
	check_int(counters(&f).state, EVKV_CIRCUIT_CLOSED);
	close_fixture(&f);
}

EVKV_TEST(unit_circuit_breaker, deadlines_count_and_cancels_do_not)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){ .min_operations = 2 });
	f.gate->mode = GATE_BEFORE;
	ticket = evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), NULL, NULL);
	evkv_cancel(f.rig.loop, ticket);
	rig_turn(&f.rig);
	check_int(counters(&f).operations, 0);
	evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.count = 1,
		.keys = &key,
		.timeout_ms = 10 },
	    NULL, NULL);
	rig_advance(&f.rig, 10);
	rig_turn(&f.rig);
	check_int(counters(&f).operations, 1);
	check_int(counters(&f).failed, 1);
	close_fixture(&f);
}

/* An inline get that passes by peek is one of the operations, too. */
EVKV_TEST(unit_circuit_breaker, inline_gets_count)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct evkv_circuit_breaker_counters counters;
	struct evkv_store *store;
	struct rig rig;
	int i;

	rig_open(&rig);
	store = evkv_circuit_breaker_new(evkv_memory_new(rig.loop, NULL, NULL),
	    NULL, NULL);
	for (i = 0; i < 5; i++)
		evkv_submit(store,
		    &(struct evkv_request){ .kind = EVKV_OP_GET,
			.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
			.count = 1,
			.keys = &key },
		    NULL, NULL);
	check(evkv_circuit_breaker_read(store, &counters));
	check_int(counters.operations, 5);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Against a list of what happened ------------------------------------ */

#define EVENTS 2000

EVKV_TEST(unit_circuit_breaker, the_window_against_a_list)
{
	int64_t times[EVENTS], now_ms = 0, part;
	bool failed[EVENTS];
	uint32_t operations, failures;
	struct fixture f;
	int count, i;
	unsigned seed;

	for (seed = 1; seed <= 10; seed++) {
		open_fixture(&f,
		    (struct evkv_circuit_breaker_options){
			.min_operations = 1000000, .window_ms = 1000 });
		srand(seed);
		for (count = 0; count < EVENTS / 10; count++) {
			if (rand() % 3 == 0)
				rig_advance(&f.rig, rand() % 300);
			if (rand() % 50 == 0)
				rig_advance(&f.rig, rand() % 3000);
			now_ms = evkv_loop_now_ms(f.rig.loop);
			times[count] = now_ms;
			failed[count] = rand() % 2 == 0;
			if (failed[count])
				get_failing(&f);
			else
				get(&f);
			operations = failures = 0;
			for (i = 0; i <= count; i++) {
				part = now_ms / 100 - times[i] / 100;
				operations += part < 10;
				failures += part < 10 && failed[i];
			}
			check_int(counters(&f).operations, operations);
			check_int(counters(&f).failed, failures);
		}
		close_fixture(&f);
	}
}

/* Also where nothing has happened since. */
EVKV_TEST(unit_circuit_breaker, what_is_read_is_of_now)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_circuit_breaker_options){
		.min_operations = 1000000, .window_ms = 1000 });
	get(&f);
	get_failing(&f);
	check_int(counters(&f).operations, 2);
	check_int(counters(&f).failed, 1);
	rig_advance(&f.rig, 1100);
	check_int(counters(&f).operations, 0);
	check_int(counters(&f).failed, 0);
	close_fixture(&f);
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_circuit_breaker, bad_options_are_refused)
{
	const struct {
		struct evkv_circuit_breaker_options options;
		const char *word;
	} rows[] = {
		{ { .window_ms = 9 }, "window_ms" },
		{ { .window_ms = 86400001 }, "window_ms" },
		{ { .min_operations = 1000001 }, "min_operations" },
		{ { .failure_percent = 101 }, "failure_percent" },
		{ { .slow_ms = -1 }, "slow_ms" },
		{ { .slow_percent = 101 }, "slow_percent" },
		{ { .open_ms = -1 }, "open_ms" },
		{ { .probes = 1001 }, "probes" },
		{ { .statuses = EVKV_STATUS_BIT(EVKV_OK) }, "statuses" },
	};
	struct evkv_circuit_breaker_counters counters;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *simple;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	simple = evkv_simple_new(rig.loop, &error);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(evkv_circuit_breaker_new(evkv_store_ref(simple),
			  &rows[i].options, &error) == NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, rows[i].word);
		evkv_error_clear(&error);
	}
	check(evkv_circuit_breaker_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check(!evkv_circuit_breaker_read(simple, &counters));
	check_int(counters.opened, 0);
	evkv_store_unref(simple);
	rig_close(&rig);
}
