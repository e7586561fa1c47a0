/*
 * stores/log/life.c - opening, the work of its own, and closing of a log.
 *
 * Opening and closing are jobs of the writer's lane, so that they are in order
 * with all else that changes files. The keeper is asked for one piece of its
 * work at a time, as fast as compactions may go.
 *
 * Closing: timers are cancelled; every op has been reported already, so what is
 * left are jobs that workers have taken. When the last of them is back the log
 * is closed by a job; when that is back the lanes are freed, which no longer
 * waits for anything, and the store has ended.
 */
#include "evkv/alloc.h"
#include "stores/log/log.h"

#define KEEP_MS 200 /* from a write to a look at what it left */
#define KEEP_FAILED_MS 10000
#define LOAD_MS 1000 /* how often a slow opening is logged */

static const struct evkv_request life_purge = { .kind = EVKV_OP_PURGE_EXPIRED };

bool evkv__log_submit(struct log_store *log, struct log_job *job, unsigned lane)
{
	job->base.lane = lane;
	if (!evkv_lane_submit(log->lanes[lane], &job->base.job))
		return false;
	log->out++;
	return true;
}

static bool life_submit_own(struct log_store *log, struct log_job *job,
    enum log_task task, unsigned lane)
{
	*job = (struct log_job){ .task = task,
		.base.request = &life_purge,
		.span = task == LOG_KEEP ? &log->keep_span : NULL,
		.now_ms = evkv_loop_wall_ms(log->loop) };
	return evkv__log_submit(log, job, lane);
}

/* ---- Opening ------------------------------------------------------------- */

static void life_down(struct log_store *log, const struct file_failure *failure)
{
	log->state = LOG_FAILED;
	log->failure = *failure;
	log->failed_ms = evkv_loop_now_ms(log->loop);
	evkv_loop_log(log->loop, EVKV_LOG_ERROR, "log: %s", failure->message);
	evkv_store_set_state(log->store, EVKV_STATE_DOWN, file_cause(failure),
	    failure->message);
}

void evkv__log_start(struct log_store *log)
{
	struct file_job *job;

	log->state = LOG_OPENING;
	log->collection.size = -1;
	for (job = log->dispatch.waiting.first; job != NULL; job = job->next)
		((struct log_job *)job)->tried = true;
	life_submit_own(log, &log->open_job, LOG_OPEN, LANE_WRITER);
	evkv_timer_set(log->loop, &log->load_timer, LOAD_MS);
}

/* It takes long only where index files are missing. */
static void life_loading(void *arg)
{
	struct log_store *log = arg;
	const struct log_counts *counts = &log->env->counts;
	uint64_t done = __atomic_load_n(&counts->scanned, __ATOMIC_RELAXED);

	if (log->state != LOG_OPENING)
		return;
	evkv_loop_log(log->loop, EVKV_LOG_INFO,
	    "log: %s: opening: data files without an index file are read, at "
	    "byte %llu of the present one",
	    log->env->config.path, (unsigned long long)done);
	evkv_timer_set(log->loop, &log->load_timer, LOAD_MS);
}

static void life_note(struct log_store *log)
{
	const struct log_env *env = log->env;

	if (env->notes[0] != '\0')
		evkv_loop_log(log->loop, EVKV_LOG_WARNING, "log: %s",
		    env->notes);
	if (log->inline_reads && !env->nowait)
		evkv_loop_log(log->loop, EVKV_LOG_INFO,
		    "log: %s: the file system can't read without waiting, so "
		    "all reads go to a worker",
		    env->config.path);
}

static void life_opened(struct log_store *log)
{
	const struct file_failure *failure = &log->open_job.failure;

	evkv_timer_cancel(log->loop, &log->load_timer);
	if (log->state == LOG_ENDING)
		return;
	if (failure->status == EVKV_OK) {
		log->state = LOG_READY;
		evkv_store_set_state(log->store, EVKV_STATE_READY,
		    EVKV_CAUSE_NONE, NULL);
		life_note(log);
		evkv__log_expiring(log, log->sweep_ms);
		evkv__log_dirty(log);
	} else {
		life_down(log, failure);
	}
	evkv__log_release_waiting(log);
}

/* ---- Work of its own ----------------------------------------------------- */

void evkv__log_expiring(struct log_store *log, int64_t delay_ms)
{
	if (log->sweep_ms < 0 || log->sweeping ||
	    log->sweep_timer.position != 0 || log->state != LOG_READY)
		return;
	/* Without memory for a timer the next write tries again. */
	evkv_timer_set(log->loop, &log->sweep_timer, delay_ms);
}

static void life_keep_in(struct log_store *log, int64_t delay_ms)
{
	if (log->compact_rate > 0 && !log->keeping &&
	    log->keep_timer.position == 0 && log->state == LOG_READY)
		evkv_timer_set(log->loop, &log->keep_timer, delay_ms);
}

