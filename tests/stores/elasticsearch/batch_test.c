/*
 * tests/stores/elasticsearch/batch_test.c - what goes into a request, how its
 * parts are answered, and what is sent again.
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"

#define MANY 60

struct many {
	struct answer answers[MANY];
	char keys[MANY][16];
};

static void many_init(struct many *many)
{
	memset(many, 0, sizeof(*many));
	for (int i = 0; i < MANY; i++)
		snprintf(many->keys[i], sizeof(many->keys[i]), "k%02d", i);
}

static void many_put(struct bed *bed, struct many *many, const char *value)
{
	for (int i = 0; i < MANY; i++)
		bed_start_put(bed, &many->answers[i], many->keys[i], value);
}

static void many_get(struct bed *bed, struct many *many)
{
	for (int i = 0; i < MANY; i++)
		bed_start_get(bed, &many->answers[i], many->keys[i]);
}

static void many_wait(struct bed *bed, struct many *many,
    enum evkv_status status)
{
	for (int i = 0; i < MANY; i++) {
		rig_wait(&bed->rig, &many->answers[i].calls);
		check_status(many->answers[i].status, status);
		check_int(many->answers[i].calls, 1);
	}
}

static void many_free(struct many *many)
{
	for (int i = 0; i < MANY; i++)
		answer_free(&many->answers[i]);
}

EVKV_TEST(elasticsearch_batch, a_turn_shares_a_request)
{
	struct many many;
	struct bed bed;

	many_init(&many);
	bed_open(&bed, 1);
	many_put(&bed, &many, "value");
	many_wait(&bed, &many, EVKV_OK);
	check_int(bed.fakes[0].bulks, 1);
	check_int(bed.fakes[0].items, MANY);
	many_get(&bed, &many);
	many_wait(&bed, &many, EVKV_OK);
	check_int(bed.fakes[0].mgets, 1);
	check_slice(many.answers[MANY - 1].entries[0].bytes, "value");
	check_str(fake_find(&bed.docs, "c:k07")->source,
	    "{\"collection\":\"c\",\"key\":\"6b3037\","
	    "\"value\":\"dmFsdWU=\"}");
	many_free(&many);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, a_request_is_bounded)
{
	static char value[20000];
	struct many many;
	struct bed bed;

	memset(value, 'v', sizeof(value) - 1);
	many_init(&many);
	bed_begin(&bed, 1);
	bed.options.max_batch_bytes = 100000;
	bed.options.max_requests = 2;
	bed_store(&bed);
	many_put(&bed, &many, value);
	many_wait(&bed, &many, EVKV_OK);
	/* Three of them, about 27 kB each, fit. */
	check_int(bed.fakes[0].bulks, MANY / 3);
	check(bed.fakes[0].web->body_size <= 100000);
	check_between(bed.fakes[0].web->peer->accepted, 1, 2);
	many_free(&many);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, what_was_refused_is_sent_again_alone)
{
	struct many many;
	struct bed bed;

	many_init(&many);
	bed_open(&bed, 1);
	bed.fakes[0].refused = 7;
	many_put(&bed, &many, "value");
	rig_until(&bed.rig, many.answers[MANY - 1].calls == 1);
	check_int(bed.fakes[0].items, MANY);
	check_int(many.answers[0].calls, 0);
	check_int(many.answers[6].calls, 0);
	check_int(many.answers[7].calls, 1);
	rig_advance(&bed.rig, 60);
	many_wait(&bed, &many, EVKV_OK);
	check_int(bed.fakes[0].items, MANY + 7);
	for (int i = 0; i < MANY; i++) {
		char id[16];

		snprintf(id, sizeof(id), "c:k%02d", i);
		check_int(fake_find(&bed.docs, id)->writes, 1);
	}
	many_free(&many);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, one_that_stays_too_busy)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.fakes[0].code = 429;
	bed_start_get(&bed, &a, "k");
	for (int i = 0; i < 5000 && a.calls == 0; i++) {
		rig_advance(&bed.rig, 1000);
		rig_turn_waiting(&bed.rig);
	}
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_BUSY);
	check_int(a.cause, EVKV_CAUSE_OVERLOAD);
	check_int(bed.fakes[0].web->requests, 13);
	answer_free(&a);
	bed_close(&bed);
}

