/*
 * tests/core/lack_test.c - without memory a call still gets its callback.
 */
#include "evkv/adapters/require.h"
#include "evkv/driver.h"
#include "faults.h"
#include "scene.h"

#define RESERVE 64 /* of a loop's */

static struct evkv_store *lack_open(struct rig *rig)
{
	struct evkv_store *store;

	rig_open(rig);
	store = evkv_simple_new(rig->loop, NULL);
	check(store != NULL);
	return store;
}

static void lack_close(struct rig *rig, struct evkv_store *store)
{
	evkv_store_unref(store);
	rig_close(rig);
}

EVKV_TEST(core_lack, a_call_without_memory_calls_back)
{
	struct answer get = ANSWER_INIT, many = ANSWER_INIT;
	struct answer bad = ANSWER_INIT, closed = ANSWER_INIT;
	const struct evkv_slice keys[2] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct evkv_store *store;
	evkv_ticket ticket;
	struct rig rig;

	store = lack_open(&rig);
	faults_fail_from(1);
	ticket = evkv_get(store, EVKV_LIT("c"), keys[0], answer_cb, &get);
	check(ticket != 0);
	evkv_cancel(rig.loop, ticket);
	check(evkv_get_many(store, EVKV_LIT("c"), keys, 2, answer_cb, &many) !=
	    0);
	check(evkv_submit(store, NULL, answer_cb, &bad) != 0);
	check(evkv_ping(store, NULL, NULL) != 0);
	check_int(get.calls + many.calls + bad.calls, 0);
	rig_settle(&rig);
	check_status(get.status, EVKV_NOMEM);
	check_int(get.cause, EVKV_CAUSE_NOMEM);
	check_int(get.kind, EVKV_OP_GET);
	check_int(get.count, 1);
	check_status(get.entries[0].status, EVKV_NOMEM);
	check_status(many.status, EVKV_NOMEM);
	check_int(many.count, 0);
	check_status(bad.status, EVKV_NOMEM);
	check(evkv_store_close(store, 0, answer_cb, &closed) != 0);
	faults_off();
	rig_settle(&rig);
	check_status(closed.status, EVKV_NOMEM);
	check_int(evkv_store_state(store), EVKV_STATE_CLOSED);
	answer_free(&get);
	answer_free(&many);
	answer_free(&bad);
	answer_free(&closed);
	lack_close(&rig, store);
}

EVKV_TEST(core_lack, the_reserve_is_used_again)
{
	struct answer answers[RESERVE + 1];
	struct evkv_store *store;
	struct rig rig;
	int round, i;

	memset(answers, 0, sizeof(answers));
	store = lack_open(&rig);
	for (round = 0; round < 3; round++) {
		faults_fail_from(1);
		for (i = 0; i < RESERVE; i++)
			check(evkv_ping(store, answer_cb, &answers[i]) != 0);
		/* Not a word can be kept of this one. */
		check_int(evkv_ping(store, answer_cb, &answers[i]), 0);
		rig_settle(&rig);
		faults_off();
		for (i = 0; i < RESERVE; i++)
			check_int(answers[i].calls, round + 1);
		check_int(answers[RESERVE].calls, 0);
	}
	for (i = 0; i <= RESERVE; i++)
		answer_free(&answers[i]);
	lack_close(&rig, store);
}

/* With a little memory there is no bound. */
EVKV_TEST(core_lack, a_few_words_are_enough)
{
	struct answer answers[2 * RESERVE];
	struct evkv_store *store;
	struct rig rig;
	int i;

	memset(answers, 0, sizeof(answers));
	store = lack_open(&rig);
	for (i = 0; i < 2 * RESERVE; i++) {
		/* The slabs' array, or a slab: never the few words. */
		faults_fail_nth(1);
		check(evkv_ping(store, answer_cb, &answers[i]) != 0);
		faults_off();
	}
	rig_settle(&rig);
	for (i = 0; i < 2 * RESERVE; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, EVKV_NOMEM);
		answer_free(&answers[i]);
	}
	lack_close(&rig, store);
}

struct again {
	struct evkv_store *store;
	unsigned calls;
};

static void ask_again(const struct evkv_result *result, void *arg)
{
	struct again *again = arg;

	check_status(result->status, EVKV_NOMEM);
	if (++again->calls < 1000)
		check(evkv_ping(again->store, ask_again, again) != 0);
}

EVKV_TEST(core_lack, a_callback_may_ask_again)
{
	struct again again = { .calls = 0 };
	struct rig rig;

	again.store = lack_open(&rig);
	faults_fail_from(1);
	evkv_ping(again.store, ask_again, &again);
	rig_until(&rig, again.calls == 1000);
	faults_off();
	lack_close(&rig, again.store);
}

/* The rest comes while the loop is freed. */
EVKV_TEST(core_lack, freeing_the_loop_tells_all)
{
	struct answer answers[3];
	struct evkv_store *store;
	struct rig rig;
	int i;

	memset(answers, 0, sizeof(answers));
	store = lack_open(&rig);
	faults_fail_from(1);
	for (i = 0; i < 3; i++)
		evkv_ping(store, answer_cb, &answers[i]);
	faults_off();
	lack_close(&rig, store);
	for (i = 0; i < 3; i++) {
		check_status(answers[i].status, EVKV_NOMEM);
		answer_free(&answers[i]);
	}
}

EVKV_TEST(core_lack, require_without_memory_calls_back)
{
	struct answer get = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = lack_open(&rig);
	faults_fail_from(1);
	check(evkv_require_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		  &get) != 0);
	rig_settle(&rig);
	faults_off();
	check_status(get.status, EVKV_NOMEM);
	answer_free(&get);
	lack_close(&rig, store);
}

EVKV_TEST(core_lack, ticket_zero_is_for_handles_without_a_loop)
{
	struct answer get = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	store = lack_open(&rig);
	check_int(evkv_get(NULL, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &get),
	    0);
	check_int(evkv_submit_nomem(NULL,
		      &(struct evkv_request){ .kind = EVKV_OP_GET }, answer_cb,
		      &get),
	    0);
	rig_close(&rig);
	check_int(evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		      &get),
	    0);
	check_int(evkv_store_close(store, 0, answer_cb, &get), 0);
	check_int(get.calls, 0);
	evkv_store_unref(store);
}
