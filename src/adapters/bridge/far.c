/*
 * adapters/bridge/far.c - the end that serves: on the thread of the store's
 * loop.
 *
 * The far end has a handle of its own over the store, to watch its state. All
 * far ends of a loop are in a hub, which the loop carries: when the loop is
 * freed, the hub tells each near end that the far end is gone.
 */
#include "adapters/bridge/bridge.h"

#include <stdio.h>

#include "adapters/sync/sync.h"

struct hub {
	LIST_HEAD(, bridge) bridges;
};

static const char hub_key;

/* ---- The handle --------------------------------------------------------- */

static enum evkv_verdict far_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, arg, request);
}

static enum evkv_peek far_peek(void *arg, const struct evkv_request *request,
    struct evkv_value **value)
{
	return evkv_store_peek(arg, request, value);
}

static void far_free(void *arg)
{
	(void)arg;
}

static const struct evkv_vtable far_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "bridged",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = far_submit,
	.free = far_free,
	.peek = far_peek,
};

static void on_state(enum evkv_state state, enum evkv_cause cause,
    const char *message, void *arg)
{
	struct bridge *bridge = arg;

	pthread_mutex_lock(&bridge->mutex);
	bridge->state = state;
	bridge->cause = cause;
	snprintf(bridge->message, sizeof(bridge->message), "%s", message);
	bridge->state_changed = true;
	evkv__bridge_post_back(bridge);
	pthread_mutex_unlock(&bridge->mutex);
}

/* ---- Jobs --------------------------------------------------------------- */

/* Under the lock: hand it back, or keep it where it is abandoned. */
static bool hand_back(struct bridge *bridge, struct bridge_job *job)
{
	if (job->stopped)
		TAILQ_REMOVE(&bridge->stops, job, stop_link);
	job->stopped = false;
	if (job->op == NULL || bridge->near_dead)
		return false;
	job->state = BRIDGE_BACK;
	STAILQ_INSERT_TAIL(&bridge->back, job, link);
	evkv__bridge_post_back(bridge);
	return true;
}

static void job_back(struct bridge_job *job)
{
	struct bridge *bridge = job->bridge;
	bool handed;

	pthread_mutex_lock(&bridge->mutex);
	handed = hand_back(bridge, job);
	pthread_mutex_unlock(&bridge->mutex);
	if (!handed)
		evkv__bridge_job_free(job);
}

static void on_result(const struct evkv_result *result, void *arg)
{
	struct bridge_job *job = arg;

	job->result = evkv__result_copy(result);
	job_back(job);
}

/* The near end has the deadline. Not inline: the job may be gone then. */
static void job_begin(struct bridge_job *job)
{
	struct evkv_request request = *job->request;

	request.flags &= ~(uint32_t)EVKV_FLAG_INLINE;
	request.timeout_ms = -1;
	job->ticket = evkv_submit(job->bridge->store, &request, on_result, job);
	if (job->ticket == 0)
		job_back(job);
}

static void stops_run(struct bridge *bridge)
{
	struct bridge_job *job;
	evkv_ticket ticket;

	while ((job = TAILQ_FIRST(&bridge->stops)) != NULL) {
		TAILQ_REMOVE(&bridge->stops, job, stop_link);
		job->stopped = false;
		ticket = job->ticket;
		pthread_mutex_unlock(&bridge->mutex);
		evkv_cancel(bridge->far_loop, ticket);
		pthread_mutex_lock(&bridge->mutex);
	}
}

static void in_run(void *arg)
{
	struct bridge *bridge = arg;
	struct bridge_job *job;

	pthread_mutex_lock(&bridge->mutex);
	while (!bridge->far_dead && (job = STAILQ_FIRST(&bridge->in)) != NULL) {
		STAILQ_REMOVE_HEAD(&bridge->in, link);
		job->state = BRIDGE_TAKEN;
		pthread_mutex_unlock(&bridge->mutex);
		job_begin(job);
		pthread_mutex_lock(&bridge->mutex);
	}
	if (!bridge->far_dead)
		stops_run(bridge);
	bridge->in_posted = false;
	evkv__bridge_unref_locked(bridge);
}

void evkv__bridge_post_in(struct bridge *bridge)
{
	if (bridge->in_posted)
		return;
	bridge->in_posted = true;
	bridge->refs++;
	evkv_loop_post_owned(bridge->far_loop, &bridge->in_post);
}