/* As right after an index was made. */
EVKV_TEST(elasticsearch_batch, a_shard_that_is_about_to_start)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed_put(&bed, &a, "k", "value");
	check_status(a.status, EVKV_OK);
	answer_reset(&a);
	a.calls = 0;
	bed.fakes[0].no_shard = 3;
	bed_start_get(&bed, &a, "k");
	for (int i = 0; i < 5000 && a.calls == 0; i++) {
		rig_advance(&bed.rig, 1000);
		rig_turn_waiting(&bed.rig);
	}
	check_int(a.calls, 1);
	check_status(a.status, EVKV_OK);
	check_slice(a.entries[0].bytes, "value");
	/* One that never starts is told of after some looks. */
	answer_reset(&a);
	a.calls = 0;
	bed.fakes[0].no_shard = 1000;
	bed_start_get(&bed, &a, "k");
	for (int i = 0; i < 5000 && a.calls == 0; i++) {
		rig_advance(&bed.rig, 1000);
		rig_turn_waiting(&bed.rig);
	}
	check_int(a.calls, 1);
	check_status(a.status, EVKV_UNAVAILABLE);
	check_contains(a.message, "no_shard_available");
	check_int(bed.fakes[0].no_shard, 1000 - 8);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, a_request_that_is_too_large_is_sent_in_halves)
{
	struct answer a = ANSWER_INIT;
	static char value[5000];
	struct many many;
	struct bed bed;

	many_init(&many);
	memset(value, 'v', sizeof(value) - 1);
	bed_open(&bed, 1);
	bed.fakes[0].max_body = 1000;
	many_put(&bed, &many, "value");
	many_wait(&bed, &many, EVKV_OK);
	check_int(bed.fakes[0].items, MANY);
	bed_put(&bed, &a, "k", value);
	check_status(a.status, EVKV_TOO_LARGE);
	check_contains(a.message, "413");
	answer_free(&a);
	many_free(&many);
	bed_close(&bed);
}

/* ---- Taking back --------------------------------------------------------- */

EVKV_TEST(elasticsearch_batch, what_is_canceled_before_it_is_sent_is_left_out)
{
	struct many many;
	struct bed bed;
	evkv_ticket ticket;

	many_init(&many);
	bed_open(&bed, 1);
	ticket = bed_start_put(&bed, &many.answers[0], many.keys[0], "v");
	for (int i = 1; i < MANY; i++)
		bed_start_put(&bed, &many.answers[i], many.keys[i], "v");
	evkv_cancel(bed.rig.loop, ticket);
	for (int i = 1; i < MANY; i++) {
		rig_wait(&bed.rig, &many.answers[i].calls);
		check_status(many.answers[i].status, EVKV_OK);
	}
	check_int(many.answers[0].calls, 1);
	check_status(many.answers[0].status, EVKV_CANCELED);
	check(fake_find(&bed.docs, "c:k00") == NULL);
	check_int(bed.fakes[0].items, MANY - 1);
	many_free(&many);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, a_write_that_is_canceled_when_it_was_sent)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct bed bed;
	evkv_ticket ticket;

	bed_open(&bed, 1);
	bed_put(&bed, &put, "other", "v");
	bed.fakes[0].web->peer->plan.hold = true;
	ticket = bed_start_put(&bed, &put, "k", "v");
	rig_until(&bed.rig, bed.fakes[0].bulks == 2);
	evkv_cancel(bed.rig.loop, ticket);
	rig_wait(&bed.rig, &put.calls);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_int(put.cause, EVKV_CAUSE_CANCELED);
	/* Its answer comes, and goes nowhere. */
	bed_start_get(&bed, &get, "k");
	bed.fakes[0].web->peer->plan.hold = false;
	peer_release(bed.fakes[0].web->peer);
	rig_wait(&bed.rig, &get.calls);
	check_status(get.status, EVKV_OK);
	check_slice(get.entries[0].bytes, "v");
	check_int(put.calls, 1);
	answer_free(&put);
	answer_free(&get);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, a_read_that_is_canceled_when_it_was_sent)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	struct bed bed;
	evkv_ticket ticket;

	bed_open(&bed, 1);
	bed_put(&bed, &a, "a", "1");
	bed_put(&bed, &b, "b", "2");
	bed.fakes[0].web->peer->plan.hold = true;
	ticket = bed_start_get(&bed, &a, "a");
	bed_start_get(&bed, &b, "b");
	rig_until(&bed.rig, bed.fakes[0].mgets == 1);
	evkv_cancel(bed.rig.loop, ticket);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_CANCELED);
	bed.fakes[0].web->peer->plan.hold = false;
	peer_release(bed.fakes[0].web->peer);
	rig_wait(&bed.rig, &b.calls);
	check_slice(b.entries[0].bytes, "2");
	answer_free(&a);
	answer_free(&b);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_batch, a_deadline_ends_a_retry)
{
	struct answer a = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct bed bed;

	bed_open(&bed, 1);
	bed.fakes[0].item_code = 429;
	evkv_submit(bed.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = 30 },
	    answer_cb, &a);
	rig_until(&bed.rig, bed.fakes[0].items > 0);
	for (int i = 0; i < 10 && a.calls == 0; i++) {
		rig_turn_waiting(&bed.rig);
		rig_advance(&bed.rig, 10);
	}
	rig_wait(&bed.rig, &a.calls);
	/* It was refused each time, or the deadline came before the next. */
	check(a.status == EVKV_BUSY || a.status == EVKV_UNKNOWN_OUTCOME);
	check(fake_find(&bed.docs, "c:k") == NULL);
	answer_free(&a);
	bed_close(&bed);
}

