/* What is particular to the memory store: pins, steps, sweeps, bounds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/store.h"
#include "evkv/open.h"
#include "evkv/stores/memory.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"
#include "stores/memory_store.h"

#define COLLECTION EVKV_LIT("c")

struct bed {
	struct rig rig;
	struct evkv_store *store;
};

static void bed_open(struct bed *bed, size_t max_entries, size_t max_bytes)
{
	struct evkv_memory_options options = {
		.max_entries = max_entries,
		.max_bytes = max_bytes,
	};

	rig_open(&bed->rig);
	bed->store = evkv_memory_new(bed->rig.loop, &options, NULL);
	check(bed->store != NULL);
}

static void bed_close(struct bed *bed)
{
	evkv_store_unref(bed->store);
	rig_close(&bed->rig);
	check_int(faults_outstanding(), 0);
}

static const struct memory *self_of(const struct evkv_store *store)
{
	return store->self;
}

static struct evkv_counters counters_of(const struct bed *bed)
{
	struct evkv_counters counters;

	evkv_store_counters(bed->store, &counters);
	return counters;
}

static struct evkv_slice number_key(char *buffer, size_t size, unsigned number)
{
	return evkv_bytes(buffer, (size_t)snprintf(buffer, size, "key-%06u",
	    number));
}

/* A single one: rig_turn() goes on for as long as something is active. */
static void turn(struct bed *bed)
{
	check(event_base_loop(bed->rig.base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >=
	    0);
}

static void wait_for(struct bed *bed, struct answer *answer)
{
	rig_wait(&bed->rig, &answer->calls);
	check_int(answer->calls, 1);
}

static enum evkv_status put_ttl(struct bed *bed, struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	struct answer answer = ANSWER_INIT;
	enum evkv_status status;

	evkv_put(bed->store, collection, key, value, ttl_ms, answer_cb,
	    &answer);
	wait_for(bed, &answer);
	status = answer.status;
	answer_free(&answer);
	return status;
}

static enum evkv_status put(struct bed *bed, const char *key,
    const char *value)
{
	return put_ttl(bed, COLLECTION, evkv_str(key), evkv_str(value), 0);
}

static unsigned key_number(struct evkv_slice key)
{
	char digits[7] = { 0 };

	check_int(key.size, 10);
	memcpy(digits, (const char *)key.data + 4, 6);
	return (unsigned)strtoul(digits, NULL, 10);
}

static void put_nowait(struct bed *bed, struct evkv_slice value)
{
	evkv_put(bed->store, COLLECTION, EVKV_LIT("k"), value, 0, NULL, NULL);
}

/* By batches, so that a test may have many of them. */
static void put_numbers(struct bed *bed, struct evkv_slice collection,
    unsigned from, unsigned to, int64_t ttl_ms)
{
	static char names[512][16];
	struct evkv_slice keys[512], values[512];
	struct answer answer = ANSWER_INIT;
	size_t n;

	while (from < to) {
		for (n = 0; n < 512 && from < to; n++, from++) {
			keys[n] = number_key(names[n], sizeof(names[n]),
			    from);
			values[n] = keys[n];
		}
		answer_reset(&answer);
		evkv_put_many(bed->store, collection, keys, values, n, ttl_ms,
		    answer_cb, &answer);
		wait_for(bed, &answer);
		check_status(answer.status, EVKV_OK);
	}
	answer_free(&answer);
}

static int64_t count_keys(struct bed *bed, struct evkv_slice collection)
{
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	size_t size = 0;
	int64_t count = 0;

	do {
		answer_reset(&answer);
		evkv_submit(bed->store, &(struct evkv_request){
			.kind = EVKV_KEYS,
			.collection = collection,
			.cursor = evkv_bytes(cursor, size),
		}, answer_cb, &answer);
		wait_for(bed, &answer);
		check_status(answer.status, EVKV_OK);
		count += (int64_t)answer.count;
		size = answer.cursor.size;
		if (size > 0)
			memcpy(cursor, answer.cursor.data, size);
	} while (size > 0);
	answer_free(&answer);
	return count;
}

/* ---- Values that are held ------------------------------------------------ */

static struct evkv_value *held[4];
static size_t held_count;

static void hold_cb(const struct evkv_result *result, void *arg)
{
	(void)arg;
	check_status(result->status, EVKV_OK);
	held[held_count++] = evkv_value_ref(result->entries[0].value);
}

static void hold(struct bed *bed, const char *key)
{
	size_t had = held_count;

	evkv_get(bed->store, COLLECTION, evkv_str(key), hold_cb, NULL);
	while (held_count == had)
		turn(bed);
}

/* A result that is still to be delivered, while its entry goes. */
static void check_pinned_through(void (*disturb)(struct bed *bed))
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 4, 0);
	put(&bed, "k", "value");
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	disturb(&bed);
	wait_for(&bed, &answer);
	check_status(answer.status, EVKV_OK);
	check_slice(answer.entries[0].bytes, "value");
	answer_free(&answer);
	rig_settle(&bed.rig);
	/* Nothing is counted as held any more. */
	check(counters_of(&bed).bytes < 1000);
	bed_close(&bed);
}

