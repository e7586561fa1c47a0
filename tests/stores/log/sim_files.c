#include "sim_files.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/test.h"

#define FILES_MAX 4096
#define FDS_MAX 1024
#define NAME_ROOM 48

/* A change of a file that is not durable. */
struct change {
	bool size_only;
	bool lost; /* the system has told so, by a failed fsync() */
	uint64_t at, size;
	unsigned char *bytes;
};

struct file {
	unsigned char *bytes; /* durable */
	uint64_t size;
	struct change *changes;
	size_t count, room;
};

/* A change of the folder: a name comes, goes or is another's. */
struct entry_change {
	char name[NAME_ROOM], to[NAME_ROOM];
	struct file *file; /* made; NULL = removed, or renamed */
};

struct entry {
	char name[NAME_ROOM];
	struct file *file;
};

enum fd_kind {
	FD_FOREIGN,
	FD_FILE,
	FD_FOLDER,
};

static struct sim {
	bool on;
	char folder[PATH_MAX];
	uint64_t random;
	struct file *files[FILES_MAX];
	size_t files_count;
	struct entry now[FILES_MAX], durable[FILES_MAX];
	size_t now_count, durable_count;
	struct entry_change changes[FILES_MAX];
	size_t changes_count;
	struct {
		enum fd_kind kind;
		struct file *file;
	} fds[FDS_MAX];
	unsigned cut_at, fail_at; /* calls to go; 0 = never */
	int fail_errno;
	bool cut, failed;
	char cut_folder[PATH_MAX];
} sim;

uint64_t sim_random(uint64_t below)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return below == 0 ? 0 : (sim.random >> 11) % below;
}

/* ---- Names --------------------------------------------------------------- */

static struct entry *entry_find(struct entry *entries, size_t count,
    const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(entries[i].name, name) == 0)
			return &entries[i];
	}
	return NULL;
}

static void entry_set(struct entry *entries, size_t *count, const char *name,
    struct file *file)
{
	struct entry *entry = entry_find(entries, *count, name);

	if (entry == NULL && file == NULL)
		return;
	if (file == NULL) {
		*entry = entries[--*count];
		return;
	}
	if (entry == NULL) {
		check(*count < FILES_MAX);
		entry = &entries[(*count)++];
		snprintf(entry->name, sizeof(entry->name), "%s", name);
	}
	entry->file = file;
}

static void entry_apply(struct entry *entries, size_t *count,
    const struct entry_change *change)
{
	struct entry *from;

	if (change->file != NULL || change->to[0] == '\0') {
		entry_set(entries, count, change->name, change->file);
		return;
	}
	from = entry_find(entries, *count, change->name);
	if (from != NULL) {
		struct file *file = from->file;

		entry_set(entries, count, change->name, NULL);
		entry_set(entries, count, change->to, file);
	}
}

static void entry_changed(const char *name, const char *to, struct file *file)
{
	struct entry_change *change;

	check(sim.changes_count < FILES_MAX);
	change = &sim.changes[sim.changes_count++];
	snprintf(change->name, sizeof(change->name), "%s", name);
	snprintf(change->to, sizeof(change->to), "%s", to);
	change->file = file;
	entry_apply(sim.now, &sim.now_count, change);
}

static void folder_synced(void)
{
	size_t i;

	for (i = 0; i < sim.changes_count; i++)
		entry_apply(sim.durable, &sim.durable_count, &sim.changes[i]);
	sim.changes_count = 0;
}

/* ---- Contents ------------------------------------------------------------ */

static void content_size(unsigned char **bytes, uint64_t *size, uint64_t new)
{
	if (new > *size) {
		*bytes = realloc(*bytes, (size_t) new);
		check(*bytes != NULL);
		memset(*bytes + *size, 0, (size_t)(new - *size));
	}
	*size = new;
}

static void content_write(unsigned char **bytes, uint64_t *size, uint64_t at,
    const unsigned char *from, uint64_t count)
{
	if (at + count > *size)
		content_size(bytes, size, at + count);
	memcpy(*bytes + at, from, (size_t)count);
}

static struct change *file_change(struct file *file)
{
	if (file->count == file->room) {
		file->room = file->room * 2 + 8;
		file->changes = realloc(file->changes,
		    file->room * sizeof(*file->changes));
		check(file->changes != NULL);
	}
	memset(&file->changes[file->count], 0, sizeof(*file->changes));
	return &file->changes[file->count++];
}

static void file_written(struct file *file, uint64_t at, const void *bytes,
    size_t size)
{
	struct change *change = file_change(file);

	change->at = at;
	change->size = size;
	change->bytes = malloc(size + 1);
	check(change->bytes != NULL);
	memcpy(change->bytes, bytes, size);
}

