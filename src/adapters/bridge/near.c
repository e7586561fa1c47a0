/*
 * adapters/bridge/near.c - the end that is a store.
 *
 * A stop withdraws a job that is still queued; one that the far end has taken
 * counts as sent, and is canceled there. Closing does not wait for the far end,
 * which may have stopped running: ops are completed, their jobs are left to it.
 */
#include "adapters/bridge/bridge.h"

#include "adapters/sync/sync.h"
#include "core/op.h"

/* ---- Life --------------------------------------------------------------- */

static void bridge_free(struct bridge *bridge)
{
	pthread_mutex_destroy(&bridge->mutex);
	evkv_free(bridge);
}

void evkv__bridge_unref_locked(struct bridge *bridge)
{
	bool last = --bridge->refs == 0;

	pthread_mutex_unlock(&bridge->mutex);
	if (last)
		bridge_free(bridge);
}

void evkv__bridge_unref(struct bridge *bridge)
{
	pthread_mutex_lock(&bridge->mutex);
	evkv__bridge_unref_locked(bridge);
}

static void values_unref(const struct evkv_request *request)
{
	size_t i;

	if (request->counted_values == NULL)
		return;
	for (i = 0; i < request->count; i++)
		evkv_value_unref(request->counted_values[i]);
}

/* With the reference on its bridge. */
void evkv__bridge_job_free(struct bridge_job *job)
{
	struct bridge *bridge = job->bridge;

	values_unref(job->request);
	evkv_sync_result_free(job->result);
	evkv_free(job);
	evkv__bridge_unref(bridge);
}

static struct bridge_job *job_new(struct bridge *bridge, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct bridge_job *job = evkv_malloc(sizeof(*job) +
	    evkv__request_copy_size(request));
	size_t i;

	if (job == NULL)
		return NULL;
	memset(job, 0, sizeof(*job));
	job->bridge = bridge;
	job->op = op;
	job->request = evkv__request_copy(job->bytes, request);
	for (i = 0; i < request->count && request->counted_values != NULL; i++)
		evkv_value_ref(request->counted_values[i]);
	return job;
}

/* ---- There -------------------------------------------------------------- */

static enum evkv_verdict bridge_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct bridge *bridge = arg;
	struct bridge_job *job = job_new(bridge, op, request);
	bool dead;

	if (job == NULL)
		return evkv_op_nomem(op);
	evkv_op_set_data(op, job);
	pthread_mutex_lock(&bridge->mutex);
	bridge->refs++;
	dead = bridge->far_dead;
	if (!dead) {
		STAILQ_INSERT_TAIL(&bridge->in, job, link);
		evkv__bridge_post_in(bridge);
	}
	pthread_mutex_unlock(&bridge->mutex);
	if (dead) {
		evkv__bridge_job_free(job);
		return evkv_op_fail(op, EVKV_CLOSED, EVKV_CAUSE_CLOSED,
		    "the loop of the store is gone");
	}
	LIST_INSERT_HEAD(&bridge->jobs, job, near_link);
	return EVKV_VERDICT_PENDING;
}

static void bridge_stop(void *arg, struct evkv_op *op)
{
	struct bridge *bridge = arg;
	struct bridge_job *job = evkv_op_data(op);
	bool withdrawn = false;

	pthread_mutex_lock(&bridge->mutex);
	if (job->state == BRIDGE_QUEUED) {
		STAILQ_REMOVE(&bridge->in, job, bridge_job, link);
		withdrawn = true;
	} else if (job->state == BRIDGE_TAKEN && !job->stopped &&
	    !bridge->far_dead) {
		job->stopped = true;
		TAILQ_INSERT_TAIL(&bridge->stops, job, stop_link);
		evkv__bridge_post_in(bridge);
	}
	pthread_mutex_unlock(&bridge->mutex);
	if (!withdrawn) {
		evkv_op_mark_sent(op);
		return;
	}
	LIST_REMOVE(job, near_link);
	evkv__bridge_job_free(job);
	evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}

/* ---- And back ----------------------------------------------------------- */

