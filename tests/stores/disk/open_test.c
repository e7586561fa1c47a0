/*
 * Who may open a directory, and what is refused: foreign, newer and damaged
 * ones, read-only file systems, the same process twice; and two processes that
 * share one.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/crash_entry.h"
#include "kit.h"
#include "lib/files.h"

#define GROWN ((off_t)1 << 20)
#define HEAD_PAGE 4096
#define HEAD_LAST_PAGE 136 /* its place in a head page */

/*
 * Atomic: at the next pread() another process writes: the file is longer, and
 * both of its heads speak of the last page.
 */
static bool grow_at_pread;

static void grow(int fd)
{
	struct stat stat_;
	size_t last;
	int i;

	if (fstat(fd, &stat_) != 0 || ftruncate(fd, stat_.st_size + GROWN) != 0)
		_exit(1);
	last = (size_t)(stat_.st_size + GROWN) / HEAD_PAGE - 1;
	for (i = 0; i < 2; i++) {
		if (pwrite(fd, &last, sizeof(last),
			i * HEAD_PAGE + HEAD_LAST_PAGE) != sizeof(last))
			_exit(1);
	}
}

typedef ssize_t pread_fn(int fd, void *data, size_t size, off_t at);

/* Before the C library's; the tree is compiled with hidden symbols. */
__attribute__((visibility("default"))) ssize_t pread(int fd, void *data,
    size_t size, off_t at)
{
	void *found = dlsym(RTLD_NEXT, "pread");
	char name[64];
	pread_fn *next;
	int own;

	if (__atomic_exchange_n(&grow_at_pread, false, __ATOMIC_RELAXED)) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		own = open(name, O_RDWR | O_CLOEXEC);
		grow(own);
		close(own);
	}
	memcpy(&next, &found, sizeof(next));
	return next(fd, data, size, at);
}

