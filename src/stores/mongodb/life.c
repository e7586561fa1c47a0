/*
 * stores/mongodb/life.c - the making of a store, its index, and its end.
 *
 * The end, in tasks of the loop, for a lane can't be given up in done():
 *
 *   DRAINING   workers end before they would wait for the server again. For one
 *              that waits a moment is allowed, then its lane is given up, and
 *              its parts come back
 *   RELEASING  no part is out. A worker that was left behind lets go of the
 *              server when its call returns. Where there is none, a job of the
 *              last lane does, which takes seconds if the server is silent:
 *              after a moment this lane is given up, too
 *   ENDED      the lanes are freed, which waits for nothing
 *
 * The moment is a job that sleeps on a worker, and so passes in
 * evkv_loop_free(), too. Each job that comes back queues the next step.
 */
#include <string.h>

#include "stores/mongodb/log.h"
#include "stores/mongodb/store.h"

#define THREADS_MAX 64       /* of an executor */
#define INDEX_RETRY_MS 10000 /* between two tries to make the index */

/* ---- The index ----------------------------------------------------------- */

/* Beside the operations, once the server has answered one. */
static void index_make(struct mongodb_store *store)
{
	int64_t now_ms = evkv_loop_now_ms(store->loop);

	if (store->index_tried_ms != 0 &&
	    now_ms - store->index_tried_ms < INDEX_RETRY_MS)
		return;
	store->index = MONGODB_INDEX_OUT;
	store->index_tried_ms = now_ms;
	memset(&store->index_part, 0, sizeof(store->index_part));
	store->index_part.task = MONGODB_INDEX;
	evkv__mongodb_part_submit(store, &store->index_part,
	    mongodb_span_lane(store));
}

static void index_done(struct mongodb_store *store,
    const struct mongodb_part *part)
{
	store->index = MONGODB_INDEX_DUE;
	if (!part->done || part->contact == MONGODB_UNREACHED)
		return;
	store->index = MONGODB_INDEX_DONE;
	if (part->failure.status != EVKV_OK)
		evkv_loop_log(store->loop, EVKV_LOG_WARNING,
		    "no index on expires_at, so the server removes nothing "
		    "that has expired: %s",
		    part->failure.message);
}

/* ---- What is known of the server ----------------------------------------- */

void evkv__mongodb_contact(struct mongodb_store *store,
    const struct mongodb_part *part)
{
	bool reached = part->contact == MONGODB_REACHED;
	enum evkv_state state = reached ? EVKV_STATE_READY : EVKV_STATE_DOWN;

	if (part->contact == MONGODB_UNKNOWN || store->end != MONGODB_OPEN)
		return;
	if (reached && store->index == MONGODB_INDEX_DUE)
		index_make(store);
	if (state == store->state)
		return;
	store->state = state;
	evkv_store_set_state(store->store, state, part->failure.cause,
	    state == EVKV_STATE_DOWN ? part->failure.message : NULL);
}

void evkv__mongodb_own_done(struct mongodb_store *store,
    struct mongodb_part *part)
{
	switch (part->task) {
	case MONGODB_INDEX: index_done(store, part); break;
	case MONGODB_WATCH: store->watching = false; break;
	default: store->released = true;
	}
}

/* ---- The end ------------------------------------------------------------- */

/* Give up a lane whose worker will touch no part any more. */
static void lane_give_up(struct mongodb_lane *lane)
{
	struct evkv_lane *given = lane->lane;
	struct mongodb_worker *worker = lane->worker;

	lane->lane = NULL;
	lane->worker = NULL;
	evkv__mongodb_threads_left();
	evkv_lane_abandon(given, evkv__mongodb_threads_back, worker);
}

/* Allow the workers of all lanes but this a moment. */
static void end_watch(struct mongodb_store *store, unsigned lane)
{
	store->watched = store->watching = true;
	memset(&store->watch_part, 0, sizeof(store->watch_part));
	store->watch_part.task = MONGODB_WATCH;
	evkv__mongodb_part_submit(store, &store->watch_part, lane);
}

static bool lane_out(const struct mongodb_lane *lane)
{
	return lane->lane != NULL && evkv_lane_jobs(lane->lane) > 0;
}

/* Whether parts are out in none of the lanes. */
static bool end_drained(struct mongodb_store *store)
{
	unsigned last = mongodb_last_lane(store), i;
	bool drained = true;

	for (i = 0; i < last; i++) {
		if (!lane_out(&store->lanes[i]))
			continue;
		evkv__mongodb_worker_end(store->lanes[i].worker);
		if (store->watched && !store->watching &&
		    evkv__mongodb_worker_leave(store->lanes[i].worker))
			lane_give_up(&store->lanes[i]);
		else
			drained = false;
	}
	if (!drained && !store->watched)
		end_watch(store, last);
	return drained && !store->watching;
}