static void take_keys(struct evkv_op *op, const struct evkv_result *result)
{
	const struct evkv_entry *from;
	struct evkv_entry *to;
	size_t i;

	for (i = 0; i < evkv_op_entry_count(op); i++) {
		to = evkv_op_entry(op, i);
		if (i >= result->count) {
			to->status = result->status;
			continue;
		}
		from = evkv_result_entry(result, i);
		if (from->value != NULL)
			evkv_op_give_value(op, i, evkv_value_ref(from->value));
		to->status = from->status;
		to->flags = from->flags;
		to->ttl_ms = from->ttl_ms;
		to->number = from->number;
		to->version = from->version;
	}
}

static void take_names(struct evkv_op *op, const struct evkv_result *result)
{
	size_t i;

	for (i = 0; i < result->count; i++) {
		if (!evkv_op_add_name(op, evkv_result_entry(result, i)->name))
			return;
	}
	if (result->cursor.size > 0)
		evkv_op_set_cursor(op, result->cursor);
}

static void op_answer(struct evkv_op *op, const struct evkv_result *result)
{
	if (result == NULL) {
		evkv_op_cut(op, EVKV_NOMEM, EVKV_CAUSE_NOMEM, NULL);
		return;
	}
	if (evkv_failed(result->status))
		evkv_op_explain(op, result->cause, result->sys_error,
		    result->message);
	if ((evkv_kind_classes(evkv_op_result(op)->kind) &
		EVKV_CLASS_HAS_KEYS) != 0)
		take_keys(op, result);
	else if (evkv_failed(result->status))
		evkv_op_fail(op, result->status, result->cause,
		    result->message);
	else
		take_names(op, result);
	if (!evkv_failed(result->status))
		evkv_op_set_affected(op, result->affected);
}

static void job_end(struct bridge_job *job)
{
	struct evkv_op *op = job->op;

	if (op != NULL) {
		LIST_REMOVE(job, near_link);
		op_answer(op, job->result);
		evkv_op_complete(op);
	}
	evkv__bridge_job_free(job);
}

static void show_state(struct bridge *bridge)
{
	char message[sizeof(bridge->message)];
	enum evkv_state state;
	enum evkv_cause cause;

	pthread_mutex_lock(&bridge->mutex);
	state = bridge->state;
	cause = bridge->cause;
	memcpy(message, bridge->message, sizeof(message));
	bridge->state_changed = false;
	pthread_mutex_unlock(&bridge->mutex);
	if (bridge->node != NULL)
		evkv_store_set_state(bridge->node, state, cause, message);
}

static void back_run(void *arg)
{
	struct bridge *bridge = arg;
	struct bridge_job *job;
	bool changed;

	for (;;) {
		pthread_mutex_lock(&bridge->mutex);
		changed = bridge->state_changed;
		job = STAILQ_FIRST(&bridge->back);
		if (job != NULL)
			STAILQ_REMOVE_HEAD(&bridge->back, link);
		if (job == NULL && !changed)
			break;
		pthread_mutex_unlock(&bridge->mutex);
		if (changed)
			show_state(bridge);
		if (job != NULL)
			job_end(job);
	}
	bridge->back_posted = false;
	evkv__bridge_unref_locked(bridge);
}

void evkv__bridge_post_back(struct bridge *bridge)
{
	if (bridge->back_posted || bridge->near_dead)
		return;
	bridge->back_posted = true;
	bridge->refs++;
	evkv_loop_post_owned(bridge->near_loop, &bridge->back_post);
}

/* ---- The store ---------------------------------------------------------- */

/* Withdraw what is queued, and leave to the far end what it has. */
static bool job_abandon(struct bridge *bridge, struct bridge_job *job)
{
	bool ours;

	pthread_mutex_lock(&bridge->mutex);
	ours = job->state != BRIDGE_TAKEN;
	if (job->state == BRIDGE_QUEUED)
		STAILQ_REMOVE(&bridge->in, job, bridge_job, link);
	else if (job->state == BRIDGE_BACK)
		STAILQ_REMOVE(&bridge->back, job, bridge_job, link);
	job->op = NULL;
	pthread_mutex_unlock(&bridge->mutex);
	return ours;
}

