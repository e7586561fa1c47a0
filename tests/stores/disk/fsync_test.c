/*
 * A disk that fails: fdatasync() and pwrite() of this program stand before the
 * C library's, also for LMDB.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kit.h"

/* Atomic: an errno, or 0. LMDB writes its two head pages by pwrite(). */
static int fail_sync, fail_write, fail_writev;
/* Atomic: so many syncs more, and there is no room; 0 = there is. */
static int syncs_left;
static int syncs; /* atomic: how many there were */

/* The tree is compiled with hidden symbols; these must be seen by others. */
#define SEEN __attribute__((visibility("default")))

/* Atomic: how often that directory was brought to the disk. */
static ino_t wanted_folder;
static int folder_syncs;

/*
 * What is done to make a store durable, in words: files by name. The worker's
 * while a store is opened or compacted.
 */
static char order_of_steps[4000];

static void add_step(const char *step)
{
	size_t used = strlen(order_of_steps);

	snprintf(order_of_steps + used, sizeof(order_of_steps) - used, "%s ",
	    step);
}

static void add_sync(int fd)
{
	char link[64], path[400];
	const char *name;
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, path, sizeof(path) - 1);
	path[size > 0 ? size : 0] = '\0';
	name = strrchr(path, '/');
	if (name == NULL)
		return;
	if (strcmp(name, "/data.mdb") == 0)
		add_step("data");
	else if (strncmp(name, "/CURRENT", 8) == 0)
		add_step("current");
	else if (strcmp(name, "/store") == 0)
		add_step("dir");
}

SEEN int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (strcmp(to, "CURRENT") == 0)
		add_step("rename");
	else if (strncmp(to, "g-", 2) == 0)
		add_step("name");
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

/* Atomic: an errno, or 0. */
static int fail_mkdir;

SEEN int mkdirat(int dir, const char *name, mode_t mode)
{
	int sys_error = __atomic_load_n(&fail_mkdir, __ATOMIC_RELAXED);

	if (sys_error == 0)
		return (int)syscall(SYS_mkdirat, dir, name, mode);
	errno = sys_error;
	return -1;
}

/* Atomic: an errno for those of more than 1 MiB; how many there were. */
static int large_fallocate, fallocates;

SEEN int fallocate(int fd, int mode, off_t at, off_t size)
{
	int sys_error = __atomic_load_n(&large_fallocate, __ATOMIC_RELAXED);

	__atomic_add_fetch(&fallocates, 1, __ATOMIC_RELAXED);
	if (sys_error != 0 && size > (off_t)1 << 20) {
		errno = sys_error;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, at, size);
}

SEEN int fsync(int fd)
{
	struct stat stat;

	add_sync(fd);

	if (fstat(fd, &stat) == 0 &&
	    stat.st_ino == __atomic_load_n(&wanted_folder, __ATOMIC_RELAXED))
		__atomic_add_fetch(&folder_syncs, 1, __ATOMIC_RELAXED);
	return (int)syscall(SYS_fsync, fd);
}

SEEN int fdatasync(int fd)
{
	int sys_error = __atomic_load_n(&fail_sync, __ATOMIC_RELAXED);

	if (sys_error != 0) {
		errno = sys_error;
		return -1;
	}
	__atomic_add_fetch(&syncs, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&syncs_left, __ATOMIC_RELAXED) > 0 &&
	    __atomic_sub_fetch(&syncs_left, 1, __ATOMIC_RELAXED) == 0)
		__atomic_store_n(&fail_writev, ENOSPC, __ATOMIC_RELAXED);
	return fsync(fd);
}

typedef ssize_t pwrite_fn(int fd, const void *data, size_t size, off_t at);
typedef ssize_t writev_fn(int fd, const struct iovec *parts, int count);

static bool fails(const int *which)
{
	int sys_error = __atomic_load_n(which, __ATOMIC_RELAXED);

	if (sys_error != 0)
		errno = sys_error;
	return sys_error != 0;
}

SEEN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	void *found = dlsym(RTLD_NEXT, "pwrite");
	pwrite_fn *next;

	memcpy(&next, &found, sizeof(next));
	return fails(&fail_write) ? -1 : next(fd, data, size, at);
}

SEEN ssize_t writev(int fd, const struct iovec *parts, int count)
{
	void *found = dlsym(RTLD_NEXT, "writev");
	writev_fn *next;

	memcpy(&next, &found, sizeof(next));
	return fails(&fail_writev) ? -1 : next(fd, parts, count);
}

static const struct evkv_disk_options full = { .max_bytes = (size_t)64 << 20 };

static void set(int *which, int sys_error)
{
	__atomic_store_n(which, sys_error, __ATOMIC_RELAXED);
}

