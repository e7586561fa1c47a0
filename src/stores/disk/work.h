/*
 * stores/disk/work.h - jobs, and what workers do with them.
 *
 * A worker sees a job's input, which is in the op's memory and does not change
 * while the job is out, and fills in its output. It never touches the op.
 */
#ifndef EVKV_STORES_DISK_WORK_H
#define EVKV_STORES_DISK_WORK_H

#include "base/request.h"
#include "engines/files/cell.h"
#include "engines/files/dispatch.h"
#include "evkv/number.h"
#include "stores/disk/env.h"

enum disk_task {
	DISK_OP, /* `base.request` */
	DISK_OPEN,
	DISK_CLOSE,
	DISK_SWEEP,  /* a removal by the store itself */
	DISK_FLUSH,  /* likewise, for durability=os */
	DISK_BACKUP, /* with all pages, to `path` */
	DISK_LEAVE,  /* on a reader's lane: the writer may be stuck */
};

struct disk_job {
	struct file_job base; /* first */
	enum disk_task task;

	/* Input. */
	int64_t now_ms; /* wall-clock */
	const char *path;
	struct evkv_slice position;

	/* Output. */
	struct file_cell *cells;     /* one for each key */
	struct file_failure failure; /* status OK: none */
	struct disk_span {
		struct name_page page;
		struct disk_removal removal;
	} * span; /* for requests without keys */

	/* The loop's. */
	struct file_cell one_cell;
};

#define DISK_GROUP_UNITS 4096        /* entries of one transaction */
#define DISK_GROUP_BYTES (32u << 20) /* of values in it, unless one is larger */

struct disk_unit {
	struct disk_job *job;
	size_t index;
};

struct disk_worker {
	struct disk_env *env;
	struct disk_reader reader;
	struct disk_unit *units; /* the writer's: DISK_GROUP_UNITS */
	void *owner;             /* the store; not for the worker */
};

/* run() of a reading lane and of the writing one; arg: struct disk_worker. */
void evkv__disk_run_readers(struct evkv_job *jobs, void *arg);
void evkv__disk_run_writer(struct evkv_job *jobs, void *arg);

/* Read key `index` of a request into its cell; a failure is reported, too. */
void evkv__disk_read_cell(struct disk_view *view,
    const struct evkv_request *request, size_t index, int64_t now_ms,
    struct file_cell *cell, struct file_failure *failure);
static inline void disk_job_read(struct disk_view *view, struct disk_job *job,
    size_t index)
{
	evkv__disk_read_cell(view, job->base.request, index, job->now_ms,
	    &job->cells[index], &job->failure);
}
/* Fail a job and all its cells. */
void evkv__disk_job_fail(struct disk_job *job, enum evkv_status status,
    int code, const struct disk_env *env);
/* group.c: commit units, in order; each cell gets its status. */
void evkv__disk_group_commit(struct disk_worker *worker,
    struct disk_unit *units, size_t count);

static inline struct evkv_slice disk_job_value(const struct disk_job *job,
    size_t index)
{
	return request_value(job->base.request, index);
}

#endif
