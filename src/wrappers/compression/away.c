/*
 * wrappers/compression/away.c - values that are too large for the loop's
 * thread, by a worker of the loop's executor.
 *
 * A put: its inputs are kept, the worker makes what is to be stored of all of
 * its values, and a child puts that. What is answered: a child asks the inner
 * store; small values of the answer are decoded here, and where there are large
 * ones the worker does those. Operations on one key keep their order, for the
 * wrapper is ordered for these kinds.
 *
 * Failures: where no worker can be had, all is done on the loop's thread. An
 * operation that is stopped while a worker has it has had no effect; what the
 * worker makes of it is thrown away.
 */
#include "wrappers/compression/compression.h"

#include "base/request.h"

struct item {
	size_t i;
	struct evkv_slice given;         /* put: the value */
	const struct evkv_value *stored; /* get: held by the op's entry */
	struct evkv_value *made;
	enum evkv_status status;
	const char *why;
};

struct away {
	struct evkv_job job;
	struct compression *self;
	struct evkv_op *op;
	bool puts;
	bool out; /* the executor has it */
	size_t count;
	struct item items[];
};

static struct away *away_of(struct evkv_job *job)
{
	return (struct away *)(void *)job; /* its first member */
}

/* ---- On the worker ------------------------------------------------------- */

static enum evkv_status item_put(struct codec *codec, struct item *item)
{
	struct evkv_slice stored = item->given;
	enum evkv_status status = EVKV_OK;
	struct evkv_value *room = NULL;
	void *data;

	if (compression_encodes(codec, item->given)) {
		room = evkv_value_new_uninit(compression_room(item->given),
		    &data);
		status = room != NULL
		    ? compression_encode(codec, item->given, data, &stored)
		    : EVKV_NOMEM;
	}
	/* A copy: the room is as large as the value was. */
	if (status == EVKV_OK)
		item->made = evkv_value_new(stored);
	evkv_value_unref(room);
	return item->made != NULL ? EVKV_OK : EVKV_NOMEM;
}

static void item_run(struct codec *codec, bool puts, struct item *item)
{
	if (puts)
		item->status = item_put(codec, item);
	else
		item->status = compression_decode(codec, item->stored,
		    &item->made, &item->why);
}

static void jobs_run(struct evkv_job *jobs, void *arg)
{
	struct compression *self = arg;
	struct evkv_job *job;
	struct away *away;
	size_t i;

	for (job = jobs; job != NULL; job = evkv_job_next(job)) {
		away = away_of(job);
		for (i = 0; i < away->count && !evkv_job_stopped(job); i++)
			item_run(&self->away, away->puts, &away->items[i]);
	}
}

/* ---- Back on the loop ----------------------------------------------------- */

static void items_free(struct away *away)
{
	size_t i;

	for (i = 0; i < away->count; i++) {
		evkv_value_unref(away->items[i].made);
		away->items[i].made = NULL;
	}
}

/* The op may be gone when this has completed it, and with it what it holds. */
static void on_put(struct evkv_op *child, void *arg)
{
	struct away *away = arg;
	struct evkv_op *op = away->op;

	items_free(away);
	if (child != NULL)
		evkv_op_take_all(op, child);
	else
		evkv_op_nomem(op);
	evkv_op_complete(op);
}

/* The values are the child's, as far as it needs them. */
static void put_child(struct away *away)
{
	struct evkv_op *op = away->op;
	struct evkv_request put = *evkv_op_request(op);
	struct evkv_value **values = evkv_op_alloc(op,
	    away->count * sizeof(struct evkv_value *));
	enum evkv_status status = values != NULL ? EVKV_OK : EVKV_NOMEM;
	size_t i;

	for (i = 0; i < away->count && status == EVKV_OK; i++) {
		values[i] = away->items[i].made;
		status = away->items[i].status;
	}
	if (status != EVKV_OK) {
		items_free(away);
		evkv_op_nomem(op);
		evkv_op_complete(op);
		return;
	}
	put.values = NULL;
	put.counted_values = values;
	put.timeout_ms = 0;
	evkv_child_submit(op, away->self->inner, &put, 0, on_put, away);
}

static void get_end(struct away *away)
{
	struct item *item;
	size_t i;

	for (i = 0; i < away->count; i++) {
		item = &away->items[i];
		compression_entry_end(away->op, item->i, item->status,
		    item->made, item->why);
	}
	evkv_op_settle(away->op);
	evkv_op_complete(away->op);
}

/* What is not waited for any more has had no effect, and will have none. */
static void away_end(struct away *away)
{
	struct evkv_op *op = away->op;

	if (evkv_op_detached(op) || evkv_job_withdrawn(&away->job)) {
		items_free(away);
		evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
		evkv_op_complete(op);
	} else if (away->puts) {
		put_child(away);
	} else {
		get_end(away);
	}
}

