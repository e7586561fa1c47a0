/*
 * The conformance fixture of the redis driver: FIXTURE_KIND, FIXTURE_TRANSPORT
 * and FIXTURE_CONNECTIONS say on which server, over what, and how often.
 */
#include <stdio.h>

#include "conformance.h"
#include "evkv/stores/redis.h"
#include "lib/server_shared.h"

#define TRANSPORT_TCP 0
#define TRANSPORT_UNIX 1
#define TRANSPORT_TLS 2

SERVER_SHARED(FIXTURE_KIND)

/* Each case has a database of its own, which its stores share. */
static void fixture_setup(struct conformance *c)
{
	struct server *server = server_shared(FIXTURE_KIND);

	c->data = conformance_alloc(c, sizeof(int));
	*(int *)c->data = server_shared_db(server);
}

static struct evkv_store *fixture_open(struct conformance *c,
    struct evkv_error *error)
{
	struct server *server = server_shared(FIXTURE_KIND);
	struct evkv_redis_options options = {
		.password = SERVER_SHARED_PASSWORD,
		.db = *(int *)c->data,
		.allow_unprefixed_clear_all = true,
		.connections = FIXTURE_CONNECTIONS,
	};

	if (c->sweeping) {
		/* Connections that fail for want of memory need not wait. */
		options.backoff_min_ms = 1;
		options.backoff_max_ms = 2;
		options.max_offline_ms = 250;
	}
	if (FIXTURE_TRANSPORT == TRANSPORT_UNIX) {
		options.path = server->socket_path;
	} else if (FIXTURE_TRANSPORT == TRANSPORT_TLS) {
		options.port = server->tls_port;
		options.tls = true;
		options.tls_ca_file = server->ca_file;
	} else {
		options.port = server->port;
	}
	return evkv_redis_new(c->rig.loop, &options, error);
}

const struct conformance_fixture conformance_fixture = {
	.name = "redis",
	.setup = fixture_setup,
	.open = fixture_open,
	.quirks = CONFORMANCE_PERSISTS | CONFORMANCE_REAL_TIME,
};
