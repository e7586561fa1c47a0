/*
 * Files that are missing, old or there twice; and what reading leaves alone.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"

EVKV_TEST(log_files, index_files_that_are_missing_or_old_are_made_anew)
{
	static const char *const names[] = { "0001.index", "0002.index" };
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size, i;

	damage_begin(&d);
	direct_close(&d.direct);
	for (i = 0; i < 2; i++) {
		damage_copy(d.whole, d.path);
		damage_remove(&d, names[i]);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		check(strstr(direct.env->notes, "1 data files") != NULL);
		check_int(damage_check(&direct, "missing"), 0);
		direct_close(&direct);
		check(damage_read(&d, names[i]) > 0);
	}
	/* That of another file, as if it were an old one. */
	damage_copy(d.whole, d.path);
	size = damage_read(&d, "0001.index");
	damage_write(&d, "0002.index", size);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	check_int(damage_check(&direct, "old"), 0);
	direct_close(&direct);
	damage_end(&d);
}

EVKV_TEST(log_files, files_that_are_missing_or_there_twice_are_refused)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;

	damage_begin(&d);
	direct_close(&d.direct);
	damage_copy(d.whole, d.path);
	damage_remove(&d, "0002.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	damage_copy(d.whole, d.path);
	damage_remove(&d, "0001.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	damage_copy(d.whole, d.path);
	damage_remove(&d, "STORE");
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	damage_copy(d.whole, d.path);
	damage_write(&d, "0009.data", damage_read(&d, "0001.data"));
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	check(strstr(failure.message, "0009.data: is a copy of file 1") !=
	    NULL);
	damage_remove(&d, "0009.data");
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	check_int(damage_check(&direct, "put back"), 0);
	direct_close(&direct);
	/* Not ours. */
	damage_copy(d.whole, d.path);
	damage_remove(&d, "STORE");
	damage_remove(&d, "0001.data");
	damage_remove(&d, "0002.data");
	damage_remove(&d, "0003.data");
	damage_write(&d, "letter.txt", 3);
	check_int(damage_open(&d, &direct, &failure), EVKV_REFUSED);
	damage_end(&d);
}

/* Nothing lies behind it, so there is no gap. */
EVKV_TEST(log_files, a_last_file_that_is_missing_is_noticed)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	char name[32];
	unsigned i;

	damage_begin(&d);
	direct_close(&d.direct); /* now each has an index file */
	damage_copy(d.whole, d.path);
	for (i = 99; i > 0; i--) {
		snprintf(name, sizeof(name), "%04u.data", i);
		if (!damage_is_there(d.path, name))
			continue;
		damage_remove(&d, name);
		check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
		check(strstr(failure.message, ".data is missing") != NULL);
		check_int(damage_tool(d.path, NULL, NULL), 1);
	}
	check(damage_is_there(d.path, "STORE"));
	damage_end(&d);
}

/* Somebody has taken it for one that a crash has left. */
EVKV_TEST(log_files, a_lock_file_that_is_removed_lets_nobody_in)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;

	damage_begin(&d);
	snprintf(d.path, sizeof(d.path), "%s", d.whole);
	damage_remove(&d, "LOCK");
	check_int(damage_open(&d, &direct, &failure), EVKV_LOCKED);
	check_int(damage_tool(d.path, NULL, NULL), 2);
	check_int(direct_put(&d.direct, "one more", "value", 0), EVKV_OK);
	direct_close(&d.direct);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	direct_close(&direct);
	damage_end(&d);
}

/* Else each read would look at the clock, and some change the inode. */
EVKV_TEST(log_files, reading_leaves_the_time_of_access)
{
	struct timespec long_ago[2] = { { .tv_sec = 1000 },
		{ .tv_sec = 2000 } };
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	struct stat stat;
	int fd;

	damage_begin(&d);
	direct_close(&d.direct);
	damage_copy(d.whole, d.path);
	check_int(damage_open(&d, &direct, &failure), EVKV_OK);
	fd = direct.env->order[0]->fd;
	check_int(futimens(fd, long_ago), 0);
	check_int(damage_check(&direct, "times"), 0);
	check_int(fstat(fd, &stat), 0);
	check_int(stat.st_atim.tv_sec, 1000);
	direct_close(&direct);
	damage_end(&d);
}
