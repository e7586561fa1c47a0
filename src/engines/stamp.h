/*
 * engines/stamp.h - what tells that a file is another one than before, or has
 * changed: two stamps of the same file are the same bytes.
 */
#ifndef EVKV_ENGINES_STAMP_H
#define EVKV_ENGINES_STAMP_H

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

struct file_stamp {
	uint64_t device, inode;
	int64_t size, changed_ns, written_ns;
};

static inline int64_t file_stamp_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* All zero where the path is NULL or there is no such file. */
static inline void file_stamp_take(struct file_stamp *stamp, const char *path)
{
	struct stat file;

	memset(stamp, 0, sizeof(*stamp));
	if (path == NULL || stat(path, &file) != 0)
		return;
	stamp->device = (uint64_t)file.st_dev;
	stamp->inode = (uint64_t)file.st_ino;
	stamp->size = (int64_t)file.st_size;
	stamp->changed_ns = file_stamp_ns(&file.st_ctim);
	stamp->written_ns = file_stamp_ns(&file.st_mtim);
}

#endif
