/*
 * engines/executor/port.c - the two crossings between a loop and an executor.
 *
 * Down: what is submitted in a turn gathers in its lanes; a task at the end of
 * the turn moves all of it into the queues under one lock and wakes one worker.
 * Up: a worker appends its batch to `finished` and posts to the loop only if no
 * post is on its way, so the loop is woken once however many batches follow.
 * The post is the port's own and needs no memory: a job always comes back.
 *
 * The loop takes at most DELIVER_BUDGET jobs in one go and leaves the rest to a
 * task, so that it gets back to its other events in between.
 *
 * A port is attached to its loop and ends with it, when all lanes are gone.
 */
#include "engines/executor/port.h"

#define DELIVER_BUDGET 512

static const char default_key;

void evkv__port_finish(struct executor_port *port, struct job_list *jobs)
{
	bool post;

	if (jobs->first == NULL)
		return;
	pthread_mutex_lock(&port->mutex);
	job_move(&port->finished, jobs);
	post = !port->posted;
	port->posted = true;
	pthread_mutex_unlock(&port->mutex);
	/* The lane is running until later, so loop and port are still there. */
	if (post)
		evkv_loop_post_owned(port->loop, &port->post);
}

/* Give the jobs at the head of a list that are of one lane to that lane. */
static size_t port_deliver_run(struct job_list *list)
{
	struct evkv_lane *lane = list->first->lane;
	struct evkv_job *jobs = list->first, *last = jobs;
	size_t count = 1;

	while (count < DELIVER_BUDGET && last->next != NULL &&
	    last->next->lane == lane) {
		last = last->next;
		job_fetch_ahead(last);
		count++;
	}
	list->first = last->next;
	list->count -= count;
	if (list->first == NULL)
		list->last = NULL;
	last->next = NULL;
	evkv__lane_deliver(lane, jobs, count);
	return count;
}

static void port_deliver(void *arg)
{
	struct executor_port *port = arg;
	size_t count = 0;

	while (port->back.first != NULL && count < DELIVER_BUDGET)
		count += port_deliver_run(&port->back);
	if (port->back.first != NULL)
		evkv_task_queue(port->loop, &port->deliver);
}

static void port_posted(void *arg)
{
	struct executor_port *port = arg;

	pthread_mutex_lock(&port->mutex);
	port->posted = false;
	job_move(&port->back, &port->finished);
	pthread_mutex_unlock(&port->mutex);
	port_deliver(port);
}

static void port_handover(void *arg)
{
	struct executor_port *port = arg;
	struct evkv_executor *executor = port->executor;
	struct evkv_lane *lane;

	pthread_mutex_lock(&executor->mutex);
	while ((lane = port->dirty) != NULL) {
		port->dirty = lane->next_dirty;
		lane->dirty = false;
		job_move(&lane->queue, &lane->fresh);
		evkv__executor_ready(executor, lane);
	}
	evkv__executor_unlock(executor);
}

static void port_release(void *thing)
{
	struct executor_port *port = thing;

	evkv_task_cancel(port->loop, &port->handover);
	evkv_task_cancel(port->loop, &port->deliver);
	evkv_executor_unref(port->executor);
	pthread_mutex_destroy(&port->mutex);
	evkv_free(port);
}

struct executor_port *evkv__port_get(struct evkv_loop *loop,
    struct evkv_executor *executor)
{
	struct executor_port *port = evkv_loop_attachment(loop, executor);

	if (port != NULL)
		return port;
	port = evkv_calloc(1, sizeof(*port));
	if (port == NULL)
		return NULL;
	port->loop = loop;
	port->executor = executor;
	port->handover = (struct evkv_task){ .run = port_handover,
		.arg = port };
	port->deliver = (struct evkv_task){ .run = port_deliver, .arg = port };
	port->post = (struct evkv_post){ .run = port_posted, .arg = port };
	pthread_mutex_init(&port->mutex, NULL);
	if (!evkv_loop_attach(loop, executor, port, port_release)) {
		pthread_mutex_destroy(&port->mutex);
		evkv_free(port);
		return NULL;
	}
	evkv_executor_ref(executor);
	return port;
}

/* ---- The executor of a loop ---------------------------------------------- */

static void default_release(void *thing)
{
	evkv_executor_unref(thing);
}

bool evkv_loop_set_executor(struct evkv_loop *loop,
    struct evkv_executor *executor)
{
	if (loop == NULL || executor == NULL ||
	    evkv_loop_attachment(loop, &default_key) != NULL ||
	    !evkv_loop_attach(loop, &default_key, executor, default_release))
		return false;
	evkv_executor_ref(executor);
	return true;
}

struct evkv_executor *evkv_loop_executor(struct evkv_loop *loop,
    struct evkv_error *error)
{
	struct evkv_executor *executor;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "executor: loop is NULL");
		return NULL;
	}
	executor = evkv_loop_attachment(loop, &default_key);
	if (executor != NULL)
		return executor;
	executor = evkv_executor_new(NULL, error);
	if (executor == NULL)
		return NULL;
	if (evkv_loop_attach(loop, &default_key, executor, default_release))
		return executor;
	evkv_executor_unref(executor);
	evkv_error_set(error, EVKV_NOMEM, "no memory for an executor");
	return NULL;
}
