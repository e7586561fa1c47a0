/*
 * A disk that fails: calls of this program stand before the C library's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "json_kit.h"

#define SEEN __attribute__((visibility("default")))

/* Atomic: an errno for that call, or 0. */
static int fail_write, fail_sync, fail_folder_sync, fail_rename;
static int no_exchange; /* atomic */
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

SEEN int renameat2(int from_dir, const char *from, int to_dir, const char *to,
    unsigned flags)
{
	step("exchange");
	if (fails(&no_exchange) || fails(&fail_rename))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

SEEN int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	step("rename");
	if (fails(&fail_rename))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

static void set(int *which, int sys_error)
{
	__atomic_store_n(which, sys_error, __ATOMIC_RELAXED);
}

static void faults_begin(struct kit *kit)
{
	json_begin(kit);
	kit_open(kit);
	kit_must_put(kit, "c", "k", "old", 0);
}

/* A put of "new" over "old" while that call fails; then what is there. */
static void check_failing(int *which, int sys_error, enum evkv_status status,
    const char *value)
{
	struct kit kit;

	faults_begin(&kit);
	set(which, sys_error);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("new"), 0),
	    status);
	set(which, 0);
	check_int(kit.answer.cause, EVKV_CAUSE_IO);
	check_int(kit.answer.sys_error, sys_error);
	kit_check(&kit, "c", "k", value);
	check(!kit_has_file(&kit, ".settings.json.evkv-tmp"));
	kit_must_put(&kit, "c", "k", "next", 0);
	kit_check(&kit, "c", "k", "next");
	kit_end(&kit);
}

EVKV_TEST(jsonfile_faults, a_put_that_fails_before_the_exchange_has_no_effect)
{
	check_failing(&fail_write, ENOSPC, EVKV_NOSPACE, "old");
	check_failing(&fail_write, EDQUOT, EVKV_NOSPACE, "old");
	check_failing(&fail_write, EIO, EVKV_IO, "old");
	check_failing(&fail_sync, EIO, EVKV_IO, "old");
	check_failing(&fail_sync, ENOSPC, EVKV_NOSPACE, "old");
	check_failing(&fail_rename, EIO, EVKV_IO, "old");
}

EVKV_TEST(jsonfile_faults, a_folder_that_is_not_on_the_disk_is_unknown)
{
	check_failing(&fail_folder_sync, EIO, EVKV_UNKNOWN_OUTCOME, "new");
}

/* A read behind a write that fails tells nothing; one before it is right. */
EVKV_TEST(jsonfile_faults, what_shares_a_file_shares_its_failure)
{
	struct answer before = ANSWER_INIT, put = ANSWER_INIT;
	struct answer behind = ANSWER_INIT;
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct kit kit;

	faults_begin(&kit);
	set(&fail_write, ENOSPC);
	evkv_get(kit.store, c, k, answer_cb, &before);
	evkv_put(kit.store, c, k, EVKV_LIT("new"), 0, answer_cb, &put);
	evkv_get(kit.store, c, k, answer_cb, &behind);
	rig_wait(&kit.rig, &behind.calls);
	set(&fail_write, 0);
	check_status(before.status, EVKV_OK);
	check_slice(before.entries[0].bytes, "old");
	check_status(put.status, EVKV_NOSPACE);
	check_status(behind.status, EVKV_IO);
	check(!behind.entries[0].has_value);
	kit_check(&kit, "c", "k", "old");
	answer_free(&before);
	answer_free(&put);
	answer_free(&behind);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_faults, each_key_of_a_batch_shares_the_failure)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("k"),
		EVKV_LIT("z") };
	const struct evkv_request request = { .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys,
		.values = keys };
	struct kit kit;

	faults_begin(&kit);
	set(&fail_write, ENOSPC);
	check_status(kit_do(&kit, &request), EVKV_NOSPACE);
	kit_check_entries(&kit, 3, EVKV_NOSPACE);
	set(&fail_write, 0);
	kit_check(&kit, "c", "k", "old");
	set(&fail_folder_sync, EIO);
	check_status(kit_do(&kit, &request), EVKV_UNKNOWN_OUTCOME);
	kit_check_entries(&kit, 3, EVKV_UNKNOWN_OUTCOME);
	set(&fail_folder_sync, 0);
	kit_end(&kit);
}

/* The new file, its name, the folder: once for all that waits. */
EVKV_TEST(jsonfile_faults, a_group_is_brought_to_the_disk_in_order)
{
	struct answer first = ANSWER_INIT, second = ANSWER_INIT;
	struct kit kit;

	faults_begin(&kit);
	steps[0] = '\0';
	evkv_put(kit.store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("w"), 0,
	    answer_cb, &first);
	evkv_put(kit.store, EVKV_LIT("d"), EVKV_LIT("l"), EVKV_LIT("w"), 0,
	    answer_cb, &second);
	rig_wait(&kit.rig, &second.calls);
	check_str(steps, "file exchange folder ");
	answer_free(&first);
	answer_free(&second);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_faults, an_exchange_is_not_needed)
{
	static const int errors[] = { EINVAL, ENOSYS, ENOTSUP, EPERM };
	struct kit kit;
	char value[16];
	size_t i;

	faults_begin(&kit);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		set(&no_exchange, errors[i]);
		steps[0] = '\0';
		snprintf(value, sizeof(value), "new%zu", i);
		kit_must_put(&kit, "c", "k", value, 0);
		check_str(steps, "file exchange rename folder ");
		set(&no_exchange, 0);
		kit_check(&kit, "c", "k", value);
	}
	kit_end(&kit);
}

/* A batch in which nothing changes writes nothing. */
EVKV_TEST(jsonfile_faults, what_changes_nothing_is_not_written)
{
	struct kit kit;

	faults_begin(&kit);
	steps[0] = '\0';
	kit_check(&kit, "c", "k", "old");
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("other")),
	    EVKV_NOT_FOUND);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "other"), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_SYNC, ""), EVKV_OK);
	check_str(steps, "");
	kit_end(&kit);
}