static void file_resized(struct file *file, uint64_t size)
{
	struct change *change = file_change(file);

	change->size_only = true;
	change->size = size;
}

static void file_synced(struct file *file, bool failed)
{
	size_t i;

	for (i = 0; i < file->count; i++) {
		struct change *change = &file->changes[i];

		if (failed && !change->size_only) {
			change->lost = true;
			continue;
		}
		if (!change->lost && change->size_only)
			content_size(&file->bytes, &file->size, change->size);
		else if (!change->lost)
			content_write(&file->bytes, &file->size, change->at,
			    change->bytes, change->size);
		free(change->bytes);
		change->bytes = NULL;
	}
	if (!failed)
		file->count = 0;
}

/* ---- The cut ------------------------------------------------------------- */

/* What is left of a file: any subset, and parts of writes. */
static void cut_file(const struct file *file, const char *path)
{
	unsigned char *bytes = malloc((size_t)file->size + 1);
	uint64_t size = file->size, from, count;
	size_t i;
	FILE *out;

	check(bytes != NULL);
	if (size > 0)
		memcpy(bytes, file->bytes, (size_t)size);
	for (i = 0; i < file->count; i++) {
		const struct change *change = &file->changes[i];

		if (change->lost || sim_random(3) == 0)
			continue;
		if (change->size_only) {
			content_size(&bytes, &size, change->size);
			continue;
		}
		from = 0;
		count = change->size;
		if (sim_random(2) == 0)
			count = sim_random(change->size + 1);
		if (sim_random(4) == 0)
			from = sim_random(count + 1);
		content_write(&bytes, &size, change->at + from,
		    change->bytes + from, count - from);
	}
	out = fopen(path, "w");
	check(out != NULL);
	check(fwrite(bytes, 1, (size_t)size, out) == size);
	fclose(out);
	free(bytes);
}

static void cut_now(void)
{
	static struct entry left[FILES_MAX];
	size_t count = sim.durable_count, i;
	char path[PATH_MAX + 64];

	memcpy(left, sim.durable, sizeof(left));
	for (i = 0; i < sim.changes_count; i++) {
		if (sim_random(3) != 0)
			entry_apply(left, &count, &sim.changes[i]);
	}
	sim.on = false;
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", sim.cut_folder,
		    left[i].name);
		cut_file(left[i].file, path);
	}
	sim.on = true;
	sim.cut = true;
}

/* Before each call; true: it is to fail. */
static bool sim_call(bool may_fail)
{
	if (sim.cut_at > 0 && --sim.cut_at == 0)
		cut_now();
	if (sim.fail_at > 0 && may_fail && --sim.fail_at == 0) {
		sim.failed = true;
		errno = sim.fail_errno;
		return true;
	}
	return false;
}

void sim_begin(const char *folder, uint64_t seed)
{
	memset(&sim, 0, sizeof(sim));
	sim.on = true;
	sim.random = seed * 2654435761u + 88172645463325252u;
	snprintf(sim.folder, sizeof(sim.folder), "%s", folder);
}

void sim_end(void)
{
	size_t i, j;

	sim.on = false;
	for (i = 0; i < sim.files_count; i++) {
		for (j = 0; j < sim.files[i]->count; j++)
			free(sim.files[i]->changes[j].bytes);
		free(sim.files[i]->changes);
		free(sim.files[i]->bytes);
		free(sim.files[i]);
	}
	sim.files_count = 0;
}

void sim_cut_at(unsigned n, const char *folder)
{
	sim.cut_at = n;
	sim.cut = false;
	snprintf(sim.cut_folder, sizeof(sim.cut_folder), "%s", folder);
}

bool sim_was_cut(void)
{
	return sim.cut;
}

void sim_fail_at(unsigned n, int sys_error)
{
	sim.fail_at = n;
	sim.fail_errno = sys_error;
	sim.failed = false;
}

bool sim_has_failed(void)
{
	return sim.failed;
}

/* Ids and keys, so that a seed tells the whole history. */
ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
	unsigned char *at = bytes;
	size_t i;

	if (!sim.on)
		return syscall(SYS_getrandom, bytes, size, flags);
	for (i = 0; i < size; i++)
		at[i] = (unsigned char)sim_random(256);
	return (ssize_t)size;
}

/* ---- The calls ----------------------------------------------------------- */

static bool fd_is(int fd, enum fd_kind kind)
{
	return sim.on && fd >= 0 && fd < FDS_MAX && sim.fds[fd].kind == kind;
}

static int real_openat(int folder, const char *name, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, folder, name, flags, mode);
}

