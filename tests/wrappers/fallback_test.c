/*
 * fallback: what the second store is asked for, and which answer counts.
 */
#include <string.h>

#include "evkv/evkv.h"
#include "lib/gate.h"
#include "lib/rig.h"
#include "lib/test.h"

/* fault over simple, and simple. */
struct fixture {
	struct rig rig;
	struct evkv_store *first, *fault, *second, *store;
	struct answer answer;
};

static void open_fixture(struct fixture *f,
    struct evkv_fallback_options options)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(f, 0, sizeof(*f));
	rig_open(&f->rig);
	f->first = evkv_simple_new(f->rig.loop, &error);
	f->second = evkv_simple_new(f->rig.loop, &error);
	f->fault = evkv_fault_new(evkv_store_ref(f->first), NULL, &error);
	f->store = evkv_fallback_new(evkv_store_ref(f->fault),
	    evkv_store_ref(f->second), &options, &error);
	if (f->store == NULL)
		fail_test("%s", error.message);
}

static void close_fixture(struct fixture *f)
{
	answer_free(&f->answer);
	evkv_store_unref(f->store);
	evkv_store_unref(f->fault);
	evkv_store_unref(f->first);
	evkv_store_unref(f->second);
	rig_close(&f->rig);
}

static void fail(struct fixture *f, enum evkv_fault_action action,
    enum evkv_status status)
{
	evkv_fault_clear(f->fault);
	check(evkv_fault_add(f->fault,
		  &(struct evkv_fault_rule){
		      .action = action, .status = status }) >= 0);
}

static void put(struct fixture *f, struct evkv_store *store, const char *key,
    const char *value)
{
	answer_reset(&f->answer);
	evkv_put(store, EVKV_LIT("c"), evkv_str(key), evkv_str(value), 0,
	    answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

static enum evkv_status get(struct fixture *f, struct evkv_store *store,
    const char *key)
{
	answer_reset(&f->answer);
	evkv_get(store, EVKV_LIT("c"), evkv_str(key), answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
	return f->answer.status;
}

static void submit(struct fixture *f, const struct evkv_request *request)
{
	answer_reset(&f->answer);
	evkv_submit(f->store, request, answer_cb, &f->answer);
	rig_wait(&f->rig, &f->answer.calls);
}

EVKV_TEST(unit_fallback, reads_that_fail)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .on_miss = false });
	put(&f, f.first, "k", "first");
	put(&f, f.second, "k", "second");
	put(&f, f.second, "l", "second");
	check_status(get(&f, f.store, "k"), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "first");
	/* A miss is an answer. */
	check_status(get(&f, f.store, "l"), EVKV_NOT_FOUND);
	check_int(evkv_fallback_count(f.store), 0);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE);
	check_status(get(&f, f.store, "k"), EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "second");
	check_str(f.answer.message, "");
	check_int(f.answer.cause, EVKV_CAUSE_NONE);
	check_status(get(&f, f.store, "none"), EVKV_NOT_FOUND);
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_EXISTS,
		.collection = EVKV_LIT("c"),
		.flags = EVKV_FLAG_SINGLE,
		.count = 1,
		.keys = &key });
	check_status(f.answer.status, EVKV_OK);
	check_int(evkv_fallback_count(f.store), 3);
	/* Not for every failure. */
	fail(&f, EVKV_FAULT_FAIL, EVKV_TOO_LARGE);
	check_status(get(&f, f.store, "k"), EVKV_TOO_LARGE);
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, statuses_by_option)
{
	struct fixture f;

	open_fixture(&f,
	    (struct evkv_fallback_options){
		.statuses = EVKV_STATUS_BIT(EVKV_CORRUPT) });
	put(&f, f.second, "k", "second");
	fail(&f, EVKV_FAULT_FAIL, EVKV_CORRUPT);
	check_status(get(&f, f.store, "k"), EVKV_OK);
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE);
	check_status(get(&f, f.store, "k"), EVKV_UNAVAILABLE);
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, misses_by_option_and_key_by_key)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("none"), EVKV_LIT("c") };
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .on_miss = true });
	put(&f, f.first, "a", "first");
	put(&f, f.second, "a", "second");
	put(&f, f.second, "b", "second");
	put(&f, f.first, "c", "first");
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = EVKV_LIT("c"),
		.count = 4,
		.keys = keys });
	check_status(f.answer.status, EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "first");
	check_slice(f.answer.entries[1].bytes, "second");
	check_status(f.answer.entries[2].status, EVKV_NOT_FOUND);
	check_slice(f.answer.entries[3].bytes, "first");
	close_fixture(&f);
}