/* Opening fails with the status, and says so. */
static void check_refused(struct kit *kit, enum evkv_status status,
    const char *why)
{
	struct answer answer = ANSWER_INIT;

	check_status(kit_try_open(kit, NULL, &answer), status);
	check_contains(answer.message, why);
	answer_reset(&answer);
	/* So does what is asked of it. */
	check_status(kit_put(kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    status);
	answer_free(&answer);
	kit_close(kit);
}

EVKV_TEST(disk_open, a_foreign_directory_is_left_alone)
{
	struct kit kit;

	kit_begin(&kit);
	mkdir(kit.path, 0700);
	files_write(kit.path, "letter.txt", "dear");
	check_refused(&kit, EVKV_REFUSED, "not a disk store");
	check_int(files_count(kit.path), 1);
	files_write(kit.path, "CURRENT", "MANIFEST-000001\n");
	check_refused(&kit, EVKV_REFUSED, "something else");
	kit_end(&kit);
}

EVKV_TEST(disk_open, another_current_is_refused)
{
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	kit_close(&kit);
	files_write(kit.path, "CURRENT", "evkv disk 4\ngeneration 1\n");
	check_refused(&kit, EVKV_UNSUPPORTED, "format 4");
	rig_advance(&kit.rig, 2000);
	/* Older, without versions: it is not damaged. */
	files_write(kit.path, "CURRENT", "evkv disk 2\ngeneration 1\n");
	check_refused(&kit, EVKV_UNSUPPORTED, "format 2");
	rig_advance(&kit.rig, 2000);
	files_write(kit.path, "CURRENT", "evkv disk 3\ngeneration x\n");
	check_refused(&kit, EVKV_CORRUPT, "damaged");
	files_write(kit.path, "CURRENT", "evkv disk 3\ngeneration 7\n");
	check_refused(&kit, EVKV_CORRUPT, "data.mdb");
	files_write(kit.path, "CURRENT", "evkv disk 3\ngeneration 1\n");
	kit_open(&kit, NULL);
	kit_end(&kit);
}

EVKV_TEST(disk_open, a_truncated_or_foreign_file_is_refused)
{
	struct kit kit;
	char path[400];
	size_t size, i;
	int fd;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	for (i = 0; i < 200; i++) {
		char value[5000] = { 1 };

		kit_put(&kit, "c", evkv_bytes(&i, sizeof(i)),
		    evkv_bytes(value, sizeof(value)), 0);
	}
	kit_close(&kit);
	kit_data_file(&kit, path, sizeof(path));
	size = kit_file_size(&kit);
	check_int(truncate(path, (off_t)(size / 2)), 0);
	check_refused(&kit, EVKV_CORRUPT, "cut off");
	check_int(kit_file_size(&kit), size / 2);
	check_int(truncate(path, 3), 0);
	check_refused(&kit, EVKV_CORRUPT, "not a database");
	fd = open(path, O_WRONLY | O_TRUNC);
	check_int(write(fd, "SQLite format 3", 15), 15);
	check_int(ftruncate(fd, 1 << 20), 0);
	close(fd);
	check_refused(&kit, EVKV_CORRUPT, "not a database");
	kit_end(&kit);
}

/* As under `ulimit -v` or valgrind: the message says which option it is. */
EVKV_TEST(disk_open, too_large_a_map_is_told_by_its_option)
{
	const struct evkv_disk_options options = { .max_bytes = (size_t)1
		    << 50 };
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	check_status(kit_try_open(&kit, &options, &answer), EVKV_NOMEM);
	check_contains(answer.message, "max_bytes");
	answer_free(&answer);
	kit_close(&kit);
	/* It has left nothing that stands in the way. */
	kit_open(&kit, NULL);
	kit_end(&kit);
}

EVKV_TEST(disk_open, a_missing_parent_is_told)
{
	struct kit kit;

	kit_begin(&kit);
	snprintf(kit.path, sizeof(kit.path), "%s/no/such", kit.folder);
	check_refused(&kit, EVKV_IO, "can't make the directory");
	kit_end(&kit);
}

EVKV_TEST(disk_open, a_failed_opening_is_tried_again)
{
	struct kit kit;

	kit_begin(&kit);
	files_write(kit.folder, "store", "a file in the way");
	{
		struct answer answer = ANSWER_INIT;

		check_status(kit_try_open(&kit, NULL, &answer), EVKV_IO);
		answer_free(&answer);
	}
	unlink(kit.path);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_IO);
	rig_advance(&kit.rig, 1000);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_open, a_read_only_file_system_is_refused)
{
	struct kit kit;

	kit_begin(&kit);
	if (mount("tmpfs", kit.folder, "tmpfs", 0, "size=4m") != 0) {
		kit_end(&kit);
		skip_test("mounting a tmpfs is not allowed here");
	}
	kit_open(&kit, NULL);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0);
	kit_close(&kit);
	check_int(mount("tmpfs", kit.folder, "tmpfs", MS_REMOUNT | MS_RDONLY,
		      "size=4m"),
	    0);
	check_refused(&kit, EVKV_REFUSED, "Read-only");
	check_int(umount(kit.folder), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_open, the_same_process_twice_is_refused)
{
	struct kit kit, twin;

	kit_begin(&kit);
	kit_begin(&twin);
	kit_open(&kit, NULL);
	snprintf(twin.path, sizeof(twin.path), "%s", kit.path);
	check_refused(&twin, EVKV_LOCKED, kit.path);
	kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0);
	kit_close(&kit);
	kit_open(&twin, NULL);
	check_status(kit_get(&twin, "c", EVKV_LIT("k"), EVKV_LIT("v")),
	    EVKV_OK);
	kit_end(&twin);
	kit_end(&kit);
}

/* ---- Two processes ------------------------------------------------------- */