static void disturb_overwrite(struct bed *bed)
{
	evkv_put(bed->store, COLLECTION, EVKV_LIT("k"), EVKV_LIT("other"), 0,
	    NULL, NULL);
}

static void disturb_delete(struct bed *bed)
{
	evkv_delete(bed->store, COLLECTION, EVKV_LIT("k"), NULL, NULL);
}

static void disturb_evict(struct bed *bed)
{
	char name[16];
	unsigned i;

	for (i = 0; i < 20; i++)
		evkv_put(bed->store, COLLECTION,
		    number_key(name, sizeof(name), i), EVKV_LIT("v"), 0,
		    NULL, NULL);
}

static void disturb_clear(struct bed *bed)
{
	evkv_clear(bed->store, COLLECTION, EVKV_LIT(""), NULL, NULL);
}

static void disturb_destroy(struct bed *bed)
{
	evkv_destroy(bed->store, NULL, NULL);
}

static void disturb_close(struct bed *bed)
{
	evkv_store_close(bed->store, 0, NULL, NULL);
}

EVKV_TEST(unit_memory_store, result_outlives_the_overwriting_of_its_entry)
{
	check_pinned_through(disturb_overwrite);
}

EVKV_TEST(unit_memory_store, result_outlives_the_deletion_of_its_entry)
{
	check_pinned_through(disturb_delete);
}

EVKV_TEST(unit_memory_store, result_outlives_the_eviction_of_its_entry)
{
	check_pinned_through(disturb_evict);
}

EVKV_TEST(unit_memory_store, result_outlives_clear)
{
	check_pinned_through(disturb_clear);
}

EVKV_TEST(unit_memory_store, result_outlives_destroy)
{
	check_pinned_through(disturb_destroy);
}

EVKV_TEST(unit_memory_store, result_outlives_close)
{
	check_pinned_through(disturb_close);
}

EVKV_TEST(unit_memory_store, pending_result_does_not_outlive_the_loop)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put(&bed, "k", "value");
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	bed_close(&bed);
	check_int(answer.calls, 1);
	check_slice(answer.entries[0].bytes, "value");
	answer_free(&answer);
}

static void *let_go(void *arg)
{
	struct evkv_value **values = arg;
	size_t i;

	for (i = 0; i < 4; i++) {
		check_slice(evkv_value_bytes(values[i]), "value");
		evkv_value_unref(values[i]);
	}
	return NULL;
}

EVKV_TEST(unit_memory_store, values_may_be_let_go_of_on_any_thread_and_late)
{
	struct bed bed;
	pthread_t thread;
	size_t before;

	bed_open(&bed, 0, 0);
	held_count = 0;
	put(&bed, "deleted", "value");
	put(&bed, "overwritten", "value");
	put(&bed, "left", "value");
	before = counters_of(&bed).bytes;
	hold(&bed, "deleted");
	hold(&bed, "overwritten");
	hold(&bed, "left");
	hold(&bed, "left");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("deleted"), NULL, NULL);
	put(&bed, "overwritten", "other");
	check(counters_of(&bed).bytes > before);
	check_int(pthread_create(&thread, NULL, let_go, held), 0);
	/* Meanwhile the loop goes on to use, then to free, the same entries. */
	put(&bed, "left", "another");
	put(&bed, "more", "value");
	evkv_store_unref(bed.store);
	rig_close(&bed.rig);
	check_int(pthread_join(thread, NULL), 0);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_store, values_outlive_the_loop)
{
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	held_count = 0;
	put(&bed, "k", "value");
	for (i = 0; i < 4; i++)
		hold(&bed, "k");
	evkv_store_unref(bed.store);
	rig_close(&bed.rig);
	let_go(held);
	check_int(faults_outstanding(), 0);
}

