/*
 * Versions, INCR and TAKE, as the memory store and the simple one answer them.
 */
#include "evkv/number.h"
#include "evkv/stores/memory.h"
#include "evkv/stores/simple.h"

#include <stdio.h>

#include "core/store.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"
#include "stores/memory/store.h"

#define C EVKV_LIT("c")
#define K EVKV_LIT("k")

static struct rig rig;
static struct evkv_store *store;

/* What came back last; the bytes of a value are copied. */
static struct last {
	int calls;
	enum evkv_status status;
	int64_t number, ttl_ms, affected;
	struct evkv_version version;
	char bytes[64];
	char message[128];
} last;

static void on_result(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);

	(void)arg;
	memset(&last, 0, sizeof(last));
	last.calls = 1;
	last.status = result->status;
	last.number = entry->number;
	last.ttl_ms = entry->ttl_ms;
	last.version = entry->version;
	last.affected = result->affected;
	snprintf(last.message, sizeof(last.message), "%s", result->message);
	if (entry->bytes.size > 0 && entry->bytes.size < sizeof(last.bytes))
		memcpy(last.bytes, entry->bytes.data, entry->bytes.size);
}

static enum evkv_status run(const struct evkv_request *request)
{
	struct evkv_slice key = K;
	struct evkv_request one = *request;

	one.collection = C;
	one.count = 1;
	one.keys = &key;
	one.flags |= EVKV_FLAG_SINGLE;
	last.calls = 0;
	evkv_submit(store, &one, on_result, NULL);
	rig_wait(&rig, &last.calls);
	return last.status;
}

static enum evkv_status get(uint32_t flags)
{
	return run(&(struct evkv_request){
	    .kind = EVKV_OP_GET, .flags = flags });
}

static enum evkv_status put(const char *text, enum evkv_condition condition,
    const struct evkv_version *version, int64_t ttl_ms)
{
	struct evkv_slice value = evkv_str(text);

	return run(&(struct evkv_request){
	    .kind = EVKV_OP_PUT,
	    .flags = EVKV_FLAG_VERSIONS,
	    .values = &value,
	    .condition = condition,
	    .versions = version,
	    .ttl_ms = ttl_ms,
	});
}

static enum evkv_status change(enum evkv_kind kind,
    const struct evkv_version *version, int64_t ttl_ms)
{
	return run(&(struct evkv_request){
	    .kind = kind,
	    .condition = version != NULL ? EVKV_IF_VERSION : EVKV_IF_ANY,
	    .versions = version,
	    .ttl_ms = ttl_ms,
	});
}

static enum evkv_status incr(int64_t delta, int64_t initial, int64_t ttl_ms)
{
	return run(&(struct evkv_request){
	    .kind = EVKV_OP_INCR,
	    .flags = EVKV_FLAG_VERSIONS,
	    .delta = delta,
	    .initial = initial,
	    .ttl_ms = ttl_ms,
	});
}

static void on_both(void (*test)(void))
{
	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	test();
	evkv_store_unref(store);
	store = evkv_simple_new(rig.loop, NULL);
	test();
	evkv_store_unref(store);
	rig_close(&rig);
	check_int(faults_outstanding(), 0);
}

