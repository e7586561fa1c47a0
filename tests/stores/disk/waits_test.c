/*
 * What the store waits for, or clears away, before it gives up: another that
 * opens the directory at the same moment, readers of processes that are gone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"

/* Atomic: a lock that is let go of when somebody has waited so often. */
static int held_lock = -1, waits_left;

/*
 * This stands before the C library's: nobody sleeps here. The tree is compiled
 * with hidden symbols; it must be seen by others.
 */
__attribute__((visibility("default"))) int nanosleep(
    const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	if (__atomic_sub_fetch(&waits_left, 1, __ATOMIC_ACQ_REL) == 0)
		close(__atomic_exchange_n(&held_lock, -1, __ATOMIC_ACQ_REL));
	return 0;
}

/* Both bytes that one who opens holds for a moment, or one who compacts. */
EVKV_TEST(disk_waits, for_another_that_opens_it_too)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1
	};
	char path[400];
	struct kit kit;
	int fd;

	for (lock.l_start = 0; lock.l_start < 2; lock.l_start++) {
		kit_begin(&kit);
		kit_open(&kit, NULL);
		kit_close(&kit);
		snprintf(path, sizeof(path), "%s/LOCK", kit.path);
		fd = open(path, O_RDWR | O_CLOEXEC);
		check(fd >= 0);
		check_int(fcntl(fd, F_OFD_SETLK, &lock), 0);
		__atomic_store_n(&held_lock, fd, __ATOMIC_RELEASE);
		__atomic_store_n(&waits_left, 3, __ATOMIC_RELEASE);
		kit_open(&kit, NULL);
		check_int(__atomic_load_n(&held_lock, __ATOMIC_ACQUIRE), -1);
		kit_end(&kit);
	}
}

/* The locks of one who has the store open: bytes 1, shared, and 4096 + pid. */
static bool lock_as_a_store(const char *folder)
{
	struct flock lock = { .l_type = F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = 1,
		.l_len = 1 };
	char path[420];
	int fd;

	snprintf(path, sizeof(path), "%s/../LOCK", folder);
	fd = open(path, O_RDWR);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0)
		return false;
	lock.l_type = F_WRLCK;
	lock.l_start = 4096 + getpid();
	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* Takes all places for readers but one, tells, and lives until it is killed. */
static void take_all_places(const char *folder, int fd)
{
	MDB_env *env;
	MDB_txn *txn, *last = NULL;
	int count = 0;

	if (!lock_as_a_store(folder) || mdb_env_create(&env) != 0 ||
	    mdb_env_set_mapsize(env, (size_t)64 << 20) != 0 ||
	    mdb_env_set_maxdbs(env, 8) != 0 ||
	    mdb_env_open(env, folder, MDB_NOTLS, 0600) != 0)
		_exit(2);
	for (; mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0; last = txn)
		count++;
	if (last != NULL)
		mdb_txn_abort(last);
	if (count > 10 && write(fd, "", 1) == 1)
		pause();
	_exit(3);
}

/* Atomic: whether another reader always frees the places a moment before. */
static bool others_are_first;

/* Before the library's. */
__attribute__((visibility("default"))) int mdb_reader_check(MDB_env *env,
    int *dead)
{
	void *found = dlsym(RTLD_NEXT, "mdb_reader_check");
	int (*next)(MDB_env * env, int *dead);
	int freed;

	memcpy(&next, &found, sizeof(next));
	if (__atomic_load_n(&others_are_first, __ATOMIC_ACQUIRE))
		check_int(next(env, &freed), 0);
	return next(env, dead);
}

#define GETS 100 /* of all readers */

static void get_where_all_places_are_taken(void)
{
	const struct evkv_disk_options options = { .readers = 8 };
	struct answer answers[GETS];
	char path[400], key[16];
	struct kit kit;
	int fds[2], i;
	pid_t pid;

	memset(answers, 0, sizeof(answers));
	kit_begin(&kit);
	kit_open(&kit, &options);
	kit_data_file(&kit, path, sizeof(path));
	*strrchr(path, '/') = '\0';
	kit_close(&kit);
	check_int(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		take_all_places(path, fds[1]);
	}
	close(fds[1]);
	check_int(read(fds[0], key, 1), 1);
	close(fds[0]);
	kit_open(&kit, &options);
	kill(pid, SIGKILL);
	check(waitpid(pid, NULL, 0) == pid);
	for (i = 0; i < GETS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		evkv_get(kit.store, EVKV_LIT("c"), evkv_str(key), answer_cb,
		    &answers[i]);
	}
	for (i = 0; i < GETS; i++) {
		rig_wait(&kit.rig, &answers[i].calls);
		check_status(answers[i].status, EVKV_NOT_FOUND);
		answer_free(&answers[i]);
	}
	kit_end(&kit);
}

EVKV_TEST(disk_waits, places_of_readers_that_are_gone_are_freed)
{
	get_where_all_places_are_taken();
	__atomic_store_n(&others_are_first, true, __ATOMIC_RELEASE);
	get_where_all_places_are_taken();
	__atomic_store_n(&others_are_first, false, __ATOMIC_RELEASE);
}