/* ---- Gets that wait, and such as need no op -------------------------------- */

EVKV_TEST(unit_memory_store, gets_that_are_looked_up_together_see_their_time)
{
	struct answer answers[4] = { ANSWER_INIT };
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	put_ttl(&bed, COLLECTION, EVKV_LIT("k"), EVKV_LIT("one"), 10);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[0]);
	/* It has expired by the time that the first one is told. */
	bed.rig.now_us += 10000;
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[1]);
	evkv_put(bed.store, COLLECTION, EVKV_LIT("k"), EVKV_LIT("two"), 0,
	    NULL, NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[2]);
	/* Another collection, which is empty, and the first one again. */
	evkv_get(bed.store, EVKV_LIT("d"), EVKV_LIT("k"), NULL, NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[3]);
	check_int(self_of(bed.store)->late_count > 0, 1);
	wait_for(&bed, &answers[3]);
	check_slice(answers[0].entries[0].bytes, "one");
	check_status(answers[1].status, EVKV_NOT_FOUND);
	check_slice(answers[2].entries[0].bytes, "two");
	check_slice(answers[3].entries[0].bytes, "two");
	for (i = 0; i < 4; i++) {
		check_int(answers[i].calls, 1);
		if (i > 0)
			check(answers[i].order > answers[i - 1].order);
		answer_free(&answers[i]);
	}
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, an_emptied_collection_may_go_while_gets_wait)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put(&bed, "k", "v");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("k"), NULL, NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	/* Another one becomes the last: the empty one is freed. */
	put_ttl(&bed, EVKV_LIT("other"), EVKV_LIT("k"), EVKV_LIT("v"), 0);
	wait_for(&bed, &answer);
	check_status(answer.status, EVKV_NOT_FOUND);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, many_gets_that_wait_are_all_answered)
{
	static struct answer answers[300];
	char name[16], long_key[100];
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	memset(long_key, 'x', sizeof(long_key));
	put_numbers(&bed, COLLECTION, 0, 200, 0);
	put_ttl(&bed, COLLECTION, evkv_bytes(long_key, sizeof(long_key)),
	    EVKV_LIT("long"), 0);
	for (i = 0; i < 300; i++) {
		answers[i] = (struct answer)ANSWER_INIT;
		evkv_get(bed.store, COLLECTION, i == 150 ?
		    evkv_bytes(long_key, sizeof(long_key)) :
		    number_key(name, sizeof(name), i), answer_cb, &answers[i]);
	}
	wait_for(&bed, &answers[299]);
	for (i = 0; i < 300; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status, i < 200 ? EVKV_OK :
		                                          EVKV_NOT_FOUND);
		if (i == 150)
			check_slice(answers[i].entries[0].bytes, "long");
		else if (i < 200)
			check_bytes(answers[i].entries[0].bytes,
			    number_key(name, sizeof(name), i));
		answer_free(&answers[i]);
	}
	bed_close(&bed);
}

/* Scrambled inputs take the ordinary way; this one does not scramble. */
static void plain_bed_open(struct bed *bed, struct evkv_loop **loop)
{
	bed_open(bed, 0, 0);
	evkv_store_unref(bed->store);
	*loop = evkv_loop_new_with(bed->rig.base, &(struct evkv_loop_options){
		.seed = 5, .scramble = EVKV_SCRAMBLE_OFF }, NULL);
	bed->store = evkv_memory_new(*loop, NULL, NULL);
	check(bed->store != NULL);
}

static void plain_bed_close(struct bed *bed, struct evkv_loop *loop)
{
	evkv_store_unref(bed->store);
	evkv_loop_free(loop);
	rig_close(&bed->rig);
	check_int(faults_outstanding(), 0);
}

