/*
 * Locks between processes: another one that holds LMDB's write lock, one of the
 * same number in another PID namespace, and a second opening in one process.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evkv/executor.h"
#include "kit.h"
#include "lib/files.h"

static const struct evkv_disk_options full = { .max_bytes = (size_t)16 << 20 };

/* A process that holds the write lock until it is told to end. */
struct holder {
	pid_t pid;
	int to, from;
};

static void holder_main(const char *path, int in, int out)
{
	MDB_env *env;
	MDB_txn *txn;
	char c = 'x';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mdb_env_create(&env) != 0 ||
	    mdb_env_set_mapsize(env, full.max_bytes) != 0 ||
	    mdb_env_set_maxreaders(env, 512) != 0 ||
	    mdb_env_open(env, path, MDB_NOTLS, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, 0, &txn) != 0 || write(out, &c, 1) != 1 ||
	    read(in, &c, 1) != 1)
		_exit(1);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	_exit(0);
}

static void holder_start(const struct kit *kit, struct holder *holder)
{
	char path[400], c;
	int down[2], up[2];

	snprintf(path, sizeof(path), "%s/g-1", kit->path);
	check_int(pipe2(down, O_CLOEXEC), 0);
	check_int(pipe2(up, O_CLOEXEC), 0);
	holder->pid = fork();
	check(holder->pid >= 0);
	if (holder->pid == 0)
		holder_main(path, down[0], up[1]);
	close(down[0]);
	close(up[1]);
	holder->to = down[1];
	holder->from = up[0];
	check_int(read(holder->from, &c, 1), 1);
}

static void holder_end(struct holder *holder)
{
	check_int(write(holder->to, "x", 1), 1);
	check(waitpid(holder->pid, NULL, 0) == holder->pid);
	close(holder->to);
	close(holder->from);
}

static char logged[4][400];
static unsigned logs;

static void on_log(enum evkv_log_level level, const char *message, void *arg)
{
	(void)arg;
	if (level >= EVKV_LOG_WARNING)
		snprintf(logged[logs++ % 4], sizeof(logged[0]), "%s", message);
}

static void begin(struct kit *kit, struct holder *holder, int threads)
{
	struct evkv_disk_options options = full;
	struct evkv_executor_options wanted = { .threads = (unsigned)threads };

	kit_begin_real(kit);
	logs = 0;
	evkv_loop_set_log(kit->rig.loop, on_log, NULL);
	options.executor = evkv_executor_new(&wanted, NULL);
	kit_open(kit, &options);
	evkv_executor_unref(options.executor);
	check_status(kit_put(kit, "c", EVKV_LIT("k"), EVKV_LIT("old"), 0),
	    EVKV_OK);
	holder_start(kit, holder);
}

static void submit_put(struct kit *kit, const char *key, int64_t timeout_ms,
    struct answer *answer)
{
	struct evkv_slice name = evkv_str(key), value = EVKV_LIT("new");

	evkv_submit(kit->store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &name,
		.values = &value,
		.timeout_ms = timeout_ms },
	    answer_cb, answer);
}

/* Until the thread that was left behind has let go of the directory. */
static void reopen_when_free(struct kit *kit)
{
	struct answer answer = ANSWER_INIT;

	kit->store = NULL;
	kit_try_open(kit, &full, &answer);
	while (answer.status == EVKV_LOCKED) {
		check_contains(answer.message, "already in this process");
		answer_reset(&answer);
		kit_close(kit);
		kit_try_open(kit, &full, &answer);
	}
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
}