/* A lane with nothing to do; the last one where there is no other. */
static unsigned end_free_lane(const struct mongodb_store *store)
{
	unsigned last = mongodb_last_lane(store), i = 0;

	while (i < last && store->lanes[i].lane == NULL)
		i++;
	return i;
}

/* Whether nobody here has to do with the server any more. */
static bool end_released(struct mongodb_store *store)
{
	unsigned last = mongodb_last_lane(store);

	if (!store->release_asked) {
		store->release_asked = true;
		if (evkv__mongodb_server_drop(store->server)) {
			store->released = true;
		} else {
			store->release_part.task = MONGODB_RELEASE;
			evkv__mongodb_part_submit(store, &store->release_part,
			    last);
		}
		store->server = NULL;
	}
	if (store->watching || store->released)
		return store->released && !store->watching;
	if (store->watched &&
	    evkv__mongodb_worker_leave(store->lanes[last].worker)) {
		lane_give_up(&store->lanes[last]);
		return true;
	}
	end_watch(store, end_free_lane(store));
	return false;
}

static void lanes_free(struct mongodb_store *store)
{
	struct mongodb_lane *lane;
	unsigned i;

	for (i = 0; i < store->lane_count; i++) {
		lane = &store->lanes[i];
		if (lane->lane == NULL)
			continue;
		evkv_lane_free(lane->lane);
		evkv__mongodb_worker_free(lane->worker);
	}
	store->lane_count = 0;
}

static void end_step(void *arg)
{
	struct mongodb_store *store = arg;

	if (store->end == MONGODB_DRAINING && end_drained(store) &&
	    evkv__mongodb_log_end(store->log)) {
		store->end = MONGODB_RELEASING;
		store->watched = false;
	}
	if (store->end != MONGODB_RELEASING || !end_released(store))
		return;
	store->end = MONGODB_ENDED;
	evkv_task_cancel(store->loop, &store->end_task);
	lanes_free(store);
	if (store->own_executor)
		evkv__mongodb_threads_give(store->loop, store->executor);
	evkv_store_closed(store->store);
}

void evkv__mongodb_close(void *self)
{
	struct mongodb_store *store = self;

	store->end = MONGODB_DRAINING;
	if (store->index == MONGODB_INDEX_OUT)
		evkv_job_withdraw(&store->index_part.job);
	evkv_task_queue(store->loop, &store->end_task);
}

void evkv__mongodb_free(void *self)
{
	struct mongodb_store *store = self;

	lanes_free(store);
	/* Where it was never open, no worker has seen the server. */
	if (store->end == MONGODB_OPEN) {
		if (store->log != NULL)
			evkv__mongodb_log_end(store->log);
		if (store->own_executor && store->executor != NULL)
			evkv__mongodb_threads_give(store->loop,
			    store->executor);
		evkv__mongodb_server_unused(store->server);
	}
	evkv__mongodb_log_free(store->log);
	evkv_executor_unref(store->executor);
	evkv__mongodb_options_free(&store->options);
	evkv_free(store);
}

/* ---- The making ---------------------------------------------------------- */

static bool make_lane(struct mongodb_store *store, struct evkv_error *error)
{
	struct mongodb_lane *lane = &store->lanes[store->lane_count];

	lane->store = store;
	lane->worker = evkv__mongodb_worker_new(store->server,
	    store->lane_count);
	if (lane->worker == NULL)
		return false;
	lane->lane = evkv_lane_new(store->loop, store->executor,
	    &(struct evkv_lane_config){
		.run = evkv__mongodb_run,
		.done = evkv__mongodb_done,
		.arg = lane,
		.max_batch = MONGODB_WAVE,
		.max_jobs = SIZE_MAX,
	    },
	    error);
	if (lane->lane == NULL) {
		evkv__mongodb_worker_free(lane->worker);
		return false;
	}
	store->lane_count++;
	return true;
}

bool evkv__mongodb_init(struct mongodb_store *store,
    struct evkv_executor *executor, struct evkv_error *error)
{
	unsigned lanes = store->options.lanes + 2;
	bool made = true;

	store->seed = evkv_loop_random(store->loop);
	store->index = store->options.create_index ? MONGODB_INDEX_DUE
						   : MONGODB_INDEX_DONE;
	store->end_task = (struct evkv_task){ .run = end_step, .arg = store };
	store->server = evkv__mongodb_server_new(&store->options, store->loop);
	store->own_executor = executor == NULL;
	store->executor = executor != NULL
	    ? evkv_executor_ref(executor)
	    : evkv__mongodb_threads_take(store->loop,
		  lanes < THREADS_MAX ? lanes : THREADS_MAX);
	if (store->server != NULL)
		store->log = evkv__mongodb_server_log(store->server,
		    &store->end_task);
	made = store->executor != NULL && store->log != NULL;
	while (made && store->lane_count < lanes)
		made = make_lane(store, error);
	if (made)
		return true;
	evkv_error_set(error, EVKV_NOMEM, "mongodb: out of memory");
	return false;
}