static struct answer inline_get(struct bed *bed, struct evkv_slice key)
{
	struct answer answer = ANSWER_INIT;
	evkv_ticket ticket;

	ticket = evkv_submit(bed->store, &(struct evkv_request){
		.kind = EVKV_GET,
		.flags = EVKV_OP_INLINE | EVKV_OP_SINGLE,
		.collection = COLLECTION,
		.count = 1,
		.keys = &key,
	}, answer_cb, &answer);
	check(ticket != 0);
	/* It has ended: that is no op's. */
	evkv_cancel(evkv_store_loop(bed->store), ticket);
	return answer;
}

EVKV_TEST(unit_memory_store, inline_get_is_answered_inside_the_call)
{
	struct evkv_loop *loop;
	struct answer answer;
	struct bed bed;

	plain_bed_open(&bed, &loop);
	answer = inline_get(&bed, EVKV_LIT("k"));
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_NOT_FOUND);
	check_int(answer.count, 1);
	check_status(answer.entries[0].status, EVKV_NOT_FOUND);
	check(!answer.entries[0].has_value);
	answer_free(&answer);
	check_status(put(&bed, "k", ""), EVKV_OK);
	answer = inline_get(&bed, EVKV_LIT("k"));
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_OK);
	check_int(answer.kind, EVKV_GET);
	check(answer.entries[0].has_value);
	check_slice(answer.entries[0].bytes, "");
	answer_free(&answer);
	/* What is wrong is said on the ordinary way. */
	answer = inline_get(&bed, EVKV_LIT(""));
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_INVALID);
	answer_free(&answer);
	evkv_store_close(bed.store, 0, NULL, NULL);
	answer = inline_get(&bed, EVKV_LIT("k"));
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_CLOSED);
	answer_free(&answer);
	plain_bed_close(&bed, loop);
}

struct nest {
	struct bed *bed;
	unsigned depth, deepest, calls;
};

static void nest_get(struct nest *nest);

/* Overwrites what it looks at, and asks again from within. */
static void nest_cb(const struct evkv_result *result, void *arg)
{
	struct nest *nest = arg;
	struct evkv_slice bytes = result->entries[0].bytes;
	char number[16];

	check_status(result->status, EVKV_OK);
	if (++nest->depth > nest->deepest)
		nest->deepest = nest->depth;
	nest->calls++;
	number_key(number, sizeof(number), nest->calls);
	put_nowait(nest->bed, evkv_bytes(number, 10));
	if (nest->calls < 100)
		nest_get(nest);
	/* Still the value that was there before its own put. */
	check_int(key_number(bytes), key_number(evkv_bytes(number, 10)) - 1);
	nest->depth--;
}

static void nest_get(struct nest *nest)
{
	struct evkv_slice key = EVKV_LIT("k");

	evkv_submit(nest->bed->store, &(struct evkv_request){
		.kind = EVKV_GET,
		.flags = EVKV_OP_INLINE | EVKV_OP_SINGLE,
		.collection = COLLECTION,
		.count = 1,
		.keys = &key,
	}, nest_cb, nest);
}

EVKV_TEST(unit_memory_store, inline_gets_nest_so_deep_and_no_deeper)
{
	struct evkv_loop *loop;
	struct nest nest = { 0 };
	struct bed bed;

	plain_bed_open(&bed, &loop);
	nest.bed = &bed;
	put_nowait(&bed, EVKV_LIT("key-000000"));
	nest_get(&nest);
	while (nest.calls < 100)
		turn(&bed);
	check_int(nest.calls, 100);
	check_int(nest.depth, 0);
	check_between(nest.deepest, 2, 20);
	plain_bed_close(&bed, loop);
}

/* ---- Bounds --------------------------------------------------------------- */