/* ---- Life --------------------------------------------------------------- */

/* What is still queued has had no effect. */
static void refuse_queued(struct bridge *bridge)
{
	struct bridge_job *job;

	while ((job = STAILQ_FIRST(&bridge->in)) != NULL) {
		STAILQ_REMOVE_HEAD(&bridge->in, link);
		job->result = evkv__result_copy(&(const struct evkv_result){
		    .status = EVKV_CLOSED,
		    .cause = EVKV_CAUSE_CLOSED,
		    .kind = job->request->kind,
		    .message = "the loop of the store is gone",
		    .entry_size = sizeof(struct evkv_entry),
		});
		if (hand_back(bridge, job))
			continue;
		pthread_mutex_unlock(&bridge->mutex);
		evkv__bridge_job_free(job);
		pthread_mutex_lock(&bridge->mutex);
	}
}

/* The far end ends, because its loop is freed or because nothing uses it. */
static void far_end(struct bridge *bridge)
{
	struct evkv_store *store;

	if (bridge->in_hub) {
		LIST_REMOVE(bridge, hub_link);
		evkv_loop_release(bridge->far_loop);
	}
	bridge->in_hub = false;
	pthread_mutex_lock(&bridge->mutex);
	store = bridge->store;
	bridge->store = NULL;
	bridge->far_dead = true;
	refuse_queued(bridge);
	pthread_mutex_unlock(&bridge->mutex);
	evkv_store_set_state_cb(store, NULL, NULL);
	evkv_store_unref(store);
	on_state(EVKV_STATE_CLOSED, EVKV_CAUSE_CLOSED, "", bridge);
	evkv__bridge_unref(bridge);
}

static void hub_release(void *arg)
{
	struct hub *hub = arg;

	while (!LIST_EMPTY(&hub->bridges))
		far_end(LIST_FIRST(&hub->bridges));
	evkv_free(hub);
}

static struct hub *hub_of(struct evkv_loop *loop)
{
	struct hub *hub = evkv_loop_attachment(loop, &hub_key);

	if (hub != NULL)
		return hub;
	hub = evkv_malloc(sizeof(*hub));
	if (hub == NULL)
		return NULL;
	LIST_INIT(&hub->bridges);
	if (evkv_loop_attach(loop, &hub_key, hub, hub_release))
		return hub;
	evkv_free(hub);
	return NULL;
}

static void attach_run(void *arg)
{
	struct bridge *bridge = arg;
	struct hub *hub = hub_of(bridge->far_loop);
	struct evkv_store *node;

	if (hub == NULL) {
		far_end(bridge);
		return;
	}
	LIST_INSERT_HEAD(&hub->bridges, bridge, hub_link);
	bridge->in_hub = true;
	evkv_loop_hold(bridge->far_loop);
	node = evkv_store_create(NULL, &far_vtable, bridge->store,
	    &(struct evkv_store_config){
		.inner = &bridge->store, .inner_count = 1 },
	    NULL);
	bridge->store = node;
	if (node == NULL) {
		far_end(bridge);
		return;
	}
	evkv_store_set_timeout(node, 0);
	evkv_store_set_state_cb(node, on_state, bridge);
	on_state(evkv_store_state(node), EVKV_CAUSE_NONE, "", bridge);
}

static void detach_run(void *arg)
{
	struct bridge *bridge = arg;

	if (bridge->in_hub)
		far_end(bridge);
	evkv__bridge_unref(bridge);
}

void evkv__bridge_far_init(struct bridge *bridge)
{
	bridge->in_post.run = in_run;
	bridge->attach_post.run = attach_run;
	bridge->detach_post.run = detach_run;
	bridge->in_post.arg = bridge->attach_post.arg = bridge->detach_post
							    .arg = bridge;
}

/* The reference of the far end begins here. */
void evkv__bridge_attach(struct bridge *bridge)
{
	bridge->refs++;
	evkv_loop_post_owned(bridge->far_loop, &bridge->attach_post);
}

void evkv__bridge_post_detach(struct bridge *bridge)
{
	bridge->refs++;
	evkv_loop_post_owned(bridge->far_loop, &bridge->detach_post);
}