static pid_t start_writer(const struct kit *kit, const char *first, int *fd)
{
	char url[300];
	int fds[2];
	pid_t pid;

	snprintf(url, sizeof(url), "disk:%s?max_bytes=1g", kit->path);
	check_int(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execl(CRASH_WRITER, "crash_writer", url, first, "0",
		    (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	*fd = fds[0];
	return pid;
}

EVKV_TEST(disk_open, two_processes_share_a_directory)
{
	const struct evkv_disk_options options = { .max_bytes = (size_t)1
		    << 30 };
	char key[CRASH_KEY_MAX], value[CRASH_VALUE_MAX];
	struct kit kit;
	uint32_t n, reports;
	pid_t pid;
	int fd;

	kit_begin_real(&kit);
	kit_open(&kit, &options);
	pid = start_writer(&kit, "1", &fd);
	for (reports = 0; reports < 500; reports++) {
		check_int(read(fd, &n, sizeof(n)), sizeof(n));
		if ((n & CRASH_COUNTER) != 0 || n % 10 != 0)
			continue;
		/* What the other has acknowledged is seen here at once. */
		check_status(kit_get(&kit, "numbers", crash_key(n, key),
				 crash_value(n, value)),
		    EVKV_OK);
		check_status(kit_put(&kit, "ours", crash_key(n, key),
				 EVKV_LIT("x"), 0),
		    EVKV_OK);
	}
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_LOCKED);
	kill(pid, SIGKILL);
	check(waitpid(pid, NULL, 0) == pid);
	close(fd);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_status(kit_get(&kit, "ours", crash_key(n - n % 10, key),
			 EVKV_LIT("x")),
	    EVKV_OK);
	kit_end(&kit);
}

/* The other's map is larger, and what it writes is beyond ours. */
EVKV_TEST(disk_open, a_larger_map_of_another_process_is_followed)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)1 << 20 };
	char key[CRASH_KEY_MAX], value[CRASH_VALUE_MAX];
	struct kit kit;
	uint32_t n, reports;
	pid_t pid;
	int fd;

	kit_begin_real(&kit);
	kit_open(&kit, &options);
	check_status(kit_put(&kit, "ours", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	pid = start_writer(&kit, "1", &fd);
	for (reports = 0; reports < 4000; reports++)
		check_int(read(fd, &n, sizeof(n)), sizeof(n));
	kill(pid, SIGKILL);
	check(waitpid(pid, NULL, 0) == pid);
	close(fd);
	check(kit_file_size(&kit) > (size_t)2 << 20);
	for (n = 1; n < 3000; n += 50)
		check_status(kit_get(&kit, "numbers", crash_key(n, key),
				 crash_value(n, value)),
		    EVKV_OK);
	/* Beyond our bound there is room for deletes alone. */
	check_status(kit_put(&kit, "ours", EVKV_LIT("l"), EVKV_LIT("v"), 0),
	    EVKV_NOSPACE);
	check_status(kit_delete(&kit, "ours", EVKV_LIT("k")), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "numbers"), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_status(kit_put(&kit, "ours", EVKV_LIT("l"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_end(&kit);
}

/* What grows while it is looked at is not cut off. */
EVKV_TEST(disk_open, another_process_may_write_meanwhile)
{
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_close(&kit);
	__atomic_store_n(&grow_at_pread, true, __ATOMIC_RELAXED);
	kit_open(&kit, NULL);
	check(!__atomic_load_n(&grow_at_pread, __ATOMIC_RELAXED));
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v")), EVKV_OK);
	kit_end(&kit);
}

/* ---- Long paths ---------------------------------------------------------- */

/* The status of a path of so many bytes, whose folders are not there. */
static enum evkv_status open_long(struct kit *kit, size_t size, bool multi)
{
	struct evkv_disk_options given = { .sweep_ms = -1 };
	struct answer answer = ANSWER_INIT;
	char path[5000];
	enum evkv_status status;

	memset(path, '/', size);
	memcpy(path + size - 9, "/no/place", 9);
	memcpy(path, "/nowhere", 8);
	path[size] = '\0';
	given.path = path;
	kit->store = multi ? evkv_multi_disk_new(kit->rig.loop, &given, NULL)
			   : evkv_disk_new(kit->rig.loop, &given, NULL);
	check(kit->store != NULL);
	evkv_ping(kit->store, answer_cb, &answer);
	rig_wait(&kit->rig, &answer.calls);
	status = answer.status;
	answer_free(&answer);
	kit_close(kit);
	return status;
}

EVKV_TEST(disk_open, a_path_may_be_as_long_as_the_system_takes)
{
	struct kit kit;

	kit_begin(&kit);
	check_status(open_long(&kit, 4096 - 64 + 1, false), EVKV_INVALID);
	check(open_long(&kit, 4096 - 64, false) != EVKV_INVALID);
	check_status(open_long(&kit, 4096 - 510 + 1, true), EVKV_INVALID);
	check(open_long(&kit, 4096 - 510, true) != EVKV_INVALID);
	kit_end(&kit);
}
