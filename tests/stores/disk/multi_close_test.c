/*
 * multi_disk: closed while a worker lists its directory, and at other moments.
 *
 * For the first the only worker of the executor is held up, so that the list is
 * ready after the close has begun, every time.
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "evkv/executor.h"
#include "faults.h"
#include "kit.h"
#include "scripted.h"

/* A job that tells that it runs, and keeps the worker until `go` is posted. */
struct holdup {
	struct evkv_job job; /* first */
	struct evkv_executor *executor;
	struct evkv_lane *lane;
	unsigned again; /* so many times more, behind what waits */
	sem_t runs, go;
};

static void holdup_run(struct evkv_job *jobs, void *arg)
{
	struct holdup *holdup = arg;

	sem_post(&holdup->runs);
	while (sem_wait(&holdup->go) != 0)
		;
	if (holdup->again > 0) {
		holdup->again--;
		evkv_job_again(jobs);
	}
}

static void holdup_done(struct evkv_job *jobs, void *arg)
{
	(void)jobs;
	(void)arg;
}

static void holdup_open(struct holdup *holdup, struct evkv_loop *loop)
{
	memset(holdup, 0, sizeof(*holdup));
	sem_init(&holdup->runs, 0, 0);
	sem_init(&holdup->go, 0, 0);
	holdup->executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 1 }, NULL);
	check(holdup->executor != NULL);
	holdup->lane = evkv_lane_new(loop, holdup->executor,
	    &(struct evkv_lane_config){
		.run = holdup_run, .done = holdup_done, .arg = holdup },
	    NULL);
	check(holdup->lane != NULL);
}

static void holdup_close(struct holdup *holdup)
{
	evkv_lane_free(holdup->lane);
	evkv_executor_unref(holdup->executor);
	sem_destroy(&holdup->runs);
	sem_destroy(&holdup->go);
}

