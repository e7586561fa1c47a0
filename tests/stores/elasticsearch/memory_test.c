/*
 * tests/stores/elasticsearch/memory_test.c - every allocation of ours fails
 * once, and from each one on: every callback comes once, nothing is leaked,
 * what was answered OK is so, and the store works again.
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"
#include "lib/faults.h"

#define OPS 8

struct sweep {
	size_t nth;
	bool from, reached;
};

static const char *const keys[OPS] = { "a", "b", "c", "d", "e", "f", "g", "h" };

/* Puts, reads, and what looks first; some may have no ticket. */
static void sweep_submit(struct bed *bed, struct answer *answers, bool *asked)
{
	struct evkv_slice c = EVKV_LIT("c");

	for (size_t i = 0; i < OPS; i++) {
		struct evkv_slice key = evkv_str(keys[i]);
		struct answer *a = &answers[i];
		evkv_ticket ticket;

		switch (i % 4) {
		case 0:
			ticket = evkv_put(bed->store, c, key, EVKV_LIT("1"), 0,
			    answer_cb, a);
			break;
		case 1:
			ticket = evkv_get(bed->store, c, key, answer_cb, a);
			break;
		case 2:
			ticket = evkv_incr(bed->store, c, key, 2,
			    answer_cb, a);
			break;
		default: ticket = evkv_delete(bed->store, c, key, answer_cb, a);
		}
		asked[i] = ticket != 0;
	}
}

static void sweep_check(struct bed *bed, struct answer *answers,
    const bool *asked)
{
	char id[8];

	for (size_t i = 0; i < OPS; i++) {
		const struct fake_doc *doc;

		if (!asked[i])
			continue;
		rig_wait(&bed->rig, &answers[i].calls);
		check_int(answers[i].calls, 1);
		if (evkv_failed(answers[i].status) &&
		    answers[i].status != EVKV_UNKNOWN_OUTCOME &&
		    answers[i].status != EVKV_UNAVAILABLE)
			check_status(answers[i].status, EVKV_NOMEM);
		snprintf(id, sizeof(id), "c:%s", keys[i]);
		doc = fake_find(&bed->docs, id);
		if (i % 4 == 0 && answers[i].status == EVKV_OK)
			check(doc != NULL && doc->source != NULL);
	}
}

static void sweep_once(struct sweep *sweep)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answers[OPS], again = ANSWER_INIT;
	bool asked[OPS] = { false };
	struct bed bed;

	memset(answers, 0, sizeof(answers));
	bed_begin(&bed, 1);
	bed.docs.index = false;
	bed.options.user = "user";
	if (sweep->from)
		faults_fail_from(sweep->nth);
	else
		faults_fail_nth(sweep->nth);
	bed.store = evkv_elasticsearch_new(bed.rig.loop, &bed.options, &error);
	if (bed.store != NULL)
		sweep_submit(&bed, answers, asked);
	else
		check_status(error.status, EVKV_NOMEM);
	sweep_check(&bed, answers, asked);
	sweep->reached = faults_fired() > 0;
	faults_off();
	if (bed.store != NULL) {
		rig_advance(&bed.rig, 2000);
		bed_put(&bed, &again, "again", "value");
		check_status(again.status, EVKV_OK);
		bed_get(&bed, &again, "again");
		check_slice(again.entries[0].bytes, "value");
	}
	for (size_t i = 0; i < OPS; i++)
		answer_free(&answers[i]);
	answer_free(&again);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_memory, each_allocation_fails_once)
{
	struct sweep sweep = { .nth = 1, .reached = true };

	for (; sweep.reached; sweep.nth++)
		sweep_once(&sweep);
	check(sweep.nth > 50);
}

EVKV_TEST(elasticsearch_memory, all_allocations_fail_from_one_on)
{
	struct sweep sweep = { .nth = 1, .from = true, .reached = true };

	for (; sweep.reached; sweep.nth++)
		sweep_once(&sweep);
	check(sweep.nth > 50);
}
