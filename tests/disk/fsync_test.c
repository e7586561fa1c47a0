/*
 * A disk that fails: fdatasync() and pwrite() of this program stand before the
 * C library's, also for LMDB.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kit.h"

/* Atomic: an errno, or 0. LMDB writes its two head pages by pwrite(). */
static int fail_sync, fail_write, fail_writev;

/* The tree is compiled with hidden symbols; these must be seen by others. */
#define SEEN __attribute__((visibility("default")))

SEEN int fdatasync(int fd)
{
	int sys_error = __atomic_load_n(&fail_sync, __ATOMIC_RELAXED);

	if (sys_error != 0) {
		errno = sys_error;
		return -1;
	}
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
	    &(struct evkv_request){ .kind = EVKV_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value },
	    answer);
}

EVKV_TEST(disk_fsync, a_failed_sync_leaves_the_outcome_unknown)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &full);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0),
	    EVKV_OK);
	set(&fail_sync, EIO);
	check_status(put_answer(&kit, &answer), EVKV_UNKNOWN_OUTCOME);
	check_int(answer.cause, EVKV_CAUSE_IO);
	check_int(answer.sys_error, EIO);
	answer_free(&answer);
	set(&fail_sync, 0);
	/* It was opened anew and is usable. */
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next")),
	    EVKV_OK);
	kit_close(&kit);
	kit_open(&kit, &full);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next")),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_failed_write_leaves_the_outcome_unknown)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &full);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0);
	set(&fail_write, EIO);
	check_status(put_answer(&kit, &answer), EVKV_UNKNOWN_OUTCOME);
	set(&fail_write, 0);
	answer_free(&answer);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next")),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_write_without_room_is_nospace_and_has_no_effect)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &full);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0);
	set(&fail_writev, ENOSPC);
	check_status(put_answer(&kit, &answer), EVKV_NOSPACE);
	set(&fail_writev, 0);
	answer_free(&answer);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next"), 0),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_fsync, a_head_page_without_room_is_in_doubt)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, &full);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0);
	set(&fail_write, ENOSPC);
	check_status(put_answer(&kit, &answer), EVKV_UNKNOWN_OUTCOME);
	set(&fail_write, 0);
	answer_free(&answer);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next")),
	    EVKV_OK);
	kit_end(&kit);
}

/* Reads go on while nothing can be written; so does what comes after. */
EVKV_TEST(disk_fsync, a_disk_that_stays_broken_fails_writes_alone)
{
	struct kit kit;
	int i;

	kit_begin(&kit);
	kit_open(&kit, &full);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0);
	set(&fail_sync, EIO);
	for (i = 0; i < 5; i++) {
		check_status(kit_put(&kit, "c", EVKV_LIT("other"),
				 EVKV_LIT("v"), 0),
		    EVKV_UNKNOWN_OUTCOME);
		check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
		    EVKV_OK);
	}
	set(&fail_sync, 0);
	check_status(kit_put(&kit, "c", EVKV_LIT("other"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_end(&kit);
}
