/*
 * disk/dir.c - opening, locking and switching a store's directory.
 *
 * The locks are open file description locks on bytes of LOCK. They belong to
 * the open file and not to the process, so a second opening in this process
 * collides with the first, without a list of what is open:
 *
 *     byte 0            the directory's mutex, while opening and switching
 *     byte 1            shared by whoever has it open, exclusive to compact
 *     byte 4096 + pid   exclusive: this process has it open
 *
 * A directory that has files of others and no CURRENT is refused before
 * anything is written to it. CURRENT appears last, by rename, so a directory
 * with our names alone and no CURRENT is one whose making was cut short.
 */
#include "stores/disk/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stores/disk/format.h"

#define LOCK_NAME "LOCK"
#define CURRENT_NAME "CURRENT"
#define CURRENT_NEW "CURRENT.new"
#define FILE_MODE 0660
#define DIR_MODE 0770

#define BYTE_MUTEX 0
#define BYTE_OPEN 1
#define BYTE_PIDS 4096

#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 5

/* ---- Failures ------------------------------------------------------------ */

bool evkv__disk_fail(struct disk_failure *failure, enum evkv_status status,
    int sys_error, const char *format, ...)
{
	size_t used;
	va_list args;

	failure->status = status;
	failure->sys_error = sys_error;
	va_start(args, format);
	vsnprintf(failure->message, sizeof(failure->message), format, args);
	va_end(args);
	used = strlen(failure->message);
	if (sys_error != 0)
		snprintf(failure->message + used,
		    sizeof(failure->message) - used, ": %s",
		    strerror(sys_error));
	return false;
}

enum evkv_status evkv__disk_errno_status(int sys_error)
{
	switch (sys_error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return EVKV_NOSPACE;
	case EACCES:
	case EPERM:
	case EROFS: return EVKV_REFUSED;
	case ENOMEM: return EVKV_NOMEM;
	default: return EVKV_IO;
	}
}

/* A call on a file of the directory has failed; errno tells why. */
static bool dir_errno(const struct disk_dir *dir, const char *what,
    struct disk_failure *failure)
{
	int sys_error = errno;

	return evkv__disk_fail(failure, evkv__disk_errno_status(sys_error),
	    sys_error, "%s: can't %s", dir->path, what);
}

/* ---- Locks --------------------------------------------------------------- */

static bool dir_lock(const struct disk_dir *dir, short type, off_t byte)
{
	struct flock lock = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1 };

	return fcntl(dir->lock_fd, F_OFD_SETLK, &lock) == 0;
}

/*
 * Other processes hold these two for a moment while they open, or, the second,
 * as long as they compact.
 */
static bool dir_lock_wait(const struct disk_dir *dir, short type, off_t byte,
    const bool *stop)
{
	const struct timespec step = { 0, LOCK_STEP_MS * 1000000 };
	int waited;

	for (waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_STEP_MS) {
		if (dir_lock(dir, type, byte))
			return true;
		if ((errno != EAGAIN && errno != EACCES) ||
		    __atomic_load_n(stop, __ATOMIC_RELAXED))
			return false;
		nanosleep(&step, NULL);
	}
	return false;
}

static bool dir_lock_all(const struct disk_dir *dir, const bool *stop,
    struct disk_failure *failure)
{
	if (!dir_lock(dir, F_WRLCK, BYTE_PIDS + getpid())) {
		if (errno != EAGAIN && errno != EACCES)
			return dir_errno(dir, "lock it", failure);
		return evkv__disk_fail(failure, EVKV_BUSY, 0,
		    "%s: is open already in this process", dir->path);
	}
	if (dir_lock_wait(dir, F_WRLCK, BYTE_MUTEX, stop) &&
	    dir_lock_wait(dir, F_RDLCK, BYTE_OPEN, stop))
		return true;
	return evkv__disk_fail(failure, EVKV_BUSY, 0,
	    "%s: another process is compacting it", dir->path);
}

bool evkv__disk_dir_lock(struct disk_dir *dir, const bool *stop,
    struct disk_failure *failure)
{
	if (dir_lock_wait(dir, F_WRLCK, BYTE_MUTEX, stop))
		return true;
	return evkv__disk_fail(failure, EVKV_BUSY, 0,
	    "%s: another process is opening or compacting it", dir->path);
}

void evkv__disk_dir_unlock(struct disk_dir *dir)
{
	dir_lock(dir, F_UNLCK, BYTE_MUTEX);
}

