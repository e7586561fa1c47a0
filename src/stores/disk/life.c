/*
 * stores/disk/life.c - opening, the work of its own, and closing of a disk
 * store.
 *
 * Opening and closing are jobs of the writer's lane, so that they are in order
 * with all else that changes the environment.
 *
 * Closing: timers are cancelled; every op has been reported already, so what is
 * left are jobs that workers have taken. When the last of them is back the
 * environment is closed by a job; when that is back the lanes are freed, which
 * no longer waits for anything, and the store has ended.
 */
#include "stores/disk/disk.h"

#define SWEEP_MAX_MS 60000 /* other processes may have written meanwhile */
#define WAIT_LOOK_MS 1000  /* how often to look whether the writer waits */

static const struct evkv_request life_purge = { .kind = EVKV_OP_PURGE_EXPIRED };

bool evkv__disk_submit(struct disk_store *disk, struct disk_job *job,
    unsigned lane)
{
	job->base.lane = lane;
	if (!evkv_lane_submit(disk->lanes[lane], &job->base.job))
		return false;
	disk->out++;
	if (lane == LANE_WRITER && disk->state < DISK_ENDING &&
	    disk->wait_timer.position == 0)
		evkv_timer_set(disk->loop, &disk->wait_timer, WAIT_LOOK_MS);
	return true;
}

static void life_submit_own(struct disk_store *disk, struct disk_job *job,
    enum disk_task task)
{
	*job = (struct disk_job){ .task = task,
		.base.request = &life_purge,
		.now_ms = evkv_loop_wall_ms(disk->loop) };
	evkv__disk_submit(disk, job, LANE_WRITER);
}

/* ---- Opening ------------------------------------------------------------- */

static void life_down(struct disk_store *disk,
    const struct file_failure *failure)
{
	disk->state = DISK_FAILED;
	disk->failure = *failure;
	disk->failed_ms = evkv_loop_now_ms(disk->loop);
	evkv_loop_log(disk->loop, EVKV_LOG_ERROR, "disk: %s", failure->message);
	evkv_store_set_state(disk->store, EVKV_STATE_DOWN, file_cause(failure),
	    failure->message);
}

void evkv__disk_start(struct disk_store *disk)
{
	disk->state = DISK_OPENING;
	life_submit_own(disk, &disk->open_job, DISK_OPEN);
}

static void life_opened(struct disk_store *disk)
{
	const struct file_failure *failure = &disk->open_job.failure;

	if (disk->state == DISK_ENDING)
		return;
	if (failure->status == EVKV_OK) {
		disk->state = DISK_READY;
		evkv_store_set_state(disk->store, EVKV_STATE_READY,
		    EVKV_CAUSE_NONE, NULL);
		evkv__disk_expiring(disk, 0);
	} else if (failure->status == EVKV_NOT_FOUND) {
		disk->state = DISK_FAILED;
		disk->failure = *failure;
		disk->failed_ms = evkv_loop_now_ms(disk->loop);
	} else {
		life_down(disk, failure);
	}
	evkv__disk_release_waiting(disk);
}

/* ---- Work of its own ----------------------------------------------------- */

void evkv__disk_expiring(struct disk_store *disk, int64_t delay_ms)
{
	if (disk->sweep_ms < 0 || disk->sweeping ||
	    disk->sweep_timer.position != 0 || disk->state != DISK_READY)
		return;
	/* Without memory for a timer the next write tries again. */
	evkv_timer_set(disk->loop, &disk->sweep_timer, delay_ms);
}

void evkv__disk_dirty(struct disk_store *disk)
{
	if (disk->env->config.durability != DISK_OS_SYNC)
		return;
	disk->to_flush = true;
	if (disk->flush_timer.position == 0 && disk->state == DISK_READY)
		evkv_timer_set(disk->loop, &disk->flush_timer, disk->sync_ms);
}

static void life_sweep(void *arg)
{
	struct disk_store *disk = arg;

	if (disk->sweeping || disk->state != DISK_READY)
		return;
	disk->sweeping = true;
	memset(&disk->sweep_span, 0, sizeof(disk->sweep_span));
	*(&disk->sweep_job) = (struct disk_job){ .task = DISK_SWEEP,
		.base.request = &life_purge,
		.span = &disk->sweep_span,
		.now_ms = evkv_loop_wall_ms(disk->loop) };
	if (!evkv__disk_submit(disk, &disk->sweep_job, LANE_WRITER))
		disk->sweeping = false;
}

/*
 * Sleep until something expires, or for good if nothing will. One that failed
 * is done again after a while.
 */
static void life_swept(struct disk_store *disk)
{
	bool failed = disk->sweep_job.failure.status != EVKV_OK;
	int64_t next_ms = disk->sweep_span.removal.next_ms, delay_ms;

	disk->sweeping = false;
	if (failed)
		evkv_loop_log(disk->loop, EVKV_LOG_WARNING, "disk: sweep: %s",
		    disk->sweep_job.failure.message);
	if (next_ms == 0 && !failed)
		return;
	delay_ms = next_ms - evkv_loop_wall_ms(disk->loop);
	if (delay_ms > SWEEP_MAX_MS || failed)
		delay_ms = SWEEP_MAX_MS;
	if (delay_ms < disk->sweep_ms)
		delay_ms = disk->sweep_ms;
	evkv__disk_expiring(disk, delay_ms);
}

