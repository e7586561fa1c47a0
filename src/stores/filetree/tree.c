/*
 * stores/filetree/tree.c - the root of a tree, its folders, and their locks.
 *
 * A collection is locked by a byte of a file in the root, chosen by a hash of
 * its name: two collections that share a byte wait for each other without need.
 * So a folder can be removed without regard to who waits for its lock.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/siphash.h"
#include "engines/files/lock.h"
#include "engines/files/look.h"

#define LOCK_BYTES ((UINT64_C(1) << 62) - 1)

bool evkv__tree_errno(const struct filetree *tree, const char *what,
    const char *file, struct file_failure *failure)
{
	int sys_error = errno;

	return evkv__file_fail(failure, evkv__file_errno_status(sys_error),
	    sys_error, "%s/%s: can't %s", tree->path, file, what);
}

/* ---- The root ------------------------------------------------------------ */

static bool tree_make_root(struct filetree *tree, struct file_failure *failure)
{
	if (mkdir(tree->path, FOLDER_MODE) == 0) {
		tree->root = open(tree->path,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (tree->root >= 0 && evkv__folder_sync_parent(tree->root))
			return true;
		return evkv__tree_errno(tree, "open it", "", failure);
	}
	if (errno != EEXIST)
		return evkv__tree_errno(tree, "make it", "", failure);
	tree->root = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree->root >= 0 ||
	    evkv__tree_errno(tree, "open it", "", failure);
}

bool evkv__tree_open(void *self, struct file_failure *failure)
{
	struct filetree *tree = self;

	if (tree->root < 0 && !tree_make_root(tree, failure)) {
		if (tree->root >= 0)
			close(tree->root);
		tree->root = -1;
		return false;
	}
	return true;
}

void evkv__tree_close(void *self, struct file_failure *failure)
{
	struct filetree *tree = self;

	if (tree->root >= 0 && tree->durability == EVKV_FILETREE_OS &&
	    syncfs(tree->root) != 0)
		evkv__tree_errno(tree, "write it to the disk", "", failure);
	evkv__name_page_free(&tree->window.names);
	if (tree->lock >= 0)
		close(tree->lock);
	if (tree->root >= 0)
		close(tree->root);
	tree->lock = tree->root = -1;
}

bool evkv__tree_there(struct filetree *tree, struct file_failure *failure)
{
	if (file_leads_to(AT_FDCWD, tree->path, tree->root))
		return true;
	return evkv__file_fail(failure, EVKV_IO, 0,
	    "%s: the folder was removed or replaced while it was open",
	    tree->path);
}

/* ---- Folders ------------------------------------------------------------- */

const char *evkv__tree_next_name(const struct filetree *tree, DIR *list,
    struct file_failure *failure)
{
	struct dirent *item;

	errno = 0;
	item = readdir(list);
	if (item == NULL && errno != 0)
		evkv__tree_errno(tree, "list it", "", failure);
	return item != NULL ? item->d_name : NULL;
}

int evkv__tree_folder(const struct filetree *tree, const char *file)
{
	int fd = openat(tree->root, file,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		errno = ENOTDIR;
	return fd;
}

DIR *evkv__tree_list(const struct filetree *tree, const char *file,
    struct file_failure *failure)
{
	int fd = evkv__tree_folder(tree, file);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (list == NULL && errno != ENOENT && errno != ENOTDIR)
		evkv__tree_errno(tree, "list the folder", file, failure);
	if (list == NULL && fd >= 0)
		close(fd);
	return list;
}

/* What a hashed name stands for is kept with the folder. */
static bool tree_name_folder(struct filetree *tree, const char *file, int fd,
    struct evkv_slice collection)
{
	const struct tree_place place = { .folder = tree->root, .file = file };
	char buffer[EVKV_KEY_MAX];
	struct evkv_slice name;
	struct stat stat;
	bool noted;

	if (fstat(fd, &stat) != 0)
		return false;
	return evkv__note_name(fd, &place, stat.st_ino, buffer, &name) ||
	    evkv__note_keep(fd, &place,
		&(struct tree_note){ .name = collection }, &noted);
}

bool evkv__tree_make_folder(struct filetree *tree, const char *file,
    struct evkv_slice collection, struct file_failure *failure)
{
	char again[TREE_FILE_ROOM];
	bool named = true;
	int fd;

	if (mkdirat(tree->root, file, FOLDER_MODE) != 0 && errno != EEXIST)
		return evkv__tree_errno(tree, "make the folder", file, failure);
	fd = evkv__tree_folder(tree, file);
	if (fd < 0 && errno == ENOTDIR)
		return evkv__file_fail(failure, EVKV_REFUSED, 0,
		    "%s/%s: is no folder", tree->path, file);
	if (fd < 0)
		return evkv__tree_errno(tree, "open the folder", file, failure);
	if (!evkv_file_name_encode(collection, again))
		named = tree_name_folder(tree, file, fd, collection);
	if (!named)
		evkv__tree_errno(tree, "name the folder", file, failure);
	close(fd);
	return named;
}

/* ---- Locks --------------------------------------------------------------- */

static off_t lock_byte(struct evkv_slice collection)
{
	return (off_t)(siphash_1_3(0, 0, collection) & LOCK_BYTES);
}

static bool lock_open(struct filetree *tree)
{
	if (tree->lock < 0)
		tree->lock = openat(tree->root, TREE_LOCK,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		    FOLDER_FILE_MODE);
	return tree->lock >= 0;
}

/* Whether the file that is locked is still the one that others lock. */
static bool lock_counts(struct filetree *tree)
{
	struct stat opened, found;

	if (fstat(tree->lock, &opened) == 0 &&
	    fstatat(tree->root, TREE_LOCK, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	    opened.st_ino == found.st_ino && opened.st_dev == found.st_dev)
		return true;
	close(tree->lock);
	tree->lock = -1;
	return false;
}

bool evkv__tree_lock(struct filetree *tree, struct evkv_slice collection,
    struct file_failure *failure)
{
	off_t byte = lock_byte(collection);
	int64_t since_ms = 0;

	do {
		if (!lock_open(tree))
			return evkv__tree_errno(tree, "open it", TREE_LOCK,
			    failure);
		if (evkv__file_lock(tree->lock, F_WRLCK, byte)) {
			if (lock_counts(tree))
				return true;
		} else if (!evkv__file_lock_taken()) {
			return evkv__tree_errno(tree, "lock it", TREE_LOCK,
			    failure);
		}
	} while (evkv__serial_wait(&tree->serial, &since_ms));
	return evkv__file_fail(failure, EVKV_LOCKED, 0,
	    "%s: another process or store writes to this collection, and has "
	    "its lock for too long",
	    tree->path);
}

void evkv__tree_unlock(struct filetree *tree, struct evkv_slice collection)
{
	if (tree->lock >= 0)
		evkv__file_lock(tree->lock, F_UNLCK, lock_byte(collection));
}