void evkv__log_dirty(struct log_store *log)
{
	log->to_keep = true;
	life_keep_in(log, KEEP_MS);
	if (log->env->config.durability != LOG_SYNC_OS)
		return;
	log->to_flush = true;
	if (log->flush_timer.position == 0 && log->state == LOG_READY)
		evkv_timer_set(log->loop, &log->flush_timer, log->sync_ms);
}

static void life_keep(void *arg)
{
	struct log_store *log = arg;

	if (log->keeping || log->state != LOG_READY)
		return;
	log->to_keep = false;
	log->keep_span.copied = 0;
	log->keeping = life_submit_own(log, &log->keep_job, LOG_KEEP,
	    log_keeper(log));
}

/* Go on, at the rate that is allowed, or when something was written again. */
static void life_kept(struct log_store *log)
{
	const struct log_job *job = &log->keep_job;
	int64_t now_ms = evkv_loop_now_ms(log->loop);

	log->keeping = false;
	if (job->failure.status != EVKV_OK) {
		if (log->kept_failed_ms == 0 ||
		    now_ms - log->kept_failed_ms >= KEEP_FAILED_MS) {
			evkv_loop_log(log->loop, EVKV_LOG_WARNING,
			    "log: compaction: %s", job->failure.message);
			log->kept_failed_ms = now_ms;
		}
		life_keep_in(log, KEEP_FAILED_MS);
	} else if (!job->finished) {
		life_keep_in(log,
		    (int64_t)(log->keep_span.copied * 1000 /
			log->compact_rate));
	} else if (log->to_keep) {
		life_keep_in(log, KEEP_MS);
	}
}

static void life_sweep(void *arg)
{
	struct log_store *log = arg;

	if (log->sweeping || log->state != LOG_READY)
		return;
	if (log->sweep_span.removal.finished)
		memset(&log->sweep_span, 0, sizeof(log->sweep_span));
	log->sweep_job = (struct log_job){ .task = LOG_SWEEP,
		.base.request = &life_purge,
		.span = &log->sweep_span,
		.now_ms = evkv_loop_wall_ms(log->loop) };
	log->sweeping = evkv__log_submit(log, &log->sweep_job, LANE_WRITER);
}

/* As long as anything is there that expires. */
static void life_swept(struct log_store *log)
{
	log->sweeping = false;
	if (log->sweep_job.failure.status != EVKV_OK)
		evkv_loop_log(log->loop, EVKV_LOG_WARNING, "log: sweep: %s",
		    log->sweep_job.failure.message);
	if (log->sweep_span.removal.removed > 0)
		evkv__log_dirty(log);
	if (__atomic_load_n(&log->env->counts.expiring, __ATOMIC_RELAXED) > 0)
		evkv__log_expiring(log, log->sweep_ms);
}

static void life_flush(void *arg)
{
	struct log_store *log = arg;

	if (log->flushing || !log->to_flush || log->state != LOG_READY)
		return;
	log->to_flush = false;
	log->flushing = life_submit_own(log, &log->flush_job, LOG_FLUSH,
	    LANE_WRITER);
}

/*
 * The system tells of it once and then forgets what it could not write: a sync
 * that comes after would go well.
 */
static void life_flushed(struct log_store *log)
{
	log->flushing = false;
	if (log->flush_job.failure.status != EVKV_OK) {
		log->unflushed = log->flush_job.failure;
		evkv_loop_log(log->loop, EVKV_LOG_ERROR, "log: flush: %s",
		    log->unflushed.message);
	}
	if (log->to_flush)
		evkv__log_dirty(log);
}

/* A flush that fails now has nobody else to be reported to. */
static void life_closed(struct log_store *log)
{
	log->state = LOG_ENDED;
	if (log->close_job.failure.status != EVKV_OK)
		evkv_loop_log(log->loop, EVKV_LOG_ERROR, "log: close: %s",
		    log->close_job.failure.message);
}

void evkv__log_own_done(struct log_store *log, struct log_job *job)
{
	switch (job->task) {
	case LOG_OPEN: life_opened(log); break;
	case LOG_SWEEP: life_swept(log); break;
	case LOG_FLUSH: life_flushed(log); break;
	case LOG_KEEP: life_kept(log); break;
	default: life_closed(log); break;
	}
}

/* ---- Closing ------------------------------------------------------------- */

static void life_free_lanes(struct log_store *log)
{
	unsigned i, count = log->lanes_count;

	log->lanes_count = 0;
	for (i = 0; i < count; i++) {
		evkv_lane_free(log->lanes[i]);
		log->lanes[i] = NULL;
	}
}

void evkv__log_maybe_end(struct log_store *log)
{
	if (log->state < LOG_ENDING || log->ending || log->out > 0)
		return;
	if (log->state == LOG_ENDING) {
		life_submit_own(log, &log->close_job, LOG_CLOSE, LANE_WRITER);
		return;
	}
	log->ending = true;
	life_free_lanes(log);
	evkv_store_closed(log->store);
}

