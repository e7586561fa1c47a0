/*
 * engines/files/look.h - what identifies a file, and its length, asked for while
 * it is written.
 *
 * Not its times, as stat() does: Linux from 6.13 on gives a file whose times were
 * read a new one at its next write, and fdatasync() has to write that to the disk
 * too, beside the data.
 */
#ifndef EVKV_ENGINES_FILES_LOOK_H
#define EVKV_ENGINES_FILES_LOOK_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct file_look {
	dev_t device;
	ino_t inode;
	off_t size;
	unsigned links;
};

/*
 * Look at what a path leads to, from the folder `fd` or AT_FDCWD; of "" at what
 * the descriptor itself is of. false: errno says why not.
 */
static inline bool file_look(int fd, const char *path, struct file_look *look)
{
	struct statx found;

	if (statx(fd, path, path[0] == '\0' ? AT_EMPTY_PATH : 0,
		STATX_INO | STATX_NLINK | STATX_SIZE, &found) != 0)
		return false;
	look->device = makedev(found.stx_dev_major, found.stx_dev_minor);
	look->inode = (ino_t)found.stx_ino;
	look->size = (off_t)found.stx_size;
	look->links = found.stx_nlink;
	return true;
}

static inline bool file_is_same(const struct file_look *a,
    const struct file_look *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* Whether a path from `folder`, or AT_FDCWD, leads to what `fd` is of. */
static inline bool file_leads_to(int folder, const char *path, int fd)
{
	struct file_look found, opened;

	return file_look(folder, path, &found) && file_look(fd, "", &opened) &&
	    file_is_same(&found, &opened);
}

#endif
