/* Values that are held, gets that wait for each other, inline gets. */
#include "bed.h"

#include <pthread.h>

#include "lib/faults.h"
#include "lib/test.h"

/* ---- Values that are held ------------------------------------------ */

static struct evkv_value *held[4];
static size_t held_count;

static void hold_cb(const struct evkv_result *result, void *arg)
{
	(void)arg;
	check_status(result->status, EVKV_OK);
	held[held_count++] = evkv_value_ref(evkv_result_entry(result, 0)
						->value);
}

static void hold(struct bed *bed, const char *key)
{
	size_t had = held_count;

	evkv_get(bed->store, COLLECTION, evkv_str(key), hold_cb, NULL);
	while (held_count == had)
		rig_single_turn(&bed->rig);
}

/* A result that is still to be delivered, while its entry goes. */
static void check_pinned_through(void (*disturb)(struct bed *bed))
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 4, 0);
	bed_put(&bed, "k", "value");
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	disturb(&bed);
	bed_wait(&bed, &answer);
	check_status(answer.status, EVKV_OK);
	check_slice(answer.entries[0].bytes, "value");
	answer_free(&answer);
	rig_settle(&bed.rig);
	/* Nothing is counted as held any more. */
	check(bed_counters(&bed).bytes < 1000);
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
		    number_key(name, sizeof(name), i), EVKV_LIT("v"), 0, NULL,
		    NULL);
}

static void disturb_clear(struct bed *bed)
{
	evkv_clear(bed->store, COLLECTION, EVKV_LIT(""), NULL, NULL);
}

static void disturb_clear_all(struct bed *bed)
{
	evkv_clear_all(bed->store, NULL, NULL);
}

static void disturb_close(struct bed *bed)
{
	evkv_store_close(bed->store, 0, NULL, NULL);
}

EVKV_TEST(unit_memory_values, result_outlives_the_overwriting_of_its_entry)
{
	check_pinned_through(disturb_overwrite);
}

EVKV_TEST(unit_memory_values, result_outlives_the_deletion_of_its_entry)
{
	check_pinned_through(disturb_delete);
}

EVKV_TEST(unit_memory_values, result_outlives_the_eviction_of_its_entry)
{
	check_pinned_through(disturb_evict);
}

EVKV_TEST(unit_memory_values, result_outlives_clear)
{
	check_pinned_through(disturb_clear);
}

EVKV_TEST(unit_memory_values, result_outlives_clear_all)
{
	check_pinned_through(disturb_clear_all);
}

EVKV_TEST(unit_memory_values, result_outlives_close)
{
	check_pinned_through(disturb_close);
}

EVKV_TEST(unit_memory_values, pending_result_does_not_outlive_the_loop)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put(&bed, "k", "value");
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

EVKV_TEST(unit_memory_values, values_may_be_let_go_of_on_any_thread_and_late)
{
	struct bed bed;
	pthread_t thread;
	size_t before;

	bed_open(&bed, 0, 0);
	held_count = 0;
	bed_put(&bed, "deleted", "value");
	bed_put(&bed, "overwritten", "value");
	bed_put(&bed, "left", "value");
	before = bed_counters(&bed).bytes;
	hold(&bed, "deleted");
	hold(&bed, "overwritten");
	hold(&bed, "left");
	hold(&bed, "left");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("deleted"), NULL, NULL);
	bed_put(&bed, "overwritten", "other");
	check(bed_counters(&bed).bytes > before);
	check_int(pthread_create(&thread, NULL, let_go, held), 0);
	/* Meanwhile the loop goes on to use, then to free, the same entries. */
	bed_put(&bed, "left", "another");
	bed_put(&bed, "more", "value");
	evkv_store_unref(bed.store);
	rig_close(&bed.rig);
	check_int(pthread_join(thread, NULL), 0);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_values, values_outlive_the_loop)
{
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	held_count = 0;
	bed_put(&bed, "k", "value");
	for (i = 0; i < 4; i++)
		hold(&bed, "k");
	evkv_store_unref(bed.store);
	rig_close(&bed.rig);
	let_go(held);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_memory_values, held_values_may_leave_no_room)
{
	static char large[3000];
	struct bed bed;

	bed_open(&bed, 0, 4096);
	held_count = 0;
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
	    evkv_bytes(large, sizeof(large)), 0);
	hold(&bed, "k");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("k"), NULL, NULL);
	check_status(bed_put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
			 evkv_bytes(large, sizeof(large)), 0),
	    EVKV_NOSPACE);
	check_status(bed_put(&bed, "small", "v"), EVKV_OK);
	evkv_value_unref(held[0]);
	check_status(bed_put_ttl(&bed, COLLECTION, EVKV_LIT("k"),
			 evkv_bytes(large, sizeof(large)), 0),
	    EVKV_OK);
	bed_close(&bed);
}

