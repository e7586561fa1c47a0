/*
 * What only this store can do wrong: room, compaction, files, locks, and what
 * it gives back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"
#include "lib/faults.h"
#include "lib/files.h"

static const struct evkv_log_options small = {
	.max_bytes = 2 << 20,
	.segment_bytes = 64 << 10,
	.durability = EVKV_LOG_SYNC_OS,
};

static char kilobyte[1025];

static const char *value_1k(void)
{
	memset(kilobyte, 'v', sizeof(kilobyte) - 1);
	return kilobyte;
}

static struct evkv_log_counters counters(struct kit *kit)
{
	struct evkv_log_counters counters;

	check(evkv_log_read_counters(kit->store, &counters));
	return counters;
}

/* ---- Options ------------------------------------------------------------- */

static void refused(struct kit *kit, const struct evkv_log_options *options,
    const char *what)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_log_new(kit->rig.loop, options, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check(strstr(error.message, what) != NULL);
}

EVKV_TEST(log_store, wrong_options_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct kit kit;

	kit_begin(&kit);
	refused(&kit, &(struct evkv_log_options){ .path = "" }, "path");
	refused(&kit, &(struct evkv_log_options){ .path = "x", .max_bytes = 5 },
	    "max_bytes");
	refused(&kit,
	    &(struct evkv_log_options){ .path = "x", .compact_ratio = 1.5 },
	    "compact_ratio");
	refused(&kit,
	    &(struct evkv_log_options){ .path = "x", .segment_bytes = 4096 },
	    "segment_bytes");
	refused(&kit, &(struct evkv_log_options){ .path = "x", .readers = 17 },
	    "readers");
	check(evkv_log_new(NULL, &small, &error) == NULL);
	check(evkv_log_register(kit.rig.loop));
	evkv_error_clear(&error);
	check(evkv_open(kit.rig.loop, "log:x?compact_ratio=half", &error) ==
	    NULL);
	check(strstr(error.message, "compact_ratio") != NULL);
	kit_end(&kit);
}

/* ---- Opening ------------------------------------------------------------- */

/* What waits is tried once more, and then told: not for ever. */
EVKV_TEST(log_store, an_opening_that_lacks_memory_is_told)
{
	struct evkv_log_options options = small;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	options.path = kit.path;
	kit.store = evkv_log_new(kit.rig.loop, &options, &error);
	check(kit.store != NULL);
	evkv_put(kit.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"),
	    EVKV_TTL_NONE, answer_cb, &answer);
	faults_fail_from(1);
	rig_wait(&kit.rig, &answer.calls);
	faults_off();
	check_status(answer.status, EVKV_NOMEM);
	answer_free(&answer);
	/* One that comes later is, at once. */
	check_status(kit_put(&kit, 1, "v", EVKV_TTL_NONE), EVKV_OK);
	kit_end(&kit);
}

/* ---- Writing over -------------------------------------------------------- */

/* Bytes that this process has read, from files and all else. */
static unsigned long long bytes_read(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	unsigned long long bytes = 0;

	check(file != NULL && fscanf(file, "rchar: %llu", &bytes) == 1);
	fclose(file);
	return bytes;
}

EVKV_TEST(log_store, what_is_written_over_or_deleted_is_not_read)
{
	unsigned long long before;
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	kit_put_many(&kit, 0, 500, value_1k(), EVKV_OK);
	before = bytes_read();
	kit_put_many(&kit, 0, 400, "short", EVKV_OK);
	for (i = 400; i < 500; i++)
		check_status(kit_delete(&kit, i), EVKV_OK);
	check_status(kit_delete(&kit, 500), EVKV_NOT_FOUND);
	/* What wakes threads up takes some bytes, records would take more. */
	check(bytes_read() - before < 500 * 32);
	check_int(counters(&kit).entries, 400);
	check_status(kit_get(&kit, 399, "short"), EVKV_OK);
	check_status(kit_get(&kit, 400, NULL), EVKV_NOT_FOUND);
	kit_end(&kit);
}