static void jobs_done(struct evkv_job *jobs, void *arg)
{
	struct evkv_job *job, *next;

	(void)arg;
	for (job = jobs; job != NULL; job = next) {
		next = evkv_job_next(job);
		away_of(job)->out = false;
		away_end(away_of(job));
	}
}

/* Each answer goes up when it is made, not with those behind it. */
static struct evkv_lane *lane_of(struct compression *self)
{
	struct evkv_loop *loop = evkv_store_loop(self->inner);
	const struct evkv_lane_config config = {
		.run = jobs_run, .done = jobs_done, .arg = self, .max_batch = 1
	};

	if (self->lane == NULL)
		self->lane = evkv_lane_new(loop, evkv_loop_executor(loop, NULL),
		    &config, NULL);
	return self->lane;
}

static struct away *away_new(struct compression *self, struct evkv_op *op,
    bool puts, size_t most)
{
	struct away *away = NULL;

	if (lane_of(self) != NULL)
		away = evkv_op_alloc(op,
		    sizeof(*away) + most * sizeof(struct item));
	if (away == NULL)
		return NULL;
	memset(away, 0, sizeof(*away) + most * sizeof(struct item));
	away->self = self;
	away->op = op;
	away->puts = puts;
	evkv_op_set_data(op, away);
	return away;
}

static bool away_send(struct away *away)
{
	away->out = evkv_lane_submit(away->self->lane, &away->job);
	return away->out;
}

/* ---- The ways in ---------------------------------------------------------- */

enum evkv_verdict compression_put_away(struct compression *self,
    struct evkv_op *op, const struct evkv_request *request)
{
	struct away *away;
	size_t i;

	if (!evkv_op_keep(op))
		return evkv_op_nomem(op);
	request = evkv_op_request(op);
	away = away_new(self, op, true, request->count);
	if (away == NULL)
		return evkv_wrapper_forward(op, request);
	for (i = 0; i < request->count; i++)
		away->items[i] = (struct item){ .i = i,
			.given = request_value(request, i) };
	away->count = request->count;
	return away_send(away) ? EVKV_VERDICT_PENDING
			       : evkv_wrapper_forward(op, request);
}

/* Those of the answer that zstd would take long for. */
static struct away *large_entries(struct compression *self, struct evkv_op *op)
{
	size_t count = evkv_op_entry_count(op), i;
	const struct evkv_value *value;
	struct away *away = NULL;

	for (i = 0; i < count; i++) {
		value = evkv_op_entry(op, i)->value;
		if (value == NULL ||
		    compression_work(&self->here, value) < self->offload_size)
			continue;
		if (away == NULL)
			away = away_new(self, op, false, count - i);
		if (away == NULL)
			return NULL;
		away->items[away->count++] = (struct item){ .i = i,
			.stored = value };
	}
	return away;
}

/* The value of entry i is decoded here, and its end is told. */
static void decode_here(struct compression *self, struct evkv_op *op, size_t i)
{
	enum evkv_status status;

	if (evkv_op_entry(op, i)->value == NULL)
		return;
	status = compression_entry_decode(self, op, NULL, i);
	if (status != EVKV_OK)
		compression_entry_end(op, i, status, NULL, NULL);
}

static void on_answer(struct evkv_op *child, void *arg)
{
	struct evkv_op *op = arg;
	struct compression *self = evkv_op_data(op);
	struct away *away;
	size_t i, n = 0;

	if (child == NULL) {
		evkv_op_nomem(op);
		evkv_op_complete(op);
		return;
	}
	evkv_op_take_all(op, child);
	away = large_entries(self, op);
	for (i = 0; i < evkv_op_entry_count(op); i++) {
		if (away != NULL && n < away->count && away->items[n].i == i)
			n++;
		else
			decode_here(self, op, i);
	}
	if (away != NULL && away_send(away))
		return;
	for (i = 0; away != NULL && i < away->count; i++)
		decode_here(self, op, away->items[i].i);
	evkv_op_settle(op);
	evkv_op_complete(op);
}

enum evkv_verdict compression_get(struct compression *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct evkv_request get = *request;

	get.timeout_ms = 0;
	evkv_op_set_data(op, self);
	evkv_child_submit(op, self->inner, &get, 0, on_answer, op);
	return EVKV_VERDICT_PENDING;
}

void compression_stop(void *arg, struct evkv_op *op)
{
	struct compression *self = arg;
	struct away *away = evkv_op_data(op);

	if (away == NULL || evkv_op_data(op) == self || !away->out)
		return;
	if (!evkv_job_withdraw(&away->job))
		evkv_job_stop(&away->job);
}