/* The one that the application counts on is the first. */
EVKV_TEST(unit_fallback, when_both_fail)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .on_miss = false });
	put(&f, f.first, "k", "first");
	fail(&f, EVKV_FAULT_FAIL, EVKV_SERVER);
	evkv_store_close(f.second, 0, NULL, NULL);
	rig_settle(&f.rig);
	check_status(get(&f, f.store, "k"), EVKV_SERVER);
	check_contains(f.answer.message, "fault");
	check_int(f.answer.cause, EVKV_CAUSE_RESET);
	evkv_fault_clear(f.fault);
	check_status(get(&f, f.store, "k"), EVKV_OK);
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, writes_are_the_primary_s)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .on_miss = false });
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE);
	put(&f, f.store, "k", "v");
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	check_status(get(&f, f.second, "k"), EVKV_NOT_FOUND);
	check_int(evkv_fallback_count(f.store), 0);
	submit(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("c") });
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, writes_by_option)
{
	const struct evkv_slice key = EVKV_LIT("k");
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .writes = true });
	fail(&f, EVKV_FAULT_FAIL, EVKV_UNAVAILABLE);
	put(&f, f.store, "k", "v");
	check_status(f.answer.status, EVKV_OK);
	check_int(f.answer.affected, 1);
	check_status(get(&f, f.second, "k"), EVKV_OK);
	check_status(get(&f, f.first, "k"), EVKV_NOT_FOUND);
	/* A condition is about the primary. */
	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &key,
		.condition = EVKV_IF_ABSENT });
	check_status(f.answer.status, EVKV_UNAVAILABLE);
	/* What may have had an effect is not done elsewhere too. */
	fail(&f, EVKV_FAULT_LOSE, EVKV_OK);
	put(&f, f.store, "l", "v");
	check_status(f.answer.status, EVKV_UNKNOWN_OUTCOME);
	check_status(get(&f, f.second, "l"), EVKV_NOT_FOUND);
	fail(&f, EVKV_FAULT_FAIL, EVKV_SERVER);
	put(&f, f.store, "m", "v");
	check_status(f.answer.status, EVKV_SERVER);
	check_status(get(&f, f.second, "m"), EVKV_NOT_FOUND);
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, a_primary_that_hangs)
{
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .timeout_ms = 50 });
	put(&f, f.second, "k", "second");
	fail(&f, EVKV_FAULT_DROP, EVKV_OK);
	answer_reset(&f.answer);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &f.answer);
	rig_advance(&f.rig, 49);
	rig_turn(&f.rig);
	check_int(f.answer.calls, 0);
	rig_advance(&f.rig, 1);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_OK);
	check_slice(f.answer.entries[0].bytes, "second");
	close_fixture(&f);
}

EVKV_TEST(unit_fallback, cut_off_while_the_primary_is_asked)
{
	struct fixture f;
	evkv_ticket ticket;

	open_fixture(&f, (struct evkv_fallback_options){ .timeout_ms = 50 });
	fail(&f, EVKV_FAULT_DROP, EVKV_OK);
	ticket = evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
	    &f.answer);
	rig_turn(&f.rig);
	evkv_cancel(f.rig.loop, ticket);
	rig_wait(&f.rig, &f.answer.calls);
	check_status(f.answer.status, EVKV_CANCELED);
	rig_advance(&f.rig, 100);
	rig_settle(&f.rig);
	check_int(evkv_fallback_count(f.store), 0);
	close_fixture(&f);
}

/* A primary that can't be stopped fails after all: nobody waits any more. */
static void fail_after_the_cut(bool writes)
{
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct gate *gate;
	struct rig rig;

	rig_open(&rig);
	store = evkv_fallback_new(gate_new(evkv_simple_new(rig.loop, NULL),
				      &gate, NULL),
	    evkv_simple_new(rig.loop, NULL),
	    &(struct evkv_fallback_options){ .writes = writes }, NULL);
	gate->mode = GATE_BEFORE;
	gate->sends = writes;
	evkv_cancel(rig.loop,
	    writes ? evkv_put(store, c, k, EVKV_LIT("v"), 0, answer_cb, &a)
		   : evkv_get(store, c, k, answer_cb, &a));
	rig_wait(&rig, &a.calls);
	check_status(a.status, writes ? EVKV_UNKNOWN_OUTCOME : EVKV_CANCELED);
	check_int(gate->held_count, 1);
	gate_fail(gate, 0, EVKV_UNAVAILABLE, EVKV_CAUSE_RESET);
	rig_settle(&rig);
	check_int(evkv_fallback_count(store), 0);
	evkv_store_unref(store);
	answer_free(&a);
	rig_close(&rig);
}

EVKV_TEST(unit_fallback, a_failure_after_the_cut_is_nobody_s)
{
	fail_after_the_cut(false);
	fail_after_the_cut(true);
}

EVKV_TEST(unit_fallback, bad_options_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fixture f;

	open_fixture(&f, (struct evkv_fallback_options){ .on_miss = false });
	check(evkv_fallback_new(evkv_store_ref(f.first),
		  evkv_store_ref(f.second),
		  &(struct evkv_fallback_options){
		      .statuses = EVKV_STATUS_BIT(EVKV_NOT_FOUND) },
		  &error) == NULL);
	check_invalid(error, "statuses");
	evkv_error_clear(&error);
	check(evkv_fallback_new(evkv_store_ref(f.first),
		  evkv_store_ref(f.second),
		  &(struct evkv_fallback_options){ .timeout_ms = -1 },
		  &error) == NULL);
	check_invalid(error, "timeout_ms");
	evkv_error_clear(&error);
	check(evkv_fallback_new(evkv_store_ref(f.first), NULL, NULL, &error) ==
	    NULL);
	check_int(error.status, EVKV_INVALID);
	evkv_error_clear(&error);
	check(evkv_fallback_new(NULL, evkv_store_ref(f.first), NULL, &error) ==
	    NULL);
	check_int(error.status, EVKV_INVALID);
	check_int(evkv_fallback_count(f.first), 0);
	close_fixture(&f);
}