/* A key's number as its bytes. */
static void take_keys(struct evkv_slice *keys, uint32_t *numbers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		numbers[i] = (uint32_t)i;
		keys[i] = evkv_bytes(&numbers[i], sizeof(numbers[i]));
	}
}

/* What does not fit into the group any more is decided again, in the next. */
EVKV_TEST(log_store, takes_of_one_operation_go_to_several_files)
{
	static struct evkv_slice keys[4000], values[4000];
	static uint32_t numbers[4000];
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("takes"),
		.count = 4000,
		.keys = keys,
		.values = values };
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	size_t i;

	take_keys(keys, numbers, 4000);
	memcpy(values, keys, sizeof(values));
	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	evkv_submit(kit.store, &request, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_reset(&answer);
	request.kind = EVKV_OP_TAKE;
	request.values = NULL;
	evkv_submit(kit.store, &request, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	for (i = 0; i < 4000; i++) {
		check_int(answer.entries[i].bytes.size, sizeof(numbers[i]));
		check(memcmp(answer.entries[i].bytes.data, &numbers[i],
			  sizeof(numbers[i])) == 0);
	}
	answer_free(&answer);
	check_int(counters(&kit).entries, 0);
	check(counters(&kit).files > 3);
	kit_end(&kit);
}

/* More than the index tells apart by their tags. */
EVKV_TEST(log_store, entries_of_many_collections_are_written_over)
{
	static const char *const values[] = { "first", "second" };
	char name[16];
	struct kit kit;
	unsigned i, round;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 1100; i++) {
			snprintf(name, sizeof(name), "c%u", i);
			check_status(round < 2
				? kit_put_in(&kit, name, 7, values[round])
				: kit_get_in(&kit, name, 7, values[1]),
			    EVKV_OK);
		}
		check_int(counters(&kit).entries, 1100);
	}
	kit_close(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	check_status(kit_get_in(&kit, "c1099", 7, "second"), EVKV_OK);
	check_int(counters(&kit).entries, 1100);
	kit_end(&kit);
}

/* ---- Room ---------------------------------------------------------------- */

EVKV_TEST(log_store, a_full_log_takes_deletes_and_then_puts_again)
{
	unsigned key = 0, i;
	uint64_t written;
	struct kit kit;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	while (kit_put(&kit, key, value_1k(), EVKV_TTL_NONE) == EVKV_OK)
		key++;
	check_between(key, 1500, 2048);
	check_status(kit_put(&kit, key, value_1k(), EVKV_TTL_NONE),
	    EVKV_NOSPACE);
	check(counters(&kit).bytes <= small.max_bytes);
	/* What is refused writes nothing. */
	written = counters(&kit).written_bytes;
	kit_put_many(&kit, key, key + 500, value_1k(), EVKV_NOSPACE);
	check_int(counters(&kit).written_bytes, written);
	for (i = 0; i < key; i += 2)
		check_status(kit_delete(&kit, i), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT), EVKV_OK);
	for (i = 0; i < key / 3; i += 2)
		check_status(kit_put(&kit, i, value_1k(), EVKV_TTL_NONE),
		    EVKV_OK);
	check_status(kit_get(&kit, 1, value_1k()), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_CLEAR), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT), EVKV_OK);
	check_int(counters(&kit).entries, 0);
	check(counters(&kit).bytes < 64 << 10);
	kit_end(&kit);
}

