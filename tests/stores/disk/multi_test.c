/*
 * multi_disk: names that are safe, parts that are opened and closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "kit.h"
#include "scripted.h"
#include "lib/files.h"

static void multi_open(struct kit *kit, int max_open)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	kit->store = evkv_multi_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){ .path = kit->path,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20,
		.max_open = max_open },
	    &error);
	check_str(error.message, "");
}

static struct evkv_slice odd_name(unsigned i, unsigned char *buffer)
{
	static const char *const names[] = { "", ".", "..", "../..", "/",
		"/etc/passwd", "a/b", ".multi_disk", "LOCK", "%", "%2F",
		"caf\xc3\xa9", "new\nline" };
	size_t j;

	if (i < sizeof(names) / sizeof(names[0]))
		return evkv_str(names[i]);
	/* 255 bytes of anything, NULs included. */
	for (j = 0; j < EVKV_COLLECTION_MAX; j++)
		buffer[j] = (unsigned char)(j * i);
	return evkv_bytes(buffer, EVKV_COLLECTION_MAX);
}

#define NAMES 17

static enum evkv_status one(struct kit *kit, enum evkv_kind kind,
    struct evkv_slice collection, struct evkv_slice value)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	enum evkv_status status = kit_do(kit,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL },
	    &answer);

	if (kind == EVKV_OP_GET && status == EVKV_OK)
		check_bytes(answer.entries[0].bytes, value);
	answer_free(&answer);
	return status;
}

EVKV_TEST(disk_multi, odd_names_stay_inside)
{
	unsigned char buffer[EVKV_COLLECTION_MAX];
	struct answer answer = ANSWER_INIT;
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	multi_open(&kit, 3);
	for (i = 0; i < NAMES; i++)
		check_status(one(&kit, EVKV_OP_PUT, odd_name(i, buffer),
				 evkv_bytes(&i, sizeof(i))),
		    EVKV_OK);
	kit_close(&kit);
	check_int(files_count(kit.folder), 1);
	check_int(files_count(kit.path), NAMES + 1);
	multi_open(&kit, 3);
	for (i = 0; i < NAMES; i++)
		check_status(one(&kit, EVKV_OP_GET, odd_name(i, buffer),
				 evkv_bytes(&i, sizeof(i))),
		    EVKV_OK);
	kit_do(&kit, &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    &answer);
	check_int(answer.count, NAMES);
	answer_free(&answer);
	kit_end(&kit);
}

EVKV_TEST(disk_multi, looking_makes_nothing)
{
	struct kit kit;

	kit_begin(&kit);
	multi_open(&kit, 4);
	check_status(kit_get(&kit, "users", EVKV_LIT("k"), EVKV_LIT("")),
	    EVKV_NOT_FOUND);
	check_status(kit_delete(&kit, "users", EVKV_LIT("k")), EVKV_NOT_FOUND);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "users"), EVKV_OK);
	check_int(files_count(kit.path), 1);
	check_status(kit_put(&kit, "users", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "users", EVKV_LIT("k"), EVKV_LIT("v")),
	    EVKV_OK);
	check_int(files_count(kit.path), 2);
	kit_end(&kit);
}

/* What there is to tell of a want of memory without any. */
#define RESERVE 64

/*
 * The first slab of operations, of 64, is used up but for a few; with `none`
 * there is no memory from then on, and no reserve.
 */
static void forget_a_part(unsigned busy, size_t nth, bool none)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	const struct evkv_request ping = { .kind = EVKV_OP_PING };
	struct scripted *script = scripted_new();
	struct answer put = ANSWER_INIT;
	enum evkv_status status;
	struct evkv_store *slow;
	evkv_ticket ticket;
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	multi_open(&kit, 1);
	check_status(kit_put(&kit, "a", key, value, 0), EVKV_OK);
	slow = scripted_store(script, kit.rig.loop, NULL);
	for (i = 0; i < busy; i++)
		check(evkv_get(slow, EVKV_LIT("c"), key, NULL, NULL) != 0);
	faults_fail_from(1);
	for (i = 0; none && i < RESERVE; i++)
		check(evkv_submit_nomem(slow, &ping, NULL, NULL) != 0);
	if (none)
		faults_fail_from(nth);
	else
		faults_fail_nth(nth);
	ticket = evkv_put(kit.store, EVKV_LIT("b"), key, value, 0, answer_cb,
	    &put);
	faults_off();
	/* Until it has closed, it can't be opened; only we are never closed. */
	while ((status = kit_get(&kit, "a", key, value)) == EVKV_LOCKED)
		rig_advance(&kit.rig, 1000);
	check_status(status, EVKV_OK);
	/* Not a word could be kept of one without a ticket. */
	if (ticket != 0) {
		rig_wait(&kit.rig, &put.calls);
		check(put.status == EVKV_OK || put.status == EVKV_NOMEM);
	}
	answer_free(&put);
	check_status(kit_put(&kit, "b", key, value, 0), EVKV_OK);
	scripted_complete_all(script, EVKV_OK);
	evkv_store_unref(slow);
	kit_close(&kit);
	kit_end(&kit);
	scripted_free(script);
}