enum { VALUES_HELD = 5000 };

static void hold_all_cb(const struct evkv_result *result, void *arg)
{
	struct evkv_value **values = arg;
	size_t i;

	for (i = 0; i < result->count; i++)
		values[i] = evkv_value_ref(evkv_result_entry(result, i)->value);
	held_count = result->count;
}

static void hold_all(struct bed *bed, struct evkv_value **values)
{
	static char names[VALUES_HELD][16];
	static struct evkv_slice keys[VALUES_HELD];
	unsigned i;

	bed_put_numbers(bed, COLLECTION, 0, VALUES_HELD, 0);
	for (i = 0; i < VALUES_HELD; i++)
		keys[i] = number_key(names[i], sizeof(names[i]), i);
	held_count = 0;
	evkv_get_many(bed->store, COLLECTION, keys, VALUES_HELD, hold_all_cb,
	    values);
	rig_wait(&bed->rig, &held_count);
	check_int(held_count, VALUES_HELD);
}

EVKV_TEST(unit_memory_values, values_let_go_of_at_once_are_freed_in_steps)
{
	static struct evkv_value *values[VALUES_HELD];
	unsigned i, turns;
	struct bed bed;

	bed_open(&bed, 0, 0);
	hold_all(&bed, values);
	evkv_clear_all(bed.store, NULL, NULL);
	rig_settle(&bed.rig);
	for (i = 0; i < VALUES_HELD; i++)
		evkv_value_unref(values[i]);
	check_int(bed_counters(&bed).bytes, 0);
	bed_put_nowait(&bed, EVKV_LIT("v"));
	for (turns = 0; heap_is_untidy(store_self_of(bed.store)->table.heap);
	     turns++)
		rig_single_turn(&bed.rig);
	check_between(turns, VALUES_HELD / 128, VALUES_HELD);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_values, values_let_go_of_in_each_turn_hold_up_nothing)
{
	static struct evkv_value *values[VALUES_HELD];
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	hold_all(&bed, values);
	evkv_clear_all(bed.store, NULL, NULL);
	rig_settle(&bed.rig);
	bed_put_numbers(&bed, COLLECTION, 0, 1000, 1000);
	bed.rig.now_us += 2000 * 1000;
	evkv_loop_check_timers(bed.rig.loop);
	for (i = 0; i < VALUES_HELD; i++) {
		evkv_value_unref(values[i]);
		/* In these turns all that has expired is swept. */
		if (i < 100)
			rig_single_turn(&bed.rig);
	}
	check_int(bed_counters(&bed).entries, 0);
	bed_close(&bed);
}

/* ---- Gets that wait, and such as need no op ------------------------ */

EVKV_TEST(unit_memory_values,
    gets_that_are_looked_up_together_see_the_time_of_that)
{
	struct answer answers[4] = { ANSWER_INIT };
	struct bed bed;
	size_t i;

	bed_open(&bed, 0, 0);
	bed_put_ttl(&bed, COLLECTION, EVKV_LIT("k"), EVKV_LIT("one"), 10);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[0]);
	/* It has expired by the time that they are looked up. */
	bed.rig.now_us += 10000;
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[1]);
	evkv_put(bed.store, COLLECTION, EVKV_LIT("k"), EVKV_LIT("two"), 0, NULL,
	    NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[2]);
	/* Another collection, which is empty, and the first one again. */
	evkv_get(bed.store, EVKV_LIT("d"), EVKV_LIT("k"), NULL, NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answers[3]);
	check_int(store_self_of(bed.store)->late_count > 0, 1);
	bed_wait(&bed, &answers[3]);
	check_status(answers[0].status, EVKV_NOT_FOUND);
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