bool evkv__disk_dir_exclude(struct disk_dir *dir, struct disk_failure *failure)
{
	if (dir_lock(dir, F_WRLCK, BYTE_OPEN))
		return true;
	return evkv__disk_fail(failure, EVKV_BUSY, 0,
	    "%s: another process has it open", dir->path);
}

void evkv__disk_dir_share(struct disk_dir *dir)
{
	dir_lock(dir, F_RDLCK, BYTE_OPEN);
}

/* ---- Names --------------------------------------------------------------- */

void evkv__disk_dir_generation(const struct disk_dir *dir, uint64_t generation,
    char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/g-%" PRIu64, dir->path, generation);
}

/* The generation that a name stands for, or 0. */
static uint64_t dir_name_generation(const char *name)
{
	char *end;
	uint64_t generation;

	if (strncmp(name, "g-", 2) != 0 || name[2] < '1' || name[2] > '9')
		return 0;
	generation = strtoull(name + 2, &end, 10);
	return *end == '\0' ? generation : 0;
}

static bool dir_name_is_ours(const char *name)
{
	return strcmp(name, LOCK_NAME) == 0 ||
	    strcmp(name, CURRENT_NAME) == 0 || strcmp(name, CURRENT_NEW) == 0 ||
	    dir_name_generation(name) != 0;
}

/* A stream over the directory; NULL = errno tells why. */
static DIR *dir_list(const struct disk_dir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list;

	if (fd < 0)
		return NULL;
	list = fdopendir(fd);
	if (list == NULL)
		close(fd);
	return list;
}

/* Without CURRENT, whatever is not ours is somebody else's. */
static bool dir_refuse_foreign(const struct disk_dir *dir,
    struct disk_failure *failure)
{
	DIR *list;
	struct dirent *entry;
	bool ours = true;

	if (faccessat(dir->fd, CURRENT_NAME, F_OK, 0) == 0)
		return true;
	list = dir_list(dir);
	if (list == NULL)
		return dir_errno(dir, "list it", failure);
	while (ours && (entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 ||
		    dir_name_is_ours(entry->d_name))
			continue;
		ours = evkv__disk_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a disk store: has no %s, but %.40s", dir->path,
		    CURRENT_NAME, entry->d_name);
	}
	closedir(list);
	return ours;
}

/* ---- CURRENT ------------------------------------------------------------- */

static bool dir_parse_current(struct disk_dir *dir, char *text,
    struct disk_failure *failure)
{
	unsigned format = 0;
	uint64_t generation = 0;
	char end = '\0';

	if (strncmp(text, DISK_MAGIC, strlen(DISK_MAGIC)) != 0 ||
	    sscanf(text + strlen(DISK_MAGIC), "%u", &format) != 1 ||
	    format == 0)
		return evkv__disk_fail(failure, EVKV_REFUSED, 0,
		    "%s: not a disk store: its %s is of something else",
		    dir->path, CURRENT_NAME);
	if (format != DISK_FORMAT)
		return evkv__disk_fail(failure, EVKV_UNSUPPORTED, 0,
		    "%s: written in format %u; this version knows %d",
		    dir->path, format, DISK_FORMAT);
	if (sscanf(text + strlen(DISK_MAGIC), "%u\ngeneration %" SCNu64 "%c",
		&format, &generation, &end) != 3 ||
	    generation == 0 || end != '\n')
		return evkv__disk_fail(failure, EVKV_CORRUPT, 0,
		    "%s: its %s is damaged", dir->path, CURRENT_NAME);
	dir->generation = generation;
	return true;
}

static bool dir_read_current(struct disk_dir *dir, struct disk_failure *failure)
{
	char text[128];
	ssize_t size;
	int fd;

	fd = openat(dir->fd, CURRENT_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		dir->generation = 0;
		return true;
	}
	if (fd < 0)
		return dir_errno(dir, "open " CURRENT_NAME, failure);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size < 0)
		return dir_errno(dir, "read " CURRENT_NAME, failure);
	text[size] = '\0';
	return dir_parse_current(dir, text, failure);
}

static bool dir_write_current(struct disk_dir *dir, uint64_t generation)
{
	int fd = openat(dir->fd, CURRENT_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	bool written;

	if (fd < 0)
		return false;
	written = dprintf(fd, "%s%d\ngeneration %" PRIu64 "\n", DISK_MAGIC,
		      DISK_FORMAT, generation) > 0 &&
	    fsync(fd) == 0;
	if (close(fd) != 0 || !written)
		return false;
	return renameat(dir->fd, CURRENT_NEW, dir->fd, CURRENT_NAME) == 0;
}

static bool dir_sync_at(const struct disk_dir *dir, const char *name, int flags)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | flags);
	bool synced;

	if (fd < 0)
		return false;
	synced = fsync(fd) == 0;
	close(fd);
	return synced;
}

