/*
 * stores/log/work.h - jobs, and what workers do with them.
 *
 * A worker sees a job's input, which is in the op's memory and does not change
 * while the job is out, and fills in its output. It never touches the op.
 */
#ifndef EVKV_STORES_LOG_WORK_H
#define EVKV_STORES_LOG_WORK_H

#include "base/request.h"
#include "engines/files/dispatch.h"
#include "stores/log/env.h"

enum log_task {
	LOG_OP, /* `base.request` */
	LOG_OPEN,
	LOG_CLOSE,
	LOG_SWEEP, /* a piece of a removal by the store itself */
	LOG_FLUSH, /* for durability=os */
	LOG_KEEP,  /* the keeper's: index files, a piece of a compaction */
};

/* What a request without keys needs besides. */
struct log_span {
	struct evkv_slice position; /* input: where a page begins */
	struct name_page page;
	struct log_removal removal;
	uint64_t copied, up_to; /* of a compaction */
};

/* What a put needs of it comes first: it goes to another processor and back. */
struct log_job {
	struct file_job base; /* first */

	/* Input. */
	int64_t now_ms;        /* wall-clock */
	struct log_span *span; /* for requests without keys */
	enum log_task task;
	/* Of one key: half of its hash, the other one is in `base`. */
	uint64_t hash_high;

	bool tried; /* the loop's: an opening was begun since it waits */

	/* Output. */
	bool finished;
	struct file_cell *cells; /* one for each key */
	struct file_cell one_cell;
	struct file_failure failure; /* status OK: none */
};

#define LOG_GROUP_UNITS 4096 /* entries that are written at once */

struct log_unit {
	struct log_job *job;
	size_t index;
};

struct log_worker {
	struct log_env *env;
	struct log_buffer buffer;
	struct log_unit *units; /* the writer's: LOG_GROUP_UNITS */
	struct evkv_lane *lane;
	void *owner; /* the store; not for the worker */
};

/* run() of the lanes; arg: struct log_worker. */
void evkv__log_run_writer(struct evkv_job *jobs, void *arg);
void evkv__log_run_reader(struct evkv_job *jobs, void *arg);
void evkv__log_run_keeper(struct evkv_job *jobs, void *arg);

/* ---- group.c ------------------------------------------------------------- */

/* false = no memory. */
bool evkv__log_group_new(struct log_env *env);
void evkv__log_group_free(struct log_env *env);
/* Write units, in order; each cell gets its status. */
void evkv__log_group_commit(struct log_worker *worker,
    const struct log_unit *units, size_t count);

/* ---- sweep.c: a piece of CLEAR, CLEAR_ALL or PURGE_EXPIRED; the writer's - */

/* false: `failure` tells why. `rows`: how many entries are looked at. */
bool evkv__log_remove_some(struct log_worker *worker,
    const struct evkv_request *request, int64_t now_ms, size_t rows,
    struct log_removal *removal, struct file_failure *failure);

/* A failure of the disk, for a job and all its cells. */
void evkv__log_job_fail(struct log_env *env, struct log_job *job,
    enum evkv_status status, int sys_error, const char *what);

/* Whether the hash of its key came with it. */
static inline bool log_job_hashed(const struct log_job *job)
{
	return job->base.hashes == &job->base.one_hash;
}

static inline struct evkv_slice log_job_value(const struct log_job *job,
    size_t index)
{
	return request_value(job->base.request, index);
}

#endif