EVKV_TEST(unit_memory_store, counts_entries_bytes_and_evictions)
{
	struct evkv_counters counters;
	struct bed bed;

	bed_open(&bed, 100, 0);
	put_numbers(&bed, COLLECTION, 0, 250, 0);
	counters = counters_of(&bed);
	check_int(counters.entries, 100);
	check_int(counters.evictions, 150);
	check_between(counters.bytes, 100 * 70, 100 * 160);
	check_int(count_keys(&bed, COLLECTION), 100);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, too_large_is_told_per_entry)
{
	static char large[5000];
	struct evkv_slice keys[3] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct evkv_slice values[3] = { EVKV_LIT("1"),
		evkv_bytes(large, sizeof(large)), EVKV_LIT("3") };
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 4096);
	evkv_put_many(bed.store, COLLECTION, keys, values, 3, 0, answer_cb,
	    &answer);
	wait_for(&bed, &answer);
	check_status(answer.status, EVKV_TOO_LARGE);
	check_contains(answer.message, "max_bytes");
	check_status(answer.entries[0].status, EVKV_OK);
	check_status(answer.entries[1].status, EVKV_TOO_LARGE);
	check_status(answer.entries[2].status, EVKV_OK);
	check_int(answer.affected, 2);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, held_values_may_leave_no_room)
{
	static char large[3000];
	struct bed bed;

	bed_open(&bed, 0, 4096);
	held_count = 0;
	put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
	    evkv_bytes(large, sizeof(large)), 0);
	hold(&bed, "k");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("k"), NULL, NULL);
	check_status(put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
	    evkv_bytes(large, sizeof(large)), 0), EVKV_NOSPACE);
	check_status(put(&bed, "small", "v"), EVKV_OK);
	evkv_value_unref(held[0]);
	check_status(put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
	    evkv_bytes(large, sizeof(large)), 0), EVKV_OK);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, room_for_a_large_value_is_made_by_and_by)
{
	size_t bound = 2000000;
	struct bed bed;
	char *large = calloc(1, 100000);

	bed_open(&bed, 0, bound);
	put_numbers(&bed, COLLECTION, 0, 20000, 0);
	check(counters_of(&bed).bytes > bound - 200);
	check_status(put_ttl(&bed, COLLECTION, EVKV_LIT("large"),
	    evkv_bytes(large, 100000), 0), EVKV_OK);
	check(counters_of(&bed).bytes <= bound + bound / 16);
	rig_settle(&bed.rig);
	check(counters_of(&bed).bytes <= bound);
	free(large);
	bed_close(&bed);
}

/* ---- Construction --------------------------------------------------------- */

EVKV_TEST(unit_memory_store, options_and_their_defaults)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, &error);
	check_int(self_of(store)->table.max_bytes, 64 << 20);
	check(self_of(store)->table.max_entries == SIZE_MAX);
	evkv_store_unref(store);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_entries = 7 }, &error);
	check_int(self_of(store)->table.max_entries, 7);
	check(self_of(store)->table.max_bytes == SIZE_MAX);
	evkv_store_unref(store);
	store = evkv_memory_new(rig.loop,
	    &(struct evkv_memory_options){ .max_bytes = 4095 }, &error);
	check(store == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "max_bytes");
	rig_close(&rig);
}