static enum evkv_status put_answer(struct kit *kit, struct answer *answer)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("new");

	return kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value },
	    answer);
}

static void must_put(struct kit *kit, const char *value)
{
	check_status(kit_put(kit, "c", EVKV_LIT("k"), evkv_str(value), 0),
	    EVKV_OK);
}

static void must_get(struct kit *kit, const char *value)
{
	check_status(kit_get(kit, "c", EVKV_LIT("k"), evkv_str(value)),
	    EVKV_OK);
}

/* The value is "old". */
static void open_full(struct kit *kit)
{
	kit_begin(kit);
	kit_open(kit, &full);
	must_put(kit, "old");
}

/* A put of "new" while that call fails. */
static void put_failing(struct kit *kit, int *which, int sys_error,
    enum evkv_status status)
{
	struct answer answer = ANSWER_INIT;

	set(which, sys_error);
	check_status(put_answer(kit, &answer), status);
	set(which, 0);
	check_int(answer.cause, EVKV_CAUSE_IO);
	check_int(answer.sys_error, sys_error);
	answer_free(&answer);
}

EVKV_TEST(disk_fsync, a_failed_sync_leaves_the_outcome_unknown)
{
	struct kit kit;

	open_full(&kit);
	put_failing(&kit, &fail_sync, EIO, EVKV_UNKNOWN_OUTCOME);
	/* It was opened anew and is usable. */
	must_put(&kit, "next");
	must_get(&kit, "next");
	kit_close(&kit);
	kit_open(&kit, &full);
	must_get(&kit, "next");
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_failed_write_leaves_the_outcome_unknown)
{
	struct kit kit;

	open_full(&kit);
	put_failing(&kit, &fail_write, EIO, EVKV_UNKNOWN_OUTCOME);
	must_put(&kit, "next");
	must_get(&kit, "next");
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_write_without_room_is_nospace_and_has_no_effect)
{
	struct kit kit;

	open_full(&kit);
	put_failing(&kit, &fail_writev, ENOSPC, EVKV_NOSPACE);
	must_get(&kit, "old");
	must_put(&kit, "next");
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_head_page_without_room_is_in_doubt)
{
	struct kit kit;

	open_full(&kit);
	put_failing(&kit, &fail_write, ENOSPC, EVKV_UNKNOWN_OUTCOME);
	must_put(&kit, "next");
	must_get(&kit, "next");
	kit_end(&kit);
}

/* Reads go on while nothing can be written; so does what comes after. */
EVKV_TEST(disk_fsync, a_disk_that_stays_broken_fails_writes_alone)
{
	struct kit kit;
	int i;

	open_full(&kit);
	set(&fail_sync, EIO);
	for (i = 0; i < 5; i++) {
		check_status(kit_put(&kit, "c", EVKV_LIT("other"),
				 EVKV_LIT("v"), 0),
		    EVKV_UNKNOWN_OUTCOME);
		must_get(&kit, "old");
	}
	set(&fail_sync, 0);
	check_status(kit_put(&kit, "c", EVKV_LIT("other"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_end(&kit);
}

#define ROWS 10000

static void put_rows(struct kit *kit, int64_t ttl_ms)
{
	static struct evkv_slice keys[ROWS], values[ROWS];
	static char names[ROWS][8];
	struct answer put = ANSWER_INIT;
	unsigned i;

	for (i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		keys[i] = evkv_str(names[i]);
		values[i] = EVKV_LIT("v");
	}
	evkv_put_many(kit->store, EVKV_LIT("many"), keys, values, ROWS, ttl_ms,
	    answer_cb, &put);
	rig_wait(&kit->rig, &put.calls);
	check_status(put.status, EVKV_OK);
	answer_free(&put);
}

/* A removal is done in pieces; `pieces` of them find room on the disk. */
static void remove_failing(enum evkv_kind kind, int pieces,
    enum evkv_status status)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit,
	    &(struct evkv_disk_options){
		.max_bytes = (size_t)64 << 20, .sweep_ms = -1 });
	put_rows(&kit, kind == EVKV_OP_PURGE_EXPIRED ? 1 : 0);
	rig_advance(&kit.rig, 1000);
	set(&syncs_left, pieces);
	if (pieces == 0)
		set(&fail_writev, ENOSPC);
	check_status(kit_do(&kit,
			 &(struct evkv_request){ .kind = kind,
			     .collection = kind == EVKV_OP_CLEAR
				 ? EVKV_LIT("many")
				 : EVKV_LIT("") },
			 &answer),
	    status);
	set(&fail_writev, 0);
	check_int(answer.cause, EVKV_CAUSE_IO);
	check_int(answer.sys_error, ENOSPC);
	check_int(answer.affected, status == EVKV_UNKNOWN_OUTCOME ? -1 : 0);
	answer_free(&answer);
	check_status(kit_span(&kit, kind, kind == EVKV_OP_CLEAR ? "many" : ""),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_removal_that_stops_half_way_is_unknown)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_CLEAR,
		EVKV_OP_CLEAR_ALL, EVKV_OP_PURGE_EXPIRED };
	size_t i;

	for (i = 0; i < 3; i++) {
		remove_failing(kinds[i], 0, EVKV_NOSPACE);
		remove_failing(kinds[i], 1, EVKV_UNKNOWN_OUTCOME);
		remove_failing(kinds[i], 2, EVKV_UNKNOWN_OUTCOME);
	}
}