EVKV_TEST(unit_memory_values, an_emptied_collection_may_go_while_gets_wait)
{
	struct answer answer = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 0, 0);
	bed_put(&bed, "k", "v");
	evkv_delete(bed.store, COLLECTION, EVKV_LIT("k"), NULL, NULL);
	evkv_get(bed.store, COLLECTION, EVKV_LIT("k"), answer_cb, &answer);
	/* Another one becomes the last: the empty one is freed. */
	bed_put_ttl(&bed, EVKV_LIT("other"), EVKV_LIT("k"), EVKV_LIT("v"), 0);
	bed_wait(&bed, &answer);
	check_status(answer.status, EVKV_NOT_FOUND);
	answer_free(&answer);
	bed_close(&bed);
}

EVKV_TEST(unit_memory_values, many_gets_that_wait_are_all_answered)
{
	static struct answer answers[300];
	char name[16], long_key[100];
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 0);
	memset(long_key, 'x', sizeof(long_key));
	bed_put_numbers(&bed, COLLECTION, 0, 200, 0);
	bed_put_ttl(&bed, COLLECTION, evkv_bytes(long_key, sizeof(long_key)),
	    EVKV_LIT("long"), 0);
	for (i = 0; i < 300; i++) {
		answers[i] = (struct answer)ANSWER_INIT;
		evkv_get(bed.store, COLLECTION,
		    i == 150 ? evkv_bytes(long_key, sizeof(long_key))
			     : number_key(name, sizeof(name), i),
		    answer_cb, &answers[i]);
	}
	bed_wait(&bed, &answers[299]);
	for (i = 0; i < 300; i++) {
		check_int(answers[i].calls, 1);
		check_status(answers[i].status,
		    i < 200 ? EVKV_OK : EVKV_NOT_FOUND);
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
	*loop = evkv_loop_new_with(bed->rig.base,
	    &(struct evkv_loop_options){
		.seed = 5, .scramble = EVKV_SCRAMBLE_OFF },
	    NULL);
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

	ticket = evkv_submit(bed->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = COLLECTION,
		.count = 1,
		.keys = &key,
	    },
	    answer_cb, &answer);
	check(ticket != 0);
	/* It has ended: that is no op's. */
	evkv_cancel(evkv_store_loop(bed->store), ticket);
	return answer;
}

EVKV_TEST(unit_memory_values, inline_get_is_answered_inside_the_call)
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
	check_status(bed_put(&bed, "k", ""), EVKV_OK);
	answer = inline_get(&bed, EVKV_LIT("k"));
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_OK);
	check_int(answer.kind, EVKV_OP_GET);
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

static struct answer inline_get_of(struct bed *bed,
    const struct evkv_request *given)
{
	struct evkv_request request = *given;
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");

	request.kind = EVKV_OP_GET;
	request.flags |= EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE;
	request.count = 1;
	request.keys = &key;
	check(evkv_submit(bed->store, &request, answer_cb, &answer) != 0);
	check_int(answer.calls, 1);
	return answer;
}

EVKV_TEST(unit_memory_values, inline_gets_change_between_collections)
{
	static const char *const names[] = { "a", "b", "absent", "" };
	struct evkv_loop *loop;
	struct answer answer;
	struct bed bed;
	unsigned i;

	plain_bed_open(&bed, &loop);
	evkv_put(bed.store, EVKV_LIT("a"), EVKV_LIT("k"), EVKV_LIT("of a"), 0,
	    NULL, NULL);
	evkv_put(bed.store, EVKV_LIT("b"), EVKV_LIT("k"), EVKV_LIT("of b"), 0,
	    NULL, NULL);
	for (i = 0; i < 64; i++) {
		const char *name = names[i * 7 / 3 % 4];

		answer = inline_get_of(&bed,
		    &(struct evkv_request){ .collection = evkv_str(name) });
		check(answer.entries[0].has_value == (strlen(name) == 1));
		if (answer.entries[0].has_value)
			check_int(((const char *)answer.entries[0]
					  .bytes.data)[3],
			    name[0]);
		answer_free(&answer);
	}
	plain_bed_close(&bed, loop);
}