EVKV_TEST(unit_memory_store, opens_by_url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	store = evkv_open(rig.loop, "memory:?max_entries=100000&max_bytes=64m",
	    &error);
	check(store != NULL);
	check_int(self_of(store)->table.max_entries, 100000);
	check_int(self_of(store)->table.max_bytes, 64 << 20);
	evkv_store_unref(store);
	check(evkv_open(rig.loop, "memory:?max_bytes=1k", &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, "max_bytes");
	evkv_error_clear(&error);
	check(evkv_open(rig.loop, "memory:?max_byte=1m", &error) == NULL);
	check_contains(error.message, "max_byte");
	rig_close(&rig);
}

/* ---- Expiry --------------------------------------------------------------- */

EVKV_TEST(unit_memory_store, what_has_expired_is_given_back_untouched)
{
	struct bed bed;
	size_t before;
	int ticks;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 2000, 0);
	before = counters_of(&bed).bytes;
	put_numbers(&bed, EVKV_LIT("mortal"), 0, 20000, 5000);
	check_int(counters_of(&bed).entries, 22000);
	rig_advance(&bed.rig, 4999);
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 22000);
	rig_advance(&bed.rig, 101);
	/* One timer, then steps as long as they find much. */
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 2000);
	check_int(counters_of(&bed).bytes, before);
	/* Nothing is left that could expire: no timer. */
	for (ticks = 0; ticks < 100; ticks++)
		rig_advance(&bed.rig, 1000);
	check_int(self_of(bed.store)->timer.position, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, scattered_expiry_is_given_back_within_bounds)
{
	char name[16];
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	for (i = 0; i < 10000; i++)
		evkv_put(bed.store, COLLECTION,
		    number_key(name, sizeof(name), i), EVKV_LIT("v"),
		    1 + i, NULL, NULL);
	for (i = 0; i < 100; i++) {
		rig_advance(&bed.rig, 100);
		rig_settle(&bed.rig);
		/* One put anew each time: the sweep goes on among writes. */
		put(&bed, "stays", "v");
		check(counters_of(&bed).entries <= 10000 - i * 100 +
		    (10000 - i * 100) / 4 + 1000);
	}
	rig_advance(&bed.rig, 200);
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 1);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, earlier_expiry_moves_the_sweep_forward)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_ttl(&bed, COLLECTION, EVKV_LIT("late"), EVKV_LIT("v"), 100000);
	put_ttl(&bed, COLLECTION, EVKV_LIT("soon"), EVKV_LIT("v"), 200);
	rig_advance(&bed.rig, 250);
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 1);
	/* By touch as well. */
	evkv_touch(bed.store, COLLECTION, EVKV_LIT("late"), 300, NULL, NULL);
	rig_advance(&bed.rig, 350);
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, remaining_ttl_never_rounds_up)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_ttl(&bed, COLLECTION, EVKV_LIT("k"), EVKV_LIT("v"), 10);
	bed.rig.now_us += 2500;
	evkv_ttl(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	wait_for(&bed, &answer);
	check_int(answer.entries[0].ttl_ms, 7);
	/* But it is never 0, which would be "for ever". */
	bed.rig.now_us += 7400;
	answer_reset(&answer);
	evkv_ttl(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	wait_for(&bed, &answer);
	check_int(answer.entries[0].ttl_ms, 1);
	answer_free(&answer);
	bed_close(&bed);
}

/* ---- Clearing ------------------------------------------------------------- */

static int64_t affected_by(struct bed *bed, const struct evkv_request *request)
{
	struct answer answer = ANSWER_INIT;
	int64_t affected;

	evkv_submit(bed->store, request, answer_cb, &answer);
	wait_for(bed, &answer);
	check_status(answer.status, EVKV_OK);
	affected = answer.affected;
	answer_free(&answer);
	return affected;
}

EVKV_TEST(unit_memory_store, clear_is_exact_whatever_has_expired)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 3000, 0);
	put_numbers(&bed, COLLECTION, 3000, 4000, 100);
	put_numbers(&bed, COLLECTION, 4000, 6000, 5000);
	put_numbers(&bed, EVKV_LIT("other"), 0, 500, 0);
	/* Expired, but not swept: the timers have not been looked at. */
	bed.rig.now_us += 100 * 1000;
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_CLEAR, .collection = COLLECTION }), 5000);
	check_int(counters_of(&bed).entries, 500);
	check_int(count_keys(&bed, COLLECTION), 0);
	check_int(count_keys(&bed, EVKV_LIT("other")), 500);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, destroy_is_exact_whatever_has_expired)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 3000, 0);
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_DESTROY }), 3000);
	put_numbers(&bed, COLLECTION, 0, 3000, 0);
	put_numbers(&bed, EVKV_LIT("b"), 0, 1000, 50);
	put_numbers(&bed, EVKV_LIT("b2"), 0, 1000, 51);
	bed.rig.now_us += 50 * 1000;
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_DESTROY, .match_prefix = EVKV_LIT("b") }), 1000);
	put_numbers(&bed, EVKV_LIT("b"), 0, 1000, 50);
	put_numbers(&bed, EVKV_LIT("b2"), 0, 1000, 51);
	bed.rig.now_us += 50 * 1000;
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_DESTROY }), 4000);
	rig_settle(&bed.rig);
	check_int(counters_of(&bed).entries, 0);
	check_int(counters_of(&bed).bytes, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, clear_is_at_once_even_where_its_answer_is_not)
{
	struct answer answer = ANSWER_INIT, got = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 5000, 1000);
	bed.rig.now_us += 1000 * 1000 - 1;
	put_ttl(&bed, COLLECTION, EVKV_LIT("x"), EVKV_LIT("v"), 1000);
	bed.rig.now_us += 1;
	evkv_clear(bed.store, COLLECTION, EVKV_LIT(""), answer_cb,
	    &answer);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("x"), answer_cb, &got);
	put_ttl(&bed, COLLECTION, EVKV_LIT("y"), EVKV_LIT("v"), 0);
	wait_for(&bed, &got);
	check_status(got.status, EVKV_NOT_FOUND);
	check_int(answer.calls, 0);
	wait_for(&bed, &answer);
	check_int(answer.affected, 1);
	check_int(count_keys(&bed, COLLECTION), 1);
	answer_free(&answer);
	answer_free(&got);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, clear_by_pattern_spares_the_rest)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 5000, 0);
	put_numbers(&bed, EVKV_LIT("other"), 0, 5000, 0);
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_CLEAR, .collection = COLLECTION,
		.pattern = EVKV_LIT("key-00[12]???") }), 2000);
	check_int(count_keys(&bed, COLLECTION), 3000);
	check_int(count_keys(&bed, EVKV_LIT("other")), 5000);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, cull_removes_what_has_expired_and_counts_it)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 3000, 0);
	put_numbers(&bed, EVKV_LIT("b"), 0, 4000, 50);
	bed.rig.now_us += 50 * 1000;
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_CULL }), 4000);
	check_int(counters_of(&bed).entries, 3000);
	check_int(affected_by(&bed, &(struct evkv_request){
		.kind = EVKV_CULL }), 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, no_turn_does_much_at_once)
{
	const struct evkv_request requests[] = {
		{ .kind = EVKV_CULL },
		{ .kind = EVKV_CLEAR, .collection = COLLECTION,
		    .match_prefix = EVKV_LIT("key-00") },
		{ .kind = EVKV_CLEAR, .collection = COLLECTION },
		{ .kind = EVKV_DESTROY },
	};
	const struct memory_table *table;
	size_t before, worst = 0, i;
	struct bed bed;

	bed_open(&bed, 0, 0);
	table = &self_of(bed.store)->table;
	put_numbers(&bed, COLLECTION, 0, 30000, 0);
	for (i = 0; i < 30000; i += 1000)
		put_numbers(&bed, EVKV_LIT("b"), (unsigned)i,
		    (unsigned)i + 1000, 1000 + (int64_t)i);
	bed.rig.now_us += 3000 * 1000;
	for (i = 0; i < 4; i++) {
		struct answer answer = ANSWER_INIT;

		evkv_submit(bed.store, &requests[i], answer_cb, &answer);
		while (answer.calls == 0 || table->graves != NULL ||
		    table->space.dead > 0) {
			before = table->work;
			turn(&bed);
			if (table->work - before > worst)
				worst = table->work - before;
		}
		answer_free(&answer);
	}
	check_between(worst, INDEX_SLOTS / 2, 256);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, close_frees_in_steps)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	unsigned turns = 0;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 30000, 0);
	evkv_store_close(bed.store, 0, answer_cb, &answer);
	while (answer.calls == 0 && turns < 1000) {
		turn(&bed);
		turns++;
	}
	check_status(answer.status, EVKV_OK);
	check_between(turns, 30000 / 256, 300);
	answer_free(&answer);
	bed_close(&bed);
}

