/*
 * Files that are removed, replaced or cut off under an open store: the next
 * write fails, nothing is acknowledged that is lost, the store is DOWN and says
 * so, and finds its files again when they are put back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "lib/files.h"

static const struct evkv_disk_options full = { .max_bytes = (size_t)16 << 20 };

static int errors_logged;

/*
 * Atomic: the inode of data.mdb, until fstat() has told once how long it was
 * before the writer made it longer.
 */
static ino_t grows_after_fstat;

/* Before the C library's; the tree is compiled with hidden symbols. */
__attribute__((visibility("default"))) int fstat(int fd, struct stat *stat)
{
	ino_t grows = __atomic_load_n(&grows_after_fstat, __ATOMIC_ACQUIRE);
	int code = fstatat(fd, "", stat, AT_EMPTY_PATH);

	if (code == 0 && grows != 0 && stat->st_ino == grows) {
		__atomic_store_n(&grows_after_fstat, 0, __ATOMIC_RELEASE);
		stat->st_size = 8192;
	}
	return code;
}

static void on_log(enum evkv_log_level level, const char *message, void *arg)
{
	(void)message;
	(void)arg;
	errors_logged += level >= EVKV_LOG_ERROR;
}

static enum evkv_status put(struct kit *kit, const char *value)
{
	return kit_put(kit, "c", EVKV_LIT("k"), evkv_str(value), 0);
}

static void begin(struct kit *kit, const struct evkv_disk_options *options)
{
	kit_begin(kit);
	errors_logged = 0;
	evkv_loop_set_log(kit->rig.loop, on_log, NULL);
	kit_open(kit, options);
	check_status(put(kit, "old"), EVKV_OK);
}

/* It is noticed by a put, and stays so. */
static void check_lost(struct kit *kit)
{
	check_status(put(kit, "new"), EVKV_IO);
	check_int(evkv_store_state(kit->store), EVKV_STATE_DOWN);
	check_int(errors_logged, 1);
	check_status(put(kit, "new"), EVKV_IO);
	check_status(kit_span(kit, EVKV_OP_SYNC, ""), EVKV_IO);
	check_status(kit_span(kit, EVKV_OP_COMPACT, ""), EVKV_IO);
}

