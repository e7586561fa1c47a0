/*
 * The work of its own, by the clock: how fast compactions go, and when what has
 * expired is looked for.
 */
#include <stdlib.h>
#include <time.h>

#include "kit.h"

#define RATE (1u << 20) /* bytes in a second: a piece */

static char kilobyte[1025];

static struct evkv_log_counters counters(struct kit *kit)
{
	struct evkv_log_counters counters;

	check(evkv_log_read_counters(kit->store, &counters));
	return counters;
}

/* A file of 3 MiB, of which half is alive, and one behind it. */
static void keep_begin(struct kit *kit)
{
	memset(kilobyte, 'v', sizeof(kilobyte) - 1);
	kit_begin(kit);
	check_status(kit_open(kit,
			 &(struct evkv_log_options){ .segment_bytes = 3 << 20,
			     .durability = EVKV_LOG_SYNC_NONE,
			     .compact_ratio = 0.3,
			     .compact_bytes_per_s = RATE,
			     .sweep_ms = -1 }),
	    EVKV_OK);
	kit_put_many(kit, 0, 2800, kilobyte, EVKV_OK);
	kit_put_many(kit, 0, 1400, kilobyte, EVKV_OK);
}

/* So much time, step by step, with something for the workers in each. */
static void keep_pass(struct kit *kit, int64_t ms)
{
	for (; ms > 0; ms -= 10) {
		rig_advance(&kit->rig, 10);
		check_status(kit_span(kit, EVKV_OP_SYNC), EVKV_OK);
	}
}

/* However slow the disk is. */
static void keep_until_copied(struct kit *kit, uint64_t more_than)
{
	time_t end = time(NULL) + 30;

	while (counters(kit).copied_bytes <= more_than && time(NULL) < end)
		keep_pass(kit, 10);
	check(counters(kit).copied_bytes > more_than);
}

static bool is_compacted(struct kit *kit)
{
	return counters(kit).compactions > 0;
}

/* Nothing is written any more: the sweep alone tells that there is work. */
EVKV_TEST(log_keep, what_a_sweep_removes_is_compacted)
{
	time_t end = time(NULL) + 30;
	struct kit kit;
	unsigned i;

	memset(kilobyte, 'v', sizeof(kilobyte) - 1);
	kit_begin(&kit);
	check_status(kit_open(&kit,
			 &(struct evkv_log_options){ .segment_bytes = 64 << 10,
			     .durability = EVKV_LOG_SYNC_NONE }),
	    EVKV_OK);
	for (i = 0; i < 50; i++)
		check_status(kit_put(&kit, i, kilobyte, 60000), EVKV_OK);
	kit_put_many(&kit, 100, 130, kilobyte, EVKV_OK);
	keep_pass(&kit, 3000);
	check(!is_compacted(&kit));
	rig_advance(&kit.rig, 60000);
	while (!is_compacted(&kit) && time(NULL) < end)
		keep_pass(&kit, 100);
	check(is_compacted(&kit));
	kit_end(&kit);
}

/* Put "k" with a TTL, in one of the ways that there are. */
static void put_expiring(struct kit *kit, unsigned way)
{
	static const int64_t ttls[] = { 2000 };
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct evkv_slice v = EVKV_LIT("7");
	struct answer answer = ANSWER_INIT;

	evkv_submit(kit->store,
	    &(struct evkv_request){
		.kind = way == 2 ? EVKV_OP_INCR : EVKV_OP_PUT,
		.collection = c,
		.count = 1,
		.keys = &k,
		.values = way == 2 ? NULL : &v,
		.ttls_ms = way == 1 ? ttls : NULL,
		.ttl_ms = way == 1 ? 0 : 2000 },
	    answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

/* While there is nothing that expires nothing is looked for. */
EVKV_TEST(log_keep, what_expires_is_swept_however_it_was_put)
{
	struct kit kit;
	unsigned way;

	kit_begin(&kit);
	check_status(kit_open(&kit,
			 &(struct evkv_log_options){ .segment_bytes = 64 << 10,
			     .durability = EVKV_LOG_SYNC_NONE,
			     .sweep_ms = 100 }),
	    EVKV_OK);
	for (way = 0; way < 3; way++) {
		keep_pass(&kit, 300);
		put_expiring(&kit, way);
		check_int(counters(&kit).entries, 1);
		keep_pass(&kit, 5000);
		check_int(counters(&kit).entries, 0);
	}
	kit_end(&kit);
}

EVKV_TEST(log_keep, a_compaction_keeps_to_its_rate)
{
	uint64_t copied;
	struct kit kit;

	keep_begin(&kit);
	keep_until_copied(&kit, 0);
	copied = counters(&kit).copied_bytes;
	check_between(copied, RATE, RATE + 4096);
	keep_pass(&kit, 900);
	check_int(counters(&kit).copied_bytes, copied);
	keep_until_copied(&kit, copied);
	kit_end(&kit);
}
