/*
 * stores/filetree/entry.c - one entry, which is one file.
 *
 * Readers take no lock. What they have open stays whole when it is replaced; so
 * does what is kept with it, but for a note, which a writer removes after its
 * file: a reader that finds none looks whether the file still has its name.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN_TRIES 8

/* ---- Reading ------------------------------------------------------------- */

/* A call on a file has failed; errno tells why. */
static void entry_errno(const struct filetree *tree, const char *what,
    const struct tree_place *place, struct file_failure *failure)
{
	char file[2 * TREE_FILE_ROOM];

	snprintf(file, sizeof(file), "%s/%s", place->in, place->file);
	evkv__tree_errno(tree, what, file, failure);
}

static enum tree_found entry_failed(const struct filetree *tree,
    const struct tree_place *place, int sys_error, struct file_failure *failure)
{
	if (sys_error == EILSEQ) {
		evkv__file_fail(failure, EVKV_CORRUPT, 0,
		    "%s/%s/%s: its user.evkv.expires is no number", tree->path,
		    place->in, place->file);
		return TREE_FAILED;
	}
	errno = sys_error;
	entry_errno(tree, "read the file", place, failure);
	return TREE_FAILED;
}

static bool entry_has_name(const struct tree_place *place, ino_t inode)
{
	struct stat found;

	return fstatat(place->folder, place->file, &found,
		   AT_SYMLINK_NOFOLLOW) == 0 &&
	    found.st_ino == inode;
}