EVKV_TEST(disk_multi, a_part_closes_without_memory)
{
	unsigned busy;
	size_t nth;

	for (busy = 60; busy < 64; busy++) {
		for (nth = 1; nth < 16; nth++)
			forget_a_part(busy, nth, false);
	}
	for (nth = 1; nth < 20; nth++)
		forget_a_part(63, nth, true);
}

/* They are those of the store, whatever part an operation is for. */
EVKV_TEST(disk_multi, bounds_are_of_all_parts_together)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct answer a[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	static const char *const names[] = { "a", "b", "c" };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct kit kit;
	int by_bytes, i;

	for (by_bytes = 0; by_bytes < 2; by_bytes++) {
		kit_begin(&kit);
		kit.store = evkv_multi_disk_new(kit.rig.loop,
		    &(struct evkv_disk_options){ .path = kit.path,
			.max_bytes = (size_t)8 << 20,
			.max_pending = by_bytes ? 0 : 2,
			.max_pending_bytes = by_bytes ? 5 : 0 },
		    &error);
		check_str(error.message, "");
		for (i = 0; i < 3; i++)
			evkv_put(kit.store, evkv_str(names[i]), key, value, 0,
			    answer_cb, &a[i]);
		for (i = 0; i < 3; i++) {
			rig_wait(&kit.rig, &a[i].calls);
			check_status(a[i].status, i < 2 ? EVKV_OK : EVKV_BUSY);
			answer_reset(&a[i]);
		}
		kit_end(&kit);
	}
	for (i = 0; i < 3; i++)
		answer_free(&a[i]);
}

EVKV_TEST(disk_multi, idle_parts_are_closed)
{
	struct answer answers[60];
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("v");
	struct kit kit;
	char name[16];
	int fds;
	unsigned i;

	kit_begin(&kit);
	multi_open(&kit, 4);
	check_status(kit_put(&kit, "c0", key, value, 0), EVKV_OK);
	fds = files_count("/proc/self/fd");
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "c%u", i % 20);
		check_status(kit_put(&kit, name, key, value, 0), EVKV_OK);
	}
	/* Beside the first there may be three, and some that are closing. */
	rig_until(&kit.rig, files_count("/proc/self/fd") <= fds + 3 * 6);
	/* All at once: over the bound for a while, and none fails. */
	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "c%u", i % 20);
		evkv_get(kit.store, evkv_str(name), key, answer_cb,
		    &answers[i]);
	}
	for (i = 0; i < 60; i++) {
		rig_wait(&kit.rig, &answers[i].calls);
		check_status(answers[i].status, EVKV_OK);
		answer_free(&answers[i]);
	}
	rig_until(&kit.rig, files_count("/proc/self/fd") <= fds + 3 * 6);
	/* What goes through all of them opens one after the other. */
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	rig_until(&kit.rig, files_count("/proc/self/fd") <= fds + 3 * 6);
	kit_end(&kit);
}

/* The part of one collection, opened by itself so that nobody else can. */
static struct evkv_store *part_keep(struct kit *kit, const char *file)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_store *part;
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", kit->path, file);
	part = evkv_disk_new(kit->rig.loop,
	    &(struct evkv_disk_options){ .path = path,
		.durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20 },
	    NULL);
	evkv_store_wait_ready(part, -1, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	return part;
}

static void stop_half_way(const char *kept, enum evkv_status status,
    enum evkv_status then)
{
	struct answer answer = ANSWER_INIT, closed = ANSWER_INIT;
	struct evkv_store *part;
	struct kit kit;