static void multi_open(struct kit *kit, struct holdup *holdup)
{
	struct answer answer = ANSWER_INIT;

	kit->store = evkv_multi_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){ .path = kit->path,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20,
		.executor = holdup->executor },
	    NULL);
	check(kit->store != NULL);
	evkv_store_wait_ready(kit->store, -1, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

/* Two collections, of which no part is open. */
static void multi_fill(struct kit *kit, struct holdup *holdup)
{
	multi_open(kit, holdup);
	check_status(kit_put(kit, "a", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_put(kit, "b", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_close(kit);
	multi_open(kit, holdup);
}

static void close_while_listing(enum evkv_kind kind)
{
	struct answer answer = ANSWER_INIT, closed = ANSWER_INIT;
	struct holdup holdup;
	struct kit kit;

	kit_begin(&kit);
	holdup_open(&holdup, kit.rig.loop);
	multi_fill(&kit, &holdup);
	check(evkv_lane_submit(holdup.lane, &holdup.job));
	check(evkv_submit(kit.store, &(struct evkv_request){ .kind = kind },
		  answer_cb, &answer) != 0);
	rig_turn(&kit.rig);
	evkv_store_close(kit.store, 0, answer_cb, &closed);
	/* Who waits is told first: from here on the store is ending. */
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_CLOSED);
	sem_post(&holdup.go);
	rig_wait(&kit.rig, &closed.calls);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	answer_free(&answer);
	answer_free(&closed);
	/* Nothing was removed by what was told to have had no effect. */
	multi_open(&kit, &holdup);
	check_status(kit_get(&kit, "a", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	check_status(kit_get(&kit, "b", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	kit_close(&kit);
	holdup_close(&holdup);
	kit_end(&kit);
}

EVKV_TEST(disk_multi_close, while_purging)
{
	close_while_listing(EVKV_OP_PURGE_EXPIRED);
}

EVKV_TEST(disk_multi_close, while_clearing_all)
{
	close_while_listing(EVKV_OP_CLEAR_ALL);
}

EVKV_TEST(disk_multi_close, while_collections_are_listed)
{
	close_while_listing(EVKV_OP_COLLECTIONS);
}

EVKV_TEST(disk_multi_close, while_syncing)
{
	close_while_listing(EVKV_OP_SYNC);
}

EVKV_TEST(disk_multi_close, while_compacting)
{
	close_while_listing(EVKV_OP_COMPACT);
}

/* The list is asked for in the turn in which the loop goes. */
EVKV_TEST(disk_multi_close, with_the_loop)
{
	struct answer answer = ANSWER_INIT;
	struct holdup holdup;
	struct kit kit;

	kit_begin(&kit);
	holdup_open(&holdup, kit.rig.loop);
	multi_fill(&kit, &holdup);
	holdup_close(&holdup);
	evkv_purge_expired(kit.store, answer_cb, &answer);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	kit_end(&kit);
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_CLOSED);
	answer_free(&answer);
}

/*
 * What was handed over comes back when its part is forgotten: `busy` of the
 * first slab of operations, of 64, are used up.
 */
static void forget_a_busy_part(unsigned busy)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct scripted *script = scripted_new();
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct evkv_store *slow;
	struct holdup holdup;
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	holdup_open(&holdup, kit.rig.loop);
	multi_open(&kit, &holdup);
	check_status(kit_put(&kit, "a", key, value, 0), EVKV_OK);
	check(evkv_lane_submit(holdup.lane, &holdup.job));
	rig_turn(&kit.rig);
	slow = scripted_store(script, kit.rig.loop, NULL);
	for (i = 0; i < busy; i++)
		check(evkv_get(slow, EVKV_LIT("c"), key, NULL, NULL) != 0);
	evkv_put(kit.store, EVKV_LIT("a"), key, value, 0, answer_cb, &put);
	rig_turn(&kit.rig);
	evkv_store_close(kit.store, 0, answer_cb, &closed);
	faults_fail_from(1);
	rig_turn(&kit.rig);
	faults_off();
	sem_post(&holdup.go);
	rig_wait(&kit.rig, &put.calls);
	check_status(put.status, EVKV_CLOSED);
	rig_wait(&kit.rig, &closed.calls);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	answer_free(&put);
	answer_free(&closed);
	scripted_complete_all(script, EVKV_OK);
	evkv_store_unref(slow);
	holdup_close(&holdup);
	kit_end(&kit);
	scripted_free(script);
}

EVKV_TEST(disk_multi_close, without_memory_while_a_part_is_busy)
{
	unsigned busy;

	for (busy = 58; busy < 64; busy++)
		forget_a_busy_part(busy);
}

/* ---- A root that is lost ------------------------------------------------- */

static void holdup_await(struct holdup *holdup)
{
	while (sem_wait(&holdup->runs) != 0)
		;
}

static void count_multi(enum evkv_log_level level, const char *message,
    void *arg)
{
	(void)level;
	if (strncmp(message, "multi_disk", 10) == 0)
		++*(int *)arg;
}

/* Two parts tell of it in one turn: it is looked at once. */
EVKV_TEST(disk_multi_close, two_parts_are_lost_with_their_root)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct answer a[2] = { ANSWER_INIT, ANSWER_INIT };
	static const char *const names[] = { "a", "b" };
	struct holdup holdup;
	char aside[400];
	struct kit kit;
	int i, told = 0;

	kit_begin(&kit);
	evkv_loop_set_log(kit.rig.loop, count_multi, &told);
	holdup_open(&holdup, kit.rig.loop);
	multi_open(&kit, &holdup);
	for (i = 0; i < 2; i++)
		check_status(kit_put(&kit, names[i], key, value, 0), EVKV_OK);
	holdup.again = 1;
	check(evkv_lane_submit(holdup.lane, &holdup.job));
	snprintf(aside, sizeof(aside), "%s/aside", kit.folder);
	check_int(rename(kit.path, aside), 0);
	for (i = 0; i < 2; i++)
		evkv_put(kit.store, evkv_str(names[i]), key, value, 0,
		    answer_cb, &a[i]);
	rig_turn(&kit.rig);
	/* When the job runs again, both have come back. */
	holdup_await(&holdup);
	sem_post(&holdup.go);
	holdup_await(&holdup);
	for (i = 0; i < 2; i++) {
		rig_wait(&kit.rig, &a[i].calls);
		check_status(a[i].status, EVKV_IO);
		answer_free(&a[i]);
	}
	sem_post(&holdup.go);
	rig_until(&kit.rig, evkv_store_state(kit.store) == EVKV_STATE_DOWN);
	rig_settle(&kit.rig);
	check_int(told, 1);
	check_int(rename(aside, kit.path), 0);
	rig_advance(&kit.rig, 1000);
	for (i = 0; i < 2; i++)
		check_status(kit_put(&kit, names[i], key, value, 0), EVKV_OK);
	kit_close(&kit);
	holdup_close(&holdup);
	kit_end(&kit);
}

/* ---- The sweep ----------------------------------------------------------- */

#define SWEPT 12000

static void put_expiring(struct kit *kit)
{
	static struct evkv_slice keys[SWEPT], values[SWEPT];
	static char names[SWEPT][8];
	struct answer put = ANSWER_INIT;
	unsigned i;

	for (i = 0; i < SWEPT; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		keys[i] = evkv_str(names[i]);
		values[i] = EVKV_LIT("v");
	}
	evkv_put_many(kit->store, EVKV_LIT("c"), keys, values, SWEPT, 500,
	    answer_cb, &put);
	rig_wait(&kit->rig, &put.calls);
	check_status(put.status, EVKV_OK);
	answer_free(&put);
}

static void disk_open(struct kit *kit, struct holdup *holdup, int64_t sweep_ms)
{
	kit_open(kit,
	    &(struct evkv_disk_options){ .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)64 << 20,
		.sweep_ms = sweep_ms,
		.executor = holdup->executor });
}

/* A sweep that no worker has begun yet does not hold up the close. */
EVKV_TEST(disk_multi_close, a_sweep_that_waits_is_left_for_next_time)
{
	struct answer closed = ANSWER_INIT, purge_expired = ANSWER_INIT;
	struct holdup holdup;
	struct kit kit;

	kit_begin(&kit);
	holdup_open(&holdup, kit.rig.loop);
	disk_open(&kit, &holdup, 1000);
	put_expiring(&kit);
	check(evkv_lane_submit(holdup.lane, &holdup.job));
	rig_turn(&kit.rig);
	rig_advance(&kit.rig, 2000);
	rig_turn(&kit.rig);
	evkv_store_close(kit.store, 0, answer_cb, &closed);
	rig_turn(&kit.rig);
	sem_post(&holdup.go);
	rig_wait(&kit.rig, &closed.calls);
	evkv_store_unref(kit.store);
	disk_open(&kit, &holdup, -1);
	evkv_purge_expired(kit.store, answer_cb, &purge_expired);
	rig_wait(&kit.rig, &purge_expired.calls);
	check_int(purge_expired.affected, SWEPT);
	answer_free(&closed);
	answer_free(&purge_expired);
	kit_close(&kit);
	holdup_close(&holdup);
	kit_end(&kit);
}

/* ---- At any moment ------------------------------------------------------- */

#define ASKED 12

static unsigned dice(unsigned *state, unsigned sides)
{
	*state = *state * 1103515245 + 12345;
	return (*state >> 16) % sides;
}

static evkv_ticket ask(struct kit *kit, unsigned *state, struct answer *answer)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_CLEAR_ALL,
		EVKV_OP_PURGE_EXPIRED, EVKV_OP_COLLECTIONS, EVKV_OP_SYNC };
	struct evkv_slice key = EVKV_LIT("k"), collection;
	unsigned what = dice(state, 6);
	char name[8];

	snprintf(name, sizeof(name), "c%u", dice(state, 5));
	collection = evkv_str(name);
	if (what == 4)
		return evkv_get(kit->store, collection, key, answer_cb, answer);
	if (what == 5)
		return evkv_put(kit->store, collection, key, EVKV_LIT("v"), 0,
		    answer_cb, answer);
	return evkv_submit(kit->store,
	    &(struct evkv_request){ .kind = kinds[what] }, answer_cb, answer);
}

static void close_in_between(struct kit *kit, unsigned *state)
{
	struct answer answers[ASKED], closed = ANSWER_INIT;
	evkv_ticket ticket;
	unsigned i;

	kit->store = evkv_multi_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){ .path = kit->path,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20,
		.max_open = 1 },
	    NULL);
	check(kit->store != NULL);
	memset(answers, 0, sizeof(answers));
	for (i = 0; i < ASKED; i++) {
		ticket = ask(kit, state, &answers[i]);
		if (dice(state, 2) == 0)
			rig_turn_waiting(&kit->rig);
		if (dice(state, 2) == 0)
			evkv_cancel(kit->rig.loop, ticket);
	}
	for (i = dice(state, 8); i > 0; i--)
		rig_turn_waiting(&kit->rig);
	evkv_store_close(kit->store, 0, answer_cb, &closed);
	rig_wait(&kit->rig, &closed.calls);
	evkv_store_unref(kit->store);
	kit->store = NULL;
	for (i = 0; i < ASKED; i++) {
		check_int(answers[i].calls, 1);
		answer_free(&answers[i]);
	}
	answer_free(&closed);
}

