/*
 * tests/adapters/fixtures.c - a bridge to a memory store under the conformance
 * suite: the far loop has a thread, and the system's clock.
 */
#include <stdlib.h>

#include "evkv/adapters/bridge.h"
#include "evkv/stores/memory.h"
#include "far.h"
#include "suites.h"

static void bridge_setup(struct evkv_conformance *run)
{
	struct far *far = malloc(sizeof(*far));

	if (far == NULL)
		evkv_conformance_fail(run, "no memory");
	far_open(far);
	evkv_conformance_set_data(run, far);
	far_start(far);
}

static void bridge_teardown(struct evkv_conformance *run)
{
	struct far *far = evkv_conformance_data(run);

	far_stop(far);
	far_close(far);
	free(far);
}

struct opening {
	struct far *far;
	struct evkv_store *store;
	pthread_mutex_t mutex;
	pthread_cond_t made;
	bool done;
};

static void open_there(void *arg)
{
	struct opening *opening = arg;

	pthread_mutex_lock(&opening->mutex);
	opening->store = evkv_memory_new(opening->far->loop, NULL, NULL);
	opening->done = true;
	pthread_cond_signal(&opening->made);
	pthread_mutex_unlock(&opening->mutex);
}

static struct evkv_store *bridge_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct opening opening = { .far = evkv_conformance_data(run),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.made = PTHREAD_COND_INITIALIZER };

	if (!evkv_loop_post(opening.far->loop, open_there, &opening))
		return NULL;
	pthread_mutex_lock(&opening.mutex);
	while (!opening.done)
		pthread_cond_wait(&opening.made, &opening.mutex);
	pthread_mutex_unlock(&opening.mutex);
	return evkv_bridge_new(loop, opening.store, error);
}

const struct evkv_conformance_suite conformance_suites[] = {
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "bridge",
	    .open = bridge_open,
	    .setup = bridge_setup,
	    .teardown = bridge_teardown,
	    .quirks = EVKV_CONFORMANCE_REAL_TIME | EVKV_CONFORMANCE_SLOW },
	{ .name = NULL },
};
