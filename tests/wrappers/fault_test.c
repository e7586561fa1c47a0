/*
 * fault: what rules do, when they fire, and that no promise breaks by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

struct fixture {
	struct rig rig;
	struct evkv_store *simple, *store;
	struct answer answer;
};

static void open_fixture(struct fixture *f, uint64_t seed)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->simple = evkv_simple_new(f->rig.loop, &error);
	f->store = evkv_fault_new(evkv_store_ref(f->simple),
	    &(struct evkv_fault_options){ .seed = seed }, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->simple);
	rig_close(&f->rig);
}

static void start_put(struct fixture *f, const char *key, const char *value,
    int64_t timeout_ms, struct answer *answer)
{
	struct evkv_slice key_slice = evkv_str(key);
	struct evkv_slice value_slice = evkv_str(value);

	evkv_submit(f->store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key_slice,
		.values = &value_slice,
		.timeout_ms = timeout_ms },
	    answer_cb, answer);
}

static enum evkv_status put(struct fixture *f, const char *key,
    const char *value)
{
	answer_reset(&f->answer);
	start_put(f, key, value, 0, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

static enum evkv_status get_from(struct fixture *f, struct evkv_store *store,
    const char *key)
{
	answer_reset(&f->answer);
	evkv_get(store, EVKV_LIT("c"), evkv_str(key), answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

static int add(struct fixture *f, struct evkv_fault_rule rule)
{
	int number = evkv_fault_add(f->store, &rule);

	check(number >= 0);
	return number;
}

/* ---- When --------------------------------------------------------------- */

EVKV_TEST(unit_fault, the_nth)
{
	struct fixture f;
	int rule;

	open_fixture(&f, 1);
	rule = add(&f,
	    (struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL,
		.kinds = EVKV_KIND_BIT(EVKV_OP_PUT),
		.nth = 3,
		.status = EVKV_BUSY,
		.cause = EVKV_CAUSE_OVERLOAD });
	check_status(put(&f, "1", "v"), EVKV_OK);
	check_status(put(&f, "2", "v"), EVKV_OK);
	check_status(get_from(&f, f.store, "2"), EVKV_OK);
	check_int(evkv_fault_fired(f.store, rule), 0);
	check_status(put(&f, "3", "v"), EVKV_BUSY);
	check_int(f.answer.cause, EVKV_CAUSE_OVERLOAD);
	check_contains(f.answer.message, "fault");
	check_status(get_from(&f, f.simple, "3"), EVKV_NOT_FOUND);
	check_status(put(&f, "3", "v"), EVKV_OK);
	check_int(evkv_fault_fired(f.store, rule), 1);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, so_often_and_no_more)
{
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL, .limit = 2 });
	check_status(put(&f, "1", "v"), EVKV_UNAVAILABLE);
	check_int(f.answer.cause, EVKV_CAUSE_RESET);
	check_status(put(&f, "1", "v"), EVKV_UNAVAILABLE);
	check_status(put(&f, "1", "v"), EVKV_OK);
	evkv_fault_clear(f.store);
	add(&f, (struct evkv_fault_rule){ .action = EVKV_FAULT_FAIL });
	check_status(put(&f, "1", "v"), EVKV_UNAVAILABLE);
	evkv_fault_clear(f.store);
	check_status(put(&f, "1", "v"), EVKV_OK);
	close_fixture(&f);
}

/* The first that fires; one that does not lets the next try. */
EVKV_TEST(unit_fault, rules_in_order)
{
	struct fixture f;
	int first, second;

	open_fixture(&f, 1);
	first = add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_FAIL, .nth = 2, .status = EVKV_SERVER });
	second = add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_FAIL, .status = EVKV_BUSY });
	check_status(put(&f, "1", "v"), EVKV_BUSY);
	check_status(put(&f, "1", "v"), EVKV_SERVER);
	check_status(put(&f, "1", "v"), EVKV_BUSY);
	check_int(evkv_fault_fired(f.store, first), 1);
	check_int(evkv_fault_fired(f.store, second), 2);
	check_int(evkv_fault_fired(f.store, 2), 0);
	check_int(evkv_fault_fired(f.store, -1), 0);
	close_fixture(&f);
}

/* "F" for each that failed, "." for each that passed. */
static void pattern(uint64_t seed, unsigned permille, char *text, int count)
{
	struct fixture f;
	int i;

	open_fixture(&f, seed);
	add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_FAIL, .permille = permille });
	for (i = 0; i < count; i++)
		text[i] = put(&f, "k", "v") == EVKV_OK ? '.' : 'F';
	text[count] = '\0';
	close_fixture(&f);
}

