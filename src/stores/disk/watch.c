/*
 * stores/disk/watch.c - whether the files of an open store are still its own.
 *
 * A directory that is removed or replaced, or a file of it, takes with it what
 * is written from then on, and LMDB does not notice. So the inodes are
 * remembered at opening and compared before and after each commit, and before
 * each batch of reads. What is lost stays lost: the store is DOWN and opens
 * again only what is there already.
 *
 * LMDB reads by a map: a file that was cut ends the process by SIGBUS when a
 * page behind its end is touched. The lengths are compared, too, which leaves
 * the moment between the look and the touch (docs/disk.md).
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "stores/disk/env.h"

#define TABLE_HEAD 4096 /* no less than LMDB's own */
#define TABLE_READER 64

static const char *watch_name(enum disk_file file)
{
	static const char *const names[] = { "the directory of all collections",
		"its directory", "LOCK", "CURRENT", "data.mdb", "lock.mdb" };

	return names[file];
}

static bool watch_wants(const struct disk_env *env, enum disk_file file)
{
	return (file != DISK_FILE_GUARD || env->config.guard != NULL) &&
	    (file != DISK_FILE_CURRENT || !env->config.unpointed);
}

/* Path of a file, relative to the directory, or absolute. */
static void watch_path(const struct disk_env *env, enum disk_file file,
    char path[PATH_MAX])
{
	unsigned long long generation = env->dir.generation;

	switch (file) {
	case DISK_FILE_DIR:
		snprintf(path, PATH_MAX, "%s", env->dir.path);
		break;
	case DISK_FILE_DATA:
		snprintf(path, PATH_MAX, "g-%llu/data.mdb", generation);
		break;
	case DISK_FILE_TABLE:
		snprintf(path, PATH_MAX, "g-%llu/lock.mdb", generation);
		break;
	case DISK_FILE_GUARD:
		snprintf(path, PATH_MAX, "%s", env->config.guard);
		break;
	default: snprintf(path, PATH_MAX, "%s", watch_name(file)); break;
	}
}

/* What is in the place of a file; false: nothing. */
static bool watch_look(const struct disk_env *env, enum disk_file file,
    struct file_look *look)
{
	char path[PATH_MAX];

	watch_path(env, file, path);
	return file_look(env->dir.fd, path, look);
}

/* The bytes that LMDB may touch. */
static off_t watch_data_size(struct disk_env *env)
{
	MDB_envinfo info;

	mdb_env_info(env->lmdb, &info);
	return (off_t)((info.me_last_pgno + 1) * env->space.page_size);
}

/*
 * Whether data.mdb is as long as that. Its length is asked for first, as LMDB
 * must not be asked if it was cut; and once more, as the writer may have made
 * it longer and told LMDB in between.
 */
static bool watch_whole(struct disk_env *env, struct file_look *look)
{
	off_t wanted;

	if ((size_t)look->size < 2 * env->space.page_size)
		return false;
	wanted = watch_data_size(env);
	return look->size >= wanted ||
	    (file_look(env->watch.data_fd, "", look) && look->size >= wanted);
}

static int watch_lose(struct disk_env *env, enum disk_file file)
{
	__atomic_store_n(&env->watch.lost, 1 + (int)file, __ATOMIC_RELEASE);
	return DISK_LOST;
}

/*
 * An error other than that nothing is there, such as a parent that may not be
 * searched any more, says nothing about the file.
 */
static bool watch_same(struct disk_env *env, enum disk_file file)
{
	struct file_look look;

	if (!watch_look(env, file, &look))
		return errno != ENOENT && errno != ENOTDIR && errno != ESTALE;
	if (!file_is_same(&look, &env->watch.files[file]))
		return false;
	if (file == DISK_FILE_TABLE)
		return look.size >= env->watch.files[DISK_FILE_TABLE].size;
	return file != DISK_FILE_DATA || watch_whole(env, &look);
}

static int watch_quick(struct disk_env *env)
{
	const struct disk_watch *watch = &env->watch;
	struct file_look look;

	if (!file_look(watch->table_fd, "", &look) || look.links == 0 ||
	    look.size < watch->files[DISK_FILE_TABLE].size)
		return watch_lose(env, DISK_FILE_TABLE);
	if (!file_look(watch->data_fd, "", &look) || look.links == 0 ||
	    !watch_whole(env, &look))
		return watch_lose(env, DISK_FILE_DATA);
	return 0;
}

/* The names from the outside in, so that the outermost loss is reported. */
static int watch_names(struct disk_env *env, enum disk_file first,
    enum disk_file last)
{
	int file;

