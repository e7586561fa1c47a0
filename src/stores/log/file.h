/*
 * stores/log/file.h - one data file: made, read, walked and sealed.
 */
#ifndef EVKV_STORES_LOG_FILE_H
#define EVKV_STORES_LOG_FILE_H

#include "engines/files/failure.h"
#include "engines/files/folder.h"
#include "stores/log/format.h"

#define LOG_NAME_ROOM 40

struct log_file {
	struct log_file_head head;
	int fd;
	uint32_t slot; /* in the table of files */
	unsigned refs; /* atomic; the table has one */
	bool sealed;
	bool nowait;   /* preadv2(RWF_NOWAIT) works */
	uint64_t last; /* where its range of versions ends; sealed ones */
	uint64_t size; /* up to the end of what is durable, or known to be */
	uint64_t puts; /* PUTs in it; sealed ones */
	/* Under the lock of the store. */
	uint64_t live_bytes, live; /* that the index points to */
	uint64_t tombstone_bytes;
	bool indexed; /* has an index file */
};

/* "0012.data", ".index", ".new", ".copy" */
void evkv__log_file_name(char name[LOG_NAME_ROOM], uint64_t number,
    const char *ending);
/* The number, and the ending behind it; 0 = it is no such name. */
uint64_t evkv__log_file_number(const char *name, const char **ending);

/*
 * Make an empty one under the name with `ending`, with `room` bytes set aside.
 * It is durable, its name is not. NULL = `failure` tells why. `sparse` as in
 * evkv__file_extend().
 */
struct log_file *evkv__log_file_make(int folder,
    const struct log_file_head *head, const char *ending, uint64_t room,
    bool *sparse, struct file_failure *failure);
/* Give it its name, which the folder's fsync makes durable. */
bool evkv__log_file_rename(int folder, const struct log_file *file,
    const char *ending);
/* Open one, and find out whether it is sealed. */
struct log_file *evkv__log_file_open(int folder, uint64_t number,
    const char *path, struct file_failure *failure);
struct log_file *evkv__log_file_ref(struct log_file *file);
/* Closed with the last one. NULL is ignored. */
void evkv__log_file_unref(struct log_file *file);

/*
 * Write the seal at `size`, durably, and cut off what is behind it. false =
 * errno tells why.
 */
bool evkv__log_file_seal(const struct log_file *file, uint64_t size,
    uint64_t last, uint64_t puts);
/* It has been: know it. */
void evkv__log_file_sealed(struct log_file *file, uint64_t size, uint64_t last,
    uint64_t puts);

/* All of the bytes, or false with errno; ENODATA where the file ends. */
bool evkv__log_pread(int fd, void *to, size_t size, uint64_t offset);
bool evkv__log_pwrite(int fd, const void *from, size_t size, uint64_t offset);
/* Without waiting for the disk; EAGAIN or EOPNOTSUPP otherwise. */
ssize_t evkv__log_pread_now(int fd, void *to, size_t size, uint64_t offset);

/* ---- scan.c: the items of a file, one after the other -------------------- */

struct log_scan {
	struct log_file *file;
	unsigned char *buffer;
	size_t room, begin, end; /* of the bytes in it */
	uint64_t offset;         /* of the bytes at `begin`: the next item */
	uint64_t last;           /* version */
	uint64_t group_end;      /* of the group that we are in */
	/* The item that was found. */
	struct log_item item;
	const unsigned char *at;
	uint64_t item_offset;
	uint64_t puts;
};

enum log_step {
	LOG_STEP_ITEM, /* a PUT or a TOMBSTONE */
	LOG_STEP_SEAL,
	LOG_STEP_BAD, /* what stands at `offset` is none, or damaged */
	LOG_STEP_IO,  /* errno tells why */
	LOG_STEP_NOMEM,
};

bool evkv__log_scan_begin(struct log_scan *scan, struct log_file *file);
/* `values`: check and show them, too. */
enum log_step evkv__log_scan_next(struct log_scan *scan, bool values);
/* Go on after an item that is damaged, if its head is sound. For salvaging. */
bool evkv__log_scan_skip(struct log_scan *scan);
void evkv__log_scan_end(struct log_scan *scan);
/*
 * Behind a bad item of a file that is not sealed: whether a later group says
 * that what is here was durable. Then it is damage, and no torn tail. -1 =
 * errno tells why not.
 */
int evkv__log_scan_was_durable(struct log_scan *scan, uint64_t *where);

#endif
