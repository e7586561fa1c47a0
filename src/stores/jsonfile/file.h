/*
 * stores/jsonfile/file.h - the file of a store: whether it has changed, and how
 * it is replaced without losing what somebody else has written.
 *
 * A file is known by its stamp. Times of files are coarse (a tick of the system
 * is up to 10 ms), so one that was written shortly before it was read is
 * compared by a hash of its bytes the next time, too.
 *
 * It is replaced by exchanging it with the new one, in one step; the old one,
 * which has the temporary name then, must be the one that was read. If it is
 * not, somebody was faster: they are exchanged back.
 */
#ifndef EVKV_STORES_JSONFILE_FILE_H
#define EVKV_STORES_JSONFILE_FILE_H

#include <limits.h>
#include <sys/stat.h>

#include "engines/serial/serial.h"
#include "evkv/slice.h"

struct json_stamp {
	bool exists;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	mode_t mode;
	bool young; /* it was written shortly before: compare the bytes, too */
	uint64_t hash;
};

struct json_file {
	char *path; /* as it was given; absolute */
	size_t max_bytes;
	int folder;              /* that it is in; -1 = not open */
	char name[NAME_MAX + 1]; /* in the folder: links are resolved */
	bool locked;
	bool seen; /* it was there: it is not made again when it is missing */
	struct json_stamp stamp; /* of what was read or written last */
};

enum json_saved {
	JSON_SAVED,
	JSON_CHANGED, /* somebody was faster; nothing was changed */
	JSON_FAILED,  /* the failure tells why; UNKNOWN_OUTCOME: or it is */
	JSON_LEFT,    /* of file.c: exchanged, and not back */
};

void evkv__json_file_close(struct json_file *file);
/*
 * Whether it is as it was read or written last; false also where that can't be
 * told. Without a look at its bytes, unless it is young.
 */
bool evkv__json_file_same(struct json_file *file);
/*
 * Read it: *text is to be freed; NULL where there is no file. false: it can't
 * be read, or was there and is not any more. Not while it is locked.
 */
bool evkv__json_file_load(struct json_file *file, char **text, size_t *size,
    struct file_failure *failure);
/* Replace it, if it is still the same. The lock is held. */
enum json_saved evkv__json_file_save(struct json_file *file,
    struct evkv_slice text, struct file_failure *failure);
/* Keep other stores from writing. */
bool evkv__json_file_lock(struct json_file *file,
    const struct serial_store *serial, struct file_failure *failure);
void evkv__json_file_unlock(struct json_file *file);

#endif