static void cancel_one(struct bed *bed, const struct evkv_request *request)
{
	struct answer answer = ANSWER_INIT;
	evkv_ticket ticket;

	ticket = evkv_submit(bed->store, request, answer_cb, &answer);
	turn(bed);
	evkv_cancel(bed->rig.loop, ticket);
	wait_for(bed, &answer);
	/* It is a write, and has begun. */
	check_status(answer.status, EVKV_UNKNOWN_OUTCOME);
	check_int(answer.cause, EVKV_CAUSE_CANCELED);
	answer_free(&answer);
	rig_settle(&bed->rig);
	check_int(counters_of(bed).pending, 0);
	check(self_of(bed->store)->jobs == NULL);
}

EVKV_TEST(unit_memory_store, canceled_jobs_end)
{
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 20000, 60000);
	bed.rig.now_us += 30000 * 1000;
	cancel_one(&bed, &(struct evkv_request){ .kind = EVKV_CULL });
	cancel_one(&bed, &(struct evkv_request){ .kind = EVKV_CLEAR,
	    .collection = COLLECTION, .match_prefix = EVKV_LIT("none") });
	check_int(counters_of(&bed).entries, 20000);
	bed.rig.now_us += 30000 * 1000;
	put_numbers(&bed, COLLECTION, 0, 1000, 60000);
	cancel_one(&bed, &(struct evkv_request){ .kind = EVKV_CLEAR,
	    .collection = COLLECTION });
	check_int(counters_of(&bed).entries, 0);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, loop_may_be_freed_amid_jobs)
{
	const struct evkv_request requests[] = {
		{ .kind = EVKV_CULL },
		{ .kind = EVKV_CLEAR, .collection = COLLECTION,
		    .match_prefix = EVKV_LIT("key-00") },
		{ .kind = EVKV_CLEAR, .collection = EVKV_LIT("b") },
		{ .kind = EVKV_DESTROY },
	};
	struct answer answers[4] = { ANSWER_INIT };
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 5000, 1000);
	put_numbers(&bed, EVKV_LIT("b"), 0, 5000, 500);
	bed.rig.now_us += 600 * 1000;
	for (i = 0; i < 4; i++)
		evkv_submit(bed.store, &requests[i], answer_cb, &answers[i]);
	turn(&bed);
	bed_close(&bed);
	for (i = 0; i < 4; i++) {
		check_int(answers[i].calls, 1);
		answer_free(&answers[i]);
	}
}