EVKV_TEST(unit_fault, by_chance_and_the_same_for_a_seed)
{
	char one[1001], again[1001], other[1001];
	int failed = 0, i;

	pattern(7, 300, one, 1000);
	pattern(7, 300, again, 1000);
	pattern(8, 300, other, 1000);
	check_str(one, again);
	check(strcmp(one, other) != 0);
	for (i = 0; i < 1000; i++)
		failed += one[i] == 'F';
	check_between(failed, 240, 360);
	pattern(9, 1000, one, 20);
	check_str(one, "FFFFFFFFFFFFFFFFFFFF");
}

/* ---- What --------------------------------------------------------------- */

EVKV_TEST(unit_fault, an_answer_is_lost)
{
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_LOSE, .status = EVKV_SERVER });
	check_status(put(&f, "k", "v"), EVKV_UNKNOWN_OUTCOME);
	check_int(f.answer.cause, EVKV_CAUSE_RESET);
	check_int(f.answer.affected, -1);
	check_status(get_from(&f, f.simple, "k"), EVKV_OK);
	check_status(get_from(&f, f.store, "k"), EVKV_SERVER);
	check(!f.answer.entries[0].has_value);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, no_read_has_an_unknown_outcome)
{
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_FAIL, .status = EVKV_UNKNOWN_OUTCOME });
	check_status(put(&f, "k", "v"), EVKV_UNKNOWN_OUTCOME);
	check_status(get_from(&f, f.store, "k"), EVKV_UNAVAILABLE);
	check_status(get_from(&f, f.simple, "k"), EVKV_NOT_FOUND);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, a_delay_before)
{
	struct answer answer = ANSWER_INIT;
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_DELAY, .limit = 1, .delay_min_ms = 100 });
	start_put(&f, "k", "v", 0, &answer);
	rig_advance(&f.rig, 99);
	rig_turn(&f.rig);
	check_int(answer.calls, 0);
	check_int(evkv_fault_held(f.store), 1);
	check_status(get_from(&f, f.simple, "k"), EVKV_NOT_FOUND);
	/* Another key overtakes it. */
	check_status(put(&f, "l", "v"), EVKV_OK);
	check_int(answer.calls, 0);
	rig_advance(&f.rig, 1);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_int(answer.affected, 1);
	check_int(evkv_fault_held(f.store), 0);
	check_status(get_from(&f, f.simple, "k"), EVKV_OK);
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, a_delay_after)
{
	struct answer answer = ANSWER_INIT;
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){ .action = EVKV_FAULT_DELAY_AFTER,
		.limit = 1,
		.delay_min_ms = 50,
		.delay_max_ms = 60 });
	start_put(&f, "k", "v", 0, &answer);
	check_status(get_from(&f, f.simple, "k"), EVKV_OK);
	rig_advance(&f.rig, 49);
	rig_turn(&f.rig);
	check_int(answer.calls, 0);
	rig_advance(&f.rig, 11);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	close_fixture(&f);
}

/* With the nth allocation failing; false: there was none. */
static bool delays_without_nth(enum evkv_fault_action action, size_t n)
{
	enum evkv_status told, got;
	struct fixture f;
	bool fired;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){ .action = action, .delay_min_ms = 100 });
	faults_fail_nth(n);
	start_put(&f, "k", "v", 0, &f.answer);
	rig_turn(&f.rig);
	faults_off();
	fired = faults_fired() > 0;
	rig_advance(&f.rig, 100);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 1);
	if (!fired || action == EVKV_FAULT_DELAY)
		check_status(f.answer.status, fired ? EVKV_NOMEM : EVKV_OK);
	told = f.answer.status;
	check_int(evkv_fault_held(f.store), 0);
	evkv_fault_clear(f.store);
	got = get_from(&f, f.simple, "k");
	/* A write that lacks memory behind its effect may have had it. */
	if (told == EVKV_OK || action == EVKV_FAULT_DELAY)
		check_status(got, told == EVKV_OK ? EVKV_OK : EVKV_NOT_FOUND);
	close_fixture(&f);
	return fired;
}

EVKV_TEST(unit_fault, a_delay_without_memory)
{
	size_t n;

	for (n = 1; delays_without_nth(EVKV_FAULT_DELAY, n);)
		check(++n < 100);
	check(n > 1);
	for (n = 1; delays_without_nth(EVKV_FAULT_DELAY_AFTER, n);)
		check(++n < 100);
	check(n > 1);
}