	for (file = (int)first; file <= (int)last; file++) {
		if (!watch_wants(env, (enum disk_file)file))
			continue;
		if (!watch_same(env, (enum disk_file)file))
			return watch_lose(env, (enum disk_file)file);
	}
	return 0;
}

int evkv__disk_watch(struct disk_env *env, bool quick)
{
	int code = disk_watch_found(env);

	if (code == 0 && !quick)
		code = watch_names(env, DISK_FILE_GUARD, DISK_FILE_CURRENT);
	if (code == 0)
		code = watch_quick(env);
	if (code == 0 && !quick)
		code = watch_names(env, DISK_FILE_DATA, DISK_FILE_TABLE);
	return code;
}

bool evkv__disk_watch_lost(const struct disk_env *env,
    struct file_failure *failure)
{
	int lost = __atomic_load_n(&env->watch.lost, __ATOMIC_ACQUIRE);

	if (lost == 0)
		return false;
	evkv__file_fail(failure, EVKV_IO, 0,
	    "%s: %s was removed, replaced or cut off while the store was open",
	    env->config.path, watch_name((enum disk_file)(lost - 1)));
	return true;
}

/* ---- Opening and closing ------------------------------------------------- */

/* Whether a process that we don't know of by LOCK has LMDB's lock. */
static bool table_is_used(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/*
 * LMDB writes to its lock file by a map, and a map of a file without room on
 * the disk ends the process by SIGBUS. So the room is taken before. Closing any
 * descriptor of it would drop LMDB's locks, so this one is kept.
 */
bool evkv__disk_watch_table(struct disk_env *env, const char *path, bool alone,
    struct file_failure *failure)
{
	struct disk_watch *watch = &env->watch;
	off_t size = TABLE_HEAD + (off_t)env->config.max_readers * TABLE_READER;
	char file[PATH_MAX + 16];

	snprintf(file, sizeof(file), "%s/lock.mdb", path);
	watch->table_fd = open(file, O_RDWR | O_CLOEXEC | (alone ? O_CREAT : 0),
	    FOLDER_FILE_MODE);
	if (watch->table_fd < 0 && errno == ENOENT && !alone)
		return evkv__file_fail(failure, EVKV_IO, 0,
		    "%s: lock.mdb was removed while another process has the "
		    "store open; end that process first",
		    path);
	if (watch->table_fd < 0)
		return evkv__file_fail(failure, evkv__file_errno_status(errno),
		    errno, "%s: can't open lock.mdb", path);
	if (alone && table_is_used(watch->table_fd))
		return evkv__file_fail(failure, EVKV_LOCKED, 0,
		    "%s: in use by a process without a lock on LOCK, which was "
		    "removed under it, or by a tool of LMDB",
		    path);
	if (fallocate(watch->table_fd, 0, 0, size) != 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return evkv__file_fail(failure, evkv__file_errno_status(errno),
		    errno, "%s: no room for lock.mdb", path);
	return true;
}

bool evkv__disk_watch_guard(const struct disk_env *env,
    struct file_failure *failure)
{
	if (env->config.guard == NULL ||
	    file_leads_to(AT_FDCWD, env->config.guard, env->config.guard_fd))
		return true;
	return evkv__file_fail(failure, EVKV_IO, 0,
	    "%s: %s was removed or replaced while the store was open",
	    env->config.path, watch_name(DISK_FILE_GUARD));
}

bool evkv__disk_watch_begin(struct disk_env *env, struct file_failure *failure)
{
	struct disk_watch *watch = &env->watch;
	int file;

	mdb_env_get_fd(env->lmdb, &watch->data_fd);
	for (file = 0; file < DISK_FILES; file++) {
		if (!watch_wants(env, (enum disk_file)file))
			continue;
		if (!watch_look(env, (enum disk_file)file, &watch->files[file]))
			return evkv__file_fail(failure, EVKV_IO, errno,
			    "%s: %s is missing", env->config.path,
			    watch_name((enum disk_file)file));
	}
	__atomic_store_n(&watch->lost, 0, __ATOMIC_RELEASE);
	return true;
}

/* What LMDB writes into it is of no use to anybody any more. */
void evkv__disk_watch_mend(struct disk_env *env)
{
	const struct disk_watch *watch = &env->watch;
	struct file_look look;

	if (watch->table_fd >= 0 && file_look(watch->table_fd, "", &look) &&
	    look.size < watch->files[DISK_FILE_TABLE].size &&
	    ftruncate(watch->table_fd, watch->files[DISK_FILE_TABLE].size) != 0)
		return;
}

void evkv__disk_watch_end(struct disk_env *env)
{
	if (env->watch.table_fd >= 0)
		close(env->watch.table_fd);
	env->watch.table_fd = -1;
}
