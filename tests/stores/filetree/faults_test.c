/*
 * A disk that fails: calls of this program stand before the C library's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree_kit.h"

#define SEEN __attribute__((visibility("default")))

/* Atomic: an errno for that call, or 0. */
static int fail_write, fail_sync, fail_folder_sync, fail_rename, fail_link;
/* What was done, in words; a worker's while an operation is under way. */
static char steps[2000];

static bool fails(const int *which)
{
	int sys_error = __atomic_load_n(which, __ATOMIC_RELAXED);

	if (sys_error != 0)
		errno = sys_error;
	return sys_error != 0;
}

static void step(const char *word)
{
	size_t used = strlen(steps);

	snprintf(steps + used, sizeof(steps) - used, "%s ", word);
}

SEEN ssize_t write(int fd, const void *data, size_t size)
{
	struct stat stat;
	bool file = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);

	if (file && fails(&fail_write))
		return -1;
	/* In parts, as the system may do it. */
	return syscall(SYS_write, fd, data,
	    file && size > 1 ? size - size / 2 : size);
}

SEEN int fsync(int fd)
{
	struct stat stat;
	bool folder = fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode);

	step(folder ? "folder" : "file");
	if (fails(folder ? &fail_folder_sync : &fail_sync))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

SEEN int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	step("rename");
	if (fails(&fail_rename))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

/* Somebody else puts a file there just before the store does; or NULL. */
static struct kit *dropped;

SEEN int linkat(int from_dir, const char *from, int to_dir, const char *to,
    int flags)
{
	step("link");
	if (fails(&fail_link))
		return -1;
	if (dropped != NULL)
		kit_write_file(dropped, "tree/c/k", "theirs");
	dropped = NULL;
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

static void set(int *which, int sys_error)
{
	__atomic_store_n(which, sys_error, __ATOMIC_RELAXED);
}

/* A put of "new" over "old" while that call fails; then what is there. */
static void check_failing(int *which, int sys_error, enum evkv_status status,
    const char *value)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "old", 0);
	set(which, sys_error);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("new"), 0),
	    status);
	set(which, 0);
	check_int(kit.answer.cause, EVKV_CAUSE_IO);
	check_int(kit.answer.sys_error, sys_error);
	kit_check(&kit, "c", "k", value);
	check(!kit_has_file(&kit, "tree/c/.evkv-tmp"));
	kit_must_put(&kit, "c", "k", "next", 0);
	kit_check(&kit, "c", "k", "next");
	kit_end(&kit);
}

EVKV_TEST(filetree_faults, a_put_that_fails_before_the_rename_has_no_effect)
{
	check_failing(&fail_write, ENOSPC, EVKV_NOSPACE, "old");
	check_failing(&fail_write, EDQUOT, EVKV_NOSPACE, "old");
	check_failing(&fail_write, EFBIG, EVKV_NOSPACE, "old");
	check_failing(&fail_write, EIO, EVKV_IO, "old");
	check_failing(&fail_sync, EIO, EVKV_IO, "old");
	check_failing(&fail_sync, ENOSPC, EVKV_NOSPACE, "old");
	check_failing(&fail_rename, EIO, EVKV_IO, "old");
	check_failing(&fail_rename, ENOSPC, EVKV_NOSPACE, "old");
}

EVKV_TEST(filetree_faults, a_folder_that_is_not_on_the_disk_is_unknown)
{
	check_failing(&fail_folder_sync, EIO, EVKV_UNKNOWN_OUTCOME, "new");
}

/* What is acknowledged together fails together; a read tells nothing. */
EVKV_TEST(filetree_faults, what_shares_a_sync_shares_its_failure)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct answer take = ANSWER_INIT;
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "old", 0);
	kit_must_put(&kit, "c", "t", "old", 0);
	set(&fail_folder_sync, EIO);
	evkv_put(kit.store, c, k, EVKV_LIT("new"), 0, answer_cb, &put);
	evkv_get(kit.store, c, k, answer_cb, &get);
	evkv_take(kit.store, c, EVKV_LIT("t"), answer_cb, &take);
	rig_wait(&kit.rig, &take.calls);
	set(&fail_folder_sync, 0);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_status(get.status, EVKV_IO);
	check_status(take.status, EVKV_UNKNOWN_OUTCOME);
	check(!take.entries[0].has_value);
	answer_free(&put);
	answer_free(&get);
	answer_free(&take);
	kit_end(&kit);
}

