/*
 * stores/disk/backup.c - evkv_disk_backup(), on the loop's side.
 *
 * The happy path: the store is waited for; then the copy is a job of a lane of
 * its own, relieved at once so that the other lanes have as many threads as
 * before; its coming back frees the lane and calls back. A copy of all pages is
 * a job of the writer's lane instead, as LMDB takes its write lock for it.
 *
 * Closing the store breaks a copy off and waits until it is back, as for every
 * other job; it holds a reference of the handle besides.
 */
#include "stores/disk/disk.h"

#include <stdio.h>

struct disk_backup {
	struct disk_job job; /* first; `path` is ours */
	struct evkv_store *store;
	struct disk_store *disk; /* NULL: the store is none of this kind */
	struct evkv_lane *lane;  /* NULL: the writer's */
	uint32_t flags;
	evkv_cb cb;
	void *arg;
	struct evkv_task refuse;
};

static void backup_free(struct disk_backup *backup)
{
	evkv_free((void *)(uintptr_t)backup->job.path);
	evkv_free(backup);
}

static void backup_end(struct disk_backup *backup)
{
	const struct file_failure *failure = &backup->job.failure;
	const struct evkv_result result = {
		.status = failure->status,
		.cause = failure->status == EVKV_OK ? EVKV_CAUSE_NONE
						    : file_cause(failure),
		.kind = EVKV_KIND_COUNT,
		.sys_error = failure->status == EVKV_OK ? 0
							: failure->sys_error,
		.message = failure->status == EVKV_OK ? "" : failure->message,
		.entry_size = sizeof(struct evkv_entry),
	};

	evkv_loop_release(evkv_store_loop(backup->store));
	if (backup->cb != NULL)
		backup->cb(&result, backup->arg);
	evkv_store_unref(backup->store);
	backup_free(backup);
}

static void backup_fail(struct disk_backup *backup, enum evkv_status status,
    const char *message)
{
	evkv__file_fail(&backup->job.failure, status, 0, "%s", message);
	backup_end(backup);
}

static void backup_run(struct evkv_job *jobs, void *arg)
{
	struct disk_job *job = (struct disk_job *)jobs;
	struct disk_backup *backup = (struct disk_backup *)jobs;

	(void)arg;
	evkv_lane_relieve(backup->lane);
	evkv__disk_env_backup(backup->disk->env, job->path, true,
	    &job->failure);
}

static void backup_came_back(struct evkv_job *jobs, void *arg)
{
	struct disk_backup *backup = (struct disk_backup *)jobs;
	struct disk_store *disk = arg;

	evkv_lane_free(backup->lane);
	disk->out--;
	disk->backups--;
	evkv__disk_backup_done(&backup->job);
	evkv__disk_look(disk);
	evkv__disk_maybe_end(disk);
}

void evkv__disk_backup_done(struct disk_job *job)
{
	struct disk_backup *backup = (struct disk_backup *)job;
	bool left = backup->disk->env == NULL ||
	    evkv__disk_wait_left(backup->disk->env);

	if (left || evkv_job_withdrawn(&job->base.job))
		evkv__file_fail(&job->failure, EVKV_CLOSED, 0,
		    "the store was closed meanwhile");
	backup_end(backup);
}

static bool backup_submit(struct disk_backup *backup)
{
	struct disk_store *disk = backup->disk;

	backup->job.task = DISK_BACKUP;
	if ((backup->flags & EVKV_DISK_BACKUP_PAGES) != 0)
		return evkv__disk_submit(disk, &backup->job, LANE_WRITER);
	backup->lane = evkv_lane_new(disk->loop, disk->executor,
	    &(struct evkv_lane_config){
		.run = backup_run, .done = backup_came_back, .arg = disk },
	    NULL);
	if (backup->lane == NULL)
		return false;
	disk->out++;
	disk->backups++;
	return evkv_lane_submit(backup->lane, &backup->job.base.job);
}

static void backup_begin(const struct evkv_result *result, void *arg)
{
	struct disk_backup *backup = arg;

	if (result->status != EVKV_OK)
		backup_fail(backup, result->status, result->message);
	else if (backup->disk->state != DISK_READY)
		backup_fail(backup, EVKV_CLOSED, "the store is closed");
	else if (!backup_submit(backup))
		backup_fail(backup, EVKV_NOMEM, "out of memory");
}

static void backup_refuse(void *arg)
{
	struct disk_backup *backup = arg;

	if (backup->disk == NULL)
		backup_fail(backup, EVKV_UNSUPPORTED,
		    "only a disk store's own handle can be backed up");
	else
		backup_fail(backup, EVKV_INVALID,
		    "backup: no path, or flags that are not known");
}

bool evkv_disk_backup(struct evkv_store *store, const char *path,
    uint32_t flags, evkv_cb cb, void *arg)
{
	struct disk_backup *backup;

	if (store == NULL || evkv_store_loop(store) == NULL)
		return false;
	backup = evkv_calloc(1, sizeof(*backup));
	if (backup == NULL)
		return false;
	backup->job.path = evkv_strdup(path != NULL ? path : "");
	if (backup->job.path == NULL) {
		evkv_free(backup);
		return false;
	}
	backup->store = store;
	backup->disk = evkv_store_self(store, &evkv__disk_vtable);
	backup->flags = flags;
	backup->cb = cb;
	backup->arg = arg;
	backup->refuse = (struct evkv_task){ .run = backup_refuse,
		.arg = backup };
	if (backup->disk == NULL || backup->job.path[0] == '\0' ||
	    (flags & ~(uint32_t)EVKV_DISK_BACKUP_PAGES) != 0)
		evkv_task_queue(evkv_store_loop(store), &backup->refuse);
	else if (evkv_store_wait_ready(store, -1, backup_begin, backup) == 0) {
		backup_free(backup);
		return false;
	}
	evkv_store_ref(store);
	evkv_loop_hold(evkv_store_loop(store));
	return true;
}
