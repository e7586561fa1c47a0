/*
 * engines/files/lock.h - open file description locks on bytes of a file. They
 * belong to the open file and not to the process: a second opening in this
 * process collides with the first, and a process that died holds none.
 */
#ifndef EVKV_ENGINES_FILES_LOCK_H
#define EVKV_ENGINES_FILES_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* Set F_RDLCK, F_WRLCK or F_UNLCK on a byte; false = errno tells why not. */
bool evkv__file_lock(int fd, short type, off_t byte);
/* After it has failed: whether another one has the lock. */
bool evkv__file_lock_taken(void);
/* Whether this process has the file open by another descriptor, too. */
bool evkv__file_lock_own(int fd);

#endif
