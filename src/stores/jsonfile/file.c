/*
 * stores/jsonfile/file.c - reading, comparing and replacing the file.
 */
#include "stores/jsonfile/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/siphash.h"
#include "engines/files/folder.h"
#include "evkv/alloc.h"

#define TEMPORARY_ROOM (NAME_MAX + 16)
#define YOUNG_NS 50000000
#define EXCHANGES 16

static bool file_errno(const struct json_file *file, const char *what,
    struct file_failure *failure)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s: can't %s", file->path, what);
}

/* ---- Stamps -------------------------------------------------------------- */

static bool stamp_young(const struct timespec *changed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - changed->tv_sec) * 1000000000 + now.tv_nsec -
	    changed->tv_nsec <
	    YOUNG_NS;
}

static void stamp_take(struct json_stamp *stamp, const struct stat *stat,
    struct evkv_slice text)
{
	*stamp = (struct json_stamp){
		.exists = true,
		.device = stat->st_dev,
		.inode = stat->st_ino,
		.size = stat->st_size,
		.changed = stat->st_mtim,
		.mode = stat->st_mode & 07777,
		.young = stamp_young(&stat->st_mtim),
		.hash = siphash_1_3(0, 0, text),
	};
}

static bool stamp_fits(const struct json_stamp *stamp, const struct stat *stat)
{
	return stamp->exists && stamp->device == stat->st_dev &&
	    stamp->inode == stat->st_ino && stamp->size == stat->st_size &&
	    stamp->changed.tv_sec == stat->st_mtim.tv_sec &&
	    stamp->changed.tv_nsec == stat->st_mtim.tv_nsec;
}

/* ---- The folder ---------------------------------------------------------- */

void evkv__json_file_close(struct json_file *file)
{
	if (file->folder >= 0)
		close(file->folder);
	file->folder = -1;
	file->locked = false;
}

/* The folder of a whole path, and the name in it. */
static bool file_enter(struct json_file *file, char *path)
{
	char *name = strrchr(path, '/');

	if (name == NULL || strlen(name + 1) > NAME_MAX - 16) {
		errno = name == NULL ? EINVAL : ENAMETOOLONG;
		return false;
	}
	*name++ = '\0';
	file->folder = open(path[0] == '\0' ? "/" : path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->folder < 0)
		return false;
	strcpy(file->name, name);
	return true;
}

/*
 * Where the path leads now: links are followed, so that what they lead to is
 * replaced, and not the link.
 */
static bool file_resolve(struct json_file *file, struct file_failure *failure)
{
	char path[PATH_MAX];
	struct stat stat;

	evkv__json_file_close(file);
	if (realpath(file->path, path) == NULL) {
		if (errno != ENOENT)
			return file_errno(file, "find it", failure);
		if (lstat(file->path, &stat) == 0)
			return evkv__file_fail(failure, EVKV_REFUSED, 0,
			    "%s: is a link that leads nowhere", file->path);
		if (snprintf(path, sizeof(path), "%s", file->path) >= PATH_MAX)
			return evkv__file_fail(failure, EVKV_IO, ENAMETOOLONG,
			    "%s", file->path);
	}
	return file_enter(file, path) ||
	    file_errno(file, "open its folder", failure);
}

/* ---- Locks --------------------------------------------------------------- */

bool evkv__json_file_lock(struct json_file *file,
    const struct serial_store *serial, struct file_failure *failure)
{
	int64_t since_ms = 0;

	if (file->folder < 0 && !file_resolve(file, failure))
		return false;
	do {
		if (flock(file->folder, LOCK_EX | LOCK_NB) == 0) {
			file->locked = true;
			return true;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return file_errno(file, "lock its folder", failure);
	} while (evkv__serial_wait(serial, &since_ms));
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process or store writes in its folder, and has the "
	    "lock for too long",
	    file->path);
}

void evkv__json_file_unlock(struct json_file *file)
{
	if (file->locked)
		flock(file->folder, LOCK_UN);
	file->locked = false;
}

/* ---- Reading ------------------------------------------------------------- */

/* As much as there is, up to `size` bytes; -1 = errno tells why. */
static ssize_t read_bytes(int fd, char *bytes, size_t size)
{
	size_t have = 0;
	ssize_t n = 1;

	while (have < size && n > 0) {
		n = read(fd, bytes + have, size - have);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			have += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)have;
}

