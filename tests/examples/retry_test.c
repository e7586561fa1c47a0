/*
 * tests/examples/retry_test.c - the retry wrapper of the guide keeps order over
 * a store that refuses, answers later, or both.
 */
#include "answer.h"
#include "faults.h"
#include "retry_wrapper.h"
#include "rig.h"
#include "scripted.h"
#include "test.h"

struct bed {
	struct rig rig;
	struct scripted *script;
	struct evkv_store *store;
	struct answer one, two;
};

static void bed_open(struct bed *bed)
{
	rig_open(&bed->rig);
	bed->script = scripted_new();
	bed->store = retry_new(scripted_store(bed->script, bed->rig.loop, NULL),
	    NULL);
	check(bed->store != NULL);
	bed->one = bed->two = (struct answer)ANSWER_INIT;
}

static void bed_close(struct bed *bed)
{
	evkv_store_unref(bed->store);
	rig_close(&bed->rig);
	scripted_free(bed->script);
	answer_free(&bed->one);
	answer_free(&bed->two);
}

static evkv_ticket put(struct bed *bed, const char *value, struct answer *a)
{
	return evkv_put(bed->store, EVKV_LIT("c"), EVKV_LIT("k"),
	    evkv_str(value), 0, answer_cb, a);
}

static void check_value(struct bed *bed, const char *value)
{
	check_int(scripted_count(bed->script), 1);
	check(evkv_slice_equal(scripted_request(bed->script, 0)->values[0],
	    evkv_str(value)));
}

EVKV_TEST(examples_retry, put_first_put_second)
{
	struct bed bed;

	bed_open(&bed);
	put(&bed, "first", &bed.one);
	put(&bed, "second", &bed.two);
	check_value(&bed, "first");
	scripted_complete(bed.script, 0, EVKV_REFUSED);
	check_value(&bed, "first");
	scripted_complete(bed.script, 0, EVKV_OK);
	check_value(&bed, "second");
	scripted_complete(bed.script, 0, EVKV_OK);
	rig_turn(&bed.rig);
	check_status(bed.one.status, EVKV_OK);
	check_status(bed.two.status, EVKV_OK);
	check(bed.one.order < bed.two.order);
	bed_close(&bed);
}

EVKV_TEST(examples_retry, it_gives_up_in_the_end)
{
	struct bed bed;

	bed_open(&bed);
	bed.script->immediate = true;
	bed.script->status = EVKV_BUSY;
	put(&bed, "first", &bed.one);
	check_int(bed.script->submits, RETRY_MOST + 1);
	rig_turn(&bed.rig);
	check_status(bed.one.status, EVKV_BUSY);
	bed_close(&bed);
}

EVKV_TEST(examples_retry, what_was_cancelled_is_not_asked_again)
{
	evkv_ticket ticket;
	struct bed bed;

	bed_open(&bed);
	ticket = put(&bed, "first", &bed.one);
	put(&bed, "second", &bed.two);
	evkv_cancel(bed.rig.loop, ticket);
	check_int(bed.script->submits, 2);
	scripted_complete_all(bed.script, EVKV_BUSY);
	rig_turn(&bed.rig);
	check_status(bed.one.status, EVKV_CANCELED);
	check_status(bed.two.status, EVKV_BUSY);
	bed_close(&bed);
}

static bool wants_memory(size_t n)
{
	struct bed bed;
	bool accepted, fired;

	bed_open(&bed);
	bed.script->immediate = true;
	bed.script->status = EVKV_REFUSED;
	faults_fail_nth(n);
	accepted = put(&bed, "first", &bed.one) != 0;
	rig_turn(&bed.rig);
	fired = faults_fired() > 0;
	faults_off();
	check_int(bed.one.calls, accepted);
	if (accepted && bed.one.status != EVKV_NOMEM)
		check_status(bed.one.status, EVKV_REFUSED);
	bed_close(&bed);
	return fired;
}

EVKV_TEST(examples_retry, wanting_memory_it_still_ends_once)
{
	size_t n = 1;

	while (wants_memory(n))
		n++;
}