/*
 * The name of the directory is in its parent. Who may not read that has to
 * leave it to the system.
 */
static bool dir_sync_parent(const struct disk_dir *dir)
{
	return dir_sync_at(dir, "..", O_DIRECTORY) || errno == EACCES ||
	    errno == EPERM;
}

/* What CURRENT names now is what counts. */
static bool dir_not_switched(struct disk_dir *dir, struct disk_failure *failure)
{
	uint64_t before = dir->generation;
	struct disk_failure ignored;

	dir_errno(dir, "switch to a new generation", failure);
	if (!dir_read_current(dir, &ignored))
		dir->generation = before;
	return false;
}

bool evkv__disk_dir_switch(struct disk_dir *dir, uint64_t generation,
    struct disk_failure *failure)
{
	char name[64], data[80];

	snprintf(name, sizeof(name), "g-%" PRIu64, generation);
	snprintf(data, sizeof(data), "%s/data.mdb", name);
	if (!dir_sync_at(dir, data, 0) ||
	    !dir_sync_at(dir, name, O_DIRECTORY) ||
	    !dir_sync_at(dir, ".", O_DIRECTORY) || !dir_sync_parent(dir) ||
	    !dir_write_current(dir, generation) ||
	    !dir_sync_at(dir, ".", O_DIRECTORY))
		return dir_not_switched(dir, failure);
	dir->generation = generation;
	return true;
}

/* ---- Generations --------------------------------------------------------- */

static void dir_remove_generation(const struct disk_dir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		unlinkat(fd, "data.mdb", 0);
		unlinkat(fd, "lock.mdb", 0);
		close(fd);
	}
	unlinkat(dir->fd, name, AT_REMOVEDIR);
}

bool evkv__disk_dir_make(struct disk_dir *dir, uint64_t generation,
    struct disk_failure *failure)
{
	char name[64];

	snprintf(name, sizeof(name), "g-%" PRIu64, generation);
	dir_remove_generation(dir, name);
	if (mkdirat(dir->fd, name, DIR_MODE) == 0)
		return true;
	return dir_errno(dir, "make a generation", failure);
}

void evkv__disk_dir_sweep(struct disk_dir *dir)
{
	struct disk_dir now = *dir;
	struct disk_failure ignored;
	DIR *list;
	struct dirent *entry;
	uint64_t generation;

	/* Be sure before anything is removed. */
	if (!dir_read_current(&now, &ignored) ||
	    now.generation != dir->generation)
		return;
	list = dir_list(dir);
	if (list == NULL)
		return;
	while ((entry = readdir(list)) != NULL) {
		generation = dir_name_generation(entry->d_name);
		if (generation != 0 && generation != dir->generation)
			dir_remove_generation(dir, entry->d_name);
	}
	closedir(list);
}

/* ---- Opening ------------------------------------------------------------- */

static bool dir_enter(struct disk_dir *dir, bool make,
    struct disk_failure *failure)
{
	if (strlen(dir->path) > PATH_MAX - 64)
		return evkv__disk_fail(failure, EVKV_INVALID, 0,
		    "the path is longer than this system takes");
	if (make && mkdir(dir->path, DIR_MODE) != 0 && errno != EEXIST)
		return dir_errno(dir, "make the directory", failure);
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 && errno == ENOENT && !make)
		return evkv__disk_fail(failure, EVKV_NOT_FOUND, 0,
		    "%s: is not there", dir->path);
	if (dir->fd < 0)
		return dir_errno(dir, "open the directory", failure);
	if (!dir_refuse_foreign(dir, failure))
		return false;
	dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC,
	    FILE_MODE);
	if (dir->lock_fd < 0)
		return dir_errno(dir, "open " LOCK_NAME, failure);
	return true;
}

bool evkv__disk_dir_open(struct disk_dir *dir, bool make, const bool *stop,
    struct disk_failure *failure)
{
	dir->fd = dir->lock_fd = -1;
	if (dir_enter(dir, make, failure) && dir_lock_all(dir, stop, failure) &&
	    dir_read_current(dir, failure))
		return true;
	evkv__disk_dir_close(dir);
	return false;
}

void evkv__disk_dir_close(struct disk_dir *dir)
{
	if (dir->lock_fd >= 0)
		close(dir->lock_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = dir->lock_fd = -1;
}
