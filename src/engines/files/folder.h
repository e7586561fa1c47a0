/*
 * engines/files/folder.h - folders: what is in them, and how a name in them
 * becomes durable. A folder is known by its descriptor. All of it may block.
 */
#ifndef EVKV_ENGINES_FILES_FOLDER_H
#define EVKV_ENGINES_FILES_FOLDER_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FOLDER_FILE_MODE 0660
#define FOLDER_MODE 0770

/* A copy of a path, made absolute; NULL = no memory. */
char *evkv__folder_path(const char *path);

/* A stream over a folder; NULL = errno tells why. */
DIR *evkv__folder_list(int fd);
/* Names that are in an empty folder, too: ".", "lost+found", ".gitkeep". */
bool evkv__folder_ignores(const char *name);

/*
 * fsync() of a file in it, or with "." and O_DIRECTORY of itself. false = errno
 * tells why.
 */
bool evkv__folder_sync_at(int fd, const char *name, int flags);
/* Likewise, of the folder itself. */
bool evkv__folder_sync(int fd);
/*
 * Of the folder that it is in, which has its name. One that may not be read is
 * left to the system.
 */
bool evkv__folder_sync_parent(int fd);
/*
 * Let `name` hold `size` bytes, atomically and durably, by way of a file with
 * the name `temporary`. false = errno tells why, and `name` holds either.
 */
bool evkv__folder_write(int fd, const char *name, const char *temporary,
    const void *bytes, size_t size);

/*
 * Make a file longer, from `from` to `to`, with room on the disk where that can
 * be had; *sparse is set where the file system has no such thing. 0 or an
 * errno.
 */
int evkv__file_extend(int fd, off_t from, off_t to, bool *sparse);

#endif