static void life_flush(void *arg)
{
	struct disk_store *disk = arg;

	if (disk->flushing || !disk->to_flush || disk->state != DISK_READY)
		return;
	disk->to_flush = false;
	disk->flushing = true;
	life_submit_own(disk, &disk->flush_job, DISK_FLUSH);
}

/*
 * The system tells of it once and then forgets what it could not write: a sync
 * that comes after would go well.
 */
static void life_flushed(struct disk_store *disk)
{
	disk->flushing = false;
	if (disk->flush_job.failure.status != EVKV_OK) {
		disk->unflushed = disk->flush_job.failure;
		evkv_loop_log(disk->loop, EVKV_LOG_ERROR, "disk: flush: %s",
		    disk->unflushed.message);
	}
	if (disk->to_flush)
		evkv__disk_dirty(disk);
}

/* ---- What is noticed while it runs --------------------------------------- */

void evkv__disk_look(struct disk_store *disk)
{
	struct file_failure failure;

	if (disk->state == DISK_READY &&
	    evkv__disk_watch_lost(disk->env, &failure))
		life_down(disk, &failure);
}

/*
 * A look at the files costs two system calls, as much as half a read: so the
 * inline reads of one turn share it.
 */
static void life_look_anew(void *arg)
{
	struct disk_store *disk = arg;

	disk->env->here.looked = false;
}

/*
 * While the writer has jobs: if it waits for another process's lock, say so,
 * after 1 s, 2 s, 4 s and so on, and have another thread in its place.
 */
static void life_watch_writer(void *arg)
{
	struct disk_store *disk = arg;
	int64_t waited = evkv__disk_wait_ms(disk->env, false);
	char holder[100];

	if (evkv_lane_jobs(disk->lanes[LANE_WRITER]) > 0)
		evkv_timer_set(disk->loop, &disk->wait_timer, WAIT_LOOK_MS);
	if (waited < WAIT_LOOK_MS) {
		disk->waits_told_ms = 0;
		return;
	}
	evkv_lane_relieve(disk->lanes[LANE_WRITER]);
	if (waited < disk->waits_told_ms * 2)
		return;
	disk->waits_told_ms = waited;
	evkv__disk_wait_holder(disk->env, holder, sizeof(holder));
	evkv_loop_log(disk->loop, EVKV_LOG_WARNING,
	    "disk: %s: writes wait since %lld ms for the lock in "
	    "g-%llu/lock.mdb, which %s has",
	    disk->env->config.path, (long long)waited,
	    (unsigned long long)disk->env->dir.generation, holder);
}

/* A flush that fails now has nobody else to be reported to. */
static void life_closed(struct disk_store *disk)
{
	disk->state = DISK_ENDED;
	if (disk->close_job.failure.status != EVKV_OK)
		evkv_loop_log(disk->loop, EVKV_LOG_ERROR, "disk: close: %s",
		    disk->close_job.failure.message);
}

void evkv__disk_own_done(struct disk_store *disk, struct disk_job *job)
{
	switch (job->task) {
	case DISK_OPEN: life_opened(disk); break;
	case DISK_SWEEP: life_swept(disk); break;
	case DISK_FLUSH: life_flushed(disk); break;
	case DISK_LEAVE: disk->leaving = false; break;
	case DISK_BACKUP: evkv__disk_backup_done(job); break;
	default: life_closed(disk); break;
	}
}

/* ---- Closing ------------------------------------------------------------- */

static void life_free_lanes(struct disk_store *disk)
{
	unsigned i, count = disk->lanes_count;

	disk->lanes_count = 0;
	for (i = 0; i < count; i++) {
		evkv_lane_free(disk->lanes[i]);
		disk->lanes[i] = NULL;
	}
}

static void life_release_env(void *arg)
{
	struct disk_env *env = arg;

	evkv__disk_env_close(env);
	evkv__disk_env_free(env);
}

/*
 * The writer waits for another process's lock: go without it. It takes the
 * environment along, and with it the locks: until it has got that lock and has
 * returned the directory can't be opened in this process.
 */
static void life_abandon(struct disk_store *disk)
{
	struct evkv_lane *writer = disk->lanes[LANE_WRITER];
	struct disk_env *env = disk->env;

	evkv_loop_log(disk->loop, EVKV_LOG_ERROR,
	    "disk: %s: closed while a write waits for another process's lock "
	    "in g-%llu/lock.mdb; that write is left behind",
	    env->config.path, (unsigned long long)env->dir.generation);
	disk->lanes[LANE_WRITER] = NULL;
	disk->state = DISK_ENDED;
	disk->ending = true;
	life_free_lanes(disk);
	disk->env = NULL;
	evkv_lane_abandon(writer, life_release_env, env);
	evkv_store_closed(disk->store);
}

