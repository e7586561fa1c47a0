/*
 * stores/log/log.h - the store on the loop's side.
 */
#ifndef EVKV_STORES_LOG_LOG_H
#define EVKV_STORES_LOG_LOG_H

#include "engines/files/wall.h"
#include "evkv/stores/log.h"
#include "stores/log/work.h"

#define LOG_READERS_MAX 16
#define LOG_LANES_MAX (2 + LOG_READERS_MAX)

enum log_state {
	LOG_OPENING,
	LOG_READY,
	LOG_FAILED, /* `failure` tells why, `failed_ms` since when */
	LOG_ENDING, /* close() was called */
	LOG_ENDED,
};

struct log_store {
	struct evkv_loop *loop;
	struct evkv_store *store; /* the handle */
	struct evkv_executor *executor;
	struct log_env *env;
	bool inline_reads;
	int64_t sweep_ms, sync_ms; /* sweep_ms < 0: never */
	uint64_t compact_rate;     /* bytes in a second; 0 = never by itself */

	/* Lane 0 writes, the last one keeps, the others read. */
	struct evkv_lane *lanes[LOG_LANES_MAX];
	struct log_worker workers[LOG_LANES_MAX];
	unsigned lanes_count;

	enum log_state state;
	struct file_failure failure;
	struct file_wall wall;
	int64_t failed_ms;
	size_t out; /* jobs in lanes */
	struct file_dispatch dispatch;
	/* The collection that was hashed last; no hash is known: size -1. */
	struct log_collection_hash {
		int size;
		unsigned char name[EVKV_COLLECTION_MAX];
		uint64_t hash;
	} collection;

	struct log_job open_job, close_job; /* the store's own */
	struct log_job sweep_job, flush_job, keep_job;
	struct log_span sweep_span, keep_span;
	bool sweeping, flushing, to_flush, keeping, to_keep;
	bool ending; /* the last thing that closing does was done */
	/* What a flush has failed by, for the next sync to tell. */
	struct file_failure unflushed;
	int64_t kept_failed_ms; /* when a failure of the keeper was logged */
	struct evkv_timer sweep_timer, flush_timer, keep_timer, load_timer;
};

extern const struct evkv_vtable evkv__log_vtable;

/* log.c */
enum evkv_verdict evkv__log_op_fail(struct evkv_op *op,
    const struct file_failure *failure);
void evkv__log_done(struct evkv_job *jobs, void *arg);
/* What waits for the store to be open may go, or fails. */
void evkv__log_release_waiting(struct log_store *log);

/* life.c */
bool evkv__log_init(struct log_store *log, struct evkv_loop *loop,
    const struct evkv_log_options *options, struct evkv_error *error);
void evkv__log_start(struct log_store *log);
void evkv__log_own_done(struct log_store *log, struct log_job *job);
void evkv__log_store_close(void *self);
void evkv__log_store_free(void *self);
/* Submit to a lane; the job comes back by done(). */
bool evkv__log_submit(struct log_store *log, struct log_job *job,
    unsigned lane);
/* Entries with a TTL were written; something was written. */
void evkv__log_expiring(struct log_store *log, int64_t delay_ms);
void evkv__log_dirty(struct log_store *log);
/* If nothing is out any more, go on with ending. */
void evkv__log_maybe_end(struct log_store *log);

static inline unsigned log_keeper(const struct log_store *log)
{
	return log->lanes_count - 1;
}

#endif