static struct file *file_of(const char *name, bool make)
{
	struct entry *entry = entry_find(sim.now, sim.now_count, name);
	struct file *file;

	if (entry != NULL || !make)
		return entry != NULL ? entry->file : NULL;
	check(sim.files_count < FILES_MAX);
	file = calloc(1, sizeof(*file));
	check(file != NULL);
	sim.files[sim.files_count++] = file;
	entry_changed(name, "", file);
	return file;
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;
	int fd;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	fd = real_openat(AT_FDCWD, path, flags, mode);
	if (sim.on && fd >= 0 && fd < FDS_MAX && strcmp(path, sim.folder) == 0)
		sim.fds[fd].kind = FD_FOLDER;
	return fd;
}

int openat(int folder, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list args;
	int fd;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (fd_is(folder, FD_FOLDER) && (flags & O_CREAT) != 0 &&
	    sim_call(false))
		return -1;
	fd = real_openat(folder, name, flags, mode);
	if (fd < 0 || fd >= FDS_MAX || !fd_is(folder, FD_FOLDER) ||
	    strcmp(name, "..") == 0)
		return fd;
	sim.fds[fd].kind = strcmp(name, ".") == 0 ? FD_FOLDER : FD_FILE;
	if (sim.fds[fd].kind == FD_FILE) {
		sim.fds[fd].file = file_of(name, true);
		if ((flags & O_TRUNC) != 0)
			file_resized(sim.fds[fd].file, 0);
	}
	return fd;
}

int close(int fd)
{
	if (sim.on && fd >= 0 && fd < FDS_MAX)
		sim.fds[fd].kind = FD_FOREIGN;
	return (int)syscall(SYS_close, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	ssize_t n;

	if (fd_is(fd, FD_FILE) && sim_call(true))
		return -1;
	n = syscall(SYS_pwrite64, fd, bytes, size, at);
	if (fd_is(fd, FD_FILE) && n > 0)
		file_written(sim.fds[fd].file, (uint64_t)at, bytes, (size_t)n);
	return n;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t n;

	if (fd_is(fd, FD_FILE) && sim_call(true))
		return -1;
	n = syscall(SYS_write, fd, bytes, size);
	if (fd_is(fd, FD_FILE) && n > 0)
		file_written(sim.fds[fd].file, (uint64_t)at, bytes, (size_t)n);
	return n;
}

/* Now and then in two parts, as a system may. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	if (!fd_is(fd, FD_FILE))
		return syscall(SYS_pwritev, fd, parts, count, at, 0);
	if (parts->iov_len > 64 && sim_random(4) == 0)
		return pwrite(fd, parts->iov_base, parts->iov_len / 2, at);
	return pwrite(fd, parts->iov_base, parts->iov_len, at);
}

static int synced(int fd)
{
	bool fails = sim_call(true);

	if (sim.fds[fd].kind == FD_FOLDER) {
		if (!fails)
			folder_synced();
	} else {
		file_synced(sim.fds[fd].file, fails);
	}
	return fails ? -1 : 0;
}

int fsync(int fd)
{
	return fd_is(fd, FD_FILE) || fd_is(fd, FD_FOLDER) ? synced(fd) : 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

int ftruncate(int fd, off_t size)
{
	int result;

	if (fd_is(fd, FD_FILE) && sim_call(true))
		return -1;
	result = (int)syscall(SYS_ftruncate, fd, size);
	if (fd_is(fd, FD_FILE) && result == 0)
		file_resized(sim.fds[fd].file, (uint64_t)size);
	return result;
}

int fallocate(int fd, int mode, off_t from, off_t size)
{
	struct stat stat;
	int result;

	if (fd_is(fd, FD_FILE) && sim_call(true))
		return -1;
	result = (int)syscall(SYS_fallocate, fd, mode, from, size);
	if (fd_is(fd, FD_FILE) && result == 0 && fstat(fd, &stat) == 0)
		file_resized(sim.fds[fd].file, (uint64_t)stat.st_size);
	return result;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	int result;

	if (fd_is(from_folder, FD_FOLDER) && sim_call(true))
		return -1;
	result = (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
	if (fd_is(from_folder, FD_FOLDER) && result == 0)
		entry_changed(from, to, NULL);
	return result;
}

int unlinkat(int folder, const char *name, int flags)
{
	int result;

	if (fd_is(folder, FD_FOLDER))
		sim_call(false);
	result = (int)syscall(SYS_unlinkat, folder, name, flags);
	if (fd_is(folder, FD_FOLDER) && result == 0)
		entry_changed(name, "", NULL);
	return result;
}
