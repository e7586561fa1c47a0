/*
 * stores/disk/copy.c - copies of an environment: for compact, and for backups.
 *
 * LMDB writes a copy to a descriptor in one call, which may take minutes. To
 * break it off, as closing does, the descriptor is replaced by one that can't
 * be written to. A copy with all pages takes LMDB's write lock for a moment;
 * one that leaves out free pages takes none.
 *
 * A backup is a directory like that of a store: copied into an unfinished
 * generation, given an instance of its own, so that versions of the original
 * are not taken for its own, then named by CURRENT. Cut short, it is a
 * directory without CURRENT, and no store.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "stores/disk/env.h"

static void copy_register(struct disk_env *env, int fd)
{
	pthread_mutex_lock(&env->copy_mutex);
	env->copy_fds[env->copy_fds[0] >= 0] = fd;
	pthread_mutex_unlock(&env->copy_mutex);
}

static void copy_close(struct disk_env *env, int fd)
{
	pthread_mutex_lock(&env->copy_mutex);
	env->copy_fds[env->copy_fds[0] != fd] = -1;
	close(fd);
	pthread_mutex_unlock(&env->copy_mutex);
}

void evkv__disk_copy_cancel(struct disk_env *env)
{
	int nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC), i;

	pthread_mutex_lock(&env->copy_mutex);
	for (i = 0; i < 2; i++) {
		if (env->copy_fds[i] >= 0 && nowhere >= 0)
			dup3(nowhere, env->copy_fds[i], O_CLOEXEC);
	}
	pthread_mutex_unlock(&env->copy_mutex);
	if (nowhere >= 0)
		close(nowhere);
}

int evkv__disk_copy(struct disk_env *env, const char *path, bool compact)
{
	char file[PATH_MAX + 16];
	int fd, code = EIO;

	if (__atomic_load_n(&env->stop, __ATOMIC_RELAXED))
		return ECANCELED;
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		return errno;
	copy_register(env, fd);
	pthread_rwlock_rdlock(&env->gate);
	if (env->lmdb != NULL)
		code = evkv__disk_watch(env, false);
	if (code == 0)
		code = compact ? mdb_env_copyfd2(env->lmdb, fd, MDB_CP_COMPACT)
			       : evkv__disk_wait_copy(env, fd);
	pthread_rwlock_unlock(&env->gate);
	copy_close(env, fd);
	/* What was broken off could not be written. */
	return code == EBADF ? ECANCELED : code;
}

/* Into an unfinished generation of a directory that is open. */
static bool backup_into(struct disk_env *env, struct disk_env *to, bool compact,
    struct file_failure *failure)
{
	uint64_t generation = to->dir.highest + 1;
	char path[PATH_MAX];
	int code;

	if (!evkv__disk_dir_make(&to->dir, generation, failure))
		return false;
	evkv__disk_dir_generation(&to->dir, generation, true, path);
	code = evkv__disk_copy(env, path, compact);
	if (code == 0 && __atomic_load_n(&env->stop, __ATOMIC_RELAXED))
		code = ECANCELED;
	if (code != 0)
		evkv__disk_code_fail(env, code, "can't copy", failure);
	if (code == 0 && evkv__disk_env_renew(to, generation, failure) &&
	    evkv__disk_dir_switch(&to->dir, generation, failure))
		return true;
	evkv__disk_dir_unmake(&to->dir, generation);
	return false;
}

bool evkv__disk_env_backup(struct disk_env *env, const char *path, bool compact,
    struct file_failure *failure)
{
	const struct disk_config config = {
		.path = (char *)(uintptr_t)path,
		.max_bytes = env->config.max_bytes,
		.max_readers = env->config.max_readers,
	};
	struct disk_env *to = evkv__disk_env_new(&config);
	bool done = false;

	if (to == NULL)
		return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	if (evkv__disk_dir_open(&to->dir, true, &env->stop, failure)) {
		if (to->dir.generation != 0)
			evkv__file_fail(failure, EVKV_REFUSED, 0,
			    "%s: there is a store already", to->config.path);
		else
			done = backup_into(env, to, compact, failure);
		evkv__disk_dir_close(&to->dir);
	}
	evkv__disk_env_free(to);
	return done;
}