static void check_back(struct kit *kit)
{
	rig_advance(&kit->rig, 1000);
	check_status(kit_get(kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	check_status(put(kit, "next"), EVKV_OK);
	check_int(evkv_store_state(kit->store), EVKV_STATE_READY);
}

static void path_in(const struct kit *kit, const char *name, char path[400])
{
	snprintf(path, 400, "%s%s%s", kit->path, name[0] != '\0' ? "/" : "",
	    name);
}

/* A file is moved away, with or without something new in its place. */
static void move_away(const char *name, bool replaced)
{
	char from[400], to[400];
	struct kit kit;
	int fd;

	begin(&kit, &full);
	path_in(&kit, name, from);
	snprintf(to, sizeof(to), "%s/aside", kit.folder);
	check_int(rename(from, to), 0);
	if (replaced) {
		fd = name[0] == '\0' ? mkdir(from, 0700)
				     : open(from, O_CREAT | O_WRONLY, 0600);
		check(fd >= 0);
		if (name[0] != '\0')
			close(fd);
	}
	check_lost(&kit);
	if (replaced)
		check_int(remove(from), 0);
	check_int(rename(to, from), 0);
	check_back(&kit);
	kit_end(&kit);
}

EVKV_TEST(disk_files, what_is_moved_away_is_noticed)
{
	move_away("", false);
	move_away("LOCK", false);
	move_away("CURRENT", false);
	move_away("g-1", false);
	move_away("g-1/data.mdb", false);
	move_away("g-1/lock.mdb", false);
}

EVKV_TEST(disk_files, what_is_replaced_is_noticed)
{
	move_away("", true);
	move_away("LOCK", true);
	move_away("CURRENT", true);
	move_away("g-1/data.mdb", true);
	move_away("g-1/lock.mdb", true);
}

/* The directory is gone, and is not made anew behind anybody's back. */
EVKV_TEST(disk_files, a_removed_directory_stays_removed)
{
	struct kit kit;
	int i;

	begin(&kit, &full);
	folder_remove(kit.path);
	check_lost(&kit);
	for (i = 0; i < 3; i++) {
		rig_advance(&kit.rig, 1000);
		check_status(put(&kit, "new"), EVKV_IO);
	}
	check(access(kit.path, F_OK) != 0);
	kit_close(&kit);
	/* Who opens a store there now makes a new one. */
	kit_open(&kit, &full);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

/* Reads don't die of it either, by a worker or inline. */
static void cut(const char *name, bool inline_reads)
{
	struct evkv_disk_options options = full;
	struct kit kit;
	char path[400];

	options.inline_reads = inline_reads;
	begin(&kit, &options);
	path_in(&kit, name, path);
	/* What this read found out holds for its turn and not for the next. */
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	rig_turn(&kit.rig);
	check_int(truncate(path, 0), 0);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_IO);
	check_int(evkv_store_state(kit.store), EVKV_STATE_DOWN);
	check_status(put(&kit, "new"), EVKV_IO);
	rig_advance(&kit.rig, 1000);
	(void)put(&kit, "new");
	kit_end(&kit);
}

EVKV_TEST(disk_files, a_file_that_was_cut_does_not_kill_the_process)
{
	cut("g-1/data.mdb", false);
	cut("g-1/data.mdb", true);
	cut("g-1/lock.mdb", false);
	cut("g-1/lock.mdb", true);
}

/* A second process must not take part when lock.mdb is gone. */
EVKV_TEST(disk_files, nobody_joins_without_the_lock_files)
{
	static const char *const names[] = { "g-1/lock.mdb", "LOCK" };
	char path[400], message[400];
	struct kit kit;
	ssize_t size;
	int fds[2];
	size_t i;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		begin(&kit, &full);
		path_in(&kit, names[i], path);
		check_int(unlink(path), 0);
		check_int(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			dup2(fds[1], STDOUT_FILENO);
			execl(DISK_CHECK, "evkv_disk_check", kit.path,
			    (char *)NULL);
			_exit(127);
		}
		close(fds[1]);
		size = read(fds[0], message, sizeof(message) - 1);
		message[size > 0 ? size : 0] = '\0';
		check_contains(message, "removed");
		close(fds[0]);
		check(waitpid(pid, NULL, 0) == pid);
		check_lost(&kit);
		kit_end(&kit);
	}
}

/* A relative path goes on meaning the same. */
EVKV_TEST(disk_files, a_relative_path_survives_a_chdir)
{
	struct evkv_disk_options options = full;
	struct answer answer = ANSWER_INIT;
	char here[400];
	struct kit kit;

	kit_begin(&kit);
	check(getcwd(here, sizeof(here)) != NULL);
	check_int(chdir(kit.folder), 0);
	options.path = "store";
	kit.store = evkv_disk_new(kit.rig.loop, &options, NULL);
	evkv_store_wait_ready(kit.store, -1, answer_cb, &answer);
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	check_int(chdir("/"), 0);
	check_status(put(&kit, "v"), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_status(put(&kit, "w"), EVKV_OK);
	check_int(chdir(here), 0);
	kit_end(&kit);
}

/* The writer makes it longer, and tells LMDB, while a reader looks. */
EVKV_TEST(disk_files, a_file_that_grows_meanwhile_was_not_cut)
{
	char path[400];
	struct stat found;
	struct kit kit;

	begin(&kit, &full);
	kit_data_file(&kit, path, sizeof(path));
	check_int(stat(path, &found), 0);
	check(found.st_size > 8192);
	__atomic_store_n(&grows_after_fstat, found.st_ino, __ATOMIC_RELEASE);
	check_status(put(&kit, "new"), EVKV_OK);
	check_int(__atomic_load_n(&grows_after_fstat, __ATOMIC_ACQUIRE), 0);
	check_int(evkv_store_state(kit.store), EVKV_STATE_READY);
	kit_end(&kit);
}

/* The root of a multi_disk store. */
EVKV_TEST(disk_files, the_root_of_all_parts_is_watched)
{
	struct evkv_disk_options options = full;
	char aside[400];
	struct kit kit;

	kit_begin(&kit);
	errors_logged = 0;
	evkv_loop_set_log(kit.rig.loop, on_log, NULL);
	options.path = kit.path;
	kit.store = evkv_multi_disk_new(kit.rig.loop, &options, NULL);
	check_status(put(&kit, "old"), EVKV_OK);
	snprintf(aside, sizeof(aside), "%s/aside", kit.folder);
	check_int(rename(kit.path, aside), 0);
	check_int(mkdir(kit.path, 0700), 0);
	check_status(put(&kit, "new"), EVKV_IO);
	rig_until(&kit.rig, evkv_store_state(kit.store) == EVKV_STATE_DOWN);
	check(errors_logged > 0);
	/* No part is made in what is not the store. */
	rig_advance(&kit.rig, 1000);
	check_status(kit_put(&kit, "d", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_IO);
	check_int(files_count(kit.path), 0);
	check_int(rmdir(kit.path), 0);
	check_int(rename(aside, kit.path), 0);
	rig_advance(&kit.rig, 1000);
	check_status(put(&kit, "next"), EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("next")),
	    EVKV_OK);
	kit_end(&kit);
}
