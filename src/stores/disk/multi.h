/*
 * stores/disk/multi.h - a disk store for each collection, in one directory.
 *
 * A part is the disk store of one collection, known by its file name.
 */
#ifndef EVKV_STORES_DISK_MULTI_H
#define EVKV_STORES_DISK_MULTI_H

#include "evkv/fanout.h"
#include "evkv/key_codec.h"
#include "stores/disk/disk.h"

struct multi_op {
	struct evkv_op *op;
	struct multi_store *multi;
	struct evkv_request request; /* for the parts */
	struct multi_part *part;     /* that the child is of */
	struct multi_ops *list;      /* in which it waits; NULL = none */
	struct multi_op *next, **link;
	/* Of what goes through all parts. */
	struct multi_look *look;
	struct evkv_fanout *fanout; /* NULL until the parts are known */
	size_t at;                  /* the next of its files */
	size_t looked;              /* parts that have answered */
	char own_file[EVKV_FILE_NAME_MAX + 1];
};

struct multi_ops {
	struct multi_op *first, **last;
};

enum multi_part_state {
	PART_OPEN,
	PART_CLOSING,   /* what comes waits until it is closed */
	PART_FORGOTTEN, /* in no list; goes with its last operation */
};

struct multi_part {
	struct multi_store *multi;
	struct multi_part *newer, *older; /* by use */
	struct multi_part *bucket_next;
	struct evkv_store *store;
	enum multi_part_state state;
	size_t pending;
	struct multi_ops waiting;
	char file[EVKV_FILE_NAME_MAX + 1];
};

enum multi_task {
	MULTI_OPEN,  /* open the directory */
	MULTI_CHECK, /* whether it is still the one that was opened */
	MULTI_LIST,  /* the parts that there are, sorted by file name */
	MULTI_CLOSE,
};

/* A look at the directory, by a worker. */
struct multi_look {
	struct evkv_job job; /* first */
	enum multi_task task;
	char **files;
	size_t count, room;
	struct file_failure failure;
	struct multi_op *mop; /* for whom; NULL: the store itself */
};

#define MULTI_BUCKETS 256

struct multi_store {
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_disk_options options; /* path is ours */
	struct evkv_lane *lane;           /* for the directory */
	struct evkv_executor *executor;
	char *path, *marker;    /* of its directory, of the marker in it */
	int marker_fd;          /* the worker's; -1 = not open */
	bool must_exist;        /* the worker's: it was open before */
	bool root_out;          /* the store's own look is with the worker */
	struct multi_look root; /* the store's own */
	enum disk_state state;
	struct file_failure failure;
	int64_t failed_ms;
	size_t jobs;
	struct multi_ops waiting; /* for the root */
	struct multi_part *buckets[MULTI_BUCKETS];
	struct multi_part *newest, *oldest;
	size_t parts;
};

#define MULTI_MARKER ".multi_disk"
#define MULTI_TEXT "evkv multi_disk 1\n"

/* Write a marker, durably; `path` is of the directory. */
bool evkv__multi_mark(int fd, const char *path);

/* multi_dir.c, on a worker: jobs are struct multi_look. */
void evkv__multi_run(struct evkv_job *jobs, void *arg);
void evkv__multi_look_free(struct multi_look *look);

/* multi_parts.c */
/* The part of a file name, opened where it is not. NULL: `error` tells why. */
struct multi_part *evkv__multi_part(struct multi_store *multi, const char *file,
    struct evkv_error *error);
void evkv__multi_part_used(struct multi_part *part);
/* After `pending` went down; the part may be gone. */
void evkv__multi_part_idle(struct multi_part *part);
/* Begin to close all; evkv__multi_parts_gone() is called at the end. */
void evkv__multi_parts_close(struct multi_store *multi);

/* multi_disk.c */
void evkv__multi_go(struct multi_op *mop);
void evkv__multi_end(struct multi_op *mop);
void evkv__multi_parts_gone(struct multi_store *multi);

/* A walk may have changed something before. */
static inline void multi_ops_init(struct multi_ops *ops)
{
	ops->first = NULL;
	ops->last = &ops->first;
}

static inline void multi_ops_append(struct multi_ops *ops, struct multi_op *mop)
{
	mop->list = ops;
	mop->next = NULL;
	mop->link = ops->last;
	*ops->last = mop;
	ops->last = &mop->next;
}

static inline void multi_ops_remove(struct multi_op *mop)
{
	*mop->link = mop->next;
	if (mop->next != NULL)
		mop->next->link = mop->link;
	else
		mop->list->last = mop->link;
	mop->list = NULL;
}

#endif
