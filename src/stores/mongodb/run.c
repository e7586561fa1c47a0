/*
 * stores/mongodb/run.c - what a worker does with the jobs of a lane.
 *
 * The keys of all jobs gather in a wave until one comes again on which
 * something writes, or until there are enough of them: so within a wave order
 * does not matter, and between waves it is kept. Of a wave all reads are one
 * find, all puts that depend on nothing one bulk write; what else there is goes
 * alone.
 */
#include <string.h>
#include <time.h>

#include "base/request.h"
#include "stores/mongodb/worker.h"

#define WAVE_BYTES (((size_t)16 << 20) - 65536) /* unless one is larger */
#define TABLE_SIZE 2048
#define WATCH_MS 50
#define WATCH_STEP_MS 1

_Static_assert(TABLE_SIZE >= 2 * MONGODB_WAVE, "the table would be full");

/* ---- State --------------------------------------------------------------- */

static bool worker_change(struct mongodb_worker *worker, int from, int to)
{
	return __atomic_compare_exchange_n(&worker->state, &from, to, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool evkv__mongodb_wait_begin(struct mongodb_worker *worker)
{
	return !__atomic_load_n(&worker->ending, __ATOMIC_ACQUIRE) &&
	    worker_change(worker, MONGODB_WORKING, MONGODB_WAITING);
}

bool evkv__mongodb_wait_end(struct mongodb_worker *worker)
{
	return worker_change(worker, MONGODB_WAITING, MONGODB_WORKING);
}

void evkv__mongodb_worker_end(struct mongodb_worker *worker)
{
	__atomic_store_n(&worker->ending, true, __ATOMIC_RELEASE);
}

bool evkv__mongodb_worker_leave(struct mongodb_worker *worker)
{
	return worker_change(worker, MONGODB_WAITING, MONGODB_LEFT);
}

struct mongodb_worker *evkv__mongodb_worker_new(struct mongodb_server *server,
    unsigned number)
{
	struct mongodb_worker *worker = evkv_calloc(1, sizeof(*worker));

	if (worker == NULL)
		return NULL;
	worker->server = server;
	worker->number = number;
	worker->wave.units = evkv_calloc(MONGODB_WAVE,
	    sizeof(*worker->wave.units));
	worker->wave.table = evkv_calloc(TABLE_SIZE,
	    sizeof(*worker->wave.table));
	worker->order = evkv_calloc(MONGODB_WAVE, sizeof(*worker->order));
	if (worker->wave.units != NULL && worker->wave.table != NULL &&
	    worker->order != NULL)
		return worker;
	evkv__mongodb_worker_free(worker);
	return NULL;
}

void evkv__mongodb_worker_free(void *arg)
{
	struct mongodb_worker *worker = arg;

	if (worker == NULL)
		return;
	evkv_free(worker->wave.units);
	evkv_free(worker->wave.table);
	evkv_free(worker->wave.ids.data);
	evkv_free(worker->command.data);
	evkv_free(worker->order);
	evkv_free(worker);
}

/* ---- Parts --------------------------------------------------------------- */

static void part_told(struct mongodb_part *part,
    const struct mongodb_failure *failure)
{
	if (part->failure.status == EVKV_OK)
		part->failure = *failure;
	part->contact = evkv__mongodb_error_contact(failure);
}

void evkv__mongodb_part_fail(struct mongodb_part *part,
    const struct mongodb_failure *failure)
{
	part_told(part, failure);
	for (uint32_t i = 0; i < part->count; i++)
		part->cells[mongodb_part_entry(part, i)].status = failure
								      ->status;
}

void evkv__mongodb_part_nomem(struct mongodb_part *part)
{
	static const struct mongodb_failure nomem = {
		.status = EVKV_NOMEM,
		.cause = EVKV_CAUSE_NOMEM,
		.message = "out of memory",
	};

	evkv__mongodb_part_fail(part, &nomem);
}

void evkv__mongodb_unit_fail(const struct mongodb_unit *unit,
    const struct mongodb_failure *failure)
{
	part_told(unit->part, failure);
	mongodb_unit_settle(unit, failure->status);
}

int64_t evkv__mongodb_time(const struct mongodb_worker *worker,
    const struct mongodb_part *part)
{
	int64_t most = worker->server->socket_ms;

	return part->time_ms > 0 && part->time_ms < most ? part->time_ms : most;
}

void evkv__mongodb_put_time(const struct mongodb_worker *worker,
    const struct mongodb_part *part, bson_t *options)
{
	BSON_APPEND_INT64(options, "maxTimeMS",
	    evkv__mongodb_time(worker, part));
}

/* ---- Waves --------------------------------------------------------------- */

static void wave_clear(struct mongodb_wave *wave)
{
	if (wave->count > 1)
		memset(wave->table, 0, TABLE_SIZE * sizeof(*wave->table));
	else if (wave->count == 1)
		wave->table[wave->units[0].hash % TABLE_SIZE] = 0;
	wave->count = wave->bytes = 0;
	evkv__mongodb_raw_clear(&wave->ids);
}

static enum mongodb_way way_of(const struct evkv_request *request)
{
	if (request->kind == EVKV_OP_PUT)
		return request->condition == EVKV_IF_ANY ||
			request->condition == EVKV_IF_ABSENT
		    ? MONGODB_BULK
		    : MONGODB_ALONE;
	return (evkv_kind_classes(request->kind) & EVKV_CLASS_WRITES) == 0
	    ? MONGODB_FIND
	    : MONGODB_ALONE;
}

/* Where a unit is in the table, or is to be. */
static uint16_t *wave_slot(const struct mongodb_worker *worker,
    struct evkv_slice id, uint64_t hash)
{
	const struct mongodb_wave *wave = &worker->wave;
	const struct mongodb_unit *unit;
	size_t at = hash % TABLE_SIZE;

	for (;; at = (at + 1) % TABLE_SIZE) {
		if (wave->table[at] == 0)
			return &wave->table[at];
		unit = &wave->units[wave->table[at] - 1];
		if (unit->hash == hash &&
		    evkv_slice_equal(mongodb_unit_id(worker, unit), id))
			return &wave->table[at];
	}
}

struct mongodb_unit *evkv__mongodb_wave_find(
    const struct mongodb_worker *worker, struct evkv_slice id)
{
	uint64_t hash = mongodb_hash(worker->server->instance, id);
	uint16_t number = *wave_slot(worker, id, hash);

	return number == 0 ? NULL : &worker->wave.units[number - 1];
}

/* Do what has gathered. */
static bool wave_do(struct mongodb_worker *worker)
{
	struct mongodb_wave *wave = &worker->wave;
	size_t i;

	if (wave->count == 0)
		return true;
	if (!evkv__mongodb_find(worker) || !evkv__mongodb_bulk(worker))
		return false;
	for (i = 0; i < wave->count; i++) {
		if (wave->units[i].way == MONGODB_ALONE &&
		    !evkv__mongodb_single(worker, &wave->units[i]))
			return false;
	}
	wave_clear(wave);
	evkv__mongodb_raw_clear(&worker->command);
	return true;
}

/* Put the unit, whose _id is behind the others, into the wave. */
static bool wave_enter(struct mongodb_worker *worker, struct mongodb_unit *unit)
{
	struct mongodb_wave *wave = &worker->wave;
	struct evkv_slice id = mongodb_unit_id(worker, unit);
	uint16_t *slot = wave_slot(worker, id, unit->hash);
	struct mongodb_unit *twin;

	if (*slot != 0) {
		twin = &wave->units[*slot - 1];
		if (unit->way != MONGODB_FIND || twin->way != MONGODB_FIND)
			return false;
		unit->again = true;
		unit->twin = twin->twin;
		twin->twin = (uint32_t)wave->count;
	} else {
		*slot = (uint16_t)(wave->count + 1);
	}
	wave->ids.size += unit->id_size;
	wave->units[wave->count++] = *unit;
	return true;
}

/* Have its _id stand behind the others; false = no memory. */
static bool unit_id(struct mongodb_worker *worker, struct mongodb_unit *unit)
{
	const struct evkv_request *request = unit->part->request;
	struct evkv_slice key = request->keys[mongodb_unit_entry(unit)];
	struct mongodb_raw *ids = &worker->wave.ids;

	if (!mongodb_raw_room(ids, mongodb_id_room(request->collection, key)))
		return false;
	unit->id_at = ids->size;
	unit->id_size = (uint32_t)evkv__mongodb_id_write(request->collection,
	    key, ids->data + ids->size);
	unit->hash = mongodb_hash(worker->server->instance,
	    mongodb_unit_id(worker, unit));
	return true;
}

static bool run_key(struct mongodb_worker *worker, struct mongodb_part *part,
    uint32_t key)
{
	struct mongodb_wave *wave = &worker->wave;
	size_t entry = mongodb_part_entry(part, key);
	size_t size = request_value(part->request, entry).size +
	    mongodb_id_room(part->request->collection,
		part->request->keys[entry]);
	struct mongodb_unit unit = { .part = part,
		.key = key,
		.twin = UINT32_MAX,
		.way = way_of(part->request) };

	if ((wave->count == worker->server->options.max_batch ||
		(wave->count > 0 && wave->bytes + size > WAVE_BYTES)) &&
	    !wave_do(worker))
		return false;
	for (;;) {
		if (!unit_id(worker, &unit)) {
			mongodb_unit_settle(&unit, EVKV_NOMEM);
			return true;
		}
		if (wave_enter(worker, &unit))
			break;
		if (!wave_do(worker))
			return false;
	}
	wave->bytes += size;
	return true;
}

/* ---- Jobs ---------------------------------------------------------------- */

static bool run_span(struct mongodb_worker *worker, struct mongodb_part *part)
{
	if (part->task == MONGODB_INDEX)
		return evkv__mongodb_make_index(worker, part);
	switch (part->request->kind) {
	case EVKV_OP_KEYS: return evkv__mongodb_keys(worker, part);
	case EVKV_OP_COLLECTIONS:
		return evkv__mongodb_collections(worker, part);
	case EVKV_OP_CLEAR: return evkv__mongodb_clear(worker, part);
	case EVKV_OP_CLEAR_ALL: return evkv__mongodb_clear_all(worker, part);
	case EVKV_OP_PURGE_EXPIRED: return evkv__mongodb_purge(worker, part);
	default: return evkv__mongodb_ping(worker, part);
	}
}

static bool run_jobs(struct mongodb_worker *worker, struct evkv_job *jobs)
{
	struct mongodb_part *part;
	struct evkv_job *job;
	uint32_t i;

	for (job = jobs; job != NULL; job = evkv_job_next(job)) {
		part = (struct mongodb_part *)job;
		part->contact = MONGODB_REACHED;
		if (part->cells == NULL && !run_span(worker, part))
			return false;
		for (i = 0; part->cells != NULL && i < part->count; i++) {
			if (!run_key(worker, part, i))
				return false;
		}
	}
	return wave_do(worker);
}

static void run_failed(struct evkv_job *jobs,
    const struct mongodb_failure *failure)
{
	for (; jobs != NULL; jobs = evkv_job_next(jobs))
		evkv__mongodb_part_fail((struct mongodb_part *)jobs, failure);
}

/* ---- The end ------------------------------------------------------------- */

/* Whether what this lane watches is still at work. */
static bool watch_goes_on(const struct mongodb_lane *lane)
{
	const struct mongodb_store *store = lane->store;
	const struct mongodb_lane *other;
	unsigned i;

	if (store->release_asked)
		return !__atomic_load_n(&store->release_part.done,
		    __ATOMIC_ACQUIRE);
	for (i = 0; i < store->lane_count; i++) {
		other = &store->lanes[i];
		if (other != lane && other->worker != NULL &&
		    __atomic_load_n(&other->worker->state, __ATOMIC_ACQUIRE) !=
			MONGODB_IDLE)
			return true;
	}
	return false;
}

/* A server that answers is not to be left in a hurry. */
static void run_watch(const struct mongodb_lane *lane,
    struct mongodb_part *part)
{
	const struct timespec step = { 0, WATCH_STEP_MS * 1000000 };
	int waited;

	for (waited = 0; waited < WATCH_MS && watch_goes_on(lane);
	     waited += WATCH_STEP_MS)
		nanosleep(&step, NULL);
	part->done = true;
}

/* The last of all jobs: the pool is freed on this thread. */
static void run_release(struct mongodb_worker *worker,
    struct mongodb_part *part)
{
	worker_change(worker, MONGODB_IDLE, MONGODB_WAITING);
	evkv__mongodb_server_unref(worker->server);
	if (worker_change(worker, MONGODB_WAITING, MONGODB_IDLE))
		__atomic_store_n(&part->done, true, __ATOMIC_RELEASE);
}

static void run_parts(struct mongodb_worker *worker, struct evkv_job *jobs)
{
	struct mongodb_failure failure = { .status = EVKV_OK };
	struct mongodb_server *server = worker->server;
	bool left;

	worker_change(worker, MONGODB_IDLE, MONGODB_WORKING);
	evkv__mongodb_server_ref(server);
	left = !evkv__mongodb_server_client(worker, &failure);
	if (!left && failure.status != EVKV_OK)
		run_failed(jobs, &failure);
	else if (!left)
		left = !run_jobs(worker, jobs);
	if (left)
		wave_clear(&worker->wave);
	for (; !left && jobs != NULL; jobs = evkv_job_next(jobs))
		((struct mongodb_part *)jobs)->done = true;
	evkv__mongodb_server_unref(server);
	worker_change(worker, MONGODB_WORKING, MONGODB_IDLE);
}

void evkv__mongodb_run(struct evkv_job *jobs, void *arg)
{
	struct mongodb_part *part = (struct mongodb_part *)jobs;
	/* The lane, unlike its worker, may be gone when a call returns. */
	struct mongodb_lane *lane = arg;

	if (part->task == MONGODB_WATCH)
		run_watch(lane, part);
	else if (part->task == MONGODB_RELEASE)
		run_release(lane->worker, part);
	else
		run_parts(lane->worker, jobs);
}