/* ---- Enumeration ---------------------------------------------------------- */

EVKV_TEST(unit_memory_store, pages_survive_growth_and_shrinking)
{
	static unsigned char seen[4000];
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	unsigned number, page = 0;
	size_t size = 0, i;
	struct bed bed;

	memset(seen, 0, sizeof(seen));
	bed_open(&bed, 0, 0);
	put_numbers(&bed, COLLECTION, 0, 4000, 0);
	do {
		answer_reset(&answer);
		evkv_submit(bed.store, &(struct evkv_request){
			.kind = EVKV_KEYS,
			.collection = COLLECTION,
			.cursor = evkv_bytes(cursor, size),
			.limit = 50,
		}, answer_cb, &answer);
		wait_for(&bed, &answer);
		check(answer.count <= 60);
		for (i = 0; i < answer.count; i++) {
			number = key_number(answer.entries[i].name);
			if (number < 4000)
				check_int(seen[number]++, 0);
		}
		size = answer.cursor.size;
		if (size > 0)
			memcpy(cursor, answer.cursor.data, size);
		/* Many come, then go again. */
		page++;
		if (page % 2 == 1)
			put_numbers(&bed, COLLECTION, 10000, 14000, 0);
		else
			affected_by(&bed, &(struct evkv_request){
				.kind = EVKV_CLEAR, .collection = COLLECTION,
				.match_prefix = EVKV_LIT("key-01") });
	} while (size > 0);
	for (i = 0; i < 4000; i++)
		check_int(seen[i], 1);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_store, collection_of_nothing_but_expired_is_not_named)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	put_ttl(&bed, EVKV_LIT("a"), EVKV_LIT("long"), EVKV_LIT("v"), 9000);
	put_ttl(&bed, EVKV_LIT("a"), EVKV_LIT("short"), EVKV_LIT("v"), 10);
	put_ttl(&bed, EVKV_LIT("b"), EVKV_LIT("long"), EVKV_LIT("v"), 9000);
	put_ttl(&bed, EVKV_LIT("b"), EVKV_LIT("middle"), EVKV_LIT("v"), 5000);
	put_ttl(&bed, EVKV_LIT("d"), EVKV_LIT("k"), EVKV_LIT("v"), 10);
	evkv_delete(bed.store, EVKV_LIT("a"), EVKV_LIT("long"), NULL, NULL);
	evkv_delete(bed.store, EVKV_LIT("b"), EVKV_LIT("long"), NULL, NULL);
	bed.rig.now_us += 10 * 1000;
	evkv_collections(bed.store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &answer);
	wait_for(&bed, &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "b");
	answer_free(&answer);
	bed_close(&bed);
}