/* One byte more than there should be: it may grow meanwhile. */
static bool load_open(struct json_file *file, int fd, char **text, size_t *size,
    struct file_failure *failure)
{
	struct stat stat;
	ssize_t n;

	if (fstat(fd, &stat) != 0)
		return file_errno(file, "read it", failure);
	if (!S_ISREG(stat.st_mode))
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s: is no plain file", file->path);
	if ((uint64_t)stat.st_size > file->max_bytes)
		return evkv__file_fail(failure, EVKV_TOO_LARGE, 0,
		    "%s: has %lld bytes, more than max_bytes", file->path,
		    (long long)stat.st_size);
	*text = evkv_malloc((size_t)stat.st_size + 1);
	if (*text == NULL)
		return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	n = read_bytes(fd, *text, (size_t)stat.st_size + 1);
	if (n < 0)
		return file_errno(file, "read it", failure);
	*size = (size_t)n;
	stamp_take(&file->stamp, &stat, evkv_bytes(*text, *size));
	/* Somebody writes to it: what was read is no whole version. */
	file->stamp.young |= n != stat.st_size;
	return true;
}

static bool load_missing(struct json_file *file, struct file_failure *failure)
{
	if (errno != ENOENT)
		return file_errno(file, "open it", failure);
	if (file->seen)
		return evkv__file_fail(failure, EVKV_IO, 0,
		    "%s: was removed while it was open; put it back, or open "
		    "the store anew",
		    file->path);
	file->stamp = (struct json_stamp){ .exists = false };
	return true;
}

bool evkv__json_file_load(struct json_file *file, char **text, size_t *size,
    struct file_failure *failure)
{
	bool loaded;
	int fd;

