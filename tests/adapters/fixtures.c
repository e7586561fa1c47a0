/*
 * tests/adapters/fixtures.c - a bridge to a memory store, and to a server, under
 * the conformance suite: the far loop has a thread, and the system's clock.
 */
#include <stdlib.h>

#include "evkv/adapters/bridge.h"
#include "evkv/stores/memory.h"
#include "far.h"
#include "suites.h"
#ifdef FIXTURES_HAVE_REDIS
#include "evkv/stores/redis.h"
#include "lib/server_shared.h"
#endif

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
#ifdef FIXTURES_HAVE_REDIS
	const struct evkv_redis_options *redis; /* NULL = memory */
#endif
	struct evkv_store *store;
	pthread_mutex_t mutex;
	pthread_cond_t made;
	bool done;
};

static void open_there(void *arg)
{
	struct opening *opening = arg;
	struct evkv_loop *loop = opening->far->loop;

	pthread_mutex_lock(&opening->mutex);
#ifdef FIXTURES_HAVE_REDIS
	if (opening->redis != NULL)
		opening->store = evkv_redis_new(loop, opening->redis, NULL);
	else
#endif
		opening->store = evkv_memory_new(loop, NULL, NULL);
	opening->done = true;
	pthread_cond_signal(&opening->made);
	pthread_mutex_unlock(&opening->mutex);
}

static struct evkv_store *open_by(struct opening *opening,
    struct evkv_conformance *run, struct evkv_loop *loop,
    struct evkv_error *error)
{
	opening->far = evkv_conformance_data(run);
	pthread_mutex_init(&opening->mutex, NULL);
	pthread_cond_init(&opening->made, NULL);
	if (!evkv_loop_post(opening->far->loop, open_there, opening))
		return NULL;
	pthread_mutex_lock(&opening->mutex);
	while (!opening->done)
		pthread_cond_wait(&opening->made, &opening->mutex);
	pthread_mutex_unlock(&opening->mutex);
	return evkv_bridge_new(loop, opening->store, error);
}

static struct evkv_store *bridge_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct opening opening = { .done = false };

	return open_by(&opening, run, loop, error);
}

#ifdef FIXTURES_HAVE_REDIS
static void redis_setup(struct evkv_conformance *run)
{
	server_shared_start(SERVER_REDIS);
	bridge_setup(run);
}

/* Each has a database of its own. */
static struct evkv_store *redis_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	struct server *server = server_shared(SERVER_REDIS);
	const struct evkv_redis_options options = {
		.path = server->socket_path,
		.password = SERVER_SHARED_PASSWORD,
		.db = server_shared_db(server),
		.allow_unprefixed_clear_all = true,
		.connections = 2,
	};
	struct opening opening = { .redis = &options };

	return open_by(&opening, run, loop, error);
}
#endif

const struct evkv_conformance_suite conformance_suites[] = {
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "bridge",
	    .open = bridge_open,
	    .setup = bridge_setup,
	    .teardown = bridge_teardown,
	    .quirks = EVKV_CONFORMANCE_REAL_TIME | EVKV_CONFORMANCE_SLOW },
#ifdef FIXTURES_HAVE_REDIS
	{ .size = sizeof(struct evkv_conformance_suite),
	    .name = "bridge_redis",
	    .open = redis_open,
	    .setup = redis_setup,
	    .teardown = bridge_teardown,
	    .quirks = EVKV_CONFORMANCE_REAL_TIME | EVKV_CONFORMANCE_SLOW },
#endif
	{ .name = NULL },
};
