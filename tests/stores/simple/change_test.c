/*
 * tests/stores/simple/change_test.c - versions, incr and take.
 */
#include "evkv/driver.h"
#include "evkv/stores/simple.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

struct seen {
	unsigned calls;
	enum evkv_status status;
	struct evkv_version version;
	int64_t number;
	char bytes[40];
};

static void on_done(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);
	struct seen *seen = arg;

	seen->calls++;
	seen->status = result->status;
	seen->version = entry->version;
	seen->number = entry->number;
	snprintf(seen->bytes, sizeof(seen->bytes), "%.*s",
	    (int)entry->bytes.size,
	    entry->bytes.size > 0 ? (const char *)entry->bytes.data : "");
}

static void is_now(struct rig *rig, const struct seen *seen, unsigned calls,
    enum evkv_status status)
{
	rig_turn(rig);
	check_int(seen->calls, calls);
	check_status(seen->status, status);
}

EVKV_TEST(simple_change, a_version_changes_with_each_change)
{
	struct seen a = { .calls = 0 }, b = { .calls = 0 };
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	evkv_put(store, C, K, EVKV_LIT("1"), 0, NULL, NULL);
	evkv_get_version(store, C, K, on_done, &a);
	is_now(&rig, &a, 1, EVKV_OK);
	evkv_put_if_version(store, C, K, EVKV_LIT("2"), &a.version, 0, on_done,
	    &b);
	is_now(&rig, &b, 1, EVKV_OK);
	check(!evkv_version_equal(&a.version, &b.version));
	evkv_put_if_version(store, C, K, EVKV_LIT("3"), &a.version, 0, on_done,
	    &a);
	is_now(&rig, &a, 2, EVKV_CONFLICT);
	evkv_touch(store, C, K, 1000, NULL, NULL);
	evkv_delete_if_version(store, C, K, &b.version, on_done, &b);
	is_now(&rig, &b, 2, EVKV_CONFLICT);
	evkv_get_version(store, C, K, on_done, &a);
	is_now(&rig, &a, 3, EVKV_OK);
	check_str(a.bytes, "2");
	evkv_delete_if_version(store, C, K, &a.version, on_done, &b);
	is_now(&rig, &b, 3, EVKV_OK);
	evkv_put_if_version(store, C, K, EVKV_LIT("4"), &a.version, 0, on_done,
	    &b);
	is_now(&rig, &b, 4, EVKV_NOT_FOUND);
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(simple_change, incr_makes_adds_and_keeps_the_ttl)
{
	struct evkv_slice key = K;
	struct seen a = { .calls = 0 };
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	evkv_submit(store,
	    &(struct evkv_request){
		.kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_SINGLE,
		.collection = C,
		.count = 1,
		.keys = &key,
		.ttl_ms = 1000,
		.delta = -3,
		.initial = 10,
	    },
	    on_done, &a);
	is_now(&rig, &a, 1, EVKV_OK);
	check_int(a.number, 7);
	rig_advance(&rig, 600);
	evkv_incr(store, C, K, 5, on_done, &a);
	is_now(&rig, &a, 2, EVKV_OK);
	check_int(a.number, 12);
	evkv_get(store, C, K, on_done, &a);
	is_now(&rig, &a, 3, EVKV_OK);
	check_str(a.bytes, "12");
	rig_advance(&rig, 400);
	evkv_incr(store, C, K, 1, on_done, &a);
	is_now(&rig, &a, 4, EVKV_OK);
	check_int(a.number, 1);
	evkv_put(store, C, K, EVKV_LIT("007"), 0, NULL, NULL);
	evkv_incr(store, C, K, 1, on_done, &a);
	is_now(&rig, &a, 5, EVKV_INVALID);
	evkv_get(store, C, K, on_done, &a);
	is_now(&rig, &a, 6, EVKV_OK);
	check_str(a.bytes, "007");
	evkv_store_unref(store);
	rig_close(&rig);
}

EVKV_TEST(simple_change, take_gets_and_deletes)
{
	const struct evkv_slice keys[] = { K, EVKV_LIT("none"), K };
	struct answer a = ANSWER_INIT;
	struct seen b = { .calls = 0 };
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	evkv_put(store, C, K, EVKV_LIT("v"), 0, NULL, NULL);
	evkv_take_many(store, C, keys, 3, answer_cb, &a);
	rig_turn(&rig);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "v");
	check_status(a.entries[1].status, EVKV_NOT_FOUND);
	check_status(a.entries[2].status, EVKV_NOT_FOUND);
	check_int(a.affected, 1);
	evkv_take(store, C, K, on_done, &b);
	is_now(&rig, &b, 1, EVKV_NOT_FOUND);
	answer_free(&a);
	evkv_store_unref(store);
	rig_close(&rig);
}
