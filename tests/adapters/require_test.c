/*
 * tests/adapters/require_test.c - a miss is an error.
 */
#include "evkv/adapters/require.h"
#include "evkv/stores/simple.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("users")

EVKV_TEST(adapters_require, a_miss_names_operation_collection_and_key)
{
	struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b\n"),
		EVKV_LIT("c") };
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	evkv_put(store, C, EVKV_LIT("a"), EVKV_LIT("v"), 0, NULL, NULL);
	evkv_require_get(store, C, EVKV_LIT("a"), answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	evkv_require_get(store, C, EVKV_LIT("7"), answer_cb, &a);
	rig_turn(&rig);
	check_int(a.calls, 2);
	check_status(a.status, EVKV_MISSING);
	check(evkv_failed(a.status));
	check_str(a.message, "get: users has no entry for the key 7");
	check_status(a.entries[0].status, EVKV_MISSING);

	/* The first that is missing; what is there is there. */
	evkv_require_get_many(store, C, keys, 3, answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_MISSING);
	check_str(a.message, "get: users has no entry for the key b\\x0a");
	check_status(a.entries[0].status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	check_status(a.entries[1].status, EVKV_MISSING);
	check_status(a.entries[2].status, EVKV_MISSING);

	evkv_require_ttl(store, C, EVKV_LIT("x"), answer_cb, &a);
	rig_turn(&rig);
	check_contains(a.message, "ttl: users");
	evkv_require_ttl_many(store, C, keys, 1, answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_OK);
	evkv_require_take(store, C, EVKV_LIT("a"), answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_OK);
	evkv_require_take(store, C, EVKV_LIT("a"), answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_MISSING);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(adapters_require, what_is_wrong_is_told_as_ever)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	check(evkv_require_get(NULL, C, EVKV_LIT("a"), answer_cb, &a) == 0);
	evkv_require_get(store, C, EVKV_LIT(""), answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_INVALID);
	evkv_require_get_many(store, C, NULL, 3, answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_INVALID);
	faults_fail_from(1);
	check(evkv_require_get(store, C, EVKV_LIT("a"), answer_cb, &a) != 0);
	faults_off();
	rig_turn(&rig);
	check_status(a.status, EVKV_NOMEM);
	check(evkv_require_get(store, C, EVKV_LIT("a"), NULL, NULL) != 0);
	evkv_store_close(store, 0, NULL, NULL);
	evkv_require_get(store, C, EVKV_LIT("a"), answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_CLOSED);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* Whatever there is no memory for: one answer, and it says so. */
EVKV_TEST(adapters_require, out_of_memory_is_told_at_any_place)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	bool fired = true;
	struct rig rig;
	size_t n;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	evkv_put(store, C, EVKV_LIT("a"), EVKV_LIT("v"), 0, NULL, NULL);
	rig_turn(&rig);
	for (n = 1; fired && n < 100; n++) {
		answer_reset(&a);
		faults_fail_nth(n);
		check(evkv_require_get_many(store, C, keys, 3, answer_cb, &a) !=
		    0);
		rig_turn(&rig);
		fired = faults_fired() > 0;
		faults_off();
		check_int(a.calls, 1);
		if (a.status == EVKV_NOMEM) {
			check_int(a.cause, EVKV_CAUSE_NOMEM);
			check_str(a.message, evkv_status_text(EVKV_NOMEM));
		} else {
			check_status(a.status, EVKV_MISSING);
			check_contains(a.message, "the key b");
		}
	}
	check_status(a.status, EVKV_MISSING);
	check(!fired);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}