/* The system tells of it once, and what it could not write stays unwritten. */
EVKV_TEST(disk_fsync, a_flush_that_fails_is_told_by_the_next_sync)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	must_put(&kit, "v");
	set(&fail_sync, EIO);
	/* The flush goes before the put in the writer's lane. */
	rig_advance(&kit.rig, 1000);
	must_put(&kit, "w");
	set(&fail_sync, 0);
	check_status(kit_do(&kit,
			 &(struct evkv_request){ .kind = EVKV_OP_SYNC },
			 &answer),
	    EVKV_IO);
	check_int(answer.cause, EVKV_CAUSE_IO);
	check_int(answer.sys_error, EIO);
	answer_free(&answer);
	check_status(kit_span(&kit, EVKV_OP_SYNC, ""), EVKV_OK);
	kit_end(&kit);
}

static int syncs_of_folder(bool multi)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_disk_options options = full;
	struct stat stat_;
	struct kit kit;

	kit_begin(&kit);
	check(stat(kit.folder, &stat_) == 0);
	__atomic_store_n(&wanted_folder, stat_.st_ino, __ATOMIC_RELAXED);
	__atomic_store_n(&folder_syncs, 0, __ATOMIC_RELAXED);
	options.path = kit.path;
	kit.store = multi ? evkv_multi_disk_new(kit.rig.loop, &options, NULL)
			  : evkv_disk_new(kit.rig.loop, &options, NULL);
	evkv_store_wait_ready(kit.store, -1, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	kit_end(&kit);
	return __atomic_load_n(&folder_syncs, __ATOMIC_RELAXED);
}

/* What is in a new directory is lost with its name. */
EVKV_TEST(disk_fsync, the_name_of_a_new_directory_is_durable)
{
	check(syncs_of_folder(false) > 0);
	check(syncs_of_folder(true) > 0);
}

/* A sync_ms goes by, and what had to be brought to the disk is there. */
static int syncs_after(struct kit *kit)
{
	set(&syncs, 0);
	rig_advance(&kit->rig, 1000);
	/* Behind the flush, if there is one. */
	check_status(kit_put(kit, "c", EVKV_LIT("other"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	return __atomic_load_n(&syncs, __ATOMIC_RELAXED);
}

EVKV_TEST(disk_fsync, every_write_is_flushed_in_time)
{
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	must_put(&kit, "v");
	check_int(syncs_after(&kit), 1);
	check_int(syncs_after(&kit), 1);
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_status(kit_delete(&kit, "c", EVKV_LIT("k")), EVKV_OK);
	check_int(syncs_after(&kit), 1);
	kit_close(&kit);
	kit_open(&kit, NULL);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	check_int(syncs_after(&kit), 1);
	kit_end(&kit);
}

static size_t stored(struct kit *kit)
{
	struct evkv_counters counters;

	evkv_store_counters(kit->store, &counters);
	return counters.entries;
}

/* What has expired is removed all the same, if nothing else is written, too. */
EVKV_TEST(disk_fsync, a_sweep_that_fails_is_done_later)
{
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 10),
	    EVKV_OK);
	check_int(stored(&kit), 1);
	set(&fail_writev, ENOSPC);
	rig_advance(&kit.rig, 1000);
	/* Behind the sweep. */
	check_status(kit_span(&kit, EVKV_OP_SYNC, ""), EVKV_OK);
	set(&fail_writev, 0);
	check_int(stored(&kit), 1);
	rig_advance(&kit.rig, 60000);
	rig_until(&kit.rig, stored(&kit) == 0);
	kit_end(&kit);
}

/* ---- A group whose commit failed in doubt ------------------------------- */

/*
 * Reads that were in it don't tell what may not be: IO. A get directly behind
 * it tells what is in the files then.
 */
EVKV_TEST(disk_fsync, reads_of_a_group_in_doubt_tell_nothing)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct answer behind = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("new");
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value };
	struct kit kit;

	open_full(&kit);
	/* In one turn: one group. The get is behind the put of its key. */
	set(&fail_sync, EIO);
	evkv_submit(kit.store, &request, answer_cb, &put);
	evkv_get(kit.store, EVKV_LIT("c"), key, answer_cb, &get);
	rig_wait(&kit.rig, &put.calls);
	rig_wait(&kit.rig, &get.calls);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_status(get.status, EVKV_IO);
	check_int(get.cause, EVKV_CAUSE_IO);
	check_int(get.count, 1);
	check(!get.entries[0].has_value);
	evkv_get(kit.store, EVKV_LIT("c"), key, answer_cb, &behind);
	rig_wait(&kit.rig, &behind.calls);
	check_status(behind.status, EVKV_OK);
	check(behind.entries[0].bytes.size == 3);
	set(&fail_sync, 0);
	must_put(&kit, "next");
	must_get(&kit, "next");
	answer_free(&put);
	answer_free(&get);
	answer_free(&behind);
	kit_end(&kit);
}

