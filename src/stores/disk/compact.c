/*
 * stores/disk/compact.c - giving space back: a copy without free pages becomes
 * the new generation.
 *
 * Under the directory's mutex and with all other processes kept out: copy, make
 * durable, let CURRENT name the copy, open it in place of the old one, remove
 * the old one. Readers of this process go on with the old one until the moment
 * of opening. Cut short anywhere, the directory has the old generation or the
 * new one as the current, whole; the other is removed when it is next opened.
 */
#include "stores/disk/env.h"

/* Versions of the copy go on behind those of the original. */
static int compact_rebase(struct disk_env *env)
{
	struct disk_view view;
	int code = evkv__disk_write_begin(env, &view);

	if (code != 0)
		return code;
	code = evkv__disk_versions_rebase(&view);
	if (code == 0)
		return evkv__disk_write_commit(&view);
	evkv__disk_write_abort(&view);
	return code;
}

/* Copy what is current into generation `next`, leaving out free pages. */
static bool compact_copy(struct disk_env *env, uint64_t next,
    struct file_failure *failure)
{
	char path[PATH_MAX];
	int code = compact_rebase(env);

	if (code == DISK_LEFT)
		return false;
	if (code != 0)
		return evkv__disk_code_fail(env, code, "can't write", failure);
	if (!evkv__disk_dir_make(&env->dir, next, failure))
		return false;
	evkv__disk_dir_generation(&env->dir, next, true, path);
	code = evkv__disk_copy(env, path, true);
	if (code == 0)
		return true;
	return evkv__disk_code_fail(env, code, "can't copy", failure);
}

/*
 * Nobody reads meanwhile: between the switch and the new opening the files that
 * the store watches are not those that its names lead to.
 *
 * If only the last step failed, to make the new CURRENT durable, it is the new
 * generation that will be opened next: it is used, and the old one is kept.
 */
static bool compact_switch(struct disk_env *env, uint64_t next,
    struct file_failure *failure)
{
	bool durable, opened = false;

	evkv__disk_copy_cancel(env);
	pthread_rwlock_wrlock(&env->gate);
	durable = evkv__disk_dir_switch(&env->dir, next, failure);
	if (durable || env->dir.generation == next) {
		evkv__disk_lmdb_close(env);
		opened = evkv__disk_lmdb_open(env, true, failure);
	}
	pthread_rwlock_unlock(&env->gate);
	return opened && durable;
}

bool evkv__disk_env_compact(struct disk_env *env, struct file_failure *failure)
{
	uint64_t next;
	bool done;

	if (!evkv__disk_dir_lock(&env->dir, &env->stop, failure))
		return false;
	done = evkv__disk_dir_exclude(&env->dir, failure);
	if (done) {
		if (env->dir.highest < env->dir.generation)
			env->dir.highest = env->dir.generation;
		next = ++env->dir.highest;
		done = compact_copy(env, next, failure) &&
		    compact_switch(env, next, failure);
		if (done || env->dir.generation != next)
			evkv__disk_dir_sweep(&env->dir);
		evkv__disk_dir_share(&env->dir);
	}
	evkv__disk_dir_unlock(&env->dir);
	return done;
}
