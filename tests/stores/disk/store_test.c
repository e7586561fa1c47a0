/*
 * What a disk store promises beyond the conformance suite: reopening, long
 * keys, expiry, compaction, its ends.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evkv/executor.h"
#include "kit.h"
#include "lib/faults.h"
#include "lib/files.h"

EVKV_TEST(disk_store, reopening_finds_everything)
{
	size_t size = (size_t)5 << 20, i;
	char *large = malloc(size);
	struct kit kit;

	for (i = 0; i < size; i++)
		large[i] = (char)(i * 7 + i / 4096);
	kit_begin(&kit);
	kit_open(&kit, NULL);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0);
	kit_put(&kit, "", EVKV_LIT("empty"), EVKV_LIT(""), 0);
	kit_put(&kit, "c", EVKV_LIT("short"), EVKV_LIT("lived"), 5000);
	kit_put(&kit, "c", EVKV_LIT("large"), evkv_bytes(large, size), 0);
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	check_status(kit_get(&kit, "", EVKV_LIT("empty"), EVKV_LIT("")),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("short"), EVKV_LIT("lived")),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("large"),
			 evkv_bytes(large, size)),
	    EVKV_OK);
	kit_close(&kit);
	/* The wall clock goes on while it is closed. */
	rig_advance(&kit.rig, 5000);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("short"), EVKV_LIT("")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
	free(large);
}

EVKV_TEST(disk_store, a_ttl_told_can_be_put_after_the_clock_was_set_back)
{
	struct answer answer = ANSWER_INIT;
	const struct evkv_slice key = EVKV_LIT("k");
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	kit_put(&kit, "c", key, EVKV_LIT("v"), EVKV_TTL_MAX);
	kit.rig.wall_us -= INT64_C(86400) * 1000 * 1000;
	rig_advance(&kit.rig, 1);
	kit_do(&kit,
	    &(struct evkv_request){ .kind = EVKV_OP_TTL,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key },
	    &answer);
	check_status(answer.status, EVKV_OK);
	check_int(answer.entries[0].ttl_ms, EVKV_TTL_MAX);
	answer_free(&answer);
	kit_end(&kit);
}

/* ---- Keys ---------------------------------------------------------------- */

static struct evkv_slice long_key(char *buffer, unsigned number)
{
	memset(buffer, 'h', 1000);
	snprintf(buffer + 500, 20, "%08u", number * 7919 % 1000);
	return evkv_bytes(buffer, 508);
}

EVKV_TEST(disk_store, long_keys_are_told_apart_and_come_in_order)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	char key[1001];
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 300; i++)
		check_status(kit_put(&kit, "c", long_key(key, i),
				 evkv_bytes(&i, sizeof(i)), 0),
		    EVKV_OK);
	/* Short ones around them, and one that is just their head. */
	memset(key, 'h', 400);
	kit_put(&kit, "c", evkv_bytes(key, 400), EVKV_LIT("head"), 0);
	kit_put(&kit, "c", EVKV_LIT("a"), EVKV_LIT("first"), 0);
	kit_put(&kit, "c", EVKV_LIT("z"), EVKV_LIT("last"), 0);
	for (i = 0; i < 300; i++)
		check_status(kit_get(&kit, "c", long_key(key, i),
				 evkv_bytes(&i, sizeof(i))),
		    EVKV_OK);
	kit_do(&kit,
	    &(struct evkv_request){ .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match.limit = 1000 },
	    &answer);
	check_int(answer.count, 303);
	for (i = 1; i < answer.count; i++) {
		struct evkv_slice a = answer.entries[i - 1].name;
		struct evkv_slice b = answer.entries[i].name;
		size_t least = a.size < b.size ? a.size : b.size;
		int order = memcmp(a.data, b.data, least);

		check(order < 0 || (order == 0 && a.size < b.size));
	}
	answer_free(&answer);
	for (i = 0; i < 300; i += 2)
		check_status(kit_delete(&kit, "c", long_key(key, i)), EVKV_OK);
	for (i = 0; i < 300; i++)
		check_status(kit_get(&kit, "c", long_key(key, i),
				 evkv_bytes(&i, sizeof(i))),
		    i % 2 == 0 ? EVKV_NOT_FOUND : EVKV_OK);
	kit_end(&kit);
}