/*
 * Parts are opened and closed for want of room, and what was sent and given up
 * runs out below: it may wait for a part that is being closed.
 */
EVKV_TEST(disk_multi_close, at_any_moment)
{
	unsigned round, state = 1;
	struct kit kit;

	kit_begin(&kit);
	for (round = 0; round < 300; round++)
		close_in_between(&kit, &state);
	kit_end(&kit);
}

/* ---- One store ----------------------------------------------------------- */

/* The only worker is busy: what is answered needs none. */
EVKV_TEST(disk_holdup, inline_gets_take_no_worker)
{
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct answer get = ANSWER_INIT, ttl = ANSWER_INIT, put = ANSWER_INIT;
	struct holdup holdup;
	struct kit kit;

	kit_begin(&kit);
	holdup_open(&holdup, kit.rig.loop);
	kit_open(&kit,
	    &(struct evkv_disk_options){ .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20,
		.executor = holdup.executor,
		.sweep_ms = -1,
		.inline_reads = true });
	check_status(kit_put(&kit, "c", k, EVKV_LIT("v"), 5000), EVKV_OK);
	check(evkv_lane_submit(holdup.lane, &holdup.job));
	rig_until(&kit.rig, sem_trywait(&holdup.runs) == 0);
	evkv_get(kit.store, c, k, answer_cb, &get);
	rig_wait(&kit.rig, &get.calls);
	check_status(get.status, EVKV_OK);
	check_slice(get.entries[0].bytes, "v");
	evkv_ttl(kit.store, c, k, answer_cb, &ttl);
	rig_wait(&kit.rig, &ttl.calls);
	check_int(ttl.entries[0].ttl_ms, 5000);
	/* Behind a write it waits its turn. */
	answer_reset(&get);
	evkv_put(kit.store, c, k, EVKV_LIT("w"), 0, answer_cb, &put);
	evkv_get(kit.store, c, k, answer_cb, &get);
	rig_turn(&kit.rig);
	check_int(put.calls + get.calls, 0);
	sem_post(&holdup.go);
	rig_wait(&kit.rig, &get.calls);
	check_int(put.calls, 1);
	check_slice(get.entries[0].bytes, "w");
	answer_free(&get);
	answer_free(&ttl);
	answer_free(&put);
	kit_close(&kit);
	holdup_close(&holdup);
	kit_end(&kit);
}