/* ---- Duplicates ---------------------------------------------------------- */

EVKV_TEST(elasticsearch_batch, a_key_that_stands_many_times)
{
	static struct evkv_slice keys[3000], values[3000];
	struct answer a = ANSWER_INIT;
	unsigned before;
	struct bed bed;

	bed_open(&bed, 1);
	for (size_t i = 0; i < 3000; i++) {
		keys[i] = EVKV_LIT("same");
		values[i] = EVKV_LIT("v");
	}
	evkv_submit(bed.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 20,
		.keys = keys,
		.values = values,
		.condition = EVKV_IF_ABSENT },
	    answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.entries[0].status, EVKV_OK);
	for (size_t i = 1; i < 20; i++)
		check_status(a.entries[i].status, EVKV_EXISTS);
	answer_reset(&a);
	/* Closed in the middle: no recursion, whatever their number. */
	bed.fakes[0].web->peer->plan.hold = true;
	before = bed.fakes[0].bulks;
	evkv_submit(bed.store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 3000,
		.keys = keys,
		.values = values },
	    answer_cb, &a);
	rig_until(&bed.rig, bed.fakes[0].bulks > before);
	evkv_store_unref(bed.store);
	bed.store = NULL;
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	answer_free(&a);
	bed_close(&bed);
}

/* ---- A steady load ------------------------------------------------------- */

struct steady {
	struct bed *bed;
	unsigned left, waiting;
};

static void steady_done(const struct evkv_result *result, void *arg);

static void steady_next(struct steady *steady)
{
	char key[16];

	steady->left--;
	steady->waiting++;
	snprintf(key, sizeof(key), "k%u", steady->left % 200);
	check(evkv_get(steady->bed->store, EVKV_LIT("c"), evkv_str(key),
		  steady_done, steady) != 0);
}

static void steady_done(const struct evkv_result *result, void *arg)
{
	struct steady *steady = arg;

	check_status(result->status, EVKV_NOT_FOUND);
	steady->waiting--;
	if (steady->left > 0)
		steady_next(steady);
}

/* What calls back together and asks again goes out together again. */
EVKV_TEST(elasticsearch_batch, a_steady_load_keeps_its_batches)
{
	struct bed bed;
	struct steady steady = { .bed = &bed, .left = 128 * 50 };

	bed_open(&bed, 1);
	for (int i = 0; i < 128; i++)
		steady_next(&steady);
	rig_until(&bed.rig, steady.waiting == 0);
	check_between(bed.fakes[0].mgets, 50, 60);
	bed_close(&bed);
}