EVKV_TEST(disk_locks, a_held_lock_ends_nothing_late)
{
	struct answer put = ANSWER_INIT, other = ANSWER_INIT;
	struct answer closed = ANSWER_INIT;
	struct holder holder;
	struct kit kit;

	begin(&kit, &holder, 2);
	submit_put(&kit, "k", 100, &put);
	rig_wait(&kit.rig, &put.calls);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_int(put.cause, EVKV_CAUSE_TIMEOUT);
	submit_put(&kit, "other", 50, &other);
	rig_wait(&kit.rig, &other.calls);
	check_status(other.status, EVKV_TIMEOUT);
	/* Reads of other keys go on. */
	check_status(kit_get(&kit, "c", EVKV_LIT("third"), EVKV_LIT("")),
	    EVKV_NOT_FOUND);
	/* Closing takes its time and no more. */
	evkv_store_close(kit.store, 50, answer_cb, &closed);
	rig_wait(&kit.rig, &closed.calls);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	check_contains(logged[(logs - 1) % 4], "left behind");
	holder_end(&holder);
	reopen_when_free(&kit);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	kit_end(&kit);
	answer_free(&put);
	answer_free(&other);
	answer_free(&closed);
}

/* The log names the lock, how long, and who has it. */
EVKV_TEST(disk_locks, the_wait_is_told)
{
	struct answer put = ANSWER_INIT;
	char text[40];
	struct holder holder;
	struct kit kit;

	begin(&kit, &holder, 2);
	submit_put(&kit, "k", -1, &put);
	rig_until(&kit.rig, logs > 0);
	check_contains(logged[0], "g-1/lock.mdb");
	check_contains(logged[0], " ms ");
	snprintf(text, sizeof(text), "process %d", (int)holder.pid);
	check_contains(logged[0], text);
	/* It was not lost: it goes on when the lock is free. */
	holder_end(&holder);
	rig_wait(&kit.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("new")),
	    EVKV_OK);
	answer_free(&put);
	kit_end(&kit);
}

/* One thread for all: another takes its place. */
EVKV_TEST(disk_locks, other_lanes_are_not_held_up)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct holder holder;
	struct kit kit;

	begin(&kit, &holder, 1);
	submit_put(&kit, "k", -1, &put);
	rig_until(&kit.rig, logs > 0);
	evkv_get(kit.store, EVKV_LIT("c"), EVKV_LIT("third"), answer_cb, &get);
	rig_wait(&kit.rig, &get.calls);
	check_status(get.status, EVKV_NOT_FOUND);
	holder_end(&holder);
	rig_wait(&kit.rig, &put.calls);
	check_status(put.status, EVKV_OK);
	answer_free(&put);
	answer_free(&get);
	kit_end(&kit);
}

/* evkv_loop_free() with a write that waits, and everything that came after. */
EVKV_TEST(disk_locks, the_loop_ends_without_the_lock)
{
	struct answer puts[8];
	struct holder holder;
	struct kit kit;
	char key[8];
	size_t i;

	begin(&kit, &holder, 1);
	memset(puts, 0, sizeof(puts));
	for (i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		submit_put(&kit, key, -1, &puts[i]);
		rig_turn(&kit.rig);
	}
	evkv_store_unref(kit.store);
	rig_close(&kit.rig);
	for (i = 0; i < 8; i++) {
		check_int(puts[i].calls, 1);
		check(puts[i].status == EVKV_UNKNOWN_OUTCOME ||
		    puts[i].status == EVKV_CLOSED);
		answer_free(&puts[i]);
	}
	holder_end(&holder);
	rig_open_real(&kit.rig);
	reopen_when_free(&kit);
	kit_end(&kit);
}

/* What durability=os owes is on the disk, although nobody could close it. */
EVKV_TEST(disk_locks, a_removal_that_waits_is_left_behind_too)
{
	struct answer clear = ANSWER_INIT;
	struct holder holder;
	struct kit kit;

	begin(&kit, &holder, 2);
	evkv_submit(kit.store,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c"),
		.timeout_ms = 50 },
	    answer_cb, &clear);
	rig_wait(&kit.rig, &clear.calls);
	check_status(clear.status, EVKV_UNKNOWN_OUTCOME);
	answer_free(&clear);
	evkv_store_unref(kit.store);
	rig_close(&kit.rig);
	holder_end(&holder);
	rig_open_real(&kit.rig);
	reopen_when_free(&kit);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	kit_end(&kit);
}