EVKV_TEST(log_store, values_may_be_larger_than_a_segment)
{
	char *large = malloc(300001);
	struct kit kit;

	check(large != NULL);
	memset(large, 'x', 300000);
	large[300000] = '\0';
	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	check_status(kit_put(&kit, 1, large, EVKV_TTL_NONE), EVKV_OK);
	check_status(kit_put(&kit, 2, "small", EVKV_TTL_NONE), EVKV_OK);
	check_status(kit_get(&kit, 1, large), EVKV_OK);
	kit_close(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	check_status(kit_get(&kit, 1, large), EVKV_OK);
	check_status(kit_get(&kit, 2, "small"), EVKV_OK);
	check_status(kit_put(&kit, 1, "now small", EVKV_TTL_NONE), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT), EVKV_OK);
	check(counters(&kit).bytes < 2000);
	check_status(kit_get(&kit, 1, "now small"), EVKV_OK);
	kit_end(&kit);
	free(large);
}

/* ---- Compaction ---------------------------------------------------------- */

/* Let time pass until the counters are as wanted; each step has a worker work. */
static void let_pass(struct kit *kit, bool (*wanted)(struct kit *kit))
{
	time_t end = time(NULL) + 30; /* however slow the disk is */

	while (!wanted(kit) && time(NULL) < end) {
		rig_advance(&kit->rig, 250);
		check_status(kit_span(kit, EVKV_OP_SYNC), EVKV_OK);
	}
	check(wanted(kit));
}

static bool is_compacted(struct kit *kit)
{
	return counters(kit).compactions > 0 && counters(kit).bytes < 300000;
}

static bool has_one_entry(struct kit *kit)
{
	return counters(kit).entries == 1;
}

EVKV_TEST(log_store, dead_records_go_in_the_background)
{
	struct kit kit;
	unsigned round, i;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	for (round = 0; round < 10; round++)
		kit_put_many(&kit, 0, 100, value_1k(), EVKV_OK);
	check(counters(&kit).bytes > 900000);
	let_pass(&kit, is_compacted);
	for (i = 0; i < 100; i++)
		check_status(kit_get(&kit, i, value_1k()), EVKV_OK);
	kit_close(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	for (i = 0; i < 100; i++)
		check_status(kit_get(&kit, i, value_1k()), EVKV_OK);
	check_int(counters(&kit).entries, 100);
	kit_end(&kit);
}

EVKV_TEST(log_store, what_has_expired_leaves_index_and_files)
{
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	for (i = 0; i < 50; i++)
		check_status(kit_put(&kit, i, value_1k(), 5000), EVKV_OK);
	check_status(kit_put(&kit, 1000, "stays", EVKV_TTL_NONE), EVKV_OK);
	check_int(counters(&kit).entries, 51);
	rig_advance(&kit.rig, 4999);
	check_status(kit_get(&kit, 7, value_1k()), EVKV_OK);
	rig_advance(&kit.rig, 1);
	check_status(kit_get(&kit, 7, NULL), EVKV_NOT_FOUND);
	let_pass(&kit, has_one_entry);
	check_status(kit_get(&kit, 1000, "stays"), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT), EVKV_OK);
	check(counters(&kit).bytes < 1000);
	kit_end(&kit);
}

/* ---- Locks and what is given back ---------------------------------------- */

EVKV_TEST(log_store, a_directory_is_opened_once)
{
	struct kit kit, twin;

	kit_begin(&kit);
	kit_begin(&twin);
	check_status(kit_open(&kit, &small), EVKV_OK);
	snprintf(twin.path, sizeof(twin.path), "%s", kit.path);
	check_status(kit_open(&twin, &small), EVKV_LOCKED);
	check_status(kit_put(&twin, 1, "v", 0), EVKV_LOCKED);
	kit_close(&kit);
	rig_advance(&twin.rig, 2000);
	check_status(kit_put(&twin, 1, "v", 0), EVKV_OK);
	kit_end(&twin);
	kit_end(&kit);
}

