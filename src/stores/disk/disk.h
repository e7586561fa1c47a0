/*
 * stores/disk/disk.h - the store on the loop's side.
 */
#ifndef EVKV_STORES_DISK_DISK_H
#define EVKV_STORES_DISK_DISK_H

#include "engines/files/wall.h"
#include "evkv/stores/disk.h"
#include "stores/disk/work.h"

#define DISK_READERS_MAX 16
#define DISK_LANES_MAX (1 + DISK_READERS_MAX)

enum disk_state {
	DISK_OPENING,
	DISK_READY,
	DISK_FAILED, /* `failure` tells why, `failed_ms` since when */
	DISK_ENDING, /* close() was called */
	DISK_ENDED,
};

struct disk_store {
	struct evkv_loop *loop;
	struct evkv_store *store; /* the handle */
	struct evkv_executor *executor;
	struct disk_env *env; /* NULL: a writer was left behind with it */
	bool inline_reads;
	int64_t sweep_ms, sync_ms; /* sweep_ms < 0: never */

	/* Lane 0 writes, the others read; env->workers has their states. */
	struct evkv_lane *lanes[DISK_LANES_MAX];
	unsigned lanes_count;

	enum disk_state state;
	struct file_failure failure;
	struct file_wall wall;
	int64_t failed_ms;
	size_t out;     /* jobs in lanes */
	size_t backups; /* those of them in lanes of their own */
	struct file_dispatch dispatch;

	struct disk_job open_job, close_job; /* the store's own */
	struct disk_job sweep_job, flush_job, leave_job;
	struct disk_span sweep_span;
	bool sweeping, flushing, to_flush, leaving;
	bool ending;           /* the last thing that closing does was done */
	int64_t waits_told_ms; /* how long, when the writer's wait was logged */
	/* What a flush has failed by, for the next sync to tell. */
	struct file_failure unflushed;
	struct evkv_timer sweep_timer, flush_timer;
	struct evkv_timer wait_timer; /* while the writer has jobs */
	struct evkv_task look_task; /* the next turn's inline reads look anew */
};

extern const struct evkv_vtable evkv__disk_vtable;

extern const struct evkv_capabilities evkv__disk_capabilities;

/* disk.c */
enum evkv_verdict evkv__disk_op_fail(struct evkv_op *op,
    const struct file_failure *failure);

/*
 * options.c. `part`, or NULL: `lazy` and `guard` of a part of multi_disk. A
 * lazy store does not make its directory before the first put; till then it is
 * as an empty one.
 */
struct evkv_store *evkv__disk_new(struct evkv_loop *loop,
    const struct evkv_disk_options *options, const struct disk_config *part,
    struct evkv_error *error);
/* Checked, as is the loop, and defaults filled in. */
bool evkv__disk_options_read(struct evkv_loop *loop,
    struct evkv_disk_options *options, const struct evkv_disk_options *given,
    size_t size, struct evkv_error *error);

/* backup.c: the writer has made one, or was left behind. */
void evkv__disk_backup_done(struct disk_job *job);

/* life.c */
bool evkv__disk_init(struct disk_store *disk, struct evkv_loop *loop,
    const struct evkv_disk_options *options, struct evkv_error *error);
void evkv__disk_start(struct disk_store *disk);
void evkv__disk_own_done(struct disk_store *disk, struct disk_job *job);
void evkv__disk_close(void *self);
void evkv__disk_free(void *self);
/* Submit to a lane; the job comes back by done(). */
bool evkv__disk_submit(struct disk_store *disk, struct disk_job *job,
    unsigned lane);
/* Entries with a TTL were written; something was written. */
void evkv__disk_expiring(struct disk_store *disk, int64_t delay_ms);
void evkv__disk_dirty(struct disk_store *disk);
/* If the files were lost, the store is DOWN. */
void evkv__disk_look(struct disk_store *disk);
/* If nothing is out any more, go on with ending. */
void evkv__disk_maybe_end(struct disk_store *disk);

/* disk.c */
void evkv__disk_done(struct evkv_job *jobs, void *arg);
/* What waits for the store to be open may go, or fails. */
void evkv__disk_release_waiting(struct disk_store *disk);

#endif