/* ---- The order of what makes a generation durable ----------------------- */

/*
 * What is renamed to CURRENT is on the disk before, as is the generation that
 * it names; and the directory is brought to the disk after it, and once more
 * when the generation has got its name.
 */
EVKV_TEST(disk_fsync, the_pointer_is_renamed_before_the_directory_is_synced)
{
	struct kit kit;
	int before;

	kit_begin(&kit);
	order_of_steps[0] = '\0';
	kit_open(&kit, NULL);
	check_contains(order_of_steps, "data dir current rename dir name dir");
	before = (int)strlen(order_of_steps);
	must_put(&kit, "v");
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_contains(order_of_steps + before,
	    "data dir current rename dir name dir");
	kit_end(&kit);
}

/* ---- A directory that can't be made -------------------------------------- */

EVKV_TEST(disk_fsync, a_generation_that_can_t_be_made_is_told)
{
	struct answer answer = ANSWER_INIT;
	char path[400];
	struct kit kit;

	open_full(&kit);
	snprintf(path, sizeof(path), "%s/copy", kit.folder);
	set(&fail_mkdir, ENOSPC);
	check_status(kit_do(&kit,
			 &(struct evkv_request){ .kind = EVKV_OP_COMPACT },
			 &answer),
	    EVKV_NOSPACE);
	check_contains(answer.message, "can't make a generation");
	answer_reset(&answer);
	check(evkv_disk_backup(kit.store, path, 0, answer_cb, &answer));
	rig_wait(&kit.rig, &answer.calls);
	set(&fail_mkdir, 0);
	check_status(answer.status, EVKV_NOSPACE);
	check_contains(answer.message, "can't make a generation");
	answer_free(&answer);
	must_get(&kit, "old");
	kit_end(&kit);
}

/* ---- Room in steps ------------------------------------------------------ */

/* A disk that has no room for as much as is asked for may have for less. */
EVKV_TEST(disk_fsync, less_room_is_asked_for_where_there_is_little)
{
	const struct evkv_disk_options options = { .max_bytes = (size_t)64
		    << 20 };
	static char value[900000];
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &options);
	must_put(&kit, "old");
	/* The first, generous one fails; the second must be tried. */
	set(&large_fallocate, ENOSPC);
	set(&fallocates, 0);
	check_status(kit_put(&kit, "c", EVKV_LIT("large"),
			 evkv_bytes(value, sizeof(value)), 0),
	    EVKV_OK);
	check_status(kit_put(&kit, "c", EVKV_LIT("larger"),
			 evkv_bytes(value, sizeof(value)), 0),
	    EVKV_OK);
	check(__atomic_load_n(&fallocates, __ATOMIC_RELAXED) >= 2);
	set(&large_fallocate, 0);
	kit_end(&kit);
}

/* ---- The last flush ----------------------------------------------------- */

static void count_error(enum evkv_log_level level, const char *message,
    void *arg)
{
	if (level == EVKV_LOG_ERROR && strstr(message, "close") != NULL)
		++*(int *)arg;
}

/* With durability=os the close brings to the disk what is owed, or says so. */
EVKV_TEST(disk_fsync, a_close_flushes_and_tells_where_it_can_t)
{
	struct kit kit;
	int errors = 0;

	kit_begin(&kit);
	evkv_loop_set_log(kit.rig.loop, count_error, &errors);
	kit_open(&kit, NULL);
	must_put(&kit, "v");
	set(&syncs, 0);
	kit_close(&kit);
	check(__atomic_load_n(&syncs, __ATOMIC_RELAXED) > 0);
	check_int(errors, 0);
	kit_open(&kit, NULL);
	must_put(&kit, "w");
	set(&fail_sync, EIO);
	kit_close(&kit);
	set(&fail_sync, 0);
	check_int(errors, 1);
	kit_open(&kit, NULL);
	must_get(&kit, "w");
	kit_end(&kit);
}