EVKV_TEST(filetree_faults, each_key_of_a_batch_shares_the_failure)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("d") };
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys,
		.values = keys };
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "b", "old", 0);
	set(&fail_folder_sync, EIO);
	check_status(kit_do(&kit, &request), EVKV_UNKNOWN_OUTCOME);
	kit_check_entries(&kit, 3, EVKV_UNKNOWN_OUTCOME);
	request.kind = EVKV_OP_DELETE;
	request.values = NULL;
	check_status(kit_do(&kit, &request), EVKV_UNKNOWN_OUTCOME);
	kit_check_entries(&kit, 3, EVKV_UNKNOWN_OUTCOME);
	set(&fail_folder_sync, 0);
	kit_end(&kit);
}

EVKV_TEST(filetree_faults, deletes_work_on_a_full_disk)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "old", 1000);
	set(&fail_write, ENOSPC);
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("k")),
	    EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	set(&fail_write, 0);
	kit_end(&kit);
}

EVKV_TEST(filetree_faults, a_removal_that_stops_half_way_is_unknown)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "old", 0);
	set(&fail_folder_sync, EIO);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_UNKNOWN_OUTCOME);
	check_int(kit.answer.affected, -1);
	set(&fail_folder_sync, 0);
	kit_end(&kit);
}

/* Bytes and expiry, then the name, then the folder; once for what waits. */
EVKV_TEST(filetree_faults, a_put_is_brought_to_the_disk_in_order)
{
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct kit kit;

	tree_begin(&kit);
	steps[0] = '\0';
	kit_must_put(&kit, "c", "k", "v", 1000);
	check_str(steps, "file link folder folder "); /* and the root */
	steps[0] = '\0';
	evkv_put(kit.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("w"), 0,
	    answer_cb, &first);
	evkv_put(kit.store, EVKV_LIT("c"), EVKV_LIT("l"), EVKV_LIT("w"), 0,
	    answer_cb, &second);
	rig_wait(&kit.rig, &second.calls);
	check_str(steps, "file rename file link folder ");
	answer_free(&first);
	answer_free(&second);
	kit_end(&kit);
}

/* Where a file system has no links names are taken by the lock alone. */
EVKV_TEST(filetree_faults, links_are_not_needed)
{
	struct kit kit;

	tree_begin(&kit);
	set(&fail_link, EPERM);
	kit_must_put(&kit, "c", "k", "v", 0);
	set(&fail_link, 0);
	kit_check(&kit, "c", "k", "v");
	kit_end(&kit);
}

static struct evkv_store *make_os(struct kit *kit, struct evkv_error *error)
{
	return evkv_filetree_new(kit->rig.loop,
	    &(struct evkv_filetree_options){
		.path = kit->path, .durability = EVKV_FILETREE_OS },
	    error);
}

static int fail_syncfs, syncs; /* atomic */

SEEN int syncfs(int fd)
{
	__atomic_add_fetch(&syncs, 1, __ATOMIC_RELAXED);
	return fails(&fail_syncfs) ? -1 : (int)syscall(SYS_syncfs, fd);
}

EVKV_TEST(filetree_faults, a_flush_that_fails_is_told_by_the_next_sync)
{
	struct kit kit;

	kit_begin(&kit, "tree", make_os);
	kit_open(&kit);
	steps[0] = '\0';
	kit_must_put(&kit, "c", "k", "v", 0);
	check_str(steps, "link ");
	set(&fail_syncfs, EIO);
	set(&syncs, 0);
	rig_advance(&kit.rig, 1000);
	kit_check(&kit, "c", "k", "v");
	check_int(__atomic_load_n(&syncs, __ATOMIC_RELAXED), 1);
	set(&fail_syncfs, 0);
	check_status(kit_span(&kit, EVKV_OP_SYNC, ""), EVKV_IO);
	check_int(kit.answer.sys_error, EIO);
	check_status(kit_span(&kit, EVKV_OP_SYNC, ""), EVKV_OK);
	kit_end(&kit);
}

/* ---- Somebody else is faster --------------------------------------------- */

static enum evkv_status put_dropped(struct kit *kit,
    enum evkv_condition condition)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("ours");

	dropped = kit;
	return kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value,
		.condition = condition });
}

/* What is decided is decided on the file that is there. */
EVKV_TEST(filetree_faults, a_file_that_slips_in_counts)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "other", "v", 0);
	check_status(put_dropped(&kit, EVKV_IF_ABSENT), EVKV_EXISTS);
	kit_check(&kit, "c", "k", "theirs");
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("k")),
	    EVKV_OK);
	check_status(put_dropped(&kit, EVKV_IF_ANY), EVKV_OK);
	kit_check(&kit, "c", "k", "ours");
	check(!kit_has_file(&kit, "tree/c/.evkv-tmp"));
	kit_end(&kit);
}