/* ---- Expiry -------------------------------------------------------------- */

static size_t stored(struct kit *kit)
{
	struct evkv_counters counters;

	evkv_store_counters(kit->store, &counters);
	return counters.entries;
}

EVKV_TEST(disk_store, the_sweep_removes_what_has_expired)
{
	struct kit kit;
	char key[16];
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		kit_put(&kit, "c", evkv_str(key), EVKV_LIT("v"),
		    i % 5 == 0       ? 0
			: i % 5 == 1 ? 600000
				     : 1500);
	}
	/* Given a longer life, or none, it stays. */
	kit_put(&kit, "c", EVKV_LIT("k2"), EVKV_LIT("v"), 600000);
	kit_put(&kit, "c", EVKV_LIT("k3"), EVKV_LIT("v"), 0);
	check_int(stored(&kit), 500);
	rig_advance(&kit.rig, 1600);
	rig_until(&kit.rig, (rig_advance(&kit.rig, 100), stored(&kit) == 202));
	check_status(kit_get(&kit, "c", EVKV_LIT("k2"), EVKV_LIT("v")),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k3"), EVKV_LIT("v")),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k4"), EVKV_LIT("v")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

/* Where it is to be seldom, what expires soon makes it no oftener. */
EVKV_TEST(disk_store, the_sweep_is_as_seldom_as_asked_for)
{
	const struct evkv_disk_options options = { .sweep_ms = 600000,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)64 << 20 };
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &options);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 650000),
	    EVKV_OK);
	/* The sweep at 600 s leaves it, the next is at 1200 s. */
	rig_advance(&kit.rig, 600001);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	rig_advance(&kit.rig, 60001);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_status(kit_put(&kit, "c", EVKV_LIT("j"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_int(stored(&kit), 2);
	rig_advance(&kit.rig, 600001);
	rig_until(&kit.rig, stored(&kit) == 1);
	kit_end(&kit);
}

EVKV_TEST(disk_store, purge_counts_and_unswept_ones_are_absent)
{
	const struct evkv_disk_options options = { .sweep_ms = -1,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)64 << 20 };
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	char key[16];
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, &options);
	for (i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		kit_put(&kit, i < 100 ? "a" : "b", evkv_str(key), EVKV_LIT("v"),
		    10);
	}
	kit_put(&kit, "b", EVKV_LIT("stays"), EVKV_LIT("v"), 0);
	rig_advance(&kit.rig, 5000);
	check_int(stored(&kit), 301);
	kit_do(&kit, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    &answer);
	check_int(answer.count, 1);
	check_slice(answer.entries[0].name, "b");
	answer_reset(&answer);
	kit_do(&kit, &(struct evkv_request){ .kind = EVKV_OP_PURGE_EXPIRED },
	    &answer);
	check_int(answer.affected, 300);
	check_int(stored(&kit), 1);
	answer_free(&answer);
	kit_end(&kit);
}

/* ---- Space --------------------------------------------------------------- */