EVKV_TEST(unit_fault, what_is_dropped_has_no_effect)
{
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){ .action = EVKV_FAULT_DROP, .limit = 1 });
	start_put(&f, "k", "v", 100, &f.answer);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 0);
	rig_advance(&f.rig, 100);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_TIMEOUT);
	check_int(evkv_fault_held(f.store), 0);
	check_status(get_from(&f, f.simple, "k"), EVKV_NOT_FOUND);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, what_is_mute_may_have_an_effect)
{
	struct fixture f;

	open_fixture(&f, 1);
	add(&f,
	    (struct evkv_fault_rule){ .action = EVKV_FAULT_MUTE, .limit = 2 });
	start_put(&f, "k", "v", 100, &f.answer);
	rig_advance(&f.rig, 100);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_status(get_from(&f, f.simple, "k"), EVKV_OK);
	/* What has changed nothing may say so. */
	answer_reset(&f.answer);
	evkv_submit(f.store,
	    &(struct evkv_request){ .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.timeout_ms = 10 },
	    answer_cb, &f.answer);
	rig_advance(&f.rig, 10);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_TIMEOUT);
	close_fixture(&f);
}

/* ---- Order -------------------------------------------------------------- */

#define ORDER_OPS 200
#define ORDER_KEYS 5

struct ordered {
	struct answer answer;
	int key;
};

/* The order of the answers, "key:number " for each. */
static void run_reordered(uint64_t seed, int *order)
{
	struct ordered *ops = calloc(ORDER_OPS, sizeof(*ops));
	unsigned last[ORDER_KEYS] = { 0 };
	char key[16], value[16];
	struct fixture f;
	int i;

	open_fixture(&f, seed);
	add(&f,
	    (struct evkv_fault_rule){
		.action = EVKV_FAULT_REORDER, .permille = 700 });
	for (i = 0; i < ORDER_OPS; i++) {
		ops[i].key = (i * 7 + i / 3) % ORDER_KEYS;
		snprintf(key, sizeof(key), "k%d", ops[i].key);
		snprintf(value, sizeof(value), "%d", i);
		start_put(&f, key, value, 0, &ops[i].answer);
	}
	rig_settle(&f.rig);
	for (i = 0; i < ORDER_OPS; i++) {
		check_int(ops[i].answer.calls, 1);
		check_status(ops[i].answer.status, EVKV_OK);
		check(ops[i].answer.order > last[ops[i].key]);
		last[ops[i].key] = ops[i].answer.order;
		order[i] = (int)(ops[i].answer.order - ops[0].answer.order);
		answer_free(&ops[i].answer);
	}
	/* The last one of each key is what is there. */
	for (i = ORDER_OPS - 10; i < ORDER_OPS; i++) {
		snprintf(key, sizeof(key), "k%d", ops[i].key);
		snprintf(value, sizeof(value), "%d", i);
	}
	check_status(get_from(&f, f.simple, key), EVKV_OK);
	check_bytes(f.answer.entries[0].bytes, evkv_str(value));
	close_fixture(&f);
	free(ops);
}

EVKV_TEST(unit_fault, keys_overtake_each_other_and_no_key_itself)
{
	int one[ORDER_OPS], again[ORDER_OPS], other[ORDER_OPS];
	int overtaken = 0, i;

	run_reordered(3, one);
	run_reordered(3, again);
	run_reordered(4, other);
	check(memcmp(one, again, sizeof(one)) == 0);
	check(memcmp(one, other, sizeof(one)) != 0);
	for (i = 1; i < ORDER_OPS; i++)
		overtaken += one[i] < one[i - 1];
	check(overtaken > 10);
}

/* ---- Early ends --------------------------------------------------------- */