/* A copy of all pages takes the lock, too. */
EVKV_TEST(disk_locks, a_copy_that_waits_is_left_behind_too)
{
	struct answer copied = ANSWER_INIT, closed = ANSWER_INIT;
	struct holder holder;
	struct kit kit;
	char path[400];

	begin(&kit, &holder, 2);
	snprintf(path, sizeof(path), "%s/copy", kit.folder);
	check(evkv_disk_backup(kit.store, path, EVKV_DISK_BACKUP_PAGES,
	    answer_cb, &copied));
	rig_advance(&kit.rig, 50);
	evkv_store_close(kit.store, 50, answer_cb, &closed);
	rig_wait(&kit.rig, &closed.calls);
	check_int(copied.calls, 1);
	check_status(copied.status, EVKV_CLOSED);
	evkv_store_unref(kit.store);
	holder_end(&holder);
	reopen_when_free(&kit);
	check_status(kit_get(&kit, "c", EVKV_LIT("k"), EVKV_LIT("old")),
	    EVKV_OK);
	kit_end(&kit);
	answer_free(&copied);
	answer_free(&closed);
}

/* A moment of waiting is no reason to leave anything behind. */
EVKV_TEST(disk_locks, a_lock_that_comes_soon_is_waited_for)
{
	struct answer put = ANSWER_INIT, closed = ANSWER_INIT;
	struct holder holder;
	struct kit kit;

	begin(&kit, &holder, 2);
	submit_put(&kit, "k", -1, &put);
	rig_turn(&kit.rig);
	evkv_store_close(kit.store, -1, answer_cb, &closed);
	rig_turn(&kit.rig);
	holder_end(&holder);
	rig_wait(&kit.rig, &closed.calls);
	check_status(put.status, EVKV_OK);
	check_status(closed.status, EVKV_OK);
	check_int(logs, 0);
	evkv_store_unref(kit.store);
	kit_open(&kit, &full);
	answer_free(&put);
	answer_free(&closed);
	kit_end(&kit);
}

/* ---- Two processes of one number ----------------------------------------- */

/* Process 1 of a namespace of its own: opens the store and says how that went.
 */
static pid_t first_process(const char *path, int out, int in)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWPID) != 0)
		_exit(77);
	pid = fork();
	if (pid != 0) {
		int status = 0;

		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	{
		struct kit kit = { .store = NULL };
		struct answer answer = ANSWER_INIT;
		char c;

		rig_open_real(&kit.rig);
		snprintf(kit.path, sizeof(kit.path), "%s", path);
		kit_try_open(&kit, &full, &answer);
		dprintf(out, "%s %s\n", evkv_status_name(answer.status),
		    answer.message);
		(void)!read(in, &c, 1);
		answer_free(&answer);
		kit_close(&kit);
		rig_close(&kit.rig);
	}
	_exit(0);
}

static void read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && read(fd, line + used, 1) == 1 &&
	    line[used] != '\n')
		used++;
	line[used] = '\0';
}

EVKV_TEST(disk_locks, equal_numbers_in_two_namespaces_are_told_apart)
{
	int up[2][2], down[2][2], i, status;
	char line[600];
	pid_t pids[2];
	struct kit kit;

	kit_begin_real(&kit);
	for (i = 0; i < 2; i++) {
		check_int(pipe2(up[i], O_CLOEXEC), 0);
		check_int(pipe2(down[i], O_CLOEXEC), 0);
		pids[i] = first_process(kit.path, up[i][1], down[i][0]);
		close(up[i][1]);
		close(down[i][0]);
		read_line(up[i][0], line, sizeof(line));
		if (line[0] == '\0')
			break;
		if (i == 0)
			check_str(line, "OK ");
		else
			check_contains(line, "LOCKED");
	}
	if (i == 2) {
		check_contains(line, "another PID namespace");
		/* One of another number gets in meanwhile. */
		kit_open(&kit, &full);
		check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"),
				 0),
		    EVKV_OK);
	}
	for (i = i < 2 ? i : 1; i >= 0; i--) {
		check_int(write(down[i][1], "x", 1), 1);
		close(down[i][1]);
		close(up[i][0]);
		check(waitpid(pids[i], &status, 0) == pids[i]);
	}
	kit_end(&kit);
	if (line[0] == '\0')
		skip_test("a PID namespace is not allowed here");
}