EVKV_TEST(disk_store, compact_makes_the_file_smaller)
{
	struct answer compacted = ANSWER_INIT;
	static char value[20000];
	struct kit kit;
	size_t before;
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 1000; i++)
		check_status(kit_put(&kit, "c", evkv_bytes(&i, sizeof(i)),
				 evkv_bytes(value, sizeof(value)), 0),
		    EVKV_OK);
	for (i = 0; i < 1000; i++)
		if (i % 20 != 0)
			kit_delete(&kit, "c", evkv_bytes(&i, sizeof(i)));
	before = kit_file_size(&kit);
	evkv_compact(kit.store, answer_cb, &compacted);
	/* Usable meanwhile. */
	for (i = 0; i < 1000; i += 20)
		check_status(kit_get(&kit, "c", evkv_bytes(&i, sizeof(i)),
				 evkv_bytes(value, sizeof(value))),
		    EVKV_OK);
	check_status(kit_put(&kit, "c", EVKV_LIT("new"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	rig_wait(&kit.rig, &compacted.calls);
	check_status(compacted.status, EVKV_OK);
	check(before > (size_t)20 << 20);
	check(kit_file_size(&kit) < before / 5);
	check_int(files_count(kit.path), 3);
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("new"), EVKV_LIT("v")),
	    EVKV_OK);
	for (i = 0; i < 1000; i++)
		check_status(kit_get(&kit, "c", evkv_bytes(&i, sizeof(i)),
				 evkv_bytes(value, sizeof(value))),
		    i % 20 == 0 ? EVKV_OK : EVKV_NOT_FOUND);
	answer_free(&compacted);
	kit_end(&kit);
}

EVKV_TEST(disk_store, leftovers_of_a_compaction_are_removed)
{
	struct kit kit;
	char path[400];

	kit_begin(&kit);
	kit_open(&kit, NULL);
	kit_close(&kit);
	snprintf(path, sizeof(path), "%s/g-2", kit.path);
	mkdir(path, 0700);
	files_write(path, "data.mdb", "half a copy");
	files_write(kit.path, "CURRENT.new", "evkv di");
	kit_open(&kit, NULL);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_int(files_count(kit.path), 3);
	kit_end(&kit);
}

EVKV_TEST(disk_store, clear_all_goes_through_many_collections)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice keys[2] = { EVKV_LIT("a"), EVKV_LIT("b") };
	struct kit kit;
	char name[16];
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	/* More rows than one transaction removes, in collections of two. */
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "c%04u", i);
		evkv_put_many(kit.store, evkv_str(name), keys, keys, 2, 0, NULL,
		    NULL);
	}
	kit_do(&kit,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR_ALL, .match.prefix = EVKV_LIT("c0") },
	    &answer);
	check_int(answer.affected, 2000);
	answer_reset(&answer);
	kit_do(&kit, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    &answer);
	check_int(answer.affected, 4000);
	answer_reset(&answer);
	kit_do(&kit, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    &answer);
	check_int(answer.count, 0);
	check_int(stored(&kit), 0);
	answer_free(&answer);
	kit_end(&kit);
}

/* ---- Ends ---------------------------------------------------------------- */

EVKV_TEST(disk_store, descriptors_and_threads_return)
{
	struct kit kit;
	int fds;

	files_await_workers(0);
	kit_begin(&kit);
	check(evkv_loop_executor(kit.rig.loop, NULL) != NULL);
	fds = files_count("/proc/self/fd");
	kit_open(&kit, NULL);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0);
	kit_span(&kit, EVKV_OP_COMPACT, "");
	check(files_count("/proc/self/fd") > fds);
	files_await_workers(2);
	kit_close(&kit);
	check_int(files_count("/proc/self/fd"), fds);
	kit_end(&kit);
	files_await_workers(0);
}