void evkv__log_store_close(void *self)
{
	struct log_store *log = self;

	evkv_timer_cancel(log->loop, &log->sweep_timer);
	evkv_timer_cancel(log->loop, &log->flush_timer);
	evkv_timer_cancel(log->loop, &log->keep_timer);
	evkv_timer_cancel(log->loop, &log->load_timer);
	log->state = LOG_ENDING;
	__atomic_store_n(&log->env->stop, true, __ATOMIC_RELAXED);
	if (log->keeping)
		evkv_job_withdraw(&log->keep_job.base.job);
	if (log->sweeping)
		evkv_job_withdraw(&log->sweep_job.base.job);
	evkv__log_maybe_end(log);
}

void evkv__log_store_free(void *self)
{
	struct log_store *log = self;
	unsigned i;

	life_free_lanes(log);
	for (i = 0; i < LOG_LANES_MAX; i++)
		evkv_free(log->workers[i].buffer.data);
	evkv_free(log->workers[LANE_WRITER].units);
	evkv__lane_order_free(&log->dispatch.order);
	evkv_executor_unref(log->executor);
	if (log->env != NULL) {
		evkv__log_close(log->env);
		evkv__log_group_free(log->env);
		evkv__log_env_free(log->env);
	}
	evkv_free(log);
}

/* ---- Making -------------------------------------------------------------- */

static void timer_init(struct evkv_timer *timer, void (*run)(void *arg),
    void *arg)
{
	timer->run = run;
	timer->arg = arg;
}

static bool life_lane(struct log_store *log, unsigned lane, unsigned keeper,
    struct evkv_error *error)
{
	struct log_worker *worker = &log->workers[lane];

	worker->env = log->env;
	worker->owner = log;
	log->lanes[lane] = evkv_lane_new(log->loop, log->executor,
	    &(struct evkv_lane_config){
		.run = lane == LANE_WRITER ? evkv__log_run_writer
		    : lane == keeper       ? evkv__log_run_keeper
					   : evkv__log_run_reader,
		.done = evkv__log_done,
		.arg = worker,
		.max_batch = lane == LANE_WRITER ? LOG_GROUP_UNITS
		    : lane == keeper             ? 1
						 : 64,
		.max_jobs = SIZE_MAX,
	    },
	    error);
	worker->lane = log->lanes[lane];
	log->lanes_count += log->lanes[lane] != NULL;
	return log->lanes[lane] != NULL;
}

static bool life_dispatch(void *store, struct file_job *base, unsigned lane)
{
	struct log_store *log = store;
	struct log_job *job = (struct log_job *)base;

	job->now_ms = file_wall_ms(&log->wall, log->loop);
	return evkv__log_submit(log, job, lane);
}

static uint64_t collection_hash(struct log_store *log,
    struct evkv_slice collection)
{
	struct log_collection_hash *last = &log->collection;

	if (last->size == (int)collection.size &&
	    (collection.size == 0 ||
		memcmp(last->name, collection.data, collection.size) == 0))
		return last->hash;
	last->size = (int)collection.size;
	if (collection.size > 0)
		memcpy(last->name, collection.data, collection.size);
	last->hash = evkv__log_collection_hash(&log->env->key, collection);
	return last->hash;
}

/* The writer needs it, too. */
static uint64_t life_hash(void *store, const struct evkv_request *request,
    size_t i, struct file_job *job)
{
	struct log_store *log = store;
	struct log_hash hash = evkv__log_hash_in(&log->env->key,
	    collection_hash(log, request->collection), request->keys[i]);

	if (job != NULL)
		((struct log_job *)job)->hash_high = hash.high;
	return hash.low;
}

bool evkv__log_init(struct log_store *log, struct evkv_loop *loop,
    const struct evkv_log_options *options, struct evkv_error *error)
{
	unsigned readers = options->readers > 0 ? (unsigned)options->readers
						: 1;
	unsigned i;

	log->loop = loop;
	log->inline_reads = options->reads == EVKV_LOG_READS_AUTO;
	log->sweep_ms = options->sweep_ms != 0 ? options->sweep_ms : 1000;
	log->sync_ms = options->sync_ms > 0 ? options->sync_ms : 1000;
	log->compact_rate = options->compact_bytes_per_s;
	timer_init(&log->sweep_timer, life_sweep, log);
	timer_init(&log->flush_timer, life_flush, log);
	timer_init(&log->keep_timer, life_keep, log);
	timer_init(&log->load_timer, life_loading, log);
	evkv__file_dispatch_init(&log->dispatch, loop, life_dispatch, log);
	log->dispatch.hash = life_hash;
	log->executor = evkv_executor_ref(options->executor != NULL
		? options->executor
		: evkv_loop_executor(loop, error));
	log->workers[LANE_WRITER].units = evkv_calloc(LOG_GROUP_UNITS,
	    sizeof(struct log_unit));
	if (log->executor == NULL || log->workers[LANE_WRITER].units == NULL)
		return false;
	for (i = 0; i < readers + 2; i++) {
		if (!life_lane(log, i, readers + 1, error))
			return false;
	}
	log->dispatch.readers = readers;
	return true;
}