static void bridge_close(void *arg)
{
	struct bridge *bridge = arg;
	struct bridge_job *job;
	struct evkv_op *op;

	while ((job = LIST_FIRST(&bridge->jobs)) != NULL) {
		LIST_REMOVE(job, near_link);
		op = job->op;
		if (job_abandon(bridge, job))
			evkv__bridge_job_free(job);
		evkv_op_cut(op, EVKV_CLOSED, EVKV_CAUSE_CLOSED, NULL);
		evkv_op_complete(op);
	}
	evkv_store_closed(bridge->node);
}

static void bridge_store_free(void *arg)
{
	struct bridge *bridge = arg;
	struct bridge_job *job;

	pthread_mutex_lock(&bridge->mutex);
	bridge->near_dead = true;
	bridge->node = NULL;
	if (!bridge->far_dead)
		evkv__bridge_post_detach(bridge);
	while ((job = STAILQ_FIRST(&bridge->back)) != NULL) {
		STAILQ_REMOVE_HEAD(&bridge->back, link);
		pthread_mutex_unlock(&bridge->mutex);
		evkv__bridge_job_free(job);
		pthread_mutex_lock(&bridge->mutex);
	}
	evkv__bridge_unref_locked(bridge);
}

static const struct evkv_vtable bridge_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "bridge",
	.submit = bridge_submit,
	.stop = bridge_stop,
	.close = bridge_close,
	.free = bridge_store_free,
};

static struct bridge *bridge_new(struct evkv_loop *loop,
    struct evkv_store *store)
{
	struct bridge *bridge = evkv_calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return NULL;
	pthread_mutex_init(&bridge->mutex, NULL);
	bridge->refs = 1;
	bridge->near_loop = loop;
	bridge->far_loop = evkv_store_loop(store);
	bridge->store = store;
	STAILQ_INIT(&bridge->in);
	STAILQ_INIT(&bridge->back);
	TAILQ_INIT(&bridge->stops);
	LIST_INIT(&bridge->jobs);
	bridge->back_post.run = back_run;
	bridge->back_post.arg = bridge;
	evkv__bridge_far_init(bridge);
	return bridge;
}

/* The constructor has failed: the reference goes back to where it is from. */
static void give_back(void *arg)
{
	evkv_store_unref(arg);
}

/* NULL, or why there can be no bridge. */
static const char *wrong_with(const struct evkv_loop *loop,
    const struct evkv_store *store)
{
	if (store == NULL)
		return "bridge: store is NULL";
	if (loop == NULL)
		return "bridge: loop is NULL";
	if (evkv_store_loop(store) == NULL)
		return "bridge: the loop of the store was freed";
	if (evkv_store_loop(store) == loop)
		return "bridge: the store is of this loop already";
	return NULL;
}

/* On the thread of the store's loop, which may be another one. */
static void consume(struct evkv_loop *loop, struct evkv_store *store)
{
	struct evkv_loop *far_loop = NULL;

	if (store != NULL)
		far_loop = evkv_store_loop(store);
	if (far_loop == NULL || far_loop == loop)
		evkv_store_unref(store);
	else
		evkv_loop_post(far_loop, give_back, store);
}

struct evkv_store *evkv_bridge_new(struct evkv_loop *loop,
    struct evkv_store *store, struct evkv_error *error)
{
	const char *why = wrong_with(loop, store);
	struct evkv_capabilities can;
	struct bridge *bridge = NULL;
	struct evkv_store *node;

	if (why != NULL) {
		evkv_error_set(error, EVKV_INVALID, "%s", why);
		consume(loop, store);
		return NULL;
	}
	bridge = bridge_new(loop, store);
	if (bridge == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "bridge: out of memory");
		consume(loop, store);
		return NULL;
	}
	can = *evkv_store_capabilities(store);
	can.flags &= ~(uint32_t)EVKV_STORE_IN_PROCESS;
	evkv__bridge_attach(bridge);
	node = evkv_store_create(loop, &bridge_vtable, bridge,
	    &(struct evkv_store_config){ .capabilities = &can }, error);
	if (node != NULL)
		bridge->node = node;
	return node;
}
