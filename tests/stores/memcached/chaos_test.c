/*
 * tests/stores/memcached/chaos_test.c - the memcached driver while its servers
 * are killed, paused and restarted. CHAOS_OPS says how many operations there
 * are.
 */
#include "evkv/stores/memcached.h"
#include "lib/chaos.h"
#include "lib/test.h"

static struct evkv_store *open_with(struct evkv_loop *loop,
    const struct server *servers, size_t count, int connections,
    struct evkv_error *error)
{
	struct evkv_memcached_server where[CHAOS_SERVERS];

	for (size_t i = 0; i < count; i++)
		where[i] = (struct evkv_memcached_server){ .host = "127.0.0.1",
			.port = servers[i].port };
	return evkv_memcached_new(loop,
	    &(struct evkv_memcached_options){ .servers = where,
		.server_count = count,
		.connections = connections,
		.stall_timeout_ms = 200,
		.backoff_min_ms = 5,
		.backoff_max_ms = 50,
		.max_offline_ms = 300 },
	    error);
}

static struct evkv_store *open_one(struct evkv_loop *loop,
    const struct server *servers, struct evkv_error *error)
{
	return open_with(loop, servers, 1, 1, error);
}

static struct evkv_store *open_three(struct evkv_loop *loop,
    const struct server *servers, struct evkv_error *error)
{
	return open_with(loop, servers, 3, 2, error);
}

EVKV_TEST(memcached_chaos, one_server)
{
	const struct chaos_target target = {
		.servers = 1,
		.options = { .kind = SERVER_MEMCACHED },
		.forgets = true,
		.open = open_one,
	};

	chaos_run(&target, CHAOS_OPS);
}

EVKV_TEST(memcached_chaos, three_servers)
{
	const struct chaos_target target = {
		.servers = 3,
		.options = { .kind = SERVER_MEMCACHED },
		.forgets = true,
		.open = open_three,
	};

	chaos_run(&target, CHAOS_OPS);
}
