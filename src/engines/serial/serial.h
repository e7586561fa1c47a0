/*
 * engines/serial/serial.h - a store whose operations are done one after the
 * other, by one worker: what the stores in plain files share.
 *
 * The store embeds a struct serial_store as its first field and says by a
 * struct serial_type what the worker does. All its jobs are in one lane, so
 * they are in order without more. A worker sees a job's input, which is in the
 * op's memory and does not change while the job is out, and fills in its
 * output. It never touches the op.
 */
#ifndef EVKV_ENGINES_SERIAL_SERIAL_H
#define EVKV_ENGINES_SERIAL_SERIAL_H

#include <sys/queue.h>

#include "base/request.h"
#include "engines/files/cell.h"
#include "engines/files/failure.h"
#include "engines/files/name_page.h"
#include "engines/files/wall.h"
#include "evkv/executor.h"
#include "evkv/number.h"

#define SERIAL_BATCH 1024 /* jobs that a worker gets at once */

enum serial_task {
	SERIAL_OP, /* `request`, on behalf of `op` */
	SERIAL_OPEN,
	SERIAL_CLOSE,
	SERIAL_SWEEP, /* `request` is a PURGE_EXPIRED by the store itself */
	SERIAL_FLUSH, /* `request` is a SYNC by the store itself */
};

struct serial_job {
	struct evkv_job job; /* first */
	enum serial_task task;

	/* Input. */
	const struct evkv_request *request;
	int64_t now_ms; /* wall-clock */
	struct evkv_slice position;

	/* Output. */
	struct file_cell *cells;     /* one for each key */
	struct file_failure failure; /* status OK: none */
	struct name_page page;       /* KEYS, COLLECTIONS */
	int64_t removed;             /* CLEAR, CLEAR_ALL, PURGE_EXPIRED */
	bool ttls;  /* PURGE_EXPIRED: there are entries that will expire */
	void *walk; /* the worker's, of a job that is done in pieces */

	/* The loop's. */
	struct evkv_op *op;
	bool tried; /* an opening was begun since it waits */
	bool waits; /* for the store to be open */
	TAILQ_ENTRY(serial_job) link;
	struct file_cell one_cell;
};

/* What a worker does for a store. `self` is the store's own struct. */
struct serial_type {
	const struct evkv_vtable *vtable;
	bool (*open)(void *self, struct file_failure *failure);
	/*
	 * A batch of jobs with requests, in order; the next one is
	 * evkv_job_next(). One that needs more time calls evkv_job_again().
	 */
	void (*run)(void *self, struct serial_job *first);
	/* Also where open() has failed; what is owed is made durable. */
	void (*close)(void *self, struct file_failure *failure);
	/* Free job->walk; on the loop's thread. NULL: there are none. */
	void (*free_walk)(struct serial_job *job);
	/* The last call; on the loop's thread. */
	void (*free)(void *self);
};

enum serial_state {
	SERIAL_OPENING,
	SERIAL_READY,
	SERIAL_FAILED, /* `failure` tells why, `failed_ms` since when */
	SERIAL_ENDING, /* close() was called */
	SERIAL_ENDED,
};

struct serial_store {
	const struct serial_type *type;
	struct evkv_loop *loop;
	struct evkv_store *store; /* the handle */
	struct evkv_lane *lane;
	enum serial_state state;
	struct file_failure failure;
	int64_t failed_ms;
	struct file_wall wall;
	size_t out; /* jobs in the lane */
	TAILQ_HEAD(, serial_job) waiting;
	struct serial_job open_job, close_job, sweep_job, flush_job;
	bool durable;     /* what was acknowledged needs no SYNC */
	bool ttls;        /* there may be entries that expire */
	bool dirty;       /* there is something to flush */
	bool stop;        /* atomic: end what waits */
	int64_t sweep_ms; /* 0 = never, as for the next */
	int64_t sync_ms;
	struct evkv_timer sweep_timer, flush_timer;
	/* What a flush has failed by, for the next SYNC to tell. */
	struct file_failure unflushed;
};

/* What the options of such stores have in common. */
struct serial_options {
	struct evkv_executor *executor; /* NULL = the loop's */
	bool durable;
	int64_t sweep_ms, sync_ms;
	const struct evkv_capabilities *capabilities;
	size_t max_pending, max_pending_bytes;
	int64_t timeout_ms;
};

/*
 * Make a store around `serial`, the zeroed first field of the store's own
 * struct, and begin to open it. Where it fails, type->free() was called.
 */
struct evkv_store *evkv__serial_new(struct evkv_loop *loop,
    const struct serial_type *type, struct serial_store *serial,
    const struct serial_options *options, struct evkv_error *error);

/* Whether a URL has a path and no host; else the error tells. */
bool evkv__serial_url_ok(const struct evkv_url *url, struct evkv_error *error);

/* For the vtables of such stores. */
enum evkv_verdict evkv__serial_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request);
void evkv__serial_stop(void *self, struct evkv_op *op);
void evkv__serial_close(void *self);
void evkv__serial_free(void *self);

/* ---- On the worker ------------------------------------------------------- */

/* Fail a job and all its cells by its failure, which has been filled in. */
void evkv__serial_job_fail(struct serial_job *job);

/*
 * Another store has a lock: wait a moment. `since_ms` is 0 at first. false: it
 * was waited for long enough, or the store is closing.
 */
bool evkv__serial_wait(const struct serial_store *serial, int64_t *since_ms);

/* Whether the store is closing: nothing should be waited for. */
static inline bool serial_stopping(const struct serial_store *serial)
{
	return __atomic_load_n(&serial->stop, __ATOMIC_RELAXED);
}

/* The live value that a cell is to answer; NULL fails it with NOMEM. */
void evkv__serial_give(struct file_cell *cell, struct evkv_value *value);

/* ---- Between the files of this folder ------------------------------------ */

/* answer.c: a job's output into its op. */
void evkv__serial_answer(struct serial_store *serial, struct serial_job *job);
/* life.c */
void evkv__serial_start(struct serial_store *serial);
bool evkv__serial_dispatch(struct serial_store *serial, struct serial_job *job);
void evkv__serial_own_done(struct serial_store *serial, struct serial_job *job);
void evkv__serial_maybe_end(struct serial_store *serial);
/* Something was written: it is to be flushed, and may expire. */
void evkv__serial_wrote(struct serial_store *serial, bool expires);
/* serial.c */
void evkv__serial_done(struct evkv_job *jobs, void *arg);
void evkv__serial_release_waiting(struct serial_store *serial);
enum evkv_verdict evkv__serial_op_fail(struct evkv_op *op,
    const struct file_failure *failure);

#endif