EVKV_TEST(unit_fault, cancel_and_close_while_held)
{
	static const enum evkv_fault_action actions[] = { EVKV_FAULT_DELAY,
		EVKV_FAULT_DELAY_AFTER, EVKV_FAULT_DROP, EVKV_FAULT_MUTE,
		EVKV_FAULT_REORDER };
	struct answer closed = ANSWER_INIT, second = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;
	evkv_ticket ticket;
	bool effect;
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		open_fixture(&f, 1);
		effect = actions[i] == EVKV_FAULT_DELAY_AFTER ||
		    actions[i] == EVKV_FAULT_MUTE;
		add(&f,
		    (struct evkv_fault_rule){
			.action = actions[i], .delay_min_ms = 1000 });
		ticket = evkv_submit(f.store,
		    &(struct evkv_request){ .kind = EVKV_OP_PUT,
			.flags = EVKV_FLAG_SINGLE,
			.collection = EVKV_LIT("c"),
			.count = 1,
			.keys = &key,
			.values = &key },
		    answer_cb, &f.answer);
		evkv_cancel(f.rig.loop, ticket);
		rig_wait(&f.rig, &f.answer.calls);
		check_status(f.answer.status,
		    effect ? EVKV_UNKNOWN_OUTCOME : EVKV_CANCELED);
		check_int(evkv_fault_held(f.store), 0);
		start_put(&f, "l", "v", 0, &second);
		evkv_store_close(f.store, 0, answer_cb, &closed);
		rig_wait(&f.rig, &closed.calls);
		check_int(second.calls, 1);
		check_status(second.status,
		    effect ? EVKV_UNKNOWN_OUTCOME : EVKV_CLOSED);
		answer_reset(&closed);
		answer_reset(&second);
		close_fixture(&f);
	}
	answer_free(&closed);
	answer_free(&second);
}

EVKV_TEST(unit_fault, release)
{
	struct answer answers[5] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT,
		ANSWER_INIT, ANSWER_INIT };
	static const enum evkv_fault_action actions[] = { EVKV_FAULT_DROP,
		EVKV_FAULT_MUTE, EVKV_FAULT_DELAY, EVKV_FAULT_DELAY_AFTER,
		EVKV_FAULT_DROP };
	char key[2] = "a";
	struct fixture f;
	size_t i;

	open_fixture(&f, 1);
	for (i = 0; i < 5; i++) {
		add(&f,
		    (struct evkv_fault_rule){ .action = actions[i],
			.limit = 1,
			.delay_min_ms = 1000 });
		key[0] = (char)('a' + i);
		start_put(&f, key, "v", 0, &answers[i]);
	}
	rig_turn(&f.rig);
	check_int(evkv_fault_held(f.store), 5);
	evkv_fault_release(f.store);
	rig_settle(&f.rig);
	for (i = 0; i < 5; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_OK);
		check(i == 0 || answers[i].order > answers[i - 1].order);
		answer_free(&answers[i]);
	}
	check_int(evkv_fault_held(f.store), 0);
	close_fixture(&f);
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_fault, bad_rules_and_options_are_refused)
{
	const struct evkv_fault_rule bad[] = {
		{ .action = EVKV_FAULT_COUNT },
		{ .permille = 1001 },
		{ .permille = 1, .nth = 1 },
		{ .status = EVKV_NOT_FOUND },
		{ .status = EVKV_STATUS_COUNT },
		{ .cause = EVKV_CAUSE_COUNT },
		{ .delay_min_ms = -1 },
		{ .delay_min_ms = 10, .delay_max_ms = 9 },
		{ .delay_max_ms = EVKV_TTL_MAX + 1 },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fixture f;
	size_t i;

	open_fixture(&f, 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_int(evkv_fault_add(f.store, &bad[i]), -1);
	check_int(evkv_fault_add(f.simple,
		      &(struct evkv_fault_rule){ .permille = 1 }),
	    -1);
	check_int(evkv_fault_add(f.store, NULL), -1);
	check_int(evkv_fault_held(f.simple), 0);
	evkv_fault_clear(f.simple);
	evkv_fault_release(NULL);
	check(evkv_fault_new(evkv_store_ref(f.simple),
		  &(struct evkv_fault_options){ .drop_permille = 1001 },
		  &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "drop_permille");
	evkv_error_clear(&error);
	check(evkv_fault_new(evkv_store_ref(f.simple),
		  &(struct evkv_fault_options){ .delay_ms = -1 },
		  &error) == NULL);
	check_invalid(error, "delay_ms");
	evkv_error_clear(&error);
	check(evkv_fault_new(NULL, NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	close_fixture(&f);
}

EVKV_TEST(unit_fault, chances_by_options)
{
	struct evkv_store *store;
	struct fixture f;
	int failed = 0, i;

	open_fixture(&f, 1);
	store = evkv_fault_new(evkv_store_ref(f.simple),
	    &(struct evkv_fault_options){ .seed = 5, .fail_permille = 500 },
	    NULL);
	for (i = 0; i < 200; i++)
		failed += get_from(&f, store, "k") == EVKV_UNAVAILABLE;
	check_between(failed, 70, 130);
	check_int(evkv_fault_fired(store, 0), failed);
	evkv_store_unref(store);
	close_fixture(&f);
}
