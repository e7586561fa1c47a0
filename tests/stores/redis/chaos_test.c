/*
 * tests/stores/redis/chaos_test.c - the redis driver while its server is killed,
 * paused and restarted. CHAOS_OPS says how many operations there are.
 */
#include <openssl/sha.h>
#include <string.h>

#include "evkv/stores/redis.h"
#include "lib/chaos.h"
#include "lib/test.h"

static void version(struct evkv_slice value, struct evkv_version *made)
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1(value.data, value.size, digest);
	memcpy(made->bytes, digest, sizeof(made->bytes));
}

static struct evkv_store *open_with(struct evkv_loop *loop,
    const struct server *server, int connections, struct evkv_error *error)
{
	return evkv_redis_new(loop,
	    &(struct evkv_redis_options){ .path = server->socket_path,
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
	return open_with(loop, servers, 1, error);
}

static struct evkv_store *open_four(struct evkv_loop *loop,
    const struct server *servers, struct evkv_error *error)
{
	return open_with(loop, servers, 4, error);
}

static const char *const quit[] = { "CLIENT", "KILL", "TYPE", "normal", NULL };

static struct chaos_target target = {
	.servers = 1,
	.options = { .kind = SERVER_REDIS, .append_only = true },
	.quit = quit,
	.version = version,
};

EVKV_TEST(redis_chaos, one_connection)
{
	target.open = open_one;
	chaos_run(&target, CHAOS_OPS);
}

EVKV_TEST(redis_chaos, four_connections)
{
	target.open = open_four;
	chaos_run(&target, CHAOS_OPS);
}