/* A process that has it open, until it is killed. */
static void hold(const char *path, int fd)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_log_options options = small;
	struct evkv_store *store;
	struct answer answer = ANSWER_INIT;
	char byte = 'x';

	options.path = path;
	store = evkv_log_new(loop, &options, &error);
	evkv_store_wait_ready(store, -1, answer_cb, &answer);
	event_base_dispatch(base);
	if (answer.status != EVKV_OK || write(fd, &byte, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

EVKV_TEST(log_store, the_lock_of_a_killed_process_is_no_obstacle)
{
	struct kit kit;
	int fds[2], status;
	char byte;
	pid_t pid;

	kit_begin(&kit);
	check_int(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(kit.path, fds[1]);
	}
	close(fds[1]);
	check_int(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	check_status(kit_open(&kit, &small), EVKV_LOCKED);
	kill(pid, SIGKILL);
	check(waitpid(pid, &status, 0) == pid);
	rig_advance(&kit.rig, 2000);
	check_status(kit_put(&kit, 1, "v", 0), EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(log_store, files_are_closed_with_the_store)
{
	struct kit kit;
	int before;

	kit_begin(&kit);
	before = files_count("/proc/self/fd");
	check_status(kit_open(&kit, &small), EVKV_OK);
	kit_put_many(&kit, 0, 700, value_1k(), EVKV_OK);
	kit_put_many(&kit, 0, 300, value_1k(), EVKV_OK);
	check(counters(&kit).files > 10);
	check_status(kit_span(&kit, EVKV_OP_COMPACT), EVKV_OK);
	kit_close(&kit);
	check_int(files_count("/proc/self/fd"), before);
	kit_end(&kit);
}

/* A log in the middle of everything is closed in time, and whole. */
EVKV_TEST(log_store, closing_in_a_compaction_loses_nothing)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	kit_put_many(&kit, 0, 700, value_1k(), EVKV_OK);
	kit_put_many(&kit, 0, 400, "short", EVKV_OK);
	evkv_submit(kit.store,
	    &(struct evkv_request){ .kind = EVKV_OP_COMPACT }, answer_cb,
	    &answer);
	rig_turn(&kit.rig);
	evkv_store_close(kit.store, 0, NULL, NULL);
	rig_wait(&kit.rig, &answer.calls);
	answer_free(&answer);
	kit_close(&kit);
	check_status(kit_open(&kit, &small), EVKV_OK);
	for (i = 0; i < 700; i++)
		check_status(kit_get(&kit, i, i < 400 ? "short" : value_1k()),
		    EVKV_OK);
	kit_end(&kit);
}

/* ---- Groups -------------------------------------------------------------- */

#define TOUCHED 40
#define TOUCHES 8

/*
 * A value that an earlier entry of the same group has written is written once
 * more, while the group's memory grows and moves.
 */
EVKV_TEST(log_store, a_touch_of_what_its_group_has_written)
{
	static struct answer answers[TOUCHED * TOUCHES];
	char value[1200];
	struct answer *answer = answers;
	struct kit kit;
	unsigned i, j;

	kit_begin(&kit);
	check_status(kit_open(&kit,
			 &(struct evkv_log_options){
			     .segment_bytes = 1 << 20 }),
	    EVKV_OK);
	memset(answers, 0, sizeof(answers));
	for (i = 0; i < TOUCHED; i++) {
		snprintf(value, sizeof(value), "%s%u", value_1k(), i);
		evkv_put(kit.store, EVKV_LIT("c"), evkv_bytes(&i, sizeof(i)),
		    evkv_str(value), EVKV_TTL_NONE, answer_cb, answer++);
		for (j = 1; j < TOUCHES; j++)
			evkv_touch(kit.store, EVKV_LIT("c"),
			    evkv_bytes(&i, sizeof(i)), 60000 + j, answer_cb,
			    answer++);
	}
	for (i = 0; i < TOUCHED * TOUCHES; i++) {
		rig_wait(&kit.rig, &answers[i].calls);
		check_status(answers[i].status, EVKV_OK);
		answer_free(&answers[i]);
	}
	for (i = 0; i < TOUCHED; i++) {
		snprintf(value, sizeof(value), "%s%u", value_1k(), i);
		check_status(kit_get(&kit, i, value), EVKV_OK);
	}
	kit_end(&kit);
}
