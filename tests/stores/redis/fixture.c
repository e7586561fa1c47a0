/*
 * The redis driver under the conformance suite: each server, over each
 * transport, with one connection and with several.
 */
#include "evkv/stores/redis.h"
#include "lib/server_shared.h"
#include "suites.h"

enum fixture_transport { FIXTURE_TCP, FIXTURE_UNIX, FIXTURE_TLS };

struct fixture {
	enum server_kind kind;
	enum fixture_transport transport;
	int connections;
};

/* Each case has a database of its own, which its stores share. */
static void fixture_setup(struct evkv_conformance *run)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	int *db = evkv_conformance_alloc(run, sizeof(*db));

	server_shared_start(fixture->kind);
	*db = server_shared_db(server_shared(fixture->kind));
	evkv_conformance_set_data(run, db);
}

static struct evkv_store *fixture_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	struct server *server = server_shared(fixture->kind);
	struct evkv_redis_options options = {
		.password = SERVER_SHARED_PASSWORD,
		.db = *(int *)evkv_conformance_data(run),
		.allow_unprefixed_clear_all = true,
		.connections = fixture->connections,
	};

	if (evkv_conformance_sweeping(run)) {
		/* Without memory to connect nothing need be waited for. */
		options.backoff_min_ms = 1;
		options.backoff_max_ms = 2;
		options.max_offline_ms = 250;
	}
	if (fixture->transport == FIXTURE_UNIX) {
		options.path = server->socket_path;
	} else if (fixture->transport == FIXTURE_TLS) {
		options.port = server->tls_port;
		options.tls = true;
		options.tls_ca_file = server->ca_file;
	} else {
		options.port = server->port;
	}
	return evkv_redis_new(loop, &options, error);
}

#define SUITE_(name_, kind_, transport_, connections_)                         \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = name_,  \
		.setup = fixture_setup, .open = fixture_open,                  \
		.arg = &(struct fixture){ SERVER_##kind_,                      \
			FIXTURE_##transport_, connections_ },                  \
		.quirks = EVKV_CONFORMANCE_PERSISTS |                          \
		    EVKV_CONFORMANCE_REAL_TIME                                 \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_("redis.tcp.1", REDIS, TCP, 1),
	SUITE_("redis.tcp.4", REDIS, TCP, 4),
	SUITE_("redis.unix.1", REDIS, UNIX, 1),
	SUITE_("redis.unix.4", REDIS, UNIX, 4),
	SUITE_("redis.tls.1", REDIS, TLS, 1),
	SUITE_("redis.tls.4", REDIS, TLS, 4),
	SUITE_("valkey.tcp.1", VALKEY, TCP, 1),
	SUITE_("valkey.tcp.4", VALKEY, TCP, 4),
	SUITE_("valkey.unix.1", VALKEY, UNIX, 1),
	SUITE_("valkey.unix.4", VALKEY, UNIX, 4),
	SUITE_("valkey.tls.1", VALKEY, TLS, 1),
	SUITE_("valkey.tls.4", VALKEY, TLS, 4),
	{ .name = NULL },
};