/* Open it; ENOENT: it moved meanwhile. */
static int entry_try(const struct tree_place *place, struct tree_entry *entry)
{
	struct stat stat;
	int code;

	entry->fd = openat(place->folder, place->file,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (entry->fd < 0) {
		entry->found = errno == ELOOP || errno == ENXIO ? TREE_FOREIGN
								: TREE_NONE;
		return entry->found == TREE_FOREIGN || errno == ENOENT ? 0
								       : errno;
	}
	if (fstat(entry->fd, &stat) != 0)
		return errno;
	entry->found = S_ISREG(stat.st_mode) ? TREE_LIVE : TREE_FOREIGN;
	entry->inode = stat.st_ino;
	entry->size = stat.st_size;
	if (entry->found == TREE_FOREIGN)
		return 0;
	code = evkv__note_expires(entry->fd, place, stat.st_ino,
	    &entry->expires_ms);
	if (code != ENOENT || entry_has_name(place, stat.st_ino))
		return code == ENOENT ? 0 : code;
	return ENOENT;
}

void evkv__entry_open(const struct filetree *tree,
    const struct tree_place *place, int64_t now_ms, struct tree_entry *entry,
    struct file_failure *failure)
{
	int code = ENOENT, tries;

	*entry = (struct tree_entry){ .found = TREE_NONE, .fd = -1 };
	if (place->folder < 0)
		return;
	for (tries = 0; tries < OPEN_TRIES && code == ENOENT; tries++) {
		evkv__entry_close(entry);
		code = entry_try(place, entry);
	}
	if (code == ENOENT)
		entry->found = TREE_NONE;
	else if (code != 0)
		entry->found = entry_failed(tree, place, code, failure);
	else if (entry->found == TREE_LIVE && entry->expires_ms != 0 &&
	    entry->expires_ms <= now_ms)
		entry->found = TREE_EXPIRED;
}

void evkv__entry_close(struct tree_entry *entry)
{
	if (entry->fd >= 0)
		close(entry->fd);
	entry->fd = -1;
}

/* The key of an entry that is open, in `buffer`; false: it can't be told. */
static bool entry_name(const struct tree_place *place,
    const struct tree_entry *entry, char *buffer, struct evkv_slice *key)
{
	char again[TREE_FILE_ROOM];

	switch (evkv_file_name_decode(place->file, buffer, key)) {
	case EVKV_FILE_NAME_WHOLE: return key->size > 0;
	case EVKV_FILE_NAME_HASHED:
		if (entry->fd < 0 || entry->inode == 0) {
			errno = EIO; /* it could not be opened */
			return false;
		}
		if (!evkv__note_name(entry->fd, place, entry->inode, buffer,
			key))
			return false;
		evkv_file_name_encode(*key, again);
		return strcmp(again, place->file) == 0;
	default: return false;
	}
}

/* There is no such attribute and no such note; all else is a failure. */
static bool look_unnamed(void)
{
	return errno == 0 || errno == ENODATA || errno == ENOTSUP ||
	    errno == ENOENT;
}

bool evkv__entry_look(const struct filetree *tree,
    const struct tree_place *place, struct tree_look *look,
    struct file_failure *failure)
{
	struct tree_entry *entry = &look->entry;
	bool named = false;

	look->failure.status = EVKV_OK;
	evkv__entry_open(tree, place, look->now_ms, entry, &look->failure);
	if (look->failure.status == EVKV_CORRUPT)
		entry->found = TREE_LIVE;
	errno = 0;
	if (entry->found != TREE_NONE && entry->found != TREE_FOREIGN)
		named = entry_name(place, entry, look->buffer, &look->key);
	if (look->failure.status == EVKV_NOMEM)
		*failure = look->failure;
	else if (!named && !look_unnamed())
		entry_errno(tree, "read the name of", place, failure);
	return named;
}

/* As much as there is, up to `size` bytes; -1 = errno tells why. */
static ssize_t entry_bytes(int fd, char *bytes, size_t size)
{
	size_t have = 0;
	ssize_t n = 1;

	while (have < size && n > 0) {
		n = pread(fd, bytes + have, size - have, (off_t)have);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			have += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)have;
}

struct evkv_value *evkv__entry_read(const struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    struct file_failure *failure)
{
	struct evkv_value *value, *shorter;
	void *bytes;
	ssize_t size;

	if ((uint64_t)entry->size > tree->max_value) {
		evkv__file_fail(failure, EVKV_TOO_LARGE, 0,
		    "%s/%s/%s: has %lld bytes, more than max_value", tree->path,
		    place->in, place->file, (long long)entry->size);
		return NULL;
	}
	value = evkv_value_new_uninit((size_t)entry->size, &bytes);
	if (value == NULL) {
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
		return NULL;
	}
	size = entry_bytes(entry->fd, bytes, (size_t)entry->size);
	if (size == (ssize_t)entry->size)
		return value;
	/* Somebody writes to the file itself. */
	shorter = size < 0 ? NULL : evkv_value_slice(value, 0, (size_t)size);
	evkv_value_unref(value);
	if (size < 0)
		entry_errno(tree, "read the file", place, failure);
	else if (shorter == NULL)
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	return shorter;
}

/* ---- Writing ------------------------------------------------------------- */

static bool entry_write_bytes(int fd, struct evkv_slice bytes)
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

/* The whole name, where the file's does not tell it. */
static struct evkv_slice entry_kept_name(struct evkv_slice key)
{
	char file[TREE_FILE_ROOM];

	return evkv_file_name_encode(key, file) ? evkv_bytes(NULL, 0) : key;
}

static bool entry_fill(struct filetree *tree, const struct tree_place *place,
    const struct tree_put *put, int fd, bool *noted)
{
	const struct tree_note note = { .expires_ms = put->expires_ms,
		.name = entry_kept_name(put->key) };

	return entry_write_bytes(fd, put->value) &&
	    evkv__note_keep(fd, place, &note, noted) &&
	    (!tree_full(tree) || fsync(fd) == 0);
}

/* One that a crash has left behind, with its note. */
static void entry_remove_temporary(int folder)
{
	struct stat stat;

	if (fstatat(folder, TREE_TEMPORARY, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
	    stat.st_nlink == 1)
		evkv__note_remove(folder, stat.st_ino);
	unlinkat(folder, TREE_TEMPORARY, 0);
}

/*
 * The temporary file, of which there is one in a folder, as its writer holds
 * the lock of the collection; false = errno tells why.
 */
static bool entry_write_temporary(struct filetree *tree,
    const struct tree_place *place, const struct tree_put *put, ino_t *inode,
    bool *noted)
{
	struct stat stat;
	bool written;
	int fd, sys_error;

	entry_remove_temporary(place->folder);
	fd = openat(place->folder, TREE_TEMPORARY,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		return false;
	*inode = fstat(fd, &stat) == 0 ? stat.st_ino : 0;
	written = *inode != 0 && entry_fill(tree, place, put, fd, noted);
	sys_error = errno;
	if (close(fd) != 0 && written) {
		written = false;
		sys_error = errno;
	}
	errno = sys_error;
	return written;
}

/* A place that was free is taken only if it still is, where links can be. */
static bool entry_rename(const struct tree_place *place, bool was_free)
{
	if (was_free) {
		if (linkat(place->folder, TREE_TEMPORARY, place->folder,
			place->file, 0) == 0) {
			unlinkat(place->folder, TREE_TEMPORARY, 0);
			return true;
		}
		if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS &&
		    errno != EMLINK)
			return false;
	}
	return renameat(place->folder, TREE_TEMPORARY, place->folder,
		   place->file) == 0;
}

enum evkv_status evkv__entry_write(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *old,
    const struct tree_put *put, struct file_failure *failure)
{
	bool was_free = old->found == TREE_NONE, noted = false;
	ino_t inode = 0;

	if (entry_write_temporary(tree, place, put, &inode, &noted) &&
	    entry_rename(place, was_free)) {
		if (!was_free)
			evkv__note_remove(place->folder, old->inode);
		return EVKV_OK;
	}
	if (was_free && errno == EEXIST)
		failure->status = EVKV_EXISTS;
	else
		entry_errno(tree, "write the file", place, failure);
	if (noted)
		evkv__note_remove(place->folder, inode);
	unlinkat(place->folder, TREE_TEMPORARY, 0);
	return failure->status;
}

enum evkv_status evkv__entry_touch(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    const struct tree_put *put, struct file_failure *failure)
{
	const struct tree_note note = { .expires_ms = put->expires_ms,
		.name = entry_kept_name(put->key) };
	bool noted, kept = evkv__note_keep(entry->fd, place, &note, &noted);

	if (kept && (!tree_full(tree) || fsync(entry->fd) == 0))
		return EVKV_OK;
	entry_errno(tree, "set the expiry of", place, failure);
	if (kept ||
	    (failure->status != EVKV_NOSPACE && failure->status != EVKV_NOMEM))
		failure->status = EVKV_UNKNOWN_OUTCOME;
	return failure->status;
}

enum evkv_status evkv__entry_remove(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    struct file_failure *failure)
{
	if (unlinkat(place->folder, place->file, 0) != 0) {
		if (errno == ENOENT)
			return EVKV_NOT_FOUND;
		entry_errno(tree, "remove the file", place, failure);
		return failure->status;
	}
	evkv__note_remove(place->folder, entry->inode);
	return EVKV_OK;
}