EVKV_TEST(unit_memory_values, inline_get_refuses_what_any_get_refuses)
{
	struct evkv_slice value = EVKV_LIT("v");
	const struct evkv_request odd[] = {
		{ .values = &value },
		{ .ttl_ms = 1 },
		{ .condition = EVKV_IF_ABSENT },
		{ .match.pattern = EVKV_LIT("*") },
		{ .match.limit = 1 },
		{ .flags = 1u << 30 },
		{ .timeout_ms = -2 },
		{ .collection = { NULL, 1 } },
		{ .collection = { "c", EVKV_COLLECTION_MAX + 1 } },
	};
	struct evkv_loop *loop;
	struct answer answer;
	struct bed bed;
	size_t i;

	plain_bed_open(&bed, &loop);
	check_status(bed_put(&bed, "k", "v"), EVKV_OK);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		answer = inline_get_of(&bed, &odd[i]);
		check_status(answer.status, EVKV_INVALID);
		answer_free(&answer);
	}
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
	struct evkv_slice bytes = evkv_result_entry(result, 0)->bytes;
	char number[16];

	check_status(result->status, EVKV_OK);
	if (++nest->depth > nest->deepest)
		nest->deepest = nest->depth;
	nest->calls++;
	number_key(number, sizeof(number), nest->calls);
	bed_put_nowait(nest->bed, evkv_bytes(number, 10));
	if (nest->calls < 100)
		nest_get(nest);
	/* Still the value that was there before its own put. */
	check_int(key_number(bytes), key_number(evkv_bytes(number, 10)) - 1);
	nest->depth--;
}

static void nest_get(struct nest *nest)
{
	struct evkv_slice key = EVKV_LIT("k");

	evkv_submit(nest->bed->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_INLINE | EVKV_FLAG_SINGLE,
		.collection = COLLECTION,
		.count = 1,
		.keys = &key,
	    },
	    nest_cb, nest);
}

EVKV_TEST(unit_memory_values, inline_gets_nest_so_deep_and_no_deeper)
{
	struct evkv_loop *loop;
	struct nest nest = { 0 };
	struct bed bed;

	plain_bed_open(&bed, &loop);
	nest.bed = &bed;
	bed_put_nowait(&bed, EVKV_LIT("key-000000"));
	nest_get(&nest);
	while (nest.calls < 100)
		rig_single_turn(&bed.rig);
	check_int(nest.calls, 100);
	check_int(nest.depth, 0);
	check_between(nest.deepest, 2, 20);
	plain_bed_close(&bed, loop);
}

/* What a cache holds must not take the room of the store that it came from. */
EVKV_TEST(unit_memory_values, entry_of_another_store_is_copied)
{
	struct evkv_slice key = EVKV_LIT("k");
	struct answer answer = ANSWER_INIT;
	struct evkv_store *other;
	char large[8192];
	struct bed bed;

	bed_open(&bed, 0, 0);
	other = evkv_memory_new(bed.rig.loop, NULL, NULL);
	memset(large, 'v', sizeof(large));
	check_status(bed_put_ttl(&bed, COLLECTION, key,
			 evkv_bytes(large, sizeof(large)), 0),
	    EVKV_OK);
	held_count = 0;
	hold(&bed, "k");
	evkv_submit(other,
	    &(struct evkv_request){
		.kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = COLLECTION,
		.count = 1,
		.keys = &key,
		.counted_values = &held[0],
	    },
	    answer_cb, &answer);
	bed_wait(&bed, &answer);
	check_status(answer.status, EVKV_OK);
	evkv_value_unref(held[0]);
	evkv_delete(bed.store, COLLECTION, key, NULL, NULL);
	rig_settle(&bed.rig);
	check_int(bed_counters(&bed).bytes, 0);
	answer_free(&answer);
	evkv_store_unref(other);
	bed_close(&bed);
}

/* Names of collections take room as keys do. */
EVKV_TEST(unit_memory_values, many_collections_stay_within_max_bytes)
{
	char name[EVKV_COLLECTION_MAX];
	size_t entries;
	struct bed bed;
	unsigned i;

	bed_open(&bed, 0, 1 << 20);
	memset(name, 'n', sizeof(name));
	for (i = 0; i < 20000; i++) {
		number_key(name, sizeof(name), i);
		name[10] = 'n';
		bed_put_ttl(&bed, evkv_bytes(name, sizeof(name)), EVKV_LIT("k"),
		    EVKV_LIT("v"), 0);
	}
	entries = bed_counters(&bed).entries;
	check_between(entries, 1000,
	    ((size_t)1 << 20) / (sizeof(name) + sizeof("kv")));
	check(bed_counters(&bed).bytes <= 1 << 20);
	bed_close(&bed);
}