	kit_begin(&kit);
	multi_open(&kit, 4);
	check_status(kit_put(&kit, "a", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_put(&kit, "b", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_close(&kit);
	part = part_keep(&kit, kept);
	multi_open(&kit, 4);
	check_status(kit_do(&kit,
			 &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
			 &answer),
	    status);
	check_int(answer.cause, EVKV_CAUSE_IO);
	check_int(answer.affected, status == EVKV_UNKNOWN_OUTCOME ? -1 : 0);
	check_contains(answer.message, "is open already");
	answer_free(&answer);
	evkv_store_close(part, -1, answer_cb, &closed);
	rig_wait(&kit.rig, &closed.calls);
	answer_free(&closed);
	evkv_store_unref(part);
	kit_close(&kit);
	multi_open(&kit, 4);
	check_status(kit_get(&kit, "a", EVKV_LIT("k"), EVKV_LIT("v")), then);
	check_status(kit_get(&kit, "b", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	kit_end(&kit);
}

/* Collections are gone through by name. */
EVKV_TEST(disk_multi, a_clear_all_that_stops_half_way_is_unknown)
{
	stop_half_way("b", EVKV_UNKNOWN_OUTCOME, EVKV_NOT_FOUND);
	stop_half_way("a", EVKV_LOCKED, EVKV_OK);
}

struct nested {
	struct kit kit;
	struct answer put;
};

static void nested_put(struct evkv_op *child, void *arg)
{
	struct nested *nested = arg;

	check_status(evkv_result_entry(evkv_op_result(child), 0)->status,
	    EVKV_NOT_FOUND);
	evkv_put(nested->kit.store, EVKV_LIT("c"), EVKV_LIT("i"), EVKV_LIT("v"),
	    0, answer_cb, &nested->put);
}

/* As a wrapper does that fills on a miss. */
EVKV_TEST(disk_multi, a_miss_makes_the_part_and_what_waits_goes_there)
{
	struct answer put = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k");
	struct nested nested;

	memset(&nested, 0, sizeof(nested));
	kit_begin(&nested.kit);
	multi_open(&nested.kit, 4);
	check_status(kit_span(&nested.kit, EVKV_OP_PING, ""), EVKV_OK);
	evkv_child_submit(NULL, nested.kit.store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key },
	    0, nested_put, &nested);
	evkv_put(nested.kit.store, EVKV_LIT("c"), EVKV_LIT("j"), EVKV_LIT("w"),
	    0, answer_cb, &put);
	rig_wait(&nested.kit.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	rig_wait(&nested.kit.rig, &nested.put.calls);
	check_status(nested.put.status, EVKV_OK);
	check_status(kit_get(&nested.kit, "c", EVKV_LIT("i"), EVKV_LIT("v")),
	    EVKV_OK);
	check_status(kit_get(&nested.kit, "c", EVKV_LIT("j"), EVKV_LIT("w")),
	    EVKV_OK);
	answer_free(&put);
	answer_free(&nested.put);
	kit_end(&nested.kit);
}

static void nested_second(struct evkv_op *child, void *arg)
{
	struct nested *nested = arg;

	check_status(evkv_op_result(child)->status, EVKV_OK);
	evkv_put(nested->kit.store, EVKV_LIT("c"), EVKV_LIT("k"),
	    EVKV_LIT("second"), 0, answer_cb, &nested->put);
}

/* What the first of those that wait submits comes after the others. */
static void order_of_what_waits(bool multi)
{
	struct answer first = ANSWER_INIT;
	struct nested nested;
	struct kit *kit = &nested.kit;

	memset(&nested, 0, sizeof(nested));
	kit_begin(kit);
	if (multi)
		multi_open(kit, 4);
	else
		kit->store = evkv_disk_new(kit->rig.loop,
		    &(struct evkv_disk_options){ .path = kit->path,
			.durability = EVKV_DISK_NONE,
			.max_bytes = (size_t)8 << 20 },
		    NULL);
	evkv_child_submit(NULL, kit->store,
	    &(struct evkv_request){ .kind = EVKV_OP_PING }, 0, nested_second,
	    &nested);
	evkv_put(kit->store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("first"), 0,
	    answer_cb, &first);
	rig_wait(&kit->rig, &first.calls);
	rig_wait(&kit->rig, &nested.put.calls);
	check(first.order < nested.put.order);
	check_status(kit_get(kit, "c", EVKV_LIT("k"), EVKV_LIT("second")),
	    EVKV_OK);
	answer_free(&first);
	answer_free(&nested.put);
	kit_end(kit);
}

EVKV_TEST(disk_multi, what_waits_keeps_its_order)
{
	order_of_what_waits(false);
	order_of_what_waits(true);
}

EVKV_TEST(disk_multi, opens_by_url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct kit kit;
	char url[400];

	kit_begin(&kit);
	check(evkv_disk_register(kit.rig.loop));
	snprintf(url, sizeof(url),
	    "multi_disk:%s?durability=none&max_bytes=8m&max_open=2", kit.path);
	kit.store = evkv_open(kit.rig.loop, url, &error);
	check_str(error.message, "");
	check_str(evkv_store_name(kit.store), "multi_disk");
	check_status(kit_put(&kit, "a", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_put(&kit, "b", EVKV_LIT("k"), EVKV_LIT("w"), 0),
	    EVKV_OK);
	kit_close(&kit);
	/* The marker, and a directory for each collection. */
	check_int(files_count(kit.path), 3);
	kit.store = evkv_open(kit.rig.loop, url, &error);
	check_str(error.message, "");
	check_status(kit_get(&kit, "a", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	check_status(kit_get(&kit, "b", EVKV_LIT("k"), EVKV_LIT("w")), EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_multi, a_foreign_directory_is_left_alone)
{
	struct kit kit;
	char path[400];

	kit_begin(&kit);
	mkdir(kit.path, 0700);
	snprintf(path, sizeof(path), "%s/theirs", kit.path);
	mkdir(path, 0700);
	multi_open(&kit, 4);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_int(files_count(kit.path), 1);
	check_int(files_count(path), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_multi, the_same_process_twice_is_refused)
{
	struct kit kit, twin;

	kit_begin(&kit);
	kit_begin(&twin);
	multi_open(&kit, 4);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	snprintf(twin.path, sizeof(twin.path), "%s", kit.path);
	multi_open(&twin, 4);
	check_status(kit_put(&twin, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_LOCKED);
	kit_end(&twin);
	kit_end(&kit);
}

/* ---- Two processes ------------------------------------------------------- */

/* Each has its own parts open, and each sees what the other has put. */
EVKV_TEST(disk_multi, two_processes_share_a_directory)
{
	char command[700];
	struct kit kit;
	int i;

	kit_begin_real(&kit);
	multi_open(&kit, 2);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	for (i = 0; i < 3; i++) {
		/*
		 * The other process looks at each part while it is open here.
		 */
		snprintf(command, sizeof(command), "%s %s >/dev/null",
		    DISK_CHECK, kit.path);
		check_int(system(command), 0);
		snprintf(command, sizeof(command),
		    "%s --backup %s %s/copy%d >/dev/null", DISK_CHECK, kit.path,
		    kit.folder, i);
		check_int(system(command), 0);
		check_status(kit_put(&kit, i % 2 == 0 ? "c" : "d",
				 EVKV_LIT("k"), EVKV_LIT("w"), 0),
		    EVKV_OK);
	}
	kit_close(&kit);
	/* The last copy is a store with both. */
	snprintf(kit.path, sizeof(kit.path), "%.200s/copy2", kit.folder);
	multi_open(&kit, 2);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("w")), EVKV_OK);
	check_status(kit_get(&kit, "d", EVKV_LIT("k"), EVKV_LIT("w")), EVKV_OK);
	kit_end(&kit);
}

/* A writer in another process and one here, on one part. */
EVKV_TEST(disk_multi, two_processes_write_one_part)
{
	int counted = 0, status, i;
	struct kit kit;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	skip_test("ThreadSanitizer ends a child of fork() that starts threads");
#endif
	kit_begin_real(&kit);
	multi_open(&kit, 2);
	check_status(kit_put(&kit, "c", EVKV_LIT("n"), EVKV_LIT("0"), 0),
	    EVKV_OK);
	kit_close(&kit);
	pid = fork();
	for (i = 0; i < 100; i++) {
		struct answer answer = ANSWER_INIT;

		if (i == 0) {
			/* A child has a loop of its own. */
			if (pid == 0)
				rig_open_real(&kit.rig);
			multi_open(&kit, 2);
		}
		evkv_incr(kit.store, EVKV_LIT("c"), EVKV_LIT("n"), 1, answer_cb,
		    &answer);
		rig_wait(&kit.rig, &answer.calls);
		counted += answer.status == EVKV_OK;
		answer_free(&answer);
	}
	if (pid == 0)
		_exit(counted == 100 ? 0 : 1);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	check_int(counted, 100);
	check_status(kit_get(&kit, "c", EVKV_LIT("n"), EVKV_LIT("200")),
	    EVKV_OK);
	kit_end(&kit);
}
