/*
 * stores/disk/dir_lock.c - the locks of a store's directory.
 *
 * The locks are on bytes of LOCK (engines/files/lock.h), so a second opening in
 * this process collides with the first, without a list of what is open:
 *
 *     byte 0            the directory's mutex, while opening and switching
 *     byte 1            shared by whoever has it open, exclusive to compact
 *     byte 4096 + pid   exclusive: a process of this number has it open
 *
 * The last one is also what keeps two processes apart that have one number in
 * two PID namespaces: LMDB can't, as its own lock is on the byte of its pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "engines/files/lock.h"
#include "stores/disk/dir.h"

#define BYTE_MUTEX 0
#define BYTE_OPEN 1
#define BYTE_PIDS 4096

#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 5

/*
 * Other processes hold these two for a moment while they open, or, the second,
 * as long as they compact.
 */
static bool lock_wait(const struct disk_dir *dir, short type, off_t byte,
    const bool *stop)
{
	const struct timespec step = { 0, LOCK_STEP_MS * 1000000 };
	int waited;

	for (waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_STEP_MS) {
		if (evkv__file_lock(dir->lock_fd, type, byte))
			return true;
		if (!evkv__file_lock_taken() ||
		    __atomic_load_n(stop, __ATOMIC_RELAXED))
			return false;
		nanosleep(&step, NULL);
	}
	return false;
}

/* Between the try and the look the holder may have let go: so try again. */
static bool lock_process_try(int fd, bool *own)
{
	int tries;

	*own = false;
	for (tries = 0; tries < 3 && !*own; tries++) {
		if (evkv__file_lock(fd, F_WRLCK, BYTE_PIDS + getpid()))
			return true;
		if (!evkv__file_lock_taken())
			return false;
		*own = evkv__file_lock_own(fd);
	}
	errno = EAGAIN;
	return false;
}

bool evkv__disk_lock_process(int fd, const char *path,
    struct file_failure *failure)
{
	bool own;

	if (lock_process_try(fd, &own))
		return true;
	if (!evkv__file_lock_taken())
		return evkv__file_fail(failure, evkv__file_errno_status(errno),
		    errno, "%s: can't lock it", path);
	if (own)
		return evkv__file_fail(failure, EVKV_LOCKED, 0,
		    "%s: is open already in this process; share that store, or "
		    "close it first",
		    path);
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process with this one's number, %d, has it open from "
	    "another PID namespace, which LMDB can't tell apart; give this one "
	    "another number (run it under an init) or share the namespace",
	    path, (int)getpid());
}

bool evkv__disk_dir_lock_all(const struct disk_dir *dir, const bool *stop,
    struct file_failure *failure)
{
	if (!evkv__disk_lock_process(dir->lock_fd, dir->path, failure))
		return false;
	if (lock_wait(dir, F_WRLCK, BYTE_MUTEX, stop) &&
	    lock_wait(dir, F_RDLCK, BYTE_OPEN, stop))
		return true;
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process is compacting it: waited %d s for its lock on "
	    "LOCK",
	    dir->path, LOCK_WAIT_MS / 1000);
}

bool evkv__disk_dir_lock(struct disk_dir *dir, const bool *stop,
    struct file_failure *failure)
{
	if (lock_wait(dir, F_WRLCK, BYTE_MUTEX, stop))
		return true;
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process is opening or compacting it: waited %d s for "
	    "its lock on LOCK",
	    dir->path, LOCK_WAIT_MS / 1000);
}

void evkv__disk_dir_unlock(struct disk_dir *dir)
{
	evkv__file_lock(dir->lock_fd, F_UNLCK, BYTE_MUTEX);
}

bool evkv__disk_dir_exclude(struct disk_dir *dir, struct file_failure *failure)
{
	if (evkv__file_lock(dir->lock_fd, F_WRLCK, BYTE_OPEN))
		return true;
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process has it open", dir->path);
}

void evkv__disk_dir_share(struct disk_dir *dir)
{
	evkv__file_lock(dir->lock_fd, F_RDLCK, BYTE_OPEN);
}