EVKV_TEST(disk_store, a_loop_may_be_freed_with_work_in_flight)
{
	struct answer answers[64];
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 64; i++) {
		evkv_put(kit.store, EVKV_LIT("c"), evkv_bytes(&i, sizeof(i)),
		    EVKV_LIT("v"), 0, answer_cb, &answers[i]);
		if (i == 32)
			rig_turn(&kit.rig);
	}
	evkv_store_unref(kit.store);
	kit.store = NULL;
	rig_close(&kit.rig);
	for (i = 0; i < 64; i++) {
		check_int(answers[i].calls, 1);
		check(answers[i].status == EVKV_OK ||
		    answers[i].status == EVKV_CLOSED ||
		    answers[i].status == EVKV_UNKNOWN_OUTCOME);
	}
	/* What ended without effect had none. */
	rig_open(&kit.rig);
	kit_open(&kit, NULL);
	for (i = 0; i < 64; i++) {
		enum evkv_status status = kit_get(&kit, "c",
		    evkv_bytes(&i, sizeof(i)), EVKV_LIT("v"));

		if (answers[i].status != EVKV_UNKNOWN_OUTCOME)
			check_status(status,
			    answers[i].status == EVKV_OK ? EVKV_OK
							 : EVKV_NOT_FOUND);
		answer_free(&answers[i]);
	}
	kit_end(&kit);
}

/* ---- Memory -------------------------------------------------------------- */

/* OK, or told that memory was lacking; an entry then has nothing. */
static bool fine(enum evkv_status status, unsigned *told)
{
	*told += status == EVKV_NOMEM;
	return status == EVKV_OK || status == EVKV_NOMEM;
}

/* One life of a store; any allocation in it may fail. */
static unsigned lacking_memory(struct kit *kit)
{
	struct evkv_disk_options options = { .path = kit->path,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answer = ANSWER_INIT;
	struct evkv_request keys = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c") };
	enum evkv_status status;
	unsigned told = 0;
	char long_one[600];

	memset(long_one, 'k', sizeof(long_one));
	kit->store = evkv_disk_new(kit->rig.loop, &options, &error);
	if (kit->store == NULL) {
		check_status(error.status, EVKV_NOMEM);
		return 1;
	}
	check(fine(kit_put(kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 5000),
	    &told));
	check(fine(kit_put(kit, "c", evkv_bytes(long_one, sizeof(long_one)),
		       EVKV_LIT("v"), 0),
	    &told));
	status = kit_get(kit, "c", EVKV_LIT("k"), EVKV_LIT("v"));
	check(fine(status, &told) || status == EVKV_NOT_FOUND);
	check(fine(kit_do(kit, &keys, &answer), &told));
	answer_free(&answer);
	check(fine(kit_span(kit, EVKV_OP_COMPACT, ""), &told));
	check(fine(kit_span(kit, EVKV_OP_CLEAR, "c"), &told));
	return told;
}

EVKV_TEST(disk_store, want_of_memory_is_told)
{
	struct kit kit;
	size_t n, fired = 1, failures = 0;
	unsigned told;

	for (n = 1; fired > 0; n++) {
		kit_begin(&kit);
		faults_fail_nth(n);
		told = lacking_memory(&kit);
		fired = faults_fired();
		faults_off();
		/* What is made in advance of need may be done without. */
		check(fired > 0 || told == 0);
		failures += told;
		/* The store is still usable, as is its directory. */
		if (kit.store == NULL)
			kit_open(&kit, NULL);
		check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"),
				 0),
		    EVKV_OK);
		check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v")),
		    EVKV_OK);
		kit_end(&kit);
	}
	check(failures > 15);
}

/* ---- Options ------------------------------------------------------------- */