static bool same(const struct evkv_version *a, const struct evkv_version *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void versions_change_with_each_change(void)
{
	struct evkv_version versions[6];
	size_t i, j;

	check_status(put("a", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	versions[0] = last.version;
	check_status(get(EVKV_FLAG_VERSIONS), EVKV_OK);
	check(same(&last.version, &versions[0]));
	check_status(get(0), EVKV_OK);
	check(same(&last.version, &(struct evkv_version){ .bytes = { 0 } }));
	/* Over it in place, then by another entry; back to what it was. */
	check_status(put("b", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	versions[1] = last.version;
	check_status(put("b, but longer than before, by a lot", EVKV_IF_ANY,
			 NULL, 0),
	    EVKV_OK);
	versions[2] = last.version;
	check_status(put("a", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	versions[3] = last.version;
	check_status(change(EVKV_OP_TOUCH, NULL, 1000), EVKV_OK);
	check_status(get(EVKV_FLAG_VERSIONS), EVKV_OK);
	versions[4] = last.version;
	check_status(change(EVKV_OP_DELETE, NULL, 0), EVKV_OK);
	check_status(put("a", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	versions[5] = last.version;
	for (i = 0; i < 6; i++) {
		for (j = 0; j < i; j++)
			check(!same(&versions[i], &versions[j]));
	}
	check_status(run(&(struct evkv_request){
			 .kind = EVKV_OP_TTL, .flags = EVKV_FLAG_VERSIONS }),
	    EVKV_OK);
	check(same(&last.version, &versions[5]));
}

EVKV_TEST(unit_memory_kinds, versions_change_with_each_change)
{
	on_both(versions_change_with_each_change);
}

static void if_version_holds_for_that_one_only(void)
{
	struct evkv_version had, none = { .bytes = { 0 } };

	check_status(put("a", EVKV_IF_VERSION, &none, 0), EVKV_NOT_FOUND);
	check_status(put("a", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	had = last.version;
	check_status(put("b", EVKV_IF_VERSION, &none, 0), EVKV_CONFLICT);
	check_status(change(EVKV_OP_TOUCH, &none, 1), EVKV_CONFLICT);
	check_status(change(EVKV_OP_DELETE, &none, 0), EVKV_CONFLICT);
	check_int(last.affected, 0);
	check_status(put("b", EVKV_IF_VERSION, &had, 100), EVKV_OK);
	check_status(put("c", EVKV_IF_VERSION, &had, 0), EVKV_CONFLICT);
	check_status(get(EVKV_FLAG_VERSIONS), EVKV_OK);
	check_slice(evkv_str(last.bytes), "b");
	had = last.version;
	check_status(change(EVKV_OP_TOUCH, &had, 50), EVKV_OK);
	check_status(change(EVKV_OP_DELETE, &had, 0), EVKV_CONFLICT);
	check_status(get(EVKV_FLAG_VERSIONS), EVKV_OK);
	had = last.version;
	/* What has expired has no version. */
	rig_advance(&rig, 50);
	check_status(put("d", EVKV_IF_VERSION, &had, 0), EVKV_NOT_FOUND);
	check_status(change(EVKV_OP_TOUCH, &had, 0), EVKV_NOT_FOUND);
	check_status(change(EVKV_OP_DELETE, &had, 0), EVKV_NOT_FOUND);
	check_status(put("e", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	had = last.version;
	check_status(change(EVKV_OP_DELETE, &had, 0), EVKV_OK);
	check_int(last.affected, 1);
	check_status(get(0), EVKV_NOT_FOUND);
}

EVKV_TEST(unit_memory_kinds, if_version_holds_for_that_one_only)
{
	on_both(if_version_holds_for_that_one_only);
}

static void incr_adds_and_keeps_the_ttl(void)
{
	struct evkv_version had;

	check_status(incr(5, 10, 100), EVKV_OK);
	check_int(last.number, 15);
	check_int(last.affected, 1);
	had = last.version;
	check_status(incr(-20, 3, 7), EVKV_OK);
	check_int(last.number, -5);
	check(!same(&had, &last.version));
	check_status(change(EVKV_OP_TTL, NULL, 0), EVKV_OK);
	check_int(last.ttl_ms, 100);
	check_slice(evkv_str(last.bytes), "-5");
	check_status(get(EVKV_FLAG_VERSIONS), EVKV_OK);
	rig_advance(&rig, 100);
	check_status(incr(1, 0, 0), EVKV_OK);
	check_int(last.number, 1);
	check_status(put("9223372036854775806", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	check_status(incr(1, 0, 0), EVKV_OK);
	check_status(incr(1, 0, 0), EVKV_INVALID);
	check_slice(evkv_str(last.message), EVKV_INCR_REFUSED);
	check_status(get(0), EVKV_OK);
	check_slice(evkv_str(last.bytes), "9223372036854775807");
	check_status(put("007", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	check_status(incr(1, 0, 0), EVKV_INVALID);
	check_status(change(EVKV_OP_DELETE, NULL, 0), EVKV_OK);
	check_status(incr(1, INT64_MAX, 0), EVKV_INVALID);
	check_status(get(0), EVKV_NOT_FOUND);
}

EVKV_TEST(unit_memory_kinds, incr_adds_and_keeps_the_ttl)
{
	on_both(incr_adds_and_keeps_the_ttl);
}

static void take_gets_and_removes(void)
{
	check_status(change(EVKV_OP_TAKE, NULL, 0), EVKV_NOT_FOUND);
	check_int(last.affected, 0);
	check_status(put("v", EVKV_IF_ANY, NULL, 10), EVKV_OK);
	check_status(change(EVKV_OP_TAKE, NULL, 0), EVKV_OK);
	check_slice(evkv_str(last.bytes), "v");
	check_int(last.affected, 1);
	check_status(change(EVKV_OP_TAKE, NULL, 0), EVKV_NOT_FOUND);
	check_status(put("v", EVKV_IF_ANY, NULL, 10), EVKV_OK);
	rig_advance(&rig, 10);
	check_status(change(EVKV_OP_TAKE, NULL, 0), EVKV_NOT_FOUND);
}

EVKV_TEST(unit_memory_kinds, take_gets_and_removes)
{
	on_both(take_gets_and_removes);
}

/* A value of others is handed on, also by a TAKE, and is no number. */
static void counted_values_are_taken(void)
{
	static char text[5000];
	struct evkv_slice key = K;
	struct evkv_value *value;

	memset(text, '1', sizeof(text));
	value = evkv_value_new(evkv_bytes(text, 5000));
	last.calls = 0;
	evkv_submit(store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = C,
		.count = 1,
		.keys = &key,
		.counted_values = &value },
	    on_result, NULL);
	rig_wait(&rig, &last.calls);
	check_status(incr(1, 0, 0), EVKV_INVALID);
	evkv_value_unref(value);
	last.calls = 0;
	check_status(run(&(struct evkv_request){ .kind = EVKV_OP_EXISTS }),
	    EVKV_OK);
	check_status(change(EVKV_OP_TAKE, NULL, 0), EVKV_OK);
	check_status(get(0), EVKV_NOT_FOUND);
}

EVKV_TEST(unit_memory_kinds, counted_values_are_taken)
{
	on_both(counted_values_are_taken);
}

static void keep_value(const struct evkv_result *result, void *arg)
{
	struct evkv_value **kept = arg;

	*kept = evkv_value_ref(evkv_result_entry(result, 0)->value);
}

/* The entry is out of the table while its value is held. */
EVKV_TEST(unit_memory_kinds, what_is_taken_lives_as_long_as_it_is_held)
{
	struct evkv_value *kept = NULL;
	struct evkv_counters counters;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	check_status(put("v", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	evkv_take(store, C, K, keep_value, &kept);
	check_status(get(0), EVKV_NOT_FOUND);
	check(kept != NULL);
	check_slice(evkv_value_bytes(kept), "v");
	evkv_store_counters(store, &counters);
	check_int(counters.entries, 0);
	check(counters.bytes > 0);
	evkv_value_unref(kept);
	rig_settle(&rig);
	evkv_store_counters(store, &counters);
	check_int(counters.bytes, 0);
	evkv_store_unref(store);
	rig_close(&rig);
}

static int64_t seen[6];
static enum evkv_status statuses[3];

static void on_many(const struct evkv_result *result, void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < result->count; i++) {
		seen[i] = evkv_result_entry(result, i)->number;
		statuses[i] = evkv_result_entry(result, i)->status;
	}
	last.calls = 1;
}

static void many_are_done_one_by_one(void)
{
	const struct evkv_slice keys[] = { K, EVKV_LIT("l"), K };
	const int64_t deltas[] = { 1, 20, 300 };

	last.calls = 0;
	evkv_submit(store,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.collection = C,
		.count = 3,
		.keys = keys,
		.deltas = deltas },
	    on_many, NULL);
	rig_wait(&rig, &last.calls);
	check_int(seen[0], 1);
	check_int(seen[1], 20);
	check_int(seen[2], 301);
	last.calls = 0;
	evkv_take_many(store, C, keys, 3, on_many, NULL);
	rig_wait(&rig, &last.calls);
	check_status(statuses[0], EVKV_OK);
	check_status(statuses[1], EVKV_OK);
	check_status(statuses[2], EVKV_NOT_FOUND);
}

EVKV_TEST(unit_memory_kinds, many_are_done_one_by_one)
{
	on_both(many_are_done_one_by_one);
}

/* Out of memory below max_bytes: the message tells both. */
EVKV_TEST(unit_memory_kinds, no_memory_names_max_bytes)
{
	static char text[200000];
	bool told = false;
	size_t n;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_bytes = 1000000 }, NULL);
	memset(text, 'x', sizeof(text) - 1);
	check_status(put("v", EVKV_IF_ANY, NULL, 0), EVKV_OK);
	/* Some allocation is that of the entry. */
	for (n = 1; n < 10 && !told; n++) {
		faults_fail_nth(n);
		if (put(text, EVKV_IF_ANY, NULL, 0) == EVKV_NOMEM)
			told = strstr(last.message, "max_bytes of 1000000") !=
			    NULL;
		else
			check_status(put("v", EVKV_IF_ANY, NULL, 0), EVKV_OK);
		faults_off();
	}
	check(told);
	check_status(get(0), EVKV_OK);
	check_slice(evkv_str(last.bytes), "v");
	evkv_store_unref(store);
	rig_close(&rig);
}