/* Have a reader's thread look whether the writer is stuck. */
static void life_leave(struct disk_store *disk)
{
	if (disk->leaving || disk->out == 0)
		return;
	disk->leaving = true;
	disk->leave_job = (struct disk_job){ .task = DISK_LEAVE };
	if (evkv_lane_relieve(disk->lanes[LANE_WRITER]) &&
	    evkv_lane_submit(disk->lanes[LANE_WRITER + 1],
		&disk->leave_job.base.job))
		return;
	/* No thread for that: don't wait. */
	disk->leaving = false;
	if (evkv__disk_wait_leave(disk->env))
		evkv__disk_maybe_end(disk);
}

void evkv__disk_maybe_end(struct disk_store *disk)
{
	if (disk->state < DISK_ENDING || disk->ending)
		return;
	if (evkv__disk_wait_left(disk->env)) {
		if (!disk->leaving && disk->backups == 0)
			life_abandon(disk);
		return;
	}
	if (disk->out > 0) {
		life_leave(disk);
		return;
	}
	if (disk->state == DISK_ENDING) {
		life_submit_own(disk, &disk->close_job, DISK_CLOSE);
		return;
	}
	disk->ending = true;
	life_free_lanes(disk);
	evkv_store_closed(disk->store);
}

void evkv__disk_close(void *self)
{
	struct disk_store *disk = self;

	evkv_timer_cancel(disk->loop, &disk->sweep_timer);
	evkv_timer_cancel(disk->loop, &disk->flush_timer);
	evkv_timer_cancel(disk->loop, &disk->wait_timer);
	evkv_task_cancel(disk->loop, &disk->look_task);
	disk->state = DISK_ENDING;
	__atomic_store_n(&disk->env->stop, true, __ATOMIC_RELAXED);
	evkv__disk_copy_cancel(disk->env);
	if (disk->sweeping && !evkv_job_withdraw(&disk->sweep_job.base.job))
		evkv_job_stop(&disk->sweep_job.base.job);
	evkv__disk_maybe_end(disk);
}

void evkv__disk_free(void *self)
{
	struct disk_store *disk = self;

	life_free_lanes(disk);
	evkv__lane_order_free(&disk->dispatch.order);
	evkv_executor_unref(disk->executor);
	if (disk->env != NULL)
		evkv__disk_env_free(disk->env);
	evkv_free(disk);
}

/* ---- Making -------------------------------------------------------------- */

static bool life_dispatch(void *store, struct file_job *base, unsigned lane)
{
	struct disk_store *disk = store;
	struct disk_job *job = (struct disk_job *)base;

	job->now_ms = file_wall_ms(&disk->wall, disk->loop);
	return evkv__disk_submit(disk, job, lane);
}

bool evkv__disk_init(struct disk_store *disk, struct evkv_loop *loop,
    const struct evkv_disk_options *options, struct evkv_error *error)
{
	unsigned readers = options->readers > 0 ? (unsigned)options->readers
						: 1;
	struct disk_env *env = disk->env;
	struct disk_worker *workers;
	unsigned i;

	disk->loop = loop;
	disk->inline_reads = options->inline_reads;
	disk->sweep_ms = options->sweep_ms != 0 ? options->sweep_ms : 1000;
	disk->sync_ms = options->sync_ms > 0 ? options->sync_ms : 1000;
	disk->sweep_timer.run = life_sweep;
	disk->sweep_timer.arg = disk;
	disk->flush_timer.run = life_flush;
	disk->flush_timer.arg = disk;
	disk->wait_timer.run = life_watch_writer;
	disk->wait_timer.arg = disk;
	disk->look_task.run = life_look_anew;
	disk->look_task.arg = disk;
	evkv__file_dispatch_init(&disk->dispatch, loop, life_dispatch, disk);
	disk->executor = evkv_executor_ref(options->executor != NULL
		? options->executor
		: evkv_loop_executor(loop, error));
	workers = env->workers = evkv_calloc(readers + 1, sizeof(*workers));
	if (disk->executor == NULL || workers == NULL)
		return false;
	workers[LANE_WRITER].units = evkv_calloc(DISK_GROUP_UNITS,
	    sizeof(struct disk_unit));
	if (workers[LANE_WRITER].units == NULL)
		return false;
	evkv__disk_reader_add(env, &env->here);
	for (i = 0; i <= readers; i++) {
		workers[i].env = env;
		workers[i].owner = disk;
		evkv__disk_reader_add(env, &workers[i].reader);
		disk->lanes[i] = evkv_lane_new(loop, disk->executor,
		    &(struct evkv_lane_config){
			.run = i == LANE_WRITER ? evkv__disk_run_writer
						: evkv__disk_run_readers,
			.done = evkv__disk_done,
			.arg = &workers[i],
			.max_batch = i == LANE_WRITER ? DISK_GROUP_UNITS : 64,
			.max_jobs = SIZE_MAX,
		    },
		    error);
		if (disk->lanes[i] == NULL)
			return false;
		disk->lanes_count++;
	}
	disk->dispatch.readers = readers;
	return true;
}