static void check_bad_url(struct kit *kit, const char *url, const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_open(kit->rig.loop, url, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_contains(error.message, part);
}

static void check_bad_options(struct evkv_loop *loop,
    const struct evkv_disk_options *options, const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_disk_new(loop, options, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, part);
	evkv_error_clear(&error);
	check(evkv_multi_disk_new(loop, options, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_contains(error.message, part);
}

#define PATH_ .path = "/no/such/place/store"

EVKV_TEST(disk_store, bad_options_are_named)
{
	static const struct {
		const char *part;
		struct evkv_disk_options options;
	} rows[] = {
		{ "path", { .path = NULL } },
		{ "path", { .path = "" } },
		{ "durability", { PATH_, .durability = 3 } },
		{ "max_bytes", { PATH_, .max_bytes = 1048575 } },
		{ "readers must be 0 to 16", { PATH_, .readers = 17 } },
		{ "sweep_ms", { PATH_, .sweep_ms = -2 } },
		{ "sync_ms", { PATH_, .sync_ms = -1 } },
		{ "timeout_ms", { PATH_, .timeout_ms = -1 } },
		{ "max_open", { PATH_, .max_open = -1 } },
	};
	const struct evkv_disk_options good = { PATH_ };
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_bad_options(rig.loop, &rows[i].options, rows[i].part);
	check_bad_options(rig.loop, NULL, "path");
	check_bad_options(NULL, &good, "loop is NULL");
	rig_close(&rig);
}

EVKV_TEST(disk_store, urls)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct kit kit;
	char url[400];

	kit_begin(&kit);
	check(!evkv_disk_register(NULL));
	check(evkv_disk_register(kit.rig.loop));
	snprintf(url, sizeof(url),
	    "disk:%s?durability=none&max_bytes=64m"
	    "&readers=2&inline_reads=1&sweep_ms=5s&timeout_ms=20s",
	    kit.path);
	kit.store = evkv_open(kit.rig.loop, url, &error);
	check_str(error.message, "");
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	check_bad_url(&kit, "disk:", "path");
	check_bad_url(&kit, "disk://host/path", "host");
	check_bad_url(&kit, "disk:/x?durability=maybe", "durability");
	check_bad_url(&kit, "disk:/x?max_bytes=1k", "max_bytes");
	check_bad_url(&kit, "disk:/x?readers=17", "readers");
	check_bad_url(&kit, "disk:/x?max_open=3", "max_open");
	kit_end(&kit);
}

EVKV_TEST(disk_store, without_a_loop_it_says_so)
{
	const struct evkv_disk_options options = { .path = "/nowhere" };
	struct evkv_error one = EVKV_ERROR_INIT, many = EVKV_ERROR_INIT;

	check(evkv_disk_new(NULL, &options, &one) == NULL);
	check_int(one.status, EVKV_INVALID);
	check_contains(one.message, "loop is NULL");
	check(evkv_multi_disk_new(NULL, &options, &many) == NULL);
	check_int(many.status, EVKV_INVALID);
	check_contains(many.message, "loop is NULL");
}

/* ---- Closing keeps its word ---------------------------------------------- */

static enum evkv_status reopened;

/* In the callback of the close: open the directory again. */
static void open_again(struct answer *answer, const struct evkv_result *result,
    void *arg)
{
	struct kit *kit = arg;

	(void)answer;
	check_status(result->status, EVKV_OK);
	reopened = EVKV_STATUS_COUNT;
	kit->store = evkv_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){
		.path = kit->path, .max_bytes = (size_t)64 << 20 },
	    NULL);
}

/* A disk store, bare or under wrappers, closed; the callback opens it anew. */
static void close_and_open(int depth)
{
	struct answer closed = ANSWER_INIT, ready = ANSWER_INIT;
	struct evkv_store *outer;
	struct kit kit;
	int i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	outer = kit.store;
	for (i = 0; i < depth; i++)
		outer = evkv_prefix_keys_new(outer, EVKV_LIT("p:"), NULL);
	evkv_put(outer, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0, NULL,
	    NULL);
	closed.then = open_again;
	closed.arg = &kit;
	evkv_store_close(outer, -1, answer_cb, &closed);
	rig_wait(&kit.rig, &closed.calls);
	evkv_store_wait_ready(kit.store, -1, answer_cb, &ready);
	rig_wait(&kit.rig, &ready.calls);
	check_status(ready.status, EVKV_OK);
	evkv_store_unref(outer);
	answer_free(&closed);
	answer_free(&ready);
	kit_end(&kit);
}

EVKV_TEST(disk_store, its_directory_is_free_in_the_callback_of_a_close)
{
	int i;

	for (i = 0; i < 30; i++)
		close_and_open(i % 3);
}
