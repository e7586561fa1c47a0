/*
 * stores/disk/wait.c - waiting for LMDB's write lock.
 *
 * The lock is in lock.mdb and shared by all processes; while one of them holds
 * it (stopped, in a debugger, or with a long transaction) mdb_txn_begin() waits
 * and can't be broken off. So the writer says when it begins to wait. A store
 * that is closed may then leave it behind: the state goes from ON to LEFT,
 * and when the lock is got at last the writer sees that, ends the transaction
 * and touches nothing but the environment, which it takes along. Whoever
 * changes the state first wins.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "stores/disk/env.h"

#define HOLDERS_MAX 4

int64_t evkv__disk_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_change(struct disk_env *env, int from, int to)
{
	return __atomic_compare_exchange_n(&env->wait.state, &from, to, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static bool wait_enter(struct disk_env *env, int state)
{
	__atomic_store_n(&env->wait.since_ms, evkv__disk_clock_ms(),
	    __ATOMIC_RELAXED);
	return wait_change(env, DISK_WAIT_NONE, state);
}

int evkv__disk_wait_begin(struct disk_env *env, MDB_txn **txn)
{
	int code;

	if (!wait_enter(env, DISK_WAIT_ON))
		return DISK_LEFT;
	code = mdb_txn_begin(env->lmdb, NULL, 0, txn);
	if (wait_change(env, DISK_WAIT_ON, DISK_WAIT_NONE))
		return code;
	if (code == 0)
		mdb_txn_abort(*txn);
	return DISK_LEFT;
}

int evkv__disk_wait_copy(struct disk_env *env, int fd)
{
	int code;

	if (!wait_enter(env, DISK_WAIT_COPY))
		return DISK_LEFT;
	code = mdb_env_copyfd2(env->lmdb, fd, 0);
	return wait_change(env, DISK_WAIT_COPY, DISK_WAIT_NONE) ? code
								: DISK_LEFT;
}

int64_t evkv__disk_wait_ms(const struct disk_env *env, bool copies)
{
	int state = __atomic_load_n(&env->wait.state, __ATOMIC_ACQUIRE);

	if (state != DISK_WAIT_ON && (state != DISK_WAIT_COPY || !copies))
		return -1;
	return evkv__disk_clock_ms() -
	    __atomic_load_n(&env->wait.since_ms, __ATOMIC_RELAXED);
}

bool evkv__disk_wait_leave(struct disk_env *env)
{
	return wait_change(env, DISK_WAIT_ON, DISK_WAIT_LEFT) ||
	    wait_change(env, DISK_WAIT_COPY, DISK_WAIT_LEFT);
}

bool evkv__disk_wait_left(const struct disk_env *env)
{
	return __atomic_load_n(&env->wait.state, __ATOMIC_ACQUIRE) ==
	    DISK_WAIT_LEFT;
}

/*
 * LMDB's users have file locks on lock.mdb. The system tells the number of one
 * process for each; 0 where that is in another PID namespace.
 */
void evkv__disk_wait_holder(const struct disk_env *env, char *text, size_t size)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	size_t used = 0;
	int i;

	snprintf(text, size, "a process that can't be named");
	for (i = 0; i < HOLDERS_MAX && used < size; i++) {
		lock.l_type = F_WRLCK;
		lock.l_len = 0;
		if (fcntl(env->watch.table_fd, F_GETLK, &lock) != 0 ||
		    lock.l_type == F_UNLCK)
			break;
		if (lock.l_pid > 0)
			used += (size_t)snprintf(text + used, size - used,
			    "%sprocess %d", used > 0 ? " or " : "",
			    (int)lock.l_pid);
		lock.l_start += lock.l_len > 0 ? lock.l_len : 1;
	}
}
