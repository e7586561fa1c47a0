/*
 * stores/disk/dir.h - the directory of a store: whose it is, which generation
 * counts, and the locks.
 *
 *     LOCK       byte ranges of it are locked (dir_lock.c); it is empty
 *     CURRENT    names the format and the generation that counts
 *     g-N/       generation N: data.mdb and lock.mdb
 *     g-N.new/   one that is being built
 *
 * Never on a loop's thread: all of it may block.
 */
#ifndef EVKV_STORES_DISK_DIR_H
#define EVKV_STORES_DISK_DIR_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "engines/files/failure.h"
#include "engines/files/folder.h"

struct disk_dir {
	char *path; /* of the directory; the owner's */
	bool there; /* never make a store: NOT_FOUND instead */
	int fd;     /* of the directory; -1 = not open */
	int lock_fd;
	uint64_t generation; /* that CURRENT names; 0 = there is none yet */
	uint64_t highest;    /* a new one gets a higher number */
};

/* ---- dir.c --------------------------------------------------------------- */

/*
 * Open the directory, lock it and read CURRENT. Where it is not there it is
 * made or, if `make` is not set, that is a failure with NOT_FOUND. *stop is
 * looked at while another process's lock is waited for. On success the
 * directory's mutex is held, until evkv__disk_dir_unlock(). LOCKED: it is open
 * in this process already, or another process keeps it. CORRUPT: CURRENT or
 * what it names is missing.
 */
bool evkv__disk_dir_open(struct disk_dir *dir, bool make, const bool *stop,
    struct file_failure *failure);
/* Likewise, alone, whatever CURRENT says; for repairing. */
bool evkv__disk_dir_open_unpointed(struct disk_dir *dir,
    struct file_failure *failure);
void evkv__disk_dir_close(struct disk_dir *dir);

/* The path of a generation. */
void evkv__disk_dir_generation(const struct disk_dir *dir, uint64_t generation,
    bool unfinished, char path[PATH_MAX]);
/* Make the directory of an unfinished generation, empty; and remove it. */
bool evkv__disk_dir_make(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure);
void evkv__disk_dir_unmake(struct disk_dir *dir, uint64_t generation);
/*
 * Make what is in an unfinished generation durable, then let CURRENT name it,
 * atomically and durably. After a failure CURRENT may name either.
 */
bool evkv__disk_dir_switch(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure);
/* Let CURRENT name a generation that is complete. */
bool evkv__disk_dir_point(struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure);
/* The complete generations; returns how many there are. */
size_t evkv__disk_dir_complete(struct disk_dir *dir, uint64_t *generations,
    size_t room);
/*
 * Remove the generations before the current one, and unfinished ones; nobody
 * else may have the directory open.
 */
void evkv__disk_dir_sweep(struct disk_dir *dir);

/* ---- dir_lock.c ---------------------------------------------------------- */

/* All locks of an opening; the mutex is held then. */
bool evkv__disk_dir_lock_all(const struct disk_dir *dir, const bool *stop,
    struct file_failure *failure);
/* That this process has it open, on any file; `path` is for the message. */
bool evkv__disk_lock_process(int fd, const char *path,
    struct file_failure *failure);
void evkv__disk_dir_unlock(struct disk_dir *dir);
/* Take the mutex again. */
bool evkv__disk_dir_lock(struct disk_dir *dir, const bool *stop,
    struct file_failure *failure);
/*
 * Keep all other processes out, or let them in again. LOCKED: one has the
 * directory open.
 */
bool evkv__disk_dir_exclude(struct disk_dir *dir, struct file_failure *failure);
void evkv__disk_dir_share(struct disk_dir *dir);

/* ---- inspect.c ----------------------------------------------------------- */

/*
 * Look at data.mdb before LMDB does: false, with CORRUPT, where it is no LMDB
 * file of this machine's kind or is shorter than its last page.
 */
bool evkv__disk_dir_inspect(const struct disk_dir *dir, uint64_t generation,
    struct file_failure *failure);

#endif
