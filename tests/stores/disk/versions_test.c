/*
 * Versions, numbers and take: across reopening, compaction, a restart after a
 * power cut, and on damaged entries. What all stores have in common is in the
 * conformance suite.
 */
#include <stdio.h>
#include <string.h>

#include "kit.h"

static const struct evkv_slice key = { "k", 1 };

static enum evkv_status put(struct kit *kit, const char *value)
{
	return kit_put(kit, "c", key, evkv_str(value), 0);
}

static bool same(const struct evkv_version *a, const struct evkv_version *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int64_t incr(struct kit *kit, int64_t delta, enum evkv_status expected)
{
	struct answer answer = ANSWER_INIT;

	evkv_incr(kit->store, EVKV_LIT("c"), EVKV_LIT("n"), delta, answer_cb,
	    &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, expected);
	answer_free(&answer);
	return delta;
}

EVKV_TEST(disk_versions, they_are_kept_with_the_store)
{
	struct evkv_version first, again, later;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	check_status(put(&kit, "v"), EVKV_OK);
	first = kit_version(&kit, "c", key);
	kit_close(&kit);
	kit_open(&kit, NULL);
	again = kit_version(&kit, "c", key);
	check(same(&first, &again));
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &first), EVKV_OK);
	later = kit_version(&kit, "c", key);
	check(!same(&first, &later));
	check_status(kit_if_version(&kit, EVKV_OP_DELETE, key, &first),
	    EVKV_CONFLICT);
	check_status(kit_if_version(&kit, EVKV_OP_TOUCH, key, &first),
	    EVKV_CONFLICT);
	check_status(kit_if_version(&kit, EVKV_OP_TOUCH, key, &later), EVKV_OK);
	/* A touch is a change. */
	check_status(kit_if_version(&kit, EVKV_OP_DELETE, key, &later),
	    EVKV_CONFLICT);
	later = kit_version(&kit, "c", key);
	check_status(kit_if_version(&kit, EVKV_OP_DELETE, key, &later),
	    EVKV_OK);
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &later),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

/* A copy begins its transactions anew; what it gives must be new as well. */
EVKV_TEST(disk_versions, none_comes_twice_across_a_compaction)
{
	struct evkv_version seen[60];
	struct kit kit;
	size_t i, j;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 60; i++) {
		check_status(put(&kit, "v"), EVKV_OK);
		seen[i] = kit_version(&kit, "c", key);
		for (j = 0; j < i; j++)
			check(!same(&seen[i], &seen[j]));
		if (i % 10 == 4) {
			check_status(kit_span(&kit, EVKV_OP_COMPACT, ""),
			    EVKV_OK);
			seen[++i] = kit_version(&kit, "c", key);
			check(same(&seen[i], &seen[i - 1]));
			memset(&seen[i], (int)i, sizeof(seen[i]));
		}
		if (i % 10 == 8) {
			kit_close(&kit);
			kit_open(&kit, NULL);
		}
	}
	kit_end(&kit);
}

/* Many on one key in one transaction, and what each put is told. */
EVKV_TEST(disk_versions, writes_of_one_transaction_have_their_own)
{
	struct evkv_slice keys[50], values[50];
	struct answer answer = ANSWER_INIT;
	struct evkv_version last, now;
	struct kit kit;
	size_t i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 50; i++) {
		keys[i] = key;
		values[i] = EVKV_LIT("v");
	}
	memset(&last, 0, sizeof(last));
	for (i = 0; i < 3; i++) {
		kit_do(&kit,
		    &(struct evkv_request){ .kind = EVKV_OP_PUT,
			.collection = EVKV_LIT("c"),
			.count = 50,
			.keys = keys,
			.values = values },
		    &answer);
		check_status(answer.status, EVKV_OK);
		answer_reset(&answer);
		now = kit_version(&kit, "c", key);
		check(!same(&now, &last));
		last = now;
	}
	answer_free(&answer);
	kit_end(&kit);
}

/* In a collection whose store is not there nothing has a version. */
EVKV_TEST(disk_versions, a_part_that_is_not_there_has_none)
{
	struct evkv_version version;
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit.store = evkv_multi_disk_new(kit.rig.loop,
	    &(struct evkv_disk_options){
		.path = kit.path, .max_bytes = (size_t)16 << 20 },
	    NULL);
	memset(&version, 1, sizeof(version));
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &version),
	    EVKV_NOT_FOUND);
	check_status(kit_if_version(&kit, EVKV_OP_DELETE, key, &version),
	    EVKV_NOT_FOUND);
	evkv_take(kit.store, EVKV_LIT("c"), key, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_NOT_FOUND);
	answer_reset(&answer);
	/* To count makes it. */
	incr(&kit, 5, EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("n"), EVKV_LIT("5")), EVKV_OK);
	check_status(put(&kit, "v"), EVKV_OK);
	version = kit_version(&kit, "c", key);
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &version), EVKV_OK);
	evkv_take(kit.store, EVKV_LIT("c"), key, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	check_bytes(answer.entries[0].bytes, EVKV_LIT("changed"));
	answer_free(&answer);
	check_status(kit_get(&kit, "c", key, EVKV_LIT("")), EVKV_NOT_FOUND);
	kit_end(&kit);
}

EVKV_TEST(disk_versions, numbers_are_kept_and_counted_in_order)
{
	struct answer answers[200];
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 200; i++)
		evkv_incr(kit.store, EVKV_LIT("c"), EVKV_LIT("n"), 1, answer_cb,
		    &answers[i]);
	for (i = 0; i < 200; i++) {
		rig_wait(&kit.rig, &answers[i].calls);
		check_status(answers[i].status, EVKV_OK);
		answer_free(&answers[i]);
	}
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("n"), EVKV_LIT("200")),
	    EVKV_OK);
	incr(&kit, INT64_MAX, EVKV_INVALID);
	incr(&kit, -300, EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("n"), EVKV_LIT("-100")),
	    EVKV_OK);
	check_status(kit_put(&kit, "c", EVKV_LIT("n"), EVKV_LIT("007"), 0),
	    EVKV_OK);
	incr(&kit, 1, EVKV_INVALID);
	check_status(kit_get(&kit, "c", EVKV_LIT("n"), EVKV_LIT("007")),
	    EVKV_OK);
	kit_end(&kit);
}

/* An expiry stays; a new entry gets the one that is given. */
EVKV_TEST(disk_versions, counting_leaves_the_expiry)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice name = EVKV_LIT("n");
	struct kit kit;
	int i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 2; i++) {
		kit_do(&kit,
		    &(struct evkv_request){ .kind = EVKV_OP_INCR,
			.collection = EVKV_LIT("c"),
			.count = 1,
			.keys = &name,
			.delta = 1,
			.initial = 40,
			.ttl_ms = i == 0 ? 5000 : 60000 },
		    &answer);
		check_status(answer.status, EVKV_OK);
		answer_reset(&answer);
	}
	rig_advance(&kit.rig, 4000);
	check_status(kit_get(&kit, "c", name, EVKV_LIT("42")), EVKV_OK);
	rig_advance(&kit.rig, 1000);
	check_status(kit_get(&kit, "c", name, EVKV_LIT("")), EVKV_NOT_FOUND);
	answer_free(&answer);
	kit_end(&kit);
}
