#include "engines/files/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "evkv/alloc.h"

/* A relative path must go on meaning the same after a chdir(). */
char *evkv__folder_path(const char *path)
{
	char here[PATH_MAX], *whole;
	size_t size;

	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return evkv_strdup(path);
	size = strlen(here) + strlen(path) + 2;
	whole = evkv_malloc(size);
	if (whole != NULL)
		snprintf(whole, size, "%s/%s", here, path);
	return whole;
}

DIR *evkv__folder_list(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list;

	if (own < 0)
		return NULL;
	list = fdopendir(own);
	if (list == NULL)
		close(own);
	return list;
}

bool evkv__folder_ignores(const char *name)
{
	static const char *const names[] = { ".", "..", "lost+found",
		".gitkeep", ".keep" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

bool evkv__folder_sync_at(int fd, const char *name, int flags)
{
	int own = openat(fd, name, O_RDONLY | O_CLOEXEC | flags);
	bool synced;

	if (own < 0)
		return false;
	synced = fsync(own) == 0;
	close(own);
	return synced;
}

bool evkv__folder_sync(int fd)
{
	return evkv__folder_sync_at(fd, ".", O_DIRECTORY);
}

bool evkv__folder_sync_parent(int fd)
{
	return evkv__folder_sync_at(fd, "..", O_DIRECTORY) || errno == EACCES ||
	    errno == EPERM;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	ssize_t n;

	for (; size > 0; bytes += n, size -= (size_t)n) {
		n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return false;
	}
	return true;
}

bool evkv__folder_write(int fd, const char *name, const char *temporary,
    const void *bytes, size_t size)
{
	bool written;
	int file;

	/* One that was left behind, or put there as a trap. */
	unlinkat(fd, temporary, 0);
	file = openat(fd, temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (file < 0)
		return false;
	written = write_all(file, bytes, size) && fsync(file) == 0;
	if (close(file) != 0 || !written)
		return false;
	return renameat(fd, temporary, fd, name) == 0 && evkv__folder_sync(fd);
}

int evkv__file_extend(int fd, off_t from, off_t to, bool *sparse)
{
	if (!*sparse && fallocate(fd, 0, from, to - from) != 0) {
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return errno;
		*sparse = true;
	}
	return *sparse && ftruncate(fd, to) != 0 ? errno : 0;
}