	*text = NULL;
	*size = 0;
	memset(&file->stamp, 0, sizeof(file->stamp));
	if (!file_resolve(file, failure))
		return false;
	fd = openat(file->folder, file->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return load_missing(file, failure);
	loaded = load_open(file, fd, text, size, failure);
	close(fd);
	if (loaded) {
		file->seen = true;
		return true;
	}
	evkv_free(*text);
	*text = NULL;
	return false;
}

/* Whether the bytes are those of the stamp. */
static bool same_bytes(struct json_file *file)
{
	struct json_stamp before = file->stamp;
	struct file_failure ignored;
	char *text = NULL;
	size_t size;
	int fd = openat(file->folder, file->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool same;

	if (fd < 0)
		return false;
	same = load_open(file, fd, &text, &size, &ignored) &&
	    file->stamp.hash == before.hash &&
	    file->stamp.inode == before.inode;
	close(fd);
	evkv_free(text);
	if (!same)
		file->stamp = before;
	return same;
}

bool evkv__json_file_same(struct json_file *file)
{
	struct stat stat_;

	if (file->folder < 0)
		return false;
	/* By its path: links, or the folder, may lead elsewhere by now. */
	if (stat(file->path, &stat_) != 0)
		return errno == ENOENT && !file->stamp.exists && !file->seen;
	if (!stamp_fits(&file->stamp, &stat_))
		return false;
	return !file->stamp.young || same_bytes(file);
}

/* ---- Writing ------------------------------------------------------------- */

static void temporary_name(const struct json_file *file,
    char name[TEMPORARY_ROOM])
{
	snprintf(name, TEMPORARY_ROOM, ".%s.evkv-tmp", file->name);
}

static bool write_bytes(int fd, struct evkv_slice bytes)
{
	const char *at = bytes.data;
	size_t left = bytes.size;
	ssize_t n;

	for (; left > 0; at += n, left -= (size_t)n) {
		n = write(fd, at, left);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return false;
	}
	return true;
}

/* The new file, on the disk, with the mode of the old one. */
static bool write_temporary(struct json_file *file, const char *name,
    struct evkv_slice text, struct json_stamp *stamp)
{
	struct stat stat;
	bool written;
	int fd;

	unlinkat(file->folder, name, 0);
	fd = openat(file->folder, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		return false;
	written = write_bytes(fd, text) &&
	    (!file->stamp.exists || fchmod(fd, file->stamp.mode) == 0) &&
	    fsync(fd) == 0 && fstat(fd, &stat) == 0;
	if (written)
		stamp_take(stamp, &stat, text);
	if (close(fd) != 0 || !written) {
		int sys_error = errno;

		unlinkat(file->folder, name, 0);
		errno = sys_error;
		return false;
	}
	return true;
}

/* Whether a name in the folder is the file of a stamp. */
static bool is_stamped(const struct json_file *file, const char *name,
    const struct json_stamp *stamp)
{
	struct stat stat;

	return fstatat(file->folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
	    stamp_fits(stamp, &stat);
}

static bool no_such_call(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == ENOTSUP ||
	    errno == EPERM;
}

/* A name that is free is taken only if it still is. */
static enum json_saved place_first(struct json_file *file, const char *name)
{
	if (linkat(file->folder, name, file->folder, file->name, 0) == 0) {
		unlinkat(file->folder, name, 0);
		return JSON_SAVED;
	}
	if (errno == EEXIST)
		return JSON_CHANGED;
	if (!no_such_call())
		return JSON_FAILED;
	return renameat(file->folder, name, file->folder, file->name) == 0
	    ? JSON_SAVED
	    : JSON_FAILED;
}

static bool exchange(const struct json_file *file, const char *name)
{
	return renameat2(file->folder, name, file->folder, file->name,
		   RENAME_EXCHANGE) == 0;
}

/*
 * Ours is in place, and what somebody else has written has the temporary name.
 * Exchange them back; if what comes out then is not what was put in, it is
 * newer still, and goes back itself.
 */
static enum json_saved place_back(struct json_file *file, const char *name,
    const struct json_stamp *ours)
{
	struct json_stamp in_place = *ours, theirs;
	struct stat stat;
	int tries;

	for (tries = 0; tries < EXCHANGES; tries++) {
		if (fstatat(file->folder, name, &stat, AT_SYMLINK_NOFOLLOW) !=
			0 ||
		    !exchange(file, name))
			return JSON_LEFT;
		if (is_stamped(file, name, &in_place))
			return JSON_CHANGED;
		stamp_take(&theirs, &stat, evkv_bytes(NULL, 0));
		in_place = theirs;
	}
	return JSON_LEFT;
}

static enum json_saved place_again(struct json_file *file, const char *name,
    const struct json_stamp *ours)
{
	if (exchange(file, name)) {
		if (!is_stamped(file, name, &file->stamp))
			return place_back(file, name, ours);
		unlinkat(file->folder, name, 0);
		return JSON_SAVED;
	}
	if (errno == ENOENT)
		return JSON_CHANGED;
	if (!no_such_call())
		return JSON_FAILED;
	/* Between these two nothing tells. */
	if (!is_stamped(file, file->name, &file->stamp))
		return JSON_CHANGED;
	return renameat(file->folder, name, file->folder, file->name) == 0
	    ? JSON_SAVED
	    : JSON_FAILED;
}

enum json_saved evkv__json_file_save(struct json_file *file,
    struct evkv_slice text, struct file_failure *failure)
{
	char name[TEMPORARY_ROOM];
	struct json_stamp stamp;
	enum json_saved saved;

	temporary_name(file, name);
	if (!write_temporary(file, name, text, &stamp)) {
		file_errno(file, "write it", failure);
		return JSON_FAILED;
	}
	saved = file->stamp.exists ? place_again(file, name, &stamp)
				   : place_first(file, name);
	if (saved == JSON_FAILED)
		file_errno(file, "replace it", failure);
	if (saved == JSON_LEFT) {
		evkv__file_fail(failure, EVKV_UNKNOWN_OUTCOME, errno,
		    "%s: what somebody else has written is in %s", file->path,
		    name);
		return JSON_FAILED;
	}
	if (saved != JSON_SAVED) {
		unlinkat(file->folder, name, 0);
		return saved;
	}
	file->stamp = stamp;
	file->seen = true;
	if (evkv__folder_sync(file->folder))
		return JSON_SAVED;
	file_errno(file, "write its folder to the disk", failure);
	failure->status = EVKV_UNKNOWN_OUTCOME;
	return JSON_FAILED;
}
